/* context.c - finding the context of the code that is about to run, and entering it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
#include "bt/prim.h"

static bool ctx_matches(const struct ctx *x, const struct cpu *c, bool direct)
{
    return x->key == c->fetch_key && x->cs_base == c->seg[SEG_CS].base && x->cs_limit == c->seg[SEG_CS].limit &&
           x->direct == direct;
}

/* Another selector for the same segment: an x87 instruction before had the old one. */
static void note_cs(struct bt *bt, struct ctx *x)
{
    uint16_t cs = bt->c->seg[SEG_CS].sel;

    if (x->cs != cs && native_of(bt->c)->x87_last)
        fpu_save(bt->c);
    x->cs = cs;
}

/* The context of the code that is about to run. */
void context_find(struct bt *bt)
{
    struct cpu *c = bt->c;
    bool direct = c->fetch_key & FETCH_USER ? bt->adapt.user_window && c->tlb == &c->tlbs[TLB_USER]
                                            : bt->adapt.super_window != NULL;
    unsigned h;
    unsigned n;

    if (bt->contexts.cur && ctx_matches(bt->contexts.cur, c, direct)) {
        note_cs(bt, bt->contexts.cur);
        return;
    }
    for (;;) {
        h = (c->seg[SEG_CS].base >> 4 ^ c->seg[SEG_CS].limit >> 8 ^ c->fetch_key * 7 ^ direct * 3) % CTX_MAX;
        for (n = 0; n < CTX_MAX; n++) {
            struct ctx *x = &bt->contexts.ctx[(h + n) % CTX_MAX];

            if (!x->used) {
                if (bt->contexts.count >= CTX_MAX * 3 / 4)
                    break;
                *x = (struct ctx){ .key = c->fetch_key,
                                   .cs = c->seg[SEG_CS].sel,
                                   .cs_base = c->seg[SEG_CS].base,
                                   .cs_limit = c->seg[SEG_CS].limit,
                                   .direct = direct };
                if (table_create(x)) {
                    BUG_ON(!bt->contexts.count);
                    break;
                }
                x->used = true;
                bt->contexts.count++;
                bt->contexts.cur = x;
                return;
            }
            if (ctx_matches(x, c, direct)) {
                note_cs(bt, x);
                bt->contexts.cur = x;
                return;
            }
        }
        tcache_flush(bt);
    }
}

/* What translated code of the current context finds in registers: R12, R13, GS.base. */
void context_enter(struct bt *bt)
{
    struct native *n = native_of(bt->c);
    uint64_t base;

    n->table = (uintptr_t)bt->contexts.cur->table;
    if (!bt->contexts.cur->direct) {
        n->r12 = PAGE_SHIFT;
        return;
    }
    base = window_base(bt->contexts.cur->key & FETCH_USER ? bt->adapt.user_window : bt->adapt.super_window);
    n->r12 = base;
    if (bt->contexts.gs_base == base)
        return;
    bt->contexts.gs_base = base;
    n->window = base;
    prim_set_gs_base(bt->contexts.fsgsbase, base);
}
