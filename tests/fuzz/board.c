/* board.c - the board of board.h, and the loop that all fuzzers of devices run.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

#include <sys/mman.h>
#include <unistd.h>

enum { BIOS = 128 << 10, IMAGES = 4, ARENA = 20 << 20 };

#define IRQS_MAX 64 /* acknowledged after one step */

static uint8_t *arena;
static int image_fd[IMAGES];
static const size_t image_size[IMAGES] = { 1440 << 10, 4 << 20, 1 << 20, 720 << 10 };

void access_memory(struct board *b, gpa_t gpa, uint64_t v, unsigned size, bool write)
{
    if (write)
        memmap_write(b->map, gpa, &v, size);
    else
        memmap_read(b->map, gpa, &v, size);
}

gpa_t mapped_address(struct board *b, unsigned n, uint32_t offset)
{
    const struct mapped *m = b->map->count ? &b->map->mapped[n % b->map->count] : NULL;

    return m ? m->gpa + offset % m->size : offset;
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

/* The path of an empty image: what another input wrote is gone. */
static void image_path(unsigned n, char path[40])
{
    if (ftruncate(image_fd[n], 0) || ftruncate(image_fd[n], (off_t)image_size[n]))
        broken("no memory for images");
    snprintf(path, 40, "/proc/self/fd/%d", image_fd[n]);
}

static struct block *open_image(unsigned n)
{
    char path[40];
    char err[256];

    image_path(n, path);
    struct block *b = block_open(path, n == 2 ? BLOCK_READONLY : 0, err, sizeof err);
    if (!b)
        broken(err);
    return b;
}

void change_image(struct block *b, unsigned n, bool eject)
{
    char path[40];
    char err[256];

    block_eject(b); /* first: an image is for one drive */
    if (eject)
        return;
    image_path(n, path);
    if (block_change(b, path, n == 2 ? BLOCK_READONLY : 0, err, sizeof err))
        broken(err);
}

static void board_create(struct board *b, uint8_t settings)
{
    static uint8_t bios[BIOS];
    struct pc_config *cfg = &b->cfg;
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
        .vga = settings & FUZZ_VGA ? 1 : 0,
    };
    cfg->serial[0] = chardev_open(b->ev, "ringbuf", err, sizeof err);
    cfg->serial[1] = chardev_open(b->ev, "null", err, sizeof err);
    if (settings & FUZZ_FLOPPY) {
        cfg->floppy[0] = open_image(0);
        cfg->floppy[1] = block_open_empty();
    }
    if (settings & FUZZ_DISK) {
        cfg->ide[0] = open_image(1);
        cfg->ide_sectors[0] = block_sectors(cfg->ide[0]);
    }
    if (settings & FUZZ_CDROM) {
        cfg->ide[2] = open_image(2);
        cfg->ide_cdrom[2] = true;
    }
    b->pc = pc_create(cfg, err, sizeof err);
    if (!b->pc)
        broken(err);
    b->bus = pc_bus(b->pc);
}

static void board_destroy(struct board *b)
{
    struct pc_config *cfg = &b->cfg;
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

uint32_t take(struct input *in, unsigned bytes)
{
    uint32_t v = 0;
    unsigned n;

    for (n = 0; n < bytes && in->left; n++, in->left--)
        v |= (uint32_t)*in->p++ << (8 * n);
    return v;
}

void out8(struct board *b, uint16_t port, uint8_t v) { port_write(b->bus, port, v, 1); }

uint8_t in8(struct board *b, uint16_t port) { return (uint8_t)port_read(b->bus, port, 1); }

void pass_time(struct board *b, tick_t ns)
{
    tick_t end = b->now + ns;

    while (clock_next_deadline(&b->clock) <= end) {
        tick_t at = clock_next_deadline(&b->clock);

        b->now = at > b->now ? at : b->now;
        clock_run_expired(&b->clock);
    }
    b->now = end;
}

void take_interrupts(struct board *b)
{
    unsigned n;

    for (n = 0; n < IRQS_MAX && b->intr; n++)
        if (pc_intr_ack(b->pc) > 255)
            broken("an interrupt has no vector");
}

void draw(struct vga *vga, unsigned *width, unsigned *height)
{
    uint32_t *pixels;

    vga_size(vga, width, height);
    if (!*width || !*height || *width > VGA_MAX_WIDTH || *height > VGA_MAX_HEIGHT)
        broken("a picture of no size, or too large");
    pixels = malloc((size_t)*width * *height * sizeof *pixels); /* so that a pixel too far is seen */
    vga_render(vga, pixels, *width, *height, *width * sizeof *pixels);
    free(pixels);
}

/* What is saved and loaded again is the same. */
void save_and_load(struct board *b)
{
    struct state_buf one = { 0 }, two = { 0 };
    struct state_report report;

    if (bus_save(b->bus, &one))
        broken("the state cannot be saved");
    if (bus_load(b->bus, one.data, one.len, &report))
        broken(report.error);
    if (bus_save(b->bus, &two))
        broken("the state cannot be saved again");
    if (one.len != two.len || memcmp(one.data, two.data, one.len)) {
        state_stream_diff(&one, &two, stderr);
        broken("the state loaded is another than the one saved");
    }
    state_buf_free(&one);
    state_buf_free(&two);
}

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
    struct input in = { data, size };
    const char *wrong;
    uint8_t settings;
    uint64_t ram_size;
    unsigned n;

    b.map = memmap_create(RAM, RAM);
    if (!b.map)
        broken("no memory for a map");
    b.ram = memmap_ram(b.map, &ram_size);
    settings = (uint8_t)((take(&in, 1) & fuzz_device.choice) | fuzz_device.always);
    board_create(&b, settings);
    if (fuzz_device.begin)
        fuzz_device.begin(&b);
    for (n = 0; n < fuzz_device.steps && in.left; n++) {
        fuzz_device.step(&b, &in);
        wrong = bus_check(b.bus);
        if (wrong)
            broken(wrong);
    }
    if (settings & FUZZ_SAVE)
        save_and_load(&b);
    board_destroy(&b);
    memmap_destroy(b.map);
    return 0;
}
