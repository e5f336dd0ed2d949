/* callgate.h - virtual machines as a library: everything that a program needs to run some.
 *
 *     struct vm_config cfg;
 *     struct vm *vm;
 *
 *     vm_config_init(&cfg);
 *     cfg.drive[VM_FLOPPY0] = (struct vm_drive){ .file = "dos.img", .present = true };
 *     if (!vm_create(&cfg, &vm) && !vm_start(vm))
 *         status = vm_run(vm);
 *     vm_destroy(vm);
 *
 * A machine runs on the thread that calls vm_run(); vm_quit() and vm_reset() may be called by any thread, all else by
 * that one, or between runs. Several machines may live in one process, each on a thread of its own. What
 * cannot be had of the host is said in one line on stderr.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef VM_CALLGATE_H
#define VM_CALLGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct cpu_model;
struct engine_class;
struct vm;

/* Drives as they are numbered: four IDE units, two floppies. */
#define VM_DRIVES 6
enum { VM_IDE0, VM_FLOPPY0 = 4 };

struct vm_drive {
    const char *file; /* NULL or "": no medium */
    bool present;
    bool cdrom;
    bool readonly;
    bool snapshot;
    bool raw; /* it is a raw image whatever it looks like */
};

/* What the machine is made of. Strings must live as long as it. */
struct vm_config {
    uint64_t ram_size;
    const struct cpu_model *cpu;
    const struct engine_class *engine;
    const char *engine_options; /* as behind -accel NAME, or NULL */
    const char *plugin[8];
    unsigned plugin_count;
    const char *bios, *lib_dir, *kernel, *initrd, *append;
    const char *boot_order, *boot_once;
    bool boot_menu;
    struct vm_drive drive[VM_DRIVES];
    bool snapshot; /* all drives */
    bool stopped, no_reboot, no_shutdown;
    bool vga;
    bool nographic;        /* serial port and monitor share the terminal unless they are given */
    const char *serial[4]; /* as behind -serial; NULL: none, and "null" for the first */
    unsigned serial_count;
    const char *monitor; /* its chardev; NULL: the default */
    const char *debugcon, *bios_log;
    bool no_hpet;
    bool debug_exit;
    uint16_t debug_exit_base;
    int icount_shift; /* time passes by 2^N ns an instruction; -1: with the host's clock */
    bool rtc_set;
    int64_t rtc_base;
};

/* 128 MiB, the CPU "max" and the first engine that can run, VGA, nothing else. */
void vm_config_init(struct vm_config *cfg);

/* For cfg.cpu and cfg.engine, by the names of -cpu and -accel; NULL: there is none of that name. */
const struct cpu_model *vm_cpu_model(const char *name);
const struct engine_class *vm_engine(const char *name);

/* Put a machine together. Returns 0, or -errno after one line on stderr; then vm_destroy() takes what there is. */
int vm_create(const struct vm_config *cfg, struct vm **vm);
void vm_destroy(struct vm *vm);
/* Start what runs beside it: before the first run. Returns 0, or -errno after one line on stderr. */
int vm_start(struct vm *vm);

/* Run until the guest or the user ends it; returns the exit status. vm_run_to: or until so many instructions have
 * been executed in all (exactly, with icount_shift); -1: they have, and it goes on with the next call. */
int vm_run(struct vm *vm);
int vm_run_to(struct vm *vm, uint64_t instructions);
uint64_t vm_instructions(const struct vm *vm);

/* Ask for the end, or a reset, between two instructions. From any thread, and from signal handlers. */
void vm_quit(struct vm *vm);
void vm_reset(struct vm *vm);
/* Let it stand still, or go on. */
void vm_pause(struct vm *vm, bool on);

/* Take what the guest has sent by serial port n since the last call, for cfg.serial[n] = "ringbuf[:SIZE]" (what has
 * no room there is lost, the oldest first). Returns the bytes copied to buf, at most len. */
size_t vm_serial_read(struct vm *vm, unsigned n, void *buf, size_t len);
/* The screen in text mode, a line a row; false: it shows graphics. */
bool vm_screen_text(struct vm *vm, FILE *f);
/* A key by its name in QEMU ("a", "ret", "shift"). Returns false if there is none of that name. */
bool vm_key(struct vm *vm, const char *name, bool down);

#endif
