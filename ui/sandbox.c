/* sandbox.c - the process gives up what it does not need before the guest runs: a guest that breaks out
 * of the emulation finds a process that can start nothing, open nothing, look into no other process,
 * signal none, and talk to nobody who was not there already.
 *
 * Two layers. Landlock, in the kernel's terms of paths, signals, sockets; and a list of system calls that
 * are allowed (seccomp), most of them with some arguments only; anything else fails with EPERM. What no
 * library would try and an intruder would, ends the process (SIGSYS). Each holds without the other:
 * Landlock may be missing, and does not reach threads that a library made before.
 *
 * The list is what runs of every kind were seen to use, not what might be harmless. Arguments of 32 bits
 * are compared in 32 bits, as the kernel does: a rule on 64 would be passed with bits above set.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/sandbox.h"

#include "ui/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SET_GS 0x1001 /* of arch_prctl */
#ifdef __s390x__
#define CLONE_FLAGS 1 /* which argument of clone */
#else
#define CLONE_FLAGS 0
#endif

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define CALL(name) SCMP_SYS(name)
#define LOW        UINT32_MAX /* the kernel looks at 32 bits */
#define EXACT      UINT64_MAX

#ifdef __NR_unlink
#define UNLINK CALL(unlink)
#else /* newer kinds of hosts */
#define UNLINK CALL(unlinkat)
#endif

/* Allowed with any arguments. A call that this host's kernel does not have makes no rule. */
static const int allowed[] = {
    /* descriptors that are open */
    CALL(read),
    CALL(write),
    CALL(pread64),
    CALL(pwrite64),
    CALL(readv),
    CALL(writev),
    CALL(lseek),
    CALL(fstat),
    CALL(poll),
    CALL(ppoll),
    CALL(fdatasync),
    CALL(ftruncate),
    CALL(flock),
    /* memory; what makes code is not here */
    CALL(munmap),
    CALL(mremap),
    CALL(brk),
    /* signals within the process, and threads that end */
    CALL(rt_sigaction),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(sigreturn),
    CALL(sigaltstack),
    CALL(restart_syscall),
    CALL(exit),
    CALL(exit_group),
    CALL(sched_yield),
    /* time and other questions */
    CALL(clock_gettime),
    CALL(clock_getres),
    CALL(clock_nanosleep),
    CALL(nanosleep),
    CALL(gettimeofday),
    CALL(time),
    CALL(getpid),
    CALL(gettid),
    CALL(sysinfo),
    CALL(getrandom),
};

/* Nobody asks for these by mistake. */
static const int deadly[] = {
    CALL(execve),        CALL(execveat),     CALL(ptrace),        CALL(process_vm_readv), CALL(process_vm_writev),
    CALL(init_module),   CALL(finit_module), CALL(delete_module), CALL(kexec_load),       CALL(kexec_file_load),
    CALL(bpf),           CALL(mount),        CALL(umount2),       CALL(pivot_root),       CALL(move_mount),
    CALL(open_tree),     CALL(fsopen),       CALL(fsconfig),      CALL(fsmount),          CALL(fspick),
    CALL(mount_setattr), CALL(swapon),       CALL(swapoff),       CALL(reboot),           CALL(setns),
    CALL(unshare),
};

/* A graphics driver: threads, memory that it shares with the display, its event descriptors. */
static const int for_gpu[] = {
    CALL(set_robust_list), CALL(rseq),       CALL(sched_getaffinity),
    CALL(memfd_create),    CALL(kcmp),       CALL(dup),
    CALL(eventfd2),        CALL(pipe2),      CALL(epoll_create1),
    CALL(epoll_ctl),       CALL(epoll_wait), CALL(epoll_pwait),
    CALL(membarrier),
};

/* The process that opens files looks at paths, and opens, makes and removes. */
static const int for_opener[] = {
    CALL(open),
    CALL(openat),
    CALL(openat2),
    CALL(stat),
    CALL(lstat),
    CALL(newfstatat),
    CALL(fstat),
    CALL(fstatfs),
    CALL(readlink),
    CALL(readlinkat),
    CALL(access),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(getcwd),
    CALL(pread64),
    CALL(ftruncate),
    UNLINK,
    CALL(memfd_create),
    CALL(close),
    CALL(munmap),
    CALL(mremap),
    CALL(brk),
    CALL(getrandom),
    CALL(clock_gettime),
    CALL(getpid),
    CALL(gettid),
    CALL(rt_sigprocmask),
    CALL(rt_sigreturn),
    CALL(restart_syscall),
    CALL(exit_group),
};

static int allow_all(scmp_filter_ctx f, const int *calls, size_t count)
{
    int rc = 0;
    size_t n;

    for (n = 0; n < count && !rc; n++)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[n], 0);
    return rc;
}

/* Allowed if argument n, under a mask, is v. */
static int allow_if(scmp_filter_ctx f, int call, unsigned n, uint64_t mask, uint64_t v)
{
    const struct scmp_arg_cmp arg = { n, SCMP_CMP_MASKED_EQ, mask, v };

    return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, 1, &arg);
}

/* Allowed if two arguments are right. */
static int allow_if2(scmp_filter_ctx f, int call, struct scmp_arg_cmp a, struct scmp_arg_cmp b)
{
    const struct scmp_arg_cmp args[] = { a, b };

    return seccomp_rule_add_array(f, SCMP_ACT_ALLOW, call, 2, args);
}

#define ARG(n, mask, v) ((struct scmp_arg_cmp){ n, SCMP_CMP_MASKED_EQ, mask, v })

/* Allowed if 32-bit argument n is one of a list. */
static int allow_each(scmp_filter_ctx f, int call, unsigned n, const unsigned *values, size_t count)
{
    int rc = 0;
    size_t k;

    for (k = 0; k < count && !rc; k++)
        rc = allow_if(f, call, n, LOW, values[k]);
    return rc;
}

/* Memory: no new code but a graphics driver's. What the translator writes code to is mapped already. */
static int allow_memory(scmp_filter_ctx f, bool code)
{
    static const unsigned advice[] = { MADV_NORMAL,   MADV_WILLNEED,   MADV_DONTNEED, MADV_FREE,
                                       MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP };
    int rc = allow_each(f, CALL(madvise), 2, advice, COUNT(advice));

#ifdef __s390x__ /* mmap's arguments are in memory, where no filter sees them */
    if (!rc)
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(mmap), 0);
#else
    if (!rc)
        rc = allow_if(f, CALL(mmap), 2, code ? 0 : PROT_EXEC, 0);
#endif
    if (!rc)
        rc = allow_if(f, CALL(mprotect), 2, code ? 0 : PROT_EXEC, 0);
    return rc;
}

/* The process itself. */
static int allow_self(scmp_filter_ctx f)
{
    static const unsigned waits[] = { 0 /* WAIT */, 1 /* WAKE */, 9 /* WAIT_BITSET */, 10 /* WAKE_BITSET */ };
    const unsigned variants = 128 | 256; /* private; by the wall clock */
    const uint64_t self = (uint64_t)getpid();
    size_t n;
    /* raise() and abort() */
    int rc = allow_if(f, CALL(tgkill), 0, EXACT, self);

    for (n = 0; n < COUNT(waits) && !rc; n++)
        rc = allow_if(f, CALL(futex), 1, LOW & ~variants, waits[n]);
    if (!rc) /* limits: look, do not change */
        rc = allow_if2(f, CALL(prlimit64), ARG(0, EXACT, 0), ARG(2, EXACT, 0));
    if (!rc)
        rc = allow_if(f, CALL(sched_getaffinity), 0, LOW, 0);
#ifdef __x86_64__
    if (!rc)
        rc = allow_if(f, CALL(arch_prctl), 0, LOW, SET_GS);
#endif
    /* clone3 hides its flags; a library that meets ENOSYS takes clone */
    if (!rc)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    return rc;
}

/* Descriptors: no owner, signals, leases, sizes of pipes; terminals, but not what types on them. */
static int allow_descriptors(scmp_filter_ctx f)
{
    static const unsigned fcntls[] = { F_GETFL, F_GETFD, F_SETFD };
    static const unsigned ioctls[] = { TCGETS, TCSETS };
    int rc = allow_each(f, CALL(fcntl), 1, fcntls, COUNT(fcntls));

    if (!rc)
        rc = allow_if2(f, CALL(fcntl), ARG(1, LOW, F_SETFL), ARG(2, O_ASYNC | O_DIRECT, 0));
    if (!rc)
        rc = allow_each(f, CALL(ioctl), 1, ioctls, COUNT(ioctls));
    if (!rc)
        rc = allow_if(f, CALL(close), 0, LOW & ~(SANDBOX_FIRST_KEPT_FD - 1u), 0);
    return rc;
}

static int allow_display(scmp_filter_ctx f, const struct sandbox_needs *needs)
{
    const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                            CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    int rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(uname), 0); /* for the title */
    unsigned n;

    for (n = 0; n < needs->display_fds && !rc; n++) {
        rc = allow_if(f, CALL(recvmsg), 0, LOW, (unsigned)needs->display_fd[n]);
        if (!rc) /* how libxcb reads the rest of a long answer */
            rc = allow_if2(f, CALL(recvfrom), ARG(0, LOW, (unsigned)needs->display_fd[n]), ARG(4, EXACT, 0));
        if (!rc && needs->gpu) /* Wayland: buffers are descriptors */
            rc = allow_if(f, CALL(sendmsg), 0, LOW, (unsigned)needs->display_fd[n]);
    }
    if (rc || !needs->gpu)
        return rc;
    rc = allow_all(f, for_gpu, COUNT(for_gpu));
    if (!rc)
        rc = allow_if(f, CALL(clone), CLONE_FLAGS, EXACT, thread);
    if (!rc) /* of a new thread */
        rc = allow_if(f, CALL(prctl), 0, LOW, PR_SET_NAME);
    if (!rc)
        rc = allow_if(f, CALL(ioctl), 1, 0xff00, 'd' << 8);
    if (!rc)
        rc = allow_if(f, CALL(fcntl), 1, LOW, F_DUPFD_CLOEXEC);
    if (!rc)
        rc = allow_if(f, CALL(fcntl), 1, LOW, F_ADD_SEALS);
    return rc;
}

static int allow_sockets(scmp_filter_ctx f, const struct sandbox_needs *needs)
{
    int rc = 0;

    if (needs->accept) {
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(accept4), 0);
        if (!rc)
            rc = allow_if2(f, CALL(setsockopt), ARG(1, LOW, IPPROTO_TCP), ARG(2, LOW, TCP_NODELAY));
    }
    if (!rc && needs->opener)
        rc = allow_if(f, CALL(sendmsg), 0, LOW, (unsigned)needs->opener_fd);
    if (!rc && needs->opener)
        rc = allow_if(f, CALL(recvmsg), 0, LOW, (unsigned)needs->opener_fd);
    return rc;
}

/* What every filter has. */
static int start(scmp_filter_ctx f)
{
    int rc;
    size_t n;

    /* 32-bit system calls in a 64-bit process */
    seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list */
    rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!rc)
        rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
    for (n = 0; n < COUNT(deadly) && !rc; n++)
        rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[n], 0);
    return rc;
}

static int fill(scmp_filter_ctx f, const struct sandbox_needs *needs)
{
    int rc = start(f);

    if (!rc)
        rc = allow_all(f, allowed, COUNT(allowed));
    if (!rc)
        rc = allow_memory(f, needs->gpu);
    if (!rc)
        rc = allow_self(f);
    if (!rc)
        rc = allow_descriptors(f);
    if (!rc)
        rc = allow_sockets(f, needs);
    if (!rc && needs->window)
        rc = allow_display(f, needs);
    return rc;
}

int sandbox_enter(const struct sandbox_needs *needs)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc;

    if (!f)
        return -ENOMEM;
    rc = fill(f, needs);
    if (!rc)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc;
}

int sandbox_enter_opener(int fd)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc;

    if (!f)
        return -ENOMEM;
    rc = start(f);
    if (!rc)
        rc = allow_all(f, for_opener, COUNT(for_opener));
    if (!rc)
        rc = allow_memory(f, false);
    if (!rc)
        rc = allow_if(f, CALL(sendmsg), 0, LOW, (unsigned)fd);
    if (!rc)
        rc = allow_if(f, CALL(recvmsg), 0, LOW, (unsigned)fd);
    if (!rc)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc;
}

int sandbox_close_paths(void) { return landlock_confine(NULL, 0); }
