/* detour.c - what translated code calls in C: the interpreter, for one instruction.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#define LAHF_BITS (EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF)

void flags_to_lazy(struct cpu *c)
{
    uint32_t f = native_of(c)->flags;

    lf_set_all(c, (f >> 8 & LAHF_BITS) | (f & 1) << 11);
}

void flags_to_native(struct cpu *c)
{
    uint32_t f = lf_get_all(c);

    native_of(c)->flags = ((f & LAHF_BITS) | EFLAGS_1) << 8 | (f >> 11 & 1);
}

/* Interpret instruction id & 31 of translation id >> 5; registers and flags are in *c. Returns 0 to go
 * on behind it (at native.resume), 1 to leave (c->eip is set). May leave through c->jmp. */
uint64_t detour(struct cpu *c, uint32_t id)
{
    struct bt *bt = bt_of(c);
    struct tb *tb = &bt->cache.tb[id >> 5];
    unsigned k = id & 31;
    const struct insn *i = &tb->insns[k];
    const struct insn_row *row = &insn_rows[i->row];
    bool fpu;

    bt->stats.detours++;
    bt->stats.detours_by_row[i->row & 1023]++;
    tb->hits[k]++;
    bt->flags_native = !(row->use | row->def | row->undef) &&
                       (row->cls == CLS_IDENT || row->cls == CLS_STACK || row->cls == CLS_STRING);
    if (!bt->flags_native)
        flags_to_lazy(c);
    c->eip = tb->eip;
    bt->fell = false;
    fpu = row->cls == CLS_FPU || row->cls == CLS_SIMD;
    if (fpu)
        fpu_save(c);
    tb->fns[k](c, i);
    c->cur = &insn_none;
    if (bt->flags_native && (!bt->fell || tb->dead || c->fetch_gen != bt->itlb.fetch_gen))
        flags_to_lazy(c), bt->flags_native = false;
    if (!bt->fell)
        return !bt_try_resume(bt);
    if (tb->dead || c->fetch_gen != bt->itlb.fetch_gen || (fpu && !fpu_load(c))) {
        c->eip = tb->eip + i->off + i->len;
        c->icount += i->n + 1u;
        return 1;
    }
    if (!bt->flags_native)
        flags_to_native(c);
    bt->flags_native = false;
    native_of(c)->resume = (uintptr_t)bt->cache.rx + tb->code + tb->start[k + 1];
    return 0;
}
