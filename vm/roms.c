/* roms.c - our option ROMs, made part of the program.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/roms.h"

#define EMBED(name, file)                                                   \
    __asm__(".section .rodata\n.balign 16\n"                                \
            ".global rom_" #name "\nrom_" #name ":\n.incbin \"" file "\"\n" \
            ".global rom_" #name "_end\nrom_" #name "_end:\n.byte 0\n.text\n")

EMBED(linuxboot, ROM_DIR "/linuxboot.bin");
EMBED(multiboot, ROM_DIR "/multiboot.bin");
