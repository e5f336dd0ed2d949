#!/usr/bin/env python3
"""fuzz.py DIR [-n RUNS] [-s SEED] [-k TARGET]: runs the fuzzers of DIR (make fuzz) on corpora that it makes here. The
devices, much slower than the others, get a tenth of the runs. An input that breaks something is
left in DIR/TARGET.crash-...; the fuzzer runs it again when it is named on its command line.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import argparse
import glob
import os
import random
import struct
import subprocess
import sys
import tempfile

SLOW = float(os.environ.get("SLOW", "1"))


def elf(segments, entry, header_at=0x1000):
    """A Multiboot ELF."""
    head = b"\x7fELF\1\1\1" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, len(segments), 40, 0, 0)
    for vaddr, paddr, filesz, memsz in segments:
        head += struct.pack("<IIIIIIII", 1, header_at, vaddr, paddr, filesz, memsz, 7, 4096)
    return head.ljust(header_at, b"\0") + struct.pack("<III", 0x1badb002, 0, -0x1badb002 & 0xffffffff).ljust(64, b"\x90")


def kernels():
    """(settings, command line, file)"""
    flags = 0x10003
    check = -(0x1badb002 + flags) & 0xffffffff
    kludge = struct.pack("<IIIIIIII", 0x1badb002, flags, check, 0x100000, 0x100000, 0, 0x101000, 0x100020) + bytes(200)
    linux = bytearray(0x1400)
    linux[0x1f1] = 4
    linux[0x1fe:0x206] = b"\x55\xaa\xeb\x66HdrS"
    struct.pack_into("<H", linux, 0x206, 0x20c)
    linux[0x211] = 1
    struct.pack_into("<I", linux, 0x22c, 0x7fffffff)
    struct.pack_into("<I", linux, 0x238, 255)
    old = bytearray(linux)
    struct.pack_into("<H", old, 0x206, 0x200)
    old[0x211] = 0
    for settings in (2, 0x0e):
        yield settings, b"", elf([(0xc0100000, 0x100000, 64, 4096)], 0xc010000c)
        yield settings, b"quiet", elf([(0x100000, 0x100000, 32, 64), (0x110000, 0x110000, 16, 0x10000)], 0x10000c)
        yield settings, b"a b", kludge
        yield settings, b"console=ttyS0 vga=ask", bytes(linux)
        yield settings, b"vga=normal", bytes(old)


OPTIONS = """-m 64M|-accel bt,cache=64,verify=on|-cpu help|-machine pc,accel=bt|-rtc base=2006-06-17T16:01:21|-rtc base=localtime
-icount shift=3,align=off|-icount auto|-boot order=dca,once=d,menu=on|-drive file=a,,b,if=floppy,index=1,snapshot=on,readonly=on
-drive file=x,media=cdrom,format=raw|-fda a|-hda b|-hdb c|-cdrom d|-device isa-debug-exit,iobase=0xf4,iosize=4|-serial mon:stdio|-serial null
-display none|-vga std|-nic none|-smp 1|-sandbox on,dirs=/tmp:/var|-d int,guest_errors|-d help|-accel lockstep,first=interp,slice=7,ram=3
-plugin help|-plugin x.so,a=b|-kernel k|-initrd i|-append quiet|-snapshot|-nographic|-S|-no-reboot|-version|--help|image.img
bt:cache=64,memory=512,heat=0,chain=off,direct=force|bt:verify=on,icount=on|bt:|-m 4G|-m 128K|-smp cpus=1|-name "x"|-L dir""".replace("\n", "|")


def corpus(target):
    """Inputs to begin with."""
    if target == "kernel":
        for settings, line, file in kernels():
            yield bytes([settings, len(line)]) + line + file
    elif target == "state":
        rng = random.Random(1)
        for n in range(40):
            yield bytes(rng.randrange(256) for _ in range(1 + 4 * rng.randrange(1, 9)))
        yield b"\1" + b"\x03cpu\x03x86" + bytes(5) + b"\x20" + bytes(40)
    elif target == "options":
        words = OPTIONS.split("|")
        for w in words:
            yield w.replace(" ", "\n").encode()
        rng = random.Random(1)
        for _ in range(20):
            yield "\n".join(w.replace(" ", "\n") for w in rng.sample(words[:30], 3)).encode()
    else:
        rng = random.Random(1)
        for n in range(40):
            yield bytes([7 + 8 * (n % 8 == 0) + 16 * (n % 3 == 0)]) + bytes(rng.choice([rng.randrange(256), rng.randrange(32), 0]) for _ in range(rng.randrange(1200)))


def run(directory, target, runs, seed):
    if target == "devices":
        runs = max(1, runs // 10)
    with tempfile.TemporaryDirectory(prefix="callgate-test-") as d:
        for n, data in enumerate(corpus(target)):
            with open(os.path.join(d, "seed%d" % n), "wb") as f:
                f.write(data)
        command = [os.path.join(directory, target), "-runs=%d" % runs, "-seed=%d" % seed, "-timeout=%d" % (20 * SLOW),
                   "-rss_limit_mb=2048", "-max_len=8192", "-artifact_prefix=%s." % os.path.join(directory, target), "-verbosity=0",
                   "-print_final_stats=1", d]
        try:
            p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        except OSError as e:
            return "%s: %s; 'make fuzz' needs clang and its libFuzzer: ./bootstrap deps" % (target, e)
    if p.returncode:
        return p.stdout[:6000]
    stats = [l for l in p.stdout.splitlines() if "number_of_executed_units" in l]
    if not stats or int(stats[0].split()[-1]) < min(runs, 10):
        return "did not run: " + p.stdout[-1000:]
    return None


def main():
    a = argparse.ArgumentParser()
    a.add_argument("directory")
    a.add_argument("-n", type=int, default=100000)
    a.add_argument("-s", type=int, default=1)
    a.add_argument("-k", default="")
    o = a.parse_args()
    bad = 0
    for target in ("options", "kernel", "state", "devices"):
        if o.k not in target:
            continue
        wrong = run(o.directory, target, o.n, o.s)
        if wrong:
            bad += 1
            print("FAIL - fuzz %s: %s" % (target, wrong.strip()), flush=True)
            for f in glob.glob(os.path.join(o.directory, target + ".*-*")):
                print("   input: " + f)
        else:
            print("ok - fuzz %s" % target, flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
