/* state_int.h - shared by state.c and state_stream.c.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_STATE_INT_H
#define CPU_STATE_INT_H

#include "cpu/state.h"

/* Element i of a field. */
void *state_at(const struct state_field *f, const void *obj, size_t i);
/* BYTES and BUFFER: where they are, and how many. */
uint8_t *state_bytes(const struct state_field *f, const void *obj);
size_t state_bytes_len(const struct state_field *f, const void *obj);
/* Bytes of a number in the stream. */
unsigned state_width(const struct state_field *f);

#endif
