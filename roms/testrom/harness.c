/* harness.c - the test guest: tables, state before a snippet, comparison after it, and main.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

struct regs in, out;
u64 gdt[512] __attribute__((aligned(4096)));
u64 idt[512] __attribute__((aligned(4096)));
u64 ldt[8];
struct tss tss_a __attribute__((aligned(16384)));
struct tss tss_b __attribute__((aligned(16384)));
u8 buf[0x8000] __attribute__((aligned(4096)));
u8 stack_0[0x2000] __attribute__((aligned(4096))), stack_1[0x1000] __attribute__((aligned(4096))),
    stack_2[0x1000] __attribute__((aligned(4096))), stack_3[0x1000] __attribute__((aligned(4096))),
    stack_k[0x1000] __attribute__((aligned(4096))), stack_t[0x1000] __attribute__((aligned(4096)));
u32 lab, end, features, features_nx;
int low, loose, bp_exec, tcg;
u32 bp_dr7;
extern const u8 stubs[][16], rm_blob[], rm_blob_end[], rm_stubs[];
extern u32 running;
void enter(void);
void rm_enter(void);
void load_tables(void);
void panic(void);
int main(void);

static u32 passed, failed;

static void putch(char c) { outb(0xe9, (u8)c); }

void puts_(const char *s)
{
    while (*s)
        putch(*s++);
}

static void put_hex(u32 v)
{
    int n = 28;

    while (n && !(v >> n))
        n -= 4;
    for (; n >= 0; n -= 4)
        putch("0123456789abcdef"[v >> n & 15]);
}

static void put_dec(u32 v)
{
    if (v >= 10)
        put_dec(v / 10);
    putch((char)('0' + v % 10));
}

void *memcpy(void *d, const void *s, u32 n);
void *memset(void *d, int v, u32 n);

void *memcpy(void *d, const void *s, u32 n)
{
    copy(d, s, n);
    return d;
}

void *memset(void *d, int v, u32 n)
{
    fill(d, (u8)v, n);
    return d;
}

void fill(void *p, u8 v, u32 n) { asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(v) : "memory"); }

void copy(void *d, const void *s, u32 n) { asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory"); }

u32 rd32(u32 a) { return *(volatile u32 *)a; }

u32 rd16(u32 a) { return *(volatile u16 *)a; }

void wr32(u32 a, u32 v) { *(volatile u32 *)a = v; }

const char *fmt(const char *a, const char *b, u32 n)
{
    static char text[120];
    char *p = text;

    while (*a)
        *p++ = *a++;
    if (*b)
        *p++ = ' ';
    while (*b)
        *p++ = *b++;
    *p++ = ' ';
    if (n >= 0x100)
        *p++ = "0123456789abcdef"[n >> 8 & 15];
    if (n >= 0x10)
        *p++ = "0123456789abcdef"[n >> 4 & 15];
    *p++ = "0123456789abcdef"[n & 15];
    *p = 0;
    return text;
}

void panic(void)
{
    puts_("FAIL - the harness itself: unexpected vector ");
    put_hex(out.vec);
    puts_(" error ");
    put_hex(out.err);
    puts_(" eip ");
    put_hex(out.eip);
    puts_(" cr2 ");
    put_hex(get_cr2());
    puts_("\n");
    outb(0x501, 1);
    for (;;)
        asm volatile("cli; hlt");
}

/* --- the result of a check --- */

static int bad;

static void differ(const char *name, const char *what, u32 got, u32 want)
{
    if (got == want)
        return;
    if (bad++) {
        puts_(";");
    } else {
        puts_("FAIL - ");
        puts_(name);
        puts_(":");
    }
    puts_(" ");
    puts_(what);
    puts_(" expected ");
    put_hex(want);
    puts_(", got ");
    put_hex(got);
}

static void result(const char *name)
{
    if (bad) {
        failed++;
    } else {
        passed++;
        puts_("ok - ");
        puts_(name);
    }
    bad = 0;
    puts_("\n");
}

void check(const char *name, u32 got, u32 want)
{
    differ(name, "value", got, want);
    result(name);
}

static void same_registers(const char *name)
{
    differ(name, "eax", out.eax, in.eax);
    differ(name, "ecx", out.ecx, in.ecx);
    differ(name, "edx", out.edx, in.edx);
    differ(name, "ebx", out.ebx, in.ebx);
    differ(name, "esp", out.esp, in.esp);
    differ(name, "ebp", out.ebp, in.ebp);
    differ(name, "esi", out.esi, in.esi);
    differ(name, "edi", out.edi, in.edi);
    differ(name, "ds", out.ds, in.ds);
    differ(name, "es", out.es, in.es);
    differ(name, "fs", out.fs, in.fs);
    differ(name, "gs", out.gs, in.gs);
    differ(name, "ss", out.ss, in.ss);
}

/* A fault at 9: that left every register as it was. SDM 3B 17.3.1.1: RF is 1 in the saved EFLAGS. */
void fault(const char *name, u32 vec, u32 err)
{
    differ(name, "vector", out.vec, vec);
    differ(name, "error", out.err, err);
    differ(name, "eip", out.eip, lab);
    if (!loose) {
        differ(name, "cs", out.cs, in.cs);
        differ(name, "eflags", out.eflags & ~F_ARITH,
               ((in.eflags | (vec == DB || vec == DF ? out.eflags & F_RF : F_RF)) & ~F_ARITH) | 2);
        same_registers(name);
    }
    result(name);
}

/* A trap, reported at 9:, the instruction after the one that trapped. */
void trap(const char *name, u32 vec)
{
    differ(name, "vector", out.vec, vec);
    differ(name, "error", out.err, NOERR);
    differ(name, "eip", out.eip, lab);
    if (!loose)
        differ(name, "rf", out.eflags & F_RF, 0);
    result(name);
}

void ok(const char *name)
{
    differ(name, "vector", out.vec, END);
    if (out.vec != END)
        differ(name, "error", out.err, NOERR);
    differ(name, "eip", out.eip, end);
    result(name);
}

/* --- state --- */

u64 seg_desc(u32 base, u32 limit, u32 access, u32 flags)
{
    return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 | (u64)(limit >> 16 & 15) << 48 |
           (u64)(flags >> 4) << 52 | (u64)(base >> 24) << 56;
}

void seg(u32 sel, u32 base, u32 limit, u32 access, u32 flags) { gdt[sel >> 3] = seg_desc(base, limit, access, flags); }

u64 gate_desc(u32 sel, u32 off, u32 access, u32 count)
{
    return (off & 0xffff) | (u64)(sel & 0xffff) << 16 | (u64)count << 32 | (u64)access << 40 | (u64)(off >> 16) << 48;
}

void idt_gate(u32 v, u32 sel, u32 off, u32 access) { idt[v] = gate_desc(sel, off, access, 0); }

void gdt_gate(u32 gsel, u32 sel, u32 off, u32 access, u32 count)
{
    gdt[gsel >> 3] = gate_desc(sel, off, access, count);
}

void idt_limit(u32 limit)
{
    struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) r = { (u16)limit, (u32)idt };

    asm volatile("lidt %0" : : "m"(r));
}

void ring(int cpl)
{
    static const u16 code[4] = { CODE0, CODE1, CODE2, CODE3 };
    static const u16 data[4] = { DATA0, DATA1, DATA2, DATA3 };
    static u8 *const top[4] = { stack_0 + 0x2000, stack_1 + 0x1000, stack_2 + 0x1000, stack_3 + 0x1000 };

    low = 0;
    in.cs = code[cpl];
    in.ss = in.ds = in.es = in.fs = in.gs = data[cpl];
    in.esp = (u32)top[cpl] - 0x100;
    in.eflags = 2;
}

/* Virtual-8086: code at LOW, stack at the end of the same segment, DS..GS told apart. */
void v86(u32 eflags)
{
    ring(3);
    low = 1;
    in.cs = LOW >> 4;
    in.ss = LOW >> 4;
    in.esp = 0xff00;
    in.ds = 0x3000;
    in.es = 0x3100;
    in.fs = 0x3200;
    in.gs = 0x3300;
    in.eflags = eflags | F_VM | 2;
}

void begin(void)
{
    static const u32 gprs[8] = {
        0xa0a1a2a3, 0xc0c1c2c3, 0xd0d1d2d3, 0xb0b1b2b3, 0, 0xe0e1e2e3, 0x50515253, 0xd8d9dadb
    };
    u32 n;

    set_cr0(0x31);
    set_cr3(0);
    if (features >> 4 & 1) /* a Pentium at least */
        set_cr4(0);
    if (features_nx)
        wrmsr(0xc0000080, 0);
    set_dr7(0);
    set_dr6(0);
    fill(gdt, 0, sizeof gdt);
    seg(CODE0, 0, 0xfffff, 0x9b, 0xc0);
    seg(DATA0, 0, 0xfffff, 0x93, 0xc0);
    seg(CODE1, 0, 0xfffff, 0xbb, 0xc0);
    seg(DATA1, 0, 0xfffff, 0xb3, 0xc0);
    seg(CODE2, 0, 0xfffff, 0xdb, 0xc0);
    seg(DATA2, 0, 0xfffff, 0xd3, 0xc0);
    seg(CODE3, 0, 0xfffff, 0xfb, 0xc0);
    seg(DATA3, 0, 0xfffff, 0xf3, 0xc0);
    seg(CONF0, 0, 0xfffff, 0x9f, 0xc0);
    seg(CODE16, 0, 0xffff, 0x9b, 0);
    seg(DATA16, 0, 0xffff, 0x93, 0);
    seg(LOW16, LOW, 0xffff, 0x9b, 0);
    seg(TSS_A, (u32)&tss_a, sizeof tss_a - 1, 0x89, 0);
    seg(TSS_B, (u32)&tss_b, sizeof tss_b - 1, 0x89, 0);
    seg(LDT_A, (u32)ldt, sizeof ldt - 1, 0x82, 0);
    fill(ldt, 0, sizeof ldt);
    for (n = 0; n < 256; n++)
        idt_gate(n, CODE0, (u32)stubs[n], n >= END && n < 0x28 ? 0xee : 0x8e);
    fill(&tss_a, 0, sizeof tss_a);
    fill(tss_a.io, 0xff, sizeof tss_a.io);
    tss_a.esp0 = TOP(stack_k);
    tss_a.ss0 = DATA0;
    tss_a.esp1 = TOP(stack_1);
    tss_a.ss1 = DATA1;
    tss_a.esp2 = TOP(stack_2);
    tss_a.ss2 = DATA2;
    tss_a.iomap = (u16)((u32)tss_a.io - (u32)&tss_a);
    copy(&tss_b, &tss_a, sizeof tss_b);
    tss_b.esp = TOP(stack_t);
    tss_b.cs = CODE0;
    tss_b.ss = tss_b.ds = tss_b.es = tss_b.fs = tss_b.gs = DATA0;
    tss_b.eflags = 2;
    load_tables();
    lldt(0);
    asm volatile("ltr %w0" : : "r"(TSS_A));
    copy(&in, gprs, sizeof gprs);
    ring(0);
    in.ebx = (u32)buf;
    loose = bp_exec = 0;
    bp_dr7 = 0;
    fill(buf, 0, 0x1000);
}

/* The recorded ESP at the handler's first instruction: the stub pushed the vector, and NOERR where
 * the processor pushed no error code. */
static void finish(void)
{
    out.hesp += out.err == NOERR ? 8 : 4;
    out.ds &= 0xffff;
    out.es &= 0xffff;
    out.fs &= 0xffff;
    out.gs &= 0xffff;
    out.ss &= 0xffff;
    out.cs &= 0xffff;
    out.hcs &= 0xffff;
    out.hss &= 0xffff;
}

static void place(const u8 *s, u32 l, u32 e)
{
    lab = l;
    end = e;
    in.eip = (u32)s;
    if (low) {
        copy((void *)LOW, s, e - (u32)s);
        lab -= (u32)s;
        end -= (u32)s;
        in.eip = 0;
    }
}

void run(const u8 *s, u32 l, u32 e)
{
    place(s, l, e);
    fill(&out, 0xcc, sizeof out);
    if (bp_dr7) {
        if (bp_exec)
            set_dr0(lab);
        set_dr6(0);
        set_dr7(bp_dr7);
        enter();
        bp_dr7 = get_dr7();
        set_dr7(0);
    } else {
        enter();
    }
    finish();
}

void rm_run_snip(const u8 *s, u32 l, u32 e)
{
    volatile u32 *ivt;
    u32 n;

    low = 1;
    place(s, l, e);
    asm("" : "=r"(ivt) : "0"(0));
    for (n = 0; n < 256; n++)
        ivt[n] = RM_BASE + (u32)(rm_stubs - rm_blob) + n * 8;
    copy((void *)RM_BASE, rm_blob, (u32)(rm_blob_end - rm_blob));
    copy((void *)RM_REGS, &in, sizeof in);
    ((struct regs *)RM_REGS)->vec = 0;
    rm_enter();
    copy(&out, (void *)RM_REGS, sizeof out);
    out.err = NOERR;
    finish();
    out.vec &= 0xff;
    out.eip &= 0xffff;
}

static u32 cpuid_edx(u32 leaf)
{
    u32 a = leaf, b, c = 0, d;

    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return leaf == 0x80000000 ? a : d; /* of the extended leaves: the largest */
}

static u32 cpuid_ebx(u32 leaf)
{
    u32 a = leaf, b, c = 0, d;

    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b;
}

int main(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    tcg = cpuid_ebx(0x40000000) == 0x54474354; /* "TCGT" */
    features = cpuid_edx(1);
    if (cpuid_edx(0x80000000) >= 0x80000001)
        features_nx = cpuid_edx(0x80000001) >> 20 & 1;
    begin();
    test_exc();
    test_seg();
    test_gate();
    test_priv();
    test_int();
    test_task();
    test_v86();
    test_page();
    test_debug();
    test_smc();
    test_fpu();
    test_insn();
    test_real();
    puts_("done: ");
    put_dec(passed);
    puts_(" passed, ");
    put_dec(failed);
    puts_(" failed\n");
    outb(0x501, failed != 0);
    for (;;)
        asm volatile("cli; hlt");
}
