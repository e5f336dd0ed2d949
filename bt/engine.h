/* engine.h - the binary translator as an engine.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_ENGINE_H
#define BT_ENGINE_H

#include "cpu/engine.h"

extern const struct engine_class bt_engine;

#endif
