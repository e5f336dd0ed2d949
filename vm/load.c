/* load.c - firmware, kernels and disk images: what the configuration names, read and opened.
 *
 * Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT */
#include "vm/vm.h"

#include "hw/boot/multiboot.h"
#include "vm/files.h"
#include "vm/roms.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRMWARE_MAX (16u << 20)

static void *keep_file(struct vm *m, const char *path, const char *what, uint64_t limit, size_t *size)
{
    void *p;

    BUG_ON(m->file_count == ARRAY_SIZE(m->files));
    p = file_read(path, what, limit, size);
    if (p)
        m->files[m->file_count++] = p;
    return p;
}

static void *firmware(struct vm *m, const char *name, size_t *size)
{
    char path[4096];

    if (!firmware_find(m->cfg.lib_dir, name, path, sizeof path)) {
        fprintf(stderr,
                "callgate: firmware '%s' not found; install it (apt install seabios) or "
                "give its folder with -L\n",
                name);
        return NULL;
    }
    return keep_file(m, path, "firmware", FIRMWARE_MAX, size);
}

int vm_load_files(struct vm *m, struct pc_config *cfg, struct pc_rom_file roms[2])
{
    const struct vm_config *o = &m->cfg;

    if (o->bios) {
        char found[4096];
        bool by_name = access(o->bios, R_OK) != 0 && firmware_find(o->lib_dir, o->bios, found, sizeof found);

        cfg->bios = keep_file(m, by_name ? found : o->bios, "firmware", FIRMWARE_MAX, &cfg->bios_size);
    } else {
        cfg->bios = firmware(m, "bios-256k.bin", &cfg->bios_size);
    }
    if (!cfg->bios)
        return -EINVAL;
    if (cfg->bios_size < 64 << 10 || cfg->bios_size > 16 << 20 || cfg->bios_size % PAGE_SIZE)
        return vm_fail("the firmware image must have 64 KiB to 16 MiB, in whole pages; check -bios");
    if (o->vga) {
        roms[0].name = "pci1234,1111.rom"; /* this name lets it learn its PCI address */
        roms[0].data = firmware(m, "vgabios-stdvga.bin", &roms[0].len);
        if (!roms[0].data)
            return -EINVAL;
        cfg->rom_file_count++;
    }
    if (o->kernel) {
        cfg->kernel = keep_file(m, o->kernel, "kernel", o->ram_size, &cfg->kernel_size);
        if (!cfg->kernel)
            return -EINVAL;
        if (multiboot_probe(cfg->kernel, cfg->kernel_size))
            roms[cfg->rom_file_count++] =
                (struct pc_rom_file){ "genroms/multiboot.bin", rom_multiboot, rom_multiboot_end - rom_multiboot };
        else
            roms[cfg->rom_file_count++] =
                (struct pc_rom_file){ "genroms/linuxboot.bin", rom_linuxboot, rom_linuxboot_end - rom_linuxboot };
        cfg->kernel_name = o->kernel;
        cfg->cmdline = o->append ? o->append : "";
        cfg->initrd_arg = o->initrd;
        /* for Multiboot it is a list of modules, which the loader reads */
        if (o->initrd && !multiboot_probe(cfg->kernel, cfg->kernel_size)) {
            cfg->initrd = keep_file(m, o->initrd, "initrd", o->ram_size, &cfg->initrd_size);
            if (!cfg->initrd)
                return -EINVAL;
        }
    }
    return 0;
}

/* The images of the drives. */
int vm_open_drives(struct vm *m, struct pc_config *cfg)
{
    const struct vm_config *o = &m->cfg;
    char err[512];
    unsigned n;

    for (n = 0; n < VM_DRIVES; n++) {
        const struct vm_drive *d = &o->drive[n];
        bool floppy = n >= VM_FLOPPY0;
        unsigned flags = d->readonly || d->cdrom ? BLOCK_READONLY : 0;

        if (!d->present)
            continue;
        if (d->snapshot || o->snapshot)
            flags |= BLOCK_SNAPSHOT;
        if (floppy)
            flags |= BLOCK_MAY_PROTECT | BLOCK_ODD_SIZE;
        if (d->raw)
            flags |= BLOCK_RAW;
        m->drive[n] = d->file && *d->file ? block_open(d->file, flags, err, sizeof err) : block_open_empty();
        if (!m->drive[n]) {
            fprintf(stderr, "callgate: %s\n", d->file && *d->file ? err : "out of memory");
            return -EINVAL;
        }
        if (m->drive[n]->looks_like)
            fprintf(stderr,
                    "callgate: image '%s' looks like %s, and is used as a raw image (format=raw "
                    "says that it is): %s\n",
                    d->file, m->drive[n]->looks_like->what, m->drive[n]->looks_like->advice);
        if (floppy) {
            cfg->floppy[n - VM_FLOPPY0] = m->drive[n];
            continue;
        }
        if (!d->cdrom && !block_present(m->drive[n]))
            return vm_fail("a hard disk needs an image; give file=IMAGE, or media=cdrom");
        cfg->ide[n] = m->drive[n];
        cfg->ide_cdrom[n] = d->cdrom;
        cfg->ide_sectors[n] = block_sectors(m->drive[n]);
    }
    return 0;
}
