/* i8259.h - the two interrupt controllers of a PC.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_I8259_H
#define HW_I8259_H

#include "hw/bus.h"

struct i8259;

/* Both chips with their edge/level registers; `intr` follows the master's INT output. */
struct i8259 *i8259_create(struct bus *bus, struct irq intr);
/* Input 0-15 (2 is the cascade: driving it is ignored). */
void i8259_set_irq(struct i8259 *pic, int n, int level);
/* Forget latched edges: after a reset of the board the lines stand as they are and ask for nothing. */
void i8259_forget_edges(struct i8259 *pic);
/* What an edge on an input would do. */
enum irq_state i8259_line_state(const struct i8259 *pic, int n);
/* INT output of the master. */
bool i8259_output(const struct i8259 *pic);
/* INTA cycles: the vector (a spurious one if nothing is pending any more). */
int i8259_ack(struct i8259 *pic);

#endif
