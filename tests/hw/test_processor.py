# SPDX-License-Identifier: Apache-2.0
"""The scheduler: who is interrupted, when, on which processor, and in the same order for the same seed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hw.clock import Clock
from hw.processor import (
    DISPATCH_LEVEL,
    HIGH_LEVEL,
    LONGEST_WAIT,
    PASSIVE_LEVEL,
    STORM_LIMIT,
    Line,
    Random,
    Scheduler,
    irql_name,
)
from verifier.events import EventRecord

LEVEL = 9


class Bench:
    """Processors, one line, and a device "a" on it whose service routine lets go of the line."""

    def __init__(self, seed: int = 1, processors: int = 2) -> None:
        self.clock, self.events = Clock(), EventRecord()
        self.scheduler = Scheduler(processors, self.clock, self.events, Random(seed))
        self.line = self.scheduler.line(11, LEVEL)
        self.seen: list[tuple[str, int, int]] = []
        self.in_service: list[Callable[[], None]] = []

    def note(self, what: str) -> None:
        current = self.scheduler.current
        self.seen.append((what, current.number, current.irql))

    def connect(self, device: str = "a", line: Line | None = None) -> None:
        line = line or self.line

        def service() -> bool:
            self.note(f"isr {device}")
            mine = device in line.asserting
            if mine:
                self.scheduler.deassert_line(line, device)
            for action in self.in_service:
                action()
            return mine

        line.services.append(service)

    def pull(self, device: str = "a", line: Line | None = None) -> None:
        self.scheduler.assert_line(line or self.line, device)

    def what(self) -> list[str]:
        return [what for what, _, _ in self.seen]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def history(seed: int) -> list[tuple[str, int, int]]:
    """Interrupts and deferred calls at twenty points, as one seed orders them."""
    bench = Bench(seed)
    bench.connect()
    bench.in_service.append(lambda: bench.scheduler.queue_dpc(deferred))

    def deferred() -> None:
        bench.note("dpc")
        bench.scheduler.point()

    for number in range(20):
        bench.pull()
        bench.note(f"point {number}")
        bench.scheduler.point()
    return bench.seen


# Random numbers


def test_the_generator_is_the_same_on_every_python() -> None:
    rng = Random(1)
    assert [rng.below(100) for _ in range(8)] == _eight()


def _eight() -> list[int]:
    """The generator written out: a 64-bit linear congruence of Knuth's constants, its middle bits."""
    state = (1 * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) % 2**64
    numbers = []
    for _ in range(8):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        numbers.append(state // 2**24 % 100)
    return numbers


@pytest.mark.parametrize("n", [1, 2, 3, 4, 64])
def test_a_number_below_n_is_one_of_n_and_each_comes(n: int) -> None:
    rng = Random(7)
    assert {rng.below(n) for _ in range(40 * n)} == set(range(n))


# Order


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_same_seed_gives_the_same_order(seed: int) -> None:
    assert history(seed) == history(seed)


def test_other_seeds_give_other_orders() -> None:
    assert len({tuple(history(seed)) for seed in range(1, 21)}) > 10


def test_over_seeds_1_to_50_both_processors_serve_and_both_run_deferred_calls() -> None:
    seen = [row for seed in range(1, 51) for row in history(seed)]
    for what in ("isr a", "dpc"):
        assert {number for name, number, _ in seen if name == what} == {0, 1}


def test_with_one_processor_that_one_serves() -> None:
    for seed in range(1, 21):
        bench = Bench(seed, processors=1)
        bench.connect()
        bench.pull()
        bench.scheduler.point(now=True)
        assert bench.seen == [("isr a", 0, LEVEL)]


# Waiting


def points_until_served(seed: int) -> int:
    bench = Bench(seed)
    bench.connect()
    bench.pull()
    points = 0
    while not bench.seen:
        bench.scheduler.point()
        points += 1
    return points


def test_an_interrupt_is_mostly_taken_at_once_and_sometimes_later() -> None:
    waits = [points_until_served(seed) - 1 for seed in range(1, 401)]
    assert waits.count(0) > 200
    assert len(set(waits)) >= 3
    assert max(waits) <= LONGEST_WAIT


def test_an_interrupt_waits_at_most_the_longest_wait() -> None:
    bench = Bench()
    bench.connect()
    bench.pull()
    bench.scheduler._rng = Always(0)
    for _ in range(LONGEST_WAIT):
        bench.scheduler.point()
        assert bench.seen == []
        assert bench.scheduler.attention
    bench.scheduler.point()
    assert bench.what() == ["isr a"]
    assert not bench.scheduler.attention


def test_another_device_on_the_line_does_not_make_the_first_wait_anew() -> None:
    bench = Bench()
    bench.connect("a")
    bench.scheduler._rng = Always(0)
    bench.pull("a")
    for number in range(LONGEST_WAIT):
        bench.scheduler.point()
        bench.pull(f"other {number}")
        assert bench.seen == []
    bench.connect("late")
    bench.in_service.append(bench.line.asserting.clear)
    bench.scheduler.point()
    assert bench.what()[0] == "isr a"


class Always(Random):
    """Always the same number, or the largest below n."""

    def __init__(self, number: int) -> None:
        super().__init__(0)
        self.number = number

    __slots__ = ("number",)

    def below(self, n: int) -> int:
        return min(self.number, n - 1)


def test_a_device_that_lets_go_before_it_is_served_is_not_served(bench: Bench) -> None:
    bench.connect()
    bench.pull()
    bench.scheduler.deassert_line(bench.line, "a")
    bench.scheduler.point(now=True)
    assert bench.seen == []
    assert not bench.scheduler.attention


def test_a_line_that_nobody_serves_waits_without_a_word(bench: Bench) -> None:
    bench.pull()
    bench.scheduler.point(now=True)
    assert not bench.scheduler.attention
    bench.connect()
    bench.scheduler.attention = True
    bench.scheduler.point(now=True)
    assert bench.what() == ["isr a"]


# Levels


@pytest.mark.parametrize("irql, taken", [(PASSIVE_LEVEL, True), (DISPATCH_LEVEL, True), (LEVEL - 1, True), (LEVEL, False),
                                         (LEVEL + 1, False), (HIGH_LEVEL, False)])
def test_an_interrupt_is_taken_below_its_level_only(irql: int, taken: bool) -> None:
    bench = Bench(processors=1)
    bench.connect()
    bench.scheduler.raise_irql(irql)
    bench.pull()
    bench.scheduler.point(now=True)
    assert (bench.seen == [("isr a", 0, LEVEL)]) is taken
    assert bench.scheduler.attention is not taken


@pytest.mark.parametrize("seed", range(1, 11))
def test_a_processor_at_device_level_leaves_the_interrupt_to_the_other(seed: int) -> None:
    bench = Bench(seed)
    bench.connect()
    bench.scheduler.raise_irql(LEVEL)
    bench.pull()
    bench.scheduler.point(now=True)
    assert bench.seen == [("isr a", 1, LEVEL)]
    assert bench.scheduler.current.number == 0
    assert [p.irql for p in bench.scheduler.processors] == [LEVEL, PASSIVE_LEVEL]


def test_lowering_the_level_delivers_what_waited() -> None:
    bench = Bench(processors=1)
    bench.scheduler._rng = Always(1)
    bench.connect()
    before = bench.scheduler.raise_irql(LEVEL)
    bench.pull()
    bench.scheduler.point()
    assert bench.seen == []
    bench.scheduler.lower_irql(before)
    assert bench.seen == [("isr a", 0, LEVEL)]
    assert bench.scheduler.current.irql == PASSIVE_LEVEL


def test_a_higher_level_interrupts_a_service_routine_and_a_lower_one_does_not() -> None:
    for other_level, order in ((LEVEL + 1, ["isr a", "isr b", "end a"]), (LEVEL, ["isr a", "end a", "isr b"]),
                               (LEVEL - 1, ["isr a", "end a", "isr b"])):
        bench = Bench(processors=1)
        other = bench.scheduler.line(12, other_level)
        bench.connect("b", other)

        def first(bench: Bench = bench, other: Line = other) -> bool:
            bench.note("isr a")
            bench.scheduler.deassert_line(bench.line, "a")
            bench.pull("b", other)
            bench.scheduler.point(now=True)
            bench.note("end a")
            return True

        bench.line.services.append(first)
        bench.pull()
        bench.scheduler.point(now=True)
        bench.scheduler.point(now=True)
        assert bench.what() == order
        assert bench.scheduler.current.irql == PASSIVE_LEVEL


def test_an_interrupt_that_comes_back_while_it_is_served_is_served_again_and_not_nested() -> None:
    bench = Bench(processors=2)
    again = iter([True])

    def service() -> bool:
        bench.note("begin")
        bench.scheduler.deassert_line(bench.line, "a")
        if next(again, False):
            bench.pull()
        bench.scheduler.point(now=True)
        bench.note("end")
        return True

    bench.line.services.append(service)
    bench.pull()
    bench.scheduler.point(now=True)
    assert bench.what() == ["begin", "end"] * 2


# Sharing and storms


def test_on_a_shared_line_service_routines_are_asked_in_order_up_to_the_first_that_says_mine(bench: Bench) -> None:
    for device in "abc":
        bench.connect(device)
    bench.pull("b")
    bench.scheduler.point(now=True)
    assert bench.what() == ["isr a", "isr b"]


def test_a_shared_line_is_served_until_all_devices_let_go(bench: Bench) -> None:
    for device in "ab":
        bench.connect(device)
    bench.pull("a")
    bench.pull("b")
    bench.scheduler.point(now=True)
    assert bench.what() == ["isr a", "isr a", "isr b"]
    assert bench.line.asserting == set()


@pytest.mark.parametrize("calls, storms", [(STORM_LIMIT - 1, 0), (STORM_LIMIT, 0), (STORM_LIMIT + 1, 1), (STORM_LIMIT + 2, 1)])
def test_a_line_that_stays_pulled_is_a_storm_beyond_the_limit(bench: Bench, calls: int, storms: int) -> None:
    told: list[Line] = []
    bench.line.on_storm = told.append
    served = 0

    def service() -> bool:
        nonlocal served
        served += 1
        if served == calls:
            bench.scheduler.deassert_line(bench.line, "a")
        return True

    bench.line.services.append(service)
    bench.pull()
    bench.scheduler.point(now=True)
    assert len(told) == storms
    assert served == min(calls, STORM_LIMIT)
    assert not bench.scheduler.attention


def test_a_storm_of_routines_that_all_say_no_ends_as_well(bench: Bench) -> None:
    told: list[Line] = []
    bench.line.on_storm = told.append
    bench.line.services.append(lambda: False)
    bench.pull("stranger")
    bench.scheduler.point(now=True)
    assert told == [bench.line]
    assert bench.scheduler.current.irql == PASSIVE_LEVEL


def test_a_service_routine_that_raises_leaves_the_processor_as_it_was(bench: Bench) -> None:
    def service() -> bool:
        raise KeyError("bug")

    bench.line.services.append(service)
    bench.pull()
    bench.scheduler.current = bench.scheduler.processors[1]
    with pytest.raises(KeyError):
        bench.scheduler.point(now=True)
    assert bench.scheduler.current.number == 1
    assert [p.irql for p in bench.scheduler.processors] == [PASSIVE_LEVEL, PASSIVE_LEVEL]


# Deferred calls


def test_a_deferred_call_runs_at_dispatch_level_at_the_next_point(bench: Bench) -> None:
    bench.scheduler.queue_dpc(lambda: bench.note("dpc"))
    assert bench.seen == []
    assert bench.scheduler.attention
    bench.scheduler.point()
    assert bench.seen == [("dpc", 0, DISPATCH_LEVEL)]
    assert bench.scheduler.current.irql == PASSIVE_LEVEL
    assert not bench.scheduler.attention


@pytest.mark.parametrize("irql, runs", [(PASSIVE_LEVEL, True), (DISPATCH_LEVEL - 1, True), (DISPATCH_LEVEL, False),
                                        (DISPATCH_LEVEL + 1, False)])
def test_a_deferred_call_waits_until_its_processor_is_below_dispatch_level(bench: Bench, irql: int, runs: bool) -> None:
    bench.scheduler.queue_dpc(lambda: bench.note("dpc"))
    bench.scheduler.raise_irql(irql)
    bench.scheduler.point()
    assert (bench.what() == ["dpc"]) is runs
    bench.scheduler.lower_irql(PASSIVE_LEVEL)
    assert bench.what() == ["dpc"]


def test_a_deferred_call_runs_on_the_processor_that_queued_it(bench: Bench) -> None:
    bench.scheduler.current = bench.scheduler.processors[1]
    bench.scheduler.queue_dpc(lambda: bench.note("dpc"))
    bench.scheduler.current = bench.scheduler.processors[0]
    bench.scheduler.point()
    assert bench.seen == [("dpc", 1, DISPATCH_LEVEL)]
    assert bench.scheduler.current.number == 0


def test_no_deferred_call_begins_while_a_spin_lock_is_held(bench: Bench) -> None:
    bench.scheduler.queue_dpc(lambda: bench.note("dpc"))
    bench.scheduler.locks = 1
    bench.scheduler.point(now=True)
    assert bench.seen == []
    assert bench.scheduler.attention
    bench.scheduler.locks = 0
    bench.scheduler.point()
    assert bench.what() == ["dpc"]


def test_a_deferred_call_that_leaves_a_lock_held_keeps_the_next_one_waiting(bench: Bench) -> None:
    def first() -> None:
        bench.note("first")
        bench.scheduler.locks += 1

    bench.scheduler.queue_dpc(first)
    bench.scheduler.queue_dpc(lambda: bench.note("second"))
    bench.scheduler.point()
    assert bench.what() == ["first"]
    assert bench.scheduler.attention


def test_interrupts_are_taken_while_a_spin_lock_is_held(bench: Bench) -> None:
    bench.connect()
    bench.scheduler.locks = 1
    bench.pull()
    bench.scheduler.point(now=True)
    assert bench.what() == ["isr a"]


def test_deferred_calls_run_in_the_order_in_which_they_were_queued(bench: Bench) -> None:
    for name in "abc":
        bench.scheduler.queue_dpc(lambda name=name: bench.note(name))
    bench.scheduler.point()
    assert bench.what() == ["a", "b", "c"]


def test_a_call_that_waits_on_any_processor_is_not_queued_twice(bench: Bench) -> None:
    def call() -> None:
        bench.note("dpc")

    bench.scheduler.queue_dpc(call)
    bench.scheduler.queue_dpc(call)
    bench.scheduler.current = bench.scheduler.processors[1]
    bench.scheduler.queue_dpc(call)
    assert bench.scheduler.dpc_pending(call)
    bench.scheduler.point()
    assert bench.what() == ["dpc"]
    assert not bench.scheduler.dpc_pending(call)


def test_a_call_may_be_queued_again_while_it_runs(bench: Bench) -> None:
    again = iter([True])

    def call() -> None:
        bench.note("dpc")
        if next(again, False):
            bench.scheduler.queue_dpc(call)

    bench.scheduler.queue_dpc(call)
    bench.scheduler.point()
    assert bench.what() == ["dpc", "dpc"]


def test_a_call_that_was_dropped_does_not_run(bench: Bench) -> None:
    def call() -> None:
        bench.note("dpc")

    bench.scheduler.queue_dpc(call)
    bench.scheduler.drop_dpc(call)
    bench.scheduler.drop_dpc(call)
    bench.scheduler.point(now=True)
    assert bench.seen == []


def test_a_call_queued_on_a_processor_that_was_looked_at_already_is_not_forgotten(bench: Bench) -> None:
    scheduler = bench.scheduler

    def on_the_other() -> None:
        scheduler.locks += 1
        scheduler.current = scheduler.processors[0]
        scheduler.queue_dpc(lambda: bench.note("late"))
        scheduler.current = scheduler.processors[1]
        scheduler.locks -= 1

    scheduler.current = scheduler.processors[1]
    scheduler.queue_dpc(on_the_other)
    scheduler.current = scheduler.processors[0]
    scheduler.point()
    assert scheduler.attention
    scheduler.point()
    assert bench.what() == ["late"]


# Settling and freezing


def test_settling_delivers_everything_and_runs_the_clock_dry(bench: Bench) -> None:
    bench.connect()
    bench.in_service.append(lambda: bench.scheduler.queue_dpc(lambda: bench.note("dpc")))
    bench.clock.at(500, bench.pull)
    bench.scheduler.settle()
    assert bench.what() == ["isr a", "dpc"]
    assert bench.clock.now == 500


@pytest.mark.parametrize("until, ran", [(499, False), (500, True), (501, True)])
def test_settling_stops_before_what_is_due_later(bench: Bench, until: int, ran: bool) -> None:
    bench.clock.at(500, lambda: bench.note("due"))
    bench.scheduler.settle(until)
    assert (bench.what() == ["due"]) is ran


def test_settling_ends_where_something_can_never_be_delivered() -> None:
    bench = Bench(processors=1)
    bench.connect()
    bench.scheduler.raise_irql(HIGH_LEVEL)
    bench.pull()
    bench.scheduler.settle()
    assert bench.seen == []


def test_a_frozen_machine_delivers_nothing(bench: Bench) -> None:
    bench.connect()
    bench.pull()
    bench.scheduler.queue_dpc(lambda: bench.note("dpc"))
    bench.scheduler.frozen = True
    bench.scheduler.point(now=True)
    bench.scheduler.settle()
    bench.scheduler.lower_irql(PASSIVE_LEVEL)
    assert bench.seen == []
    assert not bench.scheduler.attention


# The rest


def test_a_line_is_made_once_per_vector(bench: Bench) -> None:
    assert bench.scheduler.line(11, 5) is bench.line
    assert bench.scheduler.line(12, 5) is not bench.line


def test_pulling_and_letting_go_are_told_once_each(bench: Bench) -> None:
    bench.pull()
    bench.pull()
    bench.scheduler.deassert_line(bench.line, "a")
    bench.scheduler.deassert_line(bench.line, "a")
    assert [(row["device"], row["asserted"]) for row in bench.events.as_dicts()] == [("a", True), ("a", False)]


@pytest.mark.parametrize("irql, name", [(0, "PASSIVE_LEVEL"), (1, "APC_LEVEL"), (2, "DISPATCH_LEVEL"), (3, "DIRQL 3"),
                                        (30, "DIRQL 30"), (31, "HIGH_LEVEL")])
def test_levels_have_their_names(irql: int, name: str) -> None:
    assert irql_name(irql) == name
