/* machine.c - puts a machine together and runs it: the only place that knows CPU, mmu, engine and
 * board at once.
 *
 * Everything runs on one thread; the event loop's waiter thread only raises EVENT_KICK.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/machine.h"

#include "cpu/fpu/fpu.h"
#include "hw/boot/multiboot.h"
#include "lockstep/lockstep.h"
#include "ui/confine.h"
#include "debug/disas.h"
#include "ui/files.h"
#include "ui/roms.h"
#include "debug/plugin.h"
#include "ui/sdl.h"
#include "ui/signals.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* --- memory: hw's view onto mmu --- */

/* An MMIO range of the board, as mmu sees it. */
struct mmio_glue {
    const struct mmio_ops *ops;
    void *dev;
};

static uint64_t glue_read(void *opaque, gpa_t offset, unsigned size)
{
    struct mmio_glue *g = opaque;

    return mmio_read(g->ops, g->dev, offset, size);
}

static void glue_write(void *opaque, gpa_t offset, uint64_t v, unsigned size)
{
    struct mmio_glue *g = opaque;

    mmio_write(g->ops, g->dev, offset, v, size);
}

static const struct phys_io glue_io = { glue_read, glue_write };

static int mem_mmio_map(void *opaque, gpa_t gpa, uint64_t size, const struct mmio_ops *ops, void *dev, const char *name)
{
    struct machine *m = opaque;
    struct mmio_glue *g = malloc(sizeof *g);

    if (!g)
        return -ENOMEM;
    g->ops = ops;
    g->dev = dev;
    return memmap_add(m->map, gpa, size, NULL, true, &glue_io, g, name);
}

static void mem_mmio_unmap(void *opaque, gpa_t gpa, uint64_t size)
{
    struct machine *m = opaque;

    (void)size;
    free(memmap_remove(m->map, gpa)); /* the glue of an MMIO range; RAM has none */
}

static int mem_ram_map(void *opaque, gpa_t gpa, uint64_t size, void *host, unsigned flags, const char *name)
{
    struct machine *m = opaque;

    return memmap_add(m->map, gpa, size, host, !(flags & BUS_RAM_READONLY), NULL, NULL, name);
}

static void mem_pam_set(void *opaque, gpa_t gpa, uint64_t size, bool read_ram, bool write_ram)
{
    struct machine *m = opaque;

    memmap_set_pam(m->map, gpa, size, read_ram, write_ram);
}

static void mem_smram_set(void *opaque, bool open)
{
    struct machine *m = opaque;

    memmap_set_smram(m->map, open);
}

static void mem_a20_set(void *opaque, bool enabled)
{
    struct machine *m = opaque;

    memmap_set_a20(m->map, enabled);
}

static void mem_dma_read(void *opaque, gpa_t gpa, void *buf, size_t len)
{
    struct machine *m = opaque;

    memmap_read(m->map, gpa, buf, len);
}

static void mem_dma_write(void *opaque, gpa_t gpa, const void *buf, size_t len)
{
    struct machine *m = opaque;

    memmap_write(m->map, gpa, buf, len);
}

static const struct bus_mem_ops mem_ops = {
    .mmio_map = mem_mmio_map,
    .mmio_unmap = mem_mmio_unmap,
    .ram_map = mem_ram_map,
    .ram_unmap = mem_mmio_unmap,
    .pam_set = mem_pam_set,
    .smram_set = mem_smram_set,
    .a20_set = mem_a20_set,
    .dma_read = mem_dma_read,
    .dma_write = mem_dma_write,
};

/* --- the CPU's view onto the board --- */

static uint32_t cpu_in(void *opaque, uint16_t port, unsigned size)
{
    struct machine *m = opaque;

    return port_read(pc_bus(m->pc), port, size);
}

static void cpu_out(void *opaque, uint16_t port, uint32_t v, unsigned size)
{
    struct machine *m = opaque;

    port_write(pc_bus(m->pc), port, v, size);
}

static int cpu_intr_ack(void *opaque)
{
    struct machine *m = opaque;

    return pc_intr_ack(m->pc);
}

static tick_t cpu_now(void *opaque)
{
    struct machine *m = opaque;

    return clock_now(&m->clock);
}

static uint64_t cpu_apic_base_read(void *opaque)
{
    struct machine *m = opaque;

    return pc_apic_base_read(m->pc);
}

static bool cpu_apic_base_write(void *opaque, uint64_t v)
{
    struct machine *m = opaque;

    return pc_apic_base_write(m->pc, v);
}

static void cpu_ferr(void *opaque, int level)
{
    struct machine *m = opaque;

    pc_set_ferr(m->pc, level);
}

static const struct cpu_bus cpu_bus = {
    .in = cpu_in,
    .out = cpu_out,
    .intr_ack = cpu_intr_ack,
    .now = cpu_now,
    .apic_base_read = cpu_apic_base_read,
    .apic_base_write = cpu_apic_base_write,
    .ferr = cpu_ferr,
};

static void pin_intr(void *opaque, int level)
{
    struct machine *m = opaque;

    if (level)
        cpu_set_event(m->cpu, EVENT_INTR);
    else
        cpu_clear_event(m->cpu, EVENT_INTR);
}

static void pin_nmi(void *opaque)
{
    struct machine *m = opaque;

    cpu_set_event(m->cpu, EVENT_NMI);
}

static void pin_init(void *opaque)
{
    struct machine *m = opaque;

    cpu_set_event(m->cpu, EVENT_RESET);
}

static void pin_ignne(void *opaque)
{
    struct machine *m = opaque;

    fpu_ignore_error(m->cpu);
}

/* --- requests and time --- */

void machine_request(struct machine *m, enum reset_kind kind, int code)
{
    m->reset_kind = (int)kind;
    m->reset_code = code;
    cpu_set_event(m->cpu, EVENT_KICK);
    evloop_notify(m->ev);
}

static void request(void *opaque, enum reset_kind kind, int code) { machine_request(opaque, kind, code); }

static void lockstep_ended(void *opaque, int status) { machine_request(opaque, RESET_EXIT, status); }

static void quit(void *opaque) { machine_request(opaque, RESET_QUIT, 0); }

static void end_now(void *opaque)
{
    chardev_hurry();
    quit(opaque);
}

/* -icount: a timer has been set for an earlier time than this stretch of instructions ends at. */
static void icount_deadline_moved(void *opaque, tick_t deadline)
{
    struct machine *m = opaque;

    (void)deadline;
    cpu_set_event(m->cpu, EVENT_KICK);
}

static void kick(void *opaque)
{
    struct machine *m = opaque;

    cpu_set_event(m->cpu, EVENT_KICK);
}

static tick_t icount_now(void *opaque)
{
    struct machine *m = opaque;

    return cpu_icount(m->cpu) << m->opt->icount_shift;
}

/* --- creation --- */

static int fail(const char *what)
{
    fprintf(stderr, "callgate: %s\n", what);
    return -EINVAL;
}

#define FIRMWARE_MAX (16u << 20)

static void *keep_file(struct machine *m, const char *path, const char *what, uint64_t limit, size_t *size)
{
    void *p;

    BUG_ON(m->file_count == ARRAY_SIZE(m->files));
    p = file_read(path, what, limit, size);
    if (p)
        m->files[m->file_count++] = p;
    return p;
}

static void *firmware(struct machine *m, const char *name, size_t *size)
{
    const char *path = firmware_find(m->opt->lib_dir, name);

    if (!path) {
        fprintf(stderr,
                "callgate: firmware '%s' not found; install it (apt install seabios) or "
                "give its folder with -L\n",
                name);
        return NULL;
    }
    return keep_file(m, path, "firmware", FIRMWARE_MAX, size);
}

static struct chardev *open_chardev(struct machine *m, const char *spec)
{
    char err[256];
    struct chardev *c;

    if (!strcmp(spec, "stdio") && m->stdio_mux)
        return chardev_mux_front(m->stdio_mux, "serial");
    c = chardev_open(m->ev, spec, err, sizeof err);
    if (!c)
        fprintf(stderr, "callgate: %s\n", err);
    else if (m->chardev_count < ARRAY_SIZE(m->chardev))
        m->chardev[m->chardev_count++] = c;
    return c;
}

/* The terminal, shared with Ctrl-A keys. */
static struct chardev *open_mux(struct machine *m)
{
    char err[256];
    struct chardev *back;

    if (m->stdio_mux)
        return m->stdio_mux;
    back = chardev_open(m->ev, "stdio", err, sizeof err);
    if (!back) {
        fprintf(stderr, "callgate: %s\n", err);
        return NULL;
    }
    m->stdio_mux = chardev_is_mux(back) ? back : chardev_mux_open(back);
    chardev_mux_on_quit(m->stdio_mux, quit, m);
    return m->stdio_mux;
}

/* Serial ports and the monitor, by -serial, -monitor and -nographic. */
static int open_consoles(struct machine *m, struct pc_config *cfg)
{
    const struct options *o = m->opt;
    const char *serial[4] = { o->serial[0], o->serial[1], o->serial[2], o->serial[3] };
    const char *monitor = o->monitor;
    unsigned n;

    if (o->nographic && !serial[0])
        serial[0] = "mon:stdio";
    for (n = 0; n < 4; n++) {
        if (!serial[n] || !strcmp(serial[n], "none"))
            continue;
        if (!strcmp(serial[n], "mon:stdio")) {
            if (!open_mux(m))
                return -EINVAL;
            cfg->serial[n] = chardev_mux_front(m->stdio_mux, "serial");
            if (!monitor) {
                m->monitor_chr = chardev_mux_front(m->stdio_mux, "monitor");
                m->monitor_shared = true;
            }
        } else {
            cfg->serial[n] = open_chardev(m, serial[n]);
        }
        if (!cfg->serial[n])
            return -EINVAL;
    }
    if (!serial[0])
        cfg->serial[0] = open_chardev(m, "null");
    if (monitor && strcmp(monitor, "none")) {
        m->monitor_chr = open_chardev(m, monitor);
        if (!m->monitor_chr)
            return -EINVAL;
    }
    if (o->debugcon) {
        cfg->debugcon_e9 = open_chardev(m, o->debugcon);
        if (!cfg->debugcon_e9)
            return -EINVAL;
    }
    if (o->bios_log) {
        cfg->debugcon_402 = open_chardev(m, o->bios_log);
        if (!cfg->debugcon_402)
            return -EINVAL;
    }
    return 0;
}

static int load_files(struct machine *m, struct pc_config *cfg, struct pc_rom_file *roms)
{
    const struct options *o = m->opt;

    if (o->bios) {
        const char *found = access(o->bios, R_OK) == 0 ? NULL : firmware_find(o->lib_dir, o->bios);

        cfg->bios = keep_file(m, found ? found : o->bios, "firmware", FIRMWARE_MAX, &cfg->bios_size);
    } else {
        cfg->bios = firmware(m, "bios-256k.bin", &cfg->bios_size);
    }
    if (!cfg->bios)
        return -EINVAL;
    if (cfg->bios_size < 64 << 10 || cfg->bios_size > 16 << 20 || cfg->bios_size % PAGE_SIZE)
        return fail("the firmware image must have 64 KiB to 16 MiB, in whole pages; check -bios");
    if (o->vga) {
        roms[0].name = "pci1234,1111.rom"; /* this name lets it learn its PCI address */
        roms[0].data = firmware(m, "vgabios-stdvga.bin", &roms[0].len);
        if (!roms[0].data)
            return -EINVAL;
        cfg->rom_file_count++;
    }
    if (o->kernel) {
        cfg->kernel = keep_file(m, o->kernel, "kernel", o->ram_size, &cfg->kernel_size);
        if (!cfg->kernel)
            return -EINVAL;
        if (multiboot_probe(cfg->kernel, cfg->kernel_size))
            roms[cfg->rom_file_count++] =
                (struct pc_rom_file){ "genroms/multiboot.bin", rom_multiboot, rom_multiboot_end - rom_multiboot };
        else
            roms[cfg->rom_file_count++] =
                (struct pc_rom_file){ "genroms/linuxboot.bin", rom_linuxboot, rom_linuxboot_end - rom_linuxboot };
        cfg->kernel_name = o->kernel;
        cfg->cmdline = o->append ? o->append : "";
        cfg->initrd_arg = o->initrd;
        /* for Multiboot it is a list of modules, which the loader reads */
        if (o->initrd && !multiboot_probe(cfg->kernel, cfg->kernel_size)) {
            cfg->initrd = keep_file(m, o->initrd, "initrd", o->ram_size, &cfg->initrd_size);
            if (!cfg->initrd)
                return -EINVAL;
        }
    }
    return 0;
}

/* The images of the drives. */
static int open_drives(struct machine *m, struct pc_config *cfg)
{
    const struct options *o = m->opt;
    char err[512];
    unsigned n;

    for (n = 0; n < MAX_DRIVES; n++) {
        const struct drive_option *d = &o->drive[n];
        bool floppy = n >= DRIVE_FLOPPY0;
        unsigned flags = d->readonly || d->cdrom ? BLOCK_READONLY : 0;

        if (!d->present)
            continue;
        if (d->snapshot || o->snapshot)
            flags |= BLOCK_SNAPSHOT;
        if (floppy)
            flags |= BLOCK_MAY_PROTECT | BLOCK_ODD_SIZE;
        if (d->raw)
            flags |= BLOCK_RAW;
        m->drive[n] = d->file && *d->file ? block_open(d->file, flags, err, sizeof err) : block_open_empty();
        if (!m->drive[n]) {
            fprintf(stderr, "callgate: %s\n", d->file && *d->file ? err : "out of memory");
            return -EINVAL;
        }
        if (m->drive[n]->looks_like)
            fprintf(stderr,
                    "callgate: image '%s' looks like %s, and is used as a raw image (format=raw "
                    "says that it is): %s\n",
                    d->file, m->drive[n]->looks_like->what, m->drive[n]->looks_like->advice);
        if (floppy) {
            cfg->floppy[n - DRIVE_FLOPPY0] = m->drive[n];
            continue;
        }
        if (!d->cdrom && !block_present(m->drive[n]))
            return fail("a hard disk needs an image; give file=IMAGE, or media=cdrom");
        cfg->ide[n] = m->drive[n];
        cfg->ide_cdrom[n] = d->cdrom;
        cfg->ide_sectors[n] = block_sectors(m->drive[n]);
    }
    return 0;
}

/* A window if there is a display to open it on, unless the options say otherwise. */
static int open_display(struct machine *m)
{
    const struct options *o = m->opt;
    const char *kind = o->display;

    if (!kind && o->nographic)
        kind = "none";
    if (!kind && !getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY")) {
        kind = "none";
        if (!o->serial_count && !o->monitor)
            fprintf(stderr, "callgate: there is no display for a window; -nographic puts the serial "
                            "port and the monitor on this terminal\n");
    }
    return kind && !strcmp(kind, "none") ? 0 : sdl_start(m);
}

static struct machine *post_mortem_machine;

static void post_mortem(FILE *f)
{
    struct machine *m = post_mortem_machine;

    cpu_dump(m->cpu, f);
    cpu_dump_exceptions(m->cpu, f);
}

/* What an engine takes of the address space beside the guest's memory, generously: the translator has one
 * table by EIP, caches and tables, the interpreter its blocks; lockstep has both, and a second memory. */
static uint64_t engine_space(const struct options *o)
{
    const uint64_t mib = 1 << 20;

    if (o->engine == &interp_engine)
        return 160 * mib;
    if (o->engine == &lockstep_engine)
        return (18 << 10) * mib + o->ram_size;
    return (17 << 10) * mib + 768 * mib;
}

/* Ask for all of it at once and give it back: what fails for want of it later may have no way to say so. */
static int check_space(const struct options *o)
{
    uint64_t need = o->ram_size + engine_space(o) + (32 << 20);
    void *p = mmap(NULL, need, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        fprintf(stderr,
                "callgate: no address space: -accel %s with -m %lluM takes %llu MiB: %s; raise ulimit -v, or "
                "use %sa smaller -m\n",
                o->engine->name, (unsigned long long)o->ram_size >> 20, (unsigned long long)need >> 20, strerror(errno),
                o->engine == &interp_engine ? "" : "-accel interp or ");
        return -ENOMEM;
    }
    munmap(p, need);
    return 0;
}

int machine_create(struct machine *m, const struct options *o)
{
    struct pc_config cfg = { 0 };
    struct pc_rom_file roms[2];
    char err[512];
    int rc;

    memset(m, 0, sizeof *m);
    m->opt = o;
    m->reset_kind = -1;
    m->paused = o->stopped;
    if (o->ram_size > (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE)) {
        fprintf(stderr, "callgate: -m: %llu MiB is more memory than the host has; use less\n",
                (unsigned long long)o->ram_size >> 20);
        return -ENOMEM;
    }
    rc = check_space(o);
    if (rc)
        return rc;
    m->cpu = cpu_create(o->cpu);
    if (!m->cpu)
        return fail("no memory for the CPU's state; raise ulimit -v");
    m->map = memmap_create(o->ram_size, PC_LOW_RAM_MAX);
    if (!m->map) {
        fprintf(stderr, "callgate: cannot get %llu MiB of memory for the guest: %s; use a smaller -m%s\n",
                (unsigned long long)o->ram_size >> 20, strerror(errno),
                errno == EFBIG    ? " or raise ulimit -f"
                : errno == EMFILE ? " or raise ulimit -n"
                                  : "");
        return -ENOMEM;
    }
    if (o->ram_size > PC_LOW_RAM_MAX)
        fprintf(stderr,
                "callgate: -m: %llu MiB of the memory are above 4 GiB, where only guests that use PAE "
                "reach them\n",
                (unsigned long long)(o->ram_size - PC_LOW_RAM_MAX) >> 20);
    m->mmu = mmu_create(m->cpu, m->map);
    if (!m->mmu)
        return fail("no memory for the TLB; raise ulimit -v or use a smaller -m");
    m->cpu->bus = &cpu_bus;
    m->cpu->bus_opaque = m;
    clock_init(&m->clock, o->icount_shift >= 0 ? icount_now : NULL, m);
    /* -icount: always the same date, so that a run repeats */
    m->clock.rtc_base = o->icount_shift >= 0 ? 946684800 : (int64_t)time(NULL);
    if (o->rtc_set)
        m->clock.rtc_base = o->rtc_base;
    m->ev = evloop_create(&m->clock);
    if (!m->ev) {
        fprintf(stderr, "callgate: cannot create the event loop: %s; raise ulimit -n\n", strerror(errno));
        return -EINVAL;
    }
    if (o->icount_shift >= 0) { /* there is no waiter that would want to know */
        m->clock.deadline_moved = icount_deadline_moved;
        m->clock.deadline_opaque = m;
    }

    cfg.ram_size = o->ram_size;
    cfg.mem = &mem_ops;
    cfg.mem_opaque = m;
    cfg.cpu = (struct cpu_pins){ pin_intr, pin_nmi, pin_init, NULL, pin_ignne, m };
    cfg.clock = &m->clock;
    cfg.ev = m->ev;
    cfg.reset_request = request;
    cfg.reset_opaque = m;
    cfg.boot_order = o->boot_order;
    cfg.boot_once = o->boot_once;
    cfg.boot_menu = o->boot_menu;
    cfg.no_hpet = o->no_hpet;
    cfg.debug_exit = o->debug_exit;
    cfg.debug_exit_base = o->debug_exit_base;
    cfg.vga = o->vga;
    cfg.rom_files = roms;
    rc = load_files(m, &cfg, roms);
    if (rc)
        return rc;
    rc = open_consoles(m, &cfg);
    if (rc)
        return rc;
    rc = open_drives(m, &cfg);
    if (rc)
        return rc;
    signals_start(end_now, m); /* nothing waits for anybody from here on */
    m->pc = pc_create(&cfg, err, sizeof err);
    if (!m->pc) {
        fprintf(stderr, "callgate: %s\n", err);
        return -EINVAL;
    }
    m->cpu->icount_exact = m->cpu->rep_whole = o->icount_shift >= 0;
    for (unsigned n = 0; n < o->plugin_count; n++)
        if (plugin_load(m->cpu, o->plugin[n]))
            return -EINVAL;
    lockstep_set_host(&(struct lockstep_host){ m->map, engine_find, disas, lockstep_ended, m });
    rc = o->engine->create(m->cpu, o->engine_options);
    if (rc)
        return rc;
    m->engine_made = true;
    post_mortem_machine = m;
    log_post_mortem = post_mortem;
    cpu_reset(m->cpu);
    if (m->monitor_chr)
        rc = monitor_start(m, m->monitor_chr, m->monitor_shared);
    if (!rc)
        rc = open_display(m);
    return rc;
}

/* In the reverse order of creation; first, nobody else may touch the CPU any more. */
void machine_destroy(struct machine *m)
{
    unsigned n;

    if (m->ev)
        evloop_stop(m->ev); /* its thread raises events of the CPU */
    sdl_stop(m);
    monitor_stop(m);
    if (m->engine_made)
        m->opt->engine->destroy(m->cpu);
    log_post_mortem = NULL;
    if (m->pc)
        pc_destroy(m->pc);
    for (n = 0; n < MAX_DRIVES; n++)
        block_close(m->drive[n]);
    if (m->stdio_mux)
        chardev_close(m->stdio_mux);
    for (n = 0; n < m->chardev_count; n++)
        chardev_close(m->chardev[n]);
    for (n = 0; n < m->file_count; n++)
        free(m->files[n]);
    signals_stop();
    if (m->ev)
        evloop_destroy(m->ev);
    clock_destroy(&m->clock);
    mmu_destroy(m->mmu);
    memmap_destroy(m->map);
    if (m->cpu)
        cpu_destroy(m->cpu);
}

/* --- running --- */

void machine_pause(struct machine *m, bool on)
{
    if (m->paused == on)
        return;
    m->paused = on;
    if (m->opt->icount_shift < 0) {
        if (on)
            clock_pause(&m->clock);
        else
            clock_resume(&m->clock);
    }
    cpu_set_event(m->cpu, EVENT_KICK);
}

static void reset(struct machine *m)
{
    LOG(pm, "machine reset");
    pc_reset(m->pc);
    cpu_reset(m->cpu);
    if (m->opt->engine->state_changed)
        m->opt->engine->state_changed(m->cpu);
}

/* Act on a request of the guest or the user. */
static void handle_request(struct machine *m)
{
    int kind = m->reset_kind;

    m->reset_kind = -1;
    switch (kind) {
    case RESET_SYSTEM:
        if (m->opt->no_reboot)
            m->quit = true;
        else
            reset(m);
        break;
    case RESET_POWEROFF:
        if (m->opt->no_shutdown)
            machine_pause(m, true);
        else
            m->quit = true;
        break;
    case RESET_EXIT:
        m->quit = true;
        m->status = m->reset_code;
        break;
    case RESET_QUIT: m->quit = true; break;
    }
}

static void triple_fault(struct machine *m)
{
    if (log_mask & 1u << LOG_CH_int) {
        fprintf(log_stream(), "triple fault\n");
        cpu_dump(m->cpu, log_stream());
        cpu_dump_exceptions(m->cpu, log_stream());
    }
    m->cpu->shut_down = false;
    m->reset_kind = RESET_SYSTEM;
}

/* Halted: until something happens in real time; with -icount, skip to the next timer. */
static void idle(struct machine *m)
{
    tick_t next;

    if (m->opt->icount_shift < 0) {
        evloop_wait(m->ev, TICK_NEVER);
        return;
    }
    next = clock_next_deadline(&m->clock);
    if (next == TICK_NEVER) {
        evloop_wait(m->ev, TICK_NEVER);
        return;
    }
    clock_skip_to(&m->clock, next);
    evloop_run(m->ev);
}

/* -icount: run no further than the next timer, and than instruction `end`. */
static void set_icount_stop(struct machine *m, uint64_t end)
{
    const uint64_t poll_every = 1 << 20; /* look at the host's descriptors this often */
    tick_t next = clock_next_deadline(&m->clock);
    tick_t now = clock_now(&m->clock);
    uint64_t n = poll_every;
    unsigned shift = (unsigned)m->opt->icount_shift;

    if (next <= now)
        n = 0;
    else if (next != TICK_NEVER && ((next - now) >> shift) + 1 < n)
        n = ((next - now) + (1ull << shift) - 1) >> shift;
    n = n < end - m->cpu->icount ? n : end - m->cpu->icount;
    m->cpu->icount_stop = m->cpu->icount + n;
}

void machine_parts(struct machine *m, struct snapshot_parts *p)
{
    unsigned n = 0;

    m->console[n++] = m->stdio_mux;
    memcpy(&m->console[n], m->chardev, m->chardev_count * sizeof m->console[0]);
    *p = (struct snapshot_parts){ .cpu = m->cpu,
                                  .engine = m->opt->engine,
                                  .map = m->map,
                                  .clock = &m->clock,
                                  .bus = pc_bus(m->pc),
                                  .drive = m->drive,
                                  .drives = MAX_DRIVES,
                                  .console = m->console,
                                  .consoles = n + m->chardev_count };
}

int machine_run(struct machine *m)
{
    bool icount = m->opt->icount_shift >= 0;
    int rc = 0;

    if (m->paused && !icount)
        clock_pause(&m->clock);
    if (confine_paths(m)) /* before there are threads: it is each thread's own */
        return 1;
    signals_move_handlers();
    rc = evloop_start(m->ev, kick, m);
    if (rc) {
        fprintf(stderr, "callgate: cannot start a thread: %s; raise ulimit -u or -v\n", strerror(-rc));
        return 1;
    }
    if (confine_enter(m))
        return 1;
    return machine_run_to(m, UINT64_MAX);
}

int machine_run_to(struct machine *m, uint64_t end)
{
    struct cpu *c = m->cpu;
    bool icount = m->opt->icount_shift >= 0;

    evloop_run(m->ev);
    while (!m->quit && (c->icount < end || m->reset_kind >= 0)) {
        if (m->reset_kind >= 0) {
            handle_request(m);
            continue;
        }
        if (m->paused) {
            cpu_clear_event(c, EVENT_KICK);
            evloop_wait(m->ev, TICK_NEVER);
            continue;
        }
        if (icount)
            set_icount_stop(m, end);
        switch (m->opt->engine->run(c)) {
        case EXIT_KICK:
            cpu_clear_event(c, EVENT_KICK);
            evloop_run(m->ev);
            break;
        case EXIT_ICOUNT: evloop_run(m->ev); break;
        case EXIT_HALT: idle(m); break;
        case EXIT_SHUTDOWN: triple_fault(m); break;
        }
    }
    return m->status;
}
