/* host_amd.c - the comparison with the host on CPUs of AMD: where they answer otherwise than those of
 * Intel, which the interpreter follows. Each place has its line in departures.md. What the AMD CPU
 * does instead is checked too, where it is the same each time.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "host.h"

static bool is(const struct insn_row *row, const char *name) { return !strcmp(row->mnemonic, name); }

/* F2 and F3 before LOOPE and LOOPNE are reserved by both makers; here they choose the condition, as
 * with REPE and REPNE. LOCK MOV CR0 is MOV CR8, and LOCK VERW is no #UD before its operand was
 * looked at. */
bool amd_can_prefix(const struct insn_row *row, uint8_t prefix)
{
    if (prefix == 0xf2 || prefix == 0xf3)
        return !is(row, "loope") && !is(row, "loopne");
    return !is(row, "verw") && !(row->map == MAP_P2 && row->opcode >= 0x20 && row->opcode <= 0x23);
}

static uint8_t *window_at(uint8_t *win_a, uint8_t *win_b, uint32_t la)
{
    return la - WIN_A_LA < WIN_A_SIZE   ? win_a + (la - WIN_A_LA)
           : la - WIN_B_LA < WIN_B_SIZE ? win_b + (la - WIN_B_LA)
                                        : NULL;
}

/* A 16-bit double shift by more than 16: the SDM and the APM leave the result undefined. Intel's CPUs
 * shift the destination's own bits in again, AMD's the source's. */
static void double_shift(const struct insn_row *row, struct native_case *n, const struct insn *i,
                         const struct outcome *g)
{
    struct outcome *h = &n->out;
    unsigned count = (row->op[2] == OP_Ib ? (unsigned)i->imm : n->in.r[ECX]) & 31;
    uint16_t src = n->in.r[i->reg];
    uint64_t w;
    uint16_t was;
    uint16_t got;
    uint32_t la[2];
    unsigned k;

    if (i->flags & IF_O32 || count <= 16 || h->vector >= 0)
        return;
    if (i->flags & IF_MEM) {
        uint8_t before[2], host[2];

        la[0] = gen_operand(n, i);
        la[1] = la[0] + 1;
        for (k = 0; k < 2; k++) {
            if (!window_at(n->win_a, n->win_b, la[k])) {
                if (h->stray - (la[0] & ~7u) <= 8)
                    h->stray = g->stray; /* data that nobody keeps */
                return;
            }
            before[k] = *window_at(n->win_a, n->win_b, la[k]);
            host[k] = *window_at(h->win_a, h->win_b, la[k]);
        }
        was = load16(before);
        got = load16(host);
    } else {
        was = n->in.r[i->rm];
        got = h->regs.r[i->rm];
    }
    w = is(row, "shld") ? ((uint64_t)was << 32 | (uint32_t)src << 16 | src) >> (32 - count)
                        : ((uint64_t)src << 32 | (uint32_t)src << 16 | was) >> count;
    if (got != (uint16_t)w)
        return;
    if (!(i->flags & IF_MEM)) {
        h->regs.r[i->rm] = (h->regs.r[i->rm] & 0xffff0000) | (g->regs.r[i->rm] & 0xffff);
        return;
    }
    for (k = 0; k < 2; k++)
        *window_at(h->win_a, h->win_b, la[k]) = *window_at((uint8_t *)g->win_a, (uint8_t *)g->win_b, la[k]);
}

/* PUSH of a segment register with a 32-bit operand: the SDM (2B PUSH) lets the upper half of the stack
 * slot be written as 0 or left alone. Intel's CPUs leave it alone, AMD's write it. */
static void push_segment(struct native_case *n)
{
    uint32_t at = gen_stack_top(n) - 2 - WIN_A_LA;

    if (n->out.vector < 0 && at <= WIN_A_SIZE - 2 && !load16(n->out.win_a + at))
        memcpy(n->out.win_a + at, n->win_a + at, 2);
}

static void take_exception(struct outcome *h, const struct outcome *g)
{
    h->vector = g->vector;
    h->error = g->error;
}

static bool is_memory_fault(int vector) { return vector == EXC_PF || vector == EXC_GP || vector == EXC_SS; }

uint32_t amd_adjust(const struct insn_row *row, struct native_case *n, const struct insn *i, const struct outcome *g)
{
    struct outcome *h = &n->out;

    if (is(row, "shld") || is(row, "shrd")) {
        double_shift(row, n, i, g);
    } else if (is(row, "push") && i->flags & IF_O32 && row->cls == CLS_SENS) {
        push_segment(n);
    } else if (is(row, "int1") && h->vector == EXC_DB && h->regs.eip == n->in.eip) {
        h->regs.eip += n->len; /* seen under KVM: reported as if it were a fault */
    } else if (is(row, "retf") && g->vector == EXC_GP && is_memory_fault(h->vector)) {
        /* to another level: they pop all before they look at any of it */
        uint32_t at = gen_stack_top(n) + (i->flags & IF_O32 ? 4 : 2) - WIN_A_LA;

        if (at <= WIN_A_SIZE - 2 && (n->win_a[at] & 3) != 3)
            take_exception(h, g);
    } else if (is(row, "bound") && g->vector == EXC_BR && is_memory_fault(h->vector)) {
        take_exception(h, g); /* the upper bound is read before the lower one is compared */
    } else if (is(row, "cmps") || is(row, "scas")) {
        /* the first operand is read first; flags are those of the last comparison (the SDM has them
         * restored) */
        if (is(row, "cmps") && is_memory_fault(h->vector) && is_memory_fault(g->vector))
            take_exception(h, g);
        if (is_memory_fault(h->vector) && i->flags & (IF_REP | IF_REPNE))
            return EFLAGS_ARITH;
    }
    return 0;
}
