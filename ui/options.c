/* options.c - parses the command line by options.def, which also makes the help and the man page.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/options.h"
#include "vm/engines.h"

#include "cpu/callout.h"
#include "ui/suboptions.h"

#include <errno.h>
#include <stdlib.h>

enum option_id {
    OPT_NONE,
#define SECTION(title)
#define OPTION(id, name, arg, help) OPT_##id,
#define ALIAS(id, name, arg, help)
#include "ui/options.def"
#undef OPTION
#undef ALIAS
#undef SECTION
};

static const struct {
    enum option_id id;
    const char *name;
    const char *arg;
    const char *help;
} table[] = {
#define SECTION(title)              { OPT_NONE, title, NULL, NULL },
#define OPTION(id, name, arg, help) { OPT_##id, name, arg, help },
#define ALIAS                       OPTION
#include "ui/options.def"
#undef OPTION
#undef ALIAS
#undef SECTION
};

#define ICOUNT_SHIFT 3 /* unless the user says otherwise */

#define fail options_fail /* every line about the command line comes from there */

/* --- help --- */

static void wrap(FILE *f, const char *text, unsigned indent, unsigned width)
{
    unsigned col = indent;

    while (*text) {
        unsigned len = strcspn(text, " ");

        if (col > indent && col + 1 + len > width) {
            fprintf(f, "\n%*s", (int)indent, "");
            col = indent;
        } else if (col > indent) {
            fputc(' ', f);
            col++;
        }
        fwrite(text, 1, len, f);
        col += len;
        text += len + (text[len] == ' ');
    }
    fputc('\n', f);
}

void options_help(FILE *f)
{
    size_t n;

    fprintf(f, "Usage: callgate [options] [disk image]\n"
               "Runs a 32-bit x86 PC and what is installed on it.\n");
    for (n = 0; n < ARRAY_SIZE(table); n++) {
        char head[64];

        if (table[n].id == OPT_NONE) {
            fprintf(f, "\n%s\n", table[n].name);
            continue;
        }
        snprintf(head, sizeof head, "-%s%s%s", table[n].name, table[n].arg ? " " : "",
                 table[n].arg ? table[n].arg : "");
        fprintf(f, "  %-24s", head);
        if (strlen(head) > 23)
            fprintf(f, "\n%26s", "");
        wrap(f, table[n].help, 26, 96);
    }
    fprintf(f, "\nExample: callgate -m 256 -kernel vmlinuz -initrd initrd.gz -append console=ttyS0 "
               "-nographic\n");
}

void options_man(FILE *f)
{
    size_t n;

    fprintf(f, ".TH CALLGATE 1 \"\" \"callgate " CALLGATE_VERSION "\" \"User Commands\"\n"
               ".SH NAME\ncallgate \\- run 32-bit x86 PC operating systems in an ordinary process\n"
               ".SH SYNOPSIS\n.B callgate\n[\\fIoptions\\fR] [\\fIdisk image\\fR]\n"
               ".SH DESCRIPTION\nCallgate emulates a PC with an i440FX chip set and runs unmodified "
               "operating systems on it,\nwithout privileges and without hardware virtualization. "
               "Options follow QEMU's spelling. Of one that is given again, the last counts; drives, serial "
               "ports and\nplug-ins add up.\n.SH OPTIONS\n");
    for (n = 0; n < ARRAY_SIZE(table); n++) {
        if (table[n].id == OPT_NONE)
            fprintf(f, ".SS %s\n", table[n].name);
        else
            fprintf(f, ".TP\n.B \\-%s\\fR %s%s%s\n%s.\n", table[n].name, table[n].arg ? "\\fI" : "",
                    table[n].arg ? table[n].arg : "", table[n].arg ? "\\fR" : "", table[n].help);
    }
    fprintf(f, ".SH EXIT STATUS\n0 when the guest powers off or the user leaves; 1 on a bad option "
               "or file;\n(value << 1) | 1 when the guest writes to isa-debug-exit; 3 when -accel lockstep "
               "finds a difference.\n"
               ".SH EXAMPLE\n.nf\ncallgate -m 256 -kernel vmlinuz -initrd initrd.gz -append "
               "console=ttyS0 -nographic\n.fi\n");
}

/* --- values --- */

/* A copy that lives as long as the options; NULL after a line on stderr. */
static const char *keep(struct options *o, const char *text)
{
    char **more = realloc(o->owned, (o->owned_count + 1) * sizeof *more);
    char *copy = strdup(text);

    if (more)
        o->owned = more;
    if (!copy || !more) {
        free(copy);
        fail("out of memory; raise ulimit -v");
        return NULL;
    }
    return o->owned[o->owned_count++] = copy;
}

void options_free(struct options *o)
{
    while (o->owned_count)
        free(o->owned[--o->owned_count]);
    free(o->owned);
    o->owned = NULL;
}

/* A sub-option that is on or off: *on changes if it is there. */
static int get_switch(const char *option, const char *arg, const char *const *known, const char *name, bool *on)
{
    char v[SUBOPTION_MAX];

    if (suboption(arg, known, name, v) && !parse_switch(v, on))
        return fail("-%s %s=%s: use on or off", option, name, v);
    return 0;
}

/* A sub-option that is a number; *given says whether it is there. */
static int get_number(const char *option, const char *arg, const char *const *known, const char *name, uint64_t min,
                      uint64_t max, bool *given, uint64_t *n)
{
    char v[SUBOPTION_MAX];

    *given = suboption(arg, known, name, v) != NULL;
    if (*given && !parse_number(v, min, max, n))
        return fail("-%s %s=%s: a number from %llu to %llu", option, name, v, (unsigned long long)min,
                    (unsigned long long)max);
    return 0;
}

/* Sub-options that QEMU knows and that are here in one way only: refuse the others. */
static int only(const char *option, const char *arg, const char *const *known, const char *name, const char *way,
                const char *why)
{
    char v[SUBOPTION_MAX];

    if (suboption(arg, known, name, v) && strcmp(v, way))
        return fail("-%s %s=%s: only %s; %s", option, name, v, way, why);
    return 0;
}

static int set_drive(struct options *o, unsigned unit, const char *file, bool cdrom)
{
    struct vm_drive *d = &o->vm.drive[unit];

    if (d->present)
        return fail("two images for the same drive: '%s' and '%s'; give one another place, "
                    "as with -hdb or -drive index=",
                    d->file, file);
    d->present = true;
    d->file = file;
    d->cdrom = cdrom;
    d->readonly = cdrom;
    return 0;
}

static const char *const drive_known[] = { "file",   "if",       "media",    "index", "bus",   "unit",
                                           "format", "readonly", "snapshot", "id",    "cache", NULL };

/* Where -drive puts its image: *fixed if it says so. */
static int drive_place(const char *arg, unsigned count, bool *fixed, unsigned *place)
{
    uint64_t index = 0;
    uint64_t bus = 0;
    uint64_t unit = 0;
    bool has_bus;
    bool has_unit;
    int rc = get_number("drive", arg, drive_known, "index", 0, count - 1, fixed, &index);

    if (!rc)
        rc = get_number("drive", arg, drive_known, "bus", 0, count / 2 - 1, &has_bus, &bus);
    if (!rc)
        rc = get_number("drive", arg, drive_known, "unit", 0, 1, &has_unit, &unit);
    if (rc)
        return rc;
    if (*fixed && (has_bus || has_unit))
        return fail("-drive %s: give index= or bus= and unit=, not both", arg);
    if (has_bus || has_unit)
        index = bus * 2 + unit;
    *fixed |= has_bus || has_unit;
    *place = (unsigned)index;
    return 0;
}

static int parse_drive(struct options *o, const char *arg)
{
    char v[SUBOPTION_MAX];
    unsigned base = VM_IDE0;
    unsigned count = 4;
    unsigned unit = 0;
    bool cdrom = false;
    bool fixed = false;
    bool readonly = false;
    bool snapshot = false;
    const char *file;
    int rc = suboptions_check("drive", arg, drive_known);

    if (rc)
        return rc;
    if (!suboption(arg, drive_known, "file", v))
        return fail("-drive %s: it needs file=IMAGE", arg);
    file = keep(o, v);
    if (!file)
        return -ENOMEM;
    if (suboption(arg, drive_known, "if", v)) {
        if (!strcmp(v, "floppy")) {
            base = VM_FLOPPY0;
            count = 2;
        } else if (strcmp(v, "ide") && strcmp(v, "none")) {
            return fail("-drive if=%s: only ide and floppy are emulated", v);
        }
    }
    if (suboption(arg, drive_known, "media", v)) {
        cdrom = !strcmp(v, "cdrom");
        if (!cdrom && strcmp(v, "disk"))
            return fail("-drive media=%s: use disk or cdrom", v);
        if (cdrom && base == VM_FLOPPY0)
            return fail("-drive %s: a floppy drive takes no CD-ROM; leave out if= or media=", arg);
    }
    rc = only("drive", arg, drive_known, "format", "raw", "other images must be converted: qemu-img convert -O raw");
    if (!rc)
        rc = only("drive", arg, drive_known, "cache", "writeback",
                  "what the guest wants to be on the disk is (FLUSH CACHE, FUA, its write cache)");
    if (!rc)
        rc = get_switch("drive", arg, drive_known, "readonly", &readonly);
    if (!rc)
        rc = get_switch("drive", arg, drive_known, "snapshot", &snapshot);
    if (!rc)
        rc = drive_place(arg, count, &fixed, &unit);
    if (rc)
        return rc;
    if (!fixed) {
        if (cdrom)
            unit = 2;
        while (unit < count && o->vm.drive[base + unit].present)
            unit++;
        if (unit == count)
            return fail("-drive %s: all units of its kind are taken; there are %u", arg, count);
    }
    rc = set_drive(o, base + unit, file, cdrom);
    if (rc)
        return rc;
    o->vm.drive[base + unit].raw = suboption(arg, drive_known, "format", v) != NULL;
    o->vm.drive[base + unit].readonly |= readonly;
    o->vm.drive[base + unit].snapshot = snapshot;
    return 0;
}

/* A boot order: letters of boot devices, none twice. */
static int check_order(const char *name, const char *order)
{
    const char *p;

    if (!*order)
        return fail("-boot %s=: give letters of a (floppy), c (disk), d (CD-ROM), n (network)", name);
    for (p = order; *p; p++) {
        if (!strchr("acdn", *p))
            return fail("-boot %s=%s: '%c' is no boot device; use letters of a (floppy), c (disk), "
                        "d (CD-ROM), n (network)",
                        name, order, *p);
        if (strchr(p + 1, *p))
            return fail("-boot %s=%s: '%c' is there twice", name, order, *p);
    }
    return 0;
}

static int parse_boot(struct options *o, const char *arg)
{
    static const char *const known[] = { "order", "once", "menu", "strict", NULL };
    char v[SUBOPTION_MAX];
    bool strict = false;
    int rc = suboptions_check("boot", arg, known);

    if (!rc && suboption(arg, known, "order", v)) {
        rc = check_order("order", v);
        if (!rc && !(o->vm.boot_order = keep(o, v)))
            rc = -ENOMEM;
    }
    if (!rc && suboption(arg, known, "once", v)) {
        rc = check_order("once", v);
        if (!rc && !(o->vm.boot_once = keep(o, v)))
            rc = -ENOMEM;
    }
    if (!rc)
        rc = get_switch("boot", arg, known, "menu", &o->vm.boot_menu);
    return rc ? rc : get_switch("boot", arg, known, "strict", &strict);
}

static int parse_device(struct options *o, const char *arg)
{
    static const char *const known[] = { "driver", "iobase", "iosize", NULL };
    const char *name = arg + (strncmp(arg, "driver=", 7) ? 0 : 7);
    size_t len = strcspn(name, ",");
    uint64_t base = 0x501;
    uint64_t size;
    bool given;
    int rc;

    if (len != strlen("isa-debug-exit") || memcmp(name, "isa-debug-exit", len))
        return fail("-device %.*s: no such device; isa-debug-exit is the only one", (int)len, name);
    rc = suboptions_check("device", arg, known);
    if (rc)
        return rc;
    rc = get_number("device isa-debug-exit", arg, known, "iobase", 1, 0xfffc, &given, &base);
    if (!rc)
        rc = get_number("device isa-debug-exit", arg, known, "iosize", 1, 4, &given, &size);
    if (rc)
        return rc;
    if (o->vm.debug_exit)
        return fail("-device isa-debug-exit is given twice; there is one");
    o->vm.debug_exit = true;
    o->vm.debug_exit_base = (uint16_t)base;
    return 0;
}

static int parse_accel(struct options *o, const char *arg)
{
    size_t len = strcspn(arg, ",");
    const struct engine_class *const *e;

    if (!strcmp(arg, "help")) {
        for (e = engines; *e; e++)
            printf("%-10s %s\n", (*e)->name, (*e)->text);
        return 1;
    }
    for (e = engines; *e; e++) {
        if (strlen((*e)->name) == len && !memcmp((*e)->name, arg, len)) {
            o->vm.engine = *e;
            o->vm.engine_options = arg[len] ? arg + len + 1 : NULL;
            return 0;
        }
    }
    return fail("-accel %s: no such engine; 'callgate -accel help' lists them", arg);
}

static int parse_cpu(struct options *o, const char *arg)
{
    unsigned n;

    if (!strcmp(arg, "help")) {
        for (n = 0; cpu_model_list(n); n++)
            printf("%-10s %s\n", cpu_model_list(n)->name, cpu_model_list(n)->text);
        return 1;
    }
    o->vm.cpu = cpu_model_find(arg);
    if (!o->vm.cpu)
        return fail("-cpu %s: no such model; 'callgate -cpu help' lists them", arg);
    return 0;
}

static int parse_icount(struct options *o, const char *arg)
{
    static const char *const known[] = { "shift", "align", "sleep", NULL };
    char v[SUBOPTION_MAX];
    uint64_t shift = ICOUNT_SHIFT;
    int rc = suboptions_check("icount", arg, known);

    if (!rc)
        rc = only("icount", arg, known, "align", "off", "time is not held to the host's");
    if (!rc)
        rc = only("icount", arg, known, "sleep", "off", "idle time is always skipped");
    if (rc)
        return rc;
    if (suboption(arg, known, "shift", v) && strcmp(v, "auto") && !parse_number(v, 0, 10, &shift))
        return fail("-icount shift=%s: a number from 0 to 10 (an instruction takes 2^N ns)", v);
    o->vm.icount_shift = (int)shift;
    return 0;
}

static int parse_machine(struct options *o, const char *option, const char *arg)
{
    static const char *const known[] = { "type", "hpet", "usb", "smm", "vmport", NULL };
    char v[SUBOPTION_MAX];
    int rc = suboptions_check(option, arg, known);
    const char *const *k;
    bool hpet = true;

    if (rc)
        return rc;
    if (suboption(arg, known, "type", v) && strcmp(v, "pc") && strcmp(v, "pc-i440fx") && strncmp(v, "pc-i440fx-", 10))
        return fail("-%s %s: the only machine is pc", option, v);
    if (suboption(arg, known, "hpet", v) && !parse_switch(v, &hpet))
        return fail("-%s hpet=%s: use on or off", option, v);
    o->vm.no_hpet = !hpet;
    for (k = known + 2; *k && !rc; k++)
        rc = only(option, arg, known, *k, "off", "it is not emulated");
    return rc;
}

static int parse_smp(const char *arg)
{
    static const char *const known[] = { "cpus", "maxcpus", "sockets", "dies", "cores", "threads", NULL };
    int rc = suboptions_check("smp", arg, known);
    const char *const *k;

    for (k = known; *k && !rc; k++)
        rc = only("smp", arg, known, *k, "1", "one CPU is emulated");
    return rc;
}

static int parse_rtc(struct options *o, const char *arg)
{
    static const char *const known[] = { "base", "clock", "driftfix", NULL };
    char v[SUBOPTION_MAX];
    int rc = suboptions_check("rtc", arg, known);

    if (!rc)
        rc = only("rtc", arg, known, "clock", "host", "with -icount it is the guest's");
    if (!rc)
        rc = only("rtc", arg, known, "driftfix", "none", "lost ticks are not made up for");
    if (rc || !suboption(arg, known, "base", v))
        return rc;
    if (!parse_date(v, &o->vm.rtc_base))
        return fail("-rtc base=%s: use base=utc, base=localtime or base=2006-06-17T16:01:21", v);
    o->vm.rtc_set = true;
    return 0;
}

static int add_plugin(struct options *o, const char *arg)
{
    if (!strcmp(arg, "help")) {
        callout_list(stdout);
        return 1;
    }
    if (o->vm.plugin_count == ARRAY_SIZE(o->vm.plugin))
        return fail("-plugin: at most %d", (int)ARRAY_SIZE(o->vm.plugin));
    o->vm.plugin[o->vm.plugin_count++] = arg;
    return 0;
}

/* QEMU's parts are all denied here: what allows one is refused. */
static int parse_sandbox(struct options *o, const char *arg)
{
    static const char *const known[] = { "enable", "obsolete", "elevateprivileges", "spawn", "resourcecontrol",
                                         "dirs",   NULL };
    char v[SUBOPTION_MAX] = "";
    unsigned n;
    int rc = suboptions_check("sandbox", arg, known);

    if (rc)
        return rc;
    suboption(arg, known, "enable", v);
    if (strcmp(v, "on") && strcmp(v, "off"))
        return fail("-sandbox %s: use on or off", arg);
    o->sandbox = !strcmp(v, "on");
    o->sandbox_asked = true;
    if (suboption(arg, known, "dirs", v)) {
        if (!*v)
            return fail("-sandbox dirs=: name a directory, or several with : between them");
        o->sandbox_dirs = keep(o, v);
        if (!o->sandbox_dirs)
            return -ENOMEM;
    }
    for (n = 1; strcmp(known[n], "dirs"); n++) {
        rc = only("sandbox", arg, known, known[n], "deny", "-sandbox off allows everything");
        if (rc)
            return rc;
    }
    return 0;
}

static int parse_mem(struct options *o, const char *arg)
{
    static const char *const known[] = { "size", NULL };
    char v[SUBOPTION_MAX];
    int rc = suboptions_check("m", arg, known);

    if (rc)
        return rc;
    if (!suboption(arg, known, "size", v) || !parse_size(v, &o->vm.ram_size))
        return fail("-m %s: not a size; give MiB, or a number with K, M or G", arg);
    if (o->vm.ram_size < 1 << 20 || o->vm.ram_size & (PAGE_SIZE - 1))
        return fail("-m %s: at least 1M, in whole pages of 4K", arg);
    if (o->vm.ram_size > 32ull << 30)
        return fail("-m %s: at most 32G", arg);
    return 0;
}

static int apply(struct options *o, enum option_id id, const char *name, const char *arg)
{
    switch (id) {
    case OPT_NONE: break;
    case OPT_MACHINE: return parse_machine(o, name, arg);
    case OPT_ACCEL: return parse_accel(o, arg);
    case OPT_CPU: return parse_cpu(o, arg);
    case OPT_SMP: return parse_smp(arg);
    case OPT_MEM: return parse_mem(o, arg);
    case OPT_RTC: return parse_rtc(o, arg);
    case OPT_ICOUNT: return parse_icount(o, arg);
    case OPT_BIOS: o->vm.bios = arg; break;
    case OPT_PLUGIN: return add_plugin(o, arg);
    case OPT_LIBDIR: o->vm.lib_dir = arg; break;
    case OPT_VGA:
        if (strcmp(arg, "std") && strcmp(arg, "none"))
            return fail("-vga %s: use std or none", arg);
        o->vm.vga = !strcmp(arg, "std");
        break;
    case OPT_DEVICE: return parse_device(o, arg);
    case OPT_KERNEL: o->vm.kernel = arg; break;
    case OPT_INITRD: o->vm.initrd = arg; break;
    case OPT_APPEND: o->vm.append = arg; break;
    case OPT_BOOT: return parse_boot(o, arg);
    case OPT_FDA: return set_drive(o, VM_FLOPPY0, arg, false);
    case OPT_FDB: return set_drive(o, VM_FLOPPY0 + 1, arg, false);
    case OPT_HDA: return set_drive(o, VM_IDE0, arg, false);
    case OPT_HDB: return set_drive(o, VM_IDE0 + 1, arg, false);
    case OPT_HDC: return set_drive(o, VM_IDE0 + 2, arg, false);
    case OPT_HDD: return set_drive(o, VM_IDE0 + 3, arg, false);
    case OPT_CDROM: return set_drive(o, VM_IDE0 + 2, arg, true);
    case OPT_DRIVE: return parse_drive(o, arg);
    case OPT_SNAPSHOT: o->vm.snapshot = true; break;
    case OPT_NOGRAPHIC: o->vm.nographic = true; break;
    case OPT_DISPLAY:
        if (strcmp(arg, "none") && strcmp(arg, "sdl"))
            return fail("-display %s: use none or sdl", arg);
        o->display = arg;
        break;
    case OPT_SERIAL:
        if (o->vm.serial_count == ARRAY_SIZE(o->vm.serial))
            return fail("-serial %s: there are four serial ports", arg);
        o->vm.serial[o->vm.serial_count++] = arg;
        break;
    case OPT_MONITOR: o->vm.monitor = arg; break;
    case OPT_DEBUGCON: o->vm.debugcon = arg; break;
    case OPT_BIOSLOG: o->vm.bios_log = arg; break;
    case OPT_NAME: o->name = arg; break;
    case OPT_NIC:
        if (strcmp(arg, "none"))
            return fail("-%s %s: no network card is emulated; use none", name, arg);
        break;
    case OPT_STOPPED: o->vm.stopped = true; break;
    case OPT_NOREBOOT: o->vm.no_reboot = true; break;
    case OPT_NOSHUTDOWN: o->vm.no_shutdown = true; break;
    case OPT_SANDBOX: return parse_sandbox(o, arg);
    case OPT_LOGITEMS: {
        const char *bad;

        if (!strcmp(arg, "help")) {
            log_help(stdout);
            return 1;
        }
        if (log_set(arg, &bad))
            return fail("-d %s: no log channel '%.*s'; 'callgate -d help' lists them", arg, (int)strcspn(bad, ","),
                        bad);
        break;
    }
    case OPT_LOGFILE: o->log_file = arg; break;
    case OPT_HELP: options_help(stdout); return 1;
    case OPT_VERSION: printf("callgate " CALLGATE_VERSION "\n"); return 1;
    case OPT_MAN: options_man(stdout); return 1;
    }
    return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
    int k;

    memset(o, 0, sizeof *o);
    vm_config_init(&o->vm);
#ifndef SANDBOX_OFF
    o->sandbox = true;
#endif
    for (k = 1; k < argc; k++) {
        const char *name = argv[k];
        const char *arg = "";
        size_t n;
        int rc;

        if (name[0] != '-') {
            rc = set_drive(o, VM_IDE0, name, false);
            if (rc)
                return rc;
            continue;
        }
        name += name[1] == '-' ? 2 : 1;
        for (n = 0; n < ARRAY_SIZE(table); n++)
            if (table[n].id != OPT_NONE && !strcmp(table[n].name, name))
                break;
        if (n == ARRAY_SIZE(table))
            return fail("unknown option '%s'; callgate --help lists them", argv[k]);
        if (table[n].arg) {
            if (k + 1 == argc)
                return fail("-%s needs an argument: %s", name, table[n].arg);
            arg = argv[++k];
        }
        rc = apply(o, table[n].id, name, arg);
        if (rc)
            return rc;
    }
    if (!strcmp(o->vm.engine->name, "lockstep") && o->vm.icount_shift < 0)
        o->vm.icount_shift = ICOUNT_SHIFT;
    if (!o->vm.kernel && (o->vm.initrd || o->vm.append))
        return fail("-initrd and -append need -kernel");
    return 0;
}
