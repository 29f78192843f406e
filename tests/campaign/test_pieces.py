# SPDX-License-Identifier: Apache-2.0
"""Shrinking, fingerprints, baselines, the journal: each on its own."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from dmabed.bed import Bed
from dmabed.campaign import Campaign, Case, Plan, Record, Selection, worker
from dmabed.campaign.baseline import Entry, apply_baseline, baseline_text, read_baseline
from dmabed.campaign.fingerprint import fingerprint_of
from dmabed.campaign.journal import Journal
from dmabed.campaign.shrink import shrink
from dmabed.spec import WorldSpec
from dmabed.world import World
from miniport.reference import ReferenceMiniport
from verifier.errors import BedError, NotModelledError, UsageError

DAY = date(2026, 5, 1)


@pytest.mark.parametrize("problem", [UsageError("the machine has no memory", "give it more"), NotModelledError("CSR5", "see the page")])
def test_a_world_that_cannot_be_lived_to_its_end_costs_itself_alone(problem: BedError, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = worker.run_world

    def broken(spec: WorldSpec, *arguments: Any, **options: Any) -> World:
        if spec.faults == ("dma-read#2",) or spec.seed == 2:
            raise problem
        return whole(spec, *arguments, **options)

    monkeypatch.setattr(worker, "run_world", broken)
    job = worker.Job(Bed(frames=1).spec, Selection(kinds=()))
    cases = [Case(), Case(("dma-read#2",)), Case((), "seed=2"), Case(("dma-read#3",))]
    first, second, third, last = worker.live(job, ReferenceMiniport, cases)
    assert (first.outcome, last.fired) == ("recovered", 1)
    for record in (second, third):
        assert (record.outcome, record.detail, record.fails) == ("not-proven", f"{problem.message}; {problem.remedy}", True)
    assert second.replay.endswith("--fault 'dma-read#2'") and "--seed 2" in third.replay
    with pytest.raises(type(problem)):
        worker.live(worker.Job(Bed(frames=1, seed=2).spec, Selection(kinds=())), ReferenceMiniport, [Case()])


def failing(case: Case, fingerprint: str = "cause") -> Record:
    return Record(case, "findings", findings=[{"fingerprint": fingerprint, "rule": "r", "where": "m.py:3"}], replay=f"replay {case.id}")


def world(needed: set[str], fingerprint: str = "cause") -> object:
    """A world that fails where all parts of *needed* are there."""

    def live(case: Case) -> Record:
        parts = {*case.faults, *case.condition.split(",")}
        return failing(case, fingerprint) if needed <= parts else Record(case, "recovered")

    return live


@pytest.mark.parametrize(("needed", "minimal"), [
    ({"a#1"}, "a#1"), ({"b#1", "d#1"}, "b#1,d#1"), ({"c#1", "seed=2"}, "c#1@seed=2"), ({"seed=2"}, "a#1@seed=2")])
def test_a_failing_set_is_shrunk_to_what_it_needs(needed: set[str], minimal: str) -> None:
    record = failing(Case(("a#1", "b#1", "c#1", "d#1"), "ram=8G,seed=2"))
    shrink(record, world(needed))  # type: ignore[arg-type]
    assert (record.minimal, record.replay) == (minimal, f"replay {minimal}")
    assert record.case.id == "a#1,b#1,c#1,d#1@ram=8G,seed=2"


def test_a_set_that_needs_everything_is_left_alone() -> None:
    record = failing(Case(("a#1", "b#1")))
    shrink(record, world({"a#1", "b#1"}))  # type: ignore[arg-type]
    assert (record.minimal, record.replay) == ("", "replay a#1,b#1")


def test_a_smaller_set_that_fails_by_another_cause_is_no_smaller_set() -> None:
    record = failing(Case(("a#1", "b#1")))
    shrink(record, world({"a#1"}, "another"))  # type: ignore[arg-type]
    assert record.minimal == ""


LEAK = """from miniport.reference import ReferenceMiniport
{above}

class Mine(ReferenceMiniport):
    def initialize(self, adapter):
        adapter.allocate_memory_with_tag({size}, "leak"){comment}
        return super().initialize(adapter)
"""


@pytest.mark.parametrize(("change", "same"), [
    ({"above": "\n\n# more lines"}, True), ({"size": 65}, False), ({"above": "X = 1"}, True)])
def test_a_fingerprint_survives_a_changed_line_number_and_no_changed_line(
        change: dict[str, object], same: bool, tmp_path: Path) -> None:
    prints = []
    for number, values in enumerate(({}, change)):
        path = tmp_path / f"mine{number}.py"
        path.write_text(LEAK.format(**{"above": "", "size": 64, "comment": "", **values}), encoding="utf-8")
        findings = Bed(str(path), frames=0).world().machine.findings.errors
        prints.append([fingerprint_of(finding) for finding in findings])
    assert prints[0] and (prints[0] == prints[1]) is same


def campaign(*records: Record) -> Campaign:
    return Campaign(Plan(WorldSpec()), list(records))


def test_a_baseline_takes_a_known_cause_out_of_the_verdict() -> None:
    done = campaign(failing(Case(("a#1",))), Record(Case(), "recovered"))
    assert done.verdict == "findings"
    assert not apply_baseline(done, [Entry("cause", "known", DAY)], DAY)
    assert (done.verdict, done.failing) == ("clean", [])


def test_a_world_with_an_unknown_finding_beside_a_known_one_fails() -> None:
    record = failing(Case(("a#1",)))
    record.findings.append({"fingerprint": "other"})
    done = campaign(record)
    apply_baseline(done, [Entry("cause", "known", DAY)], DAY)
    assert done.verdict == "findings"


@pytest.mark.parametrize(("expires", "state", "verdict"), [
    (date(2026, 4, 30), "expired", "findings"), (DAY, None, "clean"), (date(2026, 5, 2), None, "clean")])
def test_an_entry_holds_up_to_its_day(expires: date, state: str | None, verdict: str) -> None:
    done = campaign(failing(Case(("a#1",))))
    complaints = apply_baseline(done, [Entry("cause", "known", expires)], DAY)
    assert [c.state for c in complaints] == ([state] if state else [])
    assert done.verdict == verdict


def test_an_entry_that_nothing_needs_is_reported() -> None:
    complaint, = apply_baseline(campaign(Record(Case(), "recovered")), [Entry("gone", "known", DAY)], DAY)
    assert (complaint.state, complaint.entry.fingerprint) == ("unused", "gone")


def test_a_written_baseline_is_read_back_and_expects_every_cause(tmp_path: Path) -> None:
    done = campaign(failing(Case(("a#1",))), failing(Case(("b#1",)), "second"), failing(Case(("c#1",))))
    path = tmp_path / "known.toml"
    path.write_text(baseline_text(done, DAY), encoding="utf-8")
    entries = read_baseline(path)
    assert [entry.fingerprint for entry in entries] == ["cause", "second"]
    assert not apply_baseline(done, entries, DAY)
    assert done.verdict == "clean"


@pytest.mark.parametrize("text", [
    "nonsense", "[other]\nx = 1", "known = 3", '[[known]]\nfingerprint = "a"',
    '[[known]]\nfingerprint = "a"\nreason = "r"\nexpires = "soon"',
    '[[known]]\nfingerprint = "a"\nreason = " "\nexpires = 2026-05-01',
    '[[known]]\nfingerprint = "a"\nreason = "r"\nexpires = 2026-05-01\n' * 2])
def test_a_baseline_that_says_something_else_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"known\.toml"):
        read_baseline(path)


def test_a_journal_keeps_whole_lines_and_forgets_one_that_was_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "key")
    journal.put(failing(Case(("a#1",))))
    journal.put(failing(Case(("b#1",))))
    journal.close()
    path = tmp_path / "key.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    again = Journal(tmp_path, "key")
    assert again.get("a#1") == failing(Case(("a#1",)))
    assert again.get("b#1") is None
    again.put(failing(Case(("c#1",))))
    again.close()
    third = Journal(tmp_path, "key")
    assert third.get("a#1") is not None and third.get("c#1") is not None
    third.close()


def test_another_key_begins_a_journal_of_its_own(tmp_path: Path) -> None:
    first = Journal(tmp_path, "one")
    first.put(failing(Case(("a#1",))))
    first.close()
    other = Journal(tmp_path, "two")
    assert other.get("a#1") is None
    other.close()
