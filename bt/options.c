/* options.c - what may follow -accel bt.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"

#include <errno.h>
#include <stdlib.h>

/* One truth: name, default, what it is. */
static const struct {
    const char *name;
    size_t at;
    bool on;
} switches[] = {
    { "chain", offsetof(struct bt_options, chain), true },
    { "direct", offsetof(struct bt_options, direct), true },
    { "inline", offsetof(struct bt_options, inline_sys), true },
    { "fpu", offsetof(struct bt_options, native_fpu), true },
    { "verify", offsetof(struct bt_options, verify), false },
    { "icount", offsetof(struct bt_options, icount), false },
    { "stats", offsetof(struct bt_options, stats), false },
    { "perfmap", offsetof(struct bt_options, perfmap), false },
    { "bmi2", offsetof(struct bt_options, bmi2), true },
    { "fsgsbase", offsetof(struct bt_options, fsgsbase), true },
};

static int fail(const char *item, size_t len)
{
    unsigned n;

    fprintf(stderr, "callgate: -accel bt: '%.*s' is unknown; use cache=MIB (4..1024), memory=MIB (32..65536), heat=N",
            (int)len, item);
    for (n = 0; n < ARRAY_SIZE(switches); n++)
        fprintf(stderr, ", %s=on|off", switches[n].name);
    fprintf(stderr, "\n");
    return -EINVAL;
}

static int number(const char *v, const char *end, unsigned min, unsigned max, unsigned *out)
{
    char *stop;
    unsigned long n = strtoul(v, &stop, 10);

    if (stop != end || stop == v || n < min || n > max)
        return -EINVAL;
    *out = (unsigned)n;
    return 0;
}

static int parse_one(struct bt_options *o, const char *item, size_t len)
{
    const char *end = item + len;
    const char *v = memchr(item, '=', len);
    size_t name_len = v ? (size_t)(v - item) : len;
    unsigned n;

    if (!v)
        return fail(item, len);
    v++;
    if (name_len == 5 && !memcmp(item, "cache", 5))
        return number(v, end, 4, 1024, &o->cache_mb) ? fail(item, len) : 0;
    if (name_len == 6 && !memcmp(item, "memory", 6))
        return number(v, end, 32, 65536, &o->memory_mb) ? fail(item, len) : 0;
    if (name_len == 4 && !memcmp(item, "heat", 4))
        return number(v, end, 0, 60000, &o->heat) ? fail(item, len) : 0;
    for (n = 0; n < ARRAY_SIZE(switches); n++) {
        bool *b = (bool *)((char *)o + switches[n].at);

        if (strlen(switches[n].name) != name_len || memcmp(switches[n].name, item, name_len))
            continue;
        if (b == &o->direct)
            o->force_direct = false;
        if (end - v == 2 && !memcmp(v, "on", 2))
            *b = true;
        else if (b == &o->direct && end - v == 5 && !memcmp(v, "force", 5))
            *b = o->force_direct = true;
        else if (end - v == 3 && !memcmp(v, "off", 3))
            *b = false;
        else
            return fail(item, len);
        return 0;
    }
    return fail(item, len);
}

int bt_parse_options(struct bt_options *o, const char *text)
{
    unsigned n;

    o->cache_mb = 32;
    o->memory_mb = 0;
    o->heat = 16;
    o->force_direct = false;
    for (n = 0; n < ARRAY_SIZE(switches); n++)
        *(bool *)((char *)o + switches[n].at) = switches[n].on;
    while (text && *text) {
        size_t len = strcspn(text, ",");
        int rc = parse_one(o, text, len);

        if (rc)
            return rc;
        text += len + (text[len] == ',');
    }
    return 0;
}
