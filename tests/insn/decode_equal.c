/* decode_equal.c - whether our decoder and Capstone mean the same: operands, layout, names.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "decode.h"

#include <stdio.h>

/* --- operands --- */

static const x86_reg reg8_names[8] = { X86_REG_AL, X86_REG_CL, X86_REG_DL, X86_REG_BL,
                                       X86_REG_AH, X86_REG_CH, X86_REG_DH, X86_REG_BH };
static const x86_reg reg16_names[9] = { X86_REG_AX, X86_REG_CX, X86_REG_DX, X86_REG_BX,     X86_REG_SP,
                                        X86_REG_BP, X86_REG_SI, X86_REG_DI, X86_REG_INVALID };
static const x86_reg reg32_names[9] = { X86_REG_EAX, X86_REG_ECX, X86_REG_EDX, X86_REG_EBX,    X86_REG_ESP,
                                        X86_REG_EBP, X86_REG_ESI, X86_REG_EDI, X86_REG_INVALID };
static const x86_reg seg_names[8] = { X86_REG_ES, X86_REG_CS, X86_REG_SS,      X86_REG_DS,
                                      X86_REG_FS, X86_REG_GS, X86_REG_INVALID, X86_REG_INVALID };

static x86_reg gpr_name(unsigned n, unsigned size)
{
    static const uint8_t from_offset[16] = { 0, 4, 0, 0, 1, 5, 0, 0, 2, 6, 0, 0, 3, 7, 0, 0 };

    if (size == 1)
        return reg8_names[from_offset[n & 15]];
    return size == 2 ? reg16_names[n] : reg32_names[n];
}

static void set_reg(struct operand *o, x86_reg reg, bool optional)
{
    o->type = X86_OP_REG;
    o->reg = reg;
    o->optional = optional;
}

static void set_imm(struct operand *o, uint32_t v, unsigned size)
{
    o->type = X86_OP_IMM;
    o->imm = v;
    o->size = size;
}

static void set_mem(struct operand *o, const struct insn *i)
{
    bool a32 = i->flags & IF_A32;

    o->type = X86_OP_MEM;
    o->seg = i->flags & IF_SEGOVR ? seg_names[i->seg] : X86_REG_INVALID;
    o->base = gpr_name(i->base, a32 ? 4 : 2);
    o->index = gpr_name(i->index, a32 ? 4 : 2);
    o->scale = 1u << i->scale;
    o->disp = i->disp & i->amask;
}

static void set_string(struct operand *o, const struct insn *i, unsigned reg)
{
    o->type = X86_OP_MEM;
    o->seg = reg == EDI ? X86_REG_ES : i->flags & IF_SEGOVR ? seg_names[i->seg] : X86_REG_INVALID;
    o->base = gpr_name(reg, i->flags & IF_A32 ? 4 : 2);
    o->scale = 1;
    o->optional = true;
}

static void set_fixed(struct operand *o, unsigned kind, const struct insn *i)
{
    unsigned v = i->flags & IF_O32 ? 4 : 2;

    switch (kind) {
    case OP_I1:
        set_imm(o, 1, 1);
        o->optional = true;
        return;
    case OP_I3:
        set_imm(o, 3, 1);
        o->optional = true;
        return;
    case OP_AL: set_reg(o, X86_REG_AL, true); return;
    case OP_CL: set_reg(o, X86_REG_CL, true); return;
    case OP_AX: set_reg(o, X86_REG_AX, true); return;
    case OP_DX: set_reg(o, X86_REG_DX, true); return;
    case OP_eAX: set_reg(o, gpr_name(EAX, v), true); return;
    case OP_ES:
    case OP_CS:
    case OP_SS:
    case OP_DS:
    case OP_FS:
    case OP_GS: set_reg(o, seg_names[kind - OP_ES], false); return;
    }
}

static bool is_simd_compare(const struct encoding *e) { return e->row->map == MAP_P2 && e->row->opcode == 0xc2; }

unsigned our_operands(const struct encoding *e, struct operand *o)
{
    const struct insn *i = &e->i;
    unsigned count = 0;
    unsigned immediates = 0;
    unsigned n;

    memset(o, 0, 4 * sizeof *o);
    for (n = 0; n < 3; n++) {
        unsigned kind = e->row->op[n];
        unsigned size = opnd_reg_size(kind, i);
        struct operand *p = &o[count];

        switch (opnd_info[kind].where) {
        case W_NONE: continue;
        case W_E:
        case W_R:
        case W_M:
        case W_Q:
        case W_N:
        case W_W:
        case W_U:
        case W_O:
            if (i->flags & IF_MEM)
                set_mem(p, i);
            else if (opnd_info[kind].where == W_Q || opnd_info[kind].where == W_N)
                set_reg(p, X86_REG_MM0 + i->rm, false);
            else if (opnd_info[kind].where == W_W || opnd_info[kind].where == W_U)
                set_reg(p, X86_REG_XMM0 + i->rm, false);
            else
                set_reg(p, gpr_name(i->rm, size), false);
            break;
        case W_G: set_reg(p, gpr_name(i->reg, size), false); break;
        case W_Z: set_reg(p, gpr_name(i->rm, size), false); break;
        case W_S: set_reg(p, seg_names[i->reg], false); break;
        case W_C: set_reg(p, X86_REG_CR0 + i->reg, false); break;
        case W_D: set_reg(p, X86_REG_DR0 + i->reg, false); break;
        case W_P: set_reg(p, X86_REG_MM0 + i->reg, false); break;
        case W_V: set_reg(p, X86_REG_XMM0 + i->reg, false); break;
        case W_I:
            if (kind == OP_Ibs)
                size = i->flags & IF_O32 ? 4 : 2;
            set_imm(p, immediates++ ? i->imm2 : i->imm, size);
            /* left out where the name says it */
            p->optional = (is_simd_compare(e) && i->imm < 8) || (i->imm == 10 && (e->row->opcode & 0xfe) == 0xd4);
            break;
        case W_J:
            set_imm(p, ADDRESS + i->len + i->imm, 4);
            if (!(i->flags & IF_O32))
                p->imm &= 0xffff;
            break;
        case W_A:
            set_imm(p, i->imm2, 2);
            set_imm(&o[++count], i->imm, i->flags & IF_O32 ? 4 : 2);
            break;
        case W_X: set_string(p, i, ESI); break;
        case W_Y: set_string(p, i, EDI); break;
        case W_T: set_reg(p, kind == OP_ST0 ? X86_REG_ST0 : X86_REG_ST0 + i->rm, kind == OP_ST0); break;
        default: set_fixed(p, kind, i); break;
        }
        count++;
    }
    return count;
}

static uint32_t low_bytes(uint32_t v, unsigned n) { return n >= 4 ? v : v & ((1u << 8 * n) - 1); }

static bool operand_equal(const struct operand *a, const cs_x86_op *b, uint32_t amask)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case X86_OP_REG: return a->reg == b->reg;
    case X86_OP_IMM: return low_bytes(a->imm, a->size) == low_bytes(b->imm, a->size);
    default:
        return a->seg == b->mem.segment && a->base == b->mem.base && a->index == b->mem.index &&
               (a->index == X86_REG_INVALID || a->scale == (unsigned)b->mem.scale) &&
               a->disp == ((uint32_t)b->mem.disp & amask);
    }
}

/* Match our operands from `o` on with Capstone's from `b` on; implied ones may be missing. */
static bool match(const struct operand *o, unsigned n, const cs_x86_op *b, unsigned k, uint32_t amask)
{
    if (!n)
        return k == 0;
    if (k && operand_equal(o, b, amask) && match(o + 1, n - 1, b + 1, k - 1, amask))
        return true;
    return o->optional && match(o + 1, n - 1, b, k, amask);
}

bool operands_equal(const struct encoding *e)
{
    const cs_x86 *x = &e->cs->detail->x86;
    struct operand o[4];
    unsigned count = our_operands(e, o);

    if (match(o, count, x->operands, x->op_count, e->i.amask))
        return true;
    if (!strcmp(e->row->mnemonic, "xchg")) { /* which is first does not matter */
        struct operand t = o[0];

        o[0] = o[1];
        o[1] = t;
        return match(o, count, x->operands, x->op_count, e->i.amask);
    }
    return false;
}

/* Bytes of everything immediate by Capstone; where it is wrong about them (IN eAX, Ib) or leaves some out,
 * by the SDM's operand letters. */
static unsigned cs_imm_len(const struct encoding *e)
{
    const cs_x86_encoding *x = &e->cs->detail->x86.encoding;

    switch (e->map == MAP_P1 ? e->opcode : 0) {
    case 0xe5: return 1;                           /* Ib */
    case 0xc8: return 3;                           /* Iw, Ib */
    case 0x9a:                                     /* Ap */
    case 0xea: return e->i.flags & IF_O32 ? 6 : 4; /* Ap */
    case 0xa0:                                     /* Ob, Ov: a displacement in its eyes */
    case 0xa1:
    case 0xa2:
    case 0xa3: return x->disp_size;
    default: return x->imm_size;
    }
}

bool layout_equal(const struct encoding *e)
{
    const cs_x86_encoding *x = &e->cs->detail->x86.encoding;
    const struct insn *i = &e->i;
    bool modrm = i->flags & IF_MODRM;
    bool sib = modrm && (i->flags & IF_MEM) && (i->flags & IF_A32) && (i->modrm & 7) == 4;

    if (i->opcode_at != e->prefix_len + (e->map == MAP_P2) || i->opcode != e->opcode)
        return false;
    if (modrm != (x->modrm_offset != 0) || i->modrm != (modrm ? e->modrm : 0))
        return false;
    return insn_addr_len(i) == (modrm ? (unsigned)sib + x->disp_size : 0) && insn_imm_len(i) == cs_imm_len(e);
}

/* --- names --- */

/* Capstone's names where they are not ours, for operand sizes of 8 (or fixed), 16 and 32 bits. */
static const struct alias {
    const char *ours;
    const char *cs[3];
} aliases[] = {
    { "movs", { "movsb", "movsw", "movsd" } },  { "cmps", { "cmpsb", "cmpsw", "cmpsd" } },
    { "stos", { "stosb", "stosw", "stosd" } },  { "lods", { "lodsb", "lodsw", "lodsd" } },
    { "scas", { "scasb", "scasw", "scasd" } },  { "ins", { "insb", "insw", "insd" } },
    { "outs", { "outsb", "outsw", "outsd" } },  { "pusha", { NULL, "pushaw", "pushal" } },
    { "popa", { NULL, "popaw", "popal" } },     { "pushf", { NULL, "pushf", "pushfd" } },
    { "popf", { NULL, "popf", "popfd" } },      { "iret", { NULL, "iret", "iretd" } },
    { "cbw", { NULL, "cbw", "cwde" } },         { "cwd", { NULL, "cwd", "cdq" } },
    { "xlat", { NULL, "xlatb", "xlatb" } },     { "fucompi", { NULL, "fucomip", "fucomip" } },
    { "fcompi", { NULL, "fcomip", "fcomip" } }, { "shl", { "sal", "sal", "sal" } },
};

/* The comparisons of CMPPS and its kin by their immediate. */
static const char *const conditions[8] = { "eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord" };

const char *cs_name(const struct encoding *e)
{
    const char *blank = strrchr(e->cs->mnemonic, ' ');

    return blank ? blank + 1 : e->cs->mnemonic;
}

bool names_equal(const struct encoding *e)
{
    const char *ours = e->row->mnemonic;
    const char *cs = cs_name(e);
    bool byte = opnd_info[e->row->op[0]].msize == 1 || opnd_info[e->row->op[1]].msize == 1;
    unsigned size = byte ? 0 : e->i.flags & IF_O32 ? 2 : 1;
    char name[16];
    unsigned n;

    if (e->row->map == MAP_P1 && e->row->opcode == 0xe3) /* its name says the address size */
        return !strcmp(cs, e->i.flags & IF_A32 ? "jecxz" : "jcxz");
    if (!strcmp(cs, ours))
        return true;
    if (is_simd_compare(e) && e->i.imm < 8) {
        snprintf(name, sizeof name, "cmp%s%s", conditions[e->i.imm], ours + 3);
        return !strcmp(cs, name);
    }
    for (n = 0; n < ARRAY_SIZE(aliases); n++)
        if (!strcmp(aliases[n].ours, ours))
            return aliases[n].cs[size] && !strcmp(cs, aliases[n].cs[size]);
    return false;
}
