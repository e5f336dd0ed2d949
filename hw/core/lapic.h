/* lapic.h - the local APIC of the (one) CPU.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_LAPIC_H
#define HW_LAPIC_H

#include "hw/bus.h"

#define APIC_BASE_BSP     0x100u
#define APIC_BASE_ENABLE  0x800u
#define APIC_DEFAULT_BASE 0xfee00000u

enum apic_delivery {
    APIC_FIXED,
    APIC_LOWEST,
    APIC_SMI,
    APIC_RESERVED,
    APIC_NMI,
    APIC_INIT,
    APIC_STARTUP,
    APIC_EXTINT,
};

struct lapic;

struct lapic_config {
    struct irq intr; /* level of the CPU's INTR */
    struct irq nmi;  /* pulses */
    struct irq smi;
    struct irq init;
};

struct lapic *lapic_create(struct bus *bus, const struct lapic_config *config);
/* Who is told of the end of level-triggered interrupts: the I/O APIC. */
void lapic_on_eoi(struct lapic *apic, void (*eoi)(void *opaque, uint8_t vector), void *opaque);
/* Local inputs: LINT0 is the 8259's INT, LINT1 the NMI line. */
void lapic_set_lint(struct lapic *apic, int n, int level);
/* A message on the APIC bus (from the I/O APIC). */
void lapic_message(struct lapic *apic, uint8_t dest, bool logical, unsigned delivery, uint8_t vector, bool level);
/* What a message with this vector would do. */
enum irq_state lapic_vector_state(const struct lapic *apic, uint8_t vector);
/* Whether the 8259 reaches the CPU. */
bool lapic_accepts_pic(const struct lapic *apic);
/* INTA: the vector, or -1 if the 8259 must answer, or -2 if nobody asks for an interrupt. */
int lapic_ack(struct lapic *apic);
bool lapic_intr(const struct lapic *apic);

/* MSR IA32_APIC_BASE; the write returns false for #GP. */
uint64_t lapic_base_read(const struct lapic *apic);
bool lapic_base_write(struct lapic *apic, uint64_t val);

#endif
