/* bus.c - port table, memory ranges, DMA and the list of devices. See bus.h.
 *
 * Ports: one index a port into the table of ranges; the map is rebuilt over the ports of a range
 * that moves, fixed ranges winning over movable ones, so a guest that puts a BAR over another
 * device gets what it deserves and the host stays sane.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/bus.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PORTS 65536u

struct port_range {
    const char *name;
    const struct port_ops *ops;
    void *opaque;
    int base; /* -1: not mapped */
    unsigned len;
    bool movable;
    bool live;
};

struct bus_ram {
    struct bus_ram *next;
    void *host;
    uint64_t size;
};

int bus_error(struct bus *bus, const char *fmt, ...)
{
    va_list ap;
    if (!bus->failed) {
        bus->failed = true;
        va_start(ap, fmt);
        vsnprintf(bus->error, sizeof bus->error, fmt, ap);
        va_end(ap);
    }
    return -EINVAL;
}

int bus_init(struct bus *bus)
{
    bus->port_map = calloc(PORTS, sizeof *bus->port_map);
    bus->ports = calloc(1, sizeof *bus->ports);
    bus->port_count = 1; /* index 0 is nobody */
    bus->devices_tail = &bus->devices;
    return bus->port_map && bus->ports ? 0 : -ENOMEM;
}

void bus_destroy(struct bus *bus)
{
    /* The last device created knows those before it: destroy in reverse order. */
    while (bus->devices) {
        struct device **p = &bus->devices;
        while ((*p)->next)
            p = &(*p)->next;
        struct device *dev = *p;
        *p = NULL;
        if (dev->class->destroy)
            dev->class->destroy(dev);
        free(dev);
    }
    for (struct bus_ram *r = bus->ram, *next; r; r = next) {
        next = r->next;
        if (r->size)
            munmap(r->host, r->size);
        free(r);
    }
    for (size_t i = 1; i < bus->port_count; i++)
        free(bus->ports[i]);
    free(bus->ports);
    free(bus->port_map);
    bus->ports = NULL;
    bus->port_map = NULL;
    bus->ram = NULL;
    bus->port_count = 0;
}

void bus_request_reset(struct bus *bus, enum reset_kind kind, int code)
{
    LOG(pm, "reset request %d, code %d", kind, code);
    if (bus->reset_request)
        bus->reset_request(bus->reset_opaque, kind, code);
}

/* ---- ports ---- */

/* Recompute who owns [base, base+len). */
static void remap_ports(struct bus *bus, unsigned base, unsigned len)
{
    unsigned end = base + len < PORTS ? base + len : PORTS;
    memset(bus->port_map + base, 0, (end - base) * sizeof *bus->port_map);
    for (int movable = 0; movable < 2; movable++) {
        for (size_t i = 1; i < bus->port_count; i++) {
            const struct port_range *r = bus->ports[i];
            if (!r->live || r->base < 0 || r->movable != (movable == 1))
                continue;
            unsigned from = (unsigned)r->base > base ? (unsigned)r->base : base;
            unsigned to = (unsigned)r->base + r->len < end ? (unsigned)r->base + r->len : end;
            for (unsigned p = from; p < to; p++)
                if (!bus->port_map[p])
                    bus->port_map[p] = (uint16_t)i;
        }
    }
}

static struct port_range *new_port_range(struct bus *bus, unsigned len, const struct port_ops *ops, void *opaque,
                                         const char *name)
{
    struct port_range *r = NULL;
    size_t i;
    for (i = 1; i < bus->port_count; i++)
        if (!bus->ports[i]->live)
            break;
    if (i < bus->port_count) {
        r = bus->ports[i];
    } else {
        struct port_range **p = NULL;
        r = calloc(1, sizeof *r);
        if (r && bus->port_count < UINT16_MAX)
            p = realloc(bus->ports, (bus->port_count + 1) * sizeof *p);
        if (!p) {
            free(r);
            bus_error(bus, "no memory for the ports of %s", name);
            return NULL;
        }
        bus->ports = p;
        bus->ports[bus->port_count++] = r;
    }
    *r = (struct port_range){ .name = name, .ops = ops, .opaque = opaque, .base = -1, .len = len, .live = true };
    return r;
}

struct port_range *bus_port_add(struct bus *bus, uint16_t base, unsigned len, const struct port_ops *ops, void *opaque,
                                const char *name)
{
    if (!len || base + len > PORTS) {
        bus_error(bus, "%s: bad port range %x+%u", name, base, len);
        return NULL;
    }
    for (unsigned p = base; p < base + len; p++) {
        const struct port_range *o = bus->ports[bus->port_map[p]];
        if (bus->port_map[p] && !o->movable) {
            bus_error(bus, "port %xh: claimed by both %s and %s", p, o->name, name);
            return NULL;
        }
    }
    struct port_range *r = new_port_range(bus, len, ops, opaque, name);
    if (r) {
        r->base = base;
        remap_ports(bus, base, len);
    }
    return r;
}

struct port_range *bus_port_add_movable(struct bus *bus, unsigned len, const struct port_ops *ops, void *opaque,
                                        const char *name)
{
    struct port_range *r = new_port_range(bus, len, ops, opaque, name);
    if (r)
        r->movable = true;
    return r;
}

void bus_port_move(struct bus *bus, struct port_range *r, int base)
{
    if (!r || r->base == base || base >= (int)PORTS)
        return;
    int old = r->base;
    r->base = base;
    if (old >= 0)
        remap_ports(bus, (unsigned)old, r->len);
    if (base >= 0)
        remap_ports(bus, (unsigned)base, r->len);
}

void bus_port_remove(struct bus *bus, struct port_range *r)
{
    if (!r)
        return;
    int old = r->base;
    r->live = false;
    r->base = -1;
    if (old >= 0)
        remap_ports(bus, (unsigned)old, r->len);
}

static const struct port_range *owner(const struct bus *bus, uint16_t port)
{
    unsigned i = bus->port_map[port];
    return i ? bus->ports[i] : NULL;
}

static uint32_t ones(unsigned size) { return size >= 4 ? 0xffffffffu : (1u << (size * 8)) - 1; }

uint32_t port_read(struct bus *bus, uint16_t port, unsigned size)
{
    const struct port_range *r = owner(bus, port);
    unsigned max = r && r->ops->max_size ? r->ops->max_size : 4;
    if (size > 1 && (!r || size > max || port - (unsigned)r->base + size > r->len)) {
        if (!r && !owner(bus, (uint16_t)(port + size - 1)) && !owner(bus, (uint16_t)(port + size / 2))) {
            LOG(io, "unclaimed read of %u at %04x", size, port);
            return ones(size);
        }
        unsigned half = size / 2;
        uint32_t lo = port_read(bus, port, half);
        return lo | port_read(bus, (uint16_t)(port + half), half) << (half * 8);
    }
    if (!r) {
        LOG(io, "unclaimed read of %u at %04x", size, port);
        return ones(size);
    }
    if (!r->ops->read)
        return ones(size);
    unsigned min = r->ops->min_size;
    if (size < min) {
        unsigned off = (port - (unsigned)r->base) & (min - 1);
        return r->ops->read(r->opaque, (uint16_t)(port - off), min) >> (off * 8) & ones(size);
    }
    return r->ops->read(r->opaque, port, size) & ones(size);
}

void port_write(struct bus *bus, uint16_t port, uint32_t val, unsigned size)
{
    const struct port_range *r = owner(bus, port);
    unsigned max = r && r->ops->max_size ? r->ops->max_size : 4;
    if (size > 1 && (!r || size > max || port - (unsigned)r->base + size > r->len)) {
        unsigned half = size / 2;
        port_write(bus, port, val & ones(half), half);
        port_write(bus, (uint16_t)(port + half), val >> (half * 8) & ones(half), half);
        return;
    }
    if (!r) {
        LOG(io, "unclaimed write of %u at %04x: %x", size, port, val & ones(size));
        return;
    }
    if (!r->ops->write)
        return;
    val &= ones(size);
    if (size < r->ops->min_size) {
        unsigned off = (port - (unsigned)r->base) & (r->ops->min_size - 1u);
        r->ops->write(r->opaque, (uint16_t)(port - off), val << (off * 8), r->ops->min_size);
        return;
    }
    r->ops->write(r->opaque, port, val, size);
}

/* ---- memory ---- */

/* A new range is where it should be, or start-up has failed. */
static struct range *place(struct bus *bus, struct range *r, const char *name, gpa_t gpa)
{
    const struct range *blocker = NULL;

    if (!r) {
        bus_error(bus, "%s: no memory, or a bad size, for a memory range", name);
        return NULL;
    }
    if (range_move(r, gpa, &blocker)) {
        bus_error(bus, "%s: cannot map it at %#llx%s%s", name, (unsigned long long)gpa, blocker ? ": taken by " : "",
                  blocker ? range_name(blocker) : "");
        range_destroy(r);
        return NULL;
    }
    return r;
}

struct range *bus_mmio_add(struct bus *bus, gpa_t gpa, uint64_t size, const struct mmio_ops *ops, void *opaque,
                           const char *name)
{
    return place(bus, range_new(bus->map, size, ops, opaque, name), name, gpa);
}

struct range *bus_ram_add(struct bus *bus, gpa_t gpa, uint64_t size, void *host, bool writable, const char *name)
{
    return place(bus, range_new_host(bus->map, size, host, writable, name), name, gpa);
}

void bus_range_move(struct range *r, gpa_t gpa)
{
    const struct range *blocker;

    if (r && range_move(r, gpa, &blocker))
        GUEST_WARN(guest_errors, "%s cannot be mapped at %#llx%s%s", range_name(r), (unsigned long long)gpa,
                   blocker ? ": taken by " : "", blocker ? range_name(blocker) : "");
}

void *bus_ram_alloc(struct bus *bus, uint64_t size, const char *name)
{
    struct bus_ram *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    size = (size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    if (bus->ram_alloc) {
        r->host = bus->ram_alloc(bus->ram_opaque, size, name); /* theirs to free */
    } else {
        r->host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        r->size = size;
        if (r->host == MAP_FAILED)
            r->host = NULL;
    }
    if (!r->host) {
        free(r);
        bus_error(bus, "no memory for %s (%llu bytes)", name, (unsigned long long)size);
        return NULL;
    }
    r->next = bus->ram;
    bus->ram = r;
    return r->host;
}

/* ---- devices ---- */

void *bus_add_device(struct bus *bus, const struct device_class *class, const char *name, const void *props)
{
    struct device *dev = calloc(1, class->size);
    if (!dev) {
        bus_error(bus, "no memory for %s", class->name);
        return NULL;
    }
    dev->class = class;
    dev->name = name ? name : class->name;
    dev->bus = bus;
    *bus->devices_tail = dev;
    bus->devices_tail = &dev->next;
    if ((class->init && class->init(dev, props)) || bus->failed) {
        bus_error(bus, "%s cannot be created", dev->name);
        return NULL; /* it stays in the list; bus_destroy frees it */
    }
    return dev;
}

struct device *bus_find_device(struct bus *bus, const char *name)
{
    for (struct device *d = bus->devices; d; d = d->next)
        if (!strcmp(d->name, name))
            return d;
    return NULL;
}

void bus_reset_devices(struct bus *bus)
{
    for (struct device *d = bus->devices; d; d = d->next)
        if (d->class->reset)
            d->class->reset(d);
}

int bus_device_info(struct bus *bus, const char *name, FILE *f)
{
    struct device *d = bus_find_device(bus, name);
    if (!d)
        return -ENOENT;
    if (d->class->dump)
        d->class->dump(d, f);
    else if (d->class->state)
        state_print(d->class->state, d, f);
    else
        fprintf(f, "%s has no state\n", d->name);
    return 0;
}

/* ---- state ---- */

size_t bus_state_objects(struct bus *bus, struct state_object *list, size_t max)
{
    size_t n = 0;
    for (struct device *d = bus->devices; d; d = d->next) {
        if (!d->class->state)
            continue;
        if (n < max)
            list[n] = (struct state_object){ d->name, d->class->state, d };
        n++;
    }
    if (n < max)
        list[n] = (struct state_object){ "places", &memmap_places_state, bus->map };
    return n + 1;
}

#define MAX_OBJECTS 64

int bus_save(struct bus *bus, struct state_buf *out)
{
    struct state_object list[MAX_OBJECTS];
    size_t n = bus_state_objects(bus, list, MAX_OBJECTS);
    BUG_ON(n > MAX_OBJECTS);
    return state_save_all(list, n, out);
}

int bus_load(struct bus *bus, const uint8_t *data, size_t len, struct state_report *r)
{
    struct state_object list[MAX_OBJECTS];
    size_t n = bus_state_objects(bus, list, MAX_OBJECTS);
    BUG_ON(n > MAX_OBJECTS);
    return state_load_all(list, n, data, len, r);
}

const char *bus_check(struct bus *bus)
{
    for (struct device *d = bus->devices; d; d = d->next) {
        const char *what = d->class->check ? d->class->check(d) : NULL;
        if (what)
            return what;
    }
    return NULL;
}

void bus_dump(struct bus *bus, FILE *f)
{
    for (unsigned p = 0; p < PORTS; p++) {
        const struct port_range *r = owner(bus, (uint16_t)p);
        if (!r || (p && owner(bus, (uint16_t)(p - 1)) == r))
            continue;
        unsigned end = p;
        while (end + 1 < PORTS && owner(bus, (uint16_t)(end + 1)) == r)
            end++;
        fprintf(f, "port %04x-%04x  %s%s\n", p, end, r->name, r->movable ? " (BAR)" : "");
    }
    memmap_dump(bus->map, f);
    for (struct device *d = bus->devices; d; d = d->next)
        fprintf(f, "dev  %s (%s)\n", d->name, d->class->name);
}
