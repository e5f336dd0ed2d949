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
int memmap_add(struct memmap *m, gpa_t gpa, uint64_t size, uint8_t *host, bool writable,
               const struct phys_io *io, void *opaque, const char *name);
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

/* Give `c` this memory: sets c->mem. NULL: out of memory. */
struct mmu *mmu_create(struct cpu *c, struct memmap *m);
void mmu_destroy(struct mmu *u);

/* Print the software TLB's valid entries, and translations found by walking (`info tlb`). */
void mmu_dump_tlb(struct cpu *c, FILE *f);

#endif
