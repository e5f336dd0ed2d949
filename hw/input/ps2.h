/* ps2.h - what plugs into the 8042: the keyboard and the mouse.
 *
 * A device raises its `ready` line while it has bytes for the host.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_PS2_H
#define HW_PS2_H

#include "hw/bus.h"

#define PS2_QUEUE 256

/* Bytes from a device; answers to commands go before data. */
struct ps2_queue {
    /* state */
    uint8_t data[PS2_QUEUE];
    uint8_t reply[16];
    uint16_t head;
    uint16_t count;
    uint8_t replies; /* in reply[0..replies) */
    uint8_t last;    /* last byte sent, for RESEND */
};
extern const struct state_desc ps2_queue_state;
void ps2_queue_clear(struct ps2_queue *q);
bool ps2_queue_empty(const struct ps2_queue *q);
/* All of the bytes or, if there is no room, none (false). */
bool ps2_queue_put(struct ps2_queue *q, const uint8_t *bytes, unsigned n);
void ps2_queue_reply(struct ps2_queue *q, uint8_t byte);
uint8_t ps2_queue_get(struct ps2_queue *q);

struct ps2kbd;
struct ps2kbd *ps2kbd_create(struct bus *bus, struct irq ready);
void ps2kbd_write(struct ps2kbd *kbd, uint8_t val);
bool ps2kbd_ready(const struct ps2kbd *kbd);
uint8_t ps2kbd_read(struct ps2kbd *kbd);
/* A key by its QEMU name, or by its set 1 code (E0-prefixed keys: code | 80h). */
int ps2kbd_key(struct ps2kbd *kbd, const char *name, bool down);
bool ps2kbd_scancode(struct ps2kbd *kbd, uint8_t set1, bool down);
/* Set 1 code (| 80h) of a key name, or -1. */
int ps2kbd_find_key(const char *name, size_t len);
/* LEDs: bit 0 scroll, 1 num, 2 caps. */
unsigned ps2kbd_leds(const struct ps2kbd *kbd);

struct ps2mouse;
struct ps2mouse *ps2mouse_create(struct bus *bus, struct irq ready);
void ps2mouse_write(struct ps2mouse *mouse, uint8_t val);
bool ps2mouse_ready(const struct ps2mouse *mouse);
uint8_t ps2mouse_read(struct ps2mouse *mouse);
/* Relative motion, y growing downwards; buttons: 1 left, 2 right, 4 middle, 8 and 16 the sides. */
void ps2mouse_event(struct ps2mouse *mouse, int dx, int dy, int dz, unsigned buttons);

#endif
