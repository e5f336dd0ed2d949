/* ide.c - IDE channels and ATA hard disks (ATA/ATAPI-6, T13 1410D), programmed I/O.
 *
 * Ports 1F0h-1F7h, 3F6h, IRQ14; 170h-177h, 376h, IRQ15. ide_cmd.c has the commands, ide_dma.c the
 * bus master, atapi.c the CD-ROM drives.
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
#define STEP_TIME 20000 /* ns */

static void default_geometry(struct ide_drive *d)
{
    uint64_t cyls = block_sectors(d->blk) / (16 * 63);
    d->heads = 16;
    d->sects = 63;
    d->cyls = (uint16_t)(cyls > 16383 ? 16383 : cyls < 1 ? 1 : cyls);
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
        c->bm_status |= BMS_IRQ;
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

void ide_offer_write(struct ide_drive *d)
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

static void step_timer(void *opaque, tick_t now)
{
    struct ide_channel *c = opaque;
    struct ide_drive *d = ide_selected(c);
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
            ide_offer_write(d);
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
    struct ide_drive *d = ide_selected(c);
    uint32_t v;
    if (!(d->status & ST_DRQ) || (d->status & ST_BSY) || d->at_end == END_WRITE || d->at_end == END_PACKET ||
        d->at_end == END_ATAPI_OUT || d->dma)
        return 0;
    uint32_t n = d->end - d->pos < size ? d->end - d->pos : size;
    if (d->end > IDE_BUF || d->pos > d->end)
        return 0;
    v = (uint32_t)load_n(d->buf + d->pos, n);
    d->pos += n;
    if (d->pos >= d->end)
        block_moved(d);
    return v;
}

static void data_write(struct ide_channel *c, uint32_t v, unsigned size)
{
    struct ide_drive *d = ide_selected(c);
    if (!(d->status & ST_DRQ) || (d->status & ST_BSY) || d->dma ||
        !(d->at_end == END_WRITE || d->at_end == END_PACKET || d->at_end == END_ATAPI_OUT))
        return;
    if (d->end > IDE_BUF || d->pos > d->end)
        return;
    uint32_t n = d->end - d->pos < size ? d->end - d->pos : size;
    store_n(d->buf + d->pos, v, n);
    d->pos += n;
    if (d->pos >= d->end)
        block_moved(d);
}

static bool empty(const struct ide_channel *c) { return !c->drive[0].kind && !c->drive[1].kind; }

static uint32_t read_reg(struct ide_channel *c, unsigned reg)
{
    struct ide_drive *d = ide_selected(c);
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
        ide_command(c, v);
        return;
    }
    if (ide_selected(c)->status & ST_BSY)
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
    const struct ide_drive *d = ide_selected(c);
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
    if ((was & ~val & CTL_NIEN) && c->irq_pending) /* the line rises now */
        c->bm_status |= BMS_IRQ;
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
static const struct state_field drive_fields[] = { FIELD_U8(D, feature),       FIELD_U8(D, error),
                                                   FIELD_U8(D, count),         FIELD_U8(D, lba_low),
                                                   FIELD_U8(D, lba_mid),       FIELD_U8(D, lba_high),
                                                   FIELD_U8(D, select),        FIELD_U8(D, status),
                                                   FIELD_U8(D, hob_feature),   FIELD_U8(D, hob_count),
                                                   FIELD_U8(D, hob_low),       FIELD_U8(D, hob_mid),
                                                   FIELD_U8(D, hob_high),      FIELD_U8(D, command),
                                                   FIELD_U8(D, multiple),      FIELD_U8(D, xfer_mode),
                                                   FIELD_BOOL(D, write_cache), FIELD_BOOL(D, read_ahead),
                                                   FIELD_BOOL(D, smart),       FIELD_U8(D, power),
                                                   FIELD_U16(D, cyls),         FIELD_U8(D, heads),
                                                   FIELD_U8(D, sects),         FIELD_U32(D, pos),
                                                   FIELD_U32(D, end),          FIELD_U8(D, at_end),
                                                   FIELD_BOOL(D, lba48),       FIELD_BOOL(D, use_multiple),
                                                   FIELD_BOOL(D, fua),         FIELD_U64(D, lba),
                                                   FIELD_U32(D, left),         FIELD_U32(D, block),
                                                   FIELD_U8(D, dma),           FIELD_BYTES(D, packet),
                                                   FIELD_U8(D, sense),         FIELD_U8(D, asc),
                                                   FIELD_U8(D, ascq),          FIELD_BOOL(D, packet_dma),
                                                   FIELD_BOOL(D, locked),      FIELD_BOOL(D, changed),
                                                   FIELD_BOOL(D, ejected),     FIELD_U32(D, seen_changes),
                                                   FIELD_U8(D, event),         FIELD_BOOL(D, from_disc),
                                                   FIELD_U16(D, sector_bytes), FIELD_U32(D, cd_lba),
                                                   FIELD_U64(D, total),        FIELD_U64(D, done),
                                                   FIELD_BYTES(D, buf),        FIELD_END };
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
