/* options.c - the command line.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "cpu/engine.h"
#include "cpu/log.h"
#include "ui/options.h"

#include <unistd.h>

static struct options o;

static int parse(int argc, const char **argv)
{
    options_free(&o);
    return options_parse(&o, argc, (char **)argv);
}
#define PARSE(...) \
    parse((int)ARRAY_SIZE(((const char *[]){ "callgate", __VA_ARGS__ })), (const char *[]){ "callgate", __VA_ARGS__ })

START_TEST(sizes)
{
    ck_assert_int_eq(PARSE("-m", "64"), 0);
    ck_assert_uint_eq(o.vm.ram_size, 64 << 20);
    ck_assert_int_eq(PARSE("-m", "2G"), 0);
    ck_assert_uint_eq(o.vm.ram_size, 2ull << 30);
    ck_assert_int_eq(PARSE("-m", "size=4096K"), 0);
    ck_assert_uint_eq(o.vm.ram_size, 4 << 20);
    ck_assert_int_lt(PARSE("-m", "12x"), 0);
    ck_assert_int_lt(PARSE("-m", "-5"), 0);
    ck_assert_int_lt(PARSE("-m", "0"), 0);
    ck_assert_int_lt(PARSE("-m", "99999999999999999999"), 0);
    ck_assert_int_lt(PARSE("-m"), 0);
    options_free(&o);
}
END_TEST

START_TEST(drives)
{
    ck_assert_int_eq(PARSE("disk.img", "-cdrom", "cd.iso", "-fda", "f.img"), 0);
    ck_assert(o.vm.drive[0].present && !o.vm.drive[0].cdrom);
    ck_assert(o.vm.drive[2].present && o.vm.drive[2].cdrom && o.vm.drive[2].readonly);
    ck_assert(o.vm.drive[4].present);
    ck_assert_int_eq(PARSE("-drive", "file=a,media=cdrom,index=3,readonly=on"), 0);
    ck_assert(o.vm.drive[3].cdrom);
    ck_assert_int_eq(PARSE("-drive", "file=a", "-drive", "file=b,snapshot=on"), 0);
    ck_assert_str_eq(o.vm.drive[1].file, "b");
    ck_assert(o.vm.drive[1].snapshot && !o.vm.drive[0].snapshot);
    ck_assert_int_lt(PARSE("-hda", "a", "-hda", "b"), 0);
    ck_assert_int_lt(PARSE("-drive", "file=a,index=9"), 0);
    ck_assert_int_lt(PARSE("-drive", "file=a,if=virtio"), 0);
    ck_assert_int_lt(PARSE("-drive", "file=a,format=qcow2"), 0);
    ck_assert_int_lt(PARSE("-drive", "file=a,colour=red"), 0);
    ck_assert_int_lt(PARSE("-drive", "media=disk"), 0);
    options_free(&o);
}
END_TEST

START_TEST(others)
{
    ck_assert_int_eq(
        PARSE("-cpu", "pentium3", "-accel", "interp", "-icount", "shift=2", "-boot", "order=dc,menu=on", "--no-reboot"),
        0);
    ck_assert_str_eq(o.vm.cpu->name, "pentium3");
    ck_assert_int_eq(o.vm.icount_shift, 2);
    ck_assert_str_eq(o.vm.boot_order, "dc");
    ck_assert(o.vm.boot_menu && o.vm.no_reboot);
    ck_assert_int_lt(PARSE("-cpu", "z80"), 0);
    ck_assert_int_lt(PARSE("-accel", "magic"), 0);
    ck_assert_int_lt(PARSE("-icount", "shift=99"), 0);
    ck_assert_int_lt(PARSE("-boot", "x"), 0);
    ck_assert_int_lt(PARSE("-smp", "4"), 0);
    ck_assert_int_eq(PARSE("-M", "pc"), 0);
    ck_assert(!o.vm.no_hpet);
    ck_assert_int_eq(PARSE("-machine", "pc-i440fx-7.2,hpet=off,usb=off"), 0);
    ck_assert(o.vm.no_hpet);
    ck_assert_int_eq(PARSE("-M", "hpet=off", "-machine", "hpet=on"), 0);
    ck_assert(!o.vm.no_hpet);
    ck_assert_int_lt(PARSE("-M", "q35"), 0);
    ck_assert_int_lt(PARSE("-M", "type=q35"), 0);
    ck_assert_int_lt(PARSE("-M", "pc,hpet=perhaps"), 0);
    ck_assert_int_lt(PARSE("-M", "pc,warp=on"), 0);
    ck_assert_int_lt(PARSE("-d", "nonsense"), 0);
    ck_assert_int_lt(PARSE("-frobnicate"), 0);
    ck_assert_int_lt(PARSE("-initrd", "x"), 0);
    ck_assert_int_lt(PARSE("-device", "e1000"), 0);
    /* lockstep needs time by instructions, unless told which */
    ck_assert_int_eq(PARSE("-accel", "lockstep,slice=5"), 0);
    ck_assert_int_eq(o.vm.icount_shift, 3);
    ck_assert_str_eq(o.vm.engine->name, "lockstep");
    ck_assert_str_eq(o.vm.engine_options, "slice=5");
    ck_assert_int_eq(PARSE("-icount", "shift=1", "-accel", "lockstep"), 0);
    ck_assert_int_eq(o.vm.icount_shift, 1);
    ck_assert_int_eq(PARSE("-sandbox", "off"), 0);
    ck_assert(!o.sandbox && o.sandbox_asked);
    ck_assert_int_eq(PARSE("-sandbox", "on,spawn=deny"), 0);
    ck_assert(o.sandbox && o.sandbox_asked);
    ck_assert_ptr_null(o.sandbox_dirs);
    ck_assert_int_eq(PARSE("-sandbox", "on,dirs=/a:/b c,spawn=deny"), 0);
    ck_assert_str_eq(o.sandbox_dirs, "/a:/b c");
    ck_assert_int_lt(PARSE("-sandbox", "on,dirs="), 0);
    ck_assert_int_lt(PARSE("-sandbox", "on,spawn=allow"), 0);
    ck_assert_int_lt(PARSE("-sandbox", "on,walls=high"), 0);
    ck_assert_int_lt(PARSE("-sandbox", "yes"), 0);
    options_free(&o);
}
END_TEST

/* Numbers and words are taken whole or not at all, parts by their names. */
START_TEST(strict)
{
    static const char *const bad[][2] = {
        { "-drive", "file=a,index=x" },
        { "-drive", "file=a,index=" },
        { "-drive", "file=a,index=1x" },
        { "-drive", "file=a,index=-1" },
        { "-drive", "file=a,index= 1" },
        { "-drive", "file=a,index=+1" },
        { "-drive", "file=a,index=4294967296" },
        { "-drive", "file=a,index=1,index=2" },
        { "-drive", "file=a,unit=2" },
        { "-drive", "file=a,bus=2" },
        { "-drive", "file=a,index=1,unit=1" },
        { "-drive", "file=a,,index=1" },
        { "-drive", "file=a," },
        { "-drive", "" },
        { "-drive", "a,b" },
        { "-drive", "file=a,readonly=maybe" },
        { "-drive", "file=a,snapshot" },
        { "-drive", "file=a,cache=psychic" },
        { "-drive", "file=a,if=floppy,media=cdrom" },
        { "-drive", "file=a,if=floppy,unit=2" },
        { "-device", "isa-debug-exit,iobase=0x99999" },
        { "-device", "isa-debug-exit,iobase=zzz" },
        { "-device", "isa-debug-exit,iobase=" },
        { "-device", "isa-debug-exit,iobase=0" },
        { "-device", "isa-debug-exit,iobase=-1" },
        { "-device", "isa-debug-exit,iosize=99" },
        { "-device", "isa-debug-exit,irq=3" },
        { "-device", "iobase=1" },
        { "-device", "" },
        { "-M", "acpi=off" },
        { "-M", "" },
        { "-M", "pc,usb=on" },
        { "-M", "pc,colour=red" },
        { "-machine", "q35" },
        { "-M", "pc-i440fxyz" },
        { "-M", "pc,pc" },
        { "-rtc", "clock=vm" },
        { "-rtc", "base=" },
        { "-rtc", "" },
        { "-rtc", "base=2024-02-30" },
        { "-rtc", "base=2024-1-1" },
        { "-rtc", "base= 2024-01-01" },
        { "-rtc", "base=2024-01-01T25:00:00" },
        { "-rtc", "base=2024-01-01T00:00:00x" },
        { "-rtc", "base=utc,drift=1" },
        { "-icount", "shift=" },
        { "-icount", "shift=1x" },
        { "-icount", " 1" },
        { "-icount", "align=on" },
        { "-icount", "speed=1" },
        { "-icount", "" },
        { "-smp", "2" },
        { "-smp", "cpus=1,cores=2" },
        { "-smp", "1x" },
        { "-smp", "" },
        { "-smp", "hearts=1" },
        { "-m", "" },
        { "-m", "+64" },
        { "-m", " 64" },
        { "-m", "64 " },
        { "-m", "64B" },
        { "-m", "64,slots=2" },
        { "-m", "0x" },
        { "-m", "64KBB" },
        { "-m", "18446744073709551616" },
        { "-m", "33G" },
        { "-m", "17592186044416M" },
        { "-boot", "" },
        { "-boot", "order=" },
        { "-boot", "cc" },
        { "-boot", "once=x" },
        { "-boot", "menu=1" },
        { "-boot", "splash=a" },
        { "-sandbox", "" },
        { "-sandbox", "on,spawn=deny,spawn=deny" },
        { "-vga", "" },
        { "-display", "" },
        { "-nic", "" },
        { "-accel", "" },
        { "-cpu", "" },
    };
    for (size_t n = 0; n < ARRAY_SIZE(bad); n++)
        ck_assert_msg(PARSE(bad[n][0], bad[n][1]) < 0, "%s '%s' is taken", bad[n][0], bad[n][1]);
    ck_assert_int_lt(PARSE("-cdrom", "a", "-hdc", "b"), 0);
    ck_assert_int_lt(PARSE("-hda", "a", "-drive", "file=b,bus=0,unit=0"), 0);
    ck_assert_int_lt(PARSE("-device", "isa-debug-exit", "-device", "isa-debug-exit"), 0);
    ck_assert_int_eq(PARSE("-drive", "file=a,bus=1,unit=1,format=raw,cache=writeback"), 0);
    ck_assert(o.vm.drive[3].present && o.vm.drive[3].raw);
    ck_assert_int_eq(PARSE("-drive", "file=a,media=cdrom,readonly=off"), 0);
    ck_assert(o.vm.drive[2].readonly);
    ck_assert_int_eq(PARSE("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"), 0);
    ck_assert_uint_eq(o.vm.debug_exit_base, 0xf4);
    ck_assert_int_eq(PARSE("-device", "isa-debug-exit"), 0);
    ck_assert_uint_eq(o.vm.debug_exit_base, 0x501);
    ck_assert_int_eq(PARSE("-M", "pc,usb=off", "-machine", "type=pc-i440fx-7.2", "-smp", "1,cores=1"), 0);
    ck_assert_int_eq(PARSE("-rtc", "base=2024-02-29T12:00:01,clock=host"), 0);
    ck_assert_int_eq(o.vm.rtc_base, 1709208001);
    ck_assert_int_eq(PARSE("-rtc", "2006-06-17"), 0);
    ck_assert_int_eq(o.vm.rtc_base, 1150502400);
    ck_assert_int_eq(PARSE("-m", "0x40", "-m", "010MB"), 0); /* decimal; the last counts */
    ck_assert_uint_eq(o.vm.ram_size, 10 << 20);
    /* more of them than fit into any table */
    const char *many[65] = { "callgate" };
    for (int n = 1; n < 65; n += 2) {
        many[n] = "-boot";
        many[n + 1] = "order=c,once=d";
    }
    ck_assert_int_eq(parse(65, many), 0);
    options_free(&o);
}
END_TEST

/* Pieces of arguments, good and bad, put together at random; and bytes changed in them. */
static const char *const names[] = {
    "-M",           "-machine", "-accel",    "-cpu",     "-smp",    "-m",      "-rtc",      "-icount",    "-bios",
    "-L",           "-vga",     "-device",   "-kernel",  "-initrd", "-append", "-boot",     "-fda",       "-fdb",
    "-hda",         "-hdb",     "-hdc",      "-hdd",     "-cdrom",  "-drive",  "-snapshot", "-nographic", "-display",
    "-serial",      "-monitor", "-debugcon", "-bioslog", "-name",   "-nic",    "-net",      "-S",         "-no-reboot",
    "-no-shutdown", "-plugin",  "-sandbox",  "-d",       "-D",      "--help",  "-version",  "-zzz",       "-",
    "--",           "disk",     "",
};
static const char *const pieces[] = {
    "file",
    "=",
    "=",
    "=",
    ",",
    ",",
    ",",
    "if",
    "ide",
    "floppy",
    "media",
    "cdrom",
    "disk",
    "index",
    "bus",
    "unit",
    "0",
    "1",
    "4",
    "-1",
    "0x",
    "0x99999",
    "99999999999999999999",
    "format",
    "raw",
    "qcow2",
    "readonly",
    "on",
    "off",
    "yes",
    "isa-debug-exit",
    "iobase",
    "iosize",
    "base",
    "utc",
    "localtime",
    "2024-02-30",
    "T25:61:61",
    "shift",
    "auto",
    "align",
    "sleep",
    "order",
    "once",
    "menu",
    "acdn",
    "pc",
    "type",
    "usb",
    "bt",
    "interp",
    "help",
    "heat",
    "size",
    "64",
    "M",
    "K",
    "G",
    "B",
    " ",
    "\n",
    "\033",
    "%s%n",
    "\"",
    "/",
    "",
    "all",
    "int",
    "std",
    "none",
    "dirs",
    "deny",
    "spawn",
    "cpus",
    "cores",
    "max",
    "stdio",
    "null",
    "cache",
    "writeback",
    "snapshot",
    "id",
    "\377",
};

static unsigned pick(unsigned *seed, size_t n)
{
    *seed = *seed * 1664525 + 1013904223;
    return (unsigned)((*seed >> 8) % n);
}

static void make_argument(unsigned *seed, char *to, size_t size)
{
    size_t len = 0;

    for (unsigned n = pick(seed, 9); n--;)
        len += (size_t)snprintf(to + len, size - len, "%s", pieces[pick(seed, ARRAY_SIZE(pieces))]);
    to[len] = '\0';
    if (len && pick(seed, 4) == 0)
        to[pick(seed, len)] = (char)(1 + pick(seed, 255));
    if (pick(seed, 200) == 0) { /* longer than every buffer */
        memset(to + len, 'x', size - len - 1);
        to[size - 1] = '\0';
    }
}

/* Whatever is given: success without a word, or the end after some text (--help), or one line on stderr. */
START_TEST(anything)
{
    static char text[4][9000];
    static char said[16384];
    unsigned seed = 1;
    unsigned refused = 0;
    unsigned taken = 0;
    FILE *err = tmpfile();
    FILE *out = tmpfile();
    int old_err = dup(2);
    int old_out = dup(1);
    const char *wrong = NULL;

    ck_assert(err && out && old_err >= 0 && old_out >= 0);
    fflush(stdout);
    dup2(fileno(err), 2);
    dup2(fileno(out), 1);
    for (unsigned round = 0; round < 40000 && !wrong; round++) {
        const char *argv[9] = { "callgate" };
        int argc = 1;

        for (unsigned n = 1 + pick(&seed, 3); n--;) {
            argv[argc++] = names[pick(&seed, ARRAY_SIZE(names))];
            if (pick(&seed, 16)) {
                make_argument(&seed, text[n], sizeof text[n]);
                argv[argc++] = text[n];
            }
        }
        int rc = parse(argc, argv);
        fflush(stderr);
        fflush(stdout);
        ssize_t len = pread(fileno(err), said, sizeof said - 1, 0);
        said[len > 0 ? len : 0] = '\0';
        if (rc >= 0 && len)
            wrong = "it was taken, and something was said";
        else if (rc < 0 && (strncmp(said, "callgate: ", 10) || strchr(said, '\n') != said + len - 1))
            wrong = "not one line";
        refused += rc < 0;
        taken += rc == 0;
        if (ftruncate(fileno(err), 0) || lseek(fileno(err), 0, SEEK_SET) || ftruncate(fileno(out), 0) ||
            lseek(fileno(out), 0, SEEK_SET))
            wrong = "tmpfile";
    }
    dup2(old_err, 2);
    dup2(old_out, 1);
    fclose(err);
    fclose(out);
    log_mask = 0;
    ck_assert_msg(!wrong, "%s: %s", wrong, said);
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(taken, 1000);
    options_free(&o);
}
END_TEST

Suite *options_suite(void)
{
    Suite *s = suite_create("options");
    TCase *t = tcase_create("command line");

    tcase_add_test(t, sizes);
    tcase_add_test(t, drives);
    tcase_add_test(t, others);
    tcase_add_test(t, strict);
    tcase_add_test(t, anything);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
