/* interp_x87_ctl.c - x87 control: the control and status words, environments, whole-state saves
 * (FSAVE, FXSAVE), stack bookkeeping, WAIT.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/fpu/fpu_int.h"

/* Bits of the control word that exist; bit 6 reads as one. */
#define CW_MASK 0x1f7fu
#define CW_ONE  0x0040u

OP(fwait)
{
    /* SDM 3A 2.5: WAIT looks at MP and TS, not at EM. */
    if (unlikely((c->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)))
        RAISE(EXC_NM);
    if (unlikely(c->fpu.sw & SW_ES) && x87_stall_error(c, i))
        return;
    NEXT;
}
HSET(fwait) = HSET_ALL(fwait);

X87(fnop) { x87_track(c, i); }
HSET(fnop) = HSET_ALL(fnop);

/* FENI, FDISI, FSETPM: nothing since the 387. */
X87_NOWAIT(fnop_8087) { (void)c; }
HSET(fnop_8087) = HSET_ALL(fnop_8087);

X87_NOWAIT(fninit) { x87_init(c); }
HSET(fninit) = HSET_ALL(fninit);

X87_NOWAIT(fnclex)
{
    c->fpu.sw &= (uint16_t) ~(CW_MASKS | SW_SF | SW_ES | SW_B);
    x87_update_es(c);
}
HSET(fnclex) = HSET_ALL(fnclex);

X87(fldcw)
{
    c->fpu.cw = (mem_read16(c, i) & CW_MASK) | CW_ONE;
    x87_update_es(c);
}
HSET(fldcw) = HSET_ALL(fldcw);

X87_NOWAIT(fnstcw) { mem_write16(c, i, c->fpu.cw); }
HSET(fnstcw) = HSET_ALL(fnstcw);

X87_NOWAIT(fnstsw_m16) { mem_write16(c, i, fpu_status(c)); }
HSET(fnstsw_m16) = HSET_ALL(fnstsw_m16);

X87_NOWAIT(fnstsw_ax) { REG16(EAX) = fpu_status(c); }
HSET(fnstsw_ax) = HSET_ALL(fnstsw_ax);

X87(ffree)
{
    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    c->fpu.empty |= (uint8_t)(1u << PHYS(i->rm));
}
HSET(ffree) = HSET_ALL(ffree);

X87(ffreep)
{
    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    c->fpu.empty |= (uint8_t)(1u << PHYS(i->rm));
    st_pop(c);
}
HSET(ffreep) = HSET_ALL(ffreep);

X87(fincstp)
{
    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    c->fpu.top = (c->fpu.top + 1) & 7;
}
HSET(fincstp) = HSET_ALL(fincstp);

X87(fdecstp)
{
    x87_track(c, i);
    c->fpu.sw &= (uint16_t)~SW_C1;
    c->fpu.top = (c->fpu.top - 1) & 7;
}
HSET(fdecstp) = HSET_ALL(fdecstp);

/* --- environments (SDM 1 figures 8-9 to 8-12) --- */

/* Write it to p; returns its size. */
static unsigned env_save(struct cpu *c, const struct insn *i, uint8_t *p)
{
    const struct fpu *f = &c->fpu;
    uint16_t sw = fpu_status(c), tw = fpu_tag_word(c);
    uint32_t ip = f->fip, dp = f->fdp;

    if (!cpu_prot(c)) {
        ip += (uint32_t)f->fcs << 4;
        dp += (uint32_t)f->fds << 4;
    }
    if (i->flags & IF_O32) {
        store32(p, 0xffff0000u | f->cw);
        store32(p + 4, 0xffff0000u | sw);
        store32(p + 8, 0xffff0000u | tw);
        if (cpu_prot(c)) {
            store32(p + 12, ip);
            store32(p + 16, (uint32_t)f->fop << 16 | f->fcs);
            store32(p + 20, dp);
            store32(p + 24, 0xffff0000u | f->fds);
        } else {
            store32(p + 12, 0xffff0000u | (ip & 0xffff));
            store32(p + 16, (ip >> 16) << 12 | f->fop);
            store32(p + 20, 0xffff0000u | (dp & 0xffff));
            store32(p + 24, (dp >> 16) << 12);
        }
        return 28;
    }
    store16(p, f->cw);
    store16(p + 2, sw);
    store16(p + 4, tw);
    store16(p + 6, (uint16_t)ip);
    store16(p + 10, (uint16_t)dp);
    if (cpu_prot(c)) {
        store16(p + 8, f->fcs);
        store16(p + 12, f->fds);
    } else {
        store16(p + 8, (uint16_t)((ip >> 4 & 0xf000) | f->fop));
        store16(p + 12, (uint16_t)(dp >> 4 & 0xf000));
    }
    return 14;
}

static unsigned env_size(const struct insn *i) { return i->flags & IF_O32 ? 28 : 14; }

static void env_load(struct cpu *c, const struct insn *i, const uint8_t *p)
{
    struct fpu *f = &c->fpu;
    unsigned step = i->flags & IF_O32 ? 4 : 2;

    f->cw = (load16(p) & CW_MASK) | CW_ONE;
    fpu_set_status(c, load16(p + step));
    fpu_set_tag_word(c, load16(p + 2 * step));
    if (cpu_prot(c)) {
        if (step == 4) {
            f->fip = load32(p + 12);
            f->fcs = load16(p + 16);
            f->fop = load16(p + 18) & 0x7ff;
            f->fdp = load32(p + 20);
            f->fds = load16(p + 24);
        } else {
            f->fip = load16(p + 6);
            f->fcs = load16(p + 8);
            f->fdp = load16(p + 10);
            f->fds = load16(p + 12);
        }
    } else {
        /* Real mode: linear addresses, no selectors. */
        f->fcs = f->fds = 0;
        f->fip = load16(p + 3 * step);
        f->fdp = load16(p + 5 * step);
        f->fop = load16(p + 4 * step) & 0x7ff;
        if (step == 4) {
            f->fip |= (load32(p + 16) >> 12 & 0xffff) << 16;
            f->fdp |= (load32(p + 24) >> 12 & 0xffff) << 16;
        } else {
            f->fip |= (uint32_t)(load16(p + 8) & 0xf000) << 4;
            f->fdp |= (uint32_t)(load16(p + 12) & 0xf000) << 4;
        }
    }
    x87_update_es(c);
}

X87_NOWAIT(fnstenv)
{
    uint8_t b[28];

    mem_write_bytes(c, i, b, env_save(c, i, b), 1);
    c->fpu.cw |= CW_MASKS;
    x87_update_es(c);
}
HSET(fnstenv) = HSET_ALL(fnstenv);

X87(fldenv)
{
    uint8_t b[28];

    mem_read_bytes(c, i, b, env_size(i), 1);
    env_load(c, i, b);
}
HSET(fldenv) = HSET_ALL(fldenv);

X87_NOWAIT(fnsave)
{
    uint8_t b[108];
    unsigned at = env_save(c, i, b);

    for (unsigned n = 0; n < 8; n++, at += 10) {
        store64(b + at, ST(n).m);
        store16(b + at + 8, ST(n).se);
    }
    mem_write_bytes(c, i, b, at, 1);
    x87_init(c);
}
HSET(fnsave) = HSET_ALL(fnsave);

X87(frstor)
{
    uint8_t b[108];
    unsigned at = env_size(i);

    mem_read_bytes(c, i, b, at + 80, 1);
    env_load(c, i, b);
    for (unsigned n = 0; n < 8; n++, at += 10)
        ST(n) = (struct f80){ load64(b + at), load16(b + at + 8) };
}
HSET(frstor) = HSET_ALL(frstor);

/* --- FXSAVE (SDM 1 10.5). What lies above XMM7 is neither written nor read. --- */

#define FX_SIZE 288

X87_NOWAIT(fxsave)
{
    const struct fpu *f = &c->fpu;
    uint8_t b[FX_SIZE] = { 0 };

    store16(b, f->cw);
    store16(b + 2, fpu_status(c));
    b[4] = (uint8_t)~f->empty;
    store16(b + 6, f->fop);
    store32(b + 8, f->fip);
    store16(b + 12, f->fcs);
    store32(b + 16, f->fdp);
    store16(b + 20, f->fds);
    store32(b + 24, f->mxcsr);
    store32(b + 28, MXCSR_MASK);
    for (unsigned n = 0; n < 8; n++) {
        store64(b + 32 + 16 * n, ST(n).m);
        store16(b + 40 + 16 * n, ST(n).se);
        memcpy(b + 160 + 16 * n, &f->xmm[n], 16);
    }
    mem_write_bytes(c, i, b, FX_SIZE, 16);
}
HSET(fxsave) = HSET_ALL(fxsave);

X87_NOWAIT(fxrstor)
{
    struct fpu *f = &c->fpu;
    uint8_t b[FX_SIZE];

    mem_read_bytes(c, i, b, FX_SIZE, 16);
    if (load32(b + 24) & ~MXCSR_MASK)
        RAISE_ERR(EXC_GP, 0);
    f->cw = (load16(b) & CW_MASK) | CW_ONE;
    fpu_set_status(c, load16(b + 2));
    f->empty = (uint8_t)~b[4];
    f->fop = load16(b + 6) & 0x7ff;
    f->fip = load32(b + 8);
    f->fcs = load16(b + 12);
    f->fdp = load32(b + 16);
    f->fds = load16(b + 20);
    f->mxcsr = load32(b + 24);
    for (unsigned n = 0; n < 8; n++) {
        ST(n) = (struct f80){ load64(b + 32 + 16 * n), load16(b + 40 + 16 * n) };
        memcpy(&f->xmm[n], b + 160 + 16 * n, 16);
    }
    x87_update_es(c);
}
HSET(fxrstor) = HSET_ALL(fxrstor);
