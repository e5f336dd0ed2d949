/* window.h - windows: 4 GiB of host address space that show one linear address space of the guest at
 * one privilege. Shadow page tables, made of mmap.
 *
 * A user window shows what CPL 3 sees under one CR3. The global window shows what CPL 0 sees of pages
 * that survive a CR3 load, and serves every CR3; that of the mode without paging shows physical memory, at every
 * CPL. A supervisor window shows all that CPL 0 sees under one CR3, for kernels that have no global pages.
 * A window belongs to a paging mode (CR0.PG and WP, CR4.PSE, PAE and PGE, EFER.NXE): who goes from one to
 * another and back finds it as it was. Only the global window of a mode with paging, which does not depend on
 * directories, is emptied when the whole TLB is flushed.
 *
 * A window is filled on demand, a run of pages at a time, and never shows more than the guest's page
 * tables allow: the pages of page tables that it was filled from are traced, and a write to an entry
 * takes away what was mapped through it, at once.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_WINDOW_H
#define MMU_WINDOW_H

#include "mmu/mmu.h"
#include "cpu/stats.h"

struct window;

enum window_kind { WINDOW_USER, WINDOW_SUPER, WINDOW_GLOBAL };

enum window_fill {
    WINDOW_OK,    /* mapped: try again */
    WINDOW_AGAIN, /* the same, and it had been taken away only some ticks ago */
    WINDOW_FAULT, /* the guest's page tables do not allow the access */
    WINDOW_SLOW,  /* allowed, but not to be mapped: MMIO, code, page tables */
};

struct window_counters {
#define WINDOWS STAT_MEMBER
#include "cpu/stats.def"
};

/* The window of the current address space (CR3), opened if there is none. NULL: no address space
 * left. May close others. */
struct window *window_open(struct cpu *c, enum window_kind kind);
/* The window of CR3 if there is one and it is still right, else NULL. */
struct window *window_find(struct cpu *c, enum window_kind kind);
/* Whether *w is that window: a cheap check of what window_open() returned before. Counts as a use: the
 * window used longest ago goes first. */
bool window_valid(struct cpu *c, struct window *w, enum window_kind kind);
void window_close(struct cpu *c, struct window *w);
/* So much memory may go with all windows; beyond it the one used longest ago is emptied. */
void windows_set_memory(struct cpu *c, uint64_t bytes);
/* Whether it was closed because its address space has ended: the same CR3 is another's now. */
bool window_ended(const struct window *w);
/* Host address of linear address 0. */
uint64_t window_base(const struct window *w);
/* Pages mapped again since the last call: what keeping the window in step has cost. */
unsigned window_cost(struct window *w);

/* Whether this window is of no use: most of what is asked of it may not be shown in it (a kernel whose
 * pages are not global). */
bool window_useless(const struct window *w);

/* The clock by which thrashing is told from use: some milliseconds a tick. */
void window_tick(struct cpu *c);

/* Make linear address la accessible as the guest's page tables allow it at its privilege. Sets A and D. Safe in a
 * signal handler of the CPU's thread. */
enum window_fill window_fill(struct cpu *c, struct window *w, gla_t la, bool write);

const struct window_counters *window_counters(struct cpu *c);

#endif
