/* clock.h - the virtual clock all guest-visible time comes from, and its timers.
 *
 * Time is in ns since the machine was created. The source is the host's monotonic clock as
 * hosttime.h smooths it (it can be paused), or a function the glue supplies (instructions x
 * constant). Timers
 * run on the vCPU thread, from clock_run_expired. Ties run in the order of timer_init, so that a
 * run with a deterministic source is itself deterministic.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include "cpu/state.h"
#include "hw/hosttime.h"

#define TICKS_PER_SEC 1000000000ull
#define TICK_NEVER    UINT64_MAX

struct clock;

struct timer {
    /* wiring */
    struct clock *clock;
    void (*fn)(void *opaque, tick_t now);
    void *opaque;
    const char *name;
    uint32_t id;  /* order of timer_init: breaks ties */
    tick_t when;  /* state (FIELD_TIMER): TICK_NEVER if not armed */
    size_t index; /* derived: place in the heap + 1; 0 if not armed */
};

struct clock {
    /* wiring */
    tick_t (*source)(void *opaque); /* NULL: the host's clock */
    void *source_opaque;
    bool catch_up; /* timers make up for ticks the guest could not take in time; without source */
    /* state (clock_state): the time now, which follows from these, and */
    struct hosttime host;
    tick_t skipped;   /* with a source: what is added to it */
    int64_t rtc_base; /* seconds since 1970 (the guest's RTC time) at virtual time 0 */
    /* not state: a machine that is loaded runs, or waits, as its owner says */
    tick_t paused_at; /* virtual time while paused */
    bool paused;
    /* derived: timers are the state of who has them */
    struct timer **heap;
    size_t count;
    size_t cap;
    size_t timers; /* living timers: the heap always has room for all */
    uint32_t next_id;
    /* Called when the earliest deadline moves to an earlier time; evloop uses it. */
    void (*deadline_moved)(void *opaque, tick_t deadline);
    /* Called when somebody reads the time and the earliest deadline has passed; once, until timers
     * have run. */
    void (*deadline_passed)(void *opaque);
    void *deadline_opaque;
    bool told; /* deadline_passed has been called, or timers are running */
};

/* Start at time 0. `source` NULL selects the host's clock. */
void clock_init(struct clock *c, tick_t (*source)(void *opaque), void *opaque);
void clock_destroy(struct clock *c);

/* Virtual time now. */
tick_t clock_now(struct clock *c);

/* Another clock than the host's own under a clock without a source (tests). */
void clock_set_host(struct clock *c, const struct host_clocks *clocks);

/* The CPU is halted: before and after the thread sleeps until the earliest deadline, or less long.
 * What was missed while it ran is caught up; a sleep that the host ends late does not show. */
void clock_sleep(struct clock *c);
void clock_woke(struct clock *c);

/* Stop and restart time (host source only; another source stops by itself). */
void clock_pause(struct clock *c);
void clock_resume(struct clock *c);
/* Set the virtual time (loading a snapshot). */
void clock_set_now(struct clock *c, tick_t now);
/* With a source: the CPU is halted, and the time until `when` passes at once. */
void clock_skip_to(struct clock *c, tick_t when);
/* The time, and what the RTC makes of it. Ties of timers are no state: timer_init has ordered them. */
extern const struct state_desc clock_state;

/* True when virtual time passes with the host's, so that sleeping makes deadlines arrive. */
bool clock_is_realtime(const struct clock *c);
/* CLOCK_MONOTONIC ns at which the virtual time `t` is reached if the thread is let run until then
 * (host source, not paused). */
tick_t clock_to_host(const struct clock *c, tick_t t);
tick_t clock_host_now(void);

/* Parse -rtc base=: "utc", "localtime", or "2006-06-17T16:01:21" / "2006-06-17" into seconds
 * since 1970. Returns 0 or -EINVAL. */
int clock_parse_rtc_base(const char *text, int64_t *seconds);

/* The earliest deadline, or TICK_NEVER. */
tick_t clock_next_deadline(const struct clock *c);
/* Run every timer that is due; returns how many ran (bounded: a timer that re-arms itself in
 * the past continues at the next call). */
unsigned clock_run_expired(struct clock *c);

/* Prepare a timer; timer_set arms (or moves) it, timer_cancel disarms it. */
void timer_init(struct timer *t, struct clock *c, const char *name, void (*fn)(void *opaque, tick_t now), void *opaque);
void timer_set(struct timer *t, tick_t when);
void timer_cancel(struct timer *t);
void timer_destroy(struct timer *t);
static inline bool timer_pending(const struct timer *t) { return t->index != 0; }

/* A timer as a member of described state: saved as its deadline, armed again on load. */
extern const struct state_value timer_state_value;
#define FIELD_TIMER(s, m) FIELD_VALUE(s, m, &timer_state_value)

/* a * b / c without overflow in between: ticks to device clocks and back. */
static inline uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c) { return (uint64_t)((unsigned __int128)a * b / c); }

#endif
