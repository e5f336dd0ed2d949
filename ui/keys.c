/* keys.c - typing for the guest (keys.h).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/keys.h"

#include <errno.h>
#include <stdlib.h>

#define QUEUE   512
#define NAME    64
#define HOLD_MS 20
#define GAP_MS  20

struct keys {
    struct vm *m;
    struct timer timer;
    struct {
        char name[NAME];
        unsigned hold_ms;
    } queue[QUEUE];
    unsigned head, tail;
    bool down; /* the combination at tail is pressed */
};

/* Press or release every key of a combination (releases in reverse). Returns 0 or -EINVAL. */
static int combination(struct vm *m, const char *name, bool down)
{
    char copy[NAME];
    char *part[8];
    char *save = NULL;
    char *tok;
    int n = 0;
    int k;

    snprintf(copy, sizeof copy, "%s", name);
    for (tok = strtok_r(copy, "-", &save); tok && n < 8; tok = strtok_r(NULL, "-", &save))
        part[n++] = tok;
    for (k = 0; k < n; k++) {
        int rc = pc_key_event(m->pc, part[down ? k : n - 1 - k], down);

        if (rc) {
            while (down && k-- > 0)
                pc_key_event(m->pc, part[k], false);
            return rc;
        }
    }
    return n ? 0 : -EINVAL;
}

static void tick(void *opaque, tick_t now)
{
    struct keys *k = opaque;
    unsigned at = k->tail % QUEUE;

    if (k->head == k->tail)
        return;
    if (!k->down) {
        k->down = combination(k->m, k->queue[at].name, true) == 0;
        if (k->down) {
            timer_set(&k->timer, now + k->queue[at].hold_ms * (TICKS_PER_SEC / 1000));
            return;
        }
    } else {
        combination(k->m, k->queue[at].name, false);
        k->down = false;
    }
    k->tail++;
    timer_set(&k->timer, now + GAP_MS * (TICKS_PER_SEC / 1000));
}

struct keys *keys_create(struct vm *m)
{
    struct keys *k = calloc(1, sizeof *k);

    if (!k)
        return NULL;
    k->m = m;
    timer_init(&k->timer, &m->clock, "keys", tick, k);
    return k;
}

void keys_destroy(struct keys *k)
{
    timer_destroy(&k->timer);
    free(k);
}

int keys_press(struct keys *k, const char *name, unsigned hold_ms)
{
    unsigned at = k->head % QUEUE;
    const char *p = name;

    if (k->head - k->tail == QUEUE)
        return -ENOSPC;
    if (strlen(name) >= NAME)
        return -EINVAL;
    /* an unknown key is told at once: pressing nothing is how names are checked */
    while (*p) {
        char one[NAME];
        size_t len = strcspn(p, "-");

        snprintf(one, sizeof one, "%.*s", (int)len, p);
        if (!pc_key_known(one))
            return -EINVAL;
        p += len + (p[len] == '-');
    }
    snprintf(k->queue[at].name, NAME, "%s", name);
    k->queue[at].hold_ms = hold_ms ? hold_ms : HOLD_MS;
    k->head++;
    if (!timer_pending(&k->timer))
        timer_set(&k->timer, clock_now(&k->m->clock));
    return 0;
}

/* The key, and whether with shift, that types a character on a US keyboard. */
static bool key_of(char ch, char *key, size_t size)
{
    static const struct {
        char plain, shifted;
        const char *name;
    } keys[] = {
        { '-', '_', "minus" },         { '=', '+', "equal" },      { '[', '{', "bracket_left" },
        { ']', '}', "bracket_right" }, { ';', ':', "semicolon" },  { '\'', '"', "apostrophe" },
        { '`', '~', "grave_accent" },  { '\\', '|', "backslash" }, { ',', '<', "comma" },
        { '.', '>', "dot" },           { '/', '?', "slash" },      { ' ', ' ', "spc" },
    };
    static const char digits[] = ")!@#$%^&*(";
    const char *d = strchr(digits, ch);
    size_t n;

    if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9')) {
        snprintf(key, size, "%c", ch);
        return true;
    }
    if (ch >= 'A' && ch <= 'Z') {
        snprintf(key, size, "shift-%c", ch - 'A' + 'a');
        return true;
    }
    if (d) {
        snprintf(key, size, "shift-%d", (int)(d - digits));
        return true;
    }
    for (n = 0; n < ARRAY_SIZE(keys); n++) {
        if (ch == keys[n].plain || ch == keys[n].shifted) {
            snprintf(key, size, "%s%s", ch == keys[n].plain ? "" : "shift-", keys[n].name);
            return true;
        }
    }
    return false;
}

unsigned keys_type(struct keys *k, const char *text)
{
    unsigned bad = 0;

    for (; *text; text++) {
        char key[NAME];

        if (!key_of(*text, key, sizeof key) || keys_press(k, key, 0))
            bad++;
    }
    return bad;
}
