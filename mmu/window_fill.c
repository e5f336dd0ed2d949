/* window_fill.c - mapping guest pages into a window when they are touched: a run of them at a time, and within
 * the host's limit on mappings.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/window_int.h"

#include "mmu/hostmap.h"

#define ROOM 8 /* mappings that one run more may need, and those who take away a page of it */

/* The open window used longest ago that has something to give, but `mine`. */
static struct window *oldest(struct windows *ws, const struct window *mine)
{
    struct window *o = NULL;
    unsigned n;

    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &ws->w[n];

        if (w != mine && !w->stuck && (w->edges || w->pieces) && (!o || w->used < o->used))
            o = w;
    }
    return o;
}

static bool over_budget(const struct windows *ws)
{
    return !hostmap_room(ROOM) || ws->shown + RUN_MAX_LARGE > SHOWN_MAX || windows_map_memory(ws) > ws->memory_max;
}

/* Stay within what the host allows and what has been granted: empty the windows used longest ago, this one last. */
static void keep_budget(struct mmu *u, struct window *mine)
{
    struct windows *ws = u->windows;

    hostmap_check();
    while (over_budget(ws)) {
        struct window *w = oldest(ws, mine);

        window_reset(u, w ? w : mine);
        if (!w)
            break;
    }
}

enum window_fill window_fill(struct cpu *c, struct window *w, gla_t la, bool write)
{
    struct mmu *u = c->mem_opaque;
    struct windows *ws = u->windows;
    struct memmap *m = u->map;
    uint32_t page = la >> PAGE_SHIFT;
    struct phys_page p;
    struct walk k;
    uint32_t error;
    uint32_t pfn;
    bool global = w->kind == WINDOW_GLOBAL;
    bool user = w->kind == WINDOW_USER;
    bool writable;
    unsigned run_max;
    unsigned run;
    bool again;

    if (!mmu_walk(c, m, la, write ? WALK_WRITE : WALK_READ, user, false, &k, &error))
        return WINDOW_FAULT;
    if (global && !k.global) {
        w->misfits++;
        return WINDOW_SLOW;
    }
    p = memmap_page(m, k.pa);
    if (!p.rd || p.rd < m->ram || p.rd >= m->ram + m->ram_size)
        return WINDOW_SLOW;
    pfn = (p.rd - m->ram) >> PAGE_SHIFT;
    writable = k.writable && p.wr == p.rd && !memmap_watched(m, k.pa) && ws->writers[pfn].count < WRITERS_MAX;
    if (write && !writable)
        return WINDOW_SLOW;
    if (k.large)
        u->large_map[la >> 27] |= 1u << (la >> 22 & 31);
    run_max = k.large || !k.pde_at ? RUN_MAX_LARGE : RUN_MAX;
    keep_budget(u, w); /* before anything is noted of this page: it may empty the window */
    if (k.pde_at && (!global || k.pte_at)) {
        bool pae = c->cr4 & CR4_PAE;

        /* page directories come and go with CR3: for the global window INVLPG must do there */
        if (!global && !window_trace_page(c, u, w, k.pde_at, pae ? la & 0xc0000000 : 0, pae ? 2u << 20 : 4u << 20))
            return WINDOW_SLOW;
        if (k.pte_at && !window_trace_page(c, u, w, k.pte_at, la & (pae ? 0xffe00000 : 0xffc00000), PAGE_SIZE))
            return WINDOW_SLOW;
        /* tracing may have found that this very page holds page tables */
        if (writable && memmap_watched(m, k.pa)) {
            writable = false;
            if (write)
                return WINDOW_SLOW;
        }
    }
    if (!w->open)
        return WINDOW_SLOW; /* the host has taken its address space */
    if (window_shown(w, page)) {
        window_forget(ws, w, page);
        again = false;
    } else {
        again = (w->place[page].shown & HIDDEN) && ((ws->tick - w->place[page].shown) & HIDDEN_TICK) < THRASH_TICKS;
    }
    /* as long a run as is contiguous and has the same rights */
    for (run = 0; run < run_max; run++) {
        if (run) {
            struct phys_page q;

            if (page + run >= WINDOW_PAGES || window_shown(w, page + run) ||
                ((page + run) & (run_max == RUN_MAX ? 511 : RUN_MAX_LARGE - 1)) == 0 || pfn + run >= ws->ram_pages)
                break;
            if (!mmu_walk(c, m, la + run * PAGE_SIZE, WALK_READ, user, true, &k, &error) || !k.accessed ||
                (global && !k.global))
                break;
            q = memmap_page(m, k.pa);
            if (q.rd != p.rd + run * PAGE_SIZE || writable != (k.writable && q.wr == q.rd && !memmap_watched(m, k.pa) &&
                                                               ws->writers[pfn + run].count < WRITERS_MAX))
                break;
        }
        window_note(ws, w, page + run, pfn + run, writable);
    }
    if (window_map_show(w, m->memfd, page, run)) {
        window_reset(u, w);
        return WINDOW_SLOW;
    }
    w->fits++;
    w->cost += again;
    ws->n.fills++;
    ws->n.pages += run;
    return again ? WINDOW_AGAIN : WINDOW_OK;
}
