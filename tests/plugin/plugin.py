#!/usr/bin/env python3
"""plugin.py PROGRAM: a plug-in sees the same guest under every engine. The guest is the test ROM with time
from instruction counts, so that a run repeats.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import outcome, report  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
ROM = os.path.join(os.path.dirname(PROGRAM), "roms", "testrom.elf")


def run(work, engine, what, plugin=None):
    out = os.path.join(work, "count")
    p = subprocess.run([PROGRAM, "-accel", engine, "-icount", "shift=3", "-m", "32", "-kernel", ROM,
                        "-display", "none", "-serial", "null", "-monitor", "none",
                        "-device", "isa-debug-exit", "-plugin", "%s,%s" % (plugin or work + "/count.so", out)],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env=dict(os.environ, COUNT_WHAT=what), text=True, timeout=120)
    text = open(out).read().strip() if os.path.exists(out) else ""
    if os.path.exists(out):
        os.unlink(out)
    return p.returncode, text, p.stdout


with tempfile.TemporaryDirectory() as work:
    subprocess.check_call(["gcc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I", os.path.join(HERE, "../.."),
                           "-o", work + "/count.so", HERE + "/count.c"])
    seen = {e: run(work, e, "imbpe") for e in ("interp", "bt")}
    a, b = (re.findall(r"\w+ [0-9a-f]+", seen[e][1]) for e in ("interp", "bt"))
    numbers = [int(v) for v in re.findall(r"(?:insns|bytes|reads|writes|ins|outs|events) (\d+)", seen["interp"][1])]
    report("plug-in: the interpreter calls for every kind of event",
           None if len(numbers) == 7 and min(numbers) > 0 else seen["interp"])
    same = lambda s: re.sub(r" blocks \d+ \d+", "", s)  # engines may cut blocks differently
    report("plug-in: bt calls for the same events with the same arguments",
           None if seen["bt"][1] and same(seen["bt"][1]) == same(seen["interp"][1]) else (seen["interp"], seen["bt"]))
    one = run(work, "bt", "b")
    report("plug-in: blocks alone", None if re.search(r"insns 0 .*blocks [1-9]\d* [1-9]", one[1]) else one)
    bad = run(work, "bt", "i", work + "/none.so")
    report("plug-in: a file that is not there is one clear line",
           None if bad[0] and bad[2].count("\n") == 1 and "none.so" in bad[2] else bad)
    listed = subprocess.run([PROGRAM, "-plugin", "help"], stdout=subprocess.PIPE, text=True)
    report("plug-in: help lists the events", None if listed.returncode == 0 and "memory" in listed.stdout else listed)
sys.exit(outcome())
