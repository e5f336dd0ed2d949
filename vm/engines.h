/* engines.h - the engines of this build, the first that can run being the default; ended by NULL.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef VM_ENGINES_H
#define VM_ENGINES_H

#include "cpu/engine.h"

extern const struct engine_class *const engines[];

#endif
