/* chardev_state.c - what of a byte stream is the machine's: input that the guest has not taken yet, output that the
 * host has not taken yet, and where a multiplexer's keys go. Who is connected is the host's.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/char/chardev_int.h"

#include <stdlib.h>

static struct chardev *bottom(const void *obj) { return (struct chardev *)(uintptr_t)chardev_bottom(obj); }

/* --- input --- */

static void save_input(const void *obj, struct state_buf *out)
{
    const struct chardev *c = bottom(obj);
    state_buf_put(out, c->pending, c->pending_len);
}

static const char *check_input(const void *obj, const uint8_t *data, size_t len)
{
    (void)obj, (void)data;
    return len <= CHARDEV_PENDING ? NULL : "more input waits than can";
}

static void load_input(void *obj, const uint8_t *data, size_t len)
{
    struct chardev *c = bottom(obj);
    c->pending_len = 0;
    if (!len || (!c->pending && !(c->pending = malloc(CHARDEV_PENDING))))
        return;
    memcpy(c->pending, data, len);
    c->pending_len = len;
}

/* --- output --- */

static void save_output(const void *obj, struct state_buf *out)
{
    const struct chardev *c = bottom(obj);
    if (c->ops->unsent)
        c->ops->unsent(c, out);
}

static const char *check_output(const void *obj, const uint8_t *data, size_t len)
{
    (void)obj, (void)data, (void)len; /* what is too much is lost, as ever */
    return NULL;
}

static void load_output(void *obj, const uint8_t *data, size_t len)
{
    struct chardev *c = bottom(obj);
    if (c->ops->forget)
        c->ops->forget(c);
    chardev_write(c, data, len);
}

static const struct state_blob input_blob = { save_input, check_input, load_input };
static const struct state_blob output_blob = { save_output, check_output, load_output };
static const struct state_field chardev_fields[] = { FIELD_BLOB("input", &input_blob),
                                                     FIELD_BLOB("output", &output_blob),
                                                     FIELD_BLOB("mux", &chardev_mux_blob), FIELD_END };
const struct state_desc chardev_state = {
    .name = "chardev", .version = 1, .fields = chardev_fields, .flags = STATE_SKIPPABLE
};
