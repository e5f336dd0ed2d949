#!/usr/bin/env python3
"""cli.py PROGRAM: bad options and files: one line on stderr that says what and what to do, status 1,
nothing started. And what --help, --version and the man page print.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import outcome, report  # noqa: E402

program = sys.argv[1]


def run(args):
    try:
        return subprocess.run([program] + args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, errors="replace")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(args, "none: it hangs", "", "")


def refused(name, args, *words):
    p = run(args)
    lines = p.stderr.splitlines()
    why = None
    if p.returncode != 1:
        why = "exit status %s" % p.returncode
    elif len(lines) != 1 or not lines[0].startswith("callgate: "):
        why = "not one line on stderr: %r" % p.stderr
    elif p.stdout:
        why = "printed %r" % p.stdout
    else:
        for w in words:
            if w not in p.stderr:
                why = "%r is not in %r" % (w, p.stderr)
    report("refuses " + name, why)


# a machine that ends by itself at once: its firmware writes to isa-debug-exit
ENDS = ["-bios", "@exit", "-device", "isa-debug-exit"]


def warned(name, args, *words):
    """It runs and ends, with one line for `words`, and with none if there are none."""
    firmware = os.path.join(d, "exit.bin")
    if not os.path.exists(firmware):
        with open(firmware, "wb") as f:  # mov dx, 501h; mov al, 16; out dx, al; hlt
            f.write((bytes(65536 - 16) + b"\xba\x01\x05\xb0\x10\xee\xf4").ljust(65536, b"\0"))
    p = run(["-vga", "none"] + [firmware if a == "@exit" else a for a in args])
    lines = p.stderr.splitlines()
    why = None
    if p.returncode != 33:
        why = "exit status %s: %r" % (p.returncode, p.stderr)
    elif len(lines) != (1 if words else 0):
        why = "printed %r" % p.stderr
    elif words and not lines[0].startswith("callgate: "):
        why = "not a line of ours: %r" % p.stderr
    for w in words:
        if not why and w not in p.stderr:
            why = "%r is not in %r" % (w, p.stderr)
    report("takes " + name, why)


with tempfile.TemporaryDirectory() as d:
    empty = os.path.join(d, "empty")
    junk = os.path.join(d, "junk")
    disk = os.path.join(d, "disk")
    open(empty, "w").close()
    with open(junk, "wb") as f:
        f.write(b"\1\2\3\4" * 1000)
    with open(disk, "wb") as f:
        f.truncate(1 << 20)
    none = ["-display", "none"]
    refused("an unknown option", ["-nonsense"], "-nonsense", "--help")
    refused("a missing argument", ["-m"], "-m")
    refused("a bad size", ["-m", "12q"], "12q")
    refused("a device without a name", ["-device", "iobase=4"], "-device iobase=4")
    refused("too little memory", ["-m", "1K"], "1K")
    refused("too much memory", ["-m", "100000G"], "32G")
    refused("an unknown CPU", ["-cpu", "6502"], "6502", "-cpu help")
    refused("an unknown engine", ["-accel", "warp"], "warp", "-accel help")
    refused("an unknown sub-option of bt", ["-accel", "bt,turbo=on"], "turbo=on", "chain=on|off")
    refused("a sub-option of bt without value", ["-accel", "bt,verify"], "verify", "heat=N")
    refused("a cache that is too small", ["-accel", "bt,cache=1"], "cache=1", "4..1024")
    refused("a missing kernel", none + ["-kernel", d + "/no"], d + "/no", "No such file")
    refused("an empty kernel", none + ["-kernel", empty], "empty")
    refused("a kernel that is none", none + ["-kernel", junk], "kernel")
    refused("a folder as a kernel", none + ["-kernel", d], "regular file")
    refused("a missing initrd", none + ["-kernel", junk, "-initrd", d + "/no"], "initrd", d + "/no")
    refused("a missing disk", none + ["-hda", d + "/no"], d + "/no")
    refused("a folder as a disk", none + ["-hda", d], d)
    refused("a missing CD", none + ["-cdrom", d + "/no.iso"], d + "/no.iso")
    refused("a missing floppy", none + ["-fda", d + "/no"], d + "/no")
    # Nothing waits for the other end of a FIFO, nothing is read that cannot fit.
    fifo = os.path.join(d, "fifo")
    big = os.path.join(d, "big")
    os.mkfifo(fifo)
    with open(big, "wb") as f:
        f.truncate(8 << 40)
    # a Multiboot kernel with address fields: header at its start, load address 1 MiB, code hlt
    flags = 0x10000
    multiboot = os.path.join(d, "multiboot")
    with open(multiboot, "wb") as f:
        f.write(struct.pack("<8I", 0x1badb002, flags, -(0x1badb002 + flags) & 0xffffffff, 0x100000, 0x100000, 0, 0,
                            0x100020) + b"\xf4" * 4096)
    linux = os.path.join(d, "linux")
    with open(linux, "wb") as f:
        f.write(bytes(0x1fe) + b"\x55\xaa" + b"\xeb\x10HdrS\x0c\x02" + bytes(0x8000))
    for name, path, words in (("a FIFO", fifo, ["regular file"]), ("/dev/zero", "/dev/zero", ["regular file"]),
                              ("8 TiB", big, ["8796093022208"]), ("a directory", d, ["regular file"]),
                              ("an empty file", empty, ["empty"])):
        refused(name + " as a kernel", none + ["-kernel", path], "kernel", *words)
        refused(name + " as an initrd", none + ["-kernel", linux, "-initrd", path], "initrd", *words)
        refused(name + " as firmware", none + ["-bios", path], "firmware", *words)
    for name, path, words in (("a FIFO", fifo, ["regular file"]), ("/dev/zero", "/dev/zero", ["regular file"]),
                              ("8 TiB", big, ["does not fit"]), ("a directory", d, ["directory"]),
                              ("an empty file", empty, ["empty"])):
        refused(name + " as a module", none + ["-kernel", multiboot, "-initrd", path], "module", path, *words)
    refused("modules that do not fit together",
            none + ["-m", "4", "-kernel", multiboot, "-initrd", ",".join([disk] * 3)], "module", "-m")
    for option in ("-hda", "-fda", "-cdrom"):
        for name, path, words in (("a FIFO", fifo, ["neither a file nor a block device"]),
                                  ("/dev/zero", "/dev/zero", ["neither a file nor a block device"]),
                                  ("a directory", d, ["directory"]), ("an empty file", empty, ["empty"])):
            refused("%s as %s" % (name, option), none + [option, path], path, *words)
    refused("a FIFO as a plug-in", none + ["-plugin", fifo], fifo, "regular file")
    refused("a missing plug-in", none + ["-plugin", d + "/no.so"], d + "/no.so", "No such file")
    if os.geteuid():
        os.chmod(junk, 0)
        refused("an unreadable kernel", none + ["-kernel", junk], "Permission denied")
        os.chmod(junk, 0o644)

    # Images of other kinds are named; of whole sectors, they are used as raw, since a guest may have written that.
    kinds = (("qcow2", b"QFI\xfb\0\0\0\3", "qcow2"), ("VMDK", b"KDMV\1\0\0\0", "VMDK"),
             ("VDI", b"<<< VDI >>>\n".ljust(64, b"\0") + b"\x7f\x10\xda\xbe", "VDI"),
             ("VHD", b"conectix", "VHD"), ("VHDX", b"vhdxfile", "VHDX"),
             ("gzip", b"\x1f\x8b\x08\0", "gzip"), ("xz", b"\xfd7zXZ\0", "xz"), ("zip", b"PK\3\4", "zip"),
             ("text", b"A letter to the editor.\n" * 30, "text"))
    for name, head, word in kinds:
        path = os.path.join(d, "image-" + name)
        body = head.ljust(512, b"x" if name == "text" else b"\0")
        with open(path, "wb") as f:
            f.write(body + body[:1])
        for option in ("-hda", "-fda", "-cdrom"):
            refused("%s as %s" % (name, option), none + [option, path], path, word)
        with open(path, "wb") as f:
            f.write(body * 2048)
        warned("%s of whole sectors" % name, none + ["-hda", path] + ENDS, word, "raw")
        warned("%s of whole sectors, format=raw" % name,
               none + ["-drive", "format=raw,file=" + path] + ENDS)
    with open(junk, "ab") as f:
        f.write(b"\1")
    refused("a disk that is cut short", none + ["-hda", junk], "4001 bytes", "truncate -s %512")
    warned("a floppy that is cut short", none + ["-fda", junk] + ENDS)
    warned("a disk of one sector", none + ["-hda", path] + ENDS, "text")
    refused("two images in one place", ["-hda", disk, "-hda", disk], "-hdb")
    refused("a missing BIOS", none + ["-bios", d + "/no"], d + "/no")
    refused("a BIOS that is none", none + ["-bios", junk], "-bios")
    refused("an index that is no number", ["-drive", "file=%s,index=x" % disk], "index=x", "0 to 3")
    refused("a port that is none", ["-device", "isa-debug-exit,iobase=0x99999"], "iobase=0x99999")
    refused("a port that is taken", none + ["-device", "isa-debug-exit,iobase=0x60"], "60h")
    refused("a machine without type", ["-M", "acpi=off"], "acpi", "type")
    refused("an unknown part", ["-drive", "file=a,colour=red"], "colour", "readonly")
    refused("a CD and a disk in one place", ["-cdrom", disk, "-hdc", disk], "-hdb")
    refused("memory the board has no room for", ["-m", "33G"], "32G")
    refused("a newline in an argument", ["-cpu", "a\nb"], "a?b")
    if os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE") > 5 << 30:
        warned("memory above 4 GiB", none + ["-m", "4G"] + ENDS, "PAE", "above 4 GiB")
    warned("memory below 4 GiB", none + ["-m", "1G"] + ENDS)
    refused("an unknown log channel", ["-d", "zzz"], "zzz", "-d help")
    refused("a log file that cannot be written", ["-D", d + "/no/log"], d + "/no/log")
    refused("a serial device that is none", none + ["-serial", "zzz:1"], "zzz")
    refused("a FIFO that nobody reads", none + ["-serial", "file:" + fifo], fifo, "reader first")
    refused("a monitor that cannot be", none + ["-monitor", "unix:/no/such/dir/x,server,nowait"],
            "/no/such/dir/x")
    refused("an unknown display", ["-display", "hologram"], "hologram")
    refused("a file system it cannot read",
            none + ["-drive", "file=%s,format=qcow2" % disk], "qcow2")

    p = run(["--help"])
    report("--help", None if p.returncode == 0 and "-kernel" in p.stdout and not p.stderr
           else "status %d" % p.returncode)
    names = {line.split()[0] for line in p.stdout.splitlines() if line.startswith("  -")}
    wanted = {"-m", "-kernel", "-initrd", "-append", "-drive", "-hda", "-cdrom", "-fda", "-boot",
              "-bios", "-nographic", "-display", "-serial", "-monitor", "-S", "-accel", "-smp",
              "-nic", "-device", "-snapshot", "-no-reboot", "-d", "-D", "-cpu", "-icount", "-L",
              "-sandbox"}
    report("--help lists the options", None if wanted <= names else "missing: %s" % (wanted - names))
    p = run(["--version"])
    report("--version", None if p.returncode == 0 and p.stdout.startswith("callgate ") else p.stdout)
    p = run(["-man-page"])
    report("the manual page names every option",
           None if all("\\" + n + "\\fR" in p.stdout for n in names) else "some are missing")
    for what in ("-cpu", "-accel", "-d"):
        p = run([what, "help"])
        report(what + " help", None if p.returncode == 0 and len(p.stdout) > 20 else "nothing")
sys.exit(outcome())
