# SPDX-License-Identifier: Apache-2.0
"""Allocations that gave no memory: which rule a handler breaks that goes on as if there were some."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from miniport.handlers import METHODS, Handler
from verifier.address import LogicalAddress
from verifier.address_book import Undefined
from verifier.rule import Rule, rule

if TYPE_CHECKING:
    from miniport.ndis import Ndis

CONTIG_NULL = rule(
    "contig-alloc-null", "test what the call returned before it is used: NULL is the only sign that it failed",
    also=("contig-lowres-may-fail", "miniport-exception"))
SHARED_CHECK = rule(
    "shared-alloc-check-required", "test the virtual address; then ask for less, or release everything and let initialize fail",
    also=("miniport-exception",))

POISON_ADDRESS = LogicalAddress(0xDEAD_BEEF_DEAD_B000)
"""What the physical address holds after an allocation that failed: no document defines it."""

_CHECKED = {
    "MmAllocateContiguousMemory": CONTIG_NULL, "MmAllocateContiguousMemorySpecifyCache": CONTIG_NULL,
    "MmAllocateContiguousMemorySpecifyCacheNode": CONTIG_NULL, "NdisMAllocateSharedMemory": SHARED_CHECK,
}
"""Routines whose failure shows only as NULL, and the rule that asks for a test."""
_WITH_ADDRESS = ("NdisMAllocateSharedMemory", "NdisMAllocateSharedMemoryAsync")
"""Routines that leave a device address undefined when they give no memory."""


@dataclass(frozen=True, slots=True)
class Null:
    """A call that returned NULL, and in which call of which handler."""

    routine: str
    rule: Rule
    handler: int
    entry: int


def note(ndis: Ndis, name: str, size: int) -> None:
    """The routine *name* failed; *size* bytes were asked of it, 0 where it was not asked for memory."""
    wanted = _CHECKED.get(name)
    if wanted is not None:
        ndis.nulls.append(Null(name, wanted, ndis.handler, ndis.calls.get(METHODS[ndis.handler], 0)))
    if name in _WITH_ADDRESS and size > 0:
        ndis.machine.book.undefined.append(Undefined(name, ndis.nic.adapter, POISON_ADDRESS, size, ndis.where.capture()))


def used(ndis: Ndis, handler: int) -> Null | None:
    """The last call of the running *handler* that returned NULL, if one did: a handler that uses None has used that."""
    entry = ndis.calls.get(METHODS[handler], 0)
    return next((null for null in reversed(ndis.nulls) if (null.handler, null.entry) == (handler, entry)), None)


def untested_in_initialize(ndis: Ndis) -> list[str]:
    """The ids of the rules that ask for a test of what returned NULL in initialize."""
    return sorted({null.rule.id for null in ndis.nulls if null.handler == Handler.INITIALIZE})
