/* resembles.h - what a file is, to go by its contents, that somebody gives for a raw image.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_BLOCK_RESEMBLES_H
#define HW_BLOCK_RESEMBLES_H

#include <stdint.h>

/* What a file looks like, and what to do to get a raw image of it. */
struct resemblance {
    const char *what;   /* "a qcow2 image" */
    const char *advice; /* "convert it with ..." */
};

/* Look at an open file of `size` bytes. NULL: it looks like nothing that is known. A guest can write anything
 * into its disk: the answer is good for a message, not for treating an image in another way. */
const struct resemblance *block_resembles(int fd, uint64_t size);

#endif
