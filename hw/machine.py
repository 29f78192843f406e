# SPDX-License-Identifier: Apache-2.0
"""One machine: RAM, clock, processors, bus, wire, and the NICs on it. Built anew for every world."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from hw.backing import Backing
from hw.bus import Bus
from hw.clock import NEVER, Clock
from hw.dma import DmaPort
from hw.i8237 import I8237
from hw.inject import Fault, Injector
from hw.isa_ports import DmaControllerPorts
from hw.limits import DmaLimits
from hw.memory_layout import ISA_PORT_BASE, MMIO_BASE, PORT_BASE
from hw.nic.base import Nic
from hw.pci import COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY
from hw.processor import FIRST_DIRQL, Line, Random, Scheduler
from hw.ram import Ram
from hw.wire import Wire
from verifier.address import Span
from verifier.address_book import AddressBook
from verifier.events import EventRecord
from verifier.findings import Findings
from verifier.where import WhereCell

VECTOR = 11
"""The interrupt line that the machine routes the NIC's INTA to; other devices may share it."""
DIRQL = FIRST_DIRQL + 13


class Machine:
    """The hardware of one world. *backing* is reused between worlds; everything else is built here."""

    def __init__(self, ranges: Sequence[Span], backing: Backing | None = None, *, processors: int = 2, seed: int = 1,
                 bus_offset: int = 0, faults: tuple[Fault, ...] = (), recording: bool = False, checks: bool = True,
                 stop: bool = False) -> None:
        self.events = EventRecord()
        self.where = WhereCell()
        self.clock = Clock()
        self.book = AddressBook()
        self.findings = Findings(self.events, self.where, self.clock, enabled=checks, stop=stop)
        self.ram = Ram(ranges, backing)
        self.seed = seed
        self.random = Random(seed)
        """Decides placement; the scheduler has a generator of its own, so that one does not disturb the other."""
        self.scheduler = Scheduler(processors, self.clock, self.events, Random(seed ^ 0x5DEECE66D))
        self.injector = Injector(faults, self.events, self.clock) if faults or recording else None
        self.bus = Bus(self.clock, self.events, self.scheduler, self.where, self.ram, bus_offset, self.injector)
        self.wires = [Wire(self.clock, self.events)]
        """One wire for each NIC; the first is there before its NIC."""
        self.nics: list[Nic] = []
        self.transfers: list[Span] = []
        """Memory that a transfer of a DMA channel is to fill, until NDIS has completed it."""
        self.claimed_channels: set[int] = set()
        """DMA channels that some driver has registered."""

    @cached_property
    def dma_controllers(self) -> I8237:
        """The two 8237A of a PC/AT, for ISA cards."""
        return I8237(self)

    @cached_property
    def system_ports(self) -> DmaControllerPorts:
        """The ports of the system that a driver of an ISA card may claim: those of the DMA controllers."""
        return DmaControllerPorts(self.dma_controllers)

    @property
    def wire(self) -> Wire:
        """The wire of the first NIC."""
        return self.wires[0]

    def wire_of(self, number: int) -> Wire:
        """The wire of NIC *number*, counted from 0."""
        while number >= len(self.wires):
            self.wires.append(Wire(self.clock, self.events))
        return self.wires[number]

    def dma_port(self, device: str, adapter: int, limits: DmaLimits) -> DmaPort:
        """A DMA port for a device."""
        return DmaPort(device, adapter, limits, self.bus, self.ram, self.book, self.clock, self.events, self.findings,
                       self.injector)

    def interrupt_line(self, vector: int = VECTOR) -> Line:
        """The interrupt line with *vector*."""
        return self.scheduler.line(vector, DIRQL)

    def add_nic(self, model: type[Nic], limits: DmaLimits | None = None, mac: bytes | None = None) -> Nic:
        """Plug a NIC in: place its base address registers and route its interrupt, as the firmware of a PC does.
        Decoding and bus mastering are switched on as Windows does for an NDIS 5 miniport. The ports of an ISA card are
        those of its jumpers, and it has routed its interrupt by itself."""
        number = len(self.nics)
        mac = mac if mac is not None else b"\x02\x0d\xbe\xd0\x00" + bytes([number + 1])
        nic = model(self, limits if limits is not None else model.default_limits, number, mac)
        memory, ports = MMIO_BASE + 0x10_0000 * number, PORT_BASE + 0x400 * number
        if model.bus_kind == "isa":
            ports = ISA_PORT_BASE + 0x20 * number
        for bar in model.bars:
            nic.config.set_bar(bar.number, ports if bar.ports else memory)
        nic.config.set_interrupt(nic.interrupt_line.vector)
        nic.config.command = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER
        self.nics.append(nic)
        nic.wire.station = nic
        return nic

    def settle(self, until: int = NEVER) -> None:
        """Let the machine run until nothing is due any more, or until virtual time *until*."""
        self.scheduler.settle(until)
