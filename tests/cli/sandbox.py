#!/usr/bin/env python3
"""sandbox.py PROGRAM: -sandbox as seen from outside: the process's status, and that machines still do
everything with it: every kind of console, a window, monitor commands that open files. What the process
may not do any more is tests/unit/sandbox.c.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import ctypes
import fcntl
import os
import platform
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
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


def opener_of(pid):
    """The process that opens files for the emulator `pid`, or None. On a busy host the guest may be up before it
    has set itself up: it is waited for."""
    end = time.monotonic() + 10 * SLOW
    while True:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = f.read().split()
        for child in children:
            with open("/proc/%s/status" % child) as g:
                status = g.read()
            if "Name:\tcg-opener\n" in status and ("Seccomp:\t2\n" in status or time.monotonic() > end):
                return int(child)
        if not children or time.monotonic() > end:
            return None
        time.sleep(0.01)


def is_gone(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True


def floppy(path):
    with open(path, "wb") as f:
        f.truncate(1474560)
    return path


@test
def opener():
    """It is there with a monitor only, confined, has nothing open but its socket, and ends with the emulator
    even if that is killed."""
    with VM(PROGRAM, MACHINE + ON) as vm:
        vm.expect("demo> ")
        check(opener_of(vm.proc.pid) is None, "there is one without a monitor")
    for sig in (signal.SIGTERM, signal.SIGKILL):
        with VM(PROGRAM, MACHINE + ON, monitor=True) as vm:
            vm.expect("demo> ")
            pid = opener_of(vm.proc.pid)
            check(pid, "there is none with a monitor")
            check(status(pid) == {(2, 1)}, "it is not confined: %s" % status(pid))
            open_files = [os.readlink("/proc/%d/fd/%s" % (pid, n))
                          for n in os.listdir("/proc/%d/fd" % pid)]
            check(len(open_files) == 2 and "/dev/null" in open_files, "it has open: %s" % open_files)
            vm.proc.send_signal(sig)
            vm.proc.wait(30 * SLOW)
            until(lambda: is_gone(pid), "signal %d: it is still there" % sig)


@test
def opener_killed():
    """Then the monitor opens nothing, and says so."""
    with VM(PROGRAM, MACHINE + ON, monitor=True) as vm:
        vm.expect("demo> ")
        os.kill(opener_of(vm.proc.pid), signal.SIGKILL)
        answer = vm.monitor("change fda " + DEMO)
        check("cannot open" in answer, answer)
        vm.send("help\r")
        vm.expect("demo> ")


@test
def monitor_rules():
    """Without dirs=: nothing hidden, nothing of /proc, /sys, /dev, nothing that is not a file; with dirs=
    only what is there, and what the command line named."""
    with tempfile.TemporaryDirectory() as d:
        inside = os.path.join(d, "inside")
        os.mkdir(inside)
        ours = floppy(os.path.join(inside, "a.img"))
        other = floppy(os.path.join(d, "b.img"))
        hidden = floppy(os.path.join(d, ".c.img"))
        os.symlink(hidden, os.path.join(d, "link.img"))
        os.symlink(d, os.path.join(inside, "up"))
        os.mkfifo(os.path.join(d, "fifo"))
        refused = "the sandbox does not allow it; name its directory with -sandbox on,dirs=DIR"
        with VM(PROGRAM, MACHINE + ON, monitor=True) as vm:
            vm.expect("demo> ")
            for path in (hidden, os.path.join(d, "link.img"), "/proc/self/mem", "/dev/zero",
                         "/proc/version", "/sys/kernel/notes"):
                answer = vm.monitor("change fda " + path)
                check(refused in answer, "%s: %s" % (path, answer))
            text = os.path.join(d, "text")
            with open(text, "w") as f:
                f.write("no picture")
            for path in (os.path.join(d, ".x"), "/proc/self/comm", "/dev/null", text):
                answer = vm.monitor("screendump " + path)
                check(refused in answer, "%s: %s" % (path, answer))
            check(not os.path.exists(os.path.join(d, ".x")), "a hidden file was made")
            with open(text) as f:
                check(f.read() == "no picture", "a text was written over")
            for _ in range(2):  # a picture is made, and made anew
                answer = vm.monitor("screendump " + os.path.join(d, "shot"))
                check(not answer.strip(), answer)
            answer = vm.monitor("change fda " + os.path.join(d, "fifo"))
            check("neither a file" in answer, answer)
            answer = vm.monitor("change fda " + d)
            check("is a directory" in answer, answer)
            for path in (ours, other, os.path.join(inside, "up", "b.img"), DEMO):
                answer = vm.monitor("change fda " + path)
                check(not answer.strip(), "%s: %s" % (path, answer))
            answer = vm.monitor("info sandbox")
            check("system calls: filtered" in answer and "not hidden" in answer, answer)
        with VM(PROGRAM, MACHINE + ["-sandbox", "on,dirs=%s:/usr" % inside], monitor=True) as vm:
            vm.expect("demo> ")
            for path in (other, hidden, os.path.join(inside, "up", "b.img"), "/etc/passwd"):
                answer = vm.monitor("change fda " + path)
                check(refused in answer, "%s: %s" % (path, answer))
            answer = vm.monitor("screendump " + os.path.join(d, "x.ppm"))
            check(refused in answer, answer)
            for path in (ours, DEMO):  # DEMO was named on the command line
                answer = vm.monitor("change fda " + path)
                check(not answer.strip(), "%s: %s" % (path, answer))
            answer = vm.monitor("screendump " + os.path.join(inside, "x.ppm"))
            check(not answer.strip(), answer)
            check("dirs=" in vm.monitor("info sandbox"), "info sandbox")


def without_landlock():
    """In a child: as on a kernel that has none."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    f = ctypes.c_void_p(lib.seccomp_init(0x7fff0000))  # allow
    if lib.seccomp_rule_add(f, 0x00050000 | 38, 444, 0) or lib.seccomp_load(f):  # ENOSYS
        raise OSError("no filter")


@test
def kernel_without_landlock():
    """It runs all the same; who has asked for the sandbox is told in a line."""
    for asked in ([], ["-sandbox", "on"]):
        with tempfile.TemporaryDirectory() as d:
            log = os.path.join(d, "serial")
            p = subprocess.Popen([PROGRAM] + MACHINE + ON + asked +
                                 ["-display", "none", "-serial", "file:" + log, "-monitor", "stdio"],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True, preexec_fn=without_landlock)
            try:
                until(lambda: os.path.exists(log) and "demo> " in open(log).read(), "no prompt")
                said, errors = p.communicate("info sandbox\nscreendump %s/shot\nquit\n" % d, 30 * SLOW)
                check(p.returncode == 0, "status %s" % p.returncode)
                check("the kernel has none" in said and "system calls: filtered" in said, said)
                check(os.path.getsize(d + "/shot") > 1000, "no picture")
                lines = errors.splitlines()
                check(len(lines) == 1 and "no Landlock" in lines[0] if asked or ON else not lines,
                      "it says: %r" % errors)
            finally:
                p.kill()
                p.wait()


@test
def monitor_writes():
    """A floppy that the monitor has put in can be written, and what is no floppy is protected."""
    with tempfile.TemporaryDirectory() as d:
        a = floppy(os.path.join(d, "a.img"))
        # not MACHINE: its -snapshot would keep writes away
        with VM(PROGRAM, ACCEL + ["-m", "16", "-fda", a] + ON, monitor=True) as vm:
            other = os.path.join(d, "small")
            with open(other, "wb") as f:
                f.write(b"\1\2\3" * 300)
            for path, want in ((floppy(os.path.join(d, "b.img")), os.O_RDWR), (other, os.O_RDONLY),
                               (a, os.O_RDWR)):
                check(not vm.monitor("change fda " + path).strip(), "change")
                fds = "/proc/%d/fd" % vm.proc.pid
                modes = [open("%sinfo/%s" % (fds, n)).read() for n in os.listdir(fds)
                         if os.readlink("%s/%s" % (fds, n)) == path]
                check(len(modes) == 1 and
                      int(re.search(r"flags:\s+(\d+)", modes[0])[1], 8) & os.O_ACCMODE == want,
                      "%s is open as %s" % (path, modes))


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
def terminal():
    """-nographic on a terminal: the guest, the monitor by Ctrl-A c with a file, the end by Ctrl-A x; the
    terminal is as it was."""
    outer, inner = os.openpty()
    with tempfile.TemporaryDirectory() as d:
        before = termios.tcgetattr(inner)
        p = subprocess.Popen([PROGRAM] + MACHINE + ON + ["-nographic"], stdin=inner, stdout=inner, stderr=inner,
                             start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        try:
            got = b""

            def seen(text, limit=30):
                nonlocal got
                end = time.monotonic() + limit * SLOW
                while text not in got:
                    check(time.monotonic() < end and p.poll() is None, "no %r in %r" % (text, got[-300:]))
                    if select.select([outer], [], [], 0.2)[0]:
                        got += os.read(outer, 4096)
                got = got[got.index(text) + len(text):]

            seen(b"demo> ")
            check(termios.tcgetattr(inner) != before, "the terminal is not raw")
            os.write(outer, b"\x01c")
            seen(b"(callgate) ")
            os.write(outer, b"screendump %s/shot\r" % d.encode())
            seen(b"\n(callgate) ")
            check(os.path.getsize(d + "/shot") > 1000, "no picture")
            os.write(outer, b"\x01c")
            os.write(outer, b"help\r")
            seen(b"demo> ")
            os.write(outer, b"\x01x")
            check(p.wait(30 * SLOW) == 0, "exit status is not 0")
            check(termios.tcgetattr(inner) == before, "the terminal is left changed")
        finally:
            p.kill()
            p.wait()
            os.close(outer)
            os.close(inner)


@test
def perf_map_and_log():
    """Files that were opened before are written to."""
    if platform.machine() != "x86_64":
        return "there is no translator for this host"
    with tempfile.TemporaryDirectory() as d:
        log = os.path.join(d, "log")
        with VM(PROGRAM, ["-accel", "bt,verify=on,perfmap=on,heat=0"] + MACHINE[2:] + ON +
                ["-d", "int", "-D", log]) as vm:
            vm.expect("demo> ")
            vm.send("off\r")
            check(vm.wait() == 0, "exit status is not 0")
            name = "/tmp/perf-%d.map" % vm.proc.pid
        check(os.path.getsize(log) > 1000, "the log is short")
        check(os.path.exists(name) and os.path.getsize(name) > 1000, "no map for perf")
        os.unlink(name)
    return None


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
                          "tcp", "-noreset"], pass_fds=[w], stdin=subprocess.DEVNULL,
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
            # where no library has a cache yet: what it would like to write it must do without
            env = dict(ENV, DISPLAY=":" + display.decode().strip(), SDL_VIDEODRIVER="x11",
                       XDG_CACHE_HOME=os.path.join(d, "cache"))
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
            with open("/proc/%d/maps" % p.pid) as f:
                drivers = set(re.findall(r"\S+_dri\.so|\S+/libLLVM\S+", f.read()))
            check(not drivers, "a graphics driver is loaded: %s" % drivers)
            check(not os.path.exists(env["XDG_CACHE_HOME"]), "a cache was made")
            s = socket.socket(socket.AF_UNIX)
            s.connect(monitor)
            s.sendall(b"system_reset\n")
            until(lambda: booted(2), "no prompt after a reset")
            time.sleep(0.5)  # some pictures
            check(p.poll() is None, "it ended")
            s.sendall(b"quit\n")
            check(p.wait(30 * SLOW) == 0, "exit status %s: %s" % (p.returncode, p.stdout.read()))
            s.close()
            said = p.stdout.read()
            check(not said, "it, or a library, says: %r" % said)
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
    for bad in ("maybe", "on,spawn=allow", "on,colour=red", "on,dirs=", "on,dirs=/does/not/exist",
                "on,dirs=" + ":".join(["/usr"] * 17)):
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
