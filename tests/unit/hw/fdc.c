/* fdc.c - the floppy disk controller by its registers (82077AA datasheet 290166): the phases of every command, what
 * becomes of addresses, the ends of transfers, resets, the disk change line, and both ways data can take.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/hw/disks.h"

#define DOR     0x3f2
#define MSR     0x3f4
#define DSR     0x3f4
#define FIFO    0x3f5
#define DIR     0x3f7
#define CCR     0x3f7
#define RQM     0x80
#define DIO     0x40
#define NDMA    0x20
#define BUSY    0x10
#define IRQ     6
#define SECTORS 2880u /* 80 cylinders, 2 heads, 18 sectors */
#define TO      0x20000u

enum { TO_MEMORY = 0x46, TO_DISK = 0x4a, VERIFY = 0x42 }; /* modes of DMA channel 2 */

static struct block *disk, *none;
static struct test_board *b;
static uint8_t res[16];

/* Bytes to the FIFO, each when the controller takes one. */
static void put(unsigned n, const uint8_t *p)
{
    while (n--) {
        ck_assert_uint_eq(board_in(b, MSR) & (RQM | DIO), RQM);
        board_out(b, FIFO, *p++);
    }
}

#define PUT(...) put(sizeof((const uint8_t[]){ __VA_ARGS__ }), (const uint8_t[]){ __VA_ARGS__ })

/* The result phase: returns the number of bytes. */
static unsigned results(void)
{
    unsigned n = 0;

    while ((board_in(b, MSR) & (RQM | DIO)) == (RQM | DIO)) {
        ck_assert_uint_eq(board_in(b, MSR) & BUSY, BUSY);
        ck_assert_uint_lt(n, sizeof res);
        res[n++] = board_in(b, FIFO);
    }
    ck_assert_uint_eq(board_in(b, MSR) & (RQM | DIO | BUSY), RQM);
    return n;
}

/* SENSE INTERRUPT: ST0 and track, or 80h alone. */
static unsigned sense(void)
{
    PUT(0x08);
    unsigned n = results();

    ck_assert_uint_eq(n, res[0] == 0x80 ? 1 : 2);
    return n == 1 ? 0x8000 : (unsigned)res[0] << 8 | res[1];
}

static void expect(uint8_t st0, uint8_t st1, uint8_t st2, uint8_t c, uint8_t h, uint8_t r)
{
    const uint8_t want[] = { st0, st1, st2, c, h, r, 2 };

    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(results(), 7);
    ck_assert_msg(!memcmp(res, want, 7), "ST %02x %02x %02x C%u H%u R%u N%u instead of %02x %02x %02x C%u H%u R%u",
                  res[0], res[1], res[2], res[3], res[4], res[5], res[6], st0, st1, st2, c, h, r);
    ck_assert(!board_line(b, IRQ));
}

/* The controller out of reset, motors on, 500 kbit/s, the four polls sensed, SPECIFY with or without DMA, heads at
 * track 0. */
static void begin(bool non_dma)
{
    board_out(b, DOR, 0x00);
    board_out(b, DOR, 0x3c);
    board_out(b, CCR, 0);
    for (unsigned n = 0; n < 4; n++)
        sense();
    PUT(0x03, 0xdf, (uint8_t)(2 | non_dma));
    for (uint8_t n = 0; n < 2; n++) {
        PUT(0x07, n);
        board_advance(b, ARMED);
        sense();
    }
}

static void made_with(unsigned flags)
{
    disk = disk_image(SECTORS, flags);
    none = block_open_empty();
    b = board_with_drives(&(struct board_drives){ .floppy = { disk, none } });
    begin(false);
}

static void made(void) { made_with(0); }

static void gone(void)
{
    board_free(b);
    block_close(disk);
    block_close(none);
}

static void set_dma(unsigned mode, unsigned bytes)
{
    static const uint16_t ports[] = { 0x0a, 0x0c, 0x0b, 0x04, 0x04, 0x81, 0x05, 0x05, 0x0a, 0xd4 };
    const uint8_t values[] = {
        6, 0, (uint8_t)mode, TO & 0xff, TO >> 8 & 0xff, TO >> 16, (uint8_t)(bytes - 1), (uint8_t)((bytes - 1) >> 8),
        2, 0
    };

    for (unsigned n = 0; n < ARRAY_SIZE(ports); n++)
        board_out(b, ports[n], values[n]);
}

static void seek(uint8_t drive, uint8_t track)
{
    PUT(0x0f, drive, track);
    board_advance(b, ARMED);
    ck_assert_uint_eq(sense(), (0x20u | drive) << 8 | track);
}

/* A data command; time enough to end. */
static void data_command(uint8_t cmd, uint8_t unit, uint8_t c, uint8_t h, uint8_t r, uint8_t eot)
{
    PUT(cmd, (uint8_t)(unit | h << 2), c, h, r, 2, eot, 0x1b, 0xff);
    ck_assert_uint_eq(board_in(b, MSR) & (RQM | BUSY), BUSY);
    board_advance(b, ARMED);
}

START_TEST(reset)
{
    made();
    seek(0, 10);
    for (unsigned n = 0; n < 2; n++) {
        if (n) {
            board_out(b, DSR, 0x80); /* comes back by itself */
        } else {
            board_out(b, DOR, 0x38);
            ck_assert_uint_eq(board_in(b, MSR), 0);
            ck_assert(!board_line(b, IRQ));
            board_out(b, FIFO, 0x10);
            board_out(b, DOR, 0x3c);
        }
        board_advance(b, ARMED);
        ck_assert_uint_eq(board_in(b, MSR), RQM);
        ck_assert(board_line(b, IRQ));
        for (unsigned d = 0; d < 4; d++) {
            ck_assert_uint_eq(sense() >> 8, 0xc0 + d);
            ck_assert(!board_line(b, IRQ));
        }
        ck_assert_uint_eq(sense(), 0x8000); /* no more */
    }
    gone();
}
END_TEST

/* A reset in the midst of a command, of a result, of a seek: nothing of it is left. */
START_TEST(reset_under_way)
{
    made();
    for (unsigned n = 0; n < 4; n++) {
        if (n == 0) {
            PUT(0x46, 0, 0, 0);
        } else if (n == 1) {
            PUT(0x10);
        } else if (n == 2) {
            PUT(0x0f, 0, 20);
        } else {
            set_dma(TO_MEMORY, 512);
            PUT(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
        }
        board_out(b, DOR, 0x38);
        board_out(b, DOR, 0x3c);
        board_advance(b, ARMED);
        ck_assert_uint_eq(board_in(b, MSR), RQM);
        for (unsigned d = 0; d < 4; d++)
            ck_assert_uint_eq(sense() >> 8, 0xc0 + d);
        ck_assert_uint_eq(sense(), 0x8000);
    }
    gone();
}
END_TEST

START_TEST(interrupt_gate)
{
    made();
    board_out(b, DOR, 0x34); /* no DMA gate: no interrupt on the line */
    PUT(0x07, 0);
    board_advance(b, ARMED);
    ck_assert(!board_line(b, IRQ));
    board_out(b, DOR, 0x3c);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(sense(), 0x2000);
    ck_assert(!board_line(b, IRQ));
    gone();
}
END_TEST

START_TEST(seeks)
{
    made();
    PUT(0x0f, 0, 40);
    ck_assert_uint_eq(board_in(b, MSR) & 0x0f, 1); /* drive 0 seeks */
    ck_assert(!board_line(b, IRQ));
    board_advance(b, ARMED);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, MSR) & 0x0f, 1); /* until it is sensed */
    ck_assert_uint_eq(sense(), 0x2028);
    ck_assert_uint_eq(board_in(b, MSR), RQM);
    PUT(0x04, 0); /* SENSE DRIVE: two sides, ready; not at track 0 */
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0x28);
    PUT(0x8f, 0, 15); /* relative, outwards */
    board_advance(b, ARMED);
    ck_assert_uint_eq(sense(), 0x2019);
    PUT(0xcf, 0, 3);
    board_advance(b, ARMED);
    ck_assert_uint_eq(sense(), 0x201c);
    PUT(0x0f, 4, 2); /* head 1 */
    board_advance(b, ARMED);
    ck_assert_uint_eq(sense(), 0x2402);
    PUT(0x07, 0);
    board_advance(b, ARMED);
    ck_assert_uint_eq(sense(), 0x2000);
    PUT(0x04, 4);
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0x3c);
    PUT(0x07, 2); /* there is no drive: track 0 never appears */
    board_advance(b, ARMED);
    ck_assert_uint_eq(sense(), 0x7200);
    gone();
}
END_TEST

START_TEST(informative)
{
    made();
    PUT(0x10); /* VERSION */
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0x90);
    static const uint8_t invalid[] = { 0x00, 0x01, 0x0b, 0x1e, 0x1f, 0x54, 0xd0 };
    for (unsigned n = 0; n < sizeof invalid; n++) {
        board_out(b, FIFO, invalid[n]);
        ck_assert(!board_line(b, IRQ));
        ck_assert_uint_eq(results(), 1);
        ck_assert_uint_eq(res[0], 0x80);
    }
    PUT(0x03, 0xaf, 0x1e);
    PUT(0x13, 0, 0x57, 3); /* CONFIGURE: implied seek, threshold 8, precompensation from track 3 */
    PUT(0x12, 0x8e);       /* PERPENDICULAR MODE: drives 0 and 1, GAP */
    seek(0, 7);
    PUT(0x0e); /* DUMPREG */
    ck_assert_uint_eq(results(), 10);
    ck_assert_mem_eq(res, "\x07\0\0\0\xaf\x1e", 6);
    ck_assert_mem_eq(res + 7, "\x0e\x57\x03", 3);
    PUT(0x94); /* LOCK */
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0x10);
    board_out(b, DSR, 0x80);
    for (unsigned d = 0; d < 4; d++)
        sense();
    PUT(0x0e);
    ck_assert_uint_eq(results(), 10);
    ck_assert_mem_eq(res + 4, "\xaf\x1e", 2);
    ck_assert_mem_eq(res + 7, "\x8c\x57\x03", 3); /* kept; GAP and WGATE are not */
    PUT(0x14);
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0);
    board_out(b, DSR, 0x80);
    for (unsigned d = 0; d < 4; d++)
        sense();
    PUT(0x0e);
    ck_assert_uint_eq(results(), 10);
    ck_assert_mem_eq(res + 7, "\x0c\x20\0", 3);
    PUT(0x12, 0x03); /* without OW the drives' bits stay */
    PUT(0x0e);
    ck_assert_uint_eq(results(), 10);
    ck_assert_uint_eq(res[7], 0x0f);
    gone();
}
END_TEST

/* Where reading ends, by EOT, terminal count, the bits MT and the side. */
START_TEST(reads)
{
    made();
    set_dma(TO_MEMORY, 512);
    data_command(0x46, 0, 0, 0, 1, 18);
    expect(0, 0, 0, 0, 0, 2); /* terminal count: the next sector */
    ck_assert(sectors_at(b->ram + TO, 0, 1));
    ck_assert_uint_eq(b->ram[TO + 512], 0);
    ck_assert_uint_eq(board_in(b, 8) & 0x44, 0x04); /* the 8237 says so, and is asked for no more */
    set_dma(TO_MEMORY, 18 * 512);
    data_command(0x46, 0, 0, 0, 1, 18);
    expect(0, 0, 0, 1, 0, 1); /* at EOT: the next cylinder */
    ck_assert(sectors_at(b->ram + TO, 0, 18));
    data_command(0x46, 0, 0, 0, 1, 18); /* the channel has masked itself: an overrun, in the end */
    board_advance(b, 2000 * ARMED);
    expect(0x40, 0x10, 0, 0, 0, 1);
    set_dma(TO_MEMORY, 36 * 512); /* EOT without terminal count */
    data_command(0x46, 0, 0, 0, 17, 18);
    expect(0x40, 0x80, 0, 1, 0, 1);
    ck_assert(sectors_at(b->ram + TO, 16, 2));
    set_dma(TO_MEMORY, 36 * 512); /* MT: both sides */
    data_command(0xc6, 0, 0, 0, 1, 18);
    expect(0, 0, 0, 1, 0, 1);
    ck_assert(sectors_at(b->ram + TO, 0, 36));
    set_dma(TO_MEMORY, 18 * 512);
    data_command(0xc6, 0, 0, 0, 1, 18);
    expect(0x04, 0, 0, 0, 1, 1);
    set_dma(TO_MEMORY, 20 * 512);
    data_command(0xc6, 0, 0, 1, 1, 18);
    expect(0x40, 0x80, 0, 1, 0, 1);
    seek(0, 79);
    set_dma(TO_MEMORY, 512);
    data_command(0xe6, 0, 79, 1, 18, 18);
    expect(0, 0, 0, 80, 0, 1);
    ck_assert(sectors_at(b->ram + TO, SECTORS - 1, 1));
    /* terminal count within a sector ends it there */
    set_dma(TO_MEMORY, 700);
    memset(b->ram + TO, 0, 1024);
    data_command(0x46, 0, 79, 0, 1, 18);
    expect(0, 0, 0, 79, 0, 3);
    ck_assert_uint_eq(load32(b->ram + TO + 512), 79 * 36 + 1);
    ck_assert_uint_eq(load32(b->ram + TO + 700), 0);
    gone();
}
END_TEST

START_TEST(errors)
{
    made();
    set_dma(TO_MEMORY, 512);
    data_command(0x46, 0, 0, 0, 19, 36); /* no such sector */
    expect(0x40, 0x04, 0, 0, 0, 19);
    data_command(0x46, 0, 0, 0, 0, 36);
    expect(0x40, 0x04, 0, 0, 0, 0);
    data_command(0x46, 0, 5, 0, 1, 18); /* the heads are elsewhere */
    expect(0x40, 0x04, 0x10, 5, 0, 1);
    PUT(0x46, 0, 0, 0, 1, 3, 18, 0x1b, 0xff); /* 1,024 bytes */
    board_advance(b, ARMED);
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[1], 0x04);
    PUT(0x46, 4, 0, 0, 1, 2, 18, 0x1b, 0xff); /* one head is chosen, the other in the address */
    board_advance(b, ARMED);
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[0], 0x44);
    ck_assert_uint_eq(res[1], 0x04);
    board_out(b, CCR, 2); /* not its data rate */
    data_command(0x46, 0, 0, 0, 1, 18);
    expect(0x40, 0x01, 0, 0, 0, 1);
    PUT(0x4a, 0);
    board_advance(b, ARMED);
    ck_assert_uint_eq(results(), 7);
    ck_assert_mem_eq(res, "\x40\x01\0", 3);
    board_out(b, CCR, 0);
    data_command(0x46, 1, 0, 0, 1, 18); /* no disk */
    expect(0x41, 0x01, 0, 0, 0, 1);
    data_command(0x46, 3, 0, 0, 1, 18); /* no drive */
    expect(0x43, 0x01, 0, 0, 0, 1);
    gone();
}
END_TEST

START_TEST(writes)
{
    made();
    for (unsigned n = 0; n < 3; n++)
        fill_sector(b->ram + TO + n * 512, 3000 + n);
    seek(0, 1);
    set_dma(TO_DISK, 3 * 512);
    data_command(0x45, 0, 1, 0, 2, 18);
    expect(0, 0, 0, 1, 0, 5);
    ck_assert(sectors_in(disk, 36, 36, 1));
    ck_assert(sectors_in(disk, 37, 3000, 3));
    ck_assert(sectors_in(disk, 40, 40, 1));
    set_dma(TO_DISK, 2 * 512);
    data_command(0xc5, 0, 1, 0, 18, 18); /* to the other side */
    expect(0x04, 0, 0, 1, 1, 2);
    ck_assert(sectors_in(disk, 36 + 17, 3000, 2));
    set_dma(TO_DISK, 600); /* the rest of the second one is zeroes */
    data_command(0x45, 0, 1, 0, 10, 18);
    expect(0, 0, 0, 1, 0, 12);
    uint8_t is[512];
    ck_assert_int_eq(block_read(disk, 36 + 10, is, 1), 0);
    ck_assert_mem_eq(is, b->ram + TO + 512, 88);
    for (unsigned n = 88; n < 512; n++)
        ck_assert_uint_eq(is[n], 0);
    gone();
}
END_TEST

START_TEST(protected)
{
    made_with(BLOCK_READONLY);
    PUT(0x04, 0);
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0x78);
    set_dma(TO_DISK, 512);
    data_command(0x45, 0, 0, 0, 1, 18);
    expect(0x40, 0x02, 0, 0, 0, 1);
    PUT(0x4d, 0, 2, 18, 0x54, 0xf6);
    board_advance(b, ARMED);
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[0], 0x40);
    ck_assert_uint_eq(res[1], 0x02);
    set_dma(TO_MEMORY, 512);
    data_command(0x46, 0, 0, 0, 1, 18);
    expect(0, 0, 0, 0, 0, 2);
    gone();
}
END_TEST

START_TEST(format)
{
    uint8_t is[512];

    made();
    seek(0, 3);
    for (unsigned n = 0; n < 18; n++) {
        const uint8_t id[4] = { 3, 1, (uint8_t)(n + 1), 2 };
        memcpy(b->ram + TO + n * 4, id, 4);
    }
    set_dma(TO_DISK, 18 * 4);
    PUT(0x4d, 4, 2, 18, 0x54, 0xf6);
    board_advance(b, ARMED);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(results(), 7);
    ck_assert_mem_eq(res, "\x04\0\0", 3);
    for (unsigned n = 0; n < 18; n++) {
        ck_assert_int_eq(block_read(disk, 3 * 36 + 18 + n, is, 1), 0);
        ck_assert_uint_eq(is[0], 0xf6);
        ck_assert_uint_eq(is[511], 0xf6);
    }
    ck_assert(sectors_in(disk, 3 * 36 + 17, 3 * 36 + 17, 1));
    ck_assert(sectors_in(disk, 4 * 36, 4 * 36, 1));
    gone();
}
END_TEST

START_TEST(read_id)
{
    uint32_t seen = 0;

    made();
    seek(0, 9);
    for (unsigned n = 0; n < 18; n++) {
        PUT(0x4a, 4);
        board_advance(b, ARMED);
        ck_assert(board_line(b, IRQ));
        ck_assert_uint_eq(results(), 7);
        ck_assert_mem_eq(res, "\x04\0\0\x09\x01", 5);
        ck_assert_uint_eq(res[6], 2);
        ck_assert_uint_ge(res[5], 1);
        ck_assert_uint_le(res[5], 18);
        seen |= 1u << res[5];
    }
    ck_assert_uint_eq(seen, 0x7fffe); /* the disk turns */
    PUT(0x4a, 1);
    board_advance(b, ARMED);
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[0], 0x41);
    ck_assert_uint_eq(res[1], 0x01);
    gone();
}
END_TEST

START_TEST(read_track)
{
    made();
    seek(0, 2);
    set_dma(TO_MEMORY, 18 * 512);
    data_command(0x42, 0, 2, 1, 5, 18); /* from the first sector on, whatever is asked for */
    expect(0x04, 0, 0, 3, 1, 1);
    ck_assert(sectors_at(b->ram + TO, 2 * 36 + 18, 18));
    gone();
}
END_TEST

START_TEST(verify)
{
    made();
    set_dma(TO_MEMORY, 512);
    memset(b->ram + TO, 0xee, 512);
    data_command(0x56, 0, 0, 0, 1, 18);
    expect(0, 0, 0, 1, 0, 1);
    ck_assert_uint_eq(b->ram[TO], 0xee); /* moves nothing */
    data_command(0x56, 0, 0, 0, 10, 19);
    expect(0x40, 0x04, 0, 0, 0, 19);
    PUT(0xd6, 0x80, 0, 0, 17, 2, 18, 0x1b, 3); /* EC: three sectors */
    board_advance(b, ARMED);
    expect(0x04, 0, 0, 0, 1, 2);
    gone();
}
END_TEST

START_TEST(scan)
{
    made();
    memcpy(b->ram + TO, "\0\0\0\0", 4);
    for (unsigned n = 0; n < 4; n++)
        fill_sector(b->ram + TO + n * 512, 2); /* the third sector, again and again */
    set_dma(TO_DISK, 4 * 512);
    data_command(0x51, 0, 0, 0, 1, 18); /* equal */
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[0], 0);
    ck_assert_uint_eq(res[2] & 0x0c, 0x08); /* found, equal */
    ck_assert_uint_eq(res[5], 3);
    set_dma(TO_DISK, 2 * 512);
    data_command(0x51, 0, 0, 0, 1, 18);
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[2] & 0x0c, 0x04); /* not found */
    set_dma(TO_DISK, 512);
    data_command(0x59, 0, 0, 0, 1, 18); /* low or equal: sector 0 is below */
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[2] & 0x0c, 0);
    set_dma(TO_DISK, 512);
    data_command(0x5d, 0, 0, 0, 4, 18); /* high or equal */
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[2] & 0x0c, 0);
    memset(b->ram + TO, 0xff, 512); /* matches anything */
    set_dma(TO_DISK, 512);
    data_command(0x51, 0, 0, 0, 4, 18);
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[2] & 0x0c, 0x08);
    gone();
}
END_TEST

START_TEST(implied_seek)
{
    made();
    PUT(0x13, 0, 0x47, 0);
    set_dma(TO_MEMORY, 512);
    data_command(0x46, 0, 33, 0, 1, 18);
    expect(0, 0, 0, 33, 0, 2);
    ck_assert(sectors_at(b->ram + TO, 33 * 36, 1));
    PUT(0x0e);
    ck_assert_uint_eq(results(), 10);
    ck_assert_uint_eq(res[0], 33);
    gone();
}
END_TEST

/* Without DMA: the FIFO asks for each byte; the end of the cylinder is the end. */
START_TEST(non_dma)
{
    uint8_t sector[512];

    made();
    begin(true);
    data_command(0x46, 0, 0, 0, 17, 18);
    for (unsigned n = 0; n < 2; n++) {
        ck_assert(board_line(b, IRQ));
        for (unsigned i = 0; i < 512; i++) {
            ck_assert_uint_eq(board_in(b, MSR), RQM | DIO | NDMA | BUSY);
            sector[i] = board_in(b, FIFO);
        }
        ck_assert(sectors_at(sector, 16 + n, 1));
    }
    expect(0x40, 0x80, 0, 1, 0, 1);
    data_command(0x45, 0, 0, 0, 18, 18);
    ck_assert(board_line(b, IRQ));
    fill_sector(sector, 777);
    for (unsigned i = 0; i < 512; i++) {
        ck_assert_uint_eq(board_in(b, MSR), RQM | NDMA | BUSY);
        board_out(b, FIFO, sector[i]);
    }
    expect(0x40, 0x80, 0, 1, 0, 1);
    ck_assert(sectors_in(disk, 17, 777, 1));
    PUT(0x4d, 0, 2, 1, 0x54, 0x99);
    board_advance(b, ARMED);
    for (unsigned i = 0; i < 4; i++)
        board_out(b, FIFO, (uint8_t[]){ 0, 0, 4, 2 }[i]);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(results(), 7);
    ck_assert_uint_eq(res[0], 0);
    ck_assert_int_eq(block_read(disk, 3, sector, 1), 0);
    ck_assert_uint_eq(sector[100], 0x99);
    gone();
}
END_TEST

/* The disk change line: from a change until a step with a disk in. */
START_TEST(change_line)
{
    disk = disk_image(SECTORS, 0);
    none = block_open_empty();
    b = board_with_drives(&(struct board_drives){ .floppy = { disk, none } });
    board_out(b, DOR, 0x1c);
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0x80); /* since power was switched on */
    board_out(b, DOR, 0x0c);
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0); /* the drive's motor is off */
    begin(false);
    board_out(b, DOR, 0x1c);
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0);
    board_out(b, DOR, 0x2d); /* nothing is in the other */
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0x80);
    board_out(b, DOR, 0x1c);
    disk_change(disk, 1440, 0); /* 720 KiB: another format, and rate */
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0x80);
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0x80);
    seek(0, 5);
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0);
    board_out(b, DSR, 2);
    set_dma(TO_MEMORY, 512);
    data_command(0x46, 0, 5, 1, 9, 9);
    expect(0x04, 0, 0, 6, 1, 1);
    ck_assert(sectors_at(b->ram + TO, 5 * 18 + 17, 1));
    block_eject(disk);
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0x80);
    seek(0, 6);
    ck_assert_uint_eq(board_in(b, DIR) & 0x80, 0x80); /* there is none to be seen */
    gone();
}
END_TEST

/* The FIFO is not to be read in the command phase, nor written in the result phase; no byte gets lost by that. */
START_TEST(wrong_way)
{
    made();
    ck_assert_uint_eq(board_in(b, FIFO), 0);
    PUT(0x10);
    board_out(b, FIFO, 0x07);
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0x90);
    PUT(0x04);
    board_in(b, FIFO);
    ck_assert_uint_eq(board_in(b, MSR), RQM | BUSY);
    PUT(0x00);
    ck_assert_uint_eq(results(), 1);
    ck_assert_uint_eq(res[0], 0x38);
    gone();
}
END_TEST

Suite *fdc_suite(void)
{
    Suite *s = suite_create("floppy");
    TCase *t = tcase_create("82077AA");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, reset);
    tcase_add_test(t, reset_under_way);
    tcase_add_test(t, interrupt_gate);
    tcase_add_test(t, seeks);
    tcase_add_test(t, informative);
    tcase_add_test(t, reads);
    tcase_add_test(t, errors);
    tcase_add_test(t, writes);
    tcase_add_test(t, protected);
    tcase_add_test(t, format);
    tcase_add_test(t, read_id);
    tcase_add_test(t, read_track);
    tcase_add_test(t, verify);
    tcase_add_test(t, scan);
    tcase_add_test(t, implied_seek);
    tcase_add_test(t, non_dma);
    tcase_add_test(t, change_line);
    tcase_add_test(t, wrong_way);
    suite_add_tcase(s, t);
    return s;
}
