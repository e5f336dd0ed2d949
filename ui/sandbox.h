/* sandbox.h - what the process may no longer do once the guest runs (seccomp).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_SANDBOX_H
#define UI_SANDBOX_H

#include <stdbool.h>

/* What a machine still needs beyond the usual. */
struct sandbox_needs {
    bool files;  /* the monitor: open files for writing, and remove temporary ones */
    bool remove; /* a console on a local socket: its file is removed at the end */
    bool window; /* SDL: a local socket to the display, shared memory with it */
};

/* Give up everything else, in all threads and for good. Returns 0 or -errno. */
int sandbox_enter(const struct sandbox_needs *needs);

#endif
