/* hostmap.c - see hostmap.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "mmu/hostmap.h"

#include "cpu/base.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define USUAL_LIMIT 65530 /* vm.max_map_count of a host that does not say */
#define MOST        60000 /* more would cost the host too much in looking them up */
#define KEPT_LEAST  256   /* for libraries, stacks, the allocator: so many, or an eighth */

static _Atomic int limit = -1; /* of what is counted here; -1: not known yet */
static _Atomic int used;
#ifdef DEBUG
static int most_lines; /* that the process may have when nothing is counted */
#endif

static int read_number(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 ? atoi(text) : -1;
}

int hostmap_lines(void)
{
    char buf[4096];
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int lines = 0;
    ssize_t n;

    if (fd < 0)
        return -1;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        for (ssize_t k = 0; k < n; k++)
            lines += buf[k] == '\n';
    close(fd);
    return lines;
}

void hostmap_init(void)
{
    int most = read_number("/proc/sys/vm/max_map_count");
    int now = hostmap_lines();
    int kept;

    if (limit >= 0)
        return;
    if (most <= 0)
        most = USUAL_LIMIT;
    if (most > MOST)
        most = MOST;
    kept = most / 8 > KEPT_LEAST ? most / 8 : KEPT_LEAST;
    limit = most - (now > 0 ? now : KEPT_LEAST) - kept;
    if (limit < 0)
        limit = 0;
#ifdef DEBUG
    most_lines = now + kept;
#endif
}

void hostmap_check(void)
{
#ifdef DEBUG
    static unsigned calls;

    BUG_ON(calls++ % 256 == 0 && hostmap_lines() > most_lines + used);
#endif
}

void *hostmap_reserve(size_t bytes, bool sparse)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    if (sparse)
        madvise(p, bytes, MADV_NOHUGEPAGE);
    return p;
}

void hostmap_release(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes);
}

void hostmap_add(int n) { used += n; }

bool hostmap_room(int n) { return used + n <= limit; }

int hostmap_used(void) { return used; }

int hostmap_limit(void) { return limit; }

void hostmap_set_limit(int n) { limit = n; }
