/* keys.h - typing for the guest: combinations of keys, pressed and released one after the other in
 * virtual time, since a keyboard holds few keystrokes.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include "vm/vm.h"

struct keys;

struct keys *keys_create(struct vm *m);
void keys_destroy(struct keys *k);

/* Queue a combination, its keys joined by '-' ("ctrl-alt-delete"); it is held for hold_ms (0: the
 * default). Returns 0, -EINVAL for an unknown key, -ENOSPC if too much is queued. */
int keys_press(struct keys *k, const char *combination, unsigned hold_ms);

/* Queue what types `text` on a US keyboard. Returns the number of characters it cannot type. */
unsigned keys_type(struct keys *k, const char *text);

#endif
