# SPDX-License-Identifier: Apache-2.0
"""Virtual time: what falls due runs in order of time, then of entry, at its own time and never before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hw.clock import NEVER, Clock


def test_a_fresh_clock_stands_at_zero_with_nothing_due() -> None:
    clock = Clock()
    assert (clock.now, clock.due, clock.limit) == (0, NEVER, NEVER)
    assert not clock.run_next()
    assert clock.now == 0


def test_an_action_runs_when_its_time_has_passed_and_not_a_nanosecond_before() -> None:
    for passed, ran in ((99, []), (100, [100]), (101, [100])):
        clock, seen = Clock(), []
        clock.at(100, lambda clock=clock, seen=seen: seen.append(clock.now))
        clock.advance(passed)
        assert seen == ran
        assert clock.now == passed


def test_an_action_without_delay_waits_for_the_next_step_of_time() -> None:
    clock, seen = Clock(), []
    clock.at(0, lambda: seen.append(clock.now))
    assert seen == []
    clock.advance(0)
    assert seen == [0]


def test_actions_of_one_instant_run_in_order_of_entry() -> None:
    clock, seen = Clock(), []
    for number in range(5):
        clock.at(10, lambda number=number: seen.append(number))
    clock.advance(10)
    assert seen == [0, 1, 2, 3, 4]


def test_an_action_may_ask_for_another_inside_the_same_step() -> None:
    clock, seen = Clock(), []

    def first() -> None:
        seen.append(clock.now)
        clock.at(5, lambda: seen.append(clock.now))

    clock.at(10, first)
    clock.advance(14)
    assert seen == [10]
    clock.advance(1)
    assert seen == [10, 15]


def test_time_that_an_action_takes_is_not_taken_back() -> None:
    clock = Clock()
    clock.at(10, lambda: clock.advance(100))
    clock.advance(20)
    assert clock.now == 110


def test_what_fell_due_while_an_action_took_its_time_runs_then() -> None:
    clock, seen = Clock(), []
    clock.at(10, lambda: clock.advance(100))
    clock.at(50, lambda: seen.append(clock.now))
    clock.advance(10)
    assert seen == [50]
    assert clock.now == 110


def test_an_entry_that_is_late_already_does_not_take_time_back() -> None:
    clock, seen = Clock(), []
    clock.at(50, lambda: seen.append(clock.now))
    clock.now = 100
    clock.advance(0)
    assert seen == [100]
    assert clock.now == 100


def test_run_next_jumps_to_the_next_entry() -> None:
    clock, seen = Clock(), []
    clock.at(300, lambda: seen.append("late"))
    clock.at(200, lambda: seen.append("early"))
    assert clock.due == 200
    assert clock.run_next()
    assert (clock.now, seen, clock.due) == (200, ["early"], 300)
    assert clock.run_next()
    assert not clock.run_next()
    assert (clock.now, seen) == (300, ["early", "late"])


def test_the_limit_is_told_when_it_is_passed_and_not_when_it_is_met() -> None:
    for passed, told in ((99, 0), (100, 0), (101, 1)):
        clock, calls = Clock(), []
        clock.limit = 100
        clock.on_limit = lambda calls=calls: calls.append(1)
        clock.advance(passed)
        assert len(calls) == told


def test_a_limit_without_a_listener_is_no_error() -> None:
    clock = Clock()
    clock.limit = 1
    clock.advance(2)
    assert clock.now == 2


def test_what_is_asked_for_soon_runs_at_its_time_among_the_others() -> None:
    clock, seen = Clock(), []
    clock.at(10, lambda: seen.append((clock.now, "a")))
    clock.at(30, lambda: seen.append((clock.now, "c")))
    clock.soon(20, lambda: seen.append((clock.now, "b")))
    assert clock.due == 10
    clock.advance(40)
    assert seen == [(10, "a"), (20, "b"), (30, "c")]
    assert clock.due == NEVER


def test_what_was_called_off_does_not_run_and_is_not_due() -> None:
    clock, seen = Clock(), []
    clock.soon(20, lambda: seen.append("soon"))
    assert clock.due == 20
    clock.call_off()
    assert clock.due == NEVER
    clock.at(30, lambda: seen.append("later"))
    clock.soon(10, lambda: seen.append("again"))
    clock.call_off()
    assert clock.due == 30
    clock.advance(100)
    assert seen == ["later"]


def test_calling_off_nothing_changes_nothing() -> None:
    clock, seen = Clock(), []
    clock.at(5, lambda: seen.append(1))
    clock.call_off()
    assert clock.due == 5
    clock.advance(5)
    assert seen == [1]


@given(
    st.lists(st.one_of(
        st.tuples(st.just("at"), st.integers(0, 40)),
        st.tuples(st.just("soon"), st.integers(0, 40)),
        st.tuples(st.just("call off"), st.just(0)),
        st.tuples(st.just("advance"), st.integers(0, 25)),
        st.tuples(st.just("next"), st.just(0)),
    ), max_size=30))
def test_any_history_agrees_with_a_sorted_list(history: list[tuple[str, int]]) -> None:
    clock = Clock()
    ran: list[tuple[int, int]] = []
    now, pending, expected = 0, [], []
    soon: tuple[int, int] | None = None
    for number, (what, amount) in enumerate(history):
        if what == "at" or (what == "soon" and soon is None and now + amount not in {when for when, _ in pending}):
            (clock.at if what == "at" else clock.soon)(amount, lambda number=number: ran.append((clock.now, number)))
            entry = (now + amount, number)
            if what == "at" and soon is not None and soon[0] == entry[0]:
                # Ties between the two kinds of entry are left open.
                clock.call_off()
                pending.remove(soon)
                soon = None
            pending.append(entry)
            soon = entry if what == "soon" else soon
        elif what == "call off":
            clock.call_off()
            if soon is not None:
                pending.remove(soon)
                soon = None
        elif what in ("advance", "next"):
            pending.sort()
            if what == "advance":
                clock.advance(amount)
                target = now + amount
                due = [entry for entry in pending if entry[0] <= target]
                now = target
            else:
                assert clock.run_next() == bool(pending)
                due = pending[:1]
                now = due[0][0] if due else now
            expected += due
            pending = [entry for entry in pending if entry not in due]
            soon = soon if soon in pending else None
        assert ran == expected
        assert clock.now == now
        assert clock.due == min((when for when, _ in pending), default=NEVER)
