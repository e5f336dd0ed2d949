/* bt.h - what the files of the binary translator share.
 *
 * Host registers while translated code runs:
 *   rax rcx rdx rbx rsp rbp rsi rdi  the guest's EAX..EDI, upper halves 0
 *   r8 r9 r10 r11                    scratch, dead between guest instructions
 *   r12                              the window's base in direct contexts, else 12 (for the probe)
 *   r13 = 003ff000h                  constant of the software-TLB probe
 *   r14                              c->tlb
 *   r15                              struct cpu
 *   RFLAGS                           the guest's arithmetic flags; DF is 0
 *   GS.base                          the window, if there is one
 *
 * A translation (struct tb) belongs to a block of decoded instructions and to a context: everything
 * besides its bytes that its code was made for. It is entered at `check`, which sees that the page of
 * its first byte is still seen at its linear address, or (from the same page) at `entry`.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_BT_H
#define BT_BT_H

#include "bt/emit.h"
#include "cpu/interp/block.h"
#include "cpu/cpu.h"
#include "cpu/engine.h"
#include "cpu/interp/interp.h"
#include "cpu/interp/interp_int.h"
#include "mmu/window.h"

#include <stddef.h>

/* Values in R11 on leaving the cache: why. */
#define LEAVE_PLAIN   0u          /* c->eip is set */
#define LEAVE_STEP    1u          /* c->eip is set; interpret one instruction first */
#define LEAVE_CALLOUT 2u          /* the same, and the flags are in their lazy form already */
#define LEAVE_EXIT    0x80000000u /* | exit number: a branch that is not linked */
#define LEAVE_PAGE    0x40000000u /* | tb number: its page is not known to be there */

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
#define CTX_MAX      512
#define TB_HASH_BITS 16

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

/* What must be put right when the host faults inside an instruction. */
enum { FIX_NONE, FIX_RSI, FIX_MMX, FIX_STRING, FIX_REP, FIX_REP_FLAGS };

struct tb {
    struct block *block;
    struct tb *next;    /* of the same block */
    uint32_t hash_next; /* tb number + 1 */
    struct ctx *ctx;
    struct insn *insns; /* copies with fn = op_stop, one more at the end */
    insn_fn *fns;
    uint16_t *start; /* [n + 1]: offset of each instruction's code; the last: of the cold part */
    uint8_t *fix;    /* [n]: FIX_* */
    uint32_t *hits;  /* [n]: callouts and faults, for the report */
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

/* An address space, by CR3: whether it has earned a window. */
struct aspace {
    uint32_t cr3;
    uint64_t pointers; /* hash of PAE's four */
    bool used;
    struct by_level {
        uint16_t heat; /* ticks seen there */
        uint16_t need; /* so many make it worth a window */
        bool direct;
        struct window *window;
    } level[2]; /* of user code, and of supervisor code if there is no global window */
};
#define ASPACE_SIZE 256u
#define SITE_SIZE   65536u
#define CHECKED_MAX 4096u

/* An instruction (by hash of its physical address) whose memory operand was trouble. */
struct site {
    uint8_t count;
    uint8_t level;  /* how often it was made checked: it stays so for 4 << level ticks */
    uint16_t until; /* tick at which it is tried the direct way again */
    bool wraps;     /* base and displacement add up to more than 32 bits */
};

struct bt_options {
    unsigned cache_mb;
    unsigned memory_mb; /* 0: by the guest's RAM */
    unsigned heat;
    bool verify, chain, direct, inline_sys, native_fpu, icount, stats, perfmap;
    bool force_direct; /* every address space has earned its windows from the start: for tests */
};

#define RECENT 16
struct bt {
    struct cpu *c;
    struct bt_options opt;
    /* the translation cache, seen twice */
    uint8_t *rx, *rw;
    uint32_t cache_size, used, stubs_end;
    /* entries of stubs */
    uint32_t stub_miss, stub_exit, stub_site, stub_fault_exit;
    uint32_t (*enter)(struct cpu *c, const void *host);
    struct ctx ctx[CTX_MAX];
    unsigned ctx_count;
    uint32_t table_pieces; /* open, in all tables */
    uint64_t memory_max;
    struct ctx *cur;
    struct tb *tb;
    uint32_t tb_count;
    uint32_t tb_hash[1 << TB_HASH_BITS]; /* tb number + 1, by block, EIP and context */
    struct exit_link *exit;
    uint32_t exit_count;
    struct vpage *vpage;
    uint32_t vpage_count;
    uint32_t vpage_hash[4096];
    uint32_t fetch_gen; /* the itlb is for these generations */
    uint32_t flush_gen, global_gen, invlpg_count;
    bool super_local; /* itlb_super knows pages that do not survive a CR3 load */
    uint8_t *meta;    /* per-tb arrays */
    size_t meta_used;
    bool fell;         /* op_stop was reached */
    bool flags_native; /* during a callout: the flags are in native.flags only */
    /* adaptation (adapt.c) */
    struct aspace aspace[ASPACE_SIZE];
    struct aspace *as;            /* of the current CR3; NULL: look it up */
    struct window *user_window;   /* of the current CR3; NULL: user code takes the checked way too */
    struct window *super_window;  /* the same for supervisor code: the global one, or that of CR3 */
    struct window *global_window; /* NULL: none, or it would be of no use */
    uint64_t swept;               /* ms: when code pages were last looked through */
    uint32_t no_global;           /* paging mode in which the global window was of no use */
    uint64_t gs_base;
    bool fsgsbase; /* WRGSBASE may be used */
    struct site site[SITE_SIZE];
    uint32_t tick;
    struct {
        uint32_t tb, due;
    } checked_tb[CHECKED_MAX]; /* translations with such instructions */
    unsigned checked_count;
    uint64_t promotions, demotions, sites_checked, window_faults;
    uint32_t recent[RECENT]; /* EIP of the last entries into the cache */
    unsigned recent_next;
    FILE *perfmap;
    /* counters */
    uint64_t translated, translated_insns, translated_bytes, translate_ns, fpu_saves, fpu_loads, enters, exits_unlinked,
        page_misses, callouts, links, faults, verified, flushes, interp_blocks, killed, tables_emptied, table_faults;
    uint64_t callouts_by_row[1024];
};

#define META_BYTES  (256ull << 20)
#define TB_MAX      (1u << 20)
#define EXIT_MAX    (1u << 21)
#define VPAGE_MAX   (1u << 20)
#define TABLE_BYTES (1ull << 34)
#define TABLE_PIECE (64u << 10)

#define CPU_OFF(field) ((int32_t)offsetof(struct cpu, field))

/* Forget all pages of code. */
static inline void itlb_clear(struct cpu *c)
{
    memset(c->native.itlb_super, 0, sizeof c->native.itlb_super);
    memset(c->native.itlb_user, 0, sizeof c->native.itlb_user);
}

/* The itlb slot of a linear address, in code of this key. */
static inline uint32_t *itlb_slot(struct cpu *c, uint32_t key, gla_t la)
{
    return key & FETCH_USER ? &c->native.itlb_user[la >> PAGE_SHIFT & (ITLB_USER - 1)]
                            : &c->native.itlb_super[la >> PAGE_SHIFT & (ITLB_SUPER - 1)];
}

static inline struct bt *bt_of(const struct cpu *c) { return c->engine; }

/* tcache.c */
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

/* budget.c: bytes of host memory by purpose. */
struct bt_memory {
    uint64_t code, translations, blocks, tables, windows, total;
};
struct bt_memory bt_memory(const struct bt *bt);
void budget_create(struct bt *bt);
/* Pieces of tables that there may be. */
uint32_t budget_pieces(const struct bt *bt);
/* Empties tables that are too large; whether everything else must go as well. */
bool budget_exceeded(struct bt *bt);

/* stubs.c */
void stubs_emit(struct bt *bt);

/* translate.c: NULL if there is no room (flush and try again). */
struct tb *translate(struct bt *bt, struct block *b, gla_t la);
void op_stop(struct cpu *c, const struct insn *i);

/* fpu.c: bring struct cpu's FPU state up to date and stop using the host's registers for it; the
 * opposite (false: the state is not one that may be live); work out native.fpu_off and sse_off. */
void fpu_save(struct cpu *c);
bool fpu_load(struct cpu *c);
/* The x87 instruction of *tb that ran last when instruction k is next: its number, or -1 if there is none, or
 * none since translated code has named one. */
int x87_before(const struct tb *tb, unsigned k);
/* What native.x87_last names it by. */
uint32_t x87_name(const struct bt *bt, const struct tb *tb, unsigned k);
void fpu_gate(struct cpu *c);

/* callout.c */
uint64_t callout_site(struct cpu *c, uint32_t id);
void flags_to_lazy(struct cpu *c);
void flags_to_native(struct cpu *c);

/* options.c: `text`: what follows -accel bt, or NULL. 0 or -EINVAL after saying why. */
int bt_parse_options(struct bt_options *o, const char *text);
/* bt.c: go on with translated code at CS:EIP, from a callout: sets native.resume. False: leave. */
bool bt_try_resume(struct bt *bt);
/* stats.c */
void bt_stats(struct cpu *c, FILE *f);
void bt_dump_code(struct cpu *c, gla_t la, FILE *f);
/* Our own bug: registers, last exceptions, last blocks. */
void bt_post_mortem(struct bt *bt, FILE *f);
/* perf's map of code that is not in a file: /tmp/perf-PID.map. */
int perfmap_open(struct bt *bt);
void perfmap_add(struct bt *bt, const struct tb *tb);

/* adapt.c */
/* CR3 may have changed: find the window of the current address space. */
void adapt_find(struct bt *bt);
/* At interrupts, and whenever the engine starts to run. */
void adapt_sweep(struct bt *bt);
/* An interrupt came (from user mode or not): the clock of promotion and demotion. */
void adapt_tick(struct bt *bt, bool user);
/* A memory operand of instruction k of *tb was trouble, so much. Retranslates it if it was too often. */
void adapt_site(struct bt *bt, struct tb *tb, unsigned k, unsigned weight);
/* Whether the instruction at this physical address is to take the checked way. */
bool adapt_is_checked(const struct bt *bt, gpa_t pa);
/* Its address wraps at 4 GiB (it missed the window): from now on with addr32 gs:. */
void adapt_wraps(struct bt *bt, struct tb *tb, unsigned k);
bool adapt_is_wrapping(const struct bt *bt, gpa_t pa);
/* *tb has such instructions: remember to try them the direct way again. */
void adapt_checked_tb(struct bt *bt, struct tb *tb);
enum { TROUBLE_AGAIN = 1, TROUBLE_FAULT = 1, TROUBLE_SLOW = 6 };

/* fault.c */
int fault_install(struct bt *bt);
void fault_remove(struct bt *bt);

#endif
