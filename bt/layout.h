/* layout.h - pass two of translating: host code from a plan (plan.h).
 *
 * Layout of a translation:
 *     check:  is the page of this code (and a second one's) still seen at its linear address?
 *     entry:  [FPU gate]
 *     loop:   [exact counting: room for the block's instructions?]  safepoint
 *     instructions, one after the other
 *     cold part: software-TLB misses, exits that are not linked
 * Nothing is decided here but encodings.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_LAYOUT_H
#define BT_LAYOUT_H

#include "bt/emit.h"
#include "bt/plan.h"

/* Where a translation goes, and what it refers to. All pointers are into the writable view of the cache. */
struct place {
    uint8_t *code;         /* its first byte; 16 KiB do for any block */
    const uint8_t *leave;  /* stub: leave for good, R11 says why */
    const uint8_t *detour; /* stub: interpret one instruction, R11 says which */
    bool bmi2;             /* the host has it */
    uint32_t cache;        /* where the cache is seen by running code: what tables by EIP count from */
    uint32_t tb;           /* number of the translation */
    uint32_t first_exit;   /* number of its first exit */
    uint32_t cookie[2];    /* what must be in the itlb: its page, and the second page of a straddling one (or 0) */
    int32_t itlb[2];       /* where, as an offset from struct cpu */
};

/* What came of it: offsets from place.code. */
struct laid {
    uint32_t entry, loop, size;
    uint16_t *start; /* [n + 1], given: of each instruction; the last: of the cold part */
    unsigned exits;
    struct {
        uint32_t target; /* EIP */
        uint32_t patch;  /* of the rel32 */
        uint32_t stub;   /* what it jumps to while not linked */
    } exit[BLOCK_MAX + 1];
};

/* insn, code: the decoded instructions and their bytes. */
void layout_block(const struct plan *plan, const struct insn *insn, const uint8_t *code, const struct place *where,
                  struct laid *out);

/* --- for the families' parts --- */

/* A way out of the hot part that is to go to a detour, unless it is a write that missed and may go ahead. */
struct miss {
    uint8_t *patch; /* rel32 */
    unsigned k;
    uint8_t *hit; /* of a probe for writing: where a hit goes on, else NULL */
    unsigned size;
};

/* A layout under way. */
struct lay {
    struct emit e;
    const struct plan *plan;
    const struct place *where;
    struct laid *out;
    const struct insn *i;      /* the current instruction, as decoded */
    const struct plan_insn *r; /* and as planned */
    const uint8_t *code;       /* its bytes */
    unsigned k;                /* its number */
    struct miss miss[4 * BLOCK_MAX];
    unsigned misses;
    unsigned exit_k[BLOCK_MAX + 1]; /* instructions done when the exit is taken */
};

void emit_copy(struct lay *l);
void emit_control(struct lay *l);
void emit_stack(struct lay *l);
void emit_string(struct lay *l);
void emit_system(struct lay *l);
void emit_fence(struct lay *l);
void emit_gate(struct lay *l, unsigned gate);
void emit_keep_top(struct lay *l);

/* layout.c: jmp to this instruction's detour; the guest's ECX is in R11. */
void emit_miss(struct lay *l);
/* c->icount += n. */
void emit_count(struct lay *l, unsigned n);
/* An exit of the block by a direct branch; cc: condition code or CC_ALWAYS. */
void emit_exit(struct lay *l, unsigned cc, uint32_t target, unsigned done);
/* Go to EIP R8. */
void emit_lookup(struct lay *l);

/* memory.c: make *a accessible. Uses R8..R11. */
void emit_access(struct lay *l, const struct access *a);
/* op with a register and *a: prefixes (0: none), map 0F or not, opcode. */
void emit_mem_op(struct lay *l, const struct access *a, unsigned p66, unsigned pmand, bool map2, unsigned op,
                 unsigned reg);
/* reg = *a, zero-extended from r->size bytes; reg may be R8 or R10. */
void emit_load(struct lay *l, const struct access *a, unsigned reg);
/* R8 = offset of the instruction's operand. */
void emit_ea_r8(struct lay *l);
/* The rest of a probe for writing that missed: a page with code may be written where the code is not. */
void emit_probe_code(struct lay *l, struct miss *m);

/* stack.c: ESP += n, 32 or 16 bits by SS.B; the second leaves R8 alone (and uses R9). */
void emit_stack_add(struct lay *l, int32_t n);
void emit_stack_add_keep_r8(struct lay *l, int32_t n);
/* Push, by r->stack: a register; a value; the operand, kept in native.tmp over the second probe. */
void emit_push_reg(struct lay *l, unsigned reg);
void emit_push_imm(struct lay *l, uint32_t v);
void emit_operand_to_tmp(struct lay *l);

#endif
