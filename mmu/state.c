/* state.c - RAM as described state.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/mmu_int.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* Pages that nobody has written are holes of the memfd: reading them would fill them. */
static size_t data_at(const void *obj, size_t at)
{
    const struct memmap *m = obj;
    off_t next = lseek(m->memfd, (off_t)at, SEEK_DATA);

    if (next < 0)
        return errno == ENXIO ? m->ram_size : at;
    return (size_t)next;
}

static void pre_load(void *obj)
{
    struct memmap *m = obj;

    if (madvise(m->ram, m->ram_size, MADV_REMOVE))
        memset(m->ram, 0, m->ram_size);
}

static void post_load(void *obj) { memmap_changed(obj); /* all code and translations are others */ }

static const struct state_field fields[] = {
    STATE_SCALAR("size in bytes", STATE_U64, 8, struct memmap, ram_size, .flags = STATE_MATCH),
    FIELD_U64(struct memmap, low, .flags = STATE_MATCH),
    FIELD_BUFFER(struct memmap, ram, ram_size, .flags = STATE_CLEARED, .data_at = data_at),
    FIELD_END,
};
const struct state_desc memmap_state = {
    .name = "ram", .version = 1, .fields = fields, .pre_load = pre_load, .post_load = post_load
};
