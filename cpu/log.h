/* log.h - log channels (log.def) chosen with -d, and rate-limited warnings about guests. */
#ifndef CPU_LOG_H
#define CPU_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum log_channel {
#define LOG_CHANNEL(name, text) LOG_CH_##name,
#include "cpu/log.def"
#undef LOG_CHANNEL
    LOG_CH_COUNT
};

extern uint32_t log_mask; /* bit n: channel n is on */

/* Log one line (the newline is added) on channel `ch` if -d names it: LOG(pit, "ch%u", n). */
#define LOG(ch, ...)                                             \
    do {                                                         \
        if (__builtin_expect(log_mask & (1u << LOG_CH_##ch), 0)) \
            log_line(LOG_CH_##ch, __VA_ARGS__);                  \
    } while (0)

/* Guest trouble: logged on guest_errors or unimp (or any channel), at most 100 lines a second a
 * channel; it never stops the emulator. */
#define GUEST_WARN(ch, ...)                                      \
    do {                                                         \
        if (__builtin_expect(log_mask & (1u << LOG_CH_##ch), 0)) \
            log_guest_warn(LOG_CH_##ch, __VA_ARGS__);            \
    } while (0)

void log_line(enum log_channel ch, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
void log_guest_warn(enum log_channel ch, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Turn channels on from a comma list ("int,pic", "all"). Returns 0, or -1 with *bad at the first
 * unknown name. */
int log_set(const char *items, const char **bad);

/* Send log lines to `path` instead of stderr. Returns 0 or -errno. */
int log_open(const char *path);

/* Print the list of channels, a line each, to `f`. */
void log_help(FILE *f);

/* Raw access for multi-line dumps; never NULL. */
FILE *log_stream(void);

/* Our own bug: print where, run the post-mortems (registers, last exceptions of each machine), abort. One that was
 * never added may be removed. */
struct log_post_mortem {
    void (*fn)(void *opaque, FILE *f);
    void *opaque;
    struct log_post_mortem *next;
};
void log_post_mortem_add(struct log_post_mortem *p);
void log_post_mortem_remove(struct log_post_mortem *p);
void log_bug(const char *file, int line, const char *what) __attribute__((noreturn, cold));
#define BUG_ON(x)                            \
    do {                                     \
        if (__builtin_expect(!!(x), 0))      \
            log_bug(__FILE__, __LINE__, #x); \
    } while (0)

#endif
