/* btr_show.c - what there is to say about a difference: see btr.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "btr_run.h"

#include "bt/bt.h"
#include "cpu/cpu_state.h"

#include <capstone/capstone.h>

static void disassemble(cs_mode mode, const uint8_t *p, unsigned len, uint64_t at, const char *indent)
{
    csh h;
    unsigned done = 0;

    if (cs_open(CS_ARCH_X86, mode, &h) != CS_ERR_OK)
        return;
    while (done < len) {
        cs_insn *i = NULL;
        size_t n = cs_disasm(h, p + done, len - done, at + done, 1, &i);
        unsigned size = n ? i->size : 1;
        unsigned k;

        printf("%s%08llx ", indent, (unsigned long long)(at + done));
        for (k = 0; k < size; k++)
            printf(" %02x", p[done + k]);
        for (k = size; k < 10; k++)
            printf("   ");
        printf("  %s %s\n", n ? i->mnemonic : "(bad)", n ? i->op_str : "");
        if (n)
            cs_free(i, n);
        done += size;
    }
    cs_close(&h);
}

void show_env(const struct env *e)
{
    printf("  %s, CPL %u, %u-bit code, %s%s; cr0 %08x cr4 %03x efer %x\n",
           !e->pe   ? "real mode"
           : e->v86 ? "virtual-8086 mode"
                    : "protected mode",
           e->cpl, e->code32 ? 32 : 16,
           !e->pg   ? "no paging"
           : e->pae ? "PAE"
                    : "32-bit paging",
           e->flat ? ", flat" : "", e->cr0, e->cr4, (unsigned)e->efer);
}

void show_seq(const struct env *e, const struct seq *s)
{
    static const char names[] = "ECSDFG";
    bool d = s->seg[SEG_CS].attr & AR_DB;
    unsigned n;

    show_env(e);
    for (n = 0; n < SEG_COUNT; n++)
        printf("  %cS %04x base %08x limit %08x attr %04x%s", names[n], s->seg[n].sel, s->seg[n].base, s->seg[n].limit,
               s->seg[n].attr, n % 2 ? "\n" : "");
    printf("  linear address %08x\n", s->la);
    for (n = 0; n < s->count; n++) {
        printf("  unit %u\n", n);
        disassemble(d ? CS_MODE_32 : CS_MODE_16, s->code + s->start[n], s->start[n + 1] - s->start[n],
                    s->eip + s->start[n], "    ");
    }
}

static void show_regs(const char *who, const uint32_t *r, uint32_t eip, uint32_t eflags)
{
    printf("  %-9s eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x\n"
           "            eip %08x eflags %08x",
           who, r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], eip, eflags);
}

static void show_cpu(const char *who, struct cpu *c, enum exit_reason why)
{
    static const char *const reasons[] = { "kick", "halt", "icount", "shutdown" };

    printf("  %s, exit: %s\n", who, reasons[why]);
    cpu_dump(c, stdout);
}

static void show_fpu(const char *who, const struct fpu *f)
{
    unsigned n;

    printf("  %-9s cw %04x sw %04x top %u empty %02x mxcsr %04x\n", who, f->cw, f->sw, f->top, f->empty, f->mxcsr);
    for (n = 0; n < 8; n++)
        printf("            r%u %04x:%016llx  xmm%u %016llx%016llx\n", n, f->r[n].se, (unsigned long long)f->r[n].m, n,
               (unsigned long long)f->xmm[n].q[1], (unsigned long long)f->xmm[n].q[0]);
}

static void show_exceptions(const struct cpu *c, unsigned from)
{
    for (; from != c->exc_next; from++) {
        const struct exc_record *x = &c->exc_ring[from % EXC_RING];

        printf("    vector %u kind %u error %x at %04x:%08x cr2 %08x eflags %08x\n", x->vector, x->kind, x->error,
               x->cs, x->eip, x->cr2, x->eflags);
    }
}

static void show_ram(const struct compare *k)
{
    const uint8_t *a = k->ref.m->ram;
    const uint8_t *b = k->test.m->ram;
    unsigned shown = 0;
    uint32_t n;

    for (n = 0; n < RAM_SIZE && shown < 16; n++) {
        if (a[n] == b[n])
            continue;
        printf("    physical %05x: reference %02x, test %02x\n", n, a[n], b[n]);
        shown++;
    }
}

static void show_host_code(const struct compare *k, const struct seq *s)
{
    struct bt *bt = bt_of(k->test.c);
    unsigned shown = 0;
    uint32_t n;

    for (n = bt->cache.tb_count; n-- > 0 && shown < 4;) {
        const struct tb *t = &bt->cache.tb[n];

        if (t->eip - s->eip >= s->len)
            continue;
        printf("  translation of eip %08x (%u instructions%s%s)\n", t->eip, t->n, t->ctx->direct ? ", direct" : "",
               t->dead ? ", dropped" : "");
        disassemble(CS_MODE_64, bt->cache.rw + t->code, t->size, (uintptr_t)bt->cache.rx + t->code, "    ");
        shown++;
    }
}

void run_show(struct compare *k, const struct env *e, const struct seq *s, const struct start *t)
{
    unsigned n;

    printf("  differs: %s%s%s\n", trace.what ? trace.what : "", trace.what && trace.ram_at != RAM_SIZE ? ", " : "",
           trace.ram_at != RAM_SIZE ? "memory" : "");
    show_seq(e, s);
    show_regs("start", t->r, s->eip, t->eflags);
    printf(" cr0 %08x\n", t->cr0);
    show_fpu("start", &t->fpu);
    show_cpu("reference", k->ref.c, trace.why);
    show_cpu(k->variant, k->test.c, trace.test_why);
    printf("  flags not compared: %03x; instructions %llu, %llu\n", trace.undef, (unsigned long long)trace.icount,
           (unsigned long long)trace.test_icount);
    printf("  differences:\n");
    state_compare(&cpu_state, k->ref.c, "reference", k->test.c, k->variant, stdout);
    show_ram(k);
    printf("  executed:\n");
    for (n = trace.steps > 40 ? trace.steps - 40 : 0; n < trace.steps; n++) {
        const struct executed *x = &trace.done[n];
        unsigned m;

        printf("    %08x eax %08x ", x->eip, x->eax);
        for (m = 0; m < x->len; m++)
            printf(" %02x", x->bytes[m]);
        printf("  %s\n", insn_rows[x->row].mnemonic);
    }
    printf("  exceptions, reference:\n");
    show_exceptions(k->ref.c, trace.exc_ref);
    printf("  exceptions, %s:\n", k->variant);
    show_exceptions(k->test.c, trace.exc_test);
    if (k->test.engine->class != &interp_engine)
        show_host_code(k, s);
}
