/* linux.c - the x86 boot protocol's loader side (Documentation/arch/x86/boot.rst), up to the point
 * where guest code must run. See linux.h. Works for bzImage and for old zImage kernels.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/boot/linux.h"

#include "hw/boot/refuse.h"

#include <errno.h>
#include <stdlib.h>

#define SETUP_SECTS 0x1f1
#define VID_MODE    0x1fa
#define MAGIC       0x202
#define PROTOCOL    0x206
#define LOADER      0x210
#define LOADFLAGS   0x211
#define INITRD_ADDR 0x218
#define INITRD_SIZE 0x21c
#define HEAP_END    0x224
#define CMD_LINE    0x228
#define INITRD_MAX  0x22c
#define CMDLINE_MAX 0x238
#define HEADER_MIN  0x250

#define LOADED_HIGH    0x01
#define CAN_USE_HEAP   0x80
#define UNKNOWN_LOADER 0xff /* "undefined": we are registered nowhere */

/* The firmware's tables lie at the top of low RAM. */
#define TABLES_ROOM 0x28000u

/* vga= is for the loader, not for the kernel. */
static uint16_t video_mode(const char *cmdline)
{
    const char *v = strstr(cmdline, "vga=");
    if (!v || (v != cmdline && v[-1] != ' '))
        return 0xffff;
    v += 4;
    if (!strncmp(v, "normal", 6))
        return 0xffff;
    if (!strncmp(v, "ext", 3))
        return 0xfffe;
    if (!strncmp(v, "ask", 3))
        return 0xfffd;
    return (uint16_t)strtoul(v, NULL, 0);
}

int linux_load(struct fw_cfg *fw, const struct linux_boot *b, char *err, size_t err_len)
{
    const uint8_t *k = b->kernel;
    const char *cmdline = b->cmdline ? b->cmdline : "";
    uint32_t cmdline_size = (uint32_t)((strlen(cmdline) + 16) & ~15ull);
    uint32_t setup_addr = 0x90000;
    uint32_t cmdline_addr = 0x9a000 - cmdline_size;
    uint32_t kernel_addr = 0x100000;
    uint32_t protocol = 0;

    if (b->kernel_size < HEADER_MIN || load16(k + 0x1fe) != 0xaa55)
        return boot_refuse(err, err_len, "the kernel is neither a Linux nor a Multiboot image");
    if (load32(k + MAGIC) == 0x53726448) /* "HdrS" */
        protocol = load16(k + PROTOCOL);
    uint32_t cmdline_max = protocol >= 0x206 ? load32(k + CMDLINE_MAX) : 255;
    if (strlen(cmdline) > cmdline_max || cmdline_size > 0x8000)
        return boot_refuse(err, err_len, "the command line is longer than the %u bytes the kernel takes", cmdline_max);
    if (protocol < 0x200 || !(k[LOADFLAGS] & LOADED_HIGH)) {
        kernel_addr = 0x10000; /* zImage */
    } else if (protocol >= 0x202) {
        setup_addr = 0x10000;
        cmdline_addr = 0x20000;
    }

    uint32_t setup_size = ((k[SETUP_SECTS] ? k[SETUP_SECTS] : 4) + 1u) * 512;
    if (setup_size >= b->kernel_size || setup_size > cmdline_addr - setup_addr)
        return boot_refuse(err, err_len, "the kernel image is cut short");
    uint64_t kernel_size = b->kernel_size - setup_size;
    uint64_t limit = kernel_addr < 0x100000 ? setup_addr : b->ram_below_4g;
    if (kernel_addr + kernel_size > limit)
        return boot_refuse(err, err_len, "the kernel does not fit into the machine's memory");

    uint64_t initrd_addr = 0;
    if (b->initrd_size) {
        uint64_t max = protocol >= 0x203 ? load32(k + INITRD_MAX) : 0x37ffffff;
        if (protocol < 0x200)
            return boot_refuse(err, err_len, "the kernel is too old to load an initrd");
        if (max > b->ram_below_4g - TABLES_ROOM - 1)
            max = b->ram_below_4g - TABLES_ROOM - 1;
        if (b->initrd_size > max || ((max - b->initrd_size) & ~4095ull) < 0x100000 + kernel_size)
            return boot_refuse(err, err_len, "the initrd does not fit into the machine's memory");
        initrd_addr = (max - b->initrd_size) & ~4095ull;
    }

    uint8_t *setup = malloc(setup_size);
    if (!setup)
        return boot_refuse(err, err_len, "out of memory");
    memcpy(setup, k, setup_size);
    store16(setup + VID_MODE, video_mode(cmdline));
    if (protocol >= 0x202) {
        store32(setup + CMD_LINE, cmdline_addr);
    } else {
        store16(setup + 0x20, 0xa33f);
        store16(setup + 0x22, (uint16_t)(cmdline_addr - setup_addr));
    }
    if (protocol >= 0x200) {
        setup[LOADER] = UNKNOWN_LOADER;
        store32(setup + INITRD_ADDR, (uint32_t)initrd_addr);
        store32(setup + INITRD_SIZE, (uint32_t)b->initrd_size);
    }
    if (protocol >= 0x201) {
        setup[LOADFLAGS] |= CAN_USE_HEAP;
        store16(setup + HEAP_END, (uint16_t)(cmdline_addr - setup_addr - 0x200));
    }

    fw_cfg_add_u32(fw, FW_CFG_SETUP_ADDR, setup_addr);
    fw_cfg_add_u32(fw, FW_CFG_SETUP_SIZE, setup_size);
    fw_cfg_add_copy(fw, FW_CFG_SETUP_DATA, setup, setup_size);
    fw_cfg_add_u32(fw, FW_CFG_CMDLINE_ADDR, cmdline_addr);
    fw_cfg_add_u32(fw, FW_CFG_CMDLINE_SIZE, (uint32_t)strlen(cmdline) + 1);
    fw_cfg_add_string(fw, FW_CFG_CMDLINE_DATA, cmdline);
    fw_cfg_add_u32(fw, FW_CFG_KERNEL_ADDR, kernel_addr);
    fw_cfg_add_u32(fw, FW_CFG_KERNEL_SIZE, (uint32_t)kernel_size);
    fw_cfg_add(fw, FW_CFG_KERNEL_DATA, k + setup_size, kernel_size);
    fw_cfg_add_u32(fw, FW_CFG_INITRD_ADDR, (uint32_t)initrd_addr);
    fw_cfg_add_u32(fw, FW_CFG_INITRD_SIZE, (uint32_t)b->initrd_size);
    if (b->initrd_size)
        fw_cfg_add(fw, FW_CFG_INITRD_DATA, b->initrd, b->initrd_size);
    free(setup);
    return 0;
}
