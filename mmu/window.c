/* window.c - see window.h.
 *
 * For each window: what is mapped at every linear page (`page`), and counts by 4 MiB. For each page of
 * RAM: where windows show it (`rmap`), so that it can be made read-only when it turns out to hold
 * code or page tables. For each traced page of page tables: which window was filled through it, and
 * the linear range it governs.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/window_int.h"

#include <stdlib.h>
#include <sys/mman.h>

static void *reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static struct windows *windows_new(struct mmu *u)
{
    struct windows *ws = calloc(1, sizeof *ws);

    if (!ws)
        return NULL;
    ws->rmap_pages = u->map->ram_size >> PAGE_SHIFT;
    ws->rmap = reserve(ws->rmap_pages * sizeof *ws->rmap);
    ws->node = reserve(NODE_MAX * sizeof *ws->node);
    ws->trace = reserve(TRACE_MAX * sizeof *ws->trace);
    if (!ws->rmap || !ws->node || !ws->trace) {
        free(ws);
        return NULL;
    }
    ws->node_count = 1;
    ws->trace_count = 1;
    return ws;
}

void windows_destroy(struct mmu *u)
{
    struct windows *ws = u->windows;
    unsigned n;

    if (!ws)
        return;
    for (n = 0; n < WINDOW_MAX; n++) {
        if (!ws->w[n].base)
            continue;
        munmap(ws->w[n].base - GUARD_BYTES, WINDOW_BYTES + 2 * GUARD_BYTES);
        munmap(ws->w[n].page, sizeof(uint32_t) << 20);
    }
    munmap(ws->rmap, ws->rmap_pages * sizeof *ws->rmap);
    munmap(ws->node, NODE_MAX * sizeof *ws->node);
    munmap(ws->trace, TRACE_MAX * sizeof *ws->trace);
    free(ws);
    u->windows = NULL;
}

/* --- where pages of RAM are shown --- */

bool window_rmap_add(struct windows *ws, uint32_t pfn, uint32_t at)
{
    uint32_t n = ws->node_free;

    if (n)
        ws->node_free = ws->node[n].next;
    else if (ws->node_count < NODE_MAX)
        n = ws->node_count++;
    else
        return false;
    ws->node[n].at = at;
    ws->node[n].next = ws->rmap[pfn];
    ws->rmap[pfn] = n;
    return true;
}

static void rmap_remove(struct windows *ws, uint32_t pfn, uint32_t at)
{
    uint32_t *p = &ws->rmap[pfn];

    while (*p && ws->node[*p].at != at)
        p = &ws->node[*p].next;
    if (*p) {
        uint32_t n = *p;

        *p = ws->node[n].next;
        ws->node[n].next = ws->node_free;
        ws->node_free = n;
    }
}

bool window_useless(const struct window *w)
{
    return w->misfits > 100 && w->misfits / 2 > w->fits;
}

void window_tick(struct cpu *c)
{
    struct windows *ws = windows_of(c);

    if (ws)
        ws->tick++;
}

/* --- taking away --- */

static void hide(struct window *w, gla_t la, uint64_t bytes)
{
    void *p = mmap(w->base + la, bytes, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

    BUG_ON(p == MAP_FAILED);
}

void window_forget_page(struct windows *ws, struct window *w, uint32_t page)
{
    uint32_t v = w->page[page];

    rmap_remove(ws, (v & SHOWN_PFN) - 1, page | (uint32_t)(w - ws->w) << 20);
    w->page[page] = HIDDEN | (ws->tick & HIDDEN_TICK);
    w->count[page >> 10]--;
    w->mapped--;
    ws->n.zapped_pages++;
}

/* Take away what is mapped in [first, last]. Returns pages taken away. */
static unsigned zap(struct windows *ws, struct window *w, gla_t first, gla_t last)
{
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
            window_forget_page(ws, w, p);
        hide(w, start << PAGE_SHIFT, (uint64_t)(p - start) << PAGE_SHIFT);
        ws->n.zaps++;
        total += p - start;
    }
    return total;
}

static void trace_drop(struct mmu *u, uint32_t n)
{
    struct windows *ws = u->windows;
    struct trace *t = &ws->trace[n];
    uint32_t *p = &ws->trace_hash[t->page >> PAGE_SHIFT & (TRACE_HASH - 1)];
    uint32_t k;

    while (*p != n)
        p = &ws->trace[*p].next;
    *p = t->next;
    t->used = false;
    for (k = ws->trace_hash[t->page >> PAGE_SHIFT & (TRACE_HASH - 1)]; k; k = ws->trace[k].next)
        if (ws->trace[k].page == t->page)
            break;
    if (!k)
        memmap_watch(u->map, t->page, WATCH_PT, false);
    t->next = ws->trace_free;
    ws->trace_free = n;
    ws->n.untraces++;
}

/* Empty the window and forget what it was filled from. */
void window_reset(struct mmu *u, struct window *w)
{
    struct windows *ws = u->windows;
    uint32_t n;
    uint32_t p;

    for (p = 0; p < 1u << 20; p++) {
        if (!w->count[p >> 10]) {
            p |= 1023;
            continue;
        }
        if (window_shown(w, p))
            window_forget_page(ws, w, p);
    }
    hide(w, 0, WINDOW_BYTES);
    madvise(w->page, sizeof(uint32_t) << 20, MADV_DONTNEED);
    for (n = 1; n < ws->trace_count; n++)
        if (ws->trace[n].used && ws->trace[n].window == w - ws->w)
            trace_drop(u, n);
    w->vmas = 0;
    ws->n.resets++;
}

void windows_drop_all(struct mmu *u)
{
    unsigned n;

    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &u->windows->w[n];

        if (w->open) {
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
    uint32_t n;

    if (!ws)
        return;
    p = memmap_page(u->map, pa);
    if (!p.wr || p.wr < u->map->ram || p.wr >= u->map->ram + u->map->ram_size)
        return;
    pfn = (p.wr - u->map->ram) >> PAGE_SHIFT;
again:
    for (n = ws->rmap[pfn]; n; n = ws->node[n].next) {
        struct window *w = &ws->w[ws->node[n].at >> 20];
        uint32_t page = ws->node[n].at & 0xfffff;

        if (window_shown(w, page) && (w->page[page] & SHOWN_W)) {
            w->page[page] &= ~SHOWN_W;
            w->vmas += 2;
            if (mprotect(w->base + ((uint64_t)page << PAGE_SHIFT), PAGE_SIZE, PROT_READ) < 0)
                window_reset(u, w);
            ws->n.zaps++;
            goto again;
        }
    }
}

void windows_invlpg(struct mmu *u, gla_t la, bool large)
{
    struct windows *ws = u->windows;
    unsigned n;

    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &ws->w[n];

        if (w->open && w->kind == WINDOW_GLOBAL)
            zap(ws, w, large ? la & 0xffc00000 : la & PAGE_MASK,
                large ? la | 0x3fffff : la | ~PAGE_MASK);
    }
}

/* --- tracing --- */

bool window_trace_page(struct cpu *c, struct mmu *u, struct window *w, gpa_t entry_at, gla_t first,
                       uint32_t span)
{
    struct windows *ws = u->windows;
    gpa_t page = entry_at & u->map->a20_mask & ~(gpa_t)~PAGE_MASK;
    uint32_t *head = &ws->trace_hash[page >> PAGE_SHIFT & (TRACE_HASH - 1)];
    struct trace *t;
    uint32_t n;

    for (n = *head; n; n = ws->trace[n].next) {
        t = &ws->trace[n];
        if (t->page == page && t->window == w - ws->w && t->first == first && t->span == span) {
            t->idle = 0;
            return true;
        }
    }
    n = ws->trace_free;
    if (n)
        ws->trace_free = ws->trace[n].next;
    else if (ws->trace_count < TRACE_MAX)
        n = ws->trace_count++;
    else
        return false;
    t = &ws->trace[n];
    *t = (struct trace){ .page = page, .first = first, .span = span, .next = *head,
                         .window = (uint16_t)(w - ws->w), .used = true };
    *head = n;
    ws->n.traces++;
    if (!(memmap_watched(u->map, page) & WATCH_PT)) {
        memmap_watch(u->map, page, WATCH_PT, true);
        mmu_forbid_write(c, page);
    }
    return true;
}

void windows_pt_written(struct mmu *u, gpa_t gpa, size_t len)
{
    struct windows *ws = u->windows;
    gpa_t page = gpa & ~(gpa_t)~PAGE_MASK;
    unsigned entry = u->c->cr4 & CR4_PAE ? 8 : 4;
    unsigned first = (gpa & ~PAGE_MASK) / entry;
    unsigned last = ((gpa & ~PAGE_MASK) + (unsigned)len - 1) / entry;
    uint32_t next;
    uint32_t n;

    ws->n.pt_writes++;
    for (n = ws->trace_hash[page >> PAGE_SHIFT & (TRACE_HASH - 1)]; n; n = next) {
        struct trace *t = &ws->trace[n];
        struct window *w = &ws->w[t->window];

        next = t->next;
        if (t->page != page)
            continue;
        if (zap(ws, w, t->first + first * t->span, t->first + (last + 1) * t->span - 1)) {
            t->idle = 0;
        } else if (t->span == PAGE_SIZE && ++t->idle >= IDLE_WRITES) {
            /* nobody looks at it but the guest's kernel: let it write */
            zap(ws, w, t->first, t->first + (PAGE_SIZE / entry) * PAGE_SIZE - 1);
            trace_drop(u, n);
        }
    }
}

/* --- opening --- */

static bool still_right(const struct window *w, const struct cpu *c, enum window_kind kind)
{
    if (!w->open || w->kind != kind)
        return false;
    return kind == WINDOW_GLOBAL || (w->cr3 == c->cr3 &&
            (!(c->cr4 & CR4_PAE) || !memcmp(w->pdpte, c->pdpte, sizeof w->pdpte)));
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

struct window *window_open(struct cpu *c, enum window_kind kind)
{
    struct mmu *u = c->mem_opaque;
    struct window *w = window_find(c, kind);
    unsigned n;

    if (w)
        return w;
    if (!u->windows)
        u->windows = windows_new(u);
    if (!u->windows)
        return NULL;
    /* the same CR3 with other PAE pointers, else a closed one, else the oldest */
    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *k = &u->windows->w[n];

        if (k->open && k->kind == kind && (kind == WINDOW_GLOBAL || k->cr3 == c->cr3)) {
            w = k;
            break;
        }
        if (!w || (w->open && (!k->open || k->used < w->used)))
            w = k;
    }
    if (!w->base) {
        uint8_t *p = mmap(NULL, WINDOW_BYTES * 2 + 2 * GUARD_BYTES, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        uint8_t *base;

        w->page = reserve(sizeof(uint32_t) << 20);
        if (p == MAP_FAILED || !w->page)
            return NULL;
        /* 4 GiB aligned, so that the low half of an address in it is the linear address */
        base = (uint8_t *)(((uintptr_t)p + GUARD_BYTES + WINDOW_BYTES - 1) & ~(WINDOW_BYTES - 1));
        if (base - GUARD_BYTES > p)
            munmap(p, (size_t)(base - GUARD_BYTES - p));
        munmap(base + WINDOW_BYTES + GUARD_BYTES,
               (size_t)(p + WINDOW_BYTES * 2 + 2 * GUARD_BYTES -
                        (base + WINDOW_BYTES + GUARD_BYTES)));
        w->base = base;
    } else if (w->open) {
        window_reset(u, w);
    }
    w->open = true;
    w->kind = kind;
    w->cr3 = c->cr3;
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

uint64_t window_base(const struct window *w)
{
    return (uintptr_t)w->base;
}

unsigned window_cost(struct window *w)
{
    unsigned v = w->cost;

    w->cost = 0;
    return v;
}

const struct window_counters *window_counters(struct cpu *c)
{
    struct windows *ws = windows_of(c);
    unsigned n;

    if (!ws)
        return NULL;
    ws->n.open = ws->n.mapped_pages = ws->n.vmas = 0;
    for (n = 0; n < WINDOW_MAX; n++) {
        ws->n.open += ws->w[n].open;
        ws->n.mapped_pages += ws->w[n].mapped;
        ws->n.vmas += ws->w[n].vmas;
    }
    return &ws->n;
}
