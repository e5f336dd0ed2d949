/* debugcon.c - the debug console of firmware (port 402h) and of small kernels (port E9h).
 *
 * Bytes written go to a chardev; reads give E9h, which says that it is there.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/char/debugcon.h"

#include "hw/char/chardev.h"

struct debugcon {
    struct device dev;
    struct chardev *out;
};

static uint32_t debugcon_read(void *opaque, uint16_t port, unsigned size)
{
    (void)opaque;
    (void)port;
    (void)size;
    return 0xe9;
}

static void debugcon_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct debugcon *d = opaque;
    uint8_t byte = (uint8_t)val;
    (void)port;
    (void)size;
    if (chardev_writable(d->out)) /* the guest cannot be made to wait */
        chardev_write(d->out, &byte, 1);
    else
        chardev_lost(d->out, 1);
}

struct props {
    uint16_t port;
    struct chardev *out;
};

static int debugcon_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { debugcon_read, debugcon_write, 1, 1 };
    struct debugcon *d = (struct debugcon *)dev;
    const struct props *p = props;
    d->out = p->out;
    bus_port_add(dev->bus, p->port, 1, &ops, d, dev->name);
    return 0;
}

static const struct device_class debugcon_class = {
    .name = "debugcon",
    .size = sizeof(struct debugcon),
    .init = debugcon_init,
};

struct debugcon *debugcon_create(struct bus *bus, uint16_t port, struct chardev *out, const char *name)
{
    const struct props props = { port, out };
    return bus_add_device(bus, &debugcon_class, name, &props);
}
