/* options.c - parses the command line by options.def, which also makes the help and the man page.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/options.h"

#include "bt/engine.h"

#include "cpu/callout.h"
#include "hw/clock.h"
#include "lockstep/lockstep.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

enum option_id {
    OPT_NONE,
    OPT_MACHINE, OPT_ACCEL, OPT_CPU, OPT_SMP, OPT_MEM, OPT_RTC, OPT_ICOUNT, OPT_BIOS, OPT_LIBDIR,
    OPT_VGA, OPT_DEVICE, OPT_KERNEL, OPT_INITRD, OPT_APPEND, OPT_BOOT, OPT_FDA, OPT_FDB, OPT_HDA,
    OPT_HDB, OPT_HDC, OPT_HDD, OPT_CDROM, OPT_DRIVE, OPT_SNAPSHOT, OPT_NOGRAPHIC, OPT_DISPLAY,
    OPT_SERIAL, OPT_MONITOR, OPT_DEBUGCON, OPT_BIOSLOG, OPT_NAME, OPT_NIC, OPT_STOPPED,
    OPT_NOREBOOT, OPT_NOSHUTDOWN, OPT_SANDBOX, OPT_PLUGIN,
    OPT_LOGITEMS, OPT_LOGFILE, OPT_HELP, OPT_VERSION, OPT_MAN,
};

static const struct {
    enum option_id id;
    const char *name;
    const char *arg;
    const char *help;
} table[] = {
#define SECTION(title) { OPT_NONE, title, NULL, NULL },
#define OPTION(id, name, arg, help) { OPT_##id, name, arg, help },
#include "ui/options.def"
#undef OPTION
#undef SECTION
};

static const struct engine_class *const engines[] = {
#if defined(__x86_64__)
    &bt_engine,
#endif
    &interp_engine,
    &lockstep_engine,
};

#define ICOUNT_SHIFT 3 /* unless the user says otherwise */

static int fail(const char *fmt, ...)
{
    va_list ap;

    fputs("callgate: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return -EINVAL;
}

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
            "Options follow QEMU's spelling.\n.SH OPTIONS\n");
    for (n = 0; n < ARRAY_SIZE(table); n++) {
        if (table[n].id == OPT_NONE)
            fprintf(f, ".SS %s\n", table[n].name);
        else
            fprintf(f, ".TP\n.B \\-%s\\fR %s%s%s\n%s.\n", table[n].name,
                    table[n].arg ? "\\fI" : "", table[n].arg ? table[n].arg : "",
                    table[n].arg ? "\\fR" : "", table[n].help);
    }
    fprintf(f, ".SH EXIT STATUS\n0 when the guest powers off or the user leaves; 1 on a bad option "
            "or file;\n(value << 1) | 1 when the guest writes to isa-debug-exit; 3 when -accel lockstep "
            "finds a difference.\n"
            ".SH EXAMPLE\n.nf\ncallgate -m 256 -kernel vmlinuz -initrd initrd.gz -append "
            "console=ttyS0 -nographic\n.fi\n");
}

/* --- values --- */

/* A size in MiB, or with a suffix. */
static int parse_size(const char *text, uint64_t *size)
{
    char *end;
    unsigned long long v;
    unsigned shift = 20;

    errno = 0;
    v = strtoull(text, &end, 0);
    if (end == text || *text == '-' || errno)
        return -EINVAL;
    switch (*end) {
    case 'K': case 'k': shift = 10; end++; break;
    case 'M': case 'm': shift = 20; end++; break;
    case 'G': case 'g': shift = 30; end++; break;
    }
    if ((*end == 'B' || *end == 'b') && end[1] == '\0')
        end++;
    if (*end || v > UINT64_MAX >> shift)
        return -EINVAL;
    *size = v << shift;
    return 0;
}

/* One of "name=value,name=value": finds `name`, returns its value in buf, or NULL. A first part
 * without '=' is the value of `first`. */
static const char *suboption(const char *text, const char *name, const char *first, char *buf,
                             size_t len)
{
    bool at_first = true;

    while (*text) {
        size_t n = strcspn(text, ",");
        const char *eq = memchr(text, '=', n);
        const char *key = eq ? text : first;
        size_t key_len = eq ? (size_t)(eq - text) : first ? strlen(first) : 0;
        const char *value = eq ? eq + 1 : text;
        size_t value_len = n - (size_t)(value - text);

        if ((eq || at_first) && key && key_len == strlen(name) && !memcmp(key, name, key_len)) {
            if (value_len >= len)
                value_len = len - 1;
            memcpy(buf, value, value_len);
            buf[value_len] = '\0';
            return buf;
        }
        at_first = false;
        text += n + (text[n] == ',');
    }
    return NULL;
}

/* Reject names that are not in the NULL-ended list. */
static int check_suboptions(const char *opt, const char *text, const char *const *known)
{
    bool first = true;

    while (*text) {
        size_t n = strcspn(text, ",");
        size_t key = strcspn(text, "=,");
        const char *const *k;

        if (key < n || !first) {
            for (k = known; *k; k++)
                if (strlen(*k) == key && !memcmp(*k, text, key))
                    break;
            if (!*k)
                return fail("-%s: unknown part '%.*s'; see callgate --help", opt, (int)n, text);
        }
        first = false;
        text += n + (text[n] == ',');
    }
    return 0;
}

/* A copy that lives as long as the options. */
static const char *keep(struct options *o, const char *text)
{
    char *copy = strdup(text);

    if (!copy || o->owned_count == ARRAY_SIZE(o->owned)) {
        fail("too many -drive and -boot options");
        exit(1);
    }
    o->owned[o->owned_count++] = copy;
    return copy;
}

void options_free(struct options *o)
{
    while (o->owned_count)
        free(o->owned[--o->owned_count]);
}

static bool is_on(const char *v)
{
    return !strcmp(v, "on") || !strcmp(v, "yes") || !strcmp(v, "true");
}

static int set_drive(struct options *o, unsigned unit, const char *file, bool cdrom)
{
    struct drive_option *d = &o->drive[unit];

    if (d->present)
        return fail("two images for the same drive: '%s' and '%s'; give one another place, "
                    "as with -hdb or -drive index=", d->file, file);
    d->present = true;
    d->file = file;
    d->cdrom = cdrom;
    d->readonly = cdrom;
    return 0;
}

static int parse_drive(struct options *o, const char *arg)
{
    static const char *const known[] = { "file", "if", "media", "index", "format", "readonly",
                                         "snapshot", "id", "cache", "bus", "unit", NULL };
    char v[4096];
    unsigned base = DRIVE_IDE0;
    unsigned count = 4;
    unsigned unit = 0;
    bool cdrom = false;
    bool fixed = false;
    const char *file;
    int rc;

    rc = check_suboptions("drive", arg, known);
    if (rc)
        return rc;
    if (!suboption(arg, "file", "file", v, sizeof v))
        return fail("-drive needs file=IMAGE");
    file = keep(o, v);
    if (suboption(arg, "if", NULL, v, sizeof v)) {
        if (!strcmp(v, "floppy")) {
            base = DRIVE_FLOPPY0;
            count = 2;
        } else if (strcmp(v, "ide") && strcmp(v, "none")) {
            return fail("-drive if=%s: only ide and floppy are emulated", v);
        }
    }
    if (suboption(arg, "media", NULL, v, sizeof v)) {
        if (!strcmp(v, "cdrom"))
            cdrom = true;
        else if (strcmp(v, "disk"))
            return fail("-drive media=%s: use disk or cdrom", v);
    }
    if (suboption(arg, "format", NULL, v, sizeof v) && strcmp(v, "raw"))
        return fail("-drive format=%s: only raw images are supported; convert it with qemu-img",
                    v);
    if (suboption(arg, "index", NULL, v, sizeof v)) {
        unit = (unsigned)strtoul(v, NULL, 0);
        fixed = true;
        if (unit >= count)
            return fail("-drive index=%s: there are %u units, from 0", v, count);
    }
    if (!fixed) {
        if (cdrom && base == DRIVE_IDE0)
            unit = 2;
        while (unit < count && o->drive[base + unit].present)
            unit++;
        if (unit == count)
            return fail("-drive %s: all %u units are taken", arg, count);
    }
    rc = set_drive(o, base + unit, file, cdrom);
    if (rc)
        return rc;
    if (suboption(arg, "readonly", NULL, v, sizeof v) && is_on(v))
        o->drive[base + unit].readonly = true;
    if (suboption(arg, "snapshot", NULL, v, sizeof v) && is_on(v))
        o->drive[base + unit].snapshot = true;
    return 0;
}

static int parse_boot(struct options *o, const char *arg)
{
    static const char *const known[] = { "order", "once", "menu", "strict", NULL };
    char v[64];
    const char *p;
    int rc = check_suboptions("boot", arg, known);

    if (rc)
        return rc;
    if (suboption(arg, "order", "order", v, sizeof v))
        o->boot_order = keep(o, v);
    if (suboption(arg, "once", NULL, v, sizeof v))
        o->boot_once = keep(o, v);
    if (suboption(arg, "menu", NULL, v, sizeof v))
        o->boot_menu = is_on(v);
    for (p = o->boot_order ? o->boot_order : ""; *p; p++)
        if (!strchr("acdn", *p))
            return fail("-boot %s: '%c' is no boot device; use letters of a (floppy), c (disk), "
                        "d (CD-ROM), n (network)", arg, *p);
    return 0;
}

static int parse_device(struct options *o, const char *arg)
{
    static const char *const known[] = { "iobase", "iosize", NULL };
    char v[64] = "";
    int rc;

    suboption(arg, "driver", "driver", v, sizeof v);
    if (strcmp(v, "isa-debug-exit"))
        return fail("-device %s: no such device; isa-debug-exit is the only one", *v ? v : arg);
    rc = check_suboptions("device", arg, known);
    if (rc)
        return rc;
    o->debug_exit = true;
    if (suboption(arg, "iobase", NULL, v, sizeof v))
        o->debug_exit_base = (uint16_t)strtoul(v, NULL, 0);
    return 0;
}

static const struct engine_class *find_engine(const char *name, size_t len)
{
    size_t n;

    for (n = 0; n < ARRAY_SIZE(engines); n++)
        if (strlen(engines[n]->name) == len && !memcmp(engines[n]->name, name, len))
            return engines[n];
    return NULL;
}

const struct engine_class *engine_find(const char *name)
{
    return find_engine(name, strlen(name));
}

static int parse_accel(struct options *o, const char *arg)
{
    size_t len = strcspn(arg, ",");
    const struct engine_class *e = find_engine(arg, len);
    size_t n;

    if (!strcmp(arg, "help")) {
        for (n = 0; n < ARRAY_SIZE(engines); n++)
            printf("%-10s %s\n", engines[n]->name, engines[n]->text);
        return 1;
    }
    if (e) {
        o->engine = e;
        o->engine_options = arg[len] ? arg + len + 1 : NULL;
        return 0;
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
    o->cpu = cpu_model_find(arg);
    if (!o->cpu)
        return fail("-cpu %s: no such model; 'callgate -cpu help' lists them", arg);
    return 0;
}

static int parse_icount(struct options *o, const char *arg)
{
    static const char *const known[] = { "shift", "align", "sleep", NULL };
    char v[64];
    char *end;
    int rc = check_suboptions("icount", arg, known);

    if (rc)
        return rc;
    o->icount_shift = ICOUNT_SHIFT;
    if (suboption(arg, "shift", "shift", v, sizeof v) && strcmp(v, "auto")) {
        long n = strtol(v, &end, 0);

        if (*end || n < 0 || n > 10)
            return fail("-icount shift=%s: a number from 0 to 10 (an instruction takes 2^N ns)", v);
        o->icount_shift = (int)n;
    }
    return 0;
}

static int add_plugin(struct options *o, const char *arg)
{
    if (!strcmp(arg, "help")) {
        callout_list(stdout);
        return 1;
    }
    if (o->plugin_count == ARRAY_SIZE(o->plugin))
        return fail("-plugin: at most %d", (int)ARRAY_SIZE(o->plugin));
    o->plugin[o->plugin_count++] = arg;
    return 0;
}

/* QEMU's parts are all denied here: what allows one is refused. */
static int parse_sandbox(struct options *o, const char *arg)
{
    static const char *const known[] = { "enable", "obsolete", "elevateprivileges", "spawn",
                                         "resourcecontrol", "dirs", NULL };
    char v[4096] = "";
    unsigned n;
    int rc = check_suboptions("sandbox", arg, known);

    if (rc)
        return rc;
    suboption(arg, "enable", "enable", v, sizeof v);
    if (strcmp(v, "on") && strcmp(v, "off"))
        return fail("-sandbox %s: use on or off", arg);
    o->sandbox = is_on(v);
    o->sandbox_asked = true;
    if (suboption(arg, "dirs", NULL, v, sizeof v)) {
        if (!*v)
            return fail("-sandbox dirs=: name a directory, or several with : between them");
        o->sandbox_dirs = keep(o, v);
        if (!o->sandbox_dirs)
            return -ENOMEM;
    }
    for (n = 1; strcmp(known[n], "dirs"); n++)
        if (suboption(arg, known[n], NULL, v, sizeof v) && strcmp(v, "deny"))
            return fail("-sandbox %s=%s: only deny; -sandbox off allows everything", known[n], v);
    return 0;
}

static int parse_mem(struct options *o, const char *arg)
{
    char v[64];

    if (!suboption(arg, "size", "size", v, sizeof v) || parse_size(v, &o->ram_size))
        return fail("-m %s: not a size; give MiB, or a number with K, M or G", arg);
    if (o->ram_size < 1 << 20 || o->ram_size & (PAGE_SIZE - 1))
        return fail("-m %s: at least 1M, in whole pages of 4K", arg);
    if (o->ram_size > 32ull << 30)
        return fail("-m %s: at most 32G", arg);
    return 0;
}

static int apply(struct options *o, enum option_id id, const char *name, const char *arg)
{
    char v[64];

    switch (id) {
    case OPT_NONE:
        break;
    case OPT_MACHINE:
        suboption(arg, "type", "type", v, sizeof v);
        if (strcmp(v, "pc") && strncmp(v, "pc-i440fx", 9))
            return fail("-%s %s: the only machine is pc", name, arg);
        break;
    case OPT_ACCEL: return parse_accel(o, arg);
    case OPT_CPU: return parse_cpu(o, arg);
    case OPT_SMP:
        if (strcmp(arg, "1") && strcmp(arg, "cpus=1"))
            return fail("-smp %s: one CPU is emulated", arg);
        break;
    case OPT_MEM: return parse_mem(o, arg);
    case OPT_RTC:
        if (!suboption(arg, "base", "base", v, sizeof v) || clock_parse_rtc_base(v, &o->rtc_base))
            return fail("-rtc %s: use base=utc, base=localtime or base=2006-06-17T16:01:21", arg);
        o->rtc_set = true;
        break;
    case OPT_ICOUNT: return parse_icount(o, arg);
    case OPT_BIOS: o->bios = arg; break;
    case OPT_PLUGIN: return add_plugin(o, arg);
    case OPT_LIBDIR: o->lib_dir = arg; break;
    case OPT_VGA:
        if (strcmp(arg, "std") && strcmp(arg, "none"))
            return fail("-vga %s: use std or none", arg);
        o->vga = !strcmp(arg, "std");
        break;
    case OPT_DEVICE: return parse_device(o, arg);
    case OPT_KERNEL: o->kernel = arg; break;
    case OPT_INITRD: o->initrd = arg; break;
    case OPT_APPEND: o->append = arg; break;
    case OPT_BOOT: return parse_boot(o, arg);
    case OPT_FDA: return set_drive(o, DRIVE_FLOPPY0, arg, false);
    case OPT_FDB: return set_drive(o, DRIVE_FLOPPY0 + 1, arg, false);
    case OPT_HDA: return set_drive(o, DRIVE_IDE0, arg, false);
    case OPT_HDB: return set_drive(o, DRIVE_IDE0 + 1, arg, false);
    case OPT_HDC: return set_drive(o, DRIVE_IDE0 + 2, arg, false);
    case OPT_HDD: return set_drive(o, DRIVE_IDE0 + 3, arg, false);
    case OPT_CDROM: return set_drive(o, DRIVE_IDE0 + 2, arg, true);
    case OPT_DRIVE: return parse_drive(o, arg);
    case OPT_SNAPSHOT: o->snapshot = true; break;
    case OPT_NOGRAPHIC: o->nographic = true; break;
    case OPT_DISPLAY:
        if (strcmp(arg, "none") && strcmp(arg, "sdl"))
            return fail("-display %s: use none or sdl", arg);
        o->display = arg;
        break;
    case OPT_SERIAL:
        if (o->serial_count == ARRAY_SIZE(o->serial))
            return fail("-serial %s: there are four serial ports", arg);
        o->serial[o->serial_count++] = arg;
        break;
    case OPT_MONITOR: o->monitor = arg; break;
    case OPT_DEBUGCON: o->debugcon = arg; break;
    case OPT_BIOSLOG: o->bios_log = arg; break;
    case OPT_NAME: o->name = arg; break;
    case OPT_NIC:
        if (strcmp(arg, "none"))
            return fail("-%s %s: no network card is emulated; use none", name, arg);
        break;
    case OPT_STOPPED: o->stopped = true; break;
    case OPT_NOREBOOT: o->no_reboot = true; break;
    case OPT_NOSHUTDOWN: o->no_shutdown = true; break;
    case OPT_SANDBOX: return parse_sandbox(o, arg);
    case OPT_LOGITEMS: {
        const char *bad;

        if (!strcmp(arg, "help")) {
            log_help(stdout);
            return 1;
        }
        if (log_set(arg, &bad))
            return fail("-d %s: no log channel '%.*s'; 'callgate -d help' lists them", arg,
                        (int)strcspn(bad, ","), bad);
        break;
    }
    case OPT_LOGFILE: o->log_file = arg; break;
    case OPT_HELP:
        options_help(stdout);
        return 1;
    case OPT_VERSION:
        printf("callgate " CALLGATE_VERSION "\n");
        return 1;
    case OPT_MAN:
        options_man(stdout);
        return 1;
    }
    return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
    unsigned n;
    int k;

    memset(o, 0, sizeof *o);
    o->ram_size = 128 << 20;
    o->cpu = cpu_model_find("max");
    for (n = 0; n + 1 < ARRAY_SIZE(engines) && engines[n]->available && !engines[n]->available(); n++)
        ;
    o->engine = engines[n];
    o->vga = true;
    o->icount_shift = -1;
#ifndef SANDBOX_OFF
    o->sandbox = true;
#endif
    for (k = 1; k < argc; k++) {
        const char *name = argv[k];
        const char *arg = NULL;
        size_t n;
        int rc;

        if (name[0] != '-') {
            rc = set_drive(o, DRIVE_IDE0, name, false);
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
    if (o->engine == &lockstep_engine && o->icount_shift < 0)
        o->icount_shift = ICOUNT_SHIFT;
    if (!o->kernel && (o->initrd || o->append))
        return fail("-initrd and -append need -kernel");
    return 0;
}
