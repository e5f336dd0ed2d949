/* options.c - fuzzes the command line and what follows -accel bt: a bad one gets exactly one line "callgate: ..." and
 * nothing on stdout, a good one no line at all.
 *
 * Input: arguments, each ended by a newline. What begins with "bt:" is for the translator's options alone.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "bt/bt.h"
#include "cpu/log.h"
#include "ui/options.h"
#include "tests/fuzz/fuzz.h"

#define ARGS 16 /* more than that many copies of sub-options end the process, by design */

static void wrong(const char *what, const char *text)
{
    fprintf(stderr, "callgate fuzz: about this: %s\n", text);
    broken(what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FILE *real = stderr, *real_out = stdout;
    char *text = strndup((const char *)data, size);
    char *argv[ARGS + 2] = { "callgate" };
    struct options o;
    struct bt_options bt;
    char *said = NULL, *printed = NULL;
    size_t length, printed_length;
    char *save = NULL, *word;
    int argc = 1, rc;

    for (word = strtok_r(text, "\n", &save); word && argc <= ARGS; word = strtok_r(NULL, "\n", &save))
        argv[argc++] = word;
    stderr = open_memstream(&said, &length);
    stdout = open_memstream(&printed, &printed_length);
    if (argc > 1 && !strncmp(argv[1], "bt:", 3)) {
        rc = bt_parse_options(&bt, argv[1] + 3);
    } else {
        rc = options_parse(&o, argc, argv);
        options_free(&o);
    }
    fclose(stderr);
    fclose(stdout);
    stderr = real;
    stdout = real_out;
    log_mask = 0;
    if (rc < 0 && (strncmp(said, "callgate: ", 10) || strchr(said, '\n') != said + length - 1))
        wrong("not one line for a bad option", said);
    if (rc >= 0 && length)
        wrong("a line for a good option", said);
    if (rc <= 0 && printed_length)
        wrong("something printed without being asked for", printed);
    free(said);
    free(printed);
    free(text);
    return 0;
}
