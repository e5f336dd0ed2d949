/* storm.c - mode storm-user: ring-3 code touches pages while ring 0 changes what is mapped, as a system's mprotect,
 * madvise and munmap would, in many address spaces. Every second or third page of long runs is another kind, so
 * that an emulator which maps what the guest maps needs a mapping for each.
 *
 * `spaces=` says how many address spaces, `pages=` how many pages each has (a multiple of 1,024), `switch=1`
 * that the address space changes each time.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hostile.h"

#define AREA       0x40000000u /* linear */
#define SPACES_MAX 512

static u32 space[SPACES_MAX]; /* page directories */
static u32 spaces, pages, frames, first_frame, step, current, faults, work;

struct touch {
    u32 from, count, step, rounds;
    int write;
};

static u32 *entry(u32 dir, u32 page)
{
    u32 table = ((u32 *)dir)[(AREA >> 22) + (page >> 10)] & ~0xfffu;

    return &((u32 *)table)[page & 1023];
}

/* Neighbours in one address space are neighbours in memory, unless step= is not 1; the spaces share it. */
static u32 frame(u32 s, u32 page) { return first_frame + (s * 61 + page * step) % frames * 4096; }

static int fault(u32 address, u32 error)
{
    u32 page = (address - AREA) >> 12;

    (void)error;
    if (address < AREA || page >= pages)
        return 0;
    faults++;
    *entry(space[current], page) = frame(current, page) | PTE_P | PTE_W | PTE_U;
    invlpg(address);
    return 1;
}

/* In ring 3. Each page holds its own number and space where it has been written. */
static void touch(void *arg)
{
    const struct touch *t = arg;
    u32 r, n, page, sum = 0;

    for (r = 0; r < t->rounds; r++)
        for (n = 0, page = t->from; n < t->count; n++, page += t->step) {
            volatile u32 *p = (volatile u32 *)(AREA + (page % pages) * 4096 + (page & 63) * 64);

            if (t->write)
                *p = page;
            else
                sum += *p;
        }
    asm volatile("" : : "r"(sum));
}

/* One page written through one address space and read through the next that shows the same memory. */
static void compare(void)
{
    u32 s = below(spaces), page = below(pages), f = frame(s, page), value = rnd(), other, n;

    write_cr3(space[s]);
    *entry(space[s], page) = f | PTE_P | PTE_W | PTE_U;
    invlpg(AREA + page * 4096);
    *(volatile u32 *)(AREA + page * 4096 + 4) = value;
    for (n = 1; n <= 3; n++) {
        s = (s + 1) % spaces;
        other = (page + frames - 61 * n % frames) % frames;
        if (other >= pages || frame(s, other) != f)
            continue;
        write_cr3(space[s]);
        *entry(space[s], other) = f | PTE_P | PTE_U;
        invlpg(AREA + other * 4096);
        if (*(volatile u32 *)(AREA + other * 4096 + 4) != value)
            failed("a page shows something else in another address space");
    }
    write_cr3(space[current]);
}

static void change(void)
{
    u32 from = below(pages), count = below(2) ? 64 + below(2048) : below(64), every = 1 + below(3);
    u32 kind = below(5), n, page, *e;
    int each = below(2);

    for (n = 0; n < count; n++) {
        page = (from + n * every) % pages;
        e = entry(space[current], page);
        switch (kind) {
        case 0: *e &= ~(u32)PTE_W; break; /* mprotect */
        case 1: *e = 0; break;            /* madvise, munmap */
        case 2: *e = frame(current, page) | PTE_P | PTE_W | PTE_U; break;
        case 3: *e = frame(current, page ^ 1) | PTE_P | PTE_U; break;
        default: *e ^= PTE_W;
        }
        if (each)
            invlpg(AREA + page * 4096);
    }
    if (!each)
        write_cr3(space[current]);
    work += count;
}

static void make_spaces(void)
{
    u32 s, n, t;

    for (s = 0; s < spaces; s++) {
        space[s] = page_alloc();
        for (n = 0; n < AREA >> 22; n++)
            ((u32 *)space[s])[n] = page_dir[n];
        for (n = 0; n < pages >> 10; n++) {
            t = page_alloc();
            ((u32 *)space[s])[(AREA >> 22) + n] = t | PTE_P | PTE_W | PTE_U;
        }
    }
}

u32 run_storm_user(u32 ops)
{
    struct touch t;
    u32 n;

    step = option("step", 1);
    spaces = option("spaces", 48);
    pages = option("pages", 8192) & ~1023u;
    if (!spaces || spaces > SPACES_MAX || !pages || pages > 0x20000)
        failed("spaces= or pages= is out of range");
    make_spaces();
    frames = pool_left();
    first_frame = page_alloc();
    timer_on(1000);
    page_fault = fault;
    paging_on(space[0]);
    while (work < ops) {
        if (below(4) == 0 || option("switch", 0)) {
            current = below(spaces);
            write_cr3(space[current]);
        }
        change();
        t = (struct touch){ below(pages), 256 + below(4096), 1 + below(3), 1 + below(8), (int)below(2) };
        user_call(touch, &t);
        work += t.count * t.rounds;
        if (below(8) == 0)
            for (n = 0; n < 8; n++)
                compare();
    }
    return faults;
}
