/* fuzz.c - what every fuzzer has.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

void broken(const char *what)
{
    fprintf(stderr, "callgate fuzz: %s\n", what);
    abort();
}
