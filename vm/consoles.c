/* consoles.c - serial ports, debug consoles and the monitor's line, as the configuration names them.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/vm.h"

#include <errno.h>

static void quit(void *opaque) { vm_quit(opaque); }

static struct chardev *open_chardev(struct vm *m, const char *spec)
{
    char err[256];
    struct chardev *c;

    if (!strcmp(spec, "stdio") && m->stdio_mux)
        return chardev_mux_front(m->stdio_mux, "serial");
    c = chardev_open(m->ev, spec, err, sizeof err);
    if (!c)
        fprintf(stderr, "callgate: %s\n", err);
    else if (m->chardev_count < ARRAY_SIZE(m->chardev))
        m->chardev[m->chardev_count++] = c;
    return c;
}

/* The terminal, shared with Ctrl-A keys. */
static struct chardev *open_mux(struct vm *m)
{
    char err[256];
    struct chardev *back;

    if (m->stdio_mux)
        return m->stdio_mux;
    back = chardev_open(m->ev, "stdio", err, sizeof err);
    if (!back) {
        fprintf(stderr, "callgate: %s\n", err);
        return NULL;
    }
    m->stdio_mux = chardev_is_mux(back) ? back : chardev_mux_open(back);
    chardev_mux_on_quit(m->stdio_mux, quit, m);
    return m->stdio_mux;
}

/* Serial ports and the monitor, by -serial, -monitor and -nographic. */
int vm_open_consoles(struct vm *m, struct pc_config *cfg)
{
    const struct vm_config *o = &m->cfg;
    const char *serial[4] = { o->serial[0], o->serial[1], o->serial[2], o->serial[3] };
    const char *monitor = o->monitor;
    unsigned n;

    if (o->nographic && !serial[0])
        serial[0] = "mon:stdio";
    for (n = 0; n < 4; n++) {
        if (!serial[n] || !strcmp(serial[n], "none"))
            continue;
        if (!strcmp(serial[n], "mon:stdio")) {
            if (!open_mux(m))
                return -EINVAL;
            cfg->serial[n] = chardev_mux_front(m->stdio_mux, "serial");
            if (!monitor) {
                m->monitor_chr = chardev_mux_front(m->stdio_mux, "monitor");
                m->monitor_shared = true;
            }
        } else {
            cfg->serial[n] = open_chardev(m, serial[n]);
        }
        if (!cfg->serial[n])
            return -EINVAL;
    }
    if (!serial[0])
        cfg->serial[0] = open_chardev(m, "null");
    if (monitor && strcmp(monitor, "none")) {
        m->monitor_chr = open_chardev(m, monitor);
        if (!m->monitor_chr)
            return -EINVAL;
    }
    if (o->debugcon) {
        cfg->debugcon_e9 = open_chardev(m, o->debugcon);
        if (!cfg->debugcon_e9)
            return -EINVAL;
    }
    if (o->bios_log) {
        cfg->debugcon_402 = open_chardev(m, o->bios_log);
        if (!cfg->debugcon_402)
            return -EINVAL;
    }
    memcpy(m->serial, cfg->serial, sizeof m->serial);
    return 0;
}
