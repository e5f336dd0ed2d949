/* timers.c - fuzzes what keeps time and asks for interrupts: 8254, RTC, HPET, PM timer, 8259s, local and I/O APIC.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

static void step(struct board *b, struct input *in)
{
    static const uint16_t ports[] = { 0x20, 0x21,  0xa0,  0xa1,   0x40,   0x41,   0x42,   0x43,   0x61, 0x70,
                                      0x71, 0x4d0, 0x4d1, 0xb000, 0xb002, 0xb004, 0xb008, 0xb020, 0x22, 0x23 };
    static const gpa_t chips[] = { 0xfed00000, 0xfec00000, 0xfee00000, 0xfed00000 };
    unsigned op = take(in, 1), n;
    gpa_t at;

    switch (op & 7) {
    case 0:
    case 1: port_write(b->bus, ports[take(in, 1) % ARRAY_SIZE(ports)], take(in, 1), 1); break;
    case 2: port_read(b->bus, ports[take(in, 1) % ARRAY_SIZE(ports)], op & 8 ? 4 : 1); break;
    case 3:
        at = chips[op >> 3 & 3] + (take(in, 2) & (op & 0x20 ? 0x3ff : 0x3fc));
        access_memory(b, at, (uint64_t)take(in, 4) << (op & 0x40 ? 32 : 0), op & 0x80 ? 8 : 4, true);
        break;
    case 4: access_memory(b, chips[op >> 3 & 3] + (take(in, 2) & 0x3ff), 0, op & 0x80 ? 8 : 4, false); break;
    case 5: take_interrupts(b); break;
    case 6: /* RTC by index; not the bytes that only store */
        out8(b, 0x70, op >> 3 & 15);
        out8(b, 0x71, (uint8_t)take(in, 1));
        break;
    default:
        for (n = op >> 3 & 15; n; n--)
            pass_time(b, take(in, 2) << 4);
        if (op & 0x80)
            pc_apic_base_write(b->pc, (uint64_t)take(in, 4) << 8);
    }
}

const struct fuzz_device fuzz_device = { .choice = FUZZ_SAVE, .steps = 200, .step = step };
