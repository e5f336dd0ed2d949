/* wiring.c - the wires between CPU and board.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/vm.h"

#include "cpu/fpu/fpu.h"

/* --- the CPU's view onto the board --- */

static uint32_t cpu_in(void *opaque, uint16_t port, unsigned size)
{
    struct vm *m = opaque;

    return port_read(pc_bus(m->pc), port, size);
}

static void cpu_out(void *opaque, uint16_t port, uint32_t v, unsigned size)
{
    struct vm *m = opaque;

    port_write(pc_bus(m->pc), port, v, size);
}

static int cpu_intr_ack(void *opaque)
{
    struct vm *m = opaque;

    return pc_intr_ack(m->pc);
}

static tick_t cpu_now(void *opaque)
{
    struct vm *m = opaque;

    return clock_now(&m->clock);
}

static uint64_t cpu_apic_base_read(void *opaque)
{
    struct vm *m = opaque;

    return pc_apic_base_read(m->pc);
}

static bool cpu_apic_base_write(void *opaque, uint64_t v)
{
    struct vm *m = opaque;

    return pc_apic_base_write(m->pc, v);
}

static void cpu_ferr(void *opaque, int level)
{
    struct vm *m = opaque;

    pc_set_ferr(m->pc, level);
}

static const struct cpu_bus cpu_bus = {
    .in = cpu_in,
    .out = cpu_out,
    .intr_ack = cpu_intr_ack,
    .now = cpu_now,
    .apic_base_read = cpu_apic_base_read,
    .apic_base_write = cpu_apic_base_write,
    .ferr = cpu_ferr,
};

/* --- its pins --- */

static void pin_intr(void *opaque, int level)
{
    struct vm *m = opaque;

    if (level)
        cpu_set_event(m->cpu, EVENT_INTR);
    else
        cpu_clear_event(m->cpu, EVENT_INTR);
}

static void pin_nmi(void *opaque)
{
    struct vm *m = opaque;

    cpu_set_event(m->cpu, EVENT_NMI);
}

static void pin_init(void *opaque)
{
    struct vm *m = opaque;

    cpu_set_event(m->cpu, EVENT_RESET);
}

static void pin_ignne(void *opaque)
{
    struct vm *m = opaque;

    fpu_ignore_error(m->cpu);
}

void vm_wire_cpu(struct vm *m)
{
    m->cpu->bus = &cpu_bus;
    m->cpu->bus_opaque = m;
}

struct cpu_pins vm_cpu_pins(struct vm *m)
{
    return (struct cpu_pins){ .intr = pin_intr, .nmi = pin_nmi, .init = pin_init, .ignne = pin_ignne, .opaque = m };
}
