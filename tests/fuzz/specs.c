/* specs.c - fuzzes the specifications of consoles (-serial and the like) and of plug-ins: what is no good gets one
 * line. No file, socket or terminal is made, and no library loaded: the calls that would do so fail.
 *
 * Input: a byte that chooses, then text up to a 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "debug/plugin.h"
#include "hw/char/chardev.h"
#include "tests/fuzz/fuzz.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdarg.h>

static bool refuse; /* libFuzzer opens files, too */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_socket(int domain, int type, int protocol);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __wrap_posix_openpt(int flags);
void *__wrap_dlopen(const char *file, int flags);

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;

    va_start(ap, flags);
    int mode = va_arg(ap, int);
    va_end(ap);
    if (!refuse)
        return __real_open(path, flags, mode);
    errno = EACCES;
    return -1;
}

int __wrap_socket(int domain, int type, int protocol)
{
    (void)domain, (void)type, (void)protocol;
    errno = EACCES;
    return -1;
}

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    (void)hints, (void)list;
    if ((node && !*node) || !service || !*service)
        broken("a search for no host");
    return EAI_FAIL;
}

int __wrap_posix_openpt(int flags)
{
    (void)flags;
    errno = ENOSPC;
    return -1;
}

void *__wrap_dlopen(const char *file, int flags)
{
    (void)flags;
    if (!strchr(file, '/'))
        broken("a plug-in is searched for");
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char err[512] = "";
    char *text, *said = NULL;
    size_t len;

    if (!size)
        return 0;
    text = strndup((const char *)data + 1, size - 1);
    refuse = true;
    if (data[0] & 1) {
        FILE *real = stderr;

        stderr = open_memstream(&said, &len);
        int rc = plugin_load(NULL, text);
        fclose(stderr);
        stderr = real;
        if (!rc || strncmp(said, "callgate: -plugin", 17))
            broken("a plug-in that is none");
        free(said);
    } else {
        struct clock clock;

        clock_init(&clock, NULL, NULL);
        struct evloop *ev = evloop_create(&clock);
        bool terminal = strstr(text, "stdio");
        struct chardev *c = terminal ? NULL : chardev_open(ev, text, err, sizeof err);

        if (!c && !terminal && !err[0])
            broken("a refusal without a reason");
        if (c)
            chardev_write(c, text, strlen(text));
        chardev_close(c);
        evloop_destroy(ev);
        clock_destroy(&clock);
    }
    refuse = false;
    free(text);
    return 0;
}
