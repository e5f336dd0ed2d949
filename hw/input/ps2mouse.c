/* ps2mouse.c - a PS/2 mouse (IBM PS/2 Hardware Interface Technical Reference, mouse section) with
 * the IntelliMouse wheel (ID 3) and Explorer (ID 4) extensions.
 *
 * Behind the 8042's auxiliary port. Stream, remote and wrap mode, all commands.
 * NOT modelled: the sample rate as a limit (it is stored; packets leave as fast as the guest
 * reads them, motion in between accumulates), the resolution as a scale.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/input/ps2.h"

#define ACK    0xfa
#define RESEND 0xfe

#define MODE_REMOTE 0x40
#define MODE_ENABLE 0x20
#define MODE_SCALE  0x10

struct ps2mouse {
    struct device dev;
    /* wiring */
    struct irq ready;
    /* state */
    struct ps2_queue q;
    uint8_t mode; /* MODE_ bits, as in the status answer */
    bool wrap;
    uint8_t command; /* one that waits for its parameter */
    uint8_t resolution;
    uint8_t rate;
    uint8_t rates[2]; /* the two set before, for the magic knocks */
    uint8_t id;       /* 0, 3 or 4 */
    uint8_t buttons;
    uint8_t sent_buttons;
    uint32_t dx; /* accumulated, two's complement */
    uint32_t dy; /* growing upwards */
    uint32_t dz;
};

static int clamp(int v, int min, int max) { return v < min ? min : v > max ? max : v; }

static int scale(int v)
{
    static const int8_t table[6] = { 0, 1, 1, 3, 6, 9 };
    int a = v < 0 ? -v : v;
    a = a < 6 ? table[a] : 2 * a;
    return v < 0 ? -a : a;
}

static void ps2mouse_update_irq(struct ps2mouse *m) { irq_set(&m->ready, !ps2_queue_empty(&m->q)); }

static bool something_to_tell(const struct ps2mouse *m)
{
    return m->dx || m->dy || (m->dz && m->id) || m->buttons != m->sent_buttons;
}

/* Take one packet out of the accumulated motion. */
static unsigned make_packet(struct ps2mouse *m, uint8_t *p, bool scaled)
{
    int dx = clamp((int)m->dx, -127, 127);
    int dy = clamp((int)m->dy, -127, 127);
    int dz = m->id == 4 ? clamp((int)m->dz, -7, 7) : clamp((int)m->dz, -127, 127);
    unsigned n = 3;
    m->dx -= (uint32_t)dx;
    m->dy -= (uint32_t)dy;
    m->dz -= (uint32_t)dz;
    if (scaled && (m->mode & MODE_SCALE)) {
        dx = clamp(scale(dx), -255, 255);
        dy = clamp(scale(dy), -255, 255);
    }
    p[0] = (uint8_t)(0x08 | (m->buttons & 7) | (dx < 0 ? 0x10 : 0) | (dy < 0 ? 0x20 : 0));
    p[1] = (uint8_t)dx;
    p[2] = (uint8_t)dy;
    if (m->id == 3)
        p[n++] = (uint8_t)dz;
    else if (m->id == 4)
        p[n++] = (uint8_t)((dz & 15) | (m->buttons & 0x18) << 1);
    m->sent_buttons = m->buttons;
    if (!m->id)
        m->dz = 0;
    return n;
}

/* Queue a packet if there is news and the guest has nearly read what is queued. */
static void stream(struct ps2mouse *m)
{
    uint8_t p[4];
    if ((m->mode & MODE_ENABLE) && !(m->mode & MODE_REMOTE) && !m->wrap)
        while (m->q.count < 12 && something_to_tell(m))
            ps2_queue_put(&m->q, p, make_packet(m, p, true));
    ps2mouse_update_irq(m);
}

void ps2mouse_event(struct ps2mouse *m, int dx, int dy, int dz, unsigned buttons)
{
    const int max = 4096; /* more than that is noise */
    m->dx = (uint32_t)clamp((int)m->dx + clamp(dx, -max, max), -max, max);
    m->dy = (uint32_t)clamp((int)m->dy - clamp(dy, -max, max), -max, max);
    m->dz = (uint32_t)clamp((int)m->dz + clamp(dz, -max, max), -max, max);
    m->buttons = buttons & 0x1f;
    stream(m);
}

static void set_defaults(struct ps2mouse *m)
{
    m->mode = 0;
    m->wrap = false;
    m->resolution = 2;
    m->rate = 100;
    m->dx = m->dy = m->dz = 0;
    m->command = 0;
}

static void set_rate(struct ps2mouse *m, uint8_t val)
{
    if (m->rates[0] == 200 && m->rates[1] == 100 && val == 80)
        m->id = 3;
    else if (m->rates[0] == 200 && m->rates[1] == 200 && val == 80)
        m->id = 4;
    m->rates[0] = m->rates[1];
    m->rates[1] = val;
    m->rate = val;
}

static void command(struct ps2mouse *m, uint8_t val)
{
    struct ps2_queue *q = &m->q;
    uint8_t p[4];
    unsigned n;

    switch (val) {
    case 0xe6: m->mode &= (uint8_t)~MODE_SCALE; break;
    case 0xe7: m->mode |= MODE_SCALE; break;
    case 0xe8:
    case 0xf3: m->command = val; break;
    case 0xe9:
        ps2_queue_reply(q, ACK);
        ps2_queue_reply(q, (uint8_t)(m->mode | (m->buttons & 1) << 2 | (m->buttons & 4) >> 1 | (m->buttons & 2) >> 1));
        ps2_queue_reply(q, m->resolution);
        ps2_queue_reply(q, m->rate);
        return;
    case 0xea: m->mode &= (uint8_t)~MODE_REMOTE; break;
    case 0xeb:
        ps2_queue_reply(q, ACK);
        n = make_packet(m, p, false);
        for (unsigned i = 0; i < n; i++)
            ps2_queue_reply(q, p[i]);
        return;
    case 0xec: m->wrap = false; break;
    case 0xee: m->wrap = true; break;
    case 0xf0: m->mode |= MODE_REMOTE; break;
    case 0xf2:
        ps2_queue_reply(q, ACK);
        ps2_queue_reply(q, m->id);
        return;
    case 0xf4:
        m->mode |= MODE_ENABLE;
        m->dx = m->dy = m->dz = 0;
        break;
    case 0xf5: m->mode &= (uint8_t)~MODE_ENABLE; break;
    case 0xf6: set_defaults(m); break;
    case 0xfe: ps2_queue_reply(q, q->last); return;
    case 0xff:
        ps2_queue_clear(q);
        set_defaults(m);
        m->id = 0;
        memset(m->rates, 0, sizeof m->rates);
        ps2_queue_reply(q, ACK);
        ps2_queue_reply(q, 0xaa);
        ps2_queue_reply(q, 0x00);
        return;
    default: ps2_queue_reply(q, RESEND); return;
    }
    ps2_queue_reply(q, ACK);
}

void ps2mouse_write(struct ps2mouse *m, uint8_t val)
{
    LOG(kbd, "mouse command %02x", val);
    if (m->wrap && val != 0xec && val != 0xff) {
        ps2_queue_reply(&m->q, val);
    } else if (m->command) {
        if (m->command == 0xf3)
            set_rate(m, val);
        else
            m->resolution = val & 3;
        m->command = 0;
        ps2_queue_reply(&m->q, ACK);
    } else {
        m->q.count = 0; /* a command ends a packet under way */
        command(m, val);
    }
    ps2mouse_update_irq(m);
}

bool ps2mouse_ready(const struct ps2mouse *m) { return !ps2_queue_empty(&m->q); }

uint8_t ps2mouse_read(struct ps2mouse *m)
{
    uint8_t v = ps2_queue_get(&m->q);
    stream(m);
    return v;
}

static void ps2mouse_reset(struct device *dev)
{
    struct ps2mouse *m = (struct ps2mouse *)dev;
    ps2_queue_clear(&m->q);
    set_defaults(m);
    m->id = m->buttons = m->sent_buttons = 0;
    memset(m->rates, 0, sizeof m->rates);
    ps2mouse_update_irq(m);
}

static const struct state_field ps2mouse_fields[] = { FIELD_STRUCT(struct ps2mouse, q, &ps2_queue_state),
                                                      FIELD_U8(struct ps2mouse, mode),
                                                      FIELD_BOOL(struct ps2mouse, wrap),
                                                      FIELD_U8(struct ps2mouse, command),
                                                      FIELD_U8(struct ps2mouse, resolution),
                                                      FIELD_U8(struct ps2mouse, rate),
                                                      FIELD_BYTES(struct ps2mouse, rates),
                                                      FIELD_U8(struct ps2mouse, id),
                                                      FIELD_U8(struct ps2mouse, buttons),
                                                      FIELD_U8(struct ps2mouse, sent_buttons),
                                                      FIELD_U32(struct ps2mouse, dx),
                                                      FIELD_U32(struct ps2mouse, dy),
                                                      FIELD_U32(struct ps2mouse, dz),
                                                      FIELD_END };
static const struct state_desc ps2mouse_state = { .name = "ps2mouse", .version = 1, .fields = ps2mouse_fields };

static int ps2mouse_init(struct device *dev, const void *props)
{
    ((struct ps2mouse *)dev)->ready = *(const struct irq *)props;
    return 0;
}

static const struct device_class ps2mouse_class = {
    .name = "mouse",
    .size = sizeof(struct ps2mouse),
    .init = ps2mouse_init,
    .reset = ps2mouse_reset,
    .state = &ps2mouse_state,
};

struct ps2mouse *ps2mouse_create(struct bus *bus, struct irq ready)
{
    return bus_add_device(bus, &ps2mouse_class, NULL, &ready);
}
