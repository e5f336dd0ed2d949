/* sysreg.c - control registers, debug registers, MSRs and the TSC: what a write checks and what
 * follows from it (SDM 3A 2.5, 3B 17.2, SDM 4).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

/* --- control registers --- */

static uint32_t cr4_valid(const struct cpu *c)
{
    uint32_t v = 0;

    if (cpu_has(c, FEAT_VME))
        v |= CR4_VME | CR4_PVI;
    if (cpu_has(c, FEAT_TSC))
        v |= CR4_TSD;
    if (cpu_has(c, FEAT_DE))
        v |= CR4_DE;
    if (cpu_has(c, FEAT_PSE))
        v |= CR4_PSE;
    if (cpu_has(c, FEAT_PAE))
        v |= CR4_PAE;
    if (cpu_has(c, FEAT_MCE))
        v |= CR4_MCE;
    if (cpu_has(c, FEAT_PGE))
        v |= CR4_PGE;
    if (cpu_has(c, FEAT_P6))
        v |= CR4_PCE;
    if (cpu_has(c, FEAT_FXSR))
        v |= CR4_OSFXSR;
    if (cpu_has(c, FEAT_SSE))
        v |= CR4_OSXMMEXCPT;
    return v;
}

/* With PAE paging, a write that may change the page-directory pointers loads them. */
static void load_pdptes(struct cpu *c)
{
    if (!c->mem->load_pdptes(c))
        cpu_raise_err(c, EXC_GP, 0);
}

void cpu_write_cr0(struct cpu *c, uint32_t v)
{
    uint32_t old = c->cr0;
    uint32_t mask = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_PG;
    uint32_t changed;

    if (cpu_has(c, FEAT_I486))
        mask |= CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD;
    if (((v & CR0_PG) && !(v & CR0_PE)) || (cpu_has(c, FEAT_I486) && (v & CR0_NW) && !(v & CR0_CD)))
        cpu_raise_err(c, EXC_GP, 0);
    v = (v & mask) | CR0_ET;
    changed = old ^ v;
    if ((v & CR0_PG) && (c->cr4 & CR4_PAE) && (changed & (CR0_PG | CR0_CD | CR0_NW))) {
        c->cr0 = v;
        if (!c->mem->load_pdptes(c)) {
            c->cr0 = old;
            cpu_raise_err(c, EXC_GP, 0);
        }
    }
    c->cr0 = v;
    /* while paging is off, what linear addresses mean does not depend on the other bits */
    if ((changed & CR0_PG) || ((v & CR0_PG) && (changed & (CR0_WP | CR0_PE))))
        c->mem->flush(c, true);
    if (changed & CR0_PE)
        c->cpl = v & CR0_PE ? c->cpl : 0;
    cpu_update_mode(c);
    LOG(mmu, "cr0 %08x", v);
}

void cpu_write_cr3(struct cpu *c, uint32_t v)
{
    uint32_t old = c->cr3;

    c->cr3 = v;
    if ((c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !c->mem->load_pdptes(c)) {
        c->cr3 = old;
        cpu_raise_err(c, EXC_GP, 0);
    }
    c->mem->flush(c, false);
}

void cpu_write_cr4(struct cpu *c, uint32_t v)
{
    uint32_t changed = c->cr4 ^ v;

    if (v & ~cr4_valid(c))
        cpu_raise_err(c, EXC_GP, 0);
    if ((v & CR4_PAE) && (c->cr0 & CR0_PG) && (changed & (CR4_PAE | CR4_PGE | CR4_PSE)))
        load_pdptes(c);
    c->cr4 = v;
    if (changed & (CR4_PAE | CR4_PGE | CR4_PSE))
        c->mem->flush(c, true);
    cpu_update_mode(c);
}

/* --- debug registers --- */

#define DR7_GD 0x2000u
#define DR6_BD 0x2000u

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE is set; GD traps every access. */
static unsigned dr_number(struct cpu *c, unsigned n)
{
    if (n == 4 || n == 5) {
        if (c->cr4 & CR4_DE)
            cpu_raise(c, EXC_UD);
        n += 2;
    }
    if (c->dr[7] & DR7_GD) {
        c->dr[7] &= ~DR7_GD;
        c->dr[6] |= DR6_BD;
        cpu_raise(c, EXC_DB);
    }
    return n;
}

uint32_t cpu_read_dr(struct cpu *c, unsigned n) { return c->dr[dr_number(c, n)]; }

void cpu_write_dr(struct cpu *c, unsigned n, uint32_t v)
{
    n = dr_number(c, n);
    if (n == 6)
        v = (v & 0xe00f) | 0xffff0ff0;
    else if (n == 7)
        v = (v & 0xffff2bff) | 0x400;
    c->dr[n] = v;
    if (n != 6) {
        cpu_update_derived(c);
        c->mem->flush(c, true); /* watched pages must take the slow path */
    }
}

/* Bytes breakpoint n covers, from DR7.LEN. */
static unsigned dr_len(const struct cpu *c, unsigned n)
{
    static const uint8_t len[4] = { 1, 2, 8, 4 };

    return len[c->dr[7] >> (18 + n * 4) & 3];
}

static unsigned dr_rw(const struct cpu *c, unsigned n) { return c->dr[7] >> (16 + n * 4) & 3; }

void cpu_check_watch(struct cpu *c, gla_t la, unsigned size, bool write)
{
    unsigned n;

    for (n = 0; n < 4; n++) {
        unsigned rw = dr_rw(c, n);
        uint32_t at = c->dr[n] & ~(dr_len(c, n) - 1);

        if (!(c->dr[7] >> (n * 2) & 3) || !(rw == 3 || (rw == 1 && write)))
            continue;
        if (la + (uint64_t)size > at && la < at + (uint64_t)dr_len(c, n))
            c->db_pending |= 1u << n;
    }
}

void cpu_check_io_watch(struct cpu *c, uint16_t port, unsigned size)
{
    unsigned n;

    if (!(c->cr4 & CR4_DE))
        return;
    for (n = 0; n < 4; n++) {
        uint32_t at = c->dr[n] & ~(dr_len(c, n) - 1); /* aligned as for data (SDM 3B 17.2.5) */

        if ((c->dr[7] >> (n * 2) & 3) && dr_rw(c, n) == 2 && port + size > at && port < at + dr_len(c, n))
            c->db_pending |= 1u << n;
    }
}

/* --- MSRs --- */

enum {
    MSR_P5_MC_ADDR = 0,
    MSR_P5_MC_TYPE = 1,
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_APIC_BASE = 0x1b,
    MSR_EBL_CR_POWERON = 0x2a,
    MSR_BIOS_UPDT_TRIG = 0x79,
    MSR_BIOS_SIGN_ID = 0x8b,
    MSR_PERFCTR0 = 0xc1,
    MSR_PERFCTR1 = 0xc2,
    MSR_BBL_CR_CTL3 = 0x11e,
    MSR_MTRRCAP = 0xfe,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_EVNTSEL0 = 0x186,
    MSR_EVNTSEL1 = 0x187,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_VAR = 0x200,
    MSR_MTRR_FIX64K = 0x250,
    MSR_MTRR_FIX16K = 0x258,
    MSR_MTRR_FIX4K = 0x268,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF = 0x2ff,
};
#define MSR_EFER 0xc0000080u

/* The storage of MTRR registers, or NULL. */
static uint64_t *mtrr(struct cpu *c, uint32_t n)
{
    if (!cpu_has(c, FEAT_MTRR))
        return NULL;
    if (n >= MSR_MTRR_VAR && n < MSR_MTRR_VAR + 16)
        return &c->msr_mtrr_var[n - MSR_MTRR_VAR];
    if (n == MSR_MTRR_FIX64K)
        return &c->msr_mtrr_fix[0];
    if (n == MSR_MTRR_FIX16K || n == MSR_MTRR_FIX16K + 1)
        return &c->msr_mtrr_fix[1 + n - MSR_MTRR_FIX16K];
    if (n >= MSR_MTRR_FIX4K && n < MSR_MTRR_FIX4K + 8)
        return &c->msr_mtrr_fix[3 + n - MSR_MTRR_FIX4K];
    if (n == MSR_MTRR_DEF)
        return &c->msr_mtrr_def;
    return NULL;
}

uint64_t cpu_read_tsc(struct cpu *c)
{
    unsigned __int128 t = c->bus->now(c->bus_opaque);

    return (uint64_t)(t * c->model->tsc_khz / 1000000) + c->tsc_offset;
}

uint64_t cpu_rdmsr(struct cpu *c, uint32_t n)
{
    const uint64_t *p = mtrr(c, n);

    if (p)
        return *p;
    switch (n) {
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE: return 0;
    case MSR_TSC: return cpu_read_tsc(c);
    case MSR_APIC_BASE:
        if (cpu_has(c, FEAT_APIC))
            return c->bus->apic_base_read(c->bus_opaque);
        break;
    case MSR_MTRRCAP:
        if (cpu_has(c, FEAT_MTRR))
            return 0x508; /* WC, fixed ranges, 8 variable */
        break;
    case MSR_SYSENTER_CS:
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP:
        if (!cpu_has(c, FEAT_SEP))
            break;
        return n == MSR_SYSENTER_CS    ? c->msr_sysenter_cs
               : n == MSR_SYSENTER_ESP ? c->msr_sysenter_esp
                                       : c->msr_sysenter_eip;
    case MSR_PAT:
        if (cpu_has(c, FEAT_PAT))
            return c->msr_pat;
        break;
    case MSR_MCG_CAP:
        if (cpu_has(c, FEAT_MCA))
            return 0; /* no banks */
        break;
    case MSR_MCG_STATUS:
        if (cpu_has(c, FEAT_MCA))
            return c->msr_mcg_status;
        break;
    case MSR_MISC_ENABLE:
        if (cpu_has(c, FEAT_SSE2))
            return c->msr_misc_enable;
        break;
    case MSR_EFER:
        if (cpu_has(c, FEAT_NX))
            return c->efer;
        break;
    case MSR_BIOS_SIGN_ID:
        if (cpu_has(c, FEAT_P6))
            return c->msr_bios_sign;
        break;
    case MSR_PLATFORM_ID:
    case MSR_EBL_CR_POWERON:
    case MSR_BBL_CR_CTL3:
    case MSR_PERFCTR0: /* the counters exist but count nothing */
    case MSR_PERFCTR1:
    case MSR_EVNTSEL0:
    case MSR_EVNTSEL1:
    case MSR_DEBUGCTL:
        if (cpu_has(c, FEAT_P6))
            return 0;
        break;
    }
    GUEST_WARN(guest_errors, "rdmsr %08x: no such register", n);
    cpu_raise_err(c, EXC_GP, 0);
}

/* Seven memory types exist; 2, 3 and above 6 are reserved (SDM 3A 11.11.2). */
static bool pat_valid(uint64_t v)
{
    unsigned n;

    for (n = 0; n < 64; n += 8) {
        unsigned t = v >> n & 0xff;

        if (t > 7 || t == 2 || t == 3)
            return false;
    }
    return true;
}

void cpu_wrmsr(struct cpu *c, uint32_t n, uint64_t v)
{
    uint64_t *p = mtrr(c, n);

    if (p) {
        *p = v;
        return;
    }
    switch (n) {
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE: return;
    case MSR_TSC: c->tsc_offset += v - cpu_read_tsc(c); return;
    case MSR_APIC_BASE:
        if (!cpu_has(c, FEAT_APIC))
            break;
        if (c->bus->apic_base_write(c->bus_opaque, v))
            return;
        break;
    case MSR_SYSENTER_CS:
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP:
        if (!cpu_has(c, FEAT_SEP))
            break;
        if (n == MSR_SYSENTER_CS)
            c->msr_sysenter_cs = v;
        else if (n == MSR_SYSENTER_ESP)
            c->msr_sysenter_esp = v;
        else
            c->msr_sysenter_eip = v;
        return;
    case MSR_PAT:
        if (!cpu_has(c, FEAT_PAT) || !pat_valid(v))
            break;
        c->msr_pat = v;
        return;
    case MSR_MCG_STATUS:
        if (!cpu_has(c, FEAT_MCA))
            break;
        c->msr_mcg_status = v;
        return;
    case MSR_MISC_ENABLE:
        if (!cpu_has(c, FEAT_SSE2))
            break;
        c->msr_misc_enable = v;
        return;
    case MSR_EFER:
        if (!cpu_has(c, FEAT_NX) || (v & ~(uint64_t)EFER_NXE))
            break;
        if (c->efer != v)
            c->mem->flush(c, true);
        c->efer = v;
        return;
    case MSR_BIOS_SIGN_ID:
        if (!cpu_has(c, FEAT_P6))
            break;
        c->msr_bios_sign = v;
        return;
    case MSR_BIOS_UPDT_TRIG:
    case MSR_EBL_CR_POWERON:
    case MSR_BBL_CR_CTL3:
    case MSR_PERFCTR0:
    case MSR_PERFCTR1:
    case MSR_EVNTSEL0:
    case MSR_EVNTSEL1:
    case MSR_DEBUGCTL:
        if (cpu_has(c, FEAT_P6))
            return;
        break;
    }
    GUEST_WARN(guest_errors, "wrmsr %08x = %016llx refused", n, (unsigned long long)v);
    cpu_raise_err(c, EXC_GP, 0);
}
