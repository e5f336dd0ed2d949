/* stats.h - counters: stats.def names them all.
 *
 * A struct of counters is declared by including stats.def with its group defined as STAT_MEMBER, and printed
 * with a table of the same group's STAT_NAME.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_STATS_H
#define CPU_STATS_H

#include "cpu/base.h"

#include <stdio.h>

#define STAT_MEMBER(field, name) uint64_t field;
#define STAT_NAME(field, name)   name,

/* Print one "name value" line. */
void stats_line(FILE *f, const char *name, uint64_t v);

/* Print `count` counters, which stand one behind the other. */
void stats_print(FILE *f, const char *const *names, const uint64_t *values, size_t count);

#endif
