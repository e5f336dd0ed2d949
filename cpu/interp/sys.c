/* sys.c - segment register moves, far transfers, interrupts, ports, system registers: the instructions a translator
 * calls out for. insn_guard() checks modes and privilege as the table says, handlers what is finer; then they call
 * sys.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/interp/interp_int.h"

#define ONE(name)  HSET(name) = HSET_ALL(name)
#define SET2(name) HSET(name) = { .fn = { { NULL, name##16, name##32 }, { NULL, NULL, NULL } } }

OP(ud) { RAISE(EXC_UD); }
ONE(ud);

void insn_guard(struct cpu *c, const struct insn *i)
{
    const struct insn_row *row = &insn_rows[i->row];

    if (row->modes == MODES_prot && !cpu_prot(c))
        RAISE(EXC_UD);
    if (row->priv == PRIV_cpl0 && c->cpl != 0)
        RAISE_ERR(EXC_GP, 0);
    insn_unguarded(i)(c, i);
}

/* --- segment registers --- */

/* The instruction after this one runs before interrupts (and debug traps) are looked at. */
static void shadow(struct cpu *c, const struct insn *i, uint8_t kind)
{
    c->shadow = kind;
    c->shadow_at = c->icount + i->n + 1;
}

#define DEF_PUSH_SEG(name, n)                                                   \
    OP(push_##name##16)                                                         \
    {                                                                           \
        push16(c, i, c->seg[n].sel);                                            \
        NEXT;                                                                   \
    }                                                                           \
    /* 32-bit pushes write the low word only (SDM 2B, PUSH) */                  \
    OP(push_##name##32)                                                         \
    {                                                                           \
        seg_write16(c, i, SEG_SS, (c->r[ESP] - 4) & c->sp_mask, c->seg[n].sel); \
        sp_add(c, -4u);                                                         \
        NEXT;                                                                   \
    }                                                                           \
    SET2(push_##name);
DEF_PUSH_SEG(es, SEG_ES)
DEF_PUSH_SEG(cs, SEG_CS)
DEF_PUSH_SEG(ss, SEG_SS)
DEF_PUSH_SEG(ds, SEG_DS)
DEF_PUSH_SEG(fs, SEG_FS)
DEF_PUSH_SEG(gs, SEG_GS)

#define DEF_POP_SEG(name, n)                                   \
    OP(pop_##name)                                             \
    {                                                          \
        uint16_t sel = stack_read16(c, i, 0);                  \
        uint32_t mask = c->sp_mask;                            \
        uint32_t sp = c->r[ESP] + (i->flags & IF_O32 ? 4 : 2); \
        SYNC();                                                \
        seg_load(c, n, sel);                                   \
        /* the increment uses the old stack's size */          \
        c->r[ESP] = (c->r[ESP] & ~mask) | (sp & mask);         \
        if (n == SEG_SS)                                       \
            shadow(c, i, SHADOW_SS);                           \
        END_BLOCK;                                             \
    }                                                          \
    ONE(pop_##name);
DEF_POP_SEG(es, SEG_ES)
DEF_POP_SEG(ss, SEG_SS)
DEF_POP_SEG(ds, SEG_DS)
DEF_POP_SEG(fs, SEG_FS)
DEF_POP_SEG(gs, SEG_GS)

static const uint8_t seg_exists[8] = { 1, 1, 1, 1, 1, 1, 0, 0 };

OP(mov_ES_r)
{
    if (!seg_exists[i->reg])
        RAISE(EXC_UD);
    if (i->flags & IF_O32)
        REG32(i->rm) = c->seg[i->reg].sel;
    else
        REG16(i->rm) = c->seg[i->reg].sel;
    NEXT;
}
OP(mov_ES_m)
{
    if (!seg_exists[i->reg])
        RAISE(EXC_UD);
    mem_write16(c, i, c->seg[i->reg].sel);
    NEXT;
}
HSET(mov_ES) = HSET_RM(mov_ES_r, mov_ES_m);

OP(mov_SE)
{
    uint16_t sel;

    if (!seg_exists[i->reg] || i->reg == SEG_CS)
        RAISE(EXC_UD);
    sel = i->flags & IF_MEM ? mem_read16(c, i) : REG16(i->rm);
    SYNC();
    seg_load(c, i->reg, sel);
    if (i->reg == SEG_SS)
        shadow(c, i, SHADOW_SS);
    END_BLOCK;
}
ONE(mov_SE);

/* LES and its like: the register is written only if the segment load succeeds. */
static void load_far_pointer(struct cpu *c, const struct insn *i, unsigned n)
{
    uint32_t o = ea(c, i);
    bool wide = i->flags & IF_O32;
    uint32_t off = wide ? seg_read32(c, i, i->seg, o) : seg_read16(c, i, i->seg, o);
    uint16_t sel = seg_read16(c, i, i->seg, (o + (wide ? 4 : 2)) & i->amask);

    SYNC();
    seg_load(c, n, sel);
    if (wide)
        REG32(i->reg) = off;
    else
        REG16(i->reg) = off;
    END_BLOCK;
}
OP(les) { load_far_pointer(c, i, SEG_ES); }
ONE(les);
OP(lds) { load_far_pointer(c, i, SEG_DS); }
ONE(lds);
OP(lss) { load_far_pointer(c, i, SEG_SS); }
ONE(lss);
OP(lfs) { load_far_pointer(c, i, SEG_FS); }
ONE(lfs);
OP(lgs) { load_far_pointer(c, i, SEG_GS); }
ONE(lgs);

/* --- descriptor instructions --- */

static void set_zf(struct cpu *c, bool z) { lf_set_all(c, (lf_get_all(c) & ~EFLAGS_ZF) | (z ? EFLAGS_ZF : 0)); }

static uint16_t read_ew(struct cpu *c, const struct insn *i)
{
    return i->flags & IF_MEM ? mem_read16(c, i) : REG16(i->rm);
}

/* The destination is written only if it changes: a read-only one is no fault otherwise. */
OP(arpl)
{
    uint16_t rpl = REG16(i->reg) & 3;
    uint16_t d = read_ew(c, i);

    if ((d & 3) < rpl) {
        if (i->flags & IF_MEM)
            mem_write16(c, i, (d & ~3) | rpl);
        else
            REG16(i->rm) = (d & ~3) | rpl;
    }
    set_zf(c, (d & 3) < rpl);
    NEXT;
}
ONE(arpl);

static void store_emw(struct cpu *c, const struct insn *i, uint32_t v)
{
    if (i->flags & IF_MEM)
        mem_write16(c, i, v);
    else if (i->flags & IF_O32)
        REG32(i->rm) = v;
    else
        REG16(i->rm) = v;
}

OP(sldt)
{
    store_emw(c, i, c->ldtr.sel);
    NEXT;
}
ONE(sldt);
OP(str_E)
{
    store_emw(c, i, c->tr.sel);
    NEXT;
}
ONE(str_E);
OP(smsw)
{
    store_emw(c, i, i->flags & IF_MEM ? c->cr0 & 0xffff : c->cr0);
    NEXT;
}
ONE(smsw);

OP(lldt)
{
    uint16_t sel = read_ew(c, i);
    struct desc d;

    SYNC();
    if (SEL_IS_NULL(sel)) {
        c->ldtr.sel = sel;
        c->ldtr.attr = 0;
        NEXT;
    }
    if (sel & 4)
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    d = desc_fetch(c, sel, EXC_GP);
    if (desc_s(d) || desc_type(d) != DT_LDT)
        cpu_raise_err(c, EXC_GP, SEL_ERR(sel));
    if (!desc_p(d))
        cpu_raise_err(c, EXC_NP, SEL_ERR(sel));
    seg_from_desc(&c->ldtr, sel, d);
    NEXT;
}
ONE(lldt);

OP(ltr)
{
    uint16_t sel = read_ew(c, i);
    struct desc d;

    SYNC();
    if (SEL_IS_NULL(sel))
        cpu_raise_err(c, EXC_GP, 0);
    d = desc_fetch_tss(c, sel);
    d.hi |= 0x200; /* busy */
    sys_write8(c, c->gdtr.base + (sel & ~7u) + 5, d.hi >> 8);
    seg_from_desc(&c->tr, sel, d);
    NEXT;
}
ONE(ltr);

/* Whether the program may see the descriptor at all (LAR, LSL, VERR, VERW). */
static bool visible(struct cpu *c, uint16_t sel, struct desc *d)
{
    if (SEL_IS_NULL(sel) || !desc_read(c, sel, d))
        return false;
    return desc_conforming(*d) || (desc_dpl(*d) >= c->cpl && desc_dpl(*d) >= SEL_RPL(sel));
}

OP(verr)
{
    uint16_t sel = read_ew(c, i);
    struct desc d;

    SYNC();
    set_zf(c, visible(c, sel, &d) && desc_s(d) && (desc_type(d) & 10) != 8);
    NEXT;
}
ONE(verr);

OP(verw)
{
    uint16_t sel = read_ew(c, i);
    struct desc d;

    SYNC();
    set_zf(c, visible(c, sel, &d) && desc_writable_data(d));
    NEXT;
}
ONE(verw);

OP(lar)
{
    /* system types LAR accepts (SDM 2A, LAR) */
    const unsigned ok = 1u << DT_TSS16 | 1u << DT_LDT | 1u << DT_TSS16_BUSY | 1u << DT_CALL16 | 1u << DT_TASK |
                        1u << DT_TSS32 | 1u << DT_TSS32_BUSY | 1u << DT_CALL32;
    uint16_t sel = read_ew(c, i);
    struct desc d;

    SYNC();
    if (!visible(c, sel, &d) || (!desc_s(d) && !(ok >> desc_type(d) & 1))) {
        set_zf(c, false);
        NEXT;
    }
    if (i->flags & IF_O32)
        REG32(i->reg) = d.hi & 0x00ffff00;
    else
        REG16(i->reg) = d.hi & 0xff00;
    set_zf(c, true);
    NEXT;
}
ONE(lar);

OP(lsl)
{
    const unsigned ok = 1u << DT_TSS16 | 1u << DT_LDT | 1u << DT_TSS16_BUSY | 1u << DT_TSS32 | 1u << DT_TSS32_BUSY;
    uint16_t sel = read_ew(c, i);
    struct desc d;
    struct seg s;

    SYNC();
    if (!visible(c, sel, &d) || (!desc_s(d) && !(ok >> desc_type(d) & 1))) {
        set_zf(c, false);
        NEXT;
    }
    seg_from_desc(&s, sel, d);
    if (i->flags & IF_O32)
        REG32(i->reg) = s.limit;
    else
        REG16(i->reg) = s.limit;
    set_zf(c, true);
    NEXT;
}
ONE(lsl);

static void store_table(struct cpu *c, const struct insn *i, const struct dtable *t)
{
    uint8_t b[6];

    store16(b, t->limit);
    store32(b + 2, t->base);
    mem_write_bytes(c, i, b, 6, 1);
}

static void load_table(struct cpu *c, const struct insn *i, struct dtable *t)
{
    uint8_t b[6];

    mem_read_bytes(c, i, b, 6, 1);
    t->limit = load16(b);
    t->base = load32(b + 2) & (i->flags & IF_O32 ? 0xffffffff : 0xffffff);
}

OP(sgdt)
{
    store_table(c, i, &c->gdtr);
    NEXT;
}
ONE(sgdt);
OP(sidt)
{
    store_table(c, i, &c->idtr);
    NEXT;
}
ONE(sidt);
OP(lgdt)
{
    load_table(c, i, &c->gdtr);
    NEXT;
}
ONE(lgdt);
OP(lidt)
{
    load_table(c, i, &c->idtr);
    NEXT;
}
ONE(lidt);

/* --- far transfers and interrupts --- */

OP(jmp_A)
{
    SYNC();
    far_jump(c, i->imm2, i->imm, EIP_NEXT);
    LEAVE_FAR;
}
ONE(jmp_A);

OP(call_A)
{
    SYNC();
    far_call(c, i->imm2, i->imm, i->flags & IF_O32 ? 4 : 2, EIP_NEXT);
    LEAVE_FAR;
}
ONE(call_A);

static uint32_t read_far_off(struct cpu *c, const struct insn *i, uint16_t *sel)
{
    uint32_t o = ea(c, i);
    bool wide = i->flags & IF_O32;
    uint32_t off = wide ? seg_read32(c, i, i->seg, o) : seg_read16(c, i, i->seg, o);

    *sel = seg_read16(c, i, i->seg, (o + (wide ? 4 : 2)) & i->amask);
    return off;
}

OP(jmp_Mp)
{
    uint16_t sel;
    uint32_t off = read_far_off(c, i, &sel);

    SYNC();
    far_jump(c, sel, off, EIP_NEXT);
    LEAVE_FAR;
}
ONE(jmp_Mp);

OP(call_Mp)
{
    uint16_t sel;
    uint32_t off = read_far_off(c, i, &sel);

    SYNC();
    far_call(c, sel, off, i->flags & IF_O32 ? 4 : 2, EIP_NEXT);
    LEAVE_FAR;
}
ONE(call_Mp);

OP(retf)
{
    SYNC();
    far_ret(c, i->flags & IF_O32 ? 4 : 2, 0);
    LEAVE_FAR;
}
ONE(retf);

OP(retf_I)
{
    SYNC();
    far_ret(c, i->flags & IF_O32 ? 4 : 2, i->imm & 0xffff);
    LEAVE_FAR;
}
ONE(retf_I);

OP(iret)
{
    SYNC();
    far_iret(c, i->flags & IF_O32 ? 4 : 2);
    LEAVE_FAR;
}
ONE(iret);

OP(int3)
{
    SYNC();
    cpu_deliver(c, EXC_BP, EV_SOFT_EXC, false, 0, EIP_NEXT);
    LEAVE_FAR;
}
ONE(int3);

OP(into)
{
    if (!lf_of(c))
        END_BLOCK;
    SYNC();
    cpu_deliver(c, EXC_OF, EV_SOFT_EXC, false, 0, EIP_NEXT);
    LEAVE_FAR;
}
ONE(into);

OP(int1)
{
    SYNC();
    cpu_deliver(c, EXC_DB, EV_ICEBP, false, 0, EIP_NEXT);
    LEAVE_FAR;
}
ONE(int1);

OP(int_I)
{
    SYNC();
    if (cpu_v86(c)) {
        if (cpu_v86_redirect(c, i->imm & 0xff, EIP_NEXT))
            LEAVE_FAR;
        if (cpu_iopl(c) < 3)
            RAISE_ERR(EXC_GP, 0);
    }
    cpu_deliver(c, i->imm & 0xff, EV_SOFT_INT, false, 0, EIP_NEXT);
    LEAVE_FAR;
}
ONE(int_I);

/* The upper bound is read only if the lower one holds, as on Intel's CPUs. */
OP(bound16)
{
    uint32_t o = ea(c, i);
    int16_t v = REG16(i->reg);

    if (v < (int16_t)seg_read16(c, i, i->seg, o))
        RAISE(EXC_BR);
    if (v > (int16_t)seg_read16(c, i, i->seg, (o + 2) & i->amask))
        RAISE(EXC_BR);
    NEXT;
}
OP(bound32)
{
    uint32_t o = ea(c, i);
    int32_t v = REG32(i->reg);

    if (v < (int32_t)seg_read32(c, i, i->seg, o))
        RAISE(EXC_BR);
    if (v > (int32_t)seg_read32(c, i, i->seg, (o + 4) & i->amask))
        RAISE(EXC_BR);
    NEXT;
}
HSET(bound) = { .fn = { { NULL, NULL, NULL }, { NULL, bound16, bound32 } } };

/* Flat segments of SYSENTER and SYSEXIT (SDM 2B, SYSENTER). */
static void flat_seg(struct seg *s, uint16_t sel, uint16_t attr)
{
    s->sel = sel;
    s->base = 0;
    s->limit = 0xffffffff;
    s->attr = attr | AR_G | AR_DB | AR_P | AR_S | AR_ACCESSED | AR_RW;
    seg_update(s);
}

OP(sysenter)
{
    uint16_t cs = c->msr_sysenter_cs & 0xfffc;

    if (!cpu_pe(c) || cs == 0)
        RAISE_ERR(EXC_GP, 0);
    c->eflags &= ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF);
    flat_seg(&c->seg[SEG_CS], cs, AR_CODE);
    flat_seg(&c->seg[SEG_SS], cs + 8, 0);
    c->r[ESP] = c->msr_sysenter_esp;
    cpu_set_cpl(c, 0);
    LEAVE(c->msr_sysenter_eip);
}
ONE(sysenter);

OP(sysexit)
{
    uint16_t cs = c->msr_sysenter_cs & 0xfffc;

    if (!cpu_pe(c) || cs == 0)
        RAISE_ERR(EXC_GP, 0);
    flat_seg(&c->seg[SEG_CS], (cs + 16) | 3, AR_CODE | AR_DPL);
    flat_seg(&c->seg[SEG_SS], (cs + 24) | 3, AR_DPL);
    c->r[ESP] = c->r[ECX];
    cpu_set_cpl(c, 3);
    LEAVE(c->r[EDX]);
}
ONE(sysexit);

/* --- interrupt flag (SDM 2A CLI, 2B STI; virtual interrupts: SDM 3B 20.3, 20.4) --- */

/* Whether CLI and STI work on VIF: VME in virtual-8086 mode, PVI at CPL 3. Raises #GP(0) if the
 * program has no right to either flag. */
static bool uses_vif(struct cpu *c, const struct insn *i)
{
    if (!cpu_pe(c) || c->cpl <= cpu_iopl(c))
        return false;
    if (c->cpl == 3 && (c->cr4 & (cpu_v86(c) ? CR4_VME : CR4_PVI)))
        return true;
    RAISE_ERR(EXC_GP, 0);
}

OP(cli)
{
    c->eflags &= uses_vif(c, i) ? ~EFLAGS_VIF : ~EFLAGS_IF;
    NEXT;
}
ONE(cli);

OP(sti)
{
    if (uses_vif(c, i)) {
        if (c->eflags & EFLAGS_VIP)
            RAISE_ERR(EXC_GP, 0);
        c->eflags |= EFLAGS_VIF;
    } else if (!(c->eflags & EFLAGS_IF)) {
        c->eflags |= EFLAGS_IF;
        shadow(c, i, SHADOW_STI);
    }
    END_BLOCK;
}
ONE(sti);

OP(hlt)
{
    c->halted = true;
    cpu_set_event(c, EVENT_SINGLE);
    END_BLOCK;
}
ONE(hlt);

/* --- ports --- */

#define DEF_IO(bits)                                         \
    OP(in_I##bits)                                           \
    {                                                        \
        SYNC();                                              \
        cpu_check_io(c, i->imm & 0xff, bits / 8);            \
        REG##bits(EAX) = cpu_in(c, i->imm & 0xff, bits / 8); \
        END_BLOCK;                                           \
    }                                                        \
    OP(in_D##bits)                                           \
    {                                                        \
        SYNC();                                              \
        cpu_check_io(c, c->r[EDX], bits / 8);                \
        REG##bits(EAX) = cpu_in(c, c->r[EDX], bits / 8);     \
        END_BLOCK;                                           \
    }                                                        \
    OP(out_I##bits)                                          \
    {                                                        \
        SYNC();                                              \
        cpu_check_io(c, i->imm & 0xff, bits / 8);            \
        cpu_out(c, i->imm & 0xff, REG##bits(EAX), bits / 8); \
        END_BLOCK;                                           \
    }                                                        \
    OP(out_D##bits)                                          \
    {                                                        \
        SYNC();                                              \
        cpu_check_io(c, c->r[EDX], bits / 8);                \
        cpu_out(c, c->r[EDX], REG##bits(EAX), bits / 8);     \
        END_BLOCK;                                           \
    }
DEF_IO(8)
DEF_IO(16)
DEF_IO(32)
#define SET3(name) HSET(name) = { .fn = { { name##8, name##16, name##32 }, { NULL, NULL, NULL } } }
SET3(in_I);
SET3(in_D);
SET3(out_I);
SET3(out_D);

/* --- system registers --- */

OP(clts)
{
    c->cr0 &= ~CR0_TS;
    NEXT;
}
ONE(clts);

OP(lmsw)
{
    uint32_t v = read_ew(c, i);

    SYNC();
    /* PE can be set but not cleared */
    cpu_write_cr0(c, (c->cr0 & ~0xeu) | (v & 0xf));
    END_BLOCK;
}
ONE(lmsw);

OP(invlpg)
{
    c->mem->invlpg(c, c->seg[i->seg].base + ea(c, i));
    END_BLOCK;
}
ONE(invlpg);

OP(wbinvd) { NEXT; }
ONE(wbinvd);

OP(mov_RC)
{
    switch (i->reg) {
    case 0: REG32(i->rm) = c->cr0; break;
    case 2: REG32(i->rm) = c->cr2; break;
    case 3: REG32(i->rm) = c->cr3; break;
    case 4:
        if (!cpu_has(c, FEAT_I586))
            RAISE(EXC_UD);
        REG32(i->rm) = c->cr4;
        break;
    default: RAISE(EXC_UD);
    }
    NEXT;
}
ONE(mov_RC);

OP(mov_CR)
{
    SYNC();
    switch (i->reg) {
    case 0: cpu_write_cr0(c, REG32(i->rm)); break;
    case 2: c->cr2 = REG32(i->rm); break;
    case 3: cpu_write_cr3(c, REG32(i->rm)); break;
    case 4:
        if (!cpu_has(c, FEAT_I586))
            RAISE(EXC_UD);
        cpu_write_cr4(c, REG32(i->rm));
        break;
    default: RAISE(EXC_UD);
    }
    END_BLOCK;
}
ONE(mov_CR);

OP(mov_RD)
{
    SYNC();
    REG32(i->rm) = cpu_read_dr(c, i->reg);
    NEXT;
}
ONE(mov_RD);

OP(mov_DR)
{
    SYNC();
    cpu_write_dr(c, i->reg, REG32(i->rm));
    END_BLOCK;
}
ONE(mov_DR);

OP(rdmsr)
{
    uint64_t v;

    SYNC();
    v = cpu_rdmsr(c, REG32(ECX));
    REG32(EAX) = v;
    REG32(EDX) = v >> 32;
    END_BLOCK;
}
ONE(rdmsr);

OP(wrmsr)
{
    SYNC();
    cpu_wrmsr(c, REG32(ECX), (uint64_t)REG32(EDX) << 32 | REG32(EAX));
    END_BLOCK;
}
ONE(wrmsr);

OP(rdtsc)
{
    uint64_t v;

    if ((c->cr4 & CR4_TSD) && c->cpl != 0)
        RAISE_ERR(EXC_GP, 0);
    SYNC();
    v = cpu_read_tsc(c);
    REG32(EAX) = v;
    REG32(EDX) = v >> 32;
    END_BLOCK;
}
ONE(rdtsc);

/* No performance counters are implemented: every index is out of range. */
OP(rdpmc) { RAISE_ERR(EXC_GP, 0); }
ONE(rdpmc);

OP(cpuid)
{
    uint32_t out[4];

    cpu_cpuid(c, REG32(EAX), REG32(ECX), out);
    REG32(EAX) = out[0];
    REG32(EBX) = out[1];
    REG32(ECX) = out[2];
    REG32(EDX) = out[3];
    NEXT;
}
ONE(cpuid);
