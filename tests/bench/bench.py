#!/usr/bin/env python3
"""bench.py PROGRAM [RUNS]: boots Debian's 686 kernel to a marker and runs a few busybox programs, in callgate and
in QEMU's TCG (and Bochs, if installed, is not compared: it has no -kernel), in turn, and prints medians of host
time, ratios to QEMU, and the most memory used beyond the guest's RAM. Writes doc/bench.md with -w.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
write = "-w" in sys.argv
args = [a for a in sys.argv[1:] if a != "-w"]
program = args[0]
runs = int(args[1]) if len(args) > 1 else 3
guests = os.environ.get("GUESTS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "callgate", "guests")
RAM = 256

SCRIPT = ("dd:if=/dev/zero:bs=1M:count=8:2>/dev/null|sha256sum;echo:MARK:sha256;"
          "dd:if=/bin/busybox:bs=1M:2>/dev/null|gzip:-9|gunzip|md5sum;echo:MARK:gzip;"
          "i=0;while:[:$i:-lt:3000:];do:i=$((i+1));done;echo:MARK:shell;"
          "i=0;while:[:$i:-lt:100:];do:/bin/true;i=$((i+1));done;echo:MARK:forkexec")


def run(command):
    """Host seconds from the start to the boot marker, then from marker to marker; and the most memory
    besides the guest's RAM (which is shared memory) that was seen at a marker, in MiB."""
    times = {}
    peak = 0
    start = last = time.monotonic()
    p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    for raw in p.stdout:
        line = raw.decode("utf-8", "replace")
        now = time.monotonic()
        m = re.search(r"(INIT: ready|MARK (\w+))", line)
        if m:
            times[m[2] or "boot"] = now - (start if m[1] == "INIT: ready" else last)
            last = now
            with open("/proc/%d/status" % p.pid) as f:
                own = re.findall(r"Rss(?:Anon|File):\s+(\d+) kB", f.read())
            peak = max(peak, sum(map(int, own)) / 1024)
    p.wait()
    return times, peak


def main():
    common = ["-m", str(RAM), "-kernel", os.path.join(guests, "vmlinuz-686"), "-initrd",
              os.path.join(guests, "initrd.gz"), "-append",
              "console=ttyS0 quiet panic=-1 cmd=" + SCRIPT, "-nographic", "-no-reboot"]
    peers = {"callgate interp": [program, "-accel", "interp"] + common}
    if shutil.which("qemu-system-i386"):
        peers["qemu tcg"] = ["qemu-system-i386", "-accel", "tcg", "-net", "none"] + common
    else:
        print("bench: no qemu-system-i386 to compare with (apt install qemu-system-x86)")
    if not os.path.exists(os.path.join(guests, "vmlinuz-686")):
        sys.exit("bench: no guests; run tests/guests/get first")
    results = {name: [] for name in peers}
    for _ in range(runs):
        for name, command in peers.items():
            results[name].append(run(command))
    rows = ["boot", "sha256", "gzip", "shell", "forkexec"]
    names = list(peers)
    out = ["| median of %d, host seconds | %s |" % (runs, " | ".join(names)) +
           (" ratio |" if len(names) > 1 else ""), "|---" * (len(names) + 1 + (len(names) > 1)) + "|"]
    for row in rows:
        med = [statistics.median(t[0].get(row, float("nan")) for t in results[n]) for n in names]
        line = "| %s | %s |" % (row, " | ".join("%.2f" % x for x in med))
        if len(names) > 1:
            line += " %.2f |" % (med[0] / med[1])
        out.append(line)
    peak = [max(t[1] for t in results[n]) for n in names]
    out.append("| peak memory beyond %d MiB of RAM, MiB | %s |" %
               (RAM, " | ".join("%.0f" % (p if n.startswith("callgate") else max(0, p - RAM))
                                for n, p in zip(names, peak))) +
               (" |" if len(names) > 1 else ""))
    text = "\n".join(out)
    print(text)
    if write:
        with open(os.path.join(here, "..", "..", "doc", "bench.md"), "w") as f:
            f.write("# Speed\n\nWritten by `make bench`. Boot: from the start of the program to the first "
                    "line of init, Debian's 686 kernel.\n\n" + text + "\n")


main()
