/* verify_seq.c - the sequences of instructions that the verifier knows: each is matched whole, and nobody may
 * branch into it. Not a line of this is shared with the emitter.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/verify_int.h"

/* Where branch n goes to, if it is inside. */
static bool goes_to(const struct checker *v, size_t n, uint64_t *to)
{
    const cs_x86 *x;

    if (n >= v->count || !(is_branch(&v->in[n]) || v->in[n].id == X86_INS_JRCXZ))
        return false;
    x = x86_of(v, n);
    *to = (uint64_t)x->operands[0].imm;
    return x->op_count == 1 && x->operands[0].type == X86_OP_IMM && *to >= v->start && *to < v->end;
}

/* Nothing but branches a and b goes to instruction n. */
static bool only_from(const struct checker *v, size_t n, size_t a, size_t b)
{
    uint64_t to;
    size_t k;

    for (k = 0; k < v->count; k++)
        if (k != a && k != b && goes_to(v, k, &to) && to == v->in[n].address)
            return false;
    return true;
}

/* mov `reg`, [r14 + r9 * scale + at]. */
static bool loads_tlb(const struct checker *v, size_t n, unsigned reg, int scale, size_t at)
{
    const cs_x86 *x = x86_of(v, n);

    return v->in[n].id == X86_INS_MOV && x->op_count == 2 && x->operands[0].type == X86_OP_REG &&
           x->operands[0].reg == reg && x->operands[1].type == X86_OP_MEM && x->operands[1].mem.base == X86_REG_R14 &&
           x->operands[1].mem.index == X86_REG_R9 && x->operands[1].mem.scale == scale &&
           x->operands[1].mem.disp == (int64_t)at;
}

/* After a miss (the JMP at `miss`): whether the page is one with code that may be written here. Only then
 * it goes back to the hit. n: its first instruction. */
static bool code_probe_at(const struct checker *v, size_t n, size_t miss, size_t hit, unsigned size)
{
    char last_byte[40];
    uint64_t to;
    size_t k;

    if (!n || n + 13 >= v->count || v->in[n - 1].id != X86_INS_JMP)
        return false;
    snprintf(last_byte, sizeof last_byte, size < 10 ? "ecx, [r8 + r10 + %u]" : "ecx, [r8 + r10 + 0x%x]", size);
    if (!loads_tlb(v, n, X86_REG_R10D, 2, offsetof(struct tlb, code_tag)) || !is(v, n + 1, "not", "r10d") ||
        !is(v, n + 2, "lea", last_byte) || !is(v, n + 3, "mov", "r10d, 0xc") ||
        !is(v, n + 4, "shrx", "ecx, ecx, r10d") || v->in[n + 5].id != X86_INS_JRCXZ || !goes_to(v, n + 5, &to) ||
        to != v->in[n + 7].address || v->in[n + 6].id != X86_INS_JMP || !is(v, n + 7, "mov", "r10d, 0xffc") ||
        !is(v, n + 8, "pext", "ecx, r8d, r10d") ||
        !loads_tlb(v, n + 9, X86_REG_R10, 4, offsetof(struct tlb, code_cover)) ||
        !is(v, n + 10, size > 5 ? "mov" : "movzx",
            size == 1   ? "ecx, byte ptr [r10 + rcx]"
            : size <= 5 ? "ecx, word ptr [r10 + rcx]"
                        : "ecx, dword ptr [r10 + rcx]") ||
        size > 13 || v->in[n + 11].id != X86_INS_JRCXZ || !goes_to(v, n + 11, &to) || to != v->in[n + 13].address ||
        v->in[n + 12].id != X86_INS_JMP || !goes_to(v, n + 12, &to) || to != v->in[n + 6].address ||
        v->in[n + 13].id != X86_INS_JMP || !goes_to(v, n + 13, &to) || to != v->in[hit].address)
        return false;
    for (k = 1; k <= 13; k++)
        if (v->target[v->in[n + k].address - v->start] && !only_from(v, n + k,
                                                                     k == 7   ? n + 5
                                                                     : k == 6 ? n + 12
                                                                              : n + 11,
                                                                     miss))
            return false;
    return only_from(v, n, miss, miss);
}

/* The probe of the software TLB that ends right before instruction n: its access size and whether it
 * allows writing. The guest registers it lends are back. */
bool seq_probe_before(struct checker *v, size_t n, unsigned *size, bool *write)
{
    bool direct = v->tb->ctx->direct; /* R12 is the window there: the shift count goes to R10 */
    char want[64];
    const cs_x86 *x;
    size_t first;
    size_t k;
    size_t s;
    uint64_t to;
    int64_t tag;
    int64_t addend;

    if (n < 11 + (size_t)direct)
        return false;
    first = n - 11 - direct;
    if (!is(v, first, "pext", "r9d, r8d, r13d") || !is(v, first + 1, "lea", "r9d, [r9 + r9]"))
        return false;
    x = x86_of(v, first + 2);
    if (v->in[first + 2].id != X86_INS_MOV || x->op_count != 2 || x->operands[0].reg != X86_REG_R10D ||
        x->operands[1].type != X86_OP_MEM || x->operands[1].mem.base != X86_REG_R14 ||
        x->operands[1].mem.index != X86_REG_R9 || x->operands[1].mem.scale != 8)
        return false;
    tag = x->operands[1].mem.disp;
    if (!is(v, first + 3, "not", "r10d") || !is(v, first + 4, "mov", "r11, rcx"))
        return false;
    x = x86_of(v, first + 5);
    if (v->in[first + 5].id != X86_INS_LEA || x->operands[0].reg != X86_REG_ECX ||
        x->operands[1].mem.base != X86_REG_R8 || x->operands[1].mem.index != X86_REG_R10 ||
        x->operands[1].mem.scale != 1 || x->operands[1].mem.disp < 1 || x->operands[1].mem.disp > 511)
        return false;
    *size = (unsigned)x->operands[1].mem.disp;
    s = first + 6;
    if (direct && !is(v, s++, "mov", "r10d, 0xc"))
        return false;
    if (!is(v, s, "shrx", direct ? "ecx, ecx, r10d" : "ecx, ecx, r12d") || v->in[s + 1].id != X86_INS_JRCXZ ||
        v->in[s + 2].id != X86_INS_JMP || !is(v, s + 3, "mov", "rcx, r11"))
        return false;
    snprintf(want, sizeof want, "0x%llx", (unsigned long long)v->in[s + 3].address);
    if (strcmp(v->in[s + 1].op_str, want))
        return false;
    x = x86_of(v, s + 4);
    if (v->in[s + 4].id != X86_INS_MOV || x->operands[0].reg != X86_REG_R9 || x->operands[1].type != X86_OP_MEM ||
        x->operands[1].mem.base != X86_REG_R14 || x->operands[1].mem.index != X86_REG_R9 ||
        x->operands[1].mem.scale != 8)
        return false;
    addend = x->operands[1].mem.disp;
    if (tag == (int64_t)(offsetof(struct tlb, w) + offsetof(struct tlb_entry, tag)) &&
        addend == (int64_t)(offsetof(struct tlb, w) + offsetof(struct tlb_entry, addend)))
        *write = true;
    else if (tag == (int64_t)(offsetof(struct tlb, r) + offsetof(struct tlb_entry, tag)) &&
             addend == (int64_t)(offsetof(struct tlb, r) + offsetof(struct tlb_entry, addend)))
        *write = false;
    else
        return false;
    /* nobody jumps into it but its own hit, and what finds that after all it is one */
    v->code_probe = 0;
    if (*write && goes_to(v, s + 2, &to) && code_probe_at(v, v->index[to - v->start], s + 2, s + 3, *size))
        v->code_probe = v->index[to - v->start] + 13u;
    for (k = first + 1; k <= n; k++)
        if (k != s + 3 && v->target[v->in[k].address - v->start])
            return false;
    return only_from(v, s + 3, s + 1, v->code_probe ? v->code_probe : s + 1);
}

/* Part of a probe: its loads from the TLB itself. Found by looking for the rest around it. */
bool seq_tlb_load(struct checker *v, size_t n)
{
    unsigned size;
    bool write;

    return (n >= 2 && seq_probe_before(v, n + 9 + v->tb->ctx->direct, &size, &write)) ||
           (n >= 10 && seq_probe_before(v, n + 1, &size, &write));
}

/* Instruction n is number `which` of a search for a code page: found by the probe that comes here. */
bool seq_in_code_probe(struct checker *v, size_t n, size_t which)
{
    unsigned size;
    uint64_t to;
    bool write;
    size_t k;

    if (n < which)
        return false;
    for (k = 0; k < v->count; k++)
        if (v->in[k].id == X86_INS_JMP && goes_to(v, k, &to) && to == v->in[n - which].address)
            return seq_probe_before(v, k + 3, &size, &write) && v->code_probe == n - which + 13;
    return false;
}

/* The load from the context's table at n, with all around it. */
bool seq_lookup_at(struct checker *v, size_t n)
{
    char cache[64];
    size_t k;

    snprintf(cache, sizeof cache, "r9d, [r9 + 0x%x]", (unsigned)(uintptr_t)v->bt->cache.rx);
    if (!n || !seq_loads_field(v, n - 1, X86_REG_R9, NATIVE_OFF(table)) ||
        !is(v, n, "mov", "r9d, dword ptr [r9 + r8*4]") || !is(v, n + 1, "lea", cache) || !is(v, n + 2, "jmp", "r9"))
        return false;
    for (k = n; k <= n + 2; k++)
        if (v->target[v->in[k].address - v->start])
            return false;
    return true;
}

bool seq_loads_field(const struct checker *v, size_t n, unsigned reg, size_t at)
{
    const cs_x86 *x;

    if (n >= v->count || v->in[n].id != X86_INS_MOV)
        return false;
    x = x86_of(v, n);
    return x->op_count == 2 && x->operands[0].type == X86_OP_REG && x->operands[0].reg == reg &&
           x->operands[1].type == X86_OP_MEM && x->operands[1].mem.base == X86_REG_R15 &&
           x->operands[1].mem.index == X86_REG_INVALID && x->operands[1].mem.disp == (int64_t)at;
}

/* A string instruction: the window's base was just added. */
bool seq_string_ok(struct checker *v, size_t n, bool si, bool di)
{
    size_t k = n;

    if (!v->tb->ctx->direct)
        return false;
    if (di && (!k || !is(v, --k, "lea", "rdi, [rdi + r10]")))
        return false;
    if (si && (!k || !is(v, --k, "lea", "rsi, [rsi + r10]")))
        return false;
    if (!k || !seq_loads_field(v, k - 1, X86_REG_R10, NATIVE_OFF(window)))
        return false;
    for (; k <= n; k++)
        if (v->target[v->in[k].address - v->start])
            return false;
    /* truncated again at once */
    k = n + 1;
    if (si && !is(v, k++, "mov", "esi, esi"))
        return false;
    return !di || is(v, k, "mov", "edi, edi");
}
