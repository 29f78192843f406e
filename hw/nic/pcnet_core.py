# SPDX-License-Identifier: Apache-2.0
"""The core of the PCnet cards: ports, registers behind RAP, initialization, start and stop. Data sheet: ``docs/nics/pcnet.md``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from hw import dma_rules
from hw.clock import US, Entry
from hw.nic.base import REGISTER_UNKNOWN, LivePointer
from hw.nic.owned_ring import OwnedRing
from hw.nic.pcnet_base import BABL, CERR, DRX, DTX, ERROR, IDON, IENA, INIT, INTR, MERR, MISS, RXON, STOP, STRT, TDMD, TXON
from hw.nic.pcnet_csr import CSR0
from hw.nic.pcnet_inside import inside
from hw.nic.pcnet_layout import LONGEST_RING, STYLES, InitBlock
from hw.nic.pcnet_receive import Receiver
from hw.nic.pcnet_rules import RESERVED_IN_MEMORY, RINGS_FIRST, STOP_FIRST
from hw.nic.pcnet_torn import TornPairs
from hw.register import Slot
from verifier.address import Span, hex_address

if TYPE_CHECKING:
    from hw.limits import DmaLimits
    from hw.machine import Machine

INIT_NS = 5 * US
SLOW_INIT_NS = 200 * US
LINK_LATE_NS = 50_000_000
SUMMED = BABL | CERR | MISS | MERR
"""Bits of CSR0 of which ERR is the sum."""
CAUSES_4 = 0x026A
"""Bits of CSR4 that tell of something."""
EN124 = 0x8000
"""Bit of CSR4."""
MODE_KEPT = 0x21C4
"""What S_RESET leaves of CSR15."""
DATA_OFFSET, RAP_OFFSET, SECOND_DATA_OFFSET = 0x10, 0x12, 0x16
RAP_MASK = 0x7F


class PcnetCore(Receiver):
    """Registers and life of the card. A model gives the maps, the limits and what happens when a cycle fails."""

    restart_rewinds: ClassVar[bool] = False
    """Errata switch: STRT after STOP begins both rings anew, as the driver lance.c says of later chips; else the counters go on."""
    start_with_idon_lost: ClassVar[bool] = False
    """Errata switch: STRT together with a one to IDON is lost, as lance.c says of the 79C974."""

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self._written = 0
        self._starts = False
        """True if STRT was set while the initialization block is still being read."""
        self._initializing: Entry | None = None
        self._block_at = 0
        self._asked = 0
        """What the driver last wrote to RAP, whether that arrived or not."""
        self.torn = TornPairs()
        super().__init__(machine, limits, adapter, mac)

    # Ports

    def register_at(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        """The register behind a port: in word mode, what every card has."""
        if offset == DATA_OFFSET:
            return self.behind(self.csrs, value)
        if offset == SECOND_DATA_OFFSET:
            return self.behind(self.bcrs, value)
        if offset == RAP_OFFSET and value is not None:
            self._asked = value & RAP_MASK
            self.torn.named(self, self._asked, self._named())
        if offset < 16 and size > 1:
            return self.banks["Wide"].get(offset if size == 2 else 16 + offset)
        return self.ports.get(offset)

    def behind(self, bank: str, value: int | None) -> Slot | None:
        """The register of *bank* that RAP names; for a write that has yet to arrive, as RAP will be then."""
        number = self.values[self.rap] if value is None else self._named()
        if not self.present:
            number = self._asked
        found = self.banks[bank].get(number)
        meant = self.torn.used(self, bank, number, value is None)
        # RAP was lost on its way, or changed since: what is written is not meant for this register.
        if found is not None and (number != self._asked or not meant):
            return replace(found, reserved=0, tagged=0)
        if found is None:
            verb = "read" if value is None else "write"
            self.machine.findings.report(
                REGISTER_UNKNOWN, f"{self.name}: {verb} of {bank.removeprefix('Isa')}{number}, which {self.model} does not have",
                subject=((self.name, bank, number),))
        return found

    def _named(self) -> int:
        """What RAP names once all has arrived that is on its way."""
        number: int = self.values[self.rap]
        for device, slot, written, _ in self.machine.bus.posted:
            if device is self and slot.name == "RAP":
                number = written & RAP_MASK
        return number

    ports: ClassVar[dict[int, Slot]] = {}
    """The registers that have an offset of their own, in word mode."""
    held: ClassVar[frozenset[int]] = frozenset()
    """Indices of registers that are written only while STOP or SPND is set."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """The bus asks `decode` for every register: which one is meant depends on RAP and on the mode of the ports."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "registers"):
            cls.ports, cls.slots = cls.slots, {}
            cls.held = frozenset(slot.index for slot in cls.registers.slots if getattr(slot.register, "held", False))

    def write_register(self, slot: Slot, value: int) -> None:
        """Store what the processor writes; some registers take it only while the card is stopped or suspended."""
        if slot.index in self.held and not self.halted:
            self.machine.findings.report(
                STOP_FIRST, f"{self.name} {slot.name}: 0x{value:x} is written while neither STOP nor SPND is set, and lost",
                where=self.armed_by if slot.arms else None, subject=((self.name, slot.name),))
            return
        self._written = value
        super().write_register(slot, value & (1 << slot.width * 8) - 1)

    def read_register(self, slot: Slot) -> int:
        """What the processor reads."""
        if slot.bank == self.csrs and slot.plain_read and slot.on_read is None:
            shown = inside(self, slot.offset)
            if shown is not None:
                return shown
        return super().read_register(slot)

    @property
    def halted(self) -> bool:
        """STOP or SPND is set."""
        return bool(self.values[self.csr0] & STOP) or self.suspended

    def on_read_RESET(self, value: int) -> int:
        """S_RESET."""
        self.soft_reset()
        return 0

    def aprom(self) -> bytes:
        """16 bytes: the station address, the hardware id, a check sum over the others, and WW."""
        data = self.mac + bytes(3) + b"\x11" + bytes(4) + b"WW"
        return data[:12] + sum(data).to_bytes(2, "little") + b"WW"

    # CSR0 to CSR4

    def on_read_CSR0(self, value: int) -> int:
        """INTR and ERR are summaries."""
        return value | INTR * self.interrupt_flag() | ERROR * bool(value & SUMMED)

    def on_write_CSR0(self, old: int, new: int) -> None:
        """STOP wins; INIT and STRT take the card out of it; TDMD is a doorbell."""
        written = self._written
        if written & STOP:
            self.stop()
            return
        acted = INIT | STRT | STOP | TDMD
        self.values[self.csr0] = new & ~acted | old & acted
        if self.start_with_idon_lost and written & STRT and written & IDON:
            written &= ~STRT
        if written & INIT and not old & INIT:
            self._begin_init()
        if written & STRT and not old & STRT:
            if self._initializing is not None:
                self._starts = True
            else:
                self._start()
        if written & TDMD and self.values[self.csr0] & TXON:
            self.values[self.csr0] |= TDMD
            self.demand()
        self.update_line()

    def on_write_CSR3(self, old: int, new: int) -> None:
        """Other causes may interrupt."""
        self.update_line()

    def on_write_CSR4(self, old: int, new: int) -> None:
        """Causes were acknowledged, or polling was allowed again."""
        self.poll_now()
        self.update_line()

    def on_write_CSR124(self, old: int, new: int) -> None:
        """A test register: it takes what is written only while CSR4 allows."""
        if not self.values[self.csr4] & EN124:
            self.set_csr(124, old)

    def on_read_CSR16(self, value: int) -> int:
        """The same register as CSR1."""
        return self.csr(1)

    def on_write_CSR16(self, old: int, new: int) -> None:
        """The same register as CSR1."""
        self.set_csr(1, new)

    def on_read_CSR17(self, value: int) -> int:
        """The same register as CSR2."""
        return self.csr(2)

    def on_write_CSR17(self, old: int, new: int) -> None:
        """The same register as CSR2."""
        self.set_csr(2, new)

    # Initialization, start and stop

    def _begin_init(self) -> None:
        self.values[self.csr0] = self.values[self.csr0] & ~STOP | INIT
        self.stalled = self._starts = False
        self._block_at = self.csr_pair(1)
        effect = self.fault("init") if self.machine.injector is not None else ""
        self._initializing = self.clock.at(SLOW_INIT_NS if effect == "slow" else INIT_NS, self._init)
        if effect == "never":
            self.clock.cancel(self._initializing)

    def _init(self) -> None:
        """Read the initialization block; IDON tells that it was read."""
        style, at = self.style, self._block_at
        if not style.wide:
            at &= 0xFFFFFF
        raw = self.fetch(at, style.block, "initialization block")
        self._initializing = None
        if raw is None:
            return
        block = InitBlock.parse(raw, style)
        if block.reserved:
            span = Span(at, style.block)
            self.machine.findings.report(
                RESERVED_IN_MEMORY, f"the initialization block at {span} sets reserved bits 0x{block.reserved:08x}; the card "
                f"takes its rings at {hex_address(block.rx_base)} and {hex_address(block.tx_base)}", where=self.armed_by,
                space="logical", span=span, block=self.dma.book.find(self.machine.bus.to_physical(self.reached(at, 1)), 1))
        self.values[self.csr15] = block.mode
        for number in range(3):
            self.set_csr(12 + number, int.from_bytes(block.padr[2 * number:2 * number + 2], "little"))
        for number in range(4):
            self.set_csr(8 + number, block.ladrf >> 16 * number)
        self.set_csr(6, block.tx_log2 << 12 | block.rx_log2 << 8)
        for low, length, base, log2 in ((24, 76, block.rx_base, block.rx_log2), (30, 78, block.tx_base, block.tx_log2)):
            self.set_csr_pair(low, base)
            self.set_csr(length, -(1 << min(log2, LONGEST_RING[style.number])))
        self.rx.next = self.tx.next = 0
        self.cause(IDON)
        if self._starts:
            self._start()

    def _start(self) -> None:
        """STRT: both engines run, as far as the mode allows."""
        self._starts = False
        if not self.csr(76) or not self.csr(78):
            self.machine.findings.report(
                RINGS_FIRST, f"{self.name}: STRT, and no initialization block was read and no ring length written; the card does not start",
                where=self.armed_by, subject=((self.name, "STRT"),))
            return
        if self.restart_rewinds:
            self.rx.next = self.tx.next = 0
        mode = self.values[self.csr15]
        self.values[self.csr0] = self.values[self.csr0] & ~STOP | STRT | TXON * (not mode & DTX) | RXON * (not mode & DRX)
        for ring, low, number in ((self.rx, 24, 76), (self.tx, 30, 78)):
            self._place(ring, self.csr_pair(low), -self.csr(number) & 0xFFFF)
        if not mode & DRX:
            self.rx.watch()
        if not mode & DTX:
            self.start_transmitter()

    def _place(self, ring: OwnedRing, base: int, length: int) -> None:
        size = self.style.size
        if base & size - 1:
            self.machine.findings.report(
                dma_rules.DMA_ALIGNMENT, f"{self.name}: the {ring.what} ring at {hex_address(base)} is not on a multiple of {size}; the "
                f"card drops the low bits and uses {hex_address(base & ~(size - 1))}", where=self.armed_by, space="logical",
                span=Span(base & ~(size - 1), size))
        at = self.reached(base & ~(size - 1), length * size)
        ring.place(at, length, size, self.style.compared, self.style.flags_at)
        ring.next %= length
        self.dma.check_reach(at, length * size)

    def stop(self) -> None:
        """STOP: no cycle any more; causes are gone, ring registers stay."""
        self.dma.flush()
        self.stop_transmitter()
        self.rx.unwatch()
        if self._initializing is not None:
            self.clock.cancel(self._initializing)
            self._initializing = None
        self._starts = False
        self.values[self.csr0] = STOP
        self.values[self.csr4] &= ~CAUSES_4
        self.set_csr(112, 0)
        self.set_csr(114, 0)
        self.update_line()

    def soft_reset(self) -> None:
        """S_RESET: as STOP, and the control registers take their reset values; the bus configuration stays."""
        self.stop()
        self.stalled = False
        mode = self.values[self.csr15] & MODE_KEPT
        for slot in self.banks[self.csrs].values():
            if slot.offset in (0, 3, 4, 5, 80, 82, 100, 124):
                self.values[slot.index] = slot.register.reset_value()
        self.values[self.csr15] = mode
        self.values[self.index["RAP"]] = self._asked = 0
        self.torn.forget()
        if self.machine.injector is not None:
            self._link_after_reset(self.fault("link"))
        self.update_line()

    def _link_after_reset(self, effect: str) -> None:
        if effect and self.wire.up:
            self.wire.set_link(False)
            if effect == "down":
                self.clock.at(LINK_LATE_NS, lambda: self.wire.set_link(True))

    def reset_registers(self) -> None:
        """As after power-up: all registers, and the station address out of the address PROM."""
        super().reset_registers()
        self._asked = 0
        self.torn.forget()
        self.style = STYLES[0]
        self.dma.set_limits(self.narrow_limits)
        self.load_aprom()

    def load_aprom(self) -> None:
        """The address PROM is read into its registers and CSR12 to CSR14."""
        data = self.aprom()
        for at in range(16):
            self.values[self.index[f"APROM{at}"]] = data[at]
        for at in range(0, 16, 2):
            self.values[self.index[f"APROM_WORD{at}"]] = int.from_bytes(data[at:at + 2], "little")
        for at in range(0, 16, 4):
            self.values[self.index[f"APROM_DWORD{at}"]] = int.from_bytes(data[at:at + 4], "little")
        for number in range(3):
            self.set_csr(12 + number, int.from_bytes(data[2 * number:2 * number + 2], "little"))

    def break_mac(self) -> None:
        """The card is plugged in: what its address PROM holds shows in its registers."""
        super().break_mac()
        self.load_aprom()

    def power_on_reset(self) -> None:
        """H_RESET."""
        self.stop()
        self.reset_registers()
        self.rx.next = self.tx.next = 0
        self.stalled = False

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        """The initialization block while it is read, rings of engines that run, and the buffers of what the card has taken."""
        if self._initializing is not None:
            at = self._block_at if self.style.wide else self.reached(self._block_at & 0xFFFFFF, self.style.block)
            yield LivePointer("initialization block", at, self.style.block)
        status = self.values[self.csr0]
        for ring, on in ((self.tx, TXON), (self.rx, RXON)):
            if status & on and ring.length:
                yield LivePointer(f"{ring.what} ring", ring.base, ring.length * ring.size)
                style = self.style
                for index, raw in ring.taken.items():
                    entry = style.parse(raw[style.first:style.first + style.fetched])
                    yield LivePointer(
                        f"{ring.what} buffer of descriptor {index}", self.reached(entry.address, entry.length), entry.length)

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """CSR0 with STOP."""
        return slot.name == "CSR0" and bool(value & STOP)

    def pending_causes(self) -> str:
        """Causes that interrupt."""
        return CSR0.show(self.on_read_CSR0(self.values[self.csr0])) if self.interrupt_flag() else ""

    @property
    def interrupts_enabled(self) -> bool:
        """CSR0.IENA."""
        return bool(self.values[self.csr0] & IENA)

    def enables_interrupts(self, slot: Slot, value: int) -> bool | None:
        """CSR0 decides: IENA, and STOP clears it."""
        return bool(value & IENA and not value & STOP) if slot.name == "CSR0" else None

    def resumed(self) -> None:
        """A cause that is set pulls the line again."""
        self.update_line()
        self.poll_now()

    def link_changed(self, up: bool) -> None:
        """The link came up or went down: a LED shows it, and no cause tells of it."""

    @classmethod
    def in_dword_mode(cls, slot: Slot) -> Slot:
        """The register as an access of 32 bits meets it: the upper half is reserved."""
        return replace(slot, width=4, reserved=slot.reserved | 0xFFFF0000, readable=slot.readable | 0xFFFF0000)
