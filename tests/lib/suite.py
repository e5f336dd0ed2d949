"""suite.py - tests that are functions with a group and the files they need, and running them.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import subprocess
import sys
import time

from vm import Failure

GUESTS = os.environ.get("GUESTS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "callgate", "guests")

tests = []
failures = 0


def report(name, why=None):
    """The outcome of one test, for suites that do not use @test: it failed if there is a reason."""
    global failures
    failures += why is not None
    print("ok - " + name if why is None else "FAIL - %s: %s" % (name, why), flush=True)


def outcome():
    """The exit status after all reports."""
    return 1 if failures else 0


def test(group, *needs):
    """A decorator: the function is a test of this group, skipped where one of these files is missing."""
    def add(f):
        tests.append((group, f.__name__.replace("_", "-"), needs, f))
        return f
    return add


def check(condition, what):
    if not condition:
        raise Failure(what)


def run(prefix=""):
    """The tests that sys.argv names after the program, by group or name (all if none). Returns the status."""
    groups = sys.argv[2:]
    for group, name, needs, f in tests:
        if groups and group not in groups and name not in groups:
            continue
        missing = [n for n in needs if not os.path.exists(n)]
        if missing:
            print("skip - %s%s: %s is not there" % (prefix, name, missing[0]), flush=True)
            continue
        begin = time.monotonic()
        try:
            f()
            report("%s%s (%.1f s)" % (prefix, name, time.monotonic() - begin))
        except (Failure, subprocess.SubprocessError, OSError) as e:
            report(prefix + name, str(e) or type(e).__name__)
    return outcome()
