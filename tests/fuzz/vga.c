/* vga.c - fuzzes the graphics card: registers and modes of VGA and Bochs VBE, memory, and pictures drawn into windows
 * of any size.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/fuzz/board.h"

/* Draw into exactly as much as was asked for, so that a pixel too far is seen. */
static void draw_part(struct vga *vga, unsigned width, unsigned height, unsigned gap)
{
    size_t stride = (size_t)(width + gap) * 4;
    uint32_t *pixels = malloc(height ? stride * (height - 1) + (size_t)width * 4 : 1);

    if (!pixels)
        broken("no memory");
    vga_changed(vga);
    vga_render(vga, pixels, width, height, stride);
    free(pixels);
}

static void write_out(struct vga *vga, bool text)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    if (text ? vga_text(vga, f) && vga_is_text(vga) : vga_write_ppm(vga, f))
        broken("a picture cannot be written");
    fclose(f);
    free(out);
}

static void step(struct board *b, struct input *in)
{
    unsigned op = take(in, 1), width, height;
    struct vga *vga = pc_vga(b->pc);

    switch (op & 7) {
    case 0:
    case 1: /* an indexed register: sequencer, graphics, CRTC, attribute, VBE */
        switch (op >> 3 & 7) {
        case 0: port_write(b->bus, 0x3c4, take(in, 2), 2); break;
        case 1: port_write(b->bus, 0x3ce, take(in, 2), 2); break;
        case 2: port_write(b->bus, 0x3d4, take(in, 2), 2); break;
        case 3:
            in8(b, 0x3da);
            out8(b, 0x3c0, (uint8_t)take(in, 1));
            out8(b, 0x3c0, (uint8_t)take(in, 1));
            break;
        default: port_write(b->bus, 0x1ce, take(in, 1) & 15, 2); port_write(b->bus, 0x1cf, take(in, 2), 2);
        }
        break;
    case 2: port_write(b->bus, (uint16_t)(0x3b0 + take(in, 1) % 48), take(in, 2), op & 8 ? 2 : 1); break;
    case 3: port_read(b->bus, (uint16_t)(0x3b0 + take(in, 1) % 48), op & 8 ? 2 : 1); break;
    case 4: /* memory: the window and the frame buffer */
        access_memory(b, 0xa0000 + take(in, 2) * 2, take(in, 4), 1u << (op >> 3) % 3, op & 0x80);
        break;
    case 5: access_memory(b, mapped_address(b, op, take(in, 3)), take(in, 4), 4, true); break;
    case 6:
        if (op & 0xf0) {
            width = take(in, 2) % (VGA_MAX_WIDTH + 100);
            height = take(in, 2) % 700;
            draw_part(vga, width, height, op >> 4 & 3);
        } else {
            draw(vga, &width, &height);
        }
        break;
    default:
        if (op & 8)
            pass_time(b, take(in, 3));
        else if (op >= 0xf0)
            write_out(vga, op & 0x10);
        else
            write_out(vga, true);
    }
}

const struct fuzz_device fuzz_device = { .choice = FUZZ_SAVE, .always = FUZZ_VGA, .steps = 60, .step = step };
