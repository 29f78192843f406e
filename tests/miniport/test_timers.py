# SPDX-License-Identifier: Apache-2.0
"""Timers: when they fire, at which IRQL, what cancelling says, and what is left of them at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw.clock import MS
from hw.processor import DISPATCH_LEVEL, QUIET_PERIODS
from miniport import status as s
from miniport.miniport import Miniport
from verifier.where import line_of

SERIALIZED = s.NDIS_ATTRIBUTE_BUS_MASTER
DESERIALIZED = s.NDIS_ATTRIBUTE_BUS_MASTER | s.NDIS_ATTRIBUTE_DESERIALIZE


def now(adapter: Any) -> int:
    time: int = adapter._ndis.clock.now
    return time


class Log:
    """What a timer's function saw, and its timer."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, Any, int]] = []
        self.timer: Any = None
        self.said: list[bool] = []

    def function(self, adapter: Any, context: Any) -> None:
        self.calls.append((now(adapter), context, adapter._ndis.scheduler.current.irql))

    @property
    def times(self) -> list[int]:
        return [time for time, _, _ in self.calls]


# Firing


@pytest.mark.parametrize("milliseconds, after_ms", [(0, 1), (1, 1), (2, 2), (50, 50)])
def test_a_timer_fires_once_at_dispatch_level_when_its_time_has_passed(
        live: Any, bare: Any, broken: Any, milliseconds: int, after_ms: int) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        log.timer = adapter.initialize_timer(log.function, "context")
        adapter.set_timer(log.timer, milliseconds)

    assert broken(live(bare(initialize))) == []
    assert log.calls == [(after_ms * MS, "context", DISPATCH_LEVEL)]


def test_a_timer_that_is_not_set_never_fires(live: Any, bare: Any, broken: Any) -> None:
    log = Log()
    assert broken(live(bare(lambda adapter: adapter.initialize_timer(log.function) and None))) == []
    assert log.calls == []


@pytest.mark.breaks("timer5-set-ms")
@pytest.mark.keeps("timer5-set-ms")
@pytest.mark.parametrize("milliseconds, rules", [
    (-1, ["timer5-set-ms"]), (0, []), (1, []), (0xFFFFFFFE, []), (0xFFFFFFFF, []), (0x100000000, ["timer5-set-ms"])])
def test_the_delay_is_a_count_of_milliseconds(live: Any, bare: Any, broken: Any, milliseconds: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        timer = adapter.initialize_timer(Log().function)
        adapter.set_timer(timer, milliseconds)
        assert adapter.cancel_timer(timer)

    assert broken(live(bare(initialize))) == rules


def test_setting_again_cancels_what_was_set_before(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        timer = adapter.initialize_timer(log.function)
        adapter.set_timer(timer, 5)
        adapter.sleep(3000)
        adapter.set_timer(timer, 5)

    assert broken(live(bare(initialize))) == []
    assert log.times == [8 * MS]


def test_setting_once_ends_a_periodic_timer(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        timer = adapter.initialize_timer(log.function)
        adapter.set_periodic_timer(timer, 5)
        adapter.set_timer(timer, 7)

    assert broken(live(bare(initialize))) == []
    assert log.times == [7 * MS]


def test_a_function_may_run_while_initialize_does(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        adapter.set_timer(adapter.initialize_timer(log.function), 1)
        assert log.calls == []
        adapter.sleep(5000)
        assert len(log.calls) == 1

    assert broken(live(bare(initialize))) == []


def test_a_function_may_set_its_timer_again_and_the_world_ends(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def again(adapter: Any, context: Any) -> None:
        log.function(adapter, context)
        adapter.set_timer(log.timer, 10)

    def initialize(adapter: Any) -> None:
        log.timer = adapter.initialize_timer(again)
        adapter.set_timer(log.timer, 10)

    world = live(bare(initialize, halt=lambda adapter: log.said.append(adapter.cancel_timer(log.timer))))
    assert broken(world) == [] and log.said == [True]
    assert log.times == [10 * MS * n for n in range(1, QUIET_PERIODS + 1)]


def periodic(log: Log, milliseconds: int = 10) -> Any:
    def initialize(adapter: Any) -> None:
        log.timer = adapter.initialize_timer(log.function)
        adapter.set_periodic_timer(log.timer, milliseconds)

    return initialize


@pytest.mark.parametrize("milliseconds, period", [(0, 1), (1, 1), (2, 2), (1000, 1000)])
def test_a_periodic_timer_fires_at_each_period_and_the_world_ends(
        live: Any, bare: Any, broken: Any, milliseconds: int, period: int) -> None:
    log = Log()
    world = live(bare(periodic(log, milliseconds), halt=lambda adapter: log.said.append(adapter.cancel_timer(log.timer))))
    assert broken(world) == [] and log.said == [True]
    assert log.times == [period * MS * n for n in range(1, QUIET_PERIODS + 1)]


def test_a_world_with_a_timer_is_equal_each_time(live: Any, hooked: Any) -> None:
    def once() -> list[Any]:
        log = Log()
        world = live(hooked(initialize=periodic(log), halt=lambda adapter: adapter.cancel_timer(log.timer)), frames=8, seed=5)
        assert world.machine.findings.errors == []
        return [event[:4] for event in world.machine.events.events]

    assert once() == once()


@pytest.mark.parametrize("attributes, locks", [(SERIALIZED, 1), (DESERIALIZED, 0)])
@pytest.mark.parametrize("form", ["", "ndis_"])
def test_ndis_holds_its_lock_around_the_function_of_a_serialized_miniport(
        live: Any, bare: Any, broken: Any, attributes: int, locks: int, form: str) -> None:
    seen: list[int] = []

    def initialize(adapter: Any) -> None:
        make, set_it = getattr(adapter, f"{form}initialize_timer"), getattr(adapter, f"{form}set_timer")
        set_it(make(lambda adapter, context: seen.append(adapter._ndis.scheduler.locks)), 1)

    assert broken(live(bare(initialize, attributes=attributes))) == []
    assert seen == [locks if not form else 0]


def test_a_miniport_that_polls_with_its_timer_has_time_for_every_packet(live: Any, bare: Any) -> None:
    queue: list[Any] = []

    def poll(adapter: Any, context: Any) -> None:
        if queue:
            adapter.send_complete(queue.pop(0), s.NDIS_STATUS_SUCCESS)

    def send(adapter: Any, packet: Any, flags: int) -> int:
        queue.append(packet)
        return s.NDIS_STATUS_PENDING

    def initialize(adapter: Any) -> None:
        log.timer = adapter.initialize_timer(poll)
        adapter.set_periodic_timer(log.timer, 10)

    log = Log()
    polling = bare(initialize, send=send, halt=lambda adapter: log.said.append(adapter.cancel_timer(log.timer)))
    world = live(polling, frames=3 * QUIET_PERIODS)
    assert len(world.ndis.protocol.sent) == 3 * QUIET_PERIODS


def test_a_miniport_that_polls_with_its_timer_has_time_for_every_receive(live: Any, bare: Any) -> None:
    log = Log()
    left = 3 * QUIET_PERIODS

    def initialize(adapter: Any) -> None:
        log.timer = adapter.initialize_timer(poll, (adapter.allocate_memory_with_tag(60, "Rcvd")[1],
                                                    adapter.allocate_packet_pool(1)[1], adapter.allocate_buffer_pool(1)[1]))
        adapter.set_periodic_timer(log.timer, 10)

    def poll(adapter: Any, context: Any) -> None:
        nonlocal left
        memory, packets, buffers = context
        if left:
            left -= 1
            memory.fill(0, 60)
            packet = adapter.allocate_packet(packets)[1]
            buffer = adapter.allocate_buffer(buffers, memory, 60)[1]
            adapter.chain_buffer_at_back(packet, buffer)
            packet.status = s.NDIS_STATUS_RESOURCES
            adapter.indicate_receive_packet([packet])
            adapter.free_buffer(buffer)
            adapter.free_packet(packet)

    world = live(bare(initialize))
    assert left == 0 and len(world.ndis.protocol.received_frames) == 3 * QUIET_PERIODS


def test_the_timer_of_one_adapter_waits_until_the_others_are_initialized(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        adapter.set_timer(adapter.initialize_timer(log.function), 1)
        if adapter.number == 1:
            adapter.sleep(3000)
            adapter.sleep(5000)

    world = live(bare(initialize), adapters=2)
    assert broken(world) == [] and len(log.calls) == 2


# Cancelling


def test_cancelling_says_true_while_the_timer_is_queued_and_false_before_and_after(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        timer = adapter.initialize_timer(log.function)
        log.said.append(adapter.cancel_timer(timer))
        adapter.set_timer(timer, 5)
        log.said.append(adapter.cancel_timer(timer))
        log.said.append(adapter.cancel_timer(timer))
        adapter.set_timer(timer, 1)
        adapter.sleep(5000)
        log.said.append(adapter.cancel_timer(timer))

    assert broken(live(bare(initialize))) == []
    assert log.said == [False, True, False, False] and len(log.calls) == 1


@pytest.mark.parametrize("set_it", ["set_timer", "set_periodic_timer"])
def test_cancelling_between_expiry_and_call_says_false_and_the_call_comes(live: Any, bare: Any, broken: Any, set_it: str) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        lock = adapter.allocate_spin_lock()
        timer = adapter.initialize_timer(log.function)
        getattr(adapter, set_it)(timer, 1)
        adapter.acquire_spin_lock(lock)
        adapter.stall_execution(1500)
        log.said.append(adapter.cancel_timer(timer))
        assert log.calls == []
        adapter.release_spin_lock(lock)
        assert len(log.calls) == 1
        adapter.free_spin_lock(lock)

    assert broken(live(bare(initialize))) == []
    assert log.said == [False] and len(log.calls) == 1


def test_a_periodic_function_may_cancel_its_own_timer(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def once(adapter: Any, context: Any) -> None:
        log.function(adapter, context)
        log.said.append(adapter.cancel_timer(log.timer))

    def initialize(adapter: Any) -> None:
        log.timer = adapter.initialize_timer(once)
        adapter.set_periodic_timer(log.timer, 3)

    assert broken(live(bare(initialize))) == []
    assert log.times == [3 * MS] and log.said == [True]


def test_the_older_form_cancels_too(live: Any, bare: Any, broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        timer = adapter.ndis_initialize_timer(log.function)
        adapter.ndis_set_timer(timer, 3)
        log.said.append(adapter.ndis_cancel_timer(timer))

    assert broken(live(bare(initialize))) == []
    assert log.said == [True] and log.calls == []


# The end


@pytest.mark.breaks("halt-undo-all", "timer-all-cancelled-halt")
def test_a_timer_that_is_queued_when_halt_returns_is_a_leak_and_never_calls(live: Any, bare: Any, broken: Any, all_broken: Any) -> None:
    log = Log()
    initialize = periodic(log, 1)
    world = live(bare(initialize))
    before = len(log.calls)
    assert before == QUIET_PERIODS
    assert broken(world) == ["halt-undo-all"]
    assert all_broken(world) == ["halt-undo-all", "timer-all-cancelled-halt"]
    [finding] = world.machine.findings.errors
    assert finding.message == "timer #1 of NdisMSetPeriodicTimer is still held after halt"
    assert set(finding.also) == {"timer-all-cancelled-halt", "halt-cancel-timers"}
    assert finding.where is not None and Path(finding.where[0].co_filename) == Path(__file__)
    assert line_of(finding.where) == initialize.__code__.co_firstlineno + 2
    [late] = finding.consequences
    assert late.where is not None and line_of(late.where) == line_of(finding.where)
    assert late.times == 1


@pytest.mark.breaks("init-fail-release-all", "timer-all-cancelled-halt")
def test_a_timer_that_a_failing_initialize_leaves_is_a_leak_and_never_calls(live: Any, bare: Any, all_broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> int:
        adapter.set_timer(adapter.initialize_timer(log.function), 1)
        status: int = adapter.allocate_memory_with_tag(16, "Test")[0]
        return status

    world = live(bare(initialize), faults=("NdisAllocateMemoryWithTag#1",))
    assert all_broken(world) == ["init-fail-release-all", "timer-all-cancelled-halt"]
    assert log.calls == []


@pytest.mark.breaks("timer-all-cancelled-halt", "timer-cancel-false-wait")
def test_a_call_that_halt_did_not_wait_for_is_a_leak_and_never_comes(live: Any, bare: Any, all_broken: Any) -> None:
    log = Log()

    def initialize(adapter: Any) -> None:
        log.timer = adapter.initialize_timer(log.function)

    def halt(adapter: Any) -> None:
        before = adapter._ndis.scheduler.raise_irql(DISPATCH_LEVEL)
        for processor in adapter._ndis.scheduler.processors:
            processor.irql = DISPATCH_LEVEL  # nobody is free to run the call
        adapter.set_timer(log.timer, 1)
        adapter.stall_execution(1500)
        log.said.append(adapter.cancel_timer(log.timer))
        for processor in adapter._ndis.scheduler.processors:
            processor.irql = before

    world = live(bare(initialize, halt=halt))
    assert all_broken(world) == ["timer-cancel-false-wait", "timer-all-cancelled-halt"]
    assert log.said == [False] and log.calls == []


@pytest.mark.keeps("timer-all-cancelled-halt")
@pytest.mark.parametrize("life", ["power-off", "bug-check"])
@pytest.mark.parametrize("adapters", [1, 2])
def test_shutdown_may_leave_timers(live: Any, bare: Any, broken: Any, life: str, adapters: int) -> None:
    log = Log()
    world = live(bare(periodic(log, 1), shutdown=lambda adapter: log.said.append(True)), life=life, adapters=adapters)
    assert broken(world) == []
    assert len(log.said) == adapters


def gone(adapter: Any, packet: Any, flags: int) -> int:
    return s.NDIS_STATUS_FAILURE


def test_surprise_removal_needs_the_timers_cancelled(live: Any, bare: Any, broken: Any) -> None:
    log = Log()
    clean: type[Miniport] = bare(periodic(log), send=gone, halt=lambda adapter: log.said.append(adapter.cancel_timer(log.timer)))
    assert broken(live(clean, life="surprise")) == [] and log.said == [True]
    assert broken(live(bare(periodic(Log()), send=gone), life="surprise")) == ["halt-undo-all"]
