/* arch.c - the architectural state of a CPU: saved, put back, compared, by its description (cpu/cpu_state.h).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include "cpu/cpu_state.h"

void arch_save(struct state_buf *s, const struct cpu *c) { BUG_ON(cpu_state_save(c, s)); }

void arch_load(struct cpu *c, const struct state_buf *s)
{
    cpu_state_load(c, s);
    cpu_clear_event(c, EVENT_KICK | EVENT_INTR);
}

bool arch_differs(const struct cpu *a, const struct cpu *b)
{
    return state_compare(&cpu_state, a, "", b, "", NULL) != 0;
}

void arch_print_differences(const struct cpu *a, const struct cpu *b, const char *a_name, const char *b_name, FILE *f)
{
    state_compare(&cpu_state, a, a_name, b, b_name, f);
}
