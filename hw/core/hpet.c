/* hpet.c - high precision event timer (IA-PC HPET Specification 1.0a).
 *
 * 1 KiB at FED00000h: a 64-bit counter at 100 MHz and three timers, all of 64 bits and periodic if
 * wanted. Interrupts: LegacyReplacement (IRQ0 and IRQ8 instead of PIT and RTC), or I/O APIC pins
 * 20 to 23, edge or level.
 * NOT modelled: interrupts as messages (FSB; the capability bit is clear, the registers read 0).
 *
 * The counter does not count: it is the virtual clock plus an offset. A timer knows the virtual
 * time of its next match; one that nobody would hear of has no host timer, and is brought up to
 * date when it is looked at. Periodic ticks that come late are made up for (ticks.h).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/hpet.h"

#include "hw/core/ticks.h"

#define REG_CAP     0x000
#define REG_CONFIG  0x010
#define REG_STATUS  0x020
#define REG_COUNTER 0x0f0
#define REG_TIMER   0x100 /* 20h bytes each: */
#define TN_CONFIG   0x00
#define TN_CMP      0x08
#define TN_FSB      0x10

#define NS_PER_COUNT 10u
#define CAP_LOW      (0x8086u << 16 | 1u << 15 | 1u << 13 | (HPET_TIMERS - 1) << 8 | 1)
#define CAP_HIGH     (NS_PER_COUNT * 1000000u) /* fs */

#define CONFIG_ENABLE 0x1
#define CONFIG_LEGACY 0x2

#define TN_LEVEL    0x0002u
#define TN_ENABLE   0x0004u
#define TN_PERIODIC 0x0008u
#define TN_CAPS     0x0030u /* periodic, 64 bits */
#define TN_VAL_SET  0x0040u
#define TN_32BIT    0x0100u
#define TN_ROUTE    0x3e00u
#define TN_WRITABLE (TN_LEVEL | TN_ENABLE | TN_PERIODIC | TN_32BIT | TN_ROUTE)

/* A guest may ask for a tick every 10 ns: the host is asked for one so often at most. */
#define MIN_WAIT 2000u
#define FAR      (1ull << 59) /* counts that will not be reached */

struct hpet_timer {
    /* wiring */
    struct hpet *hpet;
    /* state */
    uint32_t config;
    bool val_set;
    uint64_t cmp;
    uint64_t period; /* counts */
    tick_t due;      /* of the next match; TICK_NEVER: none */
    struct ticks ticks;
    struct timer timer;
};

struct hpet {
    struct device dev;
    /* wiring */
    struct hpet_config wire;
    /* state */
    uint32_t config;
    uint32_t status;
    uint64_t counter; /* while halted; else what is added to the clock's counts */
    struct hpet_timer t[HPET_TIMERS];
};

static bool running(const struct hpet *h) { return h->config & CONFIG_ENABLE; }

static bool legacy(const struct hpet *h)
{
    return (h->config & (CONFIG_ENABLE | CONFIG_LEGACY)) == (CONFIG_ENABLE | CONFIG_LEGACY);
}

static uint64_t counter(const struct hpet *h, tick_t now)
{
    return running(h) ? now / NS_PER_COUNT + h->counter : h->counter;
}

static uint64_t width(const struct hpet_timer *t) { return t->config & TN_32BIT ? UINT32_MAX : UINT64_MAX; }

static bool is_periodic(const struct hpet_timer *t) { return t->config & TN_PERIODIC; }

/* ns between two ticks; 0 if it is not periodic, or so slowly that it does not matter. */
static tick_t period(const struct hpet_timer *t)
{
    uint64_t counts = t->period & width(t);
    return is_periodic(t) && counts < FAR ? counts * NS_PER_COUNT : 0;
}

/* ---- interrupts ---- */

/* The line of timer n, or NULL. */
static const struct irq *line(const struct hpet *h, unsigned n)
{
    unsigned pin = (h->t[n].config & TN_ROUTE) >> 9;
    if (legacy(h) && n < 2)
        return &h->wire.legacy[n];
    return HPET_PINS >> pin & 1 ? &h->wire.pin[pin] : NULL;
}

/* Drive the line of a level-triggered timer; one that is edge-triggered only pulses. */
static void hpet_update_irq(struct hpet *h, unsigned n)
{
    const struct irq *irq = line(h, n);
    uint32_t want = TN_LEVEL | TN_ENABLE;
    if (irq)
        irq_set(irq, (h->status >> n & 1) && (h->t[n].config & want) == want);
}

static void signal_match(struct hpet *h, unsigned n, uint64_t matches, tick_t now)
{
    struct hpet_timer *t = &h->t[n];
    const struct irq *irq = line(h, n);
    if (t->config & TN_LEVEL) {
        ticks_forget(&t->ticks); /* a level asks until it is answered */
        if (matches)
            h->status |= 1u << n;
        hpet_update_irq(h, n);
        return;
    }
    enum irq_state state = !irq || !(t->config & TN_ENABLE) ? IRQ_MASKED : irq_get_state(irq);
    if (!ticks_due(&t->ticks, h->dev.bus->clock, matches, state, period(t), now))
        return;
    if (irq && (t->config & TN_ENABLE)) {
        irq_set(irq, 1);
        irq_set(irq, 0);
    }
}

/* ---- matches ---- */

/* When the counter next equals the comparator. */
static void find_due(struct hpet *h, struct hpet_timer *t, tick_t now)
{
    uint64_t left = (t->cmp - counter(h, now)) & width(t);
    bool known = running(h) && left < FAR;
    t->due = known ? (now / NS_PER_COUNT + left) * NS_PER_COUNT : TICK_NEVER;
}

/* Bring a timer up to date; returns how often it has matched. */
static uint64_t settle(struct hpet_timer *t, tick_t now)
{
    if (t->due == TICK_NEVER || now < t->due)
        return 0;
    tick_t p = period(t);
    if (is_periodic(t) && p) {
        uint64_t n = (now - t->due) / p + 1;
        t->cmp = (t->cmp + n * (p / NS_PER_COUNT)) & width(t);
        t->due += n * p;
        return n;
    }
    /* 32 bits come round again, every 43 s */
    const tick_t round = (tick_t)NS_PER_COUNT << 32;
    t->due = t->config & TN_32BIT ? now + round - (now - t->due) % round : TICK_NEVER;
    return 1;
}

static void arm(struct hpet *h, unsigned n, tick_t now)
{
    struct hpet_timer *t = &h->t[n];
    tick_t at = ticks_look(&t->ticks, period(t));
    if (t->due < at)
        at = t->due;
    if (at < now + MIN_WAIT && period(t) && period(t) < MIN_WAIT)
        at = now + MIN_WAIT;
    timer_set(&t->timer, running(h) && (t->config & (TN_ENABLE | TN_LEVEL)) ? at : TICK_NEVER);
}

static void match_timer(void *opaque, tick_t now)
{
    struct hpet_timer *t = opaque;
    struct hpet *h = t->hpet;
    unsigned n = (unsigned)(t - h->t);
    signal_match(h, n, settle(t, now), now);
    arm(h, n, now);
}

/* Before a register changes: matches up to now count as they were programmed. */
static void catch_up(struct hpet *h, unsigned n, tick_t now)
{
    uint64_t matches = settle(&h->t[n], now);
    if (matches)
        signal_match(h, n, matches, now);
}

/* It has been programmed. */
static void start(struct hpet *h, unsigned n, tick_t now)
{
    ticks_forget(&h->t[n].ticks);
    find_due(h, &h->t[n], now);
    arm(h, n, now);
}

/* ---- registers ---- */

static void write_config(struct hpet *h, uint32_t val, tick_t now)
{
    bool was = running(h);
    bool was_legacy = legacy(h);
    uint64_t count = counter(h, now);
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        catch_up(h, n, now);
        if (line(h, n))
            irq_set(line(h, n), 0); /* it may be another one in a moment */
    }
    h->config = val & (CONFIG_ENABLE | CONFIG_LEGACY);
    h->counter = running(h) ? count - now / NS_PER_COUNT : count;
    if (legacy(h) != was_legacy)
        irq_set(&h->wire.legacy_enabled, legacy(h));
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        if (running(h) != was)
            start(h, n, now);
        hpet_update_irq(h, n);
    }
}

static void write_counter(struct hpet *h, uint64_t val, tick_t now)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        catch_up(h, n, now);
    h->counter = running(h) ? val - now / NS_PER_COUNT : val;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        start(h, n, now);
}

static void write_timer_config(struct hpet *h, unsigned n, uint32_t val, tick_t now)
{
    struct hpet_timer *t = &h->t[n];
    catch_up(h, n, now);
    if (line(h, n))
        irq_set(line(h, n), 0);
    if (!(HPET_PINS >> ((val & TN_ROUTE) >> 9) & 1))
        val &= ~TN_ROUTE; /* a pin that does not exist does not read back */
    t->config = val & TN_WRITABLE;
    t->val_set = val & TN_VAL_SET;
    t->cmp &= width(t);
    if (!(t->config & TN_LEVEL))
        h->status &= ~(1u << n);
    start(h, n, now);
    hpet_update_irq(h, n);
}

static void write_cmp(struct hpet *h, unsigned n, uint64_t val, tick_t now)
{
    struct hpet_timer *t = &h->t[n];
    catch_up(h, n, now);
    if (!is_periodic(t) || t->val_set)
        t->cmp = val & width(t);
    if (is_periodic(t))
        t->period = val & width(t);
    t->val_set = false;
    start(h, n, now);
}

static uint64_t read_reg(struct hpet *h, unsigned reg, tick_t now)
{
    unsigned n = (reg - REG_TIMER) >> 5;
    switch (reg) {
    case REG_CAP: return (uint64_t)CAP_HIGH << 32 | CAP_LOW;
    case REG_CONFIG: return h->config;
    case REG_STATUS: return h->status;
    case REG_COUNTER: return counter(h, now);
    default: break;
    }
    if (reg < REG_TIMER || n >= HPET_TIMERS)
        return 0;
    switch (reg & 0x18) {
    case TN_CONFIG: return (uint64_t)HPET_PINS << 32 | h->t[n].config | TN_CAPS;
    case TN_CMP:
        catch_up(h, n, now);
        arm(h, n, now);
        return h->t[n].cmp;
    default: return 0;
    }
}

static void write_reg(struct hpet *h, unsigned reg, uint64_t val, tick_t now)
{
    unsigned n = (reg - REG_TIMER) >> 5;
    switch (reg) {
    case REG_CONFIG: write_config(h, (uint32_t)val, now); return;
    case REG_STATUS:
        h->status &= ~(uint32_t)val;
        for (n = 0; n < HPET_TIMERS; n++)
            if (val >> n & 1)
                hpet_update_irq(h, n);
        return;
    case REG_COUNTER: write_counter(h, val, now); return;
    default: break;
    }
    if (reg < REG_TIMER || n >= HPET_TIMERS)
        return;
    switch (reg & 0x18) {
    case TN_CONFIG: write_timer_config(h, n, (uint32_t)val, now); break;
    case TN_CMP: write_cmp(h, n, val, now); break;
    default: break;
    }
}

static uint64_t hpet_read(void *opaque, gpa_t offset, unsigned size)
{
    struct hpet *h = opaque;
    uint64_t v = read_reg(h, (unsigned)offset & 0x3f8, bus_now(h->dev.bus));
    return size == 8 ? v : (uint32_t)(v >> (offset & 4 ? 32 : 0));
}

/* What a half is written to keeps its other half: of a comparator in periodic mode, the period's. */
static uint64_t old_value(struct hpet *h, unsigned reg, tick_t now)
{
    unsigned n = (reg - REG_TIMER) >> 5;
    bool cmp = reg >= REG_TIMER && n < HPET_TIMERS && (reg & 0x18) == TN_CMP;
    if (cmp && is_periodic(&h->t[n]) && !h->t[n].val_set)
        return h->t[n].period;
    return reg == REG_STATUS ? 0 : read_reg(h, reg, now);
}

static void hpet_write(void *opaque, gpa_t offset, uint64_t val, unsigned size)
{
    struct hpet *h = opaque;
    unsigned reg = (unsigned)offset & 0x3f8;
    tick_t now = bus_now(h->dev.bus);
    LOG(hpet, "write %03x: %0*llx", (unsigned)offset, (int)size * 2, (unsigned long long)val);
    if (size == 4 && (offset & 4))
        val = (uint32_t)old_value(h, reg, now) | val << 32;
    else if (size == 4)
        val = (old_value(h, reg, now) & ~(uint64_t)UINT32_MAX) | (uint32_t)val;
    write_reg(h, reg, val, now);
}

/* ---- the device ---- */

static void hpet_reset(struct device *dev)
{
    struct hpet *h = (struct hpet *)dev;
    write_config(h, 0, bus_now(dev->bus)); /* lets go of the lines */
    h->status = 0;
    h->counter = 0;
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        struct hpet_timer *t = &h->t[n];
        t->config = 0;
        t->val_set = false;
        t->cmp = UINT64_MAX;
        t->period = 0;
        t->due = TICK_NEVER;
        ticks_forget(&t->ticks);
        timer_cancel(&t->timer);
    }
}

static void hpet_post_load(void *obj)
{
    struct hpet *h = obj;
    h->config &= CONFIG_ENABLE | CONFIG_LEGACY;
    h->status &= (1u << HPET_TIMERS) - 1;
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        h->t[n].config &= TN_WRITABLE;
    irq_set(&h->wire.legacy_enabled, legacy(h));
}

static const struct state_field timer_fields[] = {
    FIELD_U32(struct hpet_timer, config),  FIELD_BOOL(struct hpet_timer, val_set),
    FIELD_U64(struct hpet_timer, cmp),     FIELD_U64(struct hpet_timer, period),
    FIELD_U64(struct hpet_timer, due),     FIELD_STRUCT(struct hpet_timer, ticks, &ticks_state),
    FIELD_TIMER(struct hpet_timer, timer), FIELD_END
};
static const struct state_desc timer_state = { .name = "hpet-timer", .version = 1, .fields = timer_fields };
static const struct state_field hpet_fields[] = { FIELD_U32(struct hpet, config), FIELD_U32(struct hpet, status),
                                                  FIELD_U64(struct hpet, counter),
                                                  FIELD_STRUCT_ARRAY(struct hpet, t, &timer_state), FIELD_END };
static const struct state_desc hpet_state = {
    .name = "hpet", .version = 1, .fields = hpet_fields, .post_load = hpet_post_load
};

static void hpet_dump(struct device *dev, FILE *f)
{
    const struct hpet *h = (const struct hpet *)dev;
    fprintf(f, "%s%s counter %016llx status %x\n", running(h) ? "running" : "halted", legacy(h) ? " legacy" : "",
            (unsigned long long)counter(h, bus_now(dev->bus)), h->status);
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        const struct hpet_timer *t = &h->t[n];
        fprintf(f, "timer %u: comparator %016llx period %llx pin %u%s%s%s%s owed %u\n", n, (unsigned long long)t->cmp,
                (unsigned long long)t->period, (t->config & TN_ROUTE) >> 9, t->config & TN_ENABLE ? " enabled" : "",
                t->config & TN_LEVEL ? " level" : " edge", t->config & TN_PERIODIC ? " periodic" : "",
                t->config & TN_32BIT ? " 32-bit" : "", t->ticks.owed);
    }
}

static const char *hpet_check(struct device *dev)
{
    const struct hpet *h = (const struct hpet *)dev;
    if (!running(h))
        for (unsigned n = 0; n < HPET_TIMERS; n++)
            if (h->t[n].due != TICK_NEVER || timer_pending(&h->t[n].timer))
                return "hpet: a timer runs while the counter is halted";
    return NULL;
}

static int hpet_init(struct device *dev, const void *props)
{
    static const struct mmio_ops ops = { hpet_read, hpet_write, 4, 8 };
    struct hpet *h = (struct hpet *)dev;
    h->wire = *(const struct hpet_config *)props;
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        h->t[n].hpet = h;
        h->t[n].due = TICK_NEVER;
        timer_init(&h->t[n].timer, dev->bus->clock, "hpet", match_timer, &h->t[n]);
    }
    bus_mmio_add(dev->bus, HPET_BASE, PAGE_SIZE, &ops, h, "hpet");
    return 0;
}

static void hpet_destroy(struct device *dev)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++)
        timer_destroy(&((struct hpet *)dev)->t[n].timer);
}

static const struct device_class hpet_class = {
    .name = "hpet",
    .size = sizeof(struct hpet),
    .init = hpet_init,
    .reset = hpet_reset,
    .destroy = hpet_destroy,
    .state = &hpet_state,
    .dump = hpet_dump,
    .check = hpet_check,
};

struct hpet *hpet_create(struct bus *bus, const struct hpet_config *config)
{
    return bus_add_device(bus, &hpet_class, NULL, config);
}
