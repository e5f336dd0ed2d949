/* disks.c - images for the tests of drives.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/hw/disks.h"

#include <stdlib.h>
#include <unistd.h>

void fill_sector(uint8_t *p, uint32_t n)
{
    for (unsigned i = 0; i < SECTOR_SIZE; i++)
        p[i] = (uint8_t)(n * 7 + i * 3 + (i >> 8));
    store32(p, n);
}

bool sectors_at(const uint8_t *p, uint32_t n, unsigned count)
{
    uint8_t want[SECTOR_SIZE];

    for (unsigned i = 0; i < count; i++, p += SECTOR_SIZE) {
        fill_sector(want, n + i);
        if (memcmp(p, want, SECTOR_SIZE))
            return false;
    }
    return true;
}

bool sectors_in(struct block *b, uint32_t at, uint32_t n, unsigned count)
{
    uint8_t is[SECTOR_SIZE];

    for (unsigned i = 0; i < count; i++)
        if (block_read(b, at + i, is, 1) || !sectors_at(is, n + i, 1))
            return false;
    return true;
}

/* A file under a name that the caller removes. */
static void make_file(char *path, uint64_t sectors)
{
    uint8_t sector[SECTOR_SIZE];
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, (off_t)(sectors * SECTOR_SIZE)), 0);
    for (uint32_t n = 0; n < sectors && n < 4096; n++) {
        fill_sector(sector, n);
        ck_assert_int_eq(pwrite(fd, sector, sizeof sector, (off_t)n * SECTOR_SIZE), SECTOR_SIZE);
    }
    close(fd);
}

struct block *disk_image(uint64_t sectors, unsigned flags)
{
    char path[] = "/tmp/callgate-disk-XXXXXX";
    char err[512];

    make_file(path, sectors);
    struct block *b = block_open(path, flags | BLOCK_RAW, err, sizeof err);
    unlink(path);
    ck_assert_msg(b != NULL, "%s", err);
    return b;
}

void disk_change(struct block *b, uint64_t sectors, unsigned flags)
{
    char path[] = "/tmp/callgate-disk-XXXXXX";
    char err[512];

    make_file(path, sectors);
    int rc = block_change(b, path, flags | BLOCK_RAW, err, sizeof err);
    unlink(path);
    ck_assert_msg(!rc, "%s", err);
}
