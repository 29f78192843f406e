# SPDX-License-Identifier: Apache-2.0
"""Read-write locks: readers nest, a writer is alone, and every acquire has its release."""

from __future__ import annotations

from typing import Any

import pytest

from hw.processor import DISPATCH_LEVEL, PASSIVE_LEVEL


def irql(adapter: Any) -> int:
    level: int = adapter._ndis.scheduler.current.irql
    return level


def run(live: Any, hooked: Any, step: Any) -> Any:
    return live(hooked(initialize=lambda adapter: step(adapter, adapter.initialize_read_write_lock())))


@pytest.mark.keeps("lock-balanced", "lock-pair-kind", "lock-lifo", "lock-not-recursive")
@pytest.mark.parametrize("write", [False, True])
def test_a_holder_runs_at_dispatch_level_until_it_releases(live: Any, hooked: Any, broken: Any, write: bool) -> None:
    def step(adapter: Any, lock: Any) -> None:
        for _ in range(2):
            state = adapter.acquire_read_write_lock(lock, write)
            assert irql(adapter) == DISPATCH_LEVEL
            adapter.release_read_write_lock(lock, state)
            assert irql(adapter) == PASSIVE_LEVEL

    assert broken(run(live, hooked, step)) == []


def test_readers_are_many_and_the_last_one_lowers_the_irql(live: Any, hooked: Any, broken: Any) -> None:
    def step(adapter: Any, lock: Any) -> None:
        states = [adapter.acquire_read_write_lock(lock, False) for _ in range(3)]
        while states:
            assert irql(adapter) == DISPATCH_LEVEL
            adapter.release_read_write_lock(lock, states.pop())
        assert irql(adapter) == PASSIVE_LEVEL

    assert broken(run(live, hooked, step)) == []


@pytest.mark.breaks("lock-not-recursive")
def test_a_reader_that_asks_to_write_waits_for_itself(live: Any, hooked: Any, broken: Any) -> None:
    def step(adapter: Any, lock: Any) -> None:
        adapter.acquire_read_write_lock(lock, False)
        adapter.acquire_read_write_lock(lock, True)

    world = run(live, hooked, step)
    assert (broken(world), world.outcome) == (["lock-not-recursive"], "hang")


@pytest.mark.parametrize("write", [False, True])
def test_of_a_writer_that_acquires_again_nothing_is_documented_and_nothing_said(live: Any, hooked: Any, broken: Any, write: bool) -> None:
    def step(adapter: Any, lock: Any) -> None:
        outer = adapter.acquire_read_write_lock(lock, True)
        adapter.release_read_write_lock(lock, adapter.acquire_read_write_lock(lock, write))
        adapter.release_read_write_lock(lock, outer)

    assert broken(run(live, hooked, step)) == []


@pytest.mark.breaks("lock-balanced")
def test_a_lock_that_initialize_keeps_is_a_finding(live: Any, hooked: Any, all_broken: Any) -> None:
    assert "lock-balanced" in all_broken(run(live, hooked, lambda adapter, lock: adapter.acquire_read_write_lock(lock, True)))


@pytest.mark.breaks("lock-balanced")
def test_a_state_is_released_once(live: Any, hooked: Any, broken: Any) -> None:
    def step(adapter: Any, lock: Any) -> None:
        outer = adapter.acquire_read_write_lock(lock, False)
        inner = adapter.acquire_read_write_lock(lock, False)
        adapter.release_read_write_lock(lock, inner)
        adapter.release_read_write_lock(lock, inner)
        adapter.release_read_write_lock(lock, outer)

    assert broken(run(live, hooked, step)) == ["lock-balanced"]


@pytest.mark.breaks("lock-pair-kind")
def test_a_lock_is_released_with_its_own_state(live: Any, hooked: Any, broken: Any) -> None:
    def step(adapter: Any, lock: Any) -> None:
        other = adapter.initialize_read_write_lock()
        state = adapter.acquire_read_write_lock(lock, False)
        adapter.release_read_write_lock(other, state)
        adapter.release_read_write_lock(lock, state)

    assert broken(run(live, hooked, step)) == ["lock-pair-kind"]


@pytest.mark.breaks("lock-lifo")
def test_readers_release_in_reverse_order(live: Any, hooked: Any, broken: Any) -> None:
    def step(adapter: Any, lock: Any) -> None:
        first = adapter.acquire_read_write_lock(lock, False)
        second = adapter.acquire_read_write_lock(lock, False)
        adapter.release_read_write_lock(lock, first)
        adapter.release_read_write_lock(lock, second)

    assert broken(run(live, hooked, step)) == ["lock-lifo"]
