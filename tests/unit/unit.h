/* unit.h - the unit tests' suites, and a board without a CPU for device tests.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <check.h>

#include "hw/pc.h"

Suite *flags_suite(void);
Suite *state_suite(void);
Suite *mmu_suite(void);
Suite *codeblock_suite(void);
Suite *range_suite(void);
Suite *window_suite(void);
Suite *bt_suite(void);
Suite *plan_suite(void);
Suite *lockstep_suite(void);
Suite *clock_suite(void);
Suite *time_suite(void);
Suite *hpet_suite(void);
Suite *timer_chips_suite(void);
Suite *board_suite(void);
Suite *options_suite(void);
Suite *block_suite(void);
Suite *ata_suite(void);
Suite *ide_dma_suite(void);
Suite *atapi_suite(void);
Suite *fdc_suite(void);
Suite *dma_suite(void);
Suite *loader_suite(void);
Suite *sandbox_suite(void);
Suite *opener_suite(void);

/* Whether the kernel filters system calls; an emulation of one (qemu-user) does not. */
bool unit_has_seccomp(void);

/* A whole board whose time only passes when the test says so and whose memory is an array. */
struct test_board {
    struct pc *pc;
    struct chardev *serial;
    struct bus *bus;
    struct clock clock;
    struct evloop *ev;
    tick_t now;
    uint8_t *ram;
    uint64_t ram_size;
    struct memmap *map;
    int intr;   /* level of INTR */
    int resets; /* requests, by kind: last */
    int last_reset;
    int last_code;
};

struct test_board *board_new(void);
/* The same with a kernel to boot; NULL if the board refuses it. */
struct test_board *board_try(const void *kernel, size_t size);
struct block;
/* The same with a hard disk, primary master, that stays the caller's. */
struct test_board *board_with_disk(struct block *disk);
/* The same with these drives, as in struct pc_config; they stay the caller's. */
struct board_drives {
    struct block *ide[4];
    bool cdrom[4];
    struct block *floppy[2];
};
struct test_board *board_with_drives(const struct board_drives *drives);
void board_free(struct test_board *b);
/* Let virtual time pass, running timers at their times. */
void board_advance(struct test_board *b, tick_t ns);
void board_out(struct test_board *b, uint16_t port, uint8_t v);
uint8_t board_in(struct test_board *b, uint16_t port);
/* The level of an interrupt request line (not of 0, 1, 2, 8, 13), as the 8259 sees it. */
bool board_line(struct test_board *b, unsigned irq);
/* Accesses to MMIO ranges; the test fails where none is. */
void board_write32(struct test_board *b, gpa_t gpa, uint32_t v);
uint32_t board_read32(struct test_board *b, gpa_t gpa);
/* Whether an MMIO range is mapped there. */
bool board_mapped(struct test_board *b, gpa_t gpa);
/* Initialise both 8259s (vectors 20h, 28h) with these masks. */
void board_init_pic(struct test_board *b, uint8_t mask0, uint8_t mask1);
/* Count interrupts of `vector` during `ns`, acknowledging all. */
unsigned board_count(struct test_board *b, int vector, tick_t ns, tick_t step);

#endif
