/* ide.c - fuzzes hard disks: task files as a whole, data, the bus master with tables that are there or not.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

#define BMIDE 0xc000
#define TABLE 0x10000

/* A command with its registers, as drivers write them, twice for the long ones. */
static void command(struct board *b, struct input *in)
{
    uint8_t cmd = (uint8_t)take(in, 1), device = (uint8_t)take(in, 1);

    out8(b, 0x1f6, device);
    for (uint16_t n = 1; n < 6; n++) {
        if (device & 0x80)
            out8(b, (uint16_t)(0x1f0 + n), (uint8_t)take(in, 1));
        out8(b, (uint16_t)(0x1f0 + n), (uint8_t)take(in, 1));
    }
    out8(b, 0x1f7, cmd);
}

static void table(struct board *b, struct input *in)
{
    for (unsigned n = take(in, 1) % 5, at = TABLE; n; n--, at += 8) {
        store32(b->ram + at, take(in, 3));
        store32(b->ram + at + 4, take(in, 2) | take(in, 1) << 24);
    }
    port_write(b->bus, BMIDE + 4, TABLE, 4);
}

static void step(struct board *b, struct input *in)
{
    unsigned op = take(in, 1), n;
    uint16_t port;

    switch (op & 7) {
    case 0: command(b, in); break;
    case 1:
        for (n = take(in, 2) % 2000; n; n--)
            if (op & 8)
                port_read(b->bus, 0x1f0, 2u << (op >> 4 & 1));
            else
                port_write(b->bus, 0x1f0, n * 0x1234567, 2u << (op >> 4 & 1));
        break;
    case 2: table(b, in); break;
    case 3: out8(b, BMIDE, op >> 3 & 9); break;
    case 4:
        port = (uint16_t)(0x1f0 + (op >> 3 & 7));
        port_write(b->bus, port, take(in, 4), 1u << (op >> 6) % 3);
        break;
    case 5:
        port_read(b->bus, (uint16_t)(op & 0x40 ? BMIDE + (op >> 3 & 7) : 0x1f0 + (op >> 3 & 7)), op & 0x80 ? 4 : 1);
        break;
    case 6: out8(b, op & 8 ? 0x3f6 : BMIDE + 2, (uint8_t)take(in, 1)); break;
    default: pass_time(b, take(in, 2)); break;
    }
}

/* Both drives of the channel differ: one is missing. */
static void begin(struct board *b)
{
    port_write(b->bus, 0xcf8, 0x80000920, 4);
    port_write(b->bus, 0xcfc, BMIDE | 1, 4);
    port_write(b->bus, 0xcf8, 0x80000904, 4);
    port_write(b->bus, 0xcfc, 5, 2);
}

const struct fuzz_device fuzz_device = {
    .choice = FUZZ_SAVE | FUZZ_CDROM, .always = FUZZ_DISK, .steps = 300, .begin = begin, .step = step
};
