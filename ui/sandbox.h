/* sandbox.h - what the process may no longer do once the guest runs (seccomp and Landlock).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_SANDBOX_H
#define UI_SANDBOX_H

#include <stdbool.h>

/* Descriptors from this number on cannot be closed in the sandbox, so that none takes the number of another. */
#define SANDBOX_FIRST_KEPT_FD 256

#define SANDBOX_DISPLAY_FDS 8

/* What a machine still needs beyond the usual. */
struct sandbox_needs {
    bool accept; /* a console that clients connect to */
    bool opener; /* files are asked for at opener_fd (ui/opener.h) */
    int opener_fd;
    bool window; /* SDL: talk with the display */
    bool gpu;    /* ... whose pictures a graphics driver makes: threads and code of its own, its device */
    int display_fd[SANDBOX_DISPLAY_FDS]; /* sockets to the display */
    unsigned display_fds;
};

/* Give up all paths, signals and messages to other processes, TCP: in the calling thread and those it will make.
 * To be called before there are others, and before sandbox_enter(). Returns the version of Landlock,
 * 0 if the kernel has none (then sandbox_enter() alone has to do), or -errno. */
int sandbox_close_paths(void);

/* Give up every system call that is not needed, in all threads and for good. Returns 0 or -errno. */
int sandbox_enter(const struct sandbox_needs *needs);

/* The same for the process that opens files, which is asked and answers at `fd`. */
int sandbox_enter_opener(int fd);

#endif
