/* interp_stack.c - PUSH POP PUSHA POPA ENTER LEAVE, and PUSHF POPF with their mode rules.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

/* PUSH and POP of registers with a flat 32-bit stack; anything else is the general handler's. */
#define FLAT_PUSH(name, value)                           \
    OP(name##_f)                                         \
    {                                                    \
        gla_t la = c->r[ESP] - 4;                        \
        const struct tlb_entry *e = TLB_W(la);           \
        if (unlikely(!TLB_HIT(e->tag, la, 4))) {         \
            name(c, i);                                  \
            return;                                      \
        }                                                \
        ((struct mem32 *)(e->addend + la))->v = (value); \
        c->r[ESP] = la;                                  \
        NEXT;                                            \
    }

OP(push_r16)
{
    push16(c, i, REG16(i->rm));
    NEXT;
}
OP(push_r32)
{
    push32(c, i, REG32(i->rm));
    NEXT;
}
OP(push_m16)
{
    push16(c, i, mem_read16(c, i));
    NEXT;
}
OP(push_m32)
{
    push32(c, i, mem_read32(c, i));
    NEXT;
}
FLAT_PUSH(push_r32, REG32(i->rm))
HSET(push_E) = { .fn = { { NULL, push_r16, push_r32 }, { NULL, push_m16, push_m32 } } };
HSET(push_Z) = { .fn = { { NULL, push_r16, push_r32 }, { NULL, NULL, NULL } },
                 .flat = { [0] = { NULL, NULL, push_r32_f } } };
OP(push_i16)
{
    push16(c, i, i->imm);
    NEXT;
}
OP(push_i32)
{
    push32(c, i, i->imm);
    NEXT;
}
FLAT_PUSH(push_i32, i->imm)
HSET(push_I) = { .fn = { { NULL, push_i16, push_i32 }, { NULL, NULL, NULL } },
                 .flat = { [0] = { NULL, NULL, push_i32_f } } };

OP(pop_r16)
{
    uint16_t v = stack_read16(c, i, 0);

    sp_add(c, 2);
    REG16(i->rm) = v;
    NEXT;
}
OP(pop_r32)
{
    uint32_t v = stack_read32(c, i, 0);

    sp_add(c, 4);
    REG32(i->rm) = v;
    NEXT;
}
OP(pop_r32_f)
{
    gla_t la = c->r[ESP];
    const struct tlb_entry *e = TLB_R(la);

    if (unlikely(!TLB_HIT(e->tag, la, 4))) {
        pop_r32(c, i);
        return;
    }
    c->r[ESP] = la + 4;
    REG32(i->rm) = ((const struct mem32 *)(e->addend + la))->v;
    NEXT;
}
HSET(pop_R) = { .fn = { { NULL, pop_r16, pop_r32 }, { NULL, NULL, NULL } },
                .flat = { [0] = { NULL, NULL, pop_r32_f } } };

/* The address of a memory destination is computed with ESP already incremented (SDM 2B, POP), but
 * ESP changes only once the store cannot fault any more. */
#define DEF_POP_M(bits)                               \
    OP(pop_m##bits)                                   \
    {                                                 \
        uint##bits##_t v = stack_read##bits(c, i, 0); \
        uint32_t old = c->r[ESP];                     \
        uint32_t new;                                 \
        uint32_t off;                                 \
        sp_add(c, bits / 8);                          \
        new = c->r[ESP];                              \
        off = ea(c, i);                               \
        c->r[ESP] = old;                              \
        seg_write##bits(c, i, i->seg, off, v);        \
        c->r[ESP] = new;                              \
        NEXT;                                         \
    }
DEF_POP_M(16)
DEF_POP_M(32)
HSET(pop_E) = { .fn = { { NULL, pop_r16, pop_r32 }, { NULL, pop_m16, pop_m32 } } };

#define DEF_ALL(bits)                                                                                             \
    OP(pusha##bits)                                                                                               \
    {                                                                                                             \
        unsigned n;                                                                                               \
        for (n = 0; n < 8; n++)                                                                                   \
            seg_write##bits(c, i, SEG_SS, (c->r[ESP] - (n + 1) * (bits / 8)) & c->sp_mask, REG##bits(n));         \
        sp_add(c, -(uint32_t)bits);                                                                               \
        NEXT;                                                                                                     \
    }                                                                                                             \
    OP(popa##bits)                                                                                                \
    {                                                                                                             \
        uint##bits##_t v[8];                                                                                      \
        unsigned n;                                                                                               \
        for (n = 0; n < 8; n++)                                                                                   \
            v[n] = stack_read##bits(c, i, n * (bits / 8));                                                        \
        sp_add(c, bits);                                                                                          \
        for (n = 0; n < 8; n++)                                                                                   \
            if (7 - n != ESP)                                                                                     \
                REG##bits(7 - n) = v[n];                                                                          \
        NEXT;                                                                                                     \
    }                                                                                                             \
    OP(leave##bits)                                                                                               \
    {                                                                                                             \
        uint##bits##_t v = seg_read##bits(c, i, SEG_SS, c->r[EBP] & c->sp_mask);                                  \
        c->r[ESP] = (c->r[ESP] & ~c->sp_mask) | ((c->r[EBP] + bits / 8) & c->sp_mask);                            \
        REG##bits(EBP) = v;                                                                                       \
        NEXT;                                                                                                     \
    }                                                                                                             \
    /* ESP and EBP change last, so that a fault anywhere restarts it (SDM 2A, ENTER). With a \
     * 16-bit stack whose SP wraps, FrameTemp is not the ESP that the push leaves, as the    \
     * SDM has it: CPUs subtract from all of ESP. */                    \
    OP(enter##bits)                                                                                               \
    {                                                                                                             \
        unsigned level = i->imm2 & 31;                                                                            \
        uint32_t sp = c->r[ESP] - bits / 8;                                                                       \
        uint32_t frame = sp;                                                                                      \
        uint32_t bp = c->r[EBP];                                                                                  \
        unsigned n;                                                                                               \
        seg_write##bits(c, i, SEG_SS, sp & c->sp_mask, REG##bits(EBP));                                           \
        for (n = 1; n < level; n++) {                                                                             \
            bp -= bits / 8;                                                                                       \
            sp -= bits / 8;                                                                                       \
            seg_write##bits(c, i, SEG_SS, sp & c->sp_mask, seg_read##bits(c, i, SEG_SS, bp & c->sp_mask));        \
        }                                                                                                         \
        if (level) {                                                                                              \
            sp -= bits / 8;                                                                                       \
            seg_write##bits(c, i, SEG_SS, sp & c->sp_mask, frame);                                                \
        }                                                                                                         \
        sp -= (uint16_t)i->imm;                                                                                   \
        /* the new top must be writable, though nothing is written there */                                       \
        SYNC();                                                                                                   \
        c->mem->probe_write(c, seg_linear(c, i, SEG_SS, sp & c->sp_mask, bits / 8, true), bits / 8, c->cpl == 3); \
        REG##bits(EBP) = frame;                                                                                   \
        c->r[ESP] = (c->r[ESP] & ~c->sp_mask) | (sp & c->sp_mask);                                                \
        NEXT;                                                                                                     \
    }
DEF_ALL(16)
DEF_ALL(32)
HSET(pusha) = { .fn = { { NULL, pusha16, pusha32 }, { NULL, NULL, NULL } } };
HSET(popa) = { .fn = { { NULL, popa16, popa32 }, { NULL, NULL, NULL } } };
HSET(leave) = { .fn = { { NULL, leave16, leave32 }, { NULL, NULL, NULL } } };
HSET(enter) = { .fn = { { NULL, enter16, enter32 }, { NULL, NULL, NULL } } };

/* --- PUSHF, POPF (SDM 2B; virtual-8086 extensions: SDM 3B 20.2) --- */

/* In virtual-8086 mode with IOPL < 3 only the 16-bit forms work, and only with CR4.VME. */
static bool v86_virtual_if(struct cpu *c, const struct insn *i)
{
    if (!cpu_v86(c) || cpu_iopl(c) == 3)
        return false;
    if ((c->cr4 & CR4_VME) && !(i->flags & IF_O32))
        return true;
    RAISE_ERR(EXC_GP, 0);
}

OP(pushf16)
{
    uint32_t f = cpu_get_eflags(c);

    if (v86_virtual_if(c, i))
        f = (f & ~EFLAGS_IF) | EFLAGS_IOPL | (f & EFLAGS_VIF ? EFLAGS_IF : 0);
    push16(c, i, f);
    NEXT;
}
OP(pushf32)
{
    v86_virtual_if(c, i);
    push32(c, i, cpu_get_eflags(c) & ~(EFLAGS_VM | EFLAGS_RF));
    NEXT;
}
HSET(pushf) = { .fn = { { NULL, pushf16, pushf32 }, { NULL, NULL, NULL } } };

/* The bits POPF may change at this privilege, besides the arithmetic ones. */
static uint32_t popf_mask(const struct cpu *c)
{
    uint32_t m = EFLAGS_TF | EFLAGS_DF | EFLAGS_NT;

    if (cpu_has(c, FEAT_I486))
        m |= EFLAGS_AC;
    if (cpu_has(c, FEAT_CPUID))
        m |= EFLAGS_ID;
    if (c->cpl <= cpu_iopl(c))
        m |= EFLAGS_IF;
    if (c->cpl == 0)
        m |= EFLAGS_IOPL;
    return m | EFLAGS_ARITH;
}

static void popf_finish(struct cpu *c, const struct insn *i, uint32_t v, uint32_t mask)
{
    uint32_t old = cpu_get_eflags(c);

    cpu_set_eflags(c, (old & ~(mask | EFLAGS_RF)) | (v & mask));
    cpu_update_mode(c);
    END_BLOCK;
}

OP(popf16)
{
    bool virtual_if = v86_virtual_if(c, i);
    uint32_t v = stack_read16(c, i, 0);
    uint32_t mask = popf_mask(c) & 0xffff;

    if (virtual_if) {
        if ((v & EFLAGS_TF) || ((v & EFLAGS_IF) && (c->eflags & EFLAGS_VIP)))
            RAISE_ERR(EXC_GP, 0);
        mask = (mask & ~(EFLAGS_IF | EFLAGS_IOPL)) | EFLAGS_VIF;
        v |= v & EFLAGS_IF ? EFLAGS_VIF : 0;
    }
    sp_add(c, 2);
    popf_finish(c, i, v, mask);
}
OP(popf32)
{
    uint32_t v;

    v86_virtual_if(c, i);
    v = stack_read32(c, i, 0);
    sp_add(c, 4);
    popf_finish(c, i, v, popf_mask(c));
}
HSET(popf) = { .fn = { { NULL, popf16, popf32 }, { NULL, NULL, NULL } } };
