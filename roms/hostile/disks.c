/* disks.c - mode=disks: not hostile: a disk and a CD-ROM are driven as drivers do it, by programmed I/O and by DMA,
 * each step awaited by interrupt in HLT, while PIT and RTC tick. What is read must be what was written. It is there for
 * who wants devices in the middle of their work, all the time, and a run whose end tells whether all went well.
 *
 * The primary master is a disk of at least 1 MiB, whose first sectors it writes; the secondary master a CD-ROM.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hostile.h"

#define SECTORS 64 /* of the disk, that are used */
#define DISK    0x1f0
#define CDROM   0x170
#define RTC_C   0x0c

enum { READ, WRITE };

static u32 irqs[16], version[SECTORS], master;
static u32 prd[2][4] __attribute__((aligned(64)));
static u32 buffer[8 * 512 / 4 + 1024] __attribute__((aligned(4096)));

static int taken(u32 vector)
{
    u32 n = vector - VEC_IRQ;

    if (n > 15)
        failed("an interrupt that is none");
    irqs[n]++;
    if (n == 8) {
        outb(0x70, RTC_C);
        inb(0x71);
    }
    if (n >= 8)
        outb(0xa0, 0x20);
    outb(0x20, 0x20);
    return 0;
}

/* Sleep until the drive has asked; its status. */
static u32 wait_irq(u32 base, u32 before)
{
    u32 n = base == DISK ? 14 : 15;

    for (;;) {
        cli();
        if (*(volatile u32 *)&irqs[n] != before)
            break;
        asm volatile("sti; hlt");
    }
    sti();
    return inb(base + 7);
}

static u32 config(u32 reg)
{
    outl(0xcf8, 0x80000900 | reg);
    return inl(0xcfc);
}

static u32 pattern(u32 sector, u32 word) { return (sector << 16 ^ version[sector] * 2654435761u) + word * 40503u; }

static void fill(u32 sector, u32 count)
{
    u32 n;

    for (n = 0; n < count * 128; n++)
        buffer[n] = pattern(sector + n / 128, n % 128);
}

static void check(u32 sector, u32 count)
{
    u32 n;

    for (n = 0; n < count * 128; n++)
        if (version[sector + n / 128] && buffer[n] != pattern(sector + n / 128, n % 128))
            failed("a sector is not what was written");
}

/* Where DMA goes: two pieces, cut at random. */
static void set_table(u32 channel, u32 bytes, u32 to_memory)
{
    u32 cut = 4 + below(bytes / 4 - 1) * 4;
    u32 bm = master + 8 * channel;

    prd[channel][0] = (u32)buffer;
    prd[channel][1] = cut;
    prd[channel][2] = (u32)buffer + cut;
    prd[channel][3] = (bytes - cut) | 0x80000000;
    outb(bm, 0);
    outl(bm + 4, (u32)prd[channel]);
    outb(bm + 2, 6);
    outb(bm, to_memory ? 8 : 0);
}

static void disk_address(u32 sector, u32 count)
{
    outb(DISK + 6, 0xe0);
    outb(DISK + 2, count);
    outb(DISK + 3, sector);
    outb(DISK + 4, 0);
    outb(DISK + 5, 0);
}

static void disk_pio(u32 sector, u32 count, u32 what)
{
    u32 n, before = irqs[14];
    u32 at = (u32)buffer, c;

    disk_address(sector, count);
    outb(DISK + 7, what == READ ? 0x20 : 0x30);
    for (n = 0; n < count; n++, at += 512) {
        u32 di = at, si = at;

        if (what == READ && (wait_irq(DISK, before) & 0x89) != 8)
            failed("no data from the disk");
        while (what == WRITE && (inb(DISK + 7) & 0x88) != 8)
            ;
        before = irqs[14];
        c = 128;
        if (what == READ)
            asm volatile("rep insl" : "+D"(di), "+c"(c) : "d"(DISK) : "memory");
        else
            asm volatile("rep outsl" : "+S"(si), "+c"(c) : "d"(DISK) : "memory");
        if (what == WRITE && (wait_irq(DISK, before) & 0x81))
            failed("the disk does not write");
    }
}

static void disk_dma(u32 sector, u32 count, u32 what)
{
    u32 before = irqs[14];

    set_table(0, count * 512, what == READ);
    disk_address(sector, count);
    outb(DISK + 7, what == READ ? 0xc8 : 0xca);
    outb(master, what == READ ? 9 : 1);
    if (wait_irq(DISK, before) & 0x89)
        failed("DMA with the disk");
    outb(master, 0);
    if ((inb(master + 2) & 7) != 4)
        failed("the bus master's status");
}

/* READ (10) of a sector: it is what the host made it, and reads the same again. */
static void cdrom(u32 dma)
{
    static u32 sums[8], well;
    u32 sector = below(ENTRIES(sums)), n, sum = 1, before = irqs[15], status, left = 2048;
    u8 packet[12] = { 0x28, 0, 0, 0, 0, (u8)sector, 0, 0, 1 };

    outb(CDROM + 6, 0xa0);
    outb(CDROM + 1, dma);
    outb(CDROM + 4, 0);
    outb(CDROM + 5, 2); /* 512 bytes at a time */
    if (dma)
        set_table(1, 2048, 1);
    outb(CDROM + 7, 0xa0);
    while ((inb(CDROM + 7) & 0x88) != 8)
        ;
    for (n = 0; n < sizeof packet; n += 2)
        outw(CDROM, packet[n] | (u32)packet[n + 1] << 8);
    if (dma)
        outb(master + 8, 9);
    while (status = wait_irq(CDROM, before), !(status & 1) && status & 8) {
        u32 di = (u32)buffer + 2048 - left, c = (inb(CDROM + 4) | inb(CDROM + 5) << 8) / 4;

        if (!c || c * 4 > left)
            failed("the CD-ROM has another number of bytes");
        before = irqs[15];
        left -= c * 4;
        asm volatile("rep insl" : "+D"(di), "+c"(c) : "d"(CDROM) : "memory");
    }
    if (dma)
        outb(master + 8, 0);
    if (status & 1) { /* unit attention, at first */
        if (well)
            failed("the CD-ROM does not read");
        return;
    }
    well = 1;
    for (n = 0; n < 512; n++)
        sum = sum * 31 + buffer[n];
    if (sums[sector] && sums[sector] != sum)
        failed("the CD-ROM's sector has changed");
    sums[sector] = sum;
}

u32 run_disks(u32 ops)
{
    u32 op, sector, count, n;

    master = config(0x20) & ~15u;
    if ((config(0) & 0xffff) != 0x8086 || !master)
        failed("no IDE bus master");
    outl(0xcf8, 0x80000904);
    outl(0xcfc, 5);
    on_interrupt = taken;
    paging_on((u32)page_dir);
    timer_on(1000);
    outb(0x21, 0xfa);
    outb(0xa1, 0x3e);
    outb(0x70, 0x0b); /* the RTC's periodic interrupt, 1,024 Hz */
    outb(0x71, 0x42);
    outb(0x70, RTC_C);
    inb(0x71);
    sti();
    for (op = 0; op < ops; op++) {
        count = 1 + below(8);
        sector = below(SECTORS - count + 1);
        switch (below(6)) {
        case 0:
        case 1:
            for (n = 0; n < count; n++)
                version[sector + n]++;
            fill(sector, count);
            (below(2) ? disk_pio : disk_dma)(sector, count, WRITE);
            break;
        case 2:
        case 3:
            (below(2) ? disk_pio : disk_dma)(sector, count, READ);
            check(sector, count);
            break;
        default: cdrom(below(2));
        }
    }
    if (!irqs[0] || !irqs[8])
        failed("the timers do not tick");
    return op;
}
