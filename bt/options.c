/* options.c - what may follow -accel bt.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
#include "cpu/suboptions.h"

/* One truth: name, where it goes, default; numbers have a range, and switches none. */
static const struct {
    const char *name;
    size_t at;
    unsigned min, max;
    unsigned value;
} options[] = {
    { "cache", offsetof(struct bt_options, cache_mb), 4, 1024, 32 },
    { "memory", offsetof(struct bt_options, memory_mb), 32, 65536, 0 }, /* 0: by the guest's RAM */
    { "heat", offsetof(struct bt_options, heat), 0, 60000, 16 },
    { "chain", offsetof(struct bt_options, chain), 0, 0, true },
    { "direct", offsetof(struct bt_options, direct), 0, 0, true },
    { "inline", offsetof(struct bt_options, inline_sys), 0, 0, true },
    { "fpu", offsetof(struct bt_options, native_fpu), 0, 0, true },
    { "verify", offsetof(struct bt_options, verify), 0, 0, false },
    { "icount", offsetof(struct bt_options, icount), 0, 0, false },
    { "stats", offsetof(struct bt_options, stats), 0, 0, false },
    { "perfmap", offsetof(struct bt_options, perfmap), 0, 0, false },
    { "bmi2", offsetof(struct bt_options, bmi2), 0, 0, true },
    { "fsgsbase", offsetof(struct bt_options, fsgsbase), 0, 0, true },
};

static int set(struct bt_options *o, unsigned k, const char *value)
{
    char *at = (char *)o + options[k].at;
    uint64_t n;
    int rc;

    if (options[k].max) {
        rc = suboption_number("accel bt", options[k].name, value, options[k].min, options[k].max, &n);
        if (!rc)
            *(unsigned *)at = (unsigned)n;
        return rc;
    }
    if (at == (char *)&o->direct) {
        o->force_direct = !strcmp(value, "force"); /* every address space has earned its windows: for tests */
        if (o->force_direct)
            value = "on";
    }
    return suboption_switch("accel bt", options[k].name, value, (bool *)at);
}

int bt_parse_options(struct bt_options *o, const char *text)
{
    const char *known[ARRAY_SIZE(options) + 2] = { "" };
    struct suboption s;
    unsigned k;
    int rc;

    o->force_direct = false;
    for (k = 0; k < ARRAY_SIZE(options); k++) {
        char *at = (char *)o + options[k].at;

        known[k + 1] = options[k].name;
        if (options[k].max)
            *(unsigned *)at = options[k].value;
        else
            *(bool *)at = options[k].value;
    }
    rc = text && *text ? suboptions_check("accel bt", text, known) : 0;
    while (!rc && suboption_next(&text, known, &s)) {
        for (k = 0; strcmp(s.name, options[k].name); k++)
            ;
        rc = set(o, k, s.value);
    }
    return rc;
}
