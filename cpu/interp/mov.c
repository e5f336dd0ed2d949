/* interp_mov.c - moves that compute nothing: MOV MOVZX MOVSX CMOVcc SETcc XCHG LEA BSWAP XLAT, the
 * exchanges CMPXCHG XADD CMPXCHG8B, and the one-byte flag instructions.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

#define SET3(name, r, m)      HSET(name) = { .fn = { { r##8, r##16, r##32 }, { m##8, m##16, m##32 } } };
#define SET3_FLAT(name, r, m) HSET(name) = { .fn = { { r##8, r##16, r##32 }, { m##8, m##16, m##32 } }, FLAT3(m) };
#define SET2_FLAT(name, r, m) HSET(name) = { .fn = { { NULL, r##16, r##32 }, { NULL, m##16, m##32 } }, FLAT2(m) };
#define SET2(name, r, m)      HSET(name) = { .fn = { { NULL, r##16, r##32 }, { NULL, m##16, m##32 } } };

#define DEF_MOV(bits)                                           \
    OP(mov_rr##bits)                                            \
    {                                                           \
        REG##bits(i->rm) = REG##bits(i->reg);                   \
        NEXT;                                                   \
    }                                                           \
    OP(mov_mr##bits)                                            \
    {                                                           \
        mem_write##bits(c, i, REG##bits(i->reg));               \
        NEXT;                                                   \
    }                                                           \
    OP(mov_rr_rev##bits)                                        \
    {                                                           \
        REG##bits(i->reg) = REG##bits(i->rm);                   \
        NEXT;                                                   \
    }                                                           \
    OP(mov_rm##bits)                                            \
    {                                                           \
        REG##bits(i->reg) = mem_read##bits(c, i);               \
        NEXT;                                                   \
    }                                                           \
    OP(mov_ri##bits)                                            \
    {                                                           \
        REG##bits(i->rm) = i->imm;                              \
        NEXT;                                                   \
    }                                                           \
    OP(mov_mi##bits)                                            \
    {                                                           \
        mem_write##bits(c, i, i->imm);                          \
        NEXT;                                                   \
    }                                                           \
    DEF_FLAT(mov_mr##bits, bits, W, p->v = REG##bits(i->reg))   \
    DEF_FLAT(mov_mi##bits, bits, W, p->v = i->imm)              \
    DEF_FLAT(mov_rm##bits, bits, R, REG##bits(i->reg) = p->v)   \
    OP(xchg_rr##bits)                                           \
    {                                                           \
        uint##bits##_t t = REG##bits(i->rm);                    \
        REG##bits(i->rm) = REG##bits(i->reg);                   \
        REG##bits(i->reg) = t;                                  \
        NEXT;                                                   \
    }                                                           \
    OP(xchg_mr##bits)                                           \
    {                                                           \
        struct mem##bits *p = mem_rmw##bits(c, i);              \
        uint##bits##_t t = p->v;                                \
        p->v = REG##bits(i->reg);                               \
        RMW_END(p, bits / 8);                                   \
        REG##bits(i->reg) = t;                                  \
        NEXT;                                                   \
    }                                                           \
    /* CMPXCHG writes the destination in both cases (SDM 2A) */ \
    OP(cmpxchg_rr##bits)                                        \
    {                                                           \
        uint##bits##_t d = REG##bits(i->rm);                    \
        uint##bits##_t a = REG##bits(EAX);                      \
        lf_sub##bits(c, a, d, (uint##bits##_t)(a - d));         \
        if (a == d)                                             \
            REG##bits(i->rm) = REG##bits(i->reg);               \
        else                                                    \
            REG##bits(EAX) = d;                                 \
        NEXT;                                                   \
    }                                                           \
    OP(cmpxchg_mr##bits)                                        \
    {                                                           \
        struct mem##bits *p = mem_rmw##bits(c, i);              \
        uint##bits##_t d = p->v;                                \
        uint##bits##_t a = REG##bits(EAX);                      \
        lf_sub##bits(c, a, d, (uint##bits##_t)(a - d));         \
        p->v = a == d ? REG##bits(i->reg) : d;                  \
        RMW_END(p, bits / 8);                                   \
        if (a != d)                                             \
            REG##bits(EAX) = d;                                 \
        NEXT;                                                   \
    }                                                           \
    OP(xadd_rr##bits)                                           \
    {                                                           \
        uint##bits##_t d = REG##bits(i->rm);                    \
        uint##bits##_t s = REG##bits(i->reg);                   \
        uint##bits##_t r = d + s;                               \
        lf_add##bits(c, d, s, r);                               \
        REG##bits(i->reg) = d;                                  \
        REG##bits(i->rm) = r;                                   \
        NEXT;                                                   \
    }                                                           \
    OP(xadd_mr##bits)                                           \
    {                                                           \
        struct mem##bits *p = mem_rmw##bits(c, i);              \
        uint##bits##_t d = p->v;                                \
        uint##bits##_t s = REG##bits(i->reg);                   \
        uint##bits##_t r = d + s;                               \
        lf_add##bits(c, d, s, r);                               \
        p->v = r;                                               \
        RMW_END(p, bits / 8);                                   \
        REG##bits(i->reg) = d;                                  \
        NEXT;                                                   \
    }
DEF_MOV(8)
DEF_MOV(16)
DEF_MOV(32)
SET3_FLAT(mov_EG, mov_rr, mov_mr)
SET3_FLAT(mov_GE, mov_rr_rev, mov_rm)
SET3_FLAT(mov_EI, mov_ri, mov_mi)
SET3(xchg_EG, xchg_rr, xchg_mr)
SET3(cmpxchg_EG, cmpxchg_rr, cmpxchg_mr)
SET3(xadd_EG, xadd_rr, xadd_mr)

#define DEF_EXTEND(name, to, from, stype)              \
    OP(name##_r##to)                                   \
    {                                                  \
        REG##to(i->reg) = (stype)REG##from(i->rm);     \
        NEXT;                                          \
    }                                                  \
    OP(name##_m##to)                                   \
    {                                                  \
        REG##to(i->reg) = (stype)mem_read##from(c, i); \
        NEXT;                                          \
    }                                                  \
    DEF_FLAT(name##_m##to, from, R, REG##to(i->reg) = (stype)p->v)
DEF_EXTEND(movzx_b, 16, 8, uint8_t)
DEF_EXTEND(movzx_b, 32, 8, uint8_t)
DEF_EXTEND(movzx_w, 16, 16, uint16_t)
DEF_EXTEND(movzx_w, 32, 16, uint16_t)
DEF_EXTEND(movsx_b, 16, 8, int8_t)
DEF_EXTEND(movsx_b, 32, 8, int8_t)
DEF_EXTEND(movsx_w, 16, 16, int16_t)
DEF_EXTEND(movsx_w, 32, 16, int16_t)
SET2_FLAT(movzx_b, movzx_b_r, movzx_b_m)
SET2_FLAT(movzx_w, movzx_w_r, movzx_w_m)
SET2_FLAT(movsx_b, movsx_b_r, movsx_b_m)
SET2_FLAT(movsx_w, movsx_w_r, movsx_w_m)

/* A memory source is read, and may fault, even if the condition is false. */
#define DEF_COND(name, cc)                                                       \
    OP(cmov_##name##_r16)                                                        \
    {                                                                            \
        if (lf_cond(c, cc))                                                      \
            REG16(i->reg) = REG16(i->rm);                                        \
        NEXT;                                                                    \
    }                                                                            \
    OP(cmov_##name##_r32)                                                        \
    {                                                                            \
        if (lf_cond(c, cc))                                                      \
            REG32(i->reg) = REG32(i->rm);                                        \
        NEXT;                                                                    \
    }                                                                            \
    OP(cmov_##name##_m16)                                                        \
    {                                                                            \
        uint16_t v = mem_read16(c, i);                                           \
        if (lf_cond(c, cc))                                                      \
            REG16(i->reg) = v;                                                   \
        NEXT;                                                                    \
    }                                                                            \
    OP(cmov_##name##_m32)                                                        \
    {                                                                            \
        uint32_t v = mem_read32(c, i);                                           \
        if (lf_cond(c, cc))                                                      \
            REG32(i->reg) = v;                                                   \
        NEXT;                                                                    \
    }                                                                            \
    OP(set_##name##_r)                                                           \
    {                                                                            \
        REG8(i->rm) = lf_cond(c, cc);                                            \
        NEXT;                                                                    \
    }                                                                            \
    OP(set_##name##_m)                                                           \
    {                                                                            \
        mem_write8(c, i, lf_cond(c, cc));                                        \
        NEXT;                                                                    \
    }                                                                            \
    DEF_FLAT(cmov_##name##_m16, 16, R, if (lf_cond(c, cc)) REG16(i->reg) = p->v) \
    DEF_FLAT(cmov_##name##_m32, 32, R, if (lf_cond(c, cc)) REG32(i->reg) = p->v) \
    SET2_FLAT(cmov_##name, cmov_##name##_r, cmov_##name##_m)                     \
    HSET(set_##name) = HSET_RM(set_##name##_r, set_##name##_m);
DEF_COND(o, 0)
DEF_COND(no, 1)
DEF_COND(b, 2)
DEF_COND(ae, 3)
DEF_COND(e, 4)
DEF_COND(ne, 5)
DEF_COND(be, 6)
DEF_COND(a, 7)
DEF_COND(s, 8)
DEF_COND(ns, 9)
DEF_COND(p, 10)
DEF_COND(np, 11)
DEF_COND(l, 12)
DEF_COND(ge, 13)
DEF_COND(le, 14)
DEF_COND(g, 15)

OP(lea16)
{
    REG16(i->reg) = ea(c, i);
    NEXT;
}
OP(lea32)
{
    REG32(i->reg) = ea(c, i);
    NEXT;
}
HSET(lea_GM) = { .fn = { { NULL, NULL, NULL }, { NULL, lea16, lea32 } } };

OP(cbw16)
{
    REG16(EAX) = (int8_t)REG8(0);
    NEXT;
}
OP(cbw32)
{
    REG32(EAX) = (int16_t)REG16(EAX);
    NEXT;
}
HSET(cbw) = { .fn = { { NULL, cbw16, cbw32 }, { NULL, NULL, NULL } } };
OP(cwd16)
{
    REG16(EDX) = (int16_t)REG16(EAX) >> 15;
    NEXT;
}
OP(cwd32)
{
    REG32(EDX) = (int32_t)REG32(EAX) >> 31;
    NEXT;
}
HSET(cwd) = { .fn = { { NULL, cwd16, cwd32 }, { NULL, NULL, NULL } } };

OP(xlat)
{
    REG8(0) = seg_read8(c, i, i->seg, (REG32(EBX) + REG8(0)) & i->amask);
    NEXT;
}
HSET(xlat) = HSET_ALL(xlat);

/* BSWAP of a 16-bit register is undefined; Intel CPUs give 0. */
OP(bswap16)
{
    REG16(i->rm) = 0;
    NEXT;
}
OP(bswap32)
{
    REG32(i->rm) = __builtin_bswap32(REG32(i->rm));
    NEXT;
}
HSET(bswap) = { .fn = { { NULL, bswap16, bswap32 }, { NULL, NULL, NULL } } };

OP(cmpxchg8b)
{
    struct mem64 *p = mem_rmw64(c, i);
    uint64_t d = p->v;
    bool equal = d == ((uint64_t)REG32(EDX) << 32 | REG32(EAX));

    if (equal)
        p->v = (uint64_t)REG32(ECX) << 32 | REG32(EBX);
    RMW_END(p, 8);
    if (!equal) {
        REG32(EAX) = d;
        REG32(EDX) = d >> 32;
    }
    lf_set_all(c, (lf_get_all(c) & ~EFLAGS_ZF) | (equal ? EFLAGS_ZF : 0));
    NEXT;
}
HSET(cmpxchg8b) = HSET_RM(NULL, cmpxchg8b);

OP(nop) { NEXT; }
HSET(nop) = HSET_ALL(nop);
OP(clc)
{
    lf_set_cf(c, 0);
    NEXT;
}
HSET(clc) = HSET_ALL(clc);
OP(stc)
{
    lf_set_cf(c, 1);
    NEXT;
}
HSET(stc) = HSET_ALL(stc);
OP(cmc)
{
    lf_set_cf(c, !lf_cf(c));
    NEXT;
}
HSET(cmc) = HSET_ALL(cmc);
OP(cld)
{
    c->eflags &= ~EFLAGS_DF;
    NEXT;
}
HSET(cld) = HSET_ALL(cld);
OP(std)
{
    c->eflags |= EFLAGS_DF;
    NEXT;
}
HSET(std) = HSET_ALL(std);
OP(salc)
{
    REG8(0) = lf_cf(c) ? 0xff : 0;
    NEXT;
}
HSET(salc) = HSET_ALL(salc);
OP(lahf)
{
    REG8(1) = (lf_get_all(c) & 0xff) | EFLAGS_1;
    NEXT;
}
HSET(lahf) = HSET_ALL(lahf);
OP(sahf)
{
    lf_set_all(c, (lf_get_all(c) & EFLAGS_OF) | (REG8(1) & 0xd5));
    NEXT;
}
HSET(sahf) = HSET_ALL(sahf);
