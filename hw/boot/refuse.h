/* refuse.h - why a kernel cannot be loaded.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_BOOT_REFUSE_H
#define HW_BOOT_REFUSE_H

#include "cpu/base.h"

/* Put one line into err (names in it can have anything in them: what is no text becomes '?'). Returns -EINVAL. */
int boot_refuse(char *err, size_t err_len, const char *fmt, ...) printf_fn(3, 4);

#endif
