/* stats.c - counters of the translator, as `info jit` shows them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#include <errno.h>
#include <unistd.h>

static void memory(const struct bt *bt, FILE *f)
{
    struct bt_memory m = bt_memory(bt);

    stats_line(f, "memory, KiB", m.total >> 10);
    stats_line(f, " at most", bt->memory_max >> 10);
    stats_line(f, " code", m.code >> 10);
    stats_line(f, " beside it", m.translations >> 10);
    stats_line(f, " decoded blocks", m.blocks >> 10);
    stats_line(f, " tables by EIP", m.tables >> 10);
    stats_line(f, " windows", m.windows >> 10);
}

static void show_detours(const struct bt *bt, FILE *f)
{
    unsigned shown;
    unsigned n;
    uint64_t below = UINT64_MAX;

    for (shown = 0; shown < 24; shown++) {
        unsigned best = 0;
        uint64_t most = 0;

        for (n = 0; n < insn_row_count && n < ARRAY_SIZE(bt->stats.detours_by_row); n++) {
            if (bt->stats.detours_by_row[n] > most && bt->stats.detours_by_row[n] < below) {
                most = bt->stats.detours_by_row[n];
                best = n;
            }
        }
        if (!most)
            return;
        below = most;
        fprintf(f, "  %-10s (%02x)  %12llu\n", insn_rows[best].mnemonic, insn_rows[best].opcode,
                (unsigned long long)most);
    }
}

static void windows(struct cpu *c, FILE *f)
{
    static const char *const names[] = {
#define WINDOWS STAT_NAME
#include "cpu/stats.def"
    };
    const struct window_counters *w = window_counters(c);

    if (w)
        stats_print(f, names, (const uint64_t *)w, ARRAY_SIZE(names));
}

/* The instructions that cost most besides running: detours, and hidden faults at their price. */
static void why_slow(const struct bt *bt, FILE *f)
{
    enum { TOP = 12 };
    struct {
        const struct tb *tb;
        unsigned k;
    } top[TOP] = { { NULL, 0 } };
    uint32_t n;
    unsigned k;
    unsigned m;

    for (n = 0; n < bt->cache.tb_count; n++) {
        const struct tb *tb = &bt->cache.tb[n];

        for (k = 0; k < tb->n; k++) {
            if (!tb->hits[k] || (top[TOP - 1].tb && tb->hits[k] <= top[TOP - 1].tb->hits[top[TOP - 1].k]))
                continue;
            for (m = TOP - 1; m && (!top[m - 1].tb || top[m - 1].tb->hits[top[m - 1].k] < tb->hits[k]); m--)
                top[m] = top[m - 1];
            top[m].tb = tb;
            top[m].k = k;
        }
    }
    fprintf(f, "why slow: instructions that take most detours or fault most, in detours\n");
    for (m = 0; m < TOP && top[m].tb; m++)
        fprintf(f, "  %08x %-10s %-7s %-7s %12u\n", top[m].tb->eip + top[m].tb->insns[top[m].k].off,
                insn_rows[top[m].tb->insns[top[m].k].row].mnemonic, top[m].tb->ctx->key & FETCH_USER ? "user" : "super",
                top[m].tb->ctx->direct ? "direct" : "checked", top[m].tb->hits[top[m].k]);
}

void bt_post_mortem(struct bt *bt, FILE *f)
{
    unsigned n;

    cpu_dump(bt->c, f);
    cpu_dump_exceptions(bt->c, f);
    fprintf(f, "last entries into translated code, oldest first:");
    for (n = 0; n < RECENT; n++)
        fprintf(f, " %08x", bt->recent[(bt->recent_next + n) % RECENT]);
    fprintf(f, "\n");
}

void bt_dump_code(struct engine *e, gla_t la, FILE *f)
{
    struct bt *bt = bt_of(e->cpu);
    uint32_t off = bt->contexts.cur ? table_get(bt->contexts.cur, la - bt->contexts.cur->cs_base) : 0;
    const struct tb *tb = off ? tcache_tb_at(bt, off) : NULL;
    uint32_t n;

    if (!tb) {
        fprintf(f, "no translation at %08x\n", la);
        return;
    }
    fprintf(f, "translation of %08x, %u instructions, at %p:", la, tb->n, (void *)(bt->cache.rx + tb->code));
    for (n = 0; n < tb->size; n++)
        fprintf(f, "%s%02x", n % 32 ? " " : "\n  ", bt->cache.rw[tb->code + n]);
    fprintf(f, "\n");
}

int perfmap_open(struct bt *bt)
{
    char name[64];

    snprintf(name, sizeof name, "/tmp/perf-%d.map", (int)getpid());
    bt->perfmap = fopen(name, "w");
    if (!bt->perfmap) {
        fprintf(stderr, "callgate: cannot write %s: %s\n", name, strerror(errno));
        return -errno;
    }
    setvbuf(bt->perfmap, NULL, _IOLBF, 0);
    return 0;
}

void perfmap_add(struct bt *bt, const struct tb *tb)
{
    if (bt->perfmap)
        fprintf(bt->perfmap, "%lx %x guest_%08x_%s\n", (unsigned long)(uintptr_t)(bt->cache.rx + tb->code), tb->size,
                tb->eip, tb->ctx->key & FETCH_USER ? "user" : "super");
}

void bt_stats(struct engine *e, FILE *f)
{
    static const char *const names[] = {
#define BT STAT_NAME
#include "cpu/stats.def"
    };
    const struct bt *bt = bt_of(e->cpu);

    blocks_stats(e->cpu, f);
    stats_print(f, names, (const uint64_t *)&bt->stats, ARRAY_SIZE(names));
    stats_line(f, "ns per guest instruction",
               bt->stats.translated_insns ? bt->stats.translate_ns / bt->stats.translated_insns : 0);
    stats_line(f, "contexts", bt->contexts.count);
    memory(bt, f);
    windows(e->cpu, f);
    fprintf(f, "detours by instruction\n");
    show_detours(bt, f);
    why_slow(bt, f);
}
