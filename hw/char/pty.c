/* pty.c - a pseudo-terminal as a byte stream: its name is printed and can be opened by any
 * terminal program.
 *
 * We keep the other side open too. Otherwise poll() would report a hang-up for ever while nobody
 * uses it; this way output nobody reads just fills the terminal's buffer and our queue, and then is
 * dropped: whether anybody will ever open it is not known, so a guest is not made to wait.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/char/chardev_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

struct pty_chardev {
    struct chardev c;
    int fd;
    int other;              /* the side for the terminal program */
    struct chardev_out out; /* state (chardev_state); the rest is the host's */
};

static void pty_update_input(struct chardev *c)
{
    struct pty_chardev *p = (struct pty_chardev *)c;
    evloop_modify_fd(c->ev, p->fd, chardev_room(c) > 0, chardev_out_waits(&p->out));
}

static void pty_ready(void *opaque, int fd, unsigned events)
{
    struct pty_chardev *p = opaque;
    uint8_t buf[1024];
    size_t room = chardev_room(&p->c);
    if (events & EV_WRITE)
        chardev_out_flush(&p->c, &p->out);
    if (room && (events & EV_READ)) {
        ssize_t n = read(fd, buf, room < sizeof buf ? room : sizeof buf);
        if (n > 0)
            chardev_deliver(&p->c, buf, (size_t)n);
    }
    pty_update_input(&p->c);
}

static void pty_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    struct pty_chardev *p = (struct pty_chardev *)c;
    chardev_out_write(c, &p->out, buf, len);
    if (chardev_out_waits(&p->out))
        pty_update_input(c);
}

static void pty_close(struct chardev *c)
{
    struct pty_chardev *p = (struct pty_chardev *)c;
    if (p->fd >= 0) {
        evloop_remove_fd(c->ev, p->fd);
        close(p->fd);
    }
    if (p->other >= 0)
        close(p->other);
    free(p->out.buf);
}

static void pty_dump(const struct chardev *c, FILE *out)
{
    fprintf(out, ", %zu wait", ((const struct pty_chardev *)c)->out.len);
}

static void pty_unsent(const struct chardev *c, struct state_buf *out)
{
    chardev_out_unsent(&((const struct pty_chardev *)c)->out, out);
}

static void pty_forget(struct chardev *c) { chardev_out_forget(&((struct pty_chardev *)c)->out); }

static const struct chardev_ops pty_ops = { .name = "pty",
                                            .write = pty_write,
                                            .unsent = pty_unsent,
                                            .forget = pty_forget,
                                            .update_input = pty_update_input,
                                            .close = pty_close,
                                            .dump = pty_dump };

struct chardev *chardev_pty_open(struct evloop *ev, char *err, size_t err_len)
{
    struct pty_chardev *p = chardev_alloc(sizeof *p, &pty_ops, ev);
    char name[100];
    struct termios tio;
    if (!p)
        return chardev_fail(err, err_len, "out of memory");
    p->c.open = true;
    p->other = -1;
    snprintf(p->c.label, sizeof p->c.label, "pty");
    p->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->fd < 0 || grantpt(p->fd) || unlockpt(p->fd) || ptsname_r(p->fd, name, sizeof name) ||
        (p->other = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0 ||
        evloop_add_fd(ev, p->fd, false, false, pty_ready, p)) {
        int e = errno;
        chardev_close(&p->c);
        return chardev_fail(err, err_len, "pty: %s", strerror(e));
    }
    chardev_out_init(&p->out, p->fd, CHARDEV_OUT_STREAM, false);
    if (!tcgetattr(p->other, &tio)) {
        cfmakeraw(&tio);
        tcsetattr(p->other, TCSANOW, &tio);
    }
    snprintf(p->c.label, sizeof p->c.label, "pty:%s", name);
    fprintf(stderr, "callgate: character device redirected to %s\n", name);
    return &p->c;
}
