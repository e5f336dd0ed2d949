/* signals.c - see signals.h.
 *
 * Handlers run on the alternate stack: while translated code runs, the stack pointer is the guest's ESP. A
 * descriptor for signals (signalfd) would be simpler, but the kernel wakes who waits for one at every signal of
 * the process, and each hidden fault of the translator is one. What the user has chosen to ignore (nohup) stays
 * ignored.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/signals.h"

#include "cpu/base.h"
#include "hw/char/chardev.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

static const int ending[] = { SIGTERM, SIGINT, SIGHUP };

static void (*_Atomic quit_fn)(void *opaque);
static void *quit_opaque;

static void at_once(int sig)
{
    chardev_stdio_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

static void in_order(int sig)
{
    void (*fn)(void *opaque) = atomic_load(&quit_fn);
    int saved = errno;

    (void)sig;
    if (fn)
        fn(quit_opaque);
    errno = saved;
}

static void install(void (*handler)(int sig))
{
    struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_ONSTACK | SA_RESTART };
    size_t n;

    for (n = 0; n < ARRAY_SIZE(ending); n++) {
        struct sigaction old;

        if (!sigaction(ending[n], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(ending[n], &sa, NULL);
    }
}

void signals_early(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit then fails with EFBIG, which is reported */
    install(at_once);
}

void signals_start(void (*quit)(void *opaque), void *opaque)
{
    quit_opaque = opaque;
    atomic_store(&quit_fn, quit);
    install(in_order);
}

void signals_stop(void) { atomic_store(&quit_fn, NULL); }

void signals_move_handlers(void)
{
    int sig;

    for (sig = 1; sig < NSIG; sig++) {
        struct sigaction sa;

        if (sigaction(sig, NULL, &sa) || sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN ||
            (sa.sa_flags & SA_ONSTACK))
            continue;
        sa.sa_flags |= SA_ONSTACK;
        sigaction(sig, &sa, NULL);
    }
}
