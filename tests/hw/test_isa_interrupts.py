# SPDX-License-Identifier: Apache-2.0
"""Edge-triggered interrupts: an edge is latched once and delivered once; a level that stays says nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hw.clock import Clock
from hw.isa import IRQS, EdgeLine, edge_line
from hw.processor import HIGH_LEVEL, STORM_LIMIT, Line, Random, Scheduler
from verifier.errors import UsageError
from verifier.events import EventRecord, Kind

LEVEL = 9


class Bench:
    """Two processors and one edge-triggered line. A service routine notes that it ran and then does what is in its list."""

    def __init__(self, seed: int = 1) -> None:
        self.events = EventRecord()
        self.scheduler = Scheduler(2, Clock(), self.events, Random(seed))
        self.line: Line = edge_line(self.scheduler, 10, LEVEL)
        self.seen: list[str] = []

    def connect(self, device: str = "a", actions: list[Callable[[], None]] | None = None) -> None:
        pending = actions if actions is not None else []

        def service() -> bool:
            mine = device in self.line.asserting
            self.seen.append(device)
            if pending:
                pending.pop(0)()
            else:
                self.drop(device)
            return mine

        self.line.services.append(service)

    def pull(self, device: str = "a") -> None:
        self.scheduler.assert_line(self.line, device)

    def drop(self, device: str = "a") -> None:
        self.scheduler.deassert_line(self.line, device)

    def pulse(self, device: str = "a") -> None:
        self.drop(device)
        self.pull(device)

    def deliver(self) -> list[str]:
        self.scheduler.point(now=True)
        return self.seen


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_edge_is_delivered_once(bench: Bench) -> None:
    bench.connect()
    bench.pull()
    assert bench.deliver() == ["a"]
    assert bench.deliver() == ["a"]
    assert not bench.scheduler.attention


def test_two_edges_before_service_are_one(bench: Bench) -> None:
    bench.connect()
    bench.pull()
    bench.pulse()
    assert bench.deliver() == ["a"]


def test_an_edge_during_service_is_delivered_once_more(bench: Bench) -> None:
    bench.connect(actions=[bench.pulse])
    bench.pull()
    assert bench.deliver() == ["a", "a"]


def test_two_edges_during_service_are_one(bench: Bench) -> None:
    def pulses() -> None:
        bench.pulse()
        bench.pulse()

    bench.connect(actions=[pulses])
    bench.pull()
    assert bench.deliver() == ["a", "a"]


def test_a_line_that_stays_high_is_not_heard_again(bench: Bench) -> None:
    bench.connect(actions=[lambda: None])
    bench.pull()
    assert bench.deliver() == ["a"]
    assert "a" in bench.line.asserting
    bench.pull()
    assert bench.deliver() == ["a"]
    assert not bench.scheduler.attention
    bench.pulse()
    assert bench.deliver() == ["a", "a"]


def test_the_same_on_a_level_triggered_line_is_heard_again() -> None:
    bench = Bench()
    bench.line = bench.scheduler.line(11, LEVEL)
    bench.connect(actions=[lambda: None])
    bench.pull()
    assert bench.deliver() == ["a", "a"]


def test_an_edge_on_a_masked_processor_waits(bench: Bench) -> None:
    bench.connect()
    for processor in bench.scheduler.processors:
        processor.irql = LEVEL
    bench.pull()
    bench.drop()
    assert bench.deliver() == []
    assert bench.scheduler.attention
    bench.scheduler.processors[1].irql = LEVEL - 1
    assert bench.deliver() == ["a"]


def test_an_edge_before_anybody_is_connected_waits(bench: Bench) -> None:
    bench.pull()
    assert bench.deliver() == []
    bench.connect()
    assert bench.line.asserting
    assert bench.deliver() == ["a"]


def test_an_edge_while_the_service_routines_are_held_off_waits(bench: Bench) -> None:
    bench.connect()
    services, bench.line.services = bench.line.services, []
    bench.pull()
    assert bench.deliver() == []
    bench.line.services = services
    assert bench.deliver() == ["a"]


def test_the_edge_of_a_device_that_let_go_is_delivered_and_the_routine_finds_nothing(bench: Bench) -> None:
    answers: list[bool] = []

    def service() -> bool:
        answers.append("a" in bench.line.asserting)
        return answers[-1]

    bench.line.services.append(service)
    bench.pull()
    bench.drop()
    bench.deliver()
    assert answers == [False]


def test_a_second_device_on_a_high_line_makes_no_edge(bench: Bench) -> None:
    bench.connect("a", actions=[lambda: None])
    bench.pull("a")
    assert bench.deliver() == ["a"]
    bench.pull("b")
    assert bench.deliver() == ["a"]
    bench.drop("a")
    bench.pull("a")
    assert bench.deliver() == ["a"]
    bench.drop("a")
    bench.drop("b")
    bench.pull("b")
    assert bench.deliver() == ["a", "a"]


def test_on_a_shared_line_all_are_asked_until_none_says_so(bench: Bench) -> None:
    bench.connect("a")
    bench.connect("b")
    bench.pull("b")
    bench.pull("a")
    assert bench.deliver() == ["a", "b", "a", "b"]


def test_an_endless_row_of_edges_counts_as_a_storm(bench: Bench) -> None:
    storms: list[Line] = []
    bench.line.on_storm = storms.append

    def service() -> bool:
        bench.seen.append("a")
        bench.pulse()
        return True

    bench.line.services.append(service)
    bench.pull()
    assert len(bench.deliver()) == STORM_LIMIT
    assert storms == [bench.line]
    assert not bench.line.asserting
    assert "a" not in bench.line.asserting


def test_a_service_routine_that_raises_leaves_the_line_to_serve(bench: Bench) -> None:
    def service() -> bool:
        raise UsageError("stop", "")

    bench.line.services.append(service)
    bench.pull()
    with pytest.raises(UsageError):
        bench.deliver()
    bench.line.services.clear()
    bench.connect()
    bench.pulse()
    assert bench.deliver() == ["a"]


@pytest.mark.parametrize("seed", range(8))
def test_every_seed_delivers_an_edge_exactly_once(seed: int) -> None:
    bench = Bench(seed)
    bench.connect()
    for count in range(1, 6):
        bench.pull()
        for _ in range(10):
            bench.scheduler.point()
        assert bench.seen == ["a"] * count


def test_the_record_holds_the_levels_of_the_line(bench: Bench) -> None:
    bench.pull()
    bench.pull()
    bench.drop()
    assert [event[3:] for event in bench.events.events if event[1] == Kind.INTERRUPT] == [("a", True), ("a", False)]


def test_the_line_is_made_once(bench: Bench) -> None:
    assert edge_line(bench.scheduler, 10, LEVEL) is bench.line
    assert bench.scheduler.lines == {10: bench.line}
    assert isinstance(bench.line, EdgeLine)


def test_a_level_triggered_line_is_not_shared_with_an_isa_card(bench: Bench) -> None:
    bench.scheduler.line(11, LEVEL)
    with pytest.raises(UsageError, match="11 is level triggered"):
        edge_line(bench.scheduler, 11, LEVEL)


@pytest.mark.parametrize("vector", [vector for vector in range(-1, 18) if vector not in IRQS])
def test_a_line_that_the_isa_bus_lacks_is_refused(bench: Bench, vector: int) -> None:
    with pytest.raises(UsageError, match=f"no interrupt line {vector}"):
        edge_line(bench.scheduler, vector, HIGH_LEVEL)
    assert vector not in bench.scheduler.lines
