/* opener.c - the process that opens files: how it starts, serves and is asked. See opener.h.
 *
 * A request is one packet of a local socket: what to do, the path's length, the path. The answer is one packet: a
 * number, and with it at most one descriptor. Descriptors that come with a request are not taken.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/opener.h"

#include "ui/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_PATHS 128 /* rules for the kernel */

struct request {
    uint32_t kind; /* enum hostfile */
    uint32_t len;  /* of the path, without a final 0 */
    char path[HOSTFILE_PATH_MAX];
};

#define HEAD offsetof(struct request, path)

struct answer {
    int32_t rc; /* 0 (with a descriptor, or for HOSTFILE_REMOVE), or what went wrong */
};

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

static int asked = -1; /* the asking side's socket */

/* --- the process --- */

static int answer(int fd, int result)
{
    struct answer a = { .rc = result < 0 ? result : 0 };
    struct iovec v = { &a, sizeof a };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    union control c;
    ssize_t n;

    if (result > 0) {
        struct cmsghdr *h;

        memset(&c, 0, sizeof c);
        m.msg_control = c.bytes;
        m.msg_controllen = sizeof c.bytes;
        h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(h), &result, sizeof result);
    }
    n = sendmsg(fd, &m, MSG_NOSIGNAL);
    if (result > 0)
        close(result);
    return n == sizeof a ? 0 : -1;
}

/* Whether a packet of `n` bytes is a request. */
static bool well_formed(struct request *r, ssize_t n)
{
    if (n < (ssize_t)HEAD || r->kind >= HOSTFILE_KINDS || r->len >= sizeof r->path || (size_t)n != HEAD + r->len ||
        memchr(r->path, '\0', r->len))
        return false;
    r->path[r->len] = '\0';
    return true;
}

static void serve(int fd, const struct opener_rules *rules)
{
    static struct request r;

    for (;;) {
        struct iovec v = { &r, sizeof r };
        struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 }; /* no room for descriptors */
        ssize_t n = recvmsg(fd, &m, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        if (answer(fd, (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !well_formed(&r, n)
                           ? -EINVAL
                           : opener_rules_open(rules, (enum hostfile)r.kind, r.path)))
            return;
    }
}

static _Noreturn void run(int fd, pid_t parent, const struct opener_rules *rules)
{
    struct landlock_path paths[MAX_PATHS];
    sigset_t all;
    int none;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    prctl(PR_SET_NAME, "cg-opener", 0, 0, 0);
    setsid(); /* keys of the terminal are not for it */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (getppid() != parent)
        _exit(0);
    /* 0 is kept in use: a descriptor to hand over is never 0, which says that there is none */
    none = open("/dev/null", O_RDWR);
    if (none >= 0)
        dup2(none, 0);
    for (none = 1; none < fd; none++)
        close(none);
    if (close_range((unsigned)fd + 1, ~0u, 0)) /* since Linux 5.9 */
        for (none = fd + 1; none < 1024; none++)
            close(none);
    if (landlock_confine(paths, opener_rules_landlock(rules, paths, MAX_PATHS)) < 0 || sandbox_enter_opener(fd) < 0)
        _exit(1);
    serve(fd, rules);
    _exit(0);
}

/* --- the side that asks --- */

int opener_start(const struct opener_rules *rules)
{
    pid_t parent = getpid();
    int pair[2];
    int rc;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    asked = fcntl(pair[0], F_DUPFD_CLOEXEC, SANDBOX_FIRST_KEPT_FD);
    rc = asked < 0 ? -errno : asked;
    close(pair[0]);
    pid = rc < 0 ? -1 : fork();
    if (!pid)
        run(pair[1], parent, rules);
    if (rc >= 0 && pid < 0) {
        rc = -errno;
        close(asked);
        asked = -1;
    }
    close(pair[1]);
    return rc;
}

/* The descriptor that came with an answer, or -1. */
static int received(struct msghdr *m)
{
    struct cmsghdr *h;
    int fd = -1;

    for (h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS && h->cmsg_len == CMSG_LEN(sizeof fd) && fd < 0)
            memcpy(&fd, CMSG_DATA(h), sizeof fd);
    return fd;
}

int opener_ask(enum hostfile kind, const char *path)
{
    struct request r = { .kind = kind };
    struct answer a = { 0 };
    union control c;
    struct iovec out = { &r, HEAD };
    struct iovec in = { &a, sizeof a };
    struct msghdr m = { .msg_iov = &out, .msg_iovlen = 1 };
    size_t len = path ? strlen(path) : 0;
    ssize_t n;
    int fd;

    if (len >= sizeof r.path)
        return -ENAMETOOLONG;
    r.len = (uint32_t)len;
    memcpy(r.path, path ? path : "", len);
    out.iov_len += len;
    if (asked < 0)
        return HOSTFILE_REFUSED;
    if (sendmsg(asked, &m, MSG_NOSIGNAL) != (ssize_t)out.iov_len)
        return -EPIPE;
    /* room for one descriptor: with its padding there would be room for two */
    m = (struct msghdr){
        .msg_iov = &in, .msg_iovlen = 1, .msg_control = c.bytes, .msg_controllen = CMSG_LEN(sizeof fd)
    };
    do
        n = recvmsg(asked, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return -EPIPE;
    fd = received(&m);
    if (n != sizeof a || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || a.rc > 0 ||
        (fd >= 0) != (!a.rc && kind != HOSTFILE_REMOVE)) {
        if (fd >= 0)
            close(fd);
        return a.rc < 0 ? a.rc : -EPROTO;
    }
    return fd >= 0 ? fd : a.rc;
}
