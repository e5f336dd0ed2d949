/* linuxboot.S - option ROM that starts a Linux kernel the machine was given with -kernel.
 *
 * The parts (real-mode setup, protected-mode kernel, initial RAM disk, command line) lie in fw_cfg
 * with the addresses where they belong; after loading, control goes to the setup code as a boot
 * loader would give it (Linux x86 boot protocol, "Running the kernel").
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "optrom.h"

#define KEY_KERNEL_ADDR  0x07
#define KEY_KERNEL_SIZE  0x08
#define KEY_INITRD_ADDR  0x0a
#define KEY_INITRD_SIZE  0x0b
#define KEY_KERNEL_DATA  0x11
#define KEY_INITRD_DATA  0x12
#define KEY_CMDLINE_ADDR 0x13
#define KEY_CMDLINE_SIZE 0x14
#define KEY_CMDLINE_DATA 0x15
#define KEY_SETUP_ADDR   0x16
#define KEY_SETUP_SIZE   0x17
#define KEY_SETUP_DATA   0x18

        OPTROM_HEADER "Linux kernel", boot

boot:
        OPTROM_START

        OPTROM_LOAD KEY_SETUP_ADDR, KEY_SETUP_SIZE, KEY_SETUP_DATA
        OPTROM_LOAD KEY_CMDLINE_ADDR, KEY_CMDLINE_SIZE, KEY_CMDLINE_DATA
        OPTROM_LOAD KEY_KERNEL_ADDR, KEY_KERNEL_SIZE, KEY_KERNEL_DATA
        OPTROM_LOAD KEY_INITRD_ADDR, KEY_INITRD_SIZE, KEY_INITRD_DATA

        /* the stack ends below the command line; all segments are the setup code's */
        movw    $KEY_CMDLINE_ADDR, %ax
        call    fw_long
        movl    %eax, %esi
        movw    $KEY_SETUP_ADDR, %ax
        call    fw_long
        movl    %eax, %ebx
        subl    %ebx, %esi
        subl    $16, %esi
        shrl    $4, %ebx
        cli
        movw    %bx, %ds
        movw    %bx, %es
        movw    %bx, %fs
        movw    %bx, %gs
        movw    %bx, %ss
        movl    %esi, %esp
        addw    $0x20, %bx
        pushw   %bx
        pushw   $0
        xorl    %eax, %eax
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        lret

        OPTROM_FUNCTIONS
