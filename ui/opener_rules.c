/* opener_rules.c - see opener_rules.h.
 *
 * The hard part is that a path means another file a moment later. So a path is made canonical first, the rules
 * look at that, and what is opened is the canonical path with no symbolic link followed; what the
 * descriptor is then is looked at again.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/opener_rules.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

/* --- paths --- */

/* `path` without symbolic links; its last part need not exist. `out` has PATH_MAX bytes. */
static int canonical(const char *path, char *out)
{
    char dir[PATH_MAX];
    const char *base;
    size_t len = strlen(path);
    size_t used;

    if (!len || len >= sizeof dir)
        return len ? -ENAMETOOLONG : -ENOENT;
    if (realpath(path, out))
        return 0;
    if (errno != ENOENT)
        return -errno;
    base = strrchr(path, '/');
    base = base ? base + 1 : path;
    if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
        return -ENOENT;
    if (base == path) {
        strcpy(dir, ".");
    } else {
        memcpy(dir, path, (size_t)(base - path));
        dir[base - path] = '\0';
    }
    if (!realpath(dir, out))
        return -errno;
    used = strlen(out);
    if (used > 1)
        out[used++] = '/';
    if (used + strlen(base) >= PATH_MAX)
        return -ENAMETOOLONG;
    strcpy(out + used, base);
    return 0;
}

/* `path` is `dir` or below it; both are canonical. */
static bool below(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    if (len == 1)
        return true; /* "/" */
    return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

static bool hidden(const char *path) { return strstr(path, "/.") != NULL; }

/* File systems whose files are not data but the kernel's, by the numbers of statfs(). */
static bool of_kernel(const struct statfs *fs)
{
    static const uint32_t types[] = {
        0x9fa0,     /* proc */
        0x62656572, /* sysfs */
        0x64626720, /* debugfs */
        0x74726163, /* tracefs */
        0x73636673, /* securityfs */
        0x27e0eb,   /* cgroup */
        0x63677270, /* cgroup2 */
        0xcafe4a11, /* bpf */
        0x62656570, /* configfs */
        0xde5e81e4, /* efivarfs */
        0x1cd1,     /* devpts */
        0xf97cff8c, /* selinuxfs */
        0x43415d53, /* smackfs */
        0x42494e4d, /* binfmt_misc */
        0x65735543, /* fusectl */
        0x6165676c, /* pstore */
        0x19800202, /* mqueue */
        0x6e736673, /* nsfs */
    };
    size_t n;

    for (n = 0; n < sizeof types / sizeof types[0]; n++)
        if ((uint32_t)fs->f_type == types[n])
            return true;
    return false;
}

/* --- the rules --- */

static int add(char **to, const char *path)
{
    char out[PATH_MAX];
    int rc = canonical(path, out);

    if (rc)
        return rc;
    *to = strdup(out);
    return *to ? 0 : -ENOMEM;
}

int opener_rules_add_dir(struct opener_rules *r, const char *path)
{
    int rc;

    if (r->dir_count == OPENER_MAX_DIRS)
        return -ENOSPC;
    if (access(path, F_OK))
        return -errno;
    rc = add(&r->dir[r->dir_count], path);
    r->dir_count += !rc;
    return rc;
}

int opener_rules_add_image(struct opener_rules *r, const char *path, bool write)
{
    int rc;

    if (r->image_count == OPENER_MAX_IMAGES)
        return -ENOSPC;
    r->image[r->image_count].write = write;
    rc = add(&r->image[r->image_count].path, path);
    r->image_count += !rc;
    return rc;
}

int opener_rules_add_socket(struct opener_rules *r, const char *path)
{
    int rc;

    if (r->socket_count == OPENER_MAX_SOCKETS)
        return -ENOSPC;
    rc = add(&r->socket[r->socket_count].path, path);
    if (rc)
        return rc;
    r->socket[r->socket_count].given = strdup(path);
    r->socket_count++;
    return r->socket[r->socket_count - 1].given ? 0 : -ENOMEM;
}

void opener_rules_free(struct opener_rules *r)
{
    unsigned n;

    for (n = 0; n < r->dir_count; n++)
        free(r->dir[n]);
    for (n = 0; n < r->image_count; n++)
        free(r->image[n].path);
    for (n = 0; n < r->socket_count; n++) {
        free(r->socket[n].given);
        free(r->socket[n].path);
    }
    free(r->temp);
    *r = (struct opener_rules){ 0 };
}

/* Whether a canonical path may be used, and whether that is so because it, or a directory above it, is named. */
static bool permitted(const struct opener_rules *r, enum hostfile kind, const char *path, bool *named)
{
    unsigned n;

    *named = true;
    if (kind == HOSTFILE_READ || kind == HOSTFILE_WRITE)
        for (n = 0; n < r->image_count; n++)
            if (!strcmp(path, r->image[n].path) && (kind == HOSTFILE_READ || r->image[n].write))
                return true;
    for (n = 0; n < r->dir_count; n++)
        if (below(path, r->dir[n]))
            return true;
    *named = false;
    return r->anywhere && !hidden(path) && !below(path, "/proc") && !below(path, "/sys") && !below(path, "/dev");
}

/* --- opening --- */

/* Open without following any symbolic link. */
static int open_plain(const char *path, int how, mode_t mode)
{
    /* struct open_how of linux/openat2.h */
    struct {
        uint64_t flags, mode, resolve;
    } h = { (uint64_t)how, mode, 0x02 | 0x04 };
    long fd;

#ifdef SYS_openat2
    fd = syscall(SYS_openat2, AT_FDCWD, path, &h, sizeof h);
    if (fd >= 0 || errno != ENOSYS)
        return fd < 0 ? -errno : (int)fd;
#endif
    fd = open(path, how | O_NOFOLLOW, mode);
    return fd < 0 ? -errno : (int)fd;
}

/* A device must be named. */
static int check_type(const struct stat *st, bool device)
{
    if (S_ISDIR(st->st_mode))
        return -EISDIR;
    if (S_ISBLK(st->st_mode))
        return device ? 0 : HOSTFILE_REFUSED;
    return S_ISREG(st->st_mode) ? 0 : -EINVAL;
}

/* Of what is not named, only what looks like the monitor's business is written to: floppies (others
 * can be put in write-protected), pictures that are replaced. */
static int check_written(enum hostfile kind, int fd, const struct stat *st)
{
    const off_t least = 40 * 8 * 512; /* a floppy with one side */
    const off_t most = 2 * 80 * 48 * 512;
    char head[2];

    if (kind == HOSTFILE_WRITE)
        return st->st_size % 512 || st->st_size < least || st->st_size > most ? -EROFS : 0;
    if (kind == HOSTFILE_CREATE && st->st_size && (pread(fd, head, 2, 0) != 2 || memcmp(head, "P6", 2)))
        return HOSTFILE_REFUSED;
    return 0;
}

static int open_checked(enum hostfile kind, const char *path, bool named)
{
    const int quiet = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    const bool create = kind == HOSTFILE_CREATE;
    struct stat before;
    struct stat st;
    struct statfs fs;
    bool there = !lstat(path, &before);
    int how = kind == HOSTFILE_READ ? O_RDONLY : O_RDWR;
    int rc;
    int fd;

    if (!there && !create)
        return -errno;
    if (there) {
        /* look first: opening a FIFO or a device has effects */
        rc = check_type(&before, named && !create);
        if (rc)
            return rc;
    }
    if (create)
        how = (named || !there ? O_WRONLY : O_RDWR) | (there ? 0 : O_CREAT | O_EXCL);
    fd = open_plain(path, quiet | how, there ? 0 : 0666);
    if (fd < 0)
        return fd;
    rc = fstat(fd, &st) || fstatfs(fd, &fs) ? -errno : check_type(&st, named && !create);
    if (!rc && there && (st.st_dev != before.st_dev || st.st_ino != before.st_ino))
        rc = -EAGAIN;
    if (!rc && of_kernel(&fs))
        rc = HOSTFILE_REFUSED;
    if (!rc && !named)
        rc = check_written(kind, fd, &st);
    if (!rc && create && ftruncate(fd, 0))
        rc = -errno;
    if (rc) {
        close(fd);
        return rc;
    }
    return fd;
}

static int remove_socket(const struct opener_rules *r, const char *given)
{
    struct stat st;
    unsigned n;

    for (n = 0; n < r->socket_count; n++)
        if (!strcmp(given, r->socket[n].given))
            break;
    if (n == r->socket_count)
        return HOSTFILE_REFUSED;
    if (lstat(r->socket[n].path, &st))
        return -errno;
    if (!S_ISSOCK(st.st_mode))
        return HOSTFILE_REFUSED;
    return unlink(r->socket[n].path) ? -errno : 0;
}

int opener_rules_open(const struct opener_rules *r, enum hostfile kind, const char *path)
{
    char full[PATH_MAX];
    bool named;
    int rc;

    switch (kind) {
    case HOSTFILE_TEMP: return r->temp ? hostfile_temp(r->temp) : -ENOENT;
    case HOSTFILE_REMOVE: return remove_socket(r, path);
    case HOSTFILE_READ:
    case HOSTFILE_WRITE:
    case HOSTFILE_CREATE:
        rc = canonical(path, full);
        if (rc)
            return rc;
        return permitted(r, kind, full, &named) ? open_checked(kind, full, named) : HOSTFILE_REFUSED;
    default: return -EINVAL;
    }
}

/* --- for the kernel --- */

/* Every directory of the root but those of the kernel. */
static size_t of_root(struct landlock_path *paths, size_t max)
{
    DIR *d = opendir("/");
    struct dirent *e;
    size_t n = 0;

    while (d && n < max && (e = readdir(d))) {
        char *name;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || !strcmp(e->d_name, "proc") ||
            !strcmp(e->d_name, "sys") || !strcmp(e->d_name, "dev") || asprintf(&name, "/%s", e->d_name) < 0)
            continue;
        paths[n++] = (struct landlock_path){ name, LANDLOCK_USE_FILES | LANDLOCK_USE_CREATE };
    }
    if (d)
        closedir(d);
    return n;
}

size_t opener_rules_landlock(const struct opener_rules *r, struct landlock_path *paths, size_t max)
{
    size_t count = 0;
    unsigned n;

    if (r->temp && count < max)
        paths[count++] =
            (struct landlock_path){ r->temp, LANDLOCK_USE_FILES | LANDLOCK_USE_CREATE | LANDLOCK_USE_REMOVE };
    for (n = 0; n < r->dir_count && count < max; n++)
        paths[count++] = (struct landlock_path){ r->dir[n], LANDLOCK_USE_FILES | LANDLOCK_USE_CREATE };
    for (n = 0; n < r->image_count && count < max; n++)
        paths[count++] = (struct landlock_path){ r->image[n].path, LANDLOCK_USE_FILES };
    for (n = 0; n < r->socket_count && count < max; n++) {
        char *dir = strdup(r->socket[n].path);
        char *slash = dir ? strrchr(dir, '/') : NULL;

        if (!slash) {
            free(dir);
            continue;
        }
        slash[slash == dir] = '\0';
        paths[count++] = (struct landlock_path){ dir, LANDLOCK_USE_REMOVE };
    }
    if (r->anywhere)
        count += of_root(paths + count, max - count);
    return count;
}
