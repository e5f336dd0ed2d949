/* interp_mmx.c - MMX and the MMX-register forms that SSE and SSE2 added.
 *
 * An MMX instruction makes all x87 registers valid and TOP 0, and sets sign and exponent of the
 * registers it writes (SDM 1 9.5); neither before its memory operand has been read or written.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/simd.h"

#define APPLY(name, v)                            \
    do {                                          \
        union xmm d = { .q = { MM(i->reg), 0 } }; \
        union xmm s = { .q = { (v), 0 } };        \
        f_##name(&d, &s, 8);                      \
        mmx_use(c);                               \
        mmx_set(c, i->reg, d.q[0]);               \
    } while (0)

#define DEF_MMX(name, mem_bits)       \
    OP(name##_r)                      \
    {                                 \
        MMX_ENTER;                    \
        APPLY(name, MM(i->rm));       \
        NEXT;                         \
    }                                 \
    OP(name##_m)                      \
    {                                 \
        uint64_t v;                   \
        MMX_ENTER;                    \
        v = mem_read##mem_bits(c, i); \
        APPLY(name, v);               \
        NEXT;                         \
    }                                 \
    HSET(mmx_##name) = HSET_RM(name##_r, name##_m);

DEF_MMX(punpcklbw, 32)
DEF_MMX(punpcklwd, 32)
DEF_MMX(punpckldq, 32)
DEF_MMX(punpckhbw, 64)
DEF_MMX(punpckhwd, 64)
DEF_MMX(punpckhdq, 64)
DEF_MMX(packsswb, 64)
DEF_MMX(packuswb, 64)
DEF_MMX(packssdw, 64)
DEF_MMX(pcmpeqb, 64)
DEF_MMX(pcmpeqw, 64)
DEF_MMX(pcmpeqd, 64)
DEF_MMX(pcmpgtb, 64)
DEF_MMX(pcmpgtw, 64)
DEF_MMX(pcmpgtd, 64)
DEF_MMX(paddb, 64)
DEF_MMX(paddw, 64)
DEF_MMX(paddd, 64)
DEF_MMX(paddq, 64)
DEF_MMX(psubb, 64)
DEF_MMX(psubw, 64)
DEF_MMX(psubd, 64)
DEF_MMX(psubq, 64)
DEF_MMX(paddsb, 64)
DEF_MMX(paddsw, 64)
DEF_MMX(paddusb, 64)
DEF_MMX(paddusw, 64)
DEF_MMX(psubsb, 64)
DEF_MMX(psubsw, 64)
DEF_MMX(psubusb, 64)
DEF_MMX(psubusw, 64)
DEF_MMX(pmullw, 64)
DEF_MMX(pmulhw, 64)
DEF_MMX(pmulhuw, 64)
DEF_MMX(pmuludq, 64)
DEF_MMX(pmaddwd, 64)
DEF_MMX(psadbw, 64)
DEF_MMX(pavgb, 64)
DEF_MMX(pavgw, 64)
DEF_MMX(pminub, 64)
DEF_MMX(pmaxub, 64)
DEF_MMX(pminsw, 64)
DEF_MMX(pmaxsw, 64)
DEF_MMX(pand, 64)
DEF_MMX(pandn, 64)
DEF_MMX(por, 64)
DEF_MMX(pxor, 64)
DEF_MMX(psrlw, 64)
DEF_MMX(psrld, 64)
DEF_MMX(psrlq, 64)
DEF_MMX(psllw, 64)
DEF_MMX(pslld, 64)
DEF_MMX(psllq, 64)
DEF_MMX(psraw, 64)
DEF_MMX(psrad, 64)

/* Shifts by an immediate: the register is in ModRM.rm. */
#define DEF_MMX_IMM(name)                               \
    OP(name##_i)                                        \
    {                                                   \
        union xmm d, s = { .q = { i->imm & 0xff, 0 } }; \
        MMX_ENTER;                                      \
        d.q[0] = MM(i->rm);                             \
        d.q[1] = 0;                                     \
        f_##name(&d, &s, 8);                            \
        mmx_use(c);                                     \
        mmx_set(c, i->rm, d.q[0]);                      \
        NEXT;                                           \
    }                                                   \
    HSET(mmx_##name##_i) = HSET_ALL(name##_i);
DEF_MMX_IMM(psrlw)
DEF_MMX_IMM(psrld)
DEF_MMX_IMM(psrlq)
DEF_MMX_IMM(psllw)
DEF_MMX_IMM(pslld)
DEF_MMX_IMM(psllq)
DEF_MMX_IMM(psraw)
DEF_MMX_IMM(psrad)

/* --- moves --- */

#define DEF_MMX_LOAD(name, value) \
    OP(name)                      \
    {                             \
        uint64_t v;               \
        MMX_ENTER;                \
        v = value;                \
        mmx_use(c);               \
        mmx_set(c, i->reg, v);    \
        NEXT;                     \
    }
#define DEF_MMX_STORE(name, statement) \
    OP(name)                           \
    {                                  \
        MMX_ENTER;                     \
        statement;                     \
        mmx_use(c);                    \
        NEXT;                          \
    }
DEF_MMX_LOAD(movd_load_r, REG32(i->rm))
DEF_MMX_LOAD(movd_load_m, mem_read32(c, i))
HSET(mmx_movd_load) = HSET_RM(movd_load_r, movd_load_m);
DEF_MMX_STORE(movd_store_r, REG32(i->rm) = (uint32_t)MM(i->reg))
DEF_MMX_STORE(movd_store_m, mem_write32(c, i, (uint32_t)MM(i->reg)))
HSET(mmx_movd_store) = HSET_RM(movd_store_r, movd_store_m);
DEF_MMX_LOAD(movq_load_r, MM(i->rm))
DEF_MMX_LOAD(movq_load_m, mem_read64(c, i))
HSET(mmx_movq_load) = HSET_RM(movq_load_r, movq_load_m);
DEF_MMX_STORE(movq_store_r, mmx_set(c, i->rm, MM(i->reg)))
DEF_MMX_STORE(movq_store_m, mem_write64(c, i, MM(i->reg)))
HSET(mmx_movq_store) = HSET_RM(movq_store_r, movq_store_m);

OP(emms)
{
    MMX_ENTER;
    c->fpu.top = 0;
    c->fpu.empty = 0xff;
    NEXT;
}
HSET(emms) = HSET_ALL(emms);

/* --- added by SSE --- */

static inline uint64_t shuffle4(uint64_t v, unsigned order)
{
    uint64_t r = 0;

    for (unsigned k = 0; k < 4; k++)
        r |= (v >> (order >> (2 * k) & 3) * 16 & 0xffff) << 16 * k;
    return r;
}
DEF_MMX_LOAD(pshufw_r, shuffle4(MM(i->rm), i->imm))
DEF_MMX_LOAD(pshufw_m, shuffle4(mem_read64(c, i), i->imm))
HSET(mmx_pshufw) = HSET_RM(pshufw_r, pshufw_m);

static inline uint64_t insert_word(uint64_t v, uint16_t w, unsigned n)
{
    unsigned shift = (n & 3) * 16;

    return (v & ~((uint64_t)0xffff << shift)) | (uint64_t)w << shift;
}
DEF_MMX_LOAD(pinsrw_r, insert_word(MM(i->reg), (uint16_t)REG32(i->rm), i->imm))
DEF_MMX_LOAD(pinsrw_m, insert_word(MM(i->reg), mem_read16(c, i), i->imm))
HSET(mmx_pinsrw) = HSET_RM(pinsrw_r, pinsrw_m);
DEF_MMX_STORE(pextrw, REG32(i->reg) = MM(i->rm) >> (i->imm & 3) * 16 & 0xffff)
HSET(mmx_pextrw) = HSET_ALL(pextrw);

static inline uint32_t sign_bits(uint64_t v)
{
    return (uint32_t)((v >> 7 & 0x0101010101010101u) * 0x0102040810204080u >> 56);
}
DEF_MMX_STORE(pmovmskb, REG32(i->reg) = sign_bits(MM(i->rm)))
HSET(mmx_pmovmskb) = HSET_ALL(pmovmskb);

DEF_MMX_STORE(movntq, mem_write64(c, i, MM(i->reg)))
HSET(mmx_movntq) = HSET_ALL(movntq);

/* The bytes whose mask has its sign set, at DS:EDI. A fault half-way leaves the lower bytes
 * written, and the instruction is done again. */
OP(maskmovq)
{
    uint64_t v, mask;

    MMX_ENTER;
    v = MM(i->reg);
    mask = MM(i->rm);
    for (unsigned k = 0; k < 8; k++)
        if (mask >> (8 * k + 7) & 1)
            seg_write8(c, i, i->seg, (c->r[EDI] + k) & i->amask, (uint8_t)(v >> 8 * k));
    mmx_use(c);
    NEXT;
}
HSET(mmx_maskmovq) = HSET_ALL(maskmovq);

/* --- added by SSE2 --- */

OP(movq2dq)
{
    if (unlikely(sse_off(c)))
        sse_check_slow(c, i);
    MMX_ENTER;
    XMM(i->reg) = (union xmm){ .q = { MM(i->rm), 0 } };
    mmx_use(c);
    NEXT;
}
HSET(movq2dq) = HSET_ALL(movq2dq);

OP(movdq2q)
{
    if (unlikely(sse_off(c)))
        sse_check_slow(c, i);
    MMX_ENTER;
    mmx_use(c);
    mmx_set(c, i->reg, XMM(i->rm).q[0]);
    NEXT;
}
HSET(movdq2q) = HSET_ALL(movdq2q);
