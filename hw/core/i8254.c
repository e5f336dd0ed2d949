/* i8254.c - Intel 8254 programmable interval timer (datasheet 231164) and system port B.
 *
 * Ports 40h-43h, 61h; IRQ0 from counter 0. Counter 1 runs free (refresh), counter 2 is gated by
 * port 61h bit 0 and drives the speaker. Every mode, BCD, latch, read-back with null count.
 * NOT modelled: sound (the speaker's state can be asked for), the NMI sources of port 61h (read 0).
 *
 * A counter does not tick: its count and output are functions of the time since it was loaded.
 * Only rising edges of counter 0 need a timer; the low part of a period is never signalled alone.
 * Those of modes 2 and 3 that come late or not at all are made up for (ticks.h).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/i8254.h"

#include "hw/core/ticks.h"

#define RW_LATCH 0
#define RW_LSB   1
#define RW_MSB   2
#define RW_BOTH  3

#define PORTB_GATE2   0x01
#define PORTB_SPEAKER 0x02
#define PORTB_REFRESH 0x10
#define PORTB_OUT2    0x20
#define REFRESH_NS    15085u

struct counter {
    /* state */
    uint8_t mode; /* 0-5 */
    uint8_t rw;
    bool bcd;
    bool gate;
    bool loaded;    /* a count was written since the control word */
    bool triggered; /* modes 1, 5: the gate has risen since */
    bool running;   /* time counts; otherwise `elapsed` stands still */
    bool reload;    /* modes 2, 3: next_count takes over at reload_at */
    bool null_count;
    bool write_msb; /* RW_BOTH: the low byte is in write_lsb */
    bool read_msb;  /* RW_BOTH: the next read gives the high byte */
    uint8_t write_lsb;
    uint8_t latch_bytes; /* of `latch` still to be read */
    bool status_latched;
    uint8_t status;
    uint16_t latch;
    uint32_t count;      /* 1..65536: in counts, also in BCD */
    uint32_t next_count; /* the last one written */
    uint64_t start;      /* cycle at which `elapsed` held, if running */
    uint64_t elapsed;
    uint64_t reload_at;
};

struct i8254 {
    struct device dev;
    /* wiring */
    struct irq irq0;
    /* state */
    struct counter c[3];
    uint8_t portb;
    uint64_t edge; /* the cycle the timer is armed for, 0: none; counter 0's output rises then */
    struct ticks ticks;
    struct timer timer;
};

static uint64_t to_cycles(tick_t t) { return muldiv64(t, PIT_HZ, TICKS_PER_SEC); }

static tick_t from_cycles(uint64_t cycles) { return muldiv64(cycles, TICKS_PER_SEC, PIT_HZ) + 1; }

static uint32_t wrap(const struct counter *c) { return c->bcd ? 10000 : 65536; }

static uint32_t high_half(uint32_t count) { return (count + 1) / 2; }

static bool periodic(const struct counter *c) { return c->mode == 2 || c->mode == 3; }

static uint16_t to_bcd(uint32_t v)
{
    return (uint16_t)(v % 10 | v / 10 % 10 << 4 | v / 100 % 10 << 8 | v / 1000 % 10 << 12);
}

static uint32_t from_bcd(uint32_t v)
{
    return (v & 15) + (v >> 4 & 15) * 10 + (v >> 8 & 15) * 100 + (v >> 12 & 15) * 1000;
}

/* Cycles counted since the load, at `now` (in cycles). */
static uint64_t elapsed_at(const struct counter *c, uint64_t now)
{
    if (!c->running)
        return c->elapsed;
    return now > c->start ? c->elapsed + (now - c->start) : c->elapsed;
}

/* Bring a counter up to date: a new count of modes 2 and 3 takes over, null count goes. */
static void sync(struct counter *c, uint64_t now)
{
    if (c->reload && c->running && now >= c->reload_at) {
        uint64_t phase = elapsed_at(c, c->reload_at) % c->count;
        bool falls = c->mode == 3 && phase != 0;
        c->count = c->next_count;
        c->start = c->reload_at;
        c->elapsed = falls ? high_half(c->count) : 0;
        c->reload = false;
        c->null_count = false;
    }
    if (c->null_count && !c->reload && c->loaded && now >= c->start && (c->triggered || (c->mode != 1 && c->mode != 5)))
        c->null_count = false;
}

/* Load the counter at the next clock pulse. */
static void load(struct counter *c, uint64_t now)
{
    c->count = c->next_count;
    c->start = now + 1;
    c->elapsed = 0;
    c->reload = false;
}

static bool output(const struct counter *c, uint64_t now)
{
    uint64_t e = elapsed_at(c, now);
    if (!c->loaded)
        return c->mode != 0;
    switch (c->mode) {
    case 0: return e >= c->count;
    case 1: return !c->triggered || e >= c->count;
    case 2: return !c->gate || c->count < 2 || e % c->count != c->count - 1;
    case 3: return !c->gate || c->count < 2 || e % c->count < high_half(c->count);
    case 4: return e != c->count;
    default: return !c->triggered || e != c->count;
    }
}

/* The counting element as software reads it. */
static uint16_t current(const struct counter *c, uint64_t now)
{
    uint64_t e = elapsed_at(c, now);
    uint32_t v = c->count;
    if (c->mode == 2) {
        v = (uint32_t)(c->count - e % c->count);
    } else if (c->mode == 3) {
        uint32_t half = high_half(c->count);
        uint64_t p = e % c->count;
        uint32_t odd = c->count & 1;
        if (p >= half) {
            p -= half;
            odd = p ? odd : 0;
            v = (uint32_t)(c->count - 2 * p - odd);
        } else {
            v = (uint32_t)(c->count - 2 * p + (p ? odd : 0));
        }
    } else if (c->loaded) {
        v = (uint32_t)((c->count + wrap(c) - e % wrap(c)) % wrap(c));
    }
    v %= wrap(c);
    return c->bcd ? to_bcd(v) : (uint16_t)v;
}

/* The cycle of the next rising edge of the output after `now`, 0 if there will be none. */
static uint64_t next_edge(const struct counter *c, uint64_t now)
{
    uint64_t e = elapsed_at(c, now);
    uint64_t base = now > c->start ? now : c->start; /* the cycle at which e holds */
    uint64_t at = 0;
    if (!c->loaded || !c->running)
        return 0;
    switch (c->mode) {
    case 0: return e < c->count ? base + (c->count - e) : 0;
    case 1: return c->triggered && e < c->count ? base + (c->count - e) : 0;
    case 4: return e <= c->count ? base + (c->count - e) + 1 : 0;
    case 5: return c->triggered && e <= c->count ? base + (c->count - e) + 1 : 0;
    default:
        if (c->count >= 2)
            at = base + (c->count - e % c->count);
        if (c->reload && (!at || c->reload_at < at))
            at = c->reload_at; /* look again when the new count has taken over */
        return at;
    }
}

static tick_t period(const struct counter *c) { return periodic(c) ? from_cycles(c->count) : 0; }

/* Arm the timer for the next edge, or sooner if ticks are owed. */
static void arm(struct i8254 *pit, tick_t now)
{
    struct counter *c = &pit->c[0];
    tick_t look = ticks_look(&pit->ticks, period(c));
    pit->edge = next_edge(c, to_cycles(now));
    tick_t at = pit->edge ? from_cycles(pit->edge) : TICK_NEVER;
    timer_set(&pit->timer, look < at ? look : at);
}

/* Tell IRQ0 where the output stands. */
static void i8254_update_irq(struct i8254 *pit, tick_t now)
{
    struct counter *c = &pit->c[0];
    sync(c, to_cycles(now));
    irq_set(&pit->irq0, output(c, to_cycles(now)));
    arm(pit, now);
}

/* Signal the edges up to now: pulses, since the falls before them were not signalled. */
static void signal_edges(struct i8254 *pit, tick_t now)
{
    struct counter *c = &pit->c[0];
    uint64_t cycle = to_cycles(now);
    uint64_t n = pit->edge && cycle >= pit->edge;
    if (n && c->reload && cycle >= c->reload_at && c->mode == 3 && elapsed_at(c, c->reload_at) % c->count != 0)
        n = 0; /* a new count takes over where the output falls */
    else if (n && periodic(c) && !c->reload && c->count)
        n += (cycle - pit->edge) / c->count;
    sync(c, cycle);
    if (ticks_due(&pit->ticks, pit->dev.bus->clock, n, irq_get_state(&pit->irq0), period(c), now)) {
        irq_set(&pit->irq0, 0);
        irq_set(&pit->irq0, 1);
    }
    pit->edge = 0;
}

static void set_gate(struct counter *c, bool gate, uint64_t now)
{
    if (c->gate == gate)
        return;
    sync(c, now);
    if (!gate) {
        c->gate = false;
        if (c->mode != 1 && c->mode != 5) {
            c->elapsed = elapsed_at(c, now);
            c->running = false;
        }
        return;
    }
    c->gate = true;
    if (!c->loaded)
        return;
    if (c->mode == 0 || c->mode == 4) {
        c->start = now;
    } else { /* 1, 5: trigger; 2, 3: start again */
        load(c, now);
        c->triggered = true;
    }
    c->running = true;
}

/* A whole count has been written. */
static void write_count(struct counter *c, uint32_t raw, uint64_t now)
{
    uint32_t n = c->bcd ? from_bcd(raw) % 10000 : raw;
    sync(c, now);
    c->next_count = n ? n : wrap(c);
    c->null_count = true;
    if (c->mode == 1 || c->mode == 5) {
        if (!c->loaded)
            c->count = c->next_count;
        c->loaded = true;
    } else if (periodic(c) && c->loaded && c->running && c->count >= 2) {
        uint64_t e = elapsed_at(c, now) % c->count;
        uint64_t base = now > c->start ? now : c->start;
        uint32_t half = high_half(c->count);
        uint64_t end = c->mode == 3 && e < half ? half : c->count;
        c->reload = true;
        c->reload_at = base + (end - e);
    } else {
        c->loaded = true;
        load(c, now);
        c->running = c->gate;
    }
}

static void write_counter(struct counter *c, uint8_t val, uint64_t now)
{
    switch (c->rw) {
    case RW_LSB: write_count(c, val, now); break;
    case RW_MSB: write_count(c, (uint32_t)val << 8, now); break;
    default:
        if (!c->write_msb) {
            c->write_lsb = val;
            c->write_msb = true;
            if (c->mode == 0) { /* the first byte stops counting, the output goes low */
                c->loaded = false;
                c->elapsed = 0;
                c->running = false;
            }
        } else {
            c->write_msb = false;
            write_count(c, (uint32_t)val << 8 | c->write_lsb, now);
        }
    }
}

static void latch_count(struct counter *c, uint64_t now)
{
    if (c->latch_bytes)
        return;
    c->latch = current(c, now);
    c->latch_bytes = c->rw == RW_BOTH ? 2 : 1;
    c->read_msb = false;
}

static void write_control(struct i8254 *pit, uint8_t val, uint64_t now)
{
    if (val >> 6 == 3) { /* read-back */
        for (int i = 0; i < 3; i++) {
            struct counter *c = &pit->c[i];
            if (!(val & (2u << i)))
                continue;
            sync(c, now);
            if (!(val & 0x10) && !c->status_latched) {
                c->status = (uint8_t)(output(c, now) << 7 | c->null_count << 6 | c->rw << 4 | c->mode << 1 | c->bcd);
                c->status_latched = true;
            }
            if (!(val & 0x20))
                latch_count(c, now);
        }
        return;
    }
    struct counter *c = &pit->c[val >> 6];
    unsigned rw = val >> 4 & 3;
    sync(c, now);
    if (rw == RW_LATCH) {
        latch_count(c, now);
        return;
    }
    unsigned mode = val >> 1 & 7;
    *c = (struct counter){ .mode = (uint8_t)(mode > 5 ? mode - 4 : mode),
                           .rw = (uint8_t)rw,
                           .bcd = val & 1,
                           .gate = c->gate,
                           .null_count = true,
                           .count = c->count,
                           .next_count = c->next_count };
}

static uint8_t read_counter(struct counter *c, uint64_t now)
{
    if (c->status_latched) {
        c->status_latched = false;
        return c->status;
    }
    uint16_t v;
    bool high;
    if (c->latch_bytes) {
        v = c->latch;
        high = c->rw == RW_MSB || (c->rw == RW_BOTH && c->latch_bytes == 1);
        c->latch_bytes--;
    } else {
        v = current(c, now);
        high = c->rw == RW_MSB || (c->rw == RW_BOTH && c->read_msb);
        if (c->rw == RW_BOTH)
            c->read_msb = !c->read_msb;
    }
    return (uint8_t)(high ? v >> 8 : v);
}

static uint32_t i8254_read(void *opaque, uint16_t port, unsigned size)
{
    struct i8254 *pit = opaque;
    unsigned n = port & 3;
    (void)size;
    if (n == 3)
        return 0xff; /* the control word cannot be read */
    uint64_t now = to_cycles(bus_now(pit->dev.bus));
    sync(&pit->c[n], now);
    return read_counter(&pit->c[n], now);
}

static void i8254_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct i8254 *pit = opaque;
    unsigned n = port & 3;
    tick_t now = bus_now(pit->dev.bus);
    (void)size;
    LOG(pit, "write %02x: %02x", port, val);
    if (pit->edge && to_cycles(now) >= pit->edge)
        signal_edges(pit, now); /* what the timer would do a little later */
    if (!n || (n == 3 && val >> 6 == 0 && (val >> 4 & 3) != RW_LATCH))
        ticks_forget(&pit->ticks);
    if (n == 3)
        write_control(pit, (uint8_t)val, to_cycles(now));
    else
        write_counter(&pit->c[n], (uint8_t)val, to_cycles(now));
    if (!n || n == 3)
        i8254_update_irq(pit, now);
}

static uint32_t portb_read(void *opaque, uint16_t port, unsigned size)
{
    struct i8254 *pit = opaque;
    tick_t now = bus_now(pit->dev.bus);
    uint32_t v = pit->portb & 0x0fu;
    (void)port;
    (void)size;
    sync(&pit->c[2], to_cycles(now));
    if (now / REFRESH_NS & 1)
        v |= PORTB_REFRESH;
    if (output(&pit->c[2], to_cycles(now)))
        v |= PORTB_OUT2;
    return v;
}

static void portb_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct i8254 *pit = opaque;
    (void)port;
    (void)size;
    pit->portb = val & 0x0f;
    set_gate(&pit->c[2], val & PORTB_GATE2, to_cycles(bus_now(pit->dev.bus)));
}

bool i8254_speaker(const struct i8254 *pit, unsigned *hz)
{
    const struct counter *c = &pit->c[2];
    *hz = c->count ? PIT_HZ / c->count : 0;
    return (pit->portb & 3) == 3 && c->loaded && c->mode == 3;
}

static void edge_timer(void *opaque, tick_t now)
{
    struct i8254 *pit = opaque;
    signal_edges(pit, now);
    arm(pit, now);
}

static void i8254_reset(struct device *dev)
{
    struct i8254 *pit = (struct i8254 *)dev;
    for (int i = 0; i < 3; i++) /* not defined by the datasheet: nothing counts, OUT is high */
        pit->c[i] = (struct counter){ .mode = 3, .rw = RW_BOTH, .gate = i != 2, .count = 65536, .next_count = 65536 };
    pit->portb = 0;
    pit->edge = 0;
    ticks_forget(&pit->ticks);
    i8254_update_irq(pit, bus_now(dev->bus));
}

static void counter_post_load(void *obj)
{
    struct counter *c = obj;
    if (c->mode > 5)
        c->mode = 0;
    if (!c->count || c->count > 65536)
        c->count = 65536;
    if (!c->next_count || c->next_count > 65536)
        c->next_count = 65536;
}

static const struct state_field counter_fields[] = {
    FIELD_U8(struct counter, mode),         FIELD_U8(struct counter, rw),
    FIELD_BOOL(struct counter, bcd),        FIELD_BOOL(struct counter, gate),
    FIELD_BOOL(struct counter, loaded),     FIELD_BOOL(struct counter, triggered),
    FIELD_BOOL(struct counter, running),    FIELD_BOOL(struct counter, reload),
    FIELD_BOOL(struct counter, null_count), FIELD_BOOL(struct counter, write_msb),
    FIELD_BOOL(struct counter, read_msb),   FIELD_U8(struct counter, write_lsb),
    FIELD_U8(struct counter, latch_bytes),  FIELD_BOOL(struct counter, status_latched),
    FIELD_U8(struct counter, status),       FIELD_U16(struct counter, latch),
    FIELD_U32(struct counter, count),       FIELD_U32(struct counter, next_count),
    FIELD_U64(struct counter, start),       FIELD_U64(struct counter, elapsed),
    FIELD_U64(struct counter, reload_at),   FIELD_END
};
static const struct state_desc counter_state = {
    .name = "i8254-counter", .version = 1, .fields = counter_fields, .post_load = counter_post_load
};
static const struct state_field i8254_fields[] = { FIELD_STRUCT_ARRAY(struct i8254, c, &counter_state),
                                                   FIELD_U8(struct i8254, portb),
                                                   FIELD_TIMER(struct i8254, timer),
                                                   FIELD_U64(struct i8254, edge),
                                                   FIELD_STRUCT(struct i8254, ticks, &ticks_state),
                                                   FIELD_END };
static const struct state_desc i8254_state = { .name = "i8254", .version = 2, .fields = i8254_fields };

static void i8254_dump(struct device *dev, FILE *f)
{
    const struct i8254 *pit = (const struct i8254 *)dev;
    uint64_t now = to_cycles(bus_now(dev->bus));
    for (int i = 0; i < 3; i++) {
        const struct counter *c = &pit->c[i];
        fprintf(f, "counter %d: mode %u%s period %u (%u Hz) count %04x out %d gate %d%s%s\n", i, c->mode,
                c->bcd ? " bcd" : "", c->count, PIT_HZ / (c->count ? c->count : 1), current(c, now), output(c, now),
                c->gate, c->loaded ? "" : " not loaded", c->null_count ? " null" : "");
    }
    fprintf(f, "port 61h: %02x\n", pit->portb);
}

static const char *i8254_check(struct device *dev)
{
    const struct i8254 *pit = (const struct i8254 *)dev;
    for (int i = 0; i < 3; i++)
        if (!pit->c[i].count || pit->c[i].count > 65536 || pit->c[i].mode > 5)
            return "i8254: count or mode out of range";
    return NULL;
}

static int i8254_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { i8254_read, i8254_write, 1, 1 };
    static const struct port_ops portb_ops = { portb_read, portb_write, 1, 1 };
    struct i8254 *pit = (struct i8254 *)dev;
    pit->irq0 = *(const struct irq *)props;
    timer_init(&pit->timer, dev->bus->clock, "pit", edge_timer, pit);
    bus_port_add(dev->bus, 0x40, 4, &ops, pit, "pit");
    bus_port_add(dev->bus, 0x61, 1, &portb_ops, pit, "port 61h");
    return 0;
}

static void i8254_destroy(struct device *dev) { timer_destroy(&((struct i8254 *)dev)->timer); }

static const struct device_class i8254_class = {
    .name = "pit",
    .size = sizeof(struct i8254),
    .init = i8254_init,
    .reset = i8254_reset,
    .destroy = i8254_destroy,
    .state = &i8254_state,
    .dump = i8254_dump,
    .check = i8254_check,
};

struct i8254 *i8254_create(struct bus *bus, struct irq irq0) { return bus_add_device(bus, &i8254_class, NULL, &irq0); }
