/* cpu.c - creating, resetting and printing a CPU, and the state derived from other state.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/callout.h"
#include "cpu/interp/interp_int.h"

#include "cpu/fpu/fpu.h"

#include <stdatomic.h>
#include <stdlib.h>

struct cpu *cpu_create(const struct cpu_model *model, size_t tail)
{
    size_t size = (CPU_TAIL + tail + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
    struct cpu *c = aligned_alloc(PAGE_SIZE, size);

    if (!c)
        return NULL;
    memset(c, 0, size);
    c->tlbs = aligned_alloc(64, TLB_COUNT * sizeof *c->tlbs);
    if (!c->tlbs) {
        free(c);
        return NULL;
    }
    memset(c->tlbs, 0, TLB_COUNT * sizeof *c->tlbs);
    c->tail = tail;
    c->model = model;
    c->features = model->features;
    c->cur = &insn_none;
    c->fetch_gen = 1;
    c->icount_stop = UINT64_MAX;
    c->shadow_at = UINT64_MAX;
    c->exc.delivering = -1;
    return c;
}

void cpu_destroy(struct cpu *c)
{
    callout_free(c);
    free(c->tlbs);
    free(c);
}

/* What RESET and INIT have in common (SDM 3A table 9-1). */
static void reset_common(struct cpu *c)
{
    unsigned n;

    memset(c->r, 0, sizeof c->r);
    c->r[EDX] = c->model->signature;
    c->eip = 0xfff0;
    c->eflags = EFLAGS_1;
    lf_set_all(c, 0);
    c->cr0 = CR0_ET | (cpu_has(c, FEAT_I486) ? CR0_CD | CR0_NW : 0);
    c->cr2 = 0;
    c->cr3 = 0;
    c->cr4 = 0;
    c->cpl = 0;
    for (n = 0; n < SEG_COUNT; n++) {
        c->seg[n].sel = 0;
        c->seg[n].base = 0;
        c->seg[n].limit = 0xffff;
        c->seg[n].attr = AR_P | AR_S | AR_RW | AR_ACCESSED;
    }
    c->seg[SEG_CS].sel = 0xf000;
    c->seg[SEG_CS].base = 0xffff0000;
    memset(&c->ldtr, 0, sizeof c->ldtr);
    c->ldtr.limit = 0xffff;
    c->ldtr.attr = AR_P | DT_LDT;
    c->tr = c->ldtr;
    c->tr.attr = AR_P | DT_TSS32_BUSY;
    c->gdtr.base = 0;
    c->gdtr.limit = 0xffff;
    c->idtr = c->gdtr;
    memset(c->dr, 0, sizeof c->dr);
    c->dr[6] = 0xffff0ff0;
    c->dr[7] = 0x400;
    c->efer = 0;
    c->halted = false;
    c->shut_down = false;
    c->shadow_at = UINT64_MAX;
    c->nmi_blocked = false;
    c->db_pending = 0;
    c->exc.delivering = -1;
    c->exc.ext = 0;
    c->cur = &insn_none;
    cpu_update_derived(c);
    if (c->mem)
        c->mem->flush(c, true);
    if (log_mask & 1u << LOG_CH_cpu_reset)
        cpu_dump(c, log_stream());
}

void cpu_reset(struct cpu *c)
{
    c->msr_sysenter_cs = 0;
    c->msr_sysenter_esp = 0;
    c->msr_sysenter_eip = 0;
    c->msr_pat = 0x0007040600070406ull;
    c->msr_misc_enable = 1;
    c->msr_mtrr_def = 0;
    c->msr_mcg_status = 0;
    c->msr_bios_sign = 0;
    memset(c->msr_mtrr_fix, 0, sizeof c->msr_mtrr_fix);
    memset(c->msr_mtrr_var, 0, sizeof c->msr_mtrr_var);
    fpu_reset(c);
    cpu_clear_event(c, EVENT_RESET | EVENT_NMI);
    reset_common(c);
}

void cpu_init(struct cpu *c)
{
    uint32_t keep = c->cr0 & (CR0_CD | CR0_NW); /* INIT does not touch the caches */

    reset_common(c);
    c->cr0 = (c->cr0 & ~(CR0_CD | CR0_NW)) | keep;
}

static bool flat(const struct seg *s) { return s->base == 0 && s->rlim >> 32 && s->wlim >> 32; }

void cpu_update_mode(struct cpu *c)
{
    bool single =
        (c->eflags & (EFLAGS_TF | EFLAGS_RF)) || c->db_bp_active || c->db_pending || c->halted || c->shut_down;

    c->sp_mask = c->seg[SEG_SS].attr & AR_DB ? 0xffffffff : 0xffff;
    c->fetch_key = (c->seg[SEG_CS].attr & AR_DB ? FETCH_D : 0) | (c->cpl == 3 ? FETCH_USER : 0) |
                   (c->seg[SEG_SS].attr & AR_DB ? FETCH_SS32 : 0);
    if (c->sp_mask == 0xffffffff && flat(&c->seg[SEG_SS]) && flat(&c->seg[SEG_DS]) && flat(&c->seg[SEG_ES]))
        c->fetch_key |= FETCH_FLAT;
    if (c->cpl != 3)
        c->tlb = &c->tlbs[TLB_SUPER];
    else if ((c->cr0 & CR0_AM) && (c->eflags & EFLAGS_AC))
        c->tlb = &c->tlbs[TLB_CHECK];
    else
        c->tlb = &c->tlbs[TLB_USER];
    if (single != ((c->events & EVENT_SINGLE) != 0)) {
        if (single)
            cpu_set_event(c, EVENT_SINGLE);
        else
            cpu_clear_event(c, EVENT_SINGLE);
    }
}

void cpu_set_cpl(struct cpu *c, unsigned cpl)
{
    c->cpl = cpl;
    cpu_update_mode(c);
}

void cpu_update_derived(struct cpu *c)
{
    unsigned n;

    for (n = 0; n < SEG_COUNT; n++)
        seg_update(&c->seg[n]);
    c->r[8] = 0;
    c->db_bp_active = (c->dr[7] & 0xff) != 0;
    cpu_update_mode(c);
}

uint32_t cpu_get_eflags(const struct cpu *c) { return c->eflags | lf_get_all(c); }

void cpu_set_eflags(struct cpu *c, uint32_t v)
{
    lf_set_all(c, v);
    c->eflags = (v & 0x3f7700 & ~EFLAGS_OF) | EFLAGS_1;
}

void cpu_set_event(struct cpu *c, uint32_t event)
{
    atomic_fetch_or_explicit(&c->events, event, memory_order_release);
    if (c->engine_kick)
        c->engine_kick(c);
}

void cpu_clear_event(struct cpu *c, uint32_t event)
{
    atomic_fetch_and_explicit(&c->events, ~event, memory_order_release);
}

uint64_t cpu_icount(const struct cpu *c) { return c->icount + c->cur->n; }

/* Out-of-line memory paths of the accessors in interp_int.h. */

uint64_t mem_read_slow(struct cpu *c, const struct insn *i, gla_t la, unsigned size)
{
    SYNC();
    return c->mem->read(c, la, size, c->cpl == 3);
}

void mem_write_slow(struct cpu *c, const struct insn *i, gla_t la, uint64_t v, unsigned size)
{
    unsigned n = TLB_INDEX(la);

    SYNC();
    if (((la + size - 1) & PAGE_MASK) == c->tlb->code_tag[n]) {
        store_n((uint8_t *)(c->tlb->w[n].addend + la), v, size);
        c->engine_invalidate(c, c->tlb->code_pa[n] | (la & ~PAGE_MASK), size);
        return;
    }
    c->mem->write(c, la, v, size, c->cpl == 3);
}

/* The operand of a read-modify-write is checked for writing first: its fault is a write's. The
 * value goes to rmw_buf, from where mem_rmw_commit() takes it; the address rests in rmw_buf[1]. */
void *mem_rmw_slow(struct cpu *c, const struct insn *i, gla_t la, unsigned size)
{
    SYNC();
    c->mem->probe_write(c, la, size, c->cpl == 3);
    store64(c->rmw_buf, c->mem->read(c, la, size, c->cpl == 3));
    c->rmw_buf[1] = la;
    return c->rmw_buf;
}

void mem_rmw_commit(struct cpu *c, const struct insn *i, unsigned size)
{
    SYNC();
    c->mem->write(c, c->rmw_buf[1], load64(c->rmw_buf), size, c->cpl == 3);
}

static gla_t bytes_linear(struct cpu *c, const struct insn *i, unsigned size, unsigned align, bool write)
{
    uint32_t off = ea(c, i);
    const struct seg *s = &c->seg[i->seg];
    gla_t la;

    SYNC();
    if (off >= (write ? s->wlim : s->rlim) || size > 16)
        seg_check_slow(c, i->seg, off, size, write);
    la = s->base + off;
    if (la & (align - 1))
        cpu_raise_err(c, EXC_GP, 0);
    return la;
}

static unsigned piece(unsigned left) { return left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1; }

void mem_read_bytes(struct cpu *c, const struct insn *i, void *buf, unsigned size, unsigned align)
{
    gla_t la = bytes_linear(c, i, size, align, false);
    const struct tlb_entry *e = TLB_R(la);
    uint8_t *p = buf;

    if (TLB_HIT(e->tag, la, size)) {
        memcpy(buf, (const void *)(e->addend + la), size);
        return;
    }
    while (size) {
        unsigned n = piece(size);

        store_n(p, c->mem->read(c, la, n, c->cpl == 3), n);
        p += n;
        la += n;
        size -= n;
    }
}

void mem_write_bytes(struct cpu *c, const struct insn *i, const void *buf, unsigned size, unsigned align)
{
    gla_t la = bytes_linear(c, i, size, align, true);
    const struct tlb_entry *e = TLB_W(la);
    const uint8_t *p = buf;

    if (TLB_HIT(e->tag, la, size)) {
        memcpy((void *)(e->addend + la), buf, size);
        return;
    }
    c->mem->probe_write(c, la, size, c->cpl == 3);
    while (size) {
        unsigned n = piece(size);

        c->mem->write(c, la, load_n(p, n), n, c->cpl == 3);
        p += n;
        la += n;
        size -= n;
    }
}
