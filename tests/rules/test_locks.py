# SPDX-License-Identifier: Apache-2.0
"""Rules of spin locks that concern more than one of them."""

from __future__ import annotations

from typing import Any

import pytest

from miniport import status as s
from miniport.context import Ulong
from miniport.reference import ReferenceMiniport, core


def locks(adapter: Any, count: int) -> list[Any]:
    return [adapter.allocate_spin_lock() for _ in range(count)]


def take(adapter: Any, *nested: Any) -> None:
    """Acquire all, then release them in the reverse order."""
    for lock in nested:
        adapter.acquire_spin_lock(lock)
    for lock in reversed(nested):
        adapter.release_spin_lock(lock)


def free(adapter: Any, *all_of: Any) -> None:
    for lock in all_of:
        adapter.free_spin_lock(lock)


@pytest.mark.breaks("lock-hierarchy")
def test_two_locks_in_opposite_order_are_told_with_both_lines(live: Any, bare: Any, broken: Any, told: Any) -> None:
    def initialize(adapter: Any) -> None:
        a, b = locks(adapter, 2)
        take(adapter, a, b)
        take(adapter, b, a)
        free(adapter, a, b)

    world = live(bare(initialize))
    assert broken(world) == ["lock-hierarchy"]
    message = told(world, "lock-hierarchy")
    assert message.startswith("spin lock #1 is acquired while spin lock #2 is held, and elsewhere spin lock #1 before spin lock #2")
    [finding] = world.machine.findings.errors
    assert [what for what, _ in finding.related] == [
        "spin lock #2 acquired", "the other order: spin lock #1 acquired", "then spin lock #2"]
    assert all(line is not None for _, line in finding.related)


@pytest.mark.breaks("lock-hierarchy")
def test_opposite_orders_in_two_handlers_are_told(live: Any, bare: Any, broken: Any) -> None:
    held: list[Any] = []

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        take(adapter, *held)
        held.reverse()
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    world = live(bare(lambda adapter: held.extend(locks(adapter, 2)), query_information=query, halt=lambda adapter: free(adapter, *held)))
    assert broken(world) == ["lock-hierarchy"]


@pytest.mark.breaks("lock-hierarchy")
@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_circle_of_any_length_is_told(live: Any, bare: Any, broken: Any, count: int) -> None:
    def initialize(adapter: Any) -> None:
        ring = locks(adapter, count)
        for number in range(count):
            take(adapter, ring[number], ring[(number + 1) % count])
        free(adapter, *ring)

    assert broken(live(bare(initialize))) == ["lock-hierarchy"]


@pytest.mark.keeps("lock-hierarchy")
@pytest.mark.parametrize("orders", [
    [(0, 1), (0, 1)], [(0, 1), (1, 2), (0, 2)], [(0,), (1,), (0,)], [(0, 1, 2), (1, 2), (0, 2), (0, 1)], [(1, 2), (0, 1), (0, 2)]])
def test_one_order_everywhere_is_clean(live: Any, bare: Any, broken: Any, orders: list[tuple[int, ...]]) -> None:
    def initialize(adapter: Any) -> None:
        all_of = locks(adapter, 3)
        for order in orders:
            take(adapter, *(all_of[number] for number in order))
        free(adapter, *all_of)

    assert broken(live(bare(initialize))) == []


@pytest.mark.breaks("lockset")
@pytest.mark.parametrize("locked, facts", [(True, ("int-sync-only-way", "lock-not-for-isr")), (False, ("int-sync-only-way",))])
def test_a_spin_lock_keeps_no_isr_out(live: Any, locked: bool, facts: tuple[str, ...]) -> None:
    class Context(core.Context):
        seen = Ulong()

    class Counts(ReferenceMiniport):
        context_type = Context

        def isr(self, adapter: Any) -> tuple[bool, bool]:
            adapter.context.seen += 1
            return super().isr(adapter)

        def handle_interrupt(self, adapter: Any) -> None:
            lock = adapter.context.lock
            if locked:
                adapter.dpr_acquire_spin_lock(lock)
            adapter.context.seen = 0
            if locked:
                adapter.dpr_release_spin_lock(lock)
            super().handle_interrupt(adapter)

    world = live(Counts, frames=4)
    [finding] = world.machine.findings.errors
    assert finding.rule.id == "lockset" and finding.also == facts
