/* exception.c - raising and delivering exceptions and interrupts (SDM 3A chapter 6).
 *
 * cpu_raise*() notes the exception and leaves through c->jmp to the engine, which calls
 * cpu_deliver(). A fault during that comes the same way; exception_combine() then decides.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

#include "cpu/exception.h"

#include "cpu/callout.h"

static void raise(struct cpu *c, int vector, bool has_error, uint32_t error)
{
    c->exc.vector = vector;
    c->exc.has_error = has_error;
    c->exc.error = error;
    longjmp(c->jmp, 1);
}

void cpu_raise(struct cpu *c, int vector)
{
    raise(c, vector, false, 0);
    __builtin_unreachable();
}

void cpu_raise_err(struct cpu *c, int vector, uint32_t error)
{
    /* the EXT bit: raised while an event external to the program was delivered (SDM 3A 6.13) */
    if (vector == EXC_TS || vector == EXC_NP || vector == EXC_SS || vector == EXC_GP)
        error |= c->exc.ext;
    raise(c, vector, true, error);
    __builtin_unreachable();
}

void cpu_raise_pf(struct cpu *c, gla_t la, uint32_t error)
{
    c->cr2 = la;
    raise(c, EXC_PF, true, error);
    __builtin_unreachable();
}

static bool contributory(int v) { return v == EXC_DE || (v >= EXC_TS && v <= EXC_GP); }

/* SDM 3A table 6-5. */
int exception_combine(int first, int second)
{
    if (first == EXC_DF && (contributory(second) || second == EXC_PF))
        return -1;
    if ((contributory(first) && contributory(second)) ||
        (first == EXC_PF && (contributory(second) || second == EXC_PF)))
        return EXC_DF;
    return second;
}

static void record(struct cpu *c, int vector, enum event_kind kind, uint32_t error)
{
    struct exc_record *r = &c->exc_ring[c->exc_next++ % EXC_RING];

    r->icount = cpu_icount(c);
    r->vector = vector;
    r->kind = kind;
    r->cpl = c->cpl;
    r->error = error;
    r->cs = c->seg[SEG_CS].sel;
    r->eip = c->eip + c->cur->off;
    r->esp = c->r[ESP];
    r->eflags = cpu_get_eflags(c);
    r->cr2 = c->cr2;
    r->eax = c->r[EAX];
}

/* Real mode: the interrupt vector table (SDM 3A 20.1.4). */
static void deliver_real(struct cpu *c, int vector, uint32_t ret)
{
    struct stk s = stk_current(c, 2);
    uint32_t off = (uint32_t)vector * 4;
    uint32_t entry;

    if (off + 3 > c->idtr.limit)
        cpu_raise_err(c, EXC_GP, (uint32_t)vector * 8 + 2);
    entry = sys_read32(c, c->idtr.base + off);
    stk_push(c, &s, cpu_get_eflags(c));
    stk_push(c, &s, c->seg[SEG_CS].sel);
    stk_push(c, &s, ret);
    c->r[ESP] = s.sp;
    seg_load_real(c, &c->seg[SEG_CS], entry >> 16);
    c->eip = entry & 0xffff;
    c->eflags &= ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
    cpu_update_mode(c);
}

bool cpu_v86_redirect(struct cpu *c, unsigned vector, uint32_t ret)
{
    struct stk s = stk_current(c, 2);
    bool virtual_if = cpu_iopl(c) < 3;
    uint32_t f = cpu_get_eflags(c);
    uint32_t map;
    uint32_t entry;

    if (!(c->cr4 & CR4_VME))
        return false;
    /* the 32 bytes below the I/O bitmap (SDM 3B 20.3.3) */
    if (c->tr.limit < 103)
        return false;
    map = sys_read16(c, c->tr.base + 102);
    if (map < 32 || map - 32 + vector / 8 > c->tr.limit)
        return false;
    if (sys_read8(c, c->tr.base + map - 32 + vector / 8) >> (vector & 7) & 1)
        return false;
    entry = c->mem->read(c, vector * 4, 4, true);
    if (virtual_if)
        f = (f & ~EFLAGS_IF) | EFLAGS_IOPL | (f & EFLAGS_VIF ? EFLAGS_IF : 0);
    stk_push(c, &s, f);
    stk_push(c, &s, c->seg[SEG_CS].sel);
    stk_push(c, &s, ret);
    c->r[ESP] = s.sp;
    seg_load_v86(&c->seg[SEG_CS], entry >> 16);
    c->eip = entry & 0xffff;
    c->eflags &= ~(EFLAGS_TF | (virtual_if ? EFLAGS_VIF : EFLAGS_IF));
    cpu_update_mode(c);
    return true;
}

/* Through an interrupt or trap gate. */
static void deliver_gate(struct cpu *c, struct desc gate, bool has_error, uint32_t error, uint32_t ret, uint32_t image)
{
    unsigned size = desc_type(gate) >= DT_INT32 ? 4 : 2;
    uint32_t off = size == 2 ? gate.lo & 0xffff : gate_off(gate);
    uint16_t sel = gate_sel(gate);
    struct stk s = stk_current(c, size);
    bool v86 = cpu_v86(c);
    unsigned cpl = c->cpl;
    struct seg cs;
    struct desc t;
    unsigned dpl;

    if (SEL_IS_NULL(sel))
        cpu_raise_err(c, EXC_GP, 0);
    t = desc_fetch(c, sel, EXC_GP);
    dpl = desc_dpl(t);
    if (!desc_code(t) || dpl > c->cpl)
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (!desc_p(t))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
    if (!desc_conforming(t) && dpl < c->cpl) {
        uint16_t new_ss;
        uint32_t new_esp;

        if (v86 && dpl != 0)
            cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
        tss_stack(c, dpl, &new_ss, &new_esp);
        s.ss = seg_check_ss(c, new_ss, dpl, EXC_TS);
        s.mask = s.ss.attr & AR_DB ? 0xffffffff : 0xffff;
        s.sp = new_esp;
        s.user = dpl == 3;
        s.err = SEL_ERR(new_ss);
        cpl = dpl;
        stk_check_room(c, &s, (v86 ? 9 : 5) + has_error);
    } else if (v86) {
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    } else {
        stk_check_room(c, &s, 3 + has_error);
    }
    seg_from_desc(&cs, sel, t);
    if (off > cs.limit)
        cpu_raise_err(c, EXC_GP, 0);
    if (cpl != c->cpl) {
        if (v86) {
            stk_push(c, &s, c->seg[SEG_GS].sel);
            stk_push(c, &s, c->seg[SEG_FS].sel);
            stk_push(c, &s, c->seg[SEG_DS].sel);
            stk_push(c, &s, c->seg[SEG_ES].sel);
        }
        stk_push(c, &s, c->seg[SEG_SS].sel);
        stk_push(c, &s, c->r[ESP]);
    }
    stk_push(c, &s, image);
    stk_push(c, &s, c->seg[SEG_CS].sel);
    stk_push(c, &s, ret);
    if (has_error)
        stk_push(c, &s, error);
    desc_set_accessed(c, sel, &t);
    /* nothing faults from here on */
    seg_from_desc(&c->seg[SEG_CS], (sel & ~3) | cpl, t);
    c->seg[SEG_SS] = s.ss;
    c->r[ESP] = s.sp;
    c->eip = off;
    c->eflags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM);
    if (!(desc_type(gate) & 1))
        c->eflags &= ~EFLAGS_IF;
    if (v86) {
        static const uint8_t data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
        unsigned n;

        for (n = 0; n < ARRAY_SIZE(data); n++) {
            memset(&c->seg[data[n]], 0, sizeof c->seg[0]);
            seg_update(&c->seg[data[n]]);
        }
    }
    cpu_set_cpl(c, cpl);
}

void cpu_deliver(struct cpu *c, int vector, enum event_kind kind, bool has_error, uint32_t error, uint32_t ret)
{
    bool software = kind == EV_SOFT_INT || kind == EV_SOFT_EXC;
    uint32_t index = (uint32_t)vector * 8;
    uint32_t idt_err = index + 2;
    uint32_t image = cpu_get_eflags(c);
    struct desc g;

    c->step = false; /* the handler starts with TF clear: no single-step trap after INT n */
    record(c, vector, kind, error);
    if (callout_wanted(c, CALLOUT_EVENT))
        callout_call(c, CALLOUT_EVENT, (const uint64_t[]){ (uint64_t)vector, has_error ? error : 0, ret });
    LOG(int,
        "vector %02x kind %d error %04x cpl %u at %04x:%08x esp %08x eflags %08x cr2 %08x "
        "eax %08x",
        vector, kind, error, c->cpl, c->seg[SEG_CS].sel, c->eip + c->cur->off, c->r[ESP], image, c->cr2, c->r[EAX]);
    c->exc.ext = software ? 0 : 1;
    if (!cpu_pe(c)) {
        deliver_real(c, vector, ret);
        c->exc.ext = 0;
        return;
    }
    if (index + 7 > c->idtr.limit)
        cpu_raise_err(c, EXC_GP, idt_err);
    g.lo = sys_read32(c, c->idtr.base + index);
    g.hi = sys_read32(c, c->idtr.base + index + 4);
    if (desc_s(g) || (desc_type(g) != DT_TASK && (desc_type(g) & 7) != DT_INT16 && (desc_type(g) & 7) != DT_TRAP16))
        cpu_raise_err(c, EXC_GP, idt_err);
    if (software && desc_dpl(g) < c->cpl)
        cpu_raise_err(c, EXC_GP, idt_err);
    if (!desc_p(g))
        cpu_raise_err(c, EXC_NP, idt_err);
    /* faults set RF in the image, so that an instruction breakpoint does not hit again
     * (SDM 3B 17.3.1.1) */
    if (kind == EV_EXCEPTION && vector != EXC_DB && vector != EXC_DF)
        image |= EFLAGS_RF;
    if (desc_type(g) == DT_TASK) {
        uint16_t sel = gate_sel(g);
        struct desc t;

        t = desc_fetch_tss(c, sel);
        c->eflags |= image & EFLAGS_RF; /* the image is the EFLAGS field of the old TSS */
        task_switch(c, sel, t, TASK_INT, ret, has_error, error);
    } else {
        deliver_gate(c, g, has_error, error, ret, image);
    }
    c->exc.ext = 0;
}
