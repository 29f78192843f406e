# SPDX-License-Identifier: Apache-2.0
"""PCI configuration space of one function: a type 0 header with base address registers that can be sized and moved.

Sources: PCI Local Bus Specification 2.2, chapter 6; PCI Bus Power Management Interface Specification 1.1. `layout()` states
the header as a `construct` declaration; a test proves that both agree. Capabilities: `hw.pci_capabilities`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hw import pci_capabilities as capability

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
STATUS_CAPABILITIES = 0x0010
STATUS_RECEIVED_TARGET_ABORT = 0x1000
STATUS_RECEIVED_MASTER_ABORT = 0x2000
_STATUS_CLEARS = 0xF900


@dataclass(frozen=True, slots=True)
class Bar:
    """One base address register: number 0 to 5, *size* in bytes (a power of two), in port or memory space. *first* is the offset of
    its first byte in the card's register map: bars that show the same registers begin at the same one."""

    number: int
    size: int
    ports: bool = False
    first: int = 0


class PciConfig:
    """The 256 bytes that NdisReadPciSlotInformation reads. *on_command* is called with each value of the command register,
    *on_power* with the power state before and after a change. *power* and *message* say which capabilities the function has."""

    __slots__ = ("_at_reset", "_bars", "_bytes", "_writable", "has_message", "has_power", "on_command", "on_power", "present")

    def __init__(self, vendor: int, device: int, *, class_code: int = 0x020000, revision: int = 0, bars: tuple[Bar, ...] = (),
                 subsystem: tuple[int, int] = (0, 0), on_command: Callable[[int], None] | None = None, power: bool = False,
                 message: bool = False, on_power: Callable[[int, int], None] | None = None) -> None:
        self.has_power, self.has_message = power, message
        self._at_reset, self._writable = _image(vendor, device, class_code, revision, bars, subsystem, power, message)
        self._bytes = bytearray(self._at_reset)
        self._bars = {BAR0 + 4 * bar.number: bar for bar in bars}
        self.on_command = on_command
        self.on_power = on_power
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
        at = BAR0 + 4 * number
        if self.present and at in self._bars:
            self._write_bar(self._bars[at], at, address.to_bytes(4, "little"))

    def bar(self, number: int) -> int:
        """The address in a base address register, without its type bits."""
        value = int.from_bytes(self._bytes[BAR0 + 4 * number:BAR0 + 4 * number + 4], "little")
        return value & ~3 if value & 1 else value & ~0xF

    def set_interrupt(self, line: int) -> None:
        """The interrupt line that the machine routed the pin to."""
        self._bytes[INTERRUPT_LINE] = line

    @property
    def power_state(self) -> int:
        """The power state of the function, 0 (D0) to 3 (D3hot); 0 for one without the capability."""
        return self._bytes[capability.PMCSR_AT] & 3 if self.has_power else capability.D0

    @power_state.setter
    def power_state(self, value: int) -> None:
        self.write(capability.PMCSR_AT, bytes((value,)))

    @property
    def messages_enabled(self) -> bool:
        """True if the function sends messages in place of pulling INTA."""
        return self.has_message and bool(self._bytes[capability.MESSAGE_CONTROL_AT] & capability.MessageControl.ENABLE.mask)

    def enable_messages(self, address: int, data: int) -> None:
        """Address and data of the one message, then its enable bit, as the system does."""
        self.write(capability.MESSAGE + 4, address.to_bytes(4, "little") + data.to_bytes(2, "little"))
        self.write(capability.MESSAGE_CONTROL_AT, b"\x01\x00")

    def reset(self) -> None:
        """Everything that somebody wrote is lost: bars, the command register, capabilities. The function is in D0."""
        self._bytes[:] = self._at_reset
        if self.on_command is not None:
            self.on_command(0)

    def saved(self) -> tuple[tuple[int, bytes], ...]:
        """What the system's bus driver keeps of a function before it loses power: (offset, bytes) of the base address registers,
        the interrupt line, the message capability and, last, the command register."""
        fields = [(at, 4) for at in self._bars] + [(INTERRUPT_LINE, 1)]
        if self.has_message:
            fields += [(capability.MESSAGE + 4, 6), (capability.MESSAGE_CONTROL_AT, 2)]
        return tuple((at, bytes(self._bytes[at:at + size])) for at, size in [*fields, (COMMAND, 2)])

    def restore(self, saved: tuple[tuple[int, bytes], ...]) -> None:
        """Write back what `saved` returned, and nothing else."""
        for at, data in saved:
            self.write(at, data)

    def set_status(self, bits: int) -> None:
        """The function sets *bits* of its status register; software clears each by writing 1 to it."""
        status = int.from_bytes(self._bytes[STATUS:STATUS + 2], "little") | bits
        self._bytes[STATUS:STATUS + 2] = status.to_bytes(2, "little")

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
        before, state = self.command, self.power_state
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
        if self.power_state != state:
            self._state_changed(state, self.power_state)
        return count

    def _state_changed(self, before: int, after: int) -> None:
        """From D3hot to D0 the function is reset: No_Soft_Reset is 0 (power management 1.1, 5.4)."""
        if before == capability.D3:
            self.reset()
        if self.on_power is not None:
            self.on_power(before, after)

    def _write_byte(self, at: int, value: int) -> None:
        if at in (COMMAND, COMMAND + 1):
            self._bytes[at] = value & (_COMMAND_WRITABLE >> 8 * (at - COMMAND)) & 0xFF
        elif at in (STATUS, STATUS + 1):
            self._bytes[at] &= ~(value & (_STATUS_CLEARS >> 8 * (at - STATUS)) & 0xFF) & 0xFF
        elif at in (CACHE_LINE_SIZE, LATENCY_TIMER, INTERRUPT_LINE):
            self._bytes[at] = value
        elif at == capability.PMCSR_AT and self.has_power:
            if capability.may_change(self.power_state, value & 3):
                self._bytes[at] = self._bytes[at] & ~3 | value & 3
        elif at in self._writable:
            mask = self._writable[at]
            self._bytes[at] = self._bytes[at] & ~mask | value & mask

    def _write_bar(self, bar: Bar, at: int, data: bytes) -> int:
        base = at & ~3
        current = bytearray(self._bytes[base:base + 4])
        count = min(len(data), 4 - (at - base))
        current[at - base:at - base + count] = data[:count]
        value = int.from_bytes(current, "little") & ~(bar.size - 1) & 0xFFFFFFFF
        self._bytes[base:base + 4] = (value | (1 if bar.ports else 0)).to_bytes(4, "little")
        return count


@cache
def _image(vendor: int, device: int, class_code: int, revision: int, bars: tuple[Bar, ...], subsystem: tuple[int, int], power: bool,
           message: bool) -> tuple[bytes, Mapping[int, int]]:
    """The space after reset, and the writable bits of the capabilities by offset: the same for all functions of a kind."""
    image = bytearray(SIZE)
    image[0:4] = (vendor | device << 16).to_bytes(4, "little")
    image[REVISION_ID] = revision
    image[CLASS_CODE:CLASS_CODE + 3] = class_code.to_bytes(3, "little")
    image[SUBSYSTEM_VENDOR_ID:SUBSYSTEM_VENDOR_ID + 4] = (subsystem[0] | subsystem[1] << 16).to_bytes(4, "little")
    image[INTERRUPT_PIN] = 1
    for bar in bars:
        image[BAR0 + 4 * bar.number] = 1 if bar.ports else 0
    chosen = [capability.POWER_CAPABILITY] * power + [capability.MESSAGE_CAPABILITY] * message
    writable = capability.install(image, tuple(chosen))
    if chosen:
        image[STATUS] |= STATUS_CAPABILITIES
    return bytes(image), writable


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
