/* board.h - what the fuzzers of devices share: a board without a CPU and the input that is read as what is done to it.
 *
 * A fuzzer of devices defines fuzz_device. An input is a byte of settings (FUZZ_*), then what its steps take; what is
 * missing at the end is 0. After each step no device may have a broken invariant.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_BOARD_H
#define TESTS_FUZZ_BOARD_H

#include "hw/block/block.h"
#include "hw/char/chardev.h"
#include "hw/display/vga.h"
#include "hw/pc.h"
#include "mmu/memmap_int.h"
#include "tests/fuzz/fuzz.h"

enum { RAM = 2 << 20 };

enum { FUZZ_FLOPPY = 1, FUZZ_DISK = 2, FUZZ_CDROM = 4, FUZZ_SAVE = 8, FUZZ_VGA = 16 };

struct board {
    struct clock clock;
    struct evloop *ev;
    struct pc *pc;
    struct bus *bus;
    tick_t now;
    int intr;
    uint64_t arena_used;
    struct memmap *map;
    uint8_t *ram;
    struct pc_config cfg;
};

struct input {
    const uint8_t *p;
    size_t left;
};

struct fuzz_device {
    uint8_t choice;                 /* settings that the input chooses */
    uint8_t always;                 /* ... and that always hold */
    unsigned steps;                 /* at most */
    void (*begin)(struct board *b); /* may be NULL */
    void (*step)(struct board *b, struct input *in);
};
extern const struct fuzz_device fuzz_device;

/* The next bytes of the input. */
uint32_t take(struct input *in, unsigned bytes);

void out8(struct board *b, uint16_t port, uint8_t v);
uint8_t in8(struct board *b, uint16_t port);
/* An access to what is mapped, or to memory. */
void access_memory(struct board *b, gpa_t gpa, uint64_t v, unsigned size, bool write);
/* An address inside the n-th range that is mapped. */
gpa_t mapped_address(struct board *b, unsigned n, uint32_t offset);
void pass_time(struct board *b, tick_t ns);
void take_interrupts(struct board *b);
/* Draw the picture; its size must be a possible one. */
void draw(struct vga *vga, unsigned *width, unsigned *height);
/* Eject what a drive has, or put its image into it again: number 0 floppy, 1 disk, 2 CD-ROM, 3 second floppy. */
void change_image(struct block *b, unsigned n, bool eject);
/* What is saved and loaded again must be the same. */
void save_and_load(struct board *b);

#endif
