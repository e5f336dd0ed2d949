/* btr_env.c - environments for random sequences: modes, descriptor tables, page tables; see btr.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "btr.h"

#include "cpu/fpu/fpu_int.h"
#include "cpu/sys.h"

#include <stdlib.h>

static bool chance(unsigned percent) { return below(100) < percent; }

/* --- descriptors --- */

static void put_desc(struct env *e, uint32_t at, uint32_t base, uint32_t limit, unsigned attr)
{
    if (attr & AR_G)
        limit >>= 12;
    store32(e->gold + at, (limit & 0xffff) | base << 16);
    store32(e->gold + at + 4, (base >> 16 & 0xff) | attr << 8 | (limit & 0xf0000) | (base & 0xff000000));
}

static void put_gate(struct env *e, uint32_t at, uint16_t sel, uint32_t off, unsigned attr)
{
    store32(e->gold + at, (uint32_t)sel << 16 | (off & 0xffff));
    store32(e->gold + at + 4, (off & 0xffff0000) | attr << 8);
}

/* A base below or above all data; limits end inside a page. */
static uint32_t some_base(const struct env *e)
{
    uint32_t near = (PG_DATA * PAGE_SIZE) - below(0x2000) + below(0x1000);

    switch (below(4)) {
    case 0: return 0;
    case 1: return below(0x8000);
    case 2: return e->pg ? LA_PT1 + below(0x3000) : near;
    default: return chance(50) ? near & ~15u : near;
    }
}

static void make_gdt(struct env *e)
{
    const unsigned data = AR_P | AR_S | AR_RW | AR_ACCESSED;
    const unsigned flat32 = data | AR_DB | AR_G;
    const unsigned own = e->cpl << AR_DPL_SHIFT;
    unsigned code = data | AR_CODE | own;
    unsigned n;
    uint32_t base = chance(50) || !e->pg ? PG_CODE * PAGE_SIZE : LA_PT1;

#define PUT(n, base, limit, attr) put_desc(e, GDT_AT + 8 * (n), base, limit, attr)
    PUT(G_KCODE, 0, 0xffffffff, flat32 | AR_CODE);
    PUT(G_KDATA, 0, 0xffffffff, flat32);
    PUT(G_UCODE, 0, 0xffffffff, flat32 | AR_CODE | AR_DPL);
    PUT(G_UDATA, 0, 0xffffffff, flat32 | AR_DPL);
    PUT(G_FLATCODE, 0, 0xffffffff, flat32 | AR_CODE | own);
    PUT(G_FLATDATA, 0, 0xffffffff, flat32 | own);
    PUT(G_CODE, base - below(0x800), chance(80) ? 0xffff : 0x4000 + below(0x8000), code | (e->code32 ? AR_DB : 0));
    PUT(G_CODE_OTHER, base - below(0x800), 0xffff, code | (e->code32 ? 0 : AR_DB));
    PUT(G_DATA16, some_base(e), 0xffff, data | own);
    PUT(G_LIMITED, some_base(e), 0x1000 + below(0x10000), data | own | AR_DB);
    PUT(G_DOWN32, some_base(e), below(0x4000), data | own | AR_EC | AR_DB);
    PUT(G_DOWN16, some_base(e), below(0x4000), data | own | AR_EC);
    PUT(G_RDONLY, some_base(e), 0xffff, (data & ~AR_RW) | own | AR_DB);
    PUT(G_EXONLY, base, 0xffff, (code & ~AR_RW) | AR_DB);
    PUT(G_RDCODE, some_base(e), 0x1ffff, code | AR_DB);
    PUT(G_ABSENT, some_base(e), 0xffff, (data & ~AR_P) | own);
    PUT(G_CONFORMING, base, 0xffff, (code & ~AR_DPL) | AR_EC | AR_DB);
    PUT(G_SMALL, some_base(e), below(40), (data & ~AR_ACCESSED) | own | (chance(50) ? AR_DB : 0));
    PUT(G_USER_LIMITED, some_base(e), 0x8000 + below(0x8000), data | AR_DPL | AR_DB);
    PUT(G_TSS, TSS_AT, chance(70) ? 0xdf : 103 + below(80), AR_P | DT_TSS32_BUSY);
    PUT(G_TSS2, TSS2_AT, 103, AR_P | DT_TSS32 | (chance(50) ? AR_DPL : 0));
    PUT(G_LDT, LDT_AT, 0xff, AR_P | DT_LDT);
    PUT(G_TSS16, TSS16_AT, 43, AR_P | DT_TSS16);
#undef PUT
    put_gate(e, GDT_AT + 8 * G_CALL32, G_KCODE * 8, HANDLERS + 0xe0, AR_P | AR_DPL | DT_CALL32);
    put_gate(e, GDT_AT + 8 * G_CALL16, G_KCODE * 8, HANDLERS + 0xe1, AR_P | AR_DPL | DT_CALL16);
    put_gate(e, GDT_AT + 8 * G_TASK, G_TSS2 * 8, 0, AR_P | AR_DPL | DT_TASK);
    for (n = G_RANDOM; n < 64; n++)
        store64(e->gold + GDT_AT + 8 * n, rnd());
    for (n = 0; n < 32; n++) {
        if (chance(30))
            store64(e->gold + LDT_AT + 8 * n, rnd());
        else
            memcpy(e->gold + LDT_AT + 8 * n, e->gold + GDT_AT + 8 * (1 + below(G_COUNT - 1)), 8);
    }
}

static void make_idt(struct env *e)
{
    unsigned v;

    for (v = 0; v < 256; v++) {
        bool dpl3 = v == 3 || v == 4 || chance(40);
        unsigned attr = AR_P | (dpl3 ? AR_DPL : 0) | (chance(50) ? DT_INT32 : DT_TRAP32);

        store16(e->gold + 4 * v, v); /* real mode: 200h:v is in HANDLERS */
        store16(e->gold + 4 * v + 2, HANDLERS >> 4);
        if (chance(4))
            attr = (attr & ~0xfu) | DT_INT16;
        if (chance(2))
            attr &= ~AR_P;
        if (v == EXC_DF && chance(30))
            put_gate(e, IDT_AT + 8 * v, G_TSS2 * 8, 0, AR_P | DT_TASK);
        else
            put_gate(e, IDT_AT + 8 * v, G_KCODE * 8, HANDLERS + v, attr);
    }
    memset(e->gold + HANDLERS, 0xf4, PAGE_SIZE);
    memset(e->gold + HANDLERS + 0x80, 0xcf, 0x60);
}

static void make_tss(struct env *e)
{
    uint8_t *t = e->gold + TSS_AT;
    unsigned n;

    memset(t, 0, 0x300);
    for (n = 0; n < 3; n++) {
        store32(t + 4 + 8 * n, (PG_KSTACK + 2) * PAGE_SIZE - (chance(90) ? 16 : below(0x1100)));
        store32(t + 8 + 8 * n, G_KDATA * 8);
    }
    store32(t + 28, PG_PD * PAGE_SIZE);
    store16(t + 102, 104 + 32);
    for (n = 0; n < 0xe0 - 104; n += 8)
        store64(t + 104 + n, chance(50) ? rnd() : 0);
    t = e->gold + TSS2_AT;
    store32(t + 28, PG_PD * PAGE_SIZE);
    store32(t + 32, HANDLERS + 0xf0);
    store32(t + 36, EFLAGS_1);
    store32(t + 56, (PG_KSTACK + 1) * PAGE_SIZE);
    for (n = 0; n < 6; n++)
        store32(t + 72 + 4 * n, (n == SEG_CS ? G_KCODE : G_KDATA) * 8);
    t = e->gold + TSS16_AT;
    store16(t + 14, HANDLERS + 0xf1);
    store16(t + 26, 0x1000);
    for (n = 0; n < 4; n++)
        store16(t + 34 + 2 * n, (n == SEG_CS ? G_KCODE : G_KDATA) * 8);
}

struct seg env_seg(const struct env *e, uint16_t sel)
{
    struct seg s = { .sel = sel };
    struct desc d;

    if (e->v86 || !e->pe) {
        seg_load_v86(&s, sel);
        if (!e->pe)
            s.attr &= ~AR_DPL;
        return s;
    }
    if (SEL_IS_NULL(sel)) {
        seg_update(&s);
        return s;
    }
    d.lo = load32(e->gold + GDT_AT + (sel & ~7u));
    d.hi = load32(e->gold + GDT_AT + (sel & ~7u) + 4);
    seg_from_desc(&s, sel, d);
    return s;
}

uint16_t env_selector(const struct env *e)
{
    if (e->v86 || !e->pe)
        return chance(80) ? below(0x3000) : (uint16_t)rnd();
    switch (below(8)) {
    case 0: return below(4);
    case 1: return (uint16_t)rnd();
    case 2: return below(32) * 8 | 4 | below(4);
    default: return below(G_COUNT) * 8 | (chance(80) ? e->cpl : below(4));
    }
}

/* --- page tables --- */

uint64_t env_pte(const struct env *e, unsigned page)
{
    uint64_t v = (uint64_t)page << PAGE_SHIFT | (chance(93) ? PTE_P : 0) | (chance(85) ? PTE_W : 0) |
                 (chance(90) ? PTE_U : 0) | (chance(70) ? PTE_A : 0) | (chance(60) ? PTE_D : 0) |
                 (chance(40) ? PTE_G : 0) | (below(8) << 9);

    if (e->pae && e->efer & EFER_NXE && chance(page < PG_DATA ? 4 : 40))
        v |= PTE_XD;
    if (e->pae && chance(1))
        v |= 1ull << 40;
    return v;
}

static void put_pte(struct env *e, unsigned table, unsigned n, uint64_t v)
{
    if (e->pae)
        store64(e->gold + table * PAGE_SIZE + 8 * n, v);
    else
        store32(e->gold + table * PAGE_SIZE + 4 * n, (uint32_t)v);
}

static unsigned any_page(void)
{
    if (chance(75))
        return PG_DATA + below(DATA_PAGES);
    if (chance(60))
        return PG_CODE + below(CODE_PAGES);
    return chance(50) ? below(RAM_PAGES) : RAM_PAGES + below(4);
}

static void make_page_tables(struct env *e)
{
    const uint64_t all = PTE_P | PTE_W | PTE_U;
    unsigned entries = e->pae ? 512 : 1024;
    uint64_t strict = PG_PT0 * PAGE_SIZE | PTE_P | (chance(50) ? PTE_W : 0) | (chance(50) ? PTE_U : 0);
    uint64_t large = PTE_P | (chance(80) ? PTE_W : 0) | (chance(80) ? PTE_U : 0) | PTE_PS | (chance(50) ? PTE_A : 0) |
                     (chance(50) ? PTE_D : 0) | (chance(50) ? PTE_G : 0);
    unsigned n;

    memset(e->gold + PG_PD * PAGE_SIZE, 0, (PG_GOLD - PG_PD) * PAGE_SIZE);
    for (n = 0; n < RAM_PAGES + 16; n++) {
        uint64_t v = n < RAM_PAGES ? env_pte(e, n) : chance(50) ? 0 : env_pte(e, any_page());

        if (n < PG_CODE) /* what the system needs */
            v = n << PAGE_SHIFT | PTE_P | PTE_W | (n == 0 || chance(20) ? PTE_U : 0) | (v & (PTE_A | PTE_D | PTE_G));
        put_pte(e, PG_PT0, n, v);
    }
    for (n = 0; n < 32; n++)
        put_pte(e, PG_PT1, n, n < CODE_PAGES ? env_pte(e, PG_CODE + below(CODE_PAGES)) : env_pte(e, any_page()));
    put_pte(e, PG_PT1, entries - 1, env_pte(e, any_page()));
    if (e->pae) {
        store64(e->gold + PG_PD * PAGE_SIZE, PG_PD0 * PAGE_SIZE | PTE_P);
        store64(e->gold + PG_PD * PAGE_SIZE + 24, PG_PD3 * PAGE_SIZE | PTE_P);
        put_pte(e, PG_PD0, 0, PG_PT0 * PAGE_SIZE | all);
        put_pte(e, PG_PD0, LA_PT1 >> 21, PG_PT1 * PAGE_SIZE | all);
        put_pte(e, PG_PD0, LA_LARGE >> 21, large);
        put_pte(e, PG_PD0, LA_STRICT >> 21, strict);
        put_pte(e, PG_PD3, 511, PG_PT1 * PAGE_SIZE | all);
    } else {
        put_pte(e, PG_PD, 0, PG_PT0 * PAGE_SIZE | all);
        put_pte(e, PG_PD, LA_PT1 >> 22, PG_PT1 * PAGE_SIZE | all);
        put_pte(e, PG_PD, LA_LARGE >> 22, large);
        put_pte(e, PG_PD, LA_STRICT >> 22, strict);
        put_pte(e, PG_PD, 1023, PG_PT1 * PAGE_SIZE | all);
    }
}

/* --- places --- */

gla_t env_place(const struct env *e)
{
    uint32_t data = (PG_DATA + below(DATA_PAGES)) * PAGE_SIZE;
    uint32_t off = chance(60) ? below(256) * 16 : chance(50) ? below(4096) : 0xff0 + below(16);
    unsigned k = below(100);

    if (k < 50)
        return data + off;
    if (k < 56)
        return (PG_CODE + below(CODE_PAGES)) * PAGE_SIZE + off;
    if (k < 58)
        return below(PG_CODE) * PAGE_SIZE + off;
    if (k < 60)
        return (RAM_PAGES - 1 + below(4)) * PAGE_SIZE + off;
    if (!e->pg || e->v86)
        return k < 98 ? data + off : (uint32_t)rnd_bits(32);
    if (k < 82)
        return LA_PT1 + below(24) * PAGE_SIZE + off;
    if (k < 89)
        return LA_LARGE + data + off;
    if (k < 94)
        return LA_STRICT + data + off;
    return k < 98 ? LA_TOP + off : (uint32_t)rnd_bits(32);
}

uint32_t env_offset(const struct env *e, const struct seg *s)
{
    uint32_t off = env_place(e) - s->base;

    if (s->limit != 0xffffffff && chance(10))
        return s->limit - 4 + below(10);
    if (e->code32 && s->limit > 0xffff)
        return off;
    if (off > 0xffff && s->limit <= 0xffff)
        off = below(s->limit + 1);
    return off;
}

/* --- the environment --- */

static void choose_mode(struct env *e)
{
    unsigned k = below(100);

    e->pe = k >= 18;
    e->v86 = k >= 18 && k < 32;
    e->cpl = e->v86 || (k >= 32 && k < 40) || k >= 70 ? 3 : k >= 68 ? 1 + below(2) : 0;
    e->code32 = k >= 50;
    e->pg = e->pe && chance(70);
    e->pae = e->pg && chance(45);
    e->flat = e->code32 && chance(60);
    e->cr0 =
        CR0_ET | (e->pe ? CR0_PE : 0) | (e->pg ? CR0_PG : 0) | (chance(60) ? CR0_WP : 0) | (chance(15) ? CR0_AM : 0);
    e->cr4 = (chance(92) ? CR4_OSFXSR : 0) | (chance(85) ? CR4_OSXMMEXCPT : 0) | (chance(90) ? CR4_PSE : 0) |
             (e->pae ? CR4_PAE : 0) | (chance(65) ? CR4_PGE : 0) | (chance(20) ? CR4_VME : 0) |
             (chance(10) ? CR4_PVI : 0) | (chance(10) ? CR4_TSD : 0) | (chance(30) ? CR4_DE : 0) |
             (chance(30) ? CR4_PCE : 0);
    e->efer = e->pae && chance(60) ? EFER_NXE : 0;
}

void env_make(struct env *e, uint64_t seed)
{
    unsigned n;

    memset(e, 0, sizeof *e);
    e->seed = seed;
    rnd_seed(seed);
    for (n = 0; n < 8; n++)
        rnd();
    choose_mode(e);
    for (n = 0; n < PAGE_SIZE; n += 8)
        store64(e->gold + n, rnd());
    make_gdt(e);
    make_idt(e);
    make_tss(e);
    make_page_tables(e);
    if (e->v86 || !e->pe)
        e->cs = 0; /* by the place of the code */
    else if (e->flat || (e->code32 && chance(30)))
        e->cs = G_FLATCODE * 8 | e->cpl;
    else
        e->cs = G_CODE * 8 | e->cpl;
}

void env_ram(const struct env *e, uint8_t *ram)
{
    static uint8_t pool[2 * RAM_SIZE];
    unsigned n;

    if (!pool[0]) {
        rnd_seed(1);
        for (n = 0; n < sizeof pool; n += 8)
            store64(pool + n, below(3) ? rnd() : rnd_bits(64));
        pool[0] = 1;
    }
    memcpy(ram, pool + (e->seed >> 20) % RAM_SIZE, RAM_SIZE);
    memcpy(ram, e->gold, sizeof e->gold);
    memset(ram + PG_CODE * PAGE_SIZE, 0xf4, CODE_PAGES * PAGE_SIZE);
}

/* --- the start of a run --- */

static struct f80 any80(void)
{
    struct f80 v = { rnd_bits(64) | 1ull << 63, (uint16_t)(0x3fff + below(40) - 20) };

    if (chance(10))
        v.se = (uint16_t)rnd();
    if (chance(10))
        v.m = rnd_bits(64);
    if (chance(10))
        v = (struct f80){ 0, 0 };
    v.se ^= (uint16_t)(rnd() & 0x8000);
    return v;
}

static void any_fpu(struct fpu *f)
{
    unsigned n;
    unsigned k;

    memset(f, 0, sizeof *f);
    f->cw = 0x37f;
    if (chance(50))
        f->cw = (uint16_t)(0x7f | below(4) << 10 | below(4) << 8);
    if (chance(10))
        f->cw &= (uint16_t)(~0x3f | rnd());
    f->sw = rnd() & 0x4700;
    if (chance(20))
        f->sw |= rnd() & 0x7f;
    if (f->sw & ~f->cw & 0x3f)
        f->sw |= chance(20) ? 0x8080 : 0;
    if (!(f->sw & 0x80))
        f->sw &= (uint16_t)(~0x3f | f->cw);
    f->top = below(8);
    f->empty = chance(60) ? 0xf << below(5) : chance(50) ? 0xff : (uint8_t)rnd();
    f->mxcsr = chance(80) ? 0x1f80 : (uint32_t)(rnd() & 0xffff);
    for (n = 0; n < 8; n++) {
        f->r[n] = any80();
        for (k = 0; k < 4; k++)
            f->xmm[n].d[k] = chance(50) ? 0x3f000000 + below(0x1000000) : (uint32_t)rnd();
    }
}

static void any_debug(const struct env *e, const struct seq *s, uint32_t *dr)
{
    unsigned n;

    memset(dr, 0, 8 * sizeof *dr);
    dr[6] = 0xffff0ff0;
    dr[7] = 0x400;
    if (!chance(1))
        return;
    for (n = 0; n < 4; n++)
        dr[n] = chance(50) ? s->la + below(s->len) : env_place(e) & ~3u;
    dr[7] |= (uint32_t)rnd() & 0xffff03ff;
}

/* What a kernel does between: other entries for pages that the code may have used, or is on. Not if the
 * code itself is such a kernel: it was made for the entries as they are. */
static void change_tables(struct env *e, const struct seq *s, struct start *t)
{
    t->changes = 0;
    while (e->pg && !s->pte_count && t->changes < ARRAY_SIZE(t->changed) && chance(25)) {
        gla_t la = chance(30)   ? s->la + below(2) * PAGE_SIZE
                   : chance(50) ? (PG_CODE + below(RAM_PAGES - PG_CODE)) * PAGE_SIZE
                                : LA_PT1 + below(32) * PAGE_SIZE;
        bool low = la < LA_PT1;
        unsigned n = (la - (low ? 0 : LA_PT1)) >> PAGE_SHIFT;
        bool code = low ? n < PG_DATA : n < CODE_PAGES;

        if (n >= RAM_PAGES || (low && n < PG_CODE))
            continue;
        put_pte(e, low ? PG_PT0 : PG_PT1, n, env_pte(e, code ? PG_CODE + below(CODE_PAGES) : any_page()));
        t->changed[t->changes++] = la & PAGE_MASK;
    }
}

void start_make(struct env *e, const struct seq *s, struct start *t)
{
    uint32_t keep = chance(50) ? 0xffffffff : 0xffff;
    uint32_t f = (uint32_t)rnd() & (EFLAGS_ARITH | EFLAGS_IF | EFLAGS_ID);

    memset(t, 0, sizeof *t);
    t->r[EAX] = (uint32_t)rnd_bits(32);
    t->r[EDX] = (uint32_t)rnd_bits(32);
    t->r[ECX] = chance(75) ? below(6) : (uint32_t)rnd_bits(32);
    t->r[EBX] = env_offset(e, &s->seg[SEG_DS]);
    t->r[ESI] = env_offset(e, &s->seg[SEG_DS]);
    t->r[EDI] = env_offset(e, &s->seg[SEG_ES]);
    t->r[EBP] = env_offset(e, &s->seg[SEG_SS]);
    t->r[ESP] = env_offset(e, &s->seg[SEG_SS]);
    if (chance(90))
        t->r[ESP] &= ~3u;
    if (!e->code32) {
        unsigned n;

        for (n = 0; n < 8; n++)
            t->r[n] = (t->r[n] & keep) | ((uint32_t)rnd() & ~keep & 0xffff0000);
    }
    if (chance(15))
        f |= EFLAGS_DF;
    if (chance(e->v86 ? 60 : 25))
        f |= EFLAGS_IOPL;
    if (chance(3))
        f |= EFLAGS_NT;
    if (chance(8))
        f |= EFLAGS_AC;
    if (chance(2))
        f |= EFLAGS_TF;
    if (chance(1))
        f |= EFLAGS_RF;
    if (chance(4))
        f |= EFLAGS_VIF;
    if (chance(2))
        f |= EFLAGS_VIP;
    t->eflags = f | EFLAGS_1 | (e->v86 ? EFLAGS_VM : 0);
    t->cr0 = e->cr0 | (chance(92) ? CR0_NE : 0) | (chance(4) ? CR0_TS : 0) | (chance(3) ? CR0_EM : 0) |
             (chance(20) ? CR0_MP : 0);
    any_fpu(&t->fpu);
    any_debug(e, s, t->dr);
    t->clear_pt = chance(25);
    change_tables(e, s, t);
}

/* --- machines --- */

static uint32_t port_in(void *opaque, uint16_t port, unsigned size)
{
    struct machine *v = opaque;

    v->io = (v->io ^ (port * 8u + size)) * 0x9e3779b1u;
    return v->io ^ v->io >> 15;
}

static void port_out(void *opaque, uint16_t port, uint32_t value, unsigned size)
{
    struct machine *v = opaque;

    v->io = (v->io ^ (port * 8u + size + 4)) * 0x9e3779b1u + value;
}

static uint64_t device_read(void *opaque, gpa_t offset, unsigned size)
{
    return port_in(opaque, (uint16_t)(offset + 0x8000), size);
}

static void device_write(void *opaque, gpa_t offset, uint64_t value, unsigned size)
{
    port_out(opaque, (uint16_t)(offset + 0x8000), (uint32_t)(value ^ value >> 32), size);
}

static const struct mmio_ops device = { device_read, device_write, 1, 8 };

static int no_interrupt(void *opaque)
{
    (void)opaque;
    return -1;
}
static tick_t stopped_clock(void *opaque)
{
    (void)opaque;
    return 1234567;
}
static uint64_t apic_read(void *opaque)
{
    (void)opaque;
    return 0xfee00900;
}
static bool apic_write(void *opaque, uint64_t v)
{
    (void)opaque;
    return v == 0xfee00900;
}
static void ferr(void *opaque, int level)
{
    struct machine *v = opaque;

    v->io = (v->io ^ ((uint32_t)level + 77)) * 0x9e3779b1u;
}

static const struct cpu_bus bus = {
    .in = port_in,
    .out = port_out,
    .intr_ack = no_interrupt,
    .now = stopped_clock,
    .apic_base_read = apic_read,
    .apic_base_write = apic_write,
    .ferr = ferr,
};

void small_create(struct machine *v, const struct engine_class *engine, const char *options)
{
    unsigned n;

    memset(v, 0, sizeof *v);
    v->c = cpu_create(cpu_model_find("max"), engine->tail);
    v->m = memmap_create(RAM_SIZE, RAM_SIZE);
    BUG_ON(!v->c || !v->m);
    v->env = (struct engine_env){ .cpu = v->c, .map = v->m };
    v->u = mmu_create(v->c, v->m);
    v->c->bus = &bus;
    v->c->bus_opaque = v;
    v->rom = malloc(PAGE_SIZE);
    BUG_ON(!v->u || !v->rom || engine->create(&v->env, options, &v->engine));
    for (n = 0; n < PAGE_SIZE; n++) /* with some code: NOP, INC, HLT, RET */
        v->rom[n] = n % 64 == 63 ? 0xf4 : n % 16 == 15 ? 0xc3 : n & 1 ? 0x90 : (uint8_t)(0x40 + n / 2 % 16);
    range_move(range_new(v->m, PAGE_SIZE, &device, v, "device"), PG_IO * PAGE_SIZE, NULL);
    range_move(range_new_host(v->m, PAGE_SIZE, v->rom, false, "rom"), PG_ROM * PAGE_SIZE, NULL);
    cpu_reset(v->c);
}

void small_destroy(struct machine *v)
{
    engine_destroy(v->engine);
    mmu_destroy(v->u);
    memmap_destroy(v->m);
    cpu_destroy(v->c);
    free(v->rom);
}

void small_enter(struct machine *v, const struct env *e)
{
    struct cpu *c = v->c;

    env_ram(e, v->m->ram);
    c->cr0 = e->cr0;
    c->cr3 = e->pg ? PG_PD * PAGE_SIZE : 0;
    c->cr4 = e->cr4;
    c->efer = e->efer;
    c->cpl = e->cpl;
    memmap_changed(v->m);
    memset(c->pdpte, 0, sizeof c->pdpte); /* what an environment before has left */
    if (e->pae)
        c->mem->load_pdptes(c);
}
