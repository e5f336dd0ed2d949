/* callgate-plugin.h - what a plug-in (-plugin file.so[,ARGUMENTS]) sees of Callgate.
 *
 * The plug-in exports callgate_plugin(), which registers functions for events; `callgate -plugin help`
 * lists these. A function gets the guest first, then the event's arguments (uint32_t, but for the
 * value of a memory access: uint64_t), then the pointer given when it was registered:
 *     void on_insn(struct callgate_guest *, uint32_t eip, uint32_t bytes, void *);
 *     void on_memory(struct callgate_guest *, uint32_t la, uint32_t size, uint64_t value,
 *                    uint32_t write, void *);
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CALLGATE_PLUGIN_H
#define CALLGATE_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define CALLGATE_PLUGIN_VERSION 1

struct callgate_guest;

enum callgate_register { /* EAX..EDI are 0..7 */
                         CALLGATE_EIP = 8,
                         CALLGATE_EFLAGS,
                         CALLGATE_ES,
                         CALLGATE_CS,
                         CALLGATE_SS,
                         CALLGATE_DS,
                         CALLGATE_FS,
                         CALLGATE_GS,
                         CALLGATE_CR0,
                         CALLGATE_CR2,
                         CALLGATE_CR3,
                         CALLGATE_CR4,
                         CALLGATE_CPL,
};

struct callgate_plugin_api {
    unsigned version;
    /* Call `function` at an event, with `opaque` as its last argument. 0 or a negative errno value. */
    int (*on)(struct callgate_guest *g, const char *event, void *function, void *opaque);
    uint32_t (*get)(struct callgate_guest *g, unsigned reg);
    /* General registers only, and only from "insn" and "block" functions. -EINVAL for others. */
    int (*set)(struct callgate_guest *g, unsigned reg, uint32_t value);
    /* Linear memory as the kernel sees it; bytes done, up to the first page that is not there. */
    size_t (*read)(struct callgate_guest *g, uint32_t la, void *to, size_t bytes);
    size_t (*write)(struct callgate_guest *g, uint32_t la, const void *from, size_t bytes);
    uint64_t (*instructions)(struct callgate_guest *g);
};

/* Exported by the plug-in. `args`: what followed the file's name, or "". Not 0: Callgate ends. */
int callgate_plugin(const struct callgate_plugin_api *api, struct callgate_guest *g, const char *args);

#endif
