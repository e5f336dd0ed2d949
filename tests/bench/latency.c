/* latency.c - how long after a device raises INTR the CPU takes the interrupt, under the translator, in
 * code that hardly ever leaves by itself. Prints microseconds: median, 99 of 100, the longest.
 *
 *   latency [-n interrupts]
 *
 * A second thread raises INTR, as a device's does, at random times; the CPU's acknowledge is the end.
 * On a host that is busy the longest ones are the host's scheduling.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
#include "bt/engine.h"
#include "mmu/mmu.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CODE    0x10000u
#define HANDLER 0x12000u
#define IDT     0x13000u
#define GDT     0x14000u
#define VECTOR  0x20u

static const struct {
    const char *name;
    uint8_t code[24];
    unsigned len;
} loops[] = {
    { "jmp_self", { 0xeb, 0xfe }, 2 },
    { "call_ret", { 0xe8, 0x02, 0, 0, 0, 0xeb, 0xf9, 0xc3 }, 8 },    /* call f; jmp; f: ret */
    { "indirect", { 0xb8, 0x00, 0x00, 0x01, 0x00, 0xff, 0xe0 }, 7 }, /* mov eax, CODE; jmp eax */
    { "rep_movs",
      { 0xbe, 0, 0, 0x10, 0, 0xbf, 0, 0, 0x20, 0, 0xb9, 0, 0, 0x04, 0, 0xf3, 0xa5, 0xeb, 0xed },
      19 },                                                    /* 1 MiB at a time, for ever */
    { "loads", { 0x8b, 0x05, 0, 0, 0x02, 0, 0xeb, 0xf8 }, 8 }, /* mov eax, [20000h]; jmp */
};

static struct cpu *c;
static _Atomic uint64_t raised; /* 0: none is on its way */
static atomic_uint taken;
static double *us;
static unsigned wanted = 5000;

static uint64_t nanoseconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int acknowledge(void *opaque)
{
    uint64_t at = atomic_load(&raised);

    (void)opaque;
    us[atomic_load(&taken)] = (double)(nanoseconds() - at) / 1000;
    cpu_clear_event(c, EVENT_INTR);
    atomic_store(&raised, 0);
    if (atomic_fetch_add(&taken, 1) + 1 == wanted)
        cpu_set_event(c, EVENT_KICK);
    return VECTOR;
}

static const struct cpu_bus bus = { .intr_ack = acknowledge };

static void *device(void *opaque)
{
    unsigned seed = 1;

    (void)opaque;
    while (atomic_load(&taken) < wanted) {
        struct timespec pause = { 0, 50000 + (long)(rand_r(&seed) % 300000) };

        nanosleep(&pause, NULL);
        if (atomic_load(&raised) || atomic_load(&taken) >= wanted)
            continue;
        atomic_store(&raised, nanoseconds());
        cpu_set_event(c, EVENT_INTR);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;

    return (d > 0) - (d < 0);
}

static void put32(struct memmap *m, gpa_t at, uint32_t v) { memmap_write(m, at, &v, 4); }

static int measure(unsigned n)
{
    struct memmap *map = memmap_create(16 << 20, 0xe0000000);
    struct engine *engine;
    struct mmu *mmu;
    pthread_t t;
    unsigned k;
    int rc;

    c = cpu_create(cpu_model_find("max"), bt_engine.tail);
    if (!map || !c)
        return -1;
    c->bus = &bus;
    mmu = mmu_create(c, map);
    rc = bt_engine.create(&(struct engine_env){ .cpu = c }, "direct=force", &engine);
    if (rc < 0)
        return rc;
    cpu_reset(c);
    memmap_write(map, CODE, loops[n].code, loops[n].len);
    memmap_write(map, HANDLER, "\xcf", 1); /* iret */
    put32(map, IDT + VECTOR * 8, 8u << 16 | (HANDLER & 0xffff));
    put32(map, IDT + VECTOR * 8 + 4, (HANDLER & 0xffff0000u) | 0x8e00);
    put32(map, GDT + 8, 0x0000ffff);
    put32(map, GDT + 12, 0x00cf9b00);
    c->idtr = (struct dtable){ IDT, 0x7ff };
    c->gdtr = (struct dtable){ GDT, 15 };
    c->cr0 |= CR0_PE;
    for (k = 0; k < SEG_COUNT; k++) {
        c->seg[k].sel = 8;
        c->seg[k].base = 0;
        c->seg[k].limit = 0xffffffff;
        c->seg[k].attr = AR_P | AR_S | AR_RW | AR_ACCESSED | AR_DB | AR_G | (k == SEG_CS ? AR_CODE : 0);
    }
    c->eip = CODE;
    c->r[ESP] = 0x20000;
    cpu_set_eflags(c, EFLAGS_IF);
    cpu_update_derived(c);
    atomic_store(&taken, 0);
    if (pthread_create(&t, NULL, device, NULL))
        return -1;
    while (atomic_load(&taken) < wanted)
        engine_run(engine);
    pthread_join(t, NULL);
    qsort(us, wanted, sizeof *us, compare);
    printf("latency %s %.1f %.1f %.1f\n", loops[n].name, us[wanted / 2], us[wanted - 1 - wanted / 100], us[wanted - 1]);
    engine_destroy(engine);
    mmu_destroy(mmu);
    cpu_destroy(c);
    memmap_destroy(map);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned n;
    int opt;

    while ((opt = getopt(argc, argv, "n:")) != -1) {
        if (opt != 'n' || (wanted = (unsigned)strtoul(optarg, NULL, 0)) == 0) {
            fprintf(stderr, "usage: latency [-n interrupts]\n");
            return 2;
        }
    }
    us = calloc(wanted, sizeof *us);
    if (!us)
        return 1;
    for (n = 0; n < ARRAY_SIZE(loops); n++)
        if (measure(n) < 0)
            return 1;
    printf("latency done\n");
    return 0;
}
