/* flags.c - lazy flags against the definition of each flag, for all 8-bit and many wider operands.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "cpu/flags.h"

static struct cpu c;

/* The six flags of a + b + carry (or a - b - carry) by their definitions (SDM 1 3.4.3.1). */
static uint32_t expected(uint64_t a, uint64_t b, unsigned carry, bool sub, unsigned bits)
{
    uint64_t mask = (1ull << bits) - 1;
    uint64_t r = sub ? a - b - carry : a + b + carry;
    uint64_t top = 1ull << (bits - 1);
    uint32_t f = 0;

    if (sub ? a < b + carry : r > mask)
        f |= EFLAGS_CF;
    if (!__builtin_parity((unsigned)(r & 0xff)))
        f |= EFLAGS_PF;
    if (sub ? (a & 15) < (b & 15) + carry : (a & 15) + (b & 15) + carry > 15)
        f |= EFLAGS_AF;
    if (!(r & mask))
        f |= EFLAGS_ZF;
    if (r & top)
        f |= EFLAGS_SF;
    if (sub ? (a ^ b) & (a ^ r) & top : ~(a ^ b) & (a ^ r) & top)
        f |= EFLAGS_OF;
    return f;
}

START_TEST(add_sub_8)
{
    unsigned a;
    unsigned b;
    unsigned carry;

    for (a = 0; a < 256; a++)
        for (b = 0; b < 256; b++)
            for (carry = 0; carry < 2; carry++) {
                lf_add8(&c, a, b, (uint8_t)(a + b + carry));
                ck_assert_uint_eq(lf_get_all(&c), expected(a, b, carry, false, 8));
                lf_sub8(&c, a, b, (uint8_t)(a - b - carry));
                ck_assert_uint_eq(lf_get_all(&c), expected(a, b, carry, true, 8));
            }
}
END_TEST

START_TEST(add_sub_wide)
{
    static const uint32_t v[] = { 0,       1,          2,          0xf,        0x10,       0x7f,
                                  0x80,    0xff,       0x100,      0x7fff,     0x8000,     0xffff,
                                  0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x12345678, 0xdeadbeef };
    unsigned x;
    unsigned y;
    unsigned carry;

    for (x = 0; x < ARRAY_SIZE(v); x++)
        for (y = 0; y < ARRAY_SIZE(v); y++)
            for (carry = 0; carry < 2; carry++) {
                uint32_t a = v[x];
                uint32_t b = v[y];

                lf_add32(&c, a, b, a + b + carry);
                ck_assert_uint_eq(lf_get_all(&c), expected(a, b, carry, false, 32));
                lf_sub32(&c, a, b, a - b - carry);
                ck_assert_uint_eq(lf_get_all(&c), expected(a, b, carry, true, 32));
                a &= 0xffff;
                b &= 0xffff;
                lf_add16(&c, a, b, (uint16_t)(a + b + carry));
                ck_assert_uint_eq(lf_get_all(&c), expected(a, b, carry, false, 16));
                lf_sub16(&c, a, b, (uint16_t)(a - b - carry));
                ck_assert_uint_eq(lf_get_all(&c), expected(a, b, carry, true, 16));
            }
}
END_TEST

START_TEST(set_and_get)
{
    unsigned n;

    for (n = 0; n < 64; n++) {
        uint32_t f = (n & 1) | (n & 2) << 1 | (n & 4) << 2 | (n & 8) << 3 | (n & 16) << 3 | (n & 32) << 6;

        lf_set_all(&c, f);
        ck_assert_uint_eq(lf_get_all(&c), f);
        lf_set_cf(&c, 1);
        ck_assert_uint_eq(lf_get_all(&c), f | EFLAGS_CF);
        lf_set_cf(&c, 0);
        ck_assert_uint_eq(lf_get_all(&c), f & ~EFLAGS_CF);
    }
}
END_TEST

START_TEST(conditions)
{
    unsigned n;

    for (n = 0; n < 64; n++) {
        bool cf = n & 1;
        bool pf = n & 2;
        bool zf = n & 8;
        bool sf = n & 16;
        bool of = n & 32;
        bool want[8] = { of, cf, zf, cf || zf, sf, pf, sf != of, zf || sf != of };
        unsigned cc;

        lf_set_all(&c, (n & 1) | (n & 2) << 1 | (n & 4) << 2 | (n & 8) << 3 | (n & 16) << 3 | (n & 32) << 6);
        for (cc = 0; cc < 16; cc++)
            ck_assert_int_eq(lf_cond(&c, cc), want[cc >> 1] ^ (cc & 1));
    }
}
END_TEST

Suite *flags_suite(void)
{
    Suite *s = suite_create("flags");
    TCase *t = tcase_create("lazy flags");

    tcase_add_test(t, add_sub_8);
    tcase_add_test(t, add_sub_wide);
    tcase_add_test(t, set_and_get);
    tcase_add_test(t, conditions);
    suite_add_tcase(s, t);
    return s;
}
