/* i16550.h - a serial port.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_I16550_H
#define HW_I16550_H

#include "hw/bus.h"

struct chardev;
struct i16550;

struct i16550 *i16550_create(struct bus *bus, uint16_t base, struct irq irq, struct chardev *chr, const char *name);

#endif
