/* engines.c - the list of engines: the only place that names them all.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/engines.h"

#include "bt/engine.h"
#include "lockstep/lockstep.h"

const struct engine_class *const engines[] = {
#if defined(__x86_64__)
    &bt_engine,
#endif
    &interp_engine,
    &lockstep_engine,
    NULL,
};
