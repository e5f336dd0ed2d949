/* exc.c - exceptions: vectors, error codes, saved EIP, bad gates, double faults (SDM 3A chapter 6).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define UNDEF(name, bytes) FAULT("#UD " name, ".byte " bytes, UD, NOERR)

static void simple(void)
{
    begin();
    in.ecx = 0;
    in.eflags = 0x8d7;
    FAULT("#DE DIV r32 by zero", "div %ecx", DE, NOERR);
    FAULT("#DE DIV r16 by zero", "divw %cx", DE, NOERR);
    FAULT("#DE DIV m8 by zero", "divb (%ebx)", DE, NOERR);
    FAULT("#DE AAM 0", ".byte 0xd4, 0", DE, NOERR);
    in.eax = 0x80000000;
    in.edx = in.ecx = 0xffffffff;
    FAULT("#DE IDIV overflow", "idiv %ecx", DE, NOERR);
    in.eax = 0x200;
    in.ecx = 1;
    FAULT("#DE DIV r8 overflow", "divb %cl", DE, NOERR);
    in.eax = 0x7f;
    in.ecx = 0xff;
    FAULT("#DE at the second instruction", "nop; 9: .byte 0xd4, 0", DE, NOERR);
    begin();
    TRAP("#BP INT3", "int3; 9: nop", BP);
    TRAP("#BP INT 3, two bytes", ".byte 0xcd, 3; 9: nop", BP);
    OK("INTO with OF=0", "into");
    in.eflags = 2 | F_OF;
    TRAP("#OF INTO", "into; 9: nop", OF);
    in.eflags = 2;
    TRAP("#DB INT1", ".byte 0xf1; 9: nop", DB);
    wr32(in.ebx, 5);
    wr32(in.ebx + 4, 10);
    in.eax = 4;
    FAULT("#BR BOUND below", "bound %eax, (%ebx)", BR, NOERR);
    in.eax = 11;
    FAULT("#BR BOUND above", "bound %eax, (%ebx)", BR, NOERR);
    in.eax = 10;
    OK("BOUND at the upper bound", "bound %eax, (%ebx)");
    in.eax = 5;
    OK("BOUND at the lower bound", "bound %eax, (%ebx)");
    in.eax = 0xffffffff;
    FAULT("#BR BOUND is signed", "bound %eax, (%ebx)", BR, NOERR);
    in.eax = 0;
    wr32(in.ebx, 0x00050001);
    FAULT("#BR BOUND 16 bits", "boundw %ax, (%ebx)", BR, NOERR);
    TRAP("INT 20h through a DPL 3 gate", "int $0x21; 9: nop", 0x21);
    TRAP("INT 0FFh at CPL 0", "int $0xff; 9: nop", 0xff);
    ring(3);
    FAULT("#DE from ring 3, gate DPL 0", ".byte 0xd4, 0", DE, NOERR);
    EQ("handler CS after a fault in ring 3", out.hcs, CODE0);
    EQ("handler SS is TSS.SS0", out.hss, DATA0);
    EQ("handler ESP is TSS.ESP0 - 20", out.hesp, TOP(stack_k) - 20);
    FAULT("#GP from ring 3 pushes an error code", "hlt", GP, 0);
    EQ("handler ESP is TSS.ESP0 - 24", out.hesp, TOP(stack_k) - 24);
}

/* QEMU 7.2's translator aborts on one of them */
static void bad_locks(void)
{
    UNDEF("LOCK NOP", "0xf0, 0x90");
    UNDEF("LOCK ADD register", "0xf0, 0x01, 0xc0");
    UNDEF("LOCK ADD register, memory", "0xf0, 0x03, 0x03");
    UNDEF("LOCK MOV memory", "0xf0, 0x89, 0x03");
    UNDEF("LOCK CMP memory", "0xf0, 0x39, 0x03");
    UNDEF("LOCK CMP memory, imm", "0xf0, 0x83, 0x3b, 0");
    UNDEF("LOCK TEST memory", "0xf0, 0x85, 0x03");
    UNDEF("LOCK BT memory", "0xf0, 0x0f, 0xba, 0x23, 0");
    UNDEF("LOCK BTS register", "0xf0, 0x0f, 0xab, 0xc0");
    UNDEF("LOCK SHL memory", "0xf0, 0xd1, 0x23");
    UNDEF("LOCK XCHG register", "0xf0, 0x87, 0xc0");
    UNDEF("LOCK PUSH memory", "0xf0, 0xff, 0x33");
    UNDEF("LOCK MUL memory", "0xf0, 0xf7, 0x23");
    UNDEF("LOCK POP memory", "0xf0, 0x8f, 0x03");
    UNDEF("LOCK IN", "0xf0, 0xec");
    UNDEF("LOCK MOVS", "0xf0, 0xa5");
    UNDEF("LOCK INT3", "0xf0, 0xcc");
}

static void undefined(void)
{
    begin();
    UNDEF("UD2", "0x0f, 0x0b");
    UNDEF("UD1", "0x0f, 0xb9, 0xc0");
    UNDEF("MOV CS, AX", "0x8e, 0xc8");
    UNDEF("MOV AX, segment 6", "0x8c, 0xf0");
    UNDEF("MOV segment 7, AX", "0x8e, 0xf8");
    UNDEF("LEA register", "0x8d, 0xc0");
    UNDEF("LES register", "0xc4, 0xc0");
    UNDEF("LDS register", "0xc5, 0xc0");
    UNDEF("LSS register", "0x0f, 0xb2, 0xc0");
    UNDEF("LFS register", "0x0f, 0xb4, 0xc0");
    UNDEF("LGS register", "0x0f, 0xb5, 0xc0");
    UNDEF("BOUND register", "0x62, 0xc0");
    UNDEF("JMP far register", "0xff, 0xe8");
    UNDEF("CALL far register", "0xff, 0xd8");
    UNDEF("FF /7", "0xff, 0xf8");
    UNDEF("FE /2", "0xfe, 0xd0");
    UNDEF("FE /7 memory", "0xfe, 0x3b");
    UNDEF("8F /1", "0x8f, 0xc8");
    UNDEF("C6 /1", "0xc6, 0xc8, 0");
    UNDEF("C7 /7", "0xc7, 0xf8, 0, 0, 0, 0");
    UNDEF("0F BA /0", "0x0f, 0xba, 0xc0, 0");
    UNDEF("0F BA /3", "0x0f, 0xba, 0xd8, 0");
    UNDEF("0F 00 /6", "0x0f, 0x00, 0xf0");
    UNDEF("0F 00 /7", "0x0f, 0x00, 0xf8");
    UNDEF("CMPXCHG8B register", "0x0f, 0xc7, 0xc8");
    UNDEF("SGDT register", "0x0f, 0x01, 0xc0");
    UNDEF("LIDT register", "0x0f, 0x01, 0xdb");
    UNDEF("INVLPG register", "0x0f, 0x01, 0xf8");
    UNDEF("MOV EAX, CR1", "0x0f, 0x20, 0xc8");
    UNDEF("MOV CR5, EAX", "0x0f, 0x22, 0xe8");
    UNDEF("MOV EAX, CR7", "0x0f, 0x20, 0xf8");
    UNDEF("0F 04", "0x0f, 0x04");
    UNDEF("0F 0A", "0x0f, 0x0a");
    UNDEF("0F 0F without 3DNow", "0x0f, 0x0f, 0xc0, 0x9e");
    UNDEF("0F 24 (MOV from test register)", "0x0f, 0x24, 0xc0");
    UNDEF("0F 26 (MOV to test register)", "0x0f, 0x26, 0xf0");
    UNDEF("0F FF", "0x0f, 0xff, 0xc0");
    UNDEF("0F A6", "0x0f, 0xa6, 0xc0");
    UNDEF("RSM outside SMM", "0x0f, 0xaa");
    UNDEF("MOVNTI register", "0x0f, 0xc3, 0xc0");
    if (!tcg)
        bad_locks();
    ring(3);
    UNDEF("UD2 in ring 3", "0x0f, 0x0b");
    ring(0);
    OK("LOCK ADD memory", "lock addl $1, (%ebx)");
    OK("LOCK XCHG memory", "lock xchg %eax, (%ebx)");
    OK("LOCK BTC memory", "lock btcl $1, (%ebx)");
    OK("LOCK NOT memory", "lock notl (%ebx)");
    OK("LOCK DEC memory", "lock decb (%ebx)");
    OK("LOCK CMPXCHG memory", "lock cmpxchg %eax, (%ebx)");
    OK("LOCK XADD memory", "lock xadd %eax, (%ebx)");
    OK("instruction of 15 bytes", ".fill 14, 1, 0x26; nop");
    FAULT("#GP instruction of 16 bytes", ".fill 15, 1, 0x26; nop", GP, 0);
}

/* Gates an INT or an exception must not go through, and the error code's IDT and EXT bits. */
static void gates(void)
{
    u32 ud = SNIP("nop");

    begin();
    ring(3);
    FAULT("#GP INT n, gate DPL 0, CPL 3", "int $0x30", GP, 0x30 * 8 + 2);
    FAULT("#GP INT3, gate DPL 0, CPL 3", "int3", GP, BP * 8 + 2);
    FAULT("#GP INT 14 in ring 3", "int $14", GP, PF * 8 + 2);
    in.eflags |= F_OF;
    FAULT("#GP INTO, gate DPL 0, CPL 3", "into", GP, OF * 8 + 2);
    in.eflags = 2;
    TRAP("INT1 does not look at the gate's DPL", ".byte 0xf1; 9: nop", DB);
    ring(0);
    idt_limit(0x21 * 8 - 1);
    FAULT("#GP INT n beyond the IDT limit", "int $0x50", GP, 0x50 * 8 + 2);
    idt_limit(0x30 * 8 + 6);
    FAULT("#GP INT n half beyond the IDT limit", "int $0x30", GP, 0x30 * 8 + 2);
    idt_limit(0x30 * 8 + 7);
    TRAP("INT n just inside the IDT limit", "int $0x30; 9: nop", 0x30);
    idt_limit(0x7ff);
    idt[0x30] = 0;
    FAULT("#GP empty IDT entry", "int $0x30", GP, 0x30 * 8 + 2);
    idt_gate(0x30, CODE0, ud, 0x8c);
    FAULT("#GP call gate in the IDT", "int $0x30", GP, 0x30 * 8 + 2);
    idt_gate(0x30, CODE0, ud, 0x9a);
    FAULT("#GP code descriptor in the IDT", "int $0x30", GP, 0x30 * 8 + 2);
    idt_gate(0x30, CODE0, ud, 0x0e);
    FAULT("#NP gate not present", "int $0x30", NP, 0x30 * 8 + 2);
    idt_gate(0x30, 0, ud, 0x8e);
    FAULT("#GP gate with null selector", "int $0x30", GP, 0);
    idt_gate(0x30, DATA0, ud, 0x8e);
    FAULT("#GP gate to data segment", "int $0x30", GP, DATA0);
    idt_gate(0x30, GDT_SIZE * 8, ud, 0x8e);
    FAULT("#GP gate beyond the GDT", "int $0x30", GP, GDT_SIZE * 8);
    idt_gate(0x30, 4 | 8, ud, 0x8e);
    FAULT("#GP gate into LDT without LDT", "int $0x30", GP, 4 | 8);
    idt_gate(0x30, CODE3, ud, 0x8e);
    FAULT("#GP gate to an outer ring", "int $0x30", GP, CODE3 & ~3);
    seg(T(0), 0, 0xfffff, 0x1a, 0xc0);
    idt_gate(0x30, T(0), ud, 0x8e);
    FAULT("#NP gate to absent code", "int $0x30", NP, T(0));
    seg(T(0), 0, 0xff, 0x9a, 0x40);
    idt_gate(0x30, T(0), ud, 0x8e);
    FAULT("#GP gate target beyond the limit", "int $0x30", GP, 0);
    idt_gate(0x30, CODE0 | 3, ud, 0x8e);
    RUN("int $0x30");
    EQ("gate selector's RPL is ignored", out.vec << 16 | out.cs, END << 16 | CODE0);

    /* benign first exception: the second is delivered, with EXT */
    idt[UD] &= ~(1ull << 47);
    FAULT("#NP with EXT, gate of #UD absent", "ud2", NP, UD * 8 + 3);
    FAULT("#NP without EXT, INT 6", "int $6", NP, UD * 8 + 2);
    idt_gate(UD, DATA0, ud, 0x8e);
    FAULT("#GP with EXT, gate of #UD to data", "ud2", GP, DATA0 | 1);
    idt_gate(UD, 0, ud, 0x8e);
    FAULT("#GP with EXT, gate of #UD null", "ud2", GP, 1);
    idt[UD] = 0;
    FAULT("#GP with EXT, gate of #UD empty", "ud2", GP, UD * 8 + 3);
    idt[BP] &= ~(1ull << 47);
    FAULT("#NP without EXT for INT3", "int3", NP, BP * 8 + 2);
    idt[DB] &= ~(1ull << 47);
    FAULT("#NP with EXT for INT1", ".byte 0xf1", NP, DB * 8 + 3);
}

/* New stacks of inner rings: the gate leads to ring 1, so that the fault itself has a good stack. */
static void stacks(void)
{
    u32 nop = SNIP("nop");

    begin();
    ring(3);
    idt_gate(0x30, CODE1, nop, 0xee);
    RUN("int $0x30; 9: nop");
    EQ("INT to ring 1", out.cs << 16 | out.ss, CODE1 << 16 | DATA1);
    EQ("INT to ring 1: ESP", out.esp, tss_a.esp1 - 20);
    EQ("INT to ring 1: saved EIP", rd32(out.esp), lab);
    EQ("INT to ring 1: saved CS", rd16(out.esp + 4), CODE3);
    EQ("INT to ring 1: saved EFLAGS", rd32(out.esp + 8), 2);
    EQ("INT to ring 1: saved ESP", rd32(out.esp + 12), in.esp);
    EQ("INT to ring 1: saved SS", rd16(out.esp + 16), DATA3);
    tss_a.ss1 = 0;
    FAULT("#TS inner SS null", "int $0x30", TS, 0);
    tss_a.ss1 = DATA1 & ~3;
    FAULT("#TS inner SS with wrong RPL", "int $0x30", TS, DATA1 & ~3);
    tss_a.ss1 = DATA2;
    FAULT("#TS inner SS with wrong DPL", "int $0x30", TS, DATA2 & ~3);
    tss_a.ss1 = (DATA2 & ~3) | 1;
    FAULT("#TS inner SS, RPL right, DPL wrong", "int $0x30", TS, DATA2 & ~3);
    tss_a.ss1 = CODE1;
    FAULT("#TS inner SS is code", "int $0x30", TS, CODE1 & ~3);
    tss_a.ss1 = GDT_SIZE * 8 | 1;
    FAULT("#TS inner SS beyond the GDT", "int $0x30", TS, GDT_SIZE * 8);
    seg(T(0), 0, 0xfffff, 0xb1, 0xc0);
    tss_a.ss1 = T(0) | 1;
    FAULT("#TS inner SS read-only", "int $0x30", TS, T(0));
    seg(T(0), 0, 0xfffff, 0x33, 0xc0);
    FAULT("#SS inner SS absent", "int $0x30", SS, T(0));
    seg(T(0), 0, 0xfff, 0xb3, 0x40);
    tss_a.esp1 = 0x1004;
    FAULT("#SS inner stack beyond the limit", "int $0x30", SS, T(0));
    tss_a.esp1 = 16;
    FAULT("#SS inner stack without room", "int $0x30", SS, T(0));
    idt_gate(UD, CODE1, nop, 0x8e);
    FAULT("#SS with EXT, #UD without room", "ud2", SS, T(0) | 1);
    tss_a.ss1 = CODE1;
    FAULT("#TS with EXT", "ud2", TS, (CODE1 & ~3) | 1);
    begin();
    ring(3);
    idt_gate(0x30, CODE1, nop, 0xee);
    seg(TSS_A, (u32)&tss_a, 0x0f, 0x8b, 0);
    gdt[TSS_A >> 3] &= ~(2ull << 40);
    asm volatile("ltr %w0" : : "r"(TSS_A));
    FAULT("#TS inner stack beyond the TSS limit", "int $0x30", TS, TSS_A);
}

static void double_faults(void)
{
    static const struct {
        const char *name;
        u8 first;
    } first[] = {
        { "#DE", DE }, { "#TS", TS }, { "#NP", NP }, { "#SS", SS }, { "#GP", GP },
    };
    u32 n;
    u32 task = SNIP("nop; 9: nop");

    for (n = 0; n < 5; n++) {
        begin();
        idt[first[n].first] &= ~(1ull << 47);
        loose = 1;
        seg(T(0), 0, 0xfffff, 0x12, 0xc0);
        seg(T(1), (u32)&tss_b, 0x10, 0x89, 0);
        in.eax = T(0);
        switch (first[n].first) {
        case DE: RUN(".byte 0xd4, 0"); break;
        case TS: RUN("9: ljmp $0x90, $0"); break;
        case NP: RUN("9: mov %eax, %ds"); break;
        case SS: RUN("9: mov %eax, %ss"); break;
        case GP:
            in.eax = CODE3;
            RUN("9: mov %eax, %ss");
            break;
        }
        fault(fmt("#DF contributory after", first[n].name, 0), DF, 0);
    }
    begin();
    idt[DE] = idt[NP] = 0;
    FAULT("#DF from #DE and #GP", ".byte 0xd4, 0", DF, 0);
    begin();
    idt[UD] &= ~(1ull << 47);
    idt[NP] &= ~(1ull << 47);
    FAULT("#DF from #UD, #NP, #NP", "ud2", DF, 0);
    begin();
    idt[0x30] = 0;
    idt[GP] &= ~(1ull << 47);
    FAULT("#DF from INT n, #GP, #NP", "int $0x30", DF, 0);

    /* through a task gate: a bad stack does not matter */
    begin();
    idt_gate(DF, TSS_B, 0, 0x85);
    tss_b.eip = task;
    idt[DE] &= ~(1ull << 47);
    RUN(".byte 0xd4, 0");
    EQ("#DF through a task gate: new task", str(), TSS_B);
    EQ("#DF through a task gate: error code", rd32(out.esp), 0);
    EQ("#DF through a task gate: ESP", out.esp, TOP(stack_t) - 4);
    EQ("#DF through a task gate: back link", tss_b.back & 0xffff, TSS_A);
    EQ("#DF through a task gate: saved EAX", tss_a.eax, in.eax);
    begin();
    idt_gate(DF, TSS_B, 0, 0x85);
    tss_b.eip = task;
    seg(T(0), 0, 0xfff, 0x93, 0x40);
    RUN("mov $0x88, %ax; mov %eax, %ss; mov $2, %esp; 9: .byte 0xd4, 0");
    EQ("#DF, stack without room, task gate", str(), TSS_B);
    EQ("#DF, stack without room, saved EIP", tss_a.eip, lab);
    EQ("#DF, stack without room, saved ESP", tss_a.esp, 2);
    EQ("#DF, stack without room, saved SS", tss_a.ss & 0xffff, T(0));
    begin();
    idt_gate(SS, TSS_B, 0, 0x85);
    tss_b.eip = task;
    RUN("mov $0x88, %ax; 9: nop; int $0x20");
    seg(T(0), 0, 0xfff, 0x93, 0x40);
    RUN("mov $0x88, %ax; mov %eax, %ss; mov $0x2, %esp; 9: push %eax; nop");
    EQ("#SS through a task gate", str(), TSS_B);
    EQ("#SS through a task gate: error code", rd32(out.esp), 0);
    EQ("#SS through a task gate: saved EIP", tss_a.eip, lab);
    EQ("#SS through a task gate: RF saved", tss_a.eflags & F_RF, F_RF);
    EQ("#SS through a task gate: NT in the new task", out.eflags & F_NT, F_NT);
}

static void alignment(void)
{
    begin();
    set_cr0(get_cr0() | 0x40000);
    ring(3);
    in.ebx = (u32)buf + 1;
    OK("no #AC with EFLAGS.AC=0", "mov (%ebx), %ecx");
    in.eflags |= F_AC;
    FAULT("#AC dword read", "mov (%ebx), %eax", AC, 0);
    FAULT("#AC dword write", "mov %eax, (%ebx)", AC, 0);
    EQ("#AC: memory unchanged", rd32((u32)buf), 0);
    FAULT("#AC word read", "movw (%ebx), %ax", AC, 0);
    OK("byte at odd address", "movb (%ebx), %al");
    FAULT("#AC RMW", "incl (%ebx)", AC, 0);
    in.ebx = (u32)buf + 2;
    OK("word at even address", "movw (%ebx), %ax");
    FAULT("#AC dword at 2 mod 4", "mov (%ebx), %eax", AC, 0);
    in.esp -= 2;
    FAULT("#AC PUSH", "push %eax", AC, 0);
    in.esp += 2;
    in.ebx = (u32)buf + 4;
    FAULT("#AC m64 at 4 mod 8", "fldl (%ebx)", AC, 0);
    ring(0);
    in.eflags |= F_AC;
    in.ebx = (u32)buf + 1;
    OK("no #AC at CPL 0", "mov (%ebx), %ecx");
    set_cr0(get_cr0() & ~0x40000u);
    ring(3);
    in.eflags |= F_AC;
    OK("no #AC with CR0.AM=0", "mov (%ebx), %ecx");
}

void test_exc(void)
{
    simple();
    undefined();
    gates();
    stacks();
    double_faults();
    alignment();
}
