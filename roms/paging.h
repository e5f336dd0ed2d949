/* paging.h - bits of page-table entries, for guests in C and assembler.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef ROMS_PAGING_H
#define ROMS_PAGING_H

#define PTE_P  0x001
#define PTE_W  0x002
#define PTE_U  0x004
#define PTE_A  0x020
#define PTE_D  0x040
#define PTE_PS 0x080
#define PTE_G  0x100

#endif
