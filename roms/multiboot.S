/* multiboot.S - option ROM that starts a Multiboot kernel the machine was given with -kernel.
 *
 * fw_cfg holds a work block (boot information, list of the kernel's pieces, wanted video mode) with
 * its address, and the pieces one behind the other. The BIOS is asked first, for the memory map and
 * a video mode, then the kernel is loaded, perhaps over the BIOS's data; the CPU goes to protected
 * mode and to the entry (Multiboot specification 0.6.96, 3.2 and 3.3). hw/boot/multiboot.h describes the
 * block.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "optrom.h"

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
#define MBI_VBE_CONTROL 72
#define MBI_VBE_MODE_INFO 76
#define MBI_VBE_MODE   80
#define MBI_FB_ADDR    88
#define MBI_FB_PITCH   96
#define MBI_FB_WIDTH   100
#define MBI_FB_HEIGHT  104
#define MBI_FB_BPP     108
#define MBI_FB_TYPE    109
#define MBI_FB_COLOR   110
#define FLAG_VBE       0x800
#define FLAG_FB        0x1000
#define FB_RGB         1
#define FB_TEXT        2

/* The work block, in ES. */
#define MMAP_OFF   0x500
#define MMAP_END   0xd00
#define PIECES     0xd00                /* number, then address and length of each */
#define VIDEO      0xe80                /* 0 or 1: wanted; 0 graphics, 1 text; width, height, depth */
#define VIDEO_TYPE   (VIDEO + 4)
#define VIDEO_WIDTH  (VIDEO + 8)
#define VIDEO_HEIGHT (VIDEO + 12)
#define VIDEO_DEPTH  (VIDEO + 16)
#define VBE_CONTROL 0x1000              /* 512 bytes */
#define VBE_MODE    0x1200              /* 256 bytes */
#define STACK_TOP   0x2000

/* In VBE_MODE. */
#define MODE_ATTRIBUTES 0
#define MODE_PITCH      16
#define MODE_WIDTH      18
#define MODE_HEIGHT     20
#define MODE_BPP        25
#define MODE_MODEL      27
#define MODE_RED        31              /* size, position; then green and blue */
#define MODE_ADDR       40
#define MODE_GOOD       0x91            /* supported, graphics, linear */
#define MODEL_DIRECT    6

        OPTROM_HEADER "Multiboot kernel", boot

boot:
        OPTROM_START

        OPTROM_LOAD KEY_INITRD_ADDR, KEY_INITRD_SIZE, KEY_INITRD_DATA
        movw    $KEY_INITRD_ADDR, %ax
        call    fw_long
        shrl    $4, %eax
        movw    %ax, %es

        call    memory
        cmpl    $0, %es:VIDEO
        je      1f
        call    video
1:
        /* from here on the BIOS is not needed, and what it keeps in memory may be overwritten */
        cli
        movw    %es, %ax
        movw    %ax, %ss
        movw    $STACK_TOP, %sp
        movl    %es:PIECES, %esi
        movw    $(PIECES + 4), %bx
        movw    $KEY_KERNEL_DATA, %ax
        movl    %es:(%bx), %edi
        movl    %es:4(%bx), %ecx
        call    fw_read
2:      addw    $8, %bx
        decl    %esi
        jz      3f
        movl    %es:(%bx), %edi
        movl    %es:4(%bx), %ecx
        call    fw_more
        jmp     2b
3:
        movw    $KEY_KERNEL_ENTRY, %ax
        call    fw_long
        movl    %eax, %esi
        xorl    %ebx, %ebx
        movw    %es, %bx
        shll    $4, %ebx

        /* the GDT lies in this ROM: its linear address */
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
        jmp     *%esi
        .code16

/* Memory sizes and map. */
memory:
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
        cmpw    $(MMAP_END - 24), %di
        ja      4f
        testl   %ebx, %ebx
        jnz     1b
        jmp     4f
3:      subw    $4, %di
4:      subw    $MMAP_OFF, %di
        movzwl  %di, %eax
        movl    %eax, %es:MBI_MMAP_LEN
        movw    $MMAP_OFF, %di
        call    linear
        movl    %eax, %es:MBI_MMAP_ADDR
        movl    $0x8000ffff, %es:MBI_BOOT_DEV
        orl     $0x43, %es:MBI_FLAGS    /* memory sizes, boot device, map */
        ret

/* EAX: the linear address of ES:DI. */
linear:
        xorl    %eax, %eax
        movw    %es, %ax
        shll    $4, %eax
        pushl   %edi
        movzwl  %di, %edi
        addl    %edi, %eax
        popl    %edi
        ret

/* The wanted video mode, or the nearest there is: the same size with another depth, or text. */
video:
        movw    $VBE_CONTROL, %di
        movl    $0x32454256, %es:(%di)  /* "VBE2" */
        movw    $0x4f00, %ax
        int     $0x10
        cmpw    $0x004f, %ax
        jne     text
        orl     $FLAG_VBE, %es:MBI_FLAGS
        call    linear
        movl    %eax, %es:MBI_VBE_CONTROL
        movw    $VBE_MODE, %di
        call    linear
        movl    %eax, %es:MBI_VBE_MODE_INFO
        cmpl    $0, %es:VIDEO_TYPE
        jne     text_mode
        call    find_mode
        jnc     1f
        movl    $0, %es:VIDEO_DEPTH     /* any */
        call    find_mode
        jc      text_mode
1:      movw    %cx, %bx
        orw     $0x4000, %bx
        movw    $0x4f02, %ax
        pushw   %bx
        int     $0x10
        popw    %bx
        cmpw    $0x004f, %ax
        jne     text_mode
        movw    %bx, %es:MBI_VBE_MODE
        orl     $FLAG_FB, %es:MBI_FLAGS
        movl    %es:(VBE_MODE + MODE_ADDR), %eax
        movl    %eax, %es:MBI_FB_ADDR
        movzwl  %es:(VBE_MODE + MODE_PITCH), %eax
        movl    %eax, %es:MBI_FB_PITCH
        movzwl  %es:(VBE_MODE + MODE_WIDTH), %eax
        movl    %eax, %es:MBI_FB_WIDTH
        movzwl  %es:(VBE_MODE + MODE_HEIGHT), %eax
        movl    %eax, %es:MBI_FB_HEIGHT
        movb    %es:(VBE_MODE + MODE_BPP), %al
        movb    %al, %es:MBI_FB_BPP
        movb    $FB_RGB, %es:MBI_FB_TYPE
        movw    %es:(VBE_MODE + MODE_RED), %ax
        xchgb   %al, %ah                /* the position comes first */
        movw    %ax, %es:MBI_FB_COLOR
        movw    %es:(VBE_MODE + MODE_RED + 2), %ax
        xchgb   %al, %ah
        movw    %ax, %es:(MBI_FB_COLOR + 2)
        movw    %es:(VBE_MODE + MODE_RED + 4), %ax
        xchgb   %al, %ah
        movw    %ax, %es:(MBI_FB_COLOR + 4)
        ret

/* No VBE mode: which one is set, and the text screen if it is that. */
text_mode:
        movw    $VBE_MODE, %di          /* what the search has left there */
        movw    $64, %cx
        xorl    %eax, %eax
        rep stosl
        movw    $0x4f03, %ax
        int     $0x10
        movw    %bx, %es:MBI_VBE_MODE
text:   movw    $0x1a00, %ax            /* is there a VGA at all? */
        int     $0x10
        cmpb    $0x1a, %al
        jne     1f
        movw    $0x0f00, %ax
        int     $0x10
        andb    $0x7f, %al
        cmpb    $3, %al
        jne     1f
        orl     $FLAG_FB, %es:MBI_FLAGS
        movl    $0xb8000, %es:MBI_FB_ADDR
        movl    $160, %es:MBI_FB_PITCH
        movl    $80, %es:MBI_FB_WIDTH
        movl    $25, %es:MBI_FB_HEIGHT
        movb    $16, %es:MBI_FB_BPP
        movb    $FB_TEXT, %es:MBI_FB_TYPE
1:      ret

/* CX: the first mode of the BIOS's list that fits, its description in VBE_MODE. CF: there is none. */
find_mode:
        lfs     %es:(VBE_CONTROL + 14), %si
1:      movw    %fs:(%si), %cx
        addw    $2, %si
        cmpw    $0xffff, %cx
        je      2f
        movw    $VBE_MODE, %di
        movw    $0x4f01, %ax
        pushw   %cx
        pushw   %si
        int     $0x10
        popw    %si
        popw    %cx
        cmpw    $0x004f, %ax
        jne     1b
        movb    %es:(VBE_MODE + MODE_ATTRIBUTES), %al
        andb    $MODE_GOOD, %al
        cmpb    $MODE_GOOD, %al
        jne     1b
        cmpb    $MODEL_DIRECT, %es:(VBE_MODE + MODE_MODEL)
        jne     1b
        movw    %es:(VBE_MODE + MODE_WIDTH), %ax
        cmpw    %es:VIDEO_WIDTH, %ax
        jne     1b
        movw    %es:(VBE_MODE + MODE_HEIGHT), %ax
        cmpw    %es:VIDEO_HEIGHT, %ax
        jne     1b
        cmpb    $0, %es:VIDEO_DEPTH
        je      3f
        movb    %es:(VBE_MODE + MODE_BPP), %al
        cmpb    %es:VIDEO_DEPTH, %al
        jne     1b
3:      clc
        ret
2:      stc
        ret

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9a000000ffff
        .quad   0x00cf92000000ffff
gdt_end:

        OPTROM_FUNCTIONS
