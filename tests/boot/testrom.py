#!/usr/bin/env python3
"""testrom.py PROGRAM: runs the protected-mode test guest (roms/testrom) and passes its lines through.
ACCEL chooses the engine as in boot.py; ARGS adds arguments.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from vm import VM, Failure  # noqa: E402

PROGRAM = sys.argv[1]
ROM = os.path.join(os.path.dirname(os.path.realpath(PROGRAM)), "roms", "testrom.elf")


def problem(out, status):
    """What is wrong with a run, or None."""
    passed = len(re.findall(r"^ok - ", out, re.M))
    failed = len(re.findall(r"^FAIL - ", out, re.M))
    last = re.search(r"^done: (\d+) passed, (\d+) failed$", out, re.M)
    if not last:
        return "the guest did not get to its end (status %s)" % status
    if (int(last[1]), int(last[2])) != (passed, failed):
        return "%d ok and %d FAIL lines, but: %s" % (passed, failed, last[0])
    # isa-debug-exit: the value written, times two, plus one
    if status != (3 if failed else 1):
        return "exit status %s" % status
    return None


def main():
    if not os.path.exists(ROM):
        print("FAIL - testrom: %s is not there" % ROM)
        return 1
    args = ["-accel", os.environ.get("ACCEL", "bt,verify=on"), "-m", "32", "-kernel", ROM,
            "-debugcon", "stdio", "-device", "isa-debug-exit", "-monitor", "none", "-no-reboot"]
    limit = 60 * float(os.environ.get("SLOW", "1"))
    status = None
    with VM(PROGRAM, args + os.environ.get("ARGS", "").split(), serial=False, limit=limit) as vm:
        try:
            status = vm.wait(limit)
        except Failure as e:
            status = str(e).split(";")[0]
        out = vm.out
    for line in out.splitlines():
        if line.startswith(("ok - ", "FAIL - ")):
            print(line)
    wrong = problem(out, status)
    if wrong:
        print("FAIL - testrom: " + wrong)
    return 1 if wrong or "FAIL - " in out else 0


sys.exit(main())
