/* interp.h - parts of the interpreter's loop that other engines use between their own blocks.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_INTERP_H
#define CPU_INTERP_H

#include "cpu/engine.h"

/* One instruction at CS:EIP, with everything that goes by instructions: breakpoints, TF, interrupt
 * shadows. Raises. */
void interp_step(struct cpu *c);

/* c->events is not 0: deliver what is due. Returns whether to leave the engine, with *why. Raises. */
bool interp_events(struct cpu *c, enum exit_reason *why);

/* After an exception came through c->jmp: undo into "before the instruction" (c->cur), then deliver.
 * May raise again. */
void interp_exception(struct cpu *c);

#endif
