/* fwcfg.c - fuzzes the firmware configuration device: selectors, its data port, descriptors of its DMA.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

static void step(struct board *b, struct input *in)
{
    unsigned op = take(in, 1), at, n;

    switch (op & 3) {
    case 0: port_write(b->bus, 0x510, take(in, 2), 2); break;
    case 1:
        for (n = take(in, 1); n; n--)
            if (op & 4)
                port_write(b->bus, 0x511, n, 1);
            else
                port_read(b->bus, 0x511, 1u << (op >> 3) % 3);
        break;
    case 2: /* a descriptor: control, length, address; all numbers begin with the highest byte */
        at = take(in, 2);
        for (n = 0; n < 16; n++)
            b->ram[at + n] = (uint8_t)take(in, 1);
        if (op & 4)
            b->ram[at + 4] = b->ram[at + 5] = 0; /* not too long */
        if (op & 8)
            memset(b->ram + at + 8, 0, 5);
        port_write(b->bus, 0x518, __builtin_bswap32(at), 4);
        break;
    default: port_write(b->bus, (uint16_t)(0x510 + (op >> 2) % 12), take(in, 4), 1u << (op >> 6) % 3); break;
    }
}

const struct fuzz_device fuzz_device = { .choice = FUZZ_SAVE, .steps = 200, .step = step };
