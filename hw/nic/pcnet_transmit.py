# SPDX-License-Identifier: Apache-2.0
"""The transmitter of the PCnet cards: poll timer and demand, chains from STP to ENP, padding, errors (data sheet 8.1).

The poll timer of silicon reads the current descriptor every 65,536 clocks. The model reads it at the tick that follows the store
which hands it over, and saves the ticks that would find nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from hw import dma_rules as rules
from hw.clock import US
from hw.clock import Entry as Due
from hw.nic.pcnet_base import (
    APAD_XMT,
    BABL,
    CERR,
    CLOCK_NS,
    DLNKTST,
    DPOLL,
    DXMTFCS,
    FETCH_NS,
    LOOP,
    TDMD,
    TINT,
    TXON,
    TXSTRT,
    PcnetBase,
)
from hw.nic.pcnet_layout import ADD_FCS, ENP, ERR, LCAR, LCOL, LTINT, OWN, RTRY, STP, TX_BUFF, UFLO, Entry
from hw.wire import MAXIMUM_FRAME, MINIMUM_FRAME
from verifier.address import Span
from verifier.where import Where

if TYPE_CHECKING:
    from hw.limits import DmaLimits
    from hw.machine import Machine

BYTE_NS = 800
"""Of one byte at 10 Mbit/s."""
DXSUFLO = 0x0040
"""Bit of CSR3."""
TOKINTD, LTINTEN, SPND = 0x8000, 0x4000, 0x0001
"""Bits of CSR5."""
DOORBELL_NS = 5 * US
"""A doorbell that found nothing, so shortly before a descriptor was handed over, was meant for that."""


class Transmitter(PcnetBase):
    """Takes frames out of the transmit ring."""

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self._due: Due | None = None
        self._poll: Due | None = None
        self.stalled = False
        """True from a frame that is never sent to the next INIT or reset."""
        self._empty_doorbell: tuple[int, Where | None] = (-DOORBELL_NS, None)
        """When a doorbell found nothing, and its line."""
        self._demanded_at = 0
        self._poll_origin = 0
        super().__init__(machine, limits, adapter, mac)
        self.tx.on_taken = self._handed_over

    @property
    def transmitting(self) -> bool:
        """True if the transmitter may begin a frame."""
        return bool(self.values[self.csr0] & TXON) and self.awake and not self.suspended

    @property
    def suspended(self) -> bool:
        """CSR5.SPND."""
        return self.csr5 >= 0 and bool(self.values[self.csr5] & SPND)

    def start_transmitter(self) -> None:
        """TXON rose."""
        self._poll_origin = self.clock.now
        self.tx.watch()

    def stop_transmitter(self) -> None:
        """TXON fell: nothing is due any more."""
        self.tx.unwatch()
        self._cancel_poll()
        if self._due is not None:
            self.clock.cancel(self._due)
            self._due = None

    def demand(self) -> None:
        """TDMD: look at the ring now."""
        self._demanded_at = self.clock.now
        if self.tx.next not in self.tx.taken:
            self._empty_doorbell = self.clock.now, self.armed_by
        self.tx.announce()
        self.go(FETCH_NS)

    def poll_now(self) -> None:
        """A frame was received, or the card may go on: the transmit ring is polled unless DPOLL forbids."""
        if self.transmitting and self.tx.next in self.tx.taken and not self.values[self.csr4] & DPOLL:
            self.go(FETCH_NS)

    def go(self, delay_ns: int) -> None:
        """Look at the ring after *delay_ns*, unless that is planned already."""
        self._cancel_poll()
        if self._due is None and not self.stalled:
            self._due = self.clock.at(delay_ns, self._transmit)

    def poll_interval_ns(self) -> int:
        """The time between two ticks of the poll timer."""
        return (0x10000 - self.csr(47)) * CLOCK_NS

    def _handed_over(self, index: int) -> None:
        """The driver has stored an ownership bit."""
        now = self.clock.now
        at, where = self._empty_doorbell
        if now - at < DOORBELL_NS:
            self.clock.at(DOORBELL_NS, lambda: self._judge(index, now, at, where))
        if index == self.tx.next and self.transmitting and self._due is None and self._poll is None and (
                not self.values[self.csr4] & DPOLL and not self.stalled):
            interval = self.poll_interval_ns()
            self._poll = self.clock.at(interval - (now - self._poll_origin) % interval, self._tick)

    def _judge(self, index: int, handed: int, rung: int, where: Where | None) -> None:
        """A doorbell that found nothing came shortly before a descriptor: was there one behind it, too?"""
        if self._demanded_at > handed:
            return
        span = Span(self.tx.address(index), self.tx.size)
        self.machine.findings.report(
            rules.DESC_BEFORE_DOORBELL, f"TDMD came {handed - rung} ns before transmit descriptor {index} at {span} was handed over, and "
            "none behind it: the frame goes out by luck, or waits for the poll timer", where=where, space="logical", span=span,
            block=self.tx.block, related=[("handed over", self.tx.taken_at.get(index))])

    def _cancel_poll(self) -> None:
        if self._poll is not None:
            self.clock.cancel(self._poll)
            self._poll = None

    def _tick(self) -> None:
        """The poll timer finds a descriptor that no doorbell announced."""
        self._poll = None
        self._transmit()

    # One frame

    def _transmit(self) -> None:
        """Send one frame, then come back when the wire is free."""
        self._due = None
        self.values[self.csr0] &= ~TDMD
        if not self.transmitting or self.stalled or not self.tx.length:
            return
        chain: list[tuple[int, Entry, Where | None]] = []
        index = self.tx.next
        while len(chain) < self.tx.length:
            entry = self.entry(self.tx, index)
            if entry is None:
                if chain and self.values[self.csr0] & TXON:
                    self._chain_broken(*chain[-1][:2])
                return
            if not chain and not entry.flags & STP:
                if not self.hand_back(self.tx, index, entry, entry.flags & ~OWN, 0):
                    return
                index = self.tx.next
                continue
            chain.append((index, entry, self.armed_by))
            if entry.flags & ENP:
                break
            index = (index + 1) % self.tx.length
        self._send(chain)

    def _chain_broken(self, index: int, entry: Entry) -> None:
        """A frame without its end: BUFF and UFLO in the last descriptor that was there."""
        self._finish(index, entry, (TX_BUFF | UFLO) << 16)
        self._underflow()

    def _send(self, chain: list[tuple[int, Entry, Where | None]]) -> None:
        frame, tag = b"", 0
        for index, entry, where in chain:
            self.armed_by = where
            data = self.fetch(entry.address, entry.length, "transmit data")
            if data is None:
                return
            at = self.reached(entry.address, entry.length)
            tag = tag or self.dma.frame_tag(at, entry.length)
            if index not in self.tx.spoiled:
                self.dma.check_frame(at, entry.length, tag)
            frame += data
        first, (last, end, _) = chain[0][1], chain[-1]
        effect = self.fault_of_sending()
        if effect == "never":
            self.stalled = True
            return
        status = {"underrun": UFLO, "late-collision": LCOL, "retry": RTRY}.get(effect, 0) << 16
        if not status:
            status = self._put_out(frame, first, end, last)
        self.spoil = effect
        for index, entry, _ in chain[:-1]:
            if not self.hand_back(self.tx, index, entry, entry.flags & ~OWN, 0):
                return
        if not self._finish(last, end, status):
            return
        if status & UFLO << 16:
            self._underflow()
        if self.tx.next in self.tx.taken or self.tx.block is None:
            self.go(BYTE_NS * len(frame) + FETCH_NS)

    def _underflow(self) -> None:
        """UFLO turns the transmitter off unless DXSUFLO is set."""
        if not self.values[self.csr3] & DXSUFLO:
            self.values[self.csr0] &= ~TXON
            self.stop_transmitter()

    def _finish(self, index: int, entry: Entry, status: int) -> bool:
        """Hand the last descriptor of a frame back and tell the driver."""
        flags = entry.flags & ~(OWN | ERR)
        if not self.hand_back(self.tx, index, entry, flags | ERR if status else flags, status):
            return False
        five = self.values[self.csr5] if self.csr5 >= 0 else 0
        if status or not five & (TOKINTD | LTINTEN) or (five & LTINTEN and entry.flags & LTINT):
            self.cause(TINT)
        return True

    def _put_out(self, frame: bytes, first: Entry, last: Entry, index: int) -> int:
        """Give the frame to the wire; the error bits of the descriptor, 0 if all went well."""
        mode = self.values[self.csr15]
        if self.values[self.csr4] & APAD_XMT and len(frame) < MINIMUM_FRAME:
            frame = frame.ljust(MINIMUM_FRAME, b"\0")
            self.padded += 1
        elif not self._adds_fcs(mode, first, last):
            sent, fcs = frame[:-4], frame[-4:]
            if crc32(sent).to_bytes(4, "little") != fcs:
                self.dropped(frame, "bad-crc")
                self.cause_4(TXSTRT)
                return 0
            frame = sent
        self.cause_4(TXSTRT)
        if mode & LOOP:
            self.receive_looped(frame)
            return 0
        if not self.wire.up and not mode & DLNKTST:
            self.dropped(frame, "link down")
            self.cause(CERR)
            return LCAR << 16
        if len(frame) > MAXIMUM_FRAME:
            self.cause(BABL)
        self.wire.transmit(frame, (f"transmit descriptor {index}",))
        return 0

    def _adds_fcs(self, mode: int, first: Entry, last: Entry) -> bool:
        if self.style.number == 1:  # bit 13 is NO_FCS there, and counts with ENP
            return not last.flags & ADD_FCS and not mode & DXMTFCS
        return bool(first.flags & ADD_FCS) or not mode & DXMTFCS

    def receive_looped(self, frame: bytes) -> None:
        """A frame comes back inside the card."""
        raise NotImplementedError
