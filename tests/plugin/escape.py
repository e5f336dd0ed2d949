#!/usr/bin/env python3
"""escape.py PROGRAM: a plug-in (escape.c) tries hundreds of ways out of the sandbox, from inside the process
while a guest runs: without a monitor, with one (whose files are narrowed by dirs=), with a window. Each way
is a test. Another process, sockets and files stand beside as victims, and must not notice anything.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import concurrent.futures
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import outcome, report  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
DEMO = os.path.join(os.path.dirname(os.path.realpath(PROGRAM)), "roms", "demo.img")
SLOW = float(os.environ.get("SLOW", "1"))
AT_LEAST = 200  # ways that one run must have tried


class Victims:
    """What an intruder might reach: a process, files, sockets of each kind."""

    def __init__(self, work):
        self.work = work
        os.mkdir(os.path.join(work, "dir"))
        with open(os.path.join(work, "file"), "w") as f:
            f.write("untouched")
        os.chmod(os.path.join(work, "file"), 0o600)
        os.symlink("../file", os.path.join(work, "dir", "link"))
        os.symlink("..", os.path.join(work, "dir", "up"))
        self.process = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL)
        self.name = "callgate-escape-%d" % os.getpid()
        self.sockets = []
        for kind, family, address in (("abstract", socket.AF_UNIX, "\0" + self.name),
                                      ("local", socket.AF_UNIX, os.path.join(work, "socket")),
                                      ("UDP", socket.AF_INET, ("127.0.0.1", 0))):
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.bind(address)
            s.setblocking(False)
            self.sockets.append((kind, s))
        self.port = self.sockets[2][1].getsockname()[1]
        tcp = socket.socket()
        tcp.bind(("127.0.0.1", self.port))
        tcp.listen()
        tcp.setblocking(False)
        self.tcp = tcp
        self.listing = self.tree()

    def tree(self):
        return sorted(os.path.join(d, n) for d, ds, fs in os.walk(self.work) for n in ds + fs)

    def harm(self):
        """What has happened to them, or None."""
        if self.process.poll() is not None:
            return "the process has ended: %d" % self.process.returncode
        with open("/proc/%d/status" % self.process.pid) as f:
            if re.search(r"^(SigPnd|ShdPnd):.*[1-9a-f]", f.read(), re.M):
                return "the process got a signal"
        for kind, s in self.sockets:
            try:
                return "the %s socket got %r" % (kind, s.recv(100))
            except BlockingIOError:
                pass
        try:
            self.tcp.accept()
            return "somebody has connected"
        except BlockingIOError:
            pass
        with open(os.path.join(self.work, "file")) as f:
            if f.read() != "untouched" or os.stat(f.fileno()).st_mode & 0o7777 != 0o600:
                return "the file was changed"
        if self.tree() != self.listing:
            return "files: %s" % self.tree()
        for path in ("/etc/callgate-escape", "/tmp/callgate-escape", "/dev/shm/callgate-escape"):
            if os.path.exists(path):
                os.unlink(path)
                return path + " was made"
        return None

    def close(self):
        self.process.kill()
        self.process.wait()
        for _, s in self.sockets:
            s.close()
        self.tcp.close()


def run(plugin, victims, arguments, env, fatal=0):
    """One run. Returns status, lines of the plug-in, what was printed."""
    with tempfile.TemporaryDirectory() as d:
        out = os.path.join(d, "out")
        env = dict(env, ESCAPE_OUT=out, ESCAPE_VICTIM=str(victims.process.pid), HOME=victims.work,
                   ESCAPE_WORK=victims.work, ESCAPE_ABSTRACT=victims.name,
                   ESCAPE_PORT=str(victims.port))
        if fatal:
            env["ESCAPE_FATAL"] = str(fatal)
        p = subprocess.run([PROGRAM, "-m", "16", "-snapshot", "-fda", DEMO, "-serial", "null",
                            "-plugin", plugin] + [a.replace("MONITOR", os.path.join(d, "m"))
                                                  for a in arguments],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, env=env, timeout=60 * SLOW)
        lines = []
        if os.path.exists(out):  # else it did not get as far as the plug-in
            with open(out) as f:
                lines = f.read().splitlines()
        return p.returncode, lines, p.stdout.decode("utf-8", "replace")


def ways_out(setting, plugin, victims, arguments, env):
    status, lines, said = run(plugin, victims, arguments, env)
    name = "way out, %s: " % setting
    tried = 0
    alone = []
    for line in lines:
        m = re.match(r"(\d+) (.*): (refused \(EPERM\)|alone|FAIL: .*)$", line)
        if not m:
            continue
        if m[3] == "alone":
            alone.append((int(m[1]), m[2]))
        else:
            tried += 1
            report("%sway %s: %s" % (name, m[1], m[2]) + ": refused (EPERM)" * (m[3][0] == "r"),
                   None if m[3][0] == "r" else m[3])
    end = re.match(r"end (\d+)$", lines[-1]) if lines else None
    report(name + "all were tried",
           None if status == 42 and end and int(end[1]) == tried + len(alone) else
           "status %s, %d tried, last: %s; it said: %s" % (status, tried, lines[-1:], said[-300:]))

    def one(way):
        status, lines, said = run(plugin, victims, arguments, env, way[0])
        # SIGSEGV where the kernel has no 32-bit system calls
        ends = [-signal.SIGSYS] + [-signal.SIGSEGV] * ("32-bit" in way[1])
        return way, None if status in ends and len(lines) == 1 and "FAIL" not in lines[0] else \
            "status %s: %s %s" % (status, lines, said[-300:])

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for way, why in pool.map(one, alone):
            tried += 1
            report("%sway %d: %s: the process is ended (SIGSYS)" % (name, way[0], way[1]), why)
    report("%s%d ways were tried" % (name, tried),
           None if tried >= AT_LEAST else "at least %d are expected" % AT_LEAST)
    report(name + "nobody has noticed anything", victims.harm())


def with_window(plugin, victims, env):
    r, w = os.pipe()
    x = subprocess.Popen(["Xvfb", "-displayfd", str(w), "-screen", "0", "1024x768x24", "-nolisten",
                          "tcp", "-noreset"], pass_fds=[w], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(w)
    try:
        display = os.read(r, 100).decode().strip()
        env = dict(env, DISPLAY=":" + display, SDL_VIDEODRIVER="x11")
        env.pop("WAYLAND_DISPLAY", None)
        ways_out("with a window", plugin, victims, ["-sandbox", "on", "-display", "sdl", "-monitor", "none"],
                 env)
    finally:
        x.terminate()
        x.wait()
        os.close(r)


def main():
    if platform.machine() != "x86_64":
        print("skip - ways out: the plug-in is for x86-64 hosts")
        return 0
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:handle_segv=0")
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(os.path.join(work, "victims"))
        plugin = os.path.join(work, "escape.so")
        subprocess.check_call(["gcc", "-std=gnu11", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror",
                               "-I", TOP, "-o", plugin, os.path.join(HERE, "escape.c")])
        victims = Victims(os.path.join(work, "victims"))
        try:
            ways_out("without a monitor", plugin, victims,
                     ["-sandbox", "on", "-display", "none", "-monitor", "none"], env)
            ways_out("with a monitor", plugin, victims,
                     ["-sandbox", "on,dirs=%s/victims/dir" % work, "-display", "none",
                      "-monitor", "unix:MONITOR,server,nowait"], env)
            if shutil.which("Xvfb"):
                with_window(plugin, victims, env)
            else:
                print("skip - ways out, with a window: Xvfb is not installed")
        finally:
            victims.close()
    return outcome()


sys.exit(main())
