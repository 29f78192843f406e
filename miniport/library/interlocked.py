# SPDX-License-Identifier: Apache-2.0
"""Interlocked operations: on numbers through a pointer to them, each as one step that nothing can come between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from miniport import rules
from miniport.library.locks import SpinLock
from miniport.routine import ANY, UP_TO_DISPATCH, routine
from miniport.view import View

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis

T = TypeVar("T")

WITH_LOCK_IRQL = {"": UP_TO_DISPATCH, "xp": ANY}
"""IRQL of the forms that take a spin lock."""


def atomically(ndis: Ndis, operation: Callable[[], T]) -> T:
    """What *operation* returns; no processor is switched to in it."""
    scheduler, port = ndis.scheduler, ndis.port
    frozen, scheduler.frozen = scheduler.frozen, True
    access, port.access = port.access, None
    port.epoch += 1
    try:
        return operation()
    finally:
        port.access = access
        scheduler.frozen = frozen
        scheduler.attention = not frozen


def under_lock(ndis: Ndis, name: str, lock: SpinLock, operation: Callable[[], T]) -> T:
    """As `atomically`, for the forms that acquire *lock* for themselves: a caller that holds it waits for ever."""
    if not lock.live:
        ndis.findings.report(rules.LOCK_INIT, f"{name} with {lock.name}, which was freed", subject=(lock,))
    if lock.holder is not None:
        from miniport.ndis import WorldEnds
        ndis.findings.report(
            rules.LOCK_RECURSIVE, f"{name} with {lock.name} while processor {lock.holder} holds it: deadlock", subject=(lock,),
            related=[("acquired", lock.acquired_at)], bugcheck="0xC4/0x1000 under deadlock detection")
        raise WorldEnds("hang")
    return atomically(ndis, operation)


def load_number(view: View, offset: int, size: int) -> int:
    """A number of the driver's own: what it holds has nothing to do with frames."""
    return int.from_bytes(view.port.load_field(view.block, view.offset + offset, size), "little")


def store_number(view: View, offset: int, size: int, value: int) -> None:
    """Store such a number; bits above it are dropped. Devices that poll the block see it."""
    store = view.port.store if view.block.watchers else view.port.store_field
    store(view.block, view.offset + offset, (value & (1 << size * 8) - 1).to_bytes(size, "little"))


def _signed(value: int) -> int:
    return value - (value >> 31 << 32)


def _change(ndis: Ndis, target: View, change: Callable[[int], int | None]) -> int:
    """Replace the LONG behind the pointer by what *change* makes of it, None for nothing. What was there, signed."""
    def step() -> int:
        before = load_number(target, 0, 4)
        after = change(before)
        if after is not None:
            store_number(target, 0, 4, after)
        return before
    return _signed(atomically(ndis, step))


def _add(ndis: Ndis, addend: View, value: int) -> int:
    """Add to the number behind the pointer. The sum, unsigned."""
    return _change(ndis, addend, lambda before: before + value) + value & 0xFFFFFFFF


@routine("NdisInterlockedIncrement", c="LONG NdisInterlockedIncrement(PLONG Addend)", source="ddi:ndis/nf-ndis-ndisinterlockedincrement",
         event=False)
def interlocked_increment(ndis: Ndis, adapter: Adapter, addend: View) -> int:
    """Add one to the LONG behind the pointer. Returns the sum, signed."""
    return _signed(_add(ndis, addend, 1))


@routine("NdisInterlockedDecrement", c="LONG NdisInterlockedDecrement(PLONG Addend)", source="ddi:ndis/nf-ndis-ndisinterlockeddecrement",
         event=False)
def interlocked_decrement(ndis: Ndis, adapter: Adapter, addend: View) -> int:
    """Subtract one from the LONG behind the pointer. Returns the difference, signed."""
    return _signed(_add(ndis, addend, -1))


@routine("NdisInterlockedAddUlong", irql=WITH_LOCK_IRQL, event=False,
         c="VOID NdisInterlockedAddUlong(PULONG Addend, ULONG Increment, PNDIS_SPIN_LOCK)",
         source="ddi:ndis/nf-ndis-ndisinterlockedaddulong")
def interlocked_add_ulong(ndis: Ndis, adapter: Adapter, addend: View, increment: int, lock: SpinLock) -> None:
    """Add to the ULONG behind the pointer, under a lock that the caller does not hold."""
    under_lock(ndis, "NdisInterlockedAddUlong", lock, lambda: _add(ndis, addend, increment))


@routine("InterlockedExchange", c="LONG InterlockedExchange(LONG volatile *Target, LONG Value)", event=False,
         source="ddi:wdm/nf-wdm-interlockedexchange")
def interlocked_exchange(ndis: Ndis, adapter: Adapter, target: View, value: int) -> int:
    """Store *value* in the LONG behind the pointer. Returns what was there, signed."""
    return _change(ndis, target, lambda before: value)


@routine("InterlockedCompareExchange", event=False, source="ddi:wdm/nf-wdm-interlockedcompareexchange",
         c="LONG InterlockedCompareExchange(LONG volatile *Destination, LONG ExChange, LONG Comperand)")
def interlocked_compare_exchange(ndis: Ndis, adapter: Adapter, destination: View, exchange: int, comperand: int) -> int:
    """Store *exchange* in the LONG behind the pointer if it holds *comperand*. Returns what was there, signed."""
    return _change(ndis, destination, lambda before: exchange if before == comperand & 0xFFFFFFFF else None)


@routine("InterlockedExchangeAdd", c="LONG InterlockedExchangeAdd(LONG volatile *Addend, LONG Value)", event=False,
         source="ddi:wdm/nf-wdm-interlockedexchangeadd")
def interlocked_exchange_add(ndis: Ndis, adapter: Adapter, addend: View, value: int) -> int:
    """Add *value* to the LONG behind the pointer. Returns what was there before, signed."""
    return _change(ndis, addend, lambda before: before + value)


@routine("InterlockedOr", c="LONG InterlockedOr(LONG volatile *Destination, LONG Value)", event=False,
         source="ddi:wdm/nf-wdm-interlockedor")
def interlocked_or(ndis: Ndis, adapter: Adapter, destination: View, value: int) -> int:
    """Set the bits of *value* in the LONG behind the pointer. Returns what was there before, signed."""
    return _change(ndis, destination, lambda before: before | value)


@routine("InterlockedAnd", c="LONG InterlockedAnd(LONG volatile *Destination, LONG Value)", event=False,
         source="ddi:wdm/nf-wdm-interlockedand")
def interlocked_and(ndis: Ndis, adapter: Adapter, destination: View, value: int) -> int:
    """Clear the bits that *value* lacks in the LONG behind the pointer. Returns what was there before, signed."""
    return _change(ndis, destination, lambda before: before & value)
