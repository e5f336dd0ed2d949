/* uart.c - fuzzes the serial ports: registers, input of any size, breaks, time.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

#include "hw/char/chardev_int.h"

static void step(struct board *b, struct input *in)
{
    uint8_t bytes[64];
    unsigned op = take(in, 1), n;
    uint16_t base = op & 0x80 ? 0x2f8 : 0x3f8;

    switch (op & 7) {
    case 0:
    case 1: out8(b, (uint16_t)(base + (op >> 3 & 7)), (uint8_t)take(in, 1)); break;
    case 2: in8(b, (uint16_t)(base + (op >> 3 & 7))); break;
    case 3: /* as back ends do, no more than there is room for */
        for (n = 0; n < sizeof bytes; n++)
            bytes[n] = (uint8_t)(n + op);
        n = take(in, 1) % sizeof bytes;
        if (op & 0x40)
            chardev_deliver_later(b->cfg.serial[0], bytes, n);
        else
            chardev_deliver(b->cfg.serial[0], bytes, n < chardev_room(b->cfg.serial[0]) ? n : 0);
        break;
    case 4: chardev_event(b->cfg.serial[0], (enum chardev_event)((op >> 3) % (CHARDEV_FOCUS_OUT + 1))); break;
    case 5: take_interrupts(b); break;
    case 6: chardev_accept_input(b->cfg.serial[0]); break;
    default: pass_time(b, take(in, 3)); break;
    }
}

const struct fuzz_device fuzz_device = { .choice = FUZZ_SAVE, .steps = 500, .step = step };
