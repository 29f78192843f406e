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
from hw.inject import Injector
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

FAULT_ALL_ONES = "all-ones"
FAULT_LOST = "lost"
FAULT_REMOVE = "remove"


class DataOnTheirWay(Protocol):
    """What the bus needs of a device's DMA port."""

    in_flight: list[tuple[int, bytes, int]]
    """Data that have left the device and are not in memory yet."""


class BusDevice(Protocol):
    """What the bus needs of a device."""

    name: str
    present: bool
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


class Bus:
    """One bus segment with its posted-write queue. All register accesses of processors pass here."""

    __slots__ = ("_clock", "_record", "_scheduler", "_where", "injector", "logical_offset", "posted", "ram")

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
        self.posted: deque[tuple[BusDevice, Slot, int, Where | None]] = deque()

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
        if slot is None or slot.width != size or self.injector is not None or not device.present:
            slot, value = self._odd_read(device, bar, offset, size)
        else:
            if device.dma.in_flight:
                device.flush()
            value = device.values[slot.index] if slot.plain_read and slot.on_read is None else device.read_register(slot)
        scheduler = self._scheduler
        self._record((clock.now, _READ, scheduler.current.number, device.name, slot.name if slot is not None else offset,
                      size, value))
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
        if slot is None or slot.width != size or value & slot.reserved or self.injector is not None:
            slot, lost = self._odd_write(device, bar, offset, size, value)
        else:
            lost = False
        self._record((clock.now, _WRITE, scheduler.current.number, device.name, slot.name if slot is not None else offset,
                      size, value))
        if slot is not None and not lost:
            posted = self.posted
            posted.append((device, slot, value, self._where.capture() if slot.arms else None))
            if port:
                self.drain()
            elif len(posted) == 1:
                clock.soon(POSTED_NS, self.drain)
        if scheduler.attention:
            scheduler.point()

    def _odd_read(self, device: BusDevice, bar: int, offset: int, size: int) -> tuple[Slot | None, int]:
        """A read that meets no plain register, a fault, or a card that is gone."""
        all_ones = (1 << size * 8) - 1
        slot = device.decode(bar, offset, size, None)
        if slot is None:
            return None, all_ones
        if self.injector is not None:
            effect = self.injector.take(f"register-read:{slot.name}")
            if effect == FAULT_REMOVE:
                device.remove()
            elif effect is not None:
                return slot, all_ones if effect in (FAULT_ALL_ONES, "fail") else int(effect, 0) & all_ones
        if not device.present:
            return slot, all_ones
        device.flush()
        return slot, device.read_register(slot)

    def _odd_write(self, device: BusDevice, bar: int, offset: int, size: int, value: int) -> tuple[Slot | None, bool]:
        """A write that meets no plain register, reserved bits, or a fault; True if it gets lost."""
        slot = device.decode(bar, offset, size, value)
        effect = None
        if self.injector is not None and slot is not None:
            effect = self.injector.take(f"register-write:{slot.name}")
            if effect == FAULT_REMOVE:
                device.remove()
        return slot, effect is not None

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
