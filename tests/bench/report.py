"""report.py - reads the log files of measure.py and makes the tables, doc/bench.md and the chart of them.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import ast
import glob
import json
import math
import os
import re
import statistics

import chart
import measure

NATIVE = "native"
DASH = "–"


def keep_groups(suite, logs):
    """The suite's `table` knows which programs belong together: keep that with the logs."""
    groups = {}
    try:
        with open(os.path.join(suite, "table")) as f:
            for node in ast.parse(f.read()).body:
                if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "GROUPS":
                    groups = ast.literal_eval(node.value)
    except (OSError, SyntaxError, ValueError) as e:
        print("bench: no groups from the suite's table: %s" % e)
    with open(os.path.join(logs, "groups.json"), "w") as f:
        json.dump({k: v.split() for k, v in groups.items()}, f, indent=1)


def read_json(path):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return {}


def mean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def ratio(x):
    return DASH if x is None else chart.figure(x)


def duration(seconds):
    for unit, factor in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3), ("s", 1)):
        if seconds * factor < 999.5 or unit == "s":
            return "%s %s" % (chart.figure(seconds * factor), unit)


def median_of(lists):
    return {k: statistics.median(v) for k, v in lists.items()}


class Suite:
    """All runs of one engine: seconds an operation, seconds to the boot marker, MiB besides guest RAM. A guest's
    seconds are the host's, as its own clock may be wrong; native says itself how long it took."""

    def __init__(self, paths, native=False):
        rows, boots, own = {}, [], []
        self.runs = len(paths)
        self.checks, self.command, self.version = {}, "", None
        for path in paths:
            start, ready = {}, 0.0
            with open(path, errors="replace") as f:
                text = f.read()
            for line in text.splitlines():
                m = re.match(r"\s*([\d.]+) (RUN|RESULT|GB-MARK|bochs:) (\S+)(.*)", line)
                if not m:
                    continue
                t, kind, what, rest = float(m[1]), m[2], m[3], m[4].split()
                if kind == "RUN":
                    start[what] = t
                elif kind == "RESULT" and what in start and rest:
                    seconds = float(rest[1]) if native else t - start[what]
                    if seconds > 0:
                        rows.setdefault(what, []).append(seconds / float(rest[0]))
                    if len(rest) >= 4:
                        self.checks[what] = (rest[0], rest[3])
                elif kind == "bochs:":
                    ready = t
                elif kind == "GB-MARK" and what == "boot":
                    boots.append(t - ready)
            own += [int(n) / 1024 for n in re.findall(r"^# own_kb (\d+)", text, re.M)]
            m = re.search(r"Bochs x86 Emulator (\S+)", text)
            if m:
                self.version = "Bochs " + m[1] + " with its debugger built in" * ("Next at t=" in text)
            self.command = (re.findall(r"^# cmd (.*)", text, re.M) or [""])[-1]
        self.rows = median_of(rows)
        self.boot = statistics.median(boots) if boots else None
        self.own = max(own) if own else None


class Recorded:
    """Figures of a table written down elsewhere: its columns "NAME s | x" are seconds and ratio."""

    def __init__(self, name, text):
        self.ratios, self.own, self.checks, self.command, self.runs = {}, None, {}, "", 0
        self.version = None
        column = None
        for line in text.splitlines():
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if name + " s" in cells:
                column = cells.index(name + " s") + 1
            elif column is not None and len(cells) > column and re.fullmatch(r"[\d.]+", cells[column]):
                self.ratios[cells[0]] = float(cells[column])
        m = re.search(r"\b%s [\d. ]*\(median ([\d.]+)\)" % name, text)
        self.boot = float(m[1]) if m else None


class Stamped:
    """Runs of the nanobenchmark guest (nanoseconds an operation), or of the busybox commands (seconds)."""

    def __init__(self, paths):
        self.cycles, self.seconds, self.own = {}, {}, []
        for path in paths:
            with open(path, errors="replace") as f:
                text = f.read()
            khz = re.search(r"nano tsc_khz (\d+)", text)
            for name, value in re.findall(r"nano (\w+) ([\d.]+)$", text, re.M):
                if khz and name != "tsc_khz":
                    self.cycles.setdefault(name, []).append((float(value), float(value) * 1e6 / int(khz[1])))
            last = 0.0
            for t, name in re.findall(r"^\s*([\d.]+) .*?(?:MARK (?=\w)|INIT: (?=ready))(\w+)", text, re.M):
                self.seconds.setdefault("boot" if name == "ready" else name, []).append(float(t) - last)
                last = float(t)
            self.own += [int(n) / 1024 for n in re.findall(r"^# own_kb (\d+)", text, re.M)]
        self.cycles = {k: [statistics.median(c) for c in zip(*v)] for k, v in self.cycles.items()}
        self.seconds = median_of(self.seconds)


def undisturbed(paths):
    """The native runs that had a processor to themselves. The others' times are too long, every ratio to them
    too good."""
    out = []
    for path in paths:
        with open(path, errors="replace") as f:
            text = f.read()
        wall, cpu = (re.search(r"^# %s ([\d.]+)" % what, text, re.M) for what in ("wall", "cpu"))
        if not wall or not cpu or float(cpu[1]) > measure.QUIET * float(wall[1]):
            out.append(path)
    return out


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


class Report:
    def __init__(self, logs, callgate, recorded=None):
        self.logs = logs
        self.callgate = callgate
        self.host = read_json(os.path.join(logs, "host.json"))
        self.groups = read_json(os.path.join(logs, "groups.json"))
        found = [callgate, "qemu", "bochs"]
        native = self.paths(NATIVE)
        self.busy = bool(native) and not undisturbed(native)
        self.native = Suite(undisturbed(native) or native, True) if native else None
        self.peers = {who: Suite(self.paths(who)) for who in found if self.paths(who)}
        if recorded:
            with open(recorded) as f:
                text = f.read()
            for who in re.findall(r"\| (\w+) s \| x ", text):
                if who not in self.peers and Recorded(who, text).ratios:
                    self.peers[who + " (recorded)"] = Recorded(who, text)
        self.latency = {}
        for path in self.paths("latency-" + self.callgate):
            with open(path, encoding="utf-8", errors="replace") as f:
                for name, *v in re.findall(r"latency (\w+) ([\d.]+) ([\d.]+) ([\d.]+)$", f.read(), re.M):
                    self.latency.setdefault(name, []).append([float(x) for x in v])
        self.nano = {who: Stamped(self.paths("nano-" + who)) for who in [NATIVE] + found[:2]
                     if self.paths("nano-" + who)}
        self.boots = {who: Stamped(self.paths("boot-" + who)) for who in found[:2]
                      if self.paths("boot-" + who)}

    def paths(self, who):
        return sorted(p for p in glob.glob(os.path.join(self.logs, who + "-*.log"))
                      if re.fullmatch(r"%s-\d+\.log" % re.escape(who), os.path.basename(p)))

    def complete(self):
        """Is it fit for doc/?"""
        return bool(self.native and not self.busy and self.compared())

    # --- ratios to native ---

    def ratio(self, who, row):
        peer = self.peers[who]
        if isinstance(peer, Recorded):
            return peer.ratios.get(row)
        if row in peer.rows and row in self.native.rows:
            return peer.rows[row] / self.native.rows[row]
        return None

    def means(self, rows):
        out = {who: mean(r for r in (self.ratio(who, row) for row in rows) if r) for who in self.peers}
        return {who: m for who, m in out.items() if m}

    def grouped(self):
        """[(group, rows)]; rows of no group come last."""
        left = list(self.native.rows)
        out = []
        for name, rows in self.groups.items():
            rows = [r for r in rows if r in left]
            left = [r for r in left if r not in rows]
            if rows:
                out.append((name, rows))
        return out + ([("others", left)] if left else [])

    def against(self, qemu, callgate):
        return [ratio(qemu / callgate if qemu and callgate else None)] if self.compared() else []

    def compared(self):
        return self.callgate in self.peers and "qemu" in self.peers

    def head(self, first):
        return first + list(self.peers) + (["QEMU ÷ callgate"] if self.compared() else [])

    def summary(self):
        rows = []
        for name, members in self.grouped() + [("**all**", list(self.native.rows))]:
            m = self.means(members)
            rows.append([name, str(len(members))] + [ratio(m.get(who)) for who in self.peers] +
                        self.against(m.get("qemu"), m.get(self.callgate)))
        boot = {who: p.boot for who, p in self.peers.items()}
        rows.append(["boot to the marker, s", ""] + ["%.1f" % b if b else DASH for b in boot.values()] +
                    self.against(boot.get("qemu"), boot.get(self.callgate)))
        rows.append(["memory besides guest RAM, MiB", ""] +
                    ["%.0f" % p.own if p.own else DASH for p in self.peers.values()] +
                    ([""] if self.compared() else []))
        return table(self.head(["ratio to native, geometric means", "n"]), rows)

    def details(self):
        rows = []
        for name, members in self.grouped():
            rows.append(["**%s**" % name] + [""] * (len(self.head(["", ""])) - 1))
            for row in members:
                r = {who: self.ratio(who, row) for who in self.peers}
                rows.append([row, duration(self.native.rows[row])] + [ratio(x) for x in r.values()] +
                            self.against(r.get("qemu"), r.get(self.callgate)))
        return table(self.head(["program", "native, an operation"]), rows)

    def wrong(self):
        """What is wrong with the figures: rows whose result is not native's, and rows that are missing."""
        out = ["**The host was busy during every native run: the ratios are too small.**"] * self.busy
        for who, peer in self.peers.items():
            bad = [row for row, check in peer.checks.items()
                   if row in self.native.checks and self.native.checks[row][0] == check[0]
                   and self.native.checks[row] != check]
            missing = [] if isinstance(peer, Recorded) else [r for r in self.native.rows if r not in peer.rows]
            if bad:
                out.append("%s computes something else than native: %s." % (who, ", ".join(bad)))
            if missing:
                out.append("%s has no result of: %s." % (who, ", ".join(missing)))
        return out

    # --- the other tables ---

    def nano_table(self):
        names = {}
        for n in self.nano.values():
            names.update(dict.fromkeys(n.cycles))
        order = max((list(n.cycles) for n in self.nano.values()), key=len)
        names = order + [n for n in names if n not in order]
        both = self.callgate in self.nano and "qemu" in self.nano
        head = ["nanoseconds (guest cycles) an operation"] + list(self.nano) + (["QEMU ÷ callgate"] if both else [])
        rows = []
        for name in names:
            got = {who: n.cycles.get(name) for who, n in self.nano.items()}
            row = [name] + ["%s (%s)" % (chart.figure(g[1]), chart.figure(g[0])) if g else DASH
                            for g in got.values()]
            if both:
                a, b = got["qemu"], got[self.callgate]
                row.append(ratio(a[1] / b[1] if a and b else None))
            rows.append(row)
        return table(head, rows)

    def latency_table(self):
        rows = []
        for name, values in self.latency.items():
            rows.append([name] + ["%.1f" % statistics.median(v) for v in zip(*values)])
        return table(["microseconds", "median", "99 of 100", "longest"], rows)

    def boot_table(self):
        names = list(max((b.seconds for b in self.boots.values()), key=len))
        both = self.callgate in self.boots and "qemu" in self.boots
        rows = []
        for name in names:
            got = {who: b.seconds.get(name) for who, b in self.boots.items()}
            rows.append([name] + ["%.2f" % g if g else DASH for g in got.values()])
            if both:
                rows[-1].append(ratio(got["qemu"] / got[self.callgate] if all(got.values()) else None))
        rows.append(["memory besides guest RAM, MiB"] +
                    ["%.0f" % max(b.own) if b.own else DASH for b in self.boots.values()] + [""] * both)
        return table(["seconds"] + list(self.boots) + ["QEMU ÷ callgate"] * both, rows)

    def tables(self):
        out = []
        if self.native and self.peers:
            out += [self.details(), self.summary()] + self.wrong()
        if self.boots:
            out.append(self.boot_table())
        if self.nano:
            out.append(self.nano_table())
        if self.latency:
            out.append(self.latency_table())
        return "\n\n".join(out) or "bench: nothing has been measured"

    # --- doc/bench.md, doc/bench.svg ---

    def commands(self):
        """The emulators' command lines, without the folders of this host."""
        out = []
        for peer in self.peers.values():
            text = re.sub(r"(?<!\S)/\S*/", "", peer.command)
            out.append(re.sub(r"-append (.*?)\s+-nographic", r"-append '\1' -nographic", text))
        return [c for c in out if c]

    def host_text(self):
        h = self.host
        if not h:
            return ""
        peers = ["QEMU %s" % h.get("qemu")] * bool(h.get("qemu"))
        peers += [p.version for p in self.peers.values() if p.version]
        return "Host: %s, %d processors, %d GiB, %s, Linux %s. %s. Measured %s." % (
            h["cpu"], h["cpus"], h["memory"], h["system"], h["kernel"], ", ".join(peers), h["date"])

    def write(self, md, svg):
        out = ["# Speed", "Written by `make bench`; `tests/bench/bench.py` says how to repeat it. " +
               self.host_text()]
        if self.native and self.peers:
            runs = ", ".join("%s %d" % (who, p.runs) for who, p in
                             [(NATIVE, self.native)] + list(self.peers.items()) if p.runs)
            out += ["## Programs",
                    "The same 32-bit binary natively and under Debian's i386 kernel in a guest of %d MiB. Times "
                    "are the host's; a ratio of 2 takes twice as long as native. Medians of runs: %s. "
                    "Memory is the most an emulator held besides guest RAM, its page tables included." %
                    (measure.RAM, runs),
                    self.summary(), "![Ratio to native of each program](bench.svg)", self.details()]
            out += self.wrong()
            out += ["Commands:", "\n".join("    " + c for c in self.commands())]
            with open(svg, "w") as f:
                f.write(self.chart())
        if self.boots:
            out += ["## Boot", "Debian's 686 kernel to the first line of init, then busybox programs. Host seconds.",
                    self.boot_table()]
        if self.nano:
            out += ["## Nanobenchmarks",
                    "`roms/nanobench`: one operation each, by the guest's time stamp counter. `page_fault`, "
                    "`divide_error`, `syscall` and `sysenter` go from ring 3 to ring 0 and back; `pte_same` "
                    "writes an unchanged page-table entry, `pte_clear` one that becomes not present, `pte_set` "
                    "one that becomes present; `_touch` reads the page as well. Native is the host's processor in "
                    "a process; a virtual machine as host shows in `cpuid`.",
                    self.nano_table()]
        if self.latency:
            out += ["## Interrupts",
                    "From a device's raising INTR, in another thread, to the CPU's acknowledge, in translated loops "
                    "that hardly ever leave by themselves. The longest are the host's scheduling.",
                    self.latency_table()]
        with open(md, "w") as f:
            f.write("\n\n".join(out) + "\n")

    def chart(self):
        groups = [[("all %d programs" % len(self.native.rows), self.means(self.native.rows), True)]]
        for name, rows in self.grouped():
            groups.append([(name, self.means(rows), True)])
            for row in rows:
                values = {who: self.ratio(who, row) for who in self.peers}
                groups[-1].append((row, {k: v for k, v in values.items() if v}, False))
        return chart.draw("A 32-bit PC's programs: time against native", "Logarithmic axis. Shaded: geometric mean "
                          "of the programs below it.", list(self.peers), groups)
