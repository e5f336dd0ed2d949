/* native.c - single 32-bit instructions on the host CPU; see native.h.
 *
 * The hard part is that while a test owns FS there is no thread-local storage: between native_enter
 * and restore_fs nothing of the C library may be called, signal handler included.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "native.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

const struct ldt_entry ldt_entries[LDT_COUNT] = {
    [LDT_CODE32] = { .base = CODE_LA, .limit = CODE_SIZE - 1, .code = 1, .big = 1 },
    [LDT_CODE16] = { .base = CODE_LA, .limit = CODE_SIZE - 1, .code = 1 },
    [LDT_DATA32] = { .base = LDT_DATA_BASE, .limit = 0x100 + DATA_SIZE - 0x21, .big = 1 },
    [LDT_DATA16] = { .base = LDT_DATA_BASE, .limit = 0xffff },
    [LDT_DOWN] = { .base = LDT_DATA_BASE, .limit = 0xff, .down = 1, .big = 1 },
    [LDT_RDONLY] = { .base = LDT_DATA_BASE, .limit = 0xffff, .readonly = 1, .big = 1 },
    [LDT_ABSENT] = { .base = LDT_DATA_BASE, .limit = 0xffff, .absent = 1, .big = 1 },
    [LDT_EXONLY] = { .base = CODE_LA, .limit = CODE_SIZE - 1, .code = 1, .readonly = 1, .big = 1 },
};

/* --- the way in and out --- */

#define CTX_LA   0x31000000u
#define CTX_SIZE 0x1000u
#define EXIT_LA  (CODE_LA + CODE_SIZE) /* the page behind the code */

struct ctx {
    uint32_t r[8];                                   /* 00 */
    uint64_t flags;                                  /* 20 */
    uint32_t eip;                                    /* 28: far pointer */
    uint16_t cs;                                     /* 2c */
    uint16_t ss, ds, es, fs, gs;                     /* 2e 30 32 34 36 */
    uint64_t rsp;                                    /* 38: of the caller */
    uint32_t out_r[8];                               /* 40 */
    uint64_t out_flags;                              /* 60 */
    uint16_t out_ss, out_ds, out_es, out_fs, out_gs; /* 68 6a 6c 6e 70 */
};
#define CTX ((volatile struct ctx *)(uintptr_t)CTX_LA)
_Static_assert(offsetof(struct ctx, rsp) == 0x38 && offsetof(struct ctx, out_gs) == 0x70,
               "the assembly below knows the offsets");

void native_enter(void);                               /* load everything and go */
void native_back(void);                                /* where the signal handler returns to */
extern const uint8_t native_exit[], native_exit_end[]; /* copied to EXIT_LA */

__asm__(".pushsection .text\n"
        ".set ctx, 0x31000000\n"
        ".globl native_enter\nnative_enter:\n"
        "push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
        "mov %rsp, ctx+0x38\n"
        "movw ctx+0x30, %ax\nmovw %ax, %ds\n"
        "movw ctx+0x32, %ax\nmovw %ax, %es\n"
        "movw ctx+0x34, %ax\nmovw %ax, %fs\n"
        "movw ctx+0x36, %ax\nmovw %ax, %gs\n"
        "movw ctx+0x2e, %ax\nmovw %ax, %ss\n"
        "movl $ctx+0xf00, %esp\n"
        "pushq ctx+0x20\npopfq\n"
        "movl ctx+0x00, %eax\nmovl ctx+0x04, %ecx\nmovl ctx+0x08, %edx\nmovl ctx+0x0c, %ebx\n"
        "movl ctx+0x14, %ebp\nmovl ctx+0x18, %esi\nmovl ctx+0x1c, %edi\nmovl ctx+0x10, %esp\n"
        "ljmpl *ctx+0x28\n"

        ".globl native_exit\nnative_exit:\n"
        "movl %eax, ctx+0x40\nmovl %ecx, ctx+0x44\nmovl %edx, ctx+0x48\nmovl %ebx, ctx+0x4c\n"
        "movl %esp, ctx+0x50\nmovl %ebp, ctx+0x54\nmovl %esi, ctx+0x58\nmovl %edi, ctx+0x5c\n"
        "movl $ctx+0xf00, %esp\n"
        "pushfq\npopq ctx+0x60\npushq $0x202\npopfq\n"
        "movw %ss, ctx+0x68\nmovw %ds, ctx+0x6a\nmovw %es, ctx+0x6c\nmovw %fs, ctx+0x6e\n"
        "movw %gs, ctx+0x70\n"
        "movl $0x2b, %eax\nmovl %eax, %ss\n"
        "mov ctx+0x38, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n"
        ".globl native_exit_end\nnative_exit_end:\n"

        ".globl native_back\nnative_back:\n"
        "mov ctx+0x38, %rsp\n"
        "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n"
        ".popsection\n");

static struct native_case *batch;
static volatile uint32_t *progress;  /* the case the child is at */
static volatile struct outcome *now; /* where the handler notes what happened */
static volatile int caught;
static uint64_t fs_base;

/* Without errno, which is thread-local. */
static long raw_syscall2(long nr, long a, long b)
{
    long r;

    __asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b) : "rcx", "r11", "memory");
    return r;
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    volatile struct regs *r = &now->regs;
    uint16_t seg;

    (void)sig;
    (void)si;
    if ((g[REG_CSGSFS] & 0xffff) == 0x33) {
        raw_syscall2(SYS_exit_group, 3, 0); /* our own code */
    }
    r->r[EAX] = g[REG_RAX];
    r->r[ECX] = g[REG_RCX];
    r->r[EDX] = g[REG_RDX];
    r->r[EBX] = g[REG_RBX];
    r->r[ESP] = g[REG_RSP];
    r->r[EBP] = g[REG_RBP];
    r->r[ESI] = g[REG_RSI];
    r->r[EDI] = g[REG_RDI];
    r->eip = g[REG_RIP];
    r->eflags = g[REG_EFL];
    r->seg[SEG_CS] = g[REG_CSGSFS];
    r->seg[SEG_SS] = (uint64_t)g[REG_CSGSFS] >> 48;
    __asm__ volatile("movw %%ds, %0" : "=r"(seg));
    r->seg[SEG_DS] = seg;
    __asm__ volatile("movw %%es, %0" : "=r"(seg));
    r->seg[SEG_ES] = seg;
    __asm__ volatile("movw %%fs, %0" : "=r"(seg));
    r->seg[SEG_FS] = seg;
    __asm__ volatile("movw %%gs, %0" : "=r"(seg));
    r->seg[SEG_GS] = seg;
    now->vector = g[REG_TRAPNO];
    now->error = now->vector == EXC_PF ? (uint32_t)g[REG_CR2] : (uint32_t)g[REG_ERR];
    caught = 1;
    g[REG_RIP] = (greg_t)(uintptr_t)native_back;
    g[REG_RSP] = CTX_LA + 0xf00;
    g[REG_EFL] = 0x202;
    g[REG_CSGSFS] = 0x33 | (greg_t)((uint64_t)0x2b << 48);
}

/* --- areas, the same in the guest's process --- */

static uint8_t *at(uint32_t la) { return (uint8_t *)(uintptr_t)la; }

void native_place_code(const struct native_case *n)
{
    uint8_t *p = at(CODE_LA) + n->code_off;

    memcpy(p, n->code, n->len);
    p += n->len;
    if (!n->code32)
        *p++ = 0x66;
    *p++ = 0xea; /* far jump to EXIT_LA in 64-bit code */
    store32(p, EXIT_LA);
    store16(p + 4, 0x33);
}

void native_remove_code(void) { memset(at(CODE_LA), 0xcc, CODE_SIZE); }

void native_load_data(const struct native_case *n)
{
    memcpy(at(WIN_A_LA), n->win_a, WIN_A_SIZE);
    memcpy(at(WIN_B_LA), n->win_b, WIN_B_SIZE);
}

/* The first byte of [from, to) that is not zero, which it then is again; 0: none. */
static uint32_t find_stray(uint32_t from, uint32_t to)
{
    uint32_t found = 0;
    uint32_t la;

    for (la = from; la < to; la += 8) {
        if (!load64(at(la)))
            continue;
        if (!found)
            found = la;
        store64(at(la), 0);
    }
    return found;
}

void native_save_data(struct outcome *o)
{
    memcpy(o->win_a, at(WIN_A_LA), WIN_A_SIZE);
    memcpy(o->win_b, at(WIN_B_LA), WIN_B_SIZE);
    o->stray = find_stray(DATA_LA, WIN_A_LA);
    if (!o->stray)
        o->stray = find_stray(WIN_A_LA + WIN_A_SIZE, WIN_B_LA);
    else
        find_stray(WIN_A_LA + WIN_A_SIZE, WIN_B_LA);
}

static bool map_at(uint32_t la, uint32_t size, int prot)
{
    void *p = mmap(at(la), size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    return p == at(la);
}

/* --- the child --- */

static void run_one(struct native_case *n)
{
    struct outcome *o = &n->out;
    unsigned k;

    native_load_data(n);
    native_place_code(n);
    for (k = 0; k < 8; k++)
        CTX->r[k] = n->in.r[k];
    CTX->flags = n->in.eflags;
    CTX->eip = n->in.eip;
    CTX->cs = n->in.seg[SEG_CS];
    CTX->ss = n->in.seg[SEG_SS];
    CTX->ds = n->in.seg[SEG_DS];
    CTX->es = n->in.seg[SEG_ES];
    CTX->fs = n->in.seg[SEG_FS];
    CTX->gs = n->in.seg[SEG_GS];
    now = o;
    caught = 0;
    native_enter();
    raw_syscall2(SYS_arch_prctl, ARCH_SET_FS, fs_base);
    if (!caught) {
        for (k = 0; k < 8; k++)
            o->regs.r[k] = CTX->out_r[k];
        o->regs.eflags = CTX->out_flags;
        o->regs.eip = n->in.eip + n->len;
        o->regs.seg[SEG_CS] = n->in.seg[SEG_CS];
        o->regs.seg[SEG_SS] = CTX->out_ss;
        o->regs.seg[SEG_DS] = CTX->out_ds;
        o->regs.seg[SEG_ES] = CTX->out_es;
        o->regs.seg[SEG_FS] = CTX->out_fs;
        o->regs.seg[SEG_GS] = CTX->out_gs;
        o->vector = -1;
        o->error = 0;
    }
    native_remove_code();
    native_save_data(o);
}

static int make_ldt(void)
{
    unsigned n;

    for (n = 1; n < LDT_COUNT; n++) {
        const struct ldt_entry *e = &ldt_entries[n];
        struct user_desc d;

        memset(&d, 0, sizeof d);
        d.entry_number = n;
        d.base_addr = e->base;
        d.limit = e->limit;
        d.seg_32bit = e->big;
        d.contents = e->code ? 2 : e->down ? 1 : 0;
        d.read_exec_only = e->readonly;
        d.seg_not_present = e->absent;
        d.useable = 1;
        if (syscall(SYS_modify_ldt, 0x11, &d, sizeof d))
            return -errno;
    }
    return 0;
}

/* From here on: read, write, what signals need, and the end. Anything else, 32-bit system calls
 * above all, is fatal. */
static int confine(void)
{
    static struct sock_filter f[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 7),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_read, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog p = { ARRAY_SIZE(f), f };
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p))
        return -errno;
    return 0;
}

static void child(int in, int out)
{
    static uint8_t stack[65536];
    static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t ss = { .ss_sp = stack, .ss_size = sizeof stack };
    uint32_t count;
    unsigned n;
    int rc;

    sigaltstack(&ss, NULL);
    for (n = 0; n < ARRAY_SIZE(sigs); n++)
        sigaction(sigs[n], &sa, NULL);
    raw_syscall2(SYS_arch_prctl, ARCH_GET_FS, (long)&fs_base);
    rc = map_at(CTX_LA, CTX_SIZE, PROT_READ | PROT_WRITE) ? make_ldt() : -ENOMEM;
    if (!rc)
        rc = confine();
    if (write(out, &rc, 4) != 4 || rc)
        _exit(1);
    while (read(in, &count, 4) == 4) {
        for (n = 0; n < count; n++) {
            *progress = n;
            run_one(&batch[n]);
        }
        if (write(out, &count, 4) != 4)
            break;
    }
    _exit(0);
}

/* --- the parent --- */

static int to_child = -1;
static int from_child = -1;
static pid_t pid;

struct native_case *native_start(const char **why)
{
    size_t size = NATIVE_BATCH * sizeof *batch + 64;
    int down[2];
    int up[2];
    int rc;

    *why = NULL;
    batch = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (batch == MAP_FAILED || pipe(down) || pipe(up) || !map_at(DATA_LA, DATA_SIZE, PROT_READ | PROT_WRITE) ||
        !map_at(CODE_LA, CODE_SIZE + PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        *why = "memory below 4 GiB is not to be had";
        return NULL;
    }
    progress = (volatile uint32_t *)(batch + NATIVE_BATCH);
    memset(at(CODE_LA), 0xcc, CODE_SIZE);
    memcpy(at(EXIT_LA), native_exit, native_exit_end - native_exit);
    signal(SIGPIPE, SIG_IGN);
    pid = fork();
    if (pid == 0) {
        close(down[1]);
        close(up[0]);
        child(down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    to_child = down[1];
    from_child = up[0];
    if (pid < 0 || read(from_child, &rc, 4) != 4 || rc) {
        *why = "no child with segments of its own (modify_ldt, seccomp)";
        return NULL;
    }
    return batch;
}

int native_run(unsigned count)
{
    uint32_t n = count;

    if (write(to_child, &n, 4) != 4 || read(from_child, &n, 4) != 4)
        return *progress;
    return -1;
}

void native_stop(void)
{
    close(to_child);
    close(from_child);
    waitpid(pid, NULL, 0);
}
