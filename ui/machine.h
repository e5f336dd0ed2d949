/* machine.h - one virtual machine: CPU, memory, engine and board put together, and the loop that
 * runs them on the calling thread.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_MACHINE_H
#define UI_MACHINE_H

#include "hw/block/block.h"
#include "hw/char/chardev.h"
#include "hw/pc.h"
#include "mmu/mmu.h"
#include "snapshot/snapshot.h"
#include "ui/options.h"

struct machine {
    const struct options *opt;
    struct cpu *cpu;
    bool engine_made;
    struct memmap *map;
    struct mmu *mmu;
    struct clock clock;
    struct evloop *ev;
    struct pc *pc;
    struct chardev *stdio_mux;  /* terminal shared by serial port and monitor, or NULL */
    struct chardev *chardev[8]; /* the others that were opened */
    unsigned chardev_count;
    struct chardev *console[9]; /* all of these, for machine_parts */
    struct chardev *monitor_chr;
    struct monitor *monitor;
    bool monitor_shared;             /* ... is a front of stdio_mux */
    struct block *drive[MAX_DRIVES]; /* as struct options numbers them; NULL: no drive */
    bool paused;                     /* the monitor's stop */
    bool quit;
    int status;     /* exit status */
    int reset_kind; /* an enum reset_kind asked for, or -1 */
    int reset_code;
    void *files[16]; /* file contents handed to the board */
    unsigned file_count;
    void *display; /* the window, or NULL */
};

/* Build the machine the options describe. Returns 0, or -errno after one line on stderr. */
int machine_create(struct machine *m, const struct options *o);
/* Run until the guest or the user ends it; returns the exit status. */
int machine_run(struct machine *m);
/* With -icount: run until so many instructions have been executed in all, or until it ends (m->quit). On this
 * thread alone, and outside the sandbox: for tests. */
int machine_run_to(struct machine *m, uint64_t end);
/* What its state is made of. Valid while the machine lives. */
void machine_parts(struct machine *m, struct snapshot_parts *p);
void machine_destroy(struct machine *m);

void machine_pause(struct machine *m, bool on);
/* Ask for a reset or the end; acts between instructions. */
void machine_request(struct machine *m, enum reset_kind kind, int code);

/* Attach the monitor to a chardev; `shared`: a terminal it shares with a serial port. */
int monitor_start(struct machine *m, struct chardev *chr, bool shared);
void monitor_stop(struct machine *m);

#endif
