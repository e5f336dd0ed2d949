/* ide_dma.c - the PIIX3's bus master (SFF-8038i, datasheet 290550): descriptor tables that fit, do not fit, have no
 * end; status, interrupt, starting and stopping.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/hw/ide_regs.h"

#define SECTORS 4000u
#define EOT     0x80000000u
#define TO      0x20000u
#define START   1
#define STARTED 9 /* to memory */
#define ACTIVE  1
#define IRQ_BIT 4

static struct block *disk;
static struct test_board *b;

static void made(void)
{
    disk = disk_image(SECTORS, 0);
    b = board_with_disk(disk);
    ide_map_master(b);
}

static void gone(void)
{
    board_free(b);
    block_close(disk);
}

static uint8_t bm_status(void) { return board_in(b, BMIDE + 2); }

/* READ DMA of `count` sectors at `lba` by a table; returns the bus master's status. */
static uint8_t read_dma(const uint32_t (*table)[2], unsigned n, unsigned count, unsigned lba)
{
    ide_table(b, table, n);
    ata_start(b, (struct ata_command){ .cmd = 0xc8, .count = count, .lba = lba });
    ck_assert_uint_eq(bm_status() & 7, 0); /* it waits */
    board_out(b, BMIDE, STARTED);
    board_advance(b, ARMED);
    return bm_status() & 7;
}

START_TEST(fits)
{
    static const uint32_t one[][2] = { { TO, EOT | 8 * 512 } };
    /* odd places: within sectors, over a page's end, not in order */
    static const uint32_t many[][2] = {
        { TO + 0x10ffe, 100 }, { TO + 2, 412 + 512 }, { TO + 0x8000, 2 }, { TO + 0x4f00, EOT | (6 * 512 - 2) }
    };
    uint8_t got[8 * 512];

    made();
    ck_assert_uint_eq(read_dma(one, 1, 8, 40), IRQ_BIT);
    ck_assert(sectors_at(b->ram + TO, 40, 8));
    ck_assert_uint_eq(b->ram[TO + 8 * 512], 0);
    ck_assert(board_line(b, IRQ));
    board_out(b, BMIDE, 0);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(bm_status() & 7, IRQ_BIT); /* until a one is written */
    board_out(b, BMIDE + 2, 0x60);
    ck_assert_uint_eq(bm_status(), 0x60 | IRQ_BIT);
    board_out(b, BMIDE + 2, 0x24);
    ck_assert_uint_eq(bm_status(), 0x20);
    ck_assert_uint_eq(ata_address(b, false), 47);
    ck_assert_uint_eq(read_dma(many, 4, 8, 200), IRQ_BIT);
    memcpy(got, b->ram + TO + 0x10ffe, 100);
    memcpy(got + 100, b->ram + TO + 2, 924);
    memcpy(got + 1024, b->ram + TO + 0x8000, 2);
    memcpy(got + 1026, b->ram + TO + 0x4f00, 6 * 512 - 2);
    ck_assert(sectors_at(got, 200, 8));
    gone();
}
END_TEST

/* A count of 0 is 64 KiB; the lowest bit of address and count is none. */
START_TEST(counts)
{
    static const uint32_t whole[][2] = { { TO, EOT } };
    static const uint32_t two[][2] = { { TO, 0 }, { TO + 0x10000, EOT } };
    static const uint32_t odd[][2] = { { TO + 1, 0x201 }, { TO + 0x200, EOT | 0x201 } };

    made();
    ck_assert_uint_eq(read_dma(whole, 1, 128, 0), IRQ_BIT);
    ck_assert(sectors_at(b->ram + TO, 0, 128));
    ck_assert_uint_eq(read_dma(two, 2, 0, 1000), IRQ_BIT);
    ck_assert(sectors_at(b->ram + TO, 1000, 256));
    ck_assert_uint_eq(read_dma(odd, 2, 2, 7), IRQ_BIT);
    ck_assert(sectors_at(b->ram + TO, 7, 2));
    gone();
}
END_TEST

/* Less than the command moves: the transfer stops, without an interrupt. */
START_TEST(too_short)
{
    static const uint32_t table[][2] = { { TO, 512 }, { TO + 512, EOT | 512 } };
    static const uint32_t half[][2] = { { TO, EOT | 768 } };

    made();
    ck_assert_uint_eq(read_dma(table, 2, 4, 10), 0);
    ck_assert(sectors_at(b->ram + TO, 10, 2));
    ck_assert_uint_eq(b->ram[TO + 1024], 0);
    ck_assert(!board_line(b, IRQ));
    board_out(b, BMIDE, 0);
    board_advance(b, ARMED);
    ck_assert(!board_line(b, IRQ));
    board_out(b, ALT, SRST); /* what a driver then does */
    board_out(b, ALT, 0);
    ck_assert_uint_eq(read_dma(table, 2, 2, 30), IRQ_BIT);
    /* a write brings whole sectors to the disk, no more */
    for (unsigned n = 0; n < 2; n++)
        fill_sector(b->ram + TO + n * 512, 3000 + n);
    ide_table(b, half, 1);
    ata_start(b, (struct ata_command){ .cmd = 0xca, .count = 2, .lba = 50 });
    board_out(b, BMIDE, START);
    board_advance(b, ARMED);
    ck_assert_uint_eq(bm_status() & 7, 0);
    ck_assert(sectors_in(disk, 50, 3000, 1));
    ck_assert(sectors_in(disk, 51, 51, 1));
    gone();
}
END_TEST

/* More than the command moves, or no end at all: the interrupt comes, and the bus master stays active until it is
 * stopped. */
START_TEST(too_long)
{
    static const uint32_t table[][2] = { { TO, EOT | 4096 } };
    static const uint32_t next[][2] = { { TO, 1024 }, { TO + 1024, EOT | 512 } };
    static const uint32_t endless[][2] = { { TO, 1024 }, { TO + 1024, 1024 } };

    made();
    ck_assert_uint_eq(read_dma(table, 1, 4, 10), ACTIVE | IRQ_BIT);
    ck_assert(sectors_at(b->ram + TO, 10, 4));
    ck_assert_uint_eq(b->ram[TO + 2048], 0);
    board_out(b, BMIDE, 0);
    ck_assert_uint_eq(bm_status() & 7, IRQ_BIT);
    ck_assert_uint_eq(read_dma(next, 2, 2, 20), ACTIVE | IRQ_BIT);
    ck_assert_uint_eq(read_dma(endless, 2, 4, 30), ACTIVE | IRQ_BIT);
    ck_assert(sectors_at(b->ram + TO, 30, 4));
    gone();
}
END_TEST

START_TEST(writes)
{
    static const uint32_t table[][2] = { { TO, 1000 }, { TO + 1000, EOT | 536 } };

    made();
    for (unsigned n = 0; n < 3; n++)
        fill_sector(b->ram + TO + n * 512, 2000 + n);
    ide_table(b, table, 2);
    ata_start(b, (struct ata_command){ .cmd = 0xca, .count = 3, .lba = 60 });
    board_out(b, BMIDE, START);
    board_advance(b, ARMED);
    ck_assert_uint_eq(bm_status() & 7, IRQ_BIT);
    ck_assert(sectors_in(disk, 60, 2000, 3));
    ck_assert(sectors_in(disk, 63, 63, 1));
    ide_table(b, table, 2);
    ata_start(b, (struct ata_command){ .cmd = 0x35, .count = 3, .lba = 70, .ext = true });
    board_out(b, BMIDE, START);
    board_advance(b, ARMED);
    ck_assert(sectors_in(disk, 70, 2000, 3));
    /* the other order: the bus master is started first */
    ide_table(b, table, 2);
    board_out(b, BMIDE, START);
    ck_assert_uint_eq(bm_status() & 7, ACTIVE);
    ata_start(b, (struct ata_command){ .cmd = 0xca, .count = 3, .lba = 80 });
    board_advance(b, ARMED);
    ck_assert_uint_eq(bm_status() & 7, IRQ_BIT);
    ck_assert(sectors_in(disk, 80, 2000, 3));
    gone();
}
END_TEST

/* Stopped before it has moved anything, and started again. */
START_TEST(stopped)
{
    static const uint32_t table[][2] = { { TO, EOT | 1024 } };

    made();
    ide_table(b, table, 1);
    ata_start(b, (struct ata_command){ .cmd = 0xc8, .count = 2, .lba = 90 });
    board_out(b, BMIDE, STARTED);
    ck_assert_uint_eq(bm_status() & 7, ACTIVE);
    board_out(b, BMIDE, 0);
    ck_assert_uint_eq(bm_status() & 7, 0);
    board_advance(b, ARMED);
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(b->ram[TO], 0);
    board_out(b, BMIDE, STARTED);
    board_advance(b, ARMED);
    ck_assert_uint_eq(bm_status() & 7, IRQ_BIT);
    ck_assert(sectors_at(b->ram + TO, 90, 2));
    gone();
}
END_TEST

START_TEST(errors)
{
    static const uint32_t table[][2] = { { TO, EOT | 4096 } };

    made();
    ck_assert_uint_eq(read_dma(table, 1, 4, SECTORS - 2), IRQ_BIT); /* past the end of the disk */
    ck_assert_uint_eq(board_in(b, STATUS), READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR) & IDNF, IDNF);
    ck_assert_uint_eq(ata_address(b, false), SECTORS);
    ck_assert(sectors_at(b->ram + TO, SECTORS - 2, 2));
    gone();
}
END_TEST

/* The interrupt bit follows the line, not the drive's wish: with nIEN it comes when the line rises. */
START_TEST(masked)
{
    static const uint32_t table[][2] = { { TO, EOT | 512 } };

    made();
    board_out(b, ALT, NIEN);
    ck_assert_uint_eq(read_dma(table, 1, 1, 5), 0);
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, ALT), READY);
    board_out(b, ALT, 0);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(bm_status() & 7, IRQ_BIT);
    /* commands without DMA set it too */
    board_in(b, STATUS);
    board_out(b, BMIDE + 2, 6);
    ck_assert_uint_eq(bm_status() & 7, 0);
    ata_run(b, (struct ata_command){ .cmd = 0x40, .count = 1 });
    ck_assert_uint_eq(bm_status() & 7, IRQ_BIT);
    gone();
}
END_TEST

/* Without the bus master bit of the PCI command register it reaches no memory. */
START_TEST(not_master)
{
    static const uint32_t table[][2] = { { TO, EOT | 512 } };

    made();
    port_write(b->bus, 0xcf8, 0x80000904, 4);
    port_write(b->bus, 0xcfc, 1, 2);
    ck_assert_uint_eq(read_dma(table, 1, 1, 5) & IRQ_BIT, 0);
    ck_assert_uint_eq(b->ram[TO], 0);
    ck_assert_uint_eq(b->ram[TO + 1], 0);
    ck_assert(!board_line(b, IRQ));
    gone();
}
END_TEST

START_TEST(registers)
{
    made();
    port_write(b->bus, BMIDE + 4, 0x12345677, 4);
    ck_assert_uint_eq(port_read(b->bus, BMIDE + 4, 4), 0x12345674);
    port_write(b->bus, BMIDE + 12, 0x00abcdef, 4); /* the other channel's */
    ck_assert_uint_eq(port_read(b->bus, BMIDE + 4, 4), 0x12345674);
    ck_assert_uint_eq(port_read(b->bus, BMIDE + 12, 4), 0x00abcdec);
    board_out(b, BMIDE, 0xff & ~1);
    ck_assert_uint_eq(board_in(b, BMIDE), 8);
    board_out(b, BMIDE, STARTED);
    ck_assert_uint_eq(bm_status() & ACTIVE, ACTIVE);
    board_out(b, BMIDE + 2, ACTIVE); /* read only */
    ck_assert_uint_eq(bm_status() & ACTIVE, ACTIVE);
    board_out(b, BMIDE + 2, 0);
    ck_assert_uint_eq(bm_status() & ACTIVE, ACTIVE);
    gone();
}
END_TEST

Suite *ide_dma_suite(void)
{
    Suite *s = suite_create("ide dma");
    TCase *t = tcase_create("bus master");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, fits);
    tcase_add_test(t, counts);
    tcase_add_test(t, too_short);
    tcase_add_test(t, too_long);
    tcase_add_test(t, writes);
    tcase_add_test(t, stopped);
    tcase_add_test(t, errors);
    tcase_add_test(t, masked);
    tcase_add_test(t, not_master);
    tcase_add_test(t, registers);
    suite_add_tcase(s, t);
    return s;
}
