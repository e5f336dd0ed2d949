/* files.h - reading whole files, and finding the firmware.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef VM_FILES_H
#define VM_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Read a regular file of at most `limit` bytes into fresh memory (page-aligned, padded with zeroes to a
 * page); *size: its bytes. NULL after one line on stderr naming `what`. */
void *file_read(const char *path, const char *what, uint64_t limit, size_t *size);

/* Find a firmware file by name in `dir` (may be NULL) and the usual places: its path, or false. */
bool firmware_find(const char *dir, const char *name, char *path, size_t size);

#endif
