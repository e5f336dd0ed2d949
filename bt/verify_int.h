/* verify_int.h - shared by the verifier's files: what is being checked, and the known sequences.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_VERIFY_INT_H
#define BT_VERIFY_INT_H

#include "bt/verify.h"

#include <capstone/capstone.h>

struct verifier {
    csh handle;
    char text[256]; /* of the last answer */
    struct checker *checker;
};

/* One translation that is being checked. */
struct checker {
    csh handle;
    const struct bt *bt;
    const struct tb *tb;
    cs_insn *in;
    size_t count;
    uint64_t start, end;
    const char *wrong;
    size_t at;
    uint8_t target[16384]; /* offset is a branch target */
    uint16_t index[16384]; /* number of the instruction there */
    size_t code_probe;     /* of the probe that was looked at last: its jump back from the search for a
                              code page; 0: none */
};

static inline const cs_x86 *x86_of(const struct checker *v, size_t n) { return &v->in[n].detail->x86; }

/* The text of instruction n is exactly this: the clearest way to ask for one known instruction. */
static inline bool is(const struct checker *v, size_t n, const char *mnemonic, const char *operands)
{
    return n < v->count && !strcmp(v->in[n].mnemonic, mnemonic) && !strcmp(v->in[n].op_str, operands);
}

static inline bool is_branch(const cs_insn *i)
{
    return (i->id >= X86_INS_JAE && i->id <= X86_INS_JS) || i->id == X86_INS_JMP;
}

/* Read what stands in for BMI2 as BMI2 (verify_fold.c). */
void verify_fold(struct checker *v, csh capstone);
/* The probe of the software TLB that ends right before instruction n: its access size and whether it
 * allows writing. The guest registers it lends are back. */
bool seq_probe_before(struct checker *v, size_t n, unsigned *size, bool *write);
/* n is one of a probe's own loads from the TLB. */
bool seq_tlb_load(struct checker *v, size_t n);
/* Instruction n is number `which` of a search for a code page: found by the probe that comes here. */
bool seq_in_code_probe(struct checker *v, size_t n, size_t which);
/* n is: mov `reg`, [r15 + at]. */
bool seq_loads_field(const struct checker *v, size_t n, unsigned reg, size_t at);
/* n: the load from the context's table; checked with all around it. */
bool seq_lookup_at(struct checker *v, size_t n);
/* A string instruction with these pointers: the window's base was just added. */
bool seq_string_ok(struct checker *v, size_t n, bool si, bool di);

#endif
