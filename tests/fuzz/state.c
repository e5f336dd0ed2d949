/* state.c - fuzzes the loader of saved state: a CPU, a clock, RAM, a drive with an overlay and a console load what
 * somebody has made up. Refused, nothing has changed; taken, it can be saved and loaded again, and is the same.
 *
 * Input: a byte; if it is odd the rest is a stream, else pairs of place (three bytes) and byte, by which a good
 * stream is damaged.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/cpu_state.h"
#include "hw/block/block.h"
#include "hw/char/chardev.h"
#include "hw/clock.h"
#include "mmu/memmap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM (256u << 10)

static void broken(const char *what)
{
    fprintf(stderr, "callgate fuzz: %s\n", what);
    abort();
}

/* Made once: each input finds what the one before has left. */
struct machine {
    struct state_object object[6];
    struct clock clock;
    struct state_buf good;
};

static tick_t no_time(void *opaque)
{
    (void)opaque;
    return 0;
}

static struct block *new_drive(void)
{
    char path[64], err[256];
    int fd = memfd_create("image", MFD_CLOEXEC);
    static const uint8_t sector[SECTOR_SIZE] = { 1, 2, 3 };
    struct block *b;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || ftruncate(fd, 300 * SECTOR_SIZE))
        broken("no memory for an image");
    b = block_open(path, BLOCK_SNAPSHOT | BLOCK_RAW, err, sizeof err);
    if (!b || block_write(b, 7, sector, 1) || block_write(b, 299, sector, 1))
        broken("no image");
    return b;
}

static void make(struct machine *m)
{
    char err[200];
    struct cpu *c = cpu_create(cpu_model_find("max"), 0);
    struct memmap *map = memmap_create(RAM, RAM);
    struct chardev *ring = chardev_open(NULL, "ringbuf:100", err, sizeof err);
    struct chardev *mux = ring ? chardev_mux_open(ring) : NULL;

    if (!c || !map || !mux || !chardev_mux_front(mux, "one") || !chardev_mux_front(mux, "two"))
        broken("no memory");
    cpu_reset(c);
    memmap_write(map, 0x5000, "RAM", 3);
    chardev_write(mux, "hello", 5);
    clock_init(&m->clock, no_time, NULL);
    m->object[0] = (struct state_object){ "cpu", &cpu_state, c };
    m->object[1] = (struct state_object){ "clock", &clock_state, &m->clock };
    m->object[2] = (struct state_object){ "ram", &memmap_state, map };
    m->object[3] = (struct state_object){ "drive0", &block_state, new_drive() };
    m->object[4] = (struct state_object){ "console0", &chardev_state, mux };
    m->object[5] = (struct state_object){ "places", &memmap_places_state, map };
    if (state_save_all(m->object, ARRAY_SIZE(m->object), &m->good))
        broken("cannot save");
}

static void same(const struct state_buf *a, const struct state_buf *b, const char *what)
{
    if (a->len == b->len && !memcmp(a->data, b->data, a->len))
        return;
    state_stream_diff(a, b, stderr);
    broken(what);
}

static void try(struct machine *m, const uint8_t *data, size_t size)
{
    const size_t n = ARRAY_SIZE(m->object);
    struct state_buf before = { 0 }, after = { 0 }, again = { 0 };
    struct state_report r;

    state_save_all(m->object, n, &before);
    if (state_load_all(m->object, n, data, size, &r)) {
        if (!r.error[0])
            broken("refused without a reason");
        state_save_all(m->object, n, &after);
        same(&before, &after, "refused, but something has changed");
    } else {
        state_save_all(m->object, n, &after);
        if (state_load_all(m->object, n, after.data, after.len, &r))
            broken(r.error);
        state_save_all(m->object, n, &again);
        same(&after, &again, "what was loaded is another when it is loaded again");
    }
    state_buf_free(&before);
    state_buf_free(&after);
    state_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct machine m;
    uint8_t *copy;
    size_t at;

    if (!m.good.len)
        make(&m);
    if (!size)
        return 0;
    if (*data & 1) {
        try(&m, data + 1, size - 1);
        return 0;
    }
    copy = malloc(m.good.len);
    if (!copy)
        return 0;
    memcpy(copy, m.good.data, m.good.len);
    for (at = 1; at + 4 <= size; at += 4)
        copy[(data[at] | (size_t)data[at + 1] << 8 | (size_t)data[at + 2] << 16) % m.good.len] = data[at + 3];
    try(&m, copy, m.good.len);
    free(copy);
    return 0;
}
