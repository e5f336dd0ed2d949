/* ioapic.h - the I/O APIC.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_IOAPIC_H
#define HW_IOAPIC_H

#include "hw/core/lapic.h"

#define IOAPIC_BASE 0xfec00000u
#define IOAPIC_PINS 24

struct ioapic;

struct ioapic *ioapic_create(struct bus *bus, struct lapic *lapic);
void ioapic_set_pin(struct ioapic *io, int pin, int level);
/* What an edge on a pin would do. */
enum irq_state ioapic_line_state(const struct ioapic *io, int pin);

#endif
