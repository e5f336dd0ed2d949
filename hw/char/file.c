/* file.c - a byte stream into a file that is named: a regular file, or a FIFO, terminal or other device.
 *
 * A regular file takes all or fails, and is written directly. Anything else may have to wait: it is opened
 * without blocking, and goes through a queue (out.c).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/char/chardev_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct file_chardev {
    struct chardev c;
    int fd;
    bool watched;           /* not a regular file: in the event loop */
    struct chardev_out out; /* state (chardev_state); the rest is the host's */
};

static void file_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    struct file_chardev *f = (struct file_chardev *)c;
    if (f->watched) {
        int rc = chardev_out_write(c, &f->out, buf, len);
        if (rc)
            chardev_failed(c, -rc);
        evloop_modify_fd(c->ev, f->fd, false, chardev_out_waits(&f->out));
        return;
    }
    while (len) {
        ssize_t n = write(f->fd, buf, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) { /* there may be room again later */
            chardev_failed(c, n < 0 ? errno : ENOSPC);
            c->lost += len;
            return;
        }
        c->written += (uint64_t)n;
        buf += n;
        len -= (size_t)n;
    }
}

static void file_ready(void *opaque, int fd, unsigned events)
{
    struct file_chardev *f = opaque;
    (void)events;
    int rc = chardev_out_flush(&f->c, &f->out);
    if (rc) {
        chardev_failed(&f->c, -rc);
        chardev_event(&f->c, CHARDEV_WRITABLE);
    }
    evloop_modify_fd(f->c.ev, fd, false, chardev_out_waits(&f->out));
}

static bool file_writable(const struct chardev *c)
{
    return chardev_out_writable(&((const struct file_chardev *)c)->out);
}

static void file_dump(const struct chardev *c, FILE *out)
{
    fprintf(out, ", %zu wait", ((const struct file_chardev *)c)->out.len);
}

static void file_close(struct chardev *c)
{
    struct file_chardev *f = (struct file_chardev *)c;
    if (f->watched)
        evloop_remove_fd(c->ev, f->fd);
    c->front = NULL;
    chardev_out_end(c, &f->out);
    if (close(f->fd))
        chardev_failed(c, errno);
}

static void file_unsent(const struct chardev *c, struct state_buf *out)
{
    chardev_out_unsent(&((const struct file_chardev *)c)->out, out);
}

static void file_forget(struct chardev *c) { chardev_out_forget(&((struct file_chardev *)c)->out); }

static const struct chardev_ops file_ops = { .name = "file",
                                             .write = file_write,
                                             .unsent = file_unsent,
                                             .forget = file_forget,
                                             .writable = file_writable,
                                             .close = file_close,
                                             .dump = file_dump };

struct chardev *chardev_file_open(struct evloop *ev, const char *path, char *err, size_t err_len)
{
    /* not blocking: nobody may be at a FIFO's other end */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        int e = errno;
        if (fd >= 0)
            close(fd);
        return chardev_fail(err, err_len, "cannot write %s: %s", path,
                            e == ENXIO ? "nobody reads it; start the reader first" : strerror(e));
    }
    struct file_chardev *f = chardev_alloc(sizeof *f, &file_ops, ev);
    if (!f) {
        close(fd);
        return chardev_fail(err, err_len, "out of memory");
    }
    f->fd = fd;
    f->c.open = true;
    snprintf(f->c.label, sizeof f->c.label, "file:%.120s", path);
    chardev_out_init(&f->out, fd, CHARDEV_OUT_STREAM, false);
    if (!S_ISREG(st.st_mode))
        f->watched = !evloop_add_fd(ev, fd, false, false, file_ready, f);
    return &f->c;
}
