/* interp.c - the interpreter engine: finds or builds the block at CS:EIP and runs it, and between
 * blocks delivers events. The reference for every other engine.
 *
 * A block is a straight run of decoded instructions inside one page (its last one may reach into the
 * next). Blocks are found by physical address, so address spaces share them; a direct-mapped table by
 * linear address goes in front. Writes to a page with blocks arrive at invalidate(): the blocks hit
 * are unlinked and their instructions replaced by op_stale, so that even the block that runs now
 * stops at its next instruction. Memory of blocks is reused only when all are dropped, between
 * blocks.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp_int.h"

#include "cpu/engine.h"
#include "cpu/exception.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#define BLOCK_MAX   32u
#define HASH_BITS   15
#define JUMP_BITS   12
#define PAGE_BITS   12
#define ARENA_BYTES (24u << 20)
#define NO_PAGE     (~(gpa_t)0)

#define KEY_SINGLE (1u << FETCH_BITS)

struct block {
    uint64_t tag;        /* linear address | fetch generation << 32: found by linear address */
    gpa_t pa;
    gpa_t pa2;           /* second page of a straddling block, or NO_PAGE */
    struct block *next;  /* in the hash chain */
    struct block *page_next[2];
    uint32_t key;
    uint16_t bytes;
    uint8_t n;
    bool dead;
    struct insn insn[];
};

/* A page that holds code: which 128-byte pieces, and its blocks. */
struct code_page {
    gpa_t page;
    uint32_t pieces;
    struct block *blocks;
    struct code_page *next;
};

/* The last translations of fetch addresses. */
#define FETCH_TLB 64
struct fetch_entry {
    uint64_t tag; /* linear page | generation << 32 */
    gpa_t page;
    const uint8_t *host;
};

struct interp {
    struct block *jump[1 << JUMP_BITS];
    struct fetch_entry fetch[FETCH_TLB];
    struct block *hash[1 << HASH_BITS];
    struct code_page *pages[1 << PAGE_BITS];
    uint8_t *arena;
    size_t used;
    bool flush_wanted;
    struct block *scratch; /* for code that is not in memory */
    /* counters */
    uint64_t blocks_built, insns_built, invalidated, flushes, misses;
};

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

/* --- blocks --- */

static uint32_t hash_block(gpa_t pa, uint32_t key)
{
    uint64_t h = (pa ^ (uint64_t)key << 40) * 0x9e3779b97f4a7c15ull;

    return h >> (64 - HASH_BITS);
}

static struct code_page **page_slot(struct interp *in, gpa_t page)
{
    struct code_page **p = &in->pages[(page >> PAGE_SHIFT) & ((1 << PAGE_BITS) - 1)];

    while (*p && (*p)->page != page)
        p = &(*p)->next;
    return p;
}

static void *arena_alloc(struct interp *in, size_t bytes)
{
    void *p;

    bytes = (bytes + 15) & ~(size_t)15;
    if (in->used + bytes > ARENA_BYTES)
        return NULL;
    p = in->arena + in->used;
    in->used += bytes;
    return p;
}

/* Drop everything. Only between blocks. */
static void flush_blocks(struct cpu *c)
{
    struct interp *in = c->engine;
    unsigned n;

    for (n = 0; n < 1 << PAGE_BITS; n++) {
        struct code_page *p;

        for (p = in->pages[n]; p; p = p->next)
            c->mem->unwatch_code(c, p->page);
        in->pages[n] = NULL;
    }
    memset(in->hash, 0, sizeof in->hash);
    memset(in->jump, 0, sizeof in->jump);
    in->used = 0;
    in->flush_wanted = false;
    in->flushes++;
}

static uint32_t piece_mask(unsigned first, unsigned last)
{
    return (0xffffffffu >> (31 - (last >> 7))) & (0xffffffffu << (first >> 7));
}

/* Enter a block in the list of its page number `which` (0, or 1 for the second). */
static bool page_add(struct cpu *c, struct block *b, gpa_t page, unsigned which, unsigned first,
                     unsigned last)
{
    struct interp *in = c->engine;
    struct code_page **slot = page_slot(in, page);
    struct code_page *p = *slot;

    if (!p) {
        p = arena_alloc(in, sizeof *p);
        if (!p)
            return false;
        p->page = page;
        p->pieces = 0;
        p->blocks = NULL;
        p->next = NULL;
        *slot = p;
        c->mem->watch_code(c, page);
    }
    p->pieces |= piece_mask(first, last);
    b->page_next[which] = p->blocks;
    p->blocks = b;
    return true;
}

static void kill_block(struct interp *in, struct block *b)
{
    struct block **h = &in->hash[hash_block(b->pa, b->key)];
    unsigned n;

    while (*h && *h != b)
        h = &(*h)->next;
    if (*h)
        *h = b->next;
    b->tag = 0;
    b->dead = true;
    for (n = 0; n <= b->n; n++)
        b->insn[n].fn = op_stale;
    in->invalidated++;
}

static unsigned block_which(const struct block *b, gpa_t page)
{
    return (b->pa & ~(gpa_t)~PAGE_MASK) == page ? 0 : 1;
}

static void invalidate_page(struct cpu *c, gpa_t pa, unsigned len)
{
    struct interp *in = c->engine;
    gpa_t page = pa & ~(gpa_t)~PAGE_MASK;
    unsigned first = pa & ~PAGE_MASK;
    struct code_page **slot = page_slot(in, page);
    struct code_page *p = *slot;
    struct block **link;
    uint32_t pieces = 0;

    if (!p || !(p->pieces & piece_mask(first, first + len - 1)))
        return;
    link = &p->blocks;
    while (*link) {
        struct block *b = *link;
        unsigned which = block_which(b, page);
        unsigned start = which ? 0 : b->pa & ~PAGE_MASK;
        unsigned end = which ? (b->pa & ~PAGE_MASK) + b->bytes - PAGE_SIZE
                             : (b->pa & ~PAGE_MASK) + b->bytes;

        if (end > PAGE_SIZE)
            end = PAGE_SIZE;
        if (b->dead || (start < first + len && first < end)) {
            if (!b->dead)
                kill_block(in, b);
            *link = b->page_next[which];
        } else {
            pieces |= piece_mask(start, end - 1);
            link = &b->page_next[which];
        }
    }
    p->pieces = pieces;
    if (!p->blocks) {
        *slot = p->next;
        c->mem->unwatch_code(c, page);
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

static void flush_later(struct cpu *c)
{
    struct interp *in = c->engine;

    in->flush_wanted = true;
    c->fetch_gen++;
}

/* --- fetching --- */

static uint64_t linear_tag(const struct cpu *c, gla_t la)
{
    return la | (uint64_t)(c->fetch_gen << FETCH_BITS | c->fetch_key) << 32;
}

static const struct fetch_entry *fetch_page(struct cpu *c, gla_t la)
{
    struct interp *in = c->engine;
    struct fetch_entry *e = &in->fetch[la >> PAGE_SHIFT & (FETCH_TLB - 1)];
    uint64_t tag = linear_tag(c, la & PAGE_MASK);

    if (e->tag != tag) {
        gpa_t pa;
        const uint8_t *host = c->mem->fetch(c, la & PAGE_MASK, &pa);

        e->tag = tag;
        e->page = pa;
        e->host = host;
    }
    return e;
}

/* Copy up to 15 code bytes at `la`. The second page is only asked for if the first does not hold a
 * whole instruction; its page fault is the instruction's. *pa2: its physical page. */
static unsigned fetch_bytes(struct cpu *c, gla_t la, uint8_t *buf, unsigned have, gpa_t *pa2)
{
    const struct fetch_entry *e = fetch_page(c, la + have);
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

    fprintf(f, "in_asm: block %08x pa %llx key %x, %u bytes\n", la, (unsigned long long)b->pa,
            b->key, b->bytes);
    for (n = 0; n < b->n; n++)
        fprintf(f, "  %08x  %s (%u bytes)\n", c->eip + b->insn[n].off,
                insn_rows[b->insn[n].row].mnemonic, b->insn[n].len);
}

/* -d exec, -d cpu: what is about to run. */
static cold_fn void log_run(struct cpu *c, const struct block *b, gla_t la)
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
static bool build(struct cpu *c, struct block *b, gla_t la, gpa_t pa, const uint8_t *host,
                  unsigned max)
{
    uint64_t room = (uint64_t)c->seg[SEG_CS].limit + 1 - c->eip; /* bytes below the limit */
    unsigned off = 0;
    unsigned n = 0;
    bool keep = host != NULL;

    b->pa = pa;
    b->pa2 = NO_PAGE;
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
            rc = insn_decode(i, host + ((la + off) & ~PAGE_MASK), avail, c->fetch_key & FETCH_D,
                             c->features);
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
                rc = insn_decode(i, buf, have < room ? have : room, c->fetch_key & FETCH_D,
                                 c->features);
            max = 1;
        }
        if (rc == DECODE_TOO_LONG || rc == DECODE_MORE) {
            if (n)
                break;
            cpu_raise_err(c, EXC_GP, 0); /* over 15 bytes, or beyond the limit */
        }
        if (c->fetch_key & FETCH_FLAT)
            insn_specialize(i);
        finish_insn(i, off, n);
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

static struct block *find_slow(struct cpu *c, gla_t la, uint32_t single)
{
    struct interp *in = c->engine;
    const struct fetch_entry *e;
    struct block *b;
    gpa_t pa;
    uint32_t key = (c->fetch_key & (FETCH_D | FETCH_FLAT)) | single;
    uint32_t h;
    bool keep;

    c->cur = &insn_none;
    if (c->eip > c->seg[SEG_CS].limit)
        cpu_raise_err(c, EXC_GP, 0);
    e = fetch_page(c, la);
    pa = e->page | (la & ~PAGE_MASK);
    h = hash_block(pa, key);
    for (b = in->hash[h]; b; b = b->next)
        if (b->pa == pa && b->key == key)
            break;
    if (b && b->pa2 != NO_PAGE) {
        /* the second page must still be the same one */
        gla_t la2 = (la | ~PAGE_MASK) + 1;

        if (fetch_page(c, la2)->page != b->pa2) {
            invalidate_page(c, b->pa, 1);
            b = NULL;
        }
    }
    if (b && (uint64_t)c->eip + b->bytes - 1 > c->seg[SEG_CS].limit)
        b = NULL; /* too long for this limit: decode again what fits */
    else if (b)
        return b;

    if (in->flush_wanted ||
        ARENA_BYTES - in->used < sizeof *b + (BLOCK_MAX + 1) * sizeof(struct insn) + 256)
        flush_blocks(c);
    e = fetch_page(c, la);
    b = (struct block *)(in->arena + in->used);
    keep = build(c, b, la, pa, e->host, single ? 1 : BLOCK_MAX);
    b->key = key;
    b->tag = 0;
    in->blocks_built++;
    in->insns_built += b->n;
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

        page_add(c, b, pa & ~(gpa_t)~PAGE_MASK, 0, start,
                 end > PAGE_SIZE ? PAGE_SIZE - 1 : end - 1);
        if (b->pa2 != NO_PAGE)
            page_add(c, b, b->pa2, 1, 0, end - PAGE_SIZE - 1);
    }
    return b;
}

/* --- events between instructions --- */

static void interrupt(struct cpu *c, int vector)
{
    c->cur = &insn_none;
    c->halted = false;
    cpu_deliver(c, vector, EV_EXTERNAL, false, 0, c->eip);
}

static bool exec_breakpoint(struct cpu *c)
{
    gla_t la = c->seg[SEG_CS].base + c->eip;
    bool hit = false;
    unsigned n;

    for (n = 0; n < 4; n++) {
        if ((c->dr[7] >> (n * 2) & 3) && (c->dr[7] >> (16 + n * 4) & 3) == 0 &&
            c->dr[n] == la) {
            c->dr[6] |= 1u << n;
            hit = true;
        }
    }
    return hit;
}

/* One instruction, with everything that goes by instructions: breakpoints, TF, shadows. */
static void step(struct cpu *c)
{
    struct block *b;

    c->cur = &insn_none;
    /* after MOV SS as if RF were 1 (SDM 3B 17.3.1.1) */
    if (c->db_bp_active && !(c->eflags & EFLAGS_RF) && cpu_shadow(c) != SHADOW_SS &&
        exec_breakpoint(c))
        cpu_raise(c, EXC_DB);
    c->step = c->eflags & EFLAGS_TF;
    b = find_slow(c, c->seg[SEG_CS].base + c->eip, KEY_SINGLE);
    if (unlikely(log_mask & (1u << LOG_CH_exec | 1u << LOG_CH_cpu)))
        log_run(c, b, c->seg[SEG_CS].base + c->eip);
    c->eflags &= ~EFLAGS_RF; /* holds for one instruction; IRET and task switches set it anew */
    b->insn[0].fn(c, b->insn);
    c->cur = &insn_none;
    if (c->step) {
        c->db_pending |= 1u << 14; /* DR6.BS */
        cpu_update_mode(c);        /* TF may be clear by now: POPF, IRET */
    }
    c->step = false;
}

static void debug_trap(struct cpu *c)
{
    c->dr[6] |= c->db_pending;
    c->db_pending = 0;
    c->halted = false;
    cpu_update_mode(c);
    c->exc.delivering = EXC_DB;
    cpu_deliver(c, EXC_DB, EV_EXCEPTION, false, 0, c->eip);
    c->exc.delivering = -1;
}

/* Something is waiting. Returns whether to leave the engine, with *why. */
static bool events(struct cpu *c, enum exit_reason *why)
{
    uint32_t ev = atomic_load_explicit(&c->events, memory_order_acquire);
    unsigned shadow = cpu_shadow(c);

    c->cur = &insn_none;
    if (c->shut_down) {
        *why = EXIT_SHUTDOWN;
        return true;
    }
    if (ev & EVENT_KICK) {
        *why = EXIT_KICK;
        return true;
    }
    if (ev & EVENT_RESET) {
        cpu_clear_event(c, EVENT_RESET);
        cpu_init(c);
        return false;
    }
    if (c->db_pending && shadow != SHADOW_SS)
        debug_trap(c);
    if ((ev & EVENT_NMI) && !c->nmi_blocked && shadow != SHADOW_SS) {
        cpu_clear_event(c, EVENT_NMI);
        c->nmi_blocked = true;
        interrupt(c, EXC_NMI);
        return false;
    }
    if ((ev & EVENT_INTR) && (c->eflags & EFLAGS_IF) && !shadow) {
        int vector = c->bus->intr_ack(c->bus_opaque);

        if (vector >= 0) {
            interrupt(c, vector);
            return false;
        }
    }
    if (c->halted) {
        *why = EXIT_HALT;
        return true;
    }
    if (ev & EVENT_SINGLE)
        cpu_update_mode(c);
    return false;
}

/* --- the loop --- */

static enum exit_reason run_loop(struct cpu *c)
{
    struct interp *in = c->engine;
    enum exit_reason why;

    for (;;) {
        gla_t la;
        uint64_t tag;
        struct block **slot;
        struct block *b;

        if (unlikely(c->events)) {
            if (events(c, &why))
                return why;
            if (c->icount >= c->icount_stop)
                return EXIT_ICOUNT;
            if ((c->events & EVENT_SINGLE) || cpu_shadow(c)) {
                step(c);
                continue;
            }
        }
        la = c->seg[SEG_CS].base + c->eip;
        tag = linear_tag(c, la);
        slot = &in->jump[(la ^ la >> JUMP_BITS) & ((1 << JUMP_BITS) - 1)];
        b = *slot;
        if (unlikely(!b || b->tag != tag)) {
            in->misses++;
            b = find_slow(c, la, 0);
            if (b != in->scratch && b->pa2 == NO_PAGE) {
                b->tag = tag;
                *slot = b;
            }
        } else if (unlikely((uint64_t)c->eip + b->bytes - 1 > c->seg[SEG_CS].limit)) {
            b = find_slow(c, la, 0);
        }
        if (unlikely(c->icount + b->n > c->icount_stop)) {
            if (c->icount >= c->icount_stop) {
                c->cur = &insn_none;
                return EXIT_ICOUNT;
            }
            step(c);
            continue;
        }
        if (unlikely(log_mask & (1u << LOG_CH_exec | 1u << LOG_CH_cpu)))
            log_run(c, b, la);
        b->insn[0].fn(c, b->insn);
    }
}

/* An exception was raised: undo into "before the instruction", then deliver. */
static void exception(struct cpu *c)
{
    int vector = c->exc.vector;

    c->eip += c->cur->off;
    c->icount += c->cur->n;
    c->cur = &insn_none;
    c->step = false;
    /* the data breakpoints of an instruction that faults are forgotten; those of the MOV SS before
     * it are not */
    if (cpu_shadow(c) != SHADOW_SS)
        c->db_pending = 0;
    if (c->exc.delivering >= 0) {
        vector = exception_combine(c->exc.delivering, vector);
        if (vector < 0) {
            c->exc.delivering = -1;
            c->exc.ext = 0;
            c->shut_down = true;
            cpu_set_event(c, EVENT_SINGLE);
            return;
        }
        if (vector == EXC_DF) {
            c->exc.has_error = true;
            c->exc.error = 0;
        }
    }
    c->exc.delivering = vector;
    c->exc.ext = 0;
    cpu_deliver(c, vector, EV_EXCEPTION, c->exc.has_error, c->exc.error, c->eip);
    c->exc.delivering = -1;
}

static enum exit_reason run(struct cpu *c)
{
    enum exit_reason why;

    if (setjmp(c->jmp))
        exception(c);
    why = run_loop(c);
    c->cur = &insn_none;
    return why;
}

static int create(struct cpu *c, const char *options)
{
    struct interp *in;

    if (options && *options) {
        fprintf(stderr, "callgate: -accel interp takes no options, got '%s'\n", options);
        return -EINVAL;
    }
    insn_init();
    in = calloc(1, sizeof *in);
    if (!in)
        return -ENOMEM;
    in->arena = malloc(ARENA_BYTES);
    in->scratch = calloc(1, sizeof *in->scratch + (BLOCK_MAX + 1) * sizeof(struct insn));
    if (!in->arena || !in->scratch) {
        free(in->arena);
        free(in->scratch);
        free(in);
        return -ENOMEM;
    }
    c->engine = in;
    c->engine_invalidate = invalidate;
    c->engine_flush = flush_later;
    c->cur = &insn_none;
    c->exc.delivering = -1;
    return 0;
}

static void destroy(struct cpu *c)
{
    struct interp *in = c->engine;

    free(in->arena);
    free(in->scratch);
    free(in);
    c->engine = NULL;
}

static void stats(struct cpu *c, FILE *f)
{
    const struct interp *in = c->engine;

    fprintf(f, "instructions executed   %llu\n", (unsigned long long)c->icount);
    fprintf(f, "blocks decoded          %llu\n", (unsigned long long)in->blocks_built);
    fprintf(f, "instructions decoded    %llu\n", (unsigned long long)in->insns_built);
    fprintf(f, "blocks invalidated      %llu\n", (unsigned long long)in->invalidated);
    fprintf(f, "lookups beyond 1st      %llu\n", (unsigned long long)in->misses);
    fprintf(f, "flushes                 %llu\n", (unsigned long long)in->flushes);
    fprintf(f, "memory of blocks        %zu of %u bytes\n", in->used, ARENA_BYTES);
}

const struct engine_class interp_engine = {
    .name = "interp",
    .text = "the interpreter: portable, exact, the reference",
    .create = create,
    .destroy = destroy,
    .run = run,
    .stats = stats,
};
