# SPDX-License-Identifier: Apache-2.0
"""The bus: registers of devices in memory and port space, posted writes, and how a logical address becomes physical.

Writes to memory-mapped registers are *posted*: they wait in a queue that any read from a device, a port access or the
passing of `POSTED_NS` drains, in order. Port accesses are not posted. Reading a register also brings in the data that
the device has on its way to memory: until then an interrupt may overtake them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from hw.clock import Clock
from hw.inject import Fault, Injector
from hw.processor import Scheduler
from hw.register import Slot
from verifier.events import EventRecord, Kind
from verifier.where import Where, WhereCell

if TYPE_CHECKING:
    from hw.ram import Ram

WRITE_NS = 40
READ_NS = 400
PORT_NS = 600
POSTED_NS = 1_000

_READ, _WRITE = int(Kind.REGISTER_READ), int(Kind.REGISTER_WRITE)

FAULT_REMOVE = "remove"


class SlowBits:
    """Bits of one register that stay set although the card has cleared them: for *left* more reads, None for ever."""

    __slots__ = ("bits", "fault", "left")

    def __init__(self, bits: int, left: int | None, fault: Fault | None) -> None:
        self.bits = bits
        self.left = left
        self.fault = fault


class DataOnTheirWay(Protocol):
    """What the bus needs of a device's DMA port."""

    in_flight: list[tuple[int, bytes, int]]
    """Data that have left the device and are not in memory yet."""


class BusDevice(Protocol):
    """What the bus needs of a device."""

    name: str
    present: bool
    answers: tuple[bool, bool]
    """Whether the device decodes memory accesses, and whether accesses to ports."""
    armed_by: Where | None
    values: list[int]

    @property
    def slots(self) -> dict[int, Slot]:
        """Registers by offset; empty for a device that decodes for itself."""

    @property
    def dma(self) -> DataOnTheirWay:
        """The device's DMA port."""

    def decode(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        """The register that an access meets; None (after a finding) if there is none. *value* is None for a read."""

    def read_register(self, slot: Slot) -> int:
        """Read with side effects."""

    def write_register(self, slot: Slot, value: int) -> None:
        """Write with side effects."""

    def flush(self) -> None:
        """Bring the data on their way to memory home."""

    def remove(self) -> None:
        """The device is pulled out: no DMA, no interrupt, reads give all ones."""

    def slow_bits_of(self, register: str) -> int:
        """Bits of a register that the device may clear late."""


class Bus:
    """One bus segment with its posted-write queue. All register accesses of processors pass here."""

    __slots__ = ("_clock", "_counted", "_last", "_record", "_scheduler", "_slow", "_thorough", "_where", "injector", "logical_offset",
                 "posted", "ram")

    def __init__(self, clock: Clock, events: EventRecord, scheduler: Scheduler, where: WhereCell, ram: Ram,
                 logical_offset: int = 0, injector: Injector | None = None) -> None:
        self._clock = clock
        self._record = events.append
        self._scheduler = scheduler
        self._where = where
        self.ram = ram
        self.logical_offset = logical_offset
        """Logical address minus physical address, the same for the whole RAM."""
        self.injector = injector
        self._thorough = injector is not None and injector.concerns("register-")
        """True if a fault may meet a register access."""
        self._counted = None if self._thorough else injector
        """Where accesses are counted that no fault meets; None where nobody counts."""
        self.posted: deque[tuple[BusDevice, Slot, int, Where | None]] = deque()
        self._last: dict[tuple[str, str], int] = {}
        """What each register showed last, by device and register, in worlds with an injector."""
        self._slow: dict[tuple[str, str], SlowBits] = {}

    def read(self, device: BusDevice, bar: int, offset: int, size: int, port: bool = False) -> int:
        """A processor reads *size* bytes of a register; all ones where nothing answers."""
        clock = self._clock
        end = clock.now + (PORT_NS if port else READ_NS)
        if clock.due <= end or end > clock.limit:
            clock.advance(end - clock.now)
        else:
            clock.now = end
        if self.posted:
            self.drain()
        slot = device.slots.get(offset)
        if slot is None or slot.width != size or self._thorough or not device.answers[port]:
            slot, value = self._odd_read(device, bar, offset, size, port)
            name: str | int = slot.name if slot is not None else offset
        else:
            name = slot.name
            if self._counted is not None:
                tally = self._counted.tally
                tally["register-access"] += 1
                tally[slot.read_point] += 1
            if device.dma.in_flight:
                device.flush()
            value = device.values[slot.index] if slot.inert_read else device.read_register(slot)
        scheduler = self._scheduler
        self._record((clock.now, _READ, scheduler.current.number, device.name, name, size, value))
        if scheduler.attention:
            scheduler.point()
        return value

    def write(self, device: BusDevice, bar: int, offset: int, size: int, value: int, port: bool = False) -> None:
        """A processor writes *size* bytes of a register."""
        clock = self._clock
        end = clock.now + (PORT_NS if port else WRITE_NS)
        if clock.due <= end or end > clock.limit:
            clock.advance(end - clock.now)
        else:
            clock.now = end
        slot = device.slots.get(offset)
        scheduler = self._scheduler
        if slot is None or slot.width != size or value & slot.reserved or self._thorough or not device.answers[port]:
            slot, lost = self._odd_write(device, bar, offset, size, value, port)
            name: str | int = slot.name if slot is not None else offset
            lost = lost or slot is None
        else:
            lost, name = False, slot.name
            if self._counted is not None:
                tally = self._counted.tally
                tally["register-access"] += 1
                tally[slot.write_point] += 1
        self._record((clock.now, _WRITE, scheduler.current.number, device.name, name, size, value))
        if not lost and slot is not None:
            posted = self.posted
            posted.append((device, slot, value, self._where.capture(2) if slot.arms else None))
            if port:
                self.drain()
            elif len(posted) == 1:
                clock.soon(POSTED_NS, self.drain)
        if scheduler.attention:
            scheduler.point()

    def _odd_read(self, device: BusDevice, bar: int, offset: int, size: int, port: bool) -> tuple[Slot | None, int]:
        """A read that meets no plain register, a fault, or a card that is gone or does not decode."""
        all_ones = (1 << size * 8) - 1
        slot = device.decode(bar, offset, size, None)
        if slot is None:
            return None, all_ones
        injector = self.injector
        if injector is None:
            if not device.answers[port]:
                return slot, all_ones
            device.flush()
            return slot, device.read_register(slot)
        self._access(injector, device)
        name = slot.read_point
        effect = injector.take(name)
        slow = effect is not None and (effect == "never" or effect.startswith("slow-"))
        if effect is not None and not device.present:
            injector.without_effect(name, "the card is gone")
        elif effect == FAULT_REMOVE:
            device.remove()
        elif effect is not None and not slow:  # the read never reaches the card
            return slot, int(effect, 0) & all_ones if effect.startswith("0x") else all_ones
        if not device.answers[port]:
            return slot, all_ones
        device.flush()
        value = device.read_register(slot)
        if slow and effect is not None:
            self._slow_from(device, slot, effect, value)
        return slot, self._seen(device.name, slot.name, value)

    def _access(self, injector: Injector, device: BusDevice) -> None:
        """One register access of any kind: the card may be pulled out at it."""
        if injector.take("register-access") is not None:
            if device.present:
                device.remove()
            else:
                injector.without_effect("register-access", "the card is gone")

    def _slow_from(self, device: BusDevice, slot: Slot, effect: str, value: int) -> None:
        """From this read on the bits that were set before, or are now, stay set for a while."""
        name = slot.name
        bits = device.slow_bits_of(name) & (self._last.get((device.name, name), 0) | value)
        assert self.injector is not None
        fault = self.injector.without_effect(slot.read_point, "no bit that was set fell afterwards")
        self._slow[device.name, name] = SlowBits(bits, int(effect[5:]) if effect != "never" else None, fault)

    def _seen(self, device: str, register: str, value: int) -> int:
        """What a read shows: *value*, and the bits that are slow."""
        slow = self._slow.get((device, register))
        if slow is not None:
            if slow.left is None or slow.left > 0:
                if slow.bits & ~value and self.injector is not None:
                    self.injector.had_effect(slow.fault)
                value |= slow.bits
                if slow.left is not None:
                    slow.left -= 1
            else:
                del self._slow[device, register]
        self._last[device, register] = value
        return value

    def _odd_write(self, device: BusDevice, bar: int, offset: int, size: int, value: int, port: bool) -> tuple[Slot | None, bool]:
        """A write that meets no plain register, reserved bits, a fault, or a card that does not decode; True if it gets lost."""
        slot = device.decode(bar, offset, size, value)
        injector = self.injector
        if injector is None or slot is None:
            return slot, not device.answers[port]
        self._access(injector, device)
        name = slot.write_point
        effect = injector.take(name)
        if effect is None:
            return slot, not device.answers[port]
        if not device.present:
            injector.without_effect(name, "the card is gone")
        elif effect == FAULT_REMOVE:
            device.remove()
        elif effect != "torn":
            return slot, True
        elif not (value ^ device.values[slot.index]) >> 16:
            injector.without_effect(name, "the upper half of the register does not change")
        else:
            kept = device.values[slot.index] & slot.writable & 0xFFFF0000
            self.posted.append((device, slot, value & 0xFFFF | kept, self._where.capture() if slot.arms else None))
            self.drain()
        return slot, False

    def drain(self) -> None:
        """All posted writes reach their devices, in order."""
        posted = self.posted
        self._clock.call_off()
        while posted:
            device, slot, value, where = posted.popleft()
            if device.present:
                if where is not None:
                    device.armed_by = where
                device.write_register(slot, value)

    def to_physical(self, logical: int) -> int:
        """The physical address of a logical one; may be negative or without memory, which the caller checks."""
        return logical - self.logical_offset

    def to_logical(self, physical: int) -> int:
        """The logical address under which a device sees *physical*."""
        return physical + self.logical_offset
