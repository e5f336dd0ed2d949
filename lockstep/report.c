/* report.c - after a difference: finds the first instruction after which the CPUs differ, and prints all
 * about it.
 *
 * Both CPUs go back to the checkpoint and follow the log from there, slice by slice, to the first slice
 * whose end differs. In it, both go one instruction at a time. An engine that errs only when it runs
 * several instructions in one go shows nothing then; so next the first CPU runs 1, 2, 3... instructions
 * from the start of the slice, each time in one go.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include <stdlib.h>

#define TRACE 16u /* instructions printed */

/* Where the difference is. */
struct finding {
    const struct slice *slice; /* NULL: it did not show again */
    uint64_t start;            /* instruction count at which the slice begins */
    uint64_t at;               /* ... after which they differ */
    bool stepping;             /* it shows when going by single instructions */
};

/* --- going back and forth --- */

static void first_back(struct lockstep *ls, const struct slice *sl)
{
    lockstep_rollback(&ls->first);
    replay_begin(&ls->first, sl);
}

static void back(struct lockstep *ls, const struct slice *sl)
{
    ls->why[0] = '\0';
    lockstep_rollback(&ls->second);
    first_back(ls, sl);
    twin_begin_slice(ls);
}

static void advance(struct side *s, const struct slice *sl, uint64_t to)
{
    replay_advance(s, to, to == sl->end);
    if (to == sl->end)
        replay_finish(s, sl);
}

/* The slice counts from the checkpoint that is made here. */
static void enter_slice(struct lockstep *ls, size_t n)
{
    ls->ad_begin = n ? ls->slices[n - 1].ad_end : 0;
    ls->limit = ls->slices[n].log_end;
    ls->ad_limit = ls->slices[n].ad_end;
    lockstep_checkpoint(ls, false);
    twin_begin_slice(ls);
    replay_begin(&ls->first, &ls->slices[n]);
    ls->why[0] = '\0';
}

/* --- finding it --- */

static const struct slice *find_slice(struct lockstep *ls)
{
    size_t n;

    for (n = 0; n < ls->slice_count; n++) {
        const struct slice *sl = &ls->slices[n];

        enter_slice(ls, n);
        advance(&ls->first, sl, sl->end);
        advance(&ls->second, sl, sl->end);
        if (lockstep_differs(ls))
            return sl;
    }
    return NULL;
}

/* Both by single instructions; or (in_one_go) the first from the start to each instruction. */
static bool find_instruction(struct lockstep *ls, struct finding *d, bool in_one_go)
{
    back(ls, d->slice);
    d->at = d->start;
    do {
        if (d->at < d->slice->end)
            d->at++;
        if (in_one_go)
            first_back(ls, d->slice);
        advance(&ls->first, d->slice, d->at);
        advance(&ls->second, d->slice, d->at);
        if (lockstep_differs(ls))
            return true;
    } while (d->at < d->slice->end);
    return false;
}

static struct finding find(struct lockstep *ls)
{
    struct finding d = { 0 };

    lockstep_rollback(&ls->second);
    lockstep_rollback(&ls->first);
    d.slice = find_slice(ls);
    if (!d.slice)
        return d;
    lockstep_rollback(&ls->second);
    d.start = ls->second.c->icount;
    d.stepping = find_instruction(ls, &d, false);
    if (!d.stepping && !find_instruction(ls, &d, true))
        d.at = d.slice->end;
    return d;
}

/* --- printing it --- */

static void print_instruction(struct side *s, FILE *f)
{
    struct cpu *c = s->c;
    gla_t la = c->seg[SEG_CS].base + c->eip;
    uint8_t code[15];
    char text[160] = "not mapped";
    unsigned n = 0;
    gpa_t pa;

    s->fetching = true;
    for (; n < sizeof code && s->real->debug_translate(c, la + n, &pa); n++)
        memmap_read(s->map, pa, &code[n], 1);
    s->fetching = false;
    if (n)
        s->ls->env->disassemble(code, n, c->eip, c->seg[SEG_CS].attr & AR_DB ? 32 : 16, text, sizeof text);
    fprintf(f, "  %llu  %04x:%08x  %s\n", (unsigned long long)c->icount + 1, c->seg[SEG_CS].sel, c->eip, text);
}

/* Step the second CPU to just before the instruction, printing what it does on the way. Returns the
 * linear address of the instruction. */
static gla_t trace(struct lockstep *ls, const struct finding *d, FILE *f)
{
    struct side *s = &ls->second;
    uint64_t from = d->at - d->start > TRACE ? d->at - TRACE : d->start;

    fprintf(f, "the instructions up to there, as %s runs them:\n", s->name);
    replay_advance(s, from, false);
    while (!s->lost) {
        unsigned exceptions = s->c->exc_next;

        print_instruction(s, f);
        if (s->c->icount + 1 >= d->at)
            break;
        replay_advance(s, s->c->icount + 1, false);
        for (; exceptions != s->c->exc_next; exceptions++) {
            const struct exc_record *r = &s->c->exc_ring[exceptions % EXC_RING];

            fprintf(f, "     vector %02x error %04x delivered at %04x:%08x\n", r->vector, r->error, r->cs, r->eip);
        }
    }
    return s->c->seg[SEG_CS].base + s->c->eip;
}

static void print_sides(struct lockstep *ls, FILE *f)
{
    if (ls->why[0])
        fprintf(f, "  %s\n", ls->why);
    arch_print_differences(ls->first.c, ls->second.c, ls->first.name, ls->second.name, f);
    twin_print_differences(ls, f);
}

static void print_dumps(struct lockstep *ls, FILE *f)
{
    fprintf(f, "--- %s:\n", ls->first.name);
    cpu_dump(ls->first.c, f);
    fprintf(f, "--- %s:\n", ls->second.name);
    cpu_dump(ls->second.c, f);
    cpu_dump_exceptions(ls->second.c, f);
}

static void print_finding(struct lockstep *ls, const struct finding *d, FILE *f)
{
    gla_t la;

    fprintf(f, "lockstep: %s and %s differ after instruction %llu\n", ls->first.name, ls->second.name,
            (unsigned long long)d->at);
    if (!d->stepping)
        fprintf(f, "(only when %s runs it and those before it in one go)\n", ls->first.name);
    back(ls, d->slice);
    la = trace(ls, d, f);
    fprintf(f, "--- before it:\n");
    cpu_dump(ls->second.c, f);
    back(ls, d->slice);
    if (d->stepping)
        while (ls->first.c->icount + 1 < d->at && !ls->first.lost)
            replay_advance(&ls->first, ls->first.c->icount + 1, false);
    advance(&ls->first, d->slice, d->at);
    advance(&ls->second, d->slice, d->at);
    fprintf(f, "--- the differences after it:\n");
    print_sides(ls, f);
    print_dumps(ls, f);
    if (ls->first.engine->class->dump_code) {
        fprintf(f, "--- code of %s:\n", ls->first.name);
        ls->first.engine->class->dump_code(ls->first.engine, la, f);
    }
}

void report_difference(struct lockstep *ls)
{
    struct memmap_layout *layout = memmap_layout_get(ls->first.map);
    uint32_t mask = log_mask;
    char *seen = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&seen, &size);
    struct finding d;

    BUG_ON(!layout || !f);
    log_mask = 0;
    fprintf(f, "--- the differences:\n");
    print_sides(ls, f);
    print_dumps(ls, f);
    fclose(f);
    fflush(stdout);
    twin_differs_anywhere(ls);
    replay_attach(&ls->first);
    d = find(ls);
    if (d.slice) {
        print_finding(ls, &d, stderr);
    } else {
        const struct slice *sl = &ls->slices[ls->slice_count - 1];

        fprintf(stderr,
                "lockstep: %s and %s differ after instruction %llu, but not when the last "
                "%zu slices are run again\n%s",
                ls->first.name, ls->second.name, (unsigned long long)sl->end, ls->slice_count, seen);
    }
    fflush(stderr);
    free(seen);
    memmap_layout_set(ls->first.map, layout); /* as the board knows it */
    free(layout);
    log_mask = mask;
}
