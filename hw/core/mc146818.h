/* mc146818.h - the real-time clock and its CMOS memory.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_MC146818_H
#define HW_MC146818_H

#include "hw/bus.h"

struct mc146818;

/* The time of day is bus->clock->rtc_base at virtual time 0. */
struct mc146818 *mc146818_create(struct bus *bus, struct irq irq8);
/* Board settings in the CMOS memory (registers 0Eh and up). */
void mc146818_set(struct mc146818 *rtc, uint8_t reg, uint8_t val);
uint8_t mc146818_get(struct mc146818 *rtc, uint8_t reg);

#endif
