/* ide_int.h - what ide.c (registers, phases), ide_cmd.c (commands), atapi.c (CD-ROMs) and ide_dma.c
 * (bus master, PCI) share.
 *
 * A command runs in steps. A step that touches the image is announced with ide_later: the drive is
 * busy, and the channel's timer does it a moment later, as a driver expects of hardware. Between
 * steps the guest moves a block through the data port; drive->at_end says what then follows.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_IDE_INT_H
#define HW_IDE_INT_H

#include "hw/disk/ide.h"

#define ST_ERR    0x01
#define ST_DRQ    0x08
#define ST_DSC    0x10
#define ST_DF     0x20
#define ST_DRDY   0x40
#define ST_BSY    0x80
#define ER_ABRT   0x04
#define ER_IDNF   0x10
#define ER_UNC    0x40
#define IR_CD     0x01 /* ATAPI interrupt reason, in the sector count register */
#define IR_IO     0x02
#define BMS_IRQ   0x04 /* bus master status: the interrupt line has risen */
#define SEL_SLAVE 0x10
#define SEL_LBA   0x40

#define IDE_BUF      65536u
#define IDE_MULTIPLE 16u
#define CD_SECTOR    2048u

enum ide_kind { IDE_NONE, IDE_DISK, IDE_CDROM };

/* What happens when the guest has moved the whole block (uint8_t in the drive). */
enum ide_end { END_DONE, END_READ, END_WRITE, END_PACKET, END_ATAPI_IN, END_ATAPI_OUT };

/* What the timer does (uint8_t in the channel). */
enum ide_step { STEP_NONE, STEP_READ, STEP_WRITTEN, STEP_FLUSH, STEP_DMA, STEP_PACKET };

/* Why the drive waits for the bus master (uint8_t in the drive). */
enum ide_dma_kind { DMA_NONE, DMA_READ, DMA_WRITE, DMA_PACKET };

struct ide_drive {
    /* wiring */
    struct block *blk;
    struct ide_channel *chan;
    enum ide_kind kind;
    uint8_t unit; /* 0-3 */

    /* State: the task file; hob: the byte written before (48-bit commands). */
    uint8_t feature, error, count, lba_low, lba_mid, lba_high, select, status;
    uint8_t hob_feature, hob_count, hob_low, hob_mid, hob_high;
    uint8_t command;
    uint8_t multiple;  /* sectors a block of READ MULTIPLE; 0: not set */
    uint8_t xfer_mode; /* SET FEATURES 03h */
    bool write_cache, read_ahead, smart;
    uint8_t power; /* as CHECK POWER MODE says */
    uint16_t cyls; /* the CHS translation in force */
    uint8_t heads, sects;

    /* The block being moved, and the command it belongs to. */
    uint32_t pos, end; /* in buf */
    uint8_t at_end;
    bool lba48;
    bool use_multiple;
    bool fua; /* the command wants its data on the disk before it ends */
    uint64_t lba;
    uint32_t left;  /* sectors still to move */
    uint32_t block; /* sectors of the block in buf */
    uint8_t dma;

    /* ATAPI */
    uint8_t packet[12];
    uint8_t sense, asc, ascq;
    bool packet_dma;
    bool locked;
    bool changed;  /* unit attention due */
    uint8_t event; /* of the medium, not told by GET EVENT STATUS yet: as there, 0: none */
    bool ejected;  /* the guest opened the tray; the image stays the user's */
    uint32_t seen_changes;
    bool from_disc;        /* the data comes from sectors, not from buf */
    uint16_t sector_bytes; /* 2048 or 2352 */
    uint32_t cd_lba;
    uint64_t total, done; /* bytes of the whole reply, moved already */

    uint8_t buf[IDE_BUF];
};

struct ide_channel {
    /* wiring */
    struct ide *ide;
    struct irq irq;
    uint8_t n; /* 0 or 1 */
    /* state */
    struct ide_drive drive[2];
    uint8_t selected;
    uint8_t control;
    bool irq_pending;
    uint8_t step;
    struct timer timer;
    /* Bus master */
    uint8_t bm_cmd, bm_status;
    uint32_t bm_table;
    uint32_t prd_next, prd_addr, prd_len; /* where the walk is */
    uint32_t prd_count;
    bool prd_last;
};

struct ide {
    struct device dev;
    /* state */
    struct pci_dev pci;
    struct ide_channel chan[2];
};

extern const struct state_desc ide_channel_state;

static inline struct ide_drive *ide_selected(struct ide_channel *c) { return &c->drive[c->selected]; }

/* ide.c */
void ide_channel_init(struct ide *ide, unsigned n, struct irq irq);
void ide_drive_init(struct ide_drive *d, struct ide_channel *c, unsigned unit, struct block *blk, bool cdrom);
void ide_channel_reset(struct ide_channel *c);
void ide_update_irq(struct ide_channel *c);
void ide_raise_irq(struct ide_channel *c);
void ide_later(struct ide_drive *d, enum ide_step step);
/* Offer buf[pos, end) through the data port. */
void ide_start_pio(struct ide_drive *d, uint32_t pos, uint32_t end, enum ide_end then);
/* End the command: without error, or with the error register's bits. */
void ide_done(struct ide_drive *d);
void ide_fail(struct ide_drive *d, uint8_t error);
void ide_set_signature(struct ide_drive *d);
/* A write has moved all its sectors: bring them to the disk if the command (FUA) or the drive (its write cache
 * is off) says so. 0, or -errno. */
int ide_written(struct ide_drive *d);
/* The sector address registers to d->lba. */
void ide_store_lba(struct ide_drive *d);
/* Ask the guest for the next sectors of a write. */
void ide_offer_write(struct ide_drive *d);

/* ide_cmd.c */
/* The command register was written. */
void ide_command(struct ide_channel *c, uint8_t cmd);
void ide_put_string(uint8_t *words, unsigned first, unsigned count, const char *text);

/* ide_dma.c */
/* Move through the PRD table; returns the bytes moved, fewer than len where the table ends. */
size_t ide_dma_move(struct ide_channel *c, void *buf, size_t len, bool to_memory);
/* The drive has a DMA command: start when the guest's START bit is set. */
void ide_dma_wait(struct ide_drive *d, enum ide_dma_kind kind);
void ide_dma_run(struct ide_drive *d);
void ide_dma_ended(struct ide_channel *c);

/* atapi.c */
void atapi_identify(struct ide_drive *d);
void atapi_packet_command(struct ide_drive *d);
void atapi_packet_received(struct ide_drive *d);
void atapi_execute(struct ide_drive *d);
void atapi_next(struct ide_drive *d);
void atapi_out_received(struct ide_drive *d);
void atapi_dma(struct ide_drive *d);
void atapi_reset(struct ide_drive *d);

#endif
