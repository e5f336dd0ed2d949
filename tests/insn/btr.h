/* btr.h - random sequences of instructions under two engines: what the files of bt_random share.
 *
 * An environment (btr_env.c) is a mode of the CPU with its descriptor and page tables, and RAM full of
 * random data; it serves some cases. A case (btr_gen.c) is a sequence of instructions, started a few
 * times with other registers. The reference (btr_run.c) is the interpreter, one instruction at a time;
 * the engine under test runs the same from the same state, and everything is compared.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_INSN_BTR_H
#define TESTS_INSN_BTR_H

#include "guest.h"

#include "cpu/engine.h"
#include "mmu/mmu_int.h"

/* --- RAM, by page --- */

#define RAM_PAGES 64u
#define RAM_SIZE  (RAM_PAGES * PAGE_SIZE)
enum {
    PG_IVT,      /* of real mode */
    PG_TABLES,   /* IDT, GDT, LDT, task state segments */
    PG_HANDLERS, /* for each vector HLT, from 80h on IRET */
    PG_KSTACK,   /* stack of level 0, two pages */
    PG_PD = 5,   /* page directory, or with PAE the four pointers */
    PG_PT0,      /* linear 0 on: all of RAM at its place, and a little more */
    PG_PT1,      /* linear 400000h, and the top of memory: anything */
    PG_PD0,
    PG_PD3,  /* PAE */
    PG_GOLD, /* pages before this one are as in env.gold when a run starts */
    PG_CODE = 16,
    PG_DATA = 24,
};
#define CODE_PAGES 8u
#define DATA_PAGES (RAM_PAGES - PG_DATA)
/* Behind RAM: a device's registers, read-only memory, nothing. */
#define PG_IO      (RAM_PAGES + 1)
#define PG_ROM     (RAM_PAGES + 2)

/* Bits of page table entries. */
#define PTE_P  0x001u
#define PTE_W  0x002u
#define PTE_U  0x004u
#define PTE_A  0x020u
#define PTE_D  0x040u
#define PTE_AD (PTE_A | PTE_D)
#define PTE_PS 0x080u
#define PTE_G  0x100u
#define PTE_XD (1ull << 63)

#define TABLES_AT (PG_TABLES * PAGE_SIZE)
#define IDT_AT    TABLES_AT
#define GDT_AT    (TABLES_AT + 0x800)
#define LDT_AT    (TABLES_AT + 0xa00)
#define TSS_AT    (TABLES_AT + 0xb00)
#define TSS2_AT   (TABLES_AT + 0xc00) /* a task to switch to */
#define TSS16_AT  (TABLES_AT + 0xd00)
#define HANDLERS  (PG_HANDLERS * PAGE_SIZE)

#define LA_PT1    0x400000u /* through PG_PT1: the first 8 pages are pages of code */
#define LA_LARGE  0x800000u /* physical 0, a large page if there are any */
#define LA_STRICT 0xc00000u /* PG_PT0 again, through a directory entry with fewer rights */
#define LA_TOP    0xfffff000u

/* GDT: flat segments of the system, users, and the environment's privilege, which those that are not
 * flat have too. */
enum {
    G_KCODE = 1,
    G_KDATA,
    G_UCODE,
    G_UDATA,
    G_FLATCODE,
    G_FLATDATA,
    G_CODE,
    G_CODE_OTHER,
    G_DATA16,
    G_LIMITED,
    G_DOWN32,
    G_DOWN16,
    G_RDONLY,
    G_EXONLY,
    G_RDCODE,
    G_ABSENT,
    G_CONFORMING,
    G_SMALL,
    G_USER_LIMITED,
    G_TSS,
    G_TSS2,
    G_LDT,
    G_CALL32,
    G_CALL16,
    G_TASK,
    G_TSS16,
    G_RANDOM,
    G_COUNT = G_RANDOM + 6,
};

struct env {
    uint64_t seed;
    bool pe, v86, pg, pae, code32, flat;
    unsigned cpl;
    uint32_t cr0, cr4;
    uint64_t efer;
    uint16_t cs; /* selector */
    uint8_t gold[PG_GOLD * PAGE_SIZE];
};

void env_make(struct env *e, uint64_t seed);
/* All of RAM as the environment starts. */
void env_ram(const struct env *e, uint8_t *ram);
/* What a selector loads, in this environment. */
struct seg env_seg(const struct env *e, uint16_t sel);
/* A linear address to put an operand at. */
gla_t env_place(const struct env *e);
/* An offset in segment *s that makes sense, mostly. */
uint32_t env_offset(const struct env *e, const struct seg *s);
/* Selectors to load: of any kind. */
uint16_t env_selector(const struct env *e);
/* A page-table entry with random rights for physical page `page`. */
uint64_t env_pte(const struct env *e, unsigned page);

/* --- a case --- */

#define UNITS_MAX 12
#define SEQ_BYTES 512
struct seq {
    struct seg seg[SEG_COUNT];
    gla_t la; /* of the sequence */
    uint32_t eip;
    uint8_t code[SEQ_BYTES];
    unsigned len; /* with the HLT at the end */
    unsigned count;
    unsigned start[UNITS_MAX + 1];
    uint32_t pte[UNITS_MAX]; /* where it changes page-table entries and says so to the CPU */
    unsigned pte_count;
    unsigned runs;
    uint32_t rep_max;          /* runs that repeat an instruction more often are not compared */
    unsigned place, place_end; /* bytes to put into memory before the next run */
};

/* Make the case that the random numbers give now; units whose bit is set in `omit` are NOPs. */
void seq_make(const struct env *e, struct seq *s, uint32_t omit);
/* Before run r: what of it is to be put into memory; perhaps a unit is something else from now on. */
void seq_next(const struct env *e, struct seq *s, unsigned r, uint32_t omit);

/* The registers a run starts with. */
struct start {
    uint32_t r[8];
    uint32_t eflags, cr0;
    uint32_t dr[8];
    struct fpu fpu;
    bool clear_pt;    /* also put back A and D bits that runs before have set */
    gla_t changed[4]; /* pages whose entries are others from now on */
    unsigned changes;
};
/* May change page tables of *e. */
void start_make(struct env *e, const struct seq *s, struct start *t);

/* --- machines --- */

struct machine {
    struct cpu *c;
    struct memmap *m;
    struct mmu *u;
    struct engine_env env;
    struct engine *engine;
    uint32_t io; /* hash of what went to ports and to the device */
    uint8_t *rom;
};

void small_create(struct machine *v, const struct engine_class *engine, const char *options);
void small_destroy(struct machine *v);
/* All of RAM as the environment starts, and nothing cached. */
void small_enter(struct machine *v, const struct env *e);

/* --- running and comparing (btr_run.c) --- */

enum verdict {
    V_SAME,
    V_DIFFERENT,
    /* the reference's run is no basis for a comparison: */
    V_ENDLESS,   /* too many instructions */
    V_UNDEFINED, /* it depends on an undefined flag or result */
    V_TABLES,    /* it changed page tables without telling the CPU, or CR3 */
    V_COUNT
};

struct run_stats {
    uint64_t runs, insns, verdicts[V_COUNT];
    uint64_t vectors[32];
    uint64_t rows[1024];
};

struct compare {
    struct machine ref, test;
    const char *variant;
    bool exact;      /* the test's instruction count is exact, and so are undefined flags */
    bool pt_written; /* the last run has changed page tables */
    struct run_stats *stats;
};

/* Run it in both. The memory of both is the same afterwards but for V_DIFFERENT. */
enum verdict run_both(struct compare *k, const struct env *e, const struct seq *s, const struct start *t);
/* Print the last run of run_both(): differences, states, what was executed, and host code. */
void run_show(struct compare *k, const struct env *e, const struct seq *s, const struct start *t);
void show_env(const struct env *e);
void show_seq(const struct env *e, const struct seq *s);

#endif
