/* hostfile.c - opens, makes and removes the host's files while the machine runs. See hostfile.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_TMPFILE
#define O_TMPFILE 0
#endif

int (*hostfile_via)(enum hostfile kind, const char *path);

static int or_errno(int rc) { return rc < 0 ? -errno : rc; }

static int open_image(const char *path, int how)
{
    struct stat st;

    /* Look first: opening a FIFO or a terminal may block or have effects. */
    if (stat(path, &st))
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return -EINVAL;
    return or_errno(open(path, how | O_CLOEXEC));
}

const char *hostfile_temp_dir(void)
{
    const char *dir = getenv("TMPDIR");

    return dir && *dir ? dir : "/var/tmp";
}

int hostfile_temp(const char *dir)
{
    char name[HOSTFILE_PATH_MAX];
    int fd = -1;

    if (O_TMPFILE)
        fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd < 0 && snprintf(name, sizeof name, "%s/callgate-XXXXXX", dir) < (int)sizeof name) {
        fd = mkostemp(name, O_CLOEXEC);
        if (fd >= 0)
            unlink(name);
    }
    if (fd < 0)
        fd = memfd_create("callgate-snapshot", MFD_CLOEXEC);
    return or_errno(fd);
}

int hostfile_open_here(enum hostfile kind, const char *path)
{
    switch (kind) {
    case HOSTFILE_READ: return open_image(path, O_RDONLY);
    case HOSTFILE_WRITE: return open_image(path, O_RDWR);
    case HOSTFILE_CREATE: return or_errno(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    case HOSTFILE_TEMP: return hostfile_temp(hostfile_temp_dir());
    case HOSTFILE_REMOVE: return or_errno(unlink(path));
    default: return -EINVAL;
    }
}

int hostfile_open(enum hostfile kind, const char *path)
{
    return hostfile_via ? hostfile_via(kind, path) : hostfile_open_here(kind, path);
}

const char *hostfile_error(int rc)
{
    return rc == HOSTFILE_REFUSED ? "the sandbox does not allow it; name its directory with "
                                    "-sandbox on,dirs=DIR"
                                  : strerror(-rc);
}
