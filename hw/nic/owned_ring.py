# SPDX-License-Identifier: Apache-2.0
"""A descriptor ring whose entries carry an ownership bit, on a card that may fetch an entry at any moment after it was handed over.

The card takes an entry in the instant in which its ownership bit is stored while the engine runs; what is stored into it
afterwards comes too late, and is a finding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hw import dma_rules as rules
from hw.clock import US
from verifier.address import Span
from verifier.address_book import Block
from verifier.where import Where

if TYPE_CHECKING:
    from hw.nic.base import Nic

AT_ONCE_NS = 5 * US
"""A change so soon after the ownership bit belongs to the same filling of the entry."""


class OwnedRing:
    """One ring as the card sees it: *length* entries of *size* bytes from device address *base*."""

    def __init__(self, nic: Nic, what: str) -> None:
        self.nic = nic
        self.what = what
        self.base = 0
        self.length = 0
        self.size = 0
        self.compared = 0
        """Bytes of an entry that the driver must leave alone; what lies behind them the card never looks at."""
        self.flag_at = 0
        """Offset of the byte whose highest bit is the ownership bit."""
        self.next = 0
        """The entry that the card works on."""
        self.taken: dict[int, bytes] = {}
        """Entries inside the card, by index."""
        self.taken_at: dict[int, Where | None] = {}
        self.taken_ns: dict[int, int] = {}
        self.fetched: set[int] = set()
        """Taken entries that the card was told of, or has read by itself."""
        self.spoiled: set[int] = set()
        """Taken entries whose content came too late: what the card does with the old content is no news."""
        self.block: Block | None = None
        self.physical = 0
        self.on_taken: Callable[[int], None] = _nobody

    def place(self, base: int, length: int, size: int, compared: int, flag_at: int) -> None:
        """The card was told where the ring is."""
        self.unwatch()
        self.base, self.length, self.size, self.compared, self.flag_at = base, length, size, compared, flag_at

    def address(self, index: int) -> int:
        """The device address of an entry."""
        return self.base + index * self.size

    def advance(self) -> None:
        """The card goes on to the next entry."""
        self.next = (self.next + 1) % self.length

    def watch(self) -> None:
        """The engine runs: take what is handed over already, and look at every store from here on."""
        nic = self.nic
        self.physical = nic.machine.bus.to_physical(self.base)
        block = nic.dma.book.find(self.physical, self.length * self.size)
        if block is None or block.adapter != nic.adapter:
            return
        self.block = block
        block.watch(self.seen)
        self.seen(self.physical, self.length * self.size)

    def unwatch(self) -> None:
        """The engine stopped: the card forgets what it took."""
        block, self.block = self.block, None
        if block is not None:
            block.unwatch(self.seen)
        self.taken.clear()
        self.fetched.clear()
        self.spoiled.clear()

    def seen(self, physical: int, size: int) -> None:
        """A processor stored *size* bytes at *physical*: take what was handed over, tell what came too late."""
        first = max(physical - self.physical, 0) // self.size
        last = min((physical + size - 1 - self.physical) // self.size, self.length - 1)
        dma = self.nic.dma
        if first > last or not dma.bus_master or dma.parked:
            return
        for index in range(first, last + 1):
            self._look_at(index)

    def take(self, index: int) -> bytes | None:
        """The entry if the card took it before; it counts as fetched."""
        raw = self.taken.get(index)
        if raw is not None:
            self.fetched.add(index)
        return raw

    def announce(self) -> None:
        """A doorbell: the card knows of all that was handed over."""
        self.fetched.update(self.taken)

    def handed_back(self, index: int) -> None:
        """The entry belongs to the driver again."""
        self.taken.pop(index, None)
        self.fetched.discard(index)
        self.spoiled.discard(index)

    def _look_at(self, index: int) -> None:
        at, ram = self.physical + index * self.size, self.nic.machine.ram
        raw = ram.read(at, self.compared)
        taken = self.taken.get(index)
        if taken is None:
            if raw[self.flag_at] & 0x80 and ram.first_unwritten(at + self.flag_at, 1) is None:
                self.taken[index] = raw
                self.taken_at[index] = self.nic.machine.where.capture()
                self.taken_ns[index] = self.nic.clock.now
                self.on_taken(index)
        elif raw != taken and index not in self.spoiled:
            self._changed(index)

    def _changed(self, index: int) -> None:
        machine, handed = self.nic.machine, self.taken_at.get(index)
        span, name = Span(self.address(index), self.size), self.nic.name
        self.spoiled.add(index)
        if index not in self.fetched and self.nic.clock.now - self.taken_ns[index] < AT_ONCE_NS:
            machine.findings.report(
                rules.DESC_OWN_LAST, f"{self.what} descriptor {index} at {span} was changed after its ownership bit was set: {name} may "
                "have taken the old content", where=handed, space="logical", span=span, block=self.block,
                related=[("the store that came too late", machine.where.capture())])
            return
        machine.findings.report(
            rules.DESC_OWNER, f"{self.what} descriptor {index} at {span} was changed while {name} owns it; the card works with what it "
            "took", space="logical", span=span, block=self.block, related=[("handed over", handed)])


def _nobody(index: int) -> None:
    """Nobody wants to know."""
