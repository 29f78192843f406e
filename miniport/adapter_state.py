# SPDX-License-Identifier: Apache-2.0
"""What NDIS keeps of one adapter: its attributes, its claims, its DMA registration, its handles."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from miniport.handlers import INIT
from miniport.releases import released
from verifier.address_book import Block, Incoming
from verifier.rule import Rule
from verifier.where import Where

if TYPE_CHECKING:
    from hw.nic.base import Nic
    from miniport.ndis import Ndis
    from miniport.packet import NdisBuffer


@dataclass(slots=True)
class Claim:
    """Something that the miniport took and has to give back. *also* lists ids of the rule book that say so."""

    what: str
    routine: str
    where: Where | None
    block: Block | None = None
    also: tuple[str, ...] = ()
    rule: Rule | None = None
    """What is broken if it is still held when halt or a failing initialize returns; None: the rule on leaks there."""
    handler: int = 0
    """The bit of the handler that took it."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """One piece of a mapped buffer that goes through a bounce page: *size* bytes at *offset* of *original*, and at *inset* of
    the bounce block; page *page* of it. *write_to_device*: copied out at start, else in at complete."""

    original: Block
    offset: int
    page: int
    inset: int
    size: int
    write_to_device: bool


@dataclass(slots=True)
class MapRegisters:
    """The map registers of one adapter: *count* of them, each mapping a buffer of up to *maximum* bytes."""

    count: int
    maximum: int
    bits: int
    busy: dict[int, NdisBuffer] = field(default_factory=dict)
    to_device: dict[int, bool] = field(default_factory=dict)
    """The direction of each mapping that is open."""
    bounced: dict[int, list[Bounce]] = field(default_factory=dict)
    incoming: dict[int, list[Incoming]] = field(default_factory=dict)
    """What each open mapping lets the NIC write."""
    completed: dict[int, NdisBuffer] = field(default_factory=dict)
    """The buffer that each register mapped last."""
    bounce: Block | None = None
    """Pages within reach, one for each page that the registers can map; None where all memory is in reach."""
    free_pages: list[int] = field(default_factory=list)


class AdapterState:
    """State of one adapter. The generated face, `miniport.adapter.Adapter`, stands on it."""

    __slots__ = ("_ndis", "attributes", "attributes_at", "attributes_set", "bus_master", "check_for_hang_seconds", "claims", "context",
                 "dma_bits", "failed_in_initialize", "fired_in_initialize", "first_released", "gone", "interface",
                 "interrupt", "longest_mapping", "map_registers", "map_registers_freed_at", "named", "nic", "number",
                 "outstanding_receives",
                 "outstanding_sends", "scatter_gather", "scatter_gather_at", "shutdown_context", "shutdown_handler")

    def __init__(self, ndis: Ndis, nic: Nic, number: int) -> None:
        self._ndis = ndis
        self.nic = nic
        self.number = number
        self.context: Any = None
        """What the miniport gave to NdisMSetAttributesEx."""
        self.attributes = 0
        self.attributes_set = False
        self.attributes_at = 0
        """When the attributes were set, in ns."""
        self.failed_in_initialize: tuple[str, ...] = ()
        """Routines that had failed when initialize returned success."""
        self.fired_in_initialize = 0
        """Faults that had fired by then."""
        self.first_released: str | None = None
        """What halt gave back first."""
        self.check_for_hang_seconds = 0
        """CheckForHangTimeInSeconds of NdisMSetAttributesEx."""
        self.interface = 0
        self.bus_master = False
        self.gone = False
        """True from the return of halt, or of an initialize that failed: no function of the miniport is called any more."""
        self.claims: dict[Hashable, Claim] = {}
        self.map_registers: MapRegisters | None = None
        self.map_registers_freed_at: Where | None = None
        """The line that freed the map registers; shared memory that is freed later was freed too late."""
        self.scatter_gather = False
        self.scatter_gather_at: Where | None = None
        """The line that set scatter/gather DMA up."""
        self.longest_mapping = 0
        """MaximumPhysicalMapping, in bytes."""
        self.dma_bits = 0
        """Address bits that the miniport declared when it registered for DMA."""
        self.interrupt: Any = None
        self.shutdown_handler: Callable[..., None] | None = None
        self.shutdown_context: Any = None
        self.outstanding_sends: dict[int, Any] = {}
        self.outstanding_receives: dict[int, Any] = {}
        self.named: dict[str, int] = {}

    def claim(self, key: Hashable, what: str, routine: str, block: Block | None = None, also: tuple[str, ...] = (),
              rule: Rule | None = None) -> None:
        """Note that the miniport took something."""
        where = block.where if block is not None else self._ndis.where.capture(4)
        self.claims[key] = Claim(what, routine, where, block, also, rule, self._ndis.handler)

    def release(self, key: Hashable) -> bool:
        """Note that it gave it back; False if neither it nor the driver held it."""
        claim = self.claims.get(key)
        if claim is not None:
            if self._ndis.handler != INIT:
                released(self._ndis, self, key, claim)
            del self.claims[key]
            return True
        driver = self._ndis.driver
        return driver is not None and driver.claims.pop(key, None) is not None

    def report(self, rule: Rule, message: str, *subject: Hashable) -> None:
        """Record a finding about something of this adapter."""
        self._ndis.findings.report(rule, message, subject=subject)

    def number_of(self, kind: str) -> int:
        """The next number of a kind of thing, from 1: shared memory #1, #2, …"""
        number = self.named.get(kind, 0) + 1
        self.named[kind] = number
        return number
