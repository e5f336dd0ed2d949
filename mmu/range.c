/* range.c - ranges of the physical map: made, moved, waiting for their place; and accesses to devices' ranges, split
 * and widened to what the device takes.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/memmap_int.h"

#include <errno.h>
#include <stdlib.h>

/* --- accesses --- */

uint64_t mmio_read(const struct mmio_ops *ops, void *dev, gpa_t offset, unsigned size)
{
    unsigned max = ops->max_size ? ops->max_size : 4;
    unsigned min = ops->min_size ? ops->min_size : 1;
    uint64_t mask = size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
    if (!ops->read)
        return mask;
    if (size > max || (size > min && (offset & (size - 1)))) {
        unsigned half = size / 2;
        uint64_t lo = mmio_read(ops, dev, offset, half);
        return lo | mmio_read(ops, dev, offset + half, half) << (half * 8);
    }
    if (size < min) {
        unsigned off = (unsigned)offset & (min - 1);
        return ops->read(dev, offset - off, min) >> (off * 8) & mask;
    }
    return ops->read(dev, offset, size) & mask;
}

void mmio_write(const struct mmio_ops *ops, void *dev, gpa_t offset, uint64_t val, unsigned size)
{
    unsigned max = ops->max_size ? ops->max_size : 4;
    unsigned min = ops->min_size ? ops->min_size : 1;
    uint64_t mask = size >= 8 ? UINT64_MAX : (1ull << (size * 8)) - 1;
    if (!ops->write)
        return;
    val &= mask;
    if (size > max || (size > min && (offset & (size - 1)))) {
        unsigned half = size / 2;
        mmio_write(ops, dev, offset, val, half);
        mmio_write(ops, dev, offset + half, val >> (half * 8), half);
        return;
    }
    if (size < min) {
        unsigned off = (unsigned)offset & (min - 1);
        ops->write(dev, offset - off, val << (off * 8), min);
        return;
    }
    ops->write(dev, offset, val, size);
}

/* --- life --- */

static struct range *new_range(struct memmap *m, struct range like)
{
    struct range *r;

    if (!like.size || (like.size & (PAGE_SIZE - 1)))
        return NULL;
    r = malloc(sizeof *r);
    if (!r)
        return NULL;
    *r = like;
    r->map = m;
    r->gpa = r->wanted = GPA_NONE;
    r->next = m->ranges;
    m->ranges = r;
    return r;
}

struct range *range_new(struct memmap *m, uint64_t size, const struct mmio_ops *ops, void *dev, const char *name)
{
    return new_range(m, (struct range){ .name = name, .size = size, .ops = ops, .dev = dev });
}

struct range *range_new_host(struct memmap *m, uint64_t size, void *host, bool writable, const char *name)
{
    return new_range(m, (struct range){ .name = name, .size = size, .host = host, .writable = writable });
}

void range_destroy(struct range *r)
{
    struct range **p;

    if (!r)
        return;
    range_move(r, GPA_NONE, NULL);
    for (p = &r->map->ranges; *p != r; p = &(*p)->next)
        ;
    *p = r->next;
    free(r);
}

/* --- places --- */

/* Another mapped range that r at gpa would overlap. */
static const struct range *in_the_way(const struct range *r, gpa_t gpa)
{
    const struct range *o;

    for (o = r->map->ranges; o; o = o->next)
        if (o != r && o->gpa != GPA_NONE && gpa < o->gpa + o->size && o->gpa < gpa + r->size)
            return o;
    return NULL;
}

static int map(struct range *r, gpa_t gpa)
{
    struct memmap *m = r->map;
    const struct memmap_listener *l;

    if (m->count == MAX_MAPPED)
        return -ENOSPC;
    m->mapped[m->count++] = (struct mapped){ gpa, r->size, r };
    r->gpa = gpa;
    for (l = m->listener; l; l = l->next)
        if (l->added)
            l->added(l->opaque, r, gpa, r->size);
    memmap_changed(m);
    return 0;
}

static void unmap(struct range *r)
{
    struct memmap *m = r->map;
    const struct memmap_listener *l;
    gpa_t gpa = r->gpa;
    unsigned n;

    for (n = 0; n < m->count && m->mapped[n].range != r; n++)
        ;
    BUG_ON(n == m->count);
    memmove(&m->mapped[n], &m->mapped[n + 1], (m->count - n - 1) * sizeof m->mapped[0]);
    m->count--;
    r->gpa = GPA_NONE;
    for (l = m->listener; l; l = l->next)
        if (l->removed)
            l->removed(l->opaque, r, gpa, r->size);
    memmap_changed(m);
}

void ranges_loaded(struct memmap *m)
{
    struct range *r;

    for (r = m->ranges; r; r = r->next)
        if (r->gpa != GPA_NONE && r->loaded == GPA_NONE)
            unmap(r);
    for (r = m->ranges; r; r = r->next)
        if (r->gpa == GPA_NONE && r->wanted != GPA_NONE && r->loaded == r->wanted && !in_the_way(r, r->wanted))
            map(r, r->wanted);
    for (r = m->ranges; r; r = r->next) /* none, but for a stream that no machine has written */
        if (r->gpa == GPA_NONE && r->wanted != GPA_NONE && !in_the_way(r, r->wanted))
            map(r, r->wanted);
}

int range_move(struct range *r, gpa_t gpa, const struct range **blocker)
{
    struct range *o;
    int result = 0;

    if (blocker)
        *blocker = NULL;
    if (r->gpa == gpa && r->wanted == gpa)
        return 0;
    r->wanted = gpa;
    if (r->gpa != GPA_NONE)
        unmap(r);
    /* whoever waited for the place just left gets it, and r its new one */
    for (o = r->map->ranges; o; o = o->next) {
        const struct range *way;
        int rc;

        if (o->wanted == GPA_NONE || o->gpa != GPA_NONE)
            continue;
        way = in_the_way(o, o->wanted);
        rc = way ? -EBUSY : map(o, o->wanted);
        if (o == r) {
            result = rc;
            if (blocker)
                *blocker = way;
        }
    }
    return result;
}

gpa_t range_where(const struct range *r) { return r ? r->gpa : GPA_NONE; }

const char *range_name(const struct range *r) { return r->name; }
