/* bt.c - the engine: decides what is interpreted and what is translated, and goes between the two.
 *
 * Code is interpreted, from the same blocks as the interpreter's, until a block has run often enough;
 * then it is translated. Translated code runs until something needs C: an event, an exit to code that
 * has no translation yet, a page of code that must be looked up, an instruction that ends the block.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
#include "bt/engine.h"
#include "cpu/callout.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Another thread, or a device, wants the CPU to stop at the next block. */
static void kick(struct cpu *c) { atomic_store_explicit(&c->native.safepoint, NULL, memory_order_release); }

/* What translated code of the current context finds in registers: R12, R13, GS.base. */
static void set_context(struct bt *bt)
{
    struct native *n = &bt->c->native;
    uint64_t base;

    n->table = (uintptr_t)bt->cur->table;
    if (!bt->cur->direct) {
        n->r12 = PAGE_SHIFT;
        return;
    }
    base = window_base(bt->cur->key & FETCH_USER ? bt->user_window : bt->super_window);
    n->r12 = base;
    if (bt->gs_base == base)
        return;
    bt->gs_base = base;
    bt->c->native.window = base;
    if (bt->fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else
        syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, base);
}

/* --- contexts --- */

static bool ctx_matches(const struct ctx *x, const struct cpu *c, bool direct)
{
    return x->key == c->fetch_key && x->cs_base == c->seg[SEG_CS].base && x->cs_limit == c->seg[SEG_CS].limit &&
           x->direct == direct;
}

/* Another selector for the same segment: an x87 instruction before had the old one. */
static void note_cs(struct bt *bt, struct ctx *x)
{
    uint16_t cs = bt->c->seg[SEG_CS].sel;

    if (x->cs != cs && bt->c->native.x87_last)
        fpu_save(bt->c);
    x->cs = cs;
}

/* The context of the code that is about to run. */
static void find_ctx(struct bt *bt)
{
    struct cpu *c = bt->c;
    bool direct =
        c->fetch_key & FETCH_USER ? bt->user_window && c->tlb == &c->tlbs[TLB_USER] : bt->super_window != NULL;
    unsigned h;
    unsigned n;

    if (bt->cur && ctx_matches(bt->cur, c, direct)) {
        note_cs(bt, bt->cur);
        return;
    }
    for (;;) {
        h = (c->seg[SEG_CS].base >> 4 ^ c->seg[SEG_CS].limit >> 8 ^ c->fetch_key * 7 ^ direct * 3) % CTX_MAX;
        for (n = 0; n < CTX_MAX; n++) {
            struct ctx *x = &bt->ctx[(h + n) % CTX_MAX];

            if (!x->used) {
                if (bt->ctx_count >= CTX_MAX * 3 / 4)
                    break;
                *x = (struct ctx){ .key = c->fetch_key,
                                   .cs = c->seg[SEG_CS].sel,
                                   .cs_base = c->seg[SEG_CS].base,
                                   .cs_limit = c->seg[SEG_CS].limit,
                                   .direct = direct };
                if (table_create(x)) {
                    BUG_ON(!bt->ctx_count);
                    break;
                }
                x->used = true;
                bt->ctx_count++;
                bt->cur = x;
                return;
            }
            if (ctx_matches(x, c, direct)) {
                note_cs(bt, x);
                bt->cur = x;
                return;
            }
        }
        tcache_flush(bt);
    }
}

/* --- the pages of code --- */

/* Linear addresses may translate differently: forget what the itlb cannot know any more. */
static void follow_flush(struct bt *bt)
{
    struct cpu *c = bt->c;
    uint32_t n = c->invlpg_count - bt->invlpg_count;

    if (c->global_gen != bt->global_gen || n > INVLPG_RING || bt->opt.icount) {
        itlb_clear(c);
        bt->super_local = false;
    } else if (c->flush_gen != bt->flush_gen) {
        memset(c->native.itlb_user, 0, sizeof c->native.itlb_user);
        if (bt->super_local) {
            memset(c->native.itlb_super, 0, sizeof c->native.itlb_super);
            bt->super_local = false;
        }
    }
    for (; n && n <= INVLPG_RING; n--) {
        gla_t la = c->invlpg_la[(c->invlpg_count - n) % INVLPG_RING];

        *itlb_slot(c, 0, la) = 0;
        *itlb_slot(c, FETCH_USER, la) = 0;
    }
    bt->fetch_gen = c->fetch_gen;
    if (c->flush_gen != bt->flush_gen)
        bt->as = NULL; /* CR3 may be another */
    bt->flush_gen = c->flush_gen;
    bt->global_gen = c->global_gen;
    bt->invlpg_count = c->invlpg_count;
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
    unsigned user = (bt->cur->key & FETCH_USER) != 0;
    unsigned n;

    if (!user && !block_fetch_page(c, la)->global)
        bt->super_local = true;
    for (n = 0; n < 2 && t->cookie[n]; n++)
        *itlb_slot(c, bt->cur->key, la + n * PAGE_SIZE) = t->cookie[n];
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
        c->blocks->misses++;
        k = block_find(c, la, 0);
        find_ctx(bt); /* may have been flushed */
        if (k != c->blocks->scratch && k->pa2 == NO_PAGE) {
            k->tag = tag;
            *slot = k;
        }
    } else if ((uint64_t)c->eip + k->bytes - 1 > c->seg[SEG_CS].limit) {
        k = block_find(c, la, 0);
        find_ctx(bt);
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
            find_ctx(bt);
            return NULL;
        }
        start = nanoseconds();
        t = translate(bt, k, la);
        if (!t) {
            tcache_flush(bt);
            find_ctx(bt);
            t = translate(bt, k, la);
            BUG_ON(!t);
        }
        bt->translate_ns += nanoseconds() - start;
    } else {
        table_set(bt, bt->cur, t->eip, t->code);
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
    if (e->page != bt->vpage[t->cookie[0]].page)
        return false;
    learn_pages(bt, t, la);
    return true;
}

/* Follow up on an exit that was not linked: link it if there is something to link it to. */
static void follow_exit(struct bt *bt, uint32_t n)
{
    struct exit_link *x = &bt->exit[n];
    uint32_t off;

    bt->c->eip = x->target;
    bt->exits_unlinked++;
    if (!bt->opt.chain)
        return;
    off = table_get(bt->tb[x->tb].ctx, x->target);
    if (off)
        tcache_link(bt, n, tcache_tb_at(bt, off));
}

bool bt_try_resume(struct bt *bt)
{
    struct cpu *c = bt->c;
    uint32_t off;

    if (atomic_load_explicit(&c->events, memory_order_acquire) || c->icount >= c->icount_stop ||
        c->blocks->flush_wanted || c->fetch_gen != bt->fetch_gen || (!bt->as && bt->opt.direct))
        return false;
    find_ctx(bt);
    off = table_get(bt->cur, c->eip);
    if (!off)
        return false;
    if (!bt->opt.icount)
        c->shadow_at = UINT64_MAX; /* nothing waits: it protects from nothing */
    flags_to_native(c);
    fpu_gate(c);
    set_context(bt);
    c->native.resume = (uintptr_t)bt->rx + off;
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
    bt_of(c)->interp_blocks++;
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

        if (!atomic_load_explicit(&c->native.safepoint, memory_order_relaxed))
            atomic_store_explicit(&c->native.safepoint, &c->native.safe_word, memory_order_seq_cst);
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
        if (c->fetch_gen != bt->fetch_gen)
            follow_flush(bt);
        if (unlikely(c->icount >= c->icount_stop)) /* before a fetch that may fault */
            return EXIT_ICOUNT;
        if (bt->opt.direct && (!bt->as || (!bt->super_window && !(bt->enters & 255))))
            adapt_find(bt);
        find_ctx(bt);
        off = table_get(bt->cur, c->eip);
        if (off) {
            host = bt->rx + off;
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
            host = bt->rx + t->code;
        }
    enter:
        if (unlikely(c->icount >= c->icount_stop))
            return EXIT_ICOUNT;
        if (!bt->opt.icount)
            c->shadow_at = UINT64_MAX; /* nothing waits: it protects from nothing */
        c->native.icount_stop = c->icount_stop < INT64_MAX ? c->icount_stop : INT64_MAX;
        flags_to_native(c);
        fpu_gate(c);
        set_context(bt);
        bt->enters++;
        bt->recent[bt->recent_next++ % RECENT] = c->eip;
        left = bt->enter(c, host);
        c->cur = &insn_none; /* what a callout set is over */
        if (left == LEAVE_CALLOUT)
            continue;
        flags_to_lazy(c);
        if (left & LEAVE_EXIT) {
            follow_exit(bt, left & ~LEAVE_EXIT);
        } else if (left & LEAVE_PAGE) {
            t = &bt->tb[left & ~LEAVE_PAGE];
            c->eip = t->eip;
            bt->page_misses++;
            if (c->icount >= c->icount_stop)
                return EXIT_ICOUNT;
            if (!same_page(bt, t))
                t = find_tb(bt, &b);
            if (t) {
                host = bt->rx + t->code;
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

static enum exit_reason run(struct cpu *c)
{
    enum exit_reason why;

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
    return why;
}

/* --- the engine --- */

static void on_blocks_flushed(struct cpu *c) { tcache_flush(bt_of(c)); }

/* Flags are left alone with BMI2's PEXT, PDEP, SHRX and RORX, and saved with LAHF. */
static bool available(void) { return __builtin_cpu_supports("bmi2"); }

static int create(struct cpu *c, const char *options)
{
    struct bt *bt;
    int rc;

    if (!available()) {
        fprintf(stderr, "callgate: -accel bt needs a host CPU with BMI2; use -accel interp\n");
        return -ENOTSUP;
    }
    rc = blocks_create(c);
    if (rc)
        return rc;
    bt = calloc(1, sizeof *bt);
    if (!bt)
        return -ENOMEM;
    bt->c = c;
    rc = bt_parse_options(&bt->opt, options);
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
    if (rc) {
        tcache_destroy(bt);
        free(bt);
        blocks_destroy(c);
        return rc;
    }
    c->engine = bt;
    c->engine_kick = kick;
    c->blocks->killed = tcache_kill;
    c->blocks->flushed = on_blocks_flushed;
    atomic_store(&c->native.safepoint, &c->native.safe_word);
    c->native.site_fn = (void *)(uintptr_t)callout_site;
    bt->fsgsbase = getauxval(AT_HWCAP2) >> 1 & 1;
    stubs_emit(bt);
    return fault_install(bt);
}

/* Everything that was known of linear addresses may be wrong, struct native included. */
static void state_changed(struct cpu *c)
{
    struct bt *bt = bt_of(c);

    itlb_clear(c);
    atomic_store(&c->native.safepoint, &c->native.safe_word);
    c->native.site_fn = (void *)(uintptr_t)callout_site;
    c->native.fpu_live = 0;
    c->native.x87_last = 0;
    bt->flags_native = false;
    bt->fetch_gen = c->fetch_gen - 1;
    bt->flush_gen = c->flush_gen - 1;
    bt->as = NULL;
    bt->gs_base = 0;
}

static void destroy(struct cpu *c)
{
    struct bt *bt = bt_of(c);

    if (bt->opt.stats)
        bt_stats(c, stderr);
    fault_remove(bt);
    c->engine_kick = NULL;
    if (bt->perfmap)
        fclose(bt->perfmap);
    tcache_destroy(bt);
    free(bt);
    c->engine = NULL;
    blocks_destroy(c);
}

const struct engine_class bt_engine = {
    .name = "bt",
    .text = "the binary translator: near native speed, x86-64 hosts",
    .create = create,
    .destroy = destroy,
    .run = run,
    .available = available,
    .sync = fpu_save,
    .state_changed = state_changed,
    .dump_code = bt_dump_code,
    .stats = bt_stats,
};
