/* task.c - hardware task switches (SDM 3A chapter 7).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

static struct tss16 tss_c;

static void new_task(u32 eip)
{
    begin();
    tss_b.eip = eip;
    tss_b.eax = 0xba;
    tss_b.ecx = 0xbc;
    tss_b.edx = 0xbd;
    tss_b.ebx = 0xbb;
    tss_b.ebp = 0xb5;
    tss_b.esi = 0xb6;
    tss_b.edi = 0xb7;
    tss_b.eflags = 2 | F_CF;
    fill(&tss_c, 0, sizeof tss_c);
    tss_c.ip = 0;
    tss_c.flags = 2;
    tss_c.ax = 0xca;
    tss_c.cx = 0xcc;
    tss_c.sp = 0xff00;
    tss_c.cs = LOW16;
    tss_c.ss = T(4);
    tss_c.ds = tss_c.es = DATA0;
    seg(T(4), LOW, 0xffff, 0x93, 0);
    seg(TSS_C, (u32)&tss_c, sizeof tss_c - 1, 0x81, 0);
}

static void saved(const char *how)
{
    u32 diff = 0;

    EQ(fmt("task: old EIP saved,", how, 0), tss_a.eip, lab);
    diff |= tss_a.eax ^ in.eax;
    diff |= tss_a.ecx ^ in.ecx;
    diff |= tss_a.edx ^ in.edx;
    diff |= tss_a.ebx ^ in.ebx;
    diff |= tss_a.esp ^ in.esp;
    diff |= tss_a.ebp ^ in.ebp;
    diff |= tss_a.esi ^ in.esi;
    diff |= tss_a.edi ^ in.edi;
    EQ(fmt("task: old registers saved,", how, 0), diff, 0);
    EQ(fmt("task: old segments saved,", how, 0),
       ((tss_a.cs ^ in.cs) | (tss_a.ss ^ in.ss) | (tss_a.ds ^ in.ds) | (tss_a.es ^ in.es) | (tss_a.fs ^ in.fs) |
        (tss_a.gs ^ in.gs)) &
           0xffff,
       0);
    EQ(fmt("task: CR0.TS,", how, 0), get_cr0() & 8, 8);
    EQ(fmt("task: TR,", how, 0), str(), TSS_B);
    EQ(fmt("task: new registers,", how, 0),
       (out.eax == 0xba) & (out.ecx == 0xbc) & (out.edx == 0xbd) & (out.ebx == 0xbb) & (out.ebp == 0xb5) &
           (out.esi == 0xb6) & (out.edi == 0xb7),
       1);
}

static void switches(void)
{
    u32 nop = SNIP("nop");
    u32 iret = SNIP("iret; jmp 1f; 1: nop");

    new_task(nop);
    in.eflags = 2 | F_ZF;
    tss_b.back = 0x1234;
    RUN("ljmp $0x30, $0x12345678; 9: nop");
    saved("JMP");
    EQ("task JMP: EFLAGS of the old task", tss_a.eflags, 2 | F_ZF);
    EQ("task JMP: EFLAGS of the new task", out.eflags, 2 | F_CF);
    EQ("task JMP: old TSS is not busy", busy(TSS_A), 0);
    EQ("task JMP: new TSS is busy", busy(TSS_B), 1);
    EQ("task JMP: back link is left alone", tss_b.back, 0x1234);
    EQ("task JMP: SS:ESP", out.esp, tss_b.esp);
    new_task(nop);
    tss_b.back = 0xabcd0000;
    RUN("lcall $0x30, $0; 9: nop");
    saved("CALL");
    EQ("task CALL: NT in the new task", out.eflags, 2 | F_CF | F_NT);
    EQ("task CALL: old TSS stays busy", busy(TSS_A), 1);
    EQ("task CALL: new TSS is busy", busy(TSS_B), 1);
    EQ("task CALL: back link", tss_b.back, 0xabcd0000 | TSS_A);
    EQ("task CALL: NT of the old task is saved clear", tss_a.eflags, 2);
    EQ("task CALL pushes nothing", out.esp, tss_b.esp);
    new_task(iret);
    OK("task CALL and IRET", "lcall $0x30, $0");
    EQ("task IRET: TR", str(), TSS_A);
    EQ("task IRET: the task left is not busy", busy(TSS_B), 0);
    EQ("task IRET: the task resumed is busy", busy(TSS_A), 1);
    EQ("task IRET: NT saved clear", tss_b.eflags & F_NT, 0);
    EQ("task IRET: EIP saved", tss_b.eip, iret + 1);
    EQ("task IRET: registers restored", (out.eax == in.eax) & (out.esp == in.esp) & (out.edi == in.edi), 1);
    new_task(nop);
    gdt_gate(T(1), TSS_B, 0xdeadbeef, 0x85, 0);
    RUN("lcall $0x90, $0; 9: nop");
    saved("CALL through a task gate");
    new_task(nop);
    gdt_gate(T(1), TSS_B, 0, 0xe5, 0);
    ring(3);
    RUN("ljmp $0x90, $0; 9: nop");
    saved("JMP through a task gate in ring 3");
    EQ("task gate: DPL of the TSS is not looked at", out.cs, CODE0);
    new_task(nop);
    idt_gate(0x30, TSS_B, 0, 0xe5);
    in.eflags = 2 | F_IF;
    RUN("int $0x30; 9: nop");
    saved("INT through a task gate");
    EQ("task INT: NT", out.eflags & F_NT, F_NT);
    EQ("task INT: back link", tss_b.back, TSS_A);
    EQ("task INT: IF is the new task's", out.eflags & F_IF, 0);
    EQ("task INT: IF of the old task", tss_a.eflags, 2 | F_IF);
    new_task(iret);
    idt_gate(GP, TSS_B, 0, 0x85);
    tss_b.eip = SNIP("add $4, %esp; addl $1, tss_a + 32; iret");
    ring(3);
    OK("#GP through a task gate, repaired, IRET", "9: hlt");
    EQ("#GP through a task gate: back in ring 3", out.cs << 16 | out.ss, CODE3 << 16 | DATA3);
    new_task(nop);
    tss_b.ldt = LDT_A;
    ldt[1] = seg_desc(0, 0xfffff, 0x93, 0xc0);
    tss_b.fs = 0x0c;
    tss_b.gs = 0;
    RUN("ljmp $0x30, $0");
    EQ("task: LDTR loaded", sldt(), LDT_A);
    EQ("task: FS from the new LDT", out.fs, 0x0c);
    EQ("task: null GS", out.gs, 0);
    new_task(nop);
    tss_b.trap = 1;
    set_dr6(0);
    set_dr7(0x2aa);
    set_dr7(0x3ff & ~0x200);
    RUN("ljmp $0x30, $0");
    EQ("task T bit: #DB before the first instruction", out.vec << 24 | out.eip, DB << 24 | nop);
    EQ("task T bit: DR6.BT", get_dr6() & 0xe00f, 0x8000);
    EQ("task: local breakpoints are disabled", get_dr7() & 0xff, 0xaa);
    set_dr7(0);
    new_task(nop);
    tss_b.cs = CODE3;
    tss_b.ss = tss_b.ds = tss_b.es = tss_b.fs = tss_b.gs = DATA3;
    RUN("ljmp $0x30, $0");
    EQ("task in ring 3", out.cs << 16 | out.ss, CODE3 << 16 | DATA3);
    EQ("task in ring 3: its SS0:ESP0", out.hesp, tss_b.esp0 - 20);
}

static void sixteen(void)
{
    u32 nop = SNIP("nop");

    new_task(nop);
    *(volatile u8 *)LOW = 0xcd;
    *(volatile u8 *)(LOW + 1) = END;
    RUN("ljmp $0x38, $0; 9: nop");
    EQ("16-bit task: TR", str(), TSS_C);
    EQ("16-bit task: CS:IP", out.cs << 16 | (out.eip & 0xffff), LOW16 << 16 | 2);
    EQ("16-bit task: AX and CX", (out.eax & 0xffff) << 16 | (out.ecx & 0xffff), 0xca00cc);
    EQ("16-bit task: SP", out.esp & 0xffff, 0xff00);
    EQ("16-bit task: FS and GS are null", out.fs | out.gs, 0);
    EQ("16-bit task: the 32-bit task is saved", tss_a.eip, lab);
    EQ("16-bit task: busy", busy(TSS_C) << 1 | busy(TSS_A), 2);
    new_task(nop);
    /* in the 16-bit task: IRET; then resumed by CALL it ends */
    *(volatile u8 *)LOW = 0xcf;
    OK("16-bit task: CALL and IRET", "lcall $0x38, $0");
    EQ("16-bit task: back link", tss_c.back, TSS_A);
    EQ("16-bit task: IP saved by IRET", tss_c.ip, 1);
    EQ("16-bit task: NT saved clear", tss_c.flags, 2);
    EQ("16-bit task: SP saved", tss_c.sp, 0xff00);
    EQ("16-bit task: CS and SS saved", tss_c.cs << 16 | tss_c.ss, LOW16 << 16 | T(4));
    EQ("16-bit task: back in the 32-bit task", out.eax, in.eax);
    new_task(nop);
    seg(TSS_C, (u32)&tss_c, 0x2a, 0x81, 0);
    FAULT("#TS 16-bit TSS too short", "ljmp $0x38, $0", TS, TSS_C);
}

static void errors(void)
{
    u32 nop = SNIP("nop");

    new_task(nop);
    FAULT("#GP JMP to a busy TSS", "ljmp $0x28, $0", GP, TSS_A);
    FAULT("#GP CALL to a busy TSS", "lcall $0x28, $0", GP, TSS_A);
    ring(3);
    FAULT("#GP JMP to a TSS of DPL 0 at CPL 3", "ljmp $0x30, $0", GP, TSS_B);
    ring(0);
    FAULT("#GP JMP to a TSS of DPL 0 with RPL 3", "ljmp $0x33, $0", GP, TSS_B);
    gdt_gate(T(1), TSS_B, 0, 0x85, 0);
    ring(3);
    FAULT("#GP task gate of DPL 0 at CPL 3", "ljmp $0x90, $0", GP, T(1));
    ring(0);
    gdt_gate(T(1), TSS_B, 0, 0x05, 0);
    FAULT("#NP task gate absent", "ljmp $0x90, $0", NP, T(1));
    gdt_gate(T(1), DATA0, 0, 0x85, 0);
    FAULT("#GP task gate to data", "ljmp $0x90, $0", GP, DATA0);
    gdt_gate(T(1), TSS_A, 0, 0x85, 0);
    FAULT("#GP task gate to a busy TSS", "ljmp $0x90, $0", GP, TSS_A);
    gdt_gate(T(1), 0x0c, 0, 0x85, 0);
    FAULT("#GP task gate into the LDT", "ljmp $0x90, $0", GP, 0x0c);
    seg(T(2), (u32)&tss_b, 0x67, 0x09, 0);
    gdt_gate(T(1), T(2), 0, 0x85, 0);
    FAULT("#NP task gate to an absent TSS", "ljmp $0x90, $0", NP, T(2));
    idt_gate(0x30, T(2), 0, 0x85);
    FAULT("#NP INT, task gate to an absent TSS", "int $0x30", NP, T(2));
    idt_gate(0x30, TSS_A, 0, 0x85);
    FAULT("#GP INT, task gate to a busy TSS", "int $0x30", GP, TSS_A);
    FAULT("#NP JMP to an absent TSS", "ljmp $0x98, $0", NP, T(2));
    seg(T(2), (u32)&tss_b, 0x66, 0x89, 0);
    FAULT("#TS JMP to a TSS too short", "ljmp $0x98, $0", TS, T(2));
    EQ("TSS too short is not made busy", busy(T(2)), 0);

    /* IRET with NT */
    new_task(nop);
    in.eflags = 2 | F_NT;
    tss_a.back = TSS_B;
    FAULT("#TS IRET to a TSS that is not busy", "iret", TS, TSS_B);
    tss_a.back = DATA0;
    FAULT("#TS IRET to data", "iret", TS, DATA0);
    tss_a.back = 0x0c;
    FAULT("#TS IRET into the LDT", "iret", TS, 0x0c);
    tss_a.back = GDT_SIZE * 8;
    FAULT("#TS IRET beyond the GDT", "iret", TS, GDT_SIZE * 8);
    seg(T(2), (u32)&tss_b, 0x67, 0x0b, 0);
    tss_a.back = T(2);
    FAULT("#NP IRET to an absent TSS", "iret", NP, T(2));
}

/* The new task is in ring 3, so that its fault has a stack of its own. */
static void in_new(const char *name, u32 ss, u32 cs, u32 ds, u32 tldt, u32 vec, u32 err)
{
    u32 nop = SNIP("nop");

    tss_b.eip = nop;
    tss_b.cs = cs;
    tss_b.ss = ss;
    tss_b.ds = ds;
    tss_b.es = tss_b.fs = tss_b.gs = DATA3;
    tss_b.ldt = (u16)tldt;
    RUN("ljmp $0x30, $0; 9: nop");
    EQ(fmt("new task, vector:", name, 0), out.vec, vec);
    EQ(fmt("new task, error code:", name, 0), out.err, err);
    EQ(fmt("new task, EIP and TR:", name, 0), out.eip << 8 | str(), nop << 8 | TSS_B);
    EQ(fmt("new task, ESP of ring 0:", name, 0), out.hesp, TOP(stack_k) - 24);
}

static void faults(void)
{
    new_task(0);
    in_new("LDT is a TSS", DATA3, CODE3, DATA3, TSS_A, TS, TSS_A);
    new_task(0);
    seg(T(0), 0, 7, 0x02, 0);
    in_new("LDT absent", DATA3, CODE3, DATA3, T(0), TS, T(0));
    new_task(0);
    in_new("CS is data", DATA3, DATA3, DATA3, 0, TS, DATA3 & ~3);
    new_task(0);
    in_new("CS of ring 0", DATA3, CODE0 | 3, DATA3, 0, TS, CODE0);
    new_task(0);
    seg(T(0), 0, 0xfffff, 0x7b, 0xc0);
    in_new("CS absent", DATA3, T(0) | 3, DATA3, 0, NP, T(0));
    new_task(0);
    in_new("SS of ring 0", DATA0 | 3, CODE3, DATA3, 0, TS, DATA0);
    new_task(0);
    in_new("SS null", 0, CODE3, DATA3, 0, TS, 0);
    new_task(0);
    seg(T(0), 0, 0xfffff, 0x73, 0xc0);
    in_new("SS absent", T(0) | 3, CODE3, DATA3, 0, SS, T(0));
    new_task(0);
    in_new("DS of ring 0", DATA3, CODE3, DATA0, 0, TS, DATA0);
    new_task(0);
    in_new("DS is a TSS", DATA3, CODE3, TSS_A, 0, TS, TSS_A);
    new_task(0);
    seg(T(0), 0, 0xfffff, 0x73, 0xc0);
    in_new("DS absent", DATA3, CODE3, T(0) | 3, 0, NP, T(0));
    new_task(0);
    in_new("DS beyond the GDT", DATA3, CODE3, GDT_SIZE * 8 | 3, 0, TS, GDT_SIZE * 8);
    new_task(0);
    seg(T(0), 0, 0xff, 0xfb, 0x40);
    in_new("EIP beyond the limit", DATA3, T(0) | 3, DATA3, 0, GP, 0);
}

void test_task(void)
{
    switches();
    sixteen();
    errors();
    faults();
}
