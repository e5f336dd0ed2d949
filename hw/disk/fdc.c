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
 * fdc_cmd.c has the commands, fdc_xfer.c their data.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/disk/fdc_int.h"

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

static void load_medium(struct fdc_drive *d)
{
    const struct format *f = format_of(d->blk);
    d->cyls = f->cyls;
    d->heads = f->heads;
    d->sects = f->sects;
    d->rate = f->rate;
    /* A 360K disk is read at 300 kbit/s in a 1.2 MB drive. */
}

bool fdc_medium(struct fdc_drive *d)
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
struct fdc_drive *fdc_drive_at(struct fdc *f, unsigned n) { return n < 2 && f->drive[n].blk ? &f->drive[n] : NULL; }

bool fdc_rate_fits(const struct fdc *f, const struct fdc_drive *d)
{
    /* 250 and 300 kbit/s differ by the drive's speed only. */
    unsigned rate = f->ccr & 3;
    return rate == d->rate || (d->type == 2 && d->rate == 1 && rate == 2);
}

static void fdc_update_irq(struct fdc *f) { irq_set(&f->irq, f->irq_level && (f->dor & DOR_DMAGATE)); }

void fdc_set_irq(struct fdc *f, bool level)
{
    f->irq_level = level;
    fdc_update_irq(f);
}

void fdc_later(struct fdc *f, tick_t delay) { timer_set(&f->timer, bus_now(f->dev.bus) + delay); }

/* ---- phases ---- */

void fdc_to_command(struct fdc *f)
{
    f->phase = PHASE_COMMAND;
    f->cmd_len = f->cmd_need = 0;
    f->op = OP_NONE;
    f->pio = false;
}

void fdc_to_result(struct fdc *f, unsigned n)
{
    f->pio = false;
    f->op = OP_NONE;
    f->phase = PHASE_RESULT;
    f->result_pos = 0;
    f->result_len = (uint8_t)n;
    if (!n)
        fdc_to_command(f);
}

/* ---- registers ---- */

static void enter_reset(struct fdc *f)
{
    timer_cancel(&f->timer);
    i8237_set_dreq(f->dma, 2, 0);
    fdc_to_command(f);
    f->busy = 0;
    f->int_pending = false;
    f->resets = 0;
    fdc_set_irq(f, false);
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
    fdc_set_irq(f, true);
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
            fdc_pio_moved(f);
        return v;
    }
    if (f->phase != PHASE_RESULT) {
        GUEST_WARN(fdc, "data read without data");
        return 0;
    }
    if (!f->result_pos)
        fdc_set_irq(f, false);
    v = f->result[f->result_pos & 15];
    if (++f->result_pos >= f->result_len) {
        fdc_to_command(f);
        /* Seeks of several drives may end while results are read. */
    }
    return v;
}

static void data_out(struct fdc *f, uint8_t v)
{
    if (!(f->dor & DOR_NRESET))
        return;
    if (f->phase == PHASE_COMMAND) {
        fdc_command_byte(f, v);
    } else if (f->phase == PHASE_EXECUTE && f->pio && f->op != OP_READ && f->op != OP_READ_TRACK) {
        if (f->pos < sizeof f->buf)
            f->buf[f->pos] = v;
        if (++f->pos >= f->len)
            fdc_pio_moved(f);
    } else {
        GUEST_WARN(fdc, "data write %02x in phase %u", v, f->phase);
    }
}

static uint32_t fdc_read(void *opaque, uint16_t port, unsigned size)
{
    struct fdc *f = opaque;
    struct fdc_drive *d = fdc_drive_at(f, selected(f));
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
            if (!fdc_medium(d) || d->change)
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
        fdc_execute(f);
    else if (f->op == OP_FORMAT)
        fdc_run_format(f);
    else
        fdc_run_dma(f); /* DMA was not ready */
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
        struct fdc_drive *d = &f->drive[i];
        d->track = d->pcn = d->head = 0;
        d->change = true;
        load_medium(d);
    }
}

static void fdc_post_load(void *obj)
{
    struct fdc *f = obj;
    if (f->cmd_len >= sizeof f->cmd || f->cmd_need > sizeof f->cmd || f->phase > PHASE_RESULT)
        fdc_to_command(f);
    if (f->len > sizeof f->buf)
        f->len = sizeof f->buf;
    for (unsigned i = 0; i < 2; i++)
        load_medium(&f->drive[i]);
    fdc_update_irq(f);
}

#define D struct fdc_drive
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
        const struct fdc_drive *d = &f->drive[i];
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
