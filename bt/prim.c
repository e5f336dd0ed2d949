/* prim.c - see prim.h. BMI2 and FSGSBASE are used here and nowhere else.
 *
 * Without BMI2 nothing that shifts to the right leaves the flags alone: bits are picked by LEAs, which shift to the
 * left, and on a way through memory, a whole number of bytes up. Several times what PEXT and SHRX cost. The verifier
 * knows these sequences by what they stand for (verify_fold.c).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/prim.h"

#include "bt/native.h"

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

bool prim_has_bmi2(void) { return __builtin_cpu_supports("bmi2"); }
bool prim_has_fsgsbase(void) { return getauxval(AT_HWCAP2) >> 1 & 1; }

/* --- BMI2 --- */

/* Three-operand VEX instructions of map 2 and 3 on general registers. pp: 0 none, 1 66, 2 F3, 3 F2. */
static void vex(struct emit *e, unsigned map, unsigned pp, unsigned w, unsigned op, unsigned reg, unsigned vvvv,
                unsigned rm)
{
    BUG_ON(!e->bmi2);
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

/* --- what stands in for it --- */

/* dst = src << n, 32 or (w) 64 bits */
static void shift_left(struct emit *e, unsigned w, unsigned dst, unsigned src, unsigned n)
{
    for (; n; src = dst) {
        unsigned step = n < 3 ? n : 3;

        e_rex(e, w, dst, src, 0); /* lea dst, [src << step + disp32] */
        e8(e, 0x8d);
        e_modrm_index(e, dst, src, step, 0);
        n -= step;
    }
}

/* dst = `count` bits of the 32-bit src from bit `low` on. */
static void pick_bits(struct emit *e, unsigned dst, unsigned src, unsigned low, unsigned count)
{
    unsigned up = 32 - low - count; /* what lies above is shifted out */
    unsigned right = low + up;
    unsigned more = -right & 7;

    if (up)
        shift_left(e, 0, dst, src, up);
    else
        e_mov(e, 0, dst, src);
    shift_left(e, REX_W, dst, dst, more);
    e_store64(e, dst, R15, NATIVE_OFF(bits));
    e_load32(e, dst, R15, NATIVE_OFF(bits) + (int32_t)(right + more) / 8);
}

/* dst = FFh if the 64-bit src is negative, else 0. */
static void pick_sign(struct emit *e, unsigned dst, unsigned src)
{
    e_store64(e, src, R15, NATIVE_OFF(bits));
    e_load_sx8(e, dst, R15, NATIVE_OFF(bits) + 7);
    e_store32(e, dst, R15, NATIVE_OFF(bits));
    e_load_zx8(e, dst, R15, NATIVE_OFF(bits) + 3);
}

/* --- either way --- */

void prim_tlb_index(struct emit *e)
{
    if (e->bmi2)
        pext32(e, R9, R8, R13); /* R13 is the mask, see bt.h */
    else
        pick_bits(e, R9, R8, PAGE_SHIFT, TLB_BITS);
    e_lea_sib(e, 0, R9, R9, R9, 0, 0);
}

void prim_page_number(struct emit *e, bool direct)
{
    if (direct)
        e_mov_imm32(e, R10, PAGE_SHIFT);
    if (e->bmi2)
        shrx(e, 0, RCX, RCX, direct ? R10 : R12);
    else
        pick_bits(e, RCX, RCX, PAGE_SHIFT, 32 - PAGE_SHIFT);
}

void prim_negative_to_rcx(struct emit *e, unsigned value, unsigned scratch)
{
    e_mov_imm32(e, scratch, 63);
    e_mov(e, REX_W, R11, RCX);
    if (e->bmi2)
        shrx(e, REX_W, RCX, value, scratch);
    else
        pick_sign(e, RCX, value);
}

void prim_bits_to_rcx(struct emit *e, unsigned src, unsigned low, unsigned count, bool keep)
{
    e_mov_imm32(e, R10, ((1u << count) - 1) << low);
    if (keep)
        e_mov(e, REX_W, R11, RCX);
    if (e->bmi2)
        pext32(e, RCX, src, R10);
    else
        pick_bits(e, RCX, src, low, count);
}

void prim_shift_right(struct emit *e, unsigned dst, unsigned src, unsigned n)
{
    e_mov_imm32(e, dst, n);
    if (e->bmi2)
        shrx(e, 0, dst, src, dst);
    else
        pick_bits(e, dst, src, n, 32 - n);
}

/* --- only with BMI2 --- */

void prim_extract(struct emit *e, unsigned dst, unsigned src, unsigned mask) { pext32(e, dst, src, mask); }

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

/* --- GS --- */

void prim_set_gs_base(bool fsgsbase, uint64_t base)
{
    if (fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else
        syscall(SYS_arch_prctl, 0x1001 /* ARCH_SET_GS */, base);
}
