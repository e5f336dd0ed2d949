/* control.c - branches, calls, returns, and the stack in translated code.
 *
 * Direct branches leave through exits that are linked later. Indirect ones look their target up by EIP
 * in the context's table, without touching flags; what is not found there leaves through
 * the stub at offset 0 of the cache.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/translate.h"

/* Go to EIP R8. */
static void emit_indirect(struct tr *t)
{
    struct emit *e = &t->e;
    struct bt *bt = t->bt;

    if (bt->opt.icount)
        emit_count(t, t->k + 1);
    e_load64(e, R9, R15, NATIVE_OFF(table));
    e_load_sib(e, 0, R9, R9, R8, 2, 0);
    e8(e, 0x45);
    e8(e, 0x8d);
    e8(e, 0x89); /* lea r9d, [r9 + cache] */
    e32(e, (uint32_t)(uintptr_t)bt->cache.rx);
    e_jmp_reg(e, R9);
    t->ended = true;
}

static void add_sp(struct tr *t, int32_t n, unsigned scratch)
{
    struct emit *e = &t->e;

    if (t->x->key & FETCH_SS32) {
        e_lea32(e, RSP, RSP, n);
    } else {
        e_lea32(e, scratch, RSP, n);
        e8(e, 0x66);
        e_mov(e, 0, RSP, scratch);
    }
}

void stack_add(struct tr *t, int32_t n) { add_sp(t, n, R8); }
void stack_add_keep_r8(struct tr *t, int32_t n) { add_sp(t, n, R9); }

static unsigned osize(const struct tr *t) { return t->i->flags & IF_O32 ? 4 : 2; }

static void push_reg(struct tr *t, unsigned reg)
{
    enum mem_kind m = mem_prepare_stack(t, RSP, -(int32_t)osize(t), true, osize(t));

    mem_op(t, m, osize(t) == 2 ? 0x66 : 0, 0, false, 0x89, reg);
    stack_add(t, -(int32_t)osize(t));
}

static void push_imm(struct tr *t, uint32_t v)
{
    enum mem_kind m = mem_prepare_stack(t, RSP, -(int32_t)osize(t), true, osize(t));

    mem_op(t, m, osize(t) == 2 ? 0x66 : 0, 0, false, 0xc7, 0);
    if (osize(t) == 2)
        e16(&t->e, v);
    else
        e32(&t->e, v);
    stack_add(t, -(int32_t)osize(t));
}

/* reg = the operand in memory, zero-extended; reg may be R8 or R10. */
static void load_operand(struct tr *t, enum mem_kind m, unsigned reg)
{
    if (osize(t) == 2)
        mem_op(t, m, 0, 0, true, 0xb7, reg); /* MOVZX */
    else
        mem_op(t, m, 0, 0, false, 0x8b, reg);
}

/* R10 = the operand (register or memory) of CALL, JMP, PUSH; kept in native.tmp over the next probe. */
static void operand_to_tmp(struct tr *t)
{
    struct emit *e = &t->e;

    if (t->i->flags & IF_MEM)
        load_operand(t, mem_prepare(t, false, osize(t)), R10);
    else if (osize(t) == 2)
        e_movzx16(e, R10, t->i->rm);
    else
        e_mov(e, 0, R10, t->i->rm);
    e_store32(e, R10, R15, NATIVE_OFF(tmp));
}

/* Whether any EIP that this operand size gives lies below CS.limit. */
static bool any_target_fits(const struct tr *t)
{
    return t->x->cs_limit == 0xffffffff || (osize(t) == 2 && t->x->cs_limit >= 0xffff);
}

static bool trans_indirect(struct tr *t)
{
    struct emit *e = &t->e;
    unsigned op = *t->raw.opcode;
    unsigned reg = t->raw.modrm ? *t->raw.modrm >> 3 & 7 : 0;

    if (!any_target_fits(t))
        return false;
    if (op == 0xc3 || op == 0xc2) {
        load_operand(t, mem_prepare_stack(t, RSP, 0, false, osize(t)), R10);
        stack_add(t, (int32_t)(osize(t) + (op == 0xc2 ? t->i->imm & 0xffff : 0)));
        e_mov(e, 0, R8, R10);
        emit_indirect(t);
        return true;
    }
    if (op == 0xff && reg == 4) {
        if (t->i->flags & IF_MEM)
            load_operand(t, mem_prepare(t, false, osize(t)), R8);
        else if (osize(t) == 2)
            e_movzx16(e, R8, t->i->rm);
        else
            e_mov(e, 0, R8, t->i->rm);
        emit_indirect(t);
        return true;
    }
    if (op == 0xff && reg == 2) {
        operand_to_tmp(t);
        push_imm(t, t->eip + t->i->off + t->i->len);
        e_load32(e, R8, R15, NATIVE_OFF(tmp));
        emit_indirect(t);
        return true;
    }
    return false;
}

bool trans_control(struct tr *t)
{
    struct emit *e = &t->e;
    unsigned op = *t->raw.opcode;
    uint32_t target = t->eip + t->i->imm;
    unsigned done = t->k + 1;

    if (t->row->cls == CLS_CTRL)
        return t->row->map == MAP_P1 && trans_indirect(t);
    if (osize(t) == 2)
        target &= 0xffff;
    if (target > t->x->cs_limit)
        return false;
    if (t->row->map == MAP_P2 || (op & 0xf0) == 0x70) {
        emit_exit(t, op & 15, target, done);
        return true;
    }
    switch (op) {
    case 0xe8:
        push_imm(t, t->eip + t->i->off + t->i->len);
        /* fall through */
    case 0xe9:
    case 0xeb:
        emit_exit(t, -1, target, done);
        t->ended = true;
        return true;
    case 0xe2:   /* LOOP */
    case 0xe3: { /* JCXZ */
        uint8_t *zero;
        uint8_t *skip;

        if (!(t->i->flags & IF_A32))
            return false;
        if (op == 0xe2)
            e_lea32(e, RCX, RCX, -1);
        zero = e_jrcxz8(e);
        if (op == 0xe2) {
            emit_exit(t, -1, target, done);
            e_patch8(zero, e->p);
            return true;
        }
        e8(e, 0xeb);
        skip = e->p;
        e8(e, 0);
        e_patch8(zero, e->p);
        emit_exit(t, -1, target, done);
        e_patch8(skip, e->p);
        return true;
    }
    }
    return false;
}

bool trans_stack(struct tr *t)
{
    struct emit *e = &t->e;
    unsigned op = *t->raw.opcode;
    unsigned p66 = osize(t) == 2 ? 0x66 : 0;

    if (op >= 0x50 && op <= 0x57) {
        push_reg(t, op & 7);
        return true;
    }
    if (op >= 0x58 && op <= 0x5f) {
        enum mem_kind m = mem_prepare_stack(t, RSP, 0, false, osize(t));

        if ((op & 7) == ESP && p66)
            return false;
        mem_op(t, m, p66, 0, false, 0x8b, op & 7);
        if ((op & 7) != ESP)
            stack_add(t, (int32_t)osize(t));
        return true;
    }
    switch (op) {
    case 0x68:
    case 0x6a: push_imm(t, t->i->imm); return true;
    case 0xff:
        if (!(t->i->flags & IF_MEM)) {
            push_reg(t, t->i->rm);
            return true;
        }
        operand_to_tmp(t);
        {
            enum mem_kind m = mem_prepare_stack(t, RSP, -(int32_t)osize(t), true, osize(t));

            e_load32(e, R10, R15, NATIVE_OFF(tmp));
            mem_op(t, m, p66, 0, false, 0x89, R10);
            stack_add(t, -(int32_t)osize(t));
        }
        return true;
    case 0xc9:
        if (!(t->x->key & FETCH_SS32) || p66)
            return false;
        load_operand(t, mem_prepare_stack(t, EBP, 0, false, 4), R10);
        e_lea32(e, RSP, EBP, 4);
        e_mov(e, 0, EBP, R10);
        return true;
    }
    return false;
}
