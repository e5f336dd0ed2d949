/* multiboot.S - option ROM that starts a Multiboot kernel the machine was given with -kernel.
 *
 * fw_cfg holds the kernel's memory image with its address and entry point, and the boot information
 * block (mbi, modules, command lines) with its address. The BIOS's memory map is added here, then
 * the CPU goes to protected mode and to the entry (Multiboot specification 0.6.96, 3.2).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "optrom.h"

#define KEY_KERNEL_ADDR  0x07
#define KEY_KERNEL_SIZE  0x08
#define KEY_INITRD_ADDR  0x0a
#define KEY_INITRD_SIZE  0x0b
#define KEY_KERNEL_ENTRY 0x10
#define KEY_KERNEL_DATA  0x11
#define KEY_INITRD_DATA  0x12

#define MBI_FLAGS      0
#define MBI_MEM_LOWER  4
#define MBI_MEM_UPPER  8
#define MBI_BOOT_DEV   12
#define MBI_MMAP_LEN   44
#define MBI_MMAP_ADDR  48

/* Where the "initrd" block, which begins with the mbi, is put; the memory map goes behind it. */
#define WORK_SEG 0x900
#define MMAP_OFF 0x500

        OPTROM_HEADER "Multiboot kernel", boot

boot:
        OPTROM_START

        OPTROM_LOAD KEY_KERNEL_ADDR, KEY_KERNEL_SIZE, KEY_KERNEL_DATA
        OPTROM_LOAD KEY_INITRD_ADDR, KEY_INITRD_SIZE, KEY_INITRD_DATA

        movw    $WORK_SEG, %ax
        movw    %ax, %es

        int     $0x12                   /* KiB of low memory */
        movzwl  %ax, %eax
        movl    %eax, %es:MBI_MEM_LOWER

        /* E820 into Multiboot entries, which begin with their size */
        movw    $MMAP_OFF, %di
        xorl    %ebx, %ebx
1:      movl    $0xe820, %eax
        movl    $0x534d4150, %edx
        movl    $20, %ecx
        movl    $20, %es:(%di)
        addw    $4, %di
        int     $0x15
        jc      3f
        /* memory at 1 MiB is mem_upper */
        cmpl    $0x100000, %es:(%di)
        jne     2f
        cmpl    $0, %es:4(%di)
        jne     2f
        cmpl    $1, %es:16(%di)
        jne     2f
        movl    %es:8(%di), %eax
        shrl    $10, %eax
        movl    %eax, %es:MBI_MEM_UPPER
2:      addw    $20, %di
        testl   %ebx, %ebx
        jnz     1b
        jmp     4f
3:      subw    $4, %di
4:      subw    $MMAP_OFF, %di
        movzwl  %di, %eax
        movl    %eax, %es:MBI_MMAP_LEN
        movl    $((WORK_SEG << 4) + MMAP_OFF), %es:MBI_MMAP_ADDR
        movl    $0x8000ffff, %es:MBI_BOOT_DEV
        orl     $0x43, %es:MBI_FLAGS    /* memory sizes, boot device, map */

        movw    $KEY_KERNEL_ENTRY, %ax
        call    fw_long
        movl    %eax, %esi

        /* the GDT lies in this ROM: its linear address */
        cli
        xorl    %eax, %eax
        movw    %cs, %ax
        shll    $4, %eax
        addl    $gdt, %eax
        pushl   %eax
        pushw   $(gdt_end - gdt - 1)
        movw    %sp, %bp
        lgdtl   (%bp)
        xorl    %eax, %eax
        movw    %cs, %ax
        shll    $4, %eax
        addl    $protected, %eax
        pushl   $8                      /* for the far return: selector, offset */
        pushl   %eax
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        lretl

        .code32
protected:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        movl    $0x2badb002, %eax
        movl    $(WORK_SEG << 4), %ebx
        jmp     *%esi
        .code16

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff
        .quad   0x00cf92000000ffff
gdt_end:

        OPTROM_FUNCTIONS
