/* main.c - the program: parse, build, run.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/confine.h"
#include "ui/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static struct machine machine;

/* A descriptor 0, 1 or 2 that is closed would be given to an image or a socket, and what is printed would be
 * written there. */
static void fill_standard_descriptors(void)
{
    int fd;

    for (fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) != fd)
            _exit(1); /* there is nowhere to say why */
}

int main(int argc, char **argv)
{
    struct options o;
    int rc;

    fill_standard_descriptors();
    rc = options_parse(&o, argc, argv);

    if (rc) {
        options_free(&o);
        return rc < 0 ? 1 : 0;
    }
    if (o.log_file) {
        rc = log_open(o.log_file);
        if (rc) {
            fprintf(stderr, "callgate: cannot write log file '%s': %s\n", o.log_file, strerror(-rc));
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
    if (o.log_file && (fflush(log_stream()) || ferror(log_stream())))
        fprintf(stderr, "callgate: log file '%s' is not complete: %s\n", o.log_file,
                errno ? strerror(errno) : "a write failed");
    options_free(&o);
    return rc;
}
