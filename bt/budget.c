/* budget.c - what the translator's memory is used for, and keeping it within what was granted (-accel
 * bt,memory=MIB): translations and what is kept beside them, decoded blocks, tables by EIP, windows.
 *
 * The parts that grow most are given back first: the tables are filled again from the blocks, a window is filled
 * again by faults; last, everything is translated again.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#define MEMORY_BASE    (128ull << 20)
#define WINDOWS_PART   4 /* a quarter of it may go with windows, */
#define TABLES_EIGHTHS 3 /* and so many eighths with tables */
/* A piece, and the host's page tables for one that stands alone. */
#define PIECE_MEMORY   (TABLE_PIECE + 8192u)

static uint64_t beside_code(const struct bt *bt)
{
    return bt->cache.meta_used + bt->cache.tb_count * sizeof *bt->cache.tb +
           bt->cache.exit_count * sizeof *bt->cache.exit + bt->cache.vpage_count * sizeof *bt->cache.vpage;
}

struct bt_memory bt_memory(const struct bt *bt)
{
    struct bt_memory m = {
        .code = bt->cache.used,
        .translations = beside_code(bt),
        .blocks = bt->c->blocks->used,
        .tables = bt->contexts.pieces * (uint64_t)PIECE_MEMORY,
    };
    const struct window_counters *w = window_counters(bt->c);

    m.windows = w ? w->memory : 0;
    m.total = m.code + m.translations + m.blocks + m.tables + m.windows;
    return m;
}

void budget_create(struct bt *bt)
{
    bt->memory_max = bt->opt.memory_mb ? (uint64_t)bt->opt.memory_mb << 20 : mmu_ram_size(bt->c) / 4 + MEMORY_BASE;
    windows_set_memory(bt->c, bt->memory_max / WINDOWS_PART);
}

uint32_t budget_pieces(const struct bt *bt) { return (uint32_t)(bt->memory_max / 8 * TABLES_EIGHTHS / PIECE_MEMORY); }

bool budget_exceeded(struct bt *bt)
{
    uint64_t rest = bt->cache.used + beside_code(bt) + bt->c->blocks->used;

    while (bt->contexts.pieces > budget_pieces(bt)) {
        uint32_t before = bt->contexts.pieces;

        tables_empty_largest(bt);
        if (bt->contexts.pieces == before)
            break; /* the host will not */
    }
    return rest > bt->memory_max - bt->memory_max / WINDOWS_PART - bt->memory_max / 8 * TABLES_EIGHTHS;
}
