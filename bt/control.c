/* control.c - branches, calls and returns in translated code.
 *
 * Direct branches leave through exits that are linked later. Indirect ones look their target up by EIP
 * in the context's table, without touching flags; what is not found there leaves through
 * the stub at offset 0 of the cache.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"
#include "bt/native.h"

/* --- plan --- */

/* Whether any EIP that this operand size gives lies below CS.limit. */
static bool any_target_fits(const struct planner *p)
{
    return p->in->cs_limit == 0xffffffff || (plan_osize(p) == 2 && p->in->cs_limit >= 0xffff);
}

static bool plan_exit(struct planner *p, unsigned cc)
{
    p->r->target = p->in->eip + p->i->imm;
    if (plan_osize(p) == 2)
        p->r->target &= 0xffff;
    p->r->cc = (uint8_t)cc;
    return p->r->target <= p->in->cs_limit;
}

static void plan_push(struct planner *p) { plan_stack_access(p, RSP, -(int32_t)plan_osize(p), true, plan_osize(p)); }

bool plan_control(struct planner *p)
{
    p->r->size = (uint8_t)plan_osize(p);
    switch ((enum emit_kind)p->row->emit) {
    case EMIT_JCC: return plan_exit(p, p->i->opcode & 15);
    case EMIT_JMP: return plan_exit(p, CC_ALWAYS);
    case EMIT_LOOP:
    case EMIT_JCXZ: return (p->i->flags & IF_A32) && plan_exit(p, CC_ALWAYS);
    case EMIT_CALL: plan_push(p); return plan_exit(p, CC_ALWAYS);
    case EMIT_CALL_E:
        plan_push(p);
        /* fall through */
    case EMIT_JMP_E:
        if (p->i->flags & IF_MEM)
            plan_operand(p, false, plan_osize(p));
        break;
    default: /* RET */ plan_stack_access(p, RSP, 0, false, plan_osize(p));
    }
    return any_target_fits(p);
}

/* --- layout --- */

static void emit_loop(struct lay *l)
{
    struct emit *e = &l->e;
    uint8_t *zero;
    uint8_t *skip;

    if (l->r->kind == EMIT_LOOP) {
        e_lea32(e, RCX, RCX, -1);
        zero = e_jrcxz8(e);
        emit_exit(l, CC_ALWAYS, l->r->target, l->k + 1);
        e_patch8(zero, e->p);
        return;
    }
    zero = e_jrcxz8(e);
    skip = e_jmp8(e);
    e_patch8(zero, e->p);
    emit_exit(l, CC_ALWAYS, l->r->target, l->k + 1);
    e_patch8(skip, e->p);
}

/* R8 = the operand. */
static void operand_to_r8(struct lay *l)
{
    if (l->r->mem.path != PATH_NONE) {
        emit_access(l, &l->r->mem);
        emit_load(l, &l->r->mem, R8);
    } else if (l->r->size == 2) {
        e_movzx16(&l->e, R8, l->i->rm);
    } else {
        e_mov(&l->e, 0, R8, l->i->rm);
    }
}

static uint32_t next_eip(const struct lay *l) { return l->plan->eip + l->i->off + l->i->len; }

void emit_control(struct lay *l)
{
    struct emit *e = &l->e;

    switch ((enum emit_kind)l->r->kind) {
    case EMIT_LOOP:
    case EMIT_JCXZ: emit_loop(l); return;
    case EMIT_CALL:
        emit_push_imm(l, next_eip(l));
        /* fall through */
    case EMIT_JCC:
    case EMIT_JMP: emit_exit(l, l->r->cc, l->r->target, l->k + 1); return;
    case EMIT_JMP_E: operand_to_r8(l); break;
    case EMIT_CALL_E:
        emit_operand_to_tmp(l);
        emit_push_imm(l, next_eip(l));
        e_load32(e, R8, R15, NATIVE_OFF(tmp));
        break;
    default: /* RET */
        emit_access(l, &l->r->stack);
        emit_load(l, &l->r->stack, R10);
        emit_stack_add(l, (int32_t)(l->r->size + (l->r->kind == EMIT_RET_I ? l->i->imm & 0xffff : 0)));
        e_mov(e, 0, R8, R10);
    }
    emit_lookup(l);
}
