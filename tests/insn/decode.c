/* decode.c - the decoder against Capstone: every one- and two-byte opcode with all 256 following
 * bytes, under the prefixes that matter, in 16- and 32-bit code. Instruction name, length, every
 * operand and where its bytes stand must be the same; what may differ is listed in departures.def and explained in
 * departures.md, and a line there that excuses nothing is an error too.
 *
 *   decode [-d | -m] [-e N]
 *     -d  print every kind of difference, excused or not
 *     -m  print departures.md
 *     -e  a sample: of the bytes that follow an opcode each N-th
 *
 * Also prints which rows of the instruction table were reached; one that never is fails the test.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "decode.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- prefixes --- */

static const struct prefix {
    uint8_t n;
    uint8_t b[4];
} prefixes[] = {
    { 0, { 0 } },
    { 1, { 0x66 } },
    { 1, { 0x67 } },
    { 2, { 0x66, 0x67 } },
    { 1, { 0xf2 } },
    { 1, { 0xf3 } },
    { 1, { 0xf0 } },
    { 1, { 0x26 } },
    { 1, { 0x2e } },
    { 1, { 0x36 } },
    { 1, { 0x3e } },
    { 1, { 0x64 } },
    { 1, { 0x65 } },
    { 2, { 0x66, 0xf2 } },
    { 2, { 0x66, 0xf3 } },
    { 2, { 0xf2, 0x66 } },
    { 2, { 0xf3, 0x66 } },
    { 2, { 0xf0, 0x66 } },
    { 2, { 0xf0, 0x67 } },
    { 3, { 0xf0, 0x66, 0x67 } },
    { 2, { 0x67, 0xf2 } },
    { 2, { 0x67, 0xf3 } },
    { 3, { 0x66, 0x67, 0xf3 } },
    { 2, { 0xf0, 0xf2 } },
    { 2, { 0xf0, 0xf3 } },
    { 2, { 0x26, 0x67 } },
    { 2, { 0x2e, 0x67 } },
    { 2, { 0x36, 0x67 } },
    { 2, { 0x3e, 0x67 } },
    { 2, { 0x64, 0x67 } },
    { 2, { 0x65, 0x67 } },
    { 2, { 0x64, 0x66 } },
    { 2, { 0x36, 0xf3 } },
    { 2, { 0x2e, 0x64 } },
    { 2, { 0xf2, 0xf3 } },
    { 2, { 0xf3, 0xf2 } },
    { 2, { 0x66, 0x66 } },
};

/* --- departures --- */

static csh handle[2]; /* 16- and 32-bit code */
static cs_insn *scratch;

static bool cs_decode(unsigned bits, const uint8_t *p, uint64_t address, cs_insn *out)
{
    size_t left = 15;

    return cs_disasm_iter(handle[bits == 32], &p, &left, &address, out);
}

/* Decode again without the prefixes in `drop`; false if it is undefined then too. *dropped: how
 * many bytes went. */
static bool ours_without(const struct encoding *e, const char *drop, struct insn *i, unsigned *dropped)
{
    uint8_t b[sizeof e->b];
    unsigned n = 0;
    unsigned k;

    memset(b, 0, sizeof b);
    for (k = 0; k < sizeof b; k++)
        if (k >= e->prefix_len || !memchr(drop, e->b[k], strlen(drop)))
            b[n++] = e->b[k];
    *dropped = sizeof b - n;
    return insn_decode(i, b, 15, e->bits == 32, ~0ull) == DECODE_OK;
}

static bool when_always(const struct encoding *e)
{
    (void)e;
    return true;
}

/* Without LOCK both agree on the length and the name. */
static bool when_lock_only(const struct encoding *e)
{
    struct encoding t = *e;
    unsigned dropped;

    if (!ours_without(e, "\xf0", &t.i, &dropped))
        return false;
    t.row = &insn_rows[t.i.row];
    return t.i.len + dropped == e->cs->size && names_equal(&t);
}

/* Without 66, F2 and F3 it is the SIMD instruction that Capstone sees. */
static bool when_mandatory_ignored(const struct encoding *e)
{
    static const char *const drops[] = { "\x66", "\xf2\xf3", "\x66\xf2\xf3" };
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(drops); n++) {
        struct encoding t = *e;
        unsigned dropped;

        if (!ours_without(e, drops[n], &t.i, &dropped) || !dropped)
            continue;
        t.row = &insn_rows[t.i.row];
        if ((t.row->attr & A_NOO) && t.row->prefix != PFX_pAny && names_equal(&t) && t.i.len + dropped == e->cs->size)
            return true;
    }
    return false;
}

static bool when_mandatory_ignored_lock(const struct encoding *e)
{
    struct encoding t = *e;
    unsigned k;
    unsigned n = 0;
    cs_insn whole = *e->cs;

    for (k = 0; k < sizeof t.b; k++)
        if (k >= e->prefix_len || e->b[k] != 0xf0)
            t.b[n++] = e->b[k];
    t.prefix_len -= sizeof t.b - n;
    whole.size -= sizeof t.b - n;
    t.cs = &whole;
    return when_mandatory_ignored(&t);
}

static bool when_fence_rm(const struct encoding *e) { return (e->modrm & 7) != 0 && e->modrm >= 0xe8; }

static bool when_target_truncated(const struct encoding *e)
{
    struct operand o[4];

    our_operands(e, o);
    return (o[0].imm & 0xffff) == (uint64_t)e->cs->detail->x86.operands[0].imm;
}

static bool when_target_low(const struct encoding *e)
{
    struct operand o[4];

    our_operands(e, o);
    return !((o[0].imm ^ (uint32_t)e->cs->detail->x86.operands[0].imm) & 0xffff);
}

static bool when_target_whole(const struct encoding *e)
{
    return (uint32_t)e->cs->detail->x86.operands[0].imm == ADDRESS + e->i.len + e->i.imm;
}

static bool when_o32(const struct encoding *e) { return e->i.flags & IF_O32; }

enum { any, mem, reg };

static struct departure {
    unsigned diff;
    uint8_t bits, map, first, last, mod;
    int regno;
    uint32_t prefixes;
    bool (*when)(const struct encoding *e);
    const char *names;
    const char *why;
    unsigned long count;
} departures[] = {
#define DEPARTURE(diff, bits, map, first, last, mod, regno, prefixes, when, names, why) \
    { diff, bits, map, first, last, mod, regno, prefixes, when, names, why, 0 },
#define ON_AMD(what, why)
#include "departures.def"
#undef DEPARTURE
#undef ON_AMD
};

static const struct {
    const char *what, *why;
} on_amd[] = {
#define DEPARTURE(...)
#define ON_AMD(what, why) { what, why },
#include "departures.def"
#undef DEPARTURE
#undef ON_AMD
};

static bool name_listed(const char *list, const char *name)
{
    size_t n = strlen(name);
    const char *p;

    for (p = strstr(list, name); p; p = strstr(p + 1, name))
        if ((p == list || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

static bool excused(const struct encoding *e)
{
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(departures); n++) {
        struct departure *d = &departures[n];

        if ((e->diff & ~d->diff) || (d->bits && d->bits != e->bits) || d->map != e->map || e->opcode < d->first ||
            e->opcode > d->last || (d->mod == mem && e->modrm >= 0xc0) || (d->mod == reg && e->modrm < 0xc0) ||
            (d->regno >= 0 && d->regno != (e->modrm >> 3 & 7)) || (e->flags & d->prefixes) != d->prefixes ||
            (d->names && !name_listed(d->names, cs_name(e))) || !d->when(e))
            continue;
        d->count++;
        return true;
    }
    return false;
}

/* --- the runs --- */

static bool simd_opcode[256]; /* of the two-byte map: operand size does not matter */
static unsigned long *row_hits;
static bool dump;

/* What kinds of differences there are, for -d and for the report of failures. */
struct kind {
    uint16_t opcode;
    uint8_t diff;
    bool excused;
    char ours[20], cs[32];
    unsigned long count;
    struct encoding first;
    char text[160];
    unsigned cs_size;
};
static struct kind *kinds;
static unsigned kind_count;

static void note(const struct encoding *e, bool ok)
{
    const char *ours = e->rc == DECODE_OK ? e->row->mnemonic : "-";
    const char *cs = e->cs_ok ? e->cs->mnemonic : "-";
    uint16_t opcode = e->map << 8 | e->opcode;
    struct kind *k;
    unsigned n;

    for (n = kind_count; n-- > 0;) {
        k = &kinds[n];
        if (k->opcode == opcode && k->diff == e->diff && k->excused == ok && !strcmp(k->ours, ours) &&
            !strncmp(k->cs, cs, sizeof k->cs - 1)) {
            k->count++;
            return;
        }
    }
    if (kind_count == 4096)
        return;
    k = &kinds[kind_count++];
    memset(k, 0, sizeof *k);
    k->opcode = opcode;
    k->diff = e->diff;
    k->excused = ok;
    k->count = 1;
    k->first = *e;
    k->cs_size = e->cs_ok ? e->cs->size : 0;
    snprintf(k->ours, sizeof k->ours, "%s", ours);
    snprintf(k->cs, sizeof k->cs, "%s", cs);
    snprintf(k->text, sizeof k->text, "%s", e->cs_ok ? e->cs->op_str : "");
}

static void print_kinds(void)
{
    static const char *const names[] = { "we accept", "Capstone accepts", "length", "name", "operands", "layout" };
    unsigned n;
    unsigned k;

    for (n = 0; n < kind_count; n++) {
        const struct kind *p = &kinds[n];

        if (p->excused && !dump)
            continue;
        printf("%s%s%02x x%lu:", p->excused ? "(excused) " : "", p->opcode >> 8 ? "0f " : "", p->opcode & 0xff,
               p->count);
        for (k = 0; k < ARRAY_SIZE(names); k++)
            if (p->diff >> k & 1)
                printf(" %s", names[k]);
        printf("; %u-bit code", p->first.bits);
        for (k = 0; k < 12; k++)
            printf(" %02x", p->first.b[k]);
        printf("; ours %s (%u bytes), Capstone %s %s (%u bytes)\n", p->ours,
               p->first.rc == DECODE_OK ? p->first.i.len : 0, p->cs, p->text, p->cs_size);
    }
}

/* The same instruction for Capstone, which minds the order of prefixes where the CPU does not (SDM
 * 2A 2.1.1) and in 16-bit code mixes up 66, F2 and F3 before SIMD opcodes: LOCK, the last segment
 * override, the last of F2 and F3, 67, 66. Before a SIMD opcode 66 goes if F2 or F3 is there (they
 * decide), and 16-bit code is turned into the 32-bit code that has 67 where it has not: nothing else
 * depends on the default size there. Returns how many bytes shorter it is. */
static int canonical(const struct encoding *e, bool simd, uint8_t *b)
{
    uint8_t seg = 0;
    uint8_t rep = 0;
    unsigned n = 0;
    unsigned k;

    for (k = 0; k < e->prefix_len; k++) {
        uint8_t p = e->b[k];

        if (p == 0xf2 || p == 0xf3)
            rep = p;
        else if (p < 0x40 || p == 0x64 || p == 0x65)
            seg = p;
    }
    if (e->flags & IF_LOCK)
        b[n++] = 0xf0;
    if (seg)
        b[n++] = seg;
    if (rep && !simd)
        b[n++] = rep;
    if (((e->flags & IF_67) != 0) ^ (simd && e->bits == 16))
        b[n++] = 0x67;
    if ((e->flags & IF_66) && !(simd && rep))
        b[n++] = 0x66;
    if (rep && simd)
        b[n++] = rep;
    memcpy(b + n, e->b + e->prefix_len, 18);
    return (int)e->prefix_len - (int)n;
}

static bool compare(struct encoding *e)
{
    uint8_t b[32];
    bool simd;
    bool ok;
    int shorter;

    memset(&e->i, 0, sizeof e->i);
    e->rc = insn_decode(&e->i, e->b, 15, e->bits == 32, ~0ull);
    e->row = &insn_rows[e->i.row];
    e->cs = scratch;
    simd = e->map == MAP_P2 && simd_opcode[e->opcode];
    shorter = canonical(e, simd, b);
    e->cs_ok = cs_decode(simd ? 32 : e->bits, b, ADDRESS + shorter, scratch);
    scratch->size += shorter;
    if (e->rc == DECODE_OK)
        row_hits[e->i.row]++;
    e->diff = 0;
    if (e->rc != DECODE_OK)
        e->diff = e->cs_ok ? D_CS : 0;
    else if (!e->cs_ok)
        e->diff = D_OURS;
    else
        e->diff = (scratch->size != e->i.len ? D_LENGTH : 0) | (names_equal(e) ? 0 : D_NAME) |
                  (operands_equal(e) ? 0 : D_OPERANDS);
    if (e->rc == DECODE_OK && !e->diff && !layout_equal(e))
        e->diff = D_LAYOUT;
    if (!e->diff)
        return true;
    ok = excused(e);
    if (dump || !ok)
        note(e, ok);
    return ok;
}

static void set_prefix(struct encoding *e, const struct prefix *p)
{
    unsigned n;

    memcpy(e->b, p->b, p->n);
    e->prefix_len = p->n;
    e->flags = 0;
    for (n = 0; n < p->n; n++) {
        switch (p->b[n]) {
        case 0x66: e->flags |= IF_66; break;
        case 0x67: e->flags |= IF_67; break;
        case 0xf0: e->flags |= IF_LOCK; break;
        case 0xf2: e->flags |= IF_REPNE; break;
        case 0xf3: e->flags |= IF_REP; break;
        default: e->flags |= IF_SEGOVR; break;
        }
    }
}

static unsigned long cases;

/* One opcode and ModRM byte: with every SIB byte of `sibs` if there is one. */
static unsigned long try(struct encoding *e, const uint8_t *sibs, unsigned sib_count)
{
    static const uint8_t tails[2][12] = {
        { 0x91, 0xa2, 0xb3, 0xc4, 0xd5, 0xe6, 0xf7, 0x98, 0x89, 0xaa, 0xbb, 0xcc },
        { 0x12, 0x23, 0x34, 0x45, 0x56, 0x67, 0x78, 0x09, 0x1a, 0x2b, 0x3c, 0x4d },
    };
    bool has_sib = e->modrm < 0xc0 && (e->modrm & 7) == 4;
    unsigned long bad = 0;
    unsigned at = e->prefix_len;
    unsigned s;

    if (e->map == MAP_P2)
        e->b[at++] = 0x0f;
    e->b[at++] = e->opcode;
    e->b[at++] = e->modrm;
    for (s = 0; s < (has_sib ? sib_count : 1); s++) {
        unsigned n = at;

        if (has_sib)
            e->b[n++] = sibs[s];
        memcpy(e->b + n, tails[(e->modrm + e->opcode + e->prefix_len + s) & 1], 12);
        cases++;
        if (!compare(e))
            bad++;
    }
    return bad;
}

static unsigned every = 1; /* ModRM bytes of an opcode: each n-th (-e) */

static unsigned long run_map(unsigned bits, unsigned map)
{
    static const uint8_t sibs[] = { 0x24, 0x25, 0x65, 0x8d, 0xf7, 0x05, 0x44, 0xe4 };
    static const uint8_t not_opcodes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f };
    struct encoding e = { .bits = bits, .map = map };
    unsigned long bad = 0;
    unsigned p;
    unsigned op;
    unsigned m;

    for (p = 0; p < ARRAY_SIZE(prefixes); p++) {
        set_prefix(&e, &prefixes[p]);
        for (op = 0; op < 256; op++) {
            if (map == MAP_P1 && memchr(not_opcodes, op, sizeof not_opcodes))
                continue;
            e.opcode = op;
            for (m = (op + p) % every; m < 256; m += every) {
                e.modrm = m;
                bad += try(&e, sibs, ARRAY_SIZE(sibs));
            }
        }
    }
    return bad;
}

/* Every ModRM and SIB byte of one instruction, with and without an address-size prefix. */
static unsigned long run_addresses(unsigned bits)
{
    static const struct prefix none = { 0, { 0 } };
    static const struct prefix a67 = { 1, { 0x67 } };
    struct encoding e = { .bits = bits, .map = MAP_P1, .opcode = 0x8b };
    uint8_t sibs[256];
    unsigned long bad = 0;
    unsigned m;

    for (m = 0; m < 256; m++)
        sibs[m] = m;
    for (m = 0; m < 512; m++) {
        set_prefix(&e, m & 256 ? &a67 : &none);
        e.modrm = m;
        bad += try(&e, sibs, 256);
    }
    return bad;
}

static bool report(const char *name, unsigned long bad, const char *what)
{
    if (bad)
        printf("FAIL - %s: %lu %s\n", name, bad, what);
    else
        printf("ok - %s\n", name);
    return bad == 0;
}

static bool check_departures(void)
{
    unsigned long bad = 0;
    unsigned n;

    for (n = 0; n < ARRAY_SIZE(departures); n++) {
        const struct departure *d = &departures[n];

        printf("departure %s%02x..%02x: %lu encodings; %s%s%s\n", d->map ? "0f " : "", d->first, d->last, d->count,
               d->names ? d->names : "", d->names ? ": " : "", d->why);
        bad += !d->count;
    }
    return report("departures all in use", bad, "lines excuse nothing");
}

static bool check_rows(void)
{
    unsigned hit = 0;
    unsigned n;

    for (n = 1; n < insn_row_count; n++) {
        hit += row_hits[n] != 0;
        if (!row_hits[n])
            printf("row never reached: %s (%s%02x)\n", insn_rows[n].mnemonic, insn_rows[n].map == MAP_P2 ? "0f " : "",
                   insn_rows[n].opcode);
    }
    printf("rows: %u, decoded %u\n", insn_row_count - 1, hit);
    return report("table rows all reached", insn_row_count - 1 - hit, "never");
}

static void print_markdown(void)
{
    unsigned n;

    printf("# Where the decoder departs from Capstone\n\n"
           "Printed by `decode -m` from departures.def; do not edit. Everything not listed here\n"
           "must agree in length, name, and operands.\n\n"
           "Two rules are no departures but part of the comparison: Capstone minds the order of\n"
           "prefixes, so it is shown the instruction with its prefixes in one fixed order, without\n"
           "those that another one overrides, and for SIMD opcodes in 16-bit code, where it mixes\n"
           "up the prefixes, the equivalent 32-bit encoding; and names that only spell a size\n"
           "(MOVS, MOVSB) or an immediate (CMPPS, CMPLTPS) count as equal.\n\n"
           "| opcode | form | code | difference | Capstone's name | reason |\n"
           "|---|---|---|---|---|---|\n");
    for (n = 0; n < ARRAY_SIZE(departures); n++) {
        const struct departure *d = &departures[n];
        static const char *const mods[] = { "", "memory", "register" };

        printf("| %s%02X", d->map ? "0F " : "", d->first);
        if (d->last != d->first)
            printf("..%02X", d->last);
        if (d->regno >= 0)
            printf(" /%d", d->regno);
        printf(" | %s%s%s%s | %s | %s%s%s%s%s | %s | %s |\n", mods[d->mod], d->prefixes & IF_LOCK ? " LOCK" : "",
               d->prefixes & IF_66 ? " 66" : "",
               d->prefixes & IF_REP     ? " F3"
               : d->prefixes & IF_REPNE ? " F2"
                                        : "",
               d->bits == 16   ? "16"
               : d->bits == 32 ? "32"
                               : "",
               d->diff & D_OURS ? "only ours " : "", d->diff & D_CS ? "only Capstone's " : "",
               d->diff & D_LENGTH ? "length " : "", d->diff & D_NAME ? "name " : "",
               d->diff & D_OPERANDS ? "operands" : "", d->names ? d->names : "", d->why);
    }
    printf("\n# Where CPUs of AMD are allowed to answer otherwise than Intel's\n\n"
           "The interpreter does what Intel's CPUs do. When the host is one of AMD, `host` and\n"
           "`fpu_host` take these for granted (host_amd.c); all else must agree.\n\n"
           "| instruction | difference |\n"
           "|---|---|\n");
    for (n = 0; n < ARRAY_SIZE(on_amd); n++)
        printf("| %s | %s |\n", on_amd[n].what, on_amd[n].why);
}

int main(int argc, char **argv)
{
    bool ok = true;
    unsigned n;
    int opt;

    while ((opt = getopt(argc, argv, "dme:")) != -1) {
        switch (opt) {
        case 'd': dump = true; break;
        case 'm': print_markdown(); return 0;
        case 'e': every = strtoul(optarg, NULL, 0) ? (unsigned)strtoul(optarg, NULL, 0) : 1; break;
        default: fprintf(stderr, "usage: decode [-d | -m] [-e N]\n"); return 2;
        }
    }
    insn_init();
    if (cs_open(CS_ARCH_X86, CS_MODE_16, &handle[0]) != CS_ERR_OK ||
        cs_open(CS_ARCH_X86, CS_MODE_32, &handle[1]) != CS_ERR_OK) {
        printf("FAIL - capstone: cannot be opened\n");
        return 1;
    }
    cs_option(handle[0], CS_OPT_DETAIL, CS_OPT_ON);
    cs_option(handle[1], CS_OPT_DETAIL, CS_OPT_ON);
    scratch = cs_malloc(handle[1]);
    row_hits = calloc(insn_row_count, sizeof *row_hits);
    kinds = calloc(4096, sizeof *kinds);
    if (!scratch || !row_hits || !kinds)
        return 1;
    for (n = 1; n < insn_row_count; n++)
        if (insn_rows[n].map == MAP_P2 && (insn_rows[n].attr & A_NOO) &&
            (insn_rows[n].cls == CLS_SIMD || insn_rows[n].cls == CLS_FPU))
            simd_opcode[insn_rows[n].opcode] = true;

    for (n = 0; n < 4; n++) {
        unsigned bits = n & 1 ? 32 : 16;
        unsigned map = n & 2 ? MAP_P2 : MAP_P1;
        char name[64];

        snprintf(name, sizeof name, "%s-byte opcodes, %u-bit code", map == MAP_P2 ? "two" : "one", bits);
        ok &= report(name, run_map(bits, map), "unexcused differences");
    }
    ok &= report("address forms, 16-bit code", run_addresses(16), "unexcused differences");
    ok &= report("address forms, 32-bit code", run_addresses(32), "unexcused differences");
    print_kinds();
    if (every == 1) { /* a sample need not reach them */
        ok &= check_departures();
        ok &= check_rows();
    }
    printf("encodings: %lu\n", cases);
    cs_free(scratch, 1);
    cs_close(&handle[0]);
    cs_close(&handle[1]);
    free(row_hits);
    free(kinds);
    return ok ? 0 : 1;
}
