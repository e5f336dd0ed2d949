/* fdc_xfer.c - the floppy disk controller's data: from sector to sector, through the 8237 or the FIFO.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/disk/fdc_int.h"

/* The seven result bytes of a data command, with the interrupt. */
void fdc_data_result(struct fdc *f, uint8_t st0, uint8_t st1, uint8_t st2)
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
    fdc_to_result(f, 7);
    f->resets = 0; /* a newer interrupt: nobody will sense the reset any more */
    fdc_set_irq(f, true);
}

/* After a sector: on to the next one. False: that was the last (EOT). */
static bool next_sector(struct fdc *f)
{
    const struct fdc_drive *d = fdc_drive_at(f, f->unit);
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
    struct fdc_drive *d = fdc_drive_at(f, f->unit);
    if (!d || !fdc_medium(d) || !fdc_rate_fits(f, d) || d->track >= d->cyls || f->side >= d->heads) {
        fdc_data_result(f, ST0_ABNORMAL, ST1_MA, 0);
        return false;
    }
    if (f->cyl != d->track) {
        fdc_data_result(f, ST0_ABNORMAL, ST1_ND, ST2_WRONG_CYL);
        return false;
    }
    if (!f->sect || f->sect > d->sects || f->bytes != 512) {
        fdc_data_result(f, ST0_ABNORMAL, ST1_ND, 0);
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
        fdc_data_result(f, ST0_ABNORMAL, 0, ST2_DATA_ERR);
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
    fdc_data_result(f, tc ? 0 : ST0_ABNORMAL, tc ? 0 : ST1_EN, st2);
}

/* ---- execution through the 8237 ---- */

void fdc_run_dma(struct fdc *f)
{
    uint64_t lba;
    bool tc = false;
    uint8_t data[512];

    while (f->op != OP_FORMAT) {
        if (!find_sector(f, &lba))
            return;
        if (f->op != OP_WRITE && read_sector(f, lba)) {
            fdc_data_result(f, ST0_ABNORMAL, ST2_DATA_ERR, ST2_DATA_ERR);
            return;
        }
        if (f->op == OP_VERIFY) {
            tc = false;
        } else if (!i8237_ready(f->dma, 2)) {
            if (++f->tries < DMA_PATIENCE)
                fdc_later(f, 100000);
            else
                fdc_data_result(f, ST0_ABNORMAL, ST1_OR, 0);
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
        /* VERIFY has no terminal count: its end is EOT or, with EC, the number of sectors. */
        bool counted = f->op == OP_VERIFY && (f->cmd[1] & VERIFY_EC);
        if (counted && ++f->filled == f->cmd[8])
            tc = true;
        if (tc || !more) {
            finish(f, tc || (f->op == OP_VERIFY && !counted));
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

void fdc_run_format(struct fdc *f)
{
    bool tc = false;
    uint8_t side = f->side;
    while (f->filled < f->eot && !tc) {
        uint8_t id[4] = { 0xff, 0xff, 0xff, 0xff }; /* the bus, if the channel's mode moves nothing to here */
        if (!i8237_ready(f->dma, 2)) {
            if (++f->tries < DMA_PATIENCE)
                fdc_later(f, 100000);
            else
                fdc_data_result(f, ST0_ABNORMAL, ST1_OR, 0);
            return;
        }
        if (i8237_transfer(f->dma, 2, id, 4, &tc) < 4)
            break;
        if (!format_sector(f, id))
            return;
        f->filled++;
    }
    f->side = side;
    fdc_data_result(f, 0, 0, 0);
}

/* ---- execution through the FIFO ---- */

/* Ask for (or offer) the next sector's bytes. */
void fdc_pio_sector(struct fdc *f)
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
            fdc_data_result(f, ST0_ABNORMAL, ST2_DATA_ERR, ST2_DATA_ERR);
            return;
        }
    }
    f->pio = true;
    fdc_set_irq(f, true);
}

/* The guest has moved them all. */
void fdc_pio_moved(struct fdc *f)
{
    uint64_t lba;
    f->pio = false;
    fdc_set_irq(f, false);
    if (f->op == OP_FORMAT) {
        uint8_t id[4];
        memcpy(id, f->buf, 4);
        if (!format_sector(f, id))
            return;
        if (++f->filled >= f->eot)
            fdc_data_result(f, 0, 0, 0);
        else
            fdc_pio_sector(f);
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
        fdc_pio_sector(f);
    else
        finish(f, false); /* no terminal count without DMA: the end of the cylinder */
}
