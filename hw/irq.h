/* irq.h - an interrupt line (or any wire) as a value: who is told, and which input it is.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include "cpu/base.h"

/* What an edge on a line would do now. */
enum irq_state {
    IRQ_FREE,   /* ask for an interrupt */
    IRQ_BUSY,   /* be lost: the interrupt before it has not been taken */
    IRQ_MASKED, /* nothing, or be latched until the line is unmasked */
};

struct irq {
    void (*set)(void *opaque, int n, int level);
    enum irq_state (*state)(void *opaque, int n); /* NULL: always IRQ_FREE */
    void *opaque;
    int n;
};

/* Drive the line. An unconnected one (all zero) ignores it. */
static inline void irq_set(const struct irq *irq, int level)
{
    if (irq->set)
        irq->set(irq->opaque, irq->n, level);
}

static inline enum irq_state irq_get_state(const struct irq *irq)
{
    return irq->state ? irq->state(irq->opaque, irq->n) : IRQ_FREE;
}

static inline struct irq irq_make(void (*set)(void *, int, int), void *opaque, int n)
{
    return (struct irq){ .set = set, .opaque = opaque, .n = n };
}

#endif
