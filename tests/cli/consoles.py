#!/usr/bin/env python3
"""consoles.py PROGRAM [NAME...]: consoles that nobody reads, that are read late, or whose other side leaves; input
that comes before the guest wants it. Nothing may wait for them but the guest.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import fcntl
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import bootsector  # noqa: E402
from suite import check, run, test  # noqa: E402
from vm import VM, Failure  # noqa: E402

PROGRAM = sys.argv[1]
DEMO = os.path.join(os.path.dirname(os.path.abspath(PROGRAM)), "roms", "demo.img")
SLOW = float(os.environ.get("SLOW", "1"))
COUNT = 3 << 20


def count_image():
    """A guest that looks at THRE, writes the bytes 0, 1, 2 ... 255, 0 ... to COM1, COUNT of them, and leaves."""
    return bootsector.image(
        b"\x66\xb9" + struct.pack("<I", COUNT) + b"\x30\xdb"         # mov ecx, COUNT; xor bl, bl
        b"\xba\xfd\x03\xec\xa8\x20\x74\xfb"                          # mov dx, 3fdh; wait: in al, dx; test al, 20h; jz
        b"\xba\xf8\x03\x88\xd8\xee\xfe\xc3\x66\x49\x75\xec"          # mov dx, 3f8h; mov al, bl; out; inc; dec ecx; jnz
        b"\xba\x01\x05\xb0\x10\xee\xf4")                             # mov dx, 501h; mov al, 16; out; hlt


def file_with(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


class Machine:
    """callgate with a monitor socket, its other consoles as the test wants them."""

    def __init__(self, args, image=None, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, tty=False):
        self.dir = tempfile.TemporaryDirectory(prefix="callgate-consoles-")
        self.mon = os.path.join(self.dir.name, "monitor")
        args = [a.replace("@", self.dir.name + "/") for a in args]
        if image:
            args += ["-fda", file_with(self.dir.name, "floppy", image), "-boot", "a"]
        self.err = open(os.path.join(self.dir.name, "err"), "w+b")
        self.proc = subprocess.Popen([PROGRAM, "-display", "none", "-monitor", "unix:%s,server,nowait" % self.mon]
                                     + args, stdin=stdin, stdout=stdout, stderr=self.err,
                                     start_new_session=tty,
                                     preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if tty else None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.err.close()
        self.dir.cleanup()

    def connect(self, path):
        end = time.monotonic() + 30 * SLOW
        while True:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
                return s
            except OSError:
                s.close()
                check(self.proc.poll() is None, "it ended: %s" % self.said())
                check(time.monotonic() < end, "no socket %s" % path)
                time.sleep(0.02)

    def ask(self, line):
        """The monitor's answer, and how long it took."""
        s = self.connect(self.mon)
        s.settimeout(30 * SLOW)
        begin = time.monotonic()
        try:
            s.sendall(line.encode() + b"\n")
            got = b""
            while got.count(b"(callgate) ") < 2:
                more = s.recv(65536)
                check(more, "the monitor hung up")
                got += more
        except socket.timeout:
            raise Failure("the monitor does not answer")
        finally:
            s.close()
        return got.decode("utf-8", "replace"), time.monotonic() - begin

    def said(self):
        self.err.seek(0)
        return self.err.read().decode("utf-8", "replace")

    def ends(self, limit=20.0):
        try:
            return self.proc.wait(limit * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure("it does not end")

    def until(self, command, pattern, limit=60.0):
        """Ask until the answer matches; returns all times."""
        end = time.monotonic() + limit * SLOW
        times = []
        while True:
            text, took = self.ask(command)
            times.append(took)
            if re.search(pattern, text):
                return times
            check(time.monotonic() < end, "waited for %r in %r" % (pattern, text))
            time.sleep(0.05)


def nobody_reads(args, name, stdout, pattern):
    """The guest writes more than is kept; the monitor answers all the time; SIGTERM ends it."""
    with Machine(args, bootsector.BUSY["flood"], stdout=stdout) as m:
        times = m.until("info chardev", pattern)
        for _ in range(20):
            text, took = m.ask("info status")
            check("running" in text, text)
            times.append(took)
        check(max(times) < 2 * SLOW, "the monitor took %.2f s" % max(times))
        begin = time.monotonic()
        m.proc.send_signal(signal.SIGTERM)
        m.ends()
        print("# %s: the monitor answers in at most %.0f ms, SIGTERM ends it in %.0f ms"
              % (name, 1000 * max(times), 1000 * (time.monotonic() - begin)))
        lines = m.said().splitlines()
        lines = [line for line in lines if "redirected" not in line]
        check(len(lines) == 1 and lines[0].startswith("callgate: "), "not one line: %r" % lines)


@test("unread")
def pipe_that_nobody_reads():
    r, w = os.pipe()
    try:
        nobody_reads(["-serial", "stdio"], "pipe", w, r"stdio: .* [1-9]\d* lost")
        check(not fcntl.fcntl(w, fcntl.F_GETFL) & os.O_NONBLOCK, "the pipe is non-blocking for others now")
    finally:
        os.close(r)
        os.close(w)


@test("unread")
def terminal_that_is_stopped():
    master, slave = pty.openpty()
    try:
        nobody_reads(["-serial", "stdio"], "terminal", slave, r"stdio: .* [1-9]\d* lost")
        check(not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK, "the terminal is non-blocking for others now")
    finally:
        os.close(master)
        os.close(slave)


@test("unread")
def socket_as_standard_output():
    a, b = socket.socketpair()
    with a, b:
        nobody_reads(["-serial", "stdio"], "socket", b.fileno(), r"stdio: .* [1-9]\d* lost")


@test("unread")
def pty_that_nobody_opens():
    nobody_reads(["-serial", "pty"], "pty", subprocess.DEVNULL, r"pty:.* [1-9]\d* lost")


@test("unread")
def fifo_that_nobody_reads():
    with tempfile.TemporaryDirectory() as d:
        os.mkfifo(d + "/fifo")
        r = os.open(d + "/fifo", os.O_RDONLY | os.O_NONBLOCK)
        nobody_reads(["-serial", "file:%s/fifo" % d], "FIFO", subprocess.DEVNULL, r"fifo: .* [1-9]\d* lost")
        os.close(r)


@test("unread")
def client_that_does_not_read():
    with Machine(["-serial", "unix:@serial,server"], bootsector.BUSY["flood"]) as m:
        client = m.connect(os.path.join(m.dir.name, "serial"))
        times = m.until("info chardev", r"serial.* [1-9]\d* lost")
        check(max(times) < 2 * SLOW, "the monitor took %.2f s" % max(times))
        client.close()
        m.proc.send_signal(signal.SIGTERM)
        m.ends()


@test("unread")
def full_disk():
    nobody_reads(["-serial", "file:/dev/full"], "full disk", subprocess.DEVNULL, "writing failed")


@test("unread")
def debug_console_that_nobody_reads():
    # mov al, 55h; out e9h, al; jmp
    r, w = os.pipe()
    try:
        with Machine(["-debugcon", "stdio"], bootsector.image(b"\xb0\x55\xe6\xe9\xeb\xfc"), stdout=w) as m:
            times = m.until("info chardev", r"stdio: .* [1-9]\d* lost")
            check(max(times) < 2 * SLOW, "the monitor took %.2f s" % max(times))
    finally:
        os.close(r)
        os.close(w)


@test("flow")
def late_reader_gets_all_in_order():
    r, w = os.pipe()
    with Machine(["-serial", "stdio", "-device", "isa-debug-exit"], count_image(), stdout=w) as m:
        os.close(w)
        m.until("info chardev", r"stdio: .* [67]\d{5} wait")  # held back at three quarters of 1 MiB
        check("0 lost" in m.ask("info chardev")[0], "bytes were lost while the transmitter was held")
        got = b""
        while len(got) < COUNT + 1:
            more = os.read(r, 65536)
            if not more:
                break
            got += more
        os.close(r)
        check(m.ends() == 33, "exit status")
    whole = bytes(range(256)) * (COUNT // 256)
    check(len(got) == COUNT, "%d bytes of %d" % (len(got), COUNT))
    check(got == whole, "not the bytes that the guest wrote")


@test("flow")
def first_client_gets_what_was_before():
    with Machine(["-serial", "unix:@serial,server,nowait", "-fda", DEMO, "-snapshot"]) as m:
        m.until("screen", "demo>")
        with m.connect(os.path.join(m.dir.name, "serial")) as s:
            s.settimeout(20 * SLOW)
            got = b""
            while b"demo>" not in got:
                more = s.recv(65536)
                check(more, "it hung up: %r" % got)
                got += more
            check(b"protected mode" in got, "the beginning is lost: %r" % got)


@test("flow")
def newest_is_kept_for_the_first_client():
    # mov si, 1234h; hlt, instead of the end
    image = count_image().replace(b"\xba\x01\x05\xb0\x10\xee\xf4", b"\xbe\x34\x12\xf4\xeb\xfd\x90")
    with Machine(["-serial", "unix:@serial,server,nowait", "-S"], image) as m:
        m.ask("cont")
        m.until("info registers", r"(?i)esi[ =]....1234")
        with m.connect(os.path.join(m.dir.name, "serial")) as s:
            s.settimeout(5 * SLOW)
            got = b""
            while len(got) < 65536:
                got += s.recv(65536)
        check(got == bytes(range(256)) * 256, "not the last 64 KiB: %d bytes, %r..." % (len(got), got[:16]))


@test("input")
def piped_commands_run_and_end_it():
    p = subprocess.run([PROGRAM, "-fda", DEMO, "-snapshot", "-nographic"], input=b"help\n poweroff\n",
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60 * SLOW)
    out = p.stdout.decode("utf-8", "replace")
    check(p.returncode == 0, "status %d: %s" % (p.returncode, out))
    check("this list" in out, "help did not run: %r" % out)


@test("input")
def polling_guest_gets_all():
    """A guest that looks at the line status, and sets its FIFO up anew in between, as boot loader and kernel do."""
    fifo = b"\xba\xfa\x03\xb0\x00\xee\xb0\x07\xee"  # mov dx, 3fah; FIFO off; on and empty
    three = (b"\xb9\x03\x00"                         # mov cx, 3; again:
             b"\xba\xfd\x03\xec\xa8\x01\x74\xfb"     # mov dx, 3fdh; wait: in al, dx; test al, 1; jz wait
             b"\xba\xf8\x03\xec\xee\xe2\xf1")         # mov dx, 3f8h; in al, dx; out dx, al; loop again
    image = bootsector.image((fifo + three) * 3 + b"\xba\x01\x05\xb0\x10\xee\xf4")
    r, w = os.pipe()
    os.write(w, b"abcdefghi")
    os.close(w)
    out_r, out_w = os.pipe()
    with Machine(["-serial", "stdio", "-device", "isa-debug-exit"], image, stdin=r, stdout=out_w) as m:
        check(m.ends() == 33, "status")
    os.close(r)
    os.close(out_w)
    got = os.read(out_r, 100)
    os.close(out_r)
    check(got == b"abcdefghi", "it got %r" % got)


@test("input")
def end_of_input_is_not_the_end():
    with Machine(["-serial", "stdio", "-fda", DEMO, "-snapshot"]) as m:
        m.until("screen", "demo>")
        time.sleep(0.5)
        ticks = os.sysconf("SC_CLK_TCK")

        def cpu():
            with open("/proc/%d/stat" % m.proc.pid) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / ticks
        begin = cpu()
        time.sleep(2)
        used = cpu() - begin
        check(m.proc.poll() is None, "it ended")
        check(used < 1, "it used %.2f s of 2" % used)


@test("input")
def client_that_leaves_has_typed():
    with Machine(["-serial", "unix:@serial,server,nowait", "-fda", DEMO, "-snapshot", "-S"]) as m:
        with m.connect(os.path.join(m.dir.name, "serial")) as s:
            s.sendall(b"poweroff\n")
        time.sleep(0.2)
        m.ask("cont")
        check(m.ends(60) == 0, "status")


@test("input")
def monitor_client_that_leaves_is_obeyed():
    for _ in range(20):
        with Machine(["-S"]) as m:
            with m.connect(m.mon) as s:
                s.sendall(b"quit\n")
            check(m.ends() == 0, "status")


@test("input")
def terminal_full_of_input_still_leaves():
    master, slave = pty.openpty()
    with Machine(["-serial", "mon:stdio"], bootsector.BUSY["spin"], stdin=slave, stdout=slave, tty=True) as m:
        m.until("info chardev", "stdio: open")
        time.sleep(0.3)
        for _ in range(20):
            os.write(master, b"x" * 500)
            time.sleep(0.02)
        os.write(master, b"\x01x")
        check(m.ends() == 0, "status")
    os.close(slave)
    os.close(master)


sys.exit(run())
