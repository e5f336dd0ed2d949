/* interp_x87.c - the x87 instructions that compute, load and store. Control: interp_x87_ctl.c.
 *
 * Order of things in a handler: pending exceptions, the memory operand (which may fault and must
 * find nothing changed), the instruction pointer, stack faults, the operation. A masked stack fault
 * gives the default NaN. An unmasked pre-computation exception leaves the stack alone; an unmasked
 * overflow, underflow or inexact result is delivered to a register but, for the first two, not to
 * memory (SDM 1 8.5).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/fpu_int.h"

enum { X_ADD, X_MUL, X_COM, X_COMP, X_SUB, X_SUBR, X_DIV, X_DIVR };

/* --- arithmetic and comparison --- */

static const struct sf plain; /* to unpack: no DAZ */

static struct f80 compute(struct sf *s, unsigned op, struct sfn a, struct sfn b)
{
    switch (op) {
    case X_ADD: return f80_add(s, a, b);
    case X_MUL: return f80_mul(s, a, b);
    case X_SUB: return f80_sub(s, a, b);
    case X_SUBR: return f80_sub(s, b, a);
    case X_DIV: return f80_div(s, a, b);
    default: return f80_div(s, b, a);
    }
}

/* ST(dst) = ST(0) op b; `b_empty`: b came from an empty register. */
static void arith(struct cpu *c, unsigned op, unsigned dst, struct sfn b, bool b_empty, bool pop)
{
    struct sf s = x87_sf(c);
    struct f80 r;

    if (unlikely(st_empty(c, 0) || b_empty)) {
        if (x87_underflow(c))
            return;
        r = F80_DEFAULT_NAN;
    } else {
        r = compute(&s, op, sf_unpack80(ST(0)), b);
        if (x87_done(c, &s) & SF_PRE)
            return;
    }
    st_set(c, dst, r);
    if (pop)
        st_pop(c);
}

static void set_cc(struct cpu *c, enum sf_order o)
{
    static const uint16_t cc[4] = { SW_C0, SW_C3, 0, SW_C0 | SW_C2 | SW_C3 };

    c->fpu.sw = (uint16_t)((c->fpu.sw & ~(SW_C0 | SW_C2 | SW_C3)) | cc[o]);
}

static void compare(struct cpu *c, struct sfn b, bool b_empty, bool signaling, unsigned pops)
{
    struct sf s = x87_sf(c);
    enum sf_order o = SF_UNORDERED;
    bool stop;

    if (unlikely(st_empty(c, 0) || b_empty)) {
        stop = x87_underflow(c);
    } else {
        o = sf_compare(&s, sf_unpack80(ST(0)), b, signaling);
        stop = x87_done(c, &s) & SF_PRE;
    }
    set_cc(c, o); /* even if an exception is unmasked; only the stack is left alone then */
    while (!stop && pops--)
        st_pop(c);
}

static void arith_mem(struct cpu *c, const struct insn *i, struct sfn b)
{
    x87_track(c, i);
    if (i->reg == X_COM || i->reg == X_COMP)
        compare(c, b, false, true, i->reg == X_COMP);
    else
        arith(c, i->reg, 0, b, false, false);
}

X87(arith_m32) { arith_mem(c, i, sf_unpack32(&plain, mem_read32(c, i))); }
HSET(arith_m32) = HSET_ALL(arith_m32);

X87(arith_m64) { arith_mem(c, i, sf_unpack64(&plain, mem_read64(c, i))); }
HSET(arith_m64) = HSET_ALL(arith_m64);

X87(arith_i16) { arith_mem(c, i, sf_from_int((int16_t)mem_read16(c, i))); }
HSET(arith_i16) = HSET_ALL(arith_i16);

X87(arith_i32) { arith_mem(c, i, sf_from_int((int32_t)mem_read32(c, i))); }
HSET(arith_i32) = HSET_ALL(arith_i32);

X87(arith_st0)
{
    x87_track(c, i);
    arith(c, i->reg, 0, sf_unpack80(ST(i->rm)), st_empty(c, i->rm), false);
}
HSET(arith_st0) = HSET_ALL(arith_st0);

/* DC E0 is FSUBR ST(i), ST(0): the same ST(0) - ST(i) as D8 E0, delivered to ST(i). */
X87(arith_sti)
{
    x87_track(c, i);
    arith(c, i->reg, i->rm, sf_unpack80(ST(i->rm)), st_empty(c, i->rm), false);
}
HSET(arith_sti) = HSET_ALL(arith_sti);

X87(arith_pop)
{
    x87_track(c, i);
    arith(c, i->reg, i->rm, sf_unpack80(ST(i->rm)), st_empty(c, i->rm), true);
}
HSET(arith_pop) = HSET_ALL(arith_pop);

#define DEF_COMPARE(name, n, signaling, pops)                            \
    X87(name)                                                            \
    {                                                                    \
        x87_track(c, i);                                                 \
        compare(c, sf_unpack80(ST(n)), st_empty(c, n), signaling, pops); \
    }                                                                    \
    HSET(name) = HSET_ALL(name);
DEF_COMPARE(fcom, i->rm, true, 0)
DEF_COMPARE(fcomp, i->rm, true, 1)
DEF_COMPARE(fcompp, 1, true, 2)
DEF_COMPARE(fucom, i->rm, false, 0)
DEF_COMPARE(fucomp, i->rm, false, 1)
DEF_COMPARE(fucompp, 1, false, 2)

static void compare_flags(struct cpu *c, unsigned n, bool signaling, bool pop)
{
    static const uint32_t flags[4] = { EFLAGS_CF, EFLAGS_ZF, 0, EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF };
    struct sf s = x87_sf(c);
    enum sf_order o = SF_UNORDERED;
    uint16_t c1 = c->fpu.sw & SW_C1; /* left alone */
    bool stop;

    if (unlikely(st_empty(c, 0) || st_empty(c, n))) {
        stop = x87_underflow(c);
    } else {
        o = sf_compare(&s, sf_unpack80(ST(0)), sf_unpack80(ST(n)), signaling);
        stop = x87_done(c, &s) & SF_PRE;
        c->fpu.sw |= c1;
    }
    lf_set_all(c, flags[o]);
    if (pop && !stop)
        st_pop(c);
}

#define DEF_COMPARE_FLAGS(name, signaling, pop)  \
    X87(name)                                    \
    {                                            \
        x87_track(c, i);                         \
        compare_flags(c, i->rm, signaling, pop); \
    }                                            \
    HSET(name) = HSET_ALL(name);
DEF_COMPARE_FLAGS(fcomi, true, false)
DEF_COMPARE_FLAGS(fcomip, true, true)
DEF_COMPARE_FLAGS(fucomi, false, false)
DEF_COMPARE_FLAGS(fucomip, false, true)

X87(ftst)
{
    x87_track(c, i);
    compare(c, sf_from_int(0), false, true, 0);
}
HSET(ftst) = HSET_ALL(ftst);

X87(fxam)
{
    static const uint16_t cc[] = {
        [SFC_ZERO] = SW_C3, [SFC_NORM] = SW_C2, [SFC_INF] = SW_C2 | SW_C0,
        [SFC_QNAN] = SW_C0, [SFC_SNAN] = SW_C0, [SFC_BAD] = 0,
    };
    struct sfn n = sf_unpack80(ST(0));
    unsigned v = st_empty(c, 0) ? SW_C3 | SW_C0 : n.den ? SW_C3 | SW_C2 : cc[n.cls];

    x87_track(c, i);
    c->fpu.sw = (uint16_t)((c->fpu.sw & ~SW_CC) | v | (ST(0).se >> 15 ? SW_C1 : 0));
}
HSET(fxam) = HSET_ALL(fxam);

/* --- loads --- */

static void load(struct cpu *c, struct f80 v, struct sf *s)
{
    if (unlikely(!st_empty(c, 7))) {
        if (!x87_overflow(c))
            st_push(c, F80_DEFAULT_NAN);
        return;
    }
    if (!(x87_done(c, s) & SF_IE)) /* an unmasked DE does not stop a load */
        st_push(c, v);
}

static void load_exact(struct cpu *c, const struct insn *i, struct f80 v)
{
    struct sf s = x87_sf(c);

    x87_track(c, i);
    load(c, v, &s);
}

X87(fld_m32)
{
    struct sf s = x87_sf(c);
    uint32_t v = mem_read32(c, i);

    x87_track(c, i);
    load(c, f80_from_f32(&s, v), &s);
}
HSET(fld_m32) = HSET_ALL(fld_m32);

X87(fld_m64)
{
    struct sf s = x87_sf(c);
    uint64_t v = mem_read64(c, i);

    x87_track(c, i);
    load(c, f80_from_f64(&s, v), &s);
}
HSET(fld_m64) = HSET_ALL(fld_m64);

X87(fld_m80)
{
    uint8_t b[10];

    mem_read_bytes(c, i, b, sizeof b, 1);
    load_exact(c, i, (struct f80){ load64(b), load16(b + 8) });
}
HSET(fld_m80) = HSET_ALL(fld_m80);

X87(fild_m16) { load_exact(c, i, f80_from_i64((int16_t)mem_read16(c, i))); }
HSET(fild_m16) = HSET_ALL(fild_m16);
X87(fild_m32) { load_exact(c, i, f80_from_i64((int32_t)mem_read32(c, i))); }
HSET(fild_m32) = HSET_ALL(fild_m32);
X87(fild_m64) { load_exact(c, i, f80_from_i64((int64_t)mem_read64(c, i))); }
HSET(fild_m64) = HSET_ALL(fild_m64);

X87(fbld)
{
    uint8_t b[10];

    mem_read_bytes(c, i, b, sizeof b, 1);
    load_exact(c, i, f80_from_bcd(b));
}
HSET(fbld) = HSET_ALL(fbld);

X87(fld_sti)
{
    struct sf s = x87_sf(c);

    x87_track(c, i);
    if (st_empty(c, i->rm)) {
        if (!x87_underflow(c))
            st_push(c, F80_DEFAULT_NAN);
        return;
    }
    load(c, ST(i->rm), &s);
}
HSET(fld_sti) = HSET_ALL(fld_sti);

/* FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ by ModRM.rm. The constants have a 66-bit
 * significand inside: `near` is what it rounds to, `adjust` by rounding control. */
X87(fld_const)
{
    static const struct {
        struct f80 near;
        int8_t adjust[4];
    } k[8] = {
        { { 0x8000000000000000u, 0x3fff }, { 0 } },
        { { 0xd49a784bcd1b8afeu, 0x4000 }, { [RC_UP] = 1 } },
        { { 0xb8aa3b295c17f0bcu, 0x3fff }, { [RC_DOWN] = -1, [RC_ZERO] = -1 } },
        { { 0xc90fdaa22168c235u, 0x4000 }, { [RC_DOWN] = -1, [RC_ZERO] = -1 } },
        { { 0x9a209a84fbcff799u, 0x3ffd }, { [RC_DOWN] = -1, [RC_ZERO] = -1 } },
        { { 0xb17217f7d1cf79acu, 0x3ffe }, { [RC_DOWN] = -1, [RC_ZERO] = -1 } },
        { { 0, 0 }, { 0 } },
        { { 0, 0 }, { 0 } },
    };
    struct f80 v = k[i->rm].near;

    v.m += (uint64_t)(int64_t)k[i->rm].adjust[c->fpu.cw >> 10 & 3];
    load_exact(c, i, v);
}
HSET(fld_const) = HSET_ALL(fld_const);

/* --- stores --- */

/* Before the store: may it be done? Afterwards (nothing raises any more) store_done(). */
static bool store_allowed(struct sf *s)
{
    if (!(sf_finish(s) & (SF_IE | SF_OE | SF_UE)))
        return true;
    s->flags &= (uint8_t)~SF_PE; /* nothing was rounded for delivery */
    s->up = false;
    return false;
}

static void store_done(struct cpu *c, const struct insn *i, struct sf *s, bool stored, bool pop)
{
    x87_track(c, i);
    x87_done(c, s);
    if (stored && pop)
        st_pop(c);
}

/* A store that is not done, for its unmasked exception, still faults where it could not be done: memory
 * is asked first. */
static void store_probe(struct cpu *c, const struct insn *i, unsigned size)
{
    gla_t la = seg_linear(c, i, i->seg, ea(c, i), size, true);

    SYNC();
    c->mem->probe_write(c, la, size, c->cpl == 3);
}

/* The stack underflow of a store: the environment as if the operation had found IE; SF is added
 * by the caller of store_done. */
#define DEF_STORE(name, bits, convert, indefinite, pop) \
    X87(name)                                           \
    {                                                   \
        struct sf s = x87_sf(c);                        \
        bool empty = st_empty(c, 0), stored;            \
        uint##bits##_t v;                               \
                                                        \
        if (unlikely(empty)) {                          \
            s.flags = SF_IE;                            \
            v = indefinite;                             \
        } else {                                        \
            v = (uint##bits##_t)convert;                \
        }                                               \
        stored = store_allowed(&s);                     \
        if (stored)                                     \
            mem_write##bits(c, i, v);                   \
        else                                            \
            store_probe(c, i, bits / 8);                \
        if (unlikely(empty))                            \
            c->fpu.sw |= SW_SF;                         \
        store_done(c, i, &s, stored, pop);              \
    }                                                   \
    HSET(name) = HSET_ALL(name);
DEF_STORE(fst_m32, 32, f80_to_f32(&s, ST(0)), 0xffc00000u, false)
DEF_STORE(fstp_m32, 32, f80_to_f32(&s, ST(0)), 0xffc00000u, true)
DEF_STORE(fst_m64, 64, f80_to_f64(&s, ST(0)), 0xfff8000000000000u, false)
DEF_STORE(fstp_m64, 64, f80_to_f64(&s, ST(0)), 0xfff8000000000000u, true)
DEF_STORE(fist_m16, 16, f80_to_int(&s, ST(0), 16), 0x8000u, false)
DEF_STORE(fistp_m16, 16, f80_to_int(&s, ST(0), 16), 0x8000u, true)
DEF_STORE(fist_m32, 32, f80_to_int(&s, ST(0), 32), 0x80000000u, false)
DEF_STORE(fistp_m32, 32, f80_to_int(&s, ST(0), 32), 0x80000000u, true)
DEF_STORE(fistp_m64, 64, f80_to_int(&s, ST(0), 64), 0x8000000000000000u, true)

static void store_bytes(struct cpu *c, const struct insn *i, struct sf *s, const uint8_t b[10], bool empty)
{
    bool stored = store_allowed(s);

    if (stored)
        mem_write_bytes(c, i, b, 10, 1);
    else
        store_probe(c, i, 10);
    if (empty)
        c->fpu.sw |= SW_SF;
    store_done(c, i, s, stored, true);
}

X87(fstp_m80)
{
    struct sf s = x87_sf(c);
    bool empty = st_empty(c, 0);
    struct f80 v = empty ? F80_DEFAULT_NAN : ST(0);
    uint8_t b[10];

    if (empty)
        s.flags = SF_IE;
    store64(b, v.m);
    store16(b + 8, v.se);
    store_bytes(c, i, &s, b, empty);
}
HSET(fstp_m80) = HSET_ALL(fstp_m80);

X87(fbstp)
{
    struct sf s = x87_sf(c);
    bool empty = st_empty(c, 0);
    uint8_t b[10];

    f80_to_bcd(&s, empty ? F80_DEFAULT_NAN : ST(0), b);
    store_bytes(c, i, &s, b, empty);
}
HSET(fbstp) = HSET_ALL(fbstp);

static void store_sti(struct cpu *c, const struct insn *i, bool pop)
{
    struct f80 v = ST(0);

    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    if (unlikely(st_empty(c, 0))) {
        if (x87_underflow(c))
            return;
        v = F80_DEFAULT_NAN;
    }
    st_set(c, i->rm, v);
    if (pop)
        st_pop(c);
}

/* D9 D8: as FSTP, but an empty ST(0) is no stack fault, it just goes. */
X87(fstpnce)
{
    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    if (!st_empty(c, 0))
        st_set(c, i->rm, ST(0));
    st_pop(c);
}
HSET(fstpnce) = HSET_ALL(fstpnce);

X87(fst_sti) { store_sti(c, i, false); }
HSET(fst_sti) = HSET_ALL(fst_sti);
X87(fstp_sti) { store_sti(c, i, true); }
HSET(fstp_sti) = HSET_ALL(fstp_sti);

/* --- moves within the stack --- */

X87(fxch)
{
    struct f80 t;

    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    if (unlikely(st_empty(c, 0) || st_empty(c, i->rm))) {
        if (x87_underflow(c))
            return;
        if (st_empty(c, 0))
            st_set(c, 0, F80_DEFAULT_NAN);
        if (st_empty(c, i->rm))
            st_set(c, i->rm, F80_DEFAULT_NAN);
    }
    t = ST(0);
    ST(0) = ST(i->rm);
    ST(i->rm) = t;
}
HSET(fxch) = HSET_ALL(fxch);

static void fcmov(struct cpu *c, const struct insn *i, bool take)
{
    x87_track(c, i);
    if (unlikely(st_empty(c, 0) || st_empty(c, i->rm))) {
        if (!x87_underflow(c))
            st_set(c, 0, F80_DEFAULT_NAN);
    } else if (take) {
        st_set(c, 0, ST(i->rm));
    }
}

#define DEF_FCMOV(name, condition)        \
    X87(name) { fcmov(c, i, condition); } \
    HSET(name) = HSET_ALL(name);
DEF_FCMOV(fcmovb, lf_cf(c))
DEF_FCMOV(fcmove, lf_zf(c))
DEF_FCMOV(fcmovbe, lf_cf(c) | lf_zf(c))
DEF_FCMOV(fcmovu, lf_pf(c))
DEF_FCMOV(fcmovnb, !lf_cf(c))
DEF_FCMOV(fcmovne, !lf_zf(c))
DEF_FCMOV(fcmovnbe, !(lf_cf(c) | lf_zf(c)))
DEF_FCMOV(fcmovnu, !lf_pf(c))

/* --- one operand --- */

/* ST(0) is there, or the masked response was given: then false. */
static bool unary_operand(struct cpu *c, const struct insn *i)
{
    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    if (likely(!st_empty(c, 0)))
        return true;
    if (!x87_underflow(c))
        st_set(c, 0, F80_DEFAULT_NAN);
    return false;
}

X87(fchs)
{
    if (unary_operand(c, i))
        ST(0).se ^= 0x8000;
}
HSET(fchs) = HSET_ALL(fchs);

X87(fpu_abs)
{
    if (unary_operand(c, i))
        ST(0).se &= 0x7fff;
}
HSET(fabs) = HSET_ALL(fpu_abs);

X87(fsqrt)
{
    struct sf s = x87_sf(c);
    struct f80 r;

    if (!unary_operand(c, i))
        return;
    r = f80_sqrt(&s, ST(0));
    if (!(x87_done(c, &s) & SF_PRE))
        ST(0) = r;
}
HSET(fsqrt) = HSET_ALL(fsqrt);

X87(frndint)
{
    struct sf s = x87_sf(c);
    struct f80 r;

    if (!unary_operand(c, i))
        return;
    r = f80_rint(&s, ST(0));
    if (!(x87_done(c, &s) & SF_PRE))
        ST(0) = r;
}
HSET(frndint) = HSET_ALL(frndint);

X87(fxtract)
{
    struct sf s = x87_sf(c);
    struct f80 sig, e;

    x87_track(c, i);
    if (unlikely(st_empty(c, 0) || !st_empty(c, 7))) {
        if (st_empty(c, 0) ? x87_underflow(c) : x87_overflow(c))
            return;
        sig = e = F80_DEFAULT_NAN;
    } else {
        sig = f80_extract(&s, ST(0), &e);
        if (x87_done(c, &s) & SF_PRE)
            return;
    }
    st_set(c, 0, e);
    st_push(c, sig);
}
HSET(fxtract) = HSET_ALL(fxtract);

/* --- two operands, result in ST(0) --- */

static bool binary_operands(struct cpu *c, const struct insn *i)
{
    x87_track(c, i);
    if (likely(!st_empty(c, 0) && !st_empty(c, 1)))
        return true;
    if (!x87_underflow(c))
        st_set(c, 0, F80_DEFAULT_NAN);
    return false;
}

X87(fscale)
{
    struct sf s = x87_sf(c);
    struct f80 r;

    if (!binary_operands(c, i))
        return;
    r = f80_scale(&s, ST(0), ST(1));
    if (!(x87_done(c, &s) & SF_PRE))
        ST(0) = r;
}
HSET(fscale) = HSET_ALL(fscale);

static void remainder_op(struct cpu *c, const struct insn *i, bool nearest)
{
    struct sf s = x87_sf(c);
    struct f80 r;
    bool partial;
    unsigned q;

    c->fpu.sw &= (uint16_t)~SW_C2;
    if (!binary_operands(c, i))
        return;
    r = f80_rem(&s, ST(0), ST(1), nearest, &q, &partial);
    s.up = false;
    if (x87_done(c, &s) & SF_PRE)
        return;
    ST(0) = r;
    if (q == F80_NO_QUOTIENT)
        return;
    c->fpu.sw &= (uint16_t)~SW_CC;
    c->fpu.sw |= (partial ? SW_C2 : 0) | (q & 4 ? SW_C0 : 0) | (q & 2 ? SW_C3 : 0) | (q & 1 ? SW_C1 : 0);
}

X87(fprem) { remainder_op(c, i, false); }
HSET(fprem) = HSET_ALL(fprem);
X87(fprem1) { remainder_op(c, i, true); }
HSET(fprem1) = HSET_ALL(fprem1);

/* --- transcendentals: F2XM1, FPTAN, FSINCOS, FSIN, FCOS; FYL2X, FPATAN, FYL2XP1 --- */

X87(ftrans1)
{
    x87_track(c, i);
    if (unlikely(st_empty(c, 0)) && !HOST_FPU) {
        if (i->reg == 7 ? i->rm != 0 : i->rm == 2)
            c->fpu.sw &= (uint16_t)~SW_C2;
        if (!x87_underflow(c)) {
            st_set(c, 0, F80_DEFAULT_NAN);
            if (i->reg == 7 ? i->rm == 3 : i->rm == 2)
                st_push(c, F80_DEFAULT_NAN);
        }
        return;
    }
    x87_transcendental(c, 0xc0u | i->reg << 3 | i->rm);
}
HSET(ftrans1) = HSET_ALL(ftrans1);

X87(ftrans2)
{
    x87_track(c, i);
    if (unlikely(st_empty(c, 0) || st_empty(c, 1)) && !HOST_FPU) {
        if (!x87_underflow(c)) {
            st_set(c, 1, F80_DEFAULT_NAN);
            st_pop(c);
        }
        return;
    }
    x87_transcendental(c, 0xc0u | i->reg << 3 | i->rm);
}
HSET(ftrans2) = HSET_ALL(ftrans2);
