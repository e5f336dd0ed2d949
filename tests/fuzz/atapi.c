/* atapi.c - fuzzes the CD-ROM drive: packets with any bytes and byte counts, their data, and discs that come and go.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

#define BMIDE 0xc008
#define TABLE 0x10000

/* A packet, and its data in either direction as far as the drive asks. */
static void packet(struct board *b, struct input *in)
{
    unsigned limit = take(in, 2), flags = take(in, 1);

    out8(b, 0x176, 0xa0);
    out8(b, 0x171, flags & 3);
    out8(b, 0x174, (uint8_t)limit);
    out8(b, 0x175, (uint8_t)(limit >> 8));
    out8(b, 0x177, 0xa0);
    for (unsigned n = 0; n < 6; n++)
        port_write(b->bus, 0x170, take(in, 2), 2);
    if (flags & 4)
        out8(b, BMIDE, 9);
    for (unsigned n = 0; n < 40; n++) {
        pass_time(b, 30000);
        uint8_t status = in8(b, 0x177);
        unsigned count = in8(b, 0x174) | (unsigned)in8(b, 0x175) << 8;

        if ((status & 0x88) != 8)
            break;
        if (!count && !(flags & 1))
            broken("a drive offers no bytes");
        for (unsigned i = 0; i < count; i += 2)
            if (in8(b, 0x172) & 2)
                port_read(b->bus, 0x170, 2);
            else
                port_write(b->bus, 0x170, i, 2);
    }
    if (in8(b, 0x176) & 0x10)
        broken("another drive is selected");
}

static void step(struct board *b, struct input *in)
{
    unsigned op = take(in, 1);

    switch (op & 7) {
    default: packet(b, in); break;
    case 4: change_image(b->cfg.ide[2], 2, op & 8); break;
    case 5: port_write(b->bus, (uint16_t)(0x170 + (op >> 3 & 7)), take(in, 2), op & 0x40 ? 2 : 1); break;
    case 6:
        store32(b->ram + TABLE, take(in, 3));
        store32(b->ram + TABLE + 4, take(in, 2) | (op & 8 ? 0x80000000u : 0));
        port_write(b->bus, BMIDE + 4, TABLE, 4);
        out8(b, BMIDE, op & 0x10 ? 9 : 0);
        break;
    case 7:
        if (op & 8)
            out8(b, 0x376, (uint8_t)take(in, 1));
        pass_time(b, take(in, 2));
        break;
    }
}

static void begin(struct board *b)
{
    port_write(b->bus, 0xcf8, 0x80000920, 4);
    port_write(b->bus, 0xcfc, 0xc001, 4);
    port_write(b->bus, 0xcf8, 0x80000904, 4);
    port_write(b->bus, 0xcfc, 5, 2);
}

const struct fuzz_device fuzz_device = {
    .choice = FUZZ_SAVE, .always = FUZZ_CDROM, .steps = 40, .begin = begin, .step = step
};
