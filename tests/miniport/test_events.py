# SPDX-License-Identifier: Apache-2.0
"""Events: who may wait, how long it takes, and what goes on meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from hw.clock import MS
from hw.processor import APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL
from verifier.errors import NotModelledError


def now(adapter: Any) -> int:
    time: int = adapter._ndis.clock.now
    return time


def test_an_event_is_not_signalled_at_first_and_stays_so_until_it_is_set(live: Any, bare: Any, broken: Any) -> None:
    said: list[bool] = []

    def initialize(adapter: Any) -> None:
        event = adapter.initialize_event()
        said.append(adapter.wait_event(event, 1))
        adapter.set_event(event)
        said.append(adapter.wait_event(event, 1))
        said.append(adapter.wait_event(event, 0))
        adapter.reset_event(event)
        said.append(adapter.wait_event(event, 1))

    assert broken(live(bare(initialize))) == []
    assert said == [False, True, True, False]


@pytest.mark.keeps("time-limit")
@pytest.mark.parametrize("milliseconds", [1, 2, 1000])
def test_a_wait_that_is_not_satisfied_takes_its_whole_time(live: Any, bare: Any, broken: Any, milliseconds: int) -> None:
    def initialize(adapter: Any) -> None:
        assert adapter.wait_event(adapter.initialize_event(), milliseconds) is False
        assert now(adapter) == milliseconds * MS

    assert broken(live(bare(initialize))) == []


def test_a_wait_for_a_signalled_event_takes_no_time(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        event = adapter.initialize_event()
        adapter.set_event(event)
        assert adapter.wait_event(event, 1000)
        assert now(adapter) == 0

    assert broken(live(bare(initialize))) == []


@pytest.mark.parametrize("milliseconds, satisfied, at", [(4, False, 4), (5, True, 5), (6, True, 5), (0, True, 5)])
def test_a_wait_ends_when_a_timer_signals(
        live: Any, bare: Any, broken: Any, milliseconds: int, satisfied: bool, at: int) -> None:
    def initialize(adapter: Any) -> None:
        event = adapter.initialize_event()
        timer = adapter.initialize_timer(lambda adapter, context: adapter.set_event(event))
        adapter.set_timer(timer, 5)
        assert adapter.wait_event(event, milliseconds) is satisfied
        assert now(adapter) == at * MS
        adapter.cancel_timer(timer)

    assert broken(live(bare(initialize))) == []


def test_a_periodic_timer_keeps_its_time_while_a_handler_waits(live: Any, bare: Any, broken: Any) -> None:
    ticks: list[int] = []

    def initialize(adapter: Any) -> None:
        timer = adapter.initialize_timer(lambda adapter, context: ticks.append(now(adapter)))
        adapter.set_periodic_timer(timer, 10)
        adapter.wait_event(adapter.initialize_event(), 55)
        assert adapter.cancel_timer(timer)

    assert broken(live(bare(initialize))) == []
    assert ticks == [10 * MS, 20 * MS, 30 * MS, 40 * MS, 50 * MS]


def test_frames_go_out_while_a_work_item_waits(live: Any, hooked: Any, broken: Any) -> None:
    """Interrupts and their deferred calls are served meanwhile."""
    said: list[bool] = []

    def work(adapter: Any, context: Any) -> None:
        said.append(adapter.wait_event(adapter.initialize_event(), 50))

    world = live(hooked(send=lambda adapter: adapter.schedule_work_item(work)), frames=3)
    assert broken(world) == [] and said == [False] * 3
    assert world.received == 3


@pytest.mark.breaks("time-limit")
def test_a_wait_for_ever_is_a_hang(live: Any, bare: Any, broken: Any, told: Any) -> None:
    world = live(bare(lambda adapter: adapter.wait_event(adapter.initialize_event(), 0) and None))
    assert world.outcome == "hang"
    assert broken(world) == ["time-limit"]
    assert "initialize has waited for more than 60 s" in told(world, "time-limit")


@pytest.mark.breaks("time-limit")
def test_a_wait_for_ever_is_a_hang_although_a_timer_ticks(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.set_periodic_timer(adapter.initialize_timer(lambda adapter, context: None), 1000)
        adapter.wait_event(adapter.initialize_event(), 0)

    world = live(bare(initialize))
    assert (world.outcome, broken(world)) == ("hang", ["time-limit"])


@pytest.mark.parametrize("milliseconds, outcome", [(59_999, "ran"), (60_000, "ran"), (60_001, "hang")])
def test_a_wait_is_bounded_by_the_time_that_a_handler_may_take(live: Any, bare: Any, milliseconds: int, outcome: str) -> None:
    world = live(bare(lambda adapter: adapter.wait_event(adapter.initialize_event(), milliseconds) and None))
    assert world.outcome == outcome


@pytest.mark.breaks("wait-event-passive")
@pytest.mark.keeps("wait-event-passive")
@pytest.mark.parametrize("level, rules", [
    (PASSIVE_LEVEL, []), (APC_LEVEL, ["wait-event-passive"]), (DISPATCH_LEVEL, ["wait-event-passive"])])
def test_only_passive_level_may_wait(live: Any, bare: Any, broken: Any, level: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        before = adapter._ndis.scheduler.raise_irql(level)
        adapter.wait_event(adapter.initialize_event(), 1)
        adapter._ndis.scheduler.lower_irql(before)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("wait-event-passive")
def test_a_lock_is_not_held_across_a_wait(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.wait_event(adapter.initialize_event(), 1)
        adapter.release_spin_lock(lock)
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == ["wait-event-passive"]


def test_a_thread_that_waits_for_the_one_below_it_is_not_modelled(live: Any, bare: Any) -> None:
    def initialize(adapter: Any) -> None:
        go, done = adapter.initialize_event(), adapter.initialize_event()
        adapter.schedule_work_item(lambda adapter, context: adapter.wait_event(go, 0))
        adapter.wait_event(done, 10)
        adapter.set_event(go)

    with pytest.raises(NotModelledError, match="a work item waits for event #1"):
        live(bare(initialize))
