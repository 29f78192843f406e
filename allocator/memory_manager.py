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
from allocator.nodes import MM_ANY_NODE_OK
from allocator.virtual import ABOVE_4G, VirtualSpace
from hw.cache import LINE
from verifier.address import GIB, KIB, MIB, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, PhysicalAddress, Span, hex_address, pages_for
from verifier.address_book import Block, BlockKind
from verifier.events import Kind

if TYPE_CHECKING:
    from hw.machine import Machine

MAXULONG64 = (1 << 64) - 1
SEAMS = (4 * GIB >> PAGE_SHIFT, 16 * MIB >> PAGE_SHIFT, 64 * KIB >> PAGE_SHIFT)
"""Address lines that real devices cannot cross, in frames: hostile placement lies across them where it may."""
QUARANTINE_PAGES = 512
"""Freed pages that are kept back before they are given out again."""


class CacheType(IntEnum):
    """MEMORY_CACHING_TYPE (wdm.h)."""

    MM_NON_CACHED = 0
    MM_CACHED = 1
    MM_WRITE_COMBINED = 2


PAGE_READWRITE = 0x04
PAGE_EXECUTE_READWRITE = 0x40
PAGE_NOCACHE = 0x200
PAGE_WRITECOMBINE = 0x400
"""Flags of the Protect parameter of MmAllocateContiguousNodeMemory (wdm.h)."""
# Looked up once: a member of an enumeration is slow to reach.
_ALLOCATE, _FREE = Kind.ALLOCATE, Kind.FREE
_ACCESS = PAGE_READWRITE | PAGE_EXECUTE_READWRITE
_CACHE_OF_PROTECT = {0: CacheType.MM_CACHED, PAGE_NOCACHE: CacheType.MM_NON_CACHED, PAGE_WRITECOMBINE: CacheType.MM_WRITE_COMBINED}


def _odd_line(room: int) -> int:
    """The last odd multiple of a cache line within *room*, or the first one where there is none."""
    lines = room // LINE
    return (lines if lines & 1 else max(lines - 1, 1)) * LINE


class MemoryManager:
    """Memory of one world. Frames are borrowed from *frames*, which the world rolls back at its end. *nodes* are the NUMA
    nodes by number (`allocator.nodes`); none: all RAM is node 0."""

    __slots__ = (
        "_book",
        "_capture",
        "_clock",
        "_contiguous",
        "_frames",
        "_machine",
        "_quarantine",
        "_quarantined",
        "_ram",
        "_random",
        "_record",
        "_scheduler",
        "bytes_live",
        "nodes",
        "placement",
        "virtual",
    )

    def __init__(self, machine: Machine, frames: FrameTree, placement: Placement = Placement.HOSTILE,
                 virtual_base: int = ABOVE_4G, nodes: tuple[Span, ...] = ()) -> None:
        self._machine = machine
        self._ram = machine.processor_ram
        self._random = machine.random.below
        self._book, self._clock, self._scheduler = machine.book, machine.clock, machine.scheduler
        self._capture, self._record = machine.where.capture, machine.events.append
        self._frames = frames
        self._quarantine: deque[tuple[int, int]] = deque()
        self._quarantined = 0
        self._contiguous = 0
        self.nodes = nodes
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

        *minimal_alignment*: under hostile placement the block starts on an odd cache line, aligned to nothing larger, with its
        end as near to the end of a page as that allows. *logical_offset*: logical address minus physical address, for
        memory that a device sees.
        """
        inset, first = 0, None
        if minimal_alignment and self.placement is Placement.HOSTILE:
            inset = _odd_line(-length & PAGE_MASK)
            first = self._place(inset + length, lowest, highest, boundary)
            if first is None:
                inset = 0
        if first is None:
            first = self._place(length, lowest, highest, boundary)
        if first is None:
            return None
        pages = pages_for(inset + length)
        physical = (first << PAGE_SHIFT) + inset
        virtual = self.virtual.reserve(pages) + inset
        block = Block(
            kind, name, owner, physical, length, virtual=virtual, cached=cached, adapter=adapter, routine=routine,
            logical=None if logical_offset is None else physical + logical_offset, where=self._capture(4),
            device_reads=device_reads, device_writes=device_writes)
        self._ram.forget(first << PAGE_SHIFT, pages << PAGE_SHIFT)
        self.virtual.enter(block)
        self._book.add(block)
        self.bytes_live += length
        self._record((self._clock.now, _ALLOCATE, self._scheduler.current.number, routine, virtual, physical, length))
        return block

    def allocate_spread(
        self, kind: BlockKind, routine: str, name: str, pages: int, *, lowest: int = 0, highest: int = MAXULONG64, adapter: int = 0,
        owner: str = "",
    ) -> Block | None:
        """A block of whole *pages*, neighbours in virtual space and scattered in physical memory within [lowest, highest]: no page
        lies behind the one before it. None if so many are not free."""
        frames: list[int] = []
        while len(frames) < pages:
            frame = self._place(PAGE_SIZE, lowest, highest, 0)
            if frame is None:
                for taken in frames:
                    self._frames.free(taken, 1)
                return None
            frames.append(frame)
        frames.sort(reverse=True)
        virtual, size = self.virtual.reserve(pages), pages << PAGE_SHIFT
        block = Block(
            kind, name, owner, frames[0] << PAGE_SHIFT, size, virtual=virtual, adapter=adapter, routine=routine, where=self._capture(),
            runs=tuple(Span(frame << PAGE_SHIFT, PAGE_SIZE) for frame in frames))
        for run in block.runs:
            self._ram.forget(run.start, run.size)
        self.virtual.enter(block)
        self._book.add(block)
        self.bytes_live += size
        self._record((self._clock.now, _ALLOCATE, self._scheduler.current.number, routine, virtual, block.physical, size))
        return block

    def free(self, block: Block, routine: str, handler: str | None = None) -> None:
        """Give a live block back. Its frames stay in quarantine for a while, its addresses for ever."""
        physical, size = block.physical, block.size
        self._book.remove(block, self._capture(4), handler)
        self._record((self._clock.now, _FREE, self._scheduler.current.number, routine, block.virtual, physical, size))
        self.bytes_live -= size
        for start, length in block.pieces(0, size) if block.runs else ((physical, size),):
            first = start >> PAGE_SHIFT
            pages = ((start + length - 1) >> PAGE_SHIFT) - first + 1
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
        if highest_start < 0 or (boundary and length > boundary):
            return None
        lowest_start = (lowest + PAGE_MASK) >> PAGE_SHIFT
        in_frames = boundary >> PAGE_SHIFT  # a boundary below a page cannot be crossed by what fits into it
        while True:
            first = self._frames.allocate(
                pages, lowest=lowest_start, highest_start=highest_start, boundary=in_frames, placement=self.placement,
                seams=SEAMS, rng=self._random)
            if first is not None or not self._quarantine:
                return first
            while self._quarantine:
                self._release_oldest()

    def _release_oldest(self) -> None:
        first, pages = self._quarantine.popleft()
        self._quarantined -= pages
        self._frames.free(first, pages)

    # The Mm routines

    def allocate_contiguous(
        self, routine: str, length: int, lowest: int, highest: int, boundary: int, cache_type: int, adapter: int,
        preferred_node: int = MM_ANY_NODE_OK,
    ) -> Block | None:
        """MmAllocateContiguousMemory and its ...SpecifyCache and ...SpecifyCacheNode forms. Undefined arguments give a
        finding and None. A concrete node is strict: None where it has no such place, whatever the others have. A machine of
        one node serves every number, after a finding if it is not 0. Source: wdm.h pages of the routines."""
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
        if preferred_node != MM_ANY_NODE_OK:
            node = self._node(routine, preferred_node, lowest, highest)
            if node is None:
                return None
            lowest, highest = max(lowest, node.start), min(highest, node.last)
        self._contiguous += 1
        block = self.allocate(
            BlockKind.CONTIGUOUS, routine, f"contiguous memory #{self._contiguous}", length, lowest=lowest, highest=highest,
            boundary=boundary, cached=cache_type == CacheType.MM_CACHED, adapter=adapter, device_reads=True,
            device_writes=True)
        if block is not None:
            block.cache_type = cache_type
        return block

    def allocate_node_memory(
        self, length: int, lowest: int, highest: int, boundary: int, protect: int, preferred_node: int, adapter: int,
    ) -> Block | None:
        """MmAllocateContiguousNodeMemory, of Windows 8 and later: as ...SpecifyCacheNode, with the cache type in *protect*.
        Source: its wdm.h page."""
        report, routine = self._machine.findings.report, "MmAllocateContiguousNodeMemory"
        undefined = protect & 0xFFFFFFFF & ~(_ACCESS | PAGE_NOCACHE | PAGE_WRITECOMBINE)
        if undefined or protect & _ACCESS in (0, _ACCESS):
            has = f"0x{undefined:x} beside what is defined" if undefined else "both" if protect & _ACCESS else "neither"
            report(rules.PROTECT_ONE, f"{routine}: Protect 0x{protect & 0xFFFFFFFF:x} asks for {has}; the choice is PAGE_READWRITE "
                   "(0x4) or PAGE_EXECUTE_READWRITE (0x40)", subject=(routine,))
            return None
        cache_type = _CACHE_OF_PROTECT.get(protect & ~_ACCESS)
        if cache_type is None:
            report(rules.PROTECT_CACHE, f"{routine}: Protect 0x{protect:x} holds PAGE_NOCACHE (0x200) and PAGE_WRITECOMBINE (0x400)",
                   subject=(routine,))
            return None
        return self.allocate_contiguous(routine, length, lowest, highest, boundary, cache_type, adapter, preferred_node)

    def _node(self, routine: str, number: int, lowest: int, highest: int) -> Span | None:
        """The addresses of node *number*; a finding, and None where there is a choice of nodes, if it does not exist."""
        report, count = self._machine.findings.report, len(self.nodes) or 1
        everywhere = Span(0, MAXULONG64 + 1)
        if not 0 <= number < count:
            have = f"the machine has {count} nodes, numbered from 0" if count > 1 else "the machine has node 0 only"
            if number & MM_ANY_NODE_OK:
                report(rules.NODE_ANY, f"{routine}: PreferredNode 0x{number & 0xFFFFFFFF:x} is neither MM_ANY_NODE_OK "
                       f"(0x{MM_ANY_NODE_OK:x}) nor a node: {have}", subject=(routine,))
            else:
                report(rules.NODE_RANGE, f"{routine}: PreferredNode {number}, but {have}", subject=(routine,))
            return everywhere if count == 1 else None
        if count == 1:
            return everywhere
        node = self.nodes[number]
        if lowest > node.last or highest < node.start:
            report(rules.NODE_STRICT, f"{routine}: node {number} is {node} and has no byte from {hex_address(lowest)} to "
                   f"{hex_address(highest)}; no other node takes its place", subject=(routine,))
        return node

    def check_repeated(self, routine: str, block: Block, length: int, cache_type: int) -> None:
        """What MmFreeContiguousMemorySpecifyCache asks for beside the base address of a live contiguous block: it came from a
        ...SpecifyCache... routine, and the allocation's length and cache type are repeated. A finding otherwise."""
        report = self._machine.findings.report
        if not block.routine.startswith("MmAllocateContiguousMemorySpecifyCache"):
            report(rules.FREESPECIFY_ORIGIN, f"{routine}: {block.name} came from {block.routine}", block=block)
        elif length != block.size or cache_type != block.cache_type:
            report(rules.FREESPECIFY_MATCH, f"{routine}: {block.name} was allocated with 0x{block.size:x} bytes and cache type "
                   f"{block.cache_type}, and is freed with 0x{length:x} and {cache_type}", block=block)

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
        return PhysicalAddress(block.physical_at(address - block.virtual))
