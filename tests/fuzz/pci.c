/* pci.c - fuzzes PCI configuration space of every function, and what its base addresses then map.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

static void step(struct board *b, struct input *in)
{
    static const uint8_t devfns[] = { 0x00, 0x08, 0x09, 0x0a, 0x0b, 0x10, 0x18, 0xff };
    unsigned op = take(in, 1), reg, size = 1u << (op >> 4 & 3) % 3;

    switch (op & 3) {
    case 0:
    case 1:
        reg = take(in, 1);
        port_write(b->bus, 0xcf8, 0x80000000u | (uint32_t)devfns[op >> 5] << 8 | (reg & 0xfc), 4);
        if (op & 8)
            port_read(b->bus, (uint16_t)(0xcfc + (reg & 3)), size);
        else
            port_write(b->bus, (uint16_t)(0xcfc + (reg & 3)), take(in, 4), size);
        break;
    case 2:
        if (op & 8)
            access_memory(b, mapped_address(b, op, take(in, 2)), take(in, 4), size, op & 4);
        else if (op & 4)
            port_write(b->bus, (uint16_t)take(in, 2), take(in, 4), size);
        else
            port_read(b->bus, (uint16_t)take(in, 2), size);
        break;
    default: port_write(b->bus, (uint16_t)(0xcf8 + (op >> 5)), take(in, 4), size); break;
    }
    if (op == 0xff)
        pc_reset(b->pc);
}

const struct fuzz_device fuzz_device = { .choice = FUZZ_SAVE | FUZZ_VGA | FUZZ_DISK, .steps = 300, .step = step };
