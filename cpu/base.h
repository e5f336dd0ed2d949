/* base.h - the types and small helpers every folder may use. It depends on nothing.
 *
 * Addresses carry their space in their type: gva_t is an offset into a segment, gla_t a linear
 * address, gpa_t a guest-physical one (36 bits with PAE), hva a host pointer.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_BASE_H
#define CPU_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t gva_t;  /* segment offset */
typedef uint32_t gla_t;  /* linear address */
typedef uint64_t gpa_t;  /* guest-physical address */
typedef uint64_t tick_t; /* virtual time, ns */

#define likely(x)       __builtin_expect(!!(x), 1)
#define unlikely(x)     __builtin_expect(!!(x), 0)
#define noreturn_fn     __attribute__((noreturn, cold))
#define cold_fn         __attribute__((cold, noinline))
#define printf_fn(a, b) __attribute__((format(printf, a, b)))

#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096u
#define PAGE_MASK  (~(PAGE_SIZE - 1))

/* Unaligned little-endian accesses to host memory (the guest's byte order). Only little-endian
 * hosts are supported: the register file is also addressed by byte. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");

#define DEF_LOAD_STORE(bits)                               \
    static inline uint##bits##_t load##bits(const void *p) \
    {                                                      \
        uint##bits##_t v;                                  \
        memcpy(&v, p, sizeof v);                           \
        return v;                                          \
    }                                                      \
    static inline void store##bits(void *p, uint##bits##_t v) { memcpy(p, &v, sizeof v); }
DEF_LOAD_STORE(16)
DEF_LOAD_STORE(32)
DEF_LOAD_STORE(64)
#undef DEF_LOAD_STORE

/* Load or store 1, 2, 4 or 8 bytes. */
static inline uint64_t load_n(const void *p, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, p, size);
    return v;
}

static inline void store_n(void *p, uint64_t v, unsigned size) { memcpy(p, &v, size); }

#include "cpu/log.h"

#endif
