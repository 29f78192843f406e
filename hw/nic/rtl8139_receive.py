# SPDX-License-Identifier: Apache-2.0
"""The receiver of the RTL8139C: one ring of bytes (``docs/nics/rtl8139.md``, sections 3, 4.5 to 4.8, 4.11 and 5).

Packets lie one behind the other, each with a header of four bytes, on multiples of four. CBR says where the card writes next, CAPR
(16 less) where the driver reads next. Equal pointers mean empty, so the card drops what would fill the ring to its last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar
from zlib import crc32

from hw import dma_rules as rules
from hw.clock import US
from hw.nic.base import LivePointer
from hw.nic.rtl8139_phy import Medium
from hw.nic.rtl8139_registers import (
    CAPR_BEHIND,
    CR,
    CRC_BYTES,
    ERSR,
    HEADER,
    ISR,
    RCR,
    UNFINISHED,
    PacketStatus,
    Registers,
)
from verifier.address import KIB, Span, hex_address
from verifier.rule import rule
from verifier.where import Where

if TYPE_CHECKING:
    from hw.limits import DmaLimits
    from hw.machine import Machine

READ_POINTER = rule(
    "rx-read-pointer", "write CAPR with the offset of the next unread packet minus 16, modulo the length of the ring",
    text="The read pointer of a byte ring names the next unread packet and never passes what the card has written (RTL8139: "
    "FreeBSD if_rl.c, Linux 8139too.c).",
    cards=("rtl8139",))
RING_UNSET = rule(
    "rx-ring-unset", "write the address of the receive ring before the receiver is enabled",
    text="The receiver runs only on a ring whose address was written since the last reset (RTL8139: the order of FreeBSD if_rl.c, Linux "
    "8139too.c and iPXE realtek.c).",
    cards=("rtl8139",))
CONFIG_NEEDS_ENABLE = rule(
    "config-needs-enable", "enable the receiver first, then write its configuration",
    text="A configuration that the card takes only while the engine is enabled is written after the engine was enabled (RTL8139: iPXE "
    "realtek.c, Minix rtl8139.h, Linux 8139too.c).",
    cards=("rtl8139",))

SMALLEST_RING = 8 * KIB
LONGEST = 4096
COPY_NS = 2 * US
"""From the header that says unfinished to the one that says how long the packet is."""
SLOW_COPY_NS = 400 * US
WIRE_BYTE_NS = 80
"""What a byte takes at 100 Mbit/s: the pace of a copy that is told early and does not wait for the whole frame (RCR.RXFTH)."""

_I = Registers.index
_CR, _RCR, _RBSTART, _MPC = _I["CR"], _I["RCR"], _I["RBSTART"], _I["MPC"]
_ERSR, _ERBCR, _MULINT = _I["ERSR"], _I["ERBCR"], _I["MULINT"]
_IDR0, _IDR4, _MAR0, _MAR4 = _I["IDR0"], _I["IDR4"], _I["MAR0"], _I["MAR4"]
_ROK = PacketStatus.ROK.mask
_RE, _ISR_ROK = CR.RE.mask, ISR.ROK.mask
_AAP, _APM, _AM, _AB, _WRAP, _RBLEN = (
    RCR.AAP.mask, RCR.APM.mask, RCR.AM.mask, RCR.AB.mask, RCR.WRAP.mask, RCR.RBLEN.mask)
_BAR, _MAR, _PAM = PacketStatus.BAR.mask, PacketStatus.MAR.mask, PacketStatus.PAM.mask
_RBLEN_AT = RCR.RBLEN.lsb
_ERTH, _MULERINT, _RXFTH = RCR.ERTH.mask, RCR.MULERINT.mask, RCR.RXFTH.mask
_ACCEPT = _AAP | _APM | _AM | _AB


class Receiver(Medium):
    """The receive half of the card."""

    shows_unfinished: ClassVar[bool] = True
    """Erratum: the ring is not empty any more while the card still copies, and the header says 0xFFF0 bytes."""
    configuration_resets_ring: ClassVar[bool] = False
    """What QEMU does: every write of RCR sets both pointers of the ring to 0."""

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self._write_at = 0
        self._read_at = 0
        self._ring_set = False
        self._started_at: Where | None = None
        """The line that enabled the receiver."""
        self._void = False
        """True after a write of RCR that had no effect because the receiver was off; *_void_at* is its line."""
        self._void_at: Where | None = None
        self._received = 0
        self._run = 0
        """Counts the starts of the receiver: what an earlier run still copies is lost."""
        self._copied_at = 0
        """When the last packet that is told early is there, in virtual ns: those behind it wait."""
        self._held: list[Callable[[], None]] = []
        """Copies that the card has still to finish when it is awake again."""
        super().__init__(machine, limits, adapter, mac)

    # Registers

    def on_read_CAPR(self, value: int) -> int:
        """The read pointer, 16 behind."""
        return self._read_at - CAPR_BEHIND & 0xFFFF

    def on_read_CBR(self, value: int) -> int:
        """The write pointer."""
        return self._write_at & 0xFFFF

    def on_write_CAPR(self, old: int, new: int) -> None:
        """The driver has read up to here."""
        size = self.ring_bytes
        at = (new + CAPR_BEHIND & 0xFFFF) % size
        if self._receiving and (at - self._read_at) % size > (self._write_at - self._read_at) % size:
            self.machine.findings.report(
                READ_POINTER, f"{self.name} CAPR: 0x{new:x} puts the read pointer to offset 0x{at:x} of the ring, and the card has written "
                f"from 0x{self._read_at:x} to 0x{self._write_at:x}: it takes the ring for nearly full", where=self.armed_by)
        self._read_at = at

    def on_write_RBSTART(self, old: int, new: int) -> None:
        """Where the ring begins."""
        self._ring_set = True
        if new & 3:
            block = self.dma.book.find(self.machine.bus.to_physical(new), 1)
            self.machine.findings.report(
                rules.DMA_ALIGNMENT, f"{self.name} RBSTART: {hex_address(new)} is not on a multiple of 4; the card drops the low bits",
                where=self.armed_by, space="logical", span=Span(new & ~3, 4), block=block)

    def on_write_RCR(self, old: int, new: int) -> None:
        """Filters and the length of the ring. Nothing changes while the receiver is off."""
        if not self._receiving:
            self.values[_RCR] = old
            if new & _ACCEPT and new != old:
                self._void, self._void_at = True, self.armed_by
            return
        self._void = False
        if self.configuration_resets_ring or (old ^ new) & _RBLEN:
            self._write_at = self._read_at = 0
        if (new & _ACCEPT and not old & _ACCEPT) or (old ^ new) & _RBLEN:
            self.dma.check_reach(self.values[_RBSTART] & ~3, self.ring_bytes)

    def on_write_MPC(self, old: int, new: int) -> None:
        """Any write clears."""
        self.values[_MPC] = 0

    # The ring

    @property
    def _receiving(self) -> bool:
        return bool(self.values[_CR] & _RE)

    @property
    def ring_bytes(self) -> int:
        """Length of the ring, without what drivers allocate behind it."""
        return SMALLEST_RING << ((self.values[_RCR] & _RBLEN) >> _RBLEN_AT)

    @property
    def empty(self) -> bool:
        """True if the driver has read all that the card wrote."""
        return self._read_at == self._write_at

    def start_receiver(self) -> None:
        """RE was set: the ring is empty and begins at its first byte."""
        self._write_at = self._read_at = 0
        self._run += 1
        self._copied_at = 0
        self._started_at = self.armed_by

    def stop_receiver(self) -> None:
        """RE was cleared: what is being copied is not finished."""
        self._run += 1

    def resume_receiver(self) -> None:
        """The card is awake again: what it was copying is finished."""
        held, self._held = self._held, []
        for finish in held:
            finish()

    def forget_ring(self) -> None:
        """As after a reset of the card."""
        self._write_at = self._read_at = 0
        self._ring_set = self._void = False

    def receive_pointers(self) -> Iterator[LivePointer]:
        """The ring, while frames may come."""
        if self._receiving and self._ring_set:
            yield LivePointer("receive ring", self.values[_RBSTART] & ~3, self.ring_bytes)

    # Frames

    def receive_frame(self, frame: bytes) -> None:
        """A good frame arrives."""
        if self._hears(frame):
            self._store(frame, self._kind(frame))

    def receive_bad_frame(self, frame: bytes, why: str) -> None:
        """A broken frame arrives. It is kept if RCR says so; one of 1600 bytes is no broken one for this card."""
        if why == "overlong" and len(frame) + CRC_BYTES <= LONGEST:
            self.receive_frame(frame)
            return
        if not self._hears(frame):
            return
        status, keep = self._kind(frame) & ~_ROK, RCR.AER.mask
        if why == "runt":
            status, keep = status | PacketStatus.RUNT.mask | _ROK, RCR.AR.mask
        elif why == "overlong":
            status |= PacketStatus.LONG.mask
        else:
            status |= PacketStatus.CRC.mask
        if self.values[_RCR] & keep:
            self._store(frame, status, spoil_crc=why == "bad-crc")
        else:
            self.dropped(frame, why)
        if keep == RCR.AER.mask:
            self.cause(ISR.RER.mask)

    def _hears(self, frame: bytes) -> bool:
        """True if the receiver is on and the frame for it."""
        if not self._receiving or not self.awake:
            self.dropped(frame, "receiver off")
            return False
        if self._void:
            self._void = False
            self.machine.findings.report(
                CONFIG_NEEDS_ENABLE, f"{self.name}: RCR was written while CR.RE was 0, which has no effect; a frame arrives, and RCR is "
                f"0x{self.values[_RCR]:08x}", where=self._void_at, related=[("the receiver was enabled", self._started_at)])
        if not self._wanted(frame):
            self.dropped(frame, "filtered")
            return False
        if not self._ring_set:
            self.machine.findings.report(
                RING_UNSET, f"{self.name}: a frame arrives, and nobody has written RBSTART since the card was reset: the card writes to "
                "device address 0", where=self._started_at)
        return True

    def _wanted(self, frame: bytes) -> bool:
        accept, values = self.values[_RCR], self.values
        if accept & _AAP:
            return True
        destination = frame[:6]
        if destination == b"\xff" * 6:
            return bool(accept & _AB)
        if destination[0] & 1:
            bit = multicast_hash(destination)
            return bool(accept & _AM and values[_MAR4 if bit & 32 else _MAR0] >> (bit & 31) & 1)
        return bool(accept & _APM) and destination == self.station

    @property
    def station(self) -> bytes:
        """The address that RCR.APM compares with."""
        return (self.values[_IDR0] | (self.values[_IDR4] & 0xFFFF) << 32).to_bytes(6, "little")

    def _kind(self, frame: bytes) -> int:
        """The bits of the header that say whom a good frame is for."""
        if frame[:6] == b"\xff" * 6:
            return _ROK | _BAR
        if frame[0] & 1:
            return _ROK | _MAR
        return _ROK | _PAM * (frame[:6] == self.station)

    def _store(self, frame: bytes, status: int, *, spoil_crc: bool = False) -> None:
        """Find room in the ring, and begin to copy."""
        effect, self.spoil = self.spoil, ""
        size, told = self.ring_bytes, self._early_after(len(frame) + CRC_BYTES)
        length = len(frame) + CRC_BYTES
        whole = (HEADER.size + length + 3) & ~3
        room = (self._read_at - self._write_at) % size or size
        if effect == "missed" or whole >= room:
            self._missed(frame, ISR.FOVW.mask if effect == "missed" else ISR.RXOVW.mask)
            return
        at, run = self._write_at, self._run
        self.armed_by = self._started_at
        early = effect == "unfinished" or self.shows_unfinished or told > 0
        if early:
            if not self._put(at, HEADER.pack(status, UNFINISHED)):
                return
            self._write_at = (at + whole) % size
        crc = crc32(frame) ^ (0xFFFFFFFF if spoil_crc else 0)
        self._received += 1
        number = self._received
        if effect == "bogus-length":
            length = 0x3FFF
        elif effect == "bit-flip":
            status ^= _ROK

        def finish() -> None:
            if run != self._run:
                return
            if not self.awake:
                self._held.append(finish)
                return
            self.armed_by = self._started_at
            body = at + HEADER.size
            if (self._put(body, frame, -number) and self._put(body + len(frame), crc.to_bytes(CRC_BYTES, "little"))
                    and self._put(at, HEADER.pack(status, length))):
                if not early:
                    self._write_at = (at + whole) % size
                if told:
                    self.values[_ERSR], self.values[_ERBCR] = ERSR.ERGOOD.mask if status & _ROK else ERSR.ERBAD.mask, 0
                self.cause(_ISR_ROK)

        def tell() -> None:
            if run == self._run and self.awake:
                self.values[_ERSR], self.values[_ERBCR] = ERSR.EROK.mask, told
                self.cause(_ISR_ROK)

        copying = SLOW_COPY_NS if effect == "unfinished" else COPY_NS
        if told:
            before = 0
            if self.values[_RCR] & _RXFTH != _RXFTH and effect != "unfinished":
                before, copying = max(self._copied_at - self.clock.now, 0), WIRE_BYTE_NS * (len(frame) + CRC_BYTES)
            self.clock.at(before + copying * told // (len(frame) + CRC_BYTES), tell)
            copying += before
            self._copied_at = self.clock.now + copying
        if effect == "unfinished":
            self.cause(_ISR_ROK)
        if early:
            self.clock.at(copying, finish)
        else:
            finish()

    def _early_after(self, length: int) -> int:
        """After how many bytes of a packet of *length* the card tells of it early (4.11 and 4.17); 0: not before its end."""
        rcr = self.values[_RCR]
        if not rcr & _ERTH:
            return 0
        told = self.values[_MULINT] if rcr & _MULERINT else length * RCR.ERTH.get(rcr) // 16
        return told if told < length else 0

    def _put(self, at: int, data: bytes, tag: int = 0) -> bool:
        """Write into the ring from offset *at* on: around its end, or beyond it where RCR.WRAP says so."""
        size, base = self.ring_bytes, self.values[_RBSTART] & ~3
        runs_on = self.values[_RCR] & _WRAP and size < 64 * KIB
        if not runs_on:
            at %= size
        first = len(data) if runs_on else min(len(data), size - at)
        for offset, piece in ((at, data[:first]), (0, data[first:])):
            if piece and not self.dma.write(base + offset, piece, "received data", tag):
                self.bus_error()
                return False
        return True

    def _missed(self, frame: bytes, cause: int) -> None:
        self.values[_MPC] = self.values[_MPC] + 1 & 0xFFFFFF
        self.lost_for_want_of_descriptors += 1
        self.dropped(frame, "no room in the ring" if cause == ISR.RXOVW.mask else "FIFO overflow")
        self.cause(cause)


def multicast_hash(address: bytes) -> int:
    """Bit of the 64-bit multicast table for *address*: the top six bits of its Ethernet CRC, highest bit first (section 4.2)."""
    crc = int(f"{crc32(address) ^ 0xFFFFFFFF:032b}"[::-1], 2)
    return crc >> 26
