/* piix3.c - Intel 82371SB (PIIX3), function 0: the PCI-ISA bridge (datasheet 290550), 00:01.0,
 * 8086:7000.
 *
 * Modelled: PIRQ routing (60h-63h) to ISA interrupts; reset control at port CF9h. The ISA
 * devices themselves (8259, 8254, 8237, ELCR) have files of their own.
 * NOT modelled: X-bus chip selects, DMA type F, APM trap registers (bytes that store).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/pci/piix3.h"

#define PIRQRC     0x60
#define PIRQ_OFF   0x80
#define RCR_SYSTEM 0x02
#define RCR_CPU    0x04

struct piix3 {
    struct device dev;
    /* wiring */
    struct irq isa[16];
    /* state */
    struct pci_dev pci;
    bool pirq[4];
    uint8_t rcr;
    /* derived */
    uint16_t driven; /* derived: ISA lines held high */
};

/* Interrupts 0, 1, 2, 8 and 13 cannot be routed to. */
static bool routable(unsigned n) { return n < 16 && !((1u << n) & 0x2107); }

static void piix3_update_irq(struct piix3 *p)
{
    uint16_t want = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t route = p->pci.config[PIRQRC + i];
        if (p->pirq[i] && !(route & PIRQ_OFF) && routable(route & 15))
            want |= (uint16_t)(1u << (route & 15));
    }
    uint16_t changed = want ^ p->driven;
    p->driven = want;
    for (unsigned n = 0; n < 16; n++)
        if (changed >> n & 1)
            irq_set(&p->isa[n], want >> n & 1);
}

static void set_pirq(void *opaque, int n, int level)
{
    struct piix3 *p = opaque;
    p->pirq[n & 3] = level;
    piix3_update_irq(p);
}

static void config_written(void *opaque, unsigned reg, unsigned len)
{
    if (reg < PIRQRC + 4 && reg + len > PIRQRC)
        piix3_update_irq(opaque);
}

static uint32_t rcr_read(void *opaque, uint16_t port, unsigned size)
{
    (void)port;
    (void)size;
    return ((struct piix3 *)opaque)->rcr;
}

static void rcr_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct piix3 *p = opaque;
    bool rises = (val & RCR_CPU) && !(p->rcr & RCR_CPU);
    (void)port;
    (void)size;
    p->rcr = val & RCR_SYSTEM;
    if (rises)
        bus_request_reset(p->dev.bus, RESET_SYSTEM, 0);
}

static void piix3_reset(struct device *dev)
{
    struct piix3 *p = (struct piix3 *)dev;
    pci_dev_reset(&p->pci);
    p->rcr = 0;
    piix3_update_irq(p);
}

static void piix3_post_load(void *obj)
{
    struct piix3 *p = obj;
    p->driven = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint8_t route = p->pci.config[PIRQRC + i];
        if (p->pirq[i] && !(route & PIRQ_OFF) && routable(route & 15))
            p->driven |= (uint16_t)(1u << (route & 15));
    }
    for (unsigned n = 0; n < 16; n++)
        irq_set(&p->isa[n], p->driven >> n & 1);
}

static const struct state_field piix3_fields[] = { FIELD_STRUCT(struct piix3, pci, &pci_dev_state),
                                                   FIELD_BOOL_ARRAY(struct piix3, pirq), FIELD_U8(struct piix3, rcr),
                                                   FIELD_END };
static const struct state_desc piix3_state = {
    .name = "piix3", .version = 1, .fields = piix3_fields, .post_load = piix3_post_load
};

struct props {
    struct pci_bus *pci;
    const struct irq *isa;
};

static int piix3_init(struct device *dev, const void *props)
{
    static const struct port_ops rcr_ops = { rcr_read, rcr_write, 1, 1 };
    struct piix3 *p = (struct piix3 *)dev;
    const struct props *pr = props;
    struct irq pirq[4];
    int err = pci_dev_init(&p->pci, pr->pci, PCI_DEVFN(1, 0), 0x8086, 0x7000, 0x060100, 0, "piix3", p);
    if (err)
        return err;
    memcpy(p->isa, pr->isa, sizeof p->isa);
    uint8_t *c = p->pci.config;
    static const struct {
        uint8_t reg, val;
    } defaults[] = {
        { PCI_COMMAND, 0x07 }, { PCI_STATUS + 1, 0x02 }, { PCI_HEADER_TYPE, 0x80 },
        { 0x4c, 0x4d },        { 0x4e, 0x03 },           { 0x60, 0x80 },
        { 0x61, 0x80 },        { 0x62, 0x80 },           { 0x63, 0x80 },
        { 0x69, 0x02 },        { 0x70, 0x80 },           { 0x76, 0x0c },
        { 0x77, 0x0c },        { 0x78, 0x02 },           { 0xa0, 0x08 },
        { 0xa8, 0x0f },
    };
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
        c[defaults[i].reg] = defaults[i].val;
    store16(p->pci.wmask + PCI_COMMAND, 0x0108);
    memset(p->pci.wmask + 0x4c, 0xff, 4);
    memset(p->pci.wmask + PIRQRC, 0x8f, 4);
    memset(p->pci.wmask + 0x69, 0xff, 0x47);
    p->pci.config_written = config_written;
    for (int i = 0; i < 4; i++)
        pirq[i] = irq_make(set_pirq, p, i);
    pci_set_pirq(pr->pci, pirq);
    pci_set_cf9(pr->pci, &rcr_ops, p);
    return 0;
}

static const struct device_class piix3_class = {
    .name = "piix3",
    .size = sizeof(struct piix3),
    .init = piix3_init,
    .reset = piix3_reset,
    .state = &piix3_state,
};

struct piix3 *piix3_create(struct bus *bus, struct pci_bus *pci, const struct irq isa[16])
{
    const struct props props = { pci, isa };
    return bus_add_device(bus, &piix3_class, NULL, &props);
}
