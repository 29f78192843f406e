# SPDX-License-Identifier: Apache-2.0
"""Pointers of a Python miniport: views of memory and of device registers that check bounds, life and ownership."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hw.processor_port import ProcessorPort
from verifier.address import VirtualAddress, hex_address
from verifier.address_book import Block

if TYPE_CHECKING:
    from hw.bus import Bus, BusDevice

_U16, _U32, _U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")


class View:
    """A pointer into a block of memory. ``view + n`` is the pointer *n* bytes further on; `length` is what is left of
    the block from there. Offsets are in bytes, values little-endian."""

    __slots__ = ("block", "offset", "port")

    def __init__(self, port: ProcessorPort, block: Block, offset: int = 0) -> None:
        self.port = port
        self.block = block
        self.offset = offset

    @property
    def address(self) -> VirtualAddress:
        """The virtual address that the pointer holds."""
        return VirtualAddress(self.block.virtual + self.offset)

    @property
    def length(self) -> int:
        """Bytes of the block from here on."""
        return self.block.size - self.offset

    def __add__(self, count: int) -> View:
        return View(self.port, self.block, self.offset + count)

    def __sub__(self, count: int) -> View:
        return View(self.port, self.block, self.offset - count)

    def __int__(self) -> int:
        return self.block.virtual + self.offset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and int(self) == int(other)

    def __hash__(self) -> int:
        return hash(int(self))

    def __repr__(self) -> str:
        return f"<View {hex_address(int(self))} of {self.block.name}>"

    def read(self, offset: int, size: int) -> bytes:
        """*size* bytes from *offset* on."""
        return self.port.load(self.block, self.offset + offset, size)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Store *data* at *offset*, as one store."""
        self.port.store(self.block, self.offset + offset, data)

    def fill(self, offset: int, size: int, value: int = 0) -> None:
        """Store *size* bytes of *value* at *offset*."""
        self.port.store(self.block, self.offset + offset, bytes((value,)) * size)

    def read_uchar(self, offset: int = 0) -> int:
        """One byte."""
        return self.port.load(self.block, self.offset + offset, 1)[0]

    def read_ushort(self, offset: int = 0) -> int:
        """Two bytes."""
        value: int = _U16.unpack(self.port.load(self.block, self.offset + offset, 2))[0]
        return value

    def read_ulong(self, offset: int = 0) -> int:
        """Four bytes."""
        value: int = _U32.unpack(self.port.load(self.block, self.offset + offset, 4))[0]
        return value

    def read_ulonglong(self, offset: int = 0) -> int:
        """Eight bytes."""
        value: int = _U64.unpack(self.port.load(self.block, self.offset + offset, 8))[0]
        return value

    def write_uchar(self, offset: int, value: int) -> None:
        """One byte; bits above it are dropped, as C does."""
        self.port.store(self.block, self.offset + offset, bytes((value & 0xFF,)))

    def write_ushort(self, offset: int, value: int) -> None:
        """Two bytes; bits above them are dropped, as C does."""
        self.port.store(self.block, self.offset + offset, _U16.pack(value & 0xFFFF))

    def write_ulong(self, offset: int, value: int) -> None:
        """Four bytes; bits above them are dropped, as C does."""
        self.port.store(self.block, self.offset + offset, _U32.pack(value & 0xFFFFFFFF))

    def write_ulonglong(self, offset: int, value: int) -> None:
        """Eight bytes; bits above them are dropped, as C does."""
        self.port.store(self.block, self.offset + offset, _U64.pack(value & 0xFFFFFFFFFFFFFFFF))


class RegisterWindow:
    """A pointer to registers of a device: mapped memory (NdisMMapIoSpace) or ports (NdisMRegisterIoPortRange).

    It reaches nothing by itself: the register and port routines take it, with the offset of the register.
    """

    __slots__ = ("bar", "base", "bus", "device", "length", "live", "ports", "start")

    def __init__(self, bus: Bus, device: BusDevice, bar: int, start: int, length: int, ports: bool, base: int = 0) -> None:
        self.bus = bus
        self.device = device
        self.bar = bar
        self.start = start
        """Physical address or port number of the first register."""
        self.length = length
        self.ports = ports
        self.base = base
        """Offset of the window's first byte in the base address register."""
        self.live = True

    def __repr__(self) -> str:
        kind = "ports" if self.ports else "registers"
        return f"<{kind} {hex_address(self.start)}, 0x{self.length:x} bytes, of {self.device.name}>"
