#!/usr/bin/env python3
"""sandbox.py PROGRAM: -sandbox as seen from outside: the process's status, and that machines still do
everything with it: every kind of console, a window, monitor commands that open files. What the process
may not do any more is tests/unit/sandbox.c.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from suite import check  # noqa: E402
from vm import VM, Failure  # noqa: E402

PROGRAM = sys.argv[1]
DEMO = os.path.join(os.path.dirname(os.path.realpath(PROGRAM)), "roms", "demo.img")
ACCEL = ["-accel", os.environ.get("ACCEL", "bt,verify=on")]
SLOW = float(os.environ.get("SLOW", "1"))
# builds that trace themselves or write files at their end have it off unless it is asked for
DEFAULT = not re.search(r"obj/(asan|cov)/", os.path.realpath(PROGRAM))
ON = [] if DEFAULT else ["-sandbox", "on"]
# ... and a sanitizer's own end is not what is tested here
ENV = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
os.environ.update(ENV)

MACHINE = ACCEL + ["-m", "16", "-snapshot", "-fda", DEMO]
tests = []


def test(f):
    tests.append(f)
    return f


def until(condition, what, limit=30.0):
    end = time.monotonic() + limit * SLOW
    while True:
        got = condition()
        if got:
            return got
        check(time.monotonic() < end, what)
        time.sleep(0.05)


def status(pid):
    """Seccomp mode and NoNewPrivs of every thread."""
    found = set()
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task)) as f:
            text = f.read()
        found.add((int(re.search(r"^Seccomp:\s+(\d)", text, re.M)[1]),
                   int(re.search(r"^NoNewPrivs:\s+(\d)", text, re.M)[1])))
    return found


@test
def confined_by_default():
    with VM(PROGRAM, MACHINE + ON) as vm:
        vm.expect("demo> ")
        check(status(vm.proc.pid) == {(2, 1)}, "threads are %s" % status(vm.proc.pid))
        vm.send("off\r")
        check(vm.wait() == 0, "exit status is not 0")


@test
def off():
    with open("/proc/self/status") as f:
        here = {(int(m[1]), int(m[0])) for m in
                [re.search(r"NoNewPrivs:\s+(\d)\s+Seccomp:\s+(\d)", f.read()).groups()]}
    with VM(PROGRAM, MACHINE + ["-sandbox", "off"]) as vm:
        vm.expect("demo> ")
        check(status(vm.proc.pid) == here, "threads are %s" % status(vm.proc.pid))
        vm.send("off\r")
        check(vm.wait() == 0, "exit status is not 0")


@test
def before_the_cpu_starts():
    """Also with -S, where the guest does not run yet."""
    with VM(PROGRAM, MACHINE + ON + ["-S"], monitor=True) as vm:
        check(status(vm.proc.pid) == {(2, 1)}, "threads are %s" % status(vm.proc.pid))


@test
def icount_and_logs():
    with VM(PROGRAM, MACHINE + ON + ["-icount", "shift=3", "-d", "int,guest_errors", "-D",
                                     "/dev/null"]) as vm:
        vm.expect("demo> ")
        vm.send("off\r")
        check(vm.wait() == 0, "exit status is not 0")


@test
def lockstep():
    with VM(PROGRAM, ["-accel", "lockstep"] + MACHINE[2:] + ON) as vm:
        vm.expect("demo> ")
        check(status(vm.proc.pid) == {(2, 1)}, "threads are %s" % status(vm.proc.pid))
        vm.send("reboot\r")
        vm.expect("Callgate demo")
        vm.expect("demo> ")
        vm.send("off\r")
        check(vm.wait() == 0, "exit status is not 0")


@test
def signals_end_it():
    for sig in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        with VM(PROGRAM, MACHINE + ON) as vm:
            vm.expect("demo> ")
            vm.proc.send_signal(sig)
            check(vm.wait() == 0, "signal %d: exit status is not 0" % sig)


@test
def monitor_files():
    """change, eject and screendump open files while the guest runs."""
    with VM(PROGRAM, MACHINE[:-3] + ON + ["-drive", "if=floppy,file=%s,snapshot=on" % DEMO],
            monitor=True) as vm:
        vm.expect("demo> ")
        shot = os.path.join(vm.dir.name, "shot.ppm")
        answer = vm.monitor("screendump " + shot)
        check(not answer.strip(), answer)
        with open(shot, "rb") as f:
            check(f.read(2) == b"P6", "screendump wrote no picture")
        check(vm.monitor("eject fda").strip() == "", "eject")
        # snapshot=on: a temporary file is made for it
        check(vm.monitor("change fda " + DEMO).strip() == "", "change")
        check("cannot" in vm.monitor("change fda /does/not/exist"), "a missing image is taken")
        vm.monitor("log int")
        vm.monitor("log none")
        vm.monitor("system_reset")
        vm.expect("demo> ")


def boot_on(read, write, what):
    got = b""
    end = time.monotonic() + 30 * SLOW
    while b"demo> " not in got:
        check(time.monotonic() < end, "%s: got %r" % (what, got[-300:]))
        got += read()
    write(b"off\r")


@test
def serial_pty():
    p = subprocess.Popen([PROGRAM] + MACHINE + ON + ["-display", "none", "-serial", "pty",
                                                     "-monitor", "none"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    try:
        line = p.stdout.readline()
        fd = os.open(re.search(r"/dev/pts/\d+", line)[0], os.O_RDWR | os.O_NOCTTY)
        boot_on(lambda: os.read(fd, 4096), lambda b: os.write(fd, b), "pty")
        check(p.wait(30 * SLOW) == 0, "exit status is not 0")
        os.close(fd)
    finally:
        p.kill()
        p.wait()


def boot_on_socket(spec, family, address):
    p = subprocess.Popen([PROGRAM] + MACHINE + ON + ["-display", "none", "-serial", spec,
                                                     "-monitor", "none"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True)
    try:
        for turn in range(2):  # a second client after the first
            s = socket.socket(family)
            s.settimeout(30 * SLOW)

            def connect():
                try:
                    s.connect(address)
                    return True
                except OSError:
                    check(p.poll() is None, "it ended")
                    return False

            until(connect, "no connection")
            if turn == 0:
                s.close()
        s.sendall(b"\r")
        boot_on(lambda: s.recv(4096), s.sendall, spec)
        check(p.wait(30 * SLOW) == 0, "exit status is not 0")
        s.close()
    finally:
        p.kill()
        p.wait()


@test
def serial_unix():
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "sock")
        boot_on_socket("unix:%s,server,nowait" % path, socket.AF_UNIX, path)
        check(not os.path.exists(path), "the socket's file is left behind")


@test
def serial_tcp():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    boot_on_socket("tcp:127.0.0.1:%d,server,nowait" % port, socket.AF_INET, ("127.0.0.1", port))


@test
def window():
    """SDL under Xvfb: the guest's screen is in the window, and it goes on through resets."""
    if not shutil.which("Xvfb"):
        return "Xvfb is not installed"
    r, w = os.pipe()
    x = subprocess.Popen(["Xvfb", "-displayfd", str(w), "-screen", "0", "1024x768x24", "-nolisten",
                          "tcp"], pass_fds=[w], stdin=subprocess.DEVNULL,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(w)
    p = None
    try:
        display = b""
        while not display.endswith(b"\n"):
            got = os.read(r, 100)
            check(got, "Xvfb does not start")
            display += got
        with tempfile.TemporaryDirectory() as d:
            log = os.path.join(d, "serial")
            monitor = os.path.join(d, "monitor")
            env = dict(ENV, DISPLAY=":" + display.decode().strip(), SDL_VIDEODRIVER="x11")
            env.pop("WAYLAND_DISPLAY", None)
            p = subprocess.Popen([PROGRAM] + MACHINE + ON +
                                 ["-display", "sdl", "-serial", "file:" + log, "-monitor",
                                  "unix:%s,server,nowait" % monitor], env=env,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT)

            def booted(times):
                if p.poll() is not None:
                    raise Failure("it ended with status %d: %s" % (p.returncode, p.stdout.read()))
                return os.path.exists(log) and open(log).read().count("demo> ") >= times

            until(lambda: booted(1), "no prompt")
            check(status(p.pid) == {(2, 1)}, "threads are %s" % status(p.pid))
            s = socket.socket(socket.AF_UNIX)
            s.connect(monitor)
            s.sendall(b"system_reset\n")
            until(lambda: booted(2), "no prompt after a reset")
            time.sleep(0.5)  # some pictures
            check(p.poll() is None, "it ended")
            s.sendall(b"quit\n")
            check(p.wait(30 * SLOW) == 0, "exit status %s: %s" % (p.returncode, p.stdout.read()))
            s.close()
    finally:
        if p:
            p.kill()
            p.wait()
        x.terminate()
        x.wait()
        os.close(r)
    return None


@test
def options():
    for bad in ("maybe", "on,spawn=allow", "on,colour=red"):
        p = subprocess.run([PROGRAM, "-sandbox", bad, "-display", "none"],
                           stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        check(p.returncode == 1 and len(p.stderr.splitlines()) == 1 and "-sandbox" in p.stderr,
              "%s: status %d, %r" % (bad, p.returncode, p.stderr))
    # as other programs' scripts have it
    with VM(PROGRAM, MACHINE + ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
                                "resourcecontrol=deny"]) as vm:
        vm.expect("demo> ")
        check(status(vm.proc.pid) == {(2, 1)}, "threads are %s" % status(vm.proc.pid))


def main():
    bad = 0
    for f in tests:
        name = "sandbox: " + f.__name__.replace("_", " ")
        try:
            why = f()
            print("skip - %s: %s" % (name, why) if why else "ok - " + name, flush=True)
        except (Failure, OSError, subprocess.SubprocessError, TypeError) as e:
            bad = 1
            print("FAIL - %s: %s" % (name, e), flush=True)
    return bad


sys.exit(main())
