/* bt.c - the translator from inside: the verifier rejects what it must, a kick stops a tight loop soon,
 * windows follow the page tables.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "bt/bt.h"
#include "bt/engine.h"
#include "bt/verify.h"
#include "mmu/window.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct memmap *map;
static struct mmu *mmu;
static struct cpu *c;
static struct engine *engine;
static struct verifier *proof;

static int no_interrupt(void *opaque)
{
    (void)opaque;
    return -1;
}

static const struct cpu_bus bus = { .intr_ack = no_interrupt };

/* A CPU in flat 32-bit protected mode at 10000h, where `code` stands. */
static void start(const void *code, size_t bytes, const char *options)
{
    unsigned n;

    map = memmap_create(4 << 20, 0xe0000000);
    c = cpu_create(cpu_model_find("max"), bt_engine.tail);
    c->bus = &bus;
    mmu = mmu_create(c, map);
    proof = verifier_create();
    ck_assert_ptr_nonnull(proof);
    ck_assert_int_eq(bt_engine.create(&(struct engine_env){ .cpu = c }, options, &engine), 0);
    cpu_reset(c);
    memmap_write(map, 0x10000, code, bytes);
    c->cr0 |= CR0_PE;
    for (n = 0; n < SEG_COUNT; n++) {
        c->seg[n].base = 0;
        c->seg[n].limit = 0xffffffff;
        c->seg[n].attr = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_DB | AR_G | (n == SEG_CS ? AR_CODE : 0);
    }
    c->eip = 0x10000;
    c->r[ESP] = 0x20000;
    cpu_update_derived(c);
}

static void finish(void)
{
    engine_destroy(engine);
    verifier_destroy(proof);
    mmu_destroy(mmu);
    cpu_destroy(c);
    memmap_destroy(map);
}

/* inc [20000h]; mov ah, [ebx]; ...; jmp $: one translation with both kinds of access and an exit. */
static const uint8_t sample[] = { 0xff, 0x05, 0x00, 0x00, 0x02, 0x00, /* inc dword [20000h] */
                                  0x8a, 0x63, 0x01,                   /* mov ah, [ebx+1] */
                                  0x50, 0x58,                         /* push eax; pop eax */
                                  0xff, 0xe2 };                       /* jmp edx */

static struct tb *translate_sample(const char *options)
{
    struct bt *bt;

    start(sample, sizeof sample, options);
    c->r[EDX] = 0x10000;
    c->icount_stop = 40;
    ck_assert_int_eq(engine_run(engine), EXIT_ICOUNT);
    bt = bt_of(c);
    ck_assert_uint_gt(bt->cache.tb_count, 0);
    return &bt->cache.tb[0];
}

/* Put `bytes` over the code at the first place where `find` stands; the verifier must object. */
static void tamper(const struct tb *tb, const void *find, size_t find_len, const void *bytes, size_t len)
{
    struct bt *bt = bt_of(c);
    uint8_t *at = memmem(bt->cache.rw + tb->code, tb->size, find, find_len);
    uint8_t saved[16];
    uint32_t offset;

    ck_assert_ptr_nonnull(at);
    memcpy(saved, at, len);
    memcpy(at, bytes, len);
    ck_assert_ptr_nonnull(verify_tb(proof, bt, tb, &offset));
    memcpy(at, saved, len);
    ck_assert_ptr_null(verify_tb(proof, bt, tb, &offset));
}

START_TEST(verifier)
{
    struct tb *tb = translate_sample("heat=0,direct=off,icount=on");
    static const uint8_t jrcxz_over_miss[] = { 0xe3, 0x05 };
    static const uint8_t probe_size[] = { 0x43, 0x8d, 0x4c, 0x10, 0x04 }; /* lea ecx, [r8+r10+4] */
    static const uint8_t restore[] = { 0x4c, 0x89, 0xd9 };                /* mov rcx, r11 */
    static const uint8_t table_jump[] = { 0x41, 0xff, 0xe1 };             /* jmp r9 */

    tamper(tb, jrcxz_over_miss, 2, "\xe3\x04", 2);        /* into the miss jump */
    tamper(tb, probe_size, 5, "\x43\x8d\x4c\x10\x01", 5); /* a smaller access was checked */
    tamper(tb, restore, 3, "\x0f\x05\x90", 3);            /* SYSCALL */
    tamper(tb, restore, 3, "\xcd\x80\x90", 3);            /* INT 80h */
    tamper(tb, restore, 3, "\x4c\x89\xf9", 3);            /* mov rcx, r15 */
    tamper(tb, restore, 3, "\x49\x89\xcf", 3);            /* mov r15, rcx */
    tamper(tb, restore, 3, "\x48\x8b\x01", 3);            /* mov rax, [rcx] */
    tamper(tb, table_jump, 3, "\x41\xff\xe0", 3);         /* jmp r8 */
    finish();
}
END_TEST

START_TEST(verifier_direct)
{
    struct tb *tb;
    uint32_t n;
    struct bt *bt;
    static const uint8_t any[] = { 0x8d, 0x64 }; /* lea esp, [rsp +- 4] */

    tb = translate_sample("heat=0,direct=force,icount=on");
    bt = bt_of(c);
    for (n = 0; n < bt->cache.tb_count && !bt->cache.tb[n].ctx->direct; n++)
        ;
    ck_assert_uint_lt(n, bt->cache.tb_count);
    tb = &bt->cache.tb[n];
    tamper(tb, any, 2, "\x0f\x05", 2);
    tamper(tb, any, 2, "\x8b\x64", 2); /* mov esp, [rsp +- 4]: not in the window */
    tamper(tb, any, 2, "\xff\xe0", 2); /* jmp rax */
    tamper(tb, any, 2, "\x6a\x64", 2); /* push */
    finish();
}
END_TEST

static void *kicker(void *opaque)
{
    struct timespec *at = opaque;

    usleep(20000);
    clock_gettime(CLOCK_MONOTONIC, at);
    cpu_set_event(c, EVENT_KICK);
    return NULL;
}

/* An event raised by another thread stops even the tightest translated loop. The bound leaves room for a
 * busy host; `make bench` has the figure. */
START_TEST(kick)
{
    static const uint8_t loop[] = { 0xeb, 0xfe };
    struct timespec raised;
    struct timespec left;
    pthread_t t;

    start(loop, sizeof loop, "heat=0");
    ck_assert_int_eq(pthread_create(&t, NULL, kicker, &raised), 0);
    ck_assert_int_eq(engine_run(engine), EXIT_KICK);
    clock_gettime(CLOCK_MONOTONIC, &left);
    pthread_join(t, NULL);
    ck_assert_int_eq(c->eip, 0x10000);
    ck_assert_int_lt((left.tv_sec - raised.tv_sec) * 1000000000 + left.tv_nsec - raised.tv_nsec, 50000000);
    finish();
}
END_TEST

/* A repeated instruction that a fault's IRET came back to (RF is set) is one instruction, wherever its pages
 * end and whatever the TLB holds. */
START_TEST(repeat_is_one)
{
    static const uint8_t code[] = { 0xf3, 0xaa, 0xeb, 0xfe }; /* rep stosb; jmp $ */

    start(code, sizeof code, "heat=0");
    c->eflags |= EFLAGS_RF;
    cpu_update_mode(c);
    c->r[ECX] = 3 * PAGE_SIZE;
    c->r[EDI] = 0x30800;
    c->icount_stop = 1;
    ck_assert_int_eq(engine_run(engine), EXIT_ICOUNT);
    ck_assert_uint_eq(c->icount, 1);
    ck_assert_uint_eq(c->r[ECX], 0);
    ck_assert_uint_eq(c->eip, 0x10002);
    finish();
}
END_TEST

/* An x87 exception that is not masked leaves the instruction and its operand behind (SDM 1 8.1.8). */
START_TEST(x87_pointers)
{
    static const uint8_t code[] = { 0xdb, 0xe3,                /* fninit */
                                    0xd9, 0x2d, 0,    0, 2, 0, /* fldcw [20000h] */
                                    0xd9, 0xe8,                /* fld1 */
                                    0xd8, 0x35, 8,    0, 2, 0, /* fdiv dword [20008h]: by 0 */
                                    0xd9, 0x35, 0x10, 0, 2, 0, /* fnstenv [20010h] */
                                    0xeb, 0xe8 };              /* jmp to the beginning */
    static const char *const options[] = { "heat=0,direct=off,icount=on", "heat=0,direct=force,icount=on" };
    uint32_t env[7];
    uint16_t cw = 0x37b;
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(options); n++) {
        start(code, sizeof code, options[n]);
        c->seg[SEG_CS].sel = 0x18;
        c->seg[SEG_DS].sel = 0x20;
        memmap_write(map, 0x20000, &cw, 2);
        c->icount_stop = 600;
        ck_assert_int_eq(engine_run(engine), EXIT_ICOUNT);
        memmap_read(map, 0x20010, env, sizeof env);
        ck_assert_uint_eq(env[1] & 0x84, 0x84); /* ES, ZE */
        ck_assert_uint_eq(env[3], 0x1000a);
        ck_assert_uint_eq(env[4], 0x0035u << 16 | 0x18); /* opcode: D8 35 */
        ck_assert_uint_eq(env[5], 0x20008);
        ck_assert_uint_eq(env[6] & 0xffff, 0x20);
        ck_assert_uint_gt(bt_of(c)->stats.fpu_loads, 50);
        finish();
    }
}
END_TEST

static void entry(gpa_t at, uint32_t v) { memmap_write(map, at, &v, 4); }

START_TEST(window)
{
    static const uint8_t nop = 0x90;
    struct window *w;
    struct window *super;
    uint32_t v = 0x11111111;
    volatile uint32_t *seen;

    start(&nop, 1, NULL);
    /* directory at 1000h, table at 2000h: 400000h -> 5000h writable, 401000h -> 6000h read-only */
    entry(0x1000 + 4, 0x2000 | 7);
    entry(0x2000, 0x5000 | 7);
    entry(0x2004, 0x6000 | 5);
    entry(0x2008, 0x2000 | 7); /* the table itself */
    entry(0x2010, 0x8000 | 3); /* 404000h: for supervisors */
    memmap_write(map, 0x5000, &v, 4);
    c->cr3 = 0x1000;
    c->cr0 |= CR0_PG | CR0_WP;
    cpu_update_derived(c);
    c->mem->flush(c, true);
    w = window_open(c, WINDOW_USER);
    ck_assert_ptr_nonnull(w);
    ck_assert_int_eq(window_fill(c, w, 0x400000, false), WINDOW_OK);
    seen = (volatile uint32_t *)(window_base(w) + 0x400000);
    ck_assert_uint_eq(*seen, 0x11111111);
    memmap_read(map, 0x2000, &v, 4);
    ck_assert_uint_eq(v, 0x5000 | 7 | 0x20); /* A, not D */
    ck_assert_int_eq(window_fill(c, w, 0x400000, true), WINDOW_OK);
    *seen = 0x22222222;
    memmap_read(map, 0x5000, &v, 4);
    ck_assert_uint_eq(v, 0x22222222);
    memmap_read(map, 0x2000, &v, 4);
    ck_assert_uint_eq(v, 0x5000 | 7 | 0x60); /* A and D */
    ck_assert_int_eq(window_fill(c, w, 0x401000, true), WINDOW_FAULT);
    ck_assert_int_eq(window_fill(c, w, 0x403000, false), WINDOW_FAULT);
    ck_assert_int_eq(window_fill(c, w, 0x402000, true), WINDOW_SLOW); /* traced: never writable */
    /* a supervisor's window of this CR3 shows its pages, global or not; a user's does not */
    ck_assert_int_eq(window_fill(c, w, 0x404000, false), WINDOW_FAULT);
    super = window_open(c, WINDOW_SUPER);
    ck_assert_ptr_nonnull(super);
    ck_assert_ptr_ne(super, w);
    ck_assert_int_eq(window_fill(c, super, 0x404000, true), WINDOW_OK);
    *(volatile uint32_t *)(window_base(super) + 0x404000) = 0x44444444;
    memmap_read(map, 0x8000, &v, 4);
    ck_assert_uint_eq(v, 0x44444444);
    c->cr3 = 0x3000;
    ck_assert(!window_valid(c, super, WINDOW_SUPER));
    c->cr3 = 0x1000;
    window_close(c, super);
    /* a page-table write takes effect at once, without INVLPG */
    ck_assert_uint_eq(window_counters(c)->mapped_pages, 1);
    entry(0x2000, 0x7000 | 7);
    ck_assert_uint_eq(window_counters(c)->mapped_pages, 0);
    v = 0x33333333;
    memmap_write(map, 0x7000, &v, 4);
    ck_assert_int_ne(window_fill(c, w, 0x400000, false), WINDOW_FAULT);
    ck_assert_uint_eq(*seen, 0x33333333);
    /* so does one of the directory, and a page that comes to hold code becomes read-only */
    ck_assert_int_eq(window_fill(c, w, 0x400000, true), WINDOW_OK);
    c->mem->watch_code(c, 0x7000);
    ck_assert_int_eq(window_fill(c, w, 0x400000, true), WINDOW_SLOW);
    entry(0x1000 + 4, 0);
    ck_assert_uint_eq(window_counters(c)->mapped_pages, 0);
    finish();
}
END_TEST

static uint64_t resident(void)
{
    unsigned long long size = 0;
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%llu %llu", &size, &pages), 2);
    fclose(f);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A guest whose code is seen at every page of the address space, and jumps through all of it, in many segments: what
 * the translator keeps stays within what it was granted. */
START_TEST(memory_bound)
{
    static const uint8_t code[] = { 0x81, 0xc3, 0x00, 0x10, 0x00, 0x00, /* add ebx, 1000h */
                                    0xff, 0xe3 };                       /* jmp ebx */
    struct bt_memory m;
    uint64_t before;
    unsigned n;

    start(code, sizeof code, "heat=0,memory=32,icount=on");
    memmap_write(map, 0x8000, code, sizeof code);
    for (n = 0; n < 1024; n++) {
        entry(0x1000 + n * 4, 0x2000 | 7);
        entry(0x2000 + n * 4, 0x8000 | 7);
    }
    c->cr3 = 0x1000;
    c->cr0 |= CR0_PG | CR0_WP;
    c->eip = 0;
    c->r[EBX] = 0;
    cpu_update_derived(c);
    c->mem->flush(c, true);
    before = resident();
    for (n = 0; n < 20; n++) {
        c->seg[SEG_CS].base = n << 12;
        cpu_update_derived(c);
        c->icount_stop = c->icount + 20000;
        ck_assert_int_eq(engine_run(engine), EXIT_ICOUNT);
        m = bt_memory(bt_of(c));
        ck_assert_uint_le(m.total, 32u << 20);
        ck_assert_uint_le(resident() - before, 40u << 20);
    }
    ck_assert_uint_gt(bt_of(c)->stats.tables_emptied, 2);
    ck_assert_uint_gt(bt_of(c)->stats.translated, 100000);
    finish();
}
END_TEST

Suite *bt_suite(void)
{
    Suite *s = suite_create("bt");
    TCase *t = tcase_create("bt");

    tcase_set_timeout(t, 60);

    tcase_add_test(t, verifier);
    tcase_add_test(t, verifier_direct);
    tcase_add_test(t, kick);
    tcase_add_test(t, repeat_is_one);
    tcase_add_test(t, x87_pointers);
    tcase_add_test(t, window);
    tcase_add_test(t, memory_bound);
    suite_add_tcase(s, t);
    return s;
}
