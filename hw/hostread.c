/* hostread.c - whole files given by the user, read before the guest runs. See hostread.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/hostread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(int fd, int rc, char *why, size_t why_len, const char *text)
{
    snprintf(why, why_len, "%s", text);
    if (fd >= 0)
        close(fd);
    return rc;
}

int hostread_open(const char *path, uint64_t limit, uint64_t *size, char *why, size_t why_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    int rc;

    if (fd < 0 || fstat(fd, &st)) {
        rc = -errno;
        return refuse(fd, rc, why, why_len, strerror(-rc));
    }
    if (S_ISDIR(st.st_mode))
        return refuse(fd, -EISDIR, why, why_len, "a directory; a regular file is needed");
    if (!S_ISREG(st.st_mode))
        return refuse(fd, -EINVAL, why, why_len, "not a regular file; copy it into one");
    if (st.st_size <= 0)
        return refuse(fd, -EINVAL, why, why_len, "the file is empty");
    if ((uint64_t)st.st_size > limit) {
        snprintf(why, why_len, "it has %llu bytes, and at most %llu can be used here", (unsigned long long)st.st_size,
                 (unsigned long long)limit);
        close(fd);
        return -EFBIG;
    }
    *size = (uint64_t)st.st_size;
    return fd;
}

int hostread_take(int fd, void *buf, size_t size, char *why, size_t why_len)
{
    size_t got = 0;

    while (got < size) {
        ssize_t n = read(fd, (char *)buf + got, size - got);
        int rc = -errno;

        if (n < 0 && rc == -EINTR)
            continue;
        if (n < 0)
            return refuse(fd, rc, why, why_len, strerror(-rc));
        if (n == 0)
            return refuse(fd, -EIO, why, why_len, "the file shrank while it was read");
        got += (size_t)n;
    }
    close(fd);
    return 0;
}
