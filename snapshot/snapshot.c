/* snapshot.c - the list of what makes up a machine, and the stream's head. See snapshot.h.
 *
 * The order of the list matters: the clock may follow the CPU's instruction count, and timers the clock.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "snapshot/snapshot.h"

#include "cpu/cpu_state.h"

#include <errno.h>
#include <stdlib.h>

static const char magic[8] = "CALLGATE";
#define FORMAT   1u
#define HEAD     (sizeof magic + 4)
#define OBJECTS  96u
#define DRIVES   8u
#define CONSOLES 16u

/* What must be alike, and is no object's state. */
struct identity {
    char model[32];
};

static const struct state_field identity_fields[] = {
    { .name = "CPU model",
      .type = STATE_BYTES,
      .size = sizeof(((struct identity *)0)->model),
      .count = 1,
      .flags = STATE_MATCH },
    FIELD_END,
};
static const struct state_desc identity_state = { .name = "identity", .version = 1, .fields = identity_fields };

struct list {
    struct identity identity;
    struct state_object object[OBJECTS];
    char names[DRIVES + CONSOLES][24];
    size_t n, names_used;
};

static void add(struct list *l, const char *name, const struct state_desc *d, void *obj)
{
    BUG_ON(l->n == OBJECTS);
    l->object[l->n++] = (struct state_object){ name, d, obj };
}

static void add_numbered(struct list *l, const char *what, unsigned n, const struct state_desc *d, void *obj)
{
    char *name = l->names[l->names_used++];

    snprintf(name, sizeof l->names[0], "%s%u", what, n);
    add(l, name, d, obj);
}

static void make_list(struct list *l, const struct snapshot_parts *m)
{
    unsigned n;

    BUG_ON(m->drives > DRIVES || m->consoles > CONSOLES);
    memset(l, 0, sizeof *l);
    snprintf(l->identity.model, sizeof l->identity.model, "%s", m->engine->cpu->model->name);
    add(l, "machine", &identity_state, &l->identity);
    add(l, "cpu", &cpu_state, m->engine->cpu);
    add(l, "clock", &clock_state, m->clock);
    add(l, "ram", &memmap_state, m->map);
    l->n += bus_state_objects(m->bus, l->object + l->n, OBJECTS - l->n);
    BUG_ON(l->n > OBJECTS);
    for (n = 0; n < m->drives; n++)
        if (m->drive[n])
            add_numbered(l, "drive", n, &block_state, m->drive[n]);
    for (n = 0; n < m->consoles; n++)
        if (m->console[n])
            add_numbered(l, "console", n, &chardev_state, m->console[n]);
}

int snapshot_save(const struct snapshot_parts *m, struct state_buf *out)
{
    struct list l;

    engine_sync(m->engine);
    make_list(&l, m);
    state_buf_put(out, magic, sizeof magic);
    state_buf_put32(out, FORMAT);
    return state_save_all(l.object, l.n, out);
}

static int refuse(struct state_report *r, const char *why)
{
    *r = (struct state_report){ 0 };
    snprintf(r->error, sizeof r->error, "%s", why);
    return -EINVAL;
}

int snapshot_load(const struct snapshot_parts *m, const uint8_t *data, size_t len, struct state_report *r)
{
    struct list l;
    int rc;

    if (len < HEAD || memcmp(data, magic, sizeof magic))
        return refuse(r, "this is no saved machine");
    if (load32(data + sizeof magic) != FORMAT)
        return refuse(r, "this machine was saved in another format, by a later version");
    engine_sync(m->engine); /* nothing of what was is to come back later */
    make_list(&l, m);
    rc = state_load_all(l.object, l.n, data + HEAD, len - HEAD, r);
    if (!rc)
        engine_state_changed(m->engine);
    return rc;
}

int snapshot_write(const struct snapshot_parts *m, FILE *f)
{
    struct state_buf b = { 0 };
    int rc = snapshot_save(m, &b);

    errno = 0;
    if (!rc && (fwrite(b.data, 1, b.len, f) != b.len || fflush(f)))
        rc = errno ? -errno : -EIO;
    state_buf_free(&b);
    return rc;
}

int snapshot_read(const struct snapshot_parts *m, FILE *f, struct state_report *r)
{
    struct state_buf b = { 0 };
    uint8_t *some = malloc(1 << 16);
    size_t n;
    int rc = 0;

    *r = (struct state_report){ 0 };
    if (!some)
        return -ENOMEM;
    errno = 0;
    while ((n = fread(some, 1, 1 << 16, f)) > 0)
        state_buf_put(&b, some, n);
    if (ferror(f))
        rc = errno ? -errno : -EIO;
    else if (b.failed)
        rc = -ENOMEM;
    free(some);
    if (!rc)
        rc = snapshot_load(m, b.data, b.len, r);
    state_buf_free(&b);
    return rc;
}
