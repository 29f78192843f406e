# SPDX-License-Identifier: Apache-2.0
"""The memory manager: page frames become blocks with owners, virtual addresses, cache types and guard space.

The `MmAllocateContiguousMemory` family stands here with exactly its documented meaning; NDIS and pool memory come from
the same frames. Placement is the caller's choice; `Placement.HOSTILE` is the default of the bed.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING

from allocator import rules
from allocator.frames import FrameTree, Placement
from allocator.virtual import ABOVE_4G, VirtualSpace
from verifier.address import GIB, KIB, MIB, PAGE_MASK, PAGE_SHIFT, PhysicalAddress, Span, hex_address, pages_for
from verifier.address_book import Block, BlockKind
from verifier.events import Kind

if TYPE_CHECKING:
    from hw.machine import Machine

MAXULONG64 = (1 << 64) - 1
SEAMS = (4 * GIB >> PAGE_SHIFT, 16 * MIB >> PAGE_SHIFT, 64 * KIB >> PAGE_SHIFT)
"""Address lines that real devices cannot cross, in frames: hostile placement lies across them where it may."""
CACHE_LINE = 64
QUARANTINE_PAGES = 512
"""Freed pages that are kept back before they are given out again."""


class CacheType(IntEnum):
    """MEMORY_CACHING_TYPE (wdm.h)."""

    MM_NON_CACHED = 0
    MM_CACHED = 1
    MM_WRITE_COMBINED = 2


class MemoryManager:
    """Memory of one world. Frames are borrowed from *frames*, which the world rolls back at its end."""

    __slots__ = (
        "_contiguous",
        "_frames",
        "_machine",
        "_quarantine",
        "_quarantined",
        "_ram",
        "_random",
        "bytes_live",
        "placement",
        "virtual",
    )

    def __init__(self, machine: Machine, frames: FrameTree, placement: Placement = Placement.HOSTILE,
                 virtual_base: int = ABOVE_4G) -> None:
        self._machine = machine
        self._ram = machine.ram
        self._random = machine.random.below
        self._frames = frames
        self._quarantine: deque[tuple[int, int]] = deque()
        self._quarantined = 0
        self._contiguous = 0
        self.placement = placement
        self.virtual = VirtualSpace(virtual_base)
        self.bytes_live = 0

    # Blocks

    def allocate(
        self, kind: BlockKind, routine: str, name: str, length: int, *, lowest: int = 0, highest: int = MAXULONG64,
        boundary: int = 0, cached: bool = True, adapter: int = 0, owner: str = "", device_reads: bool = False,
        device_writes: bool = False, minimal_alignment: bool = False, logical_offset: int | None = None,
    ) -> Block | None:
        """A block of *length* bytes, contiguous in physical memory within [lowest, highest], both inclusive, that
        crosses no multiple of *boundary* (0: none). None if and only if no such place is free.

        *minimal_alignment*: under hostile placement the block starts on a cache line instead of a page, with its end at
        the end of a page. *logical_offset*: logical address minus physical address, for memory that a device sees.
        """
        first = self._place(length, lowest, highest, boundary)
        if first is None:
            return None
        pages = pages_for(length)
        inset = 0
        if minimal_alignment and self.placement is Placement.HOSTILE:
            inset = min(-length & PAGE_MASK, highest - length + 1 - (first << PAGE_SHIFT)) & ~(CACHE_LINE - 1)
        physical = (first << PAGE_SHIFT) + inset
        virtual = self.virtual.reserve(pages) + inset
        machine = self._machine
        block = Block(
            kind, name, owner, physical, length, virtual=virtual, cached=cached, adapter=adapter, routine=routine,
            logical=None if logical_offset is None else physical + logical_offset, where=machine.where.capture(),
            device_reads=device_reads, device_writes=device_writes)
        self._ram.forget(first << PAGE_SHIFT, pages << PAGE_SHIFT)
        self.virtual.enter(block)
        machine.book.add(block)
        self.bytes_live += length
        machine.events.append((machine.clock.now, Kind.ALLOCATE, machine.scheduler.current.number, routine, virtual,
                               physical, length))
        return block

    def free(self, block: Block, routine: str, handler: str | None = None) -> None:
        """Give a live block back. Its frames stay in quarantine for a while, its addresses for ever."""
        machine = self._machine
        machine.book.remove(block, machine.where.capture(), handler)
        machine.events.append((machine.clock.now, Kind.FREE, machine.scheduler.current.number, routine, block.virtual,
                               block.physical, block.size))
        self.bytes_live -= block.size
        first, pages = block.physical >> PAGE_SHIFT, pages_for((block.physical & PAGE_MASK) + block.size)
        self._quarantine.append((first, pages))
        self._quarantined += pages
        while self._quarantined > QUARANTINE_PAGES:
            self._release_oldest()

    def could_allocate(self, length: int, lowest: int, highest: int, boundary: int) -> bool:
        """True if a block with these limits could be had now; takes nothing."""
        first = self._place(length, lowest, highest, boundary)
        if first is None:
            return False
        self._frames.free(first, pages_for(length))
        return True

    def _place(self, length: int, lowest: int, highest: int, boundary: int) -> int | None:
        pages = pages_for(length)
        if lowest < 0:
            lowest = 0
        highest_start = (highest - length + 1) >> PAGE_SHIFT
        if highest - length + 1 < 0 or (boundary and length > boundary):
            return None
        lowest_start = (lowest + PAGE_MASK) >> PAGE_SHIFT
        in_frames = boundary >> PAGE_SHIFT  # a boundary below a page cannot be crossed by what fits into it
        first = self._frames.allocate(
            pages, lowest=lowest_start, highest_start=highest_start, boundary=in_frames, placement=self.placement,
            seams=SEAMS, rng=self._random)
        while first is None and self._quarantine:
            while self._quarantine:
                self._release_oldest()
            first = self._frames.allocate(
                pages, lowest=lowest_start, highest_start=highest_start, boundary=in_frames, placement=self.placement,
                seams=SEAMS, rng=self._random)
        return first

    def _release_oldest(self) -> None:
        first, pages = self._quarantine.popleft()
        self._quarantined -= pages
        self._frames.free(first, pages)

    # The Mm routines

    def allocate_contiguous(
        self, routine: str, length: int, lowest: int, highest: int, boundary: int, cache_type: int, adapter: int,
    ) -> Block | None:
        """MmAllocateContiguousMemory and its ...SpecifyCache form. Undefined arguments give a finding and None.
        Source: wdm.h pages of both routines."""
        report = self._machine.findings.report
        if length <= 0 or length > MAXULONG64:
            report(rules.SIZE_NONZERO, f"{routine}: NumberOfBytes is {length}", subject=(routine,))
            return None
        if boundary & (boundary - 1) or boundary < 0:
            report(rules.BOUNDARY_POW2, f"{routine}: BoundaryAddressMultiple 0x{boundary:x} is no power of two",
                   subject=(routine,))
            return None
        if highest <= 0:
            report(rules.HIGHEST_NONE, f"{routine}: HighestAcceptableAddress is {highest}, which no block of 0x{length:x} "
                   "bytes can meet", subject=(routine,))
            return None
        if lowest > highest or lowest < 0:
            report(rules.LOWEST, f"{routine}: lowest address {hex_address(max(lowest, 0))} is above the highest "
                   f"{hex_address(highest)}", subject=(routine,))
            return None
        if cache_type not in (0, 1, 2):
            report(rules.CACHE_TYPE, f"{routine}: CacheType {cache_type} is reserved", subject=(routine,))
            return None
        self._contiguous += 1
        block = self.allocate(
            BlockKind.CONTIGUOUS, routine, f"contiguous memory #{self._contiguous}", length, lowest=lowest, highest=highest,
            boundary=boundary, cached=cache_type == CacheType.MM_CACHED, adapter=adapter, device_reads=True,
            device_writes=True)
        if block is not None:
            block.cache_type = cache_type
        return block

    def free_contiguous(self, routine: str, address: int, handler: str | None) -> Block | None:
        """MmFreeContiguousMemory: the exact base of a live contiguous block, once. A finding and None otherwise."""
        block = self.checked_base(routine, address, BlockKind.CONTIGUOUS)
        if block is not None:
            self.free(block, routine, handler)
        return block

    def checked_base(self, routine: str, address: int, kind: BlockKind) -> Block | None:
        """The live block of *kind* whose base is *address*; else a finding that says what the address is instead."""
        report = self._machine.findings.report
        block = self.virtual.block_at(address)
        if block is None:
            report(rules.FREE_EXACT, f"{routine}: {hex_address(address)} was never allocated", space="virtual",
                   span=Span(max(address, 0), 1), subject=(routine, address))
            return None
        if not block.live:
            now = self._machine.book.overlapping(block.physical, block.size)
            owner = f"; its frames are now {now[0].describe()}" if now else ""
            report(rules.FREE_EXACT, f"{routine}: {block.name} at {hex_address(block.virtual)} was freed already{owner}",
                   space="virtual", span=Span(address, 1), block=block)
            return None
        if block.kind is not kind:
            report(rules.FREE_ROUTINE, f"{routine}: {block.name} came from {block.routine}", space="virtual",
                   span=Span(address, 1), block=block)
            return None
        if address != block.virtual:
            report(rules.FREE_EXACT, f"{routine}: {hex_address(address)} lies {address - block.virtual:#x} bytes into "
                   f"{block.name}, whose base is {hex_address(block.virtual)}", space="virtual", span=Span(address, 1),
                   block=block)
            return None
        return block

    def physical_address(self, address: int) -> PhysicalAddress:
        """MmGetPhysicalAddress: where the byte at a virtual address lies; a finding and 0 where nothing live is."""
        block = self.virtual.block_at(address)
        if block is None or not block.live:
            self._machine.findings.report(
                rules.PHYSICAL_LOCKED, f"MmGetPhysicalAddress: {hex_address(address)} is in no live block", space="virtual",
                span=Span(max(address, 0), 1), block=block)
            return PhysicalAddress(0)
        return PhysicalAddress(block.physical + address - block.virtual)
