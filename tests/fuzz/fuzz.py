#!/usr/bin/env python3
"""fuzz.py DIR [-t SECONDS | -n RUNS] [-j N] [-s SEED] [-k WORD]: runs the fuzzers of DIR (make fuzz), N of them at a
time, beginning with the seeds of corpus/ (seeds.py): all of them SECONDS in total, or RUNS inputs each; those of
devices, much slower than the others, get a tenth. -k: those with WORD in their names. An input that breaks something
is left in DIR/TARGET.crash-...; the fuzzer runs it again when it is named on its command line.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import argparse
import concurrent.futures
import ctypes
import glob
import os
import signal
import subprocess
import sys
import tempfile

SLOW = float(os.environ.get("SLOW", "1"))
HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_us():
    """In the child: it ends when this process does, however that dies."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def of_device(target):
    with open(os.path.join(HERE, target + ".c")) as f:
        return '"tests/fuzz/board.h"' in f.read()


def targets(word):
    names = [os.path.basename(p)[:-2] for p in sorted(glob.glob(os.path.join(HERE, "*.c")))]
    return [n for n in names if n not in ("board", "fuzz") and word in n]


def run(directory, target, limit, seed):
    """One fuzzer; what is wrong, or None."""
    prefix = os.path.join(os.path.abspath(directory), target)
    seeds = os.path.join(HERE, "corpus", target)
    wanted = len(os.listdir(seeds)) if os.path.isdir(seeds) else 1
    # what it finds goes to a folder that vanishes; so do the files that it makes
    with tempfile.TemporaryDirectory(prefix="callgate-test-") as d:
        found = os.path.join(d, "corpus")
        os.mkdir(found)
        command = [prefix, limit, "-seed=%d" % seed, "-timeout=%d" % (20 * SLOW), "-rss_limit_mb=2048", "-max_len=8192",
                   "-artifact_prefix=%s." % prefix, "-verbosity=0", "-print_final_stats=1", found, seeds]
        try:
            p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               errors="replace", preexec_fn=die_with_us, env=dict(os.environ, TMPDIR=d))
        except OSError as e:
            return "%s: %s; 'make fuzz' needs clang and its libFuzzer: ./bootstrap deps" % (target, e)
    if p.returncode:
        return p.stdout[:6000]
    stats = [l for l in p.stdout.splitlines() if "number_of_executed_units" in l]
    if not stats or int(stats[0].split()[-1]) < wanted:
        return "did not run: " + p.stdout[-1000:]
    return None


def main():
    a = argparse.ArgumentParser()
    a.add_argument("directory")
    a.add_argument("-t", type=float)
    a.add_argument("-n", type=int)
    a.add_argument("-j", type=int, default=2)
    a.add_argument("-s", type=int, default=1)
    a.add_argument("-k", default="")
    o = a.parse_args()
    names = targets(o.k)
    each = max(1, round((o.t or 60) * o.j / max(1, len(names))))

    def one(target):
        if o.n is None:
            limit = "-max_total_time=%d" % each
        else:
            limit = "-runs=%d" % max(1, o.n // 10 if of_device(target) else o.n)
        return target, run(o.directory, target, limit, o.s)

    # PR_SET_PDEATHSIG means the thread that starts a child: these live until the end
    bad = 0
    pool = concurrent.futures.ThreadPoolExecutor(o.j)
    try:
        for target, wrong in pool.map(one, names):
            if not wrong:
                print("ok - fuzz %s" % target, flush=True)
                continue
            bad += 1
            print("FAIL - fuzz %s: %s" % (target, wrong.strip()), flush=True)
            for f in glob.glob(os.path.join(o.directory, target + ".*-*")):
                print("   input: " + f)
    except KeyboardInterrupt:
        os._exit(130)  # and the children end
    return 1 if bad or not names else 0


if __name__ == "__main__":
    sys.exit(main())
