/* hpet.h - the high precision event timer.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_HPET_H
#define HW_HPET_H

#include "hw/bus.h"

#define HPET_BASE   0xfed00000u
#define HPET_TIMERS 3
/* I/O APIC pins that a timer can be routed to: they have no other source. */
#define HPET_PINS   0x00f00000u

struct hpet;

struct hpet_config {
    struct irq legacy[2];      /* IRQ0 and IRQ8 in LegacyReplacement mode */
    struct irq pin[32];        /* I/O APIC inputs; those of HPET_PINS are used */
    struct irq legacy_enabled; /* level: legacy[] is driven by timers 0 and 1, not by PIT and RTC */
};

struct hpet *hpet_create(struct bus *bus, const struct hpet_config *config);

#endif
