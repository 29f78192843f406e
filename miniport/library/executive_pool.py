# SPDX-License-Identifier: Apache-2.0
"""Pool memory of the executive (Ex). A failure is None, as NULL is in C.

Of the pool types, nonpaged (0) and paged pool (1) are modelled. Nothing is ever paged out: what is checked of paged pool is
the IRQL at which it is allocated and freed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from hw.processor import APC_LEVEL, irql_name
from miniport.adapter_state import Claim
from miniport.handlers import METHODS, NOT_AT_DIRQL
from miniport.library.memory import EX, POOL_ROUTINE, allocate_pool
from miniport.routine import UP_TO_DISPATCH, routine
from miniport.view import View
from verifier.address_book import Block, BlockKind
from verifier.errors import NotModelledError
from verifier.rule import rule

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

POOL_TAG = rule(
    "pool-tag-match", "repeat the tag of the allocation, one to four characters from space to tilde",
    text="ExFreePoolWithTag takes the tag of the allocation; a tag has one to four characters from 0x20 to 0x7E.")
POOL_PAGED = rule(
    "pool-paged-irql", "take nonpaged pool for what is allocated or freed at DISPATCH_LEVEL",
    text="Paged pool is allocated and freed at APC_LEVEL or below.")
POOL_SIZE = rule(
    "pool-size-nonzero", "ask for at least one byte", text="Pool is allocated with at least one byte.")

NON_PAGED_POOL, PAGED_POOL = 0, 1
NO_TAG = "None"
"""The tag of ExAllocatePool."""
_ALLOCATE = "ddi:wdm/nf-wdm-exallocatepoolwithtag"


@dataclass(slots=True)
class PoolClaim(Claim):
    """A block of pool with what its free has to repeat."""

    tag: str = NO_TAG
    paged: bool = False


@routine("ExAllocatePoolWithTag", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=NOT_AT_DIRQL, fails=("null",),
         c="PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes, ULONG Tag)", source=_ALLOCATE)
def ex_allocate_pool_with_tag(ndis: Ndis, adapter: Adapter, pool_type: int, number_of_bytes: int, tag: str | bytes) -> View | None:
    """Pool memory of type 0, nonpaged, or 1, paged; None where there is none. The content is undefined."""
    return _allocate(ndis, adapter, "ExAllocatePoolWithTag", pool_type, number_of_bytes, _text(ndis, "ExAllocatePoolWithTag", tag))


@routine("ExAllocatePool", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=NOT_AT_DIRQL, fails=("null",),
         c="PVOID ExAllocatePool(POOL_TYPE PoolType, SIZE_T NumberOfBytes)", source="ddi:wdm/nf-wdm-exallocatepool")
def ex_allocate_pool(ndis: Ndis, adapter: Adapter, pool_type: int, number_of_bytes: int) -> View | None:
    """ExAllocatePoolWithTag without a tag."""
    return _allocate(ndis, adapter, "ExAllocatePool", pool_type, number_of_bytes, NO_TAG)


@routine("ExFreePool", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=NOT_AT_DIRQL, c="VOID ExFreePool(PVOID P)",
         source="ddi:wdm/nf-wdm-exfreepool")
def ex_free_pool(ndis: Ndis, adapter: Adapter, memory: View) -> None:
    """Free pool memory of the Ex routines, with a tag or without."""
    _free(ndis, adapter, "ExFreePool", memory, None)


@routine("ExFreePoolWithTag", irql=UP_TO_DISPATCH, irql_rule="int-isr-any-irql-only", handlers=NOT_AT_DIRQL,
         c="VOID ExFreePoolWithTag(PVOID P, ULONG Tag)", source="ddi:wdm/nf-wdm-exfreepoolwithtag")
def ex_free_pool_with_tag(ndis: Ndis, adapter: Adapter, memory: View, tag: str | bytes) -> None:
    """Free pool memory of ExAllocatePoolWithTag with the tag of the allocation."""
    _free(ndis, adapter, "ExFreePoolWithTag", memory, _text(ndis, "ExFreePoolWithTag", tag))


def _text(ndis: Ndis, name: str, tag: str | bytes) -> str:
    text = tag.decode("latin-1") if isinstance(tag, bytes) else tag
    if not 1 <= len(text) <= 4 or not all(" " <= character <= "~" for character in text):
        ndis.findings.report(POOL_TAG, f"{name}: {text!r} is no pool tag", subject=(name, text))
    return text


def _allocate(ndis: Ndis, adapter: Adapter, name: str, pool_type: int, length: int, tag: str) -> View | None:
    if pool_type not in (NON_PAGED_POOL, PAGED_POOL):
        raise NotModelledError(f"{name} of pool type {pool_type} is not modelled", "allocate type 0, nonpaged, or type 1, paged")
    if length <= 0:
        ndis.findings.report(POOL_SIZE, f"{name} of {length} bytes", subject=(name,), bugcheck="0xC4/0x00 under Driver Verifier")
    _paged_irql(ndis, name, pool_type == PAGED_POOL)
    block = allocate_pool(ndis, adapter, name, length)
    if block is None:
        return None
    claim = adapter.claims[block]
    known = {field.name: getattr(claim, field.name) for field in fields(claim)}
    adapter.claims[block] = PoolClaim(**known, tag=tag, paged=pool_type == PAGED_POOL)
    return View(ndis.port, block)


def _free(ndis: Ndis, adapter: Adapter, name: str, memory: View, tag: str | None) -> None:
    block = ndis.memory.checked_base(name, int(memory), BlockKind.POOL)
    if block is None:
        return
    claim = _claim_of(ndis, adapter, block)
    if not block.routine.startswith(EX):
        ndis.findings.report(POOL_ROUTINE, f"{name}: {block.name} came from {block.routine}", block=block)
    elif isinstance(claim, PoolClaim):
        _paged_irql(ndis, name, claim.paged)
        if tag is not None and tag != claim.tag:
            ndis.findings.report(
                POOL_TAG, f"{name}: {block.name} was allocated with the tag {claim.tag!r} and is freed with {tag!r}", block=block)
    ndis.memory.free(block, name, METHODS[ndis.handler])
    adapter.release(block)


def _claim_of(ndis: Ndis, adapter: Adapter, block: Block) -> Claim | None:
    driver = ndis.driver
    return adapter.claims.get(block) or (driver.claims.get(block) if driver is not None else None)


def _paged_irql(ndis: Ndis, name: str, paged: bool) -> None:
    irql = ndis.scheduler.current.irql
    if paged and irql > APC_LEVEL:
        ndis.findings.report(POOL_PAGED, f"{name} of paged pool was called at {irql_name(irql)}", subject=(name,),
                             bugcheck="0xC4/0x00020004 under Driver Verifier" if "Allocate" in name else None)
