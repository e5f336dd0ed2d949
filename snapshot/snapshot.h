/* snapshot.h - a whole machine's state, saved while it stands still and loaded into a fresh one.
 *
 * A stream is CALLGATE, the format's version, and objects as cpu/state_stream.c writes them: the CPU, the clock,
 * RAM, every device, drive and console. Nothing here knows a device. What options make (how much RAM, which devices
 * and drives, the CPU's model) is not in it: the machine that is loaded must have been made with the same, or it
 * is refused. Disk images are not in it either, but for what snapshot=on keeps beside them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef SNAPSHOT_SNAPSHOT_H
#define SNAPSHOT_SNAPSHOT_H

#include "cpu/engine.h"
#include "hw/block/block.h"
#include "hw/bus.h"
#include "hw/char/chardev.h"
#include "mmu/mmu.h"

/* A machine, handed over by whoever put it together. It stands between two instructions: its engine is not under
 * way, and no device's handler. */
struct snapshot_parts {
    struct engine *engine; /* and its CPU */
    struct memmap *map;
    struct clock *clock;
    struct bus *bus;
    struct block *const *drive; /* by unit; NULL entries: no drive */
    unsigned drives;
    struct chardev *const *console; /* NULL entries are left out */
    unsigned consoles;
};

/* Append the machine's state. 0 or -ENOMEM. */
int snapshot_save(const struct snapshot_parts *m, struct state_buf *out);
/* Make the machine what the stream says. Nothing has changed if that is refused: -EINVAL, with r->error. */
int snapshot_load(const struct snapshot_parts *m, const uint8_t *data, size_t len, struct state_report *r);

/* The same to and from a file, from where it stands to its end. 0, or a negative errno; -EINVAL as above. */
int snapshot_write(const struct snapshot_parts *m, FILE *f);
int snapshot_read(const struct snapshot_parts *m, FILE *f, struct state_report *r);

#endif
