/* multiboot.h - a Multiboot 1 kernel given with -kernel, prepared for the option ROM.
 *
 * What the ROM ("genroms/multiboot*.bin") must do, all numbers little-endian u32 in fw_cfg:
 *   0x07 KERNEL_ADDR 0x08 KERNEL_SIZE 0x11 KERNEL_DATA  one blob: the kernel's segments (BSS
 *        included), the command line, module strings, and the modules on page boundaries
 *   0x10 KERNEL_ENTRY                                   where to jump
 *   0x0a INITRD_ADDR (9000h) 0x0b INITRD_SIZE 0x12 INITRD_DATA  the information structure (first
 *        thing in the block) and the module list; at most 500h bytes
 * Read both blobs to their ADDRs. Put the INT 15h E820 map at 9500h as Multiboot entries (u32
 * size = 20, u64 base, u64 length, u32 type) and set in the information structure: +4 mem_lower
 * (KiB, INT 12h), +8 mem_upper (KiB above 1 MiB up to the first hole), +44 mmap_length, +48
 * mmap_addr = 9500h. The flags already announce them. Then A20 on, protected mode with flat
 * 4 GiB segments, no paging, interrupts off, EAX = 2BADB002h, EBX = INITRD_ADDR, jump to
 * KERNEL_ENTRY.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_MULTIBOOT_H
#define HW_MULTIBOOT_H

#include "hw/fw_cfg.h"

struct multiboot_boot {
    const void *kernel;
    size_t kernel_size;
    const char *kernel_name; /* first word of the command line */
    const char *cmdline;
    const char *modules;     /* "file arg,file2 arg": read here */
    uint64_t ram_below_4g;
};

/* Does the image carry a Multiboot header? */
bool multiboot_probe(const void *kernel, size_t size);
/* Fill in the keys above. Returns 0, or -EINVAL with one sentence in err. */
int multiboot_load(struct fw_cfg *fw, const struct multiboot_boot *b, char *err, size_t err_len);

#endif
