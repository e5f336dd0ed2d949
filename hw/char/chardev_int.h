/* chardev_int.h - what the back ends of chardev.h share.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_CHAR_CHARDEV_INT_H
#define HW_CHAR_CHARDEV_INT_H

#include "hw/char/chardev.h"

#include <stdio.h>

struct chardev_ops {
    const char *name;
    void (*write)(struct chardev *c, const uint8_t *buf, size_t len);
    /* May the front write on? NULL: always. When it may again, CHARDEV_WRITABLE follows. */
    bool (*writable)(const struct chardev *c);
    /* The front's wish to read may have changed: (re)arm the input. */
    void (*update_input)(struct chardev *c);
    void (*send_break)(struct chardev *c);
    void (*close)(struct chardev *c); /* release what the back end holds; c itself is freed */
    /* What stands behind it, for a multiplexer and its fronts; NULL: nothing. */
    struct chardev *(*back)(const struct chardev *c);
    /* For snapshots: append what the peer has not taken yet; and drop it. NULL: nothing ever waits. */
    void (*unsent)(const struct chardev *c, struct state_buf *out);
    void (*forget)(struct chardev *c);
    /* What `info chardev` says beyond the name, as ", ..."; NULL: nothing. */
    void (*dump)(const struct chardev *c, FILE *out);
};

#define CHARDEV_PENDING 65536u

struct chardev {
    /* wiring */
    const struct chardev_ops *ops;
    struct evloop *ev;
    const struct chardev_handlers *front;
    void *opaque;
    bool typed; /* a person types here: what there is no room for is dropped, so that Ctrl-A works */
    char label[128];
    /* state (chardev_state), beside what the back end has in its queue */
    uint8_t *pending; /* input that came before the front had room: CHARDEV_PENDING bytes, or NULL */
    size_t pending_len;
    /* the host's */
    bool open;        /* OPENED was the last of OPENED and CLOSED */
    bool failed;      /* writing has failed, which was said */
    uint64_t written; /* bytes taken for the peer */
    uint64_t lost;    /* bytes dropped, as the peer did not read */
};

/* Allocate a zeroed back end whose struct begins with struct chardev. */
void *chardev_alloc(size_t size, const struct chardev_ops *ops, struct evloop *ev);
/* The one that holds the descriptor, under multiplexers. */
const struct chardev *chardev_bottom(const struct chardev *c);
/* How much the front takes at once. */
size_t chardev_room(const struct chardev *c);
void chardev_deliver(struct chardev *c, const uint8_t *buf, size_t len);
/* Deliver what the front has room for, and keep the rest until it has: at most chardev_pending_room bytes. */
void chardev_deliver_later(struct chardev *c, const uint8_t *buf, size_t len);
size_t chardev_pending_room(const struct chardev *c);
void chardev_event(struct chardev *c, enum chardev_event event);
/* Report failure in `err`; returns NULL. */
void *chardev_fail(char *err, size_t err_len, const char *fmt, ...) printf_fn(3, 4);

/* ---- out.c: bytes waiting for a slow peer ---- */

#define CHARDEV_OUT_SOCKET (64u << 10)
#define CHARDEV_OUT_STREAM (1u << 20)

struct chardev_out {
    int fd;
    uint8_t *buf; /* a ring of cap bytes, at most max */
    size_t cap;
    size_t max;
    size_t start;
    size_t len;
    bool held;   /* the front was told to wait */
    bool shared; /* the descriptor blocks, and is not ours to change */
};

/* Before all others. The queue holds at most `max` bytes. */
void chardev_out_init(struct chardev_out *o, int fd, size_t max, bool shared);
/* Write or keep. 0, or -errno if the descriptor is no good; what is full drops and counts. */
int chardev_out_write(struct chardev *c, struct chardev_out *o, const uint8_t *buf, size_t len);
/* Write what waits, as far as it goes. 0, or -errno. */
int chardev_out_flush(struct chardev *c, struct chardev_out *o);
/* Without a descriptor yet: keep, the newest if there is too much. */
void chardev_out_keep(struct chardev_out *o, const uint8_t *buf, size_t len);
bool chardev_out_writable(const struct chardev_out *o);
/* Something waits for the descriptor to become writable. */
bool chardev_out_waits(const struct chardev_out *o);
/* What waits: a copy of it, and no more of it. */
void chardev_out_unsent(const struct chardev_out *o, struct state_buf *to);
void chardev_out_forget(struct chardev_out *o);
/* The end: write what waits while the peer goes on reading, and free the queue. */
void chardev_out_end(struct chardev *c, struct chardev_out *o);

/* A multiplexer's focus, escape and fronts: part of chardev_state. */
extern const struct state_blob chardev_mux_blob;

/* Writing has failed for good or for now: say so, the first time. */
void chardev_failed(struct chardev *c, int err);

struct chardev *chardev_stdio_open(struct evloop *ev, char *err, size_t err_len);
struct chardev *chardev_socket_open(struct evloop *ev, const char *spec, char *err, size_t err_len);
struct chardev *chardev_pty_open(struct evloop *ev, char *err, size_t err_len);
struct chardev *chardev_file_open(struct evloop *ev, const char *path, char *err, size_t err_len);

#endif
