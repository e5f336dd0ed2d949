/* sdl.c - the machine's screen, keyboard and mouse in a window (SDL2).
 *
 * It runs on the machine's thread, 50 times a second by a host timer, so that it also answers while
 * the guest is stopped. The mouse is captured by a click and let go by Ctrl-Alt-G.
 *
 * In the sandbox, pictures are made by the CPU where SDL can do so (X11): a graphics driver wants a device of
 * the kernel, files and code of its own. D-Bus is not connected to: it would be a way to have programs
 * started outside.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "ui/sdl.h"

#include "hw/display/vga.h"

#include <SDL.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define REFRESH_HZ 50

struct sdl_console {
    struct ui *ui;
    struct vm *m;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    uint32_t *pixels;
    unsigned width, height;
    int timer_fd;
    bool captured;
    bool paused_shown;
    bool gpu; /* a graphics driver makes the pictures */
    unsigned buttons;
    int display_fd[SANDBOX_DISPLAY_FDS]; /* local sockets that SDL has opened */
    unsigned display_fds;
};

/* SDL scan codes and QEMU's key names. Letters and digits are handled apart. */
static const struct {
    SDL_Scancode code;
    const char *name;
} keys[] = {
    { SDL_SCANCODE_ESCAPE, "esc" },
    { SDL_SCANCODE_MINUS, "minus" },
    { SDL_SCANCODE_EQUALS, "equal" },
    { SDL_SCANCODE_BACKSPACE, "backspace" },
    { SDL_SCANCODE_TAB, "tab" },
    { SDL_SCANCODE_LEFTBRACKET, "bracket_left" },
    { SDL_SCANCODE_RIGHTBRACKET, "bracket_right" },
    { SDL_SCANCODE_RETURN, "ret" },
    { SDL_SCANCODE_LCTRL, "ctrl" },
    { SDL_SCANCODE_RCTRL, "ctrl_r" },
    { SDL_SCANCODE_SEMICOLON, "semicolon" },
    { SDL_SCANCODE_APOSTROPHE, "apostrophe" },
    { SDL_SCANCODE_GRAVE, "grave_accent" },
    { SDL_SCANCODE_LSHIFT, "shift" },
    { SDL_SCANCODE_RSHIFT, "shift_r" },
    { SDL_SCANCODE_BACKSLASH, "backslash" },
    { SDL_SCANCODE_COMMA, "comma" },
    { SDL_SCANCODE_PERIOD, "dot" },
    { SDL_SCANCODE_SLASH, "slash" },
    { SDL_SCANCODE_LALT, "alt" },
    { SDL_SCANCODE_RALT, "alt_r" },
    { SDL_SCANCODE_SPACE, "spc" },
    { SDL_SCANCODE_CAPSLOCK, "caps_lock" },
    { SDL_SCANCODE_NUMLOCKCLEAR, "num_lock" },
    { SDL_SCANCODE_SCROLLLOCK, "scroll_lock" },
    { SDL_SCANCODE_F1, "f1" },
    { SDL_SCANCODE_F2, "f2" },
    { SDL_SCANCODE_F3, "f3" },
    { SDL_SCANCODE_F4, "f4" },
    { SDL_SCANCODE_F5, "f5" },
    { SDL_SCANCODE_F6, "f6" },
    { SDL_SCANCODE_F7, "f7" },
    { SDL_SCANCODE_F8, "f8" },
    { SDL_SCANCODE_F9, "f9" },
    { SDL_SCANCODE_F10, "f10" },
    { SDL_SCANCODE_F11, "f11" },
    { SDL_SCANCODE_F12, "f12" },
    { SDL_SCANCODE_HOME, "home" },
    { SDL_SCANCODE_END, "end" },
    { SDL_SCANCODE_UP, "up" },
    { SDL_SCANCODE_DOWN, "down" },
    { SDL_SCANCODE_LEFT, "left" },
    { SDL_SCANCODE_RIGHT, "right" },
    { SDL_SCANCODE_PAGEUP, "pgup" },
    { SDL_SCANCODE_PAGEDOWN, "pgdn" },
    { SDL_SCANCODE_INSERT, "insert" },
    { SDL_SCANCODE_DELETE, "delete" },
    { SDL_SCANCODE_PRINTSCREEN, "print" },
    { SDL_SCANCODE_PAUSE, "pause" },
    { SDL_SCANCODE_LGUI, "meta_l" },
    { SDL_SCANCODE_RGUI, "meta_r" },
    { SDL_SCANCODE_APPLICATION, "menu" },
    { SDL_SCANCODE_NONUSBACKSLASH, "less" },
    { SDL_SCANCODE_KP_DIVIDE, "kp_divide" },
    { SDL_SCANCODE_KP_MULTIPLY, "kp_multiply" },
    { SDL_SCANCODE_KP_MINUS, "kp_subtract" },
    { SDL_SCANCODE_KP_PLUS, "kp_add" },
    { SDL_SCANCODE_KP_ENTER, "kp_enter" },
    { SDL_SCANCODE_KP_PERIOD, "kp_decimal" },
    { SDL_SCANCODE_KP_0, "kp_0" },
    { SDL_SCANCODE_KP_1, "kp_1" },
    { SDL_SCANCODE_KP_2, "kp_2" },
    { SDL_SCANCODE_KP_3, "kp_3" },
    { SDL_SCANCODE_KP_4, "kp_4" },
    { SDL_SCANCODE_KP_5, "kp_5" },
    { SDL_SCANCODE_KP_6, "kp_6" },
    { SDL_SCANCODE_KP_7, "kp_7" },
    { SDL_SCANCODE_KP_8, "kp_8" },
    { SDL_SCANCODE_KP_9, "kp_9" },
};

static void set_title(struct sdl_console *s)
{
    char title[160];
    const char *name = s->ui->opt.name;

    snprintf(title, sizeof title, "Callgate%s%s%s%s", name ? " - " : "", name ? name : "",
             s->m->paused ? " (stopped)" : "", s->captured ? " - Ctrl-Alt-G lets the mouse go" : "");
    SDL_SetWindowTitle(s->window, title);
}

static void capture(struct sdl_console *s, bool on)
{
    s->captured = on;
    SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
    set_title(s);
}

static void key(struct sdl_console *s, const SDL_KeyboardEvent *e)
{
    SDL_Scancode code = e->keysym.scancode;
    bool down = e->type == SDL_KEYDOWN;
    char one[2] = "";
    const char *name = NULL;
    size_t n;

    if (down && code == SDL_SCANCODE_G && (e->keysym.mod & KMOD_CTRL) && (e->keysym.mod & KMOD_ALT)) {
        capture(s, !s->captured);
        return;
    }
    if (code >= SDL_SCANCODE_A && code <= SDL_SCANCODE_Z) {
        one[0] = (char)('a' + (code - SDL_SCANCODE_A));
        name = one;
    } else if (code >= SDL_SCANCODE_1 && code <= SDL_SCANCODE_0) {
        one[0] = "1234567890"[code - SDL_SCANCODE_1];
        name = one;
    }
    for (n = 0; !name && n < ARRAY_SIZE(keys); n++)
        if (keys[n].code == code)
            name = keys[n].name;
    if (name)
        pc_key_event(s->m->pc, name, down);
}

static void button(struct sdl_console *s, const SDL_MouseButtonEvent *e)
{
    unsigned bit = e->button == SDL_BUTTON_LEFT     ? 1
                   : e->button == SDL_BUTTON_RIGHT  ? 2
                   : e->button == SDL_BUTTON_MIDDLE ? 4
                                                    : 0;

    if (!s->captured) {
        if (e->type == SDL_MOUSEBUTTONDOWN)
            capture(s, true);
        return;
    }
    s->buttons = e->type == SDL_MOUSEBUTTONDOWN ? s->buttons | bit : s->buttons & ~bit;
    pc_mouse_event(s->m->pc, 0, 0, 0, s->buttons);
}

static void handle_events(struct sdl_console *s)
{
    int dx = 0;
    int dy = 0;
    int dz = 0;
    SDL_Event e;

    while (SDL_PollEvent(&e)) {
        switch (e.type) {
        case SDL_QUIT: vm_request(s->m, RESET_QUIT, 0); break;
        case SDL_KEYDOWN:
        case SDL_KEYUP: key(s, &e.key); break;
        case SDL_MOUSEMOTION:
            dx += e.motion.xrel;
            dy += e.motion.yrel;
            break;
        case SDL_MOUSEWHEEL: dz -= e.wheel.y; break;
        case SDL_MOUSEBUTTONDOWN:
        case SDL_MOUSEBUTTONUP: button(s, &e.button); break;
        case SDL_WINDOWEVENT:
            if (e.window.event == SDL_WINDOWEVENT_FOCUS_LOST && s->captured)
                capture(s, false);
            s->width = 0; /* draw anew */
            break;
        }
    }
    /* one motion a refresh: the guest is never more than one behind */
    if (s->captured && (dx || dy || dz))
        pc_mouse_event(s->m->pc, dx, dy, dz, s->buttons);
}

static bool resize(struct sdl_console *s, unsigned w, unsigned h)
{
    uint32_t *pixels = realloc(s->pixels, (size_t)w * h * sizeof *pixels);

    if (!pixels)
        return false;
    s->pixels = pixels;
    if (s->texture)
        SDL_DestroyTexture(s->texture);
    s->texture = SDL_CreateTexture(s->renderer, SDL_PIXELFORMAT_XRGB8888, SDL_TEXTUREACCESS_STREAMING, (int)w, (int)h);
    if (!s->texture)
        return false;
    SDL_SetWindowSize(s->window, (int)w, (int)h);
    SDL_RenderSetLogicalSize(s->renderer, (int)w, (int)h);
    s->width = w;
    s->height = h;
    return true;
}

static void refresh(void *opaque, int fd, unsigned events)
{
    struct sdl_console *s = opaque;
    struct vga *vga = pc_vga(s->m->pc);
    uint64_t ticks;
    unsigned w;
    unsigned h;
    bool draw;

    (void)events;
    if (read(fd, &ticks, sizeof ticks) < 0)
        return;
    handle_events(s);
    if (s->paused_shown != s->m->paused) {
        s->paused_shown = s->m->paused;
        set_title(s);
    }
    if (!vga)
        return;
    draw = vga_changed(vga);
    vga_size(vga, &w, &h);
    if (w != s->width || h != s->height) {
        if (!resize(s, w, h))
            return;
        draw = true;
    }
    if (!draw)
        return;
    vga_render(vga, s->pixels, w, h, w * sizeof *s->pixels);
    SDL_UpdateTexture(s->texture, NULL, s->pixels, (int)(w * sizeof *s->pixels));
    SDL_RenderClear(s->renderer);
    SDL_RenderCopy(s->renderer, s->texture, NULL, NULL);
    SDL_RenderPresent(s->renderer);
}

/* What libraries print while the window is opened is kept from the terminal; of it, the last line tells why
 * if there will be no window. */
struct hush {
    int stderr_copy; /* -1: nothing was changed */
    int kept;
};

static struct hush hush_begin(void)
{
    struct hush h = { fcntl(2, F_DUPFD_CLOEXEC, 3), -1 };

    h.kept = h.stderr_copy >= 0 ? memfd_create("messages", MFD_CLOEXEC) : -1;
    if (h.kept >= 0) {
        fflush(stderr);
        dup2(h.kept, 2);
    }
    return h;
}

/* Undo it; `last` gets the last line, perhaps empty. */
static void hush_end(struct hush h, char *last, size_t size)
{
    char text[1024];
    off_t end = h.kept >= 0 ? lseek(h.kept, 0, SEEK_END) : 0;
    off_t from = end > (off_t)sizeof text - 1 ? end - ((off_t)sizeof text - 1) : 0;
    ssize_t n = h.kept >= 0 ? pread(h.kept, text, sizeof text - 1, from) : 0;
    char *line;

    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    text[n > 0 ? n : 0] = '\0';
    line = strrchr(text, '\n');
    snprintf(last, size, "%.*s", (int)size - 1, line ? line + 1 : text);
    if (h.kept >= 0) {
        dup2(h.stderr_copy, 2);
        close(h.kept);
    }
    if (h.stderr_copy >= 0)
        close(h.stderr_copy);
}

static int fail(struct sdl_console *s, const char *what, const char *why, const char *said)
{
    fprintf(stderr, "callgate: cannot open a window: %s: %s%s%s%s; use -nographic or -display none\n", what, why,
            *said ? " (" : "", said, *said ? ")" : "");
    free(s);
    return -EIO;
}

/* What libraries read from the environment when they start: be quiet, write no files, stay away from D-Bus. */
static void prepare_environment(void)
{
    setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:", 1);
    setenv("DBUS_SYSTEM_BUS_ADDRESS", "disabled:", 1);
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
    setenv("MESA_GLSL_CACHE_DISABLE", "true", 1); /* its old name */
    setenv("MESA_DEBUG", "silent", 0);
    setenv("LIBGL_DEBUG", "quiet", 0);
    setenv("EGL_LOG_LEVEL", "fatal", 0);
}

/* A mask of the descriptors below its width that are sockets. */
static uint64_t sockets(void)
{
    uint64_t found = 0;
    struct stat st;
    int fd;

    for (fd = 0; fd < 64; fd++)
        if (!fstat(fd, &st) && S_ISSOCK(st.st_mode))
            found |= 1ull << fd;
    return found;
}

/* SDL's sockets: those that were not there before. */
static void note_display(struct sdl_console *s, uint64_t before)
{
    uint64_t found = sockets() & ~before;
    int fd;

    for (fd = 0; fd < 64 && s->display_fds < SANDBOX_DISPLAY_FDS; fd++)
        if (found >> fd & 1)
            s->display_fd[s->display_fds++] = fd;
}

static SDL_Renderer *create_renderer(struct sdl_console *s)
{
    const char *driver = SDL_GetCurrentVideoDriver();

    s->gpu = !driver || (strcmp(driver, "x11") && strcmp(driver, "dummy"));
    if (!s->ui->opt.sandbox || s->gpu)
        return SDL_CreateRenderer(s->window, -1, 0);
    SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    return SDL_CreateRenderer(s->window, -1, SDL_RENDERER_SOFTWARE);
}

/* Window and renderer; returns what could not be had, or NULL. */
static const char *open_window(struct sdl_console *s)
{
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    if (s->ui->opt.sandbox)
        prepare_environment();
    if (SDL_Init(SDL_INIT_VIDEO) < 0)
        return "SDL";
    s->window =
        SDL_CreateWindow("Callgate", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720, 400, SDL_WINDOW_RESIZABLE);
    if (!s->window)
        return "window";
    s->renderer = create_renderer(s);
    return s->renderer ? NULL : "renderer";
}

int sdl_start(struct ui *ui)
{
    uint64_t before = sockets();
    struct itimerspec period = { 0 };
    struct sdl_console *s = calloc(1, sizeof *s);
    const char *missing;
    char said[200];
    struct hush hush;

    if (!s)
        return -ENOMEM;
    s->ui = ui;
    s->m = ui->vm;
    hush = hush_begin();
    missing = open_window(s);
    hush_end(hush, said, sizeof said);
    if (missing)
        return fail(s, missing, SDL_GetError(), said);
    s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->timer_fd < 0)
        return fail(s, "timer", strerror(errno), "");
    period.it_interval.tv_nsec = 1000000000 / REFRESH_HZ;
    period.it_value = period.it_interval;
    timerfd_settime(s->timer_fd, 0, &period, NULL);
    note_display(s, before);
    ui->display = s;
    set_title(s);
    return evloop_add_fd(s->m->ev, s->timer_fd, true, false, refresh, s);
}

void sdl_stop(struct ui *ui)
{
    struct sdl_console *s = ui->display;

    if (!s)
        return;
    evloop_remove_fd(s->m->ev, s->timer_fd);
    close(s->timer_fd);
    free(s->pixels);
    SDL_Quit();
    free(s);
    ui->display = NULL;
}

void sdl_needs(const struct ui *ui, struct sandbox_needs *needs)
{
    const struct sdl_console *s = ui->display;

    if (!s)
        return;
    needs->window = true;
    needs->gpu = s->gpu;
    needs->display_fds = s->display_fds;
    memcpy(needs->display_fd, s->display_fd, sizeof needs->display_fd);
}
