# SPDX-License-Identifier: Apache-2.0
"""Random programs and random bytes: both engines agree at each cut, each one with itself, and none fails."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hw.rv32.engine import StopReason, TrapCause
from tests.hw.rv32 import programs
from tests.hw.rv32.card import CODE, DEVICE, RAM, ROM, Card

SEEDS = 400
REGISTERS = {3: RAM + 4096, 5: ROM + 64, **{number: number for number in range(8, 16)}}


@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_both_engines_agree_on_random_programs(unicorn: str, first: int) -> None:
    for seed in range(first, first + 50):
        ours, theirs = programs.card("python", seed), programs.card(unicorn, seed)
        for cut, budget in enumerate(programs.budgets(seed)):
            assert ours.engine.run(budget) is theirs.engine.run(budget), (seed, cut)
            assert ours.state() == theirs.state(), (seed, cut)


def test_an_instruction_at_a_time_is_the_same_as_all_at_once(kind: str) -> None:
    for seed in range(40):
        whole, single = programs.card(kind, seed), programs.card(kind, seed)
        for card in (whole, single):
            card.bus.then = lambda: None
        whole.engine.run(600)
        for _ in range(600):
            single.engine.run(1)
        assert whole.state() == single.state(), seed


@pytest.mark.parametrize("seed", range(12))
def test_hot_loops_with_calls_are_the_same_however_they_are_cut(kind: str, seed: int) -> None:
    whole, single, cut = (Card(kind, programs.loops(seed), REGISTERS) for _ in range(3))
    budgets = random.Random(seed)
    for _ in range(3):
        assert whole.engine.run(3000) is StopReason.BUDGET
        for _ in range(3000 if kind == "python" else 0):
            single.engine.run(1)
        while (left := whole.engine.executed - cut.engine.executed) > 0:
            cut.engine.run(min(left, budgets.randrange(400)))
        assert cut.state() == whole.state()
        assert kind != "python" or single.state() == whole.state()
    assert min(whole.registers()[number] for number in (1, 3, 5)) >= CODE


@pytest.mark.parametrize("seed", range(12))
def test_both_engines_agree_on_hot_loops_with_calls(unicorn: str, seed: int) -> None:
    ours, theirs = (Card(kind, programs.loops(seed), REGISTERS) for kind in ("python", unicorn))
    for budget in (5000, 77, 5000):
        assert ours.engine.run(budget) is theirs.engine.run(budget) is StopReason.BUDGET
        assert ours.state() == theirs.state()


def test_a_run_is_deterministic(kind: str) -> None:
    for seed in range(40):
        states = []
        for _ in range(2):
            card = programs.card(kind, seed)
            reasons = [card.engine.run(budget) for budget in programs.budgets(seed)]
            states.append((reasons, card.state()))
        assert states[0] == states[1], seed


def test_the_random_programs_reach_what_they_are_for() -> None:
    ends: Counter[object] = Counter()
    changed = 0
    for seed in range(SEEDS):
        card = programs.card("python", seed)
        before = bytes(card.code)
        for budget in programs.budgets(seed):
            ends[card.engine.run(budget)] += 1
        ends[card.engine.trap and card.engine.trap.cause] += 1
        changed += card.code != before
    assert set(StopReason) | set(TrapCause) - {TrapCause.INSTRUCTION_MISALIGNED} <= set(ends)
    assert changed > 20


@settings(max_examples=150)
@given(st.binary(min_size=1, max_size=400), st.integers(0, 200))
@example(b"\x00" * 8, 5)
@example(b"\xff" * 8, 5)
def test_no_bytes_crash_an_engine(code: bytes, budget: int) -> None:
    card = Card("python", [], {1: CODE, 2: RAM + 64, 8: DEVICE, 9: CODE + 16})
    card.code[:len(code)] = code
    card.engine.reset(CODE)
    reason = card.engine.run(budget)
    assert (reason is StopReason.TRAPPED) == (card.engine.trap is not None)
    assert card.engine.executed == budget or reason is StopReason.TRAPPED
    assert all(0 <= value < 1 << 32 for value in card.registers())


@settings(max_examples=60)
@given(st.binary(min_size=1, max_size=120), st.lists(st.integers(0, 60), max_size=4))
def test_both_engines_agree_on_random_bytes(unicorn: str, code: bytes, cuts: list[int]) -> None:
    cards = [Card(kind, [], {2: RAM + 64, 8: DEVICE, 9: CODE + 16}) for kind in ("python", unicorn)]
    for card in cards:
        card.code[:len(code)] = code
    for budget in cuts:
        assert len({card.engine.run(budget) for card in cards}) == 1
        assert cards[0].state() == cards[1].state()
