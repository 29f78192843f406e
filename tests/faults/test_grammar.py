# SPDX-License-Identifier: Apache-2.0
"""How faults are spelled and counted: those that stay, families, and what has no effect where it is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.clock import Clock
from hw.inject import FAIL, Effect, Fault, Injector, parse_fault
from verifier.errors import UsageError
from verifier.events import EventRecord

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
EFFECTS = st.from_regex(r"[A-Za-z0-9_x-]{1,12}", fullmatch=True)


def injector(*faults: str) -> Injector:
    return Injector(tuple(map(parse_fault, faults)), EventRecord(), Clock())


@pytest.mark.parametrize("text, fault", [
    ("send#1+", Fault("send", 1, FAIL, True)), ("send#2+=burst", Fault("send", 2, "burst", True)),
    ("send#2=burst", Fault("send", 2, "burst"))])
def test_a_plus_sign_behind_the_count_says_that_the_fault_stays(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault
    assert str(fault) == text


@given(NAMES, st.integers(1, 10**12 - 1), EFFECTS, st.booleans())
def test_a_printed_fault_reads_back(name: str, count: int, effect: str, onward: bool) -> None:
    fault = Fault(name, count, effect, onward)
    assert parse_fault(str(fault)) == fault


@pytest.mark.parametrize("text", ["send#+", "send#1++", "send+#1", "send#1+=", "send#0+"])
def test_a_plus_sign_elsewhere_is_no_fault_point(text: str) -> None:
    with pytest.raises(UsageError, match="is no fault point"):
        parse_fault(text)


def test_a_fault_that_stays_comes_from_its_count_on() -> None:
    faults = injector("a#2+=x")
    assert [faults.take("a") for _ in range(4)] == [None, "x", "x", "x"]
    assert [str(fault) for fault in faults.fired] == ["a#2+=x"]
    assert faults.not_fired() == []


def test_another_fault_of_its_own_count_wins_over_one_that_stays() -> None:
    faults = injector("a#1+=x", "a#2=y")
    assert [faults.take("a") for _ in range(3)] == ["x", "y", "x"]


def test_the_effect_in_full_is_what_happens() -> None:
    faults = Injector((Fault("a", 1, FAIL, does="late"),), EventRecord(), Clock())
    assert faults.take("a") == "late"


def test_a_fault_without_effect_has_not_fired_and_the_reason_is_kept() -> None:
    faults = injector("a#1=x", "b#1=y")
    faults.take("a")
    faults.take("b")
    faults.without_effect("a", "nobody is there")
    assert [str(fault) for fault in faults.fired] == ["b#1=y"]
    assert [str(fault) for fault in faults.not_fired()] == ["a#1=x"]
    assert faults.idle == {"a#1=x": "nobody is there"}


def test_an_effect_that_comes_after_all_counts() -> None:
    faults = injector("a#1=x")
    faults.take("a")
    fault = faults.without_effect("a", "not yet")
    faults.had_effect(fault)
    assert (faults.not_fired(), faults.idle) == ([], {})


def test_a_fault_that_stays_and_had_its_effect_once_has_fired() -> None:
    faults = injector("a#1+=x")
    faults.take("a")
    faults.take("a")
    assert faults.without_effect("a", "not this time") is None
    assert (faults.not_fired(), faults.idle) == ([], {})


def test_a_fault_that_stays_fires_where_it_has_an_effect_at_last() -> None:
    faults = injector("a#1+=x")
    faults.take("a")
    faults.without_effect("a", "not this time")
    assert faults.take("a") == "x"
    assert (faults.not_fired(), faults.idle) == ([], {})


@pytest.mark.parametrize("spelling, covered", [
    ("slow-3", True), ("slow-0", True), ("slow-K", True), ("slow", False), ("slow-", False), ("slow-x", False), ("slow--3", False),
    ("slow-٣", False), ("grant-3", False)])
def test_a_family_covers_its_name_with_a_number(spelling: str, covered: bool) -> None:
    assert Effect("slow-K", "device", False, "").covers(spelling) is covered
