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

#include "bt/adapt.h"
#include "bt/emit.h"
#include "bt/leave.h"
#include "bt/native.h"
#include "bt/tcache.h"
#include "cpu/cpu.h"
#include "cpu/engine.h"
#include "cpu/interp/interp.h"
#include "cpu/interp/interp_int.h"
#include "cpu/stats.h"

#include <stddef.h>

struct bt_options {
    unsigned cache_mb;
    unsigned memory_mb; /* 0: by the guest's RAM */
    unsigned heat;
    bool verify, chain, direct, inline_sys, native_fpu, icount, stats, perfmap;
    bool bmi2, fsgsbase; /* instructions of the host that may be used */
    bool force_direct;   /* every address space has earned its windows from the start: for tests */
};

struct bt_counters {
#define BT STAT_MEMBER
#include "cpu/stats.def"
    uint64_t detours_by_row[1024];
};

/* For what generations of the address space the itlb holds. */
struct itlb {
    uint32_t fetch_gen, flush_gen, global_gen, invlpg_count;
    bool super_local; /* itlb_super knows pages that do not survive a CR3 load */
};

#define RECENT 16
struct bt {
    struct engine engine;
    struct cpu *c;
    struct bt_options opt;
    struct tcache cache;      /* tcache.c */
    struct contexts contexts; /* context.c, table.c */
    struct itlb itlb;         /* bt.c */
    struct adapt adapt;       /* adapt.c */
    struct bt_counters stats; /* stats.c */
    uint64_t memory_max;      /* budget.c */
    bool fell;                /* op_stop was reached */
    bool flags_native;        /* during a detour: the flags are in native.flags only */
    uint32_t recent[RECENT];  /* EIP of the last entries into the cache */
    unsigned recent_next;
    FILE *perfmap;
    struct verifier *verifier; /* with opt.verify */
};

static inline struct bt *bt_of(const struct cpu *c) { return c->engine; }

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

/* detour.c */
uint64_t detour(struct cpu *c, uint32_t id);
void flags_to_lazy(struct cpu *c);
void flags_to_native(struct cpu *c);

/* options.c: `text`: what follows -accel bt, or NULL. 0 or -EINVAL after saying why. */
int bt_parse_options(struct bt_options *o, const char *text);
/* bt.c: go on with translated code at CS:EIP, from a detour: sets native.resume. False: leave. */
bool bt_try_resume(struct bt *bt);
/* stats.c */
void bt_stats(struct engine *e, FILE *f);
void bt_dump_code(struct engine *e, gla_t la, FILE *f);
/* Our own bug: registers, last exceptions, last blocks. */
void bt_post_mortem(struct bt *bt, FILE *f);
/* perf's map of code that is not in a file: /tmp/perf-PID.map. */
int perfmap_open(struct bt *bt);
void perfmap_add(struct bt *bt, const struct tb *tb);

/* fault.c: have the process's signals come to us, for good (0 or -errno). Then, around running translated code on
 * a thread: begin (0, or -ENOMEM) and end; they may nest. */
int fault_install(void);
int fault_begin(struct bt *bt, struct bt **before);
void fault_end(struct bt *before);

#endif
