# SPDX-License-Identifier: Apache-2.0
"""One machine: RAM, clock, processors, bus, wire, and the NICs on it. Built anew for every world."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from hw.backing import Backing
from hw.bus import Bus
from hw.cache import CachedRam, DataCache
from hw.clock import NEVER, Clock
from hw.dma import DmaPort
from hw.i8237 import I8237
from hw.inject import Fault, Injector
from hw.iommu import Iommu
from hw.isa_ports import DmaControllerPorts
from hw.limits import DmaKind, DmaLimits
from hw.memory_layout import ISA_PORT_BASE, MMIO_BASE, OTHER_MMIO_BASE, OTHER_PORT_BASE, PORT_BASE
from hw.messages import MESSAGE_ADDRESS, MESSAGE_VECTOR, message_line
from hw.nic.base import Nic
from hw.pci import COMMAND_BUS_MASTER, COMMAND_IO, COMMAND_MEMORY
from hw.processor import FIRST_DIRQL, Line, Random, Scheduler
from hw.ram import Ram
from hw.wire import Wire
from verifier.address import Span
from verifier.address_book import AddressBook
from verifier.events import EventRecord, Kind
from verifier.findings import Findings
from verifier.where import WhereCell

VECTOR = 11
"""The interrupt line that the machine routes the NIC's INTA to; other devices may share it."""
DIRQL = FIRST_DIRQL + 13


class Machine:
    """The hardware of one world. *backing* is reused between worlds; everything else is built here."""

    def __init__(self, ranges: Sequence[Span], backing: Backing | None = None, *, processors: int = 2, seed: int = 1,
                 bus_offset: int = 0, faults: tuple[Fault, ...] = (), recording: bool = False, checks: bool = True,
                 stop: bool = False, iommu: bool = False, incoherent: bool = False, messages: bool = False) -> None:
        self.events = EventRecord()
        self.where = WhereCell()
        self.clock = Clock()
        self.book = AddressBook()
        self.findings = Findings(self.events, self.where, self.clock, enabled=checks, stop=stop)
        self.ram = Ram(ranges, backing)
        self.seed = seed
        self.messages = messages
        """True if PCI cards interrupt by messages: a condition that no PC with NDIS 5 had."""
        self.random = Random(seed)
        """Decides placement; the scheduler has a generator of its own, so that one does not disturb the other."""
        self.scheduler = Scheduler(processors, self.clock, self.events, Random(seed ^ 0x5DEECE66D))
        self.injector = Injector(faults, self.events, self.clock) if faults or recording else None
        self.scheduler.inject(self.injector)
        self.bus = Bus(self.clock, self.events, self.scheduler, self.where, self.ram, bus_offset, self.injector)
        self.cache = DataCache(self.ram, self.book, self.findings) if incoherent else None
        """The processors' data cache where it is not coherent with devices; None on a PC."""
        self.processor_ram: Ram | CachedRam = self.ram if self.cache is None else CachedRam(self.ram, self.cache, self.book)
        """RAM as the processors reach it: whoever stands for a processor reads and writes here."""
        self.iommu = Iommu(self.book, self.clock) if iommu else None
        """In front of every bus master; a slave's bytes are moved by the 8237, which no IOMMU knows."""
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
        port = DmaPort(device, adapter, limits, self.bus, self.ram, self.book, self.clock, self.events, self.findings,
                       self.injector)
        if limits.kind is not DmaKind.SLAVE:
            port.iommu = self.iommu
        port.cache = self.cache
        return port

    def interrupt_line(self, vector: int = VECTOR) -> Line:
        """The interrupt line with *vector*."""
        return self.scheduler.line(vector, DIRQL)

    def interrupt_line_of(self, adapter: int) -> Line:
        """What NIC *adapter* interrupts by: the line that all PCI cards share, or with messages a vector of its own."""
        return message_line(self.scheduler, MESSAGE_VECTOR + adapter, DIRQL) if self.messages else self.interrupt_line()

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
        self._connect(nic)
        self.nics.append(nic)
        nic.wire.station = nic
        nic.wire.faulty = self.injector is not None
        nic.break_mac()
        return nic

    def _connect(self, nic: Nic) -> None:
        """Route the interrupt, then let the card decode and master the bus."""
        nic.config.set_interrupt(nic.interrupt_line.vector)
        if nic.config.has_message:
            nic.config.enable_messages(MESSAGE_ADDRESS, nic.interrupt_line.vector)
        nic.config.command = COMMAND_IO | COMMAND_MEMORY | COMMAND_BUS_MASTER

    def move_nic(self, nic: Nic, vector: int) -> None:
        """Give a PCI card whose driver is stopped other resources: its other place in memory and port space, and interrupt
        *vector*."""
        nic.config.command = 0
        for bar in nic.bars:
            before, step = nic.config.bar(bar.number), (0x400 if bar.ports else 0x10_0000) * nic.adapter
            home, away = (PORT_BASE, OTHER_PORT_BASE) if bar.ports else (MMIO_BASE, OTHER_MMIO_BASE)
            nic.former.append((Span(before, bar.size), bar.ports))
            nic.config.set_bar(bar.number, (away if before == home + step else home) + step)
        self.scheduler.deassert_line(nic.interrupt_line, nic.name)
        nic.former_vectors.append(nic.interrupt_line.vector)
        nic.interrupt_line = message_line(self.scheduler, vector, DIRQL) if self.messages else self.interrupt_line(vector)
        self._connect(nic)
        memory = "".join(f"memory at 0x{nic.config.bar(bar.number):x}, " for bar in nic.bars if not bar.ports)
        self.events.append((self.clock.now, Kind.POWER, 0, nic.name, f"other resources: {memory}interrupt {vector}"))

    def settle(self, until: int = NEVER) -> None:
        """Let the machine run until nothing is due any more, or until virtual time *until*."""
        self.scheduler.settle(until)
