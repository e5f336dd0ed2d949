/* sandbox.c - the process gives up what it does not need before the guest runs: a guest that breaks out
 * of the emulation finds a process that can start nothing, look into no other process and reach no
 * network that was not open already.
 *
 * A list of system calls that are allowed, some by their arguments; anything else fails with EPERM.
 * What no library would try and an intruder would, ends the process (SIGSYS). Paths are out of
 * seccomp's reach: what may be opened is what the user may open, for reading only if nobody can ask
 * the monitor for more.
 *
 * Translated code needs of this: mmap and its kin, memfd_create, signals, arch_prctl.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CALL(name) SCMP_SYS(name)
#define ALL UINT64_MAX
#define LOW UINT32_MAX /* the kernel looks at 32 bits */

/* Allowed with any arguments. */
static const int allowed[] = {
    /* descriptors that are open */
    CALL(read), CALL(write), CALL(pread64), CALL(pwrite64), CALL(readv), CALL(writev),
    CALL(preadv), CALL(pwritev), CALL(lseek), CALL(close), CALL(fstat), CALL(fcntl), CALL(flock),
    CALL(fsync), CALL(fdatasync), CALL(ftruncate), CALL(fallocate), CALL(fstatfs), CALL(dup),
    CALL(dup2), CALL(dup3), CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6),
    CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(eventfd2),
    CALL(pipe), CALL(pipe2), CALL(timerfd_create), CALL(timerfd_settime), CALL(timerfd_gettime),
    CALL(getdents64), CALL(inotify_add_watch), CALL(inotify_rm_watch),
    /* sockets that are open, and who connects to them */
    CALL(accept), CALL(accept4), CALL(sendto), CALL(sendmsg), CALL(recvfrom), CALL(recvmsg),
    CALL(shutdown), CALL(getsockname), CALL(getpeername), CALL(getsockopt), CALL(setsockopt),
    /* looking at files */
    CALL(stat), CALL(lstat), CALL(newfstatat), CALL(statx), CALL(access), CALL(faccessat),
    CALL(faccessat2), CALL(readlink), CALL(readlinkat), CALL(getcwd), CALL(statfs),
    /* memory */
    CALL(mmap), CALL(mprotect), CALL(munmap), CALL(mremap), CALL(madvise), CALL(msync),
    CALL(mincore), CALL(mlock), CALL(munlock), CALL(brk), CALL(memfd_create), CALL(membarrier),
    /* threads and signals within the process */
    CALL(futex), CALL(set_robust_list), CALL(get_robust_list), CALL(rseq), CALL(set_tid_address),
    CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(rt_sigpending),
    CALL(rt_sigsuspend), CALL(rt_sigtimedwait), CALL(sigaltstack), CALL(pause),
    CALL(restart_syscall), CALL(exit), CALL(exit_group), CALL(sched_yield),
    CALL(sched_getaffinity), CALL(sched_getparam), CALL(sched_getscheduler),
    CALL(sched_get_priority_max), CALL(sched_get_priority_min), CALL(getpriority), CALL(getcpu),
    CALL(arch_prctl),
    /* time */
    CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep),
    CALL(gettimeofday), CALL(time), CALL(times), CALL(timer_create), CALL(timer_settime),
    CALL(timer_gettime), CALL(timer_getoverrun), CALL(timer_delete), CALL(setitimer),
    CALL(getitimer), CALL(alarm),
    /* questions */
    CALL(getpid), CALL(gettid), CALL(getppid), CALL(getuid), CALL(geteuid), CALL(getgid),
    CALL(getegid), CALL(getresuid), CALL(getresgid), CALL(getgroups), CALL(getpgrp), CALL(uname),
    CALL(sysinfo), CALL(getrandom), CALL(getrusage), CALL(getrlimit),
};

/* Nobody asks for these by mistake. */
static const int deadly[] = {
    CALL(execve), CALL(execveat), CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev),
    CALL(init_module), CALL(finit_module), CALL(delete_module), CALL(kexec_load),
    CALL(kexec_file_load), CALL(bpf), CALL(mount), CALL(umount2), CALL(pivot_root),
    CALL(move_mount), CALL(open_tree), CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick),
    CALL(mount_setattr), CALL(swapon), CALL(swapoff), CALL(reboot), CALL(setns), CALL(unshare),
};

/* For SDL: memory shared with the display, and questions of its drivers. */
static const int for_window[] = {
    CALL(shmget), CALL(shmat), CALL(shmdt), CALL(shmctl), CALL(connect), CALL(kcmp),
};

static const int removing[] = { CALL(unlink), CALL(unlinkat) };

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

/* Those that are allowed with some arguments only. */
static int allow_some(scmp_filter_ctx f, const struct sandbox_needs *needs)
{
    const unsigned writing = O_ACCMODE | O_CREAT | O_TRUNC;
    const uint64_t self = (uint64_t)getpid();
    static const int prctls[] = { PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK, PR_GET_DUMPABLE,
                                  PR_SET_VMA };
    static const unsigned ioctls[] = { TCGETS, TCSETS, TCSETSW, TCSETSF, TCFLSH, TCSBRK,
                                       TIOCGWINSZ, TIOCGPGRP, FIONREAD, FIONBIO, FIOCLEX };
    size_t n;
    int rc;

    /* threads, but no processes; clone3 hides its flags: glibc then takes clone */
    rc = allow_if(f, CALL(clone), 0, CLONE_THREAD, CLONE_THREAD);
    if (!rc)
        rc = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
    /* signals to itself */
    if (!rc)
        rc = allow_if(f, CALL(kill), 0, ALL, self);
    if (!rc)
        rc = allow_if(f, CALL(tgkill), 0, ALL, self);
    if (!rc)
        rc = allow_if(f, CALL(prlimit64), 0, ALL, 0);
    for (n = 0; n < COUNT(prctls) && !rc; n++)
        rc = allow_if(f, CALL(prctl), 0, LOW, (unsigned)prctls[n]);
    /* terminals, but not what types on them for the user */
    for (n = 0; n < COUNT(ioctls) && !rc; n++)
        rc = allow_if(f, CALL(ioctl), 1, LOW, ioctls[n]);
    if (!rc && needs->window) /* a graphics driver's own */
        rc = allow_if(f, CALL(ioctl), 1, 0xff00, 'd' << 8);
    /* files */
    if (!rc && !needs->files) {
        rc = allow_if(f, CALL(open), 1, writing, O_RDONLY);
        if (!rc)
            rc = allow_if(f, CALL(openat), 2, writing, O_RDONLY);
    } else if (!rc) {
        rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(open), 0);
        if (!rc)
            rc = seccomp_rule_add(f, SCMP_ACT_ALLOW, CALL(openat), 0);
    }
    /* sockets: none but to the display */
    if (!rc && needs->window)
        rc = allow_if(f, CALL(socket), 0, ALL, AF_UNIX);
    if (!rc)
        rc = allow_if(f, CALL(socketpair), 0, ALL, AF_UNIX);
    return rc;
}

static int fill(scmp_filter_ctx f, const struct sandbox_needs *needs)
{
    int rc = 0;
    size_t n;

    /* 32-bit system calls in a 64-bit process */
    seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list */
    rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!rc)
        rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
    if (!rc)
        rc = allow_all(f, allowed, COUNT(allowed));
    if (!rc && needs->window)
        rc = allow_all(f, for_window, COUNT(for_window));
    if (!rc && (needs->files || needs->remove))
        rc = allow_all(f, removing, COUNT(removing));
    if (!rc)
        rc = allow_some(f, needs);
    for (n = 0; n < COUNT(deadly) && !rc; n++)
        rc = seccomp_rule_add(f, SCMP_ACT_KILL_PROCESS, deadly[n], 0);
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
