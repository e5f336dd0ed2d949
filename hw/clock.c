/* clock.c - the virtual clock and a binary heap of timers. See clock.h.
 *
 * The heap has room for every timer from timer_init on, so arming one never fails.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* At most this many callbacks a clock_run_expired: a guest that programs a period of 1 ns must
 * not hold the vCPU thread here for ever. */
#define MAX_RUN 256

tick_t clock_host_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (tick_t)ts.tv_sec * TICKS_PER_SEC + (tick_t)ts.tv_nsec;
}

void clock_init(struct clock *c, tick_t (*source)(void *opaque), void *opaque)
{
    *c = (struct clock){ .source = source, .source_opaque = opaque };
    c->catch_up = !source;
    if (!source)
        hosttime_init(&c->host, NULL);
}

void clock_destroy(struct clock *c)
{
    free(c->heap);
    c->heap = NULL;
    c->count = c->cap = 0;
}

void clock_set_host(struct clock *c, const struct host_clocks *clocks) { hosttime_init(&c->host, clocks); }

static bool due(const struct clock *c, tick_t now) { return c->count && c->heap[0]->when <= now; }

tick_t clock_now(struct clock *c)
{
    if (c->source)
        return c->source(c->source_opaque) + c->skipped;
    if (c->paused)
        return c->paused_at;
    tick_t now = hosttime_now(&c->host);
    if (unlikely(c->host.faster)) {
        c->host.faster = false;
        if (c->count && c->deadline_moved)
            c->deadline_moved(c->deadline_opaque, c->heap[0]->when);
    }
    if (due(c, now) && !c->told && c->deadline_passed) {
        c->told = true;
        c->deadline_passed(c->deadline_opaque);
    }
    return now;
}

void clock_sleep(struct clock *c)
{
    if (clock_is_realtime(c))
        hosttime_sleep(&c->host, clock_next_deadline(c));
}

void clock_woke(struct clock *c)
{
    if (clock_is_realtime(c))
        hosttime_woke(&c->host, clock_next_deadline(c));
}

void clock_pause(struct clock *c)
{
    if (c->source || c->paused)
        return;
    c->paused_at = clock_now(c);
    c->paused = true;
}

void clock_resume(struct clock *c)
{
    if (c->source || !c->paused)
        return;
    c->paused = false;
    hosttime_set(&c->host, c->paused_at);
    if (c->count && c->deadline_moved)
        c->deadline_moved(c->deadline_opaque, c->heap[0]->when);
}

void clock_set_now(struct clock *c, tick_t now)
{
    if (c->source) {
        c->skipped = now - c->source(c->source_opaque);
        return;
    }
    c->paused_at = now;
    hosttime_set(&c->host, now);
}

void clock_skip_to(struct clock *c, tick_t when)
{
    tick_t now = clock_now(c);
    if (c->source && when > now)
        c->skipped += when - now;
}

bool clock_is_realtime(const struct clock *c) { return !c->source && !c->paused; }

tick_t clock_to_host(const struct clock *c, tick_t t) { return hosttime_to_host(&c->host, t); }

int clock_parse_rtc_base(const char *text, int64_t *seconds)
{
    struct tm tm = { .tm_isdst = -1 };
    if (!strcmp(text, "utc")) {
        *seconds = time(NULL);
        return 0;
    }
    if (!strcmp(text, "localtime")) {
        time_t now = time(NULL);
        localtime_r(&now, &tm);
        *seconds = timegm(&tm);
        return 0;
    }
    int used = 0;
    int n = sscanf(text, "%d-%d-%d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &used);
    if (n != 3)
        return -EINVAL;
    if (text[used]) {
        int more = 0;
        n = sscanf(text + used, "T%d:%d:%d%n", &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &more);
        if (n != 3 || text[used + more])
            return -EINVAL;
    }
    if (tm.tm_year < 1970 || tm.tm_year > 9999 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 ||
        tm.tm_sec > 59)
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *seconds = timegm(&tm);
    return 0;
}

/* ---- the heap: index 0 is the earliest; ties in order of timer_init ---- */

static bool before(const struct timer *a, const struct timer *b)
{
    return a->when != b->when ? a->when < b->when : a->id < b->id;
}

static void place(struct clock *c, size_t i, struct timer *t)
{
    c->heap[i] = t;
    t->index = i + 1;
}

static void sift_up(struct clock *c, size_t i, struct timer *t)
{
    while (i && before(t, c->heap[(i - 1) / 2])) {
        place(c, i, c->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(c, i, t);
}

static void sift_down(struct clock *c, size_t i, struct timer *t)
{
    for (;;) {
        size_t kid = 2 * i + 1;
        if (kid >= c->count)
            break;
        if (kid + 1 < c->count && before(c->heap[kid + 1], c->heap[kid]))
            kid++;
        if (!before(c->heap[kid], t))
            break;
        place(c, i, c->heap[kid]);
        i = kid;
    }
    place(c, i, t);
}

static void heap_remove(struct clock *c, struct timer *t)
{
    size_t i = t->index - 1;
    struct timer *last = c->heap[--c->count];
    t->index = 0;
    if (last == t)
        return;
    if (i && before(last, c->heap[(i - 1) / 2]))
        sift_up(c, i, last);
    else
        sift_down(c, i, last);
}

tick_t clock_next_deadline(const struct clock *c) { return c->count ? c->heap[0]->when : TICK_NEVER; }

unsigned clock_run_expired(struct clock *c)
{
    unsigned n = 0;
    if (!c->count)
        return 0;
    c->told = true;
    tick_t now = clock_now(c);
    while (due(c, now) && n < MAX_RUN) {
        struct timer *t = c->heap[0];
        heap_remove(c, t);
        t->when = TICK_NEVER;
        n++;
        LOG(clock, "timer %s at %llu", t->name, (unsigned long long)now);
        t->fn(t->opaque, now);
    }
    c->told = false;
    return n;
}

void timer_init(struct timer *t, struct clock *c, const char *name, void (*fn)(void *opaque, tick_t now), void *opaque)
{
    *t = (struct timer){
        .clock = c,
        .fn = fn,
        .opaque = opaque,
        .name = name,
        .when = TICK_NEVER,
        .id = c->next_id++,
    };
    c->timers++;
    if (c->timers > c->cap) {
        size_t cap = c->cap ? c->cap * 2 : 32;
        struct timer **heap = realloc(c->heap, cap * sizeof *heap);
        BUG_ON(!heap); /* a few hundred bytes at start-up */
        c->heap = heap;
        c->cap = cap;
    }
}

void timer_set(struct timer *t, tick_t when)
{
    struct clock *c = t->clock;
    if (when == TICK_NEVER) {
        timer_cancel(t);
        return;
    }
    tick_t first = clock_next_deadline(c);
    if (t->index)
        heap_remove(c, t);
    t->when = when;
    c->count++;
    sift_up(c, c->count - 1, t);
    if (when < first && c->deadline_moved)
        c->deadline_moved(c->deadline_opaque, when);
}

void timer_cancel(struct timer *t)
{
    if (t->index)
        heap_remove(t->clock, t);
    t->when = TICK_NEVER;
}

void timer_destroy(struct timer *t)
{
    if (!t->clock)
        return;
    timer_cancel(t);
    t->clock->timers--;
    t->clock = NULL;
}

static uint64_t timer_get(const void *member) { return ((const struct timer *)member)->when; }

static void timer_put(void *member, uint64_t when)
{
    if (when == TICK_NEVER)
        timer_cancel(member);
    else
        timer_set(member, when);
}

const struct state_value timer_state_value = { timer_get, timer_put, TICK_NEVER };

static uint64_t now_get(const void *obj) { return clock_now((struct clock *)(uintptr_t)obj); }

static void now_put(void *obj, uint64_t now) { clock_set_now(obj, now); }

static const struct state_value now_value = { now_get, now_put, 0 };
static const struct state_field clock_fields[] = { FIELD_COMPUTED("now", &now_value), FIELD_U64(struct clock, rtc_base),
                                                   FIELD_END };
const struct state_desc clock_state = { .name = "clock", .version = 1, .fields = clock_fields };
