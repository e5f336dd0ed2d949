/* prim.h - the steps of emitted code for which the host's newer instructions are used, each under a name: an
 * alternative for hosts without BMI2 (PEXT, PDEP, SHRX, RORX) or FSGSBASE belongs behind it. None changes the
 * flags, which are the guest's.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_PRIM_H
#define BT_PRIM_H

#include "bt/emit.h"

/* Whether this host has what is needed. */
bool prim_available(void);

/* R9 = twice the TLB's index of the linear address in R8. */
void prim_tlb_index(struct emit *e);
/* ECX = ECX >> PAGE_SHIFT. R12 holds that number unless it is a window's base; then R10 is used. */
void prim_page_number(struct emit *e, bool direct);
/* RCX = 1 if the 64-bit value is negative, else 0; the guest's ECX goes to R11. scratch is lost. */
void prim_negative_to_rcx(struct emit *e, unsigned value, unsigned scratch);
/* dst = the bits of src that the register `mask` selects, packed. */
void prim_extract(struct emit *e, unsigned dst, unsigned src, unsigned mask);
/* The same with a constant mask, to RCX; the guest's ECX goes to R11. R10 is lost. */
void prim_extract_to_rcx(struct emit *e, unsigned src, uint32_t mask);
/* reg = reg & ~bits. scratch is lost. */
void prim_clear_bits(struct emit *e, unsigned reg, uint32_t bits, unsigned scratch);
/* dst = src & 1 << bit, where bit is not 0. */
void prim_one_bit(struct emit *e, unsigned dst, unsigned src, unsigned bit);
/* dst = src >> n, another register. */
void prim_shift_right(struct emit *e, unsigned dst, unsigned src, unsigned n);
/* dst = src rotated left by n, 1 to 31. */
void prim_rotate_left(struct emit *e, unsigned dst, unsigned src, unsigned n);

/* Whether WRGSBASE may be used; set the base of GS for this thread, by it or by a system call. */
bool prim_has_fsgsbase(void);
void prim_set_gs_base(bool fsgsbase, uint64_t base);

#endif
