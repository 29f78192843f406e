# SPDX-License-Identifier: Apache-2.0
"""Registration of the interrupt, the way from the line to the deferred call, synchronization, sleep and stall."""

from __future__ import annotations

from typing import Any

import pytest

from hw.clock import US
from hw.machine import VECTOR
from hw.processor import DISPATCH_LEVEL, PASSIVE_LEVEL, STORM_LIMIT
from miniport import status as s
from miniport.library.interrupts import LONGEST_SLEEP_US, LONGEST_STALL_US

LEVEL = s.NDIS_INTERRUPT_LEVEL_SENSITIVE


def register(adapter: Any, *, vector: int = VECTOR, request_isr: bool = True, shared: bool = True) -> Any:
    return adapter.register_interrupt(vector, adapter.nic.interrupt_line.irql, request_isr, shared, LEVEL)


def pull(adapter: Any, other: str | None = None) -> None:
    """The card, or another device on its line, interrupts."""
    adapter._ndis.scheduler.assert_line(adapter.nic.interrupt_line, other or adapter.nic.name)


def let_go(adapter: Any, other: str | None = None) -> None:
    adapter._ndis.scheduler.deassert_line(adapter.nic.interrupt_line, other or adapter.nic.name)


def irql(adapter: Any) -> int:
    level: int = adapter._ndis.scheduler.current.irql
    return level


def quiet_isr(adapter: Any) -> tuple[bool, bool]:
    let_go(adapter)
    return True, True


# Registration


@pytest.mark.parametrize("vector, status", [(VECTOR - 1, s.NDIS_STATUS_RESOURCE_CONFLICT), (VECTOR, s.NDIS_STATUS_SUCCESS),
                                            (VECTOR + 1, s.NDIS_STATUS_RESOURCE_CONFLICT)])
def test_only_the_vector_of_the_card_is_given(live: Any, bare: Any, broken: Any, vector: int, status: int) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        got.append(register(adapter, vector=vector))
        if got[0][0] == s.NDIS_STATUS_SUCCESS:
            adapter.deregister_interrupt(got[0][1])

    world = live(bare(initialize))
    assert got[0][0] == status and (got[0][1] is None) == (status != s.NDIS_STATUS_SUCCESS)
    assert broken(world) == []


def test_a_second_registration_is_refused(live: Any, bare: Any, broken: Any) -> None:
    got = []

    def initialize(adapter: Any) -> None:
        _, interrupt = register(adapter)
        got.append(register(adapter))
        adapter.deregister_interrupt(interrupt)

    assert broken(live(bare(initialize))) == []
    assert got == [(s.NDIS_STATUS_RESOURCE_CONFLICT, None)]


@pytest.mark.breaks("attr5-first")
def test_the_attributes_come_before_the_interrupt(live: Any, bare: Any, broken: Any) -> None:
    assert "attr5-first" in broken(live(bare(
        lambda adapter: adapter.deregister_interrupt(register(adapter)[1]), attributes=None)))


@pytest.mark.breaks("int-shared-needs-isr")
@pytest.mark.keeps("int-shared-needs-isr")
@pytest.mark.parametrize("request_isr, shared, rules", [(True, True, []), (True, False, []), (False, False, []),
                                                        (False, True, ["int-shared-needs-isr"])])
def test_a_shared_interrupt_needs_its_isr(live: Any, bare: Any, broken: Any, request_isr: bool, shared: bool,
                                          rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        adapter.deregister_interrupt(register(adapter, request_isr=request_isr, shared=shared)[1])

    assert broken(live(bare(initialize))) == rules


def test_an_interrupt_that_stays_registered_is_a_leak(live: Any, bare: Any, broken: Any) -> None:
    world = live(bare(lambda adapter: register(adapter) and None))
    assert broken(world) == ["halt-undo-all"]


@pytest.mark.breaks("int-deregister-where")
@pytest.mark.keeps("int-deregister-where")
@pytest.mark.parametrize("times, rules", [(1, []), (2, ["int-deregister-where"])])
def test_an_interrupt_is_deregistered_once(live: Any, bare: Any, broken: Any, times: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        _, interrupt = register(adapter)
        for _ in range(times):
            adapter.deregister_interrupt(interrupt)

    assert broken(live(bare(initialize))) == rules


@pytest.mark.breaks("int-deregister-where", "int-no-sync-after")
def test_none_is_no_interrupt(live: Any, bare: Any, all_broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter.deregister_interrupt(None)
        assert adapter.synchronize_with_interrupt(None, lambda context: True, None) is False

    assert sorted(all_broken(live(bare(initialize)))) == ["int-deregister-where", "int-no-sync-after"]


@pytest.mark.breaks("int-deregister-disable-first")
@pytest.mark.keeps("int-deregister-disable-first")
@pytest.mark.parametrize("mask, rules", [(0, []), (1, ["int-deregister-disable-first"])])
def test_the_card_is_masked_before_the_interrupt_goes(live: Any, bare: Any, broken: Any, mask: int, rules: list[str]) -> None:
    def initialize(adapter: Any) -> None:
        _, resources = adapter.query_adapter_resources()
        memory = next(r for r in resources if r.kind == "memory")
        _, window = adapter.map_io_space(memory.start, memory.length)
        _, interrupt = register(adapter)
        adapter.write_register_ulong(window, 0x10, 1)
        adapter.write_register_ulong(window, 0x10, mask)
        adapter.deregister_interrupt(interrupt)
        adapter.unmap_io_space(window, memory.length)

    assert broken(live(bare(initialize))) == rules


# Delivery


def test_the_isr_may_run_before_the_registration_returns_and_queues_nothing_in_initialize(live: Any, bare: Any,
                                                                                          broken: Any) -> None:
    seen: list[str] = []

    def isr(adapter: Any) -> tuple[bool, bool]:
        seen.append("isr")
        assert irql(adapter) == adapter.nic.interrupt_line.irql
        return quiet_isr(adapter)

    def initialize(adapter: Any) -> None:
        pull(adapter)
        _, interrupt = register(adapter)
        for _ in range(20):
            adapter.get_version()
        seen.append("registered")
        adapter.deregister_interrupt(interrupt)

    def dpc(adapter: Any) -> None:
        seen.append("dpc")

    world = live(bare(initialize, isr=isr, handle_interrupt=dpc))
    assert seen == ["isr", "registered"] and broken(world) == []


@pytest.mark.keeps("int-isr-quiet")
def test_an_interrupt_during_initialize_queues_no_call_for_later_either(live: Any, bare: Any, broken: Any) -> None:
    kept = []

    def initialize(adapter: Any) -> None:
        kept.append(register(adapter)[1])
        pull(adapter)
        for _ in range(20):
            adapter.get_version()

    world = live(bare(initialize, isr=quiet_isr, handle_interrupt=lambda a: None, halt=lambda a: a.deregister_interrupt(kept[0])))
    assert broken(world) == [] and world.ndis.calls["isr"] == 1 and "handle_interrupt" not in world.ndis.calls


@pytest.mark.parametrize("answer, calls", [((True, True), 1), ((True, False), 0)])
def test_the_second_answer_of_the_isr_queues_the_deferred_call(live: Any, bare: Any, answer: tuple[bool, bool],
                                                               calls: int) -> None:
    seen = []
    kept = []

    def isr(adapter: Any) -> tuple[bool, bool]:
        let_go(adapter)
        return answer

    def dpc(adapter: Any) -> None:
        seen.append(irql(adapter))

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid == s.OID_GEN_LINK_SPEED:
            pull(adapter)
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    world = live(bare(lambda a: kept.append(register(a)[1]), isr=isr, handle_interrupt=dpc, query_information=query,
                      halt=lambda a: a.deregister_interrupt(kept[0])))
    assert seen == [DISPATCH_LEVEL] * calls and world.ndis.calls.get("isr") == 1
    assert world.machine.findings.errors == []


def test_without_request_isr_ndis_masks_through_the_miniport_and_calls_it_deferred(live: Any, bare: Any, broken: Any) -> None:
    seen = []
    kept = []

    def disable(adapter: Any) -> None:
        seen.append(("disable", irql(adapter) == adapter.nic.interrupt_line.irql))
        let_go(adapter)

    def query(adapter: Any, oid: int, length: int) -> tuple[int, bytes, int]:
        if oid == s.OID_GEN_LINK_SPEED:
            pull(adapter)
        return s.NDIS_STATUS_NOT_SUPPORTED, b"", 0

    world = live(bare(
        lambda a: kept.append(register(a, request_isr=False, shared=False)[1]), disable_interrupt=disable, query_information=query,
        handle_interrupt=lambda a: seen.append(("handle", irql(a) == DISPATCH_LEVEL)),
        enable_interrupt=lambda a: seen.append(("enable", irql(a) == DISPATCH_LEVEL)),
        halt=lambda a: a.deregister_interrupt(kept[0])))
    assert seen == [("disable", True), ("handle", True), ("enable", True)] and broken(world) == []


@pytest.mark.breaks("int-isr-false-if-not-ours")
def test_an_isr_that_claims_an_interrupt_of_another_device_is_a_finding(live: Any, bare: Any, broken: Any) -> None:
    kept = []

    def isr(adapter: Any) -> tuple[bool, bool]:
        let_go(adapter, "other")
        return True, False

    def initialize(adapter: Any) -> None:
        kept.append(register(adapter)[1])
        pull(adapter, "other")
        for _ in range(20):
            adapter.get_version()

    world = live(bare(initialize, isr=isr, halt=lambda a: a.deregister_interrupt(kept[0])))
    assert broken(world) == ["int-isr-false-if-not-ours"]


@pytest.mark.keeps("int-isr-false-if-not-ours")
def test_an_isr_that_says_no_lets_the_next_one_on_the_line_serve(live: Any, bare: Any, broken: Any) -> None:
    kept = []
    served = []

    def initialize(adapter: Any) -> None:
        kept.append(register(adapter)[1])

        def other() -> bool:
            served.append(1)
            let_go(adapter, "other")
            return True

        adapter.nic.interrupt_line.services.append(other)
        pull(adapter, "other")
        for _ in range(20):
            adapter.get_version()
        adapter.nic.interrupt_line.services.remove(other)

    world = live(bare(initialize, isr=lambda a: (False, False), halt=lambda a: a.deregister_interrupt(kept[0])))
    assert broken(world) == [] and served == [1] and world.ndis.calls["isr"] == 1


@pytest.mark.breaks("int-isr-quiet")
def test_an_isr_that_leaves_the_line_asserted_is_a_storm(live: Any, bare: Any, broken: Any) -> None:
    kept = []

    def initialize(adapter: Any) -> None:
        kept.append(register(adapter)[1])
        pull(adapter)
        for _ in range(20):
            adapter.get_version()

    world = live(bare(initialize, isr=lambda a: (True, True), halt=lambda a: a.deregister_interrupt(kept[0])))
    assert broken(world) == ["int-isr-quiet"]
    assert world.ndis.calls["isr"] == STORM_LIMIT


@pytest.mark.parametrize("seed", range(8))
def test_the_reference_miniport_meets_an_interrupt_at_each_of_its_accesses(live: Any, hooked: Any, broken: Any, seed: int) -> None:
    world = live(hooked(), frames=12, seed=seed, processors=1 + seed % 3)
    assert broken(world) == [] and world.received == 12


def test_no_deferred_call_comes_after_the_interrupt_was_deregistered(live: Any, hooked: Any) -> None:
    seen = []

    def halted(adapter: Any) -> None:
        seen.append("halt")

    def handled(adapter: Any) -> None:
        seen.append("handle")

    live(hooked(halt=halted, handle_interrupt=handled), frames=6)
    assert "handle" in seen and seen[-1] == "halt"


# Synchronization


@pytest.mark.keeps("int-no-sync-after")
def test_the_synchronized_function_runs_at_device_level_and_its_answer_comes_back(live: Any, bare: Any, broken: Any) -> None:
    seen = []

    def initialize(adapter: Any) -> None:
        _, interrupt = register(adapter)

        def function(context: object) -> bool:
            seen.append((context, irql(adapter) == adapter.nic.interrupt_line.irql))
            return context == "yes"

        assert adapter.synchronize_with_interrupt(interrupt, function, "yes") is True
        assert adapter.synchronize_with_interrupt(interrupt, function, "no") is False
        assert irql(adapter) == PASSIVE_LEVEL
        adapter.deregister_interrupt(interrupt)

    assert broken(live(bare(initialize))) == []
    assert seen == [("yes", True), ("no", True)]


def test_the_isr_waits_while_the_synchronized_function_runs(live: Any, bare: Any, broken: Any) -> None:
    seen = []

    def isr(adapter: Any) -> tuple[bool, bool]:
        seen.append("isr")
        return quiet_isr(adapter)

    def initialize(adapter: Any) -> None:
        _, interrupt = register(adapter)

        def function(context: object) -> None:
            pull(adapter)
            for _ in range(20):
                adapter.get_version()
            seen.append("end of function")

        adapter.synchronize_with_interrupt(interrupt, function, None)
        for _ in range(20):
            adapter.get_version()
        adapter.deregister_interrupt(interrupt)

    assert broken(live(bare(initialize, isr=isr))) == []
    assert seen == ["end of function", "isr"]


@pytest.mark.breaks("int-no-sync-after")
def test_nothing_is_synchronized_after_the_interrupt_was_deregistered(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, interrupt = register(adapter)
        adapter.deregister_interrupt(interrupt)
        adapter.synchronize_with_interrupt(interrupt, lambda context: True, None)

    assert broken(live(bare(initialize))) == ["int-no-sync-after"]


@pytest.mark.breaks("int-isr-any-irql-only")
def test_a_lock_in_the_synchronized_function_is_a_finding(live: Any, bare: Any, all_broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        _, interrupt = register(adapter)
        lock = adapter.allocate_spin_lock()

        def function(context: object) -> None:
            adapter.acquire_spin_lock(lock)
            adapter.release_spin_lock(lock)

        adapter.synchronize_with_interrupt(interrupt, function, None)
        adapter.free_spin_lock(lock)
        adapter.deregister_interrupt(interrupt)

    assert "int-isr-any-irql-only" in all_broken(live(bare(initialize)))


# Time


@pytest.mark.breaks("sleep-below-dispatch")
@pytest.mark.keeps("sleep-below-dispatch")
@pytest.mark.parametrize("microseconds, rules", [(0, []), (LONGEST_SLEEP_US, []), (LONGEST_SLEEP_US + 1, ["sleep-below-dispatch"]),
                                                 (-1, ["sleep-below-dispatch"])])
def test_a_sleep_lasts_what_it_says_and_at_most_30_seconds(live: Any, bare: Any, broken: Any, microseconds: int,
                                                           rules: list[str]) -> None:
    times = []

    def initialize(adapter: Any) -> None:
        before = adapter._ndis.clock.now
        adapter.sleep(microseconds)
        times.append(adapter._ndis.clock.now - before)

    assert broken(live(bare(initialize))) == rules
    assert times == [(microseconds if not rules else LONGEST_SLEEP_US) * US]


@pytest.mark.parametrize("after, when", [(0, 0), (400, 400), (999, 999), (1000, 1000)])
def test_an_interrupt_during_a_sleep_is_taken_when_it_comes(live: Any, bare: Any, broken: Any, after: int, when: int) -> None:
    """Whatever the seed: the processors have nothing else to do, and the sleep is not over before the ISR was."""
    times: list[int] = []

    def isr(adapter: Any) -> tuple[bool, bool]:
        times.append((adapter._ndis.clock.now - times[0]) // US)
        return quiet_isr(adapter)

    def initialize(adapter: Any) -> None:
        _, interrupt = register(adapter, shared=False)
        times.append(adapter._ndis.clock.now)
        adapter._ndis.clock.at(after * US, lambda: pull(adapter))
        adapter.sleep(1000)
        assert times[1:] == [when]
        adapter.deregister_interrupt(interrupt)

    for seed in range(1, 9):
        times.clear()
        assert broken(live(bare(initialize, isr=isr), seed=seed)) == []


def test_a_periodic_timer_fires_in_its_turn_during_a_sleep(live: Any, bare: Any, broken: Any) -> None:
    times: list[int] = []

    def initialize(adapter: Any) -> None:
        timer = adapter.initialize_timer(lambda adapter, context: times.append(adapter._ndis.clock.now))
        begun = adapter._ndis.clock.now
        adapter.set_periodic_timer(timer, 5)
        adapter.sleep(21_000)
        assert [(time - begun) // US for time in times] == [5000, 10_000, 15_000, 20_000]
        adapter.cancel_timer(timer)

    assert broken(live(bare(initialize))) == []


@pytest.mark.breaks("stall-50us")
@pytest.mark.keeps("stall-50us")
@pytest.mark.parametrize("microseconds, handler, told_of", [
    (LONGEST_STALL_US, "send", False), (LONGEST_STALL_US + 1, "send", True), (LONGEST_STALL_US + 1, "initialize", False),
    (LONGEST_STALL_US + 1, "halt", False)])
def test_a_long_stall_is_told_outside_initialize_and_halt(live: Any, hooked: Any, microseconds: int, handler: str,
                                                          told_of: bool) -> None:
    world = live(hooked(**{handler: lambda adapter: adapter.stall_execution(microseconds)}), frames=1)
    findings = world.machine.findings
    assert ("stall-50us" in [f.rule.id for f in (*findings.errors, *findings.notices)]) == told_of


@pytest.mark.breaks("time-limit")
def test_a_handler_that_waits_for_ever_hangs_with_a_finding(live: Any, bare: Any, broken: Any) -> None:
    def initialize(adapter: Any) -> None:
        while True:
            adapter.stall_execution(1000)

    world = live(bare(initialize))
    assert world.outcome == "hang" and broken(world) == ["time-limit"]


@pytest.mark.breaks("miniport-exception")
def test_an_exception_in_a_handler_is_a_crash_with_a_finding(live: Any, bare: Any, broken: Any, told: Any) -> None:
    def initialize(adapter: Any) -> None:
        raise ZeroDivisionError("by hand")

    world = live(bare(initialize))
    assert world.outcome == "crash" and broken(world) == ["miniport-exception"]
    assert told(world, "miniport-exception") == "initialize raised ZeroDivisionError: by hand"


@pytest.mark.breaks("irql-restored")
def test_a_handler_returns_at_the_irql_at_which_it_was_called(live: Any, bare: Any, broken: Any, told: Any) -> None:
    def initialize(adapter: Any) -> None:
        adapter._ndis.scheduler.raise_irql(DISPATCH_LEVEL)

    world = live(bare(initialize))
    assert broken(world) == ["irql-restored"]
    assert told(world, "irql-restored") == "initialize was called at PASSIVE_LEVEL and returned at DISPATCH_LEVEL"
