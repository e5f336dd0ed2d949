/* shell.c - the demo's shell. It runs in ring 3, on pages of its own, and reaches the machine only by
 * system calls; `fault` shows what happens when it tries more.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "demo.h"

#define USER __attribute__((section(".utext")))
#define TEXT(s)                                                          \
    ({                                                                   \
        static const char t_[] __attribute__((section(".urodata"))) = s; \
        t_;                                                              \
    })

USER static uint32_t call(uint32_t n, uint32_t arg)
{
    uint32_t r;

    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(arg) : "memory");
    return r;
}

USER static void put(const char *s)
{
    while (*s)
        call(SYS_PUTC, *s++);
}

USER static void put_hex(uint32_t v, int digits)
{
    while (digits--) {
        uint32_t d = v >> digits * 4 & 15;

        call(SYS_PUTC, d < 10 ? '0' + d : 'a' + d - 10);
    }
}

USER static void put_dec(uint32_t v)
{
    if (v > 9)
        put_dec(v / 10);
    call(SYS_PUTC, '0' + v % 10);
}

USER static int equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

USER static void read_line(char *line, unsigned size)
{
    unsigned n = 0;

    for (;;) {
        char c = call(SYS_GETC, 0);

        if (c == '\n') {
            call(SYS_PUTC, '\n');
            line[n] = 0;
            return;
        }
        if (c == '\b') {
            if (n) {
                n--;
                put(TEXT("\b \b"));
            }
        } else if (c >= ' ' && n + 1 < size) {
            line[n++] = c;
            call(SYS_PUTC, c);
        }
    }
}

USER static void cpuid(uint32_t leaf, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

USER static void cmd_cpu(void)
{
    uint32_t r[4];
    uint16_t cs;
    unsigned n;
    unsigned k;

    cpuid(0, r);
    put(TEXT("vendor "));
    for (n = 1; n != 0; n = n == 1 ? 3 : n == 3 ? 2 : 0)
        for (k = 0; k < 32; k += 8)
            call(SYS_PUTC, r[n] >> k & 0xff);
    cpuid(1, r);
    put(TEXT(", signature "));
    put_hex(r[0], 8);
    put(TEXT(", features "));
    put_hex(r[3], 8);
    __asm__("mov %%cs, %0" : "=r"(cs));
    put(TEXT("\nrunning in ring "));
    put_dec(cs & 3);
    put(TEXT("\n"));
}

USER static void cmd_mem(void)
{
    uint32_t n = call(SYS_E820, 0);
    uint32_t k;

    for (k = 0; k < n; k++) {
        uint32_t w = 1 + k * 6;

        put_hex(call(SYS_E820, w + 1), 8);
        put_hex(call(SYS_E820, w), 8);
        put(TEXT(" + "));
        put_hex(call(SYS_E820, w + 3), 8);
        put_hex(call(SYS_E820, w + 2), 8);
        put(call(SYS_E820, w + 4) == 1 ? TEXT(" RAM\n") : TEXT(" reserved\n"));
    }
}

USER static void cmd_fault(const char *kind)
{
    volatile uint32_t zero = 0;

    if (equal(kind, TEXT("divide")))
        __asm__ volatile("xor %%edx, %%edx; divl %0" : : "m"(zero) : "eax", "edx");
    else if (equal(kind, TEXT("page")))
        *(volatile uint32_t *)0 = 1;
    else if (equal(kind, TEXT("kernel")))
        zero = *(volatile uint32_t *)0xb8000;
    else if (equal(kind, TEXT("opcode")))
        __asm__ volatile("ud2");
    else if (equal(kind, TEXT("privilege")))
        __asm__ volatile("cli");
    else if (equal(kind, TEXT("segment")))
        __asm__ volatile("mov %w0, %%ds" : : "r"(0x10));
    else if (equal(kind, TEXT("breakpoint")))
        __asm__ volatile("int $3");
    else
        put(TEXT("fault divide | page | kernel | opcode | privilege | segment | breakpoint\n"));
}

USER void shell_main(void)
{
    char line[80];

    put(TEXT("type help for the commands\n"));
    for (;;) {
        char *word = line;
        char *arg;

        put(TEXT("demo> "));
        read_line(line, sizeof line);
        while (*word == ' ')
            word++;
        arg = word;
        while (*arg && *arg != ' ')
            arg++;
        while (*arg == ' ')
            *arg++ = 0;
        if (equal(word, TEXT("help"))) {
            put(TEXT("help        this list\ncpu         what the CPU says it is\n"
                     "mem         the BIOS's memory map\nticks       timer interrupts so far\n"
                     "fault KIND  do something forbidden\nreboot      reset the machine\n"
                     "off         power off (or poweroff)\n"));
        } else if (equal(word, TEXT("cpu"))) {
            cmd_cpu();
        } else if (equal(word, TEXT("mem"))) {
            cmd_mem();
        } else if (equal(word, TEXT("ticks"))) {
            put_dec(call(SYS_TICKS, 0));
            put(TEXT("\n"));
        } else if (equal(word, TEXT("fault"))) {
            cmd_fault(arg);
        } else if (equal(word, TEXT("reboot"))) {
            call(SYS_REBOOT, 0);
        } else if (equal(word, TEXT("off")) || equal(word, TEXT("poweroff"))) {
            call(SYS_OFF, 0);
        } else if (word[0]) {
            put(word);
            put(TEXT(": no such command; try help\n"));
        }
    }
}
