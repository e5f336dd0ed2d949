/* model.c - the CPU models one can choose with -cpu, and CPUID, which reports them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/sys.h"

#define F(x) (1ull << FEAT_##x)

#define FEAT_SET_386 F(I386)
#define FEAT_SET_486 (FEAT_SET_386 | F(I486) | F(CPUID) | F(FPU))
#define FEAT_SET_PENTIUM \
    (FEAT_SET_486 | F(I586) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(MCE) | F(CX8) | F(APIC))
#define FEAT_SET_P2                                                                                                  \
    (FEAT_SET_PENTIUM | F(P6) | F(PAE) | F(SEP) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(MMX) | \
     F(FXSR))
#define FEAT_SET_P3  (FEAT_SET_P2 | F(SSE))
#define FEAT_SET_P4  (FEAT_SET_P3 | F(SSE2) | F(CLFSH))
#define FEAT_SET_MAX (FEAT_SET_P4 | F(NX) | F(HYPERVISOR))

static const struct cpu_model models[] = {
    { "486", "Intel 486 DX4: FPU, CPUID", "GenuineIntel", NULL, 0x480, FEAT_SET_486, 100000 },
    { "pentium", "Intel Pentium: TSC, MSRs, 4 MiB pages, local APIC", "GenuineIntel", NULL, 0x52c, FEAT_SET_PENTIUM,
      200000 },
    { "pentium2", "Intel Pentium II: CMOV, PAE, SYSENTER, MMX", "GenuineIntel", NULL, 0x652, FEAT_SET_P2, 450000 },
    { "pentium3", "Intel Pentium III: SSE", "GenuineIntel", NULL, 0x683, FEAT_SET_P3, 800000 },
    { "pentium4", "Intel Pentium 4: SSE2", "GenuineIntel", "Intel(R) Pentium(R) 4 CPU (Callgate)", 0xf29, FEAT_SET_P4,
      2000000 },
    { "max", "everything that is implemented: Pentium III core with SSE2 and NX (default)", "GenuineIntel",
      "Callgate virtual CPU", 0x683, FEAT_SET_MAX, 2000000 },
};

const struct cpu_model *cpu_model_find(const char *name)
{
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(models); n++)
        if (!strcmp(models[n].name, name))
            return &models[n];
    return NULL;
}

const struct cpu_model *cpu_model_list(unsigned i) { return i < ARRAY_SIZE(models) ? &models[i] : NULL; }

enum { R_EAX, R_EBX, R_ECX, R_EDX };
#define REG_0   R_EAX
#define REG_ECX R_ECX
#define REG_EDX R_EDX

static const struct {
    uint32_t leaf;
    uint8_t reg, bit;
} feature_bits[] = {
#define FEATURE(name, leaf, reg, bit) { leaf, REG_##reg, bit },
#include "cpu/isa/feature.def"
#undef FEATURE
};

static uint32_t leaf_features(const struct cpu *c, uint32_t leaf, uint8_t reg)
{
    uint32_t v = 0;
    unsigned n;

    for (n = 0; n < FEAT_COUNT; n++)
        if (feature_bits[n].leaf == leaf && leaf && feature_bits[n].reg == reg && (c->features >> n & 1))
            v |= 1u << feature_bits[n].bit;
    return v;
}

/* The APIC bit follows the enable bit of IA32_APIC_BASE (SDM 3A 10.4.3). */
static bool apic_enabled(struct cpu *c)
{
    return cpu_has(c, FEAT_APIC) && c->bus && c->bus->apic_base_read && (c->bus->apic_base_read(c->bus_opaque) & 0x800);
}

void cpu_cpuid(struct cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_model *m = c->model;
    uint32_t max = cpu_has(c, FEAT_P6) ? 2 : 1;
    uint32_t max_ext = m->brand ? 0x80000004 : 0;
    char brand[48] = "";
    unsigned n;

    (void)subleaf;
    memset(out, 0, 4 * sizeof *out);
    if ((leaf & 0xffffff00) == 0x40000000 && cpu_has(c, FEAT_HYPERVISOR)) {
        /* the hypervisor's leaves: only its name */
        out[R_EAX] = 0x40000000;
        if (leaf == 0x40000000)
            for (n = 0; n < 3; n++)
                out[R_EBX + n] = load32(&"CallgateVMM\0"[4 * n]);
        return;
    }
    if (leaf >= 0x80000000 ? leaf > max_ext : leaf > max)
        leaf = max; /* beyond the last: the data of the last basic leaf */
    switch (leaf) {
    case 0:
        out[R_EAX] = max;
        out[R_EBX] = load32(m->vendor);
        out[R_EDX] = load32(m->vendor + 4);
        out[R_ECX] = load32(m->vendor + 8);
        break;
    case 1:
        out[R_EAX] = m->signature;
        out[R_EBX] = cpu_has(c, FEAT_CLFSH) ? 8 << 8 : 0; /* CLFLUSH line: 64 bytes; APIC id 0 */
        out[R_ECX] = leaf_features(c, 1, R_ECX);
        out[R_EDX] = leaf_features(c, 1, R_EDX);
        if (!apic_enabled(c))
            out[R_EDX] &= ~(1u << 9);
        break;
    case 2: /* caches and TLBs as a Pentium III reports them */
        out[R_EAX] = 0x03020101;
        out[R_EDX] = 0x0c040843;
        break;
    case 0x80000000: out[R_EAX] = max_ext; break;
    case 0x80000001: out[R_EDX] = leaf_features(c, 0x80000001, R_EDX); break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        strncpy(brand, m->brand, sizeof brand - 1);
        for (n = 0; n < 4; n++)
            out[n] = load32(brand + (leaf - 0x80000002) * 16 + 4 * n);
        break;
    }
}
