/* hostmap.h - how many mappings the host lets this process have (vm.max_map_count), and how many of them are
 * used: one count for all who map and unmap while the guest runs.
 *
 * The host counts a mapping for each run of pages that are alike. Who changes mappings works out what that does
 * to the number of runs, tells it here, and asks for room before it makes more.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef MMU_HOSTMAP_H
#define MMU_HOSTMAP_H

#include <stdbool.h>
#include <stddef.h>

/* Learn the host's limit and what the process has by now. Before the sandbox closes /proc; later calls do
 * nothing. */
void hostmap_init(void);
/* An array of `bytes`, zero, of which only what is used has memory (`sparse`: it is used here and there). NULL: no
 * address space. Not counted. */
void *hostmap_reserve(size_t bytes, bool sparse);
/* p may be NULL. */
void hostmap_release(void *p, size_t bytes);
/* `n` mappings more, or fewer. */
void hostmap_add(int n);
/* Whether `n` more may be made; a part of the limit is kept for the rest of the process. */
bool hostmap_room(int n);
/* What hostmap_add() has counted, and how much it may be. */
int hostmap_used(void);
int hostmap_limit(void);
/* In debug builds, now and then: our own bug if the process has more than was counted, and what is kept for others. */
void hostmap_check(void);
/* Make the limit smaller (tests, and users who share a host). */
void hostmap_set_limit(int limit);
/* Mappings that the process has (lines of /proc/self/maps), -1 if they cannot be read. */
int hostmap_lines(void);

#endif
