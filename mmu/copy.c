/* copy.c - copies and comparisons of whole memories, for lockstep: a second RAM that follows the map of
 * the first.
 *
 * Pages that nobody wrote are holes of the memfd: they are skipped, so that neither a copy nor a
 * comparison makes them real.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/memmap_int.h"

#include <stdlib.h>
#include <unistd.h>

struct memmap_layout {
    gpa_t a20_mask;
    bool smram_open;
    uint8_t pam[PAM_PAGES];
    unsigned count;
    struct mapped mapped[];
};

struct memmap *memmap_create_like(const struct memmap *m) { return memmap_create(m->ram_size, m->low); }

/* The next run of data at or after `at`: its start (ram_size if there is none) and end. */
static uint64_t next_data(const struct memmap *m, uint64_t at, uint64_t *end)
{
    off_t data = lseek(m->memfd, (off_t)at, SEEK_DATA);
    off_t hole = data < 0 ? -1 : lseek(m->memfd, data, SEEK_HOLE);

    *end = hole < 0 ? m->ram_size : (uint64_t)hole;
    return data < 0 ? m->ram_size : (uint64_t)data;
}

void memmap_copy_ram(struct memmap *to, struct memmap *from)
{
    uint64_t at;
    uint64_t end;

    /* all of `to` becomes a hole */
    BUG_ON(ftruncate(to->memfd, 0) || ftruncate(to->memfd, (off_t)to->ram_size));
    for (at = next_data(from, 0, &end); at < from->ram_size; at = next_data(from, end, &end))
        memcpy(to->ram + at, from->ram + at, end - at);
    memmap_changed(to);
}

int64_t memmap_ram_diff(struct memmap *a, struct memmap *b, int64_t page)
{
    enum { CHUNK = 16 * PAGE_SIZE };
    uint64_t at = (uint64_t)page << PAGE_SHIFT;

    while (at < a->ram_size) {
        uint64_t end_a;
        uint64_t end_b;
        uint64_t in_a = next_data(a, at, &end_a);
        uint64_t in_b = next_data(b, at, &end_b);
        uint64_t end;

        /* the run that begins first, or the part of it before the other begins */
        at = in_a < in_b ? in_a : in_b;
        end = in_a < in_b ? end_a : end_b;
        while (at < end) {
            uint64_t n = end - at < CHUNK ? end - at : CHUNK;

            if (n > PAGE_SIZE && !memcmp(a->ram + at, b->ram + at, n)) {
                at += n;
                continue;
            }
            for (; n; n -= PAGE_SIZE, at += PAGE_SIZE)
                if (memcmp(a->ram + at, b->ram + at, PAGE_SIZE))
                    return (int64_t)(at >> PAGE_SHIFT);
        }
    }
    return -1;
}

uint8_t *memmap_ram(struct memmap *m, uint64_t *size)
{
    *size = m->ram_size;
    return m->ram;
}

gpa_t memmap_ram_gpa(const struct memmap *m, int64_t page)
{
    uint64_t off = (uint64_t)page << PAGE_SHIFT;

    return off < m->low ? off : off - m->low + HIGH_RAM;
}

int64_t memmap_written_page(struct memmap *m, gpa_t gpa)
{
    struct phys_page p = memmap_page(m, gpa);

    return p.wr >= m->ram && p.wr < m->ram + m->ram_size ? (p.wr - m->ram) >> PAGE_SHIFT : -1;
}

void memmap_put_page(struct memmap *m, int64_t page, const void *data)
{
    gpa_t gpa = memmap_ram_gpa(m, page);

    memcpy(m->ram + ((uint64_t)page << PAGE_SHIFT), data, PAGE_SIZE);
    memmap_watched_written(m, gpa, PAGE_SIZE);
}

struct memmap_layout *memmap_layout_get(const struct memmap *m)
{
    struct memmap_layout *l = malloc(sizeof *l + m->count * sizeof l->mapped[0]);

    if (!l)
        return NULL;
    l->a20_mask = m->a20_mask;
    l->smram_open = m->smram_open;
    memcpy(l->pam, m->pam, sizeof l->pam);
    l->count = m->count;
    memcpy(l->mapped, m->mapped, m->count * sizeof l->mapped[0]);
    return l;
}

void memmap_layout_set(struct memmap *m, const struct memmap_layout *l)
{
    m->a20_mask = l->a20_mask;
    m->smram_open = l->smram_open;
    memcpy(m->pam, l->pam, sizeof m->pam);
    m->count = l->count;
    memcpy(m->mapped, l->mapped, l->count * sizeof l->mapped[0]);
    memmap_changed(m);
}
