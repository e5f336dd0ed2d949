/* decode.h - one encoding as our decoder and Capstone see it, for the decoder test.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_INSN_DECODE_H
#define TESTS_INSN_DECODE_H

#include "cpu/isa/insn.h"

#include <capstone/capstone.h>

#define ADDRESS 0x12345678u /* where the code is: branch targets are absolute */

/* How the two decoders differ. */
enum { D_OURS = 1, D_CS = 2, D_LENGTH = 4, D_NAME = 8, D_OPERANDS = 16, D_LAYOUT = 32 };

struct encoding {
    uint8_t b[32];
    uint8_t map, opcode, modrm;
    uint32_t flags; /* IF_66, IF_67, IF_LOCK, IF_REP, IF_REPNE, IF_SEGOVR given */
    uint8_t bits;   /* 16 or 32 */
    uint8_t prefix_len;
    /* results */
    int rc;
    struct insn i;
    const struct insn_row *row;
    bool cs_ok;
    const cs_insn *cs;
    unsigned diff;
};

/* One of our operands in Capstone's words. */
struct operand {
    x86_op_type type;
    bool optional; /* implied: Capstone may leave it out */
    unsigned size; /* bytes of an immediate that count */
    uint32_t imm;
    x86_reg reg;
    x86_reg seg, base, index;
    unsigned scale;
    uint32_t disp;
};

/* Our operands; fills o[], of 4, returns how many. */
unsigned our_operands(const struct encoding *e, struct operand *o);

bool operands_equal(const struct encoding *e);

/* Opcode, ModRM, SIB and displacement, immediate are as long, and stand where, Capstone sees them. */
bool layout_equal(const struct encoding *e);

/* Capstone's name without the prefixes it prints. */
const char *cs_name(const struct encoding *e);

bool names_equal(const struct encoding *e);

#endif
