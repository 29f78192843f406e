# SPDX-License-Identifier: Apache-2.0
"""Background entries of the clock, entries that are taken back, and work items of the scheduler."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.clock import NEVER, Clock
from hw.processor import (
    DISPATCH_LEVEL,
    MOST_PERIODS,
    MOST_WORK,
    PASSIVE_LEVEL,
    QUIET_PERIODS,
    Random,
    Scheduler,
)
from verifier.events import EventRecord


def bench() -> tuple[Clock, Scheduler]:
    clock = Clock()
    return clock, Scheduler(2, clock, EventRecord(), Random(1))


def every(clock: Clock, period: int, action: Any) -> None:
    def tick() -> None:
        clock.at(period, tick, background=True)
        action()
    clock.at(period, tick, background=True)


def test_a_periodic_background_entry_does_not_keep_the_machine_from_settling() -> None:
    clock, scheduler = bench()
    ticks: list[int] = []
    every(clock, 10, lambda: ticks.append(clock.now))
    scheduler.settle()
    assert ticks == [10 * n for n in range(1, QUIET_PERIODS + 1)]


def test_settling_with_an_end_lets_background_entries_run_up_to_it() -> None:
    clock, scheduler = bench()
    ticks: list[int] = []
    every(clock, 10, lambda: ticks.append(clock.now))
    scheduler.settle(1000)
    assert ticks == [10 * n for n in range(1, 101)]


def test_what_a_background_entry_brings_about_starts_the_count_anew() -> None:
    clock, scheduler = bench()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(clock.now)
        if len(ticks) == 5:
            clock.at(1, lambda: None)

    every(clock, 10, tick)
    scheduler.settle()
    assert len(ticks) == 5 + QUIET_PERIODS


def test_a_background_entry_that_always_brings_something_about_ends_too() -> None:
    clock, scheduler = bench()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(clock.now)
        clock.at(1, lambda: None)

    every(clock, 10, tick)
    scheduler.settle()
    assert len(ticks) == MOST_PERIODS


def test_the_drain_of_posted_writes_does_not_count_as_something_else() -> None:
    clock, scheduler = bench()
    ticks: list[int] = []

    def tick() -> None:
        ticks.append(clock.now)
        clock.soon(1, lambda: None)

    every(clock, 10, tick)
    scheduler.settle()
    assert len(ticks) == QUIET_PERIODS


def test_other_entries_run_to_the_last_whatever_the_background_does() -> None:
    clock, scheduler = bench()
    ticks: list[int] = []
    ends: list[int] = []
    every(clock, 10, lambda: ticks.append(clock.now))
    clock.at(10_005, lambda: ends.append(clock.now))
    scheduler.settle()
    assert ends == [10_005]
    assert len(ticks) == 1_000 + QUIET_PERIODS


def test_a_cancelled_entry_does_not_run_and_takes_no_time() -> None:
    clock, scheduler = bench()
    ran: list[str] = []
    early = clock.at(10, lambda: ran.append("early"))
    clock.at(20, lambda: ran.append("late"))
    assert clock.cancel(early) and clock.due == 20
    assert not clock.cancel(early)
    scheduler.settle()
    assert (ran, clock.now, clock.due) == (["late"], 20, NEVER)


def test_cancelling_the_only_entry_leaves_nothing_due() -> None:
    clock, scheduler = bench()
    entry = clock.at(10, lambda: None, background=True)
    assert clock.idle and not clock.awaited
    assert clock.cancel(entry)
    assert not clock.idle and not clock.awaited and clock.due == NEVER
    scheduler.settle()
    assert clock.now == 0


@pytest.mark.parametrize("ends", ["cancelled", "ran"])
def test_a_background_entry_that_ended_does_not_hide_what_is_awaited(ends: str) -> None:
    clock, _ = bench()
    entry = clock.at(10, lambda: None, background=True)
    if ends == "cancelled":
        clock.cancel(entry)
    else:
        clock.advance(10)
    clock.at(20, lambda: None)
    assert clock.awaited and not clock.idle


def test_an_entry_that_ran_cannot_be_cancelled() -> None:
    clock, _ = bench()
    entry = clock.at(10, lambda: None, background=True)
    clock.advance(10)
    assert not clock.cancel(entry) and not clock.idle


def test_cancelling_leaves_what_soon_asked_for() -> None:
    clock, _ = bench()
    entry = clock.at(10, lambda: None)
    clock.soon(5, lambda: None)
    assert clock.cancel(entry) and clock.due == 5


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans(), st.booleans()), max_size=30))
def test_what_is_not_cancelled_runs_in_order_of_time_then_of_entry(entries: list[tuple[int, bool, bool]]) -> None:
    clock, _ = bench()
    ran: list[int] = []
    made = [clock.at(delay, lambda n=n: ran.append(n), background=background)  # type: ignore[misc]
            for n, (delay, background, _) in enumerate(entries)]
    kept = []
    for n, (delay, _, cancelled) in enumerate(entries):
        if cancelled:
            assert clock.cancel(made[n])
        else:
            kept.append((delay, n))
    clock.advance(50)
    assert ran == [n for _, n in sorted(kept)]
    assert clock.due == NEVER and not clock.awaited


def test_work_begins_when_the_machine_settles() -> None:
    _, scheduler = bench()
    ran: list[int] = []
    scheduler.queue_work(lambda: ran.append(scheduler.current.irql))
    scheduler.point()
    assert ran == [] and scheduler.attention
    scheduler.settle()
    assert ran == [PASSIVE_LEVEL] and not scheduler.attention


def test_work_that_work_schedules_runs_too() -> None:
    _, scheduler = bench()
    ran: list[str] = []
    scheduler.queue_work(lambda: (ran.append("first"), scheduler.queue_work(lambda: ran.append("second")))[0])
    scheduler.settle()
    assert ran == ["first", "second"]


def test_work_that_schedules_itself_for_ever_lets_go() -> None:
    _, scheduler = bench()
    ran: list[int] = []

    def again() -> None:
        ran.append(1)
        scheduler.queue_work(again)

    scheduler.queue_work(again)
    scheduler.settle()
    assert len(ran) == MOST_WORK and len(scheduler.work) == 1


@pytest.mark.parametrize("irql, runs", [(PASSIVE_LEVEL, 1), (PASSIVE_LEVEL + 1, 0), (DISPATCH_LEVEL, 0)])
def test_work_waits_for_passive_level(irql: int, runs: int) -> None:
    _, scheduler = bench()
    ran: list[int] = []
    scheduler.raise_irql(irql)
    scheduler.queue_work(lambda: ran.append(1))
    scheduler.point(now=True)
    assert len(ran) == runs


def test_no_work_begins_after_a_bug_check() -> None:
    _, scheduler = bench()
    ran: list[int] = []
    scheduler.queue_work(lambda: ran.append(1))
    scheduler.frozen = True
    scheduler.settle()
    assert ran == []
