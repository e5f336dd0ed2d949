/* refuse.c - see refuse.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/boot/refuse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int boot_refuse(char *err, size_t err_len, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err, err_len, fmt, ap);
    va_end(ap);
    for (; *err; err++)
        if ((unsigned char)*err < 32 || *err == 127)
            *err = '?';
    return -EINVAL;
}
