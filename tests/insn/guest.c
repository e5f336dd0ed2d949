/* guest.c - a CPU for the instruction tests; see guest.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "guest.h"

#include "cpu/interp/interp_int.h"

#include <cpuid.h>

#define MAPS 8

uint8_t guest_sys[GUEST_SYS_SIZE];
static struct {
    gla_t la;
    uint32_t size;
} maps[MAPS];
static unsigned map_count;

void guest_map(gla_t la, uint32_t size)
{
    BUG_ON(map_count == MAPS);
    maps[map_count].la = la;
    maps[map_count++].size = size;
}

/* The host's byte at `la`, or NULL. */
static uint8_t *host_byte(gla_t la, bool user)
{
    unsigned n;

    for (n = 0; n < map_count; n++)
        if (la - maps[n].la < maps[n].size)
            return (uint8_t *)(uintptr_t)la;
    if (!user && la - GUEST_SYS_LA < GUEST_SYS_SIZE)
        return guest_sys + (la - GUEST_SYS_LA);
    return NULL;
}

/* All `size` bytes or a page fault. */
static void check(struct cpu *c, gla_t la, unsigned size, bool user, bool write)
{
    unsigned n;

    for (n = 0; n < size; n++)
        if (!host_byte(la + n, user))
            cpu_raise_pf(c, la + n, (user ? PFERR_U : 0) | (write ? PFERR_W : 0));
}

static uint64_t mem_read(struct cpu *c, gla_t la, unsigned size, bool user)
{
    uint64_t v = 0;
    unsigned n;

    check(c, la, size, user, false);
    for (n = 0; n < size; n++)
        v |= (uint64_t)*host_byte(la + n, user) << 8 * n;
    return v;
}

static void mem_write(struct cpu *c, gla_t la, uint64_t v, unsigned size, bool user)
{
    unsigned n;

    check(c, la, size, user, true);
    for (n = 0; n < size; n++)
        *host_byte(la + n, user) = v >> 8 * n;
}

static void mem_probe_write(struct cpu *c, gla_t la, unsigned size, bool user) { check(c, la, size, user, true); }

static void mem_flush(struct cpu *c, bool global_too)
{
    (void)c;
    (void)global_too;
}

static const struct mem_ops stub = {
    .read = mem_read,
    .write = mem_write,
    .probe_write = mem_probe_write,
    .flush = mem_flush,
};

static const struct cpu_bus no_bus;

struct cpu *guest_create(void)
{
    struct cpu *c = cpu_create(cpu_model_find("max"), 0);
    unsigned n;

    if (!c)
        return NULL;
    insn_init();
    c->features = ~0ull;
    c->mem = &stub;
    c->bus = &no_bus;
    c->cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_WP | CR0_ET;
    c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT;
    c->eflags = EFLAGS_1 | EFLAGS_IF;
    c->cpl = 3;
    for (n = 0; n < SEG_COUNT; n++) {
        c->seg[n].limit = 0xffffffff;
        c->seg[n].attr = AR_P | AR_DPL | AR_S | AR_RW | AR_ACCESSED | AR_DB | AR_G | (n == SEG_CS ? AR_CODE : 0);
    }
    cpu_update_derived(c);
    guest_use_tlb(c, true);
    return c;
}

void guest_use_tlb(struct cpu *c, bool fill)
{
    struct tlb *t = &c->tlbs[TLB_USER];
    unsigned m;
    unsigned n;

    for (n = 0; n < TLB_COUNT; n++) {
        for (m = 0; m < TLB_SIZE && !c->tlbs[n].code_tag[m]; m++) {
            c->tlbs[n].r[m].tag = c->tlbs[n].w[m].tag = tlb_none(m);
            c->tlbs[n].code_tag[m] = tlb_none(m);
        }
    }
    for (m = 0; m < map_count; m++) {
        for (n = 0; n < maps[m].size; n += PAGE_SIZE) {
            gla_t la = maps[m].la + n;
            unsigned k = TLB_INDEX(la);

            t->r[k].tag = t->w[k].tag = fill ? la : tlb_none(k);
            t->r[k].addend = t->w[k].addend = 0;
        }
    }
}

/* Behind the instruction under test. */
static void op_stop(struct cpu *c, const struct insn *i)
{
    c->eip += i->off;
    c->icount += i->n;
}

int guest_step(struct cpu *c, struct insn *i)
{
    i[0].off = 0;
    i[0].n = 0;
    memset(&i[1], 0, sizeof i[1]);
    i[1].fn = op_stop;
    i[1].off = i[0].len;
    i[1].n = 1;
    c->cur = &insn_none;
    if (setjmp(c->jmp))
        return c->exc.vector;
    i->fn(c, i);
    return -1;
}

bool host_is_amd(void)
{
    static int known = -1;
    unsigned a, b, c, d;

    if (known < 0) /* CPUID is slow in a virtual machine */
        known = __get_cpuid(0, &a, &b, &c, &d) &&
                (c == signature_AMD_ecx || c == 0x656e6975); /* AuthenticAMD, HygonGenuine */
    return known;
}

static uint64_t rng = 88172645463325252u;

void rnd_seed(uint64_t seed) { rng = 88172645463325252u ^ seed * 0x9e3779b97f4a7c15u; }

uint64_t rnd(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng * 0x2545f4914f6cdd1du;
}

unsigned below(unsigned n) { return (unsigned)(rnd() >> 33) % n; }

uint64_t rnd_bits(unsigned width)
{
    uint64_t all = width == 64 ? ~0ull : (1ull << width) - 1;
    uint64_t v;

    switch (below(7)) {
    case 0: return 0;
    case 1: return all;
    case 2: return 1ull << below(width);
    case 3: return all << below(width) & all;
    case 4: v = 1ull << below(width); return (rnd() & 1 ? v - 1 : v + 1) & all;
    case 5: return (rnd() & all) & (all << below(width));
    default: return rnd() & all;
    }
}
