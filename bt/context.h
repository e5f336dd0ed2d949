/* context.h - contexts: everything a translation depends on besides its code's bytes; each has a table of
 * its translations by EIP.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_CONTEXT_H
#define BT_CONTEXT_H

#include "cpu/base.h"

struct bt;

/* Everything a translation depends on besides its code's bytes. */
struct ctx {
    uint32_t key; /* FETCH_* */
    uint32_t cs_base;
    uint32_t cs_limit;
    uint16_t cs; /* the selector when this was entered last */
    bool direct; /* memory operands go through the window */
    bool used;
    uint32_t *table; /* by EIP: offset of a translation's `check`, 0: none (table.c) */
    uint8_t *opened; /* bits: pieces of the table that may be touched */
    uint32_t pieces;
    int mappings; /* of the host, at most */
};
#define CTX_MAX 512

#define TABLE_BYTES (1ull << 34)
#define TABLE_PIECE (64u << 10)

struct contexts {
    struct ctx ctx[CTX_MAX];
    unsigned count;
    uint32_t pieces; /* open, in all tables */
    struct ctx *cur; /* of the code that runs; NULL: none yet */
    uint64_t gs_base;
    bool fsgsbase; /* WRGSBASE may be used */
};

/* context.c: make that of the code that is about to run current; what its code finds in R12 and GS.base. */
void context_find(struct bt *bt);
void context_enter(struct bt *bt);

/* table.c: give a new context its table (0 or -ENOMEM), take it away; what it says of `eip`, 0 if nothing; change
 * that. tables_empty: forget everything; not while translated code runs. */
int table_create(struct ctx *x);
void table_destroy(struct bt *bt, struct ctx *x);
uint32_t table_get(const struct ctx *x, uint32_t eip);
void table_set(struct bt *bt, struct ctx *x, uint32_t eip, uint32_t code);
void tables_empty(struct bt *bt);
void tables_empty_largest(struct bt *bt);
/* Translated code has looked for `eip` in a piece that is not open. Safe in a signal handler. */
void table_missed(struct bt *bt, struct ctx *x, uint32_t eip);

#endif
