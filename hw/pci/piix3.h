/* piix3.h - the PCI-ISA bridge.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_PIIX3_H
#define HW_PIIX3_H

#include "hw/pci/pci.h"

struct piix3;

/* Device 1.0; PIRQs of `pci` are routed to isa[0..15] (each drives the 8259 and the I/O APIC). */
struct piix3 *piix3_create(struct bus *bus, struct pci_bus *pci, const struct irq isa[16]);

#endif
