/* ide.h - the IDE function of the PIIX3: two channels, four drives.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_IDE_H
#define HW_IDE_H

#include "hw/block/block.h"
#include "hw/pci/pci.h"

struct ide;

/* drives: primary master, slave, secondary master, slave; NULL: none there. The blocks stay the
 * caller's. A hard disk needs a medium; a CD-ROM drive may be empty. */
struct ide *ide_pci_create(struct bus *bus, struct pci_bus *pci, int devfn, struct irq irq14, struct irq irq15,
                           struct block *const drives[4], const bool cdrom[4]);

#endif
