# SPDX-License-Identifier: Apache-2.0
"""What every NIC model has: registers on the bus, a DMA port, an interrupt line, a wire, and a list of live pointers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hw.dma import DmaPort
from hw.limits import DmaLimits
from hw.pci import COMMAND_BUS_MASTER, Bar, PciConfig
from hw.register import RegisterFile, Slot
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


@dataclass(frozen=True, slots=True)
class LivePointer:
    """Memory that the NIC can reach at this moment without any further word from the driver."""

    what: str
    logical: int
    length: int


class Nic(RegisterFile):
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
    bars: ClassVar[tuple[Bar, ...]] = ()
    dma_channel: int | None = None
    """The channel of the DMA controllers to which the jumpers of an ISA card point."""

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        self.name = f"nic{adapter}"
        self.machine = machine
        self.limits = limits
        self.adapter = adapter
        self.mac = mac
        self.present = True
        self.clock = machine.clock
        self.wire = machine.wire_of(adapter)
        self.dma: DmaPort = machine.dma_port(self.name, adapter, limits)
        self.config = PciConfig(self.vendor_id, self.device_id, bars=self.bars, on_command=self._command_changed)
        self.values: list[int] = []
        self.interrupt_line = machine.interrupt_line()
        self.pulled_at = -1
        """When the NIC pulled its interrupt line last, in ns; -1: never."""
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
        """The register at *offset*; a finding and None if there is none, or if size or reserved bits are wrong."""
        slot = self.slots.get(offset)
        if slot is not None and slot.width == size:
            if value is not None and value & slot.reserved:
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

    def flush(self) -> None:
        """Reading a register brings in the data that are on their way to memory."""
        self.dma.flush()

    def remove(self) -> None:
        """The card is pulled out: all ones from now on, no cycle, no interrupt, the line drops."""
        if self.present:
            self.present = False
            self.config.present = False
            self.dma.flush()
            self.dma.park()
            self.machine.scheduler.deassert_line(self.interrupt_line, self.name)

    def set_interrupt(self, asserted: bool) -> None:
        """Pull the interrupt line or let it go."""
        if asserted and self.present:
            self.pulled_at = self.clock.now
            self.machine.scheduler.assert_line(self.interrupt_line, self.name)
        else:
            self.machine.scheduler.deassert_line(self.interrupt_line, self.name)

    @property
    def interrupting(self) -> bool:
        """True while this NIC pulls its line."""
        return self.name in self.interrupt_line.asserting

    # What a model says of itself

    def live_pointers(self) -> Iterator[LivePointer]:
        """Every piece of memory that rings, registers and running engines can still reach."""
        raise NotImplementedError

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
        self.dma.bus_master = bool(command & COMMAND_BUS_MASTER)
