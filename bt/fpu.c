/* fpu.c - the FPU's state: x87, MMX and SSE run as they are in translated code (fpu_code.c), on the guest's
 * state in the host's registers.
 *
 * The state is either in struct cpu or "live" in the host. It becomes live after the first FPU or SIMD
 * instruction that translated code comes to (which the interpreter runs), and goes back when the
 * interpreter is to run one, or the engine returns. While C runs, XMM registers and MXCSR are saved
 * (stubs.c) and the x87 registers stay: C code does not use them, and what does (the interpreter's x87
 * handlers) comes after fpu_save().
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
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

uint32_t x87_name(const struct bt *bt, const struct tb *tb, unsigned k) { return X87_NAME(tb - bt->cache.tb, k); }

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
