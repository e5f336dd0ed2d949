/* vga_int.h - what vga.c (registers, memory) and vga_draw.c (pictures) share.
 *
 * Video memory keeps the four planes interleaved: byte `p` of plane `n` at vram[4 * p + n]. In
 * chain-4 mode a CPU address is the index itself, in odd/even mode the low bit chooses the plane
 * and the rest is `p`, so a linear VBE mode is simply linear and the CRTC counts in `p`.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_VGA_INT_H
#define HW_VGA_INT_H

#include "hw/display/vga.h"

#define VRAM_SIZE  (16u << 20)
#define PLANE_MASK (VRAM_SIZE / 4 - 1)

/* Dispi registers. */
enum {
    DI_ID,
    DI_XRES,
    DI_YRES,
    DI_BPP,
    DI_ENABLE,
    DI_BANK,
    DI_VIRT_WIDTH,
    DI_VIRT_HEIGHT,
    DI_X_OFFSET,
    DI_Y_OFFSET,
    DI_MEMORY,
    DI_COUNT
};
#define DI_ENABLED  0x01
#define DI_GETCAPS  0x02
#define DI_8BIT_DAC 0x20
#define DI_LFB      0x40
#define DI_NOCLEAR  0x80

/* How the CPU's accesses to A0000h reach memory: derived from the registers. */
enum vga_access { ACCESS_PLANAR, ACCESS_ODD_EVEN, ACCESS_TEXT, ACCESS_CHAIN4, ACCESS_LINEAR };

struct vga {
    struct device dev;
    /* wiring */
    struct range *window_a; /* A0000h-AFFFFh through handlers */
    struct range *window_b; /* B0000h-BFFFFh */
    struct range *direct;   /* A0000h-AFFFFh as memory, in linear bank 0 */
    /* state */
    struct pci_dev pci;
    uint8_t sr_index, gr_index, cr_index, ar_index;
    uint8_t sr[8], gr[16], cr[32], ar[32];
    bool ar_data; /* the next write to 3C0h is data */
    uint8_t misc, feature;
    uint8_t dac_mask, dac_read, dac_write, dac_state, dac_phase;
    uint8_t dac_cache[3];
    uint8_t dac[768];
    uint32_t latch;
    uint16_t di_index;
    uint16_t di[DI_COUNT];
    uint8_t *vram;
    size_t vram_len;

    /* derived */
    enum vga_access access;
    uint32_t window_first, window_last; /* offsets from A0000h that answer */
    uint32_t bank;
    bool dirty; /* the picture may have changed */
    tick_t last_blink;
};

static inline bool vga_vbe(const struct vga *v) { return v->di[DI_ENABLE] & DI_ENABLED; }
/* Bytes of a line in a VBE mode. */
uint32_t vga_line_bytes(const struct vga *v);

#endif
