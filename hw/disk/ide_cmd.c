/* ide_cmd.c - the commands of ATA hard disks, and those that both kinds of drives know.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/disk/ide_int.h"

#define LBA28_MAX 0x0fffffffull

void ide_put_string(uint8_t *words, unsigned first, unsigned count, const char *text)
{
    for (unsigned i = 0; i < count * 2; i++)
        words[first * 2 + (i ^ 1)] = (uint8_t)(*text ? *text++ : ' ');
}

static void put16(struct ide_drive *d, unsigned word, uint16_t v) { store16(d->buf + word * 2, v); }

/* IDENTIFY DEVICE. */
static void identify(struct ide_drive *d)
{
    uint64_t all = block_sectors(d->blk);
    uint32_t chs = (uint32_t)d->cyls * d->heads * d->sects;
    uint32_t lba28 = (uint32_t)(all > LBA28_MAX ? LBA28_MAX : all);
    uint64_t cyls = all / (16 * 63);
    uint8_t mode = d->xfer_mode & 7;
    char serial[21];
    uint8_t sum = 0;

    memset(d->buf, 0, 512);
    put16(d, 0, 0x0040);
    put16(d, 1, (uint16_t)(cyls > 16383 ? 16383 : cyls < 1 ? 1 : cyls));
    put16(d, 3, 16);
    put16(d, 4, 63 * 512);
    put16(d, 5, 512);
    put16(d, 6, 63);
    snprintf(serial, sizeof serial, "CG%05u", d->unit + 1u);
    ide_put_string(d->buf, 10, 10, serial);
    put16(d, 20, 3);
    put16(d, 21, 512);
    put16(d, 22, 4);
    ide_put_string(d->buf, 23, 4, "1.0");
    ide_put_string(d->buf, 27, 20, "CALLGATE HARDDISK");
    put16(d, 47, 0x8000 | IDE_MULTIPLE);
    put16(d, 48, 1);      /* 32-bit port accesses */
    put16(d, 49, 0x0f00); /* IORDY may be off, IORDY, LBA, DMA */
    put16(d, 50, 0x4000);
    put16(d, 51, 0x0200);
    put16(d, 52, 0x0200);
    put16(d, 53, 7);
    put16(d, 54, d->cyls);
    put16(d, 55, d->heads);
    put16(d, 56, d->sects);
    put16(d, 57, (uint16_t)chs);
    put16(d, 58, (uint16_t)(chs >> 16));
    put16(d, 59, (uint16_t)(d->multiple ? 0x100 | d->multiple : 0));
    put16(d, 60, (uint16_t)lba28);
    put16(d, 61, (uint16_t)(lba28 >> 16));
    put16(d, 63, (uint16_t)(7 | ((d->xfer_mode & 0xf8) == 0x20 ? 0x100 << mode : 0)));
    put16(d, 64, 3);
    for (unsigned i = 65; i <= 68; i++)
        put16(d, i, 120);
    put16(d, 80, 0x00f0); /* ATA-4 to 7 */
    put16(d, 81, 0x0016);
    put16(d, 82, 0x4061); /* NOP, read-ahead, write cache, SMART */
    put16(d, 83, 0x7400); /* FLUSH CACHE, FLUSH CACHE EXT, 48-bit */
    put16(d, 84, 0x4040); /* WRITE ... FUA EXT */
    put16(d, 85, (uint16_t)(0x4000 | (d->read_ahead ? 0x40 : 0) | (d->write_cache ? 0x20 : 0) | (d->smart ? 1 : 0)));
    put16(d, 86, 0x3400);
    put16(d, 87, 0x4040);
    put16(d, 88, (uint16_t)(0x3f | ((d->xfer_mode & 0xf8) == 0x40 ? 0x100 << mode : 0)));
    put16(d, 93, (uint16_t)(0x6001 | (d->unit & 1 ? 0x0100 : 0))); /* 80 wires */
    store64(d->buf + 200, all);
    d->buf[510] = 0xa5;
    for (unsigned i = 0; i < 511; i++)
        sum = (uint8_t)(sum + d->buf[i]);
    d->buf[511] = (uint8_t)-sum;
}

/* Decode the address and count registers of a read or write. False: no such sector. */
static bool load_address(struct ide_drive *d, bool ext)
{
    uint64_t all = block_sectors(d->blk);
    d->lba48 = ext;
    if (ext) {
        d->left = (uint32_t)d->hob_count << 8 | d->count;
        if (!d->left)
            d->left = 65536;
        d->lba = (uint64_t)d->hob_high << 40 | (uint64_t)d->hob_mid << 32 | (uint64_t)d->hob_low << 24 |
                 (uint64_t)d->lba_high << 16 | (uint64_t)d->lba_mid << 8 | d->lba_low;
    } else {
        d->left = d->count ? d->count : 256;
        if (d->select & SEL_LBA) {
            d->lba =
                (uint64_t)(d->select & 15) << 24 | (uint64_t)d->lba_high << 16 | (uint64_t)d->lba_mid << 8 | d->lba_low;
        } else {
            uint32_t cyl = (uint32_t)d->lba_high << 8 | d->lba_mid;
            uint32_t head = d->select & 15;
            if (!d->lba_low || d->lba_low > d->sects || head >= d->heads)
                return false;
            d->lba = ((uint64_t)cyl * d->heads + head) * d->sects + d->lba_low - 1;
        }
    }
    return d->lba < all;
}

static void set_features(struct ide_drive *d)
{
    uint8_t v = d->count;
    switch (d->feature) {
    case 0x02: d->write_cache = true; break;
    case 0x82: /* what is in it goes to the disk first */
        d->write_cache = false;
        ide_later(d, STEP_FLUSH);
        return;
    case 0xaa: d->read_ahead = true; break;
    case 0x55: d->read_ahead = false; break;
    case 0x03:
        if (v >= 0x0d && (v & 0xf8) == 0x08)
            goto abort;
        if (!(v <= 0x01 || (v & 0xf8) == 0x08 || (v >= 0x10 && v <= 0x12) || (v >= 0x20 && v <= 0x22) ||
              (v >= 0x40 && v <= 0x45)))
            goto abort;
        if (v >= 0x10)
            d->xfer_mode = v;
        break;
    case 0x05:
    case 0x85: /* power management level */
    case 0x42:
    case 0xc2: /* acoustics */
    case 0x66:
    case 0xcc: /* defaults at reset */
    case 0x69:
    case 0x67:
    case 0x96:
    case 0x9a: break;
    default: goto abort;
    }
    ide_done(d);
    return;
abort:
    ide_fail(d, ER_ABRT);
}

static void smart(struct ide_drive *d)
{
    if (d->lba_mid != 0x4f || d->lba_high != 0xc2 || (!d->smart && d->feature != 0xd8)) {
        ide_fail(d, ER_ABRT);
        return;
    }
    switch (d->feature) {
    case 0xd0:   /* READ DATA: no attributes, no self-test */
    case 0xd1: { /* thresholds */
        uint8_t sum = 0;
        memset(d->buf, 0, 512);
        d->buf[0] = 1;
        if (d->feature == 0xd0) {
            d->buf[368] = 0x03;
            d->buf[370] = 1;
        }
        for (unsigned i = 0; i < 511; i++)
            sum = (uint8_t)(sum + d->buf[i]);
        d->buf[511] = (uint8_t)-sum;
        ide_start_pio(d, 0, 512, END_DONE);
        ide_raise_irq(d->chan);
        break;
    }
    case 0xd2:
    case 0xd3:
    case 0xd4: ide_done(d); break;
    case 0xd8:
        d->smart = true;
        ide_done(d);
        break;
    case 0xd9:
        d->smart = false;
        ide_done(d);
        break;
    case 0xda: ide_done(d); break; /* healthy: the registers stay 4Fh C2h */
    default: ide_fail(d, ER_ABRT); break;
    }
}

/* INITIALIZE DEVICE PARAMETERS: another CHS translation. */
static void set_geometry(struct ide_drive *d)
{
    uint32_t heads = (d->select & 15u) + 1;
    if (!d->count) {
        ide_fail(d, ER_ABRT);
        return;
    }
    uint64_t cyls = block_sectors(d->blk) / (heads * d->count);
    d->heads = (uint8_t)heads;
    d->sects = d->count;
    d->cyls = (uint16_t)(cyls > 65535 ? 65535 : cyls < 1 ? 1 : cyls);
    ide_done(d);
}

static void native_max(struct ide_drive *d, bool ext)
{
    uint64_t all = block_sectors(d->blk);
    uint8_t select = d->select;
    d->lba48 = ext;
    d->lba = all - 1;
    if (!ext && d->lba >= LBA28_MAX)
        d->lba = LBA28_MAX - 1;
    d->select |= SEL_LBA;
    ide_store_lba(d);
    if (ext)
        d->select = select;
    ide_done(d);
}

static void verify(struct ide_drive *d, bool ext)
{
    if (!load_address(d, ext) || d->left > block_sectors(d->blk) - d->lba) {
        ide_fail(d, ER_IDNF);
        return;
    }
    d->lba += d->left - 1;
    ide_store_lba(d);
    ide_done(d);
}

enum { F_EXT = 1, F_WRITE = 2, F_DMA = 4, F_MULTIPLE = 8, F_FUA = 16 };

static void transfer(struct ide_drive *d, unsigned flags)
{
    if ((flags & F_MULTIPLE) && !d->multiple) {
        ide_fail(d, ER_ABRT);
        return;
    }
    if (!load_address(d, flags & F_EXT)) {
        ide_fail(d, ER_IDNF | ER_ABRT);
        return;
    }
    if ((flags & F_WRITE) && d->blk->read_only) {
        ide_fail(d, ER_ABRT);
        return;
    }
    d->use_multiple = (flags & F_MULTIPLE) != 0;
    d->fua = (flags & F_FUA) != 0;
    d->power = 0xff;
    if (flags & F_DMA)
        ide_dma_wait(d, flags & F_WRITE ? DMA_WRITE : DMA_READ);
    else if (flags & F_WRITE)
        ide_offer_write(d); /* the first block is asked for without an interrupt */
    else
        ide_later(d, STEP_READ);
}

static void disk_command(struct ide_drive *d, uint8_t cmd)
{
    switch (cmd) {
    case 0x20:
    case 0x21: transfer(d, 0); break;
    case 0x24: transfer(d, F_EXT); break;
    case 0x25: transfer(d, F_EXT | F_DMA); break;
    case 0x29: transfer(d, F_EXT | F_MULTIPLE); break;
    case 0x30:
    case 0x31:
    case 0x3c: transfer(d, F_WRITE); break;
    case 0x34: transfer(d, F_WRITE | F_EXT); break;
    case 0x35: transfer(d, F_WRITE | F_EXT | F_DMA); break;
    case 0x3d: transfer(d, F_WRITE | F_EXT | F_DMA | F_FUA); break;
    case 0x39: transfer(d, F_WRITE | F_EXT | F_MULTIPLE); break;
    case 0xce: transfer(d, F_WRITE | F_EXT | F_MULTIPLE | F_FUA); break;
    case 0xc4: transfer(d, F_MULTIPLE); break;
    case 0xc5: transfer(d, F_WRITE | F_MULTIPLE); break;
    case 0xc8:
    case 0xc9: transfer(d, F_DMA); break;
    case 0xca:
    case 0xcb: transfer(d, F_WRITE | F_DMA); break;
    case 0x40:
    case 0x41: verify(d, false); break;
    case 0x42: verify(d, true); break;
    case 0x27: native_max(d, true); break;
    case 0xf8: native_max(d, false); break;
    case 0x91: set_geometry(d); break;
    case 0xb0: smart(d); break;
    case 0xc6:
        if (d->count > IDE_MULTIPLE || (d->count & (d->count - 1))) {
            ide_fail(d, ER_ABRT);
        } else {
            d->multiple = d->count;
            ide_done(d);
        }
        break;
    case 0xe7:
    case 0xea: ide_later(d, STEP_FLUSH); break;
    case 0xec:
        identify(d);
        ide_start_pio(d, 0, 512, END_DONE);
        ide_raise_irq(d->chan);
        break;
    default:
        if ((cmd & 0xf0) == 0x10 || (cmd & 0xf0) == 0x70) { /* RECALIBRATE, SEEK */
            ide_done(d);
            break;
        }
        GUEST_WARN(ide, "drive %u: unknown command %02x", d->unit, cmd);
        ide_fail(d, ER_ABRT);
    }
}

static void cdrom_command(struct ide_drive *d, uint8_t cmd)
{
    switch (cmd) {
    case 0x08: /* DEVICE RESET: no interrupt */
        atapi_reset(d);
        ide_set_signature(d);
        d->error = 1;
        d->status = 0;
        break;
    case 0xa0: atapi_packet_command(d); break;
    case 0xa1: atapi_identify(d); break;
    case 0xe7:
    case 0xea: ide_done(d); break;
    case 0xec:
    case 0x20:
    case 0x21:
    case 0x24:
        ide_set_signature(d); /* says what it is instead */
        ide_fail(d, ER_ABRT);
        break;
    default: ide_fail(d, ER_ABRT); break;
    }
}

/* EXECUTE DEVICE DIAGNOSTIC goes to both drives, and ends what they are at. */
static void diagnose(struct ide_channel *c)
{
    timer_cancel(&c->timer);
    c->step = STEP_NONE;
    for (unsigned i = 0; i < 2; i++) {
        struct ide_drive *d = &c->drive[i];
        d->pos = d->end = 0;
        d->dma = DMA_NONE;
        ide_set_signature(d);
        d->error = 1;
        d->status = d->kind == IDE_CDROM ? 0 : ST_DRDY | ST_DSC;
        d->select &= (uint8_t)~SEL_SLAVE;
    }
    c->selected = 0;
    ide_raise_irq(c);
}

void ide_command(struct ide_channel *c, uint8_t cmd)
{
    struct ide_drive *d = ide_selected(c);
    c->irq_pending = false;
    ide_update_irq(c);
    if (cmd == 0x90 && (c->drive[0].kind || c->drive[1].kind)) {
        diagnose(c);
        return;
    }
    if (!d->kind)
        return;
    LOG(ide, "drive %u: command %02x feature %02x count %02x address %02x %02x %02x %02x", d->unit, cmd, d->feature,
        d->count, d->select, d->lba_high, d->lba_mid, d->lba_low);
    if ((d->status & ST_BSY) && !(cmd == 0x08 && d->kind == IDE_CDROM)) {
        GUEST_WARN(ide, "drive %u: command %02x while busy", d->unit, cmd);
        return;
    }
    timer_cancel(&c->timer);
    c->step = STEP_NONE;
    d->command = cmd;
    d->pos = d->end = 0;
    d->dma = DMA_NONE;
    d->error = 0;
    d->status = ST_DRDY | ST_DSC;
    switch (cmd) { /* alike for both kinds */
    case 0x00: ide_fail(d, ER_ABRT); return;
    case 0xef: set_features(d); return;
    case 0x94:
    case 0xe0: /* STANDBY IMMEDIATE */
    case 0x96:
    case 0xe2:
    case 0x99:
    case 0xe6:
        d->power = 0;
        ide_later(d, STEP_FLUSH); /* power may go next */
        return;
    case 0x95:
    case 0xe1: /* IDLE IMMEDIATE */
    case 0x97:
    case 0xe3:
        d->power = 0xff;
        ide_done(d);
        return;
    case 0x98:
    case 0xe5:
        d->count = d->power;
        ide_done(d);
        return;
    }
    if (d->kind == IDE_CDROM)
        cdrom_command(d, cmd);
    else
        disk_command(d, cmd);
}
