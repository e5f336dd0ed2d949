/* plan.c - pass one: see plan.h. This file goes through the block; what an instruction becomes is its family's
 * to say.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/plan.h"

/* Undefined flags are the host's, and CPUs differ in them; where runs must repeat exactly (time from
 * instruction counts, comparison with the interpreter), the interpreter's are wanted. */
static bool flags_vary(const struct insn_row *row) { return row->undef && !(row->attr & A_AF0); }

/* By the instruction's emission kind; false: a detour. */
static bool plan_kind(struct planner *p)
{
    switch ((enum emit_kind)p->row->emit) {
    case EMIT_INTERP: return false;
    case EMIT_COPY:
    case EMIT_COPY_82:
    case EMIT_NOTHING:
    case EMIT_BIT_R:
    case EMIT_BSWAP:
    case EMIT_DIV:
    case EMIT_INC_R:
    case EMIT_LEA:
    case EMIT_MOFFS: return plan_copy(p);
    case EMIT_JCC:
    case EMIT_JMP:
    case EMIT_CALL:
    case EMIT_LOOP:
    case EMIT_JCXZ:
    case EMIT_JMP_E:
    case EMIT_CALL_E:
    case EMIT_RET:
    case EMIT_RET_I: return plan_control(p);
    case EMIT_PUSH_R:
    case EMIT_PUSH_I:
    case EMIT_PUSH_E:
    case EMIT_POP_R:
    case EMIT_LEAVE: return plan_stack(p);
    case EMIT_STRING: return plan_string(p);
    case EMIT_PUSH_SEG:
    case EMIT_MOV_SEG:
    case EMIT_PUSHF:
    case EMIT_POPF:
    case EMIT_CLD:
    case EMIT_CLI:
    case EMIT_STI: return p->in->inline_sys && plan_system(p);
    case EMIT_X87:
    case EMIT_MMX:
    case EMIT_SSE:
    case EMIT_FENCE:
    case EMIT_HINT: return p->in->native_fpu && plan_fpu(p);
    case EMIT_COUNT: break;
    }
    BUG_ON(true);
}

/* Whether the x87 instruction before must have been named: the translation may be left at this one, or what is
 * remembered ends here. */
static bool names_x87(const struct insn_row *row)
{
    return (row->attr & A_CTL) || (row->cls != CLS_FPU && row->cls != CLS_SIMD && row->cls != CLS_IDENT);
}

/* Control does not go on behind it. A detour ends the block only if it wants to. */
static bool ends(const struct plan_insn *r)
{
    switch (r->kind) {
    case EMIT_JMP:
    case EMIT_CALL:
    case EMIT_JMP_E:
    case EMIT_CALL_E:
    case EMIT_RET:
    case EMIT_RET_I: return true;
    default: return false;
    }
}

static bool is_fpu(const struct insn_row *row) { return row->cls == CLS_FPU || row->cls == CLS_SIMD; }

void plan_block(struct plan *plan, const struct plan_input *in)
{
    struct planner p = { .in = in };
    int unnamed = NO_X87; /* the last x87 instruction that was copied, if no code has named it yet */
    int ran = NO_X87;

    plan->n = in->n;
    plan->direct = in->direct;
    plan->icount = in->icount;
    plan->ss32 = in->key & FETCH_SS32;
    plan->eip = in->eip;
    plan->next = in->next;
    plan->gate = in->native_fpu ? plan_gate(&insn_rows[in->insn[0].row]) : GATE_NONE;
    p.fpu_gated = plan->gate == GATE_FPU;
    p.sse_gated = plan->gate == GATE_SSE;
    for (p.k = 0; p.k < in->n; p.k++) {
        struct plan_insn *r = &plan->insn[p.k];
        bool named;

        p.i = &in->insn[p.k];
        p.row = &insn_rows[p.i->row];
        p.r = r;
        p.checked = in->checked >> p.k & 1;
        p.wraps = in->wraps >> p.k & 1;
        r->kind = p.row->emit;
        r->fix = FIX_NONE;
        r->gate = GATE_NONE;
        r->keep_top = r->lend_rsi = false;
        r->cc = CC_NO_EXIT;
        r->mem.path = r->stack.path = PATH_NONE;
        if ((in->icount && flags_vary(p.row)) || (in->watched >> p.k & 1) || !plan_kind(&p)) {
            r->kind = EMIT_INTERP;
            r->gate = GATE_NONE;
            r->keep_top = false;
            r->fix = FIX_NONE;
            if (is_fpu(p.row))
                p.mmx_ran = false;
        }
        named = r->kind == EMIT_INTERP || names_x87(p.row);
        r->x87_name = (int8_t)(named && in->native_fpu ? unnamed : NO_X87);
        r->x87_ran = (int8_t)(in->native_fpu ? ran : NO_X87);
        if (named)
            unnamed = NO_X87;
        if (r->kind == EMIT_X87 && !(p.row->attr & A_CTL))
            unnamed = (int)p.k;
        if (p.row->cls == CLS_FPU)
            ran = p.row->attr & A_CTL ? NO_X87 : (int)p.k;
    }
    plan->x87_name = (int8_t)(in->native_fpu ? unnamed : NO_X87);
    plan->ends = ends(&plan->insn[in->n - 1]);
}
