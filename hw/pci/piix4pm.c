/* piix4pm.c - Intel 82371AB (PIIX4), function 3: power management and SMBus (datasheet 290562),
 * 00:01.3, 8086:7113. On the board it sits beside a PIIX3, as in other emulators' "pc".
 *
 * PM registers at PMBASE (40h) when 80h bit 0 is set: PM1 status/enable/control, the 24-bit timer
 * at 3.579545 MHz. SCI on IRQ9. APM ports B2h-B3h (F1h/F0h: ACPI on and off). GPE block AFE0h-
 * AFE3h with no source. SMBus host at 90h when D2h bit 0 is set: nobody answers on that bus.
 * DEVACTB says that SMM is set up already, so that firmware leaves it alone.
 * NOT modelled: SMM itself, S3 and S4 (the guest goes on at once), device monitors, throttling.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/pci/piix4pm.h"

#define PM_TIMER_HZ 3579545u
#define PM1_STS     0x00
#define PM1_EN      0x02
#define PM1_CNT     0x04
#define PM_TMR      0x08

#define TMR_STS     0x0001
#define GBL_STS     0x0020
#define PWRBTN_STS  0x0100
#define RTC_STS     0x0400
#define WAK_STS     0x8000
#define PM1_SOURCES (TMR_STS | GBL_STS | PWRBTN_STS | RTC_STS)
#define CNT_SCI_EN  0x0001
#define CNT_SLP_EN  0x2000

#define CFG_PMBASE    0x40
#define CFG_DEVACTB   0x58
#define CFG_PMREGMISC 0x80
#define CFG_SMBBASE   0x90
#define CFG_SMBHST    0xd2

#define ACPI_ENABLE  0xf1
#define ACPI_DISABLE 0xf0
#define GPE_BASE     0xafe0

#define SMB_DEV_ERR 0x04
#define SMB_START   0x40

struct piix4pm {
    struct device dev;
    /* wiring */
    struct irq sci;
    struct irq smi;
    struct port_range *pm_ports;
    struct port_range *smb_ports;
    /* state */
    struct pci_dev pci;
    uint16_t pm1_sts;
    uint16_t pm1_en;
    uint16_t pm1_cnt;
    uint8_t pm_other[64]; /* the rest of the PM block: stores */
    uint8_t apm_cmd;
    uint8_t apm_sts;
    uint16_t gpe_sts;
    uint16_t gpe_en;
    uint64_t overflows; /* of the timer's top bit, already in TMR_STS */
    uint8_t smb[16];
    struct timer timer;
};

static uint64_t pm_ticks(tick_t now) { return muldiv64(now, PM_TIMER_HZ, TICKS_PER_SEC); }

/* TMR_STS is set each time bit 23 of the timer toggles. */
static void catch_up(struct piix4pm *pm, tick_t now)
{
    uint64_t n = pm_ticks(now) >> 23;
    if (n != pm->overflows)
        pm->pm1_sts |= TMR_STS;
    pm->overflows = n;
}

static void piix4pm_update_irq(struct piix4pm *pm)
{
    bool on = (pm->pm1_sts & pm->pm1_en & PM1_SOURCES) || (pm->gpe_sts & pm->gpe_en);
    irq_set(&pm->sci, on && (pm->pm1_cnt & CNT_SCI_EN));
    if ((pm->pm1_en & TMR_STS) && !(pm->pm1_sts & TMR_STS))
        timer_set(&pm->timer, muldiv64((pm->overflows + 1) << 23, TICKS_PER_SEC, PM_TIMER_HZ) + 1);
    else
        timer_cancel(&pm->timer);
}

static void write_control(struct piix4pm *pm, uint16_t val)
{
    pm->pm1_cnt = (uint16_t)(val & ~CNT_SLP_EN);
    if (!(val & CNT_SLP_EN))
        return;
    unsigned type = val >> 10 & 7;
    if (type == 0) {
        bus_request_reset(pm->dev.bus, RESET_POWEROFF, 0);
    } else {
        GUEST_WARN(unimp, "ACPI sleep type %u: waking up at once", type);
        pm->pm1_sts |= WAK_STS;
    }
}

static uint32_t pm_read(void *opaque, uint16_t port, unsigned size)
{
    struct piix4pm *pm = opaque;
    tick_t now = bus_now(pm->dev.bus);
    unsigned reg = port & 63;
    uint8_t block[64];

    memcpy(block, pm->pm_other, sizeof block);
    catch_up(pm, now);
    store16(block + PM1_STS, pm->pm1_sts);
    store16(block + PM1_EN, pm->pm1_en);
    store16(block + PM1_CNT, pm->pm1_cnt);
    store32(block + PM_TMR, pm_ticks(now) & 0xffffff);
    piix4pm_update_irq(pm);
    return (uint32_t)load_n(block + reg, size);
}

static void pm_write_byte(struct piix4pm *pm, unsigned reg, uint8_t val)
{
    unsigned shift = reg & 1 ? 8 : 0;
    uint16_t mask = (uint16_t)(0xff << shift);
    switch (reg & ~1u) {
    case PM1_STS: pm->pm1_sts &= (uint16_t) ~(val << shift); break;
    case PM1_EN: pm->pm1_en = (uint16_t)((pm->pm1_en & ~mask) | val << shift); break;
    case PM1_CNT:
        /* The byte with SLP_EN comes last in a word, as the register needs it. */
        if (shift)
            write_control(pm, (uint16_t)((pm->pm1_cnt & ~mask) | val << shift));
        else
            pm->pm1_cnt = (uint16_t)((pm->pm1_cnt & ~mask) | val);
        break;
    case PM_TMR:
    case PM_TMR + 2: break;
    default: pm->pm_other[reg] = val; break;
    }
}

static void pm_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct piix4pm *pm = opaque;
    LOG(pm, "write %02x: %0*x", port & 63, (int)size * 2, val);
    catch_up(pm, bus_now(pm->dev.bus));
    for (unsigned i = 0; i < size; i++)
        pm_write_byte(pm, (port + i) & 63, (uint8_t)(val >> (8 * i)));
    piix4pm_update_irq(pm);
}

static uint32_t apm_read(void *opaque, uint16_t port, unsigned size)
{
    const struct piix4pm *pm = opaque;
    (void)size;
    return port & 1 ? pm->apm_sts : pm->apm_cmd;
}

static void apm_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct piix4pm *pm = opaque;
    (void)size;
    if (port & 1) {
        pm->apm_sts = (uint8_t)val;
        return;
    }
    pm->apm_cmd = (uint8_t)val;
    if (val == ACPI_ENABLE)
        pm->pm1_cnt |= CNT_SCI_EN;
    else if (val == ACPI_DISABLE)
        pm->pm1_cnt &= (uint16_t)~CNT_SCI_EN;
    piix4pm_update_irq(pm);
    if (pm->pci.config[CFG_DEVACTB + 3] & 0x02)
        irq_set(&pm->smi, 1);
}

static uint32_t gpe_read(void *opaque, uint16_t port, unsigned size)
{
    const struct piix4pm *pm = opaque;
    uint16_t v = port & 2 ? pm->gpe_en : pm->gpe_sts;
    (void)size;
    return (uint8_t)(v >> (port & 1 ? 8 : 0));
}

static void gpe_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct piix4pm *pm = opaque;
    unsigned shift = port & 1 ? 8 : 0;
    (void)size;
    if (port & 2)
        pm->gpe_en = (uint16_t)((pm->gpe_en & ~(0xff << shift)) | val << shift);
    else
        pm->gpe_sts &= (uint16_t) ~(val << shift);
    piix4pm_update_irq(pm);
}

static uint32_t smb_read(void *opaque, uint16_t port, unsigned size)
{
    const struct piix4pm *pm = opaque;
    (void)size;
    return pm->smb[port & 15];
}

static void smb_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct piix4pm *pm = opaque;
    unsigned reg = port & 15;
    (void)size;
    if (reg == 0) {
        pm->smb[0] &= (uint8_t)~val;
        return;
    }
    pm->smb[reg] = (uint8_t)val;
    if (reg == 2 && (val & SMB_START)) { /* no device acknowledges its address */
        pm->smb[2] &= (uint8_t)~SMB_START;
        pm->smb[0] |= SMB_DEV_ERR;
    }
}

static void map_blocks(struct piix4pm *pm)
{
    const uint8_t *c = pm->pci.config;
    uint16_t base = load16(c + CFG_PMBASE) & 0xffc0;
    bus_port_move(pm->dev.bus, pm->pm_ports, base && (c[CFG_PMREGMISC] & 1) ? base : -1);
    base = load16(c + CFG_SMBBASE) & 0xfff0;
    bus_port_move(pm->dev.bus, pm->smb_ports, base && (c[CFG_SMBHST] & 1) ? base : -1);
}

static void config_written(void *opaque, unsigned reg, unsigned len)
{
    (void)reg;
    (void)len;
    map_blocks(opaque);
}

void piix4pm_power_button(struct piix4pm *pm)
{
    pm->pm1_sts |= PWRBTN_STS;
    piix4pm_update_irq(pm);
}

static void pm_timer(void *opaque, tick_t now)
{
    struct piix4pm *pm = opaque;
    catch_up(pm, now);
    piix4pm_update_irq(pm);
}

static void piix4pm_reset(struct device *dev)
{
    struct piix4pm *pm = (struct piix4pm *)dev;
    pci_dev_reset(&pm->pci);
    pm->pm1_sts = pm->pm1_en = pm->pm1_cnt = 0;
    pm->gpe_sts = pm->gpe_en = 0;
    pm->apm_cmd = pm->apm_sts = 0;
    memset(pm->pm_other, 0, sizeof pm->pm_other);
    memset(pm->smb, 0, sizeof pm->smb);
    pm->overflows = pm_ticks(bus_now(dev->bus)) >> 23;
    map_blocks(pm);
    piix4pm_update_irq(pm);
}

static void piix4pm_post_load(void *obj) { map_blocks(obj); }

static const struct state_field piix4pm_fields[] = { FIELD_STRUCT(struct piix4pm, pci, &pci_dev_state),
                                                     FIELD_U16(struct piix4pm, pm1_sts),
                                                     FIELD_U16(struct piix4pm, pm1_en),
                                                     FIELD_U16(struct piix4pm, pm1_cnt),
                                                     FIELD_BYTES(struct piix4pm, pm_other),
                                                     FIELD_U8(struct piix4pm, apm_cmd),
                                                     FIELD_U8(struct piix4pm, apm_sts),
                                                     FIELD_U16(struct piix4pm, gpe_sts),
                                                     FIELD_U16(struct piix4pm, gpe_en),
                                                     FIELD_U64(struct piix4pm, overflows),
                                                     FIELD_BYTES(struct piix4pm, smb),
                                                     FIELD_TIMER(struct piix4pm, timer),
                                                     FIELD_END };
static const struct state_desc piix4pm_state = {
    .name = "piix4pm", .version = 1, .fields = piix4pm_fields, .post_load = piix4pm_post_load
};

struct props {
    struct pci_bus *pci;
    struct irq sci;
    struct irq smi;
};

static int piix4pm_init(struct device *dev, const void *props)
{
    static const struct port_ops pm_ops = { pm_read, pm_write, 1, 4 };
    static const struct port_ops apm_ops = { apm_read, apm_write, 1, 1 };
    static const struct port_ops gpe_ops = { gpe_read, gpe_write, 1, 1 };
    static const struct port_ops smb_ops = { smb_read, smb_write, 1, 1 };
    struct piix4pm *pm = (struct piix4pm *)dev;
    const struct props *p = props;
    int err = pci_dev_init(&pm->pci, p->pci, PCI_DEVFN(1, 3), 0x8086, 0x7113, 0x068000, 3, "piix4pm", pm);
    if (err)
        return err;
    pm->sci = p->sci;
    pm->smi = p->smi;
    uint8_t *c = pm->pci.config;
    uint8_t *w = pm->pci.wmask;
    c[PCI_STATUS] = 0x80;
    c[PCI_STATUS + 1] = 0x02;
    c[PCI_INT_PIN] = 1;
    c[CFG_PMBASE] = 1;
    c[CFG_DEVACTB + 3] = 0x02;
    c[0x63] = 0x60;
    c[0x67] = 0x98; /* both serial ports decoded */
    c[CFG_SMBBASE] = 1;
    w[CFG_PMBASE] = 0xc0;
    w[CFG_PMBASE + 1] = 0xff;
    memset(w + 0x44, 0xff, 0x3c); /* device resources, activity: store */
    w[CFG_PMREGMISC] = 0x01;
    w[CFG_SMBBASE] = 0xf0;
    w[CFG_SMBBASE + 1] = 0xff;
    memset(w + CFG_SMBHST, 0xff, 4);
    pm->pci.config_written = config_written;
    timer_init(&pm->timer, dev->bus->clock, "pm", pm_timer, pm);
    pm->pm_ports = bus_port_add_movable(dev->bus, 64, &pm_ops, pm, "acpi pm");
    pm->smb_ports = bus_port_add_movable(dev->bus, 16, &smb_ops, pm, "smbus");
    bus_port_add(dev->bus, 0xb2, 2, &apm_ops, pm, "apm");
    bus_port_add(dev->bus, GPE_BASE, 4, &gpe_ops, pm, "acpi gpe");
    return 0;
}

static void piix4pm_destroy(struct device *dev) { timer_destroy(&((struct piix4pm *)dev)->timer); }

static const struct device_class piix4pm_class = {
    .name = "pm",
    .size = sizeof(struct piix4pm),
    .init = piix4pm_init,
    .reset = piix4pm_reset,
    .destroy = piix4pm_destroy,
    .state = &piix4pm_state,
};

struct piix4pm *piix4pm_create(struct bus *bus, struct pci_bus *pci, struct irq sci, struct irq smi)
{
    const struct props props = { pci, sci, smi };
    return bus_add_device(bus, &piix4pm_class, NULL, &props);
}
