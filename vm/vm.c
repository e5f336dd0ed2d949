/* vm.c - a machine put together and taken apart again.
 *
 * Everything of it runs on one thread; the event loop's waiter thread only raises EVENT_KICK.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/vm.h"

#include "debug/disas.h"
#include "debug/plugin.h"
#include "vm/engines.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int vm_fail(const char *what)
{
    fprintf(stderr, "callgate: %s\n", what);
    return -EINVAL;
}

static void request(void *opaque, enum reset_kind kind, int code) { vm_request(opaque, kind, code); }

static void engine_ended(void *opaque, int status) { vm_request(opaque, RESET_EXIT, status); }

/* -icount: a timer has been set for an earlier time than this stretch of instructions ends at. */
static void icount_deadline_moved(void *opaque, tick_t deadline)
{
    struct vm *m = opaque;

    (void)deadline;
    cpu_set_event(m->cpu, EVENT_KICK);
}

static tick_t icount_now(void *opaque)
{
    struct vm *m = opaque;

    return cpu_icount(m->cpu) << m->cfg.icount_shift;
}

static void post_mortem(void *opaque, FILE *f)
{
    struct vm *m = opaque;

    cpu_dump(m->cpu, f);
    cpu_dump_exceptions(m->cpu, f);
}

/* What an engine takes of the address space beside the guest's memory, generously: the translator has one
 * table by EIP, caches and tables, the interpreter its blocks; lockstep has both, and a second memory. */
static uint64_t engine_space(const struct vm_config *o)
{
    const uint64_t mib = 1 << 20;

    if (o->engine == &interp_engine)
        return 160 * mib;
    if (!strcmp(o->engine->name, "lockstep"))
        return (18 << 10) * mib + o->ram_size;
    return (17 << 10) * mib + 768 * mib;
}

/* Ask for all of it at once and give it back: what fails for want of it later may have no way to say so. */
static int check_space(const struct vm_config *o)
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

void vm_config_init(struct vm_config *cfg)
{
    unsigned n;

    *cfg = (struct vm_config){ .ram_size = 128 << 20, .cpu = cpu_model_find("max"), .vga = true, .icount_shift = -1 };
    for (n = 0; engines[n + 1] && engines[n]->available && !engines[n]->available(); n++)
        ;
    cfg->engine = engines[n];
}

const struct cpu_model *vm_cpu_model(const char *name) { return cpu_model_find(name); }

const struct engine_class *vm_engine(const char *name) { return engine_find(engines, name); }

static int put_together(struct vm *m)
{
    const struct vm_config *o = &m->cfg;
    struct pc_config cfg = { 0 };
    struct pc_rom_file roms[2];
    char err[512];
    int rc;

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
    m->cpu = cpu_create(o->cpu, engine_tail(engines));
    if (!m->cpu)
        return vm_fail("no memory for the CPU's state; raise ulimit -v");
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
        return vm_fail("no memory for the TLB; raise ulimit -v or use a smaller -m");
    vm_wire_cpu(m);
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
    cfg.map = m->map;
    cfg.cpu = vm_cpu_pins(m);
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
    rc = vm_load_files(m, &cfg, roms);
    if (rc)
        return rc;
    rc = vm_open_consoles(m, &cfg);
    if (rc)
        return rc;
    rc = vm_open_drives(m, &cfg);
    if (rc)
        return rc;
    m->pc = pc_create(&cfg, err, sizeof err);
    if (!m->pc) {
        fprintf(stderr, "callgate: %s\n", err);
        return -EINVAL;
    }
    m->cpu->icount_exact = m->cpu->rep_whole = o->icount_shift >= 0;
    for (unsigned n = 0; n < o->plugin_count; n++)
        if (plugin_load(m->cpu, o->plugin[n]))
            return -EINVAL;
    m->env = (struct engine_env){ m->cpu, m->map, engines, disas, engine_ended, m };
    rc = o->engine->create(&m->env, o->engine_options, &m->engine);
    if (rc)
        return rc;
    m->post_mortem = (struct log_post_mortem){ .fn = post_mortem, .opaque = m };
    log_post_mortem_add(&m->post_mortem);
    cpu_reset(m->cpu);
    return 0;
}

int vm_create(const struct vm_config *cfg, struct vm **vm)
{
    *vm = calloc(1, sizeof **vm);
    if (!*vm)
        return vm_fail("out of memory");
    (*vm)->cfg = *cfg;
    return put_together(*vm);
}

/* In the reverse order of creation; first, nobody else may touch the CPU any more. */
void vm_destroy(struct vm *m)
{
    unsigned n;

    if (!m)
        return;
    if (m->ev)
        evloop_stop(m->ev); /* its thread raises events of the CPU */
    engine_destroy(m->engine);
    log_post_mortem_remove(&m->post_mortem);
    if (m->pc)
        pc_destroy(m->pc);
    for (n = 0; n < VM_DRIVES; n++)
        block_close(m->drive[n]);
    if (m->stdio_mux)
        chardev_close(m->stdio_mux);
    for (n = 0; n < m->chardev_count; n++)
        chardev_close(m->chardev[n]);
    for (n = 0; n < m->file_count; n++)
        free(m->files[n]);
    if (m->ev)
        evloop_destroy(m->ev);
    clock_destroy(&m->clock);
    mmu_destroy(m->mmu);
    memmap_destroy(m->map);
    if (m->cpu)
        cpu_destroy(m->cpu);
    free(m);
}
