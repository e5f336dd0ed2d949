/* window_map.c - what windows show: the books, and the host's mappings that go with them.
 *
 * The one hard problem: the host limits the number of mappings, and may refuse any change of them. So the books
 * count exactly what the host counts (a mapping ends wherever two neighbouring pages are not alike), and a window
 * whose mappings cannot be changed is emptied whole, which frees mappings instead of needing them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/window_int.h"

#include "mmu/hostmap.h"

#include <errno.h>
#include <sys/mman.h>

#define PIECE_PAGES  1024u /* of 4 MiB */
/* What a touched piece costs: a page of places for each third of it, and two pages of the host's page tables. */
#define PIECE_MEMORY (PIECE_PAGES * sizeof(struct place) + 2 * PAGE_SIZE)

#define PROT_GUARD MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE

int window_map_create(struct window *w)
{
    bool had_places = w->place;
    uint8_t *p;

    if (!w->place)
        w->place = hostmap_reserve(WINDOW_PAGES * sizeof *w->place, true);
    if (!w->place)
        return -ENOMEM;
    if (!had_places)
        hostmap_add(1);
    p = mmap(NULL, WINDOW_BYTES * 2 + 2 * GUARD_BYTES, PROT_NONE, PROT_GUARD, -1, 0);
    if (p == MAP_FAILED)
        return -ENOMEM;
    hostmap_add(1);
    /* 4 GiB aligned, so that the low half of an address in it is the linear address */
    w->base = (uint8_t *)(((uintptr_t)p + GUARD_BYTES + WINDOW_BYTES - 1) & ~(WINDOW_BYTES - 1));
    if (w->base - GUARD_BYTES > p)
        munmap(p, (size_t)(w->base - GUARD_BYTES - p));
    munmap(w->base + WINDOW_BYTES + GUARD_BYTES,
           (size_t)(p + WINDOW_BYTES * 2 + 2 * GUARD_BYTES - (w->base + WINDOW_BYTES + GUARD_BYTES)));
    return 0;
}

void window_map_destroy(struct window *w)
{
    if (w->base) {
        munmap(w->base - GUARD_BYTES, WINDOW_BYTES + 2 * GUARD_BYTES);
        hostmap_add(-1 - w->edges);
    }
    if (w->place) {
        hostmap_add(-1);
        munmap(w->place, WINDOW_PAGES * sizeof *w->place);
    }
    memset(w, 0, sizeof *w);
}

/* --- books --- */

/* Whether the host's mappings end between page - 1 and page. Beyond both ends there are guards. */
static bool edge(const struct window *w, uint32_t page)
{
    uint32_t a = page ? w->place[page - 1].shown : 0;
    uint32_t b = page < WINDOW_PAGES ? w->place[page].shown : 0;
    bool a_shown = a && !(a & HIDDEN);
    bool b_shown = b && !(b & HIDDEN);

    if (!a_shown || !b_shown)
        return a_shown != b_shown;
    return b != a + 1; /* the next page of RAM, with the same rights */
}

static void set_shown(struct window *w, uint32_t page, uint32_t v)
{
    int before = edge(w, page) + edge(w, page + 1);
    int after;

    w->place[page].shown = v;
    after = edge(w, page) + edge(w, page + 1);
    w->edges += after - before;
    hostmap_add(after - before);
}

static struct place *place_of(struct windows *ws, uint32_t number)
{
    return &ws->w[(number - 1) >> 20].place[(number - 1) & (WINDOW_PAGES - 1)];
}

static void writer_add(struct windows *ws, struct window *w, uint32_t page, uint32_t pfn)
{
    uint32_t me = ((uint32_t)(w - ws->w) << 20 | page) + 1;
    struct writers *of = &ws->writers[pfn];

    w->place[page].next = of->first;
    w->place[page].prev = 0;
    if (of->first)
        place_of(ws, of->first)->prev = me;
    of->first = me;
    of->count++;
}

static void writer_remove(struct windows *ws, struct window *w, uint32_t page, uint32_t pfn)
{
    struct place *p = &w->place[page];

    if (p->prev)
        place_of(ws, p->prev)->next = p->next;
    else
        ws->writers[pfn].first = p->next;
    if (p->next)
        place_of(ws, p->next)->prev = p->prev;
    ws->writers[pfn].count--;
}

void window_note(struct windows *ws, struct window *w, uint32_t page, uint32_t pfn, bool writable)
{
    uint32_t piece = page / PIECE_PAGES;

    set_shown(w, page, (pfn + 1) | (writable ? SHOWN_W : 0));
    if (writable)
        writer_add(ws, w, page, pfn);
    if (!(w->touched[piece / 64] >> (piece & 63) & 1)) {
        w->touched[piece / 64] |= 1ull << (piece & 63);
        w->pieces++;
        ws->pieces++;
    }
    w->count[piece]++;
    w->mapped++;
    ws->shown++;
}

void window_forget(struct windows *ws, struct window *w, uint32_t page)
{
    uint32_t v = w->place[page].shown;

    if (v & SHOWN_W)
        writer_remove(ws, w, page, (v & SHOWN_PFN) - 1);
    set_shown(w, page, HIDDEN | (ws->tick & HIDDEN_TICK));
    w->count[page / PIECE_PAGES]--;
    w->mapped--;
    ws->shown--;
    ws->n.zapped_pages++;
}

uint64_t windows_map_memory(const struct windows *ws) { return ws->pieces * PIECE_MEMORY; }

/* --- the host's mappings --- */

static bool hide(struct window *w, uint64_t la, uint64_t bytes)
{
    return mmap(w->base + la, bytes, PROT_NONE, PROT_GUARD | MAP_FIXED, -1, 0) != MAP_FAILED;
}

int window_map_show(struct window *w, int memfd, uint32_t page, uint32_t run)
{
    uint32_t v = w->place[page].shown;

    if (mmap(w->base + ((uint64_t)page << PAGE_SHIFT), (size_t)run << PAGE_SHIFT,
             PROT_READ | (v & SHOWN_W ? PROT_WRITE : 0), MAP_SHARED | MAP_FIXED | (run <= RUN_MAX ? MAP_POPULATE : 0),
             memfd, (off_t)((v & SHOWN_PFN) - 1) << PAGE_SHIFT) == MAP_FAILED)
        return -errno;
    return 0;
}

void window_map_hide(struct mmu *u, struct window *w, uint32_t page, uint32_t run)
{
    if (!w->base || !hostmap_room(0) || !hide(w, (uint64_t)page << PAGE_SHIFT, (uint64_t)run << PAGE_SHIFT))
        window_map_clear(u, w);
}

void window_map_protect(struct mmu *u, struct window *w, uint32_t page)
{
    struct windows *ws = u->windows;
    uint32_t v = w->place[page].shown;

    writer_remove(ws, w, page, (v & SHOWN_PFN) - 1);
    set_shown(w, page, v & ~SHOWN_W);
    if (!hostmap_room(0) || mprotect(w->base + ((uint64_t)page << PAGE_SHIFT), PAGE_SIZE, PROT_READ) < 0)
        window_map_clear(u, w);
}

/* Nobody may go on with a window that is gone: who uses one looks at these counts before. */
static void lost(struct mmu *u, struct window *w)
{
    w->open = false;
    u->windows->n.lost++;
    u->c->fetch_gen++;
    u->c->flush_gen++;
}

static void count_hidden(struct window *w)
{
    hostmap_add(-w->edges);
    w->edges = 0;
    w->stuck = false;
}

/* All of the address space, after the books were emptied. To replace every mapping by one needs none more than
 * there are, but the host may refuse even so: then they go first, and the address space is asked for again. */
static void hide_all(struct mmu *u, struct window *w)
{
    uint8_t *base = w->base;
    void *p;

    if (!base || hide(w, 0, WINDOW_BYTES)) {
        count_hidden(w);
        return;
    }
    mprotect(base, WINDOW_BYTES, PROT_NONE);
    if (munmap(base, WINDOW_BYTES) < 0) { /* not even that: it stays as it is, and is not used until it goes */
        w->stuck = true;
        lost(u, w);
        return;
    }
    count_hidden(w);
    p = mmap(base, WINDOW_BYTES, PROT_NONE, PROT_GUARD | MAP_FIXED_NOREPLACE, -1, 0);
    if (p == base)
        return;
    if (p != MAP_FAILED)
        munmap(p, WINDOW_BYTES);
    if (!munmap(base - GUARD_BYTES, GUARD_BYTES))
        hostmap_add(-1);
    if (munmap(base + WINDOW_BYTES, GUARD_BYTES) < 0)
        hostmap_add(1);
    w->base = NULL;
    lost(u, w);
}

bool window_map_usable(struct mmu *u, struct window *w)
{
    if (w->stuck)
        hide_all(u, w);
    return !w->stuck;
}

/* Nothing is shown: the books of one window, but for the lists of writers. */
static void forget_all(struct windows *ws, struct window *w)
{
    ws->shown -= w->mapped;
    ws->n.zapped_pages += w->mapped;
    w->mapped = 0;
    ws->pieces -= w->pieces;
    w->pieces = 0;
    memset(w->count, 0, sizeof w->count);
    memset(w->touched, 0, sizeof w->touched);
    if (w->place && madvise(w->place, WINDOW_PAGES * sizeof *w->place, MADV_DONTNEED) < 0)
        memset(w->place, 0, WINDOW_PAGES * sizeof *w->place);
}

void window_map_clear(struct mmu *u, struct window *w)
{
    struct windows *ws = u->windows;
    uint32_t p;

    for (p = 0; p < WINDOW_PAGES; p++) {
        if (!w->count[p / PIECE_PAGES]) {
            p |= PIECE_PAGES - 1;
            continue;
        }
        if (window_shown(w, p) && (w->place[p].shown & SHOWN_W))
            writer_remove(ws, w, p, (w->place[p].shown & SHOWN_PFN) - 1);
    }
    forget_all(ws, w);
    hide_all(u, w);
}

void window_map_clear_all(struct mmu *u)
{
    struct windows *ws = u->windows;
    size_t bytes = ws->ram_pages * sizeof *ws->writers;
    unsigned n;

    if (ws->shown && madvise(ws->writers, bytes, MADV_DONTNEED) < 0)
        memset(ws->writers, 0, bytes);
    for (n = 0; n < WINDOW_MAX; n++) {
        struct window *w = &ws->w[n];

        if (!w->edges && !w->pieces)
            continue;
        forget_all(ws, w);
        hide_all(u, w);
    }
}
