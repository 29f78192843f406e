# SPDX-License-Identifier: Apache-2.0
"""The reference NIC's descriptor rings: what it takes, when, and what it says of a driver that stores too late or too early."""

from __future__ import annotations

from typing import ClassVar

from hw import dma_rules as rules
from hw.nic.base import Nic
from hw.nic.reference_registers import CAUSE, CONTROL, CONTROL_OFFSET, CTRL, DESCRIPTOR_SIZE, LENGTH_MASK, OWN, Registers
from verifier.address import Span
from verifier.address_book import Block
from verifier.where import Where

REPEAT_NS = 20_000

_I = Registers.index
_CTRL, _CAUSE, _MASK = _I["CTRL"], _I["CAUSE"], _I["MASK"]
_TX_ENABLE, _RX_ENABLE = CTRL.TX_ENABLE.mask, CTRL.RX_ENABLE.mask


class Ring:
    """One descriptor ring as the card sees it."""

    __slots__ = ("base", "block", "count", "doorbell", "fetched", "head", "physical", "spoiled", "tail", "taken", "taken_at", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self.base = 0
        self.count = 0
        self.head = 0
        self.tail = 0
        self.doorbell: Where | None = None
        """The line of the last doorbell, or of the start: it lets the card fetch descriptors."""
        self.fetched = 0
        """Index one beyond the last descriptor that a doorbell announced and the card took."""
        self.taken: dict[int, bytes] = {}
        """Descriptors inside the card, by index."""
        self.taken_at: dict[int, Where | None] = {}
        self.spoiled: set[int] = set()
        """Taken descriptors whose content came too late: what the card does with the old content is no news."""
        self.block: Block | None = None
        self.physical = 0

    def announced(self, index: int) -> bool:
        """True if a doorbell has announced the descriptor and the card has not finished it."""
        if not self.count:
            return False
        return (index - self.head) % self.count < (self.tail - self.head) % self.count


class ReferenceRings(Nic):
    """Both rings, and how a descriptor goes back to the driver."""

    too_late: ClassVar[str] = "has already taken the old content"
    """What the card did while a store into a descriptor came behind the one of its ownership bit."""

    tx: Ring
    rx: Ring
    _error_address: int

    def _start(self, ring: Ring, prefix: str) -> None:
        values = self.values
        ring.base = (values[_I[f"{prefix}_BASE_LO"]] & ~15) | values[_I[f"{prefix}_BASE_HI"]] << 32
        ring.count = values[_I[f"{prefix}_COUNT"]]
        ring.head = ring.fetched = 0
        ring.doorbell = self.armed_by
        ring.tail = values[_I[f"{prefix}_TAIL"]] if prefix == "RX" else ring.tail
        ring.taken.clear()
        if not 2 <= ring.count <= 256:
            ring.count = 0
            self._dma_error(ring.base)
            return
        self.dma.check_reach(ring.base, ring.count * DESCRIPTOR_SIZE)
        ring.physical = self.machine.bus.to_physical(ring.base)
        ring.block = self.dma.book.find(ring.physical, ring.count * DESCRIPTOR_SIZE)
        if ring.block is not None and ring.block.adapter == self.adapter:
            ring.block.watch(self._store_seen)

    def _stop(self, ring: Ring) -> None:
        block, ring.block = ring.block, None
        shared = block is self.tx.block or block is self.rx.block
        if block is not None and not shared:
            block.unwatch(self._store_seen)
        ring.taken.clear()
        ring.taken_at.clear()
        ring.spoiled.clear()

    def _store_seen(self, physical: int, size: int) -> None:
        """A processor stored into a block that holds a ring: take what was handed over, tell what came too late."""
        if not self.dma.bus_master or self.dma.parked:
            return
        for ring in (self.tx, self.rx):
            if ring.block is None:
                continue
            first = max(physical - ring.physical, 0) // DESCRIPTOR_SIZE
            last = min((physical + size - 1 - ring.physical) // DESCRIPTOR_SIZE, ring.count - 1)
            for index in range(first, last + 1):
                self._look_at(ring, index)

    def _look_at(self, ring: Ring, index: int) -> None:
        at = ring.physical + index * DESCRIPTOR_SIZE
        raw = self.machine.ram.read(at, DESCRIPTOR_SIZE)
        taken = ring.taken.get(index)
        if taken is None:
            if raw[15] & 0x80 and self.machine.ram.first_unwritten(at + CONTROL_OFFSET, 4) is None:
                ring.taken[index] = raw
                ring.taken_at[index] = self.machine.where.capture(4)
                if self.machine.bus.posted:
                    self._check_posted_doorbell(ring, index)
        elif raw != taken:
            span = Span(ring.base + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)
            handed = ring.taken_at.get(index)
            if ring.announced(index):
                self.machine.findings.report(
                    rules.DESC_OWNER, f"{ring.what} descriptor {index} at {span} was changed while {self.name} owns it; the "
                    "card works with what it took", space="logical", span=span, block=ring.block,
                    related=[("handed over", handed)])
            else:
                ring.spoiled.add(index)
                self.machine.findings.report(
                    rules.DESC_OWN_LAST, f"{ring.what} descriptor {index} at {span} was changed after its ownership bit was "
                    f"set: {self.name} {self.too_late}", where=handed, space="logical", span=span,
                    block=ring.block, related=[("the store that came too late", self.machine.where.capture())])

    def _check_posted_doorbell(self, ring: Ring, index: int) -> None:
        """A doorbell that announced the descriptor is on its way while the descriptor is only now handed over: it might
        have arrived before."""
        name = "TX_TAIL" if ring is self.tx else "RX_TAIL"
        for device, slot, value, where in self.machine.bus.posted:
            if device is self and slot.name == name and (index - ring.head) % ring.count < (value - ring.head) % ring.count:
                span = Span(ring.base + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)
                self.machine.findings.report(
                    rules.DESC_BEFORE_DOORBELL, f"{name} announced {ring.what} descriptors up to {value}, and number {index} at "
                    f"{span} was handed over after that: the doorbell may reach the card first", where=where, space="logical",
                    span=span, block=ring.block, related=[("handed over", ring.taken_at[index])])
                return

    def _fetch(self, ring: Ring) -> None:
        """Take all descriptors that the doorbell announced, in one burst up to the ring's end and one from its start."""
        if not ring.count:
            return
        while ring.fetched != ring.tail % ring.count:
            end = ring.tail % ring.count if ring.tail % ring.count > ring.fetched else ring.count
            self.armed_by = ring.doorbell
            at = ring.base + ring.fetched * DESCRIPTOR_SIZE
            burst = self.dma.read(at, (end - ring.fetched) * DESCRIPTOR_SIZE, f"{ring.what} descriptor {ring.fetched}")
            if burst is None:
                self._dma_error(at)
                return
            for index in range(ring.fetched, end):
                offset = (index - ring.fetched) * DESCRIPTOR_SIZE
                raw = burst[offset:offset + DESCRIPTOR_SIZE]
                if index not in ring.taken:
                    if not raw[15] & 0x80:
                        self._not_handed_over(ring, index)
                        ring.fetched = index
                        return
                    ring.taken[index] = raw
                    ring.taken_at[index] = self.armed_by
            ring.fetched = end % ring.count

    def _not_handed_over(self, ring: Ring, index: int) -> None:
        span = Span(ring.base + index * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE)
        self.machine.findings.report(
            rules.DESC_BEFORE_DOORBELL, f"the doorbell announced {ring.what} descriptors up to {ring.tail}, but number {index} at "
            f"{span} is not handed over: its ownership bit is 0", where=self.armed_by, space="logical", span=span,
            block=ring.block)

    def _hand_back(self, at: int, control: int, purpose: str) -> bool:
        """Write the control dword of a descriptor; False if the cycle was aborted."""
        effect, self.spoil = self.spoil, ""
        if effect == "bogus-length":
            control |= LENGTH_MASK
        elif effect == "bit-flip":
            control ^= OWN
        elif effect == "repeated":
            self.clock.at(REPEAT_NS, lambda: self._repeat(at, control, purpose))
        return self.dma.write(at, CONTROL.pack(control), purpose)

    def _repeat(self, at: int, control: int, purpose: str) -> None:
        """The descriptor is handed back once more, while the engines run."""
        if self.awake and self.values[_CTRL] & (_TX_ENABLE | _RX_ENABLE):
            self.dma.write(at, CONTROL.pack(control), purpose)
            self._cause(CAUSE.RX_DONE.mask if purpose == "receive status" else CAUSE.TX_DONE.mask)

    def _cause(self, bits: int) -> None:
        self.values[_CAUSE] |= bits
        if self.values[_CAUSE] & self.values[_MASK]:
            self.set_interrupt(True)

    def _update_line(self) -> None:
        self.set_interrupt(bool(self.values[_CAUSE] & self.values[_MASK]))

    def _count(self, name: str) -> None:
        self.values[_I[name]] = (self.values[_I[name]] + 1) & 0xFFFFFFFF

    def _dma_error(self, address: int) -> None:
        """A cycle failed: both engines stop, the address is kept for the driver."""
        self._error_address = address
        self.values[_CTRL] &= ~(_TX_ENABLE | _RX_ENABLE)
        self._stop(self.tx)
        self._stop(self.rx)
        self._cause(CAUSE.DMA_ERROR.mask)
