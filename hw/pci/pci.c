/* pci.c - PCI 2.1 bus 0 with configuration mechanism #1.
 *
 * Ports CF8h-CFBh (address; only 32-bit accesses, CF9h by byte is someone else's), CFCh-CFFh.
 * NOT modelled: other buses, special cycles, 64-bit BARs, parity and abort status bits, MSI.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/pci/pci.h"

#define CONFIG_ENABLE 0x80000000u

struct pci_bus {
    struct device dev;
    /* wiring */
    struct irq pirq[4];
    const struct port_ops *cf9;
    void *cf9_opaque;
    struct pci_dev *devs[256];
    /* state */
    uint32_t address;
    uint8_t asserted[4]; /* devices that drive each PIRQ */
};

struct bus *pci_system_bus(struct pci_bus *pci) { return pci->dev.bus; }

/* ---- interrupts ---- */

static void drive(struct pci_bus *pci, const struct pci_dev *d, bool level)
{
    unsigned pin = d->config[PCI_INT_PIN];
    if (!pin)
        return;
    unsigned n = ((d->devfn >> 3) - 1u + pin - 1u) & 3;
    if (level)
        pci->asserted[n]++;
    else if (pci->asserted[n])
        pci->asserted[n]--;
    irq_set(&pci->pirq[n], pci->asserted[n] > 0);
}

void pci_set_irq(struct pci_dev *d, int level)
{
    if (d->irq_level == (level != 0))
        return;
    d->irq_level = level;
    drive(d->pci, d, level);
}

/* ---- base address registers ---- */

static unsigned bar_reg(unsigned n) { return n == PCI_BAR_ROM ? PCI_ROM : PCI_BAR0 + 4 * n; }

int64_t pci_bar_base(const struct pci_dev *d, unsigned n)
{
    const struct pci_bar *b = &d->bar[n];
    uint32_t val = load32(d->config + bar_reg(n));
    uint16_t cmd = load16(d->config + PCI_COMMAND);
    uint32_t base = val & ~(b->size - 1);
    if (!b->size || !(cmd & (b->io ? PCI_CMD_IO : PCI_CMD_MEM)) || !base)
        return -1;
    if (n == PCI_BAR_ROM && !(val & 1))
        return -1;
    if (b->io)
        return base + b->size <= 0x10000 ? (int64_t)base : -1;
    /* Not at the very top of memory: sizing leaves ones there. */
    return base < 0u - b->size ? (int64_t)base : -1;
}

static void update_bars(struct pci_dev *d)
{
    for (unsigned n = 0; n < PCI_BARS; n++) {
        struct pci_bar *b = &d->bar[n];
        if (!b->size)
            continue;
        int64_t base = pci_bar_base(d, n);
        /* A BAR must not hide RAM or the firmware below 1 MiB. */
        if (!b->io && base >= 0 && base < 0x100000)
            base = -1;
        if (b->ports)
            bus_port_move(d->bus, b->ports, (int)base);
        if (b->mem)
            bus_range_move(b->mem, base < 0 ? GPA_NONE : (gpa_t)base);
        if (d->bar_moved)
            d->bar_moved(d->opaque, n, base);
    }
}

static void declare_bar(struct pci_dev *d, unsigned n, uint32_t size)
{
    unsigned reg = bar_reg(n);
    uint32_t mask = ~(size - 1);
    if (size & (size - 1)) {
        bus_error(d->bus, "%s: size of BAR %u is not a power of two", d->name, n);
        return;
    }
    d->bar[n].size = size;
    if (n == PCI_BAR_ROM)
        mask |= 1;
    store32(d->wmask + reg, mask);
    store32(d->config + reg, d->bar[n].flags);
}

void pci_bar_ports(struct pci_dev *d, unsigned n, unsigned size, struct port_range *ports)
{
    d->bar[n] = (struct pci_bar){ .io = true, .flags = 1, .ports = ports };
    declare_bar(d, n, size);
}

bool pci_bus_master(const struct pci_dev *d) { return d->config[PCI_COMMAND] & PCI_CMD_MASTER; }

void pci_bar_mem(struct pci_dev *d, unsigned n, uint32_t size, struct range *mem, bool prefetch)
{
    d->bar[n] = (struct pci_bar){ .flags = prefetch ? 8 : 0, .mem = mem };
    declare_bar(d, n, size);
}

/* ---- devices ---- */

int pci_dev_init(struct pci_dev *d, struct pci_bus *pci, int devfn, uint16_t vendor, uint16_t device,
                 uint32_t class_code, uint8_t revision, const char *name, void *opaque)
{
    d->pci = pci;
    d->bus = pci->dev.bus;
    d->name = name;
    d->opaque = opaque;
    if (devfn < 0 || devfn > 255 || pci->devs[devfn])
        return bus_error(d->bus, "%s: PCI slot %x is taken", name, devfn);
    d->devfn = (uint8_t)devfn;
    pci->devs[devfn] = d;
    store16(d->config + PCI_VENDOR_ID, vendor);
    store16(d->config + PCI_DEVICE_ID, device);
    store32(d->config + PCI_REVISION, class_code << 8 | revision);
    store16(d->config + PCI_SUBSYS_VENDOR, 0x1af4);
    store16(d->config + PCI_SUBSYS_ID, 0x1100);
    store16(d->wmask + PCI_COMMAND, 0x0547);
    store16(d->w1cmask + PCI_STATUS, 0xf900);
    d->wmask[0x0c] = 0xff; /* cache line */
    d->wmask[0x0d] = 0xff; /* latency */
    d->wmask[PCI_INT_LINE] = 0xff;
    return 0;
}

void pci_dev_reset(struct pci_dev *d)
{
    if (!d->have_reset_config) {
        memcpy(d->reset_config, d->config, sizeof d->config);
        d->have_reset_config = true;
    }
    pci_set_irq(d, 0);
    memcpy(d->config, d->reset_config, sizeof d->config);
    update_bars(d);
}

static bool touches(unsigned reg, unsigned len, unsigned from, unsigned count)
{
    return reg < from + count && from < reg + len;
}

static void config_write(struct pci_dev *d, unsigned reg, uint32_t val, unsigned len)
{
    LOG(pci, "%s write %02x: %0*x", d->name, reg, (int)len * 2, val);
    for (unsigned i = 0; i < len; i++) {
        unsigned r = reg + i;
        uint8_t byte = (uint8_t)(val >> (8 * i));
        uint8_t m = d->wmask[r];
        d->config[r] = (uint8_t)((d->config[r] & ~m) | (byte & m));
        d->config[r] &= (uint8_t) ~(byte & d->w1cmask[r]);
    }
    if (touches(reg, len, PCI_COMMAND, 2) || touches(reg, len, PCI_BAR0, 24) || touches(reg, len, PCI_ROM, 4))
        update_bars(d);
    if (d->config_written)
        d->config_written(d->opaque, reg, len);
}

static struct pci_dev *selected(const struct pci_bus *pci)
{
    if (!(pci->address & CONFIG_ENABLE) || (pci->address >> 16 & 0xff))
        return NULL;
    return pci->devs[pci->address >> 8 & 0xff];
}

static uint32_t address_read(void *opaque, uint16_t port, unsigned size)
{
    struct pci_bus *pci = opaque;
    if (size == 4)
        return pci->address;
    if (port == 0xcf9 && size == 1 && pci->cf9)
        return pci->cf9->read(pci->cf9_opaque, port, size);
    return 0xffffffff;
}

static void address_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct pci_bus *pci = opaque;
    if (size == 4)
        pci->address = val & 0x80fffffc;
    else if (port == 0xcf9 && size == 1 && pci->cf9)
        pci->cf9->write(pci->cf9_opaque, port, val, size);
}

/* port_read splits what is not aligned only at the range's end: stay inside the register. */
static uint32_t data_read(void *opaque, uint16_t port, unsigned size)
{
    struct pci_bus *pci = opaque;
    const struct pci_dev *d = selected(pci);
    unsigned reg = (pci->address & 0xfc) | (port & 3u);
    if (!d)
        return 0xffffffff;
    uint32_t v = (uint32_t)load_n(d->config + reg, size);
    LOG(pci, "%s read %02x: %0*x", d->name, reg, (int)size * 2, v);
    return v;
}

static void data_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct pci_bus *pci = opaque;
    struct pci_dev *d = selected(pci);
    if (d)
        config_write(d, (pci->address & 0xfc) | (port & 3u), val, size);
}

void pci_set_pirq(struct pci_bus *pci, const struct irq pirq[4]) { memcpy(pci->pirq, pirq, sizeof pci->pirq); }

void pci_set_cf9(struct pci_bus *pci, const struct port_ops *ops, void *opaque)
{
    pci->cf9 = ops;
    pci->cf9_opaque = opaque;
}

static void pci_reset(struct device *dev) { ((struct pci_bus *)dev)->address = 0; }

static void pci_dev_post_load(void *obj) { update_bars(obj); }

static const struct state_field pci_dev_fields[] = { FIELD_BYTES(struct pci_dev, config),
                                                     FIELD_BOOL(struct pci_dev, irq_level), FIELD_END };
const struct state_desc pci_dev_state = {
    .name = "pci-dev", .version = 1, .fields = pci_dev_fields, .post_load = pci_dev_post_load
};

static const struct state_field pci_fields[] = { FIELD_U32(struct pci_bus, address),
                                                 FIELD_U8_ARRAY(struct pci_bus, asserted), FIELD_END };
static const struct state_desc pci_state = { .name = "pci", .version = 1, .fields = pci_fields };

void pci_dump(struct pci_bus *pci, FILE *f)
{
    for (int i = 0; i < 256; i++) {
        const struct pci_dev *d = pci->devs[i];
        if (!d)
            continue;
        fprintf(f, "00:%02x.%d %04x:%04x class %04x %s", i >> 3, i & 7, load16(d->config), load16(d->config + 2),
                load16(d->config + PCI_CLASS), d->name);
        if (d->config[PCI_INT_PIN])
            fprintf(f, " INT%c line %u", 'A' + d->config[PCI_INT_PIN] - 1, d->config[PCI_INT_LINE]);
        fprintf(f, "\n");
        for (unsigned n = 0; n < PCI_BARS; n++)
            if (d->bar[n].size)
                fprintf(f, "    BAR%u %s %#x at %#llx\n", n, d->bar[n].io ? "io" : "mem", d->bar[n].size,
                        (long long)pci_bar_base(d, n));
    }
}

static void pci_device_dump(struct device *dev, FILE *f) { pci_dump((struct pci_bus *)dev, f); }

static int pci_init(struct device *dev, const void *props)
{
    static const struct port_ops address_ops = { address_read, address_write, 1, 4 };
    static const struct port_ops data_ops = { data_read, data_write, 1, 4 };
    (void)props;
    bus_port_add(dev->bus, 0xcf8, 4, &address_ops, dev, "pci address");
    bus_port_add(dev->bus, 0xcfc, 4, &data_ops, dev, "pci data");
    return 0;
}

static const struct device_class pci_class = {
    .name = "pci",
    .size = sizeof(struct pci_bus),
    .init = pci_init,
    .reset = pci_reset,
    .state = &pci_state,
    .dump = pci_device_dump,
};

struct pci_bus *pci_create(struct bus *bus) { return bus_add_device(bus, &pci_class, NULL, NULL); }
