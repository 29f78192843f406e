# SPDX-License-Identifier: Apache-2.0
"""A ring between a head and a tail, as the cards of the 8254x family have it: no ownership bit, the card owns what lies between.

The card takes a descriptor when the doorbell has announced it and its engine runs. What the driver stores into it from the doorbell on
comes too late: the card may have taken it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hw import dma_rules as rules
from hw.nic.base import LivePointer
from hw.nic.e1000_descriptors import SIZE
from verifier.address import Span
from verifier.address_book import Block
from verifier.rule import rule
from verifier.where import Where

if TYPE_CHECKING:
    from hw.nic.base import Nic

RING_TAIL = rule(
    "ring-tail", "leave one descriptor of the ring unused: move the tail on only over descriptors that are free, and never onto the head",
    text="The tail of a ring goes forward over descriptors that are the driver's, stays below the ring's length, and never reaches the "
         "head: a head equal to the tail means an empty ring (8254x manual, 3.2.6 and 3.4).",
    cards=("e1000",))
RING_LENGTH = rule(
    "ring-length", "make the ring a multiple of 128 bytes long, that is of eight descriptors",
    text="The length of a ring is the multiple of bytes that the data sheet of the card asks for (82540EM: 128).",
    cards=("e1000",))
RING_UNSET = rule(
    "ring-unset", "write base and length of a ring before its engine is started",
    text="The engine of a ring is started, or given work, only after base and length of the ring were written.",
    cards=("e1000",))
RING_RUNNING = rule(
    "ring-running", "write base, length and head of a ring only while its engine is off",
    text="Base, length and head of a ring are changed only while its engine is off (8254x manual, 13.4.27 and 13.4.39).",
    cards=("e1000",))


class TailRing:
    """The ring of the engine *what* of *nic*; its doorbell is the register *doorbell*."""

    def __init__(self, nic: Nic, what: str, doorbell: str) -> None:
        self.nic = nic
        self.what = what
        self.doorbell = doorbell
        self.base = 0
        """Device address of the first descriptor."""
        self.count = 0
        """Number of descriptors; 0 while the engine is off."""
        self.head = 0
        self.tail = 0
        self.fetched = 0
        """Index one beyond the last descriptor that the card took."""
        self.bell: Where | None = None
        """The line of the last doorbell, or of the start."""
        self.taken: dict[int, bytes] = {}
        """Descriptors inside the card, by index."""
        self.spoiled: set[int] = set()
        """Descriptors that were changed while the card owned them: what goes out with them is no news."""
        self._stale: set[int] = set()
        """Descriptors that the card handed back, and that the driver has left alone since."""
        self._block: Block | None = None
        self._physical = 0

    def start(self, base: int, length: int) -> None:
        """The engine is switched on: base and length hold from here on. The whole ring has to be within the card's reach."""
        nic = self.nic
        self.stop()
        self.base, self.count, self.fetched, self.bell = base, length // SIZE, self.head, nic.armed_by
        if not self.count:
            return
        nic.dma.check_reach(base, length)
        self._physical = nic.machine.bus.to_physical(base)
        block = nic.dma.book.find(self._physical, length)
        if block is not None and block.adapter == nic.adapter:
            self._block = block
            block.watch(self._stored)

    def stop(self) -> None:
        """The engine is off: the card forgets what it took, and what the driver stores is no concern of it."""
        if self._block is not None:
            self._block.unwatch(self._stored)
        self._block = None
        self.count = 0
        self.taken.clear()
        self.spoiled.clear()
        self._stale.clear()

    def reset(self) -> None:
        """As after power-up."""
        self.stop()
        self.base = self.head = self.tail = self.fetched = 0

    @property
    def room(self) -> int:
        """Descriptors that the driver has handed over and the card has not finished."""
        return (self.tail - self.head) % self.count if self.count else 0

    def ring(self, tail: int) -> None:
        """The doorbell. A tail that leaves the ring, goes back or wraps onto the head is a finding, and taken as it is."""
        nic, before = self.nic, self.room
        self.bell = nic.armed_by
        at_fault = ""
        if self.count:
            if tail >= self.count:
                at_fault = f"a ring of {self.count} descriptors has none of that number"
            elif (tail - self.head) % self.count < before:
                at_fault = (f"the head is {self.head} and the tail was {self.tail}: "
                            + ("the ring looks empty, and nothing of it moves" if tail == self.head else "the card owns what lies between"))
        if at_fault:
            nic.machine.findings.report(
                RING_TAIL, f"{nic.name} {self.doorbell}: tail {tail}; {at_fault}", where=self.bell, block=self._block,
                subject=(self.doorbell,))
        self.tail = tail
        if self.count:
            self._forget_beyond()

    def _forget_beyond(self) -> None:
        """A tail that went back takes descriptors away from the card."""
        if (self.fetched - self.head) % self.count > self.room:
            self.fetched = self.head
            self.taken.clear()

    def at(self, index: int) -> int:
        """Device address of descriptor *index*."""
        return self.base + index * SIZE

    def fetch(self) -> bool:
        """Take what the doorbell announced, in one burst up to the ring's end and one from its start. False if a bus cycle was aborted."""
        count, dma = self.count, self.nic.dma
        tail = self.tail % count if count else 0
        while count and self.fetched != tail:
            end = tail if tail > self.fetched else count
            dma.armed_by = self.bell
            burst = dma.read(self.at(self.fetched), (end - self.fetched) * SIZE, f"{self.what} descriptor {self.fetched}")
            if burst is None:
                return False
            for index in range(self.fetched, end):
                offset = (index - self.fetched) * SIZE
                self.taken[index] = burst[offset:offset + SIZE]
                if index in self._stale:
                    self._not_rewritten(index)
            self.fetched = end % count
        return True

    def written(self) -> bool:
        """True if the driver wrote the descriptor at the head, in memory of its own."""
        return self._block is not None and self.nic.machine.ram.first_unwritten(self._physical + self.head * SIZE, SIZE) is None

    def hand_back(self, data: bytes, offset: int, purpose: str) -> bool:
        """Write *data* at *offset* of the descriptor at the head. False if the bus cycle was aborted."""
        if self.what == "transmit":
            self._stale.add(self.head)
        return self.nic.dma.write(self.at(self.head) + offset, data, purpose)

    def advance(self) -> None:
        """The card is done with the descriptor at the head."""
        self.taken.pop(self.head, None)
        self.spoiled.discard(self.head)
        self.head = (self.head + 1) % self.count

    def pointers(self) -> Iterator[LivePointer]:
        """The ring itself, as memory that the card can reach."""
        if self.count:
            yield LivePointer(f"{self.what} ring", self.base, self.count * SIZE)

    # What the driver does with the ring

    def _not_rewritten(self, index: int) -> None:
        span = Span(self.at(index), SIZE)
        self.nic.machine.findings.report(
            rules.DESC_BEFORE_DOORBELL, f"{self.doorbell} announced {self.what} descriptor {index} at {span}, and nothing was stored into "
            f"it since {self.nic.name} handed it back: the former frame goes out again", where=self.bell, space="logical", span=span,
            block=self._block)

    def _stored(self, physical: int, size: int) -> None:
        """A processor stored into the block that holds the ring."""
        nic, count = self.nic, self.count
        if not nic.dma.bus_master or nic.dma.parked:
            return
        first = max(physical - self._physical, 0) // SIZE
        last = min((physical + size - 1 - self._physical) // SIZE, count - 1)
        for index in range(first, last + 1):
            self._stale.discard(index)
            if (index - self.head) % count < (self.tail - self.head) % count:
                self._owned(index)
            elif nic.machine.bus.posted:
                self._announced_before(index)

    def _owned(self, index: int) -> None:
        nic, span = self.nic, Span(self.at(index), SIZE)
        if nic.machine.ram.read(self._physical + index * SIZE, SIZE) != self.taken.get(index):
            self.spoiled.add(index)
            nic.machine.findings.report(
                rules.DESC_OWNER, f"{self.what} descriptor {index} at {span} was changed while {nic.name} owns it: the head is "
                f"{self.head}, the tail {self.tail}", space="logical", span=span, block=self._block, related=[("handed over", self.bell)])

    def _announced_before(self, index: int) -> None:
        """A doorbell is on its way that announces the descriptor: it might have arrived before this store."""
        nic = self.nic
        for device, slot, value, where in nic.machine.bus.posted:
            if device is nic and slot.name == self.doorbell and (index - self.head) % self.count < (value - self.head) % self.count:
                span = Span(self.at(index), SIZE)
                nic.machine.findings.report(
                    rules.DESC_BEFORE_DOORBELL, f"{self.doorbell} announced {self.what} descriptors up to {value}, and number {index} at "
                    f"{span} was stored after that: the doorbell may reach the card first", where=where, space="logical", span=span,
                    block=self._block, related=[("stored", nic.machine.where.capture())])
                return
