/* fdc.c - Intel 82077AA floppy disk controller (datasheet 290166), PC/AT and PS/2 registers.
 *
 * Ports 3F0h-3F5h, 3F7h (3F6h is the IDE's), IRQ6, DMA channel 2. Two drives.
 * A command's execution is done by a timer a moment after its last byte: sector by sector through
 * the 8237, or through the FIFO if SPECIFY chose non-DMA.
 * What takes a drive its time takes a moment here, so that a guest that reads sector by sector is not
 * held up: 50 us a command, 200 us a seek.
 * NOT modelled: rotation and step times, the tape drive register (stores), formats other than
 * 512-byte MFM sectors (not found), deleted marks on the disk (all data is normal), the FIFO
 * threshold, implied CRC errors. FORMAT TRACK fills the sectors; it cannot change the geometry.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
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
#define COMMAND_TIME  50000 /* ns from the last byte to the deed */
#define SEEK_TIME     200000
#define DMA_PATIENCE  1000 /* tries while DMA is masked */

enum { PHASE_COMMAND, PHASE_EXECUTE, PHASE_RESULT };
enum { OP_NONE, OP_READ, OP_WRITE, OP_VERIFY, OP_SCAN, OP_FORMAT, OP_READ_TRACK };

struct drive {
    struct block *blk;
    uint8_t type;  /* as in the CMOS; 0: no drive */
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
    struct irq irq;
    struct i8237 *dma;
    struct drive drive[2];
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
    uint8_t filled; /* FORMAT: sectors done */
    bool pio;       /* the FIFO asks for data */
    bool scan_equal, scan_failed;
    uint16_t tries;
    uint8_t buf[512];
    struct timer timer;
};

struct format {
    uint8_t type, sects, cyls, heads, rate; /* rate as in the CCR */
};
static const struct format formats[] = {
    { 4, 18, 80, 2, 0 }, { 4, 9, 80, 2, 2 },  { 2, 15, 80, 2, 0 }, { 5, 36, 80, 2, 3 }, { 2, 9, 40, 2, 1 },
    { 2, 9, 40, 1, 1 },  { 2, 8, 40, 2, 1 },  { 2, 8, 40, 1, 1 },  { 4, 20, 80, 2, 0 }, { 4, 21, 80, 2, 0 },
    { 4, 21, 82, 2, 0 }, { 4, 21, 83, 2, 0 }, { 4, 22, 80, 2, 0 }, { 4, 23, 80, 2, 0 }, { 4, 24, 80, 2, 0 },
    { 4, 18, 82, 2, 0 }, { 4, 18, 83, 2, 0 }, { 4, 10, 80, 2, 2 }, { 4, 10, 82, 2, 2 }, { 4, 10, 83, 2, 2 },
    { 4, 13, 80, 2, 2 }, { 4, 14, 80, 2, 2 }, { 4, 9, 80, 1, 2 },  { 2, 10, 40, 2, 1 }, { 2, 10, 41, 2, 1 },
    { 2, 10, 42, 2, 1 }, { 5, 39, 80, 2, 3 }, { 5, 40, 80, 2, 3 }, { 5, 44, 80, 2, 3 }, { 5, 48, 80, 2, 3 },
};

/* The format of an image: by its size; anything else is a (perhaps cut) 1.44 MB disk, so that boot
 * sectors and kernels can be tried as they are. */
static const struct format *format_of(const struct block *b)
{
    uint64_t n = block_sectors(b);
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (n == (uint64_t)formats[i].sects * formats[i].cyls * formats[i].heads)
            return &formats[i];
    return &formats[0];
}

unsigned fdc_drive_type(const struct block *b) { return b ? format_of(b)->type : 0; }

static void load_medium(struct drive *d)
{
    const struct format *f = format_of(d->blk);
    d->cyls = f->cyls;
    d->heads = f->heads;
    d->sects = f->sects;
    d->rate = f->rate;
    /* A 360K disk is read at 300 kbit/s in a 1.2 MB drive. */
}

static bool medium(struct drive *d)
{
    if (d->blk && d->seen_changes != d->blk->changes) {
        d->seen_changes = d->blk->changes;
        d->change = true;
        load_medium(d);
    }
    return block_present(d->blk);
}

static unsigned selected(const struct fdc *f) { return f->dor & 3; }

/* Drive n, or NULL. Units 2 and 3 never exist. */
static struct drive *drive_at(struct fdc *f, unsigned n) { return n < 2 && f->drive[n].blk ? &f->drive[n] : NULL; }

static bool rate_fits(const struct fdc *f, const struct drive *d)
{
    /* 250 and 300 kbit/s differ by the drive's speed only. */
    unsigned rate = f->ccr & 3;
    return rate == d->rate || (d->type == 2 && d->rate == 1 && rate == 2);
}

static void fdc_update_irq(struct fdc *f) { irq_set(&f->irq, f->irq_level && (f->dor & DOR_DMAGATE)); }

static void set_irq(struct fdc *f, bool level)
{
    f->irq_level = level;
    fdc_update_irq(f);
}

static void later(struct fdc *f, tick_t delay) { timer_set(&f->timer, bus_now(f->dev.bus) + delay); }

/* ---- phases ---- */

static void to_command(struct fdc *f)
{
    f->phase = PHASE_COMMAND;
    f->cmd_len = f->cmd_need = 0;
    f->op = OP_NONE;
    f->pio = false;
}

static void to_result(struct fdc *f, unsigned n)
{
    f->pio = false;
    f->op = OP_NONE;
    f->phase = PHASE_RESULT;
    f->result_pos = 0;
    f->result_len = (uint8_t)n;
    if (!n)
        to_command(f);
}

/* The seven result bytes of a data command, with the interrupt. */
static void data_result(struct fdc *f, uint8_t st0, uint8_t st1, uint8_t st2)
{
    LOG(fdc, "result %02x %02x %02x, C%u H%u S%u", st0, st1, st2, f->cyl, f->side, f->sect);
    f->result[0] = (uint8_t)(st0 | f->unit | f->side << 2);
    f->result[1] = st1;
    f->result[2] = st2;
    f->result[3] = f->cyl;
    f->result[4] = f->side;
    f->result[5] = f->sect;
    f->result[6] = 2;
    i8237_set_dreq(f->dma, 2, 0);
    to_result(f, 7);
    f->resets = 0; /* a newer interrupt: nobody will sense the reset any more */
    set_irq(f, true);
}

/* After a sector: on to the next one. False: that was the last (EOT). */
static bool next_sector(struct fdc *f)
{
    const struct drive *d = drive_at(f, f->unit);
    if (f->sect != f->eot && f->sect < 255) {
        f->sect++;
        return true;
    }
    f->sect = 1;
    if (f->multi_track && !f->side && d && d->heads > 1) {
        f->side = 1;
        return true;
    }
    if (f->multi_track)
        f->side = 0;
    f->cyl++;
    return false;
}

/* Find the sector. True if it is there; else the command has ended. */
static bool find_sector(struct fdc *f, uint64_t *lba)
{
    struct drive *d = drive_at(f, f->unit);
    if (!d || !medium(d) || !rate_fits(f, d) || d->track >= d->cyls || f->side >= d->heads) {
        data_result(f, ST0_ABNORMAL, ST1_MA, 0);
        return false;
    }
    if (f->cyl != d->track) {
        data_result(f, ST0_ABNORMAL, ST1_ND, ST2_WRONG_CYL);
        return false;
    }
    if (!f->sect || f->sect > d->sects || f->bytes != 512) {
        data_result(f, ST0_ABNORMAL, ST1_ND, 0);
        return false;
    }
    *lba = ((uint64_t)d->track * d->heads + f->side) * d->sects + f->sect - 1u;
    return true;
}

/* A sector of a cut image reads as zeroes. */
static int read_sector(struct fdc *f, uint64_t lba)
{
    struct block *b = f->drive[f->unit & 1].blk;
    if (lba < block_sectors(b))
        return block_read(b, lba, f->buf, 1);
    memset(f->buf, 0, sizeof f->buf);
    return 0;
}

/* buf to the sector. Nonzero: the command has ended. */
static int store_sector(struct fdc *f, uint64_t lba)
{
    struct block *b = f->drive[f->unit & 1].blk;
    if (f->bytes < 512)
        memset(f->buf + f->bytes, 0, 512u - f->bytes);
    int rc = block_write(b, lba, f->buf, 1);
    if (rc)
        data_result(f, ST0_ABNORMAL, 0, ST2_DATA_ERR);
    return rc;
}

/* Compare a scanned sector: FFh of either side matches anything. */
static void scan_compare(struct fdc *f, const uint8_t *want, unsigned len)
{
    unsigned cmd = f->cmd[0] & 0x1f;
    for (unsigned i = 0; i < len; i++) {
        if (want[i] == 0xff || f->buf[i] == 0xff || want[i] == f->buf[i])
            continue;
        f->scan_equal = false;
        if (cmd == 0x11 || (cmd == 0x19 && f->buf[i] > want[i]) || (cmd == 0x1d && f->buf[i] < want[i]))
            f->scan_failed = true;
        return;
    }
}

/* Terminal count or EOT: end without error, or as EOT without terminal count requires. */
static void finish(struct fdc *f, bool tc)
{
    uint8_t st2 = 0;
    if (f->op == OP_SCAN)
        st2 = f->scan_failed ? 0x04 : f->scan_equal ? ST2_SCAN_HIT : 0;
    data_result(f, tc ? 0 : ST0_ABNORMAL, tc ? 0 : ST1_EN, st2);
}

/* ---- execution through the 8237 ---- */

static void run_dma(struct fdc *f)
{
    uint64_t lba;
    bool tc = false;
    uint8_t data[512];

    while (f->op != OP_FORMAT) {
        if (!find_sector(f, &lba))
            return;
        if (f->op != OP_WRITE && read_sector(f, lba)) {
            data_result(f, ST0_ABNORMAL, ST2_DATA_ERR, ST2_DATA_ERR);
            return;
        }
        if (f->op == OP_VERIFY) {
            tc = false;
        } else if (!i8237_ready(f->dma, 2)) {
            if (++f->tries < DMA_PATIENCE)
                later(f, 100000);
            else
                data_result(f, ST0_ABNORMAL, ST1_OR, 0);
            return;
        } else if (f->op == OP_READ || f->op == OP_READ_TRACK) {
            i8237_transfer(f->dma, 2, f->buf, f->bytes, &tc);
        } else {
            memset(data, 0, sizeof data);
            size_t n = i8237_transfer(f->dma, 2, data, f->bytes, &tc);
            if (f->op == OP_SCAN) {
                scan_compare(f, data, (unsigned)n);
            } else {
                /* What DMA does not fill of the sector becomes zeroes. */
                memcpy(f->buf, data, sizeof data);
                if (n && store_sector(f, lba))
                    return;
            }
        }
        if (f->op == OP_SCAN && !f->scan_failed) {
            finish(f, true);
            return;
        }
        bool more = next_sector(f);
        if (tc || !more) {
            finish(f, tc || f->op == OP_VERIFY);
            return;
        }
        if (f->op == OP_SCAN) {
            f->scan_failed = false;
            f->scan_equal = true;
        }
    }
}

static bool format_sector(struct fdc *f, const uint8_t id[4])
{
    uint64_t lba;
    f->cyl = id[0];
    f->side = id[1] & 1;
    f->sect = id[2];
    f->bytes = id[3] == 2 ? 512 : 1024;
    if (!find_sector(f, &lba))
        return false;
    f->bytes = 512;
    memset(f->buf, f->cmd[5], 512);
    return !store_sector(f, lba);
}

static void run_format(struct fdc *f)
{
    bool tc = false;
    uint8_t side = f->side;
    while (f->filled < f->eot && !tc) {
        uint8_t id[4] = { 0xff, 0xff, 0xff, 0xff }; /* the bus, if the channel's mode moves nothing to here */
        if (!i8237_ready(f->dma, 2)) {
            if (++f->tries < DMA_PATIENCE)
                later(f, 100000);
            else
                data_result(f, ST0_ABNORMAL, ST1_OR, 0);
            return;
        }
        if (i8237_transfer(f->dma, 2, id, 4, &tc) < 4)
            break;
        if (!format_sector(f, id))
            return;
        f->filled++;
    }
    f->side = side;
    data_result(f, 0, 0, 0);
}

/* ---- execution through the FIFO ---- */

/* Ask for (or offer) the next sector's bytes. */
static void pio_sector(struct fdc *f)
{
    uint64_t lba;
    f->pos = 0;
    if (f->op == OP_FORMAT) {
        f->len = 4;
    } else {
        if (!find_sector(f, &lba))
            return;
        f->len = f->bytes;
        if ((f->op == OP_READ || f->op == OP_READ_TRACK) && read_sector(f, lba)) {
            data_result(f, ST0_ABNORMAL, ST2_DATA_ERR, ST2_DATA_ERR);
            return;
        }
    }
    f->pio = true;
    set_irq(f, true);
}

/* The guest has moved them all. */
static void pio_moved(struct fdc *f)
{
    uint64_t lba;
    f->pio = false;
    set_irq(f, false);
    if (f->op == OP_FORMAT) {
        uint8_t id[4];
        memcpy(id, f->buf, 4);
        if (!format_sector(f, id))
            return;
        if (++f->filled >= f->eot)
            data_result(f, 0, 0, 0);
        else
            pio_sector(f);
        return;
    }
    if (f->op == OP_SCAN) {
        uint8_t want[512];
        memcpy(want, f->buf, sizeof want);
        if (!find_sector(f, &lba))
            return;
        f->scan_failed = false;
        f->scan_equal = true;
        if (!read_sector(f, lba))
            scan_compare(f, want, f->bytes);
        if (!f->scan_failed) {
            finish(f, true);
            return;
        }
    }
    if (f->op == OP_WRITE && (!find_sector(f, &lba) || store_sector(f, lba)))
        return;
    if (next_sector(f))
        pio_sector(f);
    else
        finish(f, false); /* no terminal count without DMA: the end of the cylinder */
}

/* ---- commands ---- */

/* How many bytes a command has; 0: there is no such command. */
static unsigned command_length(uint8_t cmd)
{
    switch (cmd) {
    case 0x07:
    case 0x4a:
    case 0x0a: return 2;
    case 0x03: return 3;
    case 0x04: return 2;
    case 0x08:
    case 0x0e:
    case 0x10:
    case 0x18: return 1;
    case 0x14:
    case 0x94: return 1;
    case 0x12: return 2;
    case 0x13: return 4;
    case 0x0f:
    case 0x8f:
    case 0xcf: return 3;
    case 0x33: return 1; /* OPTION needs another byte on newer chips */
    }
    switch (cmd & 0x1f) {
    case 0x02:
    case 0x05:
    case 0x06:
    case 0x09:
    case 0x0c:
    case 0x11:
    case 0x16:
    case 0x19:
    case 0x1d: return 9;
    case 0x0a: return 2;
    case 0x0d: return 6;
    default: return 0;
    }
}

/* Put the heads somewhere; the disk change line goes away if there is a disk. */
static void step_to(struct drive *d, unsigned track)
{
    d->track = (uint8_t)(track > 83 ? 83 : track);
    if (medium(d))
        d->change = false;
}

static void seek_ends(struct fdc *f, uint8_t st0)
{
    f->st0 = st0;
    f->int_pending = true;
    f->resets = 0;
    to_command(f);
    set_irq(f, true);
}

static void start_data(struct fdc *f, uint8_t op)
{
    const uint8_t *c = f->cmd;
    struct drive *d;
    f->op = op;
    f->unit = c[1] & 3;
    f->cyl = c[2];
    f->side = c[3] & 1;
    f->sect = c[4];
    f->eot = c[6];
    f->multi_track = c[0] & 0x80;
    f->bytes = c[5] ? (uint16_t)(128u << (c[5] > 7 ? 7 : c[5])) : c[8] < 128 ? c[8] : 128;
    f->tries = 0;
    f->scan_equal = true;
    f->scan_failed = false;
    if (op == OP_READ_TRACK) {
        f->sect = 1;
        f->multi_track = false;
    }
    d = drive_at(f, f->unit);
    if (d) {
        d->head = f->side;
        if (f->config & CONF_EIS) {
            step_to(d, f->cyl);
            d->pcn = f->cyl;
        }
    }
    if ((c[1] >> 2 & 1) != f->side) { /* the head to use and the head in the ID differ */
        f->side = c[1] >> 2 & 1;
        data_result(f, ST0_ABNORMAL, ST1_ND, 0);
        return;
    }
    if (d && op == OP_WRITE && medium(d) && d->blk->read_only) {
        data_result(f, ST0_ABNORMAL, ST1_NW, 0);
        return;
    }
    if ((f->hlt_nd & 1) && op != OP_VERIFY) {
        pio_sector(f);
    } else {
        i8237_set_dreq(f->dma, 2, 1);
        run_dma(f);
    }
}

static void start_format(struct fdc *f)
{
    struct drive *d;
    f->op = OP_FORMAT;
    f->unit = f->cmd[1] & 3;
    f->side = f->cmd[1] >> 2 & 1;
    f->eot = f->cmd[3];
    f->filled = 0;
    f->tries = 0;
    d = drive_at(f, f->unit);
    f->cyl = d ? d->track : 0;
    f->sect = 1;
    if (!d || !medium(d))
        data_result(f, ST0_ABNORMAL, ST1_MA, 0);
    else if (d->blk->read_only)
        data_result(f, ST0_ABNORMAL, ST1_NW, 0);
    else if (f->hlt_nd & 1)
        pio_sector(f);
    else
        run_format(f);
}

static void read_id(struct fdc *f)
{
    struct drive *d = drive_at(f, f->cmd[1] & 3);
    f->unit = f->cmd[1] & 3;
    f->side = f->cmd[1] >> 2 & 1;
    f->cyl = d ? d->track : 0;
    if (!d || !medium(d) || !rate_fits(f, d) || f->side >= d->heads || d->track >= d->cyls) {
        data_result(f, ST0_ABNORMAL, ST1_MA, 0);
        return;
    }
    f->sect = (uint8_t)(f->sect % d->sects + 1); /* the disk turns */
    data_result(f, 0, 0, 0);
}

static void sense_interrupt(struct fdc *f)
{
    if (f->resets) {
        unsigned n = 4u - f->resets--;
        f->result[0] = (uint8_t)(ST0_POLLED | n);
        f->result[1] = n < 2 ? f->drive[n].pcn : 0;
        to_result(f, 2);
    } else if (f->int_pending) {
        unsigned n = f->st0 & 3;
        f->result[0] = f->st0;
        f->result[1] = n < 2 ? f->drive[n].pcn : 0;
        f->busy &= (uint8_t) ~(1u << n);
        f->int_pending = false;
        to_result(f, 2);
    } else {
        f->result[0] = ST0_INVALID;
        to_result(f, 1);
    }
    set_irq(f, false);
}

static void sense_drive(struct fdc *f)
{
    unsigned n = f->cmd[1] & 3;
    struct drive *d = drive_at(f, n);
    uint8_t st3 = (uint8_t)(n | (f->cmd[1] & 4));
    if (d) {
        st3 |= 0x28; /* ready, two sides */
        if (!d->track)
            st3 |= 0x10;
        if (medium(d) && d->blk->read_only)
            st3 |= 0x40;
    }
    f->result[0] = st3;
    to_result(f, 1);
}

static void dump_registers(struct fdc *f)
{
    uint8_t *r = f->result;
    r[0] = f->drive[0].pcn;
    r[1] = f->drive[1].pcn;
    r[2] = r[3] = 0;
    r[4] = f->srt_hut;
    r[5] = f->hlt_nd;
    r[6] = f->eot;
    r[7] = (uint8_t)(f->locked << 7 | (f->perp & 0x3f));
    r[8] = f->config;
    r[9] = f->pretrk;
    to_result(f, 10);
}

/* The last byte has come and, for what takes time, a moment has passed. */
static void execute(struct fdc *f)
{
    const uint8_t *c = f->cmd;
    unsigned unit = c[1] & 3;
    struct drive *d = drive_at(f, unit);

    switch (c[0]) {
    case 0x0f: /* SEEK */
        if (d) {
            step_to(d, c[2]);
            d->pcn = c[2];
            d->head = c[1] >> 2 & 1;
        }
        seek_ends(f, (uint8_t)(ST0_SEEK_END | (c[1] & 7)));
        return;
    case 0x8f: /* relative: outwards, inwards */
    case 0xcf:
        if (d) {
            unsigned from = d->track;
            unsigned to = c[0] == 0xcf ? from + c[2] : from > c[2] ? from - c[2] : 0;
            step_to(d, to);
            d->pcn = (uint8_t)(c[0] == 0xcf ? d->pcn + c[2] : d->pcn - c[2]);
        }
        seek_ends(f, (uint8_t)(ST0_SEEK_END | (c[1] & 7)));
        return;
    case 0x07: /* RECALIBRATE: without a drive no track 0 appears */
        if (d) {
            step_to(d, 0);
            d->pcn = 0;
        }
        seek_ends(f, (uint8_t)(ST0_SEEK_END | unit | (d ? 0 : ST0_ABNORMAL | ST0_EQUIPMENT)));
        return;
    }
    switch (c[0] & 0x1f) {
    case 0x06:
    case 0x0c: start_data(f, OP_READ); break;
    case 0x05:
    case 0x09: start_data(f, OP_WRITE); break;
    case 0x02: start_data(f, OP_READ_TRACK); break;
    case 0x16: start_data(f, OP_VERIFY); break;
    case 0x11:
    case 0x19:
    case 0x1d: start_data(f, OP_SCAN); break;
    case 0x0d: start_format(f); break;
    case 0x0a: read_id(f); break;
    default: to_command(f); break;
    }
}

/* All bytes of a command are there. */
static void dispatch(struct fdc *f)
{
    const uint8_t *c = f->cmd;
    LOG(fdc, "command %02x %02x %02x %02x %02x %02x %02x %02x %02x", c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7],
        c[8]);
    switch (c[0]) {
    case 0x03: /* SPECIFY */
        f->srt_hut = c[1];
        f->hlt_nd = c[2];
        to_command(f);
        return;
    case 0x04: sense_drive(f); return;
    case 0x08: sense_interrupt(f); return;
    case 0x0e: dump_registers(f); return;
    case 0x10: /* VERSION */
        f->result[0] = 0x90;
        to_result(f, 1);
        return;
    case 0x18: /* PART ID */
        f->result[0] = 0x41;
        to_result(f, 1);
        return;
    case 0x14:
    case 0x94: /* LOCK */
        f->locked = c[0] & 0x80;
        f->result[0] = f->locked ? 0x10 : 0;
        to_result(f, 1);
        return;
    case 0x12: /* PERPENDICULAR MODE */
        f->perp = (uint8_t)(c[1] & 0x80 ? c[1] & 0x3f : (f->perp & 0x3c) | (c[1] & 3));
        to_command(f);
        return;
    case 0x13: /* CONFIGURE */
        f->config = c[2];
        f->pretrk = c[3];
        to_command(f);
        return;
    }
    f->phase = PHASE_EXECUTE;
    if (c[0] == 0x07 || (c[0] & 0x3f) == 0x0f) {
        f->busy |= (uint8_t)(1u << (c[1] & 3));
        later(f, SEEK_TIME);
    } else {
        later(f, COMMAND_TIME);
    }
}

static void command_byte(struct fdc *f, uint8_t v)
{
    if (!f->cmd_len) {
        memset(f->cmd, 0, sizeof f->cmd);
        f->cmd_need = (uint8_t)command_length(v);
        if (!f->cmd_need) {
            GUEST_WARN(fdc, "unknown command %02x", v);
            f->result[0] = ST0_INVALID;
            to_result(f, 1);
            return;
        }
    }
    f->cmd[f->cmd_len++] = v;
    if (f->cmd_len >= f->cmd_need)
        dispatch(f);
}

/* ---- registers ---- */

static void enter_reset(struct fdc *f)
{
    timer_cancel(&f->timer);
    i8237_set_dreq(f->dma, 2, 0);
    to_command(f);
    f->busy = 0;
    f->int_pending = false;
    f->resets = 0;
    set_irq(f, false);
}

static void leave_reset(struct fdc *f)
{
    f->drive[0].pcn = f->drive[1].pcn = 0;
    if (!f->locked) {
        f->config = 0x20; /* FIFO off */
        f->pretrk = 0;
    }
    f->perp &= 0x3c;
    f->resets = 4;
    set_irq(f, true);
}

static uint8_t main_status(const struct fdc *f)
{
    uint8_t v = f->busy;
    if (!(f->dor & DOR_NRESET))
        return 0;
    switch (f->phase) {
    case PHASE_COMMAND: v |= MSR_RQM | (f->cmd_len ? MSR_BUSY : 0); break;
    case PHASE_RESULT: v |= MSR_RQM | MSR_DIO | MSR_BUSY; break;
    default:
        if (!f->busy || f->op)
            v |= MSR_BUSY;
        if (f->pio) {
            v |= MSR_RQM | MSR_NDMA;
            if (f->op == OP_READ || f->op == OP_READ_TRACK)
                v |= MSR_DIO;
        }
        break;
    }
    return v;
}

static uint8_t data_in(struct fdc *f)
{
    uint8_t v = 0;
    if (f->phase == PHASE_EXECUTE && f->pio && (f->op == OP_READ || f->op == OP_READ_TRACK)) {
        if (f->pos < sizeof f->buf)
            v = f->buf[f->pos];
        if (++f->pos >= f->len)
            pio_moved(f);
        return v;
    }
    if (f->phase != PHASE_RESULT) {
        GUEST_WARN(fdc, "data read without data");
        return 0;
    }
    if (!f->result_pos)
        set_irq(f, false);
    v = f->result[f->result_pos & 15];
    if (++f->result_pos >= f->result_len) {
        to_command(f);
        /* Seeks of several drives may end while results are read. */
    }
    return v;
}

static void data_out(struct fdc *f, uint8_t v)
{
    if (!(f->dor & DOR_NRESET))
        return;
    if (f->phase == PHASE_COMMAND) {
        command_byte(f, v);
    } else if (f->phase == PHASE_EXECUTE && f->pio && f->op != OP_READ && f->op != OP_READ_TRACK) {
        if (f->pos < sizeof f->buf)
            f->buf[f->pos] = v;
        if (++f->pos >= f->len)
            pio_moved(f);
    } else {
        GUEST_WARN(fdc, "data write %02x in phase %u", v, f->phase);
    }
}

static uint32_t fdc_read(void *opaque, uint16_t port, unsigned size)
{
    struct fdc *f = opaque;
    struct drive *d = drive_at(f, selected(f));
    (void)size;
    switch (port & 7) {
    case 0: /* status A: interrupt, no second drive..., as on the PS/2 */
        return (f->irq_level ? 0x80u : 0) | (f->drive[1].blk ? 0 : 0x40u) | (d && d->track ? 0x10u : 0) |
               (d && d->head ? 0x08u : 0);
    case 1: return 0xc0u | (f->dor & 1u ? 0x20u : 0) | (f->dor >> 4 & 3);
    case 2: return f->dor;
    case 3: return f->tdr;
    case 4: return main_status(f);
    case 5: return data_in(f);
    default: {
        uint8_t v = 0;
        if (d && (f->dor & (0x10 << selected(f)))) {
            if (!medium(d) || d->change)
                v = 0x80;
        }
        return v;
    }
    }
}

static void fdc_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct fdc *f = opaque;
    uint8_t v = (uint8_t)val;
    uint8_t was = f->dor;
    (void)size;
    switch (port & 7) {
    case 2:
        LOG(fdc, "DOR %02x", v);
        f->dor = v;
        if (!(v & DOR_NRESET) && (was & DOR_NRESET))
            enter_reset(f);
        else if ((v & DOR_NRESET) && !(was & DOR_NRESET))
            leave_reset(f);
        fdc_update_irq(f);
        break;
    case 3: f->tdr = v & 3; break;
    case 4:
        f->dsr = v & 0x7f;
        f->ccr = v & 3;
        if (v & DSR_RESET) {
            enter_reset(f);
            leave_reset(f);
        }
        break;
    case 5: data_out(f, v); break;
    case 7: f->ccr = v & 3; break;
    default: break;
    }
}

static void fdc_timer(void *opaque, tick_t now)
{
    struct fdc *f = opaque;
    (void)now;
    if (f->phase != PHASE_EXECUTE)
        return;
    if (f->op == OP_NONE)
        execute(f);
    else if (f->op == OP_FORMAT)
        run_format(f);
    else
        run_dma(f); /* DMA was not ready */
}

static void fdc_reset(struct device *dev)
{
    struct fdc *f = (struct fdc *)dev;
    enter_reset(f);
    f->dor = DOR_NRESET | DOR_DMAGATE;
    f->dsr = 2;
    f->ccr = 0;
    f->tdr = 0;
    f->locked = false;
    f->config = 0x20;
    f->pretrk = f->perp = 0;
    f->srt_hut = f->hlt_nd = 0;
    f->sect = f->eot = 0;
    for (unsigned i = 0; i < 2; i++) {
        struct drive *d = &f->drive[i];
        d->track = d->pcn = d->head = 0;
        d->change = true;
        load_medium(d);
    }
}

static void fdc_post_load(void *obj)
{
    struct fdc *f = obj;
    if (f->cmd_len >= sizeof f->cmd || f->cmd_need > sizeof f->cmd || f->phase > PHASE_RESULT)
        to_command(f);
    if (f->len > sizeof f->buf)
        f->len = sizeof f->buf;
    for (unsigned i = 0; i < 2; i++)
        load_medium(&f->drive[i]);
    fdc_update_irq(f);
}

#define D struct drive
static const struct state_field drive_fields[] = { FIELD_U8(D, track),    FIELD_U8(D, pcn),           FIELD_U8(D, head),
                                                   FIELD_BOOL(D, change), FIELD_U32(D, seen_changes), FIELD_END };
static const struct state_desc drive_state = { .name = "fdc-drive", .version = 1, .fields = drive_fields };
#define F struct fdc
static const struct state_field fdc_fields[] = { FIELD_STRUCT_ARRAY(F, drive, &drive_state),
                                                 FIELD_U8(F, dor),
                                                 FIELD_U8(F, dsr),
                                                 FIELD_U8(F, tdr),
                                                 FIELD_U8(F, ccr),
                                                 FIELD_U8(F, phase),
                                                 FIELD_U8(F, busy),
                                                 FIELD_BYTES(F, cmd),
                                                 FIELD_U8(F, cmd_len),
                                                 FIELD_U8(F, cmd_need),
                                                 FIELD_BYTES(F, result),
                                                 FIELD_U8(F, result_len),
                                                 FIELD_U8(F, result_pos),
                                                 FIELD_U8(F, st0),
                                                 FIELD_BOOL(F, int_pending),
                                                 FIELD_U8(F, resets),
                                                 FIELD_BOOL(F, irq_level),
                                                 FIELD_U8(F, srt_hut),
                                                 FIELD_U8(F, hlt_nd),
                                                 FIELD_U8(F, config),
                                                 FIELD_U8(F, pretrk),
                                                 FIELD_BOOL(F, locked),
                                                 FIELD_U8(F, perp),
                                                 FIELD_U8(F, op),
                                                 FIELD_U8(F, unit),
                                                 FIELD_U8(F, cyl),
                                                 FIELD_U8(F, side),
                                                 FIELD_U8(F, sect),
                                                 FIELD_U8(F, eot),
                                                 FIELD_BOOL(F, multi_track),
                                                 FIELD_U16(F, bytes),
                                                 FIELD_U16(F, pos),
                                                 FIELD_U16(F, len),
                                                 FIELD_U8(F, filled),
                                                 FIELD_BOOL(F, pio),
                                                 FIELD_BOOL(F, scan_equal),
                                                 FIELD_BOOL(F, scan_failed),
                                                 FIELD_U16(F, tries),
                                                 FIELD_BYTES(F, buf),
                                                 FIELD_TIMER(F, timer),
                                                 FIELD_END };
static const struct state_desc fdc_state = {
    .name = "fdc", .version = 1, .fields = fdc_fields, .post_load = fdc_post_load
};

static void fdc_dump(struct device *dev, FILE *out)
{
    const struct fdc *f = (const struct fdc *)dev;
    for (unsigned i = 0; i < 2; i++) {
        const struct drive *d = &f->drive[i];
        if (!d->blk)
            continue;
        fprintf(out, "drive %u: '%s' C%u H%u S%u rate %u%s, at track %u%s\n", i,
                block_present(d->blk) ? d->blk->path : "", d->cyls, d->heads, d->sects, d->rate,
                d->blk->read_only ? " ro" : "", d->track, d->change ? ", changed" : "");
    }
    state_print(&fdc_state, f, out);
}

struct props {
    struct i8237 *dma;
    struct irq irq;
    struct block *const *drives;
};

static int fdc_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { fdc_read, fdc_write, 1, 1 };
    struct fdc *f = (struct fdc *)dev;
    const struct props *p = props;
    f->dma = p->dma;
    f->irq = p->irq;
    for (unsigned i = 0; i < 2; i++) {
        f->drive[i].blk = p->drives[i];
        f->drive[i].type = (uint8_t)fdc_drive_type(p->drives[i]);
        if (p->drives[i])
            f->drive[i].seen_changes = p->drives[i]->changes;
    }
    timer_init(&f->timer, dev->bus->clock, "fdc", fdc_timer, f);
    bus_port_add(dev->bus, 0x3f0, 6, &ops, f, "fdc");
    bus_port_add(dev->bus, 0x3f7, 1, &ops, f, "fdc");
    return 0;
}

static void fdc_destroy(struct device *dev) { timer_destroy(&((struct fdc *)dev)->timer); }

static const struct device_class fdc_class = {
    .name = "fdc",
    .size = sizeof(struct fdc),
    .init = fdc_init,
    .reset = fdc_reset,
    .destroy = fdc_destroy,
    .state = &fdc_state,
    .dump = fdc_dump,
};

struct fdc *fdc_create(struct bus *bus, struct i8237 *dma, struct irq irq, struct block *const drives[2])
{
    const struct props props = { dma, irq, drives };
    return bus_add_device(bus, &fdc_class, NULL, &props);
}
