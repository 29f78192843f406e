# SPDX-License-Identifier: Apache-2.0
"""Pool memory, and what clears and copies memory. A failure is None, as NULL is in C; pointers are views."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocator.memory_manager import MAXULONG64
from miniport import rules
from miniport.handlers import METHODS, NOT_AT_DIRQL
from miniport.routine import ANY, UP_TO_DISPATCH, routine
from miniport.status import NDIS_STATUS_FAILURE, NDIS_STATUS_SUCCESS
from miniport.view import View
from verifier.address_book import Block, BlockKind
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis


POOL_ROUTINE = rule(
    "pool-free-right-routine", "free with NdisFreeMemory what NDIS allocated, and with ExFreePool what ExAllocatePool did",
    text="Pool memory is freed by a routine of the family that allocated it.")

EX = "Ex"
"""How the names of the executive's routines begin."""


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
    block = allocate_pool(ndis, adapter, name, length)
    return (NDIS_STATUS_FAILURE, None) if block is None else (NDIS_STATUS_SUCCESS, View(ndis.port, block))


def allocate_pool(ndis: Ndis, adapter: Adapter, name: str, length: int) -> Block | None:
    """A block of pool that *adapter* has to give back, or None."""
    block = None
    if length > 0:
        number = adapter.number_of("pool memory")
        block = ndis.memory.allocate(BlockKind.POOL, name, f"pool memory #{number}", length, owner="the miniport",
                                     adapter=adapter.number)
    if block is None:
        ndis.refused(name)
        return None
    adapter.claim(block, block.name, name, block, also=("pool-leak-unload",))
    return block


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
    if checked.routine.startswith(EX):
        ndis.findings.report(POOL_ROUTINE, f"NdisFreeMemory: {checked.name} came from {checked.routine}", block=checked)
    elif length != checked.size or flags:
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
