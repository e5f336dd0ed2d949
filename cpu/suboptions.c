/* suboptions.c - the argument of one option: its parts, and numbers in it. See suboptions.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/suboptions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int options_fail(const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    char *p;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (p = text; *p; p++) /* what the user gave may hold anything */
        if ((unsigned char)*p < 32 || *p == 127)
            *p = '?';
    fprintf(stderr, "callgate: %s\n", text);
    return -EINVAL;
}

/* One part of the text, split at its first '='. */
struct part {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* The part that begins at `text`; returns what follows it. `first`: the name of one without '=', or NULL. */
static const char *next_part(const char *text, const char *first, struct part *p)
{
    size_t n = strcspn(text, ",");
    const char *eq = memchr(text, '=', n);

    p->name = eq ? text : first;
    p->name_len = eq ? (size_t)(eq - text) : first ? strlen(first) : 0;
    p->value = eq ? eq + 1 : text;
    p->value_len = n - (size_t)(p->value - text);
    return text + n;
}

static bool is_name(const struct part *p, const char *name)
{
    size_t n = strlen(name);

    if (!p->name || !n)
        return false;
    if (name[n - 1] == '.' && p->name_len > n)
        return !memcmp(p->name, name, n);
    return p->name_len == n && !memcmp(p->name, name, n);
}

static const char *positional(const char *const *known) { return *known[0] ? known[0] : NULL; }

static int unknown(const char *option, const struct part *p, const char *const *known)
{
    char list[512] = "";
    size_t n = 0;
    const char *const *k;

    for (k = known; *k && n < sizeof list; k++)
        if (**k)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s%s", n ? ", " : "", *k,
                                  (*k)[strlen(*k) - 1] == '.' ? "NAME" : "");
    if (!p->name)
        return options_fail("-%s: '%.*s' has no value; it takes name=value of %s", option, (int)p->value_len, p->value,
                            list);
    return options_fail("-%s: unknown part '%.*s'; it takes %s", option, (int)p->name_len, p->name, list);
}

int suboptions_check(const char *option, const char *text, const char *const *known)
{
    const char *at = text;
    uint32_t seen = 0;

    while (1) {
        struct part p;
        const char *end = next_part(at, at == text ? positional(known) : NULL, &p);
        unsigned k;

        if (end == at)
            return options_fail("-%s: '%s' has an empty part", option, text);
        for (k = 0; known[k] && !is_name(&p, known[k]); k++)
            ;
        if (!known[k])
            return unknown(option, &p, known);
        if ((seen >> k & 1) && p.name_len == strlen(known[k]))
            return options_fail("-%s: %s is given twice in '%s'", option, known[k], text);
        if (p.name_len >= sizeof((struct suboption *)NULL)->name)
            return options_fail("-%s: '%.*s' is too long a name", option, (int)p.name_len, p.name);
        if (p.value_len >= SUBOPTION_MAX)
            return options_fail("-%s: the value of %s is too long", option, known[k]);
        seen |= 1u << k;
        if (!*end)
            return 0;
        at = end + 1;
    }
}

const char *suboption(const char *text, const char *const *known, const char *name, char value[SUBOPTION_MAX])
{
    const char *at = text;

    while (1) {
        struct part p;
        const char *end = next_part(at, at == text ? positional(known) : NULL, &p);

        if (is_name(&p, name) && p.value_len < SUBOPTION_MAX) {
            memcpy(value, p.value, p.value_len);
            value[p.value_len] = '\0';
            return value;
        }
        if (!*end)
            return NULL;
        at = end + 1;
    }
}

bool suboption_next(const char **text, const char *const *known, struct suboption *s)
{
    struct part p;

    if (!*text || !**text)
        return false;
    *text = next_part(*text, positional(known), &p);
    *text += **text == ',';
    snprintf(s->name, sizeof s->name, "%.*s", (int)p.name_len, p.name ? p.name : "");
    snprintf(s->value, sizeof s->value, "%.*s", (int)p.value_len, p.value);
    return true;
}

int suboption_number(const char *option, const char *name, const char *value, uint64_t min, uint64_t max, uint64_t *n)
{
    if (parse_number(value, min, max, n))
        return 0;
    return options_fail("-%s %s=%s: a number from %llu to %llu", option, name, value, (unsigned long long)min,
                        (unsigned long long)max);
}

int suboption_switch(const char *option, const char *name, const char *value, bool *on)
{
    return parse_switch(value, on) ? 0 : options_fail("-%s %s=%s: use on or off", option, name, value);
}

/* --- values --- */

static bool digit(char c, unsigned base, unsigned *v)
{
    *v = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                : 16;
    return *v < base;
}

/* The number at the start of text; returns where it ends, or NULL. */
static const char *number(const char *text, uint64_t *v)
{
    unsigned base = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') ? 16 : 10;
    const char *p = base == 16 ? text + 2 : text;
    unsigned d;

    if (!digit(*p, base, &d))
        return NULL;
    for (*v = 0; digit(*p, base, &d); p++) {
        if (*v > (UINT64_MAX - d) / base)
            return NULL;
        *v = *v * base + d;
    }
    return p;
}

bool parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *v)
{
    const char *end = number(text, v);

    return end && !*end && *v >= min && *v <= max;
}

bool parse_switch(const char *text, bool *on)
{
    *on = !strcmp(text, "on") || !strcmp(text, "yes") || !strcmp(text, "true");
    return *on || !strcmp(text, "off") || !strcmp(text, "no") || !strcmp(text, "false");
}

bool parse_size(const char *text, uint64_t *size)
{
    static const char suffixes[] = "kKmMgG";
    const char *end = number(text, size);
    const char *suffix = end && *end ? strchr(suffixes, *end) : NULL;
    unsigned shift = suffix ? 10 * (unsigned)((suffix - suffixes) / 2 + 1) : 20;

    if (!end || *size > UINT64_MAX >> shift)
        return false;
    if (suffix && (end[1] == 'B' || end[1] == 'b'))
        end++;
    if (*end && (!suffix || end[1]))
        return false;
    *size <<= shift;
    return true;
}
