/* i440fx.h - the host bridge.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_I440FX_H
#define HW_I440FX_H

#include "hw/pci/pci.h"

struct i440fx;

/* Device 0.0; it sets PAM and SMRAM through the bus's memory functions. */
struct i440fx *i440fx_create(struct bus *bus, struct pci_bus *pci);

#endif
