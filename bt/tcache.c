/* tcache.c - the translation cache: its memory (mapped twice, writable and executable at different
 * addresses), finding translations by EIP and by host address, linking, and dropping them.
 *
 * The cache lies below 2 GiB, so that translated code reaches it with 32-bit displacements. Memory is
 * given out upwards only; when it is used up everything is dropped.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#include "mmu/hostmap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Map `size` bytes somewhere between 256 MiB and 2 GiB. */
static void *map_low(size_t size, int prot, int flags, int fd)
{
    uintptr_t at;

    for (at = 0x10000000; at + size <= 0x7f000000; at += 0x1000000) {
        void *p = mmap((void *)at, size, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);

        if (p == (void *)at)
            return p;
        if (p != MAP_FAILED)
            munmap(p, size);
    }
    return NULL;
}

int tcache_create(struct bt *bt)
{
    bt->cache.size = bt->opt.cache_mb << 20;
    /* shared anonymous memory, and its second mapping: perf looks such code up in its map file */
    bt->cache.rw = mmap(NULL, bt->cache.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bt->cache.rx = map_low(bt->cache.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
    if (bt->cache.rw == MAP_FAILED || !bt->cache.rx)
        return -ENOMEM;
    if (mremap(bt->cache.rw, 0, bt->cache.size, MREMAP_MAYMOVE | MREMAP_FIXED, bt->cache.rx) == MAP_FAILED ||
        mprotect(bt->cache.rx, bt->cache.size, PROT_READ | PROT_EXEC) < 0)
        return -errno;
    bt->cache.tb = hostmap_reserve(TB_MAX * sizeof *bt->cache.tb, false);
    bt->cache.exit = hostmap_reserve(EXIT_MAX * sizeof *bt->cache.exit, false);
    bt->cache.meta = hostmap_reserve(META_BYTES, false);
    bt->cache.vpage = hostmap_reserve(VPAGE_MAX * sizeof *bt->cache.vpage, false);
    if (!bt->cache.tb || !bt->cache.exit || !bt->cache.meta || !bt->cache.vpage)
        return -ENOMEM;
    bt->cache.vpage_count = 1; /* cookie 0 is none */
    return 0;
}

static void drop_tables(struct bt *bt)
{
    unsigned n;

    for (n = 0; n < CTX_MAX; n++)
        if (bt->contexts.ctx[n].used)
            table_destroy(bt, &bt->contexts.ctx[n]);
}

void tcache_destroy(struct bt *bt)
{
    if (bt->cache.rx)
        munmap(bt->cache.rx, bt->cache.size);
    if (bt->cache.rw && bt->cache.rw != MAP_FAILED)
        munmap(bt->cache.rw, bt->cache.size);
    drop_tables(bt);
    hostmap_release(bt->cache.tb, TB_MAX * sizeof *bt->cache.tb);
    hostmap_release(bt->cache.exit, EXIT_MAX * sizeof *bt->cache.exit);
    hostmap_release(bt->cache.meta, META_BYTES);
    hostmap_release(bt->cache.vpage, VPAGE_MAX * sizeof *bt->cache.vpage);
}

void *tcache_meta(struct bt *bt, size_t bytes)
{
    void *p = bt->cache.meta + bt->cache.meta_used;

    bytes = (bytes + 15) & ~(size_t)15;
    if (bt->cache.meta_used + bytes > META_BYTES)
        return NULL;
    bt->cache.meta_used += bytes;
    return p;
}

/* The memory of code that is no longer used; the first page has the stubs. */
static void give_back_code(struct bt *bt)
{
    uint32_t from = (bt->cache.stubs_end + PAGE_SIZE - 1) & PAGE_MASK;
    uint32_t to = (bt->cache.used + PAGE_SIZE - 1) & PAGE_MASK;

    if (to > from)
        madvise(bt->cache.rw + from, to - from, MADV_REMOVE);
}

/* Drop everything but the stubs. Not while translated code runs. */
void tcache_flush(struct bt *bt)
{
    uint32_t n;

    fpu_save(bt->c); /* it may name an instruction here */
    for (n = 0; n < bt->cache.tb_count; n++)
        if (bt->cache.tb[n].block)
            bt->cache.tb[n].block->engine_data = NULL;
    drop_tables(bt);
    madvise(bt->cache.meta, bt->cache.meta_used, MADV_DONTNEED);
    madvise(bt->cache.tb, bt->cache.tb_count * sizeof *bt->cache.tb, MADV_DONTNEED);
    madvise(bt->cache.exit, bt->cache.exit_count * sizeof *bt->cache.exit, MADV_DONTNEED);
    madvise(bt->cache.vpage, bt->cache.vpage_count * sizeof *bt->cache.vpage, MADV_DONTNEED);
    give_back_code(bt);
    bt->cache.used = bt->cache.stubs_end;
    bt->cache.tb_count = 0;
    bt->cache.exit_count = 0;
    bt->cache.meta_used = 0;
    bt->cache.vpage_count = 1;
    memset(bt->cache.vpage_hash, 0, sizeof bt->cache.vpage_hash);
    memset(bt->cache.tb_hash, 0, sizeof bt->cache.tb_hash);
    memset(bt->contexts.ctx, 0, sizeof bt->contexts.ctx);
    bt->contexts.count = 0;
    bt->contexts.cur = NULL;
    bt->adapt.checked_count = 0;
    itlb_clear(bt->c);
    bt->stats.flushes++;
}

struct tb *tcache_tb_at(struct bt *bt, uint32_t offset)
{
    uint32_t lo = 0;
    uint32_t hi = bt->cache.tb_count;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (bt->cache.tb[mid].code <= offset)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (!lo || offset >= bt->cache.tb[lo - 1].code + bt->cache.tb[lo - 1].size)
        return NULL;
    return &bt->cache.tb[lo - 1];
}

uint32_t tcache_cookie(struct bt *bt, gpa_t page, gla_t la)
{
    uint64_t h = ((page >> 12) * 0x9e3779b97f4a7c15ull) ^ ((la >> 12) * 0xc2b2ae3d27d4eb4full);
    uint32_t *head = &bt->cache.vpage_hash[h >> 40 & 4095];
    struct vpage *v;
    uint32_t n;

    la &= PAGE_MASK;
    for (n = *head; n; n = bt->cache.vpage[n].next)
        if (bt->cache.vpage[n].page == page && bt->cache.vpage[n].la == la)
            return n;
    if (bt->cache.vpage_count >= VPAGE_MAX)
        return 0;
    n = bt->cache.vpage_count++;
    v = &bt->cache.vpage[n];
    v->page = page;
    v->la = la;
    v->next = *head;
    *head = n;
    return n;
}

static void patch(struct bt *bt, uint32_t at, uint32_t target) { e_patch32(bt->cache.rw + at, bt->cache.rw + target); }

static void unlink_exit(struct bt *bt, uint32_t n)
{
    struct exit_link *x = &bt->cache.exit[n];
    uint32_t *p;

    if (x->linked_to == NO_TB)
        return;
    for (p = &bt->cache.tb[x->linked_to].incoming; *p != NO_EXIT; p = &bt->cache.exit[*p].next) {
        if (*p == n) {
            *p = x->next;
            break;
        }
    }
    x->linked_to = NO_TB;
    patch(bt, x->patch, x->stub);
}

/* Let an exit go straight to a translation of the same context: to `check` across pages, inside a page
 * to `entry`, or behind the safepoint if the way leads forward. */
void tcache_link(struct bt *bt, uint32_t exit, struct tb *to)
{
    struct exit_link *x = &bt->cache.exit[exit];
    struct tb *from = &bt->cache.tb[x->tb];

    unlink_exit(bt, exit);
    if (from->dead || to->dead)
        return;
    x->linked_to = to - bt->cache.tb;
    x->next = to->incoming;
    to->incoming = exit;
    if (from->cookie[0] != to->cookie[0] || from->cookie[1] || to->cookie[1])
        patch(bt, x->patch, to->code);
    else if (to == from)
        patch(bt, x->patch, to->loop);
    else if (to->eip > from->eip && !bt->opt.icount && to->loop == to->entry)
        patch(bt, x->patch, to->code + to->start[0]); /* forward: no loop without a safepoint */
    else
        patch(bt, x->patch, to->entry);
    bt->stats.links++;
}

/* A block may have many translations: one for each address at which some process has it. */
static uint32_t *hash_of(struct bt *bt, const struct block *b, uint32_t eip, const struct ctx *x)
{
    uint64_t h = ((uintptr_t)b >> 4) * 0x9e3779b97f4a7c15ull ^ eip * 0xc2b2ae3d27d4eb4full ^
                 (uintptr_t)x * 0x165667b19e3779f9ull;

    return &bt->cache.tb_hash[h >> (64 - TB_HASH_BITS)];
}

struct tb *tcache_find(struct bt *bt, const struct block *b, uint32_t eip)
{
    uint32_t n;

    for (n = *hash_of(bt, b, eip, bt->contexts.cur); n; n = bt->cache.tb[n - 1].hash_next) {
        struct tb *t = &bt->cache.tb[n - 1];

        if (t->block == b && t->eip == eip && t->ctx == bt->contexts.cur)
            return t;
    }
    return NULL;
}

void tcache_add(struct bt *bt, struct tb *t)
{
    uint32_t *head = hash_of(bt, t->block, t->eip, t->ctx);

    t->hash_next = *head;
    *head = (uint32_t)(t - bt->cache.tb) + 1;
    t->next = t->block->engine_data;
    t->block->engine_data = t;
    table_set(bt, t->ctx, t->eip, t->code);
}

static void hash_remove(struct bt *bt, const struct tb *t)
{
    uint32_t *p = hash_of(bt, t->block, t->eip, t->ctx);

    while (*p != (uint32_t)(t - bt->cache.tb) + 1)
        p = &bt->cache.tb[*p - 1].hash_next;
    *p = t->hash_next;
}

/* A block died: no translation of it may be entered again. */
void tcache_kill(struct cpu *c, struct block *b)
{
    struct bt *bt = bt_of(c);
    struct tb *t;

    for (t = b->engine_data; t; t = t->next) {
        unsigned n;

        if (table_get(t->ctx, t->eip) == t->code)
            table_set(bt, t->ctx, t->eip, 0);
        while (t->incoming != NO_EXIT)
            unlink_exit(bt, t->incoming);
        for (n = 0; n < t->exits; n++)
            unlink_exit(bt, t->first_exit + n);
        hash_remove(bt, t);
        t->dead = true;
        t->block = NULL;
        bt->stats.killed++;
    }
    b->engine_data = NULL;
}
