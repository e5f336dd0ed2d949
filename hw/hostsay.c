/* hostsay.c - a line to the user while the guest runs. See hostsay.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/hostsay.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void host_say(const char *fmt, ...)
{
    struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof text) {
        n = sizeof text - 1;
        text[n - 1] = '\n';
    }
    if (n > 0 && poll(&p, 1, 0) == 1)
        n = (int)write(STDERR_FILENO, text, (size_t)n);
    (void)n;
}
