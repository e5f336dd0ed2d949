/* hostile.h - the hostile guest: it does at random what makes an emulator work hardest, and must itself survive.
 *
 * Words on its command line say what: mode=NAME seed=N ops=N, and paging=1 for mode=devices. It checks what it can
 * of the answers. On COM1: "hostile NAME seed N", at last "hostile done N", N being what it counted, or
 * "hostile: ..." with what was wrong. Then isa-debug-exit with 0 or 1.
 *
 * Physical memory: below 16 MiB anything may be written by anybody; 16 to 17 MiB is this program, which nothing that
 * it starts may write (nor the rest of these 16 MiB); the pool of pages begins at 17 MiB.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HOSTILE_H
#define HOSTILE_H

#define NULLSEL 0x00
#define CODE0   0x08
#define DATA0   0x10
#define CODE3   0x1b
#define DATA3   0x23
#define TSS     0x28
#define SPARE   8 /* the first of the descriptors for anything */
#define GDT_N   72

#define VEC_LEAVE 0x81 /* what user_call or v86_call started has come to its end */
#define VEC_IRQ   0x20 /* the 8259s' vectors unless the fuzzer changes them */

#define SELF     0x1000000 /* where this program is, and its size at most */
#define SELF_END 0x1100000
#define KEEP_END 0x2000000 /* no device may be pointed between SELF and here */

#define PTE_P  0x001
#define PTE_W  0x002
#define PTE_U  0x004
#define PTE_PS 0x080
#define PTE_G  0x100

#define CR0_WP  0x10000u
#define CR0_PG  0x80000000u
#define CR4_PSE 0x10u
#define CR4_PAE 0x20u
#define CR4_PGE 0x80u

#ifndef __ASSEMBLER__

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/* start.S */
void load_tables(void);
/* f(arg) in ring 3, on a stack of its own; back when it returns. */
void user_call(void (*f)(void *), void *arg);
/* Run at cs:ip in virtual-8086 mode until INT VEC_LEAVE. */
void v86_call(u32 cs, u32 ip);
/* f(arg); returns 0, or 1 + the vector of the exception that ended it. */
u32 guarded(void (*f)(void *), void *arg);
/* CALL FAR selector:offset, EAX before and after. */
u32 far_call(u32 selector, u32 offset, u32 eax);
/* Jump to `at` with EDX = at, ECX = count, EBX = step; the code there comes back by a jump to `spread_back`. */
u32 spread_jump(u32 at, u32 count, u32 step);
extern const u8 trap_stubs[256][16], on_leave[], kernel_stack_end[], spread_back[];
extern u32 recover_esp;
void recover(u32 vector) __attribute__((noreturn));

/* main.c */
extern u64 gdt[GDT_N], idt[256];
extern u32 mem_end;        /* physical: the end of RAM */
extern u32 ticks;          /* timer interrupts */
extern int any_vector;     /* interrupts may have any vector, so only the stack tells exceptions */
extern u32 page_dir[1024]; /* the first: all 4 GiB one to one by large pages */
u32 rnd(void);
u32 below(u32 n); /* random, < n */
u32 option(const char *name, u32 otherwise);
void put(const char *s);
void put_dec(u32 v);
void failed(const char *what) __attribute__((noreturn));
u32 page_alloc(void); /* a page of the pool, zeroed; ends the run if there is none */
u32 pool_left(void);  /* pages */
u64 descriptor(u32 base, u32 limit, u32 access, u32 flags);
void gate(u32 vector, const void *handler, u32 access);
void paging_on(u32 cr3);
void timer_on(u32 hz);
/* Called for page faults; returns nonzero if the instruction is to be tried again. */
extern int (*page_fault)(u32 address, u32 error);
/* Called for interrupts; returns nonzero if they are to stay masked. */
extern int (*on_interrupt)(u32 vector);

/* devices.c, devices_mmio.c, storm.c, storm_kernel.c, spread.c, reps.c, disks.c: each returns what it counted */
u32 run_devices(u32 ops);
u32 run_storm_user(u32 ops);
u32 run_storm_kernel(u32 ops);
u32 run_spread(u32 ops);
u32 run_reps(u32 ops);
u32 run_disks(u32 ops);

static inline void outb(u32 p, u32 v) { asm volatile("outb %b0, %w1" : : "a"(v), "d"(p)); }
static inline void outw(u32 p, u32 v) { asm volatile("outw %w0, %w1" : : "a"(v), "d"(p)); }
static inline void outl(u32 p, u32 v) { asm volatile("outl %0, %w1" : : "a"(v), "d"(p)); }
static inline u32 inb(u32 p)
{
    u8 v;
    asm volatile("inb %w1, %b0" : "=a"(v) : "d"(p));
    return v;
}
static inline u32 inw(u32 p)
{
    u16 v;
    asm volatile("inw %w1, %w0" : "=a"(v) : "d"(p));
    return v;
}
static inline u32 inl(u32 p)
{
    u32 v;
    asm volatile("inl %w1, %0" : "=a"(v) : "d"(p));
    return v;
}
static inline u32 read_cr0(void)
{
    u32 v;
    asm volatile("movl %%cr0, %0" : "=r"(v));
    return v;
}
static inline void write_cr0(u32 v) { asm volatile("movl %0, %%cr0; jmp 1f; 1:" : : "r"(v) : "memory"); }
static inline u32 read_cr3(void)
{
    u32 v;
    asm volatile("movl %%cr3, %0" : "=r"(v));
    return v;
}
static inline void write_cr3(u32 v) { asm volatile("movl %0, %%cr3" : : "r"(v) : "memory"); }
static inline u32 read_cr4(void)
{
    u32 v;
    asm volatile("movl %%cr4, %0" : "=r"(v));
    return v;
}
static inline void write_cr4(u32 v) { asm volatile("movl %0, %%cr4" : : "r"(v) : "memory"); }
static inline void invlpg(u32 a) { asm volatile("invlpg (%0)" : : "r"(a) : "memory"); }
static inline void sti(void) { asm volatile("sti" : : : "memory"); }
static inline void cli(void) { asm volatile("cli" : : : "memory"); }

#define ENTRIES(a) (sizeof(a) / sizeof *(a))

#endif
#endif
