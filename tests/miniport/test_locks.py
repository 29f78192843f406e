# SPDX-License-Identifier: Apache-2.0
"""Spin locks: every rule of theirs kept and broken."""

from __future__ import annotations

from typing import Any

import pytest

from hw.processor import APC_LEVEL, DISPATCH_LEVEL, FIRST_DIRQL, PASSIVE_LEVEL
from miniport import status as s


def irql(adapter: Any) -> int:
    level: int = adapter._ndis.scheduler.current.irql
    return level


def at(adapter: Any, level: int) -> int:
    before: int = adapter._ndis.scheduler.raise_irql(level)
    return before


@pytest.mark.keeps("irql-restored", "lock-balanced", "lock-free-at-halt", "lock-init-first", "lock-pair-kind")
@pytest.mark.parametrize("level", [PASSIVE_LEVEL, APC_LEVEL, DISPATCH_LEVEL])
def test_acquire_raises_to_dispatch_level_and_release_restores(live: Any, bare: Any, broken: Any, level: int) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        before = at(adapter, level)
        adapter.acquire_spin_lock(lock)
        assert irql(adapter) == DISPATCH_LEVEL and lock.holder == 0
        adapter.release_spin_lock(lock)
        assert irql(adapter) == level and lock.holder is None
        at(adapter, before)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == []


@pytest.mark.breaks("lock-acquire-irql")
@pytest.mark.keeps("lock-acquire-irql")
@pytest.mark.parametrize("level, rules", [(DISPATCH_LEVEL, []), (FIRST_DIRQL, ["lock-acquire-irql"])])
def test_acquire_is_for_dispatch_level_or_below(live: Any, bare: Any, broken: Any, level: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        before = at(adapter, level)
        adapter.acquire_spin_lock(lock)
        at(adapter, DISPATCH_LEVEL)
        adapter.release_spin_lock(lock)
        at(adapter, before)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("lock-dpr-irql")
@pytest.mark.keeps("lock-dpr-irql")
@pytest.mark.parametrize("level, rules", [(APC_LEVEL, ["lock-dpr-irql"]), (DISPATCH_LEVEL, []), (FIRST_DIRQL, ["lock-dpr-irql"])])
def test_the_dpr_forms_are_for_dispatch_level_only(live: Any, bare: Any, broken: Any, level: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        before = at(adapter, level)
        adapter.dpr_acquire_spin_lock(lock)
        at(adapter, DISPATCH_LEVEL)
        adapter.dpr_release_spin_lock(lock)
        at(adapter, before)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("lock-release-irql")
@pytest.mark.keeps("lock-release-irql")
@pytest.mark.parametrize("level, rules", [(APC_LEVEL, ["lock-release-irql"]), (DISPATCH_LEVEL, []),
                                          (FIRST_DIRQL, ["lock-release-irql"])])
def test_release_is_for_dispatch_level_only(live: Any, bare: Any, broken: Any, level: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        at(adapter, level)
        adapter.release_spin_lock(lock)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("lock-not-recursive")
def test_a_lock_that_is_acquired_twice_is_a_deadlock(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.acquire_spin_lock(lock)

    world = live(bare(initialize))
    assert broken(world)[0] == "lock-not-recursive" and world.outcome == "hang"
    assert world.machine.findings.errors[0].related[-1][0] == "first acquired"


@pytest.mark.keeps("lock-lifo", "lock-not-recursive")
def test_two_locks_are_released_in_reverse_order(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        one, two = adapter.allocate_spin_lock(), adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(one)
        adapter.dpr_acquire_spin_lock(two)
        adapter.dpr_release_spin_lock(two)
        adapter.release_spin_lock(one)
        adapter.free_spin_lock(two)
        adapter.free_spin_lock(one)

    assert broken(live(bare(initialize))) == []


@pytest.mark.breaks("lock-lifo")
def test_the_other_order_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        one, two = adapter.allocate_spin_lock(), adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(one)
        adapter.acquire_spin_lock(two)
        adapter.release_spin_lock(one)
        at(adapter, DISPATCH_LEVEL)
        adapter.release_spin_lock(two)
        at(adapter, PASSIVE_LEVEL)
        adapter.free_spin_lock(two)
        adapter.free_spin_lock(one)

    assert broken(live(bare(initialize))) == ["lock-lifo"]


@pytest.mark.breaks("lock-pair-kind")
@pytest.mark.parametrize("acquire, release", [("acquire_spin_lock", "dpr_release_spin_lock"),
                                              ("dpr_acquire_spin_lock", "release_spin_lock")])
def test_the_two_forms_do_not_mix(live: Any, bare: Any, broken: Any, acquire: str, release: str) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        before = at(adapter, DISPATCH_LEVEL)
        getattr(adapter, acquire)(lock)
        getattr(adapter, release)(lock)
        at(adapter, before)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == ["lock-pair-kind"]


@pytest.mark.breaks("lock-balanced")
def test_a_release_without_an_acquire_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        before = at(adapter, DISPATCH_LEVEL)
        adapter.release_spin_lock(lock)
        at(adapter, before)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == ["lock-balanced"]


@pytest.mark.breaks("lock-balanced")
def test_a_handler_that_returns_with_a_lock_is_a_finding_at_the_acquire_and_the_world_goes_on(live: Any, hooked: Any,
                                                                                              all_broken: Any) -> None:
    kept: list[Any] = []

    def take(adapter: Any) -> None:
        kept.append(adapter.allocate_spin_lock())

    def acquire(adapter: Any) -> None:
        adapter.dpr_acquire_spin_lock(kept[0])

    world = live(hooked(initialize=take, set_information=acquire, halt=lambda a: a.free_spin_lock(kept[0])), frames=2)
    assert "lock-balanced" in all_broken(world) and world.outcome == "ran" and world.received == 2
    where = world.machine.findings.errors[0].where
    assert where is not None and where[0] is acquire.__code__


@pytest.mark.breaks("lock-not-across-upcall")
@pytest.mark.parametrize("handler", ["send_complete", "indicate"])
def test_no_lock_is_held_across_an_upcall(live: Any, bare: Any, broken: Any, handler: str) -> None:
    kept: list[Any] = []

    def initialize(adapter: Any) -> None:
        kept.append(adapter.allocate_spin_lock())
        if handler == "indicate":
            _, pool = adapter.allocate_packet_pool(1)
            _, buffers = adapter.allocate_buffer_pool(1)
            _, memory = adapter.allocate_memory_with_tag(64, "Test")
            memory.fill(0, 64)
            _, packet = adapter.allocate_packet(pool)
            _, buffer = adapter.allocate_buffer(buffers, memory, 60)
            adapter.chain_buffer_at_back(packet, buffer)
            packet.status = s.NDIS_STATUS_RESOURCES
            kept.extend([packet, buffer, pool, buffers, memory])

    def send(adapter: Any, packet: Any, flags: int) -> int:
        adapter.dpr_acquire_spin_lock(kept[0])
        if handler == "indicate":
            adapter.indicate_receive_packet([kept[1]])
        else:
            adapter.send_complete(packet, s.NDIS_STATUS_FAILURE)
        adapter.dpr_release_spin_lock(kept[0])
        return s.NDIS_STATUS_FAILURE if handler == "indicate" else s.NDIS_STATUS_PENDING

    def halt(adapter: Any) -> None:
        adapter.free_spin_lock(kept[0])
        if handler == "indicate":
            adapter.free_buffer(kept[2])
            adapter.free_packet(kept[1])
            adapter.free_buffer_pool(kept[4])
            adapter.free_packet_pool(kept[3])
            adapter.free_memory(kept[5], 64)

    assert broken(live(bare(initialize, send=send, halt=halt), frames=1))[0] == "lock-not-across-upcall"


@pytest.mark.breaks("lock-init-first")
def test_a_freed_lock_is_not_acquired(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.free_spin_lock(lock)
        adapter.acquire_spin_lock(lock)
        adapter.release_spin_lock(lock)

    assert broken(live(bare(initialize))) == ["lock-init-first"]


@pytest.mark.breaks("lock-free-at-halt")
def test_a_held_lock_is_not_freed(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.free_spin_lock(lock)
        adapter.release_spin_lock(lock)

    assert broken(live(bare(initialize))) == ["lock-free-at-halt"]


def test_a_lock_that_is_never_freed_is_a_leak(live: Any, bare: Any, broken: Any) -> None:
    assert broken(live(bare(lambda adapter: adapter.allocate_spin_lock() and None))) == ["halt-undo-all"]


@pytest.mark.parametrize("processors", [1, 2, 4])
def test_no_deferred_call_begins_while_a_lock_is_held(live: Any, hooked: Any, broken: Any, processors: int) -> None:
    held = []

    def handle(adapter: Any) -> None:
        held.append(list(adapter._ndis.held))

    world = live(hooked(handle_interrupt=handle), frames=20, processors=processors)
    assert broken(world) == [] and held and not any(held)
