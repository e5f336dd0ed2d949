/* spread.c - mode spread: a little code at very many linear addresses, behind many code segments, as 32-bit, 16-bit
 * and virtual-8086 code, in rings 0 and 3, and rewritten all the time. One page table, used for most of the
 * directory, shows one page at 600,000 addresses.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hostile.h"

#define FIRST     0x60000000u /* linear: from here to LAST the page of code */
#define LAST      0xf0000000u
#define LOW_CODE  0x20000u /* where virtual-8086 code is, up to F0000h, but for its stack's pages */
#define LOW_STACK 0x30u

/* Places in the page. */
enum { ADD = 0x000, FAR32 = 0x020, FAR16 = 0x040, CHAIN = 0x060, VALUE = 0x0a0, V86 = 0x0c0 };

static u32 dir, table, low, code, work;

static u32 any_page(void) { return FIRST + below((LAST - FIRST) >> 12) * 4096; }

static void fill(u32 at, const u8 *bytes, u32 n)
{
    while (n--)
        ((u8 *)code)[at + n] = bytes[n];
}

static void page_of_code(void)
{
    static const u8 add[] = { 0x40, 0xc3 };                        /* inc eax; ret */
    static const u8 far32[] = { 0x40, 0xcb };                      /* inc eax; retf */
    static const u8 far16[] = { 0x66, 0x40, 0x66, 0xcb };          /* the same with 16-bit default */
    static const u8 value[] = { 0xb8, 0, 0, 0, 0, 0xc3 };          /* mov eax, N; ret */
    static const u8 v86[] = { 0x40, 0x01, 0xc3, 0xcd, VEC_LEAVE }; /* inc ax; add bx, ax; int */
    u8 chain[] = { 0x40, 0x01, 0xda, 0x49, 0x74, 2,    0xff, 0xe2, /* inc eax; add edx, ebx; dec ecx; jz 1f; jmp edx */
                   0xba, 0,    0,    0,    0,    0xff, 0xe2 };     /* 1: mov edx, spread_back; jmp edx */

    *(u32 *)(chain + 9) = (u32)spread_back;
    fill(ADD, add, sizeof add);
    fill(FAR32, far32, sizeof far32);
    fill(FAR16, far16, sizeof far16);
    fill(CHAIN, chain, sizeof chain);
    fill(VALUE, value, sizeof value);
    fill(V86, v86, sizeof v86);
}

static void calls(u32 n)
{
    u32 v = rnd(), got = v, at, k;

    for (k = 0; k < n; k++) {
        at = any_page() + ADD;
        asm volatile("call *%1" : "+a"(got) : "r"(at) : "memory");
    }
    if (got != v + n)
        failed("indirect calls went elsewhere");
    work += n;
}

static void calls3(void *arg)
{
    u32 n = *(u32 *)arg, at = FIRST + ADD + n % 256 * 4096, got = 0, k;

    for (k = 0; k < n; k++) {
        asm volatile("call *%1" : "+a"(got) : "r"(at) : "memory");
        at += 4096 * 17;
        if (at >= LAST)
            at -= LAST - FIRST;
    }
    *(u32 *)arg = got;
}

static void ring3(void)
{
    u32 n = 1 + below(2000), v = n;

    user_call(calls3, &v);
    sti();
    if (v != n)
        failed("indirect calls of ring 3 went elsewhere");
    work += n;
}

static void chain(void)
{
    u32 step = (1 + below(64)) * 4096, n = 1 + below(4000), got;

    if (n > (LAST - FIRST) / step)
        n = (LAST - FIRST) / step;
    got = spread_jump(FIRST + CHAIN + below((LAST - FIRST) / step - n + 1) * step, n, step);
    if (got != n)
        failed("a chain of jumps has the wrong length");
    work += n;
}

/* Far calls through descriptors that are set up anew: base, limit and size of code. */
static void segments(void)
{
    u32 k, n = 1 + below(200), slot, base, at, big, got, v;

    for (k = 0; k < n; k++) {
        slot = SPARE + below(GDT_N - SPARE);
        big = below(2);
        at = any_page() + (big ? FAR32 : FAR16);
        base = big ? below(4) ? rnd() & ~(below(2) ? 15u : 0u) : 0 : at - below(0x10000);
        gdt[slot] = descriptor(base, 0xfffff, 0x9b, big ? 0xc : 0x8);
        v = rnd();
        got = far_call(slot * 8, at - base, v);
        if (got != v + 1)
            failed("a far call went elsewhere");
    }
    work += n;
}

static void v86(void)
{
    u32 k, n = 1 + below(100), para, page;

    for (k = 0; k < n; k++) {
        para = below(0xff0);
        do
            page = LOW_CODE / 4096 + below(0xd0);
        while (page >= LOW_STACK && page < LOW_STACK + 16);
        v86_call((page << 8) - para, V86 + para * 16);
        sti();
    }
    work += n;
}

/* Through one address the code is written, through another it runs. */
static void modify(void)
{
    u32 k, n = 1 + below(500), v, at, got;

    for (k = 0; k < n; k++) {
        v = rnd();
        *(volatile u32 *)(any_page() + VALUE + 1) = v;
        at = any_page() + VALUE;
        asm volatile("call *%1" : "=a"(got) : "r"(at) : "memory");
        if (got != v)
            failed("code that was rewritten is old");
    }
    work += n;
}

u32 run_spread(u32 ops)
{
    u32 n;

    dir = page_alloc();
    table = page_alloc();
    low = page_alloc();
    code = page_alloc();
    page_of_code();
    for (n = 0; n < 1024; n++) {
        ((u32 *)table)[n] = code | PTE_P | PTE_W | PTE_U;
        ((u32 *)low)[n] = n << 12 | PTE_P | PTE_W | PTE_U;
        ((u32 *)dir)[n] = n >= FIRST >> 22 && n < LAST >> 22 ? table | PTE_P | PTE_W | PTE_U : page_dir[n];
    }
    for (n = LOW_CODE / 4096; n < 0xf0; n++)
        if (n < LOW_STACK || n >= LOW_STACK + 16)
            ((u32 *)low)[n] = code | PTE_P | PTE_W | PTE_U;
    ((u32 *)dir)[0] = low | PTE_P | PTE_W | PTE_U;
    timer_on(1000);
    paging_on(dir);
    while (work < ops) {
        sti();
        switch (below(6)) {
        case 0: calls(1 + below(4000)); break;
        case 1: ring3(); break;
        case 2: chain(); break;
        case 3: segments(); break;
        case 4: v86(); break;
        default: modify();
        }
        if (below(16) == 0)
            write_cr3(read_cr3());
    }
    return work;
}
