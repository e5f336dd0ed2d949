/* translate.h - what the files of the translator proper share: one translation under way.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_TRANSLATE_H
#define BT_TRANSLATE_H

#include "bt/bits.h"
#include "bt/bt.h"

/* An instruction's bytes, taken apart. */
struct raw {
    const uint8_t *opcode; /* first opcode byte after prefixes and 0F */
    const uint8_t *modrm;  /* or NULL */
    const uint8_t *imm;    /* what follows opcode, ModRM, SIB and displacement */
    unsigned imm_len;
    unsigned mem_len; /* SIB and displacement bytes */
};

/* How a memory operand is reached, after mem_prepare(). */
enum mem_kind {
    MEM_WINDOW_RAW,   /* the instruction's own ModRM with addr32 gs: */
    MEM_WINDOW_REG,   /* [wbase + r12 + wdisp], with the window's base in r12 */
    MEM_WINDOW_INDEX, /* [r12 + the instruction's index << scale + disp] */
    MEM_WINDOW,       /* addr32 gs:[wbase + wdisp], R8D as a rule */
    MEM_HOST,         /* [r9 + r8] */
};

struct miss {
    uint8_t *patch; /* rel32 */
    unsigned k;
    uint8_t *hit; /* of a probe for writing: where a hit goes on, else NULL */
    unsigned size;
};

struct tr {
    struct bt *bt;
    struct emit e;
    struct tb *tb;
    struct block *b;
    const struct ctx *x;
    const struct insn *i; /* the current instruction, as decoded */
    const struct insn_row *row;
    struct raw raw;
    unsigned k;   /* its number */
    uint32_t eip; /* of the block */
    struct miss miss[4 * BLOCK_MAX];
    unsigned misses;
    struct exit_link exits[BLOCK_MAX + 2];
    unsigned exit_k[BLOCK_MAX + 2]; /* instructions done when the exit is taken */
    unsigned exit_count;
    bool fpu_checked, sse_checked;
    bool mmx_ran;     /* TOP is 0: an MMX instruction ran, and none of the x87 since */
    int x87_at;       /* the last x87 instruction, if the code does not name it yet; or -1 */
    bool checked_now; /* this instruction takes the checked way even in a direct context */
    bool ended;
    bool wraps;     /* its address wraps at 4 GiB: [base + r12] misses the window */
    unsigned wbase; /* base and displacement of a MEM_WINDOW operand */
    int32_t wdisp;
};

/* Registers as numbers, sizes in bytes. mem_prepare: work out the operand's address and make it
 * accessible, for an access of `size` bytes; ea_stack etc. put the offset into R8 first. */
enum mem_kind mem_prepare(struct tr *t, bool write, unsigned size);
enum mem_kind mem_prepare_r8(struct tr *t, unsigned seg, bool write, unsigned size);
void mem_ea_r8(struct tr *t);
/* `size` bytes of the stack at ESP (or EBP, `reg`) + disp. */
enum mem_kind mem_prepare_stack(struct tr *t, unsigned reg, int32_t disp, bool write, unsigned size);
/* op with a register and the prepared operand: prefixes (0: none), map 0F or not, opcode. */
void mem_op(struct tr *t, enum mem_kind m, unsigned p66, unsigned pmand, bool map2, unsigned op, unsigned reg);
/* jmp to this instruction's callout; the guest's ECX is in R11. */
void mem_miss(struct tr *t);
bool mem_is_write(const struct tr *t, unsigned *size);
/* The rest of a probe for writing that missed: a page with code may be written where the code is not. */
void mem_probe_code(struct tr *t, struct miss *m);

/* Whether the instruction is one that trans_fpu() copies, and the state must be looked at before it; do so. */
bool fpu_comes_first(const struct tr *t);
void fpu_gate_here(struct tr *t);

/* The whole instruction, copied with its memory operand (if any) replaced. */
void copy_insn(struct tr *t);
/* Name the x87 instruction number k as the last one that ran. */
void emit_x87_last(struct tr *t, int k);
/* Call out to the interpreter for this instruction. */
void emit_callout(struct tr *t);
/* c->icount += n, in modes that count exactly. */
void emit_count(struct tr *t, unsigned n);
/* An exit of the block by a direct branch; cc: condition code, or -1: always. */
void emit_exit(struct tr *t, int cc, uint32_t target, unsigned done);

/* ESP += n, 32 or 16 bits by SS.B; the second leaves R8 alone (and uses R9). */
void stack_add(struct tr *t, int32_t n);
void stack_add_keep_r8(struct tr *t, int32_t n);

/* These return false if it is to be called out for. */
bool trans_control(struct tr *t);
bool trans_stack(struct tr *t);
bool trans_fpu(struct tr *t);
bool trans_string(struct tr *t);
bool trans_system(struct tr *t);

#endif
