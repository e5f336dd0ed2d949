/* plugin.h - plug-ins: shared objects that are called at events of the guest.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_PLUGIN_H
#define UI_PLUGIN_H

#include "cpu/cpu.h"

/* Load "file.so[,arguments]". Before the engine is created. 0, or -EINVAL after saying why. */
int plugin_load(struct cpu *c, const char *spec);

#endif
