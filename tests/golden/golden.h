/* golden.h - the two halves of the golden test: making a translation, and showing it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_GOLDEN_H
#define TESTS_GOLDEN_H

#include "bt/bt.h"

/* Write the translation as text that does not depend on where anything lies: fields of struct cpu and what
 * belongs to it by name, branch targets as labels, stubs, exits and instructions by name or number. `head`:
 * what all translations begin with, too. */
void show_translation(FILE *f, struct bt *bt, const struct tb *tb, const uint8_t *code, bool code32, bool head);

#endif
