# SPDX-License-Identifier: Apache-2.0
"""Fault points: their grammar, the count of every use, and which use fails."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.clock import Clock
from hw.inject import FAIL, Fault, Injector, parse_fault
from verifier.errors import UsageError
from verifier.events import EventRecord

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
EFFECTS = st.from_regex(r"[A-Za-z0-9_x-]{1,12}", fullmatch=True)


def injector(*faults: str) -> Injector:
    return Injector(tuple(map(parse_fault, faults)), EventRecord(), Clock())


@pytest.mark.parametrize("text, fault", [
    ("NdisMAllocateSharedMemory#2", Fault("NdisMAllocateSharedMemory", 2)),
    ("register-read:CTRL#3=all-ones", Fault("register-read:CTRL", 3, "all-ones")),
    ("register-read:CTRL#1=0x10", Fault("register-read:CTRL", 1, "0x10")),
    ("dma-read#999999999999=abort", Fault("dma-read", 999_999_999_999, "abort")),
])
def test_a_fault_point_reads_as_name_count_and_effect(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert str(fault) == text


def test_the_effect_defaults_to_the_documented_failure() -> None:
    assert parse_fault("dma-read#1").effect == FAIL


def test_an_effect_given_apart_wins() -> None:
    assert parse_fault("dma-read#1=abort", "lost") == Fault("dma-read", 1, "lost")


@pytest.mark.parametrize("text", [
    "", "#1", "dma-read", "dma-read#", "dma-read#0", "dma-read#00", "dma-read#-1", "dma-read#1=", "dma-read#1=a b",
    "1dma#1", "dma-read#1\n", " dma-read#1", "dma-read#1 ", "dma-read#1=abort\n", "dma-read#1000000000000", "dma-read#٣",
])
def test_what_is_no_fault_point_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert repr(text) in caught.value.message
    assert "NAME#N" in caught.value.remedy


@given(NAMES, st.integers(1, 10**12 - 1), EFFECTS)
def test_a_printed_fault_reads_back(name: str, count: int, effect: str) -> None:
    fault = Fault(name, count, effect)
    assert parse_fault(str(fault)) == fault


def test_exactly_the_named_use_fails() -> None:
    faults = injector("dma-read#3=abort")
    assert [faults.take("dma-read") for _ in range(5)] == [None, None, "abort", None, None]


def test_each_name_has_its_own_count() -> None:
    faults = injector("b#2")
    assert [faults.take(name) for name in "abab"] == [None, None, None, FAIL]
    assert faults.counts == {"a": 2, "b": 2}


def test_two_faults_of_one_name_both_fire() -> None:
    faults = injector("a#1=x", "a#2=y")
    assert [faults.take("a"), faults.take("a"), faults.take("a")] == ["x", "y", None]


def test_a_recording_counts_and_never_fails() -> None:
    faults = injector()
    assert [faults.take("a") for _ in range(3)] == [None] * 3
    assert faults.counts == {"a": 3}
    assert faults.not_fired() == []


def test_a_fault_whose_point_was_never_reached_is_named() -> None:
    faults = injector("b#1", "a#2", "a#1")
    faults.take("a")
    assert [str(fault) for fault in faults.fired] == ["a#1"]
    assert [str(fault) for fault in faults.not_fired()] == ["a#2", "b#1"]


def test_a_fault_that_fires_stands_in_the_record() -> None:
    events, clock = EventRecord(), Clock()
    faults = Injector((Fault("a", 1, "x"),), events, clock)
    clock.advance(70)
    faults.take("a")
    assert events.as_dicts() == [{"time_ns": 70, "kind": "fault", "processor": 0, "point": "a#1", "effect": "x"}]
