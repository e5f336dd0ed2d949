/* stubs.c - the hand-written ends of the translation cache: how C gets into translated code and back.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#define NAT(field) NATIVE_OFF(field)
#define REG_OFF(n) ((int32_t)((n)*4))

/* Guest registers and flags to struct cpu; R11 is kept. */
static void save_guest(struct emit *e)
{
    unsigned n;

    for (n = 0; n < 8; n++)
        e_store32(e, n, R15, REG_OFF(n));
    e_flags_to_ax(e);
    e_store32(e, 0, R15, NAT(flags));
}

static void load_guest(struct emit *e)
{
    unsigned n;

    e_load32(e, 0, R15, NAT(flags));
    e_ax_to_flags(e);
    for (n = 0; n < 8; n++)
        e_load32(e, n, R15, REG_OFF(n));
}

static void load_constants(struct emit *e)
{
    e_load64(e, R14, R15, CPU_OFF(tlb));
    e_mov_imm32(e, R13, (TLB_SIZE - 1) << PAGE_SHIFT);
    e_load64(e, R12, R15, NAT(r12));
}

/* XMM registers and MXCSR to struct cpu (save) or back; nothing if they are not live. C code may use
 * the XMM registers, and must run with the host's MXCSR. */
static void simd(struct emit *e, bool save, const uint8_t *host_mxcsr)
{
    uint8_t *skip;
    unsigned n;

    e_group(e, false, 0x80, 7, R15, NAT(fpu_live)); /* cmp byte [fpu_live], 0 */
    e8(e, 0);
    skip = e_jcc32(e, 4);
    for (n = 0; n < 8; n++) { /* movaps */
        e_rex(e, 0, n, 0, R15);
        e_opcode(e, true, save ? 0x29 : 0x28);
        e_modrm_disp(e, n, R15, CPU_OFF(fpu.xmm) + (int32_t)n * 16);
    }
    if (save) {
        e_stmxcsr(e, R15, CPU_OFF(fpu.mxcsr));
        E(e, 0x0f, 0xae, 0x14, 0x25); /* ldmxcsr [host_mxcsr] */
        e32(e, (uint32_t)(uintptr_t)host_mxcsr);
    } else {
        e_ldmxcsr(e, R15, CPU_OFF(fpu.mxcsr));
    }
    e_patch32(skip, e->p);
}

static void pop_host(struct emit *e)
{
    E(e, 0x48, 0x83, 0xc4, 0x08);                         /* add rsp, 8 */
    E(e, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c); /* pop r15, r14, r13, r12 */
    E(e, 0x5d, 0x5b, 0xc3);                               /* pop rbp, rbx; ret */
}

/* rsp = the C stack */
static void host_stack(struct emit *e) { e_load64(e, RSP, R15, NAT(host_sp)); }

void stubs_emit(struct bt *bt)
{
    struct emit em = { .p = bt->cache.rw };
    struct emit *e = &em;
    const uint8_t *mxcsr;
    uint8_t *to_exit;
    uint32_t mx = 0x1f80;

    /* offset 0: no translation for EIP R8 */
    e_store32(e, R8, R15, CPU_OFF(eip));
    e_mov_imm32(e, R11, LEAVE_PLAIN);
    to_exit = e_jmp32(e);
    while ((e->p - bt->cache.rw) & 15)
        e8(e, 0xcc);
    mxcsr = bt->cache.rx + (e->p - bt->cache.rw);
    e32(e, mx);

    /* leave for good; R11: why */
    bt->cache.stub_exit = e->p - bt->cache.rw;
    e_patch32(to_exit, e->p);
    save_guest(e);
    bt->cache.stub_fault_exit = e->p - bt->cache.rw; /* from a signal handler: registers are saved already */
    simd(e, true, mxcsr);
    host_stack(e);
    e_mov(e, 0, 0, R11);
    pop_host(e);

    /* a detour for one instruction; R11: DETOUR_ID */
    bt->cache.stub_detour = e->p - bt->cache.rw;
    save_guest(e);
    simd(e, true, mxcsr);
    host_stack(e);
    e_mov(e, REX_W, 7, R15);
    e_mov(e, 0, 6, R11);
    e_call_mem(e, R15, NAT(detour_fn));
    E(e, 0x85, 0xc0); /* test eax, eax */
    {
        uint8_t *go_on = e_jcc32(e, 4);

        e_mov_imm32(e, 0, LEAVE_DETOUR);
        pop_host(e);
        e_patch32(go_on, e->p);
    }
    simd(e, false, mxcsr);
    load_constants(e);
    load_guest(e);
    e_jmp_mem(e, R15, NAT(resume));

    /* uint32_t enter(struct cpu *rdi, const void *rsi) */
    while ((e->p - bt->cache.rw) & 15)
        e8(e, 0xcc);
    bt->cache.enter = (uint32_t(*)(struct cpu *, const void *))(uintptr_t)(bt->cache.rx + (e->p - bt->cache.rw));
    E(e, 0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57); /* push rbx, rbp, r12, r13, r14, r15 */
    E(e, 0x48, 0x83, 0xec, 0x08);                                     /* sub rsp, 8 */
    e_mov(e, REX_W, R15, 7);
    e_store64(e, RSP, R15, NAT(host_sp));
    e_mov(e, REX_W, R11, 6);
    simd(e, false, mxcsr);
    load_constants(e);
    load_guest(e);
    e_jmp_reg(e, R11);

    bt->cache.stubs_end = (e->p - bt->cache.rw + 63) & ~63u;
    bt->cache.used = bt->cache.stubs_end;
}
