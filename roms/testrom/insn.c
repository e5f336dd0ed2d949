/* insn.c - CPUID, TSC, MSRs, CMPXCHG8B and some instructions with rules of their own.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

void test_insn(void)
{
    u32 t;

    begin();
    ring(3);
    in.eax = 0;
    OK("CPUID at CPL 3", "cpuid");
    EQ("CPUID: largest leaf is at least 1", out.eax >= 1, 1);
    in.eax = 1;
    OK("CPUID 1", "cpuid");
    EQ("CPUID 1: FPU", out.edx & 1, 1);
    OK("EFLAGS.ID", "push $0x200002; popf; pushf; pop %eax; push $2; popf; pushf; pop %ecx");
    EQ("EFLAGS.ID can be toggled", (out.eax ^ out.ecx) & 0x200000, 0x200000);
    ring(0);
    if (features >> 4 & 1) {
        OK("RDTSC", "rdtsc; mov %eax, %ecx; rdtsc");
        EQ("RDTSC goes forward", (int)(out.eax - out.ecx) > 0, 1);
    }
    if (features >> 5 & 1) {
        in.ecx = 0xdeadbeef;
        FAULT("#GP RDMSR unknown", "rdmsr", GP, 0);
        FAULT("#GP WRMSR unknown", "wrmsr", GP, 0);
        in.ecx = 0x1b;
        OK("RDMSR IA32_APIC_BASE", "rdmsr");
        EQ("IA32_APIC_BASE: BSP, enabled", out.eax & 0xffffff00, 0xfee00900);
        in.ecx = 0x10;
        in.eax = 0x1000;
        in.edx = 0;
        OK("WRMSR IA32_TIME_STAMP_COUNTER", "wrmsr; rdtsc");
        t = out.eax;
        EQ("TSC counts on from what was written", t >= 0x1000 && out.edx == 0, 1);
        if (features_nx) {
            in.ecx = 0xc0000080;
            in.eax = 2;
            FAULT("#GP WRMSR EFER, reserved bit", "wrmsr", GP, 0);
        }
    }
    begin();
    if (features >> 8 & 1) {
        wr32((u32)buf, 0x11111111);
        wr32((u32)buf + 4, 0x22222222);
        in.eax = 0x11111111;
        in.edx = 0x22222222;
        in.ecx = 0x44444444;
        in.esi = (u32)buf;
        in.ebx = 0x33333333;
        OK("CMPXCHG8B equal", "lock cmpxchg8b (%esi)");
        EQ("CMPXCHG8B equal: ZF", out.eflags & F_ZF, F_ZF);
        EQ("CMPXCHG8B equal: memory", rd32((u32)buf) + rd32((u32)buf + 4), 0x77777777);
        in.eflags = 2 | F_ZF;
        OK("CMPXCHG8B not equal", "cmpxchg8b (%esi)");
        EQ("CMPXCHG8B not equal: ZF", out.eflags & F_ZF, 0);
        EQ("CMPXCHG8B not equal: EDX:EAX", out.eax == 0x33333333 && out.edx == 0x44444444, 1);
    }
    begin();
    seg(T(0), (u32)buf, 0x0f, 0x91, 0x40);
    in.es = T(0);
    in.ebx = 0x10;
    if (features >> 15 & 1) {
        FAULT("CMOV that does not move still reads", "cmovz %es:(%ebx), %eax", GP, 0);
        in.ebx = 0;
        FAULT("CMPXCHG8B needs a writable segment", "cmpxchg8b %es:(%ebx)", GP, 0);
    }
    in.ebx = 0;
    FAULT("CMPXCHG needs a writable segment", "cmpxchg %eax, %es:(%ebx)", GP, 0);
    FAULT("BTS of a set bit needs a writable segment", "btsl $0, %es:(%ebx)", GP, 0);
    OK("SHL by 0: no write, or a fault before it", "shll $1, %eax");
    begin();
    OK("PUSH ESP pushes the old value", "mov %esp, %ecx; push %esp; pop %eax");
    EQ("PUSH ESP", out.eax, out.ecx);
    OK("POP ESP", "mov %esp, %ecx; push $0x1234; pop %esp; mov %esp, %edx; mov %ecx, %esp");
    EQ("POP ESP takes the value", out.edx, 0x1234);
    OK("POP (ESP) uses ESP after the pop", "push $1; push $2; popl (%esp); pop %eax");
    EQ("POP (ESP)", out.eax, 2);
    OK("PUSH Sreg writes 16 bits or zero-extends", "push $-1; pop %eax; push %ds; pop %eax");
    EQ("PUSH DS, low half", out.eax & 0xffff, DATA0);
    ring(3);
    in.ebp = in.esp - 0x40;
    wr32(in.ebp - 4, 0xaaaa);
    wr32(in.ebp - 8, 0xbbbb);
    OK("ENTER 16, 3", "mov %esp, %ecx; enter $16, $3; mov %esp, %edx; mov %ebp, %eax; mov %ecx, %esp");
    EQ("ENTER: ESP", out.ecx - out.edx, 4 + 8 + 4 + 16);
    EQ("ENTER: EBP", out.eax, out.ecx - 4);
    EQ("ENTER: copied frame pointers", rd32(out.eax - 4) << 16 | rd32(out.eax - 8), 0xaaaabbbb);
    EQ("ENTER: own frame pointer", rd32(out.eax - 12), out.eax);
}
