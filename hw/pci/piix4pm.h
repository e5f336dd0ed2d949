/* piix4pm.h - ACPI power management.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_PIIX4PM_H
#define HW_PIIX4PM_H

#include "hw/pci/pci.h"

struct piix4pm;

/* Device 1.3. `sci` is IRQ9, `smi` pulses for an APM command with SMI enabled. */
struct piix4pm *piix4pm_create(struct bus *bus, struct pci_bus *pci, struct irq sci, struct irq smi);
/* The power button: an ACPI event if the guest listens, else nothing. */
void piix4pm_power_button(struct piix4pm *pm);

#endif
