/* memory.c - memory operands in translated code: effective address, segment checks, and the two ways
 * to the bytes. Nothing here changes the guest's flags, so that a fault sees them as they were.
 *
 * The checked way is a probe of the software TLB of cpu.h (c->tlb). On a miss the instruction takes a
 * detour, from its start; the interpreter's access then fills the TLB.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"
#include "bt/native.h"
#include "bt/prim.h"

/* --- plan --- */

bool plan_seg_is_flat(const struct planner *p, unsigned seg)
{
    return (p->in->key & FETCH_FLAT) && (seg == SEG_ES || seg == SEG_SS || seg == SEG_DS);
}

/* The offset goes to R8 first. */
static void by_r8(struct planner *p, struct access *a, unsigned seg)
{
    a->check = plan_seg_is_flat(p, seg) ? NO_SEG : (uint8_t)seg;
    a->path = p->in->direct && !p->checked ? PATH_BASE : PATH_PROBE;
}

void plan_operand(struct planner *p, bool write, unsigned size)
{
    const struct insn *i = p->i;
    struct access *a = &p->r->mem;

    a->write = write;
    a->size = (uint8_t)size;
    a->ea = EA_NONE;
    a->check = NO_SEG;
    if (!p->in->direct || p->checked || !(i->flags & IF_A32) || !plan_seg_is_flat(p, i->seg)) {
        a->ea = EA_OPERAND;
        by_r8(p, a, i->seg);
    } else if (i->index == 8 && i->base != 8 && !p->wraps) {
        a->path = PATH_BASE;
        a->base = i->base;
        a->disp = (int32_t)i->disp;
    } else if (i->index != 8 && i->base == 8 && !p->wraps) {
        a->path = PATH_INDEX;
    } else {
        a->path = PATH_RAW;
    }
}

void plan_stack_access(struct planner *p, unsigned reg, int32_t disp, bool write, unsigned size)
{
    struct access *a = &p->r->stack;

    a->write = write;
    a->size = (uint8_t)size;
    a->base = (uint8_t)reg;
    a->disp = disp;
    a->ea = EA_NONE;
    a->check = NO_SEG;
    if (p->in->direct && !p->checked && (p->in->key & FETCH_FLAT)) {
        a->path = p->wraps ? PATH_GS : PATH_BASE;
    } else {
        a->ea = EA_STACK;
        by_r8(p, a, SEG_SS);
    }
}

bool operand_is_written(const struct planner *p, unsigned *size)
{
    unsigned n;

    for (n = 0; n < 3; n++) {
        unsigned where = opnd_info[p->row->op[n]].where;

        if (where == W_E || where == W_M || where == W_O || where == W_Q || where == W_W) {
            *size = opnd_mem_size(p->row->op[n], p->i);
            return n == 0 && !(p->row->attr & A_RD1);
        }
    }
    *size = 0;
    return false;
}

/* --- layout --- */

void emit_ea_r8(struct lay *l)
{
    struct emit *e = &l->e;
    const struct insn *i = l->i;

    if (i->base == 8 && i->index == 8) {
        e_mov_imm32(e, R8, i->disp & i->amask);
        return;
    }
    if (i->base == 8 && (i->flags & IF_A32))
        e_lea32_index(e, R8, i->index, i->scale, i->disp);
    else if (i->index == 8)
        e_lea32(e, R8, i->base, (int32_t)i->disp);
    else
        e_lea_sib(e, 0, R8, i->base, i->index, i->flags & IF_A32 ? i->scale : 0, (int32_t)i->disp);
    if (!(i->flags & IF_A32))
        e_movzx16(e, R8, R8);
}

/* R8 is an offset: leave if outside, make it a linear address. Uses R9..R11. */
static void seg_check(struct lay *l, unsigned seg, bool write)
{
    struct emit *e = &l->e;
    int32_t at = CPU_OFF(seg) + (int32_t)(seg * sizeof(struct seg));
    uint8_t *ok;

    /* limit - 1 - offset is negative if outside */
    e_mov(e, REX_W, R9, R8);
    e_not(e, REX_W, R9);
    e_load64(e, R10, R15, at + (int32_t)(write ? offsetof(struct seg, wlim) : offsetof(struct seg, rlim)));
    e_lea_sib(e, REX_W, R9, R9, R10, 0, 0);
    prim_negative_to_rcx(e, R9, R10);
    ok = e_jrcxz8(e);
    emit_miss(l);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
    e_load32(e, R9, R15, at + (int32_t)offsetof(struct seg, base));
    e_lea_sib(e, 0, R8, R8, R9, 0, 0);
}

/* R8 is a linear address: R9 = what makes it a host address, or leave. */
static void probe(struct lay *l, bool write, unsigned size)
{
    struct emit *e = &l->e;
    int32_t set = write ? offsetof(struct tlb, w) : offsetof(struct tlb, r);
    uint8_t *hit;

    prim_tlb_index(e);
    e_load_sib(e, 0, R10, R14, R9, 3, set + (int32_t)offsetof(struct tlb_entry, tag));
    e_not(e, 0, R10);
    e_mov(e, REX_W, R11, RCX);
    e_lea_sib(e, 0, RCX, R8, R10, 0, (int32_t)size); /* last byte - tag */
    prim_page_number(e, l->plan->direct);
    hit = e_jrcxz8(e);
    emit_miss(l);
    e_patch8(hit, e->p);
    if (write && size <= 13) { /* what 4 counts are good for */
        l->miss[l->misses - 1].hit = e->p;
        l->miss[l->misses - 1].size = size;
    }
    e_mov(e, REX_W, RCX, R11);
    e_load_sib(e, REX_W, R9, R14, R9, 3, set + (int32_t)offsetof(struct tlb_entry, addend));
}

void emit_probe_code(struct lay *l, struct miss *m)
{
    struct emit *e = &l->e;
    uint8_t *found;

    /* R8 = linear address, R9 = twice the TLB's index */
    e_load_sib(e, 0, R10, R14, R9, 1, offsetof(struct tlb, code_tag));
    e_not(e, 0, R10);
    e_lea_sib(e, 0, RCX, R8, R10, 0, (int32_t)m->size); /* last byte - tag */
    prim_page_number(e, true);
    found = e_jrcxz8(e);
    m->patch = e_jmp32(e);
    e_patch8(found, e->p);
    prim_bits_to_rcx(e, R8, COVER_BITS, PAGE_SHIFT - COVER_BITS, false);
    e_load_sib(e, REX_W, R10, R14, R9, 2, offsetof(struct tlb, code_cover));
    /* the counts from here to where it may end */
    e_load_zx_sib(e, m->size == 1 ? 1 : m->size <= 5 ? 2 : 4, RCX, R10, RCX);
    found = e_jrcxz8(e);
    e_patch32(e_jmp32(e), m->patch - 1);
    e_patch8(found, e->p);
    e_patch32(e_jmp32(e), m->hit);
}

void emit_access(struct lay *l, const struct access *a)
{
    if (a->ea == EA_OPERAND) {
        emit_ea_r8(l);
    } else if (a->ea == EA_STACK) {
        e_lea32(&l->e, R8, a->base, a->disp);
        if (!l->plan->ss32)
            e_movzx16(&l->e, R8, R8);
    }
    if (a->check != NO_SEG)
        seg_check(l, a->check, a->write);
    if (a->path == PATH_PROBE)
        probe(l, a->write, a->size);
}

/* ModRM, SIB and displacement of the instruction's own addressing form; in 64-bit mode a plain
 * disp32 needs a SIB byte (SDM 2A 2.2.1.6). */
static void raw_modrm(struct lay *l, unsigned reg)
{
    const struct insn *i = l->i;

    if (i->base == 8)
        e_modrm_index(&l->e, reg, i->index == 8 ? 4 : i->index, i->scale, i->disp);
    else if (i->index == 8)
        e_modrm_disp(&l->e, reg, i->base, (int32_t)i->disp);
    else
        e_modrm_sib(&l->e, reg, i->base, i->index, i->scale, (int32_t)i->disp);
}

void emit_mem_op(struct lay *l, const struct access *a, unsigned p66, unsigned pmand, bool map2, unsigned op,
                 unsigned reg)
{
    struct emit *e = &l->e;
    unsigned base = a->ea == EA_NONE ? a->base : R8;
    int32_t disp = a->ea == EA_NONE ? a->disp : 0;

    if (a->path == PATH_RAW || a->path == PATH_GS)
        E(e, 0x65, 0x67);
    if (p66)
        e8(e, p66);
    if (pmand)
        e8(e, pmand);
    switch ((enum path)a->path) {
    case PATH_PROBE:
        e_rex(e, 0, reg, R8, R9);
        e_opcode(e, map2, op);
        e_modrm_sib(e, reg, R9, R8, 0, 0);
        break;
    case PATH_BASE:
        e_rex(e, 0, reg, R12, base);
        e_opcode(e, map2, op);
        e_modrm_sib(e, reg, base, R12, 0, disp);
        break;
    case PATH_INDEX:
        e_rex(e, 0, reg, l->i->index, R12);
        e_opcode(e, map2, op);
        e_modrm_sib(e, reg, R12, l->i->index, l->i->scale, (int32_t)l->i->disp);
        break;
    case PATH_GS:
        e_rex(e, 0, reg, 0, base);
        e_opcode(e, map2, op);
        e_modrm_disp(e, reg, base, disp);
        break;
    case PATH_RAW:
        e_rex(e, 0, reg, 0, 0);
        e_opcode(e, map2, op);
        raw_modrm(l, reg);
        break;
    case PATH_NONE: BUG_ON(true);
    }
}

void emit_load(struct lay *l, const struct access *a, unsigned reg)
{
    if (l->r->size == 2)
        emit_mem_op(l, a, 0, 0, true, 0xb7, reg); /* MOVZX */
    else
        emit_mem_op(l, a, 0, 0, false, 0x8b, reg);
}
