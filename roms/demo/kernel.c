/* kernel.c - the demo's ring 0: tables, paging, interrupts, system calls.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "demo.h"

#define MAPPED (16u << 20) /* identity mapped */

extern char trap_entries[], user_start[], user_end[];
extern const uint32_t boot_map[]; /* the boot sector leaves it at 5FCh */
void enter_user(uint32_t eip, uint32_t esp) __attribute__((noreturn));
void kernel_main(void);
void trap(struct frame *f);

static uint64_t gdt[6], idt[129];
static struct {
    uint32_t link, esp0, ss0, rest[23];
} tss;
static uint32_t page_dir[1024] __attribute__((aligned(4096)));
static uint32_t page_tables[MAPPED >> 22][1024] __attribute__((aligned(4096)));
static char kernel_stack[4096] __attribute__((aligned(16)));
static char user_stack[4096] __attribute__((aligned(4096)));
static volatile uint32_t ticks;
static uint32_t e820_map[1 + 6 * 32]; /* as the boot sector found it: number of entries, entries */

static void load_tables(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) r;
    uint32_t t = (uint32_t)&tss;
    unsigned n;

    gdt[1] = 0x00cf9a000000ffffull;
    gdt[2] = 0x00cf92000000ffffull;
    gdt[3] = 0x00cffa000000ffffull;
    gdt[4] = 0x00cff2000000ffffull;
    gdt[5] = (uint64_t)(t >> 24) << 56 | 0x0000890000000000ull | (uint64_t)(t & 0xffffff) << 16 | (sizeof tss - 1);
    r.limit = sizeof gdt - 1;
    r.base = (uint32_t)gdt;
    __asm__ volatile("lgdt %0" : : "m"(r));
    for (n = 0; n < 129; n++) {
        uint32_t h = (uint32_t)trap_entries + n * 16;
        uint32_t rights = n == 0x80 ? 0xee00 : 0x8e00; /* interrupt gates; system call from ring 3 */

        idt[n] = (uint64_t)((h & 0xffff0000) | rights) << 32 | 8 << 16 | (h & 0xffff);
    }
    r.limit = sizeof idt - 1;
    r.base = (uint32_t)idt;
    __asm__ volatile("lidt %0" : : "m"(r));
    tss.ss0 = 0x10;
    tss.esp0 = (uint32_t)kernel_stack + sizeof kernel_stack;
    __asm__ volatile("ltr %w0" : : "r"(0x28));
}

static void start_paging(void)
{
    uint32_t a;

    for (a = 0; a < MAPPED; a += 4096) {
        uint32_t flags = 3;

        if ((a >= (uint32_t)user_start && a < (uint32_t)user_end) || a == (uint32_t)user_stack)
            flags |= 4;
        if (a == 0)
            flags = 0; /* a null pointer faults */
        page_tables[a >> 22][a >> 12 & 1023] = a | flags;
        page_dir[a >> 22] = (uint32_t)page_tables[a >> 22] | 7;
    }
    __asm__ volatile("mov %0, %%cr3; mov %%cr0, %%eax; or $0x80010000, %%eax; mov %%eax, %%cr0"
                     :
                     : "r"(page_dir)
                     : "eax", "memory");
}

/* 8259s to vectors 20h and 28h, 8254 to 100 Hz. */
static void start_interrupts(void)
{
    outb(0x20, 0x11);
    outb(0xa0, 0x11);
    outb(0x21, 0x20);
    outb(0xa1, 0x28);
    outb(0x21, 4);
    outb(0xa1, 2);
    outb(0x21, 1);
    outb(0xa1, 1);
    outb(0x21, 0xff & ~(1 | 2 | 0x10)); /* timer, keyboard, COM1 */
    outb(0xa1, 0xff);
    outb(0x43, 0x34);
    outb(0x40, 11932 & 0xff);
    outb(0x40, 11932 >> 8);
}

static const char *exception_name(uint32_t v)
{
    static const char *const names[] = {
        "#DE divide error",
        "#DB debug",
        "NMI",
        "#BP breakpoint",
        "#OF overflow",
        "#BR bound",
        "#UD invalid opcode",
        "#NM no coprocessor",
        "#DF double fault",
        "9",
        "#TS invalid TSS",
        "#NP not present",
        "#SS stack",
        "#GP general protection",
        "#PF page fault",
        "15",
        "#MF x87",
        "#AC alignment",
        "#MC machine check",
        "#XM SIMD",
    };

    return v < sizeof names / sizeof names[0] ? names[v] : "?";
}

static void exception(struct frame *f)
{
    uint32_t cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    console_puts("\nexception ");
    console_puts(exception_name(f->vector));
    console_puts(", error ");
    console_hex(f->error);
    console_puts(" at ");
    console_hex(f->cs);
    console_putc(':');
    console_hex(f->eip);
    if (f->vector == 14) {
        console_puts(", address ");
        console_hex(cr2);
    }
    console_putc('\n');
    if (!(f->cs & 3)) {
        console_puts("in the kernel: halted\n");
        for (;;)
            __asm__ volatile("cli; hlt");
    }
    /* start the shell again */
    f->eip = (uint32_t)shell_main;
    f->esp = (uint32_t)user_stack + sizeof user_stack - 16;
    f->eflags = 0x202;
}

static void system_call(struct frame *f)
{
    int c;

    switch (f->eax) {
    case SYS_PUTC: console_putc(f->ebx); break;
    case SYS_GETC:
        while ((c = console_getc()) < 0)
            __asm__ volatile("sti; hlt; cli");
        f->eax = c;
        break;
    case SYS_TICKS: f->eax = ticks; break;
    case SYS_E820: /* a word of the map: 0 is the number of entries, then 6 dwords each */
        f->eax = f->ebx < sizeof e820_map / 4 ? e820_map[f->ebx] : 0;
        break;
    case SYS_REBOOT: power_reboot(); break;
    case SYS_OFF: power_off(); break;
    }
}

void trap(struct frame *f)
{
    switch (f->vector) {
    case 0x20:
        ticks++;
        outb(0x20, 0x20);
        break;
    case 0x21:
        console_key_irq();
        outb(0x20, 0x20);
        break;
    case 0x24:
        console_serial_irq();
        outb(0x20, 0x20);
        break;
    case 0x80: system_call(f); break;
    default:
        if (f->vector < 32)
            exception(f);
        break; /* a spurious interrupt */
    }
}

void kernel_main(void)
{
    unsigned n;

    for (n = 0; n < sizeof e820_map / 4; n++)
        e820_map[n] = boot_map[n];
    console_init();
    console_puts("Callgate demo: protected mode\n");
    load_tables();
    start_paging();
    console_puts("Callgate demo: paging on\n");
    start_interrupts();
    console_puts("Callgate demo: entering ring 3\n");
    enter_user((uint32_t)shell_main, (uint32_t)user_stack + sizeof user_stack - 16);
}
