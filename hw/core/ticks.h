/* ticks.h - ticks of a periodic interrupt that the guest could not take in time.
 *
 * An edge that comes while the one before still waits is lost. On a real PC that is the guest's
 * own doing; here the host may be the reason, and guests that count ticks lose time. So a tick
 * that would be lost is owed, and signalled soon after the guest has taken the last one: never
 * faster than four times the programmed rate, never more than two seconds' worth. Nothing is owed
 * for what the guest has masked, and nothing after it has programmed the timer anew. With a clock
 * that counts instructions (-icount) ticks are lost as on a real PC.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_TICKS_H
#define HW_TICKS_H

#include "hw/clock.h"
#include "hw/irq.h"
#include "cpu/state.h"

/* Part of a device's state: FIELD_STRUCT(..., &ticks_state). */
struct ticks {
    /* state */
    uint32_t owed;
    bool waiting; /* ticks were owed and the line is masked... */
    tick_t since; /* ...since then */
    tick_t last;  /* when ticks_due was called */
};
extern const struct state_desc ticks_state;

/* `n` ticks (0: none, only look) are due at `now`, `period` ns apart; `line` says what an edge
 * would do now. Returns true if one is to be signalled. */
bool ticks_due(struct ticks *t, const struct clock *c, uint64_t n, enum irq_state line, tick_t period, tick_t now);
/* When to look again because ticks are owed; TICK_NEVER if none are. */
tick_t ticks_look(const struct ticks *t, tick_t period);
/* The timer was programmed anew, or reset. */
void ticks_forget(struct ticks *t);

#endif
