# SPDX-License-Identifier: Apache-2.0
"""Read-write locks: many readers or one writer, at DISPATCH_LEVEL.

A lock that is held lets nothing else of the driver begin, as with spin locks, so that the readers of this bed are the nested
ones of one thread; another processor never waits. `miniport.lockset` does not tell a lock held for reading from one held for
writing. Whether a thread that writes may acquire the lock again is not documented: no finding says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from miniport import rules
from miniport.handlers import NOT_AT_DIRQL
from miniport.library.locks import SpinLock, acquire, release
from miniport.routine import ANY, AT_DISPATCH, UP_TO_DISPATCH, routine
from verifier.where import Where

if TYPE_CHECKING:
    from miniport.adapter import Adapter
    from miniport.ndis import Ndis


@dataclass(frozen=True, slots=True, eq=False)
class LockState:
    """A LOCK_STATE: one acquisition of a read-write lock, from its acquire to its release."""

    lock: ReadWriteLock
    write: bool
    where: Where | None


class ReadWriteLock(SpinLock):
    """An NDIS_RW_LOCK. What the first of its holders takes and the last one gives back is a spin lock."""

    __slots__ = ("holders",)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.holders: list[LockState] = []
        """Who holds it, in the order of acquisition."""

    def forget(self) -> None:
        """Let go without asking."""
        super().forget()
        self.holders.clear()


@routine("NdisInitializeReadWriteLock", irql=ANY, c="VOID NdisInitializeReadWriteLock(PNDIS_RW_LOCK)",
         source="ddi:ndis/nf-ndis-ndisinitializereadwritelock")
def initialize_read_write_lock(ndis: Ndis, adapter: Adapter) -> ReadWriteLock:
    """A read-write lock that nobody holds. Nothing frees it."""
    return ReadWriteLock(f"read-write lock #{adapter.number_of('read-write lock')}")


@routine("NdisAcquireReadWriteLock", irql=UP_TO_DISPATCH, irql_rule="lock-acquire-irql", handlers=NOT_AT_DIRQL,
         c="VOID NdisAcquireReadWriteLock(PNDIS_RW_LOCK, BOOLEAN fWrite, PLOCK_STATE)",
         source="ddi:ndis/nf-ndis-ndisacquirereadwritelock")
def acquire_read_write_lock(ndis: Ndis, adapter: Adapter, lock: ReadWriteLock, write: bool) -> LockState:
    """Acquire the lock for writing or for reading and raise to DISPATCH_LEVEL. Returns the state that the release takes. Readers
    may be many; a reader that asks to write waits for itself: a deadlock."""
    holders = lock.holders
    state = LockState(lock, bool(write), ndis.where.capture())
    if write and holders and not any(holder.write for holder in holders):
        from miniport.ndis import WorldEnds
        ndis.findings.report(
            rules.LOCK_RECURSIVE, f"{lock.name} is acquired for writing while processor {lock.holder} holds it for reading: deadlock",
            subject=(lock,), related=[("acquired for reading", holders[0].where)])
        raise WorldEnds("hang")
    if not holders:
        acquire(ndis, lock)
    holders.append(state)
    return state


@routine("NdisReleaseReadWriteLock", irql=AT_DISPATCH, irql_rule="lock-release-irql", handlers=NOT_AT_DIRQL,
         c="VOID NdisReleaseReadWriteLock(PNDIS_RW_LOCK, PLOCK_STATE)", source="ddi:ndis/nf-ndis-ndisreleasereadwritelock")
def release_read_write_lock(ndis: Ndis, adapter: Adapter, lock: ReadWriteLock, state: LockState) -> None:
    """Release what the acquire that returned *state* acquired; the last release goes back to the IRQL before the first acquire."""
    report, holders = ndis.findings.report, lock.holders
    if state.lock is not lock:
        report(rules.LOCK_PAIR, f"{lock.name} is released with a lock state of {state.lock.name}", subject=(lock,))
    elif state not in holders:
        report(rules.LOCK_BALANCED, f"{lock.name} is released with a lock state that is not held", subject=(lock,))
    else:
        if holders[-1] is not state:
            report(rules.LOCK_LIFO, f"{lock.name} is released by an earlier acquire before a later one", subject=(lock,),
                   related=[("acquired later", holders[-1].where)])
        holders.remove(state)
        if not holders:
            release(ndis, lock)
