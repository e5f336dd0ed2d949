/* dma.c - the two 8237A (datasheet 231466) of the board, by their registers and by what a device moves through them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "hw/core/i8237.h"

static struct test_board *b;
static struct i8237 *dma;
static uint8_t data[0x20000];

static void made(void)
{
    b = board_new();
    dma = (struct i8237 *)bus_find_device(b->bus, "dma");
    ck_assert_ptr_nonnull(dma);
    board_out(b, 0xd4, 0); /* the cascade */
    for (unsigned n = 0; n < sizeof data; n++)
        data[n] = (uint8_t)(n * 5 + (n >> 8));
}

static const uint8_t page_port[8] = { 0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a };

static uint16_t port(unsigned chan, unsigned reg) { return (uint16_t)(chan < 4 ? reg : 0xc0 + reg * 2); }

static uint16_t address_port(unsigned chan) { return port(chan, (chan & 3) * 2); }
static uint16_t count_port(unsigned chan) { return port(chan, (chan & 3) * 2 + 1); }

static void put16(uint16_t p, unsigned v)
{
    board_out(b, p, (uint8_t)v);
    board_out(b, p, (uint8_t)(v >> 8));
}

static unsigned get16(uint16_t p)
{
    unsigned v = board_in(b, p);

    return v | (unsigned)board_in(b, p) << 8;
}

/* Program a channel as a driver does; mode without the channel's number. */
static void program(unsigned chan, uint8_t mode, uint8_t page, unsigned addr, unsigned count)
{
    board_out(b, port(chan, 10), (uint8_t)(4 | (chan & 3)));
    board_out(b, port(chan, 12), 0);
    board_out(b, port(chan, 11), (uint8_t)(mode | (chan & 3)));
    put16(address_port(chan), addr);
    put16(count_port(chan), count);
    board_out(b, page_port[chan], page);
    board_out(b, port(chan, 10), chan & 3);
}

START_TEST(registers)
{
    made();
    for (unsigned chan = 0; chan < 8; chan++) {
        if (chan == 4)
            continue;
        program(chan, 0x44, (uint8_t)(0x10 + chan), 0x1234 + chan, 0x8000 + chan);
        ck_assert_uint_eq(get16(address_port(chan)), 0x1234 + chan);
        ck_assert_uint_eq(get16(count_port(chan)), 0x8000 + chan);
        ck_assert_uint_eq(board_in(b, page_port[chan]), 0x10 + chan);
    }
    board_in(b, 0); /* the flip-flop: one for all registers of a chip */
    ck_assert_uint_eq(board_in(b, 2), 0x12);
    board_in(b, 2);
    board_out(b, 12, 0);
    ck_assert_uint_eq(board_in(b, 2), 0x35);
    ck_assert_uint_eq(get16(0xc4), 0x1239); /* and one for each chip */
    board_out(b, 12, 0);
    for (uint16_t p = 0x84; p <= 0x8e; p++) { /* the ones nobody uses store */
        if (memchr(page_port, p, sizeof page_port))
            continue;
        board_out(b, p, (uint8_t)(p * 3));
        ck_assert_uint_eq(board_in(b, p), (uint8_t)(p * 3));
    }
    board_free(b);
}
END_TEST

/* From device to memory and back, in one go and in pieces; status and count at the end. */
START_TEST(moves)
{
    uint8_t back[1000];
    bool tc;

    made();
    for (unsigned mode = 0; mode < 3; mode++) { /* demand, single, block: the same to the device */
        program(1, (uint8_t)(mode << 6 | 4), 3, 0x4000, 999);
        ck_assert_int_eq(i8237_direction(dma, 1), DMA_TO_MEMORY);
        ck_assert_uint_eq(i8237_transfer(dma, 1, data, 600, &tc), 600);
        ck_assert(!tc);
        ck_assert_uint_eq(get16(address_port(1)), 0x4000 + 600);
        ck_assert_uint_eq(get16(count_port(1)), 399);
        ck_assert_uint_eq(board_in(b, 8) & 0x0f, 0);
        ck_assert_uint_eq(i8237_transfer(dma, 1, data + 600, 4000, &tc), 400);
        ck_assert(tc);
        ck_assert_mem_eq(b->ram + 0x34000, data, 1000);
        ck_assert_uint_eq(b->ram[0x34000 + 1000], 0);
        ck_assert_uint_eq(get16(count_port(1)), 0xffff);
        ck_assert_uint_eq(board_in(b, 8) & 0x0f, 2); /* terminal count, until it is read */
        ck_assert_uint_eq(board_in(b, 8) & 0x0f, 0);
        ck_assert(!i8237_ready(dma, 1)); /* it has masked itself */
        ck_assert_uint_eq(i8237_transfer(dma, 1, data, 10, &tc), 0);
        ck_assert(!tc);
    }
    program(1, 0x48, 3, 0x4000, 999);
    ck_assert_int_eq(i8237_direction(dma, 1), DMA_TO_DEVICE);
    ck_assert_uint_eq(i8237_transfer(dma, 1, back, 1000, &tc), 1000);
    ck_assert(tc);
    ck_assert_mem_eq(back, data, 1000);
    program(1, 0x40, 3, 0x4000, 9); /* verify: counts, moves nothing */
    memset(back, 0xee, sizeof back);
    ck_assert_int_eq(i8237_direction(dma, 1), DMA_VERIFY);
    ck_assert_uint_eq(i8237_transfer(dma, 1, back, 10, &tc), 10);
    ck_assert(tc);
    ck_assert_uint_eq(back[0], 0xee);
    ck_assert_mem_eq(b->ram + 0x34000, data, 10);
    board_free(b);
}
END_TEST

START_TEST(auto_init)
{
    bool tc;

    made();
    program(3, 0x54, 5, 0x100, 99);
    ck_assert_uint_eq(i8237_transfer(dma, 3, data, 250, &tc), 250); /* two and a half times round */
    ck_assert(tc);
    ck_assert_uint_eq(get16(address_port(3)), 0x100 + 50);
    ck_assert_uint_eq(get16(count_port(3)), 49);
    ck_assert_mem_eq(b->ram + 0x50100, data + 200, 50);
    ck_assert_mem_eq(b->ram + 0x50100 + 50, data + 150, 50);
    ck_assert(i8237_ready(dma, 3));
    ck_assert_uint_eq(board_in(b, 8) & 8, 8);
    ck_assert_uint_eq(i8237_transfer(dma, 3, data, 10, &tc), 10);
    ck_assert(!tc);
    board_free(b);
}
END_TEST

START_TEST(downwards)
{
    bool tc;

    made();
    program(1, 0x64, 2, 0x1000, 15);
    ck_assert_uint_eq(i8237_transfer(dma, 1, data, 16, &tc), 16);
    ck_assert(tc);
    for (unsigned n = 0; n < 16; n++)
        ck_assert_uint_eq(b->ram[0x21000 - n], data[n]);
    ck_assert_uint_eq(b->ram[0x21001], 0);
    program(1, 0x64, 2, 1, 3); /* below 0: the top of the same page */
    i8237_transfer(dma, 1, data, 4, &tc);
    ck_assert_uint_eq(b->ram[0x20000], data[1]);
    ck_assert_uint_eq(b->ram[0x2ffff], data[2]);
    ck_assert_uint_eq(b->ram[0x1ffff], 0);
    board_free(b);
}
END_TEST

/* The address wraps within 64 KiB, or 128 KiB for words; the page stays. */
START_TEST(wraps)
{
    bool tc;

    made();
    program(1, 0x44, 6, 0xfff0, 0x1f);
    ck_assert_uint_eq(i8237_transfer(dma, 1, data, 0x20, &tc), 0x20);
    ck_assert_mem_eq(b->ram + 0x6fff0, data, 16);
    ck_assert_mem_eq(b->ram + 0x60000, data + 16, 16);
    ck_assert_uint_eq(b->ram[0x70000], 0);
    ck_assert_uint_eq(board_in(b, page_port[1]), 6);
    program(1, 0x44, 7, 0x8000, 0xffff); /* a count of FFFFh: all of it */
    ck_assert_uint_eq(i8237_transfer(dma, 1, data, sizeof data, &tc), 0x10000);
    ck_assert(tc);
    ck_assert_mem_eq(b->ram + 0x78000, data, 0x8000);
    ck_assert_mem_eq(b->ram + 0x70000, data + 0x8000, 0x8000);
    program(5, 0x44, 0x09, 0xfffe, 3); /* words; the lowest bit of the page is none */
    ck_assert_uint_eq(i8237_transfer(dma, 5, data, 8, &tc), 8);
    ck_assert(tc);
    ck_assert_mem_eq(b->ram + 0x9fffc, data, 4);
    ck_assert_mem_eq(b->ram + 0x80000, data + 4, 4);
    board_free(b);
}
END_TEST

START_TEST(words)
{
    bool tc;

    made();
    for (unsigned chan = 5; chan < 8; chan++) {
        program(chan, 0x44, 8, 0x1000 * chan, 49);
        ck_assert_uint_eq(i8237_transfer(dma, chan, data, 51, &tc), 50); /* no half words */
        ck_assert(!tc);
        ck_assert_uint_eq(get16(address_port(chan)), 0x1000 * chan + 25);
        ck_assert_uint_eq(i8237_transfer(dma, chan, data + 50, 200, &tc), 50);
        ck_assert(tc);
        ck_assert_mem_eq(b->ram + 0x80000 + 0x2000 * chan, data, 100);
        ck_assert_uint_eq(board_in(b, 0xd0) & 15, 1u << (chan & 3));
    }
    ck_assert_uint_eq(i8237_transfer(dma, 4, data, 10, &tc), 0); /* the cascade moves nothing */
    board_free(b);
}
END_TEST

START_TEST(masks)
{
    bool tc;

    made();
    for (unsigned chan = 0; chan < 4; chan++)
        program(chan, 0x44, 2, 0x100 * chan, 99);
    ck_assert_uint_eq(board_in(b, 15) & 15, 0);
    board_out(b, 15, 0x0a); /* all at once */
    for (unsigned chan = 0; chan < 4; chan++)
        ck_assert_uint_eq(i8237_transfer(dma, chan, data, 1, &tc), chan & 1 ? 0 : 1);
    board_out(b, 10, 1); /* one */
    ck_assert(i8237_ready(dma, 1));
    ck_assert(!i8237_ready(dma, 3));
    board_out(b, 10, 5);
    ck_assert(!i8237_ready(dma, 1));
    board_out(b, 14, 0); /* none */
    ck_assert(i8237_ready(dma, 3));
    board_out(b, 8, 4); /* the whole chip */
    ck_assert(!i8237_ready(dma, 0));
    board_out(b, 8, 0);
    ck_assert(i8237_ready(dma, 0));
    board_out(b, 0xd4, 4); /* the cascade */
    ck_assert(!i8237_ready(dma, 0));
    board_out(b, 0xd4, 0);
    board_out(b, 0xd0, 4);
    ck_assert(!i8237_ready(dma, 0));
    board_out(b, 0xd0, 0);
    ck_assert(i8237_ready(dma, 0));
    i8237_set_dreq(dma, 2, 1);
    ck_assert_uint_eq(board_in(b, 8), 0x40);
    i8237_set_dreq(dma, 2, 0);
    ck_assert_uint_eq(board_in(b, 8), 0);
    board_in(b, 0);
    board_out(b, 13, 0); /* master clear: everything masked, the flip-flop reset */
    ck_assert_uint_eq(board_in(b, 15) & 15, 15);
    ck_assert_uint_eq(get16(count_port(0)), 98);
    board_out(b, 0xda, 0);
    ck_assert_uint_eq(board_in(b, 0xde) & 15, 15);
    board_free(b);
}
END_TEST

START_TEST(memory_to_memory)
{
    made();
    memcpy(b->ram + 0x91000, data, 256);
    program(0, 0x88, 9, 0x1000, 255);
    program(1, 0x84, 9, 0x3000, 255);
    board_out(b, 9, 4); /* not before the command register allows it */
    ck_assert_uint_eq(b->ram[0x93001], 0);
    board_out(b, 9, 0);
    board_out(b, 8, 1);
    board_out(b, 9, 4);
    ck_assert_mem_eq(b->ram + 0x93000, data, 256);
    ck_assert_uint_eq(b->ram[0x93100], 0);
    ck_assert_uint_eq(board_in(b, 8) & 2, 2);
    ck_assert_uint_eq(board_in(b, 13), data[255]);
    program(0, 0x88, 9, 0x1007, 99);
    program(1, 0x84, 9, 0x3000, 99);
    board_out(b, 8, 3); /* one byte everywhere */
    board_out(b, 9, 4);
    for (unsigned n = 0; n < 100; n++)
        ck_assert_uint_eq(b->ram[0x93000 + n], data[7]);
    ck_assert_uint_eq(b->ram[0x93000 + 100], data[100]);
    board_free(b);
}
END_TEST

Suite *dma_suite(void)
{
    Suite *s = suite_create("dma");
    TCase *t = tcase_create("8237A");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, registers);
    tcase_add_test(t, moves);
    tcase_add_test(t, auto_init);
    tcase_add_test(t, downwards);
    tcase_add_test(t, wraps);
    tcase_add_test(t, words);
    tcase_add_test(t, masks);
    tcase_add_test(t, memory_to_memory);
    suite_add_tcase(s, t);
    return s;
}
