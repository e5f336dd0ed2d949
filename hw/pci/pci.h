/* pci.h - PCI bus 0: configuration space, base address registers, interrupt pins.
 *
 * A PCI device embeds a struct pci_dev, calls pci_dev_init from its init function and then
 * fills in `config`, `wmask` (bits the guest may write) and its BARs; its state descriptor
 * includes FIELD_STRUCT(struct x, pci, &pci_dev_state), and its reset calls pci_dev_reset.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_PCI_H
#define HW_PCI_H

#include "hw/bus.h"

#define PCI_DEVFN(slot, fn) ((slot) << 3 | (fn))

#define PCI_VENDOR_ID     0x00
#define PCI_DEVICE_ID     0x02
#define PCI_COMMAND       0x04
#define PCI_STATUS        0x06
#define PCI_REVISION      0x08
#define PCI_CLASS_PROG    0x09
#define PCI_CLASS         0x0a
#define PCI_HEADER_TYPE   0x0e
#define PCI_BAR0          0x10
#define PCI_SUBSYS_VENDOR 0x2c
#define PCI_SUBSYS_ID     0x2e
#define PCI_ROM           0x30
#define PCI_CAP_PTR       0x34
#define PCI_INT_LINE      0x3c
#define PCI_INT_PIN       0x3d

#define PCI_CMD_IO       0x001
#define PCI_CMD_MEM      0x002
#define PCI_CMD_MASTER   0x004
#define PCI_CMD_INTX_OFF 0x400

#define PCI_BARS    7 /* 0-5 and the expansion ROM (6) */
#define PCI_BAR_ROM 6

struct pci_bus;

struct pci_bar {
    /* wiring; where it is, is in config */
    uint32_t size; /* 0: none; a power of two */
    bool io;
    uint32_t flags; /* low bits as read: prefetchable (8) */
    struct port_range *ports;
    struct range *mem;
};

struct pci_dev {
    /* wiring */
    struct pci_bus *pci;
    struct bus *bus;
    const char *name;
    void *opaque;
    /* After the guest wrote config bytes [reg, reg+len); may be NULL. */
    void (*config_written)(void *opaque, unsigned reg, unsigned len);
    /* A BAR moved (bar->ports or ->mem already is at its new place); may be NULL. */
    void (*bar_moved)(void *opaque, unsigned bar, int64_t base);
    uint8_t devfn;
    struct pci_bar bar[PCI_BARS];
    /* state */
    uint8_t config[256];
    bool irq_level;
    /* wiring, but for what a bit of config locks; reset_config is of the first reset */
    uint8_t wmask[256];
    uint8_t w1cmask[256];      /* bits the guest clears by writing 1 */
    uint8_t reset_config[256]; /* config at the first reset: what pci_dev_reset goes back to */
    bool have_reset_config;
};
extern const struct state_desc pci_dev_state;

/* Bus 0 with ports CF8h and CFCh. `pirq`[0..3] follow PIRQA-D. */
struct pci_bus *pci_create(struct bus *bus);
void pci_set_pirq(struct pci_bus *pci, const struct irq pirq[4]);
/* Who handles byte accesses to port CF9h (reset control). */
void pci_set_cf9(struct pci_bus *pci, const struct port_ops *ops, void *opaque);
struct bus *pci_system_bus(struct pci_bus *pci);

/* Put a device on the bus. class_code is 24 bits: class, subclass, interface. Command register,
 * interrupt line and latency are writable; the subsystem is 1AF4:1100. */
int pci_dev_init(struct pci_dev *d, struct pci_bus *pci, int devfn, uint16_t vendor, uint16_t device,
                 uint32_t class_code, uint8_t revision, const char *name, void *opaque);
void pci_dev_reset(struct pci_dev *d);
/* Declare a BAR over a movable range. Memory BARs are at least 4 KiB, port BARs at least 4. */
void pci_bar_ports(struct pci_dev *d, unsigned n, unsigned size, struct port_range *ports);
void pci_bar_mem(struct pci_dev *d, unsigned n, uint32_t size, struct range *mem, bool prefetch);
/* Where BAR n is mapped now, or -1. */
int64_t pci_bar_base(const struct pci_dev *d, unsigned n);

/* Drive the device's INTx# (its pin is config[PCI_INT_PIN]). */
void pci_set_irq(struct pci_dev *d, int level);

void pci_dump(struct pci_bus *pci, FILE *f);

/* Whether the guest lets it be master of the bus. */
bool pci_bus_master(const struct pci_dev *d);

#endif
