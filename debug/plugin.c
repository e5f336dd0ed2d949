/* plugin.c - loading plug-ins and what they may ask.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "debug/plugin.h"

#include "cpu/callout.h"
#include "cpu/cpu_state.h"
#include "debug/callgate-plugin.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static struct cpu *cpu_of(struct callgate_guest *g) { return (struct cpu *)g; }

static int on(struct callgate_guest *g, const char *event, void *function, void *opaque)
{
    return callout_register(cpu_of(g), event, function, opaque);
}

static uint32_t get(struct callgate_guest *g, unsigned reg)
{
    const struct state_field *f = cpu_state_plugin(reg);

    return f ? (uint32_t)state_get(f, cpu_of(g), 0) : 0;
}

static int set(struct callgate_guest *g, unsigned reg, uint32_t value)
{
    if (reg > 7)
        return -EINVAL;
    state_set(cpu_state_plugin(reg), cpu_of(g), 0, value);
    return 0;
}

static size_t copy(struct callgate_guest *g, uint32_t la, uint8_t *to, const uint8_t *from, size_t bytes)
{
    struct cpu *c = cpu_of(g);
    size_t done = 0;

    while (done < bytes) {
        size_t n = PAGE_SIZE - (la & ~PAGE_MASK);
        gpa_t pa;

        n = n < bytes - done ? n : bytes - done;
        if (!c->mem->debug_translate(c, la, &pa))
            break;
        if (to)
            c->mem->phys_read(c, pa, to + done, n);
        else
            c->mem->phys_write(c, pa, from + done, n);
        done += n;
        la += (uint32_t)n;
    }
    return done;
}

static size_t read_memory(struct callgate_guest *g, uint32_t la, void *to, size_t bytes)
{
    return copy(g, la, to, NULL, bytes);
}

static size_t write_memory(struct callgate_guest *g, uint32_t la, const void *from, size_t bytes)
{
    return copy(g, la, NULL, from, bytes);
}

static uint64_t instructions(struct callgate_guest *g) { return cpu_icount(cpu_of(g)); }

static const struct callgate_plugin_api api = {
    .version = CALLGATE_PLUGIN_VERSION,
    .on = on,
    .get = get,
    .set = set,
    .read = read_memory,
    .write = write_memory,
    .instructions = instructions,
};

int plugin_load(struct cpu *c, const char *spec)
{
    size_t len = strcspn(spec, ",");
    char path[4096];
    struct stat st;
    void *lib;
    int (*init)(const struct callgate_plugin_api *, struct callgate_guest *, const char *);
    void *sym;
    int rc;

    if (len >= sizeof path - 2) {
        fprintf(stderr, "callgate: -plugin: the file's name is too long\n");
        return -EINVAL;
    }
    /* a name without a slash is a file here, not in the library path */
    snprintf(path, sizeof path, "%s%.*s", memchr(spec, '/', len) ? "" : "./", (int)len, spec);
    /* look first: opening a FIFO would wait */
    rc = stat(path, &st);
    if (rc || !S_ISREG(st.st_mode)) {
        fprintf(stderr, "callgate: -plugin %s: %s\n", path, rc ? strerror(errno) : "not a regular file");
        return -EINVAL;
    }
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        fprintf(stderr, "callgate: -plugin %s\n", dlerror());
        return -EINVAL;
    }
    sym = dlsym(lib, "callgate_plugin");
    if (!sym) {
        fprintf(stderr, "callgate: -plugin %s: it has no function callgate_plugin\n", path);
        return -EINVAL;
    }
    memcpy(&init, &sym, sizeof sym);
    rc = init(&api, (struct callgate_guest *)c, spec[len] ? spec + len + 1 : "");
    if (rc)
        fprintf(stderr, "callgate: -plugin %s: it refuses to start (%d)\n", path, rc);
    return rc ? -EINVAL : 0;
}
