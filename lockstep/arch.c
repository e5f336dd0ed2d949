/* arch.c - the architectural state of a CPU: saved, put back, compared, its differences printed.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include <stdatomic.h>

/* What is compared as it stands; the rest is special: EIP, EFLAGS, the interrupt shadow. */
static const struct field {
    const char *name;
    uint16_t off;
    uint16_t size;
} fields[] = {
#define F(name, member)                                                     \
    {                                                                       \
        name, offsetof(struct cpu, member), sizeof((struct cpu *)0)->member \
    }
#define SEG(name, member)                                                                  \
    F(name, member.sel), F(name " attributes", member.attr), F(name " base", member.base), \
        F(name " limit", member.limit)
#define X87(n) F("R" #n, fpu.r[n].m), F("R" #n " sign and exponent", fpu.r[n].se)
#define XMM(n) F("XMM" #n " low half", fpu.xmm[n].q[0]), F("XMM" #n " high half", fpu.xmm[n].q[1])
    F("EAX", r[EAX]),
    F("ECX", r[ECX]),
    F("EDX", r[EDX]),
    F("EBX", r[EBX]),
    F("ESP", r[ESP]),
    F("EBP", r[EBP]),
    F("ESI", r[ESI]),
    F("EDI", r[EDI]),
    F("CPL", cpl),
    SEG("ES", seg[SEG_ES]),
    SEG("CS", seg[SEG_CS]),
    SEG("SS", seg[SEG_SS]),
    SEG("DS", seg[SEG_DS]),
    SEG("FS", seg[SEG_FS]),
    SEG("GS", seg[SEG_GS]),
    SEG("LDTR", ldtr),
    SEG("TR", tr),
    F("GDTR base", gdtr.base),
    F("GDTR limit", gdtr.limit),
    F("IDTR base", idtr.base),
    F("IDTR limit", idtr.limit),
    F("CR0", cr0),
    F("CR2", cr2),
    F("CR3", cr3),
    F("CR4", cr4),
    F("DR0", dr[0]),
    F("DR1", dr[1]),
    F("DR2", dr[2]),
    F("DR3", dr[3]),
    F("DR6", dr[6]),
    F("DR7", dr[7]),
    F("PDPTE0", pdpte[0]),
    F("PDPTE1", pdpte[1]),
    F("PDPTE2", pdpte[2]),
    F("PDPTE3", pdpte[3]),
    F("EFER", efer),
    F("offset of the TSC", tsc_offset),
    F("SYSENTER_CS", msr_sysenter_cs),
    F("SYSENTER_ESP", msr_sysenter_esp),
    F("SYSENTER_EIP", msr_sysenter_eip),
    F("PAT", msr_pat),
    F("MISC_ENABLE", msr_misc_enable),
    F("MTRR_DEF", msr_mtrr_def),
    F("MCG_STATUS", msr_mcg_status),
    F("BIOS_SIGN", msr_bios_sign),
    F("a fixed MTRR", msr_mtrr_fix),
    F("a variable MTRR", msr_mtrr_var),
    X87(0),
    X87(1),
    X87(2),
    X87(3),
    X87(4),
    X87(5),
    X87(6),
    X87(7),
    F("FCW", fpu.cw),
    F("FSW", fpu.sw),
    F("x87 TOP", fpu.top),
    F("x87 empty registers", fpu.empty),
    F("FOP", fpu.fop),
    F("FCS", fpu.fcs),
    F("FIP", fpu.fip),
    F("FDS", fpu.fds),
    F("FDP", fpu.fdp),
    F("MXCSR", fpu.mxcsr),
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    F("halted", halted),
    F("NMI blocked", nmi_blocked),
    F("shut down", shut_down),
    F("pending debug traps", db_pending),
#undef F
#undef SEG
#undef X87
#undef XMM
};

/* What other threads write at any time goes its own way, or none. */
#define EVENTS_AT  offsetof(struct cpu, events)
#define EVENTS_END (EVENTS_AT + sizeof(uint32_t))
static void copy(uint8_t *to, const uint8_t *from)
{
    const size_t end = sizeof((struct arch_state *)NULL)->bytes;

    memcpy(to, from, EVENTS_AT);
    memcpy(to + EVENTS_END, from + EVENTS_END, end - EVENTS_END);
}

void arch_save(struct arch_state *s, const struct cpu *c)
{
    copy(s->bytes, (const uint8_t *)c);
    s->events = atomic_load(&c->events);
    memcpy(s->exc_ring, c->exc_ring, sizeof s->exc_ring);
    s->exc_next = c->exc_next;
}

void arch_load(struct cpu *c, const struct arch_state *s)
{
    uint32_t gen = c->fetch_gen;
    const struct insn *none = c->cur; /* between instructions it names none */

    copy((uint8_t *)c, s->bytes);
    atomic_store(&c->events, s->events);
    memcpy(c->exc_ring, s->exc_ring, sizeof s->exc_ring);
    c->exc_next = s->exc_next;
    c->fetch_gen = gen;
    c->cur = none;
    c->exc.delivering = -1;
    c->exc.ext = 0;
    cpu_clear_event(c, EVENT_KICK | EVENT_INTR);
    cpu_update_derived(c);
    c->mem->flush(c, true);
}

static bool same(const struct cpu *a, const struct cpu *b, const struct field *f)
{
    return !memcmp((const uint8_t *)a + f->off, (const uint8_t *)b + f->off, f->size);
}

bool arch_differs(const struct cpu *a, const struct cpu *b)
{
    size_t n;

    if (a->eip != b->eip || a->icount != b->icount || cpu_get_eflags(a) != cpu_get_eflags(b) ||
        cpu_shadow(a) != cpu_shadow(b))
        return true;
    for (n = 0; n < ARRAY_SIZE(fields); n++)
        if (!same(a, b, &fields[n]))
            return true;
    return false;
}

/* A field as a number: XMM registers are kept in the guest's order, all else in the host's. */
static uint64_t value(const struct cpu *c, size_t off, unsigned size)
{
    const uint8_t *p = (const uint8_t *)c + off;
    bool xmm = off >= offsetof(struct cpu, fpu.xmm) && off < offsetof(struct cpu, fpu.xmm) + sizeof c->fpu.xmm;

    return xmm ? load_n(p, size) : number_get(p, size);
}

static void print(FILE *f, const char *what, uint64_t va, uint64_t vb, unsigned size, const char *a_name,
                  const char *b_name)
{
    if (va != vb)
        fprintf(f, "  %s: %s %0*llx, %s %0*llx\n", what, a_name, (int)size * 2, (unsigned long long)va, b_name,
                (int)size * 2, (unsigned long long)vb);
}

void arch_print_differences(const struct cpu *a, const struct cpu *b, const char *a_name, const char *b_name, FILE *f)
{
    size_t n;

    if (a->icount != b->icount)
        fprintf(f, "  instructions executed: %s %llu, %s %llu\n", a_name, (unsigned long long)a->icount, b_name,
                (unsigned long long)b->icount);
    print(f, "EIP", a->eip, b->eip, 4, a_name, b_name);
    print(f, "EFLAGS", cpu_get_eflags(a), cpu_get_eflags(b), 4, a_name, b_name);
    print(f, "interrupt shadow", cpu_shadow(a), cpu_shadow(b), 1, a_name, b_name);
    for (n = 0; n < ARRAY_SIZE(fields); n++) {
        const struct field *fl = &fields[n];
        unsigned at;

        if (same(a, b, fl))
            continue;
        for (at = 0; at < fl->size; at += 8) {
            unsigned size = fl->size < 8 ? fl->size : 8;

            print(f, fl->name, value(a, fl->off + at, size), value(b, fl->off + at, size), size, a_name, b_name);
        }
    }
}
