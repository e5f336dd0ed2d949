/* host.h - one random case of the comparison with the host: made in host_gen.c, run in host.c.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_INSN_HOST_H
#define TESTS_INSN_HOST_H

#include "guest.h"
#include "native.h"

#define ALLOWED_FEATURES (~0ull)

/* Whether this row can be compared at all. */
bool gen_can_test(const struct insn_row *row);

/* Make a case of `row`: instruction, registers, memory. *i is the decoded instruction. Returns false
 * if the dice made something impossible: try again. */
bool gen_case(const struct insn_row *row, struct native_case *n, struct insn *i);

/* The segment cache that a selector of a test loads. */
struct seg gen_seg(uint16_t sel);

/* Linear address of the top of the stack before the instruction. */
uint32_t gen_stack_top(const struct native_case *n);

/* Linear address of the memory operand before the instruction. */
uint32_t gen_operand(const struct native_case *n, const struct insn *i);

/* What of EFLAGS is undefined after this case by the SDM. */
uint32_t gen_undefined_flags(const struct insn_row *row, const struct native_case *n, const struct insn *i);

/* host_amd.c: on a host with a CPU of AMD, whether the prefix (LOCK, F2, F3) means to it what it means
 * to Intel's; make its outcome what Intel's would be where it is one that they are known to differ
 * in, and return the flags not to compare. */
bool amd_can_prefix(const struct insn_row *row, uint8_t prefix);
uint32_t amd_adjust(const struct insn_row *row, struct native_case *n, const struct insn *i, const struct outcome *g);

#endif
