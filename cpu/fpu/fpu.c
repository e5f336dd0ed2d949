/* fpu.c - the state of the FPU: reset, status and tag words, exception reporting, instruction and
 * operand pointers.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/fpu_int.h"

void x87_init(struct cpu *c)
{
    struct fpu *f = &c->fpu;

    f->cw = CW_INIT;
    f->sw &= SW_FERR | SW_IGNNE;
    f->top = 0;
    f->empty = 0xff;
    f->fop = f->fcs = f->fds = 0;
    f->fip = f->fdp = 0;
    x87_update_es(c);
}

void fpu_reset(struct cpu *c)
{
    memset(&c->fpu, 0, sizeof c->fpu);
    c->fpu.cw = 0x0040; /* all registers are +0 and, TW being 5555h, not empty */
    c->fpu.mxcsr = MXCSR_INIT;
}

uint16_t fpu_status(const struct cpu *c) { return (uint16_t)((c->fpu.sw & ~SW_TOP) | c->fpu.top << 11); }

void fpu_set_status(struct cpu *c, uint16_t sw)
{
    c->fpu.top = sw >> 11 & 7;
    c->fpu.sw = (uint16_t)((sw & ~SW_TOP) | (c->fpu.sw & (SW_FERR | SW_IGNNE)));
}

uint16_t fpu_tag_word(const struct cpu *c)
{
    unsigned tags = 0;

    for (unsigned n = 0; n < 8; n++) {
        const struct f80 *r = &c->fpu.r[n];
        unsigned e = r->se & 0x7fff, tag = 0;

        if (c->fpu.empty >> n & 1)
            tag = 3;
        else if (!e && !r->m)
            tag = 1;
        else if (!e || e == 0x7fff || !(r->m >> 63))
            tag = 2;
        tags |= tag << (2 * n);
    }
    return (uint16_t)tags;
}

void fpu_set_tag_word(struct cpu *c, uint16_t tags)
{
    c->fpu.empty = 0;
    for (unsigned n = 0; n < 8; n++)
        if ((tags >> (2 * n) & 3) == 3)
            c->fpu.empty |= (uint8_t)(1u << n);
}

/* --- error reporting (SDM 1 8.7) --- */

void x87_update_es(struct cpu *c)
{
    if (c->fpu.sw & ~c->fpu.cw & CW_MASKS) {
        c->fpu.sw |= SW_ES | SW_B;
        return;
    }
    c->fpu.sw &= (uint16_t) ~(SW_ES | SW_B);
    if (c->fpu.sw & (SW_FERR | SW_IGNNE)) {
        c->fpu.sw &= (uint16_t) ~(SW_FERR | SW_IGNNE);
        if (c->bus && c->bus->ferr)
            c->bus->ferr(c->bus_opaque, 0);
    }
}

void fpu_ignore_error(struct cpu *c)
{
    if (c->fpu.sw & SW_ES)
        c->fpu.sw |= SW_IGNNE;
}

cold_fn bool x87_stall_error(struct cpu *c, const struct insn *i)
{
    if (!(c->fpu.sw & SW_ES))
        return false;
    if (c->cr0 & CR0_NE)
        RAISE(EXC_MF);
    if (c->fpu.sw & SW_IGNNE)
        return false;
    if (!(c->fpu.sw & SW_FERR)) {
        c->fpu.sw |= SW_FERR;
        if (c->bus && c->bus->ferr)
            c->bus->ferr(c->bus_opaque, 1);
    }
    /* Frozen until an interrupt: leave the block at this instruction. It is counted, so that
     * time that follows the instruction count does not stand still. */
    c->icount += i->n + 1u;
    c->eip = EIP_HERE;
    return true;
}

cold_fn bool x87_stall(struct cpu *c, const struct insn *i)
{
    if (c->cr0 & (CR0_EM | CR0_TS))
        RAISE(EXC_NM);
    return x87_stall_error(c, i);
}

/* --- instruction and operand pointers --- */

void x87_point(struct fpu *f, const struct insn *i, uint32_t eip, uint16_t cs)
{
    f->fip = eip;
    f->fcs = cs;
    f->fop = (uint16_t)((i->opcode & 7u) << 8 | i->modrm);
}

void x87_track(struct cpu *c, const struct insn *i)
{
    x87_point(&c->fpu, i, EIP_HERE, c->seg[SEG_CS].sel);
    if ((i->flags & IF_MEM) && !c->fdp_untracked) {
        c->fpu.fdp = ea(c, i);
        c->fpu.fds = c->seg[i->seg].sel;
    }
}

/* --- SSE --- */

cold_fn void sse_check_slow(struct cpu *c, const struct insn *i)
{
    if ((c->cr0 & CR0_EM) || !(c->cr4 & CR4_OSFXSR))
        RAISE(EXC_UD);
    RAISE(EXC_NM);
}

cold_fn void mmx_stall_check(struct cpu *c, const struct insn *i)
{
    if (c->cr0 & CR0_EM)
        RAISE(EXC_UD);
    if (c->cr0 & CR0_TS)
        RAISE(EXC_NM);
}

void sse_done(struct cpu *c, const struct insn *i, struct sf *s)
{
    unsigned unmasked = sf_finish(s);

    c->fpu.mxcsr |= s->flags;
    if (unlikely(unmasked))
        RAISE(c->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
}
