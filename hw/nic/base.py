# SPDX-License-Identifier: Apache-2.0
"""What every NIC model has: registers on the bus, a DMA port, an interrupt line, a wire, and a list of live pointers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hw.clock import MS, US, Entry
from hw.dma import DmaPort
from hw.inject import FAIL, Effect
from hw.limits import DmaLimits
from hw.nic.power import Powered
from hw.pci import STATUS_RECEIVED_MASTER_ABORT, STATUS_RECEIVED_TARGET_ABORT, Bar, PciConfig
from hw.register import RegisterFile, Slot
from hw.register_parts import joined
from verifier.events import Kind
from verifier.rule import rule
from verifier.where import Where

if TYPE_CHECKING:
    from hw.machine import Machine

REGISTER_UNKNOWN = rule(
    "register-unknown", "the data sheet of the NIC (docs/nics) lists its registers",
    text="A driver touches only registers that the data sheet of the NIC names.")
REGISTER_SIZE = rule(
    "register-size", "use the access size that the data sheet of the NIC gives for the register",
    text="A register is accessed at its own address with its own size.")
REGISTER_RESERVED = rule(
    "register-reserved", "write 0 to reserved bits",
    text="Reserved bits of a register are written as zero.")


INTERRUPT_DELAY_NS = 100 * US
COALESCED_NS = 2 * MS

MAC_FAULTS = (
    Effect("multicast", "device", False, "the station address has the multicast bit set"),
    Effect("zero", "device", False, "the station address is all zeros"),
    Effect("ones", "device", False, "the station address is all ones, as an empty memory on the card gives it"),
)
INTERRUPT_FAULTS = (
    Effect("delayed", "device", False, "the card pulls its line 100 us after the cause"),
    Effect("coalesced", "device", False, "the card pulls its line at the next cause, or 2 ms after the first"),
    Effect("shared", "device", False, "another device pulls the same line at the same moment"),
    Effect("lost", "device", True, "the card does not pull its line for this cause"),
)
WIRE_FAULTS = (
    Effect("link-down", "device", False, "the link goes down for 5 ms at this frame"),
    Effect("link-flap", "device", False, "the link goes down and comes up at once"),
)
FRAME_IN_FAULTS = (
    Effect("lost", "device", False, "the frame never arrives"),
    Effect("bad-crc", "device", False, "the frame arrives with a bad check sequence"),
    Effect("runt", "device", False, "the frame arrives with its first 40 bytes alone"),
    Effect("overlong", "device", False, "the frame arrives with 1600 bytes"),
    Effect("burst", "device", False, "32 copies of the frame arrive back to back"),
    *WIRE_FAULTS,
)


@dataclass(frozen=True, slots=True)
class LivePointer:
    """Memory that the NIC can reach at this moment without any further word from the driver."""

    what: str
    logical: int
    length: int


class Nic(RegisterFile, Powered):
    """Base of the NIC models. A model names its registers, its PCI identity and its limits, and handles its registers.

    The port bar and the memory bar show the same registers unless a model overrides `decode`.
    """

    model: ClassVar[str]
    description: ClassVar[str]
    bus_kind: ClassVar[str] = "pci"
    default_limits: ClassVar[DmaLimits]
    limits_settable: ClassVar[bool] = False
    vendor_id: ClassVar[int]
    device_id: ClassVar[int]
    revision: ClassVar[int] = 0
    bars: ClassVar[tuple[Bar, ...]] = ()
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        "mac": MAC_FAULTS, "interrupt": INTERRUPT_FAULTS, "frame-in": FRAME_IN_FAULTS}
    """What can go wrong on the card, by the name of the fault point, the default first. A model that can do more, or less, says so
    here, and asks `fault` where it happens."""
    slow_bits: ClassVar[Mapping[str, int]] = {}
    """Bits of registers that the card may clear late, by register."""
    miniport: ClassVar[str | None] = None
    """What drives the card where nobody names a miniport: ``FILE.py[:Class]`` beside the model's file, or ``module:Class``. The bed's
    own models have theirs in a table."""
    power_management: ClassVar[bool] = True
    """True if the function has the power management capability, for a card on PCI."""
    interrupt_registers: ClassVar[tuple[str, ...]] = ("CAUSE", "MASK")
    """Registers without which nobody can tell why the card interrupts, or keep it from it: where one of them fails for good, a
    campaign of broken hardware blames no driver for what the line does."""
    dma_channel: int | None = None
    """The channel of the DMA controllers to which the jumpers of an ISA card point."""

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        super().__init__()
        self.name = f"nic{adapter}"
        self.machine = machine
        self.limits = limits
        self.adapter = adapter
        self.mac = mac
        self.present = True
        self.clock = machine.clock
        self.wire = machine.wire_of(adapter)
        self.dma: DmaPort = machine.dma_port(self.name, adapter, limits)
        self.dma.on_abort = self._aborted
        self._pull: Entry | None = None
        """The clock's entry of an interrupt that comes late."""
        self._pull_waits = False
        """True if later causes wait for that entry, too."""
        self.wants_line = False
        """Where faults are injected: True while the registers say that the NIC pulls its line, though a fault may hold it back."""
        self.spoil = ""
        """What goes wrong with the next descriptor that the card hands back; empty: nothing."""
        pci = self.bus_kind == "pci"
        self.config = PciConfig(
            self.vendor_id, self.device_id, revision=self.revision, bars=self.bars, on_command=self._command_changed,
            power=pci and self.power_management,
            message=pci and machine.messages, on_power=self._power_changed)
        self.values: list[int] = []
        self.interrupt_line = machine.interrupt_line_of(adapter)
        self.pulled_at = -1
        """When the NIC pulled its interrupt line last, or would have while a fault held it, in ns; -1: never."""
        self.padded = 0
        """Short frames that the NIC padded."""
        self.lost_for_want_of_descriptors = 0
        self.reset_registers()

    # The bus side

    @property
    def armed_by(self) -> Where | None:
        """The line of the store or doorbell that let the NIC do what it does."""
        return self.dma.armed_by

    @armed_by.setter
    def armed_by(self, where: Where | None) -> None:
        self.dma.armed_by = where

    def decode(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        """The register at *offset*; a finding and None if there is none, a finding if size or reserved bits are wrong. A card that was
        pulled out has no bits: whoever changes a register there writes back the ones that it read."""
        slot = self.register_at(bar, offset, size, value)
        if self.registers.joins and (slot is None or slot.width != size):
            slot = joined(type(self), offset, size, value is not None)
        if self.on_unanswered is not None and not self.awake:
            self.on_unanswered(f"{'read' if value is None else 'write'} of {slot.name if slot is not None else hex(offset)}")
        if slot is not None and slot.width == size:
            if value is not None and value & slot.reserved and self.present:
                self.machine.findings.report(
                    REGISTER_RESERVED, f"{self.name} {slot.name} (offset 0x{offset:x}): 0x{value:x} sets reserved bits "
                    f"0x{value & slot.reserved:x}", subject=((self.name, slot.name),))
            return slot
        verb = "write of" if value is not None else "read of"
        if slot is not None:
            self.machine.findings.report(
                REGISTER_SIZE, f"{self.name} {slot.name}: {verb} {size} bytes; the register has {slot.width}",
                subject=((self.name, slot.name),))
        else:
            self.machine.findings.report(
                REGISTER_UNKNOWN, f"{self.name}: {verb} {size} bytes at offset 0x{offset:x}, where {self.model} has no "
                "register", subject=((self.name, offset),))
        return None

    def register_at(self, bar: int, offset: int, size: int, value: int | None) -> Slot | None:
        """The register that an access to *offset* means; a card with index ports or modes of access knows by itself."""
        return self.slots.get(offset)

    def flush(self) -> None:
        """Reading a register brings in the data that are on their way to memory."""
        self.dma.flush()

    def remove(self) -> None:
        """The card is pulled out: all ones from now on, no cycle, no interrupt, the line drops."""
        if self.present:
            self.present = self.awake = False
            self.answers = (False, False)
            self.config.present = False
            self.dma.flush()
            self.dma.park()
            self.machine.scheduler.deassert_line(self.interrupt_line, self.name)

    def set_interrupt(self, asserted: bool) -> None:
        """Pull the interrupt line or let it go."""
        if self.machine.injector is not None and not self._line_as_wanted(asserted):
            return
        if asserted and self.awake:
            if self.machine.messages and not self.interrupting and not self._send_message():
                return
            self.pulled_at = self.clock.now
            self.machine.scheduler.assert_line(self.interrupt_line, self.name)
        else:
            self.machine.scheduler.deassert_line(self.interrupt_line, self.name)

    def _send_message(self) -> bool:
        """True if a message goes out: it is a write of the bus, pushes the card's data ahead of it, and needs bus mastering."""
        if self.bus_kind != "pci":
            return True
        if not (self.config.messages_enabled and self.dma.bus_master):
            return False
        self.dma.flush()
        return True

    def slow_bits_of(self, register: str) -> int:
        """Bits of *register* that the card may clear late."""
        return self.slow_bits.get(register, 0)

    def fault(self, point: str) -> str:
        """The effect of the fault that is due at *point* of this card, an empty text if there is none."""
        injector = self.machine.injector
        effect = injector.take(point) if injector is not None else None
        if effect is None:
            return ""
        return effect if effect != FAIL else self.faults[point][0].name

    def fault_of_sending(self) -> str:
        """The effect of the fault that is due at a frame that is about to leave; what it does to the cable is done."""
        effect = self.fault("frame-out") if self.machine.injector is not None else ""
        if effect in ("link-down", "link-flap"):
            self.wire.disturb(effect)
        return effect

    def break_mac(self) -> None:
        """The card is plugged in: is the memory that holds its station address good?"""
        effect = self.fault("mac")
        if effect == "multicast":
            self.mac = bytes([self.mac[0] | 1]) + self.mac[1:]
        elif effect:
            self.mac = bytes(6) if effect == "zero" else b"\xff" * 6

    def _line_as_wanted(self, asserted: bool) -> bool:
        """True if the line follows *asserted* at this moment; a fault may hold it back when it rises."""
        rises, self.wants_line = asserted and not self.wants_line, asserted
        if rises:
            self.pulled_at = self.clock.now
        if self._pull is not None:
            if asserted and self._pull_waits:
                return False
            self.clock.cancel(self._pull)
            self._pull = None
        effect = self.fault("interrupt") if rises and self.present else ""
        if effect in ("delayed", "coalesced"):
            self._pull_waits = effect == "delayed"
            self._pull = self.clock.at(INTERRUPT_DELAY_NS if effect == "delayed" else COALESCED_NS, self._pull_late)
        elif effect == "shared":
            self.machine.scheduler.foreign_interrupt(self.interrupt_line)
        return effect in ("", "shared")

    def _pull_late(self) -> None:
        self._pull = None
        self.set_interrupt(self.wants_line)

    def _aborted(self, by_target: bool) -> None:
        """A bus cycle of the card was aborted: PCI says by whom in the status register (PCI 2.2, 6.2.3)."""
        self.config.set_status(STATUS_RECEIVED_TARGET_ABORT if by_target else STATUS_RECEIVED_MASTER_ABORT)

    def aborted(self, address: int) -> None:
        """A bus cycle of one of the card's rings (`hw.nic.ring.DescriptorRing`) was aborted at *address*: real cards stop and say so."""
        raise NotImplementedError(f"{type(self).__name__} has a ring and no method aborted(address)")

    def receive_bad_frame(self, frame: bytes, why: str) -> None:
        """A frame arrives broken: *why* is ``bad-crc``, ``runt`` or ``overlong``. Cards drop it unless they are told to keep it."""
        self.machine.events.append((self.clock.now, Kind.FRAME_DROPPED, 0, self.name, len(frame), why))

    def receive_spoiled(self, frame: bytes, effect: str) -> None:
        """A good frame arrives; *effect* is what goes wrong when the card tells of it (`spoil`)."""
        self.spoil = effect
        self.receive_frame(frame)
        if self.spoil and self.machine.injector is not None:
            self.machine.injector.without_effect("frame-in", "the card did not keep the frame")
        self.spoil = ""

    @property
    def interrupting(self) -> bool:
        """True while this NIC pulls its line."""
        return self.name in self.interrupt_line.asserting

    # What a model says of itself

    def live_pointers(self) -> Iterator[LivePointer]:
        """Every piece of memory that rings, registers and running engines can still reach."""
        raise NotImplementedError

    def reaches(self) -> Iterator[LivePointer]:
        """What of it the NIC can reach at this moment: nothing where it was pulled out, or where its PCI function may not master the
        bus (PCI 2.2, 6.2.2, bit 2 of the command register)."""
        if self.present and (self.bus_kind != "pci" or self.dma.bus_master):
            yield from (pointer for pointer in self.live_pointers() if pointer.length)

    def stops_dma(self, slot: Slot, value: int) -> bool:
        """True if writing *value* to the register stops all DMA of the NIC."""
        raise NotImplementedError

    def pending_causes(self) -> str:
        """Causes that are set and that nobody acknowledged, in words; empty if there are none."""
        raise NotImplementedError

    @property
    def interrupts_enabled(self) -> bool:
        """True if the NIC may pull its line."""
        raise NotImplementedError

    def running(self) -> tuple[str, ...]:
        """Live pointers as a whole, and interrupts; a model with several engines names them."""
        return ("engines",) * any(p.length for p in self.live_pointers()) + ("interrupts",) * self.interrupts_enabled

    def enables_interrupts(self, slot: Slot, value: int) -> bool | None:
        """Whether the NIC may pull its line after *value* was written to the register; None if the register does not
        decide that. Asked of writes that have not arrived yet."""
        return None

    def receive_frame(self, frame: bytes) -> None:
        """A frame arrives from the wire."""
        raise NotImplementedError

    def link_changed(self, up: bool) -> None:
        """The link came up or went down."""
        raise NotImplementedError

    def _command_changed(self, command: int) -> None:
        self._connect(command)
