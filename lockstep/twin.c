/* twin.c - the second CPU and its memory: a copy of the machine's RAM under the same map.
 *
 * The second CPU is the interpreter, so all its writes go through the software TLB. At the start of a
 * slice no entry lets a write pass; the first write to a page comes through the functions below,
 * which note the page and keep a copy of what it held at the checkpoint. The first CPU's writes need
 * not be known: it must have written the same, and where it did not, the comparison finds the page.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* --- sets of pages --- */

static bool set_has(const struct page_set *s, int64_t page) { return s->bit[page >> 6] >> (page & 63) & 1; }

/* Returns whether it was not in the set before. */
static bool set_add(struct page_set *s, int64_t page)
{
    if (set_has(s, page))
        return false;
    s->bit[page >> 6] |= 1ull << (page & 63);
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 256;
        s->page = realloc(s->page, s->cap * sizeof *s->page);
        BUG_ON(!s->page);
    }
    s->page[s->count++] = page;
    return true;
}

static void set_clear(struct page_set *s)
{
    while (s->count) {
        int64_t page = s->page[--s->count];

        s->bit[page >> 6] &= ~(1ull << (page & 63));
    }
}

static bool set_create(struct page_set *s, uint64_t pages)
{
    s->bit = calloc(pages / 64 + 1, sizeof *s->bit);
    return s->bit;
}

static void set_free(struct page_set *s)
{
    free(s->bit);
    free(s->page);
}

/* --- what the second CPU writes --- */

void twin_note_write(struct lockstep *ls, int64_t page)
{
    uint64_t off = (uint64_t)page << PAGE_SHIFT;

    if (page >= 0 && set_add(&ls->dirty, page) && set_add(&ls->saved, page))
        memcpy(ls->undo + off, ls->second_ram + off, PAGE_SIZE);
}

void twin_note_range(struct lockstep *ls, gpa_t gpa, size_t len)
{
    gpa_t p;

    for (p = gpa & ~(gpa_t)~PAGE_MASK; p < gpa + len; p += PAGE_SIZE)
        twin_note_write(ls, memmap_written_page(ls->second.map, p));
}

static void note_linear(struct side *s, struct cpu *c, gla_t la)
{
    gpa_t pa;

    if (s->real->debug_translate(c, la, &pa))
        twin_note_write(s->ls, memmap_written_page(s->map, pa));
}

static void note_access(struct cpu *c, gla_t la, unsigned size)
{
    struct side *s = c->bus_opaque;

    note_linear(s, c, la);
    if ((la & ~PAGE_MASK) + size > PAGE_SIZE)
        note_linear(s, c, la + size - 1);
}

static void twin_write(struct cpu *c, gla_t la, uint64_t v, unsigned size, bool user)
{
    struct side *s = c->bus_opaque;

    note_access(c, la, size);
    s->real->write(c, la, v, size, user);
}

static void twin_probe_write(struct cpu *c, gla_t la, unsigned size, bool user)
{
    struct side *s = c->bus_opaque;

    note_access(c, la, size);
    s->real->probe_write(c, la, size, user);
}

/* A read may make the TLB let writes pass, too: not to a page that is not noted yet. */
static void guard(struct side *s, struct tlb *t, gla_t la)
{
    unsigned n = TLB_INDEX(la);
    struct tlb_entry *e = &t->w[n];
    uint64_t off = e->addend + e->tag - (uintptr_t)s->ls->second_ram;

    t->code_tag[n] = tlb_none(n);
    if (e->tag != tlb_none(n) && (off >= s->ls->ram_size || !set_has(&s->ls->dirty, (int64_t)(off >> PAGE_SHIFT))))
        e->tag = tlb_none(n);
}

static uint64_t twin_read(struct cpu *c, gla_t la, unsigned size, bool user)
{
    struct side *s = c->bus_opaque;
    uint64_t v = s->real->read(c, la, size, user);

    guard(s, &c->tlbs[user ? TLB_USER : TLB_SUPER], la);
    guard(s, &c->tlbs[user ? TLB_USER : TLB_SUPER], la + size - 1);
    return v;
}

/* Code that is not in memory: how many of its bytes are read is an engine's own affair. */
static uint8_t fetch_byte(struct cpu *c, gpa_t pa)
{
    struct side *s = c->bus_opaque;
    uint8_t v;

    s->fetching = true;
    v = s->real->fetch_byte(c, pa);
    s->fetching = false;
    return v;
}

void side_wrap_memory(struct side *s)
{
    s->real = s->c->mem;
    s->ops = *s->real;
    s->ops.fetch_byte = fetch_byte;
}

void twin_begin_slice(struct lockstep *ls)
{
    struct cpu *c = ls->second.c;
    unsigned set;
    unsigned n;

    set_clear(&ls->dirty);
    for (set = TLB_SUPER; set <= TLB_USER; set++)
        for (n = 0; n < TLB_SIZE; n++) {
            c->tlbs[set].w[n].tag = tlb_none(n);
            c->tlbs[set].code_tag[n] = tlb_none(n);
        }
}

/* --- going back --- */

void twin_checkpoint(struct lockstep *ls)
{
    set_clear(&ls->saved);
    set_clear(&ls->dirty);
}

/* What a page held at the checkpoint. */
static const uint8_t *at_checkpoint(const struct lockstep *ls, int64_t page)
{
    return (set_has(&ls->saved, page) ? ls->undo : ls->second_ram) + ((uint64_t)page << PAGE_SHIFT);
}

static void put_back(struct lockstep *ls, struct memmap *m, const uint8_t *ram, int64_t page)
{
    const uint8_t *was = at_checkpoint(ls, page);

    if (memcmp(ram + ((uint64_t)page << PAGE_SHIFT), was, PAGE_SIZE))
        memmap_put_page(m, page, was);
}

void twin_rollback_first(struct lockstep *ls)
{
    size_t n;

    for (n = 0; n < ls->saved.count; n++)
        put_back(ls, ls->first.map, ls->first_ram, ls->saved.page[n]);
    for (n = 0; n < ls->suspect.count; n++)
        put_back(ls, ls->first.map, ls->first_ram, ls->suspect.page[n]);
}

void twin_rollback_second(struct lockstep *ls)
{
    size_t n;

    for (n = 0; n < ls->saved.count; n++)
        put_back(ls, ls->second.map, ls->second_ram, ls->saved.page[n]);
}

/* --- comparing --- */

static bool page_differs(struct lockstep *ls, int64_t page)
{
    uint64_t off = (uint64_t)page << PAGE_SHIFT;

    ls->stats.pages_compared++;
    return memcmp(ls->first_ram + off, ls->second_ram + off, PAGE_SIZE) != 0;
}

bool twin_differs(struct lockstep *ls)
{
    size_t n;

    for (n = 0; n < ls->dirty.count; n++)
        if (page_differs(ls, ls->dirty.page[n]))
            return true;
    for (n = 0; n < ls->suspect.count; n++)
        if (page_differs(ls, ls->suspect.page[n]))
            return true;
    return false;
}

bool twin_differs_anywhere(struct lockstep *ls)
{
    bool found = false;
    int64_t page;

    ls->stats.ram_compares++;
    for (page = 0; (page = memmap_ram_diff(ls->first.map, ls->second.map, page)) >= 0; page++)
        if (page_differs(ls, page)) {
            set_add(&ls->suspect, page);
            found = true;
        }
    return found;
}

void twin_print_differences(struct lockstep *ls, FILE *f)
{
    enum { LINES = 16 };
    uint64_t bytes = 0;
    uint64_t pages = 0;
    int64_t page;

    for (page = 0; (page = memmap_ram_diff(ls->first.map, ls->second.map, page)) >= 0; page++) {
        const uint8_t *a = ls->first_ram + ((uint64_t)page << PAGE_SHIFT);
        const uint8_t *b = ls->second_ram + ((uint64_t)page << PAGE_SHIFT);
        unsigned n;

        pages++;
        for (n = 0; n < PAGE_SIZE; n++)
            if (a[n] != b[n] && bytes++ < LINES)
                fprintf(f, "  memory at physical %09llx: %s %02x, %s %02x\n",
                        (unsigned long long)(memmap_ram_gpa(ls->first.map, page) + n), ls->first.name, a[n],
                        ls->second.name, b[n]);
    }
    if (bytes > LINES)
        fprintf(f, "  memory: %llu bytes differ in all, in %llu pages\n", (unsigned long long)bytes,
                (unsigned long long)pages);
}

/* --- making it --- */

int twin_create(struct lockstep *ls, const struct cpu_model *model)
{
    struct side *s = &ls->second;
    uint64_t pages;

    s->c = cpu_create(model, interp_engine.tail);
    s->map = memmap_create_like(ls->first.map);
    if (!s->c || !s->map || !mmu_create(s->c, s->map))
        return -ENOMEM;
    ls->first_ram = memmap_ram(ls->first.map, &ls->ram_size);
    ls->second_ram = memmap_ram(s->map, &ls->ram_size);
    ls->undo = mmap(NULL, ls->ram_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pages = ls->ram_size >> PAGE_SHIFT;
    if (ls->undo == MAP_FAILED || !set_create(&ls->saved, pages) || !set_create(&ls->dirty, pages) ||
        !set_create(&ls->suspect, pages))
        return -ENOMEM;
    side_wrap_memory(s);
    s->ops.read = twin_read;
    s->ops.write = twin_write;
    s->ops.probe_write = twin_probe_write;
    replay_attach(s);
    ls->second_env = *ls->env;
    ls->second_env.cpu = s->c;
    ls->second_env.map = s->map;
    return interp_engine.create(&ls->second_env, NULL, &s->engine);
}

void twin_destroy(struct lockstep *ls)
{
    struct side *s = &ls->second;

    engine_destroy(s->engine);
    if (s->c)
        mmu_destroy(s->c->mem_opaque);
    if (s->c)
        cpu_destroy(s->c);
    memmap_destroy(s->map);
    if (ls->undo && ls->undo != MAP_FAILED)
        munmap(ls->undo, ls->ram_size);
    set_free(&ls->saved);
    set_free(&ls->dirty);
    set_free(&ls->suspect);
}
