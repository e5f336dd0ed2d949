/* btr_gen.c - random sequences of instructions for one environment; see btr.h.
 *
 * A sequence is 1 to 12 units, each one instruction or a few that belong together (a count and the
 * string instruction, a page-table entry and INVLPG). Branches go to the starts of units, mostly.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "btr.h"

enum fix_kind { FIX_REL, FIX_OFFSET, FIX_DATA };

/* Something that depends on where a unit ends up: relative to the byte behind it, its offset in CS, or
 * in the data segment. */
struct fix {
    uint16_t at;
    uint8_t size, kind;
    uint8_t seg; /* FIX_DATA: segment register */
    unsigned unit;
    int delta; /* bytes from the unit's start */
};

struct gen {
    const struct env *e;
    struct seq *s;
    struct fix fix[64];
    unsigned fixes;
    bool o32, a32; /* of the instruction under way */
    unsigned seg;  /* its segment override, or SEG_COUNT */
    uint16_t far_sel;
};

static bool chance(unsigned percent) { return below(100) < percent; }

static void emit(struct gen *g, uint64_t v, unsigned size)
{
    store_n(g->s->code + g->s->len, v, size);
    g->s->len += size;
}

static void bytes(struct gen *g, const char *b, unsigned n)
{
    memcpy(g->s->code + g->s->len, b, n);
    g->s->len += n;
}
#define BYTES(g, s) bytes(g, s, sizeof(s) - 1)

static void add_fix(struct gen *g, enum fix_kind kind, unsigned size, unsigned unit, int delta)
{
    if (g->fixes < ARRAY_SIZE(g->fix))
        g->fix[g->fixes++] = (struct fix){ (uint16_t)g->s->len, (uint8_t)size, kind, SEG_DS, unit, delta };
    emit(g, 0, size);
}

/* A unit to go to: forward as a rule. */
static unsigned any_target(const struct gen *g)
{
    unsigned here = g->s->count;

    if (chance(25))
        return below(here + 1);
    return here + 1 + below(3);
}

static int any_delta(void) { return chance(96) ? 0 : (int)below(12) - 6; }

/* --- rows by class --- */

static uint16_t rows_of[CLS_UD + 1][800];
static unsigned rows_in[CLS_UD + 1];

static void sort_rows(void)
{
    unsigned n;

    for (n = 1; n < insn_row_count; n++) {
        unsigned cls = insn_rows[n].cls;

        /* RSM, RDPMC... are like the others; HLT would end most sequences */
        if (insn_rows[n].opcode == 0xf4 && insn_rows[n].map == MAP_P1)
            continue;
        rows_of[cls][rows_in[cls]++] = (uint16_t)n;
    }
}

static const struct insn_row *row_of(unsigned cls) { return &insn_rows[rows_of[cls][below(rows_in[cls])]]; }

/* --- one instruction --- */

static bool operand_is(const struct insn_row *r, unsigned where)
{
    return opnd_info[r->op[0]].where == where || opnd_info[r->op[1]].where == where ||
           opnd_info[r->op[2]].where == where;
}

static unsigned plain_reg(void)
{
    static const uint8_t data[] = { EAX, ECX, EDX, EAX, EDX };

    return chance(60) ? data[below(ARRAY_SIZE(data))] : below(8);
}

static const struct seg *data_seg(const struct gen *g, bool stack)
{
    return &g->s->seg[g->seg < SEG_COUNT ? g->seg : stack ? SEG_SS : SEG_DS];
}

static uint32_t small_disp(void) { return chance(40) ? 0 : chance(60) ? below(16) * 4u : (uint32_t)(int8_t)rnd(); }

static void emit_disp(struct gen *g, unsigned mod, uint32_t v)
{
    if (mod == 1)
        emit(g, v, 1);
    else if (mod == 2)
        emit(g, v, g->a32 ? 4 : 2);
}

static void emit_memory(struct gen *g, unsigned reg)
{
    static const uint8_t pointers[] = { EBX, ESI, EDI, EBX, ESI, EDI, EBP };
    unsigned mod = below(3);
    unsigned how = below(100);
    unsigned base = pointers[below(ARRAY_SIZE(pointers))];

    if (!g->a32) {
        unsigned rm = below(8);

        emit(g, mod << 6 | reg << 3 | rm, 1);
        if (mod == 0 && rm == 6)
            emit(g, env_offset(g->e, data_seg(g, false)), 2);
        else
            emit_disp(g, mod, small_disp());
        return;
    }
    if (how < 58) {
        if (base == EBP && mod == 0)
            mod = 1;
        emit(g, mod << 6 | reg << 3 | base, 1);
        emit_disp(g, mod, small_disp());
    } else if (how < 76) {
        emit(g, reg << 3 | 5, 1);
        emit(g, env_offset(g->e, data_seg(g, false)), 4);
    } else if (how < 88) {
        static const uint8_t index[] = { ECX, ECX, EDX, EAX, 4, 4 };

        mod = mod ? mod : 1;
        emit(g, mod << 6 | reg << 3 | 4, 1);
        emit(g, below(4) << 6 | index[below(ARRAY_SIZE(index))] << 3 | (chance(15) ? ESP : base), 1);
        emit_disp(g, mod, small_disp());
    } else if (how < 92) {
        emit(g, reg << 3 | 4, 1);
        emit(g, below(4) << 6 | (chance(50) ? 4 : ECX) << 3 | 5, 1);
        emit(g, env_offset(g->e, data_seg(g, false)), 4);
    } else {
        unsigned rm = below(8);
        unsigned sib = (unsigned)rnd() & 255;

        emit(g, mod << 6 | reg << 3 | rm, 1);
        if (rm == 4)
            emit(g, sib, 1);
        if (mod == 0 && (rm == 5 || (rm == 4 && (sib & 7) == 5)))
            emit(g, env_offset(g->e, data_seg(g, false)), 4);
        else
            emit_disp(g, mod, small_disp());
    }
}

static void emit_modrm(struct gen *g, const struct insn_row *r, unsigned memory)
{
    unsigned kind = r->modrm >> 8;
    bool mem_ok = kind == MRK_ANY || kind == MRK_MEM || kind == MRK_X || kind == MRK_XM;
    bool reg_ok = kind == MRK_ANY || kind == MRK_REG || kind == MRK_X || kind == MRK_XR;
    unsigned reg = operand_is(r, W_G) ? plain_reg() : below(8);

    if (kind == MRK_BYTE) {
        emit(g, r->modrm & 0xff, 1);
        return;
    }
    if (kind == MRK_X || kind == MRK_XM || kind == MRK_XR)
        reg = r->modrm & 7;
    if (operand_is(r, W_C))
        reg = (const uint8_t[]){ 0, 2, 3, 4 }[below(4)];
    if (operand_is(r, W_R) || !mem_ok || (reg_ok && !chance(memory)))
        emit(g, 0xc0 | reg << 3 | (operand_is(r, W_E) ? plain_reg() : below(8)), 1);
    else
        emit_memory(g, reg);
}

static void emit_immediate(struct gen *g, const struct insn_row *r, unsigned kind)
{
    unsigned v = g->o32 ? 4 : 2;

    switch (kind) {
    case OP_Ib:
        if (!strcmp(r->mnemonic, "enter"))
            emit(g, chance(80) ? below(4) : rnd(), 1);
        else
            emit(g, chance(50) ? below(32) : rnd_bits(8), 1);
        break;
    case OP_Ibs: emit(g, rnd_bits(8), 1); break;
    case OP_Iw: emit(g, chance(90) ? below(32) : rnd_bits(16), 2); break;
    case OP_Iz: emit(g, chance(80) ? rnd_bits(32) : env_place(g->e), v); break;
    case OP_Jb: add_fix(g, FIX_REL, 1, any_target(g), any_delta()); break;
    case OP_Jz: add_fix(g, FIX_REL, v, any_target(g), any_delta()); break;
    case OP_Ap:
        add_fix(g, FIX_OFFSET, v, any_target(g), any_delta());
        emit(g, chance(70) ? g->far_sel : env_selector(g->e), 2);
        break;
    }
}

static void emit_prefixes(struct gen *g, const struct insn_row *r, bool memory)
{
    static const uint8_t segs[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    bool d = g->e->code32;

    g->o32 = d ^ chance(18);
    g->a32 = d ^ chance(memory ? 12 : 3);
    g->seg = SEG_COUNT;
    if ((r->attr & A_LOCK) ? chance(8) : below(500) == 0)
        emit(g, 0xf0, 1);
    if (memory && chance(12)) {
        g->seg = below(SEG_COUNT);
        emit(g, segs[g->seg], 1);
    } else if (chance(1)) {
        emit(g, segs[below(6)], 1);
    }
    if (g->o32 != d && r->prefix == PFX_pAny)
        emit(g, 0x66, 1);
    else
        g->o32 = d;
    if (g->a32 != d)
        emit(g, 0x67, 1);
    if (r->attr & A_REP) {
        if (chance(60))
            emit(g, chance(50) ? 0xf3 : 0xf2, 1);
    } else if (r->map == MAP_P1 && r->opcode != 0x90 && chance(1)) {
        emit(g, chance(50) ? 0xf3 : 0xf2, 1);
    }
    if (r->prefix == PFX_p66)
        emit(g, 0x66, 1);
    if (r->prefix == PFX_pF3)
        emit(g, 0xf3, 1);
    if (r->prefix == PFX_pF2)
        emit(g, 0xf2, 1);
    if (r->map == MAP_P2)
        emit(g, 0x0f, 1);
}

/* One instruction of the row; with a memory operand in `memory` per cent if either may be. */
static void emit_row(struct gen *g, const struct insn_row *r, unsigned memory)
{
    unsigned kind = r->modrm >> 8;
    bool moffs = operand_is(r, W_O);
    unsigned n;

    emit_prefixes(g, r, kind != MRK_NONE || moffs || r->cls == CLS_STRING || (r->opcode == 0xd7 && r->map == MAP_P1));
    emit(g, r->opcode | (kind == MRK_PLUS ? r->cls == CLS_STACK ? below(8) : plain_reg() : 0), 1);
    if (kind != MRK_NONE && kind != MRK_PLUS)
        emit_modrm(g, r, memory);
    if (moffs)
        emit(g, env_offset(g->e, data_seg(g, false)), g->a32 ? 4 : 2);
    for (n = 0; n < 3; n++)
        emit_immediate(g, r, r->op[n]);
}

/* --- units --- */

static void mov_reg_imm(struct gen *g, unsigned reg, uint32_t v)
{
    emit(g, 0xb8 | reg, 1);
    emit(g, v, g->e->code32 ? 4 : 2);
}

static void unit_string(struct gen *g)
{
    if (chance(70))
        mov_reg_imm(g, ECX, chance(90) ? below(24) : chance(95) ? below(600) : 0xfff0 + below(9000));
    if (chance(15))
        mov_reg_imm(g, EDI, env_offset(g->e, &g->s->seg[SEG_ES]));
    emit_row(g, row_of(CLS_STRING), 0);
}

/* A loop whose count is small, or a branch to anywhere. */
static void unit_branch(struct gen *g)
{
    unsigned v = g->e->code32 ? 4 : 2;

    switch (below(10)) {
    case 0:
    case 1: mov_reg_imm(g, ECX, 1 + below(4)); break;
    case 2: /* dec; jnz to here or before: once */
        emit(g, 0xe2, 1);
        add_fix(g, FIX_REL, 1, below(g->s->count + 1), 0);
        break;
    case 3: /* through a register */
        emit(g, 0xb8 | EAX, 1);
        add_fix(g, FIX_OFFSET, v, any_target(g), any_delta());
        emit(g, chance(50) ? 0xe0ff : 0xd0ff, 2);
        break;
    case 4: /* push and ret */
        emit(g, 0x68, 1);
        add_fix(g, FIX_OFFSET, v, any_target(g), any_delta());
        if (chance(80))
            emit(g, 0xc3, 1);
        else
            emit(g, 0xc2 | below(16) << 8, 3);
        break;
    case 5: /* call */
        emit(g, 0xe8, 1);
        add_fix(g, FIX_REL, v, any_target(g), any_delta());
        break;
    case 6: /* far */
        if (chance(50))
            emit(g, 0x0e, 1); /* push cs */
        else
            emit(g, 0x68, 1), emit(g, env_selector(g->e), v);
        emit(g, 0x68, 1);
        add_fix(g, FIX_OFFSET, v, any_target(g), any_delta());
        emit(g, 0xcb, 1);
        break;
    default: emit_row(g, row_of(CLS_PCREL), 0);
    }
}

/* A store into this very sequence, through the data segment or another mapping of the page. */
static void unit_self(struct gen *g)
{
    static const uint8_t harmless[] = { 0x90, 0x40, 0x41, 0x4a, 0xf8, 0xf9, 0xf5, 0x98, 0x99,
                                        0x9e, 0xfc, 0x27, 0xf4, 0x50, 0x58, 0xeb, 0x00, 0x3b };
    unsigned addr = g->e->code32 ? 4 : 2;
    unsigned size = chance(50) ? 1 : addr;
    unsigned unit = below(g->s->count + 4);
    int delta = (int)below(4) - (size == 1 ? 0 : 1);
    uint32_t v = 0;
    unsigned n;

    for (n = 0; n < 4; n++)
        v |= (uint32_t)(chance(80) ? harmless[below(ARRAY_SIZE(harmless))] : below(256)) << 8 * n;
    if (chance(30)) { /* from a register */
        mov_reg_imm(g, EAX, v);
        emit(g, size == 1 ? 0xa2 : 0xa3, 1);
        add_fix(g, FIX_DATA, addr, unit, delta);
        return;
    }
    emit(g, size == 1 ? 0xc6 : 0xc7, 1);
    emit(g, addr == 4 ? 5 : 6, 1);
    add_fix(g, FIX_DATA, addr, unit, delta);
    emit(g, v, size);
}

/* Change a page-table entry, INVLPG, use the page. */
static void unit_paging(struct gen *g)
{
    const struct env *e = g->e;
    bool top = chance(50);
    bool code = chance(25);
    unsigned n = (top ? code ? 0 : 8 : code ? PG_CODE : PG_DATA) + below(code ? CODE_PAGES : top ? 20 : DATA_PAGES);
    uint32_t at = (top ? PG_PT1 : PG_PT0) * PAGE_SIZE + n * (e->pae ? 8 : 4);
    gla_t la = (top ? LA_PT1 : 0) + n * PAGE_SIZE;
    unsigned to = code ? PG_CODE + below(CODE_PAGES) : PG_DATA + below(DATA_PAGES);
    bool absent = !(load32(e->gold + at) & 1);
    unsigned k;

    for (k = 0; k < g->s->pte_count; k++)
        absent &= g->s->pte[k] != at;
    /* not the code that runs: between the change and INVLPG nobody knows which page it is from */
    if (code && ((la ^ g->s->la) < PAGE_SIZE || ((la - PAGE_SIZE) ^ g->s->la) < PAGE_SIZE))
        return;
    if (!e->pg || e->cpl || !e->code32 || g->s->seg[SEG_DS].limit != 0xffffffff) {
        emit_row(g, row_of(CLS_IDENT), 90);
        return;
    }
    if (chance(50)) { /* used before */
        emit(g, 0xa1, 1);
        emit(g, la + below(4000), 4);
    }
    if (g->s->pte_count < UNITS_MAX)
        g->s->pte[g->s->pte_count++] = at;
    BYTES(g, "\xc7\x05");
    emit(g, at, 4);
    emit(g, env_pte(e, to), 4);
    if (absent && chance(70)) {
        /* it was absent: nothing of it is cached */
    } else if (chance(75)) {
        BYTES(g, "\x0f\x01\x3d");
        emit(g, la, 4);
    } else {
        BYTES(g, "\x0f\x20\xdb\x0f\x22\xdb"); /* CR3 to EBX and back; global ones stay */
        BYTES(g, "\x0f\x01\x3d");
        emit(g, la, 4);
    }
    if (code && chance(60)) { /* go there, or call */
        emit(g, chance(50) ? 0xe9 : 0xe8, 1);
        emit(g, la + below(4096) - (g->s->eip + g->s->len + 4), 4);
        return;
    }
    emit(g, chance(50) ? 0xa1 : 0xa3, 1);
    emit(g, la + below(4000), 4);
}

/* Flags to the stack, one of them changed, and back. */
static void unit_flags(struct gen *g)
{
    static const uint8_t bits[] = { 0, 2, 4, 6, 7, 9, 10, 11, 12, 13, 14, 18, 19, 20, 21, 8, 16, 17 };
    static const char *const changes[] = { "\x0f\xba\x3c\x24", "\x67\x0f\xba\x3c\x24" };

    emit(g, 0xd039, 2); /* cmp eax, edx */
    if (chance(15))
        emit(g, 0x66, 1);
    emit(g, 0x9c, 1);
    if (chance(75)) { /* btc [esp], bit */
        bytes(g, changes[!g->e->code32], g->e->code32 ? 4 : 5);
        emit(g, bits[below(chance(90) ? 15 : ARRAY_SIZE(bits))], 1);
    }
    if (chance(15))
        emit(g, 0x66, 1);
    emit(g, 0x9d, 1);
}

static void unit_privileged(struct gen *g)
{
    static const char *const flip[] = { "\x0f\x20\xc0", "\x0f\x20\xe0" };
    static const uint8_t cr0_bits[] = { 1, 2, 3, 5, 16, 18 };
    static const uint8_t cr4_bits[] = { 0, 1, 2, 3, 4, 7, 8, 9, 10 };
    unsigned which = below(2);
    unsigned bit = which ? cr4_bits[below(ARRAY_SIZE(cr4_bits))] : cr0_bits[below(ARRAY_SIZE(cr0_bits))];

    if (chance(50)) {
        emit_row(g, row_of(chance(50) ? CLS_PRIV : CLS_SENS), 60);
        return;
    }
    bytes(g, flip[which], 3);
    BYTES(g, "\x0f\xba\xf8"); /* btc eax, bit */
    emit(g, bit, 1);
    emit(g, which ? 0xe0220f : 0xc0220f, 3);
}

/* To the system and back, or anywhere. */
static void unit_transfer(struct gen *g)
{
    if (chance(70))
        emit(g, 0xd039, 2); /* no undefined flags for the handler: cmp eax, edx */
    if (chance(60))
        emit(g, 0xcd | (0x80 + below(0x60)) << 8, 2);
    else
        emit_row(g, row_of(CLS_CTRL), 50);
}

static void unit_segment(struct gen *g)
{
    static const uint8_t regs[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS, SEG_SS, SEG_ES, SEG_DS };

    if (chance(35)) {
        emit_row(g, row_of(CLS_SEGLD), 70);
        return;
    }
    mov_reg_imm(g, EAX, env_selector(g->e));
    emit(g, 0x8e, 1);
    emit(g, 0xc0 | regs[below(ARRAY_SIZE(regs))] << 3, 1);
}

static void unit_random(struct gen *g)
{
    unsigned n = 1 + below(8);

    while (n--)
        emit(g, chance(20) ? 0x0f : rnd(), 1);
}

static void emit_unit(struct gen *g)
{
    unsigned k = below(100);

    if (k < 32)
        emit_row(g, row_of(CLS_IDENT), 55);
    else if (k < 47)
        unit_branch(g);
    else if (k < 55)
        unit_string(g);
    else if (k < 63)
        emit_row(g, row_of(CLS_STACK), 50);
    else if (k < 69)
        emit_row(g, row_of(CLS_NO64), 60);
    else if (k < 75)
        emit_row(g, row_of(CLS_SIMD), 60);
    else if (k < 79)
        emit_row(g, row_of(CLS_FPU), 60);
    else if (k < 83)
        unit_self(g);
    else if (k < 86)
        unit_segment(g);
    else if (k < 89)
        emit_row(g, row_of(CLS_SENS), 50);
    else if (k < 91)
        unit_flags(g);
    else if (k < 93)
        unit_transfer(g);
    else if (k < 94)
        emit_row(g, row_of(CLS_IO), 50);
    else if (k < 97)
        unit_paging(g);
    else if (k < 98)
        unit_privileged(g);
    else
        unit_random(g);
}

/* --- the sequence --- */

static void choose_segments(struct gen *g)
{
    const struct env *e = g->e;
    struct seq *s = g->s;
    static const uint8_t kinds[] = { G_DATA16, G_LIMITED, G_DOWN32,       G_DOWN16, G_RDONLY,
                                     G_RDCODE, G_SMALL,   G_USER_LIMITED, G_DATA16, G_LIMITED };
    static const uint8_t stacks[] = { G_DATA16, G_LIMITED, G_DOWN32, G_DOWN16, G_DATA16, G_LIMITED };
    unsigned flat = G_FLATDATA * 8 | e->cpl;
    unsigned n;

    for (n = 0; n < SEG_COUNT; n++) {
        uint16_t sel;

        if (e->v86 || !e->pe)
            sel = chance(80) ? 0x1000 + below(0x2000) : below(0x4000);
        else if (e->flat && n != SEG_FS && n != SEG_GS)
            sel = flat;
        else if (n == SEG_SS)
            sel = chance(30) ? flat : stacks[below(ARRAY_SIZE(stacks))] * 8 | e->cpl;
        else if (chance(5))
            sel = 0;
        else
            sel = chance(30) ? flat : kinds[below(ARRAY_SIZE(kinds))] * 8 | e->cpl;
        s->seg[n] = env_seg(e, sel);
        s->seg[n].attr |= s->seg[n].attr ? AR_ACCESSED : 0;
        if (!e->pe && e->seed % 16 == 0) { /* limits left over from protected mode */
            s->seg[n].limit = 0xffffffff;
            if (e->seed % 32 == 0 && n != SEG_CS) {
                s->seg[n].base = s->seg[n].sel = 0;
                s->seg[n].attr |= n == SEG_SS ? AR_DB | AR_G : AR_G;
            }
        }
    }
}

/* Where it is: linear address, CS, EIP. */
static void choose_place(struct gen *g)
{
    const struct env *e = g->e;
    struct seq *s = g->s;
    uint32_t off = below(CODE_PAGES) * PAGE_SIZE;

    off += chance(20) ? 0xff0 + below(16) - below(2) * 16 : below(4096);
    if (e->v86 || !e->pe) {
        s->la = PG_CODE * PAGE_SIZE + off;
        s->eip = below(chance(50) ? 0x400 : 0x10000) & ~15u;
        s->eip = (s->eip | (s->la & 15)) & 0xffff;
        s->seg[SEG_CS].sel = (s->la - s->eip) >> 4;
        if (s->la < s->eip)
            s->eip = s->la, s->seg[SEG_CS].sel = 0;
        s->seg[SEG_CS].base = s->seg[SEG_CS].sel * 16u;
        return;
    }
    s->seg[SEG_CS] = env_seg(e, e->cs);
    if (e->cs >> 3 == G_CODE) {
        s->la = s->seg[SEG_CS].base + off;
        if (s->la < LA_PT1 && s->la >= (PG_CODE + CODE_PAGES) * PAGE_SIZE)
            s->la -= 0x1000;
        s->eip = s->la - s->seg[SEG_CS].base;
        return;
    }
    s->la = (e->pg && chance(45) ? LA_PT1 : PG_CODE * PAGE_SIZE) + off;
    s->eip = s->la;
}

static void apply_fixes(struct gen *g)
{
    struct seq *s = g->s;
    unsigned n;

    for (n = 0; n < g->fixes; n++) {
        const struct fix *f = &g->fix[n];
        unsigned unit = f->unit < s->count ? f->unit : s->count;
        uint32_t off = s->start[unit] + (uint32_t)f->delta;
        uint32_t v = s->eip + off;

        if (f->kind == FIX_REL) {
            v = off - (f->at + f->size);
        } else if (f->kind == FIX_DATA) {
            v = s->la + off;
            if (g->e->pg && !g->e->v86 && s->la < LA_PT1 && (g->e->seed + n) % 3 == 0)
                v += g->e->seed & 8 ? LA_LARGE : LA_STRICT; /* the same page elsewhere */
            v -= s->seg[f->seg].base;
        }
        store_n(s->code + f->at, v, f->size);
    }
}

void seq_make(const struct env *e, struct seq *s, uint32_t omit)
{
    struct gen g = { .e = e, .s = s };
    unsigned want = 1 + below(UNITS_MAX);

    if (!rows_in[CLS_IDENT])
        sort_rows();
    memset(s, 0, sizeof *s);
    choose_segments(&g);
    choose_place(&g);
    g.far_sel = s->seg[SEG_CS].sel;
    while (s->count < want) {
        s->start[s->count] = s->len;
        emit_unit(&g);
        s->count++;
    }
    s->start[s->count] = s->len;
    emit(&g, 0xf4, 1);
    apply_fixes(&g);
    for (unsigned n = 0; n < s->count; n++)
        if (omit >> n & 1)
            memset(s->code + s->start[n], 0x90, s->start[n + 1] - s->start[n]);
    s->runs = 2 + below(3);
    s->rep_max = chance(2) ? 80000 : 3000;
    if (e->pe && !e->v86 && chance(3))
        s->seg[SEG_CS].limit = s->eip + below(s->len);
    for (unsigned n = 0; n < SEG_COUNT; n++)
        seg_update(&s->seg[n]);
}

void seq_next(const struct env *e, struct seq *s, unsigned r, uint32_t omit)
{
    struct gen g = { .e = e, .s = s };
    unsigned n = below(s->count);
    unsigned from = s->start[n];
    unsigned len = s->start[n + 1] - from;
    unsigned end = s->len;
    unsigned count = s->count;
    uint8_t was[SEQ_BYTES];

    s->place = s->place_end = 0;
    if (r == 0 || chance(20)) {
        s->place_end = s->len;
        return;
    }
    if (chance(50) || len == 0)
        return;
    /* a unit becomes another one, if there is room */
    memcpy(was, s->code, sizeof was);
    s->len = from;
    s->count = n;
    g.far_sel = s->seg[SEG_CS].sel;
    emit_row(&g, row_of(chance(80) ? CLS_IDENT : CLS_PCREL), 40);
    s->count = count;
    if (s->len - from <= len && !(omit >> n & 1)) {
        memset(s->code + s->len, 0x90, from + len - s->len);
        s->len = end;
        apply_fixes(&g);
        s->place = from;
        s->place_end = from + len;
    } else {
        memcpy(s->code, was, sizeof was);
    }
    s->len = end;
}
