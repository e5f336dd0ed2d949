/* cpu_state.h - the CPU's state as data: what state.def lists.
 *
 * Who reads or sets it does so while the engine does not run, and after engine_class.sync; engine_class.state_changed
 * tells the engine of what was set. cpu/state.h has what can be done with a description.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_CPU_STATE_H
#define CPU_CPU_STATE_H

#include "cpu/cpu.h"
#include "cpu/state.h"

/* Of a struct cpu. Loading drops all that is cached of memory. */
extern const struct state_desc cpu_state;

/* The register that has this number for plug-ins, or NULL. */
const struct state_field *cpu_state_plugin(unsigned number);

/* Copy all of the state into another CPU of the same model, or back into the same: through a stream. 0 or -ENOMEM. */
struct state_buf;
int cpu_state_save(const struct cpu *c, struct state_buf *to);
void cpu_state_load(struct cpu *c, const struct state_buf *from);

#endif
