/* trap.S - entries of the demo's interrupt vectors, and the way to ring 3.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
        .text
        .code32
/* One entry a vector: push an error code where the CPU pushes none, and the number. */
        .global trap_entries
        .balign 16
trap_entries:
        .set    n, 0
        .rept   129
        .balign 16
        .if     !(n == 8 || (n >= 10 && n <= 14) || n == 17)
        pushl   $0
        .endif
        pushl   $n
        jmp     trap_common
        .set    n, n + 1
        .endr

trap_common:
        pushal
        pushl   %ds
        pushl   %es
        movl    $0x10, %eax
        movl    %eax, %ds
        movl    %eax, %es
        cld
        pushl   %esp
        call    trap
        addl    $4, %esp
        popl    %es
        popl    %ds
        popal
        addl    $8, %esp
        iret

/* void enter_user(uint32_t eip, uint32_t esp): never returns */
        .global enter_user
enter_user:
        movl    4(%esp), %ecx
        movl    8(%esp), %edx
        movl    $0x23, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        movl    %eax, %gs
        pushl   $0x23
        pushl   %edx
        pushl   $0x202
        pushl   $0x1b
        pushl   %ecx
        iret
        .section .note.GNU-stack, "", @progbits
