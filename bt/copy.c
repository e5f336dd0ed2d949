/* copy.c - instructions that stay what they are: same opcode, same registers, same flags. Only a memory operand
 * is replaced, by one of the ways of memory.c.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"

/* --- plan --- */

/* Prefixes that the row's encoding needs. */
static void plan_prefixes(struct planner *p)
{
    p->r->p66 = p->r->pmand = 0;
    switch (p->row->prefix) {
    case PFX_p66: p->r->p66 = 0x66; break;
    case PFX_pF3: p->r->pmand = 0xf3; break;
    case PFX_pF2: p->r->pmand = 0xf2; break;
    case PFX_pAny:
        if (!(p->row->attr & A_NOO) && !(p->i->flags & IF_O32) && p->row->emit != EMIT_X87)
            p->r->p66 = 0x66;
        break;
    }
}

/* AH, CH, DH or BH in ModRM.reg. */
static bool has_high_byte(const struct planner *p)
{
    unsigned n;

    for (n = 0; n < 3; n++)
        if (p->row->op[n] == OP_Gb)
            return (p->i->modrm >> 3 & 7) >= 4;
    return false;
}

static void plan_memory(struct planner *p)
{
    struct access *a = &p->r->mem;
    unsigned size;
    bool write = operand_is_written(p, &size);

    plan_operand(p, write, size);
    p->r->size = (uint8_t)size;
    if (p->row->emit == EMIT_MOFFS && size == 1)
        p->r->p66 = 0;
    if (a->path == PATH_RAW || !has_high_byte(p))
        return;
    p->r->lend_rsi = true;
    if (a->path == PATH_INDEX) {
        a->path = PATH_BASE;
        a->ea = EA_OPERAND;
    }
    if (a->path != PATH_PROBE)
        p->r->fix = FIX_RSI;
}

bool plan_copy(struct planner *p)
{
    bool mem = p->i->flags & IF_MEM;

    switch ((enum emit_kind)p->row->emit) {
    case EMIT_NOTHING: return true;
    case EMIT_BIT_R:
        if (mem)
            return false;
        break;
    case EMIT_BSWAP:
        if (!(p->i->flags & IF_O32))
            return false;
        break;
    case EMIT_DIV:
        if (p->checked)
            return false; /* it has raised #DE often: a signal each time */
        break;
    case EMIT_LEA:
        p->r->p66 = p->i->flags & IF_O32 ? 0 : 0x66;
        p->r->reg = p->i->reg;
        return true;
    default: break;
    }
    p->r->map2 = p->row->map == MAP_P2;
    plan_prefixes(p);
    if (mem)
        plan_memory(p);
    return true;
}

/* --- layout --- */

static void immediate(struct lay *l) { e_bytes(&l->e, l->code + l->i->imm_at, insn_imm_len(l->i)); }

static void with_register(struct lay *l, unsigned op)
{
    struct emit *e = &l->e;

    if (l->r->p66)
        e8(e, l->r->p66);
    if (l->r->pmand)
        e8(e, l->r->pmand);
    if (l->r->kind == EMIT_INC_R) {
        E(e, 0xff, 0xc0 | (op & 15)); /* /0 or /1, as bit 3 of the short form */
        return;
    }
    e_opcode(e, l->r->map2, op);
    if (l->i->flags & IF_MODRM)
        e8(e, l->i->modrm);
    immediate(l);
}

/* With ESI as the base: [rsi]. */
static void with_lent_rsi(struct lay *l, unsigned op)
{
    struct emit *e = &l->e;
    const struct access *a = &l->r->mem;

    e_mov(e, REX_W, R11, ESI);
    if (a->path == PATH_PROBE) {
        e_lea_sib(e, REX_W, ESI, R9, R8, 0, 0);
    } else {
        if (a->ea == EA_NONE)
            e_lea32(e, ESI, a->base, a->disp);
        else
            e_lea32(e, ESI, R8, 0);
        E(e, 0x65, 0x67);
    }
    if (l->i->flags & IF_LOCK)
        e8(e, 0xf0);
    e_opcode(e, l->r->map2, op);
    e_modrm_disp(e, l->i->modrm >> 3 & 7, ESI, 0);
    immediate(l);
    e_mov(e, REX_W, ESI, R11);
}

void emit_copy(struct lay *l)
{
    const struct plan_insn *r = l->r;
    unsigned op = l->i->opcode;

    if (r->kind == EMIT_LEA) {
        emit_ea_r8(l);
        if (r->p66)
            e8(&l->e, r->p66);
        e_mov(&l->e, 0, r->reg, R8);
        return;
    }
    if (r->kind == EMIT_COPY_82)
        op &= ~2u;
    if (r->mem.path == PATH_NONE) {
        with_register(l, op);
        return;
    }
    emit_access(l, &r->mem);
    if (r->kind == EMIT_MOFFS) {
        emit_mem_op(l, &r->mem, r->p66, 0, false, (r->mem.write ? 0x88 : 0x8a) | (op & 1), EAX);
    } else if (r->lend_rsi) {
        with_lent_rsi(l, op);
    } else {
        if (l->i->flags & IF_LOCK)
            e8(&l->e, 0xf0);
        emit_mem_op(l, &r->mem, r->p66, r->pmand, r->map2, op, l->i->modrm >> 3 & 7);
        immediate(l);
    }
}
