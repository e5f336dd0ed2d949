/* confine.h - what the options and the machine mean for the sandbox.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_CONFINE_H
#define UI_CONFINE_H

#include "ui/ui.h"

/* Before anything is opened and any thread made: start the process that will open files, if one will be
 * needed. Returns 0, or -errno after one line on stderr. */
int confine_prepare(const struct options *o);

/* Everything is open: close paths in this thread and those it will make. */
int confine_paths(struct ui *ui);

/* Every thread is there: give up the rest. Both return 0, or -errno after one line on stderr if the
 * machine must not run so. */
int confine_enter(struct ui *ui);

/* The sandbox as it is now: `info sandbox`. */
void confine_info(const struct ui *ui, FILE *out);

#endif
