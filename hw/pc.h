/* pc.h - the board: the classic PC with i440FX and PIIX3/PIIX4. pc.c is the only file that wires
 * devices to each other; the glue outside hw/ needs only this header, bus.h and char/chardev.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_PC_H
#define HW_PC_H

#include "hw/bus.h"

struct chardev;
struct pc;
struct vga;

/* Low RAM ends here at most; the rest of ram_size lies at 4 GiB. */
#define PC_LOW_RAM_MAX 0xe0000000ull
#define PC_HIGH_RAM    0x100000000ull

struct pc_rom_file {
    const char *name; /* fw_cfg file name: "vgaroms/vgabios-stdvga.bin", "genroms/linuxboot.bin" */
    const void *data; /* must stay valid as long as the machine */
    size_t len;
};

struct pc_config {
    uint64_t ram_size; /* page-aligned; pc_ram_below_4g / _above_4g say where it goes */
    const void *bios;  /* the firmware image, 64 KiB..16 MiB, a multiple of 4 KiB; copied */
    size_t bios_size;

    struct memmap *map;
    void *(*ram_alloc)(void *opaque, uint64_t size, const char *name); /* NULL: from the host; see struct bus */
    void *ram_opaque;
    struct cpu_pins cpu;
    struct clock *clock;
    struct evloop *ev;
    void (*reset_request)(void *opaque, enum reset_kind kind, int code);
    void *reset_opaque;

    struct chardev *serial[4];    /* NULL: no such UART */
    struct chardev *debugcon_402; /* firmware log; NULL: port 402h not present */
    struct chardev *debugcon_e9;  /* port E9h; NULL: not present */
    bool debug_exit;              /* isa-debug-exit */
    uint16_t debug_exit_base;     /* 0: 501h */

    /* -kernel: a bzImage or a Multiboot image; kernel == NULL: boot from a device. The buffers
     * must live as long as the machine. `initrd` for Multiboot is the raw `-initrd` text. */
    const void *kernel;
    size_t kernel_size;
    const char *kernel_name; /* Multiboot passes it as argv[0] */
    const void *initrd;
    size_t initrd_size;
    const char *initrd_arg;
    const char *cmdline;

    const char *boot_order; /* letters of "acdn"; NULL: "cad" */
    const char *boot_once;  /* -boot once=; used until the first reset */
    bool boot_menu;

    const struct pc_rom_file *rom_files; /* added to fw_cfg as they are */
    size_t rom_file_count;

    int vga; /* 0: none, 1: standard VGA */
    bool no_hpet;
    /* Drives, in the units' order; the block back ends are opaque here. */
    struct block *ide[4]; /* primary master, slave, secondary master, slave */
    bool ide_cdrom[4];
    uint64_t ide_sectors[4]; /* sizes of the hard disks: the CMOS says how the BIOS translates */
    struct block *floppy[2];
};

/* Where RAM of this size lies. */
static inline uint64_t pc_ram_below_4g(uint64_t ram_size)
{
    return ram_size < PC_LOW_RAM_MAX ? ram_size : PC_LOW_RAM_MAX;
}
static inline uint64_t pc_ram_above_4g(uint64_t ram_size) { return ram_size - pc_ram_below_4g(ram_size); }

/* Build the machine. NULL if it fails, with one clear sentence in err[0..err_len). RAM itself is
 * the glue's: it is mapped (or will be) at 0 and 4 GiB. The machine is reset once. */
struct pc *pc_create(const struct pc_config *cfg, char *err, size_t err_len);
void pc_destroy(struct pc *pc);
/* RESET: all devices to their power-on state, A20 enabled, PAM to ROM. The CPU is the glue's. */
void pc_reset(struct pc *pc);

struct bus *pc_bus(struct pc *pc);

/* INTA cycle: the vector of the interrupt INTR announced, or -1 if it has gone away. */
int pc_intr_ack(struct pc *pc);

/* MSR 1Bh. A write returns false if the CPU must raise #GP. */
uint64_t pc_apic_base_read(struct pc *pc);
bool pc_apic_base_write(struct pc *pc, uint64_t value);

/* x87 FERR# with CR0.NE = 0: IRQ13 until port F0h is written. */
void pc_set_ferr(struct pc *pc, int level);

/* User actions: the ACPI power button, the NMI button, keys ("ctrl-alt-delete"), the mouse. */
void pc_powerdown(struct pc *pc);
void pc_nmi(struct pc *pc);
/* Whether a key of that name exists. */
bool pc_key_known(const char *name);
/* One key by its QEMU name, down or up. Returns 0 or -EINVAL. */
int pc_key_event(struct pc *pc, const char *name, bool down);
/* Relative motion (y grows downwards), wheel (positive is towards the user), buttons: bit 0
 * left, 1 right, 2 middle. */
void pc_mouse_event(struct pc *pc, int dx, int dy, int dz, unsigned buttons);

/* The graphics card (hw/display/vga.h), or NULL. */
struct vga *pc_vga(struct pc *pc);
/* The text screen as lines of UTF-8. -1 in a graphics mode, or without a graphics card. */
int pc_screen_text(struct pc *pc, FILE *f);

#endif
