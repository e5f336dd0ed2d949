/* fpu_int.h - what the x87, MMX and SSE handlers share: register stack, status word, entry checks.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_FPU_INT_H
#define CPU_FPU_INT_H

#include "cpu/fpu/fpu.h"
#include "cpu/interp/interp_int.h"
#include "cpu/fpu/softfloat.h"

/* Execute some things with the host's own floating-point instructions, where the result is that of
 * our arithmetic or, for the transcendentals, better. -DPORTABLE_FPU turns it off. */
#if defined(__x86_64__) && !defined(PORTABLE_FPU)
#define HOST_FPU 1
#else
#define HOST_FPU 0
#endif

#define SW_SF    0x0040u
#define SW_ES    0x0080u
#define SW_C0    0x0100u
#define SW_C1    0x0200u
#define SW_C2    0x0400u
#define SW_C3    0x4000u
#define SW_B     0x8000u
#define SW_CC    (SW_C0 | SW_C1 | SW_C2 | SW_C3)
#define SW_FERR  0x0800u /* not architectural: FERR# is asserted */
#define SW_IGNNE 0x1000u /* not architectural: IGNNE# is asserted */
#define SW_TOP   0x3800u

#define CW_MASKS 0x003fu
#define CW_INIT  0x037fu

#define MXCSR_FLAGS 0x003fu
#define MXCSR_DAZ   0x0040u
#define MXCSR_MASKS 0x1f80u
#define MXCSR_FTZ   0x8000u
#define MXCSR_MASK  0xffffu /* bits that exist */
#define MXCSR_INIT  0x1f80u

/* --- the register stack --- */

#define PHYS(n) ((c->fpu.top + (n)) & 7u)
#define ST(n)   (c->fpu.r[PHYS(n)])

static inline bool st_empty(const struct cpu *c, unsigned n) { return c->fpu.empty >> PHYS(n) & 1; }

static inline void st_set(struct cpu *c, unsigned n, struct f80 v)
{
    ST(n) = v;
    c->fpu.empty &= (uint8_t) ~(1u << PHYS(n));
}

static inline void st_pop(struct cpu *c)
{
    c->fpu.empty |= (uint8_t)(1u << c->fpu.top);
    c->fpu.top = (c->fpu.top + 1) & 7;
}

static inline void st_push(struct cpu *c, struct f80 v)
{
    c->fpu.top = (c->fpu.top - 1) & 7;
    st_set(c, 0, v);
}

/* --- entry --- */

/* Something to see to before an x87 instruction that waits, or an MMX one? */
static inline bool x87_busy(const struct cpu *c) { return (c->cr0 & (CR0_EM | CR0_TS)) | (c->fpu.sw & SW_ES); }

/* See to it: raise #NM or #MF; or, with CR0.NE = 0, assert FERR# and stop: the block ends before
 * this instruction (true), which will be tried again when an interrupt had its chance. */
bool x87_stall(struct cpu *c, const struct insn *i);
bool x87_stall_error(struct cpu *c, const struct insn *i); /* the same without #NM */
void mmx_stall_check(struct cpu *c, const struct insn *i);

/* Handlers of waiting and of non-waiting instructions. The work is done out of line so that the
 * chain's tail call stays one. */
#define X87(name)                                               \
    static void name##_do(struct cpu *c, const struct insn *i); \
    OP(name)                                                    \
    {                                                           \
        if (unlikely(x87_busy(c)) && x87_stall(c, i))           \
            return;                                             \
        name##_do(c, i);                                        \
        NEXT;                                                   \
    }                                                           \
    static __attribute__((noinline)) void name##_do(struct cpu *c, __attribute__((unused)) const struct insn *i)
#define X87_NOWAIT(name)                                        \
    static void name##_do(struct cpu *c, const struct insn *i); \
    OP(name)                                                    \
    {                                                           \
        if (unlikely(c->cr0 & (CR0_EM | CR0_TS)))               \
            RAISE(EXC_NM);                                      \
        name##_do(c, i);                                        \
        NEXT;                                                   \
    }                                                           \
    static __attribute__((noinline)) void name##_do(struct cpu *c, __attribute__((unused)) const struct insn *i)

/* --- status --- */

/* Note exceptions; true: one of them is unmasked. */
static inline bool x87_except(struct cpu *c, unsigned flags)
{
    c->fpu.sw |= (uint16_t)flags;
    if (likely(!(flags & ~c->fpu.cw & CW_MASKS)))
        return false;
    c->fpu.sw |= SW_ES | SW_B;
    return true;
}

/* Stack faults (SDM 1 8.5.1.1). */
static inline bool x87_underflow(struct cpu *c)
{
    c->fpu.sw &= (uint16_t)~SW_C1;
    return x87_except(c, SF_IE | SW_SF);
}

static inline bool x87_overflow(struct cpu *c)
{
    c->fpu.sw |= SW_C1;
    return x87_except(c, SF_IE | SW_SF);
}

/* Work out ES and B again after a load of the control or status word, and the FERR# pin. */
void x87_update_es(struct cpu *c);

/* Environment of an operation, and the end of it: flags and C1 go to the status word. Returns the
 * unmasked exceptions. */
static inline struct sf x87_sf(const struct cpu *c)
{
    static const uint8_t prec[4] = { 24, 64, 53, 64 };

    return (struct sf){
        .rc = c->fpu.cw >> 10 & 3, .masks = c->fpu.cw & CW_MASKS, .prec = prec[c->fpu.cw >> 8 & 3], .x87 = true
    };
}

static inline unsigned x87_done(struct cpu *c, struct sf *s)
{
    unsigned unmasked = sf_finish(s);

    c->fpu.sw = (uint16_t)((c->fpu.sw & ~SW_C1) | (s->up ? SW_C1 : 0));
    x87_except(c, s->flags);
    return unmasked;
}

/* Remember the instruction and its operand (SDM 1 8.1.8). */
void x87_track(struct cpu *c, const struct insn *i);
/* The instruction alone: at this EIP, with this CS. */
void x87_point(struct fpu *f, const struct insn *i, uint32_t eip, uint16_t cs);

/* The transcendental instructions, by ModRM byte D9 F0..FF; ST(0) and ST(1) are not empty unless
 * HOST_FPU (fpu_trans.c). */
void x87_transcendental(struct cpu *c, unsigned modrm);

/* Load MXCSR-independent parts of the state; shared by FINIT and FSAVE. */
void x87_init(struct cpu *c);

/* --- SSE --- */

/* #UD, #NM. */
void sse_check_slow(struct cpu *c, const struct insn *i);
static inline bool sse_off(const struct cpu *c) { return (c->cr0 & (CR0_EM | CR0_TS)) | (~c->cr4 & CR4_OSFXSR); }
#define SSE_ENTER                 \
    do {                          \
        if (unlikely(sse_off(c))) \
            sse_check_slow(c, i); \
    } while (0)

static inline struct sf sse_sf(const struct cpu *c)
{
    uint32_t m = c->fpu.mxcsr;

    return (struct sf){ .rc = m >> 13 & 3, .masks = m >> 7 & 0x3f, .daz = m & MXCSR_DAZ, .ftz = m & MXCSR_FTZ };
}

/* End of an SSE operation: set the flags; raise #XM (or #UD) if one is unmasked. The destination
 * is written after this (SDM 1 11.5.2). */
void sse_done(struct cpu *c, const struct insn *i, struct sf *s);

#endif
