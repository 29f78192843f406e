# SPDX-License-Identifier: Apache-2.0
"""The rule book is whole: every group has its rows, no id stands twice, no text is empty."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import FrozenInstanceError, asdict
from itertools import pairwise
from pathlib import Path

import pytest

from verifier import rulebook
from verifier.errors import UsageError

ROWS = {"A": 46, "B": 60, "C": 37, "D": 55, "E": 84, "F": 46, "G": 24, "H": 46, "N": 20, "P": 29}

# The rules that matter most; each has a world of its own that triggers it.
FORTY = """
    contig-highest-inclusive contig-boundary-no-cross contig-free-exact-base contig-alloc-null contig-tail-untouched
    contig-no-use-after-free contig-free-irql-nt4 contig-free-irql-pre2008 contig-free-irql-2008
    contig-freespecify-match contig-not-for-ndis-dma contig-physical-not-dma contig-phys-64bit
    shared-alloc-null-both shared-alloc-check-required shared-alloc-passive shared-alloc-init-only
    shared-alloc-after-dma-ndis5 shared-free-exact shared-free-twice shared-free-irql-xp shared-free-not-in-shutdown
    shared-free-before-mapregs init-fail-release-all halt-undo-all shared-free-nic-stopped mmio-flush-before-free
    shared-async-irql shared-async-busmaster shared-async-handler shared-async-handle
    shared-async-pending-always-completes shared-async-failure-no-callback shared-async-complete-null-check
    shared-async-context shared-async-outstanding-at-halt shared-async-typical-use shared-init-value desc-own-last
    dma-width dma-boundary mapreg-valid-window mapreg-complete-nic-done mapreg-reuse-after-complete mapreg-index-range
    mapreg-direction mapreg-complete-before-cpu-read sg5-list-lifetime slave-one-transfer slave-complete-before-read
    init-ready-before-interrupt int-isr-quiet init-isr-during-init-ndis5 int-isr-false-if-not-ours int-sync-only-way
    lockset int-deregister-where int-deregister-disable-first halt-cancel-timers shutdown-any-irql shutdown-quiesce
    surprise-all-ones send-complete-once lock-balanced wire-bytes-of-this-frame
""".split()


def rows_of_the_file() -> list[dict[str, str]]:
    path = Path(rulebook.__file__).with_name("rulebook.json")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("group", ROWS)
def test_every_group_has_all_its_rules(group: str) -> None:
    assert sum(rulebook.entry(rule_id).group == group for rule_id in rulebook.ids()) == ROWS[group]


def test_there_is_no_group_but_these() -> None:
    assert set(Counter(rulebook.entry(rule_id).group for rule_id in rulebook.ids())) == set(ROWS)


def test_no_rule_stands_twice_in_the_file() -> None:
    in_file = [row["id"] for row in rows_of_the_file()]
    assert len(in_file) == len(set(in_file)) == sum(ROWS.values())
    assert tuple(in_file) == rulebook.ids()


def test_groups_stand_in_order() -> None:
    groups = [rulebook.entry(rule_id).group for rule_id in rulebook.ids()]
    assert all(first <= second for first, second in pairwise(groups))


def test_the_file_holds_one_rule_on_each_line() -> None:
    lines = Path(rulebook.__file__).with_name("rulebook.json").read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[-1]) == ("[", "]")
    assert [json.loads(line.rstrip(","))["id"] for line in lines[1:-1]] == list(rulebook.ids())


def test_an_id_is_lower_case_words_with_dashes() -> None:
    assert [rule_id for rule_id in rulebook.ids() if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule_id)] == []


@pytest.mark.parametrize("field", ["id", "group", "rule", "ddi", "irql", "version", "windows", "detects", "source"])
def test_no_text_is_empty_or_padded(field: str) -> None:
    texts = {rule_id: getattr(rulebook.entry(rule_id), field) for rule_id in rulebook.ids()}
    assert [rule_id for rule_id, text in texts.items() if not text or text != text.strip()] == []


def test_a_reading_is_absent_or_a_sentence() -> None:
    assert all(row.get("reading", ".").endswith(".") for row in rows_of_the_file())


def test_every_row_reaches_the_reader_unchanged() -> None:
    assert [asdict(rulebook.entry(row["id"])) for row in rows_of_the_file()] == [
        {"reading": "", **row} for row in rows_of_the_file()
    ]


@pytest.mark.parametrize("rule_id", FORTY)
def test_the_forty_that_matter_most_stand_in_the_book(rule_id: str) -> None:
    assert rulebook.entry(rule_id).id == rule_id


@pytest.mark.parametrize(
    "rule_id, words",
    [
        ("shared-free-irql-xp", "= DISPATCH_LEVEL, and PASSIVE_LEVEL in halt"),
        ("halt-wait-receives", "every NDIS 5.1 miniport"),
        ("dma-window", "CSR2[15:8]"),
        ("oid-complete-once", "Enforced for requests that an NDIS 5 miniport left pending"),
        ("lock-25us", "Not modelled"),
    ],
)
def test_a_rule_that_the_bed_reads_otherwise_says_how(rule_id: str, words: str) -> None:
    assert words in rulebook.entry(rule_id).reading


def test_a_rule_that_the_bed_reads_as_written_has_no_reading() -> None:
    assert rulebook.entry("shared-free-exact").reading == ""


def test_an_unknown_rule_is_refused_and_the_nearest_named() -> None:
    with pytest.raises(UsageError, match="shared-free-exat") as caught:
        rulebook.entry("shared-free-exat")
    assert "did you mean shared-free-exact" in caught.value.remedy


@pytest.mark.parametrize("rule_id", ["", "zzzzzz", "Shared-Free-Exact "])
def test_an_id_that_resembles_nothing_is_refused(rule_id: str) -> None:
    with pytest.raises(UsageError) as caught:
        rulebook.entry(rule_id)
    assert caught.value.remedy


def test_a_rule_cannot_be_changed() -> None:
    rule = rulebook.entry("dma-width")
    with pytest.raises(FrozenInstanceError):
        rule.rule = "anything goes"
