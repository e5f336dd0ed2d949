/* multiboot.c - the loader side of Multiboot 0.6.96, up to where guest code must run. See
 * multiboot.h. ELF32 images and those with the address fields ("a.out kludge").
 *
 * NOT modelled: the video mode request (ignored), symbol tables, drives, APM and VBE information.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/multiboot.h"

#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define HEADER_MAGIC 0x1badb002u
#define SEARCH       8192u
#define FLAG_ADDRESS 0x10000u
#define FLAG_UNKNOWN 0x0fff8u
#define MBI_ADDR   0x9000u
#define MBI_MAX    0x500u
#define MBI_SIZE   0x58u
#define MBI_FLAGS  0x24du /* memory, command line, modules, memory map, loader name */
#define MODULES_MAX ((MBI_MAX - MBI_SIZE) / 16)

struct image {
    uint8_t *data;
    size_t len;  /* from addr */
    size_t cap;
    uint32_t addr;
    uint32_t entry;
};

static int fail(char *err, size_t err_len, const char *fmt, ...) printf_fn(3, 4);
static int fail(char *err, size_t err_len, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err, err_len, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

/* Offset of the header, or -1. */
static long find_header(const uint8_t *k, size_t size)
{
    size_t end = size < SEARCH ? size : SEARCH;
    for (size_t i = 0; i + 12 <= end; i += 4)
        if (load32(k + i) == HEADER_MAGIC &&
            load32(k + i) + load32(k + i + 4) + load32(k + i + 8) == 0)
            return (long)i;
    return -1;
}

bool multiboot_probe(const void *kernel, size_t size)
{
    return find_header(kernel, size) >= 0;
}

/* Make the image at least `len` bytes long, the new ones zero. */
static bool grow(struct image *im, size_t len)
{
    if (len > im->cap) {
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
    return true;
}

/* Append bytes; returns their guest address, 0 if out of memory. */
static uint32_t append(struct image *im, const void *data, size_t len, size_t align)
{
    size_t at = (im->len + align - 1) & ~(align - 1);
    if (!grow(im, at + len))
        return 0;
    memcpy(im->data + at, data, len);
    return im->addr + (uint32_t)at;
}

static int load_addresses(struct image *im, const struct multiboot_boot *b, long header, char *err,
                          size_t err_len)
{
    const uint8_t *k = b->kernel;
    if ((size_t)header + 32 > b->kernel_size)
        return fail(err, err_len, "the Multiboot header is cut short");
    uint32_t header_addr = load32(k + header + 12);
    uint32_t load_addr = load32(k + header + 16);
    uint32_t load_end = load32(k + header + 20);
    uint32_t bss_end = load32(k + header + 24);
    uint32_t before = header_addr - load_addr; /* bytes of the image before the header */
    if (before > (uint32_t)header)
        return fail(err, err_len, "the Multiboot header has wrong addresses");
    size_t from = (size_t)header - before;
    size_t len = load_end ? load_end - load_addr : b->kernel_size - from;
    if ((load_end && load_end < load_addr) || len > b->kernel_size - from)
        return fail(err, err_len, "the Multiboot kernel is cut short");
    size_t total = bss_end > load_addr && bss_end - load_addr > len ? bss_end - load_addr : len;
    if (!total)
        return fail(err, err_len, "the Multiboot kernel has nothing to load");
    if (load_addr + (uint64_t)total > b->ram_below_4g)
        return fail(err, err_len, "the kernel does not fit into the machine's memory");
    im->addr = load_addr;
    im->entry = load32(k + header + 28);
    if (!grow(im, total))
        return fail(err, err_len, "out of memory");
    memcpy(im->data, k + from, len);
    return 0;
}

static int load_elf(struct image *im, const struct multiboot_boot *b, char *err, size_t err_len)
{
    const uint8_t *k = b->kernel;
    Elf32_Ehdr eh;
    Elf32_Phdr ph;
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;

    if (b->kernel_size < sizeof eh || memcmp(k, ELFMAG, SELFMAG))
        return fail(err, err_len, "the Multiboot kernel is neither ELF nor has load addresses");
    if (k[EI_CLASS] != ELFCLASS32)
        return fail(err, err_len, "a 64-bit ELF kernel cannot be loaded: give a 32-bit one");
    memcpy(&eh, k, sizeof eh);
    if (eh.e_phentsize != sizeof ph ||
        eh.e_phoff + (uint64_t)eh.e_phnum * sizeof ph > b->kernel_size)
        return fail(err, err_len, "the ELF kernel is cut short");
    im->entry = eh.e_entry;
    for (int pass = 0; pass < 2; pass++) {
        for (unsigned i = 0; i < eh.e_phnum; i++) {
            memcpy(&ph, k + eh.e_phoff + i * sizeof ph, sizeof ph);
            if (ph.p_type != PT_LOAD || !ph.p_memsz)
                continue;
            if (ph.p_filesz > ph.p_memsz || ph.p_offset + (uint64_t)ph.p_filesz > b->kernel_size)
                return fail(err, err_len, "the ELF kernel is cut short");
            uint64_t end = ph.p_paddr + (uint64_t)ph.p_memsz;
            if (pass == 0) {
                low = ph.p_paddr < low ? ph.p_paddr : low;
                high = end > high ? end : high;
                if (eh.e_entry - ph.p_vaddr < ph.p_memsz) /* give it a physical address */
                    im->entry = eh.e_entry - ph.p_vaddr + ph.p_paddr;
            } else {
                memcpy(im->data + (ph.p_paddr - low), k + ph.p_offset, ph.p_filesz);
            }
        }
        if (pass)
            break;
        if (low >= high)
            return fail(err, err_len, "the ELF kernel has nothing to load");
        if (high > b->ram_below_4g)
            return fail(err, err_len, "the kernel does not fit into the machine's memory");
        im->addr = (uint32_t)low;
        if (!grow(im, high - low))
            return fail(err, err_len, "out of memory");
    }
    return 0;
}

/* Append a host file on a page boundary. */
static int append_file(struct image *im, const char *path, uint32_t *start, uint32_t *end,
                       char *err, size_t err_len)
{
    uint8_t buf[65536];
    FILE *f = fopen(path, "rb");
    size_t n;
    if (!f)
        return fail(err, err_len, "cannot read the module %s: %s", path, strerror(errno));
    *start = append(im, "", 0, PAGE_SIZE);
    while (*start && (n = fread(buf, 1, sizeof buf, f)) > 0)
        if (!append(im, buf, n, 1))
            *start = 0;
    bool bad = ferror(f);
    fclose(f);
    if (bad || !*start)
        return fail(err, err_len, "cannot read the module %s", path);
    *end = im->addr + (uint32_t)im->len;
    return 0;
}

/* Load each of "file arg,file2 arg"; entries go to mbi behind the structure. */
static int load_modules(struct image *im, const char *list, uint8_t *mbi, unsigned *count,
                        char *err, size_t err_len)
{
    while (list && *list) {
        char item[1024];
        size_t len = strcspn(list, ",");
        if (len >= sizeof item || *count == MODULES_MAX)
            return fail(err, err_len, "too many or too long Multiboot modules");
        memcpy(item, list, len);
        item[len] = 0;
        list += len + (list[len] == ',');
        if (!len)
            continue;
        uint8_t *m = mbi + MBI_SIZE + 16 * (*count)++;
        uint32_t start;
        uint32_t end;
        uint32_t string = append(im, item, len + 1, 1);
        item[strcspn(item, " ")] = 0;
        int rc = string ? append_file(im, item, &start, &end, err, err_len)
                        : fail(err, err_len, "out of memory");
        if (rc)
            return rc;
        store32(m, start);
        store32(m + 4, end);
        store32(m + 8, string);
        store32(m + 12, 0);
    }
    return 0;
}

int multiboot_load(struct fw_cfg *fw, const struct multiboot_boot *b, char *err, size_t err_len)
{
    const uint8_t *k = b->kernel;
    long header = find_header(k, b->kernel_size);
    struct image im = {0};
    uint8_t mbi[MBI_MAX] = {0};
    char cmdline[4096];
    unsigned modules = 0;

    if (header < 0)
        return fail(err, err_len, "not a Multiboot kernel");
    uint32_t flags = load32(k + header + 4);
    if (flags & FLAG_UNKNOWN)
        return fail(err, err_len, "the Multiboot kernel wants features %#x, which are unknown",
                    flags & FLAG_UNKNOWN);
    int rc = flags & FLAG_ADDRESS ? load_addresses(&im, b, header, err, err_len)
                                  : load_elf(&im, b, err, err_len);
    if (!rc) {
        snprintf(cmdline, sizeof cmdline, "%s%s%s", b->kernel_name ? b->kernel_name : "kernel",
                 b->cmdline && *b->cmdline ? " " : "", b->cmdline ? b->cmdline : "");
        store32(mbi + 16, append(&im, cmdline, strlen(cmdline) + 1, 1));
        store32(mbi + 64, append(&im, "callgate", 9, 1));
        rc = load_modules(&im, b->modules, mbi, &modules, err, err_len);
    }
    if (!rc && im.addr + (uint64_t)im.len > b->ram_below_4g)
        rc = fail(err, err_len, "the modules do not fit into the machine's memory");
    if (!rc && im.addr < MBI_ADDR + 0x1000 && im.addr + (uint64_t)im.len > MBI_ADDR)
        rc = fail(err, err_len, "the kernel wants to be where the boot information is (9000h)");
    if (!rc) {
        store32(mbi, MBI_FLAGS);
        store32(mbi + 20, modules);
        store32(mbi + 24, MBI_ADDR + MBI_SIZE);
        store32(mbi + 48, MBI_ADDR + MBI_MAX);
        fw_cfg_add_u32(fw, FW_CFG_KERNEL_ENTRY, im.entry);
        fw_cfg_add_u32(fw, FW_CFG_KERNEL_ADDR, im.addr);
        fw_cfg_add_u32(fw, FW_CFG_KERNEL_SIZE, (uint32_t)im.len);
        fw_cfg_add_copy(fw, FW_CFG_KERNEL_DATA, im.data, im.len);
        fw_cfg_add_u32(fw, FW_CFG_INITRD_ADDR, MBI_ADDR);
        fw_cfg_add_u32(fw, FW_CFG_INITRD_SIZE, MBI_SIZE + 16 * modules);
        fw_cfg_add_copy(fw, FW_CFG_INITRD_DATA, mbi, MBI_SIZE + 16 * modules);
    }
    free(im.data);
    return rc;
}
