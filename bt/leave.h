/* leave.h - what translated code says in R11 when it goes to a stub, and how instructions are named.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef BT_LEAVE_H
#define BT_LEAVE_H

/* On leaving the cache: why. */
#define LEAVE_PLAIN  0u          /* c->eip is set */
#define LEAVE_STEP   1u          /* c->eip is set; interpret one instruction first */
#define LEAVE_DETOUR 2u          /* c->eip is set, and the flags are in their lazy form already */
#define LEAVE_EXIT   0x80000000u /* | exit number: a branch that is not linked */
#define LEAVE_PAGE   0x40000000u /* | tb number: its page is not known to be there */

/* On a detour: instruction k of a translation. */
#define DETOUR_ID(tb, k) ((uint32_t)(tb) << 5 | (k))
/* What native.x87_last names an instruction by; 0: none. */
#define X87_NAME(tb, k)  (DETOUR_ID(tb, k) + 1)

#endif
