/* window.c - see window.h: which windows there are, and what ends what they show.
 *
 * For each window: what is mapped at every linear page (`place`), and counts by 4 MiB. For each page of RAM:
 * where windows show it writable (`writers`), so that it can be made read-only when it turns out to hold code or
 * page tables. window_map.c keeps these books, trace.c knows the page tables, window_fill.c maps.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/window_int.h"

#include "mmu/hostmap.h"

#include <stdlib.h>

#define MEMORY_MAX (256ull << 20) /* unless the engine says otherwise */

static void free_arrays(struct windows *ws)
{
    hostmap_release(ws->writers, ws->ram_pages * sizeof *ws->writers);
    hostmap_release(ws->trace, TRACE_MAX * sizeof *ws->trace);
    hostmap_release(ws->traced, TRACE_MAX * sizeof *ws->traced);
    free(ws);
}

static struct windows *windows_new(struct mmu *u)
{
    struct windows *ws = calloc(1, sizeof *ws);

    if (!ws)
        return NULL;
    hostmap_init();
    ws->ram_pages = u->map->ram_size >> PAGE_SHIFT;
    ws->writers = hostmap_reserve(ws->ram_pages * sizeof *ws->writers, true);
    ws->trace = hostmap_reserve(TRACE_MAX * sizeof *ws->trace, true);
    ws->traced = hostmap_reserve(TRACE_MAX * sizeof *ws->traced, true);
    if (!ws->writers || !ws->trace || !ws->traced) {
        free_arrays(ws);
        return NULL;
    }
    ws->trace_count = ws->traced_count = 1;
    ws->memory_max = MEMORY_MAX;
    return ws;
}

void windows_destroy(struct mmu *u)
{
    struct windows *ws = u->windows;
    unsigned n;

    if (!ws)
        return;
    for (n = 0; n < WINDOW_MAX; n++)
        window_map_destroy(&ws->w[n]);
    free_arrays(ws);
    u->windows = NULL;
}

bool window_useless(const struct window *w) { return w->misfits > 100 && w->misfits / 2 > w->fits; }

void window_tick(struct cpu *c)
{
    struct windows *ws = windows_of(c);

    if (ws)
        ws->tick++;
}

/* --- taking away --- */

unsigned window_zap(struct mmu *u, struct window *w, gla_t first, gla_t last)
{
    struct windows *ws = u->windows;
    uint32_t p = first >> PAGE_SHIFT;
    uint32_t end = last >> PAGE_SHIFT;
    unsigned total = 0;

    while (p <= end) {
        uint32_t start;

        if (!w->count[p >> 10]) {
            p = (p | 1023) + 1;
            continue;
        }
        if (!window_shown(w, p)) {
            p++;
            continue;
        }
        for (start = p; p <= end && window_shown(w, p); p++)
            window_forget(ws, w, p);
        window_map_hide(u, w, start, p - start);
        ws->n.zaps++;
        total += p - start;
    }
    return total;
}

void window_reset(struct mmu *u, struct window *w)
{
    window_map_clear(u, w);
    window_untrace(u, w);
    u->windows->n.resets++;
}

void windows_drop_all(struct mmu *u)
{
    struct windows *ws = u->windows;
    unsigned n;

    window_map_clear_all(u);
    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &ws->w[n];

        window_untrace(u, w);
        ws->n.resets += w->open;
        w->open = false;
    }
}

void windows_flush_global(struct mmu *u)
{
    struct windows *ws = u->windows;
    unsigned n;

    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &ws->w[n];

        if (w->open && w->kind == WINDOW_GLOBAL && w->mode) {
            window_reset(u, w);
            w->open = false;
        }
    }
}

void windows_forbid_write(struct mmu *u, gpa_t pa)
{
    struct windows *ws = u->windows;
    struct phys_page p;
    uint32_t pfn;

    if (!ws)
        return;
    p = memmap_page(u->map, pa);
    if (!p.wr || p.wr < u->map->ram || p.wr >= u->map->ram + u->map->ram_size)
        return;
    pfn = (p.wr - u->map->ram) >> PAGE_SHIFT;
    while (ws->writers[pfn].first) { /* each step takes at least one away */
        uint32_t at = ws->writers[pfn].first - 1;

        window_map_protect(u, &ws->w[at >> 20], at & (WINDOW_PAGES - 1));
        ws->n.zaps++;
    }
}

void windows_invlpg(struct mmu *u, gla_t la, bool large)
{
    struct windows *ws = u->windows;
    unsigned n;

    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &ws->w[n];

        if (w->open && w->kind == WINDOW_GLOBAL && w->mode)
            window_zap(u, w, large ? la & 0xffc00000 : la & PAGE_MASK, large ? la | 0x3fffff : la | ~PAGE_MASK);
    }
}

/* --- opening --- */

static bool still_right(const struct window *w, const struct cpu *c, enum window_kind kind)
{
    if (!w->open || w->kind != kind || w->mode != window_mode(c))
        return false;
    return kind == WINDOW_GLOBAL ||
           (w->cr3 == c->cr3 && (!(c->cr4 & CR4_PAE) || !memcmp(w->pdpte, c->pdpte, sizeof w->pdpte)));
}

bool window_valid(struct cpu *c, struct window *w, enum window_kind kind)
{
    if (!w || !still_right(w, c, kind))
        return false;
    w->used = ++windows_of(c)->stamp;
    return true;
}

struct window *window_find(struct cpu *c, enum window_kind kind)
{
    struct windows *ws = windows_of(c);
    unsigned n;

    if (!ws)
        return NULL;
    for (n = 0; n < WINDOW_MAX; n++) {
        if (window_valid(c, &ws->w[n], kind))
            return &ws->w[n];
    }
    return NULL;
}

/* Which window a new one takes: the same CR3's with other PAE pointers, else a closed one, else the oldest. */
static struct window *victim(struct mmu *u, enum window_kind kind)
{
    struct windows *ws = u->windows;
    const struct cpu *c = u->c;
    struct window *w = NULL;
    unsigned n;

    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *k = &ws->w[n];

        if (k->open && k->kind == kind && kind != WINDOW_GLOBAL && k->cr3 == c->cr3 && k->mode == window_mode(c))
            return k;
        if (!window_map_usable(u, k))
            continue;
        if (!w || (w->open && (!k->open || k->used < w->used)))
            w = k;
    }
    return w;
}

struct window *window_open(struct cpu *c, enum window_kind kind)
{
    struct mmu *u = c->mem_opaque;
    struct window *w = window_find(c, kind);

    if (w)
        return w;
    if (!u->windows)
        u->windows = windows_new(u);
    if (!u->windows)
        return NULL;
    w = victim(u, kind);
    if (!w)
        return NULL;
    if (w->open || w->first_trace)
        window_reset(u, w);
    w->open = false;
    if (w->stuck)
        return NULL;
    if (!w->base && (!hostmap_room(2) || window_map_create(w)))
        return NULL;
    w->open = true;
    w->ended = false;
    w->kind = kind;
    w->cr3 = c->cr3;
    w->mode = window_mode(c);
    memcpy(w->pdpte, c->pdpte, sizeof w->pdpte);
    w->used = ++u->windows->stamp;
    w->cost = 0;
    w->misfits = w->fits = 0;
    u->windows->n.opened++;
    return w;
}

void window_close(struct cpu *c, struct window *w)
{
    if (!w->open)
        return;
    window_reset(c->mem_opaque, w);
    w->open = false;
}

bool window_ended(const struct window *w) { return w->ended; }

uint64_t window_base(const struct window *w) { return (uintptr_t)w->base; }

unsigned window_cost(struct window *w)
{
    unsigned v = w->cost;

    w->cost = 0;
    return v;
}

void windows_set_memory(struct cpu *c, uint64_t bytes)
{
    struct mmu *u = c->mem_opaque;

    if (!u->windows)
        u->windows = windows_new(u);
    if (u->windows)
        u->windows->memory_max = bytes;
}

const struct window_counters *window_counters(struct cpu *c)
{
    struct windows *ws = windows_of(c);
    unsigned n;

    if (!ws)
        return NULL;
    ws->n.open = 0;
    for (n = 0; n < WINDOW_MAX; n++)
        ws->n.open += ws->w[n].open;
    ws->n.memory = windows_map_memory(ws) + ws->trace_count * sizeof *ws->trace + ws->traced_count * sizeof *ws->traced;
    ws->n.mapped_pages = ws->shown;
    ws->n.mappings = (uint64_t)hostmap_used();
    ws->n.mappings_max = (uint64_t)hostmap_limit();
    return &ws->n;
}
