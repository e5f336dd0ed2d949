/* debug.c - single step and breakpoints (SDM 3B chapter 17).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define B(n) (1u << (n))
#define BD   B(13)
#define BS   B(14)
#define X    0u
#define WR   1u
#define IO   2u
#define RW   3u

/* enable breakpoint n in DR7 */
static u32 on(u32 n, u32 rw, u32 len) { return 2u << n * 2 | (rw | (len == 4 ? 3u : len - 1) << 2) << (16 + n * 4); }

static void hit(const char *name, u32 dr6)
{
    trap(name, DB);
    EQ(fmt(name, "DR6", 0), get_dr6() & 0xe00f, dr6);
}

#define STEP(name, code) \
    do {                 \
        set_dr6(0);      \
        RUN(code);       \
        hit(name, BS);   \
    } while (0)
#define BREAK(name, d7, code, dr6) \
    do {                           \
        bp_dr7 = d7;               \
        RUN(code);                 \
        hit(name, dr6);            \
    } while (0)
#define QUIET(name, d7, code) \
    do {                      \
        bp_dr7 = d7;          \
        RUN(code);            \
        ok(name);             \
    } while (0)

static void step(void)
{
    begin();
    in.eflags = 2 | F_TF;
    STEP("TF: NOP", "nop; 9: nop");
    EQ("TF: saved EFLAGS", out.eflags, 2 | F_TF);
    EQ("TF: clear in the handler", out.heflags & F_TF, 0);
    STEP("TF: taken JMP", "jmp 9f; nop; 9: nop");
    STEP("TF: CALL", "call 9f; nop; 9: nop");
}

static void steps(void)
{
    begin();
    in.eflags = 2 | F_TF;
    in.eax = DATA0;
    STEP("TF: MOV SS, the trap comes one later", "mov %eax, %ss; nop; 9: nop");
    in.esp -= 4;
    wr32(in.esp, DATA0);
    STEP("TF: POP SS, the trap comes one later", "pop %ss; nop; 9: nop");
    in.esp += 4;
    STEP("TF: MOV DS does not hold it back", "mov %eax, %ds; 9: nop");
    STEP("TF: STI does not hold it back", "sti; 9: nop");
    in.ecx = 3;
    in.edi = (u32)buf;
    loose = 1;
    STEP("TF: REP STOS stops after an iteration", "9: rep stosb");
    EQ("TF: REP STOS, ECX and EDI", out.ecx << 8 | (out.edi - (u32)buf), 0x201);
    EQ("TF: REP STOS, RF between iterations", out.eflags & F_RF, F_RF);
    in.ecx = 1;
    STEP("TF: REP STOS, last iteration", "rep stosb; 9: nop");
    in.ecx = 0;
    STEP("TF: REP STOS with ECX=0", "rep stosb; 9: nop");
    loose = 0;
    TRAP("TF: INT n, the handler is not stepped", "int $0x30; 9: nop", 0x30);
    EQ("TF: INT n saves TF", out.eflags & F_TF, F_TF);
    EQ("TF: INT n clears TF", out.heflags & F_TF, 0);
    FAULT("TF: a fault comes instead of the trap", ".byte 0xd4, 0", DE, NOERR);
    wr32(in.esp, 2);
    STEP("TF: POPF that clears it still traps", "popf; 9: nop");
    STEP("TF: PUSHF", "pushf; 9: nop");
    EQ("TF: PUSHF image has TF", rd32(out.esp) & F_TF, F_TF);
    ring(3);
    in.eflags = 2 | F_TF;
    STEP("TF: ring 3", "nop; 9: nop");
    ring(0);
    STEP("TF set by POPF: after the next instruction", "push $0x102; popf; nop; 9: nop");
    STEP("TF set by IRET: after the next instruction", "push $0x102; push %cs; push $1f; iret; 1: nop; 9: nop");
    idt_gate(0x30, CODE0, SNIP("iret"), 0x8e);
    in.eflags = 2 | F_TF;
    STEP("TF: INT n and IRET step after the next", "int $0x30; nop; 9: nop");
    set_dr6(BD);
    RUN("nop; 9: nop");
    hit("DR6 is sticky", BS | BD);
}

static void execute(void)
{
    begin();
    bp_exec = 1;
    BREAK("breakpoint: execute", on(0, X, 1), "nop; 9: inc %eax; nop", B(0));
    EQ("breakpoint: before the instruction", out.eax, in.eax);
    BREAK("breakpoint: execute, local enable", 1, "nop; 9: nop; nop", B(0));
    QUIET("breakpoint: not enabled", 0x400 | 0x300, "nop; 9: nop");
    in.eflags = 2 | F_RF;
    QUIET("breakpoint: RF suppresses", on(0, X, 1), "9: nop; nop");
    BREAK("breakpoint: RF is cleared by the instruction", on(0, X, 1), "9: nop; jmp 9b", B(0));
    in.eflags = 2;
    QUIET("breakpoint: not the first byte", on(0, X, 1), ".byte 0xb8; 9: .long 0");
    in.eax = DATA0;
    QUIET("breakpoint: suppressed after MOV SS", on(0, X, 1), "mov %eax, %ss; 9: nop; nop");
    BREAK("breakpoint comes before the instruction's fault", on(0, X, 1), "9: ud2", B(0));
    ring(3);
    BREAK("breakpoint: ring 3", on(0, X, 1), "nop; 9: nop", B(0));
    in.eflags = 2 | F_TF;
    BREAK("breakpoint at the entry with TF", on(0, X, 1), "9: nop; nop", B(0));
}

static void data(void)
{
    static const char *const names[4] = { "byte at", "word at", "", "dword at" };
    u32 at, len, size, bp, want;

    begin();
    set_dr1((u32)buf + 4);
    BREAK("watch: write", on(1, WR, 4), "mov %eax, 4(%ebx); 9: nop", B(1));
    EQ("watch: the write is done", rd32((u32)buf + 4), in.eax);
    QUIET("watch: a read does not match", on(1, WR, 4), "mov 4(%ebx), %ecx");
    BREAK("watch: RW matches a read", on(1, RW, 4), "mov 4(%ebx), %ecx; 9: nop", B(1));
    BREAK("watch: RW matches a write", on(1, RW, 4), "mov %eax, 4(%ebx); 9: nop", B(1));
    BREAK("watch: RMW matches write", on(1, WR, 4), "incl 4(%ebx); 9: nop", B(1));
    QUIET("watch: a fetch does not match", on(1, RW, 4), "nop");
    for (bp = 0; bp < 4; bp++)
        if (bp != 2)
            for (size = 0; size < 4; size++)
                if (size != 2)
                    for (at = 0; at < 9; at++) {
                        /* breakpoint of bp + 1 bytes at buf + 4, access of size + 1 at buf + at */
                        len = bp + 1;
                        want = at <= 4 + bp && at + size >= 4;
                        in.ebx = (u32)buf + at;
                        bp_dr7 = on(1, RW, len);
                        if (size == 0)
                            RUN("movb %al, (%ebx); nop");
                        else if (size == 1)
                            RUN("movw %ax, (%ebx); nop");
                        else
                            RUN("movl %eax, (%ebx); nop");
                        EQ(fmt("watch: length, access,", names[size], len << 4 | at), out.vec, want ? DB : END);
                    }
    in.ebx = (u32)buf;
    set_dr1((u32)buf + 7);
    BREAK("watch: the address is aligned to the length", on(1, WR, 4), "movb %al, 4(%ebx); 9: nop", B(1));
    set_dr1((u32)buf + 4);
    set_dr2((u32)buf + 5);
    set_dr3((u32)buf + 8);
    BREAK("watch: two at once", on(1, WR, 4) | on(2, RW, 1), "mov %eax, 4(%ebx); 9: nop", B(1) | B(2));
    BREAK("watch: DR3", on(3, WR, 1), "movb %al, 8(%ebx); 9: nop", B(3));
    ring(3);
    in.esp = (u32)buf + 8;
    BREAK("watch: PUSH", on(1, WR, 4), "push %eax; 9: nop", B(1));
    ring(0);
    in.edi = (u32)buf;
    in.ecx = 4;
    in.esi = (u32)buf + 0x100;
    loose = 1;
    BREAK("watch: REP MOVSD stops after the iteration", on(1, WR, 4), "9: rep movsl", B(1));
    EQ("watch: REP MOVSD, ECX", out.ecx, 2);
    loose = 0;
    wr32((u32)buf + 4, DATA0);
    BREAK("watch: MOV SS from memory, the trap comes one later", on(1, RW, 2), "mov 4(%ebx), %ss; nop; 9: nop", B(1));
    in.eflags = 2 | F_TF;
    BREAK("watch and TF", on(1, WR, 4), "mov %eax, 4(%ebx); 9: nop", B(1) | BS);
    seg(T(0), (u32)buf, 0xff, 0x93, 0x40);
    in.eflags = 2;
    in.es = T(0);
    in.esi = (u32)buf + 4;
    in.edi = 0x100;
    bp_dr7 = on(1, RW, 4);
    RUN("movsl; nop; nop");
    fault("watch: the instruction faults after the access", GP, 0);
    in.es = DATA0;
    in.edi = (u32)buf + 0x200;
    OK("watch: nothing is left pending after the fault", "nop; nop");
    set_dr0(0);
    bp_exec = 1;
    in.ecx = 3;
    loose = 1;
    in.eflags = 2 | F_TF;
    BREAK("breakpoint at REP STOS", on(0, X, 1), "9: rep stosb", B(0));
    in.eflags = 2 | F_TF | F_RF;
    BREAK("breakpoint at REP STOS, resumed and stepped", on(0, X, 1), "9: rep stosb", BS);
    EQ("breakpoint at REP STOS: one iteration", out.ecx, 2);
    bp_exec = loose = 0;
    ring(3);
    BREAK("watch: ring 3", on(1, WR, 4), "mov %eax, 4(%ebx); 9: nop", B(1));
}

static void registers(void)
{
    begin();
    bp_dr7 = B(13);
    RUN("9: mov %db0, %eax");
    hit("GD: MOV from DR0", BD);
    EQ("GD: cleared for the handler", bp_dr7 & B(13), 0);
    bp_dr7 = B(13);
    RUN("9: mov %eax, %db7");
    hit("GD: MOV to DR7", BD);
    EQ("GD: DR7 is not written", bp_dr7, 0x400);
    begin();
    in.eax = 0x400;
    OK("DR5 is DR7 with DE=0", "mov %eax, %db5; mov %db5, %ecx; mov %db4, %edx");
    EQ("DR5 read", out.ecx, 0x400);
    EQ("DR4 is DR6", out.edx, get_dr6());
    if (features >> 2 & 1) {
        set_cr4(8);
        FAULT("#UD DR4 with DE=1", ".byte 0x0f, 0x21, 0xe0", UD, NOERR);
        FAULT("#UD DR5 with DE=1", ".byte 0x0f, 0x23, 0xe8", UD, NOERR);
        set_dr1(0x80);
        BREAK("I/O breakpoint: IN", on(1, IO, 1), "in $0x80, %al; 9: nop", B(1));
        BREAK("I/O breakpoint: OUT", on(1, IO, 1), "out %al, $0x80; 9: nop", B(1));
        QUIET("I/O breakpoint: another port", on(1, IO, 1), "in $0x84, %al");
        in.edx = 0x80;
        BREAK("I/O breakpoint: word", on(1, IO, 2), "in %dx, %ax; 9: nop", B(1));
        set_dr1(0x83);
        BREAK("I/O breakpoint: the port is aligned to the length", on(1, IO, 4), "in $0x80, %al; 9: nop", B(1));
        set_cr4(0);
    }
    set_dr6(0);
    TRAP("INT1", ".byte 0xf1; 9: nop", DB);
    EQ("INT1 leaves DR6", get_dr6() & 0xe00f, 0);
    begin();
}

void test_debug(void)
{
    step();
    steps();
    execute();
    data();
    registers();
}
