/* fdc.c - fuzzes the floppy disk controller: commands of any bytes, with the 8237 set up well and badly, and disks that
 * come and go.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

/* Whatever phase it is in: a byte in or out. Never more than 16 result bytes, nor a status without a meaning. */
static void move(struct board *b, struct input *in, unsigned n)
{
    unsigned results = 0;

    while (n--) {
        uint8_t msr = in8(b, 0x3f4);

        if (!(msr & 0x80)) {
            pass_time(b, 60000);
        } else if (msr & 0x40) {
            in8(b, 0x3f5);
            if (!(msr & 0x20) && ++results > 16)
                broken("a result phase does not end");
        } else {
            results = 0;
            out8(b, 0x3f5, (uint8_t)take(in, 1));
        }
    }
}

static void step(struct board *b, struct input *in)
{
    unsigned op = take(in, 1);

    switch (op & 7) {
    default: move(b, in, 1 + (op >> 3)); break;
    case 3: move(b, in, 512 + (op >> 3)); break;
    case 4: /* channel 2 */
        out8(b, 0x0a, 6);
        out8(b, 0x0b, (uint8_t)(0x42 | (op & 0xbc)));
        for (unsigned n = 0; n < 2; n++)
            out8(b, 4, (uint8_t)take(in, 1));
        for (unsigned n = 0; n < 2; n++)
            out8(b, 5, (uint8_t)take(in, 1));
        out8(b, 0x81, (uint8_t)take(in, 1));
        out8(b, 0x0a, 2);
        out8(b, 0xd4, 0);
        break;
    case 5: out8(b, (uint16_t)(0x3f0 + (op >> 3 & 7)), (uint8_t)take(in, 1)); break;
    case 6: change_image(b->cfg.floppy[op >> 3 & 1], op & 8 ? 3 : 0, op & 0x10); break;
    case 7: pass_time(b, take(in, 3)); break;
    }
}

static void begin(struct board *b)
{
    out8(b, 0x3f2, 0x3c);
    out8(b, 0xd4, 0);
}

const struct fuzz_device fuzz_device = {
    .choice = FUZZ_SAVE, .always = FUZZ_FLOPPY, .steps = 120, .begin = begin, .step = step
};
