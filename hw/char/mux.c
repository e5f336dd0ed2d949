/* mux.c - several fronts (serial port, monitor) over one back end, with Ctrl-A as the escape.
 *
 * Output of all fronts goes through; input goes to the one with the focus. Input for a front
 * that has no room waits in a small buffer, so that the escape still works.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/char/chardev_int.h"

#include <stdlib.h>

#define ESCAPE     1 /* Ctrl-A */
#define MAX_FRONTS 8
#define FRONT_BUF  4096

struct mux;

struct front {
    struct chardev c;
    /* wiring */
    struct mux *mux;
    /* state */
    uint8_t buf[FRONT_BUF]; /* input not yet delivered */
    size_t len;
};

struct mux {
    struct chardev c;
    /* wiring */
    struct chardev *back;
    struct front *front[MAX_FRONTS];
    unsigned fronts;
    void (*quit)(void *opaque);
    void *quit_opaque;
    /* state */
    unsigned focus;
    bool escape;
};

static void deliver_pending(struct front *f)
{
    while (f->len) {
        size_t room = chardev_room(&f->c);
        size_t n = room < f->len ? room : f->len;
        uint8_t out[256];
        if (!n)
            return;
        n = n < sizeof out ? n : sizeof out;
        memcpy(out, f->buf, n);
        f->len -= n;
        memmove(f->buf, f->buf + n, f->len);
        chardev_deliver(&f->c, out, n);
    }
}

static void say(struct mux *m, const char *text) { chardev_write(m->back, text, strlen(text)); }

void chardev_mux_focus_next(struct chardev *c)
{
    struct mux *m = (struct mux *)c;
    if (m->fronts < 2)
        return;
    chardev_event(&m->front[m->focus]->c, CHARDEV_FOCUS_OUT);
    m->focus = (m->focus + 1) % m->fronts;
    chardev_event(&m->front[m->focus]->c, CHARDEV_FOCUS_IN);
}

static void put(struct mux *m, uint8_t byte)
{
    struct front *f = m->fronts ? m->front[m->focus] : NULL;
    if (f && f->len < FRONT_BUF)
        f->buf[f->len++] = byte;
}

static void escaped(struct mux *m, uint8_t byte)
{
    m->escape = false;
    switch (byte) {
    case 'x':
    case 'X':
        say(m, "\n\rcallgate: terminated\n\r");
        if (m->quit)
            m->quit(m->quit_opaque);
        break;
    case 'c':
    case 'C': chardev_mux_focus_next(&m->c); break;
    case 'b':
    case 'B':
        if (m->fronts)
            chardev_event(&m->front[m->focus]->c, CHARDEV_BREAK);
        break;
    case 'h':
    case 'H':
    case '?':
        say(m, "\n\rC-a h    this help\n\rC-a x    leave the emulator\n\r"
               "C-a b    send a break\n\rC-a c    switch between console and monitor\n\r"
               "C-a C-a  send C-a\n\r");
        break;
    case 'a':
    case ESCAPE: put(m, ESCAPE); break;
    default: break;
    }
}

static size_t mux_can_read(void *opaque)
{
    const struct mux *m = opaque;
    size_t room = m->fronts ? FRONT_BUF - m->front[m->focus]->len : 0;
    /* Ctrl-A x must end a guest that never reads; a pipe waits instead, so that nothing is lost */
    return room || !m->back->typed ? room : 256;
}

static void mux_read(void *opaque, const uint8_t *buf, size_t len)
{
    struct mux *m = opaque;
    for (size_t i = 0; i < len; i++) {
        if (m->escape)
            escaped(m, buf[i]);
        else if (buf[i] == ESCAPE)
            m->escape = true;
        else
            put(m, buf[i]);
    }
    for (unsigned i = 0; i < m->fronts; i++)
        deliver_pending(m->front[i]);
}

static void mux_event(void *opaque, enum chardev_event event)
{
    struct mux *m = opaque;
    if (event == CHARDEV_BREAK) {
        if (m->fronts)
            chardev_event(&m->front[m->focus]->c, event);
        return;
    }
    for (unsigned i = 0; i < m->fronts; i++)
        chardev_event(&m->front[i]->c, event);
}

static const struct chardev_handlers mux_handlers = { mux_can_read, mux_read, mux_event };

static void front_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    chardev_write(((struct front *)c)->mux->back, buf, len);
}

static struct chardev *front_back(const struct chardev *c) { return ((const struct front *)c)->mux->back; }

static void front_update_input(struct chardev *c)
{
    struct front *f = (struct front *)c;
    deliver_pending(f);
    chardev_accept_input(f->mux->back);
}

static void front_send_break(struct chardev *c) { chardev_send_break(((struct front *)c)->mux->back); }

static void front_close(struct chardev *c)
{
    struct front *f = (struct front *)c;
    struct mux *m = f->mux;
    for (unsigned i = 0; i < m->fronts; i++) {
        if (m->front[i] != f)
            continue;
        memmove(&m->front[i], &m->front[i + 1], (m->fronts - i - 1) * sizeof m->front[0]);
        m->fronts--;
        if (m->focus >= m->fronts)
            m->focus = 0;
        return;
    }
}

static const struct chardev_ops front_ops = { .name = "mux-front",
                                              .write = front_write,
                                              .back = front_back,
                                              .update_input = front_update_input,
                                              .send_break = front_send_break,
                                              .close = front_close };

static void mux_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    chardev_write(((struct mux *)c)->back, buf, len);
}

static struct chardev *mux_back(const struct chardev *c) { return ((const struct mux *)c)->back; }

static void mux_close(struct chardev *c)
{
    struct mux *m = (struct mux *)c;
    chardev_set_handlers(m->back, NULL, NULL);
    while (m->fronts)
        chardev_close(&m->front[0]->c);
    chardev_close(m->back);
}

static const struct chardev_ops mux_ops = { .name = "mux", .write = mux_write, .back = mux_back, .close = mux_close };

struct chardev *chardev_mux_open(struct chardev *back)
{
    struct mux *m = chardev_alloc(sizeof *m, &mux_ops, back->ev);
    if (!m)
        return NULL;
    m->back = back;
    m->c.open = true;
    snprintf(m->c.label, sizeof m->c.label, "mon:%.100s", chardev_describe(back));
    chardev_set_handlers(back, &mux_handlers, m);
    return &m->c;
}

struct chardev *chardev_mux_front(struct chardev *c, const char *name)
{
    struct mux *m = (struct mux *)c;
    if (!chardev_is_mux(c) || m->fronts == MAX_FRONTS)
        return NULL;
    struct front *f = chardev_alloc(sizeof *f, &front_ops, c->ev);
    if (!f)
        return NULL;
    f->mux = m;
    f->c.open = true;
    snprintf(f->c.label, sizeof f->c.label, "%s", name);
    m->front[m->fronts++] = f;
    chardev_accept_input(m->back);
    return &f->c;
}

void chardev_mux_on_quit(struct chardev *c, void (*quit)(void *opaque), void *opaque)
{
    struct mux *m = (struct mux *)c;
    m->quit = quit;
    m->quit_opaque = opaque;
}

bool chardev_is_mux(const struct chardev *c) { return c->ops == &mux_ops; }

/* ---- state: the focus, the escape, and each front's input with its length ---- */

static void mux_save(const void *obj, struct state_buf *out)
{
    const struct mux *m = obj;
    if (!chardev_is_mux(obj))
        return;
    state_buf_put32(out, m->focus);
    state_buf_put32(out, m->escape);
    for (unsigned i = 0; i < m->fronts; i++) {
        state_buf_put32(out, (uint32_t)m->front[i]->len);
        state_buf_put(out, m->front[i]->buf, m->front[i]->len);
    }
}

static const char *mux_check(const void *obj, const uint8_t *data, size_t len)
{
    const struct mux *m = obj;
    if (!chardev_is_mux(obj))
        return len ? "several consoles share it, here they do not" : NULL;
    if (!len)
        return "it is one console's, here several share it";
    if (len < 8 || (m->fronts && load32(data) >= m->fronts))
        return "another number of consoles share it";
    size_t at = 8;
    for (unsigned i = 0; i < m->fronts; i++) {
        if (len - at < 4 || load32(data + at) > FRONT_BUF || load32(data + at) > len - at - 4)
            return "another number of consoles share it";
        at += 4 + load32(data + at);
    }
    return at == len ? NULL : "another number of consoles share it";
}

static void mux_load(void *obj, const uint8_t *data, size_t len)
{
    struct mux *m = obj;
    size_t at = 8;
    if (!chardev_is_mux(obj))
        return;
    m->focus = len ? load32(data) : 0;
    m->escape = len && load32(data + 4);
    for (unsigned i = 0; i < m->fronts; i++) {
        struct front *f = m->front[i];
        f->len = len ? load32(data + at) : 0;
        if (f->len)
            memcpy(f->buf, data + at + 4, f->len);
        at += 4 + f->len;
    }
}

const struct state_blob chardev_mux_blob = { mux_save, mux_check, mux_load };
