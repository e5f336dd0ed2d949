/* window.c - windows under storms: page tables, INVLPG, modes, code pages and closing at random. What a window shows is
 * always what the page tables allow, the host's mappings are never more than were counted, whatever the host
 * refuses.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "cpu/sys.h"
#include "mmu/hostmap.h"
#include "mmu/window.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* The program is linked with --wrap for these: one call in `refuse` fails, if it is not 0. */
static unsigned refuse;
static unsigned refused;

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)seed * n >> 32);
}

static bool refuses(void)
{
    if (!refuse || rnd(refuse))
        return false;
    refused++;
    errno = ENOMEM;
    return true;
}

void *__real_mmap(void *at, size_t n, int prot, int flags, int fd, off_t off);
int __real_munmap(void *at, size_t n);
int __real_mprotect(void *at, size_t n, int prot);
void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t off);
int __wrap_munmap(void *at, size_t n);
int __wrap_mprotect(void *at, size_t n, int prot);

void *__wrap_mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
    return refuses() ? MAP_FAILED : __real_mmap(at, n, prot, flags, fd, off);
}

int __wrap_munmap(void *at, size_t n) { return refuses() ? -1 : __real_munmap(at, n); }

int __wrap_mprotect(void *at, size_t n, int prot) { return refuses() ? -1 : __real_mprotect(at, n, prot); }

/* --- a CPU with some address spaces --- */

#define RAM_PAGES 4096u
#define DIRS      8u  /* directories: pages 1 to 8 */
#define TABLES    32u /* page tables: pages 16 to 47 */
#define MARK_AT   0xff0u
#define P         1u
#define W         2u
#define U         4u
#define PS        0x80u
#define D         0x40u
#define G         0x100u

static struct memmap *map;
static struct mmu *mmu;
static struct cpu *c;
static gla_t recent[256];

static void start(void)
{
    uint32_t n;

    seed = 1;
    refuse = refused = 0;
    map = memmap_create(RAM_PAGES * PAGE_SIZE, 0xe0000000);
    c = cpu_create(cpu_model_find("max"), 0);
    mmu = mmu_create(c, map);
    cpu_reset(c);
    for (n = 0; n < RAM_PAGES; n++) {
        uint32_t mark = 0xabc00000 | n;

        memmap_write(map, n * PAGE_SIZE + MARK_AT, &mark, 4);
    }
    cpu_write_cr4(c, CR4_PSE | CR4_PGE);
    cpu_write_cr3(c, PAGE_SIZE);
    cpu_write_cr0(c, CR0_PE | CR0_PG | CR0_WP | CR0_ET);
}

static void finish(void)
{
    refuse = 0;
    mmu_destroy(mmu);
    cpu_destroy(c);
    memmap_destroy(map);
}

static gla_t some_la(void) { return rnd(4) ? rnd(8) << 22 | rnd(64) << 12 : rnd(1 << 20) << 12; }

static void some_entry(void)
{
    uint32_t page = rnd(3) ? 16 + rnd(TABLES) : 1 + rnd(DIRS);
    uint32_t flags = rnd(8) ? P | (rnd(4) ? W : 0) | (rnd(3) ? U : 0) | (rnd(2) ? D : 0) | (rnd(3) ? G : 0) : 0;
    uint32_t n = page < 16 ? rnd(8) : rnd(64);
    uint32_t v;

    if (page < 16)
        v = rnd(6) ? (16 + rnd(TABLES)) << 12 | P | W | U : rnd(RAM_PAGES / 1024) << 22 | PS | flags;
    else
        v = (rnd(20) ? (64 + n + rnd(4) * 64) : rnd(RAM_PAGES)) << 12 | flags;
    memmap_write(map, page * PAGE_SIZE + n * 4, &v, 4);
}

static bool can(uint64_t at, bool write)
{
    uint32_t v;
    struct iovec here = { &v, 4 };
    struct iovec there = { (void *)(uintptr_t)at, 4 };

    if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) != 4)
        return false;
    return !write || process_vm_writev(getpid(), &here, 1, &there, 1, 0) == 4;
}

/* What the window shows at `la` is what a walk finds; if it can be written, the guest may. */
static void check_page(struct window *w, enum window_kind kind, gla_t la)
{
    uint64_t at = window_base(w) + la + MARK_AT;
    bool user = kind == WINDOW_USER;
    uint32_t seen;
    uint32_t is;
    gpa_t pa = 0;

    if (!window_base(w) || !can(at, false))
        return;
    ck_assert_msg(c->mem->debug_translate(c, la, &pa), "%08x is shown and not mapped", la);
    memmap_read(map, pa + MARK_AT, &is, 4);
    memcpy(&seen, (const void *)(uintptr_t)at, 4);
    ck_assert_uint_eq(seen, is);
    if (can(at, true))
        ck_assert_msg(window_fill(c, w, la, true) == WINDOW_OK, "%08x can be written as %s", la,
                      user ? "user" : "super");
}

static void some_fills(enum window_kind kind)
{
    struct window *w = window_open(c, kind);
    gla_t la = some_la();
    unsigned n;

    if (!w)
        return;
    for (n = rnd(40); n-- && w; la += PAGE_SIZE) {
        recent[rnd(256)] = la;
        window_fill(c, w, la, rnd(2));
        w = window_find(c, kind); /* what the host refuses may end it */
    }
}

static void check_some(enum window_kind kind)
{
    struct window *w = window_find(c, kind);
    unsigned refuse_was = refuse;
    unsigned n;

    refuse = 0;
    for (n = 0; n < 16 && w; n++) {
        check_page(w, kind, recent[rnd(256)]);
        w = window_find(c, kind);
    }
    refuse = refuse_was;
}

static void storm(unsigned ops)
{
    static const uint8_t junk[PAGE_SIZE] = { 0 };
    int lines = hostmap_lines() - hostmap_used();
    gpa_t pa;
    unsigned n;

    for (n = 0; n < ops; n++) {
        enum window_kind kind = rnd(3) ? WINDOW_USER : rnd(2) ? WINDOW_SUPER : WINDOW_GLOBAL;

        switch (rnd(16)) {
        case 0:
        case 1:
        case 2:
        case 3: some_fills(kind); break;
        case 4:
        case 5:
        case 6:
        case 7:
        case 8: some_entry(); break;
        case 9: cpu_write_cr3(c, (1 + rnd(DIRS)) * PAGE_SIZE); break;
        case 10: c->mem->invlpg(c, some_la()); break;
        case 11:
            pa = (64 + rnd(256)) * PAGE_SIZE;
            c->mem->watch_code(c, pa);
            c->mem->unwatch_code(c, pa);
            break;
        case 12:
            window_tick(c);
            if (!rnd(16))
                cpu_write_cr4(c, c->cr4 ^ (rnd(2) ? CR4_PGE : CR4_PSE));
            if (!rnd(16))
                cpu_write_cr0(c, c->cr0 ^ (rnd(2) ? CR0_PG : CR0_WP));
            break;
        case 13:
            if (!rnd(8)) /* as a kernel does with a freed page */
                memmap_write(map, (rnd(2) ? 16 + rnd(TABLES) : 1 + rnd(DIRS)) * PAGE_SIZE, junk, MARK_AT);
            break;
        case 14:
            if (!rnd(64) && window_find(c, kind))
                window_close(c, window_find(c, kind));
            if (!rnd(1000)) {
                memmap_set_a20(map, false);
                memmap_set_a20(map, true);
            }
            break;
        default: /* the global window may show what the directory no longer leads to */
            check_some(kind == WINDOW_GLOBAL && c->cr0 & CR0_PG ? WINDOW_SUPER : kind);
        }
        if (n % 64 == 0) {
            ck_assert_int_le(hostmap_lines() - hostmap_used(), lines + 2); /* the allocator may have one more */
            ck_assert(hostmap_room(0));
        }
    }
}

START_TEST(holes)
{
    /* taking single pages out of long runs makes two mappings more each time */
    struct window *w;
    int used;
    uint32_t n;

    start();
    n = RAM_PAGES / 2 << 12 | P | W | U | D | PS; /* 4 MiB, then as a table of pages */
    memmap_write(map, PAGE_SIZE, &n, 4);
    for (n = 0; n < 1024; n++) {
        uint32_t v = (2048 + n) << 12 | P | W | U | D;

        memmap_write(map, 16 * PAGE_SIZE + n * 4, &v, 4);
    }
    n = 16 << 12 | P | W | U;
    memmap_write(map, PAGE_SIZE, &n, 4);
    used = hostmap_used();
    w = window_open(c, WINDOW_USER);
    for (n = 0; n < 1024; n++)
        ck_assert_int_eq(window_fill(c, w, n * PAGE_SIZE, true), WINDOW_OK);
    ck_assert_int_le(hostmap_used() - used, 2 + 2); /* one run; the window's own */
    for (n = 1; n < 1024; n += 2) {
        const uint32_t none = 0;

        memmap_write(map, 16 * PAGE_SIZE + n * 4, &none, 4);
    }
    ck_assert_int_ge(hostmap_used() - used, 1024);
    finish();
}
END_TEST

START_TEST(storms)
{
    start();
    storm(60000);
    finish();
}
END_TEST

START_TEST(few_mappings)
{
    start();
    hostmap_set_limit(hostmap_used() + 120);
    storm(30000);
    ck_assert_uint_gt(window_counters(c)->resets, 100);
    finish();
}
END_TEST

START_TEST(host_refuses)
{
    start();
    window_open(c, WINDOW_USER);
    refuse = 40;
    storm(30000);
    refuse = 3;
    storm(10000);
    refuse = 0;
    ck_assert_uint_gt(refused, 1000);
    ck_assert_uint_gt(window_counters(c)->lost, 0);
    storm(1000);
    ck_assert_ptr_nonnull(window_open(c, WINDOW_USER));
    finish();
}
END_TEST

/* One page shown everywhere: to make it read-only, or to go to another mode, must not take long. Counted in pages,
 * not in time. */
START_TEST(aliases)
{
    uint64_t steps;
    uint32_t n;
    uint32_t v = 100 << 12 | P | W | U | D;
    unsigned as;

    start();
    for (n = 0; n < 1024; n++)
        memmap_write(map, 16 * PAGE_SIZE + n * 4, &v, 4);
    v = 16 << 12 | P | W | U;
    for (as = 1; as <= DIRS; as++)
        for (n = 0; n < 4; n++)
            memmap_write(map, as * PAGE_SIZE + n * 4, &v, 4);
    for (as = 1; as <= DIRS; as++) {
        struct window *w;

        cpu_write_cr3(c, as * PAGE_SIZE);
        w = window_open(c, WINDOW_USER);
        for (n = 0; n < 4096; n++)
            window_fill(c, w, n * PAGE_SIZE, true);
    }
    steps = window_counters(c)->zaps;
    c->mem->watch_code(c, 100 * PAGE_SIZE);
    ck_assert_uint_le(window_counters(c)->zaps - steps, 1024);
    ck_assert_uint_gt(window_counters(c)->zaps - steps, 0);
    finish();
}
END_TEST

/* Going from one paging mode to another and back keeps what is shown. */
START_TEST(modes)
{
    struct window *w;
    uint32_t v = 16 << 12 | P | W | U;

    start();
    memmap_write(map, PAGE_SIZE, &v, 4);
    v = 100 << 12 | P | W | U | D;
    memmap_write(map, 16 * PAGE_SIZE, &v, 4);
    w = window_open(c, WINDOW_USER);
    ck_assert_int_eq(window_fill(c, w, 0, true), WINDOW_OK);
    cpu_write_cr0(c, c->cr0 & ~CR0_PG);
    ck_assert(!window_valid(c, w, WINDOW_USER));
    ck_assert_int_eq(window_fill(c, window_open(c, WINDOW_GLOBAL), 0x5000, true), WINDOW_OK);
    cpu_write_cr0(c, c->cr0 & ~CR0_PE);
    cpu_write_cr0(c, c->cr0 | CR0_PE);
    ck_assert_uint_eq(window_counters(c)->mapped_pages, 1 + 16 - 5); /* up to the traced table */
    cpu_write_cr0(c, c->cr0 | CR0_PG);
    ck_assert(window_valid(c, w, WINDOW_USER));
    ck_assert(can(window_base(w), true));
    /* what was written without paging counts */
    cpu_write_cr0(c, c->cr0 & ~CR0_PG);
    v = 101 << 12 | P | W | U | D;
    memmap_write(map, 16 * PAGE_SIZE, &v, 4);
    cpu_write_cr0(c, c->cr0 | CR0_PG);
    ck_assert(!can(window_base(w), false));
    ck_assert_uint_eq(window_counters(c)->resets, 0);
    finish();
}
END_TEST

/* The page tables of an address space that has ended are let go. */
START_TEST(ended)
{
    struct window *w;
    uint32_t v = 16 << 12 | P | W | U;
    uint64_t writes;
    uint32_t n;

    start();
    memmap_write(map, 2 * PAGE_SIZE, &v, 4);
    v = 100 << 12 | P | W | U | D;
    memmap_write(map, 16 * PAGE_SIZE, &v, 4);
    cpu_write_cr3(c, 2 * PAGE_SIZE);
    w = window_open(c, WINDOW_USER);
    ck_assert_int_eq(window_fill(c, w, 0, true), WINDOW_OK);
    cpu_write_cr3(c, PAGE_SIZE);
    writes = window_counters(c)->pt_writes;
    v = 0x01010101;
    for (n = 0; n < 2 * MARK_AT; n += 4) /* the directory, then the table */
        memmap_write(map, (n < MARK_AT ? 2 * PAGE_SIZE + n : 16 * PAGE_SIZE + n - MARK_AT), &v, 4);
    ck_assert_uint_lt(window_counters(c)->pt_writes - writes, 100);
    finish();
}
END_TEST

Suite *window_suite(void)
{
    Suite *s = suite_create("window");
    TCase *t = tcase_create("window");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, holes);
    tcase_add_test(t, storms);
    tcase_add_test(t, few_mappings);
    tcase_add_test(t, host_refuses);
    tcase_add_test(t, aliases);
    tcase_add_test(t, modes);
    tcase_add_test(t, ended);
    suite_add_tcase(s, t);
    return s;
}
