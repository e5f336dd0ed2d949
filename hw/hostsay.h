/* hostsay.h - a line to the user while the guest runs, when the host is in trouble.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_HOSTSAY_H
#define HW_HOSTSAY_H

#include "cpu/base.h"

/* Write to stderr, unless that would have to wait: it may be the pipe that nobody reads. The text is at most
 * 511 bytes and ends with a newline. */
void host_say(const char *fmt, ...) printf_fn(1, 2);

#endif
