/* adapt.h - what is learnt while code runs: which address spaces are worth a window, which instructions
 * are better off on the checked path.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_ADAPT_H
#define BT_ADAPT_H

#include "bt/tcache.h"
#include "mmu/window.h"

/* An address space, by CR3: whether it has earned a window. */
struct aspace {
    uint32_t cr3;
    uint64_t pointers; /* hash of PAE's four */
    bool used;
    struct earned {
        uint16_t heat; /* ticks seen there */
        uint16_t need; /* so many make it worth a window */
        bool direct;
        struct window *window;
    } earned[2]; /* of user code, and of supervisor code if there is no global window */
};
#define ASPACE_SIZE  256u
#define TROUBLE_SIZE 65536u
#define CHECKED_MAX  4096u

/* An instruction (by hash of its physical address) whose memory operand was trouble. */
struct trouble {
    uint8_t count;
    uint8_t patience; /* how often it was made checked: it stays so for 4 << patience ticks */
    uint16_t until;   /* tick at which it is tried the direct way again */
    bool wraps;       /* base and displacement add up to more than 32 bits */
};

struct adapt {
    struct aspace aspace[ASPACE_SIZE];
    struct aspace *as;            /* of the current CR3; NULL: look it up */
    struct window *user_window;   /* of the current CR3; NULL: user code takes the checked way too */
    struct window *super_window;  /* the same for supervisor code: the global one, or that of CR3 */
    struct window *global_window; /* NULL: none, or it would be of no use */
    uint64_t swept;               /* ms: when code pages were last looked through */
    uint32_t no_global;           /* paging mode in which the global window was of no use */
    struct trouble trouble[TROUBLE_SIZE];
    uint32_t tick;
    struct {
        uint32_t tb, due;
    } checked_tb[CHECKED_MAX]; /* translations with such instructions */
    unsigned checked_count;
};

/* CR3 may have changed: find the window of the current address space. */
void adapt_find(struct bt *bt);
/* At interrupts, and whenever the engine starts to run. */
void adapt_sweep(struct bt *bt);
/* An interrupt came (from user mode or not): the clock of promotion and demotion. */
void adapt_tick(struct bt *bt, bool user);
/* A memory operand of instruction k of *tb was trouble, so much. Retranslates it if it was too often. */
void adapt_trouble(struct bt *bt, struct tb *tb, unsigned k, unsigned weight);
/* Whether the instruction at this physical address is to take the checked way. */
bool adapt_is_checked(const struct bt *bt, gpa_t pa);
/* Its address wraps at 4 GiB (it missed the window): from now on with addr32 gs:. */
void adapt_wraps(struct bt *bt, struct tb *tb, unsigned k);
bool adapt_is_wrapping(const struct bt *bt, gpa_t pa);
/* *tb has such instructions: remember to try them the direct way again. */
void adapt_checked_tb(struct bt *bt, struct tb *tb);
enum { TROUBLE_AGAIN = 1, TROUBLE_FAULT = 1, TROUBLE_SLOW = 6 };

#endif
