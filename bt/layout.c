/* layout.c - pass two: see layout.h. This file lays out head, hot code, misses and exits; an instruction's own
 * code is its family's.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"

#include "bt/leave.h"
#include "bt/native.h"
#include "bt/prim.h"

static uint32_t offset_of(const struct lay *l, const uint8_t *p) { return (uint32_t)(p - l->where->code); }

static void emit_leave(struct lay *l, uint32_t why)
{
    e_mov_imm32(&l->e, R11, why);
    e_patch32(e_jmp32(&l->e), l->where->leave);
}

static void emit_detour(struct lay *l, unsigned k)
{
    e_mov_imm32(&l->e, R11, DETOUR_ID(l->where->tb, k));
    e_patch32(e_jmp32(&l->e), l->where->detour);
}

/* Name the x87 instruction number k, if any, as the last one that ran. */
static void emit_x87_name(struct lay *l, int k)
{
    if (k != NO_X87)
        e_store_imm32(&l->e, R15, NATIVE_OFF(x87_last), X87_NAME(l->where->tb, (unsigned)k));
}

void emit_miss(struct lay *l)
{
    uint8_t *patch = e_jmp32(&l->e);

    BUG_ON(l->misses == ARRAY_SIZE(l->miss));
    l->miss[l->misses++] = (struct miss){ .patch = patch, .k = l->k };
}

void emit_exit(struct lay *l, unsigned cc, uint32_t target, unsigned done)
{
    uint8_t *at = cc == CC_ALWAYS ? e_jmp32(&l->e) : e_jcc32(&l->e, cc);
    struct laid *out = l->out;

    BUG_ON(out->exits == ARRAY_SIZE(out->exit));
    out->exit[out->exits].target = target;
    out->exit[out->exits].patch = offset_of(l, at);
    l->exit_k[out->exits++] = done;
}

void emit_count(struct lay *l, unsigned n)
{
    struct emit *e = &l->e;

    e_load64(e, R9, R15, CPU_OFF(icount));
    e_lea64(e, R9, R9, (int32_t)n);
    e_store64(e, R9, R15, CPU_OFF(icount));
}

void emit_lookup(struct lay *l)
{
    struct emit *e = &l->e;

    if (l->plan->icount)
        emit_count(l, l->k + 1);
    e_load64(e, R9, R15, NATIVE_OFF(table));
    e_load_sib(e, 0, R9, R9, R8, 2, 0);
    e_lea32_far(e, R9, R9, l->where->cache);
    e_jmp_reg(e, R9);
}

/* The page of the code is the one it was, as far as the itlb knows. */
static void emit_page_check(struct lay *l, unsigned n)
{
    struct emit *e = &l->e;
    uint8_t *ok;

    e_mov(e, REX_W, R11, RCX);
    e_load32(e, RCX, R15, l->where->itlb[n]);
    e_lea32(e, RCX, RCX, -(int32_t)l->where->cookie[n]);
    ok = e_jrcxz8(e);
    e_mov(e, REX_W, RCX, R11);
    emit_leave(l, LEAVE_PAGE | l->where->tb);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
}

/* Whether the block's instructions are still within the budget: stop - icount - n is negative if not. */
static void emit_budget(struct lay *l)
{
    struct emit *e = &l->e;
    uint8_t *ok;

    e_load64(e, R9, R15, CPU_OFF(icount));
    e_not(e, REX_W, R9);
    e_load64(e, R8, R15, NATIVE_OFF(icount_stop));
    e_lea_sib(e, REX_W, R8, R8, R9, 0, 1 - (int32_t)l->plan->n);
    prim_negative_to_rcx(e, R8, R9);
    ok = e_jrcxz8(e);
    e_mov(e, REX_W, RCX, R11);
    e_store_imm32(e, R15, CPU_OFF(eip), l->plan->eip);
    emit_leave(l, LEAVE_STEP);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
}

static void emit_head(struct lay *l)
{
    struct emit *e = &l->e;
    unsigned n;

    for (n = 0; n < 2 && l->where->cookie[n]; n++)
        emit_page_check(l, n);
    l->out->entry = offset_of(l, e->p);
    if (l->plan->gate != GATE_NONE)
        emit_gate(l, l->plan->gate);
    l->out->loop = offset_of(l, e->p);
    if (l->plan->icount)
        emit_budget(l);
    e_load64(e, R11, R15, NATIVE_OFF(safepoint));
    e_load32(e, R11, R11, 0);
}

static void emit_insn(struct lay *l)
{
    if (l->r->gate != GATE_NONE)
        emit_gate(l, l->r->gate);
    if (l->r->keep_top)
        emit_keep_top(l);
    switch ((enum emit_kind)l->r->kind) {
    case EMIT_INTERP: emit_detour(l, l->k); return;
    case EMIT_NOTHING:
    case EMIT_HINT: return;
    case EMIT_COPY:
    case EMIT_COPY_82:
    case EMIT_BIT_R:
    case EMIT_BSWAP:
    case EMIT_DIV:
    case EMIT_INC_R:
    case EMIT_LEA:
    case EMIT_MOFFS:
    case EMIT_X87:
    case EMIT_MMX:
    case EMIT_SSE: emit_copy(l); return;
    case EMIT_JCC:
    case EMIT_JMP:
    case EMIT_CALL:
    case EMIT_LOOP:
    case EMIT_JCXZ:
    case EMIT_JMP_E:
    case EMIT_CALL_E:
    case EMIT_RET:
    case EMIT_RET_I: emit_control(l); return;
    case EMIT_PUSH_R:
    case EMIT_PUSH_I:
    case EMIT_PUSH_E:
    case EMIT_POP_R:
    case EMIT_LEAVE: emit_stack(l); return;
    case EMIT_STRING: emit_string(l); return;
    case EMIT_PUSH_SEG:
    case EMIT_MOV_SEG:
    case EMIT_PUSHF:
    case EMIT_POPF:
    case EMIT_CLD:
    case EMIT_CLI:
    case EMIT_STI: emit_system(l); return;
    case EMIT_FENCE: emit_fence(l); return;
    case EMIT_COUNT: break;
    }
    BUG_ON(true);
}

/* Misses: writes that may go ahead after all first, then the detours, one for each instruction. */
static void emit_misses(struct lay *l)
{
    struct emit *e = &l->e;
    unsigned n;
    unsigned m;

    for (n = 0; n < l->misses; n++) {
        if (l->miss[n].hit) {
            e_patch32(l->miss[n].patch, e->p);
            emit_probe_code(l, &l->miss[n]);
        }
    }
    for (n = 0; n < l->misses; n++) {
        unsigned k = l->miss[n].k;

        if (!l->miss[n].patch)
            continue;
        for (m = n + 1; m < l->misses; m++) {
            if (l->miss[m].patch && l->miss[m].k == k) {
                e_patch32(l->miss[m].patch, e->p);
                l->miss[m].patch = NULL;
            }
        }
        e_patch32(l->miss[n].patch, e->p);
        e_mov(e, REX_W, RCX, R11);
        emit_x87_name(l, l->plan->insn[k].x87_ran);
        emit_detour(l, k);
    }
}

static void emit_exits(struct lay *l)
{
    struct emit *e = &l->e;
    unsigned n;

    for (n = 0; n < l->out->exits; n++) {
        e_patch32(l->where->code + l->out->exit[n].patch, e->p);
        if (l->plan->icount) {
            uint8_t *at;

            emit_count(l, l->exit_k[n]);
            at = e_jmp32(e);
            e_patch32(at, e->p);
            l->out->exit[n].patch = offset_of(l, at);
        }
        l->out->exit[n].stub = offset_of(l, e->p);
        emit_leave(l, LEAVE_EXIT | (l->where->first_exit + n));
    }
}

void layout_block(const struct plan *plan, const struct insn *insn, const uint8_t *code, const struct place *where,
                  struct laid *out)
{
    struct lay l; /* most of it is the list of misses: not cleared */

    l.e = (struct emit){ .p = where->code, .bmi2 = where->bmi2 };
    l.plan = plan;
    l.where = where;
    l.out = out;
    l.k = l.misses = 0;
    out->exits = 0;
    emit_head(&l);
    for (l.k = 0; l.k < plan->n; l.k++) {
        l.i = &insn[l.k];
        l.r = &plan->insn[l.k];
        l.code = code + l.i->off;
        emit_x87_name(&l, l.r->x87_name);
        out->start[l.k] = (uint16_t)offset_of(&l, l.e.p);
        emit_insn(&l);
    }
    out->start[l.k] = (uint16_t)offset_of(&l, l.e.p);
    emit_x87_name(&l, plan->x87_name);
    if (!plan->ends)
        emit_exit(&l, CC_ALWAYS, plan->next, plan->n);
    emit_misses(&l);
    emit_exits(&l);
    out->size = offset_of(&l, l.e.p);
}
