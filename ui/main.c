/* main.c - the program: parse, build, run.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/confine.h"
#include "ui/signals.h"

#include <stdlib.h>

static struct machine machine;

int main(int argc, char **argv)
{
    struct options o;
    int rc = options_parse(&o, argc, argv);

    if (rc) {
        options_free(&o);
        return rc < 0 ? 1 : 0;
    }
    if (o.log_file) {
        rc = log_open(o.log_file);
        if (rc) {
            fprintf(stderr, "callgate: cannot write log file '%s': %s\n", o.log_file,
                    strerror(-rc));
            return 1;
        }
    }
    signals_early();
    if (confine_prepare(&o)) {
        options_free(&o);
        return 1;
    }
    if (machine_create(&machine, &o)) {
        machine_destroy(&machine);
        options_free(&o);
        return 1;
    }
    rc = machine_run(&machine);
    chardev_stdio_restore();
    machine_destroy(&machine);
    options_free(&o);
    return rc;
}
