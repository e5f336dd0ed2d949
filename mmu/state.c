/* state.c - RAM, and the places of ranges, as described state.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/memmap_int.h"

#include "cpu/state.h"

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

static void post_load(void *obj)
{
    struct memmap *m = obj;
    uint64_t n;

    for (n = 0; m->dirty && n < memmap_ram_pages(m); n++)
        m->dirty[n / 64] |= 1ull << n % 64;
    memmap_changed(m); /* all code and translations are others */
}

static const struct state_field fields[] = {
    STATE_SCALAR("size in bytes", STATE_U64, 8, struct memmap, ram_size, .flags = STATE_MATCH),
    FIELD_U64(struct memmap, low, .flags = STATE_MATCH),
    FIELD_BUFFER(struct memmap, ram, ram_size, .flags = STATE_CLEARED, .data_at = data_at),
    FIELD_END,
};
const struct state_desc memmap_state = {
    .name = "ram", .version = 1, .fields = fields, .pre_load = pre_load, .post_load = post_load
};

/* --- places --- */

static void save_places(const void *obj, struct state_buf *out)
{
    const struct memmap *m = obj;
    const struct range *r;

    for (r = m->ranges; r; r = r->next)
        state_buf_put64(out, r->gpa);
}

static const char *check_places(const void *obj, const uint8_t *data, size_t len)
{
    const struct memmap *m = obj;
    const struct range *r;
    size_t n = 0;

    (void)data;
    for (r = m->ranges; r; r = r->next)
        n++;
    return len == n * 8 ? NULL : "it has another number of memory ranges";
}

static void load_places(void *obj, const uint8_t *data, size_t len)
{
    struct memmap *m = obj;
    struct range *r;
    size_t n = 0;

    for (r = m->ranges; r; r = r->next, n += 8)
        r->loaded = n < len ? load64(data + n) : r->gpa;
}

static void places_post_load(void *obj) { ranges_loaded(obj); }

static const struct state_blob places_blob = { save_places, check_places, load_places };
static const struct state_field places_fields[] = { FIELD_BLOB("places", &places_blob), FIELD_END };
const struct state_desc memmap_places_state = {
    .name = "places", .version = 1, .fields = places_fields, .post_load = places_post_load
};
