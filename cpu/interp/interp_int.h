/* interp_int.h - what the interpreter's handler files share: operand access and the chain.
 *
 * A handler is `void f(struct cpu *c, const struct insn *i)`. It does its work and goes on with
 * NEXT (a tail call of the next handler of the block), or returns to the dispatcher with LEAVE
 * or END_BLOCK. Rules:
 *   - c->eip is the block's first EIP while a block runs; this instruction is at c->eip + i->off.
 *   - raise a guest exception with RAISE/RAISE_ERR (they do not return). Before that, no
 *     architectural state may have been changed: faults are restartable (SDM 3A 6.5).
 *   - a function that can raise without being given `i` needs c->cur = i first (SYNC()).
 *   - memory goes through the accessors below only.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_INTERP_INT_H
#define CPU_INTERP_INT_H

#include "cpu/cpu.h"
#include "cpu/flags.h"
#include "cpu/isa/insn.h"
#include "cpu/sys.h"

/* Stands for "no instruction": c->cur between instructions. */
extern const struct insn insn_none;

#define OP(name) static __attribute__((noinline)) void name(struct cpu *c, const struct insn *i)
#define NEXT                   \
    do {                       \
        (i + 1)->fn(c, i + 1); \
        return;                \
    } while (0)
#define SYNC() ((void)(c->cur = i))
#define RAISE(v)         \
    do {                 \
        SYNC();          \
        cpu_raise(c, v); \
    } while (0)
#define RAISE_ERR(v, e)         \
    do {                        \
        SYNC();                 \
        cpu_raise_err(c, v, e); \
    } while (0)

/* Guest memory as the host has it, at any address. */
#define DEF_MEM_TYPE(bits) \
    struct mem##bits {     \
        uint##bits##_t v;  \
    } __attribute__((packed, aligned(1), may_alias, GUEST_ORDER))
DEF_MEM_TYPE(8);
DEF_MEM_TYPE(16);
DEF_MEM_TYPE(32);
DEF_MEM_TYPE(64);
#undef DEF_MEM_TYPE

/* Registers. Byte operands are addressed by byte offset (see struct insn), which is from the register's low end. */
typedef uint16_t reg16_t __attribute__((may_alias));
#define REG8(n)  (((uint8_t *)c->r)[(n) ^ (HOST_BIG_ENDIAN ? 3 : 0)])
#define REG16(n) (((reg16_t *)&c->r[n])[HOST_BIG_ENDIAN])
#define REG32(n) (c->r[n])

/* EIP of this instruction and of the next. */
#define EIP_HERE (c->eip + i->off)
#define EIP_NEXT (c->eip + i->off + i->len)

/* End the block after this instruction (the mode, an interrupt flag or the map has changed). */
#define END_BLOCK LEAVE(EIP_NEXT)

/* Leave the block: this instruction is done, execution goes on at EIP `target`. */
#define LEAVE(target)           \
    do {                        \
        c->eip = (target);      \
        c->icount += i->n + 1u; \
        return;                 \
    } while (0)

/* Offset of the memory operand in its segment. */
static inline uint32_t ea(const struct cpu *c, const struct insn *i)
{
    return (c->r[i->base] + (c->r[i->index] << i->scale) + i->disp) & i->amask;
}

/* Slow path of the segment checks: returns if `size` bytes at `off` may be accessed, else raises
 * #SS(0) or #GP(0). */
void seg_check_slow(struct cpu *c, unsigned seg, uint32_t off, unsigned size, bool write);

static inline gla_t seg_linear(struct cpu *c, const struct insn *i, unsigned seg, uint32_t off, unsigned size,
                               bool write)
{
    const struct seg *s = &c->seg[seg];

    if (unlikely(off >= (write ? s->wlim : s->rlim))) {
        c->cur = i;
        seg_check_slow(c, seg, off, size, write);
    }
    return s->base + off;
}

/* Slow paths (out of line): c->mem with c->cur set. */
uint64_t mem_read_slow(struct cpu *c, const struct insn *i, gla_t la, unsigned size);
void mem_write_slow(struct cpu *c, const struct insn *i, gla_t la, uint64_t v, unsigned size);
void *mem_rmw_slow(struct cpu *c, const struct insn *i, gla_t la, unsigned size);
void mem_rmw_commit(struct cpu *c, const struct insn *i, unsigned size);

/* The entry for reading, and the one for writing. */
#define TLB_R(la)              (&c->tlb->r[TLB_INDEX(la)])
#define TLB_W(la)              (&c->tlb->w[TLB_INDEX(la)])
/* The last byte's page must be the entry's: one compare checks presence and page crossing. */
#define TLB_HIT(tag, la, size) likely((((la) + (size)-1) & PAGE_MASK) == (tag))

#define DEF_MEM(bits, type)                                                                                      \
    /* at linear address, with the current privilege */                                                          \
    static inline uint##bits##_t la_read##bits(struct cpu *c, const struct insn *i, gla_t la)                    \
    {                                                                                                            \
        const struct tlb_entry *e = TLB_R(la);                                                                   \
        if (TLB_HIT(e->tag, la, bits / 8))                                                                       \
            return ((const type *)(e->addend + la))->v;                                                          \
        return (uint##bits##_t)mem_read_slow(c, i, la, bits / 8);                                                \
    }                                                                                                            \
    static inline void la_write##bits(struct cpu *c, const struct insn *i, gla_t la, uint##bits##_t v)           \
    {                                                                                                            \
        const struct tlb_entry *e = TLB_W(la);                                                                   \
        if (TLB_HIT(e->tag, la, bits / 8))                                                                       \
            ((type *)(e->addend + la))->v = v;                                                                   \
        else                                                                                                     \
            mem_write_slow(c, i, la, v, bits / 8);                                                               \
    }                                                                                                            \
    /* at an offset of segment `seg` */                                                                          \
    static inline uint##bits##_t seg_read##bits(struct cpu *c, const struct insn *i, unsigned seg, uint32_t off) \
    {                                                                                                            \
        return la_read##bits(c, i, seg_linear(c, i, seg, off, bits / 8, false));                                 \
    }                                                                                                            \
    static inline void seg_write##bits(struct cpu *c, const struct insn *i, unsigned seg, uint32_t off,          \
                                       uint##bits##_t v)                                                         \
    {                                                                                                            \
        la_write##bits(c, i, seg_linear(c, i, seg, off, bits / 8, true), v);                                     \
    }                                                                                                            \
    /* the instruction's memory operand */                                                                       \
    static inline uint##bits##_t mem_read##bits(struct cpu *c, const struct insn *i)                             \
    {                                                                                                            \
        return seg_read##bits(c, i, i->seg, ea(c, i));                                                           \
    }                                                                                                            \
    static inline void mem_write##bits(struct cpu *c, const struct insn *i, uint##bits##_t v)                    \
    {                                                                                                            \
        seg_write##bits(c, i, i->seg, ea(c, i), v);                                                              \
    }                                                                                                            \
    /* the memory operand for read-modify-write: modify p->v, then RMW_END */                                    \
    static inline type *mem_rmw##bits(struct cpu *c, const struct insn *i)                                       \
    {                                                                                                            \
        gla_t la = seg_linear(c, i, i->seg, ea(c, i), bits / 8, true);                                           \
        const struct tlb_entry *e = TLB_W(la);                                                                   \
        if (TLB_HIT(e->tag, la, bits / 8))                                                                       \
            return (type *)(e->addend + la);                                                                     \
        return (type *)mem_rmw_slow(c, i, la, bits / 8);                                                         \
    }
DEF_MEM(8, struct mem8)
DEF_MEM(16, struct mem16)
DEF_MEM(32, struct mem32)
DEF_MEM(64, struct mem64)
#undef DEF_MEM

/* The forms of a memory handler for flat segments, name_f0 without and name_f1 with an index: the
 * whole of it when the TLB allows the access (`set`: R or W), with p->v the operand; anything
 * else is left to the general handler. */
#define DEF_FLAT_FORM(name, form, bits, set, address, ...) \
    OP(name##form)                                         \
    {                                                      \
        gla_t la_ = (address);                             \
        const struct tlb_entry *e_ = TLB_##set(la_);       \
        struct mem##bits *p;                               \
        if (unlikely(!TLB_HIT(e_->tag, la_, bits / 8))) {  \
            name(c, i);                                    \
            return;                                        \
        }                                                  \
        p = (struct mem##bits *)(e_->addend + la_);        \
        __VA_ARGS__;                                       \
        NEXT;                                              \
    }
#define DEF_FLAT(name, bits, set, ...)                                        \
    DEF_FLAT_FORM(name, _f0, bits, set, c->r[i->base] + i->disp, __VA_ARGS__) \
    DEF_FLAT_FORM(name, _f1, bits, set, c->r[i->base] + (c->r[i->index] << i->scale) + i->disp, __VA_ARGS__)
/* The part of an hset that names them: m is the general memory handler without its size. */
#define FLAT3(m) .flat = { [1] = { m##8_f0, m##16_f0, m##32_f0 }, [2] = { m##8_f1, m##16_f1, m##32_f1 } }
#define FLAT2(m) .flat = { [1] = { NULL, m##16_f0, m##32_f0 }, [2] = { NULL, m##16_f1, m##32_f1 } }

#define RMW_END(p, size)                                 \
    do {                                                 \
        if (unlikely((void *)(p) == (void *)c->rmw_buf)) \
            mem_rmw_commit(c, i, size);                  \
    } while (0)

/* After a handler that set c->eip itself (far transfers, INT): count the instruction, unless a task
 * switch did. */
#define LEAVE_FAR                   \
    do {                            \
        if (c->cur == i)            \
            c->icount += i->n + 1u; \
        c->cur = &insn_none;        \
        return;                     \
    } while (0)

/* 16-byte and odd-sized operands (FXSAVE, FSAVE, m80): checked as one access first, so that a
 * store either happens whole or raises. `align`: raise #GP(0) unless the linear... offset is
 * aligned to that many bytes (SDM 2.4.. SSE aligned operands), 1 = no check. */
void mem_read_bytes(struct cpu *c, const struct insn *i, void *buf, unsigned size, unsigned align);
void mem_write_bytes(struct cpu *c, const struct insn *i, const void *buf, unsigned size, unsigned align);

/* Stack: write below ESP or read at ESP + add, then move ESP with SP_ADD (16 or 32 bits by SS.B). */
static inline void sp_add(struct cpu *c, uint32_t n)
{
    c->r[ESP] = (c->r[ESP] & ~c->sp_mask) | ((c->r[ESP] + n) & c->sp_mask);
}

static inline void push16(struct cpu *c, const struct insn *i, uint16_t v)
{
    seg_write16(c, i, SEG_SS, (c->r[ESP] - 2) & c->sp_mask, v);
    sp_add(c, -2u);
}

static inline void push32(struct cpu *c, const struct insn *i, uint32_t v)
{
    seg_write32(c, i, SEG_SS, (c->r[ESP] - 4) & c->sp_mask, v);
    sp_add(c, -4u);
}

static inline uint16_t stack_read16(struct cpu *c, const struct insn *i, uint32_t add)
{
    return seg_read16(c, i, SEG_SS, (c->r[ESP] + add) & c->sp_mask);
}

static inline uint32_t stack_read32(struct cpu *c, const struct insn *i, uint32_t add)
{
    return seg_read32(c, i, SEG_SS, (c->r[ESP] + add) & c->sp_mask);
}

#endif
