/* golden.c - golden translations: guest code and a context -> the host code that is emitted, as text.
 *
 *     golden DIR [-u] [NAME...]     -u: write what is emitted now into the files
 *
 * A file DIR/NAME.txt begins with lines that are the input:
 *     # any comment
 *     context: 32 flat checked      words, see words[] below
 *     code: 01 c8 8b 03             bytes of guest code in hex, the last ones of a page
 *     --                            and behind this line is the output.
 * A difference is printed as a diff, to be read, and accepted with -u if it is wanted.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/golden/golden.h"

#include "bt/engine.h"
#include "bt/verify.h"
#include "cpu/callout.h"
#include "mmu/mmu.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define CODE_END 0x11000u /* linear: the page's end ends the block */

enum {
    W_16, /* 16-bit code */
    W_32,
    W_FLAT, /* flat data segments; without: DS, ES and SS have a base, and SS is as wide as the code */
    W_SS16, /* SS.B = 0 */
    W_SS32, /* SS.B = 1 */
    W_USER, /* CPL 3 */
    W_V86,
    W_LIMIT,  /* CS.limit is below 4 GiB */
    W_DIRECT, /* through the window; without: checked */
    W_ICOUNT,
    W_STRADDLE, /* the last byte lies in the next page */
    W_NOFPU,
    W_NOINLINE,
    W_PLUGIN,  /* a plug-in wants to see every instruction */
    W_TROUBLE, /* the memory operand of the last instruction is trouble: it takes the checked way */
    W_WRAPS,   /* its address wraps */
    W_NOBMI2,  /* as on a host without BMI2 */
    W_HEAD,    /* show the head, too */
    W_COUNT
};
static const char *const words[W_COUNT] = {
    "16",     "32",       "flat",  "ss16",     "ss32",   "user",    "v86",   "limit",  "direct",
    "icount", "straddle", "nofpu", "noinline", "plugin", "trouble", "wraps", "nobmi2", "head",
};

struct snippet {
    uint32_t words; /* bit n: words[n] */
    uint8_t code[64];
    unsigned bytes;
};

static bool has(const struct snippet *s, unsigned word) { return s->words >> word & 1; }

/* --- making a translation --- */

static int no_interrupt(void *opaque)
{
    (void)opaque;
    return -1;
}

static const struct cpu_bus bus = { .intr_ack = no_interrupt };

static void watcher(struct cpu *c, uint32_t eip, uint32_t bytes, void *opaque)
{
    (void)c, (void)eip, (void)bytes, (void)opaque;
}

static void set_mode(struct cpu *c, const struct snippet *s)
{
    bool big = has(s, W_32);
    unsigned n;

    c->cr0 |= CR0_PE;
    for (n = 0; n < SEG_COUNT; n++) {
        struct seg *g = &c->seg[n];
        bool flat = has(s, W_FLAT) || n >= SEG_FS;

        g->sel = (uint16_t)(n * 8);
        g->base = n == SEG_CS || flat ? 0 : 0x2000 + n * 16;
        g->limit = flat || n == SEG_CS ? 0xffffffff : 0xffff;
        g->attr = AR_P | AR_S | AR_RW | AR_ACCESSED | (big ? AR_DB : 0) | AR_G | (n == SEG_CS ? AR_CODE : 0);
    }
    if (has(s, W_SS16))
        c->seg[SEG_SS].attr &= (uint16_t)~AR_DB;
    if (has(s, W_SS32))
        c->seg[SEG_SS].attr |= AR_DB;
    if (!big) {
        c->seg[SEG_CS].base = CODE_END - 0x1000;
        c->seg[SEG_CS].limit = 0xffff;
    } else if (has(s, W_LIMIT)) {
        c->seg[SEG_CS].limit = 0x1ffff;
    }
    if (has(s, W_USER) || has(s, W_V86))
        c->cpl = 3;
    if (has(s, W_V86))
        c->eflags |= EFLAGS_VM;
    c->eip = CODE_END - s->bytes + has(s, W_STRADDLE) - c->seg[SEG_CS].base;
    cpu_update_derived(c);
}

/* Translate at CS:EIP as the engine would. */
static struct tb *make(struct bt *bt, struct block **b)
{
    gla_t la = bt->c->seg[SEG_CS].base + bt->c->eip;

    if (bt->opt.direct)
        adapt_find(bt);
    context_find(bt);
    *b = block_find(bt->c, la, 0);
    return translate(bt, *b, la);
}

/* Writes the translation to f; NULL, or what went wrong. */
static const char *translate_snippet(const struct snippet *s, FILE *f)
{
    static char why[256];
    struct memmap *map = memmap_create(4 << 20, 0xe0000000);
    struct cpu *c = cpu_create(cpu_model_find("max"), bt_engine.tail);
    const char *volatile wrong = NULL;
    struct engine *engine;
    struct mmu *mmu;
    char options[96];

    c->bus = &bus;
    mmu = mmu_create(c, map);
    if (has(s, W_PLUGIN) && callout_register(c, "insn", (void *)(uintptr_t)watcher, NULL))
        abort();
    snprintf(options, sizeof options, "direct=%s,icount=%s,fpu=%s,inline=%s,bmi2=%s",
             has(s, W_DIRECT) ? "force" : "off", has(s, W_ICOUNT) ? "on" : "off", has(s, W_NOFPU) ? "off" : "on",
             has(s, W_NOINLINE) ? "off" : "on", has(s, W_NOBMI2) ? "off" : "on");
    if (bt_engine.create(&(struct engine_env){ .cpu = c }, options, &engine))
        return "the engine cannot be made";
    cpu_reset(c);
    memmap_write(map, CODE_END - s->bytes + has(s, W_STRADDLE), s->code, s->bytes);
    set_mode(c, s);
    if (setjmp(c->jmp)) {
        wrong = "the code cannot be fetched";
    } else {
        struct bt *bt = bt_of(c);
        struct block *b;
        struct tb *tb = make(bt, &b);
        struct verifier *verifier;
        uint32_t offset;

        if (has(s, W_TROUBLE) || has(s, W_WRAPS)) {
            if (has(s, W_TROUBLE))
                adapt_trouble(bt, tb, tb->n - 1u, 200);
            else
                adapt_wraps(bt, tb, tb->n - 1u);
            tb = make(bt, &b);
        }
        verifier = verifier_create();
        wrong = verifier ? verify_tb(verifier, bt, tb, &offset) : "no verifier";
        if (wrong) { /* its text goes with the verifier */
            snprintf(why, sizeof why, "%s", wrong);
            wrong = why;
        }
        verifier_destroy(verifier);
        show_translation(f, bt, tb, b->code, has(s, W_32), has(s, W_HEAD));
    }
    engine_destroy(engine);
    mmu_destroy(mmu);
    cpu_destroy(c);
    memmap_destroy(map);
    return wrong;
}

/* --- files --- */

static bool parse_words(struct snippet *s, char *line)
{
    char *save;
    char *word;
    unsigned n;

    for (word = strtok_r(line, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
        for (n = 0; n < W_COUNT && strcmp(words[n], word); n++)
            ;
        if (n == W_COUNT && strcmp(word, "checked"))
            return false;
        if (n < W_COUNT)
            s->words |= 1u << n;
    }
    return has(s, W_16) != has(s, W_32);
}

static bool parse_code(struct snippet *s, const char *line)
{
    unsigned byte;
    int used;

    for (; sscanf(line, " %2x%n", &byte, &used) == 1; line += used) {
        if (s->bytes == sizeof s->code)
            return false;
        s->code[s->bytes++] = (uint8_t)byte;
    }
    return s->bytes && strspn(line, " \n") == strlen(line);
}

/* The input lines of `in` go to `out`. */
static const char *parse(FILE *in, FILE *out, struct snippet *s)
{
    char line[256];
    bool context = false;

    *s = (struct snippet){ 0 };
    while (fgets(line, sizeof line, in)) {
        fputs(line, out);
        if (!strcmp(line, "--\n"))
            return context && s->bytes ? NULL : "no context: or no code:";
        if (*line == '#')
            continue;
        if (!strncmp(line, "context:", 8)) {
            if (!parse_words(s, line + 8))
                return "unknown word in context:, or neither 16 nor 32";
            context = true;
        } else if (strncmp(line, "code:", 5) || !parse_code(s, line + 5)) {
            return "line that is no input";
        }
    }
    return "no line '--'";
}

static bool same(const char *a, const char *b)
{
    FILE *f = fopen(a, "r");
    FILE *g = fopen(b, "r");
    bool equal = f && g;
    int ch = 0;

    while (equal && ch != EOF) {
        ch = getc(f);
        equal = ch == getc(g);
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return equal;
}

/* Returns whether all is as it should be. */
static bool one(const char *program, const char *dir, const char *name, bool update)
{
    char path[512];
    char made[] = "/tmp/golden-XXXXXX";
    char command[1200];
    struct snippet s;
    const char *wrong;
    bool equal;
    FILE *in;
    FILE *out;

    snprintf(path, sizeof path, "%s/%s.txt", dir, name);
    in = fopen(path, "r");
    out = fdopen(mkstemp(made), "w");
    wrong = !in || !out ? "cannot be opened" : parse(in, out, &s);
    if (!wrong)
        wrong = translate_snippet(&s, out);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    equal = !wrong && same(path, made);
    if (wrong) {
        printf("FAIL - %s: %s\n", name, wrong);
    } else if (!equal && update) {
        snprintf(command, sizeof command, "cp %s %s", made, path);
        equal = !system(command);
        printf("%s - %s: written\n", equal ? "ok" : "FAIL", name);
    } else if (!equal) {
        printf("FAIL - %s: other code than before; if it is wanted: %s %s -u %s\n", name, program, dir, name);
        fflush(stdout);
        snprintf(command, sizeof command, "diff -u %s %s", path, made);
        if (system(command) < 0)
            printf("no diff\n");
    } else {
        printf("ok - %s\n", name);
    }
    fflush(stdout);
    unlink(made);
    return equal;
}

static int is_golden(const struct dirent *d)
{
    size_t len = strlen(d->d_name);

    return len > 4 && !strcmp(d->d_name + len - 4, ".txt");
}

int main(int argc, char **argv)
{
    bool update = argc > 2 && !strcmp(argv[2], "-u");
    int n = 2 + update;
    bool ok = true;

    if (argc < 2) {
        fprintf(stderr, "usage: golden DIR [-u] [NAME...]\n");
        return 2;
    }
    if (!__builtin_cpu_supports("bmi2")) { /* the texts show it used */
        printf("skip - golden translations: the host has no BMI2\n");
        return 77;
    }
    if (n < argc) {
        for (; n < argc; n++)
            ok &= one(argv[0], argv[1], argv[n], update);
    } else {
        struct dirent **list;
        int count = scandir(argv[1], &list, is_golden, alphasort);

        for (n = 0; n < count; n++) {
            list[n]->d_name[strlen(list[n]->d_name) - 4] = 0;
            ok &= one(argv[0], argv[1], list[n]->d_name, update);
            free(list[n]);
        }
        if (count <= 0)
            printf("FAIL - no golden files in %s\n", argv[1]);
        else
            free(list);
        ok &= count > 0;
    }
    return ok ? 0 : 1;
}
