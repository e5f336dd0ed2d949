/* atapi.c - ATAPI CD-ROM drives: the PACKET command and the MMC-2 commands (SFF-8020i, INF-8090i).
 *
 * The data of a command is a string of `total` bytes: either prepared in buf, or (from_disc)
 * sectors of the disc made as they are needed. It goes out in pieces of the guest's byte count by
 * programmed I/O, or as one by DMA.
 * NOT modelled: audio (PLAY and PAUSE are refused), writing, DVD structures, more than one
 * session and track, the ECC of raw sectors (zeroes), mechanical times.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/disk/ide_int.h"

#define SENSE_NONE             0
#define SENSE_NOT_READY        2
#define SENSE_MEDIUM_ERROR     3
#define SENSE_ILLEGAL_REQUEST  5
#define SENSE_UNIT_ATTENTION   6
#define ASC_NO_SEEK_COMPLETE   0x02
#define ASC_READ_ERROR         0x11
#define ASC_INVALID_OPCODE     0x20
#define ASC_LBA_OUT_OF_RANGE   0x21
#define ASC_INVALID_FIELD      0x24
#define ASC_MEDIUM_CHANGED     0x28
#define ASC_SAVING_UNSUPPORTED 0x39
#define ASC_NO_MEDIUM          0x3a
#define ASC_REMOVAL_PREVENTED  0x53
#define EVENT_NEW_MEDIA        2
#define EVENT_REMOVAL          3

static uint16_t be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_be16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put_be32(uint8_t *p, uint32_t v)
{
    put_be16(p, v >> 16);
    put_be16(p + 2, v & 0xffff);
}

/* An address as minute, second, frame. */
static void put_msf(uint8_t *p, uint32_t lba)
{
    lba += 150;
    p[0] = (uint8_t)(lba / 75 / 60);
    p[1] = (uint8_t)(lba / 75 % 60);
    p[2] = (uint8_t)(lba % 75);
}

static void put_address(uint8_t *p, uint32_t lba, bool msf)
{
    if (msf) {
        p[0] = 0;
        put_msf(p + 1, lba);
    } else {
        put_be32(p, lba);
    }
}

static bool disc_in(const struct ide_drive *d) { return block_present(d->blk) && !d->ejected; }

static uint32_t cd_sectors(const struct ide_drive *d)
{
    uint64_t n = disc_in(d) ? (block_sectors(d->blk) + 3) / 4 : 0;
    return n > 0x7fffffff ? 0x7fffffff : (uint32_t)n;
}

/* ---- ends ---- */

static void reason(struct ide_drive *d, uint8_t r) { d->count = (uint8_t)((d->count & ~7) | r); }

static void good(struct ide_drive *d)
{
    d->sense = d->asc = d->ascq = 0;
    reason(d, IR_IO | IR_CD);
    ide_done(d);
}

static void check_condition(struct ide_drive *d, uint8_t sense, uint8_t asc)
{
    LOG(ide, "drive %u: packet %02x fails with sense %u, %02x", d->unit, d->packet[0], sense, asc);
    d->sense = sense;
    d->asc = asc;
    d->ascq = 0;
    reason(d, IR_IO | IR_CD);
    ide_fail(d, (uint8_t)(sense << 4 | (asc == ASC_INVALID_OPCODE ? ER_ABRT : 0)));
}

static void bad_field(struct ide_drive *d) { check_condition(d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD); }

/* ---- the data ---- */

static int read_cd_sector(struct ide_drive *d, uint32_t lba, uint8_t *p)
{
    uint64_t first = (uint64_t)lba * 4;
    uint64_t all = block_sectors(d->blk);
    size_t n = all > first ? (all - first < 4 ? (size_t)(all - first) : 4) : 0;
    memset(p, 0, CD_SECTOR);
    return n && disc_in(d) ? block_read(d->blk, first, p, n) : -1;
}

/* Sector `lba` as 2048 or 2352 bytes. */
static int make_sector(struct ide_drive *d, uint32_t lba, uint8_t *p)
{
    if (d->sector_bytes == CD_SECTOR)
        return read_cd_sector(d, lba, p);
    memset(p, 0, 2352);
    memset(p + 1, 0xff, 10);
    put_msf(p + 12, lba);
    for (int i = 12; i < 15; i++)
        p[i] = (uint8_t)((p[i] / 10) << 4 | p[i] % 10);
    p[15] = 1; /* mode 1 */
    return read_cd_sector(d, lba, p + 16);
}

/* The next piece of a disc read into buf[0, len); len is at most IDE_BUF. */
static int fill(struct ide_drive *d, size_t len)
{
    uint8_t sector[2352];
    uint64_t at = d->done;
    size_t n = 0;
    while (n < len) {
        uint32_t lba = d->cd_lba + (uint32_t)(at / d->sector_bytes);
        size_t off = (size_t)(at % d->sector_bytes);
        size_t run = d->sector_bytes - off;
        if (run > len - n)
            run = len - n;
        if (d->sector_bytes == CD_SECTOR && !off && len - n >= CD_SECTOR) {
            /* The usual case: several whole sectors at once. */
            size_t whole = (len - n) / CD_SECTOR;
            uint64_t all = block_sectors(d->blk);
            if (disc_in(d) && ((uint64_t)lba + whole) * 4 <= all) {
                if (block_read(d->blk, (uint64_t)lba * 4, d->buf + n, whole * 4))
                    return -1;
                n += whole * CD_SECTOR;
                at += whole * CD_SECTOR;
                continue;
            }
        }
        if (make_sector(d, lba, sector))
            return -1;
        memcpy(d->buf + n, sector + off, run);
        n += run;
        at += run;
    }
    return 0;
}

/* One piece of programmed I/O, or the end. */
void atapi_next(struct ide_drive *d)
{
    uint64_t left = d->total - d->done;
    uint32_t limit = (uint32_t)d->lba_high << 8 | d->lba_mid;
    if (d->done) /* the registers hold the last piece; the limit is in `left` of the command */
        limit = d->left;
    if (!left || d->done > d->total) {
        good(d);
        return;
    }
    if (!limit || limit == 0xffff)
        limit = 0xfffe;
    if (left > limit && (limit & 1))
        limit--; /* only the last piece may be odd */
    if (!limit)
        limit = 2;
    d->left = limit;
    uint32_t n = (uint32_t)(left < limit ? left : limit);
    uint32_t pos = 0;
    if (d->from_disc) {
        if (fill(d, n)) {
            check_condition(d, SENSE_MEDIUM_ERROR, ASC_READ_ERROR);
            return;
        }
    } else {
        pos = (uint32_t)d->done;
    }
    d->done += n;
    d->lba_mid = (uint8_t)n;
    d->lba_high = (uint8_t)(n >> 8);
    reason(d, IR_IO);
    ide_start_pio(d, pos, pos + n, END_ATAPI_IN);
    ide_raise_irq(d->chan);
}

void atapi_dma(struct ide_drive *d)
{
    struct ide_channel *c = d->chan;
    while (d->done < d->total) {
        uint64_t left = d->total - d->done;
        size_t n = left < 62 * 1024 ? (size_t)left : 62 * 1024;
        uint8_t *p = d->buf;
        if (d->from_disc) {
            if (fill(d, n)) {
                c->bm_status &= (uint8_t)~1;
                check_condition(d, SENSE_MEDIUM_ERROR, ASC_READ_ERROR);
                return;
            }
        } else {
            p += d->done;
        }
        size_t moved = ide_dma_move(c, p, n, true);
        d->done += n;
        if (moved < n)
            break; /* the guest wanted no more */
    }
    ide_dma_ended(c);
    good(d);
}

static void start_data(struct ide_drive *d)
{
    d->done = 0;
    if (!d->total)
        good(d);
    else if (d->packet_dma)
        ide_dma_wait(d, DMA_PACKET);
    else
        atapi_next(d);
}

/* Send buf[0, len), at most the allocation length. */
static void reply(struct ide_drive *d, size_t len, size_t max)
{
    d->from_disc = false;
    d->total = len < max ? len : max;
    start_data(d);
}

static void read_sectors(struct ide_drive *d, uint32_t lba, uint32_t count, unsigned bytes)
{
    uint32_t all = cd_sectors(d);
    if (!count) {
        good(d);
        return;
    }
    if (lba >= all || count > all - lba) {
        check_condition(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
        return;
    }
    d->from_disc = true;
    d->cd_lba = lba;
    d->sector_bytes = (uint16_t)bytes;
    d->total = (uint64_t)count * bytes;
    start_data(d);
}

/* ---- commands ---- */

static void request_sense(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    memset(b, 0, 18);
    b[0] = 0x70;
    b[2] = d->sense;
    b[7] = 10;
    b[12] = d->asc;
    b[13] = d->ascq;
    reply(d, 18, d->packet[4]);
}

static void put_text(uint8_t *p, size_t len, const char *text)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(*text ? *text++ : ' ');
}

static void inquiry(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    if (d->packet[1] & 1) { /* vital product data: none */
        bad_field(d);
        return;
    }
    memset(b, 0, 36);
    b[0] = 5;
    b[1] = 0x80;
    b[3] = 0x21;
    b[4] = 31;
    put_text(b + 8, 8, "CALLGATE");
    put_text(b + 16, 16, "CD-ROM");
    put_text(b + 32, 4, "1.0");
    reply(d, 36, d->packet[4]);
}

static size_t mode_page(struct ide_drive *d, uint8_t *p, unsigned page, bool changeable)
{
    switch (page) {
    case 0x01: /* error recovery */
        memset(p, 0, 8);
        p[0] = 0x01;
        p[1] = 6;
        p[3] = changeable ? 0 : 5;
        return 8;
    case 0x0d: /* CD-ROM parameters */
        memset(p, 0, 8);
        p[0] = 0x0d;
        p[1] = 6;
        p[5] = changeable ? 0 : 60;
        p[7] = changeable ? 0 : 75;
        return 8;
    case 0x0e: /* audio */
        memset(p, 0, 16);
        p[0] = 0x0e;
        p[1] = 14;
        if (!changeable) {
            p[2] = 4;
            p[8] = 1;
            p[9] = 0xff;
            p[10] = 2;
            p[11] = 0xff;
        }
        return 16;
    case 0x2a: /* capabilities */
        memset(p, 0, 20);
        p[0] = 0x2a;
        p[1] = 18;
        if (!changeable) {
            p[2] = 0x3b;                                  /* reads CD-R, CD-RW, DVD */
            p[4] = 0x70;                                  /* mode 2 forms, multisession */
            p[5] = 0x01;                                  /* READ CD */
            p[6] = (uint8_t)(0x29 | (d->locked ? 2 : 0)); /* tray, eject, lock */
            put_be16(p + 8, 706 * 4);
            put_be16(p + 12, 512);
            put_be16(p + 14, 706 * 4);
        }
        return 20;
    default: return 0;
    }
}

static void mode_sense(struct ide_drive *d, bool ten)
{
    static const uint8_t pages[] = { 0x01, 0x0d, 0x0e, 0x2a };
    unsigned page = d->packet[2] & 0x3f;
    unsigned control = d->packet[2] >> 6;
    size_t head = ten ? 8 : 4;
    size_t max = ten ? be16(d->packet + 7) : d->packet[4];
    uint8_t *b = d->buf;
    size_t n = head;

    if (control == 3) {
        check_condition(d, SENSE_ILLEGAL_REQUEST, ASC_SAVING_UNSUPPORTED);
        return;
    }
    memset(b, 0, head);
    for (size_t i = 0; i < sizeof pages; i++)
        if (page == pages[i] || page == 0x3f)
            n += mode_page(d, b + n, pages[i], control == 1);
    if (n == head && page) {
        bad_field(d);
        return;
    }
    uint8_t medium = disc_in(d) ? 0x01 : 0x70; /* 120 mm data disc; no disc */
    if (ten) {
        put_be16(b, (unsigned)n - 2);
        b[2] = medium;
    } else {
        b[0] = (uint8_t)(n - 1);
        b[1] = medium;
    }
    reply(d, n, max);
}

static void read_toc(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    bool msf = d->packet[1] & 2;
    unsigned format = d->packet[2] & 15;
    unsigned track = d->packet[6];
    uint32_t all = cd_sectors(d);
    size_t n = 4;

    if (!format)
        format = d->packet[9] >> 6;
    memset(b, 0, 64);
    b[2] = b[3] = 1;
    switch (format) {
    case 0:
        if (track > 1 && track != 0xaa) {
            bad_field(d);
            return;
        }
        if (track <= 1) {
            b[n + 1] = 0x14;
            b[n + 2] = 1;
            put_address(b + n + 4, 0, msf);
            n += 8;
        }
        b[n + 1] = 0x14; /* lead-out */
        b[n + 2] = 0xaa;
        put_address(b + n + 4, all, msf);
        n += 8;
        break;
    case 1: /* sessions */
        b[n + 1] = 0x14;
        b[n + 2] = 1;
        put_address(b + n + 4, 0, msf);
        n += 8;
        break;
    case 2: { /* the lead-in's own entries */
        static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, 0x01 };
        for (size_t i = 0; i < sizeof points; i++, n += 11) {
            b[n] = 1;
            b[n + 1] = 0x14;
            b[n + 3] = points[i];
            if (points[i] == 0xa2)
                put_msf(b + n + 8, all);
            else if (points[i] == 0x01)
                put_msf(b + n + 8, 0);
            else
                b[n + 8] = 1;
        }
        break;
    }
    default: bad_field(d); return;
    }
    put_be16(b, (unsigned)n - 2);
    reply(d, n, be16(d->packet + 7));
}

static void get_configuration(struct ide_drive *d)
{
    static const uint16_t profiles[2] = { 0x0010, 0x0008 }; /* DVD-ROM, CD-ROM */
    bool dvd = cd_sectors(d) > 405000;                      /* 90 minutes */
    unsigned current = !disc_in(d) ? 0 : dvd ? 0x10 : 0x08;
    unsigned from = be16(d->packet + 2);
    unsigned type = d->packet[1] & 3;
    uint8_t *b = d->buf;
    size_t n = 8;

    if (type > 2) {
        bad_field(d);
        return;
    }
    memset(b, 0, 64);
    put_be16(b + 6, current);
    if (from == 0) {
        b[n + 2] = 0x03;
        b[n + 3] = 8;
        for (unsigned i = 0; i < 2; i++) {
            put_be16(b + n + 4 + 4 * i, profiles[i]);
            b[n + 6 + 4 * i] = current == profiles[i];
        }
        n += 12;
    }
    if (from <= 1 && (type != 2 || from == 1)) { /* core: ATAPI */
        put_be16(b + n, 1);
        b[n + 2] = 0x0b;
        b[n + 3] = 8;
        b[n + 7] = 2;
        b[n + 8] = 1;
        n += 12;
    }
    if (from <= 3 && (type != 2 || from == 3)) { /* removable medium */
        put_be16(b + n, 3);
        b[n + 2] = 0x03;
        b[n + 3] = 4;
        b[n + 4] = 0x29;
        n += 8;
    }
    put_be32(b, (uint32_t)n - 4);
    reply(d, n, be16(d->packet + 7));
}

static void event_status(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    if (!(d->packet[1] & 1)) { /* only polled */
        bad_field(d);
        return;
    }
    memset(b, 0, 8);
    b[3] = 0x10; /* media events */
    if (d->packet[4] & 0x10) {
        b[1] = 6;
        b[2] = 4;
        b[4] = d->event;
        d->event = 0;
        b[5] = (uint8_t)((d->ejected ? 1 : 0) | (disc_in(d) ? 2 : 0));
        reply(d, 8, be16(d->packet + 7));
    } else {
        b[1] = 2;
        b[2] = 0x80;
        reply(d, 4, be16(d->packet + 7));
    }
}

static void disc_info(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    memset(b, 0, 34);
    b[1] = 32;
    b[2] = 0x0e; /* complete, last session complete */
    b[3] = b[4] = b[5] = b[6] = 1;
    b[7] = 0x20;
    memset(b + 16, 0xff, 8);
    reply(d, 34, be16(d->packet + 7));
}

static void track_info(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    memset(b, 0, 28);
    b[1] = 26;
    b[2] = b[3] = 1;
    b[5] = 4;
    b[6] = 1;
    put_be32(b + 24, cd_sectors(d));
    reply(d, 28, be16(d->packet + 7));
}

static void subchannel(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    bool msf = d->packet[1] & 2;
    size_t n = 4;
    memset(b, 0, 24);
    b[1] = 0x15; /* no audio status */
    if (d->packet[2] & 0x40) {
        b[4] = d->packet[3];
        n = d->packet[3] == 1 ? 16 : 24;
        b[5] = 0x14;
        b[6] = b[7] = 1;
        if (d->packet[3] == 1) {
            put_address(b + 8, d->cd_lba, msf);
            put_address(b + 12, d->cd_lba, msf);
        }
    }
    put_be16(b + 2, (unsigned)n - 4);
    reply(d, n, be16(d->packet + 7));
}

static void start_stop(struct ide_drive *d)
{
    bool load = d->packet[4] & 1;
    if (d->packet[4] & 2) { /* the tray */
        if (!load && d->locked) {
            check_condition(d, disc_in(d) ? SENSE_ILLEGAL_REQUEST : SENSE_NOT_READY, ASC_REMOVAL_PREVENTED);
            return;
        }
        if (load && d->ejected)
            d->changed = true;
        if (load == d->ejected && block_present(d->blk))
            d->event = load ? EVENT_NEW_MEDIA : EVENT_REMOVAL;
        d->ejected = !load;
    }
    good(d);
}

static void read_cd(struct ide_drive *d)
{
    uint32_t lba = be32(d->packet + 2);
    uint32_t count = (uint32_t)d->packet[6] << 16 | be16(d->packet + 7);
    if (d->packet[0] == 0xb9) { /* READ CD MSF */
        const uint8_t *p = d->packet + 3;
        uint32_t from = (p[0] * 60u + p[1]) * 75u + p[2];
        uint32_t to = (p[3] * 60u + p[4]) * 75u + p[5];
        if (from < 150 || to < from) {
            bad_field(d);
            return;
        }
        lba = from - 150;
        count = to - from;
    }
    switch (d->packet[9] & 0xf8) {
    case 0x00: good(d); break;
    case 0x10: read_sectors(d, lba, count, CD_SECTOR); break;
    case 0xf8: read_sectors(d, lba, count, 2352); break;
    default: bad_field(d); break;
    }
}

static void seek(struct ide_drive *d)
{
    uint32_t lba = be32(d->packet + 2);
    if (lba >= cd_sectors(d)) {
        check_condition(d, SENSE_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
        return;
    }
    d->cd_lba = lba;
    good(d);
}

static void capacity(struct ide_drive *d)
{
    put_be32(d->buf, cd_sectors(d) - 1);
    put_be32(d->buf + 4, CD_SECTOR);
    reply(d, 8, 8);
}

static void mechanism_status(struct ide_drive *d)
{
    memset(d->buf, 0, 8);
    d->buf[1] = d->ejected ? 0x10 : 0;
    d->buf[5] = 1;
    reply(d, 8, be16(d->packet + 8));
}

/* Does the command need a disc, and does it report a unit attention? */
static bool needs_disc(uint8_t op)
{
    switch (op) {
    case 0x00:
    case 0x25:
    case 0x28:
    case 0x2b:
    case 0x42:
    case 0x43:
    case 0x51:
    case 0x52:
    case 0xa8:
    case 0xb9:
    case 0xbe:
    case 0xad: return true;
    default: return false;
    }
}

void atapi_execute(struct ide_drive *d)
{
    const uint8_t *p = d->packet;

    LOG(ide, "drive %u: packet %02x %02x %02x %02x %02x %02x %02x %02x %02x %02x", d->unit, p[0], p[1], p[2], p[3],
        p[4], p[5], p[6], p[7], p[8], p[9]);
    if (d->seen_changes != d->blk->changes) {
        d->seen_changes = d->blk->changes;
        d->changed = true;
        d->ejected = false;
        d->event = disc_in(d) ? EVENT_NEW_MEDIA : EVENT_REMOVAL;
    }
    if (d->changed && disc_in(d) && p[0] != 0x03 && p[0] != 0x12 && p[0] != 0x46 && p[0] != 0x4a) {
        d->changed = false;
        check_condition(d, SENSE_UNIT_ATTENTION, ASC_MEDIUM_CHANGED);
        return;
    }
    if (needs_disc(p[0]) && !disc_in(d)) {
        check_condition(d, SENSE_NOT_READY, ASC_NO_MEDIUM);
        return;
    }
    switch (p[0]) {
    case 0x00: good(d); break; /* TEST UNIT READY */
    case 0x01: good(d); break; /* REZERO UNIT */
    case 0x03: request_sense(d); break;
    case 0x12: inquiry(d); break;
    case 0x1a: mode_sense(d, false); break;
    case 0x5a: mode_sense(d, true); break;
    case 0x15:
    case 0x55: { /* MODE SELECT: taken and forgotten */
        uint32_t n = p[0] == 0x55 ? be16(p + 7) : p[4];
        if (!n) {
            good(d);
        } else if (d->packet_dma) {
            bad_field(d);
        } else {
            reason(d, 0);
            d->lba_mid = (uint8_t)n;
            d->lba_high = (uint8_t)(n >> 8);
            ide_start_pio(d, 0, n, END_ATAPI_OUT);
            ide_raise_irq(d->chan);
        }
        break;
    }
    case 0x1b: start_stop(d); break;
    case 0x1e:
        d->locked = p[4] & 1;
        good(d);
        break;
    case 0x25: capacity(d); break;
    case 0x28: read_sectors(d, be32(p + 2), be16(p + 7), CD_SECTOR); break;
    case 0xa8: read_sectors(d, be32(p + 2), be32(p + 6), CD_SECTOR); break;
    case 0xb9:
    case 0xbe: read_cd(d); break;
    case 0x2b: seek(d); break;
    case 0x42: subchannel(d); break;
    case 0x43: read_toc(d); break;
    case 0x46: get_configuration(d); break;
    case 0x4a: event_status(d); break;
    case 0x4e: good(d); break; /* STOP PLAY/SCAN */
    case 0x51: disc_info(d); break;
    case 0x52: track_info(d); break;
    case 0xbb: good(d); break; /* SET CD SPEED */
    case 0xbd: mechanism_status(d); break;
    default:
        GUEST_WARN(ide, "drive %u: unknown packet %02x", d->unit, p[0]);
        check_condition(d, SENSE_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
    }
}

/* ---- the ATA side ---- */

void atapi_packet_command(struct ide_drive *d)
{
    if (d->feature & 0x02) { /* overlapped */
        ide_fail(d, ER_ABRT);
        return;
    }
    d->packet_dma = d->feature & 1;
    reason(d, IR_CD);
    ide_start_pio(d, 0, 12, END_PACKET);
}

void atapi_packet_received(struct ide_drive *d)
{
    memcpy(d->packet, d->buf, sizeof d->packet);
    ide_later(d, STEP_PACKET);
}

void atapi_out_received(struct ide_drive *d) { good(d); }

void atapi_reset(struct ide_drive *d)
{
    d->sense = d->asc = d->ascq = d->event = 0;
    d->locked = false;
    d->from_disc = false;
    d->total = d->done = 0;
    d->sector_bytes = CD_SECTOR;
}

void atapi_identify(struct ide_drive *d)
{
    uint8_t *b = d->buf;
    char serial[21];
    uint8_t mode = d->xfer_mode & 7;

    memset(b, 0, 512);
    store16(b, 0x85c0); /* CD-ROM, removable, DRQ within 50 us, 12 bytes */
    snprintf(serial, sizeof serial, "CG%05u", d->unit + 1u);
    ide_put_string(b, 10, 10, serial);
    store16(b + 40, 3);
    store16(b + 42, 512);
    ide_put_string(b, 23, 4, "1.0");
    ide_put_string(b, 27, 20, "CALLGATE CD-ROM");
    store16(b + 96, 1);
    store16(b + 98, 0x0f00);
    store16(b + 102, 0x0200);
    store16(b + 104, 0x0200);
    store16(b + 106, 7);
    store16(b + 126, (uint16_t)(7 | ((d->xfer_mode & 0xf8) == 0x20 ? 0x100 << mode : 0)));
    store16(b + 128, 3);
    for (unsigned i = 65; i <= 68; i++)
        store16(b + i * 2, 120);
    store16(b + 142, 30);
    store16(b + 144, 30);
    store16(b + 160, 0x001e); /* ATA/ATAPI-4 */
    store16(b + 164, 0x4210);
    store16(b + 166, 0x4000);
    store16(b + 168, 0x4000);
    store16(b + 170, 0x4210);
    store16(b + 174, 0x4000);
    store16(b + 176, (uint16_t)(0x3f | ((d->xfer_mode & 0xf8) == 0x40 ? 0x100 << mode : 0)));
    store16(b + 186, (uint16_t)(0x6001 | (d->unit & 1 ? 0x0100 : 0)));
    ide_start_pio(d, 0, 512, END_DONE);
    ide_raise_irq(d->chan);
}
