/* smc.c - code that changes: itself, ahead, in other pages, through other mappings (SDM 3A 8.1.3).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

static u32 pd[1024] __attribute__((aligned(4096)));
static u32 pt[1024] __attribute__((aligned(4096)));

static void same_block(void)
{
    begin();
    OK("next instruction's immediate", "movb $0x22, 1f + 1; 1: movb $0x11, %al");
    EQ("next instruction's immediate: value", out.eax & 0xff, 0x22);
    OK("an instruction further on", "movb $0x33, 1f + 1; nop; nop; xor %eax, %eax; 1: movb $0x11, %al");
    EQ("an instruction further on: value", out.eax & 0xff, 0x33);
    in.ecx = 0;
    OK("opcode: INC becomes DEC", "movb $0x49, 1f; jmp 1f; 1: inc %ecx");
    EQ("opcode: value", out.ecx, 0xffffffff);
    in.ecx = 100;
    in.eax = 0;
    OK("loop that changes itself each time", "1: addl $1, %eax; incb 1b + 2; dec %ecx; jnz 1b");
    EQ("loop that changes itself: sum", out.eax, 4950 + 100);
    OK("PUSH over the next instruction",
       "mov %esp, %ebp; mov $1f + 4, %esp; push $0x90909090; 1: ud2; ud2; mov %ebp, %esp");
    in.esi = (u32) "\x90\x90\x90\x90\x90\x90\x90\x90";
    in.ecx = 2;
    OK("REP MOVS over what follows it", "mov $1f, %edi; rep movsl; 1: ud2; ud2; ud2; ud2");
    OK("XCHG over what follows it", "mov $0x9090, %eax; xchg %ax, 1f; 1: ud2");
    OK("FSTP over what follows it", "fninit; fildl 2f; fistpl 1f; 1: ud2; ud2; jmp 3f; 2: .long 0x90909090; 3: nop");
}

static u32 call(void)
{
    in.ebx = (u32)buf;
    RUN("call *%ebx");
    return out.eax;
}

static void other_page(void)
{
    u32 n;
    u32 wrong = 0;

    begin();
    copy(buf, "\xb8\x00\x00\x00\x00\xc3", 6);
    for (n = 0; n < 200; n++) {
        wr32((u32)buf + 1, n);
        wrong += call() != n;
    }
    EQ("code written between calls", wrong, 0);
    copy(buf, "\xb9\x10\x27\x00\x00\x49\x75\xfd\xb8\x01\x00\x00\x00\xc3", 14); /* a hot loop */
    call();
    buf[9] = 2;
    EQ("hot code written", call(), 2);
    copy(buf + 0xffd, "\xb8\x01\x02\x03\x04\xc3", 6);
    copy(buf, "\xe9\xf8\x0f\x00\x00", 5);
    EQ("code over two pages", call(), 0x04030201);
    buf[0x1000] = 0x55;
    EQ("code over two pages, second written", call(), 0x04550201);
    buf[0xffe] = 0x66;
    EQ("code over two pages, first written", call(), 0x04550266);
    copy(buf, "\xe9\xfb\x1f\x00\x00", 5);
    copy(buf + 0x2000, "\xb8\x01\x00\x00\x00\xc3", 6);
    EQ("chained code", call(), 1);
    copy(buf + 0x2000, "\xb8\x02\x00\x00\x00\xc3", 6);
    EQ("chained code, target written", call(), 2);
    in.edi = (u32)buf + 0x2000;
    in.ecx = 8;
    in.eax = 0x90;
    OK("REP STOS over code", "rep stosb; movb $0xc3, (%edi)");
    in.eax = 77;
    EQ("REP STOS over code: it does nothing now", call(), 77);
}

static void mappings(void)
{
    u32 n;

    if (!(features >> 3 & 1))
        return;
    begin();
    fill(pd, 0, sizeof pd);
    for (n = 0; n < 8; n++)
        pd[n] = n << 22 | 0x87;
    pd[0x100] = (u32)pt | 7;
    pt[0] = (u32)buf | 7;
    pt[1] = (u32)buf | 7;
    set_cr4(0x10);
    set_cr3((u32)pd);
    set_cr0(0x80000031);
    copy(buf, "\xb8\x01\x00\x00\x00\xc3", 6);
    in.ebx = 0x40000000;
    OK("alias: call", "call *%ebx");
    EQ("alias: value", out.eax, 1);
    buf[1] = 2;
    OK("alias: written through the other mapping", "call *%ebx");
    EQ("alias: new value", out.eax, 2);
    OK("alias: written from itself", "movb $3, 0x40001001; call *%ebx");
    EQ("alias: value written from itself", out.eax, 3);
    copy(buf + 0x1000, "\xb8\x09\x00\x00\x00\xc3", 6);
    pt[0] = ((u32)buf + 0x1000) | 7;
    asm volatile("invlpg (%0)" : : "r"(0x40000000) : "memory");
    OK("remapped code", "call *%ebx");
    EQ("remapped code: value", out.eax, 9);
    begin();
}

void test_smc(void)
{
    same_block();
    other_page();
    mappings();
}
