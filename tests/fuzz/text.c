/* text.c - fuzzes the small parsers of what a user writes: sub-options, numbers, sizes, dates, key names, log channels.
 *
 * Input: a byte that chooses, then text up to a 0.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/log.h"
#include "hw/clock.h"
#include "hw/input/ps2.h"
#include "ui/suboptions.h"
#include "tests/fuzz/fuzz.h"

static void check_suboptions(const char *text)
{
    static const char *const known[] = { "file", "if", "index", "readonly", "f", NULL };
    static char value[SUBOPTION_MAX];
    FILE *real = stderr;
    char *said = NULL;
    size_t len;

    stderr = open_memstream(&said, &len);
    int rc = suboptions_check("-drive", text, known);
    fclose(stderr);
    stderr = real;
    if (rc ? strncmp(said, "callgate: ", 10) || strchr(said, '\n') != said + len - 1 : len != 0)
        broken(said);
    free(said);
    for (unsigned n = 0; !rc && known[n]; n++) {
        if (!suboption(text, known, known[n], value))
            continue;
        if (strlen(value) >= sizeof value || strlen(value) > strlen(text))
            broken("a value longer than its text");
    }
}

static void check_numbers(const char *text)
{
    uint64_t v = 0, again = 0;
    char back[32];
    bool on;

    if (parse_number(text, 3, 1ull << 40, &v)) {
        snprintf(back, sizeof back, "%llu", (unsigned long long)v);
        if (v < 3 || v > 1ull << 40 || !parse_number(back, v, v, &again) || again != v)
            broken("a number out of its range");
    }
    if (parse_size(text, &v) && !strpbrk(text, "0123456789"))
        broken("a size without a digit");
    parse_switch(text, &on);
}

static void check_date(const char *text)
{
    int64_t a, b;

    if (parse_date(text, &a) && strcmp(text, "utc") && strcmp(text, "localtime")) {
        if (clock_parse_rtc_base(text, &b) || a != b)
            broken("two opinions of a date");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bad;
    char *text;

    if (!size)
        return 0;
    text = strndup((const char *)data + 1, size - 1);
    switch (data[0] % 5) {
    case 0: check_suboptions(text); break;
    case 1: check_numbers(text); break;
    case 2: check_date(text); break;
    case 3:
        if (ps2kbd_find_key(text, strlen(text)) > 0xff)
            broken("a key without a code");
        break;
    default: log_set(text, &bad); log_mask = 0;
    }
    free(text);
    return 0;
}
