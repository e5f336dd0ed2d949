/* base.h - the types and small helpers every folder may use. It depends on nothing.
 *
 * Addresses carry their space in their type: gla_t is a linear
 * address, gpa_t a guest-physical one (36 bits with PAE), hva a host pointer.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_BASE_H
#define CPU_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* Bytes that the guest sees are in its order, little-endian; numbers of the program's own are in the host's.
 * GUEST_ORDER makes the members of a struct or union those of the guest: the compiler turns them around where they are
 * used. A big-endian host needs GCC for it. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_BIG_ENDIAN 1
#define GUEST_ORDER     scalar_storage_order("little-endian")
#else
#define HOST_BIG_ENDIAN 0
#define GUEST_ORDER
#endif

#define GUEST16(v) (HOST_BIG_ENDIAN ? __builtin_bswap16(v) : (v))
#define GUEST32(v) (HOST_BIG_ENDIAN ? __builtin_bswap32(v) : (v))
#define GUEST64(v) (HOST_BIG_ENDIAN ? __builtin_bswap64(v) : (v))

/* Accesses to the guest's bytes at any address. */
#define DEF_LOAD_STORE(bits)                                  \
    static inline uint##bits##_t load##bits(const void *p)    \
    {                                                         \
        uint##bits##_t v;                                     \
        memcpy(&v, p, sizeof v);                              \
        return GUEST##bits(v);                                \
    }                                                         \
    static inline void store##bits(void *p, uint##bits##_t v) \
    {                                                         \
        v = GUEST##bits(v);                                   \
        memcpy(p, &v, sizeof v);                              \
    }
DEF_LOAD_STORE(16)
DEF_LOAD_STORE(32)
DEF_LOAD_STORE(64)
#undef DEF_LOAD_STORE

/* Load or store 1 to 8 bytes. */
static inline uint64_t load_n(const void *p, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, p, size);
    return GUEST64(v);
}

static inline void store_n(void *p, uint64_t v, unsigned size)
{
    v = GUEST64(v);
    memcpy(p, &v, size);
}

/* A number of the program's own, of 1, 2, 4 or 8 bytes, in the host's order. */
static inline uint64_t number_get(const void *p, size_t size)
{
    uint64_t v = 0;
    memcpy((uint8_t *)&v + (HOST_BIG_ENDIAN ? sizeof v - size : 0), p, size);
    return v;
}

static inline void number_set(void *p, uint64_t v, size_t size)
{
    memcpy(p, (const uint8_t *)&v + (HOST_BIG_ENDIAN ? sizeof v - size : 0), size);
}

#include "cpu/log.h"

#endif
