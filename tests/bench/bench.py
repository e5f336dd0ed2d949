#!/usr/bin/env python3
"""bench.py PROGRAM [-w] [--table-only]: measures callgate and its peers, and prints the tables.

What is measured:
  * how soon an interrupt is taken in callgate's translated code (tests/latency, built from tests/bench);
  * `roms/nanobench`, single operations such as a system call or a page-table write, in callgate and QEMU;
  * with BENCH_SUITE=DIR, the programs of that directory (DIR/run runs them, DIR/table knows their groups)
    natively, in callgate, in QEMU's TCG and in Bochs: ratios to native, time to boot, memory;
  * without it, the boot of Debian's 686 kernel and a few busybox commands in callgate and QEMU (guests of
    tests/guests/get).

Each run leaves a log in BENCH_LOGS (default: bench, next to the program). Logs are used again: callgate and
native are run until there are RUNS of each, callgate anew when the program is newer than a log, and a peer
only if it has no log at all, for QEMU needs minutes a run and Bochs a quarter of an hour. --table-only runs
nothing. The tables also go to bench.md and the chart to bench.svg among the logs, and -w copies both to doc/
if the suite was measured.

Environment: ACCEL (engine of callgate), RUNS (3), FRESH=1 (reuse nothing), QUICK=1 (one run of a tenth of the
work, logs of its own), ONLY (names of native callgate qemu bochs to run), BOCHS (program), BENCH_PEERS (a
table of recorded figures: its column "NAME s | x" stands for a peer that has no logs), CORE (of the suite's run).

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import glob
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import bochs  # noqa: E402
import measure  # noqa: E402
import report  # noqa: E402

ENV = os.environ
QUICK = ENV.get("QUICK", "") not in ("", "0")
FRESH = ENV.get("FRESH", "") not in ("", "0")
RUNS = 1 if QUICK else int(ENV.get("RUNS") or 3)
GUESTS = ENV.get("GUESTS") or os.path.join(
    ENV.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "callgate", "guests")
LIMIT = 7200  # seconds; Debian's Bochs needs more than an hour


def callgate_name():
    return "callgate-" + ENV["ACCEL"] if ENV.get("ACCEL") else "callgate"


def wanted(log, newer_than=None):
    """Must this run be made?"""
    if FRESH or not os.path.exists(log):
        return True
    return newer_than is not None and os.path.getmtime(log) < os.path.getmtime(newer_than)


def say(text):
    print("bench: " + text, flush=True)


class Bench:
    def __init__(self, program):
        self.program = os.path.realpath(program)
        self.logs = os.path.abspath(ENV.get("BENCH_LOGS") or
                                    os.path.join(os.path.dirname(self.program), "bench"))
        if QUICK:
            self.logs = os.path.join(self.logs, "quick")
        os.makedirs(self.logs, exist_ok=True)
        self.suite = ENV.get("BENCH_SUITE")
        accel = " -accel " + ENV["ACCEL"] if ENV.get("ACCEL") else ""
        self.emulators = {"native": "native", "callgate": self.program + accel,
                          "qemu": "qemu-system-i386 -accel tcg -net none",
                          "bochs": os.path.join(HERE, "bochs.py")}
        why = {"qemu": None if shutil.which("qemu-system-i386")
               else "no qemu-system-i386 (apt install qemu-system-x86)", "bochs": bochs.missing()}
        for name in ("qemu", "bochs"):
            if why[name]:
                say("not compared with %s: %s" % (name, why[name]))
                del self.emulators[name]
        if self.suite and "bochs" in self.emulators and bochs.has_debugger():
            say("this Bochs has its debugger built in, and may need more than an hour for a run; BOCHS names another")
        if ENV.get("ONLY"):
            self.emulators = {k: v for k, v in self.emulators.items() if k in ENV["ONLY"].split()}
        self.had = {name: glob.glob(os.path.join(self.logs, name + "-*.log")) for name in ("qemu", "bochs")}

    def one(self, kind, who, n, run):
        """Make run number n of a kind ("" for the suite's), unless its log serves."""
        name = callgate_name() if who == "callgate" else who
        log = os.path.join(self.logs, "%s%s-%d.log" % (kind, name, n))
        if not kind and self.had.get(who) and not FRESH:
            return
        if not wanted(log, self.program if who == "callgate" else None):
            return
        say("%s, run %d of %d" % (os.path.basename(log)[:-len("-1.log")], n, RUNS))
        wrong = run(log)
        if wrong:
            say("%s failed: %s" % (os.path.basename(log), wrong))

    def nano(self, n):
        rom = os.path.join(os.path.dirname(self.program), "roms", "nanobench.elf")
        native = os.path.join(os.path.dirname(self.program), "tests", "nano_native")
        latency = os.path.join(os.path.dirname(self.program), "tests", "latency")
        if "callgate" in self.emulators and os.path.exists(latency):
            self.one("latency-", "callgate", n, lambda log: measure.plain_run(
                log, [latency, "-n", "500" if QUICK else "5000"], 120))
        for who, emulator in self.emulators.items():
            if who == "native" and os.path.exists(native):
                self.one("nano-", who, n, lambda log: measure.plain_run(log, [native], 60))
            if who in ("callgate", "qemu"):
                self.one("nano-", who, n,
                         lambda log: measure.nano_run(rom, log, emulator, QUICK, 600))

    def programs(self, n):
        args = ["-d", "10"] if QUICK else []
        for who, emulator in self.emulators.items():
            self.one("", who, n, lambda log: measure.suite_run(self.suite, log, emulator, args, LIMIT))

    def boot(self, n):
        if not os.path.exists(os.path.join(GUESTS, "vmlinuz-686")):
            if n == 1:
                say("no guests, so no boot is measured; run tests/guests/get first")
            return
        for who in ("callgate", "qemu"):
            if who in self.emulators:
                self.one("boot-", who, n,
                         lambda log: measure.boot_run(GUESTS, log, self.emulators[who], 600))

    def run(self):
        if self.suite:
            report.keep_groups(self.suite, self.logs)
        measure.describe_host(self.logs)
        for n in range(1, RUNS + 1):
            self.nano(n)
            (self.programs if self.suite else self.boot)(n)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("-")]
    if not args:
        sys.exit(__doc__)
    b = Bench(args[0])
    if "--table-only" not in sys.argv:
        b.run()
    r = report.Report(b.logs, callgate_name(), ENV.get("BENCH_PEERS"))
    print(r.tables())
    md, svg = os.path.join(b.logs, "bench.md"), os.path.join(b.logs, "bench.svg")
    r.write(md, svg)
    if "-w" in sys.argv and r.complete() and not QUICK:
        doc = os.path.join(HERE, "..", "..", "doc")
        shutil.copy(md, doc)
        shutil.copy(svg, doc)
    elif "-w" in sys.argv:
        say("doc/bench.md is left alone: it needs the suite's figures of native, callgate and QEMU, in full and "
            "on a host that is not busy")


main()
