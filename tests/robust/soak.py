#!/usr/bin/env python3
"""soak.py PROGRAM: a Debian kernel works for MINUTES (240): processes come and go, files are packed and checked, memory
is taken and given back, while the monitor is used at random, keys are pressed and the screen is pictured. Looked at
all the time: memory of the process's own (anonymous, page tables), its mappings and descriptors. It fails if one of
them is larger in the last quarter than in the second, if the guest stands still or complains, or at any message.

ACCEL chooses the engine (bt), ARGS adds arguments, SEED what is random, SOAK_LOG names a file for the figures. Shorter
than ten minutes says little about growth; then only the tool itself is tested.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import random
import re
import statistics
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from suite import GUESTS  # noqa: E402
from vm import VM, Failure  # noqa: E402

PROGRAM = sys.argv[1]
MINUTES = float(os.environ.get("MINUTES", "240"))
SLOW = float(os.environ.get("SLOW", "1"))
KERNEL, INITRD = (os.path.join(GUESTS, f) for f in ("vmlinuz-686-pae", "initrd.gz"))

# Each line is a loop of its own; the last says that all is well, and how far the first has come.
LOOPS = [
    "i=0; while :; do i=$((i+1)); echo $i >/tmp/count; for n in 1 2 3 4 5 6 7 8; do /bin/busybox true; done; done",
    "while :; do gzip -c /bin/busybox >/tmp/a.gz; gunzip -c /tmp/a.gz | sha256sum >/tmp/b;"
    " cmp -s /tmp/b /tmp/sum || echo SOAK WRONG; done",
    "while :; do dd if=/dev/zero of=/tmp/big bs=64k count=1024 2>/dev/null; rm /tmp/big;"
    " awk 'BEGIN { for (i = 0; i < 60000; i++) a[i] = i \"x\" }'; done",
    "while :; do find / -xdev -type f 2>/dev/null | sort -r | md5sum >/dev/null;"
    " sort -n /proc/kallsyms >/dev/null; done",
    "while :; do echo SOAK `cat /tmp/count`; sleep 5; done",
]
COMPLAINTS = (r"(?m)^callgate: |SOAK WRONG|BUG:|Oops|Kernel panic|segfault|soft lockup|Call Trace|Out of memory|"
              r"general protection")

# name: how much more is no growth (a factor, and added)
SLACK = {"own KiB": (1.10, 8192), "mappings": (1.25, 2000), "descriptors": (1, 0)}


def figures(pid):
    with open("/proc/%d/status" % pid) as f:
        status = f.read()
    with open("/proc/%d/maps" % pid) as f:
        mappings = sum(1 for _ in f)
    own = sum(int(re.search(r"^%s:\s+(\d+)" % name, status, re.M)[1]) for name in ("RssAnon", "VmPTE"))
    return {"own KiB": own, "mappings": mappings, "descriptors": len(os.listdir("/proc/%d/fd" % pid))}


def meddle(vm, rng, directory):
    """Something that a user does."""
    what = rng.randrange(9)
    if what == 0:
        picture = os.path.join(directory, "picture.ppm")
        vm.monitor("screendump " + picture)
        if os.path.getsize(picture) < 1000:
            raise Failure("a picture of the screen is too small")
    elif what == 1:
        vm.monitor("sendkey " + rng.choice(["a", "ret", "shift-b", "alt-f2", "alt-f1", "ctrl-c", "esc"]))
    elif what == 2:
        vm.monitor("type " + "".join(rng.choice("abc 123") for _ in range(20)))
    elif what == 3:
        vm.monitor("stop")
        time.sleep(rng.random() / 2)
        vm.monitor("cont")
    elif what == 4:
        vm.monitor("screen")
    else:
        what = ["registers", "jit", "mtree", "qtree", "tlb", "exceptions", "pic", "pit", "vga"]
        vm.monitor("info " + rng.choice(what))


def growth(samples):
    """What has grown, as text, or None."""
    n = len(samples)
    for name, (factor, more) in SLACK.items():
        before = statistics.median(s[name] for s in samples[n // 4:n // 2])
        after = statistics.median(s[name] for s in samples[n - n // 4:])
        if after > before * factor + more:
            return "%s: %d in the second quarter, %d in the last" % (name, before, after)
    return None


def soak(vm, rng, directory):
    vm.expect("INIT: ready", 120 * SLOW)
    vm.send("stty -echo\n")
    vm.send("sha256sum </bin/busybox >/tmp/sum; echo SOAK $((40+2))\n")
    vm.expect(r"SOAK 42\b", 60 * SLOW)
    for loop in LOOPS:
        vm.send("(%s) &\n" % loop)
    samples = []
    end = time.monotonic() + MINUTES * 60
    every = min(30.0, MINUTES * 60 / 16)
    sample_at = time.monotonic()
    log = open(os.environ.get("SOAK_LOG", os.devnull), "a")
    first = last = None
    heard = time.monotonic()
    while time.monotonic() < end:
        vm.pump(0.1 + rng.random() * 0.4)
        m = list(re.finditer(r"SOAK (\d+)\r?\n", vm.out[vm.seen:]))
        if m:
            last = int(m[-1][1])
            first = last if first is None else first
            heard = time.monotonic()
            vm.out, vm.seen = vm.out[vm.seen + m[-1].end() - 1:], 0
        bad = re.search(COMPLAINTS, vm.out)
        if bad:
            raise Failure("the guest says: " + vm.out[max(0, bad.start() - 300):bad.end() + 1500])
        if time.monotonic() > heard + 120 * SLOW:
            raise Failure("the guest has said nothing for %d s: %s" % (time.monotonic() - heard, vm.out[-500:]))
        if vm.proc.poll() is not None:
            raise Failure("ended with status %d" % vm.proc.returncode)
        meddle(vm, rng, directory)
        if time.monotonic() >= sample_at:
            sample_at += every
            samples.append(figures(vm.proc.pid))
            log.write("%s %s\n" % (time.strftime("%H:%M:%S"), samples[-1]))
            log.flush()
    log.close()
    if first is None or last <= first:
        raise Failure("the guest's count does not go on: %s, %s" % (first, last))
    if MINUTES >= 10 and growth(samples):
        raise Failure("grows: " + growth(samples))
    vm.mon.sendall(b"quit\n")
    if vm.wait(30 * SLOW) != 0:
        raise Failure("status %d after quit" % vm.proc.returncode)
    return "%d rounds, at the end %s" % (last, samples[-1])


def main():
    for f in (KERNEL, INITRD):
        if not os.path.exists(f):
            print("skip - soak: %s is not there" % f)
            return 0
    rng = random.Random(int(os.environ.get("SEED", "1")))
    args = ["-accel", os.environ.get("ACCEL", "bt"), "-m", "256", "-kernel", KERNEL, "-initrd", INITRD, "-append",
            "console=tty0 console=ttyS0 cmd=sh"] + os.environ.get("ARGS", "").split()
    with tempfile.TemporaryDirectory(prefix="callgate-test-") as d:
        try:
            with VM(PROGRAM, args, monitor=True, limit=MINUTES * 60 + 600 * SLOW) as vm:
                said = soak(vm, rng, d)
                if re.search(COMPLAINTS, vm.out):
                    raise Failure("message: " + vm.last())
        except (Failure, OSError) as e:
            print("FAIL - soak for %g minutes: %s" % (MINUTES, e))
            return 1
    print("ok - soak for %g minutes (%s)" % (MINUTES, said))
    return 0


sys.exit(main())
