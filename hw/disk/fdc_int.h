/* fdc_int.h - what fdc.c (drives, phases, registers), fdc_cmd.c (commands) and fdc_xfer.c (data) share.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_FDC_INT_H
#define HW_FDC_INT_H

#include "hw/disk/fdc.h"

#define DOR_NRESET    0x04
#define DOR_DMAGATE   0x08
#define DSR_RESET     0x80
#define MSR_BUSY      0x10
#define MSR_NDMA      0x20
#define MSR_DIO       0x40
#define MSR_RQM       0x80
#define ST0_ABNORMAL  0x40
#define ST0_INVALID   0x80
#define ST0_POLLED    0xc0
#define ST0_SEEK_END  0x20
#define ST0_EQUIPMENT 0x10
#define ST1_MA        0x01
#define ST1_NW        0x02
#define ST1_ND        0x04
#define ST1_OR        0x10
#define ST1_EN        0x80
#define ST2_SCAN_HIT  0x08
#define ST2_WRONG_CYL 0x10
#define ST2_DATA_ERR  0x20
#define CONF_EIS      0x40  /* implied seek */
#define VERIFY_EC     0x80  /* of its second byte: the last says how many sectors */
#define COMMAND_TIME  50000 /* ns from the last byte to the deed */
#define SEEK_TIME     200000
#define DMA_PATIENCE  1000 /* tries while DMA is masked */

enum { PHASE_COMMAND, PHASE_EXECUTE, PHASE_RESULT };
enum { OP_NONE, OP_READ, OP_WRITE, OP_VERIFY, OP_SCAN, OP_FORMAT, OP_READ_TRACK };

struct fdc_drive {
    /* wiring */
    struct block *blk;
    uint8_t type; /* as in the CMOS; 0: no drive */
    /* state */
    uint8_t track; /* where the heads are */
    uint8_t pcn;   /* where the controller thinks they are */
    uint8_t head;
    bool change; /* disk change line */
    uint32_t seen_changes;
    /* derived: the medium */
    uint8_t cyls, heads, sects, rate;
};

struct fdc {
    struct device dev;
    /* wiring */
    struct irq irq;
    struct i8237 *dma;
    /* state */
    struct fdc_drive drive[2];
    uint8_t dor, dsr, tdr, ccr;
    uint8_t phase;
    uint8_t busy; /* drives that seek, until SENSE INTERRUPT */
    uint8_t cmd[16];
    uint8_t cmd_len, cmd_need;
    uint8_t result[16];
    uint8_t result_len, result_pos;
    uint8_t st0;      /* for SENSE INTERRUPT */
    bool int_pending; /* there is something to sense */
    uint8_t resets;   /* drives still to be sensed after a reset */
    bool irq_level;
    uint8_t srt_hut, hlt_nd, config, pretrk;
    bool locked;
    uint8_t perp;
    /* The transfer */
    uint8_t op;
    uint8_t unit, cyl, side, sect, eot;
    bool multi_track;
    uint16_t bytes; /* asked for in each sector */
    uint16_t pos;   /* in buf (non-DMA) */
    uint16_t len;
    uint8_t filled; /* FORMAT, VERIFY: sectors done */
    bool pio;       /* the FIFO asks for data */
    bool scan_equal, scan_failed;
    uint16_t tries;
    uint8_t buf[512];
    struct timer timer;
};

/* fdc.c */
/* Whether there is a disk in the drive; a new one is looked at, and sets the disk change line. */
bool fdc_medium(struct fdc_drive *d);
/* Drive n, or NULL. Units 2 and 3 never exist. */
struct fdc_drive *fdc_drive_at(struct fdc *f, unsigned n);
/* Whether the data rate chosen is that of the disk. */
bool fdc_rate_fits(const struct fdc *f, const struct fdc_drive *d);
void fdc_set_irq(struct fdc *f, bool level);
/* Call fdc_timer after `delay` ns. */
void fdc_later(struct fdc *f, tick_t delay);
/* The phases: wait for a command; offer n bytes of `result`. */
void fdc_to_command(struct fdc *f);
void fdc_to_result(struct fdc *f, unsigned n);

/* fdc_cmd.c */
/* A byte of a command has come. */
void fdc_command_byte(struct fdc *f, uint8_t v);
/* The last byte has come and, for what takes time, a moment has passed. */
void fdc_execute(struct fdc *f);

/* fdc_xfer.c */
/* End a data command: its seven result bytes, with the interrupt. */
void fdc_data_result(struct fdc *f, uint8_t st0, uint8_t st1, uint8_t st2);
/* Go on with the transfer, or with FORMAT TRACK, as far as the 8237 lets it. */
void fdc_run_dma(struct fdc *f);
void fdc_run_format(struct fdc *f);
/* Without DMA: ask for (or offer) the next sector's bytes; the guest has moved them all. */
void fdc_pio_sector(struct fdc *f);
void fdc_pio_moved(struct fdc *f);

#endif
