/* debugexit.c - isa-debug-exit: a guest (a test) ends the emulator by writing to a port.
 *
 * Ports 501h-504h unless told otherwise. Reads give 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/debugexit.h"

static uint32_t debugexit_read(void *opaque, uint16_t port, unsigned size)
{
    (void)opaque;
    (void)port;
    (void)size;
    return 0;
}

static void debugexit_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct device *dev = opaque;
    (void)port;
    (void)size;
    bus_request_reset(dev->bus, RESET_EXIT, (int)((val << 1 | 1) & 0x7fffffff));
}

static int debugexit_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { debugexit_read, debugexit_write, 1, 4 };
    bus_port_add(dev->bus, *(const uint16_t *)props, 4, &ops, dev, "debug exit");
    return 0;
}

static const struct device_class debugexit_class = {
    .name = "debug-exit",
    .size = sizeof(struct device),
    .init = debugexit_init,
};

struct device *debugexit_create(struct bus *bus, uint16_t base)
{
    return bus_add_device(bus, &debugexit_class, NULL, &base);
}
