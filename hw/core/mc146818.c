/* mc146818.c - Motorola MC146818A real-time clock (datasheet ADI856R2) with 128 bytes of CMOS.
 *
 * Ports 70h (index; bit 7, the NMI mask, is ignored), 71h (data); IRQ8.
 * Time and alarm in BCD or binary, 12 or 24 hours; alarm, periodic and update-ended interrupts;
 * update-in-progress for the last 244 us of a second; century in 32h (and 37h).
 * NOT modelled: square-wave output, daylight saving, a day of week that disagrees with the date,
 * years outside 1843-2255, other divider chains than 32.768 kHz (the clock then stands still, as in
 * reset).
 *
 * The time is not counted: it is an offset to the virtual clock. Flags of register C that no
 * enabled interrupt asks for are computed when C is read.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/core/mc146818.h"

#include <time.h>

#include "hw/core/ticks.h"

enum {
    RTC_SECONDS,
    RTC_SECONDS_ALARM,
    RTC_MINUTES,
    RTC_MINUTES_ALARM,
    RTC_HOURS,
    RTC_HOURS_ALARM,
    RTC_WEEKDAY,
    RTC_DAY,
    RTC_MONTH,
    RTC_YEAR,
    RTC_A,
    RTC_B,
    RTC_C,
    RTC_D,
    RTC_CENTURY = 0x32,
    RTC_PS2_CENTURY = 0x37,
};

#define A_UIP   0x80
#define A_DV    0x70
#define A_DV_ON 0x20
#define A_RS    0x0f
#define B_SET   0x80
#define B_PIE   0x40
#define B_AIE   0x20
#define B_UIE   0x10
#define B_SQWE  0x08
#define B_DM    0x04 /* binary */
#define B_24H   0x02
#define C_IRQF  0x80
#define C_PF    0x40
#define C_AF    0x20
#define C_UF    0x10
#define D_VRT   0x80

/* Seconds since 1970 that a 64-bit count of ns can hold with room to spare: 1843 to 2255. */
#define TIME_MIN (-4000000000ll)
#define TIME_MAX 9000000000ll

#define UIP_NS 244000u
#define NS     TICKS_PER_SEC

struct mc146818 {
    struct device dev;
    /* wiring */
    struct irq irq;
    /* state */
    uint8_t cmos[128];
    uint8_t index;
    int64_t offset;       /* RTC ns since 1970 = virtual time + offset */
    uint64_t periods;     /* of the periodic rate, already reported in PF */
    uint64_t period_base; /* virtual time the periods count from */
    int64_t seen;         /* RTC second up to which UF and AF are known */
    struct ticks ticks;   /* of the periodic interrupt */
    struct timer periodic;
    struct timer second;
};

static bool running(const struct mc146818 *r)
{
    return !(r->cmos[RTC_B] & B_SET) && (r->cmos[RTC_A] & A_DV) == A_DV_ON;
}

static uint8_t encode(const struct mc146818 *r, int v)
{
    return (uint8_t)(r->cmos[RTC_B] & B_DM ? v : v / 10 % 10 << 4 | v % 10);
}

static int decode(const struct mc146818 *r, uint8_t v) { return r->cmos[RTC_B] & B_DM ? v : (v >> 4) * 10 + (v & 15); }

static uint8_t encode_hour(const struct mc146818 *r, int h)
{
    if (r->cmos[RTC_B] & B_24H)
        return encode(r, h);
    return (uint8_t)(encode(r, h % 12 ? h % 12 : 12) | (h >= 12 ? 0x80 : 0));
}

static int decode_hour(const struct mc146818 *r, uint8_t v)
{
    if (r->cmos[RTC_B] & B_24H)
        return decode(r, v);
    return decode(r, v & 0x7f) % 12 + (v & 0x80 ? 12 : 0);
}

static int64_t rtc_ns(const struct mc146818 *r, tick_t now) { return (int64_t)now + r->offset; }

static int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* Period of the periodic interrupt in 32768 Hz clocks, 0: none. */
static unsigned period_clocks(const struct mc146818 *r)
{
    unsigned rs = r->cmos[RTC_A] & A_RS;
    if (!rs || (r->cmos[RTC_A] & A_DV) != A_DV_ON)
        return 0;
    return 1u << ((rs <= 2 ? rs + 7 : rs) - 1);
}

/* Put the time of day into the registers. */
static void store_time(struct mc146818 *r, tick_t now)
{
    time_t t = (time_t)floor_div(rtc_ns(r, now), NS);
    struct tm tm;
    if (!gmtime_r(&t, &tm))
        return;
    int year = tm.tm_year + 1900;
    r->cmos[RTC_SECONDS] = encode(r, tm.tm_sec);
    r->cmos[RTC_MINUTES] = encode(r, tm.tm_min);
    r->cmos[RTC_HOURS] = encode_hour(r, tm.tm_hour);
    r->cmos[RTC_WEEKDAY] = encode(r, tm.tm_wday + 1);
    r->cmos[RTC_DAY] = encode(r, tm.tm_mday);
    r->cmos[RTC_MONTH] = encode(r, tm.tm_mon + 1);
    r->cmos[RTC_YEAR] = encode(r, year % 100);
    r->cmos[RTC_CENTURY] = encode(r, year / 100);
}

/* Take the time of day from the registers; `fraction` is the ns into the second. */
static void load_time(struct mc146818 *r, tick_t now, int64_t fraction)
{
    struct tm tm = {
        .tm_sec = decode(r, r->cmos[RTC_SECONDS]),
        .tm_min = decode(r, r->cmos[RTC_MINUTES]),
        .tm_hour = decode_hour(r, r->cmos[RTC_HOURS]),
        .tm_mday = decode(r, r->cmos[RTC_DAY]),
        .tm_mon = decode(r, r->cmos[RTC_MONTH]) - 1,
        .tm_year = decode(r, r->cmos[RTC_YEAR]) + decode(r, r->cmos[RTC_CENTURY]) * 100 - 1900,
    };
    int64_t t = timegm(&tm); /* out of range values carry over; all are below 256 */
    t = t < TIME_MIN ? TIME_MIN : t > TIME_MAX ? TIME_MAX : t;
    r->offset = t * (int64_t)NS + fraction - (int64_t)now;
    r->seen = t;
}

static bool alarm_matches(const struct mc146818 *r, int64_t second)
{
    int64_t day = second - floor_div(second, 86400) * 86400;
    uint8_t s = r->cmos[RTC_SECONDS_ALARM];
    uint8_t m = r->cmos[RTC_MINUTES_ALARM];
    uint8_t h = r->cmos[RTC_HOURS_ALARM];
    return (s >= 0xc0 || decode(r, s) == day % 60) && (m >= 0xc0 || decode(r, m) == day / 60 % 60) &&
           ((h & 0xc0) == 0xc0 || decode_hour(r, h) == day / 3600);
}

static void mc146818_update_irq(struct mc146818 *r)
{
    if (r->cmos[RTC_C] & r->cmos[RTC_B] & (C_PF | C_AF | C_UF))
        r->cmos[RTC_C] |= C_IRQF;
    else
        r->cmos[RTC_C] &= (uint8_t)~C_IRQF;
    irq_set(&r->irq, r->cmos[RTC_C] & C_IRQF ? 1 : 0);
}

static tick_t period(const struct mc146818 *r) { return muldiv64(period_clocks(r), NS, 32768); }

/* `n` periods have passed, or 0: only look whether one that is owed can be signalled. A tick is
 * taken when register C is read. */
static void periods_passed(struct mc146818 *r, uint64_t n, tick_t now)
{
    enum irq_state line = irq_get_state(&r->irq);
    if (!(r->cmos[RTC_B] & B_PIE))
        line = IRQ_MASKED;
    else if (line != IRQ_MASKED)
        line = r->cmos[RTC_C] & C_PF ? IRQ_BUSY : IRQ_FREE;
    if (ticks_due(&r->ticks, r->dev.bus->clock, n, line, period(r), now))
        r->cmos[RTC_C] |= C_PF;
}

/* Set the flags of everything that happened up to `now`. */
static void catch_up(struct mc146818 *r, tick_t now)
{
    unsigned clocks = period_clocks(r);
    if (clocks) {
        uint64_t n = muldiv64(now - r->period_base, 32768, NS) / clocks;
        if (n > r->periods || now >= ticks_look(&r->ticks, period(r)))
            periods_passed(r, n - r->periods, now);
        r->periods = n;
    }
    if (running(r)) {
        int64_t t = floor_div(rtc_ns(r, now), NS);
        if (t > r->seen) {
            r->cmos[RTC_C] |= C_UF;
            if (t - r->seen > 86400)
                r->seen = t - 86400;
            while (r->seen < t && !(r->cmos[RTC_C] & C_AF))
                if (alarm_matches(r, ++r->seen))
                    r->cmos[RTC_C] |= C_AF;
        }
        r->seen = t;
    }
}

/* Arm the timers that enabled interrupts need. */
static void arm(struct mc146818 *r, tick_t now)
{
    unsigned clocks = period_clocks(r);
    uint8_t b = r->cmos[RTC_B];
    if (clocks && (b & B_PIE)) {
        uint64_t next = (r->periods + 1) * clocks;
        tick_t at = r->period_base + muldiv64(next, NS, 32768) + 1;
        tick_t look = ticks_look(&r->ticks, period(r));
        timer_set(&r->periodic, look < at ? look : at);
    } else {
        timer_cancel(&r->periodic);
    }
    if (running(r) && (b & (B_UIE | B_AIE))) {
        int64_t left = NS - (rtc_ns(r, now) - floor_div(rtc_ns(r, now), NS) * (int64_t)NS);
        timer_set(&r->second, now + (tick_t)left);
    } else {
        timer_cancel(&r->second);
    }
}

static void write_a(struct mc146818 *r, uint8_t val, tick_t now)
{
    bool was = running(r);
    catch_up(r, now);
    if (was)
        store_time(r, now);
    if ((val ^ r->cmos[RTC_A]) & (A_RS | A_DV)) {
        r->period_base = now;
        r->periods = 0;
        ticks_forget(&r->ticks);
    }
    r->cmos[RTC_A] = val & (uint8_t)~A_UIP;
    if (!was && running(r)) /* the first update comes half a second after the divider starts */
        load_time(r, now, NS / 2);
}

static void write_b(struct mc146818 *r, uint8_t val, tick_t now)
{
    bool was = running(r);
    catch_up(r, now);
    if (was)
        store_time(r, now);
    int64_t fraction = rtc_ns(r, now) - floor_div(rtc_ns(r, now), NS) * (int64_t)NS;
    if (val & B_SET)
        val &= (uint8_t)~B_UIE;
    if (!(val & B_PIE))
        ticks_forget(&r->ticks);
    r->cmos[RTC_B] = val;
    if (!was && running(r))
        load_time(r, now, fraction);
}

static void write_reg(struct mc146818 *r, uint8_t reg, uint8_t val, tick_t now)
{
    if (reg == RTC_PS2_CENTURY)
        reg = RTC_CENTURY;
    switch (reg) {
    case RTC_SECONDS:
    case RTC_MINUTES:
    case RTC_HOURS:
    case RTC_WEEKDAY:
    case RTC_DAY:
    case RTC_MONTH:
    case RTC_YEAR:
    case RTC_CENTURY:
        if (running(r)) {
            int64_t ns = rtc_ns(r, now);
            store_time(r, now);
            r->cmos[reg] = val;
            load_time(r, now, ns - floor_div(ns, NS) * (int64_t)NS);
        } else {
            r->cmos[reg] = val;
        }
        break;
    case RTC_A: write_a(r, val, now); break;
    case RTC_B: write_b(r, val, now); break;
    case RTC_C:
    case RTC_D: return; /* read-only */
    default: r->cmos[reg] = val; break;
    }
    if (reg <= RTC_B) {
        arm(r, now);
        mc146818_update_irq(r);
    }
}

static uint8_t read_reg(struct mc146818 *r, uint8_t reg, tick_t now)
{
    uint8_t v;
    if (reg == RTC_PS2_CENTURY)
        reg = RTC_CENTURY;
    switch (reg) {
    case RTC_SECONDS:
    case RTC_MINUTES:
    case RTC_HOURS:
    case RTC_WEEKDAY:
    case RTC_DAY:
    case RTC_MONTH:
    case RTC_YEAR:
    case RTC_CENTURY:
        if (running(r))
            store_time(r, now);
        return r->cmos[reg];
    case RTC_A:
        v = r->cmos[RTC_A];
        if (running(r)) {
            int64_t ns = rtc_ns(r, now);
            if (ns - floor_div(ns, NS) * (int64_t)NS >= (int64_t)(NS - UIP_NS))
                v |= A_UIP;
        }
        return v;
    case RTC_C:
        catch_up(r, now);
        mc146818_update_irq(r);
        v = r->cmos[RTC_C];
        r->cmos[RTC_C] = 0;
        mc146818_update_irq(r);
        arm(r, now);
        return v;
    case RTC_D: return D_VRT;
    default: return r->cmos[reg];
    }
}

static uint32_t mc146818_read(void *opaque, uint16_t port, unsigned size)
{
    struct mc146818 *r = opaque;
    (void)size;
    if (!(port & 1))
        return 0xff;
    uint8_t v = read_reg(r, r->index, bus_now(r->dev.bus));
    LOG(rtc, "read %02x: %02x", r->index, v);
    return v;
}

static void mc146818_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct mc146818 *r = opaque;
    (void)size;
    if (!(port & 1)) {
        r->index = val & 0x7f;
        return;
    }
    LOG(rtc, "write %02x: %02x", r->index, val);
    write_reg(r, r->index, (uint8_t)val, bus_now(r->dev.bus));
}

static void rtc_timer(void *opaque, tick_t now)
{
    struct mc146818 *r = opaque;
    catch_up(r, now);
    mc146818_update_irq(r);
    arm(r, now);
}

void mc146818_set(struct mc146818 *r, uint8_t reg, uint8_t val)
{
    if (reg > RTC_D && reg < sizeof r->cmos)
        r->cmos[reg] = val;
}

uint8_t mc146818_get(struct mc146818 *r, uint8_t reg) { return reg < sizeof r->cmos ? r->cmos[reg] : 0xff; }

/* RESET leaves time, alarm and memory alone. */
static void mc146818_reset(struct device *dev)
{
    struct mc146818 *r = (struct mc146818 *)dev;
    r->cmos[RTC_B] &= (uint8_t) ~(B_PIE | B_AIE | B_UIE | B_SQWE);
    r->cmos[RTC_C] = 0;
    r->index = 0;
    ticks_forget(&r->ticks);
    arm(r, bus_now(dev->bus));
    mc146818_update_irq(r);
}

static void mc146818_post_load(void *obj)
{
    struct mc146818 *r = obj;
    r->index &= 0x7f;
    mc146818_update_irq(r);
}

static const struct state_field mc146818_fields[] = { FIELD_BYTES(struct mc146818, cmos),
                                                      FIELD_U8(struct mc146818, index),
                                                      FIELD_U64(struct mc146818, offset),
                                                      FIELD_U64(struct mc146818, periods),
                                                      FIELD_U64(struct mc146818, period_base),
                                                      FIELD_U64(struct mc146818, seen),
                                                      FIELD_TIMER(struct mc146818, periodic),
                                                      FIELD_TIMER(struct mc146818, second),
                                                      FIELD_STRUCT(struct mc146818, ticks, &ticks_state),
                                                      FIELD_END };
static const struct state_desc mc146818_state = {
    .name = "mc146818", .version = 2, .fields = mc146818_fields, .post_load = mc146818_post_load
};

static void mc146818_dump(struct device *dev, FILE *f)
{
    struct mc146818 *r = (struct mc146818 *)dev;
    time_t t = (time_t)floor_div(rtc_ns(r, bus_now(dev->bus)), NS);
    struct tm tm = { 0 };
    gmtime_r(&t, &tm);
    fprintf(f, "time %04d-%02d-%02d %02d:%02d:%02d A=%02x B=%02x C=%02x index=%02x", tm.tm_year + 1900, tm.tm_mon + 1,
            tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, r->cmos[RTC_A], r->cmos[RTC_B], r->cmos[RTC_C], r->index);
    for (size_t i = 0; i < sizeof r->cmos; i++)
        fprintf(f, "%s%02x", i % 16 ? " " : "\n  ", r->cmos[i]);
    fprintf(f, "\n");
}

static int mc146818_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { mc146818_read, mc146818_write, 1, 1 };
    struct mc146818 *r = (struct mc146818 *)dev;
    r->irq = *(const struct irq *)props;
    r->cmos[RTC_A] = 0x26;
    r->cmos[RTC_B] = B_24H;
    r->cmos[RTC_D] = D_VRT;
    r->offset = dev->bus->clock->rtc_base * (int64_t)NS;
    r->period_base = bus_now(dev->bus);
    r->seen = floor_div(rtc_ns(r, r->period_base), NS);
    timer_init(&r->periodic, dev->bus->clock, "rtc periodic", rtc_timer, r);
    timer_init(&r->second, dev->bus->clock, "rtc second", rtc_timer, r);
    bus_port_add(dev->bus, 0x70, 2, &ops, r, "rtc");
    return 0;
}

static void mc146818_destroy(struct device *dev)
{
    struct mc146818 *r = (struct mc146818 *)dev;
    timer_destroy(&r->periodic);
    timer_destroy(&r->second);
}

static const struct device_class mc146818_class = {
    .name = "rtc",
    .size = sizeof(struct mc146818),
    .init = mc146818_init,
    .reset = mc146818_reset,
    .destroy = mc146818_destroy,
    .state = &mc146818_state,
    .dump = mc146818_dump,
};

struct mc146818 *mc146818_create(struct bus *bus, struct irq irq8)
{
    return bus_add_device(bus, &mc146818_class, NULL, &irq8);
}
