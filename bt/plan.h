/* plan.h - pass one of translating: what is to become of each instruction of a block.
 *
 * A plan is made from decoded instructions, what is known of the context they run in, and what was learnt of
 * them. Nothing is emitted and nothing is decided later: pass two (layout.h) only encodes. Each family of
 * instructions has its two parts in one file: memory.c, copy.c, control.c, stack.c, string.c, system.c,
 * fpu_code.c.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_PLAN_H
#define BT_PLAN_H

#include "cpu/interp/block.h"

/* How an operand in memory is reached. */
enum path {
    PATH_NONE,  /* there is none */
    PATH_RAW,   /* the instruction's own addressing form with addr32 gs: */
    PATH_BASE,  /* [base + r12 + disp], with the window's base in r12 */
    PATH_INDEX, /* [r12 + the instruction's index << scale + disp] */
    PATH_GS,    /* addr32 gs:[base + disp] */
    PATH_PROBE, /* [r9 + r8], after a probe of the software TLB */
};

/* What the offset in R8 is worked out from, before a segment check or a probe. */
enum { EA_NONE, EA_OPERAND, EA_STACK };
#define NO_SEG 0xffu

struct access {
    uint8_t path;  /* PATH_* */
    uint8_t ea;    /* EA_* */
    uint8_t base;  /* host register, of PATH_BASE and PATH_GS; with EA_STACK of the offset */
    uint8_t check; /* SEG_*: the offset in R8 is checked and made linear; or NO_SEG */
    uint8_t size;  /* bytes */
    bool write;    /* or read and written */
    int32_t disp;  /* that goes with base */
};

/* What must be put right when the host faults inside an instruction. */
enum { FIX_NONE, FIX_RSI, FIX_MMX, FIX_STRING, FIX_REP, FIX_REP_FLAGS };

enum { GATE_NONE, GATE_FPU, GATE_SSE };
#define CC_ALWAYS  0x10u
#define CC_NO_EXIT 0xffu
#define NO_X87     (-1)

/* One instruction. */
struct plan_insn {
    uint8_t kind;        /* EMIT_* (cpu/isa/emit.def); EMIT_INTERP: a detour, and nothing else of this counts */
    uint8_t size;        /* of the operand, in bytes */
    uint8_t reg;         /* register that is loaded, stored, pushed, popped; segment register */
    uint8_t p66, pmand;  /* prefixes of a copied instruction; 0: none */
    bool map2;           /* 0F stands before its opcode */
    bool lend_rsi;       /* AH..BH exclude REX: ESI is lent as the base of `mem` */
    bool keep_top;       /* remember TOP before it: a fault puts it back */
    uint8_t gate;        /* GATE_*: look first whether the state is live and may be used */
    uint8_t fix;         /* FIX_*: what a host fault in it has to put right */
    uint8_t cc;          /* of the exit: condition code, CC_ALWAYS or CC_NO_EXIT */
    int8_t x87_name;     /* the x87 instruction that is to be named before this one, or NO_X87 */
    int8_t x87_ran;      /* the one that ran last when this one begins, or NO_X87 */
    struct access mem;   /* its operand */
    struct access stack; /* what it pushes or pops */
    uint32_t target;     /* EIP of the exit */
};

struct plan {
    unsigned n;
    bool direct;     /* R12 is a window's base */
    bool icount;     /* instructions are counted exactly */
    bool ss32;       /* SS.B */
    uint8_t gate;    /* GATE_* in the head, where a loop need not ask again */
    bool ends;       /* control does not come to its end: it needs no exit there */
    int8_t x87_name; /* to be named there */
    uint32_t eip;    /* of the first instruction */
    uint32_t next;   /* of what follows the last */
    struct plan_insn insn[BLOCK_MAX];
};

/* What a plan is made from. */
struct plan_input {
    const struct insn *insn;
    unsigned n;
    uint32_t eip;
    uint32_t next; /* EIP behind the last instruction */
    uint32_t key;  /* FETCH_* */
    uint32_t cs_limit;
    bool direct;                         /* there is a window */
    bool icount, inline_sys, native_fpu; /* as in struct bt_options */
    uint32_t checked;                    /* bit k: instruction k takes the checked way, its operand has been trouble */
    uint32_t wraps;                      /* bit k: its address wraps at 4 GiB, so [base + r12] misses the window */
    uint32_t watched;                    /* bit k: a plug-in wants to see it */
};

void plan_block(struct plan *p, const struct plan_input *in);

/* --- for the families' parts: one instruction under way --- */

struct planner {
    const struct plan_input *in;
    const struct insn *i;
    const struct insn_row *row;
    unsigned k;
    struct plan_insn *r;
    bool checked, wraps;
    bool fpu_gated, sse_gated;
    bool mmx_ran; /* TOP is 0: an MMX instruction ran, and none of the x87 since */
};

/* Each says what the instruction becomes; false: a detour. */
bool plan_copy(struct planner *p);
bool plan_fpu(struct planner *p);
bool plan_control(struct planner *p);
bool plan_stack(struct planner *p);
bool plan_string(struct planner *p);
bool plan_system(struct planner *p);

/* memory.c: the instruction's operand; `size` bytes of the stack at `reg` (ESP or EBP) + disp. */
void plan_operand(struct planner *p, bool write, unsigned size);
void plan_stack_access(struct planner *p, unsigned reg, int32_t disp, bool write, unsigned size);
/* Whether the row's instructions write their memory operand, and its size (0: there is none). */
bool operand_is_written(const struct planner *p, unsigned *size);
/* Bytes of the operand by the operand-size prefix. */
static inline unsigned plan_osize(const struct planner *p) { return p->i->flags & IF_O32 ? 4 : 2; }
/* Whether ES, SS or DS is known to be flat. */
bool plan_seg_is_flat(const struct planner *p, unsigned seg);

/* fpu_code.c: what an instruction that runs on the FPU's state looks at first: GATE_*. */
unsigned plan_gate(const struct insn_row *row);

#endif
