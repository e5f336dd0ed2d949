/* ide_dma.c - the PCI side of the PIIX3's IDE function (8086:7010, datasheet 290550) and its bus
 * master (SFF-8038i).
 *
 * Ports BAR4+0 to +7 and +8 to +F: command, status, descriptor table of each channel.
 * NOT modelled: the timing registers 40h-55h (they store); native mode; the decode enable of the
 * legacy ports (they are always there). A region may cross 64 KiB.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/disk/ide_int.h"

#define BM_START    0x01
#define BM_READ     0x08 /* device to memory */
#define BMS_ACTIVE  0x01
#define BMS_ERROR   0x02
#define BMS_CAPABLE 0x60
#define PRD_MAX     8192u
#define CHUNK       (IDE_BUF / SECTOR_SIZE)

/* Fetch the next region; false at the table's end. */
static bool next_region(struct ide_channel *c)
{
    uint8_t prd[8];
    if (c->prd_last || c->prd_count >= PRD_MAX)
        return false;
    bus_dma_read(c->ide->dev.bus, c->prd_next, prd, sizeof prd);
    c->prd_next += 8;
    c->prd_count++;
    c->prd_addr = load32(prd) & ~1u;
    c->prd_len = load32(prd + 4) & 0xfffe;
    if (!c->prd_len)
        c->prd_len = 0x10000;
    c->prd_last = prd[7] & 0x80;
    return true;
}

size_t ide_dma_move(struct ide_channel *c, void *buf, size_t len, bool to_memory)
{
    uint8_t *p = buf;
    size_t done = 0;
    if (!pci_bus_master(&c->ide->pci))
        return 0;
    while (done < len) {
        if (!c->prd_len && !next_region(c))
            break;
        uint32_t n = c->prd_len;
        if (n > len - done)
            n = (uint32_t)(len - done);
        if (to_memory)
            bus_dma_write(c->ide->dev.bus, c->prd_addr, p + done, n);
        else
            bus_dma_read(c->ide->dev.bus, c->prd_addr, p + done, n);
        c->prd_addr += n;
        c->prd_len -= n;
        done += n;
    }
    return done;
}

/* The transfer is over: active stays set only if the table has more. */
void ide_dma_ended(struct ide_channel *c)
{
    if (!c->prd_len && c->prd_last)
        c->bm_status &= (uint8_t)~BMS_ACTIVE;
}

void ide_dma_wait(struct ide_drive *d, enum ide_dma_kind kind)
{
    struct ide_channel *c = d->chan;
    d->dma = (uint8_t)kind;
    if (c->bm_status & BMS_ACTIVE)
        ide_later(d, STEP_DMA);
    else
        d->status = ST_DRDY | ST_DSC | ST_DRQ;
}

/* The table was too short: no interrupt, the driver times out and looks. */
static void table_short(struct ide_drive *d)
{
    GUEST_WARN(ide, "drive %u: the descriptor table is too short", d->unit);
    d->chan->bm_status &= (uint8_t)~BMS_ACTIVE;
    d->dma = DMA_NONE;
    d->status = ST_DRDY | ST_DSC;
}

static void disk_dma(struct ide_drive *d)
{
    struct ide_channel *c = d->chan;
    bool write = d->dma == DMA_WRITE;
    uint64_t all = block_sectors(d->blk);

    while (d->left) {
        uint32_t n = d->left < CHUNK ? d->left : CHUNK;
        if (d->lba >= all || n > all - d->lba) {
            if (d->lba >= all) {
                ide_store_lba(d);
                c->bm_status &= (uint8_t)~BMS_ACTIVE;
                ide_fail(d, ER_IDNF | ER_ABRT);
                return;
            }
            n = (uint32_t)(all - d->lba);
        }
        int rc = 0;
        size_t moved;
        if (write) {
            moved = ide_dma_move(c, d->buf, (size_t)n * SECTOR_SIZE, false);
            rc = block_write(d->blk, d->lba, d->buf, moved / SECTOR_SIZE);
        } else {
            rc = block_read(d->blk, d->lba, d->buf, n);
            moved = rc ? 0 : ide_dma_move(c, d->buf, (size_t)n * SECTOR_SIZE, true);
        }
        if (rc) {
            ide_store_lba(d);
            c->bm_status &= (uint8_t)~BMS_ACTIVE;
            ide_fail(d, write ? ER_ABRT : ER_UNC);
            return;
        }
        d->lba += moved / SECTOR_SIZE;
        d->left -= (uint32_t)(moved / SECTOR_SIZE);
        if (moved < (size_t)n * SECTOR_SIZE) {
            table_short(d);
            return;
        }
    }
    d->lba--;
    ide_store_lba(d);
    if (write && ide_written(d)) {
        c->bm_status &= (uint8_t)~BMS_ACTIVE;
        ide_fail(d, ER_ABRT);
        return;
    }
    ide_dma_ended(c);
    ide_done(d);
}

void ide_dma_run(struct ide_drive *d)
{
    if (d->dma == DMA_PACKET)
        atapi_dma(d);
    else if (d->dma)
        disk_dma(d);
}

/* ---- ports ---- */

static uint32_t bm_read(void *opaque, uint16_t port, unsigned size)
{
    struct ide *ide = opaque;
    struct ide_channel *c = &ide->chan[port >> 3 & 1];
    uint32_t v = 0;
    for (unsigned i = 0; i < size; i++) {
        unsigned reg = (port + i) & 7;
        uint8_t b = reg == 0   ? c->bm_cmd
                    : reg == 2 ? c->bm_status
                    : reg >= 4 ? (uint8_t)(c->bm_table >> (8 * (reg - 4)))
                               : 0;
        v |= (uint32_t)b << (8 * i);
    }
    return v;
}

static void write_command(struct ide_channel *c, uint8_t v)
{
    struct ide_drive *d = &c->drive[c->selected];
    bool was = c->bm_cmd & BM_START;
    c->bm_cmd = v & (BM_START | BM_READ);
    if (!(v & BM_START)) {
        if (was && d->dma && c->step == STEP_DMA) { /* stopped under way: nothing has moved */
            timer_cancel(&c->timer);
            c->step = STEP_NONE;
            d->status = ST_DRDY | ST_DSC | ST_DRQ;
        }
        c->bm_status &= (uint8_t)~BMS_ACTIVE;
        return;
    }
    if (was)
        return;
    c->bm_status |= BMS_ACTIVE;
    c->prd_next = c->bm_table;
    c->prd_len = c->prd_count = 0;
    c->prd_last = false;
    if (d->dma)
        ide_later(d, STEP_DMA);
}

static void bm_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct ide *ide = opaque;
    struct ide_channel *c = &ide->chan[port >> 3 & 1];
    LOG(ide, "bus master write %u.%u: %x", c->n, port & 7, val);
    for (unsigned i = 0; i < size; i++) {
        unsigned reg = (port + i) & 7;
        uint8_t b = (uint8_t)(val >> (8 * i));
        if (reg == 0) {
            write_command(c, b);
        } else if (reg == 2) {
            c->bm_status = (uint8_t)((b & BMS_CAPABLE) | (c->bm_status & BMS_ACTIVE) |
                                     (c->bm_status & ~b & (BMS_ERROR | BMS_IRQ)));
        } else if (reg >= 4) {
            unsigned shift = 8 * (reg - 4);
            c->bm_table = (c->bm_table & ~(0xffu << shift)) | (uint32_t)b << shift;
            c->bm_table &= ~3u;
        }
    }
}

/* ---- the device ---- */

static void ide_reset(struct device *dev)
{
    struct ide *ide = (struct ide *)dev;
    pci_dev_reset(&ide->pci);
    for (unsigned i = 0; i < 2; i++) {
        struct ide_channel *c = &ide->chan[i];
        ide_channel_reset(c);
        c->bm_cmd = c->bm_status = 0;
        c->bm_table = c->prd_next = c->prd_len = c->prd_addr = c->prd_count = 0;
        c->prd_last = false;
    }
}

static void ide_dump(struct device *dev, FILE *f)
{
    static const char *const kinds[] = { "none", "disk", "cdrom" };
    struct ide *ide = (struct ide *)dev;
    for (unsigned i = 0; i < 4; i++) {
        const struct ide_channel *c = &ide->chan[i >> 1];
        const struct ide_drive *d = &c->drive[i & 1];
        fprintf(f, "drive %u%s: %s", i, c->selected == (i & 1) ? " (selected)" : "", kinds[d->kind]);
        if (d->kind)
            fprintf(f, " '%s' %llu sectors%s, status %02x error %02x command %02x mode %02x",
                    block_present(d->blk) ? d->blk->path : "", (unsigned long long)block_sectors(d->blk),
                    d->blk->read_only ? " ro" : "", d->status, d->error, d->command, d->xfer_mode);
        fputc('\n', f);
        if (i & 1)
            fprintf(f, "channel %u: control %02x irq %d step %u bm %02x/%02x table %08x\n", c->n, c->control,
                    c->irq_pending, c->step, c->bm_cmd, c->bm_status, c->bm_table);
    }
}

static const struct state_field ide_fields[] = { FIELD_STRUCT(struct ide, pci, &pci_dev_state),
                                                 FIELD_STRUCT_ARRAY(struct ide, chan, &ide_channel_state), FIELD_END };
static const struct state_desc ide_state = { .name = "ide", .version = 1, .fields = ide_fields };

struct props {
    struct pci_bus *pci;
    int devfn;
    struct irq irq[2];
    struct block *const *drives;
    const bool *cdrom;
};

static int ide_init(struct device *dev, const void *props)
{
    static const struct port_ops bm_ops = { bm_read, bm_write, 1, 4 };
    struct ide *ide = (struct ide *)dev;
    const struct props *p = props;
    for (unsigned i = 0; i < 2; i++)
        ide_channel_init(ide, i, p->irq[i]);
    for (unsigned i = 0; i < 4; i++)
        ide_drive_init(&ide->chan[i >> 1].drive[i & 1], &ide->chan[i >> 1], i, p->drives[i], p->cdrom[i]);
    int err = pci_dev_init(&ide->pci, p->pci, p->devfn, 0x8086, 0x7010, 0x010180, 0, "ide", ide);
    if (err)
        return err;
    ide->pci.config[PCI_STATUS] = 0x80;
    ide->pci.config[PCI_STATUS + 1] = 0x02;
    memset(ide->pci.wmask + 0x40, 0xff, 0x18);
    pci_bar_ports(&ide->pci, 4, 16, bus_port_add_movable(dev->bus, 16, &bm_ops, ide, "ide bus master"));
    return 0;
}

static void ide_destroy(struct device *dev)
{
    struct ide *ide = (struct ide *)dev;
    for (unsigned i = 0; i < 2; i++)
        if (ide->chan[i].timer.clock)
            timer_destroy(&ide->chan[i].timer);
}

static const struct device_class ide_class = {
    .name = "ide",
    .size = sizeof(struct ide),
    .init = ide_init,
    .reset = ide_reset,
    .destroy = ide_destroy,
    .state = &ide_state,
    .dump = ide_dump,
};

struct ide *ide_pci_create(struct bus *bus, struct pci_bus *pci, int devfn, struct irq irq14, struct irq irq15,
                           struct block *const drives[4], const bool cdrom[4])
{
    const struct props props = { pci, devfn, { irq14, irq15 }, drives, cdrom };
    return bus_add_device(bus, &ide_class, NULL, &props);
}
