/* host.c - the interpreter against the host CPU: every integer instruction of the table that an
 * unprivileged program may execute, and the #GP of those it may not.
 *
 *   host [-n cases] [-s seed] [-o mnemonic] [-v]
 *
 * A case is a random encoding of a row (operand and address sizes, prefixes, register and memory
 * forms, 16- and 32-bit code and stacks, flat and limited segments) with random registers and data.
 * Compared are registers, selectors, EIP, flags, data, and the exception with its error code. Flags
 * that the SDM leaves undefined are only counted.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "host.h"

#include "cpu/flags.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_SHOWN 3 /* failing cases of a row */

static struct cpu *c;
static struct native_case *batch;
static struct insn decoded[NATIVE_BATCH];
static unsigned verbose;
static bool amd;

struct row_result {
    unsigned long cases, completed, bad, other_undefined; /* completed: without an exception */
    uint32_t undefined_bits;
};
static struct row_result *results;

/* --- the guest's system --- */

/* GDT as far as the tests name it, LDT, and an IDT whose gates lead to GATE_EIP + 16 * vector. */
#define GDT_OFF  0x000u
#define LDT_OFF  0x400u
#define IDT_OFF  0x800u
#define TSS_OFF  0x1800u
#define GATE_EIP 0x70000000u

static void put_descriptor(uint32_t off, uint32_t base, uint32_t limit, uint16_t attr)
{
    if (attr & AR_G)
        limit >>= 12;
    store32(guest_sys + off, (limit & 0xffff) | base << 16);
    store32(guest_sys + off + 4, (base >> 16 & 0xff) | (uint32_t)attr << 8 | (limit & 0xf0000) | (base & 0xff000000));
}

static void make_system(void)
{
    const uint16_t kernel = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_DB | AR_G;
    unsigned n;

    put_descriptor(GDT_OFF + 0x10, 0, 0xffffffff, kernel | AR_CODE);
    put_descriptor(GDT_OFF + 0x18, 0, 0xffffffff, kernel);
    put_descriptor(GDT_OFF + 0x20, 0, 0xffffffff, kernel | AR_CODE | AR_DPL);
    put_descriptor(GDT_OFF + 0x28, 0, 0xffffffff, kernel | AR_DPL);
    for (n = 1; n < LDT_COUNT; n++) {
        struct seg s = gen_seg(SEL_LDT(n));

        put_descriptor(LDT_OFF + 8 * n, s.base, s.limit, s.attr);
    }
    for (n = 0; n < 256; n++) {
        unsigned dpl = n == 3 || n == 4 ? AR_DPL : 0;
        uint32_t off = GATE_EIP + 16 * n;

        store32(guest_sys + IDT_OFF + 8 * n, (uint32_t)SEL_CODE32 << 16 | (off & 0xffff));
        store32(guest_sys + IDT_OFF + 8 * n + 4, (off & 0xffff0000) | (uint32_t)(AR_P | dpl | DT_TRAP32) << 8);
    }
    c->gdtr.base = GUEST_SYS_LA + GDT_OFF;
    c->gdtr.limit = 127;
    c->idtr.base = GUEST_SYS_LA + IDT_OFF;
    c->idtr.limit = 0x7ff;
    c->ldtr.base = GUEST_SYS_LA + LDT_OFF;
    c->ldtr.limit = 8 * LDT_COUNT - 1;
    c->ldtr.attr = AR_P | DT_LDT;
    c->ldtr.sel = 0x50;
    c->tr.base = GUEST_SYS_LA + TSS_OFF;
    c->tr.limit = 103;
    store16(guest_sys + TSS_OFF + 102, 0xffff); /* no I/O bitmap */
    c->tr.attr = AR_P | DT_TSS32_BUSY;
    c->tr.sel = 0x40;
}

/* --- one case in the guest --- */

static void load_regs(const struct regs *r)
{
    unsigned n;

    memcpy(c->r, r->r, sizeof r->r);
    c->eip = r->eip;
    cpu_set_eflags(c, r->eflags);
    for (n = 0; n < SEG_COUNT; n++)
        c->seg[n] = gen_seg(r->seg[n]);
    c->cpl = 3;
    c->shadow_at = UINT64_MAX;
    cpu_update_derived(c);
}

static void save_regs(struct regs *r)
{
    unsigned n;

    memcpy(r->r, c->r, sizeof r->r);
    r->eip = c->eip;
    r->eflags = cpu_get_eflags(c);
    for (n = 0; n < SEG_COUNT; n++)
        r->seg[n] = c->seg[n].sel;
}

static void run_guest(const struct native_case *n, const struct insn *i, struct outcome *o)
{
    struct insn block[2];
    bool flat = n->in.seg[SEG_ES] == SEL_DATA32 && n->in.seg[SEG_SS] == SEL_DATA32 && n->in.seg[SEG_DS] == SEL_DATA32;

    native_load_data(n);
    native_place_code(n);
    load_regs(&n->in);
    block[0] = *i;
    if (insn_rows[i->row].cls == CLS_PCREL)
        block[0].imm += i->len; /* relative to the block's first instruction */
    if (flat && below(2))
        insn_specialize(&block[0]);
    if (below(4) == 0)
        c->tlb = &c->tlbs[TLB_CHECK]; /* empty: every access takes the slow path */
    o->vector = guest_step(c, block);
    o->error = 0;
    if (o->vector >= 0 && c->exc.has_error)
        o->error = o->vector == EXC_PF ? c->cr2 : c->exc.error;
    save_regs(&o->regs);
    native_remove_code();
    native_save_data(o);
    if (o->regs.eip - GATE_EIP < 0x1000) {
        /* an interrupt was delivered: the host's program sees it as a trap */
        o->vector = (o->regs.eip - GATE_EIP) / 16;
        o->regs = n->in;
        o->regs.eip += n->len;
        memcpy(o->win_a, n->win_a, WIN_A_SIZE);
    }
}

/* --- comparison --- */

/* What happens behind the instruction is no part of it: arriving at an INT3, or nowhere. */
static void normalize(struct native_case *n)
{
    struct outcome *o = &n->out;
    uint32_t eip = n->in.eip;

    if (o->vector == EXC_BP && o->regs.eip - 1 - eip >= n->len) {
        o->vector = -1;
        o->regs.eip--;
    } else if (o->vector == EXC_PF && o->regs.eip != eip &&
               o->error == gen_seg(o->regs.seg[SEG_CS]).base + o->regs.eip) {
        o->vector = -1;
    } else if (o->vector == EXC_GP && o->regs.eip != eip) {
        o->vector = -1; /* beyond the limit of CS */
    }
    if (o->vector == -1)
        o->error = 0;
}

/* A CALL that faults may have written below the stack pointer already: nobody can rely on that. */
static void forget_below_stack(const struct insn_row *row, struct native_case *n)
{
    struct outcome *h = &n->out;
    uint32_t top;

    if (h->vector < 0 || (strcmp(row->mnemonic, "call") && strcmp(row->mnemonic, "lcall")))
        return;
    top = gen_stack_top(n) - WIN_A_LA;
    if (top >= 8 && top <= WIN_A_SIZE)
        memcpy(h->win_a + top - 8, n->win_a + top - 8, 8);
}

/* A null selector that had an RPL reads back as 0 if an interrupt came in between: the host's IRET
 * clears it (SDM 2A IRET). */
static bool same_selectors(const uint16_t *host, const uint16_t *guest)
{
    unsigned n;

    for (n = 0; n < SEG_COUNT; n++)
        if (host[n] != guest[n] && (host[n] != 0 || guest[n] > 3))
            return false;
    return true;
}

static bool same(const struct native_case *n, const struct outcome *g, uint32_t flag_mask)
{
    const struct outcome *h = &n->out;

    return !memcmp(h->regs.r, g->regs.r, sizeof h->regs.r) && h->regs.eip == g->regs.eip &&
           same_selectors(h->regs.seg, g->regs.seg) && !((h->regs.eflags ^ g->regs.eflags) & flag_mask) &&
           h->vector == g->vector && h->error == g->error && !memcmp(h->win_a, g->win_a, WIN_A_SIZE) &&
           !memcmp(h->win_b, g->win_b, WIN_B_SIZE) && h->stray == g->stray;
}

static void show_regs(const char *who, const struct regs *r, int vector, uint32_t error)
{
    unsigned n;

    printf("  %-6s eax %08x ecx %08x edx %08x ebx %08x esp %08x ebp %08x esi %08x edi %08x\n", who, r->r[0], r->r[1],
           r->r[2], r->r[3], r->r[4], r->r[5], r->r[6], r->r[7]);
    printf("         eip %08x eflags %08x es cs ss ds fs gs", r->eip, r->eflags);
    for (n = 0; n < SEG_COUNT; n++)
        printf(" %04x", r->seg[n]);
    printf(" exception %d error %08x\n", vector, error);
}

static void show_window(const char *name, uint32_t la, const uint8_t *before, const uint8_t *host, const uint8_t *guest,
                        unsigned size)
{
    unsigned shown = 0;
    unsigned n;

    for (n = 0; n < size && shown < 8; n++) {
        if (host[n] == guest[n])
            continue;
        printf("  %s %08x: was %02x, host %02x, guest %02x\n", name, la + n, before[n], host[n], guest[n]);
        shown++;
    }
}

static void show(const struct native_case *n, const struct outcome *g, uint32_t mask)
{
    csh h;
    cs_insn *ci;
    unsigned k;

    printf("%u-bit code:", n->code32 ? 32 : 16);
    for (k = 0; k < n->len; k++)
        printf(" %02x", n->code[k]);
    if (cs_open(CS_ARCH_X86, n->code32 ? CS_MODE_32 : CS_MODE_16, &h) == CS_ERR_OK) {
        size_t count = cs_disasm(h, n->code, n->len, n->in.eip, 1, &ci);

        if (count) {
            printf("  %s %s", ci->mnemonic, ci->op_str);
            cs_free(ci, count);
        }
        cs_close(&h);
    }
    printf("  (flags compared: %08x)\n", mask);
    show_regs("before", &n->in, -1, 0);
    show_regs("host", &n->out.regs, n->out.vector, n->out.error);
    show_regs("guest", &g->regs, g->vector, g->error);
    show_window("data", WIN_A_LA, n->win_a, n->out.win_a, g->win_a, WIN_A_SIZE);
    show_window("data", WIN_B_LA, n->win_b, n->out.win_b, g->win_b, WIN_B_SIZE);
    if (n->out.stray != g->stray)
        printf("  written elsewhere: host %08x, guest %08x\n", n->out.stray, g->stray);
}

static void compare(const struct insn_row *row, struct native_case *n, const struct insn *i)
{
    static struct outcome g;
    struct row_result *res = &results[row - insn_rows];
    uint32_t mask = EFLAGS_ARITH | EFLAGS_DF | EFLAGS_IF | EFLAGS_IOPL | EFLAGS_NT | EFLAGS_ID;
    uint32_t undef = gen_undefined_flags(row, n, i);

    normalize(n);
    forget_below_stack(row, n);
    run_guest(n, i, &g);
    if (amd)
        undef |= amd_adjust(row, n, i, &g);
    res->cases++;
    res->completed += n->out.vector < 0;
    mask &= ~undef;
    if ((n->out.regs.eflags ^ g.regs.eflags) & undef) {
        res->other_undefined++;
        res->undefined_bits |= (n->out.regs.eflags ^ g.regs.eflags) & undef;
    }
    if (same(n, &g, mask))
        return;
    if (res->bad++ < MAX_SHOWN + verbose)
        show(n, &g, mask);
}

/* --- report --- */

static const char *const class_names[] = {
    [CLS_IDENT] = "plain",         [CLS_PCREL] = "branches",  [CLS_CTRL] = "control transfer",
    [CLS_SENS] = "sensitive",      [CLS_PRIV] = "privileged", [CLS_IO] = "input and output",
    [CLS_SEGLD] = "segment loads", [CLS_STACK] = "stack",     [CLS_NO64] = "not in 64-bit mode",
    [CLS_STRING] = "strings",      [CLS_UD] = "undefined",
};

static void print_undefined(void)
{
    static const char letters[] = "C?P?A?ZS???O";
    unsigned n;
    unsigned k;

    for (n = 0; n < insn_row_count; n++) {
        const struct row_result *r = &results[n];

        if (!r->other_undefined)
            continue;
        printf("undefined flags other than the host's: %s (%s%02x) %lu of %lu:", insn_rows[n].mnemonic,
               insn_rows[n].map == MAP_P2 ? "0f " : "", insn_rows[n].opcode, r->other_undefined, r->cases);
        for (k = 0; k < 12; k++)
            if (r->undefined_bits >> k & 1)
                printf(" %cF", letters[k]);
        printf("\n");
    }
}

static unsigned long print_classes(void)
{
    unsigned long bad_total = 0;
    unsigned k;
    unsigned n;

    for (k = 0; k < ARRAY_SIZE(class_names); k++) {
        unsigned long cases = 0;
        unsigned long bad = 0;

        for (n = 0; n < insn_row_count; n++) {
            if (insn_rows[n].cls != k)
                continue;
            cases += results[n].cases;
            bad += results[n].bad;
            if (results[n].bad)
                printf("%s (%s%02x): %lu of %lu differ\n", insn_rows[n].mnemonic,
                       insn_rows[n].map == MAP_P2 ? "0f " : "", insn_rows[n].opcode, results[n].bad, results[n].cases);
        }
        if (bad)
            printf("FAIL - %s: %lu of %lu cases differ\n", class_names[k], bad, cases);
        else if (cases)
            printf("ok - %s\n", class_names[k]);
        bad_total += bad;
    }
    return bad_total;
}

/* Rows that raised an exception in every case though they need not: the cases are no good. */
static unsigned print_never_completed(unsigned long *exceptions)
{
    unsigned count = 0;
    unsigned n;

    *exceptions = 0;
    for (n = 0; n < insn_row_count; n++) {
        const struct insn_row *row = &insn_rows[n];
        const struct row_result *r = &results[n];

        *exceptions += r->cases - r->completed;
        if (r->completed || r->cases < 100 || row->priv == PRIV_cpl0 || row->priv == PRIV_iopl || row->cls == CLS_UD ||
            row->cls == CLS_PRIV || !strncmp(row->mnemonic, "int", 3))
            continue;
        printf("never completed: %s (%s%02x)\n", row->mnemonic, row->map == MAP_P2 ? "0f " : "", row->opcode);
        count++;
    }
    if (count)
        printf("FAIL - cases make sense: %u rows never complete\n", count);
    else
        printf("ok - cases make sense\n");
    return count;
}

/* The rows to test; returns how many. */
static unsigned choose_rows(const char *only, const struct insn_row **rows)
{
    unsigned count = 0;
    unsigned n;

    for (n = 1; n < insn_row_count; n++)
        if (gen_can_test(&insn_rows[n]) && (!only || !strcmp(only, insn_rows[n].mnemonic)))
            rows[count++] = &insn_rows[n];
    return count;
}

int main(int argc, char **argv)
{
    unsigned long total = 1500000;
    unsigned long done = 0;
    const char *only = NULL;
    const char *why;
    const struct insn_row **rows;
    const struct insn_row *of[NATIVE_BATCH];
    unsigned row_count;
    unsigned next = 0;
    unsigned long bad;
    unsigned long exceptions;
    unsigned useless;
    int opt;

    while ((opt = getopt(argc, argv, "n:s:o:v")) != -1) {
        switch (opt) {
        case 'n': total = strtoul(optarg, NULL, 0); break;
        case 's': rnd_seed(strtoull(optarg, NULL, 0)); break;
        case 'o': only = optarg; break;
        case 'v': verbose += 3; break;
        default: fprintf(stderr, "usage: host [-n cases] [-s seed] [-o mnemonic] [-v]\n"); return 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    batch = native_start(&why);
    if (!batch) {
        printf("skip - host instructions: %s\n", why);
        return 77;
    }
    guest_map(DATA_LA, DATA_SIZE);
    guest_map(CODE_LA, CODE_SIZE);
    c = guest_create();
    results = calloc(insn_row_count, sizeof *results);
    rows = calloc(insn_row_count, sizeof *rows);
    if (!c || !results || !rows)
        return 1;
    amd = host_is_amd();
    make_system();
    row_count = choose_rows(only, rows);
    if (!row_count) {
        fprintf(stderr, "host: no such row\n");
        return 2;
    }
    while (done < total) {
        unsigned n = 0;
        unsigned k;
        int killer;

        while (n < NATIVE_BATCH) {
            if (!gen_case(rows[next % row_count], &batch[n], &decoded[n]))
                continue;
            of[n++] = rows[next++ % row_count];
        }
        killer = native_run(n);
        if (killer >= 0) {
            printf("FAIL - the host's side died of this:\n");
            show(&batch[killer], &batch[killer].out, 0);
            return 1;
        }
        for (k = 0; k < n; k++)
            compare(of[k], &batch[k], &decoded[k]);
        done += n;
    }
    native_stop();
    print_undefined();
    bad = print_classes();
    useless = print_never_completed(&exceptions);
    printf("rows: %u, cases: %lu (%lu with an exception), differences %lu\n", row_count, done, exceptions, bad);
    free(results);
    free(rows);
    cpu_destroy(c);
    return bad != 0 || useless != 0;
}
