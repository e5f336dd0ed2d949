/* fpu_trans.c - the transcendental x87 instructions.
 *
 * On an x86-64 host the host's FPU executes the instruction on a copy of the guest's whole register
 * stack, control word included (FRSTOR, the instruction, FNSAVE: the last one does not trap, so
 * unmasked exceptions are taken from the hardware too). The state after it is then the guest's.
 * Elsewhere they are power series in our own arithmetic, good to a few units in the last place
 * (real FPUs are within one); the exceptions and special cases are those of the SDM.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/fpu_int.h"

enum { F2XM1 = 0xf0, FYL2X, FPTAN, FPATAN, FYL2XP1 = 0xf9, FSINCOS = 0xfb, FSIN = 0xfe, FCOS };

#if HOST_FPU

/* The 108-byte image of FNSAVE, 32-bit protected mode format. */
struct host_image {
    uint32_t cw, sw, tw, fip, fcs, fdp, fds;
    uint8_t st[80];
} __attribute__((packed));

#define HOST_RUN(insn)                                    \
    __asm__ volatile("frstor %0\n\t" insn "\n\tfnsave %0" \
                     : "+m"(m)                            \
                     :                                    \
                     : "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)")

void x87_transcendental(struct cpu *c, unsigned modrm)
{
    struct host_image m = { .cw = 0xffff0000u | c->fpu.cw };
    uint16_t old = c->fpu.sw;

    /* Without the guest's exceptions: a pending one would trap here. */
    m.sw = 0xffff0000u | (fpu_status(c) & (SW_CC | SW_TOP));
    m.tw = 0xffff0000u | fpu_tag_word(c);
    for (unsigned n = 0; n < 8; n++) {
        memcpy(m.st + 10 * n, &ST(n).m, 8);
        memcpy(m.st + 10 * n + 8, &ST(n).se, 2);
    }
    switch (modrm) {
    case F2XM1: HOST_RUN("f2xm1"); break;
    case FYL2X: HOST_RUN("fyl2x"); break;
    case FPTAN: HOST_RUN("fptan"); break;
    case FPATAN: HOST_RUN("fpatan"); break;
    case FYL2XP1: HOST_RUN("fyl2xp1"); break;
    case FSINCOS: HOST_RUN("fsincos"); break;
    case FSIN: HOST_RUN("fsin"); break;
    case FCOS: HOST_RUN("fcos"); break;
    }
    fpu_set_status(c, (uint16_t)m.sw);
    fpu_set_tag_word(c, (uint16_t)m.tw);
    for (unsigned n = 0; n < 8; n++) {
        memcpy(&ST(n).m, m.st + 10 * n, 8);
        memcpy(&ST(n).se, m.st + 10 * n + 8, 2);
    }
    c->fpu.sw |= old & (CW_MASKS | SW_SF | SW_ES | SW_B);
}

#else

typedef unsigned __int128 u128;

#define TOP   0x8000000000000000u

/* Intermediate results: 64 bits, and exponents that do not end. */
static const struct sf_fmt wide = { 64, -1000000, 1000000, 0 };
#define FMT   (&wide)

static const struct sfn one = { TOP, 0, SFC_NORM, false, false };
static const struct sfn ln2 = { 0xb17217f7d1cf79abu, -1, SFC_NORM, false, false };
static const struct sfn ln2_low = { 0xe4f1d9cc01f97b58u, -66, SFC_NORM, false, false };
static const struct sfn pi = { 0xc90fdaa22168c234u, 1, SFC_NORM, false, false };
static const struct sfn pi_low = { 0xc4c6628b80dc1cd1u, -63, SFC_NORM, false, false };

/* Quiet arithmetic for intermediate results: to nearest, 64 bits, nothing reported. */
#define QUIET (&(struct sf){ .masks = 0x3f, .prec = 64, .x87 = true })
static struct sfn add(struct sfn a, struct sfn b) { return sf_add(QUIET, a, b, FMT); }
static struct sfn sub(struct sfn a, struct sfn b) { return sf_sub(QUIET, a, b, FMT); }
static struct sfn mul(struct sfn a, struct sfn b) { return sf_mul(QUIET, a, b, FMT); }
static struct sfn quo(struct sfn a, struct sfn b) { return sf_div(QUIET, a, b, FMT); }
static struct sfn root(struct sfn a) { return sf_sqrt(QUIET, a, FMT); }

static struct sfn scaled(struct sfn a, int n)
{
    a.exp += n;
    return a;
}

static struct sfn negated(struct sfn a)
{
    a.sign = !a.sign;
    return a;
}

/* (e^x - 1) / x, |x| < 0.7 */
static struct sfn exp_series(struct sfn x)
{
    struct sfn r = one;

    for (int n = 26; n > 1; n--)
        r = add(one, mul(r, quo(x, sf_from_int(n))));
    return r;
}

/* atanh(t) / t (sign 1) or atan(t) / t (sign -1) */
static struct sfn atan_series(struct sfn t, bool minus)
{
    struct sfn t2 = mul(t, t), r = { 0 };

    if (minus)
        t2 = negated(t2);
    for (int n = 57; n >= 1; n -= 2)
        r = add(quo(one, sf_from_int(n)), mul(r, t2));
    return r;
}

/* sin(x) / x (from 1) or cos(x) (from 0), |x| < 0.8 */
static struct sfn sin_series(struct sfn x, int from)
{
    struct sfn sq = negated(mul(x, x)), r = one;

    for (int n = 26 + from; n > from; n -= 2)
        r = add(one, mul(r, quo(sq, sf_from_int((int64_t)n * (n - 1)))));
    return r;
}

/* x times 1/ln 2, to a little more than 64 bits */
static struct sfn per_ln2(struct sfn x)
{
    struct sfn q = quo(x, ln2);

    return sub(q, quo(mul(q, ln2_low), ln2));
}

static struct sfn log2p1(struct sfn t) /* log2(1 + x), t = x / (2 + x) */
{
    return per_ln2(scaled(mul(t, atan_series(t, false)), 1));
}

static struct sfn log2_of(struct sfn x)
{
    int e = x.exp;
    struct sfn m = x;

    m.exp = 0;
    if (m.sig > 0xb504f333f9de6484u) {
        m.exp = -1;
        e++;
    }
    if (m.exp == 0 && m.sig == TOP)
        return sf_from_int(e);
    return add(sf_from_int(e), log2p1(quo(sub(m, one), add(m, one))));
}

/* |x| mod pi/2 with pi cut to 66 bits, as Intel's FPUs do; *quadrant counts. */
static struct sfn reduce(struct sfn x, unsigned *quadrant)
{
    /* pi/2 * 2^65 = C90FDAA2 2168C234 C, x * 2^65 */
    const u128 p = (u128)0xc90fdaa22168c234u << 2 | 3;
    u128 r = 0;
    unsigned q = 0;
    bool sign = x.sign;
    int bits = x.exp + 65 + 1; /* of x * 2^65 */

    *quadrant = 0;
    x.sign = false;
    if (x.exp < -1) {
        x.sign = sign;
        return x;
    }
    for (int n = 0; n < bits; n++) {
        r = r << 1 | (n < 64 ? x.sig >> (63 - n) & 1 : 0);
        q <<= 1;
        if (r >= p) {
            r -= p;
            q |= 1;
        }
    }
    if (r > p / 2) {
        r = p - r;
        q++;
        sign = !sign;
    }
    *quadrant = q;
    if (!r)
        return (struct sfn){ .cls = SFC_ZERO };
    for (bits = 127; !(r >> 127); bits--)
        r <<= 1;
    x = (struct sfn){ (uint64_t)(r >> 64), bits - 65, SFC_NORM, sign, false };
    return x;
}

static void sin_cos(struct sfn x, struct sfn *s, struct sfn *co)
{
    bool sign = x.sign;
    unsigned q;
    struct sfn r, sn, cs;

    x.sign = false;
    r = reduce(x, &q);
    sn = r.cls == SFC_ZERO ? r : mul(r, sin_series(r, 1));
    cs = r.cls == SFC_ZERO ? one : sin_series(r, 0);
    *s = q & 1 ? cs : sn;
    *co = q & 1 ? negated(sn) : cs;
    if (q & 2) {
        *s = negated(*s);
        *co = negated(*co);
    }
    if (sign)
        *s = negated(*s);
}

/* atan2(|y|, |x|), both finite and not zero, with the sign of x */
static struct sfn atan2_of(struct sfn y, struct sfn x)
{
    bool minus = x.sign, swap;
    struct sfn t, r;

    x.sign = y.sign = false;
    swap = sf_compare(QUIET, y, x, false) == SF_GREATER;
    t = swap ? quo(x, y) : quo(y, x);
    for (int n = 0; n < 2; n++)
        t = quo(t, add(one, root(add(one, mul(t, t)))));
    r = scaled(mul(t, atan_series(t, true)), 2);
    if (swap)
        r = add(sub(scaled(pi, -1), r), scaled(pi_low, -1));
    if (minus)
        r = add(sub(pi, r), pi_low);
    return r;
}

/* Deliver r as the inexact result of the instruction. */
static struct f80 inexact(struct sf *s, struct sfn r)
{
    s->flags |= SF_PE;
    if (r.cls != SFC_NORM)
        return sf_pack80(r);
    return sf_pack80(sf_round(s, r.sign, r.exp, r.sig, 1, &sf_fmt80));
}

static struct f80 special_result(struct sf *s, bool ok, struct sfn r)
{
    if (ok)
        return sf_pack80(r);
    s->flags |= SF_IE;
    return F80_DEFAULT_NAN;
}

static struct f80 f2xm1(struct sf *s, struct sfn x)
{
    struct sfn minus_one = negated(one);

    if (x.cls == SFC_ZERO)
        return sf_pack80(x);
    if (x.cls == SFC_INF)
        return sf_pack80(x.sign ? minus_one : x);
    if (x.exp >= 0) { /* beyond -1..1 the result is undefined (SDM 2): Intel's FPUs leave the operand */
        s->flags |= SF_PE;
        return sf_pack80(x.sign && !x.exp && x.sig == TOP ? scaled(minus_one, -1) : x);
    }
    return inexact(s, mul(mul(x, ln2), exp_series(mul(x, ln2))));
}

static struct f80 fyl2x(struct sf *s, struct sfn x, struct sfn y)
{
    struct sfn r = y;

    r.cls = SFC_INF;
    r.sig = TOP;
    if (x.cls == SFC_ZERO) {
        if (y.cls == SFC_ZERO)
            return special_result(s, false, r);
        r.sign = !y.sign;
        s->flags = y.cls == SFC_INF ? s->flags : SF_ZE; /* of a denormal too: no DE */
        return sf_pack80(r);
    }
    if (x.sign)
        return special_result(s, false, r);
    if (x.cls == SFC_INF)
        return special_result(s, y.cls != SFC_ZERO, r);
    r.sign = y.sign != (x.exp < 0);
    if (x.sig == TOP && x.exp == 0) { /* log2 1 = 0 */
        r = y;
        r.cls = SFC_ZERO;
        r.sig = 0;
        return special_result(s, y.cls != SFC_INF, r);
    }
    if (y.cls == SFC_INF)
        return sf_pack80(r);
    if (y.cls == SFC_ZERO) {
        r.cls = SFC_ZERO;
        r.sig = 0;
        return sf_pack80(r);
    }
    if (x.sig == TOP) { /* exact, but FPUs do not notice */
        s->flags |= SF_PE;
        return sf_pack80(sf_mul(s, y, sf_from_int(x.exp), &sf_fmt80));
    }
    return inexact(s, mul(y, log2_of(x)));
}

static struct f80 fyl2xp1(struct sf *s, struct sfn x, struct sfn y)
{
    struct sfn r;

    if (x.cls == SFC_INF)
        return special_result(s, !x.sign && y.cls != SFC_ZERO, (struct sfn){ TOP, 0, SFC_INF, y.sign, false });
    if (y.cls == SFC_INF || x.cls == SFC_ZERO || y.cls == SFC_ZERO) {
        r = (struct sfn){ y.cls == SFC_INF ? TOP : 0, 0, y.cls == SFC_INF ? SFC_INF : SFC_ZERO, x.sign != y.sign,
                          false };
        return special_result(s, y.cls != SFC_INF || x.cls != SFC_ZERO, r);
    }
    r = add(x, one);
    if (r.sign || r.cls == SFC_ZERO) { /* undefined: Intel's FPUs leave the operand */
        s->flags |= SF_PE;
        return sf_pack80(x);
    }
    if (x.exp < -1)
        r = log2p1(quo(x, add(scaled(one, 1), x)));
    else
        r = log2_of(r);
    return inexact(s, mul(y, r));
}

static struct f80 fpatan(struct sf *s, struct sfn x, struct sfn y)
{
    struct sfn r;

    if (y.cls == SFC_ZERO || (x.cls == SFC_INF && y.cls != SFC_INF)) {
        if (!x.sign)
            return sf_pack80((struct sfn){ 0, 0, SFC_ZERO, y.sign, false });
        r = pi;
    } else if (y.cls == SFC_INF && x.cls == SFC_INF) {
        r = x.sign ? mul(scaled(pi, -2), sf_from_int(3)) : scaled(pi, -2);
    } else if (y.cls == SFC_INF || x.cls == SFC_ZERO) {
        r = scaled(pi, -1);
    } else {
        r = atan2_of(y, x);
    }
    r.sign = y.sign;
    s->flags |= SF_PE;
    return r.cls == SFC_NORM ? sf_pack80(sf_round(s, r.sign, r.exp, r.sig, 1, &sf_fmt80)) : sf_pack80(r);
}

void x87_transcendental(struct cpu *c, unsigned modrm)
{
    struct sf s = x87_sf(c);
    struct sfn x = sf_unpack80(ST(0)), y = sf_unpack80(ST(1)), sn, cs;
    bool two = modrm == FYL2X || modrm == FYL2XP1 || modrm == FPATAN;
    bool push = modrm == FSINCOS || modrm == FPTAN;
    struct f80 r, r2 = { TOP, 0x3fff };

    c->fpu.sw &= (uint16_t)~SW_C1;
    if (push && !st_empty(c, 7)) {
        c->fpu.sw &= (uint16_t)~SW_C2;
        if (!x87_overflow(c)) {
            ST(0) = F80_DEFAULT_NAN;
            st_push(c, F80_DEFAULT_NAN);
        }
        return;
    }
    if (modrm >= FSINCOS || modrm == FPTAN) {
        if (x.cls == SFC_NORM && x.exp >= 63) { /* out of range: the operand stays */
            c->fpu.sw |= SW_C2;
            return;
        }
        c->fpu.sw &= (uint16_t)~SW_C2;
    }
    if (sf_is_nan(x) || (two && sf_is_nan(y))) {
        r = r2 = sf_pack80(two ? sf_nan2(&s, x, y) : sf_nan1(&s, x));
    } else {
        if (x.den || (two && y.den))
            s.flags |= SF_DE;
        switch (modrm) {
        case F2XM1: r = f2xm1(&s, x); break;
        case FYL2X: r = fyl2x(&s, x, y); break;
        case FYL2XP1: r = fyl2xp1(&s, x, y); break;
        case FPATAN: r = fpatan(&s, x, y); break;
        default:
            if (x.cls == SFC_INF) {
                s.flags |= SF_IE;
                r = r2 = F80_DEFAULT_NAN;
            } else if (x.cls == SFC_ZERO) {
                r = modrm == FCOS ? r2 : ST(0);
            } else {
                sin_cos(x, &sn, &cs);
                if (modrm == FPTAN)
                    sn = quo(sn, cs);
                r = inexact(&s, modrm == FCOS ? cs : sn);
                if (modrm == FSINCOS)
                    r2 = inexact(&s, cs);
            }
        }
    }
    if (s.flags & SF_IE)
        s.flags = SF_IE;
    if (x87_done(c, &s) & SF_PRE)
        return;
    if (two) {
        ST(1) = r;
        st_pop(c);
    } else {
        ST(0) = r;
        if (push)
            st_push(c, r2);
    }
}

#endif
