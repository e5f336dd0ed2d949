/* fpu_host.c - x87, MMX, SSE and SSE2 against the host CPU: every encoding of the instruction table
 * on random and boundary operands, the whole state compared.
 *
 *   fpu_host [-n cases] [-s seed] [-o mnemonic] [-t ulps] [-v]
 *
 * The host runs the instruction's own bytes between FXRSTOR and FXSAVE, with EBX and EDI pointing to
 * a buffer below 4 GiB that the guest sees at the same linear address. Unmasked SSE exceptions are
 * caught as SIGFPE, misaligned operands as SIGSEGV, undefined opcodes as SIGILL. -t: how many units
 * in the last place transcendental functions may be off, for builds with PORTABLE_FPU.
 *
 * Not compared: FIP, FDP, FOP and their selectors (hosts differ). How exceptions are reported later,
 * to instructions that wait, cannot be seen from a program and is tested on its own.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "guest.h"

#include "cpu/fpu/fpu_int.h"

#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

/* --- the host side --- */

struct host_ctx {
    uint8_t fx[512];
    uint64_t ax, cx, dx, bx, di, flags;
    void *code;
} __attribute__((aligned(16)));

void host_run(struct host_ctx *h);
__asm__(".text\n.globl host_run\nhost_run:\n"
        "push %rbx\npush %rbp\npush %r12\nmov %rdi, %r12\n"
        "fxrstor64 (%r12)\n"
        "mov 512(%r12), %rax\nmov 520(%r12), %rcx\nmov 528(%r12), %rdx\nmov 536(%r12), %rbx\n"
        "mov 544(%r12), %rdi\npush 552(%r12)\npopfq\n"
        "call *560(%r12)\n"
        "pushfq\npop 552(%r12)\n"
        "mov %rax, 512(%r12)\nmov %rcx, 520(%r12)\nmov %rdx, 528(%r12)\nmov %rbx, 536(%r12)\n"
        "fxsave64 (%r12)\nfninit\npush $0x1f80\nldmxcsr (%rsp)\nadd $8, %rsp\ncld\n"
        "pop %r12\npop %rbp\npop %rbx\nret\n");

static sigjmp_buf host_jmp;
static struct host_ctx *host_now;

static void on_signal(int sig, siginfo_t *si, void *uc_)
{
    ucontext_t *uc = uc_;

    (void)si;
    if (!host_now)
        _exit(3); /* our own code */
    memcpy(host_now->fx, uc->uc_mcontext.fpregs, 512);
    siglongjmp(host_jmp, sig);
}

static int host_exec(struct host_ctx *h)
{
    static const uint32_t init = 0x1f80;
    int sig;

    host_now = h;
    sig = sigsetjmp(host_jmp, 1);
    if (!sig)
        host_run(h);
    host_now = NULL;
    __asm__ volatile("fninit; ldmxcsr %0" : : "m"(init));
    return sig;
}

#define BUF_LA   0x10000000u
#define BUF_SIZE 0x4000u
static uint8_t *buf;  /* operands */
static uint8_t *code; /* the instruction and a RET, for the host */

static unsigned long cases, failures, encodings;

/* --- operands --- */

static unsigned exponent(unsigned max) /* max: the exponent of infinities */
{
    unsigned bias = max >> 1;

    switch (below(10)) {
    case 0: return 0;
    case 1: return max;
    case 2: return 1 + below(3);
    case 3: return max - 1 - below(3);
    case 4:
    case 5:
    case 6: return bias - 4 + below(9);
    case 7: return (bias - 70 + below(140)) & max;
    case 8: return (below(2) ? bias / 2 : bias + bias / 2) - 3 + below(7);
    default: return below(max + 1);
    }
}

static uint32_t any32(void)
{
    if (below(8) == 0)
        return (uint32_t)rnd_bits(32);
    return (uint32_t)(rnd() & 1) << 31 | exponent(0xff) << 23 | (uint32_t)rnd_bits(23);
}

static uint64_t any64(void)
{
    if (below(8) == 0)
        return rnd_bits(64);
    return (rnd() & 1) << 63 | (uint64_t)exponent(0x7ff) << 52 | rnd_bits(52);
}

static struct f80 any80(void)
{
    struct f80 r;
    unsigned k = below(16);

    r.se = (uint16_t)((rnd() & 1) << 15 | exponent(0x7fff));
    r.m = rnd_bits(64) | (below(16) && (r.se & 0x7fff) ? 1ull << 63 : 0);
    if (k == 0 || k == 1) { /* a float or double near the limits of its format */
        r.se = (uint16_t)((r.se & 0x8000) | (16383 + (k ? 1023 : 127) * (below(2) ? 1 : -1) - 28 + (int)below(56)));
        r.m |= 1ull << 63;
    } else if (k == 2) { /* an integer or near one */
        unsigned e = below(66);
        r.se = (uint16_t)((r.se & 0x8000) | (16382 + e));
        r.m |= 1ull << 63;
        if (e < 64)
            r.m &= ~0ull << (63 - (e ? e - 1 : 0));
        if (below(3) == 0 && e < 63)
            r.m |= 1ull << (62 - e);
    } else if (k == 3) {
        r.m = 0;
        r.se &= 0x8000;
    } else if (k == 4) {
        r.se |= 0x7fff;
        r.m = 1ull << 63 | (below(3) ? 0 : rnd_bits(63));
    }
    return r;
}

static void any_xmm(uint8_t *p)
{
    unsigned how = below(3);

    for (unsigned k = 0; k < 2; k++)
        store64(p + 8 * k, how == 0 ? any64() : how == 1 ? any32() | (uint64_t)any32() << 32 : rnd_bits(64));
}

static void any_memory(uint8_t *p, unsigned n)
{
    unsigned how = below(5);
    struct f80 x;

    for (unsigned k = 0; k < n; k += 8)
        store64(p + k, rnd());
    if (how < 3) {
        any_xmm(p);
        return;
    }
    if (how == 3) {
        x = any80();
        memcpy(p, &x.m, 8);
        memcpy(p + 8, &x.se, 2);
    } else { /* packed BCD */
        for (unsigned k = 0; k < 9; k++)
            p[k] = (uint8_t)(below(10) << 4 | below(10));
        p[9] = (uint8_t)(rnd() & 0x80);
    }
}

static bool unmask; /* allow unmasked exceptions in this case */

static void any_state(uint8_t *fx)
{
    uint16_t cw, sw;
    uint32_t mx;

    memset(fx, 0, 512);
    unmask = below(4) == 0;
    cw = (uint16_t)(0x40 | below(4) << 10 | below(4) << 8 | (below(8) ? 0x3f : 0x3f));
    if (below(3) == 0)
        cw |= 0x300;
    if (unmask)
        cw &= (uint16_t)(~0x3f | rnd());
    sw = (uint16_t)(below(8) << 11 | (rnd() & 0x4700));
    if (below(4) == 0)
        sw |= rnd() & 0x7f & (cw | 0x40);
    store16(fx, cw);
    store16(fx + 2, sw);
    fx[4] = below(4) ? 0xff : (uint8_t)rnd(); /* abridged tag: 1 = in use */
    if (fx[4] == 0xff)
        fx[4] &= (uint8_t) ~(1u << (((sw >> 11) + 7 - below(2)) & 7)); /* room for a push */
    mx = 0x1f80 | (uint32_t)(rnd() & 0x6000);
    if (below(3) == 0)
        mx |= (uint32_t)(rnd() & 0x803f);
    if (below(3) == 0)
        mx |= 0x40;
    if (unmask) /* sticky flags of unmasked exceptions are legal */
        mx &= ~0x1f80u | (uint32_t)rnd();
    store32(fx + 24, mx);
    for (unsigned k = 0; k < 8; k++) {
        struct f80 r = any80();
        if (k && below(6) == 0) { /* related to ST(0): cancellation, ties, equal operands */
            memcpy(&r.m, fx + 32, 8);
            memcpy(&r.se, fx + 40, 2);
            r.m += below(3) ? 0 : rnd_bits(12);
            r.se ^= (uint16_t)(rnd() & 0x8000);
            if ((r.se & 0x7fff) > 70 && (r.se & 0x7fff) < 0x7f00 && below(2))
                r.se = (uint16_t)(r.se - below(70));
        }
        store64(fx + 32 + 16 * k, r.m);
        store16(fx + 40 + 16 * k, r.se);
    }
    for (unsigned k = 0; k < 8; k++) {
        any_xmm(fx + 160 + 16 * k);
        if (k && below(6) == 0)
            memcpy(fx + 160 + 16 * k, fx + 160, 16);
    }
}

/* --- one case --- */

static struct cpu *c;
static unsigned verbose;

static void guest_load(const struct host_ctx *h)
{
    struct fpu *f = &c->fpu;

    memset(f, 0, sizeof *f);
    f->cw = load16(h->fx);
    fpu_set_status(c, load16(h->fx + 2));
    f->empty = (uint8_t)~h->fx[4];
    f->mxcsr = load32(h->fx + 24);
    for (unsigned n = 0; n < 8; n++) {
        ST(n) = (struct f80){ load64(h->fx + 32 + 16 * n), load16(h->fx + 40 + 16 * n) };
        memcpy(&f->xmm[n], h->fx + 160 + 16 * n, 16);
    }
    c->r[EAX] = (uint32_t)h->ax;
    c->r[ECX] = (uint32_t)h->cx;
    c->r[EDX] = (uint32_t)h->dx;
    c->r[EBX] = (uint32_t)h->bx;
    c->r[EDI] = (uint32_t)h->di;
    lf_set_all(c, (uint32_t)h->flags & EFLAGS_ARITH);
}

static void guest_store(struct host_ctx *h)
{
    const struct fpu *f = &c->fpu;

    memset(h, 0, sizeof *h);
    store16(h->fx, f->cw);
    store16(h->fx + 2, fpu_status(c));
    h->fx[4] = (uint8_t)~f->empty;
    store32(h->fx + 24, f->mxcsr);
    for (unsigned n = 0; n < 8; n++) {
        store64(h->fx + 32 + 16 * n, ST(n).m);
        store16(h->fx + 40 + 16 * n, ST(n).se);
        memcpy(h->fx + 160 + 16 * n, &f->xmm[n], 16);
    }
    h->ax = c->r[EAX];
    h->cx = c->r[ECX];
    h->dx = c->r[EDX];
    h->bx = c->r[EBX];
    h->flags = lf_get_all(c);
}

static void show(const char *who, const struct host_ctx *h, const uint8_t *mem, int how)
{
    printf("  %-5s cw %04x sw %04x tag %02x mxcsr %04x ax %08x cx %08x dx %08x fl %03x exc %d\n", who, load16(h->fx),
           load16(h->fx + 2), h->fx[4], load32(h->fx + 24), (unsigned)h->ax, (unsigned)h->cx, (unsigned)h->dx,
           (unsigned)(h->flags & EFLAGS_ARITH), how);
    printf("        ");
    for (unsigned n = 0; n < 8; n++)
        printf("%04x:%016llx%s", load16(h->fx + 40 + 16 * n), (unsigned long long)load64(h->fx + 32 + 16 * n),
               n == 3 ? "\n        " : " ");
    printf("\n        ");
    for (unsigned n = 0; n < 8; n++)
        printf("%016llx%016llx%s", (unsigned long long)load64(h->fx + 168 + 16 * n),
               (unsigned long long)load64(h->fx + 160 + 16 * n), n & 1 ? "\n        " : " ");
    printf("mem %016llx%016llx\n", (unsigned long long)load64(mem + 8), (unsigned long long)load64(mem));
}

#define MEM_AT 0x800u
#define MEM_N  0x240u

/* skip_mem: bytes of the operand that hold pointers (FNSTENV) */
static bool same(const struct host_ctx *a, const struct host_ctx *b, const uint8_t *ma, const uint8_t *mb,
                 unsigned skip_from, unsigned skip_to, uint16_t sw_ignore)
{
    uint8_t fa[512], fb[512];

    memcpy(fa, a->fx, 512);
    memcpy(fb, b->fx, 512);
    for (unsigned k = 0; k < 2; k++) {
        uint8_t *p = k ? fb : fa;
        memset(p + 5, 0, 19);
        memset(p + 28, 0, 4);
        store16(p + 2, load16(p + 2) & ~sw_ignore);
        for (unsigned n = 0; n < 8; n++)
            memset(p + 42 + 16 * n, 0, 6);
        memset(p + 288, 0, 224);
    }
    for (unsigned k = 0; k < MEM_N; k++)
        if ((k < skip_from || k >= skip_to) && ma[k] != mb[k])
            return false;
    return !memcmp(fa, fb, 512) && (uint32_t)a->ax == (uint32_t)b->ax && (uint32_t)a->cx == (uint32_t)b->cx &&
           (uint32_t)a->dx == (uint32_t)b->dx && ((a->flags ^ b->flags) & EFLAGS_ARITH) == 0;
}

/* For -DPORTABLE_FPU: units in the last place that transcendentals may differ by (-t). */
static uint64_t tolerance;

static bool is_transcendental(const char *name)
{
    static const char *const t[] = { "f2xm1", "fyl2x", "fptan", "fpatan", "fyl2xp1", "fsincos", "fsin", "fcos" };
    for (unsigned n = 0; n < ARRAY_SIZE(t); n++)
        if (!strcmp(t[n], name))
            return true;
    return false;
}

/* The part of memory results that is not compared: pointers to instruction and operand. */
struct skip {
    unsigned from, to;
};

/* Operands of an encoding that wants special ones. */
static void special_memory(uint8_t *p, const char *name)
{
    if (!strcmp(name, "ldmxcsr"))
        store32(p, (uint32_t)(rnd() & (below(4) ? 0xffff : 0x1ffff)));
    if (!strcmp(name, "fldenv") || !strcmp(name, "frstor"))
        store16(p, load16(p) | 0x3f);
    if (!strcmp(name, "fxrstor"))
        any_state(p);
}

static void start_state(struct host_ctx *h, uint8_t *mem, const char *name)
{
    unsigned at;

    any_state(h->fx);
    h->ax = (uint32_t)rnd_bits(32);
    h->cx = (uint32_t)rnd_bits(32);
    h->dx = (uint32_t)rnd_bits(32);
    h->bx = BUF_LA + MEM_AT + (below(4) ? 0 : below(16));
    h->di = BUF_LA + MEM_AT + below(64);
    h->flags = 0x202 | (rnd() & EFLAGS_ARITH);
    h->code = code;
    any_memory(mem, MEM_N);
    at = h->bx & 15;
    if (at) {
        uint8_t t[16];

        memcpy(t, mem, 16);
        memcpy(mem + at, t, 16);
    }
    special_memory(mem + at, name);
}

/* What of the stored image may differ; reserved parts of FXSAVE are taken from the guest's side, but
 * the XMM8..XMM15 that only a 64-bit host stores must be untouched there. */
static struct skip stored_image(const char *name, bool o16, unsigned at, const uint8_t *mem, uint8_t *mh,
                                const uint8_t *mg)
{
    struct skip s = { 0, 0 };
    unsigned n;

    if (!strcmp(name, "fnstenv") || !strcmp(name, "fnsave")) {
        s.from = at + (o16 ? 6 : 12);
        s.to = at + (o16 ? 14 : 28);
    }
    if (!strcmp(name, "fxsave")) {
        s.from = 5;
        s.to = 24;
        if (!at) {
            store32(mh + 28, load32(mg + 28));
            for (n = 0; n < 8; n++)
                memcpy(mh + 42 + 16 * n, mg + 42 + 16 * n, 6);
            memcpy(mh + 288, mem + 288, 224);
        }
    }
    return s;
}

/* Take the host's transcendental results where ours are near enough. */
static void tolerate(const struct host_ctx *host, struct host_ctx *guest)
{
    unsigned n;

    for (n = 0; n < 2; n++) {
        const uint8_t *a = host->fx + 32 + 16 * n;
        uint8_t *b = guest->fx + 32 + 16 * n;
        /* the numbers of one sign in their order: the last place counts on from one exponent to the next */
        unsigned __int128 d = ((unsigned __int128)(load16(a + 8) & 0x7fff) << 63) + (load64(a) & INT64_MAX) -
                              (((unsigned __int128)(load16(b + 8) & 0x7fff) << 63) + (load64(b) & INT64_MAX));

        if (!((load16(a + 8) ^ load16(b + 8)) & 0x8000) && (d <= tolerance || -d <= tolerance))
            memcpy(b, a, 10);
    }
}

/* The same for RCPPS and its like: each side may be off by 1.5 * 2^-12 (SDM 2). */
static void tolerate_approximations(const struct host_ctx *host, struct host_ctx *guest)
{
    const uint8_t *a = host->fx + 160;
    uint8_t *b = guest->fx + 160;

    for (; a < host->fx + 288; a += 4, b += 4) {
        uint32_t d = load32(a) - load32(b);

        if ((load32(a) & 0x7f800000) != 0x7f800000 && (d <= 0x2000 || -d <= 0x2000))
            store32(b, load32(a));
    }
}

static void show_case(const uint8_t *bytes, unsigned len, const char *name)
{
    unsigned k;

    printf("%s:", name);
    for (k = 0; k < len; k++)
        printf(" %02x", bytes[k]);
    printf("\n");
}

/* Returns false to stop with this encoding (undefined on the host). */
static bool one(const uint8_t *bytes, unsigned len, const char *name, unsigned *bad)
{
    static const int vec_of[] = { [SIGFPE] = EXC_XM, [SIGSEGV] = EXC_GP, [SIGBUS] = EXC_GP, [SIGILL] = EXC_UD };
    static struct host_ctx start, host, guest;
    static uint8_t mem[MEM_N], mh[MEM_N], mg[MEM_N];
    static struct insn block[2];
    bool transcendental = tolerance && is_transcendental(name);
    struct skip skip;
    int rc;
    int sig;
    int vector;

    start_state(&start, mem, name);
    rc = insn_decode(&block[0], bytes, 15, true, ~0ull);
    memcpy(code, bytes, len);
    code[len] = 0xc3;
    memcpy(buf + MEM_AT, mem, MEM_N);
    host = start;
    sig = host_exec(&host);
    memcpy(mh, buf + MEM_AT, MEM_N);
    cases++;
    if (sig == SIGILL || rc == DECODE_UD) {
        if ((sig == SIGILL) != (rc == DECODE_UD)) {
            show_case(bytes, len, name);
            printf("  host %s, decoder %s\n", sig == SIGILL ? "#UD" : "defined", rc == DECODE_UD ? "#UD" : "defined");
            (*bad)++;
        }
        return false;
    }
    memcpy(buf + MEM_AT, mem, MEM_N);
    guest_load(&start);
    c->eip = 0x1000;
    vector = guest_step(c, block);
    guest_store(&guest);
    memcpy(mg, buf + MEM_AT, MEM_N);
    skip = stored_image(name, bytes[0] == 0x66, start.bx & 15, mem, mh, mg);
    if (transcendental)
        tolerate(&host, &guest);
    if (tolerance && (!strncmp(name, "rcp", 3) || !strncmp(name, "rsqrt", 5)))
        tolerate_approximations(&host, &guest);
    if ((sig ? vec_of[sig] : -1) == vector &&
        same(&host, &guest, mh, mg, skip.from, skip.to, transcendental ? SW_C1 | SF_PE | SF_UE : 0))
        return true;
    if ((*bad)++ < 1 + verbose) {
        show_case(bytes, len, name);
        show("start", &start, mem, 0);
        show("host", &host, mh, sig);
        show("guest", &guest, mg, vector);
    }
    return true;
}

/* --- all encodings --- */

static const char *only;
static unsigned long total = 1700000;
static unsigned long per_encoding;
static unsigned long group_bad;

#define ENCODINGS 850 /* about */

static void repeat(const uint8_t *b, unsigned len, const char *name)
{
    unsigned bad = 0;
    unsigned long n;

    for (n = 0; n < per_encoding; n++)
        if (!one(b, len, name, &bad))
            break;
    if (bad)
        printf("%s %02x %02x: %u of %lu differ\n", name, b[0], b[1], bad, per_encoding);
    group_bad += bad;
}

static void report(const char *name)
{
    if (group_bad)
        printf("FAIL - %s: %lu differences\n", name, group_bad);
    else
        printf("ok - %s\n", name);
    failures += group_bad;
    group_bad = 0;
}

static const char *name_of(const uint8_t *b)
{
    struct insn i;

    insn_decode(&i, b, 15, true, ~0ull);
    return insn_rows[i.row].mnemonic;
}

static void x87_encodings(void)
{
    static const uint8_t env[4][2] = { { 0xd9, 0x33 }, { 0xd9, 0x23 }, { 0xdd, 0x33 }, { 0xdd, 0x23 } };
    unsigned op;
    unsigned m;

    for (op = 0xd8; op <= 0xdf; op++) {
        for (m = 0; m < 8 + 64; m++) {
            uint8_t b[16] = { op, m < 8 ? m << 3 | 3 : 0xc0 + m - 8 };
            bool fisttp = m == 1 && (op == 0xdb || op == 0xdd || op == 0xdf); /* SSE3 */
            const char *name = name_of(b);

            if (fisttp || (only && strcmp(only, name)))
                continue;
            encodings++;
            repeat(b, 2, name);
        }
    }
    for (m = 0; m < 4; m++) { /* 16-bit environments */
        uint8_t b[16] = { 0x66, env[m][0], env[m][1] };

        if (!only || !strcmp(only, name_of(b)))
            repeat(b, 3, name_of(b));
    }
}

static bool ours(const struct insn_row *r) { return r->map == MAP_P2 && (r->cls == CLS_SIMD || r->cls == CLS_FPU); }

/* A random encoding of the row; returns its length. */
static unsigned encode(const struct insn_row *r, uint8_t *b)
{
    unsigned kind = r->modrm >> 8;
    bool mem_ok = kind == MRK_ANY || kind == MRK_MEM || kind == MRK_XM || kind == MRK_X;
    bool reg_ok = kind == MRK_ANY || kind == MRK_REG || kind == MRK_XR || kind == MRK_X;
    unsigned len = 0;

    if (r->prefix > PFX_pNP)
        b[len++] = r->prefix == PFX_p66 ? 0x66 : r->prefix == PFX_pF3 ? 0xf3 : 0xf2;
    b[len++] = 0x0f;
    b[len++] = r->opcode;
    if (kind != MRK_NONE) {
        bool mem = mem_ok && (!reg_ok || (rnd() & 1));
        unsigned reg = kind >= MRK_X && kind <= MRK_XR ? r->modrm & 7 : below(8);
        unsigned rm = mem ? 3 : below(8);

        /* general registers: EAX, ECX, EDX only */
        if (opnd_info[r->op[0]].where == W_G || opnd_info[r->op[1]].where == W_G)
            reg %= 3;
        if (!mem && (opnd_info[r->op[0]].where == W_E || opnd_info[r->op[1]].where == W_E))
            rm %= 3;
        b[len++] = reg << 3 | rm | (mem ? 0 : 0xc0);
    }
    if (opnd_info[r->op[1]].where == W_I || opnd_info[r->op[2]].where == W_I)
        b[len++] = below(2) ? below(8) : rnd();
    return len;
}

static void simd_encodings(void)
{
    unsigned n;

    for (n = 1; n < insn_row_count; n++) {
        const struct insn_row *r = &insn_rows[n];
        unsigned bad = 0;
        unsigned long k;

        if (!ours(r) || (only && strcmp(only, r->mnemonic)))
            continue;
        encodings++;
        for (k = 0; k < per_encoding; k++) {
            uint8_t b[16] = { 0 };
            unsigned len = encode(r, b);

            if (!one(b, len, r->mnemonic, &bad))
                break;
        }
        if (bad)
            printf("%s: %u of %lu differ\n", r->mnemonic, bad, per_encoding);
        group_bad += bad;
    }
}

static bool host_has_sse4a(void)
{
    unsigned a, b, c = 0, d;

    return __get_cpuid(0x80000001, &a, &b, &c, &d) && c & bit_SSE4a;
}

/* Prefixes that our table has no instruction for: #UD on the host too, unless a newer instruction
 * has taken the place. */
static void wrong_prefixes(void)
{
    static const uint8_t newer[] = { 0x12, 0x16, 0x18, 0xae };
    static const uint8_t prefix[] = { 0x66, 0xf3, 0xf2 };
    bool sse4a = host_has_sse4a();
    unsigned n;
    unsigned k;

    for (n = 1; n < insn_row_count; n++) {
        const struct insn_row *r = &insn_rows[n];

        if (!ours(r) || r->prefix != PFX_pNP || (only && strcmp(only, r->mnemonic)) ||
            memchr(newer, r->opcode, sizeof newer))
            continue;
        for (k = 0; k < ARRAY_SIZE(prefix); k++) {
            uint8_t b[16] = { prefix[k] };
            struct insn i;
            unsigned bad = 0;
            unsigned len = 1 + encode(r, b + 1);

            if (sse4a && r->opcode == 0x2b && k)
                continue; /* MOVNTSS, MOVNTSD */
            if (insn_decode(&i, b, 15, true, ~0ull) == DECODE_UD)
                one(b, len, r->mnemonic, &bad);
            group_bad += bad;
        }
    }
}

/* --- reporting of pending exceptions, #NM and #UD, FERR#, environments by mode --- */

static unsigned ferr_calls, ferr_level;
static void on_ferr(void *o, int level)
{
    (void)o;
    ferr_calls++;
    ferr_level = level;
}

/* Execute; returns the vector raised, or -1. */
static int step(const char *bytes, unsigned len)
{
    uint8_t b[16] = { 0 };
    static struct insn block[2];
    uint32_t eip = c->eip;
    int vector;

    memcpy(b, bytes, len);
    insn_decode(&block[0], b, 15, true, ~0ull);
    vector = guest_step(c, block);
    if (c->eip == eip + block[0].len)
        c->eip = eip; /* all at the same address, but for those that stay */
    return vector;
}
#define STEP(s) step(s, sizeof(s) - 1)
#define EXPECT(x)                                          \
    do {                                                   \
        cases++;                                           \
        if (!(x)) {                                        \
            printf("line %d: not so: %s\n", __LINE__, #x); \
            group_bad++;                                   \
        }                                                  \
    } while (0)

static void reporting(void)
{
    static const struct cpu_bus bus = { .ferr = on_ferr };

    c->bus = &bus;
    c->eip = 0x1234;
    c->r[EBX] = BUF_LA + MEM_AT;
    fpu_reset(c);
    EXPECT(c->fpu.cw == 0x40 && fpu_tag_word(c) == 0x5555);
    EXPECT(STEP("\xdb\xe3") == -1 && c->fpu.cw == 0x37f && fpu_tag_word(c) == 0xffff);
    /* a zero divide, unmasked: reported by the next waiting instruction */
    store16(buf + MEM_AT, 0x37b);
    EXPECT(STEP("\xd9\x2b") == -1); /* fldcw */
    EXPECT(STEP("\xd9\xe8") == -1 && STEP("\xd9\xee") == -1 && STEP("\xde\xf9") == -1);
    EXPECT((fpu_status(c) & 0x8084) == 0x8084 && ferr_calls == 0);
    EXPECT(STEP("\xd9\xe8") == EXC_MF && STEP("\x9b") == EXC_MF && STEP("\x0f\x77") == EXC_MF);
    EXPECT(STEP("\xdf\xe0") == -1 && c->fpu.fip == 0x1234);
    EXPECT(c->fpu.fop == 0x6f9);
    EXPECT(STEP("\x0f\x58\xc1") == -1); /* SSE does not look */
    /* a store that its unmasked exception suppresses asks memory first, as on hardware */
    EXPECT(STEP("\xdb\xe3") == -1 && STEP("\xd9\xe8") == -1);
    store16(buf + MEM_AT, 0x37e);
    EXPECT(STEP("\xd9\x2b") == -1 && STEP("\xd9\xfa") == -1 && STEP("\xd9\xe0") == -1);
    EXPECT(STEP("\xd9\xfa") == -1 && (fpu_status(c) & 0x81) == 0x81); /* fsqrt of -1 */
    EXPECT(STEP("\xdb\xe2") == -1 && STEP("\xdd\xc0") == -1);
    c->r[EBX] = BUF_LA + BUF_SIZE;
    EXPECT(STEP("\xdf\x13") == EXC_PF && STEP("\xdb\x3b") == EXC_PF && fpu_status(c) == 0x3800);
    c->r[EBX] = BUF_LA + MEM_AT;
    EXPECT(STEP("\xdf\x13") == -1 && (fpu_status(c) & 0x81) == 0x81 && STEP("\xdb\xe2") == -1);
    store16(buf + MEM_AT, 0x37b);
    EXPECT(STEP("\xdb\xe3") == -1 && STEP("\xd9\x2b") == -1 && STEP("\xd9\xe8") == -1);
    EXPECT(STEP("\xd9\xee") == -1 && STEP("\xde\xf9") == -1);
    /* the same with CR0.NE = 0 */
    c->cr0 &= ~CR0_NE;
    c->icount = 0;
    EXPECT(STEP("\xd9\xe8") == -1 && ferr_calls == 1 && ferr_level == 1 && c->eip == 0x1234);
    EXPECT(STEP("\x9b") == -1 && ferr_calls == 1 && c->icount == 2);
    EXPECT((fpu_status(c) & SW_TOP) == 6 << 11);
    fpu_ignore_error(c);
    EXPECT(STEP("\xd9\xe8") == -1 && (fpu_status(c) & SW_TOP) == 5 << 11);
    EXPECT(STEP("\xdb\xe2") == -1 && ferr_calls == 2 && ferr_level == 0);
    EXPECT(!(c->fpu.sw & (SW_ES | SW_B | SW_FERR | SW_IGNNE)));
    c->cr0 |= CR0_NE;
    /* TS, EM, MP */
    c->cr0 |= CR0_TS;
    EXPECT(STEP("\xd9\xe8") == EXC_NM && STEP("\x9b") == -1 && STEP("\x0f\x77") == EXC_NM);
    EXPECT(STEP("\x0f\x58\xc1") == EXC_NM && STEP("\xdf\xe0") == EXC_NM);
    EXPECT(STEP("\x0f\xae\x03") == EXC_NM && STEP("\x0f\xc3\x03") == -1);
    c->cr0 |= CR0_MP;
    EXPECT(STEP("\x9b") == EXC_NM);
    c->cr0 = (c->cr0 & ~(CR0_TS | CR0_MP)) | CR0_EM;
    EXPECT(STEP("\xd9\xe8") == EXC_NM && STEP("\x9b") == -1 && STEP("\x0f\x77") == EXC_UD);
    EXPECT(STEP("\x0f\x58\xc1") == EXC_UD);
    c->cr0 &= ~CR0_EM;
    c->cr4 &= ~CR4_OSFXSR;
    EXPECT(STEP("\x0f\x58\xc1") == EXC_UD && STEP("\x0f\xae\x03") == -1);
    c->cr4 |= CR4_OSFXSR;
    /* an unmasked SIMD exception without OSXMMEXCPT */
    c->fpu.mxcsr = 0x1f00;
    c->fpu.xmm[0].d[0] = 0x7f800001;
    c->cr4 &= ~CR4_OSXMMEXCPT;
    EXPECT(STEP("\xf3\x0f\x58\xc1") == EXC_UD && (c->fpu.mxcsr & 1));
    c->cr4 |= CR4_OSXMMEXCPT;
    EXPECT(STEP("\xf3\x0f\x58\xc1") == EXC_XM && c->fpu.xmm[0].d[0] == 0x7f800001);
    c->fpu.mxcsr = 0x1f80;
    /* environments survive a round trip in all four layouts */
    for (unsigned n = 0; n < 4; n++) {
        bool real = n & 1, o16 = n & 2;
        c->cr0 = (c->cr0 & ~CR0_PE) | (real ? 0 : CR0_PE);
        c->seg[SEG_CS].sel = 0x123;
        EXPECT(STEP("\xdb\xe3") == -1 && STEP("\xd9\xe8") == -1);
        EXPECT((o16 ? STEP("\x66\xdd\x33") : STEP("\xdd\x33")) == -1);
        EXPECT(fpu_tag_word(c) == 0xffff && c->fpu.fip == 0);
        EXPECT((o16 ? STEP("\x66\xdd\x23") : STEP("\xdd\x23")) == -1);
        EXPECT(fpu_tag_word(c) == 0x3fff && ST(0).se == 0x3fff);
        EXPECT(c->fpu.fip + c->fpu.fcs * 16 == (real ? 0x1234 + 0x1230u : 0x1234 + 0x1230u));
        EXPECT(real ? c->fpu.fcs == 0 && c->fpu.fop == 0x1e8 : c->fpu.fcs == 0x123);
    }
    c->cr0 |= CR0_PE;
    c->seg[SEG_CS].sel = 0;
}

int main(int argc, char **argv)
{
    static const int sigs[] = { SIGFPE, SIGSEGV, SIGILL, SIGBUS };
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
    unsigned k;
    int opt;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while ((opt = getopt(argc, argv, "n:s:o:t:v")) != -1) {
        switch (opt) {
        case 'n': total = strtoul(optarg, NULL, 0); break;
        case 's': rnd_seed(strtoull(optarg, NULL, 0)); break;
        case 'o': only = optarg; break;
        case 't': tolerance = strtoull(optarg, NULL, 0); break;
        case 'v': verbose += 3; break;
        default: fprintf(stderr, "usage: fpu_host [-n cases] [-s seed] [-o mnemonic] [-t ulps] [-v]\n"); return 2;
        }
    }
    per_encoding = only ? total : total / ENCODINGS + 1;
    buf = mmap((void *)(uintptr_t)BUF_LA, BUF_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    code = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buf != (void *)(uintptr_t)BUF_LA || code == MAP_FAILED) {
        printf("skip - host floating point: memory below 4 GiB is not to be had\n");
        return 77;
    }
    guest_map(BUF_LA, BUF_SIZE);
    c = guest_create();
    if (!c)
        return 1;
    for (k = 0; k < ARRAY_SIZE(sigs); k++)
        sigaction(sigs[k], &sa, NULL);
    if (!only) {
        reporting();
        report("x87 exceptions, #NM, #UD, FERR#, environments");
    }
    x87_encodings();
    report("x87");
    simd_encodings();
    report("MMX, SSE, SSE2");
    wrong_prefixes();
    report("prefixes without an instruction");
    printf("encodings: %lu, cases: %lu, differences %lu\n", encodings, cases, failures);
    cpu_destroy(c);
    return failures != 0;
}
