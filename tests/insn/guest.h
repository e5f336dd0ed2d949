/* guest.h - one CPU for the instruction tests: runs single decoded instructions in protected mode at
 * CPL 3, on a stub of the machine's memory that maps parts of this process at their own addresses.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_INSN_GUEST_H
#define TESTS_INSN_GUEST_H

#include "cpu/isa/insn.h"

/* Descriptor tables and TSS, readable by the system only. */
#define GUEST_SYS_LA   0xff000000u
#define GUEST_SYS_SIZE 0x2000u
extern uint8_t guest_sys[GUEST_SYS_SIZE];

/* A CPU with every feature, paging "on", flat segments. NULL: out of memory. */
struct cpu *guest_create(void);

/* Let the guest see [la, la + size) of this process at the same linear addresses. */
void guest_map(gla_t la, uint32_t size);

/* Fill the TLB for user accesses from the map (fill), or use an empty one. */
void guest_use_tlb(struct cpu *c, bool fill);

/* Execute i[0]; i[1] is overwritten. c->eip is where it is. Returns the vector of the exception it
 * raised, or -1; c->exc has the error code. */
int guest_step(struct cpu *c, struct insn *i);

/* The maker of the CPU that runs the tests is AMD (or Hygon). */
bool host_is_amd(void);

/* Random numbers: deterministic from the seed. */
void rnd_seed(uint64_t seed);
uint64_t rnd(void);
unsigned below(unsigned n);
/* Zero, ones, single bits, runs of ones, near powers of two, or anything, of `width` bits. */
uint64_t rnd_bits(unsigned width);

#endif
