/* log.c - what the first CPU got from outside, in the order it got it. See lockstep_int.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include <stdlib.h>

/* Room for one more. Memory that runs out here ends the run: the log cannot have gaps. */
static void *grow(void *p, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return p;
    *cap = *cap ? *cap * 2 : 256;
    p = realloc(p, *cap * size);
    BUG_ON(!p);
    return p;
}

struct entry *log_add(struct log *l, enum entry_kind kind, uint64_t icount, bool inside)
{
    struct entry *e;

    l->e = grow(l->e, l->count, &l->cap, sizeof *l->e);
    if (kind >= ENTRY_DMA && !inside) {
        l->mark = grow(l->mark, l->marks, &l->mark_cap, sizeof *l->mark);
        l->mark[l->marks++] = l->count;
    }
    e = &l->e[l->count++];
    *e = (struct entry){ .kind = kind, .icount = icount, .inside = inside };
    return e;
}

void log_add_dma(struct log *l, uint64_t icount, bool inside, gpa_t gpa, const void *buf, size_t len)
{
    struct entry *e = log_add(l, ENTRY_DMA, icount, inside);

    while (l->used + len > l->byte_cap)
        l->bytes = grow(l->bytes, l->byte_cap, &l->byte_cap, 1);
    memcpy(l->bytes + l->used, buf, len);
    e->addr = gpa;
    e->len = (uint32_t)len;
    e->value = l->used;
    l->used += len;
}

void log_add_map(struct log *l, uint64_t icount, bool inside, const struct memmap *m)
{
    struct entry *e = log_add(l, ENTRY_MAP, icount, inside);

    l->layouts = grow(l->layouts, l->layout_count, &l->layout_cap, sizeof *l->layouts);
    e->value = l->layout_count;
    l->layouts[l->layout_count] = memmap_layout_get(m);
    BUG_ON(!l->layouts[l->layout_count]);
    l->layout_count++;
}

void log_add_ad(struct log *l, uint64_t icount, gpa_t gpa, uint32_t value)
{
    l->ad = grow(l->ad, l->ads, &l->ad_cap, sizeof *l->ad);
    l->ad[l->ads++] = (struct ad_entry){ icount, gpa, value };
}

void log_clear(struct log *l)
{
    while (l->layout_count)
        free(l->layouts[--l->layout_count]);
    l->count = l->marks = l->ads = l->used = 0;
}

void log_free(struct log *l)
{
    log_clear(l);
    free(l->e);
    free(l->mark);
    free(l->ad);
    free(l->bytes);
    free(l->layouts);
    memset(l, 0, sizeof *l);
}

void log_describe(char *text, size_t size, enum entry_kind kind, uint64_t addr, unsigned bytes, uint64_t value)
{
    unsigned long long a = addr;
    unsigned long long v = value;

    switch (kind) {
    case ENTRY_IN: snprintf(text, size, "reads port %llxh (%u bytes)", a, bytes); break;
    case ENTRY_OUT: snprintf(text, size, "writes %0*llx to port %llxh (%u bytes)", (int)bytes * 2, v, a, bytes); break;
    case ENTRY_MMIO_READ:
        snprintf(text, size, "reads %u bytes at physical %09llx, which is not memory", bytes, a);
        break;
    case ENTRY_MMIO_WRITE:
        snprintf(text, size, "writes %0*llx (%u bytes) at physical %09llx, which is not memory", (int)bytes * 2, v,
                 bytes, a);
        break;
    case ENTRY_NOW: snprintf(text, size, "asks for the time"); break;
    case ENTRY_APIC_READ: snprintf(text, size, "reads the APIC's base"); break;
    case ENTRY_APIC_WRITE: snprintf(text, size, "writes %llx to the APIC's base", v); break;
    case ENTRY_FERR: snprintf(text, size, "sets FERR# to %llu", v); break;
    case ENTRY_INTR: snprintf(text, size, "takes interrupt %02llx", v); break;
    default: snprintf(text, size, "is told of something (%u)", kind); break;
    }
}
