/* two.c - two machines in one process, with nothing of it but vm/callgate.h: each on a thread of its own runs the
 * demo, types at its prompt and must say the very same as the other, and as one that runs alone. Prints one line a
 * test.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/callgate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 400     /* looks at the screen, */
#define STEP  100000u /* instructions apart */

struct run {
    const char *image;
    const struct engine_class *engine; /* NULL: the default */
    const char *options;
    char said[STEPS * 256];
    size_t length;
    uint64_t instructions;
    int status; /* -1: it did not come to its end */
};

/* "x" is a key that is pressed and let go at look number `at`. */
static const struct {
    unsigned at;
    const char *key;
} typing[] = {
    { 200, "h" }, { 202, "e" }, { 204, "l" },   { 206, "p" }, { 208, "ret" }, { 230, "c" },
    { 232, "p" }, { 234, "u" }, { 236, "ret" }, { 260, "p" }, { 262, "o" },   { 264, "w" },
    { 266, "e" }, { 268, "r" }, { 270, "o" },   { 272, "f" }, { 274, "f" },   { 276, "ret" },
};

static void type(struct vm *vm, unsigned at)
{
    size_t n;

    for (n = 0; n < sizeof typing / sizeof typing[0]; n++) {
        if (typing[n].at == at)
            vm_key(vm, typing[n].key, true);
        if (typing[n].at + 1 == at)
            vm_key(vm, typing[n].key, false);
    }
}

static void *run(void *arg)
{
    struct run *r = arg;
    struct vm_config cfg;
    struct vm *vm = NULL;
    unsigned n;

    r->status = -1;
    vm_config_init(&cfg);
    cfg.ram_size = 16 << 20;
    if (r->engine)
        cfg.engine = r->engine;
    cfg.engine_options = r->options;
    cfg.icount_shift = 3;
    cfg.drive[VM_FLOPPY0] = (struct vm_drive){ .file = r->image, .present = true, .snapshot = true };
    cfg.serial[0] = "ringbuf:65536";
    if (!vm_create(&cfg, &vm) && !vm_start(vm)) {
        for (n = 0; n < STEPS && r->status < 0; n++) {
            r->status = vm_run_to(vm, n * (uint64_t)STEP);
            type(vm, n);
            r->length += vm_serial_read(vm, 0, r->said + r->length, 256);
        }
        r->instructions = vm_instructions(vm);
    }
    vm_destroy(vm);
    return NULL;
}

static int bad;

/* Who asked for the end gets it, whatever is asked for after it. */
static int end_and_reset(const char *image)
{
    struct vm_config cfg;
    struct vm *vm = NULL;
    int status = -1;

    vm_config_init(&cfg);
    cfg.ram_size = 16 << 20;
    cfg.icount_shift = 3;
    cfg.drive[VM_FLOPPY0] = (struct vm_drive){ .file = image, .present = true, .snapshot = true };
    if (!vm_create(&cfg, &vm) && !vm_start(vm)) {
        vm_quit(vm);
        vm_reset(vm);
        status = vm_run_to(vm, STEP);
    }
    vm_destroy(vm);
    return status;
}

static void say(bool ok, const char *what, const struct run *r)
{
    printf("%s - two: %s\n", ok ? "ok" : "FAIL", what);
    if (!ok) {
        printf("status %d, %llu instructions, %zu bytes:\n%.*s\n", r->status, (unsigned long long)r->instructions,
               r->length, (int)r->length, r->said);
        bad = 1;
    }
}

static bool same(const struct run *a, const struct run *b)
{
    return a->status == b->status && a->instructions == b->instructions && a->length == b->length &&
           !memcmp(a->said, b->said, a->length);
}

int main(int argc, char **argv)
{
    static struct run alone, one, two, other;
    pthread_t t[3];

    if (argc != 2) {
        fprintf(stderr, "usage: two DEMO-IMAGE\n");
        return 2;
    }
    alone.image = one.image = two.image = other.image = argv[1];
    other.engine = vm_engine("interp");
    other.status = end_and_reset(argv[1]);
    say(other.status == 0, "a reset does not undo the end", &other);
    run(&alone);
    say(alone.status == 0 && alone.length > 200 && alone.length < sizeof alone.said, "one comes to its end", &alone);
    if (pthread_create(&t[0], NULL, run, &one) || pthread_create(&t[1], NULL, run, &two) ||
        pthread_create(&t[2], NULL, run, &other))
        return 2;
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    pthread_join(t[2], NULL);
    say(same(&alone, &one), "the first beside others is as alone", &one);
    say(same(&alone, &two), "and the second", &two);
    say(same(&alone, &other), "and one with the interpreter", &other);
    return bad;
}
