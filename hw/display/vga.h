/* vga.h - the graphics card: standard VGA with the Bochs VBE extensions.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_VGA_H
#define HW_VGA_H

#include "hw/pci/pci.h"

struct vga;

struct vga *vga_create(struct bus *bus, struct pci_bus *pci, int devfn);

/* The picture's size in pixels now (at least 1 x 1, at most VGA_MAX_WIDTH x VGA_MAX_HEIGHT).
 * Pixels may not be square: 320 x 200 and 640 x 200 are meant to fill a 4:3 screen. */
#define VGA_MAX_WIDTH  2560u
#define VGA_MAX_HEIGHT 1600u
void vga_size(struct vga *vga, unsigned *width, unsigned *height);
/* Draw the picture as XRGB8888, at most width x height pixels, `stride` bytes a row. What the
 * picture does not cover is left alone. */
void vga_render(struct vga *vga, uint32_t *pixels, unsigned width, unsigned height, size_t stride);
/* False if nothing the picture shows changed since the last vga_render; true if it may have. */
bool vga_changed(struct vga *vga);

/* The text screen as lines of UTF-8 without trailing blanks. -1 in a graphics mode. */
int vga_text(struct vga *vga, FILE *f);
bool vga_is_text(struct vga *vga);
/* The picture as a binary PPM. 0 or -errno. */
int vga_write_ppm(struct vga *vga, FILE *f);

#endif
