# SPDX-License-Identifier: Apache-2.0
"""The Mm routines called without a miniport: for tests of their behaviour alone, on any Windows from NT 4 to 10.

::

    caller = MmCaller(64 * MIB, "10", nodes=2)
    block = caller.mm_allocate_contiguous_node_memory(0x2000, 0, MAXULONG64, 0, PAGE_READWRITE, 1)
    caller.mm_free_contiguous_memory(block.virtual)
    assert not caller.findings.errors

Allocations give a `Block`, whose *virtual* is the pointer that the routine returns, or None for NULL. IRQL and leaks are
the business of `miniport`, and not judged here.
"""

from __future__ import annotations

from collections.abc import Sequence

from allocator import rules
from allocator.ageing import ageing_of
from allocator.frames import FrameTree, Placement
from allocator.memory_manager import CacheType, MemoryManager
from allocator.nodes import nodes_of
from hw.machine import Machine
from hw.memory_layout import ram_ranges
from verifier.address import MIB, PAGE_SHIFT, PhysicalAddress, Span
from verifier.address_book import Block, BlockKind
from verifier.errors import NotModelledError, UsageError
from verifier.findings import Findings

VERSIONS = ("nt4", "2000", "xp", "xp-sp1", "2003", "vista", "2008", "7", "8", "8.1", "10")
"""Windows versions, oldest first: those that run NDIS 5 miniports, and those for the Mm routines alone."""
SINCE = {
    "MmAllocateContiguousMemorySpecifyCache": "2000", "MmFreeContiguousMemorySpecifyCache": "2000",
    "MmAllocateContiguousMemorySpecifyCacheNode": "vista", "MmAllocateContiguousNodeMemory": "8",
}
"""The first Windows that has a routine; the others are in every one."""


class MmCaller:
    """Kernel code that calls the Mm routines on a machine of its own, with two processors and no device.

    *ram*: bytes of RAM, placed as a PC does it, or the spans where RAM is. *windows*: one of `VERSIONS`; a routine that it
    lacks raises `NotModelledError`. *nodes*: NUMA nodes of equal size. *aged*: an ageing of `allocator.ageing`, or None.
    `UsageError` for what no machine has.
    """

    def __init__(self, ram: int | Sequence[Span] = 256 * MIB, windows: str = "10", placement: Placement | str = Placement.HOSTILE,
                 *, nodes: int = 1, aged: str | None = None, seed: int = 1) -> None:
        if windows not in VERSIONS:
            raise UsageError(f"no Windows version is called {windows!r}", f"known: {', '.join(VERSIONS)}")
        if placement not in list(Placement):
            raise UsageError(f"no placement is called {placement!r}", f"choose one of {', '.join(Placement)}")
        ranges = ram_ranges(ram) if isinstance(ram, int) else tuple(ram)
        self.windows = windows
        self.machine = Machine(ranges, seed=seed)
        self.machine.where.depth = 1  # so that findings name the caller's line
        tree = FrameTree([(span.start >> PAGE_SHIFT, span.size >> PAGE_SHIFT) for span in ranges])
        if aged is not None:
            ageing_of(aged)(tree)
        self.memory = MemoryManager(self.machine, tree, Placement(placement), nodes=nodes_of(ranges, nodes))

    @property
    def findings(self) -> Findings:
        """What was found so far."""
        return self.machine.findings

    def mm_allocate_contiguous_memory(self, number_of_bytes: int, highest_acceptable_address: int) -> Block | None:
        """Cached memory at or below the highest address."""
        return self._older("MmAllocateContiguousMemory", number_of_bytes, 0, highest_acceptable_address, 0, CacheType.MM_CACHED)

    def mm_allocate_contiguous_memory_specify_cache(
        self, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int,
        boundary_address_multiple: int, cache_type: int,
    ) -> Block | None:
        """Memory between two addresses, across no multiple of the boundary (0: none), with a cache type."""
        return self._older("MmAllocateContiguousMemorySpecifyCache", number_of_bytes, lowest_acceptable_address,
                           highest_acceptable_address, boundary_address_multiple, cache_type)

    def mm_allocate_contiguous_memory_specify_cache_node(
        self, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int,
        boundary_address_multiple: int, cache_type: int, preferred_node: int,
    ) -> Block | None:
        """The same in one node, or with MM_ANY_NODE_OK in any."""
        return self._older("MmAllocateContiguousMemorySpecifyCacheNode", number_of_bytes, lowest_acceptable_address,
                           highest_acceptable_address, boundary_address_multiple, cache_type, preferred_node)

    def mm_allocate_contiguous_node_memory(
        self, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int,
        boundary_address_multiple: int, protect: int, preferred_node: int,
    ) -> Block | None:
        """The same with the cache type in *protect* (flags of `allocator.memory_manager`)."""
        self._check_version("MmAllocateContiguousNodeMemory")
        return self.memory.allocate_node_memory(
            number_of_bytes, lowest_acceptable_address, highest_acceptable_address, boundary_address_multiple, protect,
            preferred_node, 0)

    def mm_free_contiguous_memory(self, base_address: int) -> None:
        """Free a block by exactly the address that its allocation returned."""
        self.memory.free_contiguous("MmFreeContiguousMemory", base_address, None)

    def mm_free_contiguous_memory_specify_cache(self, base_address: int, number_of_bytes: int, cache_type: int) -> None:
        """Free a block of a ...SpecifyCache... routine: address, byte count and cache type of the allocation."""
        name = "MmFreeContiguousMemorySpecifyCache"
        self._check_version(name)
        block = self.memory.virtual.block_at(base_address)
        if block is not None and block.live and block.kind is BlockKind.CONTIGUOUS:
            self.memory.check_repeated(name, block, number_of_bytes, cache_type)
        self.memory.free_contiguous(name, base_address, None)

    def mm_get_physical_address(self, base_address: int) -> PhysicalAddress:
        """The physical address behind a virtual one; no address for a device."""
        return self.memory.physical_address(base_address)

    def _older(self, name: str, *arguments: int) -> Block | None:
        """One of the three routines whose memory is always executable."""
        self._check_version(name)
        if self._has("MmAllocateContiguousNodeMemory"):
            self.findings.report(rules.ALWAYS_EXECUTABLE, f"{name} gives executable memory", subject=(name,))
        length, lowest, highest, boundary, cache_type, *node = arguments
        return self.memory.allocate_contiguous(name, length, lowest, highest, boundary, cache_type, 0, *node)

    def _has(self, name: str) -> bool:
        return VERSIONS.index(self.windows) >= VERSIONS.index(SINCE.get(name, VERSIONS[0]))

    def _check_version(self, name: str) -> None:
        if not self._has(name):
            raise NotModelledError(f"Windows {self.windows} has no {name}: it came with Windows {SINCE[name]}",
                                   f"choose Windows {SINCE[name]} or later")
