/* multiboot.c - the loader side of Multiboot 0.6.96, up to where guest code must run. See
 * multiboot.h. ELF32 images and those with the address fields ("a.out kludge").
 *
 * The kernel is put together as it will lie in memory, then handed over in pieces: what lies between
 * its segments is not its own, and the boot information may be there.
 * NOT modelled: symbol tables, drives, APM, the protected mode interface of VBE.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/boot/multiboot.h"

#include "hw/boot/refuse.h"

#include "hw/hostread.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define HEADER_MAGIC 0x1badb002u
#define SEARCH       8192u
#define FLAG_ADDRESS 0x10000u
#define FLAG_VIDEO   0x00004u
#define FLAG_UNKNOWN 0x0fff8u
#define MBI_SIZE     0x74u
#define MBI_MAX      0x500u /* with the modules */
#define MBI_PIECES   0xd00u
#define MBI_VIDEO    0xe80u
#define MBI_DATA     0xea0u
/* The work block, in low memory below what the BIOS keeps at its end. */
#define WORK_SIZE    0x2000u
#define WORK_USUAL   0x9000u
#define WORK_MIN     0x1000u
#define WORK_MAX     0x9e000u
#define LOW_END      0x100000u
#define ROM_STACK    0x7000u /* to 7C00h: the ROM's while it reads the work block */
#define MBI_FLAGS    0x24du  /* memory, command line, modules, memory map, loader name */
#define MODULES_MAX  ((MBI_MAX - MBI_SIZE) / 16)
#define PIECES_MAX   ((MBI_VIDEO - MBI_PIECES - 4) / 8)

/* The headers of an ELF32 file of the guest's kind; <elf.h> has them in the host's order. */
struct elf_header {
    uint8_t e_ident[EI_NIDENT];
    uint16_t e_type, e_machine;
    uint32_t e_version, e_entry, e_phoff, e_shoff, e_flags;
    uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
} __attribute__((packed, GUEST_ORDER));

struct elf_segment {
    uint32_t p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_flags, p_align;
} __attribute__((packed, GUEST_ORDER));

/* What the kernel occupies: in order, apart from each other. */
struct piece {
    uint64_t start;
    uint64_t end;
};

struct image {
    struct piece piece[PIECES_MAX + 1];
    unsigned pieces;
    uint8_t *data;
    size_t len; /* from addr */
    size_t cap;
    uint32_t addr;
    uint32_t entry;
};

/* Offset of the header, or -1. */
static long find_header(const uint8_t *k, size_t size)
{
    size_t end = size < SEARCH ? size : SEARCH;
    for (size_t i = 0; i + 12 <= end; i += 4)
        if (load32(k + i) == HEADER_MAGIC && load32(k + i) + load32(k + i + 4) + load32(k + i + 8) == 0)
            return (long)i;
    return -1;
}

bool multiboot_probe(const void *kernel, size_t size) { return find_header(kernel, size) >= 0; }

/* Make the image at least `len` bytes long, the new ones zero. */
static bool grow(struct image *im, size_t len)
{
    if (len > im->cap || !im->data) {
        size_t cap = len + len / 2;
        uint8_t *p = realloc(im->data, cap);
        if (!p)
            return false;
        im->data = p;
        im->cap = cap;
    }
    if (len > im->len) {
        memset(im->data + im->len, 0, len - im->len);
        im->len = len;
    }
    return im->data;
}

/* Append bytes; returns their guest address, 0 if out of memory. */
static uint32_t append(struct image *im, const void *data, size_t len, size_t align)
{
    size_t at = ((im->addr + im->len + align - 1) & ~(align - 1)) - im->addr;
    if (!grow(im, at + len))
        return 0;
    memcpy(im->data + at, data, len);
    return im->addr + (uint32_t)at;
}

/* The kernel occupies [start, end). Pieces that touch become one, and the nearest two when there are
 * too many. */
static void add_piece(struct image *im, uint64_t start, uint64_t end)
{
    struct piece *p = im->piece;
    unsigned n = im->pieces++;
    for (; n && p[n - 1].start > start; n--)
        p[n] = p[n - 1];
    p[n] = (struct piece){ start, end };
    for (;;) {
        unsigned best = 0;
        for (unsigned i = 1; i < im->pieces; i++) {
            if (p[i].start <= p[i - 1].end) {
                best = i;
                break;
            }
            if (im->pieces > PIECES_MAX && (!best || p[i].start - p[i - 1].end < p[best].start - p[best - 1].end))
                best = i;
        }
        if (!best)
            return;
        if (p[best].end > p[best - 1].end)
            p[best - 1].end = p[best].end;
        memmove(p + best, p + best + 1, (--im->pieces - best) * sizeof *p);
    }
}

/* 8 KiB for the boot information, away from all pieces; 0 if there is no such place. */
static uint32_t find_work(const struct image *im)
{
    for (uint32_t tried = 0, at = WORK_USUAL; at + WORK_SIZE <= WORK_MAX;
         at = tried ? at + PAGE_SIZE : WORK_MIN, tried = 1) {
        bool free = at + WORK_SIZE <= ROM_STACK || at >= ROM_STACK + PAGE_SIZE;
        for (unsigned i = 0; i < im->pieces; i++)
            free &= im->piece[i].end <= at || im->piece[i].start >= at + WORK_SIZE;
        if (free)
            return at;
    }
    return 0;
}

static int load_addresses(struct image *im, const struct multiboot_boot *b, long header, char *err, size_t err_len)
{
    const uint8_t *k = b->kernel;
    if ((size_t)header + 32 > b->kernel_size)
        return boot_refuse(err, err_len, "the Multiboot header is cut short");
    uint32_t header_addr = load32(k + header + 12);
    uint32_t load_addr = load32(k + header + 16);
    uint32_t load_end = load32(k + header + 20);
    uint32_t bss_end = load32(k + header + 24);
    uint32_t before = header_addr - load_addr; /* bytes of the image before the header */
    if (before > (uint32_t)header)
        return boot_refuse(err, err_len, "the Multiboot header has wrong addresses");
    size_t from = (size_t)header - before;
    size_t len = load_end ? load_end - load_addr : b->kernel_size - from;
    if ((load_end && load_end < load_addr) || len > b->kernel_size - from)
        return boot_refuse(err, err_len, "the Multiboot kernel is cut short");
    size_t total = bss_end > load_addr && bss_end - load_addr > len ? bss_end - load_addr : len;
    if (!total)
        return boot_refuse(err, err_len, "the Multiboot kernel has nothing to load");
    if (load_addr + (uint64_t)total > b->ram_below_4g)
        return boot_refuse(err, err_len, "the kernel does not fit into the machine's memory");
    im->addr = load_addr;
    im->entry = load32(k + header + 28);
    add_piece(im, load_addr, load_addr + (uint64_t)total);
    if (!grow(im, total))
        return boot_refuse(err, err_len, "out of memory");
    memcpy(im->data, k + from, len);
    return 0;
}

static int load_elf(struct image *im, const struct multiboot_boot *b, char *err, size_t err_len)
{
    const uint8_t *k = b->kernel;
    struct elf_header eh;
    struct elf_segment ph;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;

    if (b->kernel_size < sizeof eh || memcmp(k, ELFMAG, SELFMAG))
        return boot_refuse(err, err_len, "the Multiboot kernel is neither ELF nor has load addresses");
    if (k[EI_CLASS] != ELFCLASS32)
        return boot_refuse(err, err_len, "a 64-bit ELF kernel cannot be loaded: give a 32-bit one");
    memcpy(&eh, k, sizeof eh);
    if (eh.e_phentsize != sizeof ph || eh.e_phoff + (uint64_t)eh.e_phnum * sizeof ph > b->kernel_size)
        return boot_refuse(err, err_len, "the ELF kernel is cut short");
    im->entry = eh.e_entry;
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < eh.e_phnum; i++) {
            memcpy(&ph, k + eh.e_phoff + i * sizeof ph, sizeof ph);
            if (ph.p_type != PT_LOAD || !ph.p_memsz)
                continue;
            if (ph.p_filesz > ph.p_memsz || ph.p_offset + (uint64_t)ph.p_filesz > b->kernel_size)
                return boot_refuse(err, err_len, "the ELF kernel is cut short");
            uint64_t end = ph.p_paddr + (uint64_t)ph.p_memsz;
            if (pass == 0) {
                low = ph.p_paddr < low ? ph.p_paddr : low;
                high = end > high ? end : high;
                add_piece(im, ph.p_paddr, end);
                if (eh.e_entry - ph.p_vaddr < ph.p_memsz) /* give it a physical address */
                    im->entry = eh.e_entry - ph.p_vaddr + ph.p_paddr;
            } else {
                memcpy(im->data + (ph.p_paddr - low), k + ph.p_offset, ph.p_filesz);
            }
        }
        if (pass)
            break;
        if (low >= high)
            return boot_refuse(err, err_len, "the ELF kernel has nothing to load");
        if (high > b->ram_below_4g)
            return boot_refuse(err, err_len, "the kernel does not fit into the machine's memory");
        im->addr = (uint32_t)low;
        if (!grow(im, high - low))
            return boot_refuse(err, err_len, "out of memory");
    }
    return 0;
}

/* Append a host file on a page boundary; all must end below `ram_end`. */
static int append_file(struct image *im, const char *path, uint64_t ram_end, uint32_t *start, uint32_t *end, char *err,
                       size_t err_len)
{
    char why[128];
    /* the address is to be on a page boundary: the image itself may begin anywhere */
    uint64_t used = (im->addr + (uint64_t)im->len + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    size_t at = used - im->addr;
    uint64_t size;
    if (used >= ram_end)
        return boot_refuse(err, err_len, "the module '%s' does not fit into the machine's memory", path);
    int fd = hostread_open(path, UINT64_MAX, &size, why, sizeof why);
    if (fd < 0)
        return boot_refuse(err, err_len, "cannot read the module '%s': %s", path, why);
    bool fits = size <= ram_end - used;
    if (!fits || !grow(im, at + size)) {
        close(fd);
        return boot_refuse(err, err_len,
                           fits ? "out of memory for the module '%s'"
                                : "the module '%s' does not fit into the machine's memory; "
                                  "use a larger -m",
                           path);
    }
    if (hostread_take(fd, im->data + at, size, why, sizeof why))
        return boot_refuse(err, err_len, "cannot read the module '%s': %s", path, why);
    *start = (uint32_t)used;
    *end = (uint32_t)(used + size);
    return 0;
}

/* Load each of "file arg,file2 arg"; entries go to mbi behind the structure. */
static int load_modules(struct image *im, const char *list, uint64_t ram_end, uint8_t *mbi, unsigned *count, char *err,
                        size_t err_len)
{
    while (list && *list) {
        char item[1024];
        size_t len = strcspn(list, ",");
        if (len >= sizeof item || *count == MODULES_MAX)
            return boot_refuse(err, err_len, "too many or too long Multiboot modules");
        memcpy(item, list, len);
        item[len] = 0;
        list += len + (list[len] == ',');
        if (!len)
            continue;
        uint8_t *m = mbi + MBI_SIZE + 16 * (*count)++;
        uint32_t start = 0;
        uint32_t end = 0;
        uint32_t string = append(im, item, len + 1, 1);
        item[strcspn(item, " ")] = 0;
        int rc = string ? append_file(im, item, ram_end, &start, &end, err, err_len)
                        : boot_refuse(err, err_len, "out of memory");
        if (rc)
            return rc;
        store32(m, start);
        store32(m + 4, end);
        store32(m + 8, string);
        store32(m + 12, 0);
    }
    return 0;
}

/* The video mode that the header asks for. */
static void want_video(const uint8_t *header, size_t len, uint8_t *work)
{
    uint32_t v[4] = { 1, 0, 0, 0 }; /* text, if the header does not say */
    if (len >= 48)
        for (unsigned i = 0; i < 4; i++)
            v[i] = load32(header + 32 + 4 * i);
    if (!v[1] || !v[2]) { /* no preference */
        v[1] = 1024;
        v[2] = 768;
    }
    store32(work + MBI_VIDEO, 1);
    store32(work + MBI_VIDEO + 4, v[0]);
    store32(work + MBI_VIDEO + 8, v[1]);
    store32(work + MBI_VIDEO + 12, v[2]);
    store32(work + MBI_VIDEO + 16, v[3] ? v[3] : 32);
}

/* Hand it all to the ROM. */
static int hand_over(struct fw_cfg *fw, const struct image *im, uint32_t at, uint8_t *work)
{
    size_t total = 0;
    for (unsigned i = 0; i < im->pieces; i++)
        total += im->piece[i].end - im->piece[i].start;
    uint8_t *data = malloc(total);
    if (!data)
        return -ENOMEM;
    store32(work + MBI_PIECES, im->pieces);
    total = 0;
    for (unsigned i = 0; i < im->pieces; i++) {
        const struct piece *p = &im->piece[i];
        size_t len = p->end - p->start;
        memcpy(data + total, im->data + (p->start - im->addr), len);
        store32(work + MBI_PIECES + 4 + 8 * i, (uint32_t)p->start);
        store32(work + MBI_PIECES + 8 + 8 * i, (uint32_t)len);
        total += len;
    }
    fw_cfg_add_u32(fw, FW_CFG_KERNEL_ENTRY, im->entry);
    fw_cfg_add_copy(fw, FW_CFG_KERNEL_DATA, data, total);
    fw_cfg_add_u32(fw, FW_CFG_INITRD_ADDR, at);
    fw_cfg_add_u32(fw, FW_CFG_INITRD_SIZE, MBI_DATA);
    fw_cfg_add_copy(fw, FW_CFG_INITRD_DATA, work, MBI_DATA);
    free(data);
    return 0;
}

int multiboot_load(struct fw_cfg *fw, const struct multiboot_boot *b, char *err, size_t err_len)
{
    const uint8_t *k = b->kernel;
    long header = find_header(k, b->kernel_size);
    struct image im = { 0 };
    uint8_t mbi[MBI_DATA] = { 0 };
    uint32_t at = 0;
    char cmdline[4096];
    unsigned modules = 0;

    if (header < 0)
        return boot_refuse(err, err_len, "not a Multiboot kernel");
    uint32_t flags = load32(k + header + 4);
    if (flags & FLAG_UNKNOWN)
        return boot_refuse(err, err_len, "the Multiboot kernel wants features %#x, which are unknown",
                           flags & FLAG_UNKNOWN);
    int rc = flags & FLAG_ADDRESS ? load_addresses(&im, b, header, err, err_len) : load_elf(&im, b, err, err_len);
    uint64_t tail = im.addr + (uint64_t)im.len;
    if (!rc && tail < LOW_END && b->ram_below_4g > LOW_END) { /* not into video memory and ROM */
        tail = LOW_END;
        if (!grow(&im, LOW_END - im.addr))
            rc = boot_refuse(err, err_len, "out of memory");
    }
    if (!rc) {
        snprintf(cmdline, sizeof cmdline, "%s%s%s", b->kernel_name ? b->kernel_name : "kernel",
                 b->cmdline && *b->cmdline ? " " : "", b->cmdline ? b->cmdline : "");
        store32(mbi + 16, append(&im, cmdline, strlen(cmdline) + 1, 1));
        store32(mbi + 64, append(&im, "callgate", 9, 1));
        rc = load_modules(&im, b->modules, b->ram_below_4g, mbi, &modules, err, err_len);
    }
    if (!rc && im.addr + (uint64_t)im.len > b->ram_below_4g)
        rc = boot_refuse(err, err_len, "the modules do not fit into the machine's memory");
    if (!rc) {
        add_piece(&im, tail, im.addr + (uint64_t)im.len);
        at = find_work(&im);
        if (!at)
            rc = boot_refuse(err, err_len,
                             "the kernel leaves no 8 KiB below 632 KiB free for the boot "
                             "information; link it to a higher address");
    }
    if (!rc) {
        store32(mbi, MBI_FLAGS);
        store32(mbi + 20, modules);
        store32(mbi + 24, at + MBI_SIZE);
        if (flags & FLAG_VIDEO)
            want_video(k + header, b->kernel_size - (size_t)header, mbi);
        if (hand_over(fw, &im, at, mbi))
            rc = boot_refuse(err, err_len, "out of memory");
    }
    free(im.data);
    return rc;
}
