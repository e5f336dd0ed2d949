/* lockstep.c - lockstep finds what an engine does wrong. A guest of a few instructions runs with a board
 * that gives it random input, DMA, interrupts and NMIs; the first engine is the interpreter, which now
 * and then is made to err.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "lockstep/lockstep.h"
#include "mmu/mmu.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LENGTH 400000u /* instructions of a run */

enum mistake { NONE, REGISTER, TOGETHER, ONCE, MEMORY, PORT, FPU_POINTER };

static struct {
    enum mistake kind;
    uint64_t at; /* after this many instructions */
    bool done;
    struct cpu *c;
    struct memmap *map;
    uint32_t random;
    unsigned interrupts, nmis;
    int status;     /* what lockstep asked to leave with */
    uint64_t count; /* instructions executed */
} t;

/* --- the board --- */

static uint32_t random32(void)
{
    t.random = t.random * 1664525u + 1013904223u;
    return t.random >> 8;
}

static uint32_t board_read(void *opaque, uint16_t port, unsigned size)
{
    (void)opaque, (void)port, (void)size;
    return random32();
}

static void board_write(void *opaque, uint16_t port, uint32_t v, unsigned size)
{
    uint16_t data = (uint16_t)random32();

    (void)opaque, (void)port, (void)size;
    if (v % 3 == 0)
        memmap_write(t.map, 0x3000, &data, 2);
    if (v % 5 == 0)
        cpu_set_event(t.c, EVENT_INTR);
    if (v % 31 == 0)
        cpu_set_event(t.c, EVENT_NMI);
    if (v % 37 == 0)
        memmap_set_a20(t.map, v & 1);
}

static int board_ack(void *opaque)
{
    (void)opaque;
    cpu_clear_event(t.c, EVENT_INTR);
    t.interrupts++;
    return 0x20;
}

static tick_t board_now(void *opaque)
{
    (void)opaque;
    return random32();
}

static void board_ferr(void *opaque, int level) { (void)opaque, (void)level; }

static const struct cpu_bus bus = {
    .in = board_read,
    .out = board_write,
    .intr_ack = board_ack,
    .now = board_now,
    .ferr = board_ferr,
};

/* --- the guest: real mode, code at 1000h --- */

static const uint8_t code[] = {
    0xe5, 0x10,                   /* 1000: in ax, 10h */
    0x01, 0xc3,                   /* add bx, ax */
    0x89, 0x1e, 0x00, 0x20,       /* mov [2000h], bx */
    0xe7, 0x12,                   /* out 12h, ax */
    0x03, 0x0e, 0x00, 0x30,       /* add cx, [3000h] */
    0x03, 0x0e, 0x00, 0x40,       /* add cx, [4000h] */
    0x0f, 0x31,                   /* rdtsc */
    0xfb,                         /* sti */
    0xdb, 0xe3,                   /* fninit */
    0xd9, 0xe8,                   /* fld1 */
    0xdd, 0x1e, 0x10, 0x20,       /* fstp qword [2010h] */
    0x0f, 0xae, 0x06, 0x00, 0x22, /* fxsave [2200h] */
    0x45,                         /* inc bp */
    0xbf, 0x00, 0x50,             /* mov di, 5000h: three bytes of input, one over the other */
    0xba, 0x14, 0x00,             /* mov dx, 14h */
    0x51,                         /* push cx */
    0xb9, 0x03, 0x00,             /* mov cx, 3 */
    0xf3, 0x6c,                   /* rep insb */
    0x59,                         /* pop cx */
    0x80, 0x36, 0x2b, 0x10, 0x01, /* xor byte [102bh], 1: the 3 above is a 2, and a 3 again */
    0xeb, 0xc9,                   /* jmp 1000h */
};
static const uint8_t handler[] = {
    0xff, 0x06, 0x02, 0x20, /* 1100: inc word [2002h] */
    0xcf,                   /* iret */
};

/* --- the engine that errs --- */

static void err(void)
{
    uint64_t size;

    switch (t.kind) {
    case REGISTER:
    case TOGETHER:
    case ONCE: t.c->r[ESI] ^= 0x100; break;
    case MEMORY: memmap_ram(t.map, &size)[0x9123] ^= 0x40; break;
    case PORT: t.c->bus->in(t.c->bus_opaque, 0x99, 1); break;
    case FPU_POINTER: t.c->fpu.fip ^= 0x777; break;
    default: break;
    }
}

static enum exit_reason run(struct engine *e)
{
    struct cpu *c = e->cpu;
    uint64_t stop = c->icount_stop;
    uint64_t start = c->icount;
    enum exit_reason why;

    if (start >= t.at || stop < t.at || (t.kind == TOGETHER && t.at - start < 5) || (t.kind == ONCE && t.done))
        return interp_engine.run(e);
    c->icount_stop = t.at;
    why = interp_engine.run(e);
    c->icount_stop = stop;
    if (why != EXIT_ICOUNT || c->icount != t.at)
        return why;
    t.done = true;
    err();
    return c->icount < stop ? interp_engine.run(e) : why;
}

static const struct engine_class erring;

static int create(const struct engine_env *env, const char *options, struct engine **e)
{
    int rc = interp_engine.create(env, options, e);

    if (!rc)
        (*e)->class = &erring;
    return rc;
}

static void destroy(struct engine *e) { interp_engine.destroy(e); }

static void stats(struct engine *e, FILE *f) { interp_engine.stats(e, f); }

static const struct engine_class erring = {
    .name = "erring",
    .text = "",
    .create = create,
    .destroy = destroy,
    .run = run,
    .stats = stats,
};

static const struct engine_class *const registry[] = { &erring, &lockstep_engine, NULL };

static unsigned no_disas(const uint8_t *bytes, unsigned have, uint32_t addr, unsigned bits, char *text, size_t size)
{
    (void)have, (void)addr, (void)bits;
    snprintf(text, size, "byte %02x", bytes[0]);
    return 1;
}

static void stop(void *opaque, int status)
{
    (void)opaque;
    t.status = status;
}

/* --- a run --- */

static char report[20000];

/* Run the guest with a mistake; the report of lockstep is in `report`. */
static void run_guest(enum mistake kind, uint64_t at, const char *options)
{
    static const uint8_t ivt[4] = { 0x00, 0x11, 0, 0 };
    char name[] = "/tmp/callgate-lockstep-XXXXXX";
    int fd = mkstemp(name);
    struct engine_env env;
    struct engine *engine;
    struct mmu *u;
    ssize_t got;

    ck_assert_int_ge(fd, 0);
    unlink(name);
    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    memset(&t, 0, sizeof t);
    t.kind = kind;
    t.at = at;
    t.random = 1;
    t.map = memmap_create(4 << 20, 0xe0000000);
    t.c = cpu_create(cpu_model_find("max"), 0);
    u = mmu_create(t.c, t.map);
    t.c->bus = &bus;
    env = (struct engine_env){ t.c, t.map, registry, no_disas, stop, NULL };
    ck_assert_int_eq(lockstep_engine.create(&env, options, &engine), 0);
    memmap_write(t.map, 0x1000, code, sizeof code);
    memmap_write(t.map, 0x1100, handler, sizeof handler);
    memmap_write(t.map, 0x20 * 4, ivt, 4);
    memmap_write(t.map, 2 * 4, ivt, 4);
    cpu_reset(t.c);
    t.c->seg[SEG_CS].base = 0;
    t.c->seg[SEG_CS].sel = 0;
    t.c->eip = 0x1000;
    t.c->r[ESP] = 0x8000;
    t.c->cr4 = CR4_OSFXSR;
    cpu_update_derived(t.c);
    while (!t.status && t.c->icount < LENGTH) {
        uint16_t data = (uint16_t)random32();

        /* a device writes, and raises INTR, while the CPU stands */
        memmap_write(t.map, 0x4000, &data, 2);
        if (data % 7 == 0)
            cpu_set_event(t.c, EVENT_INTR);
        if (data % 11 == 0)
            cpu_set_event(t.c, EVENT_NMI);
        t.c->icount_stop = t.c->icount + 1 + data % 5000;
        engine_run(engine);
        cpu_clear_event(t.c, EVENT_KICK);
    }
    t.count = t.c->icount;
    engine_destroy(engine);
    mmu_destroy(u);
    cpu_destroy(t.c);
    memmap_destroy(t.map);
    got = pread(fd, report, sizeof report - 1, 0);
    report[got < 0 ? 0 : got] = '\0';
    close(fd);
}

#define HAS(text) ck_assert_msg(strstr(report, text), "'%s' is not in:\n%.1500s", text, report)

START_TEST(no_difference)
{
    static const char *const options[] = {
        "first=erring",
        "first=erring,slice=1,ram=1000",
        "first=erring,slice=777,ram=1",
    };
    size_t n;

    for (n = 0; n < ARRAY_SIZE(options); n++) {
        run_guest(NONE, 0, options[n]);
        ck_assert_msg(!t.status, "%s:\n%.1500s", options[n], report);
        ck_assert_uint_ge(t.count, LENGTH);
        ck_assert_uint_ge(t.interrupts, 1000);
    }
}
END_TEST

START_TEST(x87_pointer_differs)
{
    run_guest(FPU_POINTER, 20001, "first=erring,slice=1");
    ck_assert_int_eq(t.status, LOCKSTEP_STATUS);
    HAS("differ after instruction 20001\n");
    HAS("FIP: erring");
}
END_TEST

START_TEST(register_differs)
{
    static const uint64_t at[] = { 1, 9999, 10000, 123457 };
    size_t n;

    for (n = 0; n < ARRAY_SIZE(at); n++) {
        char head[100];

        run_guest(REGISTER, at[n], "first=erring");
        ck_assert_int_eq(t.status, LOCKSTEP_STATUS);
        snprintf(head, sizeof head, "lockstep: erring and interp differ after instruction %llu\n",
                 (unsigned long long)at[n]);
        HAS(head);
        HAS("ESI: erring 00000100, interp 00000000");
    }
}
END_TEST

/* A mistake that only instructions run in one go make. */
START_TEST(together)
{
    run_guest(TOGETHER, 123457, "first=erring");
    ck_assert_int_eq(t.status, LOCKSTEP_STATUS);
    HAS("differ after instruction 123457\n(only when erring runs it");
    HAS("ESI: erring 00000100, interp 00000000");
}
END_TEST

/* One that does not come again. */
START_TEST(once)
{
    run_guest(ONCE, 123457, "first=erring");
    ck_assert_int_eq(t.status, LOCKSTEP_STATUS);
    HAS("but not when the last");
    HAS("ESI: erring 00000100, interp 00000000");
}
END_TEST

/* A write where the guest never writes shows when all RAM is compared, 100 slices later at most. */
START_TEST(memory_differs)
{
    run_guest(MEMORY, 123457, "first=erring,slice=500,ram=100");
    ck_assert_int_eq(t.status, LOCKSTEP_STATUS);
    HAS("differ after instruction 123457\n");
    HAS("memory at physical 000009123: erring 40, interp 00");
}
END_TEST

START_TEST(another_port)
{
    run_guest(PORT, 123457, "first=erring");
    ck_assert_int_eq(t.status, LOCKSTEP_STATUS);
    HAS("port 99h");
}
END_TEST

START_TEST(bad_options)
{
    static const char *const options[] = {
        "first=none", "first=lockstep", "slice=0", "slice=x", "ram=", "warp=9", "fast",
    };
    struct memmap *m = memmap_create(1 << 20, 0xe0000000);
    struct cpu *c = cpu_create(cpu_model_find("max"), 0);
    struct mmu *u = mmu_create(c, m);
    const struct engine_env env = { c, m, registry, no_disas, stop, NULL };
    struct engine *engine;
    size_t n;

    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    for (n = 0; n < ARRAY_SIZE(options); n++)
        ck_assert_msg(lockstep_engine.create(&env, options[n], &engine) < 0, "%s is taken", options[n]);
    mmu_destroy(u);
    cpu_destroy(c);
    memmap_destroy(m);
}
END_TEST

Suite *lockstep_suite(void)
{
    Suite *s = suite_create("lockstep");
    TCase *tc = tcase_create("lockstep");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, no_difference);
    tcase_add_test(tc, x87_pointer_differs);
    tcase_add_test(tc, register_differs);
    tcase_add_test(tc, together);
    tcase_add_test(tc, once);
    tcase_add_test(tc, memory_differs);
    tcase_add_test(tc, another_port);
    tcase_add_test(tc, bad_options);
    suite_add_tcase(s, tc);
    return s;
}
