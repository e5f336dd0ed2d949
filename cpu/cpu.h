/* cpu.h - the architectural state of one 32-bit x86 CPU, and what every engine may ask of it.
 *
 * The state is laid out hot first. Derived fields are marked; cpu_update_derived() recomputes
 * them from the architectural ones (after a load of control or segment registers, or a restore).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include "cpu/base.h"

#include <setjmp.h>
#include <stdio.h>

/* --- names of the manual --- */

enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };
enum { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT };

#define EFLAGS_CF         0x00000001u
#define EFLAGS_1          0x00000002u
#define EFLAGS_PF         0x00000004u
#define EFLAGS_AF         0x00000010u
#define EFLAGS_ZF         0x00000040u
#define EFLAGS_SF         0x00000080u
#define EFLAGS_TF         0x00000100u
#define EFLAGS_IF         0x00000200u
#define EFLAGS_DF         0x00000400u
#define EFLAGS_OF         0x00000800u
#define EFLAGS_IOPL       0x00003000u
#define EFLAGS_NT         0x00004000u
#define EFLAGS_RF         0x00010000u
#define EFLAGS_VM         0x00020000u
#define EFLAGS_AC         0x00040000u
#define EFLAGS_VIF        0x00080000u
#define EFLAGS_VIP        0x00100000u
#define EFLAGS_ID         0x00200000u
#define EFLAGS_ARITH      (EFLAGS_CF | EFLAGS_PF | EFLAGS_AF | EFLAGS_ZF | EFLAGS_SF | EFLAGS_OF)
#define EFLAGS_IOPL_SHIFT 12

#define CR0_PE 0x00000001u
#define CR0_MP 0x00000002u
#define CR0_EM 0x00000004u
#define CR0_TS 0x00000008u
#define CR0_ET 0x00000010u
#define CR0_NE 0x00000020u
#define CR0_WP 0x00010000u
#define CR0_AM 0x00040000u
#define CR0_NW 0x20000000u
#define CR0_CD 0x40000000u
#define CR0_PG 0x80000000u

#define CR4_VME        0x001u
#define CR4_PVI        0x002u
#define CR4_TSD        0x004u
#define CR4_DE         0x008u
#define CR4_PSE        0x010u
#define CR4_PAE        0x020u
#define CR4_MCE        0x040u
#define CR4_PGE        0x080u
#define CR4_PCE        0x100u
#define CR4_OSFXSR     0x200u
#define CR4_OSXMMEXCPT 0x400u

#define EFER_NXE 0x800u

/* Vectors (SDM 3A, table 6-1). */
enum {
    EXC_DE = 0,
    EXC_DB = 1,
    EXC_NMI = 2,
    EXC_BP = 3,
    EXC_OF = 4,
    EXC_BR = 5,
    EXC_UD = 6,
    EXC_NM = 7,
    EXC_DF = 8,
    EXC_TS = 10,
    EXC_NP = 11,
    EXC_SS = 12,
    EXC_GP = 13,
    EXC_PF = 14,
    EXC_MF = 16,
    EXC_AC = 17,
    EXC_MC = 18,
    EXC_XM = 19,
};

/* #PF error code */
#define PFERR_P    1u
#define PFERR_W    2u
#define PFERR_U    4u
#define PFERR_RSVD 8u
#define PFERR_I    16u

/* Segment rights, as bits 8..23 of a descriptor's high dword:
 *   15 G | 14 D/B | 13 L | 12 AVL | 11..8 0 | 7 P | 6..5 DPL | 4 S | 3..0 TYPE */
#define AR_TYPE      0x000fu
#define AR_ACCESSED  0x0001u
#define AR_RW        0x0002u /* data: writable; code: readable */
#define AR_EC        0x0004u /* data: expand down; code: conforming */
#define AR_CODE      0x0008u
#define AR_S         0x0010u
#define AR_DPL       0x0060u
#define AR_P         0x0080u
#define AR_AVL       0x1000u
#define AR_DB        0x4000u
#define AR_G         0x8000u
#define AR_DPL_SHIFT 5

/* System descriptor types. */
enum {
    DT_TSS16 = 1,
    DT_LDT = 2,
    DT_TSS16_BUSY = 3,
    DT_CALL16 = 4,
    DT_TASK = 5,
    DT_INT16 = 6,
    DT_TRAP16 = 7,
    DT_TSS32 = 9,
    DT_TSS32_BUSY = 11,
    DT_CALL32 = 12,
    DT_INT32 = 14,
    DT_TRAP32 = 15,
};

/* --- features and models --- */

enum feature {
#define FEATURE(name, leaf, reg, bit) FEAT_##name,
#include "cpu/isa/feature.def"
#undef FEATURE
    FEAT_COUNT
};

struct cpu_model {
    const char *name;
    const char *text;
    const char *vendor; /* 12 characters */
    const char *brand;  /* leaves 80000002h..4h; NULL: none */
    uint32_t signature; /* family, model, stepping: CPUID.1:EAX */
    uint64_t features;  /* bit (1 << FEAT_x) */
    uint32_t tsc_khz;
};

/* Find a model by name, or NULL. cpu_model_list: the i-th model, NULL after the last. */
const struct cpu_model *cpu_model_find(const char *name);
const struct cpu_model *cpu_model_list(unsigned i);

/* --- state --- */

struct seg {
    uint16_t sel;
    uint16_t attr; /* AR_* */
    uint32_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint64_t rlim;  /* derived: a read of up to 16 bytes at offset o is inside if o < rlim */
    uint64_t wlim;  /* derived: the same for writes */
};

struct dtable {
    uint32_t base;
    uint16_t limit;
};

struct f80 {
    uint64_t m;  /* significand, explicit integer bit; also MMX register */
    uint16_t se; /* sign and exponent */
};

union xmm {
    uint8_t b[16];
    uint16_t w[8];
    uint32_t d[4];
    uint64_t q[2];
} __attribute__((aligned(16), GUEST_ORDER));

struct fpu {
    struct f80 r[8]; /* physical registers R0..R7; ST(i) is r[(top + i) & 7], MMi is r[i].m */
    uint16_t cw;
    uint16_t sw; /* without TOP, which is in `top` */
    uint8_t top;
    uint8_t empty; /* bit n: R(n) is empty (inverse of the abridged FXSAVE tag) */
    uint16_t fop;  /* last x87 opcode, 11 bits */
    uint16_t fcs, fds;
    uint32_t fip, fdp;
    uint32_t mxcsr;
    union xmm xmm[8];
};

/* Interrupt shadows: after STI interrupts, after MOV SS and POP SS debug traps too. */
enum { SHADOW_NONE, SHADOW_STI, SHADOW_SS };

/* One software-TLB entry: caches one 4 KiB page at one privilege. A tag is the linear page, or
 * tlb_none() when that access must take the slow path (absent, MMIO, not dirty yet, code page,
 * breakpoint). host address = addend + linear address.
 * An access of up to 511 bytes at `la` hits if its last byte lies in the tagged page; so the tag of
 * no page at entry n is a page that no access looked up at n can end in. */
#define TLB_BITS      10
#define TLB_SIZE      (1u << TLB_BITS)
#define TLB_INDEX(la) ((la) >> PAGE_SHIFT & (TLB_SIZE - 1))
static inline uint32_t tlb_none(unsigned n) { return (n ^ TLB_SIZE / 2) << PAGE_SHIFT; }

struct tlb_entry {
    uint32_t tag;
    uintptr_t addend;
};

struct tlb {
    struct tlb_entry r[TLB_SIZE]; /* for reading */
    struct tlb_entry w[TLB_SIZE]; /* for writing: apart, so that a copy does not evict itself */
    uint8_t r_global[TLB_SIZE];
    uint8_t w_global[TLB_SIZE];
    /* Pages that may be written, but hold code: the linear page (or tlb_none()), its physical address
     * for c->engine_invalidate, and where that is not needed (blocks_cover()). w's addend holds for
     * them too. */
    uint32_t code_tag[TLB_SIZE];
    gpa_t code_pa[TLB_SIZE];
    const uint8_t *code_cover[TLB_SIZE];
};

enum { TLB_SUPER, TLB_USER, TLB_CHECK, TLB_COUNT }; /* CHECK: alignment checks, never filled */

/* Reasons to leave the fast path of an engine, set from any thread. */
#define EVENT_INTR   1u /* the INTR pin is high */
#define EVENT_NMI    2u
#define EVENT_KICK   4u  /* the machine wants the vCPU thread: timers, devices, quit */
#define EVENT_RESET  8u  /* INIT */
#define EVENT_SINGLE 16u /* TF, breakpoints or an interrupt shadow: go one instruction at a time */

struct insn;
struct cpu;

#define INVLPG_RING 8u

/* What else than its bytes decides how code is decoded and found. */
#define FETCH_D    1u /* CS.D */
#define FETCH_USER 2u /* CPL 3 */
#define FETCH_FLAT 4u /* ES, SS and DS are flat: base 0, limit 4 GiB, writable; SS.B is 1 */
#define FETCH_SS32 8u /* SS.B */
#define FETCH_BITS 4

/* The memory of the machine, implemented by mmu/. All of these may raise guest exceptions, except
 * where noted. `user`: check as CPL 3 (c->cpl == 3 and not an implicit system access). */
struct mem_ops {
    uint64_t (*read)(struct cpu *c, gla_t la, unsigned size, bool user);
    void (*write)(struct cpu *c, gla_t la, uint64_t v, unsigned size, bool user);
    /* Raise what a write of `size` bytes at la would raise, and do nothing else (A and D are set). */
    void (*probe_write)(struct cpu *c, gla_t la, unsigned size, bool user);
    /* Translate for instruction fetch: the page's physical address in *pa and its host address
     * (NULL: not memory, fetch through mem_ops.fetch_byte). */
    const uint8_t *(*fetch)(struct cpu *c, gla_t la, gpa_t *pa);
    uint8_t (*fetch_byte)(struct cpu *c, gpa_t pa);
    /* Writes to this physical page must call c->engine_invalidate from now on. Never raises. */
    void (*watch_code)(struct cpu *c, gpa_t pa);
    void (*unwatch_code)(struct cpu *c, gpa_t pa);
    /* TLB maintenance; never raise. */
    void (*flush)(struct cpu *c, bool global_too);
    void (*invlpg)(struct cpu *c, gla_t la);
    /* Load the four PAE pointers from CR3 (SDM 3A 4.4.1); false: reserved bits set. */
    bool (*load_pdptes)(struct cpu *c);
    /* Debugger's view: translate without side effects. Returns false if not mapped. */
    bool (*debug_translate)(struct cpu *c, gla_t la, gpa_t *pa);
    void (*phys_read)(struct cpu *c, gpa_t pa, void *buf, size_t len);
    void (*phys_write)(struct cpu *c, gpa_t pa, const void *buf, size_t len);
};

/* What the machine offers its CPU; set by whoever puts the machine together. */
struct cpu_bus {
    uint32_t (*in)(void *opaque, uint16_t port, unsigned size);
    void (*out)(void *opaque, uint16_t port, uint32_t v, unsigned size);
    int (*intr_ack)(void *opaque); /* vector, or -1: spurious withdrawal */
    tick_t (*now)(void *opaque);   /* virtual time */
    uint64_t (*apic_base_read)(void *opaque);
    bool (*apic_base_write)(void *opaque, uint64_t v); /* false: #GP */
    void (*ferr)(void *opaque, int level);             /* FERR# -> IRQ 13 when CR0.NE = 0 */
};

#define EXC_RING 32
struct exc_record {
    uint64_t icount;
    uint8_t vector;
    uint8_t kind; /* 0 fault/trap, 1 interrupt, 2 INT n */
    uint8_t cpl;
    uint32_t error;
    uint16_t cs;
    uint32_t eip, esp, eflags, cr2, eax;
};

/* With rep_whole: the bits of ECX that are 0 where a repeated instruction is cut. */
#define REP_CUT_BITS 14

struct cpu {
    /* --- hot --- */
    uint32_t r[9];   /* EAX..EDI; r[8] is always 0 (absent base or index) */
    uint32_t eip;    /* while a block runs: EIP of its first instruction */
    uint32_t lf_res; /* lazy flags, see flags.h */
    uint32_t lf_aux;
    uint32_t eflags;  /* all but the arithmetic flags; bit 1 set */
    uint32_t sp_mask; /* derived: 0xffff or 0xffffffff by SS.B */
    uint32_t cpl;
    _Atomic uint32_t events;
    struct tlb *tlb;       /* derived: the set for this privilege */
    uint32_t fetch_key;    /* derived: FETCH_* of the code that runs */
    uint32_t fetch_gen;    /* moves on when linear addresses may translate differently: */
    uint32_t flush_gen;    /* because the TLB was flushed, but for global pages, */
    uint32_t global_gen;   /* or flushed whole, */
    uint32_t invlpg_count; /* or by INVLPG of these addresses (the last ones) */
    gla_t invlpg_la[INVLPG_RING];
    bool fetch_global; /* the page that mem_ops.fetch found last survives a CR3 load */
    struct seg seg[SEG_COUNT];
    uint64_t icount;        /* instructions executed, up to the block that runs now */
    const struct insn *cur; /* instruction that may raise (set by slow paths before they can) */

    /* --- system registers --- */
    uint32_t cr0, cr2, cr3, cr4;
    uint32_t dr[8];
    struct seg ldtr, tr;
    struct dtable gdtr, idtr;
    uint64_t pdpte[4];
    uint64_t efer;
    uint64_t tsc_offset;
    uint64_t msr_sysenter_cs, msr_sysenter_esp, msr_sysenter_eip;
    uint64_t msr_pat, msr_misc_enable, msr_mtrr_def, msr_mcg_status, msr_bios_sign;
    uint64_t msr_mtrr_fix[11], msr_mtrr_var[16];
    struct fpu fpu __attribute__((aligned(16)));

    /* --- between instructions --- */
    bool halted;
    uint8_t shadow;     /* SHADOW_*: what is inhibited for one instruction (SDM 3A 6.8.3) */
    uint64_t shadow_at; /* the shadow holds while icount is this */
    bool step;          /* TF was set when this instruction began */
    bool nmi_blocked;
    bool shut_down;      /* after a triple fault, until reset */
    uint32_t db_pending; /* DR6 bits of debug traps to deliver after this instruction */
    bool db_bp_active;   /* derived: DR7 enables something */

    /* --- exception being raised --- */
    jmp_buf jmp;
    struct {
        int vector;
        bool has_error;
        uint32_t error;
        int delivering; /* vector whose delivery is under way, -1 none (double faults) */
        uint32_t ext;   /* 1 while an event external to the program is delivered: EXT bit */
    } exc;
    struct exc_record exc_ring[EXC_RING];
    unsigned exc_next;

    /* --- wiring --- */
    const struct cpu_model *model;
    uint64_t features;
    const struct mem_ops *mem;
    void *mem_opaque;
    const struct cpu_bus *bus;
    void *bus_opaque;
    void (*engine_invalidate)(struct cpu *c, gpa_t pa, unsigned len); /* code was written */
    void (*engine_flush)(struct cpu *c);                              /* physical map changed: drop all code */
    void *engine;
    struct block_cache *blocks; /* decoded code (block.h) */
    /* An event was set, perhaps by another thread: stop translated code soon. NULL: not needed. */
    void (*engine_kick)(struct cpu *c);
    uint64_t icount_stop; /* run no further than this instruction count */
    uint64_t rmw_buf[2];
    struct callouts *callouts; /* functions of plug-ins (callout.h) */
    uint32_t callout_mask;     /* bit n: something is registered for event n */
    bool fdp_untracked;        /* x87 instructions leave FDP and FDS as they are (lockstep) */
    bool rep_whole;            /* EVENT_KICK does not cut a repeated instruction; certain counts do (exact runs) */
    bool rep_kick;             /* ... and are followed by a kick (lockstep: a slice does not last long) */
    bool icount_exact;         /* c->icount must be exact: time comes from it */
    size_t tail;               /* bytes behind it */
    struct tlb *tlbs;          /* TLB_COUNT of them, elsewhere: what runs all the time stays within a page */
};

/* Where an engine's own matter begins: in a cache line of its own. */
#define CPU_TAIL ((sizeof(struct cpu) + 63) & ~(size_t)63)

static inline bool cpu_has(const struct cpu *c, enum feature f) { return c->features >> f & 1; }

/* Real mode, virtual-8086 mode, protected mode proper. */
static inline bool cpu_pe(const struct cpu *c) { return c->cr0 & CR0_PE; }
static inline bool cpu_v86(const struct cpu *c) { return c->eflags & EFLAGS_VM; }
static inline bool cpu_prot(const struct cpu *c) { return cpu_pe(c) && !cpu_v86(c); }
static inline unsigned cpu_shadow(const struct cpu *c) { return c->icount == c->shadow_at ? c->shadow : SHADOW_NONE; }
static inline unsigned cpu_iopl(const struct cpu *c) { return (c->eflags & EFLAGS_IOPL) >> EFLAGS_IOPL_SHIFT; }

/* Create a CPU of `model` with everything zero but the wiring to come; NULL: out of memory. Behind it are
 * `tail` bytes, zero, for what its engine keeps beside it (engine_class.tail). */
struct cpu *cpu_create(const struct cpu_model *model, size_t tail);
static inline void *cpu_tail(const struct cpu *c) { return (uint8_t *)(uintptr_t)c + CPU_TAIL; }
void cpu_destroy(struct cpu *c);

/* State after RESET (SDM 3A table 9-1); cpu_init: after INIT (FPU and MSRs are kept). */
void cpu_reset(struct cpu *c);
void cpu_init(struct cpu *c);

/* Recompute the derived fields: limits, stack mask, TLB set, breakpoints. */
void cpu_update_derived(struct cpu *c);
void seg_update(struct seg *s);      /* rlim and wlim of one segment */
void cpu_update_mode(struct cpu *c); /* tlb, sp_mask, EVENT_SINGLE */

/* Full EFLAGS with the arithmetic flags worked out, and the opposite. */
uint32_t cpu_get_eflags(const struct cpu *c);
void cpu_set_eflags(struct cpu *c, uint32_t v);

/* Events from any thread. */
void cpu_set_event(struct cpu *c, uint32_t event);
void cpu_clear_event(struct cpu *c, uint32_t event);

/* Whether a repeated instruction has to stop between two iterations: something that is waiting can be
 * taken now (a masked interrupt cannot), or a debug trap is due. RF and breakpoints that have not hit do
 * not stop it: how often it stops must not depend on what a TLB holds. */
static inline bool cpu_event_due(const struct cpu *c)
{
    return (c->events & (c->rep_whole ? EVENT_NMI | EVENT_RESET : EVENT_NMI | EVENT_RESET | EVENT_KICK)) ||
           ((c->events & EVENT_INTR) && (c->eflags & EFLAGS_IF)) || (c->eflags & EFLAGS_TF) || c->db_pending;
}

/* Instructions executed before the current one, exact inside a block too if c->cur is set. */
uint64_t cpu_icount(const struct cpu *c);

/* Print registers as the monitor's `info registers` does; the last exceptions, oldest first. */
void cpu_dump(struct cpu *c, FILE *f);
void cpu_dump_exceptions(struct cpu *c, FILE *f);

/* --- raising (exception.c). They leave through c->jmp and never return. --- */
void cpu_raise(struct cpu *c, int vector) noreturn_fn;
void cpu_raise_err(struct cpu *c, int vector, uint32_t error) noreturn_fn;
void cpu_raise_pf(struct cpu *c, gla_t la, uint32_t error) noreturn_fn;

#endif
