/* prim.h - the steps of emitted code for which the host's newer instructions are used, each under a name: BMI2
 * (PEXT, PDEP, SHRX, RORX) and FSGSBASE, and what stands in for them. None changes the flags, which are the guest's.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_PRIM_H
#define BT_PRIM_H

#include "bt/emit.h"

/* What this host has. */
bool prim_has_bmi2(void);
bool prim_has_fsgsbase(void);

/* --- with or without BMI2, as e->bmi2 says --- */

/* R9 = twice the TLB's index of the linear address in R8. */
void prim_tlb_index(struct emit *e);
/* ECX = ECX >> PAGE_SHIFT. R12 holds that number unless it is a window's base; then R10 is used. */
void prim_page_number(struct emit *e, bool direct);
/* RCX = 0 if the 64-bit value is not negative, else something else; the guest's ECX goes to R11. scratch is lost. */
void prim_negative_to_rcx(struct emit *e, unsigned value, unsigned scratch);
/* RCX = `count` bits of src from bit `low` on; keep: the guest's ECX goes to R11. R10 is lost. */
void prim_bits_to_rcx(struct emit *e, unsigned src, unsigned low, unsigned count, bool keep);
/* dst = src >> n, another register. */
void prim_shift_right(struct emit *e, unsigned dst, unsigned src, unsigned n);

/* --- only with BMI2: system.c's forms are not used without --- */

/* dst = the bits of src that the register `mask` selects, packed. */
void prim_extract(struct emit *e, unsigned dst, unsigned src, unsigned mask);
/* reg = reg & ~bits. scratch is lost. */
void prim_clear_bits(struct emit *e, unsigned reg, uint32_t bits, unsigned scratch);
/* dst = src & 1 << bit, where bit is not 0. */
void prim_one_bit(struct emit *e, unsigned dst, unsigned src, unsigned bit);
/* dst = src rotated left by n, 1 to 31. */
void prim_rotate_left(struct emit *e, unsigned dst, unsigned src, unsigned n);

/* Set the base of GS for this thread, by WRGSBASE or by a system call. */
void prim_set_gs_base(bool fsgsbase, uint64_t base);

#endif
