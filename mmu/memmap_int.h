/* memmap_int.h - the physical map as the files of mmu/ see it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_MEMMAP_INT_H
#define MMU_MEMMAP_INT_H

#include "mmu/memmap.h"

#define PAM_BASE   0xc0000u
#define PAM_PAGES  64u
#define MAX_MAPPED 64
#define HIGH_RAM   0x100000000ull /* RAM above the low part begins here */

struct range {
    /* wiring */
    struct memmap *map;
    struct range *next;
    const char *name;
    uint64_t size;
    const struct mmio_ops *ops; /* NULL: host memory */
    void *dev;
    uint8_t *host;
    bool writable;
    /* state: `wanted` its device's, who tells it again; `gpa` in memmap_places_state */
    gpa_t gpa;    /* GPA_NONE: not mapped */
    gpa_t wanted; /* differs from gpa while another range is in the way */
    gpa_t loaded; /* while state is loaded: gpa as saved */
};

/* A range where it answers in this map. */
struct mapped {
    gpa_t gpa;
    uint64_t size;
    const struct range *range;
};

struct memmap {
    /* wiring */
    int memfd;
    uint64_t ram_size;
    uint64_t low; /* bytes of RAM below 4 GiB */
    struct range *ranges;
    /* state (memmap_state) */
    uint8_t *ram;
    /* devices' state, who tell it again */
    gpa_t a20_mask;
    bool smram_open;
    uint8_t pam[PAM_PAGES]; /* bit 0 reads, bit 1 writes go to RAM */
    /* derived, and who is told */
    struct mapped mapped[MAX_MAPPED];
    unsigned count;
    bool overlaid;                    /* a range lies over RAM outside A0000h-FFFFFh */
    uint8_t *watched;                 /* WATCH_*, one byte a RAM page */
    uint8_t watched_other;            /* some page outside RAM is watched */
    uint64_t *dirty;                  /* bits: pages written since the last take; NULL: nobody asks */
    struct memmap_listener *listener; /* the first */
    const struct memmap_hooks *hooks; /* NULL: none */
    void *hooks_opaque;
};

/* One page as seen by an access. */
struct phys_page {
    uint8_t *rd; /* host address of the page for reading, or NULL */
    uint8_t *wr; /* for writing; NULL: dropped, or MMIO if io is set */
    const struct mapped *io;
};

/* What answers at the page of `gpa` (A20 already applied). */
struct phys_page memmap_page(struct memmap *m, gpa_t gpa);
/* What writes to a page must be told to: the engine (it holds code), the windows (page tables), the log. */
#define WATCH_CODE  1u
#define WATCH_PT    2u
#define WATCH_DIRTY 4u
unsigned memmap_watched(const struct memmap *m, gpa_t gpa);
void memmap_watch(struct memmap *m, gpa_t gpa, unsigned what, bool on);
/* A page that is watched was written. */
void memmap_watched_written(struct memmap *m, gpa_t gpa, size_t len);
/* What answers where has changed. */
void memmap_changed(struct memmap *m);
/* Put ranges where they were when state was saved: r->loaded. */
void ranges_loaded(struct memmap *m);
/* MMIO at an address that memmap_page said is one. */
uint64_t memmap_io_read(const struct memmap *m, const struct mapped *r, gpa_t gpa, unsigned size);
void memmap_io_write(const struct memmap *m, const struct mapped *r, gpa_t gpa, uint64_t v, unsigned size);

#endif
