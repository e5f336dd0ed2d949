#!/usr/bin/env python3
"""multiboot.py PROGRAM [NAME...]: tiny Multiboot kernels, made here, that say what they were given:
images that lie where the boot information usually is, and video modes.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from suite import check, run, test  # noqa: E402

PROGRAM = sys.argv[1]
ACCEL = os.environ.get("ACCEL", "bt,verify=on")
SLOW = float(os.environ.get("SLOW", "1"))

# Writes to port E9h: EAX, EBX, 128 bytes of boot information, the memory map, so much of the section .low
# as is asked for, 16 bytes of VBE information, 16 of the module list, the first module.
KERNEL = """
        .text
        .balign 4
        .long 0x1badb002, {flags}, -(0x1badb002 + {flags})
        .long 0, 0, 0, 0, 0
        .long {video}
        .globl _start
_start: cld
        movl $stack, %esp
        movl %eax, saved
        movl %ebx, saved + 4
        movl $saved, %esi
        movl $8, %ecx
        call say
        movl %ebx, %esi
        movl $128, %ecx
        call say
        movl 48(%ebx), %esi
        movl 44(%ebx), %ecx
        call say
        movl $low, %esi
        movl ${show}, %ecx
        call say
        movl 72(%ebx), %esi
        movl $16, %ecx
        call say
        movl 24(%ebx), %esi
        movl $16, %ecx
        call say
        movl 24(%ebx), %edi
        cmpl $0, 20(%ebx)
        je 1f
        movl (%edi), %esi
        movl 4(%edi), %ecx
        subl %esi, %ecx
        call say
1:      movw $0x501, %dx
        movb $0x10, %al
        outb %al, %dx
2:      hlt
        jmp 2b
say:    movw $0xe9, %dx
        rep outsb
        ret
        .balign 4
saved:  .long 0, 0
        .skip 64
stack:
        {more}
        .section .low, "aw", @{kind}
low:    {data}
"""


def build(folder, flags=3, video="1, 80, 25, 0", text=0x100000, low=0x200000, data=".long 0", kind="progbits",
          show=0, more=""):
    """An ELF kernel with code at `text` and another segment at `low`."""
    source = os.path.join(folder, "kernel.S")
    kernel = os.path.join(folder, "kernel")
    with open(source, "w") as f:
        f.write(KERNEL.format(flags=flags, video=video, data=data, kind=kind, show=show, more=more))
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie",
                    "-Wl,--build-id=none,-N,-z,noexecstack,--no-warn-rwx-segments",
                    "-Wl,-Ttext=%#x,--section-start=.low=%#x" % (text, low), "-o", kernel, source], check=True)
    return kernel


def start(folder, kernel, *args):
    out = os.path.join(folder, "out")
    open(out, "w").close()
    return subprocess.run([PROGRAM, "-accel", ACCEL, "-m", "32", "-kernel", kernel, "-display", "none", "-device",
                           "isa-debug-exit", "-debugcon", "file:" + out, *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60 * SLOW), out


class Said:
    """What the kernel has said."""

    def __init__(self, data, show):
        self.eax, self.ebx = struct.unpack_from("<II", data)
        self.info = data[8:136]
        self.flags, self.lower, self.upper = self.words(0, 3)
        length, self.map_addr = self.words(44, 2)
        self.map = [struct.unpack_from("<IQQI", data, 136 + n) for n in range(0, length, 24)]
        self.low = data[136 + length:136 + length + show]
        self.vbe = data[136 + length + show:][:16]
        self.module_start, self.module_end = struct.unpack_from("<II", data, 136 + length + show + 16)
        self.module = data[136 + length + show + 32:]

    def words(self, at, count):
        return struct.unpack_from("<%dI" % count, self.info, at)


def boot(*args, **kw):
    """Build a kernel, run it, and check what every one must be told."""
    with tempfile.TemporaryDirectory() as d:
        p, out = start(d, build(d, **kw), *args)
        check(p.returncode == 0x21, "status %d: %s" % (p.returncode, p.stdout[-500:]))
        with open(out, "rb") as f:
            said = Said(f.read(), kw.get("show", 0))
    check(said.eax == 0x2badb002, "EAX is %x" % said.eax)
    check(said.flags & 0x24f == 0x24f, "flags %x" % said.flags)
    check(600 < said.lower <= 640 and 28 << 10 < said.upper < 32 << 10,
          "memory %d, %d" % (said.lower, said.upper))
    check(len(said.map) > 3 and all(e[0] == 20 for e in said.map), "memory map %s" % said.map)
    check(any(e[1] == 0 and e[3] == 1 for e in said.map), "memory map %s" % said.map)
    return said


def apart(said, start_, end):
    """The boot information and the map are not inside of the kernel's [start, end)."""
    for at, length in ((said.ebx, 0x500), (said.map_addr, len(said.map) * 24)):
        check(at + length <= start_ or at >= end, "the information at %x is in %x-%x" % (at, start_, end))
        check(0x600 <= at and at + length <= 0x9f000, "the information is at %x" % at)


@test("place")
def segment_at_9000h():
    said = boot(low=0x9000, data=".fill 4096, 1, 0x5a", show=4096)
    check(said.low == b"\x5a" * 4096, "the segment at 9000h is not what it was: %s" % said.low[:64])
    apart(said, 0x9000, 0xa000)


@test("place")
def code_over_9000h():
    apart(boot(text=0x8000, more=".fill 20000"), 0x8000, 0x8000 + 20000)


@test("place")
def most_of_low_memory():
    said = boot(low=0x8000, data=".skip 0x90000", kind="nobits", show=0x90000)
    check(not any(said.low), "the BSS is not zero")
    apart(said, 0x8000, 0x98000)
    said = boot(low=0x1000, data=".skip 0x8f000", kind="nobits", show=0x8f000)
    check(not any(said.low), "the BSS is not zero")
    apart(said, 0x1000, 0x90000)


@test("place")
def all_of_low_memory():
    with tempfile.TemporaryDirectory() as d:
        p, _ = start(d, build(d, low=0x2000, data=".skip 0x9c000", kind="nobits"))
        lines = p.stdout.splitlines()
        check(p.returncode == 1 and len(lines) == 1 and "boot information" in lines[0],
              "status %d: %s" % (p.returncode, p.stdout))


@test("place")
def over_the_bios_data():
    """Loaded when the BIOS has been asked all."""
    said = boot(low=0, data=".fill 0x1000, 1, 0xa7", show=0x1000)
    check(said.low == b"\xa7" * 0x1000, "the segment at 0 is not what it was")


@test("place")
def far_apart():
    """What lies between two segments is not the kernel's: it may hold the information."""
    said = boot(low=0x2000, data=".fill 64, 1, 0x11", show=64)
    check(said.low == b"\x11" * 64, "the low segment is not what it was")
    check(said.ebx == 0x9000, "the information is at %x" % said.ebx)


@test("place")
def modules():
    """On pages of their own, and of a kernel that lies low above 1 MiB."""
    content = bytes(range(256)) * 3000
    for text in (0x10000, 0x9d000, 0x100010):
        with tempfile.TemporaryDirectory() as d:
            name = os.path.join(d, "module")
            with open(name, "wb") as f:
                f.write(content)
            said = boot("-initrd", name + " some words", text=text)
        check(said.words(20, 1)[0] == 1, "%d modules" % said.words(20, 1)[0])
        check(said.module_start >= 0x100000 and not said.module_start & 0xfff and
              said.module_end == said.module_start + len(content), "it is at %x" % said.module_start)
        check(said.module == content, "the module is not what it was")


@test("video")
def text_screen():
    said = boot(flags=7)
    check(said.flags & 0x1800 == 0x1800, "flags %x" % said.flags)
    check(said.vbe[:4] == b"VESA", "VBE information %s" % said.vbe)
    check(said.words(88, 5) == (0xb8000, 0, 160, 80, 25) and said.info[108:110] == b"\x10\x02",
          "screen: %s" % said.info[88:116])


def graphics(video, want, *args):
    """Ask for `video`; `want` are width, height, and the possible depths."""
    said = boot(*args, flags=7, video=video)
    check(said.flags & 0x1800 == 0x1800, "flags %x" % said.flags)
    addr, high, pitch, width, height = said.words(88, 5)
    depth, kind = said.info[108], said.info[109]
    check((width, height) == want[:2] and depth in want[2] and kind == 1,
          "%d x %d x %d, kind %d" % (width, height, depth, kind))
    check(addr >= 0xe0000000 and not high and pitch >= width * ((depth + 7) // 8),
          "frame buffer at %x, %d a line" % (addr, pitch))
    colours = said.info[110:116]
    if depth == 32:
        check(colours == bytes((16, 8, 8, 8, 0, 8)), "colours at %s" % list(colours))


@test("video")
def graphics_modes():
    graphics("0, 800, 600, 32", (800, 600, (32,)))
    graphics("0, 640, 480, 16", (640, 480, (16,)))
    graphics("0, 0, 0, 0", (1024, 768, (32,)))
    graphics("0, 800, 600, 17", (800, 600, (15, 16, 24, 32)))


@test("video")
def what_cannot_be_given():
    """A size there is not, or no graphics card: the kernel starts all the same."""
    said = boot(flags=7, video="0, 1234, 77, 32")
    check(said.flags & 0x1000 and said.info[109] == 2, "screen: %s" % said.info[88:116])
    said = boot("-vga", "none", flags=7, video="0, 800, 600, 32")
    check(not said.flags & 0x1800, "flags %x" % said.flags)


sys.exit(run("multiboot: "))
