/* atapi.c - CD-ROM drives by their registers: the phases of PACKET (ATA/ATAPI-6, SFF-8020i), the commands of MMC-2,
 * unit attention and what else a change of the disc sets off.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/hw/ide_regs.h"

#define SECTORS 1200u /* of 512 bytes: 300 of the disc */
#define LAST    299u
#define EOT     0x80000000u
#define TO      0x20000u

static struct block *disc;
static struct test_board *b;
static uint8_t buf[65536];

static void made(void)
{
    disc = disk_image(SECTORS, BLOCK_READONLY);
    b = board_with_drives(&(struct board_drives){ .ide = { disc }, .cdrom = { true } });
}

static void gone(void)
{
    board_free(b);
    block_close(disc);
}

/* PACKET with its 12 bytes; feature 1 is DMA. Returns the status after the packet. */
static uint8_t send(const uint8_t packet[12], unsigned limit, uint8_t feature)
{
    ata_start(b, (struct ata_command){ .cmd = 0xa0, .feature = feature, .lba = limit << 8 });
    ck_assert_uint_eq(board_in(b, COUNT) & 3, 1); /* a command, to the drive */
    ck_assert_uint_eq(board_in(b, STATUS) & (BSY | DRQ | ERR), DRQ);
    ata_give(b, packet, 12);
    ck_assert_uint_eq(board_in(b, ALT) & (BSY | DRQ), BSY);
    board_advance(b, ARMED);
    return board_in(b, ALT);
}

/* Data in by programmed I/O, in pieces of at most `limit`. Returns the bytes, or -1 and leaves the error. */
static int packet_limit(const uint8_t packet[12], unsigned limit)
{
    size_t done = 0;
    uint8_t status = send(packet, limit, 0);

    while (status & DRQ) {
        unsigned n = board_in(b, MID) | (unsigned)board_in(b, HIGH) << 8;

        ck_assert(board_line(b, IRQ));
        ck_assert_uint_eq(board_in(b, COUNT) & 3, 2); /* data, to the host */
        ck_assert_uint_ge(n, 1);
        ck_assert_uint_le(n, limit);
        ck_assert_uint_le(done + n, sizeof buf);
        board_in(b, STATUS);
        ck_assert(!board_line(b, IRQ));
        ata_take(b, buf + done, n);
        done += n;
        board_advance(b, ARMED);
        status = board_in(b, ALT);
        if (status & DRQ)
            ck_assert_uint_eq(n & 1, 0); /* only the last piece may be odd */
    }
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, COUNT) & 3, 3); /* the end: a message to the host */
    board_in(b, STATUS);
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(status & (BSY | DRQ | DRDY), DRDY);
    return status & ERR ? -1 : (int)done;
}

#define PACKET(...) packet_limit((const uint8_t[12]){ __VA_ARGS__ }, 0xfffe)

/* The sense of the last command: key << 8 | code. */
static unsigned sense(void)
{
    ck_assert_int_eq(PACKET(0x03, 0, 0, 0, 18), 18);
    ck_assert_uint_eq(buf[0] & 0x7f, 0x70);
    ck_assert_uint_eq(buf[7], 10);
    return (unsigned)buf[2] << 8 | buf[12];
}

/* The command fails with this sense, which the error register and REQUEST SENSE tell. */
static void fails(const uint8_t packet[12], unsigned want)
{
    ck_assert_int_eq(packet_limit(packet, 0xfffe), -1);
    ck_assert_uint_eq(board_in(b, ERROR) >> 4, want >> 8);
    ck_assert_uint_eq(sense(), want);
    ck_assert_uint_eq(sense(), 0); /* told once */
}

#define FAILS(want, ...) fails((const uint8_t[12]){ __VA_ARGS__ }, want)

START_TEST(signature)
{
    uint16_t w[256];

    made();
    for (unsigned n = 0; n < 3; n++) {
        ck_assert_uint_eq(board_in(b, COUNT), 1);
        ck_assert_uint_eq(board_in(b, LOW), 1);
        ck_assert_uint_eq(board_in(b, MID), 0x14);
        ck_assert_uint_eq(board_in(b, HIGH), 0xeb);
        ck_assert_uint_eq(board_in(b, STATUS), 0); /* not ready before the first packet */
        ck_assert(!board_line(b, IRQ));
        if (n == 0) {
            ata_start(b, (struct ata_command){ .cmd = 0xec, .lba = 0x123456 }); /* IDENTIFY DEVICE */
            ck_assert_uint_eq(board_in(b, STATUS) & (ERR | DRQ), ERR);
            ck_assert_uint_eq(board_in(b, ERROR), ABRT);
            ck_assert_uint_eq(board_in(b, HIGH), 0xeb);
            board_out(b, ALT, SRST);
            board_out(b, ALT, 0);
        } else { /* DEVICE RESET, in the midst of a packet, while it is busy, too */
            ata_start(b, (struct ata_command){ .cmd = 0xa0 });
            ata_give(b, "\x12\0\0\0\x24\0\0\0\0\0\0", 12);
            ck_assert_uint_eq(board_in(b, ALT) & BSY, BSY);
            board_out(b, STATUS, 0x08);
            board_advance(b, ARMED);
        }
    }
    ata_identify(b, 0xa1, 0, w);
    ck_assert_uint_eq(w[0] & 0xdf83, 0x8580); /* ATAPI, CD-ROM, removable, packets of 12 */
    ck_assert_uint_eq(w[49] & 0x0300, 0x0300);
    ck_assert_uint_eq(w[82] & 0x0210, 0x0210); /* PACKET, DEVICE RESET */
    ata_run(b, (struct ata_command){ .cmd = 0xef, .feature = 3, .count = 0x42 });
    ata_identify(b, 0xa1, 0, w);
    ck_assert_uint_eq(w[88], 0x043f);
    gone();
}
END_TEST

START_TEST(limits)
{
    static const uint8_t inquiry[12] = { 0x12, 0, 0, 0, 36 };
    uint8_t whole[36];
    static const unsigned cases[] = { 2, 3, 8, 9, 17, 35, 36, 37, 255, 2048, 0xfffe, 0xffff };

    made();
    ck_assert_int_eq(packet_limit(inquiry, 36), 36);
    memcpy(whole, buf, sizeof whole);
    ck_assert_uint_eq(whole[0], 5);
    ck_assert_uint_eq(whole[1] & 0x80, 0x80);
    ck_assert_uint_eq(whole[4], 31);
    for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
        memset(buf, 0, sizeof buf);
        ck_assert_int_eq(packet_limit(inquiry, cases[n]), 36);
        ck_assert_mem_eq(buf, whole, 36);
    }
    ck_assert_int_eq(PACKET(0x12, 0, 0, 0, 5), 5); /* the allocation length; odd at the end */
    ck_assert_mem_eq(buf, whole, 5);
    ck_assert_int_eq(PACKET(0x12, 0, 0, 0, 255), 36);
    ck_assert_int_eq(PACKET(0x12, 0, 0, 0, 0), 0);
    FAILS(0x524, 0x12, 1, 0, 0, 36); /* no vital product data */
    gone();
}
END_TEST

START_TEST(reads)
{
    static const uint8_t cd10[12] = { 0x28, 0, 0, 0, 0, 20, 0, 0, 7 };
    static const unsigned cases[] = { 2048, 2049, 4096, 510, 30000, 0xfffe };

    made();
    for (unsigned n = 0; n < ARRAY_SIZE(cases); n++) {
        ck_assert_int_eq(packet_limit(cd10, cases[n]), 7 * 2048);
        ck_assert(sectors_at(buf, 80, 28));
    }
    ck_assert_int_eq(PACKET(0x28, 0, 0, 0, LAST >> 8, LAST & 255, 0, 0, 1), 2048);
    ck_assert(sectors_at(buf, LAST * 4, 4));
    ck_assert_int_eq(PACKET(0xa8, 0, 0, 0, 0, 3, 0, 0, 0, 2), 4096);
    ck_assert(sectors_at(buf, 12, 8));
    ck_assert_int_eq(PACKET(0x28, 0, 0, 0, 0, 3), 0);                        /* none is no error */
    FAILS(0x521, 0x28, 0, 0, 0, (LAST + 1) >> 8, (LAST + 1) & 255, 0, 0, 1); /* past the end */
    FAILS(0x521, 0x28, 0, 0, 0, LAST >> 8, LAST & 255, 0, 0, 2);             /* over it */
    FAILS(0x521, 0xa8, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);   /* sums that wrap */
    FAILS(0x521, 0x2b, 0, 0, 0, (LAST + 1) >> 8, (LAST + 1) & 255);          /* SEEK */
    ck_assert_int_eq(PACKET(0x2b, 0, 0, 0, LAST >> 8, LAST & 255), 0);
    ck_assert_int_eq(PACKET(0x25), 8); /* READ CAPACITY */
    ck_assert_mem_eq(buf, "\0\0\x01\x2b\0\0\x08\0", 8);
    gone();
}
END_TEST

START_TEST(read_cd)
{
    made();
    ck_assert_int_eq(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 2, 0x10), 4096);
    ck_assert(sectors_at(buf, 20, 8));
    ck_assert_int_eq(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 2, 0xf8), 2 * 2352); /* all of a sector */
    for (unsigned n = 0; n < 2; n++) {
        const uint8_t *p = buf + n * 2352;

        ck_assert_mem_eq(p, "\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0", 12);
        ck_assert_uint_eq(p[12], 0x00);
        ck_assert_uint_eq(p[13], 0x02);     /* 2 s before the first */
        ck_assert_uint_eq(p[14], 0x05 + n); /* BCD */
        ck_assert_uint_eq(p[15], 1);
        ck_assert(sectors_at(p + 16, 20 + 4 * n, 4));
    }
    ck_assert_int_eq(packet_limit((const uint8_t[12]){ 0xbe, 0, 0, 0, 0, 5, 0, 0, 2, 0xf8 }, 2048), 2 * 2352);
    ck_assert(sectors_at(buf + 2352 + 16, 24, 4));
    ck_assert_int_eq(PACKET(0xbe, 0, 0, 0, 0, 5, 0, 0, 2, 0), 0);
    ck_assert_int_eq(PACKET(0xb9, 0, 0, 0, 2, 5, 0, 2, 7, 0x10), 4096); /* by minute, second, frame */
    ck_assert(sectors_at(buf, 20, 8));
    FAILS(0x524, 0xb9, 0, 0, 0, 1, 74, 0, 2, 7, 0x10);
    FAILS(0x524, 0xb9, 0, 0, 0, 2, 7, 0, 2, 5, 0x10);
    FAILS(0x521, 0xbe, 0, 0, 0, 0x01, 0x2c, 0, 0, 1, 0x10);
    gone();
}
END_TEST

START_TEST(toc)
{
    made();
    ck_assert_int_eq(PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 100), 20);
    ck_assert_mem_eq(buf, "\0\x12\1\1\0\x14\1\0\0\0\0\0\0\x14\xaa\0\0\0\x01\x2c", 20);
    ck_assert_int_eq(PACKET(0x43, 2, 0, 0, 0, 0, 0, 0, 100), 20); /* 300 sectors are 4 s; 2 s before */
    ck_assert_mem_eq(buf, "\0\x12\1\1\0\x14\1\0\0\0\2\0\0\x14\xaa\0\0\0\6\0", 20);
    ck_assert_int_eq(PACKET(0x43, 0, 0, 0, 0, 0, 0xaa, 0, 100), 12);
    ck_assert_uint_eq(buf[6], 0xaa);
    ck_assert_int_eq(PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 4), 4);
    ck_assert_uint_eq(buf[1], 18); /* the length is that of all */
    ck_assert_int_eq(PACKET(0x43, 0, 1, 0, 0, 0, 0, 0, 100), 12);
    ck_assert_mem_eq(buf, "\0\x0a\1\1\0\x14\1\0\0\0\0\0", 12);
    ck_assert_int_eq(PACKET(0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x40), 12); /* the format where SFF-8020i has it */
    ck_assert_int_eq(PACKET(0x43, 2, 2, 0, 0, 0, 0, 0, 100), 48);
    ck_assert_uint_eq(buf[7], 0xa0);
    ck_assert_uint_eq(buf[4 + 33 + 3], 1);
    FAILS(0x524, 0x43, 0, 0, 0, 0, 0, 2, 0, 100);
    FAILS(0x524, 0x43, 0, 5, 0, 0, 0, 0, 0, 100);
    gone();
}
END_TEST

START_TEST(modes)
{
    made();
    ck_assert_int_eq(PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 1, 0), 28);
    ck_assert_uint_eq(buf[1], 26);
    ck_assert_uint_eq(buf[8], 0x2a);
    ck_assert_uint_eq(buf[9], 18);
    ck_assert_uint_eq(buf[8 + 6] & 2, 0); /* not locked */
    ck_assert_int_eq(PACKET(0x1e, 0, 0, 0, 1), 0);
    ck_assert_int_eq(PACKET(0x1a, 0, 0x2a, 0, 255), 24);
    ck_assert_uint_eq(buf[0], 23);
    ck_assert_uint_eq(buf[4 + 6] & 2, 2);
    ck_assert_int_eq(PACKET(0x5a, 0, 0x3f, 0, 0, 0, 0, 1, 0), 8 + 8 + 8 + 16 + 20);
    ck_assert_int_eq(PACKET(0x5a, 0, 0x41, 0, 0, 0, 0, 1, 0), 16); /* what can be changed: nothing */
    ck_assert_mem_eq(buf + 8, "\x01\x06\0\0\0\0\0\0", 8);
    ck_assert_int_eq(PACKET(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 10), 10);
    FAILS(0x539, 0x5a, 0, 0xc1, 0, 0, 0, 0, 1, 0); /* saved values */
    FAILS(0x524, 0x5a, 0, 0x05, 0, 0, 0, 0, 1, 0);
    /* MODE SELECT takes its bytes */
    ck_assert_uint_eq(send((const uint8_t[12]){ 0x55, 0x10, 0, 0, 0, 0, 0, 0, 16 }, 0xfffe, 0) & DRQ, DRQ);
    ck_assert_uint_eq(board_in(b, COUNT) & 3, 0);
    ck_assert_uint_eq(board_in(b, MID), 16);
    ata_give(b, buf, 16);
    board_advance(b, ARMED);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    gone();
}
END_TEST

START_TEST(senses)
{
    made();
    ck_assert_int_eq(PACKET(0x00), 0);
    FAILS(0x520, 0xff); /* no such command */
    ck_assert_int_eq(PACKET(0xff), -1);
    ck_assert_uint_eq(board_in(b, ERROR), 0x54); /* illegal request, aborted */
    ck_assert_int_eq(PACKET(0x00), 0);
    ck_assert_uint_eq(sense(), 0); /* that of the last command */
    ck_assert_int_eq(PACKET(0xff), -1);
    ck_assert_int_eq(PACKET(0x03, 0, 0, 0, 4), 4);
    ck_assert_uint_eq(buf[2], 5);
    ata_start(b, (struct ata_command){ .cmd = 0xa0, .feature = 2 }); /* overlapped */
    ck_assert_uint_eq(board_in(b, STATUS) & (DRQ | ERR), ERR);
    ck_assert_uint_eq(board_in(b, ERROR), ABRT);
    gone();
}
END_TEST

/* GET EVENT STATUS, media class: event and presence. */
static unsigned media_event(void)
{
    ck_assert_int_eq(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    ck_assert_uint_eq(buf[1], 6);
    ck_assert_uint_eq(buf[2] & 7, 4);
    return (unsigned)(buf[4] & 15) << 8 | buf[5];
}

START_TEST(disc_changes)
{
    made();
    ck_assert_uint_eq(media_event(), 0x002);
    disk_change(disc, 800, BLOCK_READONLY);
    ck_assert_uint_eq(media_event(), 0x202); /* a new disc, told once */
    ck_assert_uint_eq(media_event(), 0x002);
    ck_assert_int_eq(PACKET(0x12, 0, 0, 0, 36), 36); /* INQUIRY does not say it */
    FAILS(0x628, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);      /* the first other command does */
    ck_assert_int_eq(PACKET(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 2048);
    ck_assert_int_eq(PACKET(0x25), 8);
    ck_assert_uint_eq(buf[3], 199);
    block_eject(disc);
    FAILS(0x23a, 0x00); /* no disc */
    ck_assert_uint_eq(media_event(), 0x300);
    ck_assert_uint_eq(media_event(), 0x000);
    FAILS(0x23a, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
    FAILS(0x23a, 0x43, 0, 0, 0, 0, 0, 0, 0, 100);
    disk_change(disc, SECTORS, BLOCK_READONLY);
    ck_assert_uint_eq(sense(), 0); /* it waits for a command that it can fail */
    FAILS(0x628, 0x00);
    ck_assert_int_eq(PACKET(0x00), 0);
    gone();
}
END_TEST

/* The guest's own hand on the tray. */
START_TEST(tray)
{
    made();
    ck_assert_int_eq(PACKET(0x1e, 0, 0, 0, 1), 0); /* PREVENT */
    FAILS(0x553, 0x1b, 0, 0, 0, 2);
    ck_assert_int_eq(PACKET(0x00), 0);
    ck_assert_int_eq(PACKET(0x1e, 0, 0, 0, 0), 0);
    ck_assert_int_eq(PACKET(0x1b, 0, 0, 0, 2), 0);
    FAILS(0x23a, 0x00);
    ck_assert_uint_eq(media_event() & 0xff, 1); /* open */
    ck_assert_int_eq(PACKET(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    ck_assert_uint_eq(buf[1] & 0x10, 0x10);
    ck_assert_int_eq(PACKET(0x1b, 0, 0, 0, 3), 0);
    FAILS(0x628, 0x00);
    ck_assert_int_eq(PACKET(0x00), 0);
    ck_assert_int_eq(PACKET(0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    ck_assert_uint_eq(buf[5], 2);
    FAILS(0x524, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8);                /* asynchronous */
    ck_assert_int_eq(PACKET(0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8), 4); /* no such class */
    ck_assert_uint_eq(buf[2] & 0x80, 0x80);
    gone();
}
END_TEST

START_TEST(infos)
{
    made();
    ck_assert_int_eq(PACKET(0x46, 0, 0, 0, 0, 0, 0, 1, 0), 40); /* GET CONFIGURATION */
    ck_assert_uint_eq(buf[3], 36);
    ck_assert_uint_eq(buf[7], 8); /* a CD-ROM is in */
    ck_assert_int_eq(PACKET(0x46, 2, 0, 3, 0, 0, 0, 1, 0), 16);
    ck_assert_uint_eq(buf[9], 3);
    ck_assert_int_eq(PACKET(0x51, 0, 0, 0, 0, 0, 0, 0, 34), 34);
    ck_assert_uint_eq(buf[1], 32);
    ck_assert_int_eq(PACKET(0x52, 1, 0, 0, 0, 1, 0, 0, 28), 28);
    ck_assert_mem_eq(buf + 24, "\0\0\x01\x2c", 4);
    ck_assert_int_eq(PACKET(0x42, 0, 0x40, 1, 0, 0, 0, 0, 16), 16);
    ck_assert_uint_eq(buf[3], 12);
    gone();
}
END_TEST

START_TEST(dma)
{
    static const uint32_t table[][2] = { { TO, 3000 }, { TO + 3000, EOT | (3 * 2048 - 3000) } };
    static const uint8_t cd10[12] = { 0x28, 0, 0, 0, 0, 20, 0, 0, 3 };

    made();
    ide_map_master(b);
    ide_table(b, table, 2);
    send(cd10, 0, 1);
    board_out(b, BMIDE, 9);
    board_advance(b, ARMED);
    ck_assert(board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, BMIDE + 2) & 7, 4);
    ck_assert_uint_eq(board_in(b, COUNT) & 3, 3);
    ck_assert_uint_eq(board_in(b, STATUS), READY);
    ck_assert(sectors_at(b->ram + TO, 80, 12));
    /* an error instead of data: nothing moves */
    ide_table(b, table, 2);
    memset(b->ram + TO, 0, 16);
    board_out(b, BMIDE, 9);
    ck_assert_uint_eq(send((const uint8_t[12]){ 0x28, 0, 0, 0x7f, 0, 20, 0, 0, 3 }, 0, 1), READY | ERR);
    ck_assert_uint_eq(board_in(b, ERROR) >> 4, 5);
    ck_assert_uint_eq(b->ram[TO + 4], 0);
    board_out(b, BMIDE, 0);
    /* a reply shorter than the table */
    ide_table(b, table, 2);
    send((const uint8_t[12]){ 0x12, 0, 0, 0, 36 }, 0, 1);
    board_out(b, BMIDE, 9);
    board_advance(b, ARMED);
    ck_assert_uint_eq(board_in(b, BMIDE + 2) & 7, 5); /* still active */
    ck_assert_mem_eq(b->ram + TO + 8, "CALLGATE", 8);
    board_out(b, BMIDE, 0);
    gone();
}
END_TEST

/* A slave of the other channel is the same drive. */
START_TEST(second_channel)
{
    disc = disk_image(SECTORS, BLOCK_READONLY);
    b = board_with_drives(&(struct board_drives){ .ide = { [3] = disc }, .cdrom = { [3] = true } });
    ck_assert_uint_eq(board_in(b, STATUS), 0);
    board_out(b, 0x176, 0xb0);
    ck_assert_uint_eq(board_in(b, 0x175), 0xeb);
    board_out(b, 0x177, 0xa1);
    board_advance(b, ARMED);
    ck_assert(board_line(b, 15));
    ck_assert(!board_line(b, IRQ));
    ck_assert_uint_eq(board_in(b, 0x177) & DRQ, DRQ);
    ck_assert_uint_eq(port_read(b->bus, 0x170, 2), 0x85c0);
    gone();
}
END_TEST

Suite *atapi_suite(void)
{
    Suite *s = suite_create("atapi");
    TCase *t = tcase_create("CD-ROM drives");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, signature);
    tcase_add_test(t, limits);
    tcase_add_test(t, reads);
    tcase_add_test(t, read_cd);
    tcase_add_test(t, toc);
    tcase_add_test(t, modes);
    tcase_add_test(t, senses);
    tcase_add_test(t, disc_changes);
    tcase_add_test(t, tray);
    tcase_add_test(t, infos);
    tcase_add_test(t, dma);
    tcase_add_test(t, second_channel);
    suite_add_tcase(s, t);
    return s;
}
