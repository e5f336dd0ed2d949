/* real.c - to real mode and back, the IVT, limits, "unreal" mode (SDM 3A 9.9, 20.1).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

static void start(void)
{
    begin();
    v86(0);
    in.eflags = 2;
    in.pmsel = DATA16;
}

/* At 9:, in real mode; the image of FLAGS is 16 bits. */
static void at(const char *name, u32 vec) { EQ(fmt("real mode:", name, 0), out.vec << 16 | out.eip, vec << 16 | lab); }

#define REAL(name, code, vec) \
    do {                      \
        RM_RUN(code);         \
        at(name, vec);        \
    } while (0)
#define ALIVE(name, code) \
    do {                  \
        RM_RUN(code);     \
        ok(name);         \
    } while (0)

void test_real(void)
{
    start();
    ALIVE("real mode and back", "nop");
    EQ("real mode: CS and SS", out.cs << 16 | out.ss, LOW >> 4 << 16 | LOW >> 4);
    EQ("real mode: DS and GS", out.ds << 16 | out.gs, 0x30003300);
    EQ("real mode: SP after the handler's pops", out.esp, in.esp);
    EQ("CR0.PE is set again", get_cr0() & 1, 1);
    in.ecx = 0;
    REAL("#DE through the IVT", "nop; 9: divw %cx", DE);
    REAL("INT n", "int $0x30; 9: nop", 0x30);
    REAL("INT3", "int3; 9: nop", BP);
    REAL("#UD", "9: ud2", UD);
    REAL("LOCK NOP", "9: .byte 0xf0, 0x90", UD);
    REAL("LLDT is #UD", "9: lldt %ax", UD);
    REAL("LAR is #UD", "9: lar %ax, %cx", UD);
    REAL("ARPL is #UD", "9: arpl %cx, %ax", UD);
    REAL("STR is #UD", "9: str %ax", UD);
    wr32(0x38000, 0x00050004);
    REAL("BOUND", "9: bound %ax, 0x8000", BR);
    in.eflags = 2 | F_IF | F_DF;
    REAL("INT n with IF", "int $0x30; 9: nop", 0x30);
    EQ("real mode: IF saved", out.eflags & 0xffff, 2 | F_IF | F_DF);
    EQ("real mode: IF cleared, DF kept", out.heflags & (F_IF | F_DF), F_DF);
    in.eflags = 2 | F_TF;
    REAL("TF", "nop; 9: nop", DB);
    in.eflags = 2;
    in.ebx = 0xffff;
    REAL("word at FFFFh is INT 13", "9: movw (%bx), %ax", GP);
    REAL("dword at FFFFh is INT 13", "9: movl (%bx), %eax", GP);
    REAL("word at SS:FFFFh is INT 12", "9: movw %ss:(%bx), %ax", SS);
    ALIVE("real mode: byte at FFFFh", "movb (%bx), %al");
    in.ebx = 0x10000;
    REAL("32-bit offset beyond 64 KiB", "9: movb (%ebx), %al", GP);
    ALIVE("real mode: 16-bit offset wraps", "movb (%bx), %al");
    REAL("JMP r32 beyond 64 KiB", "9: jmpl *%ebx", GP);
    in.esp = 0;
    ALIVE("real mode: PUSH at SP=0 wraps", "pushw %ax; movw %sp, %cx; popw %ax");
    EQ("real mode: SP after the wrap", out.ecx & 0xffff, 0xfffe);
    in.esp = 0xff00;
    wr32(0x31000, 0x51525354);
    in.ebx = 0x1000;
    ALIVE("real mode: segment base", "movl (%bx), %eax; movw $0x3100, %cx; movw %cx, %fs; movl %fs:0, %edx");
    EQ("real mode: DS base", out.eax, 0x51525354);
    EQ("real mode: loaded FS base", out.edx, 0x51525354);
    wr32(0xffff0 + 0x20, 0x61626364);
    in.fs = 0xffff;
    in.ebx = 0x20;
    ALIVE("real mode: above 1 MiB with A20", "movl %fs:(%bx), %eax");
    EQ("real mode: FFFF:0020", out.eax, rd32(0x100010));
    ALIVE("real mode: far CALL and RETF", "pushw %cs; call 1f; jmp 2f; 1: lret; 2: nop");
    ALIVE("real mode: IRET", "pushw $0x2; pushw %cs; call 1f; jmp 2f; 1: iretw; 2: nop");
    ALIVE("real mode: IRETL",
          "pushl $0x2; pushl $0x2000; call 1f; jmp 2f; 1: popw %ax; movzwl %ax, %eax; pushl %eax; iretl; 2: nop");
    ALIVE("real mode: privileged instructions", "movl %cr0, %eax; clts; movl %cr3, %ecx; smsw %dx; cli");
    EQ("real mode: CR0.PE is clear", out.eax & 1, 0);
    ALIVE("real mode: POPF changes IOPL and NT", "pushw $0x7002; popfw; pushfw; popw %ax; pushw $2; popfw");
    EQ("real mode: PUSHF", out.eax & 0xffff, 0x7002);
    REAL("IDT limit is INT 13", "pushl $0; pushw $0x0bf; movw %sp, %bx; lidt %ss:(%bx); addw $6, %sp; 9: int $0x40",
         GP);

    /* big real mode: the limit loaded in protected mode stays */
    start();
    in.pmsel = DATA0;
    in.ds = 0;
    in.ebx = (u32)buf;
    wr32((u32)buf, 0x77665544);
    ALIVE("unreal mode: beyond 64 KiB", "movl (%ebx), %eax");
    EQ("unreal mode: value", out.eax, 0x77665544);
    ALIVE("unreal mode: write", "movl $0x12344321, (%ebx)");
    EQ("unreal mode: value written", rd32((u32)buf), 0x12344321);
    in.pmsel = DATA16;
    REAL("the limit is 64 KiB again", "9: movl (%ebx), %eax", GP);
    ALIVE("protected mode from real mode", "movl %cr0, %eax; orb $1, %al; movl %eax, %cr0; "
                                           "movw $0x10, %cx; movw %cx, %fs; andb $0xfe, %al; movl %eax, %cr0; "
                                           "xorw %cx, %cx; movw %cx, %fs; movl %fs:(%ebx), %eax");
    EQ("protected mode from real mode: flat FS", out.eax, 0x12344321);
    begin();
}
