/* bus.h - what devices plug into: I/O ports, memory-mapped ranges, DMA, the list of devices.
 *
 * The bus knows no guest memory: a table of functions (struct bus_mem_ops), filled in by whoever
 * builds the machine, maps MMIO and RAM and moves DMA bytes. Everything runs on the vCPU thread.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_BUS_H
#define HW_BUS_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "cpu/state.h"

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

/* Handlers get the offset into the range and accesses of min_size..max_size (0: 1 and 4). Whoever
 * traps an access calls mmio_read / mmio_write, which split and widen as port_read does. */
struct mmio_ops {
    uint64_t (*read)(void *opaque, gpa_t offset, unsigned size);
    void (*write)(void *opaque, gpa_t offset, uint64_t val, unsigned size);
    uint8_t min_size;
    uint8_t max_size; /* up to 8 */
};
uint64_t mmio_read(const struct mmio_ops *ops, void *opaque, gpa_t offset, unsigned size);
void mmio_write(const struct mmio_ops *ops, void *opaque, gpa_t offset, uint64_t val, unsigned size);

enum bus_ram_flags {
    BUS_RAM_READONLY = 1, /* ROM: guest writes are dropped */
    BUS_RAM_DIRTY = 2,    /* ram_dirty will be asked for it (frame buffers) */
};

/* How the machine's memory is reached. All addresses and sizes of maps are page-aligned. Maps lie
 * over RAM, never over each other; an unmap names exactly what was mapped, and RAM shows again. */
struct bus_mem_ops {
    int (*mmio_map)(void *opaque, gpa_t gpa, uint64_t size, const struct mmio_ops *ops, void *dev, const char *name);
    void (*mmio_unmap)(void *opaque, gpa_t gpa, uint64_t size);
    /* Map `host` (page-aligned) as RAM or ROM. The buffer stays valid until ram_unmap. */
    int (*ram_map)(void *opaque, gpa_t gpa, uint64_t size, void *host, unsigned flags, const char *name);
    void (*ram_unmap)(void *opaque, gpa_t gpa, uint64_t size);
    /* Which of RAM and "what is mapped over it" (ROM) answers in C0000-FFFFF: reads come from
     * RAM if read_ram, writes go to RAM if write_ram and are dropped otherwise. */
    void (*pam_set)(void *opaque, gpa_t gpa, uint64_t size, bool read_ram, bool write_ram);
    /* Compatible SMRAM: while open, A0000-BFFFF is RAM instead of VGA. May be NULL. */
    void (*smram_set)(void *opaque, bool open);
    void (*a20_set)(void *opaque, bool enabled);
    /* Device accesses to guest memory. They never fail: reads of nothing give ones, writes to
     * nothing or to ROM are dropped. Translations of written pages are invalidated. */
    void (*dma_read)(void *opaque, gpa_t gpa, void *buf, size_t len);
    void (*dma_write)(void *opaque, gpa_t gpa, const void *buf, size_t len);
    /* Take and clear one dirty byte a page of a BUS_RAM_DIRTY map. NULL or nonzero result: not
     * known, take all as dirty. */
    int (*ram_dirty)(void *opaque, gpa_t gpa, uint64_t size, uint8_t *pages);
    /* A host buffer of at least `size` bytes fit for ram_map (page-aligned, zeroed, and if the
     * engines need that, from the machine's memfd). NULL: anonymous memory is used. */
    void *(*ram_alloc)(void *opaque, uint64_t size, const char *name);
};

struct mmio_range;

/* Claim [gpa, gpa+size). bus_mmio_add_movable starts unmapped. NULL and bus->error if it fails. */
struct mmio_range *bus_mmio_add(struct bus *bus, gpa_t gpa, uint64_t size, const struct mmio_ops *ops, void *opaque,
                                const char *name);
struct mmio_range *bus_mmio_add_movable(struct bus *bus, uint64_t size, const struct mmio_ops *ops, void *opaque,
                                        const char *name);
/* The same for memory the guest reaches directly: `host` from bus_ram_alloc. */
struct mmio_range *bus_ram_add(struct bus *bus, gpa_t gpa, uint64_t size, void *host, unsigned flags, const char *name);
struct mmio_range *bus_ram_add_movable(struct bus *bus, uint64_t size, void *host, unsigned flags, const char *name);
/* Move to `gpa`; GPA_NONE unmaps. Ranges never overlap each other: one that would stays unmapped
 * until its place is free. (They do overlap RAM.) */
#define GPA_NONE UINT64_MAX
void bus_mmio_move(struct bus *bus, struct mmio_range *r, gpa_t gpa);
void bus_mmio_remove(struct bus *bus, struct mmio_range *r);
gpa_t bus_mmio_where(const struct mmio_range *r);
/* Page-aligned zeroed memory that lives as long as the bus; NULL if there is none. */
void *bus_ram_alloc(struct bus *bus, uint64_t size, const char *name);
/* Dirty bytes (one a page) of a mapped BUS_RAM_DIRTY range; all 1 where not known. */
void bus_ram_dirty(struct bus *bus, struct mmio_range *r, uint8_t *pages);

void bus_dma_read(struct bus *bus, gpa_t gpa, void *buf, size_t len);
void bus_dma_write(struct bus *bus, gpa_t gpa, const void *buf, size_t len);

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
/* What has state on this bus, the bus itself last, in order of creation: fills in list[0..max) and returns how
 * many there are. */
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
    const struct bus_mem_ops *mem;
    void *mem_opaque;
    struct cpu_pins cpu;
    /* Ask the glue for a reset or the end; it acts when the vCPU is between instructions. */
    void (*reset_request)(void *opaque, enum reset_kind kind, int code);
    void *reset_opaque;
    char error[256]; /* the first start-up error */
    /* private */
    uint16_t *port_map; /* 65536 indices into ports[], 0: none */
    struct port_range **ports;
    size_t port_count;
    struct mmio_range *mmio;
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

static inline tick_t bus_now(struct bus *bus) { return clock_now(bus->clock); }

#endif
