# SPDX-License-Identifier: Apache-2.0
"""The Am79C960 (PCnet-ISA): 24 address bits, bus master over a channel of the 8237A in cascade. Data sheet: ``docs/nics/pcnet.md``.

Without its channel, let through by whoever registers it, the card never gets the bus: INIT ends in MERR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from hw.inject import Effect
from hw.isa import edge_line
from hw.limits import PRESETS, DmaLimits
from hw.nic.base import LivePointer
from hw.nic.pcnet_bcr import IsaRegisters
from hw.nic.pcnet_core import PcnetCore
from hw.pci import Bar
from verifier.errors import UsageError

if TYPE_CHECKING:
    from hw.machine import Machine

PORTS = 24


class PcnetIsaNic(PcnetCore):
    """Am79C960. Cards of one machine have the next jumpers each."""

    model: ClassVar[str] = "pcnet-isa"
    description: ClassVar[str] = "AMD Am79C960, PCnet-ISA: 24 bits, ISA bus master with a cascaded 8237 channel, edge interrupt"
    bus_kind: ClassVar[str] = "isa"
    registers = IsaRegisters
    csrs: ClassVar[str] = "IsaCSR"
    bcrs: ClassVar[str] = "ISACSR"
    vendor_id: ClassVar[int] = 0xFFFF
    interrupt_registers: ClassVar[tuple[str, ...]] = ("RAP", "CSR0", "CSR4")
    device_id: ClassVar[int] = 0xFFFF
    bars: ClassVar[tuple[Bar, ...]] = (Bar(0, 32, ports=True),)
    default_limits: ClassVar[DmaLimits] = PRESETS["lance-isa"]
    narrow_limits: ClassVar[DmaLimits] = PRESETS["lance-isa"]
    channels: ClassVar[tuple[int, ...]] = (5, 6, 7, 3)
    irqs: ClassVar[tuple[int, ...]] = (5, 9, 3, 4)
    faults: ClassVar[Mapping[str, tuple[Effect, ...]]] = {
        **PcnetCore.faults,
        "prom": (Effect("checksum", "device", False, "the check sum in the address PROM is wrong"),
                 Effect("ones", "device", False, "there is no address PROM: it reads all ones")),
    }

    def __init__(self, machine: Machine, limits: DmaLimits, adapter: int, mac: bytes) -> None:
        if adapter >= len(self.channels):
            raise UsageError(f"{adapter + 1} cards of {self.model}: there are {len(self.channels)} jumpers for a DMA channel",
                             f"give at most {len(self.channels)} adapters")
        self._prom = ""
        super().__init__(machine, limits, adapter, mac)
        self.dma_channel = self.channels[adapter]
        self.irq = self.irqs[adapter]
        self.interrupt_line = edge_line(machine.scheduler, self.irq, 27 - self.irq)

    @property
    def granted(self) -> bool:
        """True if the channel lets the card through to the bus."""
        return self.dma.bus_master and self.machine.dma_controllers.bus_master_granted(self.channels[self.adapter])

    def reaches(self) -> Iterator[LivePointer]:
        """Nothing without the channel: it is what lets the card master the bus."""
        if self.granted:
            yield from super().reaches()

    def cycle_failed(self) -> None:
        """An ISA bus knows no abort: what does not come in time is MERR."""
        self.memory_error()

    def on_read_ISACSR4(self, value: int) -> int:
        """The link."""
        return 0x8000 * self.wire.up

    def aprom(self) -> bytes:
        """The address PROM on the card."""
        data = super().aprom()
        if self._prom == "checksum":
            return data[:12] + bytes(byte ^ 0xFF for byte in data[12:14]) + data[14:]
        return b"\xff" * 16 if self._prom else data

    def break_mac(self) -> None:
        """The card is plugged in: what does its address PROM hold?"""
        self._prom = self.fault("prom")
        super().break_mac()
