/* time.c - host time without the jumps of a busy host, and ticks that are not lost.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "hw/evloop.h"

#include <stdatomic.h>
#include <unistd.h>

#define US  1000ull
#define MS  1000000ull
#define SEC 1000000000ull

/* A host whose time passes when the test says so. */
struct fake {
    tick_t now;
    tick_t cpu;
    uint64_t unbroken;
};

static tick_t fake_now(void *opaque) { return ((struct fake *)opaque)->now; }

static tick_t fake_cpu(void *opaque) { return ((struct fake *)opaque)->cpu; }

static struct fake host;
static bool tells;
static const struct host_clocks fake_clocks = { fake_now, fake_cpu, NULL, 0, &host };
/* A host that says when there was a break, and one that does not. */
static const struct host_clocks telling_clocks = { fake_now, fake_cpu, &host.unbroken, 7, &host };

static void start(struct hosttime *h, bool telling)
{
    tells = telling;
    host = (struct fake){ 1234 * SEC, 5 * SEC, 0 };
    hosttime_init(h, tells ? &telling_clocks : &fake_clocks);
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
        ck_assert(!tells || host.unbroken == 7);
    }
    return now;
}

/* Others run. */
static void steal(tick_t ns)
{
    host.now += ns;
    host.unbroken = 0;
}

START_TEST(stolen_time_is_hidden)
{
    struct hosttime h;
    tick_t before;
    tick_t t;

    start(&h, _i);
    ck_assert_uint_eq(run(&h, 10 * MS, 50), 10 * MS);
    ck_assert_uint_eq(run(&h, 10 * MS, 5 * MS), 20 * MS); /* long without a look is not stolen */
    before = hosttime_now(&h);
    steal(10 * MS);
    ck_assert_uint_eq(hosttime_now(&h), before + 10); /* never the same time twice */
    ck_assert_uint_eq(hosttime_behind(&h), 10 * MS - 10);
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
    steal(4 * MS);
    host.now += 3 * MS;
    host.cpu += 3 * MS;
    ck_assert_uint_eq(hosttime_now(&h), before + 3 * MS - 20 * US); /* less what a cold start takes */
    /* short breaks are only seen where they are told */
    run(&h, SEC, 10 * US);
    before = hosttime_now(&h);
    steal(50 * US);
    ck_assert_uint_eq(hosttime_now(&h), before + (tells ? 10 : 50 * US));
}
END_TEST

/* Two fifths of a processor for ten seconds: never far behind, and never a jump. */
START_TEST(overload_stays_bounded)
{
    struct hosttime h;

    start(&h, _i);
    for (unsigned n = 0; n < 1000; n++) {
        tick_t before;

        run(&h, 4 * MS, 20 * US);
        before = hosttime_now(&h);
        steal(6 * MS);
        ck_assert_uint_le(hosttime_now(&h) - before, 80); /* a step, at the fastest rate */
        ck_assert_uint_lt(hosttime_behind(&h), 100 * MS);
    }
}
END_TEST

START_TEST(sleep_ends_on_time)
{
    struct hosttime h;

    start(&h, _i);
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

    start(&h, _i);
    steal(20 * MS);
    ck_assert_uint_eq(hosttime_now(&h), 10);
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

    start(&h, _i);
    steal(3600 * SEC);
    ck_assert_uint_eq(hosttime_now(&h), 3590 * SEC);
    ck_assert_uint_eq(hosttime_behind(&h), 10 * SEC);
    run(&h, 6 * SEC, 50 * US);
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
    host = (struct fake){ SEC, SEC, 0 };
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

/* --- ticks --- */

static void set_rtc(struct test_board *b, uint8_t reg, uint8_t v)
{
    board_out(b, 0x70, reg);
    board_out(b, 0x71, v);
}

/* Counter 0 at 100 Hz, IRQ 0 and 8 not masked. */
static struct test_board *ticking(bool catch_up)
{
    struct test_board *b = board_new();

    b->clock.catch_up = catch_up;
    board_init_pic(b, 0xfa, 0xfe);
    board_out(b, 0x43, 0x34);
    board_out(b, 0x40, 11932 & 255);
    board_out(b, 0x40, 11932 >> 8);
    board_count(b, 0x20, 100 * MS, MS);
    return b;
}

#define ASSERT_ABOUT(got, want, by)             \
    do {                                        \
        unsigned got_ = (got);                  \
        ck_assert_uint_ge(got_, (want) - (by)); \
        ck_assert_uint_le(got_, (want) + (by)); \
    } while (0)

/* Ticks that the guest could not take come later, and not all at once. */
START_TEST(ticks_are_made_up_for)
{
    struct test_board *b = ticking(true);
    unsigned soon;

    board_advance(b, 500 * MS);
    soon = board_count(b, 0x20, 50 * MS, 100 * US);
    ASSERT_ABOUT(soon, 20, 3); /* four times as fast */
    ASSERT_ABOUT(soon + board_count(b, 0x20, 450 * MS, 100 * US), 100, 2);
    ASSERT_ABOUT(board_count(b, 0x20, 1000 * MS, 100 * US), 100, 1);
    /* the host came so late that several edges had passed */
    for (unsigned n = 0; n < 10; n++) {
        b->now += 35 * MS;
        clock_run_expired(&b->clock);
        soon = board_count(b, 0x20, 65 * MS, 100 * US);
        ASSERT_ABOUT(soon, 10, 1);
    }
    /* no more than two seconds' worth */
    board_advance(b, 60 * SEC);
    ASSERT_ABOUT(board_count(b, 0x20, 2 * SEC, 100 * US), 400, 3);
    board_free(b);
}
END_TEST

/* Nothing is made up for that was masked, or programmed anew, or with -icount. */
START_TEST(ticks_not_owed)
{
    struct test_board *b = ticking(false);

    board_advance(b, SEC);
    ASSERT_ABOUT(board_count(b, 0x20, SEC, 100 * US), 101, 1);
    board_free(b);
    b = ticking(true);
    board_out(b, 0x21, 0xfb);
    board_advance(b, SEC);
    board_out(b, 0x21, 0xfa);
    ASSERT_ABOUT(board_count(b, 0x20, SEC, 100 * US), 101, 1);
    board_advance(b, SEC); /* owed, and then masked for good */
    board_out(b, 0x21, 0xfb);
    board_advance(b, SEC);
    board_out(b, 0x21, 0xfa);
    ASSERT_ABOUT(board_count(b, 0x20, SEC, 100 * US), 101, 1);
    board_advance(b, SEC);
    board_out(b, 0x43, 0x34);
    board_out(b, 0x40, 11932 & 255);
    board_out(b, 0x40, 11932 >> 8);
    ASSERT_ABOUT(board_count(b, 0x20, SEC, 100 * US), 101, 1);
    board_free(b);
}
END_TEST

/* Latching the count, as clocks do, neither delays what is owed nor hurries it. */
START_TEST(ticks_while_latching)
{
    struct test_board *b = ticking(true);
    unsigned got = 0;

    board_advance(b, 500 * MS);
    for (unsigned n = 0; n < 5000; n++) {
        board_out(b, 0x43, 0);
        board_in(b, 0x40);
        board_in(b, 0x40);
        got += board_count(b, 0x20, 100 * US, 100 * US);
        if (n == 499)
            ASSERT_ABOUT(got, 20, 3);
    }
    ASSERT_ABOUT(got, 100, 2);
    board_free(b);
}
END_TEST

START_TEST(rtc_ticks_are_made_up_for)
{
    struct test_board *b = ticking(true);

    board_out(b, 0x21, 0xfb);
    set_rtc(b, 0xa, 0x29); /* 128 Hz */
    set_rtc(b, 0xb, 0x42);
    ASSERT_ABOUT(board_count(b, 0x28, SEC, 100 * US), 128, 1);
    board_advance(b, SEC);
    ASSERT_ABOUT(board_count(b, 0x28, SEC, 100 * US), 256, 2);
    board_advance(b, SEC);
    set_rtc(b, 0xb, 0x02); /* off and on: none is owed */
    set_rtc(b, 0xb, 0x42);
    ASSERT_ABOUT(board_count(b, 0x28, SEC, 100 * US), 128, 2);
    board_free(b);
}
END_TEST

static unsigned count_apic(struct test_board *b, tick_t ns)
{
    unsigned got = 0;

    for (tick_t end = b->now + ns; b->now < end; board_advance(b, 100 * US)) {
        while (b->intr) {
            got += pc_intr_ack(b->pc) == 0x40;
            board_write32(b, 0xfee000b0, 0);
        }
    }
    return got;
}

START_TEST(apic_ticks_are_made_up_for)
{
    struct test_board *b = board_new();

    b->clock.catch_up = true;
    board_init_pic(b, 0xff, 0xff);
    board_write32(b, 0xfee000f0, 0x1ff);
    board_write32(b, 0xfee003e0, 0xb);     /* by 1 */
    board_write32(b, 0xfee00320, 0x20040); /* periodic, vector 40h */
    board_write32(b, 0xfee00380, 10 * MS);
    ASSERT_ABOUT(count_apic(b, SEC), 100, 1);
    board_advance(b, 500 * MS);
    ASSERT_ABOUT(count_apic(b, 50 * MS), 20, 3);
    ASSERT_ABOUT(count_apic(b, 450 * MS), 80, 3);
    board_advance(b, SEC);
    board_write32(b, 0xfee00380, 10 * MS);
    ASSERT_ABOUT(count_apic(b, SEC), 101, 1);
    board_free(b);
}
END_TEST

/* The waiter thread kicks when a timer is due, and never again after evloop_stop. */
static atomic_uint kicks;

static void on_kick(void *opaque)
{
    (void)opaque;
    atomic_fetch_add(&kicks, 1);
}

START_TEST(no_kick_after_stop)
{
    struct clock c;
    struct timer t;
    struct evloop *ev;
    unsigned ran = 0;
    unsigned n;

    clock_init(&c, NULL, NULL);
    ev = evloop_create(&c);
    timer_init(&t, &c, "t", count, &ran);
    atomic_store(&kicks, 0);
    ck_assert_int_eq(evloop_start(ev, on_kick, NULL), 0);
    timer_set(&t, clock_now(&c) + MS);
    for (n = 0; n < 10000 && !atomic_load(&kicks); n++)
        usleep(1000);
    ck_assert_uint_ge(atomic_load(&kicks), 1);
    for (n = 0; n < 10000 && !ran; n++)
        evloop_wait(ev, MS);
    ck_assert_uint_eq(ran, 1);
    timer_set(&t, clock_now(&c) + 20 * MS);
    evloop_stop(ev);
    atomic_store(&kicks, 0);
    usleep(50000);
    clock_now(&c);
    ck_assert_uint_eq(atomic_load(&kicks), 0);
    timer_destroy(&t);
    evloop_destroy(ev);
    clock_destroy(&c);
}
END_TEST

Suite *time_suite(void)
{
    Suite *s = suite_create("time");
    TCase *t = tcase_create("a busy host");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, stolen_time_is_hidden, 0, 2);
    tcase_add_loop_test(t, overload_stays_bounded, 0, 2);
    tcase_add_loop_test(t, sleep_ends_on_time, 0, 2);
    tcase_add_loop_test(t, deadlines_while_behind, 0, 2);
    tcase_add_loop_test(t, long_stops_are_jumped_over, 0, 2);
    tcase_add_test(t, passed_deadlines_are_told);
    tcase_add_test(t, no_kick_after_stop);
    suite_add_tcase(s, t);
    t = tcase_create("ticks");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, ticks_are_made_up_for);
    tcase_add_test(t, ticks_not_owed);
    tcase_add_test(t, ticks_while_latching);
    tcase_add_test(t, rtc_ticks_are_made_up_for);
    tcase_add_test(t, apic_ticks_are_made_up_for);
    suite_add_tcase(s, t);
    return s;
}
