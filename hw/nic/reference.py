# SPDX-License-Identifier: Apache-2.0
"""The reference NIC: a bus master with two descriptor rings, made to teach. Data sheet: ``docs/nics/reference.md``.

It fetches greedily, as real cards may: a descriptor is taken in the instant in which its ownership bit is stored while
the engine runs, and at the doorbell at the latest. What the driver stores into it afterwards comes too late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hw import dma_rules as rules
from hw.inject import Effect
from hw.limits import PRESETS, DmaLimits
from hw.nic.base import WIRE_FAULTS, LivePointer, Nic
from hw.nic.reference_engines import ReferenceEngines
from hw.nic.reference_registers import CAUSE, CTRL, DESCRIPTOR, DESCRIPTOR_SIZE, LIMITS, STATUS, Registers
from hw.nic.reference_rings import Ring
from hw.pci import Bar
from hw.register import Slot
from verifier.address import Span, hex_address

if TYPE_CHECKING:
    from hw.machine import Machine

RESET_NS = 1_000
LINK_LATE_NS = 50_000_000

COMPLETION_FAULTS = (
    Effect("bit-flip", "device", True, "the control dword of the descriptor is handed back with bit 31, OWN, flipped"),
    Effect("repeated", "device", True, "the card hands the descriptor back a second time, 20 us later"),
)

_I = Registers.index
_CTRL, _CAUSE, _MASK, _FILTER = _I["CTRL"], _I["CAUSE"], _I["MASK"], _I["FILTER"]
_TX_ENABLE, _RX_ENABLE, _RESET = CTRL.TX_ENABLE.mask, CTRL.RX_ENABLE.mask, CTRL.RESET.mask
_LINK, _RESETTING = STATUS.LINK.mask, STATUS.RESETTING.mask
_TX_ACTIVE, _RX_ACTIVE = STATUS.TX_ACTIVE.mask, STATUS.RX_ACTIVE.mask


class ReferenceNic(ReferenceEngines):
    """The bed's own NIC. All of its registers are dwords; memory and port space show the same ones."""

    model: ClassVar[str] = "reference"
    description: ClassVar[str] = "the bed's own bus master: two descriptor rings, 26 address bits, 16 MB boundary"
    registers = Registers
    vendor_id: ClassVar[int] = 0x0DBE
    device_id: ClassVar[int] = 0x0001
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, 4096), Bar(1, 256, ports=True))
    default_limits: ClassVar[DmaLimits] = PRESETS["reference"]
    limits_settable: ClassVar[bool] = True
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **Nic.faults,
        "frame-in": (*Nic.faults["frame-in"], Effect("bogus-length", "device", True, "the descriptor says 65535 bytes received"),
                     *COMPLETION_FAULTS),
        "frame-out": (
            Effect("underrun", "device", False, "the card does not get the frame in time and refuses it with ERROR"),
            Effect("never", "device", False, "the transmitter stops at this frame until the card is reset"),
            *WIRE_FAULTS, *COMPLETION_FAULTS),
        "link": (Effect("down", "device", False, "the link is down after this reset of the card, and comes up 50 ms later"),
                 Effect("dead", "device", False, "the link is down after this reset of the card, and stays down")),
    }
    slow_bits: ClassVar[Mapping[str, int]] = {"STATUS": _RESETTING | _TX_ACTIVE | _RX_ACTIVE}

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self.tx = Ring("transmit")
        self.rx = Ring("receive")
        self._tx_scheduled = False
        self._received = 0
        self._unreported = 0
        self._error_address = 0
        self._limits_value = (
            LIMITS.ADDRESS_BITS.put(limits.address_bits)
            | LIMITS.BOUNDARY_LOG2.put(limits.boundary.bit_length() - 1 if limits.boundary else 0)
            | LIMITS.ALIGNMENT_LOG2.put(max(limits.alignment.bit_length() - 1, 4)))
        self._resetting = False
        self._stalled = False
        super().__init__(machine, limits, adapter, mac)

    # Registers

    def on_read_STATUS(self, value: int) -> int:
        """Link and engines as they are."""
        ctrl = self.values[_CTRL]
        value = _LINK if self.wire.up else 0
        if self._resetting:
            value |= _RESETTING
        if ctrl & _TX_ENABLE:
            value |= _TX_ACTIVE
        return value | _RX_ACTIVE if ctrl & _RX_ENABLE else value

    def on_read_LIMITS(self, value: int) -> int:
        """The limits that this card was built with."""
        return self._limits_value

    def on_read_MAC_LO(self, value: int) -> int:
        """Station address, first four bytes."""
        return int.from_bytes(self.mac[:4], "little")

    def on_read_MAC_HI(self, value: int) -> int:
        """Station address, last two bytes."""
        return int.from_bytes(self.mac[4:], "little")

    def on_read_TX_HEAD(self, value: int) -> int:
        """The descriptor that the transmitter works on."""
        return self.tx.head

    def on_read_RX_HEAD(self, value: int) -> int:
        """The descriptor that the next frame goes to."""
        return self.rx.head

    def on_read_DMA_ERROR_LO(self, value: int) -> int:
        """Where the last failed cycle went, low dword."""
        return self._error_address & 0xFFFFFFFF

    def on_read_DMA_ERROR_HI(self, value: int) -> int:
        """Where the last failed cycle went, high dword."""
        return self._error_address >> 32

    def on_write_CTRL(self, old: int, new: int) -> None:
        """Reset, start and stop of the engines."""
        if new & _RESET:
            self._reset()
            return
        if new & _TX_ENABLE and not old & _TX_ENABLE:
            self._start(self.tx, "TX")
            self._schedule_transmit()
        elif old & _TX_ENABLE and not new & _TX_ENABLE:
            self._stop(self.tx)
        if self.values[_CTRL] & _RX_ENABLE and not old & _RX_ENABLE:  # not if the transmitter failed to start
            self._start(self.rx, "RX")
            self._fetch(self.rx)
        elif old & _RX_ENABLE and not new & _RX_ENABLE:
            self._stop(self.rx)

    def on_write_CAUSE(self, old: int, new: int) -> None:
        """Causes were acknowledged."""
        self._update_line()

    def on_write_MASK(self, old: int, new: int) -> None:
        """Other causes may pull the line."""
        self._update_line()

    def on_write_TX_BASE_LO(self, old: int, new: int) -> None:
        """Low address bits that the card lacks are dropped, and told."""
        self._check_alignment("TX_BASE_LO", new)

    def on_write_RX_BASE_LO(self, old: int, new: int) -> None:
        """Low address bits that the card lacks are dropped, and told."""
        self._check_alignment("RX_BASE_LO", new)

    def on_write_TX_TAIL(self, old: int, new: int) -> None:
        """The transmit doorbell."""
        self.tx.tail = new
        self.tx.doorbell = self.armed_by
        if self.values[_CTRL] & _TX_ENABLE:
            self._schedule_transmit()

    def on_write_RX_TAIL(self, old: int, new: int) -> None:
        """The receive doorbell."""
        self.rx.tail = new
        self.rx.doorbell = self.armed_by
        if self.values[_CTRL] & _RX_ENABLE:
            self._fetch(self.rx)

    def _check_alignment(self, name: str, value: int) -> None:
        if value & 15:
            block = self.dma.book.find(self.machine.bus.to_physical(value), 1)
            self.machine.findings.report(
                rules.DMA_ALIGNMENT, f"{self.name} {name}: {hex_address(value)} is not on a multiple of 16; the card drops the low "
                f"bits and uses {hex_address(value & ~15)}", where=self.armed_by or self.machine.where.capture(),
                space="logical", span=Span(value & ~15, 16), block=block)

    # What the bed asks

    def live_pointers(self) -> Iterator[LivePointer]:
        """Rings and taken buffers of the engines that run."""
        for ring, enable in ((self.tx, _TX_ENABLE), (self.rx, _RX_ENABLE)):
            if self.values[_CTRL] & enable and ring.count:
                yield LivePointer(f"{ring.what} ring", ring.base, ring.count * DESCRIPTOR_SIZE)
                for index, raw in ring.taken.items():
                    address, length, _ = DESCRIPTOR.unpack(raw)
                    if length:
                        yield LivePointer(f"{ring.what} buffer of descriptor {index}", address, length)

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """CTRL with RESET, or with both engines off."""
        return slot.name == "CTRL" and (bool(value & _RESET) or not value & (_TX_ENABLE | _RX_ENABLE))

    def pending_causes(self) -> str:
        """Causes that are set and enabled."""
        value = self.values[_CAUSE] & self.values[_MASK]
        return CAUSE.show(value) if value else ""

    def enables_interrupts(self, slot: Slot, value: int) -> bool | None:
        """MASK decides, and a reset clears it."""
        if slot.name == "MASK":
            return bool(value)
        return False if slot.name == "CTRL" and value & _RESET else None

    @property
    def interrupts_enabled(self) -> bool:
        """True if any cause may pull the line."""
        return bool(self.values[_MASK])

    def running(self) -> tuple[str, ...]:
        """Engines and interrupts."""
        ctrl, mask = self.values[_CTRL], self.values[_MASK]
        return tuple(what for what, value in (
            ("transmit engine", ctrl & _TX_ENABLE), ("receive engine", ctrl & _RX_ENABLE), ("interrupts", mask)) if value)

    def settings(self) -> tuple[str, ...]:
        """Packet filter and multicast table."""
        values = self.values
        return ("packet filter",) * bool(values[_FILTER]) + ("multicast table",) * bool(values[_I["HASH_LO"]] | values[_I["HASH_HI"]])

    # Reset

    def power_on_reset(self) -> None:
        """As after power-up: engines off, registers and rings forgotten."""
        self._stop(self.tx)
        self._stop(self.rx)
        self.reset_registers()
        self.tx, self.rx = Ring("transmit"), Ring("receive")
        self._stalled = False

    def resumed(self) -> None:
        """A cause that is set pulls the line again; frames that wait go out."""
        self._update_line()
        if self.values[_CTRL] & _TX_ENABLE:
            self._schedule_transmit()

    def _reset(self) -> None:
        self.dma.flush()
        self.power_on_reset()
        self._resetting = True
        self.set_interrupt(False)
        if self.machine.injector is not None:
            self._link_after_reset(self.fault("link"))
        self.clock.at(RESET_NS, self._reset_done)

    def _link_after_reset(self, effect: str) -> None:
        if effect and self.wire.up:
            self.wire.set_link(False)
            if effect == "down":
                self.clock.at(LINK_LATE_NS, lambda: self.wire.set_link(True))

    def _reset_done(self) -> None:
        self._resetting = False

    def link_changed(self, up: bool) -> None:
        """The link came up or went down."""
        if self.awake:
            self._cause(CAUSE.LINK_CHANGE.mask)
