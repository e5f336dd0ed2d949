/* vga_draw.c - the picture: text, planar, CGA, 256-colour and VBE modes into XRGB8888, the text
 * screen as UTF-8. Reads the registers and memory of vga.c and changes nothing there.
 *
 * A VGA line that is shown several times (double scan, maximum scan line in graphics modes) is
 * drawn once, so mode 13h is 320 x 200.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/display/vga_int.h"

#include <errno.h>
#include <stdlib.h>

#define BLINK_TIME (TICKS_PER_SEC / 4)

/* Code page 437. */
static const uint16_t cp437[256] = {
    0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9, 0x2642, 0x2640, 0x266a,
    0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7, 0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190,
    0x221f, 0x2194, 0x25b2, 0x25bc, 0x0020, 0x0021, 0x0022, 0x0023, 0x0024, 0x0025, 0x0026, 0x0027, 0x0028, 0x0029,
    0x002a, 0x002b, 0x002c, 0x002d, 0x002e, 0x002f, 0x0030, 0x0031, 0x0032, 0x0033, 0x0034, 0x0035, 0x0036, 0x0037,
    0x0038, 0x0039, 0x003a, 0x003b, 0x003c, 0x003d, 0x003e, 0x003f, 0x0040, 0x0041, 0x0042, 0x0043, 0x0044, 0x0045,
    0x0046, 0x0047, 0x0048, 0x0049, 0x004a, 0x004b, 0x004c, 0x004d, 0x004e, 0x004f, 0x0050, 0x0051, 0x0052, 0x0053,
    0x0054, 0x0055, 0x0056, 0x0057, 0x0058, 0x0059, 0x005a, 0x005b, 0x005c, 0x005d, 0x005e, 0x005f, 0x0060, 0x0061,
    0x0062, 0x0063, 0x0064, 0x0065, 0x0066, 0x0067, 0x0068, 0x0069, 0x006a, 0x006b, 0x006c, 0x006d, 0x006e, 0x006f,
    0x0070, 0x0071, 0x0072, 0x0073, 0x0074, 0x0075, 0x0076, 0x0077, 0x0078, 0x0079, 0x007a, 0x007b, 0x007c, 0x007d,
    0x007e, 0x2302, 0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
    0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff, 0x00d6,
    0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1, 0x00aa, 0x00ba,
    0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593, 0x2502, 0x2524, 0x2561,
    0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510, 0x2514, 0x2534, 0x252c, 0x251c,
    0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560, 0x2550, 0x256c, 0x2567, 0x2568, 0x2564,
    0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518, 0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580,
    0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5, 0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6,
    0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264, 0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a,
    0x207f, 0x00b2, 0x25a0, 0x00a0,
};

/* What the CRTC registers say. */
struct screen {
    bool text;
    bool blank;
    unsigned chars; /* characters (8 or 9 dots) a line */
    unsigned char_width;
    unsigned scan_lines;  /* shown */
    unsigned repeat;      /* scan lines a drawn line */
    unsigned cell_height; /* maximum scan line + 1 */
    unsigned width, height;
    unsigned line_compare;
    uint32_t start; /* planar address */
    uint32_t pitch;
};

static bool double_scan(const struct vga *v) { return v->cr[9] & 0x80; }

static void get_screen(const struct vga *v, struct screen *s)
{
    const uint8_t *cr = v->cr;
    s->text = !vga_vbe(v) && !(v->gr[6] & 1);
    s->blank = (v->sr[1] & 0x20) || !(v->ar_index & 0x20);
    if (vga_vbe(v)) {
        s->blank = false;
        s->width = v->di[DI_XRES];
        s->height = v->di[DI_YRES];
        return;
    }
    s->chars = cr[1] + 1u;
    s->char_width = s->text && !(v->sr[1] & 1) ? 9 : 8;
    s->scan_lines = (cr[0x12] | (cr[7] & 2u) << 7 | (cr[7] & 0x40u) << 3) + 1u;
    s->line_compare = cr[0x18] | (cr[7] & 0x10u) << 4 | (cr[9] & 0x40u) << 3;
    s->cell_height = (cr[9] & 31u) + 1;
    s->start = (uint32_t)cr[0x0c] << 8 | cr[0x0d];
    s->pitch = cr[0x13] * 2u;
    s->repeat = double_scan(v) ? 2 : 1;
    if (s->text) {
        s->width = s->chars * s->char_width;
    } else {
        /* 256 colours: two clocks a dot. */
        s->width = s->chars * (v->gr[5] & 0x40 ? 4 : 8);
        if (!(~cr[0x17] & 3)) /* the scan line in the cell takes no part in the address */
            s->repeat *= s->cell_height;
    }
    s->height = s->scan_lines / s->repeat;
    if (!s->height)
        s->height = 1;
}

bool vga_is_text(struct vga *v) { return !vga_vbe(v) && !(v->gr[6] & 1); }

void vga_size(struct vga *v, unsigned *width, unsigned *height)
{
    struct screen s;
    get_screen(v, &s);
    *width = s.width < 1 ? 1 : s.width > VGA_MAX_WIDTH ? VGA_MAX_WIDTH : s.width;
    *height = s.height < 1 ? 1 : s.height > VGA_MAX_HEIGHT ? VGA_MAX_HEIGHT : s.height;
}

static bool blink_on(struct vga *v) { return bus_now(v->dev.bus) / BLINK_TIME & 1; }

bool vga_changed(struct vga *v)
{
    tick_t blink = bus_now(v->dev.bus) / BLINK_TIME;
    if (v->dirty || !vga_is_text(v) || blink != v->last_blink)
        return true; /* linear memory is written behind our back */
    return false;
}

/* ---- colours ---- */

static uint32_t dac_colour(const struct vga *v, unsigned n)
{
    const uint8_t *p = v->dac + 3 * (n & v->dac_mask & 0xff);
    if (v->di[DI_ENABLE] & DI_8BIT_DAC)
        return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    return ((p[0] & 63u) * 255 / 63) << 16 | ((p[1] & 63u) * 255 / 63) << 8 | ((p[2] & 63u) * 255 / 63);
}

/* The 16 colours through the attribute controller. */
static void get_palette(const struct vga *v, uint32_t palette[16])
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned n = v->ar[i] & 0x3f;
        if (v->ar[0x10] & 0x80)
            n = (n & 15) | (v->ar[0x14] & 15u) << 4;
        else
            n |= (v->ar[0x14] & 12u) << 4;
        palette[i] = dac_colour(v, n);
    }
}

/* ---- text ---- */

static uint32_t font_at(unsigned n) { return (n & 3) * 0x4000 + (n & 4 ? 0x2000 : 0); }

/* One scan line of a character row. */
static void text_line(struct vga *v, const struct screen *s, const uint32_t palette[16], uint32_t row, unsigned scan,
                      bool blink, unsigned pan, uint32_t *out, unsigned width)
{
    unsigned map = v->sr[3];
    uint32_t font_b = font_at((map & 3) | (map >> 2 & 4));
    uint32_t font_a = font_at((map >> 2 & 3) | (map >> 3 & 4));
    uint32_t cursor = (uint32_t)v->cr[0x0e] << 8 | v->cr[0x0f];
    unsigned c_first = v->cr[0x0a] & 31;
    unsigned c_last = v->cr[0x0b] & 31;
    bool cursor_row = !(v->cr[0x0a] & 0x20) && blink && scan >= c_first && scan <= c_last;
    bool blinks = v->ar[0x10] & 8;
    unsigned x = 0;

    for (unsigned i = 0; x < width + pan; i++) {
        uint32_t at = row + i;
        const uint8_t *cell = v->vram + 4 * (at & PLANE_MASK);
        unsigned ch = cell[0];
        unsigned attr = cell[1];
        uint32_t font = attr & 8 ? font_a : font_b;
        unsigned bits = v->vram[4 * (font + ch * 32 + (scan & 31)) + 2];
        uint32_t fg = palette[attr & 15];
        uint32_t bg = palette[blinks ? attr >> 4 & 7 : attr >> 4];
        bits <<= 1;
        if ((v->ar[0x10] & 4) && (ch & 0xe0) == 0xc0)
            bits |= bits >> 1 & 1;
        if (scan == (v->cr[0x14] & 31u) && (attr & 0x77) == 1)
            bits = 0x1ff; /* underline */
        if (blinks && (attr & 0x80) && blink)
            bits = 0;
        if (cursor_row && at == cursor)
            bits = 0x1ff;
        for (unsigned k = 0; k < s->char_width; k++, x++)
            if (x >= pan && x - pan < width)
                out[x - pan] = bits & (0x100u >> k) ? fg : bg;
    }
}

static void draw_text(struct vga *v, const struct screen *s, uint32_t *pixels, unsigned width, unsigned height,
                      size_t stride)
{
    uint32_t palette[16];
    bool blink = blink_on(v);
    uint32_t row = s->start + (v->cr[8] >> 5 & 3u);
    unsigned scan = v->cr[8] & 31;
    unsigned pan = v->ar[0x13] & 15;

    pan = s->char_width == 9 ? (pan >= 8 ? 0 : pan + 1) : pan & 7;
    get_palette(v, palette);
    for (unsigned y = 0; y < height; y++) {
        text_line(v, s, palette, row, scan, blink, pan, pixels, width);
        pixels = (uint32_t *)(void *)((char *)pixels + stride);
        if ((y + 1) * s->repeat > s->line_compare && y * s->repeat <= s->line_compare) {
            row = 0;
            scan = 0;
            if (v->ar[0x10] & 0x20)
                pan = 0;
        } else if (++scan >= s->cell_height) {
            scan = 0;
            row += s->pitch;
        }
    }
}

/* ---- VGA graphics ---- */

/* The planar address of a CRTC count, with the scan line's bits in it. */
static uint32_t crtc_address(const struct vga *v, uint32_t count, unsigned scan)
{
    unsigned shift = v->cr[0x14] & 0x40 ? 2 : v->cr[0x17] & 0x40 ? 0 : 1;
    if (!(v->cr[0x17] & 1)) {
        uint32_t bit = 1u << (13 - shift);
        count = (count & ~bit) | (scan & 1 ? bit : 0);
    }
    if (!(v->cr[0x17] & 2)) {
        uint32_t bit = 1u << (14 - shift);
        count = (count & ~bit) | (scan & 2 ? bit : 0);
    }
    return count & 0xffff;
}

static void graphics_line(const struct vga *v, const uint32_t palette[16], uint32_t row, unsigned scan, unsigned pan,
                          uint32_t *out, unsigned width)
{
    unsigned mode = v->gr[5] >> 5 & 3;
    unsigned enable = v->ar[0x12] & 15;
    bool linear256 = mode >= 2;
    unsigned step = linear256 ? 4 : 8;

    pan = linear256 ? pan >> 1 & 3 : pan & 7;
    for (unsigned x = 0, i = 0; x < width + pan; i++) {
        const uint8_t *p = v->vram + 4 * (crtc_address(v, row + i, scan) & PLANE_MASK);
        for (unsigned k = 0; k < step; k++, x++) {
            unsigned c;
            if (x < pan || x - pan >= width)
                continue;
            if (linear256) {
                out[x - pan] = dac_colour(v, p[k]);
                continue;
            }
            if (mode == 1) { /* CGA: two bits a dot from the even, then the odd planes */
                unsigned s = 6 - 2 * (k & 3);
                unsigned odd = k >> 2;
                c = (p[odd] >> s & 3u) | (p[2 + odd] >> s & 3u) << 2;
            } else {
                unsigned s = 7 - k;
                c = (p[0] >> s & 1u) | (p[1] >> s & 1u) << 1 | (p[2] >> s & 1u) << 2 | (p[3] >> s & 1u) << 3;
            }
            out[x - pan] = palette[c & enable];
        }
    }
}

static void draw_graphics(struct vga *v, const struct screen *s, uint32_t *pixels, unsigned width, unsigned height,
                          size_t stride)
{
    uint32_t palette[16];
    unsigned pan = v->ar[0x13] & 15;
    uint32_t start = s->start + (v->cr[8] >> 5 & 3u);
    unsigned base = 0;
    bool split = false;
    unsigned doubled = double_scan(v) ? 2 : 1;

    get_palette(v, palette);
    for (unsigned y = 0; y < height; y++) {
        unsigned line = y * s->repeat;
        if (line > s->line_compare && !split) {
            split = true;
            start = 0;
            base = line;
            if (v->ar[0x10] & 0x20)
                pan = 0;
        }
        unsigned n = (line - base) / doubled + (split ? 0 : v->cr[8] & 31u);
        uint32_t row = start + n / s->cell_height * s->pitch;
        graphics_line(v, palette, row, n % s->cell_height, pan, pixels, width);
        pixels = (uint32_t *)(void *)((char *)pixels + stride);
    }
}

/* ---- VBE ---- */

static void vbe_line(const struct vga *v, const uint32_t *palette, size_t at, uint32_t *out, unsigned width)
{
    const uint8_t *p = v->vram + at;
    switch (v->di[DI_BPP]) {
    case 8:
        for (unsigned x = 0; x < width; x++)
            out[x] = palette[p[x]];
        break;
    case 15:
        for (unsigned x = 0; x < width; x++) {
            unsigned c = load16(p + 2 * x);
            unsigned r = c >> 10 & 31, g = c >> 5 & 31, b = c & 31;
            out[x] = (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
        }
        break;
    case 16:
        for (unsigned x = 0; x < width; x++) {
            unsigned c = load16(p + 2 * x);
            unsigned r = c >> 11, g = c >> 5 & 63, b = c & 31;
            out[x] = (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
        }
        break;
    case 24:
        for (unsigned x = 0; x < width; x++)
            out[x] = p[3 * x] | (uint32_t)p[3 * x + 1] << 8 | (uint32_t)p[3 * x + 2] << 16;
        break;
    case 32:
        for (unsigned x = 0; x < width; x++)
            out[x] = load32(p + 4 * x) & 0xffffff;
        break;
    default: /* 4: planar, four bytes hold eight dots */
        for (unsigned x = 0; x < width; x++) {
            const uint8_t *q = p + 4 * (x / 8);
            unsigned s = 7 - x % 8;
            out[x] = palette[(q[0] >> s & 1u) | (q[1] >> s & 1u) << 1 | (q[2] >> s & 1u) << 2 | (q[3] >> s & 1u) << 3];
        }
        break;
    }
}

static void draw_vbe(struct vga *v, uint32_t *pixels, unsigned width, unsigned height, size_t stride)
{
    uint32_t palette[256];
    size_t line = vga_line_bytes(v);
    unsigned bpp = v->di[DI_BPP] == 15 ? 16 : v->di[DI_BPP];
    size_t at = (size_t)v->di[DI_Y_OFFSET] * line + (size_t)v->di[DI_X_OFFSET] * bpp / 8;

    if (bpp == 4) {
        at &= ~(size_t)3;
        get_palette(v, palette);
    } else if (bpp == 8) {
        for (unsigned i = 0; i < 256; i++)
            palette[i] = dac_colour(v, i);
    }
    for (unsigned y = 0; y < height; y++) {
        if (at + (size_t)width * bpp / 8 + 4 > VRAM_SIZE + 4)
            break;
        vbe_line(v, palette, at, pixels, width);
        at += line;
        pixels = (uint32_t *)(void *)((char *)pixels + stride);
    }
}

void vga_render(struct vga *v, uint32_t *pixels, unsigned width, unsigned height, size_t stride)
{
    struct screen s;
    unsigned w, h;

    vga_size(v, &w, &h);
    get_screen(v, &s);
    w = w < width ? w : width;
    h = h < height ? h : height;
    v->dirty = false;
    v->last_blink = bus_now(v->dev.bus) / BLINK_TIME;
    if (s.blank) {
        for (unsigned y = 0; y < h; y++)
            memset((char *)pixels + y * stride, 0, w * sizeof *pixels);
    } else if (vga_vbe(v)) {
        draw_vbe(v, pixels, w, h, stride);
    } else if (s.text) {
        draw_text(v, &s, pixels, w, h, stride);
    } else {
        draw_graphics(v, &s, pixels, w, h, stride);
    }
}

/* ---- for people ---- */

static void put_utf8(FILE *f, unsigned c)
{
    if (c < 0x80) {
        fputc((int)c, f);
    } else if (c < 0x800) {
        fputc((int)(0xc0 | c >> 6), f);
        fputc((int)(0x80 | (c & 63)), f);
    } else {
        fputc((int)(0xe0 | c >> 12), f);
        fputc((int)(0x80 | (c >> 6 & 63)), f);
        fputc((int)(0x80 | (c & 63)), f);
    }
}

int vga_text(struct vga *v, FILE *f)
{
    struct screen s;

    get_screen(v, &s);
    if (!s.text)
        return -1;
    unsigned rows = s.scan_lines / s.repeat / s.cell_height;
    for (unsigned y = 0; y < rows; y++) {
        uint32_t row = s.start + y * s.pitch;
        unsigned len = 0;
        for (unsigned x = 0; x < s.chars; x++) {
            uint8_t ch = v->vram[4 * ((row + x) & PLANE_MASK)];
            if (ch && ch != ' ' && ch != 0xff)
                len = x + 1;
        }
        for (unsigned x = 0; x < len; x++)
            put_utf8(f, cp437[v->vram[4 * ((row + x) & PLANE_MASK)]]);
        fputc('\n', f);
    }
    return 0;
}

int vga_write_ppm(struct vga *v, FILE *f)
{
    unsigned w, h;
    vga_size(v, &w, &h);
    uint32_t *pixels = calloc((size_t)w * h, sizeof *pixels);
    uint8_t *line = malloc(3 * (size_t)w);
    int rc = pixels && line ? 0 : -ENOMEM;
    if (!rc) {
        bool dirty = v->dirty;
        vga_render(v, pixels, w, h, (size_t)w * sizeof *pixels);
        v->dirty = dirty; /* the window has not been drawn */
        fprintf(f, "P6\n%u %u\n255\n", w, h);
        for (unsigned y = 0; y < h; y++) {
            for (unsigned x = 0; x < w; x++) {
                uint32_t c = pixels[(size_t)y * w + x];
                line[3 * x] = (uint8_t)(c >> 16);
                line[3 * x + 1] = (uint8_t)(c >> 8);
                line[3 * x + 2] = (uint8_t)c;
            }
            fwrite(line, 3, w, f);
        }
        if (ferror(f))
            rc = -EIO;
    }
    free(pixels);
    free(line);
    return rc;
}
