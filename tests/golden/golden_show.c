/* golden_show.c - a translation as text, see golden.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/golden/golden.h"

#include <capstone/capstone.h>
#include <stdlib.h>

struct shown {
    FILE *f;
    struct bt *bt;
    const struct tb *tb;
    cs_insn *in;
    size_t count;
    uint8_t target[16384]; /* 0, or the label's number */
};

/* --- names of data --- */

struct field {
    size_t at, size;
    const char *name;
};
#define FIELD(f)                                                \
    {                                                           \
        offsetof(struct cpu, f), sizeof((struct cpu *)0)->f, #f \
    }
#define NATIVE(f)                                                           \
    {                                                                       \
        (size_t) NATIVE_OFF(f), sizeof((struct native *)0)->f, "native." #f \
    }
static const struct field fields[] = {
    FIELD(eip),      FIELD(icount),     FIELD(eflags),       FIELD(cpl),     FIELD(events),
    NATIVE(bits),    NATIVE(tmp),       NATIVE(x87_last),    NATIVE(mmx_sw), NATIVE(fpu_off),
    NATIVE(sse_off), NATIVE(safepoint), NATIVE(icount_stop), NATIVE(window), NATIVE(table),
};

static const char *const seg_names[] = { "es", "cs", "ss", "ds", "fs", "gs" };

static const char *seg_field(size_t at)
{
    switch (at) {
    case offsetof(struct seg, sel): return "sel";
    case offsetof(struct seg, base): return "base";
    case offsetof(struct seg, rlim): return "rlim";
    case offsetof(struct seg, wlim): return "wlim";
    default: return "?";
    }
}

/* A field at `disp` of struct cpu or of what is behind it. */
static void cpu_field(char *text, size_t size, size_t disp)
{
    size_t seg = offsetof(struct cpu, seg);
    unsigned n;

    if (disp >= seg && disp < seg + SEG_COUNT * sizeof(struct seg)) {
        snprintf(text, size, "%s.%s", seg_names[(disp - seg) / sizeof(struct seg)],
                 seg_field((disp - seg) % sizeof(struct seg)));
        return;
    }
    if (disp >= (size_t)NATIVE_OFF(itlb_super) && disp < (size_t)NATIVE_OFF(itlb_user) + ITLB_USER * 4) {
        bool user = disp >= (size_t)NATIVE_OFF(itlb_user);

        snprintf(text, size, "native.itlb_%s[%zu]", user ? "user" : "super",
                 (disp - (size_t)(user ? NATIVE_OFF(itlb_user) : NATIVE_OFF(itlb_super))) / 4);
        return;
    }
    for (n = 0; n < ARRAY_SIZE(fields); n++) {
        if (disp >= fields[n].at && disp < fields[n].at + fields[n].size) {
            if (disp == fields[n].at)
                snprintf(text, size, "%s", fields[n].name);
            else
                snprintf(text, size, "%s+%zu", fields[n].name, disp - fields[n].at);
            return;
        }
    }
    snprintf(text, size, "cpu+?");
}

static const char *tlb_field(size_t disp)
{
    switch (disp) {
    case offsetof(struct tlb, r) + offsetof(struct tlb_entry, tag): return "tlb.r.tag";
    case offsetof(struct tlb, r) + offsetof(struct tlb_entry, addend): return "tlb.r.addend";
    case offsetof(struct tlb, w) + offsetof(struct tlb_entry, tag): return "tlb.w.tag";
    case offsetof(struct tlb, w) + offsetof(struct tlb_entry, addend): return "tlb.w.addend";
    case offsetof(struct tlb, code_tag): return "tlb.code_tag";
    case offsetof(struct tlb, code_cover): return "tlb.code_cover";
    default: return "tlb.?";
    }
}

/* --- one host instruction --- */

static uint64_t start_of(const struct shown *s) { return (uintptr_t)s->bt->cache.rx + s->tb->code; }

static const cs_x86 *x86_of(const struct shown *s, size_t n) { return &s->in[n].detail->x86; }

static bool is_branch(const struct shown *s, size_t n, uint64_t *to)
{
    const cs_x86 *x = x86_of(s, n);
    unsigned id = s->in[n].id;

    if (!((id >= X86_INS_JAE && id <= X86_INS_JS) || id == X86_INS_JMP || id == X86_INS_JRCXZ) ||
        x->operands[0].type != X86_OP_IMM)
        return false;
    *to = (uint64_t)x->operands[0].imm;
    return true;
}

static const char *stub_name(const struct shown *s, uint64_t to)
{
    to -= (uintptr_t)s->bt->cache.rx;
    return to == s->bt->cache.stub_exit ? "leave" : to == s->bt->cache.stub_detour ? "interpret" : "an unknown stub";
}

/* The number that is given to a stub. */
static bool stub_argument(const struct shown *s, size_t n, char *text, size_t size)
{
    const cs_x86 *x = x86_of(s, n);
    uint32_t v = (uint32_t)x->operands[1].imm;
    uint32_t tb = (uint32_t)(s->tb - s->bt->cache.tb);
    uint64_t to;

    if (s->in[n].id != X86_INS_MOV || x->op_count != 2 || x->operands[0].type != X86_OP_REG ||
        x->operands[0].reg != X86_REG_R11D || x->operands[1].type != X86_OP_IMM || n + 1 == s->count ||
        !is_branch(s, n + 1, &to))
        return false;
    to -= (uintptr_t)s->bt->cache.rx;
    if (to == s->bt->cache.stub_detour && v >> 5 == tb)
        snprintf(text, size, "r11d, insn %u", v & 31);
    else if (to == s->bt->cache.stub_exit && (v & LEAVE_EXIT))
        snprintf(text, size, "r11d, exit %u", (v & ~LEAVE_EXIT) - s->tb->first_exit);
    else if (to == s->bt->cache.stub_exit && v == (LEAVE_PAGE | tb))
        snprintf(text, size, "r11d, LEAVE_PAGE");
    else if (to == s->bt->cache.stub_exit && v == LEAVE_STEP)
        snprintf(text, size, "r11d, LEAVE_STEP");
    else
        return false;
    return true;
}

/* Capstone's operands, with what stands between the brackets replaced where it means data of ours. */
static void operands(const struct shown *s, size_t n, char *text, size_t size)
{
    const cs_x86 *x = x86_of(s, n);
    const char *open = strchr(s->in[n].op_str, '[');
    const char *close = strchr(s->in[n].op_str, ']');
    const x86_op_mem *m = NULL;
    char field[64] = "";
    unsigned k;

    snprintf(text, size, "%s", s->in[n].op_str);
    for (k = 0; k < x->op_count; k++)
        if (x->operands[k].type == X86_OP_MEM)
            m = &x->operands[k].mem;
    if (!m || !open || !close)
        return;
    if (m->base == X86_REG_R15) {
        cpu_field(field, sizeof field, (size_t)m->disp);
    } else if (m->base == X86_REG_R14) {
        snprintf(field, sizeof field, "%s + r9*%d", tlb_field((size_t)m->disp), m->scale);
    } else if (s->in[n].id == X86_INS_LEA && m->base == X86_REG_R9 && m->index == X86_REG_INVALID &&
               m->disp == (int64_t)(uintptr_t)s->bt->cache.rx) {
        snprintf(field, sizeof field, "r9 + cache");
    } else if (s->in[n].id == X86_INS_LEA && m->base == X86_REG_RCX && m->index == X86_REG_INVALID &&
               s->in[n].address - start_of(s) < s->tb->entry - s->tb->code) {
        for (k = 0; k < 2; k++)
            if (m->disp == -(int64_t)s->tb->cookie[k])
                snprintf(field, sizeof field, "rcx - cookie %u", k);
    } else {
        return;
    }
    snprintf(text, size, "%.*s[%s]%s", (int)(open - s->in[n].op_str), s->in[n].op_str, field, close + 1);
    if (!strcmp(field, "native.x87_last") && x->operands[1].type == X86_OP_IMM) {
        uint32_t v = (uint32_t)x->operands[1].imm - 1;

        if (v >> 5 == (uint32_t)(s->tb - s->bt->cache.tb))
            snprintf(text, size, "dword ptr [%s], insn %u", field, v & 31);
    }
}

static void show_insn(const struct shown *s, size_t n)
{
    uint64_t off = s->in[n].address - start_of(s);
    char label[16] = "";
    char text[192];
    uint64_t to;

    if (s->target[off])
        snprintf(label, sizeof label, "L%u:", s->target[off]);
    if (is_branch(s, n, &to)) {
        if (to - start_of(s) < s->tb->size)
            snprintf(text, sizeof text, "L%u", s->target[to - start_of(s)]);
        else
            snprintf(text, sizeof text, "%s", stub_name(s, to));
    } else if (!stub_argument(s, n, text, sizeof text)) {
        operands(s, n, text, sizeof text);
    }
    fprintf(s->f, "%-5s %s%s%s\n", label, s->in[n].mnemonic, *text ? " " : "", text);
}

/* --- the guest's side --- */

static void guest_insn(FILE *f, csh guest, const struct tb *tb, unsigned k, const uint8_t *code)
{
    static const char *const fixes[] = { "",           "; fix: rsi",       "; fix: mmx", "; fix: string",
                                         "; fix: rep", "; fix: rep, flags" };
    const struct insn *i = &tb->insns[k];
    cs_insn *in;
    size_t count = cs_disasm(guest, code + i->off, i->len, tb->eip + i->off, 1, &in);

    fprintf(f, "; %u: %s", k, insn_rows[i->row].mnemonic);
    if (count) {
        fprintf(f, "   [%s%s%s]", in->mnemonic, *in->op_str ? " " : "", in->op_str);
        cs_free(in, count);
    }
    fprintf(f, "%s%s\n", tb->fix[k] ? "   " : "", tb->fix[k] < ARRAY_SIZE(fixes) ? fixes[tb->fix[k]] : "; fix: ?");
}

/* Without `head`: the part before `entry` and that before the first instruction are like all others. */
static bool is_shown(const struct shown *s, uint64_t off, bool head)
{
    return head || off >= s->tb->start[0] || (off >= s->tb->entry - s->tb->code && off < s->tb->loop - s->tb->code);
}

static void number_labels(struct shown *s, bool head)
{
    unsigned label = 0;
    uint64_t to;
    size_t n;

    for (n = 0; n < s->count; n++)
        if (is_branch(s, n, &to) && to - start_of(s) < s->tb->size && is_shown(s, s->in[n].address - start_of(s), head))
            s->target[to - start_of(s)] = 1;
    for (n = 0; n < s->tb->size; n++)
        if (s->target[n])
            s->target[n] = (uint8_t)++label;
}

void show_translation(FILE *f, struct bt *bt, const struct tb *tb, const uint8_t *code, bool code32, bool head)
{
    struct shown s = { .f = f, .bt = bt, .tb = tb };
    unsigned k = 0;
    size_t n;
    csh host;
    csh guest;

    if (cs_open(CS_ARCH_X86, CS_MODE_64, &host) || cs_open(CS_ARCH_X86, code32 ? CS_MODE_32 : CS_MODE_16, &guest))
        abort();
    cs_option(host, CS_OPT_DETAIL, CS_OPT_ON);
    s.count = cs_disasm(host, bt->cache.rx + tb->code, tb->size, start_of(&s), 0, &s.in);
    number_labels(&s, head);
    if (head)
        fprintf(f, "; head\n");
    for (n = 0; n < s.count; n++) {
        uint64_t off = s.in[n].address - start_of(&s);

        if (off == tb->entry - tb->code && tb->entry != tb->loop)
            fprintf(f, "; entry\n");
        if (off == tb->loop - tb->code && head)
            fprintf(f, "; loop\n");
        for (; k < tb->n && off >= tb->start[k]; k++)
            guest_insn(f, guest, tb, k, code);
        if (off == tb->start[tb->n])
            fprintf(f, "; behind\n");
        if (is_shown(&s, off, head))
            show_insn(&s, n);
    }
    for (; k < tb->n; k++)
        guest_insn(f, guest, tb, k, code);
    for (n = 0; n < tb->exits; n++)
        fprintf(f, "; exit %zu: to %08x\n", n, bt->cache.exit[tb->first_exit + n].target);
    cs_free(s.in, s.count);
    cs_close(&host);
    cs_close(&guest);
}
