/* chardev.h - byte streams between devices (serial ports, debug consoles, monitor) and the host.
 *
 * A chardev has one front (whoever set the handlers) and a back end chosen by a QEMU-style spec.
 * All calls and callbacks are on the vCPU thread.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_CHAR_CHARDEV_H
#define HW_CHAR_CHARDEV_H

#include "hw/evloop.h"

#include <stdio.h>

struct chardev;

enum chardev_event {
    CHARDEV_OPENED,   /* somebody connected (sent at once for back ends that always are) */
    CHARDEV_CLOSED,   /* the peer left, or end of input */
    CHARDEV_BREAK,    /* the peer sent a break */
    CHARDEV_WRITABLE, /* chardev_writable is true again */
    CHARDEV_FOCUS_IN, /* multiplexer: input comes here from now on */
    CHARDEV_FOCUS_OUT,
};

struct chardev_handlers {
    /* How many bytes the front can take now. NULL: any number. */
    size_t (*can_read)(void *opaque);
    void (*read)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, enum chardev_event event);
};

/* Open the back end that `spec` names: null, vc (as null), stdio, mon:stdio (multiplexed), pty,
 * file:PATH, unix:PATH[,server][,nowait], tcp:HOST:PORT[,server][,nowait], ringbuf[:SIZE].
 * With ",server" and without ",nowait" it waits for the connection. Returns NULL with one
 * sentence in err[0..err_len). */
struct chardev *chardev_open(struct evloop *ev, const char *spec, char *err, size_t err_len);
void chardev_close(struct chardev *c);

/* The front: handlers may be NULL to detach. `h` must live as long as it is set. */
void chardev_set_handlers(struct chardev *c, const struct chardev_handlers *h, void *opaque);
/* Write; never waits: what the peer does not take now is kept (1 MiB, sockets 64 KiB), and beyond that
 * dropped and counted. A server socket keeps the newest 64 KiB for its first client. */
void chardev_write(struct chardev *c, const void *buf, size_t len);
/* A device that can make its guest wait should, while this is false: the peer is a long way behind. It is
 * told by CHARDEV_WRITABLE when to go on. */
bool chardev_writable(const struct chardev *c);
/* `n` bytes that a device did not write, as chardev_writable was false, and could not make wait. */
void chardev_lost(struct chardev *c, size_t n);
/* The front has room again after can_read said 0. */
void chardev_accept_input(struct chardev *c);
/* The guest sends a break. */
void chardev_send_break(struct chardev *c);
/* A name for messages and `info chardev`: "pty:/dev/pts/3". */
const char *chardev_describe(const struct chardev *c);
/* One line for `info chardev`: name, whether somebody is there, bytes that wait and that were lost. */
void chardev_dump(const struct chardev *c, FILE *out);

/* Input and output on their way, and a multiplexer's keys; of a multiplexer, not of its fronts. */
extern const struct state_desc chardev_state;

/* The ring buffer back end: take what was written so far. Returns the bytes copied. */
size_t chardev_ring_read(struct chardev *c, void *buf, size_t len);

/* Multiplexer: several fronts over one back end. Ctrl-A is the escape: x leaves the emulator, c
 * moves the focus to the next front, b sends a break, h helps, Ctrl-A or a sends Ctrl-A. Each
 * front is a chardev of its own; the first has the focus. Closing the mux closes all. */
struct chardev *chardev_mux_open(struct chardev *back);
struct chardev *chardev_mux_front(struct chardev *mux, const char *name);
/* Called on Ctrl-A x. */
void chardev_mux_on_quit(struct chardev *mux, void (*quit)(void *opaque), void *opaque);
bool chardev_is_mux(const struct chardev *c);
void chardev_mux_focus_next(struct chardev *mux);

/* Put the terminal back as it was (also done at exit and on fatal signals). */
void chardev_stdio_restore(void);
/* The process is told to end: closing does not wait long for readers of what is left. */
void chardev_hurry(void);
/* Let Ctrl-C and the like reach the emulated machine (default) or raise their signals. */
void chardev_stdio_signals(bool on);

#endif
