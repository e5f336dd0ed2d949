/* interp_sse.c - SSE and SSE2 instructions that move bits: loads, stores, shuffles, logic, packed
 * integers, MXCSR, cache hints. Floating-point arithmetic is in interp_sse_fp.c.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/simd.h"

static void check_alignment(struct cpu *c, const struct insn *i, bool aligned)
{
    if (aligned && ((c->seg[i->seg].base + ea(c, i)) & 15))
        RAISE_ERR(EXC_GP, 0);
}

cold_fn void xmm_read_slow(struct cpu *c, const struct insn *i, union xmm *v, bool aligned)
{
    check_alignment(c, i, aligned);
    mem_read_bytes(c, i, (void *)v, 16, 1);
}

cold_fn void xmm_write_slow(struct cpu *c, const struct insn *i, const union xmm *v, bool aligned)
{
    check_alignment(c, i, aligned);
    mem_write_bytes(c, i, (const void *)v, 16, 1);
}

#define DEF_SSE(name, statement) \
    OP(name)                     \
    {                            \
        SSE_ENTER;               \
        statement;               \
        NEXT;                    \
    }

/* --- moves --- */

DEF_SSE(mov_rr, XMM(i->reg) = XMM(i->rm))
DEF_SSE(mov_rr_back, XMM(i->rm) = XMM(i->reg))
DEF_SSE(load_a, XMM(i->reg) = xmm_read(c, i, true))
DEF_SSE(load_u, XMM(i->reg) = xmm_read(c, i, false))
DEF_SSE(store_a, xmm_write(c, i, &XMM(i->reg), true))
DEF_SSE(store_u, xmm_write(c, i, &XMM(i->reg), false))
HSET(movaps_load) = HSET_RM(mov_rr, load_a);
HSET(movaps_store) = HSET_RM(mov_rr_back, store_a);
HSET(movups_load) = HSET_RM(mov_rr, load_u);
HSET(movups_store) = HSET_RM(mov_rr_back, store_u);
HSET(movnt_store) = HSET_ALL(store_a);

DEF_SSE(movss_rr, XMM(i->reg).d[0] = XMM(i->rm).d[0])
DEF_SSE(movss_rr_back, XMM(i->rm).d[0] = XMM(i->reg).d[0])
DEF_SSE(movsd_rr, XMM(i->reg).q[0] = XMM(i->rm).q[0])
DEF_SSE(movsd_rr_back, XMM(i->rm).q[0] = XMM(i->reg).q[0])
DEF_SSE(load32z, XMM(i->reg) = ((union xmm){ .d = { mem_read32(c, i) } }))
DEF_SSE(load64z, XMM(i->reg) = ((union xmm){ .q = { mem_read64(c, i) } }))
DEF_SSE(store32_low, mem_write32(c, i, XMM(i->reg).d[0]))
DEF_SSE(store64_low, mem_write64(c, i, XMM(i->reg).q[0]))
HSET(movss_load) = HSET_RM(movss_rr, load32z);
HSET(movss_store) = HSET_RM(movss_rr_back, store32_low);
HSET(movsd_load) = HSET_RM(movsd_rr, load64z);
HSET(movsd_store) = HSET_RM(movsd_rr_back, store64_low);

DEF_SSE(load64_low, XMM(i->reg).q[0] = mem_read64(c, i))
DEF_SSE(load64_high, XMM(i->reg).q[1] = mem_read64(c, i))
DEF_SSE(store64_high, mem_write64(c, i, XMM(i->reg).q[1]))
DEF_SSE(movhlps, XMM(i->reg).q[0] = XMM(i->rm).q[1])
DEF_SSE(movlhps, XMM(i->reg).q[1] = XMM(i->rm).q[0])
HSET(movlps_load) = HSET_ALL(load64_low);
HSET(movlps_store) = HSET_ALL(store64_low);
HSET(movhps_load) = HSET_ALL(load64_high);
HSET(movhps_store) = HSET_ALL(store64_high);
HSET(movhlps) = HSET_ALL(movhlps);
HSET(movlhps) = HSET_ALL(movlhps);

DEF_SSE(movd_load_r, XMM(i->reg) = ((union xmm){ .d = { REG32(i->rm) } }))
DEF_SSE(movd_store_r, REG32(i->rm) = XMM(i->reg).d[0])
DEF_SSE(movq_rr, XMM(i->reg) = ((union xmm){ .q = { XMM(i->rm).q[0] } }))
DEF_SSE(movq_rr_back, XMM(i->rm) = ((union xmm){ .q = { XMM(i->reg).q[0] } }))
HSET(sse_movd_load) = HSET_RM(movd_load_r, load32z);
HSET(sse_movd_store) = HSET_RM(movd_store_r, store32_low);
HSET(sse_movq_load) = HSET_RM(movq_rr, load64z);
HSET(sse_movq_store) = HSET_RM(movq_rr_back, store64_low);

/* MOVNTI is an integer store: it needs neither OSFXSR nor a clear TS. */
OP(movnti)
{
    mem_write32(c, i, REG32(i->reg));
    NEXT;
}
HSET(movnti) = HSET_ALL(movnti);

OP(maskmovdqu)
{
    SSE_ENTER;
    for (unsigned k = 0; k < 16; k++)
        if (XMM(i->rm).b[k] & 0x80)
            seg_write8(c, i, i->seg, (c->r[EDI] + k) & i->amask, XMM(i->reg).b[k]);
    NEXT;
}
HSET(maskmovdqu) = HSET_ALL(maskmovdqu);

/* --- signs --- */

static inline uint32_t mask_ps(const union xmm *v)
{
    return v->d[0] >> 31 | v->d[1] >> 31 << 1 | v->d[2] >> 31 << 2 | v->d[3] >> 31 << 3;
}

static inline uint32_t mask_pd(const union xmm *v) { return (uint32_t)(v->q[0] >> 63 | v->q[1] >> 63 << 1); }

static inline uint32_t mask_b(const union xmm *v)
{
    uint32_t r = 0;

    for (unsigned k = 0; k < 16; k++)
        r |= (uint32_t)(v->b[k] >> 7) << k;
    return r;
}
DEF_SSE(movmskps, REG32(i->reg) = mask_ps(&XMM(i->rm)))
DEF_SSE(movmskpd, REG32(i->reg) = mask_pd(&XMM(i->rm)))
DEF_SSE(pmovmskb, REG32(i->reg) = mask_b(&XMM(i->rm)))
HSET(movmskps) = HSET_ALL(movmskps);
HSET(movmskpd) = HSET_ALL(movmskpd);
HSET(sse_pmovmskb) = HSET_ALL(pmovmskb);

/* --- d = d op s, 128 bits, aligned in memory --- */

#define DEF_BINARY(name)                                         \
    OP(name##_r)                                                 \
    {                                                            \
        union xmm d, s;                                          \
        SSE_ENTER;                                               \
        d = XMM(i->reg);                                         \
        s = XMM(i->rm);                                          \
        f_##name(&d, &s, 16);                                    \
        XMM(i->reg) = d;                                         \
        NEXT;                                                    \
    }                                                            \
    static void name##_m_do(struct cpu *c, const struct insn *i) \
    {                                                            \
        union xmm d, s = xmm_read(c, i, true);                   \
        d = XMM(i->reg);                                         \
        f_##name(&d, &s, 16);                                    \
        XMM(i->reg) = d;                                         \
    }                                                            \
    OP(name##_m)                                                 \
    {                                                            \
        SSE_ENTER;                                               \
        name##_m_do(c, i);                                       \
        NEXT;                                                    \
    }                                                            \
    HSET(sse_##name) = HSET_RM(name##_r, name##_m);

DEF_BINARY(punpcklbw)
DEF_BINARY(punpcklwd)
DEF_BINARY(punpckldq)
DEF_BINARY(punpcklqdq)
DEF_BINARY(punpckhbw)
DEF_BINARY(punpckhwd)
DEF_BINARY(punpckhdq)
DEF_BINARY(punpckhqdq)
DEF_BINARY(packsswb)
DEF_BINARY(packuswb)
DEF_BINARY(packssdw)
DEF_BINARY(pcmpeqb)
DEF_BINARY(pcmpeqw)
DEF_BINARY(pcmpeqd)
DEF_BINARY(pcmpgtb)
DEF_BINARY(pcmpgtw)
DEF_BINARY(pcmpgtd)
DEF_BINARY(paddb)
DEF_BINARY(paddw)
DEF_BINARY(paddd)
DEF_BINARY(paddq)
DEF_BINARY(psubb)
DEF_BINARY(psubw)
DEF_BINARY(psubd)
DEF_BINARY(psubq)
DEF_BINARY(paddsb)
DEF_BINARY(paddsw)
DEF_BINARY(paddusb)
DEF_BINARY(paddusw)
DEF_BINARY(psubsb)
DEF_BINARY(psubsw)
DEF_BINARY(psubusb)
DEF_BINARY(psubusw)
DEF_BINARY(pmullw)
DEF_BINARY(pmulhw)
DEF_BINARY(pmulhuw)
DEF_BINARY(pmuludq)
DEF_BINARY(pmaddwd)
DEF_BINARY(psadbw)
DEF_BINARY(pavgb)
DEF_BINARY(pavgw)
DEF_BINARY(pminub)
DEF_BINARY(pmaxub)
DEF_BINARY(pminsw)
DEF_BINARY(pmaxsw)
DEF_BINARY(pand)
DEF_BINARY(pandn)
DEF_BINARY(por)
DEF_BINARY(pxor)
DEF_BINARY(psrlw)
DEF_BINARY(psrld)
DEF_BINARY(psrlq)
DEF_BINARY(psllw)
DEF_BINARY(pslld)
DEF_BINARY(psllq)
DEF_BINARY(psraw)
DEF_BINARY(psrad)

/* Shifts by an immediate: the register is in ModRM.rm. */
#define DEF_SHIFT_IMM(name)                             \
    OP(sse_##name##_i)                                  \
    {                                                   \
        union xmm d, s = { .q = { i->imm & 0xff, 0 } }; \
        SSE_ENTER;                                      \
        d = XMM(i->rm);                                 \
        f_##name(&d, &s, 16);                           \
        XMM(i->rm) = d;                                 \
        NEXT;                                           \
    }                                                   \
    HSET(sse_##name##_i) = HSET_ALL(sse_##name##_i);
DEF_SHIFT_IMM(psrlw)
DEF_SHIFT_IMM(psrld)
DEF_SHIFT_IMM(psrlq)
DEF_SHIFT_IMM(psllw)
DEF_SHIFT_IMM(pslld)
DEF_SHIFT_IMM(psllq)
DEF_SHIFT_IMM(psraw)
DEF_SHIFT_IMM(psrad)

static inline union xmm shift_bytes(union xmm v, unsigned count, bool left)
{
    unsigned __int128 t = (unsigned __int128)v.q[1] << 64 | v.q[0];

    if (count > 15)
        t = 0;
    else
        t = left ? t << 8 * count : t >> 8 * count;
    v.q[0] = (uint64_t)t;
    v.q[1] = (uint64_t)(t >> 64);
    return v;
}
DEF_SSE(psrldq, XMM(i->rm) = shift_bytes(XMM(i->rm), i->imm & 0xff, false))
DEF_SSE(pslldq, XMM(i->rm) = shift_bytes(XMM(i->rm), i->imm & 0xff, true))
HSET(psrldq) = HSET_ALL(psrldq);
HSET(pslldq) = HSET_ALL(pslldq);

/* --- shuffles with an immediate --- */

static inline union xmm shuffle_d(union xmm d, union xmm s, unsigned o)
{
    (void)d;
    return (union xmm){ .d = { s.d[o & 3], s.d[o >> 2 & 3], s.d[o >> 4 & 3], s.d[o >> 6 & 3] } };
}

static inline union xmm shuffle_lw(union xmm d, union xmm s, unsigned o)
{
    d.q[1] = s.q[1];
    for (unsigned k = 0; k < 4; k++)
        d.w[k] = s.w[o >> 2 * k & 3];
    return d;
}

static inline union xmm shuffle_hw(union xmm d, union xmm s, unsigned o)
{
    d.q[0] = s.q[0];
    for (unsigned k = 0; k < 4; k++)
        d.w[4 + k] = s.w[4 + (o >> 2 * k & 3)];
    return d;
}

static inline union xmm shuffle_ps(union xmm d, union xmm s, unsigned o)
{
    return (union xmm){ .d = { d.d[o & 3], d.d[o >> 2 & 3], s.d[o >> 4 & 3], s.d[o >> 6 & 3] } };
}

static inline union xmm shuffle_pd(union xmm d, union xmm s, unsigned o)
{
    return (union xmm){ .q = { d.q[o & 1], s.q[o >> 1 & 1] } };
}

#define DEF_SHUFFLE(name, f)                                            \
    DEF_SSE(name##_r, XMM(i->reg) = f(XMM(i->reg), XMM(i->rm), i->imm)) \
    static void name##_m_do(struct cpu *c, const struct insn *i)        \
    {                                                                   \
        union xmm s = xmm_read(c, i, true);                             \
        XMM(i->reg) = f(XMM(i->reg), s, i->imm);                        \
    }                                                                   \
    DEF_SSE(name##_m, name##_m_do(c, i))                                \
    HSET(name) = HSET_RM(name##_r, name##_m);
DEF_SHUFFLE(pshufd, shuffle_d)
DEF_SHUFFLE(pshuflw, shuffle_lw)
DEF_SHUFFLE(pshufhw, shuffle_hw)
DEF_SHUFFLE(shufps, shuffle_ps)
DEF_SHUFFLE(shufpd, shuffle_pd)

DEF_SSE(pinsrw_r, XMM(i->reg).w[i->imm & 7] = (uint16_t)REG32(i->rm))
DEF_SSE(pinsrw_m, XMM(i->reg).w[i->imm & 7] = mem_read16(c, i))
DEF_SSE(pextrw, REG32(i->reg) = XMM(i->rm).w[i->imm & 7])
HSET(sse_pinsrw) = HSET_RM(pinsrw_r, pinsrw_m);
HSET(sse_pextrw) = HSET_ALL(pextrw);

/* --- MXCSR, fences, hints --- */

OP(ldmxcsr)
{
    uint32_t v;

    SSE_ENTER;
    v = mem_read32(c, i);
    if (v & ~MXCSR_MASK)
        RAISE_ERR(EXC_GP, 0);
    c->fpu.mxcsr = v;
    NEXT;
}
HSET(ldmxcsr) = HSET_ALL(ldmxcsr);

DEF_SSE(stmxcsr, mem_write32(c, i, c->fpu.mxcsr))
HSET(stmxcsr) = HSET_ALL(stmxcsr);

/* Fences and prefetches: memory here is already in order, and there is no cache. */
OP(simd_nop) { NEXT; }
HSET(simd_nop) = HSET_ALL(simd_nop);

/* CLFLUSH is checked like a load of one byte (SDM 2). */
OP(clflush)
{
    (void)mem_read8(c, i);
    NEXT;
}
HSET(clflush) = HSET_ALL(clflush);
