/* devices_seq.c - the device fuzzer: sequences that single accesses would hardly ever make: commands with their
 * parameters, DMA set up as a driver does, and pointed anywhere.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "devices.h"

#define PRDS 512

/* One table for the bus master in the first page, its end in the second. */
static u32 prd[2][1024] __attribute__((aligned(8192)));
static u32 fw_dma[4] __attribute__((aligned(16)));

void sequences_init(void)
{
    u32 n;

    asm volatile("fninit");
    for (n = 0; n < PRDS; n++) {
        prd[0][2 * n] = safe_address() & ~(below(8) ? 1u : 0u);
        prd[0][2 * n + 1] = (below(4) ? below(0x1000) & ~1u : rnd() & 0xffff) | (below(8) ? 0 : 0x80000000);
    }
    prd[1][1] = 0x80000002;
}

static u32 some(const u8 *list, u32 n) { return list[below(n)]; }

static void ide_wait(u32 base)
{
    u32 n;

    for (n = 0; n < 4 && inb(base + 7) & 0x80; n++)
        ;
}

static void ide(void)
{
    static const u8 commands[] = { 0x20, 0x24, 0x29, 0x30, 0x34, 0x39, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0x25,
                                   0x35, 0x40, 0x42, 0xec, 0xa1, 0xa0, 0xa0, 0xa0, 0x08, 0x70, 0x90, 0x91,
                                   0xe7, 0xea, 0xef, 0xf8, 0x27, 0xe0, 0xe1, 0xe5, 0xb0, 0x00, 0xf5 };
    static const u8 packets[] = { 0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x23, 0x25, 0x28, 0x2b, 0x42, 0x43,
                                  0x44, 0x46, 0x4a, 0x51, 0x52, 0x55, 0x5a, 0xa8, 0xad, 0xbb, 0xbd, 0xbe };
    u32 base = below(2) ? 0x1f0 : 0x170, command = some(commands, sizeof commands), n, c;
    u32 bm = bus_master() + (base == 0x170 ? 8 : 0);
    u16 packet[6];
    u32 si = (u32)packet, di = 0x20000 + below(0x100000);

    outb(base + 6, below(8) ? 0xa0 | below(2) << 4 | below(2) << 6 | (below(4) ? 0 : below(16)) : rnd());
    for (n = 1; n < 6; n++)
        for (c = below(3); c; c--)
            outb(base + n, below(3) ? below(8) : rnd());
    if (bus_master() && below(2)) {
        if (below(4))
            outl(bm + 4, (u32)prd + 8 * below(PRDS));
        outb(bm + 2, 6);
        if (below(4) == 0)
            outb(bm, below(2) << 3 | 1);
    }
    outb(base + 7, command);
    ide_wait(base);
    if (command == 0xa0) {
        packet[0] = (u16)(below(8) ? some(packets, sizeof packets) : rnd());
        for (n = 1; n < 6; n++)
            packet[n] = (u16)(below(2) ? 0 : rnd());
        c = below(16) ? 6 : below(6);
        asm volatile("rep outsw" : "+S"(si), "+c"(c) : "d"(base) : "memory");
        ide_wait(base);
    }
    if (bus_master() && below(2)) {
        outb(bm, below(2) << 3 | 1);
        ide_wait(base);
        if (below(4))
            outb(bm, 0);
    } else {
        c = below(4) ? 256 : below(2048);
        if (inb(base + 7) & 8) {
            if (below(2))
                asm volatile("rep insw" : "+D"(di), "+c"(c) : "d"(base) : "memory");
            else {
                si = (u32)buffer;
                asm volatile("rep outsw" : "+S"(si), "+c"(c) : "d"(base) : "memory");
            }
        }
    }
}

static void floppy_byte(u32 v)
{
    u32 n;

    for (n = 0; n < 4 && (inb(0x3f4) & 0xc0) != 0x80; n++)
        ;
    outb(0x3f5, v);
}

static void floppy(void)
{
    static const u8 commands[] = { 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0c,
                                   0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x18,
                                   0x19, 0x1d, 0x33, 0x34, 0x2e, 0x4e, 0x8e, 0x8f, 0xcd };
    u32 n, parameters = below(4) ? 8 : below(16);

    if (below(3) == 0)
        outb(0x3f2, below(8) ? 0x1c | below(2) << 4 | below(2) : rnd());
    if (below(8) == 0)
        outb(below(2) ? 0x3f7 : 0x3f4, below(4) ? below(4) : rnd());
    if (below(2)) { /* channel 2 of the DMA controller */
        outb(0x0a, 6);
        outb(0x0c, 0);
        outb(0x04, rnd());
        outb(0x04, rnd());
        outb(0x05, rnd());
        outb(0x05, rnd());
        outb(0x81, rnd());
        outb(0x0b, (below(4) ? 0x40 : rnd() & 0xfc) | below(4) << 2 | 2);
        outb(0x0a, 2);
    }
    floppy_byte(some(commands, sizeof commands) | (below(2) ? 0x40 : 0));
    for (n = 0; n < parameters; n++)
        floppy_byte(below(3) ? below(20) : rnd());
    for (n = below(10); n; n--)
        inb(0x3f5);
}

static void fw_cfg(void)
{
    static const u32 lengths[] = { 0, 1, 4, 64, 4096, 65536, 0x100000, 0x7fffffff, 0xffffffff };
    u32 control =
        (below(8) ? 1u << (1 + below(4)) : rnd() & 0x1f) | (below(4) ? 8 | below(0x40) << 16 : rnd() & 0xffff0000);
    u32 length = lengths[below(200) ? below(7) : below(ENTRIES(lengths))], at = safe_address();

    if (length > 0x100000 || at - SELF + length < length)
        at = KEEP_END + below(2) * 0x10000000; /* upwards from here nothing of ours comes */
    else if (at < SELF && at + length > SELF)
        at = 0x100000;
    fw_dma[0] = __builtin_bswap32(control);
    fw_dma[1] = __builtin_bswap32(length);
    fw_dma[2] = below(16) ? 0 : rnd();
    fw_dma[3] = __builtin_bswap32(at);
    outw(0x510, below(2) ? below(0x40) : rnd());
    if (below(8) == 0)
        inb(0x511);
    outl(0x514, below(32) ? 0 : rnd());
    outl(0x518, __builtin_bswap32(below(16) ? (u32)fw_dma : safe_address()));
}

static void timers(void)
{
    u32 channel = below(3), mode = below(8);

    switch (below(4)) {
    case 0:
        outb(0x43, channel << 6 | 0x30 | mode << 1 | below(2));
        outb(0x40 + channel, below(2) ? rnd() : below(4));
        outb(0x40 + channel, below(4) ? rnd() : 0);
        break;
    case 1:
        outb(0x43, 0xc0 | below(64));
        inb(0x40 + channel);
        inb(0x40 + channel);
        break;
    case 2:
        outb(0x70, below(2) ? below(16) : rnd());
        if (below(2))
            outb(0x71, below(2) ? rnd() : 1u << below(8));
        else
            inb(0x71);
        break;
    default: /* the local APIC's */
        if (inb(0x61) & 1)
            break;
        *(volatile u32 *)0xfee000f0 = 0x1ff;
        *(volatile u32 *)0xfee003e0 = below(16);
        *(volatile u32 *)0xfee00320 = no_init((below(4) << 17) | (0x30 + below(0xc0)));
        *(volatile u32 *)0xfee00380 = below(3) ? below(0x10000) : rnd();
    }
}

static void keyboard(void)
{
    static const u8 commands[] = { 0x20, 0x60, 0xa7, 0xa8, 0xa9, 0xaa, 0xab, 0xad,
                                   0xae, 0xc0, 0xd0, 0xd2, 0xd3, 0xd4, 0xdd, 0xdf };

    switch (below(3)) {
    case 0:
        outb(0x64, some(commands, sizeof commands));
        if (below(2))
            outb(0x60, rnd());
        break;
    case 1: /* the output port: A20, but no reset */
        outb(0x64, 0xd1);
        outb(0x60, rnd() | 1);
        break;
    default: outb(0x92, rnd() & 2);
    }
    if (below(2))
        inb(0x60);
}

static void interrupt_controllers(void)
{
    u32 base = below(2) ? 0x20 : 0xa0, n;

    if (below(4)) {
        *(volatile u32 *)0xfec00000 = below(0x40);
        *(volatile u32 *)0xfec00010 =
            no_init(below(2) ? rnd() : (below(2) << 16) | (below(2) << 15) | (0x10 + below(0xf0)));
        return;
    }
    outb(base, 0x10 | below(16));
    for (n = below(4); n; n--)
        outb(base + 1, below(2) ? rnd() : 1u << below(8));
    outb(base + 1, below(2) ? 0 : rnd());
}

static void screen(void)
{
    static const u16 sizes[] = { 0, 1, 7, 8, 320, 640, 1024, 1600, 2560, 4096, 16384, 65535 };
    u32 n;

    switch (below(3)) {
    case 0:
        outw(0x1ce, below(12));
        outw(0x1d0, below(2) ? sizes[below(ENTRIES(sizes))] : rnd());
        break;
    case 1:
        for (n = 0; n < 5; n++) {
            outw(0x1ce, n < 3 ? n + 1 : n == 3 ? 4 : 6);
            outw(0x1d0, n < 2 ? sizes[below(ENTRIES(sizes))] : n == 2 ? below(5) * 8 : n == 3 ? rnd() : rnd());
        }
        break;
    default:
        n = below(3);
        outw(n == 0 ? 0x3c4 : n == 1 ? 0x3ce : 0x3d4, below(0x20) | (rnd() & 0xff00));
        inb(0x3da);
        outb(0x3c0, below(0x40));
        outb(0x3c0, rnd());
    }
}

void fuzz_sequence(void)
{
    switch (below(9)) {
    case 0:
    case 1: ide(); break;
    case 2: floppy(); break;
    case 3: fw_cfg(); break;
    case 4: timers(); break;
    case 5: keyboard(); break;
    case 6: interrupt_controllers(); break;
    default: screen(); break;
    }
}
