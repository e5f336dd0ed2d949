/* multiboot.h - a Multiboot 1 kernel given with -kernel, prepared for the option ROM.
 *
 * What the ROM ("genroms/multiboot*.bin") must do, all numbers little-endian u32 in fw_cfg:
 *   0x0a INITRD_ADDR 0x0b INITRD_SIZE 0x12 INITRD_DATA  the work block: 8 KiB of low memory that the
 *        kernel leaves free, of which the data are the beginning:
 *          +0     the information structure and the module list
 *          +500h  room for the memory map, up to +D00h
 *          +D00h  the kernel's pieces: their number, then address and length of each
 *          +E80h  the video mode: 1 if one is wanted; 0 graphics or 1 text; width, height, depth
 *          +1000h room for VBE information (512 and 256 bytes), then for a stack down from +2000h
 *   0x11 KERNEL_DATA   the pieces one behind the other: segments (BSS included); behind the last
 *        one, and part of it, the command line, module strings, and the modules on page boundaries
 *   0x10 KERNEL_ENTRY  where to jump
 * Read the work block. Put the INT 15h E820 map into it as Multiboot entries (u32 size = 20, u64
 * base, u64 length, u32 type) and set in the information structure: +4 mem_lower (KiB, INT 12h), +8
 * mem_upper (KiB above 1 MiB up to the first hole), +44 mmap_length, +48 mmap_addr. Set the video
 * mode, or one like it, or none, and describe the outcome (flags bits 11 and 12). Then, with
 * interrupts off and the stack in the work block, because BIOS data may be overwritten, read the
 * pieces to their places. A20 on, protected mode with flat 4 GiB segments, no paging, EAX =
 * 2BADB002h, EBX = INITRD_ADDR, jump to KERNEL_ENTRY.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_MULTIBOOT_H
#define HW_MULTIBOOT_H

#include "hw/boot/fw_cfg.h"

struct multiboot_boot {
    const void *kernel;
    size_t kernel_size;
    const char *kernel_name; /* first word of the command line */
    const char *cmdline;
    const char *modules; /* "file arg,file2 arg": read here */
    uint64_t ram_below_4g;
};

/* Does the image carry a Multiboot header? */
bool multiboot_probe(const void *kernel, size_t size);
/* Fill in the keys above. Returns 0, or -EINVAL with one sentence in err. */
int multiboot_load(struct fw_cfg *fw, const struct multiboot_boot *b, char *err, size_t err_len);

#endif
