/* softfloat.h - IEEE 754 arithmetic as the x87 FPU and SSE do it, in integer arithmetic.
 *
 * Every operation unpacks its operands into struct sfn (any of the three formats fits), works on
 * 64-bit significands with a 128-bit intermediate, and rounds once, in sf_round(). The environment
 * struct sf says how (rounding, precision control, masks, DAZ, FTZ, whose NaN rules) and collects
 * the exceptions; it knows nothing of struct cpu, so that callers decide what an unmasked exception
 * does to the destination.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_SOFTFLOAT_H
#define CPU_SOFTFLOAT_H

#include "cpu/cpu.h"

/* Exceptions: the low six bits of the x87 status word and of MXCSR. */
#define SF_IE  0x01u
#define SF_DE  0x02u
#define SF_ZE  0x04u
#define SF_OE  0x08u
#define SF_UE  0x10u
#define SF_PE  0x20u
#define SF_PRE (SF_IE | SF_DE | SF_ZE) /* found before computing */

enum { RC_NEAREST, RC_DOWN, RC_UP, RC_ZERO };

struct sf {
    uint8_t rc;    /* RC_* */
    uint8_t masks; /* SF_*: 1 = masked */
    uint8_t flags; /* exceptions found so far */
    uint8_t prec;  /* x87 precision control: 24, 53 or 64 */
    bool up;       /* the last rounding increased the magnitude (C1) */
    bool daz, ftz; /* SSE: denormal operands, tiny results are zero */
    bool x87;      /* NaN rules and wrapped exponents of the x87 */
};

/* BAD: an f80 with a wrong integer bit (unnormal, pseudo-NaN, pseudo-infinity). */
enum { SFC_ZERO, SFC_NORM, SFC_INF, SFC_QNAN, SFC_SNAN, SFC_BAD };

/* A number taken apart: sig / 2^63 * 2^exp. */
struct sfn {
    uint64_t sig; /* bit 63 set if NORM, but for results below the smallest normal number */
    int32_t exp;
    uint8_t cls; /* SFC_* */
    bool sign;
    bool den; /* came from a denormal */
};

struct sf_fmt {
    int prec, emin, emax;
    int wrap; /* exponent adjustment of an unmasked overflow or underflow, 0: none */
};
extern const struct sf_fmt sf_fmt32, sf_fmt64, sf_fmt80;

enum sf_order { SF_LESS, SF_EQUAL, SF_GREATER, SF_UNORDERED };

/* Forget the post-computation exceptions if a pre-computation one is unmasked (SDM 1 11.5.3 and
 * 8.6: the operation was not done). Returns the unmasked exceptions. */
static inline unsigned sf_finish(struct sf *s)
{
    if (s->flags & SF_PRE & ~s->masks) {
        s->flags &= SF_PRE;
        s->up = false;
    }
    return s->flags & ~s->masks;
}

struct sfn sf_unpack32(const struct sf *s, uint32_t v);
struct sfn sf_unpack64(const struct sf *s, uint64_t v);
struct sfn sf_unpack80(struct f80 v);
uint32_t sf_pack32(struct sfn n);
uint64_t sf_pack64(struct sfn n);
struct f80 sf_pack80(struct sfn n);

/* Round hi:lo / 2^127 * 2^exp (bit 127 set) into the format. */
struct sfn sf_round(struct sf *s, bool sign, int exp, uint64_t hi, uint64_t lo, const struct sf_fmt *f);
struct sfn sf_default_nan(void);
struct sfn sf_nan1(struct sf *s, struct sfn a);               /* result of an operation on a NaN */
struct sfn sf_nan2(struct sf *s, struct sfn a, struct sfn b); /* at least one is a NaN or bad */
static inline bool sf_is_nan(struct sfn a) { return a.cls >= SFC_QNAN; }

struct sfn sf_add(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f);
struct sfn sf_sub(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f);
struct sfn sf_mul(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f);
struct sfn sf_div(struct sf *s, struct sfn a, struct sfn b, const struct sf_fmt *f);
struct sfn sf_sqrt(struct sf *s, struct sfn a, const struct sf_fmt *f);
struct sfn sf_convert(struct sf *s, struct sfn a, const struct sf_fmt *f);
enum sf_order sf_compare(struct sf *s, struct sfn a, struct sfn b, bool signaling);

/* Magnitude of |a| rounded to an integer; false: 2^64 or more. Notes PE in *inexact, and s->up. */
bool sf_to_magnitude(struct sf *s, struct sfn a, unsigned rc, uint64_t *v, bool *inexact);
/* To a signed integer of 16, 32 or 64 bits; the integer indefinite and IE if it does not fit. */
int64_t sf_to_int(struct sf *s, struct sfn a, unsigned bits, unsigned rc);
struct sfn sf_from_int(int64_t v); /* exact: still to be rounded for f32 and f64 */

/* --- binary32 and binary64, as SSE uses them --- */
#define SF_DECLARE(n, type)                                                     \
    type f##n##_add(struct sf *s, type a, type b);                              \
    type f##n##_sub(struct sf *s, type a, type b);                              \
    type f##n##_mul(struct sf *s, type a, type b);                              \
    type f##n##_div(struct sf *s, type a, type b);                              \
    type f##n##_min(struct sf *s, type a, type b);                              \
    type f##n##_max(struct sf *s, type a, type b);                              \
    type f##n##_sqrt(struct sf *s, type unused, type a);                        \
    enum sf_order f##n##_compare(struct sf *s, type a, type b, bool signaling); \
    int32_t f##n##_to_i32(struct sf *s, type a, unsigned rc);                   \
    type f##n##_from_i32(struct sf *s, int32_t v);
SF_DECLARE(32, uint32_t)
SF_DECLARE(64, uint64_t)
#undef SF_DECLARE
uint64_t f32_to_f64(struct sf *s, uint32_t a);
uint32_t f64_to_f32(struct sf *s, uint64_t a);

/* --- x87 (softfloat_x87.c); the precision control applies to the first five. Memory
 * operands of the first four go in as they are: SNaNs and denormals count as such --- */
struct f80 f80_add(struct sf *s, struct sfn a, struct sfn b);
struct f80 f80_sub(struct sf *s, struct sfn a, struct sfn b);
struct f80 f80_mul(struct sf *s, struct sfn a, struct sfn b);
struct f80 f80_div(struct sf *s, struct sfn a, struct sfn b);
struct f80 f80_sqrt(struct sf *s, struct f80 a);
struct f80 f80_rint(struct sf *s, struct f80 a);
struct f80 f80_scale(struct sf *s, struct f80 a, struct f80 b);
/* Significand returned, exponent in *e. */
struct f80 f80_extract(struct sf *s, struct f80 a, struct f80 *e);
/* FPREM (nearest false) and FPREM1. *q: the low bits of the quotient; returns with *partial set if
 * the reduction is not complete. */
struct f80 f80_rem(struct sf *s, struct f80 a, struct f80 b, bool nearest, unsigned *q, bool *partial);
struct f80 f80_from_f32(struct sf *s, uint32_t v); /* IE, DE */
struct f80 f80_from_f64(struct sf *s, uint64_t v);
uint32_t f80_to_f32(struct sf *s, struct f80 a);
uint64_t f80_to_f64(struct sf *s, struct f80 a);
struct f80 f80_from_i64(int64_t v);
int64_t f80_to_int(struct sf *s, struct f80 a, unsigned bits);
struct f80 f80_from_bcd(const uint8_t p[10]);
void f80_to_bcd(struct sf *s, struct f80 a, uint8_t p[10]);

#define F80_NO_QUOTIENT ~0u /* f80_rem had a NaN or an invalid operation */
#define F80_DEFAULT_NAN ((struct f80){ .m = 0xc000000000000000u, .se = 0xffff })

#endif
