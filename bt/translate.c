/* translate.c - from a block of decoded instructions to a translation: gathers what a plan is made from (plan.h),
 * has it laid out (layout.h), and enters the result in the cache.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#include "bt/layout.h"
#include "bt/verify.h"
#include "cpu/callout.h"

#include <stdlib.h>

#define ROOM 16384u /* bytes that any block's code fits in */

/* Follows each instruction that takes a detour: it fell through. */
void op_stop(struct cpu *c, const struct insn *i)
{
    (void)i;
    bt_of(c)->fell = true;
}

/* Code that is not proved to be contained is our own bug: show it and stop. */
static void must_verify(struct bt *bt, const struct tb *tb)
{
    uint32_t offset;
    const char *wrong = verify_tb(bt->verifier, bt, tb, &offset);
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

/* A new translation of *b at the end of the cache, without code; NULL: no room. */
static struct tb *new_tb(struct bt *bt, struct block *b, gla_t la)
{
    struct tcache *cache = &bt->cache;
    struct tb *tb;
    unsigned n;

    if (cache->tb_count == TB_MAX || cache->exit_count + BLOCK_MAX + 1 > EXIT_MAX || cache->size - cache->used < ROOM)
        return NULL;
    tb = &cache->tb[cache->tb_count];
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
    tb->eip = bt->c->eip;
    tb->n = b->n;
    tb->incoming = NO_EXIT;
    tb->code = cache->used;
    tb->first_exit = cache->exit_count;
    memcpy(tb->insns, b->insn, (b->n + 1u) * sizeof *tb->insns);
    memset(tb->hits, 0, b->n * sizeof *tb->hits);
    for (n = 0; n <= b->n; n++) {
        if (n < b->n)
            tb->fns[n] = b->insn[n].fn;
        tb->insns[n].fn = op_stop;
    }
    return tb;
}

/* What was learnt of the block's instructions, and who wants to see them. */
static void learnt(const struct bt *bt, const struct block *b, struct plan_input *in)
{
    unsigned n;

    for (n = 0; n < b->n; n++) {
        gpa_t pa = b->pa + b->insn[n].off;

        if (adapt_is_checked(bt, pa))
            in->checked |= 1u << n;
        if (in->direct && adapt_is_wrapping(bt, pa))
            in->wraps |= 1u << n;
    }
    if (callout_wanted(bt->c, CALLOUT_INSN))
        in->watched = ~0u; /* the interpreter's handler makes the call */
    else if (callout_wanted(bt->c, CALLOUT_BLOCK))
        in->watched = 1;
}

static struct place place_of(struct bt *bt, const struct tb *tb)
{
    struct tcache *cache = &bt->cache;
    struct place where = { .code = cache->rw + tb->code,
                           .leave = cache->rw + cache->stub_exit,
                           .detour = cache->rw + cache->stub_detour,
                           .bmi2 = bt->opt.bmi2,
                           .cache = (uint32_t)(uintptr_t)cache->rx,
                           .tb = (uint32_t)(tb - cache->tb),
                           .first_exit = tb->first_exit };
    gla_t page = (tb->ctx->cs_base + tb->eip) & PAGE_MASK;
    unsigned n;

    for (n = 0; n < 2; n++) {
        where.cookie[n] = tb->cookie[n];
        where.itlb[n] = (int32_t)((char *)itlb_slot(bt->c, tb->ctx->key, page + n * PAGE_SIZE) - (char *)bt->c);
    }
    return where;
}

/* What was laid out becomes the translation's. */
static void take(struct bt *bt, struct tb *tb, const struct plan *plan, const struct laid *laid)
{
    unsigned n;

    tb->entry = tb->code + laid->entry;
    tb->loop = tb->code + laid->loop;
    tb->size = laid->size;
    for (n = 0; n < plan->n; n++)
        tb->fix[n] = plan->insn[n].fix;
    tb->exits = (uint16_t)laid->exits;
    for (n = 0; n < laid->exits; n++)
        bt->cache.exit[tb->first_exit + n] = (struct exit_link){ .tb = (uint32_t)(tb - bt->cache.tb),
                                                                 .target = laid->exit[n].target,
                                                                 .patch = tb->code + laid->exit[n].patch,
                                                                 .stub = tb->code + laid->exit[n].stub,
                                                                 .linked_to = NO_TB };
}

struct tb *translate(struct bt *bt, struct block *b, gla_t la)
{
    struct tb *tb = new_tb(bt, b, la);
    struct plan_input in;
    struct plan plan;
    struct place where;
    struct laid laid;

    if (!tb)
        return NULL;
    in = (struct plan_input){ .insn = b->insn,
                              .n = b->n,
                              .eip = tb->eip,
                              .next = tb->eip + b->bytes,
                              .key = tb->ctx->key,
                              .cs_limit = tb->ctx->cs_limit,
                              .direct = tb->ctx->direct,
                              .icount = bt->opt.icount,
                              .inline_sys = bt->opt.inline_sys,
                              .native_fpu = bt->opt.native_fpu };
    learnt(bt, b, &in);
    plan_block(&plan, &in);
    where = place_of(bt, tb);
    laid.start = tb->start;
    layout_block(&plan, b->insn, b->code, &where, &laid);
    take(bt, tb, &plan, &laid);
    if (bt->opt.verify)
        must_verify(bt, tb);
    bt->cache.used = (bt->cache.used + tb->size + 15) & ~15u;
    bt->cache.tb_count++;
    bt->cache.exit_count += tb->exits;
    if (in.checked)
        adapt_checked_tb(bt, tb);
    tcache_add(bt, tb);
    perfmap_add(bt, tb);
    bt->stats.translated++;
    bt->stats.translated_insns += b->n;
    bt->stats.translated_bytes += tb->size;
    return tb;
}
