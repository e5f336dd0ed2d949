/* opener.h - a small process that opens files for one that has given it up. It is started before the sandbox
 * and before there are threads, does what its rules allow (ui/opener_rules.h) and nothing else, and
 * ends with the process that it serves, however that ends.
 *
 * Whoever asks is taken to be hostile, as is, from the other side, whoever answers.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_OPENER_H
#define UI_OPENER_H

#include "ui/opener_rules.h"

/* Start it with a copy of the rules. Returns the socket to it (its number is at least
 * SANDBOX_FIRST_KEPT_FD), or -errno. Only once, and while this process has one thread. */
int opener_start(const struct opener_rules *rules);

/* Ask it: as hostfile_open(), and -EPIPE if it is no more. Signature of hostfile_via. */
int opener_ask(enum hostfile kind, const char *path);

#endif
