/* monitor.c - fuzzes the monitor's lines and the keys it types, on a machine that stands still. It opens no files.
 *
 * Input: what a user types.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/char/chardev_int.h"
#include "hw/hostfile.h"
#include "ui/ui.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static struct ui ui;

static int no_file(enum hostfile kind, const char *path)
{
    if (strlen(path) >= HOSTFILE_PATH_MAX || kind >= HOSTFILE_KINDS)
        broken("a path without an end");
    return HOSTFILE_REFUSED;
}

/* A file of so many bytes. */
static void make_file(char path[40], size_t bytes)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    if (fd < 0 || ftruncate(fd, (off_t)bytes))
        broken("no memory for images");
    snprintf(path, 40, "/proc/self/fd/%d", fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char bios[40], floppy[40];
    static char *args[] = { "callgate", "-m",       "2M",      "-accel",  "interp", "-S",    "-display",
                            "none",     "-monitor", "ringbuf", "-serial", "null",   "-bios", bios,
                            "-fda",     floppy,     "-cdrom",  "",        NULL };

    (void)argc, (void)argv;
    make_file(bios, 64 << 10);
    make_file(floppy, 1440 << 10);
    if (options_parse(&ui.opt, ARRAY_SIZE(args) - 1, args) || vm_create(&ui.opt.vm, &ui.vm) || monitor_start(&ui) ||
        !ui.monitor)
        broken("no machine");
    hostfile_via = no_file;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char answer[65536];

    chardev_deliver(ui.vm->monitor_chr, data, size);
    chardev_deliver(ui.vm->monitor_chr, (const uint8_t *)"\n", 1);
    while (chardev_ring_read(ui.vm->monitor_chr, answer, sizeof answer) == sizeof answer)
        ;
    log_mask = 0;
    ui.vm->reset_kind = -1;
    ui.vm->quit = false;
    if (bus_check(pc_bus(ui.vm->pc)))
        broken(bus_check(pc_bus(ui.vm->pc)));
    return 0;
}
