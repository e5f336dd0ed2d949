/* walk.c - page walks: 32-bit paging with 4 MiB pages, and PAE (SDM 3A 4.3, 4.4).
 *
 * Accessed and dirty bits are set once the whole walk has succeeded.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/mmu_int.h"

/* Page-table entries:
 *   63 XD (PAE) | .. address .. | 8 G | 7 PS | 6 D | 5 A | 4 PCD | 3 PWT | 2 U/S | 1 R/W | 0 P */
#define PTE_P  0x001u
#define PTE_W  0x002u
#define PTE_U  0x004u
#define PTE_A  0x020u
#define PTE_D  0x040u
#define PTE_PS 0x080u
#define PTE_G  0x100u
#define PTE_XD (1ull << 63)

#define PHYS_BITS 36
#define PAE_ADDR  (((1ull << PHYS_BITS) - 1) & ~0xfffull)
#define PAE_RSVD  (~PTE_XD & ~((1ull << PHYS_BITS) - 1))

static uint64_t entry_read(struct memmap *m, gpa_t pa, unsigned size)
{
    struct phys_page p;
    uint8_t entry[8];

    pa &= m->a20_mask;
    p = memmap_page(m, pa);
    if (p.rd)
        return load_n(p.rd + (pa & ~PAGE_MASK), size);
    memmap_read(m, pa, entry, size);
    return load_n(entry, size);
}

/* Set A or D bits of an entry in memory. What shadows the entry need not know: it gives no more than
 * the entry did. But code may lie there. */
static void entry_set(struct memmap *m, gpa_t pa, uint64_t entry, uint32_t bits)
{
    uint32_t v = (uint32_t)entry | bits;
    struct phys_page p;
    uint8_t low[4];

    if ((entry & bits) == bits)
        return;
    pa &= m->a20_mask;
    p = memmap_page(m, pa);
    if (p.wr && !m->hooks && !(memmap_watched(m, pa) & (WATCH_CODE | WATCH_DIRTY)))
        store32(p.wr + (pa & ~PAGE_MASK), v);
    else {
        store32(low, v);
        memmap_write(m, pa, low, sizeof low);
    }
}

struct rights {
    bool user;
    bool write;
    bool xd;
};

/* Whether the rights allow the access; with CR0.WP clear a supervisor may write anything. */
static bool allowed(struct cpu *c, struct rights r, unsigned access, bool user)
{
    if (user && !r.user)
        return false;
    if (access == WALK_WRITE && !r.write && (user || (c->cr0 & CR0_WP)))
        return false;
    return !(access == WALK_FETCH && r.xd);
}

static uint32_t error_code(struct cpu *c, unsigned access, bool user, uint32_t bits)
{
    bool nx = (c->cr4 & CR4_PAE) && (c->efer & EFER_NXE);

    return bits | (access == WALK_WRITE ? PFERR_W : 0) | (user ? PFERR_U : 0) |
           (access == WALK_FETCH && nx ? PFERR_I : 0);
}

/* Write rights as the TLB may cache them for this privilege. */
static bool may_write(struct cpu *c, struct rights r, bool user) { return r.write || (!user && !(c->cr0 & CR0_WP)); }

/* The levels of a paging mode below what CR3 points to: the shift of a linear address and the mask of its index. */
struct level {
    unsigned shift;
    unsigned mask;
};
static const struct level levels32[2] = { { 22, 0x3ff }, { 12, 0x3ff } };
static const struct level levels_pae[2] = { { 21, 0x1ff }, { 12, 0x1ff } };

/* Bits that must be 0 in a present entry; `large`: it maps a page by itself (SDM 3A 4.3, tables 4-4 and 4-8 ff.). */
static inline uint64_t reserved(const struct cpu *c, bool pae, bool large)
{
    if (pae)
        return PAE_RSVD | (c->efer & EFER_NXE ? 0 : PTE_XD) | (large ? 0x1fe000 : 0);
    return !large ? 0 : cpu_has(c, FEAT_PSE36) ? 0x200000 : 0x3fe000;
}

/* Where the page of an entry begins. */
static inline gpa_t page_base(const struct cpu *c, bool pae, bool large, uint64_t e)
{
    if (pae)
        return large ? e & PAE_ADDR & ~0x1fffffull : e & PAE_ADDR;
    if (large)
        return (e & 0xffc00000) | (cpu_has(c, FEAT_PSE36) ? (e & 0x1e000) << 19 : 0);
    return e & 0xfffff000;
}

/* Inline, for each mode on its own: misses of the TLB come here. */
static inline __attribute__((always_inline)) bool walk_levels(struct cpu *c, struct memmap *m, gpa_t table, gla_t la,
                                                              unsigned access, bool user, bool debug, bool pae,
                                                              struct walk *w, uint32_t *error)
{
    const struct level *level = pae ? levels_pae : levels32;
    unsigned size = pae ? 8 : 4;
    struct rights r = { true, true, false };
    gpa_t at[2] = { 0, 0 };
    uint64_t e[2];
    bool large;
    unsigned n = 0;

    for (;; n++) {
        at[n] = table + (la >> level[n].shift & level[n].mask) * size;
        e[n] = entry_read(m, at[n], size);
        if (!(e[n] & PTE_P)) {
            *error = error_code(c, access, user, 0);
            return false;
        }
        large = n == 0 && (e[n] & PTE_PS) && (pae || (c->cr4 & CR4_PSE));
        if (e[n] & reserved(c, pae, large)) {
            *error = error_code(c, access, user, PFERR_P | PFERR_RSVD);
            return false;
        }
        r = (struct rights){ r.user && (e[n] & PTE_U), r.write && (e[n] & PTE_W), r.xd || (pae && e[n] >> 63) };
        table = page_base(c, pae, large, e[n]);
        if (large || n == 1)
            break;
    }
    if (!allowed(c, r, access, user)) {
        *error = error_code(c, access, user, PFERR_P);
        return false;
    }
    if (!debug) {
        if (n)
            entry_set(m, at[0], e[0], PTE_A);
        entry_set(m, at[n], e[n], PTE_A | (access == WALK_WRITE ? PTE_D : 0));
    }
    w->pa = table | (la & ((1u << level[n].shift) - 1));
    w->writable = may_write(c, r, user) && (access == WALK_WRITE || (e[n] & PTE_D));
    w->global = (e[n] & PTE_G) && (c->cr4 & CR4_PGE);
    w->large = large;
    w->accessed = !debug || (e[n] & PTE_A);
    w->pde_at = at[0];
    w->pte_at = at[1];
    return true;
}

static bool walk32(struct cpu *c, struct memmap *m, gla_t la, unsigned access, bool user, bool debug, struct walk *w,
                   uint32_t *error)
{
    return walk_levels(c, m, c->cr3 & 0xfffff000, la, access, user, debug, false, w, error);
}

static bool walk_pae(struct cpu *c, struct memmap *m, gla_t la, unsigned access, bool user, bool debug, struct walk *w,
                     uint32_t *error)
{
    uint64_t pdpte = c->pdpte[la >> 30];

    if (!(pdpte & PTE_P)) {
        *error = error_code(c, access, user, 0);
        return false;
    }
    return walk_levels(c, m, pdpte & PAE_ADDR, la, access, user, debug, true, w, error);
}

bool mmu_walk(struct cpu *c, struct memmap *m, gla_t la, unsigned access, bool user, bool debug, struct walk *w,
              uint32_t *error)
{
    bool ok = true;

    if (!(c->cr0 & CR0_PG)) {
        w->pa = la;
        w->writable = true;
        w->global = true;
        w->large = false;
        w->accessed = true;
        w->pde_at = 0;
        w->pte_at = 0;
    } else if (c->cr4 & CR4_PAE) {
        ok = walk_pae(c, m, la, access, user, debug, w, error);
    } else {
        ok = walk32(c, m, la, access, user, debug, w, error);
    }
    if (ok)
        w->pa &= m->a20_mask;
    return ok;
}
