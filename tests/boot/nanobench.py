#!/usr/bin/env python3
"""nanobench.py PROGRAM: runs the nanobenchmark guest (roms/nanobench) briefly and looks whether each operation
got a figure. ACCEL chooses the engine as in boot.py; ARGS adds arguments.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from vm import VM, Failure  # noqa: E402

PROGRAM = sys.argv[1]
ROM = os.path.join(os.path.dirname(os.path.realpath(PROGRAM)), "roms", "nanobench.elf")
NAMES = ("tsc_khz syscall sysenter in out cr0_write cr3_write call_ret indirect_call page_fault "
         "page_fault_ring0 divide_error divide_error_ring0 pte_same pte_same_touch pte_clear "
         "pte_clear_invlpg pte_set pte_set_touch cli_sti pushf_popf rdtsc cpuid").split()


def main():
    if not os.path.exists(ROM):
        print("FAIL - nanobench: %s is not there" % ROM)
        return 1
    args = ["-accel", os.environ.get("ACCEL", "bt,verify=on"), "-m", "32", "-kernel", ROM, "-append", "quick",
            "-device", "isa-debug-exit", "-monitor", "none", "-no-reboot"]
    limit = 60 * float(os.environ.get("SLOW", "1"))
    with VM(PROGRAM, args + os.environ.get("ARGS", "").split(), limit=limit) as vm:
        try:
            status = vm.wait(limit)
        except Failure as e:
            status = str(e).split(";")[0]
        out = vm.out
    bad = 0
    for name in NAMES:
        m = re.search(r"^nano %s (\S+)\r?$" % name, out, re.M)
        if m and re.fullmatch(r"\d+(\.\d+)?", m[1]) and float(m[1]) > 0:
            print("ok - nanobench " + name)
        else:
            print("FAIL - nanobench %s: %s" % (name, m[1] if m else "no line"))
            bad += 1
    if re.search(r"^nano done\r?$", out, re.M) and status == 1:  # isa-debug-exit: 0 * 2 + 1
        print("ok - nanobench gets to its end")
    else:
        print("FAIL - nanobench gets to its end: status %s; %s" % (status, out[-300:]))
        bad += 1
    return 1 if bad else 0


sys.exit(main())
