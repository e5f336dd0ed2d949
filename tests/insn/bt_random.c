/* bt_random.c - the binary translator against the interpreter: random sequences of instructions in
 * every mode, with everything that may happen on the way; see btr.h for the parts.
 *
 *   bt_random [-n sequences] [-s seed] [-v variant] [-c environment[:case]] [-o options] [-d]
 *
 * Each variant of the translator (and the interpreter running whole blocks) is compared with the
 * interpreter going one instruction at a time: registers, segments, system registers, FPU, ports, all
 * of RAM with page tables. Engines keep what they have translated from case to case. Workers are
 * processes of their own, so that a crash is one case's failure. A case that differs is tried again
 * alone, in new machines, then with the cases before it, and made smaller by NOPs in place of units.
 * -c runs one environment or case only; -d shows it. -o gives the translator more options.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "btr_run.h"

#include "bt/bt.h"
#include "bt/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CASES_PER_ENV 24u
#define SHOWN_MAX     10u

static const struct variant {
    const char *name;
    const char *options; /* NULL: the interpreter, by blocks */
    unsigned share;      /* of 100 sequences */
} variants[] = {
    { "blocks", NULL, 8 },
    { "plain", "heat=0,cache=8", 18 },
    { "direct", "heat=0,cache=8,direct=force", 32 },
    { "checked", "heat=0,cache=4,direct=off", 12 },
    { "unchained", "heat=0,cache=8,direct=force,chain=off", 6 },
    { "softfpu", "heat=0,cache=8,fpu=off", 4 },
    { "noinline", "heat=0,cache=8,direct=force,inline=off", 4 },
    { "icount", "heat=0,cache=8,icount=on", 7 },
    { "icount-direct", "heat=0,cache=8,icount=on,direct=force", 4 },
    { "warm", "heat=2,cache=8,direct=force", 4 },
    { "verified", "heat=0,cache=8,direct=force,verify=on", 1 },
};

/* Seen by the workers and the one that starts them. */
static struct shared {
    unsigned env, number; /* what is under way */
    unsigned shown;
    unsigned long cases, failures;
    struct run_stats stats;
} * shared;

static struct compare k;
static const struct variant *now;
static bool machines;
static uint64_t seed = 1;

static const char *more; /* options for all variants of the translator (-o) */

static void new_machines(void)
{
    char options[256];

    if (machines) {
        small_destroy(&k.test);
        small_destroy(&k.ref);
    }
    small_create(&k.ref, &interp_engine, NULL);
    snprintf(options, sizeof options, "%s%s%s", now->options ? now->options : "", more ? "," : "", more ? more : "");
    small_create(&k.test, now->options ? &bt_engine : &interp_engine, now->options ? options : NULL);
    k.variant = now->name;
    k.exact = !now->options || bt_of(k.test.c)->opt.icount;
    k.stats = &shared->stats;
    machines = true;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint64_t v = (a + 1) * 0x9e3779b97f4a7c15ull ^ (b + 1) * 0xc2b2ae3d27d4eb4full;

    v ^= v >> 29;
    v *= 0xbf58476d1ce4e5b9ull;
    return v ^ v >> 32;
}

enum how { ALL, ALONE };

/* What ran last. */
static struct env e;
static struct seq s;
static struct start t;

/* Cases up to `last` of an environment, or the last alone; its units in `omit` are left out. Returns
 * the case that differs, or -1. `show` it. */
static int run_env(unsigned number, unsigned last, enum how how, uint32_t omit, bool show)
{
    unsigned n;
    unsigned r;

    env_make(&e, mix(seed, number));
    small_enter(&k.ref, &e);
    small_enter(&k.test, &e);
    shared->env = number;
    for (n = how == ALONE ? last : 0; n <= last; n++) {
        shared->number = n;
        rnd_seed(mix(e.seed, n));
        for (r = 0; r < 4; r++)
            rnd();
        seq_make(&e, &s, n == last ? omit : 0);
        if (now->options)
            adapt_tick(bt_of(k.test.c), false);
        for (r = 0; r < s.runs; r++) {
            seq_next(&e, &s, r, n == last ? omit : 0);
            start_make(&e, &s, &t);
            if (run_both(&k, &e, &s, &t) == V_DIFFERENT) {
                if (show) {
                    printf("%s: seed %llu, environment %u, case %u, run %u\n", now->name, (unsigned long long)seed,
                           number, n, r);
                    run_show(&k, &e, &s, &t);
                }
                return (int)n;
            }
        }
    }
    return -1;
}

/* --- what is to be said about a failure --- */

/* The same in a process of its own, with new machines. Returns whether it fails again. */
static bool trial(unsigned env, unsigned last, enum how how, uint32_t omit, bool show)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int differs;

        watch_for_hangs();
        new_machines();
        differs = run_env(env, last, how, omit, show);
        fflush(stdout);
        _exit(differs < 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status == 0)
        return false;
    if (show && WIFSIGNALED(status)) {
        env_make(&e, mix(seed, env));
        rnd_seed(mix(e.seed, last));
        for (unsigned n = 0; n < 4; n++)
            rnd();
        seq_make(&e, &s, omit);
        printf("%s: seed %llu, environment %u, case %u: the engine dies by signal %d\n", now->name,
               (unsigned long long)seed, env, last, WTERMSIG(status));
        show_seq(&e, &s);
    }
    return true;
}

static bool report(unsigned env, unsigned number)
{
    uint32_t omit = 0;
    unsigned n;

    if (shared->shown++ >= SHOWN_MAX)
        return true;
    if (trial(env, number, ALONE, 0, false)) {
        for (n = 0; n < UNITS_MAX; n++)
            if (trial(env, number, ALONE, omit | 1u << n, false))
                omit |= 1u << n;
        printf("case made smaller: units %03x left out\n", omit);
        return trial(env, number, ALONE, omit, true);
    }
    if (!trial(env, number, ALL, 0, false))
        return false;
    for (n = 0; n < UNITS_MAX; n++)
        if (trial(env, number, ALL, omit | 1u << n, false))
            omit |= 1u << n;
    printf("only after the cases before it; units %03x left out\n", omit);
    return trial(env, number, ALL, omit, true);
}

/* --- workers --- */

static void work(unsigned from, unsigned to)
{
    unsigned env;

    watch_for_hangs();
    new_machines();
    for (env = from; env < to; env++) {
        int bad = run_env(env, CASES_PER_ENV - 1, ALL, 0, false);

        shared->cases += bad < 0 ? CASES_PER_ENV : (unsigned)bad + 1;
        if (bad < 0)
            continue;
        shared->failures++;
        if (!report(env, (unsigned)bad)) {
            printf("%s: seed %llu, environment %u, case %d differed (%s), but not again in new "
                   "machines\n",
                   now->name, (unsigned long long)seed, env, bad, trace.what ? trace.what : "memory");
            run_show(&k, &e, &s, &t);
        }
        new_machines();
    }
    fflush(stdout);
    _exit(0);
}

/* Returns whether all was well. */
static bool run_variant(const struct variant *v, unsigned from, unsigned to)
{
    unsigned long cases = shared->cases;
    unsigned long failures = shared->failures;
    unsigned next = from;

    now = v;
    while (next < to) {
        int status = 0;
        pid_t pid;

        fflush(stdout);
        pid = fork();
        if (pid == 0)
            work(next, to);
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            return false;
        if (!WIFSIGNALED(status))
            break;
        next = shared->env + 1;
        shared->failures++;
        if (!report(shared->env, shared->number))
            printf("%s: seed %llu, environment %u, case %u died by signal %d, but not again\n", v->name,
                   (unsigned long long)seed, shared->env, shared->number, WTERMSIG(status));
    }
    cases = shared->cases - cases;
    failures = shared->failures - failures;
    if (failures)
        printf("FAIL - random sequences, %s: %lu of %lu differ\n", v->name, failures, cases);
    else
        printf("ok - random sequences, %s\n", v->name);
    return !failures;
}

/* --- whether the cases are any good --- */

static bool print_stats(double seconds)
{
    const struct run_stats *s = &shared->stats;
    uint64_t useless = s->verdicts[V_ENDLESS] + s->verdicts[V_UNDEFINED] + s->verdicts[V_TABLES];
    unsigned rows = 0;
    unsigned vectors = 0;
    unsigned n;
    bool good;

    for (n = 1; n < insn_row_count; n++)
        rows += s->rows[n] != 0;
    printf("sequences %lu, runs %llu (not comparable: endless %llu, undefined flags %llu, page "
           "tables %llu), instructions %llu, rows %u of %u\nexceptions:",
           shared->cases, (unsigned long long)s->runs, (unsigned long long)s->verdicts[V_ENDLESS],
           (unsigned long long)s->verdicts[V_UNDEFINED], (unsigned long long)s->verdicts[V_TABLES],
           (unsigned long long)s->insns, rows, insn_row_count - 1);
    for (n = 0; n < 32; n++) {
        if (s->vectors[n])
            printf(" %u:%llu", n, (unsigned long long)s->vectors[n]);
        vectors += s->vectors[n] != 0;
    }
    printf("\n%.0f sequences a second\n", (double)shared->cases / seconds);
    good = useless * 3 < s->runs && (shared->cases < 50000 || (rows > insn_row_count * 9 / 10 && vectors > 14));
    printf("%s - sequences make sense\n", good ? "ok" : "FAIL");
    return good;
}

static double seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

/* One environment, or one case of it. */
static int run_only(unsigned env, int number, bool show)
{
    int bad;

    watch_for_hangs();
    new_machines();
    if (show) {
        env_make(&e, mix(seed, env));
        rnd_seed(mix(e.seed, number < 0 ? 0 : (unsigned)number));
        for (unsigned n = 0; n < 4; n++)
            rnd();
        seq_make(&e, &s, 0);
        show_seq(&e, &s);
    }
    bad = run_env(env, number < 0 ? CASES_PER_ENV - 1 : (unsigned)number, number < 0 ? ALL : ALONE, 0, true);
    printf("%s\n", bad < 0 ? "the same" : "different");
    return bad >= 0;
}

int main(int argc, char **argv)
{
    unsigned long total = 1200000;
    const char *only = NULL;
    const char *one = NULL;
    bool show = false;
    bool ok = true;
    unsigned env = 0;
    double start = seconds();
    unsigned n;
    int opt;

    while ((opt = getopt(argc, argv, "n:s:v:c:o:d")) != -1) {
        switch (opt) {
        case 'n': total = strtoul(optarg, NULL, 0); break;
        case 's': seed = strtoull(optarg, NULL, 0); break;
        case 'v': only = optarg; break;
        case 'c': one = optarg; break;
        case 'o': more = optarg; break;
        case 'd': show = true; break;
        default:
            fprintf(stderr, "usage: bt_random [-n sequences] [-s seed] [-v variant] "
                            "[-c environment[:case]] [-o options] [-d]\n");
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    insn_init();
    if (bt_engine.available && !bt_engine.available()) {
        printf("skip - random sequences: no translator for this host\n");
        return 77;
    }
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 1;
    for (n = 0; n < ARRAY_SIZE(variants); n++) {
        const struct variant *v = &variants[n];
        unsigned long share = only ? total : total * v->share / 100;
        unsigned count = (unsigned)((share + CASES_PER_ENV - 1) / CASES_PER_ENV);

        if (only && strcmp(only, v->name))
            continue;
        if (one) {
            const char *colon = strchr(one, ':');

            now = v;
            return run_only((unsigned)strtoul(one, NULL, 0), colon ? (int)strtoul(colon + 1, NULL, 0) : -1, show);
        }
        ok &= run_variant(v, env, env + count);
        env += count;
    }
    ok &= print_stats(seconds() - start);
    return !ok;
}
