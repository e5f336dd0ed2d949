/* i8042.h - the keyboard controller.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_I8042_H
#define HW_I8042_H

#include "hw/input/ps2.h"

struct i8042;

struct i8042_config {
    struct irq irq1;
    struct irq irq12;
    struct irq reset; /* pulsed to 1 when the CPU's reset line is pulled */
};

/* The controller with its keyboard and mouse. */
struct i8042 *i8042_create(struct bus *bus, const struct i8042_config *config);
struct ps2kbd *i8042_keyboard(struct i8042 *kbc);
struct ps2mouse *i8042_mouse(struct i8042 *kbc);

#endif
