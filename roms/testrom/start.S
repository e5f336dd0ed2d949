/* start.S - entry, trap stubs, the way into a snippet and back, real mode and back.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"
#define EAX 0
#define ECX 4
#define EDX 8
#define EBX 12
#define ESP 16
#define EBP 20
#define ESI 24
#define EDI 28
#define EIP 32
#define EFL 36
#define RCS 40
#define RSS 44
#define RDS 48
#define RES 52
#define RFS 56
#define RGS 60
#define VEC 64
#define ERR 68
#define HCS 72
#define HSS 76
#define HESP 80
#define HEFL 84
#define PMSEL 88

        .section .multiboot, "a"
        .long   0x1badb002, 0, -0x1badb002

        .text
        .globl  _start
_start: cli
        movl    $boot_stack + 0x4000, %esp
        call    main
1:      hlt
        jmp     1b

        .globl  load_tables
load_tables:
        lgdt    gdtr
        lidt    idtr
        ljmp    $CODE0, $1f
1:      movl    $DATA0, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        ret

/* Run from the state in `in` until a trap. */
        .globl  enter
enter:  pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        pushfl
        movl    %esp, host_esp
        movl    $1, running
        testl   $F_VM, in+EFL
        jnz     vm
        testl   $3, in+RCS
        jnz     outer
        movl    in+RSS, %eax
        movl    %eax, %ss
        movl    in+ESP, %esp
        jmp     1f
vm:     pushl   in+RGS
        pushl   in+RFS
        pushl   in+RDS
        pushl   in+RES
outer:  pushl   in+RSS
        pushl   in+ESP
1:      pushl   in+EFL
        pushl   in+RCS
        pushl   in+EIP
        testl   $F_VM, in+EFL
        jnz     2f
        movl    in+RES, %eax
        movl    %eax, %es
        movl    in+RFS, %eax
        movl    %eax, %fs
        movl    in+RGS, %eax
        movl    %eax, %gs
2:      movl    in+ECX, %ecx
        movl    in+EDX, %edx
        movl    in+EBX, %ebx
        movl    in+EBP, %ebp
        movl    in+ESI, %esi
        movl    in+EDI, %edi
        testl   $F_VM, in+EFL
        jnz     3f
        movl    in+RDS, %eax
        movl    %eax, %ds
3:      movl    %cs:in+EAX, %eax
        .globl  enter_iret
enter_iret:
        iret

        .balign 16
        .globl  stubs
stubs:
        .set    v, 0
        .rept   256
        .balign 16
        .if     v == 8 || (v >= 10 && v <= 14) || v == 17
        .else
        pushl   $NOERR
        .endif
        pushl   $v
        jmp     trap_common
        .set    v, v + 1
        .endr

/* Any stack the processor has accepted is good enough: nothing here assumes SS to be flat. */
trap_common:
        pushl   %ds
        pushl   %eax
        pushfl
        movl    $DATA0, %eax
        movl    %eax, %ds
        popl    out+HEFL
        popl    out+EAX
        popl    out+RDS
        movl    %esp, out+HESP
        movl    %ecx, out+ECX
        movl    %edx, out+EDX
        movl    %ebx, out+EBX
        movl    %ebp, out+EBP
        movl    %esi, out+ESI
        movl    %edi, out+EDI
        movw    %es, out+RES
        movw    %fs, out+RFS
        movw    %gs, out+RGS
        movw    %cs, out+HCS
        movw    %ss, out+HSS
        popl    out+VEC
        popl    out+ERR
        popl    out+EIP
        popl    out+RCS
        popl    out+EFL
        movl    %esp, out+ESP
        movw    %ss, out+RSS
        testl   $F_VM, out+EFL
        jnz     1f
        movl    out+RCS, %eax
        andl    $3, %eax
        jz      2f
        popl    out+ESP
        popl    out+RSS
        jmp     2f
1:      popl    out+ESP
        popl    out+RSS
        popl    out+RES
        popl    out+RDS
        popl    out+RFS
        popl    out+RGS
2:      movl    $DATA0, %eax
        movl    %eax, %ss
        movl    host_esp, %esp
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        testl   $1, running
        jz      panic_
        movl    $0, running
        popfl
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        ret
panic_: call    panic

/* --- real mode; `in` is at RM_REGS, `out` comes back there --- */
        .globl  rm_enter
rm_enter:
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        pushl   %ebp
        pushfl
        movl    %esp, host_esp
        lidt    rm_idtr
        ljmp    $CODE16, $(rm_16 - rm_blob + RM_BASE)

rm_back:
        movl    $DATA0, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    %eax, %ss
        movl    host_esp, %esp
        lidt    idtr
        popfl
        popl    %ebp
        popl    %edi
        popl    %esi
        popl    %ebx
        ret

        .globl  rm_blob, rm_blob_end
        .code16
rm_blob:
rm_16:  movw    %cs:RM_REGS+PMSEL, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        movw    $DATA16, %ax
        movw    %ax, %ss
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmp    $0, $(1f - rm_blob + RM_BASE)
1:      xorw    %ax, %ax
        movw    %ax, %ds
        movw    RM_REGS+RES, %es
        movw    RM_REGS+RFS, %fs
        movw    RM_REGS+RGS, %gs
        movw    RM_REGS+RSS, %ss
        movl    RM_REGS+ESP, %esp
        pushw   RM_REGS+EFL
        pushw   RM_REGS+RCS
        pushw   RM_REGS+EIP
        movl    RM_REGS+ECX, %ecx
        movl    RM_REGS+EDX, %edx
        movl    RM_REGS+EBX, %ebx
        movl    RM_REGS+EBP, %ebp
        movl    RM_REGS+ESI, %esi
        movl    RM_REGS+EDI, %edi
        movw    RM_REGS+RDS, %ds
        movl    %cs:RM_REGS+EAX, %eax
        iretw
rm_common:
        pushw   %ds
        pushl   %eax
        pushfl
        xorw    %ax, %ax
        movw    %ax, %ds
        popl    RM_REGS+HEFL
        popl    RM_REGS+EAX
        popw    RM_REGS+RDS
        movl    %ecx, RM_REGS+ECX
        movl    %edx, RM_REGS+EDX
        movl    %ebx, RM_REGS+EBX
        movl    %ebp, RM_REGS+EBP
        movl    %esi, RM_REGS+ESI
        movl    %edi, RM_REGS+EDI
        movw    %es, RM_REGS+RES
        movw    %fs, RM_REGS+RFS
        movw    %gs, RM_REGS+RGS
        popw    RM_REGS+VEC
        popw    RM_REGS+EIP
        popw    RM_REGS+RCS
        popw    RM_REGS+EFL
        movl    %esp, RM_REGS+ESP
        movw    %ss, RM_REGS+RSS
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $CODE0, $rm_back
        .globl  rm_stubs
        .balign 8
rm_stubs:
        .set    v, 0
        .rept   256
        .balign 8
        pushw   $v
        jmp     rm_common
        .set    v, v + 1
        .endr
rm_blob_end:
        .code32

        .data
        .globl  gdtr, idtr
        .balign 8
        .word   0
gdtr:   .word   GDT_SIZE * 8 - 1
        .long   gdt
        .word   0
idtr:   .word   0x7ff
        .long   idt
        .word   0
rm_idtr:
        .word   0x3ff
        .long   0
        .globl  host_esp, running
host_esp: .long 0
running: .long  0

        .bss
        .balign 16
boot_stack: .space 0x4000
        .section .note.GNU-stack, "", @progbits
