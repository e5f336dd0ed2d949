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
    if (p.wr && !m->hooks && !(memmap_watched(m, pa) & WATCH_CODE))
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

static bool walk32(struct cpu *c, struct memmap *m, gla_t la, unsigned access, bool user, bool debug, struct walk *w,
                   uint32_t *error)
{
    gpa_t pde_at = (c->cr3 & 0xfffff000) + (la >> 22) * 4;
    uint64_t pde = entry_read(m, pde_at, 4);
    struct rights r;
    gpa_t pte_at;
    uint64_t pte;

    if (!(pde & PTE_P)) {
        *error = error_code(c, access, user, 0);
        return false;
    }
    if ((pde & PTE_PS) && (c->cr4 & CR4_PSE)) {
        bool pse36 = cpu_has(c, FEAT_PSE36);

        if (pde & (pse36 ? 0x200000 : 0x3fe000)) {
            *error = error_code(c, access, user, PFERR_P | PFERR_RSVD);
            return false;
        }
        r = (struct rights){ pde & PTE_U, pde & PTE_W, false };
        if (!allowed(c, r, access, user)) {
            *error = error_code(c, access, user, PFERR_P);
            return false;
        }
        if (!debug)
            entry_set(m, pde_at, pde, PTE_A | (access == WALK_WRITE ? PTE_D : 0));
        w->pa = (pde & 0xffc00000) | (pse36 ? (pde & 0x1e000) << 19 : 0) | (la & 0x3fffff);
        w->writable = may_write(c, r, user) && (access == WALK_WRITE || (pde & PTE_D));
        w->global = (pde & PTE_G) && (c->cr4 & CR4_PGE);
        w->large = true;
        w->accessed = !debug || (pde & PTE_A);
        w->pde_at = pde_at;
        w->pte_at = 0;
        return true;
    }
    pte_at = (pde & 0xfffff000) + (la >> 12 & 0x3ff) * 4;
    pte = entry_read(m, pte_at, 4);
    if (!(pte & PTE_P)) {
        *error = error_code(c, access, user, 0);
        return false;
    }
    r = (struct rights){ pde & pte & PTE_U, pde & pte & PTE_W, false };
    if (!allowed(c, r, access, user)) {
        *error = error_code(c, access, user, PFERR_P);
        return false;
    }
    if (!debug) {
        entry_set(m, pde_at, pde, PTE_A);
        entry_set(m, pte_at, pte, PTE_A | (access == WALK_WRITE ? PTE_D : 0));
    }
    w->pa = (pte & 0xfffff000) | (la & 0xfff);
    w->writable = may_write(c, r, user) && (access == WALK_WRITE || (pte & PTE_D));
    w->global = (pte & PTE_G) && (c->cr4 & CR4_PGE);
    w->large = false;
    w->accessed = !debug || (pte & PTE_A);
    w->pde_at = pde_at;
    w->pte_at = pte_at;
    return true;
}

static bool walk_pae(struct cpu *c, struct memmap *m, gla_t la, unsigned access, bool user, bool debug, struct walk *w,
                     uint32_t *error)
{
    uint64_t rsvd = PAE_RSVD | (c->efer & EFER_NXE ? 0 : PTE_XD);
    uint64_t pdpte = c->pdpte[la >> 30];
    gpa_t pde_at;
    uint64_t pde;
    gpa_t pte_at;
    uint64_t pte;
    struct rights r;

    if (!(pdpte & PTE_P)) {
        *error = error_code(c, access, user, 0);
        return false;
    }
    pde_at = (pdpte & PAE_ADDR) + (la >> 21 & 0x1ff) * 8;
    pde = entry_read(m, pde_at, 8);
    if (!(pde & PTE_P)) {
        *error = error_code(c, access, user, 0);
        return false;
    }
    if (pde & (rsvd | (pde & PTE_PS ? 0x1fe000 : 0))) {
        *error = error_code(c, access, user, PFERR_P | PFERR_RSVD);
        return false;
    }
    if (pde & PTE_PS) {
        r = (struct rights){ pde & PTE_U, pde & PTE_W, pde >> 63 };
        if (!allowed(c, r, access, user)) {
            *error = error_code(c, access, user, PFERR_P);
            return false;
        }
        if (!debug)
            entry_set(m, pde_at, pde, PTE_A | (access == WALK_WRITE ? PTE_D : 0));
        w->pa = (pde & PAE_ADDR & ~0x1fffffull) | (la & 0x1fffff);
        w->writable = may_write(c, r, user) && (access == WALK_WRITE || (pde & PTE_D));
        w->global = (pde & PTE_G) && (c->cr4 & CR4_PGE);
        w->large = true;
        w->accessed = !debug || (pde & PTE_A);
        w->pde_at = pde_at;
        w->pte_at = 0;
        return true;
    }
    pte_at = (pde & PAE_ADDR) + (la >> 12 & 0x1ff) * 8;
    pte = entry_read(m, pte_at, 8);
    if (!(pte & PTE_P)) {
        *error = error_code(c, access, user, 0);
        return false;
    }
    if (pte & rsvd) {
        *error = error_code(c, access, user, PFERR_P | PFERR_RSVD);
        return false;
    }
    r = (struct rights){ pde & pte & PTE_U, pde & pte & PTE_W, (pde | pte) >> 63 };
    if (!allowed(c, r, access, user)) {
        *error = error_code(c, access, user, PFERR_P);
        return false;
    }
    if (!debug) {
        entry_set(m, pde_at, pde, PTE_A);
        entry_set(m, pte_at, pte, PTE_A | (access == WALK_WRITE ? PTE_D : 0));
    }
    w->pa = (pte & PAE_ADDR) | (la & 0xfff);
    w->writable = may_write(c, r, user) && (access == WALK_WRITE || (pte & PTE_D));
    w->global = (pte & PTE_G) && (c->cr4 & CR4_PGE);
    w->large = false;
    w->accessed = !debug || (pte & PTE_A);
    w->pde_at = pde_at;
    w->pte_at = pte_at;
    return true;
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
