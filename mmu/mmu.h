/* mmu.h - guest-physical memory and address translation.
 *
 * struct memmap is the physical address space: RAM (one memfd), ROM and other host memory laid over
 * it, MMIO, the PAM windows between C0000h and FFFFFh, SMRAM, A20. struct mmu connects it to a CPU:
 * page walks and the software TLB.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_MMU_H
#define MMU_MMU_H

#include "cpu/cpu.h"
#include "cpu/state.h"

/* Device memory: offset from the region's start, size 1..8. */
struct phys_io {
    uint64_t (*read)(void *opaque, gpa_t offset, unsigned size);
    void (*write)(void *opaque, gpa_t offset, uint64_t v, unsigned size);
};

struct memmap;
struct mmu;

/* RAM of `size` bytes (a multiple of 4 KiB), of which at most low_max lie below 4 GiB, the rest at
 * 4 GiB. NULL with errno set if the host cannot give it. */
struct memmap *memmap_create(uint64_t size, uint64_t low_max);
void memmap_destroy(struct memmap *m);

/* Lay a region over what is there. `host` NULL: MMIO through io. writable false: writes are dropped.
 * Returns 0, or -ENOSPC when there are too many regions. */
int memmap_add(struct memmap *m, gpa_t gpa, uint64_t size, uint8_t *host, bool writable, const struct phys_io *io,
               void *opaque, const char *name);
/* Take away the topmost region that starts at gpa; returns its `opaque`. */
void *memmap_remove(struct memmap *m, gpa_t gpa);

/* In C0000h-FFFFFh: reads come from RAM (else from the region), writes go to RAM (else nowhere). */
void memmap_set_pam(struct memmap *m, gpa_t gpa, uint64_t size, bool read_ram, bool write_ram);
/* A0000h-BFFFFh is RAM while SMRAM is open. */
void memmap_set_smram(struct memmap *m, bool open);
void memmap_set_a20(struct memmap *m, bool enabled);
bool memmap_a20(const struct memmap *m);

/* Accesses by devices and debuggers. They never fail: nothing reads as ones, writes to nothing are
 * dropped. */
void memmap_read(struct memmap *m, gpa_t gpa, void *buf, size_t len);
void memmap_write(struct memmap *m, gpa_t gpa, const void *buf, size_t len);

/* Print the map, a line a region. */
void memmap_dump(struct memmap *m, FILE *f);

/* --- for lockstep: who else wants to know, and copies --- */

struct region;

/* Stands between a CPU and its memory. While there are hooks, writable host memory that lies over
 * RAM (a frame buffer) is reached like MMIO. */
struct memmap_hooks {
    /* An access to a region; memmap_region_read and _write do what would have been done. */
    uint64_t (*io_read)(void *opaque, const struct region *r, gpa_t gpa, unsigned size);
    void (*io_write)(void *opaque, const struct region *r, gpa_t gpa, uint64_t v, unsigned size);
    /* memmap_write() is about to write: a device, or a page walk that sets A and D. False: do not. */
    bool (*write)(void *opaque, gpa_t gpa, const void *buf, size_t len);
    /* The map has changed. */
    void (*changed)(void *opaque);
};
void memmap_set_hooks(struct memmap *m, const struct memmap_hooks *hooks, void *opaque);
uint64_t memmap_region_read(const struct region *r, gpa_t gpa, unsigned size);
void memmap_region_write(const struct region *r, gpa_t gpa, uint64_t v, unsigned size);

/* Another RAM of the same size, with nothing in it and nothing laid over it. NULL with errno set. */
struct memmap *memmap_create_like(const struct memmap *m);
/* Make the RAM of `to` a copy of `from`'s. */
void memmap_copy_ram(struct memmap *to, struct memmap *from);
/* The first page of RAM, from page number `page` on, in which two RAMs differ, or -1. */
int64_t memmap_ram_diff(struct memmap *a, struct memmap *b, int64_t page);
/* All of RAM as the host sees it, `*size` bytes; RAM page n is at n * PAGE_SIZE. */
uint8_t *memmap_ram(struct memmap *m, uint64_t *size);
/* Where RAM page n is for the guest, and the RAM page that a write at gpa would change, or -1. */
gpa_t memmap_ram_gpa(const struct memmap *m, int64_t page);
int64_t memmap_written_page(struct memmap *m, gpa_t gpa);
/* Change a page of RAM from outside: code on it is dropped. */
void memmap_put_page(struct memmap *m, int64_t page, const void *data);

/* RAM's contents. What is laid over it, PAM, SMRAM and A20 the chip set tells again. */
extern const struct state_desc memmap_state;

/* Everything of the map but RAM's contents: regions, PAM, SMRAM, A20. Free it with free(). */
struct memmap_layout;
struct memmap_layout *memmap_layout_get(const struct memmap *m);
void memmap_layout_set(struct memmap *m, const struct memmap_layout *l);

/* Give `c` this memory: sets c->mem. NULL: out of memory. */
struct mmu *mmu_create(struct cpu *c, struct memmap *m);
void mmu_destroy(struct mmu *u);
/* Bytes of RAM that `c` has. */
uint64_t mmu_ram_size(const struct cpu *c);

/* Print the software TLB's valid entries, and translations found by walking (`info tlb`). */
void mmu_dump_tlb(struct cpu *c, FILE *f);

#endif
