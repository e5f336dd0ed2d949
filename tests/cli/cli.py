#!/usr/bin/env python3
"""cli.py PROGRAM: bad options and files: one line on stderr that says what and what to do, status 1,
nothing started. And what --help, --version and the man page print.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import subprocess
import sys
import tempfile

program = sys.argv[1]
status = 0


def report(name, why):
    global status
    if why:
        status = 1
        print("FAIL - %s: %s" % (name, why))
    else:
        print("ok - %s" % name)


def run(args):
    return subprocess.run([program] + args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, errors="replace")


def refused(name, args, *words):
    p = run(args)
    lines = p.stderr.splitlines()
    why = None
    if p.returncode != 1:
        why = "exit status %d" % p.returncode
    elif len(lines) != 1 or not lines[0].startswith("callgate: "):
        why = "not one line on stderr: %r" % p.stderr
    elif p.stdout:
        why = "printed %r" % p.stdout
    else:
        for w in words:
            if w not in p.stderr:
                why = "%r is not in %r" % (w, p.stderr)
    report("refuses " + name, why)


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
    refused("two images in one place", ["-hda", disk, "-hda", disk], "-hdb")
    refused("a missing BIOS", none + ["-bios", d + "/no"], d + "/no")
    refused("a BIOS that is none", none + ["-bios", junk], "-bios")
    refused("an unknown log channel", ["-d", "zzz"], "zzz", "-d help")
    refused("a log file that cannot be written", ["-D", d + "/no/log"], d + "/no/log")
    refused("a serial device that is none", none + ["-serial", "zzz:1"], "zzz")
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
sys.exit(status)
