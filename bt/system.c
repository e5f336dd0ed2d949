/* system.c - short inline forms of the sensitive instructions that kernels run most: CLI, STI, CLD,
 * PUSHF, POPF, and pushing or storing a segment selector.
 *
 * Each covers the common case and leaves the rest to the interpreter. Flags that do not live in
 * RFLAGS are in c->eflags, whose arithmetic bits are 0. Selecting and inserting bits goes by PEXT and
 * PDEP, which leave RFLAGS alone.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/translate.h"

#define FIXED_BITS                                                                                                   \
    (EFLAGS_TF | EFLAGS_DF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM | EFLAGS_AC | EFLAGS_VIF | EFLAGS_VIP | \
     EFLAGS_ID)

/* Leave unless ECX is 0; the guest's ECX is in R11 and comes back. */
static void need_zero(struct tr *t)
{
    uint8_t *ok = e_jrcxz8(&t->e);

    mem_miss(t);
    e_patch8(ok, t->e.p);
    e_mov(&t->e, REX_W, RCX, R11);
}

/* Only at CPL 0 (or in real mode), and, if asked for, with no event waiting. */
static void need_cpl0(struct tr *t, bool no_event)
{
    struct emit *e = &t->e;

    e_mov(e, REX_W, R11, RCX);
    e_load32(e, RCX, R15, CPU_OFF(cpl));
    if (no_event) {
        e_load32(e, R10, R15, CPU_OFF(events));
        e_lea_sib(e, 0, RCX, RCX, R10, 0, 0);
    }
    need_zero(t);
}

/* R9 = c->eflags without `bits`. Uses R10. */
static void eflags_without(struct tr *t, uint32_t bits)
{
    struct emit *e = &t->e;

    e_load32(e, R9, R15, CPU_OFF(eflags));
    e_mov_imm32(e, R10, ~bits);
    e_pext32(e, R9, R9, R10);
    e_pdep32(e, R9, R9, R10);
}

static void clear_bit(struct tr *t, uint32_t bit)
{
    eflags_without(t, bit);
    e_store32(&t->e, R9, R15, CPU_OFF(eflags));
}

static bool trans_pushf(struct tr *t)
{
    struct emit *e = &t->e;
    enum mem_kind m;

    /* virtual-8086 mode looks at IOPL first */
    if (((t->x->key & FETCH_USER) && !(t->x->key & FETCH_FLAT)) || !(t->i->flags & IF_O32))
        return false;
    e_mov(e, REX_W, R11, EAX);
    e8(e, 0x9f); /* lahf */
    e8(e, 0x0f);
    e8(e, 0x90);
    e8(e, 0xc0); /* seto al */
    e_rorx32(e, R9, EAX, 8);
    e8(e, 0x45);
    e8(e, 0x0f);
    e8(e, 0xb6);
    e8(e, 0xc9); /* movzx r9d, r9b: SF..CF and bit 1 */
    e8(e, 0x44);
    e8(e, 0x0f);
    e8(e, 0xb6);
    e8(e, 0xd0);               /* movzx r10d, al: OF */
    e_rorx32(e, R10, R10, 21); /* bit 11 */
    e_lea_sib(e, 0, R9, R9, R10, 0, -2);
    e_mov(e, REX_W, EAX, R11);
    e_load32(e, R10, R15, CPU_OFF(eflags));
    e_lea_sib(e, 0, R9, R9, R10, 0, 0);
    e_store32(e, R9, R15, NATIVE_OFF(tmp));
    m = mem_prepare_stack(t, RSP, -4, true, 4);
    e_load32(e, R10, R15, NATIVE_OFF(tmp));
    mem_op(t, m, 0, 0, false, 0x89, R10);
    stack_add(t, -4);
    return true;
}

static bool trans_popf(struct tr *t)
{
    struct emit *e = &t->e;

    if ((t->x->key & FETCH_USER) || !(t->i->flags & IF_O32))
        return false;
    need_cpl0(t, true);
    mem_op(t, mem_prepare_stack(t, RSP, 0, false, 4), 0, 0, false, 0x8b, R8);
    /* nothing may change but IF and the arithmetic flags */
    e_mov_imm32(e, R10, FIXED_BITS);
    e_load32(e, R9, R15, CPU_OFF(eflags));
    e_pext32(e, R9, R9, R10);
    e_not(e, 0, R9);
    e_pext32(e, R10, R8, R10);
    e_mov(e, REX_W, R11, RCX);
    e_lea_sib(e, 0, RCX, R9, R10, 0, 1);
    need_zero(t);
    eflags_without(t, EFLAGS_IF);
    e_mov_imm32(e, R10, EFLAGS_IF);
    e_pext32(e, R10, R8, R10);
    e_rorx32(e, R10, R10, 23);
    e_lea_sib(e, 0, R9, R9, R10, 0, 0);
    e_store32(e, R9, R15, CPU_OFF(eflags));
    stack_add_keep_r8(t, 4);
    /* AH = SF..CF, AL = OF */
    e_mov(e, REX_W, R11, EAX);
    e8(e, 0x45);
    e8(e, 0x0f);
    e8(e, 0xb6);
    e8(e, 0xc8); /* movzx r9d, r8b */
    e_rorx32(e, EAX, R9, 24);
    e_mov_imm32(e, R10, EFLAGS_OF);
    e_pext32(e, R10, R8, R10);
    e_lea_sib(e, 0, EAX, EAX, R10, 0, 0);
    e8(e, 0x04);
    e8(e, 0x7f); /* add al, 7fh */
    e8(e, 0x9e); /* sahf */
    e_mov(e, REX_W, EAX, R11);
    return true;
}

static int32_t selector(unsigned seg)
{
    return CPU_OFF(seg) + (int32_t)(seg * sizeof(struct seg) + offsetof(struct seg, sel));
}

/* PUSH of a segment register: a 32-bit push writes the low word only. */
static bool trans_push_seg(struct tr *t, unsigned seg)
{
    struct emit *e = &t->e;
    int32_t n = t->i->flags & IF_O32 ? 4 : 2;
    enum mem_kind m = mem_prepare_stack(t, RSP, -n, true, 2);

    e_load32(e, R10, R15, selector(seg));
    mem_op(t, m, 0x66, 0, false, 0x89, R10);
    stack_add(t, -n);
    return true;
}

/* MOV r/m, segment register */
static bool trans_mov_from_seg(struct tr *t)
{
    struct emit *e = &t->e;
    enum mem_kind m;

    if (t->i->reg > SEG_GS)
        return false;
    if (t->i->flags & IF_MEM) {
        m = mem_prepare(t, true, 2);
        e_load32(e, R10, R15, selector(t->i->reg));
        mem_op(t, m, 0x66, 0, false, 0x89, R10);
        return true;
    }
    e_load32(e, R10, R15, selector(t->i->reg));
    e_movzx16(e, R10, R10);
    if (!(t->i->flags & IF_O32))
        e8(e, 0x66);
    e_mov(e, 0, t->i->rm, R10);
    return true;
}

static bool trans_sti(struct tr *t)
{
    struct emit *e = &t->e;

    if ((t->x->key & FETCH_USER) || t->bt->opt.icount)
        return false;   /* exact runs keep the interrupt shadow */
    need_cpl0(t, true); /* with nothing waiting, the instruction after needs no protection */
    eflags_without(t, EFLAGS_IF);
    e_lea32(e, R9, R9, EFLAGS_IF);
    e_store32(e, R9, R15, CPU_OFF(eflags));
    return true;
}

bool trans_system(struct tr *t)
{
    unsigned op = *t->raw.opcode;

    if (t->row->map == MAP_P2) {
        if (op == 0xa0 || op == 0xa8)
            return trans_push_seg(t, op == 0xa0 ? SEG_FS : SEG_GS);
        return false;
    }
    switch (op) {
    case 0xfc: clear_bit(t, EFLAGS_DF); return true;
    case 0xfa:
        if (t->x->key & FETCH_USER)
            return false;
        need_cpl0(t, false);
        clear_bit(t, EFLAGS_IF);
        return true;
    case 0xfb: return trans_sti(t);
    case 0x9c: return trans_pushf(t);
    case 0x9d: return trans_popf(t);
    case 0x8c: return trans_mov_from_seg(t);
    case 0x06:
    case 0x0e:
    case 0x16:
    case 0x1e: return trans_push_seg(t, op >> 3);
    }
    return false;
}
