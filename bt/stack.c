/* stack.c - the stack in translated code: pushes, pops, LEAVE.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"
#include "bt/native.h"

/* --- plan --- */

bool plan_stack(struct planner *p)
{
    struct plan_insn *r = p->r;
    unsigned size = plan_osize(p);
    bool mem = p->i->flags & IF_MEM;

    r->size = (uint8_t)size;
    r->reg = p->i->rm;
    switch ((enum emit_kind)p->row->emit) {
    case EMIT_LEAVE: /* 16-bit forms are rare */
        plan_stack_access(p, EBP, 0, false, 4);
        return (p->in->key & FETCH_SS32) && size == 4;
    case EMIT_POP_R: plan_stack_access(p, RSP, 0, false, size); return !(r->reg == ESP && size == 2);
    default: /* pushes */
        if (p->row->emit == EMIT_PUSH_E && mem)
            plan_operand(p, false, size);
        plan_stack_access(p, RSP, -(int32_t)size, true, size);
        return true;
    }
}

/* --- layout --- */

static void add_sp(struct lay *l, int32_t n, unsigned scratch)
{
    struct emit *e = &l->e;

    if (l->plan->ss32) {
        e_lea32(e, RSP, RSP, n);
    } else {
        e_lea32(e, scratch, RSP, n);
        e_mov16(e, RSP, scratch);
    }
}

void emit_stack_add(struct lay *l, int32_t n) { add_sp(l, n, R8); }
void emit_stack_add_keep_r8(struct lay *l, int32_t n) { add_sp(l, n, R9); }

static unsigned p66(const struct lay *l) { return l->r->size == 2 ? 0x66 : 0; }

void emit_push_reg(struct lay *l, unsigned reg)
{
    emit_access(l, &l->r->stack);
    emit_mem_op(l, &l->r->stack, p66(l), 0, false, 0x89, reg);
    emit_stack_add(l, -(int32_t)l->r->size);
}

void emit_push_imm(struct lay *l, uint32_t v)
{
    emit_access(l, &l->r->stack);
    emit_mem_op(l, &l->r->stack, p66(l), 0, false, 0xc7, 0);
    if (l->r->size == 2)
        e16(&l->e, v);
    else
        e32(&l->e, v);
    emit_stack_add(l, -(int32_t)l->r->size);
}

void emit_operand_to_tmp(struct lay *l)
{
    struct emit *e = &l->e;

    if (l->r->mem.path != PATH_NONE) {
        emit_access(l, &l->r->mem);
        emit_load(l, &l->r->mem, R10);
    } else if (l->r->size == 2) {
        e_movzx16(e, R10, l->i->rm);
    } else {
        e_mov(e, 0, R10, l->i->rm);
    }
    e_store32(e, R10, R15, NATIVE_OFF(tmp));
}

static void push_memory(struct lay *l)
{
    emit_operand_to_tmp(l);
    emit_access(l, &l->r->stack);
    e_load32(&l->e, R10, R15, NATIVE_OFF(tmp));
    emit_mem_op(l, &l->r->stack, p66(l), 0, false, 0x89, R10);
    emit_stack_add(l, -(int32_t)l->r->size);
}

void emit_stack(struct lay *l)
{
    struct emit *e = &l->e;

    switch ((enum emit_kind)l->r->kind) {
    case EMIT_PUSH_I: emit_push_imm(l, l->i->imm); break;
    case EMIT_POP_R:
        emit_access(l, &l->r->stack);
        emit_mem_op(l, &l->r->stack, p66(l), 0, false, 0x8b, l->r->reg);
        if (l->r->reg != ESP)
            emit_stack_add(l, (int32_t)l->r->size);
        break;
    case EMIT_LEAVE:
        emit_access(l, &l->r->stack);
        emit_load(l, &l->r->stack, R10);
        e_lea32(e, RSP, EBP, 4);
        e_mov(e, 0, EBP, R10);
        break;
    default: /* PUSH_R, PUSH_E */
        if (l->r->mem.path != PATH_NONE)
            push_memory(l);
        else
            emit_push_reg(l, l->r->reg);
    }
}
