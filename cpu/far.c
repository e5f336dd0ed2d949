/* far.c - JMP, CALL, RET and IRET between segments: real mode, privilege changes, gates.
 * SDM 2A/2B under the instructions, SDM 3A 5.8.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

/* Commit CS with the RPL given, and the CPL. */
static void set_cs(struct cpu *c, uint16_t sel, struct desc d, unsigned cpl, uint32_t eip)
{
    desc_set_accessed(c, sel, &d);
    seg_from_desc(&c->seg[SEG_CS], (sel & ~3) | cpl, d);
    c->eip = eip;
    cpu_set_cpl(c, cpl);
}

static void check_code_limit(struct cpu *c, struct desc d, uint32_t eip)
{
    struct seg s;

    seg_from_desc(&s, 0, d);
    if (eip > s.limit)
        cpu_raise_err(c, EXC_GP, 0);
}

/* Code segment rights for a direct JMP or CALL (no privilege change). */
static void check_direct(struct cpu *c, uint16_t sel, struct desc d)
{
    if (desc_conforming(d) ? desc_dpl(d) > c->cpl : SEL_RPL(sel) > c->cpl || desc_dpl(d) != c->cpl)
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
}

/* Rights to use a gate or TSS descriptor. */
static void check_gate(struct cpu *c, uint16_t sel, struct desc d)
{
    if (desc_dpl(d) < c->cpl || desc_dpl(d) < SEL_RPL(sel))
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
}

/* The code segment a call gate leads to. */
static struct desc gate_target(struct cpu *c, uint16_t sel)
{
    struct desc t;

    if (SEL_IS_NULL(sel))
        cpu_raise_err(c, EXC_GP, 0);
    t = desc_fetch(c, sel, EXC_GP);
    if (!desc_code(t) || desc_dpl(t) > c->cpl)
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (!desc_p(t))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
    return t;
}

/* Through a task gate or TSS descriptor. */
static void far_task(struct cpu *c, uint16_t sel, struct desc d, enum task_source src, uint32_t ret)
{
    check_gate(c, sel, d);
    if (desc_type(d) == DT_TASK) {
        sel = gate_sel(d);
        d = desc_fetch_tss(c, sel);
    } else if (sel & 4) {
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    }
    task_switch(c, sel, d, src, ret, false, 0);
}

static void set_cs_real(struct cpu *c, uint16_t sel, uint32_t eip)
{
    if (cpu_v86(c))
        seg_load_v86(&c->seg[SEG_CS], sel);
    else
        seg_load_real(c, &c->seg[SEG_CS], sel);
    c->eip = eip;
    cpu_update_mode(c);
}

void far_jump(struct cpu *c, uint16_t sel, uint32_t off, uint32_t ret)
{
    struct desc d;
    struct desc t;

    if (!cpu_prot(c)) {
        if (off > c->seg[SEG_CS].limit)
            cpu_raise_err(c, EXC_GP, 0);
        set_cs_real(c, sel, off);
        return;
    }
    if (SEL_IS_NULL(sel))
        cpu_raise_err(c, EXC_GP, 0);
    d = desc_fetch(c, sel, EXC_GP);
    if (desc_s(d)) {
        if (!desc_code(d))
            cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
        check_direct(c, sel, d);
        check_code_limit(c, d, off);
        set_cs(c, sel, d, c->cpl, off);
        return;
    }
    switch (desc_type(d)) {
    case DT_CALL16:
    case DT_CALL32:
        check_gate(c, sel, d);
        off = desc_type(d) == DT_CALL16 ? d.lo & 0xffff : gate_off(d);
        sel = gate_sel(d);
        t = gate_target(c, sel);
        if (!desc_conforming(t) && desc_dpl(t) != c->cpl)
            cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
        check_code_limit(c, t, off);
        set_cs(c, sel, t, c->cpl, off);
        return;
    case DT_TASK:
    case DT_TSS16:
    case DT_TSS32: far_task(c, sel, d, TASK_JMP, ret); return;
    default: cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    }
}

/* CALL through a call gate: `ret` is pushed in the gate's size; an inner stack gets the
 * parameters. */
static void call_gate(struct cpu *c, uint16_t sel, struct desc d, uint32_t ret)
{
    unsigned size = desc_type(d) == DT_CALL16 ? 2 : 4;
    uint32_t off = size == 2 ? d.lo & 0xffff : gate_off(d);
    unsigned params = d.hi & 31;
    struct stk s = stk_current(c, size);
    struct desc t;
    unsigned dpl;

    check_gate(c, sel, d);
    sel = gate_sel(d);
    t = gate_target(c, sel);
    dpl = desc_dpl(t);
    if (!desc_conforming(t) && dpl < c->cpl) {
        struct stk old = stk_current(c, size);
        uint32_t copy[31];
        uint16_t new_ss;
        uint32_t new_esp;
        unsigned n;

        tss_stack(c, dpl, &new_ss, &new_esp);
        s.ss = seg_check_ss(c, new_ss, dpl, EXC_TS);
        s.mask = s.ss.attr & AR_DB ? 0xffffffff : 0xffff;
        s.sp = new_esp;
        s.user = dpl == 3;
        s.err = SEL_ERR(new_ss);
        stk_check_room(c, &s, params + 4);
        check_code_limit(c, t, off);
        for (n = 0; n < params; n++)
            copy[n] = stk_pop(c, &old);
        stk_push(c, &s, c->seg[SEG_SS].sel);
        stk_push(c, &s, c->r[ESP]);
        while (n--)
            stk_push(c, &s, copy[n]);
        stk_push(c, &s, c->seg[SEG_CS].sel);
        stk_push(c, &s, ret);
        c->seg[SEG_SS] = s.ss;
        c->r[ESP] = s.sp; /* bits above a 16-bit stack's SP come from the TSS, as on hardware */
        set_cs(c, sel, t, dpl, off);
        return;
    }
    check_code_limit(c, t, off);
    stk_push(c, &s, c->seg[SEG_CS].sel);
    stk_push(c, &s, ret);
    set_cs(c, sel, t, c->cpl, off);
    c->r[ESP] = s.sp;
}

void far_call(struct cpu *c, uint16_t sel, uint32_t off, unsigned size, uint32_t ret)
{
    struct stk s = stk_current(c, size);
    struct desc d;

    if (!cpu_prot(c)) {
        if (off > c->seg[SEG_CS].limit)
            cpu_raise_err(c, EXC_GP, 0);
        stk_push(c, &s, c->seg[SEG_CS].sel);
        stk_push(c, &s, ret);
        set_cs_real(c, sel, off);
        c->r[ESP] = s.sp;
        return;
    }
    if (SEL_IS_NULL(sel))
        cpu_raise_err(c, EXC_GP, 0);
    d = desc_fetch(c, sel, EXC_GP);
    if (desc_s(d)) {
        if (!desc_code(d))
            cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
        check_direct(c, sel, d);
        check_code_limit(c, d, off);
        stk_push(c, &s, c->seg[SEG_CS].sel);
        stk_push(c, &s, ret);
        set_cs(c, sel, d, c->cpl, off);
        c->r[ESP] = s.sp;
        return;
    }
    switch (desc_type(d)) {
    case DT_CALL16:
    case DT_CALL32: call_gate(c, sel, d, ret); return;
    case DT_TASK:
    case DT_TSS16:
    case DT_TSS32: far_task(c, sel, d, TASK_CALL, ret); return;
    default: cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    }
}

/* Check the code segment a RET or IRET returns to; RPL is the privilege returned to. */
static struct desc return_target(struct cpu *c, uint16_t sel)
{
    struct desc d;

    if (SEL_IS_NULL(sel))
        cpu_raise_err(c, EXC_GP, 0);
    d = desc_fetch(c, sel, EXC_GP);
    if (!desc_code(d) || SEL_RPL(sel) < c->cpl)
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (desc_conforming(d) ? desc_dpl(d) > SEL_RPL(sel) : desc_dpl(d) != SEL_RPL(sel))
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
    return d;
}

/* Load the outer stack popped by RET or IRET and move to privilege `rpl`. */
static void commit_outer(struct cpu *c, uint16_t cs, struct desc d, uint32_t eip, struct seg ss, uint32_t esp,
                         unsigned extra)
{
    unsigned rpl = SEL_RPL(cs);
    uint32_t mask = ss.attr & AR_DB ? 0xffffffff : 0xffff;

    c->seg[SEG_SS] = ss;
    c->r[ESP] = (c->r[ESP] & ~mask) | ((esp + extra) & mask);
    set_cs(c, cs, d, rpl, eip);
    seg_drop_inner(c);
}

void far_ret(struct cpu *c, unsigned size, unsigned extra)
{
    struct stk s = stk_current(c, size);
    uint32_t eip = stk_pop(c, &s);
    uint16_t cs = stk_pop(c, &s);
    struct desc d;

    if (!cpu_prot(c)) {
        if (eip > c->seg[SEG_CS].limit)
            cpu_raise_err(c, EXC_GP, 0);
        set_cs_real(c, cs, eip);
        c->r[ESP] = s.sp;
        sp_add(c, extra);
        return;
    }
    d = return_target(c, cs);
    if (SEL_RPL(cs) == c->cpl) {
        check_code_limit(c, d, eip);
        set_cs(c, cs, d, c->cpl, eip);
        c->r[ESP] = s.sp;
        sp_add(c, extra);
    } else {
        uint32_t esp;
        uint16_t ss_sel;
        struct seg ss;

        s.sp = (s.sp & ~s.mask) | ((s.sp + extra) & s.mask);
        esp = stk_pop(c, &s);
        ss_sel = stk_pop(c, &s);
        ss = seg_check_ss(c, ss_sel, SEL_RPL(cs), EXC_GP);
        check_code_limit(c, d, eip);
        commit_outer(c, cs, d, eip, ss, esp, extra);
    }
}

/* --- IRET --- */

/* Set the flags popped by IRET; `cpl` is the privilege the instruction ran at. */
static void iret_flags(struct cpu *c, uint32_t v, unsigned size, unsigned cpl, unsigned iopl)
{
    uint32_t mask = EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_RF;

    if (cpu_has(c, FEAT_I486))
        mask |= EFLAGS_AC;
    if (cpu_has(c, FEAT_CPUID))
        mask |= EFLAGS_ID;
    if (cpl <= iopl)
        mask |= EFLAGS_IF;
    if (cpl == 0)
        mask |= EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP;
    if (size == 2)
        mask &= 0xffff;
    cpu_set_eflags(c, (cpu_get_eflags(c) & ~mask) | (v & mask));
    cpu_update_mode(c);
}

/* IRET inside virtual-8086 mode (SDM 3B 20.2.7, 20.3). */
static void iret_v86(struct cpu *c, unsigned size)
{
    struct stk s = stk_current(c, size);
    bool virtual_if = cpu_iopl(c) < 3;
    uint32_t eip;
    uint16_t cs;
    uint32_t v;

    if (virtual_if && (!(c->cr4 & CR4_VME) || size == 4))
        cpu_raise_err(c, EXC_GP, 0);
    eip = stk_pop(c, &s);
    cs = stk_pop(c, &s);
    v = stk_pop(c, &s);
    if (virtual_if && ((v & EFLAGS_TF) || ((v & EFLAGS_IF) && (c->eflags & EFLAGS_VIP))))
        cpu_raise_err(c, EXC_GP, 0);
    if (eip > 0xffff)
        cpu_raise_err(c, EXC_GP, 0);
    set_cs_real(c, cs, eip);
    c->r[ESP] = s.sp;
    if (virtual_if) {
        uint32_t mask = EFLAGS_ARITH | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT;

        v = (v & mask) | (v & EFLAGS_IF ? EFLAGS_VIF : 0);
        cpu_set_eflags(c, (cpu_get_eflags(c) & ~(mask | EFLAGS_VIF)) | v);
        cpu_update_mode(c);
    } else {
        iret_flags(c, v, size, 3, 3);
    }
}

/* IRET from privilege 0 to virtual-8086 mode. */
static void iret_to_v86(struct cpu *c, struct stk *s, uint32_t eip, uint16_t cs, uint32_t v)
{
    static const uint8_t order[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    uint32_t esp = stk_pop(c, s);
    uint16_t ss = stk_pop(c, s);
    uint16_t data[4];
    unsigned n;

    for (n = 0; n < 4; n++)
        data[n] = stk_pop(c, s);
    if (eip > 0xffff)
        cpu_raise_err(c, EXC_GP, 0);
    cpu_set_eflags(c, v);
    seg_load_v86(&c->seg[SEG_CS], cs);
    seg_load_v86(&c->seg[SEG_SS], ss);
    for (n = 0; n < 4; n++)
        seg_load_v86(&c->seg[order[n]], data[n]);
    c->eip = eip;
    c->r[ESP] = esp;
    cpu_set_cpl(c, 3);
}

void far_iret(struct cpu *c, unsigned size)
{
    struct stk s = stk_current(c, size);
    unsigned old_cpl = c->cpl;
    unsigned old_iopl = cpu_iopl(c);
    uint32_t eip;
    uint16_t cs;
    uint32_t v;
    struct desc d;

    c->nmi_blocked = false;
    if (cpu_v86(c)) {
        iret_v86(c, size);
        return;
    }
    if (cpu_pe(c) && (c->eflags & EFLAGS_NT)) {
        uint16_t link = sys_read16(c, c->tr.base);

        if (link & 4)
            cpu_raise_err(c, EXC_TS, SEL_ERR(link));
        d = desc_fetch(c, link, EXC_TS);
        if (desc_s(d) || (desc_type(d) != DT_TSS16_BUSY && desc_type(d) != DT_TSS32_BUSY))
            cpu_raise_err(c, EXC_TS, SEL_ERR(link));
        if (!desc_p(d))
            cpu_raise_err(c, EXC_NP, SEL_ERR(link));
        task_switch(c, link, d, TASK_IRET, c->eip + c->cur->off + c->cur->len, false, 0);
        return;
    }
    eip = stk_pop(c, &s);
    cs = stk_pop(c, &s);
    v = stk_pop(c, &s);
    if (!cpu_pe(c)) {
        if (eip > c->seg[SEG_CS].limit)
            cpu_raise_err(c, EXC_GP, 0);
        set_cs_real(c, cs, eip);
        c->r[ESP] = s.sp;
        iret_flags(c, v, size, 0, 0);
        /* VIF and VIP are not changed outside protected mode with CPL 0: harmless to take them */
        return;
    }
    if (size == 4 && (v & EFLAGS_VM) && c->cpl == 0) {
        iret_to_v86(c, &s, eip, cs, v);
        return;
    }
    d = return_target(c, cs);
    if (SEL_RPL(cs) == c->cpl) {
        check_code_limit(c, d, eip);
        set_cs(c, cs, d, c->cpl, eip);
        c->r[ESP] = s.sp;
    } else {
        uint32_t esp = stk_pop(c, &s);
        uint16_t ss_sel = stk_pop(c, &s);
        struct seg ss = seg_check_ss(c, ss_sel, SEL_RPL(cs), EXC_GP);

        check_code_limit(c, d, eip);
        commit_outer(c, cs, d, eip, ss, esp, 0);
    }
    iret_flags(c, v, size, old_cpl, old_iopl);
}
