/* mmu.h - address translation: connects a physical map to a CPU by page walks and the software TLB.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_MMU_H
#define MMU_MMU_H

#include "cpu/cpu.h"
#include "mmu/memmap.h"

struct mmu;

/* Give `c` this memory: sets c->mem. NULL: out of memory. */
struct mmu *mmu_create(struct cpu *c, struct memmap *m);
void mmu_destroy(struct mmu *u);
/* Bytes of RAM that `c` has. */
uint64_t mmu_ram_size(const struct cpu *c);

/* Print the software TLB's valid entries, and translations found by walking (`info tlb`). */
void mmu_dump_tlb(struct cpu *c, FILE *f);

#endif
