/* hosttime.c - host time without the jumps of a busy host. See hosttime.h.
 *
 * The hard problem is the price: guests read the time very often, and asking for a thread's CPU
 * time is a system call. So it is asked for only after a break: the kernel clears the field rseq_cs
 * of a thread's rseq area when it has let something else run in between (rseq(2)). Where there is
 * no such area a long time since the last look stands for a break. The rate is kept for a while
 * instead of being computed each time, which also makes rounding harmless.
 *
 * While time passes faster everything the thread itself does takes longer for the guest, the
 * translation of a loop that measures, too. So three times as fast is the limit, unless the guest
 * has been busy for so long on so full a host that it is seconds behind.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/hosttime.h"

#include <time.h>

#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define HAVE_RSEQ 1
#endif
#endif

#define US  1000ull
#define SEC 1000000000ull

/* This long without a look: the thread may have been stopped. Sooner while behind: there a pause
 * that is not seen shows several times as long. */
#define LOOK_AGAIN  (100 * US)
#define LOOK_BEHIND (20 * US)
#define KEEP_RATE   (1000 * US)
/* Less than this is not stolen but measured badly, or taken by our own waiter thread for a moment: were that
 * hidden, a deadline that it comes for would be put off by its coming. */
#define NOISE       (25 * US)
#define LONG        (200 * US)
#define COLD        (20 * US) /* caches and TLBs are another's after a break: the thread runs, but slowly */
#define STEP        10        /* between two looks passes so much, in ns, or what did pass */
#define MIN_GAIN    (HOSTTIME_UNIT / 64)
#define GAIN        (2 * HOSTTIME_UNIT) /* 3 times as fast... */
#define FAR_BEHIND  (1 * SEC)           /* ...but more from here on: */
#define FAR_GAIN    (7 * HOSTTIME_UNIT) /* 8 times, */
#define FARTHEST    (2 * SEC)           /* from here on */
/* More than this is not caught up but jumped over: a process that was stopped for an hour. */
#define MAX_BEHIND  (10 * SEC)

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

#if HAVE_RSEQ
/* A critical section that is never entered: whoever interrupts the thread is outside of it, and the
 * kernel then forgets it. Its abort handler needs the signature that glibc has registered. */
__asm__(".pushsection .text.rseq_abort, \"ax\", @progbits\n"
        ".byte 0x0f, 0xb9, 0x3d\n" /* ud1 with the signature as operand */
        ".long 0x53053053\n"
        "hosttime_rseq_abort: ud2\n"
        "hosttime_rseq_none: ud2\n"
        ".popsection");
extern const uint8_t hosttime_rseq_abort[];
extern const uint8_t hosttime_rseq_none[];

static void find_unbroken(struct host_clocks *c)
{
    static struct rseq_cs section;
    if (!__rseq_size)
        return; /* the kernel has none, or the user wants none */
    section.start_ip = (uintptr_t)hosttime_rseq_none;
    section.post_commit_offset = 1;
    section.abort_ip = (uintptr_t)hosttime_rseq_abort;
    struct rseq *area = (void *)((uint8_t *)__builtin_thread_pointer() + __rseq_offset);
    c->unbroken = (volatile uint64_t *)&area->rseq_cs;
    c->unbroken_value = (uintptr_t)&section;
}
#else
static void find_unbroken(struct host_clocks *c) { (void)c; }
#endif

/* Read both clocks of the host. In this order a break anywhere is seen now or the next time. */
static void sample(struct hosttime *h)
{
    if (h->clocks.unbroken)
        *h->clocks.unbroken = h->clocks.unbroken_value;
    h->last = h->cpu_host = h->clocks.now(h->clocks.opaque);
    h->cpu = h->clocks.cpu ? h->clocks.cpu(h->clocks.opaque) : 0;
}

static uint64_t gain(tick_t lag)
{
    if (lag > FARTHEST)
        return FAR_GAIN;
    if (lag > FAR_BEHIND)
        return GAIN + (FAR_GAIN - GAIN) / (FARTHEST - FAR_BEHIND) * (lag - FAR_BEHIND);
    return lag < MIN_GAIN ? MIN_GAIN : lag > GAIN ? GAIN : lag;
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
    /* Half of it in 23 ms: on a host that lets the thread run again and again the rate is even. */
    h->rate = gain(lag);
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

/* There may have been a break, or the rate has been kept long enough. */
static tick_t look(struct hosttime *h)
{
    tick_t last = h->last;
    tick_t cpu_host = h->cpu_host;
    tick_t cpu = h->cpu;
    sample(h);
    tick_t passed = h->cpu_host - cpu_host;
    tick_t ran = h->cpu - cpu;
    tick_t stolen = h->clocks.cpu && passed > ran + NOISE ? passed - ran : 0;
    if (stolen > LONG)
        stolen += COLD;
    /* before the last look it has been seen already; and time never stands still for who looks twice */
    if (stolen + STEP > h->last - last)
        stolen = h->last - last > STEP ? h->last - last - STEP : 0;
    go_on(h, h->last, value_at(h, h->last - stolen));
    return h->from;
}

/* Something else may have run since the last look, `gap` ns ago. */
static bool broken(const struct hosttime *h, tick_t gap)
{
    if (h->clocks.unbroken)
        return !*h->clocks.unbroken;
    return unlikely(gap >= LOOK_BEHIND) && (gap >= LOOK_AGAIN || h->behind);
}

tick_t hosttime_now(struct hosttime *h)
{
    tick_t host = h->clocks.now(h->clocks.opaque);
    tick_t gap = host - h->last;
    if (unlikely(broken(h, gap)))
        return look(h);
    if (unlikely(h->behind) && host - h->from_host >= KEEP_RATE)
        return look(h);
    h->last = host;
    return value_at(h, host);
}

void hosttime_set(struct hosttime *h, tick_t now)
{
    sample(h);
    h->offset = h->last - now;
    h->behind = false;
}

void hosttime_init(struct hosttime *h, const struct host_clocks *clocks)
{
    *h = (struct hosttime){ .clocks = { .now = host_now } };
    if (clocks) {
        h->clocks = *clocks;
    } else if (cpu_time_is_fine()) {
        h->clocks.cpu = host_cpu;
        find_unbroken(&h->clocks);
    }
    hosttime_set(h, 0);
}

tick_t hosttime_to_host(const struct hosttime *h, tick_t t)
{
    tick_t full = t > UINT64_MAX - h->offset ? UINT64_MAX : t + h->offset;
    if (!h->behind || full == UINT64_MAX || t <= h->from)
        return full;
    tick_t host =
        h->from_host + (tick_t)((unsigned __int128)(t - h->from) * HOSTTIME_UNIT / (HOSTTIME_UNIT + h->rate)) + 1;
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
    tick_t now = until > before ? until : before;
    sample(h);
    tick_t full = h->last - h->offset;
    go_on(h, h->last, now < full ? now : full);
}

tick_t hosttime_behind(struct hosttime *h)
{
    tick_t now = hosttime_now(h);
    return h->last - h->offset - now;
}
