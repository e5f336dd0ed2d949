/* suboptions.h - the argument of one option: "first,name=value,name=value", and numbers in it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_SUBOPTIONS_H
#define UI_SUBOPTIONS_H

#include "cpu/base.h"

#define SUBOPTION_MAX 4096 /* bytes of a value with its final 0 */

/* Say on stderr what is wrong with the command line: always one line, whatever is in it. Returns -EINVAL. */
int options_fail(const char *fmt, ...) printf_fn(1, 2);

/* Check the parts of `text`: names that are in the NULL-ended list `known`, none twice, none empty, no value
 * longer than SUBOPTION_MAX allows. A first part without '=' is the value of known[0]. Returns 0, or -EINVAL
 * after options_fail. */
int suboptions_check(const char *option, const char *text, const char *const *known);

/* The value of `name` in a text that was checked against the same list, copied to value; NULL if it is not
 * there. */
const char *suboption(const char *text, const char *const *known, const char *name, char value[SUBOPTION_MAX]);

/* A number from `min` to `max`, decimal or 0x and hexadecimal: all of the text, no sign, no blanks. */
bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *v);

/* on, yes, true; off, no, false. */
bool parse_switch(const char *text, bool *on);

/* Bytes: a number of MiB, or with one of the suffixes K, M, G (KB, MB, GB too). */
bool parse_size(const char *text, uint64_t *size);

/* utc, localtime, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS that is in the calendar; seconds since 1970. */
bool parse_date(const char *text, int64_t *seconds);

#endif
