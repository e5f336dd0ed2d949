/* block.h - blocks of decoded instructions: found by address, built when missing, dropped when their
 * bytes change. The interpreter runs them; a translator takes them as its source.
 *
 * A block is a straight run of decoded instructions inside one page (a single instruction may reach
 * into the next). Blocks are found by physical address, so address spaces share them; a direct-mapped
 * table by linear address goes in front. Writes to a page with blocks arrive at c->engine_invalidate:
 * the blocks hit are unlinked and their instructions replaced by op_stale, so that even the block
 * that runs now stops at its next instruction. Memory of blocks is reused only when all are dropped,
 * between blocks.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_BLOCK_H
#define CPU_BLOCK_H

#include "cpu/interp/interp_int.h"
#include "cpu/stats.h"

#define BLOCK_MAX         32u
#define BLOCK_HASH_BITS   15
#define BLOCK_JUMP_BITS   12
#define BLOCK_PAGE_BITS   12
#define BLOCK_ARENA_BYTES (24u << 20)
#define NO_PAGE           (~(gpa_t)0)

/* Block keys: FETCH_* bits that decoding depends on, and this one: a block of one instruction. */
#define KEY_SINGLE (1u << FETCH_BITS)

struct block {
    uint64_t tag; /* block_tag(): found by linear address */
    gpa_t pa;
    gpa_t pa2;          /* second page of a straddling block, or NO_PAGE */
    struct block *next; /* in the hash chain */
    struct block *page_next[2];
    void *engine_data;   /* what a translator keeps for it; set: cache.killed is called */
    const uint8_t *code; /* its bytes; NULL: not in memory */
    uint32_t key;
    uint16_t bytes;
    uint16_t heat; /* for engines: times run */
    uint8_t n;
    bool dead;
    bool fpu;            /* has x87 or SIMD instructions */
    uint8_t bytes15[15]; /* the bytes of a straddling block */
    struct insn insn[];
};

/* A page that holds code: how much, and its blocks by the 128-byte piece they begin in. Of each 4 bytes
 * `cover` counts the blocks that have some; 255 is for ever. */
#define PIECE_BITS 7
#define PIECES     (PAGE_SIZE >> PIECE_BITS)
#define COVER_BITS 2
#define COVERS     (PAGE_SIZE >> COVER_BITS)
struct code_page {
    gpa_t page;
    uint32_t count; /* blocks */
    uint32_t idle;  /* writes seen since it lost its last block */
    uint8_t sweeps; /* the same of sweeps; PAGE_GONE: it is no longer in the table */
    bool listed;    /* among the empty ones */
    struct code_page *empty_next;
    uint8_t cover[COVERS + 4]; /* the last ones are 0 */
    struct block *blocks[PIECES];
    struct code_page *next;
};

/* The last translations of fetch addresses. */
#define FETCH_TLB 64
struct fetch_entry {
    uint64_t tag; /* linear page | generation << 32 */
    gpa_t page;
    const uint8_t *host;
    bool global; /* survives a CR3 load */
};

struct block_cache {
    struct block *jump[1 << BLOCK_JUMP_BITS];
    struct fetch_entry fetch[FETCH_TLB];
    struct block *hash[1 << BLOCK_HASH_BITS];
    struct code_page *pages[1 << BLOCK_PAGE_BITS];
    uint8_t *arena;
    size_t used;
    bool flush_wanted;
    struct code_page *empty; /* pages that have lost their blocks, and some that have new ones */
    struct block *scratch;   /* for code that is not in memory */
    /* an engine's hooks: a block with engine_data dies; all blocks are gone */
    void (*killed)(struct cpu *c, struct block *b);
    void (*flushed)(struct cpu *c);
    struct block_counters {
#define BLOCKS STAT_MEMBER
#include "cpu/stats.def"
    } stats;
};

/* Give `c` a block cache (c->blocks) and the hooks by which memory tells of writes to code. Returns
 * 0 or -ENOMEM. */
int blocks_create(struct cpu *c);
void blocks_destroy(struct cpu *c);

/* Linear address, fetch generation and key in one word: what c->blocks->jump is looked up by. */
static inline uint64_t block_tag(const struct cpu *c, gla_t la)
{
    return la | (uint64_t)(c->fetch_gen << FETCH_BITS | c->fetch_key) << 32;
}
static inline struct block **block_slot(struct cpu *c, gla_t la)
{
    return &c->blocks->jump[(la ^ la >> BLOCK_JUMP_BITS) & ((1 << BLOCK_JUMP_BITS) - 1)];
}

/* The block at CS:EIP, whose linear address is la; single: 0, or KEY_SINGLE for one instruction.
 * Raises what fetching its first instruction raises. */
struct block *block_find(struct cpu *c, gla_t la, uint32_t single);

/* Where the page of linear address la is, for fetching; raises #PF. Valid until the next call. */
const struct fetch_entry *block_fetch_page(struct cpu *c, gla_t la);

/* Where a write to this page of RAM must be told to c->engine_invalidate: if cover[offset >> COVER_BITS]
 * is not 0, or the next ones as far as the write may reach. Right until the page is no longer watched. */
const uint8_t *blocks_cover(struct cpu *c, gpa_t page);

/* To be called every few milliseconds: lets go of pages that have held no code for some time. */
void blocks_sweep(struct cpu *c);

/* Drop everything. Only between blocks. */
void blocks_flush(struct cpu *c);

/* Print the counters. */
void blocks_stats(struct cpu *c, FILE *f);

/* -d exec, -d cpu: say what is about to run. */
void block_log_run(struct cpu *c, const struct block *b, gla_t la);

#endif
