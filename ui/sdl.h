/* sdl.h - the machine's screen, keyboard and mouse in a window (SDL2).
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_SDL_H
#define UI_SDL_H

#include "ui/ui.h"
#include "ui/sandbox.h"

/* Open the window. Returns 0, or -errno after one line on stderr. */
int sdl_start(struct ui *ui);
void sdl_stop(struct ui *ui);
/* What the window, if there is one, needs in the sandbox: sets `window`, `gpu`, `display_fd`. */
void sdl_needs(const struct ui *ui, struct sandbox_needs *needs);

#endif
