/* disas.h - the disassembler people see (Capstone).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_DISAS_H
#define UI_DISAS_H

#include <stddef.h>
#include <stdint.h>

/* Disassemble one instruction of `have` bytes at most, as 16- or 32-bit code. Puts bytes and text
 * into `text`; returns its length, 1 if it is none. */
unsigned disas(const uint8_t *code, unsigned have, uint32_t addr, unsigned bits, char *text, size_t size);

#endif
