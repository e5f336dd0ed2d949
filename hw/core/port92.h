/* port92.h - system control port A: fast A20 and fast reset.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_PORT92_H
#define HW_PORT92_H

#include "hw/bus.h"

struct port92;

/* `reset` is pulsed to 1 when bit 0 rises. */
struct port92 *port92_create(struct bus *bus, struct irq reset);

#endif
