#!/usr/bin/env python3
"""run.py [-j N] [-k WORD] SUITE... : runs test suites, N at a time, and sums up what they print. -k: only those in
whose command WORD stands, as in `make check-fast K=fuzz`.

A suite is a program. Every line "ok - NAME", "FAIL - NAME: why" or "skip - NAME: why" it prints is
one test; a suite that exits with another status than 0 and printed no FAIL has failed itself.
libcheck programs are counted by their "100%: Checks: N, Failures: N, Errors: N" line.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import threading
import time

lock = threading.Lock()


def run(suite, env):
    start = time.monotonic()
    try:
        p = subprocess.run(suite.split(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, env=env, errors="replace")
    except OSError as e:
        p = subprocess.CompletedProcess(suite, 1, "FAIL - %s: %s\n" % (suite, e))
    ok, bad, skipped = 0, [], []
    for line in p.stdout.splitlines():
        m = re.match(r"(ok|FAIL|skip) - (.*)", line)
        if m:
            if m[1] == "ok":
                ok += 1
            else:
                (bad if m[1] == "FAIL" else skipped).append(m[2])
        m = re.match(r"\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", line)
        if m:
            failed = int(m[2]) + int(m[3])
            ok += int(m[1]) - failed
            bad += ["%s: %d checks" % (suite, failed)] if failed else []
    if p.returncode == 77 and skipped:  # the host cannot run it
        pass
    elif p.returncode and not bad:
        bad.append("%s: exit status %d" % (suite, p.returncode))
    if not p.returncode and not ok and not bad and not skipped:
        bad.append("%s: ran no test" % suite)
    with lock:
        print("== %s: %d passed, %d failed, %d skipped, %.1f s" %
              (suite, ok, len(bad), len(skipped), time.monotonic() - start))
        if bad:
            print(p.stdout[-6000:])
        else:
            for line in p.stdout.splitlines():
                if not line.startswith("ok - "):
                    print("   " + line)
        sys.stdout.flush()
    return ok, bad, skipped


def main():
    a = argparse.ArgumentParser()
    a.add_argument("-j", type=int, default=os.cpu_count())
    a.add_argument("-k", default="")
    a.add_argument("suites", nargs="+")
    args = a.parse_args()
    env = dict(os.environ)
    suites = [s for s in args.suites if args.k in s]
    passed, failed, skipped = 0, [], []
    with concurrent.futures.ThreadPoolExecutor(args.j) as pool:
        for ok, bad, skip in pool.map(lambda s: run(s, env), suites):
            passed += ok
            failed += bad
            skipped += skip
    for name in skipped:
        print("skipped: " + name)
    for name in failed:
        print("FAILED: " + name)
    print("%d passed, %d failed, %d skipped" % (passed, len(failed), len(skipped)))
    return 1 if failed or not passed else 0


sys.exit(main())
