/* hosttime.h - the host's time as a guest may see it: without the jumps of a busy host.
 *
 * A guest measures one clock with another in loops of a few ms. While the host runs something
 * else instead of the vCPU thread such a loop sees all clocks jump between two of its reads, and
 * what it computes is wrong. So time stands still while the thread wants to run and is not let;
 * afterwards it passes faster, the faster the further it is behind, until it has caught up. While
 * the CPU is halted nobody measures: there it catches up at once, but never past a deadline.
 * Everything is for the vCPU thread, whose CPU time tells what was taken from it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_HOSTTIME_H
#define HW_HOSTTIME_H

#include "cpu/base.h"

/* The host's clocks, in ns. */
struct host_clocks {
    tick_t (*now)(void *opaque); /* passes always */
    tick_t (*cpu)(void *opaque); /* passes while the calling thread runs; NULL: not known */
    /* Not 0 while the thread has run without a break since it was set so; NULL: not known. */
    volatile uint64_t *unbroken;
    uint64_t unbroken_value; /* to set it to */
    void *opaque;
};

struct hosttime {
    struct host_clocks clocks;
    tick_t offset;    /* host time at which ours would be 0, had it never been behind */
    tick_t last;      /* host time of the last look */
    bool behind;      /* what follows says how time passes; otherwise it is host time - offset */
    bool faster;      /* the rate has risen since somebody last cleared this: deadlines come sooner */
    tick_t from_host; /* our time was `from` at this host time, */
    tick_t from;
    uint64_t rate;   /* and gains rate / HOSTTIME_UNIT of what passes */
    tick_t cpu_host; /* host time and CPU time when they were compared last */
    tick_t cpu;
};

#define HOSTTIME_UNIT (1ull << 25)

/* Start at time 0. `clocks` NULL: the host's own. */
void hosttime_init(struct hosttime *h, const struct host_clocks *clocks);
/* Our time now, in ns: never goes back. */
tick_t hosttime_now(struct hosttime *h);
/* Set our time; nothing is left to catch up. */
void hosttime_set(struct hosttime *h, tick_t now);
/* The host time at which ours reaches `t` if the thread runs until then. */
tick_t hosttime_to_host(const struct hosttime *h, tick_t t);
/* The thread is about to sleep: catch up, but not beyond `until`. */
void hosttime_sleep(struct hosttime *h, tick_t until);
/* It has slept: time has passed, but not beyond `until`; if it was woken later it is behind. */
void hosttime_woke(struct hosttime *h, tick_t until);
/* How far it is behind the host's time, in ns. */
tick_t hosttime_behind(struct hosttime *h);

#endif
