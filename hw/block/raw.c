/* raw.c - raw images: a file or a block device, byte for byte the disk. See block.h.
 *
 * A snapshot keeps written sectors in an unlinked sparse file at the image's own offsets; a bit a
 * sector says where the newest version is. flock guards images: any number of readers, or one
 * writer, so that two machines never write the same file system.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/block/block.h"

#include "hw/hostfile.h"
#include "hw/hostsay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static int open_image(const char *path, unsigned *flags, char *err, size_t err_len)
{
    bool write = !(*flags & (BLOCK_READONLY | BLOCK_SNAPSHOT));
    int fd = hostfile_open(write ? HOSTFILE_WRITE : HOSTFILE_READ, path);

    if (write && (*flags & BLOCK_MAY_PROTECT) && (fd == -EACCES || fd == -EROFS || fd == -EPERM)) {
        *flags |= BLOCK_READONLY;
        write = false;
        fd = hostfile_open(HOSTFILE_READ, path);
    }
    if (fd == -EISDIR) {
        snprintf(err, err_len, "image '%s' is a directory; name a file", path);
        return fd;
    }
    if (fd == -EINVAL) {
        snprintf(err, err_len, "image '%s' is neither a file nor a block device", path);
        return fd;
    }
    if (fd < 0) {
        bool denied = write && (fd == -EACCES || fd == -EROFS || fd == -EPERM);
        snprintf(err, err_len, "cannot open image '%s'%s: %s%s", path, denied ? " for writing" : "", hostfile_error(fd),
                 denied ? "; use readonly=on or snapshot=on" : "");
        return fd;
    }
    if (flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB) && errno == EWOULDBLOCK) {
        close(fd);
        snprintf(err, err_len, "image '%s' is in use by another machine or drive%s", path,
                 write ? "; to share it, use readonly=on or snapshot=on everywhere" : " that writes it");
        return -EBUSY;
    }
    return fd;
}

static int open_medium(struct block *b, const char *path, unsigned flags, char *err, size_t err_len)
{
    int fd = open_image(path, &flags, err, err_len);
    const struct resemblance *looks;
    off_t size;

    if (fd < 0)
        return fd;
    b->fd = fd;
    size = lseek(fd, 0, SEEK_END);
    if (size < 0) {
        snprintf(err, err_len, "cannot find the size of image '%s': %s", path, strerror(errno));
        goto fail;
    }
    if (size == 0) {
        snprintf(err, err_len, "image '%s' is empty; create one with truncate or dd", path);
        goto fail;
    }
    looks = block_resembles(fd, (uint64_t)size);
    if (size % SECTOR_SIZE && (looks || !(flags & BLOCK_ODD_SIZE))) {
        if (looks)
            snprintf(err, err_len, "image '%s' is %s: %s", path, looks->what, looks->advice);
        else
            snprintf(err, err_len,
                     "image '%s' has %llu bytes, which are no whole sectors of %u; is it cut "
                     "short? truncate -s %%%u pads a raw image",
                     path, (unsigned long long)size, SECTOR_SIZE, SECTOR_SIZE);
        goto fail;
    }
    /* Of whole sectors, so it may well be a disk into which a guest wrote this: it is one. */
    b->looks_like = flags & BLOCK_RAW ? NULL : looks;
    b->size = ((uint64_t)size + SECTOR_SIZE - 1) & ~(uint64_t)(SECTOR_SIZE - 1);
    b->read_only = (flags & BLOCK_READONLY) != 0;
    if ((flags & BLOCK_SNAPSHOT) && !b->read_only) {
        int overlay = hostfile_open(HOSTFILE_TEMP, NULL);
        if (overlay < 0)
            errno = overlay == HOSTFILE_REFUSED ? EPERM : -overlay;
        b->overlay_fd = overlay < 0 ? -1 : overlay;
        b->in_overlay = calloc(1, b->size / SECTOR_SIZE / 8 + 1);
        if (b->overlay_fd < 0 || !b->in_overlay) {
            snprintf(err, err_len, "cannot create a temporary file for the snapshot of '%s': %s", path,
                     strerror(errno));
            goto fail;
        }
    }
    b->path = strdup(path);
    if (b->path)
        return 0;
    snprintf(err, err_len, "out of memory");
fail:
    block_eject(b);
    return -EIO;
}

struct block *block_open_empty(void)
{
    struct block *b = calloc(1, sizeof *b);
    if (b)
        b->fd = b->overlay_fd = -1;
    return b;
}

struct block *block_open(const char *path, unsigned flags, char *err, size_t err_len)
{
    struct block *b = block_open_empty();
    if (!b) {
        snprintf(err, err_len, "out of memory");
        return NULL;
    }
    if (open_medium(b, path, flags, err, err_len)) {
        free(b);
        return NULL;
    }
    return b;
}

void block_eject(struct block *b)
{
    if (b->dirty)
        block_flush(b);
    if (b->fd >= 0)
        close(b->fd); /* gives up the lock too */
    if (b->overlay_fd >= 0)
        close(b->overlay_fd);
    free(b->in_overlay);
    free(b->path);
    *b = (struct block){ .fd = -1, .overlay_fd = -1, .changes = b->changes + 1 };
}

int block_change(struct block *b, const char *path, unsigned flags, char *err, size_t err_len)
{
    struct block fresh = { .fd = -1, .overlay_fd = -1 };
    int rc = open_medium(&fresh, path, flags, err, err_len);
    if (rc)
        return rc;
    block_eject(b);
    fresh.changes = b->changes + 1;
    *b = fresh;
    return 0;
}

void block_close(struct block *b)
{
    if (!b)
        return;
    block_eject(b);
    free(b);
}

/* ---- data ---- */

static int read_all(int fd, uint8_t *p, size_t len, uint64_t at)
{
    while (len) {
        ssize_t n = pread(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0) { /* past the end: the last sector's padding, or holes */
            memset(p, 0, len);
            return 0;
        }
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int write_all(int fd, const uint8_t *p, size_t len, uint64_t at)
{
    while (len) {
        ssize_t n = pwrite(fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        p += n;
        at += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static bool in_overlay(const struct block *b, uint64_t sector) { return b->in_overlay[sector / 8] >> (sector % 8) & 1; }

static bool inside(const struct block *b, uint64_t sector, size_t count)
{
    uint64_t all = block_sectors(b);
    return block_present(b) && sector <= all && count <= all - sector;
}

int block_read(struct block *b, uint64_t sector, void *buf, size_t count)
{
    uint8_t *p = buf;

    if (!inside(b, sector, count))
        return -EIO;
    while (count) {
        size_t run = count;
        int fd = b->fd;
        if (b->in_overlay) {
            bool over = in_overlay(b, sector);
            for (run = 1; run < count && in_overlay(b, sector + run) == over; run++)
                ;
            fd = over ? b->overlay_fd : b->fd;
        }
        int rc = read_all(fd, p, run * SECTOR_SIZE, sector * SECTOR_SIZE);
        if (rc)
            return rc;
        p += run * SECTOR_SIZE;
        sector += run;
        count -= run;
    }
    b->reads++;
    return 0;
}

/* The host's trouble: the guest gets an error of its drive, the user the reason, once. */
static int trouble(struct block *b, int rc, const char *what)
{
    if (!b->complained)
        host_say("callgate: cannot %s image '%s'%s: %s; the guest's drive reports errors\n", what, b->path,
                 b->in_overlay ? " (its snapshot)" : "", strerror(-rc));
    b->complained = true;
    return rc;
}

int block_write(struct block *b, uint64_t sector, const void *buf, size_t count)
{
    if (!inside(b, sector, count))
        return -EIO;
    if (b->read_only)
        return -EROFS;
    int fd = b->in_overlay ? b->overlay_fd : b->fd;
    int rc = write_all(fd, buf, count * SECTOR_SIZE, sector * SECTOR_SIZE);
    if (rc)
        return trouble(b, rc, "write");
    b->writes++;
    b->dirty = true;
    if (b->in_overlay)
        for (size_t i = 0; i < count; i++)
            b->in_overlay[(sector + i) / 8] |= (uint8_t)(1u << ((sector + i) % 8));
    return 0;
}

int block_flush(struct block *b)
{
    if (!block_present(b) || b->read_only || b->in_overlay)
        return 0;
    if (fdatasync(b->fd))
        return trouble(b, -errno, "bring to the disk what was written to");
    b->syncs++;
    b->dirty = false;
    return 0;
}
