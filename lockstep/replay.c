/* replay.c - a CPU that follows the log: it gets what the first CPU got, at the same instruction, and
 * must ask for the same things in the same order.
 *
 * The second CPU is stopped where the log says that an interrupt was taken, and made to take it. The
 * first, when it runs again to find an error, is left as it was: it has INTR when it had it, and must
 * take the interrupts by itself.
 *
 * Where it does not, s->lost is set and ls->why says what; the CPU is given ones and stopped soon.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include "cpu/fpu/fpu.h"

#include <stdarg.h>

static bool is_first(const struct side *s) { return s == &s->ls->first; }

/* --- going another way --- */

static void lose(struct side *s, const char *fmt, ...) printf_fn(2, 3);

static void lose(struct side *s, const char *fmt, ...)
{
    struct lockstep *ls = s->ls;
    va_list ap;

    if (!s->lost && !ls->why[0]) {
        va_start(ap, fmt);
        vsnprintf(ls->why, sizeof ls->why, fmt, ap);
        va_end(ap);
    }
    s->lost = true;
    cpu_set_event(s->c, EVENT_KICK);
}

/* What the log says comes next, as text. */
static void describe_next(const struct side *s, char *text, size_t size)
{
    const struct lockstep *ls = s->ls;
    const struct entry *e = &ls->log.e[s->cur.at];

    if (s->cur.at >= ls->limit)
        snprintf(text, size, "nothing");
    else
        log_describe(text, size, e->kind, e->addr, e->size, e->value);
}

/* --- what is done to a CPU from outside --- */

static void apply(struct side *s, const struct entry *e)
{
    struct log *l = &s->ls->log;

    switch (e->kind) {
    case ENTRY_DMA:
        s->applying = true;
        if (!is_first(s))
            twin_note_range(s->ls, e->addr, e->len);
        memmap_write(s->map, e->addr, l->bytes + e->value, e->len);
        s->applying = false;
        break;
    case ENTRY_MAP: memmap_layout_set(s->map, l->layouts[e->value]); break;
    case ENTRY_IGNNE: fpu_ignore_error(s->c); break;
    case ENTRY_EVENTS: cpu_set_event(s->c, (uint32_t)e->value); break;
    }
}

/* The first CPU has the events that it had after this. */
static void set_events(struct side *s, const struct entry *e)
{
    cpu_clear_event(s->c, EVENT_INTR);
    cpu_set_event(s->c, e->events);
}

/* Interrupts that were withdrawn are for the first CPU only. */
static void skip_withdrawn(struct side *s)
{
    const struct log *l = &s->ls->log;

    while (!is_first(s) && s->cur.at < s->ls->limit && l->e[s->cur.at].kind == ENTRY_INTR &&
           (int)l->e[s->cur.at].value < 0)
        s->cur.at++;
}

/* The entry for what this CPU asks for, or NULL if the log says otherwise. Has the effects of what
 * devices did meanwhile. */
static const struct entry *expect(struct side *s, enum entry_kind kind, uint64_t addr, unsigned size, uint64_t value)
{
    struct lockstep *ls = s->ls;
    const struct entry *e;
    const struct entry *next;
    bool write = kind == ENTRY_OUT || kind == ENTRY_MMIO_WRITE || kind == ENTRY_FERR;
    uint64_t now = cpu_icount(s->c);

    if (s->lost)
        return NULL;
    skip_withdrawn(s);
    e = &ls->log.e[s->cur.at];
    if (s->cur.at >= ls->limit || e->kind != kind || e->addr != addr || e->size != size ||
        (write && e->value != value) || (kind <= ENTRY_NOW && e->icount != now)) {
        char mine[100];
        char log[100];
        char when[40] = "";

        log_describe(mine, sizeof mine, kind, addr, size, value);
        describe_next(s, log, sizeof log);
        if (s->cur.at < ls->limit)
            snprintf(when, sizeof when, " after %llu instructions", (unsigned long long)e->icount);
        lose(s, "%s %s after %llu instructions; next in the log is: %s%s", s->name, mine, (unsigned long long)now, log,
             when);
        return NULL;
    }
    s->cur.at++;
    while (s->cur.at < ls->limit && ls->log.e[s->cur.at].inside)
        apply(s, &ls->log.e[s->cur.at++]);
    if (is_first(s)) {
        set_events(s, e);
        return e;
    }
    /* an event that became due ends a repeated instruction: unless the first CPU went on with it */
    next = &ls->log.e[s->cur.at];
    if (e->due && !(s->cur.at < ls->limit && next->kind <= ENTRY_MMIO_WRITE && next->icount == e->icount)) {
        cpu_set_event(s->c, EVENT_KICK);
        s->c->rep_whole = false; /* so that a kick will do; run() puts it back */
    }
    return e;
}

/* --- the bus --- */

static uint32_t replay_in(void *opaque, uint16_t port, unsigned size)
{
    const struct entry *e = expect(opaque, ENTRY_IN, port, size, 0);

    return e ? (uint32_t)e->value : UINT32_MAX;
}

static void replay_out(void *opaque, uint16_t port, uint32_t v, unsigned size)
{
    expect(opaque, ENTRY_OUT, port, size, v);
}

/* The second CPU's EVENT_INTR is set only where the log says that an interrupt was taken; this finds
 * the very place. */
static int replay_intr_ack(void *opaque)
{
    struct side *s = opaque;
    struct cpu *c = s->c;
    const struct entry *e = &s->ls->log.e[s->cur.at];

    if (s->lost)
        return -1;
    if (s->cur.at >= s->ls->limit || e->kind != ENTRY_INTR || e->icount != c->icount || e->eip != c->eip ||
        e->cs_base != c->seg[SEG_CS].base || e->esp != c->r[ESP] || e->ecx != c->r[ECX]) {
        if (is_first(s))
            lose(s, "%s takes an interrupt after %llu instructions, which is not in the log", s->name,
                 (unsigned long long)c->icount);
        return -1;
    }
    s->cur.at++;
    if (is_first(s)) {
        set_events(s, e);
    } else {
        s->intr_taken = true;
        cpu_clear_event(c, EVENT_INTR);
        c->icount_stop = c->icount;
    }
    return (int)e->value;
}

static tick_t replay_now(void *opaque)
{
    const struct entry *e = expect(opaque, ENTRY_NOW, 0, 8, 0);

    return e ? e->value : 0;
}

static uint64_t replay_apic_base_read(void *opaque)
{
    const struct entry *e = expect(opaque, ENTRY_APIC_READ, 0, 8, 0);

    return e ? e->value : 0;
}

static bool replay_apic_base_write(void *opaque, uint64_t v)
{
    const struct entry *e = expect(opaque, ENTRY_APIC_WRITE, v, 8, 0);

    return e ? e->value : true;
}

static void replay_ferr(void *opaque, int level)
{
    struct side *s = opaque;

    if (!s->applying)
        expect(s, ENTRY_FERR, (unsigned)level, 1, (unsigned)level);
}

static const struct cpu_bus replay_bus = {
    .in = replay_in,
    .out = replay_out,
    .intr_ack = replay_intr_ack,
    .now = replay_now,
    .apic_base_read = replay_apic_base_read,
    .apic_base_write = replay_apic_base_write,
    .ferr = replay_ferr,
};

/* --- memory --- */

static uint64_t replay_io_read(void *opaque, const struct mapped *r, gpa_t gpa, unsigned size)
{
    struct side *s = opaque;
    const struct entry *e;

    if (s->fetching)
        return memmap_mapped_read(r, gpa, size);
    e = expect(s, ENTRY_MMIO_READ, gpa, size, 0);
    return e ? e->value : UINT64_MAX;
}

static void replay_io_write(void *opaque, const struct mapped *r, gpa_t gpa, uint64_t v, unsigned size)
{
    struct side *s = opaque;

    (void)r;
    if (!s->applying)
        expect(s, ENTRY_MMIO_WRITE, gpa, size, v);
}

/* A page walk of this CPU wants to set A or D. Which walks are made depends on what an engine has
 * cached, so both CPUs set these bits when the first one did, and at no other time. */
static bool replay_write(void *opaque, gpa_t gpa, const void *buf, size_t len)
{
    struct side *s = opaque;
    struct lockstep *ls = s->ls;
    uint32_t v = load32(buf);
    size_t n;

    if (s->applying)
        return true;
    for (n = ls->ad_begin; n < ls->ad_limit; n++) {
        if (len == 4 && ls->log.ad[n].gpa == gpa && !(v & ~ls->log.ad[n].value & 0x60)) {
            if (!is_first(s))
                twin_note_range(ls, gpa, len);
            return true;
        }
    }
    ls->stats.ads_left++;
    return false;
}

/* Set the bits that the first CPU's walks had set when it came here, if this CPU has not. */
static void apply_ads(struct side *s)
{
    struct lockstep *ls = s->ls;

    for (; s->cur.ad < ls->ad_limit && ls->log.ad[s->cur.ad].icount <= s->c->icount; s->cur.ad++) {
        const struct ad_entry *ad = &ls->log.ad[s->cur.ad];
        uint8_t entry[4];
        uint32_t now;

        memmap_read(s->map, ad->gpa, entry, sizeof entry);
        now = load32(entry);
        if (now == ad->value || (now | 0x60) != (ad->value | 0x60))
            continue; /* set already; or not this entry yet: then its own walk sets them */
        store32(entry, now | ad->value);
        s->applying = true;
        if (!is_first(s))
            twin_note_range(ls, ad->gpa, 4);
        memmap_write(s->map, ad->gpa, entry, sizeof entry);
        s->applying = false;
    }
}

static const struct memmap_hooks replay_hooks = {
    .io_read = replay_io_read,
    .io_write = replay_io_write,
    .write = replay_write,
};

void replay_attach(struct side *s)
{
    s->c->mem = &s->ops;
    s->c->bus = &replay_bus;
    s->c->bus_opaque = s;
    memmap_unlisten(s->map, &s->listener); /* the map goes by the log now */
    memmap_set_hooks(s->map, &replay_hooks, s);
}

/* --- running --- */

uint64_t corrupt_stop(const struct side *s, uint64_t to)
{
    uint64_t at = s->ls->corrupt;

    return is_first(s) && at && !s->cur.corrupted && at < to ? at : to;
}

void corrupt_if_due(struct side *s)
{
    if (!is_first(s) || !s->ls->corrupt || s->cur.corrupted || s->c->icount < s->ls->corrupt)
        return;
    s->cur.corrupted = true;
    engine_sync(s->engine);
    s->c->r[EAX] ^= 0x10000;
    engine_state_changed(s->engine);
}

static enum exit_reason run(struct side *s, uint64_t stop)
{
    enum exit_reason why;

    s->c->icount_stop = stop;
    why = engine_run(s->engine);
    cpu_clear_event(s->c, EVENT_KICK);
    s->c->rep_whole = true;
    return why;
}

/* The log's next entry that has to be brought to the CPU between two instructions, or NULL. */
static const struct entry *next_mark(struct side *s)
{
    const struct log *l = &s->ls->log;

    skip_withdrawn(s);
    while (s->cur.mark < l->marks &&
           (l->mark[s->cur.mark] < s->cur.at || (l->e[l->mark[s->cur.mark]].kind == ENTRY_INTR &&
                                                 (is_first(s) || (int)l->e[l->mark[s->cur.mark]].value < 0))))
        s->cur.mark++;
    if (s->cur.mark == l->marks || l->mark[s->cur.mark] >= s->ls->limit)
        return NULL;
    return &l->e[l->mark[s->cur.mark]];
}

/* Bring it to the place before this instruction where the interrupt `e` was taken, and take it. */
static void take_interrupt(struct side *s, const struct entry *e)
{
    struct cpu *c = s->c;

    s->intr_taken = false;
    cpu_set_event(c, EVENT_INTR);
    run(s, c->icount); /* enough where it stands there already */
    if (!s->intr_taken && !s->lost)
        run(s, c->icount + 1); /* an exception comes first */
    cpu_clear_event(c, EVENT_INTR);
    if (!s->intr_taken && !s->lost)
        lose(s,
             "the log has interrupt %02llx taken after %llu instructions at %08x (base %08x), "
             "which %s does not take: it is at %08x, EFLAGS %08x",
             (unsigned long long)e->value, (unsigned long long)e->icount, e->eip, e->cs_base, s->name, c->eip,
             cpu_get_eflags(c));
}

void replay_begin(struct side *s, const struct slice *sl)
{
    cpu_clear_event(s->c, EVENT_INTR);
    if (sl->intr)
        cpu_set_event(s->c, EVENT_INTR);
}

void replay_advance(struct side *s, uint64_t to, bool last)
{
    struct lockstep *ls = s->ls;
    struct cpu *c = s->c;
    unsigned stuck = 0;

    while (!s->lost) {
        const struct entry *e;
        uint64_t before = c->icount;
        uint64_t stop;
        enum exit_reason why;

        corrupt_if_due(s);
        stop = corrupt_stop(s, to);
        apply_ads(s);
        e = next_mark(s);
        /* at the end only what the first CPU, which goes before, has been through */
        if (e && e->icount <= c->icount && (c->icount < to || last || e < &ls->log.e[ls->first.cur.at])) {
            if (e->kind == ENTRY_INTR && e->icount == c->icount) {
                take_interrupt(s, e);
                continue;
            }
            if (e == &ls->log.e[s->cur.at]) {
                apply(s, e);
                s->cur.at++;
                continue;
            }
            lose(s, "%s has executed %llu instructions without what the log has next", s->name,
                 (unsigned long long)c->icount);
            break;
        }
        if (c->icount >= to)
            break;
        if (e && e->icount < stop)
            stop = e->icount;
        if (!is_first(s) && s->cur.ad < ls->ad_limit && ls->log.ad[s->cur.ad].icount < stop)
            stop = ls->log.ad[s->cur.ad].icount;
        why = run(s, stop);
        stuck = c->icount == before ? stuck + 1 : 0;
        if (why == EXIT_SHUTDOWN || (why == EXIT_HALT && stuck) || stuck > 4)
            lose(s, "%s %s after %llu instructions", s->name,
                 why == EXIT_SHUTDOWN ? "has a triple fault"
                 : why == EXIT_HALT   ? "is halted"
                                      : "does not go on",
                 (unsigned long long)c->icount);
    }
    engine_sync(s->engine);
}

void replay_finish(struct side *s, const struct slice *sl)
{
    struct lockstep *ls = s->ls;

    if (sl->shutdown && !s->lost && run(s, sl->end + 1) != EXIT_SHUTDOWN)
        lose(s, "%s has no triple fault after %llu instructions", s->name, (unsigned long long)sl->end);
    skip_withdrawn(s);
    if (s->cur.at < sl->log_end && !s->lost) {
        char log[100];

        describe_next(s, log, sizeof log);
        lose(s, "%s has not done what the log has next after %llu instructions: %s", s->name,
             (unsigned long long)ls->log.e[s->cur.at].icount, log);
    }
}
