/* window_fill.c - mapping guest pages into a window when they are touched: a run of them at a time, and within
 * the host's limit on mappings.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/window_int.h"

#include <sys/mman.h>

/* Stay below the host's limit on mappings: empty the window used longest ago. */
static void keep_budget(struct mmu *u, struct window *mine)
{
    struct windows *ws = u->windows;
    struct window *oldest = NULL;
    uint32_t total = 0;
    unsigned n;

    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &ws->w[n];

        total += w->vmas;
        if (w->open && w->vmas && w != mine && (!oldest || w->used < oldest->used))
            oldest = w;
    }
    if (total > VMA_BUDGET)
        window_reset(u, oldest ? oldest : mine);
}

enum window_fill window_fill(struct cpu *c, struct window *w, gla_t la, bool write)
{
    struct mmu *u = c->mem_opaque;
    struct windows *ws = u->windows;
    struct memmap *m = u->map;
    uint32_t page = la >> PAGE_SHIFT;
    uint32_t wnum = (uint32_t)(w - ws->w) << 20;
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
    writable = k.writable && p.wr == p.rd && !memmap_watched(m, k.pa);
    if (write && !writable)
        return WINDOW_SLOW;
    if (k.large)
        u->large_map[la >> 27] |= 1u << (la >> 22 & 31);
    run_max = k.large || !k.pde_at ? RUN_MAX_LARGE : RUN_MAX;
    if (k.pde_at && (!global || k.pte_at)) {
        bool pae = c->cr4 & CR4_PAE;

        /* page directories come and go with CR3: for the global window INVLPG must do there */
        if (!global && !window_trace_page(c, u, w, k.pde_at, pae ? la & 0xc0000000 : 0,
                                pae ? 2u << 20 : 4u << 20))
            return WINDOW_SLOW;
        if (k.pte_at && !window_trace_page(c, u, w, k.pte_at, la & (pae ? 0xffe00000 : 0xffc00000),
                                    PAGE_SIZE))
            return WINDOW_SLOW;
        /* tracing may have found that this very page holds page tables */
        if (writable && memmap_watched(m, k.pa)) {
            writable = false;
            if (write)
                return WINDOW_SLOW;
        }
    }
    keep_budget(u, w);
    pfn = (p.rd - m->ram) >> PAGE_SHIFT;
    again = (w->page[page] & HIDDEN) &&
            ((ws->tick - w->page[page]) & HIDDEN_TICK) < THRASH_TICKS;
    if (window_shown(w, page))
        window_forget_page(ws, w, page);
    /* as long a run as is contiguous and has the same rights */
    for (run = 0; run < run_max; run++) {
        if (run) {
            struct phys_page q;

            if (page + run >= 1u << 20 || window_shown(w, page + run) ||
                ((page + run) & (run_max == RUN_MAX ? 511 : RUN_MAX_LARGE - 1)) == 0 || pfn + run >= ws->rmap_pages)
                break;
            if (!mmu_walk(c, m, la + run * PAGE_SIZE, WALK_READ, user, true, &k, &error) ||
                !k.accessed || (global && !k.global))
                break;
            q = memmap_page(m, k.pa);
            if (q.rd != p.rd + run * PAGE_SIZE ||
                writable != (k.writable && q.wr == q.rd && !memmap_watched(m, k.pa)))
                break;
        }
        if (!window_rmap_add(ws, pfn + run, (page + run) | wnum))
            break;
        w->page[page + run] = (pfn + run + 1) | (writable ? SHOWN_W : 0);
        w->count[(page + run) >> 10]++;
        w->mapped++;
    }
    if (!run)
        return WINDOW_SLOW;
    if (mmap(w->base + ((uint64_t)page << PAGE_SHIFT), (size_t)run << PAGE_SHIFT,
             PROT_READ | (writable ? PROT_WRITE : 0),
             MAP_SHARED | MAP_FIXED | (run <= RUN_MAX ? MAP_POPULATE : 0),
             m->memfd, (off_t)pfn << PAGE_SHIFT) == MAP_FAILED) {
        unsigned n;

        for (n = 0; n < run; n++)
            window_forget_page(ws, w, page + n);
        window_reset(u, w);
        return WINDOW_SLOW;
    }
    w->fits++;
    w->vmas += 2;
    w->cost += again;
    ws->n.fills++;
    ws->n.pages += run;
    return again ? WINDOW_AGAIN : WINDOW_OK;
}
