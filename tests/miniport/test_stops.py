# SPDX-License-Identifier: Apache-2.0
"""KeBugCheckEx, ASSERT, the event log, and work items that are initialized by themselves."""

from __future__ import annotations

from typing import Any

import pytest

from miniport.status import NDIS_STATUS_RESOURCES, NDIS_STATUS_SUCCESS


@pytest.mark.breaks("miniport-bug-check")
def test_a_bug_check_ends_the_world_and_is_named(live: Any, hooked: Any, broken: Any, told: Any) -> None:
    after: list[int] = []

    def initialize(adapter: Any) -> None:
        adapter.ke_bug_check_ex(0xD1, 1, 2, 3, 0xFFFF)
        after.append(1)

    world = live(hooked(initialize=initialize))
    assert (broken(world), world.outcome, after) == (["miniport-bug-check"], "crash", [])
    assert told(world, "miniport-bug-check") == "initialize asks for bug check 0xD1 (0x1, 0x2, 0x3, 0xffff)"


@pytest.mark.breaks("miniport-assertion")
@pytest.mark.keeps("miniport-assertion", "miniport-bug-check")
@pytest.mark.parametrize("condition, expected", [(1, []), (True, []), (0, ["miniport-assertion"]), (None, ["miniport-assertion"])])
def test_an_assertion_tells_and_the_driver_goes_on(live: Any, hooked: Any, broken: Any, condition: Any, expected: list[str]) -> None:
    after: list[int] = []

    def initialize(adapter: Any) -> None:
        adapter.assert_(condition, "count > 0")
        after.append(1)

    world = live(hooked(initialize=initialize))
    assert (broken(world), world.outcome, after) == (expected, "ran", [1])


def test_an_event_stands_in_the_log(live: Any, hooked: Any, broken: Any) -> None:
    got: list[int] = []
    world = live(hooked(initialize=lambda adapter: got.append(adapter.write_event_log_entry(0xC0001389, 7, ("bed",), b"\x01"))))
    assert (broken(world), got) == ([], [NDIS_STATUS_SUCCESS])
    assert "event log: code 0xc0001389, value 0x7 'bed' 01" in world.ndis.error_log


def test_an_event_may_not_be_logged(live: Any, hooked: Any) -> None:
    got: list[int] = []
    world = live(hooked(initialize=lambda adapter: got.append(adapter.write_event_log_entry(1, 2))), faults=("NdisWriteEventLogEntry#1",))
    assert got == [NDIS_STATUS_RESOURCES] and world.ndis.error_log == []


@pytest.mark.keeps("work-item-queued-once")
def test_a_work_item_runs_as_often_as_it_is_scheduled(live: Any, hooked: Any, broken: Any) -> None:
    ran: list[Any] = []

    def function(adapter: Any, context: Any) -> None:
        ran.append(context)
        if len(ran) < 3:
            adapter.schedule_work_item(item[0])

    item: list[Any] = []

    def initialize(adapter: Any) -> None:
        item.append(adapter.initialize_work_item(function, "context"))
        assert adapter.schedule_work_item(item[0]) == NDIS_STATUS_SUCCESS

    world = live(hooked(initialize=initialize), frames=2)
    assert (broken(world), ran) == ([], ["context"] * 3)


@pytest.mark.breaks("work-item-queued-once")
def test_a_work_item_that_waits_is_not_scheduled_again(live: Any, hooked: Any, broken: Any) -> None:
    ran: list[Any] = []

    def initialize(adapter: Any) -> None:
        item = adapter.initialize_work_item(lambda adapter, context: ran.append(1))
        adapter.schedule_work_item(item)
        adapter.schedule_work_item(item)

    world = live(hooked(initialize=initialize), frames=2)
    assert (broken(world), ran) == (["work-item-queued-once"], [1])
