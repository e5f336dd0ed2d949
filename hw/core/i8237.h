/* i8237.h - the two DMA controllers.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_I8237_H
#define HW_I8237_H

#include "hw/bus.h"

struct i8237;

enum dma_dir {
    DMA_VERIFY,    /* counts, moves nothing */
    DMA_TO_MEMORY, /* the 8237's "write": device to memory */
    DMA_TO_DEVICE,
};

struct i8237 *i8237_create(struct bus *bus);
/* The device's DREQ (shown in the status register). */
void i8237_set_dreq(struct i8237 *dma, unsigned chan, int level);
/* What the guest programmed the channel for, and whether it would answer a request now. */
enum dma_dir i8237_direction(const struct i8237 *dma, unsigned chan);
bool i8237_ready(const struct i8237 *dma, unsigned chan);
/* Move up to `len` bytes in the programmed direction between `buf` and memory. Stops at terminal
 * count (*tc is set) unless the channel auto-initialises. Returns the bytes moved: 0 if the
 * channel is masked or the controller disabled. On verify, `buf` is not touched. */
size_t i8237_transfer(struct i8237 *dma, unsigned chan, void *buf, size_t len, bool *tc);

#endif
