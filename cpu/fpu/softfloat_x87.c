/* softfloat_x87.c - the operations that only the x87 has: extended precision with precision
 * control, partial remainders, scaling, packed BCD.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/softfloat.h"

typedef unsigned __int128 u128;

#define TOP 0x8000000000000000u

/* The format that precision control asks for: fewer bits, but the exponent range of f80. */
static const struct sf_fmt *pc_fmt(const struct sf *s)
{
    static const struct sf_fmt single = { 24, -16382, 16383, 24576 };
    static const struct sf_fmt dbl = { 53, -16382, 16383, 24576 };

    return s->prec == 24 ? &single : s->prec == 53 ? &dbl : &sf_fmt80;
}

struct f80 f80_add(struct sf *s, struct sfn a, struct sfn b) { return sf_pack80(sf_add(s, a, b, pc_fmt(s))); }

struct f80 f80_sub(struct sf *s, struct sfn a, struct sfn b) { return sf_pack80(sf_sub(s, a, b, pc_fmt(s))); }

struct f80 f80_mul(struct sf *s, struct sfn a, struct sfn b) { return sf_pack80(sf_mul(s, a, b, pc_fmt(s))); }

struct f80 f80_div(struct sf *s, struct sfn a, struct sfn b) { return sf_pack80(sf_div(s, a, b, pc_fmt(s))); }

struct f80 f80_sqrt(struct sf *s, struct f80 a) { return sf_pack80(sf_sqrt(s, sf_unpack80(a), pc_fmt(s))); }

/* --- conversions --- */

static struct f80 widen(struct sf *s, struct sfn n)
{
    if (n.den)
        s->flags |= SF_DE;
    return sf_pack80(sf_convert(s, n, &sf_fmt80));
}

struct f80 f80_from_f32(struct sf *s, uint32_t v) { return widen(s, sf_unpack32(s, v)); }

struct f80 f80_from_f64(struct sf *s, uint64_t v) { return widen(s, sf_unpack64(s, v)); }

uint32_t f80_to_f32(struct sf *s, struct f80 a) { return sf_pack32(sf_convert(s, sf_unpack80(a), &sf_fmt32)); }

uint64_t f80_to_f64(struct sf *s, struct f80 a) { return sf_pack64(sf_convert(s, sf_unpack80(a), &sf_fmt64)); }

struct f80 f80_from_i64(int64_t v) { return sf_pack80(sf_from_int(v)); }

int64_t f80_to_int(struct sf *s, struct f80 a, unsigned bits) { return sf_to_int(s, sf_unpack80(a), bits, s->rc); }

struct f80 f80_from_bcd(const uint8_t p[10])
{
    uint64_t v = 0;
    struct sfn n;

    for (int i = 8; i >= 0; i--)
        v = v * 100 + (p[i] >> 4) * 10 + (p[i] & 15);
    n = sf_from_int((int64_t)v); /* digits above 9 are undefined; the value still fits */
    n.sign = p[9] >> 7;
    return sf_pack80(n);
}

void f80_to_bcd(struct sf *s, struct f80 a, uint8_t p[10])
{
    struct sfn n = sf_unpack80(a);
    bool inexact;
    uint64_t v;

    if (n.cls >= SFC_INF || !sf_to_magnitude(s, n, s->rc, &v, &inexact) || v > 999999999999999999u) {
        static const uint8_t indefinite[10] = { 0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0xff };
        s->flags |= SF_IE;
        s->up = false;
        memcpy(p, indefinite, sizeof indefinite);
        return;
    }
    if (inexact)
        s->flags |= SF_PE;
    for (int i = 0; i < 9; i++, v /= 100)
        p[i] = (uint8_t)(v / 10 % 10 << 4 | v % 10);
    p[9] = (uint8_t)(n.sign << 7);
}

/* --- the others --- */

struct f80 f80_rint(struct sf *s, struct f80 a)
{
    struct sfn n = sf_unpack80(a);
    bool inexact, sign = n.sign;
    uint64_t v;

    if (sf_is_nan(n))
        return sf_pack80(sf_nan1(s, n));
    if (n.cls != SFC_NORM || n.exp >= 63)
        return a;
    if (n.den)
        s->flags |= SF_DE;
    sf_to_magnitude(s, n, s->rc, &v, &inexact);
    if (inexact)
        s->flags |= SF_PE;
    if (v == 0)
        return (struct f80){ 0, (uint16_t)(sign << 15) };
    n.exp = 63 - __builtin_clzll(v);
    n.sig = v << __builtin_clzll(v);
    return sf_pack80(n);
}

/* A denormal that comes back as it is, which is no underflow: only a pseudo-denormal is respelt. */
static struct f80 unchanged(struct f80 a)
{
    if (!(a.se & 0x7fff) && a.m >> 63)
        a.se |= 1;
    return a;
}

struct f80 f80_scale(struct sf *s, struct f80 a, struct f80 b)
{
    struct sfn x = sf_unpack80(a), y = sf_unpack80(b);
    bool inexact, up;
    uint64_t n;
    int e;

    if (sf_is_nan(x) || sf_is_nan(y))
        return sf_pack80(sf_nan2(s, x, y));
    if (y.cls == SFC_INF) {
        if (x.cls == (y.sign ? SFC_INF : SFC_ZERO)) {
            s->flags |= SF_IE;
            return F80_DEFAULT_NAN;
        }
        if (x.den)
            s->flags |= SF_DE;
        x.cls = y.sign ? SFC_ZERO : SFC_INF;
        x.sig = y.sign ? 0 : TOP;
        return sf_pack80(x);
    }
    if (x.den || y.den)
        s->flags |= SF_DE;
    if (x.cls != SFC_NORM)
        return a;
    if (y.cls == SFC_ZERO)
        return unchanged(a);
    up = s->up;
    if (!sf_to_magnitude(s, y, RC_ZERO, &n, &inexact) || n > 0x10000)
        n = 0x10000;
    s->up = up;
    e = y.sign ? -(int)n : (int)n;
    /* Beyond what the wrapped exponent can hold, unmasked exceptions give infinity or zero. */
    if (!(s->masks & SF_OE) && x.exp + e > 16383 + 24576) {
        s->flags |= SF_OE | SF_PE;
        s->up = true;
        return (struct f80){ TOP, (uint16_t)(x.sign << 15 | 0x7fff) };
    }
    if (!(s->masks & SF_UE) && x.exp + e < -16382 - 24576) {
        s->flags |= SF_UE | SF_PE;
        return (struct f80){ 0, (uint16_t)(x.sign << 15) };
    }
    return sf_pack80(sf_round(s, x.sign, x.exp + e, x.sig, 0, &sf_fmt80));
}

struct f80 f80_extract(struct sf *s, struct f80 a, struct f80 *e)
{
    struct sfn n = sf_unpack80(a);

    if (sf_is_nan(n))
        return *e = sf_pack80(sf_nan1(s, n));
    switch (n.cls) {
    case SFC_INF: *e = (struct f80){ TOP, 0x7fff }; return a;
    case SFC_ZERO:
        s->flags |= SF_ZE;
        *e = (struct f80){ TOP, 0xffff };
        return a;
    }
    if (n.den)
        s->flags |= SF_DE;
    *e = f80_from_i64(n.exp);
    n.exp = 0;
    return sf_pack80(n);
}

struct f80 f80_rem(struct sf *s, struct f80 a, struct f80 b, bool nearest, unsigned *q, bool *partial)
{
    struct sfn x = sf_unpack80(a), y = sf_unpack80(b);
    uint64_t rem, quot = 0;
    int d, step, exp;
    u128 t;

    *q = F80_NO_QUOTIENT;
    *partial = false;
    if (sf_is_nan(x) || sf_is_nan(y))
        return sf_pack80(sf_nan2(s, x, y));
    if (x.cls == SFC_INF || y.cls == SFC_ZERO) {
        s->flags |= SF_IE;
        return F80_DEFAULT_NAN;
    }
    *q = 0;
    if (x.den || y.den)
        s->flags |= SF_DE;
    if (x.cls == SFC_ZERO)
        return a;
    if (y.cls == SFC_INF)
        return unchanged(a);
    d = x.exp - y.exp;
    if (d < -1 || (d == -1 && !nearest))
        return sf_pack80(sf_round(s, x.sign, x.exp, x.sig, 0, &sf_fmt80));
    if (d == -1) { /* the quotient is 0 or, above one half, 1 */
        if (x.sig <= y.sig)
            return sf_pack80(sf_round(s, x.sign, x.exp, x.sig, 0, &sf_fmt80));
        *q = 1;
        t = ((u128)y.sig << 1) - x.sig;
        rem = (uint64_t)t; /* below y.sig */
        exp = x.exp;
        x.sign = !x.sign;
    } else {
        /* Reduce by 63 bits at most; a larger difference is left in steps that are a multiple of
         * 32 from the end, as the hardware does. */
        *partial = d >= 64;
        step = *partial ? 32 + (d & 31) : d;
        t = (u128)x.sig << step;
        quot = (uint64_t)(t / y.sig);
        rem = (uint64_t)(t % y.sig);
        exp = x.exp - step;
        if (!*partial) {
            if (nearest && (rem > y.sig - rem || (rem == y.sig - rem && quot & 1))) {
                rem = y.sig - rem;
                x.sign = !x.sign;
                quot++;
            }
            *q = (unsigned)quot & 7;
        }
    }
    if (!rem)
        return (struct f80){ 0, (uint16_t)(x.sign << 15) };
    d = __builtin_clzll(rem);
    return sf_pack80(sf_round(s, x.sign, exp - d, rem << d, 0, &sf_fmt80));
}
