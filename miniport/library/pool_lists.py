# SPDX-License-Identifier: Apache-2.0
"""Lookaside lists: pool memory in entries of one size. Freed entries are not handed out again soon, so that late accesses show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniport.handlers import METHODS, NOT_AT_DIRQL
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.view import View
from verifier.address_book import Block, BlockKind
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

ENTRY = rule(
    "lookaside-entry", "free each entry once, to the list from which it came, by the pointer that came from it",
    text="An entry goes back to its own lookaside list, once.")
DELETE = rule(
    "lookaside-delete", "free all entries first, then delete the list, once; allocate nothing from it afterwards",
    text="A lookaside list is deleted once, when all its entries were freed to it, and is not used afterwards.")


class LookasideList:
    """An NPAGED_LOOKASIDE_LIST with entries of *size* bytes."""

    __slots__ = ("live", "name", "out", "size")

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size
        self.live = True
        self.out: set[Block] = set()
        """Entries that the miniport has."""


@routine("NdisInitializeNPagedLookasideList", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisInitializeNPagedLookasideList(PNPAGED_LOOKASIDE_LIST, PALLOCATE_FUNCTION, PFREE_FUNCTION, ULONG Flags, ULONG Size, "
           "ULONG Tag, USHORT Depth)", source="ddi:ndis/nf-ndis-ndisinitializenpagedlookasidelist")
def initialize_npaged_lookaside_list(ndis: Ndis, adapter: Adapter, size: int, tag: str | bytes) -> LookasideList:
    """A list of entries of *size* bytes; it allocates nothing yet. Functions of the driver's own for that are not modelled."""
    lookaside = LookasideList(f"lookaside list #{adapter.number_of('lookaside list')}", size)
    adapter.claim(lookaside, lookaside.name, "NdisInitializeNPagedLookasideList")
    return lookaside


@routine("NdisAllocateFromNPagedLookasideList", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL, fails=("null",),
         c="PVOID NdisAllocateFromNPagedLookasideList(PNPAGED_LOOKASIDE_LIST)",
         source="ddi:ndis/nf-ndis-ndisallocatefromnpagedlookasidelist")
def allocate_from_npaged_lookaside_list(ndis: Ndis, adapter: Adapter, lookaside: LookasideList) -> View | None:
    """An entry, its content undefined, or None."""
    name = "NdisAllocateFromNPagedLookasideList"
    if not lookaside.live:
        ndis.findings.report(DELETE, f"{name} from {lookaside.name} after it was deleted", subject=(lookaside.name,))
    number = adapter.number_of("lookaside entry")
    block = ndis.memory.allocate(BlockKind.POOL, name, f"lookaside entry #{number}", lookaside.size, owner="the miniport",
                                 adapter=adapter.number) if lookaside.size > 0 else None
    if block is None:
        ndis.refused(name)
        return None
    lookaside.out.add(block)
    adapter.claim(block, block.name, name, block, also=("pool-leak-unload",))
    return View(ndis.port, block)


@routine("NdisFreeToNPagedLookasideList", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisFreeToNPagedLookasideList(PNPAGED_LOOKASIDE_LIST, PVOID Entry)",
         source="ddi:ndis/nf-ndis-ndisfreetonpagedlookasidelist")
def free_to_npaged_lookaside_list(ndis: Ndis, adapter: Adapter, lookaside: LookasideList, entry: View) -> None:
    """Give an entry back."""
    block = entry.block
    if block not in lookaside.out or entry.offset or not block.live:
        ndis.findings.report(
            ENTRY, f"NdisFreeToNPagedLookasideList: offset {entry.offset:#x} of {block.describe()} is no entry that {lookaside.name} has "
            "out", block=block)
        return
    lookaside.out.remove(block)
    ndis.memory.free(block, "NdisFreeToNPagedLookasideList", METHODS[ndis.handler])
    adapter.release(block)


@routine("NdisDeleteNPagedLookasideList", irql=UP_TO_DISPATCH, handlers=NOT_AT_DIRQL,
         c="VOID NdisDeleteNPagedLookasideList(PNPAGED_LOOKASIDE_LIST)", source="ddi:ndis/nf-ndis-ndisdeletenpagedlookasidelist")
def delete_npaged_lookaside_list(ndis: Ndis, adapter: Adapter, lookaside: LookasideList) -> None:
    """Delete the list, all of whose entries were freed to it."""
    name = "NdisDeleteNPagedLookasideList"
    if not lookaside.live:
        ndis.findings.report(DELETE, f"{name} of {lookaside.name}, which was deleted", subject=(lookaside.name,))
    out = [block for block in lookaside.out if block.live]
    if out:
        first = min(out, key=lambda block: block.number)
        ndis.findings.report(
            DELETE, f"{name} of {lookaside.name} while {len(out)} of its entries are out, the first being {first.name}",
            subject=(lookaside.name,), related=[(f"{first.name} allocated", first.where)])
    lookaside.live = False
    adapter.release(lookaside)
