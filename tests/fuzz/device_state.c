/* device_state.c - fuzzes the loading of devices' state: damaged or made up, it is refused with a reason, or the board
 * goes on with it and keeps its invariants.
 *
 * Input: after the settings, changes to a good state: place and bytes; then what happens on the board.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

static void load(struct board *b, struct input *in)
{
    struct state_buf good = { 0 };
    struct state_report report = { 0 };
    unsigned n = take(in, 1) % 16;

    if (bus_save(b->bus, &good))
        broken("the state cannot be saved");
    while (n--) {
        size_t at = take(in, 3) % good.len, bytes = take(in, 1) % 8;

        for (size_t i = 0; i <= bytes && at + i < good.len; i++)
            good.data[at + i] = (uint8_t)take(in, 1);
    }
    if (!(take(in, 1) & 7))
        good.len = take(in, 3) % good.len;
    if (bus_load(b->bus, good.data, good.len, &report) && !report.error[0])
        broken("a state is refused without a reason");
    state_buf_free(&good);
}

static void step(struct board *b, struct input *in)
{
    static const uint16_t ports[] = { 0x1f0, 0x1f7, 0x170, 0x3f4, 0x3f5, 0x60, 0x64, 0x3f8, 0x511, 0x3c5, 0x40, 0x71 };
    unsigned op = take(in, 1), width, height, n;
    uint16_t port = ports[(op >> 2) % ARRAY_SIZE(ports)];

    switch (op & 3) {
    case 0: load(b, in); break;
    case 1:
        for (n = take(in, 1); n; n--)
            port_read(b->bus, port, op & 0x80 ? 4 : 1);
        break;
    case 2: port_write(b->bus, port, take(in, 4), op & 0x80 ? 4 : 1); break;
    default:
        if (op & 4)
            draw(pc_vga(b->pc), &width, &height);
        pass_time(b, take(in, 2) * 16);
        take_interrupts(b);
    }
}

const struct fuzz_device fuzz_device = { .always = FUZZ_FLOPPY | FUZZ_DISK | FUZZ_CDROM | FUZZ_VGA,
                                         .steps = 60,
                                         .step = step };
