/* i8259.c - Intel 8259A programmable interrupt controllers, master and slave (datasheet 231468).
 *
 * Ports 20h-21h, A0h-A1h; edge/level control (ELCR) 4D0h-4D1h as in the PIIX3.
 * All modes: fully nested, special fully nested, rotation, special mask, poll, automatic EOI.
 * NOT modelled: MCS-80 call vectors (ICW4.uPM = 0 acts as 8086 mode), buffered mode pins. An edge
 * stays latched in IRR when the line falls before INTA, so that case gives no default IRQ7. The
 * cascade input follows the slave's output; a slave that withdraws gives no spurious IRQ.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/i8259.h"

#define ICW1_IC4  0x01
#define ICW1_SNGL 0x02
#define ICW1_LTIM 0x08
#define ICW1      0x10
#define ICW4_AEOI 0x02
#define ICW4_SFNM 0x10
#define OCW3      0x08
#define OCW3_RIS  0x01
#define OCW3_RR   0x02
#define OCW3_POLL 0x04
#define OCW3_SMM  0x20
#define OCW3_ESMM 0x40
#define CASCADE   2

struct chip {
    /* wiring */
    bool master; /* wiring */
    uint8_t elcr_mask;
    /* state */
    uint8_t irr;
    uint8_t imr;
    uint8_t isr;
    uint8_t lines; /* input levels */
    uint8_t elcr;
    uint8_t vector_base;
    uint8_t lowest;     /* the line after this one has the highest priority */
    uint8_t init_state; /* next ICW expected, 0: none */
    uint8_t icw1;
    bool read_isr;
    bool poll;
    bool special_mask;
    bool auto_eoi;
    bool rotate_aeoi;
    bool sfnm;
};

struct i8259 {
    struct device dev;
    /* wiring */
    struct irq intr;
    /* state */
    struct chip chip[2];
    /* derived */
    bool out; /* derived */
};

static uint8_t level_mask(const struct chip *c) { return c->icw1 & ICW1_LTIM ? 0xff : c->elcr; }

/* The set line of highest priority: its rank in *rank (8 if none). */
static int highest(const struct chip *c, uint8_t lines, unsigned *rank)
{
    for (unsigned r = 0; r < 8; r++) {
        unsigned n = (c->lowest + 1 + r) & 7;
        if (lines & (1u << n)) {
            *rank = r;
            return (int)n;
        }
    }
    *rank = 8;
    return -1;
}

/* The line that drives INT now, or -1. */
static int pending(const struct chip *c)
{
    unsigned want;
    unsigned busy;
    uint8_t in_service = c->isr;
    int n = highest(c, c->irr & (uint8_t)~c->imr, &want);
    if (n < 0)
        return -1;
    if (c->special_mask)
        in_service &= (uint8_t)~c->imr;
    if (c->sfnm && c->master)
        in_service &= (uint8_t) ~(1u << CASCADE);
    highest(c, in_service, &busy);
    return want < busy ? n : -1;
}

static void i8259_update_irq(struct i8259 *pic)
{
    struct chip *m = &pic->chip[0];
    uint8_t cascade = pending(&pic->chip[1]) >= 0 ? 1u << CASCADE : 0;
    m->irr = (uint8_t)((m->irr & ~(1u << CASCADE)) | cascade);
    bool out = pending(m) >= 0;
    if (out != pic->out) {
        pic->out = out;
        irq_set(&pic->intr, out);
    }
}

/* The line is taken by the CPU (INTA or poll). */
static void acknowledge(struct chip *c, int n)
{
    uint8_t bit = (uint8_t)(1u << n);
    if (c->auto_eoi) {
        if (c->rotate_aeoi)
            c->lowest = (uint8_t)n;
    } else {
        c->isr |= bit;
    }
    if (!(level_mask(c) & bit))
        c->irr &= (uint8_t)~bit;
}

static void write_icw1(struct chip *c, uint8_t val)
{
    c->icw1 = val;
    c->imr = 0;
    c->isr = 0;
    c->irr = c->lines & level_mask(c);
    c->lowest = 7;
    c->vector_base = 0;
    c->read_isr = c->poll = c->special_mask = false;
    c->auto_eoi = c->rotate_aeoi = c->sfnm = false;
    c->init_state = 2;
}

static void write_ocw2(struct chip *c, uint8_t val)
{
    unsigned rank;
    unsigned cmd = val >> 5;
    int n = val & 7;

    switch (cmd) {
    case 0: c->rotate_aeoi = false; return;
    case 4: c->rotate_aeoi = true; return;
    case 2: return;
    case 6: c->lowest = (uint8_t)n; return;
    case 1:
    case 5: /* non-specific: masked lines are not seen in special mask mode */
        n = highest(c, c->special_mask ? c->isr & (uint8_t)~c->imr : c->isr, &rank);
        if (n < 0)
            return;
        break;
    default: break; /* 3, 7: specific */
    }
    c->isr &= (uint8_t) ~(1u << n);
    if (cmd & 4)
        c->lowest = (uint8_t)n;
}

static void write_ocw3(struct chip *c, uint8_t val)
{
    if (val & OCW3_POLL)
        c->poll = true;
    if (val & OCW3_RR)
        c->read_isr = val & OCW3_RIS;
    if (val & OCW3_ESMM)
        c->special_mask = val & OCW3_SMM;
}

static void write_data(struct chip *c, uint8_t val)
{
    switch (c->init_state) {
    case 2:
        c->vector_base = val & 0xf8;
        c->init_state = !(c->icw1 & ICW1_SNGL) ? 3 : c->icw1 & ICW1_IC4 ? 4 : 0;
        break;
    case 3: /* which line the slave is on: fixed by the board */ c->init_state = c->icw1 & ICW1_IC4 ? 4 : 0; break;
    case 4:
        c->auto_eoi = val & ICW4_AEOI;
        c->sfnm = val & ICW4_SFNM;
        c->init_state = 0;
        break;
    default: c->imr = val; break;
    }
}

static void i8259_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct i8259 *pic = opaque;
    struct chip *c = &pic->chip[port >= 0xa0];
    (void)size;
    LOG(pic, "write %02x: %02x", port, val);
    if (port & 1)
        write_data(c, (uint8_t)val);
    else if (val & ICW1)
        write_icw1(c, (uint8_t)val);
    else if (val & OCW3)
        write_ocw3(c, (uint8_t)val);
    else
        write_ocw2(c, (uint8_t)val);
    i8259_update_irq(pic);
}

static uint32_t i8259_read(void *opaque, uint16_t port, unsigned size)
{
    struct i8259 *pic = opaque;
    struct chip *c = &pic->chip[port >= 0xa0];
    (void)size;
    if (c->poll) {
        int n = pending(c);
        c->poll = false;
        if (n < 0)
            return 0;
        acknowledge(c, n);
        i8259_update_irq(pic);
        return 0x80u | (unsigned)n;
    }
    if (port & 1)
        return c->imr;
    return c->read_isr ? c->isr : c->irr;
}

static uint32_t elcr_read(void *opaque, uint16_t port, unsigned size)
{
    struct i8259 *pic = opaque;
    (void)size;
    return pic->chip[port & 1].elcr;
}

static void elcr_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct i8259 *pic = opaque;
    struct chip *c = &pic->chip[port & 1];
    (void)size;
    c->elcr = (uint8_t)val & c->elcr_mask;
    c->irr = (uint8_t)((c->irr & ~c->elcr) | (c->lines & c->elcr));
    i8259_update_irq(pic);
}

void i8259_set_irq(struct i8259 *pic, int n, int level)
{
    if (n < 0 || n > 15 || n == CASCADE)
        return;
    struct chip *c = &pic->chip[n >> 3];
    uint8_t bit = (uint8_t)(1u << (n & 7));
    if (level && (!(c->lines & bit) || (level_mask(c) & bit)))
        c->irr |= bit;
    else if (!level && (level_mask(c) & bit))
        c->irr &= (uint8_t)~bit;
    c->lines = (uint8_t)(level ? c->lines | bit : c->lines & ~bit);
    i8259_update_irq(pic);
}

void i8259_forget_edges(struct i8259 *pic)
{
    for (int i = 0; i < 2; i++)
        pic->chip[i].irr = pic->chip[i].lines & level_mask(&pic->chip[i]);
    i8259_update_irq(pic);
}

enum irq_state i8259_line_state(const struct i8259 *pic, int n)
{
    const struct chip *c = &pic->chip[n >> 3 & 1];
    uint8_t bit = (uint8_t)(1u << (n & 7));
    if ((c->imr & bit) || (!c->master && (pic->chip[0].imr & 1u << CASCADE)))
        return IRQ_MASKED;
    return c->irr & bit ? IRQ_BUSY : IRQ_FREE;
}

bool i8259_output(const struct i8259 *pic) { return pic->out; }

int i8259_ack(struct i8259 *pic)
{
    struct chip *m = &pic->chip[0];
    struct chip *s = &pic->chip[1];
    int n = pending(m);
    int vector;

    if (n < 0) {
        vector = m->vector_base + 7; /* default IRQ7: no ISR bit */
    } else if (n == CASCADE) {
        int k = pending(s);
        acknowledge(m, n);
        if (k >= 0)
            acknowledge(s, k);
        vector = s->vector_base + (k >= 0 ? k : 7);
    } else {
        acknowledge(m, n);
        vector = m->vector_base + n;
    }
    LOG(pic, "ack vector %02x", vector);
    i8259_update_irq(pic);
    return vector;
}

static void i8259_reset(struct device *dev)
{
    struct i8259 *pic = (struct i8259 *)dev;
    for (int i = 0; i < 2; i++) {
        struct chip *c = &pic->chip[i];
        c->elcr = 0;
        write_icw1(c, 0);
        c->irr = 0;
        c->init_state = 0;
    }
    i8259_update_irq(pic);
}

static const struct state_field chip_fields[] = {
    FIELD_U8(struct chip, irr),        FIELD_U8(struct chip, imr),
    FIELD_U8(struct chip, isr),        FIELD_U8(struct chip, lines),
    FIELD_U8(struct chip, elcr),       FIELD_U8(struct chip, vector_base),
    FIELD_U8(struct chip, lowest),     FIELD_U8(struct chip, init_state),
    FIELD_U8(struct chip, icw1),       FIELD_BOOL(struct chip, read_isr),
    FIELD_BOOL(struct chip, poll),     FIELD_BOOL(struct chip, special_mask),
    FIELD_BOOL(struct chip, auto_eoi), FIELD_BOOL(struct chip, rotate_aeoi),
    FIELD_BOOL(struct chip, sfnm),     FIELD_END
};
static const struct state_desc chip_state = { .name = "i8259-chip", .version = 1, .fields = chip_fields };

static void i8259_post_load(void *obj)
{
    struct i8259 *pic = obj;
    pic->chip[0].lowest &= 7;
    pic->chip[1].lowest &= 7;
    pic->out = pending(&pic->chip[0]) >= 0;
    irq_set(&pic->intr, pic->out);
}

static const struct state_field i8259_fields[] = { FIELD_STRUCT_ARRAY(struct i8259, chip, &chip_state), FIELD_END };
static const struct state_desc i8259_state = {
    .name = "i8259", .version = 1, .fields = i8259_fields, .post_load = i8259_post_load
};

static void i8259_dump(struct device *dev, FILE *f)
{
    const struct i8259 *pic = (const struct i8259 *)dev;
    for (int i = 0; i < 2; i++) {
        const struct chip *c = &pic->chip[i];
        fprintf(f,
                "pic%d: irr=%02x imr=%02x isr=%02x lines=%02x elcr=%02x base=%02x first=%u"
                "%s%s%s\n",
                i, c->irr, c->imr, c->isr, c->lines, c->elcr, c->vector_base, (c->lowest + 1) & 7,
                c->auto_eoi ? " aeoi" : "", c->special_mask ? " smm" : "", c->sfnm ? " sfnm" : "");
    }
}

static const char *i8259_check(struct device *dev)
{
    const struct i8259 *pic = (const struct i8259 *)dev;
    return pic->out == (pending(&pic->chip[0]) >= 0) ? NULL : "i8259: INT differs from its causes";
}

static int i8259_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { i8259_read, i8259_write, 1, 1 };
    static const struct port_ops elcr_ops = { elcr_read, elcr_write, 1, 1 };
    struct i8259 *pic = (struct i8259 *)dev;
    pic->intr = *(const struct irq *)props;
    pic->chip[0].master = true;
    pic->chip[0].elcr_mask = 0xf8; /* 0, 1, 2, 8 and 13 are always edge-triggered */
    pic->chip[1].elcr_mask = 0xde;
    bus_port_add(dev->bus, 0x20, 2, &ops, pic, "pic");
    bus_port_add(dev->bus, 0xa0, 2, &ops, pic, "pic");
    bus_port_add(dev->bus, 0x4d0, 2, &elcr_ops, pic, "elcr");
    return 0;
}

static const struct device_class i8259_class = {
    .name = "pic",
    .size = sizeof(struct i8259),
    .init = i8259_init,
    .reset = i8259_reset,
    .state = &i8259_state,
    .dump = i8259_dump,
    .check = i8259_check,
};

struct i8259 *i8259_create(struct bus *bus, struct irq intr) { return bus_add_device(bus, &i8259_class, NULL, &intr); }
