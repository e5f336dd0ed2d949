/* port92.c - system control port A of the PS/2, port 92h: bit 0 fast reset, bit 1 fast A20.
 *
 * NOT modelled: the security lock, the watchdog and the disk lamp (bits read back as written).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/port92.h"

#define P92_RESET 0x01
#define P92_A20   0x02

struct port92 {
    struct device dev;
    /* wiring */
    struct irq reset;
    /* state */
    uint8_t value; /* without A20, which is the memory's */
};

static uint32_t port92_read(void *opaque, uint16_t port, unsigned size)
{
    const struct port92 *p = opaque;
    (void)port;
    (void)size;
    return p->value | (memmap_a20(p->dev.bus->map) ? P92_A20 : 0);
}

static void port92_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct port92 *p = opaque;
    uint8_t old = p->value;
    (void)port;
    (void)size;
    p->value = (uint8_t)(val & ~P92_A20);
    memmap_set_a20(p->dev.bus->map, val & P92_A20);
    if ((val & P92_RESET) && !(old & P92_RESET))
        irq_set(&p->reset, 1);
}

static void port92_device_reset(struct device *dev) { ((struct port92 *)dev)->value = 0; }

static const struct state_field port92_fields[] = { FIELD_U8(struct port92, value), FIELD_END };
static const struct state_desc port92_state = { .name = "port92", .version = 2, .fields = port92_fields };

struct props {
    struct irq reset;
};

static int port92_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { port92_read, port92_write, 1, 1 };
    struct port92 *p = (struct port92 *)dev;
    p->reset = ((const struct props *)props)->reset;
    bus_port_add(dev->bus, 0x92, 1, &ops, p, "port 92h");
    return 0;
}

static const struct device_class port92_class = {
    .name = "port92",
    .size = sizeof(struct port92),
    .init = port92_init,
    .reset = port92_device_reset,
    .state = &port92_state,
};

struct port92 *port92_create(struct bus *bus, struct irq reset)
{
    const struct props props = { reset };
    return bus_add_device(bus, &port92_class, NULL, &props);
}
