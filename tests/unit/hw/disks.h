/* disks.h - images for the tests of drives, and what they have in common.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_DISKS_H
#define TESTS_DISKS_H

#include "hw/block/block.h"
#include "tests/unit/unit.h"

#define ARMED 1000000ull /* ns: more than any step of a drive takes */

/* An image of so many sectors, of which the first 4,096 are filled as fill_sector does. Its file has no name. */
struct block *disk_image(uint64_t sectors, unsigned flags);
/* Put another such image in a drive. */
void disk_change(struct block *b, uint64_t sectors, unsigned flags);
/* What sector n has: its number, then bytes that depend on it. */
void fill_sector(uint8_t *p, uint32_t n);
/* Whether count sectors from n on are at p. */
bool sectors_at(const uint8_t *p, uint32_t n, unsigned count);
/* The same of the image itself. */
bool sectors_in(struct block *b, uint32_t at, uint32_t n, unsigned count);

#endif
