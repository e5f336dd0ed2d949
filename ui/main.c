/* main.c - the program: parse, build, run.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/confine.h"
#include "ui/sdl.h"
#include "ui/signals.h"
#include "ui/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A descriptor 0, 1 or 2 that is closed would be given to an image or a socket, and what is printed would be
 * written there. */
static void fill_standard_descriptors(void)
{
    int fd;

    for (fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_WRONLY : O_RDONLY) != fd)
            _exit(1); /* there is nowhere to say why */
}

/* A window if there is a display to open it on, unless the options say otherwise. */
static int open_display(struct ui *ui)
{
    const struct options *o = &ui->opt;
    const char *kind = o->display;

    if (!kind && o->vm.nographic)
        kind = "none";
    if (!kind && !getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY")) {
        kind = "none";
        if (!o->vm.serial_count && !o->vm.monitor)
            fprintf(stderr, "callgate: there is no display for a window; -nographic puts the serial "
                            "port and the monitor on this terminal\n");
    }
    return kind && !strcmp(kind, "none") ? 0 : sdl_start(ui);
}

static void end_now(void *opaque)
{
    chardev_hurry();
    vm_quit(opaque);
}

/* The exit status. */
static int run(struct ui *ui)
{
    int status;

    if (vm_create(&ui->opt.vm, &ui->vm))
        return 1;
    signals_start(end_now, ui->vm); /* nothing waits for anybody from here on */
    if (monitor_start(ui) || open_display(ui))
        return 1;
    if (confine_paths(ui)) /* before there are threads: it is each thread's own */
        return 1;
    signals_move_handlers();
    if (vm_start(ui->vm) || confine_enter(ui))
        return 1;
    status = vm_run(ui->vm);
    chardev_stdio_restore();
    return status;
}

static void finish(struct ui *ui)
{
    if (ui->vm && ui->vm->ev)
        evloop_stop(ui->vm->ev); /* its thread raises events of the CPU */
    sdl_stop(ui);
    monitor_stop(ui);
    signals_stop();
    vm_destroy(ui->vm);
}

int main(int argc, char **argv)
{
    struct ui ui = { 0 };
    int rc;

    fill_standard_descriptors();
    rc = options_parse(&ui.opt, argc, argv);
    if (rc) {
        options_free(&ui.opt);
        return rc < 0 ? 1 : 0;
    }
    if (ui.opt.log_file) {
        rc = log_open(ui.opt.log_file);
        if (rc) {
            fprintf(stderr, "callgate: cannot write log file '%s': %s\n", ui.opt.log_file, strerror(-rc));
            return 1;
        }
    }
    signals_early();
    rc = 1;
    if (!confine_prepare(&ui.opt)) {
        rc = run(&ui);
        finish(&ui);
    }
    if (ui.opt.log_file && (fflush(log_stream()) || ferror(log_stream())))
        fprintf(stderr, "callgate: log file '%s' is not complete: %s\n", ui.opt.log_file,
                errno ? strerror(errno) : "a write failed");
    options_free(&ui.opt);
    return rc;
}
