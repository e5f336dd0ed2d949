/* stdio.c - the terminal (or pipe) the emulator was started from, as a byte stream.
 *
 * A terminal is put into raw mode; it must be put back whatever ends the process, so an exit
 * handler and handlers of fatal signals restore it (those set by others are kept and run after).
 * End of input is not the end of the machine: the front is told and output goes on.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/char/chardev_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

struct stdio_chardev {
    struct chardev c;
    bool watched; /* fd 0 is in the event loop */
    bool eof;
    bool out_watched;       /* so is out.fd */
    bool regular;           /* stdout is a file: it never waits */
    bool reopened;          /* out.fd is ours */
    struct chardev_out out; /* state (chardev_state); the rest is the host's */
};

static struct termios saved;
static struct termios raw;
static volatile sig_atomic_t tty_changed;
static bool in_use;

static const int fatal[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGTSTP };
static struct sigaction previous[ARRAY_SIZE(fatal)];

void chardev_stdio_restore(void)
{
    if (tty_changed) {
        tty_changed = 0;
        tcsetattr(0, TCSANOW, &saved);
    }
}

static void on_signal(int sig)
{
    int err = errno;
    bool was = tty_changed;
    chardev_stdio_restore();
    for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
        if (fatal[i] != sig)
            continue;
        if (sig == SIGTSTP) { /* stop, and be raw again afterwards */
            raise(SIGSTOP);
            if (was) {
                tcsetattr(0, TCSANOW, &raw);
                tty_changed = 1;
            }
        } else if (previous[i].sa_handler == SIG_DFL) {
            signal(sig, SIG_DFL);
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, sig);
            raise(sig);
            sigprocmask(SIG_UNBLOCK, &set, NULL);
        } else if (previous[i].sa_handler != SIG_IGN && !(previous[i].sa_flags & SA_SIGINFO)) {
            previous[i].sa_handler(sig);
        }
    }
    errno = err;
}

static void make_raw(void)
{
    static bool once;
    if (!isatty(0) || tcgetattr(0, &saved))
        return;
    raw = saved;
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |= OPOST; /* so that our own messages have carriage returns */
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    raw.c_cflag &= ~(tcflag_t)(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (!once) {
        once = true;
        atexit(chardev_stdio_restore);
        for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
            struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK };
            sigaction(fatal[i], NULL, &previous[i]);
            bool taken = previous[i].sa_flags & SA_SIGINFO;
            if (!taken && previous[i].sa_handler != SIG_IGN)
                sigaction(fatal[i], &sa, NULL);
        }
    }
    tty_changed = 1;
    tcsetattr(0, TCSANOW, &raw);
}

void chardev_stdio_signals(bool on)
{
    if (!tty_changed)
        return;
    if (on)
        raw.c_lflag |= ISIG;
    else
        raw.c_lflag &= ~(tcflag_t)ISIG;
    tcsetattr(0, TCSANOW, &raw);
}

static void stdio_update_input(struct chardev *c)
{
    struct stdio_chardev *s = (struct stdio_chardev *)c;
    if (s->watched)
        evloop_modify_fd(c->ev, 0, chardev_room(c) > 0, false);
}

static void stdio_ready(void *opaque, int fd, unsigned events)
{
    struct stdio_chardev *s = opaque;
    uint8_t buf[1024];
    size_t room = chardev_room(&s->c);
    (void)events;
    if (room) {
        ssize_t n = read(fd, buf, room < sizeof buf ? room : sizeof buf);
        if (n > 0) {
            chardev_deliver(&s->c, buf, (size_t)n);
        } else if (!n || (errno != EINTR && errno != EAGAIN)) {
            s->eof = true;
            s->watched = false;
            evloop_remove_fd(s->c.ev, fd);
            chardev_event(&s->c, CHARDEV_CLOSED);
            return;
        }
    }
    stdio_update_input(&s->c);
}

static void out_done(struct stdio_chardev *s, int rc)
{
    if (rc)
        chardev_failed(&s->c, -rc);
    if (s->out_watched)
        evloop_modify_fd(s->c.ev, s->out.fd, false, chardev_out_waits(&s->out));
}

static void stdio_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    struct stdio_chardev *s = (struct stdio_chardev *)c;
    out_done(s, chardev_out_write(c, &s->out, buf, len));
}

static void out_ready(void *opaque, int fd, unsigned events)
{
    struct stdio_chardev *s = opaque;
    (void)fd;
    (void)events;
    int rc = chardev_out_flush(&s->c, &s->out);
    out_done(s, rc);
    if (rc) /* all that waited is lost: nobody need wait for it */
        chardev_event(&s->c, CHARDEV_WRITABLE);
}

static bool stdio_writable(const struct chardev *c)
{
    return chardev_out_writable(&((const struct stdio_chardev *)c)->out);
}

static void stdio_dump(const struct chardev *c, FILE *out)
{
    const struct stdio_chardev *s = (const struct stdio_chardev *)c;
    fprintf(out, ", %zu wait%s", s->out.len, s->eof ? ", end of input" : "");
}

/* A pipe or terminal may have to wait, but O_NONBLOCK on descriptor 1 would hold for all who share it (the
 * shell, the next program): open it anew, for a description of our own. What cannot be opened (a socket, the
 * terminal of another user) is written in small pieces, when poll() says that they fit. */
static void open_output(struct stdio_chardev *s)
{
    struct stat st;
    int fd = -1;
    fflush(stdout);
    if (!fstat(1, &st)) {
        s->regular = S_ISREG(st.st_mode);
        if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))
            fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    s->reopened = fd >= 0;
    chardev_out_init(&s->out, fd >= 0 ? fd : 1, CHARDEV_OUT_STREAM, fd < 0 && !s->regular);
    if (!s->regular)
        s->out_watched = !evloop_add_fd(s->c.ev, s->out.fd, false, false, out_ready, s);
}

static void stdio_close(struct chardev *c)
{
    struct stdio_chardev *s = (struct stdio_chardev *)c;
    if (s->watched)
        evloop_remove_fd(c->ev, 0);
    if (s->out_watched)
        evloop_remove_fd(c->ev, s->out.fd);
    c->front = NULL;
    chardev_out_end(c, &s->out);
    if (s->reopened)
        close(s->out.fd);
    chardev_stdio_restore();
    in_use = false;
}

static void stdio_unsent(const struct chardev *c, struct state_buf *out)
{
    chardev_out_unsent(&((const struct stdio_chardev *)c)->out, out);
}

static void stdio_forget(struct chardev *c) { chardev_out_forget(&((struct stdio_chardev *)c)->out); }

static const struct chardev_ops stdio_ops = { .name = "stdio",
                                              .write = stdio_write,
                                              .unsent = stdio_unsent,
                                              .forget = stdio_forget,
                                              .writable = stdio_writable,
                                              .update_input = stdio_update_input,
                                              .close = stdio_close,
                                              .dump = stdio_dump };

struct chardev *chardev_stdio_open(struct evloop *ev, char *err, size_t err_len)
{
    if (in_use)
        return chardev_fail(err, err_len, "stdio is already used by another character device");
    struct stdio_chardev *s = chardev_alloc(sizeof *s, &stdio_ops, ev);
    if (!s)
        return chardev_fail(err, err_len, "out of memory");
    in_use = true;
    s->c.open = true;
    s->c.typed = isatty(0);
    open_output(s);
    /* A background job must not touch the terminal: it would be stopped. */
    bool foreground = !isatty(0) || tcgetpgrp(0) == getpgrp();
    if (foreground) {
        make_raw();
        s->watched = fcntl(0, F_GETFD) >= 0 && !evloop_add_fd(ev, 0, false, false, stdio_ready, s);
    }
    return &s->c;
}
