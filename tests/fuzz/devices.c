/* devices.c - fuzzes all devices in one process: the input is read as port and memory accesses, steps of time and what
 * a user does.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

#define NS_MAX 20000000ull /* of one step of time */

/* Ports of devices, by one byte. */
static uint16_t port_of(struct input *in)
{
    static const struct {
        uint16_t base, count;
    } ports[] = {
        { 0x00, 16 }, { 0x20, 2 },  { 0x40, 4 },  { 0x60, 5 },   { 0x70, 2 },    { 0x80, 16 },   { 0x92, 1 },
        { 0xa0, 2 },  { 0xb2, 2 },  { 0xc0, 32 }, { 0xf0, 2 },   { 0x170, 8 },   { 0x1ce, 3 },   { 0x1f0, 8 },
        { 0x2f8, 8 }, { 0x376, 1 }, { 0x3b4, 8 }, { 0x3c0, 32 }, { 0x3f0, 8 },   { 0x3f8, 8 },   { 0x4d0, 2 },
        { 0x501, 4 }, { 0x510, 2 }, { 0x514, 8 }, { 0xafe0, 4 }, { 0xb000, 64 }, { 0xc000, 16 }, { 0xcf8, 8 },
    };
    unsigned b = take(in, 1), n;

    for (n = 0; n < ARRAY_SIZE(ports); n++) {
        if (b < ports[n].count)
            return (uint16_t)(ports[n].base + b);
        b -= ports[n].count;
    }
    return (uint16_t)take(in, 2);
}

static gpa_t address_of(struct board *b, struct input *in)
{
    unsigned n = take(in, 1);
    uint32_t off = take(in, 2);

    return n < 0xf0 ? mapped_address(b, n, off) : take(in, 4);
}

static void pci_write(struct board *b, uint32_t reg, uint32_t v)
{
    static const uint8_t devfns[] = { 0x00, 0x08, 0x09, 0x0b, 0x10, 0x30 };

    port_write(b->bus, 0xcf8, 0x80000000u | (uint32_t)devfns[(reg >> 8) % ARRAY_SIZE(devfns)] << 8 | (reg & 0xfc), 4);
    port_write(b->bus, 0xcfc, v, 4);
}

static void step(struct board *b, struct input *in)
{
    static const char *const keys[] = { "a", "shift", "pause", "print", "esc", "f12" };
    unsigned op = take(in, 1), size = 1u << (op >> 6) % 3, n;
    uint16_t port;
    gpa_t gpa;
    uint32_t v;
    unsigned width, height;

    switch (op & 31) {
    default:
        port = port_of(in);
        port_write(b->bus, port, take(in, size), size);
        break;
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17: port_read(b->bus, port_of(in), size); break;
    case 18:
    case 19:
    case 20:
        gpa = address_of(b, in);
        access_memory(b, gpa, take(in, 4), size == 1 && op & 32 ? 8 : size, true);
        break;
    case 21: access_memory(b, address_of(b, in), 0, size == 1 && op & 32 ? 8 : size, false); break;
    case 22:
    case 23: /* a repeated one */
        port = port_of(in);
        for (n = take(in, 1) + (op & 32 ? 512 : 1); n; n--)
            if (op & 1)
                port_write(b->bus, port, (uint32_t)(n * 0x1234567), size);
            else
                port_read(b->bus, port, size);
        break;
    case 24: pass_time(b, take(in, 3) % NS_MAX); break;
    case 25: pass_time(b, take(in, 1)); break;
    case 26:
        v = take(in, 2);
        pci_write(b, v, take(in, 4));
        break;
    case 27: /* what devices read by DMA */
        v = take(in, 3) % (RAM - 16);
        for (n = 0; n < 16; n++)
            b->ram[v + n] = (uint8_t)take(in, 1);
        break;
    case 28:
        v = take(in, 1);
        pc_key_event(b->pc, keys[v % ARRAY_SIZE(keys)], v & 0x80);
        break;
    case 29:
        v = take(in, 3);
        pc_mouse_event(b->pc, (int8_t)v, (int8_t)(v >> 8), (int)(v >> 20 & 3) - 1, v >> 16 & 7);
        break;
    case 30: take_interrupts(b); break;
    case 31:
        v = take(in, 1);
        if (v < 8)
            pc_reset(b->pc);
        else if (v < 16)
            pc_powerdown(b->pc);
        else if (v < 128 && pc_vga(b->pc))
            draw(pc_vga(b->pc), &width, &height);
        else
            pc_nmi(b->pc);
    }
}

const struct fuzz_device fuzz_device = { .choice = 0x1f, .steps = 600, .step = step };
