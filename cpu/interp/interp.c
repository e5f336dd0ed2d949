/* interp.c - the interpreter engine: runs the block at CS:EIP, and between blocks delivers events. The
 * reference for every other engine, which may use its parts (interp.h).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp.h"

#include "cpu/interp/block.h"
#include "cpu/exception.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

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
        if ((c->dr[7] >> (n * 2) & 3) && (c->dr[7] >> (16 + n * 4) & 3) == 0 && c->dr[n] == la) {
            c->dr[6] |= 1u << n;
            hit = true;
        }
    }
    return hit;
}

/* One instruction, with everything that goes by instructions: breakpoints, TF, shadows. */
void interp_step(struct cpu *c)
{
    struct block *b;

    c->cur = &insn_none;
    /* after MOV SS as if RF were 1 (SDM 3B 17.3.1.1) */
    if (c->db_bp_active && !(c->eflags & EFLAGS_RF) && cpu_shadow(c) != SHADOW_SS && exec_breakpoint(c))
        cpu_raise(c, EXC_DB);
    c->step = c->eflags & EFLAGS_TF;
    b = block_find(c, c->seg[SEG_CS].base + c->eip, KEY_SINGLE);
    if (unlikely(log_mask & (1u << LOG_CH_exec | 1u << LOG_CH_cpu)))
        block_log_run(c, b, c->seg[SEG_CS].base + c->eip);
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
bool interp_events(struct cpu *c, enum exit_reason *why)
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
    struct block_cache *in = c->blocks;
    enum exit_reason why;

    for (;;) {
        gla_t la;
        uint64_t tag;
        struct block **slot;
        struct block *b;

        if (unlikely(c->events)) {
            if (interp_events(c, &why))
                return why;
            if (c->icount >= c->icount_stop)
                return EXIT_ICOUNT;
            if ((c->events & EVENT_SINGLE) || cpu_shadow(c)) {
                interp_step(c);
                continue;
            }
        }
        if (unlikely(c->icount >= c->icount_stop)) { /* before a fetch that may fault */
            c->cur = &insn_none;
            return EXIT_ICOUNT;
        }
        la = c->seg[SEG_CS].base + c->eip;
        tag = block_tag(c, la);
        slot = block_slot(c, la);
        b = *slot;
        if (unlikely(!b || b->tag != tag)) {
            in->stats.misses++;
            b = block_find(c, la, 0);
            if (b != in->scratch && b->pa2 == NO_PAGE) {
                b->tag = tag;
                *slot = b;
            }
        } else if (unlikely((uint64_t)c->eip + b->bytes - 1 > c->seg[SEG_CS].limit)) {
            b = block_find(c, la, 0);
        }
        if (unlikely(c->icount + b->n > c->icount_stop)) {
            interp_step(c);
            continue;
        }
        if (unlikely(log_mask & (1u << LOG_CH_exec | 1u << LOG_CH_cpu)))
            block_log_run(c, b, la);
        b->insn[0].fn(c, b->insn);
    }
}

/* An exception was raised: undo into "before the instruction", then deliver. */
void interp_exception(struct cpu *c)
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

static enum exit_reason run(struct engine *e)
{
    struct cpu *c = e->cpu;
    enum exit_reason why;

    if (setjmp(c->jmp))
        interp_exception(c);
    why = run_loop(c);
    c->cur = &insn_none;
    return why;
}

static int create(const struct engine_env *env, const char *options, struct engine **out)
{
    struct engine *e;
    int rc;

    if (options && *options) {
        fprintf(stderr, "callgate: -accel interp takes no options, got '%s'\n", options);
        return -EINVAL;
    }
    e = calloc(1, sizeof *e);
    rc = e ? blocks_create(env->cpu) : -ENOMEM;
    if (rc) {
        free(e);
        return rc;
    }
    *e = (struct engine){ &interp_engine, env->cpu };
    *out = e;
    return 0;
}

static void destroy(struct engine *e)
{
    blocks_destroy(e->cpu);
    free(e);
}

static void stats(struct engine *e, FILE *f)
{
    stats_line(f, "instructions executed", e->cpu->icount);
    blocks_stats(e->cpu, f);
}

const struct engine_class interp_engine = {
    .name = "interp",
    .text = "the interpreter: portable, exact, the reference",
    .create = create,
    .destroy = destroy,
    .run = run,
    .stats = stats,
};
