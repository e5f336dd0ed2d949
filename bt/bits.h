/* bits.h - picking bits out of a register without touching the flags, where the host has no BMI2: shifts to the
 * left are LEAs, shifts to the right go through memory, a whole number of bytes up. Several times what PEXT and
 * SHRX cost.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_BITS_H
#define BT_BITS_H

#include "bt/emit.h"
#include "bt/native.h"

/* dst = src << n, 32 or (w) 64 bits */
static inline void e_shl_lea(struct emit *e, unsigned w, unsigned dst, unsigned src, unsigned n)
{
    for (; n; src = dst) {
        unsigned step = n < 3 ? n : 3;

        e_rex(e, w, dst, src, 0);
        e8(e, 0x8d);
        e8(e, (dst & 7) << 3 | 4);
        e8(e, step << 6 | (src & 7) << 3 | 5); /* [src << step + disp32] */
        e32(e, 0);
        n -= step;
    }
}

/* dst = `count` bits of the 32-bit src from bit `low` on. */
static inline void e_bits(struct emit *e, unsigned dst, unsigned src, unsigned low, unsigned count)
{
    unsigned up = 32 - low - count; /* what lies above is shifted out */
    unsigned right = low + up;
    unsigned more = -right & 7;

    if (up)
        e_shl_lea(e, 0, dst, src, up);
    else
        e_mov(e, 0, dst, src);
    e_shl_lea(e, REX_W, dst, dst, more);
    e_store64(e, dst, R15, NATIVE_OFF(bits));
    e_load32(e, dst, R15, NATIVE_OFF(bits) + (int32_t)(right + more) / 8);
}

/* dst = FFh if the 64-bit src is negative, else 0. */
static inline void e_negative(struct emit *e, unsigned dst, unsigned src)
{
    unsigned n;

    e_store64(e, src, R15, NATIVE_OFF(bits));
    for (n = 0; n < 2; n++) { /* movsx dst, byte: its sign; mov; movzx dst, byte: all of a byte */
        e_rex(e, 0, dst, 0, R15);
        e8(e, 0x0f);
        e8(e, n ? 0xb6 : 0xbe);
        e_modrm_disp(e, dst, R15, NATIVE_OFF(bits) + (n ? 3 : 7));
        if (!n)
            e_store32(e, dst, R15, NATIVE_OFF(bits));
    }
}

#endif
