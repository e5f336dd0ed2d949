/* run.c - running a machine: the loop, its requests, time by instruction counts.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/vm.h"

#include <errno.h>
#include <stdatomic.h>

void vm_request(struct vm *m, enum reset_kind kind, int code)
{
    if (kind == RESET_QUIT) { /* for good: a guest that resets itself just then does not undo it */
        m->quit = true;
    } else {
        m->reset_code = code;
        m->reset_kind = (int)kind;
    }
    cpu_set_event(m->cpu, EVENT_KICK);
    evloop_notify(m->ev);
}

void vm_quit(struct vm *m) { vm_request(m, RESET_QUIT, 0); }

void vm_reset(struct vm *m) { vm_request(m, RESET_SYSTEM, 0); }

/* --- running --- */

void vm_pause(struct vm *m, bool on)
{
    if (m->paused == on)
        return;
    m->paused = on;
    if (m->cfg.icount_shift < 0) {
        if (on)
            clock_pause(&m->clock);
        else
            clock_resume(&m->clock);
    }
    cpu_set_event(m->cpu, EVENT_KICK);
}

static void reset(struct vm *m)
{
    LOG(pm, "machine reset");
    pc_reset(m->pc);
    cpu_reset(m->cpu);
    engine_state_changed(m->engine);
}

/* Act on a request of the guest or the user. */
static void handle_request(struct vm *m)
{
    switch (atomic_exchange(&m->reset_kind, -1)) {
    case RESET_SYSTEM:
        if (m->cfg.no_reboot)
            m->quit = true;
        else
            reset(m);
        break;
    case RESET_POWEROFF:
        if (m->cfg.no_shutdown)
            vm_pause(m, true);
        else
            m->quit = true;
        break;
    case RESET_EXIT:
        m->quit = true;
        m->status = m->reset_code;
        break;
    }
}

static void triple_fault(struct vm *m)
{
    if (log_mask & 1u << LOG_CH_int) {
        fprintf(log_stream(), "triple fault\n");
        cpu_dump(m->cpu, log_stream());
        cpu_dump_exceptions(m->cpu, log_stream());
    }
    m->cpu->shut_down = false;
    m->reset_kind = RESET_SYSTEM;
}

/* Halted: until something happens in real time; with -icount, skip to the next timer. */
static void idle(struct vm *m)
{
    tick_t next;

    if (m->cfg.icount_shift < 0) {
        evloop_wait(m->ev, TICK_NEVER);
        return;
    }
    next = clock_next_deadline(&m->clock);
    if (next == TICK_NEVER) {
        evloop_wait(m->ev, TICK_NEVER);
        return;
    }
    clock_skip_to(&m->clock, next);
    evloop_run(m->ev);
}

/* -icount: run no further than the next timer, and than instruction `end`. */
static void set_icount_stop(struct vm *m, uint64_t end)
{
    const uint64_t poll_every = 1 << 20; /* look at the host's descriptors this often */
    tick_t next = clock_next_deadline(&m->clock);
    tick_t now = clock_now(&m->clock);
    uint64_t n = poll_every;
    unsigned shift = (unsigned)m->cfg.icount_shift;

    if (next <= now)
        n = 0;
    else if (next != TICK_NEVER && ((next - now) >> shift) + 1 < n)
        n = ((next - now) + (1ull << shift) - 1) >> shift;
    n = n < end - m->cpu->icount ? n : end - m->cpu->icount;
    m->cpu->icount_stop = m->cpu->icount + n;
}

static void kick(void *opaque)
{
    struct vm *m = opaque;

    cpu_set_event(m->cpu, EVENT_KICK);
}

int vm_start(struct vm *m)
{
    int rc;

    if (m->paused && m->cfg.icount_shift < 0)
        clock_pause(&m->clock);
    rc = evloop_start(m->ev, kick, m);
    if (rc)
        fprintf(stderr, "callgate: cannot start a thread: %s; raise ulimit -u or -v\n", strerror(-rc));
    return rc;
}

int vm_run(struct vm *m) { return vm_run_to(m, UINT64_MAX); }

int vm_run_to(struct vm *m, uint64_t end)
{
    struct cpu *c = m->cpu;
    bool icount = m->cfg.icount_shift >= 0;

    evloop_run(m->ev);
    while (!m->quit) {
        if (m->reset_kind >= 0) {
            handle_request(m);
            continue;
        }
        if (c->icount >= end)
            return -1;
        if (m->paused) {
            cpu_clear_event(c, EVENT_KICK);
            evloop_wait(m->ev, TICK_NEVER);
            continue;
        }
        if (icount)
            set_icount_stop(m, end);
        switch (engine_run(m->engine)) {
        case EXIT_KICK:
            cpu_clear_event(c, EVENT_KICK);
            evloop_run(m->ev);
            break;
        case EXIT_ICOUNT: evloop_run(m->ev); break;
        case EXIT_HALT: idle(m); break;
        case EXIT_SHUTDOWN: triple_fault(m); break;
        }
    }
    return m->status;
}

void vm_parts(struct vm *m, struct snapshot_parts *p)
{
    m->console[0] = m->stdio_mux;
    memcpy(&m->console[1], m->chardev, m->chardev_count * sizeof m->console[0]);
    *p = (struct snapshot_parts){ .engine = m->engine,
                                  .map = m->map,
                                  .clock = &m->clock,
                                  .bus = pc_bus(m->pc),
                                  .drive = m->drive,
                                  .drives = VM_DRIVES,
                                  .console = m->console,
                                  .consoles = 1 + m->chardev_count };
}

uint64_t vm_instructions(const struct vm *m) { return cpu_icount(m->cpu); }

/* --- what programs see of it --- */

size_t vm_serial_read(struct vm *m, unsigned n, void *buf, size_t len)
{
    return n < ARRAY_SIZE(m->serial) && m->serial[n] ? chardev_ring_read(m->serial[n], buf, len) : 0;
}

bool vm_screen_text(struct vm *m, FILE *f) { return !pc_screen_text(m->pc, f); }

bool vm_key(struct vm *m, const char *name, bool down) { return !pc_key_event(m->pc, name, down); }
