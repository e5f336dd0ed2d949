/* priv.c - privilege: CPL 0 instructions, IOPL and the I/O bitmap, flags, control registers, PVI.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define GP0(name, code) FAULT("#GP at CPL 3: " name, code, GP, 0)

static void privileged(void)
{
    begin();
    ring(3);
    GP0("HLT", "hlt");
    GP0("CLTS", "clts");
    GP0("LGDT", "lgdt (%ebx)");
    GP0("LIDT", "lidt (%ebx)");
    GP0("LLDT", "lldt %ax");
    GP0("LLDT null", "lldt %cs:zero");
    GP0("LTR", "ltr %ax");
    GP0("LMSW", "lmsw %ax");
    GP0("MOV EAX, CR0", "mov %cr0, %eax");
    GP0("MOV CR0, EAX", "mov %eax, %cr0");
    GP0("MOV EAX, CR2", "mov %cr2, %eax");
    GP0("MOV CR2, EAX", "mov %eax, %cr2");
    GP0("MOV EAX, CR3", "mov %cr3, %eax");
    GP0("MOV CR3, EAX", "mov %eax, %cr3");
    GP0("MOV EAX, CR4", "mov %cr4, %eax");
    GP0("MOV CR4, EAX", "mov %eax, %cr4");
    GP0("MOV EAX, DR0", "mov %db0, %eax");
    GP0("MOV DR7, EAX", "mov %eax, %db7");
    GP0("MOV EAX, DR6", "mov %db6, %eax");
    GP0("INVD", "invd");
    GP0("WBINVD", "wbinvd");
    GP0("INVLPG", "invlpg (%ebx)");
    GP0("RDMSR", "rdmsr");
    GP0("WRMSR", "wrmsr");
    if (features >> 15 & 1)
        GP0("RDPMC with PCE=0", "rdpmc");
    GP0("CLI", "cli");
    GP0("STI", "sti");
    GP0("IN AL, imm", "in $0x80, %al");
    GP0("OUT DX, EAX", "out %eax, %dx");
    GP0("INSB", "insb");
    GP0("OUTSD", "outsl");
    in.ecx = 0;
    OK("REP INSB with ECX=0 at CPL 3 with the port allowed", "nop");
    ring(1);
    FAULT("#GP at CPL 1: HLT", "hlt", GP, 0);
    FAULT("#GP at CPL 1: MOV CR0", "mov %cr0, %eax", GP, 0);
    ring(2);
    FAULT("#GP at CPL 2: LIDT", "lidt (%ebx)", GP, 0);
    begin();
    ring(3);
    set_cr4(4);
    FAULT("#GP RDTSC at CPL 3 with TSD", "rdtsc", GP, 0);
    ring(0);
    OK("RDTSC at CPL 0 with TSD", "rdtsc");
    set_cr4(0);
    ring(3);
    OK("RDTSC at CPL 3 without TSD", "rdtsc");
}

static void io(void)
{
    begin();
    ring(3);
    in.edx = 0x80;
    tss_a.io[0x80 / 8] = 0xfe;
    OK("I/O bitmap: byte allowed", "in %dx, %al");
    FAULT("I/O bitmap: word half allowed", "in %dx, %ax", GP, 0);
    FAULT("I/O bitmap: dword partly allowed", "in %dx, %eax", GP, 0);
    in.edx = 0x81;
    FAULT("I/O bitmap: byte denied", "in %dx, %al", GP, 0);
    FAULT("I/O bitmap: OUT denied", "out %al, %dx", GP, 0);
    tss_a.io[0x80 / 8] = 0xf0;
    in.edx = 0x80;
    OK("I/O bitmap: dword allowed", "in %dx, %eax");
    in.edx = 0x81;
    FAULT("I/O bitmap: dword, last byte denied", "in %dx, %eax", GP, 0);
    tss_a.io[0x80 / 8] = 0x7f;
    in.edx = 0x87;
    OK("I/O bitmap: bit 7", "in %dx, %al");
    FAULT("I/O bitmap: word straddles a byte, denied", "in %dx, %ax", GP, 0);
    tss_a.io[0x88 / 8] = 0xfe;
    OK("I/O bitmap: word straddles a byte, allowed", "in %dx, %ax");
    FAULT("I/O bitmap: dword straddles a byte, denied", "in %dx, %eax", GP, 0);
    in.edi = in.esi = (u32)buf;
    OK("I/O bitmap: INSW allowed", "insw");
    OK("I/O bitmap: OUTSB allowed", "outsb");
    FAULT("I/O bitmap: INSD denied", "insl", GP, 0);
    in.edx = 0xffff;
    tss_a.io[8191] = 0;
    OK("I/O bitmap: port FFFFh", "in %dx, %al");
    in.edx = 0x80;
    in.eflags = 2 | F_IOPL(3);
    in.edx = 0x84;
    OK("IOPL 3 does without the bitmap", "in %dx, %al");
    in.eflags = 2 | F_IOPL(2);
    FAULT("IOPL 2 at CPL 3", "in %dx, %al", GP, 0);
    ring(1);
    in.eflags = 2 | F_IOPL(1);
    OK("IOPL 1 at CPL 1", "in %dx, %al");

    begin();
    ring(3);
    tss_a.io[0x80 / 8] = 0;
    in.edx = 0x80;
    seg(TSS_A, (u32)&tss_a, (u32)&tss_a.io[0x80 / 8] - (u32)&tss_a, 0x89, 0);
    asm volatile("ltr %w0" : : "r"(TSS_A));
    FAULT("I/O bitmap: two bytes are read, the second beyond", "in %dx, %al", GP, 0);
    seg(TSS_A, (u32)&tss_a, (u32)&tss_a.io[0x80 / 8] - (u32)&tss_a + 1, 0x89, 0);
    asm volatile("ltr %w0" : : "r"(TSS_A));
    OK("I/O bitmap: both bytes within the limit", "in %dx, %al");
    in.edx = 0x88;
    FAULT("I/O bitmap: beyond the TSS limit", "in %dx, %al", GP, 0);
    tss_a.iomap = 0xffff;
    in.edx = 0x80;
    FAULT("I/O bitmap: base beyond the TSS limit", "in %dx, %al", GP, 0);
}

static void flags(void)
{
    begin();
    ring(3);
    in.eflags = 2 | F_IOPL(3);
    OK("STI at CPL 3, IOPL 3", "sti");
    EQ("STI sets IF", out.eflags, 2 | F_IOPL(3) | F_IF);
    in.eflags = 2 | F_IOPL(3) | F_IF;
    OK("CLI at CPL 3, IOPL 3", "cli");
    EQ("CLI clears IF", out.eflags, 2 | F_IOPL(3));
    OK("POPF at CPL 3, IOPL 3", "push $0x2; popf");
    EQ("POPF changes IF, not IOPL", out.eflags, 2 | F_IOPL(3));
    in.eflags = 2 | F_IF;
    OK("POPF at CPL 3, IOPL 0", "push $0x3002; popf");
    EQ("POPF leaves IF and IOPL", out.eflags, 2 | F_IF);
    OK("POPF of everything at CPL 3", "push $0x3ffeff; popf");
    EQ("POPF at CPL 3: AC, ID, NT, arithmetic flags", out.eflags, 2 | F_IF | F_AC | 0x200000 | F_NT | F_DF | F_ARITH);
    OK("PUSHF", "pushf; pop %eax");
    EQ("PUSHF image", out.eax, 2 | F_IF);
    ring(0);
    OK("POPF of everything at CPL 0", "push $0xffffceff; popf");
    EQ("POPF at CPL 0", out.eflags, 2 | F_IF | F_AC | 0x200000 | F_NT | F_DF | F_ARITH);
    OK("POPF at CPL 0 sets IOPL", "push $0x3002; popf");
    EQ("POPF: IOPL 3", out.eflags, 2 | F_IOPL(3));
    in.eflags = 2 | F_AC | 0x200000;
    OK("POPFW", "pushw $0xfff; andw $0xfeff, (%esp); popfw");
    EQ("POPFW keeps the high half", out.eflags, 2 | F_AC | 0x200000 | F_IF | F_DF | F_ARITH);
    OK("PUSHFW", "movl %esp, %ecx; pushfw; subl %esp, %ecx; popw %ax");
    EQ("PUSHFW moves ESP by 2", out.ecx, 2);
    in.eflags = 2 | F_RF;
    OK("PUSHF with RF", "nop; pushf; pop %eax");
    EQ("PUSHF image has RF=0", out.eax & F_RF, 0);
    ring(1);
    in.eflags = 2 | F_IOPL(1);
    OK("STI at CPL 1, IOPL 1", "sti; cli");
    in.eflags = 2;
    FAULT("STI at CPL 1, IOPL 0", "sti", GP, 0);
}

static void control(void)
{
    begin();
    in.eax = 0x80000030;
    FAULT("#GP CR0 PG without PE", "mov %eax, %cr0", GP, 0);
    in.eax = 0x20000031;
    FAULT("#GP CR0 NW without CD", "mov %eax, %cr0", GP, 0);
    in.eax = 0x21;
    OK("CR0.ET is 1 whatever is written", "mov %eax, %cr0; mov %cr0, %ecx");
    EQ("CR0.ET", out.ecx, 0x31);
    in.eax = 0x80000000;
    FAULT("#GP CR4 bit 31", "mov %eax, %cr4", GP, 0);
    in.eax = 0x1000;
    FAULT("#GP CR4 bit 12", "mov %eax, %cr4", GP, 0);
    in.eax = 0x8000000;
    FAULT("#GP CR4 bit 27", "mov %eax, %cr4", GP, 0);
    EQ("CR4 unchanged", get_cr4(), 0);
    in.eax = 0xe;
    OK("LMSW sets MP, EM, TS", "lmsw %ax; mov %cr0, %ecx; smsw %edx");
    EQ("LMSW cannot clear PE", out.ecx, 0x3f);
    EQ("SMSW", out.edx & 0xffff, 0x3f);
    set_cr0(0x31);
    in.eax = 0xfff1;
    OK("LMSW ignores the other bits", "lmsw %ax; mov %cr0, %ecx");
    EQ("LMSW: CR0", out.ecx, 0x31);
    set_cr0(0x39);
    OK("CLTS", "clts");
    EQ("CLTS: CR0", get_cr0(), 0x31);
    set_dr7(0);
    EQ("DR7 bit 10 is 1", get_dr7(), 0x400);
    set_dr6(0);
    EQ("DR6 reserved bits are 1", get_dr6(), 0xffff0ff0);
    set_cr2(0x12345678);
    EQ("CR2 reads back", get_cr2(), 0x12345678);
}

/* Protected-mode virtual interrupts (SDM 3B 20.4). */
static void pvi(void)
{
    if (!(features >> 1 & 1))
        return;
    begin();
    set_cr4(2);
    ring(3);
    in.eflags = 2 | F_VIF;
    OK("PVI: CLI", "cli");
    EQ("PVI: CLI clears VIF", out.eflags, 2);
    in.eflags = 2;
    OK("PVI: STI", "sti");
    EQ("PVI: STI sets VIF", out.eflags, 2 | F_VIF);
    in.eflags = 2 | F_VIP;
    FAULT("#GP PVI: STI with VIP", "sti", GP, 0);
    OK("PVI: CLI with VIP", "cli");
    in.eflags = 2 | F_IF;
    OK("PVI: POPF", "push $2; popf");
    EQ("PVI: POPF leaves IF and VIF", out.eflags, 2 | F_IF);
    in.eflags = 2 | F_IOPL(3);
    OK("PVI: STI with IOPL 3", "sti");
    EQ("PVI: STI with IOPL 3 sets IF", out.eflags, 2 | F_IOPL(3) | F_IF);
    ring(2);
    FAULT("PVI: CPL 2 is not covered", "sti", GP, 0);
    set_cr4(0);
    ring(3);
    FAULT("STI without PVI", "sti", GP, 0);
}

asm(".pushsection .snip,\"ax\"; zero: .word 0; .popsection");

void test_priv(void)
{
    privileged();
    io();
    flags();
    control();
    pvi();
}
