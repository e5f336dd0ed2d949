/* memmap.h - the guest-physical address space: RAM (one memfd), ranges of devices and of other host memory laid
 * over it, the PAM windows between C0000h and FFFFFh, SMRAM, A20. There is one list of ranges, this one.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_MEMMAP_H
#define MMU_MEMMAP_H

#include "cpu/base.h"

#include <stdio.h>

struct memmap;
struct range;
struct state_desc;

/* RAM of `size` bytes (a multiple of 4 KiB), of which at most low_max lie below 4 GiB, the rest at
 * 4 GiB. NULL with errno set if the host cannot give it. */
struct memmap *memmap_create(uint64_t size, uint64_t low_max);
void memmap_destroy(struct memmap *m);

/* --- ranges --- */

/* A device's handlers get the offset into its range and accesses of min_size..max_size bytes (0: 1 and 4; at most
 * 8): wider ones are split into several, narrower ones widened with zeroes or cut out of a min_size access. */
struct mmio_ops {
    uint64_t (*read)(void *dev, gpa_t offset, unsigned size);
    void (*write)(void *dev, gpa_t offset, uint64_t val, unsigned size);
    uint8_t min_size;
    uint8_t max_size;
};
uint64_t mmio_read(const struct mmio_ops *ops, void *dev, gpa_t offset, unsigned size);
void mmio_write(const struct mmio_ops *ops, void *dev, gpa_t offset, uint64_t val, unsigned size);

/* A range, not mapped yet: of a device, or (range_new_host) of host memory, page-aligned, as RAM or ROM (to which
 * writes are dropped). `size`: whole pages. NULL: no memory, or a bad size. Both live until range_destroy. */
struct range *range_new(struct memmap *m, uint64_t size, const struct mmio_ops *ops, void *dev, const char *name);
struct range *range_new_host(struct memmap *m, uint64_t size, void *host, bool writable, const char *name);
void range_destroy(struct range *r);

/* Map it at gpa, or elsewhere than it was; GPA_NONE: nowhere. Ranges lie over RAM, never over each other: one that
 * would is mapped when its place becomes free. Returns 0, or -EBUSY (*blocker is who has the place, if not NULL)
 * or -ENOSPC (too many are mapped), and then it waits. */
#define GPA_NONE UINT64_MAX
int range_move(struct range *r, gpa_t gpa, const struct range **blocker);
gpa_t range_where(const struct range *r);
const char *range_name(const struct range *r);
/* The range that is mapped at gpa, or NULL. */
const struct range *memmap_range_at(const struct memmap *m, gpa_t gpa);

/* --- the chipset's switches --- */

/* In C0000h-FFFFFh: reads come from RAM (else from the range), writes go to RAM (else nowhere). */
void memmap_set_pam(struct memmap *m, gpa_t gpa, uint64_t size, bool read_ram, bool write_ram);
/* A0000h-BFFFFh is RAM while SMRAM is open. */
void memmap_set_smram(struct memmap *m, bool open);
void memmap_set_a20(struct memmap *m, bool enabled);
bool memmap_a20(const struct memmap *m);

/* --- accesses by devices and debuggers --- */

/* They never fail: nothing reads as ones, writes to nothing are dropped. */
void memmap_read(struct memmap *m, gpa_t gpa, void *buf, size_t len);
void memmap_write(struct memmap *m, gpa_t gpa, const void *buf, size_t len);

/* Print the map, a line a range. */
void memmap_dump(struct memmap *m, FILE *f);

/* --- who wants to know --- */

/* Any function may be NULL. A listener stays linked until it is removed; none may be added or removed from one. */
struct memmap_listener {
    void (*added)(void *opaque, const struct range *r, gpa_t gpa, uint64_t size);
    void (*removed)(void *opaque, const struct range *r, gpa_t gpa, uint64_t size);
    /* What answers where has changed: a range came or went, PAM, SMRAM, A20. After the above. */
    void (*changed)(void *opaque);
    /* [gpa, gpa+len), in one page that is watched as WATCH_* say, has been written. */
    void (*written)(void *opaque, gpa_t gpa, size_t len, unsigned watched);
    /* From now on writes to these pages must be noticed. */
    void (*watch)(void *opaque, gpa_t page);
    void *opaque;
    struct memmap_listener *next;
};
void memmap_listen(struct memmap *m, struct memmap_listener *l);
void memmap_unlisten(struct memmap *m, struct memmap_listener *l);

/* Remember which pages of RAM are written from now on, by whomever. Returns 0 or -ENOMEM. */
int memmap_dirty_start(struct memmap *m);
void memmap_dirty_stop(struct memmap *m);
/* The pages written since the start or the last call: one bit a page of RAM in `bits` (memmap_ram_pages() of
 * them, low bit first), and how many they are. */
uint64_t memmap_dirty_take(struct memmap *m, uint64_t *bits);
uint64_t memmap_ram_pages(const struct memmap *m);

/* --- for lockstep: who stands between a CPU and its memory, and copies --- */

/* While there are hooks, writable host memory that lies over RAM (a frame buffer) is reached like MMIO. */
struct mapped;
struct memmap_hooks {
    /* An access to a range; memmap_mapped_read and _write do what would have been done. */
    uint64_t (*io_read)(void *opaque, const struct mapped *r, gpa_t gpa, unsigned size);
    void (*io_write)(void *opaque, const struct mapped *r, gpa_t gpa, uint64_t v, unsigned size);
    /* memmap_write() is about to write: a device, or a page walk that sets A and D. False: do not. */
    bool (*write)(void *opaque, gpa_t gpa, const void *buf, size_t len);
};
void memmap_set_hooks(struct memmap *m, const struct memmap_hooks *hooks, void *opaque);
uint64_t memmap_mapped_read(const struct mapped *r, gpa_t gpa, unsigned size);
void memmap_mapped_write(const struct mapped *r, gpa_t gpa, uint64_t v, unsigned size);

/* Another RAM of the same size, with nothing in it and nothing laid over it. NULL with errno set. */
struct memmap *memmap_create_like(const struct memmap *m);
/* Make the RAM of `to` a copy of `from`'s. */
void memmap_copy_ram(struct memmap *to, struct memmap *from);
/* The first page of RAM, from page number `page` on, in which two RAMs differ, or -1. */
int64_t memmap_ram_diff(struct memmap *a, struct memmap *b, int64_t page);
/* All of RAM as the host sees it, `*size` bytes; RAM page n is at n * PAGE_SIZE. */
uint8_t *memmap_ram(struct memmap *m, uint64_t *size);
/* Where RAM page n is for the guest, and the RAM page that a write at gpa would change, or -1. */
gpa_t memmap_ram_gpa(const struct memmap *m, int64_t page);
int64_t memmap_written_page(struct memmap *m, gpa_t gpa);
/* Change a page of RAM from outside: code on it is dropped. */
void memmap_put_page(struct memmap *m, int64_t page, const void *data);

/* RAM's contents; A20, PAM and SMRAM are those devices' state that switch them. */
extern const struct state_desc memmap_state;
/* Which of several ranges that want the same place has it. To be loaded after the devices whose ranges they are. */
extern const struct state_desc memmap_places_state;

/* Everything of the map but RAM's contents: ranges, PAM, SMRAM, A20. Free it with free(). It names ranges: they
 * must live as long as it, and as a map that it is set in, which may be another than theirs. */
struct memmap_layout;
struct memmap_layout *memmap_layout_get(const struct memmap *m);
void memmap_layout_set(struct memmap *m, const struct memmap_layout *l);

#endif
