/* seg.c - descriptors, segment register loads, limit checks, stacks of other privileges, and the
 * rights to ports.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/callout.h"
#include "cpu/interp/interp_int.h"

/* --- implicit supervisor accesses --- */

#define DEF_SYS(bits)                                                     \
    uint##bits##_t sys_read##bits(struct cpu *c, gla_t la)                \
    {                                                                     \
        const struct tlb_entry *e = &c->tlbs[TLB_SUPER].r[TLB_INDEX(la)]; \
        if (TLB_HIT(e->tag, la, bits / 8))                                \
            return load_n((const void *)(e->addend + la), bits / 8);      \
        return c->mem->read(c, la, bits / 8, false);                      \
    }                                                                     \
    void sys_write##bits(struct cpu *c, gla_t la, uint##bits##_t v)       \
    {                                                                     \
        const struct tlb_entry *e = &c->tlbs[TLB_SUPER].w[TLB_INDEX(la)]; \
        if (TLB_HIT(e->tag, la, bits / 8))                                \
            store_n((void *)(e->addend + la), v, bits / 8);               \
        else                                                              \
            c->mem->write(c, la, v, bits / 8, false);                     \
    }
DEF_SYS(8)
DEF_SYS(16)
DEF_SYS(32)

/* --- limits --- */

void seg_update(struct seg *s)
{
    bool code = s->attr & AR_CODE;
    uint64_t lim = s->limit == 0xffffffff ? 1ull << 32 : s->limit >= 15 ? s->limit - 14 : 0;

    if (!(s->attr & AR_P) || (!code && (s->attr & AR_EC)))
        lim = 0; /* absent, or expand down: the slow path decides */
    s->rlim = code && !(s->attr & AR_RW) ? 0 : lim;
    s->wlim = code || !(s->attr & AR_RW) ? 0 : lim;
}

/* Whether [off, off + size) lies inside the segment (SDM 3A 5.3). */
static bool seg_inside(const struct seg *s, uint32_t off, unsigned size)
{
    uint64_t last = (uint64_t)off + size - 1;

    if ((s->attr & (AR_CODE | AR_EC)) == AR_EC)
        return off > s->limit && last <= (s->attr & AR_DB ? 0xffffffff : 0xffff);
    return last <= s->limit || s->limit == 0xffffffff;
}

void seg_check_slow(struct cpu *c, unsigned n, uint32_t off, unsigned size, bool write)
{
    const struct seg *s = &c->seg[n];
    bool ok = (s->attr & AR_P) != 0;

    if (s->attr & AR_CODE)
        ok = ok && !write && (s->attr & AR_RW);
    else
        ok = ok && (!write || (s->attr & AR_RW));
    if (ok && seg_inside(s, off, size))
        return;
    cpu_raise_err(c, n == SEG_SS ? EXC_SS : EXC_GP, 0);
}

/* --- descriptors --- */

bool desc_read(struct cpu *c, uint16_t sel, struct desc *d)
{
    uint32_t base;
    uint32_t limit;

    if (sel & 4) {
        if (!(c->ldtr.attr & AR_P))
            return false;
        base = c->ldtr.base;
        limit = c->ldtr.limit;
    } else {
        base = c->gdtr.base;
        limit = c->gdtr.limit;
    }
    if ((sel | 7u) > limit)
        return false;
    d->lo = sys_read32(c, base + (sel & ~7u));
    d->hi = sys_read32(c, base + (sel & ~7u) + 4);
    return true;
}

struct desc desc_fetch(struct cpu *c, uint16_t sel, int vector)
{
    struct desc d;

    if (!desc_read(c, sel, &d))
        cpu_raise_err(c, vector, SEL_ERR(sel));
    return d;
}

struct desc desc_fetch_tss(struct cpu *c, uint16_t sel)
{
    struct desc d;

    if (sel & 4)
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    d = desc_fetch(c, sel, EXC_GP);
    if (desc_s(d) || (desc_type(d) != DT_TSS16 && desc_type(d) != DT_TSS32))
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
    return d;
}

void seg_from_desc(struct seg *s, uint16_t sel, struct desc d)
{
    s->sel = sel;
    s->attr = d.hi >> 8 & 0xf0ff;
    s->base = d.lo >> 16 | (d.hi & 0xff) << 16 | (d.hi & 0xff000000);
    s->limit = (d.lo & 0xffff) | (d.hi & 0xf0000);
    if (s->attr & AR_G)
        s->limit = s->limit << 12 | 0xfff;
    seg_update(s);
}

void desc_set_accessed(struct cpu *c, uint16_t sel, struct desc *d)
{
    uint32_t base = sel & 4 ? c->ldtr.base : c->gdtr.base;

    if (d->hi & 0x100)
        return;
    d->hi |= 0x100;
    sys_write8(c, base + (sel & ~7u) + 5, d->hi >> 8);
}

/* --- loads --- */

void seg_load_real(struct cpu *c, struct seg *s, uint16_t sel)
{
    (void)c;
    if (!(s->attr & AR_P))
        s->limit = 0xffff;
    s->sel = sel;
    s->base = (uint32_t)sel << 4;
    s->attr = (s->attr & (AR_DB | AR_G)) | AR_P | AR_S | AR_RW | AR_ACCESSED;
    seg_update(s);
}

void seg_load_v86(struct seg *s, uint16_t sel)
{
    s->sel = sel;
    s->base = (uint32_t)sel << 4;
    s->limit = 0xffff;
    s->attr = AR_P | AR_DPL | AR_S | AR_RW | AR_ACCESSED;
    seg_update(s);
}

struct seg seg_check_ss(struct cpu *c, uint16_t sel, unsigned cpl, int vector)
{
    struct desc d;
    struct seg s;

    if (SEL_IS_NULL(sel))
        cpu_raise_err(c, vector, vector == EXC_TS ? SEL_ERR(sel) : 0);
    d = desc_fetch(c, sel, vector);
    if (SEL_RPL(sel) != cpl || desc_dpl(d) != cpl || !desc_writable_data(d))
        cpu_raise_err(c, vector, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_SS, SEL_ERR(sel));
    desc_set_accessed(c, sel, &d);
    seg_from_desc(&s, sel, d);
    return s;
}

void seg_load(struct cpu *c, unsigned n, uint16_t sel)
{
    struct desc d;

    if (!cpu_pe(c)) {
        seg_load_real(c, &c->seg[n], sel);
    } else if (cpu_v86(c)) {
        seg_load_v86(&c->seg[n], sel);
    } else if (n == SEG_SS) {
        c->seg[SEG_SS] = seg_check_ss(c, sel, c->cpl, EXC_GP);
    } else if (SEL_IS_NULL(sel)) {
        c->seg[n].sel = sel;
        c->seg[n].attr = 0;
        c->seg[n].base = 0;
        c->seg[n].limit = 0;
        seg_update(&c->seg[n]);
    } else {
        d = desc_fetch(c, sel, EXC_GP);
        if (!desc_s(d) || (desc_type(d) & 10) == 8)
            cpu_raise_err(c, EXC_GP, SEL_ERR(sel)); /* system, or execute only */
        if (!desc_conforming(d) && (SEL_RPL(sel) > desc_dpl(d) || c->cpl > desc_dpl(d)))
            cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
        if (!desc_p(d))
            cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
        desc_set_accessed(c, sel, &d);
        seg_from_desc(&c->seg[n], sel, d);
    }
    if (n == SEG_SS || n == SEG_DS || n == SEG_ES)
        cpu_update_mode(c);
}

void seg_drop_inner(struct cpu *c)
{
    static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(data); n++) {
        struct seg *s = &c->seg[data[n]];
        unsigned dpl = (s->attr & AR_DPL) >> AR_DPL_SHIFT;
        bool conforming = (s->attr & (AR_CODE | AR_EC)) == (AR_CODE | AR_EC);

        if ((s->attr & AR_P) && !conforming && dpl < c->cpl) {
            s->sel = 0;
            s->attr = 0;
            s->base = 0;
            s->limit = 0;
            seg_update(s);
        }
    }
    cpu_update_mode(c);
}

/* --- stacks --- */

struct stk stk_current(struct cpu *c, unsigned size)
{
    struct stk s = {
        .ss = c->seg[SEG_SS], .sp = c->r[ESP], .mask = c->sp_mask, .user = c->cpl == 3, .err = 0, .size = size
    };
    return s;
}

static gla_t stk_linear(struct cpu *c, const struct stk *s, uint32_t off, unsigned size)
{
    if (off >= s->ss.wlim && !seg_inside(&s->ss, off, size))
        cpu_raise_err(c, EXC_SS, s->err);
    return s->ss.base + off;
}

static bool align_checked(const struct cpu *c, const struct stk *s) { return s->user && c->tlb == &c->tlbs[TLB_CHECK]; }

void stk_push(struct cpu *c, struct stk *s, uint32_t v)
{
    const struct tlb_entry *e;
    gla_t la;

    s->sp = (s->sp & ~s->mask) | ((s->sp - s->size) & s->mask);
    la = stk_linear(c, s, s->sp & s->mask, s->size);
    e = &c->tlbs[s->user ? TLB_USER : TLB_SUPER].w[TLB_INDEX(la)];
    if (s->size == 4 && TLB_HIT(e->tag, la, 4) && !align_checked(c, s))
        store32((uint8_t *)(e->addend + la), v);
    else
        c->mem->write(c, la, s->size == 2 ? v & 0xffff : v, s->size, s->user);
}

uint32_t stk_pop(struct cpu *c, struct stk *s)
{
    gla_t la = stk_linear(c, s, s->sp & s->mask, s->size);
    const struct tlb_entry *e = &c->tlbs[s->user ? TLB_USER : TLB_SUPER].r[TLB_INDEX(la)];
    uint32_t v;

    if (s->size == 4 && TLB_HIT(e->tag, la, 4) && !align_checked(c, s))
        v = load32((const uint8_t *)(e->addend + la));
    else
        v = (uint32_t)c->mem->read(c, la, s->size, s->user);
    s->sp = (s->sp & ~s->mask) | ((s->sp + s->size) & s->mask);
    return v;
}

void stk_check_room(struct cpu *c, struct stk *s, unsigned n)
{
    unsigned k;

    for (k = 1; k <= n; k++)
        stk_linear(c, s, (s->sp - k * s->size) & s->mask, s->size);
}

void tss_stack(struct cpu *c, unsigned level, uint16_t *ss, uint32_t *esp)
{
    bool wide = (c->tr.attr & AR_TYPE) >= DT_TSS32;
    uint32_t off = wide ? 4 + level * 8 : 2 + level * 4;

    if (off + (wide ? 5 : 3) > c->tr.limit)
        cpu_raise_err(c, EXC_TS, SEL_ERR(c->tr.sel));
    if (wide) {
        *esp = sys_read32(c, c->tr.base + off);
        *ss = sys_read16(c, c->tr.base + off + 4);
    } else {
        *esp = sys_read16(c, c->tr.base + off);
        *ss = sys_read16(c, c->tr.base + off + 2);
    }
}

/* --- ports --- */

void cpu_check_io(struct cpu *c, uint16_t port, unsigned size)
{
    uint32_t map;
    uint16_t bits;

    if (c->db_bp_active)
        cpu_check_io_watch(c, port, size);
    if (!cpu_pe(c) || (!cpu_v86(c) && c->cpl <= cpu_iopl(c)))
        return;
    if ((c->tr.attr & AR_P) && (c->tr.attr & AR_TYPE) >= DT_TSS32 && c->tr.limit >= 103) {
        map = sys_read16(c, c->tr.base + 102) + port / 8;
        if (map + 1 <= c->tr.limit) {
            bits = sys_read16(c, c->tr.base + map);
            if (!(bits >> (port & 7) & ((1u << size) - 1)))
                return;
        }
    }
    cpu_raise_err(c, EXC_GP, 0);
}

uint32_t cpu_in(struct cpu *c, uint16_t port, unsigned size)
{
    uint32_t v = c->bus->in(c->bus_opaque, port, size);

    if (callout_wanted(c, CALLOUT_PORT))
        callout_call(c, CALLOUT_PORT, (const uint64_t[]){ port, size, v, 0 });
    return v;
}

void cpu_out(struct cpu *c, uint16_t port, uint32_t v, unsigned size)
{
    c->bus->out(c->bus_opaque, port, v, size);
    if (callout_wanted(c, CALLOUT_PORT))
        callout_call(c, CALLOUT_PORT, (const uint64_t[]){ port, size, v, 1 });
}
