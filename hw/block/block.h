/* block.h - disk, CD-ROM and floppy images: 512-byte sectors over a raw file or block device.
 *
 * All calls are synchronous and for the vCPU thread. A drive keeps one struct block for its life;
 * the medium in it may change (block_change, block_eject). Sectors past the end of the image but
 * within the last, partly filled one read as zeroes.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_BLOCK_BLOCK_H
#define HW_BLOCK_BLOCK_H

#include "cpu/base.h"
#include "cpu/state.h"
#include "hw/block/resembles.h"

#define SECTOR_SIZE 512u

enum block_flags {
    BLOCK_READONLY = 1,    /* never written; writes fail with -EROFS */
    BLOCK_SNAPSHOT = 2,    /* writes go to a temporary file that vanishes with the process */
    BLOCK_MAY_PROTECT = 4, /* if the file cannot be written, be read-only instead of failing */
    BLOCK_ODD_SIZE = 8,    /* the last sector may be cut short, as in floppies that are made by hand */
    BLOCK_RAW = 16,        /* the user says that it is raw: no note of what it looks like */
};

struct block {
    /* wiring: the medium. Who loads state must have put in the same. */
    char *path;    /* NULL: no medium */
    uint64_t size; /* bytes, rounded up to whole sectors; 0: no medium */
    bool read_only;
    const struct resemblance *looks_like; /* not raw, it seems; it is used as raw. NULL: nothing known */
    /* state */
    unsigned changes; /* how often the medium was changed or ejected */
    uint64_t reads;   /* calls of block_read and block_write that succeeded */
    uint64_t writes;
    /* private: state too is what the overlay holds */
    int overlay_fd;      /* -1: no snapshot */
    uint8_t *in_overlay; /* a bit a sector */
    /* the host's */
    int fd;
    bool dirty;      /* written since the file was brought to stable storage, */
    uint64_t syncs;  /* ... so many times */
    bool complained; /* a failure was said; the first is enough */
};
/* Everything but the image's own contents: those of a drive without an overlay must not change while its state lies
 * somewhere. */
extern const struct state_desc block_state;

/* Open an image. NULL with one sentence in err if that fails. */
struct block *block_open(const char *path, unsigned flags, char *err, size_t err_len);
/* A drive with nothing in it; NULL: out of memory. */
struct block *block_open_empty(void);
void block_close(struct block *b);

/* Put another image in. On failure (-errno, err set) the old one stays. */
int block_change(struct block *b, const char *path, unsigned flags, char *err, size_t err_len);
void block_eject(struct block *b);

static inline bool block_present(const struct block *b) { return b && b->path; }
static inline uint64_t block_sectors(const struct block *b) { return b ? b->size / SECTOR_SIZE : 0; }

/* Move `count` sectors. 0, -EIO (also for what lies past the end), -EROFS or another -errno. */
int block_read(struct block *b, uint64_t sector, void *buf, size_t count);
int block_write(struct block *b, uint64_t sector, const void *buf, size_t count);
/* Bring what was written to stable storage, as ejecting and closing do too. The first failure of this and of
 * writing is said on stderr, with the reason. */
int block_flush(struct block *b);

#endif
