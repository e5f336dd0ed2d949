/* opener.c - the process that opens files for a confined one: its rules, its protocol against both hostile
 * sides, its end; and Landlock alone, without the filter of system calls.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "ui/landlock.h"
#include "ui/opener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a directory to play in --- */

static char top[PATH_MAX];

static void set_up(void)
{
    char template[] = "/tmp/callgate-unit-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(template));
    ck_assert_ptr_nonnull(realpath(template, top));
}

static void tear_down(void)
{
    char command[PATH_MAX + 16];

    snprintf(command, sizeof command, "rm -rf %s", top);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_top(const char *name)
{
    static char path[4][PATH_MAX + 64];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s/%s", top, name);
    return p;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(in_top(name), "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* --- the rules --- */

/* What the rules say, with the descriptor closed again. */
static int try(const struct opener_rules *r, enum hostfile kind, const char *path)
{
    int fd = opener_rules_open(r, kind, path);

    if (fd > 0)
        close(fd);
    return fd > 0 ? 0 : fd;
}

START_TEST(rules_anywhere)
{
    struct opener_rules r = { .anywhere = true };
    struct stat st;

    put("image", "x");
    put(".hidden", "x");
    ck_assert_int_eq(mkdir(in_top(".dir"), 0700), 0);
    put(".dir/image", "x");
    ck_assert_int_eq(symlink(in_top(".hidden"), in_top("link")), 0);
    ck_assert_int_eq(mkfifo(in_top("fifo"), 0600), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("image")), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("new")), 0);
    /* written are floppies, and pictures are replaced */
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, in_top("image")), -EROFS);
    ck_assert_int_eq(truncate(in_top("image"), 1474560), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, in_top("image")), 0);
    ck_assert_int_eq(truncate(in_top("image"), 1474561), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, in_top("image")), -EROFS);
    ck_assert_int_eq(truncate(in_top("image"), 8 << 20), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, in_top("image")), -EROFS);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("image")), HOSTFILE_REFUSED);
    put("picture", "P6 and so on");
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("picture")), 0);
    ck_assert(!stat(in_top("picture"), &st) && st.st_size == 0);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("picture")), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("none")), -ENOENT);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("none/none")), -ENOENT);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("image/none")), -ENOTDIR);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, ""), -ENOENT);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, top), -EISDIR);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, top), -EISDIR);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("fifo")), -EINVAL);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("fifo")), -EINVAL);
    /* hidden, by name, by directory, by link, by a way round */
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top(".hidden")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top(".new")), HOSTFILE_REFUSED);
    ck_assert_int_ne(access(in_top(".new"), F_OK), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top(".dir/image")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("link")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("link")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top(".dir/../image")), 0);
    /* the kernel's */
    ck_assert_int_eq(try(&r, HOSTFILE_READ, "/proc/self/maps"), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, "/proc/self/mem"), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, "/usr/../proc/sys/kernel/core_pattern"), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, "/dev/null"), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, "/sys/kernel/uevent_seqnum"), HOSTFILE_REFUSED);
    /* nothing to remove, nowhere for temporary files, no such thing */
    ck_assert_int_eq(try(&r, HOSTFILE_REMOVE, in_top("image")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_TEMP, ""), -ENOENT);
    ck_assert_int_eq(try(&r, HOSTFILE_KINDS, in_top("image")), -EINVAL);
}
END_TEST

START_TEST(rules_in_dirs)
{
    struct opener_rules r = { 0 };

    ck_assert_int_eq(mkdir(in_top("in"), 0700), 0);
    ck_assert_int_eq(mkdir(in_top("in2"), 0700), 0);
    put("in/image", "x");
    put("in/.hidden", "x");
    put("in2/image", "x");
    put("given", "x");
    put("given-ro", "x");
    ck_assert_int_eq(symlink("../in2", in_top("in/out")), 0);
    ck_assert_int_eq(opener_rules_add_dir(&r, in_top("in")), 0);
    ck_assert_int_eq(opener_rules_add_dir(&r, in_top("none")), -ENOENT);
    ck_assert_int_eq(opener_rules_add_image(&r, in_top("given"), true), 0);
    ck_assert_int_eq(opener_rules_add_image(&r, in_top("given-ro"), false), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, in_top("in/image")), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("in/.hidden")), 0); /* it was named */
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("in/new")), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("in2/image")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("in/../in2/image")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("in/out/image")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("new")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, in_top("given")), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_CREATE, in_top("given")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_READ, in_top("given-ro")), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_WRITE, in_top("given-ro")), HOSTFILE_REFUSED);
    opener_rules_free(&r);
}
END_TEST

START_TEST(rules_sockets)
{
    struct opener_rules r = { 0 };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", in_top("socket"));
    ck_assert_int_eq(opener_rules_add_socket(&r, a.sun_path), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_REMOVE, a.sun_path), -ENOENT);
    put("socket", "a file that has taken its name");
    ck_assert_int_eq(try(&r, HOSTFILE_REMOVE, a.sun_path), HOSTFILE_REFUSED);
    ck_assert_int_eq(unlink(a.sun_path), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    ck_assert_int_eq(try(&r, HOSTFILE_REMOVE, in_top("other")), HOSTFILE_REFUSED);
    ck_assert_int_eq(try(&r, HOSTFILE_REMOVE, a.sun_path), 0);
    ck_assert_int_ne(access(a.sun_path, F_OK), 0);
    close(fd);
    opener_rules_free(&r);
}
END_TEST

START_TEST(rules_are_bounded)
{
    struct opener_rules r = { 0 };
    unsigned n;

    put("image", "x");
    for (n = 0; n < OPENER_MAX_DIRS; n++)
        ck_assert_int_eq(opener_rules_add_dir(&r, top), 0);
    ck_assert_int_eq(opener_rules_add_dir(&r, top), -ENOSPC);
    for (n = 0; n < OPENER_MAX_IMAGES; n++)
        ck_assert_int_eq(opener_rules_add_image(&r, in_top("image"), true), 0);
    ck_assert_int_eq(opener_rules_add_image(&r, in_top("image"), true), -ENOSPC);
    for (n = 0; n < OPENER_MAX_SOCKETS; n++)
        ck_assert_int_eq(opener_rules_add_socket(&r, in_top("socket")), 0);
    ck_assert_int_eq(opener_rules_add_socket(&r, in_top("socket")), -ENOSPC);
    opener_rules_free(&r);
}
END_TEST

/* --- the process --- */

/* A packet, with a descriptor if `fd` is not negative; returns the number that is answered, and what
 * descriptors come with it are closed and counted. */
static int exchange(int sock, const void *packet, size_t len, int fd, int *came)
{
    struct iovec out = { (void *)(uintptr_t)packet, len };
    struct msghdr m = { .msg_iov = &out, .msg_iovlen = 1 };
    char control[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = { 0 };
    int32_t rc[4];
    struct iovec in = { rc, sizeof rc };
    struct cmsghdr *h;

    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(h), &fd, sizeof fd);
    }
    ck_assert_int_eq(sendmsg(sock, &m, MSG_NOSIGNAL), (ssize_t)len);
    m = (struct msghdr){ .msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    ck_assert_int_eq(recvmsg(sock, &m, 0), 4);
    *came = 0;
    h = CMSG_FIRSTHDR(&m);
    if (h) {
        memcpy(&fd, CMSG_DATA(h), sizeof fd);
        close(fd);
        ++*came;
    }
    return rc[0];
}

static void wait_for_end(pid_t pid)
{
    int status;
    unsigned n;

    /* it is our child, or its own parent's end has made it init's */
    for (n = 0; n < 3000; n++) {
        if (waitpid(pid, &status, WNOHANG) == pid || (kill(pid, 0) && errno == ESRCH))
            return;
        usleep(10000);
    }
    ck_abort_msg("the opener is still there");
}

/* The only child of a process. */
static pid_t child_of(pid_t parent)
{
    char path[64];
    FILE *f;
    int pid = 0;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%d", &pid) != 1)
        pid = 0;
    fclose(f);
    return pid;
}

START_TEST(protocol)
{
    struct opener_rules r = { .anywhere = true };
    struct {
        uint32_t kind;
        uint32_t len;
        char path[HOSTFILE_PATH_MAX + 64];
    } q = { 0 };
    char text[8] = "";
    struct stat before;
    struct stat st;
    unsigned n;
    int sock;
    int came;
    int fd;
    pid_t pid;

    put("image", "picture");
    r.temp = strdup(top);
    sock = opener_start(&r);
    ck_assert_int_ge(sock, 0);
    pid = child_of(getpid());

    /* as it is meant */
    fd = opener_ask(HOSTFILE_READ, in_top("image"));
    ck_assert_int_gt(fd, 0);
    ck_assert_int_eq(read(fd, text, 7), 7);
    ck_assert_str_eq(text, "picture");
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert(!fstat(fd, &before));
    close(fd);
    fd = opener_ask(HOSTFILE_TEMP, NULL);
    ck_assert_int_gt(fd, 0);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    ck_assert(!fstat(fd, &st) && st.st_nlink == 0);
    close(fd);
    fd = opener_ask(HOSTFILE_CREATE, in_top("shot"));
    ck_assert_int_gt(fd, 0);
    close(fd);
    ck_assert_int_eq(opener_ask(HOSTFILE_READ, in_top("none")), -ENOENT);
    ck_assert_int_eq(opener_ask(HOSTFILE_READ, "/proc/self/mem"), HOSTFILE_REFUSED);
    ck_assert_int_eq(opener_ask(HOSTFILE_REMOVE, in_top("image")), HOSTFILE_REFUSED);

    /* packets that are none */
    for (n = 0; n < 8; n++)
        ck_assert_int_eq(exchange(sock, &q, n ? n : 1, -1, &came), -EINVAL);
    q.kind = HOSTFILE_KINDS;
    ck_assert_int_eq(exchange(sock, &q, 8, -1, &came), -EINVAL);
    q.kind = ~0u;
    ck_assert_int_eq(exchange(sock, &q, 8, -1, &came), -EINVAL);
    q.kind = HOSTFILE_READ;
    strcpy(q.path, in_top("image"));
    q.len = (uint32_t)strlen(q.path);
    ck_assert_int_eq(exchange(sock, &q, 8 + q.len - 1, -1, &came), -EINVAL);
    ck_assert_int_eq(exchange(sock, &q, 8 + q.len + 1, -1, &came), -EINVAL);
    q.len++; /* a 0 inside */
    ck_assert_int_eq(exchange(sock, &q, 8 + q.len, -1, &came), -EINVAL);
    for (n = HOSTFILE_PATH_MAX - 1; n < HOSTFILE_PATH_MAX + 60; n++) {
        memset(q.path, 'a', n);
        q.len = n;
        ck_assert_int_eq(exchange(sock, &q, 8 + n, -1, &came), n == HOSTFILE_PATH_MAX - 1 ? -ENAMETOOLONG : -EINVAL);
    }
    q.len = 0xfffffff8;
    ck_assert_int_eq(exchange(sock, &q, 8, -1, &came), -EINVAL);
    /* a descriptor with it is not taken */
    strcpy(q.path, in_top("image"));
    q.len = (uint32_t)strlen(q.path);
    ck_assert_int_eq(exchange(sock, &q, 8 + q.len, sock, &came), -EINVAL);
    ck_assert_int_eq(came, 0);
    /* and it goes on */
    ck_assert_int_eq(exchange(sock, &q, 8 + q.len, -1, &came), 0);
    ck_assert_int_eq(came, 1);

    /* it ends when nobody can ask any more */
    close(sock);
    wait_for_end(pid);
    ck_assert_int_eq(opener_ask(HOSTFILE_READ, in_top("image")), -EPIPE);
    opener_rules_free(&r);
}
END_TEST

/* However the process that it serves ends: here by SIGKILL, while somebody else holds the socket. */
START_TEST(ends_with_its_process)
{
    struct opener_rules r = { .anywhere = true };
    int ready[2];
    pid_t served;
    pid_t opener;
    pid_t holder;
    char b;

    ck_assert_int_eq(pipe(ready), 0);
    served = fork();
    if (!served) {
        if (opener_start(&r) < 0)
            _exit(1);
        holder = fork(); /* has a copy of the socket */
        if (!holder) {
            close(ready[0]);
            sleep(60);
            _exit(0);
        }
        dprintf(ready[1], "%d\n", (int)holder);
        pause();
        _exit(0);
    }
    {
        FILE *f = fdopen(ready[0], "r");
        int pid;

        ck_assert_int_eq(fscanf(f, "%d%c", &pid, &b), 2);
        holder = pid;
    }
    opener = child_of(served); /* the older child comes first */
    ck_assert_int_gt(opener, 0);
    ck_assert_int_ne(opener, holder);
    kill(served, SIGKILL);
    ck_assert_int_eq(waitpid(served, NULL, 0), served);
    wait_for_end(opener);
    kill(holder, SIGKILL);
}
END_TEST

/* --- an opener that lies --- */

static int lie[2];

/* The asking side takes what is no answer for an error, and keeps no descriptor. */
START_TEST(hostile_answers)
{
    struct opener_rules r = { .anywhere = true };
    int sock = opener_start(&r);
    char buf[8192];
    struct iovec v = { buf, 0 };
    static const struct {
        size_t len;
        int32_t rc;
        int fds;
        int expect;
    } lies[] = {
        { 4, 0, 0, -EPROTO },                             /* no descriptor */
        { 4, 5, 0, -EPROTO },                             /* an own number */
        { 4, 5, 1, -EPROTO }, { 4, -ENOENT, 1, -ENOENT }, /* a failure with one */
        { 3, 0, 1, -EPROTO }, { 8, 0, 1, -EPROTO },       /* too long */
        { 4, 0, 3, -EPROTO },                             /* too many */
        { 4, 0, 1, 0 },                                   /* a true one, at the end */
    };
    size_t n;
    int first = dup(0);

    ck_assert_int_ge(sock, 0);
    close(first);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, lie), 0);
    ck_assert_int_eq(dup2(lie[0], sock), sock); /* we are the opener now */
    first = dup(0);
    close(first);
    for (n = 0; n < ARRAY_SIZE(lies); n++) {
        char control[CMSG_SPACE(3 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
        struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
        int got;
        int next;

        memset(buf, 0, sizeof buf);
        memcpy(buf, &lies[n].rc, sizeof lies[n].rc);
        v.iov_len = lies[n].len;
        if (lies[n].fds) {
            struct cmsghdr *h;
            int fds[3] = { 0, 0, 0 };

            m.msg_control = control;
            m.msg_controllen = CMSG_SPACE((size_t)lies[n].fds * sizeof(int));
            h = CMSG_FIRSTHDR(&m);
            h->cmsg_level = SOL_SOCKET;
            h->cmsg_type = SCM_RIGHTS;
            h->cmsg_len = CMSG_LEN((size_t)lies[n].fds * sizeof(int));
            memcpy(CMSG_DATA(h), fds, (size_t)lies[n].fds * sizeof(int));
        }
        ck_assert_int_eq(sendmsg(lie[1], &m, 0), (ssize_t)lies[n].len); /* the answer is there already */
        got = opener_ask(HOSTFILE_READ, "/tmp/image");
        ck_assert_msg(lies[n].expect ? got == lies[n].expect : got >= 0, "lie %zu: %d", n, got);
        if (got >= 0)
            close(got);
        next = dup(0);
        ck_assert_msg(next == first, "lie %zu: a descriptor is left", n);
        close(next);
        ck_assert_int_gt(recv(lie[1], buf, sizeof buf, 0), 0);
    }
}
END_TEST

/* --- Landlock --- */

static int connects(int family, int type, const void *address, socklen_t len)
{
    int fd = socket(family, type, 0);
    int rc = connect(fd, address, len) ? errno : 0;

    close(fd);
    return rc;
}

/* In a child: returns the line of the first expectation that is not met, or 0. */
#define EXPECT(what)                                      \
    do {                                                  \
        if (!(what))                                      \
            _exit(__LINE__ & 0xff ? __LINE__ & 0xff : 1); \
    } while (0)

static int landlock_child(const struct landlock_path *allowed, int version, int abstract_port)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(9) };
    pid_t pid = fork();
    int status;

    if (!pid) {
        EXPECT(landlock_confine(allowed, 1) == version);
        EXPECT(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
        EXPECT(open("/proc/self/mem", O_RDWR) < 0 && errno == EACCES);
        EXPECT(open("/dev/null", O_WRONLY) < 0 && errno == EACCES);
        EXPECT(open("/", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
        EXPECT(open("/tmp", O_TMPFILE | O_RDWR, 0600) < 0 && errno == EACCES);
        EXPECT(open(in_top("image"), O_RDWR) >= 0);
        EXPECT(open(in_top("new"), O_WRONLY | O_CREAT, 0600) >= 0);
        EXPECT(unlink(in_top("image")) < 0 && errno == EACCES);
        EXPECT(mkdir(in_top("dir"), 0700) < 0 && errno == EACCES);
        if (version >= 4) {
            EXPECT(connects(AF_INET, SOCK_STREAM, &in, sizeof in) == EACCES);
            in.sin_port = 0;
            EXPECT(bind(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&in, sizeof in) < 0 && errno == EACCES);
        }
        if (version >= 6) {
            snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "callgate-unit-%d", abstract_port);
            EXPECT(connects(AF_UNIX, SOCK_STREAM, &a,
                            (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a.sun_path + 1))) == EPERM);
            EXPECT(kill(getppid(), 0) < 0 && errno == EPERM);
        }
        EXPECT(!kill(getpid(), 0));
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

START_TEST(landlock_alone)
{
    const struct landlock_path allowed = { top, LANDLOCK_USE_FILES | LANDLOCK_USE_CREATE };
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int rc;

    put("image", "x");
    snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "callgate-unit-%d", (int)getpid());
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a.sun_path + 1))),
                     0);
    ck_assert_int_eq(listen(fd, 1), 0);
    if (landlock_version()) {
        rc = landlock_child(&allowed, landlock_version(), getpid());
        ck_assert_msg(!rc, "line with low byte %d", rc);
    }
    close(fd);
}
END_TEST

/* A kernel without it is no error. */
START_TEST(landlock_missing)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

        EXPECT(f && !seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), 444, 0) && !seccomp_load(f));
        EXPECT(landlock_version() == 0);
        EXPECT(landlock_confine(NULL, 0) == 0);
        EXPECT(open("/dev/null", O_RDONLY) >= 0);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && !WEXITSTATUS(status));
}
END_TEST

Suite *opener_suite(void)
{
    Suite *s = suite_create("opener");
    TCase *tc = tcase_create("opener");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, rules_anywhere);
    tcase_add_test(tc, rules_in_dirs);
    tcase_add_test(tc, rules_sockets);
    tcase_add_test(tc, rules_are_bounded);
    suite_add_tcase(s, tc);
    if (!unit_has_seccomp()) {
        printf("skip - opener: the process is confined; the kernel filters no system calls\n");
        return s;
    }
    tcase_add_test(tc, protocol);
    tcase_add_test(tc, ends_with_its_process);
    tcase_add_test(tc, hostile_answers);
    tcase_add_test(tc, landlock_alone);
    tcase_add_test(tc, landlock_missing);
    return s;
}
