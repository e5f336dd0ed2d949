/* int.c - interrupt and trap gates, external interrupts through the local APIC (SDM 3A 6.12, 10).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define APIC  0xfee00000u
#define ID    0x20
#define TPR   0x80
#define EOI   0xb0
#define SVR   0xf0
#define IRR   0x200
#define ICR   0x300
#define LINT0 0x350

static void gates(void)
{
    u32 nop = SNIP("nop");
    u32 all = 2 | F_IF | F_NT | F_DF | F_AC | 0x200000 | F_ARITH;

    begin();
    in.eflags = all;
    RUN("int $0x30; 9: nop");
    EQ("interrupt gate: saved EFLAGS", out.eflags, all);
    EQ("interrupt gate: IF and NT cleared", out.heflags, all & ~(F_IF | F_NT));
    EQ("interrupt gate: ESP", out.hesp, in.esp - 12);
    EQ("interrupt gate: SS", out.hss, in.ss);
    idt_gate(0x30, CODE0, (u32)nop, 0x8f);
    RUN("int $0x30");
    EQ("trap gate: IF kept, NT cleared", out.eflags, all & ~F_NT);
    ring(3);
    idt_gate(0x30, CODE0, nop, 0xe6);
    seg(T(2), nop & ~0xffffu, 0xffff, 0x9b, 0x40);
    idt_gate(0x30, T(2), nop & 0xffff, 0xe6);
    in.eflags = 2 | F_IF;
    RUN("int $0x30; 9: nop");
    EQ("16-bit interrupt gate: CS", out.cs, T(2));
    EQ("16-bit interrupt gate: ESP", out.esp, TOP(stack_k) - 10);
    EQ("16-bit interrupt gate: IP and CS", rd32(out.esp), CODE3 << 16 | (lab & 0xffff));
    EQ("16-bit interrupt gate: FLAGS", rd16(out.esp + 4), 2 | F_IF);
    EQ("16-bit interrupt gate: SP and SS", rd32(out.esp + 6), DATA3 << 16 | (in.esp & 0xffff));
    EQ("16-bit interrupt gate: IF cleared", out.eflags & F_IF, 0);
    idt_gate(0x30, T(2), nop & 0xffff, 0xe7);
    RUN("int $0x30");
    EQ("16-bit trap gate: IF kept", out.eflags & F_IF, F_IF);
    idt_gate(GP, T(2), nop & 0xffff, 0x86);
    RUN("9: hlt");
    EQ("16-bit gate with an error code: ESP", out.esp, TOP(stack_k) - 12);
    EQ("16-bit gate with an error code: code and IP", rd32(out.esp), (lab & 0xffff) << 16);
    begin();
    ring(3);
    idt_gate(0x30, CONF0, nop, 0xee);
    RUN("int $0x30; 9: nop");
    EQ("gate to conforming code: CPL stays", out.cs, CONF0 | 3);
    EQ("gate to conforming code: same stack", out.esp, in.esp - 12);
    idt_gate(0x30, CODE3, nop, 0xee);
    RUN("int $0x30");
    EQ("gate to ring 3 from ring 3", out.vec << 16 | out.cs, END << 16 | CODE3);
    ring(1);
    idt_gate(0x30, CODE0, nop, 0xae);
    RUN("int $0x30");
    EQ("INT from ring 1 to ring 0", out.cs << 16 | out.ss, CODE0 << 16 | DATA0);
}

static void ipi(u32 vector)
{
    u32 n;

    wr32(APIC + ICR, 0x40000 | vector);
    for (n = 0; n < 100000; n++)
        if (rd32(APIC + IRR + (vector >> 5) * 16) >> (vector & 31) & 1)
            break;
}

static void eoi(void) { wr32(APIC + EOI, 0); }

static void external(void)
{
    u32 n;

    if (!(features >> 9 & 1))
        return;
    begin();
    wr32(APIC + SVR, 0x1ff);
    wr32(APIC + TPR, 0);
    ipi(0x50);
    TRAP("STI: the interrupt waits one instruction", "sti; nop; 9: nop", 0x50);
    eoi();
    EQ("interrupt: IF set in the saved EFLAGS", out.eflags, 2 | F_IF);
    EQ("interrupt gate: IF clear in the handler", out.heflags & F_IF, 0);
    ipi(0x50);
    OK("STI, CLI: no window", "sti; cli; nop; nop");
    TRAP("POPF: no shadow", "push $0x202; popf; 9: nop", 0x50);
    eoi();
    ipi(0x50);
    in.eflags = 2 | F_IF;
    TRAP("IRET with IF=1: before the first instruction", "9: nop", 0x50);
    eoi();
    in.eflags = 2;
    ipi(0x50);
    TRAP("STI, HLT: the return address is after HLT", "sti; hlt; 9: nop", 0x50);
    eoi();
    ipi(0x50);
    TRAP("STI, RET: the interrupt comes after RET", "push $2f; sti; ret; nop; 2: 9: nop", 0x50);
    eoi();
    ipi(0x50);
    ipi(0x61);
    TRAP("the higher vector first", "sti; nop; 9: nop", 0x61);
    OK("the lower waits for EOI", "sti; nop; nop; cli");
    eoi();
    TRAP("and comes after EOI", "sti; nop; 9: nop", 0x50);
    eoi();
    wr32(APIC + TPR, 0x50);
    ipi(0x50);
    OK("TPR holds back its own class", "sti; nop; nop; cli");
    wr32(APIC + TPR, 0x40);
    TRAP("a lower TPR lets it through", "sti; nop; 9: nop", 0x50);
    eoi();
    wr32(APIC + TPR, 0);
    ring(3);
    in.eflags = 2 | F_IF;
    ipi(0x50);
    TRAP("interrupt in ring 3", "9: nop", 0x50);
    eoi();
    EQ("interrupt in ring 3: handler's ESP", out.hesp, TOP(stack_k) - 20);
    idt_gate(0x50, CODE0, 0, 0x0e);
    ipi(0x50);
    FAULT("#NP with EXT from an interrupt", "9: nop", NP, 0x50 * 8 + 3);
    eoi();
    begin();
    in.ebx = APIC + ICR;
    in.ecx = 0x400;
    wr32(APIC + ICR + 16, rd32(APIC + ID));
    RUN("movl %ecx, (%ebx); nop; nop; nop; nop; 1: loop 1b");
    EQ("NMI with IF=0", out.vec << 16 | (out.err == NOERR), 2 << 16 | 1);
    /* this handler does not IRET: a second NMI stays blocked until one does (SDM 3A 6.7.1) */
    in.edx = 1000;
    RUN("movl %ecx, (%ebx); 1: dec %edx; jnz 1b");
    n = out.vec;
    EQ("NMI is pending or blocked, not lost", n == 2 || n == END, 1);
    if (n == END) {
        RUN("pushf; push %cs; push $1f; iret; 1: nop; nop; nop");
        EQ("blocked NMI comes after IRET", out.vec == 2 || out.vec == END, 1);
    }
    begin();
    /* a REP is interrupted between two iterations, with RF and progress in the registers */
    in.edi = (u32)buf;
    in.ecx = 0;
    in.eflags = 2 | F_IF;
    ipi(0x50);
    TRAP("interrupt before REP STOS", "9: rep stosb", 0x50);
    eoi();
}

/* One shot of the PIT through the 8259, with the processor halted. */
static void timer(void)
{
    begin();
    outb(0x20, 0x11);
    outb(0x21, 0x70);
    outb(0x21, 4);
    outb(0x21, 1);
    wr32(APIC + SVR, 0x1ff);
    wr32(APIC + LINT0, 0x700); /* ExtINT */
    outb(0x21, 0xfe);
    outb(0x43, 0x30);
    outb(0x40, 0x00);
    outb(0x40, 0x10);
    TRAP("PIT and 8259 wake HLT", "sti; hlt; 9: nop", 0x70);
    outb(0x20, 0x20);
    outb(0x21, 0xff);
}

void test_int(void)
{
    gates();
    external();
    timer();
}
