/* evloop.c - the event loop on the vCPU thread and the thread that waits for it. See evloop.h.
 *
 * The one hard problem: the waiter must sleep in poll() over what the vCPU thread changes at any
 * time, cheaply. The vCPU thread owns the table; it publishes a copy under the lock only when
 * something changed, and wakes the waiter (an eventfd) only if the waiter sleeps on a stale copy
 * or beyond a new deadline. After the waiter has kicked it is *disarmed*: it sleeps on a condition
 * until evloop_run has served everything, so a ready descriptor causes one kick, not a spin.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/evloop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

struct watch {
    int fd; /* -1: removed, swept when no dispatch runs */
    short events;
    evloop_fd_fn *cb;
    void *opaque;
};

struct post {
    struct post *next;
    void (*fn)(void *opaque);
    void *opaque;
};

struct evloop {
    struct clock *clock;
    struct watch *watch;
    size_t watches;
    size_t watch_cap;
    struct pollfd *poll; /* vCPU thread's set, rebuilt when table_changed; [0] is post_fd */
    size_t polls;
    bool table_changed;
    unsigned dispatching;

    pthread_mutex_t post_lock;
    struct post *post_head;
    struct post **post_tail;
    int post_fd; /* readable: something was posted, or evloop_notify */

    void (*kick)(void *opaque);
    void *kick_opaque;
    bool started;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t cond;
    bool running; /* the thread has set itself up */
    bool armed;
    bool quit;
    struct pollfd *shared; /* copy of poll for the waiter; [0] post_fd, [1] wake_fd */
    size_t shareds;
    uint64_t generation;
    tick_t host_deadline;
    int wake_fd;
    atomic_bool pending;
    atomic_bool vcpu_waits; /* evloop_wait is in poll itself: no kick needed */
};

static void drain(int fd)
{
    uint64_t v;
    while (read(fd, &v, sizeof v) < 0 && errno == EINTR)
        ;
}

static void signal_fd(int fd)
{
    const uint64_t one = 1;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

/* Host time of the earliest deadline; a source other than the host's has none to sleep for. */
static tick_t host_deadline(struct evloop *ev)
{
    tick_t next = clock_next_deadline(ev->clock);
    if (next == TICK_NEVER || !clock_is_realtime(ev->clock))
        return TICK_NEVER;
    return clock_to_host(ev->clock, next);
}

static int sleep_in_poll(struct pollfd *p, size_t n, tick_t until)
{
    if (until == TICK_NEVER)
        return ppoll(p, n, NULL, NULL);
    tick_t now = clock_host_now();
    tick_t left = until > now ? until - now : 0;
    struct timespec ts = { .tv_sec = (time_t)(left / TICKS_PER_SEC), .tv_nsec = (long)(left % TICKS_PER_SEC) };
    return ppoll(p, n, &ts, NULL);
}

static void rebuild_poll(struct evloop *ev)
{
    size_t keep = 0;
    if (!ev->dispatching) {
        for (size_t i = 0; i < ev->watches; i++)
            if (ev->watch[i].fd >= 0)
                ev->watch[keep++] = ev->watch[i];
        ev->watches = keep;
    }
    ev->polls = 1;
    for (size_t i = 0; i < ev->watches; i++)
        if (ev->watch[i].fd >= 0 && ev->watch[i].events)
            ev->poll[ev->polls++] = (struct pollfd){ .fd = ev->watch[i].fd, .events = ev->watch[i].events };
    ev->table_changed = false;
}

/* ---- the waiter thread ---- */

static void *waiter_main(void *opaque)
{
    struct evloop *ev = opaque;
    struct pollfd *set = NULL;
    size_t n = 0;
    size_t cap = 0;
    uint64_t seen = 0;

    pthread_setname_np(pthread_self(), "cg-waiter");
    prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
    pthread_mutex_lock(&ev->lock);
    ev->running = true;
    pthread_cond_broadcast(&ev->cond);
    while (!ev->quit) {
        if (!ev->armed) {
            pthread_cond_wait(&ev->cond, &ev->lock);
            continue;
        }
        if (seen != ev->generation) {
            if (ev->shareds > cap) {
                struct pollfd *p = realloc(set, ev->shareds * sizeof *p);
                if (!p) { /* cannot watch: let the vCPU poll instead, a little later */
                    pthread_mutex_unlock(&ev->lock);
                    usleep(10000);
                    pthread_mutex_lock(&ev->lock);
                    continue;
                }
                set = p;
                cap = ev->shareds;
            }
            n = ev->shareds;
            memcpy(set, ev->shared, n * sizeof *set);
            seen = ev->generation;
        }
        tick_t until = ev->host_deadline;
        pthread_mutex_unlock(&ev->lock);

        int ready = sleep_in_poll(set, n, until);
        bool woken = ready > 0 && (set[1].revents & POLLIN);
        if (woken) {
            drain(ev->wake_fd);
            ready--;
        }
        bool due = ready > 0 || (until != TICK_NEVER && clock_host_now() >= until);

        pthread_mutex_lock(&ev->lock);
        if (due && !ev->quit && ev->armed) {
            ev->armed = false;
            atomic_store(&ev->pending, true);
            if (!atomic_load(&ev->vcpu_waits)) {
                pthread_mutex_unlock(&ev->lock);
                ev->kick(ev->kick_opaque);
                pthread_mutex_lock(&ev->lock);
            }
        }
    }
    pthread_mutex_unlock(&ev->lock);
    free(set);
    return NULL;
}

/* Publish the table and the deadline, and let the waiter sleep on them. */
static void arm(struct evloop *ev)
{
    if (!ev->started || ev->dispatching)
        return;
    bool changed = ev->table_changed;
    if (changed)
        rebuild_poll(ev);
    tick_t until = host_deadline(ev);

    pthread_mutex_lock(&ev->lock);
    bool wake = ev->armed && (changed || until < ev->host_deadline);
    if (changed || !ev->generation) {
        struct pollfd *p = realloc(ev->shared, (ev->polls + 1) * sizeof *p);
        if (p) {
            ev->shared = p;
            p[0] = ev->poll[0];
            p[1] = (struct pollfd){ .fd = ev->wake_fd, .events = POLLIN };
            memcpy(p + 2, ev->poll + 1, (ev->polls - 1) * sizeof *p);
            ev->shareds = ev->polls + 1;
            ev->generation++;
        } else {
            ev->table_changed = true; /* try again at the next run */
        }
    }
    ev->host_deadline = until;
    if (!ev->armed && ev->generation) {
        ev->armed = true;
        pthread_cond_signal(&ev->cond);
    }
    pthread_mutex_unlock(&ev->lock);
    if (wake)
        signal_fd(ev->wake_fd);
}

/* clock.h: a timer became the earliest. While disarmed, evloop_run will see it anyway. */
static void deadline_moved(void *opaque, tick_t deadline)
{
    struct evloop *ev = opaque;
    (void)deadline;
    if (!ev->started || ev->dispatching)
        return;
    tick_t until = host_deadline(ev);
    pthread_mutex_lock(&ev->lock);
    bool wake = ev->armed && until < ev->host_deadline;
    if (wake)
        ev->host_deadline = until;
    pthread_mutex_unlock(&ev->lock);
    if (wake)
        signal_fd(ev->wake_fd);
}

/* clock.h: the vCPU thread itself has seen that a timer is due. The waiter may need a while to be
 * scheduled on a busy host. */
static void deadline_passed(void *opaque)
{
    struct evloop *ev = opaque;
    if (ev->started && !ev->dispatching)
        ev->kick(ev->kick_opaque);
}

/* ---- life ---- */

struct evloop *evloop_create(struct clock *clock)
{
    struct evloop *ev = calloc(1, sizeof *ev);
    if (!ev)
        return NULL;
    ev->clock = clock;
    ev->watch_cap = 32;
    ev->watch = calloc(ev->watch_cap, sizeof *ev->watch);
    ev->poll = calloc(ev->watch_cap + 1, sizeof *ev->poll);
    ev->post_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ev->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ev->post_tail = &ev->post_head;
    pthread_mutex_init(&ev->post_lock, NULL);
    pthread_mutex_init(&ev->lock, NULL);
    pthread_cond_init(&ev->cond, NULL);
    if (!ev->watch || !ev->poll || ev->post_fd < 0 || ev->wake_fd < 0) {
        evloop_destroy(ev);
        return NULL;
    }
    ev->poll[0] = (struct pollfd){ .fd = ev->post_fd, .events = POLLIN };
    ev->polls = 1;
    clock->deadline_moved = deadline_moved;
    clock->deadline_passed = deadline_passed;
    clock->deadline_opaque = ev;
    return ev;
}

int evloop_start(struct evloop *ev, void (*kick)(void *opaque), void *opaque)
{
    sigset_t all;
    sigset_t old;
    ev->kick = kick;
    ev->kick_opaque = opaque;
    ev->table_changed = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old); /* signals belong to the other threads */
    int err = pthread_create(&ev->thread, NULL, waiter_main, ev);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err)
        return -err;
    pthread_mutex_lock(&ev->lock); /* what a thread needs to start may be given up next */
    while (!ev->running)
        pthread_cond_wait(&ev->cond, &ev->lock);
    pthread_mutex_unlock(&ev->lock);
    ev->started = true;
    arm(ev);
    return 0;
}

void evloop_stop(struct evloop *ev)
{
    if (!ev->started)
        return;
    pthread_mutex_lock(&ev->lock);
    ev->quit = true;
    pthread_cond_signal(&ev->cond);
    pthread_mutex_unlock(&ev->lock);
    signal_fd(ev->wake_fd);
    pthread_join(ev->thread, NULL);
    ev->started = false;
}

void evloop_destroy(struct evloop *ev)
{
    if (!ev)
        return;
    evloop_stop(ev);
    if (ev->clock->deadline_opaque == ev) {
        ev->clock->deadline_moved = NULL;
        ev->clock->deadline_passed = NULL;
        ev->clock->deadline_opaque = NULL;
    }
    for (struct post *p = ev->post_head, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    if (ev->post_fd >= 0)
        close(ev->post_fd);
    if (ev->wake_fd >= 0)
        close(ev->wake_fd);
    pthread_cond_destroy(&ev->cond);
    pthread_mutex_destroy(&ev->lock);
    pthread_mutex_destroy(&ev->post_lock);
    free(ev->shared);
    free(ev->watch);
    free(ev->poll);
    free(ev);
}

/* ---- the table ---- */

static struct watch *find_watch(struct evloop *ev, int fd)
{
    for (size_t i = 0; i < ev->watches; i++)
        if (ev->watch[i].fd == fd && fd >= 0)
            return &ev->watch[i];
    return NULL;
}

static short poll_events(bool want_read, bool want_write)
{
    return (short)((want_read ? POLLIN : 0) | (want_write ? POLLOUT : 0));
}

/* Something the waiter polls changed outside a dispatch: tell it now. */
static void table_change(struct evloop *ev)
{
    ev->table_changed = true;
    if (!ev->dispatching)
        arm(ev);
}

int evloop_add_fd(struct evloop *ev, int fd, bool want_read, bool want_write, evloop_fd_fn *cb, void *opaque)
{
    if (fd < 0)
        return -EBADF;
    if (find_watch(ev, fd))
        return -EEXIST;
    if (ev->watches == ev->watch_cap) {
        size_t cap = ev->watch_cap * 2;
        struct watch *w = realloc(ev->watch, cap * sizeof *w);
        if (!w)
            return -ENOMEM;
        ev->watch = w;
        struct pollfd *p = realloc(ev->poll, (cap + 1) * sizeof *p);
        if (!p)
            return -ENOMEM;
        ev->poll = p;
        ev->watch_cap = cap;
    }
    ev->watch[ev->watches++] =
        (struct watch){ .fd = fd, .events = poll_events(want_read, want_write), .cb = cb, .opaque = opaque };
    table_change(ev);
    return 0;
}

void evloop_modify_fd(struct evloop *ev, int fd, bool want_read, bool want_write)
{
    struct watch *w = find_watch(ev, fd);
    short events = poll_events(want_read, want_write);
    if (w && w->events != events) {
        w->events = events;
        table_change(ev);
    }
}

void evloop_remove_fd(struct evloop *ev, int fd)
{
    struct watch *w = find_watch(ev, fd);
    if (w) {
        w->fd = -1;
        table_change(ev);
    }
}

/* ---- running ---- */

static void run_posted(struct evloop *ev)
{
    pthread_mutex_lock(&ev->post_lock);
    struct post *list = ev->post_head;
    ev->post_head = NULL;
    ev->post_tail = &ev->post_head;
    pthread_mutex_unlock(&ev->post_lock);
    while (list) {
        struct post *next = list->next;
        list->fn(list->opaque);
        free(list);
        list = next;
    }
}

static void dispatch(struct evloop *ev)
{
    if (ev->poll[0].revents & POLLIN) {
        drain(ev->post_fd);
        run_posted(ev);
    }
    for (size_t i = 1; i < ev->polls; i++) {
        short got = ev->poll[i].revents;
        struct watch *w = got ? find_watch(ev, ev->poll[i].fd) : NULL;
        if (!w || !(got & (w->events | POLLERR | POLLHUP | POLLNVAL)))
            continue;
        unsigned events = (got & POLLIN ? EV_READ : 0) | (got & POLLOUT ? EV_WRITE : 0) |
                          (got & (POLLERR | POLLHUP | POLLNVAL) ? EV_HUP : 0);
        w->cb(w->opaque, w->fd, events);
    }
}

/* Poll (until the host time `until`, 0: not at all) and serve. */
static void run(struct evloop *ev, tick_t until, bool halted)
{
    if (ev->dispatching)
        return; /* a callback called us: the outer run goes on */
    if (ev->table_changed)
        rebuild_poll(ev);
    int ready = sleep_in_poll(ev->poll, ev->polls, until);
    if (halted)
        clock_woke(ev->clock);
    atomic_store(&ev->pending, false);
    ev->dispatching++;
    if (ready > 0)
        dispatch(ev);
    clock_run_expired(ev->clock);
    ev->dispatching--;
}

void evloop_run(struct evloop *ev)
{
    run(ev, 0, false);
    arm(ev);
}

void evloop_wait(struct evloop *ev, tick_t max)
{
    if (!ev->dispatching)
        clock_sleep(ev->clock);
    tick_t until = host_deadline(ev);
    tick_t now = clock_host_now();
    tick_t limit = max > TICK_NEVER - now ? TICK_NEVER : now + max;
    if (limit < until)
        until = limit;
    atomic_store(&ev->vcpu_waits, true);
    run(ev, until, true);
    atomic_store(&ev->vcpu_waits, false);
    arm(ev);
}

int evloop_post(struct evloop *ev, void (*fn)(void *opaque), void *opaque)
{
    struct post *p = malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    *p = (struct post){ .fn = fn, .opaque = opaque };
    pthread_mutex_lock(&ev->post_lock);
    *ev->post_tail = p;
    ev->post_tail = &p->next;
    pthread_mutex_unlock(&ev->post_lock);
    signal_fd(ev->post_fd);
    return 0;
}

void evloop_notify(struct evloop *ev) { signal_fd(ev->post_fd); }
