/* ide_regs.c - the first IDE channel by its registers.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/hw/ide_regs.h"

#define TABLE 0x10000

void ata_issue(struct test_board *b, struct ata_command c)
{
    board_out(b, DEVICE, (uint8_t)(0xe0 | c.slave << 4 | (c.ext ? 0 : c.lba >> 24 & 15)));
    board_out(b, ERROR, c.feature);
    if (c.ext) {
        board_out(b, COUNT, (uint8_t)(c.count >> 8));
        board_out(b, LOW, (uint8_t)(c.lba >> 24));
        board_out(b, MID, (uint8_t)(c.lba >> 32));
        board_out(b, HIGH, (uint8_t)(c.lba >> 40));
    }
    board_out(b, COUNT, (uint8_t)c.count);
    board_out(b, LOW, (uint8_t)c.lba);
    board_out(b, MID, (uint8_t)(c.lba >> 8));
    board_out(b, HIGH, (uint8_t)(c.lba >> 16));
    board_out(b, STATUS, c.cmd);
}

void ata_start(struct test_board *b, struct ata_command c)
{
    ata_issue(b, c);
    board_advance(b, ARMED);
}

uint8_t ata_run(struct test_board *b, struct ata_command c)
{
    ata_start(b, c);
    ck_assert(board_line(b, IRQ));
    return board_in(b, STATUS);
}

void ata_take(struct test_board *b, void *buf, size_t len)
{
    uint8_t *p = buf;

    for (; len >= 2; len -= 2, p += 2)
        store16(p, (uint16_t)port_read(b->bus, DATA, 2));
    if (len)
        *p = (uint8_t)port_read(b->bus, DATA, 2);
}

void ata_give(struct test_board *b, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    for (; len; len -= 2, p += 2)
        port_write(b->bus, DATA, load16(p), 2);
}

void ata_identify(struct test_board *b, uint8_t cmd, unsigned slave, uint16_t words[256])
{
    ata_start(b, (struct ata_command){ .cmd = cmd, .slave = (uint8_t)slave });
    ck_assert_uint_eq(board_in(b, STATUS) & (ERR | DRQ | BSY), DRQ);
    for (unsigned n = 0; n < 256; n++)
        words[n] = (uint16_t)port_read(b->bus, DATA, 2);
    ck_assert_uint_eq(board_in(b, STATUS) & (ERR | DRQ | BSY), 0);
}

uint64_t ata_address(struct test_board *b, bool ext)
{
    uint64_t v = board_in(b, LOW) | (uint64_t)board_in(b, MID) << 8 | (uint64_t)board_in(b, HIGH) << 16;

    if (!ext)
        return v | (uint64_t)(board_in(b, DEVICE) & 15) << 24;
    board_out(b, ALT, HOB);
    v |= (uint64_t)board_in(b, LOW) << 24 | (uint64_t)board_in(b, MID) << 32 | (uint64_t)board_in(b, HIGH) << 40;
    board_out(b, ALT, 0);
    return v;
}

void ide_map_master(struct test_board *b)
{
    port_write(b->bus, 0xcf8, 0x80000920, 4);
    port_write(b->bus, 0xcfc, BMIDE | 1, 4);
    port_write(b->bus, 0xcf8, 0x80000904, 4);
    port_write(b->bus, 0xcfc, 5, 2);
}

void ide_table(struct test_board *b, const uint32_t (*entries)[2], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        store32(b->ram + TABLE + i * 8, entries[i][0]);
        store32(b->ram + TABLE + i * 8 + 4, entries[i][1]);
    }
    board_out(b, BMIDE, 0);
    board_out(b, BMIDE + 2, 0x06); /* clear what came before */
    port_write(b->bus, BMIDE + 4, TABLE, 4);
}
