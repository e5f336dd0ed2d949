#!/usr/bin/env python3
"""seeds.py [DIR]: makes the inputs that the fuzzers begin with, in DIR (tests/fuzz/corpus), a folder for each fuzzer.
They are few and small; what a run finds is not added to them.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import os
import random
import shutil
import struct
import sys


def le(fmt, *values):
    return struct.pack("<" + fmt, *values)


def elf(segments, entry):
    """A Multiboot ELF whose segments are all one piece of the file, which begins with the header."""
    at = 52 + 32 * len(segments)
    head = b"\x7fELF\1\1\1" + bytes(9)
    head += le("HHIIIIIHHHHHH", 2, 3, 1, entry, 52, 0, 0, 52, 32, len(segments), 40, 0, 0)
    for vaddr, paddr, filesz, memsz in segments:
        head += le("IIIIIIII", 1, at, vaddr, paddr, filesz, memsz, 7, 4096)
    return head + le("III", 0x1badb002, 0, -0x1badb002 & 0xffffffff).ljust(64, b"\x90")


def bzimage(version, loaded_high):
    """A Linux kernel of one sector of set-up code."""
    k = bytearray(0x480)
    k[0x1f1] = 1
    k[0x1fe:0x206] = b"\x55\xaa\xeb\x66HdrS"
    struct.pack_into("<H", k, 0x206, version)
    k[0x211] = loaded_high
    struct.pack_into("<I", k, 0x22c, 0x7fffffff)
    struct.pack_into("<I", k, 0x238, 255)
    return bytes(k)


def kernels():
    def with_texts(settings, line, file, modules=None):
        texts = bytes([len(line)]) + line + (bytes([len(modules)]) + modules if modules is not None else b"")
        return bytes([settings]) + texts + file
    flags = 0x10003
    kludge = le("III", 0x1badb002, flags, -(0x1badb002 + flags) & 0xffffffff)
    kludge += le("IIIII", 0x100000, 0x100000, 0, 0x101000, 0x100020) + bytes(60)
    yield with_texts(2, b"", elf([(0xc0100000, 0x100000, 64, 4096)], 0xc010000c))
    yield with_texts(0x0a, b"quiet", elf([(0x100000, 0x100000, 32, 64), (0x110000, 0x110000, 16, 0x10000)], 0x10000c),
                     b"@ one argument,@,@ two")
    yield with_texts(2, b"a b", kludge)
    yield with_texts(6, b"console=ttyS0 vga=ask", bzimage(0x20c, 1))
    yield with_texts(2, b"vga=normal mem=16M", bzimage(0x200, 0))


OPTIONS = """-m 64M|-accel bt,cache=64,verify=on|-cpu help|-machine pc,accel=bt|-icount auto
-rtc base=2006-06-17T16:01:21|-rtc base=localtime|-icount shift=3,align=off|-boot order=dca,once=d,menu=on
-drive file=x,media=cdrom,format=raw|-drive file=a,,b,if=floppy,index=1,snapshot=on,readonly=on
-fda a|-hda b|-hdb c|-cdrom d|-serial mon:stdio|-serial null
-device isa-debug-exit,iobase=0xf4,iosize=4|-display none|-vga std|-nic none|-smp 1|-sandbox on,dirs=/tmp:/var
-d int,guest_errors|-d help|-accel lockstep,first=interp,slice=7,ram=3|-plugin help|-plugin x.so,a=b|-kernel k
-initrd i|-append quiet|-snapshot|-nographic|-S|-no-reboot|-version|--help|image.img|-m 4G|-m 128K|-name "x"|-L dir
bt:cache=64,memory=512,heat=0,chain=off,direct=force|bt:verify=on,icount=on|bt:|-smp cpus=1""".replace("\n", "|")


def options():
    words = OPTIONS.split("|")
    for n in range(0, len(words), 5):  # most of them fit together
        yield "\n".join(w.replace(" ", "\n") for w in words[n:n + 5]).encode()
    for w in words:
        if w.startswith("bt:"):
            yield w.encode()


def devices():
    rng = random.Random(1)
    for n in range(6):
        settings = 15 + 16 * (n == 0)
        yield bytes([settings]) + bytes(rng.choice([rng.randrange(256), rng.randrange(32), 0]) for _ in range(300))


def ide():
    def command(cmd, device, *registers):  # feature, count, low, mid, high; twice if bit 7 is set
        return bytes([0, cmd, device]) + bytes(v for r in registers for v in ((0, r) if device & 0x80 else (r,)))

    def table(*entries):
        return bytes([2, len(entries)]) + b"".join(le("I", a)[:3] + le("H", n) + bytes([e]) for a, n, e in entries)
    wait = b"\x07\xff\xff"
    read = b"\x09" + le("H", 256)
    write = b"\x01" + le("H", 256)
    yield b"\0" + command(0xec, 0xe0, 0, 0, 0, 0, 0) + wait + read
    yield b"\0" + command(0x20, 0xe0, 0, 2, 5, 0, 0) + wait + read + wait + read
    yield b"\0" + command(0xc6, 0x60, 0, 8, 0, 0, 0) + command(0xc5, 0x60, 0, 9, 5, 0, 0) + write * 9 + wait + write
    yield b"\x08" + table((0x20000, 0x400, 0), (0x30000, 0, 0x80)) + command(0xc8, 0xe0, 0, 8, 0, 0, 0) + b"\x4b" + wait
    yield b"\0" + table((0x20000, 0x400, 0x80)) + command(0x35, 0xe0, 0, 2, 0, 0, 0) + b"\x0b" + wait
    yield b"\0" + command(0x90, 0xe0, 0, 0, 0, 0, 0) + command(0xef, 0xe0, 3, 0x42, 0, 0, 0) + b"\x0e\x04\x0e\0"


def atapi():
    def packet(limit, flags, *p):
        return b"\0" + le("H", limit) + bytes([flags]) + bytes(p).ljust(12, b"\0")
    yield b"\0" + packet(0xfffe, 0, 0x12, 0, 0, 0, 36) + packet(5, 0, 0x03, 0, 0, 0, 18) + packet(8, 0, 0x25)
    yield b"\0" + packet(2048, 0, 0x28, 0, 0, 0, 0, 1, 0, 0, 2) + packet(9999, 0, 0xbe, 0, 0, 0, 0, 1, 0, 0, 2, 0xf8)
    yield b"\x08" + packet(512, 0, 0x43, 2, 0, 0, 0, 0, 0, 0, 100) + packet(512, 0, 0x5a, 0, 0x3f, 0, 0, 0, 0, 1)
    yield b"\0" + b"\x16" + le("I", 0x20000)[:3] + le("H", 4096) + packet(0, 5, 0x28, 0, 0, 0, 0, 1, 0, 0, 2)
    yield b"\0" + packet(512, 0, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8) + b"\x0c" + packet(0, 0) + b"\x04" + packet(0, 0)
    yield b"\0" + packet(512, 0, 0x1e, 0, 0, 0, 1) + packet(0, 0, 0x1b, 0, 0, 0, 2) + packet(9, 0, 0x55, *[0] * 7, 16)
    yield b"\0" + packet(99, 0, 0x46, 0, 0, 0, 0, 0, 0, 1) + packet(99, 0, 0x51, *[0] * 7, 34) + packet(9, 0, 0x52)


def fdc():
    def bytes_in(*p):
        return bytes([(len(p) - 1 + 3) << 3]) + bytes(p)

    def channel(mode, count):
        return bytes([4 | mode]) + le("HH", 0x2000, count - 1) + b"\x02"
    wait = b"\x07\xff\xff\x0f"
    sense = bytes_in(8) * 4
    yield b"\0" + sense + bytes_in(3, 0xdf, 2) + bytes_in(7, 0) + wait + bytes_in(8) + bytes_in(15, 0, 5) + wait
    yield b"\0" + sense + channel(0x04, 512) + bytes_in(0x46, 0, 0, 0, 1, 2, 18, 27, 255) + wait + b"\x38" * 2
    yield b"\x08" + sense + channel(0x08, 512) + bytes_in(0xc5, 0, 0, 0, 1, 2, 18, 27, 255) + wait + b"\x38" * 2
    yield b"\0" + sense + bytes_in(3, 0xdf, 3) + bytes_in(0x46, 0, 0, 0, 1, 2, 1, 27, 255) + wait + b"\x03\x38"
    yield b"\0" + sense + channel(0x08, 72) + bytes_in(0x4d, 0, 2, 18, 84, 246) + wait + bytes_in(0x4a, 0) + wait
    yield b"\0" + bytes_in(0x0e) + bytes_in(0x10) + bytes_in(0x13, 0, 0x57, 0) + bytes_in(0x94) + bytes_in(0x12, 0x8e)
    yield b"\0" + b"\x16" + bytes_in(4, 0) + b"\x06" + bytes_in(0x56, 128, 0, 0, 1, 2, 18, 27, 3) + b"\x15\x08"


def ps2():
    keyboard = [0xff, 0xf2, 0xf0, 2, 0xed, 7, 0xf3, 0x20, 0xf4, 0xf5, 0xf6, 0xee, 0xfe]
    yield b"\x08" + b"".join(bytes([0, k]) + b"\x0b" for k in keyboard)
    mouse = [0xff, 0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf2, 0xf4, 0xeb, 0xe9]
    yield b"\0" + b"".join(bytes([2, k]) + b"\x0b" for k in mouse)
    yield b"\0" + b"".join(bytes([1, k]) for k in [0x20, 0xaa, 0xab, 0xa9, 0xad, 0xae, 0xa7, 0xa8, 0xc0, 0xd0, 0xfe])
    yield b"\0\2\xf4" + b"\x05\x10\xf0\x11" * 9 + b"\x4c\x0c" * 9 + b"\x06\xff\xff\xff" + b"\xfb" * 3
    yield b"\0\1\x60\0\x65" + b"\x44\x04" * 20 + b"\x0f" + b"\0\xd2" * 2 + b"\0\xd3\0\x11"


def fwcfg():
    def dma(at, control, length, address, flags=0):
        return bytes([2 | flags]) + le("H", at) + struct.pack(">IIQ", control, length, address)
    yield b"\0" + b"\0\x19\0" + b"\1\x80" + b"\0\x20\0" + b"\1\xff"
    yield b"\x08" + dma(0x1000, 0x0019000a, 0x400, 0x8000) + dma(0x1000, 2, 64, 0x9000)
    yield b"\0" + dma(0x1000, 0x0020000a, 64, 0x1008) + dma(0x2000, 0x00200018, 64, 0x8000) + dma(0x2000, 4, 9, 0)
    yield b"\0" + dma(0xfff8, 0x000a0002, 0xffffffff, 0xffffffffffffff00)
    yield b"\0" + b"\x03\5\0\0\0" + b"\x43\x19\0\0\0" + b"\x07\0\0\0\0"


def pci():
    def write(op, reg, v):
        return bytes([op, reg]) + le("I", v)
    yield b"\x12" + b"".join(write(0xa0, r, 0xffffffff) for r in range(0x10, 0x40, 4)) + write(0xa0, 4, 7)
    ide = write(0x40, 0x20, 0xc001) + write(0x40, 4, 5) + write(0x40, 0x40, 0x80008000)
    yield b"\x02" + ide + b"\x02\0\xc0\1\0\0\0"
    yield b"\0" + b"".join(write(0, r, 0x33333333) for r in range(0x58, 0x70, 4)) + write(0x20, 0x60, 0x0b0a0905)
    yield b"\x08" + write(0x80, 0x40, 0xb101) + write(0x80, 0x80, 1) + write(0x80, 0x90, 0x701) + b"\xff"
    yield b"\0" + b"".join(bytes([n << 5 | 8, r]) for n in range(7) for r in (0, 4, 8, 0x3c))


def vga():
    def vbe(index, v):
        return b"\x20" + bytes([index]) + le("H", v)

    def mode(width, height, depth, more=b""):
        return b"\0" + vbe(4, 0) + vbe(1, width) + vbe(2, height) + vbe(3, depth) + more + vbe(4, 0x41) + b"\6"
    for depth in (4, 8, 15, 16, 24, 32):
        yield mode(640, 480, depth, vbe(6, 700) + vbe(8, 9) + vbe(9, 7))
    yield mode(2560, 1600, 32, vbe(8, 0xffff)) + b"\x16" + le("HH", 2600, 600) + b"\xff"
    planes = [(0x3c4, 0x0f02), (0x3c4, 0x0604), (0x3ce, 0x0005), (0x3ce, 0x0506), (0x3d4, 0x2801), (0x3d4, 0xe317)]
    op = {0x3c4: 0, 0x3ce: 8, 0x3d4: 16}
    yield b"\0" + b"".join(bytes([op[p]]) + le("H", v) for p, v in planes) + b"\x94" + le("HI", 9, 0x5a5a) + b"\6\x17"
    yield b"\0" + b"".join(b"\x94" + le("HI", 0xc000 + n, 0x1f411f42) for n in range(8)) + b"\7\6" + b"\xff\xe7"


def uart():
    yield b"\x08" + bytes([0x18, 0x83, 0, 1, 8, 0, 0x18, 3, 0x10, 0xc7, 8, 0xf]) + b"\x03\x10" * 9 + b"\x02\x05" * 9
    yield b"\0" + bytes([0x20, 0x1f, 0x10, 1]) + b"".join(bytes([0, n]) for n in range(20)) + b"\x02\x07\xff\xff\xff"
    yield b"\0" + bytes([0x18, 0x43]) + b"\x43\x3f\x06\x14\x0c\x1c" * 4 + bytes(range(2, 64, 8))


def timers():
    wait = b"\x7f" + b"\xff\x0f" * 15
    yield b"\x08" + b"".join(bytes([0, 7, mode, 0, 4, 0x10, 0, 4, 0x20]) + wait for mode in range(0x30, 0x3c, 2))[:200]
    hpet = b"".join(b"\x03" + le("HI", at, v) for at, v in ((0x10, 3), (0x100, 0x0c), (0x108, 100000), (0x88, 1000)))
    yield b"\0" + hpet + b"\x7f" + b"\xff\xff" * 15 + b"\x04\xf0\0\x05"
    apic = b"".join(b"\x13" + le("HI", at, v) for at, v in ((0xf0, 0x1ff), (0x320, 0x20030), (0x3e0, 11), (0x380, 999)))
    yield b"\0" + apic + b"\x7f" + b"\xff\xff" * 15 + b"\x05" + b"\x13" + le("HI", 0xb0, 0)
    rtc = b"".join(bytes([6 | reg << 3, v]) for reg, v in ((10, 0x26), (11, 0x72), (1, 0xff), (3, 0xff), (5, 0xff)))
    yield b"\0" + rtc + b"\x7f" + b"\xff\xff" * 15 + b"\x05\0\x09\x0c\x02\x0a"
    pic = b"".join(bytes([0, p, v]) for p, v in ((0, 0x11), (1, 0x20), (1, 4), (1, 1), (1, 0), (0, 0x0c), (0, 0xa0)))
    yield b"\0" + pic + b"\x02\0\x05"


def state():
    """Damage to a good stream; a stream that is made up."""
    rng = random.Random(1)
    for n in range(8):
        yield bytes([0]) + bytes(rng.randrange(256) for _ in range(4 * (n + 1)))
    yield b"\1" + b"\x03cpu\x03x86" + bytes(5) + b"\x20" + bytes(40)


def device_state():
    rng = random.Random(2)
    for n in range(6):
        changes = b"".join(le("I", rng.randrange(1 << 18))[:3] + bytes([0, rng.choice([0, 1, 255])]) for _ in range(9))
        yield b"\0\0\x09" + changes + b"\1" + bytes(rng.choice([1, 2, 3, n, 7]) for _ in range(60))


def images():
    magics = [b"QFI\xfb", b"QED\0", b"KDMV", b"COWD", b"# Disk DescriptorFile\n", b"vhdxfile", b"conectix", b"\x1f\x8b",
              b"\xfd7zXZ\0", b"BZh9", b"\x28\xb5\x2f\xfd", b"PK\3\4", b"7z\xbc\xaf\x27\x1c", b"just text\n",
              bytes(64) + b"\x7f\x10\xda\xbe", b"\xeb\x3c\x90"]
    for n, magic in enumerate(magics):
        yield bytes([(0, 8, 1, 16)[n % 4], n % 6 | (0x80 if n % 3 == 0 else 0)]) + magic


def texts():
    of_each = (["a", "a,if=ide", "file=a,,b,index=3", "a,=,", "readonly=on,f=f,f=f"],
               ["5", "0x10", "1099511627776", "64M", "128KB", "4G", "on", "false", "99999999999999999999"],
               ["utc", "2006-06-17T16:01:21", "2024-02-29", "1900-02-29", "9999-12-31T23:59:59"],
               ["a", "ctrl", "kp_enter", "f12", "0x1c", "less"],
               ["int,cpu", "guest_errors", "all", "ide,"])
    for choice, words in enumerate(of_each):
        for w in words:
            yield bytes([choice]) + w.encode()


def specs():
    for w in ("null", "vc", "pty", "ringbuf", "ringbuf:64K", "mon:null", "mon:mon:ringbuf", "file:/x/y", "file:",
              "tcp:h:1", "unix:/x,server,nowait", "tcp::4444,server=on,wait=off", "tcp:[::1]:4444,server",
              "unix:" + "x" * 120):
        yield b"\0" + w.encode()
    for w in ("x.so", "./x.so,a=b", "/dev/null", ",", "/etc/passwd,x"):
        yield b"\1" + w.encode()


def monitor():
    for w in ("help", "info registers\ninfo pic\ninfo nothing", "x/8xw 0xfffffff0\nx", "xp /3i 0xffff0",
              "x/9999999999c $esp", "x/2g $eip", "sendkey ctrl-alt-delete a 0x1c\nsendkey x-", "type Hello, World!",
              "change cdrom x\neject fda", "stop\ncont", "log int,cpu\nlog none", "system_reset\nnmi\nq",
              "a\bb\x15\x1b[Ahelp\r\n", "screen", "screendump x", "info mtree\ninfo qtree\ninfo block\ninfo chardev",
              "info tlb\ninfo status"):
        yield w.encode()


def rules():
    for w in ("in/file", "in/sub/../file", "in/../out/file", "in/up/file", "in/link", "in//sub/./file",
              "in/sub/../../out/file"):
        yield b"\0" + w.encode()
        yield b"\x11" + w[3:].encode()
        yield b"\x21" + w.encode()


CORPUS = {"kernel": kernels, "options": options, "devices": devices, "ide": ide, "atapi": atapi, "fdc": fdc, "ps2": ps2,
          "fwcfg": fwcfg, "pci": pci, "vga": vga, "uart": uart, "timers": timers, "device_state": device_state,
          "state": state, "image": images,
          "text": texts, "specs": specs, "monitor": monitor, "rules": rules}


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
    for name, make in CORPUS.items():
        folder = os.path.join(top, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        for n, data in enumerate(make()):
            with open(os.path.join(folder, "%02d" % n), "wb") as f:
                f.write(data)


if __name__ == "__main__":
    main()
