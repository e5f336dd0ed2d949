/* i440fx.c - Intel 82441FX host bridge (datasheet 290549), PCI 00:00.0, 8086:1237.
 *
 * Modelled: the PAM registers (59h-5Fh: where C0000h-FFFFFh is read from and written to) and
 * the SMRAM register's D_OPEN and D_LCK. NOT modelled: everything about DRAM timing and the PCI
 * arbiter (bytes that store), SMRAM visible only in SMM.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/pci/i440fx.h"

#define PAM0       0x59
#define SMRAM      0x72
#define SMRAM_G    0x08
#define SMRAM_LCK  0x10
#define SMRAM_OPEN 0x40
#define PAM_RE     1
#define PAM_WE     2

struct i440fx {
    struct device dev;
    /* state */
    struct pci_dev pci;
    /* derived: what the memory was told */
    uint8_t applied[14]; /* PAM nibbles as last told to the memory; [0] unused, 1 is F0000h */
    bool smram_open;
};

/* Region i: 1 is F0000-FFFFF, 2.. are 16 KiB each from C0000 up. */
static void apply(struct i440fx *h, bool all)
{
    struct memmap *map = h->dev.bus->map;
    for (unsigned i = 1; i < 14; i++) {
        uint8_t v = h->pci.config[PAM0 + i / 2] >> (i & 1 ? 4 : 0) & 3;
        gpa_t gpa = i == 1 ? 0xf0000 : 0xc0000 + (i - 2) * 0x4000ull;
        if (!all && v == h->applied[i])
            continue;
        h->applied[i] = v;
        LOG(pci, "PAM %05x: read %s, write %s", (unsigned)gpa, v & PAM_RE ? "RAM" : "ROM",
            v & PAM_WE ? "RAM" : "nothing");
        memmap_set_pam(map, gpa, i == 1 ? 0x10000 : 0x4000, v & PAM_RE, v & PAM_WE);
    }
    bool open = (h->pci.config[SMRAM] & (SMRAM_OPEN | SMRAM_G)) == (SMRAM_OPEN | SMRAM_G);
    if (all || open != h->smram_open)
        memmap_set_smram(map, open);
    h->smram_open = open;
}

static void config_written(void *opaque, unsigned reg, unsigned len)
{
    struct i440fx *h = opaque;
    if (reg <= SMRAM && SMRAM < reg + len && (h->pci.config[SMRAM] & SMRAM_LCK)) {
        h->pci.config[SMRAM] &= (uint8_t)~SMRAM_OPEN;
        h->pci.wmask[SMRAM] = 0; /* until the next reset */
    }
    apply(h, false);
}

static void i440fx_reset(struct device *dev)
{
    struct i440fx *h = (struct i440fx *)dev;
    pci_dev_reset(&h->pci);
    h->pci.wmask[SMRAM] = 0x78;
    apply(h, true);
}

static void i440fx_post_load(void *obj)
{
    struct i440fx *h = obj;
    h->pci.wmask[SMRAM] = h->pci.config[SMRAM] & SMRAM_LCK ? 0 : 0x78;
    apply(h, true);
}

static const struct state_field i440fx_fields[] = { FIELD_STRUCT(struct i440fx, pci, &pci_dev_state), FIELD_END };
static const struct state_desc i440fx_state = {
    .name = "i440fx", .version = 1, .fields = i440fx_fields, .post_load = i440fx_post_load
};

static int i440fx_init(struct device *dev, const void *props)
{
    struct i440fx *h = (struct i440fx *)dev;
    struct pci_bus *pci = *(struct pci_bus *const *)props;
    int err = pci_dev_init(&h->pci, pci, PCI_DEVFN(0, 0), 0x8086, 0x1237, 0x060000, 2, "i440fx", h);
    if (err)
        return err;
    uint8_t *c = h->pci.config;
    c[PCI_COMMAND] = 0x06; /* memory and bus master, for ever */
    c[PCI_STATUS + 1] = 0x02;
    c[0x51] = 0x01;
    c[0x58] = 0x10;
    c[0xb4] = 0x00;
    c[SMRAM] = 0x02;
    store16(h->pci.wmask + PCI_COMMAND, 0x0100);
    memset(h->pci.wmask + 0x50, 0xff, 9); /* 50h-58h: DRAM and buffer control */
    memset(h->pci.wmask + PAM0, 0x33, 7);
    memset(h->pci.wmask + 0x60, 0xff, 8); /* DRAM row boundaries */
    h->pci.wmask[SMRAM] = 0x78;
    h->pci.config_written = config_written;
    return 0;
}

static const struct device_class i440fx_class = {
    .name = "i440fx",
    .size = sizeof(struct i440fx),
    .init = i440fx_init,
    .reset = i440fx_reset,
    .state = &i440fx_state,
};

struct i440fx *i440fx_create(struct bus *bus, struct pci_bus *pci)
{
    return bus_add_device(bus, &i440fx_class, NULL, &pci);
}
