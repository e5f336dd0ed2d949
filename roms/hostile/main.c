/* main.c - the hostile guest: command line, tables, exceptions, the serial port, the pool of pages.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hostile.h"

#define COM1   0x3f8
#define PIT_HZ 1193182

struct tss {
    u32 back, esp0, ss0;
    u32 rest[22];
    u16 trap, iomap;
};

struct frame {
    u32 regs[8]; /* of PUSHA: EDI first */
    u32 vector;
    u32 rest[6]; /* an error code or not, EIP, CS, EFLAGS, and what another ring adds */
};

u64 gdt[GDT_N] __attribute__((aligned(16)));
u64 idt[256] __attribute__((aligned(16)));
u32 page_dir[1024] __attribute__((aligned(4096)));
u32 mem_end, ticks;
int any_vector;
int (*page_fault)(u32 address, u32 error);
int (*on_interrupt)(u32 vector);
static struct tss tss __attribute__((aligned(128)));
static const char *words = "";
static u32 pool_next, seed;

/* --- random numbers --- */

u32 rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed;
}

u32 below(u32 n) { return (u32)((u64)rnd() * n >> 32); }

/* --- output --- */

/* The port may be in any state, and its line slow: it waits, but not for ever. */
static void putch(char c)
{
    u32 n;

    for (n = 0; n < 1000000 && !(inb(COM1 + 5) & 0x20); n++)
        ;
    outb(COM1, (u8)c);
}

void put(const char *s)
{
    while (*s)
        putch(*s++);
}

void put_dec(u32 v)
{
    if (v >= 10)
        put_dec(v / 10);
    putch((char)('0' + v % 10));
}

static void serial_init(void)
{
    outb(COM1 + 3, 0x80);
    outb(COM1, 1); /* 115,200 baud */
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 1, 0);
    outb(COM1 + 2, 7);
    outb(COM1 + 4, 3);
}

static void leave(u32 status) __attribute__((noreturn));
static void leave(u32 status)
{
    u32 n;

    for (n = 0; n < 1000000 && !(inb(COM1 + 5) & 0x40); n++)
        ;
    outb(0x501, status);
    for (;;)
        asm volatile("cli; hlt");
}

void failed(const char *what)
{
    cli();
    serial_init();
    put("\nhostile: ");
    put(what);
    put("\n");
    leave(1);
}

/* --- the command line --- */

static const char *word(const char *name)
{
    const char *s, *n;

    for (s = words; *s; s++) {
        if (s != words && s[-1] != ' ')
            continue;
        for (n = name; *n && s[n - name] == *n; n++)
            ;
        if (!*n && s[n - name] == '=')
            return s + (n - name) + 1;
    }
    return 0;
}

u32 option(const char *name, u32 otherwise)
{
    const char *s = word(name);
    u32 v = 0;

    if (!s)
        return otherwise;
    for (; *s >= '0' && *s <= '9'; s++)
        v = v * 10 + (u32)(*s - '0');
    return v;
}

/* --- tables --- */

u64 descriptor(u32 base, u32 limit, u32 access, u32 flags)
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
           (u64)flags << 52 | (u64)(base >> 24) << 56;
}

void gate(u32 vector, const void *handler, u32 access)
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
    for (n = 0; n < 256; n++)
        gate(n, trap_stubs[n], 0x8e);
    gate(VEC_LEAVE, on_leave, 0xee);
    for (n = 0; n < 1024; n++) /* users see this program; all else is for ring 0 */
        page_dir[n] = n << 22 | PTE_PS | PTE_W | PTE_P | (n == SELF >> 22 ? PTE_U : 0);
    load_tables();
}

void paging_on(u32 cr3)
{
    write_cr4(read_cr4() | CR4_PSE);
    write_cr3(cr3);
    write_cr0(read_cr0() | CR0_PG | CR0_WP);
}

void timer_on(u32 hz)
{
    u32 n;

    for (n = 0; n < 2; n++) {
        outb(n ? 0xa0 : 0x20, 0x11);
        outb(n ? 0xa1 : 0x21, VEC_IRQ + 8 * n);
        outb(n ? 0xa1 : 0x21, n ? 2 : 4);
        outb(n ? 0xa1 : 0x21, 1);
        outb(n ? 0xa1 : 0x21, n ? 0xff : 0xfe);
    }
    outb(0x43, 0x34);
    outb(0x40, PIT_HZ / hz);
    outb(0x40, PIT_HZ / hz >> 8);
}

/* --- the pool --- */

u32 pool_left(void) { return (mem_end - pool_next) >> 12; }

u32 page_alloc(void)
{
    u32 p = pool_next, n;

    if (!pool_left())
        failed("it needs more memory");
    pool_next += 4096;
    for (n = 0; n < 1024; n++)
        ((u32 *)p)[n] = 0;
    return p;
}

/* --- exceptions and interrupts --- */

static int has_error_code(const struct frame *f)
{
    if (any_vector) /* ring 0 only: CS stands where it stands without one, or it does not */
        return (f->rest[1] & 0xffff) != CODE0;
    return f->vector == 8 || (f->vector >= 10 && f->vector <= 14) || f->vector == 17;
}

static void unexpected(u32 vector, u32 eip)
{
    u32 cr2;

    asm volatile("movl %%cr2, %0" : "=r"(cr2));
    cli();
    serial_init();
    put("\nhostile: exception ");
    put_dec(vector);
    put(" at ");
    put_dec(eip);
    put(" address ");
    put_dec(cr2);
    put("\n");
    leave(1);
}

void *trap(struct frame *f)
{
    int coded = has_error_code(f), again = 0, n;
    u32 *iret = &f->rest[coded];
    u32 *out = iret - 8;
    u32 cr2;

    asm volatile("movl %%cr2, %0" : "=r"(cr2));
    if (coded ? 1 : !any_vector && f->vector < 32) {
        if (f->vector == 14 && page_fault)
            again = page_fault(cr2, f->rest[0]);
        if (!again && recover_esp)
            recover(f->vector);
        if (!again)
            unexpected(f->vector, iret[0]);
    } else if (on_interrupt) {
        if (on_interrupt(f->vector))
            iret[2] &= ~0x200u;
    } else {
        ticks++;
        outb(0x20, 0x20);
    }
    for (n = 7; n >= 0; n--)
        out[n] = f->regs[n];
    return out;
}

/* --- main --- */

static const struct mode {
    const char *name;
    u32 (*run)(u32 ops);
} modes[] = {
    { "devices", run_devices },
    { "storm-user", run_storm_user },
    { "storm-kernel", run_storm_kernel },
    { "spread", run_spread },
    { "reps", run_reps },
    { "disks", run_disks },
};

static const struct mode *find_mode(const char *s)
{
    u32 n, k;

    for (n = 0; s && n < ENTRIES(modes); n++) {
        for (k = 0; modes[n].name[k] && modes[n].name[k] == s[k]; k++)
            ;
        if (!modes[n].name[k] && (!s[k] || s[k] == ' '))
            return &modes[n];
    }
    return 0;
}

void main(u32 magic, const u32 *info)
{
    static char copy[1024];
    const struct mode *m;
    const char *s;
    u32 n, count;

    serial_init();
    if (magic != 0x2badb002 || (info[0] & 5) != 5)
        failed("not started by a Multiboot loader");
    for (s = (const char *)info[4], n = 0; s[n] && n < sizeof copy - 1; n++)
        copy[n] = s[n];
    words = copy;
    mem_end = 0x100000 + (info[2] << 10);
    if (mem_end <= KEEP_END - 0x100000)
        failed("it needs 32 MiB of memory");
    pool_next = SELF_END;
    seed = option("seed", 1) * 2654435761u | 1;
    m = find_mode(word("mode"));
    if (!m)
        failed("mode= is unknown");
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    tables();
    put("\nhostile ");
    put(m->name);
    put(" seed ");
    put_dec(option("seed", 1));
    put("\n");
    count = m->run(option("ops", 100000));
    cli();
    serial_init();
    put("\nhostile done ");
    put_dec(count);
    put("\n");
    leave(0);
}
