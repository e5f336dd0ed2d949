/* files.c - reading whole files, and finding the firmware.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/files.h"

#include "hw/hostread.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *complain(const char *path, const char *what, const char *why)
{
    fprintf(stderr, "callgate: cannot read %s '%s': %s\n", what, path, why);
    return NULL;
}

void *file_read(const char *path, const char *what, uint64_t limit, size_t *size)
{
    enum { PAGE = 4096 };
    char why[128];
    uint64_t bytes;
    size_t room;
    char *buf;
    int fd = hostread_open(path, limit, &bytes, why, sizeof why);

    if (fd < 0)
        return complain(path, what, why);
    room = ((size_t)bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
    buf = aligned_alloc(PAGE, room);
    if (!buf) {
        close(fd);
        snprintf(why, sizeof why, "no memory for its %llu bytes; raise ulimit -v", (unsigned long long)bytes);
        return complain(path, what, why);
    }
    memset(buf + bytes, 0, room - bytes);
    if (hostread_take(fd, buf, bytes, why, sizeof why)) {
        free(buf);
        return complain(path, what, why);
    }
    *size = bytes;
    return buf;
}

bool firmware_find(const char *dir, const char *name, char *path, size_t size)
{
    static const char *const places[] = {
        DATADIR,
        "/usr/share/seabios",
        "/usr/share/qemu",
        "/usr/local/share/seabios",
        "/usr/local/share/qemu",
        "/usr/share/vgabios",
    };
    size_t n;

    if (dir) {
        snprintf(path, size, "%s/%s", dir, name);
        if (access(path, R_OK) == 0)
            return true;
    }
    for (n = 0; n < sizeof places / sizeof places[0]; n++) {
        snprintf(path, size, "%s/%s", places[n], name);
        if (access(path, R_OK) == 0)
            return true;
    }
    return false;
}
