/* verify.c - the containment verifier: reads emitted code with Capstone and proves that it cannot get
 * out. It shares nothing with the emitter but struct tb and the addresses of stubs and tables.
 *
 * For every translation, before it can run:
 *   - it decodes from end to end, and direct branches go to instruction starts inside it, or to the
 *     stubs that leave or call out;
 *   - the only indirect branch is the lookup of an EIP in the context's table, in full;
 *   - a memory operand is (a) gs: with 32-bit address size, or R12 plus a register whose upper half is
 *     0 plus a displacement, in a direct context (it hits the window or its guards); (b) a listed field of
 *     struct cpu; (c) [r9 + r8] right after a complete software-TLB probe that allows this size and
 *     direction, with no way in but its own hit and its own search for a page with code;
 *     (d) a string instruction right after the window's base was added to its registers; (e) the
 *     safepoint;
 *   - R12..R15 are never written, R8 and the guest's registers get 64-bit values only where (c) and (d)
 *     allow for it;
 *   - every instruction is on the list of harmless ones.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/verify_int.h"

#include <stdlib.h>

static bool fail(struct checker *v, size_t at, const char *why)
{
    if (!v->wrong) {
        v->wrong = why;
        v->at = at;
    }
    return false;
}

/* --- listed monitor data --- */

struct field {
    size_t at, size;
    bool write;
};
#define FIELD(f, w)                                            \
    {                                                          \
        offsetof(struct cpu, f), sizeof((struct cpu *)0)->f, w \
    }
#define NATIVE(f, w)                                             \
    {                                                            \
        (size_t) NATIVE_OFF(f), sizeof((struct native *)0)->f, w \
    }

static const struct field fields[] = {
    FIELD(eip, true),          FIELD(icount, true),        FIELD(eflags, true),    NATIVE(tmp, true),
    NATIVE(bits, true),        NATIVE(x87_last, true),     NATIVE(mmx_sw, true),   FIELD(cpl, false),
    FIELD(events, false),      FIELD(seg, false),          NATIVE(fpu_off, false), NATIVE(sse_off, false),
    NATIVE(safepoint, false),  NATIVE(icount_stop, false), NATIVE(window, false),  NATIVE(table, false),
    NATIVE(itlb_super, false), NATIVE(itlb_user, false),
};

static bool listed_field(int64_t disp, unsigned size, bool write)
{
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(fields); n++)
        if (disp >= (int64_t)fields[n].at && disp + size <= (int64_t)(fields[n].at + fields[n].size) &&
            (!write || fields[n].write))
            return true;
    return false;
}

/* MOVSD and CMPSD are also SSE2's. */
static bool has_xmm(const cs_x86 *x)
{
    unsigned n;

    for (n = 0; n < x->op_count; n++)
        if (x->operands[n].type == X86_OP_REG && x->operands[n].reg >= X86_REG_XMM0 &&
            x->operands[n].reg <= X86_REG_XMM31)
            return true;
    return false;
}

static bool string_registers(unsigned id, bool *si, bool *di)
{
    switch (id) {
    case X86_INS_MOVSB:
    case X86_INS_MOVSW:
    case X86_INS_MOVSD:
    case X86_INS_CMPSB:
    case X86_INS_CMPSW:
    case X86_INS_CMPSD: *si = *di = true; return true;
    case X86_INS_STOSB:
    case X86_INS_STOSW:
    case X86_INS_STOSD:
    case X86_INS_SCASB:
    case X86_INS_SCASW:
    case X86_INS_SCASD:
        *si = false;
        *di = true;
        return true;
    case X86_INS_LODSB:
    case X86_INS_LODSW:
    case X86_INS_LODSD:
        *si = true;
        *di = false;
        return true;
    }
    return false;
}

/* --- memory operands --- */

/* Capstone takes TEST for a write of its first operand. */
static bool writes(const struct checker *v, size_t n, const cs_x86_op *op)
{
    return (op->access & CS_AC_WRITE) && v->in[n].id != X86_INS_TEST && v->in[n].id != X86_INS_CMP &&
           v->in[n].id != X86_INS_BT;
}

/* Bytes accessed, where Capstone says more: PUNPCKLxx of MMX registers reads four (SDM 2B PUNPCKLBW). */
static unsigned operand_size(const struct checker *v, size_t n, const cs_x86_op *op)
{
    unsigned id = v->in[n].id;
    unsigned reg = x86_of(v, n)->operands[0].reg;

    if ((id == X86_INS_PUNPCKLBW || id == X86_INS_PUNPCKLWD || id == X86_INS_PUNPCKLDQ) && reg >= X86_REG_MM0 &&
        reg <= X86_REG_MM7)
        return 4;
    switch (id) {
    case X86_INS_FNSTSW: return 2;
    case X86_INS_COMISS:
    case X86_INS_UCOMISS: return 4;
    case X86_INS_COMISD:
    case X86_INS_UCOMISD: return 8;
    default: return op->size;
    }
}

/* [r12 + register (scaled) + disp]: eight times a 32-bit value and a displacement reach the window or
 * its guards. */
static bool window_operand(const struct checker *v, x86_reg reg)
{
    if (!v->tb->ctx->direct)
        return false;
    return reg == X86_REG_RAX || reg == X86_REG_RCX || reg == X86_REG_RDX || reg == X86_REG_RBX || reg == X86_REG_RSP ||
           reg == X86_REG_RBP || reg == X86_REG_RSI || reg == X86_REG_RDI || reg == X86_REG_R8;
}

static bool check_memory(struct checker *v, size_t n, const cs_x86_op *op)
{
    const cs_x86 *x = x86_of(v, n);
    const x86_op_mem *m = &op->mem;
    unsigned size;
    bool write;

    if (v->in[n].id == X86_INS_LEA)
        return true; /* no access */
    if (m->segment == X86_REG_GS)
        return v->tb->ctx->direct && x->addr_size == 4 ? true : fail(v, n, "gs: without a 32-bit address");
    if (m->segment != X86_REG_INVALID)
        return fail(v, n, "segment override");
    if (x->addr_size != 8)
        return fail(v, n, "address size");
    if (m->base == X86_REG_R15 && m->index == X86_REG_INVALID)
        return listed_field(m->disp, operand_size(v, n, op), writes(v, n, op))
                   ? true
                   : fail(v, n, "field of struct cpu that is not listed");
    if ((m->index == X86_REG_R12 && m->scale == 1) || m->base == X86_REG_R12)
        return window_operand(v, m->base == X86_REG_R12 ? m->index : m->base)
                   ? true
                   : fail(v, n, "[r12] that may miss the window");
    if (m->base == X86_REG_R14)
        return seq_tlb_load(v, n) || seq_in_code_probe(v, n, 0) || seq_in_code_probe(v, n, 9)
                   ? true
                   : fail(v, n, "TLB access outside a probe");
    if (m->base == X86_REG_R10 && m->index == X86_REG_RCX && seq_in_code_probe(v, n, 10))
        return true;
    if (m->base == X86_REG_R9 && m->index == X86_REG_R8 && m->scale == 1 && m->disp == 0) {
        size_t k = n;

        /* what was prepared before the access: a value brought to R10 */
        if (k && (seq_loads_field(v, k - 1, X86_REG_R10, NATIVE_OFF(tmp)) || is(v, k - 1, "movzx", "r10d, r10w")))
            k--;
        if (k && v->in[k - 1].id == X86_INS_MOV && x86_of(v, k - 1)->operands[0].reg == X86_REG_R10D)
            k--;
        if (!seq_probe_before(v, k, &size, &write))
            return fail(v, n, "[r9 + r8] without a probe");
        for (; k <= n; k++)
            if (k > 0 && v->target[v->in[k].address - v->start])
                return fail(v, n, "a way around the probe");
        if (operand_size(v, n, op) > size || (writes(v, n, op) && !write))
            return fail(v, n, "more than the probe allows");
        return true;
    }
    if (m->base == X86_REG_RSI && m->index == X86_REG_INVALID && m->disp == 0) {
        /* ESI lent as the base for AH..BH */
        if (n < 2 || !is(v, n - 1, "lea", "rsi, [r9 + r8]") || !is(v, n - 2, "mov", "r11, rsi") ||
            !is(v, n + 1, "mov", "rsi, r11") || !seq_probe_before(v, n - 2, &size, &write) || op->size > size ||
            (writes(v, n, op) && !write))
            return fail(v, n, "[rsi] that was not lent");
        return true;
    }
    if ((m->base == X86_REG_R11 || m->base == X86_REG_R10) && m->index == X86_REG_INVALID && m->disp == 0) {
        if (n && seq_loads_field(v, n - 1, m->base, NATIVE_OFF(safepoint)) && v->in[n].id == X86_INS_MOV &&
            !writes(v, n, op) && op->size == 4)
            return true;
        return fail(v, n, "not the safepoint");
    }
    if (seq_lookup_at(v, n))
        return true;
    return fail(v, n, "memory operand of no known kind");
}

/* --- registers --- */

static bool check_registers(struct checker *v, size_t n)
{
    const cs_x86 *x = x86_of(v, n);
    cs_regs read;
    cs_regs written;
    uint8_t nr;
    uint8_t nw;
    unsigned k;

    if (cs_regs_access(v->handle, &v->in[n], read, &nr, written, &nw))
        return fail(v, n, "unknown effect on registers");
    for (k = 0; k < nw; k++) {
        switch (written[k]) {
        case X86_REG_R12:
        case X86_REG_R12D:
        case X86_REG_R12W:
        case X86_REG_R12B:
        case X86_REG_R13:
        case X86_REG_R13D:
        case X86_REG_R13W:
        case X86_REG_R13B:
        case X86_REG_R14:
        case X86_REG_R14D:
        case X86_REG_R14W:
        case X86_REG_R14B:
        case X86_REG_R15:
        case X86_REG_R15D:
        case X86_REG_R15W:
        case X86_REG_R15B:
        case X86_REG_GS:
        case X86_REG_FS:
        case X86_REG_DS:
        case X86_REG_ES:
        case X86_REG_SS: return fail(v, n, "writes a register of the monitor");
        case X86_REG_R8:
            if (v->in[n].address - v->start >= v->tb->start[0])
                return fail(v, n, "64-bit value in R8");
            break;
        case X86_REG_RAX:
        case X86_REG_RDX:
        case X86_REG_RBX:
        case X86_REG_RSP:
        case X86_REG_RBP:
        case X86_REG_RSI:
        case X86_REG_RDI:
        case X86_REG_RCX:
            if (x->op_count < 1 || x->operands[0].type != X86_OP_REG || x->operands[0].reg != written[k])
                break; /* implied (CDQ, MUL, string instructions): their 32-bit forms clear the top */
            if (v->in[n].id == X86_INS_MOV && x->operands[1].type == X86_OP_REG &&
                (x->operands[1].reg == X86_REG_R11 || x->operands[1].reg == X86_REG_R10))
                break; /* given back, or on the way into JRCXZ */
            if (v->in[n].id == X86_INS_SHRX || is(v, n, "lea", "rcx, [r8 + r10]") ||
                is(v, n, "lea", "rsi, [rsi + r10]") || is(v, n, "lea", "rdi, [rdi + r10]") ||
                is(v, n, "lea", "rsi, [r9 + r8]"))
                break;
            return fail(v, n, "64-bit value in a guest register");
        }
    }
    return true;
}

/* --- what may appear at all --- */

static bool harmless_integer(unsigned id)
{
    static const uint16_t ids[] = {
        X86_INS_ADD,       X86_INS_OR,     X86_INS_ADC,   X86_INS_SBB,    X86_INS_AND,   X86_INS_SUB,
        X86_INS_XOR,       X86_INS_CMP,    X86_INS_TEST,  X86_INS_XCHG,   X86_INS_MOV,   X86_INS_LEA,
        X86_INS_NOP,       X86_INS_PAUSE,  X86_INS_INC,   X86_INS_DEC,    X86_INS_NOT,   X86_INS_NEG,
        X86_INS_MUL,       X86_INS_IMUL,   X86_INS_DIV,   X86_INS_IDIV,   X86_INS_ROL,   X86_INS_ROR,
        X86_INS_RCL,       X86_INS_RCR,    X86_INS_SHL,   X86_INS_SAL,    X86_INS_SHR,   X86_INS_SAR,
        X86_INS_SHLD,      X86_INS_SHRD,   X86_INS_BT,    X86_INS_BTS,    X86_INS_BTR,   X86_INS_BTC,
        X86_INS_BSF,       X86_INS_BSR,    X86_INS_BSWAP, X86_INS_MOVZX,  X86_INS_MOVSX, X86_INS_CMPXCHG,
        X86_INS_CMPXCHG8B, X86_INS_XADD,   X86_INS_CBW,   X86_INS_CWDE,   X86_INS_CWD,   X86_INS_CDQ,
        X86_INS_CLC,       X86_INS_STC,    X86_INS_CMC,   X86_INS_LAHF,   X86_INS_SAHF,  X86_INS_PEXT,
        X86_INS_PDEP,      X86_INS_SHRX,   X86_INS_RORX,  X86_INS_MOVNTI, X86_INS_WAIT,  X86_INS_LFENCE,
        X86_INS_MFENCE,    X86_INS_SFENCE, X86_INS_EMMS,  X86_INS_FNSTSW,
    };
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(ids); n++)
        if (ids[n] == id)
            return true;
    return (id >= X86_INS_SETAE && id <= X86_INS_SETS) || (id >= X86_INS_CMOVA && id <= X86_INS_CMOVS);
}

/* x87, MMX, SSE, SSE2: the host's opcode bytes decide, not the disassembler's groups; by (first) byte, (second)
 * range, and which ModRM.reg are allowed with a memory operand and with a register. */
static const struct {
    uint8_t map, first, last, memory, registers;
} harmless_opcodes[] = {
    { 0x00, 0xd8, 0xd8, 0xff, 0xff }, { 0x00, 0xd9, 0xd9, 0xaf, 0xff }, /* no FLDENV, FNSTENV */
    { 0x00, 0xda, 0xdc, 0xff, 0xff }, { 0x00, 0xdd, 0xdd, 0xaf, 0xff }, /* no FRSTOR, FNSAVE */
    { 0x00, 0xde, 0xdf, 0xff, 0xff }, { 0x0f, 0x10, 0x17, 0xff, 0xff }, { 0x0f, 0x28, 0x2f, 0xff, 0xff },
    { 0x0f, 0x50, 0x7f, 0xff, 0xff }, { 0x0f, 0xae, 0xae, 0x0c, 0xe0 }, /* LDMXCSR, STMXCSR, fences */
    { 0x0f, 0xc2, 0xc6, 0xff, 0xff }, { 0x0f, 0xd0, 0xf6, 0xff, 0xff }, { 0x0f, 0xf8, 0xff, 0xff, 0xff },
};

static bool harmless_fpu(const cs_insn *i)
{
    const cs_x86 *x = &i->detail->x86;
    bool map2 = x->opcode[0] == 0x0f;
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(harmless_opcodes); n++)
        if ((harmless_opcodes[n].map != 0) == map2 && x->opcode[map2] >= harmless_opcodes[n].first &&
            x->opcode[map2] <= harmless_opcodes[n].last)
            return (x->modrm < 0xc0 ? harmless_opcodes[n].memory : harmless_opcodes[n].registers) >>
                       (x->modrm >> 3 & 7) &
                   1;
    return false;
}

/* --- the whole --- */

static bool check_branch(struct checker *v, size_t n)
{
    const cs_x86 *x = x86_of(v, n);
    uint64_t to;

    if (x->op_count != 1 || x->operands[0].type != X86_OP_IMM) {
        if (v->in[n].id == X86_INS_JMP && n >= 3 && seq_lookup_at(v, n - 2))
            return true;
        return fail(v, n, "indirect branch that is not the lookup");
    }
    to = (uint64_t)x->operands[0].imm;
    if (to >= v->start && to < v->end) {
        v->target[to - v->start] |= 1;
        return true;
    }
    to -= (uintptr_t)v->bt->cache.rx;
    if (to == v->bt->cache.stub_exit || to == v->bt->cache.stub_detour)
        return true;
    return fail(v, n, "branch to somewhere else");
}

static bool check_insn(struct checker *v, size_t n)
{
    const cs_insn *i = &v->in[n];
    const cs_x86 *x = x86_of(v, n);
    bool si;
    bool di;
    unsigned k;

    if (is_branch(i))
        return true;
    if (string_registers(i->id, &si, &di) && !has_xmm(x))
        return seq_string_ok(v, n, si, di) ? true : fail(v, n, "string instruction outside the window");
    if (!harmless_integer(i->id) && !harmless_fpu(i))
        return fail(v, n, "instruction that is not listed");
    for (k = 0; k < x->op_count; k++)
        if (x->operands[k].type == X86_OP_MEM && !check_memory(v, n, &x->operands[k]))
            return false;
    return check_registers(v, n);
}

struct verifier *verifier_create(void)
{
    struct verifier *v = calloc(1, sizeof *v);

    if (!v)
        return NULL;
    v->checker = malloc(sizeof *v->checker);
    if (!v->checker || cs_open(CS_ARCH_X86, CS_MODE_64, &v->handle) != CS_ERR_OK) {
        free(v->checker);
        free(v);
        return NULL;
    }
    cs_option(v->handle, CS_OPT_DETAIL, CS_OPT_ON);
    return v;
}

void verifier_destroy(struct verifier *v)
{
    if (!v)
        return;
    cs_close(&v->handle);
    free(v->checker);
    free(v);
}

/* All instructions of v->in. */
static void check(struct checker *v)
{
    uint8_t starts[sizeof v->target] = { 0 };
    size_t n;

    for (n = 0; n < v->count; n++) {
        starts[v->in[n].address - v->start] = 1;
        v->index[v->in[n].address - v->start] = (uint16_t)n;
        if (is_branch(&v->in[n]) || v->in[n].id == X86_INS_JRCXZ)
            check_branch(v, n);
    }
    for (n = 0; n < v->tb->size && !v->wrong; n++)
        if (v->target[n] && !starts[n])
            fail(v, 0, "branch into an instruction");
    for (n = 0; n < v->count && !v->wrong; n++)
        check_insn(v, n);
    if (!v->wrong && v->in[v->count - 1].id != X86_INS_JMP)
        fail(v, v->count - 1, "does not end with a jump");
}

const char *verify_tb(struct verifier *verifier, const struct bt *bt, const struct tb *tb, uint32_t *offset)
{
    struct checker *v = verifier->checker;
    const char *text = NULL;
    size_t all;
    uint64_t end;

    memset(v, 0, sizeof *v);
    v->handle = verifier->handle;
    v->bt = bt;
    v->tb = tb;
    v->start = (uintptr_t)bt->cache.rx + tb->code;
    v->end = v->start + tb->size;
    *offset = 0;
    if (tb->size >= sizeof v->target)
        return "too long";
    v->count = cs_disasm(v->handle, bt->cache.rx + tb->code, tb->size, v->start, 0, &v->in);
    if (!v->count)
        return "cannot be decoded";
    end = v->in[v->count - 1].address + v->in[v->count - 1].size;
    if (end != v->end) {
        *offset = (uint32_t)(end - v->start);
        text = "cannot be decoded";
    }
    all = v->count;
    if (!text) {
        if (!bt->opt.bmi2)
            verify_fold(v, v->handle);
        check(v);
    }
    if (v->wrong) {
        *offset = (uint32_t)(v->in[v->at].address - v->start);
        snprintf(verifier->text, sizeof verifier->text, "%s: %s %s", v->wrong, v->in[v->at].mnemonic,
                 v->in[v->at].op_str);
        text = verifier->text;
    }
    cs_free(v->in, all);
    return text;
}
