/* console.c - the demo's console: VGA text and COM1 at once, keyboard and COM1 for input.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "demo.h"

enum { COLS = 80, ROWS = 25, COM1 = 0x3f8 };

static volatile uint16_t *const screen = (uint16_t *)0xb8000;
static unsigned pos;
static char queue[64];
static volatile unsigned head, tail;

void console_init(void)
{
    unsigned n;

    outb(COM1 + 1, 0);
    outb(COM1 + 3, 0x80); /* 115200 baud, 8N1, FIFOs */
    outb(COM1 + 0, 1);
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 3);
    outb(COM1 + 2, 7);
    outb(COM1 + 4, 0xb);
    outb(COM1 + 1, 1); /* interrupt on input */
    for (n = 0; n < COLS * ROWS; n++)
        screen[n] = 0x0700 | ' ';
}

static void scroll(void)
{
    unsigned n;

    for (n = 0; n < COLS * (ROWS - 1); n++)
        screen[n] = screen[n + COLS];
    for (; n < COLS * ROWS; n++)
        screen[n] = 0x0700 | ' ';
    pos -= COLS;
}

static void serial_putc(char c)
{
    while (!(inb(COM1 + 5) & 0x20))
        ;
    outb(COM1, c);
}

void console_putc(char c)
{
    if (c == '\n') {
        serial_putc('\r');
        pos += COLS - pos % COLS;
    } else if (c == '\b') {
        if (pos)
            screen[--pos] = 0x0700 | ' ';
    } else {
        screen[pos++] = 0x0700 | (uint8_t)c;
    }
    serial_putc(c);
    if (pos >= COLS * ROWS)
        scroll();
    outb(0x3d4, 14);
    outb(0x3d5, pos >> 8);
    outb(0x3d4, 15);
    outb(0x3d5, pos);
}

void console_puts(const char *s)
{
    while (*s)
        console_putc(*s++);
}

void console_hex(uint32_t v)
{
    int n;

    for (n = 28; n >= 0; n -= 4)
        console_putc("0123456789abcdef"[v >> n & 15]);
}

static void put_queue(char c)
{
    if (c && head - tail < sizeof queue)
        queue[head++ % sizeof queue] = c;
}

void console_key_irq(void)
{
    static const char plain[] = "\0\0331234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
    static const char shifted[] = "\0\033!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
    static int shift;
    uint8_t code = inb(0x60);

    if ((code & 0x7f) == 0x2a || (code & 0x7f) == 0x36)
        shift = !(code & 0x80);
    else if (!(code & 0x80) && code < sizeof plain)
        put_queue(shift ? shifted[code] : plain[code]);
}

void console_serial_irq(void)
{
    while (inb(COM1 + 5) & 1) {
        char c = inb(COM1);

        put_queue(c == '\r' ? '\n' : c == 127 ? '\b' : c);
    }
}

int console_getc(void) { return head == tail ? -1 : queue[tail++ % sizeof queue]; }
