/* decode.c - from bytes to struct insn, driven by insn.def.
 *
 * The lookup tables built at start list, for each opcode, the rows that may match, in table order.
 * Everything but the choice of row follows from the row's operand letters.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/isa/insn.h"

/* Byte registers AL CL DL BL AH CH DH BH as byte offsets into the register file. */
static const uint8_t reg8_offset[8] = { 0, 4, 8, 12, 1, 5, 9, 13 };

enum { SIZE_FIXED, SIZE_BYTE, SIZE_BY_OPSIZE };

static struct {
    uint16_t first; /* index into candidates */
    uint8_t count;
    bool modrm; /* some row needs the ModRM byte */
} lookup[MAP_COUNT][256];
static uint16_t candidates[4096];
static uint8_t row_size[INSN_ROWS_MAX];
static uint8_t row_modrm[INSN_ROWS_MAX]; /* the row has a ModRM byte */

/* What is left to do about a row's operands when ModRM is read: PLAN_ANY stands for all of it. */
enum { PLAN_REG8 = 1, PLAN_RM8 = 2, PLAN_IMM = 4, PLAN_ANY = 8 };
static struct {
    uint8_t todo;
    uint8_t kind;    /* of the immediate */
    bool always_reg; /* ModRM names a register whatever its upper bits say */
} plan[INSN_ROWS_MAX];

/* The first row that may match, by what decides for nearly all: prefix (none, 66, F3, F2), ModRM.mod = 3,
 * ModRM.reg. ROW_SEARCH: the other bits of ModRM decide, too. */
#define ROW_SEARCH 0xffff
static uint16_t quick[MAP_COUNT][256][4][16];

/* Which function of the hset a row's instructions use: by the first operand that has a size. */
static uint8_t size_rule(const struct insn_row *r)
{
    unsigned n;

    if (r->attr & A_NOO)
        return SIZE_FIXED;
    for (n = 0; n < 3; n++) {
        const struct opnd_info *o = &opnd_info[r->op[n]];

        if (o->where == W_NONE || o->where == W_I || o->where == W_J || r->op[n] == OP_DX || r->op[n] == OP_CL ||
            r->op[n] == OP_I1)
            continue;
        return o->rsize == 1 || (o->where == W_M && o->msize == 1) ? SIZE_BYTE : SIZE_BY_OPSIZE;
    }
    return SIZE_BY_OPSIZE;
}

static bool row_needs_modrm(const struct insn_row *r)
{
    unsigned kind = r->modrm >> 8;

    return kind != MRK_NONE && kind != MRK_PLUS;
}

static bool modrm_matches(uint16_t want, uint8_t modrm)
{
    unsigned v = want & 0xff;
    unsigned reg = modrm >> 3 & 7;
    bool is_reg = modrm >= 0xc0;

    switch (want >> 8) {
    case MRK_MEM: return !is_reg;
    case MRK_REG: return is_reg;
    case MRK_X: return reg == v;
    case MRK_XM: return reg == v && !is_reg;
    case MRK_XR: return reg == v && is_reg;
    case MRK_BYTE: return modrm == v;
    default: return true;
    }
}

static bool prefix_matches(unsigned want, unsigned flags)
{
    switch (want) {
    case PFX_pNP: return !(flags & (IF_66 | IF_REP | IF_REPNE));
    case PFX_p66: return (flags & (IF_66 | IF_REP | IF_REPNE)) == IF_66;
    case PFX_pF3: return flags & IF_REP;
    case PFX_pF2: return flags & IF_REPNE;
    default: return true;
    }
}

static void make_plan(unsigned row)
{
    const struct insn_row *r = &insn_rows[row];
    unsigned todo = 0;
    unsigned n;

    for (n = 0; n < 3; n++) {
        const struct opnd_info *o = &opnd_info[r->op[n]];

        switch (o->where) {
        case W_G:
        case W_S:
        case W_C:
        case W_D:
        case W_P:
        case W_V: todo |= !row_modrm[row] ? PLAN_ANY : o->rsize == 1 ? PLAN_REG8 : 0; break;
        case W_E: todo |= !row_modrm[row] ? PLAN_ANY : o->rsize == 1 ? PLAN_RM8 : 0; break;
        case W_I:
        case W_J:
            todo |= todo & PLAN_IMM ? PLAN_ANY : PLAN_IMM;
            plan[row].kind = r->op[n];
            break;
        case W_Z:
        case W_O:
        case W_A: todo |= PLAN_ANY; break;
        }
        plan[row].always_reg |= n < 2 && o->where == W_R;
    }
    plan[row].todo = todo;
}

static void make_quick(unsigned map, unsigned op, unsigned prefix, unsigned form)
{
    static const uint32_t flags[4] = { 0, IF_66, IF_REP, IF_REPNE };
    unsigned modrm = (form & 8 ? 0xc0 : 0) | (form & 7) << 3;
    unsigned n;

    for (n = 0; n < lookup[map][op].count; n++) {
        unsigned row = candidates[lookup[map][op].first + n];
        const struct insn_row *r = &insn_rows[row];

        if (r->modrm >> 8 == MRK_BYTE && ((r->modrm ^ modrm) & 0xf8) == 0) {
            quick[map][op][prefix][form] = ROW_SEARCH;
            return;
        }
        if (modrm_matches(r->modrm, (uint8_t)modrm) && prefix_matches(r->prefix, flags[prefix])) {
            quick[map][op][prefix][form] = row;
            return;
        }
    }
}

void insn_init(void)
{
    static bool done;
    unsigned next = 0;
    unsigned map;
    unsigned op;
    unsigned n;

    if (done)
        return;
    done = true;
    for (n = 1; n < insn_row_count; n++) {
        row_size[n] = size_rule(&insn_rows[n]);
        row_modrm[n] = row_needs_modrm(&insn_rows[n]);
        make_plan(n);
    }
    for (map = 0; map < MAP_COUNT; map++) {
        for (op = 0; op < 256; op++) {
            lookup[map][op].first = next;
            for (n = 1; n < insn_row_count; n++) {
                const struct insn_row *r = &insn_rows[n];
                unsigned span = r->modrm >> 8 == MRK_PLUS ? 0xf8 : 0xff;

                if (r->map != map || r->opcode != (op & span))
                    continue;
                BUG_ON(next == ARRAY_SIZE(candidates));
                candidates[next++] = n;
                lookup[map][op].count++;
                if (row_modrm[n])
                    lookup[map][op].modrm = true;
            }
            for (n = 0; n < 64; n++)
                make_quick(map, op, n >> 4, n & 15);
        }
    }
}

static const struct insn_row *find_row(unsigned map, unsigned op, uint8_t modrm, unsigned flags, uint64_t features)
{
    unsigned prefix = flags & IF_REP ? 2 : flags & IF_REPNE ? 3 : flags & IF_66 ? 1 : 0;
    unsigned row = quick[map][op][prefix][(modrm >= 0xc0) << 3 | (modrm >> 3 & 7)];
    unsigned n;

    if (row != ROW_SEARCH && row && (features >> insn_rows[row].feature & 1))
        return &insn_rows[row];
    for (n = 0; n < lookup[map][op].count; n++) {
        const struct insn_row *r = &insn_rows[candidates[lookup[map][op].first + n]];

        if (modrm_matches(r->modrm, modrm) && prefix_matches(r->prefix, flags) && (features >> r->feature & 1))
            return r;
    }
    return NULL;
}

/* The bytes of the instruction, never read past `end`. */
struct cursor {
    const uint8_t *start;
    const uint8_t *p;
    const uint8_t *end;
};

#define NEED(n)                                \
    do {                                       \
        if ((size_t)(cur->end - cur->p) < (n)) \
            return DECODE_MORE;                \
    } while (0)

/* The addressing form of a ModRM with memory operand (SDM 2, tables 2-1 to 2-3). */
static int decode_address(struct insn *i, struct cursor *cur, uint8_t modrm, int segovr)
{
    static const uint8_t base16[8] = { EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX };
    static const uint8_t index16[8] = { ESI, EDI, ESI, EDI, 8, 8, 8, 8 };
    unsigned mod = modrm >> 6;
    unsigned rm = modrm & 7;
    unsigned disp_size = mod == 1 ? 1 : 0;

    if (!(i->flags & IF_A32)) {
        i->base = base16[rm];
        i->index = index16[rm];
        if (mod == 2)
            disp_size = 2;
        if (mod == 0 && rm == 6) {
            i->base = 8;
            disp_size = 2;
        }
    } else {
        i->base = rm;
        if (mod == 2)
            disp_size = 4;
        if (rm == 4) {
            uint8_t sib;

            NEED(1);
            sib = *cur->p++;
            i->base = sib & 7;
            i->index = sib >> 3 & 7;
            i->scale = sib >> 6;
            if (i->index == 4) {
                i->index = 8;
                i->scale = 0;
            }
        }
        if (mod == 0 && i->base == 5) {
            i->base = 8;
            disp_size = 4;
        }
    }
    NEED(disp_size);
    switch (disp_size) {
    case 1: i->disp = (uint32_t)(int8_t)cur->p[0]; break;
    case 2: i->disp = (uint32_t)(int16_t)load16(cur->p); break;
    case 4: i->disp = load32(cur->p); break;
    }
    cur->p += disp_size;
    if (segovr >= 0)
        i->seg = segovr;
    else
        i->seg = i->base == ESP || i->base == EBP ? SEG_SS : SEG_DS;
    return DECODE_OK;
}

/* Immediates, branch offsets, far pointers. `second`: an immediate was read already. */
static int decode_immediate(struct insn *i, struct cursor *cur, unsigned kind, bool *second)
{
    unsigned osize = i->flags & IF_O32 ? 4 : 2;
    uint32_t v;

    switch (kind) {
    case OP_Ib:
    case OP_Ibs:
    case OP_Jb:
        NEED(1);
        v = kind == OP_Ib ? cur->p[0] : (uint32_t)(int8_t)cur->p[0];
        cur->p += 1;
        break;
    case OP_Iw:
        NEED(2);
        v = load16(cur->p);
        cur->p += 2;
        break;
    case OP_Ap:
        NEED(osize + 2);
        v = osize == 4 ? load32(cur->p) : load16(cur->p);
        i->imm2 = load16(cur->p + osize);
        cur->p += osize + 2;
        break;
    default: /* Iz, Jz */
        NEED(osize);
        v = osize == 4 ? load32(cur->p) : (uint32_t)(int16_t)load16(cur->p);
        cur->p += osize;
        break;
    }
    if (*second)
        i->imm2 = v;
    else
        i->imm = v;
    *second = true;
    return DECODE_OK;
}

static int decode_operands(struct insn *i, struct cursor *cur, const struct insn_row *r, int segovr)
{
    uint8_t modrm = i->modrm;
    uint8_t opcode = i->opcode;
    unsigned todo = plan[i->row].todo;
    bool second = false;
    unsigned n;
    int rc;

    if (!(todo & PLAN_ANY)) {
        if (todo & PLAN_REG8)
            i->reg = reg8_offset[i->reg];
        if ((todo & PLAN_RM8) && !(i->flags & IF_MEM))
            i->rm = reg8_offset[i->rm];
        return todo & PLAN_IMM ? decode_immediate(i, cur, plan[i->row].kind, &second) : DECODE_OK;
    }
    for (n = 0; n < 3; n++) {
        unsigned kind = r->op[n];
        const struct opnd_info *o = &opnd_info[kind];

        switch (o->where) {
        case W_G: i->reg = o->rsize == 1 ? reg8_offset[modrm >> 3 & 7] : modrm >> 3 & 7; break;
        case W_S:
        case W_C:
        case W_D:
        case W_P:
        case W_V: i->reg = modrm >> 3 & 7; break;
        case W_Z: i->rm = o->rsize == 1 ? reg8_offset[opcode & 7] : opcode & 7; break;
        case W_E:
            if (!(i->flags & IF_MEM))
                i->rm = o->rsize == 1 ? reg8_offset[modrm & 7] : modrm & 7;
            break;
        case W_O: {
            unsigned asize = i->flags & IF_A32 ? 4 : 2;

            NEED(asize);
            i->disp = asize == 4 ? load32(cur->p) : load16(cur->p);
            cur->p += asize;
            i->seg = segovr >= 0 ? segovr : SEG_DS;
            i->flags |= IF_MEM;
            break;
        }
        case W_I:
        case W_J:
        case W_A:
            rc = decode_immediate(i, cur, kind, &second);
            if (rc)
                return rc;
            break;
        default: break;
        }
    }
    return DECODE_OK;
}

/* Which of its functions an instruction uses. */
static unsigned fn_index(const struct insn *i)
{
    return row_size[i->row] != SIZE_BY_OPSIZE ? 0 : i->flags & IF_O32 ? 2 : 1;
}

insn_fn insn_unguarded(const struct insn *i) { return insn_rows[i->row].h->fn[(i->flags & IF_MEM) != 0][fn_index(i)]; }

/* What the columns `modes` and `priv` say must be checked before the handler runs. */
static bool is_guarded(const struct insn_row *r) { return r->modes != MODES_any || r->priv == PRIV_cpl0; }

insn_fn insn_handler(const struct insn *i)
{
    insn_fn fn = insn_unguarded(i);

    return fn && is_guarded(&insn_rows[i->row]) ? insn_guard : fn;
}

static int decode(struct insn *i, struct cursor *cur, bool cs_d, uint64_t features)
{
    const struct insn_row *r;
    unsigned flags = cs_d ? IF_O32 | IF_A32 : 0;
    unsigned map = MAP_P1;
    uint8_t modrm = 0;
    uint8_t op;
    int segovr = -1;
    int rc;

    for (;;) {
        NEED(1);
        op = *cur->p++;
        switch (op) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e: segovr = op >> 3 & 3; continue;
        case 0x64: segovr = SEG_FS; continue;
        case 0x65: segovr = SEG_GS; continue;
        case 0x66: flags = (flags & ~IF_O32) | (cs_d ? 0 : IF_O32) | IF_66; continue;
        case 0x67: flags = (flags & ~IF_A32) | (cs_d ? 0 : IF_A32) | IF_67; continue;
        case 0xf0: flags |= IF_LOCK; continue;
        case 0xf2: flags = (flags & ~IF_REP) | IF_REPNE; continue;
        case 0xf3: flags = (flags & ~IF_REPNE) | IF_REP; continue;
        case 0x0f:
            map = MAP_P2;
            NEED(1);
            op = *cur->p++;
            break;
        }
        break;
    }
    if (segovr >= 0)
        flags |= IF_SEGOVR;
    i->flags = flags;
    i->opcode = op;
    i->opcode_at = cur->p - cur->start - 1;
    i->amask = flags & IF_A32 ? 0xffffffff : 0xffff;
    i->base = 8;
    i->index = 8;
    i->seg = segovr >= 0 ? segovr : SEG_DS;
    if (lookup[map][op].modrm) {
        NEED(1);
        modrm = *cur->p;
    }
    r = find_row(map, op, modrm, flags, features);
    if (!r) {
        cur->p += lookup[map][op].modrm; /* undefined by this byte: it belongs to the instruction */
        return DECODE_UD;
    }
    i->row = r - insn_rows;
    if (row_modrm[i->row]) {
        cur->p++;
        i->flags |= IF_MODRM;
        i->modrm = modrm;
        i->reg = modrm >> 3 & 7;
        i->rm = modrm & 7;
        if (modrm < 0xc0 && !plan[i->row].always_reg) {
            i->rm = 0;
            i->flags |= IF_MEM;
            rc = decode_address(i, cur, modrm, segovr);
            if (rc)
                return rc;
        }
    }
    i->imm_at = cur->p - cur->start;
    rc = decode_operands(i, cur, r, segovr);
    if (rc)
        return rc;
    if ((flags & IF_LOCK) && !((r->attr & A_LOCK) && (i->flags & IF_MEM)))
        return DECODE_UD;
    i->fn = insn_handler(i);
    return i->fn ? DECODE_OK : DECODE_UD;
}

int insn_decode(struct insn *i, const uint8_t *p, unsigned avail, bool cs_d, uint64_t features)
{
    struct cursor cur = { p, p, p + (avail < 15 ? avail : 15) };
    int rc;

    memset(i, 0, sizeof *i);
    rc = decode(i, &cur, cs_d, features);
    if (rc == DECODE_MORE && avail >= 15)
        rc = DECODE_TOO_LONG;
    i->len = cur.p - p;
    if (rc == DECODE_UD) {
        i->row = 0;
        i->fn = insn_rows[0].h->fn[0][0];
    }
    return rc;
}

void insn_specialize(struct insn *i)
{
    const struct hset *h = insn_rows[i->row].h;
    bool mem = i->flags & IF_MEM;
    insn_fn fn = h->flat[!mem ? 0 : i->index == 8 ? 1 : 2][fn_index(i)];

    if (mem && (!(i->flags & IF_A32) || (i->seg != SEG_ES && i->seg != SEG_SS && i->seg != SEG_DS)))
        return;
    if (fn && i->fn != insn_guard)
        i->fn = fn;
}

static unsigned resolve(unsigned size, const struct insn *i)
{
    unsigned o32 = (i->flags & IF_O32) != 0;

    switch (size) {
    case SZ_V: return o32 ? 4 : 2;
    case SZ_VV: return o32 ? 8 : 4;
    case SZ_P: return o32 ? 6 : 4;
    case SZ_ENV: return o32 ? 28 : 14;
    case SZ_SAVE: return o32 ? 108 : 94;
    default: return size;
    }
}

unsigned opnd_mem_size(enum opnd_kind kind, const struct insn *i) { return resolve(opnd_info[kind].msize, i); }

unsigned opnd_reg_size(enum opnd_kind kind, const struct insn *i) { return resolve(opnd_info[kind].rsize, i); }
