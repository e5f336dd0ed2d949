#!/usr/bin/env python3
"""lockstep.py PROGRAM [GROUP...]: guests under -accel lockstep: no difference between the engines; and an
error made on purpose is found, at the right instruction. Groups: fast, linux. FIRST chooses the first
engine (default: the program's own choice). Guests come from GUESTS, as for boot.py.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
from suite import GUESTS, check, run, test  # noqa: E402
from vm import VM, Failure  # noqa: E402

PROGRAM = sys.argv[1]
ROMS = os.path.join(os.path.dirname(os.path.realpath(PROGRAM)), "roms")
DEMO = os.path.join(ROMS, "demo.img")
TESTROM = os.path.join(ROMS, "testrom.elf")
ACCEL = "lockstep" + (",first=" + os.environ["FIRST"] if os.environ.get("FIRST") else "")
SLOW = float(os.environ.get("SLOW", "1"))
DIFFERENCE = 3  # exit status


def start(args, options="", **kw):
    kw["limit"] = kw.get("limit", 120) * SLOW
    return VM(PROGRAM, ["-accel", ACCEL + options] + args, **kw)


# mov eax, 1; xor ebx, ebx; then for ever: add ebx, eax; inc ecx; jmp. With the reset vector at its end.
LOOP = bytes.fromhex("66b801000000 6631db 6601c3 6641 ebf9")


def firmware(path):
    """A firmware that is a loop of 3 instructions. Before it comes a jump and two instructions."""
    rom = bytearray(b"\x90" * 65536)
    rom[:len(LOOP)] = LOOP
    rom[0xfff0:0xfff3] = b"\xe9\x0d\x00"  # jmp f000:0000
    with open(path, "wb") as f:
        f.write(rom)


def find_error(n, options):
    """Flip a bit of EAX after n instructions; the report must say so."""
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "loop.bin")
        firmware(path)
        p = subprocess.run([PROGRAM, "-accel", "%s,corrupt=%d%s" % (ACCEL, n, options), "-m", "16",
                            "-bios", path, "-vga", "none", "-display", "none", "-monitor", "none"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=60 * SLOW)
    out = p.stderr
    check(p.returncode == DIFFERENCE, "status %d: %s" % (p.returncode, out[:500]))
    check(re.match(r"lockstep: \w+ and \w+ differ after instruction %d\n" % n, out), out[:300])
    check(re.search(r"^  EAX: \w+ 00010001, \w+ 00000001$", out, re.M), out[:3000])
    # the last one of the list is the culprit: the loop has these at n = 4, 5, 6 and so on
    mnemonic = ("add ebx, eax", "inc ecx", "jmp")[(n - 4) % 3]
    listed = re.findall(r"^  (\d+)  \w+:\w+  (?:[0-9a-f]{2} )+ *(.*)$", out, re.M)
    check(listed and int(listed[-1][0]) == n and listed[-1][1].startswith(mnemonic),
          "instruction %d is %s: %s" % (n, mnemonic, listed[-3:]))
    check(out.count("EIP=") >= 3, "the states are not printed")


@test("fast")
def finds_an_error():
    find_error(123456, "")


@test("fast")
def finds_an_error_in_the_first_slice():
    find_error(5, "")


@test("fast")
def finds_an_error_in_short_slices():
    find_error(100001, ",slice=7,ram=3")


@test("fast")
def finds_an_error_in_long_slices():
    find_error(1234567, ",slice=50000")


@test("fast")
def finds_an_error_at_the_end_of_a_slice():
    find_error(20000, ",slice=1000")


@test("fast")
def refuses_bad_options():
    for bad in ("first=warp", "first=lockstep", "slice=0", "ram=x", "speed=9"):
        p = subprocess.run([PROGRAM, "-accel", "lockstep," + bad, "-display", "none"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True, timeout=60 * SLOW)
        lines = p.stderr.splitlines()
        check(p.returncode == 1 and len(lines) == 1 and bad.split("=")[0] in lines[0],
              "%s: status %d, %r" % (bad, p.returncode, p.stderr))


@test("fast", DEMO)
def demo_floppy():
    with start(["-m", "16", "-snapshot", "-fda", DEMO], ",ram=300", monitor=True) as vm:
        vm.expect("demo> ")
        for kind in ("divide", "page", "kernel", "opcode", "privilege", "segment"):
            vm.send("fault %s\r" % kind)
            vm.expect("exception ")
            vm.expect("demo> ")
        vm.monitor("type help")
        vm.monitor("sendkey ret")
        vm.expect("power off")
        counters = vm.monitor("info jit")
        check(int(re.search(r"slices compared +(\d+)", counters)[1]) > 600, counters) # twice ram=, at least
        check(int(re.search(r"times all RAM compared +(\d+)", counters)[1]) > 1, counters)
        # over a reset, a pause and an NMI
        vm.monitor("stop")
        vm.monitor("cont")
        vm.monitor("nmi")
        vm.monitor("system_reset")
        vm.expect("Callgate demo: protected mode")
        vm.expect("demo> ")
        vm.send("off\r")
        check(vm.wait() == 0, "exit status after power-off is not 0")


@test("fast", TESTROM)
def testrom():
    args = ["-m", "32", "-kernel", TESTROM, "-debugcon", "stdio", "-device", "isa-debug-exit",
            "-monitor", "none", "-no-reboot"]
    for options in ("", ",slice=50,ram=100"):
        with start(args, options, serial=False) as vm:
            status = vm.wait(100 * SLOW)
            check(status == 1 and re.search(r"^done: \d+ passed, 0 failed", vm.out, re.M),
                  "%s: status %s, last output:\n%s" % (options, status, vm.out[-3000:]))


@test("linux", os.path.join(GUESTS, "vmlinuz-686"), os.path.join(GUESTS, "initrd.gz"))
def linux_686():
    with start(["-m", "128", "-kernel", os.path.join(GUESTS, "vmlinuz-686"), "-initrd",
                os.path.join(GUESTS, "initrd.gz"), "-append",
                "console=ttyS0 panic=-1 quiet cmd=uname:-a;cat:/proc/interrupts;sleep:2",
                "-no-reboot"], limit=600) as vm:
        vm.expect("INIT: ready")
        vm.expect("Linux .* i686")
        vm.expect(r"LOC:\s+\d+ ")
        check(vm.wait(60 * SLOW) == 0, "exit status is not 0:\n" + vm.out[-3000:])


sys.exit(run("lockstep: "))
