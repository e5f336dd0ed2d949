/* block.c - building, finding and dropping blocks of decoded instructions (see block.h).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/block.h"

#include "cpu/callout.h"

#include <errno.h>
#include <stdlib.h>

const struct insn insn_none;

/* --- pseudo-instructions --- */

/* After the last instruction of a block: go on behind it. */
OP(op_end)
{
    c->eip += i->off;
    c->icount += i->n;
}

/* In place of an instruction whose block was invalidated. */
OP(op_stale)
{
    c->eip += i->off;
    c->icount += i->n;
}

/* In place of an instruction that plug-ins want to be told of; the real one follows. */
OP(op_watched)
{
    SYNC();
    if (!i->n && callout_wanted(c, CALLOUT_BLOCK)) {
        const struct insn *last = i;

        while (last->fn != op_end && last->len)
            last++;
        callout_call(c, CALLOUT_BLOCK, (const uint64_t[]){ EIP_HERE, (uint64_t)(last - i) });
    }
    if (callout_wanted(c, CALLOUT_INSN))
        callout_call(c, CALLOUT_INSN, (const uint64_t[]){ EIP_HERE, i->len });
    insn_handler(i)(c, i);
}

static uint32_t hash_block(gpa_t pa, uint32_t key)
{
    uint64_t h = (pa ^ (uint64_t)key << 40) * 0x9e3779b97f4a7c15ull;

    return h >> (64 - BLOCK_HASH_BITS);
}

static struct code_page **page_slot(struct block_cache *in, gpa_t page)
{
    struct code_page **p = &in->pages[(page >> PAGE_SHIFT) & ((1 << BLOCK_PAGE_BITS) - 1)];

    while (*p && (*p)->page != page)
        p = &(*p)->next;
    return p;
}

static void *arena_alloc(struct block_cache *in, size_t bytes)
{
    void *p;

    bytes = (bytes + 15) & ~(size_t)15;
    if (in->used + bytes > BLOCK_ARENA_BYTES)
        return NULL;
    p = in->arena + in->used;
    in->used += bytes;
    return p;
}

/* Drop everything. Only between blocks. */
void blocks_flush(struct cpu *c)
{
    struct block_cache *in = c->blocks;
    unsigned n;

    for (n = 0; n < 1 << BLOCK_PAGE_BITS; n++) {
        struct code_page *p;

        for (p = in->pages[n]; p; p = p->next)
            c->mem->unwatch_code(c, p->page);
        in->pages[n] = NULL;
    }
    memset(in->hash, 0, sizeof in->hash);
    memset(in->jump, 0, sizeof in->jump);
    in->used = 0;
    in->empty = NULL;
    in->flush_wanted = false;
    in->stats.flushes++;
    if (in->flushed)
        in->flushed(c);
}

const uint8_t *blocks_cover(struct cpu *c, gpa_t page)
{
    static const uint8_t everywhere[COVERS + 4] = { [0 ... COVERS + 3] = 1 };
    const struct code_page *p = *page_slot(c->blocks, page);

    return p ? p->cover : everywhere;
}

static void cover_add(struct code_page *p, unsigned first, unsigned last)
{
    unsigned n;

    for (n = first >> COVER_BITS; n <= last >> COVER_BITS; n++)
        p->cover[n] += p->cover[n] != 255;
    p->count++;
}

static void cover_remove(struct block_cache *in, struct code_page *p, unsigned first, unsigned last)
{
    unsigned n;

    for (n = first >> COVER_BITS; n <= last >> COVER_BITS; n++)
        p->cover[n] -= p->cover[n] != 255;
    if (--p->count)
        return;
    p->sweeps = 0;
    if (!p->listed) {
        p->listed = true;
        p->empty_next = in->empty;
        in->empty = p;
    }
}

static bool covered(const struct code_page *p, unsigned first, unsigned last)
{
    unsigned n;

    for (n = first >> COVER_BITS; n <= last >> COVER_BITS; n++)
        if (p->cover[n])
            return true;
    return false;
}

/* Enter a block in the list of its page number `which` (0, or 1 for the second). */
static void page_add(struct cpu *c, struct block *b, gpa_t page, unsigned which, unsigned first, unsigned last)
{
    struct block_cache *in = c->blocks;
    struct code_page **slot = page_slot(in, page);
    struct code_page *p = *slot;

    if (!p) {
        p = arena_alloc(in, sizeof *p);
        BUG_ON(!p); /* block_find() has seen to it */
        p->page = page;
        p->count = 0;
        p->listed = false;
        p->sweeps = 0;
        memset(p->cover, 0, sizeof p->cover);
        memset(p->blocks, 0, sizeof p->blocks);
        p->next = NULL;
        *slot = p;
        c->mem->watch_code(c, page);
    }
    cover_add(p, first, last);
    p->idle = 0;
    b->page_next[which] = p->blocks[first >> PIECE_BITS];
    p->blocks[first >> PIECE_BITS] = b;
}

static void kill_block(struct cpu *c, struct block *b)
{
    struct block_cache *in = c->blocks;
    struct block **h = &in->hash[hash_block(b->pa, b->key)];
    unsigned n;

    while (*h && *h != b)
        h = &(*h)->next;
    if (*h)
        *h = b->next;
    b->tag = 0;
    b->dead = true;
    if (b->engine_data)
        in->killed(c, b);
    for (n = 0; n <= b->n; n++)
        b->insn[n].fn = op_stale;
    in->stats.invalidated++;
}

#define BLOCK_BYTES (BLOCK_MAX * 15)
#define IDLE_WRITES 64 /* a page that was written so often since it held code is let go, */
#define IDLE_SWEEPS 3  /* or that has gone through so many sweeps */
#define PAGE_GONE   255

/* Which of its pages a block is in the list of `piece` for. Both may be the same page, seen at two
 * linear addresses; a straddling block begins in the last piece. */
static unsigned block_which(const struct block *b, gpa_t page, unsigned piece) { return piece == 0 && b->pa2 == page; }

/* A page without blocks is data from now on. */
static void let_go(struct cpu *c, struct code_page **slot)
{
    struct code_page *p = *slot;

    *slot = p->next;
    p->sweeps = PAGE_GONE;
    c->mem->unwatch_code(c, p->page);
}

static void invalidate_page(struct cpu *c, gpa_t pa, unsigned len)
{
    struct block_cache *in = c->blocks;
    gpa_t page = pa & ~(gpa_t)~PAGE_MASK;
    unsigned first = pa & ~PAGE_MASK;
    struct code_page **slot = page_slot(in, page);
    struct code_page *p = *slot;
    unsigned piece;

    if (!p)
        return;
    if (!p->count && ++p->idle >= IDLE_WRITES) {
        let_go(c, slot);
        return;
    }
    if (!covered(p, first, first + len - 1))
        return;
    /* blocks that begin up to BLOCK_BYTES before the write may reach into it */
    piece = first >= BLOCK_BYTES ? (first - BLOCK_BYTES) >> PIECE_BITS : 0;
    for (; piece <= (first + len - 1) >> PIECE_BITS; piece++) {
        struct block **link = &p->blocks[piece];

        while (*link) {
            struct block *b = *link;
            unsigned which = block_which(b, page, piece);
            unsigned start = which ? 0 : b->pa & ~PAGE_MASK;
            unsigned end = which ? (b->pa & ~PAGE_MASK) + b->bytes - PAGE_SIZE : (b->pa & ~PAGE_MASK) + b->bytes;

            if (b->dead || (start < first + len && first < end)) {
                if (!b->dead)
                    kill_block(c, b);
                *link = b->page_next[which];
                cover_remove(in, p, start, (end < PAGE_SIZE ? end : PAGE_SIZE) - 1);
            } else {
                link = &b->page_next[which];
            }
        }
    }
}

/* Guest memory was written: by the CPU, a device, or a debugger. */
static void invalidate(struct cpu *c, gpa_t pa, unsigned len)
{
    while (len) {
        unsigned n = PAGE_SIZE - (pa & ~PAGE_MASK);

        n = n < len ? n : len;
        invalidate_page(c, pa, n);
        pa += n;
        len -= n;
    }
}

void blocks_sweep(struct cpu *c)
{
    struct block_cache *in = c->blocks;
    struct code_page **link = &in->empty;

    while (*link) {
        struct code_page *p = *link;

        if (p->sweeps != PAGE_GONE && !p->count && ++p->sweeps >= IDLE_SWEEPS)
            let_go(c, page_slot(in, p->page));
        if (p->sweeps == PAGE_GONE || p->count) {
            p->listed = false;
            *link = p->empty_next;
        } else {
            link = &p->empty_next;
        }
    }
}

static void flush_later(struct cpu *c)
{
    struct block_cache *in = c->blocks;

    in->flush_wanted = true;
    c->fetch_gen++;
    c->global_gen++;
}

/* --- fetching --- */

const struct fetch_entry *block_fetch_page(struct cpu *c, gla_t la)
{
    struct block_cache *in = c->blocks;
    struct fetch_entry *e = &in->fetch[la >> PAGE_SHIFT & (FETCH_TLB - 1)];
    uint64_t tag = block_tag(c, la & PAGE_MASK);

    if (e->tag != tag) {
        gpa_t pa;
        const uint8_t *host = c->mem->fetch(c, la, &pa);

        e->tag = tag;
        e->page = pa & ~(gpa_t)~PAGE_MASK;
        e->host = host;
        e->global = c->fetch_global;
    }
    return e;
}

/* Copy up to 15 code bytes at `la`. The second page is only asked for if the first does not hold a
 * whole instruction; its page fault is the instruction's. *pa2: its physical page. */
static unsigned fetch_bytes(struct cpu *c, gla_t la, uint8_t *buf, unsigned have, gpa_t *pa2)
{
    const struct fetch_entry *e = block_fetch_page(c, la + have);
    unsigned off = (la + have) & ~PAGE_MASK;
    unsigned n = PAGE_SIZE - off;
    unsigned k;

    n = n < 15 - have ? n : 15 - have;
    for (k = 0; k < n; k++)
        buf[have + k] = e->host ? e->host[off + k] : c->mem->fetch_byte(c, e->page + off + k);
    *pa2 = e->host ? e->page : NO_PAGE;
    return have + n;
}

static void log_block(struct cpu *c, const struct block *b, gla_t la)
{
    FILE *f = log_stream();
    unsigned n;

    fprintf(f, "in_asm: block %08x pa %llx key %x, %u bytes\n", la, (unsigned long long)b->pa, b->key, b->bytes);
    for (n = 0; n < b->n; n++)
        fprintf(f, "  %08x  %s (%u bytes)\n", c->eip + b->insn[n].off, insn_rows[b->insn[n].row].mnemonic,
                b->insn[n].len);
}

/* -d exec, -d cpu: what is about to run. */
void block_log_run(struct cpu *c, const struct block *b, gla_t la)
{
    c->cur = &insn_none;
    LOG(exec, "block %08x, %u instructions", la, b->n);
    if (log_mask & 1u << LOG_CH_cpu)
        cpu_dump(c, log_stream());
}

/* A branch target is kept relative to the block's first instruction. */
static void finish_insn(struct insn *i, unsigned off, unsigned n)
{
    i->off = off;
    i->n = n;
    if (insn_rows[i->row].cls == CLS_PCREL)
        i->imm += off + i->len;
}

/* Decode the block at CS:EIP into *b. May raise #PF or #GP for its first instruction only. Returns
 * whether it may be kept. */
static bool build(struct cpu *c, struct block *b, gla_t la, gpa_t pa, const uint8_t *host, unsigned max)
{
    uint64_t room = (uint64_t)c->seg[SEG_CS].limit + 1 - c->eip; /* bytes below the limit */
    unsigned off = 0;
    unsigned n = 0;
    bool keep = host != NULL;

    b->pa = pa;
    b->pa2 = NO_PAGE;
    b->engine_data = NULL;
    b->heat = 0;
    b->fpu = false;
    b->code = host ? host + (la & ~PAGE_MASK) : NULL;
    while (n < max) {
        struct insn *i = &b->insn[n];
        unsigned page_left = PAGE_SIZE - ((la + off) & ~PAGE_MASK);
        unsigned avail = page_left < 15 ? page_left : 15;
        bool limited = room - off < avail;
        uint8_t buf[15];
        int rc = DECODE_MORE;

        if (off && !((la + off) & ~PAGE_MASK))
            break; /* reached the next page */
        if (limited)
            avail = room - off;
        if (host)
            rc = insn_decode(i, host + ((la + off) & ~PAGE_MASK), avail, c->fetch_key & FETCH_D, c->features);
        if (rc == DECODE_MORE) {
            gpa_t pa2 = NO_PAGE;
            unsigned have;

            if (n)
                break; /* the straddling instruction gets a block of its own */
            if (limited && room < page_left)
                cpu_raise_err(c, EXC_GP, 0);
            have = fetch_bytes(c, la, buf, 0, &pa2);
            if (have < 15 && room > have) {
                /* decode first: the next page counts only if it is needed */
                rc = insn_decode(i, buf, have, c->fetch_key & FETCH_D, c->features);
                if (rc == DECODE_MORE) {
                    have = fetch_bytes(c, la, buf, have, &pa2);
                    if (host && pa2 != NO_PAGE)
                        b->pa2 = pa2;
                    else
                        keep = false;
                }
            }
            if (rc == DECODE_MORE)
                rc = insn_decode(i, buf, have < room ? have : room, c->fetch_key & FETCH_D, c->features);
            max = 1;
            memcpy(b->bytes15, buf, sizeof buf);
            b->code = b->bytes15;
        }
        if (rc == DECODE_TOO_LONG || rc == DECODE_MORE) {
            if (n)
                break;
            cpu_raise_err(c, EXC_GP, 0); /* over 15 bytes, or beyond the limit */
        }
        if (c->fetch_key & FETCH_FLAT)
            insn_specialize(i);
        if (callout_wanted(c, CALLOUT_INSN) || (!n && callout_wanted(c, CALLOUT_BLOCK)))
            i->fn = op_watched;
        finish_insn(i, off, n);
        if (insn_rows[i->row].cls == CLS_FPU || insn_rows[i->row].cls == CLS_SIMD)
            b->fpu = true;
        off += i->len;
        n++;
        if (insn_rows[i->row].attr & A_END)
            break;
    }
    b->n = n;
    b->bytes = off;
    b->dead = false;
    memset(&b->insn[n], 0, sizeof b->insn[n]);
    b->insn[n].fn = op_end;
    b->insn[n].off = off;
    b->insn[n].n = n;
    return keep;
}

struct block *block_find(struct cpu *c, gla_t la, uint32_t single)
{
    struct block_cache *in = c->blocks;
    const struct fetch_entry *e;
    struct block *b;
    gpa_t pa;
    uint32_t key = (c->fetch_key & (FETCH_D | FETCH_FLAT)) | single;
    uint32_t h;
    bool keep;

    c->cur = &insn_none;
    if (c->eip > c->seg[SEG_CS].limit)
        cpu_raise_err(c, EXC_GP, 0);
    if (unlikely(in->flush_wanted))
        blocks_flush(c);
    e = block_fetch_page(c, la);
    pa = e->page | (la & ~PAGE_MASK);
    h = hash_block(pa, key);
    for (b = in->hash[h]; b; b = b->next)
        if (b->pa == pa && b->key == key)
            break;
    if (b && (uint64_t)c->eip + b->bytes - 1 > c->seg[SEG_CS].limit)
        b = NULL; /* too long for this limit: decode again what fits */
    if (b && b->pa2 != NO_PAGE) {
        /* the second page must still be the same one */
        gla_t la2 = (la | ~PAGE_MASK) + 1;

        if (block_fetch_page(c, la2)->page != b->pa2) {
            invalidate_page(c, b->pa, 1);
            b = NULL;
        }
    }
    if (b)
        return b;

    /* a whole block, and both of its pages: without them nobody would tell of writes to its code */
    if (BLOCK_ARENA_BYTES - in->used <
        sizeof *b + (BLOCK_MAX + 1) * sizeof(struct insn) + 2 * sizeof(struct code_page) + 64)
        blocks_flush(c);
    e = block_fetch_page(c, la);
    b = (struct block *)(in->arena + in->used);
    keep = build(c, b, la, pa, e->host, single ? 1 : BLOCK_MAX);
    b->key = key;
    b->tag = 0;
    in->stats.blocks_built++;
    in->stats.insns_built += b->n;
    if (unlikely(log_mask & 1u << LOG_CH_in_asm))
        log_block(c, b, la);
    if (!keep) {
        /* not in memory, or not to be found again: run it from where it stands, once */
        memcpy(in->scratch, b, sizeof *b + (b->n + 1u) * sizeof(struct insn));
        return in->scratch;
    }
    arena_alloc(in, sizeof *b + (b->n + 1u) * sizeof(struct insn));
    b->next = in->hash[h];
    in->hash[h] = b;
    {
        unsigned start = pa & ~PAGE_MASK;
        unsigned end = start + b->bytes;

        page_add(c, b, pa & ~(gpa_t)~PAGE_MASK, 0, start, end > PAGE_SIZE ? PAGE_SIZE - 1 : end - 1);
        if (b->pa2 != NO_PAGE)
            page_add(c, b, b->pa2, 1, 0, end - PAGE_SIZE - 1);
    }
    return b;
}

int blocks_create(struct cpu *c)
{
    struct block_cache *in;

    insn_init();
    in = calloc(1, sizeof *in);
    if (!in)
        return -ENOMEM;
    in->arena = malloc(BLOCK_ARENA_BYTES);
    in->scratch = calloc(1, sizeof *in->scratch + (BLOCK_MAX + 1) * sizeof(struct insn));
    if (!in->arena || !in->scratch) {
        free(in->arena);
        free(in->scratch);
        free(in);
        return -ENOMEM;
    }
    c->blocks = in;
    c->engine_invalidate = invalidate;
    c->engine_flush = flush_later;
    c->cur = &insn_none;
    c->exc.delivering = -1;
    return 0;
}

void blocks_destroy(struct cpu *c)
{
    struct block_cache *in = c->blocks;

    if (!in)
        return;
    free(in->arena);
    free(in->scratch);
    free(in);
    c->blocks = NULL;
    c->engine_invalidate = NULL; /* memory may still change */
    c->engine_flush = NULL;
}

void blocks_stats(struct cpu *c, FILE *f)
{
    static const char *const names[] = {
#define BLOCKS STAT_NAME
#include "cpu/stats.def"
    };

    stats_print(f, names, (const uint64_t *)&c->blocks->stats, ARRAY_SIZE(names));
    fprintf(f, "memory of blocks        %zu of %u bytes\n", c->blocks->used, BLOCK_ARENA_BYTES);
}
