/* callout.c - see callout.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/callout.h"

#include <errno.h>
#include <ffi.h>
#include <stdlib.h>

#define ARGS_MAX      6
#define FUNCTIONS_MAX 16

static const struct {
    const char *name, *clobbers, *args, *text;
} table[CALLOUT_COUNT] = {
#define CALLOUT(id, name, clobbers, args, text) { name, #clobbers, args, text },
#include "cpu/callout.def"
#undef CALLOUT
};

struct callouts {
    struct {
        unsigned count;
        ffi_cif cif;
        ffi_type *type[ARGS_MAX + 2];
        void (*function[FUNCTIONS_MAX])(void);
        void *opaque[FUNCTIONS_MAX];
    } event[CALLOUT_COUNT];
};

static int prepare(struct callouts *k, unsigned what)
{
    unsigned n = 0;
    const char *a;

    k->event[what].type[n++] = &ffi_type_pointer;
    for (a = table[what].args; *a; a++)
        k->event[what].type[n++] = *a == 'q' ? &ffi_type_uint64 : &ffi_type_uint32;
    k->event[what].type[n++] = &ffi_type_pointer;
    return ffi_prep_cif(&k->event[what].cif, FFI_DEFAULT_ABI, n, &ffi_type_void, k->event[what].type) == FFI_OK
               ? 0
               : -EINVAL;
}

int callout_register(struct cpu *c, const char *event, void *function, void *opaque)
{
    unsigned what;
    unsigned n;

    for (what = 0; what < CALLOUT_COUNT && strcmp(table[what].name, event); what++)
        ;
    if (what == CALLOUT_COUNT)
        return -EINVAL;
    if (!c->callouts) {
        c->callouts = calloc(1, sizeof *c->callouts);
        if (!c->callouts)
            return -ENOMEM;
    }
    n = c->callouts->event[what].count;
    if (n == FUNCTIONS_MAX)
        return -ENOSPC;
    if (!n && prepare(c->callouts, what))
        return -EINVAL;
    memcpy(&c->callouts->event[what].function[n], &function, sizeof function);
    c->callouts->event[what].opaque[n] = opaque;
    c->callouts->event[what].count++;
    c->callout_mask |= 1u << what;
    return 0;
}

void callout_free(struct cpu *c)
{
    free(c->callouts);
    c->callouts = NULL;
    c->callout_mask = 0;
}

void callout_list(FILE *f)
{
    unsigned n;

    for (n = 0; n < CALLOUT_COUNT; n++)
        fprintf(f, "%-8s %s; may change: %s\n", table[n].name, table[n].text,
                strcmp(table[n].clobbers, "NONE") ? "registers and memory" : "nothing");
}

void callout_call(struct cpu *c, enum callout what, const uint64_t *args)
{
    uint32_t word[ARGS_MAX];
    void *value[ARGS_MAX + 2];
    const char *a = table[what].args;
    unsigned n;
    unsigned k;

    value[0] = &c;
    for (n = 0; a[n]; n++) {
        word[n] = (uint32_t)args[n];
        value[n + 1] = a[n] == 'q' ? (void *)&args[n] : (void *)&word[n];
    }
    for (k = 0; k < c->callouts->event[what].count; k++) {
        value[n + 1] = &c->callouts->event[what].opaque[k];
        ffi_call(&c->callouts->event[what].cif, c->callouts->event[what].function[k], NULL, value);
    }
}
