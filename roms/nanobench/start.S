/* start.S - entry, the handlers that are measured, the way into ring 3 and back.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "nanobench.h"

        .section .multiboot, "a"
        .long   0x1badb002, 0, -0x1badb002

        .text
        .globl  _start
_start: cli
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
        movl    $DATA3, %eax            /* good in both rings, so no handler need load them */
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        movl    $TSS, %eax
        ltr     %ax
        ret

/* user_call(f, rounds): f(rounds) in ring 3. It returns to a piece of ring-3 code that traps back. */
        .globl  user_call
user_call:
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        movl    20(%esp), %eax
        movl    24(%esp), %ecx
        movl    %ecx, user_stack_end - 4
        movl    $user_return, user_stack_end - 8
        movl    %esp, saved_esp
        pushl   $DATA3
        pushl   $user_stack_end - 8
        pushl   $2
        pushl   $CODE3
        pushl   %eax
        iret

user_return:
        int     $VEC_LEAVE

        .balign 16
        .globl  on_leave
on_leave:
        movl    saved_esp, %esp
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret

        .balign 16
        .globl  on_syscall
on_syscall:
        iret

        .balign 16
        .globl  on_sysenter
on_sysenter:
        sysexit

/* Both skip the two bytes that faulted. */
        .balign 16
        .globl  on_page_fault
on_page_fault:
        addl    $4, %esp
        addl    $2, (%esp)
        iret

        .balign 16
        .globl  on_divide_error
on_divide_error:
        addl    $2, (%esp)
        iret

/* Anything else is a mistake: panic(vector, eip). */
        .balign 16
        .globl  trap_stubs
trap_stubs:
        .set    v, 0
        .rept   32
        .balign 16
        .if     v == 8 || (v >= 10 && v <= 14) || v == 17
        addl    $4, %esp
        .endif
        pushl   $v
        jmp     panic_
        .set    v, v + 1
        .endr
panic_: call    panic

        .data
        .balign 8
        .word   0
gdtr:   .word   6 * 8 - 1
        .long   gdt
        .word   0
idtr:   .word   256 * 8 - 1
        .long   idt
saved_esp: .long 0

        .bss
        .balign 4096
        .globl  win
win:    .space  NPTE * 4
        .space  0x1000
        .globl  kernel_stack_end
kernel_stack_end:
        .space  0x1000
user_stack_end:
        .space  0x1000
boot_stack_end:

        .section .note.GNU-stack, "", @progbits
