/* bus.h - what devices plug into: I/O ports, memory-mapped ranges, DMA, the list of devices.
 *
 * Everything runs on the vCPU thread.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_BUS_H
#define HW_BUS_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "cpu/state.h"
#include "mmu/memmap.h"

struct bus;
struct device;
struct evloop;

/* ---- ports ---- */

/* A handler sees only accesses of min_size..max_size bytes (0 means 1 and 4): wider ones are
 * split into several at consecutive ports, a narrower write is widened with zeroes and a narrower
 * read is cut out of a min_size access at the aligned port. */
struct port_ops {
    uint32_t (*read)(void *opaque, uint16_t port, unsigned size);
    void (*write)(void *opaque, uint16_t port, uint32_t val, unsigned size);
    uint8_t min_size;
    uint8_t max_size;
};

struct port_range;

/* Claim [base, base+len) for `name`. An overlap is an error at start-up (NULL, bus->error set). */
struct port_range *bus_port_add(struct bus *bus, uint16_t base, unsigned len, const struct port_ops *ops, void *opaque,
                                const char *name);
/* Claim a range that may be moved at run time (a PCI BAR): it starts unmapped, and where it
 * overlaps a fixed range the fixed range wins. */
struct port_range *bus_port_add_movable(struct bus *bus, unsigned len, const struct port_ops *ops, void *opaque,
                                        const char *name);
/* Map a movable range at `base`, or unmap it with base = -1. */
void bus_port_move(struct bus *bus, struct port_range *r, int base);
void bus_port_remove(struct bus *bus, struct port_range *r);

/* IN and OUT of 1, 2 or 4 bytes. Ports nobody claims read as all ones. */
uint32_t port_read(struct bus *bus, uint16_t port, unsigned size);
void port_write(struct bus *bus, uint16_t port, uint32_t val, unsigned size);

/* ---- memory ---- */

/* Claim [gpa, gpa+size) of the physical map for handlers, or for memory that the guest reaches directly (`host`
 * from bus_ram_alloc; writable false: ROM); GPA_NONE: nowhere yet. NULL and bus->error if it fails. Ranges go when
 * the map does. */
struct range *bus_mmio_add(struct bus *bus, gpa_t gpa, uint64_t size, const struct mmio_ops *ops, void *opaque,
                           const char *name);
struct range *bus_ram_add(struct bus *bus, gpa_t gpa, uint64_t size, void *host, bool writable, const char *name);
/* range_move() as the guest asks for it: if the place is taken there is a warning, and it waits. */
void bus_range_move(struct range *r, gpa_t gpa);
/* Page-aligned zeroed memory that lives as long as the bus; NULL if there is none. */
void *bus_ram_alloc(struct bus *bus, uint64_t size, const char *name);

/* ---- devices ---- */

struct device_class {
    const char *name;
    size_t size;                                        /* of the device's struct, which begins with struct device */
    int (*init)(struct device *dev, const void *props); /* 0, or -errno with bus_error set */
    void (*reset)(struct device *dev);
    void (*destroy)(struct device *dev);
    const struct state_desc *state;
    void (*dump)(struct device *dev, FILE *f); /* `info NAME`; NULL: state_print */
    const char *(*check)(struct device *dev);  /* NULL, or what invariant is broken */
};

struct device {
    const struct device_class *class;
    const char *name; /* instance: "pic", "serial0" */
    struct bus *bus;
    struct device *next; /* in order of creation */
};

/* Allocate (zeroed), link and init a device. `name` must be a literal or live as long as the bus;
 * NULL takes the class's. Returns NULL with bus->error set if init fails. */
void *bus_add_device(struct bus *bus, const struct device_class *class, const char *name, const void *props);
struct device *bus_find_device(struct bus *bus, const char *name);
void bus_reset_devices(struct bus *bus);
/* Print a device's state; returns -ENOENT if there is none of that name. */
int bus_device_info(struct bus *bus, const char *name, FILE *f);
/* What has state on this bus, in order of creation, and last which ranges have their places: fills in list[0..max)
 * and returns how many there are. */
size_t bus_state_objects(struct bus *bus, struct state_object *list, size_t max);
/* Save or load all of these. A load that is refused (-EINVAL, r->error) changes nothing. */
int bus_save(struct bus *bus, struct state_buf *out);
int bus_load(struct bus *bus, const uint8_t *data, size_t len, struct state_report *r);
/* First broken invariant of any device, or NULL. */
const char *bus_check(struct bus *bus);
/* Print ports, memory ranges and devices with their owners. */
void bus_dump(struct bus *bus, FILE *f);

/* ---- the CPU's pins and the machine's switch ---- */

struct cpu_pins {
    void (*intr)(void *opaque, int level); /* INTR; the CPU then calls pc_intr_ack */
    void (*nmi)(void *opaque);             /* an edge */
    void (*init)(void *opaque);            /* INIT: reset the CPU only */
    void (*smi)(void *opaque);             /* may be NULL: SMI is not delivered */
    void (*ignne)(void *opaque);           /* IGNNE# is asserted (port F0h); may be NULL */
    void *opaque;
};

enum reset_kind {
    RESET_SYSTEM,   /* the whole machine starts again: the glue calls pc_reset and resets the CPU */
    RESET_POWEROFF, /* ACPI S5 and the like */
    RESET_EXIT,     /* leave the process with `code` (isa-debug-exit) */
    RESET_QUIT,     /* the user asked to leave (Ctrl-A x) */
};

struct bus {
    struct clock *clock;
    struct evloop *ev;
    struct memmap *map;
    /* Where bus_ram_alloc gets memory, at least `size` zeroed bytes on a page; NULL: from the host. */
    void *(*ram_alloc)(void *opaque, uint64_t size, const char *name);
    void *ram_opaque;
    struct cpu_pins cpu;
    /* Ask the glue for a reset or the end; it acts when the vCPU is between instructions. */
    void (*reset_request)(void *opaque, enum reset_kind kind, int code);
    void *reset_opaque;
    char error[256]; /* the first start-up error */
    /* private; all wiring, as where ports are follows from devices' state */
    uint16_t *port_map; /* 65536 indices into ports[], 0: none */
    struct port_range **ports;
    size_t port_count;
    struct bus_ram *ram;
    struct device *devices;
    struct device **devices_tail;
    bool failed;
};

/* Prepare a zeroed bus whose public members are already set. Returns 0 or -ENOMEM. */
int bus_init(struct bus *bus);
void bus_destroy(struct bus *bus);
/* Record a start-up error (the first one is kept); always returns -EINVAL. */
int bus_error(struct bus *bus, const char *fmt, ...) printf_fn(2, 3);
void bus_request_reset(struct bus *bus, enum reset_kind kind, int code);

static inline void bus_dma_read(struct bus *bus, gpa_t gpa, void *buf, size_t len)
{
    memmap_read(bus->map, gpa, buf, len);
}
static inline void bus_dma_write(struct bus *bus, gpa_t gpa, const void *buf, size_t len)
{
    memmap_write(bus->map, gpa, buf, len);
}

static inline tick_t bus_now(struct bus *bus) { return clock_now(bus->clock); }

#endif
