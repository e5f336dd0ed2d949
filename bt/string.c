/* string.c - string instructions through the window: the window's base is added to ESI and EDI, the
 * native instruction runs, the registers are truncated again. A fault on the way leaves them as
 * precise as the guest's own would be.
 *
 * Left to the interpreter: DF = 1, segments
 * that are not flat, 16-bit addresses, and whatever takes the checked way.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/translate.h"

#define CHUNK 0xffffu /* elements at a time: some tens of microseconds */

/* Counts above CHUNK are done in pieces, with a safepoint before each. R8 = what lies beyond this
 * piece; a fault finds the whole count in ECX + R8 (FIX_REP). In exact runs the interpreter does the long ones: it
 * knows where they are cut. */
static void emit_chunk(struct tr *t)
{
    struct emit *e = &t->e;
    uint8_t *small;
    uint8_t *go;

    e_mov_imm32(e, R8, 0);
    e_mov_imm32(e, R10, t->bt->opt.icount ? REP_CUT_BITS : 16);
    if (t->bt->opt.bmi2)
        e_shrx(e, 0, R10, RCX, R10);
    else
        e_bits(e, R10, RCX, t->bt->opt.icount ? REP_CUT_BITS : 16, 32 - (t->bt->opt.icount ? REP_CUT_BITS : 16));
    e_mov(e, REX_W, R11, RCX);
    e_mov(e, REX_W, RCX, R10);
    small = e_jrcxz8(e);
    if (t->bt->opt.icount) {
        mem_miss(t);
        e_patch8(small, e->p);
        e_mov(e, REX_W, RCX, R11);
        return;
    }
    e_mov(e, REX_W, RCX, R11);
    e_load64(e, R10, R15, NATIVE_OFF(safepoint));
    e_load32(e, R10, R10, 0);
    e_lea32(e, R8, R11, -(int32_t)CHUNK);
    e_mov_imm32(e, RCX, CHUNK);
    e8(e, 0xeb);
    go = e->p;
    e8(e, 0);
    e_patch8(small, e->p);
    e_mov(e, REX_W, RCX, R11);
    e_patch8(go, e->p);
}

/* After the piece: again from `start` if there is more to do. */
static void emit_more(struct tr *t, const uint8_t *start, bool compare)
{
    struct emit *e = &t->e;
    uint8_t *found = NULL;
    uint8_t *done;
    uint8_t *end;

    if (compare) /* REPE ends when not equal, REPNE when equal */
        found = e_jcc32(e, t->i->flags & IF_REP ? 5 : 4);
    e_lea_sib(e, 0, RCX, RCX, R8, 0, 0);
    done = e_jrcxz8(e);
    e_patch32(e_jmp32(e), start);
    e_patch8(done, e->p);
    if (compare) {
        e8(e, 0xeb);
        end = e->p;
        e8(e, 0);
        e_patch32(found, e->p);
        e_lea_sib(e, 0, RCX, RCX, R8, 0, 0);
        e_patch8(end, e->p);
    }
}

/* A comparison that faults leaves the flags as they were before the instruction (SDM 2B, REP). CPUs of
 * AMD leave those of the last element. */
static void emit_keep_flags(struct tr *t)
{
    struct emit *e = &t->e;

    e_mov(e, REX_W, R11, EAX);
    e8(e, 0x9f); /* lahf */
    e8(e, 0x0f);
    e8(e, 0x90);
    e8(e, 0xc0); /* seto al */
    e_store32(e, EAX, R15, NATIVE_OFF(tmp));
    e_mov(e, REX_W, EAX, R11);
}

bool trans_string(struct tr *t)
{
    struct emit *e = &t->e;
    const struct insn *i = t->i;
    unsigned op = *t->raw.opcode;
    bool rep = i->flags & (IF_REP | IF_REPNE);
    bool si = op != 0xaa && op != 0xab && op != 0xae && op != 0xaf;
    bool di = op != 0xac && op != 0xad;
    bool compare = op == 0xa6 || op == 0xa7 || op == 0xae || op == 0xaf;
    const uint8_t *start;
    uint8_t *ok;

    if (!t->x->direct || t->checked_now || !(t->x->key & FETCH_FLAT) || !(i->flags & IF_A32) ||
        (si && i->seg != SEG_DS && i->seg != SEG_ES && i->seg != SEG_SS))
        return false;
    if (rep && compare)
        emit_keep_flags(t);
    start = e->p;
    e_load32(e, R9, R15, CPU_OFF(eflags));
    e_mov_imm32(e, R10, EFLAGS_DF);
    e_mov(e, REX_W, R11, RCX);
    if (t->bt->opt.bmi2)
        e_pext32(e, RCX, R9, R10);
    else
        e_bits(e, RCX, R9, 10, 1);
    ok = e_jrcxz8(e);
    mem_miss(t);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
    if (rep)
        emit_chunk(t);
    e_load64(e, R10, R15, NATIVE_OFF(window));
    if (si)
        e_lea_sib(e, REX_W, ESI, ESI, R10, 0, 0);
    if (di)
        e_lea_sib(e, REX_W, EDI, EDI, R10, 0, 0);
    t->tb->fix[t->k] = !rep ? FIX_STRING : compare ? FIX_REP_FLAGS : FIX_REP;
    if ((op & 1) && !(i->flags & IF_O32))
        e8(e, 0x66);
    if (rep)
        e8(e, i->flags & IF_REP ? 0xf3 : 0xf2);
    e8(e, op);
    if (si)
        e_mov(e, 0, ESI, ESI);
    if (di)
        e_mov(e, 0, EDI, EDI);
    if (rep)
        emit_more(t, start, compare);
    return true;
}
