/* fpu_code.c - x87, MMX and SSE in translated code: copied as they are (copy.c), behind a look whether the state
 * is in the host's registers and may be used (fpu.c).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"
#include "bt/native.h"

/* --- plan --- */

unsigned plan_gate(const struct insn_row *row)
{
    switch ((enum emit_kind)row->emit) {
    case EMIT_SSE: return GATE_SSE;
    case EMIT_X87:
    case EMIT_MMX: return GATE_FPU;
    default: return GATE_NONE;
    }
}

static bool uses_mmx(const struct insn_row *row)
{
    unsigned n;

    for (n = 0; n < 3; n++)
        if (opnd_info[row->op[n]].where == W_P)
            return true;
    return false;
}

bool plan_fpu(struct planner *p)
{
    unsigned gate = plan_gate(p->row);
    bool *gated = gate == GATE_SSE ? &p->sse_gated : &p->fpu_gated;

    if (gate == GATE_NONE) /* fences and hints run whatever the state is, so they say nothing about it */
        return true;
    if (!*gated)
        p->r->gate = (uint8_t)gate;
    *gated = true;
    if (uses_mmx(p->row)) {
        /* Some of Intel's CPUs have set TOP to 0 when the memory operand of an MMX instruction faults. The
         * instruction did not happen, so a fault puts the old TOP back (FIX_MMX). */
        if ((p->i->flags & IF_MEM) && !p->mmx_ran) {
            p->r->keep_top = true;
            p->r->fix = FIX_MMX;
        }
        p->mmx_ran = true;
    } else if (p->row->emit == EMIT_X87) {
        p->mmx_ran = false;
    }
    return plan_copy(p);
}

/* --- layout --- */

/* The state must be live and usable, or this instruction takes a detour. */
void emit_gate(struct lay *l, unsigned gate)
{
    struct emit *e = &l->e;
    uint8_t *ok;

    e_mov(e, REX_W, R11, RCX);
    e_load_zx8(e, RCX, R15, gate == GATE_SSE ? NATIVE_OFF(sse_off) : NATIVE_OFF(fpu_off));
    ok = e_jrcxz8(e);
    emit_miss(l);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
}

void emit_keep_top(struct lay *l) { e_fnstsw(&l->e, R15, NATIVE_OFF(mmx_sw)); }

/* ModRM.rm means nothing; in its usual form everybody can read them. */
void emit_fence(struct lay *l) { E(&l->e, 0x0f, 0xae, 0xc0 | (l->i->modrm & 0x38)); }
