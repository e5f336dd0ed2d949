/* plan.c - the two halves of the translator alone: code bytes to plans, and hand-made plans to bytes.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "tests/unit/unit.h"

#include "bt/layout.h"
#include "bt/leave.h"
#include "bt/native.h"

#include <check.h>
#include <stdarg.h>

/* --- plans, as text --- */

static const char *const kinds[] = {
#define EMIT(name, text) #name,
#include "cpu/isa/emit.def"
#undef EMIT
};

static void add(char **p, char *end, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add(char **p, char *end, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    *p += vsnprintf(*p, (size_t)(end - *p), format, args);
    va_end(args);
    ck_assert(*p < end);
}

static void show_access(char **p, char *end, const char *name, const struct access *a)
{
    static const char *const paths[] = { "none", "raw", "base", "index", "gs", "probe" };
    static const char *const eas[] = { "", " ea", " sp" };
    static const char *const segs[] = { "es", "cs", "ss", "ds", "fs", "gs" };

    if (a->path == PATH_NONE)
        return;
    add(p, end, " %s(%s%s", name, paths[a->path], eas[a->ea]);
    if (a->ea == EA_STACK || (a->ea == EA_NONE && (a->path == PATH_BASE || a->path == PATH_GS)))
        add(p, end, " r%u%+d", a->base, a->disp);
    if (a->check != NO_SEG)
        add(p, end, " %s", segs[a->check]);
    add(p, end, " %c%u)", a->write ? 'w' : 'r', a->size);
}

static void show_insn(char **p, char *end, const struct plan_insn *r)
{
    static const char *const gates[] = { "", " gate:fpu", " gate:sse" };
    static const char *const fixes[] = { "", " fix:rsi", " fix:mmx", " fix:string", " fix:rep", " fix:rep,flags" };

    add(p, end, "%s", kinds[r->kind]);
    if (r->kind != EMIT_INTERP) {
        show_access(p, end, "mem", &r->mem);
        show_access(p, end, "stack", &r->stack);
        if (r->cc == CC_ALWAYS)
            add(p, end, " ->%x", r->target);
        else if (r->cc != CC_NO_EXIT)
            add(p, end, " %u->%x", r->cc, r->target);
    }
    add(p, end, "%s%s%s%s", gates[r->gate], fixes[r->fix], r->lend_rsi ? " lend" : "", r->keep_top ? " top" : "");
    if (r->x87_name != NO_X87)
        add(p, end, " name:%d", r->x87_name);
    if (r->x87_ran != NO_X87)
        add(p, end, " ran:%d", r->x87_ran);
}

static void show_plan(char *text, size_t size, const struct plan *plan)
{
    static const char *const gates[] = { "", "gate:fpu; ", "gate:sse; " };
    char *p = text;
    unsigned n;

    add(&p, text + size, "%s", gates[plan->gate]);
    for (n = 0; n < plan->n; n++) {
        show_insn(&p, text + size, &plan->insn[n]);
        add(&p, text + size, "; ");
    }
    if (plan->x87_name != NO_X87)
        add(&p, text + size, "name:%d ", plan->x87_name);
    if (plan->ends)
        add(&p, text + size, "ends");
    else
        add(&p, text + size, "->%x", plan->next);
}

/* --- what becomes of code --- */

enum {
    D32 = 1,     /* 32-bit code and stack */
    FLAT = 2,    /* flat data segments */
    WINDOW = 4,  /* the direct way */
    COUNTED = 8, /* icount=on */
    USER = 16,
    TROUBLE = 32, /* all take the checked way */
    WRAPS = 64,
    WATCHED = 128,
    NO_FPU = 256,
    NO_SYS = 512,
    LIMIT = 1024, /* CS.limit is 0ffffh */
};
#define CHECKED (D32 | FLAT)
#define DIRECT  (D32 | FLAT | WINDOW)
#define EIP     0x1000u

#define CODE(...) \
    sizeof((const uint8_t[]){ __VA_ARGS__ }), { __VA_ARGS__ }
static const struct {
    unsigned how;
    const char *text;
    unsigned bytes;
    uint8_t code[12];
} plans[] = {
    { CHECKED, "COPY; ->1002", CODE(0x01, 0xd8) },                                /* add eax, ebx */
    { CHECKED, "INC_R; ->1001", CODE(0x40) },                                     /* inc eax */
    { CHECKED, "COPY mem(probe ea r4); ->1003", CODE(0x8b, 0x43, 0x04) },         /* mov eax, [ebx+4] */
    { CHECKED, "COPY mem(probe ea w4); ->1002", CODE(0x01, 0x03) },               /* add [ebx], eax */
    { CHECKED, "COPY mem(probe ea r1); ->1002", CODE(0x38, 0x03) },               /* cmp [ebx], al */
    { CHECKED, "COPY mem(probe ea r1) lend; ->1002", CODE(0x8a, 0x23) },          /* mov ah, [ebx] */
    { CHECKED, "COPY mem(probe ea fs r4); ->1003", CODE(0x64, 0x8b, 0x03) },      /* mov eax, fs:[ebx] */
    { D32, "COPY mem(probe ea ds w2); ->1003", CODE(0x66, 0x89, 0x03) },          /* mov [ebx], ax */
    { 0, "COPY mem(probe ea ss r2); ->1003", CODE(0x8b, 0x46, 0x04) },            /* mov ax, [bp+4] */
    { WINDOW, "COPY mem(base ea ds r2); ->1002", CODE(0x8b, 0x07) },              /* mov ax, [bx] */
    { DIRECT, "COPY mem(base r3+4 r4); ->1003", CODE(0x8b, 0x43, 0x04) },         /* mov eax, [ebx+4] */
    { DIRECT, "COPY mem(index r4); ->1007", CODE(0x8b, 0x04, 0x8d, 0, 0, 2, 0) }, /* mov eax, [ecx*4+..] */
    { DIRECT, "COPY mem(raw r4); ->1003", CODE(0x8b, 0x04, 0x0b) },               /* mov eax, [ebx+ecx] */
    { DIRECT, "COPY mem(base ea fs r4); ->1003", CODE(0x64, 0x8b, 0x03) },        /* mov eax, fs:[ebx] */
    { DIRECT, "COPY mem(base r3+0 r1) fix:rsi lend; ->1002", CODE(0x8a, 0x23) },  /* mov ah, [ebx] */
    { DIRECT, "COPY mem(base ea r1) fix:rsi lend; ->1007", CODE(0x8a, 0x2c, 0x8d, 0, 0, 2, 0) },
    { DIRECT | WRAPS, "COPY mem(raw r4); ->1003", CODE(0x8b, 0x43, 0x04) },
    { DIRECT | TROUBLE, "COPY mem(probe ea r4); ->1003", CODE(0x8b, 0x43, 0x04) },
    { DIRECT, "MOFFS mem(raw r4); ->1005", CODE(0xa1, 0, 0, 2, 0) },                /* mov eax, [20000h] */
    { CHECKED, "LEA; ->1003", CODE(0x8d, 0x43, 0x04) },                             /* lea eax, [ebx+4] */
    { CHECKED, "NOTHING; ->1003", CODE(0x0f, 0x1f, 0x00) },                         /* nop [eax] */
    { CHECKED, "BIT_R; INTERP; ->1006", CODE(0x0f, 0xa3, 0xc3, 0x0f, 0xa3, 0x03) }, /* bt ebx / [ebx], eax */
    { CHECKED, "BSWAP; INTERP; ->1005", CODE(0x0f, 0xc8, 0x66, 0x0f, 0xc8) },       /* bswap eax / ax */
    { CHECKED, "DIV; ->1002", CODE(0xf7, 0xf1) },                                   /* div ecx */
    { CHECKED | TROUBLE, "INTERP; ->1002", CODE(0xf7, 0xf1) },
    { CHECKED, "COPY; COPY; ->1005", CODE(0xc1, 0xe0, 0x03, 0x21, 0xd8) }, /* shl eax, 3; and eax, ebx */
    { CHECKED | COUNTED, "INTERP; COPY; ->1005", CODE(0xc1, 0xe0, 0x03, 0x21, 0xd8) },
    { CHECKED | WATCHED, "INTERP; ->1002", CODE(0x01, 0xd8) },
    { CHECKED, "JCC 4->1012; ->1002", CODE(0x74, 0x10) },                                    /* je */
    { CHECKED, "JCC 5->2006; ->1006", CODE(0x0f, 0x85, 0x00, 0x10, 0x00, 0x00) },            /* jne */
    { 0, "JCC 4->12; ->1004", CODE(0x0f, 0x84, 0x0e, 0xf0) },                                /* je, 16 bits */
    { CHECKED | LIMIT, "INTERP; ->1006", CODE(0x0f, 0x85, 0x00, 0x00, 0x01, 0x00) },         /* beyond the limit */
    { CHECKED, "JMP ->1012; ends", CODE(0xeb, 0x10) },                                       /* jmp */
    { CHECKED, "LOOP ->1000; ->1002", CODE(0xe2, 0xfe) },                                    /* loop $ */
    { CHECKED, "INTERP; ->1003", CODE(0x67, 0xe2, 0xfd) },                                   /* loop $, by CX */
    { DIRECT, "CALL stack(base r4-4 w4) ->1105; ends", CODE(0xe8, 0x00, 0x01, 0x00, 0x00) }, /* call */
    { CHECKED, "CALL stack(probe sp r4-4 w4) ->1105; ends", CODE(0xe8, 0x00, 0x01, 0x00, 0x00) },
    { DIRECT, "CALL_E mem(base r3+0 r4) stack(base r4-4 w4); ends", CODE(0xff, 0x13) }, /* call [ebx] */
    { DIRECT, "JMP_E; ends", CODE(0xff, 0xe0) },                                        /* jmp eax */
    { DIRECT | LIMIT, "INTERP; ->1002", CODE(0xff, 0xe0) },
    { DIRECT, "RET stack(base r4+0 r4); ends", CODE(0xc3) },                 /* ret */
    { 0, "RET_I stack(probe sp r4+0 ss r2); ends", CODE(0xc2, 0x04, 0x00) }, /* ret 4, 16 bits */
    { DIRECT, "PUSH_R stack(base r4-4 w4); POP_R stack(base r4+0 r4); ->1002", CODE(0x50, 0x59) },
    { DIRECT | WRAPS, "PUSH_R stack(gs r4-4 w4); ->1001", CODE(0x50) },
    { CHECKED, "INTERP; ->1002", CODE(0x66, 0x5c) }, /* pop sp */
    { DIRECT, "PUSH_E mem(base r0+4 r4) stack(base r4-4 w4); ->1003", CODE(0xff, 0x70, 0x04) },
    { DIRECT, "LEAVE stack(base r5+0 r4); ->1001", CODE(0xc9) },
    { 0, "INTERP; ->1001", CODE(0xc9) },
    { DIRECT, "STRING fix:string; ->1001", CODE(0xa4) },          /* movsb */
    { DIRECT, "STRING fix:rep; ->1002", CODE(0xf3, 0xab) },       /* rep stosd */
    { DIRECT, "STRING fix:rep,flags; ->1002", CODE(0xf3, 0xa6) }, /* repe cmpsb */
    { DIRECT, "INTERP; ->1002", CODE(0x64, 0xa4) },               /* movsb from FS */
    { CHECKED, "INTERP; ->1001", CODE(0xa4) },
    { DIRECT, "CLI; CLD; STI; ->1003", CODE(0xfa, 0xfc, 0xfb) },
    { DIRECT | USER, "INTERP; CLD; INTERP; ->1003", CODE(0xfa, 0xfc, 0xfb) },
    { DIRECT | NO_SYS, "INTERP; INTERP; INTERP; ->1003", CODE(0xfa, 0xfc, 0xfb) },
    { DIRECT, "PUSHF stack(base r4-4 w4); POPF stack(base r4+0 r4); ->1002", CODE(0x9c, 0x9d) },
    { DIRECT, "PUSH_SEG stack(base r4-4 w2); ->1001", CODE(0x1e) },                       /* push ds */
    { DIRECT, "MOV_SEG mem(base r3+0 w2); ->1002", CODE(0x8c, 0x1b) },                    /* mov [ebx], ds */
    { CHECKED, "gate:fpu; X87; X87 ran:0; name:1 ->1004", CODE(0xd9, 0xe8, 0xd8, 0xc1) }, /* fld1; fadd */
    { CHECKED | NO_FPU, "INTERP; ->1002", CODE(0xd9, 0xe8) },
    { CHECKED, "COPY; X87 gate:fpu; X87 ran:1; name:2 ->1006", CODE(0x01, 0xd8, 0xd9, 0xe8, 0xd8, 0xc1) },
    { CHECKED, "gate:fpu; X87; JMP ->1004 name:0 ran:0; ends", CODE(0xd9, 0xe8, 0xeb, 0x00) },
    { CHECKED, "gate:fpu; X87; INTERP name:0 ran:0; ->1004", CODE(0xd9, 0xe8, 0x0f, 0xa2) }, /* fld1; cpuid */
    { CHECKED, "gate:fpu; X87; X87 mem(probe ea r2) name:0 ran:0; ->1004", CODE(0xd9, 0xe8, 0xd9, 0x2b) }, /* fldcw */
    { DIRECT, "gate:fpu; MMX mem(base r3+0 r8) fix:mmx top; MMX mem(base r3+0 r8); ->1006",
      CODE(0x0f, 0x6f, 0x03, 0x0f, 0xfc, 0x03) }, /* movq, paddb */
    { DIRECT, "gate:sse; SSE mem(base r3+0 r16); X87 gate:fpu; name:1 ->1005", CODE(0x0f, 0x28, 0x03, 0xd9, 0xe8) },
    { CHECKED, "FENCE; HINT; ->1006", CODE(0x0f, 0xae, 0xe8, 0x0f, 0x18, 0x08) }, /* lfence; prefetch */
    { CHECKED, "INTERP; ->1002", CODE(0x0f, 0xa2) },                              /* cpuid */
};

START_TEST(plan)
{
    struct insn insn[8];
    unsigned how = plans[_i].how;
    struct plan_input in = { .insn = insn,
                             .eip = EIP,
                             .next = EIP + plans[_i].bytes,
                             .key = (how & D32 ? FETCH_D | FETCH_SS32 : 0) | (how & FLAT ? FETCH_FLAT : 0) |
                                    (how & USER ? FETCH_USER : 0),
                             .cs_limit = how & LIMIT || !(how & D32) ? 0xffff : 0xffffffff,
                             .direct = how & WINDOW,
                             .icount = how & COUNTED,
                             .inline_sys = !(how & NO_SYS),
                             .native_fpu = !(how & NO_FPU),
                             .checked = how & TROUBLE ? ~0u : 0,
                             .wraps = how & WRAPS ? ~0u : 0,
                             .watched = how & WATCHED ? ~0u : 0 };
    struct plan made;
    char text[256];
    unsigned off;

    insn_init();
    for (off = 0; off < plans[_i].bytes; off += insn[in.n++].len) {
        struct insn *i = &insn[in.n];

        ck_assert_uint_lt(in.n, ARRAY_SIZE(insn));
        ck_assert_int_eq(insn_decode(i, plans[_i].code + off, plans[_i].bytes - off, how & D32, ~0ull), DECODE_OK);
        i->off = (uint16_t)off;
        i->n = (uint8_t)in.n;
        if (insn_rows[i->row].cls == CLS_PCREL)
            i->imm += off + i->len; /* as blocks keep it */
    }
    memset(&made, 0xa5, sizeof made); /* all that counts must be written */
    plan_block(&made, &in);
    show_plan(text, sizeof text, &made);
    ck_assert_str_eq(text, plans[_i].text);
}
END_TEST

/* --- layouts of hand-made plans --- */

static uint8_t room[1024];
static uint16_t start[BLOCK_MAX + 1];
static const struct place where = {
    .code = room + 64, .leave = room, .detour = room + 16, .bmi2 = true, .tb = 5, .first_exit = 7
};

static const struct plan_insn plain = { .kind = EMIT_NOTHING, .cc = CC_NO_EXIT, .x87_name = NO_X87, .x87_ran = NO_X87 };

static struct laid lay_out(struct plan *p, const struct insn *insn, const void *code)
{
    struct laid out = { .start = start };

    p->x87_name = NO_X87;
    p->eip = EIP;
    memset(room, 0xcc, sizeof room);
    layout_block(p, insn, code, &where, &out);
    return out;
}

/* The code from `at` on is this. */
static void expect(unsigned at, const void *bytes, size_t n)
{
    ck_assert_uint_le(at + n, sizeof room - 64);
    ck_assert_mem_eq(where.code + at, bytes, n);
}
#define EXPECT(at, ...) expect(at, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Where the rel32 at offset `at` leads to, from the room's beginning. */
static long leads_to(unsigned at) { return 64 + (long)at + 4 + (int32_t)load32(where.code + at); }

START_TEST(layout_fall_through)
{
    struct plan p = { .n = 2, .insn = { plain, plain }, .next = 0x2000 };
    struct insn insn[2] = { { .len = 1 }, { .len = 1 } };
    struct laid out = lay_out(&p, insn, "\x90\x90");

    ck_assert_uint_eq(out.entry, 0); /* no cookie: no check */
    ck_assert_uint_eq(out.loop, 0);
    ck_assert_uint_eq(start[0], start[1]); /* nothing emitted */
    ck_assert_uint_eq(start[1], start[2]);
    ck_assert_uint_eq(out.exits, 1);
    ck_assert_uint_eq(out.exit[0].target, 0x2000);
    EXPECT(start[2], 0xe9);
    ck_assert_uint_eq(out.exit[0].patch, start[2] + 1u);
    ck_assert_int_eq(leads_to(out.exit[0].patch), 64 + (long)out.exit[0].stub);
    EXPECT(out.exit[0].stub, 0x41, 0xbb, 7, 0, 0, 0x80, 0xe9); /* mov r11d, LEAVE_EXIT | 7; jmp leave */
    ck_assert_int_eq(leads_to(out.exit[0].stub + 7), 0);
    ck_assert_uint_eq(out.size, out.exit[0].stub + 11);
    EXPECT(out.size, 0xcc);
}
END_TEST

START_TEST(layout_detour)
{
    struct plan p = { .n = 2, .insn = { plain, plain } };
    struct insn insn[2] = { { .len = 1 }, { .len = 1 } };

    p.insn[1].kind = EMIT_INTERP;
    p.insn[1].x87_name = 0;
    p.ends = true;
    lay_out(&p, insn, "\x90\x90");
    /* mov dword [x87_last], name of 5:0, before it; mov r11d, 5:1; jmp detour */
    ck_assert_uint_eq(start[1], start[0] + 11u);
    EXPECT(start[0], 0x41, 0xc7, 0x87);
    ck_assert_uint_eq(load32(where.code + start[0] + 3), (uint32_t)NATIVE_OFF(x87_last));
    EXPECT(start[0] + 7u, 0xa1, 0, 0, 0, 0x41, 0xbb, 0xa1, 0, 0, 0, 0xe9);
    ck_assert_int_eq(leads_to(start[1] + 7u), 16);
    ck_assert_uint_eq(start[2], start[1] + 11u);
}
END_TEST

START_TEST(layout_operands)
{
    static const uint8_t code[] = { 0x8b, 0x43, 0x04 }; /* mov eax, [ebx+4] */
    struct insn insn = { .len = 3,
                         .flags = IF_MEM | IF_MODRM | IF_O32 | IF_A32,
                         .base = EBX,
                         .index = 8,
                         .disp = 4,
                         .amask = ~0u,
                         .opcode = 0x8b,
                         .modrm = 0x43,
                         .imm_at = 3 };
    struct plan p = { .n = 1, .direct = true, .insn = { plain } };
    struct access *a = &p.insn[0].mem;

    p.insn[0].kind = EMIT_COPY;
    *a = (struct access){ .path = PATH_BASE, .check = NO_SEG, .size = 4, .base = EBX, .disp = 4 };
    lay_out(&p, &insn, code);
    EXPECT(start[0], 0x42, 0x8b, 0x44, 0x23, 0x04, 0xe9); /* mov eax, [rbx+r12+4] */
    a->base = ECX;                                        /* the plan says, not the instruction */
    lay_out(&p, &insn, code);
    EXPECT(start[0], 0x42, 0x8b, 0x44, 0x21, 0x04, 0xe9);
    a->path = PATH_RAW;
    lay_out(&p, &insn, code);
    EXPECT(start[0], 0x65, 0x67, 0x8b, 0x43, 0x04, 0xe9); /* mov eax, gs:[ebx+4] */
    a->path = PATH_BASE;
    a->ea = EA_OPERAND;
    p.insn[0].p66 = 0x66;
    lay_out(&p, &insn, code);
    EXPECT(start[0], 0x44, 0x8d, 0x43, 0x04, 0x66, 0x43, 0x8b, 0x04, 0x20, 0xe9); /* lea r8d; mov ax, [r8+r12] */
    p.insn[0].lend_rsi = true;
    p.insn[0].p66 = 0;
    insn.opcode = 0x8a;
    insn.modrm = 0x63; /* mov ah, [ebx+4] */
    lay_out(&p, &insn, code);
    EXPECT(start[0], 0x44, 0x8d, 0x43, 0x04, 0x49, 0x89, 0xf3,                /* lea r8d; mov r11, rsi */
           0x41, 0x8d, 0x30, 0x65, 0x67, 0x8a, 0x26, 0x4c, 0x89, 0xde, 0xe9); /* lea esi, [r8]; mov ah; back */
}
END_TEST

START_TEST(layout_probe)
{
    static const uint8_t code[] = { 0x89, 0x03 }; /* mov [ebx], eax */
    struct insn insn = { .len = 2,
                         .flags = IF_MEM | IF_MODRM | IF_O32 | IF_A32,
                         .base = EBX,
                         .index = 8,
                         .amask = ~0u,
                         .opcode = 0x89,
                         .modrm = 0x03,
                         .imm_at = 2 };
    struct plan p = { .n = 1, .ends = true, .insn = { plain } };
    struct laid read;
    struct laid write;

    p.insn[0].kind = EMIT_COPY;
    p.insn[0].mem = (struct access){ .path = PATH_PROBE, .ea = EA_OPERAND, .check = NO_SEG, .size = 4 };
    read = lay_out(&p, &insn, code);
    EXPECT(start[0], 0x44, 0x8d, 0x03);            /* lea r8d, [rbx] */
    EXPECT(start[1] - 4u, 0x43, 0x89, 0x04, 0x01); /* mov [r9+r8], eax */
    /* its miss: the guest's ECX back, a detour */
    EXPECT(start[1], 0x4c, 0x89, 0xd9, 0x41, 0xbb, 0xa0, 0, 0, 0, 0xe9);
    ck_assert_int_eq(leads_to(start[1] + 10u), 16);
    ck_assert_uint_eq(read.exits, 0);
    p.insn[0].mem.write = true; /* a write looks for a page with code first */
    write = lay_out(&p, &insn, code);
    ck_assert_uint_gt(write.size, read.size);
    EXPECT(write.size - 14, 0x4c, 0x89, 0xd9, 0x41, 0xbb, 0xa0, 0, 0, 0, 0xe9);
}
END_TEST

START_TEST(layout_icount)
{
    struct plan p = { .n = 1, .icount = true, .insn = { plain } };
    struct insn insn = { .len = 2 };
    struct laid out;

    p.insn[0].kind = EMIT_JCC;
    p.insn[0].cc = 4;
    p.insn[0].target = 0x1234;
    out = lay_out(&p, &insn, "\x74\x00");
    EXPECT(start[0], 0x0f, 0x84);
    ck_assert_uint_eq(out.exits, 2);
    ck_assert_uint_eq(out.exit[0].target, 0x1234);
    /* each counts in the cold part; what is patched comes behind that */
    ck_assert_uint_gt(out.exit[0].patch, start[1]);
    ck_assert_uint_eq(out.exit[0].stub, out.exit[0].patch + 4);
    ck_assert_int_eq(leads_to(start[0] + 2u), 64 + (long)start[1] + 5);
}
END_TEST

Suite *plan_suite(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");

    tcase_add_loop_test(t, plan, 0, (int)ARRAY_SIZE(plans));
    tcase_add_test(t, layout_fall_through);
    tcase_add_test(t, layout_detour);
    tcase_add_test(t, layout_operands);
    tcase_add_test(t, layout_probe);
    tcase_add_test(t, layout_icount);
    suite_add_tcase(s, t);
    return s;
}
