#!/usr/bin/env python3
"""bochs.py -m MIB -kernel FILE -initrd FILE -append TEXT: boots a Linux kernel in Bochs as QEMU's options ask,
serial port on stdout. Bochs has no -kernel: the files go to a CD-ROM image that GRUB boots. The line
"bochs: image ready" tells when Bochs starts. Other options are ignored.

BOCHS is the program (default bochs); a build with the debugger, as Debian's, is told to run on. BXSHARE is
where its ROM images are (default /usr/share/bochs). Needs grub-mkrescue, xorriso and the GRUB modules for
BIOS (grub-common, xorriso, grub-pc-bin), bochsbios, vgabios.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile

BOCHS = os.environ.get("BOCHS") or "bochs"
SHARE = os.environ.get("BXSHARE") or "/usr/share/bochs"
ROMS = (SHARE, "/usr/share/bochs", "/usr/share/vgabios", "/usr/share/seabios")
MODULES = "normal linux iso9660 biosdisk"

# The clock counts instructions; 50 million a second of guest time is about what Bochs does in a second.
CONFIG = """
config_interface: textconfig
display_library: %(display)s
memory: guest=%(m)s, host=%(m)s
romimage: file=%(bios)s
vgaromimage: file=%(vgabios)s
cpu: count=1, ips=50000000
clock: sync=none
ata0-master: type=cdrom, path=%(iso)s, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=/dev/stdout
log: /dev/null
panic: action=fatal
mouse: enabled=0
"""
# Debian's build: no window, no sound card of the host
CONFIG_PLUGINS = """
plugin_ctrl: speaker=0, gameport=0
sound: driver=dummy
"""


def missing():
    """Why Bochs cannot boot Linux here, or None."""
    for tool in (BOCHS, "grub-mkrescue", "xorriso"):
        if not shutil.which(tool):
            return "no " + os.path.basename(tool)
    if not os.path.isdir("/usr/lib/grub/i386-pc"):
        return "no GRUB for BIOS machines (apt install grub-pc-bin)"
    if not rom("BIOS-bochs-latest"):
        return "no BIOS-bochs-latest (apt install bochsbios)"
    if not rom("VGABIOS-lgpl-latest", "vgabios.bin"):
        return "no VGA BIOS (apt install vgabios)"
    return None


def rom(*names):
    for folder in ROMS:
        for name in names:
            if os.path.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
    return None


def has_debugger():
    text = subprocess.run([BOCHS, "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout
    return b"-rc filename" in text


def make_image(folder, a):
    grub = os.path.join(folder, "iso", "boot", "grub")
    iso = os.path.join(folder, "boot.iso")
    os.makedirs(grub)
    shutil.copyfile(a.kernel, os.path.join(folder, "iso", "linux"))
    shutil.copyfile(a.initrd, os.path.join(folder, "iso", "initrd"))
    with open(os.path.join(grub, "grub.cfg"), "w") as f:
        f.write("set timeout=0\nlinux /linux %s\ninitrd /initrd\nboot\n" % a.append)
    p = subprocess.run(["grub-mkrescue", "--compress=no", "--fonts=", "--locales=", "--themes=",
                        "--install-modules=" + MODULES, "-o", iso, os.path.join(folder, "iso")],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    if p.returncode:
        sys.exit("bochs.py: grub-mkrescue failed: " + p.stdout[-500:])
    return iso


def main():
    p = argparse.ArgumentParser(allow_abbrev=False, prefix_chars="-")
    p.add_argument("-m", default="128")
    for name in ("-kernel", "-initrd", "-append"):
        p.add_argument(name, required=True)
    a, _ = p.parse_known_args()
    why = missing()
    if why:
        sys.exit("bochs.py: " + why)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="callgate-bochs-") as folder:
        debugger = has_debugger()
        values = {"m": a.m, "iso": make_image(folder, a), "bios": rom("BIOS-bochs-latest"),
                  "vgabios": rom("VGABIOS-lgpl-latest", "vgabios.bin"),
                  "display": 'rfb, options="timeout=0"' if debugger else "nogui"}
        config = os.path.join(folder, "bochsrc")
        with open(config, "w") as f:
            f.write(CONFIG % values + (CONFIG_PLUGINS if debugger else ""))
        command = [BOCHS, "-q", "-f", config]
        if debugger:
            script = os.path.join(folder, "rc")
            with open(script, "w") as f:
                f.write("c\n")
            command += ["-rc", script]
        print("bochs: image ready", flush=True)
        # at the end of its input Bochs leaves: a pipe nobody writes to
        run = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            return run.wait()
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()


if __name__ == "__main__":
    sys.exit(main())
