/* rules.c - fuzzes what decides which files may be opened for the monitor: no path gets out of the directory allowed.
 *
 * Input: a byte that says how and where, then a path up to a 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/opener_rules.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static char *top;
static struct opener_rules rules;

static void remove_all(void)
{
    static const char *const names[] = {
        "in/link", "in/up", "in/file", "in/sub/file", "in/sub", "in", "out/file", "out"
    };

    /* what a path made is in the few places that there are */
    for (unsigned n = 0; n < sizeof names / sizeof *names; n++) {
        unlink(names[n]);
        rmdir(names[n]);
    }
}

static void put(const char *name)
{
    int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0)
        broken("no temporary files");
    close(fd);
}

/* A place of its own: in/ is allowed, and has links that lead out of it. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char dir[PATH_MAX];
    const char *tmp = getenv("TMPDIR");

    (void)argc, (void)argv;
    snprintf(dir, sizeof dir, "%s/callgate-fuzz-XXXXXX", tmp ? tmp : "/tmp");
    top = mkdtemp(dir);
    if (!top || chdir(top) || mkdir("in", 0700) || mkdir("in/sub", 0700) || mkdir("out", 0700) ||
        symlink("../out", "in/up") || symlink("../out/file", "in/link"))
        broken("no temporary files");
    put("in/file");
    put("in/sub/file");
    put("out/file");
    if (opener_rules_add_dir(&rules, "in"))
        broken("a directory is not taken");
    top = realpath(top, NULL);
    atexit(remove_all);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[PATH_MAX + 64], link[64], is[PATH_MAX + 1];
    int fd, places;

    if (size < 2 || size > PATH_MAX)
        return 0;
    places = data[0] >> 4 & 3;
    snprintf(path, sizeof path, "%s%s%.*s", places ? top : "",
             places == 1 ? "/in/"
             : places    ? "/"
                         : "",
             (int)size - 1, (const char *)data + 1);
    fd = opener_rules_open(&rules, data[0] & 1 ? HOSTFILE_READ : HOSTFILE_WRITE, path);
    if (fd < 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, is, sizeof is - 1);
    is[n > 0 ? n : 0] = 0;
    if (strncmp(is, top, strlen(top)) || strncmp(is + strlen(top), "/in/", 4))
        broken("a file outside the directory is opened");
    close(fd);
    return 0;
}
