/* nanobench.h - the nanobenchmark guest: what single privileged and control operations cost.
 *
 * An operation is a loop in ops.S, a C function of the number of rounds; the same loop without the operation
 * tells what to subtract. main.c lists them, times them and prints the result.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef NANOBENCH_H
#define NANOBENCH_H

#include "../paging.h"

/* selectors, in the order SYSENTER and SYSEXIT want */
#define CODE0 0x08
#define DATA0 0x10
#define CODE3 0x1b
#define DATA3 0x23
#define TSS   0x28

#define VEC_SYSCALL 0x80
#define VEC_LEAVE   0x81 /* a ring-3 function has returned */

#define UNROLL  8          /* operations in one round of a loop */
#define NPTE    1024       /* page-table entries one pass writes: a whole table */
#define WIN     0x40000000 /* linear: the pages of that table */
#define HOLE    0x40400000 /* linear: a page that is never present */
#define BACKING 0x400000   /* physical: what the window's pages show */

#define PTE_AD  (PTE_A | PTE_D)
#define PTE_ALL (PTE_P | PTE_W | PTE_U | PTE_AD)

#ifndef __ASSEMBLER__

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

typedef void op_fn(u32 rounds);

/* ops.S */
op_fn op_empty, op_empty_pte;
op_fn op_syscall, op_sysenter, op_in, op_out, op_cr0, op_cr3, op_call, op_icall, op_pf, op_de, op_cli, op_pushf,
    op_rdtsc, op_cpuid;
op_fn op_pte_same, op_pte_same_touch, op_pte_clear, op_pte_clear_invlpg, op_pte_set, op_pte_set_touch, op_touch;

/* start.S */
void load_tables(void);
void user_call(op_fn *f, u32 rounds);
extern const u8 trap_stubs[][16], on_syscall[], on_leave[], on_page_fault[], on_divide_error[], on_sysenter[],
    kernel_stack_end[];
extern u32 win[NPTE];

/* main.c */
void main(u32 magic, const u32 *info);
void panic(u32 vector, u32 eip);

static inline u64 rdtsc(void)
{
    u64 v;
    asm volatile("rdtsc" : "=A"(v) : : "memory");
    return v;
}

static inline void outb(u32 p, u32 v) { asm volatile("outb %b0, %w1" : : "a"(v), "d"(p)); }
static inline void outw(u32 p, u32 v) { asm volatile("outw %w0, %w1" : : "a"(v), "d"(p)); }
static inline void outl(u32 p, u32 v) { asm volatile("outl %0, %w1" : : "a"(v), "d"(p)); }
static inline u32 inb(u32 p)
{
    u8 v;
    asm volatile("inb %w1, %b0" : "=a"(v) : "d"(p));
    return v;
}
static inline u32 inl(u32 p)
{
    u32 v;
    asm volatile("inl %w1, %0" : "=a"(v) : "d"(p));
    return v;
}
static inline void wrmsr(u32 m, u32 v) { asm volatile("wrmsr" : : "c"(m), "a"(v), "d"(0)); }

#endif
#endif
