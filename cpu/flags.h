/* flags.h - arithmetic flags kept as the last result and its carries, worked out when asked for.
 *
 *   lf_res  the result, sign-extended to 32 bits:   ZF = (res == 0)
 *   lf_aux  31 CF | 30 carry into the top bit (OF = CF ^ it) | 15..8 PF delta | 3 AF | 0 SF delta
 *           SF = res.31 ^ aux.0             PF = even parity of (res ^ aux >> 8) & FFh
 *
 * For an addition the vector of carries out of each bit is (a & b) | ((a | b) & ~r), for a
 * subtraction of borrows (~a & b) | ((~a | b) & r); bits 31, 30 and 3 of it (moved up for 8 and 16
 * bits) are what the flags need, so nothing but a few logic operations is spent per instruction.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_FLAGS_H
#define CPU_FLAGS_H

#include "cpu/cpu.h"

#define LF_CF 0x80000000u
#define LF_PO 0x40000000u
#define LF_AF 0x00000008u
#define LF_SD 0x00000001u

static inline uint32_t lf_cf(const struct cpu *c) { return c->lf_aux >> 31; }
static inline uint32_t lf_zf(const struct cpu *c) { return c->lf_res == 0; }
static inline uint32_t lf_sf(const struct cpu *c) { return (c->lf_res >> 31) ^ (c->lf_aux & 1); }
static inline uint32_t lf_of(const struct cpu *c) { return (c->lf_aux ^ c->lf_aux << 1) >> 31; }
static inline uint32_t lf_af(const struct cpu *c) { return c->lf_aux >> 3 & 1; }
static inline uint32_t lf_pf(const struct cpu *c) { return !__builtin_parity((c->lf_res ^ c->lf_aux >> 8) & 0xff); }

#define LF_DEFINE(bits, stype)                                                                       \
    static inline uint32_t lf_aux##bits(uint32_t v)                                                  \
    {                                                                                                \
        return bits == 32 ? v & (LF_CF | LF_PO | LF_AF) : (v & LF_AF) | (v >> (bits - 2) & 3) << 30; \
    }                                                                                                \
    static inline void lf_add##bits(struct cpu *c, uint32_t a, uint32_t b, uint32_t r)               \
    {                                                                                                \
        c->lf_res = (uint32_t)(int32_t)(stype)r;                                                     \
        c->lf_aux = lf_aux##bits((a & b) | ((a | b) & ~r));                                          \
    }                                                                                                \
    static inline void lf_sub##bits(struct cpu *c, uint32_t a, uint32_t b, uint32_t r)               \
    {                                                                                                \
        c->lf_res = (uint32_t)(int32_t)(stype)r;                                                     \
        c->lf_aux = lf_aux##bits((~a & b) | ((~a | b) & r));                                         \
    }                                                                                                \
    static inline void lf_logic##bits(struct cpu *c, uint32_t r)                                     \
    {                                                                                                \
        c->lf_res = (uint32_t)(int32_t)(stype)r;                                                     \
        c->lf_aux = 0;                                                                               \
    }
LF_DEFINE(8, int8_t)
LF_DEFINE(16, int16_t)
LF_DEFINE(32, int32_t)
#undef LF_DEFINE

/* Set CF only; OF keeps its value. */
static inline void lf_set_cf(struct cpu *c, uint32_t cf)
{
    uint32_t change = (c->lf_aux >> 31 ^ cf) & 1;

    c->lf_aux ^= change << 31 | change << 30;
}

/* Set CF and OF; the others keep their values. */
static inline void lf_set_cf_of(struct cpu *c, uint32_t cf, uint32_t of)
{
    c->lf_aux = (c->lf_aux & ~(LF_CF | LF_PO)) | cf << 31 | (cf ^ of) << 30;
}

/* All six at once, from EFLAGS bits. */
static inline void lf_set_all(struct cpu *c, uint32_t f)
{
    uint32_t cf = f & 1;
    uint32_t of = f >> 11 & 1;

    c->lf_res = f & EFLAGS_ZF ? 0 : 1;
    c->lf_aux = cf << 31 | (cf ^ of) << 30 | (f & EFLAGS_AF) >> 1 | (f & EFLAGS_SF) >> 7;
    /* parity of res is even for 0, odd for 1: delta 1 flips it */
    if (((f & EFLAGS_PF) != 0) != (c->lf_res == 0))
        c->lf_aux |= 0x100;
}

static inline uint32_t lf_get_all(const struct cpu *c)
{
    return lf_cf(c) | lf_pf(c) << 2 | lf_af(c) << 4 | lf_zf(c) << 6 | lf_sf(c) << 7 | lf_of(c) << 11;
}

/* Condition code cc (0..15) of Jcc, SETcc, CMOVcc. */
static inline bool lf_cond(const struct cpu *c, unsigned cc)
{
    bool v;

    switch (cc >> 1) {
    case 0: v = lf_of(c); break;
    case 1: v = lf_cf(c); break;
    case 2: v = lf_zf(c); break;
    case 3: v = lf_cf(c) || lf_zf(c); break;
    case 4: v = lf_sf(c); break;
    case 5: v = lf_pf(c); break;
    case 6: v = lf_sf(c) != lf_of(c); break;
    default: v = lf_zf(c) || lf_sf(c) != lf_of(c); break;
    }
    return v ^ (cc & 1);
}

#endif
