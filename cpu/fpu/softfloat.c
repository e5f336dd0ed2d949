/* softfloat.c - unpacking, rounding, the five basic operations, comparison and conversion, and
 * their binary32 and binary64 forms for SSE.
 *
 * The hard problem is to find exactly the exceptions that the hardware finds: tininess is judged
 * after rounding to the destination's precision with an unbounded exponent (SDM 1 4.9.1.5), a
 * masked underflow is reported only when the denormalised result is inexact too, an unmasked one
 * whenever the result is tiny.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/softfloat.h"

typedef unsigned __int128 u128;

#define TOP   0x8000000000000000u
#define QUIET 0x4000000000000000u

const struct sf_fmt sf_fmt32 = { 24, -126, 127, 0 };
const struct sf_fmt sf_fmt64 = { 53, -1022, 1023, 0 };
const struct sf_fmt sf_fmt80 = { 64, -16382, 16383, 24576 };

/* --- unpacking and packing --- */

static struct sfn norm(bool sign, int exp, uint64_t sig, bool den)
{
    unsigned lz = (unsigned)__builtin_clzll(sig);

    return (struct sfn){ sig << lz, exp - (int)lz, SFC_NORM, sign, den };
}

static struct sfn special(bool sign, uint64_t sig, uint8_t cls) { return (struct sfn){ sig, 0, cls, sign, false }; }

static struct sfn unpack(const struct sf *s, bool sign, int e, int emax, int emin, uint64_t frac)
{
    if (unlikely(e == emax)) {
        if (!frac)
            return special(sign, TOP, SFC_INF);
        return special(sign, TOP | frac, frac & QUIET ? SFC_QNAN : SFC_SNAN);
    }
    if (unlikely(e == 0)) {
        if (!frac || s->daz)
            return special(sign, 0, SFC_ZERO);
        return norm(sign, emin, frac, true);
    }
    return (struct sfn){ TOP | frac, e + emin - 1, SFC_NORM, sign, false };
}

struct sfn sf_unpack32(const struct sf *s, uint32_t v)
{
    return unpack(s, v >> 31, v >> 23 & 0xff, 0xff, -126, (uint64_t)(v & 0x7fffff) << 40);
}

struct sfn sf_unpack64(const struct sf *s, uint64_t v)
{
    return unpack(s, v >> 63, v >> 52 & 0x7ff, 0x7ff, -1022, (v & 0xfffffffffffffu) << 11);
}

struct sfn sf_unpack80(struct f80 v)
{
    bool sign = v.se >> 15;
    int e = v.se & 0x7fff;

    if (e == 0)
        return v.m ? norm(sign, -16382, v.m, true) : special(sign, 0, SFC_ZERO);
    if (!(v.m & TOP))
        return special(sign, v.m, SFC_BAD);
    if (e == 0x7fff) {
        if (v.m == TOP)
            return special(sign, TOP, SFC_INF);
        return special(sign, v.m, v.m & QUIET ? SFC_QNAN : SFC_SNAN);
    }
    return (struct sfn){ v.m, e - 16383, SFC_NORM, sign, false };
}

uint32_t sf_pack32(struct sfn n)
{
    uint32_t sign = (uint32_t)n.sign << 31, frac = n.sig >> 40 & 0x7fffff;

    if (n.cls == SFC_NORM)
        return n.sig & TOP ? sign | ((uint32_t)(n.exp + 127) << 23) | frac : sign | frac;
    if (n.cls == SFC_ZERO)
        return sign;
    return sign | 0x7f800000 | frac;
}

uint64_t sf_pack64(struct sfn n)
{
    uint64_t sign = (uint64_t)n.sign << 63, frac = n.sig >> 11 & 0xfffffffffffffu;

    if (n.cls == SFC_NORM)
        return n.sig & TOP ? sign | ((uint64_t)(n.exp + 1023) << 52) | frac : sign | frac;
    if (n.cls == SFC_ZERO)
        return sign;
    return sign | 0x7ff0000000000000u | frac;
}

struct f80 sf_pack80(struct sfn n)
{
    uint16_t sign = (uint16_t)(n.sign << 15);

    if (n.cls == SFC_NORM)
        return (struct f80){ n.sig, n.sig & TOP ? (uint16_t)(sign | (n.exp + 16383)) : sign };
    if (n.cls == SFC_ZERO)
        return (struct f80){ 0, sign };
    return (struct f80){ n.sig, sign | 0x7fff };
}

/* --- rounding --- */

/* Round hi:lo to its upper `prec` bits. Returns the carry out of bit 127 (hi is then 0). */
static bool round_bits(const struct sf *s, uint64_t *hi, uint64_t lo, int prec, bool sign, bool *inexact, bool *up)
{
    unsigned drop = 64 - (unsigned)prec;
    uint64_t unit = (uint64_t)1 << drop, rest = lo;

    if (drop) {
        rest = (*hi & (unit - 1)) << (64 - drop) | (lo != 0);
        *hi &= ~(unit - 1);
    }
    *inexact = rest != 0;
    switch (s->rc) {
    case RC_NEAREST: *up = rest > TOP || (rest == TOP && (*hi & unit)); break;
    case RC_DOWN: *up = sign && rest; break;
    case RC_UP: *up = !sign && rest; break;
    default: *up = false; break;
    }
    if (!*up)
        return false;
    *hi += unit;
    return *hi == 0;
}

static struct sfn overflow(struct sf *s, bool sign, bool inexact, const struct sf_fmt *f)
{
    bool inf = s->rc == RC_NEAREST || s->rc == (sign ? RC_DOWN : RC_UP);

    s->flags |= SF_OE;
    if (inexact || s->masks & SF_OE)
        s->flags |= SF_PE;
    s->up = inf;
    if (inf)
        return special(sign, TOP, SFC_INF);
    return (struct sfn){ ~(uint64_t)0 << (64 - f->prec), f->emax, SFC_NORM, sign, false };
}

static struct sfn underflow(struct sf *s, bool sign, int exp, uint64_t hi, uint64_t lo, const struct sf_fmt *f)
{
    unsigned shift = (unsigned)(f->emin - exp);
    bool inexact;

    if (s->ftz && !s->x87) { /* SDM 1 10.2.3.3 */
        s->flags |= SF_UE | SF_PE;
        return special(sign, 0, SFC_ZERO);
    }
    if (shift >= 128) {
        lo = 1;
        hi = 0;
    } else {
        u128 v = (u128)hi << 64 | lo, w = v >> shift;
        lo = (uint64_t)w | ((w << shift) != v);
        hi = (uint64_t)(w >> 64);
    }
    round_bits(s, &hi, lo, f->prec, sign, &inexact, &s->up);
    if (inexact)
        s->flags |= SF_UE | SF_PE;
    return (struct sfn){ hi, f->emin, hi ? SFC_NORM : SFC_ZERO, sign, false };
}

struct sfn sf_round(struct sf *s, bool sign, int exp, uint64_t hi, uint64_t lo, const struct sf_fmt *f)
{
    uint64_t sig = hi;
    bool inexact;
    int e = exp;

    if (round_bits(s, &sig, lo, f->prec, sign, &inexact, &s->up)) {
        sig = TOP;
        e++;
    }
    if (unlikely(e > f->emax)) {
        if (!f->wrap || s->masks & SF_OE)
            return overflow(s, sign, inexact, f);
        s->flags |= SF_OE;
        e -= f->wrap;
    } else if (unlikely(e < f->emin)) {
        if (s->masks & SF_UE)
            return underflow(s, sign, exp, hi, lo, f);
        s->flags |= SF_UE;
        e += f->wrap;
    }
    if (inexact)
        s->flags |= SF_PE;
    return (struct sfn){ sig, e, SFC_NORM, sign, false };
}

/* --- NaNs (SDM 1 table 4-7) --- */

struct sfn sf_default_nan(void) { return special(true, TOP | QUIET, SFC_QNAN); }

static struct sfn invalid(struct sf *s)
{
    s->flags |= SF_IE;
    return sf_default_nan();
}

struct sfn sf_nan1(struct sf *s, struct sfn a)
{
    if (a.cls == SFC_BAD)
        return invalid(s);
    if (a.cls == SFC_SNAN)
        s->flags |= SF_IE;
    a.sig |= QUIET;
    a.cls = SFC_QNAN;
    return a;
}

struct sfn sf_nan2(struct sf *s, struct sfn a, struct sfn b)
{
    if (a.cls == SFC_BAD || b.cls == SFC_BAD)
        return invalid(s);
    if (a.cls == SFC_SNAN || b.cls == SFC_SNAN)
        s->flags |= SF_IE;
    if (!sf_is_nan(a))
        return sf_nan1(s, b);
    if (!s->x87 || !sf_is_nan(b))
        return sf_nan1(s, a);
    if (a.cls != b.cls)
        return a.cls == SFC_QNAN ? a : b;
    if (a.sig == b.sig)
        return sf_nan1(s, a.sign ? b : a);
    return sf_nan1(s, a.sig > b.sig ? a : b);
}

/* --- arithmetic --- */

static void note_denormals(struct sf *s, struct sfn a, struct sfn b)
{
    if (a.den || b.den)
        s->flags |= SF_DE;
}

struct sfn sf_add(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f)
{
    unsigned d, lz;
    u128 x, y;

    if (unlikely(sf_is_nan(a) || sf_is_nan(b)))
        return sf_nan2(s, a, b);
    note_denormals(s, a, b);
    if (unlikely(a.cls == SFC_INF || b.cls == SFC_INF)) {
        if (a.cls == b.cls && a.sign != b.sign)
            return invalid(s);
        return a.cls == SFC_INF ? a : b;
    }
    if (a.cls == SFC_ZERO || b.cls == SFC_ZERO) {
        if (a.cls != SFC_ZERO)
            return sf_round(s, a.sign, a.exp, a.sig, 0, f);
        if (b.cls != SFC_ZERO)
            return sf_round(s, b.sign, b.exp, b.sig, 0, f);
        return special(a.sign == b.sign ? a.sign : s->rc == RC_DOWN, 0, SFC_ZERO);
    }
    if (a.exp < b.exp) {
        struct sfn t = a;
        a = b;
        b = t;
    }
    d = (unsigned)(a.exp - b.exp);
    x = (u128)a.sig << 63;
    y = (u128)b.sig << 63;
    if (d > 126) {
        y = 1;
    } else {
        u128 t = y >> d;
        y = t | ((t << d) != y);
    }
    if (a.sign == b.sign) {
        x += y;
    } else if (x == y) {
        return special(s->rc == RC_DOWN, 0, SFC_ZERO);
    } else if (x > y) {
        x -= y;
    } else {
        x = y - x;
        a.sign = b.sign;
    }
    lz = x >> 64 ? (unsigned)__builtin_clzll((uint64_t)(x >> 64)) : 64 + (unsigned)__builtin_clzll((uint64_t)x);
    x <<= lz;
    return sf_round(s, a.sign, a.exp + 1 - (int)lz, (uint64_t)(x >> 64), (uint64_t)x, f);
}

struct sfn sf_sub(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f)
{
    if (!sf_is_nan(b))
        b.sign = !b.sign;
    return sf_add(s, a, b, f);
}

struct sfn sf_mul(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f)
{
    bool sign = a.sign != b.sign;
    int exp = a.exp + b.exp + 1;
    u128 p;

    if (unlikely(sf_is_nan(a) || sf_is_nan(b)))
        return sf_nan2(s, a, b);
    if (unlikely(a.cls == SFC_INF || b.cls == SFC_INF)) {
        if (a.cls == SFC_ZERO || b.cls == SFC_ZERO)
            return invalid(s);
        note_denormals(s, a, b);
        return special(sign, TOP, SFC_INF);
    }
    note_denormals(s, a, b);
    if (a.cls == SFC_ZERO || b.cls == SFC_ZERO)
        return special(sign, 0, SFC_ZERO);
    p = (u128)a.sig * b.sig;
    if (!(p >> 127)) {
        p <<= 1;
        exp--;
    }
    return sf_round(s, sign, exp, (uint64_t)(p >> 64), (uint64_t)p, f);
}

/* Quotient of n (below d * 2^64) by d, and the remainder. */
static uint64_t div128(u128 n, uint64_t d, uint64_t *rem)
{
#if defined(__x86_64__) && !defined(PORTABLE_FPU)
    uint64_t q, r;

    __asm__("divq %4" : "=a"(q), "=d"(r) : "a"((uint64_t)n), "d"((uint64_t)(n >> 64)), "r"(d) : "cc");
    *rem = r;
    return q;
#else
    *rem = (uint64_t)(n % d);
    return (uint64_t)(n / d);
#endif
}

struct sfn sf_div(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f)
{
    bool sign = a.sign != b.sign;
    int exp = a.exp - b.exp;
    uint64_t q, r, lo;

    if (unlikely(sf_is_nan(a) || sf_is_nan(b)))
        return sf_nan2(s, a, b);
    if (unlikely(a.cls == b.cls && a.cls != SFC_NORM))
        return invalid(s);                                 /* 0/0, inf/inf */
    if (unlikely(b.cls == SFC_ZERO && a.cls != SFC_INF)) { /* of a denormal too: no DE */
        s->flags |= SF_ZE;
        return special(sign, TOP, SFC_INF);
    }
    note_denormals(s, a, b);
    if (unlikely(a.cls == SFC_INF))
        return special(sign, TOP, SFC_INF);
    if (a.cls == SFC_ZERO || b.cls == SFC_INF)
        return special(sign, 0, SFC_ZERO);
    if (a.sig >= b.sig) {
        q = div128((u128)a.sig << 63, b.sig, &r);
    } else {
        q = div128((u128)a.sig << 64, b.sig, &r);
        exp--;
    }
    /* The rest of the quotient only matters as below, at or above one half. */
    lo = r > b.sig - r ? TOP | 1 : r == b.sig - r ? TOP : r != 0;
    return sf_round(s, sign, exp, q, lo, f);
}

struct sfn sf_sqrt(struct sf *s, struct sfn a, const struct sf_fmt *f)
{
    uint64_t root = 0;
    u128 rem = 0, x;

    if (unlikely(sf_is_nan(a)))
        return sf_nan1(s, a);
    if (a.cls == SFC_ZERO)
        return a;
    if (a.sign)
        return invalid(s);
    if (a.cls == SFC_INF)
        return a;
    note_denormals(s, a, a);
    /* An even exponent and a radicand in [2^126, 2^128): a root of 64 bits, digit by digit. */
    x = (u128)a.sig << (a.exp & 1 ? 64 : 63);
    for (int n = 0; n < 64; n++) {
        u128 t = (u128)root << 2 | 1;
        rem = rem << 2 | (uint64_t)(x >> 126);
        x <<= 2;
        root <<= 1;
        if (rem >= t) {
            rem -= t;
            root |= 1;
        }
    }
    return sf_round(s, false, (a.exp - (a.exp & 1)) / 2, root, rem > root ? TOP | 1 : rem != 0, f);
}

struct sfn sf_convert(struct sf *s, struct sfn a, const struct sf_fmt *f)
{
    if (unlikely(sf_is_nan(a)))
        return sf_nan1(s, a);
    if (a.cls != SFC_NORM)
        return a;
    return sf_round(s, a.sign, a.exp, a.sig, 0, f);
}

enum sf_order sf_compare(struct sf *s, struct sfn a, struct sfn b, bool signaling)
{
    bool less;

    if (unlikely(sf_is_nan(a) || sf_is_nan(b))) {
        if (signaling || a.cls >= SFC_SNAN || b.cls >= SFC_SNAN)
            s->flags |= SF_IE;
        return SF_UNORDERED;
    }
    note_denormals(s, a, b);
    if (a.cls == SFC_ZERO && b.cls == SFC_ZERO)
        return SF_EQUAL;
    if (a.cls == SFC_ZERO)
        return b.sign ? SF_GREATER : SF_LESS;
    if (b.cls == SFC_ZERO || a.sign != b.sign)
        return a.sign ? SF_LESS : SF_GREATER;
    if (a.cls == b.cls && a.exp == b.exp && a.sig == b.sig)
        return SF_EQUAL;
    if (a.cls != b.cls)
        less = a.cls == SFC_NORM;
    else
        less = a.exp != b.exp ? a.exp < b.exp : a.sig < b.sig;
    return less != a.sign ? SF_LESS : SF_GREATER;
}

/* --- integers --- */

bool sf_to_magnitude(struct sf *s, struct sfn a, unsigned rc, uint64_t *v, bool *inexact)
{
    struct sf t = { .rc = (uint8_t)rc };
    uint64_t n = 0, rest = 1;

    s->up = false;
    *inexact = false;
    *v = 0;
    if (a.cls == SFC_ZERO)
        return true;
    if (a.exp > 63)
        return false;
    if (a.exp == 63) {
        *v = a.sig;
        return true;
    }
    if (a.exp >= 0) {
        n = a.sig >> (63 - a.exp);
        rest = a.sig << (a.exp + 1);
    } else if (a.exp == -1) {
        rest = a.sig;
    }
    *v = n;
    return !round_bits(&t, v, rest, 64, a.sign, inexact, &s->up);
}

int64_t sf_to_int(struct sf *s, struct sfn a, unsigned bits, unsigned rc)
{
    uint64_t v, limit = (uint64_t)1 << (bits - 1);
    bool inexact;

    if (a.cls >= SFC_INF || !sf_to_magnitude(s, a, rc, &v, &inexact) || v > limit - !a.sign) {
        s->flags |= SF_IE;
        s->up = false;
        return (int64_t)(0 - limit); /* integer indefinite */
    }
    if (inexact)
        s->flags |= SF_PE;
    return (int64_t)(a.sign ? 0 - v : v);
}

struct sfn sf_from_int(int64_t v)
{
    if (!v)
        return special(false, 0, SFC_ZERO);
    return norm(v < 0, 63, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, false);
}

/* --- SSE forms --- */

#define DEF_SSE(n, type)                                                                       \
    type f##n##_add(struct sf *s, type a, type b)                                              \
    {                                                                                          \
        return sf_pack##n(sf_add(s, sf_unpack##n(s, a), sf_unpack##n(s, b), &sf_fmt##n));      \
    }                                                                                          \
    type f##n##_sub(struct sf *s, type a, type b)                                              \
    {                                                                                          \
        return sf_pack##n(sf_sub(s, sf_unpack##n(s, a), sf_unpack##n(s, b), &sf_fmt##n));      \
    }                                                                                          \
    type f##n##_mul(struct sf *s, type a, type b)                                              \
    {                                                                                          \
        return sf_pack##n(sf_mul(s, sf_unpack##n(s, a), sf_unpack##n(s, b), &sf_fmt##n));      \
    }                                                                                          \
    type f##n##_div(struct sf *s, type a, type b)                                              \
    {                                                                                          \
        return sf_pack##n(sf_div(s, sf_unpack##n(s, a), sf_unpack##n(s, b), &sf_fmt##n));      \
    }                                                                                          \
    type f##n##_sqrt(struct sf *s, type unused, type a)                                        \
    {                                                                                          \
        (void)unused;                                                                          \
        return sf_pack##n(sf_sqrt(s, sf_unpack##n(s, a), &sf_fmt##n));                         \
    }                                                                                          \
    /* MIN, MAX (SDM 2): the second operand if either is a NaN or both are zero */             \
    static type f##n##_pick(struct sf *s, type a, type b, enum sf_order want)                  \
    {                                                                                          \
        struct sfn x = sf_unpack##n(s, a), y = sf_unpack##n(s, b);                             \
        bool first = sf_compare(s, x, y, true) == want;                                        \
        struct sfn r = first ? x : y;                                                          \
        if (r.cls == SFC_ZERO) /* a denormal under DAZ too */                                  \
            return sf_pack##n(r);                                                              \
        return first ? a : b;                                                                  \
    }                                                                                          \
    type f##n##_min(struct sf *s, type a, type b) { return f##n##_pick(s, a, b, SF_LESS); }    \
    type f##n##_max(struct sf *s, type a, type b) { return f##n##_pick(s, a, b, SF_GREATER); } \
    enum sf_order f##n##_compare(struct sf *s, type a, type b, bool signaling)                 \
    {                                                                                          \
        return sf_compare(s, sf_unpack##n(s, a), sf_unpack##n(s, b), signaling);               \
    }                                                                                          \
    int32_t f##n##_to_i32(struct sf *s, type a, unsigned rc)                                   \
    {                                                                                          \
        return (int32_t)sf_to_int(s, sf_unpack##n(s, a), 32, rc);                              \
    }                                                                                          \
    type f##n##_from_i32(struct sf *s, int32_t v) { return sf_pack##n(sf_convert(s, sf_from_int(v), &sf_fmt##n)); }
DEF_SSE(32, uint32_t)
DEF_SSE(64, uint64_t)

uint64_t f32_to_f64(struct sf *s, uint32_t a)
{
    struct sfn n = sf_unpack32(s, a);

    note_denormals(s, n, n);
    return sf_pack64(sf_convert(s, n, &sf_fmt64));
}

uint32_t f64_to_f32(struct sf *s, uint64_t a)
{
    struct sfn n = sf_unpack64(s, a);

    note_denormals(s, n, n);
    return sf_pack32(sf_convert(s, n, &sf_fmt32));
}
