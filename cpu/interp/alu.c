/* interp_alu.c - ADD OR ADC SBB AND SUB XOR CMP TEST INC DEC NOT NEG, every size and form.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

/* Each operation as an expression on (a, b), flags set on the way. */
#define DEF_OPS(bits)                                                                            \
    static inline uint##bits##_t do_add##bits(struct cpu *c, uint##bits##_t a, uint##bits##_t b) \
    {                                                                                            \
        uint##bits##_t r = a + b;                                                                \
        lf_add##bits(c, a, b, r);                                                                \
        return r;                                                                                \
    }                                                                                            \
    static inline uint##bits##_t do_adc##bits(struct cpu *c, uint##bits##_t a, uint##bits##_t b) \
    {                                                                                            \
        uint##bits##_t r = a + b + lf_cf(c);                                                     \
        lf_add##bits(c, a, b, r);                                                                \
        return r;                                                                                \
    }                                                                                            \
    static inline uint##bits##_t do_sub##bits(struct cpu *c, uint##bits##_t a, uint##bits##_t b) \
    {                                                                                            \
        uint##bits##_t r = a - b;                                                                \
        lf_sub##bits(c, a, b, r);                                                                \
        return r;                                                                                \
    }                                                                                            \
    static inline uint##bits##_t do_sbb##bits(struct cpu *c, uint##bits##_t a, uint##bits##_t b) \
    {                                                                                            \
        uint##bits##_t r = a - b - lf_cf(c);                                                     \
        lf_sub##bits(c, a, b, r);                                                                \
        return r;                                                                                \
    }                                                                                            \
    static inline uint##bits##_t do_and##bits(struct cpu *c, uint##bits##_t a, uint##bits##_t b) \
    {                                                                                            \
        lf_logic##bits(c, (a & b));                                                              \
        return a & b;                                                                            \
    }                                                                                            \
    static inline uint##bits##_t do_or##bits(struct cpu *c, uint##bits##_t a, uint##bits##_t b)  \
    {                                                                                            \
        lf_logic##bits(c, a | b);                                                                \
        return a | b;                                                                            \
    }                                                                                            \
    static inline uint##bits##_t do_xor##bits(struct cpu *c, uint##bits##_t a, uint##bits##_t b) \
    {                                                                                            \
        lf_logic##bits(c, a ^ b);                                                                \
        return a ^ b;                                                                            \
    }                                                                                            \
    static inline uint##bits##_t do_inc##bits(struct cpu *c, uint##bits##_t a)                   \
    {                                                                                            \
        uint32_t cf = lf_cf(c);                                                                  \
        uint##bits##_t r = a + 1;                                                                \
        lf_add##bits(c, a, 1, r);                                                                \
        lf_set_cf(c, cf);                                                                        \
        return r;                                                                                \
    }                                                                                            \
    static inline uint##bits##_t do_dec##bits(struct cpu *c, uint##bits##_t a)                   \
    {                                                                                            \
        uint32_t cf = lf_cf(c);                                                                  \
        uint##bits##_t r = a - 1;                                                                \
        lf_sub##bits(c, a, 1, r);                                                                \
        lf_set_cf(c, cf);                                                                        \
        return r;                                                                                \
    }                                                                                            \
    static inline uint##bits##_t do_neg##bits(struct cpu *c, uint##bits##_t a)                   \
    {                                                                                            \
        uint##bits##_t r = -a;                                                                   \
        lf_sub##bits(c, 0, a, r);                                                                \
        return r;                                                                                \
    }                                                                                            \
    static inline uint##bits##_t do_not##bits(struct cpu *c, uint##bits##_t a)                   \
    {                                                                                            \
        (void)c;                                                                                 \
        return ~a;                                                                               \
    }
DEF_OPS(8)
DEF_OPS(16)
DEF_OPS(32)

/* Two operands, result written. */
#define DEF_RW(op, bits)                                                               \
    OP(op##_rr##bits)                                                                  \
    {                                                                                  \
        REG##bits(i->rm) = do_##op##bits(c, REG##bits(i->rm), REG##bits(i->reg));      \
        NEXT;                                                                          \
    }                                                                                  \
    OP(op##_mr##bits)                                                                  \
    {                                                                                  \
        struct mem##bits *p = mem_rmw##bits(c, i);                                     \
        p->v = do_##op##bits(c, p->v, REG##bits(i->reg));                              \
        RMW_END(p, bits / 8);                                                          \
        NEXT;                                                                          \
    }                                                                                  \
    OP(op##_rr_rev##bits)                                                              \
    {                                                                                  \
        REG##bits(i->reg) = do_##op##bits(c, REG##bits(i->reg), REG##bits(i->rm));     \
        NEXT;                                                                          \
    }                                                                                  \
    OP(op##_rm##bits)                                                                  \
    {                                                                                  \
        uint##bits##_t v = mem_read##bits(c, i);                                       \
        REG##bits(i->reg) = do_##op##bits(c, REG##bits(i->reg), v);                    \
        NEXT;                                                                          \
    }                                                                                  \
    OP(op##_ri##bits)                                                                  \
    {                                                                                  \
        REG##bits(i->rm) = do_##op##bits(c, REG##bits(i->rm), i->imm);                 \
        NEXT;                                                                          \
    }                                                                                  \
    OP(op##_mi##bits)                                                                  \
    {                                                                                  \
        struct mem##bits *p = mem_rmw##bits(c, i);                                     \
        p->v = do_##op##bits(c, p->v, i->imm);                                         \
        RMW_END(p, bits / 8);                                                          \
        NEXT;                                                                          \
    }                                                                                  \
    DEF_FLAT(op##_mr##bits, bits, W, p->v = do_##op##bits(c, p->v, REG##bits(i->reg))) \
    DEF_FLAT(op##_mi##bits, bits, W, p->v = do_##op##bits(c, p->v, i->imm))            \
    DEF_FLAT(op##_rm##bits, bits, R, REG##bits(i->reg) = do_##op##bits(c, REG##bits(i->reg), p->v))

/* Two operands, flags only. */
#define DEF_RO(name, op, bits)                                                    \
    OP(name##_rr##bits)                                                           \
    {                                                                             \
        do_##op##bits(c, REG##bits(i->rm), REG##bits(i->reg));                    \
        NEXT;                                                                     \
    }                                                                             \
    OP(name##_mr##bits)                                                           \
    {                                                                             \
        do_##op##bits(c, mem_read##bits(c, i), REG##bits(i->reg));                \
        NEXT;                                                                     \
    }                                                                             \
    OP(name##_ri##bits)                                                           \
    {                                                                             \
        do_##op##bits(c, REG##bits(i->rm), i->imm);                               \
        NEXT;                                                                     \
    }                                                                             \
    OP(name##_mi##bits)                                                           \
    {                                                                             \
        do_##op##bits(c, mem_read##bits(c, i), i->imm);                           \
        NEXT;                                                                     \
    }                                                                             \
    DEF_FLAT(name##_mr##bits, bits, R, do_##op##bits(c, p->v, REG##bits(i->reg))) \
    DEF_FLAT(name##_mi##bits, bits, R, do_##op##bits(c, p->v, i->imm))

#define SET(name, suffix, r, m)                                                                                      \
    HSET(name##suffix) = {                                                                                           \
        .fn = { { name##r##8, name##r##16, name##r##32 }, { name##m##8, name##m##16, name##m##32 } }, FLAT3(name##m) \
    };

#define DEF_RW_ALL(op) \
    DEF_RW(op, 8) DEF_RW(op, 16) DEF_RW(op, 32) SET(op, _EG, _rr, _mr) SET(op, _GE, _rr_rev, _rm) SET(op, _EI, _ri, _mi)
DEF_RW_ALL(add)
DEF_RW_ALL(or)
DEF_RW_ALL(adc)
DEF_RW_ALL(sbb)
DEF_RW_ALL(and)
DEF_RW_ALL(sub)
DEF_RW_ALL(xor)

#define DEF_RO_ALL(name, op) \
    DEF_RO(name, op, 8) DEF_RO(name, op, 16) DEF_RO(name, op, 32) SET(name, _EG, _rr, _mr) SET(name, _EI, _ri, _mi)
DEF_RO_ALL(cmp, sub)
DEF_RO_ALL(test, and)

#define DEF_CMP_GE(bits)                                          \
    OP(cmp_rr_rev##bits)                                          \
    {                                                             \
        do_sub##bits(c, REG##bits(i->reg), REG##bits(i->rm));     \
        NEXT;                                                     \
    }                                                             \
    OP(cmp_rm##bits)                                              \
    {                                                             \
        do_sub##bits(c, REG##bits(i->reg), mem_read##bits(c, i)); \
        NEXT;                                                     \
    }                                                             \
    DEF_FLAT(cmp_rm##bits, bits, R, do_sub##bits(c, REG##bits(i->reg), p->v))
DEF_CMP_GE(8)
DEF_CMP_GE(16)
DEF_CMP_GE(32)
SET(cmp, _GE, _rr_rev, _rm)

/* One operand. */
#define DEF_UNARY(op, bits)                                    \
    OP(op##_r##bits)                                           \
    {                                                          \
        REG##bits(i->rm) = do_##op##bits(c, REG##bits(i->rm)); \
        NEXT;                                                  \
    }                                                          \
    OP(op##_m##bits)                                           \
    {                                                          \
        struct mem##bits *p = mem_rmw##bits(c, i);             \
        p->v = do_##op##bits(c, p->v);                         \
        RMW_END(p, bits / 8);                                  \
        NEXT;                                                  \
    }                                                          \
    DEF_FLAT(op##_m##bits, bits, W, p->v = do_##op##bits(c, p->v))
#define DEF_UNARY_ALL(op) DEF_UNARY(op, 8) DEF_UNARY(op, 16) DEF_UNARY(op, 32) SET(op, _E, _r, _m)
DEF_UNARY_ALL(inc)
DEF_UNARY_ALL(dec)
DEF_UNARY_ALL(not )
DEF_UNARY_ALL(neg)
