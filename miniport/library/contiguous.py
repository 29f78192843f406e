# SPDX-License-Identifier: Apache-2.0
"""Contiguous memory: the Mm routines. A failure is None, as NULL is in C; pointers are views.

The routines with a node came later than the others. Where the Windows of the machine lacks one, a driver that imports it
does not load; here a call ends the run as not modelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocator.memory_manager import CacheType
from allocator.nodes import MM_ANY_NODE_OK
from hw.dma_rules import DMA_WIDTH
from hw.processor import APC_LEVEL, PASSIVE_LEVEL
from miniport.handlers import METHODS, NOT_AT_DIRQL
from miniport.library.shared import check_device_idle
from miniport.routine import ANY, PASSIVE, UP_TO_DISPATCH, routine
from miniport.versions import at_least, title
from miniport.view import View
from verifier.address import PhysicalAddress, hex_address
from verifier.address_book import Block, BlockKind
from verifier.errors import NotModelledError

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

UP_TO_APC = (PASSIVE_LEVEL, APC_LEVEL)
_FREE_IRQL = {"": UP_TO_DISPATCH, "nt4": PASSIVE, "2000": PASSIVE, "xp": UP_TO_APC, "2008": UP_TO_DISPATCH}
_FREE_RULE = {"": "contig-free-irql-nt4", "xp": "contig-free-irql-pre2008", "2008": "contig-free-irql-2008"}
_IRQL = {"": UP_TO_DISPATCH, "nt4": PASSIVE, "2000": PASSIVE, "xp": UP_TO_DISPATCH}


@routine("MmAllocateContiguousMemory", irql=_IRQL, irql_rule="contig-alloc-irql", handlers=NOT_AT_DIRQL, fails=("null",),
         c="PVOID MmAllocateContiguousMemory(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS HighestAcceptableAddress)",
         source="ddi:wdm/nf-wdm-mmallocatecontiguousmemory")
def mm_allocate_contiguous_memory(ndis: Ndis, adapter: Adapter, number_of_bytes: int, highest_acceptable_address: int,
                                  ) -> View | None:
    """A contiguous, nonpaged, cached, page-aligned block at or below the highest address, or None."""
    return _contiguous(ndis, adapter, "MmAllocateContiguousMemory", number_of_bytes, 0, highest_acceptable_address, 0,
                       CacheType.MM_CACHED)


@routine("MmAllocateContiguousMemorySpecifyCache", irql=_IRQL, irql_rule="contig-alloc-irql", handlers=NOT_AT_DIRQL,
         fails=("null",),
         c="PVOID MmAllocateContiguousMemorySpecifyCache(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS Lowest, PHYSICAL_ADDRESS Highest, "
           "PHYSICAL_ADDRESS BoundaryAddressMultiple, MEMORY_CACHING_TYPE CacheType)",
         source="ddi:wdm/nf-wdm-mmallocatecontiguousmemoryspecifycache")
def mm_allocate_contiguous_memory_specify_cache(
    ndis: Ndis, adapter: Adapter, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int,
    boundary_address_multiple: int, cache_type: int,
) -> View | None:
    """As MmAllocateContiguousMemory, at or above the lowest address, across no multiple of the boundary (0: none), with
    the cache type."""
    return _contiguous(ndis, adapter, "MmAllocateContiguousMemorySpecifyCache", number_of_bytes, lowest_acceptable_address,
                       highest_acceptable_address, boundary_address_multiple, cache_type)


@routine("MmAllocateContiguousMemorySpecifyCacheNode", irql=UP_TO_DISPATCH, irql_rule="contig-alloc-irql", handlers=NOT_AT_DIRQL,
         fails=("null",),
         c="PVOID MmAllocateContiguousMemorySpecifyCacheNode(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS Lowest, PHYSICAL_ADDRESS "
           "Highest, PHYSICAL_ADDRESS BoundaryAddressMultiple, MEMORY_CACHING_TYPE CacheType, NODE_REQUIREMENT PreferredNode)",
         source="ddi:wdm/nf-wdm-mmallocatecontiguousmemoryspecifycachenode")
def mm_allocate_contiguous_memory_specify_cache_node(
    ndis: Ndis, adapter: Adapter, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int,
    boundary_address_multiple: int, cache_type: int, preferred_node: int,
) -> View | None:
    """As MmAllocateContiguousMemorySpecifyCache, in the node with that number and in no other, or with MM_ANY_NODE_OK
    (0x80000000) in any. Windows Vista and later."""
    name = "MmAllocateContiguousMemorySpecifyCacheNode"
    if not at_least(ndis.windows, "vista"):
        raise NotModelledError(f"{title(ndis.windows)} has no {name}: it came with Windows Vista",
                               "call MmAllocateContiguousMemorySpecifyCache, or choose a later --windows")
    return _contiguous(ndis, adapter, name, number_of_bytes, lowest_acceptable_address, highest_acceptable_address,
                       boundary_address_multiple, cache_type, preferred_node)


@routine("MmAllocateContiguousNodeMemory", irql=UP_TO_DISPATCH, irql_rule="contig-alloc-irql", handlers=NOT_AT_DIRQL,
         c="PVOID MmAllocateContiguousNodeMemory(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS Lowest, PHYSICAL_ADDRESS Highest, "
           "PHYSICAL_ADDRESS BoundaryAddressMultiple, ULONG Protect, NODE_REQUIREMENT PreferredNode)",
         source="ddi:wdm/nf-wdm-mmallocatecontiguousnodememory")
def mm_allocate_contiguous_node_memory(
    ndis: Ndis, adapter: Adapter, number_of_bytes: int, lowest_acceptable_address: int, highest_acceptable_address: int,
    boundary_address_multiple: int, protect: int, preferred_node: int,
) -> View | None:
    """Of Windows 8 and later, which run no NDIS 5 miniport: always raises `NotModelledError`. Callers without a miniport have
    it in `allocator.direct`."""
    raise NotModelledError(f"{title(ndis.windows)} has no MmAllocateContiguousNodeMemory: it came with Windows 8, which runs no NDIS 5 "
                           "miniport", "call MmAllocateContiguousMemorySpecifyCache; allocator.direct calls it without a miniport")


def _contiguous(ndis: Ndis, adapter: Adapter, name: str, length: int, lowest: int, highest: int, boundary: int, cache: int,
                node: int = MM_ANY_NODE_OK) -> View | None:
    block = ndis.memory.allocate_contiguous(name, length, lowest, highest, boundary, cache, adapter.number, node)
    _check_highest(ndis, name, highest, block)
    if block is None:
        ndis.refused(name)
        return None
    adapter.claim(block, block.name, name, block, also=("contig-free-before-unload",))
    return View(ndis.port, block)


def _check_highest(ndis: Ndis, name: str, highest: int, block: Block | None) -> None:
    """The highest address is inclusive: one that is exactly the first beyond the card's reach was meant to be the last inside."""
    limits = ndis.nic.limits
    if ndis.machine.bus.to_logical(highest) == limits.reach:
        ndis.findings.report(
            DMA_WIDTH, f"{name}: HighestAcceptableAddress {hex_address(highest)} is inclusive, and one more than the {limits.address_bits} "
            f"address bits of {ndis.nic.name} reach: the last is {hex_address(highest - 1)}", block=block, subject=(name,))


@routine("MmFreeContiguousMemory", irql=_FREE_IRQL, irql_rule=_FREE_RULE, handlers=NOT_AT_DIRQL,
         c="VOID MmFreeContiguousMemory(PVOID BaseAddress)", source="ddi:wdm/nf-wdm-mmfreecontiguousmemory")
def mm_free_contiguous_memory(ndis: Ndis, adapter: Adapter, base_address: View) -> None:
    """Free a contiguous block by exactly the pointer that its allocation returned."""
    _free_contiguous(ndis, adapter, "MmFreeContiguousMemory", base_address)


@routine("MmFreeContiguousMemorySpecifyCache", irql=UP_TO_DISPATCH, irql_rule="contig-free-irql-2008", handlers=NOT_AT_DIRQL,
         c="VOID MmFreeContiguousMemorySpecifyCache(PVOID BaseAddress, SIZE_T NumberOfBytes, MEMORY_CACHING_TYPE CacheType)",
         source="ddi:wdm/nf-wdm-mmfreecontiguousmemoryspecifycache")
def mm_free_contiguous_memory_specify_cache(ndis: Ndis, adapter: Adapter, base_address: View, number_of_bytes: int,
                                            cache_type: int) -> None:
    """Free a block of the ...SpecifyCache routine: base, byte count and cache type of the allocation."""
    name = "MmFreeContiguousMemorySpecifyCache"
    block = base_address.block
    if block.kind is BlockKind.CONTIGUOUS and block.live:
        ndis.memory.check_repeated(name, block, number_of_bytes, cache_type)
    _free_contiguous(ndis, adapter, name, base_address)


def _free_contiguous(ndis: Ndis, adapter: Adapter, name: str, base: View) -> None:
    block = base.block
    if block.live and block.kind is BlockKind.CONTIGUOUS and int(base) == block.virtual:
        check_device_idle(ndis, name, block)
    freed = ndis.memory.free_contiguous(name, int(base), METHODS[ndis.handler])
    if freed is not None:
        adapter.release(freed)


@routine("MmGetPhysicalAddress", irql=ANY, c="PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID BaseAddress)",
         source="ddi:ntddk/nf-ntddk-mmgetphysicaladdress")
def mm_get_physical_address(ndis: Ndis, adapter: Adapter, base_address: View) -> PhysicalAddress:
    """The physical address behind a virtual one; no address for a device."""
    return ndis.memory.physical_address(int(base_address))
