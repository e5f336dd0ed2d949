/* ide_regs.h - the first IDE channel by its registers, for the tests of ATA, ATAPI and the bus master.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_IDE_REGS_H
#define TESTS_IDE_REGS_H

#include "tests/unit/hw/disks.h"

#define DATA   0x1f0
#define ERROR  0x1f1
#define COUNT  0x1f2
#define LOW    0x1f3
#define MID    0x1f4
#define HIGH   0x1f5
#define DEVICE 0x1f6
#define STATUS 0x1f7
#define ALT    0x3f6

#define ERR  0x01
#define DRQ  0x08
#define DRDY 0x40
#define BSY  0x80
#define ABRT 0x04
#define IDNF 0x10
#define NIEN 0x02
#define SRST 0x04
#define HOB  0x80

#define READY (DRDY | 0x10) /* and seek complete: what an idle drive says */
#define IRQ   14
#define BMIDE 0xc000

struct ata_command {
    uint8_t cmd, feature;
    uint32_t count;
    uint64_t lba;
    uint8_t slave; /* 0 or 1 */
    bool ext;      /* 48 bits: each register is written twice */
};

/* Write registers and command; no time passes. */
void ata_issue(struct test_board *b, struct ata_command c);
/* The same, and time enough for the first step. */
void ata_start(struct test_board *b, struct ata_command c);
/* A command without data: the status it ends with. */
uint8_t ata_run(struct test_board *b, struct ata_command c);
/* Move a block through the data port. */
void ata_take(struct test_board *b, void *buf, size_t len);
void ata_give(struct test_board *b, const void *buf, size_t len);
/* IDENTIFY DEVICE (ECh) or PACKET DEVICE (A1h): its 256 words. */
void ata_identify(struct test_board *b, uint8_t cmd, unsigned slave, uint16_t words[256]);
/* LBA of the address registers: 28 bits, or 48. */
uint64_t ata_address(struct test_board *b, bool ext);

/* Map the bus master's registers at BMIDE and let it reach memory. */
void ide_map_master(struct test_board *b);
/* Make the table at 10000h out of `n` pairs of address and count word, and let it begin there. */
void ide_table(struct test_board *b, const uint32_t (*entries)[2], unsigned n);

#endif
