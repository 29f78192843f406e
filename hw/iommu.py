# SPDX-License-Identifier: Apache-2.0
"""An IOMMU in front of the devices: each reaches the pages that are mapped for it at this moment, and no others.

A page is mapped for a device while shared memory of its adapter lies there, or a buffer that is mapped for a transfer, or a
scatter/gather list. It is mapped at its bus address: the bus offset stays what it is. Contiguous memory is mapped for nobody;
only the system can map for a device. An access to another page is stopped, moves nothing, and leaves a fault record. Inside a
mapped page nothing is held back: an IOMMU knows pages, not bytes.

No PC of NDIS 5's time had one: a world with an IOMMU is *stress*. Source: Intel VT-d specification 3.1, section 7 (fault
logging); docs:debugger/bug-check-0xe6--driver-verifier-dma-violation, code 0x26.
"""

from __future__ import annotations

from dataclasses import dataclass

from hw.clock import Clock
from verifier.address import PAGE_MASK, PAGE_SIZE
from verifier.address_book import AddressBook, Block, BlockKind


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """One access that the IOMMU stopped. *address* is the logical one."""

    time_ns: int
    device: str
    address: int
    length: int
    writes: bool
    purpose: str


class Iommu:
    """The IOMMU of one machine."""

    __slots__ = ("_book", "_clock", "records")

    def __init__(self, book: AddressBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self.records: list[FaultRecord] = []
        """What was stopped, in order."""

    def admits(self, adapter: int, physical: int, length: int, *, writes: bool) -> bool:
        """True if each page that *length* bytes at *physical* touch is mapped for *adapter* in this direction."""
        page = physical & ~PAGE_MASK
        while page < physical + length:
            if not any(_mapped(block, adapter, writes) for block in self._book.overlapping(page, PAGE_SIZE)):
                return False
            page += PAGE_SIZE
        return True

    def record(self, device: str, logical: int, length: int, purpose: str, *, writes: bool) -> None:
        """Note an access that was stopped."""
        self.records.append(FaultRecord(self._clock.now, device, logical, length, writes, purpose))


def _mapped(block: Block, adapter: int, writes: bool) -> bool:
    if block.adapter != adapter or block.kind is BlockKind.CONTIGUOUS:
        return False
    return bool(block.device_writes if writes else block.device_reads)
