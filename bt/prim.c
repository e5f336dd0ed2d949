/* prim.c - see prim.h. BMI2 and FSGSBASE are used here and nowhere else.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/prim.h"

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

bool prim_available(void) { return __builtin_cpu_supports("bmi2"); }

/* Three-operand VEX instructions of map 2 and 3 on general registers. pp: 0 none, 1 66, 2 F3, 3 F2. */
static void vex(struct emit *e, unsigned map, unsigned pp, unsigned w, unsigned op, unsigned reg, unsigned vvvv,
                unsigned rm)
{
    e8(e, 0xc4);
    e8(e, (reg < 8) << 7 | 1 << 6 | (rm < 8) << 5 | map);
    e8(e, (w != 0) << 7 | (~vvvv & 15) << 3 | pp);
    e8(e, op);
    e8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static void pext32(struct emit *e, unsigned dst, unsigned src, unsigned mask) { vex(e, 2, 2, 0, 0xf5, dst, src, mask); }
static void pdep32(struct emit *e, unsigned dst, unsigned src, unsigned mask) { vex(e, 2, 3, 0, 0xf5, dst, src, mask); }
static void shrx(struct emit *e, unsigned w, unsigned dst, unsigned src, unsigned count)
{
    vex(e, 2, 3, w, 0xf7, dst, count, src);
}

void prim_tlb_index(struct emit *e)
{
    pext32(e, R9, R8, R13); /* R13 is the mask, see bt.h */
    e_lea_sib(e, 0, R9, R9, R9, 0, 0);
}

void prim_page_number(struct emit *e, bool direct)
{
    if (direct)
        e_mov_imm32(e, R10, PAGE_SHIFT);
    shrx(e, 0, RCX, RCX, direct ? R10 : R12);
}

void prim_negative_to_rcx(struct emit *e, unsigned value, unsigned scratch)
{
    e_mov_imm32(e, scratch, 63);
    e_mov(e, REX_W, R11, RCX);
    shrx(e, REX_W, RCX, value, scratch);
}

void prim_extract(struct emit *e, unsigned dst, unsigned src, unsigned mask) { pext32(e, dst, src, mask); }

void prim_extract_to_rcx(struct emit *e, unsigned src, uint32_t mask)
{
    e_mov_imm32(e, R10, mask);
    e_mov(e, REX_W, R11, RCX);
    pext32(e, RCX, src, R10);
}

void prim_clear_bits(struct emit *e, unsigned reg, uint32_t bits, unsigned scratch)
{
    e_mov_imm32(e, scratch, ~bits);
    pext32(e, reg, reg, scratch);
    pdep32(e, reg, reg, scratch);
}

void prim_rotate_left(struct emit *e, unsigned dst, unsigned src, unsigned n)
{
    vex(e, 3, 3, 0, 0xf0, dst, 0, src);
    e8(e, 32 - n);
}

void prim_one_bit(struct emit *e, unsigned dst, unsigned src, unsigned bit)
{
    e_mov_imm32(e, dst, 1u << bit);
    pext32(e, dst, src, dst);
    prim_rotate_left(e, dst, dst, bit);
}

void prim_shift_right(struct emit *e, unsigned dst, unsigned src, unsigned n)
{
    e_mov_imm32(e, dst, n);
    shrx(e, 0, dst, src, dst);
}

bool prim_has_fsgsbase(void) { return getauxval(AT_HWCAP2) >> 1 & 1; }

void prim_set_gs_base(bool fsgsbase, uint64_t base)
{
    if (fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else
        syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, base);
}
