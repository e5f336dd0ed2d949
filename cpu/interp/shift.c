/* interp_shift.c - shifts, rotates, double shifts, and bit tests and scans.
 *
 * A count (masked to 5 bits) of 0 changes nothing, not even flags. Undefined results are those of
 * today's Intel CPUs: OF is what a count of 1 gives, whatever the count is; AF is cleared by shifts.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

#define DEF_SHIFT_OPS(bits)                                                                 \
    /* the top bit of v, and whether it is not the next */                                  \
    static inline uint32_t top##bits(uint##bits##_t v) { return v >> (bits - 1); }          \
    static inline uint32_t turn##bits(uint##bits##_t v) { return top##bits(v ^ (v << 1)); } \
    static inline uint##bits##_t do_rol##bits(struct cpu *c, uint##bits##_t a, unsigned n)  \
    {                                                                                       \
        unsigned k = n & (bits - 1);                                                        \
        uint##bits##_t r = k ? (uint##bits##_t)(a << k | a >> (bits - k)) : a;              \
        lf_set_cf_of(c, r & 1, turn##bits(a));                                              \
        return r;                                                                           \
    }                                                                                       \
    static inline uint##bits##_t do_ror##bits(struct cpu *c, uint##bits##_t a, unsigned n)  \
    {                                                                                       \
        unsigned k = n & (bits - 1);                                                        \
        uint##bits##_t r = k ? (uint##bits##_t)(a >> k | a << (bits - k)) : a;              \
        lf_set_cf_of(c, top##bits(r), (a & 1) ^ top##bits(a));                              \
        return r;                                                                           \
    }                                                                                       \
    static inline uint##bits##_t do_rcl##bits(struct cpu *c, uint##bits##_t a, unsigned n)  \
    {                                                                                       \
        unsigned k = n % (bits + 1);                                                        \
        uint64_t w = (uint64_t)lf_cf(c) << bits | a;                                        \
        if (!k)                                                                             \
            return a;                                                                       \
        w = w << k | w >> (bits + 1 - k);                                                   \
        lf_set_cf_of(c, w >> bits & 1, turn##bits(a));                                      \
        return w;                                                                           \
    }                                                                                       \
    static inline uint##bits##_t do_rcr##bits(struct cpu *c, uint##bits##_t a, unsigned n)  \
    {                                                                                       \
        unsigned k = n % (bits + 1);                                                        \
        uint64_t w = (uint64_t)lf_cf(c) << bits | a;                                        \
        if (!k)                                                                             \
            return a;                                                                       \
        w = w >> k | w << (bits + 1 - k);                                                   \
        lf_set_cf_of(c, w >> bits & 1, lf_cf(c) ^ top##bits(a));                            \
        return w;                                                                           \
    }                                                                                       \
    static inline uint##bits##_t do_shl##bits(struct cpu *c, uint##bits##_t a, unsigned n)  \
    {                                                                                       \
        uint64_t w = (uint64_t)a << n;                                                      \
        uint##bits##_t r = w;                                                               \
        lf_logic##bits(c, r);                                                               \
        lf_set_cf_of(c, w >> bits & 1, turn##bits(a));                                      \
        return r;                                                                           \
    }                                                                                       \
    static inline uint##bits##_t do_shr##bits(struct cpu *c, uint##bits##_t a, unsigned n)  \
    {                                                                                       \
        uint##bits##_t r = (uint64_t)a >> n;                                                \
        uint32_t cf = (uint64_t)a >> (n - 1) & 1;                                           \
        lf_logic##bits(c, r);                                                               \
        lf_set_cf_of(c, cf, top##bits(a));                                                  \
        return r;                                                                           \
    }                                                                                       \
    static inline uint##bits##_t do_sar##bits(struct cpu *c, uint##bits##_t a, unsigned n)  \
    {                                                                                       \
        int64_t v = (int##bits##_t)a;                                                       \
        uint##bits##_t r = v >> n;                                                          \
        uint32_t cf = v >> (n - 1) & 1;                                                     \
        lf_logic##bits(c, r);                                                               \
        lf_set_cf_of(c, cf, 0);                                                             \
        return r;                                                                           \
    }
DEF_SHIFT_OPS(8)
DEF_SHIFT_OPS(16)
DEF_SHIFT_OPS(32)

#define DEF_SHIFT(op, bits, form, COUNT)                              \
    OP(op##_r##form##bits)                                            \
    {                                                                 \
        unsigned n = (COUNT)&31;                                      \
        if (n)                                                        \
            REG##bits(i->rm) = do_##op##bits(c, REG##bits(i->rm), n); \
        NEXT;                                                         \
    }                                                                 \
    OP(op##_m##form##bits)                                            \
    {                                                                 \
        struct mem##bits *p = mem_rmw##bits(c, i);                    \
        unsigned n = (COUNT)&31;                                      \
        if (n) {                                                      \
            p->v = do_##op##bits(c, p->v, n);                         \
            RMW_END(p, bits / 8);                                     \
        }                                                             \
        NEXT;                                                         \
    }
#define DEF_SHIFT_SET(op, form, COUNT)                                                      \
    DEF_SHIFT(op, 8, form, COUNT)                                                           \
    DEF_SHIFT(op, 16, form, COUNT)                                                          \
    DEF_SHIFT(op, 32, form, COUNT)                                                          \
    HSET(op##_E##form) = { .fn = { { op##_r##form##8, op##_r##form##16, op##_r##form##32 }, \
                                   { op##_m##form##8, op##_m##form##16, op##_m##form##32 } } };
#define DEF_SHIFT_ALL(op)        \
    DEF_SHIFT_SET(op, I, i->imm) \
    DEF_SHIFT_SET(op, 1, 1)      \
    DEF_SHIFT_SET(op, C, REG8(4))
DEF_SHIFT_ALL(rol)
DEF_SHIFT_ALL(ror)
DEF_SHIFT_ALL(rcl)
DEF_SHIFT_ALL(rcr)
DEF_SHIFT_ALL(shl)
DEF_SHIFT_ALL(shr)
DEF_SHIFT_ALL(sar)

/* Double shifts. For 16 bits and counts over 16 the result is undefined; Intel CPUs rotate on with
 * the destination's own bits shifted in again. */
static inline uint32_t do_shld32(struct cpu *c, uint32_t a, uint32_t b, unsigned n)
{
    uint32_t r = a << n | b >> (32 - n);
    uint32_t cf = a >> (32 - n) & 1;

    lf_logic32(c, r);
    lf_set_cf_of(c, cf, turn32(a));
    return r;
}

static inline uint32_t do_shrd32(struct cpu *c, uint32_t a, uint32_t b, unsigned n)
{
    uint32_t r = a >> n | b << (32 - n);
    uint32_t cf = a >> (n - 1) & 1;

    lf_logic32(c, r);
    lf_set_cf_of(c, cf, (b & 1) ^ top32(a));
    return r;
}

static inline uint16_t do_shld16(struct cpu *c, uint16_t a, uint16_t b, unsigned n)
{
    uint64_t w = (uint64_t)a << 32 | (uint32_t)b << 16 | a;
    uint16_t r = w >> (32 - n);
    uint32_t cf = w >> (48 - n) & 1;

    lf_logic16(c, r);
    lf_set_cf_of(c, cf, turn16(a));
    return r;
}

static inline uint16_t do_shrd16(struct cpu *c, uint16_t a, uint16_t b, unsigned n)
{
    uint64_t w = (uint64_t)a << 32 | (uint32_t)b << 16 | a;
    uint16_t r = w >> n;
    uint32_t cf = w >> (n - 1) & 1;

    lf_logic16(c, r);
    lf_set_cf_of(c, cf, (b & 1) ^ top16(a));
    return r;
}

#define DEF_DOUBLE(op, bits, form, COUNT)                                                \
    OP(op##_r##form##bits)                                                               \
    {                                                                                    \
        unsigned n = (COUNT)&31;                                                         \
        if (n)                                                                           \
            REG##bits(i->rm) = do_##op##bits(c, REG##bits(i->rm), REG##bits(i->reg), n); \
        NEXT;                                                                            \
    }                                                                                    \
    OP(op##_m##form##bits)                                                               \
    {                                                                                    \
        struct mem##bits *p = mem_rmw##bits(c, i);                                       \
        unsigned n = (COUNT)&31;                                                         \
        if (n) {                                                                         \
            p->v = do_##op##bits(c, p->v, REG##bits(i->reg), n);                         \
            RMW_END(p, bits / 8);                                                        \
        }                                                                                \
        NEXT;                                                                            \
    }
#define DEF_DOUBLE_SET(op, form, COUNT)                                         \
    DEF_DOUBLE(op, 16, form, COUNT)                                             \
    DEF_DOUBLE(op, 32, form, COUNT)                                             \
    HSET(op##_##form) = { .fn = { { NULL, op##_r##form##16, op##_r##form##32 }, \
                                  { NULL, op##_m##form##16, op##_m##form##32 } } };
DEF_DOUBLE_SET(shld, I, i->imm)
DEF_DOUBLE_SET(shld, C, REG8(4))
DEF_DOUBLE_SET(shrd, I, i->imm)
DEF_DOUBLE_SET(shrd, C, REG8(4))

/* --- bit tests. They change CF alone: the undefined flags stay, as on hardware. With a register
 * offset the memory operand is a bit string: the offset moves the address (SDM 2A, BT). --- */

#define BIT_bt(v, m)  (v)
#define BIT_bts(v, m) ((v) | (m))
#define BIT_btr(v, m) ((v) & ~(m))
#define BIT_btc(v, m) ((v) ^ (m))

#define DEF_BIT(op, bits, stype, log, ISBT)                                             \
    OP(op##_rr##bits)                                                                   \
    {                                                                                   \
        unsigned n = REG##bits(i->reg) & (bits - 1);                                    \
        uint##bits##_t v = REG##bits(i->rm);                                            \
        lf_set_cf(c, v >> n & 1);                                                       \
        if (!ISBT)                                                                      \
            REG##bits(i->rm) = BIT_##op(v, (uint##bits##_t)(1u << n));                  \
        NEXT;                                                                           \
    }                                                                                   \
    OP(op##_mr##bits)                                                                   \
    {                                                                                   \
        stype o = (stype)REG##bits(i->reg);                                             \
        unsigned n = o & (bits - 1);                                                    \
        uint32_t off = (ea(c, i) + (uint32_t)(o >> log) * (bits / 8)) & i->amask;       \
        if (ISBT) {                                                                     \
            lf_set_cf(c, seg_read##bits(c, i, i->seg, off) >> n & 1);                   \
        } else {                                                                        \
            gla_t la = seg_linear(c, i, i->seg, off, bits / 8, true);                   \
            struct mem##bits *p = (struct mem##bits *)mem_rmw_slow(c, i, la, bits / 8); \
            lf_set_cf(c, p->v >> n & 1);                                                \
            p->v = BIT_##op(p->v, (uint##bits##_t)(1u << n));                           \
            RMW_END(p, bits / 8);                                                       \
        }                                                                               \
        NEXT;                                                                           \
    }                                                                                   \
    OP(op##_ri##bits)                                                                   \
    {                                                                                   \
        unsigned n = i->imm & (bits - 1);                                               \
        uint##bits##_t v = REG##bits(i->rm);                                            \
        lf_set_cf(c, v >> n & 1);                                                       \
        if (!ISBT)                                                                      \
            REG##bits(i->rm) = BIT_##op(v, (uint##bits##_t)(1u << n));                  \
        NEXT;                                                                           \
    }                                                                                   \
    OP(op##_mi##bits)                                                                   \
    {                                                                                   \
        unsigned n = i->imm & (bits - 1);                                               \
        if (ISBT) {                                                                     \
            lf_set_cf(c, mem_read##bits(c, i) >> n & 1);                                \
        } else {                                                                        \
            struct mem##bits *p = mem_rmw##bits(c, i);                                  \
            lf_set_cf(c, p->v >> n & 1);                                                \
            p->v = BIT_##op(p->v, (uint##bits##_t)(1u << n));                           \
            RMW_END(p, bits / 8);                                                       \
        }                                                                               \
        NEXT;                                                                           \
    }

#define DEF_BIT_ALL(op, ISBT)                                                                     \
    DEF_BIT(op, 16, int16_t, 4, ISBT)                                                             \
    DEF_BIT(op, 32, int32_t, 5, ISBT)                                                             \
    HSET(op##_EG) = { .fn = { { NULL, op##_rr16, op##_rr32 }, { NULL, op##_mr16, op##_mr32 } } }; \
    HSET(op##_EI) = { .fn = { { NULL, op##_ri16, op##_ri32 }, { NULL, op##_mi16, op##_mi32 } } };
DEF_BIT_ALL(bt, true)
DEF_BIT_ALL(bts, false)
DEF_BIT_ALL(btr, false)
DEF_BIT_ALL(btc, false)

/* Bit scans: with a source of 0, ZF is set and the destination is unchanged (undefined in the SDM,
 * so on every Intel and AMD CPU). */
#define DEF_SCAN(op, form, bits, GET, INDEX)                                               \
    OP(op##_##form##bits)                                                                  \
    {                                                                                      \
        uint32_t v = GET;                                                                  \
        if (v)                                                                             \
            REG##bits(i->reg) = INDEX;                                                     \
        lf_logic32(c, v ? 0x100 | (INDEX) : 0); /* ZF by v, PF (undefined) by the index */ \
        NEXT;                                                                              \
    }
DEF_SCAN(bsf, r, 16, REG16(i->rm), __builtin_ctz(v))
DEF_SCAN(bsf, r, 32, REG32(i->rm), __builtin_ctz(v))
DEF_SCAN(bsf, m, 16, mem_read16(c, i), __builtin_ctz(v))
DEF_SCAN(bsf, m, 32, mem_read32(c, i), __builtin_ctz(v))
DEF_SCAN(bsr, r, 16, REG16(i->rm), 31 - __builtin_clz(v))
DEF_SCAN(bsr, r, 32, REG32(i->rm), 31 - __builtin_clz(v))
DEF_SCAN(bsr, m, 16, mem_read16(c, i), 31 - __builtin_clz(v))
DEF_SCAN(bsr, m, 32, mem_read32(c, i), 31 - __builtin_clz(v))
HSET(bsf_GE) = { .fn = { { NULL, bsf_r16, bsf_r32 }, { NULL, bsf_m16, bsf_m32 } } };
HSET(bsr_GE) = { .fn = { { NULL, bsr_r16, bsr_r32 }, { NULL, bsr_m16, bsr_m32 } } };
