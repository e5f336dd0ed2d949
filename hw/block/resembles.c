/* resembles.c - what a file is that somebody gives for a raw image. See resembles.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/block/resembles.h"

#include "cpu/base.h"

#include <sys/types.h>
#include <unistd.h>

#define HEAD    512u
#define CONVERT "only raw images are supported; convert it with qemu-img convert -O raw"
#define UNPACK  "only raw images are supported; unpack it first"

static const struct {
    unsigned offset;
    unsigned len;
    const char *magic;
    struct resemblance is;
} known[] = {
    { 0, 4, "QFI\xfb", { "a qcow2 image", CONVERT } },
    { 0, 4, "QED", { "a QED image", CONVERT } },
    { 0, 4, "KDMV", { "a VMDK image", CONVERT } },
    { 0, 4, "COWD", { "a VMDK image", CONVERT } },
    { 0, 21, "# Disk DescriptorFile", { "the description of a VMDK image", CONVERT } },
    { 64, 4, "\x7f\x10\xda\xbe", { "a VDI image", CONVERT } },
    { 0, 8, "vhdxfile", { "a VHDX image", CONVERT } },
    { 0, 8, "conectix", { "a VHD image", CONVERT } },
    { 0, 2, "\x1f\x8b", { "packed with gzip", UNPACK } },
    { 0,
      6,
      "\xfd"
      "7zXZ",
      { "packed with xz", UNPACK } },
    { 0, 3, "BZh", { "packed with bzip2", UNPACK } },
    { 0, 4, "\x28\xb5\x2f\xfd", { "packed with zstd", UNPACK } },
    { 0, 4, "PK\x03\x04", { "a zip archive", UNPACK } },
    { 0, 6, "7z\xbc\xaf\x27\x1c", { "a 7z archive", UNPACK } },
};

static bool is_text(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((p[i] < 32 && !(p[i] >= '\t' && p[i] <= '\r')) || p[i] == 127)
            return false;
    return len > 0;
}

const struct resemblance *block_resembles(int fd, uint64_t size)
{
    static const struct resemblance vhd = { "a VHD image", CONVERT };
    static const struct resemblance text = { "text", "give the image of a disk" };
    uint8_t head[HEAD];
    char tail[8];
    ssize_t got = pread(fd, head, sizeof head, 0);

    if (got <= 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].offset + known[i].len <= (size_t)got &&
            !memcmp(head + known[i].offset, known[i].magic, known[i].len))
            return &known[i].is;
    /* a VHD of fixed size is a raw image and a last sector of its own */
    if (size >= 2 * HEAD && pread(fd, tail, sizeof tail, (off_t)(size - HEAD)) == (ssize_t)sizeof tail &&
        !memcmp(tail, "conectix", sizeof tail))
        return &vhd;
    return is_text(head, (size_t)got) ? &text : NULL;
}
