/* fdc.h - the floppy disk controller.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_FDC_H
#define HW_FDC_H

#include "hw/block/block.h"
#include "hw/core/i8237.h"

struct fdc;

/* drives: A and B; NULL: no drive. The blocks stay the caller's. */
struct fdc *fdc_create(struct bus *bus, struct i8237 *dma, struct irq irq, struct block *const drives[2]);
/* The CMOS's code of the drive an image suits: 0 none, 2: 1.2 MB, 4: 1.44 MB, 5: 2.88 MB. */
unsigned fdc_drive_type(const struct block *b);

#endif
