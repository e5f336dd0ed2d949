/* fpu.h - the floating-point and SIMD state, for those who reset, show or save it.
 *
 * struct fpu keeps the status word's TOP in its own field; the three bits TOP would have in
 * `sw` hold the state of the FERR#/IGNNE# pins (SW_FERR, SW_IGNNE), so read the status word with
 * fpu_status().
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_FPU_H
#define CPU_FPU_H

#include "cpu/cpu.h"

/* State after RESET (SDM 3A table 9-1). INIT leaves it alone. */
void fpu_reset(struct cpu *c);

/* The status word with TOP; the full tag word (SDM 1 8.1.7), worked out from the registers. */
uint16_t fpu_status(const struct cpu *c);
uint16_t fpu_tag_word(const struct cpu *c);
void fpu_set_status(struct cpu *c, uint16_t sw);
void fpu_set_tag_word(struct cpu *c, uint16_t tags);

/* The board asserts IGNNE# (a write to port F0h): with CR0.NE = 0 a pending x87 exception no longer
 * stops x87 instructions, until it is cleared. Call from the vCPU's thread. */
void fpu_ignore_error(struct cpu *c);

#endif
