/* stats.c - printing counters.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/stats.h"

void stats_line(FILE *f, const char *name, uint64_t v)
{
    fprintf(f, "%s%-*s %llu\n", *name == ' ' ? " " : "", *name == ' ' ? 27 : 28, name, (unsigned long long)v);
}

void stats_print(FILE *f, const char *const *names, const uint64_t *values, size_t count)
{
    size_t n;

    for (n = 0; n < count; n++)
        stats_line(f, names[n], values[n]);
}
