/* vm.h - a machine put together: CPU, memory, engine and board, for those that show it and drive it (ui/).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef VM_VM_H
#define VM_VM_H

#include "cpu/engine.h"
#include "hw/block/block.h"
#include "hw/char/chardev.h"
#include "hw/pc.h"
#include "mmu/mmu.h"
#include "snapshot/snapshot.h"
#include "vm/callgate.h"

struct vm {
    struct vm_config cfg;
    struct cpu *cpu;
    struct engine_env env;
    struct engine *engine; /* NULL: not made yet */
    struct memmap *map;
    struct mmu *mmu;
    struct clock clock;
    struct evloop *ev;
    struct pc *pc;
    struct chardev *serial[4];
    struct chardev *stdio_mux;  /* terminal shared by serial port and monitor, or NULL */
    struct chardev *chardev[8]; /* the others that were opened */
    unsigned chardev_count;
    struct chardev *console[9];     /* all of these, for vm_parts */
    struct chardev *monitor_chr;    /* where a monitor is asked for, or NULL */
    bool monitor_shared;            /* ... is a front of stdio_mux */
    struct block *drive[VM_DRIVES]; /* NULL: no drive */
    bool paused;                    /* the monitor's stop */
    _Atomic bool quit;
    int status;             /* exit status */
    _Atomic int reset_kind; /* an enum reset_kind asked for, or -1 */
    int reset_code;
    void *files[16]; /* file contents handed to the board */
    unsigned file_count;
    struct log_post_mortem post_mortem;
};

/* Ask for a reset or the end; acts between instructions. */
void vm_request(struct vm *m, enum reset_kind kind, int code);

/* What its state is made of (snapshot/snapshot.h): valid while the machine lives. It must not be running. */
void vm_parts(struct vm *m, struct snapshot_parts *p);

/* Say why there is no machine; -EINVAL. */
int vm_fail(const char *what);

/* wiring.c: the CPU's view onto the board, and its pins. */
void vm_wire_cpu(struct vm *m);
struct cpu_pins vm_cpu_pins(struct vm *m);

/* load.c: what the configuration names is read and opened. 0, or -errno after one line on stderr. */
int vm_load_files(struct vm *m, struct pc_config *cfg, struct pc_rom_file roms[2]);
int vm_open_drives(struct vm *m, struct pc_config *cfg);
/* consoles.c */
int vm_open_consoles(struct vm *m, struct pc_config *cfg);

#endif
