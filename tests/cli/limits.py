#!/usr/bin/env python3
"""limits.py PROGRAM [NAME...]: little address space, few descriptors, threads that cannot be made, files that may
not grow, standard descriptors that are closed: it works, or says why in one line and ends with status 1.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import bootsector  # noqa: E402
from suite import check, run, test  # noqa: E402
from vm import Failure, VM  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
SLOW = float(os.environ.get("SLOW", "1"))
MIB = 1 << 20
folder = tempfile.TemporaryDirectory(prefix="callgate-limits-")
FIRMWARE = os.path.join(folder.name, "exit.bin")
with open(FIRMWARE, "wb") as firmware:  # mov dx, 3f8h; mov al, 55h; out dx, al; mov dx, 501h; mov al, 16; out; hlt
    firmware.write((bytes(65536 - 16) + b"\xba\xf8\x03\xb0\x55\xee\xba\x01\x05\xb0\x10\xee\xf4").ljust(65536, b"\0"))
os.chmod(folder.name, 0o755)
os.chmod(FIRMWARE, 0o644)
ENDS = ["-display", "none", "-vga", "none", "-bios", FIRMWARE, "-device", "isa-debug-exit"]
MONITOR = ["-monitor", "unix:%s/monitor,server,nowait" % folder.name]


def limited(args, what, limit, before=None):
    """Run the guest that ends at once; status and lines on stderr."""
    def limit_it():
        resource.setrlimit(what, (limit, limit))
        if before:
            before()
    try:
        p = subprocess.run([PROGRAM] + ENDS + args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=60 * SLOW, preexec_fn=limit_it)
    except subprocess.TimeoutExpired:
        raise Failure("it hangs with a limit of %d" % limit)
    return p.returncode, p.stderr.splitlines()


def works_or_says(args, what, limits, advice):
    """Every limit: it works, or one line. Returns how often it was refused with this advice."""
    refused = 0
    for limit in limits:
        status, lines = limited(args, what, limit)
        if status == 127 and len(lines) == 1 and "shared librar" in lines[0]:
            continue  # the loader's, before there is a program
        if status == 33:
            check(all(line.startswith("callgate: ") for line in lines), "limit %d: %r" % (limit, lines))
            continue
        check(status == 1 and len(lines) == 1 and lines[0].startswith("callgate: "),
              "limit %d: status %d, %d lines: %r" % (limit, status, len(lines), lines[:3]))
        refused += advice in lines[0]
    return refused


def address_space(args):
    if "/asan/" in PROGRAM:
        print("# the address sanitizer takes all of the address space: nothing to test")
        return
    sizes = list(range(20, 100, 4)) + list(range(100, 500, 25)) + list(range(500, 2000, 250))
    sizes += list(range(2000, 24000, 1000)) + [18000 + n * 100 for n in range(10)] + [40000]
    refused = works_or_says(args, resource.RLIMIT_AS, [n * MIB for n in sizes], "ulimit -v")
    check(refused > 5, "refused with advice %d times" % refused)


@test("memory")
def little_address_space():
    address_space([])


@test("memory")
def little_address_space_interpreter():
    address_space(["-accel", "interp"])


@test("memory")
def little_address_space_lockstep():
    address_space(["-accel", "lockstep"])


@test("memory")
def little_address_space_monitor():
    address_space(MONITOR + ["-m", "64"])


@test("descriptors")
def few_descriptors():
    check(works_or_says([], resource.RLIMIT_NOFILE, range(3, 41), "ulimit -n") > 0, "never refused")


@test("descriptors")
def few_descriptors_consoles():
    args = MONITOR + ["-serial", "stdio", "-serial", "null", "-debugcon", "file:%s/log" % folder.name]
    check(works_or_says(args, resource.RLIMIT_NOFILE, range(3, 41), "ulimit -n") > 0, "never refused")


@test("threads")
def no_threads():
    def nobody():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    if "/asan/" in PROGRAM:
        print("# the leak sanitizer wants a thread of its own at the end: nothing to test")
        return
    if os.geteuid():
        print("# limits of other users' processes do not hold for root alone: nothing to test")
        return
    try:
        status, lines = limited([], resource.RLIMIT_NPROC, 1, nobody)
    except OSError as e:
        print("# another user cannot run the program: %s" % e)
        return
    check(status == 33 or (status == 1 and len(lines) == 1 and "thread" in lines[0] and "ulimit -u" in lines[0]),
          "status %d: %r" % (status, lines))


@test("files")
def serial_file_that_may_not_grow():
    floppy = os.path.join(folder.name, "flood")
    with open(floppy, "wb") as f:
        f.write(bootsector.BUSY["flood"])
    err = os.path.join(folder.name, "err")
    LIMIT = 5 << 19  # more than the guest's memory, which is a file too
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open(err, "wb") as f:
        saved = os.dup(2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
        try:
            # an argument list: VM would put stderr and stdout together
            with VM("/bin/sh", ["-c", 'exec "$0" "$@" 2>"%s"' % err, PROGRAM, "-fda", floppy, "-boot", "a", "-m", "2",
                                "-serial", "file:%s/out" % folder.name, "-D", folder.name + "/log", "-d", "serial"],
                    serial=False, monitor=True) as vm:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
                while "writing failed" not in vm.monitor("info chardev"):
                    check(time.monotonic() < vm.deadline, "writing does not fail")
                    time.sleep(0.1)
                check("running" in vm.monitor("info status"), "it does not run")
                vm.mon.sendall(b"quit\n")
                check(vm.wait() == 0, "status")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            os.close(saved)
    check(os.path.getsize(folder.name + "/out") == LIMIT, "what fits is not all there")
    with open(err) as f:
        lines = f.read().splitlines()
    check(len(lines) == 2 and "/out" in lines[0] and "/log" in lines[1] and all("too large" in n for n in lines),
          "it says %r" % lines)


@test("files")
def closed_descriptors():
    disk = os.path.join(folder.name, "disk")
    log = os.path.join(folder.name, "opened-first")
    for closed in itertools.chain.from_iterable(itertools.combinations(range(3), n) for n in range(4)):
        with open(disk, "wb") as f:
            f.write(b"\xa5" * 4096)
        shell = 'exec "$0" "$@" ' + " ".join(("<&-", ">&-", "2>&-")[n] for n in closed)
        p = subprocess.run(["/bin/sh", "-c", shell, PROGRAM] + ENDS + MONITOR +
                           ["-hda", disk, "-D", log, "-serial", "stdio",
                            "-m", "4G" if os.sysconf("SC_PHYS_PAGES") >= 5 << 18 else "64"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW)
        check(p.returncode == 33, "closed %r: status %d, %r" % (closed, p.returncode, p.stderr))
        with open(disk, "rb") as f:
            check(f.read() == b"\xa5" * 4096, "closed %r: the disk was written" % (closed,))
        check(os.path.getsize(log) == 0, "closed %r: output is in the log" % (closed,))
        check(p.stdout == (b"" if 1 in closed else b"\x55"), "closed %r: printed %r" % (closed, p.stdout))


sys.exit(run())
