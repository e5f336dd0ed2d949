/* interp_muldiv.c - MUL IMUL DIV IDIV and the decimal adjustments.
 *
 * Undefined flags are left as Intel CPUs since the P6 leave them where that is known: MUL and IMUL
 * set SF and PF from the low half of the product and clear ZF and AF; DIV leaves all unchanged.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

/* Operand fetch for one-operand forms. */
#define GET_R(bits) REG##bits(i->rm)
#define GET_M(bits) mem_read##bits(c, i)

/* SF and PF by the product's low half, ZF and AF clear, CF = OF = the high half is significant. */
static inline void mul_flags(struct cpu *c, int32_t low, bool significant)
{
    c->lf_res = low ? (uint32_t)low : 0x100; /* 100h: not zero, even parity, positive */
    c->lf_aux = 0;
    lf_set_cf_of(c, significant, significant);
}

static inline void store_prod8(struct cpu *c, uint16_t p) { REG16(EAX) = p; }
static inline void store_prod16(struct cpu *c, uint32_t p)
{
    REG16(EAX) = p;
    REG16(EDX) = p >> 16;
}
static inline void store_prod32(struct cpu *c, uint64_t p)
{
    REG32(EAX) = p;
    REG32(EDX) = p >> 32;
}

#define DEF_MUL(form, GET, bits, wide)                                                                              \
    OP(mul_##form##bits)                                                                                            \
    {                                                                                                               \
        uint##wide##_t p = (uint##wide##_t)(uint##bits##_t)REG##bits(EAX) * GET(bits);                              \
        store_prod##bits(c, p);                                                                                     \
        mul_flags(c, (int##bits##_t)p, p >> bits != 0);                                                             \
        NEXT;                                                                                                       \
    }                                                                                                               \
    OP(imul_##form##bits)                                                                                           \
    {                                                                                                               \
        int##wide##_t p = (int##wide##_t)((int##wide##_t)(int##bits##_t)REG##bits(EAX) * (int##bits##_t)GET(bits)); \
        store_prod##bits(c, p);                                                                                     \
        mul_flags(c, (int##bits##_t)p, p != (int##bits##_t)p);                                                      \
        NEXT;                                                                                                       \
    }
DEF_MUL(r, GET_R, 8, 16)
DEF_MUL(r, GET_R, 16, 32)
DEF_MUL(r, GET_R, 32, 64)
DEF_MUL(m, GET_M, 8, 16)
DEF_MUL(m, GET_M, 16, 32)
DEF_MUL(m, GET_M, 32, 64)

#define DEF_DIV(form, GET, bits, wide, dividend, SETQ, SETR)                              \
    OP(div_##form##bits)                                                                  \
    {                                                                                     \
        uint##bits##_t d = GET(bits);                                                     \
        uint##wide##_t n = dividend;                                                      \
        uint##wide##_t q;                                                                 \
        if (d == 0 || (q = n / d) > (uint##bits##_t) - 1)                                 \
            RAISE(EXC_DE);                                                                \
        SETQ = (uint##bits##_t)q;                                                         \
        SETR = (uint##bits##_t)(n % d);                                                   \
        NEXT;                                                                             \
    }                                                                                     \
    OP(idiv_##form##bits)                                                                 \
    {                                                                                     \
        int##bits##_t d = GET(bits);                                                      \
        int##wide##_t n = dividend;                                                       \
        int##wide##_t q;                                                                  \
        /* the most negative dividend over -1 would overflow the host's division */       \
        if (d == 0 || (d == -1 && n == (int##wide##_t)((uint##wide##_t)1 << (wide - 1)))) \
            RAISE(EXC_DE);                                                                \
        q = n / d;                                                                        \
        if (q != (int##bits##_t)q)                                                        \
            RAISE(EXC_DE);                                                                \
        SETQ = (uint##bits##_t)q;                                                         \
        SETR = (uint##bits##_t)(n % d);                                                   \
        NEXT;                                                                             \
    }
#define N8  REG16(EAX)
#define N16 (REG16(EAX) | (uint32_t)REG16(EDX) << 16)
#define N32 (REG32(EAX) | (uint64_t)REG32(EDX) << 32)
DEF_DIV(r, GET_R, 8, 16, N8, REG8(0), REG8(1))
DEF_DIV(r, GET_R, 16, 32, N16, REG16(EAX), REG16(EDX))
DEF_DIV(r, GET_R, 32, 64, N32, REG32(EAX), REG32(EDX))
DEF_DIV(m, GET_M, 8, 16, N8, REG8(0), REG8(1))
DEF_DIV(m, GET_M, 16, 32, N16, REG16(EAX), REG16(EDX))
DEF_DIV(m, GET_M, 32, 64, N32, REG32(EAX), REG32(EDX))

#define SET_E(op) HSET(op##_E) = { .fn = { { op##_r8, op##_r16, op##_r32 }, { op##_m8, op##_m16, op##_m32 } } };
SET_E(mul)
SET_E(imul)
SET_E(div)
SET_E(idiv)

/* Two- and three-operand IMUL. */
#define DEF_IMUL(name, bits, wide, A, B)                                          \
    OP(name##bits)                                                                \
    {                                                                             \
        int##wide##_t p = (int##wide##_t)(int##bits##_t)(A) * (int##bits##_t)(B); \
        REG##bits(i->reg) = p;                                                    \
        mul_flags(c, (int##bits##_t)p, p != (int##bits##_t)p);                    \
        NEXT;                                                                     \
    }
DEF_IMUL(imul_rr, 16, 32, REG16(i->reg), REG16(i->rm))
DEF_IMUL(imul_rr, 32, 64, REG32(i->reg), REG32(i->rm))
DEF_IMUL(imul_rm, 16, 32, mem_read16(c, i), REG16(i->reg))
DEF_IMUL(imul_rm, 32, 64, mem_read32(c, i), REG32(i->reg))
DEF_IMUL(imul_rri, 16, 32, REG16(i->rm), i->imm)
DEF_IMUL(imul_rri, 32, 64, REG32(i->rm), i->imm)
DEF_IMUL(imul_rmi, 16, 32, mem_read16(c, i), i->imm)
DEF_IMUL(imul_rmi, 32, 64, mem_read32(c, i), i->imm)
HSET(imul_GE) = { .fn = { { NULL, imul_rr16, imul_rr32 }, { NULL, imul_rm16, imul_rm32 } } };
HSET(imul_GEI) = { .fn = { { NULL, imul_rri16, imul_rri32 }, { NULL, imul_rmi16, imul_rmi32 } } };

/* --- decimal adjustment (SDM 2A/2D, the instructions' own pages) --- */

static void bcd_flags(struct cpu *c, uint8_t al, uint32_t af, uint32_t cf)
{
    lf_logic8(c, al);
    c->lf_aux |= af << 3;
    lf_set_cf_of(c, cf, 0);
}

OP(daa)
{
    uint8_t al = REG8(0);
    uint32_t old_cf = lf_cf(c);
    uint32_t af = (al & 15) > 9 || lf_af(c);
    uint32_t cf = al > 0x99 || old_cf;
    uint8_t r = al + (af ? 6 : 0) + (cf ? 0x60 : 0);

    REG8(0) = r;
    bcd_flags(c, r, af, cf);
    NEXT;
}
HSET(daa) = HSET_ALL(daa);

OP(das)
{
    uint8_t al = REG8(0);
    uint32_t old_cf = lf_cf(c);
    uint32_t af = (al & 15) > 9 || lf_af(c);
    uint32_t high = al > 0x99 || old_cf;
    uint32_t cf = high || (af && al < 6);
    uint8_t r = al - (af ? 6 : 0) - (high ? 0x60 : 0);

    REG8(0) = r;
    bcd_flags(c, r, af, cf);
    NEXT;
}
HSET(das) = HSET_ALL(das);

OP(aaa)
{
    uint32_t adjust = (REG8(0) & 15) > 9 || lf_af(c);

    if (adjust)
        REG16(EAX) += 0x106;
    REG8(0) &= 15;
    bcd_flags(c, REG8(0), adjust, adjust);
    NEXT;
}
HSET(aaa) = HSET_ALL(aaa);

OP(aas)
{
    uint32_t adjust = (REG8(0) & 15) > 9 || lf_af(c);

    if (adjust)
        REG16(EAX) -= 0x106;
    REG8(0) &= 15;
    bcd_flags(c, REG8(0), adjust, adjust);
    NEXT;
}
HSET(aas) = HSET_ALL(aas);

OP(aam)
{
    uint8_t al = REG8(0);
    uint8_t base = i->imm;

    if (base == 0)
        RAISE(EXC_DE);
    REG8(1) = al / base;
    REG8(0) = al % base;
    lf_logic8(c, REG8(0));
    NEXT;
}
HSET(aam) = HSET_ALL(aam);

OP(aad)
{
    uint8_t a = REG8(0);
    uint8_t b = REG8(1) * (uint8_t)i->imm;
    uint8_t r = a + b;

    REG16(EAX) = r;
    lf_add8(c, a, b, r); /* CF, AF and OF are undefined; Intel's CPUs add */
    NEXT;
}
HSET(aad) = HSET_ALL(aad);
