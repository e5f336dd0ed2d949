/* range.c - ranges of the physical map, who is told of them, and the log of written pages.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "cpu/engine.h"
#include "mmu/mmu.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

/* --- what listeners hear --- */

static char heard[256];

static void say(const char *what, const struct range *r, gpa_t gpa)
{
    size_t n = strlen(heard);

    snprintf(heard + n, sizeof heard - n, "%s%s%s@%llx ", what, r ? " " : "", r ? range_name(r) : "",
             (unsigned long long)gpa);
}

static void added(void *o, const struct range *r, gpa_t gpa, uint64_t size)
{
    (void)o, (void)size;
    say("+", r, gpa);
}

static void removed(void *o, const struct range *r, gpa_t gpa, uint64_t size)
{
    (void)o, (void)size;
    say("-", r, gpa);
}

static void changed(void *o) { ++*(unsigned *)o; }

static const struct mmio_ops none = { 0 };

START_TEST(moves)
{
    struct memmap *m = memmap_create(2 << 20, 0xe0000000);
    unsigned changes = 0;
    struct memmap_listener l = { .added = added, .removed = removed, .changed = changed, .opaque = &changes };
    struct range *a = range_new(m, 2 * PAGE_SIZE, &none, NULL, "a");
    struct range *b = range_new(m, PAGE_SIZE, &none, NULL, "b");
    const struct range *blocker;

    *heard = '\0';
    memmap_listen(m, &l);
    ck_assert_int_eq(range_move(a, 0xf0000000, &blocker), 0);
    ck_assert_ptr_null(blocker);
    ck_assert_int_eq(range_move(b, 0xf0001000, &blocker), -EBUSY); /* waits */
    ck_assert_ptr_eq(blocker, a);
    ck_assert_uint_eq(range_where(b), GPA_NONE);
    ck_assert_ptr_eq(memmap_range_at(m, 0xf0001fff), a);
    ck_assert_int_eq(range_move(a, 0xf0001000, NULL), -EBUSY); /* b has waited for that */
    ck_assert_uint_eq(range_where(a), GPA_NONE);
    ck_assert_uint_eq(range_where(b), 0xf0001000);
    ck_assert_int_eq(range_move(b, GPA_NONE, NULL), 0);
    ck_assert_uint_eq(range_where(a), 0xf0001000);
    range_destroy(a);
    ck_assert_ptr_null(memmap_range_at(m, 0xf0001000));
    ck_assert_str_eq(heard, "+ a@f0000000 - a@f0000000 + b@f0001000 - b@f0001000 + a@f0001000 - a@f0001000 ");
    ck_assert_uint_eq(changes, 6);
    memmap_set_a20(m, false);
    memmap_set_a20(m, false);
    ck_assert_uint_eq(changes, 7);
    memmap_unlisten(m, &l);
    memmap_set_a20(m, true);
    ck_assert_uint_eq(changes, 7);
    memmap_destroy(m);
}
END_TEST

/* As many as are mapped at once, and one more, which gets its place when another goes. */
START_TEST(too_many)
{
    struct memmap *m = memmap_create(2 << 20, 0xe0000000);
    struct range *first = NULL;
    struct range *r;
    unsigned n = 0;
    int rc;

    ck_assert_ptr_null(range_new(m, 0, &none, NULL, "empty"));
    ck_assert_ptr_null(range_new(m, 100, &none, NULL, "not of whole pages"));
    do {
        r = range_new(m, PAGE_SIZE, &none, NULL, "r");
        first = first ? first : r;
        rc = range_move(r, 0xf0000000 + n++ * PAGE_SIZE, NULL);
    } while (!rc && n < 1000);
    ck_assert_int_eq(rc, -ENOSPC);
    ck_assert_uint_eq(range_where(r), GPA_NONE);
    range_destroy(first);
    ck_assert_uint_ne(range_where(r), GPA_NONE);
    memmap_destroy(m);
}
END_TEST

/* --- written pages --- */

static uint64_t take(struct memmap *m, uint64_t *pages) { return memmap_dirty_take(m, pages); }

static bool has(const uint64_t *bits, unsigned page) { return bits[page / 64] >> (page % 64) & 1; }

START_TEST(written_pages)
{
    struct memmap *m = memmap_create(2 << 20, 1 << 20); /* the second half is above 4 GiB */
    struct cpu *c = cpu_create(cpu_model_find("max"), 0);
    struct mmu *u = mmu_create(c, m);
    struct engine *engine;
    uint64_t *bits = calloc(memmap_ram_pages(m) / 64, sizeof *bits);
    uint8_t byte = 1;
    unsigned n;

    ck_assert_int_eq(interp_engine.create(&(struct engine_env){ .cpu = c }, NULL, &engine), 0);
    cpu_reset(c);
    c->mem->write(c, 0x5000, 1, 4, false); /* the TLB knows the page before it starts */
    ck_assert_int_eq(memmap_dirty_start(m), 0);
    ck_assert_uint_eq(take(m, bits), 0);
    for (n = 0; n < 3; n++) { /* noticed again after each look */
        c->mem->write(c, 0x5123, 1, 4, false);
        c->mem->write(c, 0x5200, 1, 4, false);
        c->mem->write(c, 0x7ffe, 1, 4, false); /* two pages */
        memmap_write(m, 0x100000000ull + 0x3000, &byte, 1);
        memmap_put_page(m, 9, (uint8_t[PAGE_SIZE]){ 3 });
        ck_assert_uint_eq(take(m, bits), 5);
        ck_assert(has(bits, 5) && has(bits, 7) && has(bits, 8) && has(bits, 256 + 3) && has(bits, 9));
        ck_assert_uint_eq(take(m, bits), 0);
    }
    c->mem->read(c, 0x6000, 4, false);
    ck_assert_uint_eq(take(m, bits), 0);
    memmap_dirty_stop(m);
    c->mem->write(c, 0x5123, 1, 4, false);
    ck_assert_uint_eq(take(m, bits), 0);
    ck_assert_int_eq(memmap_dirty_start(m), 0); /* and once more */
    c->mem->write(c, 0x5123, 1, 4, false);
    ck_assert_uint_eq(take(m, bits), 1);
    engine_destroy(engine);
    mmu_destroy(u);
    cpu_destroy(c);
    memmap_destroy(m);
    free(bits);
}
END_TEST

Suite *range_suite(void)
{
    Suite *s = suite_create("ranges");
    TCase *t = tcase_create("ranges");

    tcase_add_test(t, moves);
    tcase_add_test(t, too_many);
    tcase_add_test(t, written_pages);
    suite_add_tcase(s, t);
    return s;
}
