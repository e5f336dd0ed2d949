/* adapt.c - what earns the direct way to memory, and what loses it.
 *
 * An address space gets a window when interrupts have found it in user mode a few times: it has run for
 * some milliseconds. It loses the window, and needs longer for the next one, when keeping the window
 * in step with the guest's page tables costs too much. A single instruction whose operand keeps
 * faulting (MMIO, code pages, page tables, pages that come and go) is retranslated for the checked
 * way.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#include <time.h>

#define NEED_FIRST    2
#define NEED_MAX      128
#define NEED_SUPER    20000u /* detours (TLB misses, mostly) before supervisor code gets its window */
#define COST_MAX      120u   /* mappings taken away or mapped again per tick: about 0.5 ms of 4 */
#define TROUBLE_LIMIT 24u
#define SWEEP_MS      4u
#define PATIENCE_MAX  8 /* 1024 ticks: some seconds */

static void retry_checked(struct bt *bt);

/* With PAE, kernels use the 32 bytes at CR3 again for the next process: the entries in them tell. */
static uint64_t pointers(const struct cpu *c)
{
    uint64_t h = 0;
    unsigned n;

    for (n = 0; n < 4 && (c->cr4 & CR4_PAE); n++)
        h = (h ^ c->pdpte[n]) * 0x9e3779b97f4a7c15ull;
    return h;
}

/* An address space that nothing is known of. */
static void earn_nothing(const struct bt *bt, struct aspace *a)
{
    unsigned n;

    for (n = 0; n < 2; n++)
        a->earned[n] = (struct earned){ .need = NEED_FIRST, .direct = bt->opt.force_direct };
}

static struct aspace *find(struct bt *bt, const struct cpu *c)
{
    struct aspace *a = &bt->adapt.aspace[(c->cr3 >> 12 ^ c->cr3 >> 5) & (ASPACE_SIZE - 1)];

    if (a->used && a->cr3 == c->cr3 && a->pointers == pointers(c))
        return a;
    *a = (struct aspace){ .cr3 = c->cr3, .pointers = pointers(c), .used = true };
    earn_nothing(bt, a);
    return a;
}

/* Whether supervisor code may use the global window at all. */
static bool global_possible(const struct cpu *c) { return !(c->cr0 & CR0_PG) || (c->cr4 & CR4_PGE); }

/* The paging mode, never 0: a kernel without global pages is left alone until it changes. */
static uint32_t mode(const struct cpu *c) { return (c->cr0 & CR0_PG) | (c->cr4 & (CR4_PAE | CR4_PGE)) | 1; }

/* The window of this address space for user or supervisor code, if that has earned one. */
static struct window *local(struct bt *bt, enum window_kind kind)
{
    struct earned *l = &bt->adapt.as->earned[kind];

    if (!l->direct || !(bt->c->cr0 & CR0_PG))
        return NULL;
    if (l->window && window_ended(l->window)) { /* whoever has this CR3 now must earn one anew */
        earn_nothing(bt, bt->adapt.as);
        return NULL;
    }
    if (!window_valid(bt->c, l->window, kind))
        l->window = window_open(bt->c, kind);
    return l->window;
}

void adapt_find(struct bt *bt)
{
    struct cpu *c = bt->c;

    bt->adapt.as = find(bt, c);
    if (bt->adapt.global_window && window_useless(bt->adapt.global_window)) {
        window_close(c, bt->adapt.global_window);
        bt->adapt.no_global = mode(c);
        bt->stats.demotions++;
    }
    if (bt->adapt.no_global == mode(c) || (bt->stats.detours < NEED_SUPER && !bt->opt.force_direct) ||
        !global_possible(c))
        bt->adapt.global_window = NULL;
    else if (!window_valid(c, bt->adapt.global_window, WINDOW_GLOBAL))
        bt->adapt.global_window = window_open(c, WINDOW_GLOBAL);
    bt->adapt.super_window = bt->adapt.global_window ? bt->adapt.global_window : local(bt, WINDOW_SUPER);
    bt->adapt.user_window = c->cr0 & CR0_PG ? local(bt, WINDOW_USER) : bt->adapt.global_window;
}

/* A window that costs more than it is worth: more patience before the next one. */
static void demote(struct bt *bt, struct earned *l, struct window *w)
{
    window_close(bt->c, w);
    l->direct = false;
    l->heat = 0;
    l->need = l->need * 4 < NEED_MAX ? l->need * 4 : NEED_MAX;
    bt->adapt.as = NULL;
    bt->adapt.user_window = bt->adapt.super_window = NULL;
    bt->stats.demotions++;
}

static void weigh(struct bt *bt, enum window_kind kind, bool seen)
{
    struct earned *l = &bt->adapt.as->earned[kind];

    if (l->direct) {
        struct window *w = window_find(bt->c, kind);

        if (w && window_cost(w) > COST_MAX)
            demote(bt, l, w);
    } else if (seen && ++l->heat >= l->need) {
        l->direct = true;
        bt->adapt.as = NULL;
        bt->stats.promotions++;
    }
}

/* Pages that have lost their code become data again after some milliseconds. */
void adapt_sweep(struct bt *bt)
{
    struct timespec ts;
    uint64_t now;

    if (!bt->c->blocks->empty)
        return;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
    if (now - bt->adapt.swept < SWEEP_MS)
        return;
    bt->adapt.swept = now;
    blocks_sweep(bt->c);
}

void adapt_tick(struct bt *bt, bool user)
{
    bt->adapt.tick++;
    adapt_sweep(bt);
    if (bt->adapt.global_window && window_useless(bt->adapt.global_window))
        bt->adapt.as = NULL;
    window_tick(bt->c);
    retry_checked(bt);
    if (!bt->opt.direct || !bt->adapt.as || bt->adapt.as->cr3 != bt->c->cr3 || !(bt->c->cr0 & CR0_PG))
        return;
    weigh(bt, WINDOW_USER, user);
    if (bt->adapt.as && !bt->adapt.global_window && bt->stats.detours >= NEED_SUPER)
        weigh(bt, WINDOW_SUPER, !user);
}

static struct trouble *trouble_at(const struct bt *bt, gpa_t pa)
{
    return (struct trouble *)&bt->adapt.trouble[(pa * 0x9e3779b97f4a7c15ull) >> 48];
}

bool adapt_is_checked(const struct bt *bt, gpa_t pa) { return trouble_at(bt, pa)->count >= TROUBLE_LIMIT; }

void adapt_trouble(struct bt *bt, struct tb *tb, unsigned k, unsigned weight)
{
    struct trouble *s;

    if (tb->dead)
        return;
    s = trouble_at(bt, tb->block->pa + tb->insns[k].off);
    if (s->count >= TROUBLE_LIMIT || bt->adapt.checked_count == CHECKED_MAX)
        return;
    s->count = (uint8_t)(s->count + weight);
    if (s->count < TROUBLE_LIMIT)
        return;
    s->until = (uint16_t)(bt->adapt.tick + (4u << s->patience));
    if (s->patience < PATIENCE_MAX)
        s->patience++;
    bt->stats.insns_checked++;
    tcache_kill(bt->c, tb->block);
}

bool adapt_is_wrapping(const struct bt *bt, gpa_t pa) { return trouble_at(bt, pa)->wraps; }

void adapt_wraps(struct bt *bt, struct tb *tb, unsigned k)
{
    if (tb->dead)
        return;
    trouble_at(bt, tb->block->pa + tb->insns[k].off)->wraps = true;
    tcache_kill(bt->c, tb->block);
}

void adapt_checked_tb(struct bt *bt, struct tb *tb)
{
    if (bt->adapt.checked_count == CHECKED_MAX)
        return;
    bt->adapt.checked_tb[bt->adapt.checked_count].tb = (uint32_t)(tb - bt->cache.tb);
    bt->adapt.checked_tb[bt->adapt.checked_count++].due = bt->adapt.tick + 4;
}

/* Instructions that have been checked for long enough get another chance. */
static void retry_checked(struct bt *bt)
{
    unsigned n = 0;

    while (n < bt->adapt.checked_count) {
        struct tb *tb = &bt->cache.tb[bt->adapt.checked_tb[n].tb];
        uint32_t next = bt->adapt.tick + 1024;
        bool due = tb->dead;
        unsigned k;

        if ((int32_t)(bt->adapt.tick - bt->adapt.checked_tb[n].due) < 0) {
            n++;
            continue;
        }
        for (k = 0; k < tb->n && !tb->dead; k++) {
            struct trouble *s = trouble_at(bt, tb->block->pa + tb->insns[k].off);

            int16_t left = (int16_t)(s->until - bt->adapt.tick);

            if (s->count < TROUBLE_LIMIT)
                continue;
            if (left <= 0) {
                s->count = TROUBLE_LIMIT * 3 / 4;
                due = true;
            } else if (bt->adapt.tick + (uint32_t)left < next) {
                next = bt->adapt.tick + (uint32_t)left;
            }
        }
        if (!due) {
            bt->adapt.checked_tb[n++].due = next;
            continue;
        }
        if (!tb->dead)
            tcache_kill(bt->c, tb->block);
        bt->adapt.checked_tb[n] = bt->adapt.checked_tb[--bt->adapt.checked_count];
    }
}
