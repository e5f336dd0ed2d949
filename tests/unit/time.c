/* time.c - host time without the jumps of a busy host, and ticks that are not lost.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#define US 1000ull
#define MS 1000000ull
#define SEC 1000000000ull

/* A host whose time passes when the test says so. */
struct fake {
    tick_t now;
    tick_t cpu;
};

static tick_t fake_now(void *opaque)
{
    return ((struct fake *)opaque)->now;
}

static tick_t fake_cpu(void *opaque)
{
    return ((struct fake *)opaque)->cpu;
}

static struct fake host;
static const struct host_clocks fake_clocks = { fake_now, fake_cpu, &host };

static void start(struct hosttime *h)
{
    host = (struct fake){ 1234 * SEC, 5 * SEC };
    hosttime_init(h, &fake_clocks);
}

/* The thread runs, and looks at the time every `step`. */
static tick_t run(struct hosttime *h, tick_t ns, tick_t step)
{
    tick_t now = hosttime_now(h);

    for (; ns >= step; ns -= step) {
        tick_t before = now;

        host.now += step;
        host.cpu += step;
        now = hosttime_now(h);
        ck_assert_uint_ge(now, before);
        ck_assert_uint_le(now - before, 8 * step);
    }
    return now;
}

/* Others run. */
static void steal(tick_t ns)
{
    host.now += ns;
}

START_TEST(stolen_time_is_hidden)
{
    struct hosttime h;
    tick_t before;
    tick_t t;

    start(&h);
    ck_assert_uint_eq(run(&h, 10 * MS, 50), 10 * MS);
    ck_assert_uint_eq(run(&h, 10 * MS, 5 * MS), 20 * MS); /* long without a look is not stolen */
    before = hosttime_now(&h);
    steal(10 * MS);
    ck_assert_uint_eq(hosttime_now(&h), before);
    ck_assert_uint_eq(hosttime_behind(&h), 10 * MS);
    /* it passes evenly faster, and catches up entirely */
    t = run(&h, 100 * US, 100);
    ck_assert_uint_gt(t, before + 101 * US);
    ck_assert_uint_lt(t, before + 300 * US);
    run(&h, 500 * MS, 10 * US);
    ck_assert_uint_eq(hosttime_behind(&h), 0);
    ck_assert_uint_eq(hosttime_now(&h), host.now - 1234 * SEC);
    ck_assert_uint_eq(run(&h, 10 * MS, 50), host.now - 1234 * SEC);
    /* stolen in the middle of a stretch without a look */
    before = hosttime_now(&h);
    host.now += 7 * MS;
    host.cpu += 3 * MS;
    ck_assert_uint_eq(hosttime_now(&h), before + 3 * MS);
}
END_TEST

/* Two fifths of a processor for ten seconds: never far behind, and never a jump. */
START_TEST(overload_stays_bounded)
{
    struct hosttime h;

    start(&h);
    for (unsigned n = 0; n < 1000; n++) {
        tick_t before;

        run(&h, 4 * MS, 20 * US);
        before = hosttime_now(&h);
        steal(6 * MS);
        ck_assert_uint_le(hosttime_now(&h) - before, 1);
        ck_assert_uint_lt(hosttime_behind(&h), 100 * MS);
    }
}
END_TEST

START_TEST(sleep_ends_on_time)
{
    struct hosttime h;

    start(&h);
    run(&h, MS, 50);
    hosttime_sleep(&h, 5 * MS);
    ck_assert_uint_eq(hosttime_now(&h), MS);
    ck_assert_uint_eq(hosttime_to_host(&h, 5 * MS), 1234 * SEC + 5 * MS);
    host.now += 9 * MS; /* woken 5 ms late */
    hosttime_woke(&h, 5 * MS);
    ck_assert_uint_eq(hosttime_now(&h), 5 * MS);
    ck_assert_uint_eq(hosttime_behind(&h), 5 * MS);
    /* halted again: caught up at once, but not past the next deadline */
    hosttime_sleep(&h, 8 * MS);
    ck_assert_uint_eq(hosttime_now(&h), 8 * MS);
    ck_assert_uint_le(hosttime_to_host(&h, 8 * MS), host.now);
    hosttime_woke(&h, 8 * MS);
    ck_assert_uint_eq(hosttime_now(&h), 8 * MS);
    hosttime_sleep(&h, 50 * MS);
    ck_assert_uint_eq(hosttime_now(&h), 10 * MS);
    host.now += 2 * MS; /* woken early, by a descriptor */
    hosttime_woke(&h, 50 * MS);
    ck_assert_uint_eq(hosttime_now(&h), 12 * MS);
    ck_assert_uint_eq(hosttime_behind(&h), 0);
}
END_TEST

START_TEST(deadlines_while_behind)
{
    struct hosttime h;
    tick_t at;

    start(&h);
    steal(20 * MS);
    ck_assert_uint_eq(hosttime_now(&h), 0);
    ck_assert(h.faster);
    at = hosttime_to_host(&h, 500 * US);
    ck_assert_uint_lt(at, host.now + 500 * US);
    host.cpu += at - host.now - 10;
    host.now = at - 10;
    ck_assert_uint_lt(hosttime_now(&h), 500 * US);
    host.cpu += 20;
    host.now += 20;
    ck_assert_uint_ge(hosttime_now(&h), 500 * US);
    ck_assert(hosttime_to_host(&h, TICK_NEVER) == TICK_NEVER);
}
END_TEST

/* A process that was stopped does not spend an hour catching up; nor does one set anew. */
START_TEST(long_stops_are_jumped_over)
{
    struct hosttime h;

    start(&h);
    steal(3600 * SEC);
    ck_assert_uint_eq(hosttime_now(&h), 3598 * SEC);
    ck_assert_uint_eq(hosttime_behind(&h), 2 * SEC);
    run(&h, 2 * SEC, 20 * US);
    ck_assert_uint_eq(hosttime_behind(&h), 0);
    steal(SEC);
    hosttime_set(&h, 77);
    ck_assert_uint_eq(hosttime_now(&h), 77);
    ck_assert_uint_eq(hosttime_behind(&h), 0);
}
END_TEST

/* A clock over it: a deadline that is seen to pass is told once, until timers have run. */
static unsigned told;

static void tell(void *opaque)
{
    (void)opaque;
    told++;
}

static void count(void *opaque, tick_t now)
{
    (void)now;
    ++*(unsigned *)opaque;
}

START_TEST(passed_deadlines_are_told)
{
    struct clock c;
    struct timer t;
    unsigned ran = 0;

    clock_init(&c, NULL, NULL);
    host = (struct fake){ SEC, SEC };
    clock_set_host(&c, &fake_clocks);
    c.deadline_passed = tell;
    told = 0;
    timer_init(&t, &c, "t", count, &ran);
    timer_set(&t, 50 * US);
    host.now += 40 * US;
    clock_now(&c);
    ck_assert_uint_eq(told, 0);
    host.now += 20 * US;
    clock_now(&c);
    clock_now(&c);
    ck_assert_uint_eq(told, 1);
    ck_assert_uint_eq(ran, 0);
    ck_assert_uint_eq(clock_run_expired(&c), 1);
    timer_set(&t, 60 * US);
    clock_now(&c);
    ck_assert_uint_eq(told, 2);
    timer_destroy(&t);
    clock_destroy(&c);
}
END_TEST

Suite *time_suite(void)
{
    Suite *s = suite_create("time");
    TCase *t = tcase_create("a busy host");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, stolen_time_is_hidden);
    tcase_add_test(t, overload_stays_bounded);
    tcase_add_test(t, sleep_ends_on_time);
    tcase_add_test(t, deadlines_while_behind);
    tcase_add_test(t, long_stops_are_jumped_over);
    tcase_add_test(t, passed_deadlines_are_told);
    suite_add_tcase(s, t);
    return s;
}
