# SPDX-License-Identifier: Apache-2.0
"""Findings: the first one on a block, packet or span is the cause, repeats are counted, notices make no verdict."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from verifier.address import Span
from verifier.address_book import Block, BlockKind
from verifier.events import EventRecord
from verifier.findings import Finding, Findings, StopWorld
from verifier.rule import Rule, Severity
from verifier.where import Where, WhereCell, line_of, where_of_function

BROKEN = Rule("broken", "mend it", also=("broken-elsewhere",))
WORN = Rule("worn", "replace it")
HARMLESS = Rule("harmless", "be tidy", explains=False)
LOST = Rule("lost", "look for the cause", symptom=True)
DOUBTFUL = Rule("doubtful", "think about it", severity=Severity.WARNING)
TASTE = Rule("taste", "mind it", severity=Severity.ADVICE)


class Now:
    """A clock that stands where it is put."""

    now = 0


class Bench:
    """Findings with the cells that they read."""

    def __init__(self, *, enabled: bool = True, stop: bool = False) -> None:
        self.events, self.cell, self.clock = EventRecord(), WhereCell(), Now()
        self.findings = Findings(self.events, self.cell, self.clock, enabled=enabled, stop=stop)
        self.report = self.findings.report

    def first(self) -> list[str]:
        return [finding.message for finding in self.findings.errors]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def block(name: str = "ring", where: Where | None = None) -> Block:
    return Block(BlockKind.SHARED, name, "the miniport", 0x1000, 0x100, where=where)


def made(finding: Finding | None) -> Finding:
    assert finding is not None
    return finding


def here() -> Where:
    where = where_of_function(here)
    assert where is not None
    return where


def test_a_finding_carries_rule_numbers_time_and_remedy(bench: Bench) -> None:
    bench.clock.now = 70
    finding = made(bench.report(BROKEN, "three of two", span=Span(0x1000, 16), space="logical", owner="the card",
                                goes_wrong_at=0x1008, bugcheck="0x7C"))
    assert (finding.rule, finding.message, finding.time_ns, finding.remedy) == (BROKEN, "three of two", 70, "mend it")
    assert (finding.space, finding.span, finding.goes_wrong_at) == ("logical", Span(0x1000, 16), 0x1008)
    assert (finding.owner, finding.bugcheck, finding.also, finding.times) == ("the card", "0x7C", ("broken-elsewhere",), 1)
    assert bench.findings.errors == [finding]


def test_a_report_may_override_remedy_and_other_ids(bench: Bench) -> None:
    finding = made(bench.report(BROKEN, "m", remedy="do that", also=()))
    assert (finding.remedy, finding.also) == ("do that", ())


def test_a_finding_stands_in_the_event_record_once(bench: Bench) -> None:
    bench.clock.now = 70
    for _ in range(3):
        bench.report(BROKEN, "m")
    assert bench.events.as_dicts() == [{"time_ns": 70, "kind": "finding", "processor": 0, "rule": "broken", "message": "m"}]


def test_the_line_of_the_miniport_is_taken_where_none_is_given(bench: Bench) -> None:
    bench.cell.depth = 1
    where = made(bench.report(BROKEN, "m")).where
    assert where is not None
    assert line_of(where) == where[0].co_firstlineno + 2


def test_a_given_line_wins_over_the_running_one(bench: Bench) -> None:
    bench.cell.depth = 1
    assert made(bench.report(BROKEN, "m", where=here())).where == here()


def test_a_finding_has_no_line_while_no_handler_runs(bench: Bench) -> None:
    assert made(bench.report(BROKEN, "m")).where is None


# Repeats


def test_the_same_rule_at_the_same_line_for_the_same_block_is_counted(bench: Bench) -> None:
    ring = block()
    findings = {id(bench.report(BROKEN, f"byte {i}", where=here(), block=ring)) for i in range(3)}
    assert len(findings) == 1
    assert bench.first() == ["byte 0"]
    assert bench.findings.errors[0].times == 3


def test_another_block_another_line_or_another_rule_is_another_finding(bench: Bench) -> None:
    bench.report(BROKEN, "a", where=here(), block=block())
    bench.report(BROKEN, "b", where=here(), block=block())
    bench.report(BROKEN, "c", where=where_of_function(block), block=block())
    bench.report(WORN, "d", where=here(), block=block())
    assert bench.first() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("first, second, repeats", [
    (("nic0", 0x300), ("nic0", 0x300), True),
    (("nic0", 0x300), ("nic0", 0x304), False),
    ((("nic0", 70_000),), (("nic0", int("70000")),), True),
])
def test_subjects_are_compared_by_value_and_all_of_them_count(
        bench: Bench, first: tuple[Hashable, ...], second: tuple[Hashable, ...], repeats: bool) -> None:
    one = made(bench.report(BROKEN, "one", subject=first))
    other = made(bench.report(BROKEN, "other", subject=second))
    assert (one is other) is repeats


def test_a_repeat_does_not_stop_the_world_and_a_finding_does() -> None:
    bench = Bench(stop=True)
    with pytest.raises(StopWorld):
        bench.report(BROKEN, "m")
    assert made(bench.report(BROKEN, "m")).times == 2


# Causes and consequences


def test_a_later_finding_on_the_same_block_goes_under_the_first(bench: Bench) -> None:
    ring = block()
    cause = made(bench.report(BROKEN, "cause", block=ring))
    consequence = made(bench.report(WORN, "consequence", block=ring))
    assert bench.findings.errors == [cause]
    assert cause.consequences == [consequence]


def test_a_later_finding_on_the_same_packet_goes_under_the_first(bench: Bench) -> None:
    bench.report(BROKEN, "cause", subject=("packet 1", "lock"))
    bench.report(WORN, "consequence", subject=("packet 1",))
    bench.report(WORN, "another", subject=("packet 2",))
    assert bench.first() == ["cause", "another"]


@pytest.mark.parametrize("start, apart", [(0x10F0 - 1, False), (0x10FF, False), (0x1100, True), (0x1101, True), (0xFEF, True),
                                          (0xFF0, True), (0xFF1, False)])
def test_spans_of_one_space_belong_together_where_they_share_a_byte(bench: Bench, start: int, apart: bool) -> None:
    bench.report(BROKEN, "cause", space="logical", span=Span(0x1000, 0x100))
    bench.report(WORN, "later", space="logical", span=Span(start, 0x10))
    assert bench.first() == (["cause", "later"] if apart else ["cause"])


def test_equal_numbers_of_different_spaces_are_different_memory(bench: Bench) -> None:
    bench.report(BROKEN, "cause", space="logical", span=Span(0x1000, 0x100))
    bench.report(WORN, "other", space="virtual", span=Span(0x1000, 0x100))
    assert bench.first() == ["cause", "other"]


def test_a_consequence_of_a_consequence_goes_under_the_first_cause(bench: Bench) -> None:
    ring, other = block("ring"), block("other")
    bench.report(BROKEN, "cause", block=ring)
    bench.report(WORN, "second", block=ring, subject=(other,))
    bench.report(BROKEN, "third", block=other)
    assert bench.first() == ["cause"]
    assert [finding.message for finding in bench.findings.errors[0].consequences] == ["second", "third"]


def test_what_fits_two_causes_goes_under_the_earlier(bench: Bench) -> None:
    one, other = block("one"), block("other")
    bench.report(BROKEN, "first", block=one)
    bench.report(BROKEN, "second", block=other)
    bench.report(WORN, "both", block=other, subject=(one,))
    assert [len(finding.consequences) for finding in bench.findings.errors] == [1, 0]


def test_findings_about_nothing_in_common_stand_alone(bench: Bench) -> None:
    bench.report(BROKEN, "a")
    bench.report(WORN, "b")
    assert bench.first() == ["a", "b"]


# Symptoms


def test_a_symptom_stands_alone_where_nothing_explains_it(bench: Bench) -> None:
    bench.report(LOST, "frame 3 is lost")
    assert bench.first() == ["frame 3 is lost"]


def test_a_symptom_goes_under_the_first_error_whatever_it_is_about(bench: Bench) -> None:
    bench.report(BROKEN, "cause", block=block())
    bench.report(WORN, "second")
    bench.report(LOST, "frame 3 is lost", subject=("frame 3",))
    assert bench.first() == ["cause", "second"]
    assert [finding.message for finding in bench.findings.errors[0].consequences] == ["frame 3 is lost"]


def test_a_symptom_stands_under_the_first_error_that_can_explain_it(bench: Bench) -> None:
    bench.report(HARMLESS, "first")
    bench.report(BROKEN, "second", block=block())
    bench.report(LOST, "frame 3 is lost")
    assert bench.first() == ["first", "second"]
    assert [[later.message for later in error.consequences] for error in bench.findings.errors] == [[], ["frame 3 is lost"]]


def test_a_symptom_stands_beside_errors_that_lose_no_frame(bench: Bench) -> None:
    bench.report(HARMLESS, "first")
    bench.report(LOST, "frame 3 is lost")
    assert bench.first() == ["first", "frame 3 is lost"]


def test_a_notice_explains_no_symptom(bench: Bench) -> None:
    bench.report(DOUBTFUL, "hm")
    bench.report(LOST, "frame 3 is lost")
    assert bench.first() == ["frame 3 is lost"]


# Notices


@pytest.mark.parametrize("rule", [DOUBTFUL, TASTE])
def test_warnings_and_advice_are_notices_and_causes_of_nothing(bench: Bench, rule: Rule) -> None:
    ring = block()
    notice = made(bench.report(rule, "hm", block=ring))
    bench.report(BROKEN, "cause", block=ring)
    assert bench.findings.notices == [notice]
    assert bench.first() == ["cause"]


def test_a_notice_under_a_known_cause_stays_a_notice(bench: Bench) -> None:
    ring = block()
    bench.report(BROKEN, "cause", block=ring)
    bench.report(DOUBTFUL, "hm", block=ring)
    assert len(bench.findings.notices) == 1
    assert bench.findings.errors[0].consequences == []


def test_repeated_notices_are_counted(bench: Bench) -> None:
    bench.report(DOUBTFUL, "hm")
    bench.report(DOUBTFUL, "hm")
    assert [notice.times for notice in bench.findings.notices] == [2]


# Stop and silicon


def test_stop_ends_the_world_at_the_first_error_which_is_kept() -> None:
    bench = Bench(stop=True)
    assert bench.report(DOUBTFUL, "hm") is not None
    with pytest.raises(StopWorld):
        bench.report(BROKEN, "cause")
    assert bench.first() == ["cause"]


def test_a_miniport_that_catches_every_exception_does_not_catch_the_stop() -> None:
    assert not issubclass(StopWorld, Exception)


def test_with_checks_off_nothing_is_recorded() -> None:
    bench = Bench(enabled=False, stop=True)
    assert bench.report(BROKEN, "m") is None
    assert (bench.findings.errors, bench.findings.notices, bench.events.as_dicts()) == ([], [], [])


# Other lines


def test_a_block_brings_its_name_and_the_lines_that_made_and_freed_it(bench: Bench) -> None:
    ring = block("tx ring", here())
    ring.freed_where = where_of_function(block)
    finding = made(bench.report(BROKEN, "m", block=ring, related=[("armed by", where_of_function(made)), ("unknown", None)]))
    assert finding.owner == "tx ring"
    assert finding.related == [("tx ring allocated", here()), ("tx ring freed", where_of_function(block)),
                               ("armed by", where_of_function(made))]


def test_a_live_block_brings_only_the_line_that_made_it(bench: Bench) -> None:
    assert made(bench.report(BROKEN, "m", block=block("tx ring", here()))).related == [("tx ring allocated", here())]


def test_an_owner_that_is_given_wins_over_the_name_of_the_block(bench: Bench) -> None:
    assert made(bench.report(BROKEN, "m", block=block(), owner="the system")).owner == "the system"


def test_lines_that_stand_beside_what_is_found_now_are_related_to_it_and_to_nothing_else(bench: Bench) -> None:
    bench.findings.beside = ("the program", here()), ("nobody's", None)
    during = made(bench.report(BROKEN, "one", related=[("its own", here())]))
    bench.findings.beside = ()
    behind = made(bench.report(WORN, "two"))
    assert [what for what, _ in during.related] == ["its own", "the program"]
    assert behind.related == []
