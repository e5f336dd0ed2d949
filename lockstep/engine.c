/* engine.c - lockstep as an engine: options, slices, checkpoints.
 *
 * The first CPU is the machine's own, with the board behind it; it runs a slice. The second, always the
 * interpreter and with a memory of its own, then follows to the same instruction by the log of what
 * the first got from outside. Then both must be alike.
 *
 * A checkpoint is made whenever all of RAM has been compared. It stays as long as the log since then
 * is kept, so that a difference that shows only later can be traced to where it began.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "lockstep/lockstep_int.h"

#include <errno.h>
#include <stdlib.h>

#define LOG_MAX   1000000u    /* entries, and ... */
#define BYTES_MAX (64u << 20) /* bytes of DMA after which a checkpoint is due */
#define SLICE_MAX 100000u

static struct lockstep *of(struct engine *e) { return (struct lockstep *)e; }

/* --- options --- */

static int refuse(const char *option, const char *why)
{
    fprintf(stderr, "callgate: -accel lockstep,%s: %s\n", option, why);
    return -EINVAL;
}

static int parse_number(const char *option, const char *value, uint64_t min, uint64_t max, uint64_t *v)
{
    char *end;

    errno = 0;
    *v = strtoull(value, &end, 0);
    if (end == value || *end || errno || *v < min || *v > max) {
        fprintf(stderr, "callgate: -accel lockstep,%s: a number from %llu to %llu\n", option, (unsigned long long)min,
                (unsigned long long)max);
        return -EINVAL;
    }
    return 0;
}

static int parse_option(struct lockstep *ls, char *option, char *first_options, size_t size)
{
    char *eq = strchr(option, '=');
    char whole[128];

    snprintf(whole, sizeof whole, "%s", option);
    if (!eq)
        return refuse(whole, "options are first=ENGINE, first.OPTION=VALUE, slice=N, ram=N");
    *eq++ = '\0';
    if (!strcmp(option, "first")) {
        ls->first.class = engine_find(ls->env->registry, eq);
        if (!ls->first.class || ls->first.class == &lockstep_engine)
            return refuse(whole, "no such engine; 'callgate -accel help' lists them");
        return 0;
    }
    if (!strncmp(option, "first.", 6)) {
        size_t len = strlen(first_options);

        snprintf(first_options + len, size - len, "%s%s=%s", len ? "," : "", option + 6, eq);
        return 0;
    }
    if (!strcmp(option, "slice"))
        return parse_number(whole, eq, 1, SLICE_MAX, &ls->slice_len);
    if (!strcmp(option, "ram"))
        return parse_number(whole, eq, 1, 1000000, &ls->ram_every);
    if (!strcmp(option, "corrupt")) /* for the tests */
        return parse_number(whole, eq, 1, UINT64_MAX, &ls->corrupt);
    return refuse(whole, "options are first=ENGINE, first.OPTION=VALUE, slice=N, ram=N");
}

static int parse_options(struct lockstep *ls, const char *options, char *first_options, size_t size)
{
    char *copy = strdup(options ? options : "");
    char *save = NULL;
    char *option;
    int rc = 0;

    if (!copy)
        return -ENOMEM;
    for (option = strtok_r(copy, ",", &save); option && !rc; option = strtok_r(NULL, ",", &save))
        rc = parse_option(ls, option, first_options, size);
    free(copy);
    return rc;
}

/* --- life --- */

static void destroy(struct engine *e)
{
    struct lockstep *ls = of(e);
    struct cpu *c = e->cpu;

    memmap_unlisten(ls->first.map, &ls->first.listener);
    memmap_set_hooks(ls->first.map, NULL, NULL);
    c->fdp_untracked = c->rep_whole = c->rep_kick = false;
    c->bus = ls->bus;
    c->bus_opaque = ls->bus_opaque;
    if (ls->first.real)
        c->mem = ls->first.real;
    engine_destroy(ls->first.engine);
    twin_destroy(ls);
    log_free(&ls->log);
    state_buf_free(&ls->first.saved);
    state_buf_free(&ls->second.saved);
    free(ls->first.saved_layout);
    free(ls->second.saved_layout);
    free(ls->slices);
    free(ls);
}

/* Names for people, and options for the first engine, as far as they follow from which it is. */
static void set_first(struct lockstep *ls, char *options, size_t size)
{
    size_t len = strlen(options);

    if (!strcmp(ls->first.class->name, "bt")) /* it is to stop at an exact instruction */
        snprintf(options + len, size - len, "%sicount=on", len ? "," : "");
    ls->first.name = ls->first.class == &interp_engine ? "first" : ls->first.class->name;
    ls->second.name = ls->first.class == &interp_engine ? "second" : interp_engine.name;
}

static int create(const struct engine_env *env, const char *options, struct engine **out)
{
    struct lockstep *ls = calloc(1, sizeof *ls);
    struct cpu *c = env->cpu;
    char first_options[256] = "";
    int rc;

    if (!ls)
        return -ENOMEM;
    ls->engine = (struct engine){ &lockstep_engine, c };
    ls->env = env;
    ls->slice_len = 10000;
    ls->ram_every = 1000;
    ls->fresh = true;
    ls->bus = c->bus;
    ls->bus_opaque = c->bus_opaque;
    ls->first.ls = ls->second.ls = ls;
    ls->first.c = c;
    ls->first.map = env->map;
    ls->first.class = engine_find(env->registry, "bt");
    if (!ls->first.class)
        ls->first.class = &interp_engine;
    ls->second.class = &interp_engine;
    rc = parse_options(ls, options, first_options, sizeof first_options);
    if (!rc) {
        set_first(ls, first_options, sizeof first_options);
        rc = ls->first.class->create(env, *first_options ? first_options : NULL, &ls->first.engine);
    }
    if (!rc) {
        rc = twin_create(ls, c->model);
        if (rc)
            fprintf(stderr, "callgate: -accel lockstep: no memory for a second machine; use a "
                            "smaller -m\n");
    }
    if (!rc) {
        /* not every engine knows the operand of each x87 instruction; both had better not */
        c->fdp_untracked = ls->second.c->fdp_untracked = true;
        c->rep_kick = true;
        c->rep_whole = ls->second.c->rep_whole = true; /* a kick comes from another thread, at no certain place */
        record_attach(ls);
        *out = &ls->engine;
    } else {
        destroy(&ls->engine);
    }
    return rc;
}

/* --- checkpoints --- */

static void checkpoint_side(struct side *s)
{
    s->saved_cur = s->cur;
    arch_save(&s->saved, s->c);
    free(s->saved_layout);
    s->saved_layout = memmap_layout_get(s->map);
    BUG_ON(!s->saved_layout);
}

void lockstep_checkpoint(struct lockstep *ls, bool clear_log)
{
    if (clear_log) {
        bool corrupted = ls->first.cur.corrupted;

        log_clear(&ls->log);
        ls->slice_count = 0;
        ls->first.cur = ls->second.cur = (struct cursor){ 0 };
        ls->first.cur.corrupted = corrupted;
        ls->ad_begin = 0;
    }
    twin_checkpoint(ls);
    checkpoint_side(&ls->first);
    checkpoint_side(&ls->second);
    ls->stats.checkpoints++;
}

/* Only once the log is replayed to both: devices do not go back. */
void lockstep_rollback(struct side *s)
{
    struct lockstep *ls = s->ls;

    s->cur = s->saved_cur;
    s->lost = false;
    memmap_layout_set(s->map, s->saved_layout);
    if (s == &ls->first)
        twin_rollback_first(ls);
    else
        twin_rollback_second(ls);
    arch_load(s->c, &s->saved);
    engine_state_changed(s->engine);
}

/* Make the second CPU equal to the first: at the start, and after a reset. */
static void begin(struct lockstep *ls)
{
    struct memmap_layout *l = memmap_layout_get(ls->first.map);

    BUG_ON(!l);
    memmap_copy_ram(ls->second.map, ls->first.map);
    memmap_layout_set(ls->second.map, l);
    free(l);
    arch_save(&ls->first.saved, ls->first.c);
    arch_load(ls->second.c, &ls->first.saved);
    ls->fresh = false;
    lockstep_checkpoint(ls, true);
}

static void state_changed(struct engine *e)
{
    struct lockstep *ls = of(e);

    engine_state_changed(ls->first.engine);
    ls->fresh = true;
}

/* --- slices --- */

bool lockstep_differs(struct lockstep *ls)
{
    return ls->first.lost || ls->second.lost || arch_differs(ls->first.c, ls->second.c) || twin_differs(ls);
}

static void add_slice(struct lockstep *ls, bool intr, bool shutdown)
{
    if (ls->slice_count == ls->slice_cap) {
        ls->slice_cap = ls->slice_cap ? ls->slice_cap * 2 : 256;
        ls->slices = realloc(ls->slices, ls->slice_cap * sizeof *ls->slices);
        BUG_ON(!ls->slices);
    }
    ls->slices[ls->slice_count++] = (struct slice){ ls->first.c->icount, ls->log.count, ls->log.ads, intr, shutdown };
}

/* The second CPU follows; returns whether both are alike. */
static bool follow(struct lockstep *ls)
{
    const struct slice *sl = &ls->slices[ls->slice_count - 1];
    uint32_t mask = log_mask;
    bool alike;

    ls->limit = sl->log_end;
    ls->ad_limit = sl->ad_end;
    log_mask = 0; /* everything would be logged twice */
    twin_begin_slice(ls);
    replay_advance(&ls->second, sl->end, true);
    replay_finish(&ls->second, sl);
    log_mask = mask;
    ls->ad_begin = sl->ad_end;
    alike = !lockstep_differs(ls);
    ls->stats.slices_run++;
    if (alike && (ls->slice_count >= ls->ram_every || ls->log.count > LOG_MAX || ls->log.used > BYTES_MAX)) {
        alike = !twin_differs_anywhere(ls);
        if (alike) {
            ls->stats.entries += ls->log.count;
            lockstep_checkpoint(ls, true);
        }
    }
    return alike;
}

static enum exit_reason lockstep_run(struct engine *e)
{
    struct lockstep *ls = of(e);
    struct cpu *c = e->cpu;
    uint64_t stop = c->icount_stop;
    enum exit_reason why = EXIT_ICOUNT;

    if (ls->failed)
        return EXIT_KICK;
    if (ls->fresh)
        begin(ls);
    while (why == EXIT_ICOUNT && c->icount < stop) {
        uint64_t left = stop - c->icount;
        uint64_t before = c->icount;

        bool intr;

        record_boundary(ls);
        intr = c->events & EVENT_INTR;
        why = record_slice(ls, c->icount + (left < ls->slice_len ? left : ls->slice_len));
        if (c->icount == before && why != EXIT_SHUTDOWN &&
            ls->log.count == (ls->slice_count ? ls->slices[ls->slice_count - 1].log_end : 0))
            break; /* halted, and nothing has happened */
        add_slice(ls, intr, why == EXIT_SHUTDOWN);
        if (!follow(ls)) {
            ls->failed = true;
            report_difference(ls);
            ls->env->stop(ls->env->opaque, LOCKSTEP_STATUS);
            why = EXIT_KICK;
        }
    }
    c->icount_stop = stop;
    return why;
}

static void sync(struct engine *e) { engine_sync(of(e)->first.engine); }

static void dump_code(struct engine *e, gla_t la, FILE *f)
{
    struct engine *first = of(e)->first.engine;

    if (first->class->dump_code)
        first->class->dump_code(first, la, f);
}

static void stats(struct engine *e, FILE *f)
{
    static const char *const names[] = {
#define LOCKSTEP STAT_NAME
#include "cpu/stats.def"
    };
    struct lockstep *ls = of(e);
    struct lockstep_counters now = ls->stats;

    now.entries += ls->log.count;
    ls->first.engine->class->stats(ls->first.engine, f);
    stats_print(f, names, (const uint64_t *)&now, ARRAY_SIZE(names));
}

const struct engine_class lockstep_engine = {
    .name = "lockstep",
    .text = "two engines side by side, stopping at the first difference: first=ENGINE,slice=N,ram=N",
    .create = create,
    .destroy = destroy,
    .run = lockstep_run,
    .stats = stats,
    .sync = sync,
    .dump_code = dump_code,
    .state_changed = state_changed,
};
