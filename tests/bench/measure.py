"""measure.py - makes the log files that report.py reads: one a run, host seconds in front of each line.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import bisect
import json
import os
import platform
import re
import subprocess
import threading
import time

RAM = 512       # MiB of a guest that runs the suite
BOOT_RAM = 256  # and of one that runs the busybox commands
QUIET = 0.97    # a native run that had less of the processor was disturbed


def children(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            return [int(n) for n in f.read().split()]
    except OSError:
        return []


def leaf(pid):
    """The process at the end of a chain of wrappers."""
    while children(pid):
        pid = children(pid)[-1]
    return pid


def started(pid):
    """When a process was made, by the monotonic clock."""
    with open("/proc/%d/stat" % pid) as f:
        ticks = int(f.read().rpartition(")")[2].split()[19])
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - since_boot


def own_memory(pid, ram):
    """KiB that a process holds besides the guest's RAM of `ram` MiB, its page tables included. Guest RAM is
    shared memory, or an anonymous mapping of that size or a little more."""
    with open("/proc/%d/status" % pid) as f:
        field = dict(re.findall(r"(\w+):\s+(\d+) kB", f.read()))
    size = int(field["RssAnon"]) + int(field["RssFile"]) + int(field["VmPTE"])
    if int(field["RssShmem"]) > 8192:
        return size
    with open("/proc/%d/smaps" % pid) as f:
        for m in re.finditer(r" 00:00 0 *\nSize:\s+(\d+) kB\n(?:\w+: .*\n)*?Rss:\s+(\d+) kB", f.read(), re.M):
            if ram << 10 <= int(m[1]) <= (ram << 10) * 5 // 4:
                size -= int(m[2])
    return size


def waiting(pid):
    """Seconds that the busiest thread of a process stood in the run queue: what other programs took from it."""
    best = (0, 0)
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            best = max(best, tuple(map(int, f.read().split()[:2])))
    return best[1] / 1e9


class Watch(threading.Thread):
    """Looks at a process while it runs: the most memory it held, and how long it has waited for the CPU. If the
    stamps of its output come from a wrapper, their zero is when that started the process."""

    def __init__(self, pid, ram, wrapped):
        super().__init__(daemon=True)
        self.pid, self.ram, self.wrapped, self.peak = pid, ram, wrapped, 0
        self.zero = None if wrapped else time.monotonic()
        self.waits = [(0.0, 0.0)]
        self.over = threading.Event()
        self.start()

    def run(self):
        n = 0
        while not self.over.wait(0.02):
            try:
                if self.zero is None:
                    if not children(self.pid):
                        continue
                    self.zero = started(children(self.pid)[0])
                pid = leaf(self.pid)
                if self.wrapped and pid == self.pid:
                    continue
                self.waits.append((time.monotonic() - self.zero, waiting(pid)))
                if n % 100 == 0:
                    self.peak = max(self.peak, own_memory(pid, self.ram))
                n += 1
            except (OSError, KeyError, ValueError, IndexError):
                pass  # it has just ended

    def stop(self):
        self.over.set()
        self.join()

    def waited(self, t):
        """How much of the first t seconds it waited."""
        k = bisect.bisect_left(self.waits, (t, 0.0))
        if k == len(self.waits):
            return self.waits[-1][1]
        (t0, w0), (t1, w1) = self.waits[max(k - 1, 0)], self.waits[k]
        if w1 <= w0:  # another process: a wrapper has started the emulator
            return w0
        return w0 + (w1 - w0) * (t - t0) / (t1 - t0)


def corrected(text, watch):
    """A log with the time spent waiting for the CPU taken out of its stamps."""
    out = []
    for line in text.splitlines():
        m = re.match(r"\s*(\d+\.\d+) (.*)", line)
        out.append("%10.4f %s" % (float(m[1]) - watch.waited(float(m[1])), m[2]) if m else line)
    return "\n".join(out) + "\n"


def suite_run(folder, log, emulator, args, limit):
    """One run of the suite's programs: its own `run` writes the log. An emulator's stamps leave out the time
    it waited for the CPU. A native run has many short processes: if others disturb it, it is tried again."""
    env = dict(os.environ, LIMIT=str(limit), MEM=str(RAM))
    part = log + ".part"
    for _ in range(3 if emulator == "native" else 1):
        p = subprocess.Popen([os.path.join(folder, "run"), part, emulator] + args, env=env,
                             stdin=subprocess.DEVNULL)
        watch = Watch(p.pid, RAM, True)
        p.wait()
        watch.stop()
        if not os.path.exists(part):
            return "%s/run wrote no log" % folder
        with open(part, errors="replace") as f:
            text = f.read()
        if " RESULT " not in text:
            return "no results; its last lines:\n" + text[-800:]
        wall, cpu = (float(re.search(r"^# %s ([\d.]+)" % s, text, re.M)[1]) for s in ("wall", "cpu"))
        if cpu > QUIET * wall:
            break
        if emulator == "native":
            print("bench: the host is busy: native had the processor for %.1f s of %.1f s" % (cpu, wall))
    if emulator != "native":
        text = corrected(text, watch)
        text += "# own_kb %d\n" % watch.peak
        text += "# waited %.1f s for the CPU, left out of the stamps\n" % max(w for _, w in watch.waits)
    with open(log, "w") as f:
        f.write(text)
    os.unlink(part)
    return None


def plain_run(log, command, limit, ram=0):
    """Run a command; its output with time stamps is the log."""
    start = time.monotonic()
    try:
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    except OSError as e:
        return str(e)
    timer = threading.Timer(limit, p.kill)
    timer.start()
    watch = Watch(p.pid, ram, False) if ram else None
    lines = ["%10.4f %s" % (time.monotonic() - start, raw.decode("utf-8", "replace").rstrip())
             for raw in p.stdout]
    p.wait()
    timer.cancel()
    text = "\n".join(lines) + "\n"
    if watch:
        watch.stop()
        text = corrected(text, watch) + "# own_kb %d\n" % watch.peak
    if not re.search(r"(nano done|latency done|MARK \w+)$", text, re.M):
        return "it did not get to its end (status %s)" % p.returncode
    with open(log, "w") as f:
        f.write(text + "# cmd %s\n" % " ".join(command))
    return None


# Debian's busybox, when there is no suite: commands between marks. A colon stands for a space.
BOOT_SCRIPT = ("dd:if=/dev/zero:bs=1M:count=8:2>/dev/null|sha256sum;echo:MARK:sha256;"
               "dd:if=/bin/busybox:bs=1M:2>/dev/null|gzip:-9|gunzip|md5sum;echo:MARK:gzip;"
               "i=0;while:[:$i:-lt:3000:];do:i=$((i+1));done;echo:MARK:shell;"
               "i=0;while:[:$i:-lt:100:];do:/bin/true;i=$((i+1));done;echo:MARK:forkexec")


def boot_run(guests, log, emulator, limit):
    command = emulator.split() + [
        "-m", str(BOOT_RAM), "-kernel", os.path.join(guests, "vmlinuz-686"),
        "-initrd", os.path.join(guests, "initrd.gz"),
        "-append", "console=ttyS0 quiet panic=-1 cmd=" + BOOT_SCRIPT, "-nographic", "-no-reboot"]
    return plain_run(log, command, limit, BOOT_RAM)


def nano_run(rom, log, emulator, quick, limit):
    command = emulator.split() + [
        "-m", "32", "-kernel", rom, "-append", "quick" if quick else "", "-nographic", "-no-reboot",
        "-device", "isa-debug-exit,iobase=0x501"]
    return plain_run(log, command, limit)


def version(command):
    try:
        text = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, errors="replace").stdout
    except OSError:
        return None
    m = re.search(r"version (\d+\.\d+\.\d+)", text)
    return m[1] if m else None


def describe_host(logs):
    """What the figures were measured on, for the text; kept with the logs."""
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*:\s*(.*)", f.read())
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read())[1])
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        system = "Linux"
    # the month is enough
    host = {"cpu": cpu[1] if cpu else platform.machine(), "cpus": os.cpu_count(),
            "memory": round(memory / 2**20), "system": system, "kernel": platform.release().split("-")[0],
            "date": time.strftime("%Y-%m"), "qemu": version(["qemu-system-i386", "--version"])}
    with open(os.path.join(logs, "host.json"), "w") as f:
        json.dump(host, f, indent=1)
