/* chips.c - the virtual clock, the 8254 in every mode, the RTC.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#define MS     1000000ull
#define PIT_HZ 1193182u

static unsigned order;

static void note(void *opaque, tick_t now)
{
    unsigned *at = opaque;

    (void)now;
    *at = ++order;
}

static tick_t fixed_now;

static tick_t fixed(void *opaque)
{
    (void)opaque;
    return fixed_now;
}

START_TEST(timers_in_order)
{
    struct clock c;
    struct timer t[4];
    unsigned ran[4] = { 0 };
    unsigned n;

    clock_init(&c, fixed, NULL);
    fixed_now = 0;
    for (n = 0; n < 4; n++)
        timer_init(&t[n], &c, "t", note, &ran[n]);
    timer_set(&t[0], 300);
    timer_set(&t[1], 100);
    timer_set(&t[2], 200);
    timer_set(&t[3], 100);
    ck_assert_uint_eq(clock_next_deadline(&c), 100);
    timer_cancel(&t[2]);
    fixed_now = 400;
    ck_assert_uint_eq(clock_run_expired(&c), 3);
    ck_assert_uint_eq(ran[1], 1);
    ck_assert_uint_eq(ran[3], 2); /* a tie: in order of creation */
    ck_assert_uint_eq(ran[0], 3);
    ck_assert_uint_eq(ran[2], 0);
    ck_assert(clock_next_deadline(&c) == TICK_NEVER);
    for (n = 0; n < 4; n++)
        timer_destroy(&t[n]);
    clock_destroy(&c);
}
END_TEST

static void set_counter(struct test_board *b, unsigned n, uint8_t mode, uint16_t count)
{
    board_out(b, 0x43, (uint8_t)(n << 6 | 0x30 | mode));
    board_out(b, (uint16_t)(0x40 + n), (uint8_t)count);
    board_out(b, (uint16_t)(0x40 + n), (uint8_t)(count >> 8));
}

START_TEST(pit_rates)
{
    struct test_board *b = board_new();
    unsigned n;

    board_init_pic(b, 0xfe, 0xff);
    if (b->intr)
        board_count(b, 0, 1, 1);
    set_counter(b, 0, 2 << 1, PIT_HZ / 1000);
    n = board_count(b, 0x20, 1000 * MS, 10000);
    ck_assert_uint_ge(n, 999);
    ck_assert_uint_le(n, 1001);
    set_counter(b, 0, 3 << 1, PIT_HZ / 100);
    n = board_count(b, 0x20, 1000 * MS, 100000);
    ck_assert_uint_ge(n, 99);
    ck_assert_uint_le(n, 101);
    /* BCD: 1000h counts a thousand */
    set_counter(b, 0, 2 << 1 | 1, 0x1000);
    n = board_count(b, 0x20, 1000 * MS, 100000);
    ck_assert_uint_ge(n, 1191);
    ck_assert_uint_le(n, 1195);
    /* one shot: mode 0 and 4 give one interrupt */
    set_counter(b, 0, 0, 1000);
    ck_assert_uint_eq(board_count(b, 0x20, 100 * MS, 100000), 1);
    board_free(b);
}
END_TEST

/* OUT of counter 2 is visible in port 61h, its gate is bit 0 there. */
static bool out2(struct test_board *b) { return board_in(b, 0x61) & 0x20; }

START_TEST(pit_modes)
{
    struct test_board *b = board_new();
    const tick_t ms_10 = 10 * MS;

    /* mode 0: low until the count ends; the gate holds it */
    board_out(b, 0x61, 0);
    set_counter(b, 2, 0, PIT_HZ / 100);
    ck_assert(!out2(b));
    board_advance(b, 2 * ms_10);
    ck_assert(!out2(b));
    board_out(b, 0x61, 1);
    board_advance(b, ms_10 / 2);
    ck_assert(!out2(b));
    board_advance(b, ms_10);
    ck_assert(out2(b));
    /* mode 1: one shot, started and restarted by the gate */
    board_out(b, 0x61, 0);
    set_counter(b, 2, 1 << 1, PIT_HZ / 100);
    ck_assert(out2(b));
    board_advance(b, 5 * ms_10);
    ck_assert(out2(b));
    board_out(b, 0x61, 1);
    board_advance(b, ms_10 / 2);
    ck_assert(!out2(b));
    board_out(b, 0x61, 0);
    board_out(b, 0x61, 1);
    board_advance(b, ms_10 * 8 / 10);
    ck_assert(!out2(b));
    board_advance(b, ms_10 * 4 / 10);
    ck_assert(out2(b));
    /* mode 3: a square wave */
    set_counter(b, 2, 3 << 1, PIT_HZ / 100);
    board_advance(b, ms_10 / 4);
    ck_assert(out2(b));
    board_advance(b, ms_10 / 2);
    ck_assert(!out2(b));
    board_advance(b, ms_10 / 2);
    ck_assert(out2(b));
    /* mode 4: high until a strobe of one clock, once; mode 5 the same, started by the gate */
    set_counter(b, 2, 4 << 1, PIT_HZ / 100);
    board_advance(b, ms_10 / 2);
    ck_assert(out2(b));
    board_advance(b, ms_10);
    ck_assert(out2(b));
    board_out(b, 0x61, 0);
    set_counter(b, 2, 5 << 1, PIT_HZ / 100);
    board_advance(b, ms_10 * 3);
    board_out(b, 0x43, 0xe8); /* read back the status: null count, OUT high */
    ck_assert_uint_eq(board_in(b, 0x42) & 0x80, 0x80);
    board_free(b);
}
END_TEST

START_TEST(pit_read_back)
{
    struct test_board *b = board_new();
    unsigned v;

    set_counter(b, 0, 2 << 1, 0);
    board_advance(b, MS);
    board_out(b, 0x43, 0x00); /* latch */
    board_advance(b, MS);
    v = board_in(b, 0x40);
    v |= (unsigned)board_in(b, 0x40) << 8;
    ck_assert_uint_ge(65536 - v, 1190);
    ck_assert_uint_le(65536 - v, 1197);
    board_out(b, 0x43, 0xe2); /* status of counter 0 */
    ck_assert_uint_eq(board_in(b, 0x40) & 0x3f, 0x34);
    /* null count: set until the new count is taken over at the end of the period */
    set_counter(b, 0, 0, 1000);
    board_out(b, 0x43, 0xb0);
    board_out(b, 0x42, 1);
    board_out(b, 0x43, 0xe8);
    ck_assert_uint_eq(board_in(b, 0x42) & 0x40, 0x40);
    board_free(b);
}
END_TEST

static uint8_t cmos(struct test_board *b, uint8_t reg)
{
    board_out(b, 0x70, reg);
    return board_in(b, 0x71);
}

static void set_cmos(struct test_board *b, uint8_t reg, uint8_t v)
{
    board_out(b, 0x70, reg);
    board_out(b, 0x71, v);
}

START_TEST(rtc_time)
{
    struct test_board *b = board_new();

    ck_assert_uint_eq(cmos(b, 0), 0x40); /* 2001-09-09 01:46:40, BCD */
    ck_assert_uint_eq(cmos(b, 2), 0x46);
    ck_assert_uint_eq(cmos(b, 4), 0x01);
    ck_assert_uint_eq(cmos(b, 9), 0x01);
    ck_assert_uint_eq(cmos(b, 8), 0x09);
    ck_assert_uint_eq(cmos(b, 7), 0x09);
    board_advance(b, 3661000 * MS);
    ck_assert_uint_eq(cmos(b, 0), 0x41);
    ck_assert_uint_eq(cmos(b, 2), 0x47);
    ck_assert_uint_eq(cmos(b, 4), 0x02);
    set_cmos(b, 0xb, 0x06); /* binary */
    ck_assert_uint_eq(cmos(b, 2), 47);
    board_free(b);
}
END_TEST

START_TEST(rtc_interrupts)
{
    struct test_board *b = board_new();
    unsigned n;

    board_init_pic(b, 0xfb, 0xfe);
    cmos(b, 0xc);
    set_cmos(b, 0xa, 0x26);
    set_cmos(b, 0xb, 0x42); /* periodic, 1024 Hz */
    n = board_count(b, 0x28, 1000 * MS, 100000);
    ck_assert_uint_ge(n, 1022);
    ck_assert_uint_le(n, 1026);
    set_cmos(b, 0xb, 0x12); /* update ended */
    n = board_count(b, 0x28, 5000 * MS, MS);
    ck_assert_uint_ge(n, 4);
    ck_assert_uint_le(n, 6);
    set_cmos(b, 1, 0x10); /* alarm at second 10 of any minute */
    set_cmos(b, 3, 0xff);
    set_cmos(b, 5, 0xff);
    set_cmos(b, 0xb, 0x22);
    ck_assert_uint_eq(board_count(b, 0x28, 120000 * MS, 10 * MS), 2);
    board_free(b);
}
END_TEST

Suite *clock_suite(void)
{
    Suite *s = suite_create("clock");
    TCase *t = tcase_create("timers");

    tcase_add_test(t, timers_in_order);
    suite_add_tcase(s, t);
    return s;
}

Suite *timer_chips_suite(void)
{
    Suite *s = suite_create("timer chips");
    TCase *t = tcase_create("8254 and MC146818");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, pit_rates);
    tcase_add_test(t, pit_modes);
    tcase_add_test(t, pit_read_back);
    tcase_add_test(t, rtc_time);
    tcase_add_test(t, rtc_interrupts);
    suite_add_tcase(s, t);
    return s;
}
