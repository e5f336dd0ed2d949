/* signals.c - see signals.h.
 *
 * A signal handler would run on the guest's stack while translated code runs, so there is none: the signals are
 * blocked everywhere and read from a descriptor. What the user has chosen to ignore (nohup) stays ignored.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/signals.h"

#include "hw/char/chardev.h"
#include "hw/evloop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int ending[] = { SIGTERM, SIGINT, SIGHUP };

static int fd = -1;
static void (*quit_fn)(void *opaque);
static void *quit_opaque;

static void at_once(int sig)
{
    chardev_stdio_restore();
    signal(sig, SIG_DFL);
    raise(sig);
}

/* The ending signals that are not ignored. */
static sigset_t wanted(void)
{
    sigset_t set;
    size_t n;

    sigemptyset(&set);
    for (n = 0; n < ARRAY_SIZE(ending); n++) {
        struct sigaction sa;

        if (!sigaction(ending[n], NULL, &sa) && sa.sa_handler != SIG_IGN)
            sigaddset(&set, ending[n]);
    }
    return set;
}

void signals_early(void)
{
    struct sigaction sa = { .sa_handler = at_once, .sa_flags = SA_ONSTACK };
    sigset_t set = wanted();
    size_t n;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit then fails with EFBIG, which is reported */
    for (n = 0; n < ARRAY_SIZE(ending); n++)
        if (sigismember(&set, ending[n]))
            sigaction(ending[n], &sa, NULL);
}

static void on_signal(void *opaque, int from, unsigned events)
{
    struct signalfd_siginfo info;

    (void)opaque;
    (void)events;
    while (read(from, &info, sizeof info) == sizeof info)
        quit_fn(quit_opaque);
}

int signals_start(struct evloop *ev, void (*quit)(void *opaque), void *opaque)
{
    sigset_t set = wanted();
    int rc;

    pthread_sigmask(SIG_BLOCK, &set, NULL);
    quit_fn = quit;
    quit_opaque = opaque;
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    rc = evloop_add_fd(ev, fd, true, false, on_signal, NULL);
    if (rc)
        signals_stop(ev);
    return rc;
}

void signals_stop(struct evloop *ev)
{
    if (fd < 0)
        return;
    evloop_remove_fd(ev, fd);
    close(fd);
    fd = -1;
}

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
