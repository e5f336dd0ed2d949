/* mmu_int.h - shared by the files of mmu/.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_MMU_INT_H
#define MMU_MMU_INT_H

#include "mmu/memmap_int.h"
#include "mmu/mmu.h"

struct mmu {
    struct cpu *c;
    struct memmap *map;
    struct memmap_listener listener;
    uint32_t large_map[32]; /* 1024 bits: a 4 MiB region with large pages in a TLB */
    struct windows *windows;
    uint64_t filled[TLB_CHECK][TLB_SIZE / 64]; /* bits: entries that may hold something */
};

/* No TLB entry may let writes to the page pass from now on. */
void mmu_forbid_write(struct cpu *c, gpa_t pa);

/* window.c, told by the rest of mmu/: a traced page was written; a page must not be writable; the
 * physical map changed. */
void windows_pt_written(struct mmu *u, gpa_t gpa, size_t len);
void windows_forbid_write(struct mmu *u, gpa_t pa);
void windows_drop_all(struct mmu *u);
/* The whole TLB is flushed, global pages too. */
void windows_flush_global(struct mmu *u);
void windows_invlpg(struct mmu *u, gla_t la, bool large);
void windows_destroy(struct mmu *u);

/* A translation. */
struct walk {
    gpa_t pa;      /* of la itself */
    bool writable; /* by this access's privilege, and D is set */
    bool global;
    bool large;
    bool accessed; /* A is set (now) */
    gpa_t pde_at;  /* where the page-directory entry is; 0 with paging off */
    gpa_t pte_at;  /* where the page-table entry is; 0: there is none */
};

enum { WALK_READ = 0, WALK_WRITE = 1, WALK_FETCH = 2 };

/* Walk the page tables for `la`. Sets A, and D for a write, unless `debug`. Returns true, or false
 * with *error = #PF error code. */
bool mmu_walk(struct cpu *c, struct memmap *m, gla_t la, unsigned access, bool user, bool debug, struct walk *w,
              uint32_t *error);

#endif
