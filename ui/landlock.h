/* landlock.h - rules of the kernel's Landlock for the calling thread and the threads it makes: no path but
 * those named can be opened, made or removed; no signal and no message by an abstract local socket
 * leaves the process; no TCP port is bound or connected to. What the kernel is too old for is left out.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_LANDLOCK_H
#define UI_LANDLOCK_H

#include <stddef.h>

enum landlock_use {
    LANDLOCK_USE_FILES = 1,  /* read and write files that are there, cut them short */
    LANDLOCK_USE_CREATE = 2, /* make regular files; of a directory only */
    LANDLOCK_USE_REMOVE = 4, /* remove files; of a directory only */
};

/* Something that stays allowed: a file, or a directory with all below it. */
struct landlock_path {
    const char *path;
    unsigned use; /* of enum landlock_use */
};

/* The version of Landlock that the kernel has; 0: none, or it is switched off. */
int landlock_version(void);

/* Confine the calling thread (for good, with no_new_privs) to `count` paths; those that cannot be opened are
 * left out. Returns the version in effect (0: the kernel has none, nothing is confined) or -errno. */
int landlock_confine(const struct landlock_path *paths, size_t count);

#endif
