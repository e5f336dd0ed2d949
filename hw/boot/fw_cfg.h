/* fw_cfg.h - the firmware configuration device: named and numbered blobs for the guest.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#ifndef HW_FW_CFG_H
#define HW_FW_CFG_H

#include "hw/bus.h"

/* Numbers of the selector register. */
enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_MACHINE_ID = 0x06,
    FW_CFG_KERNEL_ADDR = 0x07,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_KERNEL_CMDLINE = 0x09,
    FW_CFG_INITRD_ADDR = 0x0a,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_DEVICE = 0x0c,
    FW_CFG_NUMA = 0x0d,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_ENTRY = 0x10,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_ADDR = 0x13,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_SETUP_ADDR = 0x16,
    FW_CFG_SETUP_SIZE = 0x17,
    FW_CFG_SETUP_DATA = 0x18,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_ACPI_TABLES = 0x8000,
    FW_CFG_SMBIOS = 0x8001,
    FW_CFG_IRQ0_OVERRIDE = 0x8002,
    FW_CFG_E820_TABLE = 0x8003,
    FW_CFG_HPET = 0x8004,
};

#define FW_CFG_NAME_MAX 56 /* with its final zero */

struct fw_cfg;

struct fw_cfg *fw_cfg_create(struct bus *bus);
/* Define a key. The data must live as long as the device; the _copy form copies it. */
void fw_cfg_add(struct fw_cfg *fw, unsigned key, const void *data, size_t len);
void fw_cfg_add_copy(struct fw_cfg *fw, unsigned key, const void *data, size_t len);
void fw_cfg_add_u16(struct fw_cfg *fw, unsigned key, uint16_t val);
void fw_cfg_add_u32(struct fw_cfg *fw, unsigned key, uint32_t val);
void fw_cfg_add_u64(struct fw_cfg *fw, unsigned key, uint64_t val);
void fw_cfg_add_string(struct fw_cfg *fw, unsigned key, const char *s);
/* Define a file. All files must be there before the guest runs: the directory is sorted by name
 * and keys follow its order. A second file of the same name is a start-up error. */
void fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, size_t len);
void fw_cfg_add_file_copy(struct fw_cfg *fw, const char *name, const void *data, size_t len);
bool fw_cfg_has_file(const struct fw_cfg *fw, const char *name);

#endif
