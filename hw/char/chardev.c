/* chardev.c - the parts all byte streams share, the choice of a back end, and the simplest ones:
 * null, ring buffer. See chardev.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/char/chardev_int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

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

size_t chardev_pending_room(const struct chardev *c) { return CHARDEV_PENDING - c->pending_len; }

void chardev_deliver_later(struct chardev *c, const uint8_t *buf, size_t len)
{
    size_t n = c->pending_len ? 0 : chardev_room(c);
    n = n < len ? n : len;
    chardev_deliver(c, buf, n);
    if (n == len || (!c->pending && !(c->pending = malloc(CHARDEV_PENDING))))
        return;
    buf += n;
    len -= n;
    n = chardev_pending_room(c);
    n = n < len ? n : len;
    memcpy(c->pending + c->pending_len, buf, n);
    c->pending_len += n;
}

static void deliver_pending(struct chardev *c)
{
    size_t n;
    while (c->pending_len && (n = chardev_room(c)) > 0) {
        uint8_t some[256];
        n = n < c->pending_len ? n : c->pending_len;
        n = n < sizeof some ? n : sizeof some;
        memcpy(some, c->pending, n); /* the front may ask for more from within */
        c->pending_len -= n;
        memmove(c->pending, c->pending + n, c->pending_len);
        chardev_deliver(c, some, n);
    }
}

const struct chardev *chardev_bottom(const struct chardev *c)
{
    while (c->ops->back)
        c = c->ops->back(c);
    return c;
}

bool chardev_writable(const struct chardev *c)
{
    if (!c)
        return true;
    c = chardev_bottom(c);
    return !c->ops->writable || c->ops->writable(c);
}

void chardev_dump(const struct chardev *c, FILE *out)
{
    fprintf(out, "%s: ", c->label);
    c = chardev_bottom(c);
    fprintf(out, "%s, %llu bytes written, %llu lost", c->open ? "open" : "closed", (unsigned long long)c->written,
            (unsigned long long)c->lost);
    if (c->pending_len)
        fprintf(out, ", %zu of input wait", c->pending_len);
    if (c->failed)
        fprintf(out, ", writing failed");
    if (c->ops->dump)
        c->ops->dump(c, out);
    fputc('\n', out);
}

void chardev_write(struct chardev *c, const void *buf, size_t len)
{
    if (c && len && c->ops->write)
        c->ops->write(c, buf, len);
}

void chardev_accept_input(struct chardev *c)
{
    if (c)
        deliver_pending(c);
    if (c && c->ops->update_input)
        c->ops->update_input(c);
}

void chardev_send_break(struct chardev *c)
{
    if (c && c->ops->send_break)
        c->ops->send_break(c);
}

const char *chardev_describe(const struct chardev *c) { return c->label; }

void chardev_close(struct chardev *c)
{
    if (!c)
        return;
    if (c->ops->close)
        c->ops->close(c);
    free(c->pending);
    free(c);
}

/* ---- null ---- */

static const struct chardev_ops null_ops = { .name = "null" };

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

static void ring_close(struct chardev *c) { free(((struct ring_chardev *)c)->buf); }

static void ring_unsent(const struct chardev *c, struct state_buf *out)
{
    const struct ring_chardev *r = (const struct ring_chardev *)c;
    for (size_t i = 0; i < r->len; i++)
        state_buf_put(out, &r->buf[(r->start + i) % r->size], 1);
}

static void ring_forget(struct chardev *c) { ((struct ring_chardev *)c)->len = 0; }

static const struct chardev_ops ring_ops = {
    .name = "ringbuf", .write = ring_write, .unsent = ring_unsent, .forget = ring_forget, .close = ring_close
};

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
    if (!strcmp(spec, "null") || !strcmp(spec, "none") || !strcmp(spec, "vc") || !strncmp(spec, "vc:", 3))
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
        return chardev_file_open(ev, spec + 5, err, err_len);
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
