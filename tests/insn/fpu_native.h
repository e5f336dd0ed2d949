/* fpu_native.h - running an instruction on the host CPU between FXRSTOR and FXSAVE.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef TESTS_INSN_FPU_NATIVE_H
#define TESTS_INSN_FPU_NATIVE_H

#include <signal.h>
#include <stdint.h>

struct host_ctx {
    uint8_t fx[512];
    uint64_t ax, cx, dx, bx, di, flags;
    void *code;
} __attribute__((aligned(16)));

/* Run h->code, which ends with RET, in the state of *h; it is there afterwards. 0, or the signal that it raised. */
int host_exec(struct host_ctx *h);
/* The handler of signals that it may raise. */
void host_on_signal(int sig, siginfo_t *si, void *context);

#endif
