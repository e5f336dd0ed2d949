/* bt.c - the engine: decides what is interpreted and what is translated, and goes between the two.
 *
 * Code is interpreted, from the same blocks as the interpreter's, until a block has run often enough;
 * then it is translated. Translated code runs until something needs C: an event, an exit to code that
 * has no translation yet, a page of code that must be looked up, an instruction that ends the block.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
#include "bt/engine.h"
#include "bt/prim.h"
#include "bt/verify.h"
#include "cpu/callout.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Another thread, or a device, wants the CPU to stop at the next block. */
static void kick(struct cpu *c) { atomic_store_explicit(&native_of(c)->safepoint, NULL, memory_order_release); }

/* --- the pages of code --- */

/* Linear addresses may translate differently: forget what the itlb cannot know any more. */
static void follow_flush(struct bt *bt)
{
    struct cpu *c = bt->c;
    uint32_t n = c->invlpg_count - bt->itlb.invlpg_count;

    if (c->global_gen != bt->itlb.global_gen || n > INVLPG_RING || bt->opt.icount) {
        itlb_clear(c);
        bt->itlb.super_local = false;
    } else if (c->flush_gen != bt->itlb.flush_gen) {
        memset(native_of(c)->itlb_user, 0, sizeof native_of(c)->itlb_user);
        if (bt->itlb.super_local) {
            memset(native_of(c)->itlb_super, 0, sizeof native_of(c)->itlb_super);
            bt->itlb.super_local = false;
        }
    }
    for (; n && n <= INVLPG_RING; n--) {
        gla_t la = c->invlpg_la[(c->invlpg_count - n) % INVLPG_RING];

        *itlb_slot(c, 0, la) = 0;
        *itlb_slot(c, FETCH_USER, la) = 0;
    }
    bt->itlb.fetch_gen = c->fetch_gen;
    if (c->flush_gen != bt->itlb.flush_gen)
        bt->adapt.as = NULL; /* CR3 may be another */
    bt->itlb.flush_gen = c->flush_gen;
    bt->itlb.global_gen = c->global_gen;
    bt->itlb.invlpg_count = c->invlpg_count;
}

/* --- finding translations --- */

static uint64_t nanoseconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Enter in the itlb what the pages of a translation are, now that it was found by its block. */
static void learn_pages(struct bt *bt, const struct tb *t, gla_t la)
{
    struct cpu *c = bt->c;
    unsigned user = (bt->contexts.cur->key & FETCH_USER) != 0;
    unsigned n;

    if (!user && !block_fetch_page(c, la)->global)
        bt->itlb.super_local = true;
    for (n = 0; n < 2 && t->cookie[n]; n++)
        *itlb_slot(c, bt->contexts.cur->key, la + n * PAGE_SIZE) = t->cookie[n];
}

/* The translation at CS:EIP, made now if its block is hot; NULL: interpret *b. */
static struct tb *find_tb(struct bt *bt, struct block **b)
{
    struct cpu *c = bt->c;
    gla_t la = c->seg[SEG_CS].base + c->eip;
    uint64_t tag = block_tag(c, la);
    struct block **slot = block_slot(c, la);
    struct block *k = *slot;
    struct tb *t;
    uint64_t start;

    if (!k || k->tag != tag) {
        c->blocks->stats.misses++;
        k = block_find(c, la, 0);
        context_find(bt); /* may have been flushed */
        if (k != c->blocks->scratch && k->pa2 == NO_PAGE) {
            k->tag = tag;
            *slot = k;
        }
    } else if ((uint64_t)c->eip + k->bytes - 1 > c->seg[SEG_CS].limit) {
        k = block_find(c, la, 0);
        context_find(bt);
    }
    *b = k;
    if (k == c->blocks->scratch || !k->code)
        return NULL;
    t = tcache_find(bt, k, c->eip);
    if (!t) {
        if (k->heat < bt->opt.heat) {
            k->heat++;
            return NULL;
        }
        if (budget_exceeded(bt)) { /* begin anew: *k goes, too */
            blocks_flush(c);
            *b = block_find(c, la, 0);
            context_find(bt);
            return NULL;
        }
        start = nanoseconds();
        t = translate(bt, k, la);
        if (!t) {
            tcache_flush(bt);
            context_find(bt);
            t = translate(bt, k, la);
            BUG_ON(!t);
        }
        bt->stats.translate_ns += nanoseconds() - start;
    } else {
        table_set(bt, bt->contexts.cur, t->eip, t->code);
    }
    learn_pages(bt, t, la);
    return t;
}

/* The page of a translation was not in the itlb: if it is what it was, all is well. Raises #PF. */
static bool same_page(struct bt *bt, const struct tb *t)
{
    struct cpu *c = bt->c;
    gla_t la = c->seg[SEG_CS].base + t->eip;
    const struct fetch_entry *e;

    if (t->cookie[1] || t->dead)
        return false;
    e = block_fetch_page(c, la);
    if (e->page != bt->cache.vpage[t->cookie[0]].page)
        return false;
    learn_pages(bt, t, la);
    return true;
}

/* Follow up on an exit that was not linked: link it if there is something to link it to. */
static void follow_exit(struct bt *bt, uint32_t n)
{
    struct exit_link *x = &bt->cache.exit[n];
    uint32_t off;

    bt->c->eip = x->target;
    bt->stats.exits_unlinked++;
    if (!bt->opt.chain)
        return;
    off = table_get(bt->cache.tb[x->tb].ctx, x->target);
    if (off)
        tcache_link(bt, n, tcache_tb_at(bt, off));
}

bool bt_try_resume(struct bt *bt)
{
    struct cpu *c = bt->c;
    uint32_t off;

    if (atomic_load_explicit(&c->events, memory_order_acquire) || c->icount >= c->icount_stop ||
        c->blocks->flush_wanted || c->fetch_gen != bt->itlb.fetch_gen || (!bt->adapt.as && bt->opt.direct))
        return false;
    context_find(bt);
    off = table_get(bt->contexts.cur, c->eip);
    if (!off)
        return false;
    if (!bt->opt.icount)
        c->shadow_at = UINT64_MAX; /* nothing waits: it protects from nothing */
    flags_to_native(c);
    fpu_gate(c);
    context_enter(bt);
    native_of(c)->resume = (uintptr_t)bt->cache.rx + off;
    return true;
}

/* --- the loop --- */

static void step(struct cpu *c)
{
    fpu_save(c);
    interp_step(c);
}

static void interpret(struct cpu *c, struct block *b, gla_t la)
{
    if (unlikely(log_mask & (1u << LOG_CH_exec | 1u << LOG_CH_cpu)))
        block_log_run(c, b, la);
    bt_of(c)->stats.interp_blocks++;
    if (b->fpu)
        fpu_save(c);
    b->insn[0].fn(c, b->insn);
}

static enum exit_reason run_loop(struct cpu *c)
{
    struct bt *bt = bt_of(c);
    enum exit_reason why;
    uint32_t left;

    for (;;) {
        struct block *b;
        struct tb *t;
        const void *host;
        uint32_t off;

        if (!atomic_load_explicit(&native_of(c)->safepoint, memory_order_relaxed))
            atomic_store_explicit(&native_of(c)->safepoint, &native_of(c)->safe_word, memory_order_seq_cst);
        if (unlikely(c->events)) {
            bool user = c->cpl == 3;
            bool may = c->eflags & EFLAGS_IF;

            if (interp_events(c, &why))
                return why;
            if (may && !(c->eflags & EFLAGS_IF)) /* an interrupt was taken */
                adapt_tick(bt, user);
            if (c->icount >= c->icount_stop)
                return EXIT_ICOUNT;
            if ((c->events & EVENT_SINGLE) || cpu_shadow(c)) {
                step(c);
                continue;
            }
        }
        if (unlikely(c->blocks->flush_wanted))
            blocks_flush(c);
        if (c->fetch_gen != bt->itlb.fetch_gen)
            follow_flush(bt);
        if (unlikely(c->icount >= c->icount_stop)) /* before a fetch that may fault */
            return EXIT_ICOUNT;
        if (bt->opt.direct && (!bt->adapt.as || (!bt->adapt.super_window && !(bt->stats.enters & 255))))
            adapt_find(bt);
        context_find(bt);
        off = table_get(bt->contexts.cur, c->eip);
        if (off) {
            host = bt->cache.rx + off;
        } else {
            t = find_tb(bt, &b);
            if (!t) {
                if (unlikely(c->icount + b->n > c->icount_stop)) {
                    step(c);
                    continue;
                }
                interpret(c, b, c->seg[SEG_CS].base + c->eip);
                continue;
            }
            host = bt->cache.rx + t->code;
        }
    enter:
        if (unlikely(c->icount >= c->icount_stop))
            return EXIT_ICOUNT;
        if (!bt->opt.icount)
            c->shadow_at = UINT64_MAX; /* nothing waits: it protects from nothing */
        native_of(c)->icount_stop = c->icount_stop < INT64_MAX ? c->icount_stop : INT64_MAX;
        flags_to_native(c);
        fpu_gate(c);
        context_enter(bt);
        bt->stats.enters++;
        bt->recent[bt->recent_next++ % RECENT] = c->eip;
        left = bt->cache.enter(c, host);
        c->cur = &insn_none; /* what a detour set is over */
        if (left == LEAVE_DETOUR)
            continue;
        flags_to_lazy(c);
        if (left & LEAVE_EXIT) {
            follow_exit(bt, left & ~LEAVE_EXIT);
        } else if (left & LEAVE_PAGE) {
            t = &bt->cache.tb[left & ~LEAVE_PAGE];
            c->eip = t->eip;
            bt->stats.page_misses++;
            if (c->icount >= c->icount_stop)
                return EXIT_ICOUNT;
            if (!same_page(bt, t))
                t = find_tb(bt, &b);
            if (t) {
                host = bt->cache.rx + t->code;
                goto enter;
            }
            if (c->icount + b->n <= c->icount_stop)
                interpret(c, b, c->seg[SEG_CS].base + c->eip);
        } else if (left == LEAVE_STEP) {
            if (c->icount >= c->icount_stop)
                return EXIT_ICOUNT;
            step(c);
        }
    }
}

static enum exit_reason run(struct engine *e)
{
    struct cpu *c = e->cpu;
    struct bt *before;
    enum exit_reason why;

    BUG_ON(fault_begin(bt_of(c), &before)); /* a thread without memory for a stack */
    if (setjmp(c->jmp)) {
        if (bt_of(c)->flags_native)
            flags_to_lazy(c);
        bt_of(c)->flags_native = false;
        interp_exception(c);
    }
    adapt_sweep(bt_of(c));
    why = run_loop(c);
    fpu_save(c);
    c->cur = &insn_none;
    fault_end(before);
    return why;
}

/* --- the engine --- */

static void on_blocks_flushed(struct cpu *c) { tcache_flush(bt_of(c)); }

/* What the host lacks is not used. Without BMI2 bits go through memory (prim.c), and the short forms of sensitive
 * instructions, which select and insert them, are left to the interpreter. */
static void look_at_host(struct bt_options *o)
{
    o->bmi2 = o->bmi2 && prim_has_bmi2();
    o->fsgsbase = o->fsgsbase && prim_has_fsgsbase();
    if (!o->bmi2)
        o->inline_sys = false;
}

static void free_all(struct bt *bt)
{
    if (bt->perfmap)
        fclose(bt->perfmap);
    verifier_destroy(bt->verifier);
    tcache_destroy(bt);
    free(bt);
}

static void destroy(struct engine *e)
{
    struct cpu *c = e->cpu;
    struct bt *bt = bt_of(c);

    if (bt->opt.stats)
        bt_stats(e, stderr);
    c->engine_kick = NULL;
    blocks_destroy(c);
    c->engine = NULL;
    free_all(bt);
}

static int create(const struct engine_env *env, const char *options, struct engine **out)
{
    struct cpu *c = env->cpu;
    struct bt *bt;
    int rc;

    BUG_ON(c->tail < sizeof(struct native));
    bt = calloc(1, sizeof *bt);
    if (!bt)
        return -ENOMEM;
    bt->engine = (struct engine){ &bt_engine, c };
    bt->c = c;
    rc = bt_parse_options(&bt->opt, options);
    look_at_host(&bt->opt);
    if (c->icount_exact)
        bt->opt.icount = true;
    if (callout_wanted(c, CALLOUT_MEMORY))
        bt->opt.direct = false;
    if (!rc) {
        rc = tcache_create(bt);
        if (rc)
            fprintf(stderr,
                    "callgate: no memory or address space for the translator: %s; give it more (ulimit -v), "
                    "or use -accel interp\n",
                    strerror(-rc));
    }
    budget_create(bt);
    if (!rc && bt->opt.perfmap)
        rc = perfmap_open(bt);
    if (!rc && bt->opt.verify) {
        bt->verifier = verifier_create();
        rc = bt->verifier ? 0 : -ENOMEM;
    }
    if (!rc)
        rc = blocks_create(c);
    if (rc) {
        free_all(bt);
        return rc;
    }
    c->engine = bt;
    c->engine_kick = kick;
    c->blocks->killed = tcache_kill;
    c->blocks->flushed = on_blocks_flushed;
    itlb_clear(c);
    atomic_store(&native_of(c)->safepoint, &native_of(c)->safe_word);
    native_of(c)->detour_fn = (void *)(uintptr_t)detour;
    bt->contexts.fsgsbase = bt->opt.fsgsbase;
    stubs_emit(bt);
    rc = fault_install();
    if (rc)
        destroy(&bt->engine);
    else
        *out = &bt->engine;
    return rc;
}

/* Everything that was known of linear addresses may be wrong, struct native included. */
static void state_changed(struct engine *e)
{
    struct cpu *c = e->cpu;
    struct bt *bt = bt_of(c);

    itlb_clear(c);
    atomic_store(&native_of(c)->safepoint, &native_of(c)->safe_word);
    native_of(c)->detour_fn = (void *)(uintptr_t)detour;
    native_of(c)->fpu_live = 0;
    native_of(c)->x87_last = 0;
    bt->flags_native = false;
    bt->itlb.fetch_gen = c->fetch_gen - 1;
    bt->itlb.flush_gen = c->flush_gen - 1;
    bt->adapt.as = NULL;
    bt->contexts.gs_base = 0;
}

static void sync(struct engine *e) { fpu_save(e->cpu); }

const struct engine_class bt_engine = {
    .name = "bt",
    .tail = sizeof(struct native),
    .text = "the binary translator: near native speed, x86-64 hosts",
    .create = create,
    .destroy = destroy,
    .run = run,
    .sync = sync,
    .state_changed = state_changed,
    .dump_code = bt_dump_code,
    .stats = bt_stats,
};
