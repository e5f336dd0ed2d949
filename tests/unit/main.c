/* main.c - runs all unit tests.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include <stdlib.h>

int main(void)
{
    SRunner *r = srunner_create(flags_suite());
    int failed;

    srunner_add_suite(r, state_suite());
    srunner_add_suite(r, mmu_suite());
    srunner_add_suite(r, codeblock_suite());
    srunner_add_suite(r, range_suite());
#ifdef HAVE_BT
    srunner_add_suite(r, window_suite()); /* the translator's */
    srunner_add_suite(r, bt_suite());
    srunner_add_suite(r, plan_suite());
#endif
    srunner_add_suite(r, lockstep_suite());
    srunner_add_suite(r, clock_suite());
    srunner_add_suite(r, time_suite());
    srunner_add_suite(r, hpet_suite());
    srunner_add_suite(r, timer_chips_suite());
    srunner_add_suite(r, board_suite());
    srunner_add_suite(r, options_suite());
    srunner_add_suite(r, block_suite());
    srunner_add_suite(r, ata_suite());
    srunner_add_suite(r, ide_dma_suite());
    srunner_add_suite(r, atapi_suite());
    srunner_add_suite(r, fdc_suite());
    srunner_add_suite(r, dma_suite());
    srunner_add_suite(r, loader_suite());
    srunner_add_suite(r, sandbox_suite());
    srunner_add_suite(r, opener_suite());
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
