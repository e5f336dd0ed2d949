/* fault.c - host signals inside translated code: back into the state before the guest instruction.
 *
 * A safepoint that was made to fault leaves between instructions. Anything else that faults is left to
 * the interpreter, which runs the instruction again from its start and raises what the guest should
 * see. Signals are taken on a stack of their own, since RSP is the guest's ESP.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
#include "cpu/fpu/fpu_int.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

/* Signals belong to the process: handlers are installed once, and a thread knows whose code it runs. */
static __thread struct bt *running;
static __thread bool dying;
static struct sigaction old_action[NSIG];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int installed; /* 0 or -errno */
static pthread_key_t stack_key;
#define STACK_SIZE (64u << 10)

static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };

static void save_registers(struct cpu *c, const greg_t *g)
{
    static const int order[8] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI };
    uint32_t f = (uint32_t)g[REG_EFL];
    unsigned n;

    for (n = 0; n < 8; n++)
        c->r[n] = (uint32_t)g[order[n]];
    native_of(c)->flags = ((f & 0xd5) | 2) << 8 | (f >> 11 & 1);
}

/* A page fault at a window's address: fill it. True: try again. */
static bool fill(struct bt *bt, struct tb *tb, unsigned k, const siginfo_t *info, const greg_t *g)
{
    uint64_t at = (uintptr_t)info->si_addr;
    struct window *w = tb->ctx->key & FETCH_USER ? bt->adapt.user_window : bt->adapt.super_window;
    uint64_t base;

    if (!tb->ctx->direct || !w || g[REG_TRAPNO] != 14)
        return false;
    base = window_base(w);
    if (at < base || at - base > 0xffffffff) {
        if (tb->fix[k] < FIX_STRING)
            adapt_wraps(bt, tb, k);
        return false;
    }
    bt->stats.window_faults++;
    tb->hits[k] += 40; /* a signal costs as much as so many detours */
    switch (window_fill(bt->c, w, (gla_t)(at - base), g[REG_ERR] & 2)) {
    case WINDOW_OK: return true;
    case WINDOW_AGAIN: adapt_trouble(bt, tb, k, TROUBLE_AGAIN); return true;
    case WINDOW_FAULT: adapt_trouble(bt, tb, k, TROUBLE_FAULT); return false;
    default: adapt_trouble(bt, tb, k, TROUBLE_SLOW); return false;
    }
}

/* In a saved state the registers stand in the order of the stack: who moves TOP turns them, too. */
static void put_top_back(fpregset_t f, uint16_t sw)
{
    unsigned by = ((sw & SW_TOP) - (f->swd & SW_TOP)) >> 11 & 7;
    struct _libc_fpxreg st[8];
    unsigned n;

    memcpy(st, f->_st, sizeof st);
    for (n = 0; n < 8; n++)
        f->_st[n] = st[(n + by) & 7];
    f->swd = (uint16_t)((f->swd & ~SW_TOP) | (sw & SW_TOP));
}

static bool handle(struct bt *bt, int sig, siginfo_t *info, mcontext_t *m)
{
    greg_t *g = m->gregs;
    uintptr_t pc = (uintptr_t)g[REG_RIP];
    struct cpu *c = bt->c;
    struct tb *tb;
    uint32_t off;
    uint32_t why;
    unsigned k;
    int last;

    /* sent by somebody, not raised by the instruction; or forced by the kernel, which could not write a frame */
    if (info->si_code <= 0 || (sig == SIGSEGV && info->si_code == SI_KERNEL && g[REG_TRAPNO] != 13))
        return false;
    if (pc < (uintptr_t)bt->cache.rx || pc >= (uintptr_t)bt->cache.rx + bt->cache.used)
        return false;
    tb = tcache_tb_at(bt, (uint32_t)(pc - (uintptr_t)bt->cache.rx));
    if (!tb)
        return false;
    off = (uint32_t)(pc - (uintptr_t)bt->cache.rx) - tb->code;
    if (sig == SIGSEGV && g[REG_TRAPNO] == 14 && (uintptr_t)info->si_addr - (uintptr_t)tb->ctx->table < TABLE_BYTES) {
        g[REG_RIP] = (greg_t)(uintptr_t)bt->cache.rx; /* a piece in which nothing stands: not found (table.c) */
        table_missed(bt, tb->ctx, (uint32_t)g[REG_R8]);
        return true;
    }
    if (off < tb->start[0]) {
        save_registers(c, g);
        c->eip = tb->eip;
        why = LEAVE_PLAIN;
    } else {
        for (k = tb->n - 1u; tb->start[k] > off; k--)
            ;
        if (sig == SIGSEGV && fill(bt, tb, k, info, g))
            return true;
        if (sig == SIGFPE && g[REG_TRAPNO] == 0)
            adapt_trouble(bt, tb, k, TROUBLE_SLOW);
        if (native_of(c)->fpu_live && (last = x87_before(tb, k)) >= 0)
            native_of(c)->x87_last = x87_name(bt, tb, (unsigned)last);
        save_registers(c, g);
        if (tb->fix[k] == FIX_MMX && native_of(c)->fpu_live && m->fpregs)
            put_top_back(m->fpregs, native_of(c)->mmx_sw);
        if (tb->fix[k] == FIX_RSI)
            c->r[ESI] = (uint32_t)g[REG_R11];
        else if (tb->fix[k] == FIX_REP || tb->fix[k] == FIX_REP_FLAGS)
            c->r[ECX] += (uint32_t)g[REG_R8];
        if (tb->fix[k] == FIX_REP_FLAGS)
            native_of(c)->flags = native_of(c)->tmp[0];
        c->eip = tb->eip + tb->insns[k].off;
        if (bt->opt.icount)
            c->icount += k;
        bt->stats.faults++;
        why = LEAVE_STEP;
    }
    g[REG_R11] = why;
    g[REG_RIP] = (greg_t)((uintptr_t)bt->cache.rx + bt->cache.stub_fault_exit);
    return true;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    if (running && handle(running, sig, info, &uc->uc_mcontext))
        return;
    if (running && !dying && info->si_code > 0) {
        dying = true;
        fprintf(stderr, "callgate: signal %d at host address %p, data address %p: a bug of ours\n", sig,
                (void *)uc->uc_mcontext.gregs[REG_RIP], info->si_addr);
        bt_post_mortem(running, stderr);
    }
    /* not ours: what would have happened without us, when the instruction runs again */
    sigaction(sig, &old_action[sig], NULL);
    if (info->si_code <= 0)
        raise(sig);
}

static void free_stack(void *stack)
{
    const stack_t off = { .ss_flags = SS_DISABLE };

    sigaltstack(&off, NULL);
    free(stack);
}

static void install(void)
{
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    unsigned n;

    installed = -pthread_key_create(&stack_key, free_stack);
    sigemptyset(&sa.sa_mask);
    for (n = 0; n < ARRAY_SIZE(signals) && !installed; n++)
        if (sigaction(signals[n], &sa, &old_action[signals[n]]) < 0)
            installed = -errno;
}

int fault_install(void)
{
    pthread_once(&once, install);
    return installed;
}

int fault_begin(struct bt *bt, struct bt **before)
{
    *before = running;
    if (!pthread_getspecific(stack_key)) {
        stack_t ss = { .ss_size = STACK_SIZE, .ss_sp = malloc(STACK_SIZE) };

        if (!ss.ss_sp)
            return -ENOMEM;
        if (sigaltstack(&ss, NULL) < 0 || pthread_setspecific(stack_key, ss.ss_sp)) {
            free(ss.ss_sp);
            return -ENOMEM;
        }
    }
    running = bt;
    return 0;
}

void fault_end(struct bt *before) { running = before; }
