/* sdl.h - the machine's screen, keyboard and mouse in a window (SDL2).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_SDL_H
#define UI_SDL_H

#include "ui/machine.h"
#include "ui/sandbox.h"

/* Open the window. Returns 0, or -errno after one line on stderr. */
int sdl_start(struct machine *m);
void sdl_stop(struct machine *m);
/* What the window, if there is one, needs in the sandbox: sets `window`, `gpu`, `display_fd`. */
void sdl_needs(const struct machine *m, struct sandbox_needs *needs);

#endif
