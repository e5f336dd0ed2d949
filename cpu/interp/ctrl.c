/* interp_ctrl.c - near branches: Jcc JMP CALL RET LOOP JCXZ. A target outside CS faults on the
 * branch itself (SDM 2A, JMP). A conditional branch that is not taken does not end the block.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

#define CHECK_TARGET(t)                           \
    do {                                          \
        if (unlikely((t) > c->seg[SEG_CS].limit)) \
            RAISE_ERR(EXC_GP, 0);                 \
    } while (0)

#define TAKE(bits)                                       \
    do {                                                 \
        uint32_t t_ = (uint##bits##_t)(c->eip + i->imm); \
        CHECK_TARGET(t_);                                \
        LEAVE(t_);                                       \
    } while (0)

#define SET2(name) HSET(name) = { .fn = { { NULL, name##16, name##32 }, { NULL, NULL, NULL } } };

#define DEF_J(name, cc)     \
    OP(j_##name##16)        \
    {                       \
        if (lf_cond(c, cc)) \
            TAKE(16);       \
        NEXT;               \
    }                       \
    OP(j_##name##32)        \
    {                       \
        if (lf_cond(c, cc)) \
            TAKE(32);       \
        NEXT;               \
    }                       \
    SET2(j_##name)
DEF_J(o, 0)
DEF_J(no, 1)
DEF_J(b, 2)
DEF_J(ae, 3)
DEF_J(e, 4)
DEF_J(ne, 5)
DEF_J(be, 6)
DEF_J(a, 7)
DEF_J(s, 8)
DEF_J(ns, 9)
DEF_J(p, 10)
DEF_J(np, 11)
DEF_J(l, 12)
DEF_J(ge, 13)
DEF_J(le, 14)
DEF_J(g, 15)

#define DEF_NEAR(bits)                                  \
    OP(jmp_J##bits) { TAKE(bits); }                     \
    OP(call_J##bits)                                    \
    {                                                   \
        uint32_t t = (uint##bits##_t)(c->eip + i->imm); \
        CHECK_TARGET(t);                                \
        push##bits(c, i, EIP_NEXT);                     \
        LEAVE(t);                                       \
    }                                                   \
    OP(jmp_r##bits)                                     \
    {                                                   \
        uint32_t t = REG##bits(i->rm);                  \
        CHECK_TARGET(t);                                \
        LEAVE(t);                                       \
    }                                                   \
    OP(jmp_m##bits)                                     \
    {                                                   \
        uint32_t t = mem_read##bits(c, i);              \
        CHECK_TARGET(t);                                \
        LEAVE(t);                                       \
    }                                                   \
    OP(call_r##bits)                                    \
    {                                                   \
        uint32_t t = REG##bits(i->rm);                  \
        CHECK_TARGET(t);                                \
        push##bits(c, i, EIP_NEXT);                     \
        LEAVE(t);                                       \
    }                                                   \
    OP(call_m##bits)                                    \
    {                                                   \
        uint32_t t = mem_read##bits(c, i);              \
        CHECK_TARGET(t);                                \
        push##bits(c, i, EIP_NEXT);                     \
        LEAVE(t);                                       \
    }                                                   \
    OP(ret##bits)                                       \
    {                                                   \
        uint32_t t = stack_read##bits(c, i, 0);         \
        CHECK_TARGET(t);                                \
        sp_add(c, bits / 8);                            \
        LEAVE(t);                                       \
    }                                                   \
    OP(ret_I##bits)                                     \
    {                                                   \
        uint32_t t = stack_read##bits(c, i, 0);         \
        CHECK_TARGET(t);                                \
        sp_add(c, bits / 8 + (uint16_t)i->imm);         \
        LEAVE(t);                                       \
    }
DEF_NEAR(16)
DEF_NEAR(32)
SET2(jmp_J)

/* CALL and RET with a flat 32-bit stack. */
OP(call_J32_f)
{
    gla_t la = c->r[ESP] - 4;
    const struct tlb_entry *e = TLB_W(la);
    uint32_t t = c->eip + i->imm;

    if (unlikely(!TLB_HIT(e->tag, la, 4)) || unlikely(t > c->seg[SEG_CS].limit)) {
        call_J32(c, i);
        return;
    }
    ((struct mem32 *)(e->addend + la))->v = EIP_NEXT;
    c->r[ESP] = la;
    LEAVE(t);
}
HSET(call_J) = { .fn = { { NULL, call_J16, call_J32 }, { NULL, NULL, NULL } },
                 .flat = { [0] = { NULL, NULL, call_J32_f } } };

OP(ret32_f)
{
    gla_t la = c->r[ESP];
    const struct tlb_entry *e = TLB_R(la);
    uint32_t t;

    if (unlikely(!TLB_HIT(e->tag, la, 4))) {
        ret32(c, i);
        return;
    }
    t = ((const struct mem32 *)(e->addend + la))->v;
    CHECK_TARGET(t);
    c->r[ESP] = la + 4;
    LEAVE(t);
}
HSET(ret) = { .fn = { { NULL, ret16, ret32 }, { NULL, NULL, NULL } }, .flat = { [0] = { NULL, NULL, ret32_f } } };
SET2(ret_I)
HSET(jmp_E) = { .fn = { { NULL, jmp_r16, jmp_r32 }, { NULL, jmp_m16, jmp_m32 } } };
HSET(call_E) = { .fn = { { NULL, call_r16, call_r32 }, { NULL, call_m16, call_m32 } } };

/* The counter is CX or ECX by address size; it is decremented even if the branch faults, so the
 * target is checked first. */
#define DEF_LOOP(name, bits, COND)                      \
    OP(name##bits)                                      \
    {                                                   \
        uint32_t n = (c->r[ECX] - 1) & i->amask;        \
        bool take = n != 0 && (COND);                   \
        uint32_t t = (uint##bits##_t)(c->eip + i->imm); \
        if (take)                                       \
            CHECK_TARGET(t);                            \
        c->r[ECX] = (c->r[ECX] & ~i->amask) | n;        \
        if (take)                                       \
            LEAVE(t);                                   \
        NEXT;                                           \
    }
DEF_LOOP(loop, 16, true)
DEF_LOOP(loop, 32, true)
DEF_LOOP(loope, 16, lf_zf(c))
DEF_LOOP(loope, 32, lf_zf(c))
DEF_LOOP(loopne, 16, !lf_zf(c))
DEF_LOOP(loopne, 32, !lf_zf(c))
SET2(loop)
SET2(loope)
SET2(loopne)

OP(jcxz16)
{
    if (!(c->r[ECX] & i->amask))
        TAKE(16);
    NEXT;
}
OP(jcxz32)
{
    if (!(c->r[ECX] & i->amask))
        TAKE(32);
    NEXT;
}
SET2(jcxz)
