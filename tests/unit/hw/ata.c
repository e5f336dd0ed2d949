/* ata.c - ATA disks by their registers (ATA/ATAPI-6, T13 1410D): signature, selection, identification, addresses,
 * transfers by programmed I/O, errors, interrupts, resets.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/hw/ide_regs.h"

#define SECTORS 4000u

static struct block *disk;
static struct test_board *b;
static uint8_t buf[256 * SECTOR_SIZE];

static void one_disk(void)
{
    disk = disk_image(SECTORS, 0);
    b = board_with_disk(disk);
}

static void gone(void)
{
    board_free(b);
    block_close(disk);
}

static void expect_signature(void)
{
    ck_assert_uint_eq(board_in(b, ERROR), 1);
    ck_assert_uint_eq(board_in(b, COUNT), 1);
    ck_assert_uint_eq(board_in(b, LOW), 1);
    ck_assert_uint_eq(board_in(b, MID), 0);
    ck_assert_uint_eq(board_in(b, HIGH), 0);
    ck_assert_uint_eq(board_in(b, DEVICE) & 0x1f, 0);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
}

START_TEST(signature)
{
    one_disk();
    expect_signature();
    ck_assert(!board_line(b, IRQ));
    for (uint16_t port = COUNT; port <= HIGH; port++)
        board_out(b, port, 0x77);
    ck_assert_uint_eq(board_in(b, COUNT), 0x77);
    ck_assert_uint_eq(board_in(b, HIGH), 0x77);
    board_out(b, ALT, SRST);
    ck_assert_uint_eq(board_in(b, ALT) & BSY, BSY);
    board_advance(b, ARMED);
    ck_assert_uint_eq(board_in(b, ALT) & BSY, BSY); /* as long as the bit is set */
    board_out(b, ALT, 0);
    board_advance(b, ARMED);
    expect_signature();
    ck_assert(!board_line(b, IRQ)); /* a reset gives no interrupt */
    gone();
}
END_TEST

/* SRST ends what is under way: no data, no interrupt, the multiple mode is off. */
START_TEST(reset_under_way)
{
    one_disk();
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc6, .count = 8 }), READY);
    ata_issue(b, (struct ata_command){ .cmd = 0x20, .count = 4 });
    ck_assert_uint_eq(board_in(b, ALT) & BSY, BSY);
    board_out(b, ALT, SRST);
    board_out(b, ALT, 0);
    board_advance(b, ARMED);
    ck_assert(!board_line(b, IRQ));
    expect_signature();
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc4, .count = 4 }) & ERR, ERR);
    /* from the midst of a block, and with an interrupt pending */
    ata_start(b, (struct ata_command){ .cmd = 0x20, .count = 4 });
    ata_take(b, buf, 100);
    ck_assert(board_line(b, IRQ));
    board_out(b, ALT, SRST);
    ck_assert(!board_line(b, IRQ));
    board_out(b, ALT, 0);
    expect_signature();
    ck_assert_uint_eq(port_read(b->bus, DATA, 2), 0);
    gone();
}
END_TEST

START_TEST(absent_device)
{
    one_disk();
    board_out(b, DEVICE, 0xb0);
    ck_assert_uint_eq(board_in(b, STATUS), 0); /* device 0 answers for it */
    ck_assert_uint_eq(board_in(b, ALT), 0);
    board_out(b, COUNT, 0x55);
    ck_assert_uint_eq(board_in(b, COUNT), 0x55);
    ck_assert_uint_eq(board_in(b, DEVICE) & 0x10, 0x10);
    ata_start(b, (struct ata_command){ .cmd = 0xec, .slave = 1 });
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, STATUS), 0);
    board_out(b, DEVICE, 0xa0);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ck_assert_uint_eq(board_in(b, 0x177), 0); /* nobody on the other channel */
    ck_assert_uint_eq(board_in(b, 0x376), 0);
    board_out(b, 0x177, 0xec);
    board_advance(b, ARMED);
    ck_assert(!board_line(b, 15));
    gone();
}
END_TEST

START_TEST(two_devices)
{
    struct block *slave = disk_image(2000, 0);
    uint16_t words[256];

    disk = disk_image(SECTORS, 0);
    b = board_with_drives(&(struct board_drives){ .ide = { disk, slave } });
    ata_identify(b, 0xec, 0, words);
    ck_assert_uint_eq(words[60], SECTORS);
    ata_identify(b, 0xec, 1, words);
    ck_assert_uint_eq(words[60], 2000);
    /* both have the registers that are written, only the one selected does the command */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xef, .feature = 0x55, .slave = 1 }), READY);
    ata_identify(b, 0xec, 0, words);
    ck_assert_uint_eq(words[85] & 0x40, 0x40);
    ata_identify(b, 0xec, 1, words);
    ck_assert_uint_eq(words[85] & 0x40, 0);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x40, .count = 1, .lba = 3000 }), READY);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x40, .count = 1, .lba = 3000, .slave = 1 }) & ERR, ERR);
    ck_assert_uint_eq(board_in(b, ERROR) & IDNF, IDNF);
    board_out(b, DEVICE, 0xa0);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ck_assert_uint_eq(board_in(b, ERROR), 0);
    gone();
    block_close(slave);
}
END_TEST

/* EXECUTE DEVICE DIAGNOSTIC goes to both, whichever is selected, and ends what was under way. */
START_TEST(diagnostic)
{
    one_disk();
    ata_run(b, (struct ata_command){ .cmd = 0x40, .count = 1, .lba = 0x123 });
    board_out(b, DEVICE, 0xf0);
    board_out(b, STATUS, 0x90);
    board_advance(b, ARMED);
    ck_assert(board_line(b, IRQ));
    expect_signature();
    ck_assert(!board_line(b, IRQ));
    ata_issue(b, (struct ata_command){ .cmd = 0x20, .count = 4 });
    board_out(b, STATUS, 0x90);
    board_advance(b, ARMED);
    expect_signature();
    board_advance(b, ARMED);
    ck_assert_uint_eq(board_in(b, STATUS), READY); /* and no data comes late */
    ck_assert(!board_line(b, IRQ));
    gone();
}
END_TEST

static void string_of(const uint16_t *words, unsigned count, char *s)
{
    for (unsigned n = 0; n < count; n++) {
        *s++ = (char)(words[n] >> 8);
        *s++ = (char)words[n];
    }
    *s = 0;
}

START_TEST(identify)
{
    uint16_t w[256];
    char text[41];
    unsigned sum = 0;

    one_disk();
    ata_identify(b, 0xec, 0, w);
    ck_assert_uint_eq(w[0] & 0x8000, 0); /* ATA */
    ck_assert_uint_eq(w[1], SECTORS / (16 * 63));
    ck_assert_uint_eq(w[3], 16);
    ck_assert_uint_eq(w[6], 63);
    string_of(w + 10, 10, text);
    ck_assert(strspn(text, " ") < 20);
    string_of(w + 27, 20, text);
    ck_assert_msg(strstr(text, "HARDDISK") != NULL, "%s", text); /* two characters a word, the first one above */
    ck_assert_uint_eq(w[47] & 0xff, 16);
    ck_assert_uint_eq(w[49] & 0x0300, 0x0300); /* LBA, DMA */
    ck_assert_uint_eq(w[53] & 7, 7);           /* words 54-58, 64-70 and 88 are valid */
    ck_assert_uint_eq(w[54], w[1]);
    ck_assert_uint_eq(w[55], 16);
    ck_assert_uint_eq(w[56], 63);
    ck_assert_uint_eq(w[57] | (uint32_t)w[58] << 16, w[54] * 16u * 63u);
    ck_assert_uint_eq(w[59] & 0x100, 0);
    ck_assert_uint_eq(w[60] | (uint32_t)w[61] << 16, SECTORS);
    ck_assert_uint_eq(w[80] & 0x70, 0x70); /* ATA-4, 5, 6 */
    ck_assert_uint_eq(w[83] & 0xc400, 0x4400);
    ck_assert_uint_eq(w[84] & 0xc000, 0x4000);
    ck_assert_uint_eq(w[87] & 0xc000, 0x4000);
    ck_assert_uint_eq(w[93] & 0xe000, 0x6000);
    ck_assert_uint_eq(w[100], SECTORS);
    ck_assert_uint_eq(w[101] | w[102] | w[103], 0);
    ck_assert_uint_eq(w[255] & 0xff, 0xa5);
    for (unsigned n = 0; n < 256; n++)
        sum += (w[n] & 0xff) + (w[n] >> 8);
    ck_assert_uint_eq(sum & 0xff, 0);
    gone();
}
END_TEST

/* INTRQ: reading the status takes it back, reading the alternate status does not, nIEN keeps it from the line only. */
START_TEST(interrupts)
{
    one_disk();
    ata_start(b, (struct ata_command){ .cmd = 0x20, .count = 2 });
    ck_assert_uint_eq(board_in(b, ALT), READY | DRQ);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, STATUS), READY | DRQ);
    ck_assert(!board_line(b, IRQ));
    ata_take(b, buf, SECTOR_SIZE);
    board_advance(b, ARMED);
    ck_assert(board_line(b, IRQ)); /* one for each sector */
    ata_take(b, buf + SECTOR_SIZE, SECTOR_SIZE);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    board_advance(b, ARMED);
    ck_assert(!board_line(b, IRQ)); /* none after the last */
    ck_assert(sectors_at(buf, 0, 2));
    board_out(b, ALT, NIEN);
    ata_start(b, (struct ata_command){ .cmd = 0x40, .count = 2 });
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, ALT), READY);
    board_out(b, ALT, 0); /* it is still pending */
    ck_assert(board_line(b, IRQ));
    board_out(b, ALT, NIEN);
    ck_assert(!board_line(b, IRQ));
    board_in(b, STATUS);
    board_out(b, ALT, 0);
    ck_assert(!board_line(b, IRQ));
    /* a new command takes it back too */
    ata_start(b, (struct ata_command){ .cmd = 0x40, .count = 2 });
    ck_assert(board_line(b, IRQ));
    ata_issue(b, (struct ata_command){ .cmd = 0x20, .count = 1 });
    ck_assert(!board_line(b, IRQ));
    gone();
}
END_TEST

/* While a drive is busy nothing but the control register can be written. */
START_TEST(busy)
{
    one_disk();
    ata_issue(b, (struct ata_command){ .cmd = 0x20, .count = 1, .lba = 5 });
    ck_assert_uint_eq(board_in(b, STATUS) & (BSY | DRQ), BSY);
    board_out(b, LOW, 0x99);
    board_out(b, DEVICE, 0xb0);
    board_out(b, STATUS, 0xec);
    ck_assert_uint_eq(port_read(b->bus, DATA, 2), 0);
    board_advance(b, ARMED);
    ata_take(b, buf, SECTOR_SIZE);
    ck_assert(sectors_at(buf, 5, 1));
    gone();
}
END_TEST

/* The data register takes 8, 16 and 32 bits, and nothing when nothing is due. */
START_TEST(data_port)
{
    one_disk();
    ata_start(b, (struct ata_command){ .cmd = 0x20, .count = 1, .lba = 9 });
    for (unsigned n = 0; n < SECTOR_SIZE; n += 8) {
        store32(buf + n, port_read(b->bus, DATA, 4));
        store16(buf + n + 4, (uint16_t)port_read(b->bus, DATA, 2));
        buf[n + 6] = board_in(b, DATA);
        buf[n + 7] = board_in(b, DATA);
    }
    ck_assert(sectors_at(buf, 9, 1));
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ck_assert_uint_eq(port_read(b->bus, DATA, 4), 0);
    port_write(b->bus, DATA, 0x12345678, 4);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ata_start(b, (struct ata_command){ .cmd = 0x30, .count = 1, .lba = 9 }); /* no reading of what is to be written */
    ck_assert_uint_eq(port_read(b->bus, DATA, 4), 0);
    fill_sector(buf, 77);
    ata_give(b, buf, SECTOR_SIZE);
    board_advance(b, ARMED);
    ck_assert(sectors_in(disk, 9, 77, 1));
    gone();
}
END_TEST

static void read_pio(struct ata_command c, unsigned count, unsigned block)
{
    ata_start(b, c);
    for (unsigned at = 0; at < count; at += block) {
        unsigned n = count - at < block ? count - at : block;

        ck_assert(board_line(b, IRQ));
        ck_assert_uint_eq(board_in(b, STATUS), READY | DRQ);
        ata_take(b, buf, n * SECTOR_SIZE);
        ck_assert_msg(sectors_at(buf, (uint32_t)c.lba + at, n), "sector %llu", (unsigned long long)c.lba + at);
        board_advance(b, ARMED);
    }
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(ata_address(b, c.ext), c.lba + count - 1); /* that of the last one */
}

START_TEST(reads)
{
    one_disk();
    read_pio((struct ata_command){ .cmd = 0x20, .count = 1, .lba = 0 }, 1, 1);
    read_pio((struct ata_command){ .cmd = 0x21, .count = 5, .lba = 300 }, 5, 1);
    read_pio((struct ata_command){ .cmd = 0x20, .count = 0, .lba = 1000 }, 256, 1); /* 0 is 256 */
    read_pio((struct ata_command){ .cmd = 0x20, .count = 1, .lba = SECTORS - 1 }, 1, 1);
    read_pio((struct ata_command){ .cmd = 0x24, .count = 3, .lba = 600, .ext = true }, 3, 1);
    read_pio((struct ata_command){ .cmd = 0x24, .count = 0x102, .lba = 3, .ext = true }, 0x102, 1);
    gone();
}
END_TEST

START_TEST(multiple)
{
    uint16_t w[256];

    one_disk();
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc4, .count = 8 }), READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR) & ABRT, ABRT);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc5, .count = 8 }), READY | ERR);
    for (unsigned n = 1; n <= 16; n *= 2) {
        ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc6, .count = n }), READY);
        ata_identify(b, 0xec, 0, w);
        ck_assert_uint_eq(w[59], 0x100 | n);
        read_pio((struct ata_command){ .cmd = 0xc4, .count = 37, .lba = 100 }, 37, n); /* the last block is shorter */
        read_pio((struct ata_command){ .cmd = 0x29, .count = 64, .lba = 100, .ext = true }, 64, n);
    }
    read_pio((struct ata_command){ .cmd = 0x20, .count = 4, .lba = 100 }, 4, 1); /* others take no notice */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc6, .count = 3 }), READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR), ABRT);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc6, .count = 32 }), READY | ERR);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc6, .count = 0 }), READY);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc4, .count = 8 }), READY | ERR);
    gone();
}
END_TEST

static void write_pio(struct ata_command c, unsigned count, unsigned block, uint32_t pattern)
{
    ata_issue(b, c);
    ck_assert_uint_eq(board_in(b, ALT), READY | DRQ); /* the first block is asked for without an interrupt */
    ck_assert(!board_line(b, IRQ));
    for (unsigned at = 0; at < count; at += block) {
        unsigned n = count - at < block ? count - at : block;

        for (unsigned i = 0; i < n; i++)
            fill_sector(buf + i * SECTOR_SIZE, pattern + at + i);
        ata_give(b, buf, n * SECTOR_SIZE);
        ck_assert_uint_eq(board_in(b, ALT) & (BSY | DRQ), BSY);
        board_advance(b, ARMED);
        ck_assert(board_line(b, IRQ));
        ck_assert_uint_eq(board_in(b, STATUS), at + n < count ? READY | DRQ : READY);
    }
    ck_assert(!board_line(b, IRQ));
    ck_assert(sectors_in(disk, (uint32_t)c.lba, pattern, count));
    ck_assert_uint_eq(ata_address(b, c.ext), c.lba + count - 1);
}

START_TEST(writes)
{
    one_disk();
    write_pio((struct ata_command){ .cmd = 0x30, .count = 1, .lba = 7 }, 1, 1, 1000);
    write_pio((struct ata_command){ .cmd = 0x31, .count = 9, .lba = SECTORS - 9 }, 9, 1, 2000);
    write_pio((struct ata_command){ .cmd = 0x34, .count = 3, .lba = 20, .ext = true }, 3, 1, 3000);
    ck_assert(sectors_in(disk, 6, 6, 1)); /* its neighbours are as they were */
    ck_assert(sectors_in(disk, 8, 8, 1));
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xc6, .count = 4 }), READY);
    write_pio((struct ata_command){ .cmd = 0xc5, .count = 10, .lba = 50 }, 10, 4, 4000);
    write_pio((struct ata_command){ .cmd = 0x39, .count = 10, .lba = 70, .ext = true }, 10, 4, 5000);
    write_pio((struct ata_command){ .cmd = 0xce, .count = 4, .lba = 90, .ext = true }, 4, 4, 6000);
    gone();
}
END_TEST

START_TEST(read_only)
{
    disk = disk_image(SECTORS, BLOCK_READONLY);
    b = board_with_disk(disk);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x30, .count = 1 }), READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR) & ABRT, ABRT);
    read_pio((struct ata_command){ .cmd = 0x20, .count = 1 }, 1, 1);
    gone();
}
END_TEST

START_TEST(out_of_range)
{
    static const uint8_t commands[] = { 0x20, 0x30, 0x40, 0xc8, 0xca };

    one_disk();
    for (unsigned n = 0; n < sizeof commands; n++) {
        ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = commands[n], .count = 1, .lba = SECTORS }),
                          READY | ERR);
        ck_assert_uint_eq(board_in(b, ERROR) & IDNF, IDNF);
        ck_assert_uint_eq(ata_address(b, false), SECTORS);
    }
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x24, .count = 1, .lba = 1ull << 47, .ext = true }),
                      READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR) & IDNF, IDNF);
    /* what there is comes first; the address is then that of the first one missing */
    ata_start(b, (struct ata_command){ .cmd = 0x20, .count = 4, .lba = SECTORS - 2 });
    for (unsigned n = 0; n < 2; n++) {
        ck_assert_uint_eq(board_in(b, STATUS), READY | DRQ);
        ata_take(b, buf, SECTOR_SIZE);
        ck_assert(sectors_at(buf, SECTORS - 2 + n, 1));
        board_advance(b, ARMED);
    }
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, STATUS), READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR) & IDNF, IDNF);
    ck_assert_uint_eq(ata_address(b, false), SECTORS);
    ata_start(b, (struct ata_command){ .cmd = 0x30, .count = 2, .lba = SECTORS - 1 });
    fill_sector(buf, 1);
    ata_give(b, buf, SECTOR_SIZE);
    board_advance(b, ARMED);
    ck_assert_uint_eq(board_in(b, STATUS), READY | DRQ);
    ata_give(b, buf, SECTOR_SIZE);
    board_advance(b, ARMED);
    ck_assert_uint_eq(board_in(b, STATUS), READY | ERR);
    ck_assert_uint_eq(ata_address(b, false), SECTORS);
    ck_assert(sectors_in(disk, SECTORS - 1, 1, 1));
    /* VERIFY looks at the whole range */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x40, .count = 2, .lba = SECTORS - 2 }), READY);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x40, .count = 3, .lba = SECTORS - 2 }), READY | ERR);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x40, .count = 1 }), READY); /* the error is gone */
    ck_assert_uint_eq(board_in(b, ERROR), 0);
    gone();
}
END_TEST

static uint8_t verify_chs(unsigned cyl, unsigned head, unsigned sector, unsigned count)
{
    board_out(b, DEVICE, (uint8_t)(0xa0 | head));
    board_out(b, COUNT, (uint8_t)count);
    board_out(b, LOW, (uint8_t)sector);
    board_out(b, MID, (uint8_t)cyl);
    board_out(b, HIGH, (uint8_t)(cyl >> 8));
    board_out(b, STATUS, 0x40);
    board_advance(b, ARMED);
    return board_in(b, STATUS);
}

START_TEST(chs)
{
    uint16_t w[256];

    one_disk();
    ck_assert_uint_eq(verify_chs(0, 0, 1, 1), READY);
    ck_assert_uint_eq(verify_chs(0, 0, 0, 1), READY | ERR); /* sectors count from 1 */
    ck_assert_uint_eq(board_in(b, ERROR) & IDNF, IDNF);
    ck_assert_uint_eq(verify_chs(0, 0, 63, 1), READY);
    ck_assert_uint_eq(verify_chs(0, 0, 64, 1), READY | ERR);
    ck_assert_uint_eq(verify_chs(2, 15, 63, 1), READY);
    ck_assert_uint_eq(verify_chs(4, 0, 1, 1), READY | ERR);
    ck_assert_uint_eq(verify_chs(1, 15, 62, 4), READY); /* over the end of a track, and a cylinder */
    ck_assert_uint_eq(board_in(b, LOW), 2);
    ck_assert_uint_eq(board_in(b, MID), 2);
    ck_assert_uint_eq(board_in(b, DEVICE) & 0x4f, 0);
    board_out(b, DEVICE, 0xa2);
    board_out(b, COUNT, 2);
    board_out(b, LOW, 63);
    board_out(b, MID, 1);
    board_out(b, HIGH, 0);
    board_out(b, STATUS, 0x20);
    board_advance(b, ARMED);
    ata_take(b, buf, SECTOR_SIZE);
    board_advance(b, ARMED);
    ata_take(b, buf + SECTOR_SIZE, SECTOR_SIZE);
    ck_assert(sectors_at(buf, (1 * 16 + 2) * 63 + 62, 2));
    ck_assert_uint_eq(board_in(b, LOW), 1);
    ck_assert_uint_eq(board_in(b, DEVICE) & 0x4f, 3);
    /* INITIALIZE DEVICE PARAMETERS: 8 heads, 32 sectors */
    board_out(b, DEVICE, 0xa7);
    board_out(b, COUNT, 32);
    board_out(b, STATUS, 0x91);
    board_advance(b, ARMED);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ata_identify(b, 0xec, 0, w);
    ck_assert_uint_eq(w[54], SECTORS / 256);
    ck_assert_uint_eq(w[55], 8);
    ck_assert_uint_eq(w[56], 32);
    ck_assert_uint_eq(w[57], SECTORS / 256 * 256);
    ck_assert_uint_eq(w[3], 16); /* the drive's own stays */
    ck_assert_uint_eq(verify_chs(0, 8, 1, 1), READY | ERR);
    ck_assert_uint_eq(verify_chs(0, 7, 33, 1), READY | ERR);
    ck_assert_uint_eq(verify_chs(14, 7, 32, 1), READY);
    gone();
}
END_TEST

/* More than 28 bits can say: an image of 128 GiB and a little. */
START_TEST(lba48)
{
    const uint64_t all = (1ull << 28) + 5000;
    uint16_t w[256];

    disk = disk_image(all, 0);
    b = board_with_disk(disk);
    ata_identify(b, 0xec, 0, w);
    ck_assert_uint_eq(w[60] | (uint32_t)w[61] << 16, 0x0fffffff);
    ck_assert_uint_eq(w[100] | (uint32_t)w[101] << 16, all);
    ck_assert_uint_eq(w[1], 16383);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x27, .ext = true }), READY);
    ck_assert_uint_eq(ata_address(b, true), all - 1);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xf8 }), READY);
    ck_assert_uint_eq(ata_address(b, false), 0x0ffffffe);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x42, .count = 1, .lba = all - 1, .ext = true }), READY);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x42, .count = 2, .lba = all - 1, .ext = true }),
                      READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR) & IDNF, IDNF);
    /* a count of 0 is 65,536 */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x42, .lba = all - 65536, .ext = true }), READY);
    ck_assert_uint_eq(ata_address(b, true), all - 1);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x42, .lba = all - 65535, .ext = true }), READY | ERR);
    ata_issue(b, (struct ata_command){ .cmd = 0x34, .count = 1, .lba = all - 2, .ext = true });
    fill_sector(buf, 99);
    ata_give(b, buf, SECTOR_SIZE);
    board_advance(b, ARMED);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ck_assert_int_eq(block_read(disk, all - 2, buf, 1), 0);
    ck_assert(sectors_at(buf, 99, 1));
    /* the byte written before, behind HOB; any write takes that view away */
    board_out(b, LOW, 0x12);
    board_out(b, LOW, 0x34);
    board_out(b, ALT, HOB);
    ck_assert_uint_eq(board_in(b, LOW), 0x12);
    board_out(b, COUNT, 1);
    ck_assert_uint_eq(board_in(b, LOW), 0x34);
    gone();
}
END_TEST

static uint8_t feature(uint8_t sub, unsigned value)
{
    return ata_run(b, (struct ata_command){ .cmd = 0xef, .feature = sub, .count = value });
}

START_TEST(features)
{
    uint16_t w[256];

    one_disk();
    for (unsigned mode = 0; mode <= 5; mode++) {
        ck_assert_uint_eq(feature(3, 0x40 | mode), READY);
        ata_identify(b, 0xec, 0, w);
        ck_assert_uint_eq(w[88], 0x3f | 0x100u << mode);
        ck_assert_uint_eq(w[63] & 0xff00, 0);
        if (mode > 2)
            continue;
        ck_assert_uint_eq(feature(3, 0x20 | mode), READY);
        ata_identify(b, 0xec, 0, w);
        ck_assert_uint_eq(w[63], 7 | 0x100u << mode);
        ck_assert_uint_eq(w[88] & 0xff00, 0);
    }
    for (unsigned mode = 8; mode <= 12; mode++) /* PIO with flow control: the DMA mode stays */
        ck_assert_uint_eq(feature(3, mode), READY);
    ck_assert_uint_eq(feature(3, 0), READY);
    ck_assert_uint_eq(feature(3, 1), READY);
    ata_identify(b, 0xec, 0, w);
    ck_assert_uint_eq(w[88] | w[63], 0x3f | 7 | 0x100 << 5);
    static const uint8_t none[] = { 0x02, 0x0d, 0x0f, 0x13, 0x23, 0x27, 0x46, 0x47, 0x48, 0xff };
    for (unsigned n = 0; n < sizeof none; n++) {
        ck_assert_uint_eq(feature(3, none[n]), READY | ERR);
        ck_assert_uint_eq(board_in(b, ERROR), ABRT);
    }
    ck_assert_uint_eq(feature(0x55, 0), READY);
    ck_assert_uint_eq(feature(0x82, 0), READY);
    ata_identify(b, 0xec, 0, w);
    ck_assert_uint_eq(w[85] & 0x60, 0);
    ck_assert_uint_eq(feature(0xaa, 0), READY);
    ck_assert_uint_eq(feature(0x02, 0), READY);
    ata_identify(b, 0xec, 0, w);
    ck_assert_uint_eq(w[85] & 0x60, 0x60);
    ck_assert_uint_eq(feature(0x01, 0), READY | ERR);
    ck_assert_uint_eq(feature(0x31, 0), READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR), ABRT);
    gone();
}
END_TEST

START_TEST(others)
{
    static const uint8_t unknown[] = { 0x0f, 0x26, 0x50, 0x88, 0xa0, 0xa1, 0x08, 0xf1, 0xff };

    one_disk();
    for (unsigned n = 0; n < sizeof unknown; n++) {
        ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = unknown[n] }), READY | ERR);
        ck_assert_uint_eq(board_in(b, ERROR), ABRT);
    }
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x00 }), READY | ERR); /* NOP always aborts */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x10 }), READY);       /* RECALIBRATE */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0x70 }), READY);       /* SEEK */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xe7 }), READY);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xea }), READY);
    /* power */
    static const uint8_t power[][2] = { { 0xe5, 0xff }, { 0xe0, 0xff }, { 0xe5, 0 },    { 0xe1, 0 },
                                        { 0xe5, 0xff }, { 0xe2, 0xff }, { 0x98, 0 },    { 0x20, 0 },
                                        { 0xe5, 0xff }, { 0x94, 0xff }, { 0xe5, 0x00 }, { 0x95, 0x00 } };
    for (unsigned n = 0; n < ARRAY_SIZE(power); n++) {
        ata_start(b, (struct ata_command){ .cmd = power[n][0], .count = 1 });
        if (power[n][0] == 0x20)
            ata_take(b, buf, SECTOR_SIZE);
        ck_assert_uint_eq(board_in(b, STATUS), READY);
        if (power[n][0] == 0xe5 || power[n][0] == 0x98)
            ck_assert_uint_eq(board_in(b, COUNT), power[n][1]);
    }
    /* SMART wants its key, and to be on */
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xb0, .feature = 0xda }), READY | ERR);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xb0, .feature = 0xda, .lba = 0xc24f00 }), READY);
    ck_assert_uint_eq(board_in(b, MID), 0x4f); /* healthy */
    ck_assert_uint_eq(board_in(b, HIGH), 0xc2);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xb0, .feature = 0xd9, .lba = 0xc24f00 }), READY);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xb0, .feature = 0xda, .lba = 0xc24f00 }), READY | ERR);
    ck_assert_uint_eq(ata_run(b, (struct ata_command){ .cmd = 0xb0, .feature = 0xd8, .lba = 0xc24f00 }), READY);
    ata_start(b, (struct ata_command){ .cmd = 0xb0, .feature = 0xd0, .lba = 0xc24f00 });
    ata_take(b, buf, SECTOR_SIZE);
    unsigned sum = 0;
    for (unsigned n = 0; n < SECTOR_SIZE; n++)
        sum += buf[n];
    ck_assert_uint_eq(sum & 0xff, 0);
    gone();
}
END_TEST

Suite *ata_suite(void)
{
    Suite *s = suite_create("ata");
    TCase *t = tcase_create("disks");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, signature);
    tcase_add_test(t, reset_under_way);
    tcase_add_test(t, absent_device);
    tcase_add_test(t, two_devices);
    tcase_add_test(t, diagnostic);
    tcase_add_test(t, identify);
    tcase_add_test(t, interrupts);
    tcase_add_test(t, busy);
    tcase_add_test(t, data_port);
    tcase_add_test(t, reads);
    tcase_add_test(t, multiple);
    tcase_add_test(t, writes);
    tcase_add_test(t, read_only);
    tcase_add_test(t, out_of_range);
    tcase_add_test(t, chs);
    tcase_add_test(t, lba48);
    tcase_add_test(t, features);
    tcase_add_test(t, others);
    suite_add_tcase(s, t);
    return s;
}
