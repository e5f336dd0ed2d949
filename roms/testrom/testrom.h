/* testrom.h - the test guest: how a piece of code is run and what is recorded of its end.
 *
 * A check runs a piece of code ("snippet") from a known state, `in`. Every snippet ends with a trap
 * through the IDT (INT 20h if nothing else); the trap's frame and all registers are then in `out`.
 * A label 9: in the snippet marks where the trap must be reported; without one it is the snippet's
 * start. All expectations are the SDM's.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTROM_H
#define TESTROM_H

/* selectors; SYSENTER wants the first four in this order */
#define CODE0    0x08
#define DATA0    0x10
#define CODE3    0x1b
#define DATA3    0x23
#define TSS_A    0x28
#define TSS_B    0x30
#define TSS_C    0x38
#define LDT_A    0x40
#define CODE1    0x49
#define DATA1    0x51
#define CODE2    0x5a
#define DATA2    0x62
#define CONF0    0x68 /* conforming, DPL 0 */
#define CODE16   0x70 /* 16-bit, base 0, 64 KiB */
#define DATA16   0x78
#define LOW16    0x80           /* 16-bit code at LOW */
#define T(n)     (0x88 + (n)*8) /* free slots */
#define GDT_SIZE 64

#define NOERR   0xe0e0e0e0 /* "error code" of vectors without one */
#define LOW     0x20000    /* where real-mode and V86 snippets are copied to */
#define RM_BASE 0x7000
#define RM_REGS 0x6000

#define DE  0
#define DB  1
#define BP  3
#define OF  4
#define BR  5
#define UD  6
#define NM  7
#define DF  8
#define TS  10
#define NP  11
#define SS  12
#define GP  13
#define PF  14
#define MF  16
#define AC  17
#define XM  19
#define END 0x20 /* the gate at the end of every snippet, DPL 3 */

#define F_CF      1u
#define F_ZF      0x40u
#define F_TF      0x100u
#define F_IF      0x200u
#define F_DF      0x400u
#define F_OF      0x800u
#define F_IOPL(n) ((n) << 12)
#define F_NT      0x4000u
#define F_RF      0x10000u
#define F_VM      0x20000u
#define F_AC      0x40000u
#define F_VIF     0x80000u
#define F_VIP     0x100000u
#define F_ARITH   0x8d5u

#ifndef __ASSEMBLER__

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct regs {
    u32 eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 eip, eflags;
    u32 cs, ss, ds, es, fs, gs;
    u32 vec, err;
    u32 hcs, hss, hesp, heflags; /* the handler's, at its first instruction */
    u32 pmsel;                   /* real mode: selector loaded before PE is cleared */
};

struct tss {
    u32 back, esp0, ss0, esp1, ss1, esp2, ss2;
    u32 cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
    u32 es, cs, ss, ds, fs, gs, ldt;
    u16 trap, iomap;
    u8 redir[32], io[8200];
};

struct tss16 {
    u16 back, sp0, ss0, sp1, ss1, sp2, ss2;
    u16 ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds, ldt;
};

extern struct regs in, out;
extern u64 gdt[512], idt[512], ldt[8]; /* each on pages of its own */
extern struct tss tss_a, tss_b;
extern u8 buf[0x8000]; /* page aligned scratch */
extern u8 stack_0[0x2000], stack_1[0x1000], stack_2[0x1000], stack_3[0x1000], stack_k[0x1000], stack_t[0x1000];
#define TOP(s) ((u32)(s) + sizeof(s))
extern u32 lab, end, features, features_nx;
extern int low;   /* snippets are copied to LOW and run from offset 0 */
extern int loose; /* faults: general registers may differ from `in` */

extern u32 bp_dr7;  /* DR7 during the snippet; its value after */
extern int tcg;     /* this is QEMU */
extern int bp_exec; /* DR0 is set to 9: */

void begin(void); /* all state as after start */
void ring(int cpl);
void v86(u32 eflags);
void run(const u8 *s, u32 l, u32 e);
void rm_run_snip(const u8 *s, u32 l, u32 e);
void check(const char *name, u32 got, u32 want);
void fault(const char *name, u32 vec, u32 err);
void trap(const char *name, u32 vec);
void ok(const char *name);
const char *fmt(const char *a, const char *b, u32 n); /* "a b n" */
u64 seg_desc(u32 base, u32 limit, u32 access, u32 flags);
void seg(u32 sel, u32 base, u32 limit, u32 access, u32 flags);
u64 gate_desc(u32 sel, u32 off, u32 access, u32 count);
void idt_gate(u32 v, u32 sel, u32 off, u32 access);
void gdt_gate(u32 gsel, u32 sel, u32 off, u32 access, u32 count);
void idt_limit(u32 limit);
u32 rd32(u32 a);
u32 rd16(u32 a);
void wr32(u32 a, u32 v);
void fill(void *p, u8 v, u32 n);
void copy(void *d, const void *s, u32 n);
void puts_(const char *s);

#define SNIP_(code, n)                                                                                        \
    ({                                                                                                        \
        extern const u8 snip_##n[];                                                                           \
        asm(".pushsection .snip,\"ax\"; .balign 16; snip_" #n ": " code "; int $0x20; .code32; .popsection"); \
        (u32) snip_##n;                                                                                       \
    })
#define SNIP__(code, n) SNIP_(code, n)
#define SNIP(code)      SNIP__(code, __COUNTER__)

#define RUN_(f, code, n)                                                                             \
    do {                                                                                             \
        extern const u8 snip_##n[], lab_##n[], end_##n[];                                            \
        asm(".pushsection .snip,\"ax\"; .balign 16; snip_" #n ": 9: " code "; .set lab_" #n ", 9b; " \
            "int $0x20; end_" #n ": .code32; .popsection");                                          \
        f(snip_##n, (u32)lab_##n, (u32)end_##n);                                                     \
    } while (0)
#define RUN__(f, code, n) RUN_(f, code, n)
#define RUN(code)         RUN__(run, code, __COUNTER__)
#define RM_RUN(code)      RUN__(rm_run_snip, ".code16; " code, __COUNTER__)

/* run and expect: a fault at 9:, nothing changed; a trap at 9:; the end */
#define FAULT(name, code, vec, err) \
    do {                            \
        RUN(code);                  \
        fault(name, vec, err);      \
    } while (0)
#define TRAP(name, code, vec) \
    do {                      \
        RUN(code);            \
        trap(name, vec);      \
    } while (0)
#define OK(name, code) \
    do {               \
        RUN(code);     \
        ok(name);      \
    } while (0)
#define EQ(name, got, want) check(name, (u32)(got), (u32)(want))

static inline void outb(u32 p, u32 v) { asm volatile("outb %b0, %w1" : : "a"(v), "d"(p)); }
static inline u32 inb(u32 p)
{
    u8 v;
    asm volatile("inb %w1, %b0" : "=a"(v) : "d"(p));
    return v;
}
#define CR_RW(n)                                      \
    static inline u32 get_cr##n(void)                 \
    {                                                 \
        u32 v;                                        \
        asm volatile("mov %%cr" #n ", %0" : "=r"(v)); \
        return v;                                     \
    }                                                 \
    static inline void set_cr##n(u32 v) { asm volatile("mov %0, %%cr" #n : : "r"(v) : "memory"); }
CR_RW(0)
CR_RW(2)
CR_RW(3)
CR_RW(4)
#define DR_RW(n)                                      \
    static inline u32 get_dr##n(void)                 \
    {                                                 \
        u32 v;                                        \
        asm volatile("mov %%db" #n ", %0" : "=r"(v)); \
        return v;                                     \
    }                                                 \
    static inline void set_dr##n(u32 v) { asm volatile("mov %0, %%db" #n : : "r"(v)); }
DR_RW(0) DR_RW(1) DR_RW(2) DR_RW(3) DR_RW(6) DR_RW(7) static inline void wrmsr(u32 m, u64 v)
{
    asm volatile("wrmsr" : : "c"(m), "A"(v));
}
static inline u64 rdmsr(u32 m)
{
    u64 v;
    asm volatile("rdmsr" : "=A"(v) : "c"(m));
    return v;
}
static inline u32 str(void)
{
    u32 v;
    asm volatile("str %0" : "=r"(v));
    return v & 0xffff;
}
static inline u32 sldt(void)
{
    u32 v;
    asm volatile("sldt %0" : "=r"(v));
    return v & 0xffff;
}
static inline void lldt(u32 s) { asm volatile("lldt %w0" : : "r"(s)); }
static inline u32 busy(u32 sel) { return (u32)(gdt[sel >> 3] >> 41) & 1; }

void test_exc(void);
void test_seg(void);
void test_gate(void);
void test_priv(void);
void test_int(void);
void test_task(void);
void test_v86(void);
void test_page(void);
void test_debug(void);
void test_smc(void);
void test_fpu(void);
void test_insn(void);
void test_real(void);

#endif
#endif
