# SPDX-License-Identifier: Apache-2.0
"""Work items: when they run, at which IRQL, and what is left of them at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw.clock import MS
from hw.processor import DISPATCH_LEVEL, PASSIVE_LEVEL
from miniport import status as s
from verifier.where import line_of


def test_a_work_item_runs_at_passive_level_after_the_handler_that_scheduled_it(live: Any, bare: Any, broken: Any) -> None:
    seen: list[Any] = []

    def work(adapter: Any, context: Any) -> None:
        seen.append((context, adapter._ndis.scheduler.current.irql))

    def initialize(adapter: Any) -> None:
        assert adapter.schedule_work_item(work, "context") == s.NDIS_STATUS_SUCCESS
        adapter.dbg_print("a switching point that waits for nothing")
        assert seen == []

    assert broken(live(bare(initialize))) == []
    assert seen == [("context", PASSIVE_LEVEL)]


def test_a_work_item_runs_where_a_handler_sleeps(live: Any, bare: Any, broken: Any) -> None:
    seen: list[str] = []

    def initialize(adapter: Any) -> None:
        adapter.schedule_work_item(lambda adapter, context: seen.append("work"))
        adapter.sleep(1)
        seen.append("slept")

    assert broken(live(bare(initialize))) == []
    assert seen == ["work", "slept"]


def test_a_work_item_does_not_run_where_a_handler_holds_a_lock(live: Any, bare: Any, broken: Any) -> None:
    seen: list[str] = []

    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        adapter.acquire_spin_lock(lock)
        adapter.schedule_work_item(lambda adapter, context: seen.append("work"))
        adapter.stall_execution(50)
        adapter.release_spin_lock(lock)
        assert seen == []
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == []
    assert seen == ["work"]


def test_work_that_dispatch_level_cannot_do_is_done_below(live: Any, bare: Any, broken: Any) -> None:
    """A timer's function hands what has to wait to a work item."""
    seen: list[int] = []

    def work(adapter: Any, context: Any) -> None:
        adapter.sleep(2000)
        seen.append(adapter._ndis.clock.now)

    def initialize(adapter: Any) -> None:
        adapter.set_timer(adapter.initialize_timer(lambda adapter, context: adapter.schedule_work_item(work)), 1)

    assert broken(live(bare(initialize))) == []
    assert seen == [3 * MS]


def test_work_items_run_in_the_order_in_which_they_were_scheduled(live: Any, bare: Any, broken: Any) -> None:
    seen: list[int] = []

    def initialize(adapter: Any) -> None:
        for number in range(5):
            adapter.schedule_work_item(lambda adapter, context: seen.append(context), number)

    assert broken(live(bare(initialize))) == []
    assert seen == [0, 1, 2, 3, 4]


def test_the_handler_that_waits_is_not_charged_for_a_work_item(live: Any, bare: Any, broken: Any) -> None:
    def work(adapter: Any, context: Any) -> None:
        adapter.sleep(30_000_000)
        adapter.sleep(25_000_000)

    def initialize(adapter: Any) -> None:
        adapter.schedule_work_item(work)
        adapter.sleep(10_000_000)

    world = live(bare(initialize))
    assert broken(world) == [] and world.outcome == "ran"


def test_a_work_item_of_one_adapter_waits_until_it_is_up(live: Any, bare: Any, broken: Any) -> None:
    seen: list[int] = []

    def initialize(adapter: Any) -> None:
        adapter.schedule_work_item(lambda adapter, context: seen.append(adapter.number))
        if adapter.number == 1:
            adapter.sleep(3000)
            adapter.sleep(3000)

    assert broken(live(bare(initialize), adapters=2)) == []
    assert sorted(seen) == [0, 1]


@pytest.mark.breaks("halt-undo-all", "work-item-done-at-halt")
def test_a_work_item_that_is_outstanding_when_halt_returns_is_a_leak_and_never_runs(live: Any, bare: Any, all_broken: Any) -> None:
    seen: list[int] = []

    def halt(adapter: Any) -> None:
        adapter.schedule_work_item(lambda adapter, context: seen.append(1))

    world = live(bare(halt=halt))
    assert all_broken(world) == ["halt-undo-all", "work-item-done-at-halt"]
    [finding] = world.machine.findings.errors
    assert finding.message == "work item #1 of NdisScheduleWorkItem is still held after halt"
    assert finding.where is not None and Path(finding.where[0].co_filename) == Path(__file__)
    assert line_of(finding.where) == halt.__code__.co_firstlineno + 1
    assert seen == []


@pytest.mark.keeps("work-item-done-at-halt")
def test_halt_may_wait_for_its_work_items(live: Any, bare: Any, broken: Any) -> None:
    seen: list[int] = []

    def halt(adapter: Any) -> None:
        done = adapter.initialize_event()
        adapter.schedule_work_item(lambda adapter, context: (seen.append(1), adapter.set_event(done)))
        assert adapter.wait_event(done, 0)

    assert broken(live(bare(halt=halt))) == []
    assert seen == [1]


@pytest.mark.breaks("init-fail-release-all", "work-item-done-at-halt")
def test_a_work_item_that_a_failing_initialize_leaves_is_a_leak(live: Any, bare: Any, all_broken: Any) -> None:
    seen: list[int] = []

    def initialize(adapter: Any) -> int:
        adapter.schedule_work_item(lambda adapter, context: seen.append(1))
        status: int = adapter.allocate_memory_with_tag(16, "Test")[0]
        return status

    world = live(bare(initialize), faults=("NdisAllocateMemoryWithTag#1",))
    assert all_broken(world) == ["init-fail-release-all", "work-item-done-at-halt"]
    assert seen == []


@pytest.mark.parametrize("life", ["power-off", "bug-check"])
def test_shutdown_may_leave_work_items(live: Any, bare: Any, broken: Any, life: str) -> None:
    def initialize(adapter: Any) -> None:
        adapter.set_timer(adapter.initialize_timer(again), 1)

    def again(adapter: Any, context: Any) -> None:
        adapter.schedule_work_item(lambda adapter, context: None)

    assert broken(live(bare(initialize, shutdown=lambda adapter: None), life=life)) == []


def test_work_is_scheduled_at_dispatch_level_or_below(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        scheduler = adapter._ndis.scheduler
        for irql in (PASSIVE_LEVEL, DISPATCH_LEVEL, DISPATCH_LEVEL + 1):
            before = scheduler.raise_irql(irql)
            adapter.schedule_work_item(lambda adapter, context: None)
            scheduler.lower_irql(before)

    world = live(bare(initialize))
    assert broken(world) == ["routine-irql"]
