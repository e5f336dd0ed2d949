/* sandbox.c - what the process may and may not do once the guest runs. Each case is tried in a child that
 * has entered the sandbox.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "ui/sandbox.h"

#include <arpa/inet.h>
#ifdef __x86_64__
#include <asm/prctl.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a machine may need; a socket to the opener would be 300, one to the display 11. */
enum { BARE = 0, ACCEPT = 1, OPENER = 2, WINDOW = 4, GPU = 8, FULL = 15 };

/* A child enters the sandbox and calls fn. Returns what fn does (0..99), or 100 + the signal that
 * ended the child, or 99 if the sandbox cannot be entered. */
static int confined(int (*fn)(void), unsigned with)
{
    const struct sandbox_needs needs = {
        .accept = with & ACCEPT,
        .opener = with & OPENER,
        .opener_fd = 300,
        .window = with & (WINDOW | GPU),
        .gpu = with & GPU,
        .display_fd = { 11 },
        .display_fds = 1,
    };
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (!pid) {
        if (sandbox_enter(&needs))
            _exit(99);
        _exit(fn());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

#define KILLED (100 + SIGSYS)
#define DENIED 1
#define DONE   0

/* The outcome of a system call, from its result. */
static int outcome(long rc) { return rc >= 0 ? DONE : errno == EPERM ? DENIED : 2; }

/* --- what ends the process --- */

static int do_execve(void)
{
    char *const argv[] = { "true", NULL };

    return outcome(execve("/bin/true", argv, argv + 1));
}

static int do_execveat(void)
{
    char *const argv[] = { "true", NULL };

    return outcome(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0));
}

static int do_ptrace(void) { return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
static int do_ptrace_attach(void) { return outcome(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL)); }

static int do_vm_readv(void)
{
    char b;
    struct iovec v = { &b, 1 };

    return outcome(process_vm_readv(getppid(), &v, 1, &v, 1, 0));
}

static int do_vm_writev(void)
{
    char b = 0;
    struct iovec v = { &b, 1 };

    return outcome(process_vm_writev(getppid(), &v, 1, &v, 1, 0));
}

static int do_mount(void) { return outcome(mount("none", "/mnt", "tmpfs", 0, NULL)); }
static int do_umount(void) { return outcome(umount2("/mnt", 0)); }
static int do_init_module(void) { return outcome(syscall(SYS_init_module, "", 0, "")); }
static int do_finit_module(void) { return outcome(syscall(SYS_finit_module, 0, "", 0)); }
static int do_bpf(void) { return outcome(syscall(SYS_bpf, BPF_MAP_CREATE, NULL, 0)); }
static int do_unshare(void) { return outcome(unshare(CLONE_NEWUSER)); }

/* System calls of another numbering. */
static int do_int80(void)
{
#ifdef __x86_64__
    int rc;

    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(20) : "memory"); /* getpid */
    return rc > 0 ? DONE : 2;
#else
    raise(SIGSYS);
    return 0;
#endif
}

START_TEST(ends)
{
    ck_assert_int_eq(confined(do_execve, FULL), KILLED);
    ck_assert_int_eq(confined(do_execveat, FULL), KILLED);
    ck_assert_int_eq(confined(do_ptrace, FULL), KILLED);
    ck_assert_int_eq(confined(do_ptrace_attach, FULL), KILLED);
    ck_assert_int_eq(confined(do_vm_readv, FULL), KILLED);
    ck_assert_int_eq(confined(do_vm_writev, FULL), KILLED);
    ck_assert_int_eq(confined(do_mount, FULL), KILLED);
    ck_assert_int_eq(confined(do_umount, FULL), KILLED);
    ck_assert_int_eq(confined(do_init_module, FULL), KILLED);
    ck_assert_int_eq(confined(do_finit_module, FULL), KILLED);
    ck_assert_int_eq(confined(do_bpf, FULL), KILLED);
    ck_assert_int_eq(confined(do_unshare, FULL), KILLED);
    /* SIGSEGV where the kernel has no such entry */
    ck_assert_int_ge(confined(do_int80, FULL), 100);
}
END_TEST

/* --- what is refused --- */

#ifdef SYS_fork
static int do_fork(void) { return outcome(syscall(SYS_fork)); }
#else
static int do_fork(void) { return outcome(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
#endif
static int do_fork_libc(void) { return outcome(fork()); }
#ifdef __s390x__ /* the stack comes first */
static int do_clone(void) { return outcome(syscall(SYS_clone, 0, SIGCHLD, 0, 0, 0)); }
#else
static int do_clone(void) { return outcome(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }
#endif
static int do_inet(void) { return outcome(socket(AF_INET, SOCK_STREAM, 0)); }
static int do_inet6(void) { return outcome(socket(AF_INET6, SOCK_DGRAM, 0)); }
static int do_netlink(void) { return outcome(socket(AF_NETLINK, SOCK_RAW, 0)); }
static int do_packet(void) { return outcome(socket(AF_PACKET, SOCK_RAW, 0)); }
static int do_unix(void) { return outcome(socket(AF_UNIX, SOCK_STREAM, 0)); }
static int do_kill(void) { return outcome(kill(getppid(), 0)); }
static int do_kill_all(void) { return outcome(kill(-1, 0)); }
static int do_tgkill(void) { return outcome(syscall(SYS_tgkill, getppid(), getppid(), 0)); }
static int do_setuid(void) { return outcome(setuid(getuid())); }
static int do_setresuid(void) { return outcome(setresuid(0, 0, 0)); }
static int do_setgroups(void) { return outcome(syscall(SYS_setgroups, 0, NULL)); }
static int do_capset(void) { return outcome(syscall(SYS_capset, NULL, NULL)); }
static int do_chroot(void) { return outcome(chroot("/")); }
static int do_keyctl(void) { return outcome(syscall(SYS_keyctl, 0, 0, 0, 0, 0)); }
static int do_io_uring(void) { return outcome(syscall(SYS_io_uring_setup, 1, NULL)); }
static int do_userfaultfd(void) { return outcome(syscall(SYS_userfaultfd, 0)); }
static int do_mkdir(void) { return outcome(mkdir("/tmp/callgate-never", 0700)); }
static int do_rename(void) { return outcome(rename("/tmp/callgate-a", "/tmp/callgate-b")); }
static int do_chmod(void) { return outcome(chmod("/tmp", 01777)); }
static int do_dumpable(void) { return outcome(prctl(PR_SET_DUMPABLE, 1)); }
static int do_openat2(void) { return outcome(syscall(SYS_openat2, AT_FDCWD, "/", NULL, 0)); }
static int do_type(void) { return outcome(ioctl(0, TIOCSTI, "x")); }
static int do_type_high(void) { return outcome(syscall(SYS_ioctl, 0, 1ull << 32 | TIOCSTI, "x")); }

static int do_perf(void)
{
    struct perf_event_attr a = { .size = sizeof a };

    return outcome(syscall(SYS_perf_event_open, &a, 0, -1, -1, 0));
}

static int do_prlimit(void)
{
    struct rlimit r;

    return outcome(prlimit(getppid(), RLIMIT_NOFILE, NULL, &r));
}

static int do_create(void) { return outcome(open("/tmp", O_TMPFILE | O_RDWR, 0600)); }
static int do_write_open(void) { return outcome(open("/dev/null", O_WRONLY)); }
static int do_read_open(void) { return outcome(open("/dev/null", O_RDONLY)); }
static int do_unlink(void) { return outcome(unlink("/tmp/callgate-does-not-exist")); }

static int do_stat(void)
{
    struct stat st;

    return outcome(stat("/", &st));
}

static int do_socketpair(void)
{
    int pair[2];

    return outcome(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
}

/* On descriptor 0: it is there. */
static int do_setown(void) { return outcome(fcntl(0, F_SETOWN, getppid())); }
static int do_setsig(void) { return outcome(fcntl(0, F_SETSIG, SIGKILL)); }
static int do_async(void) { return outcome(fcntl(0, F_SETFL, O_ASYNC)); }
static int do_dupfd(void) { return outcome(fcntl(0, F_DUPFD, 0)); }
static int do_dup2(void) { return outcome(dup2(0, 301)); }
static int do_timer(void)
{
    timer_t t;

    return outcome(timer_create(CLOCK_MONOTONIC, NULL, &t));
}

/* The socket to the opener keeps its number; bits above the kernel's 32 do not help. */
static int do_close_kept(void) { return outcome(syscall(SYS_close, 300)); }
static int do_close_kept_high(void) { return outcome(syscall(SYS_close, 1ull << 32 | 300)); }

static int send_on(int fd)
{
    char b = 0;
    struct iovec v = { &b, 1 };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

    return sendmsg(fd, &m, 0) < 0 && errno == EPERM ? DENIED : DONE;
}

static int do_send(void) { return send_on(0); }
static int do_send_opener(void) { return send_on(300); }

static int do_accept(void) { return accept4(0, NULL, NULL, 0) < 0 && errno == EPERM ? DENIED : DONE; }

static int do_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? outcome(-1) : DONE;
}

static int do_make_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? 10 : outcome(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static void *nothing(void *p) { return p; }

static int do_thread(void)
{
    pthread_t t;

    return pthread_create(&t, NULL, nothing, NULL) ? DENIED : pthread_join(t, NULL) ? 10 : DONE;
}

static int do_shm(void) { return outcome(syscall(SYS_shmget, 0, 4096, 01600)); }

START_TEST(refused)
{
    static int (*const cases[])(void) = {
        do_fork,       do_fork_libc, do_clone,    do_inet,        do_inet6,     do_netlink,    do_packet,
        do_kill,       do_kill_all,  do_tgkill,   do_setuid,      do_setresuid, do_setgroups,  do_capset,
        do_chroot,     do_keyctl,    do_io_uring, do_userfaultfd, do_mkdir,     do_rename,     do_chmod,
        do_dumpable,   do_openat2,   do_type,     do_type_high,   do_perf,      do_prlimit,    do_create,
        do_write_open, do_read_open, do_unlink,   do_stat,        do_unix,      do_socketpair, do_setown,
        do_setsig,     do_async,     do_dupfd,    do_dup2,        do_timer,     do_close_kept, do_close_kept_high,
        do_send,       do_shm,
    };
    size_t n;

    for (n = 0; n < ARRAY_SIZE(cases); n++)
        ck_assert_msg(confined(cases[n], FULL) == DENIED, "case %zu", n);
}
END_TEST

START_TEST(by_need)
{
    static const struct {
        int (*fn)(void);
        unsigned need;
    } cases[] = {
        { do_accept, ACCEPT }, { do_send_opener, OPENER }, { do_code, GPU }, { do_make_code, GPU }, { do_thread, GPU },
    };
    size_t n;

    for (n = 0; n < ARRAY_SIZE(cases); n++) {
        ck_assert_msg(confined(cases[n].fn, cases[n].need) == DONE, "with: case %zu", n);
        ck_assert_msg(confined(cases[n].fn, FULL & ~cases[n].need) == DENIED, "without: case %zu", n);
    }
}
END_TEST

/* --- what engines and the event loop need --- */

static volatile int faults;

static void on_fault(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    faults++;
    mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

static int ram = -1; /* as the guest's: made before */

static int do_engine(void)
{
    struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    static char stack[65536];
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    struct timespec ts;
    char *p;
    char *q;

    if (ram < 0 || ftruncate(ram, 4096) || ftruncate(ram, 8192))
        return 10;
    p = mmap(NULL, 8192, PROT_NONE, MAP_SHARED, ram, 0);
    q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || q == MAP_FAILED || madvise(q, 4096, MADV_DONTNEED))
        return 11;
    if (sigaltstack(&ss, NULL) || sigaction(SIGSEGV, &sa, NULL))
        return 12;
    *(volatile char *)p = 1; /* faults, and the handler returns */
    if (faults != 1 || munmap(q, 4096))
        return 13;
    if (clock_gettime(CLOCK_MONOTONIC, &ts) || isatty(ram))
        return 15;
#ifdef __x86_64__
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, 0))
        return 17;
#endif
    signal(SIGUSR1, SIG_IGN);
    return raise(SIGUSR1) ? 18 : DONE;
}

START_TEST(kept)
{
    ram = memfd_create("test", 0);
    ck_assert_int_eq(confined(do_engine, BARE), DONE);
    close(ram);
}
END_TEST

/* A thread that was there before is confined as well. */
static int gate[2];
static int ready[2];

static void *try_socket(void *p)
{
    char b = 0;

    if (write(ready[1], &b, 1) == 1 && read(gate[0], &b, 1) == 1)
        *(int *)p = do_inet();
    return p;
}

static int thread_before(void)
{
    const struct sandbox_needs needs = { 0 };
    pthread_t thread;
    int got = -1;
    char b;

    if (pipe(gate) || pipe(ready) || pthread_create(&thread, NULL, try_socket, &got) || read(ready[0], &b, 1) != 1 ||
        sandbox_enter(&needs) || write(gate[1], "x", 1) != 1 || pthread_join(thread, NULL))
        return 30;
    return got;
}

START_TEST(all_threads)
{
    pid_t pid = fork();
    int status;

    if (!pid)
        _exit(thread_before());
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), DENIED);
}
END_TEST

bool unit_has_seccomp(void) { return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0; }

Suite *sandbox_suite(void)
{
    Suite *s = suite_create("sandbox");
    TCase *tc = tcase_create("sandbox");

    suite_add_tcase(s, tc);
    if (!unit_has_seccomp()) {
        printf("skip - sandbox: the kernel filters no system calls\n");
        return s;
    }
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, ends);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, by_need);
    tcase_add_test(tc, kept);
    tcase_add_test(tc, all_threads);
    return s;
}
