/* interp_sse_fp.c - SSE and SSE2 floating-point arithmetic, comparison and conversion.
 *
 * Two ways to the same result. The portable one computes each element with softfloat, collects the
 * exceptions and raises #XM before anything is written (SDM 1 11.5). On an x86-64 host, while all
 * exceptions are masked (as nearly always), the instruction itself is executed under the guest's
 * MXCSR, which takes the flags up by itself.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/simd.h"

#if HOST_FPU
typedef float hostv __attribute__((vector_size(16), may_alias));

static const uint32_t host_mxcsr = MXCSR_INIT;

static inline bool all_masked(const struct cpu *c) { return likely((c->fpu.mxcsr & MXCSR_MASKS) == MXCSR_MASKS); }

#define HOST_BINARY(text)                                                            \
    if (all_masked(c)) {                                                             \
        hostv x = *(const hostv *)d, y = *(const hostv *)s;                          \
        __asm__ volatile("ldmxcsr %1\n\t" text " %3, %0\n\tstmxcsr %1\n\tldmxcsr %2" \
                         : "+x"(x), "+m"(c->fpu.mxcsr)                               \
                         : "m"(host_mxcsr), "x"(y));                                 \
        *(hostv *)d = x;                                                             \
        return;                                                                      \
    }
#define HOST_CASE(n, text) \
    case n: HOST_BINARY(text) break;
/* clang-format off */
#define HOST_COMPARE(name)           \
    switch (i->imm & 7) {            \
        HOST_CASE(0, name " $0,")    \
        HOST_CASE(1, name " $1,")    \
        HOST_CASE(2, name " $2,")    \
        HOST_CASE(3, name " $3,")    \
        HOST_CASE(4, name " $4,")    \
        HOST_CASE(5, name " $5,")    \
        HOST_CASE(6, name " $6,")    \
        HOST_CASE(7, name " $7,")    \
    }
/* clang-format on */
#define HOST_FLAGS(text)                                                                   \
    if (all_masked(c)) {                                                                   \
        hostv x = *(const hostv *)d, y = *(const hostv *)s;                                \
        bool zf, pf, cf;                                                                   \
        __asm__ volatile("ldmxcsr %3\n\t" text " %6, %5\n\tstmxcsr %3\n\tldmxcsr %4"       \
                         : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf), "+m"(c->fpu.mxcsr)       \
                         : "m"(host_mxcsr), "x"(x), "x"(y));                               \
        lf_set_all(c, (zf ? EFLAGS_ZF : 0) | (pf ? EFLAGS_PF : 0) | (cf ? EFLAGS_CF : 0)); \
        return;                                                                            \
    }
#define HOST_TO_INT(text)                                                            \
    if (all_masked(c)) {                                                             \
        hostv y = *(const hostv *)s;                                                 \
        uint32_t r;                                                                  \
        __asm__ volatile("ldmxcsr %1\n\t" text " %3, %0\n\tstmxcsr %1\n\tldmxcsr %2" \
                         : "=r"(r), "+m"(c->fpu.mxcsr)                               \
                         : "m"(host_mxcsr), "x"(y));                                 \
        REG32(i->reg) = r;                                                           \
        return;                                                                      \
    }
#else
#define HOST_BINARY(text)
#define HOST_COMPARE(name)
#define HOST_FLAGS(text)
#define HOST_TO_INT(text)
#endif

/* --- the portable way, lane by lane --- */

typedef uint32_t op32(struct sf *s, uint32_t a, uint32_t b);
typedef uint64_t op64(struct sf *s, uint64_t a, uint64_t b);

static __attribute__((noinline)) void lanes32(struct cpu *c, const struct insn *i, union xmm *d, const union xmm *s,
                                              op32 *op, unsigned lanes)
{
    struct sf sf = sse_sf(c);
    union xmm r = *d;

    for (unsigned k = 0; k < lanes; k++)
        r.d[k] = op(&sf, d->d[k], s->d[k]);
    sse_done(c, i, &sf);
    *d = r;
}

static __attribute__((noinline)) void lanes64(struct cpu *c, const struct insn *i, union xmm *d, const union xmm *s,
                                              op64 *op, unsigned lanes)
{
    struct sf sf = sse_sf(c);
    union xmm r = *d;

    for (unsigned k = 0; k < lanes; k++)
        r.q[k] = op(&sf, d->q[k], s->q[k]);
    sse_done(c, i, &sf);
    *d = r;
}

/* Predicates of CMPccPS (SDM 2, table 3-1): 1, 2, 5, 6 signal on a quiet NaN too. */
static bool predicate(enum sf_order o, unsigned p)
{
    bool r = (p & 3) == 0   ? o == SF_EQUAL
             : (p & 3) == 1 ? o == SF_LESS
             : (p & 3) == 2 ? o == SF_LESS || o == SF_EQUAL
                            : o == SF_UNORDERED;

    return r != (p >> 2 & 1);
}

static bool signals(unsigned p) { return (p & 3) == 1 || (p & 3) == 2; }

static void compare32(struct cpu *c, const struct insn *i, union xmm *d, const union xmm *s, unsigned lanes)
{
    struct sf sf = sse_sf(c);
    unsigned p = i->imm & 7;
    union xmm r = *d;

    for (unsigned k = 0; k < lanes; k++) {
        enum sf_order o = f32_compare(&sf, d->d[k], s->d[k], signals(p));
        r.d[k] = predicate(o, p) ? 0xffffffffu : 0;
    }
    sse_done(c, i, &sf);
    *d = r;
}

static void compare64(struct cpu *c, const struct insn *i, union xmm *d, const union xmm *s, unsigned lanes)
{
    struct sf sf = sse_sf(c);
    unsigned p = i->imm & 7;
    union xmm r = *d;

    for (unsigned k = 0; k < lanes; k++) {
        enum sf_order o = f64_compare(&sf, d->q[k], s->q[k], signals(p));
        r.q[k] = predicate(o, p) ? ~(uint64_t)0 : 0;
    }
    sse_done(c, i, &sf);
    *d = r;
}

static void set_order(struct cpu *c, const struct insn *i, struct sf *sf, enum sf_order o)
{
    static const uint32_t flags[4] = { EFLAGS_CF, EFLAGS_ZF, 0, EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF };

    sse_done(c, i, sf);
    lf_set_all(c, flags[o]);
}

/* --- handlers: work(c, i, d, s) on XMM(reg) and the other operand --- */

#define READ_x(s) (s) = xmm_read(c, i, true)
#define READ_q(s) (s) = ((union xmm){ .q = { mem_read64(c, i) } })
#define READ_d(s) (s) = ((union xmm){ .d = { mem_read32(c, i) } })

/* size: x 128 bits aligned, q 64, d 32 in memory */
#define DEF_FP(name, size, ...)                                                                        \
    static __attribute__((noinline)) void name##_do(struct cpu *c, const struct insn *i, union xmm *d, \
                                                    const union xmm *s){ __VA_ARGS__ } OP(name##_r)    \
    {                                                                                                  \
        SSE_ENTER;                                                                                     \
        name##_do(c, i, &XMM(i->reg), &XMM(i->rm));                                                    \
        NEXT;                                                                                          \
    }                                                                                                  \
    static __attribute__((noinline)) void name##_m_do(struct cpu *c, const struct insn *i)             \
    {                                                                                                  \
        union xmm s;                                                                                   \
        READ_##size(s);                                                                                \
        name##_do(c, i, &XMM(i->reg), &s);                                                             \
    }                                                                                                  \
    OP(name##_m)                                                                                       \
    {                                                                                                  \
        SSE_ENTER;                                                                                     \
        name##_m_do(c, i);                                                                             \
        NEXT;                                                                                          \
    }                                                                                                  \
    HSET(name) = HSET_RM(name##_r, name##_m);

#define DEF_ARITH(op)                                                          \
    DEF_FP(op##ps, x, HOST_BINARY(#op "ps") lanes32(c, i, d, s, f32_##op, 4);) \
    DEF_FP(op##pd, x, HOST_BINARY(#op "pd") lanes64(c, i, d, s, f64_##op, 2);) \
    DEF_FP(op##ss, d, HOST_BINARY(#op "ss") lanes32(c, i, d, s, f32_##op, 1);) \
    DEF_FP(op##sd, q, HOST_BINARY(#op "sd") lanes64(c, i, d, s, f64_##op, 1);)
DEF_ARITH(add)
DEF_ARITH(sub)
DEF_ARITH(mul)
DEF_ARITH(div)
DEF_ARITH(min)
DEF_ARITH(max)
DEF_ARITH(sqrt)

DEF_FP(cmpps, x, HOST_COMPARE("cmpps") compare32(c, i, d, s, 4);)
DEF_FP(cmppd, x, HOST_COMPARE("cmppd") compare64(c, i, d, s, 2);)
DEF_FP(cmpss, d, HOST_COMPARE("cmpss") compare32(c, i, d, s, 1);)
DEF_FP(cmpsd, q, HOST_COMPARE("cmpsd") compare64(c, i, d, s, 1);)

#define DEF_ORDER(name, size, member, bits, signaling)                                       \
    DEF_FP(                                                                                  \
        name, size, HOST_FLAGS(#name) {                                                      \
            struct sf sf = sse_sf(c);                                                        \
            enum sf_order o = f##bits##_compare(&sf, d->member[0], s->member[0], signaling); \
            set_order(c, i, &sf, o);                                                         \
        })
DEF_ORDER(comiss, d, d, 32, true)
DEF_ORDER(comisd, q, q, 64, true)
DEF_ORDER(ucomiss, d, d, 32, false)
DEF_ORDER(ucomisd, q, q, 64, false)

/* --- reciprocals: 12 bits, no exceptions, MXCSR is not looked at but for DAZ --- */

#if HOST_FPU
#define DEF_APPROX(name, fn, lanes, size) DEF_FP(name, size, (void)i; host_approx_##name(c, d, s);)
#define HOST_APPROX(name)                                                           \
    static void host_approx_##name(struct cpu *c, union xmm *d, const union xmm *s) \
    {                                                                               \
        hostv x = *(const hostv *)d, y = *(const hostv *)s;                         \
        __asm__ volatile("ldmxcsr %1\n\t" #name " %3, %0\n\tldmxcsr %2"             \
                         : "+x"(x)                                                  \
                         : "m"(c->fpu.mxcsr), "m"(host_mxcsr), "x"(y));             \
        *(hostv *)d = x;                                                            \
    }
HOST_APPROX(rcpps)
HOST_APPROX(rcpss)
HOST_APPROX(rsqrtps)
HOST_APPROX(rsqrtss)
#else
/* Real CPUs take these from tables that differ from model to model; ours is the correctly rounded
 * value cut to 12 bits. Denormal operands count as zero, tiny results are zero. */
static struct sf approx_env(void) { return (struct sf){ .masks = 0x3f, .daz = true, .ftz = true }; }

static uint32_t cut(uint32_t v) { return (v & 0x7f800000) == 0x7f800000 ? v : (v + 0x400) & ~0x7ffu; }

static uint32_t approx_rcp(uint32_t a)
{
    struct sf sf = approx_env();

    /* tiny results are zero (SDM 2B, RCPPS): from 2^126 on, on Intel's CPUs */
    if ((a & 0x7fffffff) >= 0x7e800000 && (a & 0x7fffffff) <= 0x7f800000)
        return a & 0x80000000;
    return cut(f32_div(&sf, 0x3f800000, a));
}

static uint32_t approx_rsqrt(uint32_t a)
{
    struct sf sf = approx_env();
    uint32_t r;

    if (!(a & 0x7f800000)) /* zero or denormal */
        return (a & 0x80000000) | 0x7f800000;
    r = f32_sqrt(&sf, 0, a);
    return (r & 0x7fffffff) > 0x7f800000 ? r : cut(f32_div(&sf, 0x3f800000, r));
}
#define DEF_APPROX(name, fn, lanes, size) \
    DEF_FP(name, size, (void)c; (void)i; for (unsigned k = 0; k < lanes; k++) d->d[k] = fn(s->d[k]);)
#endif
DEF_APPROX(rcpps, approx_rcp, 4, x)
DEF_APPROX(rcpss, approx_rcp, 1, d)
DEF_APPROX(rsqrtps, approx_rsqrt, 4, x)
DEF_APPROX(rsqrtss, approx_rsqrt, 1, d)

/* --- bitwise logic and unpacking: as the integer forms --- */

#define DEF_BITS(name, f) DEF_FP(name, x, (void)c; (void)i; f(d, s, 16);)
DEF_BITS(andps, f_pand)
DEF_BITS(andnps, f_pandn)
DEF_BITS(orps, f_por)
DEF_BITS(xorps, f_pxor)
DEF_BITS(unpcklps, f_punpckldq)
DEF_BITS(unpckhps, f_punpckhdq)
DEF_BITS(unpcklpd, f_punpcklqdq)
DEF_BITS(unpckhpd, f_punpckhqdq)

/* --- conversions between XMM registers --- */

#define CONVERT(n, dst, expr, finish)            \
    struct sf sf = sse_sf(c);                    \
    union xmm r = finish;                        \
    for (unsigned k = 0; k < (n); k++)           \
        r.dst[k] = (__typeof__(r.dst[0]))(expr); \
    sse_done(c, i, &sf);                         \
    *d = r;
#define ZERO_REST ((union xmm){ .q = { 0, 0 } })
#define KEEP_REST (*d)

DEF_FP(cvtdq2ps, x, HOST_BINARY("cvtdq2ps") CONVERT(4, d, f32_from_i32(&sf, (int32_t)s->d[k]), ZERO_REST))
DEF_FP(cvtps2dq, x, HOST_BINARY("cvtps2dq") CONVERT(4, d, f32_to_i32(&sf, s->d[k], sf.rc), ZERO_REST))
DEF_FP(cvttps2dq, x, HOST_BINARY("cvttps2dq") CONVERT(4, d, f32_to_i32(&sf, s->d[k], RC_ZERO), ZERO_REST))
DEF_FP(cvtdq2pd, q, HOST_BINARY("cvtdq2pd") CONVERT(2, q, f64_from_i32(&sf, (int32_t)s->d[k]), ZERO_REST))
DEF_FP(cvtpd2dq, x, HOST_BINARY("cvtpd2dq") CONVERT(2, d, f64_to_i32(&sf, s->q[k], sf.rc), ZERO_REST))
DEF_FP(cvttpd2dq, x, HOST_BINARY("cvttpd2dq") CONVERT(2, d, f64_to_i32(&sf, s->q[k], RC_ZERO), ZERO_REST))
DEF_FP(cvtps2pd, q, HOST_BINARY("cvtps2pd") CONVERT(2, q, f32_to_f64(&sf, s->d[k]), ZERO_REST))
DEF_FP(cvtpd2ps, x, HOST_BINARY("cvtpd2ps") CONVERT(2, d, f64_to_f32(&sf, s->q[k]), ZERO_REST))
DEF_FP(cvtss2sd, d, HOST_BINARY("cvtss2sd") CONVERT(1, q, f32_to_f64(&sf, s->d[k]), KEEP_REST))
DEF_FP(cvtsd2ss, q, HOST_BINARY("cvtsd2ss") CONVERT(1, d, f64_to_f32(&sf, s->q[k]), KEEP_REST))

/* --- to and from general registers --- */

#define DEF_TO_INT(name, size, member, bits, rc)                 \
    DEF_FP(                                                      \
        name, size, (void)d; HOST_TO_INT(#name) {                \
            struct sf sf = sse_sf(c);                            \
            int32_t v = f##bits##_to_i32(&sf, s->member[0], rc); \
            sse_done(c, i, &sf);                                 \
            REG32(i->reg) = (uint32_t)v;                         \
        })
DEF_TO_INT(cvtss2si, d, d, 32, sf.rc)
DEF_TO_INT(cvttss2si, d, d, 32, RC_ZERO)
DEF_TO_INT(cvtsd2si, q, q, 64, sf.rc)
DEF_TO_INT(cvttsd2si, q, q, 64, RC_ZERO)

static __attribute__((noinline)) void from_int32(struct cpu *c, const struct insn *i, uint32_t v)
{
    struct sf sf = sse_sf(c);
    uint32_t r = f32_from_i32(&sf, (int32_t)v);

    sse_done(c, i, &sf);
    XMM(i->reg).d[0] = r;
}

static void from_int64(struct cpu *c, const struct insn *i, uint32_t v)
{
#if HOST_FPU
    double r = (int32_t)v; /* exact */

    memcpy(&XMM(i->reg).q[0], &r, 8);
#else
    struct sf sf = sse_sf(c);

    XMM(i->reg).q[0] = f64_from_i32(&sf, (int32_t)v);
#endif
}

#define DEF_FROM_INT(name, f)      \
    OP(name##_r)                   \
    {                              \
        SSE_ENTER;                 \
        f(c, i, REG32(i->rm));     \
        NEXT;                      \
    }                              \
    OP(name##_m)                   \
    {                              \
        SSE_ENTER;                 \
        f(c, i, mem_read32(c, i)); \
        NEXT;                      \
    }                              \
    HSET(name) = HSET_RM(name##_r, name##_m);
DEF_FROM_INT(cvtsi2ss, from_int32)
DEF_FROM_INT(cvtsi2sd, from_int64)

/* --- to and from MMX registers --- */

#define SSE_MMX_ENTER \
    do {              \
        SSE_ENTER;    \
        MMX_ENTER;    \
    } while (0)

static __attribute__((noinline)) void pi_to_ps(struct cpu *c, const struct insn *i, uint64_t v)
{
    struct sf sf = sse_sf(c);
    uint32_t lo = f32_from_i32(&sf, (int32_t)v), hi = f32_from_i32(&sf, (int32_t)(v >> 32));

    sse_done(c, i, &sf);
    XMM(i->reg).d[0] = lo;
    XMM(i->reg).d[1] = hi;
}

OP(cvtpi2ps_r)
{
    SSE_MMX_ENTER;
    mmx_use(c); /* #XM comes after the transition */
    pi_to_ps(c, i, MM(i->rm));
    NEXT;
}

/* With a memory operand no MMX register is involved. */
OP(cvtpi2ps_m)
{
    SSE_ENTER;
    pi_to_ps(c, i, mem_read64(c, i));
    NEXT;
}
HSET(cvtpi2ps) = HSET_RM(cvtpi2ps_r, cvtpi2ps_m);

static __attribute__((noinline)) void pi_to_pd(struct cpu *c, const struct insn *i, uint64_t v)
{
    struct sf sf = sse_sf(c);

    XMM(i->reg).q[0] = f64_from_i32(&sf, (int32_t)v);
    XMM(i->reg).q[1] = f64_from_i32(&sf, (int32_t)(v >> 32));
}

OP(cvtpi2pd_r)
{
    SSE_MMX_ENTER;
    pi_to_pd(c, i, MM(i->rm));
    mmx_use(c);
    NEXT;
}

OP(cvtpi2pd_m)
{
    SSE_ENTER;
    pi_to_pd(c, i, mem_read64(c, i));
    NEXT;
}
HSET(cvtpi2pd) = HSET_RM(cvtpi2pd_r, cvtpi2pd_m);

#define DEF_TO_MMX(name, size, member, bits, mode)                                                           \
    static __attribute__((noinline)) void name##_do(struct cpu *c, const struct insn *i, const union xmm *s) \
    {                                                                                                        \
        struct sf sf = sse_sf(c);                                                                            \
        uint32_t lo = (uint32_t)f##bits##_to_i32(&sf, s->member[0], mode);                                   \
        uint32_t hi = (uint32_t)f##bits##_to_i32(&sf, s->member[1], mode);                                   \
        mmx_use(c); /* #XM comes after the transition */                                                     \
        sse_done(c, i, &sf);                                                                                 \
        mmx_set(c, i->reg, (uint64_t)hi << 32 | lo);                                                         \
    }                                                                                                        \
    OP(name##_r)                                                                                             \
    {                                                                                                        \
        SSE_MMX_ENTER;                                                                                       \
        name##_do(c, i, &XMM(i->rm));                                                                        \
        NEXT;                                                                                                \
    }                                                                                                        \
    static __attribute__((noinline)) void name##_m_do(struct cpu *c, const struct insn *i)                   \
    {                                                                                                        \
        union xmm s;                                                                                         \
        READ_##size(s);                                                                                      \
        name##_do(c, i, &s);                                                                                 \
    }                                                                                                        \
    OP(name##_m)                                                                                             \
    {                                                                                                        \
        SSE_MMX_ENTER;                                                                                       \
        name##_m_do(c, i);                                                                                   \
        NEXT;                                                                                                \
    }                                                                                                        \
    HSET(name) = HSET_RM(name##_r, name##_m);
DEF_TO_MMX(cvtps2pi, q, d, 32, sf.rc)
DEF_TO_MMX(cvttps2pi, q, d, 32, RC_ZERO)
DEF_TO_MMX(cvtpd2pi, x, q, 64, sf.rc)
DEF_TO_MMX(cvttpd2pi, x, q, 64, RC_ZERO)
