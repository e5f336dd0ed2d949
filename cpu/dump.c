/* dump.c - printing the CPU for people: registers, the ring of last exceptions.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/cpu.h"

#include "cpu/isa/insn.h"

static const char *const seg_names[] = { "ES", "CS", "SS", "DS", "FS", "GS" };
static const char *const exc_names[] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",
    "#TS", "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM",
};

static void dump_seg(FILE *f, const char *name, const struct seg *s)
{
    fprintf(f, "%-3s=%04x %08x %08x %04x\n", name, s->sel, s->base, s->limit, s->attr);
}

void cpu_dump(struct cpu *c, FILE *f)
{
    uint32_t fl = cpu_get_eflags(c);
    unsigned n;

    fprintf(f, "EAX=%08x EBX=%08x ECX=%08x EDX=%08x\n", c->r[EAX], c->r[EBX], c->r[ECX], c->r[EDX]);
    fprintf(f, "ESI=%08x EDI=%08x EBP=%08x ESP=%08x\n", c->r[ESI], c->r[EDI], c->r[EBP], c->r[ESP]);
    fprintf(f, "EIP=%08x EFL=%08x [%c%c%c%c%c%c%c] CPL=%u IOPL=%u %s%s\n", c->eip + c->cur->off, fl,
            fl & EFLAGS_DF ? 'D' : '-', fl & EFLAGS_OF ? 'O' : '-', fl & EFLAGS_SF ? 'S' : '-',
            fl & EFLAGS_ZF ? 'Z' : '-', fl & EFLAGS_AF ? 'A' : '-', fl & EFLAGS_PF ? 'P' : '-',
            fl & EFLAGS_CF ? 'C' : '-', c->cpl, cpu_iopl(c),
            !cpu_pe(c)   ? "real mode"
            : cpu_v86(c) ? "virtual-8086"
                         : "protected mode",
            c->halted ? ", halted" : "");
    for (n = 0; n < SEG_COUNT; n++)
        dump_seg(f, seg_names[n], &c->seg[n]);
    dump_seg(f, "LDT", &c->ldtr);
    dump_seg(f, "TR", &c->tr);
    fprintf(f, "GDT=     %08x %08x\nIDT=     %08x %08x\n", c->gdtr.base, c->gdtr.limit, c->idtr.base, c->idtr.limit);
    fprintf(f, "CR0=%08x CR2=%08x CR3=%08x CR4=%08x EFER=%llx\n", c->cr0, c->cr2, c->cr3, c->cr4,
            (unsigned long long)c->efer);
    fprintf(f, "DR0=%08x DR1=%08x DR2=%08x DR3=%08x DR6=%08x DR7=%08x\n", c->dr[0], c->dr[1], c->dr[2], c->dr[3],
            c->dr[6], c->dr[7]);
    fprintf(f, "FCW=%04x FSW=%04x TOP=%u empty=%02x MXCSR=%08x\n", c->fpu.cw, c->fpu.sw, c->fpu.top, c->fpu.empty,
            c->fpu.mxcsr);
    for (n = 0; n < 8; n++)
        fprintf(f, "R%u=%04x %016llx%c", n, c->fpu.r[n].se, (unsigned long long)c->fpu.r[n].m, n & 1 ? '\n' : ' ');
    for (n = 0; n < 8; n++)
        fprintf(f, "XMM%u=%016llx%016llx%c", n, (unsigned long long)c->fpu.xmm[n].q[1],
                (unsigned long long)c->fpu.xmm[n].q[0], n & 1 ? '\n' : ' ');
    fprintf(f, "instructions %llu\n", (unsigned long long)cpu_icount(c));
}

void cpu_dump_exceptions(struct cpu *c, FILE *f)
{
    static const char *const kinds[] = { "exception", "interrupt", "INT n", "INT3/INTO", "INT1" };
    unsigned count = c->exc_next < EXC_RING ? c->exc_next : EXC_RING;
    unsigned n;

    fprintf(f, "last %u exceptions and interrupts, oldest first:\n", count);
    for (n = c->exc_next - count; n != c->exc_next; n++) {
        const struct exc_record *r = &c->exc_ring[n % EXC_RING];

        fprintf(f,
                "  %02x %-4s %-9s err %04x cpl %u at %04x:%08x esp %08x fl %08x cr2 %08x "
                "eax %08x insn %llu\n",
                r->vector, r->kind == 0 && r->vector < ARRAY_SIZE(exc_names) ? exc_names[r->vector] : "",
                kinds[r->kind], r->error, r->cpl, r->cs, r->eip, r->esp, r->eflags, r->cr2, r->eax,
                (unsigned long long)r->icount);
    }
}
