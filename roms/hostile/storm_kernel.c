/* storm_kernel.c - mode storm-kernel: ring 0 changes page tables in every way that is hard to follow: INVLPG, runs
 * of entries cleared, global pages, one page at thousands of places and executed there, control registers toggled
 * thousands of times, page tables that show themselves, tables that are data for a while.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hostile.h"

#define AREA   0x50000000u /* linear */
#define TABLES 16u
#define PAGES  (TABLES * 1024u)
#define WINDOW 0xffc00000u /* linear: the page tables, through the directory's own last entry */

static u32 dir, table[TABLES], frames, first_frame, code, faults, work;
static u64 pdpt[4] __attribute__((aligned(32)));
static u64 pae_dir[4][512] __attribute__((aligned(4096)));

static u32 frame(u32 page) { return first_frame + page % frames * 4096; }

static u32 *entry(u32 page) { return &((u32 *)table[page >> 10])[page & 1023]; }

/* Nothing uses the entry between the two lines, so nothing marks it accessed. */
static void link(u32 t)
{
    volatile u32 *e = &((u32 *)dir)[(AREA >> 22) + t];

    *e = table[t] | PTE_P | PTE_W;
    if (*e != (table[t] | PTE_P | PTE_W))
        failed("an entry of the directory is not what was just written");
}

static int fault(u32 address, u32 error)
{
    u32 page = (address - AREA) >> 12;

    (void)error;
    if (address < AREA || page >= PAGES)
        return 0;
    faults++;
    link(page >> 10);
    *entry(page) = frame(page) | PTE_P | PTE_W | (below(4) ? 0 : PTE_G);
    invlpg(address);
    return 1;
}

static void touch(u32 from, u32 count, u32 step)
{
    int write = (int)below(2);
    u32 n, sum = 0;

    for (n = 0; n < count; n++, from += step) {
        volatile u32 *p = (volatile u32 *)(AREA + (from % PAGES) * 4096 + (from & 63) * 64);

        if (write)
            *p = from;
        else
            sum += *p;
    }
    asm volatile("" : : "r"(sum));
    work += count;
}

static void flush_all(void)
{
    u32 v = read_cr4();

    write_cr4(v ^ CR4_PGE);
    write_cr4(v);
    write_cr3(read_cr3());
}

static void runs(void)
{
    u32 from = below(PAGES), count = 16 + below(2048), n, page;
    u32 kind = below(6), flush = below(3), global = below(3) ? 0 : PTE_G, step = 1 + below(3);

    for (n = 0; n < count; n++) {
        page = (from + n * step) % PAGES;
        switch (kind) {
        case 0: *entry(page) = frame(page) | PTE_P | PTE_W | global; break;
        case 1: *entry(page) = 0; break;
        case 2:
            if ((n & 31) < 16)
                *entry(page) = 0;
            break;
        case 3: *entry(page) = frame(page) | PTE_P | global; break;
        case 4: *entry(page) ^= PTE_W; break;
        default: *entry(page) = (code & ~0xfffu) | PTE_P | global; break;
        }
        if (flush == 0)
            invlpg(AREA + page * 4096);
    }
    if (flush == 1)
        write_cr3(read_cr3());
    if (kind == 5) {
        flush_all();
        for (n = 0; n < count; n++) /* nobody may write the page of code by a touch */
            *entry((from + n * step) % PAGES) = 0;
        flush_all();
    }
    work += count;
}

/* One page of code at thousands of places: written at one, run at another. */
static void aliases(void)
{
    u32 count = 16 + below(4096), from = below(PAGES - count), n, a, b, value, got;

    for (n = 0; n < count; n++)
        *entry(from + n) = code | PTE_P | PTE_W;
    for (n = 0; n < TABLES; n++)
        link(n);
    flush_all();
    for (n = 0; n < 64; n++) {
        a = AREA + (from + below(count)) * 4096;
        b = AREA + (from + below(count)) * 4096 + 16 * below(4);
        value = rnd();
        *(volatile u32 *)(a + (b & 0xff) + 1) = value;
        asm volatile("call *%1" : "=a"(got) : "r"(b) : "memory");
        if (got != value)
            failed("code written at one address is old at another");
    }
    for (n = 0; n < count; n++)
        *entry(from + n) = 0;
    flush_all();
    work += count + 64;
}

static void toggles(void)
{
    u32 count = 1 + below(200), kind = below(6), n, v;

    for (n = 0; n < count; n++) {
        switch (kind) {
        case 0: write_cr4(read_cr4() ^ CR4_PGE); break;
        case 1: write_cr0(read_cr0() ^ CR0_WP); break;
        case 2: write_cr3(read_cr3()); break;
        case 3:
            v = read_cr0();
            write_cr0(v & ~CR0_PG);
            write_cr0(v);
            break;
        case 4: /* PAE and back: another format of everything */
            v = read_cr0();
            write_cr0(v & ~CR0_PG);
            write_cr4(read_cr4() | CR4_PAE);
            write_cr3((u32)pdpt);
            write_cr0(v);
            ((volatile u32 *)first_frame)[below(1024)] = n;
            write_cr0(v & ~CR0_PG);
            write_cr4(read_cr4() & ~CR4_PAE);
            write_cr3(dir);
            write_cr0(v);
            break;
        default: /* read-only pages and what may write them */
            *entry(n) = frame(n) | PTE_P;
            invlpg(AREA + n * 4096);
            write_cr0(read_cr0() & ~CR0_WP);
            *(volatile u32 *)(AREA + n * 4096) = n;
            write_cr0(read_cr0() | CR0_WP);
            if (*(volatile u32 *)(AREA + n * 4096) != n)
                failed("a page written without WP is not");
        }
        if (below(8) == 0)
            touch(below(PAGES), 8, 1 + below(500));
    }
    work += count;
}

/* Entries written through the tables' own window. */
static void self(void)
{
    u32 n, page, count = 1 + below(200);
    volatile u32 *w = (volatile u32 *)(WINDOW + (AREA >> 10));

    for (n = 0; n < TABLES; n++)
        link(n);
    flush_all();
    for (n = 0; n < count; n++) {
        page = below(PAGES);
        w[page] = frame(page + 1) | PTE_P | PTE_W;
        invlpg(AREA + page * 4096);
        *(volatile u32 *)(AREA + page * 4096) = page;
        if (*(volatile u32 *)frame(page + 1) != page)
            failed("an entry written through the window is not used");
        if ((*entry(page) & 0x60) != 0x60)
            failed("accessed and dirty are not set");
    }
    work += count;
}

/* A table that is data for a while, and a table again, with nothing flushed but at the end. */
static void reuse(void)
{
    u32 t = below(TABLES), n, rounds = 1 + below(4);
    u32 *e = (u32 *)table[t];

    while (rounds--) {
        touch(t * 1024, 256, 3);
        if (below(2))
            ((u32 *)dir)[(AREA >> 22) + t] = 0;
        for (n = 0; n < 1024; n++)
            e[n] = below(2) ? frame(rnd()) | (rnd() & 0x103) : rnd() & ~1u;
        if (below(2)) {
            u32 di = (u32)e, c = 1024;

            asm volatile("rep stosl" : "+D"(di), "+c"(c) : "a"(0) : "memory");
        }
        link(t);
        work += 1024;
    }
    for (n = 0; n < 1024; n++)
        e[n] = 0;
    flush_all();
}

u32 run_storm_kernel(u32 ops)
{
    u32 n, *p;

    dir = page_alloc();
    for (n = 0; n < 1024; n++)
        ((u32 *)dir)[n] = page_dir[n] | (n < 64 ? PTE_G : 0);
    ((u32 *)dir)[1023] = dir | PTE_P | PTE_W;
    for (n = 0; n < TABLES; n++) {
        table[n] = page_alloc();
        link(n);
    }
    code = page_alloc();
    for (n = 0; n < 4; n++) { /* mov $0, %eax; ret */
        p = (u32 *)(code + 16 * n);
        p[0] = 0x000000b8;
        p[1] = 0x0000c300;
    }
    for (n = 0; n < 2048; n++)
        pae_dir[n >> 9][n & 511] = n << 21 | PTE_PS | PTE_W | PTE_P;
    for (n = 0; n < 4; n++)
        pdpt[n] = (u32)pae_dir[n] | PTE_P;
    frames = pool_left();
    first_frame = page_alloc();
    timer_on(1000);
    page_fault = fault;
    paging_on(dir);
    write_cr4(read_cr4() | CR4_PGE);
    while (work < ops) {
        write_cr0(read_cr0() | CR0_WP);
        sti();
        switch (below(8)) {
        case 0:
        case 1: runs(); break;
        case 2: touch(below(PAGES), 1 + below(4096), 1 + below(3)); break;
        case 3: aliases(); break;
        case 4:
        case 5: toggles(); break;
        case 6: self(); break;
        default: reuse();
        }
    }
    return faults;
}
