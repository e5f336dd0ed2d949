/* seg.c - segmentation: limits, rights, selector loads, LAR/LSL/VERR/VERW (SDM 3A chapters 3 and 5).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

static void limits(void)
{
    begin();
    seg(T(0), (u32)buf, 0xfff, 0x93, 0x40);
    in.es = T(0);
    in.ebx = 0xffc;
    OK("limit: last dword", "movl %es:(%ebx), %eax");
    in.ebx = 0xffd;
    FAULT("limit: dword read one beyond", "movl %es:(%ebx), %eax", GP, 0);
    FAULT("limit: dword write one beyond", "movl %eax, %es:(%ebx)", GP, 0);
    FAULT("limit: RMW one beyond", "addl %eax, %es:(%ebx)", GP, 0);
    FAULT("limit: 8 bytes beyond", "fldl %es:(%ebx)", GP, 0);
    in.ebx = 0xfff;
    OK("limit: last byte", "movb %es:(%ebx), %al");
    FAULT("limit: word at the last byte", "movw %es:(%ebx), %ax", GP, 0);
    in.ebx = 0x1000;
    FAULT("limit: byte beyond", "movb %es:(%ebx), %al", GP, 0);
    in.ebx = 0xfffffffe;
    FAULT("limit: wrap of the offset", "movl %es:(%ebx), %eax", GP, 0);
    in.edi = 0xffe;
    FAULT("limit: STOS", "stosl", GP, 0);
    in.ebx = 0;
    in.edi = 0xff8;
    in.ecx = 4;
    loose = 1;
    FAULT("limit: REP STOSD stops at the limit", "rep stosl", GP, 0);
    EQ("limit: REP STOSD, EDI", out.edi, 0x1000);
    EQ("limit: REP STOSD, ECX", out.ecx, 2);
    EQ("limit: REP STOSD wrote what fits", rd32((u32)buf + 0xffc), in.eax);
    loose = 0;
    seg(T(0), (u32)buf, 1, 0x93, 0xc0);
    in.ebx = 0x1ffc;
    OK("limit: two pages, last dword", "movl %es:(%ebx), %eax");
    in.ebx = 0x1ffd;
    FAULT("limit: two pages, one beyond", "movl %es:(%ebx), %eax", GP, 0);
    seg(T(0), (u32)buf, 0, 0x93, 0x40);
    in.ebx = 0;
    OK("limit 0: one byte", "movb %es:(%ebx), %al");
    FAULT("limit 0: word", "movw %es:(%ebx), %ax", GP, 0);

    seg(T(0), (u32)buf, 0xfff, 0x97, 0x40);
    in.ebx = 0xfff;
    FAULT("expand-down: at the limit", "movb %es:(%ebx), %al", GP, 0);
    FAULT("expand-down: straddling the limit", "movw %es:(%ebx), %ax", GP, 0);
    in.ebx = 0x1000;
    OK("expand-down: above the limit", "movl %es:(%ebx), %eax");
    in.ebx = 0;
    FAULT("expand-down: 0", "movb %es:(%ebx), %al", GP, 0);
    in.ebx = 0x7000;
    OK("expand-down, B=1: 7000h", "movl %es:(%ebx), %eax");
    seg(T(0), (u32)buf, 0xfff, 0x97, 0);
    in.ebx = 0xffff;
    OK("expand-down, B=0: 0FFFFh", "movb %es:(%ebx), %al");
    FAULT("expand-down, B=0: word at 0FFFFh", "movw %es:(%ebx), %ax", GP, 0);
    in.ebx = 0x10000;
    FAULT("expand-down, B=0: 10000h", "movb %es:(%ebx), %al", GP, 0);
    in.ebx = 0x1000;
    OK("expand-down, B=0: above the limit", "movb %es:(%ebx), %al");

    begin();
    seg(T(0), (u32)buf, 0xfff, 0x93, 0x40);
    in.ss = T(0);
    in.esp = 0x800;
    in.ebx = 0xffd;
    FAULT("#SS: stack segment read beyond", "movl %ss:(%ebx), %eax", SS, 0);
    in.ebp = 0x1000;
    FAULT("#SS: through EBP", "movb (%ebp), %al", SS, 0);
    RUN("mov $0x1000, %esp; 9: pop %eax");
    EQ("#SS: POP beyond", out.vec << 16 | out.err, SS << 16);
    EQ("#SS: POP, EIP", out.eip, lab);
    EQ("#SS: POP leaves ESP", out.esp, 0x1000);
    in.ebp = 0xffe;
    FAULT("#SS: LEAVE beyond", "leave", SS, 0);
    in.esp = 0x80c;
    in.esi = 0x1000;
    FAULT("#SS: LODS with SS override", "lodsb %ss:(%esi)", SS, 0);
}

static void rights(void)
{
    begin();
    seg(T(0), (u32)buf, 0xfff, 0x91, 0x40);
    seg(T(1), 0, 0xfffff, 0x99, 0xc0);
    seg(T(2), (u32)buf, 0xfff, 0x9b, 0x40);
    seg(T(3), (u32)buf, 0xfff, 0x95, 0x40);
    in.es = T(0);
    in.ebx = 8;
    OK("read-only data: read", "movl %es:(%ebx), %eax");
    FAULT("read-only data: write", "movl %eax, %es:(%ebx)", GP, 0);
    FAULT("read-only data: RMW", "orl $0, %es:(%ebx)", GP, 0);
    FAULT("read-only data: XCHG", "xchg %eax, %es:(%ebx)", GP, 0);
    FAULT("read-only data: FSTCW", "fnstcw %es:(%ebx)", GP, 0);
    OK("read-only data: TEST", "testl %eax, %es:(%ebx)");
    in.es = T(2);
    OK("readable code through ES: read", "movl %es:(%ebx), %eax");
    FAULT("readable code through ES: write", "movl %eax, %es:(%ebx)", GP, 0);
    in.ebx = (u32)buf;
    FAULT("write through CS", "movl %eax, %cs:(%ebx)", GP, 0);
    OK("read through CS", "movl %cs:(%ebx), %eax");
    in.cs = T(1);
    FAULT("execute-only CS: read", "movl %cs:(%ebx), %eax", GP, 0);
    OK("execute-only CS: execute", "nop");
    in.cs = CODE0;
    in.es = 0;
    FAULT("null ES: read", "movl %es:(%ebx), %eax", GP, 0);
    FAULT("null ES: write", "movl %eax, %es:(%ebx)", GP, 0);
    in.edi = in.ebx;
    FAULT("null ES: STOS", "stosl", GP, 0);
    in.es = 3;
    OK("null selector 3 can be loaded", "nop");
    EQ("null selector 3 is kept", out.es, 3);
    FAULT("null selector 3: read", "movl %es:(%ebx), %eax", GP, 0);
    in.es = DATA0;
    in.ds = 0;
    FAULT("null DS: read", "movl (%ebx), %eax", GP, 0);
    OK("null DS: LEA", "leal (%ebx), %eax");
    if (features >> 15 & 1)
        OK("null DS: NOP r/m", ".byte 0x0f, 0x1f, 0x03");
}

static void load_each(u32 sel, const char *what, u32 vec, u32 err, u32 ss_vec, u32 ss_err)
{
    in.eax = sel;
    in.ebx = (u32)buf;
    wr32((u32)buf, 0x12345678);
    wr32((u32)buf + 4, sel);
#define EACH(name, code)                           \
    do {                                           \
        RUN(code);                                 \
        if (vec == END)                            \
            ok(fmt(name, what, sel));              \
        else                                       \
            fault(fmt(name, what, sel), vec, err); \
    } while (0)
    EACH("MOV DS", "mov %eax, %ds");
    EACH("MOV ES", "mov %eax, %es");
    EACH("MOV FS", "mov %eax, %fs");
    EACH("MOV GS", "mov %eax, %gs");
    EACH("LES", "les (%ebx), %ecx");
    EACH("LFS", "lfs (%ebx), %ecx");
#undef EACH
    RUN("mov %eax, %ss");
    if (ss_vec == END)
        ok(fmt("MOV SS", what, sel));
    else
        fault(fmt("MOV SS", what, sel), ss_vec, ss_err);
    RUN("lss (%ebx), %ecx");
    if (ss_vec == END)
        ok(fmt("LSS", what, sel));
    else
        fault(fmt("LSS", what, sel), ss_vec, ss_err);
    in.esp -= 4;
    wr32(in.esp, sel);
    RUN("pop %es");
    if (vec == END)
        ok(fmt("POP ES", what, sel));
    else
        fault(fmt("POP ES", what, sel), vec, err);
    in.esp += 4;
}

static void loads(void)
{
    begin();
    load_each(0, "null", END, 0, GP, 0);
    load_each(DATA0, "data", END, 0, END, 0);
    load_each(CODE0, "readable code", END, 0, GP, CODE0);
    seg(T(0), 0, 0xfffff, 0x99, 0xc0);
    load_each(T(0), "execute-only", GP, T(0), GP, T(0));
    seg(T(0), 0, 0xfffff, 0x91, 0xc0);
    load_each(T(0), "read-only", END, 0, GP, T(0));
    seg(T(0), 0, 0xfffff, 0x13, 0xc0);
    load_each(T(0), "absent", NP, T(0), SS, T(0));
    load_each(TSS_A, "TSS", GP, TSS_A, GP, TSS_A);
    load_each(LDT_A, "LDT", GP, LDT_A, GP, LDT_A);
    gdt_gate(T(0), CODE0, 0, 0x8c, 0);
    load_each(T(0), "call gate", GP, T(0), GP, T(0));
    load_each(GDT_SIZE * 8, "beyond the GDT", GP, GDT_SIZE * 8, GP, GDT_SIZE * 8);
    load_each(0x0c, "LDT without LDTR", GP, 0x0c, GP, 0x0c);
    load_each(DATA0 | 3, "DPL 0 with RPL 3", GP, DATA0, GP, DATA0);
    load_each(DATA3, "DPL 3 at CPL 0", END, 0, GP, DATA3 & ~3);
    lldt(LDT_A);
    ldt[1] = seg_desc(0, 0xfffff, 0x93, 0xc0);
    load_each(0x0c, "data in the LDT", END, 0, END, 0);
    load_each(sizeof ldt | 4, "beyond the LDT", GP, sizeof ldt | 4, GP, sizeof ldt | 4);
    lldt(0);

    begin();
    seg(T(0), 0, 0xfffff, 0x92, 0xc0);
    in.eax = T(0);
    OK("load of a segment not accessed", "mov %eax, %es");
    EQ("accessed bit is set by a load", gdt[T(0) >> 3] >> 40 & 0xff, 0x93);
    seg(T(0), 0, 0xfffff, 0x92, 0xc0);
    in.eax = T(0) | 3;
    FAULT("load refused", "mov %eax, %es", GP, T(0));
    EQ("accessed bit is not set by a refused load", gdt[T(0) >> 3] >> 40 & 0xff, 0x92);
    seg(T(0), 0, 0xfffff, 0x12, 0xc0);
    in.eax = T(0);
    FAULT("load of an absent segment", "mov %eax, %es", NP, T(0));
    EQ("accessed bit is not set when absent", gdt[T(0) >> 3] >> 40 & 0xff, 0x12);
    seg(T(0), 0, 0xfffff, 0x9a, 0xc0);
    OK("far JMP to code not accessed", "ljmp $0x88, $1f; 1: nop");
    EQ("accessed bit of code is set", gdt[T(0) >> 3] >> 40 & 0xff, 0x9b);
    seg(T(0), 0, 0xfffff, 0x92, 0xc0);
    in.eax = T(0);
    OK("LAR, LSL, VERR, VERW", "lar %eax, %ecx; lsl %eax, %ecx; verr %ax; verw %ax");
    EQ("accessed bit is not set by LAR and VERR", gdt[T(0) >> 3] >> 40 & 0xff, 0x92);
    OK("MOV Sreg to r32 zero-extends", "mov $-1, %eax; mov %es, %eax");
    EQ("MOV EAX, ES", out.eax, DATA0);
}

/* SDM 3A 5.6, 5.7, 5.8: who may load what. */
static void matrix(void)
{
    static const char *const at[] = { "CPL 0, DPL RPL", "CPL 1, DPL RPL", "CPL 2, DPL RPL", "CPL 3, DPL RPL" };
    u32 cpl, dpl, rpl, worst;
    u32 target = SNIP("nop");

    begin();
    for (cpl = 0; cpl < 4; cpl++)
        for (dpl = 0; dpl < 4; dpl++)
            for (rpl = 0; rpl < 4; rpl++) {
                ring((int)cpl);
                in.eax = T(0) | rpl;
                worst = cpl > rpl ? cpl : rpl;
                seg(T(0), 0, 0xfffff, 0x93 | dpl << 5, 0xc0);
                RUN("mov %eax, %es");
                if (dpl >= worst)
                    ok(fmt("data load", at[cpl], dpl << 4 | rpl));
                else
                    fault(fmt("data load", at[cpl], dpl << 4 | rpl), GP, T(0));
                RUN("mov %eax, %ss");
                if (dpl == cpl && rpl == cpl)
                    ok(fmt("stack load", at[cpl], dpl << 4 | rpl));
                else
                    fault(fmt("stack load", at[cpl], dpl << 4 | rpl), GP, T(0));
                /* far JMP: the selector at buf+4 */
                wr32((u32)buf, target);
                wr32((u32)buf + 4, T(0) | rpl);
                in.ebx = (u32)buf;
                seg(T(0), 0, 0xfffff, 0x9b | dpl << 5, 0xc0);
                RUN("ljmp *(%ebx)");
                if (dpl == cpl && rpl <= cpl)
                    EQ(fmt("far JMP", at[cpl], dpl << 4 | rpl), out.vec << 16 | out.cs, END << 16 | T(0) | cpl);
                else
                    fault(fmt("far JMP", at[cpl], dpl << 4 | rpl), GP, T(0));
                seg(T(0), 0, 0xfffff, 0x9f | dpl << 5, 0xc0);
                RUN("lcall *(%ebx)");
                if (dpl <= cpl)
                    EQ(fmt("far CALL conforming", at[cpl], dpl << 4 | rpl), out.vec << 16 | out.cs,
                       END << 16 | T(0) | cpl);
                else
                    fault(fmt("far CALL conforming", at[cpl], dpl << 4 | rpl), GP, T(0));
            }
    ring(3);
    in.eax = CONF0;
    OK("conforming code as data: DPL is not looked at", "mov %eax, %es");
}

/* SDM 2A: tables of LAR and LSL. */
static void types(void)
{
    static const u32 lar_ok = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12;
    static const u32 lsl_ok = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11;
    u32 type, good;

    begin();
    in.eax = T(0);
    for (type = 0; type < 32; type++) {
        seg(T(0), 0x12345678, 0x54321, 0x80 | type, 0xd0);
        good = type >= 16 || (lar_ok >> type & 1);
        in.ecx = 0x11111111;
        in.eflags = good ? 2 : 2 | F_ZF;
        RUN("lar %eax, %ecx");
        EQ(fmt("LAR ZF,", "type", type), out.eflags & F_ZF, good ? F_ZF : 0);
        EQ(fmt("LAR value,", "type", type), good ? out.ecx & 0xf0ff00 : out.ecx,
           good ? 0xd00000 | (0x80 | type) << 8 : 0x11111111);
        good = type >= 16 || (lsl_ok >> type & 1);
        in.eflags = good ? 2 : 2 | F_ZF;
        RUN("lsl %eax, %ecx");
        EQ(fmt("LSL ZF,", "type", type), out.eflags & F_ZF, good ? F_ZF : 0);
        EQ(fmt("LSL value,", "type", type), out.ecx, good ? 0x54321fff : 0x11111111);
        good = type >= 16 && (type & 10) != 8;
        RUN("verr %ax");
        EQ(fmt("VERR,", "type", type), out.eflags & F_ZF, good ? F_ZF : 0);
        good = type >= 16 && (type & 10) == 2;
        RUN("verw %ax");
        EQ(fmt("VERW,", "type", type), out.eflags & F_ZF, good ? F_ZF : 0);
    }
    seg(T(0), 0, 0x54321, 0x13, 0x40);
    in.ecx = 0;
    RUN("lar %eax, %ecx");
    EQ("LAR of an absent segment", (out.ecx & 0xf0ff00) | (out.eflags >> 6 & 1), 0x401301);
    RUN("lsl %eax, %ecx");
    EQ("LSL, byte granular", out.ecx, 0x54321);
    in.ecx = 0x11111111;
    RUN("larw %ax, %cx");
    EQ("LAR 16 bits", out.ecx, 0x11111300);
    RUN("lslw %ax, %cx");
    EQ("LSL 16 bits", out.ecx, 0x11114321);
    in.eax = 0;
    in.eflags = 2 | F_ZF;
    RUN("lar %eax, %ecx");
    EQ("LAR of null", out.eflags & F_ZF, 0);
    RUN("lsl %eax, %ecx");
    EQ("LSL of null", out.eflags & F_ZF, 0);
    RUN("verr %ax");
    EQ("VERR of null", out.eflags & F_ZF, 0);
    in.eax = GDT_SIZE * 8;
    RUN("lar %eax, %ecx");
    EQ("LAR beyond the GDT", out.eflags & F_ZF, 0);
    RUN("verw %ax");
    EQ("VERW beyond the GDT", out.eflags & F_ZF, 0);
    in.eflags = 2;
    in.eax = DATA0 | 3;
    RUN("lar %eax, %ecx");
    EQ("LAR with RPL 3 of DPL 0", out.eflags & F_ZF, 0);
    in.eax = CONF0 | 3;
    RUN("lsl %eax, %ecx");
    EQ("LSL with RPL 3 of conforming code", out.eflags & F_ZF, F_ZF);
    ring(3);
    in.eax = DATA0;
    RUN("lar %eax, %ecx");
    EQ("LAR at CPL 3 of DPL 0", out.eflags & F_ZF, 0);
    RUN("verr %ax");
    EQ("VERR at CPL 3 of DPL 0", out.eflags & F_ZF, 0);
    in.eax = CONF0;
    RUN("verr %ax");
    EQ("VERR at CPL 3 of conforming code", out.eflags & F_ZF, F_ZF);
    in.eax = DATA3;
    RUN("verw %ax");
    EQ("VERW at CPL 3 of DPL 3", out.eflags & F_ZF, F_ZF);
    in.eax = 0x13570010;
    in.ecx = 0x3;
    RUN("arpl %cx, %ax");
    EQ("ARPL raises RPL", out.eax, 0x13570013);
    EQ("ARPL ZF=1", out.eflags & F_ZF, F_ZF);
    in.eax = 0x13;
    in.ecx = 0x2;
    in.eflags |= F_ZF;
    RUN("arpl %cx, %ax");
    EQ("ARPL leaves a higher RPL", out.eax << 8 | (out.eflags & F_ZF), 0x1300);
}

static void tables(void)
{
    begin();
    ring(3);
    OK("SGDT at CPL 3", "sgdt (%ebx)");
    EQ("SGDT limit", rd16((u32)buf), GDT_SIZE * 8 - 1);
    EQ("SGDT base", rd32((u32)buf + 2), gdt);
    OK("SIDT at CPL 3", "sidt (%ebx)");
    EQ("SIDT limit", rd16((u32)buf), 0x7ff);
    EQ("SIDT base", rd32((u32)buf + 2), idt);
    OK("SMSW at CPL 3", "smsw %eax");
    EQ("SMSW r32 is CR0", out.eax & 0xffff, get_cr0() & 0xffff);
    OK("STR at CPL 3", "str %eax");
    EQ("STR", out.eax, TSS_A);
    OK("SLDT at CPL 3", "sldt %eax");
    EQ("SLDT", out.eax, 0);
    in.ecx = 0x11111111;
    RUN("str %cx");
    EQ("STR 16 bits", out.ecx, 0x11110000 | TSS_A);
    wr32((u32)buf, 0xffffffff);
    RUN("str (%ebx)");
    EQ("STR memory is 16 bits", rd32((u32)buf), 0xffff0000 | TSS_A);
    ring(0);
    in.eax = LDT_A;
    OK("LLDT", "lldt %ax");
    EQ("LLDT: SLDT", sldt(), LDT_A);
    in.eax = TSS_B;
    FAULT("#GP LLDT of a TSS", "lldt %ax", GP, TSS_B);
    in.eax = DATA0;
    FAULT("#GP LLDT of data", "lldt %ax", GP, DATA0);
    in.eax = 0x0c;
    FAULT("#GP LLDT of a selector in the LDT", "lldt %ax", GP, 0x0c);
    in.eax = GDT_SIZE * 8;
    FAULT("#GP LLDT beyond the GDT", "lldt %ax", GP, GDT_SIZE * 8);
    seg(T(0), 0, 7, 0x02, 0);
    in.eax = T(0);
    FAULT("#NP LLDT absent", "lldt %ax", NP, T(0));
    in.eax = 0;
    OK("LLDT null", "lldt %ax");
    EQ("LLDT null: SLDT", sldt(), 0);
    FAULT("#GP LTR null", "ltr %ax", GP, 0);
    in.eax = TSS_A;
    EQ("TSS in use is busy", busy(TSS_A), 1);
    FAULT("#GP LTR of a busy TSS", "ltr %ax", GP, TSS_A);
    in.eax = LDT_A;
    FAULT("#GP LTR of an LDT", "ltr %ax", GP, LDT_A);
    in.eax = 0x0c;
    FAULT("#GP LTR of a selector in the LDT", "ltr %ax", GP, 0x0c);
    in.eax = GDT_SIZE * 8;
    FAULT("#GP LTR beyond the GDT", "ltr %ax", GP, GDT_SIZE * 8);
    seg(T(0), 0, 0x67, 0x09, 0);
    in.eax = T(0);
    FAULT("#NP LTR absent", "ltr %ax", NP, T(0));
    EQ("absent TSS is not made busy", busy(T(0)), 0);
    in.eax = TSS_B;
    OK("LTR", "ltr %ax");
    EQ("LTR sets busy", busy(TSS_B), 1);
    EQ("LTR: the old TSS stays busy", busy(TSS_A), 1);
    begin();
    OK("LGDT with 16-bit operand keeps 24 bits of base",
       "sgdt 16(%ebx); movw $0x1ff, (%ebx); movl $0xff123456, 2(%ebx); data16 lgdt (%ebx); "
       "sgdt (%ebx); lgdt 16(%ebx)");
    EQ("LGDT 16-bit operand: base", rd32((u32)buf + 2), 0x123456);
}

/* 16-bit stacks and code in protected mode. */
static void sixteen(void)
{
    begin();
    seg(T(0), (u32)buf, 0xffff, 0x93, 0);
    in.ss = T(0);
    in.esp = 0x12340100;
    OK("16-bit stack: PUSH", "push %eax");
    EQ("16-bit stack: ESP high half is kept", out.esp, 0x123400fc);
    EQ("16-bit stack: PUSH writes at SP", rd32((u32)buf + 0xfc), in.eax);
    OK("16-bit stack: CALL and RET", "call 1f; jmp 2f; 1: ret; 2: nop");
    EQ("16-bit stack: ESP after RET", out.esp, in.esp);
    OK("16-bit stack: PUSHA, POPA", "pusha; popa");
    EQ("16-bit stack: ESP after POPA", out.esp, in.esp);
    in.ebp = 0x56780080;
    OK("16-bit stack: LEAVE", "leave");
    EQ("16-bit stack: LEAVE moves BP to SP", out.esp, 0x12340084);
    OK("16-bit stack: ENTER", "enter $4, $0");
    EQ("16-bit stack: ENTER, ESP", out.esp, 0x123400f8);
    in.esp = 0x12340100;
    OK("16-bit stack: wrap", "movw $2, %sp; pop %ax; push %ecx; pop %ecx; movw $0x100, %sp");
    OK("16-bit stack: PUSH wraps SP below 0", "xorw %sp, %sp; pushw %cx; movl %esp, %edx; movw $0x100, %sp");
    EQ("16-bit stack: SP after the wrap", out.edx, 0x1234fffe);
    /* ENTER takes the frame pointer from all of ESP: what CPUs do when SP wraps */
    seg(T(0), (u32)buf - 0xf800, 0xffff, 0x93, 0);
    in.esp = 0x12340000;
    in.ebp = 0xabcd1000;
    OK("16-bit stack: ENTER wraps SP", "enter $8, $1");
    EQ("16-bit stack: ENTER wraps SP, EBP", out.ebp, 0x1233fffc);
    EQ("16-bit stack: ENTER wraps SP, ESP", out.esp, 0x1234fff0);
    EQ("16-bit stack: ENTER wraps SP, the old EBP", rd32((u32)buf + 0x7fc), 0xabcd1000);
    EQ("16-bit stack: ENTER wraps SP, the frame pointer", rd32((u32)buf + 0x7f8), 0x1233fffc);
    in.ebp = 0xabcdf808;
    OK("16-bit stack: ENTER wraps SP, 3 levels", "enter $8, $3");
    EQ("16-bit stack: ENTER wraps SP, 3 levels, EBP", out.ebp, 0x1233fffc);
    EQ("16-bit stack: ENTER wraps SP, 3 levels, ESP", out.esp, 0x1234ffe8);
    EQ("16-bit stack: ENTER wraps SP, 3 levels, the frame pointer", rd32((u32)buf + 0x7f0), 0x1233fffc);
    in.ebp = 0xabcd1000;
    OK("16-bit stack: ENTER with a 16-bit operand wraps SP", "data16 enter $8, $1");
    EQ("16-bit stack: ENTER with a 16-bit operand wraps SP, EBP", out.ebp, 0xabcdfffe);
    EQ("16-bit stack: ENTER with a 16-bit operand wraps SP, ESP", out.esp, 0x1234fff4);
    EQ("16-bit stack: ENTER with a 16-bit operand wraps SP, the stack", rd32((u32)buf + 0x7fc), 0x1000fffe);
    begin();
    seg(T(0), (u32)buf, 0xffff, 0x93, 0);
    in.ss = T(0);
    in.esp = 0x12340100;
    OK("16-bit stack: POP (ESP)", "pushl %edx; pushl %ecx; movzx %sp, %ebp; popl 4(%ebp); popl %eax");
    EQ("16-bit stack: POP to memory", out.eax, in.ecx);
    OK("16-bit stack: INC ESP touches all 32 bits",
       "movl $0x1234ffff, %esp; incl %esp; movl %esp, %edx; movw $0x100, %sp");
    EQ("16-bit stack: ESP is a full register", out.edx, 0x12350000);
    seg(T(0), (u32)buf, 0xfff, 0x97, 0);
    in.esp = 0x2000;
    OK("16-bit expand-down stack", "push %eax; pop %eax");
    begin();
    low = 1;
    in.cs = LOW16;
    OK("16-bit code: operand size", ".code16; pushw %ax; popw %ax; movl %eax, %edx");
    EQ("16-bit code: EIP", out.eip, end);
    in.eax = 0x1000;
    FAULT("16-bit code: LOCK NOP", ".code16; nop; 9: .byte 0xf0, 0x90", UD, NOERR);
    in.edi = 0xffff;
    in.ebx = 0x10010;
    OK("16-bit addressing wraps", ".code16; pushw %ds; movw $0x78, %ax; movw %ax, %ds; movb 1(%di), %cl; popw %ds");
    copy((void *)(LOW + 0xfff0), "\xe9\x10\x00", 3); /* from FFF3h to 0003h */
    OK("16-bit code: JMP rel16 wraps IP", ".code16; .byte 0xe9; .word 0xffed");
    OK("16-bit code: 32-bit CALL and RET", ".code16; calll 1f; jmp 2f; 1: retl; 2: nop");
    if (tcg)
        return; /* knows no limits: it would run on */
    FAULT("16-bit code: JMP r32 beyond the limit", ".code16; jmpl *%ebx", GP, 0);
    EQ("16-bit code: #GP leaves EIP", out.eip, 0);
    in.esp -= 4;
    wr32(in.esp, 0x10010);
    FAULT("16-bit code: RETL beyond the limit", ".code16; retl", GP, 0);
    low = 0;
    begin();
    seg(T(0), 0, 0x1ff, 0x9b, 0xc0);
    in.cs = T(0);
    in.eax = 0x200000;
    FAULT("JMP r32 beyond the CS limit", "jmp *%eax", GP, 0);
    FAULT("CALL r32 beyond the CS limit", "call *%eax", GP, 0);
    EQ("CALL beyond the limit pushes nothing", out.esp, in.esp);
    in.esp -= 4;
    wr32(in.esp, 0x200000);
    FAULT("RET beyond the CS limit", "ret", GP, 0);
    in.cs = CODE0;
    seg(T(0), (u32)buf, 0x0f, 0x9b, 0x40);
    fill(buf, 0x90, 32);
    in.ebx = 0;
    RUN("ljmp $0x88, $0");
    EQ("running off the CS limit", out.vec << 16 | out.err, GP << 16);
    EQ("running off the CS limit: EIP", out.eip, 0x10);
    buf[15] = 0xb0;
    RUN("ljmp $0x88, $0");
    EQ("instruction straddles the CS limit: EIP", out.vec << 16 | out.eip, GP << 16 | 15);
}

void test_seg(void)
{
    limits();
    rights();
    loads();
    matrix();
    types();
    tables();
    sixteen();
}
