/* debugexit.h - isa-debug-exit: a port that ends the emulator with a status.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_DEBUGEXIT_H
#define HW_DEBUGEXIT_H

#include "hw/bus.h"

struct device;

/* Four ports at `base`; a write of v ends the process with status v << 1 | 1. */
struct device *debugexit_create(struct bus *bus, uint16_t base);

#endif
