/* v86.c - virtual-8086 mode and its extensions (SDM 3B chapter 20). The code is at LOW, IP 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define V(code) ".code16; " code

static void plain(void)
{
    begin();
    v86(F_IOPL(3));
    OK("V86: INT n with IOPL 3", V("nop"));
    EQ("V86: saved CS and SS", out.cs << 16 | out.ss, LOW >> 4 << 16 | LOW >> 4);
    EQ("V86: saved ES and DS", out.es << 16 | out.ds, 0x31003000);
    EQ("V86: saved FS and GS", out.fs << 16 | out.gs, 0x32003300);
    EQ("V86: saved EFLAGS", out.eflags, 2 | F_VM | F_IOPL(3));
    EQ("V86: frame of nine dwords", out.hesp, TOP(stack_k) - 36);
    EQ("V86: VM clear in the handler", out.heflags & F_VM, 0);
    idt_gate(0x30, CODE0, SNIP("mov %ds, %eax; mov %es, %ecx; mov %fs, %edx; mov %gs, %ebx"), 0xee);
    RUN(V("int $0x30"));
    EQ("V86: the handler's data segments are null", out.eax | out.ecx | out.edx | out.ebx, 0);
    EQ("V86: the handler's SS", out.ss, DATA0);
    idt_gate(0x30, CODE1, SNIP("nop"), 0xee);
    FAULT("#GP V86: gate to ring 1", V("int $0x30"), GP, CODE1 & ~3);
    idt_gate(0x30, CONF0, SNIP("nop"), 0xee);
    FAULT("#GP V86: gate to conforming code", V("int $0x30"), GP, CONF0);
    FAULT("#GP V86: IOPL 3, gate DPL 0", V("int $0x31"), GP, 0x31 * 8 + 2);
    FAULT("#GP V86: INT3, gate DPL 0", V("int3"), GP, BP * 8 + 2);
    OK("V86: CLI and STI with IOPL 3", V("sti"));
    EQ("V86: STI sets IF", out.eflags, 2 | F_VM | F_IOPL(3) | F_IF);
    OK("V86: PUSHF, POPF with IOPL 3", V("pushf; popw %ax; pushw $0x200; popf"));
    EQ("V86: PUSHF image", out.eax & 0xffff, 2 | F_IOPL(3));
    EQ("V86: POPF leaves IOPL and VM", out.eflags, 2 | F_VM | F_IOPL(3) | F_IF);
    OK("V86: POPFL", V("pushl $0x243002; popfl"));
    EQ("V86: POPFL", out.eflags, 2 | F_VM | F_IOPL(3) | F_AC | 0x200000);
    OK("V86: IRET with IOPL 3", V("pushw $0x203; pushw %cs; call 1f; jmp 2f; 1: iretw; 2: nop"));
    EQ("V86: IRET sets CF and IF", out.eflags, 2 | F_VM | F_IOPL(3) | F_IF | F_CF);
    OK("V86: far CALL and RETF", V("pushw %cs; call 1f; jmp 2f; 1: lret; 2: nop"));
}

static void memory(void)
{
    begin();
    v86(F_IOPL(3));
    wr32(0x30010, 0x11223344);
    wr32(0x45670, 0x55667788);
    OK("V86: DS base is the selector times 16",
       V("movl 0x10, %eax; movw $0x4567, %cx; movw %cx, %es; movl %es:0, %edx"));
    EQ("V86: read through DS", out.eax, 0x11223344);
    EQ("V86: read through a loaded ES", out.edx, 0x55667788);
    EQ("V86: ES in the frame", out.es, 0x4567);
    in.ebx = 0xfffe;
    FAULT("#GP V86: dword at FFFEh", V("movl (%bx), %eax"), GP, 0);
    FAULT("#SS V86: dword at SS:FFFEh", V("movl %ss:(%bx), %eax"), SS, 0);
    in.ebx = 0x10000;
    FAULT("#GP V86: 32-bit offset beyond 64 KiB", V("movb %ds:(%ebx), %al"), GP, 0);
    OK("V86: 16-bit offset wraps", V("movb (%bx), %al"));
    in.esp = 0;
    OK("V86: PUSH at SP=0 wraps", V("pushw %ax; popw %ax"));
    in.esp = 1;
    FAULT("#SS V86: PUSH at SP=1", V("pushw %ax"), SS, 0);
    in.esp = 0xff00;
    FAULT("#GP V86: JMP r32 beyond 64 KiB", V("jmpl *%ebx"), GP, 0);
    in.eax = 0x1234;
    OK("V86: any selector loads", V("movw %ax, %gs; movw $0xffff, %ax; movw %ax, %fs"));
    EQ("V86: GS", out.gs, 0x1234);
    EQ("V86: FS", out.fs, 0xffff);
    in.eax = 0;
    OK("V86: selector 0 is not null", V("movw %ax, %ds; movb 0x500, %al"));
    FAULT("#DE in V86", V("nop; 9: .byte 0xd4, 0"), DE, NOERR);
    FAULT("#UD in V86", V("ud2"), UD, NOERR);
    wr32(LOW + 0x8000, 0x00020001);
    FAULT("#BR in V86", V("9: bound %ax, %ss:0x8000"), BR, NOERR);
}

#define PRIVILEGED(name, code) FAULT("#GP V86: " name, V(code), GP, 0)
#define NOT_THERE(name, code)  FAULT("#UD V86: " name, V(code), UD, NOERR)

static void sensitive(void)
{
    begin();
    v86(0);
    PRIVILEGED("INT n, IOPL 0", "int $0x20");
    PRIVILEGED("CLI, IOPL 0", "cli");
    PRIVILEGED("STI, IOPL 0", "sti");
    PRIVILEGED("PUSHF, IOPL 0", "pushf");
    PRIVILEGED("POPF, IOPL 0", "popf");
    PRIVILEGED("PUSHFL, IOPL 0", "pushfl");
    PRIVILEGED("IRET, IOPL 0", "iretw");
    PRIVILEGED("IRETL, IOPL 0", "iretl");
    PRIVILEGED("HLT", "hlt");
    FAULT("#GP V86: INT3 is not sensitive to IOPL", V("int3"), GP, BP * 8 + 2);
    idt_gate(BP, CODE0, SNIP("nop"), 0xee);
    RUN(V("int3"));
    EQ("V86: INT3, IOPL 0, gate DPL 3", out.vec << 16 | out.cs, END << 16 | CODE0);
    v86(F_IOPL(3));
    PRIVILEGED("HLT, IOPL 3", "hlt");
    PRIVILEGED("MOV EAX, CR0", "movl %cr0, %eax");
    PRIVILEGED("MOV DR7, EAX", "movl %eax, %db7");
    PRIVILEGED("CLTS", "clts");
    PRIVILEGED("LMSW", "lmsw %ax");
    PRIVILEGED("LGDT", "lgdt (%bx)");
    PRIVILEGED("LIDT", "lidt (%bx)");
    PRIVILEGED("INVD", "invd");
    PRIVILEGED("RDMSR", "rdmsr");
    NOT_THERE("LLDT", "lldt %ax");
    NOT_THERE("LTR", "ltr %ax");
    NOT_THERE("SLDT", "sldt %ax");
    NOT_THERE("STR", "str %ax");
    NOT_THERE("LAR", "lar %ax, %cx");
    NOT_THERE("LSL", "lsl %ax, %cx");
    NOT_THERE("VERR", "verr %ax");
    NOT_THERE("VERW", "verw %ax");
    NOT_THERE("ARPL", "arpl %cx, %ax");
    OK("V86: SMSW", V("smsw %ax"));
    in.edx = 0x80;
    PRIVILEGED("IN, IOPL 3, bitmap", "inb %dx, %al");
    PRIVILEGED("OUT, IOPL 3, bitmap", "outb %al, %dx");
    tss_a.io[0x80 / 8] = 0xfe;
    OK("V86: IN allowed by the bitmap", V("inb %dx, %al"));
    PRIVILEGED("INW partly allowed", "inw %dx, %ax");
    v86(0);
    in.edx = 0x80;
    PRIVILEGED("OUT denied, IOPL 0", "outb %al, $0x84");
    loose = 1;
    FAULT("V86: IN allowed with IOPL 0", V("inb %dx, %al; 9: ud2"), UD, NOERR);
}

/* VME: the redirection bitmap is the 32 bytes below the I/O bitmap. */
static void vme(void)
{
    volatile u32 *ivt;

    if (!(features >> 1 & 1))
        return;
    begin();
    asm("" : "=r"(ivt) : "0"(0));
    fill(tss_a.redir, 0xff, 32);
    set_cr4(1);
    v86(F_VIF);
    loose = 1;
    FAULT("VME: CLI", V("cli; 9: hlt"), GP, 0);
    EQ("VME: CLI clears VIF", out.eflags & ~F_RF, 2 | F_VM);
    v86(0);
    FAULT("VME: STI", V("sti; 9: hlt"), GP, 0);
    EQ("VME: STI sets VIF", out.eflags & ~F_RF, 2 | F_VM | F_VIF);
    v86(F_VIP);
    FAULT("#GP VME: STI with VIP", V("sti"), GP, 0);
    FAULT("VME: PUSHF", V("pushf; popw %ax; 9: hlt"), GP, 0);
    EQ("VME: PUSHF image, VIF=0", out.eax & 0xffff, 2 | F_IOPL(3));
    v86(F_VIF);
    FAULT("VME: PUSHF", V("pushf; popw %ax; 9: hlt"), GP, 0);
    EQ("VME: PUSHF image, VIF=1", out.eax & 0xffff, 2 | F_IOPL(3) | F_IF);
    FAULT("#GP VME: PUSHFL", V("pushfl"), GP, 0);
    FAULT("#GP VME: POPFL", V("popfl"), GP, 0);
    v86(0);
    FAULT("VME: POPF", V("pushw $0x203; popf; 9: hlt"), GP, 0);
    EQ("VME: POPF sets VIF, not IF", out.eflags & ~F_RF, 2 | F_VM | F_VIF | F_CF);
    FAULT("#GP VME: POPF with TF", V("pushw $0x102; 9: popf"), GP, 0);
    v86(F_VIP);
    FAULT("#GP VME: POPF of IF with VIP", V("pushw $0x202; 9: popf"), GP, 0);
    FAULT("VME: POPF of IF=0 with VIP", V("pushw $0x2; popf; 9: hlt"), GP, 0);
    v86(0);
    FAULT("VME: IRET", V("pushw $0x202; pushw %cs; call 1f; jmp 2f; 1: iretw; 2: 9: hlt"), GP, 0);
    EQ("VME: IRET sets VIF", out.eflags & F_VIF, F_VIF);
    FAULT("#GP VME: INT n, bit 1, IOPL 0", V("int $0x40"), GP, 0);
    tss_a.redir[8] = 0;
    ivt[0x40] = 0x20000100;
    *(volatile u8 *)(LOW + 0x100) = 0xf4;
    v86(F_VIF);
    RUN(V("int $0x40; 9: nop"));
    EQ("VME: INT n, bit 0: through the IVT", out.vec << 16 | out.eip, GP << 16 | 0x100);
    EQ("VME: INT n, bit 0: VIF cleared", out.eflags & (F_VIF | F_VM), F_VM);
    EQ("VME: INT n, bit 0: SP", out.esp, in.esp - 6);
    EQ("VME: INT n, bit 0: IP and CS", rd32(LOW + 0xfefa), (LOW >> 4) << 16 | lab);
    EQ("VME: INT n, bit 0: FLAGS show VIF and IOPL 3", rd16(LOW + 0xfefe), 2 | F_IOPL(3) | F_IF);
    v86(F_IOPL(3) | F_IF);
    RUN(V("int $0x40; 9: nop"));
    EQ("VME: INT n, bit 0, IOPL 3: through the IVT", out.vec << 16 | out.eip, GP << 16 | 0x100);
    EQ("VME: INT n, bit 0, IOPL 3: IF cleared", out.eflags & F_IF, 0);
    EQ("VME: INT n, bit 0, IOPL 3: FLAGS", rd16(LOW + 0xfefe), 2 | F_IOPL(3) | F_IF);
    OK("VME: INT n, bit 1, IOPL 3: through the IDT", V("nop"));
    fill(tss_a.redir, 0, 32);
    FAULT("VME: INT3 is not redirected", V("int3"), GP, BP * 8 + 2);
    set_cr4(0);
    v86(0);
    FAULT("no redirection without CR4.VME", V("int $0x40"), GP, 0);
}

void test_v86(void)
{
    plain();
    memory();
    sensitive();
    vme();
}
