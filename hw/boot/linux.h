/* linux.h - a Linux kernel given with -kernel, prepared for the option ROM that starts it.
 *
 * What the ROM ("genroms/linuxboot*.bin") must do, all numbers little-endian u32 in fw_cfg:
 *   0x16 SETUP_ADDR   0x17 SETUP_SIZE   0x18 SETUP_DATA    real-mode part, header patched
 *   0x13 CMDLINE_ADDR 0x14 CMDLINE_SIZE 0x15 CMDLINE_DATA  with its final zero
 *   0x07 KERNEL_ADDR  0x08 KERNEL_SIZE  0x11 KERNEL_DATA   protected-mode part (1 MiB and up)
 *   0x0a INITRD_ADDR  0x0b INITRD_SIZE  0x12 INITRD_DATA   size 0: none
 * Read each DATA blob to its ADDR (addresses are physical; above 1 MiB by fw_cfg DMA or unreal
 * mode). Then DS = ES = FS = GS = SS = SETUP_ADDR / 16, SP = CMDLINE_ADDR - SETUP_ADDR - 16,
 * interrupts off, jump to SETUP_ADDR / 16 + 0x20 : 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_LINUX_H
#define HW_LINUX_H

#include "hw/boot/fw_cfg.h"

struct linux_boot {
    const void *kernel; /* the buffers must live as long as the machine */
    size_t kernel_size;
    const void *initrd;
    size_t initrd_size;
    const char *cmdline; /* NULL: empty */
    uint64_t ram_below_4g;
};

/* Fill in the keys above. Returns 0, or -EINVAL with one sentence in err. */
int linux_load(struct fw_cfg *fw, const struct linux_boot *b, char *err, size_t err_len);

#endif
