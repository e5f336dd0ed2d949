/* loader.c - what -kernel and its module list are refused with.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "hw/boot/multiboot.h"

static tick_t no_time(void *opaque)
{
    (void)opaque;
    return 0;
}

/* The reason is one line, whatever the name of a module has in it. */
START_TEST(module_names)
{
    static const char *const lists[] = { "no\nsuch file", "no,such\r\nfile argument", "\x7f\x1b[2J" };
    uint8_t kernel[64] = { 0 };
    struct clock clock;
    struct bus bus = { .clock = &clock };
    char err[256];

    store32(kernel, 0x1badb002);
    store32(kernel + 4, 0x10000);
    store32(kernel + 8, -(0x1badb002u + 0x10000u));
    for (unsigned n = 12; n < 28; n += 4)
        store32(kernel + n, n == 20 || n == 24 ? 0 : 0x100000);
    store32(kernel + 28, 0x100020);
    ck_assert(multiboot_probe(kernel, sizeof kernel));
    clock_init(&clock, no_time, NULL);
    ck_assert_int_eq(bus_init(&bus), 0);
    struct fw_cfg *fw = fw_cfg_create(&bus);
    for (unsigned n = 0; n < ARRAY_SIZE(lists); n++) {
        const struct multiboot_boot boot = { kernel, sizeof kernel, "kernel", "", lists[n], 4 << 20 };

        ck_assert_int_ne(multiboot_load(fw, &boot, err, sizeof err), 0);
        ck_assert_msg(strlen(err) > 10, "%s", err);
        for (const char *p = err; *p; p++)
            ck_assert_msg((unsigned char)*p >= 32 && *p != 127, "a control character in '%s'", err);
    }
    bus_destroy(&bus);
    clock_destroy(&clock);
}
END_TEST

Suite *loader_suite(void)
{
    Suite *s = suite_create("loader");
    TCase *t = tcase_create("kernels");

    tcase_add_test(t, module_names);
    suite_add_tcase(s, t);
    return s;
}
