/* log.c - where log lines and post-mortems go.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "cpu/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint32_t log_mask;

static FILE *log_file;
static struct log_post_mortem *post_mortems;
static pthread_mutex_t post_mortems_lock = PTHREAD_MUTEX_INITIALIZER;

static const struct {
    const char *name;
    const char *text;
} channels[] = {
#define LOG_CHANNEL(name, text) { #name, text },
#include "cpu/log.def"
#undef LOG_CHANNEL
};

FILE *log_stream(void) { return log_file ? log_file : stderr; }

static void vline(enum log_channel ch, const char *fmt, va_list ap)
{
    FILE *f = log_stream();

    fprintf(f, "%s: ", channels[ch].name);
    vfprintf(f, fmt, ap);
    fputc('\n', f);
}

void log_line(enum log_channel ch, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vline(ch, fmt, ap);
    va_end(ap);
}

void log_guest_warn(enum log_channel ch, const char *fmt, ...)
{
    enum { LINES_PER_SECOND = 100 };
    static struct {
        time_t second;
        unsigned lines;
    } rate[LOG_CH_COUNT];
    time_t now = time(NULL);
    va_list ap;

    if (rate[ch].second != now) {
        if (rate[ch].lines > LINES_PER_SECOND)
            fprintf(log_stream(), "%s: %u more lines left out\n", channels[ch].name, rate[ch].lines - LINES_PER_SECOND);
        rate[ch].second = now;
        rate[ch].lines = 0;
    }
    if (rate[ch].lines++ >= LINES_PER_SECOND)
        return;
    va_start(ap, fmt);
    vline(ch, fmt, ap);
    va_end(ap);
}

int log_set(const char *items, const char **bad)
{
    while (*items) {
        size_t len = strcspn(items, ",");
        size_t n;

        if (len == 3 && !memcmp(items, "all", 3)) {
            log_mask |= (1u << LOG_CH_COUNT) - 1;
        } else {
            for (n = 0; n < LOG_CH_COUNT; n++)
                if (strlen(channels[n].name) == len && !memcmp(items, channels[n].name, len))
                    break;
            if (n == LOG_CH_COUNT) {
                *bad = items;
                return -1;
            }
            log_mask |= 1u << n;
        }
        items += len;
        if (*items == ',')
            items++;
    }
    return 0;
}

int log_open(const char *path)
{
    FILE *f = fopen(path, "w");

    if (!f)
        return -errno;
    setvbuf(f, NULL, _IOLBF, 0);
    log_file = f;
    return 0;
}

void log_help(FILE *f)
{
    size_t n;

    for (n = 0; n < LOG_CH_COUNT; n++)
        fprintf(f, "%-14s %s\n", channels[n].name, channels[n].text);
}

void log_post_mortem_add(struct log_post_mortem *p)
{
    pthread_mutex_lock(&post_mortems_lock);
    p->next = post_mortems;
    post_mortems = p;
    pthread_mutex_unlock(&post_mortems_lock);
}

void log_post_mortem_remove(struct log_post_mortem *p)
{
    struct log_post_mortem **at;

    pthread_mutex_lock(&post_mortems_lock);
    for (at = &post_mortems; *at; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    pthread_mutex_unlock(&post_mortems_lock);
}

void log_bug(const char *file, int line, const char *what)
{
    FILE *f = log_stream();

    fprintf(f, "callgate: BUG at %s:%d: %s\n", file, line, what);
    while (post_mortems) {
        const struct log_post_mortem *p = post_mortems;

        post_mortems = p->next; /* a fault in it must not come back here */
        p->fn(p->opaque, f);
    }
    fflush(f);
    abort();
}
