/* memmap.c - the guest-physical address space.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/memmap_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct memmap *memmap_create(uint64_t size, uint64_t low_max)
{
    struct memmap *m = calloc(1, sizeof *m);
    int saved;

    if (!m)
        return NULL;
    m->ram_size = size;
    m->low = size < low_max ? size : low_max;
    m->a20_mask = ~(gpa_t)0;
    m->ram = MAP_FAILED;
    m->memfd = memfd_create("callgate-ram", MFD_CLOEXEC);
    m->watched = calloc((size >> PAGE_SHIFT) + 1, 1);
    if (m->memfd < 0 || !m->watched || ftruncate(m->memfd, (off_t)size) < 0)
        goto fail;
    m->ram = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, m->memfd, 0);
    if (m->ram == MAP_FAILED)
        goto fail;
    return m;
fail:
    saved = errno ? errno : ENOMEM;
    memmap_destroy(m);
    errno = saved;
    return NULL;
}

void memmap_destroy(struct memmap *m)
{
    if (!m)
        return;
    if (m->ram && m->ram != MAP_FAILED)
        munmap(m->ram, m->ram_size);
    if (m->memfd >= 0)
        close(m->memfd);
    while (m->ranges) {
        struct range *r = m->ranges;

        m->ranges = r->next;
        free(r);
    }
    free(m->watched);
    free(m->dirty);
    free(m);
}

void memmap_changed(struct memmap *m)
{
    const struct memmap_listener *l;
    unsigned n;

    m->overlaid = false;
    for (n = 0; n < m->count; n++) {
        const struct mapped *r = &m->mapped[n];
        gpa_t end = r->gpa + r->size;

        if ((r->gpa < 0xa0000) || (end > 0x100000 && r->gpa < m->low) ||
            (end > HIGH_RAM && r->gpa < HIGH_RAM + m->ram_size - m->low))
            m->overlaid = true;
    }
    for (l = m->listener; l; l = l->next)
        if (l->changed)
            l->changed(l->opaque);
}

void memmap_listen(struct memmap *m, struct memmap_listener *l)
{
    l->next = m->listener;
    m->listener = l;
}

void memmap_unlisten(struct memmap *m, struct memmap_listener *l)
{
    struct memmap_listener **p;

    for (p = &m->listener; *p; p = &(*p)->next) {
        if (*p == l) {
            *p = l->next;
            return;
        }
    }
}

void memmap_set_pam(struct memmap *m, gpa_t gpa, uint64_t size, bool read_ram, bool write_ram)
{
    uint8_t v = (read_ram ? 1 : 0) | (write_ram ? 2 : 0);
    bool change = false;
    gpa_t p;

    for (p = gpa; p < gpa + size; p += PAGE_SIZE) {
        if (p < PAM_BASE || p >= PAM_BASE + PAM_PAGES * PAGE_SIZE)
            continue;
        change |= m->pam[(p - PAM_BASE) >> PAGE_SHIFT] != v;
        m->pam[(p - PAM_BASE) >> PAGE_SHIFT] = v;
    }
    if (change)
        memmap_changed(m);
}

void memmap_set_smram(struct memmap *m, bool open)
{
    if (m->smram_open == open)
        return;
    m->smram_open = open;
    memmap_changed(m);
}

void memmap_set_a20(struct memmap *m, bool enabled)
{
    gpa_t mask = enabled ? ~(gpa_t)0 : ~(gpa_t)0x100000;

    if (m->a20_mask == mask)
        return;
    m->a20_mask = mask;
    LOG(mmu, "A20 %s", enabled ? "on" : "off");
    memmap_changed(m);
}

bool memmap_a20(const struct memmap *m) { return m->a20_mask == ~(gpa_t)0; }

/* Host address of RAM at gpa, or NULL. */
static uint8_t *ram_at(const struct memmap *m, gpa_t gpa)
{
    if (gpa < m->low)
        return m->ram + gpa;
    if (gpa >= HIGH_RAM && gpa - HIGH_RAM < m->ram_size - m->low)
        return m->ram + m->low + (gpa - HIGH_RAM);
    return NULL;
}

static const struct mapped *mapped_at(const struct memmap *m, gpa_t gpa)
{
    unsigned n;

    for (n = m->count; n-- > 0;)
        if (gpa - m->mapped[n].gpa < m->mapped[n].size)
            return &m->mapped[n];
    return NULL;
}

const struct range *memmap_range_at(const struct memmap *m, gpa_t gpa)
{
    const struct mapped *r = mapped_at(m, gpa);

    return r ? r->range : NULL;
}

struct phys_page memmap_page(struct memmap *m, gpa_t gpa)
{
    struct phys_page p = { NULL, NULL, NULL };
    const struct mapped *r;
    uint8_t *ram;

    gpa &= ~(gpa_t)~PAGE_MASK;
    ram = ram_at(m, gpa);
    if (ram && !m->overlaid && (gpa < 0xa0000 || gpa >= 0x100000)) {
        p.rd = p.wr = ram;
        return p;
    }
    if (gpa >= 0xa0000 && gpa < 0xc0000 && m->smram_open && ram) {
        p.rd = p.wr = ram;
        return p;
    }
    r = mapped_at(m, gpa);
    if (r && r->range->host && !(m->hooks && r->range->writable)) {
        p.rd = r->range->host + (gpa - r->gpa);
        p.wr = r->range->writable ? p.rd : NULL;
    } else if (r) {
        p.io = r;
    } else if (ram && !(gpa >= 0xa0000 && gpa < 0xc0000)) {
        p.rd = p.wr = ram;
    }
    if (gpa >= PAM_BASE && gpa < PAM_BASE + PAM_PAGES * PAGE_SIZE && !p.io) {
        uint8_t pam = m->pam[(gpa - PAM_BASE) >> PAGE_SHIFT];

        if (!r)
            p.rd = NULL; /* nothing answers there but RAM, if the PAM says so */
        p.wr = pam & 2 ? ram : NULL;
        if (pam & 1)
            p.rd = ram;
    }
    return p;
}

uint64_t memmap_mapped_read(const struct mapped *r, gpa_t gpa, unsigned size)
{
    const struct range *g = r->range;

    return g->host ? load_n(g->host + (gpa - r->gpa), size) : mmio_read(g->ops, g->dev, gpa - r->gpa, size);
}

void memmap_mapped_write(const struct mapped *r, gpa_t gpa, uint64_t v, unsigned size)
{
    const struct range *g = r->range;

    if (g->host)
        store_n(g->host + (gpa - r->gpa), v, size);
    else
        mmio_write(g->ops, g->dev, gpa - r->gpa, v, size);
}

uint64_t memmap_io_read(const struct memmap *m, const struct mapped *r, gpa_t gpa, unsigned size)
{
    return m->hooks ? m->hooks->io_read(m->hooks_opaque, r, gpa, size) : memmap_mapped_read(r, gpa, size);
}

void memmap_io_write(const struct memmap *m, const struct mapped *r, gpa_t gpa, uint64_t v, unsigned size)
{
    if (m->hooks)
        m->hooks->io_write(m->hooks_opaque, r, gpa, v, size);
    else
        memmap_mapped_write(r, gpa, v, size);
}

/* Index of a RAM page in the bitmap, or -1. */
static int64_t ram_page_index(const struct memmap *m, gpa_t gpa)
{
    const uint8_t *p = ram_at(m, gpa);

    return p ? (p - m->ram) >> PAGE_SHIFT : -1;
}

unsigned memmap_watched(const struct memmap *m, gpa_t gpa)
{
    int64_t n = ram_page_index(m, gpa);

    return n < 0 ? m->watched_other : m->watched[n];
}

void memmap_watch(struct memmap *m, gpa_t gpa, unsigned what, bool on)
{
    int64_t n = ram_page_index(m, gpa);

    if (n < 0)
        m->watched_other |= on ? what : 0;
    else if (on)
        m->watched[n] |= (uint8_t)what;
    else
        m->watched[n] &= (uint8_t)~what;
}

void memmap_watched_written(struct memmap *m, gpa_t gpa, size_t len)
{
    unsigned w = memmap_watched(m, gpa);
    const struct memmap_listener *l;

    if (!w)
        return;
    if (w & WATCH_DIRTY) {
        int64_t n = ram_page_index(m, gpa);

        if (n >= 0) {
            m->dirty[n >> 6] |= 1ull << (n & 63);
            m->watched[n] &= (uint8_t)~WATCH_DIRTY;
        }
    }
    for (l = m->listener; l; l = l->next)
        if (l->written)
            l->written(l->opaque, gpa, len, w);
}

/* --- the log of written pages --- */

uint64_t memmap_ram_pages(const struct memmap *m) { return m->ram_size >> PAGE_SHIFT; }

static size_t dirty_words(const struct memmap *m) { return (memmap_ram_pages(m) + 63) / 64; }

int memmap_dirty_start(struct memmap *m)
{
    uint64_t n;

    if (!m->dirty)
        m->dirty = calloc(dirty_words(m), sizeof *m->dirty);
    if (!m->dirty)
        return -ENOMEM;
    memset(m->dirty, 0, dirty_words(m) * sizeof *m->dirty);
    for (n = 0; n < memmap_ram_pages(m); n++)
        m->watched[n] |= WATCH_DIRTY;
    memmap_changed(m); /* nothing that lets writes pass is kept */
    return 0;
}

void memmap_dirty_stop(struct memmap *m)
{
    uint64_t n;

    for (n = 0; n < memmap_ram_pages(m); n++)
        m->watched[n] &= (uint8_t)~WATCH_DIRTY;
    free(m->dirty);
    m->dirty = NULL;
}

uint64_t memmap_dirty_take(struct memmap *m, uint64_t *bits)
{
    const struct memmap_listener *l;
    uint64_t taken = 0;
    size_t w;

    memset(bits, 0, dirty_words(m) * sizeof *bits);
    for (w = 0; m->dirty && w < dirty_words(m); w++) {
        uint64_t left;

        bits[w] = left = m->dirty[w];
        m->dirty[w] = 0;
        for (; left; left &= left - 1, taken++) {
            int64_t page = (int64_t)(w * 64 + (unsigned)__builtin_ctzll(left));

            m->watched[page] |= WATCH_DIRTY;
            for (l = m->listener; l; l = l->next)
                if (l->watch)
                    l->watch(l->opaque, memmap_ram_gpa(m, page));
        }
    }
    return taken;
}

/* --- accesses --- */

/* What a device's transaction to another takes at once: dwords where they are aligned. */
static unsigned io_part(gpa_t gpa, size_t left) { return !(gpa & 3) && left >= 4 ? 4 : 1; }

static size_t page_part(gpa_t gpa, size_t len)
{
    size_t n = PAGE_SIZE - (gpa & ~PAGE_MASK);

    return n < len ? n : len;
}

void memmap_read(struct memmap *m, gpa_t gpa, void *buf, size_t len)
{
    uint8_t *b = buf;

    while (len) {
        size_t n = page_part(gpa, len);
        struct phys_page p = memmap_page(m, gpa);
        size_t k;

        if (p.rd)
            memcpy(b, p.rd + (gpa & ~PAGE_MASK), n);
        else if (!p.io)
            memset(b, 0xff, n);
        else
            for (k = 0; k < n; k += io_part(gpa + k, n - k))
                store_n(b + k, memmap_io_read(m, p.io, gpa + k, io_part(gpa + k, n - k)), io_part(gpa + k, n - k));
        gpa += n;
        b += n;
        len -= n;
    }
}

void memmap_write(struct memmap *m, gpa_t gpa, const void *buf, size_t len)
{
    const uint8_t *b = buf;

    if (m->hooks && !m->hooks->write(m->hooks_opaque, gpa, buf, len))
        return;
    while (len) {
        size_t n = page_part(gpa, len);
        struct phys_page p = memmap_page(m, gpa);
        size_t k;

        if (p.wr) {
            memcpy(p.wr + (gpa & ~PAGE_MASK), b, n);
            memmap_watched_written(m, gpa, n);
        } else if (p.io) {
            for (k = 0; k < n; k += io_part(gpa + k, n - k))
                memmap_io_write(m, p.io, gpa + k, load_n(b + k, io_part(gpa + k, n - k)), io_part(gpa + k, n - k));
        }
        gpa += n;
        b += n;
        len -= n;
    }
}

void memmap_set_hooks(struct memmap *m, const struct memmap_hooks *hooks, void *opaque)
{
    m->hooks = NULL;
    memmap_changed(m); /* writable regions are reached in another way from now on */
    m->hooks = hooks;
    m->hooks_opaque = opaque;
}

void memmap_dump(struct memmap *m, FILE *f)
{
    unsigned n;

    fprintf(f, "%016llx-%016llx RAM\n", 0ull, (unsigned long long)m->low - 1);
    if (m->ram_size > m->low)
        fprintf(f, "%016llx-%016llx RAM\n", HIGH_RAM, (unsigned long long)(HIGH_RAM + m->ram_size - m->low - 1));
    for (n = 0; n < m->count; n++) {
        const struct mapped *r = &m->mapped[n];

        fprintf(f, "%016llx-%016llx %s %s\n", (unsigned long long)r->gpa, (unsigned long long)(r->gpa + r->size - 1),
                !r->range->host      ? "MMIO"
                : r->range->writable ? "RAM "
                                     : "ROM ",
                r->range->name);
    }
    fprintf(f, "A20 %s\n", memmap_a20(m) ? "on" : "off");
}
