/* devices.c - fuzzes all devices in one process: a board without a CPU, on which the input is read as port and memory
 * accesses, steps of time and what a user does. After each step no device may have a broken invariant; at the end
 * the state is saved, loaded and saved again, and must be the same.
 *
 * Input: a byte of settings (bits 0 to 2: floppy, disk, CD-ROM; 3: save and load; 4: a graphics card, which is slow), then operations of one byte and their arguments; what is missing at the end is 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/memmap_int.h"
#include "hw/block/block.h"
#include "hw/char/chardev.h"
#include "hw/pc.h"
#include "hw/display/vga.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RAM = 2 << 20, BIOS = 128 << 10, STEPS = 600, IMAGES = 3, ARENA = 20 << 20 };

#define NS_MAX   20000000ull /* of one step of time */
#define IRQS_MAX 64          /* acknowledged after one step */

struct board {
    struct clock clock;
    struct evloop *ev;
    struct pc *pc;
    struct bus *bus;
    tick_t now;
    int intr;
    uint64_t arena_used;
    struct memmap *map;
};

struct input {
    const uint8_t *p;
    size_t left;
};

static uint8_t *ram; /* of the map of this input */
static uint8_t *arena;
static int image_fd[IMAGES];
static const size_t image_size[IMAGES] = { 1440 << 10, 4 << 20, 1 << 20 };

static void broken(const char *what) __attribute__((noreturn));

static void broken(const char *what)
{
    fprintf(stderr, "callgate fuzz: %s\n", what);
    abort();
}

/* --- memory --- */

static void access_memory(struct board *b, gpa_t gpa, uint64_t v, unsigned size, bool write)
{
    if (write)
        memmap_write(b->map, gpa, &v, size);
    else
        memmap_read(b->map, gpa, &v, size);
}

/* The same memory for every input: fresh pages would take most of the time. The frame buffer clears itself at reset. */
static void *ram_alloc(void *o, uint64_t size, const char *name)
{
    struct board *b = o;
    uint8_t *p = arena + b->arena_used;

    (void)name;
    if (size > ARENA - b->arena_used)
        broken("devices want more memory than before");
    b->arena_used += size;
    if (size < 1 << 20)
        memset(p, 0, size);
    return p;
}

/* --- the board --- */

static tick_t source(void *opaque) { return ((struct board *)opaque)->now; }

static void intr(void *opaque, int level) { ((struct board *)opaque)->intr = level; }

static void nothing(void *opaque) { (void)opaque; }

static void reset_request(void *opaque, enum reset_kind kind, int code) { (void)opaque, (void)kind, (void)code; }

static struct block *open_image(unsigned n)
{
    char path[40];
    char err[256];
    struct block *b;

    /* what another input wrote is gone */
    if (ftruncate(image_fd[n], 0) || ftruncate(image_fd[n], (off_t)image_size[n]))
        broken("no memory for images");
    snprintf(path, sizeof path, "/proc/self/fd/%d", image_fd[n]);
    b = block_open(path, n == 2 ? BLOCK_READONLY : 0, err, sizeof err);
    if (!b)
        broken(err);
    return b;
}

static void board_create(struct board *b, uint8_t settings, struct pc_config *cfg)
{
    static uint8_t bios[BIOS];
    char err[256];

    clock_init(&b->clock, source, b);
    b->clock.rtc_base = 1000000000;
    b->ev = evloop_create(&b->clock);
    *cfg = (struct pc_config){
        .ram_size = RAM,
        .bios = bios,
        .bios_size = sizeof bios,
        .map = b->map,
        .ram_alloc = ram_alloc,
        .ram_opaque = b,
        .cpu = { .intr = intr, .nmi = nothing, .init = nothing, .opaque = b },
        .clock = &b->clock,
        .ev = b->ev,
        .reset_request = reset_request,
        .reset_opaque = b,
        .debug_exit = true,
        .vga = settings >> 4 & 1,
    };
    cfg->serial[0] = chardev_open(b->ev, "ringbuf", err, sizeof err);
    cfg->serial[1] = chardev_open(b->ev, "null", err, sizeof err);
    if (settings & 1) {
        cfg->floppy[0] = open_image(0);
        cfg->floppy[1] = block_open_empty();
    }
    if (settings & 2) {
        cfg->ide[0] = open_image(1);
        cfg->ide_sectors[0] = block_sectors(cfg->ide[0]);
    }
    if (settings & 4) {
        cfg->ide[2] = open_image(2);
        cfg->ide_cdrom[2] = true;
    }
    b->pc = pc_create(cfg, err, sizeof err);
    if (!b->pc)
        broken(err);
    b->bus = pc_bus(b->pc);
}

static void board_destroy(struct board *b, struct pc_config *cfg)
{
    unsigned n;

    pc_destroy(b->pc);
    for (n = 0; n < 4; n++) {
        if (cfg->serial[n])
            chardev_close(cfg->serial[n]);
        if (cfg->ide[n])
            block_close(cfg->ide[n]);
        if (n < 2 && cfg->floppy[n])
            block_close(cfg->floppy[n]);
    }
    evloop_destroy(b->ev);
    clock_destroy(&b->clock);
}

/* --- the input --- */

static uint32_t take(struct input *in, unsigned bytes)
{
    uint32_t v = 0;
    unsigned n;

    for (n = 0; n < bytes && in->left; n++, in->left--)
        v |= (uint32_t)*in->p++ << (8 * n);
    return v;
}

/* Ports of devices, by one byte. */
static uint16_t port_of(struct input *in)
{
    static const struct {
        uint16_t base, count;
    } ports[] = {
        { 0x00, 16 }, { 0x20, 2 },  { 0x40, 4 },  { 0x60, 5 },   { 0x70, 2 },    { 0x80, 16 },   { 0x92, 1 },
        { 0xa0, 2 },  { 0xb2, 2 },  { 0xc0, 32 }, { 0xf0, 2 },   { 0x170, 8 },   { 0x1ce, 3 },   { 0x1f0, 8 },
        { 0x2f8, 8 }, { 0x376, 1 }, { 0x3b4, 8 }, { 0x3c0, 32 }, { 0x3f0, 8 },   { 0x3f8, 8 },   { 0x4d0, 2 },
        { 0x501, 4 }, { 0x510, 2 }, { 0x514, 8 }, { 0xafe0, 4 }, { 0xb000, 64 }, { 0xc000, 16 }, { 0xcf8, 8 },
    };
    unsigned b = take(in, 1), n;

    for (n = 0; n < ARRAY_SIZE(ports); n++) {
        if (b < ports[n].count)
            return (uint16_t)(ports[n].base + b);
        b -= ports[n].count;
    }
    return (uint16_t)take(in, 2);
}

static gpa_t address_of(struct board *b, struct input *in)
{
    unsigned n = take(in, 1);
    uint32_t off = take(in, 2);

    const struct mapped *m = b->map->count ? &b->map->mapped[n % b->map->count] : NULL;

    return m && n < 0xf0 ? m->gpa + off % m->size : take(in, 4);
}

static void pass_time(struct board *b, tick_t ns)
{
    tick_t end = b->now + ns;

    while (clock_next_deadline(&b->clock) <= end) {
        tick_t at = clock_next_deadline(&b->clock);

        b->now = at > b->now ? at : b->now;
        clock_run_expired(&b->clock);
    }
    b->now = end;
}

static void take_interrupts(struct board *b)
{
    unsigned n;

    for (n = 0; n < IRQS_MAX && b->intr; n++)
        if (pc_intr_ack(b->pc) > 255)
            broken("an interrupt has no vector");
}

static void pci_write(struct board *b, uint32_t reg, uint32_t v)
{
    static const uint8_t devfns[] = { 0x00, 0x08, 0x09, 0x0b, 0x10, 0x30 };

    port_write(b->bus, 0xcf8, 0x80000000u | (uint32_t)devfns[(reg >> 8) % ARRAY_SIZE(devfns)] << 8 | (reg & 0xfc), 4);
    port_write(b->bus, 0xcfc, v, 4);
}

static void draw(struct vga *vga, unsigned *width, unsigned *height)
{
    uint32_t *pixels;

    vga_size(vga, width, height);
    if (!*width || !*height || *width > VGA_MAX_WIDTH || *height > VGA_MAX_HEIGHT)
        broken("a picture of no size, or too large");
    pixels = malloc((size_t)*width * *height * sizeof *pixels); /* so that a pixel too far is seen */
    vga_render(vga, pixels, *width, *height, *width * sizeof *pixels);
    free(pixels);
}

static void step(struct board *b, struct input *in)
{
    static const char *const keys[] = { "a", "shift", "pause", "print", "esc", "f12" };
    unsigned op = take(in, 1), size = 1u << (op >> 6) % 3, n;
    uint16_t port;
    gpa_t gpa;
    uint32_t v;
    unsigned width, height;

    switch (op & 31) {
    default:
        port = port_of(in);
        port_write(b->bus, port, take(in, size), size);
        break;
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17: port_read(b->bus, port_of(in), size); break;
    case 18:
    case 19:
    case 20:
        gpa = address_of(b, in);
        access_memory(b, gpa, take(in, 4), size == 1 && op & 32 ? 8 : size, true);
        break;
    case 21: access_memory(b, address_of(b, in), 0, size == 1 && op & 32 ? 8 : size, false); break;
    case 22:
    case 23: /* a repeated one */
        port = port_of(in);
        for (n = take(in, 1) + (op & 32 ? 512 : 1); n; n--)
            if (op & 1)
                port_write(b->bus, port, (uint32_t)(n * 0x1234567), size);
            else
                port_read(b->bus, port, size);
        break;
    case 24: pass_time(b, take(in, 3) % NS_MAX); break;
    case 25: pass_time(b, take(in, 1)); break;
    case 26:
        v = take(in, 2);
        pci_write(b, v, take(in, 4));
        break;
    case 27: /* what devices read by DMA */
        v = take(in, 3) % (RAM - 16);
        for (n = 0; n < 16; n++)
            ram[v + n] = (uint8_t)take(in, 1);
        break;
    case 28:
        v = take(in, 1);
        pc_key_event(b->pc, keys[v % ARRAY_SIZE(keys)], v & 0x80);
        break;
    case 29:
        v = take(in, 3);
        pc_mouse_event(b->pc, (int8_t)v, (int8_t)(v >> 8), (int)(v >> 20 & 3) - 1, v >> 16 & 7);
        break;
    case 30: take_interrupts(b); break;
    case 31:
        v = take(in, 1);
        if (v < 8)
            pc_reset(b->pc);
        else if (v < 16)
            pc_powerdown(b->pc);
        else if (v < 128 && pc_vga(b->pc))
            draw(pc_vga(b->pc), &width, &height);
        else
            pc_nmi(b->pc);
    }
}

/* Say which device's state is another, and where. */
static void differs(const struct state_buf *one, const struct state_buf *two) __attribute__((noreturn));

static void differs(const struct state_buf *one, const struct state_buf *two)
{
    size_t at, n, from, to = 0;

    for (at = 0; at < one->len && at < two->len && one->data[at] == two->data[at]; at++)
        ;
    /* each device: its name and its kind's, each after a byte of length; version and length; fields */
    for (n = 0; n < one->len && one->data[n] && n <= at; n = to) {
        from = n + 1 + one->data[n];
        from += 1 + one->data[from] + 8;
        to = from + load32(one->data + from - 4);
        if (to > at)
            fprintf(stderr, "callgate fuzz: %.*s differs at offset %zu\n", one->data[n],
                    (const char *)one->data + n + 1, at - from);
    }
    broken("the state loaded is another than the one saved");
}

/* What is saved and loaded again is the same. */
static void save_and_load(struct board *b)
{
    struct state_buf one = { 0 }, two = { 0 };
    const char *err = "no reason";

    if (bus_save(b->bus, &one))
        broken("the state cannot be saved");
    if (bus_load(b->bus, one.data, one.len, &err))
        broken(err);
    if (bus_save(b->bus, &two))
        broken("the state cannot be saved again");
    if (one.len != two.len || memcmp(one.data, two.data, one.len))
        differs(&one, &two);
    state_buf_free(&one);
    state_buf_free(&two);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    unsigned n;

    (void)argc, (void)argv;
    arena = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (n = 0; n < IMAGES; n++) {
        image_fd[n] = memfd_create("image", MFD_CLOEXEC);
        if (image_fd[n] < 0)
            broken("no memory for images");
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct board b = { 0 };
    struct pc_config cfg;
    struct input in = { data, size };
    const char *wrong;
    uint8_t settings;
    uint64_t ram_size;
    unsigned n;

    b.map = memmap_create(RAM, RAM);
    if (!b.map)
        broken("no memory for a map");
    ram = memmap_ram(b.map, &ram_size);
    settings = (uint8_t)take(&in, 1);
    board_create(&b, settings, &cfg);
    for (n = 0; n < STEPS && in.left; n++) {
        step(&b, &in);
        wrong = bus_check(b.bus);
        if (wrong)
            broken(wrong);
    }
    if (settings & 8)
        save_and_load(&b);
    board_destroy(&b, &cfg);
    memmap_destroy(b.map);
    return 0;
}
