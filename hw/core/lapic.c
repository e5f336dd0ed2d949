/* lapic.c - the local APIC of a P6 family processor (SDM 3A chapter 11).
 *
 * 4 KiB at FEE00000h (moved and switched off by MSR 1Bh), before the CPU's INTR pin. All local
 * vectors, timer in one-shot and periodic mode (1 GHz bus clock), self IPIs, error register.
 * After reset LINT0 is ExtINT and not masked (virtual wire), as firmware for one CPU expects.
 * NOT modelled: other CPUs (an IPI to one vanishes), INIT and STARTUP sent to oneself, x2APIC, the
 * TSC deadline, thermal and performance events (their vectors only store), arbitration.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/lapic.h"

#include "hw/core/ticks.h"

#define REG_ID   0x02
#define REG_VER  0x03
#define REG_TPR  0x08
#define REG_APR  0x09
#define REG_PPR  0x0a
#define REG_EOI  0x0b
#define REG_LDR  0x0d
#define REG_DFR  0x0e
#define REG_SVR  0x0f
#define REG_ISR  0x10
#define REG_TMR  0x18
#define REG_IRR  0x20
#define REG_ESR  0x28
#define REG_ICR0 0x30
#define REG_ICR1 0x31
#define REG_LVT  0x32
#define REG_TICR 0x38
#define REG_TCCR 0x39
#define REG_TDCR 0x3e

enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

#define VERSION            (0x14u | (LVT_COUNT - 1) << 16)
#define LVT_LEVEL          0x08000u
#define LVT_REMOTE         0x04000u
#define LVT_POLARITY       0x02000u
#define LVT_MASKED         0x10000u
#define LVT_PERIODIC       0x20000u
#define SVR_ENABLE         0x100u
#define ESR_SEND_VECTOR    0x20u
#define ESR_RECEIVE_VECTOR 0x40u
#define ESR_REGISTER       0x80u

struct lapic {
    struct device dev;
    /* wiring */
    struct lapic_config wire;
    struct range *range;
    void (*eoi)(void *opaque, uint8_t vector);
    void *eoi_opaque;
    /* state */
    uint64_t base; /* the MSR */
    uint32_t id;
    uint32_t tpr;
    uint32_t ldr;
    uint32_t dfr;
    uint32_t svr;
    uint32_t esr;
    uint32_t errors; /* since the last write of ESR */
    uint32_t isr[8];
    uint32_t tmr[8];
    uint32_t irr[8];
    uint32_t lvt[LVT_COUNT];
    uint32_t icr[2];
    uint32_t initial_count;
    uint32_t divide;
    tick_t timer_start;
    tick_t timer_due; /* the next period's end, if periodic and armed */
    struct ticks ticks;
    bool lint[2];
    struct timer timer;
    /* derived */
    bool out; /* derived */
};

/* ---- bit sets of 256 vectors ---- */

static void set_bit(uint32_t *map, uint8_t v) { map[v >> 5] |= 1u << (v & 31); }

static void clear_bit(uint32_t *map, uint8_t v) { map[v >> 5] &= ~(1u << (v & 31)); }

static bool test_bit(const uint32_t *map, uint8_t v) { return map[v >> 5] >> (v & 31) & 1; }

static int highest(const uint32_t *map)
{
    for (int i = 7; i >= 0; i--)
        if (map[i])
            return i * 32 + 31 - __builtin_clz(map[i]);
    return -1;
}

static bool globally_enabled(const struct lapic *a) { return a->base & APIC_BASE_ENABLE; }

static uint32_t processor_priority(const struct lapic *a)
{
    int isr = highest(a->isr);
    uint32_t isr_class = isr < 0 ? 0 : (uint32_t)isr & 0xf0;
    return (a->tpr & 0xf0) >= isr_class ? a->tpr & 0xff : isr_class;
}

/* The vector that may interrupt the CPU now, or -1. */
static int deliverable(const struct lapic *a)
{
    if (!globally_enabled(a) || !(a->svr & SVR_ENABLE))
        return -1;
    int irr = highest(a->irr);
    return irr >= 0 && ((uint32_t)irr & 0xf0) > (processor_priority(a) & 0xf0) ? irr : -1;
}

/* The 8259 reaches the CPU: the APIC is off, or LINT0 is an ExtINT that is not masked. */
bool lapic_accepts_pic(const struct lapic *a)
{
    uint32_t v = a->lvt[LVT_LINT0];
    return !globally_enabled(a) || (!(v & LVT_MASKED) && (v >> 8 & 7) == APIC_EXTINT);
}

enum irq_state lapic_vector_state(const struct lapic *a, uint8_t vector)
{
    if (!globally_enabled(a) || !(a->svr & SVR_ENABLE))
        return IRQ_MASKED;
    return test_bit(a->irr, vector) ? IRQ_BUSY : IRQ_FREE;
}

static void lapic_update_irq(struct lapic *a)
{
    bool out = deliverable(a) >= 0 || (a->lint[0] && lapic_accepts_pic(a));
    if (out != a->out) {
        a->out = out;
        irq_set(&a->wire.intr, out);
    }
}

static void local_deliver(struct lapic *a, int n);

static void error(struct lapic *a, uint32_t bit)
{
    bool news = !(a->errors & bit);
    a->errors |= bit;
    if (news)
        local_deliver(a, LVT_ERROR);
}

static void accept_vector(struct lapic *a, uint8_t vector, bool level)
{
    if (!globally_enabled(a) || !(a->svr & SVR_ENABLE))
        return;
    if (vector < 16) {
        error(a, ESR_RECEIVE_VECTOR);
        return;
    }
    set_bit(a->irr, vector);
    if (level)
        set_bit(a->tmr, vector);
    else
        clear_bit(a->tmr, vector);
    lapic_update_irq(a);
}

/* A local source fires. */
static void local_deliver(struct lapic *a, int n)
{
    uint32_t v = a->lvt[n];
    if (v & LVT_MASKED)
        return;
    unsigned mode = n == LVT_TIMER || n == LVT_ERROR ? APIC_FIXED : v >> 8 & 7;
    bool level = false;
    switch (mode) {
    case APIC_FIXED:
        if (n == LVT_LINT0 && (v & LVT_LEVEL)) {
            level = true;
            if (v & LVT_REMOTE)
                return;
            a->lvt[n] |= LVT_REMOTE;
        }
        accept_vector(a, (uint8_t)v, level);
        break;
    case APIC_SMI: irq_set(&a->wire.smi, 1); break;
    case APIC_NMI: irq_set(&a->wire.nmi, 1); break;
    case APIC_INIT: irq_set(&a->wire.init, 1); break;
    default: break; /* ExtINT: lapic_update_irq looks at the line */
    }
}

void lapic_set_lint(struct lapic *a, int n, int level)
{
    if (n < 0 || n > 1)
        return;
    bool rises = level && !a->lint[n];
    a->lint[n] = level;
    if (n == 1 && !globally_enabled(a)) {
        if (rises)
            irq_set(&a->wire.nmi, 1);
        return;
    }
    if (rises && globally_enabled(a))
        local_deliver(a, LVT_LINT0 + n);
    lapic_update_irq(a);
}

void lapic_message(struct lapic *a, uint8_t dest, bool logical, unsigned delivery, uint8_t vector, bool level)
{
    bool mine;
    uint8_t ldr = (uint8_t)(a->ldr >> 24);
    if (!globally_enabled(a))
        return;
    if (!logical)
        mine = dest == 0xff || dest == a->id >> 24;
    else if (a->dfr >> 28 == 0xf)
        mine = dest & ldr;
    else
        mine = (dest >> 4 == 0xf || dest >> 4 == ldr >> 4) && (dest & ldr & 15);
    if (!mine)
        return;
    switch (delivery) {
    case APIC_FIXED:
    case APIC_LOWEST: accept_vector(a, vector, level); break;
    case APIC_SMI: irq_set(&a->wire.smi, 1); break;
    case APIC_NMI: irq_set(&a->wire.nmi, 1); break;
    case APIC_INIT: irq_set(&a->wire.init, 1); break;
    default: LOG(pic, "APIC message of type %u ignored", delivery); break;
    }
}

static void write_icr(struct lapic *a)
{
    uint32_t icr = a->icr[0];
    unsigned delivery = icr >> 8 & 7;
    unsigned shorthand = icr >> 18 & 3;
    uint8_t vector = (uint8_t)icr;

    if (delivery == APIC_INIT || delivery == APIC_STARTUP || shorthand == 3) {
        LOG(pic, "IPI %08x to %08x: no such CPU", icr, a->icr[1]);
        return;
    }
    if ((delivery == APIC_FIXED || delivery == APIC_LOWEST) && vector < 16) {
        error(a, ESR_SEND_VECTOR);
        return;
    }
    if (shorthand)
        lapic_message(a, 0xff, false, delivery, vector, false);
    else
        lapic_message(a, (uint8_t)(a->icr[1] >> 24), icr & 0x800, delivery, vector, false);
}

static void write_eoi(struct lapic *a)
{
    int v = highest(a->isr);
    if (v < 0)
        return;
    clear_bit(a->isr, (uint8_t)v);
    if (test_bit(a->tmr, (uint8_t)v)) {
        if ((uint8_t)a->lvt[LVT_LINT0] == v && (a->lvt[LVT_LINT0] & LVT_REMOTE)) {
            a->lvt[LVT_LINT0] &= ~LVT_REMOTE;
            if (a->lint[0])
                local_deliver(a, LVT_LINT0);
        }
        if (a->eoi)
            a->eoi(a->eoi_opaque, (uint8_t)v);
    }
    lapic_update_irq(a);
}

/* ---- the timer ---- */

static unsigned divide_shift(const struct lapic *a) { return (((a->divide & 3) | (a->divide >> 1 & 4)) + 1) & 7; }

static tick_t period(const struct lapic *a) { return (tick_t)a->initial_count << divide_shift(a); }

static bool is_periodic(const struct lapic *a) { return a->lvt[LVT_TIMER] & LVT_PERIODIC; }

static uint32_t current_count(const struct lapic *a, tick_t now)
{
    uint64_t d = (now - a->timer_start) >> divide_shift(a);
    if (!a->initial_count)
        return 0;
    if (is_periodic(a))
        return a->initial_count - (uint32_t)(d % a->initial_count);
    return d >= a->initial_count ? 0 : a->initial_count - (uint32_t)d;
}

static void arm_timer(struct lapic *a, tick_t now)
{
    tick_t p = period(a);
    if (!p || (a->lvt[LVT_TIMER] & LVT_MASKED)) {
        timer_cancel(&a->timer);
    } else if (is_periodic(a)) {
        a->timer_due = a->timer_start + ((now - a->timer_start) / p + 1) * p;
        tick_t look = ticks_look(&a->ticks, p);
        timer_set(&a->timer, look < a->timer_due ? look : a->timer_due);
    } else if (now < a->timer_start + p) {
        timer_set(&a->timer, a->timer_start + p);
    } else {
        timer_cancel(&a->timer);
    }
}

/* It has been programmed. */
static void start_timer(struct lapic *a, tick_t now)
{
    ticks_forget(&a->ticks);
    arm_timer(a, now);
}

/* ---- registers ---- */

static void write_lvt(struct lapic *a, int n, uint32_t val)
{
    static const uint32_t mask[LVT_COUNT] = { 0x300ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff };
    uint32_t keep = a->lvt[n] & LVT_REMOTE;
    if (!(val & LVT_LEVEL))
        keep = 0;
    a->lvt[n] = (val & mask[n]) | keep;
    if (n == LVT_TIMER)
        start_timer(a, bus_now(a->dev.bus));
    if (n == LVT_LINT0 && a->lint[0] && (val & LVT_LEVEL))
        local_deliver(a, LVT_LINT0);
}

static void write_svr(struct lapic *a, uint32_t val)
{
    a->svr = val & 0x1ff;
    if (!(val & SVR_ENABLE)) { /* SDM 3A 11.4.7.2: software-disabled masks all local vectors */
        for (int i = 0; i < LVT_COUNT; i++)
            a->lvt[i] |= LVT_MASKED;
        ticks_forget(&a->ticks);
        timer_cancel(&a->timer);
    }
}

static uint64_t lapic_read(void *opaque, gpa_t offset, unsigned size)
{
    struct lapic *a = opaque;
    unsigned reg = (unsigned)(offset >> 4);
    (void)size;
    if (offset & 12)
        return 0;
    switch (reg) {
    case REG_ID: return a->id;
    case REG_VER: return VERSION;
    case REG_TPR: return a->tpr;
    case REG_APR: return processor_priority(a) & 0xf0;
    case REG_PPR: return processor_priority(a);
    case REG_LDR: return a->ldr;
    case REG_DFR: return a->dfr;
    case REG_SVR: return a->svr;
    case REG_ISR ... REG_ISR + 7: return a->isr[reg - REG_ISR];
    case REG_TMR ... REG_TMR + 7: return a->tmr[reg - REG_TMR];
    case REG_IRR ... REG_IRR + 7: return a->irr[reg - REG_IRR];
    case REG_ESR: return a->esr;
    case REG_ICR0:
    case REG_ICR1: return a->icr[reg - REG_ICR0];
    case REG_LVT ... REG_LVT + LVT_COUNT - 1: return a->lvt[reg - REG_LVT];
    case REG_TICR: return a->initial_count;
    case REG_TCCR: return current_count(a, bus_now(a->dev.bus));
    case REG_TDCR: return a->divide;
    case REG_EOI: return 0;
    default: error(a, ESR_REGISTER); return 0;
    }
}

static void lapic_write(void *opaque, gpa_t offset, uint64_t val64, unsigned size)
{
    struct lapic *a = opaque;
    unsigned reg = (unsigned)(offset >> 4);
    uint32_t val = (uint32_t)val64;
    (void)size;
    if (offset & 12)
        return;
    if (reg != REG_EOI)
        LOG(pic, "APIC write %03x: %08x", (unsigned)offset, val);
    switch (reg) {
    case REG_ID: a->id = val & 0xff000000; break;
    case REG_TPR: a->tpr = val & 0xff; break;
    case REG_EOI: write_eoi(a); break;
    case REG_LDR: a->ldr = val & 0xff000000; break;
    case REG_DFR: a->dfr = val | 0x0fffffff; break;
    case REG_SVR: write_svr(a, val); break;
    case REG_ESR:
        a->esr = a->errors;
        a->errors = 0;
        break;
    case REG_ICR0:
        a->icr[0] = val & 0x000ccfff; /* always sent: the status bit stays 0 */
        write_icr(a);
        break;
    case REG_ICR1: a->icr[1] = val & 0xff000000; break;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1: write_lvt(a, (int)reg - REG_LVT, val); break;
    case REG_TICR:
        a->initial_count = val;
        a->timer_start = bus_now(a->dev.bus);
        start_timer(a, a->timer_start);
        break;
    case REG_TDCR:
        a->divide = val & 0xb;
        start_timer(a, bus_now(a->dev.bus));
        break;
    case REG_VER:
    case REG_APR:
    case REG_PPR:
    case REG_TCCR:
    case REG_ISR ... REG_IRR + 7: break; /* read-only */
    default: error(a, ESR_REGISTER); break;
    }
    lapic_update_irq(a);
}

int lapic_ack(struct lapic *a)
{
    int v = deliverable(a);
    if (v >= 0) {
        clear_bit(a->irr, (uint8_t)v);
        set_bit(a->isr, (uint8_t)v);
        lapic_update_irq(a);
        return v;
    }
    return a->lint[0] && lapic_accepts_pic(a) ? -1 : -2;
}

bool lapic_intr(const struct lapic *a) { return a->out; }

static void lapic_timer(void *opaque, tick_t now)
{
    struct lapic *a = opaque;
    tick_t p = period(a);
    if (!is_periodic(a) || !p) {
        local_deliver(a, LVT_TIMER);
        return;
    }
    uint64_t n = now >= a->timer_due ? (now - a->timer_due) / p + 1 : 0;
    if (ticks_due(&a->ticks, a->dev.bus->clock, n, lapic_vector_state(a, (uint8_t)a->lvt[LVT_TIMER]), p, now))
        local_deliver(a, LVT_TIMER);
    arm_timer(a, now);
}

/* ---- the MSR ---- */

uint64_t lapic_base_read(const struct lapic *a) { return a->base; }

static void reset_registers(struct lapic *a)
{
    a->tpr = a->ldr = a->esr = a->errors = 0;
    a->dfr = 0xffffffff;
    a->svr = 0xff;
    memset(a->isr, 0, sizeof a->isr);
    memset(a->tmr, 0, sizeof a->tmr);
    memset(a->irr, 0, sizeof a->irr);
    for (int i = 0; i < LVT_COUNT; i++)
        a->lvt[i] = LVT_MASKED;
    a->icr[0] = a->icr[1] = 0;
    a->initial_count = 0;
    a->divide = 0;
    ticks_forget(&a->ticks);
    timer_cancel(&a->timer);
}

static void map(struct lapic *a)
{
    bus_range_move(a->range, globally_enabled(a) ? a->base & 0xffffff000ull : GPA_NONE);
}

bool lapic_base_write(struct lapic *a, uint64_t val)
{
    if (val & ~(0xffffff000ull | APIC_BASE_BSP | APIC_BASE_ENABLE))
        return false;
    bool was = globally_enabled(a);
    a->base = (val & ~(uint64_t)APIC_BASE_BSP) | (a->base & APIC_BASE_BSP);
    if (was != globally_enabled(a))
        reset_registers(a);
    map(a);
    lapic_update_irq(a);
    return true;
}

static void lapic_reset(struct device *dev)
{
    struct lapic *a = (struct lapic *)dev;
    a->id = 0;
    a->base = APIC_DEFAULT_BASE | APIC_BASE_BSP | APIC_BASE_ENABLE;
    reset_registers(a);
    a->lvt[LVT_LINT0] = APIC_EXTINT << 8;
    map(a);
    lapic_update_irq(a);
}

static void lapic_post_load(void *obj)
{
    struct lapic *a = obj;
    map(a);
    a->out = deliverable(a) >= 0 || (a->lint[0] && lapic_accepts_pic(a));
    irq_set(&a->wire.intr, a->out);
}

static const struct state_field lapic_fields[] = { FIELD_U64(struct lapic, base),
                                                   FIELD_U32(struct lapic, id),
                                                   FIELD_U32(struct lapic, tpr),
                                                   FIELD_U32(struct lapic, ldr),
                                                   FIELD_U32(struct lapic, dfr),
                                                   FIELD_U32(struct lapic, svr),
                                                   FIELD_U32(struct lapic, esr),
                                                   FIELD_U32(struct lapic, errors),
                                                   FIELD_U32_ARRAY(struct lapic, isr),
                                                   FIELD_U32_ARRAY(struct lapic, tmr),
                                                   FIELD_U32_ARRAY(struct lapic, irr),
                                                   FIELD_U32_ARRAY(struct lapic, lvt),
                                                   FIELD_U32_ARRAY(struct lapic, icr),
                                                   FIELD_U32(struct lapic, initial_count),
                                                   FIELD_U32(struct lapic, divide),
                                                   FIELD_U64(struct lapic, timer_start),
                                                   FIELD_BOOL_ARRAY(struct lapic, lint),
                                                   FIELD_TIMER(struct lapic, timer),
                                                   FIELD_U64(struct lapic, timer_due),
                                                   FIELD_STRUCT(struct lapic, ticks, &ticks_state),
                                                   FIELD_END };
static const struct state_desc lapic_state = {
    .name = "lapic", .version = 2, .fields = lapic_fields, .post_load = lapic_post_load
};

static const char *lapic_check(struct device *dev)
{
    const struct lapic *a = (const struct lapic *)dev;
    bool out = deliverable(a) >= 0 || (a->lint[0] && lapic_accepts_pic(a));
    return out == a->out ? NULL : "lapic: INTR differs from its causes";
}

static int lapic_init(struct device *dev, const void *props)
{
    static const struct mmio_ops ops = { lapic_read, lapic_write, 4, 4 };
    struct lapic *a = (struct lapic *)dev;
    a->wire = *(const struct lapic_config *)props;
    timer_init(&a->timer, dev->bus->clock, "lapic", lapic_timer, a);
    a->range = bus_mmio_add(dev->bus, GPA_NONE, PAGE_SIZE, &ops, a, "lapic");
    return 0;
}

static void lapic_destroy(struct device *dev) { timer_destroy(&((struct lapic *)dev)->timer); }

static const struct device_class lapic_class = {
    .name = "lapic",
    .size = sizeof(struct lapic),
    .init = lapic_init,
    .reset = lapic_reset,
    .destroy = lapic_destroy,
    .state = &lapic_state,
    .check = lapic_check,
};

void lapic_on_eoi(struct lapic *apic, void (*eoi)(void *opaque, uint8_t vector), void *opaque)
{
    apic->eoi = eoi;
    apic->eoi_opaque = opaque;
}

struct lapic *lapic_create(struct bus *bus, const struct lapic_config *config)
{
    return bus_add_device(bus, &lapic_class, NULL, config);
}
