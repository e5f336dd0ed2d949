/* ide.c - IDE channels and ATA hard disks (ATA/ATAPI-6, T13 1410D), programmed I/O.
 *
 * Ports 1F0h-1F7h, 3F6h, IRQ14; 170h-177h, 376h, IRQ15. ide_dma.c has the bus master, atapi.c the
 * CD-ROM drives.
 * NOT modelled: mechanical times (a step takes some microseconds), overlap and queueing, the
 * SECURITY, HPA (SET MAX), CFA, and streaming feature sets (aborted), SMART beyond "is healthy",
 * READ LONG, FORMAT TRACK. Port 3F7h belongs to the floppy controller.
 * An absent slave answers with a status of 0 as long as nothing of its name is there, as drives
 * do on behalf of an absent partner; an empty channel reads as 0 too.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/disk/ide_int.h"

#define CTL_NIEN  0x02
#define CTL_SRST  0x04
#define CTL_HOB   0x80
#define SEL_SLAVE 0x10
#define SEL_LBA   0x40
#define STEP_TIME 20000 /* ns */
#define LBA28_MAX 0x0fffffffull

static struct ide_drive *selected(struct ide_channel *c) { return &c->drive[c->selected]; }

static void default_geometry(struct ide_drive *d)
{
    uint64_t cyls = block_sectors(d->blk) / (16 * 63);
    d->heads = 16;
    d->sects = 63;
    d->cyls = (uint16_t)(cyls > 16383 ? 16383 : cyls < 1 ? 1 : cyls);
}

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

/* ---- addresses ---- */

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

void ide_store_lba(struct ide_drive *d)
{
    uint64_t lba = d->lba;
    if (d->lba48) {
        d->hob_high = (uint8_t)(lba >> 40);
        d->hob_mid = (uint8_t)(lba >> 32);
        d->hob_low = (uint8_t)(lba >> 24);
    }
    if (d->lba48 || (d->select & SEL_LBA)) {
        d->lba_low = (uint8_t)lba;
        d->lba_mid = (uint8_t)(lba >> 8);
        d->lba_high = (uint8_t)(lba >> 16);
        if (!d->lba48)
            d->select = (uint8_t)((d->select & 0xf0) | (lba >> 24 & 15));
    } else if (d->sects && d->heads) {
        uint64_t track = lba / d->sects;
        d->lba_low = (uint8_t)(lba % d->sects + 1);
        d->select = (uint8_t)((d->select & 0xf0) | (track % d->heads));
        d->lba_mid = (uint8_t)(track / d->heads);
        d->lba_high = (uint8_t)(track / d->heads >> 8);
    }
}

void ide_set_signature(struct ide_drive *d)
{
    d->count = d->lba_low = 1;
    d->select &= 0xf0;
    d->lba_mid = d->kind == IDE_CDROM ? 0x14 : 0;
    d->lba_high = d->kind == IDE_CDROM ? 0xeb : 0;
}

/* ---- interrupt, phases ---- */

void ide_update_irq(struct ide_channel *c) { irq_set(&c->irq, c->irq_pending && !(c->control & CTL_NIEN)); }

void ide_raise_irq(struct ide_channel *c)
{
    c->irq_pending = true;
    if (!(c->control & CTL_NIEN))
        c->bm_status |= 4;
    ide_update_irq(c);
}

void ide_later(struct ide_drive *d, enum ide_step step)
{
    struct ide_channel *c = d->chan;
    d->status = (uint8_t)((d->status & ~(ST_DRQ | ST_ERR | ST_DF)) | ST_BSY);
    c->step = (uint8_t)step;
    timer_set(&c->timer, bus_now(c->ide->dev.bus) + STEP_TIME);
}

void ide_start_pio(struct ide_drive *d, uint32_t pos, uint32_t end, enum ide_end then)
{
    d->pos = pos;
    d->end = end;
    d->at_end = (uint8_t)then;
    d->status = (uint8_t)((d->status & ~(ST_BSY | ST_ERR | ST_DF)) | ST_DRDY | ST_DSC | ST_DRQ);
}

void ide_done(struct ide_drive *d)
{
    d->pos = d->end = 0;
    d->dma = DMA_NONE;
    d->error = 0;
    d->status = ST_DRDY | ST_DSC;
    ide_raise_irq(d->chan);
}

void ide_fail(struct ide_drive *d, uint8_t error)
{
    LOG(ide, "drive %u: command %02x failed, error %02x", d->unit, d->command, error);
    d->pos = d->end = 0;
    d->dma = DMA_NONE;
    d->error = error;
    d->status = ST_DRDY | ST_DSC | ST_ERR;
    ide_raise_irq(d->chan);
}

/* ---- sectors by programmed I/O ---- */

static uint32_t block_size(const struct ide_drive *d)
{
    uint32_t n = d->use_multiple ? d->multiple : 1;
    return d->left < n ? d->left : n;
}

static void read_block(struct ide_drive *d)
{
    uint32_t n = block_size(d);
    uint64_t all = block_sectors(d->blk);
    if (d->lba >= all || n > all - d->lba) {
        ide_store_lba(d);
        ide_fail(d, ER_IDNF | ER_ABRT);
        return;
    }
    if (block_read(d->blk, d->lba, d->buf, n)) {
        ide_store_lba(d);
        ide_fail(d, ER_UNC);
        return;
    }
    d->lba += n - 1;
    ide_store_lba(d);
    d->lba++;
    d->left -= n;
    ide_start_pio(d, 0, n * SECTOR_SIZE, d->left ? END_READ : END_DONE);
    ide_raise_irq(d->chan);
}

static void offer_write_block(struct ide_drive *d)
{
    d->block = block_size(d);
    ide_start_pio(d, 0, d->block * SECTOR_SIZE, END_WRITE);
}

int ide_written(struct ide_drive *d) { return d->fua || !d->write_cache ? block_flush(d->blk) : 0; }

static void write_block(struct ide_drive *d)
{
    uint64_t all = block_sectors(d->blk);
    if (d->lba >= all || d->block > all - d->lba) {
        ide_store_lba(d);
        ide_fail(d, ER_IDNF | ER_ABRT);
        return;
    }
    int rc = block_write(d->blk, d->lba, d->buf, d->block);
    if (!rc && d->left == d->block)
        rc = ide_written(d);
    if (rc) {
        LOG(ide, "drive %u: writing sector %llu failed: %s", d->unit, (unsigned long long)d->lba, strerror(-rc));
        ide_store_lba(d);
        ide_fail(d, ER_ABRT);
        return;
    }
    d->lba += d->block - 1;
    ide_store_lba(d);
    d->lba++;
    d->left -= d->block;
    ide_later(d, STEP_WRITTEN);
}

static void block_moved(struct ide_drive *d)
{
    d->pos = d->end = 0;
    d->status &= (uint8_t)~ST_DRQ;
    switch (d->at_end) {
    case END_READ: read_block(d); break;
    case END_WRITE: write_block(d); break;
    case END_PACKET: atapi_packet_received(d); break;
    case END_ATAPI_IN: atapi_next(d); break;
    case END_ATAPI_OUT: atapi_out_received(d); break;
    default: break;
    }
}

/* ---- commands ---- */

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
        offer_write_block(d); /* the first block is asked for without an interrupt */
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

/* EXECUTE DEVICE DIAGNOSTIC goes to both drives. */
static void diagnose(struct ide_channel *c)
{
    for (unsigned i = 0; i < 2; i++) {
        struct ide_drive *d = &c->drive[i];
        ide_set_signature(d);
        d->error = 1;
        d->status = d->kind == IDE_CDROM ? 0 : ST_DRDY | ST_DSC;
        d->select &= (uint8_t)~SEL_SLAVE;
    }
    c->selected = 0;
    ide_raise_irq(c);
}

static void command(struct ide_channel *c, uint8_t cmd)
{
    struct ide_drive *d = selected(c);
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

static void step_timer(void *opaque, tick_t now)
{
    struct ide_channel *c = opaque;
    struct ide_drive *d = selected(c);
    uint8_t step = c->step;
    (void)now;
    c->step = STEP_NONE;
    if (!d->kind)
        return;
    d->status &= (uint8_t)~ST_BSY;
    switch (step) {
    case STEP_READ: read_block(d); break;
    case STEP_WRITTEN:
        if (d->left) {
            offer_write_block(d);
            ide_raise_irq(c);
        } else {
            ide_done(d);
        }
        break;
    case STEP_FLUSH:
        if (block_flush(d->blk))
            ide_fail(d, ER_ABRT);
        else
            ide_done(d);
        break;
    case STEP_DMA: ide_dma_run(d); break;
    case STEP_PACKET: atapi_execute(d); break;
    default: break;
    }
}

/* ---- ports ---- */

static uint32_t data_read(struct ide_channel *c, unsigned size)
{
    struct ide_drive *d = selected(c);
    uint32_t v = 0;
    if (!(d->status & ST_DRQ) || (d->status & ST_BSY) || d->at_end == END_WRITE || d->at_end == END_PACKET ||
        d->at_end == END_ATAPI_OUT || d->dma)
        return 0;
    uint32_t n = d->end - d->pos < size ? d->end - d->pos : size;
    if (d->end > IDE_BUF || d->pos > d->end)
        return 0;
    memcpy(&v, d->buf + d->pos, n);
    d->pos += n;
    if (d->pos >= d->end)
        block_moved(d);
    return v;
}

static void data_write(struct ide_channel *c, uint32_t v, unsigned size)
{
    struct ide_drive *d = selected(c);
    if (!(d->status & ST_DRQ) || (d->status & ST_BSY) || d->dma ||
        !(d->at_end == END_WRITE || d->at_end == END_PACKET || d->at_end == END_ATAPI_OUT))
        return;
    if (d->end > IDE_BUF || d->pos > d->end)
        return;
    uint32_t n = d->end - d->pos < size ? d->end - d->pos : size;
    memcpy(d->buf + d->pos, &v, n);
    d->pos += n;
    if (d->pos >= d->end)
        block_moved(d);
}

static bool empty(const struct ide_channel *c) { return !c->drive[0].kind && !c->drive[1].kind; }

static uint32_t read_reg(struct ide_channel *c, unsigned reg)
{
    struct ide_drive *d = selected(c);
    bool hob = c->control & CTL_HOB;
    if (empty(c))
        return 0;
    switch (reg) {
    case 1: return d->kind ? (hob ? d->hob_feature : d->error) : 0;
    case 2: return hob ? d->hob_count : d->count;
    case 3: return hob ? d->hob_low : d->lba_low;
    case 4: return hob ? d->hob_mid : d->lba_mid;
    case 5: return hob ? d->hob_high : d->lba_high;
    case 6: return d->select;
    default:
        if (!d->kind)
            return 0;
        c->irq_pending = false;
        ide_update_irq(c);
        return d->status;
    }
}

static void write_reg(struct ide_channel *c, unsigned reg, uint8_t v)
{
    if (reg == 7) {
        c->control &= (uint8_t)~CTL_HOB;
        command(c, v);
        return;
    }
    if (selected(c)->status & ST_BSY)
        return;
    c->control &= (uint8_t)~CTL_HOB;
    if (reg == 6)
        c->selected = (v & SEL_SLAVE) != 0;
    for (unsigned i = 0; i < 2; i++) {
        struct ide_drive *d = &c->drive[i];
        switch (reg) {
        case 1:
            d->hob_feature = d->feature;
            d->feature = v;
            break;
        case 2:
            d->hob_count = d->count;
            d->count = v;
            break;
        case 3:
            d->hob_low = d->lba_low;
            d->lba_low = v;
            break;
        case 4:
            d->hob_mid = d->lba_mid;
            d->lba_mid = v;
            break;
        case 5:
            d->hob_high = d->lba_high;
            d->lba_high = v;
            break;
        case 6: d->select = v | 0xa0; break;
        }
    }
}

static uint32_t ide_read(void *opaque, uint16_t port, unsigned size)
{
    struct ide_channel *c = opaque;
    unsigned reg = port & 7;
    uint32_t v = 0;
    if (reg == 0)
        return data_read(c, size);
    for (unsigned i = 0; i < size; i++)
        v |= (reg + i < 8 ? read_reg(c, reg + i) : 0xffu) << (8 * i);
    return v;
}

static void ide_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct ide_channel *c = opaque;
    unsigned reg = port & 7;
    if (reg == 0) {
        data_write(c, val, size);
        return;
    }
    for (unsigned i = 0; i < size && reg + i < 8; i++)
        write_reg(c, reg + i, (uint8_t)(val >> (8 * i)));
}

static uint32_t control_read(void *opaque, uint16_t port, unsigned size)
{
    struct ide_channel *c = opaque;
    const struct ide_drive *d = selected(c);
    (void)port;
    (void)size;
    return d->kind ? d->status : 0;
}

static void drive_reset(struct ide_drive *d)
{
    d->pos = d->end = 0;
    d->dma = DMA_NONE;
    d->multiple = 0;
    d->power = 0xff;
    d->command = 0;
    d->feature = 0;
    d->hob_feature = d->hob_count = d->hob_low = d->hob_mid = d->hob_high = 0;
    d->select = 0xa0;
    ide_set_signature(d);
    d->error = 1;
    d->status = d->kind == IDE_CDROM ? 0 : ST_DRDY | ST_DSC;
    if (d->kind == IDE_CDROM)
        atapi_reset(d);
}

static void soft_reset(struct ide_channel *c)
{
    timer_cancel(&c->timer);
    c->step = STEP_NONE;
    c->selected = 0;
    c->irq_pending = false;
    ide_update_irq(c);
    for (unsigned i = 0; i < 2; i++)
        drive_reset(&c->drive[i]);
}

static void control_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct ide_channel *c = opaque;
    uint8_t was = c->control;
    (void)port;
    (void)size;
    c->control = (uint8_t)val;
    if ((val & CTL_SRST) && !(was & CTL_SRST)) {
        LOG(ide, "channel %u: soft reset", c->n);
        soft_reset(c);
        for (unsigned i = 0; i < 2; i++)
            c->drive[i].status = ST_BSY | ST_DSC;
    } else if (!(val & CTL_SRST) && (was & CTL_SRST)) {
        for (unsigned i = 0; i < 2; i++)
            c->drive[i].status = c->drive[i].kind == IDE_CDROM ? 0 : ST_DRDY | ST_DSC;
    }
    ide_update_irq(c);
}

void ide_channel_reset(struct ide_channel *c)
{
    c->control = 0;
    soft_reset(c);
    for (unsigned i = 0; i < 2; i++) {
        struct ide_drive *d = &c->drive[i];
        d->xfer_mode = 0x22;
        d->write_cache = d->read_ahead = d->smart = true;
        d->ejected = false;
        default_geometry(d);
    }
}

void ide_drive_init(struct ide_drive *d, struct ide_channel *c, unsigned unit, struct block *blk, bool cdrom)
{
    d->chan = c;
    d->unit = (uint8_t)unit;
    d->blk = blk;
    d->kind = !blk ? IDE_NONE : cdrom ? IDE_CDROM : IDE_DISK;
    if (blk)
        d->seen_changes = blk->changes;
}

void ide_channel_init(struct ide *ide, unsigned n, struct irq irq)
{
    static const struct port_ops ops = { ide_read, ide_write, 1, 4 };
    static const struct port_ops control_ops = { control_read, control_write, 1, 1 };
    struct ide_channel *c = &ide->chan[n];
    c->ide = ide;
    c->n = (uint8_t)n;
    c->irq = irq;
    timer_init(&c->timer, ide->dev.bus->clock, n ? "ide1" : "ide0", step_timer, c);
    bus_port_add(ide->dev.bus, n ? 0x170 : 0x1f0, 8, &ops, c, n ? "ide1" : "ide0");
    bus_port_add(ide->dev.bus, n ? 0x376 : 0x3f6, 1, &control_ops, c, n ? "ide1" : "ide0");
}

static void drive_post_load(struct ide_drive *d)
{
    if (d->end > IDE_BUF || d->pos > d->end)
        d->pos = d->end = 0;
    if (d->multiple > IDE_MULTIPLE || d->block > IDE_MULTIPLE)
        d->multiple = 0, d->block = 0;
    if (d->kind == IDE_NONE)
        return;
    if (!d->heads || !d->sects)
        default_geometry(d);
    if (d->kind == IDE_CDROM && d->sector_bytes != 2352)
        d->sector_bytes = CD_SECTOR;
    if ((!d->from_disc && d->total > IDE_BUF) || d->done > d->total)
        d->total = d->done = 0;
}

static void channel_post_load(void *obj)
{
    struct ide_channel *c = obj;
    c->selected &= 1;
    drive_post_load(&c->drive[0]);
    drive_post_load(&c->drive[1]);
    ide_update_irq(c);
}

#define D struct ide_drive
static const struct state_field drive_fields[] = { FIELD_U8(D, feature),
                                                   FIELD_U8(D, error),
                                                   FIELD_U8(D, count),
                                                   FIELD_U8(D, lba_low),
                                                   FIELD_U8(D, lba_mid),
                                                   FIELD_U8(D, lba_high),
                                                   FIELD_U8(D, select),
                                                   FIELD_U8(D, status),
                                                   FIELD_U8(D, hob_feature),
                                                   FIELD_U8(D, hob_count),
                                                   FIELD_U8(D, hob_low),
                                                   FIELD_U8(D, hob_mid),
                                                   FIELD_U8(D, hob_high),
                                                   FIELD_U8(D, command),
                                                   FIELD_U8(D, multiple),
                                                   FIELD_U8(D, xfer_mode),
                                                   FIELD_BOOL(D, write_cache),
                                                   FIELD_BOOL(D, read_ahead),
                                                   FIELD_BOOL(D, smart),
                                                   FIELD_U8(D, power),
                                                   FIELD_U16(D, cyls),
                                                   FIELD_U8(D, heads),
                                                   FIELD_U8(D, sects),
                                                   FIELD_U32(D, pos),
                                                   FIELD_U32(D, end),
                                                   FIELD_U8(D, at_end),
                                                   FIELD_BOOL(D, lba48),
                                                   FIELD_BOOL(D, use_multiple),
                                                   FIELD_BOOL(D, fua),
                                                   FIELD_U64(D, lba),
                                                   FIELD_U32(D, left),
                                                   FIELD_U32(D, block),
                                                   FIELD_U8(D, dma),
                                                   FIELD_BYTES(D, packet),
                                                   FIELD_U8(D, sense),
                                                   FIELD_U8(D, asc),
                                                   FIELD_U8(D, ascq),
                                                   FIELD_BOOL(D, packet_dma),
                                                   FIELD_BOOL(D, locked),
                                                   FIELD_BOOL(D, changed),
                                                   FIELD_BOOL(D, ejected),
                                                   FIELD_U32(D, seen_changes),
                                                   FIELD_BOOL(D, from_disc),
                                                   FIELD_U16(D, sector_bytes),
                                                   FIELD_U32(D, cd_lba),
                                                   FIELD_U64(D, total),
                                                   FIELD_U64(D, done),
                                                   FIELD_BYTES(D, buf),
                                                   FIELD_END };
static const struct state_desc drive_state = { .name = "ide-drive", .version = 1, .fields = drive_fields };

#define C struct ide_channel
static const struct state_field channel_fields[] = { FIELD_STRUCT_ARRAY(C, drive, &drive_state),
                                                     FIELD_U8(C, selected),
                                                     FIELD_U8(C, control),
                                                     FIELD_BOOL(C, irq_pending),
                                                     FIELD_U8(C, step),
                                                     FIELD_TIMER(C, timer),
                                                     FIELD_U8(C, bm_cmd),
                                                     FIELD_U8(C, bm_status),
                                                     FIELD_U32(C, bm_table),
                                                     FIELD_U32(C, prd_next),
                                                     FIELD_U32(C, prd_addr),
                                                     FIELD_U32(C, prd_len),
                                                     FIELD_U32(C, prd_count),
                                                     FIELD_BOOL(C, prd_last),
                                                     FIELD_END };
const struct state_desc ide_channel_state = {
    .name = "ide-channel", .version = 1, .fields = channel_fields, .post_load = channel_post_load
};
