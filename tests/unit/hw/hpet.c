/* hpet.c - the high precision event timer: its counter, its matches, where its interrupts go.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "hw/core/hpet.h"
#include "hw/core/ioapic.h"

#define US     1000ull
#define MS     1000000ull
#define SEC    1000000000ull
#define PER_MS 100000u /* counts */

#define CONFIG      0x10
#define STATUS      0x20
#define COUNTER     0xf0
#define T_CONFIG(n) (0x100u + 0x20u * (n))
#define T_CMP(n)    (0x108u + 0x20u * (n))

enum { LEVEL = 2, ENABLE = 4, PERIODIC = 8, VAL_SET = 0x40, BITS32 = 0x100 };
#define ROUTE(pin) ((pin) << 9)

static uint32_t get(struct test_board *b, unsigned reg) { return board_read32(b, HPET_BASE + reg); }

static void set(struct test_board *b, unsigned reg, uint32_t v) { board_write32(b, HPET_BASE + reg, v); }

/* Route an I/O APIC pin to a vector, and let the local APIC take it. */
static void route(struct test_board *b, unsigned pin, uint32_t entry)
{
    board_write32(b, 0xfee000f0, 0x1ff);
    board_write32(b, IOAPIC_BASE, 0x11 + 2 * pin);
    board_write32(b, IOAPIC_BASE + 0x10, 0);
    board_write32(b, IOAPIC_BASE, 0x10 + 2 * pin);
    board_write32(b, IOAPIC_BASE + 0x10, entry);
}

/* Interrupts of `vector` during `ns`, ended at the local APIC; a level one is answered first. */
static unsigned count(struct test_board *b, int vector, tick_t ns)
{
    tick_t step = ns >= 10 * SEC ? 10 * MS : 50 * US;
    unsigned got = 0;

    for (tick_t end = b->now + ns; b->now < end;) {
        board_advance(b, step);
        while (b->intr) {
            got += pc_intr_ack(b->pc) == vector;
            set(b, STATUS, 7);
            board_write32(b, 0xfee000b0, 0);
        }
    }
    return got;
}

START_TEST(counter)
{
    struct test_board *b = board_new();
    uint32_t v;

    ck_assert_uint_eq(get(b, 0), 0x8086a201); /* 3 timers, 64 bits, LegacyReplacement */
    ck_assert_uint_eq(get(b, 4), 10000000);   /* fs */
    board_advance(b, MS);
    ck_assert_uint_eq(get(b, COUNTER), 0);
    set(b, CONFIG, 1);
    board_advance(b, MS);
    ck_assert_uint_eq(get(b, COUNTER), PER_MS);
    set(b, CONFIG, 0);
    board_advance(b, MS);
    ck_assert_uint_eq(get(b, COUNTER), PER_MS);
    set(b, COUNTER, 0xfffffff0);
    set(b, COUNTER + 4, 0xabcd);
    set(b, CONFIG, 1);
    board_advance(b, 200);
    ck_assert_uint_eq(get(b, COUNTER), 4); /* the carry goes into the upper half */
    ck_assert_uint_eq(get(b, COUNTER + 4), 0xabce);
    /* what cannot be written, and a pin that is not there */
    set(b, 0, 0);
    ck_assert_uint_eq(get(b, 0), 0x8086a201);
    set(b, T_CONFIG(1), 0xffffffff);
    v = get(b, T_CONFIG(1));
    ck_assert_uint_eq(v & 0xc031, 0x30);
    ck_assert_uint_eq(v & ROUTE(31), 0);
    ck_assert_uint_eq(v & VAL_SET, 0);
    ck_assert_uint_eq(get(b, T_CONFIG(1) + 4), HPET_PINS);
    ck_assert_uint_eq(get(b, T_CONFIG(3)), 0); /* no fourth timer */
    pc_reset(b->pc);
    ck_assert_uint_eq(get(b, CONFIG), 0);
    ck_assert_uint_eq(get(b, COUNTER), 0);
    ck_assert_uint_eq(get(b, T_CMP(0)), 0xffffffff);
    board_free(b);
}
END_TEST

START_TEST(one_shot)
{
    struct test_board *b = board_new();

    route(b, 20, 0x50);
    set(b, CONFIG, 1);
    set(b, T_CONFIG(2), ENABLE | ROUTE(20));
    set(b, T_CMP(2) + 4, 0);
    set(b, T_CMP(2), get(b, COUNTER) + 5 * PER_MS);
    ck_assert_uint_eq(count(b, 0x50, 4 * MS), 0);
    ck_assert_uint_eq(count(b, 0x50, 2 * MS), 1);
    ck_assert_uint_eq(count(b, 0x50, 100 * SEC), 0);
    /* with 32 bits it comes again when they have gone round, after 42.9 s */
    set(b, T_CONFIG(2), ENABLE | BITS32 | ROUTE(20));
    set(b, T_CMP(2), get(b, COUNTER) + PER_MS);
    ck_assert_uint_eq(count(b, 0x50, 2 * MS), 1);
    ck_assert_uint_eq(count(b, 0x50, 42 * SEC), 0);
    ck_assert_uint_eq(count(b, 0x50, SEC), 1);
    /* disabled, halted: nothing */
    set(b, T_CONFIG(2), BITS32 | ROUTE(20));
    set(b, T_CMP(2), get(b, COUNTER) + PER_MS);
    ck_assert_uint_eq(count(b, 0x50, 5 * MS), 0);
    set(b, T_CONFIG(2), ENABLE | BITS32 | ROUTE(20));
    set(b, T_CMP(2), get(b, COUNTER) + PER_MS);
    set(b, CONFIG, 0);
    ck_assert_uint_eq(count(b, 0x50, 5 * MS), 0);
    set(b, CONFIG, 1);
    ck_assert_uint_eq(count(b, 0x50, 5 * MS), 1);
    board_free(b);
}
END_TEST

/* Set a periodic timer as software does: the comparator, then the period. */
static void set_periodic(struct test_board *b, unsigned n, uint32_t config, uint32_t period)
{
    set(b, T_CONFIG(n), config | ENABLE | PERIODIC | VAL_SET | BITS32);
    set(b, T_CMP(n), get(b, COUNTER) + period);
    set(b, T_CMP(n), period);
}

START_TEST(periodic)
{
    struct test_board *b = board_new();
    uint32_t cmp;

    route(b, 21, 0x51);
    set(b, COUNTER, 0xfffffff0); /* the comparator wraps on its way */
    set(b, CONFIG, 1);
    set_periodic(b, 0, ROUTE(21), PER_MS);
    ck_assert_uint_eq(count(b, 0x51, SEC), 1000);
    cmp = get(b, T_CMP(0)) - get(b, COUNTER); /* it shows the next match */
    ck_assert_uint_le(cmp, PER_MS);
    ck_assert_uint_gt(cmp, 0);
    /* it moves on although nobody is told */
    set(b, T_CONFIG(0), PERIODIC | BITS32 | ROUTE(21));
    ck_assert_uint_eq(count(b, 0x51, 100 * MS), 0);
    ck_assert_uint_le(get(b, T_CMP(0)) - get(b, COUNTER), PER_MS);
    /* a tick every 10 ns does not stop the machine */
    set_periodic(b, 0, ROUTE(21), 1);
    ck_assert_uint_ge(count(b, 0x51, MS), 10);
    set_periodic(b, 0, ROUTE(21), 0);
    count(b, 0x51, MS);
    ck_assert_ptr_null(bus_check(b->bus));
    board_free(b);
}
END_TEST

START_TEST(level_triggered)
{
    struct test_board *b = board_new();

    route(b, 22, 0x8052);
    set(b, CONFIG, 1);
    set(b, T_CONFIG(1), ENABLE | LEVEL | BITS32 | ROUTE(22));
    set(b, T_CMP(1), get(b, COUNTER) + PER_MS);
    board_advance(b, 2 * MS);
    ck_assert_uint_eq(get(b, STATUS), 2);
    ck_assert_int_eq(pc_intr_ack(b->pc), 0x52);
    board_write32(b, 0xfee000b0, 0); /* not answered: it comes again */
    ck_assert_int_eq(b->intr, 1);
    ck_assert_int_eq(pc_intr_ack(b->pc), 0x52);
    set(b, STATUS, 5); /* others' bits do nothing */
    ck_assert_uint_eq(get(b, STATUS), 2);
    set(b, STATUS, 2);
    ck_assert_uint_eq(get(b, STATUS), 0);
    board_write32(b, 0xfee000b0, 0);
    ck_assert_int_eq(b->intr, 0);
    board_free(b);
}
END_TEST

/* Timers 0 and 1 in the place of PIT and RTC, and back. */
START_TEST(legacy_replacement)
{
    struct test_board *b = board_new();

    board_init_pic(b, 0xfa, 0xfe);
    board_out(b, 0x43, 0x34); /* the PIT at 1 kHz */
    board_out(b, 0x40, 0xa9);
    board_out(b, 0x40, 0x04);
    ck_assert_uint_ge(board_count(b, 0x20, 100 * MS, 100 * US), 99);
    set(b, CONFIG, 3);
    ck_assert_uint_le(board_count(b, 0x20, 100 * MS, 100 * US), 1);
    set_periodic(b, 0, 0, 10 * PER_MS);
    ck_assert_uint_eq(board_count(b, 0x20, SEC + MS, 100 * US), 100);
    set_periodic(b, 1, 0, 20 * PER_MS);
    ck_assert_uint_eq(board_count(b, 0x28, SEC + MS, 100 * US), 50);
    set(b, CONFIG, 1);
    ck_assert_uint_ge(board_count(b, 0x20, 100 * MS, 100 * US), 99);
    board_free(b);
}
END_TEST

START_TEST(ticks_are_owed)
{
    struct test_board *b = board_new();
    unsigned got;

    b->clock.catch_up = true;
    route(b, 20, 0x50);
    set(b, CONFIG, 1);
    set_periodic(b, 0, ROUTE(20), 10 * PER_MS);
    board_advance(b, 500 * MS);
    got = count(b, 0x50, 500 * MS);
    ck_assert_uint_ge(got, 98);
    ck_assert_uint_le(got, 100);
    board_advance(b, 500 * MS);
    set_periodic(b, 0, ROUTE(20), 10 * PER_MS);
    got = count(b, 0x50, 500 * MS);
    ck_assert_uint_ge(got, 50);
    ck_assert_uint_le(got, 51);
    board_free(b);
}
END_TEST

/* Random accesses break no invariant; what is saved comes back. */
START_TEST(random_accesses)
{
    struct test_board *b = board_new();
    struct test_board *other;
    struct state_buf first = { 0 };
    struct state_buf second = { 0 };
    struct state_report report;
    uint32_t seed = (uint32_t)_i * 77 + 1;

    b->clock.catch_up = _i & 1;
    for (unsigned n = 0; n < 200000; n++) {
        uint32_t r = seed = seed * 1664525 + 1013904223;
        unsigned reg = r >> 8 & 0x1fc;

        seed = seed * 1664525 + 1013904223;
        if (r & 0x10000000)
            set(b, reg, seed >> (r >> 16 & 31));
        else
            get(b, reg);
        if (!(r >> 29))
            board_advance(b, seed >> 12);
        if (b->intr && (r & 0x8000))
            pc_intr_ack(b->pc);
        if (!(n & 1023))
            ck_assert_ptr_null(bus_check(b->bus));
    }
    ck_assert_int_eq(bus_save(b->bus, &first), 0);
    other = board_new();
    other->now = b->now;
    ck_assert_int_eq(bus_load(other->bus, first.data, first.len, &report), 0);
    ck_assert_int_eq(bus_save(other->bus, &second), 0);
    ck_assert_uint_eq(first.len, second.len);
    ck_assert_mem_eq(first.data, second.data, first.len);
    ck_assert_uint_eq(get(other, COUNTER), get(b, COUNTER));
    state_buf_free(&first);
    state_buf_free(&second);
    board_free(b);
    board_free(other);
}
END_TEST

Suite *hpet_suite(void)
{
    Suite *s = suite_create("hpet");
    TCase *t = tcase_create("registers and interrupts");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, counter);
    tcase_add_test(t, one_shot);
    tcase_add_test(t, periodic);
    tcase_add_test(t, level_triggered);
    tcase_add_test(t, legacy_replacement);
    tcase_add_test(t, ticks_are_owed);
    tcase_add_loop_test(t, random_accesses, 0, 4);
    suite_add_tcase(s, t);
    return s;
}
