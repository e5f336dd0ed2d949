/* escape.c - a plug-in that tries to get out of the sandbox (tests/plugin/escape.py runs it). It stands for
 * an intruder who runs code of his own in the process while the guest runs; before that, when nothing is
 * confined yet, it opens more than an intruder would find: directories, sockets of all kinds, a terminal.
 * What would harm the host if it were not refused has arguments that make it fail all the same.
 *
 * The ways are in escape.def. A line for each goes to the file ESCAPE_OUT: "N what: refused (EPERM)", or what
 * happened. Those that must end the process are tried one a run, chosen by ESCAPE_FATAL.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/hostfile.h"
#include "debug/callgate-plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define S(name, ...)   syscall(SYS_##name, ##__VA_ARGS__)
#define N(number, ...) syscall(number, ##__VA_ARGS__)

static int out;
static long fatal; /* the way to try, or 0: all others */

/* What the attempts use. */
static char buf[4096] __attribute__((aligned(16)));
static unsigned long how[16];
static struct iovec vector = { buf, 1 };
static char *const nothing[] = { NULL };
static int root_fd, proc_fd, path_fd, tty_fd, pid_fd, tcp_fd, udp_fd, stream_fd;
static int pipe_fd[2], datagram_fd[2];
static int opener_fd;
static long victim, self, getppid_before;
static const char *work_dir, *victim_mem;
static struct sockaddr_un by_path, abstract;
static socklen_t abstract_len;
static struct sockaddr_in by_port;
static struct sigevent foreign;
static void *page, *own_text;
static void *bad_stack = (void *)16;

static const char *joined(const char *a, const char *b)
{
    static char path[4][4096];
    static unsigned next;
    char *p = path[next++ % 4];

    snprintf(p, sizeof path[0], "%s%s", a, b);
    return p;
}

static const char *work(const char *name) { return joined(joined(work_dir, "/"), name); }
static const char *home(const char *name) { return joined(getenv("HOME") ? getenv("HOME") : "/root", name); }

static const char *victim_path(const char *name)
{
    char dir[64];

    snprintf(dir, sizeof dir, "/proc/%ld/", victim);
    return joined(dir, name);
}

/* A message to an address, with a descriptor. */
static struct msghdr *message(void *address, socklen_t len, int fd)
{
    static struct mmsghdr m;
    static char control[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8)));
    struct cmsghdr *h;

    memset(&m, 0, sizeof m);
    m.msg_hdr = (struct msghdr){ .msg_name = address, .msg_namelen = len, .msg_iov = &vector, .msg_iovlen = 1 };
    if (fd >= 0) {
        m.msg_hdr.msg_control = control;
        m.msg_hdr.msg_controllen = sizeof control;
        h = CMSG_FIRSTHDR(&m.msg_hdr);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(h), &fd, sizeof fd);
    }
    return &m.msg_hdr;
}

/* clone3 is answered by ENOSYS, so that libraries take clone: as good as refused. */
static long no_such(long rc)
{
    if (rc < 0 && errno == ENOSYS)
        errno = EPERM;
    return rc;
}

/* Ask the process that opens files, if there is one: a descriptor, or -1 with errno. */
static long ask(enum hostfile kind, const char *path)
{
    struct {
        uint32_t kind, len;
        char path[4096];
    } q = { kind, (uint32_t)strlen(path), "" };
    int32_t answer = 0;
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
    struct iovec v = { &q, 8 + q.len };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

    strcpy(q.path, path);
    if (sendmsg(opener_fd, &m, 0) < 0)
        return -1;
    v = (struct iovec){ &answer, sizeof answer };
    m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
    if (recvmsg(opener_fd, &m, 0) != sizeof answer)
        return -1;
    if (answer < 0) {
        errno = answer == HOSTFILE_REFUSED ? EPERM : -answer;
        return -1;
    }
    return 0;
}

/* A system call by the 32-bit numbers. */
static long int80(long number)
{
    long rc;

    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(number), "b"(0), "c"(0), "d"(0) : "memory");
    return rc;
}

static void say(const char *format, ...)
{
    char line[512];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(line, sizeof line, format, ap);
    va_end(ap);
    if (write(out, line, (size_t)n) != n)
        _exit(99);
}

/* The outcome of way n. */
static void judge(long n, const char *group, const char *what, long rc, int error)
{
    if (getpid() != self)
        _exit(0); /* a fork that was not refused */
    if (rc == -1 && error == EPERM)
        say("%ld %s: %s: refused (EPERM)\n", n, group, what);
    else if (rc == -1)
        say("%ld %s: %s: FAIL: got as far as an error, %s\n", n, group, what, strerror(error));
    else
        say("%ld %s: %s: FAIL: allowed, %ld\n", n, group, what, rc);
}

static void try_all(void)
{
    const char *group = "";
    long n = 0;

#define GROUP(title) group = title;
#define WAY(what, attempt)                \
    if (n++, !fatal) {                    \
        errno = 0;                        \
        memset(buf, 0, sizeof buf);       \
        long rc = (long)(attempt);        \
        judge(n, group, what, rc, errno); \
    }
#define FATAL(what, attempt)                        \
    if (n++, fatal == n) {                          \
        say("%ld %s: %s: ", n, group, what);        \
        long rc = (long)(attempt);                  \
        say("FAIL: survived, %ld\n", rc);           \
    } else if (!fatal) {                            \
        say("%ld %s: %s: alone\n", n, group, what); \
    }
#include "tests/plugin/escape.def"
    say("end %ld\n", n);
    _exit(42);
}

static void on_block(struct callgate_guest *g, uint32_t eip, uint32_t count, void *opaque)
{
    static unsigned blocks;

    (void)g;
    (void)eip;
    (void)count;
    (void)opaque;
    if (++blocks == 100) /* the guest runs */
        try_all();
}

/* Before the sandbox: more than an intruder would find. */
int callgate_plugin(const struct callgate_plugin_api *api, struct callgate_guest *g, const char *args)
{
    const char *name = getenv("ESCAPE_ABSTRACT");

    (void)args;
    if (api->version != CALLGATE_PLUGIN_VERSION || !getenv("ESCAPE_OUT") || !name)
        return -1;
    out = open(getenv("ESCAPE_OUT"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    fatal = getenv("ESCAPE_FATAL") ? atol(getenv("ESCAPE_FATAL")) : 0;
    victim = atol(getenv("ESCAPE_VICTIM"));
    work_dir = getenv("ESCAPE_WORK");
    victim_mem = strdup(victim_path("mem") + 6);
    self = getpid();
    getppid_before = getppid();
    opener_fd = 256; /* where ui/sandbox.h keeps it */
    root_fd = open("/", O_RDONLY | O_DIRECTORY);
    proc_fd = open("/proc", O_RDONLY | O_DIRECTORY);
    path_fd = open("/bin/true", O_PATH);
    tty_fd = posix_openpt(O_RDWR | O_NOCTTY);
    pid_fd = (int)N(434, victim, 0);
    tcp_fd = socket(AF_INET, SOCK_STREAM, 0);
    udp_fd = socket(AF_INET, SOCK_DGRAM, 0);
    stream_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    own_text = (void *)((uintptr_t)&try_all & ~4095ul);
    by_path.sun_family = abstract.sun_family = AF_UNIX;
    snprintf(by_path.sun_path, sizeof by_path.sun_path, "%s", work("socket"));
    snprintf(abstract.sun_path + 1, sizeof abstract.sun_path - 1, "%s", name);
    abstract_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    by_port = (struct sockaddr_in){ .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                    .sin_port = htons((uint16_t)atoi(getenv("ESCAPE_PORT"))) };
    foreign.sigev_notify = SIGEV_SIGNAL | SIGEV_THREAD_ID;
    foreign.sigev_signo = SIGKILL;
    foreign._sigev_un._tid = (pid_t)victim;
    if (out < 0 || root_fd < 0 || proc_fd < 0 || path_fd < 0 || tty_fd < 0 || pid_fd < 0 || tcp_fd < 0 || udp_fd < 0 ||
        stream_fd < 0 || page == MAP_FAILED || pipe(pipe_fd) || socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram_fd))
        return -2;
    return api->on(g, "block", (void *)on_block, NULL);
}
