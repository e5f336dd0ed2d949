/* window_int.h - what the files of the windows share.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_WINDOW_INT_H
#define MMU_WINDOW_INT_H

#include "mmu/mmu_int.h"
#include "mmu/window.h"

#define WINDOW_MAX      48
#define WINDOW_BYTES    (1ull << 32)
#define WINDOW_PAGES    (1u << 20)
#define GUARD_BYTES     (1ull << 35) /* a REP that runs away: ECX * 4 bytes */
#define RUN_MAX         16
#define RUN_MAX_LARGE   256        /* inside large pages */
#define SHOWN_MAX       (2u << 20) /* pages in all windows: what can be taken away in some tens of ms */
#define WRITERS_MAX     1024u      /* places where one page is shown writable: it must be possible to end that soon */
#define TRACE_MAX       (1u << 16)
#define TRACE_HASH      4096
#define TRACES_PER_PAGE 256 /* what one write to a page table may have to look at */
#define IDLE_WRITES     24  /* a traced page table is let go after so many writes that hit nothing */

/* What struct place says of a linear page. */
#define SHOWN_W      0x80000000u /* mapped writable */
#define HIDDEN       0x40000000u /* taken away at the tick in the low bits */
#define HIDDEN_TICK  0x00ffffffu
#define THRASH_TICKS 8u          /* taken away and back within so many: thrashing */
#define SHOWN_PFN    0x3fffffffu /* RAM page number + 1; 0: never mapped */

/* A linear page of a window: what it shows, and the other places where the same page of RAM is shown
 * writable (place numbers: linear page | window << 20, + 1; 0: none). */
struct place {
    uint32_t shown;
    uint32_t next, prev;
};

/* Where a page of RAM is shown writable. */
struct writers {
    uint32_t first; /* place number */
    uint32_t count;
};

struct window {
    uint8_t *base; /* host address of linear address 0; NULL: no address space yet */
    uint32_t cr3;
    uint32_t mode; /* paging mode: window_mode() */
    uint64_t pdpte[4];
    bool open;
    bool ended; /* closed because its address space has ended */
    bool stuck; /* the host would not change its mappings when it was emptied */
    enum window_kind kind;
    struct place *place;  /* [WINDOW_PAGES], of which only what is used has memory */
    uint16_t count[1024]; /* mapped pages by 4 MiB */
    uint64_t touched[16]; /* bits: 4 MiB pieces that have cost memory since the window was emptied */
    uint32_t pieces;      /* of them */
    uint32_t mapped;
    int edges;            /* where the host's mappings end, inside: so many more of them there are */
    uint32_t first_trace; /* list of what it was filled from */
    uint64_t used;        /* stamp, for eviction */
    unsigned cost;
    unsigned misfits, fits; /* asked for pages that it may not show; filled */
};

/* A page of page tables that windows were filled from, */
struct traced_page {
    gpa_t page;
    uint32_t next;  /* in the hash chain */
    uint32_t first; /* trace */
    uint32_t count;
};

/* and what one window has from it. */
struct trace {
    uint32_t of;           /* traced page */
    gla_t first;           /* linear address that its first entry governs */
    uint32_t span;         /* bytes an entry governs */
    uint32_t next, prev;   /* of the same page */
    uint32_t wnext, wprev; /* of the same window */
    uint16_t window;
    uint16_t idle;
};

struct windows {
    struct window w[WINDOW_MAX];
    struct writers *writers; /* by RAM page */
    size_t ram_pages;
    struct trace *trace;
    uint32_t trace_count, trace_free;
    struct traced_page *traced;
    uint32_t traced_count, traced_free;
    uint32_t traced_hash[TRACE_HASH];
    uint64_t shown;  /* pages, in all windows */
    uint64_t pieces; /* touched, in all windows */
    uint64_t memory_max;
    uint64_t stamp;
    uint32_t tick;
    struct window_counters n;
};

static inline struct windows *windows_of(struct cpu *c)
{
    struct mmu *u = c->mem_opaque;

    return u->windows;
}

/* Whether a linear page is mapped. */
static inline bool window_shown(const struct window *w, uint32_t page)
{
    return w->place[page].shown && !(w->place[page].shown & HIDDEN);
}

/* Everything that page walks depend on besides CR3. */
static inline uint32_t window_mode(const struct cpu *c)
{
    if (!(c->cr0 & CR0_PG))
        return 0;
    return (c->cr0 & (CR0_PG | CR0_WP)) | (c->cr4 & (CR4_PSE | CR4_PAE | CR4_PGE)) | (c->efer & EFER_NXE ? 1 : 0);
}

/* --- window_map.c: the books, and the host's mappings --- */

/* Give a window its address space. 0 or -ENOMEM. */
int window_map_create(struct window *w);
void window_map_destroy(struct window *w);
/* Note that a linear page shows RAM page pfn (the host's mapping is the caller's), or no longer. */
void window_note(struct windows *ws, struct window *w, uint32_t page, uint32_t pfn, bool writable);
void window_forget(struct windows *ws, struct window *w, uint32_t page);
/* Show what has been noted for `run` pages from `page` on. */
int window_map_show(struct window *w, int memfd, uint32_t page, uint32_t run);
/* Hide `run` pages that have been forgotten. If the host will not, all of the window is hidden. */
void window_map_hide(struct mmu *u, struct window *w, uint32_t page, uint32_t run);
/* Make a page read-only; the same if the host will not. */
void window_map_protect(struct mmu *u, struct window *w, uint32_t page);
/* Take away everything; afterwards the window is empty whatever the host says, but it may have lost its address
 * space: then it is closed, and the engine told that windows have changed. */
void window_map_clear(struct mmu *u, struct window *w);
/* Whether a window that is not open can be opened: the host may have kept what it showed. */
bool window_map_usable(struct mmu *u, struct window *w);
/* The same for all windows at once. */
void window_map_clear_all(struct mmu *u);
/* Bytes of host memory that go with the windows: places, and the host's own page tables. */
uint64_t windows_map_memory(const struct windows *ws);

/* --- window.c --- */

/* Empty it, and forget what it was filled from. */
void window_reset(struct mmu *u, struct window *w);
/* Take away what is mapped in [first, last]. Returns pages taken away. */
unsigned window_zap(struct mmu *u, struct window *w, gla_t first, gla_t last);

/* --- trace.c --- */

/* From now on what is written to the page of page tables at entry_at takes away what the window shows
 * through it: entries govern `span` bytes each, from `first` on. False: no room. */
bool window_trace_page(struct cpu *c, struct mmu *u, struct window *w, gpa_t entry_at, gla_t first, uint32_t span);
/* A window was emptied: it depends on nothing. */
void window_untrace(struct mmu *u, struct window *w);

#endif
