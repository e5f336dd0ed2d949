/* btr_run.h - what btr_run.c knows of the last run, for btr_show.c.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_INSN_BTR_RUN_H
#define TESTS_INSN_BTR_RUN_H

#include "btr.h"

struct ignored {
    uint32_t pa;
    uint8_t mask;
};

#define STEPS_MAX 300u

struct trace {
    enum exit_reason why, test_why;
    uint32_t undef;  /* flags that are undefined now */
    uint32_t pushed; /* those that were when an exception pushed them */
    unsigned steps;
    unsigned before_exc;
    bool stepped, events_done;
    bool pointers;   /* x87 pointers went to memory */
    bool in_tables;  /* code in a page of page tables: A and D bits that change it */
    bool cmps_fault; /* CMPS faulted */
    uint64_t icount, test_icount;
    unsigned exc_ref, exc_test; /* exc_next when the run began */
    const char *what;           /* differs, or NULL */
    uint32_t ram_at;            /* differs, or RAM_SIZE */
    unsigned ignored;
    /* valid up to `steps` and `ignored` */
    struct executed {
        uint32_t eip, eax;
        uint16_t row;
        uint8_t len;
        uint8_t bytes[15];
    } done[STEPS_MAX];
    struct ignored ignore[1024];
};
extern struct trace trace;

void watch_for_hangs(void);

#endif
