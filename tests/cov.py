#!/usr/bin/env python3
"""cov.py SRCDIR OBJDIR [-f] [-u PATH]: what a run of a program built with MODE=cov has executed (make cov): lines of
the program by folder, and the total. -f: by file; -u: the numbers of the lines of one file that were not executed.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys

NOT_OURS = ("tests/", "roms/")


def gcov(data):
    """What gcov says of some data files: one JSON document a line."""
    p = subprocess.run(["gcov", "--json-format", "--stdout"] + data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                       text=True)
    return [json.loads(line) for line in p.stdout.splitlines() if line.startswith("{")]


def collect(source, objects):
    """{file: {line: executions}}; a line of a header counts once, however many objects have it. Objects that did not
    run have no data, only notes: their lines count, too."""
    notes = sorted(os.path.join(d, f) for d, _, files in os.walk(objects) for f in files if f.endswith(".gcno"))
    notes = [n for n in notes if not os.path.relpath(n, objects).startswith(NOT_OURS)]
    lines = collections.defaultdict(lambda: collections.defaultdict(int))
    parts = [notes[n:n + 20] for n in range(0, len(notes), 20)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for documents in pool.map(gcov, parts):
            for document in documents:
                for f in document["files"]:
                    path = os.path.join(document["current_working_directory"], f["file"])
                    path = os.path.relpath(os.path.realpath(path), os.path.realpath(source))
                    # an old build may have left notes of files that are gone
                    if path.startswith(("..",) + NOT_OURS) or not os.path.exists(os.path.join(source, path)):
                        continue
                    for line in f["lines"]:
                        lines[path][line["line_number"]] += line["count"]
    return lines


def main():
    a = argparse.ArgumentParser()
    a.add_argument("source")
    a.add_argument("objects")
    a.add_argument("-f", action="store_true")
    a.add_argument("-u")
    o = a.parse_args()
    lines = collect(o.source, o.objects)
    if not lines:
        sys.exit("cov.py: nothing is built in %s; use make cov" % o.objects)
    if o.u:
        print(" ".join(str(n) for n, count in sorted(lines[os.path.normpath(o.u)].items()) if not count))
        return
    table = collections.defaultdict(lambda: [0, 0])
    for path, counts in lines.items():
        done = sum(c > 0 for c in counts.values())
        for row in (path if o.f else os.path.dirname(path), "total"):
            table[row][0] += done
            table[row][1] += len(counts)
    total = table.pop("total")
    for row, (done, count) in sorted(table.items()) + [("total", total)]:
        print("%-28s %6d of %6d lines %6.1f %%" % (row, done, count, 100.0 * done / count))


if __name__ == "__main__":
    main()
