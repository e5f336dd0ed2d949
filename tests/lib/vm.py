"""vm.py - run callgate under test: its serial port, its monitor, its exit status.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time


class Failure(Exception):
    """The guest did not do what the test waits for."""


class VM:
    """One running callgate. The serial port is its stdout; the monitor a socket."""

    def __init__(self, program, args, serial=True, monitor=False, limit=120.0):
        self.dir = tempfile.TemporaryDirectory(prefix="callgate-test-")
        self.sock = os.path.join(self.dir.name, "monitor")
        command = [program] + list(args)
        if serial:
            command += ["-serial", "stdio"]
        if monitor:
            command += ["-monitor", "unix:%s,server,nowait" % self.sock]
        command += ["-display", "none"]
        self.command = command
        self.deadline = time.monotonic() + limit
        self.out = ""
        self.seen = 0
        self.stdin_r, self.stdin_w = os.pipe()
        self.proc = subprocess.Popen(command, stdin=self.stdin_r, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        os.close(self.stdin_r)
        self.mon = None
        if monitor:
            self._connect()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()

    def _connect(self):
        while True:
            try:
                self.mon = socket.socket(socket.AF_UNIX)
                self.mon.connect(self.sock)
                break
            except OSError:
                self.mon.close()
                if self.proc.poll() is not None or time.monotonic() > self.deadline:
                    self.pump(0)
                    raise Failure("no monitor; output: %s" % self.out[-500:])
                time.sleep(0.02)
        self._answer()

    def _answer(self):
        """Read the monitor up to its prompt."""
        text = ""
        while not text.endswith("(callgate) "):
            ready, _, _ = select.select([self.mon], [], [], max(0, self.deadline - time.monotonic()))
            if not ready:
                raise Failure("the monitor does not answer")
            got = self.mon.recv(65536)
            if not got:
                break
            text += got.decode("utf-8", "replace")
        return text

    def monitor(self, line):
        """Run a monitor command and return its answer."""
        self.mon.sendall(line.encode() + b"\n")
        text = self._answer().replace("\r", "")
        return "\n".join(text.split("\n")[1:-1])

    def last(self):
        """The end of what it said; of a report of its own, the beginning."""
        m = re.search(r"^(lockstep: .* differ|callgate: (BUG|signal|translation of) )", self.out, re.M)
        return self.out[m.start():m.start() + 6000] if m else self.out[-800:]

    def pump(self, wait):
        """Take what the serial port has said."""
        fd = self.proc.stdout.fileno()
        ready, _, _ = select.select([fd], [], [], wait)
        if ready:
            got = os.read(fd, 65536)
            if not got:
                return False
            self.out += got.decode("utf-8", "replace")
        return True

    def expect(self, pattern, limit=None):
        """Wait for a regular expression on the serial port, after what was matched before."""
        end = self.deadline if limit is None else min(self.deadline, time.monotonic() + limit)
        while True:
            m = re.compile(pattern, re.M).search(self.out, self.seen)
            if m:
                self.seen = m.end()
                return m
            if time.monotonic() > end:
                raise Failure("waited for %r; last output:\n%s" % (pattern, self.last()))
            if not self.pump(0.2):
                raise Failure("ended (status %s) while waiting for %r; last output:\n%s"
                              % (self.proc.wait(), pattern, self.last()))

    def expect_screen(self, pattern, limit=60.0, every=0.3):
        """Wait for a regular expression on the text screen."""
        end = min(self.deadline, time.monotonic() + limit)
        while True:
            screen = self.monitor("screen")
            m = re.search(pattern, screen)
            if m:
                return m
            if time.monotonic() > end:
                raise Failure("waited for %r on the screen, which shows:\n%s" % (pattern, screen))
            time.sleep(every)
            self.pump(0)

    def send(self, text):
        """Type on the serial port."""
        os.write(self.stdin_w, text.encode())

    def wait(self, limit=30.0):
        """Wait for the end; returns the exit status."""
        end = min(self.deadline, time.monotonic() + limit)
        while self.proc.poll() is None:
            if time.monotonic() > end:
                raise Failure("does not end; last output:\n%s" % self.last())
            self.pump(0.1)
        while self.pump(0):
            pass
        return self.proc.returncode

    def kill(self):
        """Stop it, whatever it does."""
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.proc.stdout.close()
        if self.stdin_w >= 0:
            os.close(self.stdin_w)
            self.stdin_w = -1
        if self.mon:
            self.mon.close()
        self.dir.cleanup()
