/* host_gen.c - random but sensible cases for every integer row of the instruction table.
 *
 * Sensible: memory operands, stacks and branch targets lie where there is memory, most of the time;
 * nothing lands inside the instruction itself or the way back; TF and AC stay clear.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "host.h"

/* Rows that the host answers otherwise: it lets users read its tables or not (UMIP), enters its
 * kernel, or gives other values each time. */
bool gen_can_test(const struct insn_row *row)
{
    static const char *const not [] = { "sgdt", "sidt", "sldt", "str", "smsw", "rdtsc", "rdpmc", "cpuid", "sysenter" };
    unsigned n;

    if (row == insn_rows || row->cls == CLS_FPU || row->cls == CLS_SIMD)
        return false;
    for (n = 0; n < ARRAY_SIZE(not ); n++)
        if (!strcmp(row->mnemonic, not [n]))
            return false;
    return true;
}

/* --- segments --- */

/* Which segments code runs with. */
static const struct setting {
    uint8_t weight;
    uint16_t cs, ss, ds, es;
} settings[] = {
    { 10, SEL_CODE32, SEL_DATA32, SEL_DATA32, SEL_DATA32 },
    { 3, SEL_LDT(LDT_CODE32), SEL_LDT(LDT_DATA32), SEL_LDT(LDT_DATA32), SEL_LDT(LDT_DATA32) },
    { 5, SEL_LDT(LDT_CODE16), SEL_LDT(LDT_DATA16), SEL_LDT(LDT_DATA16), SEL_LDT(LDT_DATA16) },
    { 1, SEL_LDT(LDT_CODE32), SEL_LDT(LDT_DATA16), SEL_LDT(LDT_DOWN), SEL_LDT(LDT_DATA32) },
    { 1, SEL_LDT(LDT_CODE16), SEL_LDT(LDT_DOWN), SEL_LDT(LDT_RDONLY), SEL_LDT(LDT_DATA16) },
};

static const uint16_t data_selectors[] = {
    0, SEL_DATA32, SEL_LDT(LDT_DATA32), SEL_LDT(LDT_DATA16), SEL_LDT(LDT_DOWN), SEL_LDT(LDT_RDONLY)
};

/* Any selector that is the same on the host: null, kernel's, user's, ours, outside the LDT. */
static uint16_t any_selector(void)
{
    static const uint16_t list[] = { 0,      1,     2,          3,    0x10,       0x13, 0x18,
                                     0x1b,   0x20,  SEL_CODE32, 0x28, SEL_DATA32, 7,    SEL_LDT(LDT_COUNT),
                                     0xffff, 0xfff7 };

    if (below(2))
        return data_selectors[below(ARRAY_SIZE(data_selectors))];
    if (below(2))
        return SEL_LDT(1 + below(LDT_COUNT - 1)) - (below(4) ? 0 : below(4));
    return list[below(ARRAY_SIZE(list))];
}

struct seg gen_seg(uint16_t sel)
{
    struct seg s = { .sel = sel };

    if (sel == SEL_CODE32 || sel == SEL_DATA32) {
        s.limit = 0xffffffff;
        s.attr = AR_P | AR_DPL | AR_S | AR_RW | AR_ACCESSED | AR_DB | AR_G | (sel == SEL_CODE32 ? AR_CODE : 0);
    } else if (sel & 4) {
        const struct ldt_entry *e = &ldt_entries[sel >> 3];

        s.base = e->base;
        s.limit = e->limit;
        s.attr = AR_DPL | AR_S | AR_ACCESSED | AR_AVL | (e->absent ? 0 : AR_P) | (e->big ? AR_DB : 0) |
                 (e->code ? AR_CODE : 0) | (e->down ? AR_EC : 0) | (e->readonly ? 0 : AR_RW);
    }
    seg_update(&s);
    return s;
}

static uint32_t base_of(uint16_t sel) { return sel & 4 ? ldt_entries[sel >> 3].base : 0; }

/* --- encoding --- */

struct gen {
    const struct insn_row *row;
    struct native_case *n;
    struct insn *i;
    bool o32, a32;
    bool stack;      /* uses the stack */
    uint8_t fixed;   /* registers that must keep their values */
    uint8_t disp_at; /* where a full displacement lies in the code, and its size; 0: none */
    uint8_t disp_size;
};

static void emit(struct gen *g, uint32_t v, unsigned size)
{
    store_n(g->n->code + g->n->len, v, size);
    g->n->len += size;
}

static bool starts_with(const char *s, const char *what) { return !strncmp(s, what, strlen(what)); }

static bool uses_stack(const struct insn_row *row)
{
    static const char *const names[] = { "push", "pop", "call", "lcall", "ret", "enter", "leave", "iret", "int" };
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(names); n++)
        if (starts_with(row->mnemonic, names[n]))
            return true;
    return false;
}

/* An offset of the code page to jump to: not into the instruction or what follows it. */
static uint32_t target(const struct gen *g)
{
    uint32_t off = below(4) ? g->n->code_off - 200 + below(400) : below(CODE_SIZE);

    if (off >= g->n->code_off - 1u && off < g->n->code_off + 32u)
        off = g->n->code_off + 40;
    return base_of(g->n->in.seg[SEG_CS]) == CODE_LA ? off : CODE_LA + off;
}

static void emit_modrm(struct gen *g)
{
    unsigned kind = g->row->modrm >> 8;
    unsigned reg = below(8);
    unsigned rm = below(8);
    unsigned mod = 3;
    bool mem_ok = kind == MRK_ANY || kind == MRK_MEM || kind == MRK_X || kind == MRK_XM;
    bool reg_ok = kind == MRK_ANY || kind == MRK_REG || kind == MRK_X || kind == MRK_XR;
    unsigned disp = 0;

    if (kind == MRK_BYTE) {
        emit(g, g->row->modrm & 0xff, 1);
        return;
    }
    if (kind == MRK_X || kind == MRK_XM || kind == MRK_XR)
        reg = g->row->modrm & 7;
    if (opnd_info[g->row->op[0]].where == W_C || opnd_info[g->row->op[1]].where == W_C)
        reg = (const uint8_t[]){ 0, 2, 3, 4 }[below(4)];
    if (opnd_info[g->row->op[0]].where == W_D || opnd_info[g->row->op[1]].where == W_D)
        reg = (const uint8_t[]){ 0, 1, 2, 3, 6, 7 }[below(6)];
    if (mem_ok && (!reg_ok || below(2)))
        mod = below(3);
    emit(g, mod << 6 | reg << 3 | rm, 1);
    if (mod == 3 || opnd_info[g->row->op[0]].where == W_R || opnd_info[g->row->op[1]].where == W_R)
        return;
    if (g->a32) {
        bool no_base = mod == 0 && rm == 5;

        if (rm == 4) {
            uint8_t sib = rnd();

            emit(g, sib, 1);
            no_base = mod == 0 && (sib & 7) == 5;
        }
        disp = no_base || mod == 2 ? 4 : mod;
    } else {
        disp = mod == 0 && rm == 6 ? 2 : mod;
    }
    if (disp > 1) {
        g->disp_at = g->n->len;
        g->disp_size = disp;
    }
    emit(g, below(2) ? rnd_bits(32) : (uint32_t)(int8_t)rnd(), disp);
}

static void emit_immediate(struct gen *g, unsigned kind)
{
    unsigned v = g->o32 ? 4 : 2;
    const char *name = g->row->mnemonic;

    switch (kind) {
    case OP_Ib:
        if (!strcmp(name, "int")) {
            uint8_t vector = below(4) ? rnd() : 3 + below(2);

            emit(g, vector == 0x80 ? 0x81 : vector, 1);
        } else if (!strcmp(name, "enter")) {
            emit(g, below(4) ? below(4) : rnd(), 1);
        } else {
            emit(g, rnd_bits(8), 1);
        }
        break;
    case OP_Ibs: emit(g, rnd_bits(8), 1); break;
    case OP_Iw: emit(g, below(8) ? below(64) : rnd_bits(16), 2); break;
    case OP_Iz: emit(g, rnd_bits(32), v); break;
    case OP_Jb: {
        int8_t d = rnd();

        if (d > -20 && d < 30)
            d = d < 0 ? -40 : 60;
        emit(g, d, 1);
        break;
    }
    case OP_Jz: emit(g, target(g) - (g->n->in.eip + g->n->len + v), v); break;
    case OP_Ap:
        emit(g, target(g), v);
        emit(g, below(3) ? g->n->in.seg[SEG_CS] : any_selector(), 2);
        break;
    }
}

static void emit_prefixes(struct gen *g, bool memory)
{
    const struct insn_row *row = g->row;
    static const uint8_t segs[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };
    bool flat = g->n->in.seg[SEG_DS] == SEL_DATA32;
    bool d = g->n->code32;

    g->o32 = d ^ (below(5) < 2);
    g->a32 = d ^ (below(10) < 3);
    if (flat && !g->a32 && memory && below(8))
        g->a32 = true; /* no memory below 64K there */
    if (((row->attr & A_LOCK) ? below(10) == 0 : below(200) == 0) && (!host_is_amd() || amd_can_prefix(row, 0xf0)))
        emit(g, 0xf0, 1);
    if (g->o32 != d && row->prefix == PFX_pAny)
        emit(g, 0x66, 1);
    else
        g->o32 = d;
    if (memory && below(6) == 0)
        emit(g, segs[below(6)], 1);
    if (g->a32 != d)
        emit(g, 0x67, 1);
    if (row->attr & A_REP) {
        if (below(3))
            emit(g, below(2) ? 0xf3 : 0xf2, 1);
    } else if (row->map == MAP_P1 && row->opcode != 0x90 && below(40) == 0 &&
               (!host_is_amd() || amd_can_prefix(row, 0xf3))) {
        emit(g, below(2) ? 0xf3 : 0xf2, 1); /* means nothing */
    }
    if (row->prefix == PFX_pF3)
        emit(g, 0xf3, 1);
    if (row->map == MAP_P2)
        emit(g, 0x0f, 1);
}

/* --- operands in memory --- */

/* A linear address for a memory operand. */
static uint32_t any_place(void)
{
    static const uint32_t wild[] = { DATA_LA - 8, DATA_LA + DATA_SIZE - 3, DATA_LA + DATA_SIZE, 0x1000, 0xffffff00 };

    switch (below(32)) {
    case 0: return wild[below(ARRAY_SIZE(wild))] + below(8);
    case 1: return WIN_B_LA + below(WIN_B_SIZE);
    case 2:
    case 3:
    case 4: return DATA_LA + 0x1000 - 8 + below(9);
    default: return WIN_A_LA + 0x80 + below(WIN_A_SIZE - 0x100);
    }
}

static uint32_t address(const uint32_t *r, const struct insn *i)
{
    return ((i->base < 8 ? r[i->base] : 0) + ((i->index < 8 ? r[i->index] : 0) << i->scale) + i->disp) & i->amask;
}

static uint32_t address_of(const struct gen *g) { return address(g->n->in.r, g->i); }

uint32_t gen_operand(const struct native_case *n, const struct insn *i)
{
    return base_of(n->in.seg[i->seg]) + address(n->in.r, i);
}

/* The inverse of an odd number modulo 2^32. */
static uint32_t inverse(uint32_t a)
{
    uint32_t x = a;
    unsigned n;

    for (n = 0; n < 5; n++)
        x *= 2 - a * x;
    return x;
}

static void set_low(uint32_t *r, uint32_t v, uint32_t mask) { *r = (*r & ~mask) | (v & mask); }

/* Change registers, or the displacement, so that the memory operand is at linear address `place`. */
static bool put_operand(struct gen *g, uint32_t place)
{
    const struct insn *i = g->i;
    uint32_t *r = g->n->in.r;
    uint32_t want = place - base_of(g->n->in.seg[i->seg]);
    uint32_t delta = want - address_of(g);

    if (!(i->flags & IF_A32) && want >> 16)
        return true; /* not to be reached with 16 bits: leave it wild */
    if (i->base < 8 && i->base != i->index && !(g->fixed >> i->base & 1)) {
        set_low(&r[i->base], r[i->base] + delta, i->amask);
    } else if (i->base < 8 && i->base == i->index && !(g->fixed >> i->base & 1)) {
        if (i->scale)
            r[i->base] = (want - i->disp) * inverse(1 + (1u << i->scale));
        else
            r[i->base] = (want - i->disp) / 2;
    } else if (i->index < 8 && !i->scale && !(g->fixed >> i->index & 1)) {
        set_low(&r[i->index], r[i->index] + delta, i->amask);
    } else if (g->disp_at) {
        store_n(g->n->code + g->disp_at, i->disp + delta, g->disp_size);
        return insn_decode(g->i, g->n->code, 15, g->n->code32, ALLOWED_FEATURES) == DECODE_OK;
    } else {
        return false;
    }
    return true;
}

/* The initial data at a linear address, or NULL if it is not all inside one window. */
static uint8_t *data_at(struct native_case *n, uint32_t la, unsigned size)
{
    if (la >= WIN_A_LA && la + size <= WIN_A_LA + WIN_A_SIZE)
        return n->win_a + (la - WIN_A_LA);
    if (la >= WIN_B_LA && la + size <= WIN_B_LA + WIN_B_SIZE)
        return n->win_b + (la - WIN_B_LA);
    return NULL;
}

static void put_data(struct native_case *n, uint32_t la, uint32_t v, unsigned size)
{
    uint8_t *p = data_at(n, la, size);

    if (p)
        store_n(p, v, size);
}

uint32_t gen_stack_top(const struct native_case *n)
{
    bool big = gen_seg(n->in.seg[SEG_SS]).attr & AR_DB;

    return base_of(n->in.seg[SEG_SS]) + (n->in.r[ESP] & (big ? 0xffffffff : 0xffff));
}

static uint32_t any_eflags(void)
{
    uint32_t f = rnd() & (EFLAGS_ARITH | EFLAGS_DF | EFLAGS_ID);

    return f | EFLAGS_1 | EFLAGS_IF;
}

/* What POPF and IRET may pop: everything but TF and AC. */
static uint32_t popped_eflags(void) { return rnd() & ~(EFLAGS_TF | EFLAGS_AC); }

/* --- what single instructions need --- */

static void put_stack(struct gen *g)
{
    struct native_case *n = g->n;
    const char *name = g->row->mnemonic;
    unsigned v = g->o32 ? 4 : 2;
    uint32_t sp = gen_stack_top(n);
    unsigned k;

    if (starts_with(name, "ret") || starts_with(name, "iret")) {
        put_data(n, sp, target(g), v);
        put_data(n, sp + v, below(3) ? n->in.seg[SEG_CS] : any_selector(), 2);
        put_data(n, sp + 2 * v, popped_eflags(), v);
        return;
    }
    if (!strcmp(name, "popf")) {
        put_data(n, sp, popped_eflags(), v);
        return;
    }
    if (!strcmp(name, "pop") && opnd_info[g->row->op[0]].where == W_F)
        put_data(n, sp, any_selector(), 2);
    if (!strcmp(name, "enter")) {
        /* frame pointers to copy */
        uint32_t bp = n->in.r[ESP] + 0x40 + below(0x40);

        n->in.r[EBP] = bp;
        for (k = 1; k < 32; k++)
            put_data(n, sp + (bp - n->in.r[ESP]) - k * v, rnd(), v);
    }
    if (!strcmp(name, "leave"))
        n->in.r[EBP] = below(8) ? n->in.r[ESP] + below(0x40) : any_place() - base_of(n->in.seg[SEG_SS]);
}

static void put_string(struct gen *g)
{
    struct native_case *n = g->n;
    uint32_t mask = g->a32 ? 0xffffffff : 0xffff;

    set_low(&n->in.r[ESI], any_place() - base_of(n->in.seg[g->i->seg]), mask);
    set_low(&n->in.r[EDI], any_place() - base_of(n->in.seg[SEG_ES]), mask);
    set_low(&n->in.r[ECX], below(8) ? below(20) : below(300), mask);
    if (g->i->flags & (IF_REP | IF_REPNE) && below(2)) {
        /* something to compare equal for a while */
        memset(n->win_a, rnd_bits(8), WIN_A_SIZE);
        memset(&n->in.r[EAX], n->win_a[0], 4);
        if (below(2))
            n->win_a[below(WIN_A_SIZE)]++;
    }
}

static void put_division(struct native_case *n)
{
    switch (below(6)) {
    case 0: n->in.r[EDX] = 0; break;
    case 1: n->in.r[EDX] = (int32_t)n->in.r[EAX] >> 31; break;
    case 2: n->in.r[EDX] = below(100); break;
    case 3: n->in.r[EAX] &= 0xffff00ff; break;
    case 4: n->in.r[EDX] = 0xffffff00 | below(256); break;
    }
}

/* Memory operand is in place: give it a meaning. False if it must have one and cannot: a random
 * selector or target would lead the host anywhere. */
static bool put_memory(struct gen *g)
{
    struct native_case *n = g->n;
    const char *name = g->row->mnemonic;
    uint32_t la = base_of(n->in.seg[g->i->seg]) + address_of(g);
    unsigned v = g->o32 ? 4 : 2;
    uint8_t *p = data_at(n, la, 8);

    bool selector = g->row->cls == CLS_SEGLD || g->row->modes == MODES_prot;

    if (!p) {
        bool meaning = selector || g->row->op[0] == OP_Mp || !strcmp(name, "call") || !strcmp(name, "jmp");

        return !meaning || la + 8 <= DATA_LA || la >= DATA_LA + DATA_SIZE;
    }
    if (!strcmp(name, "call") || !strcmp(name, "jmp")) {
        store_n(p, target(g), v);
    } else if (g->row->op[0] == OP_Mp || g->row->op[1] == OP_Mp) {
        bool far = g->row->op[0] == OP_Mp;

        store_n(p, far ? target(g) : rnd(), v);
        store16(p + v, far && below(3) ? n->in.seg[SEG_CS] : any_selector());
    } else if (!strcmp(name, "bound") && below(2)) {
        uint32_t x = n->in.r[g->i->reg];

        store_n(p, x - below(3), v);
        store_n(p + v, x + below(3) - 1, v);
    } else if (starts_with(name, "cmpxchg") && below(2) && g->i->base != EAX && g->i->index != EAX &&
               g->i->base != EDX && g->i->index != EDX) {
        memcpy(&n->in.r[EAX], p, strcmp(name, "cmpxchg8b") ? v : 4);
        if (!strcmp(name, "cmpxchg8b"))
            memcpy(&n->in.r[EDX], p + 4, 4);
    }
    if (selector && g->row->op[0] != OP_Mp && g->row->op[1] != OP_Mp)
        store16(p, any_selector());
    return true;
}

/* The same for a register operand. */
static bool put_register(struct gen *g)
{
    struct native_case *n = g->n;
    const char *name = g->row->mnemonic;

    if (!strcmp(name, "call") || !strcmp(name, "jmp")) {
        if (g->fixed >> g->i->rm & 1)
            return false; /* CALL ESP would push into the code */
        n->in.r[g->i->rm] = target(g);
    } else if (g->row->cls == CLS_SEGLD || g->row->modes == MODES_prot) {
        n->in.r[g->i->rm] = (n->in.r[g->i->rm] & 0xffff0000) | any_selector();
    } else if (starts_with(name, "cmpxchg") && below(2)) {
        n->in.r[EAX] = n->in.r[g->i->rm & 3];
    }
    return true;
}

static void choose_setting(struct native_case *n)
{
    unsigned pick = below(20);
    const struct setting *s = settings;

    while (pick >= s->weight)
        pick -= s++->weight;
    n->in.seg[SEG_CS] = s->cs;
    n->in.seg[SEG_SS] = s->ss;
    n->in.seg[SEG_DS] = s->ds;
    n->in.seg[SEG_ES] = s->es;
    n->in.seg[SEG_FS] = data_selectors[below(ARRAY_SIZE(data_selectors))];
    n->in.seg[SEG_GS] = data_selectors[below(ARRAY_SIZE(data_selectors))];
    n->code32 = s->cs != SEL_LDT(LDT_CODE16);
    n->code_off = 0x800 + below(64);
    n->in.eip = n->code_off + CODE_LA - base_of(s->cs);
}

static void fill(uint8_t *p, unsigned n)
{
    unsigned how = below(4);
    unsigned k;

    for (k = 0; k < n; k += 8)
        store64(p + k, how ? rnd() : rnd_bits(64));
}

bool gen_case(const struct insn_row *row, struct native_case *n, struct insn *i)
{
    struct gen g = { .row = row, .n = n, .i = i };
    unsigned kind = row->modrm >> 8;
    bool moffs = false;
    bool string = false;
    unsigned k;
    int rc;

    for (k = 0; k < 3; k++) {
        moffs |= opnd_info[row->op[k]].where == W_O;
        string |= opnd_info[row->op[k]].where == W_X || opnd_info[row->op[k]].where == W_Y;
    }
    g.stack = uses_stack(row);
    choose_setting(n);
    n->in.eflags = any_eflags();
    for (k = 0; k < 8; k++)
        n->in.r[k] = rnd_bits(32);
    fill(n->win_a, WIN_A_SIZE);
    fill(n->win_b, WIN_B_SIZE);

    n->len = 0;
    memset(n->code, 0, sizeof n->code);
    emit_prefixes(&g, kind != MRK_NONE || moffs || string || !strcmp(row->mnemonic, "xlat"));
    emit(&g, row->opcode | (kind == MRK_PLUS ? below(8) : 0), 1);
    if (row->opcode == 0x90 && row->map == MAP_P1 && kind == MRK_PLUS)
        n->code[n->len - 1] |= 1 + below(7);
    if (kind != MRK_NONE && kind != MRK_PLUS)
        emit_modrm(&g);
    if (moffs) {
        g.disp_at = n->len;
        g.disp_size = g.a32 ? 4 : 2;
        emit(&g, 0, g.disp_size);
    }
    for (k = 0; k < 3; k++)
        emit_immediate(&g, row->op[k]);

    rc = insn_decode(i, n->code, 15, n->code32, ALLOWED_FEATURES);
    if (rc == DECODE_UD) {
        i->len = n->len;
    } else if (rc != DECODE_OK || i->len != n->len || &insn_rows[i->row] != row) {
        return false; /* an earlier row took it (NOP for XCHG) */
    }

    /* the stack pointer lies in the window if it is used, and mostly if not */
    if (g.stack || below(4)) {
        uint32_t sp = WIN_A_LA + 0x180 + below(0x100) - base_of(n->in.seg[SEG_SS]);

        if (below(8))
            sp &= ~3u;
        if (gen_seg(n->in.seg[SEG_SS]).attr & AR_DB)
            n->in.r[ESP] = sp;
        else
            set_low(&n->in.r[ESP], sp, 0xffff);
        if (g.stack)
            g.fixed |= 1u << ESP;
    }
    if (rc != DECODE_OK)
        return true;
    if (string)
        put_string(&g);
    if (!strcmp(row->mnemonic, "xlat"))
        set_low(&n->in.r[EBX], any_place() - base_of(n->in.seg[i->seg]) - (n->in.r[EAX] & 0xff), i->amask);
    if (starts_with(row->mnemonic, "loop") || !strcmp(row->mnemonic, "jcxz"))
        set_low(&n->in.r[ECX], below(3), below(2) ? 0xffffffff : 0xffff);
    if (starts_with(row->mnemonic, "div") || starts_with(row->mnemonic, "idiv"))
        put_division(n);
    if (row->map == MAP_P2 && starts_with(row->mnemonic, "bt") && row->op[1] == OP_Gv && (i->flags & IF_MEM)) {
        n->in.r[i->reg] = below(1024) - 512;
        g.fixed |= 1u << i->reg;
    }
    if (g.stack)
        put_stack(&g);
    if (i->flags & IF_MEM)
        return put_operand(&g, any_place()) && put_memory(&g);
    return kind == MRK_NONE || put_register(&g);
}

/* --- flags --- */

uint32_t gen_undefined_flags(const struct insn_row *row, const struct native_case *n, const struct insn *i)
{
    static const char *const rotates[] = { "rol", "ror", "rcl", "rcr" };
    static const char *const shifts[] = { "shl", "shr", "sar", "shld", "shrd" };
    unsigned size = (opnd_info[row->op[0]].rsize == 1 ? 8 : i->flags & IF_O32 ? 32 : 16);
    unsigned count = 1;
    unsigned k;

    for (k = 0; k < 3; k++) {
        if (row->op[k] == OP_Ib)
            count = i->imm & 31;
        else if (row->op[k] == OP_CL)
            count = n->in.r[ECX] & 31;
    }
    for (k = 0; k < ARRAY_SIZE(rotates); k++)
        if (!strcmp(row->mnemonic, rotates[k]))
            return count > 1 ? EFLAGS_OF : 0;
    for (k = 0; k < ARRAY_SIZE(shifts); k++) {
        if (strcmp(row->mnemonic, shifts[k]))
            continue;
        if (count == 0)
            return 0;
        if (k >= 3) /* SHLD and SHRD: the result too */
            return count > size ? EFLAGS_ARITH : EFLAGS_AF | (count > 1 ? EFLAGS_OF : 0);
        return EFLAGS_AF | (count > 1 ? EFLAGS_OF : 0) | (k < 2 && count >= size ? EFLAGS_CF : 0);
    }
    return row->undef;
}
