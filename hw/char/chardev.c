/* chardev.c - the parts all byte streams share, the choice of a back end, and the simplest ones:
 * null, file, ring buffer. See chardev.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/char/chardev_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

void *chardev_alloc(size_t size, const struct chardev_ops *ops, struct evloop *ev)
{
    struct chardev *c = calloc(1, size);
    if (c) {
        c->ops = ops;
        c->ev = ev;
        snprintf(c->label, sizeof c->label, "%s", ops->name);
    }
    return c;
}

void *chardev_fail(char *err, size_t err_len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err, err_len, fmt, ap);
    va_end(ap);
    return NULL;
}

size_t chardev_room(const struct chardev *c)
{
    if (!c->front || !c->front->read)
        return 0;
    return c->front->can_read ? c->front->can_read(c->opaque) : 4096;
}

void chardev_deliver(struct chardev *c, const uint8_t *buf, size_t len)
{
    if (c->front && c->front->read && len)
        c->front->read(c->opaque, buf, len);
}

void chardev_event(struct chardev *c, enum chardev_event event)
{
    if (event == CHARDEV_OPENED || event == CHARDEV_CLOSED) {
        if (c->open == (event == CHARDEV_OPENED))
            return;
        c->open = event == CHARDEV_OPENED;
    }
    if (c->front && c->front->event)
        c->front->event(c->opaque, event);
}

void chardev_set_handlers(struct chardev *c, const struct chardev_handlers *h, void *opaque)
{
    if (!c)
        return;
    c->front = h;
    c->opaque = opaque;
    if (h && h->event && c->open)
        h->event(opaque, CHARDEV_OPENED);
    chardev_accept_input(c);
}

void chardev_write(struct chardev *c, const void *buf, size_t len)
{
    if (c && len && c->ops->write)
        c->ops->write(c, buf, len);
}

void chardev_accept_input(struct chardev *c)
{
    if (c && c->ops->update_input)
        c->ops->update_input(c);
}

void chardev_send_break(struct chardev *c)
{
    if (c && c->ops->send_break)
        c->ops->send_break(c);
}

const char *chardev_describe(const struct chardev *c)
{
    return c->label;
}

void chardev_close(struct chardev *c)
{
    if (!c)
        return;
    if (c->ops->close)
        c->ops->close(c);
    free(c);
}

/* ---- output that a peer cannot take at once ---- */

bool chardev_out_flush(struct chardev_out *o, int fd)
{
    size_t done = 0;
    while (done < o->len) {
        ssize_t n = write(fd, o->buf + done, o->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
                o->len = 0;
                return false;
            }
            break;
        }
        done += (size_t)n;
    }
    o->len -= done;
    if (o->len)
        memmove(o->buf, o->buf + done, o->len);
    return true;
}

bool chardev_out_write(struct chardev_out *o, int fd, const uint8_t *buf, size_t len)
{
    if (!o->buf && !(o->buf = malloc(CHARDEV_OUT_MAX)))
        return true;
    while (len) {
        size_t n = CHARDEV_OUT_MAX - o->len;
        if (!n)
            return true; /* the peer does not read: the rest is lost, as on a wire */
        n = n < len ? n : len;
        memcpy(o->buf + o->len, buf, n);
        o->len += n;
        buf += n;
        len -= n;
        if (!chardev_out_flush(o, fd))
            return false;
    }
    return true;
}

/* ---- null, file ---- */

static const struct chardev_ops null_ops = {.name = "null"};

struct file_chardev {
    struct chardev c;
    int fd;
};

static void file_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    int fd = ((struct file_chardev *)c)->fd;
    while (len) {
        ssize_t n = write(fd, buf, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* disk full: the log ends here */
        buf += n;
        len -= (size_t)n;
    }
}

static void file_close(struct chardev *c)
{
    close(((struct file_chardev *)c)->fd);
}

static const struct chardev_ops file_ops = {
    .name = "file", .write = file_write, .close = file_close};

static struct chardev *file_open(struct evloop *ev, const char *path, char *err, size_t err_len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return chardev_fail(err, err_len, "cannot write %s: %s", path, strerror(errno));
    struct file_chardev *f = chardev_alloc(sizeof *f, &file_ops, ev);
    if (!f) {
        close(fd);
        return chardev_fail(err, err_len, "out of memory");
    }
    f->fd = fd;
    f->c.open = true;
    snprintf(f->c.label, sizeof f->c.label, "file:%s", path);
    return &f->c;
}

/* ---- ring buffer ---- */

struct ring_chardev {
    struct chardev c;
    uint8_t *buf;
    size_t size;
    size_t start;
    size_t len;
};

static void ring_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    struct ring_chardev *r = (struct ring_chardev *)c;
    for (size_t i = 0; i < len; i++) {
        r->buf[(r->start + r->len) % r->size] = buf[i];
        if (r->len < r->size)
            r->len++;
        else
            r->start = (r->start + 1) % r->size;
    }
}

static void ring_close(struct chardev *c)
{
    free(((struct ring_chardev *)c)->buf);
}

static const struct chardev_ops ring_ops = {
    .name = "ringbuf", .write = ring_write, .close = ring_close};

size_t chardev_ring_read(struct chardev *c, void *buf, size_t len)
{
    struct ring_chardev *r = (struct ring_chardev *)c;
    if (c->ops != &ring_ops)
        return 0;
    size_t n = len < r->len ? len : r->len;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)buf)[i] = r->buf[(r->start + i) % r->size];
    r->start = (r->start + n) % r->size;
    r->len -= n;
    return n;
}

static struct chardev *ring_open(struct evloop *ev, const char *size, char *err, size_t err_len)
{
    char *end;
    unsigned long n = size ? strtoul(size, &end, 0) : 65536;
    if ((size && (*end || end == size)) || !n || n > 1ul << 30)
        return chardev_fail(err, err_len, "ringbuf: bad size %s", size);
    struct ring_chardev *r = chardev_alloc(sizeof *r, &ring_ops, ev);
    if (!r || !(r->buf = malloc(n))) {
        free(r);
        return chardev_fail(err, err_len, "out of memory");
    }
    r->size = n;
    r->c.open = true;
    return &r->c;
}

static struct chardev *null_open(struct evloop *ev, char *err, size_t err_len)
{
    struct chardev *c = chardev_alloc(sizeof *c, &null_ops, ev);
    if (!c)
        return chardev_fail(err, err_len, "out of memory");
    c->open = true;
    return c;
}

struct chardev *chardev_open(struct evloop *ev, const char *spec, char *err, size_t err_len)
{
    if (!strcmp(spec, "null") || !strcmp(spec, "none") || !strcmp(spec, "vc") ||
        !strncmp(spec, "vc:", 3))
        return null_open(ev, err, err_len);
    if (!strcmp(spec, "stdio"))
        return chardev_stdio_open(ev, err, err_len);
    if (!strncmp(spec, "mon:", 4)) {
        struct chardev *back = chardev_open(ev, spec + 4, err, err_len);
        struct chardev *mux = back ? chardev_mux_open(back) : NULL;
        if (back && !mux) {
            chardev_close(back);
            return chardev_fail(err, err_len, "out of memory");
        }
        return mux;
    }
    if (!strncmp(spec, "file:", 5))
        return file_open(ev, spec + 5, err, err_len);
    if (!strncmp(spec, "unix:", 5) || !strncmp(spec, "tcp:", 4))
        return chardev_socket_open(ev, spec, err, err_len);
    if (!strcmp(spec, "pty"))
        return chardev_pty_open(ev, err, err_len);
    if (!strcmp(spec, "ringbuf"))
        return ring_open(ev, NULL, err, err_len);
    if (!strncmp(spec, "ringbuf:", 8))
        return ring_open(ev, spec + 8, err, err_len);
    return chardev_fail(err, err_len,
                        "%s: not a character device (null, stdio, mon:stdio, pty, file:PATH, "
                        "unix:PATH, tcp:HOST:PORT, vc, ringbuf)",
                        spec);
}
