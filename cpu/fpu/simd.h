/* fpu_simd.h - packed integer operations for MMX and SSE2 alike, and 128-bit memory operands.
 *
 * Each f_name(d, s, n) does d = d op s on the first n bytes (8 for MMX, 16 for XMM; always a
 * constant, so that the compiler unrolls and vectorises the loops).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_FPU_SIMD_H
#define CPU_FPU_SIMD_H

#include "cpu/fpu/fpu_int.h"

#define XMM(n) (c->fpu.xmm[n])
#define MM(n)  (c->fpu.r[n].m)

/* --- 128-bit memory operands; `aligned`: #GP(0) if not on 16 bytes --- */

void xmm_read_slow(struct cpu *c, const struct insn *i, union xmm *v, bool aligned);
void xmm_write_slow(struct cpu *c, const struct insn *i, const union xmm *v, bool aligned);

static inline union xmm xmm_read(struct cpu *c, const struct insn *i, bool aligned)
{
    gla_t la = seg_linear(c, i, i->seg, ea(c, i), 16, false);
    const struct tlb_entry *e = TLB_R(la);
    union xmm v;

    if (TLB_HIT(e->tag, la, 16) && !(aligned && (la & 15)))
        memcpy(&v, (const void *)(e->addend + la), 16);
    else
        xmm_read_slow(c, i, &v, aligned);
    return v;
}

static inline void xmm_write(struct cpu *c, const struct insn *i, const union xmm *v, bool aligned)
{
    gla_t la = seg_linear(c, i, i->seg, ea(c, i), 16, true);
    const struct tlb_entry *e = TLB_W(la);

    if (TLB_HIT(e->tag, la, 16) && !(aligned && (la & 15)))
        memcpy((void *)(e->addend + la), v, 16);
    else
        xmm_write_slow(c, i, v, aligned);
}

/* --- MMX entry and end --- */

#define MMX_ENTER                      \
    do {                               \
        if (unlikely(x87_busy(c))) {   \
            mmx_stall_check(c, i);     \
            if (x87_stall_error(c, i)) \
                return;                \
        }                              \
    } while (0)

/* Every MMX instruction but EMMS (SDM 1 9.5.1). */
static inline void mmx_use(struct cpu *c)
{
    c->fpu.top = 0;
    c->fpu.empty = 0;
}

static inline void mmx_set(struct cpu *c, unsigned n, uint64_t v)
{
    c->fpu.r[n].m = v;
    c->fpu.r[n].se = 0xffff;
}

/* --- lanes --- */

#define DEF_LANE(name, m, expr)                                               \
    static inline void f_##name(union xmm *d, const union xmm *s, unsigned n) \
    {                                                                         \
        for (unsigned k = 0; k < n / sizeof d->m[0]; k++) {                   \
            __typeof__(d->m[0]) a = d->m[k], b = s->m[k];                     \
            d->m[k] = (__typeof__(d->m[0]))(expr);                            \
        }                                                                     \
    }

#define S8(v)            ((int8_t)(v))
#define S16(v)           ((int16_t)(v))
#define S32(v)           ((int32_t)(v))
#define CLAMP(v, lo, hi) ((v) < (lo) ? (lo) : (v) > (hi) ? (hi) : (v))

DEF_LANE(paddb, b, a + b)
DEF_LANE(paddw, w, a + b)
DEF_LANE(paddd, d, a + b)
DEF_LANE(paddq, q, a + b)
DEF_LANE(psubb, b, a - b)
DEF_LANE(psubw, w, a - b)
DEF_LANE(psubd, d, a - b)
DEF_LANE(psubq, q, a - b)
DEF_LANE(paddsb, b, CLAMP(S8(a) + S8(b), -128, 127))
DEF_LANE(paddsw, w, CLAMP(S16(a) + S16(b), -32768, 32767))
DEF_LANE(psubsb, b, CLAMP(S8(a) - S8(b), -128, 127))
DEF_LANE(psubsw, w, CLAMP(S16(a) - S16(b), -32768, 32767))
DEF_LANE(paddusb, b, a + b > 255 ? 255 : a + b)
DEF_LANE(paddusw, w, a + b > 65535 ? 65535 : a + b)
DEF_LANE(psubusb, b, a > b ? a - b : 0)
DEF_LANE(psubusw, w, a > b ? a - b : 0)
DEF_LANE(pcmpeqb, b, a == b ? 0xff : 0)
DEF_LANE(pcmpeqw, w, a == b ? 0xffff : 0)
DEF_LANE(pcmpeqd, d, a == b ? 0xffffffff : 0)
DEF_LANE(pcmpgtb, b, S8(a) > S8(b) ? 0xff : 0)
DEF_LANE(pcmpgtw, w, S16(a) > S16(b) ? 0xffff : 0)
DEF_LANE(pcmpgtd, d, S32(a) > S32(b) ? 0xffffffff : 0)
DEF_LANE(pmullw, w, (uint32_t)a *b)
DEF_LANE(pmulhw, w, S16(a) * S16(b) >> 16)
DEF_LANE(pmulhuw, w, (uint32_t)a *b >> 16)
DEF_LANE(pmuludq, q, (a & 0xffffffff) * (b & 0xffffffff))
DEF_LANE(pmaddwd, d, (uint32_t)(S16(a) * S16(b)) + (uint32_t)(S16(a >> 16) * S16(b >> 16)))
DEF_LANE(pavgb, b, (a + b + 1) >> 1)
DEF_LANE(pavgw, w, (a + b + 1) >> 1)
DEF_LANE(pminub, b, a < b ? a : b)
DEF_LANE(pmaxub, b, a > b ? a : b)
DEF_LANE(pminsw, w, S16(a) < S16(b) ? a : b)
DEF_LANE(pmaxsw, w, S16(a) > S16(b) ? a : b)
DEF_LANE(pand, q, (a & b))
DEF_LANE(pandn, q, (~a & b))
DEF_LANE(por, q, a | b)
DEF_LANE(pxor, q, a ^ b)

static inline void f_psadbw(union xmm *d, const union xmm *s, unsigned n)
{
    for (unsigned k = 0; k < n / 8; k++) {
        unsigned sum = 0;
        for (unsigned j = 8 * k; j < 8 * k + 8; j++)
            sum += d->b[j] > s->b[j] ? d->b[j] - s->b[j] : s->b[j] - d->b[j];
        d->q[k] = sum;
    }
}

/* Shifts by the count in the low quadword of s. */
#define DEF_SHIFT(name, m, bits, expr, big)                                   \
    static inline void f_##name(union xmm *d, const union xmm *s, unsigned n) \
    {                                                                         \
        unsigned count = s->q[0] < bits ? (unsigned)s->q[0] : bits;           \
        for (unsigned k = 0; k < n / sizeof d->m[0]; k++) {                   \
            __typeof__(d->m[0]) a = d->m[k];                                  \
            d->m[k] = (__typeof__(d->m[0]))(count < bits ? (expr) : (big));   \
        }                                                                     \
    }
DEF_SHIFT(psrlw, w, 16, a >> count, 0)
DEF_SHIFT(psrld, d, 32, a >> count, 0)
DEF_SHIFT(psrlq, q, 64, a >> count, 0)
DEF_SHIFT(psllw, w, 16, a << count, 0)
DEF_SHIFT(pslld, d, 32, a << count, 0)
DEF_SHIFT(psllq, q, 64, a << count, 0)
DEF_SHIFT(psraw, w, 16, S16(a) >> count, S16(a) >> 15)
DEF_SHIFT(psrad, d, 32, S32(a) >> count, S32(a) >> 31)

/* Interleave the low or the high halves. */
#define DEF_UNPACK(name, m, high)                                               \
    static inline void f_##name(union xmm *d, const union xmm *s, unsigned n)   \
    {                                                                           \
        const unsigned half = n / sizeof d->m[0] / 2, from = (high) ? half : 0; \
        union xmm t;                                                            \
        t.q[0] = t.q[1] = 0;                                                    \
        for (unsigned k = 0; k < half; k++) {                                   \
            t.m[2 * k] = d->m[from + k];                                        \
            t.m[2 * k + 1] = s->m[from + k];                                    \
        }                                                                       \
        *d = t;                                                                 \
    }
DEF_UNPACK(punpcklbw, b, 0)
DEF_UNPACK(punpcklwd, w, 0)
DEF_UNPACK(punpckldq, d, 0)
DEF_UNPACK(punpcklqdq, q, 0)
DEF_UNPACK(punpckhbw, b, 1)
DEF_UNPACK(punpckhwd, w, 1)
DEF_UNPACK(punpckhdq, d, 1)
DEF_UNPACK(punpckhqdq, q, 1)

#define DEF_PACK(name, to, from, v, lo, hi)                                   \
    static inline void f_##name(union xmm *d, const union xmm *s, unsigned n) \
    {                                                                         \
        const unsigned count = n / sizeof d->from[0];                         \
        union xmm t;                                                          \
        t.q[0] = t.q[1] = 0;                                                  \
        for (unsigned k = 0; k < count; k++) {                                \
            int a = v(d->from[k]), b = v(s->from[k]);                         \
            t.to[k] = (__typeof__(t.to[0]))CLAMP(a, lo, hi);                  \
            t.to[count + k] = (__typeof__(t.to[0]))CLAMP(b, lo, hi);          \
        }                                                                     \
        *d = t;                                                               \
    }
DEF_PACK(packsswb, b, w, S16, -128, 127)
DEF_PACK(packuswb, b, w, S16, 0, 255)
DEF_PACK(packssdw, w, d, S32, -32768, 32767)

#endif
