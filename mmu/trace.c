/* trace.c - traced page tables: the pages that windows were filled from. A write to an entry takes away at
 * once what is mapped through it.
 *
 * A page of page tables is watched while any window depends on it, and each write to it is slow. So those that
 * nobody looks at any more are let go: a table that is written often without effect, and the whole window
 * of an address space that has ended (its directory is written without effect while another is current).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/window_int.h"

static uint32_t *hash_of(struct windows *ws, gpa_t page)
{
    return &ws->traced_hash[(page >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull >> 52];
}
_Static_assert(TRACE_HASH == 1 << 12, "hash_of gives 12 bits");

static struct traced_page *find(struct windows *ws, gpa_t page)
{
    uint32_t n;

    for (n = *hash_of(ws, page); n; n = ws->traced[n].next)
        if (ws->traced[n].page == page)
            return &ws->traced[n];
    return NULL;
}

/* A number out of an array of which the first is not used: from the free list, or a new one; 0: no room. */
static uint32_t take(uint32_t *free_list, uint32_t next, uint32_t *count)
{
    uint32_t n = *free_list;

    if (n)
        *free_list = next;
    else if (*count < TRACE_MAX)
        n = (*count)++;
    return n;
}

static struct traced_page *add_page(struct cpu *c, struct mmu *u, gpa_t page)
{
    struct windows *ws = u->windows;
    uint32_t n = take(&ws->traced_free, ws->traced[ws->traced_free].next, &ws->traced_count);
    uint32_t *head = hash_of(ws, page);

    if (!n)
        return NULL;
    ws->traced[n] = (struct traced_page){ .page = page, .next = *head };
    *head = n;
    memmap_watch(u->map, page, WATCH_PT, true);
    mmu_forbid_write(c, page);
    return &ws->traced[n];
}

static void remove_page(struct mmu *u, struct traced_page *t)
{
    struct windows *ws = u->windows;
    uint32_t n = (uint32_t)(t - ws->traced);
    uint32_t *p = hash_of(ws, t->page);

    memmap_watch(u->map, t->page, WATCH_PT, false);
    while (*p != n)
        p = &ws->traced[*p].next;
    *p = t->next;
    t->next = ws->traced_free;
    ws->traced_free = n;
}

static void drop(struct mmu *u, uint32_t n)
{
    struct windows *ws = u->windows;
    struct trace *t = &ws->trace[n];
    struct traced_page *of = &ws->traced[t->of];

    if (t->prev)
        ws->trace[t->prev].next = t->next;
    else
        of->first = t->next;
    if (t->next)
        ws->trace[t->next].prev = t->prev;
    if (t->wprev)
        ws->trace[t->wprev].wnext = t->wnext;
    else
        ws->w[t->window].first_trace = t->wnext;
    if (t->wnext)
        ws->trace[t->wnext].wprev = t->wprev;
    if (!--of->count)
        remove_page(u, of);
    t->next = ws->trace_free;
    ws->trace_free = n;
    ws->n.untraces++;
}

void window_untrace(struct mmu *u, struct window *w)
{
    while (w->first_trace)
        drop(u, w->first_trace);
}

bool window_trace_page(struct cpu *c, struct mmu *u, struct window *w, gpa_t entry_at, gla_t first, uint32_t span)
{
    struct windows *ws = u->windows;
    gpa_t page = entry_at & u->map->a20_mask & ~(gpa_t)~PAGE_MASK;
    struct traced_page *of = find(ws, page);
    struct trace *t;
    uint32_t n;

    for (n = of ? of->first : 0; n; n = ws->trace[n].next) {
        t = &ws->trace[n];
        if (t->window == w - ws->w && t->first == first && t->span == span) {
            t->idle = 0;
            return true;
        }
    }
    if (of && of->count >= TRACES_PER_PAGE)
        return false;
    n = take(&ws->trace_free, ws->trace[ws->trace_free].next, &ws->trace_count);
    if (!n)
        return false;
    if (!of)
        of = add_page(c, u, page);
    if (!of) {
        ws->trace[n].next = ws->trace_free;
        ws->trace_free = n;
        return false;
    }
    t = &ws->trace[n];
    *t = (struct trace){ .of = (uint32_t)(of - ws->traced),
                         .first = first,
                         .span = span,
                         .next = of->first,
                         .wnext = w->first_trace,
                         .window = (uint16_t)(w - ws->w) };
    if (t->next)
        ws->trace[t->next].prev = n;
    if (t->wnext)
        ws->trace[t->wnext].wprev = n;
    of->first = n;
    w->first_trace = n;
    of->count++;
    ws->n.traces++;
    return true;
}

/* A write to the page took nothing away that the window showed: is it still page tables? */
static void idle_write(struct mmu *u, uint32_t n, unsigned entries)
{
    struct windows *ws = u->windows;
    struct trace *t = &ws->trace[n];
    struct window *w = &ws->w[t->window];

    if (++t->idle < IDLE_WRITES)
        return;
    t->idle = 0;
    if (t->span == PAGE_SIZE) {
        /* nobody looks at it but the guest's kernel: let it write */
        window_zap(u, w, t->first, t->first + (entries * PAGE_SIZE - 1));
        drop(u, n);
        return;
    }
    if (w->mode == window_mode(u->c) && w->cr3 == u->c->cr3)
        return; /* the current address space: its directory is being filled */
    window_reset(u, w);
    w->open = false;
    w->ended = true;
}

void windows_pt_written(struct mmu *u, gpa_t gpa, size_t len)
{
    struct windows *ws = u->windows;
    struct traced_page *of = find(ws, gpa & ~(gpa_t)~PAGE_MASK);
    uint32_t next;
    uint32_t n;

    ws->n.pt_writes++;
    for (n = of ? of->first : 0; n; n = next) {
        struct trace *t = &ws->trace[n];
        struct window *w = &ws->w[t->window];
        unsigned entry = w->mode & CR4_PAE ? 8 : 4;
        unsigned first = (gpa & ~PAGE_MASK) / entry;
        unsigned last = ((gpa & ~PAGE_MASK) + (unsigned)len - 1) / entry;
        uint64_t resets = ws->n.resets;

        next = t->next;
        if (window_zap(u, w, t->first + first * t->span, t->first + (last + 1) * t->span - 1))
            t->idle = 0;
        else
            idle_write(u, n, PAGE_SIZE / entry);
        if (ws->n.resets != resets) { /* others went with the window: begin again with what is left */
            of = find(ws, gpa & ~(gpa_t)~PAGE_MASK);
            next = of ? of->first : 0;
        }
    }
}
