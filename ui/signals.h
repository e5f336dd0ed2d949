/* signals.h - SIGTERM, SIGINT and SIGHUP end the machine in order: images flushed, terminal and sockets put back.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_SIGNALS_H
#define UI_SIGNALS_H

struct evloop;

/* While the machine is put together: a signal ends the process at once, with the terminal restored. */
void signals_early(void);
/* From now on they wait, in this thread and those that it creates, and the event loop serves them: `quit` is
 * called on its thread. Returns 0 or -errno. */
int signals_start(struct evloop *ev, void (*quit)(void *opaque), void *opaque);
/* Any handler that a library has installed is moved to the alternate stack: translated code runs on the guest's. */
void signals_move_handlers(void);
void signals_stop(struct evloop *ev);

#endif
