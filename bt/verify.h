/* verify.h - proof of each translation that it cannot get out of its container.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_VERIFY_H
#define BT_VERIFY_H

#include "bt/bt.h"

struct verifier;

/* NULL: no memory, or Capstone cannot be opened. */
struct verifier *verifier_create(void);
void verifier_destroy(struct verifier *v);

/* Read the code of *tb. NULL: it is confined; else what is wrong (good until the next call), and *offset: where. */
const char *verify_tb(struct verifier *v, const struct bt *bt, const struct tb *tb, uint32_t *offset);

#endif
