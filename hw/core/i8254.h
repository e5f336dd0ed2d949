/* i8254.h - the interval timer and port 61h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_I8254_H
#define HW_I8254_H

#include "hw/bus.h"

#define PIT_HZ 1193182u

struct i8254;

/* `irq0` follows the output of counter 0. */
struct i8254 *i8254_create(struct bus *bus, struct irq irq0);
/* Is the speaker driven, and at what frequency? (for a sound back end) */
bool i8254_speaker(const struct i8254 *pit, unsigned *hz);

#endif
