/* disas.c - the disassembler people see (Capstone).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "debug/disas.h"

#include <capstone/capstone.h>
#include <stdio.h>

unsigned disas(const uint8_t *code, unsigned have, uint32_t addr, unsigned bits, char *text, size_t size)
{
    char bytes[48] = "";
    unsigned len = 1;
    unsigned n;
    cs_insn *in = NULL;
    size_t got = 0;
    csh h;

    if (cs_open(CS_ARCH_X86, bits == 16 ? CS_MODE_16 : CS_MODE_32, &h) == CS_ERR_OK) {
        got = cs_disasm(h, code, have, addr, 1, &in);
        if (got)
            len = in->size;
    }
    for (n = 0; n < len; n++)
        snprintf(bytes + n * 3, sizeof bytes - n * 3, "%02x ", code[n]);
    snprintf(text, size, "%-30s %s%s%s", bytes, got ? in->mnemonic : "(bad)", got && in->op_str[0] ? " " : "",
             got ? in->op_str : "");
    if (got)
        cs_free(in, got);
    cs_close(&h);
    return len;
}
