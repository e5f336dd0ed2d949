/* landlock.c - see landlock.h. The kernel's interface is spelt out here, because the headers of a
 * distribution are older than kernels that it runs on.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
#define CREATE_RULESET 444
#define ADD_RULE       445
#define RESTRICT_SELF  446

#define GET_VERSION       1 /* flag of CREATE_RULESET */
#define RULE_PATH_BENEATH 1

/* Rights to files, by bit. */
#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_REG    (1ull << 8)
#define FS_TRUNCATE    (1ull << 14)

/* struct landlock_ruleset_attr: what is denied unless a rule allows it. */
struct ruleset {
    uint64_t fs;
    uint64_t net;    /* since version 4 */
    uint64_t scoped; /* since version 6 */
};

struct path_rule {
    uint64_t access;
    int32_t fd;
} __attribute__((packed));

int landlock_version(void)
{
    long v = syscall(CREATE_RULESET, NULL, 0, GET_VERSION);

    return v > 0 ? (int)v : 0;
}

/* All that a version knows to deny. */
static struct ruleset everything(int version, size_t *size)
{
    struct ruleset r = { .fs = (1ull << 13) - 1 };

    *size = sizeof r.fs;
    if (version >= 2)
        r.fs |= 1ull << 13; /* moving files between directories; always denied without a rule */
    if (version >= 3)
        r.fs |= FS_TRUNCATE;
    if (version >= 4) {
        r.net = 3; /* bind and connect TCP */
        *size = offsetof(struct ruleset, scoped);
    }
    if (version >= 5)
        r.fs |= 1ull << 15; /* ioctl of devices opened from here on */
    if (version >= 6) {
        r.scoped = 3; /* abstract local sockets, signals */
        *size = sizeof r;
    }
    return r;
}

static int allow(int ruleset, const struct landlock_path *p, uint64_t handled)
{
    const uint64_t files = FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE;
    struct path_rule rule = { 0 };
    struct stat st;
    long rc;

    rule.fd = open(p->path, O_PATH | O_CLOEXEC);
    if (rule.fd < 0)
        return 0;
    if (p->use & LANDLOCK_USE_FILES)
        rule.access |= files;
    if (p->use & LANDLOCK_USE_CREATE)
        rule.access |= FS_MAKE_REG;
    if (p->use & LANDLOCK_USE_REMOVE)
        rule.access |= FS_REMOVE_FILE;
    if (fstat(rule.fd, &st) || !S_ISDIR(st.st_mode))
        rule.access &= files;
    rule.access &= handled;
    rc = rule.access ? syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) : 0;
    if (rc)
        rc = -errno;
    close(rule.fd);
    return (int)rc;
}

int landlock_confine(const struct landlock_path *paths, size_t count)
{
    int version = landlock_version();
    size_t size;
    struct ruleset all = everything(version, &size);
    size_t n;
    int rc = 0;
    int fd;

    if (!version)
        return 0;
    fd = (int)syscall(CREATE_RULESET, &all, size, 0);
    if (fd < 0)
        return -errno;
    for (n = 0; n < count && !rc; n++)
        rc = allow(fd, &paths[n], all.fs);
    if (!rc && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(RESTRICT_SELF, fd, 0)))
        rc = -errno;
    close(fd);
    return rc ? rc : version;
}
