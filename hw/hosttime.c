/* hosttime.c - host time without the jumps of a busy host. See hosttime.h.
 *
 * The hard problem is the price: guests read the time very often, and asking for a thread's CPU
 * time is a system call. So it is asked for only when the last look at the host's clock was long
 * ago; what can be taken from the thread in less than that harms no measurement. The rate is kept
 * for a while instead of being computed each time, which also makes rounding harmless.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/hosttime.h"

#include <time.h>

#define US 1000ull

#define LOOK_AGAIN  (100 * US)  /* this long without a look: the thread may have been stopped */
#define KEEP_RATE   (1000 * US)
#define NOISE       (20 * US)   /* less than this is not stolen but measured badly */
#define MAX_GAIN    (7 * HOSTTIME_UNIT) /* 8 times as fast */
#define MIN_GAIN    (HOSTTIME_UNIT / 64)
/* More than this is not caught up but jumped over: a process that was stopped for an hour. */
#define MAX_BEHIND  (2000 * 1000 * US)

static tick_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (tick_t)ts.tv_sec * 1000000000ull + (tick_t)ts.tv_nsec;
}

static tick_t host_now(void *opaque)
{
    (void)opaque;
    return read_clock(CLOCK_MONOTONIC);
}

static tick_t host_cpu(void *opaque)
{
    (void)opaque;
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* Some hosts count CPU time in ticks of ms: useless here. */
static bool cpu_time_is_fine(void)
{
    for (int i = 0; i < 3; i++) {
        tick_t cpu = host_cpu(NULL);
        tick_t end = host_now(NULL) + 20 * US;
        while (host_now(NULL) < end)
            ;
        if (host_cpu(NULL) == cpu)
            return false;
    }
    return true;
}

/* Take what has been stolen up to now as known. */
static void compare(struct hosttime *h, tick_t host)
{
    h->last = h->cpu_host = host;
    h->cpu = h->clocks.cpu ? h->clocks.cpu(h->clocks.opaque) : 0;
}

/* From `host` on our time is `now`. */
static void go_on(struct hosttime *h, tick_t host, tick_t now)
{
    tick_t full = host - h->offset;
    uint64_t old = h->behind ? h->rate : 0;
    if (full - now > MAX_BEHIND)
        now = full - MAX_BEHIND;
    tick_t lag = full - now;
    h->behind = lag != 0;
    h->from_host = host;
    h->from = now;
    /* Half of it in 12 ms: all of what a time slice takes is back after some slices. */
    h->rate = lag < MIN_GAIN ? MIN_GAIN : lag > MAX_GAIN ? MAX_GAIN : lag;
    if (h->behind && h->rate > old)
        h->faster = true;
}

static tick_t value_at(const struct hosttime *h, tick_t host)
{
    tick_t full = host - h->offset;
    if (!h->behind)
        return full;
    tick_t d = host - h->from_host;
    tick_t t = h->from + d + (tick_t)((unsigned __int128)d * h->rate / HOSTTIME_UNIT);
    return t < full ? t : full;
}

/* The last look was long ago, or the rate has been kept long enough. */
static tick_t look(struct hosttime *h, tick_t host)
{
    tick_t gap = host - h->last;
    tick_t stolen = 0;
    if (gap >= LOOK_AGAIN && h->clocks.cpu) {
        tick_t cpu = h->clocks.cpu(h->clocks.opaque);
        tick_t passed = host - h->cpu_host;
        tick_t ran = cpu - h->cpu;
        stolen = passed > ran + NOISE ? passed - ran : 0;
        if (stolen > gap)
            stolen = gap; /* before the last look it has been seen already */
        h->cpu_host = host;
        h->cpu = cpu;
    }
    h->last = host;
    go_on(h, host, stolen || h->behind ? value_at(h, host - stolen) : host - h->offset);
    return h->from;
}

tick_t hosttime_now(struct hosttime *h)
{
    tick_t host = h->clocks.now(h->clocks.opaque);
    if (unlikely(host - h->last >= LOOK_AGAIN || (h->behind && host - h->from_host >= KEEP_RATE)))
        return look(h, host);
    h->last = host;
    return value_at(h, host);
}

void hosttime_set(struct hosttime *h, tick_t now)
{
    tick_t host = h->clocks.now(h->clocks.opaque);
    h->offset = host - now;
    h->behind = false;
    compare(h, host);
}

void hosttime_init(struct hosttime *h, const struct host_clocks *clocks)
{
    *h = (struct hosttime){.clocks = {host_now, NULL, NULL}};
    if (clocks)
        h->clocks = *clocks;
    else if (cpu_time_is_fine())
        h->clocks.cpu = host_cpu;
    hosttime_set(h, 0);
}

tick_t hosttime_to_host(const struct hosttime *h, tick_t t)
{
    tick_t full = t > UINT64_MAX - h->offset ? UINT64_MAX : t + h->offset;
    if (!h->behind || full == UINT64_MAX || t <= h->from)
        return full;
    tick_t host = h->from_host + (tick_t)((unsigned __int128)(t - h->from) * HOSTTIME_UNIT /
                                          (HOSTTIME_UNIT + h->rate)) + 1;
    return host > full ? host : full;
}

void hosttime_sleep(struct hosttime *h, tick_t until)
{
    tick_t now = hosttime_now(h);
    if (!h->behind)
        return;
    tick_t full = h->last - h->offset;
    if (until > now)
        go_on(h, h->last, until < full ? until : full);
}

void hosttime_woke(struct hosttime *h, tick_t until)
{
    tick_t before = value_at(h, h->last);
    tick_t host = h->clocks.now(h->clocks.opaque);
    tick_t full = host - h->offset;
    tick_t now = until > before ? until : before;
    compare(h, host);
    go_on(h, host, now < full ? now : full);
}

tick_t hosttime_behind(struct hosttime *h)
{
    tick_t now = hosttime_now(h);
    return h->last - h->offset - now;
}
