/* i8042.c - the PC's keyboard controller, an Intel 8042 with the PS/2 firmware.
 *
 * Ports 60h (data), 64h (command/status); IRQ1 and IRQ12; A20 and reset by the output port.
 * Translation of set 2 to set 1 codes, self tests, the RAM of the controller, loop-back commands.
 * NOT modelled: passwords (none is ever set), the wires' clock and data levels, time-outs.
 *
 * A byte of a device arrives a little after the one before was read (as on the serial wires):
 * handlers that read port 60h twice for one interrupt must get the same byte twice.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/input/i8042.h"

#define ST_OBF      0x01
#define ST_SYS      0x04
#define ST_CMD      0x08
#define ST_UNLOCKED 0x10
#define ST_AUX      0x20

#define CTR_KBD_INT 0x01
#define CTR_AUX_INT 0x02
#define CTR_SYS     0x04
#define CTR_KBD_OFF 0x10
#define CTR_AUX_OFF 0x20
#define CTR_XLATE   0x40

#define OUT_RESET 0x01 /* active low */
#define OUT_A20   0x02
#define OUT_OBF   0x10
#define OUT_AUX   0x20

#define DEVICE_BYTE_NS 100000u

enum source { FROM_CONTROLLER, FROM_KEYBOARD, FROM_MOUSE };

struct i8042 {
    struct device dev;
    /* wiring */
    struct i8042_config wire;
    struct ps2kbd *kbd;
    struct ps2mouse *mouse;
    /* state */
    uint8_t ram[32]; /* ram[0] is the command byte */
    uint8_t status;
    uint8_t out; /* output buffer */
    uint8_t output_port;
    uint8_t command;  /* one that waits for its data byte */
    bool release;     /* translation: F0 was seen */
    tick_t next_byte; /* a device may fill the output buffer from then on */
    struct timer timer;
};

/* Scan code set 2 to set 1, as the controller's firmware has it. */
static const uint8_t translate[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, 0x65, 0x38, 0x2a,
    0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05,
    0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, 0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a,
    0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26,
    0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63,
    0x76, 0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53,
    0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

static void i8042_update_irq(struct i8042 *k)
{
    bool full = k->status & ST_OBF;
    bool aux = k->status & ST_AUX;
    irq_set(&k->wire.irq1, full && !aux && (k->ram[0] & CTR_KBD_INT));
    irq_set(&k->wire.irq12, full && aux && (k->ram[0] & CTR_AUX_INT));
}

static void put(struct i8042 *k, uint8_t val, enum source from)
{
    k->out = val;
    k->status = (uint8_t)((k->status & ~ST_AUX) | ST_OBF | (from == FROM_MOUSE ? ST_AUX : 0));
    k->output_port = (uint8_t)((k->output_port & ~(OUT_OBF | OUT_AUX)) | (from == FROM_MOUSE ? OUT_AUX : OUT_OBF));
    LOG(kbd, "output buffer %02x from %d", val, from);
    i8042_update_irq(k);
}

/* A keyboard byte through the translator; false if it produces nothing yet. */
static bool translated(struct i8042 *k, uint8_t *val)
{
    if (!(k->ram[0] & CTR_XLATE))
        return true;
    if (*val == 0xf0) {
        k->release = true;
        return false;
    }
    if (*val == 0x83)
        *val = 0x41;
    else if (*val == 0x84)
        *val = 0x54;
    else if (*val < 0x80)
        *val = translate[*val];
    if (k->release)
        *val |= 0x80;
    k->release = false;
    return true;
}

/* If the output buffer is empty, take the next byte of a device. */
static void fill(struct i8042 *k)
{
    bool kbd = !(k->ram[0] & CTR_KBD_OFF) && ps2kbd_ready(k->kbd);
    bool mouse = !(k->ram[0] & CTR_AUX_OFF) && ps2mouse_ready(k->mouse);
    if ((k->status & ST_OBF) || (!kbd && !mouse) || (k->command >= 0x20 && k->command != 0xd4))
        return;
    if (bus_now(k->dev.bus) < k->next_byte) {
        timer_set(&k->timer, k->next_byte);
        return;
    }
    while (kbd && ps2kbd_ready(k->kbd)) {
        uint8_t v = ps2kbd_read(k->kbd);
        if (k->status & ST_OBF)
            return; /* the read made the line move, which filled the buffer */
        if (translated(k, &v)) {
            put(k, v, FROM_KEYBOARD);
            return;
        }
    }
    if (mouse)
        put(k, ps2mouse_read(k->mouse), FROM_MOUSE);
}

/* A device has (or no longer has) bytes. */
static void device_ready(void *opaque, int n, int level)
{
    struct i8042 *k = opaque;
    (void)n;
    if (level && k->kbd && k->mouse && !timer_pending(&k->timer)) {
        tick_t now = bus_now(k->dev.bus);
        timer_set(&k->timer, now < k->next_byte ? k->next_byte : now);
    }
}

/* A20 is the memory's, whoever moved it. */
static uint8_t output_port(const struct i8042 *k)
{
    return k->output_port | (memmap_a20(k->dev.bus->map) ? OUT_A20 : 0);
}

static void set_output_port(struct i8042 *k, uint8_t val)
{
    k->output_port = (uint8_t)(val & ~OUT_A20);
    memmap_set_a20(k->dev.bus->map, val & OUT_A20);
    if (!(val & OUT_RESET))
        irq_set(&k->wire.reset, 1);
}

static void write_command_byte(struct i8042 *k, uint8_t val)
{
    k->ram[0] = val;
    k->status = (uint8_t)((k->status & ~ST_SYS) | (val & CTR_SYS ? ST_SYS : 0));
    i8042_update_irq(k);
}

static void controller_command(struct i8042 *k, uint8_t val)
{
    LOG(kbd, "controller command %02x", val);
    k->status |= ST_CMD;
    k->command = 0;
    switch (val) {
    case 0x20 ... 0x3f: put(k, k->ram[val & 0x1f], FROM_CONTROLLER); break;
    case 0x60 ... 0x7f: k->command = val; break;
    case 0xa1: put(k, 0x00, FROM_CONTROLLER); break; /* firmware version */
    case 0xa4: put(k, 0xf1, FROM_CONTROLLER); break; /* no password */
    case 0xa7: write_command_byte(k, k->ram[0] | CTR_AUX_OFF); break;
    case 0xa8: write_command_byte(k, k->ram[0] & (uint8_t)~CTR_AUX_OFF); break;
    case 0xa9: put(k, 0x00, FROM_CONTROLLER); break;
    case 0xaa:
        k->status |= ST_SYS;
        k->ram[0] |= CTR_SYS;
        put(k, 0x55, FROM_CONTROLLER);
        break;
    case 0xab: put(k, 0x00, FROM_CONTROLLER); break;
    case 0xad: write_command_byte(k, k->ram[0] | CTR_KBD_OFF); break;
    case 0xae: write_command_byte(k, k->ram[0] & (uint8_t)~CTR_KBD_OFF); break;
    case 0xc0: put(k, 0x80, FROM_CONTROLLER); break; /* not locked */
    case 0xca: put(k, 0x01, FROM_CONTROLLER); break; /* PS/2 mode */
    case 0xd0: put(k, output_port(k), FROM_CONTROLLER); break;
    case 0xd1:
    case 0xd2:
    case 0xd3:
    case 0xd4: k->command = val; break;
    case 0xdd: set_output_port(k, k->output_port); break;
    case 0xdf: set_output_port(k, k->output_port | OUT_A20); break;
    case 0xe0: put(k, 0x00, FROM_CONTROLLER); break;
    case 0xf0 ... 0xff: /* pulse the output bits that are 0 */
        if (!(val & OUT_RESET))
            irq_set(&k->wire.reset, 1);
        break;
    default: GUEST_WARN(unimp, "8042 command %02x", val); break;
    }
}

static void data_byte(struct i8042 *k, uint8_t val)
{
    uint8_t command = k->command;
    k->command = 0;
    k->status &= (uint8_t)~ST_CMD;
    switch (command) {
    case 0x60: write_command_byte(k, val); break;
    case 0x61 ... 0x7f: k->ram[command & 0x1f] = val; break;
    case 0xd1: set_output_port(k, val); break;
    case 0xd2: put(k, val, FROM_KEYBOARD); break;
    case 0xd3: put(k, val, FROM_MOUSE); break;
    case 0xd4:
        k->ram[0] &= (uint8_t)~CTR_AUX_OFF;
        ps2mouse_write(k->mouse, val);
        break;
    default: /* to the keyboard; that enables its interface */
        k->ram[0] &= (uint8_t)~CTR_KBD_OFF;
        ps2kbd_write(k->kbd, val);
        break;
    }
}

static uint32_t i8042_read(void *opaque, uint16_t port, unsigned size)
{
    struct i8042 *k = opaque;
    (void)size;
    fill(k);
    if (port == 0x64)
        return k->status;
    uint8_t v = k->out;
    if (k->status & ST_OBF) {
        if (k->output_port & (OUT_OBF | OUT_AUX))
            k->next_byte = bus_now(k->dev.bus) + DEVICE_BYTE_NS;
        k->status &= (uint8_t) ~(ST_OBF | ST_AUX);
        k->output_port &= (uint8_t) ~(OUT_OBF | OUT_AUX);
        i8042_update_irq(k);
        fill(k);
    }
    return v;
}

static void i8042_write(void *opaque, uint16_t port, uint32_t val, unsigned size)
{
    struct i8042 *k = opaque;
    (void)size;
    if (port == 0x64)
        controller_command(k, (uint8_t)val);
    else
        data_byte(k, (uint8_t)val);
    fill(k);
}

static void byte_timer(void *opaque, tick_t now)
{
    (void)now;
    fill(opaque);
}

struct ps2kbd *i8042_keyboard(struct i8042 *k) { return k->kbd; }

struct ps2mouse *i8042_mouse(struct i8042 *k) { return k->mouse; }

static void i8042_reset(struct device *dev)
{
    struct i8042 *k = (struct i8042 *)dev;
    memset(k->ram, 0, sizeof k->ram);
    k->ram[0] = CTR_KBD_INT | CTR_AUX_INT;
    k->status = ST_CMD | ST_UNLOCKED;
    k->output_port = OUT_RESET;
    k->out = 0;
    k->command = 0;
    k->release = false;
    k->next_byte = 0;
    timer_cancel(&k->timer);
    i8042_update_irq(k);
}

static void i8042_post_load(void *obj) { i8042_update_irq(obj); }

static const struct state_field i8042_fields[] = {
    FIELD_BYTES(struct i8042, ram),      FIELD_U8(struct i8042, status),   FIELD_U8(struct i8042, out),
    FIELD_U8(struct i8042, output_port), FIELD_U8(struct i8042, command),  FIELD_BOOL(struct i8042, release),
    FIELD_U64(struct i8042, next_byte),  FIELD_TIMER(struct i8042, timer), FIELD_END
};
static const struct state_desc i8042_state = {
    .name = "i8042", .version = 2, .fields = i8042_fields, .post_load = i8042_post_load
};

static int i8042_init(struct device *dev, const void *props)
{
    static const struct port_ops ops = { i8042_read, i8042_write, 1, 1 };
    struct i8042 *k = (struct i8042 *)dev;
    k->wire = *(const struct i8042_config *)props;
    timer_init(&k->timer, dev->bus->clock, "8042", byte_timer, k);
    k->kbd = ps2kbd_create(dev->bus, irq_make(device_ready, k, 0));
    k->mouse = ps2mouse_create(dev->bus, irq_make(device_ready, k, 1));
    bus_port_add(dev->bus, 0x60, 1, &ops, k, "8042");
    bus_port_add(dev->bus, 0x64, 1, &ops, k, "8042");
    return 0;
}

static void i8042_destroy(struct device *dev) { timer_destroy(&((struct i8042 *)dev)->timer); }

static const struct device_class i8042_class = {
    .name = "8042",
    .size = sizeof(struct i8042),
    .init = i8042_init,
    .reset = i8042_reset,
    .destroy = i8042_destroy,
    .state = &i8042_state,
};

struct i8042 *i8042_create(struct bus *bus, const struct i8042_config *config)
{
    return bus_add_device(bus, &i8042_class, NULL, config);
}
