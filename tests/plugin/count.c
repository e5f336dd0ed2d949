/* count.c - a plug-in for the tests: counts events, and prints the counts at the end to the file named
 * by its argument. COUNT_WHAT: the events, by initial.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "debug/callgate-plugin.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned long insns, blocks, block_insns, reads, writes, ins, outs, events, bytes;
static uint64_t sum;
static FILE *out;

static void on_insn(struct callgate_guest *g, uint32_t eip, uint32_t len, void *opaque)
{
    (void)g;
    (void)opaque;
    insns++;
    bytes += len;
    sum = sum * 31 + eip;
}

static void on_block(struct callgate_guest *g, uint32_t eip, uint32_t count, void *opaque)
{
    (void)g;
    (void)eip;
    (void)opaque;
    blocks++;
    block_insns += count;
}

static void on_memory(struct callgate_guest *g, uint32_t la, uint32_t size, uint64_t value, uint32_t write,
                      void *opaque)
{
    (void)g;
    (void)opaque;
    *(write ? &writes : &reads) += 1;
    if (write)
        sum = sum * 31 + la + size + value;
}

static void on_port(struct callgate_guest *g, uint32_t port, uint32_t size, uint32_t value, uint32_t write,
                    void *opaque)
{
    (void)g;
    (void)opaque;
    *(write ? &outs : &ins) += 1;
    if (write)
        sum = sum * 31 + port + size + value;
}

static void on_event(struct callgate_guest *g, uint32_t vector, uint32_t error, uint32_t eip, void *opaque)
{
    (void)g;
    (void)error;
    (void)eip;
    (void)opaque;
    events += vector + 1;
}

static void report(void)
{
    fprintf(out, "insns %lu bytes %lu blocks %lu %lu reads %lu writes %lu ins %lu outs %lu events %lu sum %llx\n",
            insns, bytes, blocks, block_insns, reads, writes, ins, outs, events, (unsigned long long)sum);
    fclose(out);
}

int callgate_plugin(const struct callgate_plugin_api *api, struct callgate_guest *g, const char *args)
{
    const char *what;

    if (api->version != CALLGATE_PLUGIN_VERSION)
        return -1;
    what = getenv("COUNT_WHAT") ? getenv("COUNT_WHAT") : "imbpe";
    out = fopen(args, "w"); /* now: the sandbox may not let us later */
    if (!out)
        return -1;
    for (; *what; what++) {
        int rc = *what == 'i'   ? api->on(g, "insn", (void *)on_insn, NULL)
                 : *what == 'b' ? api->on(g, "block", (void *)on_block, NULL)
                 : *what == 'm' ? api->on(g, "memory", (void *)on_memory, NULL)
                 : *what == 'p' ? api->on(g, "port", (void *)on_port, NULL)
                                : api->on(g, "event", (void *)on_event, NULL);
        if (rc)
            return rc;
    }
    if (!api->on(g, "no such event", (void *)on_insn, NULL))
        return -1;
    return atexit(report);
}
