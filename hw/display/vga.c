/* vga.c - VGA (IBM PS/2 technical reference; 1234:1111 of other emulators): registers and memory.
 *
 * Ports 3B0h-3BBh, 3C0h-3DFh, 1CEh-1D0h (Bochs VBE "dispi", id B0C5h); memory A0000h-BFFFFh; PCI
 * BAR0 16 MB of linear video memory, BAR2 4 KB with the ports at 400h and dispi at 500h. No
 * interrupt. vga_draw.c makes the picture.
 * NOT modelled: EDID (reads as zeroes), the vertical retrace interrupt, the light pen, memory in
 * real chain-4 and odd/even order (see vga_int.h: only programs that mix the modes on the same
 * data can tell).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/display/vga_int.h"

#define SR_MAP_MASK   2
#define SR_MEM_MODE   4
#define SR4_CHAIN4    0x08
#define GR_SET        0
#define GR_ENABLE_SET 1
#define GR_COMPARE    2
#define GR_ROTATE     3
#define GR_READ_MAP   4
#define GR_MODE       5
#define GR_MISC       6
#define GR_DONT_CARE  7
#define GR_BIT_MASK   8
#define GR5_ODD_EVEN  0x10
#define CR11_PROTECT  0x80
#define DISPI_ID_MIN  0xb0c0
#define DISPI_ID      0xb0c5
#define LEGACY        0xa0000

/* Each byte is FFh where the plane's bit is set. */
static uint32_t expand(unsigned bits)
{
    return (bits & 1 ? 0xffu : 0) | (bits & 2 ? 0xff00u : 0) | (bits & 4 ? 0xff0000u : 0) |
           (bits & 8 ? 0xff000000u : 0);
}

uint32_t vga_line_bytes(const struct vga *v)
{
    unsigned bpp = v->di[DI_BPP];
    unsigned width = v->di[DI_VIRT_WIDTH];
    return bpp == 4 ? width / 2 : bpp == 15 ? width * 2 : width * (bpp / 8);
}

/* ---- how the CPU reaches memory ---- */

static void update_access(struct vga *v)
{
    static const uint32_t first[4] = { 0, 0, 0x10000, 0x18000 };
    static const uint32_t last[4] = { 0x1ffff, 0xffff, 0x17fff, 0x1ffff };
    unsigned map = v->gr[GR_MISC] >> 2 & 3;
    bool plain = !(v->gr[GR_MODE] & 3) && !(v->gr[GR_ENABLE_SET] & 15) && !(v->gr[GR_ROTATE] & 0x1f) &&
                 v->gr[GR_BIT_MASK] == 0xff;

    v->window_first = first[map];
    v->window_last = last[map];
    v->bank = vga_vbe(v) ? (uint32_t)v->di[DI_BANK] << 16 : 0;
    if (v->sr[SR_MEM_MODE] & SR4_CHAIN4)
        v->access = (v->sr[SR_MAP_MASK] & 15) == 15 ? ACCESS_LINEAR : ACCESS_CHAIN4;
    else if (v->gr[GR_MODE] & GR5_ODD_EVEN)
        v->access = plain && (v->sr[SR_MAP_MASK] & 3) == 3 && !(v->gr[GR_READ_MAP] & 2) ? ACCESS_TEXT : ACCESS_ODD_EVEN;
    else
        v->access = ACCESS_PLANAR;
    v->dirty = true;

    if (!v->window_a || !v->direct)
        return;
    bool direct = v->access == ACCESS_LINEAR && v->window_first == 0 && v->bank == 0;
    bool now = range_where(v->direct) != GPA_NONE;
    if (direct && !now) {
        bus_range_move(v->window_a, GPA_NONE);
        bus_range_move(v->direct, LEGACY);
    } else if (!direct && now) {
        bus_range_move(v->direct, GPA_NONE);
        bus_range_move(v->window_a, LEGACY);
    }
}

static uint8_t read_planar(struct vga *v, uint32_t p)
{
    v->latch = load32(v->vram + 4 * (p & PLANE_MASK));
    if (!(v->gr[GR_MODE] & 8))
        return (uint8_t)(v->latch >> (8 * (v->gr[GR_READ_MAP] & 3)));
    uint32_t diff = (v->latch ^ expand(v->gr[GR_COMPARE])) & expand(v->gr[GR_DONT_CARE]);
    diff |= diff >> 16;
    diff |= diff >> 8;
    return (uint8_t)~diff;
}

/* A write through the graphics controller to the planes of `planes`. */
static void write_planar(struct vga *v, uint32_t p, uint8_t val, unsigned planes)
{
    uint8_t *mem = v->vram + 4 * (p & PLANE_MASK);
    unsigned rotate = v->gr[GR_ROTATE] & 7;
    uint32_t bits = v->gr[GR_BIT_MASK];
    uint32_t data = (uint8_t)(val >> rotate | val << (8 - rotate));
    uint32_t mask = expand(v->sr[SR_MAP_MASK] & planes);
    unsigned mode = v->gr[GR_MODE] & 3;

    if (mode == 1) {
        data = v->latch;
    } else {
        if (mode == 0) {
            uint32_t enable = expand(v->gr[GR_ENABLE_SET]);
            data *= 0x01010101;
            data = (data & ~enable) | (expand(v->gr[GR_SET]) & enable);
        } else if (mode == 2) {
            data = expand(val);
        } else {
            bits &= data;
            data = expand(v->gr[GR_SET]);
        }
        switch (v->gr[GR_ROTATE] >> 3 & 3) {
        case 1: data &= v->latch; break;
        case 2: data |= v->latch; break;
        case 3: data ^= v->latch; break;
        }
        bits *= 0x01010101;
        data = (data & bits) | (v->latch & ~bits);
    }
    store32(mem, (load32(mem) & ~mask) | (data & mask));
}

static uint8_t read_byte(struct vga *v, uint32_t at)
{
    if (at < v->window_first || at > v->window_last)
        return 0xff;
    at -= v->window_first;
    switch (v->access) {
    case ACCESS_LINEAR:
    case ACCESS_CHAIN4:
        at = (at + v->bank) & (VRAM_SIZE - 1);
        v->latch = load32(v->vram + (at & ~3u));
        return v->vram[at];
    case ACCESS_TEXT:
    case ACCESS_ODD_EVEN: {
        uint32_t p = at >> 1 & PLANE_MASK;
        v->latch = load32(v->vram + 4 * p);
        return v->vram[4 * p + ((v->gr[GR_READ_MAP] & 2) | (at & 1))];
    }
    default: return read_planar(v, at + v->bank / 4);
    }
}

static void write_byte(struct vga *v, uint32_t at, uint8_t val)
{
    if (at < v->window_first || at > v->window_last)
        return;
    at -= v->window_first;
    switch (v->access) {
    case ACCESS_TEXT: v->vram[4 * (at >> 1) + (at & 1)] = val; break;
    case ACCESS_LINEAR:
    case ACCESS_CHAIN4:
        at = (at + v->bank) & (VRAM_SIZE - 1);
        if (v->sr[SR_MAP_MASK] & (1u << (at & 3)))
            v->vram[at] = val;
        break;
    case ACCESS_ODD_EVEN: write_planar(v, at >> 1, val, at & 1 ? 0xa : 0x5); break;
    default: write_planar(v, at + v->bank / 4, val, 0xf); break;
    }
}

static uint64_t window_read(struct vga *v, uint32_t at, unsigned size)
{
    uint64_t val = 0;
    for (unsigned i = 0; i < size; i++)
        val |= (uint64_t)read_byte(v, at + i) << (8 * i);
    return val;
}

static void window_write(struct vga *v, uint32_t at, uint64_t val, unsigned size)
{
    v->dirty = true;
    for (unsigned i = 0; i < size; i++)
        write_byte(v, at + i, (uint8_t)(val >> (8 * i)));
}

static uint64_t window_a_read(void *opaque, gpa_t offset, unsigned size)
{
    return window_read(opaque, (uint32_t)offset & 0xffff, size);
}

static void window_a_write(void *opaque, gpa_t offset, uint64_t val, unsigned size)
{
    window_write(opaque, (uint32_t)offset & 0xffff, val, size);
}

static uint64_t window_b_read(void *opaque, gpa_t offset, unsigned size)
{
    return window_read(opaque, 0x10000 + ((uint32_t)offset & 0xffff), size);
}

static void window_b_write(void *opaque, gpa_t offset, uint64_t val, unsigned size)
{
    window_write(opaque, 0x10000 + ((uint32_t)offset & 0xffff), val, size);
}

/* ---- Bochs VBE ---- */

static uint16_t dispi_read(struct vga *v, unsigned reg)
{
    if (v->di[DI_ENABLE] & DI_GETCAPS) {
        switch (reg) {
        case DI_XRES: return VGA_MAX_WIDTH;
        case DI_YRES: return VGA_MAX_HEIGHT;
        case DI_BPP: return 32;
        }
    }
    if (reg == DI_MEMORY)
        return VRAM_SIZE >> 16;
    return reg < DI_COUNT ? v->di[reg] : 0;
}

/* Make the registers a possible mode. */
static void dispi_fix(struct vga *v)
{
    uint16_t *r = v->di;
    switch (r[DI_BPP]) {
    case 4:
    case 8:
    case 15:
    case 16:
    case 24:
    case 32: break;
    default: r[DI_BPP] = r[DI_BPP] ? 8 : 32; break;
    }
    r[DI_XRES] &= (uint16_t)~7;
    if (!r[DI_XRES])
        r[DI_XRES] = 8;
    if (r[DI_XRES] > VGA_MAX_WIDTH)
        r[DI_XRES] = VGA_MAX_WIDTH;
    if (!r[DI_YRES])
        r[DI_YRES] = 1;
    if (r[DI_YRES] > VGA_MAX_HEIGHT)
        r[DI_YRES] = VGA_MAX_HEIGHT;
    r[DI_VIRT_WIDTH] &= (uint16_t)~7;
    if (r[DI_VIRT_WIDTH] < r[DI_XRES])
        r[DI_VIRT_WIDTH] = r[DI_XRES];
    uint32_t line = vga_line_bytes(v);
    uint32_t lines = VRAM_SIZE / line;
    if (lines < r[DI_YRES]) { /* too wide for the memory */
        r[DI_VIRT_WIDTH] = r[DI_XRES];
        line = vga_line_bytes(v);
        lines = VRAM_SIZE / line;
        if (lines < r[DI_YRES])
            r[DI_YRES] = (uint16_t)lines;
    }
    r[DI_VIRT_HEIGHT] = (uint16_t)(lines > 0xffff ? 0xffff : lines);
    if (r[DI_X_OFFSET] > r[DI_VIRT_WIDTH] - r[DI_XRES])
        r[DI_X_OFFSET] = (uint16_t)(r[DI_VIRT_WIDTH] - r[DI_XRES]);
    if (r[DI_Y_OFFSET] > r[DI_VIRT_HEIGHT] - r[DI_YRES])
        r[DI_Y_OFFSET] = (uint16_t)(r[DI_VIRT_HEIGHT] - r[DI_YRES]);
}

/* Into a VBE mode: the VGA registers follow, so that the window at A0000h is right. */
static void dispi_enable(struct vga *v, uint16_t val)
{
    bool was = vga_vbe(v);
    bool on = val & DI_ENABLED;
    v->di[DI_ENABLE] = val & (DI_ENABLED | DI_GETCAPS | DI_8BIT_DAC | DI_LFB | DI_NOCLEAR);
    if (on && !was) {
        v->di[DI_VIRT_WIDTH] = 0;
        v->di[DI_X_OFFSET] = v->di[DI_Y_OFFSET] = 0;
        v->di[DI_BANK] = 0;
        dispi_fix(v);
        if (!(val & DI_NOCLEAR)) {
            uint64_t n = (uint64_t)vga_line_bytes(v) * v->di[DI_YRES];
            memset(v->vram, 0, n < VRAM_SIZE ? n : VRAM_SIZE);
        }
        v->gr[GR_MISC] = (uint8_t)((v->gr[GR_MISC] & ~0x0c) | 0x05);
        v->cr[0x17] |= 3;
        v->cr[0x11] &= (uint8_t)~CR11_PROTECT;
        if (v->di[DI_BPP] == 4) {
            v->sr[SR_MEM_MODE] &= (uint8_t)~SR4_CHAIN4;
            v->gr[GR_MODE] &= (uint8_t)~0x70;
        } else {
            v->sr[SR_MEM_MODE] |= SR4_CHAIN4;
            v->sr[SR_MAP_MASK] |= 15;
            v->gr[GR_MODE] = (uint8_t)((v->gr[GR_MODE] & ~0x70) | 0x40);
        }
        LOG(vga, "VBE mode %ux%ux%u", v->di[DI_XRES], v->di[DI_YRES], v->di[DI_BPP]);
    } else if (!on && was) {
        v->di[DI_BANK] = 0;
    }
}

static void dispi_write(struct vga *v, unsigned reg, uint16_t val)
{
    LOG(vga, "dispi write %u: %04x", reg, val);
    switch (reg) {
    case DI_ID:
        if (val >= DISPI_ID_MIN && val <= DISPI_ID)
            v->di[DI_ID] = val;
        break;
    case DI_XRES:
    case DI_YRES:
    case DI_BPP:
        if (!vga_vbe(v))
            v->di[reg] = val;
        break;
    case DI_BANK: v->di[DI_BANK] = val & ((VRAM_SIZE >> 16) - 1); break;
    case DI_ENABLE: dispi_enable(v, val); break;
    case DI_VIRT_WIDTH:
    case DI_X_OFFSET:
    case DI_Y_OFFSET:
        v->di[reg] = val;
        if (vga_vbe(v))
            dispi_fix(v);
        break;
    default: break;
    }
    update_access(v);
}

static uint32_t dispi_port_read(void *opaque, uint16_t port, unsigned size)
{
    struct vga *v = opaque;
    (void)size;
    return port == 0x1ce ? v->di_index : dispi_read(v, v->di_index);
}

static void dispi_port_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct vga *v = opaque;
    (void)size;
    if (port == 0x1ce)
        v->di_index = (uint16_t)val;
    else
        dispi_write(v, v->di_index, (uint16_t)val);
}

/* ---- VGA registers ---- */

/* Input status 1: where the beam is, from the virtual clock. */
static uint8_t beam(struct vga *v)
{
    const tick_t line = 31778;            /* ns: 31.5 kHz */
    bool tall = (v->misc & 0xc0) == 0xc0; /* 480 lines at 60 Hz; else 400 at 70 Hz */
    unsigned lines = tall ? 525 : 449;
    unsigned shown = tall ? 480 : 400;
    tick_t at = bus_now(v->dev.bus) % (line * lines);
    unsigned y = (unsigned)(at / line);
    bool hblank = at % line > line * 4 / 5;
    uint8_t st = 0;
    if (y >= shown || hblank)
        st |= 0x01;
    if (y >= shown + 10 && y < shown + 14)
        st |= 0x08;
    return st;
}

static uint8_t read_reg(struct vga *v, unsigned port)
{
    uint8_t val;
    /* 3B4h, 3B5h, 3BAh answer in monochrome modes, 3D4h, 3D5h, 3DAh in colour ones. */
    if ((port & 0x3f0) == (v->misc & 1 ? 0x3b0u : 0x3d0u))
        return 0xff;
    switch (port) {
    case 0x3c0: return v->ar_index;
    case 0x3c1: return v->ar[v->ar_index & 31];
    case 0x3c2: return 0x10; /* switch sense: a colour monitor */
    case 0x3c3: return 1;
    case 0x3c4: return v->sr_index;
    case 0x3c5: return v->sr[v->sr_index & 7];
    case 0x3c6: return v->dac_mask;
    case 0x3c7: return v->dac_state;
    case 0x3c8: return v->dac_write;
    case 0x3c9:
        val = v->dac[v->dac_read * 3 + v->dac_phase];
        if (++v->dac_phase == 3) {
            v->dac_phase = 0;
            v->dac_read++;
        }
        return val;
    case 0x3ca: return v->feature;
    case 0x3cc: return v->misc;
    case 0x3ce: return v->gr_index;
    case 0x3cf: return v->gr[v->gr_index & 15];
    case 0x3b4:
    case 0x3d4: return v->cr_index;
    case 0x3b5:
    case 0x3d5: return v->cr_index < 32 ? v->cr[v->cr_index] : 0xff;
    case 0x3ba:
    case 0x3da: v->ar_data = false; return beam(v);
    default: return 0xff;
    }
}

static void write_attribute(struct vga *v, uint8_t val)
{
    if (!v->ar_data) {
        v->ar_index = val & 0x3f;
    } else {
        unsigned n = v->ar_index & 31;
        if (n < 16)
            v->ar[n] = val & 0x3f;
        else if (n == 0x10)
            v->ar[n] = val & 0xef;
        else if (n == 0x12)
            v->ar[n] = val & 0x3f;
        else if (n == 0x13 || n == 0x14)
            v->ar[n] = val & 0x0f;
        else if (n == 0x11)
            v->ar[n] = val;
    }
    v->ar_data = !v->ar_data;
}

static void write_crtc(struct vga *v, uint8_t val)
{
    unsigned n = v->cr_index;
    if (n > 0x18)
        return;
    if ((v->cr[0x11] & CR11_PROTECT) && n <= 7) {
        if (n == 7) /* only the line compare bit */
            v->cr[7] = (uint8_t)((v->cr[7] & ~0x10) | (val & 0x10));
        return;
    }
    v->cr[n] = val;
}

static void write_dac(struct vga *v, uint8_t val)
{
    v->dac_cache[v->dac_phase] = val;
    if (++v->dac_phase < 3)
        return;
    v->dac_phase = 0;
    bool wide = v->di[DI_ENABLE] & DI_8BIT_DAC;
    for (unsigned i = 0; i < 3; i++)
        v->dac[v->dac_write * 3 + i] = wide ? v->dac_cache[i] : v->dac_cache[i] & 0x3f;
    v->dac_write++;
}

static void write_reg(struct vga *v, unsigned port, uint8_t val)
{
    static const uint8_t gr_mask[16] = { 15, 15, 15, 31, 3, 0x7b, 15, 15, 255 };
    static const uint8_t sr_mask[8] = { 3, 0x3d, 15, 0x3f, 14 };
    if ((port & 0x3f0) == (v->misc & 1 ? 0x3b0u : 0x3d0u))
        return;
    LOG(vga, "write %03x: %02x", port, val);
    v->dirty = true;
    switch (port) {
    case 0x3c0: write_attribute(v, val); break;
    case 0x3c2: v->misc = val & 0xef; break;
    case 0x3c4: v->sr_index = val & 7; break;
    case 0x3c5:
        v->sr[v->sr_index] = val & sr_mask[v->sr_index];
        update_access(v);
        break;
    case 0x3c6: v->dac_mask = val; break;
    case 0x3c7:
        v->dac_read = val;
        v->dac_phase = 0;
        v->dac_state = 3;
        break;
    case 0x3c8:
        v->dac_write = val;
        v->dac_phase = 0;
        v->dac_state = 0;
        break;
    case 0x3c9: write_dac(v, val); break;
    case 0x3ce: v->gr_index = val & 15; break;
    case 0x3cf:
        v->gr[v->gr_index] = val & gr_mask[v->gr_index];
        update_access(v);
        break;
    case 0x3b4:
    case 0x3d4: v->cr_index = val; break;
    case 0x3b5:
    case 0x3d5: write_crtc(v, val); break;
    case 0x3ba:
    case 0x3da: v->feature = val & 0x10; break;
    default: break;
    }
}

static uint32_t vga_read(void *opaque, uint16_t port, unsigned size)
{
    (void)size;
    return read_reg(opaque, port);
}

static void vga_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    (void)size;
    write_reg(opaque, port, (uint8_t)val);
}

/* ---- BAR2: the same by memory ---- */

static uint64_t regs_read(void *opaque, gpa_t offset, unsigned size)
{
    struct vga *v = opaque;
    unsigned at = (unsigned)offset & 0xfff;
    if (at >= 0x400 && at < 0x420) {
        uint64_t val = 0;
        for (unsigned i = 0; i < size; i++)
            val |= (uint64_t)read_reg(v, 0x3c0 + at - 0x400 + i) << (8 * i);
        return val;
    }
    if (at >= 0x500 && at < 0x500 + 2 * DI_COUNT)
        return dispi_read(v, (at - 0x500) / 2) >> (8 * (at & 1));
    if (at == 0x600) /* length of the extended registers: this and the byte order */
        return 8;
    if (at == 0x604)
        return 0x1e1e1e1e; /* little-endian */
    return 0;
}

static void regs_write(void *opaque, gpa_t offset, uint64_t val, unsigned size)
{
    struct vga *v = opaque;
    unsigned at = (unsigned)offset & 0xfff;
    if (at >= 0x400 && at < 0x420) {
        for (unsigned i = 0; i < size && at + i < 0x420; i++)
            write_reg(v, 0x3c0 + at - 0x400 + i, (uint8_t)(val >> (8 * i)));
    } else if (at >= 0x500 && at < 0x500 + 2 * DI_COUNT && !(at & 1)) {
        dispi_write(v, (at - 0x500) / 2, (uint16_t)val);
    }
}

/* ---- the device ---- */

static void vga_reset(struct device *dev)
{
    struct vga *v = (struct vga *)dev;
    pci_dev_reset(&v->pci);
    v->sr_index = v->gr_index = v->cr_index = v->ar_index = 0;
    memset(v->sr, 0, sizeof v->sr);
    memset(v->gr, 0, sizeof v->gr);
    memset(v->cr, 0, sizeof v->cr);
    memset(v->ar, 0, sizeof v->ar);
    memset(v->dac, 0, sizeof v->dac);
    memset(v->di, 0, sizeof v->di);
    v->di[DI_ID] = DISPI_ID;
    v->di_index = 0;
    v->ar_data = false;
    v->misc = v->feature = 0;
    v->dac_mask = 0xff;
    v->dac_read = v->dac_write = v->dac_state = v->dac_phase = 0;
    v->latch = 0;
    memset(v->vram, 0, VRAM_SIZE);
    update_access(v);
}

static void vga_post_load(void *obj)
{
    struct vga *v = obj;
    v->sr_index &= 7;
    v->gr_index &= 15;
    v->dac_phase %= 3;
    if (v->di[DI_ENABLE] & DI_ENABLED)
        dispi_fix(v);
    v->di[DI_BANK] &= (VRAM_SIZE >> 16) - 1;
    update_access(v);
}

#define V struct vga
static const struct state_field vga_fields[] = { FIELD_STRUCT(V, pci, &pci_dev_state),
                                                 FIELD_U8(V, sr_index),
                                                 FIELD_U8(V, gr_index),
                                                 FIELD_U8(V, cr_index),
                                                 FIELD_U8(V, ar_index),
                                                 FIELD_U8_ARRAY(V, sr),
                                                 FIELD_U8_ARRAY(V, gr),
                                                 FIELD_U8_ARRAY(V, cr),
                                                 FIELD_U8_ARRAY(V, ar),
                                                 FIELD_BOOL(V, ar_data),
                                                 FIELD_U8(V, misc),
                                                 FIELD_U8(V, feature),
                                                 FIELD_U8(V, dac_mask),
                                                 FIELD_U8(V, dac_read),
                                                 FIELD_U8(V, dac_write),
                                                 FIELD_U8(V, dac_state),
                                                 FIELD_U8(V, dac_phase),
                                                 FIELD_BYTES(V, dac_cache),
                                                 FIELD_BYTES(V, dac),
                                                 FIELD_U32(V, latch),
                                                 FIELD_U16(V, di_index),
                                                 FIELD_U16_ARRAY(V, di),
                                                 FIELD_BUFFER(V, vram, vram_len),
                                                 FIELD_END };
static const struct state_desc vga_state = {
    .name = "vga", .version = 1, .fields = vga_fields, .post_load = vga_post_load
};

static void dump_bytes(FILE *f, const char *name, const uint8_t *p, unsigned n)
{
    fprintf(f, "%s:", name);
    for (unsigned i = 0; i < n; i++)
        fprintf(f, " %02x", p[i]);
    fputc('\n', f);
}

static void vga_dump(struct device *dev, FILE *f)
{
    struct vga *v = (struct vga *)dev;
    unsigned w, h;
    vga_size(v, &w, &h);
    fprintf(f, "%s, %u x %u, misc %02x, window access %u\n",
            vga_vbe(v)       ? "VBE mode"
            : vga_is_text(v) ? "text mode"
                             : "graphics mode",
            w, h, v->misc, v->access);
    dump_bytes(f, "sequencer", v->sr, 5);
    dump_bytes(f, "crtc", v->cr, 25);
    dump_bytes(f, "graphics", v->gr, 9);
    dump_bytes(f, "attribute", v->ar, 21);
    fprintf(f, "dispi:");
    for (unsigned i = 0; i < DI_COUNT; i++)
        fprintf(f, " %04x", v->di[i]);
    fputc('\n', f);
}

struct props {
    struct pci_bus *pci;
    int devfn;
};

static int vga_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { vga_read, vga_write, 1, 1 };
    static const struct port_ops dispi_ops = { dispi_port_read, dispi_port_write, 2, 2 };
    static const struct mmio_ops a_ops = { window_a_read, window_a_write, 1, 8 };
    static const struct mmio_ops b_ops = { window_b_read, window_b_write, 1, 8 };
    static const struct mmio_ops regs_ops = { regs_read, regs_write, 1, 4 };
    struct vga *v = (struct vga *)dev;
    struct bus *bus = dev->bus;
    const struct props *p = props;
    int err = pci_dev_init(&v->pci, p->pci, p->devfn, 0x1234, 0x1111, 0x030000, 2, "vga", v);
    if (err)
        return err;
    v->vram_len = VRAM_SIZE;
    v->vram = bus_ram_alloc(bus, VRAM_SIZE, "vga memory");
    if (!v->vram)
        return bus_error(bus, "no memory for the VGA");
    bus_port_add(bus, 0x3b0, 12, &ops, v, "vga");
    bus_port_add(bus, 0x3c0, 32, &ops, v, "vga");
    bus_port_add(bus, 0x1ce, 1, &dispi_ops, v, "vga dispi");
    bus_port_add(bus, 0x1cf, 2, &dispi_ops, v, "vga dispi");
    v->window_a = bus_mmio_add(bus, LEGACY, 0x10000, &a_ops, v, "vga window");
    v->window_b = bus_mmio_add(bus, LEGACY + 0x10000, 0x10000, &b_ops, v, "vga text");
    v->direct = bus_ram_add(bus, GPA_NONE, 0x10000, v->vram, true, "vga window");
    pci_bar_mem(&v->pci, 0, VRAM_SIZE, bus_ram_add(bus, GPA_NONE, VRAM_SIZE, v->vram, true, "vga memory"), true);
    pci_bar_mem(&v->pci, 2, 4096, bus_mmio_add(bus, GPA_NONE, 4096, &regs_ops, v, "vga registers"), false);
    return 0;
}

static const struct device_class vga_class = {
    .name = "vga",
    .size = sizeof(struct vga),
    .init = vga_init,
    .reset = vga_reset,
    .state = &vga_state,
    .dump = vga_dump,
};

struct vga *vga_create(struct bus *bus, struct pci_bus *pci, int devfn)
{
    const struct props props = { pci, devfn };
    return bus_add_device(bus, &vga_class, NULL, &props);
}
