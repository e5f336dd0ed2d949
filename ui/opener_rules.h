/* opener_rules.h - which files the opener opens, makes and removes for a machine that cannot do so itself.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_OPENER_RULES_H
#define UI_OPENER_RULES_H

#include "hw/hostfile.h"
#include "ui/landlock.h"

#include <stdbool.h>

#define OPENER_MAX_DIRS    16
#define OPENER_MAX_IMAGES  8
#define OPENER_MAX_SOCKETS 8

/* Paths are canonical (no symbolic links, no . and ..) but for `given`. */
struct opener_rules {
    bool anywhere; /* dirs= was not given: what is not hidden, a device, /proc or /sys; written are only floppies
                      and pictures */
    unsigned dir_count;
    char *dir[OPENER_MAX_DIRS]; /* directories, files or block devices of dirs= */
    unsigned image_count;
    struct {
        char *path; /* an image named on the command line */
        bool write;
    } image[OPENER_MAX_IMAGES];
    unsigned socket_count;
    struct {
        char *given; /* as it was named on the command line, */
        char *path;  /* and what that is */
    } socket[OPENER_MAX_SOCKETS];
    char *temp; /* where temporary files are made */
};

/* Add what dirs= names, an image or a socket of the command line. 0; -errno (-ENOSPC: too many; -ENOENT:
 * there is no such directory; others as realpath()). */
int opener_rules_add_dir(struct opener_rules *r, const char *path);
int opener_rules_add_image(struct opener_rules *r, const char *path, bool write);
int opener_rules_add_socket(struct opener_rules *r, const char *path);
void opener_rules_free(struct opener_rules *r);

/* Do what hostfile_open() is asked, if the rules allow it; what is opened is a regular file, or a block
 * device that is named by a rule, and never by way of a symbolic link that changed meanwhile.
 * Returns as hostfile_open(). */
int opener_rules_open(const struct opener_rules *r, enum hostfile kind, const char *path);

/* The same rules for the kernel: fills `paths`, at most `max`; the strings live as long as the rules and
 * the process. Returns how many. */
size_t opener_rules_landlock(const struct opener_rules *r, struct landlock_path *paths, size_t max);

#endif
