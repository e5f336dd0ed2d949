/* socket.c - a Unix or TCP socket as a byte stream, as client or as server of one client.
 *
 * A server goes on listening when its client leaves. What is written before the first client comes is kept
 * for it, the newest 64 KiB; between clients nothing is. Input that the front has no room for yet waits here, so
 * that a client need not stay until it is taken. TCP peers get no telnet negotiation.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "hw/char/chardev_int.h"

#include "hw/hostfile.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct socket_chardev {
    struct chardev c;
    int listen_fd;                                          /* -1: client */
    int fd;                                                 /* -1: not connected */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* to unlink; may be empty */
    bool deaf;              /* the client takes no more; what it sent before is still to be read */
    bool keep;              /* nobody was here yet: what is written is for the first client */
    struct chardev_out out; /* state (chardev_state); the rest is the host's */
};

static void socket_update_input(struct chardev *c)
{
    struct socket_chardev *s = (struct socket_chardev *)c;
    if (s->fd >= 0)
        evloop_modify_fd(c->ev, s->fd, chardev_pending_room(c) > 0, chardev_out_waits(&s->out));
}

/* Drop what waits, and let a guest that was held back go on. */
static void forget_output(struct socket_chardev *s)
{
    bool held = !chardev_out_writable(&s->out);
    free(s->out.buf);
    chardev_out_init(&s->out, s->fd, CHARDEV_OUT_SOCKET, false);
    if (held)
        chardev_event(&s->c, CHARDEV_WRITABLE);
}

static void disconnect(struct socket_chardev *s)
{
    if (s->fd < 0)
        return;
    evloop_remove_fd(s->c.ev, s->fd);
    close(s->fd);
    s->fd = -1;
    forget_output(s);
    if (s->listen_fd >= 0)
        evloop_modify_fd(s->c.ev, s->listen_fd, true, false);
    chardev_event(&s->c, CHARDEV_CLOSED);
}

/* The client does not read any more. It may have sent something before it left (a command, and no interest in
 * the answer): the end of that is the end of the connection. */
static void stop_writing(struct socket_chardev *s)
{
    s->deaf = true;
    forget_output(s);
    socket_update_input(&s->c);
}

static void socket_ready(void *opaque, int fd, unsigned events)
{
    struct socket_chardev *s = opaque;
    uint8_t buf[4096];
    if ((events & EV_WRITE) && !s->deaf && chardev_out_flush(&s->c, &s->out))
        stop_writing(s);
    size_t room = chardev_pending_room(&s->c);
    if (!room && (events & EV_HUP)) { /* it is full of what nobody takes */
        disconnect(s);
        return;
    }
    if (room && (events & (EV_READ | EV_HUP))) {
        ssize_t n = read(fd, buf, room < sizeof buf ? room : sizeof buf);
        if (!n || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            disconnect(s);
            return;
        }
        if (n > 0)
            chardev_deliver_later(&s->c, buf, (size_t)n);
    }
    socket_update_input(&s->c);
}

static int use(struct socket_chardev *s, int fd)
{
    const int one = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails for Unix: fine */
    int err = evloop_add_fd(s->c.ev, fd, true, false, socket_ready, s);
    if (err) {
        close(fd);
        return err;
    }
    s->fd = s->out.fd = fd;
    s->deaf = s->keep = false;
    if (s->listen_fd >= 0)
        evloop_modify_fd(s->c.ev, s->listen_fd, false, false);
    if (chardev_out_flush(&s->c, &s->out)) /* what was kept for it */
        stop_writing(s);
    chardev_event(&s->c, CHARDEV_OPENED);
    socket_update_input(&s->c);
    return 0;
}

static void accept_ready(void *opaque, int fd, unsigned events)
{
    struct socket_chardev *s = opaque;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    (void)events;
    if (peer >= 0)
        use(s, peer);
}

static void socket_write(struct chardev *c, const uint8_t *buf, size_t len)
{
    struct socket_chardev *s = (struct socket_chardev *)c;
    if (s->fd < 0 || s->deaf) {
        if (s->keep)
            chardev_out_keep(&s->out, buf, len);
        return;
    }
    if (chardev_out_write(c, &s->out, buf, len))
        stop_writing(s);
    else if (chardev_out_waits(&s->out))
        socket_update_input(c);
}

static bool socket_writable(const struct chardev *c)
{
    return chardev_out_writable(&((const struct socket_chardev *)c)->out);
}

static void socket_dump(const struct chardev *c, FILE *out)
{
    const struct socket_chardev *s = (const struct socket_chardev *)c;
    fprintf(out, ", %zu wait%s", s->out.len, s->keep ? " for the first client" : "");
}

static void socket_close(struct chardev *c)
{
    struct socket_chardev *s = (struct socket_chardev *)c;
    s->c.front = NULL;
    if (s->fd >= 0 && !s->deaf)
        chardev_out_end(c, &s->out);
    disconnect(s);
    if (s->listen_fd >= 0) {
        evloop_remove_fd(c->ev, s->listen_fd);
        close(s->listen_fd);
        if (s->path[0])
            hostfile_open(HOSTFILE_REMOVE, s->path);
    }
    free(s->out.buf);
}

static void socket_unsent(const struct chardev *c, struct state_buf *out)
{
    chardev_out_unsent(&((const struct socket_chardev *)c)->out, out);
}

static void socket_forget(struct chardev *c) { chardev_out_forget(&((struct socket_chardev *)c)->out); }

static const struct chardev_ops socket_ops = { .name = "socket",
                                               .write = socket_write,
                                               .unsent = socket_unsent,
                                               .forget = socket_forget,
                                               .writable = socket_writable,
                                               .update_input = socket_update_input,
                                               .close = socket_close,
                                               .dump = socket_dump };

/* A connected or listening socket, or -errno (with a sentence in err). */
static int open_unix(const char *path, bool server, char *err, size_t err_len)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    if (!*path || strlen(path) >= sizeof a.sun_path) {
        chardev_fail(err, err_len, "unix:%s: the path is empty or too long", path);
        return -EINVAL;
    }
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server)
        unlink(path);
    if (fd < 0 || (server ? bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 1)
                          : connect(fd, (struct sockaddr *)&a, sizeof a))) {
        int e = errno;
        chardev_fail(err, err_len, "unix:%s: %s", path, strerror(e));
        if (fd >= 0)
            close(fd);
        return -e;
    }
    return fd;
}

static int open_tcp(const char *where, bool server, char *err, size_t err_len)
{
    char host[256];
    const char *colon = strrchr(where, ':');
    if (!colon || (size_t)(colon - where) >= sizeof host || !colon[1]) {
        chardev_fail(err, err_len, "tcp:%s: HOST:PORT expected", where);
        return -EINVAL;
    }
    memcpy(host, where, (size_t)(colon - where));
    host[colon - where] = 0;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = server ? AI_PASSIVE : 0 };
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &list);
    if (rc) {
        chardev_fail(err, err_len, "tcp:%s: %s", where, gai_strerror(rc));
        return -EINVAL;
    }
    int fd = -1;
    int e = ENOENT;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        const int one = 1;
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0) {
            e = errno;
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (server ? bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1) : connect(fd, a->ai_addr, a->ai_addrlen)) {
            e = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        chardev_fail(err, err_len, "tcp:%s: %s", where, strerror(e));
        return -e;
    }
    return fd;
}

struct chardev *chardev_socket_open(struct evloop *ev, const char *spec, char *err, size_t err_len)
{
    bool is_unix = !strncmp(spec, "unix:", 5);
    bool server = false;
    bool wait = true;
    char where[512];
    const char *p = strchr(spec, ':') + 1;
    size_t len = strcspn(p, ",");
    const char *opts = p + len;

    if (len >= sizeof where)
        return chardev_fail(err, err_len, "%s: too long", spec);
    memcpy(where, p, len);
    where[len] = 0;
    while (*opts == ',') {
        size_t n = strcspn(++opts, ",");
        if ((n == 6 && !strncmp(opts, "server", 6)) || (n == 9 && !strncmp(opts, "server=on", 9)))
            server = true;
        else if ((n == 6 && !strncmp(opts, "nowait", 6)) || (n == 8 && !strncmp(opts, "wait=off", 8)))
            wait = false;
        else if ((n != 7 || strncmp(opts, "wait=on", 7)) && (n != 4 || strncmp(opts, "wait", 4)))
            return chardev_fail(err, err_len, "%s: unknown option %.*s", spec, (int)n, opts);
        opts += n;
    }

    signal(SIGPIPE, SIG_IGN);
    int fd = is_unix ? open_unix(where, server, err, err_len) : open_tcp(where, server, err, err_len);
    if (fd < 0)
        return NULL;
    struct socket_chardev *s = chardev_alloc(sizeof *s, &socket_ops, ev);
    if (!s) {
        close(fd);
        return chardev_fail(err, err_len, "out of memory");
    }
    s->fd = s->listen_fd = -1;
    chardev_out_init(&s->out, -1, CHARDEV_OUT_SOCKET, false);
    snprintf(s->c.label, sizeof s->c.label, "%.120s", spec);
    int rc = 0;
    if (server) {
        s->listen_fd = fd;
        s->keep = true;
        if (is_unix)
            memcpy(s->path, where, len + 1);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        rc = evloop_add_fd(ev, fd, true, false, accept_ready, s);
        if (!rc && wait) {
            struct pollfd pf = { .fd = fd, .events = POLLIN };
            fprintf(stderr, "callgate: waiting for a connection on %s\n", s->c.label);
            while (poll(&pf, 1, -1) < 0 && errno == EINTR)
                ;
            accept_ready(s, fd, EV_READ);
        }
    } else {
        rc = use(s, fd);
    }
    if (rc) {
        chardev_fail(err, err_len, "%s: %s", spec, strerror(-rc));
        chardev_close(&s->c);
        return NULL;
    }
    return &s->c;
}
