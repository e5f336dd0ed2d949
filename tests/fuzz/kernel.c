/* kernel.c - fuzzes what reads the file of -kernel: the Multiboot and the Linux loader. What they accept must lie in
 * the machine's memory, and what they refuse has one line of reason.
 *
 * Input: a byte of settings, a byte of length of the command line, the command line, the same of the module list if the
 * settings want one (its @ is the name of a file), the file.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/boot/linux.h"
#include "hw/boot/multiboot.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static uint32_t read_u32(struct bus *bus, unsigned key)
{
    uint32_t v = 0;
    unsigned n;

    port_write(bus, 0x510, key, 2);
    for (n = 0; n < 4; n++)
        v |= port_read(bus, 0x511, 1) << (8 * n);
    return v;
}

static tick_t no_time(void *opaque)
{
    (void)opaque;
    return 0;
}

/* A byte of length after `skip` others, and that much text; @ becomes the name of a file of 5,000 bytes. */
static void take_text(const uint8_t **data, size_t *size, size_t skip, char *to, size_t room)
{
    static char name[40];
    size_t n, at = 0;

    if (!name[0]) {
        int fd = memfd_create("module", MFD_CLOEXEC);

        if (fd < 0 || ftruncate(fd, 5000))
            broken("no memory for a module");
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    }
    if (*size <= skip) {
        *size = 0;
        *to = 0;
        return;
    }
    n = (*data)[skip];
    *data += skip + 1;
    *size -= skip + 1;
    n = n < *size ? n : *size;
    for (size_t i = 0; i < n && at + sizeof name < room; i++) {
        if ((*data)[i] == '@')
            at += (size_t)snprintf(to + at, room - at, "%s", name);
        else
            to[at++] = (char)(*data)[i];
    }
    to[at] = 0;
    *data += n;
    *size -= n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t sizes[] = { 1 << 20, 2 << 20, 4 << 20, 0x150000 };
    static const uint8_t initrd[5000];
    struct clock clock;
    struct bus bus = {
        .clock = &clock,
    };
    struct fw_cfg *fw;
    char cmdline[1025];
    char modules[1025];
    char err[256] = "";
    uint8_t settings;
    uint64_t ram;
    uint8_t *kernel;
    int rc;

    if (size < 2)
        return 0;
    settings = data[0];
    take_text(&data, &size, 1, cmdline, sizeof cmdline);
    if (settings & 8)
        take_text(&data, &size, 0, modules, sizeof modules);
    ram = sizes[settings & 3];
    clock_init(&clock, no_time, NULL);
    if (bus_init(&bus))
        broken("no bus");
    fw = fw_cfg_create(&bus);
    kernel = malloc(size ? size : 1); /* so that a byte too far is seen */
    memcpy(kernel, data, size);
    if (multiboot_probe(kernel, size)) {
        const struct multiboot_boot b = { kernel, size, "kernel", cmdline, settings & 8 ? modules : NULL, ram };

        rc = multiboot_load(fw, &b, err, sizeof err);
    } else {
        const struct linux_boot b = { kernel, size, initrd, settings & 4 ? sizeof initrd : 0, cmdline, ram };

        rc = linux_load(fw, &b, err, sizeof err);
    }
    if (rc && (!err[0] || strchr(err, '\n')))
        broken("a refusal without one line of reason");
    if (!rc) {
        if (read_u32(&bus, FW_CFG_KERNEL_ADDR) + (uint64_t)read_u32(&bus, FW_CFG_KERNEL_SIZE) > ram)
            broken("a kernel outside memory is accepted");
        if (read_u32(&bus, FW_CFG_INITRD_ADDR) + (uint64_t)read_u32(&bus, FW_CFG_INITRD_SIZE) > ram)
            broken("an initrd outside memory is accepted");
        if (read_u32(&bus, FW_CFG_SETUP_SIZE) > 0x10200)
            broken("the setup code is larger than it may be");
    }
    bus_destroy(&bus);
    clock_destroy(&clock);
    free(kernel);
    return 0;
}
