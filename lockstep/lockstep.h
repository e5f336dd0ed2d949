/* lockstep.h - an engine that runs two engines side by side on one guest, and stops at the first
 * difference. doc/design.md says how.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef LOCKSTEP_LOCKSTEP_H
#define LOCKSTEP_LOCKSTEP_H

#include "cpu/engine.h"

/* Exit status after a difference. */
#define LOCKSTEP_STATUS 3

extern const struct engine_class lockstep_engine;

#endif
