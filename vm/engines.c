/* engines.c - the list of engines: the only place that names them all.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/engines.h"

#ifdef HAVE_BT
#include "bt/engine.h"
#endif
#include "lockstep/lockstep.h"

const struct engine_class *const engines[] = {
#ifdef HAVE_BT
    &bt_engine,
#endif
    &interp_engine,
    &lockstep_engine,
    NULL,
};
