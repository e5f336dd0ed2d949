/* image.c - fuzzes what looks at images: the kinds of files that are no raw images, odd sizes, sectors at the end.
 *
 * Input: a byte of flags, one that says how large the file is beyond its bytes, then its bytes, from both ends on.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/block/block.h"
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const unsigned beyond[] = { 0, 512, 1024, 65536, 1440 << 10, 1 << 20 };
    static uint8_t buf[4 * SECTOR_SIZE];
    char path[40], err[512] = "";
    struct block *b;
    uint64_t length;
    int fd;

    if (size < 2)
        return 0;
    length = size - 2 + beyond[data[1] % ARRAY_SIZE(beyond)];
    fd = memfd_create("image", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t)length) || pwrite(fd, data + 2, size - 2, 0) < 0 ||
        (data[1] & 0x80 && pwrite(fd, data + 2, size - 2, (off_t)(length - (size - 2))) < 0))
        broken("no memory for images");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    b = block_open(path, data[0] & 0x1d, err, sizeof err); /* no temporary files */
    if (!b && (!err[0] || strchr(err, '\n')))
        broken("a refusal without one line of reason");
    if (b) {
        uint64_t all = block_sectors(b);

        if (!all || all * SECTOR_SIZE < length || all * SECTOR_SIZE - length >= SECTOR_SIZE)
            broken("an image has another size than its file");
        if (b->looks_like && (data[0] & BLOCK_RAW))
            broken("a note that was not wanted");
        if (block_read(b, all - 1, buf, 1) || !block_read(b, all, buf, 1) || !block_read(b, all - 1, buf, 2) ||
            !block_read(b, UINT64_MAX, buf, 2) || !block_read(b, UINT64_MAX / SECTOR_SIZE, buf, 1))
            broken("the end of an image is not where it should be");
        if (b->read_only != !block_write(b, all - 1, buf, 1) ? false : true)
            broken("writing and being read-only");
        if (!block_write(b, all, buf, 1))
            broken("a write past the end");
        block_close(b);
    }
    close(fd);
    return 0;
}
