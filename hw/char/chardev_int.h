/* chardev_int.h - what the back ends of chardev.h share.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_CHAR_CHARDEV_INT_H
#define HW_CHAR_CHARDEV_INT_H

#include "hw/char/chardev.h"

struct chardev_ops {
    const char *name;
    void (*write)(struct chardev *c, const uint8_t *buf, size_t len);
    /* The front's wish to read may have changed: (re)arm the input. */
    void (*update_input)(struct chardev *c);
    void (*send_break)(struct chardev *c);
    void (*close)(struct chardev *c); /* release what the back end holds; c itself is freed */
};

struct chardev {
    const struct chardev_ops *ops;
    struct evloop *ev;
    const struct chardev_handlers *front;
    void *opaque;
    bool open; /* OPENED was the last of OPENED and CLOSED */
    char label[128];
};

/* Allocate a zeroed back end whose struct begins with struct chardev. */
void *chardev_alloc(size_t size, const struct chardev_ops *ops, struct evloop *ev);
size_t chardev_room(const struct chardev *c);
void chardev_deliver(struct chardev *c, const uint8_t *buf, size_t len);
void chardev_event(struct chardev *c, enum chardev_event event);
/* Report failure in `err`; returns NULL. */
void *chardev_fail(char *err, size_t err_len, const char *fmt, ...) printf_fn(3, 4);

/* Bytes waiting for a slow peer. */
#define CHARDEV_OUT_MAX 65536u
struct chardev_out {
    uint8_t *buf;
    size_t len;
};
/* Write to a non-blocking descriptor, keeping what does not fit. Returns false on an error. */
bool chardev_out_write(struct chardev_out *o, int fd, const uint8_t *buf, size_t len);
bool chardev_out_flush(struct chardev_out *o, int fd);

struct chardev *chardev_stdio_open(struct evloop *ev, char *err, size_t err_len);
struct chardev *chardev_socket_open(struct evloop *ev, const char *spec, char *err,
                                    size_t err_len);
struct chardev *chardev_pty_open(struct evloop *ev, char *err, size_t err_len);

#endif
