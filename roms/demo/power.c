/* power.c - how the demo reboots and powers the machine off.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "demo.h"

static uint32_t pci_read(unsigned devfn, unsigned reg)
{
    outl(0xcf8, 0x80000000 | devfn << 8 | reg);
    return inl(0xcfc);
}

void power_reboot(void)
{
    outb(0xcf9, 2);
    outb(0xcf9, 6);
    outb(0x64, 0xfe);
}

/* ACPI S5 on the PIIX4: sleep type 0 with the enable bit in PM1a control. */
void power_off(void)
{
    unsigned devfn;

    for (devfn = 0; devfn < 256; devfn++)
        if (pci_read(devfn, 0) == 0x71138086)
            outw((pci_read(devfn, 0x40) & 0xffc0) + 4, 0x2000);
}
