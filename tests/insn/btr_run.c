/* btr_run.c - one run of a sequence in the reference and in the engine under test, and what differs;
 * see btr.h.
 *
 * Flags that an instruction leaves undefined are followed through the reference's run: a translator
 * executes on the host and gets the host's. They are not compared at the end, nor in an EFLAGS image
 * that an exception pushed; a run in which an instruction uses one is no basis for a comparison.
 * Nor are x87 operand pointers compared, which native x87 code does not keep.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "btr_run.h"

#include "cpu/cpu_state.h"
#include "cpu/exception.h"
#include "cpu/flags.h"
#include "cpu/fpu/fpu_int.h"
#include "cpu/interp/interp.h"
#include "cpu/sys.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

struct trace trace;

/* --- putting state into a CPU --- */

static void load_start(struct machine *v, const struct env *e, const struct seq *s, const struct start *t)
{
    struct cpu *c = v->c;

    memcpy(c->r, t->r, sizeof t->r);
    c->eip = s->eip;
    c->cpl = e->cpl;
    cpu_set_eflags(c, t->eflags);
    memcpy(c->seg, s->seg, sizeof s->seg);
    c->cr0 = t->cr0;
    c->cr2 = 0;
    memcpy(c->dr, t->dr, sizeof t->dr);
    c->fpu = t->fpu;
    c->gdtr = (struct dtable){ GDT_AT, 64 * 8 - 1 };
    c->idtr = e->pe ? (struct dtable){ IDT_AT, 0x7ff } : (struct dtable){ 0, 0x3ff };
    memset(&c->ldtr, 0, sizeof c->ldtr);
    memset(&c->tr, 0, sizeof c->tr);
    c->ldtr.limit = c->tr.limit = 0xffff;
    c->ldtr.attr = AR_P | DT_LDT;
    c->tr.attr = AR_P | DT_TSS32_BUSY;
    if (e->pe) {
        seg_from_desc(&c->ldtr, G_LDT * 8,
                      (struct desc){ load32(e->gold + GDT_AT + 8 * G_LDT), load32(e->gold + GDT_AT + 8 * G_LDT + 4) });
        seg_from_desc(&c->tr, G_TSS * 8,
                      (struct desc){ load32(e->gold + GDT_AT + 8 * G_TSS), load32(e->gold + GDT_AT + 8 * G_TSS + 4) });
    }
    c->msr_sysenter_cs = G_KCODE * 8;
    c->msr_sysenter_esp = (PG_KSTACK + 1) * PAGE_SIZE;
    c->msr_sysenter_eip = HANDLERS + 0xf8;
    c->tsc_offset = 0;
    c->msr_pat = 0x0007040600070406;
    c->msr_misc_enable = c->msr_mtrr_def = c->msr_mcg_status = c->msr_bios_sign = 0;
    memset(c->msr_mtrr_fix, 0, sizeof c->msr_mtrr_fix);
    memset(c->msr_mtrr_var, 0, sizeof c->msr_mtrr_var);
    c->halted = c->shut_down = c->nmi_blocked = c->step = false;
    c->shadow_at = UINT64_MAX;
    c->db_pending = 0;
    c->exc.delivering = -1;
    c->exc.ext = 0;
    c->cur = &insn_none;
    c->icount_stop = UINT64_MAX;
    cpu_clear_event(c, EVENT_KICK | EVENT_RESET | EVENT_NMI | EVENT_INTR);
    cpu_update_derived(c);
    v->io = 1;
}

static void put_page(struct machine *v, unsigned page, const uint8_t *from)
{
    memmap_write(v->m, page * PAGE_SIZE, from, PAGE_SIZE);
}

static bool same_entries(const uint8_t *a, const uint8_t *b)
{
    unsigned n;
    uint32_t d = 0;

    for (n = 0; n < PAGE_SIZE; n += 4)
        d |= (load32(a + n) ^ load32(b + n)) & ~PTE_AD;
    return !d;
}

/* Only those entries that are others: what else is in a TLB has its bits still. */
static void put_entries(struct machine *v, unsigned page, const uint8_t *from)
{
    const uint8_t *now = v->m->ram + page * PAGE_SIZE;
    unsigned n;

    for (n = 0; n < PAGE_SIZE; n += 4)
        if ((load32(now + n) ^ load32(from + n)) & ~PTE_AD)
            memmap_write(v->m, page * PAGE_SIZE + n, from + n, 4);
}

/* The run has written to page tables, so that the TLB may hold what was never meant. */
static bool tables_stained(const struct compare *k, const struct env *e)
{
    unsigned page;

    for (page = PG_PD; page < PG_GOLD; page++)
        if (!same_entries(e->gold + page * PAGE_SIZE, k->ref.m->ram + page * PAGE_SIZE) ||
            !same_entries(e->gold + page * PAGE_SIZE, k->test.m->ram + page * PAGE_SIZE))
            return true;
    return false;
}

/* System structures and control registers as the environment has them. */
static void restore_system(struct compare *k, const struct env *e, const struct start *t)
{
    struct machine *v[2] = { &k->ref, &k->test };
    bool flush = k->ref.c->cr0 != t->cr0 || k->ref.c->cr4 != e->cr4 || k->ref.c->efer != e->efer ||
                 k->ref.c->cr3 != (e->pg ? PG_PD * PAGE_SIZE : 0) ||
                 ((k->ref.c->dr[7] | k->test.c->dr[7] | t->dr[7]) & 0xff);
    bool tables = false;
    unsigned page;
    unsigned n;
    unsigned i;

    for (page = 0; page < PG_GOLD; page++) {
        const uint8_t *gold = e->gold + page * PAGE_SIZE;
        const uint8_t *now = k->ref.m->ram + page * PAGE_SIZE;

        if (page == PG_KSTACK || page == PG_KSTACK + 1 || !memcmp(gold, now, PAGE_SIZE))
            continue;
        if (page >= PG_PD && !t->clear_pt && same_entries(gold, now))
            continue;
        tables |= page >= PG_PD;
        flush |= page >= PG_PD && (t->clear_pt || k->pt_written);
        for (n = 0; n < 2; n++) {
            if (page >= PG_PD && !t->clear_pt && !k->pt_written)
                put_entries(v[n], page, gold);
            else
                put_page(v[n], page, gold);
        }
    }
    for (n = 0; n < 2; n++) {
        struct cpu *c = v[n]->c;

        c->cr0 = t->cr0;
        c->cr3 = e->pg ? PG_PD * PAGE_SIZE : 0;
        c->cr4 = e->cr4;
        c->efer = e->efer;
        if (flush) {
            c->mem->flush(c, true);
        } else if (tables) {
            /* as a kernel would tell the CPU: MOV CR3, and INVLPG for what may be global */
            c->mem->flush(c, false);
            for (i = 0; i < t->changes; i++) {
                gla_t la = t->changed[i];

                c->mem->invlpg(c, la);
                c->mem->invlpg(c, la < LA_PT1 ? la + LA_STRICT : la - LA_PT1 + 0xffc00000);
                c->mem->invlpg(c, la < LA_PT1 ? la + LA_STRICT : la - LA_PT1 + 0xffe00000);
            }
        }
        if (e->pae)
            c->mem->load_pdptes(c);
    }
}

/* Put what is new of the sequence into both machines' memory. */
static void place(struct compare *k, const struct seq *s)
{
    struct machine *v[2] = { &k->ref, &k->test };
    unsigned n;
    unsigned i;

    for (i = s->place; i < s->place_end; i++) {
        gpa_t pa;

        if (!k->ref.c->mem->debug_translate(k->ref.c, s->la + i, &pa))
            continue;
        for (n = 0; n < 2; n++)
            memmap_write(v[n]->m, pa, s->code + i, 1);
    }
}

/* --- the reference, and what is undefined --- */

static bool translate(struct cpu *c, gla_t la, gpa_t *pa)
{
    return c->mem->debug_translate(c, la, pa) && *pa < RAM_SIZE;
}

static uint8_t *ram_of(const struct cpu *c)
{
    const struct mmu *u = c->mem_opaque;

    return u->map->ram;
}

/* The bytes of code at la, up to the end of the page; NULL: not mapped, or not memory. */
static const uint8_t *code_at(struct cpu *c, gla_t la, gpa_t *pa)
{
    const struct machine *v = c->bus_opaque;

    if (!c->mem->debug_translate(c, la, pa))
        return NULL;
    return *pa < RAM_SIZE ? v->m->ram + *pa : *pa >> PAGE_SHIFT == PG_ROM ? v->rom + (*pa & ~PAGE_MASK) : NULL;
}

/* Bits of memory not to compare. */
static void ignore(struct cpu *c, gla_t la, const uint8_t *mask, unsigned n)
{
    gpa_t pa;
    unsigned k;

    for (k = 0; k < n; k++) {
        if (!mask[k] || !translate(c, la + k, &pa))
            continue;
        if (trace.ignored < ARRAY_SIZE(trace.ignore))
            trace.ignore[trace.ignored++] = (struct ignored){ (uint32_t)pa, mask[k] };
        trace.pointers |= mask[k] == 0xff;
    }
}

/* The instruction at CS:EIP; false: it cannot be fetched. */
static bool decode_here(struct cpu *c, struct insn *i, uint8_t *b)
{
    gla_t la = c->seg[SEG_CS].base + c->eip;
    gpa_t pa;
    unsigned n = PAGE_SIZE - (la & ~PAGE_MASK);
    const uint8_t *p = code_at(c, la, &pa);

    i->len = 0;
    memset(b, 0, 15);
    if (!p)
        return false;
    trace.in_tables |= cpu_pe(c) && c->cr0 & CR0_PG && pa >= PG_PD * PAGE_SIZE && pa < PG_GOLD * PAGE_SIZE;
    n = n < 15 ? n : 15;
    memcpy(b, p, n);
    p = n < 15 ? code_at(c, la + n, &pa) : NULL;
    if (p)
        memcpy(b + n, p, 15 - n);
    return insn_decode(i, b, 15, c->fetch_key & FETCH_D, c->features) == DECODE_OK;
}

/* Whether code is about to run, or to go on, where a device answers. */
static bool in_device(struct cpu *c)
{
    gla_t la = c->seg[SEG_CS].base + c->eip;
    gpa_t pa;

    return (c->mem->debug_translate(c, la, &pa) && pa >> PAGE_SHIFT == PG_IO) ||
           (c->mem->debug_translate(c, la + 14, &pa) && pa >> PAGE_SHIFT == PG_IO);
}

static gla_t operand(const struct cpu *c, const struct insn *i)
{
    return c->seg[i->seg].base + ((c->r[i->base] + (c->r[i->index] << i->scale) + i->disp) & i->amask);
}

static bool is(const struct insn_row *row, const char *name) { return !strcmp(row->mnemonic, name); }

static unsigned shift_count(const struct insn_row *row, const struct insn *i, const struct cpu *c)
{
    unsigned k;

    for (k = 0; k < 3; k++) {
        if (row->op[k] == OP_Ib)
            return i->imm & 31;
        if (row->op[k] == OP_CL)
            return c->r[ECX] & 31;
    }
    return 1;
}

/* What of the flags is undefined after *i, if `undef` was before; *c is from before. Only what a
 * translator copies as it is can differ. */
static uint32_t undefined_after(const struct insn_row *row, const struct insn *i, const struct cpu *c, uint32_t undef)
{
    unsigned size = opnd_info[row->op[0]].rsize == 1 ? 8 : i->flags & IF_O32 ? 32 : 16;
    uint32_t now = row->undef & EFLAGS_ARITH;
    unsigned op = row->opcode;
    bool rotate = row->map == MAP_P1 && ((op & 0xfe) == 0xc0 || (op & 0xfc) == 0xd0) && (row->modrm & 7) < 4;
    bool shift = row->map == MAP_P1 && ((op & 0xfe) == 0xc0 || (op & 0xfc) == 0xd0) && !rotate;
    bool twice = row->map == MAP_P2 && (op == 0xa4 || op == 0xa5 || op == 0xac || op == 0xad);
    unsigned count;

    if (row->cls == CLS_STRING && i->flags & (IF_REP | IF_REPNE) && !(c->r[ECX] & i->amask))
        return undef;
    if (row->cls != CLS_IDENT)
        return undef & ~(uint32_t)row->def;
    if (rotate || shift || twice) {
        count = shift_count(row, i, c);
        if (!count)
            return undef;
        now = count > 1 && !is(row, "sar") ? EFLAGS_OF : 0;
        if (is(row, "sar") && count > 1)
            now |= EFLAGS_OF;
        if (!rotate)
            now |= EFLAGS_AF;
        if (shift && !is(row, "sar") && count >= size)
            now |= EFLAGS_CF;
        if (twice && count > size)
            now = EFLAGS_ARITH;
        if (rotate && (is(row, "rcl") || is(row, "rcr")) && count % (size + 1) == 0)
            return undef | now;
    } else if (now == EFLAGS_AF) {
        now = 0; /* AND OR XOR TEST: every CPU clears it */
    }
    return (undef & ~(uint32_t)row->def) | now;
}

/* An exception, trap or INT was delivered in this step: where its EFLAGS image is. */
static bool note_frame(const struct env *e, struct cpu *c, const struct exc_record *x, uint32_t undef)
{
    static const uint32_t with_error = 1u << EXC_DF | 0x1fu << EXC_TS | 1u << EXC_AC;
    uint32_t mask = c->seg[SEG_SS].attr & AR_DB ? 0xffffffff : 0xffff;
    unsigned size = 2;
    unsigned n = 2;
    uint8_t bits[2] = { undef & 0xff, undef >> 8 & 0xff };
    gla_t at = c->idtr.base + 8u * x->vector + 5;
    gpa_t pa;

    if (cpu_pe(c)) {
        unsigned type;

        if (!translate(c, at, &pa))
            return false;
        type = ram_of(c)[pa] & 15;
        if (type == DT_TASK || pa >= sizeof e->gold || type != (e->gold[pa] & 15))
            return false; /* perhaps the frame lies over the gate */
        size = type >= DT_INT32 ? 4 : 2;
        n += x->kind == 0 && x->vector < 32 && (with_error >> x->vector & 1);
    }
    at = c->seg[SEG_SS].base + ((c->r[ESP] + n * size) & mask);
    if (!translate(c, at, &pa))
        return false;
    ignore(c, at, bits, 2);
    return true;
}

/* Pointers in an x87 environment. */
static void note_pointers(struct cpu *c, const struct insn_row *row, const struct insn *i)
{
    static const uint8_t all[28] = { [0 ... 27] = 0xff };

    if (!(i->flags & IF_MEM))
        return;
    if (is(row, "fnstenv") || is(row, "fnsave")) {
        unsigned from = i->flags & IF_O32 ? 20 : 10;

        ignore(c, operand(c, i) + from, all, i->flags & IF_O32 ? 8 : 4);
    } else if (is(row, "fxsave")) {
        ignore(c, operand(c, i) + 16, all, 6);
    }
}

/* One step. False: halted, or shut down. */
static bool step(struct cpu *c, enum exit_reason *why)
{
    if (setjmp(c->jmp))
        interp_exception(c);
    if (trace.stepped)
        return true; /* an exception was delivered after the instruction */
    if (c->events && !trace.events_done) {
        if (interp_events(c, why))
            return false;
        trace.events_done = true;
        if (trace.before_exc != c->exc_next)
            return true; /* one was delivered instead: now the instruction there */
    }
    trace.events_done = false;
    trace.stepped = true;
    interp_step(c);
    return true;
}

/* Page-table entries have changed other than by the units that are there for it, as they were made. */
static bool tables_written(const struct compare *k, const struct env *e, const struct seq *s)
{
    const uint8_t *now = k->ref.m->ram;
    unsigned page;
    unsigned n;
    uint32_t at;
    gpa_t pa;

    for (n = 0; n < s->len && s->pte_count; n++)
        if (!k->ref.c->mem->debug_translate(k->ref.c, s->la + n, &pa) || now[pa & (RAM_SIZE - 1)] != s->code[n])
            return true;
    for (page = PG_PD; page < PG_GOLD; page++) {
        if (same_entries(e->gold + page * PAGE_SIZE, now + page * PAGE_SIZE))
            continue;
        for (at = page * PAGE_SIZE; at < (page + 1) * PAGE_SIZE; at += 4) {
            if (!((load32(now + at) ^ load32(e->gold + at)) & ~PTE_AD))
                continue;
            for (n = 0; n < s->pte_count && s->pte[n] != at; n++)
                ;
            if (n == s->pte_count)
                return true;
        }
    }
    return false;
}

/* mov dword [an entry that is present], imm32: INVLPG must follow. */
static bool changes_entry(const struct compare *k, const struct seq *s, const uint8_t *code)
{
    unsigned n;

    for (n = 0; n < s->pte_count && code[0] == 0xc7 && code[1] == 5; n++)
        if (load32(code + 2) == s->pte[n] && (k->ref.m->ram[s->pte[n]] & 1))
            return true;
    return false;
}

/* An x87 store whose own unmasked exception suppresses it: AMD's CPUs ask memory first, as the interpreter does, which
 * may fault and sets D; Intel's do not. `faulted`: it did, and whether there was such an exception is not known. */
static bool store_suppressed(const struct insn_row *row, const struct insn *i, const struct cpu *c, bool faulted)
{
    uint16_t unmasked = 0x3f & ~c->fpu.cw & (faulted ? 0x3f : c->fpu.sw);

    return row->cls == CLS_FPU && (i->flags & IF_MEM) && unmasked &&
           (is(row, "fist") || is(row, "fistp") || is(row, "fst") || is(row, "fstp") || is(row, "fbstp"));
}

static enum verdict run_reference(struct compare *k, const struct env *e, const struct seq *s)
{
    struct cpu *c = k->ref.c;
    uint32_t cr3 = c->cr3;
    uint16_t tr = c->tr.sel;
    uint64_t icount = c->icount;
    bool alive = true;
    bool unsaid = false;

    memset(&trace, 0, offsetof(struct trace, done));
    trace.exc_ref = c->exc_next;
    trace.exc_test = k->test.c->exc_next;
    while (alive) {
        struct insn i;
        const struct insn_row *row;
        bool idle = c->halted || c->shut_down;
        bool ok = !idle && decode_here(c, &i, trace.done[trace.steps % STEPS_MAX].bytes);
        uint32_t undef = trace.undef;
        bool changes;

        row = &insn_rows[ok ? i.row : 0];
        if (trace.steps == STEPS_MAX)
            return V_ENDLESS;
        if (!idle && in_device(c))
            return V_ENDLESS; /* how often it reads there is an engine's own affair */
        if (unsaid && !(ok && (is(row, "invlpg") || (is(row, "mov") && row->map == MAP_P2))))
            return V_TABLES; /* the CPU was not told: it may use the old entry or the new one */
        changes = ok && changes_entry(k, s, trace.done[trace.steps].bytes);
        if (!idle) {
            trace.done[trace.steps].eip = c->eip;
            trace.done[trace.steps].eax = c->r[EAX];
            trace.done[trace.steps].row = ok ? i.row : 0;
            trace.done[trace.steps].len = i.len;
            trace.steps++;
        }
        trace.before_exc = c->exc_next;
        trace.stepped = false;
        if (ok) {
            uint32_t count = c->r[ECX] & i.amask;

            if (undef & row->use || (trace.pushed && !is(row, "hlt")))
                return V_UNDEFINED;
            if ((i.flags & (IF_REP | IF_REPNE)) && (row->attr & A_REP) && count > s->rep_max)
                return V_ENDLESS;
            if (row->cls == CLS_IDENT && row->map == MAP_P2 && !(i.flags & IF_O32) &&
                (is(row, "shld") || is(row, "shrd")) && shift_count(row, &i, c) > 16)
                return V_UNDEFINED;
            if (!k->exact)
                undef = undefined_after(row, &i, c, undef);
            note_pointers(c, row, &i);
        }
        alive = step(c, &trace.why);
        if (c->exc_next != trace.before_exc) {
            const struct exc_record *x = &c->exc_ring[(c->exc_next - 1) % EXC_RING];

            if (unsaid || changes)
                return V_TABLES;
            if (ok && store_suppressed(row, &i, c, true))
                return V_UNDEFINED;
            k->stats->vectors[x->vector & 31]++;
            undef |= trace.undef;
            trace.cmps_fault |= ok && is(row, "cmps");
            trace.pushed |= undef;
            if (undef && ((ok && is(row, "int") && e->v86) || c->exc_next != trace.before_exc + 1 ||
                          !note_frame(e, c, x, undef)))
                return V_UNDEFINED;
        } else if (ok && store_suppressed(row, &i, c, false)) {
            return V_UNDEFINED;
        } else if (ok && undef && (is(row, "int") || c->tr.sel != tr)) {
            return V_UNDEFINED; /* redirected in virtual-8086 mode; kept in a task's segment */
        } else if (ok) {
            k->stats->rows[i.row]++;
            unsaid = changes || (unsaid && !is(row, "invlpg"));
        }
        trace.undef = undef;
        if (c->cr3 != cr3 || trace.in_tables)
            return V_TABLES;
    }
    trace.icount = c->icount - icount;
    return e->pg && tables_written(k, e, s) ? V_TABLES : V_SAME;
}

/* --- the engine under test --- */

static struct cpu *_Atomic running;
static atomic_uint ticks;

static void on_tick(int sig)
{
    struct cpu *c = atomic_load(&running);

    (void)sig;
    if (c && atomic_fetch_add(&ticks, 1) >= 20)
        cpu_set_event(c, EVENT_KICK);
}

void watch_for_hangs(void)
{
    struct sigaction sa = { .sa_handler = on_tick, .sa_flags = SA_ONSTACK | SA_RESTART };
    struct itimerval it = { { 0, 100000 }, { 0, 100000 } };

    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
}

static enum exit_reason run_test(struct compare *k)
{
    enum exit_reason why;

    trace.test_icount = k->test.c->icount;
    atomic_store(&ticks, 0);
    atomic_store(&running, k->test.c);
    why = engine_run(k->test.engine);
    atomic_store(&running, NULL);
    trace.test_icount = k->test.c->icount - trace.test_icount;
    return why;
}

/* --- comparison --- */

/* Registers that may differ: these two after instructions whose operand the engine does not know; a shadow that
 * protects from nothing, but in exact mode; how many instructions a CPU has executed in all. */
static bool may_differ(const struct compare *k, const struct state_field *f)
{
    return !strcmp(f->name, "FDP") || !strcmp(f->name, "FDS") || (!strcmp(f->name, "SHADOW") && !k->exact) ||
           !strcmp(f->name, "ICOUNT") || (f->flags & STATE_UNCOMPARED);
}

static const char *state_difference(const struct compare *k)
{
    const struct cpu *a = k->ref.c;
    const struct cpu *b = k->test.c;
    const struct state_field *f;

    if (trace.test_why != trace.why)
        return trace.test_why == EXIT_KICK ? "it does not end" : "reason to stop";
    for (f = cpu_state.fields; f->name; f++) {
        if (may_differ(k, f) || state_field_equal(f, a, b))
            continue;
        if (strcmp(f->name, "EFLAGS") || (cpu_get_eflags(a) ^ cpu_get_eflags(b)) & ~trace.undef)
            return f->name;
    }
    if (k->ref.io != k->test.io)
        return "what went to ports";
    if (k->exact && trace.icount != trace.test_icount)
        return "instruction count";
    return NULL;
}

/* The first byte of RAM that differs where it should not; RAM_SIZE: none. What may differ is made
 * the same. */
static uint32_t ram_difference(struct compare *k)
{
    uint8_t *a = k->ref.m->ram;
    uint8_t *b = k->test.m->ram;
    uint32_t at;
    unsigned n;

    for (n = 0; n < trace.ignored; n++) {
        const struct ignored *g = &trace.ignore[n];
        uint8_t v = (b[g->pa] & ~g->mask) | (a[g->pa] & g->mask);

        if (v != b[g->pa])
            memmap_write(k->test.m, g->pa, &v, 1);
    }
    if (!memcmp(a, b, RAM_SIZE))
        return RAM_SIZE;
    /* CMPS reads the other operand first on AMD's CPUs: its page is then accessed, as SDM 3A 4.8
     * allows, though the one that the reference reads first faults */
    for (at = 0; at < RAM_SIZE && trace.cmps_fault; at += 4)
        if ((b[at] ^ a[at]) == PTE_A && b[at] & PTE_A)
            memmap_write(k->ref.m, at, b + at, 1);
    if (!memcmp(a, b, RAM_SIZE))
        return RAM_SIZE;
    for (at = 0; a[at] == b[at]; at++)
        ;
    return at;
}

/* The memory of *v as that of *from. */
static void make_same(struct machine *v, struct machine *from)
{
    unsigned page;

    for (page = 0; page < RAM_PAGES; page++)
        if (memcmp(v->m->ram + page * PAGE_SIZE, from->m->ram + page * PAGE_SIZE, PAGE_SIZE))
            put_page(v, page, from->m->ram + page * PAGE_SIZE);
    v->c->mem->flush(v->c, true);
    from->c->mem->flush(from->c, true);
}

enum verdict run_both(struct compare *k, const struct env *e, const struct seq *s, const struct start *t)
{
    enum verdict v;

    restore_system(k, e, t);
    place(k, s);
    load_start(&k->ref, e, s, t);
    load_start(&k->test, e, s, t);
    v = run_reference(k, e, s);
    if (v == V_SAME) {
        trace.test_why = run_test(k);
        trace.what = state_difference(k);
        trace.ram_at = ram_difference(k);
        if (trace.what || trace.ram_at != RAM_SIZE)
            v = trace.pointers ? V_UNDEFINED : V_DIFFERENT; /* read back, perhaps */
        if (v == V_UNDEFINED)
            make_same(&k->test, &k->ref);
        k->stats->insns += trace.steps;
    } else {
        make_same(&k->ref, &k->test);
    }
    k->pt_written = s->pte_count != 0 || tables_stained(k, e);
    k->stats->runs++;
    k->stats->verdicts[v]++;
    return v;
}
