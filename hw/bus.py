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

FAULT_ALL_ONES = "all-ones"
FAULT_LOST = "lost"
FAULT_REMOVE = "remove"


class BusDevice(Protocol):
    """What the bus needs of a device."""

    name: str
    present: bool
    armed_by: Where | None

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

    __slots__ = ("_clock", "_events", "_scheduler", "_where", "injector", "logical_offset", "posted", "ram")

    def __init__(self, clock: Clock, events: EventRecord, scheduler: Scheduler, where: WhereCell, ram: Ram,
                 logical_offset: int = 0, injector: Injector | None = None) -> None:
        self._clock = clock
        self._events = events
        self._scheduler = scheduler
        self._where = where
        self.ram = ram
        self.logical_offset = logical_offset
        """Logical address minus physical address, the same for the whole RAM."""
        self.injector = injector
        self.posted: deque[tuple[BusDevice, Slot, int, Where | None]] = deque()

    def read(self, device: BusDevice, bar: int, offset: int, size: int, *, port: bool = False) -> int:
        """A processor reads *size* bytes of a register; all ones where nothing answers."""
        clock = self._clock
        end = clock.now + (PORT_NS if port else READ_NS)
        if clock.due <= end or end > clock.limit:
            clock.advance(end - clock.now)
        else:
            clock.now = end
        if self.posted:
            self.drain()
        slot = device.decode(bar, offset, size, None)
        if self.injector is not None and slot is not None:
            effect = self.injector.take(f"register-read:{slot.name}")
            if effect == FAULT_REMOVE:
                device.remove()
            elif effect is not None:
                return self._faulted(device, slot, size, effect)
        if not device.present or slot is None:
            value = (1 << size * 8) - 1
        else:
            device.flush()
            value = device.read_register(slot)
        self._events.append((clock.now, Kind.REGISTER_READ, self._scheduler.current.number, device.name,
                             slot.name if slot is not None else offset, size, value))
        if self._scheduler.attention:
            self._scheduler.point()
        return value

    def write(self, device: BusDevice, bar: int, offset: int, size: int, value: int, *, port: bool = False) -> None:
        """A processor writes *size* bytes of a register."""
        clock = self._clock
        end = clock.now + (PORT_NS if port else WRITE_NS)
        if clock.due <= end:
            clock.advance(end - clock.now)
        else:
            clock.now = end
        slot = device.decode(bar, offset, size, value)
        self._events.append((clock.now, Kind.REGISTER_WRITE, self._scheduler.current.number, device.name,
                             slot.name if slot is not None else offset, size, value))
        lost = slot is None
        if self.injector is not None and slot is not None:
            effect = self.injector.take(f"register-write:{slot.name}")
            if effect == FAULT_REMOVE:
                device.remove()
            lost = lost or effect is not None
        if slot is not None and not lost:
            posted = self.posted
            posted.append((device, slot, value, self._where.capture() if slot.register.arms else None))
            if port:
                self.drain()
            elif len(posted) == 1:
                clock.at(POSTED_NS, self.drain)
        if self._scheduler.attention:
            self._scheduler.point()

    def drain(self) -> None:
        """All posted writes reach their devices, in order."""
        posted = self.posted
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

    def _faulted(self, device: BusDevice, slot: Slot, size: int, effect: str) -> int:
        value = (1 << size * 8) - 1 if effect in (FAULT_ALL_ONES, "fail") else int(effect, 0)
        self._events.append((self._clock.now, Kind.REGISTER_READ, self._scheduler.current.number, device.name,
                             slot.name, size, value))
        return value
