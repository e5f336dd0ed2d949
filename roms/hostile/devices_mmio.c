/* devices_mmio.c - the device fuzzer: registers and frame buffers in memory, with every kind of access.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "devices.h"

/* Each byte without the delivery mode INIT (5), wherever an APIC's register may take it for one. */
u32 no_init(u32 value)
{
    u32 n;

    for (n = 0; n < 32; n += 8)
        if ((value >> n & 7) == 5)
            value ^= 1u << n;
    return value;
}

static u32 apic_register(u32 base) { return base + (below(4) ? below(0x40) << 4 : below(0x1000)); }

static u32 place(void)
{
    switch (below(12)) {
    case 0:
    case 1: return apic_register(0xfee00000);
    case 2: return 0xfec00000 + (below(4) ? below(2) << 4 : below(0x1000));
    case 3: return 0xfed00000 + below(0x400);
    case 4:
    case 5: return 0xa0000 + below(0x20000);
    case 6: return 0xb8000 + below(0x1000);
    case 7: return 0xc0000 + below(0x40000);
    case 8: return (pci_read(0x10, 0x10) & ~15u) + (below(2) ? below(0x300000) : below(0x1000000));
    case 9: return (pci_read(0x10, 0x18) & ~15u) + below(0x1000);
    case 10: return 0xfffc0000 + below(0x40000);
    default: return safe_address();
    }
}

static int is_self(u32 a) { return a - (SELF - 0x10000) < KEEP_END - SELF + 0x20000; }

static void accesses(u32 a, u32 v)
{
    u32 c = 1 + below(64), src = safe_address(), dst = a;
    u32 cells[2] = { v, v };

    switch (below(14)) {
    case 0: *(volatile u8 *)a; break;
    case 1: *(volatile u16 *)a; break;
    case 2: *(volatile u32 *)a; break;
    case 3: *(volatile u8 *)a = (u8)v; break;
    case 4: *(volatile u16 *)a = (u16)v; break;
    case 5:
    case 6: *(volatile u32 *)a = v; break;
    case 7: asm volatile("fildll (%0); fistpll (%1)" : : "r"(a), "r"(cells) : "memory"); break;
    case 8: asm volatile("fildll (%1); fistpll (%0)" : : "r"(a), "r"(cells) : "memory"); break;
    case 9: asm volatile("rep stosl" : "+D"(dst), "+c"(c) : "a"(v) : "memory"); break;
    case 10:
        src = (u32)buffer;
        asm volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(c) : : "memory");
        break;
    case 11:
        dst = 0xa0000 + below(0x1f000); /* what is read may be anything, so only here */
        src = a;
        asm volatile("rep movsl" : "+D"(dst), "+S"(src), "+c"(c) : : "memory");
        break;
    case 12: asm volatile("lock andl %1, (%0)" : : "r"(a), "r"(no_init(v) & 0xfffff8ff) : "memory"); break;
    default: asm volatile("rep lodsl" : "+S"(dst), "+c"(c) : : "eax", "memory"); break;
    }
}

void fuzz_mmio(void)
{
    u32 a = place();
    u32 v = no_init(below(2) ? rnd() : below(3) ? rnd() & 0xffff : below(256));

    if (below(4))
        a &= ~3u;
    if (is_self(a) || is_self(a + 0x1000))
        return;
    accesses(a, v);
}
