#!/usr/bin/env python3
"""hostile.py PROGRAM [-s SEED] [-x FACTOR] [-m MS] [-k WORD] [-l] [--max-map-count N]: the hostile guest
(roms/hostile) in all its modes under every engine. It must get to its end, or be ended by `quit` at the time limit,
without a message and without a log that grows faster than its limit; meanwhile the monitor is asked all the time,
and memory watched.

  -s SEED   where the guest's random numbers begin (1)
  -x N      N times as many operations as in a short run; the time limit grows with it
  -m MS     fail if the monitor took longer than so many milliseconds to answer (100), what threads waited for a
            processor left out as far as the kernel tells: for a quiet host. Without it the limit is 3 s
  -k WORD   only runs whose name has it
  -l        list the runs
  --max-map-count N   as root: with vm.max_map_count set to N meanwhile, for the whole host

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import argparse
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SLOW = float(os.environ.get("SLOW", "1"))
LOG_LINES = 100                 # a second
FIXED = 150 * SLOW              # MiB an emulator may need beside guest memory and what was granted; sanitizers more
GRANTED = 256                   # MiB: -accel bt,memory=
MAP_COUNT = "/proc/sys/vm/max_map_count"
COMMANDS = ["info status", "info pic", "info registers"]

BT = "bt,memory=%d" % GRANTED
ENGINES = {
    "bt": [BT],
    "bt-verify": [BT + ",verify=on"],
    "bt-now": [BT + ",heat=0"],
    "bt-direct": [BT + ",verify=on,heat=0,direct=force"],
    "bt-checked": [BT + ",heat=0,direct=off"],
    "bt-icount": [BT, "-icount", "shift=3"],
    "interp": ["interp"],
    "interp-icount": ["interp", "-icount", "shift=0"],
    "lockstep": ["lockstep"],
}

# mode, guest memory in MiB, operations, other words, engines ("*": all but lockstep). Not storm-kernel under lockstep:
# it rewrites entries that both CPUs mark accessed within one slice, and lockstep does not keep the order of these.
RUNS = [
    ("devices", 64, 100000, "", "*"),
    ("devices", 64, 50000, "paging=1", "*"),
    ("devices", 64, 30000, "", "lockstep"),
    ("storm-user", 64, 3000000, "", "*"),
    ("storm-user", 1024, 5000000, "spaces=300 pages=16384 switch=1", "bt bt-direct interp"),
    ("storm-user", 256, 2000000, "spaces=4 pages=65536", "bt bt-now"),
    ("storm-user", 1024, 5000000, "spaces=30 pages=16384 step=7", "bt bt-direct"),
    ("storm-user", 64, 300000, "", "lockstep"),
    ("storm-kernel", 64, 500000, "", "*"),
    ("storm-kernel", 512, 500000, "", "bt bt-direct"),
    ("spread", 64, 40000, "", "*"),
    ("spread", 64, 20000, "", "lockstep"),
    ("reps", 64, 300, "", "*"),
    ("reps", 64, 60, "", "lockstep"),
]
TIME_LIMIT = 60                 # seconds, for a short run


class Watch(threading.Thread):
    """Asks the monitor again and again, and looks at memory; `longest` in seconds, `peak` in MiB."""

    def __init__(self, path, pid):
        super().__init__(daemon=True)
        self.path, self.pid = path, pid
        self.longest = self.peak = 0.0
        self.answers = 0
        self.command = ""
        self.stop = False
        self.sock = None

    def memory(self):
        """Resident MiB. What several windows show counts once for each; where that is much, ask for the true figure."""
        with open("/proc/%d/statm" % self.pid) as f:
            rss = int(f.read().split()[1]) / 256
        if rss > self.peak + 64:
            with open("/proc/%d/smaps_rollup" % self.pid) as f:
                rss = int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M)[1]) / 1024
        return rss

    def waited(self):
        """Seconds that the emulator's threads and this one were ready but other processes had the processors."""
        tasks = "/proc/%d/task" % self.pid
        ns = 0
        for f in ["/proc/thread-self/schedstat"] + ["%s/%s/schedstat" % (tasks, t) for t in os.listdir(tasks)]:
            with open(f) as stat:
                ns += int(stat.read().split()[1])
        return ns / 1e9

    def ask(self, command):
        before = self.waited()
        begin = time.monotonic()
        self.sock.sendall(command.encode() + b"\n")
        text = b""
        while not text.endswith(b"(callgate) "):
            if not select.select([self.sock], [], [], 30 * SLOW)[0]:
                self.longest = max(self.longest, time.monotonic() - begin)
                raise OSError("no answer")
            got = self.sock.recv(65536)
            if not got:
                raise OSError("ended")
            text += got
        took = max(0, time.monotonic() - begin - (self.waited() - before))
        self.answers += 1
        if took > self.longest:
            self.longest, self.command = took, command

    def run(self):
        try:
            while not self.sock:
                s = socket.socket(socket.AF_UNIX)
                try:
                    s.connect(self.path)
                    self.sock = s
                except OSError:
                    s.close()
                    time.sleep(0.005)
                    if self.stop:
                        return
            if not self.sock.recv(4096): # the greeting
                return
            asked = 0.0
            while not self.stop:
                self.ask(COMMANDS[self.answers % len(COMMANDS)])
                if time.monotonic() > asked + 0.5:
                    self.peak = max(self.peak, self.memory())
                    asked = time.monotonic()
                time.sleep(0.002)
        except (OSError, ValueError, TypeError):
            pass                # it has ended


def one(o, rom, run, engine, directory):
    """Returns (what was wrong or None, a line of figures)."""
    mode, mib, ops, words, _ = run
    sock = os.path.join(directory, "m")
    log = os.path.join(directory, "log")
    limit = TIME_LIMIT * max(1, o.x) * SLOW
    command = [o.program, "-m", str(mib), "-display", "none", "-no-reboot", "-kernel", rom, "-snapshot",
               "-fda", os.path.join(directory, "fda"), "-hda", os.path.join(directory, "hda"),
               "-cdrom", os.path.join(directory, "cdrom"), "-device", "isa-debug-exit",
               "-serial", "stdio", "-serial", "null", "-debugcon", "null",
               "-monitor", "unix:%s,server,nowait" % sock, "-d", "guest_errors", "-D", log,
               "-append", "mode=%s seed=%d ops=%d %s" % (mode, o.s, int(ops * o.x), words), "-accel"] + ENGINES[engine]
    begin = time.monotonic()
    with open(os.path.join(directory, "out"), "w+b") as out, open(os.path.join(directory, "err"), "w+b") as err:
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        w = Watch(sock, p.pid)
        w.start()
        ended = True
        try:
            p.wait(limit)
        except subprocess.TimeoutExpired:
            ended = False
            w.stop = True
            w.join(40 * SLOW)
            try:
                w.sock.sendall(b"quit\n")
                p.wait(20 * SLOW)
            except (OSError, AttributeError, subprocess.TimeoutExpired):
                p.kill()
                p.wait()
                return "does not end by quit after %.0f s" % limit, ""
        w.stop = True
        w.join(5)
        took = time.monotonic() - begin
        out.seek(0)
        err.seek(0)
        said = out.read().decode("utf-8", "replace")
        errors = err.read().decode("utf-8", "replace").strip()
    if w.sock:
        w.sock.close()
    with open(log, "rb") as f:
        lines = f.read().count(b"\n")
    figures = "%.1f s, monitor %.0f ms at most (%s) of %d, %.0f MiB" % (
        took, w.longest * 1000, w.command, w.answers, w.peak)
    bound = mib + FIXED + (GRANTED if engine.startswith("bt") else 0) + (mib + GRANTED if engine == "lockstep" else 0)
    done = re.search(r"^hostile done \d+\r?$", said, re.M)
    if errors:
        return "message: " + errors[:3000], figures
    if ended and (p.returncode != 1 or not done):
        m = re.findall(r"^hostile: .*", said, re.M)
        return "status %d, %s" % (p.returncode, m[-1] if m else "no end: " + repr(said[-200:])), figures
    if not ended and p.returncode != 0:
        return "status %d after quit" % p.returncode, figures
    if lines > LOG_LINES * (took + 2):
        return "%d lines of log" % lines, figures
    if w.longest * 1000 > (o.m or 3000 * SLOW):
        return "the monitor was not answered in time", figures
    if w.peak > bound:
        return "more than %d MiB of memory" % int(bound), figures
    if not w.answers and took > 5:
        return "the monitor never answered", figures
    return None, figures + ("" if ended else ", ended by quit")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("program")
    a.add_argument("-s", type=int, default=1)
    a.add_argument("-x", type=float, default=1)
    a.add_argument("-m", type=float, default=0)
    a.add_argument("-k", default="")
    a.add_argument("-l", action="store_true")
    a.add_argument("--max-map-count", type=int)
    o = a.parse_args()
    rom = os.path.join(os.path.dirname(os.path.realpath(o.program)), "roms", "hostile.elf")
    if not os.path.exists(rom):
        print("FAIL - hostile: %s is not there" % rom)
        return 1
    before = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)) # so that what follows is undone
    if o.max_map_count:
        with open(MAP_COUNT) as f:
            before = f.read()
        with open(MAP_COUNT, "w") as f:
            f.write(str(o.max_map_count))
    bad = 0
    try:
        for run in RUNS:
            engines = [e for e in ENGINES if e != "lockstep"] if run[4] == "*" else run[4].split()
            for engine in engines:
                name = " ".join(filter(None, [run[0], run[3], "-m %d" % run[1], engine]))
                if o.k not in name:
                    continue
                if o.l:
                    print(name)
                    continue
                with tempfile.TemporaryDirectory(prefix="callgate-test-") as d:
                    for file, size in (("fda", 1440 << 10), ("hda", 8 << 20), ("cdrom", 2 << 20)):
                        with open(os.path.join(d, file), "wb") as f:
                            f.write((b"\x11\x22\x40\x80" * 128 + bytes(512)) * (size // 1024))
                    wrong, figures = one(o, rom, run, engine, d)
                if wrong:
                    bad += 1
                    print("FAIL - hostile %s: %s (%s)" % (name, wrong, figures), flush=True)
                else:
                    print("ok - hostile %s (%s)" % (name, figures), flush=True)
    finally:
        if before:
            with open(MAP_COUNT, "w") as f:
                f.write(before)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
