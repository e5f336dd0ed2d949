/* memory.c - memory operands in translated code: effective address, segment checks, and the two ways
 * to the bytes. Nothing here changes the guest's flags, so that a fault sees them as they were.
 *
 * The checked way is a probe of the software TLB of cpu.h (c->tlb). On a miss the instruction is
 * called out for, from its start; the interpreter's access then fills the TLB.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/translate.h"

/* R8 = offset of the memory operand in its segment. */
void mem_ea_r8(struct tr *t)
{
    struct emit *e = &t->e;
    const struct insn *i = t->i;

    if (i->base == 8 && i->index == 8) {
        e_mov_imm32(e, R8, i->disp & i->amask);
        return;
    }
    if (i->flags & IF_A32) {
        if (i->base == 8) /* [index << scale + disp32] */ {
            e8(e, 0x44);
            e8(e, 0x8d);
            e8(e, 0x04);
            e8(e, i->scale << 6 | i->index << 3 | 5);
            e32(e, i->disp);
        } else if (i->index == 8) {
            e_lea32(e, R8, i->base, (int32_t)i->disp);
        } else {
            e_lea_sib(e, 0, R8, i->base, i->index, i->scale, (int32_t)i->disp);
        }
        return;
    }
    if (i->index == 8)
        e_lea32(e, R8, i->base, (int32_t)i->disp);
    else
        e_lea_sib(e, 0, R8, i->base, i->index, 0, (int32_t)i->disp);
    e_movzx16(e, R8, R8);
}

void mem_miss(struct tr *t)
{
    uint8_t *patch = e_jmp32(&t->e);

    BUG_ON(t->misses == ARRAY_SIZE(t->miss));
    t->miss[t->misses++] = (struct miss){ .patch = patch, .k = t->k };
}

static bool seg_is_flat(const struct tr *t, unsigned seg)
{
    return (t->x->key & FETCH_FLAT) && (seg == SEG_ES || seg == SEG_SS || seg == SEG_DS);
}

/* R8 is an offset: leave if outside, make it a linear address. Uses R9..R11. */
static void seg_check(struct tr *t, unsigned seg, bool write)
{
    struct emit *e = &t->e;
    int32_t at = CPU_OFF(seg) + (int32_t)(seg * sizeof(struct seg));
    uint8_t *ok;

    /* limit - 1 - offset is negative if outside */
    e_mov(e, REX_W, R9, R8);
    e_not(e, REX_W, R9);
    e_load64(e, R10, R15, at + (int32_t)(write ? offsetof(struct seg, wlim) : offsetof(struct seg, rlim)));
    e_lea_sib(e, REX_W, R9, R9, R10, 0, 0);
    e_mov_imm32(e, R10, 63);
    e_mov(e, REX_W, R11, RCX);
    if (t->bt->opt.bmi2)
        e_shrx(e, REX_W, RCX, R9, R10);
    else
        e_negative(e, RCX, R9);
    ok = e_jrcxz8(e);
    mem_miss(t);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
    e_load32(e, R9, R15, at + (int32_t)offsetof(struct seg, base));
    e_lea_sib(e, 0, R8, R8, R9, 0, 0);
}

/* R8 is a linear address: R9 = what makes it a host address, or leave. */
static void probe(struct tr *t, bool write, unsigned size)
{
    struct emit *e = &t->e;
    int32_t set = write ? offsetof(struct tlb, w) : offsetof(struct tlb, r);
    uint8_t *hit;

    if (t->bt->opt.bmi2)
        e_pext32(e, R9, R8, R13);
    else
        e_bits(e, R9, R8, PAGE_SHIFT, TLB_BITS);
    e_lea_sib(e, 0, R9, R9, R9, 0, 0);
    e_load_sib(e, 0, R10, R14, R9, 3, set + (int32_t)offsetof(struct tlb_entry, tag));
    e_not(e, 0, R10);
    e_mov(e, REX_W, R11, RCX);
    e_lea_sib(e, 0, RCX, R8, R10, 0, (int32_t)size); /* last byte - tag */
    if (t->x->direct)
        e_mov_imm32(e, R10, PAGE_SHIFT);
    if (t->bt->opt.bmi2)
        e_shrx(e, 0, RCX, RCX, t->x->direct ? R10 : R12);
    else
        e_bits(e, RCX, RCX, PAGE_SHIFT, 32 - PAGE_SHIFT);
    hit = e_jrcxz8(e);
    mem_miss(t);
    e_patch8(hit, e->p);
    if (write && size <= 13) { /* what 4 counts are good for */
        t->miss[t->misses - 1].hit = e->p;
        t->miss[t->misses - 1].size = size;
    }
    e_mov(e, REX_W, RCX, R11);
    e_load_sib(e, REX_W, R9, R14, R9, 3, set + (int32_t)offsetof(struct tlb_entry, addend));
}

void mem_probe_code(struct tr *t, struct miss *m)
{
    struct emit *e = &t->e;
    uint8_t *found;

    /* R8 = linear address, R9 = twice the TLB's index */
    e_load_sib(e, 0, R10, R14, R9, 1, offsetof(struct tlb, code_tag));
    e_not(e, 0, R10);
    e_lea_sib(e, 0, RCX, R8, R10, 0, (int32_t)m->size); /* last byte - tag */
    e_mov_imm32(e, R10, PAGE_SHIFT);
    if (t->bt->opt.bmi2)
        e_shrx(e, 0, RCX, RCX, R10);
    else
        e_bits(e, RCX, RCX, PAGE_SHIFT, 32 - PAGE_SHIFT);
    found = e_jrcxz8(e);
    m->patch = e_jmp32(e);
    e_patch8(found, e->p);
    e_mov_imm32(e, R10, (COVERS - 1) << COVER_BITS);
    if (t->bt->opt.bmi2)
        e_pext32(e, RCX, R8, R10);
    else
        e_bits(e, RCX, R8, COVER_BITS, PAGE_SHIFT - COVER_BITS);
    e_load_sib(e, REX_W, R10, R14, R9, 2, offsetof(struct tlb, code_cover));
    /* the counts from here to where it may end: movzx ecx, byte or word [r10 + rcx]; mov ecx, [r10 + rcx] */
    e_rex(e, 0, RCX, RCX, R10);
    if (m->size <= 5)
        e8(e, 0x0f);
    e8(e, m->size == 1 ? 0xb6 : m->size <= 5 ? 0xb7 : 0x8b);
    e_modrm_sib(e, RCX, R10, RCX, 0, 0);
    found = e_jrcxz8(e);
    e_patch32(e_jmp32(e), m->patch - 1);
    e_patch8(found, e->p);
    e_patch32(e_jmp32(e), m->hit);
}

enum mem_kind mem_prepare_r8(struct tr *t, unsigned seg, bool write, unsigned size)
{
    if (!seg_is_flat(t, seg))
        seg_check(t, seg, write);
    if (t->x->direct && !t->checked_now) {
        t->wbase = R8;
        t->wdisp = 0;
        return MEM_WINDOW_REG;
    }
    probe(t, write, size);
    return MEM_HOST;
}

enum mem_kind mem_prepare_stack(struct tr *t, unsigned reg, int32_t disp, bool write, unsigned size)
{
    if (t->x->direct && !t->checked_now && (t->x->key & FETCH_FLAT)) {
        t->wbase = reg;
        t->wdisp = disp;
        return t->wraps ? MEM_WINDOW : MEM_WINDOW_REG;
    }
    e_lea32(&t->e, R8, reg, disp);
    if (!(t->x->key & FETCH_SS32))
        e_movzx16(&t->e, R8, R8);
    return mem_prepare_r8(t, SEG_SS, write, size);
}

enum mem_kind mem_prepare(struct tr *t, bool write, unsigned size)
{
    if (t->x->direct && !t->checked_now && (t->i->flags & IF_A32) && seg_is_flat(t, t->i->seg)) {
        if (t->i->index == 8 && t->i->base != 8 && !t->wraps) {
            t->wbase = t->i->base;
            t->wdisp = (int32_t)t->i->disp;
            return MEM_WINDOW_REG;
        }
        if (t->i->index != 8 && t->i->base == 8 && !t->wraps)
            return MEM_WINDOW_INDEX;
        return MEM_WINDOW_RAW;
    }
    mem_ea_r8(t);
    return mem_prepare_r8(t, t->i->seg, write, size);
}

/* ModRM, SIB and displacement of the instruction's own addressing form; in 64-bit mode a plain
 * disp32 needs a SIB byte (SDM 2A 2.2.1.6). */
static void raw_modrm(struct tr *t, unsigned reg)
{
    struct emit *e = &t->e;
    const struct insn *i = t->i;

    if (i->base == 8) {
        e8(e, (reg & 7) << 3 | 4);
        e8(e, i->scale << 6 | (i->index == 8 ? 4 : i->index) << 3 | 5);
        e32(e, i->disp);
    } else if (i->index == 8) {
        e_modrm_disp(e, reg, i->base, (int32_t)i->disp);
    } else {
        e_modrm_sib(e, reg, i->base, i->index, i->scale, (int32_t)i->disp);
    }
}

void mem_op(struct tr *t, enum mem_kind m, unsigned p66, unsigned pmand, bool map2, unsigned op, unsigned reg)
{
    struct emit *e = &t->e;

    bool gs = m == MEM_WINDOW_RAW || m == MEM_WINDOW;

    if (gs) {
        e8(e, 0x65);
        e8(e, 0x67);
    }
    if (p66)
        e8(e, p66);
    if (pmand)
        e8(e, pmand);
    if (m == MEM_HOST)
        e_rex(e, 0, reg, R8, R9);
    else if (m == MEM_WINDOW_REG)
        e_rex(e, 0, reg, R12, t->wbase);
    else if (m == MEM_WINDOW_INDEX)
        e_rex(e, 0, reg, t->i->index, R12);
    else
        e_rex(e, 0, reg, 0, m == MEM_WINDOW ? t->wbase : 0);
    if (map2)
        e8(e, 0x0f);
    e8(e, op);
    if (m == MEM_HOST)
        e_modrm_sib(e, reg, R9, R8, 0, 0);
    else if (m == MEM_WINDOW_REG)
        e_modrm_sib(e, reg, t->wbase, R12, 0, t->wdisp);
    else if (m == MEM_WINDOW_INDEX)
        e_modrm_sib(e, reg, R12, t->i->index, t->i->scale, (int32_t)t->i->disp);
    else if (m == MEM_WINDOW)
        e_modrm_disp(e, reg, t->wbase, t->wdisp);
    else
        raw_modrm(t, reg);
}

/* Whether the instruction writes its memory operand, and its size. */
bool mem_is_write(const struct tr *t, unsigned *size)
{
    unsigned n;

    for (n = 0; n < 3; n++) {
        unsigned where = opnd_info[t->row->op[n]].where;

        if (where == W_E || where == W_M || where == W_O || where == W_Q || where == W_W) {
            *size = opnd_mem_size(t->row->op[n], t->i);
            return n == 0 && !(t->row->attr & A_RD1);
        }
    }
    *size = 0;
    return false;
}

/* Prefixes that the row's encoding needs. */
static void prefixes(const struct tr *t, unsigned *p66, unsigned *pmand)
{
    *p66 = 0;
    *pmand = 0;
    switch (t->row->prefix) {
    case PFX_p66: *p66 = 0x66; break;
    case PFX_pF3: *pmand = 0xf3; break;
    case PFX_pF2: *pmand = 0xf2; break;
    case PFX_pAny:
        if (!(t->row->attr & A_NOO) && !(t->i->flags & IF_O32) && t->row->cls != CLS_FPU)
            *p66 = 0x66;
        break;
    }
}

static bool byte_reg_high(const struct tr *t)
{
    unsigned n;

    for (n = 0; n < 3; n++)
        if (t->row->op[n] == OP_Gb)
            return (*t->raw.modrm >> 3 & 7) >= 4;
    return false;
}

void copy_insn(struct tr *t)
{
    struct emit *e = &t->e;
    const struct insn *i = t->i;
    bool map2 = t->row->map == MAP_P2;
    unsigned op = *t->raw.opcode;
    unsigned p66;
    unsigned pmand;
    unsigned reg;
    unsigned size;
    bool write;
    enum mem_kind m;

    prefixes(t, &p66, &pmand);
    if (!map2 && op == 0x82)
        op = 0x80;
    if (!(i->flags & IF_MEM)) {
        if (p66)
            e8(e, p66);
        if (pmand)
            e8(e, pmand);
        if (map2)
            e8(e, 0x0f);
        if (!map2 && op >= 0x40 && op <= 0x4f) {
            e8(e, 0xff); /* INC and DEC with a register are REX prefixes */
            e8(e, 0xc0 | (op & 15));
            return;
        }
        e8(e, op);
        if (t->raw.modrm)
            e8(e, *t->raw.modrm);
        e_bytes(e, t->raw.imm, t->raw.imm_len);
        return;
    }
    write = mem_is_write(t, &size);
    m = mem_prepare(t, write, size);
    if (!map2 && op >= 0xa0 && op <= 0xa3) {
        /* MOV with an absolute offset: as the ModRM form */
        mem_op(t, m, op & 1 ? p66 : 0, 0, false, op < 0xa2 ? 0x8a | (op & 1) : 0x88 | (op & 1), 0);
        return;
    }
    reg = *t->raw.modrm >> 3 & 7;
    if (m != MEM_WINDOW_RAW && byte_reg_high(t)) {
        if (m == MEM_WINDOW_INDEX) {
            mem_ea_r8(t);
            t->wbase = R8;
            t->wdisp = 0;
        }
        /* AH..BH exclude REX: lend ESI as the base */
        e_mov(e, REX_W, R11, 6);
        if (m == MEM_HOST) {
            e_lea_sib(e, REX_W, 6, R9, R8, 0, 0);
        } else {
            e_lea32(e, 6, t->wbase, t->wdisp);
            e8(e, 0x65);
            e8(e, 0x67);
            t->tb->fix[t->k] = FIX_RSI;
        }
        if (i->flags & IF_LOCK)
            e8(e, 0xf0);
        if (map2)
            e8(e, 0x0f);
        e8(e, op);
        e_modrm_disp(e, reg, 6, 0);
        e_bytes(e, t->raw.imm, t->raw.imm_len);
        e_mov(e, REX_W, 6, R11);
        return;
    }
    if (i->flags & IF_LOCK)
        e8(e, 0xf0);
    mem_op(t, m, p66, pmand, map2, op, reg);
    e_bytes(e, t->raw.imm, t->raw.imm_len);
}
