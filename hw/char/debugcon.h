/* debugcon.h - a debug console: a port whose bytes go to a chardev.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_DEBUGCON_H
#define HW_DEBUGCON_H

#include "hw/bus.h"

struct chardev;
struct debugcon;

struct debugcon *debugcon_create(struct bus *bus, uint16_t port, struct chardev *out, const char *name);

#endif
