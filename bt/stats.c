/* stats.c - counters of the translator, as `info jit` shows them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

static void line(FILE *f, const char *what, uint64_t v)
{
    fprintf(f, "%-28s %llu\n", what, (unsigned long long)v);
}

static void callouts_by_kind(const struct bt *bt, FILE *f)
{
    unsigned shown;
    unsigned n;
    uint64_t below = UINT64_MAX;

    for (shown = 0; shown < 24; shown++) {
        unsigned best = 0;
        uint64_t most = 0;

        for (n = 0; n < insn_row_count && n < ARRAY_SIZE(bt->callouts_by_row); n++) {
            if (bt->callouts_by_row[n] > most && bt->callouts_by_row[n] < below) {
                most = bt->callouts_by_row[n];
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
    const struct window_counters *w = window_counters(c);

    if (!w)
        return;
    line(f, "windows open", w->open);
    line(f, "  pages mapped now", w->mapped_pages);
    line(f, "  mappings, at most", w->vmas);
    line(f, "  runs mapped", w->fills);
    line(f, "  pages mapped", w->pages);
    line(f, "  runs taken away", w->zaps);
    line(f, "  pages taken away", w->zapped_pages);
    line(f, "  emptied", w->resets);
    line(f, "page tables traced", w->traces);
    line(f, "  let go", w->untraces);
    line(f, "  writes to them", w->pt_writes);
}

void bt_stats(struct cpu *c, FILE *f)
{
    const struct bt *bt = bt_of(c);
    const struct block_cache *bc = c->blocks;

    line(f, "blocks decoded", bc->blocks_built);
    line(f, "blocks interpreted", bt->interp_blocks);
    line(f, "blocks translated", bt->translated);
    line(f, "  guest instructions", bt->translated_insns);
    line(f, "  bytes of host code", bt->translated_bytes);
    line(f, "  ns per guest instruction",
         bt->translated_insns ? bt->translate_ns / bt->translated_insns : 0);
    line(f, "blocks verified", bt->verified);
    line(f, "translations dropped", bt->killed);
    line(f, "cache bytes used", bt->used);
    line(f, "cache flushes", bt->flushes);
    line(f, "lookup table bytes", bt->arena_used);
    line(f, "entries into the cache", bt->enters);
    line(f, "exits not linked", bt->exits_unlinked);
    line(f, "exits linked", bt->links);
    line(f, "code pages looked up", bt->page_misses);
    line(f, "faults left to interpreter", bt->faults);
    line(f, "address spaces promoted", bt->promotions);
    line(f, "address spaces demoted", bt->demotions);
    line(f, "instructions made checked", bt->sites_checked);
    line(f, "hidden faults (windows)", bt->window_faults);
    windows(c, f);
    line(f, "callouts", bt->callouts);
    callouts_by_kind(bt, f);
}
