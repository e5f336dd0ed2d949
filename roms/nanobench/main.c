/* main.c - the nanobenchmark guest: tables, the clock, what is measured, and the lines it prints.
 *
 * On COM1, one line each: "nano tsc_khz N"; "nano NAME CYCLES", the time stamp counter's ticks for one
 * operation; "nano NAME absent" if the CPU lacks it; "nano done". The word `quick` on the command line
 * makes it content with fewer samples.
 *
 * An operation is timed by the median of many samples, each long enough for any clock and short enough
 * that most are not interrupted by the host, less the median of the same rounds of the empty loop. Where
 * a pass over a page table changes it, the entries are put back before each pass outside the time taken.
 * Interrupts stay masked at the PIC throughout.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "nanobench.h"

#define COM1         0x3f8
#define PIT_HZ       1193182
#define CALIBRATE_MS 20
#define SAMPLES      101 /* of half a millisecond at least */
#define QUICK        11
#define PREPARE_MAX  8 /* a sample may take so much longer than what it times */

struct tss {
    u32 back, esp0, ss0;
    u32 rest[22];
    u16 trap, iomap;
};

u64 gdt[6] __attribute__((aligned(16)));
u64 idt[256] __attribute__((aligned(16)));
static struct tss tss __attribute__((aligned(128)));
static u32 page_dir[1024] __attribute__((aligned(4096)));
static u32 low[4][1024] __attribute__((aligned(4096))); /* the first 16 MiB, one to one */
static u32 hole[1024] __attribute__((aligned(4096)));
static u32 tsc_khz, samples, sample_ticks;

/* --- output --- */

static void putch(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, (u8)c);
}

static void put(const char *s)
{
    while (*s)
        putch(*s++);
}

static void put_dec(u32 v)
{
    if (v >= 10)
        put_dec(v / 10);
    putch((char)('0' + v % 10));
}

static void serial_init(void)
{
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 0x80);
    outb(COM1, 1); /* 115,200 baud */
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 2, 1);
}

/* Leave: isa-debug-exit if it is there, else ACPI's power-off on the PIIX4, sleep type 0. */
static void leave(u32 status)
{
    u32 devfn;

    while (!(inb(COM1 + 5) & 0x40))
        ;
    outb(0x501, status);
    for (devfn = 0; devfn < 256; devfn++) {
        outl(0xcf8, 0x80000000 | devfn << 8);
        if (inl(0xcfc) != 0x71138086)
            continue;
        outl(0xcf8, 0x80000000 | devfn << 8 | 0x40);
        outw((inl(0xcfc) & 0xffc0) + 4, 0x2000);
    }
    for (;;)
        asm volatile("cli; hlt");
}

void panic(u32 vector, u32 eip)
{
    put("nano: unexpected exception ");
    put_dec(vector);
    put(" at ");
    put_dec(eip);
    put("\n");
    leave(1);
}

/* --- the machine --- */

static u64 descriptor(u32 base, u32 limit, u32 access, u32 flags)
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
           (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static void gate(u32 vector, const void *handler, u32 access)
{
    u32 off = (u32)handler;

    idt[vector] = (off & 0xffff) | CODE0 << 16 | (u64)access << 40 | (u64)(off >> 16) << 48;
}

static void tables(void)
{
    u32 n;

    gdt[CODE0 >> 3] = descriptor(0, 0xfffff, 0x9b, 0xc);
    gdt[DATA0 >> 3] = descriptor(0, 0xfffff, 0x93, 0xc);
    gdt[CODE3 >> 3] = descriptor(0, 0xfffff, 0xfb, 0xc);
    gdt[DATA3 >> 3] = descriptor(0, 0xfffff, 0xf3, 0xc);
    gdt[TSS >> 3] = descriptor((u32)&tss, sizeof tss - 1, 0x89, 0);
    tss.esp0 = (u32)kernel_stack_end;
    tss.ss0 = DATA0;
    tss.iomap = sizeof tss;
    for (n = 0; n < 32; n++)
        gate(n, trap_stubs[n], 0x8e);
    gate(0, on_divide_error, 0x8e);
    gate(14, on_page_fault, 0x8e);
    gate(VEC_SYSCALL, on_syscall, 0xee);
    gate(VEC_LEAVE, on_leave, 0xee);
    load_tables();
}

static void paging(void)
{
    u32 n;

    for (n = 0; n < 4 * 1024; n++)
        low[n >> 10][n & 1023] = n << 12 | PTE_ALL;
    for (n = 0; n < 4; n++)
        page_dir[n] = (u32)low[n] | PTE_ALL;
    page_dir[WIN >> 22] = (u32)win | PTE_ALL;
    page_dir[HOLE >> 22] = (u32)hole | PTE_ALL;
    asm volatile("movl %0, %%cr3" : : "r"(page_dir) : "memory");
    asm volatile("movl %%cr0, %%eax; orl $0x80010000, %%eax; movl %%eax, %%cr0; jmp 1f; 1:" : : : "eax", "memory");
}

static u32 features(void)
{
    u32 a = 1, b, c, d;

    asm volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return d;
}

/* --- time --- */

/* 64 by 32 bits, the quotient cut to 32 */
static u32 divide(u64 n, u32 by)
{
    u32 high = (u32)(n >> 32), q, r;

    if (high >= by)
        return ~0u;
    asm("divl %4" : "=a"(q), "=d"(r) : "a"((u32)n), "d"(high), "r"(by));
    return q;
}

/* What channel 2 of the 8254 has left to count, and between which ticks it was so. */
static u32 pit_count(u64 *from, u64 *to)
{
    u32 n;

    *from = rdtsc();
    outb(0x43, 0x80); /* latch */
    *to = rdtsc();
    n = inb(0x42);
    return n | inb(0x42) << 8;
}

/* TSC ticks a millisecond. A busy host may stop us anywhere, which makes the time between the first tick and
 * the last longer than what was counted, never shorter: the smallest of several tries is right. Only the count
 * is looked at, for an emulator may be late to tell that it is over. */
static void calibrate(void)
{
    u32 tries, first, passed, khz;
    u64 start, end, inside;

    tsc_khz = ~0u;
    for (tries = 0; tries < 8; tries++) {
        outb(0x61, (inb(0x61) & ~2u) | 1);
        outb(0x43, 0xb0); /* both bytes, mode 0 */
        outb(0x42, 0xff);
        outb(0x42, 0xff);
        first = pit_count(&start, &inside);
        do
            passed = (first - pit_count(&inside, &end)) & 0xffff;
        while (passed < PIT_HZ / 1000 * CALIBRATE_MS);
        khz = divide((end - start) * PIT_HZ, passed * 1000);
        if (khz < tsc_khz)
            tsc_khz = khz;
    }
    outb(0x61, inb(0x61) & ~3u);
}

/* --- what is measured --- */

/* Entries as they must be before a pass; nothing stale stays in the TLB. */
static void entries(u32 flags, int touch)
{
    u32 n;

    for (n = 0; n < NPTE; n++)
        win[n] = flags ? (BACKING + n * 4096) | flags : 0;
    asm volatile("movl %%cr3, %%eax; movl %%eax, %%cr3" : : : "eax", "memory");
    if (touch)
        op_touch(NPTE);
}

static void all_touched(void) { entries(PTE_ALL, 1); }

static void none(void) { entries(0, 0); }

enum { RING0, RING3 };

static const struct bench {
    const char *name;
    op_fn *op;
    u32 ops; /* operations in a round */
    int ring;
    void (*prepare)(void); /* passes of NPTE rounds, this before each */
} benches[] = {
    { "syscall", op_syscall, 1, RING3, 0 },
    { "sysenter", op_sysenter, 1, RING3, 0 },
    { "in", op_in, UNROLL, RING0, 0 },
    { "out", op_out, UNROLL, RING0, 0 },
    { "cr0_write", op_cr0, UNROLL, RING0, 0 },
    { "cr3_write", op_cr3, UNROLL, RING0, 0 },
    { "call_ret", op_call, UNROLL, RING0, 0 },
    { "indirect_call", op_icall, UNROLL, RING0, 0 },
    { "page_fault", op_pf, 1, RING3, 0 },
    { "page_fault_ring0", op_pf, 1, RING0, 0 },
    { "divide_error", op_de, 1, RING3, 0 },
    { "divide_error_ring0", op_de, 1, RING0, 0 },
    { "pte_same", op_pte_same, 1, RING0, all_touched },
    { "pte_same_touch", op_pte_same_touch, 1, RING0, all_touched },
    { "pte_clear", op_pte_clear, 1, RING0, all_touched },
    { "pte_clear_invlpg", op_pte_clear_invlpg, 1, RING0, all_touched },
    { "pte_set", op_pte_set, 1, RING0, none },
    { "pte_set_touch", op_pte_set_touch, 1, RING0, none },
    { "cli_sti", op_cli, UNROLL, RING0, 0 },
    { "pushf_popf", op_pushf, UNROLL, RING0, 0 },
    { "rdtsc", op_rdtsc, UNROLL, RING0, 0 },
    { "cpuid", op_cpuid, UNROLL, RING0, 0 },
};

static void nothing(void) {}

/* Ticks that so many rounds take, what prepares them left out. */
static u64 ticks(const struct bench *b, op_fn *op, void (*prepare)(void), u32 rounds)
{
    u64 sum = 0, start;
    u32 n;

    if (prepare) {
        for (n = 0; n < rounds; n += NPTE) {
            prepare();
            start = rdtsc();
            op(NPTE);
            sum += rdtsc() - start;
        }
        return sum;
    }
    start = rdtsc();
    if (b->ring == RING3)
        user_call(op, rounds);
    else
        op(rounds);
    return rdtsc() - start;
}

static u64 median(const struct bench *b, op_fn *op, void (*prepare)(void), u32 rounds)
{
    u64 v[SAMPLES], t;
    u32 n, k;

    for (n = 0; n < samples; n++) {
        t = ticks(b, op, prepare, rounds);
        for (k = n; k && v[k - 1] > t; k--)
            v[k] = v[k - 1];
        v[k] = t;
    }
    return v[samples / 2];
}

/* Hundredths of a tick for one operation: at least one, for what costs nothing at all. */
static u32 measure(const struct bench *b)
{
    u32 rounds = NPTE, q;
    u64 with, without, start;

    for (;; rounds *= 2) {
        start = rdtsc();
        if (ticks(b, b->op, b->prepare, rounds) >= sample_ticks || rounds == 1u << 30)
            break;
        if (rdtsc() - start >= sample_ticks * PREPARE_MAX)
            break;
    }
    with = median(b, b->op, b->prepare, rounds);
    without = b->prepare ? median(b, op_empty_pte, nothing, rounds) : median(b, op_empty, 0, rounds);
    q = with > without ? divide((with - without) * 100, rounds) / b->ops : 0;
    return q ? q : 1;
}

static int quick(u32 magic, const u32 *info)
{
    const char *s;

    if (magic != 0x2badb002 || !(info[0] & 4))
        return 0;
    for (s = (const char *)info[4]; *s; s++)
        if (s[0] == 'q' && s[1] == 'u' && s[2] == 'i' && s[3] == 'c' && s[4] == 'k')
            return 1;
    return 0;
}

void main(u32 magic, const u32 *info)
{
    u32 n, c, sep = features() >> 11 & 1;

    serial_init();
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    tables();
    paging();
    if (sep) {
        wrmsr(0x174, CODE0);
        wrmsr(0x175, (u32)kernel_stack_end);
        wrmsr(0x176, (u32)on_sysenter);
    }
    calibrate();
    samples = quick(magic, info) ? QUICK : SAMPLES;
    sample_ticks = tsc_khz / 2;
    put("\nnano tsc_khz ");
    put_dec(tsc_khz);
    put("\n");
    for (n = 0; n < sizeof benches / sizeof *benches; n++) {
        put("nano ");
        put(benches[n].name);
        if (benches[n].op == op_sysenter && !sep) {
            put(" absent\n");
            continue;
        }
        c = measure(&benches[n]);
        putch(' ');
        put_dec(c / 100);
        putch('.');
        putch((char)('0' + c / 10 % 10));
        putch((char)('0' + c % 10));
        put("\n");
    }
    put("nano done\n");
    leave(0);
}
