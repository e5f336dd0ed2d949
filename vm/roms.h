/* roms.h - our option ROMs, made part of the program.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef VM_ROMS_H
#define VM_ROMS_H

extern const unsigned char rom_linuxboot[], rom_linuxboot_end[];
extern const unsigned char rom_multiboot[], rom_multiboot_end[];

#endif
