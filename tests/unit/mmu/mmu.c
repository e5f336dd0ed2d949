/* mmu.c - the physical map: regions, PAM, A20, RAM above 4 GiB; and translation by a CPU.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "cpu/engine.h"
#include "mmu/mmu.h"

#include <setjmp.h>

static uint64_t io_value;

static uint64_t io_read(void *o, gpa_t off, unsigned size)
{
    (void)o, (void)size;
    return off;
}

static void io_write(void *o, gpa_t off, uint64_t v, unsigned size)
{
    (void)o, (void)size;
    io_value = off << 32 | v;
}

static const struct mmio_ops io = { io_read, io_write, 1, 8 };

static uint32_t read32(struct memmap *m, gpa_t at)
{
    uint8_t v[4];

    memmap_read(m, at, v, 4);
    return load32(v);
}

static void write32(struct memmap *m, gpa_t at, uint32_t v)
{
    uint8_t b[4];

    store32(b, v);
    memmap_write(m, at, b, 4);
}

START_TEST(map)
{
    static uint8_t rom[PAGE_SIZE] __attribute__((aligned(4096))) = { 1, 2, 3, 4 };
    struct memmap *m = memmap_create(8 << 20, 0xe0000000);
    struct range *r;

    ck_assert_ptr_nonnull(m);
    write32(m, 0x1000, 0x12345678);
    ck_assert_uint_eq(read32(m, 0x1000), 0x12345678);
    ck_assert_uint_eq(read32(m, 0x900000), 0xffffffff); /* nothing there */
    write32(m, 0x900000, 1);
    /* a read across the end of RAM */
    ck_assert_uint_eq(read32(m, (8 << 20) - 2) >> 16, 0xffff);
    /* ROM over nothing, and MMIO */
    ck_assert_int_eq(range_move(range_new_host(m, PAGE_SIZE, rom, false, "rom"), 0xfffff000, NULL), 0);
    ck_assert_uint_eq(read32(m, 0xfffff000), 0x04030201);
    write32(m, 0xfffff000, 0);
    ck_assert_uint_eq(read32(m, 0xfffff000), 0x04030201);
    r = range_new(m, PAGE_SIZE, &io, NULL, "io");
    ck_assert_int_eq(range_move(r, 0xfebf0000, NULL), 0);
    ck_assert_uint_eq(read32(m, 0xfebf0010) & 0xff, 0x10);
    write32(m, 0xfebf0020, 0xaa);
    range_destroy(r);
    ck_assert_uint_eq(read32(m, 0xfebf0010), 0xffffffff);
    memmap_destroy(m);
}
END_TEST

START_TEST(pam)
{
    static uint8_t rom[PAGE_SIZE] __attribute__((aligned(4096))) = { 0xaa };
    struct memmap *m = memmap_create(2 << 20, 0xe0000000);
    uint8_t v = 0x55;

    range_move(range_new_host(m, PAGE_SIZE, rom, false, "rom"), 0xf0000, NULL);
    memmap_write(m, 0xf0000, &v, 1);
    memmap_read(m, 0xf0000, &v, 1);
    ck_assert_uint_eq(v, 0xaa);
    memmap_set_pam(m, 0xf0000, 0x10000, false, true); /* read ROM, write RAM */
    v = 0x77;
    memmap_write(m, 0xf0000, &v, 1);
    memmap_read(m, 0xf0000, &v, 1);
    ck_assert_uint_eq(v, 0xaa);
    memmap_set_pam(m, 0xf0000, 0x10000, true, false); /* read RAM, writes dropped */
    memmap_read(m, 0xf0000, &v, 1);
    ck_assert_uint_eq(v, 0x77);
    v = 1;
    memmap_write(m, 0xf0000, &v, 1);
    memmap_read(m, 0xf0000, &v, 1);
    ck_assert_uint_eq(v, 0x77);
    memmap_destroy(m);
}
END_TEST

START_TEST(high_ram)
{
    struct memmap *m = memmap_create(3 << 20, 2 << 20);

    write32(m, 0x100000000ull, 0xcafe);
    ck_assert_uint_eq(read32(m, 0x100000000ull), 0xcafe);
    ck_assert_uint_eq(read32(m, 0x200000), 0xffffffff);
    ck_assert_uint_eq(read32(m, 0x100100000ull), 0xffffffff);
    memmap_destroy(m);
}
END_TEST

static struct cpu *new_cpu(struct memmap *m, struct mmu **u, struct engine **e)
{
    struct cpu *c = cpu_create(cpu_model_find("max"), 0);

    *u = mmu_create(c, m);
    ck_assert_int_eq(interp_engine.create(&(struct engine_env){ .cpu = c }, NULL, e), 0);
    cpu_reset(c);
    return c;
}

/* The vector raised by reading `la`, or -1. */
static int read_fault(struct cpu *c, gla_t la, bool user, bool write)
{
    if (setjmp(c->jmp))
        return c->exc.vector;
    if (write)
        c->mem->write(c, la, 0, 1, user);
    else
        c->mem->read(c, la, 1, user);
    return -1;
}

START_TEST(walk32)
{
    struct memmap *m = memmap_create(4 << 20, 0xe0000000);
    struct mmu *u;
    struct engine *engine;
    struct cpu *c = new_cpu(m, &u, &engine);

    /* directory at 1000h, table at 2000h; 400000h -> 3000h user read-only, 401000h -> supervisor */
    write32(m, 0x1000 + 4, 0x2000 | 7);
    write32(m, 0x2000, 0x3000 | 5);
    write32(m, 0x2004, 0x4000 | 3);
    write32(m, 0x1000 + 8, 0x200000 | 0x80 | 7); /* bit 21 of a 4 MiB page is reserved */
    c->cr3 = 0x1000;
    c->cr4 = CR4_PSE;
    c->cr0 |= CR0_PE | CR0_PG | CR0_WP;
    cpu_update_derived(c);
    ck_assert_int_eq(read_fault(c, 0x400000, true, false), -1);
    ck_assert_uint_eq(read32(m, 0x2000), 0x3000 | 5 | 0x20); /* A, not D */
    ck_assert_int_eq(read_fault(c, 0x400000, true, true), EXC_PF);
    ck_assert_uint_eq(c->exc.error, PFERR_P | PFERR_W | PFERR_U);
    ck_assert_uint_eq(c->cr2, 0x400000);
    ck_assert_int_eq(read_fault(c, 0x400fff, false, true), EXC_PF); /* WP */
    ck_assert_uint_eq(c->exc.error, PFERR_P | PFERR_W);
    ck_assert_int_eq(read_fault(c, 0x401000, true, false), EXC_PF);
    ck_assert_uint_eq(c->exc.error, PFERR_P | PFERR_U);
    ck_assert_int_eq(read_fault(c, 0x401000, false, true), -1);
    ck_assert_uint_eq(read32(m, 0x2004), 0x4000 | 3 | 0x60); /* A and D */
    ck_assert_int_eq(read_fault(c, 0x402000, false, false), EXC_PF);
    ck_assert_uint_eq(c->exc.error, 0);
    ck_assert_int_eq(read_fault(c, 0x800000, false, false), EXC_PF);
    ck_assert_uint_eq(c->exc.error, PFERR_P | PFERR_RSVD);
    engine_destroy(engine);
    mmu_destroy(u);
    cpu_destroy(c);
    memmap_destroy(m);
}
END_TEST

START_TEST(a20)
{
    struct memmap *m = memmap_create(4 << 20, 0xe0000000);
    struct mmu *u;
    struct engine *engine;
    struct cpu *c = new_cpu(m, &u, &engine);

    write32(m, 0x500, 0x11);
    write32(m, 0x100500, 0x22);
    ck_assert_uint_eq(c->mem->read(c, 0x100500, 4, false), 0x22);
    memmap_set_a20(m, false);
    ck_assert_uint_eq(c->mem->read(c, 0x100500, 4, false), 0x11);
    memmap_set_a20(m, true);
    ck_assert_uint_eq(c->mem->read(c, 0x100500, 4, false), 0x22);
    engine_destroy(engine);
    mmu_destroy(u);
    cpu_destroy(c);
    memmap_destroy(m);
}
END_TEST

Suite *mmu_suite(void)
{
    Suite *s = suite_create("mmu");
    TCase *t = tcase_create("memory");

    tcase_add_test(t, map);
    tcase_add_test(t, pam);
    tcase_add_test(t, high_ram);
    tcase_add_test(t, walk32);
    tcase_add_test(t, a20);
    suite_add_tcase(s, t);
    return s;
}
