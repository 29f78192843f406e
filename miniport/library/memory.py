# SPDX-License-Identifier: Apache-2.0
"""Pool memory and the Mm routines. A failure is None, as NULL is in C; pointers are views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocator.memory_manager import MAXULONG64, CacheType
from allocator.rules import FREESPECIFY_MATCH, FREESPECIFY_ORIGIN
from hw.processor import APC_LEVEL, PASSIVE_LEVEL
from miniport import rules
from miniport.handlers import METHODS, NOT_AT_DIRQL
from miniport.routine import ANY, PASSIVE, UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from miniport.view import View
from verifier.address import PhysicalAddress
from verifier.address_book import BlockKind

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

UP_TO_APC = (PASSIVE_LEVEL, APC_LEVEL)
_CONTIG_FREE_IRQL = {"": UP_TO_DISPATCH, "nt4": PASSIVE, "2000": PASSIVE, "xp": UP_TO_APC, "2008": UP_TO_DISPATCH}
_CONTIG_FREE_RULE = {"": "contig-free-irql-nt4", "xp": "contig-free-irql-pre2008", "2008": "contig-free-irql-2008"}
_CONTIG_IRQL = {"": UP_TO_DISPATCH, "nt4": PASSIVE, "2000": PASSIVE, "xp": UP_TO_DISPATCH}


def _no_memory(status: int | None) -> tuple[int | None, None]:
    return status, None


@routine("NdisAllocateMemoryWithTag", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=NOT_AT_DIRQL,
         fails=("FAILURE",), on_failure=_no_memory,
         c="NDIS_STATUS NdisAllocateMemoryWithTag(OUT PVOID*, UINT Length, ULONG Tag)",
         source="ddi:ndis/nf-ndis-ndisallocatememorywithtag")
def allocate_memory_with_tag(ndis: Ndis, adapter: Adapter, length: int, tag: str | bytes) -> tuple[int, View | None]:
    """Nonpaged pool memory. Returns (status, view); None where there is none. The content is undefined."""
    return _pool(ndis, adapter, "NdisAllocateMemoryWithTag", length)


@routine("NdisAllocateMemory", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=NOT_AT_DIRQL,
         fails=("FAILURE",), on_failure=_no_memory,
         c="NDIS_STATUS NdisAllocateMemory(OUT PVOID*, UINT Length, UINT MemoryFlags, NDIS_PHYSICAL_ADDRESS Highest)",
         source="nt4:103ndisx_10")
def allocate_memory(ndis: Ndis, adapter: Adapter, length: int, flags: int = 0, highest: int = MAXULONG64,
                    ) -> tuple[int, View | None]:
    """Nonpaged pool memory, the older form; of the memory flags only 0 is modelled."""
    if flags:
        from verifier.errors import NotModelledError
        raise NotModelledError(f"NdisAllocateMemory with memory flags 0x{flags:x} is not modelled",
                               "allocate with flags 0, or device memory with NdisMAllocateSharedMemory")
    return _pool(ndis, adapter, "NdisAllocateMemory", length)


def _pool(ndis: Ndis, adapter: Adapter, name: str, length: int) -> tuple[int, View | None]:
    block = None
    if length > 0:
        number = adapter.number_of("pool memory")
        block = ndis.memory.allocate(BlockKind.POOL, name, f"pool memory #{number}", length, owner="the miniport",
                                     adapter=adapter.number)
    if block is None:
        ndis.refused(name)
        return NDIS_STATUS_FAILURE, None
    adapter.claim(block, block.name, name, block, also=("pool-leak-unload",))
    return NDIS_STATUS_SUCCESS, View(ndis.port, block)


@routine("NdisFreeMemory", irql=UP_TO_DISPATCH, irql_rule="mem-ndisfreememory-irql", handlers=NOT_AT_DIRQL,
         c="VOID NdisFreeMemory(PVOID VirtualAddress, UINT Length, UINT MemoryFlags)", source="ddi:ndis/nf-ndis-ndisfreememory")
def free_memory(ndis: Ndis, adapter: Adapter, memory: View, length: int, flags: int = 0) -> None:
    """Free pool memory: the pointer, length and flags of the allocation."""
    block = memory.block
    if block.kind is BlockKind.SHARED:
        ndis.findings.report(rules.SHARED_NO_POOL_FREE, f"NdisFreeMemory of {block.describe()}", block=block)
        return
    checked = ndis.memory.checked_base("NdisFreeMemory", int(memory), BlockKind.POOL)
    if checked is None:
        return
    if length != checked.size or flags:
        ndis.findings.report(
            rules.POOL_FREE_MATCH, f"NdisFreeMemory: {checked.name} was allocated with 0x{checked.size:x} bytes and flags 0, and is "
            f"freed with 0x{length:x} bytes and flags 0x{flags:x}", block=checked)
    ndis.memory.free(checked, "NdisFreeMemory", METHODS[ndis.handler])
    adapter.release(checked)


@routine("NdisZeroMemory", irql=ANY, event=False, c="VOID NdisZeroMemory(PVOID Destination, ULONG Length)",
         source="ddi:ndis/nf-ndis-ndiszeromemory")
def zero_memory(ndis: Ndis, adapter: Adapter, destination: View, length: int) -> None:
    """Clear memory."""
    destination.fill(0, length)


@routine("NdisMoveMemory", irql=ANY, event=False, c="VOID NdisMoveMemory(PVOID Destination, PVOID Source, ULONG Length)",
         source="ddi:ndis/nf-ndis-ndismovememory")
def move_memory(ndis: Ndis, adapter: Adapter, destination: View, source: View, length: int) -> None:
    """Copy memory."""
    destination.write(0, source.read(0, length))


@routine("MmAllocateContiguousMemory", irql=_CONTIG_IRQL, irql_rule="contig-alloc-irql", handlers=NOT_AT_DIRQL, fails=("null",),
         c="PVOID MmAllocateContiguousMemory(SIZE_T NumberOfBytes, PHYSICAL_ADDRESS HighestAcceptableAddress)",
         source="ddi:wdm/nf-wdm-mmallocatecontiguousmemory")
def mm_allocate_contiguous_memory(ndis: Ndis, adapter: Adapter, number_of_bytes: int, highest_acceptable_address: int,
                                  ) -> View | None:
    """A contiguous, nonpaged, cached, page-aligned block at or below the highest address, or None."""
    return _contiguous(ndis, adapter, "MmAllocateContiguousMemory", number_of_bytes, 0, highest_acceptable_address, 0,
                       CacheType.MM_CACHED)


@routine("MmAllocateContiguousMemorySpecifyCache", irql=_CONTIG_IRQL, irql_rule="contig-alloc-irql", handlers=NOT_AT_DIRQL,
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


def _contiguous(ndis: Ndis, adapter: Adapter, name: str, length: int, lowest: int, highest: int, boundary: int, cache: int,
                ) -> View | None:
    block = ndis.memory.allocate_contiguous(name, length, lowest, highest, boundary, cache, adapter.number)
    if block is None:
        ndis.refused(name)
        return None
    adapter.claim(block, block.name, name, block, also=("contig-free-before-unload",))
    return View(ndis.port, block)


@routine("MmFreeContiguousMemory", irql=_CONTIG_FREE_IRQL, irql_rule=_CONTIG_FREE_RULE, handlers=NOT_AT_DIRQL,
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
        if not block.routine.startswith("MmAllocateContiguousMemorySpecifyCache"):
            ndis.findings.report(FREESPECIFY_ORIGIN, f"{name}: {block.name} came from {block.routine}", block=block)
        elif number_of_bytes != block.size or cache_type != block.cache_type:
            ndis.findings.report(
                FREESPECIFY_MATCH, f"{name}: {block.name} was allocated with 0x{block.size:x} bytes and cache type "
                f"{block.cache_type}, and is freed with 0x{number_of_bytes:x} and {cache_type}", block=block)
    _free_contiguous(ndis, adapter, name, base_address)


def _free_contiguous(ndis: Ndis, adapter: Adapter, name: str, base: View) -> None:
    from miniport.library.shared import check_device_idle
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
