/* tcache.h - the translation cache: host code, what is known of each translation, how they are linked.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_TCACHE_H
#define BT_TCACHE_H

#include "bt/context.h"
#include "bt/plan.h"
#include "cpu/interp/block.h"

struct exit_link {
    uint32_t tb;
    uint32_t target;    /* EIP */
    uint32_t patch;     /* offset of the rel32 */
    uint32_t stub;      /* offset of what it jumps to while not linked */
    uint32_t linked_to; /* tb number or NO_TB */
    uint32_t next;      /* in the list of the tb it is linked to */
};
#define NO_TB   0xffffffffu
#define NO_EXIT 0xffffffffu

struct tb {
    struct block *block;
    struct tb *next;    /* of the same block */
    uint32_t hash_next; /* tb number + 1 */
    struct ctx *ctx;
    struct insn *insns; /* copies with fn = op_stop, one more at the end */
    insn_fn *fns;
    uint16_t *start; /* [n + 1]: offset of each instruction's code; the last: of the cold part */
    uint8_t *fix;    /* [n]: FIX_* */
    uint32_t *hits;  /* [n]: detours and faults, for the report */
    uint32_t eip;
    uint32_t code;  /* offset of `check` in the cache */
    uint32_t entry; /* offset of `entry` */
    uint32_t loop;  /* the same for jumps from itself */
    uint32_t size;
    uint32_t cookie[2]; /* of its page, and of the second page of a straddling one (or 0) */
    uint32_t incoming;  /* first exit linked to it */
    uint32_t first_exit;
    uint16_t exits;
    uint8_t n;
    bool dead;
};

/* A page of code as seen at a linear address: the unit of validity of translations' addresses. */
struct vpage {
    gpa_t page;
    gla_t la;
    uint32_t cookie;
    uint32_t next;
};

#define TB_HASH_BITS 16
#define META_BYTES   (256ull << 20)
#define TB_MAX       (1u << 20)
#define EXIT_MAX     (1u << 21)
#define VPAGE_MAX    (1u << 20)

struct tcache {
    uint8_t *rx, *rw; /* host code, seen twice */
    uint32_t size, used, stubs_end;
    /* entries of stubs */
    uint32_t stub_miss, stub_exit, stub_detour, stub_fault_exit;
    uint32_t (*enter)(struct cpu *c, const void *host);
    struct tb *tb;
    uint32_t tb_count;
    uint32_t tb_hash[1 << TB_HASH_BITS]; /* tb number + 1, by block, EIP and context */
    struct exit_link *exit;
    uint32_t exit_count;
    struct vpage *vpage;
    uint32_t vpage_count;
    uint32_t vpage_hash[4096];
    uint8_t *meta; /* per-tb arrays */
    size_t meta_used;
};

int tcache_create(struct bt *bt);
void tcache_destroy(struct bt *bt);
void tcache_flush(struct bt *bt);
struct tb *tcache_tb_at(struct bt *bt, uint32_t offset);
void tcache_kill(struct cpu *c, struct block *b);
/* The living translation of this block for the current context at `eip`, or NULL; enter a new one. */
struct tb *tcache_find(struct bt *bt, const struct block *b, uint32_t eip);
void tcache_add(struct bt *bt, struct tb *t);
void tcache_link(struct bt *bt, uint32_t exit, struct tb *to);
uint32_t tcache_cookie(struct bt *bt, gpa_t page, gla_t la);
void *tcache_meta(struct bt *bt, size_t bytes);

#endif
