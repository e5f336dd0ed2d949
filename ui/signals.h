/* signals.h - SIGTERM, SIGINT and SIGHUP end the machine in order: images flushed, terminal and sockets put back.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_SIGNALS_H
#define UI_SIGNALS_H

/* While the machine is put together: a signal ends the process at once, with the terminal restored. */
void signals_early(void);
/* From now on `quit` is called, in the signal handler. */
void signals_start(void (*quit)(void *opaque), void *opaque);
/* `opaque` goes: from now on nothing is called. */
void signals_stop(void);
/* Any handler that a library has installed is moved to the alternate stack: translated code runs on the guest's. */
void signals_move_handlers(void);

#endif
