/* engine.h - what runs a CPU. Callers never know which engine it is.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_ENGINE_H
#define CPU_ENGINE_H

#include "cpu/cpu.h"

enum exit_reason {
    EXIT_KICK,     /* EVENT_KICK is set: the machine wants this thread */
    EXIT_HALT,     /* halted: come back when an interrupt is pending */
    EXIT_ICOUNT,   /* icount_stop is reached */
    EXIT_SHUTDOWN, /* triple fault */
};

struct engine_class {
    const char *name;
    const char *text;
    /* Attach to a CPU. `options`: what follows the name in -accel, or NULL. Returns 0 or -errno
     * after printing why. */
    int (*create)(struct cpu *c, const char *options);
    void (*destroy)(struct cpu *c);
    /* Run until there is a reason not to. */
    enum exit_reason (*run)(struct cpu *c);
    /* Whether this host can run it; NULL: every host can. */
    bool (*available)(void);
    /* Print counters (`info jit`). */
    void (*stats)(struct cpu *c, FILE *f);
    /* The rest may be NULL. Bring struct cpu up to date, where an engine keeps a part of the state
     * elsewhere (it is up to date while run() is not under way and has none of that). */
    void (*sync)(struct cpu *c);
    /* struct cpu was changed from outside: a reset, a restore. */
    void (*state_changed)(struct cpu *c);
    /* Print what the engine made of the code at a linear address. */
    void (*dump_code)(struct cpu *c, gla_t la, FILE *f);
};

extern const struct engine_class interp_engine;

#endif
