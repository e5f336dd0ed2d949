/* string.c - string instructions through the window: the window's base is added to ESI and EDI, the
 * native instruction runs, the registers are truncated again. A fault on the way leaves them as
 * precise as the guest's own would be.
 *
 * Left to the interpreter: DF = 1, segments
 * that are not flat, 16-bit addresses, and whatever takes the checked way.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/layout.h"
#include "bt/native.h"
#include "bt/prim.h"

#define CHUNK      0xffffu /* elements at a time: some tens of microseconds */
#define CHUNK_BITS 16
#define DF_BIT     10

/* --- plan --- */

static bool has_operand(const struct insn *i, enum opnd_where where)
{
    const struct insn_row *row = &insn_rows[i->row];

    return opnd_info[row->op[0]].where == where || opnd_info[row->op[1]].where == where;
}

/* CMPS and SCAS set flags. */
static bool compares(const struct insn *i) { return insn_rows[i->row].def != 0; }

static bool repeats(const struct insn *i) { return i->flags & (IF_REP | IF_REPNE); }

bool plan_string(struct planner *p)
{
    const struct insn *i = p->i;
    unsigned n;

    if (!p->in->direct || p->checked || !(p->in->key & FETCH_FLAT) || !(i->flags & IF_A32) ||
        (has_operand(i, W_X) && !plan_seg_is_flat(p, i->seg)))
        return false;
    for (n = 0; opnd_info[p->row->op[n]].where != W_X && opnd_info[p->row->op[n]].where != W_Y; n++)
        ;
    p->r->size = (uint8_t)opnd_mem_size(p->row->op[n], i);
    p->r->fix = !repeats(i) ? FIX_STRING : compares(i) ? FIX_REP_FLAGS : FIX_REP;
    return true;
}

/* --- layout --- */

/* Counts above CHUNK are done in pieces, with a safepoint before each. R8 = what lies beyond this
 * piece; a fault finds the whole count in ECX + R8 (FIX_REP). In exact runs the interpreter does the long ones: it
 * knows where they are cut. */
static void emit_chunk(struct lay *l)
{
    struct emit *e = &l->e;
    uint8_t *small;
    uint8_t *go;

    e_mov_imm32(e, R8, 0);
    prim_shift_right(e, R10, RCX, l->plan->icount ? REP_CUT_BITS : CHUNK_BITS);
    e_mov(e, REX_W, R11, RCX);
    e_mov(e, REX_W, RCX, R10);
    small = e_jrcxz8(e);
    if (l->plan->icount) {
        emit_miss(l);
        e_patch8(small, e->p);
        e_mov(e, REX_W, RCX, R11);
        return;
    }
    e_mov(e, REX_W, RCX, R11);
    e_load64(e, R10, R15, NATIVE_OFF(safepoint));
    e_load32(e, R10, R10, 0);
    e_lea32(e, R8, R11, -(int32_t)CHUNK);
    e_mov_imm32(e, RCX, CHUNK);
    go = e_jmp8(e);
    e_patch8(small, e->p);
    e_mov(e, REX_W, RCX, R11);
    e_patch8(go, e->p);
}

/* After the piece: again from `start` if there is more to do. */
static void emit_more(struct lay *l, const uint8_t *start, bool compare)
{
    struct emit *e = &l->e;
    uint8_t *found = NULL;
    uint8_t *done;
    uint8_t *end;

    if (compare) /* REPE ends when not equal, REPNE when equal */
        found = e_jcc32(e, l->i->flags & IF_REP ? 5 : 4);
    e_lea_sib(e, 0, RCX, RCX, R8, 0, 0);
    done = e_jrcxz8(e);
    e_patch32(e_jmp32(e), start);
    e_patch8(done, e->p);
    if (compare) {
        end = e_jmp8(e);
        e_patch32(found, e->p);
        e_lea_sib(e, 0, RCX, RCX, R8, 0, 0);
        e_patch8(end, e->p);
    }
}

/* A comparison that faults leaves the flags as they were before the instruction (SDM 2B, REP). CPUs of
 * AMD leave those of the last element. */
static void emit_keep_flags(struct lay *l)
{
    struct emit *e = &l->e;

    e_mov(e, REX_W, R11, EAX);
    e_flags_to_ax(e);
    e_store32(e, EAX, R15, NATIVE_OFF(tmp));
    e_mov(e, REX_W, EAX, R11);
}

void emit_string(struct lay *l)
{
    struct emit *e = &l->e;
    const struct insn *i = l->i;
    bool rep = repeats(i);
    bool si = has_operand(i, W_X);
    bool di = has_operand(i, W_Y);
    const uint8_t *start;
    uint8_t *ok;

    if (rep && compares(i))
        emit_keep_flags(l);
    start = e->p;
    e_load32(e, R9, R15, CPU_OFF(eflags));
    prim_bits_to_rcx(e, R9, DF_BIT, 1, true);
    ok = e_jrcxz8(e);
    emit_miss(l);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
    if (rep)
        emit_chunk(l);
    e_load64(e, R10, R15, NATIVE_OFF(window));
    if (si)
        e_lea_sib(e, REX_W, ESI, ESI, R10, 0, 0);
    if (di)
        e_lea_sib(e, REX_W, EDI, EDI, R10, 0, 0);
    if (l->r->size == 2)
        e8(e, 0x66);
    if (rep)
        e8(e, i->flags & IF_REP ? 0xf3 : 0xf2);
    e8(e, i->opcode);
    if (si)
        e_mov(e, 0, ESI, ESI);
    if (di)
        e_mov(e, 0, EDI, EDI);
    if (rep)
        emit_more(l, start, compares(i));
}
