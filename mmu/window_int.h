/* window_int.h - what the files of the windows share.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_WINDOW_INT_H
#define MMU_WINDOW_INT_H

#include "mmu/mmu_int.h"
#include "mmu/window.h"

#define WINDOW_MAX   48
#define WINDOW_BYTES (1ull << 32)
#define GUARD_BYTES  (1ull << 35) /* a REP that runs away: ECX * 4 bytes */
#define VMA_BUDGET   40000
#define RUN_MAX      16
#define RUN_MAX_LARGE 256 /* inside large pages */
#define NODE_MAX     (1u << 20)
#define TRACE_MAX    (1u << 16)
#define TRACE_HASH   4096
#define IDLE_WRITES  24 /* a traced page table is let go after so many writes that hit nothing */

#define SHOWN_W 0x80000000u /* in `page`: mapped writable */
#define HIDDEN     0x40000000u /* taken away at the tick in the low bits */
#define HIDDEN_TICK 0x00ffffffu
#define THRASH_TICKS 8u        /* taken away and back within so many: thrashing */
#define SHOWN_PFN 0x3fffffffu /* RAM page number + 1; 0: never mapped */

struct window {
    uint8_t *base;
    uint32_t cr3;
    uint64_t pdpte[4];
    bool open;
    enum window_kind kind;
    uint32_t *page;       /* [1 << 20] */
    uint16_t count[1024]; /* mapped pages by 4 MiB */
    uint32_t mapped;
    uint32_t vmas;        /* at most so many */
    uint64_t used;        /* stamp, for eviction */
    unsigned cost;
    unsigned misfits, fits; /* asked for pages that it may not show; filled */
};

struct node { /* one place where a page of RAM is shown */
    uint32_t next;
    uint32_t at; /* linear page | window << 20 */
};

struct trace {
    gpa_t page;
    gla_t first;     /* linear address that its first entry governs */
    uint32_t span;   /* bytes an entry governs */
    uint32_t next;
    uint16_t window;
    uint16_t idle;
    bool used;
};

struct windows {
    struct window w[WINDOW_MAX];
    uint32_t *rmap; /* by RAM page: first node, 0 none */
    size_t rmap_pages;
    struct node *node;
    uint32_t node_count, node_free;
    struct trace *trace;
    uint32_t trace_count, trace_free;
    uint32_t trace_hash[TRACE_HASH];
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
    return w->page[page] && !(w->page[page] & HIDDEN);
}

/* Note that a page of RAM is shown there; false: no room. */
bool window_rmap_add(struct windows *ws, uint32_t pfn, uint32_t at);
/* No longer; what is mapped on the host is the caller's. */
void window_forget_page(struct windows *ws, struct window *w, uint32_t page);
/* Empty it, and forget what it was filled from. */
void window_reset(struct mmu *u, struct window *w);
/* From now on what is written to the page of page tables at entry_at takes away what the window shows
 * through it: entries govern `span` bytes each, from `first` on. False: no room. */
bool window_trace_page(struct cpu *c, struct mmu *u, struct window *w, gpa_t entry_at, gla_t first,
                       uint32_t span);

#endif
