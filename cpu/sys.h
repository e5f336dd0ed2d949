/* sys.h - what the system half of the CPU shares: descriptors, segment loads, privilege changes,
 * event delivery, task switches. Everything here may raise; callers set c->cur first. Nothing but
 * guest memory changes before the last thing that can fault.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_SYS_H
#define CPU_SYS_H

#include "cpu/cpu.h"

/* Implicit supervisor accesses (descriptor tables, TSS): privilege 0 whatever the CPL. */
uint8_t sys_read8(struct cpu *c, gla_t la);
uint16_t sys_read16(struct cpu *c, gla_t la);
uint32_t sys_read32(struct cpu *c, gla_t la);
void sys_write8(struct cpu *c, gla_t la, uint8_t v);
void sys_write16(struct cpu *c, gla_t la, uint16_t v);
void sys_write32(struct cpu *c, gla_t la, uint32_t v);

/* A descriptor as two dwords, and its parts. */
struct desc {
    uint32_t lo, hi;
};
static inline unsigned desc_type(struct desc d) { return d.hi >> 8 & 15; }
static inline bool desc_s(struct desc d) { return d.hi >> 12 & 1; }
static inline unsigned desc_dpl(struct desc d) { return d.hi >> 13 & 3; }
static inline bool desc_p(struct desc d) { return d.hi >> 15 & 1; }
static inline bool desc_code(struct desc d) { return desc_s(d) && (desc_type(d) & 8); }
static inline bool desc_conforming(struct desc d) { return desc_code(d) && (desc_type(d) & 4); }
static inline bool desc_writable_data(struct desc d) { return desc_s(d) && (desc_type(d) & 10) == 2; }
static inline uint16_t gate_sel(struct desc d) { return d.lo >> 16; }
static inline uint32_t gate_off(struct desc d) { return (d.hi & 0xffff0000) | (d.lo & 0xffff); }

#define SEL_RPL(sel)     ((sel)&3u)
#define SEL_ERR(sel)     ((sel)&0xfffcu)
#define SEL_IS_NULL(sel) (((sel)&0xfffc) == 0)

/* Read the descriptor of `sel`. Returns false if it lies outside its table (or there is no LDT). */
bool desc_read(struct cpu *c, uint16_t sel, struct desc *d);
/* The same, raising `vector` with the selector if outside. */
struct desc desc_fetch(struct cpu *c, uint16_t sel, int vector);
/* An available TSS in the GDT, as LTR and task gates want it; raises #GP or #NP with the selector. */
struct desc desc_fetch_tss(struct cpu *c, uint16_t sel);
/* Fill a segment cache from a descriptor. */
void seg_from_desc(struct seg *s, uint16_t sel, struct desc d);
/* Set the accessed bit of a code or data descriptor in memory, if it is clear. */
void desc_set_accessed(struct cpu *c, uint16_t sel, struct desc *d);
/* A real or virtual-8086 mode segment. Real mode keeps limit and rights (SDM 3A 20.1.1...). */
void seg_load_real(struct cpu *c, struct seg *s, uint16_t sel);
void seg_load_v86(struct seg *s, uint16_t sel);

/* MOV/POP/Lxx to a data or stack segment register in any mode. */
void seg_load(struct cpu *c, unsigned n, uint16_t sel);
/* Checks for SS with the given CPL; raises `vector` (#GP or #TS) or #SS. */
struct seg seg_check_ss(struct cpu *c, uint16_t sel, unsigned cpl, int vector);
/* After a return to an outer privilege: data segments that may not be seen become null. */
void seg_drop_inner(struct cpu *c);

/* A stack being pushed to or popped from while privilege changes: SP is committed by the caller. */
struct stk {
    struct seg ss;
    uint32_t sp;
    uint32_t mask;
    bool user;
    uint32_t err;  /* error code of #SS on a limit violation */
    unsigned size; /* 2 or 4 */
};
struct stk stk_current(struct cpu *c, unsigned size);
void stk_push(struct cpu *c, struct stk *s, uint32_t v);
uint32_t stk_pop(struct cpu *c, struct stk *s);
/* Check that the next n pushes fit, without touching memory. */
void stk_check_room(struct cpu *c, struct stk *s, unsigned n);

/* SS:ESP for privilege `level` from the TSS; raises #TS. */
void tss_stack(struct cpu *c, unsigned level, uint16_t *ss, uint32_t *esp);

/* Port access rights (SDM 1 19.5): IOPL, else the TSS bitmap; raises #GP(0). */
void cpu_check_io(struct cpu *c, uint16_t port, unsigned size);

/* A port access that is allowed. */
uint32_t cpu_in(struct cpu *c, uint16_t port, unsigned size);
void cpu_out(struct cpu *c, uint16_t port, uint32_t v, unsigned size);

/* How an event came. */
enum event_kind { EV_EXCEPTION, EV_EXTERNAL, EV_SOFT_INT /* INT n */, EV_SOFT_EXC /* INT3 INTO */, EV_ICEBP };

/* Deliver an event through the IDT or IVT; `ret` is the EIP to push. Raises on failure. */
void cpu_deliver(struct cpu *c, int vector, enum event_kind kind, bool has_error, uint32_t error, uint32_t ret);
/* INT n in virtual-8086 mode under VME: true if it was redirected to the 8086 handler. */
bool cpu_v86_redirect(struct cpu *c, unsigned vector, uint32_t ret);

enum task_source { TASK_JMP, TASK_CALL, TASK_INT, TASK_IRET };
void task_switch(struct cpu *c, uint16_t sel, struct desc d, enum task_source src, uint32_t ret, bool has_error,
                 uint32_t error);

void far_jump(struct cpu *c, uint16_t sel, uint32_t off, uint32_t ret);
void far_call(struct cpu *c, uint16_t sel, uint32_t off, unsigned size, uint32_t ret);
void far_ret(struct cpu *c, unsigned size, unsigned extra);
void far_iret(struct cpu *c, unsigned size);

/* Control registers, with all their checks and consequences. */
void cpu_write_cr0(struct cpu *c, uint32_t v);
void cpu_write_cr3(struct cpu *c, uint32_t v);
void cpu_write_cr4(struct cpu *c, uint32_t v);
uint32_t cpu_read_dr(struct cpu *c, unsigned n);
void cpu_write_dr(struct cpu *c, unsigned n, uint32_t v);
uint64_t cpu_rdmsr(struct cpu *c, uint32_t n);
void cpu_wrmsr(struct cpu *c, uint32_t n, uint64_t v);
uint64_t cpu_read_tsc(struct cpu *c);
void cpu_cpuid(struct cpu *c, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
void cpu_set_cpl(struct cpu *c, unsigned cpl);

/* Data and I/O breakpoints: note the DR6 bits of breakpoints that this access matches. */
void cpu_check_watch(struct cpu *c, gla_t la, unsigned size, bool write);
void cpu_check_io_watch(struct cpu *c, uint16_t port, unsigned size);

#endif
