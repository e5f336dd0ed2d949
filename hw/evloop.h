/* evloop.h - host events: file descriptors, timers, and functions posted by other threads.
 *
 * All callbacks run on the vCPU thread, from evloop_run (or evloop_wait). A waiter thread only
 * sleeps in poll() over the same descriptors and until the next deadline, then kicks the vCPU;
 * it sleeps again only after evloop_run has served what woke it, so nothing spins.
 * Everything except evloop_post and evloop_notify is for the vCPU thread (or before it starts).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_EVLOOP_H
#define HW_EVLOOP_H

#include "hw/clock.h"

struct evloop;

#define EV_READ  1u
#define EV_WRITE 2u
#define EV_HUP   4u /* hang-up or error: reported whether asked for or not */

typedef void evloop_fd_fn(void *opaque, int fd, unsigned events);

/* Create a loop over `clock`'s timers. NULL if out of memory or descriptors. */
struct evloop *evloop_create(struct clock *clock);
void evloop_destroy(struct evloop *ev);

/* Start the waiter thread; `kick` runs on it and must make the vCPU call evloop_run soon.
 * Without it (or before) the owner must call evloop_run often. Returns 0 or -errno. */
int evloop_start(struct evloop *ev, void (*kick)(void *opaque), void *opaque);

/* End the waiter thread: from here on nothing is kicked, and what `kick` uses may go. */
void evloop_stop(struct evloop *ev);

/* Watch a descriptor. Neither read nor write wanted: it is not polled at all. Adding, modifying
 * and removing (also itself) inside a callback is fine. Returns 0 or -errno. */
int evloop_add_fd(struct evloop *ev, int fd, bool want_read, bool want_write, evloop_fd_fn *cb, void *opaque);
void evloop_modify_fd(struct evloop *ev, int fd, bool want_read, bool want_write);
void evloop_remove_fd(struct evloop *ev, int fd);

/* Serve what is ready now, without blocking: descriptors, posted functions, expired timers. */
void evloop_run(struct evloop *ev);
/* The CPU is halted: block until something is ready, the next deadline, or `max` ns; then
 * evloop_run. */
void evloop_wait(struct evloop *ev, tick_t max);

/* From any thread: run fn(opaque) on the vCPU thread, in order of posting. */
int evloop_post(struct evloop *ev, void (*fn)(void *opaque), void *opaque);
/* From any thread or a signal handler: make evloop_wait return and the vCPU be kicked. */
void evloop_notify(struct evloop *ev);

#endif
