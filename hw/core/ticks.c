/* ticks.c - ticks owed to the guest. See ticks.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "hw/core/ticks.h"

#define FASTER      4
#define MIN_SPACING 200000ull            /* ns: a fast timer is caught up with no faster */
#define MAX_OWED    (2 * TICKS_PER_SEC)  /* ns worth of ticks */
#define MASKED_LONG (TICKS_PER_SEC / 10) /* masked for longer than a handler may take */

bool ticks_due(struct ticks *t, const struct clock *c, uint64_t n, enum irq_state line, tick_t period, tick_t now)
{
    uint64_t most = period ? MAX_OWED / period : 0;
    uint64_t owed = t->owed + n;
    t->last = now;
    if (!c->catch_up || !period) {
        t->owed = 0;
        return n != 0;
    }
    if (line == IRQ_MASKED) {
        if (t->owed && !t->waiting) {
            t->waiting = true;
            t->since = now;
        }
        if (t->owed && now - t->since > MASKED_LONG)
            ticks_forget(t);
        return n != 0; /* a masked line may latch one, as ever */
    }
    t->waiting = false;
    if (line == IRQ_FREE && owed) {
        owed--;
        t->owed = (uint32_t)(owed < most ? owed : most);
        return true;
    }
    t->owed = (uint32_t)(owed < most ? owed : most);
    return false;
}

tick_t ticks_look(const struct ticks *t, tick_t period)
{
    tick_t gap = period / FASTER;
    return t->owed ? t->last + (gap > MIN_SPACING ? gap : MIN_SPACING) : TICK_NEVER;
}

void ticks_forget(struct ticks *t) { *t = (struct ticks){ 0 }; }

static const struct state_field fields[] = { FIELD_U32(struct ticks, owed), FIELD_BOOL(struct ticks, waiting),
                                             FIELD_U64(struct ticks, since), FIELD_U64(struct ticks, last), FIELD_END };
const struct state_desc ticks_state = { .name = "ticks", .version = 1, .fields = fields };
