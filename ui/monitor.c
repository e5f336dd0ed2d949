/* monitor.c - the monitor: a line of text in, an answer out, with QEMU's command names. It runs on
 * the vCPU thread between instructions, so it may look at everything.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/ui.h"

#include "cpu/isa/insn.h"
#include "hw/hostfile.h"
#include "hw/display/vga.h"
#include "ui/confine.h"
#include "debug/disas.h"
#include "ui/keys.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_LEN 1024
#define MAX_ARGS     8
#define PROMPT       "(callgate) "

struct monitor {
    struct ui *ui;
    struct vm *m;
    struct chardev *chr;
    struct keys *keys;
    char line[LINE_MAX_LEN];
    size_t len;
    bool shared;  /* the terminal is shared with a serial port */
    bool escape;  /* inside an escape sequence of the terminal */
    gla_t x_next; /* where `x` and `xp` without address go on */
};

struct command {
    const char *name;
    const char *args;
    const char *help;
    void (*run)(struct monitor *mon, FILE *out, int argc, char **argv);
};

extern const struct command commands[];

/* --- numbers and registers --- */

static bool parse_number(struct monitor *mon, const char *text, uint64_t *v)
{
    static const char *const regs[] = { "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" };
    struct cpu *c = mon->m->cpu;
    char *end;
    unsigned n;

    if (*text == '$') {
        text++;
        for (n = 0; n < 8; n++) {
            if (!strcmp(text, regs[n])) {
                *v = c->r[n];
                return true;
            }
        }
        if (!strcmp(text, "eip") || !strcmp(text, "pc")) {
            *v = c->seg[SEG_CS].base + c->eip;
            return true;
        }
        return false;
    }
    errno = 0;
    *v = strtoull(text, &end, 0);
    return end != text && !*end && !errno;
}

/* --- memory --- */

/* Read guest memory for printing: linear or physical. Returns false where nothing is mapped. */
static bool peek(struct vm *m, uint64_t addr, bool physical, void *buf, unsigned len)
{
    uint8_t *b = buf;
    unsigned n;

    for (n = 0; n < len; n++) {
        gpa_t pa = addr + n;

        if (!physical && !m->cpu->mem->debug_translate(m->cpu, (gla_t)(addr + n), &pa))
            return false;
        memmap_read(m->map, pa, b + n, 1);
    }
    return true;
}

static void disassemble(struct monitor *mon, FILE *out, uint64_t addr, unsigned count, bool physical)
{
    struct cpu *c = mon->m->cpu;
    unsigned bits = c->seg[SEG_CS].attr & AR_DB ? 32 : 16;

    while (count--) {
        uint8_t code[15];
        char text[128];
        unsigned have = 0;
        unsigned len;

        while (have < 15 && peek(mon->m, addr + have, physical, code + have, 1))
            have++;
        if (!have) {
            fprintf(out, "%08llx: not mapped\n", (unsigned long long)addr);
            return;
        }
        len = disas(code, have, (uint32_t)addr, bits, text, sizeof text);
        fprintf(out, "%08llx: %s\n", (unsigned long long)addr, text);
        addr += len;
    }
    mon->x_next = (gla_t)addr;
}

static void print_value(FILE *out, uint64_t v, char format, unsigned size)
{
    switch (format) {
    case 'd': fprintf(out, " %lld", (long long)((int64_t)(v << (64 - size * 8)) >> (64 - size * 8))); break;
    case 'u': fprintf(out, " %llu", (unsigned long long)v); break;
    case 'o': fprintf(out, " 0%llo", (unsigned long long)v); break;
    case 'c': fprintf(out, " '%c'", v >= 32 && v < 127 ? (char)v : '.'); break;
    default: fprintf(out, " 0x%0*llx", (int)size * 2, (unsigned long long)v); break;
    }
}

static void examine(struct monitor *mon, FILE *out, int argc, char **argv, bool physical)
{
    unsigned count = 1;
    unsigned size = 4;
    char format = 'x';
    uint64_t addr = mon->x_next;
    unsigned per_line;
    unsigned n;
    int k = 1;

    if (argc > 1 && argv[1][0] == '/') {
        char *p = argv[1] + 1;

        if (*p >= '0' && *p <= '9')
            count = (unsigned)strtoul(p, &p, 10);
        for (; *p; p++) {
            switch (*p) {
            case 'b': size = 1; break;
            case 'h': size = 2; break;
            case 'w': size = 4; break;
            case 'g': size = 8; break;
            case 'x':
            case 'd':
            case 'u':
            case 'o':
            case 'i': format = *p; break;
            case 'c':
                format = *p;
                size = 1;
                break;
            default: fprintf(out, "bad format '%c': use [count][xduoci][bhwg]\n", *p); return;
            }
        }
        k = 2;
    }
    if (k < argc && !parse_number(mon, argv[k], &addr)) {
        fprintf(out, "bad address '%s'\n", argv[k]);
        return;
    }
    if (count > 4096)
        count = 4096;
    if (format == 'i') {
        disassemble(mon, out, addr, count, physical);
        return;
    }
    per_line = 16 / size;
    for (n = 0; n < count; n++) {
        uint64_t v = 0;

        if (n % per_line == 0)
            fprintf(out, "%s%0*llx:", n ? "\n" : "", physical ? 9 : 8, (unsigned long long)addr);
        if (!peek(mon->m, addr, physical, &v, size)) {
            fprintf(out, " not mapped");
            break;
        }
        print_value(out, v, format, size);
        addr += size;
    }
    fputc('\n', out);
    mon->x_next = (gla_t)addr;
}

static void do_x(struct monitor *mon, FILE *out, int argc, char **argv) { examine(mon, out, argc, argv, false); }

static void do_xp(struct monitor *mon, FILE *out, int argc, char **argv) { examine(mon, out, argc, argv, true); }

/* --- info --- */

static void info_block(struct vm *m, FILE *out)
{
    static const char *const names[VM_DRIVES] = { "hda", "hdb", "hdc", "hdd", "fda", "fdb" };
    unsigned n;

    for (n = 0; n < VM_DRIVES; n++) {
        const struct block *b = m->drive[n];

        if (!b)
            continue;
        if (!block_present(b)) {
            fprintf(out, "%s: empty\n", names[n]);
            continue;
        }
        fprintf(out, "%s: '%s', %llu sectors%s%s, %llu reads, %llu writes, %llu syncs\n", names[n], b->path,
                (unsigned long long)block_sectors(b), b->read_only ? ", read-only" : "",
                b->in_overlay ? ", snapshot" : "", (unsigned long long)b->reads, (unsigned long long)b->writes,
                (unsigned long long)b->syncs);
    }
}

static void do_info(struct monitor *mon, FILE *out, int argc, char **argv)
{
    struct vm *m = mon->m;
    const char *what = argc > 1 ? argv[1] : "";

    if (!strcmp(what, "registers")) {
        cpu_dump(m->cpu, out);
    } else if (!strcmp(what, "exceptions")) {
        cpu_dump_exceptions(m->cpu, out);
    } else if (!strcmp(what, "status")) {
        fprintf(out, "VM status: %s\n", m->paused ? "paused" : "running");
    } else if (!strcmp(what, "mtree")) {
        memmap_dump(m->map, out);
    } else if (!strcmp(what, "tlb")) {
        mmu_dump_tlb(m->cpu, out);
    } else if (!strcmp(what, "jit")) {
        m->engine->class->stats(m->engine, out);
    } else if (!strcmp(what, "qtree")) {
        bus_dump(pc_bus(m->pc), out);
    } else if (!strcmp(what, "sandbox")) {
        confine_info(mon->ui, out);
    } else if (!strcmp(what, "block")) {
        info_block(m, out);
    } else if (!strcmp(what, "chardev")) {
        unsigned n;

        if (m->stdio_mux)
            chardev_dump(m->stdio_mux, out);
        for (n = 0; n < m->chardev_count; n++)
            chardev_dump(m->chardev[n], out);
    } else if (!strcmp(what, "version")) {
        fprintf(out, "callgate " CALLGATE_VERSION "\n");
    } else if (!*what || bus_device_info(pc_bus(m->pc), what, out)) {
        struct device *d;

        fprintf(out, "info registers | exceptions | status | mtree | tlb | jit | qtree | sandbox | "
                     "block | chardev | version, or a device:");
        for (d = pc_bus(m->pc)->devices; d; d = d->next)
            fprintf(out, " %s", d->name);
        fputc('\n', out);
    }
}

/* --- the rest --- */

static void do_screen(struct monitor *mon, FILE *out, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (pc_screen_text(mon->m->pc, out))
        fprintf(out, pc_vga(mon->m->pc) ? "the screen shows graphics; try screendump FILE\n"
                                        : "there is no graphics card\n");
}

static void do_screendump(struct monitor *mon, FILE *out, int argc, char **argv)
{
    FILE *f = NULL;
    int fd;
    int rc;

    if (argc < 2) {
        fprintf(out, "screendump needs a file name\n");
        return;
    }
    if (!pc_vga(mon->m->pc)) {
        fprintf(out, "there is no graphics card\n");
        return;
    }
    fd = hostfile_open(HOSTFILE_CREATE, argv[1]);
    if (fd >= 0) {
        f = fdopen(fd, "wb");
        if (!f) {
            close(fd);
            fd = -ENOMEM;
        }
    }
    if (!f) {
        fprintf(out, "cannot create '%s': %s\n", argv[1], hostfile_error(fd));
        return;
    }
    rc = vga_write_ppm(pc_vga(mon->m->pc), f);
    if (fclose(f) && !rc)
        rc = -errno;
    if (rc)
        fprintf(out, "cannot write '%s': %s\n", argv[1], strerror(-rc));
}

/* The drive a user means: ide0-cd0 style names are QEMU's, ours are the options' letters. */
static int find_drive(struct monitor *mon, const char *name)
{
    static const char *const names[VM_DRIVES] = { "hda", "hdb", "hdc", "hdd", "fda", "fdb" };
    static const char *const qemu[VM_DRIVES] = { "ide0-hd0", "ide0-hd1", "ide1-cd0", "ide1-cd1", "floppy0", "floppy1" };
    int n;

    if (!strcmp(name, "cdrom"))
        name = "hdc";
    for (n = 0; n < VM_DRIVES; n++)
        if (mon->m->drive[n] && (!strcmp(name, names[n]) || !strcmp(name, qemu[n])) &&
            (n >= VM_FLOPPY0 || mon->m->cfg.drive[n].cdrom))
            return n;
    return -1;
}

static void do_change(struct monitor *mon, FILE *out, int argc, char **argv)
{
    int n = argc > 1 ? find_drive(mon, argv[1]) : -1;
    bool eject = !strcmp(argv[0], "eject");
    char err[512];

    if (n < 0 || (!eject && argc < 3)) {
        fprintf(out,
                "%s needs a floppy or CD-ROM drive the machine has (fda, fdb, cdrom, "
                "hda-hdd)%s\n",
                argv[0], eject ? "" : " and an image");
        return;
    }
    if (eject)
        block_eject(mon->m->drive[n]);
    else if (block_change(mon->m->drive[n], argv[2],
                          (n >= VM_FLOPPY0 ? BLOCK_MAY_PROTECT | BLOCK_ODD_SIZE : BLOCK_READONLY) |
                              (mon->m->cfg.snapshot || mon->m->cfg.drive[n].snapshot ? BLOCK_SNAPSHOT : 0),
                          err, sizeof err))
        fprintf(out, "%s\n", err);
    else if (mon->m->drive[n]->looks_like)
        fprintf(out, "'%s' looks like %s, and is used as a raw image\n", argv[2], mon->m->drive[n]->looks_like->what);
}

static void do_sendkey(struct monitor *mon, FILE *out, int argc, char **argv)
{
    int k;

    if (argc < 2)
        fprintf(out, "sendkey needs key names, as in: sendkey ctrl-alt-delete\n");
    for (k = 1; k < argc; k++) {
        int rc = keys_press(mon->keys, argv[k], 0);

        if (rc)
            fprintf(out, rc == -ENOSPC ? "too much is typed already\n" : "unknown key in '%s'\n", argv[k]);
    }
}

/* Type a line of text: what was given, its words one blank apart. */
static void do_type(struct monitor *mon, FILE *out, int argc, char **argv)
{
    int k;

    for (k = 1; k < argc; k++) {
        if (k > 1)
            keys_press(mon->keys, "spc", 0);
        if (keys_type(mon->keys, argv[k]))
            fprintf(out, "some of '%s' cannot be typed\n", argv[k]);
    }
}

static void do_reset(struct monitor *mon, FILE *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    vm_request(mon->m, RESET_SYSTEM, 0);
}

static void do_powerdown(struct monitor *mon, FILE *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    pc_powerdown(mon->m->pc);
}

static void do_nmi(struct monitor *mon, FILE *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    pc_nmi(mon->m->pc);
}

static void do_quit(struct monitor *mon, FILE *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    vm_request(mon->m, RESET_QUIT, 0);
}

static void do_stop(struct monitor *mon, FILE *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    vm_pause(mon->m, true);
}

static void do_cont(struct monitor *mon, FILE *out, int argc, char **argv)
{
    (void)out;
    (void)argc;
    (void)argv;
    vm_pause(mon->m, false);
}

static void do_log(struct monitor *mon, FILE *out, int argc, char **argv)
{
    const char *bad;

    (void)mon;
    if (argc < 2) {
        log_help(out);
        return;
    }
    log_mask = 0;
    if (strcmp(argv[1], "none") && log_set(argv[1], &bad))
        fprintf(out, "no log channel '%s'\n", bad);
}

static void do_help(struct monitor *mon, FILE *out, int argc, char **argv)
{
    const struct command *k;

    (void)mon;
    (void)argc;
    (void)argv;
    for (k = commands; k->name; k++)
        fprintf(out, "%s %s\n    %s\n", k->name, k->args, k->help);
}

const struct command commands[] = {
    { "help", "", "this list", do_help },
    { "info", "WHAT",
      "show registers, exceptions, status, mtree, tlb, jit, qtree, sandbox, block, chardev, "
      "or a device's state",
      do_info },
    { "x", "/[COUNT][xduoci][bhwg] [ADDRESS]", "show memory at a linear address; i disassembles", do_x },
    { "xp", "/[COUNT][xduoci][bhwg] [ADDRESS]", "show memory at a physical address", do_xp },
    { "screen", "", "the text screen, as text", do_screen },
    { "screendump", "FILE", "the screen as a PPM picture", do_screendump },
    { "change", "DRIVE FILE", "put another image into a drive: fda, fdb, cdrom", do_change },
    { "eject", "DRIVE", "take the image out of a drive", do_change },
    { "sendkey", "KEYS...", "press keys together, as in ctrl-alt-delete", do_sendkey },
    { "type", "TEXT", "type text on a US keyboard", do_type },
    { "stop", "", "stop the CPU and the clock", do_stop },
    { "cont", "", "go on", do_cont },
    { "system_reset", "", "press the reset button", do_reset },
    { "system_powerdown", "", "press the power button", do_powerdown },
    { "nmi", "", "raise an NMI", do_nmi },
    { "log", "ITEMS|none", "choose the log channels, as -d", do_log },
    { "quit", "", "leave", do_quit },
    { "q", "", "leave", do_quit },
    { NULL, NULL, NULL, NULL },
};

/* --- the line --- */

static void reply(struct monitor *mon, const char *text, size_t len)
{
    size_t k = 0;

    /* terminals want CR LF */
    while (k < len) {
        const char *nl = memchr(text + k, '\n', len - k);
        size_t n = nl ? (size_t)(nl - (text + k)) : len - k;

        chardev_write(mon->chr, text + k, n);
        if (nl)
            chardev_write(mon->chr, "\r\n", 2);
        k += n + (nl != NULL);
    }
}

static void execute(struct monitor *mon, char *line)
{
    char *argv[MAX_ARGS];
    char *save = NULL;
    char *tok;
    int argc = 0;
    char *text = NULL;
    size_t size = 0;
    const struct command *k;
    FILE *out;
    char *slash = strchr(line, '/');

    /* "x/4i" is "x /4i" */
    if (slash && slash > line && slash[-1] != ' ' && (line[0] == 'x')) {
        memmove(slash + 1, slash, strlen(slash) + 1);
        *slash = ' ';
    }
    for (tok = strtok_r(line, " \t", &save); tok && argc < MAX_ARGS; tok = strtok_r(NULL, " \t", &save))
        argv[argc++] = tok;
    if (!argc)
        return;
    out = open_memstream(&text, &size);
    if (!out)
        return;
    for (k = commands; k->name; k++)
        if (!strcmp(k->name, argv[0]))
            break;
    if (k->name)
        k->run(mon, out, argc, argv);
    else
        fprintf(out, "unknown command '%s'; try help\n", argv[0]);
    fclose(out);
    reply(mon, text, size);
    free(text);
}

static void mon_read(void *opaque, const uint8_t *buf, size_t len)
{
    struct monitor *mon = opaque;
    size_t n;

    for (n = 0; n < len; n++) {
        uint8_t ch = buf[n];

        if (mon->escape) {
            mon->escape = !(ch >= '@' && ch <= '~' && ch != '[');
        } else if (ch == 27) {
            mon->escape = true;
        } else if (ch == '\r' || ch == '\n') {
            if (ch == '\n' && n && buf[n - 1] == '\r')
                continue;
            mon->line[mon->len] = '\0';
            mon->len = 0;
            reply(mon, "\n", 1);
            execute(mon, mon->line);
            reply(mon, PROMPT, sizeof PROMPT - 1);
        } else if (ch == 8 || ch == 127) {
            if (mon->len) {
                mon->len--;
                chardev_write(mon->chr, "\b \b", 3);
            }
        } else if (ch == 21) {
            while (mon->len) {
                mon->len--;
                chardev_write(mon->chr, "\b \b", 3);
            }
        } else if (ch >= 32 && mon->len + 2 < sizeof mon->line) {
            mon->line[mon->len++] = (char)ch;
            chardev_write(mon->chr, &ch, 1);
        }
    }
}

static void mon_event(void *opaque, enum chardev_event event)
{
    struct monitor *mon = opaque;

    /* on a terminal it shares, it speaks when the user turns to it */
    if (event == (mon->shared ? CHARDEV_FOCUS_IN : CHARDEV_OPENED)) {
        static const char hello[] = "callgate " CALLGATE_VERSION " monitor; help lists the commands\n" PROMPT;

        mon->len = 0;
        reply(mon, hello, sizeof hello - 1);
    }
}

static const struct chardev_handlers handlers = { NULL, mon_read, mon_event };

int monitor_start(struct ui *ui)
{
    struct vm *m = ui->vm;
    struct monitor *mon;

    if (!m->monitor_chr)
        return 0;
    mon = calloc(1, sizeof *mon);
    if (!mon)
        return -ENOMEM;
    mon->ui = ui;
    mon->m = m;
    mon->chr = m->monitor_chr;
    mon->shared = m->monitor_shared;
    mon->keys = keys_create(m);
    if (!mon->keys) {
        free(mon);
        return -ENOMEM;
    }
    ui->monitor = mon;
    chardev_set_handlers(mon->chr, &handlers, mon);
    return 0;
}

void monitor_stop(struct ui *ui)
{
    struct monitor *mon = ui->monitor;

    if (!mon)
        return;
    chardev_set_handlers(mon->chr, NULL, NULL);
    keys_destroy(mon->keys);
    free(mon);
    ui->monitor = NULL;
}
