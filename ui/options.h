/* options.h - the command line, parsed.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef UI_OPTIONS_H
#define UI_OPTIONS_H

#include "vm/callgate.h"

struct options {
    struct vm_config vm;
    const char *name, *log_file;
    const char *display;         /* NULL: default */
    bool sandbox, sandbox_asked; /* asked: it was named, so that it must work */
    const char *sandbox_dirs;    /* DIR[:DIR...]: where the monitor opens files; NULL: not given */
    char **owned;                /* copies made while parsing */
    unsigned owned_count;
};

/* Parse. Returns 0; 1 if something was printed and the program should end with success (--help);
 * -EINVAL after one line on stderr that says what is wrong and what to do. */
int options_parse(struct options *o, int argc, char **argv);
void options_free(struct options *o);

/* Print the option table for people, and as a manual page. */
void options_help(FILE *f);
void options_man(FILE *f);

#endif
