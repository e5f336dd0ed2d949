/* fpu_native.c - see fpu_native.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "fpu_native.h"

#include <setjmp.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

void host_run(struct host_ctx *h);
__asm__(".text\n.globl host_run\nhost_run:\n"
        "push %rbx\npush %rbp\npush %r12\nmov %rdi, %r12\n"
        "fxrstor64 (%r12)\n"
        "mov 512(%r12), %rax\nmov 520(%r12), %rcx\nmov 528(%r12), %rdx\nmov 536(%r12), %rbx\n"
        "mov 544(%r12), %rdi\npush 552(%r12)\npopfq\n"
        "call *560(%r12)\n"
        "pushfq\npop 552(%r12)\n"
        "mov %rax, 512(%r12)\nmov %rcx, 520(%r12)\nmov %rdx, 528(%r12)\nmov %rbx, 536(%r12)\n"
        "fxsave64 (%r12)\nfninit\npush $0x1f80\nldmxcsr (%rsp)\nadd $8, %rsp\ncld\n"
        "pop %r12\npop %rbp\npop %rbx\nret\n");

static sigjmp_buf host_jmp;
static struct host_ctx *host_now;

void host_on_signal(int sig, siginfo_t *si, void *uc_)
{
    ucontext_t *uc = uc_;

    (void)si;
    if (!host_now)
        _exit(3); /* our own code */
    memcpy(host_now->fx, uc->uc_mcontext.fpregs, 512);
    siglongjmp(host_jmp, sig);
}

int host_exec(struct host_ctx *h)
{
    static const uint32_t init = 0x1f80;
    int sig;

    host_now = h;
    sig = sigsetjmp(host_jmp, 1);
    if (!sig)
        host_run(h);
    host_now = NULL;
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(init));
    return sig;
}
