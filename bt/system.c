/* system.c - short inline forms of the sensitive instructions that kernels run most: CLI, STI, CLD,
 * PUSHF, POPF, and pushing or storing a segment selector.
 *
 * Each covers the common case and leaves the rest to the interpreter. Flags that do not live in
 * RFLAGS are in c->eflags, whose arithmetic bits are 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"
#include "bt/native.h"
#include "bt/prim.h"

#define FIXED_BITS                                                                                                   \
    (EFLAGS_TF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP | \
     EFLAGS_ID)
#define IF_BIT 9
#define OF_BIT 11

_Static_assert(OP_CS - OP_ES == SEG_CS && OP_SS - OP_ES == SEG_SS && OP_DS - OP_ES == SEG_DS &&
                   OP_FS - OP_ES == SEG_FS && OP_GS - OP_ES == SEG_GS,
               "operand letters of segments are in the order of their numbers");

/* --- plan --- */

bool plan_system(struct planner *p)
{
    struct plan_insn *r = p->r;
    bool user = p->in->key & FETCH_USER;
    unsigned size = plan_osize(p);

    r->size = (uint8_t)size;
    switch ((enum emit_kind)p->row->emit) {
    case EMIT_CLD: return true;
    case EMIT_CLI: return !user;
    case EMIT_STI: return !user && !p->in->icount; /* exact runs keep the interrupt shadow */
    case EMIT_PUSHF:
        plan_stack_access(p, RSP, -4, true, 4);
        /* virtual-8086 mode looks at IOPL first */
        return !(user && !(p->in->key & FETCH_FLAT)) && size == 4;
    case EMIT_POPF: plan_stack_access(p, RSP, 0, false, 4); return !user && size == 4;
    case EMIT_PUSH_SEG: /* a 32-bit push writes the low word only */
        r->reg = (uint8_t)(p->row->op[0] - OP_ES);
        plan_stack_access(p, RSP, -(int32_t)size, true, 2);
        return true;
    default: /* MOV_SEG */
        r->reg = p->i->reg;
        if (p->i->flags & IF_MEM)
            plan_operand(p, true, 2);
        return r->reg <= SEG_GS;
    }
}

/* --- layout --- */

/* Leave unless ECX is 0; the guest's ECX is in R11 and comes back. */
static void need_zero(struct lay *l)
{
    uint8_t *ok = e_jrcxz8(&l->e);

    emit_miss(l);
    e_patch8(ok, l->e.p);
    e_mov(&l->e, REX_W, RCX, R11);
}

/* Only at CPL 0 (or in real mode), and, if asked for, with no event waiting. */
static void need_cpl0(struct lay *l, bool no_event)
{
    struct emit *e = &l->e;

    e_mov(e, REX_W, R11, RCX);
    e_load32(e, RCX, R15, CPU_OFF(cpl));
    if (no_event) {
        e_load32(e, R10, R15, CPU_OFF(events));
        e_lea_sib(e, 0, RCX, RCX, R10, 0, 0);
    }
    need_zero(l);
}

/* R9 = c->eflags without `bits`. Uses R10. */
static void eflags_without(struct lay *l, uint32_t bits)
{
    e_load32(&l->e, R9, R15, CPU_OFF(eflags));
    prim_clear_bits(&l->e, R9, bits, R10);
}

static void clear_bit(struct lay *l, uint32_t bit)
{
    eflags_without(l, bit);
    e_store32(&l->e, R9, R15, CPU_OFF(eflags));
}

static void emit_pushf(struct lay *l)
{
    struct emit *e = &l->e;

    e_mov(e, REX_W, R11, EAX);
    e_flags_to_ax(e);
    prim_rotate_left(e, R9, EAX, 24); /* AH down */
    e_movzx8(e, R9, R9);              /* SF..CF and bit 1 */
    e_movzx8(e, R10, EAX);            /* OF */
    prim_rotate_left(e, R10, R10, OF_BIT);
    e_lea_sib(e, 0, R9, R9, R10, 0, -2);
    e_mov(e, REX_W, EAX, R11);
    e_load32(e, R10, R15, CPU_OFF(eflags));
    e_lea_sib(e, 0, R9, R9, R10, 0, 0);
    e_store32(e, R9, R15, NATIVE_OFF(tmp));
    emit_access(l, &l->r->stack);
    e_load32(e, R10, R15, NATIVE_OFF(tmp));
    emit_mem_op(l, &l->r->stack, 0, 0, false, 0x89, R10);
    emit_stack_add(l, -4);
}

static void emit_popf(struct lay *l)
{
    struct emit *e = &l->e;

    need_cpl0(l, true);
    emit_access(l, &l->r->stack);
    emit_mem_op(l, &l->r->stack, 0, 0, false, 0x8b, R8);
    /* nothing may change but IF and the arithmetic flags */
    e_mov_imm32(e, R10, FIXED_BITS);
    e_load32(e, R9, R15, CPU_OFF(eflags));
    prim_extract(e, R9, R9, R10);
    e_not(e, 0, R9);
    prim_extract(e, R10, R8, R10);
    e_mov(e, REX_W, R11, RCX);
    e_lea_sib(e, 0, RCX, R9, R10, 0, 1);
    need_zero(l);
    eflags_without(l, EFLAGS_IF);
    prim_one_bit(e, R10, R8, IF_BIT);
    e_lea_sib(e, 0, R9, R9, R10, 0, 0);
    e_store32(e, R9, R15, CPU_OFF(eflags));
    emit_stack_add_keep_r8(l, 4);
    /* AH = SF..CF, AL = OF */
    e_mov(e, REX_W, R11, EAX);
    e_movzx8(e, R9, R8);
    prim_rotate_left(e, EAX, R9, 8);
    e_mov_imm32(e, R10, EFLAGS_OF);
    prim_extract(e, R10, R8, R10);
    e_lea_sib(e, 0, EAX, EAX, R10, 0, 0);
    e_ax_to_flags(e);
    e_mov(e, REX_W, EAX, R11);
}

static void emit_sti(struct lay *l)
{
    need_cpl0(l, true); /* with nothing waiting, the instruction after needs no protection */
    eflags_without(l, EFLAGS_IF);
    e_lea32(&l->e, R9, R9, EFLAGS_IF);
    e_store32(&l->e, R9, R15, CPU_OFF(eflags));
}

static int32_t selector(unsigned seg)
{
    return CPU_OFF(seg) + (int32_t)(seg * sizeof(struct seg) + offsetof(struct seg, sel));
}

static void emit_push_seg(struct lay *l)
{
    emit_access(l, &l->r->stack);
    e_load32(&l->e, R10, R15, selector(l->r->reg));
    emit_mem_op(l, &l->r->stack, 0x66, 0, false, 0x89, R10);
    emit_stack_add(l, -(int32_t)l->r->size);
}

/* MOV r/m, segment register */
static void emit_mov_seg(struct lay *l)
{
    struct emit *e = &l->e;

    if (l->r->mem.path != PATH_NONE) {
        emit_access(l, &l->r->mem);
        e_load32(e, R10, R15, selector(l->r->reg));
        emit_mem_op(l, &l->r->mem, 0x66, 0, false, 0x89, R10);
        return;
    }
    e_load32(e, R10, R15, selector(l->r->reg));
    e_movzx16(e, R10, R10);
    if (l->r->size == 2)
        e_mov16(e, l->i->rm, R10);
    else
        e_mov(e, 0, l->i->rm, R10);
}

void emit_system(struct lay *l)
{
    switch ((enum emit_kind)l->r->kind) {
    case EMIT_CLD: clear_bit(l, EFLAGS_DF); break;
    case EMIT_CLI:
        need_cpl0(l, false);
        clear_bit(l, EFLAGS_IF);
        break;
    case EMIT_STI: emit_sti(l); break;
    case EMIT_PUSHF: emit_pushf(l); break;
    case EMIT_POPF: emit_popf(l); break;
    case EMIT_PUSH_SEG: emit_push_seg(l); break;
    default: emit_mov_seg(l); break;
    }
}
