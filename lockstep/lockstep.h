/* lockstep.h - an engine that runs two engines side by side on one guest, and stops at the first
 * difference. doc/design.md says how.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef LOCKSTEP_LOCKSTEP_H
#define LOCKSTEP_LOCKSTEP_H

#include "cpu/engine.h"
#include "mmu/mmu.h"

/* What lockstep needs of the machine around it. To be set before the engine is created. */
struct lockstep_host {
    struct memmap *map; /* the machine's memory */
    /* An engine by name, or NULL. */
    const struct engine_class *(*find_engine)(const char *name);
    /* Disassemble one instruction into text. */
    unsigned (*disassemble)(const uint8_t *code, unsigned have, uint32_t addr, unsigned bits, char *text, size_t size);
    /* A difference was found and reported: leave the process with this status. */
    void (*stop)(void *opaque, int status);
    void *opaque;
};
void lockstep_set_host(const struct lockstep_host *host);

/* Exit status after a difference. */
#define LOCKSTEP_STATUS 3

extern const struct engine_class lockstep_engine;

#endif
