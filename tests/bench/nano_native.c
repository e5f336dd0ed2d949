/* nano_native.c - those operations of the nanobenchmark guest (roms/nanobench) that a process can do too, timed
 * on the host itself in the same way. Prints the same lines.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES 101
#define UNROLL  8

/* A function of the number of rounds: UNROLL times the operation in each. The red zone is left alone. */
#define LOOP(name, op)                                                                                            \
    static void name(uint64_t rounds)                                                                             \
    {                                                                                                             \
        asm volatile("leaq -128(%%rsp), %%rsp; leaq callee(%%rip), %%r8; .balign 16; 1: .rept 8; " op "; .endr; " \
                     "decq %0; jnz 1b; leaq 128(%%rsp), %%rsp"                                                    \
                     : "+r"(rounds)                                                                               \
                     :                                                                                            \
                     : "rax", "rbx", "rcx", "rdx", "r8", "memory", "cc");                                         \
    }

asm(".pushsection .text; .balign 64; callee: ret; .popsection");
LOOP(op_empty, "")
LOOP(op_call, "call callee")
LOOP(op_icall, "call *%%r8")
LOOP(op_pushf, "pushfq; popfq")
LOOP(op_rdtsc, "rdtsc")
LOOP(op_cpuid, "xorl %%eax, %%eax; cpuid")

static const struct {
    const char *name;
    void (*op)(uint64_t rounds);
} benches[] = {
    { "call_ret", op_call }, { "indirect_call", op_icall }, { "pushf_popf", op_pushf },
    { "rdtsc", op_rdtsc },   { "cpuid", op_cpuid },
};

static uint64_t rdtsc(void)
{
    uint32_t low, high;
    asm volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return low | (uint64_t)high << 32;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The host may stop us anywhere, which makes the ticks too many: the smallest of several tries is right. */
static uint64_t tsc_khz(void)
{
    uint64_t best = UINT64_MAX;
    for (int n = 0; n < 8; n++) {
        uint64_t start = rdtsc();
        uint64_t from = now_ns();
        uint64_t ns;
        do
            ns = now_ns() - from;
        while (ns < 20000000);
        uint64_t khz = (rdtsc() - start) * 1000000 / ns;
        if (khz < best)
            best = khz;
    }
    return best;
}

static uint64_t ticks(void (*op)(uint64_t), uint64_t rounds)
{
    uint64_t start = rdtsc();
    op(rounds);
    return rdtsc() - start;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double median(void (*op)(uint64_t), uint64_t rounds)
{
    uint64_t v[SAMPLES];
    for (int n = 0; n < SAMPLES; n++)
        v[n] = ticks(op, rounds);
    qsort(v, SAMPLES, sizeof v[0], by_size);
    return (double)v[SAMPLES / 2];
}

int main(void)
{
    uint64_t khz = tsc_khz();
    printf("nano tsc_khz %llu\n", (unsigned long long)khz);
    for (size_t n = 0; n < sizeof benches / sizeof *benches; n++) {
        uint64_t rounds = 1024;
        while (ticks(benches[n].op, rounds) < khz / 2)
            rounds *= 2;
        double d = (median(benches[n].op, rounds) - median(op_empty, rounds)) / (double)(rounds * UNROLL);
        printf("nano %s %.2f\n", benches[n].name, d < 0.01 ? 0.01 : d);
    }
    puts("nano done");
    return 0;
}
