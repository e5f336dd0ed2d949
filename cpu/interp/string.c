/* interp_string.c - MOVS STOS LODS CMPS SCAS INS OUTS, with and without REP.
 *
 * A repeated instruction commits its registers after each element, so that a fault in the middle
 * leaves them right (SDM 2B, REP). Runs of MOVS and STOS inside one page that the TLB maps are done
 * at once. Between runs it can be interrupted: it then leaves the block with EIP on itself.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

static inline uint32_t count_get(const struct cpu *c, const struct insn *i) { return c->r[ECX] & i->amask; }

static inline void add_masked(struct cpu *c, const struct insn *i, unsigned reg, uint32_t n)
{
    c->r[reg] = (c->r[reg] & ~i->amask) | ((c->r[reg] + n) & i->amask);
}

#define SI_OFF      (c->r[ESI] & i->amask)
#define DI_OFF      (c->r[EDI] & i->amask)
#define STEP(bytes) (c->eflags & EFLAGS_DF ? -(uint32_t)(bytes) : (uint32_t)(bytes))
#define IS_REP      (i->flags & (IF_REP | IF_REPNE))

/* Leave between two iterations. RF is then set in the image that an interrupt or a debug trap saves
 * (SDM 3B 17.3.1.1), and no instruction breakpoint hits when the rest is done. */
#define REP_LEAVE               \
    do {                        \
        c->eflags |= EFLAGS_RF; \
        cpu_update_mode(c);     \
        LEAVE(EIP_HERE);        \
    } while (0)

/* Where runs must repeat exactly, nothing that comes from outside may cut a repeated instruction; so that it
 * does not last for seconds it is cut wherever a multiple of so many iterations is left. */
#define REP_CUT 0x4000u
_Static_assert(REP_CUT == 1u << REP_CUT_BITS, "the translator calls out for longer ones");

static inline bool cut_here(struct cpu *c, uint32_t left)
{
    if (likely(!c->rep_whole) || (left & (REP_CUT - 1)))
        return false;
    if (c->rep_kick)
        cpu_set_event(c, EVENT_KICK);
    return true;
}

/* Iterations up to the end, or to where it is cut. */
static inline uint32_t count_room(const struct cpu *c, const struct insn *i)
{
    uint32_t n = count_get(c, i);

    if (likely(!c->rep_whole) || n <= REP_CUT)
        return n;
    return n & (REP_CUT - 1) ? n & (REP_CUT - 1) : REP_CUT;
}

/* Between two iterations: leave if something is waiting. */
#define REP_BREAK                                                     \
    do {                                                              \
        if (unlikely(c->events || c->rep_whole) && count_get(c, i) && \
            (cpu_event_due(c) || cut_here(c, count_get(c, i))))       \
            REP_LEAVE;                                                \
    } while (0)

/* How many elements from linear address `la` on lie in its page and, by `off`, below the segment
 * offset where the address size wraps. */
static inline uint32_t page_run(const struct insn *i, gla_t la, uint32_t off, unsigned size)
{
    uint32_t n = (PAGE_SIZE - (la & ~PAGE_MASK)) / size;
    uint64_t wrap = ((uint64_t)i->amask + 1 - off) / size;

    return wrap < n ? (uint32_t)wrap : n;
}

/* Host address of a run of `n` elements at seg:off that may be accessed directly, or NULL. */
static void *run_host(struct cpu *c, unsigned seg, uint32_t off, uint32_t bytes, bool write)
{
    const struct seg *s = &c->seg[seg];
    gla_t la = s->base + off;
    const struct tlb_entry *e = write ? TLB_W(la) : TLB_R(la);

    if (off + (uint64_t)bytes > (write ? s->wlim : s->rlim))
        return NULL;
    if (e->tag != (la & PAGE_MASK))
        return NULL;
    return (void *)(e->addend + la);
}

/* Up to a page of MOVS going up. Returns the number of elements moved, 0: do one the slow way. */
static uint32_t movs_run(struct cpu *c, const struct insn *i, unsigned size)
{
    uint32_t n = count_room(c, i);
    uint32_t k;
    uint8_t *d;
    const uint8_t *s;

    if (c->eflags & EFLAGS_DF)
        return 0;
    k = page_run(i, c->seg[i->seg].base + SI_OFF, SI_OFF, size);
    n = n < k ? n : k;
    k = page_run(i, c->seg[SEG_ES].base + DI_OFF, DI_OFF, size);
    n = n < k ? n : k;
    if (n < 2)
        return 0;
    s = run_host(c, i->seg, SI_OFF, n * size, false);
    d = run_host(c, SEG_ES, DI_OFF, n * size, true);
    if (!s || !d)
        return 0;
    if (d > s && d < s + n * size) {
        /* the source is overwritten on the way: the pattern must repeat as on hardware */
        for (k = 0; k < n; k++)
            store_n(d + k * size, load_n(s + k * size, size), size);
    } else {
        memmove(d, s, n * size);
    }
    return n;
}

static uint32_t stos_run(struct cpu *c, const struct insn *i, unsigned size)
{
    uint32_t n = count_room(c, i);
    uint32_t k;
    uint8_t *d;

    if (c->eflags & EFLAGS_DF)
        return 0;
    k = page_run(i, c->seg[SEG_ES].base + DI_OFF, DI_OFF, size);
    n = n < k ? n : k;
    if (n < 2)
        return 0;
    d = run_host(c, SEG_ES, DI_OFF, n * size, true);
    if (!d)
        return 0;
    if (size == 1)
        memset(d, c->r[EAX], n);
    else
        for (k = 0; k < n; k++)
            store_n(d + k * size, c->r[EAX], size);
    return n;
}

/* The flags are set at the end only: a fault in a later iteration leaves them as they were before
 * the instruction (SDM 2B REP), unlike an interrupt. */
#define DEF_COMPARE(name, bits)                                                                        \
    OP(name##bits)                                                                                     \
    {                                                                                                  \
        uint##bits##_t a, b;                                                                           \
        bool more;                                                                                     \
        if (!IS_REP) {                                                                                 \
            name##_load##bits(c, i, &a, &b);                                                           \
            lf_sub##bits(c, a, b, (uint##bits##_t)(a - b));                                            \
            NEXT;                                                                                      \
        }                                                                                              \
        if (!count_get(c, i))                                                                          \
            NEXT;                                                                                      \
        do {                                                                                           \
            name##_load##bits(c, i, &a, &b);                                                           \
            add_masked(c, i, ECX, -1);                                                                 \
            more = count_get(c, i) && (a == b) == ((i->flags & IF_REP) != 0);                          \
        } while (more && !(unlikely(c->events) && cpu_event_due(c)) && !cut_here(c, count_get(c, i))); \
        lf_sub##bits(c, a, b, (uint##bits##_t)(a - b));                                                \
        if (more)                                                                                      \
            REP_LEAVE;                                                                                 \
        NEXT;                                                                                          \
    }

#define DEF_STRING(bits)                                                                                          \
    static inline void movs_one##bits(struct cpu *c, const struct insn *i)                                        \
    {                                                                                                             \
        uint##bits##_t v = seg_read##bits(c, i, i->seg, SI_OFF);                                                  \
        uint32_t step = STEP(bits / 8);                                                                           \
        seg_write##bits(c, i, SEG_ES, DI_OFF, v);                                                                 \
        add_masked(c, i, ESI, step);                                                                              \
        add_masked(c, i, EDI, step);                                                                              \
    }                                                                                                             \
    OP(movs##bits)                                                                                                \
    {                                                                                                             \
        if (!IS_REP) {                                                                                            \
            movs_one##bits(c, i);                                                                                 \
            NEXT;                                                                                                 \
        }                                                                                                         \
        while (count_get(c, i)) {                                                                                 \
            uint32_t n = unlikely(c->step || c->db_bp_active) ? 0 : movs_run(c, i, bits / 8);                     \
            if (n) {                                                                                              \
                add_masked(c, i, ESI, n *(bits / 8));                                                             \
                add_masked(c, i, EDI, n *(bits / 8));                                                             \
                add_masked(c, i, ECX, -n);                                                                        \
            } else {                                                                                              \
                movs_one##bits(c, i);                                                                             \
                add_masked(c, i, ECX, -1);                                                                        \
            }                                                                                                     \
            REP_BREAK;                                                                                            \
        }                                                                                                         \
        NEXT;                                                                                                     \
    }                                                                                                             \
    OP(stos##bits)                                                                                                \
    {                                                                                                             \
        if (!IS_REP) {                                                                                            \
            seg_write##bits(c, i, SEG_ES, DI_OFF, REG##bits(EAX));                                                \
            add_masked(c, i, EDI, STEP(bits / 8));                                                                \
            NEXT;                                                                                                 \
        }                                                                                                         \
        while (count_get(c, i)) {                                                                                 \
            uint32_t n = unlikely(c->step || c->db_bp_active) ? 0 : stos_run(c, i, bits / 8);                     \
            if (n) {                                                                                              \
                add_masked(c, i, EDI, n *(bits / 8));                                                             \
                add_masked(c, i, ECX, -n);                                                                        \
            } else {                                                                                              \
                seg_write##bits(c, i, SEG_ES, DI_OFF, REG##bits(EAX));                                            \
                add_masked(c, i, EDI, STEP(bits / 8));                                                            \
                add_masked(c, i, ECX, -1);                                                                        \
            }                                                                                                     \
            REP_BREAK;                                                                                            \
        }                                                                                                         \
        NEXT;                                                                                                     \
    }                                                                                                             \
    OP(lods##bits)                                                                                                \
    {                                                                                                             \
        if (!IS_REP) {                                                                                            \
            REG##bits(EAX) = seg_read##bits(c, i, i->seg, SI_OFF);                                                \
            add_masked(c, i, ESI, STEP(bits / 8));                                                                \
            NEXT;                                                                                                 \
        }                                                                                                         \
        while (count_get(c, i)) {                                                                                 \
            REG##bits(EAX) = seg_read##bits(c, i, i->seg, SI_OFF);                                                \
            add_masked(c, i, ESI, STEP(bits / 8));                                                                \
            add_masked(c, i, ECX, -1);                                                                            \
            REP_BREAK;                                                                                            \
        }                                                                                                         \
        NEXT;                                                                                                     \
    }                                                                                                             \
    /* A comparison's operands, ES:eDI first as on Intel's CPUs, and the pointers moved on. */                    \
    static inline void cmps_load##bits(struct cpu *c, const struct insn *i, uint##bits##_t *a, uint##bits##_t *b) \
    {                                                                                                             \
        uint32_t step = STEP(bits / 8);                                                                           \
        *b = seg_read##bits(c, i, SEG_ES, DI_OFF);                                                                \
        *a = seg_read##bits(c, i, i->seg, SI_OFF);                                                                \
        add_masked(c, i, ESI, step);                                                                              \
        add_masked(c, i, EDI, step);                                                                              \
    }                                                                                                             \
    static inline void scas_load##bits(struct cpu *c, const struct insn *i, uint##bits##_t *a, uint##bits##_t *b) \
    {                                                                                                             \
        *a = REG##bits(EAX);                                                                                      \
        *b = seg_read##bits(c, i, SEG_ES, DI_OFF);                                                                \
        add_masked(c, i, EDI, STEP(bits / 8));                                                                    \
    }                                                                                                             \
    DEF_COMPARE(cmps, bits)                                                                                       \
    DEF_COMPARE(scas, bits)                                                                                       \
    /* the store is checked before the port is read: the read may have side effects */                            \
    static inline void ins_one##bits(struct cpu *c, const struct insn *i)                                         \
    {                                                                                                             \
        gla_t la = seg_linear(c, i, SEG_ES, DI_OFF, bits / 8, true);                                              \
        const struct tlb_entry *e = TLB_W(la);                                                                    \
        if (!TLB_HIT(e->tag, la, bits / 8))                                                                       \
            c->mem->probe_write(c, la, bits / 8, c->cpl == 3);                                                    \
        la_write##bits(c, i, la, cpu_in(c, c->r[EDX], bits / 8));                                                 \
        add_masked(c, i, EDI, STEP(bits / 8));                                                                    \
    }                                                                                                             \
    OP(ins##bits)                                                                                                 \
    {                                                                                                             \
        SYNC();                                                                                                   \
        cpu_check_io(c, c->r[EDX], bits / 8);                                                                     \
        if (!IS_REP) {                                                                                            \
            ins_one##bits(c, i);                                                                                  \
            END_BLOCK;                                                                                            \
        }                                                                                                         \
        while (count_get(c, i)) {                                                                                 \
            ins_one##bits(c, i);                                                                                  \
            add_masked(c, i, ECX, -1);                                                                            \
            REP_BREAK;                                                                                            \
        }                                                                                                         \
        END_BLOCK;                                                                                                \
    }                                                                                                             \
    static inline void outs_one##bits(struct cpu *c, const struct insn *i)                                        \
    {                                                                                                             \
        uint##bits##_t v = seg_read##bits(c, i, i->seg, SI_OFF);                                                  \
        SYNC();                                                                                                   \
        cpu_out(c, c->r[EDX], v, bits / 8);                                                                       \
        add_masked(c, i, ESI, STEP(bits / 8));                                                                    \
    }                                                                                                             \
    OP(outs##bits)                                                                                                \
    {                                                                                                             \
        SYNC();                                                                                                   \
        cpu_check_io(c, c->r[EDX], bits / 8);                                                                     \
        if (!IS_REP) {                                                                                            \
            outs_one##bits(c, i);                                                                                 \
            END_BLOCK;                                                                                            \
        }                                                                                                         \
        while (count_get(c, i)) {                                                                                 \
            outs_one##bits(c, i);                                                                                 \
            add_masked(c, i, ECX, -1);                                                                            \
            REP_BREAK;                                                                                            \
        }                                                                                                         \
        END_BLOCK;                                                                                                \
    }
DEF_STRING(8)
DEF_STRING(16)
DEF_STRING(32)

#define SET(name) HSET(name) = { .fn = { { name##8, name##16, name##32 }, { NULL, NULL, NULL } } };
SET(movs)
SET(stos)
SET(lods)
SET(cmps)
SET(scas)
SET(ins)
SET(outs)
