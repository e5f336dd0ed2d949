/* task.c - hardware task switches (SDM 3A 7.3).
 *
 * The order matters: the checks that raise in the old task come first, then the old state is saved
 * and TR loaded; what faults after that (LDT, segments, EIP) faults in the new task with #TS, #NP
 * or #SS and its own CS:EIP.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

/* Offsets in a TSS: SDM 3A figures 7-2 and 7-10. */
enum { TSS16_SIZE = 44, TSS32_SIZE = 104 };
static const uint8_t seg_order[] = { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

struct image {
    uint32_t cr3, eip, eflags, r[8];
    uint16_t sel[6], ldt;
    bool trap;
};

static void save16(struct cpu *c, uint32_t eip, uint32_t eflags)
{
    uint32_t b = c->tr.base;
    unsigned n;

    sys_write16(c, b + 14, eip);
    sys_write16(c, b + 16, eflags);
    for (n = 0; n < 8; n++)
        sys_write16(c, b + 18 + n * 2, c->r[n]);
    for (n = 0; n < 4; n++)
        sys_write16(c, b + 34 + n * 2, c->seg[seg_order[n]].sel);
}

static void save32(struct cpu *c, uint32_t eip, uint32_t eflags)
{
    uint32_t b = c->tr.base;
    unsigned n;

    sys_write32(c, b + 32, eip);
    sys_write32(c, b + 36, eflags);
    for (n = 0; n < 8; n++)
        sys_write32(c, b + 40 + n * 4, c->r[n]);
    for (n = 0; n < 6; n++)
        sys_write16(c, b + 72 + n * 4, c->seg[seg_order[n]].sel);
}

static struct image image16(struct cpu *c, uint32_t b)
{
    struct image m = { .cr3 = c->cr3 };
    unsigned n;

    m.eip = sys_read16(c, b + 14);
    m.eflags = sys_read16(c, b + 16);
    for (n = 0; n < 8; n++)
        m.r[n] = sys_read16(c, b + 18 + n * 2) | 0xffff0000;
    for (n = 0; n < 4; n++)
        m.sel[n] = sys_read16(c, b + 34 + n * 2);
    m.ldt = sys_read16(c, b + 42);
    return m;
}

static struct image image32(struct cpu *c, uint32_t b)
{
    struct image m;
    unsigned n;

    m.cr3 = sys_read32(c, b + 28);
    m.eip = sys_read32(c, b + 32);
    m.eflags = sys_read32(c, b + 36);
    for (n = 0; n < 8; n++)
        m.r[n] = sys_read32(c, b + 40 + n * 4);
    for (n = 0; n < 6; n++)
        m.sel[n] = sys_read16(c, b + 72 + n * 4);
    m.ldt = sys_read16(c, b + 96);
    m.trap = sys_read16(c, b + 100) & 1;
    return m;
}

static void set_busy(struct cpu *c, uint16_t sel, bool busy)
{
    gla_t la = c->gdtr.base + (sel & ~7u) + 5;
    uint8_t v = sys_read8(c, la);

    sys_write8(c, la, busy ? v | 2 : v & ~2);
}

/* Segment loads of the new task raise #TS where MOV would raise #GP. */
static void load_ldt(struct cpu *c, uint16_t sel)
{
    struct desc d;

    memset(&c->ldtr, 0, sizeof c->ldtr);
    c->ldtr.sel = sel;
    if (SEL_IS_NULL(sel))
        return;
    if ((sel & 4) || !desc_read(c, sel, &d) || desc_s(d) || desc_type(d) != DT_LDT || !desc_p(d))
        cpu_raise_err(c, EXC_TS, SEL_ERR(sel));
    seg_from_desc(&c->ldtr, sel, d);
}

static void load_cs(struct cpu *c, uint16_t sel)
{
    unsigned rpl = SEL_RPL(sel);
    struct desc d;

    if (SEL_IS_NULL(sel) || !desc_read(c, sel, &d) || !desc_code(d) ||
        (desc_conforming(d) ? desc_dpl(d) > rpl : desc_dpl(d) != rpl))
        cpu_raise_err(c, EXC_TS, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
    desc_set_accessed(c, sel, &d);
    seg_from_desc(&c->seg[SEG_CS], sel, d);
}

static void load_data(struct cpu *c, unsigned n, uint16_t sel)
{
    struct desc d;

    if (SEL_IS_NULL(sel))
        return;
    if (!desc_read(c, sel, &d) || !desc_s(d) || (desc_type(d) & 10) == 8 ||
        (!desc_conforming(d) && (SEL_RPL(sel) > desc_dpl(d) || c->cpl > desc_dpl(d))))
        cpu_raise_err(c, EXC_TS, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
    desc_set_accessed(c, sel, &d);
    seg_from_desc(&c->seg[n], sel, d);
}

static void load_segments(struct cpu *c, const struct image *m)
{
    unsigned n;

    if (c->eflags & EFLAGS_VM) {
        for (n = 0; n < 6; n++)
            seg_load_v86(&c->seg[seg_order[n]], m->sel[n]);
        cpu_set_cpl(c, 3);
        return;
    }
    load_cs(c, m->sel[1]);
    c->seg[SEG_SS] = seg_check_ss(c, m->sel[2], SEL_RPL(m->sel[1]), EXC_TS);
    cpu_set_cpl(c, SEL_RPL(m->sel[1]));
    cpu_update_mode(c);
    load_data(c, SEG_ES, m->sel[0]);
    load_data(c, SEG_DS, m->sel[3]);
    load_data(c, SEG_FS, m->sel[4]);
    load_data(c, SEG_GS, m->sel[5]);
    cpu_update_mode(c);
}

void task_switch(struct cpu *c, uint16_t sel, struct desc d, enum task_source src, uint32_t ret, bool has_error,
                 uint32_t error)
{
    bool wide = desc_type(d) >= DT_TSS32;
    bool old_wide = (c->tr.attr & AR_TYPE) >= DT_TSS32;
    uint16_t old_sel = c->tr.sel;
    uint32_t eflags = cpu_get_eflags(c);
    struct seg tss;
    struct image m;
    unsigned n;

    seg_from_desc(&tss, sel, d);
    if (tss.limit < (wide ? TSS32_SIZE - 1 : TSS16_SIZE - 1))
        cpu_raise_err(c, EXC_TS, SEL_ERR(sel));
    if (c->tr.limit < (old_wide ? TSS32_SIZE - 1 : TSS16_SIZE - 1))
        cpu_raise_err(c, EXC_TS, SEL_ERR(old_sel));
    /* read the new image before anything is changed, so that a page fault is the old task's */
    m = wide ? image32(c, tss.base) : image16(c, tss.base);
    c->mem->probe_write(c, c->tr.base, 1, false);
    c->mem->probe_write(c, c->tr.base + (old_wide ? TSS32_SIZE : TSS16_SIZE) - 1, 1, false);

    if (src == TASK_JMP || src == TASK_IRET)
        set_busy(c, old_sel, false);
    if (src == TASK_IRET)
        eflags &= ~EFLAGS_NT;
    if (old_wide)
        save32(c, ret, eflags);
    else
        save16(c, ret, eflags);
    if (src == TASK_CALL || src == TASK_INT) {
        sys_write16(c, tss.base, old_sel);
        m.eflags |= EFLAGS_NT;
    }
    if (src != TASK_IRET)
        set_busy(c, sel, true);

    /* the switch: from here on faults belong to the new task */
    if (c->cur != &insn_none)
        c->icount += c->cur->n + (src == TASK_INT ? 0u : 1u);
    c->cur = &insn_none;
    c->step = false;
    c->tr = tss;
    c->tr.attr |= 2;
    c->cr0 |= CR0_TS;
    c->eip = m.eip;
    cpu_set_eflags(c, m.eflags);
    for (n = 0; n < 8; n++)
        c->r[n] = m.r[n];
    for (n = 0; n < 6; n++) {
        memset(&c->seg[seg_order[n]], 0, sizeof c->seg[0]);
        c->seg[seg_order[n]].sel = m.sel[n];
        seg_update(&c->seg[seg_order[n]]);
    }
    c->dr[7] &= ~0x155u; /* local breakpoints are the old task's (SDM 3B 17.2.4) */
    if (wide && (c->cr0 & CR0_PG) && m.cr3 != c->cr3)
        cpu_write_cr3(c, m.cr3);
    cpu_update_derived(c);
    /* there is no stack until SS is loaded: a fault takes that of the new TSS, as if from ring 3 */
    cpu_set_cpl(c, 3);
    load_ldt(c, m.ldt);
    load_segments(c, &m);
    if (c->eip > c->seg[SEG_CS].limit)
        cpu_raise_err(c, EXC_GP, 0);
    if (has_error) {
        struct stk s = stk_current(c, wide ? 4 : 2);

        stk_push(c, &s, error);
        c->r[ESP] = s.sp;
    }
    if (m.trap) {
        c->db_pending |= 1u << 15; /* DR6.BT */
        cpu_update_mode(c);
    }
}
