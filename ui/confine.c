/* confine.c - what the options and the machine mean for the sandbox. See confine.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/confine.h"

#include "hw/hostfile.h"
#include "ui/landlock.h"
#include "ui/opener.h"
#include "ui/sandbox.h"
#include "ui/sdl.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* The one process that may be there to open files. */
static int opener_fd = -1;
static int opener_error; /* why there is none, -errno */
static bool narrowed;    /* dirs= was given */
static int landlock;     /* version in effect; 0: none */
static bool filtered;    /* system calls are */

/* The specs of all character devices, NULL where there is none. */
#define SPECS 7
static void all_specs(const struct options *o, const char *spec[SPECS])
{
    unsigned n;

    for (n = 0; n < 4; n++)
        spec[n] = o->vm.serial[n];
    spec[4] = o->vm.monitor;
    spec[5] = o->vm.debugcon;
    spec[6] = o->vm.bios_log;
}

static bool serves(const char *spec)
{
    return spec && (!strncmp(spec, "unix:", 5) || !strncmp(spec, "tcp:", 4)) && strstr(spec, ",server");
}

static bool has_monitor(const struct options *o)
{
    unsigned n;

    if (o->vm.monitor)
        return strcmp(o->vm.monitor, "none");
    for (n = 0; n < 4; n++)
        if (o->vm.serial[n] && !strcmp(o->vm.serial[n], "mon:stdio"))
            return true;
    return o->vm.nographic && !o->vm.serial[0];
}

static int bad_dir(const char *dir, int rc)
{
    fprintf(stderr, "callgate: -sandbox dirs=%s: %s; %s\n", dir, rc == -ENOSPC ? "too many directories" : strerror(-rc),
            rc == -ENOSPC ? "name one above them" : "name directories that exist");
    return rc;
}

static int add_dirs(struct opener_rules *r, const char *dirs)
{
    char *copy = strdup(dirs);
    char *save = NULL;
    char *dir;
    int rc = copy ? 0 : -ENOMEM;

    for (dir = copy ? strtok_r(copy, ":", &save) : NULL; dir && !rc; dir = strtok_r(NULL, ":", &save)) {
        rc = opener_rules_add_dir(r, dir);
        if (rc)
            bad_dir(dir, rc);
    }
    free(copy);
    return rc;
}

/* The sockets whose names will be removed. One that cannot be named yet fails to open later, and
 * is complained about there. */
static void add_sockets(struct opener_rules *r, const struct options *o)
{
    const char *spec[SPECS];
    unsigned n;

    all_specs(o, spec);
    for (n = 0; n < SPECS; n++) {
        char path[HOSTFILE_PATH_MAX];

        if (!serves(spec[n]) || strncmp(spec[n], "unix:", 5))
            continue;
        snprintf(path, sizeof path, "%.*s", (int)strcspn(spec[n] + 5, ","), spec[n] + 5);
        opener_rules_add_socket(r, path);
    }
}

/* Images of the command line may be put in again. One that is not there is complained about later. */
static void add_images(struct opener_rules *r, const struct options *o)
{
    unsigned n;

    for (n = 0; n < VM_DRIVES; n++) {
        const struct vm_drive *d = &o->vm.drive[n];

        if (d->present && d->file && *d->file)
            opener_rules_add_image(r, d->file, !d->readonly && !d->cdrom && !d->snapshot && !o->vm.snapshot);
    }
}

int confine_prepare(const struct options *o)
{
    struct opener_rules r = { 0 };
    int rc = 0;

    if (!o->sandbox)
        return 0;
    narrowed = o->sandbox_dirs != NULL;
    if (narrowed)
        rc = add_dirs(&r, o->sandbox_dirs);
    if (!rc) {
        add_sockets(&r, o);
        if (has_monitor(o)) {
            r.anywhere = !narrowed;
            r.temp = strdup(hostfile_temp_dir());
            add_images(&r, o);
        }
        if (has_monitor(o) || r.socket_count) {
            opener_fd = opener_start(&r);
            if (opener_fd < 0)
                opener_error = opener_fd;
        }
    }
    opener_rules_free(&r);
    return rc;
}

/* Not fatal: without it the monitor opens nothing. Said when all else has gone well. */
static void say_no_opener(void)
{
    if (opener_error)
        fprintf(stderr,
                "callgate: cannot start the process that opens files for the monitor: %s; it will open none "
                "(raise ulimit -n and -u, or use -sandbox off)\n",
                strerror(-opener_error));
}

static int cannot(const struct ui *ui, int rc)
{
    fprintf(stderr, "callgate: cannot enter the sandbox: %s; %s\n", strerror(-rc),
            ui->opt.sandbox_asked ? "-sandbox off runs without" : "running without");
    return ui->opt.sandbox_asked ? rc : 0;
}

int confine_paths(struct ui *ui)
{
    int rc;

    if (!ui->opt.sandbox)
        return 0;
    /* a time zone that is named is not looked for again in /etc */
    setenv("TZ", ":/etc/localtime", 0);
    tzset();
    rc = sandbox_close_paths();
    if (rc < 0)
        return cannot(ui, rc);
    landlock = rc;
    if (!landlock && ui->opt.sandbox_asked)
        fprintf(stderr, "callgate: this kernel has no Landlock (since Linux 5.13, if it is switched on); "
                        "system calls alone are filtered\n");
    hostfile_via = opener_ask;
    return 0;
}

int confine_enter(struct ui *ui)
{
    struct sandbox_needs needs = { .opener = opener_fd >= 0, .opener_fd = opener_fd };
    const char *spec[SPECS];
    unsigned n;
    int rc;

    if (!ui->opt.sandbox)
        return 0;
    all_specs(&ui->opt, spec);
    for (n = 0; n < SPECS; n++)
        needs.accept |= serves(spec[n]);
    sdl_needs(ui, &needs);
    rc = sandbox_enter(&needs);
    if (rc)
        return cannot(ui, rc);
    filtered = true;
    say_no_opener();
    hostfile_via = opener_ask;
    return 0;
}

void confine_info(const struct ui *ui, FILE *out)
{
    if (!ui->opt.sandbox) {
        fprintf(out, "sandbox: off\n");
        return;
    }
    fprintf(out, "system calls: %s\n", filtered ? "filtered" : "not filtered");
    if (landlock)
        fprintf(out, "Landlock: version %d: no paths%s%s\n", landlock, landlock >= 4 ? ", no TCP" : "",
                landlock >= 6 ? ", no signals or abstract sockets outside" : "");
    else
        fprintf(out, "Landlock: the kernel has none\n");
    fprintf(out, "files: %s\n",
            opener_fd < 0 ? "none can be opened"
            : narrowed    ? "opened for the monitor in dirs="
                          : "opened for the monitor, but not hidden ones");
}
