/* ps2.c - fuzzes the 8042 with keyboard and mouse: commands and their arguments, keys and motion, a host that reads or
 * does not.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

static void step(struct board *b, struct input *in)
{
    static const char *const keys[] = { "a", "shift", "pause", "print", "esc", "f12", "kp_enter", "alt_r" };
    unsigned op = take(in, 1), v;

    switch (op & 7) {
    case 0: out8(b, 0x60, (uint8_t)take(in, 1)); break; /* to the keyboard, or an argument */
    case 1: out8(b, 0x64, (uint8_t)take(in, 1)); break;
    case 2: /* to the mouse */
        out8(b, 0x64, 0xd4);
        out8(b, 0x60, (uint8_t)take(in, 1));
        break;
    case 3:
        for (v = 0; v < 1 + (op >> 3) * 9u && in8(b, 0x64) & 1; v++)
            in8(b, 0x60);
        break;
    case 4:
        v = op >> 3;
        if (pc_key_event(b->pc, keys[v % ARRAY_SIZE(keys)], v & 8))
            broken("a key has gone");
        break;
    case 5:
        v = take(in, 3);
        pc_mouse_event(b->pc, (int8_t)v * (op & 8 ? 1000 : 1), (int8_t)(v >> 8), (int)(v >> 20 & 3) - 1, v >> 16 & 15);
        break;
    case 6: pass_time(b, take(in, 3)); break;
    default:
        if (op & 8)
            out8(b, 0x92, (uint8_t)take(in, 1) & 0xfe);
        take_interrupts(b);
    }
}

const struct fuzz_device fuzz_device = { .choice = FUZZ_SAVE, .steps = 500, .step = step };
