# SPDX-License-Identifier: Apache-2.0
"""The transmitter of the RTL8139C: four slots in strict turn (``docs/nics/rtl8139.md``, sections 3, 4.3, 4.4 and 4.10).

A slot is a pair of registers. Writing TSD with OWN 0 hands the slot over; the card reads the buffer into its FIFO, sets OWN, and sets
TOK, TUN or TABT when the frame has left or failed. After an abort it stands still until CLRABT lets it try the same slot again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

from hw import dma_rules as rules
from hw.clock import Entry
from hw.nic.base import LivePointer
from hw.nic.rtl8139_phy import Medium
from hw.nic.rtl8139_registers import CR, CRC_BYTES, ISR, SLOTS, TCR, TSD, Registers
from verifier.address import Span, hex_address
from verifier.address_book import Block
from verifier.rule import Rule
from verifier.where import Where

if TYPE_CHECKING:
    from hw.limits import DmaLimits
    from hw.machine import Machine

FETCH_NS = 200
BYTE_NS = 80
REPEAT_NS = 20_000
THRESHOLD_UNIT = 32
"""Bytes that one step of ERTXTH stands for; 0 stands for 8 bytes."""

_I = Registers.index
_CR, _TCR = _I["CR"], _I["TCR"]
_TSD, _TSAD = _I["TSD0"], _I["TSAD0"]
_STATUS = TSD.mask_of("ro")
_TE, _ISR_TOK, _ISR_TER, _NCC = CR.TE.mask, ISR.TOK.mask, ISR.TER.mask, TSD.NCC.mask
_CLRABT, _CRC, _LBK = TCR.CLRABT.mask, TCR.CRC.mask, TCR.LBK.mask
_OWN, _TOK, _TUN, _TABT, _OWC, _CRS, _SIZE = (
    TSD.OWN.mask, TSD.TOK.mask, TSD.TUN.mask, TSD.TABT.mask, TSD.OWC.mask, TSD.CRS.mask, TSD.SIZE.mask)


class Transmitter(Medium):
    """The transmit half of the card."""

    carrier_always_lost: ClassVar[bool] = True
    """Erratum: TSD.CRS is set after every frame at 100 Mbit/s."""

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self._turn = 0
        """The slot that comes next."""
        self._sending: Entry | None = None
        self._armed: list[Where | None] = [None] * SLOTS
        """The line that handed each slot over."""
        self._aborted_slot = False
        self._stalled = False
        """True from a frame that is never sent to the next reset."""
        self._watched: list[Block] = []
        """Blocks that hold buffers: stores into them are looked at."""
        super().__init__(machine, limits, adapter, mac)

    # Registers

    def on_write_TSD0(self, old: int, new: int) -> None:
        """Slot 0 is handed over, or taken back."""
        self._handed(0, old, new)

    def on_write_TSD1(self, old: int, new: int) -> None:
        """Slot 1 is handed over, or taken back."""
        self._handed(1, old, new)

    def on_write_TSD2(self, old: int, new: int) -> None:
        """Slot 2 is handed over, or taken back."""
        self._handed(2, old, new)

    def on_write_TSD3(self, old: int, new: int) -> None:
        """Slot 3 is handed over, or taken back."""
        self._handed(3, old, new)

    def on_write_TSAD0(self, old: int, new: int) -> None:
        """Where the buffer of slot 0 is."""
        self._moved(0, old, new)

    def on_write_TSAD1(self, old: int, new: int) -> None:
        """Where the buffer of slot 1 is."""
        self._moved(1, old, new)

    def on_write_TSAD2(self, old: int, new: int) -> None:
        """Where the buffer of slot 2 is."""
        self._moved(2, old, new)

    def on_write_TSAD3(self, old: int, new: int) -> None:
        """Where the buffer of slot 3 is."""
        self._moved(3, old, new)

    def on_read_TSDS(self, value: int) -> int:
        """The bits OWN, TABT, TUN and TOK of all slots side by side."""
        value = 0
        for slot in range(SLOTS):
            status = self.values[_TSD + slot]
            for place, bit in enumerate((_OWN, _TABT, _TUN, _TOK)):
                if status & bit:
                    value |= 1 << 4 * place + slot
        return value

    def on_write_TCR(self, old: int, new: int) -> None:
        """CLRABT tries an aborted slot again. Nothing changes while the transmitter is off."""
        if not self.values[_CR] & _TE:
            self.values[_TCR] = old
            return
        self.values[_TCR] = new & ~_CLRABT
        if new & _CLRABT and self._aborted_slot:
            self._aborted_slot = False
            self.values[_TSD + self._turn] &= ~(_STATUS | _OWN)
            self._schedule(FETCH_NS)

    # Slots

    def _handed(self, slot: int, old: int, new: int) -> None:
        if not old & _OWN and self._transmitting:
            self.machine.findings.report(
                rules.DESC_OWNER, f"{self.name} TSD{slot} was written while its OWN is 0: the card has slot {slot}", where=self.armed_by,
                subject=("TSD", slot), related=[("handed over", self._armed[slot])])
        if not new & _OWN:
            self.values[_TSD + slot] = new & ~_STATUS
            self._armed[slot] = self.armed_by
            self._schedule(FETCH_NS)

    def _moved(self, slot: int, old: int, new: int) -> None:
        self._watch(new & ~3)
        if new != old and self._transmitting and not self.values[_TSD + slot] & _OWN:
            self.machine.findings.report(
                rules.DESC_OWN_LAST, f"{self.name} TSAD{slot} was written after TSD{slot} had handed slot {slot} over: the card may have "
                f"read the frame at {hex_address(old)} already", where=self._armed[slot], subject=("TSAD", slot),
                related=[("the write that came too late", self.armed_by)])
        if new & 3:
            block = self.dma.book.find(self.machine.bus.to_physical(new), 1)
            self.machine.findings.report(
                rules.DMA_ALIGNMENT, f"{self.name} TSAD{slot}: {hex_address(new)} is not on a multiple of 4; the card drops the low bits "
                f"and reads from {hex_address(new & ~3)} on", where=self.armed_by, space="logical", span=Span(new & ~3, 4), block=block)

    def _watch(self, address: int) -> None:
        """A buffer lies at *address*: what is stored there while the card has the slot comes too late."""
        block = self.dma.book.find(self.machine.bus.to_physical(address), 1)
        if block is not None and block.adapter == self.adapter and block not in self._watched:
            block.watch(self._stored)
            self._watched.append(block)

    def _stored(self, physical: int, size: int) -> None:
        """A processor stored into a block with buffers."""
        if not self._transmitting or not self.dma.bus_master or self.dma.parked:
            return
        for slot in range(SLOTS):
            if not self.values[_TSD + slot] & _OWN and self._holds(slot, self.values[_TSD + slot], physical, size):
                self._stored_late(rules.DESC_OWNER, slot, "while the card has the slot", self._armed[slot])
        for device, register, value, where in self.machine.bus.posted:
            slot = register.index - _TSD
            if device is self and 0 <= slot < SLOTS and not value & _OWN and self._holds(slot, value, physical, size):
                self._stored_late(rules.DESC_BEFORE_DOORBELL, slot, f"after TSD{slot} was written, which may reach the card first", where)

    def _holds(self, slot: int, status: int, physical: int, size: int) -> bool:
        """True if the frame that *status* describes has bytes among those that were stored."""
        start = self.machine.bus.to_physical(self.values[_TSAD + slot] & ~3)
        return start < physical + size and physical < start + (status & _SIZE)

    def _stored_late(self, broken: Rule, slot: int, when: str, handed: Where | None) -> None:
        span = Span(self.values[_TSAD + slot] & ~3, self.values[_TSD + slot] & _SIZE or 1)
        self.machine.findings.report(
            broken, f"{self.name}: the frame of transmit slot {slot} was stored to {when}", where=handed, space="logical", span=span,
            subject=("frame", slot), related=[("the store that came too late", self.machine.where.capture())])

    @property
    def _transmitting(self) -> bool:
        return bool(self.values[_CR] & _TE)

    def start_transmitter(self) -> None:
        """TE was set: slot 0 comes first."""
        self._turn = 0
        self._aborted_slot = False
        self._schedule(FETCH_NS)

    def stop_transmitter(self) -> None:
        """TE was cleared, or the card is reset: what was handed over is not sent any more."""
        if self._sending is not None:
            self.clock.cancel(self._sending)
            self._sending = None
        for slot in range(SLOTS):
            self.values[_TSD + slot] |= _OWN

    def forget_slots(self) -> None:
        """As after a reset of the card."""
        for block in self._watched:
            block.unwatch(self._stored)
        self._watched.clear()
        self._stalled = self._aborted_slot = False
        self._turn = 0

    def transmit_pointers(self) -> Iterator[LivePointer]:
        """The buffers of the slots that the card has."""
        for slot in range(SLOTS):
            status = self.values[_TSD + slot]
            if not status & _OWN and self._transmitting:
                yield LivePointer(f"transmit slot {slot}", self.values[_TSAD + slot], status & _SIZE)

    def _schedule(self, delay_ns: int) -> None:
        if self._sending is None and not self._stalled and not self._aborted_slot and self._transmitting:
            self._sending = self.clock.at(delay_ns, self._fetch)

    # One frame

    def _fetch(self) -> None:
        """The slot whose turn it is goes into the FIFO; nothing happens before it is handed over."""
        self._sending = None
        slot = self._turn
        status = self.values[_TSD + slot]
        if status & _OWN or not self._transmitting or not self.awake:
            return
        self.armed_by = self._armed[slot]
        address, length = self.values[_TSAD + slot] & ~3, status & _SIZE
        if length > self.limits.max_length:
            self.dma.check_reach(address, length)
            self.dma.read(address, length, "transmit data")  # tells of the length; nothing moves
            self._finish(slot, _TABT, length)
            return
        data = self.dma.read(address, length, "transmit data") if length else b""
        if data is None:
            self.bus_error()
            return
        if length:
            self.dma.check_frame(address, length, self.dma.frame_tag(address, length))
        effect = self.fault_of_sending()
        if effect == "never":
            self._stalled = True
            return
        self.spoil = effect
        self.values[_TSD + slot] |= _OWN
        self._sending = self.clock.at(BYTE_NS * length, lambda: self._leave(slot, data, effect))

    def _leave(self, slot: int, data: bytes, effect: str) -> None:
        """The wire has the last bit of the frame, or it never will."""
        self._sending = None
        if not self.awake:
            self.values[_TSD + slot] &= ~_OWN  # asleep: the frame goes out anew when the card is back
            return
        threshold = TSD.ERTXTH.get(self.values[_TSD + slot]) * THRESHOLD_UNIT or 8
        if effect == "underrun" and threshold >= len(data) and self.machine.injector is not None:
            self.machine.injector.without_effect("frame-out", "the FIFO held the whole frame before the first bit left")
            effect = ""
        if effect == "underrun":
            self._finish(slot, _TUN, len(data))
        elif effect in ("abort", "late-collision"):
            self._finish(slot, _TABT | (_OWC if effect == "late-collision" else _NCC), len(data))
        else:
            self._put_on_wire(slot, data)
            self._finish(slot, _TOK, len(data))
            if effect == "repeated":
                self.clock.at(REPEAT_NS, self._told_again)

    def _finish(self, slot: int, status: int, length: int) -> None:
        if self.carrier_always_lost:
            status |= _CRS
        self.values[_TSD + slot] = self.values[_TSD + slot] & ~_STATUS | _OWN | status
        if status & _TABT:
            self._aborted_slot = True
        else:
            self._turn = (slot + 1) % SLOTS
            self._schedule(FETCH_NS)
        self.cause(_ISR_TOK if status & _TOK else _ISR_TER)

    def _put_on_wire(self, slot: int, frame: bytes) -> None:
        tcr = self.values[_TCR]
        if tcr & _CRC:  # the driver brought the check sequence along
            if len(frame) < CRC_BYTES or crc32(frame[:-CRC_BYTES]).to_bytes(CRC_BYTES, "little") != frame[-CRC_BYTES:]:
                self.dropped(frame, "bad check sequence")
                return
            frame = frame[:-CRC_BYTES]
        if tcr & _LBK == _LBK:
            self.receive_frame(frame)
        elif self.phy.link:
            self.wire.transmit(frame, (f"transmit slot {slot}",))
        else:
            self.dropped(frame, "link down")

    def _told_again(self) -> None:
        """The cause of a frame that was sent comes a second time."""
        if self.awake and self._transmitting:
            self.cause(_ISR_TOK)
