#!/usr/bin/env python3
"""boot.py PROGRAM [GROUP...]: boots guests and looks at what they do. Guests come from tests/guests/get
(GUESTS, default ~/.cache/callgate/guests); the floppies of FLOPPIES (default ../shared/guests next to
the source) are used if they are there. A guest that is missing is skipped by name.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import gzip
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
FLOPPIES = os.environ.get("FLOPPIES") or os.path.join(HERE, "..", "..", "..", "shared", "guests")
DEMO = os.path.join(os.path.dirname(os.path.realpath(PROGRAM)), "roms", "demo.img")
ACCEL = ["-accel", os.environ.get("ACCEL", "bt,verify=on")]
# sanitizer builds are slower
SLOW = float(os.environ.get("SLOW", "1"))


def guest(name):
    return os.path.join(GUESTS, name)


def floppy(name):
    return os.path.join(FLOPPIES, name)


def start(args, **kw):
    kw["limit"] = kw.get("limit", 120) * SLOW
    return VM(PROGRAM, ACCEL + args, **kw)


# --- the demo ---

@test("demo", DEMO)
def demo_floppy():
    with start(["-m", "16", "-snapshot", "-fda", DEMO], monitor=True) as vm:
        vm.expect("Callgate demo: protected mode")
        vm.expect("entering ring 3")
        vm.expect("demo> ")
        vm.send("cpu\r")
        vm.expect("vendor GenuineIntel.*\n.*running in ring 3")
        vm.send("mem\r")
        vm.expect(r"00000000 \+ [0-9a-f]+ RAM")
        for kind, name in (("divide", "#DE"), ("page", "#PF page fault, error 00000006"),
                           ("kernel", "#PF page fault, error 00000005"), ("opcode", "#UD"),
                           ("privilege", "#GP"), ("segment", "#GP"), ("breakpoint", "")):
            vm.expect("demo> ")
            vm.send("fault %s\r" % kind)
            vm.expect("exception " + name)
        vm.expect("demo> ")
        vm.send("ticks\r")
        t1 = int(vm.expect(r"ticks\s+(\d+)\s")[1])
        time.sleep(0.5)
        vm.expect("demo> ")
        vm.send("ticks\r")
        t2 = int(vm.expect(r"ticks\s+(\d+)\s")[1])
        check(t2 > t1, "the timer does not tick: %d, %d" % (t1, t2))
        vm.expect("demo> ")
        # the keyboard and the text screen
        vm.monitor("type help")
        vm.monitor("sendkey ret")
        vm.expect("power off")
        vm.expect_screen("power off", 10)
        vm.send("reboot\r")
        vm.expect("Callgate demo: protected mode")
        vm.expect("demo> ")
        vm.send("off\r")
        check(vm.wait() == 0, "exit status after power-off is not 0")


@test("demo", DEMO)
def demo_disk():
    with start(["-m", "16", "-hda", DEMO, "-snapshot"]) as vm:
        vm.expect("demo> ")
        vm.send("off\r")
        check(vm.wait() == 0, "exit status after power-off is not 0")


@test("demo", DEMO)
def demo_no_reboot():
    with start(["-m", "16", "-snapshot", "-fda", DEMO, "-no-reboot"]) as vm:
        vm.expect("demo> ")
        vm.send("reboot\r")
        check(vm.wait() == 0, "-no-reboot: exit status is not 0")


@test("demo", DEMO)
def demo_monitor():
    with start(["-m", "16", "-snapshot", "-fda", DEMO], monitor=True) as vm:
        vm.expect("demo> ")
        check("CR0=8001" in vm.monitor("info registers"), "info registers: no paging")
        check("irr=" in vm.monitor("info pic"), "info pic")
        check("movl" not in vm.monitor("x /2i $eip"), "x /i")
        check(re.search("aa *55|55.*aa|aa55", vm.monitor("xp /1hx 0x7dfe")), "xp of the boot signature")
        vm.monitor("system_reset")
        vm.expect("Callgate demo: protected mode")
        vm.expect("demo> ")
        vm.monitor("stop")
        check("paused" in vm.monitor("info status"), "stop")
        vm.monitor("cont")
        check("running" in vm.monitor("info status"), "cont")
        vm.mon.sendall(b"quit\n")
        check(vm.wait() == 0, "quit: exit status is not 0")


@test("demo", DEMO)
def demo_log_exec():
    """-d exec,cpu: a line and the registers for each block that runs."""
    with start(["-m", "16", "-snapshot", "-fda", DEMO, "-d", "exec,cpu", "-D", "/dev/stdout"],
               serial=False) as vm:
        for _ in range(3):
            vm.expect(r"exec: block [0-9a-f]{8}, \d+ instructions\nEAX=")


@test("demo", DEMO)
def demo_icount_repeats():
    """With -icount two runs are the same to the instruction."""
    counts = []
    for _ in range(2):
        with start(["-m", "16", "-snapshot", "-fda", DEMO, "-icount", "shift=3", "-d", "int", "-D",
                    "/dev/stdout"], serial=False) as vm:
            vm.pump(1)
            end = time.monotonic() + 3
            while time.monotonic() < end and len(vm.out) < 400000:
                vm.pump(0.1)
            counts.append(vm.out[:200000])
    check(len(counts[0]) == 200000, "too little was logged: %d" % len(counts[0]))
    check(counts[0] == counts[1], "two runs with -icount differ")


# A boot sector that reads the first 1,200 sectors one by one with INT 13h, and writes to port 501h how
# many ticks (BIOS, 18.2 Hz) that took, 7Fh for more, FFh for an error:
#   mov ebp,[fs:46Ch]; xor si,si; 2: CHS of si, es:bx = 1000h:0; mov ax,201h; int 13h; mov al,0FFh; jc 3f;
#   inc si; cmp si,1200; jne 2b; al = min([fs:46Ch] - ebp, 7Fh); 3: mov dx,501h; out dx,al; 4: hlt; jmp 4b
READ_SECTORS = bytes.fromhex(
    "ea0500c007fa31c08ed0bc00708ee08cc88ed8fb64668b2e6c0431f689f031d2bb1200f7f34288d188c680e6"
    "01d1e888c5b200b800108ec031dbb80102cd13b0ff72174681feb00475d26466a16c046629e86683f87f7202"
    "b07fba0105eef4ebfd")


@test("demo", DEMO)
def floppy_single_sectors():
    """Reading a floppy sector by sector takes no time of its own: in the machine's time, so -icount."""
    with tempfile.TemporaryDirectory() as d:
        image = os.path.join(d, "read.img")
        with open(image, "wb") as f:
            f.write(READ_SECTORS.ljust(510, b"\0") + b"\x55\xaa")
            f.truncate(1440 << 10)
        with start(["-m", "16", "-fda", image, "-snapshot", "-icount", "shift=3", "-device",
                    "isa-debug-exit,iobase=0x501"]) as vm:
            status = vm.wait(110 * SLOW)
            check(status & 1, "exit status %d" % status)
            ticks = status >> 1
            check(ticks < 20, "1,200 sectors take %d ticks of 55 ms" % ticks)


# --- Linux ---

def linux(kernel, initrd, append="", args=(), **kw):
    return start(["-m", "256", "-kernel", guest(kernel), "-initrd", guest(initrd), "-append",
                  "console=ttyS0 panic=-1 " + append, "-no-reboot"] + list(args), **kw)


# What QEMU 7.2's pc also gives with this kernel, or what the CPU model itself explains.
COMPLAINTS = re.compile(
    r"(?i)\b(error|fail(ed|ure)?|bug|warn(ing)?|unexpected|spurious|bad |timeout|timed out|broken|"
    r"invalid|lost|unable|cannot|stuck|call trace)")
HARMLESS = re.compile(
    r"(?i)integrity|x509|ima:|Speculative|Spectre|MDS|L1TF|errata|Unknown kernel command line|"
    r"NX \(Execute|PCI: Ignoring|no dsdt|fail_page|regulatory|RETBleed|MMIO Stale|"
    r"tsc: Marking|firmware bug|unless|RAS: Correctable|Correctable Errors|"
    r"hibernation: Basic|Unstable clock|platform rtc_cmos|printk|error handling|CPU bug|bugs|"
    # attempts that a very busy host disturbs; others follow, the last against the HPET or the PM timer
    r"Fast TSC calibration failed|Unable to calibrate against PIT|"
    r"aer|HEST|No TPM|pci=nocrs|MMCONFIG|invalidation policy|interrupts$")


def complaints(text):
    return [line for line in text.splitlines()
            if COMPLAINTS.search(line) and not HARMLESS.search(line)]


@test("linux", guest("vmlinuz-686"), guest("initrd.gz"))
def linux_686():
    with linux("vmlinuz-686", "initrd.gz", "cmd=cat:/proc/interrupts;uname:-a;exit:3") as vm:
        vm.expect("INIT: ready")
        table = vm.expect(r"LOC:\s+(\d+) ")
        check(int(table[1]) > 10, "the local APIC timer does not interrupt")
        vm.expect("Linux .* i686")
        vm.expect("INIT: status 3")
        check(vm.wait() == 0, "poweroff does not end the process with status 0")
        bad = complaints(vm.out)
        check(not bad, "dmesg complains:\n" + "\n".join(bad))


@test("linux", guest("vmlinuz-686-pae"), guest("initrd.gz"))
def linux_686_pae():
    with linux("vmlinuz-686-pae", "initrd.gz", "cmd=grep:flags:/proc/cpuinfo") as vm:
        vm.expect("NX \\(Execute Disable\\) protection: active")
        flags = vm.expect(r"flags\s+: (.*)\n")[1]
        check(" pae " in flags and " apic " in flags and " nx" in flags, "flags: " + flags)
        check(vm.wait() == 0, "poweroff does not end the process with status 0")
        bad = complaints(vm.out)
        check(not bad, "dmesg complains:\n" + "\n".join(bad))


@test("linux", guest("vmlinuz-686"), guest("initrd.gz"))
def linux_hpet():
    """Linux finds the HPET, reads the time from it and takes its ticks; with hpet=off there is none."""
    clocks = "cat:/sys/devices/system/clocksource/clocksource0/%s_clocksource"
    with linux("vmlinuz-686", "initrd.gz", "nolapic_timer clocksource=hpet cmd=" + clocks % "current" +
               ";while:true;do:grep:0::/proc/interrupts;sleep:1;done") as vm:
        vm.expect("hpet0: at MMIO 0xfed00000, IRQs 2, 8, 0")
        vm.expect("hpet0: 3 comparators, 64-bit 100.000000 MHz counter")
        vm.expect("^hpet\\r?$")
        ticks = [int(vm.expect(r"^ *0: +(\d+) .*timer")[1]) for _ in range(2)]
        check(ticks[1] - ticks[0] >= 2, "the HPET does not tick: %s" % ticks)
    with linux("vmlinuz-686", "initrd.gz", "cmd=" + clocks % "available", ["-M", "pc,hpet=off"]) as vm:
        vm.expect("^tsc.*acpi_pm")
        check(vm.wait() == 0, "exit status is not 0")
        check("hpet" not in vm.out.lower(), "there is an HPET with hpet=off")


class Busy:
    """Twice as many processes that only count as the host has processors."""

    def __enter__(self):
        self.procs = [subprocess.Popen(["sh", "-c", "while :; do :; done"])
                      for _ in range(2 * (os.cpu_count() or 1))]

    def __exit__(self, *exc):
        for p in self.procs:
            p.kill()
            p.wait()


@test("linux", guest("vmlinuz-686"), guest("initrd.gz"))
def linux_clocks_on_a_busy_host():
    """Linux finds nothing wrong with any clock, and its time keeps up with the host's."""
    with Busy():
        for _ in range(3):
            with linux("vmlinuz-686", "initrd.gz",
                       "cmd=cat:/sys/devices/system/clocksource/clocksource0/current_clocksource") as vm:
                vm.expect("^tsc\r?$")
                check(vm.wait() == 0, "exit status is not 0")
                bad = [line for line in vm.out.splitlines() if re.search(
                    r"(?i)unstable|PM-Timer running|calibration not|delta adjusted|skew is", line)]
                check(not bad, "a clock is suspect:\n" + "\n".join(bad))
        with linux("vmlinuz-686", "initrd.gz",
                   "cmd=while:true;do:cat:/proc/uptime;sleep:1;done") as vm:
            for _ in range(8): # what it is behind from booting is made up for when it first sleeps
                vm.expect(r"^\d+\.\d+ \d+\.\d+\r?$")
            points = []
            while len(points) < 12:
                guest_time = float(vm.expect(r"^(\d+\.\d+) \d+\.\d+\r?$")[1])
                points.append((time.monotonic(), guest_time))
            host, inside = (points[-1][n] - points[0][n] for n in (0, 1))
            check(abs(inside - host) < 0.5, "%.2f s pass for the guest in %.2f s" % (inside, host))


@test("linux", guest("vmlinuz-686-pae"), guest("initrd.gz"))
def linux_memory_above_4g():
    with linux("vmlinuz-686-pae", "initrd.gz", "cmd=grep:MemTotal:/proc/meminfo",
               ["-m", "5G"]) as vm:
        total = int(vm.expect(r"MemTotal:\s+(\d+) kB")[1])
        check(total > 4500000, "only %d kB of 5 GiB" % total)
        check(vm.wait() == 0, "exit status is not 0")


@test("linux", guest("vmlinuz-686"), guest("initrd.gz"))
def linux_cpu_pentium3():
    with linux("vmlinuz-686", "initrd.gz", "cmd=grep:flags:/proc/cpuinfo",
               ["-cpu", "pentium3"]) as vm:
        flags = vm.expect(r"flags\s+: (.*)\n")[1].split()
        check("sse" in flags and "sse2" not in flags, "flags: %s" % flags)
        check(vm.wait() == 0, "exit status is not 0")


@test("linux", guest("vmlinuz-686"), guest("initrd.gz"))
def linux_icount_repeats():
    """With -icount two boots print the same, time stamps and all."""
    logs = []
    for _ in range(2):
        with linux("vmlinuz-686", "initrd.gz", "cmd=cat:/proc/uptime", ["-icount", "shift=1"]) as vm:
            vm.expect("INIT: done")
            check(vm.wait() == 0, "exit status is not 0")
            logs.append(vm.out)
    check(logs[0] == logs[1], "two runs with -icount differ")


@test("linux", guest("vmlinuz-686"), guest("initrd-ide.gz"))
def linux_ide_ext2():
    """An ext2 image is mounted, written, unmounted, and clean outside."""
    with tempfile.TemporaryDirectory() as d:
        image = os.path.join(d, "disk.img")
        with open(image, "wb") as f:
            f.truncate(64 << 20)
        subprocess.run(["mke2fs", "-q", "-F", "-t", "ext2", image], check=True)
        script = ("mount:-t:ext4:/dev/sda:/mnt&&dd:if=/dev/urandom:of=/mnt/data:bs=64k:count=160&&"
                  "cp:/mnt/data:/mnt/copy&&sha256sum:/mnt/data:/mnt/copy&&mkdir:/mnt/d&&"
                  "cp:-r:/bin:/mnt/d&&sync&&umount:/mnt&&mount:-t:ext4:/dev/sda:/mnt&&"
                  "sha256sum:/mnt/data:/mnt/copy&&umount:/mnt&&dmesg|grep:-i:ata")
        with linux("vmlinuz-686", "initrd-ide.gz", "cmd=" + script, ["-hda", image]) as vm:
            vm.expect("INIT: ready")
            sums = [vm.expect(r"^([0-9a-f]{64})  /mnt")[1] for _ in range(4)]
            check(len(set(sums)) == 1, "data read back differ")
            vm.expect("INIT: status 0")
            check(vm.wait() == 0, "exit status is not 0")
            check("UDMA" in vm.out, "no DMA is used")
        fsck = subprocess.run(["e2fsck", "-f", "-n", image], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        check(fsck.returncode == 0, "fsck: " + fsck.stdout)


@test("linux", guest("vmlinuz-686"), guest("initrd-ide.gz"), guest("ipxe.iso"))
def linux_cdrom():
    with linux("vmlinuz-686", "initrd-ide.gz",
               "cmd=mount:-t:iso9660:/dev/sr0:/mnt&&ls:/mnt&&cat:/mnt/*>/dev/null",
               ["-cdrom", guest("ipxe.iso")]) as vm:
        vm.expect("(?i)ipxe.lkrn|isolinux")
        vm.expect("INIT: status 0")
        check(vm.wait() == 0, "exit status is not 0")


@test("installer", guest("installer-linux"), guest("installer-initrd.gz"))
def debian_installer():
    with start(["-m", "512", "-kernel", guest("installer-linux"), "-initrd",
                guest("installer-initrd.gz"), "-append", "console=ttyS0 quiet"],
               limit=300) as vm:
        vm.expect("Select a language")


# --- boot media ---

@test("memory-test", guest("memtest.iso"))
def memtest():
    with start(["-m", "32", "-cdrom", guest("memtest.iso")], monitor=True, limit=600) as vm:
        vm.expect_screen("Memtest86\\+", 60)
        vm.expect_screen(r"Pass: +[1-9]", 580 * SLOW, every=2)
        screen = vm.monitor("screen")
        m = re.search(r"Errors: *(\d+)", screen)
        check(m and int(m[1]) == 0, "memtest reports errors:\n" + screen)


def fat_disk(path):
    """A FAT disk image with a file on it, without a partition table."""
    with open(path, "wb") as f:
        f.truncate(8 << 20)
    subprocess.run(["mformat", "-i", path, "-h", "16", "-s", "63", "-t", "16", "::"], check=True)
    note = path + ".txt"
    with open(note, "w") as f:
        f.write("hello\n")
    subprocess.run(["mcopy", "-i", path, note, "::HELLO.TXT"], check=True)


def grub(args):
    with tempfile.TemporaryDirectory() as d:
        disk = os.path.join(d, "disk.img")
        fat_disk(disk)
        with start(["-m", "64"] + [a.replace("DISK", disk) for a in args], monitor=True,
                   serial=False) as vm:
            vm.expect_screen("GNU GRUB", 90)
            vm.monitor("sendkey c")
            vm.expect_screen("grub>", 20)
            vm.monitor("type ls")
            vm.monitor("sendkey ret")
            vm.expect_screen(r"\(hd\d", 20)
            listed = vm.monitor("screen")
            disks = re.findall(r"\((hd\d)\)", listed)
            found = False
            for hd in disks:
                vm.monitor("type ls (%s)/" % hd)
                vm.monitor("sendkey ret")
                end = time.monotonic() + 4 * SLOW
                while not found and time.monotonic() < end:
                    time.sleep(0.5)
                    found = "hello.txt" in vm.monitor("screen").lower()
                if found:
                    break
            check(found, "the file on the disk is not listed:\n" + vm.monitor("screen"))


@test("media", guest("grub-floppy.img"))
def grub_floppy():
    grub(["-fda", guest("grub-floppy.img"), "-hda", "DISK", "-boot", "a", "-snapshot"])


@test("media", guest("grub-cdrom.iso"))
def grub_cdrom():
    grub(["-cdrom", guest("grub-cdrom.iso"), "-hda", "DISK", "-boot", "d"])


@test("media", guest("grub-usb.img"))
def grub_disk():
    grub(["-hda", guest("grub-usb.img"), "-hdb", "DISK", "-boot", "c", "-snapshot"])


@test("media", guest("ipxe.iso"))
def ipxe():
    with start(["-m", "64", "-cdrom", guest("ipxe.iso")], monitor=True, serial=False) as vm:
        vm.expect_screen("iPXE", 60)


@test("media", guest("ipxe.lkrn"))
def ipxe_kernel():
    with start(["-m", "64", "-kernel", guest("ipxe.lkrn")], monitor=True, serial=False) as vm:
        vm.expect_screen("iPXE initiali|Open Source Network Boot", 60)


@test("media", guest("gnumach"))
def gnumach_multiboot():
    """GNU Mach, a Multiboot ELF: it starts, and says that no modules were given."""
    with tempfile.TemporaryDirectory() as d:
        kernel = os.path.join(d, "gnumach")
        with open(guest("gnumach"), "rb") as f:
            data = f.read()
        with open(kernel, "wb") as f:
            f.write(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        with start(["-m", "64", "-kernel", kernel], monitor=True,
                   serial=False) as vm:
            vm.expect_screen("(?i)gnu ?mach|bootstrap", 60)


# --- old systems on floppies ---

@test("floppies", floppy("freedos-odin070.img"))
def freedos_emm386():
    with start(["-m", "32", "-fda", floppy("freedos-odin070.img"), "-snapshot"], monitor=True,
               serial=False, limit=240) as vm:
        vm.expect_screen("4", 60)
        time.sleep(1)
        vm.monitor("sendkey 4")
        vm.monitor("sendkey ret")
        vm.expect_screen(r"A:\\>", 120)
        time.sleep(1)
        vm.monitor("type mem")
        vm.monitor("sendkey ret")
        vm.expect_screen(r"Total Expanded \(EMS\) +3[01]M", 60)
        check("CR0=8" in vm.monitor("info registers"), "paging is not on: EMM386 is not loaded")


@test("floppies", floppy("openbsd.img"))
def openbsd():
    with start(["-m", "64", "-fda", floppy("openbsd.img"), "-snapshot"], monitor=True,
               serial=False, limit=240) as vm:
        vm.expect_screen(r"\(I\)nstall, \(U\)pgrade or \(S\)hell", 220)


@test("floppies", floppy("kolibri.img"))
def kolibri_desktop():
    """A graphical desktop: many colours in a linear frame buffer."""
    with start(["-m", "64", "-fda", floppy("kolibri.img"), "-snapshot"], monitor=True,
               serial=False) as vm:
        shot = os.path.join(vm.dir.name, "shot.ppm")
        end = time.monotonic() + 90 * SLOW
        while True:
            time.sleep(2)
            check(time.monotonic() < end, "no desktop within the time")
            if "shows graphics" not in vm.monitor("screen"):
                continue
            vm.monitor("screendump " + shot)
            with open(shot, "rb") as f:
                data = f.read()
            header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
            pixels = data[header.end():]
            colours = {pixels[n:n + 3] for n in range(0, len(pixels), 3)}
            if int(header[1]) >= 640 and len(colours) > 200:
                return


@test("floppies", floppy("linux-2.4.20-boote.img"))
def linux_2_4():
    with start(["-m", "64", "-fda", floppy("linux-2.4.20-boote.img"), "-snapshot"], monitor=True,
               serial=False, limit=240) as vm:
        end = time.monotonic() + 200
        while not re.search(r"\[bootE Linux\]\S*\$", vm.monitor("screen")):
            check(time.monotonic() < end, "no prompt:\n" + vm.monitor("screen"))
            vm.monitor("sendkey ret")
            time.sleep(3)


sys.exit(run())
