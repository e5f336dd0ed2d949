/* fdc_cmd.c - the floppy disk controller's commands.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/disk/fdc_int.h"

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
static void step_to(struct fdc_drive *d, unsigned track)
{
    d->track = (uint8_t)(track > 83 ? 83 : track);
    if (fdc_medium(d))
        d->change = false;
}

static void seek_ends(struct fdc *f, uint8_t st0)
{
    f->st0 = st0;
    f->int_pending = true;
    f->resets = 0;
    fdc_to_command(f);
    fdc_set_irq(f, true);
}

static void start_data(struct fdc *f, uint8_t op)
{
    const uint8_t *c = f->cmd;
    struct fdc_drive *d;
    f->op = op;
    f->unit = c[1] & 3;
    f->cyl = c[2];
    f->side = c[3] & 1;
    f->sect = c[4];
    f->eot = c[6];
    f->multi_track = c[0] & 0x80;
    f->bytes = c[5] ? (uint16_t)(128u << (c[5] > 7 ? 7 : c[5])) : c[8] < 128 ? c[8] : 128;
    f->tries = f->filled = 0;
    f->scan_equal = true;
    f->scan_failed = false;
    if (op == OP_READ_TRACK) {
        f->sect = 1;
        f->multi_track = false;
    }
    d = fdc_drive_at(f, f->unit);
    if (d) {
        d->head = f->side;
        if (f->config & CONF_EIS) {
            step_to(d, f->cyl);
            d->pcn = f->cyl;
        }
    }
    if ((c[1] >> 2 & 1) != f->side) { /* the head to use and the head in the ID differ */
        f->side = c[1] >> 2 & 1;
        fdc_data_result(f, ST0_ABNORMAL, ST1_ND, 0);
        return;
    }
    if (d && op == OP_WRITE && fdc_medium(d) && d->blk->read_only) {
        fdc_data_result(f, ST0_ABNORMAL, ST1_NW, 0);
        return;
    }
    if ((f->hlt_nd & 1) && op != OP_VERIFY) {
        fdc_pio_sector(f);
    } else {
        i8237_set_dreq(f->dma, 2, 1);
        fdc_run_dma(f);
    }
}

static void start_format(struct fdc *f)
{
    struct fdc_drive *d;
    f->op = OP_FORMAT;
    f->unit = f->cmd[1] & 3;
    f->side = f->cmd[1] >> 2 & 1;
    f->eot = f->cmd[3];
    f->filled = 0;
    f->tries = 0;
    d = fdc_drive_at(f, f->unit);
    f->cyl = d ? d->track : 0;
    f->sect = 1;
    if (!d || !fdc_medium(d))
        fdc_data_result(f, ST0_ABNORMAL, ST1_MA, 0);
    else if (d->blk->read_only)
        fdc_data_result(f, ST0_ABNORMAL, ST1_NW, 0);
    else if (f->hlt_nd & 1)
        fdc_pio_sector(f);
    else
        fdc_run_format(f);
}

static void read_id(struct fdc *f)
{
    struct fdc_drive *d = fdc_drive_at(f, f->cmd[1] & 3);
    f->unit = f->cmd[1] & 3;
    f->side = f->cmd[1] >> 2 & 1;
    f->cyl = d ? d->track : 0;
    if (!d || !fdc_medium(d) || !fdc_rate_fits(f, d) || f->side >= d->heads || d->track >= d->cyls) {
        fdc_data_result(f, ST0_ABNORMAL, ST1_MA, 0);
        return;
    }
    f->sect = (uint8_t)(f->sect % d->sects + 1); /* the disk turns */
    fdc_data_result(f, 0, 0, 0);
}

static void sense_interrupt(struct fdc *f)
{
    if (f->resets) {
        unsigned n = 4u - f->resets--;
        f->result[0] = (uint8_t)(ST0_POLLED | n);
        f->result[1] = n < 2 ? f->drive[n].pcn : 0;
        fdc_to_result(f, 2);
    } else if (f->int_pending) {
        unsigned n = f->st0 & 3;
        f->result[0] = f->st0;
        f->result[1] = n < 2 ? f->drive[n].pcn : 0;
        f->busy &= (uint8_t) ~(1u << n);
        f->int_pending = false;
        fdc_to_result(f, 2);
    } else {
        f->result[0] = ST0_INVALID;
        fdc_to_result(f, 1);
    }
    fdc_set_irq(f, false);
}

static void sense_drive(struct fdc *f)
{
    unsigned n = f->cmd[1] & 3;
    struct fdc_drive *d = fdc_drive_at(f, n);
    uint8_t st3 = (uint8_t)(n | (f->cmd[1] & 4));
    if (d) {
        st3 |= 0x28; /* ready, two sides */
        if (!d->track)
            st3 |= 0x10;
        if (fdc_medium(d) && d->blk->read_only)
            st3 |= 0x40;
    }
    f->result[0] = st3;
    fdc_to_result(f, 1);
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
    fdc_to_result(f, 10);
}

/* The last byte has come and, for what takes time, a moment has passed. */
void fdc_execute(struct fdc *f)
{
    const uint8_t *c = f->cmd;
    unsigned unit = c[1] & 3;
    struct fdc_drive *d = fdc_drive_at(f, unit);

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
    default: fdc_to_command(f); break;
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
        fdc_to_command(f);
        return;
    case 0x04: sense_drive(f); return;
    case 0x08: sense_interrupt(f); return;
    case 0x0e: dump_registers(f); return;
    case 0x10: /* VERSION */
        f->result[0] = 0x90;
        fdc_to_result(f, 1);
        return;
    case 0x18: /* PART ID */
        f->result[0] = 0x41;
        fdc_to_result(f, 1);
        return;
    case 0x14:
    case 0x94: /* LOCK */
        f->locked = c[0] & 0x80;
        f->result[0] = f->locked ? 0x10 : 0;
        fdc_to_result(f, 1);
        return;
    case 0x12: /* PERPENDICULAR MODE */
        f->perp = (uint8_t)(c[1] & 0x80 ? c[1] & 0x3f : (f->perp & 0x3c) | (c[1] & 3));
        fdc_to_command(f);
        return;
    case 0x13: /* CONFIGURE */
        f->config = c[2];
        f->pretrk = c[3];
        fdc_to_command(f);
        return;
    }
    f->phase = PHASE_EXECUTE;
    if (c[0] == 0x07 || (c[0] & 0x3f) == 0x0f) {
        f->busy |= (uint8_t)(1u << (c[1] & 3));
        fdc_later(f, SEEK_TIME);
    } else {
        fdc_later(f, COMMAND_TIME);
    }
}

void fdc_command_byte(struct fdc *f, uint8_t v)
{
    if (!f->cmd_len) {
        memset(f->cmd, 0, sizeof f->cmd);
        f->cmd_need = (uint8_t)command_length(v);
        if (!f->cmd_need) {
            GUEST_WARN(fdc, "unknown command %02x", v);
            f->result[0] = ST0_INVALID;
            fdc_to_result(f, 1);
            return;
        }
    }
    f->cmd[f->cmd_len++] = v;
    if (f->cmd_len >= f->cmd_need)
        dispatch(f);
}
