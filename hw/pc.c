/* pc.c - the board: creates the devices and wires them. See pc.h.
 *
 * i440FX + PIIX3 + PIIX4 power management, as "pc" of other emulators, so that SeaBIOS runs as it
 * is. Interrupt wires: a line has several sources (ISA device, PCI routing, SCI), is their OR, and
 * goes to the 8259 and to the I/O APIC pin of the same number (line 0: pin 2; line 2: none). The
 * HPET takes lines 0 and 8 from PIT and RTC when it is told to, and has pins 20-23 for itself. The
 * 8259's INT is LINT0 of the local APIC, which drives the CPU.
 * Here too: port 80h (POST codes), F0h-F1h (FERR#), the A20 gate as an OR-less latch: the last of
 * port 92h and the 8042 that was written wins.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/pc.h"

#include <errno.h>
#include <stdlib.h>

#include "hw/char/chardev.h"
#include "hw/char/debugcon.h"
#include "hw/core/debugexit.h"
#include "hw/disk/fdc.h"
#include "hw/boot/fw_cfg.h"
#include "hw/core/hpet.h"
#include "hw/char/i16550.h"
#include "hw/pci/i440fx.h"
#include "hw/input/i8042.h"
#include "hw/core/i8237.h"
#include "hw/core/i8254.h"
#include "hw/core/i8259.h"
#include "hw/disk/ide.h"
#include "hw/core/ioapic.h"
#include "hw/core/lapic.h"
#include "hw/boot/linux.h"
#include "hw/core/mc146818.h"
#include "hw/boot/multiboot.h"
#include "hw/pci/piix3.h"
#include "hw/pci/piix4pm.h"
#include "hw/core/port92.h"
#include "hw/display/vga.h"

#define BIOS_MAX (16u << 20)
#define SHADOW   (128u << 10)
#define FERR_IRQ 13

/* Sources of an interrupt line. */
enum { FROM_ISA, FROM_PIRQ, FROM_SCI, FROM_HPET };

/* All wiring: what of the board is state is in struct board. */
struct pc {
    struct bus bus;
    struct pc_config cfg;
    struct board *board;
    struct lapic *lapic;
    struct ioapic *ioapic;
    struct i8259 *pic;
    struct i8254 *pit;
    struct mc146818 *rtc;
    struct i8237 *dma;
    struct i8042 *kbc;
    struct port92 *port92;
    struct fw_cfg *fw;
    struct pci_bus *pci;
    struct piix4pm *pm;
    struct vga *vga;
};

/* What belongs to no chip. */
struct board {
    struct device dev;
    /* wiring */
    struct pc *pc;
    struct memmap *map; /* it has the A20 gate, which is described here */
    /* state */
    uint8_t sources[16];  /* which sources drive each line */
    uint16_t timer_lines; /* what PIT and RTC drive, whether or not it gets there */
    bool hpet_legacy;     /* it does not: the HPET says so */
    bool ferr;
    bool ignne;
    uint8_t post;
    uint32_t resets; /* of the whole machine: -boot once= holds for the first */
};

/* ---- wires ---- */

static void drive_line(struct pc *pc, int n, unsigned source, int level)
{
    uint8_t *s = &pc->board->sources[n & 15];
    uint8_t bit = (uint8_t)(1u << source);
    *s = (uint8_t)(level ? *s | bit : *s & ~bit);
    if (pc->pic)
        i8259_set_irq(pc->pic, n, *s != 0);
    if (pc->ioapic && n != 2)
        ioapic_set_pin(pc->ioapic, n ? n : 2, *s != 0);
}

static void set_isa(void *opaque, int n, int level) { drive_line(opaque, n, FROM_ISA, level); }

static void set_routed(void *opaque, int n, int level) { drive_line(opaque, n, FROM_PIRQ, level); }

static void set_sci(void *opaque, int n, int level) { drive_line(opaque, n, FROM_SCI, level); }

/* What an edge on the line would do: it goes to both controllers. */
static enum irq_state line_state(void *opaque, int n)
{
    struct pc *pc = opaque;
    enum irq_state pic = lapic_accepts_pic(pc->lapic) ? i8259_line_state(pc->pic, n) : IRQ_MASKED;
    enum irq_state apic = ioapic_line_state(pc->ioapic, n ? n : 2);
    if (pic == IRQ_BUSY || apic == IRQ_BUSY)
        return IRQ_BUSY;
    return pic == IRQ_FREE || apic == IRQ_FREE ? IRQ_FREE : IRQ_MASKED;
}

/* PIT and RTC. */
static void set_timer(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    uint16_t bit = (uint16_t)(1u << (n & 15));
    struct board *b = pc->board;
    b->timer_lines = (uint16_t)(level ? b->timer_lines | bit : b->timer_lines & ~bit);
    if (!b->hpet_legacy)
        drive_line(pc, n, FROM_ISA, level);
}

static enum irq_state timer_state(void *opaque, int n)
{
    struct pc *pc = opaque;
    return pc->board->hpet_legacy ? IRQ_MASKED : line_state(pc, n);
}

static struct irq timer_irq(struct pc *pc, int n)
{
    return (struct irq){ .set = set_timer, .state = timer_state, .opaque = pc, .n = n };
}

static void set_hpet(void *opaque, int n, int level) { drive_line(opaque, n, FROM_HPET, level); }

static void set_pin(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    ioapic_set_pin(pc->ioapic, n, level);
}

static enum irq_state pin_state(void *opaque, int n)
{
    struct pc *pc = opaque;
    return ioapic_line_state(pc->ioapic, n);
}

static void set_hpet_legacy(void *opaque, int n, int level)
{
    static const int lines[] = { 0, 8 };
    struct pc *pc = opaque;
    struct board *b = pc->board;
    (void)n;
    b->hpet_legacy = level;
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++)
        drive_line(pc, lines[i], FROM_ISA, !level && (b->timer_lines >> lines[i] & 1));
}

static struct irq isa_irq(struct pc *pc, int n)
{
    return (struct irq){ .set = set_isa, .state = line_state, .opaque = pc, .n = n };
}

static void pic_int(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    lapic_set_lint(pc->lapic, n, level);
}

static void cpu_intr(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    (void)n;
    pc->bus.cpu.intr(pc->bus.cpu.opaque, level);
}

static void cpu_nmi(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    (void)n;
    if (level && pc->bus.cpu.nmi)
        pc->bus.cpu.nmi(pc->bus.cpu.opaque);
}

static void cpu_smi(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    (void)n;
    if (level && pc->bus.cpu.smi)
        pc->bus.cpu.smi(pc->bus.cpu.opaque);
}

static void cpu_init(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    (void)n;
    if (level && pc->bus.cpu.init)
        pc->bus.cpu.init(pc->bus.cpu.opaque);
}

/* The reset line of the 8042 and port 92h resets the machine, as chip sets wire it today. */
static void pull_reset(void *opaque, int n, int level)
{
    struct pc *pc = opaque;
    (void)n;
    if (level)
        bus_request_reset(&pc->bus, RESET_SYSTEM, 0);
}

/* ---- the board's own ports ---- */

static uint32_t post_read(void *opaque, uint16_t port, unsigned size)
{
    (void)opaque;
    (void)port;
    (void)size;
    return 0xff;
}

static void post_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct board *b = opaque;
    (void)port;
    (void)size;
    b->post = (uint8_t)val;
    LOG(io, "POST code %02x", val);
}

static void ferr_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct board *b = opaque;
    (void)port;
    (void)val;
    (void)size;
    drive_line(b->pc, FERR_IRQ, FROM_ISA, 0);
    b->ignne = b->ferr;
    if (b->pc->bus.cpu.ignne)
        b->pc->bus.cpu.ignne(b->pc->bus.cpu.opaque);
}

void pc_set_ferr(struct pc *pc, int level)
{
    struct board *b = pc->board;
    b->ferr = level;
    if (!level)
        b->ignne = false;
    if (level && !b->ignne)
        drive_line(pc, FERR_IRQ, FROM_ISA, 1);
}

static void board_reset(struct device *dev)
{
    struct board *b = (struct board *)dev;
    b->ferr = b->ignne = false;
    b->post = 0;
    drive_line(b->pc, FERR_IRQ, FROM_ISA, 0);
    memmap_set_a20(b->map, true);
}

/* The gate is the memory's; the chips that move it show what it is. */
static uint64_t a20_get(const void *obj) { return memmap_a20(((const struct board *)obj)->map); }

static void a20_put(void *obj, uint64_t v) { memmap_set_a20(((struct board *)obj)->map, v); }

static const struct state_value a20_value = { a20_get, a20_put, 0 };

static const struct state_field board_fields[] = { FIELD_U8_ARRAY(struct board, sources),
                                                   FIELD_COMPUTED("a20", &a20_value, .max = 1),
                                                   FIELD_U16(struct board, timer_lines),
                                                   FIELD_BOOL(struct board, hpet_legacy),
                                                   FIELD_BOOL(struct board, ferr),
                                                   FIELD_BOOL(struct board, ignne),
                                                   FIELD_U8(struct board, post),
                                                   FIELD_U32(struct board, resets),
                                                   FIELD_END };
static const struct state_desc board_state = { .name = "board", .version = 3, .fields = board_fields };

static int board_init(struct device *dev, const void *props)
{
    static const struct port_ops post_ops = { post_read, post_write, 1, 1 };
    static const struct port_ops ferr_ops = { NULL, ferr_write, 1, 1 };
    struct board *b = (struct board *)dev;
    b->map = dev->bus->map;
    b->pc = *(struct pc *const *)props;
    bus_port_add(dev->bus, 0x80, 1, &post_ops, b, "post");
    bus_port_add(dev->bus, 0xf0, 2, &ferr_ops, b, "ferr");
    return 0;
}

static const struct device_class board_class = {
    .name = "board",
    .size = sizeof(struct board),
    .init = board_init,
    .reset = board_reset,
    .state = &board_state,
};

/* ---- firmware and memory ---- */

static int map_bios(struct pc *pc)
{
    const struct pc_config *cfg = &pc->cfg;
    size_t size = cfg->bios_size;
    if (!cfg->bios || !size || size > BIOS_MAX || size % PAGE_SIZE)
        return bus_error(&pc->bus, "the firmware image has a bad size (%zu bytes)", size);
    size_t low = size < SHADOW ? size : SHADOW;
    uint8_t *high = bus_ram_alloc(&pc->bus, size, "bios");
    uint8_t *shadow = bus_ram_alloc(&pc->bus, low, "bios shadow");
    if (!high || !shadow)
        return -ENOMEM;
    memcpy(high, cfg->bios, size);
    memcpy(shadow, (const uint8_t *)cfg->bios + size - low, low);
    bus_ram_add(&pc->bus, 0x100000000ull - size, size, high, false, "bios");
    bus_ram_add(&pc->bus, 0x100000 - low, low, shadow, false, "bios shadow");
    return pc->bus.failed ? -EINVAL : 0;
}

/* The CMOS's code of a boot device letter. */
static unsigned boot_nibble(char c)
{
    switch (c) {
    case 'a':
    case 'b': return 1;
    case 'c': return 2;
    case 'd': return 3;
    case 'n': return 4;
    default: return 0;
    }
}

static void set_boot_order(struct pc *pc, const char *order)
{
    unsigned n[3] = { 0, 0, 0 };
    for (unsigned i = 0; i < 3 && order[i]; i++)
        n[i] = boot_nibble(order[i]);
    mc146818_set(pc->rtc, 0x3d, (uint8_t)(n[1] << 4 | n[0]));
    mc146818_set(pc->rtc, 0x38, (uint8_t)(n[2] << 4));
}

static const char *boot_order(const struct pc *pc)
{
    return pc->cfg.boot_order && *pc->cfg.boot_order ? pc->cfg.boot_order : "cad";
}

static void set_cmos16(struct pc *pc, uint8_t reg, uint64_t val)
{
    uint64_t v = val > 65535 ? 65535 : val;
    mc146818_set(pc->rtc, reg, (uint8_t)v);
    mc146818_set(pc->rtc, reg + 1, (uint8_t)(v >> 8));
}

/* What the BIOS reads from the CMOS. */
static void fill_cmos(struct pc *pc)
{
    const struct pc_config *cfg = &pc->cfg;
    uint64_t low = pc_ram_below_4g(cfg->ram_size);
    uint64_t high = pc_ram_above_4g(cfg->ram_size);
    uint64_t above_1m = low > 0x100000 ? (low - 0x100000) >> 10 : 0;

    set_cmos16(pc, 0x15, low >= 640 << 10 ? 640 : low >> 10);
    set_cmos16(pc, 0x17, above_1m);
    set_cmos16(pc, 0x30, above_1m);
    set_cmos16(pc, 0x34, low > 16u << 20 ? (low - (16u << 20)) >> 16 : 0);
    mc146818_set(pc->rtc, 0x5b, (uint8_t)(high >> 16));
    mc146818_set(pc->rtc, 0x5c, (uint8_t)(high >> 24));
    mc146818_set(pc->rtc, 0x5d, (uint8_t)(high >> 32));
    mc146818_set(pc->rtc, 0x5f, 0); /* CPUs less one */

    unsigned floppies = (cfg->floppy[0] != NULL) + (cfg->floppy[1] != NULL);
    mc146818_set(pc->rtc, 0x10, (uint8_t)(fdc_drive_type(cfg->floppy[0]) << 4 | fdc_drive_type(cfg->floppy[1])));
    /* Equipment: floppies, FPU, PS/2 mouse. */
    mc146818_set(pc->rtc, 0x14, (uint8_t)(0x06 | (floppies == 2 ? 0x41 : floppies ? 0x01 : 0)));

    uint8_t types = 0;
    uint8_t translation = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (!cfg->ide[i] || cfg->ide_cdrom[i])
            continue;
        if (i < 2)
            types |= i ? 0x0f : 0xf0;
        if (cfg->ide_sectors[i] > 1024u * 16 * 63)
            translation |= (uint8_t)(1u << (2 * i)); /* LBA */
    }
    mc146818_set(pc->rtc, 0x12, types);
    mc146818_set(pc->rtc, 0x19, types & 0xf0 ? 47 : 0);
    mc146818_set(pc->rtc, 0x1a, types & 0x0f ? 47 : 0);
    mc146818_set(pc->rtc, 0x39, translation);
    set_boot_order(pc, cfg->boot_once && *cfg->boot_once ? cfg->boot_once : boot_order(pc));
}

struct e820 {
    uint64_t addr;
    uint64_t len;
    uint32_t type;
} __attribute__((packed, GUEST_ORDER));

static void fill_fw_cfg(struct pc *pc)
{
    static const uint8_t system_states[6] = { 0x80, 0, 0, 1, 2, 0x80 }; /* S5 only */
    static const uint8_t uuid[16];
    const struct pc_config *cfg = &pc->cfg;
    struct fw_cfg *fw = pc->fw;
    uint64_t low = pc_ram_below_4g(cfg->ram_size);
    uint64_t high = pc_ram_above_4g(cfg->ram_size);
    const struct e820 map[2] = { { 0, low, 1 }, { PC_HIGH_RAM, high, 1 } };
    const uint64_t numa[2] = { 0, 0 }; /* no nodes; then one entry a CPU */

    fw_cfg_add(fw, FW_CFG_UUID, uuid, sizeof uuid);
    fw_cfg_add_u64(fw, FW_CFG_RAM_SIZE, cfg->ram_size);
    fw_cfg_add_u16(fw, FW_CFG_NOGRAPHIC, cfg->vga == 0);
    fw_cfg_add_u16(fw, FW_CFG_NB_CPUS, 1);
    fw_cfg_add_u16(fw, FW_CFG_MAX_CPUS, 1);
    fw_cfg_add_u16(fw, FW_CFG_BOOT_MENU, cfg->boot_menu);
    fw_cfg_add_u16(fw, FW_CFG_BOOT_DEVICE, (uint16_t)(uint8_t)boot_order(pc)[0]);
    fw_cfg_add_copy(fw, FW_CFG_NUMA, numa, sizeof numa);
    fw_cfg_add_u32(fw, FW_CFG_IRQ0_OVERRIDE, 1);
    fw_cfg_add_copy(fw, FW_CFG_E820_TABLE, "\0\0\0\0", 4);
    fw_cfg_add_file_copy(fw, "etc/e820", (const void *)map, (high ? 2 : 1) * sizeof map[0]);
    fw_cfg_add_file(fw, "etc/system-states", system_states, sizeof system_states);
    for (size_t i = 0; i < cfg->rom_file_count; i++)
        fw_cfg_add_file(fw, cfg->rom_files[i].name, cfg->rom_files[i].data, cfg->rom_files[i].len);
}

/* -kernel: the image to fw_cfg, and the ROM that starts it first in the boot order. */
static int load_kernel(struct pc *pc)
{
    const struct pc_config *cfg = &pc->cfg;
    char err[200];
    char order[128];
    int rc;

    if (!cfg->kernel)
        return 0;
    if (multiboot_probe(cfg->kernel, cfg->kernel_size)) {
        const struct multiboot_boot b = { cfg->kernel,  cfg->kernel_size, cfg->kernel_name,
                                          cfg->cmdline, cfg->initrd_arg,  pc_ram_below_4g(cfg->ram_size) };
        rc = multiboot_load(pc->fw, &b, err, sizeof err);
    } else {
        const struct linux_boot b = { cfg->kernel,      cfg->kernel_size, cfg->initrd,
                                      cfg->initrd_size, cfg->cmdline,     pc_ram_below_4g(cfg->ram_size) };
        rc = linux_load(pc->fw, &b, err, sizeof err);
    }
    if (rc)
        return bus_error(&pc->bus, "%s", err);
    for (size_t i = 0; i < cfg->rom_file_count; i++) {
        if (strncmp(cfg->rom_files[i].name, "genroms/", 8) || fw_cfg_has_file(pc->fw, "bootorder"))
            continue;
        snprintf(order, sizeof order, "/rom@%s\n", cfg->rom_files[i].name);
        fw_cfg_add_file_copy(pc->fw, "bootorder", order, strlen(order) + 1);
    }
    return 0;
}

/* ---- the whole ---- */

static void create_hpet(struct pc *pc)
{
    struct hpet_config cfg = { .legacy_enabled = irq_make(set_hpet_legacy, pc, 0) };
    for (int i = 0; i < 2; i++)
        cfg.legacy[i] = (struct irq){ .set = set_hpet, .state = line_state, .opaque = pc, .n = i ? 8 : 0 };
    for (int i = 0; i < 32; i++)
        cfg.pin[i] = (struct irq){ .set = set_pin, .state = pin_state, .opaque = pc, .n = i };
    hpet_create(&pc->bus, &cfg);
}

static void create_chips(struct pc *pc)
{
    struct bus *bus = &pc->bus;
    const struct irq reset = irq_make(pull_reset, pc, 0);
    struct irq routed[16];
    struct pc *self = pc;

    pc->board = bus_add_device(bus, &board_class, NULL, &self);
    const struct lapic_config lapic = { .intr = irq_make(cpu_intr, pc, 0),
                                        .nmi = irq_make(cpu_nmi, pc, 0),
                                        .smi = irq_make(cpu_smi, pc, 0),
                                        .init = irq_make(cpu_init, pc, 0) };
    pc->lapic = lapic_create(bus, &lapic);
    pc->ioapic = ioapic_create(bus, pc->lapic);
    pc->pic = i8259_create(bus, irq_make(pic_int, pc, 0));
    pc->pit = i8254_create(bus, timer_irq(pc, 0));
    pc->rtc = mc146818_create(bus, timer_irq(pc, 8));
    if (!pc->cfg.no_hpet)
        create_hpet(pc);
    pc->dma = i8237_create(bus);
    const struct i8042_config kbc = { isa_irq(pc, 1), isa_irq(pc, 12), reset };
    pc->kbc = i8042_create(bus, &kbc);
    pc->port92 = port92_create(bus, reset);

    pc->fw = fw_cfg_create(bus);
    pc->pci = pci_create(bus);
    for (int i = 0; i < 16; i++)
        routed[i] = irq_make(set_routed, pc, i);
    if (bus->failed)
        return;
    i440fx_create(bus, pc->pci);
    piix3_create(bus, pc->pci, routed);
    pc->pm = piix4pm_create(bus, pc->pci, irq_make(set_sci, pc, 9), irq_make(cpu_smi, pc, 0));
}

static void create_peripherals(struct pc *pc)
{
    static const uint16_t serial_base[4] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    static const uint8_t serial_irq[4] = { 4, 3, 4, 3 };
    static const char *const serial_name[4] = { "serial0", "serial1", "serial2", "serial3" };
    struct bus *bus = &pc->bus;
    const struct pc_config *cfg = &pc->cfg;

    for (unsigned i = 0; i < 4; i++)
        if (cfg->serial[i])
            i16550_create(bus, serial_base[i], isa_irq(pc, serial_irq[i]), cfg->serial[i], serial_name[i]);
    if (cfg->debugcon_402)
        debugcon_create(bus, 0x402, cfg->debugcon_402, "debugcon402");
    if (cfg->debugcon_e9)
        debugcon_create(bus, 0xe9, cfg->debugcon_e9, "debugcone9");
    if (cfg->debug_exit)
        debugexit_create(bus, cfg->debug_exit_base ? cfg->debug_exit_base : 0x501);

    /* Fixed places: 1.1 IDE (IRQ14, 15), the floppy controller (IRQ6, DMA 2), slot 2 VGA. */
    ide_pci_create(bus, pc->pci, PCI_DEVFN(1, 1), isa_irq(pc, 14), isa_irq(pc, 15), cfg->ide, cfg->ide_cdrom);
    fdc_create(bus, pc->dma, isa_irq(pc, 6), cfg->floppy);
    if (cfg->vga)
        pc->vga = vga_create(bus, pc->pci, PCI_DEVFN(2, 0));
}

struct pc *pc_create(const struct pc_config *cfg, char *err, size_t err_len)
{
    struct pc *pc = calloc(1, sizeof *pc);
    if (!pc) {
        snprintf(err, err_len, "out of memory");
        return NULL;
    }
    pc->cfg = *cfg;
    pc->bus = (struct bus){ .clock = cfg->clock,
                            .ev = cfg->ev,
                            .map = cfg->map,
                            .ram_alloc = cfg->ram_alloc,
                            .ram_opaque = cfg->ram_opaque,
                            .cpu = cfg->cpu,
                            .reset_request = cfg->reset_request,
                            .reset_opaque = cfg->reset_opaque };
    if (bus_init(&pc->bus))
        bus_error(&pc->bus, "out of memory");
    if (cfg->ram_size < 1u << 20 || cfg->ram_size % PAGE_SIZE)
        bus_error(&pc->bus, "the machine needs at least 1 MiB of memory, in whole pages");
    if (!pc->bus.failed)
        create_chips(pc);
    if (!pc->bus.failed) {
        map_bios(pc);
        create_peripherals(pc);
    }
    if (!pc->bus.failed) {
        fill_cmos(pc);
        fill_fw_cfg(pc);
        load_kernel(pc);
    }
    if (pc->bus.failed) {
        snprintf(err, err_len, "%s", pc->bus.error);
        pc_destroy(pc);
        return NULL;
    }
    pc_reset(pc);
    return pc;
}

void pc_destroy(struct pc *pc)
{
    if (!pc)
        return;
    bus_destroy(&pc->bus);
    free(pc);
}

void pc_reset(struct pc *pc)
{
    if (pc->board->resets++ == 1 && pc->cfg.boot_once)
        set_boot_order(pc, boot_order(pc));
    bus_reset_devices(&pc->bus);
    i8259_forget_edges(pc->pic); /* lines that other chips' resets raised ask for nothing */
}

struct bus *pc_bus(struct pc *pc) { return &pc->bus; }

int pc_intr_ack(struct pc *pc)
{
    int v = lapic_ack(pc->lapic);
    if (v == -1)
        return i8259_ack(pc->pic);
    return v < 0 ? -1 : v;
}

uint64_t pc_apic_base_read(struct pc *pc) { return lapic_base_read(pc->lapic); }

bool pc_apic_base_write(struct pc *pc, uint64_t value) { return lapic_base_write(pc->lapic, value); }

/* ---- the user ---- */

void pc_powerdown(struct pc *pc)
{
    if (pc->pm)
        piix4pm_power_button(pc->pm);
}

void pc_nmi(struct pc *pc)
{
    lapic_set_lint(pc->lapic, 1, 1);
    lapic_set_lint(pc->lapic, 1, 0);
}

int pc_key_event(struct pc *pc, const char *name, bool down) { return ps2kbd_key(i8042_keyboard(pc->kbc), name, down); }

bool pc_key_known(const char *name) { return ps2kbd_find_key(name, strlen(name)) >= 0; }

void pc_mouse_event(struct pc *pc, int dx, int dy, int dz, unsigned buttons)
{
    ps2mouse_event(i8042_mouse(pc->kbc), dx, dy, dz, buttons);
}

struct vga *pc_vga(struct pc *pc) { return pc->vga; }

int pc_screen_text(struct pc *pc, FILE *f) { return pc->vga ? vga_text(pc->vga, f) : -1; }
