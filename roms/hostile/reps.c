/* reps.c - mode reps: repeated string instructions with huge counts, forward and backward, over RAM, ROM, holes, the
 * frame buffer, registers and the end of the address space, from and to ports; every eighth over pages that are not
 * present. ops= counts instructions.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hostile.h"

#define APICS      0xfe000000u /* from where the largest count may get to an APIC, in one direction or the other */
#define APICS_SIZE 0x01900000u

static u32 dir, repeated;

static u32 place(void)
{
    switch (below(10)) {
    case 0: return below(0x1000000);
    case 1: return 0xa0000 + below(0x20000);
    case 2: return 0xc0000 + below(0x40000);
    case 3: return 0xfd000000 + below(0x1000000);
    case 4: return mem_end + below(0x100000);
    case 5: return 0xfffffff0 - below(0x100000);
    case 6: return 0xfec00000 + below(0x1000);
    case 7: return 0x80000000 + below(0x10000000);
    case 8: return 0xfed00000 + below(0x1000);
    default: return mem_end > KEEP_END ? KEEP_END + below(mem_end - KEEP_END) : 0;
    }
}

static u32 many(void)
{
    switch (below(8)) {
    case 0: return below(16);
    case 1:
    case 2: return below(0x1000);
    case 3:
    case 4:
    case 5: return below(0x10000);
    case 6: return below(0x100000);
    default: return below(64) ? below(0x200000) : option("huge", 0) ? rnd() : 0;
    }
}

/* As many as may be written from `at` without touching this program; the wrap at 4 GiB may be passed. */
static u32 room(u32 at, u32 count, u32 size, int down)
{
    u32 bytes = down ? at - SELF_END : SELF - at;

    if (down && at < SELF)
        bytes = at + (0u - SELF_END); /* down past 0 to the end of us, from above */
    if (at >= SELF - 16 && at < SELF_END + 16)
        return 0;
    if (bytes < 64)
        return 0;
    return count < (bytes - 32) / size ? count : (bytes - 32) / size;
}

/* What the stepping instruction works on. */
struct rep {
    u32 si, di, count, size, kind, eax;
    int down;
};

#define REP(op)                                                                                        \
    do {                                                                                               \
        if (r->size == 1)                                                                              \
            asm volatile("rep " op "b" : "+S"(si), "+D"(di), "+c"(c), "+a"(a) : "d"(port) : "memory"); \
        else if (r->size == 2)                                                                         \
            asm volatile("rep " op "w" : "+S"(si), "+D"(di), "+c"(c), "+a"(a) : "d"(port) : "memory"); \
        else                                                                                           \
            asm volatile("rep " op "l" : "+S"(si), "+D"(di), "+c"(c), "+a"(a) : "d"(port) : "memory"); \
    } while (0)
#define REPNE(op)                                                                                        \
    do {                                                                                                 \
        if (r->size == 1)                                                                                \
            asm volatile("repne " op "b" : "+S"(si), "+D"(di), "+c"(c), "+a"(a) : "d"(port) : "memory"); \
        else if (r->size == 2)                                                                           \
            asm volatile("repne " op "w" : "+S"(si), "+D"(di), "+c"(c), "+a"(a) : "d"(port) : "memory"); \
        else                                                                                             \
            asm volatile("repne " op "l" : "+S"(si), "+D"(di), "+c"(c), "+a"(a) : "d"(port) : "memory"); \
    } while (0)

static void run(void *arg)
{
    const struct rep *r = arg;
    u32 si = r->si, di = r->di, c = r->count, a = r->eax, port = 0x80;

    if (r->down)
        asm volatile("std");
    switch (r->kind) {
    case 0: REP("movs"); break;
    case 1: REP("stos"); break;
    case 2: REP("lods"); break;
    case 3: REPNE("scas"); break;
    case 4: REP("scas"); break;
    case 5: REP("cmps"); break;
    case 6: REPNE("cmps"); break;
    case 7: REP("ins"); break;
    default: REP("outs"); break;
    }
    asm volatile("cld");
    if (r->kind < 3 && c)
        failed("a repeated instruction ended too soon");
    if (r->kind == 1 && (di != r->di + (r->down ? 0u - r->count : r->count) * r->size))
        failed("a repeated store ended elsewhere");
}

u32 run_reps(u32 ops)
{
    struct rep r;
    u32 n, t, k;

    dir = page_alloc();
    for (n = 0; n < 1024; n++)
        ((u32 *)dir)[n] = page_dir[n];
    t = page_alloc(); /* 4 to 8 MiB by small pages, with holes */
    for (k = 0; k < 1024; k++)
        ((u32 *)t)[k] = (0x400000 + k * 4096) | (below(32) ? PTE_P : 0) | (below(16) ? PTE_W : 0);
    ((u32 *)dir)[1] = t | PTE_P | PTE_W;
    timer_on(1000);
    for (n = 0; n < ops; n++) {
        if (n == ops / 4)
            paging_on(dir);
        sti();
        r = (struct rep){ place(), place(), many(), 1u << below(3), below(9), below(2) ? rnd() : 0, below(3) == 0 };
        if ((r.kind == 0 || r.kind == 7 || r.kind == 1) && r.di - APICS < APICS_SIZE) {
            r.kind = 1; /* an APIC's registers are not for anything: it may be told to reset the CPU */
            r.eax = 0;
        }
        if (r.kind <= 1 || r.kind == 7)
            r.count = room(r.di, r.count, r.size, r.down);
        if (r.kind >= 7)
            r.count &= 0xffff;
        repeated += r.count;
        if (guarded(run, &r) && n < ops / 4)
            failed("a repeated instruction without paging failed");
    }
    return repeated;
}
