# SPDX-License-Identifier: Apache-2.0
"""A ring of descriptors with an ownership bit, for models of cards: all of it but what the bits mean.

A descriptor is declared like a register, as one little-endian number as wide as the descriptor::

    class Entry(Register):
        '''A descriptor (data sheet 4).'''
        width = 8
        ADDRESS = Field(31, 0)
        LENGTH = Field(43, 32)
        OWN = Field(63)

    self.tx = DescriptorRing(self, "transmit", Entry, Entry.OWN)

The ring takes a descriptor in the instant in which its ownership bit is stored, as a card that polls may: what the driver stores
into it later is a finding and changes nothing. A card reads a descriptor with `take` and gives it back with `hand_back`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hw import dma_rules as rules
from hw.nic.base import LivePointer
from hw.register import Field, Register
from verifier.address import Span
from verifier.address_book import Block
from verifier.where import Where

if TYPE_CHECKING:
    from hw.nic.base import Nic


class DescriptorRing:
    """A ring of *layout*, for the engine *what* of the card *nic*. The descriptor is the card's where field *own* holds *owned*."""

    def __init__(self, nic: Nic, what: str, layout: type[Register], own: Field, owned: int = 1) -> None:
        self.nic = nic
        self.what = what
        self.layout = layout
        self.own = own
        self.owned = owned
        self.base = 0
        """Device address of the first descriptor."""
        self.count = 0
        """Number of descriptors; 0 while the ring is stopped."""
        self.head = 0
        """Index of the descriptor that comes next."""
        self.bell: Where | None = None
        """The line of the doorbell, or of the start: it lets the card reach the ring."""
        self._given: dict[int, int] = {}
        self._given_at: dict[int, Where | None] = {}
        self._announced: set[int] = set()
        self._spoiled: set[int] = set()
        self._block: Block | None = None
        self._physical = 0

    def start(self, base: int, count: int) -> None:
        """Begin at the first of *count* descriptors at the device address *base*. All of the ring has to be within the card's reach."""
        self.stop()
        nic = self.nic
        self.base, self.count, self.head, self.bell = base, count, 0, nic.armed_by
        nic.dma.check_reach(base, count * self.layout.width)
        self._physical = nic.machine.bus.to_physical(base)
        block = nic.dma.book.find(self._physical, count * self.layout.width)
        if block is not None and block.adapter == nic.adapter:
            self._block = block
            block.watch(self._stored)

    def stop(self) -> None:
        """Forget the ring: the driver may do with it what it likes."""
        if self._block is not None:
            self._block.unwatch(self._stored)
        self._block = None
        self.count = 0
        self._given.clear()
        self._given_at.clear()
        self._announced.clear()
        self._spoiled.clear()

    def ring(self) -> None:
        """The doorbell: what the driver changes from here on comes too late."""
        self.bell = self.nic.armed_by
        self._announced.update(self._given)

    @property
    def at(self) -> int:
        """Device address of the descriptor that comes next."""
        return self.base + self.head * self.layout.width

    def take(self) -> int | None:
        """The descriptor that comes next, as a number for the fields of the layout, if it is the card's; None if it is the driver's, if
        the ring is stopped, or if the bus cycle was aborted, in which case the model's `Nic.aborted` was called."""
        if not self.count:
            return None
        nic = self.nic
        nic.armed_by = self.bell
        raw = nic.dma.read(self.at, self.layout.width, f"{self.what} descriptor {self.head}")
        if raw is None:
            nic.aborted(self.at)
            return None
        value = self._given.get(self.head, int.from_bytes(raw, "little"))
        if self.own.get(value) != self.owned:
            return None
        nic.armed_by = self._given_at.setdefault(self.head, self.bell)
        self._given[self.head] = value
        self._announced.add(self.head)
        return value

    def untouched(self) -> bool:
        """True if the driver left the descriptor alone since it was taken. What the card does with one that came too late is no news:
        leave out `hw.dma.DmaPort.check_frame` for it."""
        return self.head not in self._spoiled

    def hand_back(self, value: int, low: int, high: int) -> bool:
        """Give the descriptor back: write its bytes *low* up to, not including, *high* from *value*, in which the ownership bit is set
        or cleared by the ring, and go on to the next. False if the bus cycle was aborted, in which case `Nic.aborted` was called."""
        index = self.head
        value = value & ~self.own.mask | (0 if self.owned else self.own.mask)
        self._given.pop(index, None)
        self._announced.discard(index)
        self._spoiled.discard(index)
        at = self.at
        self.head = (index + 1) % self.count
        if self.nic.dma.write(at + low, value.to_bytes(self.layout.width, "little")[low:high], f"{self.what} status"):
            return True
        self.nic.aborted(at)
        return False

    def pointers(self, address: Field, length: Field) -> Iterator[LivePointer]:
        """For `Nic.live_pointers`: the ring, and the buffer of each descriptor that the card has."""
        if self.count:
            yield LivePointer(f"{self.what} ring", self.base, self.count * self.layout.width)
            for index, value in self._given.items():
                if length.get(value):
                    yield LivePointer(f"{self.what} buffer of descriptor {index}", address.get(value), length.get(value))

    def _stored(self, physical: int, size: int) -> None:
        """A processor stored into the block that holds the ring."""
        nic = self.nic
        if not nic.dma.bus_master or nic.dma.parked:
            return
        width = self.layout.width
        first = max(physical - self._physical, 0) // width
        last = min((physical + size - 1 - self._physical) // width, self.count - 1)
        for index in range(first, last + 1):
            at = self._physical + index * width
            value = int.from_bytes(nic.machine.ram.read(at, width), "little")
            if index in self._given:
                if value != self._given[index]:
                    self._changed(index)
            elif self.own.get(value) == self.owned and nic.machine.ram.first_unwritten(at + self.own.lsb // 8, 1) is None:
                self._given[index] = value
                self._given_at[index] = nic.machine.where.capture()

    def _changed(self, index: int) -> None:
        span = Span(self.base + index * self.layout.width, self.layout.width)
        handed, findings = self._given_at.get(index), self.nic.machine.findings
        if index in self._announced:
            findings.report(
                rules.DESC_OWNER, f"{self.what} descriptor {index} at {span} was changed while {self.nic.name} owns it; the card works "
                "with what it took", space="logical", span=span, block=self._block, related=[("handed over", handed)])
            return
        self._spoiled.add(index)
        findings.report(
            rules.DESC_OWN_LAST, f"{self.what} descriptor {index} at {span} was changed after its ownership bit was set: "
            f"{self.nic.name} has already taken the old content", where=handed, space="logical", span=span, block=self._block,
            related=[("the store that came too late", self.nic.machine.where.capture())])
