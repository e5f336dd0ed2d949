/* table.c - the tables by EIP in which translated code finds the targets of indirect branches, one for each
 * context.
 *
 * A table is 16 GiB of address space that may not be touched, but for the pieces in which something stands. Translated
 * code that looks into another piece faults, which means the same as finding nothing (fault.c). So what a
 * table costs is known exactly, whatever EIPs a guest jumps to. When it is too much the largest table is emptied (that
 * of user code, mostly, which is at other addresses in each process), when the host has no mappings left all are:
 * they are filled again from the blocks. While there is plenty, a piece is opened
 * when it is first looked into, since more looks will follow.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#include "mmu/hostmap.h"

#include <errno.h>
#include <sys/mman.h>

#define TABLE_PIECES (TABLE_BYTES / TABLE_PIECE)
#define EXTRA_BYTES  (TABLE_PIECES / 8) /* behind the table: bits, which pieces are open */
#define GUARD        (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

int table_create(struct ctx *x)
{
    uint8_t *p;

    if (!hostmap_room(4))
        return -ENOMEM;
    p = mmap(NULL, TABLE_BYTES + EXTRA_BYTES, PROT_NONE, GUARD, -1, 0);
    if (p == MAP_FAILED)
        return -ENOMEM;
    if (mprotect(p + TABLE_BYTES, EXTRA_BYTES, PROT_READ | PROT_WRITE) < 0) {
        munmap(p, TABLE_BYTES + EXTRA_BYTES);
        return -ENOMEM;
    }
    madvise(p, TABLE_BYTES + EXTRA_BYTES, MADV_NOHUGEPAGE);
    x->table = (uint32_t *)(void *)p;
    x->opened = p + TABLE_BYTES;
    x->mappings = 2;
    hostmap_add(2);
    return 0;
}

void table_destroy(struct bt *bt, struct ctx *x)
{
    munmap(x->table, TABLE_BYTES + EXTRA_BYTES);
    hostmap_add(-x->mappings);
    bt->contexts.pieces -= x->pieces;
    x->table = NULL;
}

static bool is_open(const struct ctx *x, uint64_t piece)
{
    return piece < TABLE_PIECES && (x->opened[piece / 8] >> (piece & 7) & 1);
}

static bool open_piece(struct bt *bt, struct ctx *x, uint32_t piece)
{
    unsigned neighbours = is_open(x, (uint64_t)piece - 1) + is_open(x, (uint64_t)piece + 1);
    /* between two open pieces the host may join it to one of them only */
    int more = neighbours == 0 ? 2 : neighbours == 1 ? 0 : -1;

    if (!hostmap_room(2) ||
        mprotect((uint8_t *)x->table + (uint64_t)piece * TABLE_PIECE, TABLE_PIECE, PROT_READ | PROT_WRITE) < 0)
        return false;
    x->opened[piece / 8] |= (uint8_t)(1u << (piece & 7));
    x->mappings += more;
    hostmap_add(more);
    x->pieces++;
    bt->contexts.pieces++;
    return true;
}

void table_set(struct bt *bt, struct ctx *x, uint32_t eip, uint32_t code)
{
    uint32_t piece = eip / (TABLE_PIECE / sizeof(uint32_t));

    if (!is_open(x, piece)) {
        if (!code)
            return;
        if (!open_piece(bt, x, piece)) {
            tables_empty(bt);
            if (!open_piece(bt, x, piece))
                return; /* it is looked up the long way, then */
        }
    }
    x->table[eip] = code;
}

void table_missed(struct bt *bt, struct ctx *x, uint32_t eip)
{
    uint32_t piece = eip / (TABLE_PIECE / sizeof(uint32_t));

    bt->stats.table_faults++;
    if (!is_open(x, piece) && bt->contexts.pieces < budget_pieces(bt) / 2 && hostmap_room(hostmap_limit() / 4))
        open_piece(bt, x, piece);
}

uint32_t table_get(const struct ctx *x, uint32_t eip)
{
    return is_open(x, eip / (TABLE_PIECE / sizeof(uint32_t))) ? x->table[eip] : 0;
}

/* In place, so that nobody else gets the addresses; a host that refuses frees the memory at least. */
static void empty(struct bt *bt, struct ctx *x)
{
    if (mmap(x->table, TABLE_BYTES, PROT_NONE, GUARD | MAP_FIXED, -1, 0) == MAP_FAILED) {
        madvise(x->table, TABLE_BYTES, MADV_DONTNEED);
        return;
    }
    madvise(x->table, TABLE_BYTES, MADV_NOHUGEPAGE);
    memset(x->opened, 0, EXTRA_BYTES);
    hostmap_add(2 - x->mappings);
    x->mappings = 2;
    bt->contexts.pieces -= x->pieces;
    x->pieces = 0;
}

void tables_empty_largest(struct bt *bt)
{
    struct ctx *largest = NULL;
    unsigned n;

    for (n = 0; n < CTX_MAX; n++) {
        struct ctx *x = &bt->contexts.ctx[n];

        if (x->used && (!largest || x->pieces > largest->pieces))
            largest = x;
    }
    if (largest)
        empty(bt, largest);
    bt->stats.tables_emptied++;
}

void tables_empty(struct bt *bt)
{
    unsigned n;

    for (n = 0; n < CTX_MAX; n++)
        if (bt->contexts.ctx[n].used && bt->contexts.ctx[n].pieces)
            empty(bt, &bt->contexts.ctx[n]);
    bt->stats.tables_emptied++;
}
