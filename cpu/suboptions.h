/* suboptions.h - the argument of one option: "first,name=value,name=value", and numbers in it.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef CPU_SUBOPTIONS_H
#define CPU_SUBOPTIONS_H

#include "cpu/base.h"

#define SUBOPTION_MAX 4096 /* bytes of a value with its final 0 */

/* Say on stderr what is wrong with the command line: always one line, whatever is in it. Returns -EINVAL. */
int options_fail(const char *fmt, ...) printf_fn(1, 2);

/* Check the parts of `text`: names that are in the NULL-ended list `known`, none twice, none empty, no value
 * longer than SUBOPTION_MAX allows. A first part without '=' is the value of known[0], unless that is "". A known
 * name that ends with a '.' stands for all that begin with it. Returns 0, or -EINVAL after options_fail. */
int suboptions_check(const char *option, const char *text, const char *const *known);

/* The value of `name` in a text that was checked against the same list, copied to value; NULL if it is not
 * there. */
const char *suboption(const char *text, const char *const *known, const char *name, char value[SUBOPTION_MAX]);

/* The same one after the other, for a text that was checked: name and value of the part that begins at *text, which
 * is moved on to the next. False: there is none. */
struct suboption {
    char name[64];
    char value[SUBOPTION_MAX];
};
bool suboption_next(const char **text, const char *const *known, struct suboption *s);

/* The value of `name` (or of part `s`) as a number in a range, or as on or off: 0, or -EINVAL after options_fail. */
int suboption_number(const char *option, const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *n);
int suboption_switch(const char *option, const char *name, const char *value, bool *on);

/* A number from `min` to `max`, decimal or 0x and hexadecimal: all of the text, no sign, no blanks. */
bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *v);

/* on, yes, true; off, no, false. */
bool parse_switch(const char *text, bool *on);

/* Bytes: a number of MiB, or with one of the suffixes K, M, G (KB, MB, GB too). */
bool parse_size(const char *text, uint64_t *size);

#endif
