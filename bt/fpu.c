/* fpu.c - x87, MMX and SSE in translated code: copied as they are, on the guest's state in the host's
 * registers.
 *
 * The state is either in struct cpu or "live" in the host. It becomes live after the first FPU or SIMD
 * instruction that translated code comes to (which the interpreter runs), and goes back when the
 * interpreter is to run one, or the engine returns. While C runs, XMM registers and MXCSR are saved
 * (stubs.c) and the x87 registers stay: C code does not use them, and what does (the interpreter's x87
 * handlers) comes after fpu_save().
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/translate.h"

#include "cpu/fpu/fpu_int.h"

struct fxsave {
    uint16_t cw, sw;
    uint8_t tag, zero;
    uint16_t fop;
    uint64_t fip, fdp;
    uint32_t mxcsr, mxcsr_mask;
    struct {
        uint64_t m;
        uint16_t se;
        uint8_t pad[6];
    } st[8];
    uint8_t rest[512 - 160];
} __attribute__((aligned(16)));

/* --- the last x87 instruction and its operand (SDM 1 8.1.8) --- */

int x87_before(const struct tb *tb, unsigned k)
{
    while (k--) {
        const struct insn_row *r = &insn_rows[tb->insns[k].row];

        if (r->cls == CLS_FPU)
            return r->attr & A_CTL ? -1 : (int)k; /* control: what was before it has been named already */
    }
    return -1;
}

uint32_t x87_name(const struct bt *bt, const struct tb *tb, unsigned k)
{
    return ((uint32_t)(tb - bt->cache.tb) << 5 | k) + 1;
}

/* The linear address that native code has accessed at this one: of a window (or by gs:), or of RAM by an entry
 * of the TLB. */
static bool linear(const struct cpu *c, uint64_t at, gla_t *la)
{
    unsigned n;

    *la = (gla_t)at;
    if (at >> 32 == 0 || (at - native_of(c)->window) >> 32 == 0)
        return true;
    for (n = 0; n < TLB_SIZE; n++) {
        *la = (gla_t)(at - c->tlb->r[n].addend);
        if ((*la & PAGE_MASK) == c->tlb->r[n].tag && c->tlb->r[n].addend + *la == at)
            return true;
    }
    return false;
}

/* The instruction is known by its name. Its operand is known only if it has raised an exception that is not
 * masked, as hosts keep it for that alone (and as newer CPUs do: CPUID.7.EBX bit 6). */
static void fpu_point(struct cpu *c, const struct fxsave *f)
{
    struct bt *bt = bt_of(c);
    uint32_t name = native_of(c)->x87_last;
    const struct tb *tb;
    const struct insn *i;
    gla_t la;

    if (!name)
        return;
    native_of(c)->x87_last = 0;
    tb = &bt->cache.tb[(name - 1) >> 5];
    i = &tb->insns[(name - 1) & 31];
    x87_point(&c->fpu, i, tb->eip + i->off, tb->ctx->cs);
    if ((f->sw & SW_ES) && (i->flags & IF_MEM) && !c->fdp_untracked && linear(c, f->fdp, &la)) {
        c->fpu.fdp = la - c->seg[i->seg].base;
        c->fpu.fds = c->seg[i->seg].sel;
    }
}

/* --- between struct cpu and the host's registers --- */

void fpu_save(struct cpu *c)
{
    struct fxsave f;
    struct fpu *p = &c->fpu;
    unsigned n;

    if (!native_of(c)->fpu_live)
        return;
    __asm__ volatile("fxsave64 %0\n\tfninit" : "=m"(f));
    p->cw = f.cw;
    p->sw = (uint16_t)((f.sw & ~SW_TOP) | (p->sw & (SW_FERR | SW_IGNNE)));
    p->top = f.sw >> 11 & 7;
    p->empty = (uint8_t)~f.tag;
    for (n = 0; n < 8; n++) {
        p->r[(p->top + n) & 7].m = f.st[n].m;
        p->r[(p->top + n) & 7].se = f.st[n].se;
    }
    fpu_point(c, &f);
    native_of(c)->fpu_live = 0;
    native_of(c)->fpu_off = native_of(c)->sse_off = 1;
    bt_of(c)->stats.fpu_saves++;
}

/* Whether an instruction could run without a look at CR0 first. */
static bool usable(const struct cpu *c)
{
    return !(c->cr0 & (CR0_EM | CR0_TS)) && !(c->fpu.sw & (SW_ES | SW_IGNNE | SW_FERR));
}

bool fpu_load(struct cpu *c)
{
    struct fxsave f;
    const struct fpu *p = &c->fpu;
    unsigned n;

    if (!usable(c))
        return false;
    memset(&f, 0, 160);
    memset(f.rest, 0, sizeof f.rest);
    f.cw = p->cw;
    f.sw = (uint16_t)((p->sw & ~SW_TOP) | p->top << 11);
    f.tag = (uint8_t)~p->empty;
    f.mxcsr = MXCSR_INIT;
    for (n = 0; n < 8; n++) {
        f.st[n].m = p->r[(p->top + n) & 7].m;
        f.st[n].se = p->r[(p->top + n) & 7].se;
    }
    __asm__ volatile("fxrstor64 %0" : : "m"(f));
    native_of(c)->fpu_live = 1;
    fpu_gate(c);
    bt_of(c)->stats.fpu_loads++;
    return true;
}

void fpu_gate(struct cpu *c)
{
    bool off = !native_of(c)->fpu_live || (c->cr0 & (CR0_EM | CR0_TS));

    native_of(c)->fpu_off = off;
    native_of(c)->sse_off = off || !(c->cr4 & CR4_OSFXSR);
}

/* Before the first such instruction of a block: the state must be live and usable. */
static void gate(struct tr *t, bool sse)
{
    struct emit *e = &t->e;
    bool *done = sse ? &t->sse_checked : &t->fpu_checked;
    uint8_t *ok;

    if (*done)
        return;
    *done = true;
    e_mov(e, REX_W, R11, RCX);
    e_rex(e, 0, RCX, 0, R15); /* movzx ecx, byte [off] */
    e8(e, 0x0f);
    e8(e, 0xb6);
    e_modrm_disp(e, RCX, R15, sse ? NATIVE_OFF(sse_off) : NATIVE_OFF(fpu_off));
    ok = e_jrcxz8(e);
    mem_miss(t);
    e_patch8(ok, e->p);
    e_mov(e, REX_W, RCX, R11);
}

static bool uses_xmm(const struct tr *t)
{
    unsigned n;

    for (n = 0; n < 3; n++) {
        unsigned where = opnd_info[t->row->op[n]].where;

        if (where == W_V || where == W_W || where == W_U)
            return true;
    }
    return t->row->map == MAP_P2 && *t->raw.opcode == 0xae;
}

enum { FPU_CALL, FPU_FENCE, FPU_HINT, FPU_COPY };

/* What is to be done with an x87, MMX or SSE instruction. */
static int treatment(const struct tr *t)
{
    const struct insn_row *r = t->row;
    unsigned op = *t->raw.opcode;
    unsigned reg = t->raw.modrm ? *t->raw.modrm >> 3 & 7 : 0;
    bool mem = t->i->flags & IF_MEM;

    if (r->attr & A_UNDOC)
        return FPU_CALL;
    if (r->map == MAP_P2) {
        if (op == 0x18)
            return FPU_HINT; /* prefetch */
        if (op == 0xf7)
            return FPU_CALL; /* MASKMOV: DS:EDI */
        if (op == 0xae && !mem)
            return FPU_FENCE;
        if (op == 0xae && mem && reg != 3)
            return FPU_CALL; /* FXSAVE FXRSTOR CLFLUSH; LDMXCSR: some hosts have more bits than the guest */
    } else if (r->op[0] == OP_Menv || r->op[0] == OP_Msave) {
        return FPU_CALL; /* these show addresses of code and data */
    } else if (op == 0xdb && !mem && (*t->raw.modrm & 0xf8) == 0xe0) {
        return FPU_CALL; /* FNINIT, FNCLEX: the FERR# pin */
    }
    return FPU_COPY;
}

bool fpu_comes_first(const struct tr *t)
{
    return (t->row->cls == CLS_FPU || t->row->cls == CLS_SIMD) && t->bt->opt.native_fpu && treatment(t) == FPU_COPY;
}

void fpu_gate_here(struct tr *t) { gate(t, uses_xmm(t)); }

static bool uses_mmx(const struct tr *t)
{
    unsigned n;

    for (n = 0; n < 3; n++)
        if (opnd_info[t->row->op[n]].where == W_P)
            return true;
    return false;
}

/* Some of Intel's CPUs have set TOP to 0 when the memory operand of an MMX instruction faults. The instruction
 * did not happen, so a fault puts the old TOP back (FIX_MMX). */
static void keep_top(struct tr *t)
{
    struct emit *e = &t->e;

    e_rex(e, 0, 0, 0, R15); /* fnstsw [mmx_sw] */
    e8(e, 0xdd);
    e_modrm_disp(e, 7, R15, NATIVE_OFF(mmx_sw));
    t->tb->fix[t->k] = FIX_MMX;
}

bool trans_fpu(struct tr *t)
{
    switch (treatment(t)) {
    case FPU_CALL: t->mmx_ran = false; return false;
    case FPU_HINT: return true;
    case FPU_FENCE:
        /* Fences run whatever the state is, so they say nothing about it. ModRM.rm means nothing;
         * in its usual form everybody can read them. */
        e8(&t->e, 0x0f);
        e8(&t->e, 0xae);
        e8(&t->e, 0xc0 | (*t->raw.modrm & 0x38));
        return true;
    }
    gate(t, uses_xmm(t));
    if (uses_mmx(t)) {
        if ((t->i->flags & IF_MEM) && !t->mmx_ran)
            keep_top(t);
        t->mmx_ran = true;
    } else if (t->row->cls == CLS_FPU) {
        t->mmx_ran = false;
    }
    copy_insn(t);
    if (t->row->cls == CLS_FPU && !(t->row->attr & A_CTL))
        t->x87_at = (int)t->k;
    return true;
}
