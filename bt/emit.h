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
    bool bmi2;  /* may be used: for prim.c */
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

/* A list of bytes: E(e, 0x0f, 0x90, 0xc0). */
#define E(e, ...)                                 \
    do {                                          \
        const uint8_t bytes_[] = { __VA_ARGS__ }; \
        e_bytes(e, bytes_, sizeof bytes_);        \
    } while (0)

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

/* ModRM and SIB for [index << scale + disp32]; index 4: none. */
static inline void e_modrm_index(struct emit *e, unsigned reg, unsigned index, unsigned scale, uint32_t disp)
{
    e8(e, (reg & 7) << 3 | 4);
    e8(e, scale << 6 | (index & 7) << 3 | 5);
    e32(e, disp);
}

/* An opcode of the one-byte map or, map2, of the one behind 0F. */
static inline void e_opcode(struct emit *e, bool map2, unsigned op)
{
    if (map2)
        e8(e, 0x0f);
    e8(e, op);
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

/* reg = index << scale + disp */
static inline void e_lea32_index(struct emit *e, unsigned reg, unsigned index, unsigned scale, uint32_t disp)
{
    e_rex(e, 0, reg, 0, 0);
    e8(e, 0x8d);
    e_modrm_index(e, reg, index, scale, disp);
}

/* reg = base + disp, the displacement in 32 bits whatever it is. */
static inline void e_lea32_far(struct emit *e, unsigned reg, unsigned base, uint32_t disp)
{
    e_rex(e, 0, reg, 0, base);
    e8(e, 0x8d);
    e8(e, 0x80 | (reg & 7) << 3 | (base & 7));
    e32(e, disp);
}

static inline void e_load_sib(struct emit *e, unsigned w, unsigned reg, unsigned base, unsigned index, unsigned scale,
                              int32_t disp)
{
    e_rex(e, w, reg, index, base);
    e8(e, 0x8b);
    e_modrm_sib(e, reg, base, index, scale, disp);
}

/* reg = 1, 2 or 4 bytes at [base + index], zero-extended. */
static inline void e_load_zx_sib(struct emit *e, unsigned size, unsigned reg, unsigned base, unsigned index)
{
    e_rex(e, 0, reg, index, base);
    e_opcode(e, size < 4, size == 1 ? 0xb6 : size == 2 ? 0xb7 : 0x8b);
    e_modrm_sib(e, reg, base, index, 0, 0);
}

/* movzx reg, byte [base + disp] */
static inline void e_load_zx8(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
    e_rex(e, 0, reg, 0, base);
    e_opcode(e, true, 0xb6);
    e_modrm_disp(e, reg, base, disp);
}

/* movsx reg, byte [base + disp] */
static inline void e_load_sx8(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
    e_rex(e, 0, reg, 0, base);
    e_opcode(e, true, 0xbe);
    e_modrm_disp(e, reg, base, disp);
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

/* mov r16, r16 */
static inline void e_mov16(struct emit *e, unsigned dst, unsigned src)
{
    e8(e, 0x66);
    e_mov(e, 0, dst, src);
}

/* movzx r32, r8; src: AL..BL or R8B..R15B */
static inline void e_movzx8(struct emit *e, unsigned dst, unsigned src)
{
    e_rex(e, 0, dst, 0, src);
    e_opcode(e, true, 0xb6);
    e8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
}

/* movzx r32, r16 */
static inline void e_movzx16(struct emit *e, unsigned dst, unsigned src)
{
    e_rex(e, 0, dst, 0, src);
    e8(e, 0x0f);
    e8(e, 0xb7);
    e8(e, 0xc0 | (dst & 7) << 3 | (src & 7));
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
static inline uint8_t *e_jmp8(struct emit *e)
{
    e8(e, 0xeb);
    e8(e, 0);
    return e->p - 1;
}
static inline void e_jmp_reg(struct emit *e, unsigned reg)
{
    e_rex(e, 0, 0, 0, reg);
    e8(e, 0xff);
    e8(e, 0xe0 | (reg & 7));
}

/* op [base + disp], for opcodes with a digit in ModRM.reg; map2: behind 0F. */
static inline void e_group(struct emit *e, bool map2, unsigned op, unsigned digit, unsigned base, int32_t disp)
{
    e_rex(e, 0, 0, 0, base);
    e_opcode(e, map2, op);
    e_modrm_disp(e, digit, base, disp);
}
#define e_call_mem(e, base, disp) e_group(e, false, 0xff, 2, base, disp)
#define e_jmp_mem(e, base, disp)  e_group(e, false, 0xff, 4, base, disp)
#define e_fnstsw(e, base, disp)   e_group(e, false, 0xdd, 7, base, disp)
#define e_stmxcsr(e, base, disp)  e_group(e, true, 0xae, 3, base, disp)
#define e_ldmxcsr(e, base, disp)  e_group(e, true, 0xae, 2, base, disp)

/* AH = SF ZF AF PF CF, AL = OF; and back. EAX is lost. */
static inline void e_flags_to_ax(struct emit *e) { E(e, 0x9f, 0x0f, 0x90, 0xc0); /* lahf; seto al */ }
static inline void e_ax_to_flags(struct emit *e) { E(e, 0x04, 0x7f, 0x9e); /* add al, 7fh; sahf */ }

#endif
