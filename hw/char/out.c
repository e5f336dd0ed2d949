/* out.c - output that the other side cannot take at once: a bounded queue before a descriptor.
 *
 * Nothing here waits. What is not taken is kept and written when the event loop finds the descriptor
 * writable; a device is told to hold its guest back before the queue is full (chardev_writable), and what
 * comes all the same is dropped and counted.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/char/chardev_int.h"

#include "hw/hostsay.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_ROOM   4096u
/* ms without progress at the end, then the rest is dropped: usually, and when the user wants it at once */
#define END_PATIENCE 500
#define END_HURRY    30

static int patience = END_PATIENCE;

void chardev_hurry(void) { patience = END_HURRY; }

void chardev_out_init(struct chardev_out *o, int fd, size_t max, bool shared)
{
    *o = (struct chardev_out){ .fd = fd, .max = max, .shared = shared };
}

/* Would a small write go through at once? */
static bool can_take(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    return poll(&p, 1, 0) == 1;
}

void chardev_lost(struct chardev *c, size_t n)
{
    if (!c)
        return;
    c = (struct chardev *)chardev_bottom(c);
    if (!c->lost && !c->failed)
        host_say("callgate: nobody reads %s: some of what goes there is lost (info chardev counts it)\n", c->label);
    c->lost += n;
}

void chardev_failed(struct chardev *c, int err)
{
    if (!c->failed)
        host_say("callgate: cannot write to %s: %s; what goes there is lost\n", c->label, strerror(err));
    c->failed = true;
}

/* Below this, a guest that was held back goes on; above three quarters it is held. */
static size_t low_water(const struct chardev_out *o) { return o->max / 2; }

bool chardev_out_writable(const struct chardev_out *o) { return !o->held; }

bool chardev_out_waits(const struct chardev_out *o) { return o->len > 0; }

static bool make_room(struct chardev_out *o, size_t len)
{
    size_t cap = o->cap ? o->cap : FIRST_ROOM;
    while (cap < o->len + len && cap < o->max)
        cap *= 2;
    if (cap > o->max)
        cap = o->max;
    if (cap <= o->cap)
        return true;
    uint8_t *p = malloc(cap);
    if (!p)
        return false;
    for (size_t i = 0; i < o->len; i++)
        p[i] = o->buf[(o->start + i) % o->cap];
    free(o->buf);
    o->buf = p;
    o->cap = cap;
    o->start = 0;
    return true;
}

static void append(struct chardev_out *o, const uint8_t *buf, size_t len)
{
    while (len) {
        size_t at = (o->start + o->len) % o->cap;
        size_t n = o->cap - at < len ? o->cap - at : len;
        memcpy(o->buf + at, buf, n);
        o->len += n;
        buf += n;
        len -= n;
    }
}

static void drop_oldest(struct chardev_out *o, size_t n)
{
    o->start = (o->start + n) % o->cap;
    o->len -= n;
}

void chardev_out_keep(struct chardev_out *o, const uint8_t *buf, size_t len)
{
    if (len > o->max) {
        buf += len - o->max;
        len = o->max;
    }
    make_room(o, len);
    if (!o->cap)
        return; /* no memory: nothing is kept */
    if (len > o->cap) {
        buf += len - o->cap;
        len = o->cap;
    }
    if (len > o->cap - o->len)
        drop_oldest(o, len - (o->cap - o->len));
    append(o, buf, len);
}

static ssize_t write_some(struct chardev_out *o, const uint8_t *buf, size_t len)
{
    ssize_t n;
    if (o->shared) { /* it blocks, and must not be changed: others have it too */
        if (!can_take(o->fd)) {
            errno = EAGAIN;
            return -1;
        }
        len = len < PIPE_BUF ? len : PIPE_BUF; /* a pipe that can be written has room for that */
    }
    do
        n = write(o->fd, buf, len);
    while (n < 0 && errno == EINTR);
    return n;
}

int chardev_out_flush(struct chardev *c, struct chardev_out *o)
{
    while (o->len) {
        size_t run = o->cap - o->start < o->len ? o->cap - o->start : o->len;
        ssize_t n = write_some(o, o->buf + o->start, run);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0) {
            int err = n < 0 ? errno : EIO;
            c->lost += o->len;
            o->start = o->len = 0;
            o->held = false;
            return -err;
        }
        drop_oldest(o, (size_t)n);
    }
    if (o->held && o->len <= low_water(o)) {
        o->held = false;
        chardev_event(c, CHARDEV_WRITABLE);
    }
    return 0;
}

int chardev_out_write(struct chardev *c, struct chardev_out *o, const uint8_t *buf, size_t len)
{
    bool idle = !o->len;
    size_t n = 0;
    if (make_room(o, len))
        n = len;
    if (n > o->cap - o->len)
        n = o->cap - o->len;
    if (n) {
        append(o, buf, n);
        c->written += n;
    }
    /* what waits already is written by the event loop */
    int rc = idle ? chardev_out_flush(c, o) : 0;
    if (!rc && n < len && idle) { /* more than fits at once */
        size_t more = len - n < o->cap - o->len ? len - n : o->cap - o->len;
        append(o, buf + n, more);
        c->written += more;
        n += more;
        rc = chardev_out_flush(c, o);
    }
    if (!rc && o->len >= o->max - o->max / 4)
        o->held = true;
    if (!rc && n < len)
        chardev_lost(c, len - n);
    return rc;
}

void chardev_out_unsent(const struct chardev_out *o, struct state_buf *to)
{
    for (size_t i = 0; i < o->len; i++)
        state_buf_put(to, &o->buf[(o->start + i) % o->cap], 1);
}

void chardev_out_forget(struct chardev_out *o)
{
    o->start = o->len = 0;
    o->held = false;
}

void chardev_out_end(struct chardev *c, struct chardev_out *o)
{
    while (o->len && !chardev_out_flush(c, o) && o->len) {
        struct pollfd p = { .fd = o->fd, .events = POLLOUT };
        if (poll(&p, 1, patience) == 0)
            break;
    }
    free(o->buf);
    o->buf = NULL;
    o->cap = o->len = 0;
}
