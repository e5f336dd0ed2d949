/* lockstep_int.h - shared by the files of lockstep/.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef LOCKSTEP_LOCKSTEP_INT_H
#define LOCKSTEP_LOCKSTEP_INT_H

#include "cpu/state.h"
#include "cpu/stats.h"
#include "lockstep/lockstep.h"
#include "mmu/mmu.h"

/* --- the log: what the first CPU got from outside, in order (log.c) --- */

enum entry_kind {
    /* what a CPU asks for by itself */
    ENTRY_IN,
    ENTRY_OUT,
    ENTRY_MMIO_READ,
    ENTRY_MMIO_WRITE,
    ENTRY_NOW,
    ENTRY_APIC_READ,
    ENTRY_APIC_WRITE,
    ENTRY_FERR,
    /* what is done to it: inside one of the above, or between two slices */
    ENTRY_DMA,
    ENTRY_MAP,
    ENTRY_IGNNE,
    /* what happens between two instructions */
    ENTRY_INTR,
    ENTRY_EVENTS,
};

struct entry {
    uint8_t kind;
    uint8_t size;
    bool inside;     /* belongs to the entry before it */
    bool due;        /* after it an event was due: a repeated instruction is left */
    uint8_t events;  /* EVENT_INTR and EVENT_KICK of the first CPU after it */
    uint32_t len;    /* DMA: bytes */
    uint64_t icount; /* instructions executed before */
    uint64_t addr;   /* port or physical address */
    uint64_t value;  /* DMA: offset in log.bytes; MAP: index in log.layouts; INTR: the vector, -1: none */
    uint32_t eip, cs_base, esp, ecx; /* INTR: where exactly */
};

/* A page walk of the first CPU set A or D in an entry of a page table. */
struct ad_entry {
    uint64_t icount;
    gpa_t gpa;
    uint32_t value; /* the low dword as it was written */
};

struct log {
    struct entry *e;
    size_t count, cap;
    size_t *mark; /* entries that are neither asked for nor inside another */
    size_t marks, mark_cap;
    struct ad_entry *ad;
    size_t ads, ad_cap;
    uint8_t *bytes;
    size_t used, byte_cap;
    struct memmap_layout **layouts;
    size_t layout_count, layout_cap;
};

struct entry *log_add(struct log *l, enum entry_kind kind, uint64_t icount, bool inside);
void log_add_dma(struct log *l, uint64_t icount, bool inside, gpa_t gpa, const void *buf, size_t len);
void log_add_map(struct log *l, uint64_t icount, bool inside, const struct memmap *m);
void log_add_ad(struct log *l, uint64_t icount, gpa_t gpa, uint32_t value);
void log_clear(struct log *l);
void log_free(struct log *l);
/* "reads port 60h (1 byte)". */
void log_describe(char *text, size_t size, enum entry_kind kind, uint64_t addr, unsigned bytes, uint64_t value);

/* --- architectural state (arch.c) --- */

/* Into *s, which keeps its memory for the next time. */
void arch_save(struct state_buf *s, const struct cpu *c);
/* Put it into a CPU, also another one of the same model. Everything cached is dropped. */
void arch_load(struct cpu *c, const struct state_buf *s);
/* Whether two CPUs differ in anything a guest can see. */
bool arch_differs(const struct cpu *a, const struct cpu *b);
void arch_print_differences(const struct cpu *a, const struct cpu *b, const char *a_name, const char *b_name, FILE *f);

/* --- the two CPUs --- */

struct lockstep;

/* How far a CPU has followed the log. */
struct cursor {
    size_t at, mark, ad;
    bool corrupted;
};

struct side {
    struct lockstep *ls;
    const char *name;
    const struct engine_class *class;
    struct engine *engine;
    struct cpu *c;
    struct memmap *map;
    struct memmap_listener listener;
    const struct mem_ops *real; /* mmu's functions */
    struct mem_ops ops;         /* ... with ours in front */
    bool applying;              /* writes to memory come from the log */
    bool fetching;              /* code is read from what is not memory */
    bool lost;                  /* it did what the log does not say: ls->why */
    bool intr_taken;
    struct cursor cur;
    /* checkpoint */
    struct cursor saved_cur;
    struct state_buf saved; /* arch_save */
    struct memmap_layout *saved_layout;
};

/* The second CPU's writes since the checkpoint and in this slice (twin.c). */
struct page_set {
    uint64_t *bit;
    int64_t *page;
    size_t count, cap;
};

struct slice {
    uint64_t end; /* instruction count */
    size_t log_end, ad_end;
    bool intr;     /* it began with INTR high */
    bool shutdown; /* it ended in a triple fault */
};

struct lockstep_counters {
#define LOCKSTEP STAT_MEMBER
#include "cpu/stats.def"
};

struct lockstep {
    struct engine engine;
    const struct engine_env *env;
    struct engine_env second_env;
    const struct cpu_bus *bus; /* the board's */
    void *bus_opaque;
    struct side first, second;
    struct log log;
    /* options */
    uint64_t slice_len; /* instructions */
    uint64_t ram_every; /* slices */
    uint64_t corrupt;   /* flip a bit of EAX after this many instructions; 0: never */
    /* recording */
    bool running;     /* the first CPU runs */
    unsigned depth;   /* ... and is inside device code */
    uint32_t given;   /* events it was given and has not taken */
    uint32_t pending; /* ... that wait for the end of the slice */
    uint16_t fpu_sw;  /* before the device code */
    bool fresh;       /* the second CPU is to be made equal to the first */
    bool failed;
    struct slice *slices; /* since the checkpoint */
    size_t slice_count, slice_cap;
    size_t limit, ad_limit; /* replaying: how much of the log counts */
    size_t ad_begin;        /* ... where this slice's A and D entries begin */
    char why[400];          /* what was different, if it was not the state */
    /* memory */
    uint8_t *first_ram, *second_ram, *undo;
    uint64_t ram_size;
    struct page_set saved, dirty, suspect;
    struct lockstep_counters stats;
};

/* record.c: the first CPU's bus and memory, with everything written down. */
void record_attach(struct lockstep *ls);
/* Events that devices raised meanwhile: given at the next boundary, at the same place to both. */
void record_boundary(struct lockstep *ls);
/* Run the first CPU up to instruction `to`. */
enum exit_reason record_slice(struct lockstep *ls, uint64_t to);

/* replay.c: a CPU's bus and memory fed from the log. */
void replay_attach(struct side *s);
/* A slice begins: the first CPU finds INTR as it did then. */
void replay_begin(struct side *s, const struct slice *sl);
/* Run until `to` instructions have been executed in all; `last`: this ends the slice, so what the
 * log says happened at `to` happens. Sets s->lost when it goes another way. */
void replay_advance(struct side *s, uint64_t to, bool last);
/* The rest of a slice: the triple fault, if it ended in one, and that nothing is left in the log. */
void replay_finish(struct side *s, const struct slice *sl);
/* Flip the bit, if it is time to. */
void corrupt_if_due(struct side *s);
/* The next instruction count at which something needs the CPU to stop, at most `to`. */
uint64_t corrupt_stop(const struct side *s, uint64_t to);

/* twin.c: the second CPU's memory. */
/* s->real = the memory of its CPU, s->ops = the same for us to put functions in front. */
void side_wrap_memory(struct side *s);
int twin_create(struct lockstep *ls, const struct cpu_model *model);
void twin_destroy(struct lockstep *ls);
/* A page of RAM is about to be written by the second CPU. */
void twin_note_write(struct lockstep *ls, int64_t page);
void twin_note_range(struct lockstep *ls, gpa_t gpa, size_t len);
void twin_begin_slice(struct lockstep *ls);
/* Start remembering anew; and put both memories back to how they were then. */
void twin_checkpoint(struct lockstep *ls);
void twin_rollback_first(struct lockstep *ls);
void twin_rollback_second(struct lockstep *ls);
/* Whether RAM differs in what the second CPU wrote in this slice, or in suspect pages. */
bool twin_differs(struct lockstep *ls);
/* ... anywhere; all pages that differ become suspects. */
bool twin_differs_anywhere(struct lockstep *ls);
void twin_print_differences(struct lockstep *ls, FILE *f);

/* engine.c */
void lockstep_checkpoint(struct lockstep *ls, bool clear_log);
void lockstep_rollback(struct side *s);
bool lockstep_differs(struct lockstep *ls);

/* report.c: find the first instruction after which the CPUs differ, and print all about it. */
void report_difference(struct lockstep *ls);

#endif
