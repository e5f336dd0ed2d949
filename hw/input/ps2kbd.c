/* ps2kbd.c - a PS/2 keyboard (IBM PS/2 Hardware Interface Technical Reference, keyboard section),
 * and the byte queue the mouse shares.
 *
 * Behind the 8042's first port. Scan code sets 1, 2 and 3; all commands.
 * NOT modelled: typematic repeat of its own (rate and delay are stored; whoever presses keys
 * repeats them), the fake shifts around keypad keys with Num Lock on, key types of set 3 per
 * default (all keys are typematic with make and break until the guest changes them).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/input/ps2.h"

#include <errno.h>

#define ACK    0xfa
#define RESEND 0xfe
#define BAT_OK 0xaa

#define KEY_PAUSE 0xc6 /* set 1 codes without a plain form; | 80h means E0 prefix */
#define KEY_PRINT 0xb7
#define KEY_ALT   0x38
#define KEY_ALT_R 0xb8
#define TYPE_MAKE 1 /* set 3: no break code */

struct ps2kbd {
    struct device dev;
    /* wiring */
    struct irq ready;
    /* state */
    struct ps2_queue q;
    uint8_t scan_set;
    uint8_t leds;
    uint8_t typematic;
    uint8_t command; /* one that waits for its parameter, 0: none */
    bool enabled;
    uint8_t type[256]; /* set 3: by make code */
    uint8_t down[32];  /* bit map of keys held, by set 1 code | 80h */
};

/* ---- the queue ---- */

void ps2_queue_clear(struct ps2_queue *q)
{
    q->head = q->count = 0;
    q->replies = 0;
}

bool ps2_queue_empty(const struct ps2_queue *q) { return !q->count && !q->replies; }

bool ps2_queue_put(struct ps2_queue *q, const uint8_t *bytes, unsigned n)
{
    if (n > (unsigned)PS2_QUEUE - q->count)
        return false;
    for (unsigned i = 0; i < n; i++)
        q->data[(q->head + q->count++) % PS2_QUEUE] = bytes[i];
    return true;
}

void ps2_queue_reply(struct ps2_queue *q, uint8_t byte)
{
    if (q->replies < sizeof q->reply)
        q->reply[q->replies++] = byte;
}

uint8_t ps2_queue_get(struct ps2_queue *q)
{
    if (q->replies) {
        q->last = q->reply[0];
        memmove(q->reply, q->reply + 1, --q->replies);
    } else if (q->count) {
        q->last = q->data[q->head];
        q->head = (q->head + 1) % PS2_QUEUE;
        q->count--;
    }
    return q->last;
}

static void queue_post_load(void *obj)
{
    struct ps2_queue *q = obj;
    q->head %= PS2_QUEUE;
    if (q->count > PS2_QUEUE)
        q->count = 0;
    if (q->replies > sizeof q->reply)
        q->replies = 0;
}

static const struct state_field queue_fields[] = { FIELD_BYTES(struct ps2_queue, data),
                                                   FIELD_BYTES(struct ps2_queue, reply),
                                                   FIELD_U16(struct ps2_queue, head),
                                                   FIELD_U16(struct ps2_queue, count),
                                                   FIELD_U8(struct ps2_queue, replies),
                                                   FIELD_U8(struct ps2_queue, last),
                                                   FIELD_END };
const struct state_desc ps2_queue_state = {
    .name = "ps2-queue", .version = 1, .fields = queue_fields, .post_load = queue_post_load
};

/* ---- keys ---- */

/* KEY(name, set 1 code (| 80h: E0), set 2 code, set 3 code) */
static const struct key {
    const char *name;
    uint8_t set1;
    uint8_t set2;
    uint8_t set3;
} keys[] = {
    { "esc", 0x01, 0x76, 0x08 },
    { "1", 0x02, 0x16, 0x16 },
    { "2", 0x03, 0x1e, 0x1e },
    { "3", 0x04, 0x26, 0x26 },
    { "4", 0x05, 0x25, 0x25 },
    { "5", 0x06, 0x2e, 0x2e },
    { "6", 0x07, 0x36, 0x36 },
    { "7", 0x08, 0x3d, 0x3d },
    { "8", 0x09, 0x3e, 0x3e },
    { "9", 0x0a, 0x46, 0x46 },
    { "0", 0x0b, 0x45, 0x45 },
    { "minus", 0x0c, 0x4e, 0x4e },
    { "equal", 0x0d, 0x55, 0x55 },
    { "backspace", 0x0e, 0x66, 0x66 },
    { "tab", 0x0f, 0x0d, 0x0d },
    { "q", 0x10, 0x15, 0x15 },
    { "w", 0x11, 0x1d, 0x1d },
    { "e", 0x12, 0x24, 0x24 },
    { "r", 0x13, 0x2d, 0x2d },
    { "t", 0x14, 0x2c, 0x2c },
    { "y", 0x15, 0x35, 0x35 },
    { "u", 0x16, 0x3c, 0x3c },
    { "i", 0x17, 0x43, 0x43 },
    { "o", 0x18, 0x44, 0x44 },
    { "p", 0x19, 0x4d, 0x4d },
    { "bracket_left", 0x1a, 0x54, 0x54 },
    { "bracket_right", 0x1b, 0x5b, 0x5b },
    { "ret", 0x1c, 0x5a, 0x5a },
    { "ctrl", 0x1d, 0x14, 0x11 },
    { "a", 0x1e, 0x1c, 0x1c },
    { "s", 0x1f, 0x1b, 0x1b },
    { "d", 0x20, 0x23, 0x23 },
    { "f", 0x21, 0x2b, 0x2b },
    { "g", 0x22, 0x34, 0x34 },
    { "h", 0x23, 0x33, 0x33 },
    { "j", 0x24, 0x3b, 0x3b },
    { "k", 0x25, 0x42, 0x42 },
    { "l", 0x26, 0x4b, 0x4b },
    { "semicolon", 0x27, 0x4c, 0x4c },
    { "apostrophe", 0x28, 0x52, 0x52 },
    { "grave_accent", 0x29, 0x0e, 0x0e },
    { "shift", 0x2a, 0x12, 0x12 },
    { "backslash", 0x2b, 0x5d, 0x5c },
    { "z", 0x2c, 0x1a, 0x1a },
    { "x", 0x2d, 0x22, 0x22 },
    { "c", 0x2e, 0x21, 0x21 },
    { "v", 0x2f, 0x2a, 0x2a },
    { "b", 0x30, 0x32, 0x32 },
    { "n", 0x31, 0x31, 0x31 },
    { "m", 0x32, 0x3a, 0x3a },
    { "comma", 0x33, 0x41, 0x41 },
    { "dot", 0x34, 0x49, 0x49 },
    { "slash", 0x35, 0x4a, 0x4a },
    { "shift_r", 0x36, 0x59, 0x59 },
    { "kp_multiply", 0x37, 0x7c, 0x7e },
    { "asterisk", 0x37, 0x7c, 0x7e },
    { "alt", KEY_ALT, 0x11, 0x19 },
    { "spc", 0x39, 0x29, 0x29 },
    { "caps_lock", 0x3a, 0x58, 0x14 },
    { "f1", 0x3b, 0x05, 0x07 },
    { "f2", 0x3c, 0x06, 0x0f },
    { "f3", 0x3d, 0x04, 0x17 },
    { "f4", 0x3e, 0x0c, 0x1f },
    { "f5", 0x3f, 0x03, 0x27 },
    { "f6", 0x40, 0x0b, 0x2f },
    { "f7", 0x41, 0x83, 0x37 },
    { "f8", 0x42, 0x0a, 0x3f },
    { "f9", 0x43, 0x01, 0x47 },
    { "f10", 0x44, 0x09, 0x4f },
    { "num_lock", 0x45, 0x77, 0x76 },
    { "scroll_lock", 0x46, 0x7e, 0x5f },
    { "kp_7", 0x47, 0x6c, 0x6c },
    { "kp_8", 0x48, 0x75, 0x75 },
    { "kp_9", 0x49, 0x7d, 0x7d },
    { "kp_subtract", 0x4a, 0x7b, 0x84 },
    { "kp_4", 0x4b, 0x6b, 0x6b },
    { "kp_5", 0x4c, 0x73, 0x73 },
    { "kp_6", 0x4d, 0x74, 0x74 },
    { "kp_add", 0x4e, 0x79, 0x7c },
    { "kp_1", 0x4f, 0x69, 0x69 },
    { "kp_2", 0x50, 0x72, 0x72 },
    { "kp_3", 0x51, 0x7a, 0x7a },
    { "kp_0", 0x52, 0x70, 0x70 },
    { "kp_decimal", 0x53, 0x71, 0x71 },
    { "sysrq", 0x54, 0x84, 0x57 },
    { "less", 0x56, 0x61, 0x13 },
    { "f11", 0x57, 0x78, 0x56 },
    { "f12", 0x58, 0x07, 0x5e },
    { "kp_enter", 0x9c, 0x5a, 0x79 },
    { "ctrl_r", 0x9d, 0x14, 0x58 },
    { "kp_divide", 0xb5, 0x4a, 0x77 },
    { "print", KEY_PRINT, 0x7c, 0x57 },
    { "alt_r", KEY_ALT_R, 0x11, 0x39 },
    { "home", 0xc7, 0x6c, 0x6e },
    { "up", 0xc8, 0x75, 0x63 },
    { "pgup", 0xc9, 0x7d, 0x6f },
    { "left", 0xcb, 0x6b, 0x61 },
    { "right", 0xcd, 0x74, 0x6a },
    { "end", 0xcf, 0x69, 0x65 },
    { "down", 0xd0, 0x72, 0x60 },
    { "pgdn", 0xd1, 0x7a, 0x6d },
    { "insert", 0xd2, 0x70, 0x67 },
    { "delete", 0xd3, 0x71, 0x64 },
    { "meta_l", 0xdb, 0x1f, 0x8b },
    { "meta_r", 0xdc, 0x27, 0x8c },
    { "menu", 0xdd, 0x2f, 0x8d },
    { "compose", 0xdd, 0x2f, 0x8d },
    { "pause", KEY_PAUSE, 0x77, 0x62 },
    { "volumemute", 0xa0, 0x23, 0x9c },
    { "volumedown", 0xae, 0x21, 0x9d },
    { "volumeup", 0xb0, 0x32, 0x95 },
    { "power", 0xde, 0x37, 0x00 },
    { "sleep", 0xdf, 0x3f, 0x00 },
    { "wake", 0xe3, 0x5e, 0x00 },
    { "ro", 0x73, 0x51, 0x51 },
    { "yen", 0x7d, 0x6a, 0x5d },
    { "henkan", 0x79, 0x64, 0x86 },
    { "muhenkan", 0x7b, 0x67, 0x85 },
    { "hiragana", 0x70, 0x13, 0x87 },
    /* other spellings */
    { "enter", 0x1c, 0x5a, 0x5a },
    { "space", 0x39, 0x29, 0x29 },
    { "escape", 0x01, 0x76, 0x08 },
    { "ctrl_l", 0x1d, 0x14, 0x11 },
    { "alt_l", KEY_ALT, 0x11, 0x19 },
    { "shift_l", 0x2a, 0x12, 0x12 },
};

static const struct key *find_set1(uint8_t set1)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].set1 == set1)
            return &keys[i];
    return NULL;
}

int ps2kbd_find_key(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (strlen(keys[i].name) == len && !memcmp(keys[i].name, name, len))
            return keys[i].set1;
    return -1;
}

static bool held(const struct ps2kbd *k, uint8_t set1) { return k->down[set1 >> 3] & (1u << (set1 & 7)); }

/* The bytes of a key going down or up in the current set; returns their number. */
static unsigned encode_key(const struct ps2kbd *k, const struct key *key, bool down, uint8_t *out)
{
    static const uint8_t pause1[] = { 0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5 };
    static const uint8_t pause2[] = { 0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77 };
    unsigned n = 0;

    if (k->scan_set == 3) {
        if (!key->set3 || (!down && k->type[key->set3] == TYPE_MAKE))
            return 0;
        if (!down)
            out[n++] = 0xf0;
        out[n++] = key->set3;
        return n;
    }
    if (key->set1 == KEY_PAUSE) { /* no break code */
        const uint8_t *seq = k->scan_set == 1 ? pause1 : pause2;
        n = k->scan_set == 1 ? sizeof pause1 : sizeof pause2;
        memcpy(out, seq, n);
        return down ? n : 0;
    }
    uint8_t set1 = key->set1;
    uint8_t set2 = key->set2;
    bool e0 = set1 & 0x80;
    set1 &= 0x7f;
    if (key->set1 == KEY_PRINT && (held(k, KEY_ALT) || held(k, KEY_ALT_R))) {
        e0 = false; /* SysRq */
        set1 = 0x54;
        set2 = 0x84;
    }
    if (e0)
        out[n++] = 0xe0;
    if (k->scan_set == 1) {
        out[n++] = (uint8_t)(set1 | (down ? 0 : 0x80));
    } else {
        if (!down)
            out[n++] = 0xf0;
        out[n++] = set2;
    }
    return n;
}

static void ps2kbd_update_irq(struct ps2kbd *k) { irq_set(&k->ready, !ps2_queue_empty(&k->q)); }

bool ps2kbd_scancode(struct ps2kbd *k, uint8_t set1, bool down)
{
    const struct key *key = find_set1(set1);
    uint8_t bytes[8];
    if (!key)
        return false;
    if (!down && !held(k, set1))
        return true; /* it went down before the guest listened */
    uint8_t bit = (uint8_t)(1u << (set1 & 7));
    uint8_t *map = &k->down[set1 >> 3];
    *map = (uint8_t)(down ? *map | bit : *map & ~bit);
    if (k->enabled) {
        unsigned n = encode_key(k, key, down, bytes);
        if (!ps2_queue_put(&k->q, bytes, n))
            LOG(kbd, "queue full: key %s lost", key->name);
        ps2kbd_update_irq(k);
    }
    return true;
}

int ps2kbd_key(struct ps2kbd *k, const char *name, bool down)
{
    int code = ps2kbd_find_key(name, strlen(name));
    if (code < 0)
        return -EINVAL;
    ps2kbd_scancode(k, (uint8_t)code, down);
    return 0;
}

unsigned ps2kbd_leds(const struct ps2kbd *k) { return k->leds; }

/* ---- commands ---- */

static void set_defaults(struct ps2kbd *k)
{
    k->scan_set = 2;
    k->typematic = 0x2b;
    memset(k->type, 0, sizeof k->type);
}

static void parameter(struct ps2kbd *k, uint8_t val)
{
    uint8_t command = k->command;
    k->command = 0;
    switch (command) {
    case 0xed: k->leds = val & 7; break;
    case 0xf3: k->typematic = val & 0x7f; break;
    case 0xf0:
        if (val > 3) {
            ps2_queue_reply(&k->q, RESEND);
            return;
        }
        ps2_queue_reply(&k->q, ACK);
        if (val)
            k->scan_set = val;
        else
            ps2_queue_reply(&k->q, k->scan_set);
        return;
    default: /* fb, fc, fd: type of one key of set 3; more may follow */
        if (val >= 0xed) {
            ps2kbd_write(k, val);
            return;
        }
        k->type[val] = command == 0xfd ? TYPE_MAKE : 0;
        k->command = command;
        break;
    }
    ps2_queue_reply(&k->q, ACK);
}

void ps2kbd_write(struct ps2kbd *k, uint8_t val)
{
    struct ps2_queue *q = &k->q;
    LOG(kbd, "keyboard command %02x", val);
    if (k->command && (val < 0xed || k->command < 0xfb)) {
        parameter(k, val);
        ps2kbd_update_irq(k);
        return;
    }
    k->command = 0;
    switch (val) {
    case 0xed:
    case 0xf0:
    case 0xf3:
    case 0xfb:
    case 0xfc:
    case 0xfd:
        k->command = val;
        ps2_queue_reply(q, ACK);
        break;
    case 0xee: ps2_queue_reply(q, 0xee); break;
    case 0xf2:
        ps2_queue_reply(q, ACK);
        ps2_queue_reply(q, 0xab);
        ps2_queue_reply(q, 0x83);
        break;
    case 0xf4:
        k->enabled = true;
        ps2_queue_reply(q, ACK);
        break;
    case 0xf5:
    case 0xf6:
        ps2_queue_clear(q);
        set_defaults(k);
        k->enabled = val == 0xf6;
        ps2_queue_reply(q, ACK);
        break;
    case 0xf7:
    case 0xf8:
    case 0xf9:
    case 0xfa:
        memset(k->type, val == 0xf7 || val == 0xf9 ? TYPE_MAKE : 0, sizeof k->type);
        ps2_queue_reply(q, ACK);
        break;
    case 0xfe: ps2_queue_reply(q, q->last); break;
    case 0xff:
        ps2_queue_clear(q);
        set_defaults(k);
        k->leds = 0;
        k->enabled = true;
        ps2_queue_reply(q, ACK);
        ps2_queue_reply(q, BAT_OK);
        break;
    default: ps2_queue_reply(q, RESEND); break;
    }
    ps2kbd_update_irq(k);
}

bool ps2kbd_ready(const struct ps2kbd *k) { return !ps2_queue_empty(&k->q); }

uint8_t ps2kbd_read(struct ps2kbd *k)
{
    uint8_t v = ps2_queue_get(&k->q);
    ps2kbd_update_irq(k);
    return v;
}

static void ps2kbd_reset(struct device *dev)
{
    struct ps2kbd *k = (struct ps2kbd *)dev;
    ps2_queue_clear(&k->q);
    set_defaults(k);
    k->command = 0;
    k->leds = 0;
    k->enabled = true;
    memset(k->down, 0, sizeof k->down);
    ps2kbd_update_irq(k);
}

static void ps2kbd_post_load(void *obj)
{
    struct ps2kbd *k = obj;
    if (k->scan_set < 1 || k->scan_set > 3)
        k->scan_set = 2;
}

static const struct state_field ps2kbd_fields[] = { FIELD_STRUCT(struct ps2kbd, q, &ps2_queue_state),
                                                    FIELD_U8(struct ps2kbd, scan_set),
                                                    FIELD_U8(struct ps2kbd, leds),
                                                    FIELD_U8(struct ps2kbd, typematic),
                                                    FIELD_U8(struct ps2kbd, command),
                                                    FIELD_BOOL(struct ps2kbd, enabled),
                                                    FIELD_BYTES(struct ps2kbd, type),
                                                    FIELD_BYTES(struct ps2kbd, down),
                                                    FIELD_END };
static const struct state_desc ps2kbd_state = {
    .name = "ps2kbd", .version = 1, .fields = ps2kbd_fields, .post_load = ps2kbd_post_load
};

static int ps2kbd_init(struct device *dev, const void *props)
{
    ((struct ps2kbd *)dev)->ready = *(const struct irq *)props;
    return 0;
}

static const struct device_class ps2kbd_class = {
    .name = "keyboard",
    .size = sizeof(struct ps2kbd),
    .init = ps2kbd_init,
    .reset = ps2kbd_reset,
    .state = &ps2kbd_state,
};

struct ps2kbd *ps2kbd_create(struct bus *bus, struct irq ready)
{
    return bus_add_device(bus, &ps2kbd_class, NULL, &ready);
}
