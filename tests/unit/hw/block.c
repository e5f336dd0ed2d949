/* block.c - when what a guest writes is on the host's disk: flushes, FUA, the write cache, the end. fdatasync is
 * counted, and made to fail (the program is linked with --wrap=fdatasync).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "hw/block/block.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECTORS 64
#define BMIDE   0xc000

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

static unsigned syncs;
static int fail_with;

int __wrap_fdatasync(int fd)
{
    syncs++;
    if (fail_with) {
        errno = fail_with;
        return -1;
    }
    return __real_fdatasync(fd);
}

static char path[] = "/tmp/callgate-block-XXXXXX";

static struct block *open_disk(unsigned flags)
{
    char err[512];
    int fd;

    strcpy(path + sizeof path - 7, "XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, SECTORS * SECTOR_SIZE), 0);
    close(fd);
    syncs = 0;
    fail_with = 0;
    struct block *b = block_open(path, flags | BLOCK_RAW, err, sizeof err);
    ck_assert_msg(b != NULL, "%s", err);
    return b;
}

/* What the host's file has as the first byte of a sector. */
static uint8_t on_disk(unsigned sector)
{
    uint8_t v = 0;
    int fd = open(path, O_RDONLY);

    ck_assert_int_eq(pread(fd, &v, 1, sector * SECTOR_SIZE), 1);
    close(fd);
    return v;
}

/* Issue a command with LBA and count (twice, for the 48-bit ones). */
static void command(struct test_board *b, uint8_t cmd, uint8_t feature, uint8_t count, uint8_t lba)
{
    board_out(b, 0x1f6, 0xe0);
    board_out(b, 0x1f1, feature);
    board_out(b, 0x1f2, 0);
    board_out(b, 0x1f2, count);
    for (unsigned n = 3; n < 6; n++) {
        board_out(b, (uint16_t)(0x1f0 + n), 0);
        board_out(b, (uint16_t)(0x1f0 + n), n == 3 ? lba : 0);
    }
    board_out(b, 0x1f7, cmd);
    board_advance(b, 1000000);
}

/* The status when the command has ended. */
static uint8_t ended(struct test_board *b)
{
    board_advance(b, 1000000);
    return board_in(b, 0x1f7);
}

/* Write sectors by programmed I/O; returns the status. */
static uint8_t write_pio(struct test_board *b, uint8_t cmd, uint8_t count, uint8_t lba, uint8_t value)
{
    command(b, cmd, 0, count, lba);
    for (unsigned n = 0; n < count * SECTOR_SIZE / 4; n++) {
        port_write(b->bus, 0x1f0, value * 0x01010101u, 4);
        if (n % (SECTOR_SIZE / 4) == SECTOR_SIZE / 4 - 1)
            board_advance(b, 1000000);
    }
    return ended(b);
}

/* The same by the bus master. */
static uint8_t write_dma(struct test_board *b, uint8_t cmd, uint8_t count, uint8_t lba, uint8_t value)
{
    memset(b->ram + 0x20000, value, count * SECTOR_SIZE);
    store32(b->ram + 0x10000, 0x20000);
    store32(b->ram + 0x10004, 0x80000000u | count * SECTOR_SIZE);
    port_write(b->bus, 0xcf8, 0x80000920, 4);
    port_write(b->bus, 0xcfc, BMIDE | 1, 4);
    port_write(b->bus, 0xcf8, 0x80000904, 4);
    port_write(b->bus, 0xcfc, 5, 2);
    port_write(b->bus, BMIDE, 0, 1);
    port_write(b->bus, BMIDE + 2, 6, 1);
    port_write(b->bus, BMIDE + 4, 0x10000, 4);
    command(b, cmd, 0, count, lba);
    port_write(b->bus, BMIDE, 1, 1);
    return ended(b);
}

#define ERR 0x01

START_TEST(flushes)
{
    struct block *disk = open_disk(0);
    struct test_board *b = board_with_disk(disk);

    ck_assert_int_eq(write_pio(b, 0x30, 2, 3, 0x11) & ERR, 0);
    ck_assert_int_eq(on_disk(4), 0x11);
    ck_assert_uint_eq(syncs, 0); /* the write cache is on */
    command(b, 0xe7, 0, 0, 0);
    ck_assert_int_eq(ended(b) & ERR, 0);
    ck_assert_uint_eq(syncs, 1);
    command(b, 0xea, 0, 0, 0);
    ck_assert_int_eq(ended(b) & ERR, 0);
    ck_assert_uint_eq(syncs, 2);
    /* FUA: each command, whatever its length */
    command(b, 0xc6, 0, 1, 0);
    ck_assert_int_eq(write_pio(b, 0xce, 3, 8, 0x22) & ERR, 0);
    ck_assert_uint_eq(syncs, 3);
    ck_assert_int_eq(on_disk(10), 0x22);
    ck_assert_int_eq(write_pio(b, 0x39, 3, 8, 0x23) & ERR, 0);
    ck_assert_uint_eq(syncs, 3);
    ck_assert_int_eq(write_dma(b, 0x3d, 4, 20, 0x33) & ERR, 0);
    ck_assert_uint_eq(syncs, 4);
    ck_assert_int_eq(on_disk(23), 0x33);
    ck_assert_int_eq(write_dma(b, 0x35, 4, 20, 0x34) & ERR, 0);
    ck_assert_uint_eq(syncs, 4);
    ck_assert_uint_eq(disk->syncs, 4);
    board_free(b);
    block_close(disk); /* dirty */
    ck_assert_uint_eq(syncs, 5);
    unlink(path);
}
END_TEST

static uint16_t identify(struct test_board *b, unsigned word)
{
    uint16_t v = 0;

    command(b, 0xec, 0, 0, 0);
    for (unsigned n = 0; n < 256; n++) {
        uint16_t w = (uint16_t)port_read(b->bus, 0x1f0, 2);

        if (n == word)
            v = w;
    }
    return v;
}

START_TEST(write_cache)
{
    struct block *disk = open_disk(0);
    struct test_board *b = board_with_disk(disk);

    ck_assert_uint_eq(identify(b, 83) & 0x3000, 0x3000); /* FLUSH CACHE, FLUSH CACHE EXT */
    ck_assert_uint_eq(identify(b, 84) & 0x40, 0x40);     /* FUA */
    ck_assert_uint_eq(identify(b, 87) & 0x40, 0x40);
    ck_assert_uint_eq(identify(b, 85) & 0x20, 0x20); /* the write cache is on */
    ck_assert_int_eq(write_pio(b, 0x30, 1, 1, 1) & ERR, 0);
    ck_assert_uint_eq(syncs, 0);
    command(b, 0xef, 0x82, 0, 0);
    ck_assert_int_eq(ended(b) & ERR, 0);
    ck_assert_uint_eq(syncs, 1); /* what was in it */
    ck_assert_uint_eq(identify(b, 85) & 0x20, 0);
    ck_assert_int_eq(write_pio(b, 0x30, 2, 1, 2) & ERR, 0);
    ck_assert_uint_eq(syncs, 2);
    ck_assert_int_eq(write_dma(b, 0xca, 2, 1, 3) & ERR, 0);
    ck_assert_uint_eq(syncs, 3);
    command(b, 0xef, 0x02, 0, 0);
    ck_assert_int_eq(write_dma(b, 0xca, 2, 1, 4) & ERR, 0);
    ck_assert_uint_eq(syncs, 3);
    command(b, 0xe0, 0, 0, 0); /* STANDBY IMMEDIATE */
    ck_assert_int_eq(ended(b) & ERR, 0);
    ck_assert_uint_eq(syncs, 4);
    board_free(b);
    block_close(disk);
    ck_assert_uint_eq(syncs, 4); /* nothing is left to do */
    unlink(path);
}
END_TEST

/* The host's disk fails: the guest is told by an error, the user by one line. */
START_TEST(failures)
{
    struct block *disk = open_disk(0);
    struct test_board *b = board_with_disk(disk);
    FILE *err = tmpfile();
    int old = dup(2);
    char said[1024];
    ssize_t len;

    dup2(fileno(err), 2);
    fail_with = EIO;
    int plain = write_pio(b, 0x30, 1, 1, 1);
    command(b, 0xe7, 0, 0, 0);
    int flush = ended(b);
    int pio = write_pio(b, 0xce, 1, 1, 1); /* no multiple mode: an error anyway */
    command(b, 0xc6, 0, 1, 0);
    pio &= write_pio(b, 0xce, 1, 1, 1);
    int dma = write_dma(b, 0x3d, 1, 1, 1);
    fail_with = 0;
    command(b, 0xe7, 0, 0, 0);
    int good = ended(b);
    len = pread(fileno(err), said, sizeof said - 1, 0);
    dup2(old, 2);
    fclose(err);
    said[len > 0 ? len : 0] = '\0';
    ck_assert_int_eq(plain & ERR, 0);
    ck_assert_int_eq(flush & ERR, ERR);
    ck_assert_int_eq(pio & ERR, ERR);
    ck_assert_int_eq(dma & ERR, ERR);
    ck_assert_int_eq(good & ERR, 0);
    ck_assert_msg(!strncmp(said, "callgate: ", 10) && strchr(said, '\n') == said + len - 1 && strstr(said, path) &&
                      strstr(said, strerror(EIO)),
                  "%s", said);
    board_free(b);
    block_close(disk);
    unlink(path);
}
END_TEST

/* A sparse image beyond RLIMIT_FSIZE: an error, and no signal that ends the process (main() ignores it). */
START_TEST(may_not_grow)
{
    struct rlimit limit = { 8 * SECTOR_SIZE, 8 * SECTOR_SIZE };
    struct block *disk = open_disk(0);
    struct test_board *b = board_with_disk(disk);

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0); /* of this test's process alone */
    int inside = write_pio(b, 0x30, 1, 3, 1);
    int pio = write_pio(b, 0x30, 1, 9, 1);
    int dma = write_dma(b, 0xca, 1, 9, 1);
    ck_assert_int_eq(inside & ERR, 0);
    ck_assert_int_eq(pio & ERR, ERR);
    ck_assert_int_eq(dma & ERR, ERR);
    ck_assert_uint_eq(disk->writes, 1);
    board_free(b);
    block_close(disk);
    unlink(path);
}
END_TEST

START_TEST(ends)
{
    uint8_t sector[SECTOR_SIZE] = { 7 };
    struct block *b = open_disk(BLOCK_MAY_PROTECT); /* as floppies are */

    ck_assert_int_eq(block_read(b, 0, sector, 1), 0);
    block_close(b);
    ck_assert_uint_eq(syncs, 0);
    unlink(path);
    b = open_disk(BLOCK_MAY_PROTECT);
    ck_assert_int_eq(block_write(b, 0, sector, 1), 0);
    block_eject(b);
    ck_assert_uint_eq(syncs, 1);
    block_close(b);
    ck_assert_uint_eq(syncs, 1);
    unlink(path);
    b = open_disk(BLOCK_SNAPSHOT);
    ck_assert_int_eq(block_write(b, 0, sector, 1), 0);
    ck_assert_int_eq(block_flush(b), 0);
    block_close(b);
    ck_assert_uint_eq(syncs, 0);
    unlink(path);
}
END_TEST

Suite *block_suite(void)
{
    Suite *s = suite_create("block");
    TCase *t = tcase_create("to the disk");

    tcase_add_test(t, flushes);
    tcase_add_test(t, write_cache);
    tcase_add_test(t, failures);
    tcase_add_test(t, may_not_grow);
    tcase_add_test(t, ends);
    suite_add_tcase(s, t);
    return s;
}
