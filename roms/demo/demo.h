/* demo.h - shared by the demo's files. The demo is a guest of our own: a floppy image that goes from
 * real mode to a shell in ring 3, small enough to be read in one sitting.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef DEMO_H
#define DEMO_H

#include <stdint.h>

/* system calls, by int 0x80: number in EAX, argument in EBX, result in EAX */
enum { SYS_PUTC, SYS_GETC, SYS_TICKS, SYS_E820, SYS_REBOOT, SYS_OFF };

struct frame {
    uint32_t es, ds, edi, esi, ebp, unused, ebx, edx, ecx, eax;
    uint32_t vector, error, eip, cs, eflags, esp, ss;
};

static inline void outb(uint16_t port, uint8_t v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outw(uint16_t port, uint16_t v) { __asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(uint16_t port, uint32_t v) { __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }
static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
    return v;
}

/* console.c: text screen and COM1 together; input from both */
void console_init(void);
void console_putc(char c);
void console_puts(const char *s);
void console_hex(uint32_t v);
void console_key_irq(void);
void console_serial_irq(void);
int console_getc(void); /* -1: nothing typed */

/* power.c */
void power_reboot(void);
void power_off(void);

/* shell.c, in ring 3 */
void shell_main(void);

#endif
