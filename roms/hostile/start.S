/* start.S - entry, exceptions and interrupts, the ways into ring 3, virtual-8086 mode and other segments and back.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hostile.h"

        .section .multiboot, "a"
        .long   0x1badb002, 0, -0x1badb002

        .text
        .globl  _start
_start: cli
        cld
        movl    $boot_stack_end, %esp
        pushl   %ebx
        pushl   %eax
        call    main
1:      hlt
        jmp     1b

        .globl  load_tables
load_tables:
        lgdt    gdtr
        lidt    idtr
        ljmp    $CODE0, $1f
1:      movl    $DATA0, %eax
        movl    %eax, %ss
        movl    $DATA3, %eax            /* good in both rings */
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $TSS, %eax
        ltr     %ax
        ret

.macro  ENTER
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
.endm
.macro  LEAVE
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret
.endm

        .globl  user_call
user_call:
        ENTER
        movl    20(%esp), %eax
        movl    24(%esp), %ecx
        movl    %ecx, user_stack_end - 4
        movl    $user_return, user_stack_end - 8
        movl    %esp, saved_esp
        pushl   $DATA3
        pushl   $user_stack_end - 8
        pushl   $0x202
        pushl   $CODE3
        pushl   %eax
        iret
user_return:
        int     $VEC_LEAVE

        .globl  v86_call
v86_call:
        ENTER
        movl    20(%esp), %eax
        movl    24(%esp), %ecx
        movl    %esp, saved_esp
        pushl   %eax                    /* GS, FS, DS, ES */
        pushl   %eax
        pushl   %eax
        pushl   %eax
        pushl   $0x3000                 /* SS:ESP */
        pushl   $0x8000
        pushl   $0x23202                /* VM, IOPL 3, IF */
        pushl   %eax
        pushl   %ecx
        iret

        .globl  on_leave
on_leave:
        movl    $DATA3, %eax            /* virtual-8086 mode leaves none */
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    saved_esp, %esp
        cld
        LEAVE

        .globl  guarded
guarded:
        ENTER
        movl    %esp, recover_esp
        movl    20(%esp), %eax
        pushl   24(%esp)
        call    *%eax
        addl    $4, %esp
        movl    $0, recover_esp
        xorl    %eax, %eax
        LEAVE

        .globl  recover
recover:
        movl    4(%esp), %eax
        incl    %eax
        movl    recover_esp, %esp
        movl    $0, recover_esp
        cld
        LEAVE

        .globl  far_call
far_call:
        ENTER
        movl    20(%esp), %ecx
        movl    24(%esp), %edx
        movl    28(%esp), %eax
        pushl   %ecx
        pushl   %edx
        lcall   *(%esp)
        addl    $8, %esp
        LEAVE

        .globl  spread_jump
spread_jump:
        ENTER
        movl    20(%esp), %edx
        movl    24(%esp), %ecx
        movl    28(%esp), %ebx
        xorl    %eax, %eax
        jmp     *%edx
        .globl  spread_back
spread_back:
        LEAVE

/* trap(frame) gives the new stack pointer: the registers right below what IRET takes. */
        .balign 16
        .globl  trap_stubs
trap_stubs:
        .set    v, 0
        .rept   256
        .balign 16
        pushl   $v
        jmp     trap_
        .set    v, v + 1
        .endr
trap_:  pushal
        movl    $DATA3, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
        pushl   %esp
        call    trap
        movl    %eax, %esp
        popal
        iret

        .data
        .balign 8
        .word   0
gdtr:   .word   GDT_N * 8 - 1
        .long   gdt
        .word   0
idtr:   .word   256 * 8 - 1
        .long   idt
saved_esp: .long 0
        .globl  recover_esp
recover_esp: .long 0

        .bss
        .balign 4096
        .space  0x4000
        .globl  kernel_stack_end
kernel_stack_end:
        .space  0x1000
user_stack_end:
        .space  0x4000
boot_stack_end:

        .section .note.GNU-stack, "", @progbits
