/* cpu_state.c - state.def as a description, the values in it that are more than a member, and the register dump.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/cpu_state.h"

#include "cpu/interp/interp_int.h"

#include <stdatomic.h>

/* --- values --- */

/* Of the instruction at hand, not of its block. */
static uint64_t get_eip(const void *obj)
{
    const struct cpu *c = obj;

    return c->eip + c->cur->off;
}

static void set_eip(void *obj, uint64_t v)
{
    struct cpu *c = obj;

    c->eip = (uint32_t)v;
    c->cur = &insn_none;
}

static uint64_t get_eflags(const void *obj) { return cpu_get_eflags(obj); }

static void set_eflags(void *obj, uint64_t v) { cpu_set_eflags(obj, (uint32_t)v); }

static uint64_t get_icount(const void *obj) { return cpu_icount(obj); }

static void set_icount(void *obj, uint64_t v)
{
    struct cpu *c = obj;

    c->icount = v;
    c->cur = &insn_none;
}

static uint64_t get_shadow(const void *obj) { return cpu_shadow(obj); }

static void set_shadow(void *obj, uint64_t v)
{
    struct cpu *c = obj;

    c->shadow = (uint8_t)v;
    c->shadow_at = v ? c->icount : UINT64_MAX;
}

#define LATCHED (EVENT_NMI | EVENT_RESET)

static uint64_t get_latched(const void *obj) { return atomic_load(&((struct cpu *)(uintptr_t)obj)->events) & LATCHED; }

static void set_latched(void *obj, uint64_t v)
{
    cpu_clear_event(obj, LATCHED & (uint32_t)~v);
    cpu_set_event(obj, LATCHED & (uint32_t)v);
}

static const struct state_value value_eip = { get_eip, set_eip, 0 };
static const struct state_value value_eflags = { get_eflags, set_eflags, 0 };
static const struct state_value value_icount = { get_icount, set_icount, 0 };
static const struct state_value value_shadow = { get_shadow, set_shadow, 0 };
static const struct state_value value_latched = { get_latched, set_latched, 0 };

/* --- the description --- */

static const struct state_field seg_fields[] = { FIELD_U16(struct seg, sel), FIELD_U32(struct seg, base),
                                                 FIELD_U32(struct seg, limit), FIELD_U16(struct seg, attr), FIELD_END };
static const struct state_desc seg_desc = { .name = "segment", .version = 1, .fields = seg_fields };

static const struct state_field table_fields[] = { FIELD_U32(struct dtable, base), FIELD_U16(struct dtable, limit),
                                                   FIELD_END };
static const struct state_desc table_desc = { .name = "table", .version = 1, .fields = table_fields };

static const struct state_field f80_fields[] = { FIELD_U16(struct f80, se), FIELD_U64(struct f80, m), FIELD_END };
static const struct state_desc f80_desc = { .name = "f80", .version = 1, .fields = f80_fields };

#define E struct exc_record
static const struct state_field exc_fields[] = { FIELD_U64(E, icount), FIELD_U8(E, vector), FIELD_U8(E, kind),
                                                 FIELD_U8(E, cpl),     FIELD_U32(E, error), FIELD_U16(E, cs),
                                                 FIELD_U32(E, eip),    FIELD_U32(E, esp),   FIELD_U32(E, eflags),
                                                 FIELD_U32(E, cr2),    FIELD_U32(E, eax),   FIELD_END };
static const struct state_desc exc_desc = { .name = "exception", .version = 1, .fields = exc_fields };

#define C struct cpu
#define REG(bits, NAME, member, line, plugin, ...) \
    STATE_SCALAR(#NAME, STATE_U##bits, (bits) / 8, C, member, __VA_ARGS__),
#define REGS(bits, NAME, member, line, ...) STATE_VECTOR(#NAME, STATE_U##bits, (bits) / 8, C, member, __VA_ARGS__),
#define VALUE(bits, NAME, functions, line, plugin, ...) \
    FIELD_COMPUTED(#NAME, &value_##functions, .size = (bits) / 8, __VA_ARGS__),
#define SEG(NAME, member, line, plugin, ...) STATE_SUB(#NAME, C, member, &seg_desc, __VA_ARGS__),
#define TABLE(NAME, member, line)            STATE_SUB(#NAME, C, member, &table_desc, ),
#define X87(NAME, member, line)              STATE_SUB(#NAME, C, member, &f80_desc, ),
#define RING(NAME, member)                   STATE_SUBS(#NAME, C, member, &exc_desc, .flags = STATE_UNCOMPARED),

static const struct state_field fields[] = {
#include "cpu/state.def"
    FIELD_END
};

#undef REG
#undef REGS
#undef VALUE
#undef SEG
#undef TABLE
#undef X87
#undef RING

/* The other columns: field n has row n. */
enum { NO, SP, NL };
#define NONE (-1)
static const struct row {
    uint8_t line;
    int8_t plugin;
} rows[] = {
#define REG(bits, NAME, member, line, plugin, ...)      { line, plugin },
#define REGS(bits, NAME, member, line, ...)             { line, NONE },
#define VALUE(bits, NAME, functions, line, plugin, ...) { line, plugin },
#define SEG(NAME, member, line, plugin, ...)            { line, plugin },
#define TABLE(NAME, member, line)                       { line, NONE },
#define X87(NAME, member, line)                         { line, NONE },
#define RING(NAME, member)                              { NO, NONE },
#include "cpu/state.def"
};
_Static_assert(ARRAY_SIZE(rows) + 1 == ARRAY_SIZE(fields), "a row a field");

/* What a stream could make of a CPU that none can be: engines rely on these. */
static void cpu_post_load(void *obj)
{
    struct cpu *c = obj;

    if (!(c->cr0 & CR0_PE)) {
        c->cr0 &= ~CR0_PG;
        c->eflags &= ~EFLAGS_VM;
        c->cpl = 0;
    }
    if (c->eflags & EFLAGS_VM)
        c->cpl = 3;
    c->exc.delivering = -1;
    c->exc.ext = 0;
    cpu_update_derived(c);
    if (c->mem)
        c->mem->flush(c, true);
}

const struct state_desc cpu_state = { .name = "x86", .version = 1, .fields = fields, .post_load = cpu_post_load };

const struct state_field *cpu_state_plugin(unsigned number)
{
    size_t n;

    for (n = 0; n < ARRAY_SIZE(rows); n++)
        if (rows[n].plugin == (int)number)
            return &fields[n];
    return NULL;
}

int cpu_state_save(const struct cpu *c, struct state_buf *to)
{
    to->len = 0;
    return state_save(&cpu_state, c, to);
}

void cpu_state_load(struct cpu *c, const struct state_buf *from)
{
    struct state_report r;

    BUG_ON(state_load(&cpu_state, c, from->data, from->len, &r));
}

/* --- for people --- */

static const char *const exc_names[] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9",
    "#TS", "#NP", "#SS", "#GP", "#PF", "15",  "#MF", "#AC", "#MC", "#XM",
};

static void dump_flags(const struct cpu *c, uint32_t fl, FILE *f)
{
    static const char letters[] = "C.P.A.ZSTIDO";
    unsigned n;

    fprintf(f, " [");
    for (n = 11; n < 12; n--)
        if (letters[n] != '.')
            fputc(fl >> n & 1 ? letters[n] : '-', f);
    fprintf(f, "] CPL=%u IOPL=%u %s%s", c->cpl, cpu_iopl(c),
            !cpu_pe(c)   ? "real mode"
            : cpu_v86(c) ? "virtual-8086"
                         : "protected mode",
            c->halted ? ", halted" : "");
}

/* The elements of a field: of an array the last comes first, as its digits would. */
static void dump_field(const struct state_field *f, const void *obj, FILE *out)
{
    const struct state_field *s;
    size_t i;

    if (f->type == STATE_STRUCT) {
        for (s = f->sub->fields; s->name; s++) {
            fputs(s == f->sub->fields ? "" : " ", out);
            dump_field(s, (const char *)obj + f->offset, out);
        }
        return;
    }
    for (i = f->count; i-- > 0;)
        fprintf(out, "%0*llx", (int)f->size * 2, (unsigned long long)state_get(f, obj, i));
}

void cpu_dump(struct cpu *c, FILE *f)
{
    size_t n;

    for (n = 0; n < ARRAY_SIZE(rows); n++) {
        if (rows[n].line == NO)
            continue;
        fprintf(f, "%s%s=", rows[n].line == SP ? " " : n ? "\n" : "", fields[n].name);
        dump_field(&fields[n], c, f);
        if (fields[n].value == &value_eflags)
            dump_flags(c, cpu_get_eflags(c), f);
    }
    fputc('\n', f);
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
                r->kind < ARRAY_SIZE(kinds) ? kinds[r->kind] : "", r->error, r->cpl, r->cs, r->eip, r->esp, r->eflags,
                r->cr2, r->eax, (unsigned long long)r->icount);
    }
}
