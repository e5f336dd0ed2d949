/* emit.h - writing host instructions: the handful of x86-64 encodings that translated code needs.
 *
 * Host registers by number: 0-7 are the guest's EAX..EDI, 8-15 the monitor's (see bt.h). Nothing here
 * changes the arithmetic flags unless its name ends in _flags.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_EMIT_H
#define BT_EMIT_H

#include "cpu/base.h"

enum { R8 = 8, R9, R10, R11, R12, R13, R14, R15, RCX = 1, RSP = 4 };

struct emit {
    uint8_t *p; /* where the next byte goes (writable view) */
};

static inline void e8(struct emit *e, unsigned v) { *e->p++ = (uint8_t)v; }
static inline void e16(struct emit *e, unsigned v)
{
    store16(e->p, (uint16_t)v);
    e->p += 2;
}
static inline void e32(struct emit *e, uint32_t v)
{
    store32(e->p, v);
    e->p += 4;
}
static inline void e_bytes(struct emit *e, const void *p, unsigned n)
{
    memcpy(e->p, p, n);
    e->p += n;
}

#define REX_W 8u
#define REX_R 4u
#define REX_X 2u
#define REX_B 1u

/* REX prefix if any bit is needed. w: 0 or REX_W; numbers above 7 set their bits. */
static inline void e_rex(struct emit *e, unsigned w, unsigned reg, unsigned index, unsigned base)
{
    unsigned v = w | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;

    if (v)
        e8(e, 0x40 | v);
}

/* ModRM (and SIB) for [base + disp]; any base but none. */
static inline void e_modrm_disp(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp == (int8_t)disp ? 1 : 2;

    e8(e, mod << 6 | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == 4)
        e8(e, 0x24);
    if (mod == 1)
        e8(e, (uint8_t)disp);
    else if (mod == 2)
        e32(e, (uint32_t)disp);
}

/* ModRM and SIB for [base + index << scale + disp]. */
static inline void e_modrm_sib(struct emit *e, unsigned reg, unsigned base, unsigned index, unsigned scale,
                               int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp == (int8_t)disp ? 1 : 2;

    e8(e, mod << 6 | (reg & 7) << 3 | 4);
    e8(e, scale << 6 | (index & 7) << 3 | (base & 7));
    if (mod == 1)
        e8(e, (uint8_t)disp);
    else if (mod == 2)
        e32(e, (uint32_t)disp);
}

/* op reg, [base + disp], one opcode byte. */
static inline void e_op_mem(struct emit *e, unsigned w, unsigned op, unsigned reg, unsigned base, int32_t disp)
{
    e_rex(e, w, reg, 0, base);
    e8(e, op);
    e_modrm_disp(e, reg, base, disp);
}
#define e_load32(e, reg, base, disp)  e_op_mem(e, 0, 0x8b, reg, base, disp)
#define e_load64(e, reg, base, disp)  e_op_mem(e, REX_W, 0x8b, reg, base, disp)
#define e_store32(e, reg, base, disp) e_op_mem(e, 0, 0x89, reg, base, disp)
#define e_store64(e, reg, base, disp) e_op_mem(e, REX_W, 0x89, reg, base, disp)
#define e_lea32(e, reg, base, disp)   e_op_mem(e, 0, 0x8d, reg, base, disp)
#define e_lea64(e, reg, base, disp)   e_op_mem(e, REX_W, 0x8d, reg, base, disp)

/* reg = base + index << scale + disp, 32 or (w) 64 bits. */
static inline void e_lea_sib(struct emit *e, unsigned w, unsigned reg, unsigned base, unsigned index, unsigned scale,
                             int32_t disp)
{
    e_rex(e, w, reg, index, base);
    e8(e, 0x8d);
    e_modrm_sib(e, reg, base, index, scale, disp);
}

static inline void e_load_sib(struct emit *e, unsigned w, unsigned reg, unsigned base, unsigned index, unsigned scale,
                              int32_t disp)
{
    e_rex(e, w, reg, index, base);
    e8(e, 0x8b);
    e_modrm_sib(e, reg, base, index, scale, disp);
}

static inline void e_mov(struct emit *e, unsigned w, unsigned dst, unsigned src)
{
    e_rex(e, w, src, 0, dst);
    e8(e, 0x89);
    e8(e, 0xc0 | (src & 7) << 3 | (dst & 7));
}

static inline void e_mov_imm32(struct emit *e, unsigned reg, uint32_t v)
{
    e_rex(e, 0, 0, 0, reg);
    e8(e, 0xb8 | (reg & 7));
    e32(e, v);
}

static inline void e_store_imm32(struct emit *e, unsigned base, int32_t disp, uint32_t v)
{
    e_rex(e, 0, 0, 0, base);
    e8(e, 0xc7);
    e_modrm_disp(e, 0, base, disp);
    e32(e, v);
}

static inline void e_not(struct emit *e, unsigned w, unsigned reg)
{
    e_rex(e, w, 0, 0, reg);
    e8(e, 0xf7);
    e8(e, 0xd0 | (reg & 7));
}

/* movzx r32, r16 */
static inline void e_movzx16(struct emit *e, unsigned dst, unsigned src)
{
    e_rex(e, 0, dst, 0, src);
    e8(e, 0x0f);
    e8(e, 0xb7);
    e8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
}

/* Three-operand VEX instructions of map 2 and 3 on general registers. pp: 0 none, 1 66, 2 F3, 3 F2. */
static inline void e_vex(struct emit *e, unsigned map, unsigned pp, unsigned w, unsigned op, unsigned reg,
                         unsigned vvvv, unsigned rm)
{
    e8(e, 0xc4);
    e8(e, (reg < 8) << 7 | 1 << 6 | (rm < 8) << 5 | map);
    e8(e, (w != 0) << 7 | (~vvvv & 15) << 3 | pp);
    e8(e, op);
    e8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}
/* dst = bits of src that mask selects, packed */
#define e_pext32(e, dst, src, mask)   e_vex(e, 2, 2, 0, 0xf5, dst, src, mask)
/* dst = low bits of src deposited where mask selects */
#define e_pdep32(e, dst, src, mask)   e_vex(e, 2, 3, 0, 0xf5, dst, src, mask)
/* dst = src >> count */
#define e_shrx(e, w, dst, src, count) e_vex(e, 2, 3, w, 0xf7, dst, count, src)
static inline void e_rorx32(struct emit *e, unsigned dst, unsigned src, unsigned n)
{
    e_vex(e, 3, 3, 0, 0xf0, dst, 0, src);
    e8(e, n);
}

/* Jumps. The rel32 forms return where the displacement is, for e_patch32. */
static inline uint8_t *e_jmp32(struct emit *e)
{
    e8(e, 0xe9);
    e32(e, 0);
    return e->p - 4;
}
static inline uint8_t *e_jcc32(struct emit *e, unsigned cc)
{
    e8(e, 0x0f);
    e8(e, 0x80 | cc);
    e32(e, 0);
    return e->p - 4;
}
static inline void e_patch32(uint8_t *at, const uint8_t *target) { store32(at, (uint32_t)(target - (at + 4))); }
static inline uint8_t *e_jrcxz8(struct emit *e)
{
    e8(e, 0xe3);
    e8(e, 0);
    return e->p - 1;
}
static inline void e_patch8(uint8_t *at, const uint8_t *target) { *at = (uint8_t)(target - (at + 1)); }
static inline void e_jmp_reg(struct emit *e, unsigned reg)
{
    e_rex(e, 0, 0, 0, reg);
    e8(e, 0xff);
    e8(e, 0xe0 | (reg & 7));
}

#endif
