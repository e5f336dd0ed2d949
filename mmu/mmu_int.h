/* mmu_int.h - shared by the files of mmu/.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_MMU_INT_H
#define MMU_MMU_INT_H

#include "mmu/mmu.h"

#define PAM_BASE    0xc0000u
#define PAM_PAGES   64u
#define MAX_REGIONS 64
#define HIGH_RAM    0x100000000ull /* RAM above the low part begins here */

struct region {
    gpa_t gpa;
    uint64_t size;
    uint8_t *host;
    bool writable;
    const struct phys_io *io;
    void *opaque;
    const char *name;
    struct memmap *map;
};

struct memmap {
    /* wiring */
    int memfd;
    uint64_t ram_size;
    uint64_t low; /* bytes of RAM below 4 GiB */
    /* state (memmap_state) */
    uint8_t *ram;
    /* the chip set's, which tells it again */
    gpa_t a20_mask;
    bool smram_open;
    uint8_t pam[PAM_PAGES];            /* bit 0 reads, bit 1 writes go to RAM */
    struct region region[MAX_REGIONS]; /* the last one is on top */
    unsigned count;
    /* derived, and who is told */
    bool overlaid;                    /* a region lies over RAM outside A0000h-FFFFFh */
    uint8_t *watched;                 /* WATCH_*, one byte a RAM page */
    uint8_t watched_other;            /* some page outside RAM is watched */
    struct mmu *mmu;                  /* told of changes */
    const struct memmap_hooks *hooks; /* NULL: none */
    void *hooks_opaque;
};

/* One page as seen by an access. */
struct phys_page {
    uint8_t *rd; /* host address of the page for reading, or NULL */
    uint8_t *wr; /* for writing; NULL: dropped, or MMIO if io is set */
    const struct region *io;
};

/* What answers at the page of `gpa` (A20 already applied). */
struct phys_page memmap_page(struct memmap *m, gpa_t gpa);
/* What writes to a page must be told to: the engine (it holds code), the windows (page tables). */
#define WATCH_CODE 1u
#define WATCH_PT   2u
unsigned memmap_watched(const struct memmap *m, gpa_t gpa);
void memmap_watch(struct memmap *m, gpa_t gpa, unsigned what, bool on);
/* The regions, PAM, SMRAM or A20 have changed. */
void memmap_changed(struct memmap *m);
/* MMIO at an address that memmap_page said is one. */
uint64_t memmap_io_read(const struct region *r, gpa_t gpa, unsigned size);
void memmap_io_write(const struct region *r, gpa_t gpa, uint64_t v, unsigned size);

struct mmu {
    struct cpu *c;
    struct memmap *map;
    uint32_t large_map[32]; /* 1024 bits: a 4 MiB region with large pages in a TLB */
    struct windows *windows;
    uint64_t filled[TLB_CHECK][TLB_SIZE / 64]; /* bits: entries that may hold something */
};

/* Everything cached about physical memory is void: the map changed. */
void mmu_map_changed(struct mmu *u);
/* [gpa, gpa+len), inside a watched page, was written. */
void mmu_watched_written(struct mmu *u, gpa_t gpa, size_t len);
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
