# SPDX-License-Identifier: Apache-2.0
"""One channel of the DMA controllers: address, count and mode, and how a slave device's bytes get to memory and back.

Data sheet: ``docs/hardware/i8237.md``, sections 1, 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hw import dma_rules as rules
from hw.dma import DmaPort
from hw.i8237_registers import (
    CASCADE_CHANNEL,
    MODE,
    PAGE_PORTS,
    REMEDY,
    SELECT,
    Service,
    Transfer,
    address_port,
    control_port,
    count_port,
)
from hw.limits import PRESETS, DmaLimits
from verifier.address import KIB, Span, hex_address
from verifier.errors import NotModelledError, UsageError
from verifier.where import Where

if TYPE_CHECKING:
    from hw.i8237 import I8237, Controller

BYTE_LIMITS: DmaLimits = PRESETS["i8237"]
"""Limits of a device on channel 0 to 3."""
WORD_LIMITS: DmaLimits = replace(BYTE_LIMITS, name="i8237-word", boundary=128 * KIB, alignment=2, max_length=128 * KIB)
"""Limits of a device on channel 5 to 7."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What one request of a slave device came to."""

    length: int
    """Bytes that moved."""
    terminal_count: bool = False
    """True if the count ran out, which the controller tells the device by its TC line."""
    data: bytes = b""
    """What the device got, for a read."""
    held: str = ""
    """Why not everything moved, in words; empty if it did."""


class Channel:
    """One channel. *number* is 0 to 7; *width* the bytes of one unit, 1 or 2; *address* and *count* are in units."""

    def __init__(self, pair: I8237, controller: Controller, number: int) -> None:
        self.number = number
        self.width = 2 if number >= CASCADE_CHANNEL else 1
        self.limits = WORD_LIMITS if self.width == 2 else BYTE_LIMITS
        self.page = 0
        self.base_address = self.address = 0
        self.base_count = self.count = 0
        self.mode = 0
        self.masked = True
        self.terminal_count = False
        """The bit in STATUS: the count ran out since it was last read."""
        self.requesting = False
        """The device holds its DREQ line; only STATUS shows it."""
        self.software_request = False
        self.armed_by: Where | None = None
        """The line of the miniport that opened the channel."""
        self._pair = pair
        self._controller = controller
        self._checked = False
        """True once the whole transfer that is programmed was held against the window."""

    # What software and the tests ask

    @property
    def service(self) -> Service:
        """Demand, single, block or cascade."""
        return Service(MODE.SERVICE.get(self.mode))

    @property
    def auto_initializes(self) -> bool:
        """True if address and count start over by themselves when the count runs out."""
        return bool(MODE.AUTO_INITIALIZE.get(self.mode))

    @property
    def counts_down(self) -> bool:
        """True if the address goes down after each unit."""
        return bool(MODE.DECREMENT.get(self.mode))

    @property
    def window(self) -> Span:
        """The block that page register and address counter can name together."""
        size = self.limits.boundary
        return Span((self.page << 16) & ~(size - 1), size)

    @property
    def bus_address(self) -> int:
        """The address on the bus of the next unit. On a word channel A0 is 0 and bit 0 of the page register unused."""
        return self.window.start + self.address * self.width

    @property
    def bytes_left(self) -> int:
        """What the count register says is left, as a HAL works it out: 0 at the end. A transfer of 64 K units that has
        not begun gives 0, too: the register cannot tell the two apart."""
        return (self.count + 1 & 0xFFFF) * self.width

    def obstacle(self) -> str:
        """In words, why a request on this channel is not granted; empty if it is."""
        if self._controller.disabled:
            return f"the controller of channel {self.number} is disabled"
        if self.masked and not (self.software_request and self.service is Service.BLOCK):
            return f"channel {self.number} is masked"
        if self.number < CASCADE_CHANNEL:
            cascade = self._pair.channels[CASCADE_CHANNEL]
            if cascade.service is not Service.CASCADE:
                return "channel 4 is not in cascade mode"
            return cascade.obstacle()
        return ""

    # What a HAL does

    def program(self, address: int, length: int, *, to_device: bool, auto_initialize: bool = False, decrement: bool = False,
                service: Service = Service.SINGLE) -> None:
        """Mask the channel, set it up for *length* bytes at the bus address *address*, and open it, port by port.

        With *decrement*, *address* is that of the last unit. `UsageError` for what the registers cannot hold: addresses of
        more than 24 bits, lengths of 0 or of more than 64 K units, half words. Crossing the window can be programmed.
        """
        self._pair.device_channel(self.number)
        if not 0 <= address <= self.limits.last:
            raise UsageError(f"{hex_address(address)} is beyond the 24 address bits of the DMA controllers",
                             "copy through memory below 16 MB")
        if not self.width <= length <= self.limits.max_length or (address | length) & self.width - 1:
            raise UsageError(f"0x{length:x} bytes at {hex_address(address)} on DMA channel {self.number}",
                             f"it moves 1 to 65536 units of {self.width} bytes, aligned to their size")
        write, controller, bit = self._pair.write_port, self.number >> 2, self.number & 3
        units, count = address // self.width & 0xFFFF, length // self.width - 1
        transfer = Transfer.READ if to_device else Transfer.WRITE
        write(control_port(controller, "MASK"), SELECT.SET.put(1) | bit)
        write(control_port(controller, "CLEAR_FLIP_FLOP"), 0)
        write(control_port(controller, "MODE"), MODE.SERVICE.put(service) | MODE.DECREMENT.put(decrement)
              | MODE.AUTO_INITIALIZE.put(auto_initialize) | MODE.TRANSFER.put(transfer) | bit)
        for port, value in ((address_port(self.number), units), (count_port(self.number), count)):
            write(port, value & 0xFF)
            write(port, value >> 8)
        write(PAGE_PORTS[self.number], address >> 16)
        write(control_port(controller, "MASK"), bit)

    def open_cascade(self) -> None:
        """Let the ISA bus master on this channel through: mode 0xC0 and the channel, mask clear."""
        controller, bit = self.number >> 2, self.number & 3
        self._pair.write_port(control_port(controller, "MODE"), MODE.SERVICE.put(Service.CASCADE) | bit)
        self._pair.write_port(control_port(controller, "MASK"), bit)

    def close(self) -> None:
        """Mask the channel."""
        self._pair.write_port(control_port(self.number >> 2, "MASK"), SELECT.SET.put(1) | self.number & 3)

    # What a slave device does

    def port(self, device: str, adapter: int) -> DmaPort:
        """The way to memory of the slave *device* of *adapter* on this channel."""
        self._pair.device_channel(self.number)
        port = self._pair.machine.dma_port(device, adapter, self.limits)
        port.bus_master = True  # the controller is
        return port

    def read(self, port: DmaPort, length: int, purpose: str) -> Moved:
        """The device takes *length* bytes from memory. `UsageError` for half a word."""
        return self._transfer(port, Transfer.READ, b"", length, purpose, 0)

    def write(self, port: DmaPort, data: bytes, purpose: str, tag: int = 0) -> Moved:
        """The device puts *data* into memory, where they are when the call returns. `UsageError` for half a word."""
        return self._transfer(port, Transfer.WRITE, data, len(data), purpose, tag)

    def _transfer(self, port: DmaPort, wanted: Transfer, data: bytes, length: int, purpose: str, tag: int) -> Moved:
        if port.limits != self.limits:
            raise UsageError(f"{port.device} has limits {port.limits.name}; DMA channel {self.number} has {self.limits.name}",
                             "make the port of a slave device with Channel.port")
        if length % self.width:
            raise UsageError(f"{port.device}: {length} bytes on DMA channel {self.number}, which moves words", "give whole words")
        if port.parked or not port.bus_master:
            return Moved(0, held=f"{port.device} is gone")
        held = self._held(port, wanted)
        if held:
            return Moved(0, held=held)
        if self.armed_by is not None:
            port.armed_by = self.armed_by
        moved, got, ended = 0, bytearray(), False
        while moved < length:
            size = min(length - moved, (self.count + 1) * self.width)
            got += self._run(port, wanted, data[moved:moved + size], size, purpose, tag)
            moved += size
            if self._count_off(size // self.width):
                ended = True
                if not self.auto_initializes or self.service is Service.BLOCK:
                    break
        return Moved(moved, ended, bytes(got), "" if moved == length else f"terminal count of channel {self.number}")

    def _held(self, port: DmaPort, wanted: Transfer) -> str:
        """Why nothing moves, in words; a finding if the channel goes the other way."""
        obstacle = self.obstacle()
        if obstacle:
            return obstacle
        if self.service is Service.CASCADE:
            return f"channel {self.number} is in cascade mode: it moves nothing for a slave"
        programmed = Transfer(MODE.TRANSFER.get(self.mode))
        if programmed is Transfer.VERIFY:
            raise NotModelledError(f"verify transfer on DMA channel {self.number}: its mode was never written", REMEDY)
        if programmed is not wanted:
            self._pair.machine.findings.report(
                rules.DIRECTION, f"{port.device} wants to {wanted.name.lower()} memory over DMA channel {self.number}, which is "
                f"programmed to {programmed.name.lower()} memory; nothing moves", where=self.armed_by,
                subject=(port.device, "DMA channel", self.number))
            return f"channel {self.number} is programmed for the other direction"
        return ""

    def _run(self, port: DmaPort, wanted: Transfer, data: bytes, size: int, purpose: str, tag: int) -> bytes:
        """Move *size* bytes, at most up to the terminal count. Upwards the port wraps by its limits."""
        if not self.counts_down:
            whole = (self.count + 1) * self.width
            if not self._checked and size < whole:
                port.check_reach(self.bus_address, whole)
            self._checked = True
            return self._access(port, wanted, self.bus_address, data, size, purpose, tag)
        if not self._checked:
            self._check_downwards(port)
        first = min(size, (self.address + 1) * self.width)
        got = self._access_down(port, wanted, self.bus_address + self.width - first, data[:first], first, purpose, tag)
        if first < size:
            rest = size - first
            got += self._access_down(port, wanted, self.window.end - rest, data[first:], rest, purpose, tag)
        return got

    def _access_down(self, port: DmaPort, wanted: Transfer, low: int, data: bytes, size: int, purpose: str, tag: int) -> bytes:
        """Move the units from the highest address to the lowest."""
        return self._turned(self._access(port, wanted, low, self._turned(data), size, purpose, tag))

    def _access(self, port: DmaPort, wanted: Transfer, address: int, data: bytes, size: int, purpose: str, tag: int) -> bytes:
        """One run on the bus. The counters go on whatever answers: an ISA bus knows no abort and floats high."""
        if wanted is Transfer.WRITE:
            port.write(address, data, purpose, tag)
            port.flush()  # an ISA bus has no write buffer
            return b""
        got = port.read(address, size, purpose)
        return b"\xff" * size if got is None else got

    def _turned(self, data: bytes) -> bytes:
        """*data* with its units in reverse order."""
        if self.width == 1:
            return data[::-1]
        return b"".join(data[at:at + 2] for at in range(len(data) - 2, -1, -2))

    def _check_downwards(self, port: DmaPort) -> None:
        """Hold the whole programmed transfer against the lower end of the window: the limits speak of counting up."""
        self._checked = True
        below = self.count - self.address
        if below <= 0:
            return
        machine, window = self._pair.machine, self.window
        lands = Span(window.end - below * self.width, below * self.width)
        physical = machine.bus.to_physical(lands.start)
        victim, hit = machine.book.victim(physical, lands.size)
        own = machine.book.find(machine.bus.to_physical(self.bus_address), self.width)
        machine.findings.report(
            rules.DMA_BOUNDARY, f"{port.device}: {own.name if own is not None else 'memory'}, 0x{(self.count + 1) * self.width:x} "
            f"bytes downwards from {hex_address(self.bus_address)}, crosses {hex_address(window.start)}, a multiple of "
            f"0x{window.size:x}; silicon goes to {lands}: {victim}", where=self.armed_by, space="logical",
            span=Span(window.start, self.bus_address + self.width - window.start), block=own,
            subject=() if hit is None else (hit,), goes_wrong_at=window.start)

    def _count_off(self, units: int) -> bool:
        """Move the counters on by *units*; True at terminal count, which masks the channel or starts it over."""
        step = -units if self.counts_down else units
        self.address = self.address + step & 0xFFFF
        ended = units > self.count
        self.count = self.count - units & 0xFFFF
        if ended:
            self.terminal_count = True
            self.software_request = False
            if self.auto_initializes:
                self.address, self.count = self.base_address, self.base_count
            else:
                self.masked = True
        return ended

    # Registers

    def read_half(self, register: str) -> int:
        """One byte of the current address or count; turns the flip-flop."""
        value = self.address if register == "ADDRESS" else self.count
        high = self._turn()
        return value >> 8 if high else value & 0xFF

    def write_half(self, register: str, value: int) -> None:
        """One byte of base and current address or count; turns the flip-flop."""
        base = self.base_address if register == "ADDRESS" else self.base_count
        current = self.address if register == "ADDRESS" else self.count
        keep, shift = (0x00FF, 8) if self._turn() else (0xFF00, 0)
        base, current = base & keep | value << shift, current & keep | value << shift
        if register == "ADDRESS":
            self.base_address, self.address = base, current
        else:
            self.base_count, self.count = base, current
        self._checked = False

    def set_page(self, value: int) -> None:
        """Write the page register, which holds A16 to A23."""
        self.page = value
        self._checked = False

    def set_mode(self, value: int) -> None:
        """Write the mode register. `NotModelledError` for verify transfers and for the illegal transfer type."""
        if MODE.SERVICE.get(value) != Service.CASCADE:
            transfer = Transfer(MODE.TRANSFER.get(value))
            if transfer in (Transfer.VERIFY, Transfer.ILLEGAL):
                raise NotModelledError(
                    f"DMA channel {self.number} MODE: {transfer.name.lower()} transfer (0x{value:02x}) is not modelled", REMEDY)
        self.mode = value
        self._checked = False

    def set_mask(self, masked: bool) -> None:
        """Close or open the channel; who opens it answers for what it does."""
        self.masked = masked
        if not masked:
            self.armed_by = self._pair.machine.where.capture()

    def _turn(self) -> bool:
        """Turn the flip-flop; True if this access meets the high byte."""
        high = self._controller.high_byte
        self._controller.high_byte = not high
        return high
