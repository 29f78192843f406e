# SPDX-License-Identifier: Apache-2.0
"""What all parts of a PCnet model share: register values, bus cycles, interrupt causes. Data sheet: ``docs/nics/pcnet.md``.

In the 16-bit software style a card knows 24 bits of every address. The 970A takes the upper 8 from CSR2, so that all blocks lie in
one window of 16 MB; the 79C960 has no more address lines. `PcnetBase.reached` is where the bed works out which memory the driver
meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from hw.inject import Effect
from hw.limits import DmaLimits
from hw.nic.base import WIRE_FAULTS, Nic
from hw.nic.owned_ring import OwnedRing
from hw.nic.pcnet_layout import ONES, OWN, STYLES, Entry, Style
from hw.nic.pcnet_rules import RESERVED_IN_MEMORY
from verifier.address import Span
from verifier.events import Kind

if TYPE_CHECKING:
    from hw.machine import Machine

INIT, STRT, STOP, TDMD, TXON, RXON, IENA, INTR = (1 << bit for bit in range(8))
IDON, TINT, RINT, MERR, MISS, CERR, BABL, ERROR = (1 << bit for bit in range(8, 16))
"""Bits of CSR0."""
MASKED = BABL | MISS | MERR | RINT | TINT | IDON
"""Causes of CSR0 that interrupt unless CSR3 has the same bit; CERR never does."""
MASKED_4 = 0x0222 | 0x0008
"""Causes of CSR4, each with its mask one bit below: MFCO, RCVCCO, TXSTRT, JAB."""
MFCO, UINT, RCVCCO, TXSTRT = 0x0200, 0x0040, 0x0020, 0x0008
DPOLL, APAD_XMT, ASTRP_RCV = 0x1000, 0x0800, 0x0400
"""Bits of CSR4."""
DRX, DTX, LOOP, DXMTFCS, DLNKTST, DRCVPA, DRCVBC, PROM = 0x0001, 0x0002, 0x0004, 0x0008, 0x1000, 0x2000, 0x4000, 0x8000
"""Bits of CSR15."""

FETCH_NS = 500
"""From a doorbell to the first bus cycle."""
CLOCK_NS = 30
"""One clock of a 33 MHz bus: the unit of the poll timer."""
REPEAT_NS = 20_000

COMPLETION_FAULTS = (
    Effect("bit-flip", "device", True, "the descriptor is handed back with OWN flipped"),
    Effect("repeated", "device", True, "the card hands the descriptor back a second time, 20 us later"),
)


class PcnetBase(Nic):
    """Registers, cycles and causes."""

    csrs: ClassVar[str]
    """Name of the bank of CSRs."""
    bcrs: ClassVar[str]
    """Name of the bank behind the second data port."""
    narrow_limits: ClassVar[DmaLimits]
    """The limits in the 16-bit software style."""
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **Nic.faults,
        "frame-in": (
            *Nic.faults["frame-in"],
            Effect("missed", "device", False, "the card finds no descriptor for the frame and sets MISS"),
            Effect("overflow", "device", False, "the receive FIFO overflows: the descriptor comes back with ERR and OFLO, without ENP"),
            Effect("bogus-length", "device", True, "the descriptor says 4095 bytes received"),
            *COMPLETION_FAULTS),
        "frame-out": (
            Effect("underrun", "device", False, "the transmit FIFO runs empty: UFLO, and the transmitter turns itself off"),
            Effect("late-collision", "device", False, "a collision behind the first 512 bits: ERR and LCOL"),
            Effect("retry", "device", False, "16 collisions: ERR and RTRY"),
            Effect("never", "device", False, "the transmitter stops at this frame until INIT or a reset"),
            *WIRE_FAULTS, *COMPLETION_FAULTS),
        "init": (
            Effect("slow", "device", False, "IDON comes 200 us late"),
            Effect("never", "device", False, "IDON never comes"),
        ),
        "link": (Effect("down", "device", False, "the link is down after this reset of the card, and comes up 50 ms later"),
                 Effect("dead", "device", False, "the link is down after this reset of the card, and stays down")),
    }

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self.index = index = self.registers.index
        self.csr0, self.csr3, self.csr4, self.csr15 = (index[f"CSR{number}"] for number in (0, 3, 4, 15))
        self.csr5 = index.get("CSR5", -1)
        self.rap = index["RAP"]
        self.tx = OwnedRing(self, "transmit")
        self.rx = OwnedRing(self, "receive")
        self.style: Style = STYLES[0]
        self.stored = 0
        """Frames that the card put into memory."""
        super().__init__(machine, limits, adapter, mac)

    # Registers by number

    def csr(self, number: int) -> int:
        """The value of a CSR."""
        return self.values[self.index[f"CSR{number}"]]

    def set_csr(self, number: int, value: int) -> None:
        """Store into a CSR."""
        self.values[self.index[f"CSR{number}"]] = value & 0xFFFF

    def csr_pair(self, low: int) -> int:
        """32 bits out of the CSRs *low* and the next one."""
        return self.csr(low) | self.csr(low + 1) << 16

    def set_csr_pair(self, low: int, value: int) -> None:
        """Store 32 bits into the CSRs *low* and the next one."""
        self.set_csr(low, value)
        self.set_csr(low + 1, value >> 16)

    # Causes

    def cause(self, bits: int) -> None:
        """Bits of CSR0 become set."""
        self.values[self.csr0] |= bits
        self.update_line()

    def cause_4(self, bits: int) -> None:
        """Bits of CSR4 become set."""
        self.values[self.csr4] |= bits
        self.update_line()

    def other_causes(self) -> int:
        """Causes in further registers that may interrupt."""
        return 0

    def interrupt_flag(self) -> bool:
        """CSR0.INTR: a cause is set that no mask holds back."""
        values = self.values
        return bool(values[self.csr0] & MASKED & ~values[self.csr3]
                    or values[self.csr4] & (MASKED_4 & ~(values[self.csr4] << 1) | UINT) or self.other_causes())

    def update_line(self) -> None:
        """Pull the line, or let it go."""
        self.set_interrupt(bool(self.values[self.csr0] & IENA) and self.interrupt_flag())

    # Cycles

    @property
    def granted(self) -> bool:
        """True if the card gets the bus when it asks for it."""
        return self.dma.bus_master

    def reached(self, address: int, length: int) -> int:
        """The address of *length* bytes for the DMA port: in the 16-bit style what the driver meant by the 24 bits that the card
        knows, which the port then holds against the card's reach."""
        if self.style.wide:
            return address
        low = address & 0xFFFFFF
        here = self.window << 24 | low
        block = self.dma.book.find(self.machine.bus.to_physical(here), length)
        if block is not None and block.adapter == self.adapter and (block.device_reads or block.device_writes):
            return here
        meant = self.dma.book.meant_by(self.adapter, 24, low, length, self.machine.bus.logical_offset)
        return here if meant is None else meant

    @property
    def window(self) -> int:
        """Bits 31:24 of every address in the 16-bit style."""
        return 0

    def fetch(self, address: int, length: int, purpose: str) -> bytes | None:
        """The card reads; None, and it has dealt with it, if the cycle failed."""
        data = self.dma.read(self.reached(address, length), length, purpose) if self.granted else None
        if data is None:
            self.cycle_failed()
        return data

    def store(self, address: int, data: bytes, purpose: str, tag: int = 0) -> bool:
        """The card writes; False, and it has dealt with it, if the cycle failed."""
        good = self.granted and self.dma.write(self.reached(address, len(data)), data, purpose, tag)
        if not good:
            self.cycle_failed()
        return good

    def cycle_failed(self) -> None:
        """The bus was not granted, or the cycle was aborted."""
        raise NotImplementedError

    def memory_error(self) -> None:
        """The bus was not granted within the time of CSR100: MERR, and both engines are off."""
        self.values[self.csr0] &= ~(TXON | RXON)
        self.tx.unwatch()
        self.rx.unwatch()
        self.cause(MERR)

    # Descriptors

    def entry(self, ring: OwnedRing, index: int) -> Entry | None:
        """The entry if the card owns it; None if it does not, or if the cycle failed."""
        style = self.style
        taken = ring.take(index)
        if taken is not None:
            self.armed_by = ring.taken_at[index]
        at = ring.address(index) + style.first
        raw = self.fetch(at, style.fetched, f"{ring.what} descriptor {index}")
        if raw is None:
            return None
        entry = style.parse(raw if taken is None else taken[style.first:style.first + style.fetched])
        if not entry.flags & OWN:
            return None
        if entry.count & ONES != ONES:
            span = Span(ring.address(index), style.size)
            self.machine.findings.report(
                RESERVED_IN_MEMORY, f"{ring.what} descriptor {index} at {span}: bits 15:12 of the byte count word 0x{entry.count:04x} are "
                "not all one", where=self.armed_by, space="logical", span=span, block=ring.block)
        return entry

    def hand_back(self, ring: OwnedRing, index: int, entry: Entry, flags: int, status: int) -> bool:
        """Write flags and status of an entry back and go on to the next one; False if the cycle failed."""
        effect, self.spoil = self.spoil, ""
        if effect == "bit-flip":
            flags ^= OWN
        elif effect == "bogus-length":
            status |= 0xFFF
        data = self.style.handed_back(entry, flags, status)
        at, purpose = ring.address(index) + self.style.written, f"{ring.what} status"
        if effect == "repeated":
            self.clock.at(REPEAT_NS, lambda: self._repeat(at, data, purpose))
        ring.handed_back(index)
        ring.next = (index + 1) % ring.length
        return self.store(at, data, purpose)

    def _repeat(self, at: int, data: bytes, purpose: str) -> None:
        """The descriptor is handed back once more, while the engines run."""
        if self.awake and self.values[self.csr0] & (TXON | RXON):
            self.store(at, data, purpose)
            self.cause(RINT if purpose.startswith("receive") else TINT)

    def dropped(self, frame: bytes, why: str) -> None:
        """A frame goes nowhere."""
        self.machine.events.append((self.clock.now, Kind.FRAME_DROPPED, 0, self.name, len(frame), why))
