/* boot.S - the demo's boot sector and its way from real mode to the 32-bit kernel.
 *
 * The BIOS loads this sector at 7C00h. It reads the rest of the image (KERNEL_SECTORS, set by the
 * linker) behind it, asks the BIOS for the memory map, and enters protected mode.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
        .code16
        .section .boot, "ax"
        .global _start
_start: ljmp    $0, $1f
1:      xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
        cld
        movb    %dl, drive
        movw    $hello, %si
        call    print

        /* read sector by sector: slow, but right on any geometry */
        movb    $8, %ah                 /* geometry */
        movb    drive, %dl
        pushw   %es
        int     $0x13
        popw    %es
        jc      failed
        andw    $0x3f, %cx
        movw    %cx, spt
        movzbw  %dh, %ax
        incw    %ax
        movw    %ax, heads
        movw    $0x7e0, %bx             /* segment of sector 1 */
        movw    $1, %di                 /* linear sector number */
next:   movw    %bx, %es
        movw    %di, %ax
        xorw    %dx, %dx
        divw    spt
        movw    %dx, %cx
        incw    %cx                     /* sector, from 1 */
        xorw    %dx, %dx
        divw    heads
        movb    %dl, %dh                /* head */
        movb    %al, %ch                /* cylinder */
        movb    drive, %dl
        pushw   %bx
        xorw    %bx, %bx
        movw    $0x0201, %ax
        int     $0x13
        popw    %bx
        jc      failed
        addw    $0x20, %bx
        incw    %di
        cmpw    $KERNEL_SECTORS, %di
        jb      next

        /* the memory map: entries of 24 bytes at 600h, their number at 5FCh */
        xorw    %ax, %ax
        movw    %ax, %es
        movw    $0x600, %di
        xorl    %ebx, %ebx
        xorl    %ebp, %ebp
e820:   movl    $0xe820, %eax
        movl    $0x534d4150, %edx
        movl    $24, %ecx
        int     $0x15
        jc      2f
        incl    %ebp
        addw    $24, %di
        testl   %ebx, %ebx
        jnz     e820
2:      movl    %ebp, 0x5fc

        movw    $0x2401, %ax            /* A20 on */
        int     $0x15
        cli
        lgdt    gdtr
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $protected

failed: movw    $broken, %si
        call    print
3:      hlt
        jmp     3b

print:  lodsb
        testb   %al, %al
        jz      4f
        movb    $0x0e, %ah
        movw    $7, %bx
        int     $0x10
        jmp     print
4:      ret

hello:  .asciz "Callgate demo: real mode\r\n"
broken: .asciz "disk error\r\n"
drive:  .byte 0
        .balign 2
spt:    .word 0
heads:  .word 0

        .balign 8
gdt:    .quad 0
        .quad 0x00cf9a000000ffff
        .quad 0x00cf92000000ffff
gdtr:   .word gdtr - gdt - 1
        .long gdt

        .org 510
        .word 0xaa55

        .code32
        .text
protected:
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        movl    $0x7c00, %esp
        xorl    %ebp, %ebp
        movl    $bss_start, %edi
        movl    $bss_end, %ecx
        subl    %edi, %ecx
        xorl    %eax, %eax
        rep stosb
        call    kernel_main
5:      hlt
        jmp     5b
        .section .note.GNU-stack, "", @progbits
