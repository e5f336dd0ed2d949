/* clang-format off */
/* optrom.h - what our boot option ROMs share: the header a BIOS looks for, and reading fw_cfg by DMA.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */

/* fw_cfg: DMA address register (big endian, two dwords) and control bits. */
#define FW_CFG_DMA_HIGH 0x514
#define FW_CFG_DMA_LOW  0x518
#define FW_CFG_DMA_READ   0x02
#define FW_CFG_DMA_SELECT 0x08
#define FW_CFG_DMA_ERROR  0x01

/* The ROM header with a PnP expansion header (PnP BIOS specification 1.0A, 3.2), whose boot entry
 * vector is `entry`. The size and the checksum are filled in by fixrom. */
.macro OPTROM_HEADER name, entry
        .code16
        .text
        .global _start
_start:
        .byte   0x55, 0xaa
        .byte   0                       /* size in 512-byte blocks */
        lret                            /* initialisation: nothing to do */
        .org    0x18
        .word   0                       /* no PCI data structure */
        .word   pnp
pnp:
        .ascii  "$PnP"
        .byte   1                       /* revision */
        .byte   2                       /* length / 16 */
        .word   0                       /* no next header */
        .byte   0
        .byte   0                       /* checksum: not looked at by the BIOS */
        .long   0                       /* device identifier */
        .word   manufacturer
        .word   product
        .byte   2, 0, 0                 /* device type: boot */
        .byte   0x64                    /* indicators: bootable, read cacheable */
        .word   0, 0                    /* no BCV, no disconnect vector */
        .word   \entry                  /* BEV */
        .word   0, 0
manufacturer:
        .asciz  "Callgate"
product:
        .asciz  "\name"
.endm

/* Load one part: the fw_cfg keys of its address, size and data. */
.macro OPTROM_LOAD addr, size, data
        movw    $\size, %ax
        call    fw_long
        movl    %eax, %esi
        movw    $\addr, %ax
        call    fw_long
        movl    %eax, %edi
        movl    %esi, %ecx
        jecxz   2f
        movw    $\data, %ax
        call    fw_read
2:
.endm

/* A stack of our own, out of the way of what is loaded. */
.macro OPTROM_START
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        movw    %ax, %ss
        movw    $0x7c00, %sp
        sti
.endm

/* fw_read: read fw_cfg item AX, ECX bytes, to physical address EDI. fw_more: the next ECX bytes of
 * the same item. Both clobber EAX, EDX, EBP. */
.macro OPTROM_FUNCTIONS
fw_more:
        movl    $FW_CFG_DMA_READ, %eax
        jmp     fw_transfer
fw_read:
        movzwl  %ax, %eax
        shll    $16, %eax
        orl     $(FW_CFG_DMA_READ | FW_CFG_DMA_SELECT), %eax
fw_transfer:
        /* the descriptor on the stack: control, length, address (all big endian) */
        bswap   %edi
        pushl   %edi
        bswap   %edi
        pushl   $0
        bswap   %ecx
        pushl   %ecx
        bswap   %ecx
        bswap   %eax
        pushl   %eax
        /* its physical address */
        xorl    %eax, %eax
        movw    %ss, %ax
        shll    $4, %eax
        movzwl  %sp, %edx
        addl    %edx, %eax
        pushl   %eax
        movw    $FW_CFG_DMA_HIGH, %dx
        xorl    %eax, %eax
        outl    %eax, %dx
        movw    $FW_CFG_DMA_LOW, %dx
        popl    %eax
        bswap   %eax
        outl    %eax, %dx
        movw    %sp, %bp
1:      movl    (%bp), %eax             /* done when control is 0 or has the error bit alone */
        bswap   %eax
        testl   $(~FW_CFG_DMA_ERROR), %eax
        jnz     1b
        addw    $16, %sp
        ret

/* fw_long: read a 32-bit fw_cfg value AX into EAX. Clobbers ECX, EDX, EDI. */
fw_long:
        pushl   $0
        xorl    %edi, %edi
        movw    %ss, %di
        shll    $4, %edi
        movzwl  %sp, %edx
        addl    %edx, %edi
        movl    $4, %ecx
        call    fw_read
        popl    %eax
        ret
.endm
