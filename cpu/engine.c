/* engine.c - what all engines have in common.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/engine.h"

void engine_destroy(struct engine *e)
{
    if (e)
        e->class->destroy(e);
}

void engine_sync(struct engine *e)
{
    if (e && e->class->sync)
        e->class->sync(e);
}

void engine_state_changed(struct engine *e)
{
    if (e && e->class->state_changed)
        e->class->state_changed(e);
}

const struct engine_class *engine_find(const struct engine_class *const *registry, const char *name)
{
    for (; *registry; registry++)
        if (!strcmp((*registry)->name, name))
            return *registry;
    return NULL;
}

size_t engine_tail(const struct engine_class *const *registry)
{
    size_t most = 0;

    for (; *registry; registry++)
        if ((*registry)->tail > most)
            most = (*registry)->tail;
    return most;
}
