/* devices.c - the board as a whole: interrupts, ports, PCI, state kept and restored, and random
 * accesses, which must never crash or break an invariant.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>

/* IRR of both 8259s. */
static unsigned requests(struct test_board *b)
{
    unsigned irr;

    board_out(b, 0x20, 0x0a);
    board_out(b, 0xa0, 0x0a);
    irr = board_in(b, 0x20);
    return irr | (unsigned)board_in(b, 0xa0) << 8;
}

/* Nothing asks for an interrupt after power-on, nor after a reset from the midst of work. */
START_TEST(no_request_after_reset)
{
    struct test_board *b = board_new();

    ck_assert_int_eq(b->intr, 0);
    ck_assert_uint_eq(requests(b), 0);
    board_advance(b, 1000000000); /* nobody has started a counter */
    ck_assert_int_eq(b->intr, 0);
    ck_assert_uint_eq(requests(b), 0);
    board_init_pic(b, 0, 0);
    board_out(b, 0x43, 0x34); /* counter 0 at 1 kHz */
    board_out(b, 0x40, 0xa9);
    board_out(b, 0x40, 0x04);
    pc_key_event(b->pc, "a", true);
    board_advance(b, 100000000);
    ck_assert_int_eq(b->intr, 1);
    pc_reset(b->pc);
    ck_assert_int_eq(b->intr, 0);
    ck_assert_uint_eq(requests(b), 0);
    board_out(b, 0x43, 0x30); /* the counter's output low, reset: its rise is no request */
    board_out(b, 0x40, 0);
    pc_reset(b->pc);
    ck_assert_int_eq(b->intr, 0);
    ck_assert_uint_eq(requests(b), 0);
    board_free(b);
}
END_TEST

START_TEST(pic_priority)
{
    struct test_board *b = board_new();

    board_init_pic(b, 0x00, 0x00);
    while (b->intr)
        board_count(b, 0, 1, 1);
    pc_key_event(b->pc, "a", true); /* IRQ 1, if the keyboard's interrupt is on */
    board_out(b, 0x64, 0x60);
    board_out(b, 0x60, 0x61);
    board_advance(b, 10000000);
    pc_key_event(b->pc, "a", false);
    board_advance(b, 10000000);
    ck_assert_int_eq(b->intr, 1);
    ck_assert_int_eq(pc_intr_ack(b->pc), 0x21);
    board_out(b, 0x20, 0x0b); /* in service: IRQ 1 */
    ck_assert_uint_eq(board_in(b, 0x20), 2);
    board_out(b, 0x20, 0x20);
    board_out(b, 0x20, 0x0b);
    ck_assert_uint_eq(board_in(b, 0x20), 0);
    board_free(b);
}
END_TEST

START_TEST(pci_ids)
{
    struct test_board *b = board_new();
    static const uint32_t ids[] = { 0x12378086, 0x70008086, 0x70108086, 0x71138086 };
    static const unsigned devfn[] = { 0, 8, 9, 11 };
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(ids); n++) {
        port_write(b->bus, 0xcf8, 0x80000000 | devfn[n] << 8, 4);
        ck_assert_uint_eq(port_read(b->bus, 0xcfc, 4), ids[n]);
    }
    port_write(b->bus, 0xcf8, 0x80000000 | 31 << 11, 4);
    ck_assert_uint_eq(port_read(b->bus, 0xcfc, 4), 0xffffffff);
    board_free(b);
}
END_TEST

START_TEST(exits)
{
    struct test_board *b = board_new();

    b->resets = 0;
    board_out(b, 0x501, 5);
    ck_assert_int_eq(b->last_reset, RESET_EXIT);
    ck_assert_int_eq(b->last_code, 11);
    board_out(b, 0xcf9, 2);
    board_out(b, 0xcf9, 6);
    ck_assert_int_eq(b->last_reset, RESET_SYSTEM);
    board_out(b, 0x64, 0xfe);
    ck_assert_int_eq(b->resets, 3);
    board_free(b);
}
END_TEST

static uint32_t seed;

static uint32_t rnd(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

/* Random port accesses, most of them where devices are. */
static void poke(struct test_board *b, unsigned count)
{
    static const uint16_t bases[] = { 0x00,  0x20,  0x40,  0x60,  0x70,  0x80,  0x92,  0xa0,  0xb2,
                                      0xc0,  0x1f0, 0x170, 0x376, 0x3f0, 0x3f6, 0x3b0, 0x3c0, 0x3d0,
                                      0x3f8, 0x510, 0xcf8, 0xcfc, 0x1ce, 0x4d0, 0xb000 };

    while (count--) {
        uint16_t port = (uint16_t)(bases[rnd() % ARRAY_SIZE(bases)] + rnd() % 16);
        unsigned size = 1u << rnd() % 3;

        if (rnd() & 1)
            port_read(b->bus, port, size);
        else
            port_write(b->bus, port, rnd(), size);
        if (!(rnd() & 15))
            board_advance(b, rnd() % 100000);
        if (b->intr && !(rnd() & 3))
            pc_intr_ack(b->pc);
    }
}

START_TEST(random_ports)
{
    struct test_board *b = board_new();
    const char *broken;

    seed = (uint32_t)_i + 1;
    poke(b, 300000);
    broken = bus_check(b->bus);
    ck_assert_msg(!broken, "%s", broken);
    board_free(b);
}
END_TEST

START_TEST(state_round_trip)
{
    struct test_board *b = board_new();
    struct state_buf one = { 0 };
    struct state_buf two = { 0 };
    struct state_report report;
    size_t differ = 0;
    tick_t then;

    seed = (uint32_t)_i + 100;
    poke(b, 20000);
    ck_assert_int_eq(bus_save(b->bus, &one), 0);
    then = b->now;
    poke(b, 20000);
    b->now = then; /* the clock's time is the machine's to restore */
    ck_assert_msg(bus_load(b->bus, one.data, one.len, &report) == 0, "load: %s", report.error);
    ck_assert_int_eq(bus_save(b->bus, &two), 0);
    ck_assert_uint_eq(one.len, two.len);
    while (differ < one.len && one.data[differ] == two.data[differ])
        differ++;
    ck_assert_msg(differ == one.len, "byte %zu of %zu differs", differ, one.len);
    /* what is cut off or changed is refused or loaded, but never crashes */
    for (size_t n = 0; n < one.len; n += 1 + one.len / 97)
        bus_load(b->bus, one.data, n, &report);
    state_buf_free(&one);
    state_buf_free(&two);
    board_free(b);
}
END_TEST

/* Kernels that are damaged: accepted or refused, never a crash. */
START_TEST(damaged_kernels)
{
    enum { SIZE = 24000 };
    uint8_t *kernel = calloc(1, SIZE);
    unsigned n;

    seed = (uint32_t)_i + 7;
    for (n = 0; n < 200; n++) {
        struct test_board *b;
        unsigned k;

        memset(kernel, 0, SIZE);
        if (n & 1) { /* a bzImage */
            kernel[0x1f1] = 4;
            store16(kernel + 0x1fe, 0xaa55);
            memcpy(kernel + 0x202, "HdrS", 4);
            store16(kernel + 0x206, 0x20c);
            kernel[0x211] = 1;
            store32(kernel + 0x22c, 0x7fffffff);
            store32(kernel + 0x238, 2047);
        } else { /* a Multiboot ELF */
            memcpy(kernel, "\177ELF\1\1\1", 7);
            store16(kernel + 16, 2);
            store16(kernel + 18, 3);
            store32(kernel + 24, 0x100000);
            store32(kernel + 28, 52);
            store16(kernel + 42, 32);
            store16(kernel + 44, 2);
            store32(kernel + 52, 1);
            store32(kernel + 52 + 12, 0x100000);
            store32(kernel + 52 + 16, 0x1000);
            store32(kernel + 52 + 20, 0x2000);
            store32(kernel + 0x200, 0x1badb002);
            store32(kernel + 0x208, -0x1badb002u);
        }
        for (k = 0; k < n / 20; k++) {
            unsigned at = rnd() % 0x280;

            store32(kernel + at, rnd() & 3 ? rnd() * rnd() : rnd() % 64);
        }
        b = board_try(kernel, SIZE - (n % 7) * 3000);
        if (b)
            board_free(b);
        else
            ck_assert_msg(n >= 20, "an undamaged kernel is refused");
    }
    free(kernel);
}
END_TEST

Suite *board_suite(void)
{
    Suite *s = suite_create("board");
    TCase *t = tcase_create("devices");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, no_request_after_reset);
    tcase_add_test(t, pic_priority);
    tcase_add_test(t, pci_ids);
    tcase_add_test(t, exits);
    tcase_add_loop_test(t, random_ports, 0, 4);
    tcase_add_loop_test(t, state_round_trip, 0, 4);
    tcase_add_loop_test(t, damaged_kernels, 0, 4);
    suite_add_tcase(s, t);
    return s;
}
