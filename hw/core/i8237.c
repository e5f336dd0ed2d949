/* i8237.c - Intel 8237A DMA controllers of the AT (datasheet 231466).
 *
 * Ports 00h-0Fh (channels 0-3, bytes), C0h-DFh (channels 4-7, words; 4 is the cascade), page
 * registers 81h-83h, 87h, 89h-8Bh, 8Fh (the others of 81h-8Fh only store).
 * NOT modelled: bus timing, so single, block and demand modes are alike: the device decides how
 * much it moves at once. Memory to memory works on controller 0 by software request.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/i8237.h"

#define CMD_MEM_TO_MEM 0x01
#define CMD_HOLD_ADDR  0x02
#define CMD_DISABLE    0x04
#define MODE_TYPE      0x0c
#define MODE_WRITE     0x04
#define MODE_READ      0x08
#define MODE_AUTO      0x10
#define MODE_DOWN      0x20
#define MODE_CASCADE   0xc0

struct channel {
    /* state */
    uint16_t base_addr;
    uint16_t base_count;
    uint16_t addr;
    uint16_t count;
    uint8_t mode;
    uint8_t page;
};

struct controller {
    /* state */
    struct channel ch[4];
    uint8_t command;
    uint8_t status; /* low nibble: terminal counts, high: requests */
    uint8_t mask;
    uint8_t request;
    uint8_t temp;
    bool high_byte; /* flip-flop */
};

struct i8237 {
    struct device dev;
    /* state */
    struct controller c[2];
    uint8_t spare_page[16];
};

/* Channel of page register 80h + i, -1: none. */
static const int8_t page_channel[16] = { -1, 2, 3, 1, -1, -1, -1, 0, -1, 6, 7, 5, -1, -1, -1, -1 };

static uint32_t address(const struct channel *ch, bool words)
{
    if (words)
        return (uint32_t)(ch->page & 0xfe) << 16 | (uint32_t)ch->addr << 1;
    return (uint32_t)ch->page << 16 | ch->addr;
}

static void master_clear(struct controller *c)
{
    c->command = c->status = c->request = c->temp = 0;
    c->mask = 15;
    c->high_byte = false;
}

/* One count was moved. Returns true at terminal count. */
static bool advance(struct controller *c, unsigned n, bool hold)
{
    struct channel *ch = &c->ch[n];
    if (!hold)
        ch->addr = (uint16_t)(ch->mode & MODE_DOWN ? ch->addr - 1 : ch->addr + 1);
    if (ch->count--)
        return false;
    c->status |= (uint8_t)(1u << n);
    c->request &= (uint8_t) ~(1u << n);
    if (ch->mode & MODE_AUTO) {
        ch->addr = ch->base_addr;
        ch->count = ch->base_count;
    } else {
        c->mask |= (uint8_t)(1u << n);
    }
    return true;
}

static void mem_to_mem(struct i8237 *dma)
{
    struct controller *c = &dma->c[0];
    bool done = false;
    while (!done) { /* at most 65536 times: channel 1 counts down */
        bus_dma_read(dma->dev.bus, address(&c->ch[0], false), &c->temp, 1);
        bus_dma_write(dma->dev.bus, address(&c->ch[1], false), &c->temp, 1);
        advance(c, 0, c->command & CMD_HOLD_ADDR);
        done = advance(c, 1, false);
    }
    c->request &= (uint8_t)~3;
}

static uint32_t read_channel(struct controller *c, unsigned reg)
{
    const struct channel *ch = &c->ch[reg >> 1];
    uint16_t v = reg & 1 ? ch->count : ch->addr;
    bool high = c->high_byte;
    c->high_byte = !high;
    return high ? v >> 8 : v & 0xff;
}

static void write_channel(struct controller *c, unsigned reg, uint8_t val)
{
    struct channel *ch = &c->ch[reg >> 1];
    uint16_t *v = reg & 1 ? &ch->base_count : &ch->base_addr;
    *v = (uint16_t)(c->high_byte ? (*v & 0xff) | val << 8 : (*v & 0xff00) | val);
    c->high_byte = !c->high_byte;
    if (reg & 1)
        ch->count = *v;
    else
        ch->addr = *v;
}

static uint32_t read_reg(struct i8237 *dma, struct controller *c, unsigned reg)
{
    uint8_t v;
    (void)dma;
    switch (reg) {
    case 8:
        v = c->status;
        c->status &= 0xf0; /* reading clears the terminal counts */
        return v | (unsigned)c->request << 4;
    case 13: return c->temp;
    case 15: return c->mask | 0xf0u;
    default: return reg < 8 ? read_channel(c, reg) : 0xff;
    }
}

static void write_reg(struct i8237 *dma, struct controller *c, unsigned reg, uint8_t val)
{
    uint8_t bit = (uint8_t)(1u << (val & 3));
    switch (reg) {
    case 8: c->command = val; break;
    case 9:
        c->request = (uint8_t)(val & 4 ? c->request | bit : c->request & ~bit);
        if (c == &dma->c[0] && (c->request & 1) && (c->command & CMD_MEM_TO_MEM) && !(c->command & CMD_DISABLE))
            mem_to_mem(dma);
        break;
    case 10: c->mask = (uint8_t)(val & 4 ? c->mask | bit : c->mask & ~bit); break;
    case 11: c->ch[val & 3].mode = val; break;
    case 12: c->high_byte = false; break;
    case 13: master_clear(c); break;
    case 14: c->mask = 0; break;
    case 15: c->mask = val & 15; break;
    default: write_channel(c, reg, val); break;
    }
}

static uint32_t i8237_read(void *opaque, uint16_t port, unsigned size)
{
    struct i8237 *dma = opaque;
    (void)size;
    if (port < 16)
        return read_reg(dma, &dma->c[0], port);
    return read_reg(dma, &dma->c[1], (port - 0xc0u) >> 1);
}

static void i8237_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct i8237 *dma = opaque;
    (void)size;
    LOG(dma, "write %02x: %02x", port, val);
    if (port < 16)
        write_reg(dma, &dma->c[0], port, (uint8_t)val);
    else
        write_reg(dma, &dma->c[1], (port - 0xc0u) >> 1, (uint8_t)val);
}

static uint32_t page_read(void *opaque, uint16_t port, unsigned size)
{
    struct i8237 *dma = opaque;
    int n = page_channel[port & 15];
    (void)size;
    return n < 0 ? dma->spare_page[port & 15] : dma->c[n >> 2].ch[n & 3].page;
}

static void page_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct i8237 *dma = opaque;
    int n = page_channel[port & 15];
    (void)size;
    if (n < 0)
        dma->spare_page[port & 15] = (uint8_t)val;
    else
        dma->c[n >> 2].ch[n & 3].page = (uint8_t)val;
}

void i8237_set_dreq(struct i8237 *dma, unsigned chan, int level)
{
    struct controller *c = &dma->c[chan >> 2 & 1];
    uint8_t bit = (uint8_t)(0x10u << (chan & 3));
    c->status = (uint8_t)(level ? c->status | bit : c->status & ~bit);
}

enum dma_dir i8237_direction(const struct i8237 *dma, unsigned chan)
{
    unsigned type = dma->c[chan >> 2 & 1].ch[chan & 3].mode & MODE_TYPE;
    return type == MODE_WRITE ? DMA_TO_MEMORY : type == MODE_READ ? DMA_TO_DEVICE : DMA_VERIFY;
}

bool i8237_ready(const struct i8237 *dma, unsigned chan)
{
    const struct controller *c = &dma->c[chan >> 2 & 1];
    const struct controller *second = &dma->c[1];
    if ((c->command & CMD_DISABLE) || (c->mask & (1u << (chan & 3))))
        return false;
    /* Controller 0 reaches the bus through channel 4. */
    return chan >= 4 || (!(second->command & CMD_DISABLE) && !(second->mask & 1));
}

size_t i8237_transfer(struct i8237 *dma, unsigned chan, void *buf, size_t len, bool *tc)
{
    struct controller *c = &dma->c[chan >> 2 & 1];
    struct channel *ch = &c->ch[chan & 3];
    bool words = chan >= 4;
    unsigned unit = words ? 2 : 1;
    enum dma_dir dir = i8237_direction(dma, chan);
    size_t done = 0;

    *tc = false;
    if (chan == 4 || chan > 7)
        return 0;
    while (len - done >= unit && i8237_ready(dma, chan)) {
        /* As long a run as is contiguous: an address wraps within its page. */
        size_t run = 1;
        if (!(ch->mode & MODE_DOWN)) {
            run = (len - done) / unit;
            if (run > (size_t)ch->count + 1)
                run = (size_t)ch->count + 1;
            if (run > 0x10000u - ch->addr)
                run = 0x10000u - ch->addr;
        }
        uint8_t *p = (uint8_t *)buf + done;
        if (dir == DMA_TO_MEMORY)
            bus_dma_write(dma->dev.bus, address(ch, words), p, run * unit);
        else if (dir == DMA_TO_DEVICE)
            bus_dma_read(dma->dev.bus, address(ch, words), p, run * unit);
        done += run * unit;
        if (run > 1) {
            ch->addr = (uint16_t)(ch->addr + run - 1);
            ch->count = (uint16_t)(ch->count - (run - 1));
        }
        if (advance(c, chan & 3, false))
            *tc = true;
    }
    return done;
}

static void i8237_reset(struct device *dev)
{
    struct i8237 *dma = (struct i8237 *)dev;
    memset(dma->c, 0, sizeof dma->c);
    memset(dma->spare_page, 0, sizeof dma->spare_page);
    master_clear(&dma->c[0]);
    master_clear(&dma->c[1]);
}

static const struct state_field channel_fields[] = { FIELD_U16(struct channel, base_addr),
                                                     FIELD_U16(struct channel, base_count),
                                                     FIELD_U16(struct channel, addr),
                                                     FIELD_U16(struct channel, count),
                                                     FIELD_U8(struct channel, mode),
                                                     FIELD_U8(struct channel, page),
                                                     FIELD_END };
static const struct state_desc channel_state = { .name = "i8237-channel", .version = 1, .fields = channel_fields };
static const struct state_field controller_fields[] = { FIELD_STRUCT_ARRAY(struct controller, ch, &channel_state),
                                                        FIELD_U8(struct controller, command),
                                                        FIELD_U8(struct controller, status),
                                                        FIELD_U8(struct controller, mask),
                                                        FIELD_U8(struct controller, request),
                                                        FIELD_U8(struct controller, temp),
                                                        FIELD_BOOL(struct controller, high_byte),
                                                        FIELD_END };
static const struct state_desc controller_state = { .name = "i8237-chip", .version = 1, .fields = controller_fields };
static const struct state_field i8237_fields[] = { FIELD_STRUCT_ARRAY(struct i8237, c, &controller_state),
                                                   FIELD_BYTES(struct i8237, spare_page), FIELD_END };
static const struct state_desc i8237_state = { .name = "i8237", .version = 1, .fields = i8237_fields };

static void i8237_dump(struct device *dev, FILE *f)
{
    const struct i8237 *dma = (const struct i8237 *)dev;
    for (unsigned n = 0; n < 8; n++) {
        const struct channel *ch = &dma->c[n >> 2].ch[n & 3];
        fprintf(f, "channel %u: address %06x count %04x mode %02x%s\n", n, address(ch, n >= 4), ch->count, ch->mode,
                dma->c[n >> 2].mask & (1u << (n & 3)) ? " masked" : "");
    }
}

static int i8237_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { i8237_read, i8237_write, 1, 1 };
    static const struct port_ops page_ops = { page_read, page_write, 1, 1 };
    (void)props;
    bus_port_add(dev->bus, 0x00, 16, &ops, dev, "dma0");
    bus_port_add(dev->bus, 0xc0, 32, &ops, dev, "dma1");
    bus_port_add(dev->bus, 0x81, 15, &page_ops, dev, "dma page");
    return 0;
}

static const struct device_class i8237_class = {
    .name = "dma",
    .size = sizeof(struct i8237),
    .init = i8237_init,
    .reset = i8237_reset,
    .state = &i8237_state,
    .dump = i8237_dump,
};

struct i8237 *i8237_create(struct bus *bus) { return bus_add_device(bus, &i8237_class, NULL, NULL); }
