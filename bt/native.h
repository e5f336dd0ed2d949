/* native.h - what translated code keeps beside the architectural state: the tail of its struct cpu.
 *
 * All that every block reads is in the first cache line: a guest's loop that just fits into the host's
 * first-level cache loses little of it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_NATIVE_H
#define BT_NATIVE_H

#include "cpu/cpu.h"

#include <stdatomic.h>

#define ITLB_SUPER 4096u
#define ITLB_USER  512u
struct native {
    uint32_t flags; /* arithmetic flags as LAHF and SETO leave them: AH, AL */
    uint32_t tmp[2];
    uint32_t x87_last;  /* the x87 instruction run last, if its pointers are not in fpu yet: see bt/fpu.c */
    uint8_t fpu_live;   /* the FPU state is in the host's registers */
    uint8_t fpu_off;    /* not 0: an x87 or MMX instruction needs a look first */
    uint8_t sse_off;    /* the same for SSE */
    uint16_t mmx_sw;    /* the status word before an MMX instruction with a memory operand: see bt/fpu.c */
    uint32_t safe_word; /* what safepoint points to unless the CPU is to stop */
    uint64_t host_sp;   /* the stack of C while translated code runs; 0 when it does not */
    uint64_t resume;    /* where to go on after a detour */
    const uint32_t *_Atomic safepoint; /* read at every block: an invalid address stops there */
    uint64_t icount_stop;
    void *detour_fn;
    uint64_t window; /* base of the window that GS.base points to */
    uint64_t r12;    /* what R12 holds in this context */
    uint64_t table;  /* of the context: where translations are, by EIP */
    uint64_t bits;   /* on its way through a shift: see bt/prim.c */
    /* by linear page: cookie of the page of code seen there, at CPL 0-2 and at CPL 3 */
    uint32_t itlb_super[ITLB_SUPER];
    uint32_t itlb_user[ITLB_USER];
};

static inline struct native *native_of(const struct cpu *c) { return cpu_tail(c); }

/* Offsets from the register that holds struct cpu. */
#define CPU_OFF(field)    ((int32_t)offsetof(struct cpu, field))
#define NATIVE_OFF(field) ((int32_t)(CPU_TAIL + offsetof(struct native, field)))

/* Forget all pages of code. */
static inline void itlb_clear(struct cpu *c)
{
    memset(native_of(c)->itlb_super, 0, sizeof native_of(c)->itlb_super);
    memset(native_of(c)->itlb_user, 0, sizeof native_of(c)->itlb_user);
}

/* The itlb slot of a linear address, in code of this key. */
static inline uint32_t *itlb_slot(struct cpu *c, uint32_t key, gla_t la)
{
    return key & FETCH_USER ? &native_of(c)->itlb_user[la >> PAGE_SHIFT & (ITLB_USER - 1)]
                            : &native_of(c)->itlb_super[la >> PAGE_SHIFT & (ITLB_SUPER - 1)];
}

#endif
