# SPDX-License-Identifier: Apache-2.0
"""PCI configuration space of one function: a type 0 header with base address registers that can be sized and moved.

Source: PCI Local Bus Specification 2.2, chapter 6. `layout()` states the header as a `construct` declaration; a test
proves that both agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SIZE = 256

VENDOR_ID = 0x00
DEVICE_ID = 0x02
COMMAND = 0x04
STATUS = 0x06
REVISION_ID = 0x08
CLASS_CODE = 0x09
CACHE_LINE_SIZE = 0x0C
LATENCY_TIMER = 0x0D
HEADER_TYPE = 0x0E
BAR0 = 0x10
SUBSYSTEM_VENDOR_ID = 0x2C
SUBSYSTEM_ID = 0x2E
INTERRUPT_LINE = 0x3C
INTERRUPT_PIN = 0x3D

COMMAND_IO = 0x0001
COMMAND_MEMORY = 0x0002
COMMAND_BUS_MASTER = 0x0004
_COMMAND_WRITABLE = 0x0147
STATUS_RECEIVED_MASTER_ABORT = 0x2000
_STATUS_CLEARS = 0xF900


@dataclass(frozen=True, slots=True)
class Bar:
    """One base address register: number 0 to 5, *size* in bytes (a power of two), in port or memory space."""

    number: int
    size: int
    ports: bool = False


class PciConfig:
    """The 256 bytes that NdisReadPciSlotInformation reads. *on_command* is called with each value of the command register."""

    __slots__ = ("_bars", "_bytes", "on_command", "present")

    def __init__(self, vendor: int, device: int, *, class_code: int = 0x020000, revision: int = 0, bars: tuple[Bar, ...] = (),
                 subsystem: tuple[int, int] = (0, 0), on_command: Callable[[int], None] | None = None) -> None:
        image = bytearray(SIZE)
        image[0:4] = (vendor | device << 16).to_bytes(4, "little")
        image[REVISION_ID] = revision
        image[CLASS_CODE:CLASS_CODE + 3] = class_code.to_bytes(3, "little")
        image[SUBSYSTEM_VENDOR_ID:SUBSYSTEM_VENDOR_ID + 4] = (subsystem[0] | subsystem[1] << 16).to_bytes(4, "little")
        image[INTERRUPT_PIN] = 1
        for bar in bars:
            image[BAR0 + 4 * bar.number] = 1 if bar.ports else 0
        self._bytes = image
        self._bars = {BAR0 + 4 * bar.number: bar for bar in bars}
        self.on_command = on_command
        self.present = True

    @property
    def command(self) -> int:
        """The command register."""
        return self._bytes[COMMAND] | self._bytes[COMMAND + 1] << 8

    @command.setter
    def command(self, value: int) -> None:
        self.write(COMMAND, value.to_bytes(2, "little"))

    def set_bar(self, number: int, address: int) -> None:
        """Place a base address register, as the firmware of the machine does."""
        self.write(BAR0 + 4 * number, address.to_bytes(4, "little"))

    def bar(self, number: int) -> int:
        """The address in a base address register, without its type bits."""
        value = int.from_bytes(self._bytes[BAR0 + 4 * number:BAR0 + 4 * number + 4], "little")
        return value & ~3 if value & 1 else value & ~0xF

    def set_interrupt(self, line: int) -> None:
        """The interrupt line that the machine routed the pin to."""
        self._bytes[INTERRUPT_LINE] = line

    def read(self, offset: int, length: int) -> bytes:
        """Bytes from *offset* on; all ones beyond the space and from a function that is gone."""
        if not self.present:
            return b"\xff" * length
        return bytes(self._bytes[offset:offset + length]).ljust(length, b"\xff")

    def write(self, offset: int, data: bytes) -> int:
        """Write bytes where the header lets one; returns how many bytes lay in the space."""
        count = max(0, min(len(data), SIZE - offset))
        if not self.present:
            return count
        before = self.command
        i = 0
        while i < count:
            at = offset + i
            bar = self._bars.get(at & ~3)
            if bar is not None:
                i += self._write_bar(bar, at, data[i:count])
                continue
            self._write_byte(at, data[i])
            i += 1
        if self.command != before and self.on_command is not None:
            self.on_command(self.command)
        return count

    def _write_byte(self, at: int, value: int) -> None:
        if at in (COMMAND, COMMAND + 1):
            self._bytes[at] = value & (_COMMAND_WRITABLE >> 8 * (at - COMMAND)) & 0xFF
        elif at in (STATUS, STATUS + 1):
            self._bytes[at] &= ~(value & (_STATUS_CLEARS >> 8 * (at - STATUS)) & 0xFF) & 0xFF
        elif at in (CACHE_LINE_SIZE, LATENCY_TIMER, INTERRUPT_LINE):
            self._bytes[at] = value

    def _write_bar(self, bar: Bar, at: int, data: bytes) -> int:
        base = at & ~3
        current = bytearray(self._bytes[base:base + 4])
        count = min(len(data), 4 - (at - base))
        current[at - base:at - base + count] = data[:count]
        value = int.from_bytes(current, "little") & ~(bar.size - 1) & 0xFFFFFFFF
        self._bytes[base:base + 4] = (value | (1 if bar.ports else 0)).to_bytes(4, "little")
        return count


def layout() -> Any:
    """The type 0 header as a `construct` declaration, for readers of dumps and for tests."""
    from construct import Array, Bytes, Int8ul, Int16ul, Int24ul, Int32ul, Padding, Struct
    return Struct(
        "vendor_id" / Int16ul, "device_id" / Int16ul, "command" / Int16ul, "status" / Int16ul, "revision_id" / Int8ul,
        "class_code" / Int24ul, "cache_line_size" / Int8ul, "latency_timer" / Int8ul, "header_type" / Int8ul,
        "bist" / Int8ul, "bars" / Array(6, Int32ul), "cardbus_cis" / Int32ul, "subsystem_vendor_id" / Int16ul,
        "subsystem_id" / Int16ul, "expansion_rom" / Int32ul, "capabilities" / Int8ul, Padding(7),
        "interrupt_line" / Int8ul, "interrupt_pin" / Int8ul, "min_gnt" / Int8ul, "max_lat" / Int8ul,
        "device_specific" / Bytes(192))
