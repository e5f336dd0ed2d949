/* fixrom.c - host tool: pads an option ROM to 512 bytes, sets its size byte and checksum.
 *
 *   fixrom IN OUT
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include <stdio.h>

int main(int argc, char **argv)
{
    static unsigned char rom[128 << 10];
    unsigned char sum = 0;
    size_t size;
    size_t n;
    FILE *f;

    if (argc != 3 || !(f = fopen(argv[1], "rb"))) {
        fprintf(stderr, "fixrom: usage: fixrom IN OUT\n");
        return 1;
    }
    size = fread(rom, 1, sizeof rom - 512, f);
    fclose(f);
    size = (size + 1 + 511) & ~(size_t)511;
    rom[2] = (unsigned char)(size / 512);
    for (n = 0; n < size; n++)
        sum += rom[n];
    rom[size - 1] = (unsigned char)-sum;
    f = fopen(argv[2], "wb");
    if (!f || fwrite(rom, 1, size, f) != size || fclose(f)) {
        fprintf(stderr, "fixrom: cannot write %s\n", argv[2]);
        return 1;
    }
    return 0;
}
