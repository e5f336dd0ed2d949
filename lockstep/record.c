/* record.c - the first CPU: everything that comes to it from outside goes through here and is written
 * down, with the instruction count at which it came.
 *
 * Interrupts are noted where the CPU takes them. NMI and INIT have no such place; they are held back
 * until the CPU stands between two instructions, and then given to both CPUs there.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include "cpu/exception.h"
#include "cpu/sys.h"

/* --- device code runs --- */

static void enter(struct side *s)
{
    struct lockstep *ls = s->ls;

    ls->given &= s->c->events;
    if (!ls->depth++)
        ls->fpu_sw = s->c->fpu.sw;
}

/* Take back events that devices have just raised and that are to wait. Returns whether there are. */
static bool hold_back(struct lockstep *ls)
{
    struct cpu *c = ls->first.c;
    uint32_t raised = c->events & (EVENT_NMI | EVENT_RESET) & ~ls->given;

    cpu_clear_event(c, raised);
    ls->pending |= raised;
    return raised;
}

static void leave(struct side *s)
{
    struct lockstep *ls = s->ls;

    if (--ls->depth)
        return;
    if (hold_back(ls))
        cpu_set_event(s->c, EVENT_KICK); /* come back at the next boundary */
    if (s->c->fpu.sw != ls->fpu_sw)
        log_add(&ls->log, ENTRY_IGNNE, cpu_icount(s->c), true);
}

/* An access begins; its entry's number. What devices do meanwhile comes behind it. */
static size_t begin(struct side *s, enum entry_kind kind, uint64_t addr, unsigned size, uint64_t value)
{
    struct entry *e = log_add(&s->ls->log, kind, cpu_icount(s->c), false);

    e->addr = addr;
    e->size = (uint8_t)size;
    e->value = value;
    enter(s);
    return s->ls->log.count - 1;
}

#define SLICE_ENTRIES 4096u

/* The log's length when the slice began. */
static size_t slice_begin(const struct lockstep *ls)
{
    return ls->slice_count ? ls->slices[ls->slice_count - 1].log_end : 0;
}

static void end(struct side *s, size_t n)
{
    struct entry *e;

    leave(s);
    e = &s->ls->log.e[n];
    e->due = cpu_event_due(s->c);
    e->events = s->c->events & (EVENT_INTR | EVENT_KICK);
    /* the second CPU has all of it still to do: end the slice before that takes long */
    if (n - slice_begin(s->ls) > SLICE_ENTRIES)
        cpu_set_event(s->c, EVENT_KICK);
}

static uint64_t end_read(struct side *s, size_t n, uint64_t value)
{
    s->ls->log.e[n].value = value;
    end(s, n);
    return value;
}

/* --- the bus --- */

static uint32_t record_in(void *opaque, uint16_t port, unsigned size)
{
    struct side *s = opaque;
    size_t n = begin(s, ENTRY_IN, port, size, 0);

    return (uint32_t)end_read(s, n, s->ls->bus->in(s->ls->bus_opaque, port, size));
}

static void record_out(void *opaque, uint16_t port, uint32_t v, unsigned size)
{
    struct side *s = opaque;
    size_t n = begin(s, ENTRY_OUT, port, size, v);

    s->ls->bus->out(s->ls->bus_opaque, port, v, size);
    end(s, n);
}

static int record_intr_ack(void *opaque)
{
    struct side *s = opaque;
    struct cpu *c = s->c;
    size_t n = begin(s, ENTRY_INTR, 0, 0, 0);
    struct entry *e = &s->ls->log.e[n];

    e->eip = c->eip;
    e->cs_base = c->seg[SEG_CS].base;
    e->esp = c->r[ESP];
    e->ecx = c->r[ECX];
    return (int)end_read(s, n, (uint64_t)s->ls->bus->intr_ack(s->ls->bus_opaque));
}

static tick_t record_now(void *opaque)
{
    struct side *s = opaque;
    size_t n = begin(s, ENTRY_NOW, 0, 8, 0);

    return end_read(s, n, s->ls->bus->now(s->ls->bus_opaque));
}

static uint64_t record_apic_base_read(void *opaque)
{
    struct side *s = opaque;
    size_t n = begin(s, ENTRY_APIC_READ, 0, 8, 0);

    return end_read(s, n, s->ls->bus->apic_base_read(s->ls->bus_opaque));
}

static bool record_apic_base_write(void *opaque, uint64_t v)
{
    struct side *s = opaque;
    size_t n = begin(s, ENTRY_APIC_WRITE, v, 8, 0);

    return end_read(s, n, s->ls->bus->apic_base_write(s->ls->bus_opaque, v));
}

static void record_ferr(void *opaque, int level)
{
    struct side *s = opaque;
    size_t n;

    if (s->ls->depth) { /* FERR# falls because a device has asserted IGNNE# */
        s->ls->bus->ferr(s->ls->bus_opaque, level);
        return;
    }
    n = begin(s, ENTRY_FERR, (unsigned)level, 1, (unsigned)level);
    s->ls->fpu_sw = s->c->fpu.sw;
    s->ls->bus->ferr(s->ls->bus_opaque, level);
    end(s, n);
}

static const struct cpu_bus record_bus = {
    .in = record_in,
    .out = record_out,
    .intr_ack = record_intr_ack,
    .now = record_now,
    .apic_base_read = record_apic_base_read,
    .apic_base_write = record_apic_base_write,
    .ferr = record_ferr,
};

/* --- memory --- */

/* Whether an access of the memory map comes from the CPU itself. */
static bool from_cpu(const struct side *s) { return s->ls->running && !s->ls->depth && !s->fetching; }

static uint64_t record_io_read(void *opaque, const struct mapped *r, gpa_t gpa, unsigned size)
{
    struct side *s = opaque;
    size_t n;

    if (!from_cpu(s))
        return memmap_mapped_read(r, gpa, size);
    n = begin(s, ENTRY_MMIO_READ, gpa, size, 0);
    return end_read(s, n, memmap_mapped_read(r, gpa, size));
}

static void record_io_write(void *opaque, const struct mapped *r, gpa_t gpa, uint64_t v, unsigned size)
{
    struct side *s = opaque;
    size_t n;

    if (!from_cpu(s)) {
        memmap_mapped_write(r, gpa, v, size);
        return;
    }
    n = begin(s, ENTRY_MMIO_WRITE, gpa, size, v);
    memmap_mapped_write(r, gpa, v, size);
    end(s, n);
}

static bool record_write(void *opaque, gpa_t gpa, const void *buf, size_t len)
{
    struct side *s = opaque;
    struct lockstep *ls = s->ls;

    if (ls->fresh)
        return true; /* nothing to follow yet */
    if (from_cpu(s) && len == 4)
        log_add_ad(&ls->log, cpu_icount(s->c), gpa, load32(buf));
    else
        log_add_dma(&ls->log, cpu_icount(s->c), ls->depth, gpa, buf, len);
    return true;
}

static void record_changed(void *opaque)
{
    struct side *s = opaque;
    struct lockstep *ls = s->ls;

    if (!ls->fresh)
        log_add_map(&ls->log, cpu_icount(s->c), ls->depth, s->map);
}

static const struct memmap_hooks record_hooks = {
    .io_read = record_io_read,
    .io_write = record_io_write,
    .write = record_write,
};

void record_attach(struct lockstep *ls)
{
    struct side *s = &ls->first;

    side_wrap_memory(s);
    s->c->mem = &s->ops;
    s->c->bus = &record_bus;
    s->c->bus_opaque = s;
    memmap_set_hooks(s->map, &record_hooks, s);
    s->listener = (struct memmap_listener){ .changed = record_changed, .opaque = s };
    memmap_listen(s->map, &s->listener);
}

/* --- running --- */

void record_boundary(struct lockstep *ls)
{
    struct cpu *c = ls->first.c;

    ls->given &= c->events;
    hold_back(ls);
    if (!ls->pending)
        return;
    log_add(&ls->log, ENTRY_EVENTS, c->icount, false)->value = ls->pending;
    cpu_set_event(c, ls->pending);
    ls->given |= ls->pending;
    ls->pending = 0;
}

/* Whether the second CPU can be brought to this place by counting instructions: not after the
 * delivery of an exception that nothing followed yet, nor before that of a trap. */
static bool countable(const struct cpu *c)
{
    const struct exc_record *r = &c->exc_ring[(c->exc_next - 1) % EXC_RING];

    return !c->db_pending && !(c->exc_next && r->kind != EV_EXTERNAL && r->icount == c->icount);
}

enum exit_reason record_slice(struct lockstep *ls, uint64_t to)
{
    struct side *s = &ls->first;
    struct cpu *c = s->c;
    enum exit_reason why;
    bool kicked = false;

    ls->running = true;
    for (;;) {
        c->icount_stop = corrupt_stop(s, to);
        why = engine_run(s->engine);
        corrupt_if_due(s);
        if (why == EXIT_ICOUNT && c->icount < to)
            continue;
        if ((why == EXIT_ICOUNT || why == EXIT_KICK) && !countable(c)) {
            kicked |= why == EXIT_KICK;
            cpu_clear_event(c, EVENT_KICK);
            to = c->icount + 1;
            continue;
        }
        break;
    }
    ls->running = false;
    engine_sync(s->engine);
    return kicked && why == EXIT_ICOUNT ? EXIT_KICK : why;
}
