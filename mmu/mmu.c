/* mmu.c - the slow path of every memory access, and the upkeep of the software TLB.
 *
 * The fast path is in cpu/interp/interp_int.h: a TLB entry whose tag matches. An access comes here when no
 * entry allows it. An entry is filled only with what needs no further care: plain memory, no code on
 * the page for writes, dirty bit already set for writes, no data breakpoint in the page.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/mmu_int.h"

#include "cpu/interp/block.h"
#include "cpu/callout.h"
#include "cpu/sys.h"
#include "mmu/hostmap.h"

#include <stdlib.h>

static struct mmu *mmu_of(struct cpu *c) { return c->mem_opaque; }

/* --- TLB upkeep --- */

static void drop_write(struct tlb *t, unsigned n)
{
    t->w[n].tag = tlb_none(n);
    t->code_tag[n] = tlb_none(n);
}

/* For each entry of a set that may hold something: n. */
#define FOR_FILLED(u, set, k, bits, n)  \
    for (k = 0; k < TLB_SIZE / 64; k++) \
        for (bits = (u)->filled[set][k]; bits && (n = k * 64 + (unsigned)__builtin_ctzll(bits), true); bits &= bits - 1)

static void clear_set(struct tlb *t)
{
    unsigned n;

    for (n = 0; n < TLB_SIZE; n++) {
        t->r[n].tag = tlb_none(n);
        drop_write(t, n);
    }
}

static void flush_set(struct mmu *u, unsigned set, bool global_too)
{
    struct tlb *t = &u->c->tlbs[set];
    uint64_t bits;
    unsigned k;
    unsigned n;

    FOR_FILLED(u, set, k, bits, n)
    {
        bool keep_r = !global_too && t->r_global[n];
        bool keep_w = !global_too && t->w_global[n];

        if (!keep_r)
            t->r[n].tag = tlb_none(n);
        if (!keep_w)
            drop_write(t, n);
        if (!keep_r && !keep_w)
            u->filled[set][k] &= ~(1ull << (n & 63));
    }
}

static void mmu_flush(struct cpu *c, bool global_too)
{
    struct mmu *u = mmu_of(c);

    flush_set(u, TLB_SUPER, global_too);
    flush_set(u, TLB_USER, global_too);
    if (global_too)
        memset(u->large_map, 0, sizeof u->large_map);
    if (global_too && u->windows)
        windows_flush_global(u);
    c->fetch_gen++;
    c->flush_gen++;
    c->global_gen += global_too;
}

static void mmu_invlpg(struct cpu *c, gla_t la)
{
    struct mmu *u = mmu_of(c);
    unsigned set;
    unsigned n;

    c->fetch_gen++;
    if (u->large_map[la >> 27] >> (la >> 22 & 31) & 1)
        c->global_gen++; /* more than one page */
    c->invlpg_la[c->invlpg_count++ % INVLPG_RING] = la;
    if (u->windows)
        windows_invlpg(u, la, u->large_map[la >> 27] >> (la >> 22 & 31) & 1);
    for (set = TLB_SUPER; set <= TLB_USER; set++) {
        struct tlb *t = &c->tlbs[set];

        if (u->large_map[la >> 27] >> (la >> 22 & 31) & 1) {
            /* 4 KiB pieces of a large page: drop all of its region */
            for (n = 0; n < TLB_SIZE; n++) {
                if ((t->r[n].tag ^ la) >> 22 == 0)
                    t->r[n].tag = tlb_none(n);
                if ((t->w[n].tag ^ la) >> 22 == 0 || (t->code_tag[n] ^ la) >> 22 == 0)
                    drop_write(t, n);
            }
        }
        n = TLB_INDEX(la);
        t->r[n].tag = tlb_none(n);
        drop_write(t, n);
    }
}

/* --- what the physical map says --- */

/* Everything cached about physical memory is void. */
static void map_changed(void *opaque)
{
    struct mmu *u = opaque;

    mmu_flush(u->c, true);
    if (u->windows)
        windows_drop_all(u);
    if (u->c->engine_flush)
        u->c->engine_flush(u->c);
}

static void map_written(void *opaque, gpa_t gpa, size_t len, unsigned watched)
{
    struct mmu *u = opaque;

    if ((watched & WATCH_CODE) && u->c->engine_invalidate)
        u->c->engine_invalidate(u->c, gpa, (unsigned)len);
    if (watched & WATCH_PT)
        windows_pt_written(u, gpa, len);
}

void mmu_forbid_write(struct cpu *c, gpa_t pa)
{
    struct mmu *u = mmu_of(c);
    struct phys_page p = memmap_page(u->map, pa);
    uint64_t bits;
    unsigned set;
    unsigned k;
    unsigned n;

    if (!p.wr)
        return;
    for (set = TLB_SUPER; set <= TLB_USER; set++) {
        struct tlb *t = &c->tlbs[set];

        FOR_FILLED(u, set, k, bits, n)
        {

            if (t->w[n].tag != tlb_none(n) && t->w[n].addend + t->w[n].tag == (uintptr_t)p.wr)
                drop_write(t, n);
            if (t->code_tag[n] != tlb_none(n) && t->code_pa[n] == (pa & ~(gpa_t)~PAGE_MASK))
                drop_write(t, n);
        }
    }
    windows_forbid_write(u, pa);
}

static void map_watch(void *opaque, gpa_t page) { mmu_forbid_write(((struct mmu *)opaque)->c, page); }

static void watch_code(struct cpu *c, gpa_t pa)
{
    memmap_watch(mmu_of(c)->map, pa, WATCH_CODE, true);
    mmu_forbid_write(c, pa);
}

static void unwatch_code(struct cpu *c, gpa_t pa) { memmap_watch(mmu_of(c)->map, pa, WATCH_CODE, false); }

/* A data breakpoint covers a byte of this page. */
static bool page_has_watch(const struct cpu *c, gla_t page)
{
    unsigned n;

    if (!c->db_bp_active)
        return false;
    for (n = 0; n < 4; n++)
        if ((c->dr[7] >> (n * 2) & 3) && ((c->dr[n] ^ page) & PAGE_MASK) == 0)
            return true;
    return false;
}

static void fill(struct cpu *c, gla_t la, const struct walk *w, struct phys_page p, bool user)
{
    struct mmu *u = mmu_of(c);
    struct tlb *t = &c->tlbs[user ? TLB_USER : TLB_SUPER];
    unsigned n = TLB_INDEX(la);
    gla_t page = la & PAGE_MASK;

    if (page_has_watch(c, page) || callout_wanted(c, CALLOUT_MEMORY))
        return;
    u->filled[user ? TLB_USER : TLB_SUPER][n / 64] |= 1ull << (n & 63);
    if (p.rd) {
        t->r[n].tag = page;
        t->r[n].addend = (uintptr_t)p.rd - page;
        t->r_global[n] = w->global;
    }
    if (p.wr && w->writable) {
        unsigned watched = memmap_watched(u->map, w->pa);

        drop_write(t, n);
        if (!watched) {
            t->w[n].tag = page;
        } else if (watched == WATCH_CODE) {
            t->code_tag[n] = page;
            t->code_pa[n] = w->pa & ~(gpa_t)~PAGE_MASK;
            t->code_cover[n] = blocks_cover(c, t->code_pa[n]);
        }
        t->w[n].addend = (uintptr_t)p.wr - page;
        t->w_global[n] = w->global;
    }
    if (w->large)
        u->large_map[la >> 27] |= 1u << (la >> 22 & 31);
}

/* --- accesses --- */

/* Translate one page's worth; raises #PF. */
static gpa_t translate(struct cpu *c, gla_t la, unsigned access, bool user, struct phys_page *p)
{
    struct mmu *u = mmu_of(c);
    struct walk w;
    uint32_t error;

    if (!mmu_walk(c, u->map, la, access, user, false, &w, &error))
        cpu_raise_pf(c, la, error);
    *p = memmap_page(u->map, w.pa);
    if (access != WALK_FETCH)
        fill(c, la, &w, *p, user);
    else
        c->fetch_global = w.global;
    return w.pa;
}

static void check_alignment(struct cpu *c, gla_t la, unsigned size, bool user)
{
    if (user && (la & (size - 1)) && c->tlb == &c->tlbs[TLB_CHECK])
        cpu_raise_err(c, EXC_AC, 0);
}

static uint64_t read_page(struct cpu *c, gpa_t pa, struct phys_page p, unsigned size)
{
    if (p.rd)
        return load_n(p.rd + (pa & ~PAGE_MASK), size);
    if (p.io)
        return memmap_io_read(mmu_of(c)->map, p.io, pa, size);
    return size == 8 ? ~0ull : (1ull << size * 8) - 1;
}

static void write_page(struct cpu *c, gpa_t pa, struct phys_page p, uint64_t v, unsigned size)
{
    if (p.wr) {
        store_n(p.wr + (pa & ~PAGE_MASK), v, size);
        memmap_watched_written(mmu_of(c)->map, pa, size);
    } else if (p.io) {
        memmap_io_write(mmu_of(c)->map, p.io, pa, v, size);
    }
}

static uint64_t mmu_read(struct cpu *c, gla_t la, unsigned size, bool user)
{
    struct phys_page p;
    struct phys_page p2;
    unsigned first = PAGE_SIZE - (la & ~PAGE_MASK);
    gpa_t pa;
    gpa_t pa2;

    check_alignment(c, la, size, user);
    pa = translate(c, la, WALK_READ, user, &p);
    if (unlikely(c->db_bp_active))
        cpu_check_watch(c, la, size, false);
    if (likely(size <= first))
        return read_page(c, pa, p, size);
    pa2 = translate(c, la + first, WALK_READ, user, &p2);
    {
        uint64_t v = 0;
        unsigned n;

        for (n = 0; n < size; n++)
            v |= (n < first ? read_page(c, pa + n, p, 1) : read_page(c, pa2 + n - first, p2, 1)) << n * 8;
        return v;
    }
}

static void mmu_write(struct cpu *c, gla_t la, uint64_t v, unsigned size, bool user)
{
    struct phys_page p;
    struct phys_page p2;
    unsigned first = PAGE_SIZE - (la & ~PAGE_MASK);
    unsigned n;
    gpa_t pa;
    gpa_t pa2;

    check_alignment(c, la, size, user);
    pa = translate(c, la, WALK_WRITE, user, &p);
    if (likely(size <= first)) {
        if (unlikely(c->db_bp_active))
            cpu_check_watch(c, la, size, true);
        write_page(c, pa, p, v, size);
        return;
    }
    pa2 = translate(c, la + first, WALK_WRITE, user, &p2);
    if (unlikely(c->db_bp_active))
        cpu_check_watch(c, la, size, true);
    for (n = 0; n < size; n++)
        if (n < first)
            write_page(c, pa + n, p, v >> n * 8 & 0xff, 1);
        else
            write_page(c, pa2 + n - first, p2, v >> n * 8 & 0xff, 1);
}

/* Plug-ins that watch memory are told of every access: the TLB then holds nothing. */
static uint64_t mmu_read_told(struct cpu *c, gla_t la, unsigned size, bool user)
{
    uint64_t v = mmu_read(c, la, size, user);

    if (callout_wanted(c, CALLOUT_MEMORY))
        callout_call(c, CALLOUT_MEMORY, (const uint64_t[]){ la, size, v, 0 });
    return v;
}

static void mmu_write_told(struct cpu *c, gla_t la, uint64_t v, unsigned size, bool user)
{
    mmu_write(c, la, v, size, user);
    if (callout_wanted(c, CALLOUT_MEMORY))
        callout_call(c, CALLOUT_MEMORY, (const uint64_t[]){ la, size, v, 1 });
}

static void mmu_probe_write(struct cpu *c, gla_t la, unsigned size, bool user)
{
    struct phys_page p;
    unsigned first = PAGE_SIZE - (la & ~PAGE_MASK);

    if (size <= 8)
        check_alignment(c, la, size, user);
    translate(c, la, WALK_WRITE, user, &p);
    if (size > first)
        translate(c, la + first, WALK_WRITE, user, &p);
}

static const uint8_t *mmu_fetch(struct cpu *c, gla_t la, gpa_t *pa)
{
    struct phys_page p;

    *pa = translate(c, la, WALK_FETCH, c->cpl == 3, &p);
    return p.rd;
}

static uint8_t mmu_fetch_byte(struct cpu *c, gpa_t pa)
{
    uint8_t v;

    memmap_read(mmu_of(c)->map, pa, &v, 1);
    return v;
}

static bool mmu_load_pdptes(struct cpu *c)
{
    uint8_t table[32];
    uint64_t e[4];
    unsigned n;

    memmap_read(mmu_of(c)->map, c->cr3 & 0xffffffe0 & mmu_of(c)->map->a20_mask, table, sizeof table);
    for (n = 0; n < 4; n++) {
        e[n] = load64(table + 8 * n);
        if ((e[n] & 1) && (e[n] & 0xfffffff0000001e6ull)) /* reserved bits; MAXPHYADDR is 36 */
            return false;
    }
    memcpy(c->pdpte, e, sizeof e);
    return true;
}

static bool mmu_debug_translate(struct cpu *c, gla_t la, gpa_t *pa)
{
    struct walk w;
    uint32_t error;

    if (!mmu_walk(c, mmu_of(c)->map, la, WALK_READ, false, true, &w, &error))
        return false;
    *pa = w.pa;
    return true;
}

static void mmu_phys_read(struct cpu *c, gpa_t pa, void *buf, size_t len) { memmap_read(mmu_of(c)->map, pa, buf, len); }

static void mmu_phys_write(struct cpu *c, gpa_t pa, const void *buf, size_t len)
{
    memmap_write(mmu_of(c)->map, pa, buf, len);
}

static const struct mem_ops ops = {
    .read = mmu_read_told,
    .write = mmu_write_told,
    .probe_write = mmu_probe_write,
    .fetch = mmu_fetch,
    .fetch_byte = mmu_fetch_byte,
    .watch_code = watch_code,
    .unwatch_code = unwatch_code,
    .flush = mmu_flush,
    .invlpg = mmu_invlpg,
    .load_pdptes = mmu_load_pdptes,
    .debug_translate = mmu_debug_translate,
    .phys_read = mmu_phys_read,
    .phys_write = mmu_phys_write,
};

struct mmu *mmu_create(struct cpu *c, struct memmap *m)
{
    struct mmu *u = calloc(1, sizeof *u);
    unsigned n;

    if (!u)
        return NULL;
    u->c = c;
    u->map = m;
    u->listener =
        (struct memmap_listener){ .changed = map_changed, .written = map_written, .watch = map_watch, .opaque = u };
    memmap_listen(m, &u->listener);
    c->mem = &ops;
    c->mem_opaque = u;
    for (n = 0; n < TLB_COUNT; n++)
        clear_set(&c->tlbs[n]);
    hostmap_init();
    mmu_flush(c, true);
    return u;
}

void mmu_destroy(struct mmu *u)
{
    if (!u)
        return;
    windows_destroy(u);
    memmap_unlisten(u->map, &u->listener);
    free(u);
}

uint64_t mmu_ram_size(const struct cpu *c)
{
    const struct mmu *u = c->mem_opaque;

    return u->map->ram_size;
}

void mmu_dump_tlb(struct cpu *c, FILE *f)
{
    static const char *const names[] = { "supervisor", "user" };
    unsigned set;
    unsigned n;

    for (set = TLB_SUPER; set <= TLB_USER; set++) {
        for (n = 0; n < TLB_SIZE; n++) {
            const struct tlb *t = &c->tlbs[set];
            bool r = t->r[n].tag != tlb_none(n);
            bool w = t->w[n].tag != tlb_none(n);
            gla_t page = r ? t->r[n].tag : t->w[n].tag;
            gpa_t pa;

            if ((!r && !w) || !mmu_debug_translate(c, page, &pa))
                continue;
            fprintf(f, "%s %08x -> %09llx %c%c%c\n", names[set], page, (unsigned long long)pa, r ? 'r' : '-',
                    w ? 'w' : '-', (r ? t->r_global[n] : t->w_global[n]) ? 'g' : '-');
        }
    }
}
