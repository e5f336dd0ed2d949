/* options.c - the command line.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "ui/options.h"

static struct options o;

static int parse(int argc, const char **argv)
{
    options_free(&o);
    return options_parse(&o, argc, (char **)argv);
}
#define PARSE(...)                                                            \
    parse((int)ARRAY_SIZE(((const char *[]){ "callgate", __VA_ARGS__ })),     \
          (const char *[]){ "callgate", __VA_ARGS__ })

START_TEST(sizes)
{
    ck_assert_int_eq(PARSE("-m", "64"), 0);
    ck_assert_uint_eq(o.ram_size, 64 << 20);
    ck_assert_int_eq(PARSE("-m", "2G"), 0);
    ck_assert_uint_eq(o.ram_size, 2ull << 30);
    ck_assert_int_eq(PARSE("-m", "size=4096K"), 0);
    ck_assert_uint_eq(o.ram_size, 4 << 20);
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
    ck_assert(o.drive[0].present && !o.drive[0].cdrom);
    ck_assert(o.drive[2].present && o.drive[2].cdrom && o.drive[2].readonly);
    ck_assert(o.drive[4].present);
    ck_assert_int_eq(PARSE("-drive", "file=a,media=cdrom,index=3,readonly=on"), 0);
    ck_assert(o.drive[3].cdrom);
    ck_assert_int_eq(PARSE("-drive", "file=a", "-drive", "file=b,snapshot=on"), 0);
    ck_assert_str_eq(o.drive[1].file, "b");
    ck_assert(o.drive[1].snapshot && !o.drive[0].snapshot);
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
    ck_assert_int_eq(PARSE("-cpu", "pentium3", "-accel", "interp", "-icount", "shift=2", "-boot",
                           "order=dc,menu=on", "--no-reboot"), 0);
    ck_assert_str_eq(o.cpu->name, "pentium3");
    ck_assert_int_eq(o.icount_shift, 2);
    ck_assert_str_eq(o.boot_order, "dc");
    ck_assert(o.boot_menu && o.no_reboot);
    ck_assert_int_lt(PARSE("-cpu", "z80"), 0);
    ck_assert_int_lt(PARSE("-accel", "magic"), 0);
    ck_assert_int_lt(PARSE("-icount", "shift=99"), 0);
    ck_assert_int_lt(PARSE("-boot", "x"), 0);
    ck_assert_int_lt(PARSE("-smp", "4"), 0);
    ck_assert_int_eq(PARSE("-M", "pc"), 0);
    ck_assert(!o.no_hpet);
    ck_assert_int_eq(PARSE("-machine", "pc-i440fx-7.2,hpet=off,usb=off"), 0);
    ck_assert(o.no_hpet);
    ck_assert_int_eq(PARSE("-M", "hpet=off", "-machine", "hpet=on"), 0);
    ck_assert(!o.no_hpet);
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
    ck_assert_int_eq(o.icount_shift, 3);
    ck_assert_str_eq(o.engine->name, "lockstep");
    ck_assert_str_eq(o.engine_options, "slice=5");
    ck_assert_int_eq(PARSE("-icount", "shift=1", "-accel", "lockstep"), 0);
    ck_assert_int_eq(o.icount_shift, 1);
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

Suite *options_suite(void)
{
    Suite *s = suite_create("options");
    TCase *t = tcase_create("command line");

    tcase_add_test(t, sizes);
    tcase_add_test(t, drives);
    tcase_add_test(t, others);
    suite_add_tcase(s, t);
    return s;
}
