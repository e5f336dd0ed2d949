/* page.c - paging: translations, #PF error codes, A and D, PSE, PAE, NX, PGE (SDM 3A chapter 4).
 *
 * Low memory is mapped one to one; the window at WIN has page tables of its own: win[n] is its page
 * n, at first buf's page n, accessible to all.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "testrom.h"

#define WIN 0x40000000u
#define P   1
#define W   2
#define U   4
#define A_  0x20
#define D_  0x40
#define PS  0x80
#define G_  0x100

static u32 pd[1024] __attribute__((aligned(4096)));
static u32 ident[8][1024] __attribute__((aligned(4096)));
static u32 win[1024] __attribute__((aligned(4096)));
static u64 pdpt[4] __attribute__((aligned(4096)));
static u64 pae_pd[2][512] __attribute__((aligned(4096)));
static u64 pae_win[512] __attribute__((aligned(4096)));

static void flush(void) { set_cr3(get_cr3()); }

static void paging(void)
{
    u32 n;

    begin();
    fill(pd, 0, sizeof pd);
    fill(win, 0, sizeof win);
    for (n = 0; n < 8 * 1024; n++)
        ident[n >> 10][n & 1023] = n << 12 | P | W | U;
    for (n = 0; n < 8; n++)
        pd[n] = (u32)ident[n] | P | W | U;
    pd[WIN >> 22] = (u32)win | P | W | U;
    for (n = 0; n < 8; n++)
        win[n] = ((u32)buf + n * 0x1000) | P | W | U;
    fill(buf, 0, sizeof buf);
    set_cr3((u32)pd);
    set_cr0(0x80000031);
    in.ebx = WIN;
}

static void page(const char *name, u32 err, u32 cr2)
{
    fault(name, PF, err);
    EQ(fmt(name, "CR2", 0), get_cr2(), cr2);
}

#define PAGE(name, code, err, cr2) \
    do {                           \
        RUN(code);                 \
        page(name, err, cr2);      \
    } while (0)

static void codes(void)
{
    u32 user, writable, wp, want, cpl, write;

    paging();
    OK("paging: read", "mov (%ebx), %eax");
    win[0] = 0;
    flush();
    PAGE("#PF not present, read, supervisor", "mov (%ebx), %eax", 0, WIN);
    PAGE("#PF not present, write, supervisor", "mov %eax, (%ebx)", 2, WIN);
    PAGE("#PF not present, RMW is a write", "add %eax, (%ebx)", 2, WIN);
    PAGE("#PF not present, XCHG", "xchg %eax, (%ebx)", 2, WIN);
    PAGE("#PF not present, CMPXCHG is a write", "cmpxchg %eax, (%ebx)", 2, WIN);
    PAGE("#PF not present, CMP is a read", "cmp %eax, (%ebx)", 0, WIN);
    PAGE("#PF not present, BT is a read", "btl $1, (%ebx)", 0, WIN);
    PAGE("#PF not present, BTS is a write", "btsl $1, (%ebx)", 2, WIN);
    PAGE("#PF not present, byte at the end", "movb 0xfff(%ebx), %al", 0, WIN + 0xfff);
    PAGE("#PF not present, FNSTCW", "fnstcw (%ebx)", 2, WIN);
    PAGE("#PF not present, PUSH memory", "push (%ebx)", 0, WIN);
    in.edi = WIN;
    PAGE("#PF not present, STOS", "stosb", 2, WIN);
    in.esi = WIN;
    PAGE("#PF not present, LODS", "lodsb", 0, WIN);
    PAGE("#PF not present, SGDT", "sgdt (%ebx)", 2, WIN);
    RUN("jmp *%ebx");
    EQ("#PF not present, fetch: vector and code", out.vec << 16 | out.err, PF << 16);
    EQ("#PF not present, fetch: EIP", out.eip, WIN);
    EQ("#PF not present, fetch: CR2", get_cr2(), WIN);
    ring(3);
    PAGE("#PF not present, read, user", "mov (%ebx), %eax", 4, WIN);
    PAGE("#PF not present, write, user", "mov %eax, (%ebx)", 6, WIN);
    pd[WIN >> 22] = 0;
    flush();
    PAGE("#PF no page table", "mov (%ebx), %eax", 4, WIN);
    pd[WIN >> 22] = (u32)win | P | W | U;

    /* rights: user and writable combined from directory and table (SDM 3A 4.6.1) */
    for (wp = 0; wp < 2; wp++)
        for (user = 0; user < 4; user++)
            for (writable = 0; writable < 4; writable++)
                for (cpl = 0; cpl < 4; cpl += 3)
                    for (write = 0; write < 2; write++) {
                        set_cr0(0x80000031 | wp << 16);
                        win[0] = (u32)buf | P | (user & 1) << 2 | (writable & 1) << 1;
                        pd[WIN >> 22] = (u32)win | P | (user >> 1) << 2 | (writable >> 1) << 1;
                        flush();
                        ring((int)cpl);
                        if (cpl == 3)
                            want = user == 3 && (!write || writable == 3);
                        else
                            want = !write || !wp || writable == 3;
                        if (write)
                            RUN("mov %eax, (%ebx)");
                        else
                            RUN("testl %eax, (%ebx)");
                        if (want)
                            ok(fmt("page rights", cpl ? "CPL 3, WP UU WW write" : "CPL 0, WP UU WW write",
                                   wp << 8 | user << 4 | writable << 2 | write));
                        else
                            fault(fmt("page rights", cpl ? "CPL 3, WP UU WW write" : "CPL 0, WP UU WW write",
                                      wp << 8 | user << 4 | writable << 2 | write),
                                  PF, P | write << 1 | (cpl ? 4 : 0));
                    }
    set_cr0(0x80000031);
    pd[WIN >> 22] = (u32)win | P | W | U;
    win[0] = (u32)buf | P | W;
    flush();
    ring(3);
    RUN("jmp *%ebx");
    EQ("#PF fetch of a supervisor page: code", out.vec << 16 | out.err, PF << 16 | 5);
    EQ("#PF fetch of a supervisor page: EIP", out.eip, WIN);
    /* system accesses of a user program are supervisor accesses */
    idt_gate(0x30, CODE0, 0, 0xee);
    ident[(u32)idt >> 22][(u32)idt >> 12 & 1023] &= ~(u32)U;
    ident[(u32)gdt >> 22][(u32)gdt >> 12 & 1023] &= ~(u32)U;
    ident[(u32)stack_k >> 22][(u32)stack_k >> 12 & 1023] &= ~(u32)U;
    flush();
    OK("GDT, IDT and inner stack on supervisor pages", "mov %ds, %eax; mov %eax, %es");
    in.ebx = (u32)gdt;
    PAGE("#PF user read of the GDT", "mov (%ebx), %eax", 5, (u32)gdt);
}

static void marks(void)
{
    u32 flags;

    paging();
    flags = win[0];
    pd[WIN >> 22] &= ~(u32)A_;
    flush();
    OK("A: read", "mov (%ebx), %eax");
    EQ("A: set by a read, D not", win[0], flags | A_);
    EQ("A: set in the directory", pd[WIN >> 22] & (A_ | D_), A_);
    OK("D: write after read", "mov %eax, (%ebx)");
    EQ("D: set by a write after a read", win[0], flags | A_ | D_);
    EQ("D: not set in the directory", pd[WIN >> 22] & D_, 0);
    win[0] = flags;
    flush();
    OK("D: write", "movb %al, (%ebx)");
    EQ("A and D: set by a write", win[0], flags | A_ | D_);
    win[0] = flags & ~(u32)W;
    set_cr0(0x80010031);
    flush();
    PAGE("write to read-only", "mov %eax, (%ebx)", 3, WIN);
    EQ("D: not set by a faulting write", win[0] & D_, 0);
    win[0] = flags;
    flush();
    in.eax = 1;
    OK("failed CMPXCHG", "cmpxchg %ecx, (%ebx)");
    EQ("D: set by a failed CMPXCHG", win[0] & D_, D_);
    win[0] = flags;
    flush();
    OK("fetch", "movb $0xc3, (%ebx); call *%ebx");
    win[0] = flags;
    flush();
    OK("fetch", "call *%ebx");
    EQ("A: set by a fetch, D not", win[0], flags | A_);
    win[0] = flags;
    flush();
    in.edi = WIN;
    in.ecx = 0;
    OK("REP STOS with ECX=0", "rep stosb");
    EQ("A and D: untouched by no access", win[0], flags);
    OK("LEA, PREFETCH, INVLPG", "lea (%ebx), %eax; invlpg (%ebx)");
    EQ("A: untouched by LEA and INVLPG", win[0], flags);
}

static void tlb(void)
{
    paging();
    wr32((u32)buf, 0x11111111);
    wr32((u32)buf + 0x1000, 0x22222222);
    OK("TLB: fill", "mov (%ebx), %eax");
    win[0] = ((u32)buf + 0x1000) | P | W | U;
    asm volatile("invlpg (%0)" : : "r"(WIN) : "memory");
    OK("INVLPG", "mov (%ebx), %eax");
    EQ("INVLPG drops the entry", out.eax, 0x22222222);
    win[0] = (u32)buf | P | W | U;
    flush();
    OK("CR3 load", "mov (%ebx), %eax");
    EQ("CR3 load drops entries", out.eax, 0x11111111);
    win[0] = 0;
    flush();
    PAGE("not present", "mov (%ebx), %eax", 0, WIN);
    win[0] = (u32)buf | P | W | U;
    OK("not-present entries are not cached", "mov (%ebx), %eax");
    win[0] = (u32)buf | P | U;
    set_cr0(0x80010031);
    flush();
    PAGE("read-only", "mov %eax, (%ebx)", 3, WIN);
    win[0] = (u32)buf | P | W | U;
    wr32((u32)buf, 0);
    OK("a fault drops the entry it used", "mov %eax, (%ebx)");
    in.eax = 0x33333333;
    win[0] = ((u32)buf + 0x1000) | P | W | U;
    set_cr0(0x31);
    set_cr0(0x80000031);
    OK("PG toggled", "mov (%ebx), %eax");
    EQ("clearing PG drops entries", out.eax, 0x22222222);
    if (features >> 13 & 1) {
        set_cr4(0x80);
        wr32((u32)buf, 0x11111111);
        win[0] = (u32)buf | P | W | U | G_;
        flush();
        set_cr4(0);
        set_cr4(0x80);
        OK("PGE: fill", "mov (%ebx), %eax");
        win[0] = ((u32)buf + 0x1000) | P | W | U;
        flush();
        OK("PGE: after a CR3 load", "mov (%ebx), %eax");
        EQ("PGE: value is old or new", out.eax == 0x11111111 || out.eax == 0x22222222, 1);
        set_cr4(0);
        set_cr4(0x80);
        OK("PGE toggled", "mov (%ebx), %eax");
        EQ("PGE: toggling drops global entries", out.eax, 0x22222222);
        win[0] = (u32)buf | P | W | U | G_;
        asm volatile("invlpg (%0)" : : "r"(WIN) : "memory");
        OK("PGE: INVLPG", "mov (%ebx), %eax");
        EQ("PGE: INVLPG drops a global entry", out.eax, 0x11111111);
        set_cr4(0);
    }
}

static void crossing(void)
{
    paging();
    win[1] = 0;
    flush();
    in.ebx = WIN + 0xffe;
    wr32((u32)buf + 0xffc, 0x01020304);
    PAGE("crossing: dword read", "mov (%ebx), %eax", 0, WIN + 0x1000);
    PAGE("crossing: dword write", "mov %eax, (%ebx)", 2, WIN + 0x1000);
    EQ("crossing: nothing is written", rd32((u32)buf + 0xffc), 0x01020304);
    PAGE("crossing: RMW", "incl (%ebx)", 2, WIN + 0x1000);
    EQ("crossing: RMW wrote nothing", rd32((u32)buf + 0xffc), 0x01020304);
    PAGE("crossing: LOCK RMW", "lock incl (%ebx)", 2, WIN + 0x1000);
    PAGE("crossing: FSTP m64", "fninit; fldz; 9: fstpl (%ebx)", 2, WIN + 0x1000);
    EQ("crossing: FSTP wrote nothing", rd32((u32)buf + 0xffc), 0x01020304);
    in.edi = WIN + 0xffe;
    PAGE("crossing: STOSD", "stosl", 2, WIN + 0x1000);
    in.edi = WIN + 0xff8;
    in.ecx = 4;
    loose = 1;
    PAGE("crossing: REP STOSD", "rep stosl", 2, WIN + 0x1000);
    EQ("crossing: REP STOSD, ECX and EDI", out.ecx << 16 | (out.edi & 0xffff), 2 << 16 | 0x1000);
    in.esi = (u32)buf;
    in.edi = WIN + 0xffd;
    in.ecx = 8;
    PAGE("crossing: REP MOVSB", "rep movsb", 2, WIN + 0x1000);
    EQ("crossing: REP MOVSB, ECX, ESI, EDI", out.ecx | (out.esi - in.esi) << 8 | out.edi << 16,
       5 | 3 << 8 | 0x10000000);
    loose = 0;
    win[0] = 0;
    win[1] = ((u32)buf + 0x1000) | P | W | U;
    flush();
    in.ebx = WIN + 0xffe;
    PAGE("crossing: the first page absent", "mov (%ebx), %eax", 0, WIN + 0xffe);
    win[0] = (u32)buf | P | W | U;
    win[1] = ((u32)buf + 0x1000) | P;
    set_cr0(0x80010031);
    flush();
    PAGE("crossing: the second page read-only", "mov %eax, (%ebx)", 3, WIN + 0x1000);
    win[1] = ((u32)buf + 0x5000) | P | W | U;
    flush();
    in.eax = 0x0a0b0c0d;
    OK("crossing: write to two frames", "mov %eax, (%ebx)");
    EQ("crossing: first half", rd16((u32)buf + 0xffe), 0x0c0d);
    EQ("crossing: second half", rd16((u32)buf + 0x5000), 0x0a0b);
    /* code across pages */
    copy(buf + 0xffe, "\xb8\x44", 2);
    copy(buf + 0x5000, "\x33\x22\x11\xc3", 4);
    OK("crossing: code", "call *%ebx");
    EQ("crossing: MOV imm32 over two frames", out.eax, 0x11223344);
    win[1] = 0;
    flush();
    RUN("jmp *%ebx");
    EQ("crossing: code, second page absent: EIP", out.vec << 24 | (out.eip & 0xffff), PF << 24 | 0xffe);
    EQ("crossing: code, second page absent: CR2", get_cr2(), WIN + 0x1000);

    /* stacks: nothing changes until all is written or read */
    paging();
    win[0] = 0;
    ring(3);
    in.esp = WIN + 0x1014;
    PAGE("PUSHA over an absent page", "pusha", 6, WIN + 0xffc);
    EQ("PUSHA leaves ESP", out.esp, in.esp);
    in.esp = WIN + 0x100c;
    win[1] = ((u32)buf + 0x1000) | P | W | U;
    in.ebp = 0;
    loose = 1;
    RUN("mov $0x40000ff0, %ebp; 9: leave");
    EQ("LEAVE from an absent page", out.vec << 16 | out.err, PF << 16 | 4);
    EQ("LEAVE leaves ESP", out.esp, in.esp);
    in.esp = WIN + 0x100e;
    RUN("9: enter $0x2000, $0");
    EQ("ENTER to an absent page: vector", out.vec << 16 | out.err, PF << 16 | 6);
    EQ("ENTER leaves ESP and EBP", out.esp == in.esp && out.ebp == in.ebp, 1);
    loose = 0;
    in.esp = WIN + 0x1000;
    PAGE("PUSH to an absent page", "push %eax", 6, WIN + 0xffc);
    PAGE("CALL with an absent stack", "call 1f; 1: nop", 6, WIN + 0xffc);
    in.esp = WIN + 0xffc;
    PAGE("RET with an absent stack", "ret", 4, WIN + 0xffc);
    PAGE("RETF with an absent stack", "lret", 4, WIN + 0xffc);
    PAGE("IRET with an absent stack", "iret", 4, WIN + 0xffc);
    PAGE("POPA with an absent stack", "popa", 4, WIN + 0xffc);
    ring(3);
    win[0] = (u32)buf | P | W | U;
    win[1] = 0;
    flush();
    in.esp = WIN + 0xff0;
    loose = 1;
    PAGE("POPA over an absent page", "popa", 4, WIN + 0x1000);
    EQ("POPA leaves ESP", out.esp, in.esp);
    loose = 0;
    in.esp = WIN + 0xffc;
    wr32((u32)buf + 0xffc, 0x12345678);
    in.ebx = WIN + 0x1000;
    PAGE("POP to an absent page", "pop (%ebx)", 6, WIN + 0x1000);
    EQ("POP to an absent page leaves ESP", out.esp, in.esp);
}

/* Faults while an exception is delivered (SDM 3A table 6-5). */
static void nested(void)
{
    u32 nop = SNIP("nop");

    paging();
    ring(3);
    idt_gate(0x30, CODE1, nop, 0xee);
    tss_a.esp1 = WIN + 0x1000;
    win[0] = 0;
    flush();
    PAGE("INT n, inner stack absent", "int $0x30", 2, WIN + 0xffc);
    idt_gate(DE, CODE1, nop, 0x8e);
    PAGE("#DE, inner stack absent: #PF", ".byte 0xd4, 0", 2, WIN + 0xffc);
    idt_gate(PF, CODE1, nop, 0x8e);
    RUN("mov 0x50000000, %eax");
    EQ("#PF, inner stack absent: #DF", out.vec << 16 | out.err, DF << 16);
    EQ("#PF, inner stack absent: CR2 of the second", get_cr2(), WIN + 0xffc);
    paging();
    idt[PF] &= ~(1ull << 47);
    RUN("mov 0x50000000, %eax");
    EQ("#PF and #NP: #DF", out.vec << 16 | out.err, DF << 16);
    paging();
    idt[GP] &= ~(1ull << 47);
    idt[NP] = 0;
    RUN("mov $0x1b, %eax; mov %eax, %ss");
    EQ("#GP and #NP: #DF", out.vec << 16 | out.err, DF << 16);
    /* a descriptor table on an absent page */
    paging();
    lldt(0);
    seg(T(0), WIN, 0xfff, 0x82, 0);
    win[0] = 0;
    flush();
    lldt(T(0));
    in.eax = 0x0c;
    PAGE("LDT on an absent page", "mov %eax, %es", 0, WIN + 8);
    ring(3);
    PAGE("LDT on an absent page at CPL 3: supervisor access", "mov %eax, %es", 0, WIN + 8);
    lldt(0);
    paging();
    seg(T(0), 0, 0xfffff, 0x92, 0xc0);
    set_cr0(0x80010031);
    ident[(u32)gdt >> 22][(u32)gdt >> 12 & 1023] &= ~(u32)W;
    flush();
    in.eax = T(0);
    PAGE("accessed bit on a read-only page, WP=1", "mov %eax, %es", 3, (u32)&gdt[T(0) >> 3] + 5);
}

static void large(void)
{
    if (!(features >> 3 & 1))
        return;
    paging();
    set_cr4(0x10);
    pd[WIN >> 22] = P | W | U | PS; /* linear WIN + x is physical x */
    flush();
    in.ebx = WIN + (u32)buf;
    wr32((u32)buf, 0xcafe);
    OK("PSE: read", "mov (%ebx), %eax");
    EQ("PSE: value", out.eax, 0xcafe);
    EQ("PSE: A set", pd[WIN >> 22], P | W | U | PS | A_);
    OK("PSE: write", "mov %eax, (%ebx)");
    EQ("PSE: D set", pd[WIN >> 22], P | W | U | PS | A_ | D_);
    pd[WIN >> 22] = P | PS;
    flush();
    ring(3);
    PAGE("PSE: #PF user", "mov (%ebx), %eax", 5, in.ebx);
    pd[WIN >> 22] = P | PS | U;
    flush();
    PAGE("PSE: #PF user write", "mov %eax, (%ebx)", 7, in.ebx);
    pd[WIN >> 22] = P | W | U | PS | 1 << 21;
    flush();
    PAGE("PSE: reserved bit 21", "mov (%ebx), %eax", 0xd, in.ebx);
    set_cr4(0);
    pd[WIN >> 22] = ((u32)win) | P | W | U | PS;
    flush();
    in.ebx = WIN;
    OK("PS is ignored without CR4.PSE", "mov (%ebx), %eax");
}

static void pae(void)
{
    u32 n;

    if (!(features >> 6 & 1))
        return;
    begin();
    fill(pdpt, 0, sizeof pdpt);
    fill(pae_pd, 0, sizeof pae_pd);
    fill(pae_win, 0, sizeof pae_win);
    for (n = 0; n < 16; n++)
        pae_pd[0][n] = (u64)n << 21 | P | W | U | PS;
    pdpt[0] = (u32)pae_pd[0] | P;
    pdpt[1] = (u32)pae_pd[1] | P;
    pae_pd[1][0] = (u32)pae_win | P | W | U;
    for (n = 0; n < 8; n++)
        pae_win[n] = ((u32)buf + n * 0x1000) | P | W | U;
    set_cr4(0x20);
    set_cr3((u32)pdpt);
    set_cr0(0x80010031);
    in.ebx = WIN;
    wr32((u32)buf, 0xbeef);
    OK("PAE: read", "mov (%ebx), %eax");
    EQ("PAE: value", out.eax, 0xbeef);
    EQ("PAE: A", pae_win[0] & (A_ | D_), A_);
    OK("PAE: write", "mov %eax, (%ebx)");
    EQ("PAE: D", pae_win[0] & (A_ | D_), A_ | D_);
    EQ("PAE: A of a 2 MiB page", pae_pd[0][(u32)buf >> 21] & A_, A_);
    pae_win[0] = 0;
    flush();
    PAGE("PAE: not present", "mov %eax, (%ebx)", 2, WIN);
    pae_win[0] = (u32)buf | P | U;
    flush();
    ring(3);
    PAGE("PAE: read-only, user", "mov %eax, (%ebx)", 7, WIN);
    pae_win[0] = (u32)buf | P | W | U | 1ull << 62;
    flush();
    PAGE("PAE: reserved bit 62", "mov (%ebx), %eax", 0xd, WIN);
    pae_win[0] = (u32)buf | P | W | U | 1ull << 63;
    flush();
    PAGE("PAE: bit 63 is reserved without NXE", "mov (%ebx), %eax", 0xd, WIN);
    pae_win[0] = (u32)buf | P | W | U;
    pae_pd[1][1] = P | W | U | PS | 1 << 13;
    flush();
    in.ebx = WIN + 0x200000;
    PAGE("PAE: 2 MiB page, reserved bit 13", "mov (%ebx), %eax", 0xd, in.ebx);
    in.ebx = 0x80000000;
    PAGE("PAE: PDPTE not present", "mov (%ebx), %eax", 4, 0x80000000);
    ring(0);
    pdpt[2] = P | 2;
    in.eax = (u32)pdpt;
    FAULT("#GP CR3 load with a reserved PDPTE bit", "mov %eax, %cr3", GP, 0);
    pdpt[2] = 0x1000 | 2;
    OK("a PDPTE not present has no reserved bits", "mov %eax, %cr3");
    pdpt[2] = 0;
    pdpt[1] = 0;
    in.ebx = WIN;
    OK("PDPTEs are read at a CR3 load only", "mov (%ebx), %eax");
    in.eax = (u32)pdpt;
    flush();
    PAGE("and then count", "mov (%ebx), %eax", 0, WIN);
    pdpt[1] = (u32)pae_pd[1] | P;
    flush();
    if (features_nx) {
        wrmsr(0xc0000080, 0x800);
        pae_win[0] = (u32)buf | P | W | U | 1ull << 63;
        buf[0] = 0xc3;
        flush();
        OK("NX: data read and write", "mov (%ebx), %eax; mov %eax, (%ebx)");
        RUN("call *%ebx");
        EQ("NX: fetch", out.vec << 16 | out.err, PF << 16 | 0x11);
        EQ("NX: EIP", out.eip, WIN);
        ring(3);
        RUN("call *%ebx");
        EQ("NX: fetch, user", out.vec << 16 | out.err, PF << 16 | 0x15);
        pae_win[0] = 0;
        flush();
        RUN("call *%ebx");
        EQ("NX: fetch of an absent page has I/D", out.vec << 16 | out.err, PF << 16 | 0x14);
        pae_win[0] = (u32)buf | P | W | U;
        pae_pd[1][0] |= 1ull << 63;
        flush();
        RUN("call *%ebx");
        EQ("NX in the directory", out.vec << 16 | out.err, PF << 16 | 0x15);
        pae_pd[1][0] &= ~(1ull << 63);
        pae_win[1] = (u64)((u32)buf + 0x1000) | P | W | U | 1ull << 63;
        flush();
        in.ebx = WIN + 0xfff;
        buf[0xfff] = 0xb8;
        RUN("jmp *%ebx");
        EQ("NX: instruction into an NX page: EIP", out.vec << 24 | (out.eip & 0xffff), PF << 24 | 0xfff);
        EQ("NX: instruction into an NX page: CR2", get_cr2(), WIN + 0x1000);
    }
    begin();
}

static void task(void)
{
    paging();
    tss_b.cr3 = (u32)pd;
    tss_b.eip = SNIP("mov 0x40000000, %eax");
    win[0] = ((u32)buf + 0x3000) | P | W | U;
    wr32((u32)buf + 0x3000, 0x3333);
    copy(ident[7], pd, 4096);
    ident[7][WIN >> 22] = 0;
    set_cr3((u32)ident[7]);
    RUN("ljmp $0x30, $0");
    EQ("task switch loads CR3", get_cr3(), pd);
    EQ("task switch: memory of the new task", out.eax, 0x3333);
    begin();
}

void test_page(void)
{
    codes();
    marks();
    tlb();
    crossing();
    nested();
    large();
    pae();
    task();
}
