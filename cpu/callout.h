/* callout.h - calls out of the engines to functions that were registered at run time (plug-ins). The
 * table callout.def describes them; libffi builds the calls from it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_CALLOUT_H
#define CPU_CALLOUT_H

#include "cpu/cpu.h"

enum callout {
#define CALLOUT(id, name, clobbers, args, text) CALLOUT_##id,
#include "cpu/callout.def"
#undef CALLOUT
    CALLOUT_COUNT
};

struct callouts;

/* Register a function for the event of this name. Before the CPU runs. Returns 0, -EINVAL (no such
 * event), -ENOSPC, -ENOMEM. */
int callout_register(struct cpu *c, const char *event, void *function, void *opaque);
void callout_free(struct cpu *c);

/* Print the events and their arguments, a line each. */
void callout_list(FILE *f);

/* Call what is registered for an event, with the arguments of its row in order. */
void callout_call(struct cpu *c, enum callout what, const uint64_t *args);

/* Whether anything is registered: one bit an event. */
static inline bool callout_wanted(const struct cpu *c, enum callout what)
{
    return unlikely(c->callout_mask >> what & 1);
}

#endif
