"""bootsector.py - tiny guests as floppy images, put together from machine code: loops of the kinds that make an
emulator busy in different ways.

Copyright (c) The Callgate authors. SPDX-License-Identifier: MIT"""
import struct

FLOPPY = 1440 * 1024

# Real mode at 7C00h to flat 32-bit protected mode at `32:` below, with a stack; the GDT is at the end.
GDT_AT = 0x7db0
ENTER = bytes([
    0xfa,                               # cli
    0x31, 0xc0, 0x8e, 0xd8,             # xor ax, ax; mov ds, ax
    0x0f, 0x01, 0x16]) + struct.pack("<H", GDT_AT + 24) + bytes([  # lgdt [GDT_AT + 24]
    0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0,                # mov eax, cr0; or al, 1; mov cr0, eax
    0xea]) + struct.pack("<HH", 0x7c00 + 23, 8) + bytes([          # jmp 8:32
    0x66, 0xb8, 0x10, 0x00,             # 32: mov ax, 10h
    0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0,  # mov ds, es, ss, ax
    0xbc, 0x00, 0x70, 0x00, 0x00])      # mov esp, 7000h
GDT = struct.pack("<QQQ", 0, 0x00cf9a000000ffff, 0x00cf92000000ffff) + struct.pack("<HI", 23, GDT_AT)


def image(code, protected=False):
    """A floppy whose boot sector is `code`, entered in real mode or, `protected`, in flat 32-bit protected mode."""
    sector = bytearray(512)
    body = (ENTER if protected else b"") + code
    assert len(body) < GDT_AT - 0x7c00
    sector[:len(body)] = body
    sector[GDT_AT - 0x7c00:GDT_AT - 0x7c00 + len(GDT)] = GDT
    sector[510:] = b"\x55\xaa"
    return bytes(sector) + bytes(FLOPPY - 512)


# name: image. None of them ends or waits for anything.
BUSY = {
    # cli; jmp $
    "spin": image(b"\xfa\xeb\xfe"),
    # sti; hlt; jmp
    "idle": image(b"\xfb\xf4\xeb\xfc"),
    # cli; hlt
    "dead": image(b"\xfa\xf4\xeb\xfd"),
    # flat: push and pop, so that the guest's stack is mapped and ESP moves
    "stack": image(b"\x50\x53\x58\x5b\xeb\xfa", True),
    # flat: mov edi, 100000h; mov ecx, -1; rep stosb (4 GiB, over ROM, devices and nothing)
    "store": image(b"\xbf\x00\x00\x10\x00\xb9\xff\xff\xff\xff\xf3\xaa\xeb\xf2", True),
    # flat: rep lodsb over everything
    "load": image(b"\x31\xf6\xb9\xff\xff\xff\xff\xf3\xac\xeb\xf5", True),
    # flat, esp = 0: a stack that no signal frame fits on; jmp $
    "nostack": image(b"\x31\xe4\xeb\xfe", True),
    # flat, esp = f0000000h: not mapped
    "highstack": image(b"\xbc\x00\x00\x00\xf0\xeb\xfe", True),
    # out 80h, al; in al, 61h; jmp
    "ports": image(b"\xe6\x80\xe4\x61\xeb\xfa"),
    # rep outsb to the VGA's memory-less port, and rep insw from IDE
    "stringport": image(b"\xba\xf0\x01\x31\xff\xb9\xff\xff\xf3\x6d\xeb\xf4"),
    # a serial port that is written as fast as it goes
    "flood": image(b"\xba\xf8\x03\xb0\x55\xee\xeb\xfd"),
    # no IDT: the first interrupt is a triple fault, again and again
    "reset": image(b"\xfa\x0f\x01\x1e\x00\x70\xcd\x03", False),
    # code that rewrites itself: inc byte [7c00h + immediate]
    "modify": image(b"\x2e\xfe\x06\x06\x7c\x90\xb0\x00\xeb\xf7"),
    # paging off and on is not here: it needs tables; CR0.TS toggles instead
    "control": image(b"\x0f\x20\xc0\x34\x08\x0f\x22\xc0\xeb\xf6", True),
}
