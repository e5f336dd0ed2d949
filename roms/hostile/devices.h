/* devices.h - the device fuzzer's parts: what is safe to write where, and long sequences.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HOSTILE_DEVICES_H
#define HOSTILE_DEVICES_H

#include "hostile.h"

#define BUFFER 8192 /* bytes of random data, none of which looks like INIT to an APIC */

extern u32 buffer[BUFFER / 4];

/* devices.c */
u32 device_port(void); /* a port of some device */
void fuzz_out(u32 port, u32 size, u32 value);
u32 fuzz_in(u32 port, u32 size);
/* Read or write a PCI configuration register; what a write would take away of this program it does not do. */
u32 pci_read(u32 devfn, u32 reg);
void pci_write(u32 devfn, u32 reg, u32 size, u32 value);
u32 safe_address(void); /* physical: anywhere but what devices must leave alone */
u32 bus_master(void);   /* its ports, 0 if they are nowhere */

/* devices_mmio.c */
void fuzz_mmio(void);
u32 no_init(u32 value); /* without the bits that make an APIC's entry an INIT */

/* devices_seq.c */
void sequences_init(void);
void fuzz_sequence(void);

#endif
