/* translate.c - from a block of decoded instructions to host code.
 *
 * Layout of a translation:
 *     check:  is the page of this code (and a second one's) still seen at its linear address?
 *     entry:  [exact counting: room for the block's instructions?]  safepoint
 *     instructions, one after the other
 *     cold part: software-TLB misses, exits that are not linked
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/translate.h"

#include "bt/verify.h"
#include "cpu/callout.h"

#include <stdlib.h>

/* Follows each instruction that is called out for: it fell through. */
void op_stop(struct cpu *c, const struct insn *i)
{
    (void)i;
    bt_of(c)->fell = true;
}

static void parse_raw(struct tr *t, const uint8_t *p)
{
    const struct insn *i = t->i;
    const uint8_t *end = p + i->len;
    unsigned kind = t->row->modrm >> 8;

    while (*p == 0x66 || *p == 0x67 || *p == 0xf0 || *p == 0xf2 || *p == 0xf3 || *p == 0x26 || *p == 0x2e ||
           *p == 0x36 || *p == 0x3e || *p == 0x64 || *p == 0x65)
        p++;
    if (*p == 0x0f)
        p++;
    t->raw.opcode = p++;
    t->raw.modrm = NULL;
    t->raw.mem_len = 0;
    if (kind != MRK_NONE && kind != MRK_PLUS) {
        uint8_t m = *p++;

        t->raw.modrm = p - 1;
        if (m < 0xc0) {
            const uint8_t *start = p;

            if (i->flags & IF_A32) {
                bool disp32 = (m & 7) == 5;

                if ((m & 7) == 4) {
                    disp32 = (*p & 7) == 5;
                    p++;
                }
                p += m >> 6 == 1 ? 1 : m >> 6 == 2 || disp32 ? 4 : 0;
            } else {
                p += m >> 6 == 1 ? 1 : m >> 6 == 2 || (m & 7) == 6 ? 2 : 0;
            }
            t->raw.mem_len = p - start;
        }
    }
    t->raw.imm = p;
    t->raw.imm_len = end - p;
}

static uint32_t offset_of(const struct tr *t, const uint8_t *rw) { return rw - t->bt->cache.rw; }

void emit_callout(struct tr *t)
{
    struct emit *e = &t->e;

    e_mov_imm32(e, R11, (uint32_t)(t->tb - t->bt->cache.tb) << 5 | t->k);
    e_patch32(e_jmp32(e), t->bt->cache.rw + t->bt->cache.stub_site);
}

void emit_x87_last(struct tr *t, int k)
{
    if (k >= 0 && t->bt->opt.native_fpu)
        e_store_imm32(&t->e, R15, NATIVE_OFF(x87_last), x87_name(t->bt, t->tb, (unsigned)k));
    t->x87_at = -1;
}

void emit_exit(struct tr *t, int cc, uint32_t target, unsigned done)
{
    struct exit_link *x = &t->exits[t->exit_count];
    uint8_t *at = cc < 0 ? e_jmp32(&t->e) : e_jcc32(&t->e, (unsigned)cc);

    BUG_ON(t->exit_count == ARRAY_SIZE(t->exits));
    x->target = target;
    x->patch = offset_of(t, at);
    t->exit_k[t->exit_count++] = done;
}

void emit_count(struct tr *t, unsigned n)
{
    struct emit *e = &t->e;

    e_load64(e, R9, R15, CPU_OFF(icount));
    e_lea64(e, R9, R9, (int32_t)n);
    e_store64(e, R9, R15, CPU_OFF(icount));
}

static void emit_head(struct tr *t)
{
    struct emit *e = &t->e;
    struct tb *tb = t->tb;
    uint32_t id = (uint32_t)(tb - t->bt->cache.tb);
    unsigned n;
    uint8_t *ok;

    tb->code = offset_of(t, e->p);
    for (n = 0; n < 2 && tb->cookie[n]; n++) {
        gla_t page = ((t->x->cs_base + t->eip) & PAGE_MASK) + n * PAGE_SIZE;

        e_mov(e, REX_W, R11, RCX);
        e_load32(e, RCX, R15, (int32_t)((char *)itlb_slot(t->bt->c, t->x->key, page) - (char *)t->bt->c));
        e_lea32(e, RCX, RCX, -(int32_t)tb->cookie[n]);
        ok = e_jrcxz8(e);
        e_mov(e, REX_W, RCX, R11);
        e_mov_imm32(e, R11, LEAVE_PAGE | id);
        e_patch32(e_jmp32(e), t->bt->cache.rw + t->bt->cache.stub_exit);
        e_patch8(ok, e->p);
        e_mov(e, REX_W, RCX, R11);
    }
    tb->entry = offset_of(t, e->p);
    if (fpu_comes_first(t))
        fpu_gate_here(t); /* a loop need not ask again */
    tb->loop = offset_of(t, e->p);
    if (t->bt->opt.icount) {
        /* stop - icount - n is negative: not enough left */
        e_load64(e, R9, R15, CPU_OFF(icount));
        e_not(e, REX_W, R9);
        e_load64(e, R8, R15, NATIVE_OFF(icount_stop));
        e_lea_sib(e, REX_W, R8, R8, R9, 0, 1 - (int32_t)t->b->n);
        e_mov_imm32(e, R9, 63);
        e_mov(e, REX_W, R11, RCX);
        if (t->bt->opt.bmi2)
            e_shrx(e, REX_W, RCX, R8, R9);
        else
            e_negative(e, RCX, R8);
        ok = e_jrcxz8(e);
        e_mov(e, REX_W, RCX, R11);
        e_store_imm32(e, R15, CPU_OFF(eip), t->eip);
        e_mov_imm32(e, R11, LEAVE_STEP);
        e_patch32(e_jmp32(e), t->bt->cache.rw + t->bt->cache.stub_exit);
        e_patch8(ok, e->p);
        e_mov(e, REX_W, RCX, R11);
    }
    e_load64(e, R11, R15, NATIVE_OFF(safepoint));
    e_load32(e, R11, R11, 0);
}

/* Instructions that may be copied as they are, but for the memory operand. */
static bool trans_ident(struct tr *t)
{
    const struct insn *i = t->i;
    unsigned op = *t->raw.opcode;
    bool mem = i->flags & IF_MEM;

    if (t->row->map == MAP_P2) {
        if (mem && (op == 0xa3 || op == 0xab || op == 0xb3 || op == 0xbb))
            return false; /* the bit number moves the address */
        if (op >= 0xc8 && op <= 0xcf && !(i->flags & IF_O32))
            return false; /* undefined */
        if (op >= 0x18 && op <= 0x1f)
            return true; /* NOP with an operand */
    } else if (t->checked_now && (op == 0xf6 || op == 0xf7) && (*t->raw.modrm >> 3 & 7) >= 6) {
        return false; /* a division that has raised #DE often: a signal each time */
    } else if (op == 0x8d) {
        mem_ea_r8(t);
        if (i->flags & IF_O32) {
            e_mov(&t->e, 0, i->reg, R8);
        } else {
            e8(&t->e, 0x66);
            e_mov(&t->e, 0, i->reg, R8);
        }
        return true;
    }
    copy_insn(t);
    return true;
}

/* Undefined flags are the host's, and CPUs differ in them; where runs must repeat exactly (time from
 * instruction counts, comparison with the interpreter), the interpreter's are wanted. Of the logic
 * instructions every CPU clears AF. */
static bool flags_vary(const struct tr *t)
{
    return t->row->undef && t->row->undef != FL_A
               ? true
               : t->row->undef && strcmp(t->row->mnemonic, "and") && strcmp(t->row->mnemonic, "or") &&
                     strcmp(t->row->mnemonic, "xor") && strcmp(t->row->mnemonic, "test");
}

static bool trans_one(struct tr *t)
{
    if (t->bt->opt.icount && flags_vary(t))
        return false;
    if (callout_wanted(t->bt->c, CALLOUT_INSN) || (!t->k && callout_wanted(t->bt->c, CALLOUT_BLOCK)))
        return false; /* the interpreter's handler makes the call */
    switch (t->row->cls) {
    case CLS_IDENT: return trans_ident(t);
    case CLS_NO64:
        switch (*t->raw.opcode) {
        case 0x40:
        case 0x41:
        case 0x42:
        case 0x43:
        case 0x44:
        case 0x45:
        case 0x46:
        case 0x47:
        case 0x48:
        case 0x49:
        case 0x4a:
        case 0x4b:
        case 0x4c:
        case 0x4d:
        case 0x4e:
        case 0x4f:
        case 0x82:
            if (t->row->map != MAP_P1)
                return false;
            copy_insn(t);
            return true;
        }
        return false;
    case CLS_PCREL:
    case CLS_CTRL: return trans_control(t);
    case CLS_STACK: return trans_stack(t);
    case CLS_FPU:
    case CLS_SIMD: return t->bt->opt.native_fpu && trans_fpu(t);
    case CLS_STRING: return trans_string(t);
    case CLS_UD: return false; /* its opcode may be another row's: 0F 0E, LOCK CLI */
    default: return t->bt->opt.inline_sys && trans_system(t);
    }
}

/* The parts that run seldom: misses, then exits. */
static void emit_cold(struct tr *t)
{
    struct emit *e = &t->e;
    struct bt *bt = t->bt;
    unsigned n;
    unsigned m;

    for (n = 0; n < t->misses; n++) {
        if (t->miss[n].hit) {
            e_patch32(t->miss[n].patch, e->p);
            mem_probe_code(t, &t->miss[n]);
        }
    }
    for (n = 0; n < t->misses; n++) {
        if (!t->miss[n].patch)
            continue;
        for (m = n + 1; m < t->misses; m++) {
            if (t->miss[m].patch && t->miss[m].k == t->miss[n].k) {
                e_patch32(t->miss[m].patch, e->p);
                t->miss[m].patch = NULL;
            }
        }
        e_patch32(t->miss[n].patch, e->p);
        e_mov(e, REX_W, RCX, R11);
        t->k = t->miss[n].k;
        emit_x87_last(t, x87_before(t->tb, t->k));
        emit_callout(t);
    }
    t->tb->first_exit = bt->cache.exit_count;
    t->tb->exits = t->exit_count;
    for (n = 0; n < t->exit_count; n++) {
        struct exit_link *x = &bt->cache.exit[bt->cache.exit_count + n];

        *x = t->exits[n];
        x->tb = t->tb - bt->cache.tb;
        x->linked_to = NO_TB;
        e_patch32(bt->cache.rw + x->patch, e->p);
        if (bt->opt.icount) {
            uint8_t *at;

            emit_count(t, t->exit_k[n]);
            at = e_jmp32(e);
            e_patch32(at, e->p);
            x->patch = offset_of(t, at);
        }
        x->stub = offset_of(t, e->p);
        e_mov_imm32(e, R11, LEAVE_EXIT | (bt->cache.exit_count + n));
        e_patch32(e_jmp32(e), bt->cache.rw + bt->cache.stub_exit);
    }
    bt->cache.exit_count += t->exit_count;
}

/* Code that is not proved to be contained is our own bug: show it and stop. */
static void must_verify(struct bt *bt, const struct tb *tb)
{
    uint32_t offset;
    const char *wrong = verify_tb(bt, tb, &offset);
    uint32_t n;

    bt->stats.verified++;
    if (!wrong)
        return;
    fprintf(stderr, "callgate: translation of %08x, offset %u (%p): %s\n", tb->eip, offset,
            (void *)(bt->cache.rx + tb->code + offset), wrong);
    for (n = 0; n < tb->size; n++)
        fprintf(stderr, "%02x%s", bt->cache.rw[tb->code + n], n + 1 == offset ? " | " : " ");
    fprintf(stderr, "\n");
    bt_post_mortem(bt, stderr);
    abort();
}

struct tb *translate(struct bt *bt, struct block *b, gla_t la)
{
    struct tr t = { .bt = bt, .b = b, .x = bt->contexts.cur, .eip = bt->c->eip, .x87_at = -1 };
    struct tb *tb;
    bool has_checked = false;
    unsigned n;

    if (bt->cache.tb_count == TB_MAX || bt->cache.exit_count + BLOCK_MAX + 2 > EXIT_MAX ||
        bt->cache.size - bt->cache.used < 16384)
        return NULL;
    tb = &bt->cache.tb[bt->cache.tb_count];
    memset(tb, 0, sizeof *tb);
    tb->insns = tcache_meta(bt, (b->n + 1u) * sizeof *tb->insns);
    tb->fns = tcache_meta(bt, b->n * sizeof *tb->fns);
    tb->start = tcache_meta(bt, (b->n + 1u) * sizeof *tb->start);
    tb->fix = tcache_meta(bt, b->n);
    tb->hits = tcache_meta(bt, b->n * sizeof *tb->hits);
    if (!tb->hits || !tb->insns || !tb->fns || !tb->start || !tb->fix)
        return NULL;
    tb->cookie[0] = tcache_cookie(bt, b->pa & ~(gpa_t)~PAGE_MASK, la);
    if (b->pa2 != NO_PAGE)
        tb->cookie[1] = tcache_cookie(bt, b->pa2, la + PAGE_SIZE);
    if (!tb->cookie[0] || (b->pa2 != NO_PAGE && !tb->cookie[1]))
        return NULL;
    tb->block = b;
    tb->ctx = bt->contexts.cur;
    tb->eip = t.eip;
    tb->n = b->n;
    tb->incoming = NO_EXIT;
    memcpy(tb->insns, b->insn, (b->n + 1u) * sizeof *tb->insns);
    memset(tb->fix, 0, b->n);
    memset(tb->hits, 0, b->n * sizeof *tb->hits);
    for (n = 0; n <= b->n; n++) {
        if (n < b->n)
            tb->fns[n] = b->insn[n].fn;
        tb->insns[n].fn = op_stop;
    }

    t.tb = tb;
    t.e.p = bt->cache.rw + bt->cache.used;
    t.i = &b->insn[0];
    t.row = &insn_rows[t.i->row];
    parse_raw(&t, b->code);
    emit_head(&t);
    for (n = 0; n < b->n; n++) {
        const struct insn_row *row = &insn_rows[b->insn[n].row];
        uint8_t *start;
        unsigned misses = t.misses;
        unsigned exits = t.exit_count;
        bool fpu_checked = t.fpu_checked;
        bool sse_checked = t.sse_checked;

        if ((row->attr & A_CTL) || (row->cls != CLS_FPU && row->cls != CLS_SIMD && row->cls != CLS_IDENT))
            emit_x87_last(&t, t.x87_at); /* the translation may be left here, or x87_before() ends */
        start = t.e.p;
        t.i = &b->insn[n];
        t.row = &insn_rows[t.i->row];
        t.k = n;
        t.checked_now = adapt_is_checked(bt, b->pa + t.i->off);
        has_checked |= t.checked_now;
        t.wraps = t.x->direct && adapt_is_wrapping(bt, b->pa + t.i->off);
        tb->start[n] = offset_of(&t, start) - tb->code;
        parse_raw(&t, b->code + t.i->off);
        if (!trans_one(&t)) {
            t.e.p = start;
            t.misses = misses;
            t.exit_count = exits;
            t.fpu_checked = fpu_checked;
            t.sse_checked = sse_checked;
            emit_x87_last(&t, t.x87_at);
            emit_callout(&t);
        }
    }
    tb->start[n] = offset_of(&t, t.e.p) - tb->code;
    emit_x87_last(&t, t.x87_at);
    if (!t.ended)
        emit_exit(&t, -1, t.eip + b->bytes, b->n);
    emit_cold(&t);
    tb->size = offset_of(&t, t.e.p) - tb->code;
    if (bt->opt.verify)
        must_verify(bt, tb);
    bt->cache.used = (bt->cache.used + tb->size + 15) & ~15u;
    bt->cache.tb_count++;
    if (has_checked)
        adapt_checked_tb(bt, tb);
    tcache_add(bt, tb);
    perfmap_add(bt, tb);
    bt->stats.translated++;
    bt->stats.translated_insns += b->n;
    bt->stats.translated_bytes += tb->size;
    return tb;
}
