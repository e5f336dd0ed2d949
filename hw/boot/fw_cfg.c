/* fw_cfg.c - the firmware configuration device SeaBIOS, OVMF and our option ROMs read.
 *
 * Port 510h (16-bit selector), 511h (data, a byte at a time), 514h-51Bh (DMA address, big-endian;
 * writing the low half starts the transfer). Keys and layout follow the public specification
 * (QEMU docs/specs/fw_cfg). NOT modelled: writes through the data port (dropped, as there).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/boot/fw_cfg.h"

#include <stdlib.h>

#define KEYS       0x80u /* files use 20h.. of them */
#define ARCH       0x8000u
#define WRITE      0x4000u
#define FILES      (KEYS - FW_CFG_FILE_FIRST)
#define ZEROES_MAX (64u << 20) /* what a read may ask for beyond the end of a blob */
#define DMA_ERROR  1u
#define DMA_READ   2u
#define DMA_SKIP   4u
#define DMA_SELECT 8u
#define DMA_WRITE  16u

struct entry {
    const uint8_t *data;
    uint32_t len;
    bool owned;    /* free it */
    bool writable; /* through DMA */
};

struct file {
    char name[FW_CFG_NAME_MAX];
    struct entry entry;
};

/* An entry of the directory as the guest reads it: big-endian. */
struct dir_entry {
    uint8_t size[4];
    uint8_t key[2];
    uint8_t reserved[2];
    char name[FW_CFG_NAME_MAX];
};

struct fw_cfg {
    struct device dev;
    /* wiring: what there is to read, made at start */
    struct entry key[KEYS];  /* below FW_CFG_FILE_FIRST */
    struct entry arch[KEYS]; /* 8000h.. */
    struct file file[FILES]; /* sorted */
    unsigned files;
    uint8_t dir[4 + FILES * sizeof(struct dir_entry)];
    /* state */
    uint16_t selected;
    uint32_t offset;
    uint64_t dma_addr;
};

static void put_be32(uint8_t *p, uint32_t v) { store32(p, __builtin_bswap32(v)); }

static uint32_t get_be32(const uint8_t *p) { return __builtin_bswap32(load32(p)); }

static struct entry *find(struct fw_cfg *fw, unsigned key)
{
    unsigned n = key & ~(ARCH | WRITE);
    if (n >= KEYS)
        return NULL;
    if (key & ARCH)
        return &fw->arch[n];
    if (n >= FW_CFG_FILE_FIRST)
        return n - FW_CFG_FILE_FIRST < fw->files ? &fw->file[n - FW_CFG_FILE_FIRST].entry : NULL;
    return &fw->key[n];
}

static void set_entry(struct entry *e, const void *data, size_t len, bool owned)
{
    if (e->owned)
        free((void *)e->data);
    *e = (struct entry){ .data = data, .len = (uint32_t)len, .owned = owned };
}

static void *copy_of(struct fw_cfg *fw, const void *data, size_t len)
{
    void *p = malloc(len ? len : 1);
    if (p)
        memcpy(p, data, len);
    else
        bus_error(fw->dev.bus, "fw_cfg: no memory");
    return p;
}

void fw_cfg_add(struct fw_cfg *fw, unsigned key, const void *data, size_t len)
{
    struct entry *e = find(fw, key);
    if (e && len <= UINT32_MAX)
        set_entry(e, data, len, false);
}

void fw_cfg_add_copy(struct fw_cfg *fw, unsigned key, const void *data, size_t len)
{
    struct entry *e = find(fw, key);
    void *p = e ? copy_of(fw, data, len) : NULL;
    if (p)
        set_entry(e, p, len, true);
}

static void add_number(struct fw_cfg *fw, unsigned key, uint64_t val, unsigned size)
{
    uint8_t bytes[8];
    store_n(bytes, val, size);
    fw_cfg_add_copy(fw, key, bytes, size);
}

void fw_cfg_add_u16(struct fw_cfg *fw, unsigned key, uint16_t val) { add_number(fw, key, val, sizeof val); }

void fw_cfg_add_u32(struct fw_cfg *fw, unsigned key, uint32_t val) { add_number(fw, key, val, sizeof val); }

void fw_cfg_add_u64(struct fw_cfg *fw, unsigned key, uint64_t val) { add_number(fw, key, val, sizeof val); }

void fw_cfg_add_string(struct fw_cfg *fw, unsigned key, const char *s) { fw_cfg_add_copy(fw, key, s, strlen(s) + 1); }

static void rebuild_directory(struct fw_cfg *fw)
{
    put_be32(fw->dir, fw->files);
    for (unsigned i = 0; i < fw->files; i++) {
        struct dir_entry d = { 0 };
        unsigned key = FW_CFG_FILE_FIRST + i;
        put_be32(d.size, fw->file[i].entry.len);
        d.key[0] = (uint8_t)(key >> 8);
        d.key[1] = (uint8_t)key;
        memcpy(d.name, fw->file[i].name, sizeof d.name);
        memcpy(fw->dir + 4 + i * sizeof d, &d, sizeof d);
    }
    fw_cfg_add(fw, FW_CFG_FILE_DIR, fw->dir, 4 + fw->files * sizeof(struct dir_entry));
}

static void add_file(struct fw_cfg *fw, const char *name, const void *data, size_t len, bool owned, bool writable)
{
    unsigned i = 0;
    while (i < fw->files && strcmp(fw->file[i].name, name) < 0)
        i++;
    if (strlen(name) >= FW_CFG_NAME_MAX || fw->files == FILES || len > UINT32_MAX ||
        (i < fw->files && !strcmp(fw->file[i].name, name))) {
        bus_error(fw->dev.bus, "fw_cfg: cannot add the file %s", name);
        if (owned)
            free((void *)data);
        return;
    }
    memmove(&fw->file[i + 1], &fw->file[i], (fw->files - i) * sizeof fw->file[0]);
    memset(&fw->file[i], 0, sizeof fw->file[i]);
    memcpy(fw->file[i].name, name, strlen(name));
    set_entry(&fw->file[i].entry, data, len, owned);
    fw->file[i].entry.writable = writable;
    fw->files++;
    rebuild_directory(fw);
}

void fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, size_t len)
{
    add_file(fw, name, data, len, false, false);
}

void fw_cfg_add_file_copy(struct fw_cfg *fw, const char *name, const void *data, size_t len)
{
    void *p = copy_of(fw, data, len);
    if (p)
        add_file(fw, name, p, len, true, false);
}

void fw_cfg_add_writable(struct fw_cfg *fw, const char *name, void *data, size_t len)
{
    add_file(fw, name, data, len, false, true);
}

bool fw_cfg_has_file(const struct fw_cfg *fw, const char *name)
{
    for (unsigned i = 0; i < fw->files; i++)
        if (!strcmp(fw->file[i].name, name))
            return true;
    return false;
}

/* ---- the guest's side ---- */

static bool select_key(struct fw_cfg *fw, uint16_t key)
{
    const struct entry *e = find(fw, key);
    fw->selected = key;
    fw->offset = 0;
    LOG(fw_cfg, "select %04x: %u bytes", key, e && e->data ? e->len : 0);
    return e && e->data;
}

static uint32_t data_read(struct fw_cfg *fw)
{
    const struct entry *e = find(fw, fw->selected);
    if (!e || !e->data || fw->offset >= e->len)
        return 0;
    return e->data[fw->offset++];
}

/* Move up to len bytes at the current offset to or from guest memory; past the end reads give
 * zeroes. Returns false on an error the guest must see. */
static bool dma_move(struct fw_cfg *fw, uint32_t control, uint64_t addr, uint32_t len)
{
    static const uint8_t zeroes[PAGE_SIZE];
    const struct entry *e = find(fw, fw->selected);
    bool valid = e && e->data;
    uint32_t left = valid && fw->offset < e->len ? e->len - fw->offset : 0;
    uint32_t n = len < left ? len : left;

    if (control & DMA_READ) {
        if (len - n > ZEROES_MAX)
            return false;
        if (valid && n)
            bus_dma_write(fw->dev.bus, addr, e->data + fw->offset, n);
        for (uint64_t at = n; at < len; at += PAGE_SIZE) {
            uint64_t chunk = len - at < PAGE_SIZE ? len - at : PAGE_SIZE;
            bus_dma_write(fw->dev.bus, addr + at, zeroes, chunk);
        }
    } else if (control & DMA_WRITE) {
        if (!valid || !e->writable || n != len)
            return false;
        bus_dma_read(fw->dev.bus, addr, (uint8_t *)e->data + fw->offset, n);
    } else if (!(control & DMA_SKIP)) {
        n = 0;
    }
    fw->offset += n;
    return true;
}

static void dma_run(struct fw_cfg *fw)
{
    uint8_t d[16];
    uint64_t at = fw->dma_addr;
    uint32_t result = 0;
    fw->dma_addr = 0;
    bus_dma_read(fw->dev.bus, at, d, sizeof d);
    uint32_t control = get_be32(d);
    uint32_t len = get_be32(d + 4);
    uint64_t addr = (uint64_t)get_be32(d + 8) << 32 | get_be32(d + 12);
    if (control & DMA_SELECT)
        select_key(fw, (uint16_t)(control >> 16));
    LOG(fw_cfg, "dma control %x, %u bytes at %llx", control, len, (unsigned long long)addr);
    if (!dma_move(fw, control, addr, len))
        result = DMA_ERROR;
    put_be32(d, result);
    bus_dma_write(fw->dev.bus, at, d, 4);
}

static uint32_t fw_cfg_read(void *opaque, uint16_t port, unsigned size)
{
    struct fw_cfg *fw = opaque;
    (void)size;
    return port == 0x511 ? data_read(fw) : 0;
}

static void fw_cfg_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct fw_cfg *fw = opaque;
    if (port == 0x510 && size == 2)
        select_key(fw, (uint16_t)val);
}

static uint32_t dma_reg_read(void *opaque, uint16_t port, unsigned size)
{
    static const char signature[8] = "QEMU CFG";
    (void)opaque;
    return (uint32_t)load_n(signature + (port & 3) + (port >= 0x518 ? 4 : 0), size);
}

static void dma_reg_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct fw_cfg *fw = opaque;
    if (size != 4)
        return;
    if (port == 0x514) {
        fw->dma_addr = (uint64_t)__builtin_bswap32(val) << 32;
    } else if (port == 0x518) {
        fw->dma_addr |= __builtin_bswap32(val);
        dma_run(fw);
    }
}

static void fw_cfg_reset(struct device *dev)
{
    struct fw_cfg *fw = (struct fw_cfg *)dev;
    select_key(fw, 0);
    fw->dma_addr = 0;
}

static const struct state_field fw_cfg_fields[] = { FIELD_U16(struct fw_cfg, selected),
                                                    FIELD_U32(struct fw_cfg, offset),
                                                    FIELD_U64(struct fw_cfg, dma_addr), FIELD_END };
static const struct state_desc fw_cfg_state = { .name = "fw_cfg", .version = 1, .fields = fw_cfg_fields };

static void fw_cfg_dump(struct device *dev, FILE *f)
{
    const struct fw_cfg *fw = (const struct fw_cfg *)dev;
    for (unsigned i = 0; i < FW_CFG_FILE_FIRST; i++)
        if (fw->key[i].data)
            fprintf(f, "key %04x: %u bytes\n", i, fw->key[i].len);
    for (unsigned i = 0; i < KEYS; i++)
        if (fw->arch[i].data)
            fprintf(f, "key %04x: %u bytes\n", ARCH + i, fw->arch[i].len);
    for (unsigned i = 0; i < fw->files; i++)
        fprintf(f, "key %04x: %u bytes %s\n", FW_CFG_FILE_FIRST + i, fw->file[i].entry.len, fw->file[i].name);
}

static int fw_cfg_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { fw_cfg_read, fw_cfg_write, 1, 2 };
    static const struct port_ops dma_ops = { dma_reg_read, dma_reg_write, 1, 4 };
    struct fw_cfg *fw = (struct fw_cfg *)dev;
    (void)props;
    bus_port_add(dev->bus, 0x510, 2, &ops, fw, "fw_cfg");
    bus_port_add(dev->bus, 0x514, 8, &dma_ops, fw, "fw_cfg dma");
    fw_cfg_add(fw, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_u32(fw, FW_CFG_ID, 3); /* the traditional interface and DMA */
    rebuild_directory(fw);
    return 0;
}

static void fw_cfg_destroy(struct device *dev)
{
    struct fw_cfg *fw = (struct fw_cfg *)dev;
    for (unsigned i = 0; i < KEYS; i++) {
        set_entry(&fw->key[i], NULL, 0, false);
        set_entry(&fw->arch[i], NULL, 0, false);
    }
    for (unsigned i = 0; i < fw->files; i++)
        set_entry(&fw->file[i].entry, NULL, 0, false);
}

static const struct device_class fw_cfg_class = {
    .name = "fw_cfg",
    .size = sizeof(struct fw_cfg),
    .init = fw_cfg_init,
    .reset = fw_cfg_reset,
    .destroy = fw_cfg_destroy,
    .state = &fw_cfg_state,
    .dump = fw_cfg_dump,
};

struct fw_cfg *fw_cfg_create(struct bus *bus) { return bus_add_device(bus, &fw_cfg_class, NULL, NULL); }
