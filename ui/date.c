/* date.c - dates on the command line. See date.h.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/date.h"

#include "hw/clock.h"

#include <time.h>

bool parse_date(const char *text, int64_t *seconds)
{
    static const char shape[] = "0000-00-00T00:00:00";
    char again[sizeof shape];
    size_t len = strlen(text);
    struct tm tm;
    time_t t;
    size_t n;

    if (!strcmp(text, "utc") || !strcmp(text, "localtime"))
        return clock_parse_rtc_base(text, seconds) == 0;
    if (len != sizeof shape - 1 && len != strlen("0000-00-00"))
        return false;
    for (n = 0; n < len; n++)
        if (shape[n] == '0' ? text[n] < '0' || text[n] > '9' : text[n] != shape[n])
            return false;
    if (clock_parse_rtc_base(text, seconds))
        return false;
    /* a day that the month has not comes back as another */
    t = (time_t)*seconds;
    return gmtime_r(&t, &tm) && strftime(again, sizeof again, "%Y-%m-%dT%H:%M:%S", &tm) && !strncmp(again, text, len);
}
