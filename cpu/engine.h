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

struct memmap;
struct engine;

/* What an engine is given: it is a guest of this. */
struct engine_env {
    struct cpu *cpu;
    struct memmap *map; /* its physical memory */
    /* The engines there are, ended by NULL: for one that is made of others. */
    const struct engine_class *const *registry;
    /* Disassemble one instruction into text; returns its length, 0 if it is none. NULL: cannot. */
    unsigned (*disassemble)(const uint8_t *code, unsigned have, uint32_t addr, unsigned bits, char *text, size_t size);
    /* The engine cannot go on and has said why: leave the process with this status. */
    void (*stop)(void *opaque, int status);
    void *opaque;
};

struct engine_class {
    const char *name;
    const char *text;
    size_t tail; /* bytes that it keeps behind its struct cpu (cpu_create) */
    /* Attach to env->cpu. `options`: what follows the name in -accel, or NULL. *env stays valid. Returns 0
     * and *e, or -errno after printing why. */
    int (*create)(const struct engine_env *env, const char *options, struct engine **e);
    void (*destroy)(struct engine *e);
    /* Run until there is a reason not to. */
    enum exit_reason (*run)(struct engine *e);
    /* Whether this host can run it; NULL: every host can. */
    bool (*available)(void);
    /* Print counters (`info jit`). */
    void (*stats)(struct engine *e, FILE *f);
    /* The rest may be NULL. Bring struct cpu up to date, where an engine keeps a part of the state
     * elsewhere (it is up to date while run() is not under way and has none of that). */
    void (*sync)(struct engine *e);
    /* struct cpu was changed from outside: a reset, a restore. */
    void (*state_changed)(struct engine *e);
    /* Print what the engine made of the code at a linear address. */
    void (*dump_code)(struct engine *e, gla_t la, FILE *f);
};

/* An engine at work on a CPU; its own matter follows. */
struct engine {
    const struct engine_class *class;
    struct cpu *cpu;
};

static inline enum exit_reason engine_run(struct engine *e) { return e->class->run(e); }
/* NULL: nothing to do. */
void engine_destroy(struct engine *e);
void engine_sync(struct engine *e);
void engine_state_changed(struct engine *e);
/* By name from a registry, or NULL. */
const struct engine_class *engine_find(const struct engine_class *const *registry, const char *name);
/* What must stand behind struct cpu for any of them. */
size_t engine_tail(const struct engine_class *const *registry);

extern const struct engine_class interp_engine;

#endif
