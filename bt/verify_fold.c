/* verify_fold.c - where the host has no BMI2, what stands in for PEXT and SHRX is read as the one instruction it
 * replaces: the sequences around it (verify_seq.c) are then known in one form.
 *
 * A shift of a register's bits: to the left by LEAs of 32 bits (or a MOV), on to the left by LEAs of 64 bits, through
 * native.bits, and back from a number of bytes further up. Nobody branches into it, else it stays what it is.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/verify_int.h"

/* lea dst, [src << n]: n, or 0. */
static unsigned shifting_lea(const struct checker *v, size_t n, unsigned dst, unsigned *src)
{
    const cs_x86 *x;

    if (n >= v->count || v->in[n].id != X86_INS_LEA)
        return 0;
    x = x86_of(v, n);
    if (x->operands[0].reg != dst || x->operands[1].mem.base != X86_REG_INVALID || x->operands[1].mem.disp ||
        x->operands[1].mem.index == X86_REG_INVALID || x->operands[1].mem.scale < 2)
        return 0;
    *src = x->operands[1].mem.index;
    return (unsigned)__builtin_ctz((unsigned)x->operands[1].mem.scale);
}

static unsigned wide(unsigned reg32)
{
    switch (reg32) {
    case X86_REG_ECX: return X86_REG_RCX;
    case X86_REG_R9D: return X86_REG_R9;
    case X86_REG_R10D: return X86_REG_R10;
    default: return X86_REG_INVALID;
    }
}

static unsigned number_of(unsigned reg32)
{
    switch (reg32) {
    case X86_REG_ECX: return 1;
    case X86_REG_R8D:
    case X86_REG_R8: return 8;
    case X86_REG_R9D:
    case X86_REG_R9: return 9;
    case X86_REG_R10D: return 10;
    case X86_REG_RCX: return 1;
    default: return 0;
    }
}

/* mov between `reg` and native.bits + some bytes: which, or -1. */
static int bits_access(const struct checker *v, size_t n, unsigned reg, bool store)
{
    const cs_x86 *x;
    const cs_x86_op *r, *m;

    if (n >= v->count || v->in[n].id != X86_INS_MOV)
        return -1;
    x = x86_of(v, n);
    r = &x->operands[store ? 1 : 0];
    m = &x->operands[store ? 0 : 1];
    if (x->op_count != 2 || r->type != X86_OP_REG || r->reg != reg || m->type != X86_OP_MEM ||
        m->mem.base != X86_REG_R15 || m->mem.index != X86_REG_INVALID || m->mem.disp < NATIVE_OFF(bits) ||
        m->mem.disp > NATIVE_OFF(bits) + (store ? 0 : 4))
        return -1;
    return (int)(m->mem.disp - NATIVE_OFF(bits));
}

struct shift {
    unsigned dst, src; /* numbers */
    unsigned low, count;
    size_t length; /* instructions */
};

/* Whether one begins at n. */
static bool shift_at(const struct checker *v, size_t n, struct shift *s)
{
    const cs_x86 *x = x86_of(v, n);
    unsigned dst, from, src, up = 0, more = 0, step;
    size_t k = n;
    int bytes;

    if (x->op_count != 2 || x->operands[0].type != X86_OP_REG || !wide(dst = x->operands[0].reg))
        return false;
    if (v->in[n].id == X86_INS_MOV && x->operands[1].type == X86_OP_REG && x->operands[1].size == 4) {
        src = x->operands[1].reg;
        k++;
    } else {
        up = shifting_lea(v, k++, dst, &src);
        if (!up)
            return false;
        while ((step = shifting_lea(v, k, dst, &from)) && from == wide(dst)) {
            up += step;
            k++;
        }
    }
    while ((step = shifting_lea(v, k, wide(dst), &from)) && from == wide(dst)) {
        more += step;
        k++;
    }
    if (bits_access(v, k, wide(dst), true) < 0)
        return false;
    bytes = bits_access(v, k + 1, dst, false);
    if (bytes < 0 || (unsigned)bytes * 8 < more + up || more > 7)
        return false;
    s->dst = number_of(dst);
    s->src = number_of(src);
    s->low = (unsigned)bytes * 8 - more - up;
    s->count = 32 - s->low - up;
    s->length = k + 2 - n;
    return s->src && s->low + up < 32;
}

/* The BMI2 instruction that does the same: dst = src >> count, or bits of src. Its third register is the one that holds
 * the count or the mask. */
static bool replacement(const struct checker *v, size_t n, const struct shift *s, uint8_t *b)
{
    uint32_t mask = (uint32_t)(((1ull << s->count) - 1) << s->low);
    size_t before = n > 1 && is(v, n - 1, "mov", "r11, rcx") ? n - 2 : n - 1;
    const cs_x86 *x = n ? x86_of(v, before) : NULL;
    bool loaded =
        x && v->in[before].id == X86_INS_MOV && x->operands[0].reg == X86_REG_R10D && x->operands[1].type == X86_OP_IMM;
    uint32_t value = loaded ? (uint32_t)x->operands[1].imm : 0;
    bool shrx = s->low + s->count == 32;
    unsigned third;

    if (shrx && loaded && value == s->low)
        third = 10;
    else if (shrx && s->low == PAGE_SHIFT && !v->tb->ctx->direct)
        third = 12;
    else if (!shrx && mask == (TLB_SIZE - 1) << PAGE_SHIFT)
        third = 13;
    else if (!shrx && loaded && value == mask)
        third = 10;
    else
        return false;
    /* VEX.0F38: shrx dst, src, third is F7 with the count in vvvv; pext dst, src, third is F5 with src there */
    b[0] = 0xc4;
    b[1] = (uint8_t)((s->dst < 8) << 7 | 1 << 6 | ((shrx ? s->src : third) < 8) << 5 | 2);
    b[2] = (uint8_t)((~(shrx ? third : s->src) & 15) << 3 | (shrx ? 3 : 2));
    b[3] = shrx ? 0xf7 : 0xf5;
    b[4] = (uint8_t)(0xc0 | (s->dst & 7) << 3 | ((shrx ? s->src : third) & 7));
    return true;
}

static bool branched_into(const struct checker *v, size_t n, size_t length)
{
    size_t k, j;

    for (k = 0; k < v->count; k++) {
        const cs_x86 *x = x86_of(v, k);

        if (!is_branch(&v->in[k]) && v->in[k].id != X86_INS_JRCXZ)
            continue;
        for (j = n + 1; j < n + length; j++)
            if (x->operands[0].type == X86_OP_IMM && (uint64_t)x->operands[0].imm == v->in[j].address)
                return true;
    }
    return false;
}

void verify_fold(struct checker *v, csh capstone)
{
    size_t n;

    for (n = 0; n < v->count; n++) {
        struct shift s;
        uint8_t code[5];
        cs_insn *one;
        cs_insn *first = &v->in[n];
        cs_insn spare[40];
        size_t k;
        uint16_t size = 0;

        if (!shift_at(v, n, &s) || s.length > ARRAY_SIZE(spare) || !replacement(v, n, &s, code) ||
            branched_into(v, n, s.length) || cs_disasm(capstone, code, sizeof code, first->address, 1, &one) != 1)
            continue;
        for (k = 0; k < s.length; k++)
            size = (uint16_t)(size + v->in[n + k].size);
        one->size = size;
        { /* its description into what the first one had */
            cs_detail *detail = first->detail;

            *detail = *one->detail;
            *first = *one;
            first->detail = detail;
        }
        cs_free(one, 1);
        /* the rest goes behind the end, from where it is freed */
        memcpy(spare, first + 1, (s.length - 1) * sizeof *spare);
        memmove(first + 1, first + s.length, (v->count - n - s.length) * sizeof *first);
        memcpy(&v->in[v->count - s.length + 1], spare, (s.length - 1) * sizeof *spare);
        v->count -= s.length - 1;
    }
}
