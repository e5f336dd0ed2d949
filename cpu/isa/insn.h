/* insn.h - the instruction table, the decoder driven by it, and a decoded instruction. insn.def describes the table's
 * columns.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_INSN_H
#define CPU_INSN_H

#include "cpu/cpu.h"

typedef void (*insn_fn)(struct cpu *c, const struct insn *i);

/* One decoded instruction. Registers of byte operands are stored as byte offsets into c->r
 * (AL 0, CL 4, DL 8, BL 12, AH 1, CH 5, DH 9, BH 13), all others as register numbers. */
struct insn {
    insn_fn fn;
    uint32_t disp;  /* displacement of the memory operand, or absolute offset */
    uint32_t imm;   /* immediate, sign-extended where the SDM says so; relative branches: the
                      * target minus the EIP of the block's first instruction */
    uint32_t amask; /* 0xffff or 0xffffffff: address size */
    uint16_t row;   /* index into insn_rows */
    uint16_t off;   /* offset of this instruction from the block's first */
    uint16_t imm2;  /* far pointer's selector, second immediate of ENTER */
    uint16_t flags; /* IF_* */
    uint8_t base;   /* register number, 8 = none */
    uint8_t index;  /* register number, 8 = none */
    uint8_t scale;  /* shift count */
    uint8_t seg;    /* segment of the memory operand, override applied */
    uint8_t reg;    /* ModRM.reg (or register in the opcode) */
    uint8_t rm;     /* ModRM.rm when it is a register */
    uint8_t len;    /* bytes */
    uint8_t n;      /* index within the block */
    /* How its bytes are made up: prefixes, opcode, ModRM (with IF_MODRM), SIB and displacement, immediate.
     * The prefixes are told by `flags` (of F2 and F3 the last one counts) and, with IF_SEGOVR, `seg`. */
    uint8_t opcode;    /* its last byte; 0F stands before it where the row's map says so */
    uint8_t modrm;     /* 0 without IF_MODRM */
    uint8_t opcode_at; /* offset of `opcode` in the instruction; ModRM comes next */
    uint8_t imm_at;    /* offset of the immediate, branch offset, far pointer or absolute offset; len: none */
};
_Static_assert(sizeof(struct insn) <= 40, "its size decides how much decoded code the arena holds");

#define IF_MEM    0x001u /* has a ModRM memory operand */
#define IF_LOCK   0x002u
#define IF_REP    0x004u /* F3 */
#define IF_REPNE  0x008u /* F2 */
#define IF_O32    0x010u /* operand size is 32 */
#define IF_A32    0x020u /* address size is 32 */
#define IF_SEGOVR 0x040u /* a segment override was given */
#define IF_66     0x080u /* 66 was given */
#define IF_67     0x100u
#define IF_MODRM  0x200u /* has a ModRM byte */

/* Bytes of SIB and displacement; they stand behind ModRM. */
static inline unsigned insn_addr_len(const struct insn *i)
{
    return i->flags & IF_MODRM ? i->imm_at - i->opcode_at - 2u : 0;
}

/* Bytes of everything immediate. */
static inline unsigned insn_imm_len(const struct insn *i) { return i->len - i->imm_at; }

/* Functions by form ([0] register or no ModRM, [1] memory) and operand size
 * ([0] byte or fixed, [1] 16, [2] 32). */
struct hset {
    insn_fn fn[2][3];
    /* Faster forms for flat segments (see insn_specialize), by [0 no memory operand, 1 without, 2
     * with an index register][operand size]; they go on to fn when the TLB misses. NULL: none. */
    insn_fn flat[3][3];
};
#define HSET(name) const struct hset h_##name
#define HSET_ALL(f)                        \
    {                                      \
        .fn = { { f, f, f }, { f, f, f } } \
    }
#define HSET_RM(r, m)                      \
    {                                      \
        .fn = { { r, r, r }, { m, m, m } } \
    } /* the same for every operand size */

enum { MAP_P1, MAP_P2, MAP_COUNT };
enum { PFX_pAny, PFX_pNP, PFX_p66, PFX_pF3, PFX_pF2 };
enum { MODES_any, MODES_prot };
enum { PRIV_free, PRIV_cpl0, PRIV_iopl, PRIV_vm };

/* modrm column: kind << 8 | value */
enum { MRK_NONE, MRK_ANY, MRK_MEM, MRK_REG, MRK_X, MRK_XM, MRK_XR, MRK_PLUS, MRK_BYTE };
#define mNone    (MRK_NONE << 8)
#define mAny     (MRK_ANY << 8)
#define mMem     (MRK_MEM << 8)
#define mReg     (MRK_REG << 8)
#define mPlus    (MRK_PLUS << 8)
#define mByte(b) (MRK_BYTE << 8 | (b))
#define x0       (MRK_X << 8 | 0)
#define x1       (MRK_X << 8 | 1)
#define x2       (MRK_X << 8 | 2)
#define x3       (MRK_X << 8 | 3)
#define x4       (MRK_X << 8 | 4)
#define x5       (MRK_X << 8 | 5)
#define x6       (MRK_X << 8 | 6)
#define x7       (MRK_X << 8 | 7)
#define x0_M     (MRK_XM << 8 | 0)
#define x1_M     (MRK_XM << 8 | 1)
#define x2_M     (MRK_XM << 8 | 2)
#define x3_M     (MRK_XM << 8 | 3)
#define x4_M     (MRK_XM << 8 | 4)
#define x5_M     (MRK_XM << 8 | 5)
#define x6_M     (MRK_XM << 8 | 6)
#define x7_M     (MRK_XM << 8 | 7)
#define x0_R     (MRK_XR << 8 | 0)
#define x1_R     (MRK_XR << 8 | 1)
#define x2_R     (MRK_XR << 8 | 2)
#define x3_R     (MRK_XR << 8 | 3)
#define x4_R     (MRK_XR << 8 | 4)
#define x5_R     (MRK_XR << 8 | 5)
#define x6_R     (MRK_XR << 8 | 6)
#define x7_R     (MRK_XR << 8 | 7)

/* Flag masks: the six arithmetic flags (EFLAGS bits), by letter. */
#define FL_C   EFLAGS_CF
#define FL_P   EFLAGS_PF
#define FL_A   EFLAGS_AF
#define FL_Z   EFLAGS_ZF
#define FL_S   EFLAGS_SF
#define FL_O   EFLAGS_OF
#define FL_ALL EFLAGS_ARITH
#define FL_D   EFLAGS_DF

/* Class: what a translator may do with it. */
enum insn_class {
    CLS_IDENT, /* may be copied as it is */
    CLS_PCREL, /* direct branch */
    CLS_CTRL,  /* other control transfer */
    CLS_SENS,  /* behaves differently without privilege, silently */
    CLS_PRIV,  /* privileged */
    CLS_IO,
    CLS_SEGLD, /* loads a segment register */
    CLS_STACK,
    CLS_NO64, /* invalid or different in 64-bit mode */
    CLS_STRING,
    CLS_FPU,  /* x87 */
    CLS_SIMD, /* MMX, SSE */
    CLS_UD,
};

#define A_LOCK  0x01u  /* LOCK allowed with a memory destination */
#define A_END   0x02u  /* ends a block */
#define A_NOO   0x04u  /* operand-size prefix does not change it (e.g. Ed, SSE rows) */
#define A_REP   0x08u  /* REP/REPNE repeat it */
#define A_WR1   0x10u  /* op1 is written only */
#define A_RD1   0x20u  /* op1 is read only (CMP, TEST, PUSH) */
#define A_UNDOC 0x40u  /* not in the SDM, but on every CPU */
#define A_CTL   0x80u  /* x87 control: not remembered in FIP, FDP and FOP (SDM 1 8.1.8) */
#define A_AF0   0x100u /* every CPU clears AF, which the SDM leaves undefined */

/* What a translator makes of an instruction. */
enum emit_kind {
#define EMIT(name, text) EMIT_##name,
#include "cpu/isa/emit.def"
#undef EMIT
    EMIT_COUNT
};

enum opnd_kind {
#define OPND(name, where, rsize, msize) OP_##name,
#include "cpu/isa/opnd.def"
#undef OPND
    OP_COUNT
};
enum opnd_where {
    W_NONE,
    W_E,
    W_G,
    W_M,
    W_R,
    W_Z,
    W_I,
    W_J,
    W_A,
    W_O,
    W_S,
    W_C,
    W_D,
    W_X,
    W_Y,
    W_F,
    W_P,
    W_Q,
    W_N,
    W_V,
    W_W,
    W_U,
    W_T
};
enum { SZ_V = 200, SZ_VV, SZ_P, SZ_ENV, SZ_SAVE };

struct opnd_info {
    const char *name;
    uint8_t where;
    uint16_t rsize;
    uint16_t msize;
};
extern const struct opnd_info opnd_info[OP_COUNT];

/* One encoding, with the columns of its operation. */
struct insn_row {
    uint8_t map, opcode, prefix;
    uint16_t modrm;
    const char *mnemonic;
    uint8_t op[3];
    uint8_t feature, modes, priv;
    uint16_t use, def, undef;
    uint8_t cls, emit;
    uint16_t attr;
    const struct hset *h;
    const char *hname;
};

extern const struct insn_row insn_rows[];
extern const unsigned insn_row_count;
#define INSN_ROWS_MAX 1024

/* Why decoding failed. */
enum { DECODE_OK = 0, DECODE_UD = -1, DECODE_TOO_LONG = -2, DECODE_MORE = -3 };

/* Decode one instruction from `p`, of which `avail` bytes can be read (15 is always enough).
 * cs_d: CS.D (default sizes are 32). features: the model's. Fills *i but for off, n, and the block
 * relative part of branch targets (imm is relative to the instruction's end). Returns DECODE_OK;
 * DECODE_UD (i->len and i->row = the #UD row are set), DECODE_TOO_LONG (more than 15 bytes: #GP(0)),
 * DECODE_MORE (ran out of `avail`). */
int insn_decode(struct insn *i, const uint8_t *p, unsigned avail, bool cs_d, uint64_t features);

/* Take the faster handler for code whose ES, SS and DS are flat (FETCH_FLAT), if there is one. */
void insn_specialize(struct insn *i);

/* The handler of a decoded instruction, whatever i->fn is now. */
insn_fn insn_handler(const struct insn *i);

/* The same without the check of modes and privilege that rows may ask for. */
insn_fn insn_unguarded(const struct insn *i);

/* The handler of all rows with modes other than any, or privilege cpl0 (cpu/interp/sys.c): #UD, #GP(0), or what
 * insn_unguarded() gives. */
void insn_guard(struct cpu *c, const struct insn *i);

/* Build the lookup tables, once; later calls do nothing. */
void insn_init(void);

/* Operand sizes in bytes of row operand `kind` for this instruction. */
unsigned opnd_mem_size(enum opnd_kind kind, const struct insn *i);
unsigned opnd_reg_size(enum opnd_kind kind, const struct insn *i);

#endif
