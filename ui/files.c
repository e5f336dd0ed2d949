/* files.c - reading whole files, and finding the firmware.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *complain(int fd, const char *path, const char *what, const char *why)
{
    fprintf(stderr, "callgate: cannot read %s '%s': %s\n", what, path, why);
    if (fd >= 0)
        close(fd);
    return NULL;
}

void *file_read(const char *path, const char *what, size_t *size)
{
    enum { PAGE = 4096 };
    const size_t limit = (size_t)2 << 30;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    size_t room;
    size_t got = 0;
    char *buf;

    if (fd < 0)
        return complain(fd, path, what, strerror(errno));
    if (fstat(fd, &st) < 0)
        return complain(fd, path, what, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return complain(fd, path, what, "not a regular file");
    if (st.st_size == 0)
        return complain(fd, path, what, "the file is empty");
    if ((size_t)st.st_size > limit)
        return complain(fd, path, what, "larger than 2 GiB");
    room = ((size_t)st.st_size + PAGE - 1) & ~(size_t)(PAGE - 1);
    buf = aligned_alloc(PAGE, room);
    if (!buf)
        return complain(fd, path, what, strerror(ENOMEM));
    memset(buf, 0, room);
    while (got < (size_t)st.st_size) {
        ssize_t n = read(fd, buf + got, (size_t)st.st_size - got);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            free(buf);
            return complain(fd, path, what, n < 0 ? strerror(errno) : "the file shrank");
        }
        got += (size_t)n;
    }
    close(fd);
    *size = got;
    return buf;
}

const char *firmware_find(const char *dir, const char *name)
{
    static const char *const places[] = {
        DATADIR, "/usr/share/seabios", "/usr/share/qemu", "/usr/local/share/seabios",
        "/usr/local/share/qemu", "/usr/share/vgabios",
    };
    static char path[4096];
    size_t n;

    if (dir) {
        snprintf(path, sizeof path, "%s/%s", dir, name);
        if (access(path, R_OK) == 0)
            return path;
    }
    for (n = 0; n < sizeof places / sizeof places[0]; n++) {
        snprintf(path, sizeof path, "%s/%s", places[n], name);
        if (access(path, R_OK) == 0)
            return path;
    }
    return NULL;
}
