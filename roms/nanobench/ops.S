/* ops.S - the loops that are timed: C functions of the number of rounds, and the same loops empty.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "nanobench.h"

        .text

/* A function whose loop counts in %esi; what it holds may use every other register but %esp. */
.macro  OP name
        .globl  \name
        .balign 64
\name:  pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        movl    20(%esp), %esi
.endm

.macro  END
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret
.endm

.macro  LOOP
        .balign 16
9:
.endm

.macro  NEXT
        decl    %esi
        jnz     9b
        END
.endm

/* UNROLL operations a round: those that may be as cheap as the loop itself */
        OP op_empty
        LOOP
        NEXT

        OP op_in
        LOOP
        .rept UNROLL
        inb     $0x80, %al
        .endr
        NEXT

        OP op_out
        xorl    %eax, %eax
        LOOP
        .rept UNROLL
        outb    %al, $0x80
        .endr
        NEXT

        OP op_cr0
        movl    %cr0, %eax
        LOOP
        .rept UNROLL
        movl    %eax, %cr0
        .endr
        NEXT

        OP op_cr3
        movl    %cr3, %eax
        LOOP
        .rept UNROLL
        movl    %eax, %cr3
        .endr
        NEXT

        OP op_call
        LOOP
        .rept UNROLL
        call    callee
        .endr
        NEXT

        OP op_icall
        movl    $callee, %ebx
        LOOP
        .rept UNROLL
        call    *%ebx
        .endr
        NEXT

        .balign 64
callee: ret

        OP op_cli
        LOOP
        .rept UNROLL
        cli
        sti
        .endr
        decl    %esi
        jnz     9b
        cli
        END

        OP op_pushf
        LOOP
        .rept UNROLL
        pushfl
        popfl
        .endr
        NEXT

        OP op_rdtsc
        LOOP
        .rept UNROLL
        rdtsc
        .endr
        NEXT

        OP op_cpuid
        LOOP
        .rept UNROLL
        xorl    %eax, %eax
        cpuid
        .endr
        NEXT

/* One operation a round; op_empty is their empty loop too. */
        OP op_syscall
        LOOP
        int     $VEC_SYSCALL
        NEXT

        OP op_sysenter
        movl    %esp, %ebx
        LOOP
        movl    %ebx, %ecx
        movl    $1f, %edx
        sysenter
1:      NEXT

        OP op_pf
        movl    $HOLE, %ebx
        LOOP
        movl    (%ebx), %eax            /* two bytes, which the handler skips */
        NEXT

        OP op_de
        xorl    %ecx, %ecx
        LOOP
        divl    %ecx                    /* the same */
        NEXT

/* One pass over page-table entries: %edi the entry, %ebx its page. */
.macro  PTE_OP name
        OP \name
        movl    $win, %edi
        movl    $WIN, %ebx
        movl    $BACKING + PTE_ALL, %edx
        LOOP
.endm

.macro  PTE_NEXT
        addl    $4, %edi
        addl    $4096, %ebx
        addl    $4096, %edx
        NEXT
.endm

        PTE_OP op_empty_pte
        PTE_NEXT

        PTE_OP op_touch
        movl    (%ebx), %eax
        PTE_NEXT

        PTE_OP op_pte_same
        movl    %edx, (%edi)
        PTE_NEXT

        PTE_OP op_pte_same_touch
        movl    %edx, (%edi)
        movl    (%ebx), %eax
        PTE_NEXT

        PTE_OP op_pte_clear
        movl    $0, (%edi)
        PTE_NEXT

        PTE_OP op_pte_clear_invlpg
        movl    $0, (%edi)
        invlpg  (%ebx)
        PTE_NEXT

        PTE_OP op_pte_set
        movl    %edx, (%edi)
        PTE_NEXT

        PTE_OP op_pte_set_touch
        movl    %edx, (%edi)
        movl    (%ebx), %eax
        PTE_NEXT

        .section .note.GNU-stack, "", @progbits
