/* date.h - dates on the command line.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_DATE_H
#define UI_DATE_H

#include "cpu/base.h"

/* utc, localtime, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS that is in the calendar; seconds since 1970. */
bool parse_date(const char *text, int64_t *seconds);

#endif
