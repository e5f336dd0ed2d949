/* options.h - the command line, parsed.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_OPTIONS_H
#define UI_OPTIONS_H

#include "cpu/engine.h"

#define MAX_DRIVES 6 /* four IDE units, two floppies */

enum drive_unit { DRIVE_IDE0, DRIVE_FLOPPY0 = 4 };

struct drive_option {
    const char *file;
    bool present;
    bool cdrom;
    bool readonly;
    bool snapshot;
    bool raw; /* format=raw was given */
};

struct options {
    uint64_t ram_size;
    const struct cpu_model *cpu;
    const struct engine_class *engine;
    const char *engine_options;
    const char *plugin[8];
    unsigned plugin_count;
    const char *bios, *lib_dir, *kernel, *initrd, *append, *name, *log_file;
    const char *boot_order, *boot_once;
    bool boot_menu;
    struct drive_option drive[MAX_DRIVES];
    bool snapshot, nographic, stopped, no_reboot, no_shutdown, vga;
    const char *display; /* NULL: default */
    const char *serial[4];
    unsigned serial_count;
    const char *monitor; /* NULL: default */
    const char *debugcon, *bios_log;
    bool sandbox, sandbox_asked; /* asked: it was named, so that it must work */
    const char *sandbox_dirs;    /* DIR[:DIR...]: where the monitor opens files; NULL: not given */
    bool no_hpet;
    bool debug_exit;
    uint16_t debug_exit_base;
    int icount_shift; /* -1: real time */
    bool rtc_set;
    int64_t rtc_base;
    char **owned; /* copies made while parsing */
    unsigned owned_count;
};

/* Parse. Returns 0; 1 if something was printed and the program should end with success (--help);
 * -EINVAL after one line on stderr that says what is wrong and what to do. */
int options_parse(struct options *o, int argc, char **argv);
void options_free(struct options *o);

/* Print the option table for people, and as a manual page. */
void options_help(FILE *f);
void options_man(FILE *f);

#endif
