/* hostread.h - whole files given by the user (kernels, modules, firmware), read before the guest runs.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_HOSTREAD_H
#define HW_HOSTREAD_H

#include <stddef.h>
#include <stdint.h>

/* Open a regular file for reading, without waiting for anything (a FIFO has nobody at its other end). `limit`:
 * the most bytes that it may have. Returns the descriptor and *size, 1 or more; or -errno, with the reason in
 * why[0..why_len). */
int hostread_open(const char *path, uint64_t limit, uint64_t *size, char *why, size_t why_len);

/* Read `size` bytes and close. Returns 0, or -errno with the reason. */
int hostread_take(int fd, void *buf, size_t size, char *why, size_t why_len);

#endif
