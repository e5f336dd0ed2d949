/* irq.h - an interrupt line (or any wire) as a value: who is told, and which input it is.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_IRQ_H
#define HW_IRQ_H

#include "cpu/base.h"

struct irq {
    void (*set)(void *opaque, int n, int level);
    void *opaque;
    int n;
};

/* Drive the line. An unconnected one (all zero) ignores it. */
static inline void irq_set(const struct irq *irq, int level)
{
    if (irq->set)
        irq->set(irq->opaque, irq->n, level);
}

static inline struct irq irq_make(void (*set)(void *, int, int), void *opaque, int n)
{
    return (struct irq){.set = set, .opaque = opaque, .n = n};
}

#endif
