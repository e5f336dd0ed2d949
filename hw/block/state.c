/* state.c - a drive's state: that the medium is the same, and the sectors that its overlay holds. See block.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/block/block.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define RUN 128u /* sectors that are moved together */

static bool in_overlay(const struct block *b, uint64_t sector) { return b->in_overlay[sector / 8] >> (sector % 8) & 1; }

/* The next run of overlaid sectors from `at` on, RUN at most; false: there is none. */
static bool next_run(const struct block *b, uint64_t at, uint64_t *first, uint32_t *count)
{
    uint64_t all = block_sectors(b);
    while (at < all && !in_overlay(b, at))
        at += at % 8 == 0 && !b->in_overlay[at / 8] ? 8 : 1;
    if (at >= all)
        return false;
    *first = at;
    for (*count = 0; *count < RUN && at + *count < all && in_overlay(b, at + *count); (*count)++)
        ;
    return true;
}

/* u64 sector, u32 how many, their bytes; again and again */
static void save_overlay(const void *obj, struct state_buf *out)
{
    const struct block *b = obj;
    uint8_t data[RUN * SECTOR_SIZE];
    uint64_t first;
    uint32_t count;
    if (!b->in_overlay)
        return;
    for (uint64_t at = 0; next_run(b, at, &first, &count); at = first + count) {
        size_t len = (size_t)count * SECTOR_SIZE;
        ssize_t n = pread(b->overlay_fd, data, len, (off_t)(first * SECTOR_SIZE));
        if (n < 0 || (size_t)n < len)
            out->failed = true;
        state_buf_put64(out, first);
        state_buf_put32(out, count);
        state_buf_put(out, data, len);
    }
}

/* Take one run off the front; false: it is damaged. */
static bool take_run(const struct block *b, const uint8_t **data, size_t *len, uint64_t *first, uint32_t *count)
{
    if (*len < 12)
        return false;
    *first = load64(*data);
    *count = load32(*data + 8);
    *data += 12;
    *len -= 12;
    return *count && *count <= RUN && *first < block_sectors(b) && *count <= block_sectors(b) - *first &&
           *len >= *count * SECTOR_SIZE;
}

static const char *check_overlay(const void *obj, const uint8_t *data, size_t len)
{
    const struct block *b = obj;
    uint64_t first;
    uint32_t count;
    if (len && !b->in_overlay)
        return "its writes are in a snapshot, here they are not; use snapshot=on";
    while (len) {
        if (!take_run(b, &data, &len, &first, &count))
            return "the sectors written are damaged";
        data += (size_t)count * SECTOR_SIZE;
        len -= (size_t)count * SECTOR_SIZE;
    }
    return NULL;
}

static void load_overlay(void *obj, const uint8_t *data, size_t len)
{
    struct block *b = obj;
    uint64_t first;
    uint32_t count;
    if (!b->in_overlay)
        return;
    memset(b->in_overlay, 0, b->size / SECTOR_SIZE / 8 + 1);
    while (len && take_run(b, &data, &len, &first, &count)) {
        uint64_t writes = b->writes;
        block_write(b, first, data, count); /* what the host cannot keep it says, and the guest's disk is damaged */
        b->writes = writes;
        data += (size_t)count * SECTOR_SIZE;
        len -= (size_t)count * SECTOR_SIZE;
    }
}

static uint64_t get_medium(const void *obj) { return block_present(obj); }

static void set_medium(void *obj, uint64_t v) { (void)obj, (void)v; }

static const struct state_value medium_value = { get_medium, set_medium, 0 };
static const struct state_blob overlay_blob = { save_overlay, check_overlay, load_overlay };
static const struct state_field block_fields[] = { FIELD_COMPUTED("medium", &medium_value, .flags = STATE_MATCH),
                                                   FIELD_U64(struct block, size, .flags = STATE_MATCH),
                                                   FIELD_BOOL(struct block, read_only, .flags = STATE_MATCH),
                                                   FIELD_U32(struct block, changes),
                                                   FIELD_U64(struct block, reads, .flags = STATE_UNCOMPARED),
                                                   FIELD_U64(struct block, writes, .flags = STATE_UNCOMPARED),
                                                   FIELD_BLOB("overlay", &overlay_blob),
                                                   FIELD_END };
const struct state_desc block_state = { .name = "block", .version = 1, .fields = block_fields };
