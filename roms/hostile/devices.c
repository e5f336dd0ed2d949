/* devices.c - the device fuzzer: accesses of every width to every port, weighted towards what devices understand.
 *
 * It leaves out what ends the machine by right: the reset lines of the 8042, port 92h and CF9h, sleep by the PM
 * control register, INIT from an APIC, and a PCI region laid over this program.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "devices.h"

#define VGA_DEVFN 0x10
#define IDE_DEVFN 0x09
#define PM_DEVFN  0x0b

u32 buffer[BUFFER / 4];
static u32 pm_base, bm_base;
static u32 taken; /* interrupts since the last operation but one */
static u32 mood;  /* of the handler; one generator for all would make runs differ by their interrupts */

/* Ports of a device, and how often. */
static const struct range {
    u16 base, count, weight;
} ranges[] = {
    { 0x00, 16, 6 },  { 0x20, 2, 5 },    { 0x40, 4, 6 },  { 0x60, 1, 4 },  { 0x61, 1, 2 },   { 0x64, 1, 4 },
    { 0x70, 2, 6 },   { 0x80, 1, 1 },    { 0x81, 15, 4 }, { 0x92, 1, 1 },  { 0xa0, 2, 5 },   { 0xb2, 2, 1 },
    { 0xc0, 32, 6 },  { 0xe9, 1, 1 },    { 0xf0, 2, 1 },  { 0x170, 8, 4 }, { 0x1f0, 8, 6 },  { 0x376, 1, 1 },
    { 0x3f6, 1, 1 },  { 0x1ce, 3, 4 },   { 0x2e8, 8, 2 }, { 0x2f8, 8, 4 }, { 0x3e8, 8, 2 },  { 0x3f8, 8, 2 },
    { 0x3b0, 12, 4 }, { 0x3c0, 32, 10 }, { 0x3f0, 8, 6 }, { 0x402, 1, 1 }, { 0x4d0, 2, 2 },  { 0x510, 2, 3 },
    { 0x511, 1, 2 },  { 0xafe0, 4, 1 },  { 0xcf8, 1, 1 }, { 0xcf9, 1, 1 }, { 0xffff, 0, 3 }, /* power management */
    { 0xfffe, 0, 4 },                                                                        /* bus master */
};

u32 device_port(void)
{
    u32 n, w = 0;

    for (n = 0; n < ENTRIES(ranges); n++)
        w += ranges[n].weight;
    w = below(w);
    for (n = 0; w >= ranges[n].weight; n++)
        w -= ranges[n].weight;
    if (ranges[n].base == 0xffff)
        return pm_base + below(64);
    if (ranges[n].base == 0xfffe)
        return bm_base + below(16);
    return ranges[n].base + below(ranges[n].count);
}

/* A value that a register may know: small, one bit, a known command of some chip, anything. */
static u32 plausible(void)
{
    static const u8 commands[] = {
        0x11, 0x20, 0x0a, 0x0b, 0x68, 0x60, 0xc7,                         /* 8259 */
        0x34, 0x36, 0xb6, 0x70, 0x00, 0xc2, 0xe8, 0x31, 0x3a, 0x54, 0xff, /* 8254 */
        0xaa, 0xab, 0xae, 0xa7, 0xa8, 0xd2, 0xd3, 0xd4, 0xdd, 0xdf, 0xed, 0xee, 0xf0, 0xf2, 0xf3,
        0xf4, 0xf5, 0x03, 0x07, 0x08, 0x0f, 0x45, 0x46, 0x4a, 0x4d, 0x66, 0x94, 0xc5, 0xc6, 0xe6, /* 765 */
        0xec, 0xa0, 0xa1, 0x30, 0x91, 0xc4, 0xc8, 0xca, 0xe7, 0xef, 0x25, 0x35, 0x24, 0x34, 0x27,
        0x90, 0xe5, 0x40, 0x44, 0x48, 0x4c, 0x54, 0x58, 0x80, 0x83,
    };

    switch (below(6)) {
    case 0: return below(16);
    case 1: return 1u << below(32);
    case 2:
    case 3: return commands[below(ENTRIES(commands))];
    case 4: return below(256);
    default: return rnd();
    }
}

u32 safe_address(void)
{
    u32 a;

    do
        switch (below(8)) {
        case 0: a = below(0x100000); break;
        case 1: a = 0xa0000 + below(0x60000); break;
        case 2: a = mem_end - below(0x20000); break;
        case 3: a = 0xfec00000 + below(0x400000); break;
        case 4: a = rnd(); break;
        case 5: a = pci_read(VGA_DEVFN, 0x10) + below(0x1000000); break;
        default: a = below(0xf00000); break;
        }
    while (a - (SELF - 0x100000) < KEEP_END - SELF + 0x100000);
    return a;
}

u32 bus_master(void) { return bm_base; }

/* --- PCI --- */

u32 pci_read(u32 devfn, u32 reg)
{
    outl(0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc));
    return inl(0xcfc);
}

static void find_bases(void)
{
    pm_base = pci_read(PM_DEVFN, 0x40) & 0xffc0;
    bm_base = pci_read(IDE_DEVFN, 0x20) & 0xfff0;
}

static int is_address(u32 devfn, u32 reg)
{
    return devfn == VGA_DEVFN && ((reg >= 0x10 && reg < 0x28) || (reg >= 0x30 && reg < 0x34));
}

void pci_write(u32 devfn, u32 reg, u32 size, u32 value)
{
    reg &= 0x100 - size;
    /* two ranges of ports that fixed ones do not meet, and not each other, so that it is known who is written to */
    if ((devfn == PM_DEVFN && (reg & 0xfc) == 0x40) || (devfn == IDE_DEVFN && (reg & 0xfc) == 0x20)) {
        size = 4;
        reg &= 0xfc;
        value = (value & 0x1fc1) | (devfn == PM_DEVFN ? 0xa000 : 0xc000);
    }
    if (is_address(devfn, reg)) {
        if (size != 4 || value >> 24 == SELF >> 24)
            return;
    }
    outl(0xcf8, 0x80000000 | devfn << 8 | (reg & 0xfc));
    if (size == 1)
        outb(0xcfc + (reg & 3), value);
    else if (size == 2)
        outw(0xcfc + (reg & 2), value);
    else
        outl(0xcfc, value);
    find_bases();
}

static void fuzz_pci(void)
{
    static const u8 devfns[] = { 0, 8, IDE_DEVFN, PM_DEVFN, VGA_DEVFN };
    static const u8 regs[] = { 0x04, 0x05, 0x0c, 0x0d, 0x3c, 0x10, 0x18, 0x20, 0x30, 0x40, 0x59, 0x5a, 0x5b, 0x5c,
                               0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x72, 0x4e, 0x5b, 0x80, 0x90, 0xd2 };
    u32 devfn = below(16) ? devfns[below(ENTRIES(devfns))] : rnd() & 0xff;
    u32 reg = below(3) ? regs[below(ENTRIES(regs))] : rnd() & 0xff;
    u32 value = below(3) ? plausible() : below(2) ? ~0u : safe_address();

    if (below(4) == 0)
        pci_read(devfn, reg);
    else
        pci_write(devfn, reg, 1u << below(3), value);
    if (below(8) == 0) { /* where it was, or nothing would be found any more */
        pci_write(PM_DEVFN, 0x40, 4, 0xb001);
        pci_write(PM_DEVFN, 0x80, 1, 1);
        pci_write(IDE_DEVFN, 0x20, 4, 0xc001);
        pci_write(VGA_DEVFN, 0x10, 4, 0xfd000000);
        pci_write(VGA_DEVFN, 0x18, 4, 0xfebf0000);
        pci_write(IDE_DEVFN, 0x04, 2, 7);
        pci_write(PM_DEVFN, 0x04, 2, 3);
        pci_write(VGA_DEVFN, 0x04, 2, 3);
    }
}

/* --- ports --- */

/* Make each byte of a write harmless; 0 if that cannot be. */
static int harmless(u32 port, u32 size, u32 *value)
{
    u32 n, p, b;

    for (n = 0; n < size; n++) {
        p = (port + n) & 0xffff;
        b = *value >> (8 * n) & 0xff;
        if (p == 0x64 && b >= 0xf0)
            b |= 1; /* no pulse on the reset line */
        if (p == 0x64 && b == 0xd1)
            b = 0xd0; /* the output port: only by its sequence */
        if (p == 0x92)
            b &= ~1u;
        if (p == 0xcf9 && !(port == 0xcf8 && size == 4))
            b &= ~4u;
        if (p == pm_base + 5)
            b &= ~0x20u; /* no sleep */
        if ((p >= 0x501 && p < 0x505) || (p >= 0xcfc && p < 0xd00) || (p >= 0x514 && p < 0x51c))
            return 0;
        if (p - bm_base < 16 && (p & 4))
            return 0; /* where the bus master's table is */
        *value = (*value & ~(0xffu << (8 * n))) | b << (8 * n);
    }
    return 1;
}

void fuzz_out(u32 port, u32 size, u32 value)
{
    if (!harmless(port, size, &value))
        return;
    if (size == 1)
        outb(port, value);
    else if (size == 2)
        outw(port, value);
    else
        outl(port, value);
}

u32 fuzz_in(u32 port, u32 size) { return size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port); }

static u32 any_size(void)
{
    u32 n = below(8);

    return n < 5 ? 1 : n < 7 ? 2 : 4;
}

static void fuzz_port(void)
{
    u32 port = below(10) ? device_port() : rnd() & 0xffff, size = any_size();

    if (below(2))
        fuzz_in(port, size);
    else
        fuzz_out(port, size, plausible());
}

static void fuzz_string(void)
{
    static const u16 data[] = { 0x1f0, 0x170, 0x3f5, 0x3f8, 0x2f8, 0x511, 0x3c9,
                                0xe9,  0x402, 0x71,  0x42,  0x1d0, 0x80,  0x60 };
    u32 size = 1u << below(3);
    u32 most = BUFFER / size;
    u32 count = below(16) ? below(64) : below(most + 1);
    u32 port, si, di;
    int down = below(8) == 0;

    if (below(2)) {
        port = data[below(ENTRIES(data))];
        if (port == 0x60)
            count = below(4);
        si = (u32)buffer + (down ? BUFFER - size : 0);
        if (down)
            asm volatile("std");
        if (size == 1)
            asm volatile("rep outsb" : "+S"(si), "+c"(count) : "d"(port) : "memory");
        else if (size == 2)
            asm volatile("rep outsw" : "+S"(si), "+c"(count) : "d"(port) : "memory");
        else
            asm volatile("rep outsl" : "+S"(si), "+c"(count) : "d"(port) : "memory");
    } else {
        port = below(4) ? data[below(ENTRIES(data))] : device_port();
        di = 0x10000 + below(0xe00000);
        if (down)
            asm volatile("std");
        if (size == 1)
            asm volatile("rep insb" : "+D"(di), "+c"(count) : "d"(port) : "memory");
        else if (size == 2)
            asm volatile("rep insw" : "+D"(di), "+c"(count) : "d"(port) : "memory");
        else
            asm volatile("rep insl" : "+D"(di), "+c"(count) : "d"(port) : "memory");
    }
    asm volatile("cld");
}

/* --- interrupts --- */

/* A level that stays must not keep everything else from running: after a few, they stay masked until the
 * next operation but some. */
static int handler(u32 vector)
{
    mood = mood * 1664525 + 1013904223 + vector;
    ticks++;
    switch (mood >> 28) {
    case 0: break; /* no end of interrupt */
    case 1: outb(0x20, 0x60 | (vector & 7)); break;
    case 2: outb(0xa0, 0x60 | (vector & 7)); break;
    case 3:
    case 4:
    case 5: *(volatile u32 *)0xfee000b0 = 0; break;
    default:
        outb(0xa0, 0x20);
        outb(0x20, 0x20);
        *(volatile u32 *)0xfee000b0 = 0;
    }
    return ++taken > 4;
}

/* --- the local APIC's base --- */

static void apic_base(void *arg)
{
    u32 low = *(u32 *)arg;

    asm volatile("wrmsr" : : "c"(0x1b), "a"(low), "d"(0));
}

static void fuzz_apic_base(void)
{
    u32 v = safe_address();

    if (v < KEEP_END || below(2))
        v = 0xfee00000;
    v = (v & 0xfffff000) | 0x100 | (below(4) ? 0x800 : 0) | (below(16) ? 0 : rnd() & 0x6ff);
    guarded(apic_base, &v);
}

static void step(void *arg)
{
    u32 n = below(100);

    (void)arg;
    if (n < 50)
        fuzz_port();
    else if (n < 56)
        fuzz_string();
    else if (n < 76)
        fuzz_mmio();
    else if (n < 84)
        fuzz_pci();
    else if (n < 92)
        fuzz_sequence();
    else if (n < 93)
        fuzz_apic_base();
    else if (n < 97) {
        taken = 0;
        sti();
    } else {
        cli();
    }
}

u32 run_devices(u32 ops)
{
    u32 n;

    for (n = 0; n < BUFFER / 4; n++)
        buffer[n] = no_init(rnd());
    timer_on(1000);
    any_vector = 1;
    gate(VEC_LEAVE, trap_stubs[VEC_LEAVE], 0x8e);
    on_interrupt = handler;
    sequences_init();
    find_bases();
    if (option("paging", 0))
        paging_on((u32)page_dir);
    for (n = 0; n < ops; n++)
        guarded(step, 0);
    cli();
    return ticks;
}
