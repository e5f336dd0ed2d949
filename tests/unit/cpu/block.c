/* codeblock.c - decoded blocks: the cache fills up at any moment without losing sight of the pages that hold code.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "cpu/interp/block.h"
#include "cpu/interp/interp.h"
#include "mmu/mmu.h"

#include <check.h>

#define PAGES 16384u

/* Blocks of all sizes in ever new pages, over several flushes: each page that has a block is watched, so that a
 * write to it drops the block. */
START_TEST(full_arena)
{
    struct memmap *map = memmap_create((PAGES + 1) * PAGE_SIZE, 0xe0000000);
    struct cpu *c = cpu_create(cpu_model_find("max"), 0);
    struct engine *engine;
    struct mmu *mmu = mmu_create(c, map);
    uint64_t flushes;
    uint32_t page;
    unsigned round;
    unsigned n;

    ck_assert_int_eq(interp_engine.create(&(struct engine_env){ .cpu = c }, NULL, &engine), 0);
    cpu_reset(c);
    c->cr0 |= CR0_PE;
    for (n = 0; n < SEG_COUNT; n++) {
        c->seg[n].base = 0;
        c->seg[n].limit = 0xffffffff;
        c->seg[n].attr = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_DB | AR_G | (n == SEG_CS ? AR_CODE : 0);
    }
    cpu_update_derived(c);
    flushes = c->blocks->stats.flushes;
    for (round = 0; c->blocks->stats.flushes < flushes + 12; round++) {
        for (page = 256; page < PAGES && c->blocks->stats.flushes < flushes + 12; page++) {
            uint8_t code[32];
            unsigned len = (page * 7 + round * 13) % 31;
            struct block *b;
            uint64_t killed;

            memset(code, 0x90, len);
            code[len] = 0xf4;
            memmap_write(map, page * PAGE_SIZE, code, len + 1);
            c->eip = page * PAGE_SIZE;
            b = block_find(c, c->eip, 0);
            ck_assert_uint_eq(b->n, len + 1);
            if ((page & 7) == 0)
                continue;
            killed = c->blocks->stats.invalidated;
            code[0] = 0xcc;
            memmap_write(map, page * PAGE_SIZE, code, 1);
            ck_assert_msg(c->blocks->stats.invalidated == killed + 1, "a write to the code of page %x went unseen",
                          page);
        }
    }
    engine_destroy(engine);
    mmu_destroy(mmu);
    cpu_destroy(c);
    memmap_destroy(map);
}
END_TEST

Suite *codeblock_suite(void)
{
    Suite *s = suite_create("codeblock");
    TCase *t = tcase_create("codeblock");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, full_arena);
    suite_add_tcase(s, t);
    return s;
}
