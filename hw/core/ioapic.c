/* ioapic.c - Intel 82093AA I/O APIC (datasheet 290566), with the EOI register of version 20h.
 *
 * 4 KiB at FEC00000h, 24 pins, no interrupt of its own: messages go to the local APIC.
 * NOT modelled: polarity (inputs are logical levels), delivery status (always idle), ExtINT
 * entries. An edge on a masked pin is lost, as in the chip.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/ioapic.h"

#define IOREGSEL 0x00
#define IOWIN    0x10
#define IOEOI    0x40
#define VERSION  (0x20u | (IOAPIC_PINS - 1) << 16)

#define RTE_LOGICAL (1u << 11)
#define RTE_STATUS  (1u << 12)
#define RTE_REMOTE  (1u << 14)
#define RTE_LEVEL   (1u << 15)
#define RTE_MASKED  (1u << 16)

struct ioapic {
    struct device dev;
    /* wiring */
    struct lapic *lapic;
    /* state */
    uint32_t id;
    uint8_t select;
    uint32_t lines; /* pin levels */
    uint64_t entry[IOAPIC_PINS];
};

static void deliver(struct ioapic *io, int pin)
{
    uint64_t *e = &io->entry[pin];
    bool level = *e & RTE_LEVEL;
    if (level)
        *e |= RTE_REMOTE;
    LOG(pic, "IOAPIC pin %d: vector %02x", pin, (unsigned)(*e & 0xff));
    lapic_message(io->lapic, (uint8_t)(*e >> 56), *e & RTE_LOGICAL, (unsigned)(*e >> 8 & 7), (uint8_t)*e, level);
}

/* A level-triggered pin whose line is high asks unless masked or in service. */
static void service_level(struct ioapic *io, int pin)
{
    uint64_t e = io->entry[pin];
    if ((e & RTE_LEVEL) && !(e & (RTE_MASKED | RTE_REMOTE)) && (io->lines >> pin & 1))
        deliver(io, pin);
}

void ioapic_set_pin(struct ioapic *io, int pin, int level)
{
    if (pin < 0 || pin >= IOAPIC_PINS)
        return;
    uint32_t bit = 1u << pin;
    bool rises = level && !(io->lines & bit);
    io->lines = level ? io->lines | bit : io->lines & ~bit;
    if (io->entry[pin] & RTE_LEVEL)
        service_level(io, pin);
    else if (rises && !(io->entry[pin] & RTE_MASKED))
        deliver(io, pin);
}

enum irq_state ioapic_line_state(const struct ioapic *io, int pin)
{
    if (pin < 0 || pin >= IOAPIC_PINS || (io->entry[pin] & RTE_MASKED))
        return IRQ_MASKED;
    return lapic_vector_state(io->lapic, (uint8_t)io->entry[pin]);
}

/* The end of a level-triggered interrupt: the local APIC says so, or the guest writes the EOI register. */
static void end_of_interrupt(void *opaque, uint8_t vector)
{
    struct ioapic *io = opaque;

    for (int i = 0; i < IOAPIC_PINS; i++) {
        uint64_t *e = &io->entry[i];
        if ((*e & RTE_LEVEL) && (*e & RTE_REMOTE) && (uint8_t)*e == vector) {
            *e &= ~(uint64_t)RTE_REMOTE;
            service_level(io, i);
        }
    }
}

static uint32_t read_reg(const struct ioapic *io)
{
    unsigned n = io->select - 0x10u;
    switch (io->select) {
    case 0: return io->id;
    case 1: return VERSION;
    case 2: return 0;
    default:
        if (n >= 2 * IOAPIC_PINS)
            return 0;
        return (uint32_t)(io->entry[n >> 1] >> (n & 1 ? 32 : 0));
    }
}

static void write_reg(struct ioapic *io, uint32_t val)
{
    unsigned n = io->select - 0x10u;
    if (!io->select) {
        io->id = val & 0x0f000000;
        return;
    }
    if (n >= 2 * IOAPIC_PINS)
        return;
    uint64_t *e = &io->entry[n >> 1];
    if (n & 1) {
        *e = (*e & 0xffffffff) | (uint64_t)(val & 0xff000000) << 32;
    } else {
        const uint32_t ro = RTE_STATUS | RTE_REMOTE;
        *e = (*e & (0xffffffff00000000ull | ro)) | (val & 0x1ffff & ~ro);
        if (!(*e & RTE_LEVEL))
            *e &= ~(uint64_t)RTE_REMOTE;
        service_level(io, (int)(n >> 1));
    }
}

static uint64_t ioapic_read(void *opaque, gpa_t offset, unsigned size)
{
    struct ioapic *io = opaque;
    (void)size;
    switch (offset & 0xff) {
    case IOREGSEL: return io->select;
    case IOWIN: return read_reg(io);
    default: return 0;
    }
}

static void ioapic_write(void *opaque, gpa_t offset, uint64_t val, unsigned size)
{
    struct ioapic *io = opaque;
    (void)size;
    switch (offset & 0xff) {
    case IOREGSEL: io->select = (uint8_t)val; break;
    case IOWIN:
        LOG(pic, "IOAPIC write %02x: %08x", io->select, (uint32_t)val);
        write_reg(io, (uint32_t)val);
        break;
    case IOEOI: end_of_interrupt(io, (uint8_t)val); break;
    default: break;
    }
}

static void ioapic_reset(struct device *dev)
{
    struct ioapic *io = (struct ioapic *)dev;
    io->id = 0;
    io->select = 0;
    for (int i = 0; i < IOAPIC_PINS; i++)
        io->entry[i] = RTE_MASKED;
}

static const struct state_field ioapic_fields[] = { FIELD_U32(struct ioapic, id), FIELD_U8(struct ioapic, select),
                                                    FIELD_U32(struct ioapic, lines),
                                                    FIELD_U64_ARRAY(struct ioapic, entry), FIELD_END };
static const struct state_desc ioapic_state = { .name = "ioapic", .version = 1, .fields = ioapic_fields };

static void ioapic_dump(struct device *dev, FILE *f)
{
    const struct ioapic *io = (const struct ioapic *)dev;
    for (int i = 0; i < IOAPIC_PINS; i++) {
        uint64_t e = io->entry[i];
        fprintf(f, "pin %2d: %016llx vector %02x dest %02x %s%s%s%s line %u\n", i, (unsigned long long)e,
                (unsigned)(e & 0xff), (unsigned)(e >> 56), e & RTE_LOGICAL ? "logical " : "physical ",
                e & RTE_LEVEL ? "level" : "edge", e & RTE_MASKED ? " masked" : "", e & RTE_REMOTE ? " in service" : "",
                io->lines >> i & 1);
    }
}

static int ioapic_init(struct device *dev, const void *props)
{
    static const struct mmio_ops ops = { ioapic_read, ioapic_write, 4, 4 };
    struct ioapic *io = (struct ioapic *)dev;
    io->lapic = *(struct lapic *const *)props;
    lapic_on_eoi(io->lapic, end_of_interrupt, io);
    bus_mmio_add(dev->bus, IOAPIC_BASE, PAGE_SIZE, &ops, io, "ioapic");
    return 0;
}

static const struct device_class ioapic_class = {
    .name = "ioapic",
    .size = sizeof(struct ioapic),
    .init = ioapic_init,
    .reset = ioapic_reset,
    .state = &ioapic_state,
    .dump = ioapic_dump,
};

struct ioapic *ioapic_create(struct bus *bus, struct lapic *lapic)
{
    return bus_add_device(bus, &ioapic_class, NULL, &lapic);
}
