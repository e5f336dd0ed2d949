/* board.c - the board of unit.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "hw/block/block.h"

#include "hw/char/chardev.h"

#include <stdlib.h>

enum { RAM = 16 << 20, BIOS = 128 << 10 };

static tick_t source(void *opaque)
{
    struct test_board *b = opaque;

    return b->now;
}

bool board_mapped(struct test_board *b, gpa_t gpa) { return memmap_range_at(b->map, gpa); }

void board_write32(struct test_board *b, gpa_t gpa, uint32_t v)
{
    uint8_t bytes[4];

    ck_assert(board_mapped(b, gpa));
    store32(bytes, v);
    bus_dma_write(b->bus, gpa, bytes, 4);
}

uint32_t board_read32(struct test_board *b, gpa_t gpa)
{
    uint8_t bytes[4];

    ck_assert(board_mapped(b, gpa));
    bus_dma_read(b->bus, gpa, bytes, 4);
    return load32(bytes);
}

static void intr(void *opaque, int level)
{
    struct test_board *b = opaque;

    b->intr = level;
}

static void nmi(void *opaque) { (void)opaque; }

static void reset_request(void *opaque, enum reset_kind kind, int code)
{
    struct test_board *b = opaque;

    b->resets++;
    b->last_reset = (int)kind;
    b->last_code = code;
}

static struct test_board *build(const void *kernel, size_t size, const struct board_drives *drives)
{
    static uint8_t bios[BIOS];
    struct test_board *b = calloc(1, sizeof *b);
    struct pc_config cfg = { 0 };
    char err[256];

    b->map = memmap_create(RAM, 0xe0000000);
    ck_assert_ptr_nonnull(b->map);
    b->ram = memmap_ram(b->map, &b->ram_size);
    clock_init(&b->clock, source, b);
    b->clock.rtc_base = 1000000000; /* 2001-09-09 01:46:40 */
    b->ev = evloop_create(&b->clock);
    cfg.ram_size = RAM;
    cfg.bios = bios;
    cfg.bios_size = sizeof bios;
    cfg.map = b->map;
    cfg.cpu = (struct cpu_pins){ .intr = intr, .nmi = nmi, .init = nmi, .opaque = b };
    cfg.clock = &b->clock;
    cfg.ev = b->ev;
    cfg.reset_request = reset_request;
    cfg.reset_opaque = b;
    cfg.serial[0] = chardev_open(b->ev, "ringbuf", err, sizeof err);
    cfg.debug_exit = true;
    cfg.vga = 1;
    cfg.kernel = kernel;
    cfg.kernel_size = size;
    cfg.kernel_name = "kernel";
    for (unsigned n = 0; drives && n < 4; n++) {
        cfg.ide[n] = drives->ide[n];
        cfg.ide_cdrom[n] = drives->cdrom[n];
        cfg.ide_sectors[n] = drives->cdrom[n] ? 0 : block_sectors(drives->ide[n]);
        if (n < 2)
            cfg.floppy[n] = drives->floppy[n];
    }
    b->serial = cfg.serial[0];
    b->pc = pc_create(&cfg, err, sizeof err);
    if (!b->pc) {
        board_free(b);
        return NULL;
    }
    b->bus = pc_bus(b->pc);
    return b;
}

struct test_board *board_try(const void *kernel, size_t size) { return build(kernel, size, NULL); }

struct test_board *board_with_drives(const struct board_drives *drives)
{
    struct test_board *b = build(NULL, 0, drives);

    ck_assert_msg(b != NULL, "the board cannot be built");
    return b;
}

struct test_board *board_with_disk(struct block *disk)
{
    return board_with_drives(&(struct board_drives){ .ide = { disk } });
}

struct test_board *board_new(void)
{
    struct test_board *b = board_try(NULL, 0);

    ck_assert_msg(b != NULL, "the board cannot be built");
    return b;
}

void board_free(struct test_board *b)
{
    if (b->pc)
        pc_destroy(b->pc);
    chardev_close(b->serial);
    evloop_destroy(b->ev);
    clock_destroy(&b->clock);
    memmap_destroy(b->map);
    free(b);
}

void board_advance(struct test_board *b, tick_t ns)
{
    tick_t end = b->now + ns;

    while (clock_next_deadline(&b->clock) <= end) {
        b->now = clock_next_deadline(&b->clock);
        clock_run_expired(&b->clock);
    }
    b->now = end;
}

void board_out(struct test_board *b, uint16_t port, uint8_t v) { port_write(b->bus, port, v, 1); }

uint8_t board_in(struct test_board *b, uint16_t port) { return (uint8_t)port_read(b->bus, port, 1); }

bool board_line(struct test_board *b, unsigned irq)
{
    uint16_t pic = irq < 8 ? 0x20 : 0xa0;

    board_out(b, irq < 8 ? 0x4d0 : 0x4d1, 0xff); /* level triggered: the request is the line */
    board_out(b, pic, 0x0a);
    return board_in(b, pic) >> (irq & 7) & 1;
}

void board_init_pic(struct test_board *b, uint8_t mask0, uint8_t mask1)
{
    board_out(b, 0x20, 0x11);
    board_out(b, 0x21, 0x20);
    board_out(b, 0x21, 4);
    board_out(b, 0x21, 1);
    board_out(b, 0xa0, 0x11);
    board_out(b, 0xa1, 0x28);
    board_out(b, 0xa1, 2);
    board_out(b, 0xa1, 1);
    board_out(b, 0x21, mask0);
    board_out(b, 0xa1, mask1);
}

unsigned board_count(struct test_board *b, int vector, tick_t ns, tick_t step)
{
    tick_t end = b->now + ns;
    unsigned count = 0;

    while (b->now < end) {
        board_advance(b, step);
        while (b->intr) {
            int v = pc_intr_ack(b->pc);

            count += v == vector;
            if (v >= 0x28)
                board_out(b, 0xa0, 0x20);
            board_out(b, 0x20, 0x20);
            if (vector == 0x28) { /* the RTC wants its register C read */
                board_out(b, 0x70, 0xc);
                board_in(b, 0x71);
            }
        }
    }
    return count;
}
