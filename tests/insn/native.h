/* native.h - runs single 32-bit instructions on the host CPU, in a child process that does nothing
 * else and may do nothing else.
 *
 * The child maps code and data below 4 GiB, makes segments of its own with modify_ldt(), and goes
 * to the code by a far jump into compatibility mode with all registers loaded; a far jump back
 * follows the instruction, every other byte of the code page is INT3. Faults arrive as signals.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_INSN_NATIVE_H
#define TESTS_INSN_NATIVE_H

#include "cpu/cpu.h"

/* Where things are, in the child as in the guest. */
#define CODE_LA    0x30000000u
#define CODE_SIZE  0x1000u
#define DATA_LA    0x20000000u
#define DATA_SIZE  0x2000u
/* The parts of the data that hold something: around the page boundary, and at the end. */
#define WIN_A_LA   (DATA_LA + 0xe00u)
#define WIN_A_SIZE 0x400u
#define WIN_B_SIZE 0x40u
#define WIN_B_LA   (DATA_LA + DATA_SIZE - WIN_B_SIZE)

/* Selectors: Linux's flat user segments, and ours in the LDT. */
#define SEL_CODE32 0x23
#define SEL_DATA32 0x2b
#define SEL_LDT(n) ((n) << 3 | 7)
enum { LDT_CODE32 = 1, LDT_CODE16, LDT_DATA32, LDT_DATA16, LDT_DOWN, LDT_RDONLY, LDT_ABSENT, LDT_EXONLY, LDT_COUNT };
#define LDT_DATA_BASE (DATA_LA - 0x100u)

struct ldt_entry {
    uint32_t base, limit; /* limit in bytes */
    uint8_t code, down, readonly, absent, big;
};
extern const struct ldt_entry ldt_entries[LDT_COUNT];

/* The registers of a 32-bit program. */
struct regs {
    uint32_t r[8];
    uint32_t eip;
    uint32_t eflags;
    uint16_t seg[SEG_COUNT];
};

struct outcome {
    struct regs regs;
    int vector; /* -1: none */
    uint32_t error;
    uint32_t stray; /* data written outside the windows: its address, or 0 */
    uint8_t win_a[WIN_A_SIZE];
    uint8_t win_b[WIN_B_SIZE];
};

struct native_case {
    struct regs in;
    uint8_t code[16];
    uint8_t len;
    uint8_t code32;    /* CS.D */
    uint16_t code_off; /* of the instruction in the code page */
    uint8_t win_a[WIN_A_SIZE];
    uint8_t win_b[WIN_B_SIZE];
    struct outcome out;
};

#define NATIVE_BATCH 512

/* Put the instruction and the way back into the code page; the other way round. */
void native_place_code(const struct native_case *n);
void native_remove_code(void);
/* Fill and read the data area of this process. */
void native_load_data(const struct native_case *n);
void native_save_data(struct outcome *o);

/* Map the areas into this process and start the child. Returns the shared batch, or NULL with
 * *why set if this host cannot do it. */
struct native_case *native_start(const char **why);
/* Run the first `count` cases of the batch. On failure the number of the case that killed the
 * child, else -1. */
int native_run(unsigned count);
void native_stop(void);

#endif
