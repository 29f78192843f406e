# SPDX-License-Identifier: Apache-2.0
"""Spin locks: who holds them, at which IRQL, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.processor import DISPATCH_LEVEL
from miniport import rules
from miniport.handlers import NOT_AT_DIRQL
from miniport.routine import ANY, AT_DISPATCH, UP_TO_DISPATCH, routine
from verifier.where import Where

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis


class SpinLock:
    """An NDIS_SPIN_LOCK."""

    __slots__ = ("acquired_at", "by_dpr", "holder", "irql_before", "live", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.live = True
        self.holder: int | None = None
        """Number of the processor that holds the lock."""
        self.by_dpr = False
        self.irql_before = 0
        self.acquired_at: Where | None = None

    def forget(self) -> None:
        """Let go without asking."""
        self.holder = None


@routine("NdisAllocateSpinLock", irql=ANY, c="VOID NdisAllocateSpinLock(PNDIS_SPIN_LOCK)",
         source="ddi:ndis/nf-ndis-ndisallocatespinlock")
def allocate_spin_lock(ndis: Ndis, adapter: Adapter) -> SpinLock:
    """A spin lock, ready to be acquired."""
    lock = SpinLock(f"spin lock #{adapter.number_of('spin lock')}")
    adapter.claim(lock, lock.name, "NdisAllocateSpinLock")
    return lock


@routine("NdisFreeSpinLock", irql=ANY, c="VOID NdisFreeSpinLock(PNDIS_SPIN_LOCK)", source="ddi:ndis/nf-ndis-ndisfreespinlock")
def free_spin_lock(ndis: Ndis, adapter: Adapter, lock: SpinLock) -> None:
    """Free a spin lock that nobody holds."""
    if lock.holder is not None:
        ndis.findings.report(rules.LOCK_FREE, f"NdisFreeSpinLock of {lock.name} while it is held", subject=(lock,),
                             bugcheck="0xC4/0x100B under deadlock detection")
    lock.live = False
    adapter.release(lock)


@routine("NdisAcquireSpinLock", irql=UP_TO_DISPATCH, irql_rule="lock-acquire-irql", handlers=NOT_AT_DIRQL,
         c="VOID NdisAcquireSpinLock(PNDIS_SPIN_LOCK)", source="ddi:ndis/nf-ndis-ndisacquirespinlock")
def acquire_spin_lock(ndis: Ndis, adapter: Adapter, lock: SpinLock) -> None:
    """Acquire the lock and raise to DISPATCH_LEVEL."""
    acquire(ndis, lock, by_dpr=False)


@routine("NdisReleaseSpinLock", irql=AT_DISPATCH, irql_rule="lock-release-irql", handlers=NOT_AT_DIRQL,
         c="VOID NdisReleaseSpinLock(PNDIS_SPIN_LOCK)", source="ddi:ndis/nf-ndis-ndisreleasespinlock")
def release_spin_lock(ndis: Ndis, adapter: Adapter, lock: SpinLock) -> None:
    """Release the lock and go back to the IRQL before."""
    release(ndis, lock, by_dpr=False)


@routine("NdisDprAcquireSpinLock", irql=AT_DISPATCH, irql_rule="lock-dpr-irql", handlers=NOT_AT_DIRQL,
         c="VOID NdisDprAcquireSpinLock(PNDIS_SPIN_LOCK)", source="ddi:ndis/nf-ndis-ndisdpracquirespinlock")
def dpr_acquire_spin_lock(ndis: Ndis, adapter: Adapter, lock: SpinLock) -> None:
    """Acquire the lock where the processor is at DISPATCH_LEVEL already."""
    acquire(ndis, lock, by_dpr=True)


@routine("NdisDprReleaseSpinLock", irql=AT_DISPATCH, irql_rule="lock-dpr-irql", handlers=NOT_AT_DIRQL,
         c="VOID NdisDprReleaseSpinLock(PNDIS_SPIN_LOCK)", source="ddi:ndis/nf-ndis-ndisdprreleasespinlock")
def dpr_release_spin_lock(ndis: Ndis, adapter: Adapter, lock: SpinLock) -> None:
    """Release a lock that the Dpr form acquired."""
    release(ndis, lock, by_dpr=True)


def acquire(ndis: Ndis, lock: SpinLock, *, by_dpr: bool = False) -> None:
    """Make the running processor the holder of *lock*, at DISPATCH_LEVEL."""
    processor = ndis.scheduler.current
    if not lock.live:
        ndis.findings.report(rules.LOCK_INIT, f"{lock.name} is acquired after it was freed", subject=(lock,))
    if lock.holder is not None:
        # Nothing else can hold it here: deferred calls begin only while no lock is held.
        from miniport.ndis import WorldEnds
        ndis.findings.report(
            rules.LOCK_RECURSIVE, f"{lock.name} is acquired while processor {lock.holder} holds it: deadlock", subject=(lock,),
            related=[("first acquired", lock.acquired_at)], bugcheck="0xC4/0x1000 under deadlock detection")
        raise WorldEnds("hang")
    lock.holder = processor.number
    lock.by_dpr = by_dpr
    lock.irql_before = processor.irql
    lock.acquired_at = ndis.where.capture(4)
    held = ndis.held
    held.append(lock)
    if len(held) > 1:
        ndis.lock_order.nested(lock)
    ndis.lockset.locks_changed()
    ndis.scheduler.locks += 1
    if processor.irql < DISPATCH_LEVEL:
        processor.irql = DISPATCH_LEVEL


def release(ndis: Ndis, lock: SpinLock, *, by_dpr: bool = False) -> None:
    """Undo `acquire`; the Dpr form leaves the IRQL as it is."""
    report, held = ndis.findings.report, ndis.held
    if lock.holder is None:
        report(rules.LOCK_BALANCED, f"{lock.name} is released while nobody holds it", subject=(lock,),
               bugcheck="0xC4/0x1007 under deadlock detection")
        return
    if lock.by_dpr is not by_dpr:
        report(rules.LOCK_PAIR, f"{lock.name} was acquired by the {'Dpr' if lock.by_dpr else 'plain'} form and is released by the "
               f"{'Dpr' if by_dpr else 'plain'} form", subject=(lock,), bugcheck="0xC4/0x1008 under deadlock detection")
    if held[-1] is not lock:
        report(rules.LOCK_LIFO, f"{lock.name} is released before {held[-1].name}, which was acquired later", subject=(lock,),
               bugcheck="0xC4/0x1003 under deadlock detection")
    held.remove(lock)
    ndis.lockset.locks_changed()
    ndis.scheduler.locks -= 1
    lock.holder = None
    if not by_dpr:
        ndis.scheduler.lower_irql(lock.irql_before)
