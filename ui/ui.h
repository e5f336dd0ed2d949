/* ui.h - what shows and drives the machine, put together by main().
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_UI_H
#define UI_UI_H

#include "ui/options.h"
#include "vm/vm.h"

struct ui {
    struct options opt;
    struct vm *vm;
    struct monitor *monitor;     /* NULL: none */
    struct sdl_console *display; /* the window, or NULL */
};

/* monitor.c: if a line for it is configured. 0 or -ENOMEM. */
int monitor_start(struct ui *ui);
void monitor_stop(struct ui *ui);

#endif
