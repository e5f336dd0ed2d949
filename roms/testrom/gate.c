/* gate.c - transfers between rings: call gates, RETF, IRET, SYSENTER (SDM 3A 5.8).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define G T(1) /* 90h, the gate */

static void call_gates(void)
{
    u32 nop = SNIP("nop");
    u32 back = SNIP("lret $12");
    u32 back16 = SNIP(".code16; lret $4");

    begin();
    ring(3);
    gdt_gate(G, CODE0, nop, 0xec, 3);
    RUN("push $0x333; push $0x222; push $0x111; lcall $0x93, $0; 9: nop");
    EQ("call gate: CS", out.cs, CODE0);
    EQ("call gate: SS", out.ss, DATA0);
    EQ("call gate: ESP", out.esp, TOP(stack_k) - 4 * 7);
    EQ("call gate: return EIP", rd32(out.esp), lab);
    EQ("call gate: return CS", rd16(out.esp + 4), CODE3);
    EQ("call gate: first parameter", rd32(out.esp + 8), 0x111);
    EQ("call gate: last parameter", rd32(out.esp + 16), 0x333);
    EQ("call gate: outer ESP", rd32(out.esp + 20), in.esp - 12);
    EQ("call gate: outer SS", rd16(out.esp + 24), DATA3);
    EQ("call gate: EFLAGS unchanged", out.eflags, 2);
    gdt_gate(G, CODE0, back, 0xec, 3);
    RUN("push $0x333; push $0x222; push $0x111; lcall $0x93, $0");
    ok("call gate and RETF 12");
    EQ("RETF 12: parameters released on the outer stack", out.esp, in.esp);
    EQ("RETF 12: CS and SS", out.cs << 16 | out.ss, CODE3 << 16 | DATA3);
    in.es = DATA3;
    gdt_gate(G, CODE0,
             SNIP("mov $0x10, %eax; mov %eax, %ds; mov $0x1b, %eax; mov %eax, %es; "
                  "mov $0x68, %eax; mov %eax, %fs; mov $0x08, %eax; mov %eax, %gs; lret"),
             0xec, 0);
    RUN("lcall $0x93, $0");
    ok("RETF to ring 3 with DPL 0 data in DS");
    EQ("RETF nulls DS of DPL 0", out.ds, 0);
    EQ("RETF keeps ES of DPL 3 code", out.es, CODE3);
    EQ("RETF keeps FS of conforming code", out.fs, CONF0);
    EQ("RETF nulls GS of DPL 0 code", out.gs, 0);

    gdt_gate(G, CODE0, nop & 0xffff, 0xe4, 2);
    seg(T(2), nop & ~0xffffu, 0xffff, 0x9b, 0x40);
    gdt_gate(G, T(2), nop & 0xffff, 0xe4, 2);
    RUN("pushw $0x222; pushw $0x111; lcall $0x93, $0; 9: nop");
    EQ("16-bit call gate: CS", out.cs, T(2));
    EQ("16-bit call gate: ESP", out.esp, TOP(stack_k) - 2 * 6);
    EQ("16-bit call gate: return IP and CS", rd32(out.esp), CODE3 << 16 | (lab & 0xffff));
    EQ("16-bit call gate: parameters", rd32(out.esp + 4), 0x2220111);
    EQ("16-bit call gate: outer SP and SS", rd32(out.esp + 8), DATA3 << 16 | ((in.esp - 4) & 0xffff));
    (void)back16;

    gdt_gate(G, CODE1, nop, 0xec, 31);
    in.esp = TOP(stack_3) - 0x200;
    wr32(in.esp + 30 * 4, 0x31313131);
    RUN("lcall $0x93, $0");
    EQ("call gate to ring 1: CS", out.cs, CODE1);
    EQ("call gate with 31 parameters: ESP", out.esp, TOP(stack_1) - 35 * 4);
    EQ("call gate with 31 parameters: last", rd32(out.esp + 8 + 30 * 4), 0x31313131);
    ring(3);
    gdt_gate(G, CODE1, nop, 0xec, 0);
    FAULT("JMP through a gate to an inner ring", "ljmp $0x93, $0", GP, CODE1 & ~3);
    gdt_gate(G, CODE3, nop, 0xec, 5);
    RUN("lcall $0x93, $0; 9: nop");
    EQ("call gate to the same ring: CS", out.cs, CODE3);
    EQ("call gate to the same ring copies nothing", out.esp, in.esp - 8);
    RUN("ljmp $0x93, $0");
    EQ("JMP through a gate to the same ring", out.vec << 16 | out.esp, END << 16 | in.esp);
    gdt_gate(G, CONF0, nop, 0xec, 2);
    RUN("lcall $0x93, $0");
    EQ("call gate to conforming code: CPL stays", out.cs, CONF0 | 3);
    EQ("call gate to conforming code: same stack", out.esp, in.esp - 8);
    RUN("ljmp $0x93, $0");
    EQ("JMP through a gate to conforming code", out.cs, CONF0 | 3);

    gdt_gate(G, CODE0, nop, 0x8c, 0);
    FAULT("#GP call gate, DPL 0 at CPL 3", "lcall $0x90, $0", GP, G);
    gdt_gate(G, CODE0, nop, 0xcc, 0);
    FAULT("#GP call gate, DPL 2 at CPL 3", "lcall $0x90, $0", GP, G);
    ring(0);
    FAULT("#GP call gate, DPL 2 with RPL 3", "lcall $0x93, $0", GP, G);
    gdt_gate(G, CODE3, nop, 0xec, 0);
    FAULT("#GP call gate to an outer ring", "lcall $0x90, $0", GP, CODE3 & ~3);
    ring(3);
    gdt_gate(G, CODE0, nop, 0x6c, 0);
    FAULT("#NP call gate absent", "lcall $0x90, $0", NP, G);
    gdt_gate(G, 0, nop, 0xec, 0);
    FAULT("#GP call gate to null", "lcall $0x90, $0", GP, 0);
    gdt_gate(G, DATA0, nop, 0xec, 0);
    FAULT("#GP call gate to data", "lcall $0x90, $0", GP, DATA0);
    gdt_gate(G, GDT_SIZE * 8, nop, 0xec, 0);
    FAULT("#GP call gate beyond the GDT", "lcall $0x90, $0", GP, GDT_SIZE * 8);
    gdt_gate(G, TSS_B, nop, 0xec, 0);
    FAULT("#GP call gate to a TSS", "lcall $0x90, $0", GP, TSS_B);
    seg(T(2), 0, 0xfffff, 0x1b, 0xc0);
    gdt_gate(G, T(2), nop, 0xec, 0);
    FAULT("#NP call gate to absent code", "lcall $0x90, $0", NP, T(2));
    seg(T(2), 0, 0xff, 0x9b, 0x40);
    FAULT("#GP call gate target beyond the limit", "lcall $0x90, $0", GP, 0);
    gdt_gate(G, CODE1, nop, 0xec, 0);
    tss_a.ss1 = 0;
    FAULT("#TS call gate, inner SS null", "lcall $0x90, $0", TS, 0);
    tss_a.ss1 = DATA2;
    FAULT("#TS call gate, inner SS wrong", "lcall $0x90, $0", TS, DATA2 & ~3);
    seg(T(2), 0, 0xfffff, 0x33, 0xc0);
    tss_a.ss1 = T(2) | 1;
    FAULT("#SS call gate, inner SS absent", "lcall $0x90, $0", SS, T(2));
    seg(T(2), 0, 0xfff, 0xb3, 0x40);
    tss_a.esp1 = 12;
    FAULT("#SS call gate, no room on the inner stack", "lcall $0x90, $0", SS, T(2));
}

static void far_same(void)
{
    u32 nop = SNIP("nop");

    begin();
    OK("far CALL and RETF", "lcall $0x08, $1f; jmp 2f; 1: lret; 2: nop");
    EQ("far CALL and RETF: ESP", out.esp, in.esp);
    RUN("lcall $0x08, $1f; 9: nop; 1: nop");
    EQ("far CALL pushes EIP", rd32(out.esp), lab);
    EQ("far CALL pushes CS", rd16(out.esp + 4), CODE0);
    FAULT("#GP far CALL null", "lcall $0, $0", GP, 0);
    FAULT("#GP far JMP null", "ljmp $3, $0", GP, 0);
    FAULT("#GP far JMP to data", "ljmp $0x10, $0", GP, DATA0);
    FAULT("#GP far JMP to an LDT", "ljmp $0x40, $0", GP, LDT_A);
    FAULT("#GP far JMP beyond the GDT", "ljmp $0x200, $0", GP, GDT_SIZE * 8);
    FAULT("#GP far JMP into a missing LDT", "ljmp $0x0c, $0", GP, 0x0c);
    seg(T(0), 0, 0xfffff, 0x1b, 0xc0);
    FAULT("#NP far JMP to absent code", "ljmp $0x88, $0", NP, T(0));
    FAULT("#NP far CALL to absent code", "lcall $0x88, $0", NP, T(0));
    seg(T(0), 0, 0xff, 0x9b, 0x40);
    FAULT("#GP far JMP beyond the limit", "ljmp $0x88, $0x100", GP, 0);
    FAULT("#GP far CALL beyond the limit", "lcall $0x88, $0x100", GP, 0);
    lldt(LDT_A);
    ldt[2] = seg_desc(0, 0xfffff, 0x9b, 0xc0);
    wr32((u32)buf, nop);
    wr32((u32)buf + 4, 0x14);
    RUN("ljmp *(%ebx)");
    EQ("far JMP into the LDT", out.vec << 16 | out.cs, END << 16 | 0x14);
}

/* RETF and IRET with a frame built in memory: [EIP, CS, (EFLAGS,) ESP, SS] at in.esp. */
static void frame(u32 n, u32 a, u32 b, u32 c, u32 d, u32 e)
{
    u32 v[5] = { a, b, c, d, e };

    in.esp = TOP(stack_0) - 0x200;
    if ((in.cs & 3) == 3)
        in.esp = TOP(stack_3) - 0x200;
    copy((void *)in.esp, v, n * 4);
}

static void retf(void)
{
    u32 nop = SNIP("nop");

    begin();
    frame(4, nop, CODE3, TOP(stack_3), DATA3, 0);
    RUN("lret");
    EQ("RETF to ring 3", out.cs << 16 | out.ss, CODE3 << 16 | DATA3);
    EQ("RETF to ring 3: ESP", out.esp, TOP(stack_3));
    EQ("RETF to ring 3 nulls DS", out.ds, 0);
    frame(2, nop, 0, 0, 0, 0);
    FAULT("#GP RETF to null", "lret", GP, 0);
    frame(2, nop, DATA0, 0, 0, 0);
    FAULT("#GP RETF to data", "lret", GP, DATA0);
    frame(2, nop, TSS_B, 0, 0, 0);
    FAULT("#GP RETF to a TSS", "lret", GP, TSS_B);
    frame(2, nop, GDT_SIZE * 8, 0, 0, 0);
    FAULT("#GP RETF beyond the GDT", "lret", GP, GDT_SIZE * 8);
    frame(4, nop, CODE0 | 3, TOP(stack_3), DATA3, 0);
    FAULT("#GP RETF, DPL is not RPL", "lret", GP, CODE0);
    frame(4, nop, CODE3, TOP(stack_3), 0, 0);
    FAULT("#GP RETF to ring 3, SS null", "lret", GP, 0);
    frame(4, nop, CODE3, TOP(stack_3), DATA0, 0);
    FAULT("#GP RETF to ring 3, SS of ring 0", "lret", GP, DATA0);
    frame(4, nop, CODE3, TOP(stack_3), DATA3 & ~3, 0);
    FAULT("#GP RETF to ring 3, SS with RPL 0", "lret", GP, DATA3 & ~3);
    frame(4, nop, CODE3, TOP(stack_3), CODE3, 0);
    FAULT("#GP RETF to ring 3, SS is code", "lret", GP, CODE3 & ~3);
    seg(T(0), 0, 0xfffff, 0x73, 0xc0);
    frame(4, nop, CODE3, TOP(stack_3), T(0) | 3, 0);
    FAULT("#SS RETF to ring 3, SS absent", "lret", SS, T(0));
    seg(T(0), 0, 0xfffff, 0x7b, 0xc0);
    frame(4, nop, T(0) | 3, TOP(stack_3), DATA3, 0);
    FAULT("#NP RETF to absent code", "lret", NP, T(0));
    seg(T(0), 0, 0xff, 0xfb, 0x40);
    frame(4, 0x100, T(0) | 3, TOP(stack_3), DATA3, 0);
    FAULT("#GP RETF beyond the limit", "lret", GP, 0);
    frame(4, nop, CONF0 | 3, TOP(stack_3), DATA3, 0);
    RUN("lret");
    EQ("RETF to conforming code in ring 3", out.cs, CONF0 | 3);
    ring(3);
    frame(2, nop, CODE0, 0, 0, 0);
    FAULT("#GP RETF to an inner ring", "lret", GP, CODE0);
    frame(2, nop, CODE3, 0, 0, 0);
    RUN("lret $16");
    EQ("RETF 16 in the same ring: ESP", out.esp, in.esp + 24);
}

static void iret(void)
{
    u32 nop = SNIP("nop");

    begin();
    frame(5, nop, CODE3, 2 | F_IOPL(3) | F_DF | F_CF, TOP(stack_3), DATA3);
    in.es = DATA3;
    in.fs = CODE3;
    in.gs = CONF0;
    RUN("iret");
    EQ("IRET to ring 3", out.cs << 16 | out.ss, CODE3 << 16 | DATA3);
    EQ("IRET to ring 3: EFLAGS", out.eflags, 2 | F_IOPL(3) | F_DF | F_CF);
    EQ("IRET to ring 3: ESP", out.esp, TOP(stack_3));
    EQ("IRET to ring 3 nulls DS", out.ds, 0);
    EQ("IRET to ring 3 keeps ES of DPL 3", out.es, DATA3);
    EQ("IRET to ring 3 keeps FS of DPL 3 code", out.fs, CODE3);
    EQ("IRET to ring 3 keeps GS of conforming code", out.gs, CONF0);
    ring(0);
    frame(5, nop, CODE1, 2, TOP(stack_1), DATA1);
    RUN("iret");
    EQ("IRET to ring 1", out.cs << 16 | out.ss, CODE1 << 16 | DATA1);
    frame(3, nop, 0, 2, 0, 0);
    FAULT("#GP IRET to null", "iret", GP, 0);
    frame(3, nop, DATA0, 2, 0, 0);
    FAULT("#GP IRET to data", "iret", GP, DATA0);
    frame(3, nop, GDT_SIZE * 8, 2, 0, 0);
    FAULT("#GP IRET beyond the GDT", "iret", GP, GDT_SIZE * 8);
    frame(5, nop, CODE0 | 3, 2, TOP(stack_3), DATA3);
    FAULT("#GP IRET, DPL is not RPL", "iret", GP, CODE0);
    frame(5, nop, CODE3, 2, TOP(stack_3), 0);
    FAULT("#GP IRET, SS null", "iret", GP, 0);
    frame(5, nop, CODE3, 2, TOP(stack_3), DATA1);
    FAULT("#GP IRET, SS of ring 1", "iret", GP, DATA1 & ~3);
    frame(5, nop, CODE3, 2, TOP(stack_3), GDT_SIZE * 8 | 3);
    FAULT("#GP IRET, SS beyond the GDT", "iret", GP, GDT_SIZE * 8);
    seg(T(0), 0, 0xfffff, 0x73, 0xc0);
    frame(5, nop, CODE3, 2, TOP(stack_3), T(0) | 3);
    FAULT("#SS IRET, SS absent", "iret", SS, T(0));
    seg(T(0), 0, 0xfffff, 0x1b, 0xc0);
    frame(3, nop, T(0), 2, 0, 0);
    FAULT("#NP IRET to absent code", "iret", NP, T(0));
    seg(T(0), 0, 0xff, 0x9b, 0x40);
    frame(3, 0x100, T(0), 2, 0, 0);
    FAULT("#GP IRET beyond the limit", "iret", GP, 0);
    ring(3);
    frame(3, nop, CODE0, 2, 0, 0);
    FAULT("#GP IRET to an inner ring", "iret", GP, CODE0);
    frame(3, nop, CODE3, 2 | F_IF | F_IOPL(3) | F_DF | F_VM | F_VIF | F_VIP, 0, 0);
    RUN("iret");
    EQ("IRET at CPL 3 leaves IF, IOPL, VM, VIF, VIP", out.eflags, 2 | F_DF);
    ring(0);
    frame(3, nop, CODE0, 2 | F_AC | 0x200000 | F_NT, 0, 0);
    RUN("iret");
    EQ("IRET sets AC, ID and NT", out.eflags, 2 | F_AC | 0x200000 | F_NT);
    frame(3, nop, CODE0, 0xffc0802au & ~F_VM, 0, 0);
    RUN("iret");
    EQ("IRET: reserved EFLAGS bits", out.eflags, 2);
    wr32(in.esp, CODE16 << 16 | (RM_BASE & 0xffff));
    frame(3, nop & 0xffff, 0, 0, 0, 0);
    seg(T(2), nop & ~0xffffu, 0xffff, 0x9b, 0x40);
    wr32(in.esp, T(2) << 16 | (nop & 0xffff));
    wr32(in.esp + 4, 2 | F_CF);
    in.eflags = 2 | F_AC;
    RUN("iretw");
    EQ("IRETW: CS", out.cs, T(2));
    EQ("IRETW: ESP", out.esp, in.esp + 6);
    EQ("IRETW keeps the high half of EFLAGS", out.eflags, 2 | F_CF | F_AC);
}

static void sysenter(void)
{
    u32 nop = SNIP("nop");

    if (!(features >> 11 & 1))
        return;
    begin();
    ring(3);
    in.eflags |= F_CF;
    wrmsr(0x174, 0);
    FAULT("#GP SYSENTER with CS MSR 0", "sysenter", GP, 0);
    wrmsr(0x174, CODE0 | 3);
    wrmsr(0x175, TOP(stack_k) - 64);
    wrmsr(0x176, nop);
    EQ("IA32_SYSENTER_EIP reads back", (u32)rdmsr(0x176), nop);
    RUN("sysenter");
    EQ("SYSENTER: CS and SS", out.cs << 16 | out.ss, CODE0 << 16 | DATA0);
    EQ("SYSENTER: ESP", out.esp, TOP(stack_k) - 64);
    EQ("SYSENTER keeps other flags", out.eflags & F_CF, F_CF);
    ring(0);
    in.edx = nop;
    in.ecx = TOP(stack_3) - 32;
    RUN("sysexit");
    EQ("SYSEXIT: CS and SS", out.cs << 16 | out.ss, CODE3 << 16 | DATA3);
    EQ("SYSEXIT: ESP", out.esp, in.ecx);
    EQ("SYSEXIT keeps DS", out.ds, DATA0);
    wrmsr(0x174, 0);
    FAULT("#GP SYSEXIT with CS MSR 0", "sysexit", GP, 0);
    wrmsr(0x174, CODE0);
    ring(3);
    FAULT("#GP SYSEXIT at CPL 3", "sysexit", GP, 0);
}

void test_gate(void)
{
    call_gates();
    far_same();
    retf();
    iret();
    sysenter();
}
